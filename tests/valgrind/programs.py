#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""programs.py BUILD [--quick]: the unit and conformance tests that are programs of ours, a name a line.

--quick leaves out those that take minutes under valgrind."""

import json
import subprocess
import sys

SLOW = {"iscsi/connection", "dbus/face"}
SUITES = {"hawser:unit", "hawser:conformance"}


def main():
    build = sys.argv[1]
    left_out = SLOW if "--quick" in sys.argv else set()
    shown = subprocess.run(["meson", "introspect", build, "--tests"], capture_output=True, check=True)
    for test in json.loads(shown.stdout):
        ours = "/tests/" in test["cmd"][0] and len(test["cmd"]) == 1
        if ours and SUITES & set(test["suite"]) and test["name"] not in left_out:
            print(test["name"])


if __name__ == "__main__":
    main()
