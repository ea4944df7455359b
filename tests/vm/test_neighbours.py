# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Programs beside us that look at every block device of a machine: multipathd and mdadm."""

import os
import re

from guest.cases import exporter_case
from harness.commands import Program, contains, run, same, true

ARRAY = "/dev/md/hawser"


def stop_array():
    """Its members have udev look at them again when they are free, and that makes it once more, half."""
    run(["mdadm", "--stop", ARRAY])
    run(["udevadm", "settle"])
    run(["mdadm", "--stop", "--scan"], check=False)


def disk(guest):
    guest.target(units=[{"disk": "unit0"}])
    guest.start_hawserd()
    return guest.connect()


@exporter_case()
def multipathd_leaves_it_alone(guest):
    """Also one that was told to make a map of whatever it finds: there is one multipath layer, ours."""
    guest.write("/etc/multipath.conf", "defaults {\n\tfind_multipaths greedy\n}\n")
    guest.undo.append(lambda: os.unlink("/etc/multipath.conf"))
    run(["modprobe", "-a", "dm_multipath", "dm_service_time"])
    daemon = Program(["multipathd", "-d", "-s"], "/var/tmp/multipathd.log")
    guest.undo.append(daemon.kill)
    guest.wait(lambda: "ok" in run(["multipathd", "reconfigure"], check=False).out, "multipathd answers")
    device = disk(guest)
    guest.wait_for_paths(2)
    run(["udevadm", "settle"])
    shown = run(["multipathd", "show", "paths", "raw", "format", "%d"]).out.split()
    true(os.path.basename(device) not in shown, f"{device} is none of multipathd's paths: {shown}")
    same(run(["multipath", "-c", device], check=False).code, 1, "is it a path, multipath -c")
    run(["multipath", "-v2"], check=False)
    same(run(["dmsetup", "ls", "--target", "multipath"]).out.strip(), "No devices found", "maps of dm-multipath")
    same(guest.udev(device).get("DM_MULTIPATH_DEVICE_PATH", "0"), "0", "what udev knows of it")
    guest.mount(device)
    run(["umount", "/mnt/test"])
    run(["udevadm", "settle"])
    guest.logout()


@exporter_case()
def an_array_on_top(guest):
    device = disk(guest)
    run(["modprobe", "raid1"])
    create = ["mdadm", "--create", ARRAY, "--run", "--metadata=1.2", "--level=1", "--raid-devices=2"]
    run([*create, device, "missing"])
    guest.undo.append(lambda: run(["mdadm", "--stop", "--scan"], check=False))
    run(["udevadm", "settle"])
    folder = guest.mount(os.path.realpath(ARRAY))
    data = os.urandom(4 << 20)
    with open(f"{folder}/data", "wb") as file:
        file.write(data)
        os.fsync(file.fileno())
    refused = guest.logout(check=False)
    true(refused.code != 0, "no logout while it is part of an array")
    guest.kill_hawserd()
    with open(f"{folder}/more", "wb") as file:
        file.write(data)
        os.fsync(file.fileno())
    run(["umount", folder])
    true(re.search(r"\[U_\]", run(["cat", "/proc/mdstat"]).out), "the member is still good")
    stop_array()
    same(guest.udev(device)["ID_FS_TYPE"], "linux_raid_member", "what udev found on it")
    guest.logout()

    # As at boot: udev hands the member to mdadm, which waits for the other one.
    guest.login()
    run(["udevadm", "settle"])
    device = os.path.realpath(guest.device())
    contains(run(["cat", "/proc/mdstat"]).out, f"{os.path.basename(device)}[", "what udev gave to mdadm")
    run(["mdadm", "--run", os.path.realpath(ARRAY)])
    guest.mount(os.path.realpath(ARRAY), make=None)
    for name in ("data", "more"):
        with open(f"{folder}/{name}", "rb") as file:
            same(file.read() == data, True, f"{name} is as it was written")
    run(["umount", folder])
    stop_array()
    run(["mdadm", "--zero-superblock", device])
    guest.logout()
