#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""The session layer alone beside libiscsi's iscsi-perf: 4 KiB random reads from one tgt, in turn.

usage: engine.py [--build-dir DIR] [--rounds N] [--seconds N] [--peer-only]

CPU time is user plus system time of the client process, as the kernel accounts it for both.
"""

import argparse
import json
import os
import re
import subprocess
import sys

import rounds as bench

from harness.commands import Failure, Skip
from harness.daemon import Build
from harness.lab import Lab

DEPTHS = (1, 32)


def measure(command, timeout):
    """(output, CPU seconds) of a program that runs to its end"""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output = process.stdout.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise Failure(f"{command}: exit {process.returncode}\n{output[-2000:]}")
    return output, usage.ru_utime + usage.ru_stime


def result(iops, cpu_s, seconds):
    return {"iops": iops, "cpu_us": cpu_s * 1e6 / (iops * seconds)}


def run_ours(program, inside, portal, iqn, depth, seconds):
    command = [
        program, "--portal", str(portal), "--target", iqn, "--lun", "1",
        "--depth", str(depth), "--seconds", str(seconds),
    ]  # fmt: skip
    output, cpu_s = measure(inside(command), seconds + 20)
    return result(json.loads(output)["iops"], cpu_s, seconds)


def run_peer(inside, portal, iqn, depth, seconds):
    command = ["iscsi-perf", "-m", str(depth), "-b", "8", "-t", str(seconds), "-r"]
    output, cpu_s = measure(inside([*command, f"iscsi://{portal}/{iqn}/1"]), seconds + 20)
    return result(float(re.findall(r"iops average (\d+)", output)[-1]), cpu_s, seconds)


def compare(lab, build, arguments):
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add("bench")
    bench.fill(target.add_unit(iqn, size_mib=bench.UNIT_MIB))
    inside, portal = net.initiator_side.inside, net.portals[0]
    program = os.path.join(build.folder, "tests/bench/bench_engine")

    def peer(depth):
        return run_peer(inside, portal, iqn, depth, arguments.seconds)

    def ours(depth):
        if arguments.peer_only:
            return peer(depth)
        return run_ours(program, inside, portal, iqn, depth, arguments.seconds)

    rows = []
    for depth in DEPTHS:
        pairs = bench.alternate(arguments.rounds, lambda: ours(depth), lambda: peer(depth))
        rows.append(bench.row(f"4 KiB random read, depth {depth}", pairs))
    return rows


def main():
    parser = argparse.ArgumentParser(description="hawser's session layer beside libiscsi")
    parser.add_argument("--build-dir", default="build")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--peer-only", action="store_true", help="measure the peer against itself")
    arguments = parser.parse_args()
    build = Build(arguments.build_dir)
    lab = Lab(build)
    try:
        rows = compare(lab, build, arguments)
    except (Failure, Skip) as why:
        print(why)
        return 1
    finally:
        lab.close()
        lab.remove_folder()
    about = (
        f"`./dev bench engine --rounds {arguments.rounds} --seconds {arguments.seconds}` on "
        f"{bench.machine()}; medians of {arguments.rounds} alternating rounds."
    )
    bench.publish(arguments.build_dir, "engine", f"{about}\n\n{bench.table(rows, 'iscsi-perf')}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
