# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Ways to lose one of two paths, with what a request may cost then, and the scene in which it is done."""

from dataclasses import dataclass

from harness.fake_target import NAME


@dataclass
class Fault:
    text: str
    read_budget_ms: int
    write_budget_ms: int
    lasts_s: float  # until it is undone; longer than the budget
    how: str = ""  # of Portal.lose()
    script: str = ""  # of the fake target, for the portal {}; the real one cannot do it


FAULTS = {
    "reset": Fault("connection reset, portal takes the next", 50, 50, 1.5, "reset"),
    "killed": Fault("connection reset, portal refuses", 50, 50, 2, "killed"),
    "carrier": Fault("carrier lost", 100, 100, 2, "link down"),
    "silent": Fault("silent both ways", 300, 1500, 4, "blocked"),
    "requests": Fault("silent, requests lost", 300, 1500, 4, "requests blocked"),
    "answers": Fault("silent, answers lost", 300, 1500, 4, "answers blocked"),
    "frozen": Fault("target frozen, TCP alive", 300, 1500, 4, script="on any @{} : freeze"),
    "unit": Fault(
        "unit frozen behind a live portal", 300, 6000, 9, script="on command @{} : ignore"
    ),
}


class Scene:
    """A disk behind two portals, each a target port of its own, on the device of a hawserd."""

    def __init__(self, lab, fault, **daemon_options):
        self.fault = fault
        self.network = lab.two_links()
        self.fake = lab.fake_target(self.network) if fault.script else None
        if self.fake:
            self.iqn, lun = NAME, 0
        else:
            target = lab.target(self.network)
            self.iqn, lun = target.add(), 1
            target.add_unit(self.iqn, size_mib=64)
        self.daemon = lab.hawserd(self.network, **daemon_options)
        for portal in self.network.portals:
            self.daemon.discover(portal)
        self.daemon.login(self.iqn)
        self.daemon.wait_for_paths(2)
        self.device = self.daemon.device(self.iqn, self.network.portals[0], lun)
        self.lost = None

    def lose(self, number):
        self.lost = self.network.portals[number]
        if self.fake:
            self.fake.say(self.fault.script.format(number + 1))
        elif self.fault.how == "reset":
            self.lost.reset_connections()
        else:
            self.lost.lose(self.fault.how)

    def restore(self):
        """Returns when both paths carry I/O again."""
        if self.fake:
            self.fake.say("forget")
        self.lost.restore()
        self.daemon.wait_for_paths(2, timeout=60)

    def end(self):
        self.daemon.logout(self.iqn)
        self.daemon.stop()
