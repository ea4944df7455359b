#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Writes 4 KiB blocks past the page cache, one after the other, and measures how long each takes.

usage: pause_meter.py FILE

Prints a line of JSON when it is under way, and one at each SIGUSR1: the longest write since the last
one in milliseconds, the number of writes, and the number of errors. A program of its own, so that a
device that hangs cannot hang the one who asks. Ends at SIGTERM.
"""

import json
import mmap
import os
import signal
import sys
import time

BLOCK_BYTES = 4096
BLOCKS = 256
PERIOD_S = 0.002


class Meter:
    def __init__(self, path):
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_DIRECT, 0o600)
        self.block = mmap.mmap(-1, BLOCK_BYTES)  # page-aligned, as O_DIRECT wants it
        self.asked = self.ended = False
        self.clear()

    def clear(self):
        self.longest_s, self.writes, self.errors = 0.0, 0, 0

    def write(self, number):
        self.block[0:8] = number.to_bytes(8, "big")
        begin = time.monotonic()
        try:
            os.pwrite(self.file, self.block, number % BLOCKS * BLOCK_BYTES)
        except OSError as error:
            self.errors += 1
            print(f"write {number}: {error}", file=sys.stderr, flush=True)
        self.longest_s = max(self.longest_s, time.monotonic() - begin)
        self.writes += 1

    def tell(self):
        told = {
            "longest_ms": round(self.longest_s * 1000, 1),
            "writes": self.writes,
            "errors": self.errors,
        }
        print(json.dumps(told), flush=True)
        self.clear()
        self.asked = False

    def ask(self, *_):
        self.asked = True

    def end(self, *_):
        self.ended = True

    def run(self):
        number = 0
        while not self.ended:
            self.write(number)
            if number == 0 or self.asked:
                self.tell()
            number += 1
            time.sleep(PERIOD_S)


meter = Meter(sys.argv[1])
signal.signal(signal.SIGUSR1, meter.ask)
signal.signal(signal.SIGTERM, meter.end)
meter.run()
