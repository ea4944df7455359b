# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""What a case does with its machine. Whatever it makes is taken away again by tidy_up()."""

import glob
import json
import os
import re
import shutil
import signal
import subprocess

from guest import lio, network
from harness.commands import Failure, run, wait_until

INITIATOR = "iqn.2024-05.org.example.hawser:vm"
TARGET = "iqn.2024-05.org.example.hawser:disk"
CONF = "/etc/iscsi"
PROGRAMS = "/usr/lib/hawser-vm/bin"

# New records give up soon on what cannot be reached.
ISCSID_CONF = """
node.startup = manual
node.session.initial_login_retry_max = 1
node.conn[0].timeo.login_timeout = 10
discovery.sendtargets.reopen_max = 1
"""

# How connect() calls what it sets.
SETTINGS = {
    "authmethod": "node.session.auth.authmethod",
    "username": "node.session.auth.username",
    "password": "node.session.auth.password",
    "username_in": "node.session.auth.username_in",
    "password_in": "node.session.auth.password_in",
    "header_digest": "node.conn[0].iscsi.HeaderDigest",
    "data_digest": "node.conn[0].iscsi.DataDigest",
    "startup": "node.startup",
    "no_path_retry": "hawser.no_path_retry",
}


class Guest:
    def __init__(self, boot, exporter=None, kills=None):
        self.boot = boot
        self.exporter = exporter
        self.kills = kills  # how often a case kills hawserd that does so; None: as it likes
        self.notes = []  # told with the outcome
        self.undo = []
        os.makedirs(CONF, exist_ok=True)
        self.write(f"{CONF}/initiatorname.iscsi", f"InitiatorName={INITIATOR}\n")
        self.write(f"{CONF}/iscsid.conf", ISCSID_CONF)
        if exporter:
            self.write("/etc/hawser/hawser.conf", f"[block]\nexporter = {exporter}\n")

    @staticmethod
    def write(path, text):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    # ---- systemd

    def systemctl(self, words, **options):
        return run(["systemctl", "--no-pager", *words.split()], **options)

    def property(self, unit, name):
        return self.systemctl(f"show --value -p {name} {unit}").out.strip()

    def state(self, unit):
        return self.property(unit, "ActiveState")

    def journal(self, unit, boot=0):
        return run(["journalctl", "--no-pager", "-o", "cat", "-b", str(boot), "-u", unit]).out

    def start_hawserd(self):
        self.systemctl("start hawserd")

    def kill_hawserd(self):
        """SIGKILL; systemd starts another one"""
        before = self.property("hawserd", "MainPID")
        os.kill(int(before), signal.SIGKILL)
        self.wait(lambda: self.state("hawserd") == "active" and self.property("hawserd", "MainPID") != before,
                  "a new hawserd", 60)  # fmt: skip

    # ---- targets

    def target(self, units=({"ram_mib": 128},), **more):
        """Returns how it is described; more: as of lio.py's dictionary"""
        described = {"name": TARGET, "portals": network.PORTALS, "units": list(units), **more}
        lio.create(described)
        return described

    # ---- our commands

    def iscsiadm(self, words, **options):
        return run(["iscsiadm", *words.split()], **options)

    def hawser(self, words, **options):
        return run(["hawser", *words.split()], **options)

    def discover(self, portal=network.PORTALS[0]):
        return self.iscsiadm(f"-m discovery -t st -p {portal}")

    def login(self, **options):
        return self.iscsiadm(f"-m node -T {TARGET} -l", **options)

    def logout(self, **options):
        return self.iscsiadm(f"-m node -T {TARGET} -u", **options)

    def connect(self, **settings):
        """Discover, log in over both portals; the device. settings: as in SETTINGS"""
        self.discover()
        for name, value in settings.items():
            self.set(name, value)
        self.login()
        return self.device()

    def set(self, name, value):
        self.iscsiadm(f"-m node -T {TARGET} -o update -n {SETTINGS[name]} -v {value}")

    def active_paths(self):
        told = json.loads(self.hawser("paths --json", check=False).out or "{}")
        return sum(path["state"] == "active" for path in told.get("paths", []))

    def wait_for_paths(self, count, timeout=40):
        self.wait(lambda: self.active_paths() == count, f"{count} active paths", timeout)

    def by_path(self, portal=network.PORTALS[0], unit=0):
        return f"/dev/disk/by-path/ip-{portal}:3260-iscsi-{TARGET}-lun-{unit}"

    def device(self, unit=0):
        return os.path.realpath(self.by_path(unit=unit))

    # ---- devices

    def udev(self, device):
        """What udev's database has of it: properties, and links in the key "links"."""
        text = run(["udevadm", "info", "--query=all", f"--name={device}"]).out
        found = dict(re.findall(r"^E: ([^=]+)=(.*)$", text, re.M))
        found["links"] = {f"/dev/{link}" for link in re.findall(r"^S: (.*)$", text, re.M)}
        return found

    def mount(self, device, folder="/mnt/test", make="mkfs.ext4 -q -F"):
        if make:
            run([*make.split(), device])
        os.makedirs(folder, exist_ok=True)
        run(["mount", device, folder])
        return folder

    def program(self, name):
        return os.path.join(PROGRAMS, name)

    # ---- the end

    def tidy_up(self):
        """Everything of this case goes. Returns what should not have been there."""
        problems = []
        for undo in reversed(self.undo):
            try:
                undo()
            except Exception as error:
                problems.append(f"clean-up: {error}")
        if os.path.ismount("/mnt/test"):
            run(["umount", "/mnt/test"], check=False)
        run(["udevadm", "settle"], check=False)  # its last looks at our devices
        for unit in ("iscsi", "hawserd"):
            if run(["systemctl", "stop", unit], check=False, timeout=90).code != 0:
                problems.append(f"{unit} does not stop")
            if self.property(unit, "Result") != "success":
                problems.append(f"{unit} ended with {self.property(unit, 'Result')}")
        self.systemctl("reset-failed")
        shutil.rmtree(CONF, ignore_errors=True)
        shutil.rmtree("/etc/hawser", ignore_errors=True)
        try:
            lio.remove_all()
        except OSError as error:
            problems.append(f"the target does not go: {error}")
        loops = subprocess.run(["losetup", "-n", "-O", "NAME"], stdout=subprocess.PIPE, text=True, check=False).stdout
        left = [loop.strip() for loop in loops.splitlines()] + glob.glob("/sys/class/ublk-char/*")
        left += glob.glob("/sys/block/nbd*/pid")
        problems += [f"{device} is still there" for device in left]
        return problems

    def wait(self, condition, what, timeout=30):
        return wait_until(condition, what, timeout)


__all__ = ["Failure", "Guest", "INITIATOR", "TARGET"]
