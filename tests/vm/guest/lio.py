# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""A target by LIO, the kernel's own, set up through configfs as its documentation tells.

A target is described by a dictionary, so that it can be saved and be there again after a reboot:
    name        iqn
    portals     addresses
    units       list of {"disk": serial number of a disk of this machine}, {"ram_mib": size},
                {"device": path} or {"file": path, "mib": size}; perhaps with "block_size"
    attributes  of the portal group: {"authentication": 1, …}
    parameters  of login: {"HeaderDigest": "CRC32C", …}
    auth        {"userid": …, "password": …, "userid_mutual": …, "password_mutual": …}
    access      ["optimized", "standby", …]: each portal is a target port group of its own, in that state
"""

import glob
import json
import os
import subprocess
import sys
import time

CONFIG = "/sys/kernel/config/target"
SAVED = "/var/lib/hawser-vm/target.json"
NAMESPACE = "/run/netns/storage"

# As REPORT TARGET PORT GROUPS has them.
ACCESS = {"optimized": 0, "non-optimized": 1, "standby": 2, "unavailable": 3}
IMPLICIT_AND_EXPLICIT = 3

# Anybody may log in and write; what a case wants otherwise it says.
ATTRIBUTES = {
    "authentication": 0,
    "generate_node_acls": 1,
    "demo_mode_write_protect": 0,
    "cache_dynamic_acls": 1,
    "default_cmdsn_depth": 64,
}


def _write(path, value):
    with open(path, "w", encoding="ascii") as file:
        file.write(str(value))


def _make(*parts):
    path = os.path.join(CONFIG, *parts)
    os.makedirs(path, exist_ok=True)
    return path


def create(target):
    subprocess.run(["modprobe", "-a", "target_core_mod", "iscsi_target_mod"], check=True)
    stores = [_create_unit(target["name"], number, unit) for number, unit in enumerate(target["units"])]
    access = target.get("access")
    if not access:
        _create_group(target, 1, target["portals"], stores)
        return
    for number, (portal, state) in enumerate(zip(target["portals"], access), 1):
        _create_group(target, number, [portal], stores)
        for unit, store in enumerate(stores):
            _create_port_group(target["name"], store, unit, number, state)


def _create_group(target, tag, portals, stores):
    group = _make("iscsi", target["name"], f"tpgt_{tag}")
    for name, value in {**ATTRIBUTES, **target.get("attributes", {})}.items():
        _write(f"{group}/attrib/{name}", value)
    for name, value in target.get("parameters", {}).items():
        _write(f"{group}/param/{name}", value)
    for name, value in target.get("auth", {}).items():
        _write(f"{group}/auth/{name}", value)
    for number, store in enumerate(stores):
        entry = f"{group}/lun/lun_{number}"
        os.mkdir(entry)
        os.symlink(store, f"{entry}/unit")
    for address in portals:
        # a portal belongs to the network namespace of whoever makes it
        subprocess.run(
            ["nsenter", f"--net={NAMESPACE}", "mkdir", f"{group}/np/{address}:3260"], check=True
        )
    _write(f"{group}/enable", 1)


def _create_port_group(target, store, unit, number, state):
    group = f"{store}/alua/group{number}"
    os.mkdir(group)
    _write(f"{group}/tg_pt_gp_id", number)
    _write(f"{group}/alua_access_type", IMPLICIT_AND_EXPLICIT)
    _write(f"{CONFIG}/iscsi/{target}/tpgt_{number}/lun/lun_{unit}/alua_tg_pt_gp", f"group{number}")
    _write(f"{group}/alua_access_state", ACCESS[state])


def set_access(number, state):
    """Of the port group of the portal with this number, for every unit"""
    for group in glob.glob(f"{CONFIG}/core/*/*/alua/group{number}"):
        _write(f"{group}/alua_access_state", ACCESS[state])


def access(number):
    """The state that LIO has the first unit's port group in"""
    group = glob.glob(f"{CONFIG}/core/*/*/alua/group{number}")[0]
    with open(f"{group}/alua_access_state", encoding="ascii") as file:
        told = int(file.read())
    return next(name for name, code in ACCESS.items() if code == told)


def _create_unit(target, number, unit):
    name = f"{target.rsplit(':', 1)[-1]}-{number}"
    if "disk" in unit or "device" in unit:
        store = _make("core", "iblock_0", name)
        _write(f"{store}/control", f"udev_path={unit.get('device') or _disk(unit['disk'])}")
    elif "file" in unit:
        store = _make("core", "fileio_0", name)
        size = unit["mib"] << 20
        _write(f"{store}/control", f"fd_dev_name={unit['file']},fd_dev_size={size},fd_buffered_io=1")
    else:
        store = _make("core", "rd_mcp_0", name)
        _write(f"{store}/control", f"rd_pages={unit['ram_mib'] * 256}")
    _write(f"{store}/enable", 1)
    if "block_size" in unit:
        _write(f"{store}/attrib/block_size", unit["block_size"])
    # of hexadecimal digits: LIO makes the unit's NAA designator of the first 25 of them
    serial = "".join(f"{byte:02x}" for byte in name.encode())[-24:].ljust(32, "0")
    _write(f"{store}/wwn/vpd_unit_serial", serial)
    if "disk" in unit:
        _write(f"{store}/attrib/emulate_tpu", 1)
    return store


def _disk(serial):
    path = f"/dev/disk/by-id/virtio-{serial}"
    end = time.monotonic() + 30
    while not os.path.exists(path) and time.monotonic() < end:
        time.sleep(0.1)
    return os.path.realpath(path)


def sessions(name):
    """Initiators that are logged in, as LIO tells."""
    found = []
    for path in glob.glob(f"{CONFIG}/iscsi/{name}/tpgt_*/dynamic_sessions"):
        with open(path, encoding="ascii") as file:
            found += [line.strip("\0\n") for line in file.read().split("\n") if line.strip("\0\n")]
    return found


def remove_all():
    """Sessions end, portals close, and nothing of any target is left."""
    for group in glob.glob(f"{CONFIG}/iscsi/iqn.*/tpgt_*"):
        _write(f"{group}/enable", 0)
        for path in glob.glob(f"{group}/np/*"):
            os.rmdir(path)
        for path in glob.glob(f"{group}/lun/lun_*"):
            for link in os.listdir(path):
                if os.path.islink(f"{path}/{link}"):
                    os.unlink(f"{path}/{link}")
            os.rmdir(path)
        os.rmdir(group)
    for target in glob.glob(f"{CONFIG}/iscsi/iqn.*"):
        os.rmdir(target)
    for store in glob.glob(f"{CONFIG}/core/*/*"):
        if os.path.isdir(store) and os.path.exists(f"{store}/control"):
            for group in glob.glob(f"{store}/alua/group*"):
                os.rmdir(group)
            os.rmdir(store)


def save(target):
    os.makedirs(os.path.dirname(SAVED), exist_ok=True)
    _write(SAVED, json.dumps(target))


def restore():
    with open(SAVED, encoding="ascii") as file:
        create(json.load(file))


if __name__ == "__main__":
    {"restore": restore}[sys.argv[1]]()
