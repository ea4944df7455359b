# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""A real target: Debian's tgt, as a process of its own with a control port of its own.

tgtd takes one "--iscsi portal=" argument and without it listens on all addresses; SendTargets answers
with the address that was asked. So it listens everywhere (of its namespace), and discovery has to go
to each portal.
"""

import os
import random
import shutil
import signal

from harness.commands import Program, Skip, run, wait_until

IQN = "iqn.2024-05.org.example.hawser"


class Target:
    def __init__(self, folder, namespace=None, portal=None, number=0):
        """portal: "address:port" to listen on; None: port 3260 of every address in namespace"""
        if not shutil.which("tgtd"):
            raise Skip("tgt is not installed")
        self.folder = folder
        self.namespace = namespace
        # tgtd's control port only names a socket file. Target numbers go into the units' WWIDs;
        # they are drawn so that devices of different runs can never be taken for each other.
        self.control_port = 1024 + (os.getpid() * 8 + number) % 31000
        self.next_id = random.randrange(1, 60000)
        self.ids = {}
        command = ["tgtd", "-f", "-C", self.control_port]
        if portal:
            command += ["--iscsi", f"portal={portal}"]
        if namespace:
            command = namespace.inside(command)
        self.program = Program(command, os.path.join(folder, f"tgtd-{number}.log"))
        wait_until(
            lambda: self.admin("show", "target", check=False).code == 0 or self._ended(),
            "tgtd answers",
            10,
        )

    def _ended(self):
        if not self.program.running:
            raise Skip(f"tgtd does not start here: {self.program.log().strip()}")
        return False

    def admin(self, operation, mode, *words, check=True):
        command = ["tgtadm", "-C", self.control_port, "--lld", "iscsi"]
        return run([*command, "--op", operation, "--mode", mode, *words], check=check)

    def add(self, name="disk", chap=None, target_id=None):
        """A target that everyone may log in to, or who knows chap = (user, secret). Returns its
        name."""
        iqn = f"{IQN}:{name}"
        self.ids[iqn] = target_id or self.next_id
        self.next_id += 1
        tid = self.ids[iqn]
        self.admin("new", "target", "--tid", tid, "-T", iqn)
        self.admin("bind", "target", "--tid", tid, "-I", "ALL")
        if chap:
            user, secret = chap
            self.admin("new", "account", "--user", user, "--password", secret)
            self.admin("bind", "account", "--tid", tid, "--user", user)
        return iqn

    def add_unit(self, iqn, size_mib=64, lun=1, block_size=512, path=None, thin=True, store="rdwr"):
        """A disk in a sparse file; the file's path is returned. path: use this one instead. store: tgt's
        backing store."""
        tid = self.ids[iqn]
        if not path:
            path = os.path.join(self.folder, f"unit-{tid}-{lun}.img")
            with open(path, "wb") as file:
                file.truncate(size_mib << 20)
        self.admin(
            "new", "logicalunit", "--tid", tid, "--lun", lun, "-b", path,
            "--bstype", store, "--blocksize", block_size,
        )  # fmt: skip
        parameters = f"vendor_id=HAWSER,product_id=TESTDISK,scsi_sn=hw{tid}{lun}"
        if thin:
            parameters += ",thin_provisioning=1"
        self.admin("update", "logicalunit", "--tid", tid, "--lun", lun, "--params", parameters)
        return path

    def wwids(self):
        """Part of the WWID that is the same in all units of this target: its drawn number."""
        return [f"{tid:x}" for tid in self.ids.values()]

    def sessions(self, iqn):
        """How many sessions the target itself counts."""
        shown = self.admin("show", "conn", "--tid", self.ids[iqn], check=False).out
        return shown.count("Session:")

    def freeze(self):
        """It is there and does nothing; the kernel goes on acknowledging what it is sent."""
        self.program.signal(signal.SIGSTOP)

    def thaw(self):
        self.program.signal(signal.SIGCONT)

    def kill(self):
        self.program.kill()
        # SIGKILL leaves the control socket behind; nobody else has this number.
        for name in (f"socket.{self.control_port}", f"socket.{self.control_port}.lock"):
            try:
                os.unlink(os.path.join("/var/run/tgtd", name))
            except FileNotFoundError:
                pass
