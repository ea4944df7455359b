#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""What do many logical units cost?

usage: luns.py [--build-dir DIR] [--luns N[,N…]]

For each number of units of one target behind two portals: how long the login takes until all devices are
there, resident memory, threads, how long "hawser status" and a rescan take, and the logout.
"""

import argparse
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))

from harness.commands import wait_until  # noqa: E402
from harness.daemon import Build  # noqa: E402
from harness.lab import Lab  # noqa: E402


def seconds(work):
    began = time.monotonic()
    work()
    return time.monotonic() - began


def threads(pid):
    return len(os.listdir(f"/proc/{pid}/task"))


def measure(build, count):
    lab = Lab(build)
    try:
        lab.needs_block_devices()
        net = lab.loopback()
        target = lab.target(net)
        iqn = target.add()
        for lun in range(1, count + 1):
            target.add_unit(iqn, lun=lun, size_mib=1)
        daemon = lab.hawserd(net)
        for portal in net.portals:
            daemon.discover(portal)
        before = daemon.memory_kib()
        cpu = os.sysconf("SC_CLK_TCK")
        login = seconds(lambda: daemon.login(iqn))
        daemon.wait_for_paths(2 * count, timeout=120)
        for lun in range(1, count + 1):
            lab.note_device(daemon.device(iqn, net.portals[0], lun))
        with open(f"/proc/{daemon.pid}/stat", encoding="ascii") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        used = (int(fields[11]) + int(fields[12])) / cpu
        status = min(seconds(lambda: daemon.hawser("status --no-rates", check=False)) for _ in range(3))
        rescan = seconds(lambda: daemon.iscsiadm("-m session -R"))
        figures = (count, login, used, daemon.memory_kib() / 1024, (daemon.memory_kib() - before) / count,
                   threads(daemon.pid), status * 1000, rescan)  # fmt: skip
        logout = seconds(lambda: daemon.logout(iqn))
        wait_until(lambda: not daemon.rows("map"), "no map", 60)
        daemon.stop()
        return (*figures, logout)
    finally:
        for line in lab.close():
            print(line, file=sys.stderr)
        lab.remove_folder()


def main():
    parser = argparse.ArgumentParser(description="what many logical units cost")
    parser.add_argument("--build-dir", default=os.path.join(HERE, "../../build"))
    parser.add_argument("--luns", default="1,10,50,100")
    arguments = parser.parse_args()
    build = Build(arguments.build_dir)
    print("| units | login s | hawserd's CPU s | resident MiB | KiB for each unit | threads | status ms "
          "| rescan s | logout s |")  # fmt: skip
    print("|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
    for count in arguments.luns.split(","):
        row = measure(build, int(count))
        print("| {} | {:.2f} | {:.2f} | {:.1f} | {:.0f} | {} | {:.0f} | {:.2f} | {:.2f} |".format(*row), flush=True)


if __name__ == "__main__":
    main()
