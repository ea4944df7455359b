#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""docs/EVENTS.md and units/hawser.catalog say what the table of events says (daemon/event_kinds.c).

usage: events.py [--write] [PROGRAM]      PROGRAM: event_documents, by default the one in build/
"""

import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DOCUMENTS = {"markdown": "docs/EVENTS.md", "catalog": "units/hawser.catalog"}


def main(arguments):
    write = "--write" in arguments
    programs = [each for each in arguments if each != "--write"]
    program = programs[0] if programs else f"{ROOT}/build/tests/style/event_documents"
    stale = []
    for kind, path in DOCUMENTS.items():
        text = subprocess.run([program, kind], check=True, stdout=subprocess.PIPE).stdout
        try:
            with open(f"{ROOT}/{path}", "rb") as file:
                same = file.read() == text
        except FileNotFoundError:
            same = False
        if not same and write:
            with open(f"{ROOT}/{path}", "wb") as file:
                file.write(text)
        elif not same:
            stale.append(path)
    for path in stale:
        print(f"{path} is not what daemon/event_kinds.c says: run tests/style/events.py --write")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
