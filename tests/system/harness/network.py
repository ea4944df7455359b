# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Networks made for one test, in network namespaces of their own, and the ways to break them.

Everything happens inside the namespaces: nothing that a test does can be felt outside. Addresses are
those that RFC 5737 sets aside for examples.
"""

import os

from harness.commands import Failure, Skip, run

# Ways to lose a portal. Each is undone by Portal.restore().
FAULTS = ("killed", "blocked", "requests blocked", "answers blocked", "link down")


def namespaces_work():
    """None, or why network namespaces cannot be made here."""
    if os.geteuid() != 0:
        return "network namespaces need root"
    name = f"hawser-{os.getpid()}-try"
    tried = run(["ip", "netns", "add", name], check=False)
    if tried.code != 0:
        return f"network namespaces cannot be made here ({tried.err.strip()})"
    run(["ip", "netns", "delete", name], check=False)
    return None


class Namespace:
    """A host of its own, as far as the network goes."""

    def __init__(self, role):
        self.name = f"hawser-{os.getpid()}-{role}"
        run(["ip", "netns", "add", self.name])
        self.ip("link", "set", "lo", "up")

    # nsenter and not "ip netns exec": the latter makes a mount namespace as well, in which mounts
    # made elsewhere cannot be seen.
    def inside(self, command):
        return ["nsenter", f"--net=/run/netns/{self.name}", *command]

    def run(self, command, **options):
        return run(self.inside(command), **options)

    def ip(self, *words):
        return run(["ip", "-netns", self.name, *words])

    def delete(self):
        run(["ip", "netns", "delete", self.name], check=False)


class Portal:
    """One address of the target, and how to lose it and get it back."""

    def __init__(self, network, address, port, link):
        self.network = network
        self.address = address
        self.port = port
        self.link = link  # interface on the initiator's side; None on loopback
        self.fault = None

    def __str__(self):
        return f"{self.address}:{self.port}"

    def faults(self):
        """What can be done to this portal here."""
        return [fault for fault in FAULTS if fault != "link down" or self.link]

    def lose(self, fault):
        """killed: RST for what is connected, RST for who tries again. blocked: every packet is
        dropped without a word; requests, answers blocked: those of one way only. link down: the
        initiator's own carrier goes."""
        if self.fault:
            raise Failure(f"{self} is {self.fault} already")
        self.fault = fault
        target = self.network.target_side
        if fault == "killed":
            self._rule("in", f"ip daddr {self.address} tcp dport {self.port} reject with tcp reset")
            target.run(["ss", "--kill", "--tcp", "src", f"{self.address}:{self.port}"])
        elif fault in ("blocked", "requests blocked", "answers blocked"):
            if fault != "answers blocked":
                self._rule("in", f"ip daddr {self.address} tcp dport {self.port} drop")
            if fault != "requests blocked":
                self._rule("out", f"ip saddr {self.address} tcp sport {self.port} drop")
        elif fault == "link down":
            self.network.initiator_side.ip("link", "set", self.link, "down")
        else:
            raise Failure(f"no such fault: {fault}")

    def reset_connections(self):
        """RST for what is connected; who tries again gets in."""
        self.network.target_side.run(
            ["ss", "--kill", "--tcp", "src", f"{self.address}:{self.port}"]
        )

    def restore(self):
        if self.fault == "link down":
            self.network.initiator_side.ip("link", "set", self.link, "up")
        elif self.fault:
            self.network.flush_rules()
            others = [p for p in self.network.portals if p is not self and p.fault]
            for portal in others:
                fault, portal.fault = portal.fault, None
                if fault != "link down":
                    portal.lose(fault)
                else:
                    portal.fault = fault
        self.fault = None

    def _rule(self, chain, rule):
        self.network.target_side.run(["nft", "add", "rule", "inet", "hawser", chain, *rule.split()])


class Network:
    """Two hosts, or one host with itself: .initiator_side, .target_side, .portals"""

    def __init__(self):
        why_not = namespaces_work()
        if why_not:
            raise Skip(why_not)
        self.portals = []
        self.initiator_side = self.target_side = None

    def prepare_rules(self):
        rules = """
            table inet hawser {
                chain in { type filter hook input priority 0; }
                chain out { type filter hook output priority 0; }
            }
        """
        made = self.target_side.run(["nft", "-f", "-"], input_text=rules, check=False)
        if made.code != 0:
            raise Skip(f"netfilter does not work here ({made.err.strip().splitlines()[0]})")

    def flush_rules(self):
        self.target_side.run(["nft", "flush", "table", "inet", "hawser"])

    def delete(self):
        for side in {self.initiator_side, self.target_side} - {None}:
            side.delete()


class Links(Network):
    """An initiator and a target with some cables between them."""

    NETS = ("192.0.2", "198.51.100", "203.0.113", "192.0.0")

    def __init__(self, count=2, port=3260):
        super().__init__()
        try:
            self.initiator_side = Namespace("initiator")
            self.target_side = Namespace("target")
            for number, net in enumerate(self.NETS[:count], start=1):
                self._link(number, net)
                self.portals.append(Portal(self, f"{net}.2", port, f"link{number}"))
            self.prepare_rules()
        except BaseException:
            self.delete()
            raise

    def _link(self, number, net):
        ours, theirs = self.initiator_side, self.target_side
        name = f"link{number}"
        ours.ip("link", "add", name, "type", "veth", "peer", "name", name, "netns", theirs.name)
        for side, host in ((ours, 1), (theirs, 2)):
            side.ip("address", "add", f"{net}.{host}/24", "dev", name)
            side.ip("link", "set", name, "up")

    def limit(self, portal, mbit_s):
        """What passes through the portal's cable, each way."""
        for side in (self.initiator_side, self.target_side):
            side.run(["tc", "qdisc", "replace", "dev", portal.link, "root", "tbf",
                      "rate", f"{mbit_s}mbit", "burst", "128kb", "latency", "30ms"])  # fmt: skip


class Loopback(Network):
    """One host with itself: 127.0.0.1 and 127.0.0.2 of a namespace of its own."""

    def __init__(self, port=3260):
        super().__init__()
        try:
            self.initiator_side = self.target_side = Namespace("loopback")
            self.portals = [Portal(self, f"127.0.0.{n}", port, None) for n in (1, 2)]
            self.prepare_rules()
        except BaseException:
            self.delete()
            raise
