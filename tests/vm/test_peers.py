# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Beside open-iscsi and multipath-tools: the same target, the same records, the same names."""

import os

from guest.cases import case
from guest.guest import TARGET
from guest.network import PORTALS
from guest.open_iscsi import OpenIscsi
from harness.commands import contains, run, same


@case(limit_s=240)
def a_disk_that_open_iscsi_wrote_moves_over_and_back(guest):
    """With its records and under the same names."""
    guest.target(units=[{"disk": "unit0"}])
    theirs = OpenIscsi(guest, TARGET)
    device = theirs.connect(PORTALS[0])
    folder = guest.mount(device)
    data = os.urandom(4 << 20)
    with open(f"{folder}/data", "wb") as file:
        file.write(data)
    run(["umount", folder])
    run(["udevadm", "settle"])
    by_id = guest.udev(device)["DM_SERIAL"]
    run(["multipath", "-F"])
    theirs.admin(f"-m node -T {TARGET} -u")

    guest.start_hawserd()
    contains(guest.iscsiadm("-m node").out, f"{PORTALS[0]}:3260,1 {TARGET}", "their records")
    guest.login()
    run(["udevadm", "settle"])
    same(guest.udev(guest.device())["ID_SERIAL"], by_id, "serial number in udev")
    guest.mount(guest.device(), make=None)
    with open(f"{folder}/data", "rb") as file:
        same(file.read() == data, True, "their data")
    run(["umount", folder])
    run(["udevadm", "settle"])
    guest.logout()
    guest.systemctl("stop hawserd")

    device = theirs.connect(PORTALS[0])
    run(["e2fsck", "-f", "-n", device])
