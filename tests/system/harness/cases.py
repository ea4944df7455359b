# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""How a function becomes a test case: @case above it, the behaviour as its name."""

CASES = []


class Case:
    def __init__(self, function, limit_s, sanitized):
        module = function.__module__.removeprefix("test_")
        self.name = f"{module}/{function.__name__}"
        self.function = function
        self.limit_s = limit_s
        self.sanitized = sanitized


def case(limit_s=60, sanitized=False):
    """limit_s: it fails when it takes longer (more is allowed under a sanitizer)
    sanitized: it belongs to the subset that also runs against the sanitizer builds"""

    def add(function):
        CASES.append(Case(function, limit_s, sanitized))
        return function

    return add
