#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""units/hawser.conf.example shows every setting of daemon/config.c, in its order, with its default."""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
ROW = re.compile(r'\{"([a-z]+\.[a-z_]+)", SETTING_\w+, (?:NULL|"[^"]*"), [^"]*?"([^"]*)",')


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as file:
        return file.read()


def example():
    """[(section.key, value)] of the commented settings"""
    found, section = [], ""
    for line in read("units/hawser.conf.example").splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        setting = re.fullmatch(r"#([a-z_]+) =(.*)", line)
        if setting:
            found.append((f"{section}.{setting[1]}", setting[2].strip()))
    return found


def main():
    table, shown = ROW.findall(read("daemon/config.c")), example()
    for setting in table:
        if setting not in shown:
            print(f"the example lacks {setting[0]} = {setting[1]}")
    for setting in shown:
        if setting not in table:
            print(f"the example has {setting[0]} = {setting[1]}, the table has not")
    if not table:
        print("no table found in daemon/config.c")
    return 0 if table and table == shown else 1


if __name__ == "__main__":
    sys.exit(main())
