#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""How much of their paths' speed do maps use?

usage: load.py [--build-dir DIR] [--seconds N] [--selector NAME] [speed] [late]

speed: a disk behind one, two or four cables of limited speed (tc), read and written at random in 64 KiB blocks,
32 at a time. Prints the throughput, and how it compares with one cable, or with the sum of all.

late: two good paths, and a third one to the same disk whose answers come 50 ms later (tests/system/delay_relay.c).
Prints the 99th percentile with and without the third one, and its share of all commands.
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
    daemon = lab.hawserd(network, settings={"multipath.selector": selector} if selector else {})
    device = daemon.connect(iqn, portals)
    lab.note_device(device)
    daemon.wait_for_paths(len(portals))
    return daemon, device


def fio_job(device, rw, seconds, depth=32, block="64k"):
    done = run(
        ["fio", "--name=load", f"--filename={device}", "--size=256M", f"--rw={rw}", f"--bs={block}",
         f"--iodepth={depth}", "--ioengine=libaio", "--direct=1", "--time_based", f"--runtime={seconds}",
         "--ramp_time=2", "--norandommap", "--output-format=json", "--eta=never"],
        timeout=seconds + 60,
    )  # fmt: skip
    job = json.loads(done.out[done.out.index("{"):])["jobs"][0]
    return job["read" if "read" in rw else "write"]


def fio(device, rw, seconds, depth=32, block="64k"):
    return fio_job(device, rw, seconds, depth, block)["bw_bytes"] / MIB


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


# ---- a late path

LATE_MS = 50

LATE_JOBS = (
    ("4 KiB", "4k", 16, None),
    ("64 KiB", "64k", 32, None),
    ("64 KiB, 200 Mbit/s each", "64k", 32, 200),
)


def commands_of_paths(daemon):
    """{portal: commands ever}"""
    paths = json.loads(daemon.hawser("paths --json").out)["paths"]
    return {path["portal"]: path["reads"] + path["writes"] for path in paths}


def late_path(build, rw, block, depth, speed, seconds, selector, late):
    """(IOPS, 99th percentile in ms, share of the late path); @late: it is there"""

    def work(lab):
        network = lab.links(3)
        good = network.portals[:2]
        if speed:
            for portal in network.portals:
                network.limit(portal, speed)
        target = lab.target(network)
        iqn = target.add()
        target.add_unit(iqn, size_mib=256)
        daemon = lab.hawserd(network, settings={"multipath.selector": selector} if selector else {})
        for portal in good:
            daemon.discover(portal)
        if late:
            relay = lab.relay(network, network.portals[2], LATE_MS / 2)
            daemon.add_record(iqn, relay.portal)
        daemon.login(iqn)
        device = daemon.device(iqn, good[0])
        lab.note_device(device)
        daemon.wait_for_paths(3 if late else 2)
        before = commands_of_paths(daemon)
        job = fio_job(device, rw, seconds, depth, block)
        done = {portal: count - before[portal] for portal, count in commands_of_paths(daemon).items()}
        share = sum(count for portal, count in done.items() if str(good[0].address) not in portal
                    and str(good[1].address) not in portal) / max(1, sum(done.values()))
        daemon.stop()
        return job["iops"], job["clat_ns"]["percentile"]["99.000000"] / 1e6, share

    return with_lab(build, work)


def print_late(build, seconds, selector):
    print(f"\n| job | two good paths: IOPS | p99, ms | with one {LATE_MS} ms late: IOPS | p99, ms | ratio (≤ 2) "
          "| its share |\n|---|--:|--:|--:|--:|--:|--:|", flush=True)  # fmt: skip
    good = True
    for name, block, depth, speed in LATE_JOBS:
        for rw in ("randread", "randwrite"):
            alone = late_path(build, rw, block, depth, speed, seconds, selector, False)
            both = late_path(build, rw, block, depth, speed, seconds, selector, True)
            print(f"| {name}, depth {depth}, {rw} | {alone[0]:.0f} | {alone[1]:.2f} | {both[0]:.0f} "
                  f"| {both[1]:.2f} | {both[1] / alone[1]:.2f} | {both[2]:.1%} |", flush=True)  # fmt: skip
            good &= both[1] <= 2 * alone[1] and both[2] <= 1 / 3
    return good


def main():
    parser = argparse.ArgumentParser(description="throughput over several paths")
    parser.add_argument("--build-dir", default=os.path.join(HERE, "../../build"))
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--selector")
    parser.add_argument("parts", nargs="*", metavar="PART", help="speed, late")
    arguments = parser.parse_args()
    build = Build(arguments.build_dir)
    parts = arguments.parts or ["speed", "late"]
    if "speed" in parts:
        print_speeds(build, arguments)
    if "late" in parts and not print_late(build, arguments.seconds, arguments.selector):
        return 1
    return 0


def print_speeds(build, arguments):

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


if __name__ == "__main__":
    sys.exit(main())
