# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""A long way to a portal, where the kernel has no netem: see tests/system/delay_relay.c."""

import os
import subprocess

from harness.commands import Failure
from harness.network import Portal


class Relay:
    """.portal: the same target as behind `portal`, so many milliseconds later each way. The target does not
    know of it, and SendTargets does not name it: make a record (Hawserd.add_record)."""

    def __init__(self, build, network, portal, delay_ms):
        self.portal = Portal(network, portal.address, portal.port + 1, portal.link)
        program = os.path.join(build.folder, "tests/system/delay_relay")
        words = [program, portal.address, self.portal.port, portal.address, portal.port, delay_ms]
        self.process = subprocess.Popen(
            network.target_side.inside([str(word) for word in words]),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if self.process.stdout.readline() != "ready\n":
            raise Failure("the relay does not start")

    def kill(self):
        self.process.kill()
        self.process.wait(20)
        self.process.stdin.close()
        self.process.stdout.close()
