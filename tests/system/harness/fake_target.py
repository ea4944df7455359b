# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""The scripted target as a host of the network: what no real target can be made to do."""

import os
import subprocess

from harness.commands import Failure

NAME = "iqn.2026-01.org.example:fake"


class FakeTarget:
    """One disk of size_mib behind every portal of the network. groups: the portals' group tags; portals of
    one group are one target port, so that a login through one ends the session of the other."""

    def __init__(self, build, folder, network, groups, size_mib):
        self.log_path = os.path.join(folder, "fake_target.log")
        script = os.path.join(folder, "fake_target.script")
        with open(script, "w", encoding="utf-8") as file:
            file.write(f"name {NAME}\nunit {size_mib << 11} 512\n")
            for portal, tag in zip(network.portals, groups):
                file.write(f"portal {portal.address} {portal.port} {tag}\n")
        command = [os.path.join(build.folder, "tests/fakes/fake_target"), script]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                network.target_side.inside(command),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            )  # fmt: skip
        for _ in network.portals:
            if not self.process.stdout.readline().startswith("portal "):
                raise Failure(f"the fake target does not start: {self.complaints()}")

    def say(self, line):
        """One more line of script; see docs/FAKE_TARGET.md"""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def complaints(self):
        """What the initiator did against the standard."""
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def kill(self):
        self.process.kill()
        self.process.wait(20)
