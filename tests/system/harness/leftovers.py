# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""What a test could leave behind. All of it is found by marks that only this run makes, so that a
neighbour's devices and programs are never touched."""

import fcntl
import glob
import os
import struct

LOOP_GET_STATUS64 = 0x4C05
LOOP_CLR_FD = 0x4C01
LO_FILE_NAME_OFFSET = 56  # in struct loop_info64


def loop_name(device):
    """lo_file_name of an attached loop device; None when it is free (or no loop device)"""
    try:
        file = os.open(device, os.O_RDONLY)
    except OSError:
        return None
    try:
        status = fcntl.ioctl(file, LOOP_GET_STATUS64, bytes(232))
        return status[LO_FILE_NAME_OFFSET : LO_FILE_NAME_OFFSET + 64].split(b"\0")[0].decode()
    except OSError:
        return None
    finally:
        os.close(file)


def detach_loop(device):
    try:
        file = os.open(device, os.O_RDONLY)
        try:
            fcntl.ioctl(file, LOOP_CLR_FD, 0)
        finally:
            os.close(file)
    except OSError:
        pass


def mounts_below(folder):
    """Mount points in folder, innermost first."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        points = [line.split()[4] for line in file]
    return [point for point in reversed(points) if point.startswith(folder + "/")]


def programs_about(folder):
    """Processes (other than ourselves) that carry the folder's name on their command line."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        pid = int(path.split("/")[2])
        try:
            with open(path, "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if pid != os.getpid() and any(folder.encode() in word for word in words):
            found.append((pid, b" ".join(words).decode(errors="replace").strip()))
    return found


def namespaces_of_this_run():
    return [os.path.basename(path) for path in glob.glob(f"/run/netns/hawser-{os.getpid()}-*")]


def remove_dead_namespaces():
    """Namespaces of runs that were killed before they could clean up."""
    for path in glob.glob("/run/netns/hawser-*-*"):
        pid = os.path.basename(path).split("-")[1]
        if pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            os.system(f"ip netns delete {os.path.basename(path)}")


def describe(folder, devices):
    """One line per thing that is still there. devices: {"/dev/loop3": its loop name}"""
    lines = [f"mounted: {point}" for point in mounts_below(folder)]
    lines += [f"running: {pid} {words}" for pid, words in programs_about(folder)]
    lines += [f"network namespace: {name}" for name in namespaces_of_this_run()]
    lines += [
        f"block device: {device} ({name})"
        for device, name in devices.items()
        if name is not None and loop_name(device) == name
    ]
    return lines
