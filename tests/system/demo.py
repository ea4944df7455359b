#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""The demonstration: a file system on a disk that two portals lead to, through the loss of each.

usage: demo.py [--build-dir DIR]

Against a real target (tgt) in a network of its own. Leaves nothing behind. Exit status 1 when any
request failed, any byte differed, or anything was left.
"""

import argparse
import os
import random
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from harness.commands import Failure, Skip, run  # noqa: E402
from harness.daemon import Build  # noqa: E402
from harness.lab import Lab  # noqa: E402
from harness.network import namespaces_work  # noqa: E402

MIB = 1 << 20
DISK_MIB = 256

WORDS = {
    "link down": ("the cable to {} is pulled out", "the cable is plugged in again"),
    "killed": ("{} is killed: it resets every connection", "the portal is started again"),
    "blocked": ("{} falls silent: every packet is lost without a word", "packets pass again"),
    "crashed": ("the target's process behind {} is killed", "it is started again"),
}


def say(text=""):
    print(text, flush=True)


def show(result):
    """A command as the administrator types it, and its answer."""
    words = [os.path.basename(result.command[0]), *result.command[1:]]
    say(f"    $ {' '.join(words)}")
    for line in result.out.rstrip("\n").splitlines():
        say(f"      {line}")


class TwoCables:
    """The usual scene: initiator and target are two hosts with two cables between them."""

    def __init__(self, lab):
        self.network = lab.two_links()
        self.portals = self.network.portals
        self.target = lab.target(self.network)
        self.iqn = self.target.add("demo")
        self.target.add_unit(self.iqn, size_mib=DISK_MIB)
        self.losses = [(self.portals[1], "link down"), (self.portals[0], "killed"),
                       (self.portals[1], "blocked")]  # fmt: skip

    def describe(self):
        return "Two hosts in network namespaces with two cables between them"

    def lose(self, portal, how):
        portal.lose(how)

    def restore(self, portal):
        portal.restore()


class LoopbackPortal:
    def __init__(self, address, port):
        self.address, self.port = address, port

    def __str__(self):
        return f"{self.address}:{self.port}"


class TwoProcesses:
    """Where no network namespace can be made: two processes of tgt show one disk on two loopback
    addresses, and a portal is lost by killing its process."""

    network = None

    def __init__(self, lab):
        self.lab = lab
        port = random.randrange(20000, 30000)
        self.portals = [LoopbackPortal(f"127.0.0.{n}", port) for n in (1, 2)]
        self.targets, self.path, self.tid = {}, None, random.randrange(1, 60000)
        for portal in self.portals:
            self._serve(portal)
        self.losses = [(self.portals[1], "crashed"), (self.portals[0], "crashed")]

    def _serve(self, portal):
        target = self.lab.target(portal=str(portal))
        self.iqn = target.add("demo", target_id=self.tid)
        self.path = target.add_unit(self.iqn, size_mib=DISK_MIB, path=self.path)
        self.targets[portal] = target

    def describe(self):
        return "No network namespaces here, so: two processes show one disk on two loopback addresses"

    def lose(self, portal, _):
        self.targets[portal].kill()

    def restore(self, portal):
        self._serve(portal)


def play(lab):
    """Returns [(what was lost, longest pause in ms)] and fio's totals."""
    scene = TwoProcesses(lab) if namespaces_work() else TwoCables(lab)
    say(f"1. {scene.describe()}.")
    say(f"   The target is Debian's tgt with one disk of {DISK_MIB} MiB behind two portals,")
    say(f"   {scene.portals[0]} and {scene.portals[1]}. hawserd is started.")
    daemon = lab.hawserd(scene.network)

    say("2. Discover at both portals, log in through both.")
    for portal in scene.portals:
        show(daemon.discover(portal))
    show(daemon.login(scene.iqn))
    daemon.wait_for_paths(2)
    device = daemon.device(scene.iqn, scene.portals[0])
    say(f"3. Two sessions, one block device: {device}. A file system goes onto it.")
    mount = lab.mount(device)
    say(f"    $ mkfs.ext4 {device} && mount {device} {mount.folder}")
    show(daemon.hawser("status"))

    say("4. fio writes random blocks, 16 at a time, reads them back and checks every byte,")
    say("   while portals are lost and come back. A second program writes one block after")
    say("   the other and measures how long each takes.")
    load = lab.fio(f"{mount.folder}/load", rw="randwrite")
    meter = lab.pause_meter(f"{mount.folder}/pauses")
    time.sleep(2)
    calm = meter.take()
    say(f"    both paths up: the longest write took {calm['longest_ms']} ms")
    pauses = []
    for portal, how in scene.losses:
        lost, back = WORDS[how]
        say(f"    - {lost.format(portal)} …")
        scene.lose(portal, how)
        daemon.wait_for_paths(1)
        time.sleep(2)
        load.check_running()
        taken = meter.take()
        if taken["errors"]:
            raise Failure(f"{taken['errors']} writes failed")
        pauses.append((lost.format(portal), taken["longest_ms"]))
        say(f"      the other path carries everything; longest pause {taken['longest_ms']} ms")
        scene.restore(portal)
        daemon.wait_for_paths(2)
        time.sleep(1)
        load.check_running()
        say(f"      {back}; two paths carry I/O again")
        if meter.take()["errors"]:
            raise Failure("writes failed while the path came back")
    meter.stop()
    totals = load.stop()

    say("5. The file system is unmounted and checked, both sessions are logged out.")
    mount.unmount()
    show(run(["e2fsck", "-f", "-n", device]))
    show(daemon.logout(scene.iqn))
    daemon.stop()
    return pauses, totals


def tell_result(pauses, totals):
    say()
    say(f"{totals['written_bytes'] / MIB:.1f} MiB written, {totals['verified_bytes'] / MIB:.1f} MiB "
        "read back and verified byte by byte.")  # fmt: skip
    for what, longest_ms in pauses:
        say(f"Longest I/O pause when {what}: {longest_ms:.0f} ms.")
    say(f"Longest time that any of fio's requests took: {totals['longest_ms']:.0f} ms.")
    say(f"I/O errors: {totals['errors']}. Mismatches: 0.")


def main():
    parser = argparse.ArgumentParser(description="hawser's demonstration")
    parser.add_argument("--build-dir", default=os.path.join(HERE, "../../build"))
    build = Build(parser.parse_args().build_dir)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if os.geteuid() != 0:
        print("the demo makes block devices and needs root", file=sys.stderr)
        return 1
    lab, told, code = Lab(build), None, 1
    try:
        lab.needs_block_devices()
        told = play(lab)
        code = 0
    except (Failure, Skip) as why:
        say(f"\nThe demo ends early: {why}")
        lab.keep_logs(os.path.join(build.folder, "demo-logs"))
        say(f"Logs: {build.folder}/demo-logs")
    except KeyboardInterrupt:
        say("\nInterrupted; cleaning up.")
        code = 130
    finally:
        left = lab.close()
        lab.remove_folder()
    if told:
        tell_result(*told)
    if left:
        say("Left behind: " + "; ".join(left))
        return code or 1
    say("Nothing is left behind: no device, mount, process, namespace or file.")
    return code


if __name__ == "__main__":
    sys.exit(main())
