#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Random faults on four paths for as long as one likes.

usage: storm.py [--build-dir DIR] [--seconds N] [--gap N] [--seed N]

Faults of every kind come up to --gap seconds apart under fio's verification and the oracle
(tests/system/oracle.c). Exit status 1 after the first failed request or wrong block.
"""

import argparse
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "system"))

from harness.commands import Failure, Skip  # noqa: E402
from harness.daemon import Build  # noqa: E402
from harness.lab import Lab  # noqa: E402
from harness.storm import Storm  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description="random faults")
    parser.add_argument("--build-dir", default=os.path.join(HERE, "../../build"))
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--gap", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.randrange(1, 1 << 31))
    arguments = parser.parse_args()
    build = Build(arguments.build_dir)
    print(f"seed {arguments.seed}", flush=True)
    lab = Lab(build, arguments.seed)
    code = 1
    try:
        storm = Storm(lab, arguments.gap)
        storm.rage(arguments.seconds)
        oracle, fio = storm.calm()
        print(f"faults: {storm.counts}\noracle: {oracle}\nfio: {fio}")
        code = 0
    except (Failure, Skip) as why:
        print(why)
        lab.keep_logs(os.path.join(build.folder, "bench-logs", "storm"))
    finally:
        for line in lab.close():
            print(line)
            code = 1
        lab.remove_folder()
    return code


if __name__ == "__main__":
    sys.exit(main())
