#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Sums up meson's testlog.json: a line per test that failed or was skipped, then the counts."""

import json
import sys

PASSED = {"OK", "EXPECTEDFAIL"}


def reason(test):
    """What a skipped test said last."""
    said = (test.get("stdout") or test.get("stderr") or "").strip().splitlines()
    return f": {said[-1]}" if said else ""


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    try:
        with open(sys.argv[1], encoding="utf-8") as file:
            tests = [json.loads(line) for line in file if line.strip()]
    except FileNotFoundError:
        tests = []
        counts["failed"] = 1
        print(f"no test ran: there is no {sys.argv[1]}")
    for test in tests:
        result = test["result"]
        if result in PASSED:
            counts["passed"] += 1
        elif result == "SKIP":
            counts["skipped"] += 1
            print(f"skipped {test['name']}{reason(test)}")
        else:
            counts["failed"] += 1
            print(f"{result} {test['name']}")
            for stream in ("stdout", "stderr"):
                for line in (test.get(stream) or "").splitlines()[-30:]:
                    print(f"    {line}")
    print(", ".join(f"{number} {name}" for name, number in counts.items()))


main()
