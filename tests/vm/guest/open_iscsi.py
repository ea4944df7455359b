# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""open-iscsi and multipath-tools against the same target: what we are compared with.

open-iscsi is unpacked below /opt, as it has our names; it uses the folders of records that we use.
"""

import os

from harness.commands import Program, run, wait_until

PLACE = "/opt/open-iscsi"
MULTIPATH_CONF = """
defaults {
	find_multipaths no
	user_friendly_names no
	path_grouping_policy multibus
}
blacklist {
	devnode "^(loop|vd|nbd|ublkb)"
}
"""


class OpenIscsi:
    def __init__(self, guest, target):
        self.guest = guest
        self.target = target
        run(["modprobe", "-a", "iscsi_tcp", "dm_multipath", "dm_service_time"])
        guest.write("/etc/multipath.conf", MULTIPATH_CONF)
        guest.undo.append(lambda: os.unlink("/etc/multipath.conf"))
        self._start("iscsid", [f"{PLACE}/sbin/iscsid", "-f"])
        self._start("multipathd", ["multipathd", "-d", "-s"])
        wait_until(lambda: self.admin("-m session", check=False).code == 21, "iscsid answers", 20)

    def _start(self, name, command):
        program = Program(command, f"/var/tmp/{name}.log")
        self.guest.undo.append(program.kill)

    def admin(self, words, **options):
        return run([f"{PLACE}/sbin/iscsiadm", *words.split()], **options)

    def connect(self, portal, paths=2):
        """Discover, log in to all portals; the device of the map with so many active paths"""
        self.admin(f"-m discovery -t st -p {portal}")
        self.admin(f"-m node -T {self.target} -l")
        self.guest.undo.append(self.disconnect)
        wait_until(lambda: self._active_paths() == paths, f"{paths} paths in the map", 40)
        return f"/dev/mapper/{self._maps()[0].split()[0]}"

    def _maps(self):
        return run(["dmsetup", "ls", "--target", "multipath"]).out.splitlines()

    def _active_paths(self):
        shown = run(["multipathd", "show", "paths", "format", "%d %t"], check=False).out
        return sum("active" in line for line in shown.splitlines())

    def disconnect(self):
        run(["multipath", "-F"], check=False)
        if self.admin("-m session", check=False).code == 0:
            self.admin(f"-m node -T {self.target} -u")
        self.admin(f"-m node -T {self.target} -o delete", check=False)
