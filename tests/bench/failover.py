#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""How long does I/O stand still when a path is lost while another one lives?

usage: failover.py [--build-dir DIR] [--runs N] [--depth N,N] [FAULT…]

Two oracles (tests/system/oracle.c) read and write 4 KiB blocks of one disk behind two portals, each with DEPTH
requests at a time. A portal is lost in each way, over and over, one portal and then the other; the longest time
that a read and a write took is noted. Prints a table for docs/PERFORMANCE.md. The exit status is 1 when a request
failed, a block was not what it must be, or a median is over its budget.
"""

import argparse
import os
import statistics
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))

from harness.commands import Failure, Skip  # noqa: E402
from harness.daemon import Build  # noqa: E402
from harness.faults import FAULTS, Scene  # noqa: E402
from harness.lab import Lab  # noqa: E402


def measure(lab, fault, depth, runs):
    """[(longest read, longest write)] in ms, one for each loss"""
    scene = Scene(lab, fault)
    device = scene.device
    reader = lab.oracle(device, depth=depth, max_blocks=1, size=16, reads=100, fill=True)
    writer = lab.oracle(device, depth=depth, max_blocks=1, size=16, offset=16, reads=0)
    pauses = []
    for number in range(runs):
        time.sleep(1)
        reader.take(), writer.take()
        scene.lose(number % 2)
        time.sleep(fault.lasts_s)
        pauses.append((reader.take()["longest_read_ms"], writer.take()["longest_write_ms"]))
        scene.restore()
    reader.stop()
    writer.stop()
    scene.end()
    return pauses


def show(fault, depth, pauses):
    """The table's line. Return: whether the medians keep the budget"""
    reads, writes = zip(*pauses)
    cells, good = [], True
    for times, budget in ((reads, fault.read_budget_ms), (writes, fault.write_budget_ms)):
        median = statistics.median(times)
        cells.append(f"{median:.0f} | {max(times):.0f} | {budget}")
        good = good and median <= budget
    print(f"| {fault.text} | {depth} | {' | '.join(cells)} |", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser(description="longest pauses at the loss of a path")
    parser.add_argument("--build-dir", default=os.path.join(HERE, "../../build"))
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--depth", default="1,16")
    parser.add_argument("faults", nargs="*", metavar="FAULT", help=", ".join(FAULTS))
    arguments = parser.parse_args()
    build = Build(arguments.build_dir)
    unknown = set(arguments.faults) - set(FAULTS)
    if unknown:
        parser.error(f"no such fault: {', '.join(unknown)}")
    print(f"Longest time of a request in ms, median and worst of {arguments.runs} losses:\n")
    print("| lost | depth | read, median | worst | budget | write, median | worst | budget |")
    print("|---|--:|--:|--:|--:|--:|--:|--:|", flush=True)
    good = True
    for name in arguments.faults or FAULTS:
        for depth in arguments.depth.split(","):
            lab = Lab(build)
            try:
                lab.needs_block_devices()
                good &= show(FAULTS[name], depth, measure(lab, FAULTS[name], depth, arguments.runs))
            except (Failure, Skip) as why:
                print(f"{name}, depth {depth}: {why}", file=sys.stderr)
                lab.keep_logs(os.path.join(build.folder, "bench-logs", name.replace(" ", "-")))
                good = False
            finally:
                for line in lab.close():
                    print(line, file=sys.stderr)
                lab.remove_folder()
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
