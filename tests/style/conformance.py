# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""docs/CONFORMANCE.md: 160 rows in order, the cases of the UNH-IOL suites, and every test that either names
exists in its file."""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = "docs/CONFORMANCE.md"
ROWS = 160
SUITES = ("login", "ffp", "chap")
RESULTS = ("passes", "partly", "not covered", "not offered")


def tests_in(path, cache={}):
    if path not in cache:
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            text = file.read()
        if path.endswith(".py"):
            found = re.findall(r"^def (\w+)\(", text, re.MULTILINE)
        else:
            # defined, and listed among those that run
            defined = re.findall(r"^static void (\w+)\(void \*\*\w+\)", text, re.MULTILINE)
            found = [name for name in defined if f"({name})" in text.replace("\n", "")
                     or re.search(rf"cmocka_unit_test\w*\(\s*{name}\b", text)]  # fmt: skip
        cache[path] = set(found)
    return cache[path]


def check_row(number, cells):
    if len(cells) != 6 or cells[0] != str(number):
        return [f"row {number} is missing, out of order, or has not 6 columns"]
    return check_tests(number, *cells[3:])


def check_tests(number, files, tests, result):
    files, names = files.replace("–", "").split(), re.findall(r"`(\w+)`", tests)
    problems = []
    if result not in RESULTS:
        problems.append(f"row {number}: no such result: {result}")
    if (result in ("passes", "partly")) != bool(names):
        problems.append(f"row {number}: a test is named if, and only if, it is covered")
    known = set()
    for path in files:
        path = f"tests/{path}"
        if not os.path.exists(os.path.join(ROOT, path)):
            problems.append(f"row {number}: there is no {path}")
        else:
            known |= tests_in(path)
    problems += [f"row {number}: no test {name} in {' '.join(files)}" for name in names if name not in known]
    return problems


def order_of(case):
    """("login", (2, 1)) of "login 2.1": as it stands in its suite"""
    suite, number = case.split()
    return SUITES.index(suite), tuple(int(part) for part in number.split("."))


def check_suites(text):
    """Cases in order, each once; their counts; their tests"""
    cases = [[cell.strip() for cell in line.strip().strip("|").split("|")]
             for line in text.splitlines() if re.match(rf"\| ({'|'.join(SUITES)}) [\d.]+ \|", line)]  # fmt: skip
    problems = [f"{case[0]} has not 5 columns" for case in cases if len(case) != 5]
    if problems or not cases:
        return problems or ["the cases of the suites are missing"]
    order = [order_of(case[0]) for case in cases]
    if order != sorted(set(order)):
        problems.append("the cases of the suites are out of order, or one stands twice")
    for case in cases:
        problems += check_tests(case[0], *case[2:])
    told = re.search(r"^(\d+) pass, (\d+) not covered, (\d+) not offered of (\d+)\.$", text, re.MULTILINE)
    results = [case[-1] for case in cases]
    counts = [results.count(result) for result in ("passes", "not covered", "not offered")]
    if not told or [int(n) for n in told.groups()] != [*counts, len(cases)]:
        problems.append(f"the counts of the suites should be {counts} of {len(cases)}")
    return problems


def main():
    with open(os.path.join(ROOT, PAGE), encoding="utf-8") as file:
        text = file.read()
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")]
            for line in text.splitlines() if re.match(r"\| \d+ \|", line)]  # fmt: skip
    problems = [f"{len(rows)} rows in place of {ROWS}"] if len(rows) != ROWS else []
    for number, cells in enumerate(rows, 1):
        problems += check_row(number, cells)
    counts = {result: sum(row[-1] == result for row in rows) for result in RESULTS}
    told = re.search(r"^(\d+) pass, (\d+) partly, (\d+) not covered, (\d+) not offered", text, re.MULTILINE)
    if not told or [int(n) for n in told.groups()] != list(counts.values()):
        problems.append(f"the counts at the top should be {counts}")
    problems += check_suites(text)
    for problem in problems:
        print(f"{PAGE}: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
