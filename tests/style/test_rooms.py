#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""rooms.py itself: it finds what climbs and what circles, and is silent otherwise."""

import os
import subprocess
import sys
import tempfile
import unittest

ROOMS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "rooms.py")


def rooms(files):
    """Exit status and output of rooms.py over a tree of {path: text}."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            os.makedirs(os.path.join(root, os.path.dirname(path)), exist_ok=True)
            with open(os.path.join(root, path), "w", encoding="utf-8") as file:
                file.write(text)
        done = subprocess.run([sys.executable, ROOMS, root], capture_output=True, text=True)
        return done.returncode, done.stdout


class Rooms(unittest.TestCase):
    def test_downward_includes_are_silent(self):
        files = {
            "util/a.h": "",
            "scsi/b.h": '#include "util/a.h"\n#include <stdio.h>\n',
            "multipath/c.c": '#include "scsi/b.h"\n#include "multipath/c.h"\n',
            "multipath/c.h": "struct b;\n",
        }
        self.assertEqual(rooms(files), (0, ""))

    def test_an_include_that_climbs_is_named(self):
        code, out = rooms({"scsi/b.c": '#include "iscsi/pdu.h"\n', "iscsi/pdu.h": ""})
        self.assertEqual(code, 1)
        self.assertEqual(out, "scsi/b.c includes iscsi/pdu.h: scsi may not use iscsi\n")

    def test_iscsi_and_multipath_do_not_know_each_other(self):
        for here, there in (("iscsi", "multipath"), ("multipath", "iscsi"), ("cli", "daemon")):
            code, _ = rooms({f"{here}/x.c": f'# include "{there}/y.h"\n', f"{there}/y.h": ""})
            self.assertEqual(code, 1, f"{here} includes {there}")

    def test_an_include_from_no_room_is_named(self):
        code, out = rooms({"util/x.c": '#include "tests/y.h"\n'})
        self.assertEqual((code, out), (1, "util/x.c includes tests/y.h, which is in no room\n"))

    def test_a_circle_through_source_files_is_named(self):
        files = {
            "iscsi/session.c": '#include "iscsi/session.h"\n#include "iscsi/connection.h"\n',
            "iscsi/session.h": "",
            "iscsi/connection.h": "",
            "iscsi/connection.c": '#include "connection.h"\n#include "session.h"\n',
        }
        code, out = rooms(files)
        self.assertEqual(code, 1)
        self.assertEqual(out, "a circle of modules: iscsi/connection iscsi/session\n")


if __name__ == "__main__":
    unittest.main()
