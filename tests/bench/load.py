#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""How much of their paths' speed do maps use?

usage: load.py [--build-dir DIR] [--seconds N] [--selector NAME]

A disk behind one, two or four cables of limited speed (tc), read and written at random in 64 KiB blocks,
32 at a time. Prints the throughput, and how it compares with one cable, or with the sum of all.
"""

import argparse
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))

from harness.commands import run  # noqa: E402
from harness.daemon import Build  # noqa: E402
from harness.lab import Lab  # noqa: E402

MIB = 1 << 20


def device_on(lab, network, portals, selector):
    """(daemon, device) of a disk in memory behind these portals"""
    target = lab.target(network)
    iqn = target.add()
    target.add_unit(iqn, size_mib=256)
    daemon = lab.hawserd(network, settings={"multipath.path_selector": selector} if selector else {})
    device = daemon.connect(iqn, portals)
    lab.note_device(device)
    daemon.wait_for_paths(len(portals))
    return daemon, device


def fio(device, rw, seconds, depth=32, block="64k"):
    done = run(
        ["fio", "--name=load", f"--filename={device}", "--size=256M", f"--rw={rw}", f"--bs={block}",
         f"--iodepth={depth}", "--ioengine=libaio", "--direct=1", "--time_based", f"--runtime={seconds}",
         "--ramp_time=2", "--norandommap", "--output-format=json", "--eta=never"],
        timeout=seconds + 60,
    )  # fmt: skip
    job = json.loads(done.out[done.out.index("{"):])["jobs"][0]
    return job["read" if "read" in rw else "write"]["bw_bytes"] / MIB


def with_lab(build, work):
    lab = Lab(build)
    try:
        lab.needs_block_devices()
        return work(lab)
    finally:
        for line in lab.close():
            print(line, file=sys.stderr)
        lab.remove_folder()


def throughput(build, speeds, rw, seconds, selector):
    """MiB/s over cables of these speeds (Mbit/s)"""

    def work(lab):
        network = lab.links(len(speeds))
        for portal, speed in zip(network.portals, speeds):
            network.limit(portal, speed)
        daemon, device = device_on(lab, network, network.portals, selector)
        mib_s = fio(device, rw, seconds)
        daemon.stop()
        return mib_s

    return with_lab(build, work)


def main():
    parser = argparse.ArgumentParser(description="throughput over several paths")
    parser.add_argument("--build-dir", default=os.path.join(HERE, "../../build"))
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--selector")
    arguments = parser.parse_args()
    build = Build(arguments.build_dir)

    def speed(speeds, rw):
        return throughput(build, speeds, rw, arguments.seconds, arguments.selector)

    print("| cables, Mbit/s | job | MiB/s | beside | ratio | wanted |")
    print("|---|---|--:|---|--:|--:|", flush=True)
    for rw in ("randread", "randwrite"):
        one, hundred = speed([200], rw), speed([100], rw)
        three_hundred = speed([300], rw)
        print(f"| 200 | {rw} | {one:.1f} | | | |", flush=True)
        two = speed([200, 200], rw)
        print(f"| 200, 200 | {rw} | {two:.1f} | one of 200 | {two / one:.2f} | 1.9 |", flush=True)
        uneven = speed([100, 300], rw)
        total = hundred + three_hundred
        print(f"| 100, 300 | {rw} | {uneven:.1f} | both alone: {total:.1f} | {uneven / total:.2f} | 0.95 |",
              flush=True)  # fmt: skip
        four = speed([100] * 4, rw)
        print(f"| 4 × 100 | {rw} | {four:.1f} | one of 100 | {four / hundred:.2f} | 3.8 |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
