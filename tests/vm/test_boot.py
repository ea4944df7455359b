# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Boot and shutdown with file systems on disks of ours, in good times and in bad ones."""

import hashlib
import os
import re

from guest import lio, network
from guest.cases import case, exporter_case
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


# ---- by UUID, and volumes on top, when not all is well

BY_UUID, VOLUME = "/srv/by-uuid", "/srv/volume"
UNITS = "/etc/systemd/system"
LATE_S = 60
PATIENCE = "x-systemd.device-timeout=240s"  # an emulated machine is slow on top of that


def add_unit(guest, name, order, command, kind="oneshot"):
    """A service that comes before what needs the network, as the cables and the target do"""
    guest.write(f"{UNITS}/{name}.service", f"[Unit]\nDefaultDependencies=no\n{order}\n[Service]\nType={kind}\n"
                f"WorkingDirectory=/usr/lib/hawser-vm/guest\nExecStart={command}\n"
                "[Install]\nWantedBy=multi-user.target\n")  # fmt: skip
    guest.systemctl(f"enable {name}")


def mounted_with_its_data(guest):
    for folder in (BY_UUID, VOLUME):
        guest.wait(lambda path=folder: os.path.ismount(path), f"{folder} is mounted", 200)
        with open(f"{folder}/data", encoding="ascii") as file:
            same(file.read(), folder, f"what is in {folder}")


def prepare_two_file_systems(guest):
    described = guest.target(units=[{"file": "/var/tmp/image0", "mib": 64}, {"file": "/var/tmp/image1", "mib": 64}])
    lio.save(described)
    guest.start_hawserd()
    guest.connect(startup="automatic")
    guest.wait_for_paths(4)
    plain, physical = guest.device(0), guest.device(1)
    run(["mkfs.ext4", "-q", "-F", plain])
    run(["pvcreate", "-q", "-y", physical])
    run(["vgcreate", "-q", "volumes", physical])
    run(["lvcreate", "-q", "-y", "-n", "data", "-l", "100%FREE", "volumes"])
    run(["mkfs.ext4", "-q", "-F", "/dev/volumes/data"])
    uuid = run(["blkid", "-s", "UUID", "-o", "value", plain]).out.strip()
    with open("/etc/fstab", "a", encoding="ascii") as file:
        file.write(f"UUID={uuid} {BY_UUID} ext4 _netdev,{PATIENCE} 0 2\n")
        file.write(f"/dev/volumes/data {VOLUME} ext4 _netdev,{PATIENCE} 0 2\n")
    for folder in (BY_UUID, VOLUME):
        os.makedirs(folder)
    guest.systemctl("daemon-reload")
    for folder in (BY_UUID, VOLUME):
        run(["mount", folder])
        guest.write(f"{folder}/data", folder)
        run(["umount", folder])
    run(["vgchange", "-q", "-an", "volumes"])
    run(["udevadm", "settle"])
    guest.logout()
    guest.systemctl("enable hawserd iscsi")
    # lvm2's own, which the image does without: volumes are deactivated before their disks go
    os.unlink(f"{UNITS}/blk-availability.service")
    guest.systemctl("enable blk-availability")


def lose_a_portal(guest):
    add_unit(guest, "cut", "After=hawser-vm-network.service\nBefore=network-online.target",
             f"/usr/bin/python3 -B -c \"import network; network.cut('{list(network.CABLES)[1]}')\"")  # fmt: skip


def let_the_target_be_late(guest):
    guest.systemctl("disable cut")
    os.rename(lio.SAVED, f"{lio.SAVED}.late")
    add_unit(guest, "late", "Wants=modprobe@configfs.service\nAfter=hawser-vm-network.service",
             f"/bin/sh -c 'sleep {LATE_S}; mv {lio.SAVED}.late {lio.SAVED}; exec python3 -B lio.py restore'",
             "simple")  # fmt: skip


@case(limit_s=300, boots=3)
def file_systems_by_uuid_and_on_volumes_in_bad_times(guest):
    if guest.boot == 1:
        prepare_two_file_systems(guest)
        lose_a_portal(guest)
        return
    mounted_with_its_data(guest)
    if guest.boot == 2:
        same(guest.systemctl("--failed --plain --no-legend").out.strip(), "", "units that failed")
        guest.wait_for_paths(2)
        let_the_target_be_late(guest)
    if guest.boot == 3:
        guest.wait_for_paths(4, timeout=90)


# ---- shutdown, when the target is dead

DYING = "/srv/dying"
GIVE_UP_S = 30


@exporter_case(limit_s=150, boots=2, expected=("I/O error",))
def a_machine_goes_off_though_its_target_is_dead(guest):
    """With a file system that has something to write, and volumes that nobody deactivates."""
    if guest.boot == 2:
        told = run(["journalctl", "--no-pager", "-o", "cat", "-b", "-1", "-u", "hawserd"]).out
        contains(told, "stopping with the machine", "what hawserd knew")
        contains(told, "hawserd.service: Deactivated successfully", "how it ended")
        return
    guest.target(units=[{"file": f"/var/tmp/image{number}", "mib": 64} for number in range(2)])
    guest.start_hawserd()
    guest.connect(no_path_retry=GIVE_UP_S)
    guest.wait_for_paths(4)
    plain, physical = guest.device(0), guest.device(1)
    run(["pvcreate", "-q", "-y", physical])
    run(["vgcreate", "-q", "volumes", physical])
    run(["lvcreate", "-q", "-y", "-n", "data", "-l", "100%FREE", "volumes"])
    run(["mkfs.ext4", "-q", "-F", plain])
    os.makedirs(DYING)
    run(["mount", "-o", "_netdev", plain, DYING])
    guest.systemctl("start iscsi")
    run(["udevadm", "settle"])
    with open(f"{DYING}/data", "wb") as file:  # to memory
        file.write(os.urandom(8 << 20))
    for cable in network.CABLES:
        network.cut(cable)
    guest.wait_for_paths(0)
