#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""The arrows between rooms, and no circles between modules.

Prints every include that climbs the house, and every circle of modules. A module is a .c file with
its .h; x_internal.h and x_private.h belong to module x. Prints nothing and exits 0 when the house
stands.

usage: rooms.py [ROOT]
"""

import glob
import os
import re
import sys

# room: the rooms it may include, beside itself
BELOW = {
    "util": set(),
    "scsi": {"util"},
    "iscsi": {"util", "scsi"},
    "multipath": {"util", "scsi"},
    "block": {"util", "scsi", "multipath"},
    "daemon": {"util", "scsi", "iscsi", "multipath", "block"},
    "dbus": {"util", "scsi", "iscsi", "multipath", "block", "daemon"},
    "cli": {"util"},
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)


def room_of(path):
    return path.split("/")[0]


def module_of(path):
    return re.sub("_(internal|private)$", "", os.path.splitext(path)[0])


def read_includes(root):
    """{file: [path included, from the root]}; a bare name means the file's own folder"""
    includes = {}
    for room in BELOW:
        for path in glob.glob(f"{root}/{room}/**/*.[ch]", recursive=True):
            name = os.path.relpath(path, root)
            with open(path, encoding="utf-8") as file:
                found = INCLUDE.findall(file.read())
            folder = os.path.dirname(name)
            includes[name] = [each if "/" in each else f"{folder}/{each}" for each in found]
    return includes


def climbs(includes):
    problems = []
    for name in sorted(includes):
        for target in includes[name]:
            here, there = room_of(name), room_of(target)
            if there not in BELOW:
                problems.append(f"{name} includes {target}, which is in no room")
            elif there != here and there not in BELOW[here]:
                problems.append(f"{name} includes {target}: {here} may not use {there}")
    return problems


def circles(includes):
    """Strongly connected components of more than one module (Tarjan's algorithm)."""
    graph = {}
    for name, targets in includes.items():
        here = module_of(name)
        graph.setdefault(here, set()).update(module_of(t) for t in targets if module_of(t) != here)
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = []
            while not component or component[-1] != node:
                component.append(stack.pop())
            if len(component) > 1:
                found.append(sorted(component))

    sys.setrecursionlimit(10000)
    for node in sorted(graph):
        if node not in index:
            visit(node)
    return [f"a circle of modules: {' '.join(component)}" for component in sorted(found)]


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.dirname(here))
    includes = read_includes(root)
    problems = climbs(includes) + circles(includes)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
