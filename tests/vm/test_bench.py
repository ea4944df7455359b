# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""What an I/O costs: ours beside open-iscsi with dm-multipath, over two paths to the same target in the
same machine. Run by tests/bench/vm.py, which starts the machine with one processor whose clock counts
instructions: time that it was not idle is instructions, whatever else the host does.

fio's start is no part of an I/O, so each job runs twice, with few and with many of them, and the
difference counts.
"""

import glob
import json
import os
import subprocess
import time

from guest.cases import EXPORTERS, case
from guest.guest import TARGET, Guest
from guest.network import PORTALS
from guest.open_iscsi import OpenIscsi
from harness.commands import run

# name: fio's words, and how many I/Os are many
JOBS = {
    "4 KiB random read, depth 1": ("--rw=randread --bs=4k --iodepth=1", 1000),
    "4 KiB random read, depth 32": ("--rw=randread --bs=4k --iodepth=32", 1600),
    "4 KiB random write, depth 1": ("--rw=randwrite --bs=4k --iodepth=1", 1000),
    "4 KiB random write, depth 32": ("--rw=randwrite --bs=4k --iodepth=32", 1600),
    "128 KiB sequential read, depth 4": ("--rw=read --bs=128k --iodepth=4", 200),
    "128 KiB sequential write, depth 4": ("--rw=write --bs=128k --iodepth=4", 200),
}
FEW = 100
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
# whose time is whose; what is not named here is told as its own
GROUPS = (
    ("hawserd", ("hawser",)),
    ("target", ("iscsi_t", "iscsi_np", "LIO", "tcm")),
    ("kworker", ("kworker",)),
    ("ksoftirqd", ("ksoftirqd",)),
)


def idle_s():
    with open("/proc/stat", encoding="ascii") as file:
        fields = [int(word) for word in file.readline().split()[1:]]
    return (fields[3] + fields[4]) * TICK_S


def group_of(name):
    for group, prefixes in GROUPS:
        if name.startswith(prefixes):
            return group
    return name


def threads():
    """{group: seconds on the processor}, of all threads there are"""
    spent = {}
    for path in glob.glob("/proc/[0-9]*/task/[0-9]*/schedstat"):
        try:
            with open(path, encoding="ascii") as file:
                seconds = int(file.read().split()[0]) / 1e9
            with open(path.replace("schedstat", "comm"), encoding="ascii") as file:
                group = group_of(file.read().strip())
        except (FileNotFoundError, ProcessLookupError):
            continue
        spent[group] = spent.get(group, 0) + seconds
    return spent


def measure(device, words, count):
    """(seconds, busy seconds, {group: seconds}) of so many I/Os, and of fio's start"""
    command = ["fio", "--name=job", f"--filename={device}", "--direct=1", "--ioengine=libaio", "--size=64m",
               "--norandommap", "--randrepeat=1", "--thread", f"--number_ios={count}", "--io_size=10g",
               *words.split()]  # fmt: skip
    before, idle, begin = threads(), idle_s(), time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        code = process.wait()
    elapsed, idle, after = time.monotonic() - begin, idle_s() - idle, threads()
    if code != 0:
        raise RuntimeError(f"fio ended with {code}")
    spent = {name: after[name] - before.get(name, 0) for name in after}
    return elapsed, elapsed - idle, spent


def cost(device, words, count):
    """Of one I/O, in seconds of this machine"""
    few, many = measure(device, words, FEW), measure(device, words, FEW + count)
    return {
        "elapsed": (many[0] - few[0]) / count,
        "busy": (many[1] - few[1]) / count,
        "threads": {name: max(0, many[2][name] - few[2].get(name, 0)) / count for name in many[2]},
    }


def run_jobs(device):
    run(["udevadm", "settle"])
    # udev looks at a disk after each who wrote to it
    run(["udevadm", "control", "--stop-exec-queue"])
    measure(device, "--rw=write --bs=128k --iodepth=4", 128)  # its memory, and everybody's, is there
    results = {name: cost(device, words, count) for name, (words, count) in JOBS.items()}
    run(["udevadm", "control", "--start-exec-queue"])
    run(["udevadm", "settle"])
    return results


def ours(guest, exporter):
    guest.write("/etc/hawser/hawser.conf", f"[block]\nexporter = {exporter}\n")
    guest.start_hawserd()
    device = guest.connect()
    guest.wait_for_paths(2, timeout=120)
    results = run_jobs(device)
    guest.logout()
    guest.systemctl("stop hawserd")
    return results


def theirs(guest):
    stack = Guest(1)
    stack_iscsi = OpenIscsi(stack, TARGET)
    results = run_jobs(stack_iscsi.connect(PORTALS[0]))
    for undo in reversed(stack.undo):
        undo()
    return results


@case(limit_s=3600, bench=True, kernels=("6.12",))
def stacks(guest):
    guest.target(units=[{"ram_mib": 96}])
    results = {exporter: ours(guest, exporter) for exporter in EXPORTERS}
    guest.iscsiadm(f"-m node -T {TARGET} -o delete", check=False)
    results["open-iscsi, dm-multipath"] = theirs(guest)
    guest.notes.append(json.dumps(results))
