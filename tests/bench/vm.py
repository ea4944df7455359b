#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""What an I/O costs, in instructions of the whole machine: ours beside open-iscsi with dm-multipath.

usage: vm.py [--build-dir DIR] [--json FILE]

One virtual machine with one emulated processor, whose clock counts instructions (QEMU's -icount), so that
the figures do not depend on what else the host does. Target (LIO, a disk in memory), two portals and each
initiator in turn are in that machine: target and fio are part of each figure and the same for all.
"""

import argparse
import importlib
import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
VM = os.path.join(os.path.dirname(HERE), "vm")
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))
sys.path.insert(0, VM)

import image  # noqa: E402
from guest.cases import CASES  # noqa: E402
from machine import COUNT_SHIFT, Machine, Payload  # noqa: E402

UP_S = 1200
NS_PER_INSTRUCTION = 1 << COUNT_SHIFT
PEER = "open-iscsi, dm-multipath"


def thousands(seconds):
    """of instructions"""
    return seconds * 1e9 / NS_PER_INSTRUCTION / 1000


def run_case(machine):
    """What the case has to tell; None when it failed, and then it was said why"""
    (case,) = [each for each in CASES if each.bench]
    run = machine.boot({"boot": 1, "cases": [case.name]})
    patience, text = UP_S, None
    try:
        while (said := run.next(patience)) is not None and "end" not in said:
            patience = said["limit_s"] * 2 if "begin" in said else UP_S
            if said.get("outcome") == "ok":
                text = said["text"]
            elif "outcome" in said:
                print(said["text"], said["log"][-4000:], sep="\n")
        if said is None:
            print("\n".join(run.console_text().splitlines()[-15:]))
        run.wait_for_end(120)
    finally:
        run.kill()
    return text


def show(results):
    stacks = [name for name in results if name != PEER]
    print("Thousands of instructions per I/O; the ratio is to the last column.\n")
    print("| job |" + "".join(f" {name} | ratio |" for name in stacks) + f" {PEER} |")
    print("|---|" + "--:|--:|" * len(stacks) + "--:|")
    for job, peer in results[PEER].items():
        line = f"| {job} |"
        for name in stacks:
            busy = results[name][job]["busy"]
            line += f" {thousands(busy):.1f} | **{busy / peer['busy']:.2f}** |"
        print(f"{line} {thousands(peer['busy']):.1f} |")
    print("\nI/Os per second of that processor (500 million instructions per second):\n")
    print("| job |" + "".join(f" {name} |" for name in results) + "\n|---|" + "--:|" * len(results))
    for job in results[PEER]:
        print(f"| {job} |" + "".join(f" {1 / results[name][job]['elapsed']:.0f} |" for name in results))
    print("\nWhere they go, thousands per I/O by thread:\n")
    for name, jobs in results.items():
        for job, figures in jobs.items():
            parts = sorted(figures["threads"].items(), key=lambda part: -part[1])
            told = ", ".join(f"{part} {thousands(spent):.1f}" for part, spent in parts if thousands(spent) >= 0.5)
            # its threads are gone when they are counted
            rest = figures["busy"] - sum(figures["threads"].values())
            print(f"{name}, {job}: {told}, fio {thousands(rest):.1f}")


def main():
    parser = argparse.ArgumentParser(description="instructions per I/O in a virtual machine")
    parser.add_argument("--build-dir", required=True)
    parser.add_argument("--json", help="the figures go there, too")
    arguments = parser.parse_args()
    importlib.import_module("test_bench")
    build = os.path.abspath(arguments.build_dir)
    payload = Payload(build)
    machine = Machine(image.get(), "6.12", os.path.join(build, "vm", "bench"), payload, counting=True)
    text = run_case(machine)
    if text is None:
        return 1
    machine.remove()
    results = json.loads(text)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)
    show(results)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except image.Unavailable as why:
        sys.exit(str(why))
