# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Memory that can only be had by writing to a disk of ours."""

import mmap
import os
import subprocess
import sys
import time

from guest.cases import case, exporter_case
from harness.commands import run, same, true
from harness.load import Fio

PAGE = 4096
HOG = os.path.abspath(__file__)
HOG_MIB = 128
# The hog may have so much. The machine itself is not made short of memory: the target is in the same kernel,
# and what it needs to take what is swapped out could only be had by swapping out.
ALLOWED_MIB = 64


def swapped_mib():
    with open("/proc/meminfo", encoding="ascii") as file:
        found = dict(line.split(":") for line in file)
    total, free = (int(found[name].split()[0]) for name in ("SwapTotal", "SwapFree"))
    return (total - free) >> 10


def hog(mib, rounds):
    """Dirty more than there is, and look whether it is all there again."""
    memory_of_ours = mmap.mmap(-1, mib << 20)
    for number in range(rounds):
        for page in range(0, mib << 20, PAGE):
            memory_of_ours[page : page + 8] = (page + number).to_bytes(8, "little")
        for page in range(0, mib << 20, PAGE):
            if memory_of_ours[page : page + 8] != (page + number).to_bytes(8, "little"):
                sys.exit(f"page {page} came back wrong")


@case()
def the_daemons_memory_stays_where_it_is(guest):
    guest.start_hawserd()
    pid = guest.property("hawserd", "MainPID")
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    locked, resident = (int(status[name].split()[0]) for name in ("VmLck", "VmRSS"))
    true(locked >= resident > 0, f"locked, resident KiB: {locked}, {resident}")
    with open(f"/proc/{pid}/limits", encoding="ascii") as file:
        (cores,) = [line.split()[4] for line in file if line.startswith("Max core file size")]
    same(cores, "0", "size of a core file")
    os.kill(int(pid), 6)
    guest.wait(lambda: guest.property("hawserd", "NRestarts") == "1", "a new daemon")
    same([name for name in os.listdir("/var/lib/systemd/coredump")]
         if os.path.isdir("/var/lib/systemd/coredump") else [], [], "core files")  # fmt: skip


@exporter_case(limit_s=420)
def swap_on_a_disk_of_ours_while_memory_is_short(guest):
    guest.target(units=[{"disk": "unit0"}, {"disk": "unit1"}])
    guest.start_hawserd()
    guest.connect()
    guest.wait_for_paths(4)
    swap, other = guest.device(0), guest.device(1)
    run(["mkswap", swap])
    run(["swapon", swap])
    guest.undo.append(lambda: run(["swapoff", swap], check=False, timeout=120))
    fio = Fio(other, "/var/tmp/fio.log", size_mib=16, depth=4, seconds=100000)
    guest.undo.append(fio.program.kill)
    process = subprocess.Popen(["systemd-run", "--quiet", "--scope", "-p", f"MemoryMax={ALLOWED_MIB}M", sys.executable,
                                "-B", HOG, str(HOG_MIB)])  # fmt: skip
    most = 0
    while process.poll() is None:
        most = max(most, swapped_mib())
        time.sleep(0.5)
    same(process.returncode, 0, "the program that wants more memory than there is")
    true(most > HOG_MIB - ALLOWED_MIB - 16, f"{most} MiB were swapped")
    guest.notes.append(f"up to {most} MiB in swap")
    fio.check_running()
    fio.stop()
    run(["swapoff", swap], timeout=120)
    run(["udevadm", "settle"])
    guest.logout()


if __name__ == "__main__":
    hog(int(sys.argv[1]), rounds=1)
