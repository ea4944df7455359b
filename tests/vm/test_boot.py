# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Boot and shutdown with a file system on a disk of ours: three boots of one machine."""

import hashlib
import os
import re

from guest import lio
from guest.cases import case
from harness.commands import contains, run, same, true

FOLDER = "/srv/data"
SUM = "/var/lib/hawser-vm/sum"


def line_of(text, pattern):
    """Number of the first line that matches, which must be there."""
    for number, line in enumerate(text.splitlines()):
        if re.search(pattern, line):
            return number
    raise AssertionError(f"nothing like {pattern!r} in\n{text}")


def configure(guest):
    lio.save(guest.target(units=[{"disk": "unit0"}]))
    guest.start_hawserd()
    device = guest.connect(startup="automatic")
    run(["mkfs.ext4", "-q", "-F", device])
    os.makedirs(FOLDER)
    with open("/etc/fstab", "a", encoding="ascii") as file:
        file.write(f"{guest.by_path()} {FOLDER} ext4 _netdev 0 2\n")
    run(["udevadm", "settle"])
    guest.logout()
    guest.systemctl("enable hawserd iscsi")


def is_up(guest):
    same(guest.systemctl("is-system-running", check=False).out.strip(), "running", "the system")
    same(guest.property("iscsi", "Result"), "success", "iscsi.service")
    same(run(["findmnt", "-n", "-o", "SOURCE", FOLDER]).out.strip(), guest.device(), "what is mounted")
    guest.wait_for_paths(2)


def went_down_in_order(guest):
    told = run(["journalctl", "--no-pager", "-o", "cat", "-b", "-1"]).out
    told = told[told.rindex("Unmounting srv-data.mount") :]
    unmounted = line_of(told, r"^Unmounted srv-data.mount")
    logged_out = line_of(told, r"logged out of iqn")
    network_down = line_of(told, r"^Stopping hawser-vm-network")
    true(unmounted < logged_out < network_down, f"unmounted, logged out, no network, in that order:\n{told}")
    for unit in ("hawserd", "iscsi"):
        contains(told, f"{unit}.service: Deactivated successfully", "how the units ended")
    log = run(["journalctl", "--no-pager", "-o", "cat", "-k", "-b", "0"]).out
    true("recovery complete" not in log, f"the file system was unmounted:\n{log}")


@case(limit_s=150, boots=3, smoke=True)
def an_automatic_node_is_mounted_at_boot_and_unmounted_at_shutdown(guest):
    if guest.boot == 1:
        configure(guest)
        return
    is_up(guest)
    if guest.boot == 2:
        data = os.urandom(48 << 20)
        with open(f"{FOLDER}/data", "wb") as file:  # no sync: the shutdown has to see to it
            file.write(data)
        guest.write(SUM, hashlib.sha256(data).hexdigest())
        return
    with open(f"{FOLDER}/data", "rb") as file, open(SUM, encoding="ascii") as wanted:
        same(hashlib.sha256(file.read()).hexdigest(), wanted.read(), "checksum of the data")
    went_down_in_order(guest)
