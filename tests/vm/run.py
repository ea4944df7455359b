#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Runs the tests that need a kernel, an init and a udev of their own, in virtual machines.

usage: run.py [--build-dir DIR] [--kernel SERIES] [--kills N] [--list] [smoke | all | shell | PATTERN...]

smoke (the default) is a few cases on one kernel; all is all of them on all kernels; a PATTERN selects
the cases that contain it in their name. shell starts a machine and hands it to this terminal.
The closing line counts cases; the exit status is 1 when any failed. What a failed machine said is in
DIR/vm/<machine>/.
"""

import argparse
import glob
import importlib
import os
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))
sys.path.insert(0, HERE)

import image  # noqa: E402
from guest.cases import CASES  # noqa: E402
from machine import Machine, Payload  # noqa: E402

UP_S = 300  # from power-on to the first word of the agent; on an idle machine it is 15
OFF_S = 80  # from the last word to power-off; less than the 90 that systemd gives a unit that hangs

# Programs of the build that are not installed and that cases run in the machine, when they are there.
PROGRAMS = ("tests/system/transfers", "tests/system/oracle")


def parse_arguments():
    root = os.path.dirname(os.path.dirname(HERE))
    parser = argparse.ArgumentParser(description="hawser in virtual machines")
    parser.add_argument("--build-dir", default=os.path.join(root, "build"))
    parser.add_argument("--kernel", choices=list(image.KERNELS))
    parser.add_argument("--kills", type=int, help="how often cases kill hawserd that do so, 100 say")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument("what", nargs="*", default=["smoke"])
    return parser.parse_args()


def select(arguments):
    """[(case, kernel)]"""
    chosen = []
    for case in CASES:
        if case.bench:
            continue
        kernels = [each for each in case.kernels if arguments.kernel in (None, each)]
        if arguments.what == ["smoke"]:
            wanted, kernels = case.smoke, kernels[:1]
        elif arguments.what == ["all"]:
            wanted = True
        else:
            wanted = any(part in case.name for part in arguments.what)
        if wanted:
            chosen += [(case, kernel) for kernel in kernels]
    return chosen


def machines_for(chosen):
    """{(kernel, name): [case]}: cases of one boot share a machine, others have one of their own"""
    machines = {}
    for case, kernel in chosen:
        name = case.name.replace("/", ".") if case.boots > 1 else "shared"
        machines.setdefault((kernel, name), []).append(case)
    return machines


class Tally:
    def __init__(self):
        self.counts = {"ok": 0, "FAIL": 0, "skip": 0}

    def add(self, outcome, name, seconds=None, text=""):
        self.counts[outcome] += 1
        line = f"{outcome:4}  {name}" + (f"  ({seconds:.1f} s)" if seconds is not None else "")
        if text:
            line += ("  " if outcome == "skip" else "\n      ") + text.replace("\n", "\n      ")
        print(line, flush=True)

    def closing_line(self):
        return f"{self.counts['ok']} passed, {self.counts['FAIL']} failed, {self.counts['skip']} skipped"


def run_boot(machine, boot, cases, kills, tally, label):
    """One boot of a machine, from power-on to power-off. Returns whether all went well.

    A case of several boots counts as passed with its last one."""
    ended = []
    begin = time.monotonic()
    run = machine.boot({"boot": boot, "cases": [case.name for case in cases], "kills": kills})
    try:
        problem = listen(run, boot, cases, ended, tally, label)
    finally:
        run.kill()
    complaints = run.complaints(cases[0].expected if boot < cases[0].boots else ())
    for case in cases[len(ended) :]:
        tally.add("FAIL", f"{case.name} {label}", text=problem or "the machine went off before it ran")
    if len(ended) == len(cases) and (problem or complaints):
        tally.add("FAIL", f"machine {label}", text="\n".join(filter(None, [problem, *complaints[:20]])))
    good = not problem and not complaints and all(outcome == "ok" for outcome in ended)
    if good:
        print(f"      {label}: on and off in {time.monotonic() - begin:.0f} s", flush=True)
    return good


def listen(run, boot, cases, ended, tally, label):
    """Until the machine is off; outcomes go to `ended`. Returns what was wrong with the machine."""
    patience = UP_S
    while True:
        said = run.next(patience)
        if said is None:
            last = "\n".join(run.console_text().splitlines()[-15:])
            return f"the machine {'says nothing for %d s' % patience if run.program.running else 'went off'}:\n{last}"
        if "end" in said:
            if run.wait_for_end(OFF_S):
                return None
            last = "\n".join(run.console_text().splitlines()[-15:])
            return f"shutdown hangs; the console's last words after {OFF_S} s:\n{last}"
        if "begin" in said:
            patience = said["limit_s"] + 60
            continue
        if "case" in said:
            case = next(each for each in cases if each.name == said["case"])
            ended.append(said["outcome"])
            if said["outcome"] != "ok" or boot == case.boots:
                tally.add(said["outcome"], f"{case.name} {label}", said["seconds"], said.get("text", ""))
            if said.get("log"):
                with open(f"{run.console}.{case.name.replace('/', '.')}", "w", encoding="utf-8") as file:
                    file.write(said["log"])
        patience = UP_S


def run_machine(built, kernel, name, cases, payload, folder, kills, tally):
    label = f"[{kernel}]"
    machine = Machine(built, kernel, os.path.join(folder, f"{kernel}-{name}"), payload)
    good = True
    for boot in range(1, max(case.boots for case in cases) + 1):
        good = run_boot(machine, boot, cases, kills, tally, label)
        if not good:
            break
    if good:
        machine.remove()


def why_not(arguments):
    """What is missing to run anything; None: nothing."""
    if not shutil.which("qemu-system-x86_64") or not shutil.which("qemu-img"):
        return "no qemu (qemu-system-x86, qemu-utils)"
    if not os.path.exists(os.path.join(arguments.build_dir, "daemon", "hawserd")):
        return f"nothing is built in {arguments.build_dir}"
    with open("/etc/os-release", encoding="utf-8") as file:
        if f"VERSION_CODENAME={image.SUITE}\n" not in file.read():
            return f"the machine is Debian {image.SUITE}, and what is built here need not run there"
    return None


def main():
    arguments = parse_arguments()
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        importlib.import_module(os.path.basename(path)[:-3])
    if arguments.list:
        print("\n".join(case.name for case in CASES))
        return 0
    arguments.build_dir = os.path.abspath(arguments.build_dir)
    folder = os.path.join(arguments.build_dir, "vm")
    os.makedirs(folder, exist_ok=True)
    signal.signal(signal.SIGTERM, interrupted)

    chosen, tally = ([] if arguments.what == ["shell"] else select(arguments)), Tally()
    try:
        problem = why_not(arguments)
        begin = time.monotonic()
        built = None if problem else image.get()
        if built and time.monotonic() - begin > 1:
            print(f"made the image in {time.monotonic() - begin:.0f} s", flush=True)
    except image.Unavailable as why:
        problem = str(why)
    if problem:
        for case, kernel in chosen:
            tally.add("skip", f"{case.name} [{kernel}]", text=problem)
        print(tally.closing_line() if chosen else problem)
        return 0 if chosen else 1

    payload = Payload(arguments.build_dir)
    for path in PROGRAMS:
        if os.path.exists(os.path.join(arguments.build_dir, path)):
            payload.add_program(os.path.join(arguments.build_dir, path))
    if arguments.what == ["shell"]:
        kernel = arguments.kernel or next(iter(image.KERNELS))
        machine = Machine(built, kernel, os.path.join(folder, f"shell-{os.getpid()}"), payload)
        machine.shell()
        machine.remove()
        return 0
    for (kernel, name), cases in machines_for(chosen).items():
        run_machine(built, kernel, name, cases, payload, folder, arguments.kills, tally)
    print(tally.closing_line())
    return 1 if tally.counts["FAIL"] else 0


def interrupted(*_):
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted")
        sys.exit(130)
    except subprocess.CalledProcessError as failed:
        sys.exit(f"{failed.cmd[0]} failed with {failed.returncode}")
