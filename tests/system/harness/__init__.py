# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""What the system tests, the demo and the benchmarks are built from.

    commands    run a program, keep a program running, end it by its process id
    network     a network of one's own: two hosts with two cables, and the ways to break them
    journal     a journal of one's own
    relay       a long way to a portal
    target      a real iSCSI target (Debian's tgt) with disks and accounts
    daemon      hawserd from the build directory, with folders of its own, and its two commands
    load        file systems, fio, and a meter for the longest pause
    lab         one test's workshop: makes all of the above and takes everything away again
    leftovers   what is there before and after; the difference must be nothing
"""
