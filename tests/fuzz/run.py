#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Runs the fuzzers, two at a time, each from its seeds in tests/fuzz/corpus.

usage: run.py BUILD SECONDS [NAME...]

What is found new goes to BUILD/corpus/NAME, what breaks to BUILD/NAME-crash-…. The closing line counts
fuzzers; the exit status is 1 when any found something. A fuzzer also fails when an input takes
longer than 10 s, allocates 64 MiB at once, or lets the whole process grow beyond 1 GiB.

usage: run.py --merge BUILD

Puts into tests/fuzz/corpus the smallest set of inputs that reach what all of BUILD/corpus reaches, up to
20 KiB for each fuzzer.
"""

import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

SEEDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
AT_ONCE = 2
SEEDS_MAX = 20 << 10  # bytes for each fuzzer
LIMITS = ("-timeout=10", "-malloc_limit_mb=64", "-rss_limit_mb=1024")


def fuzzers(build):
    found = sorted(glob.glob(os.path.join(build, "tests/fuzz/fuzz_*")))
    return [path for path in found if os.path.isfile(path) and os.access(path, os.X_OK)]


def name_of(path):
    return os.path.basename(path).removeprefix("fuzz_")


def folders(build, name):
    """Where new inputs go, and the seeds when there are any."""
    own = os.path.join(build, "corpus", name)
    os.makedirs(own, exist_ok=True)
    return [path for path in (own, os.path.join(SEEDS, name)) if os.path.isdir(path)]


def fuzz(path, build, seconds):
    name, begin = name_of(path), time.monotonic()
    log = os.path.join(build, f"{name}.log")
    command = [path, f"-max_total_time={seconds}", *LIMITS, f"-artifact_prefix={build}/{name}-"]
    with open(log, "w", encoding="utf-8") as file:
        code = subprocess.call([*command, *folders(build, name)], stdout=file, stderr=subprocess.STDOUT)
    with open(log, encoding="utf-8", errors="replace") as file:
        text = file.read()
    done = re.search(r"Done (\d+) runs", text)
    if code == 0 and done:
        print(f"ok    {name}: {done[1]} inputs ({time.monotonic() - begin:.0f} s)", flush=True)
        return True
    print(f"FAIL  {name}, see {log}:", flush=True)
    for line in text.splitlines()[-30:]:
        print(f"      {line}", flush=True)
    return False


def merge(path, build):
    name = name_of(path)
    target = os.path.join(SEEDS, name)
    sources = folders(build, name)
    with tempfile.TemporaryDirectory() as merged:
        subprocess.run([path, "-set_cover_merge=1", merged, *sources], check=True, capture_output=True)
        shutil.rmtree(target, ignore_errors=True)
        os.makedirs(target)
        left = SEEDS_MAX
        for file in sorted(os.scandir(merged), key=lambda entry: (entry.stat().st_size, entry.name)):
            left -= file.stat().st_size
            if left < 0:
                break
            shutil.copy(file.path, target)
    print(f"{name}: {len(os.listdir(target))} seeds")


def main():
    if sys.argv[1] == "--merge":
        for path in fuzzers(sys.argv[2]):
            merge(path, sys.argv[2])
        return 0
    build, seconds, names = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    chosen = [path for path in fuzzers(build) if not names or name_of(path) in names]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        good = list(pool.map(lambda path: fuzz(path, build, seconds), chosen))
    print(f"{sum(good)} passed, {len(good) - sum(good) if good else 1} failed, 0 skipped")
    return 0 if good and all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
