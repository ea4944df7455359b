# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""What runs inside a test machine.

    cases      how a function becomes a test case
    agent      runs the cases that the host asks for, and tells it how they ended
    guest      what cases do with the machine: units, journal, our commands, devices
    lio        a target by the kernel's own LIO
    network    two cables to a network of its own, in which the targets live
"""
