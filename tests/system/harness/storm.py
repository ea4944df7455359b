# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Random faults on every path of a disk, for a given time, under fio's verification and the oracle."""

import time

from harness.commands import Failure, true

OUTAGE_S = 20  # longest time with no path at all; requests queue for 60


class Storm:
    """Four paths; each is lost and restored at random times, several at once, and sometimes all, or the
    target's process itself."""

    def __init__(self, lab, gap_s, paths=4):
        self.lab, self.random, self.gap_s = lab, lab.random, gap_s
        lab.needs_block_devices()
        self.network = lab.links(paths)
        self.start_target()
        self.daemon = lab.hawserd(self.network)
        self.device = self.daemon.connect(self.iqn, self.network.portals)
        self.daemon.wait_for_paths(paths)
        self.oracle = lab.oracle(self.device, depth=16, size=32, zeroes=True)
        self.fio = lab.fio(self.device, size_mib=24, seconds=100000, extra=["--offset=40M"])
        self.until = {}  # portal: when it comes back
        self.counts = {}

    def start_target(self, path=None, target_id=None):
        self.target = self.lab.target(self.network)
        self.iqn = self.target.add(target_id=target_id)
        self.path = self.target.add_unit(self.iqn, size_mib=64, path=path)

    # ---- what happens

    def lose_portal(self):
        portal = self.random.choice([p for p in self.network.portals if p not in self.until])
        fault = self.random.choice(portal.faults() + ["reset"])
        self.count(fault)
        if fault == "reset":
            portal.reset_connections()
            return
        portal.lose(fault)
        self.until[portal] = time.monotonic() + self.random.uniform(0.2, self.gap_s * 2)

    def lose_all(self):
        """Nothing gets through for a while."""
        self.count("all paths")
        fault = self.random.choice(("killed", "blocked", "link down"))
        for portal in self.network.portals:
            if portal not in self.until:
                portal.lose(fault)
                self.until[portal] = 0
        self.watch(self.random.uniform(1, OUTAGE_S))
        for portal in list(self.until):
            self.restore(portal)

    def crash_target(self):
        """What it acknowledged is in the page cache, so that nothing is lost with it."""
        self.count("target killed")
        number = self.target.ids[self.iqn]
        self.target.kill()
        self.watch(self.random.uniform(0.1, 3))
        self.start_target(self.path, number)

    def freeze_target(self):
        self.count("target frozen")
        self.target.freeze()
        self.watch(self.random.uniform(0.5, 8))
        self.target.thaw()

    # ---- the course of it

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def restore(self, portal):
        portal.restore()
        del self.until[portal]

    def watch(self, seconds):
        """Let time pass; whatever ends early is a failure."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(min(0.2, max(0, end - time.monotonic())))
            self.oracle.check_running()
            self.fio.check_running()
            if not self.daemon.program.running:
                raise Failure(f"hawserd ended:\n{self.daemon.log()[-4000:]}")

    def step(self):
        for portal in [p for p, until in self.until.items() if until <= time.monotonic()]:
            self.restore(portal)
        if len(self.until) == len(self.network.portals):
            return
        happens = self.random.choices(
            (self.lose_portal, self.lose_all, self.crash_target, self.freeze_target), (20, 1, 1, 1)
        )
        happens[0]()

    def rage(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.step()
            self.watch(min(self.random.uniform(self.gap_s / 10, self.gap_s), end - time.monotonic()))

    def calm(self):
        """Everything comes back, everything is checked. Returns the oracle's totals and fio's."""
        for portal in list(self.until):
            self.restore(portal)
        self.daemon.wait_for_paths(len(self.network.portals), timeout=120)
        fio, oracle = self.fio.stop(), self.oracle.stop()
        true(oracle["reads"] > 0 and oracle["writes"] > 0, f"the oracle did work: {oracle}")
        true(fio["verified_bytes"] > 0, f"fio did work: {fio}")
        self.daemon.logout(self.iqn)
        self.daemon.stop()
        return oracle, fio
