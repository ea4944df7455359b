# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""How a function becomes a test case: @case above it, the behaviour as its name."""

CASES = []

# {name: the kernels that have it}
EXPORTERS = {"ublk": ("6.12",), "nbd": ("6.12", "6.1"), "fuse": ("6.12", "6.1")}


class Case:
    def __init__(self, function, limit_s, boots, smoke, kernels, exporter=None, bench=False, expected=()):
        module = function.__module__.removeprefix("test_")
        self.name = f"{module}/{exporter + '_' if exporter else ''}{function.__name__}"
        self.exporter = exporter
        self.bench = bench
        self.expected = expected
        self.function = function
        self.limit_s = limit_s
        self.boots = boots
        self.smoke = smoke
        self.kernels = kernels


def case(limit_s=60, boots=1, smoke=False, kernels=("6.12", "6.1"), bench=False):
    """limit_s: it fails when it takes longer
    boots: it has a machine of its own, and is called once in each boot; guest.boot tells which.
    Everything stays as it was left in between
    smoke: it belongs to the few that run by default, on the first of its kernels
    bench: it measures, and runs only where it is asked for by tests/bench/vm.py"""

    def add(function):
        CASES.append(Case(function, limit_s, boots, smoke, kernels, bench=bench))
        return function

    return add


def exporter_case(limit_s=240, smoke=False, exporters=tuple(EXPORTERS), boots=1, expected=()):
    """A case for each exporter, on the kernels that have it, with its name in front: guest.exporter
    tells which, and hawserd is started with it
    expected: what the kernel may complain of, as machine.py's COMPLAINTS; with boots only"""

    def add(function):
        for name in exporters:
            CASES.append(Case(function, limit_s, boots, smoke, EXPORTERS[name], name, expected=expected))
        return function

    return add
