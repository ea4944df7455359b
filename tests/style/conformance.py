# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""docs/CONFORMANCE.md: 160 rows in order, and every test that a row names exists in its file."""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGE = "docs/CONFORMANCE.md"
ROWS = 160
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
    files, names, result = cells[3].replace("–", "").split(), re.findall(r"`(\w+)`", cells[4]), cells[5]
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
    for problem in problems:
        print(f"{PAGE}: {problem}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
