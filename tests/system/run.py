#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Runs the system tests.

usage: run.py [--build-dir DIR] [--sanitized] [--seed N] [--kills N] [--list] [PATTERN...]

A PATTERN selects the cases that contain it in their name. The closing line counts cases; the exit
status is 1 when any failed. Logs of failed cases go to DIR/system-logs/<case>/.
"""

import argparse
import glob
import importlib
import os
import random
import signal
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from harness import leftovers  # noqa: E402
from harness.cases import CASES  # noqa: E402
from harness.commands import Failure, Skip  # noqa: E402
from harness.daemon import Build  # noqa: E402
from harness.lab import Lab  # noqa: E402

SECONDS_PER_KILL = 20  # the most that one may add to a limit


def parse_arguments():
    root = os.path.dirname(os.path.dirname(HERE))
    parser = argparse.ArgumentParser(description="system tests of hawser")
    parser.add_argument("--build-dir", default=os.path.join(root, "build"))
    parser.add_argument("--sanitized", action="store_true", help="only the sanitizers' subset")
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 31))
    parser.add_argument("--kills", type=int, help="how often cases kill hawserd that do so, 100 say")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument("patterns", nargs="*")
    return parser.parse_args()


def out_of_time(*_):
    raise Failure("the case takes longer than its limit")


def interrupted(*_):
    raise KeyboardInterrupt


def run_case(each, build, seed, kills, log_folder):
    """("ok" | "FAIL" | "skip", text)"""
    outcome, text = "ok", ""
    lab = Lab(build, seed, kills)
    try:
        signal.alarm((each.limit_s + SECONDS_PER_KILL * (kills or 0)) * build.patience)
        each.function(lab)
    except Skip as why:
        outcome, text = "skip", str(why)
    except Failure as why:
        line = traceback.extract_tb(why.__traceback__)
        mine = [frame for frame in line if os.path.basename(frame.filename).startswith("test_")]
        where = f" (line {mine[-1].lineno})" if mine else ""
        outcome, text = "FAIL", f"{why}{where}"
    except Exception:
        outcome, text = "FAIL", traceback.format_exc()
    finally:
        signal.alarm(0)
        problems = lab.close()
        if problems and outcome != "FAIL":
            outcome, text = "FAIL", "left behind or found at the end:\n" + "\n".join(problems)
        if outcome == "FAIL":
            lab.keep_logs(os.path.join(log_folder, each.name.replace("/", ".")))
        lab.remove_folder()
    return outcome, text


def main():
    arguments = parse_arguments()
    for path in sorted(glob.glob(os.path.join(HERE, "test_*.py"))):
        importlib.import_module(os.path.basename(path)[:-3])
    cases = [
        each
        for each in CASES
        if (each.sanitized or not arguments.sanitized)
        and (not arguments.patterns or any(part in each.name for part in arguments.patterns))
    ]
    if arguments.list:
        print("\n".join(each.name for each in cases))
        return 0

    signal.signal(signal.SIGALRM, out_of_time)
    signal.signal(signal.SIGTERM, interrupted)
    build = Build(arguments.build_dir)
    log_folder = os.path.join(build.folder, "system-logs")
    print(f"system tests, seed {arguments.seed}" + (f", {build.sanitizer} sanitizer" if build.sanitizer else ""))
    if os.geteuid() == 0:
        leftovers.remove_dead_namespaces()

    counts = {"ok": 0, "FAIL": 0, "skip": 0}
    for each in cases:
        begin = time.monotonic()
        if os.geteuid() != 0:
            outcome, text = "skip", "needs root"
        elif not os.path.exists(build.hawserd):
            outcome, text = "FAIL", f"{build.hawserd} is not built"
        else:
            outcome, text = run_case(each, build, arguments.seed, arguments.kills, log_folder)
        counts[outcome] += 1
        line = f"{outcome:4}  {each.name}  ({time.monotonic() - begin:.1f} s)"
        if text:
            line += ("  " if outcome == "skip" else "\n      ") + text.replace("\n", "\n      ")
        print(line, flush=True)
    print(f"{counts['ok']} passed, {counts['FAIL']} failed, {counts['skip']} skipped")
    return 1 if counts["FAIL"] else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted")
        sys.exit(130)
