# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""One test's workshop: makes networks, targets, daemons and load, and takes everything away again,
last made first, whatever happened in between."""

import os
import random
import shutil
import tempfile

from harness import leftovers
from harness.commands import Skip, run
from harness.daemon import Hawserd
from harness.fake_target import FakeTarget
from harness.isns import IsnsServer
from harness.load import Fio, Mount, Oracle, PauseMeter
from harness.network import Links, Loopback
from harness.relay import Relay
from harness.target import Target


class Lab:
    def __init__(self, build, seed=0, kills=None):
        self.build = build
        self.kills = kills  # how often a case kills hawserd that does so; None: as it likes
        self.random = random.Random(seed)
        self.folder = tempfile.mkdtemp(prefix="hawser-")
        os.chmod(self.folder, 0o711)
        self.undo = []
        self.daemons = []
        self.devices = {}  # what our daemons showed: device → name of the loop
        self.targets = 0

    # ---- parts

    def links(self, count):
        return self._keep(Links(count), Links.delete)

    def two_links(self):
        return self.links(2)

    def loopback(self):
        return self._keep(Loopback(), Loopback.delete)

    def target(self, network=None, portal=None):
        namespace = network.target_side if network else None
        self.targets += 1
        return self._keep(Target(self.folder, namespace, portal, self.targets), Target.kill)

    def fake_target(self, network, groups=(1, 2), size_mib=64):
        made = FakeTarget(self.build, self.folder, network, groups, size_mib)
        return self._keep(made, FakeTarget.kill)

    def relay(self, network, portal, delay_ms):
        return self._keep(Relay(self.build, network, portal, delay_ms), Relay.kill)

    def keep(self, thing):
        """thing.close() at the end"""
        return self._keep(thing, lambda each: each.close())

    def isns_server(self, network):
        return self._keep(IsnsServer(self.folder, network.target_side), IsnsServer.kill)

    def hawserd(self, network=None, start=True, **options):
        """A daemon of its own; options as of Hawserd"""
        folder = os.path.join(self.folder, f"d{len(self.daemons)}")
        os.makedirs(folder)
        namespace = network.initiator_side if network else None
        daemon = Hawserd(self.build, folder, namespace, **options)
        daemon.lab = self
        self.daemons.append(self._keep(daemon, Hawserd.clean_up))
        return daemon.start() if start else daemon

    def program(self, program):
        return self._keep(program, lambda p: p.kill())

    def mount(self, device, make=True):
        """device gets an ext4 file system and is mounted; returns the Mount"""
        self.note_device(device)
        folder = os.path.join(self.folder, f"mnt-{len(self.undo)}")
        return self._keep(Mount(device, folder, make), Mount.clean_up)

    def fio(self, path, **options):
        log = os.path.join(self.folder, f"fio-{len(self.undo)}.log")
        return self._keep(Fio(path, log, **options), lambda fio: fio.program.kill())

    def pause_meter(self, path):
        log = os.path.join(self.folder, f"pause-{len(self.undo)}.log")
        return self._keep(PauseMeter(path, log), lambda meter: meter.program.kill())

    def oracle(self, device, **options):
        """Options as of the program, with _ for -; the device is the oracle's own"""
        self.note_device(device)
        log = os.path.join(self.folder, f"oracle-{len(self.undo)}.log")
        options.setdefault("seed", self.random.randrange(1, 1 << 30))
        program = os.path.join(self.build.folder, "tests/system/oracle")
        return self._keep(Oracle(program, device, log, options), lambda o: o.program.kill())

    def note_device(self, device):
        self.devices[device] = leftovers.loop_name(device)

    def needs_block_devices(self):
        """Skip where the kernel or its keeper does not let us make any."""
        for path in ("/dev/fuse", "/dev/loop-control"):
            try:
                os.close(os.open(path, os.O_RDWR))
            except OSError as error:
                raise Skip(f"no block devices here ({path}: {error.strerror})") from None

    def _keep(self, thing, undo):
        self.undo.append((thing, undo))
        return thing

    # ---- the end

    def close(self):
        """Undo everything. Returns what was left behind nevertheless (and removes that too)."""
        problems = []
        while self.undo:
            thing, undo = self.undo.pop()
            try:
                undo(thing)
            except Exception as error:  # the rest has to be undone all the same
                problems.append(f"clean-up of {type(thing).__name__}: {error}")
        problems += leftovers.describe(self.folder, self.devices)
        for daemon in self.daemons:
            report = daemon.sanitizer_reports()
            if report:
                problems.append(f"sanitizer:\n{report[:6000]}")
        for point in leftovers.mounts_below(self.folder):
            run(["umount", "--lazy", point], check=False)
        for device, name in self.devices.items():
            if name is not None and leftovers.loop_name(device) == name:
                leftovers.detach_loop(device)
        return problems

    def keep_logs(self, folder):
        """Copy what explains a failure."""
        os.makedirs(folder, exist_ok=True)
        for parent, _, names in os.walk(self.folder):
            for name in names:
                if name.endswith((".log", ".log.json")) or name.startswith("sanitizer."):
                    flat = os.path.relpath(os.path.join(parent, name), self.folder)
                    shutil.copy(os.path.join(parent, name), os.path.join(folder, flat.replace("/", "-")))

    def remove_folder(self):
        if not leftovers.mounts_below(self.folder):
            shutil.rmtree(self.folder, ignore_errors=True)
