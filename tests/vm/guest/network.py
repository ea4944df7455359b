# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Two cables between this machine and a network namespace in which the targets' portals are."""

import os
import subprocess
import sys

NAMESPACE = "storage"
# name of our end: (our address, the target's)
CABLES = {"san0": ("192.0.2.1", "192.0.2.2"), "san1": ("198.51.100.1", "198.51.100.2")}
PORTALS = [target for _, target in CABLES.values()]


def _ip(*words, namespace=None):
    subprocess.run(["ip", *(["-n", namespace] if namespace else []), *words], check=True)


def up():
    if not os.path.exists(f"/run/netns/{NAMESPACE}"):
        _ip("netns", "add", NAMESPACE)
        _ip("link", "set", "lo", "up", namespace=NAMESPACE)
    for name, (ours, theirs) in CABLES.items():
        _ip("link", "add", name, "type", "veth", "peer", "name", name, "netns", NAMESPACE)
        _ip("address", "add", f"{ours}/24", "dev", name)
        _ip("address", "add", f"{theirs}/24", "dev", name, namespace=NAMESPACE)
        _ip("link", "set", name, "up")
        _ip("link", "set", name, "up", namespace=NAMESPACE)


def down():
    for name in CABLES:
        _ip("link", "delete", name)


def cut(name):
    """The far end loses its link, so that ours loses its carrier."""
    _ip("link", "set", name, "down", namespace=NAMESPACE)


def mend(name):
    _ip("link", "set", name, "up", namespace=NAMESPACE)


if __name__ == "__main__":
    {"up": up, "down": down}[sys.argv[1]]()
