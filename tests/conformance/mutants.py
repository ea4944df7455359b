#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Proves that the tests of docs/CONFORMANCE.md fail without the code that they are about.

usage: mutants.py [ROW...]     every mutant of mutants.txt, or those of the rows
       mutants.py --check      only that they fit the sources; and which rows that pass have none

Each mutant is one small change of the source. It is made in a copy of the tree (build/mutants), its test
program is built, and the one test run, which must fail. "survived" means a test that proves nothing,
"stale" that the source no longer has the text, "broken" that it does not compile. The closing line
counts mutants; the exit status is 1 when any was not killed.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
SCRATCH = os.path.join(ROOT, "build", "mutants")
TREE = os.path.join(SCRATCH, "tree")
BUILD = os.path.join(SCRATCH, "build")
DAEMON_PROGRAMS = ["tests/fakes/fake_target", "daemon/hawserd", "cli/hawser", "cli/iscsiadm"]
SKIPPED = 77
TIMEOUT_S = 60  # a test that hangs has noticed
HEADER = re.compile(r"= ([\d,]+) (\S+) (\S+) (\w+)$")


@dataclass
class Mutant:
    line: int
    rows: list
    path: str
    test_file: str
    test: str
    before: str = ""
    after: str = ""

    def __str__(self):
        rows = ",".join(str(row) for row in self.rows)
        return f"{rows:>6}  {self.path}, {self.test} (mutants.txt:{self.line})"

    @property
    def is_python(self):
        return self.test_file.endswith(".py")

    @property
    def targets(self):
        return DAEMON_PROGRAMS if self.is_python else [self.program]

    @property
    def command(self):
        if self.is_python:  # daemon.py
            return [sys.executable, os.path.join(TREE, "tests", self.test_file), BUILD, self.test]
        return [os.path.join(BUILD, self.program)]

    @property
    def program(self):
        """The test program, from the top of the build."""
        parts = os.path.splitext(self.test_file)[0].split("/")
        name = parts[-1].removeprefix("test_")
        return "/".join(["tests", *parts[:-1], f"test_{parts[-2]}_{name}"])


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def read_mutants():
    mutants = []
    for number, line in enumerate(read(os.path.join(HERE, "mutants.txt")).splitlines(), 1):
        header = HEADER.match(line)
        if header:
            rows = [int(row) for row in header[1].split(",")]
            mutants.append(Mutant(number, rows, header[2], header[3], header[4]))
        elif line.startswith("-"):
            mutants[-1].before += ("\n" if mutants[-1].before else "") + line[1:]
        elif line.startswith("+"):
            mutants[-1].after += ("\n" if mutants[-1].after else "") + line[1:]
        elif line and not line.startswith("#"):
            raise SystemExit(f"mutants.txt:{number}: what is this?")
    return mutants


# ---- the check


def passing_rows():
    rows = []
    for line in read(os.path.join(ROOT, "docs/CONFORMANCE.md")).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if re.match(r"\| \d+ \|", line) and cells[-1] == "passes":
            rows.append(int(cells[0]))
    return rows


def check(mutants):
    problems = []
    for row in passing_rows():
        if not any(row in mutant.rows for mutant in mutants):
            print(f"row {row} passes and has no mutant")  # to be seen to, and no reason to hold a change up
    for mutant in mutants:
        found = read(os.path.join(ROOT, mutant.path)).count(mutant.before)
        if found != 1:
            problems.append(f"the text stands {found} times in the source: {mutant}")
        if mutant.before == mutant.after:
            problems.append(f"nothing changes: {mutant}")
        tests = read(os.path.join(ROOT, "tests", mutant.test_file)).replace("\n", "")
        if not re.search(rf"[( ]{mutant.test}[,)(]", tests):
            problems.append(f"no such test: {mutant}")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


# ---- the trial


def copy_tree():
    """Only what differs is written, so that little is built again."""
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    for path in listed.stdout.splitlines():
        source, target = os.path.join(ROOT, path), os.path.join(TREE, path)
        if not os.path.isfile(source):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(source, "rb") as new:
            content = new.read()
        if not os.path.exists(target) or open(target, "rb").read() != content:
            shutil.copy(source, target)


def prepare():
    copy_tree()
    if not os.path.exists(os.path.join(BUILD, "build.ninja")):
        run(["meson", "setup", BUILD, TREE, "--buildtype=plain", "-Dc_args=-O0", "-Dman=disabled"], check=True)
    run(["cc", "-shared", "-fPIC", "-o", os.path.join(BUILD, "filter.so"),
         os.path.join(HERE, "cmocka_filter.c")], check=True)  # fmt: skip


def run(command, check=False, **options):
    result = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False, **options
    )
    if check and result.returncode != 0:
        raise SystemExit(f"{' '.join(command)}:\n{result.stdout}")
    return result


def build(targets):
    return run(["ninja", "-C", BUILD, *targets]).returncode == 0


def run_test(mutant):
    """"passed", "failed", or "missing" when nothing ran."""
    environment = dict(os.environ, CMOCKA_FILTER=mutant.test)
    if not mutant.is_python:
        environment["LD_PRELOAD"] = os.path.join(BUILD, "filter.so")
    try:
        result = run(mutant.command, env=environment, timeout=TIMEOUT_S, cwd=BUILD)
    except subprocess.TimeoutExpired:
        return "failed"
    ran = result.returncode != SKIPPED if mutant.is_python else f"[ RUN      ] {mutant.test}" in result.stdout
    if not ran:
        return "missing"
    return "passed" if result.returncode == 0 else "failed"


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def try_mutant(mutant):
    path = os.path.join(TREE, mutant.path)
    original = read(path)
    if original.count(mutant.before) != 1:
        return "stale"
    write(path, original.replace(mutant.before, mutant.after))
    try:
        if not build(mutant.targets):
            return "broken"
        return {"passed": "survived", "failed": "killed", "missing": "did not run"}[run_test(mutant)]
    finally:
        write(path, original)


def baseline(mutants):
    """Tests that fail already prove nothing."""
    good = {}
    for mutant in mutants:
        key = (mutant.test_file, mutant.test)
        if key not in good:
            good[key] = build(mutant.targets) and run_test(mutant) == "passed"
            if not good[key]:
                print(f"fails as it is: {mutant.test_file} {mutant.test}", flush=True)
    return good


def main():
    arguments = sys.argv[1:]
    mutants = read_mutants()
    if arguments == ["--check"]:
        return check(mutants)
    rows = {int(row) for row in arguments}
    chosen = [mutant for mutant in mutants if not rows or rows & set(mutant.rows)]
    prepare()
    good = baseline(chosen)
    killed = 0
    for mutant in chosen:
        begin = time.monotonic()
        verdict = try_mutant(mutant) if good[mutant.test_file, mutant.test] else "no baseline"
        killed += verdict == "killed"
        print(f"{verdict:<10} {mutant} {time.monotonic() - begin:.0f} s", flush=True)
    print(f"{killed} passed, {len(chosen) - killed} failed")
    return 0 if chosen and killed == len(chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
