# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""ghost.py BUILD_DIR: a write that the target has, does not answer, and carries out after the host
has written the same blocks through another portal. Each portal is a group of its own, so that only
the lost one could fence it. tests/unit/multipath/test_ghost.c walks all orders of such events; this is
the same once more with hawserd, TCP and a block device. Needs root and FUSE."""

import json
import mmap
import os
import sys
import tempfile
import threading
import time

from daemon import NAME, SKIPPED, Target  # noqa: I001

from harness.daemon import Build, Hawserd

PORTALS = "portal 127.0.0.1 0 1\nportal 127.0.0.2 0 2\n"
OFFSET = 1 << 20
LENGTH = 4096
OLD, NEW = b"\xaa", b"\xbb"
WRITE_16 = 0x8A
REFUSED_LOGINS = 40  # at 300 ms each, longer than everything before the relogin takes


class Write(threading.Thread):
    """One write past the page cache; it ends when the device has acknowledged it."""

    def __init__(self, device, byte):
        super().__init__(daemon=True)
        self.device, self.byte, self.error = device, byte, None
        self.start()

    def run(self):
        page = mmap.mmap(-1, LENGTH)
        page.write(self.byte * LENGTH)
        try:
            disk = os.open(self.device, os.O_WRONLY | os.O_DIRECT)
            os.pwritev(disk, [page], OFFSET)
            os.close(disk)
        except OSError as error:
            self.error = error

    def ends(self, seconds):
        self.join(seconds)
        assert self.error is None, self.error
        return not self.is_alive()


def read(device):
    page = mmap.mmap(-1, LENGTH)
    disk = os.open(device, os.O_RDONLY | os.O_DIRECT)
    os.preadv(disk, [page], OFFSET)
    os.close(disk)
    return page[:1]


def the_map(daemon):
    return json.loads(daemon.hawser("maps --json").out)["maps"][0]


def writes_seen(target):
    return [bhs for _, bhs in target.events("command") if bhs[32] == WRITE_16]


def lose_a_write(target, device):
    """W1: the target has it, answers nothing more on that connection, and lets nobody in again."""
    target.say(f"on login #1-{REFUSED_LOGINS} : drop\non command cdb=0x8a #1 : strand\n")
    time.sleep(0.1)
    first = Write(device, OLD)
    end = time.monotonic() + 10
    while not writes_seen(target):
        assert time.monotonic() < end, "the target never saw the write"
        time.sleep(0.02)
    return first


def release(target):
    """Its copy is carried out now."""
    target.say("release\n")
    time.sleep(0.2)


def exclusive(daemon, target, device):
    first = lose_a_write(target, device)
    assert first.ends(20), "the write goes on through the other portal"
    second = Write(device, NEW)
    assert not second.ends(1), "a later write to its blocks is held"
    shown = the_map(daemon)
    assert shown["integrity"] == "exclusive" and shown["fence_quality"] == "standard", shown
    assert shown["guarded_bytes"] == LENGTH and shown["held"] == 1, shown
    release(target)
    assert second.ends(40), "until the lost session was fenced"
    assert read(device) == NEW
    shown = the_map(daemon)
    assert shown["guarded_bytes"] == 0 and shown["guards_expired"] == 0, shown
    assert shown["longest_guard_ms"] > 1000, shown


def shared(daemon, target, device):
    first = lose_a_write(target, device)
    assert not first.ends(2), "nobody is told of the write"
    assert the_map(daemon)["in_doubt"] == 1
    release(target)
    assert first.ends(40), "until the lost session was fenced"
    second = Write(device, NEW)
    assert second.ends(20)
    assert read(device) == NEW


def legacy(daemon, target, device):
    """This is what the others are for: without it, they could not fail."""
    first = lose_a_write(target, device)
    assert first.ends(20)
    second = Write(device, NEW)
    assert second.ends(20)
    assert read(device) == NEW
    release(target)
    assert read(device) == OLD, "the ghost should have destroyed newer data"


def run(build_dir, integrity):
    with tempfile.TemporaryDirectory() as folder:
        settings = os.path.join(folder, "portals")
        with open(settings, "w", encoding="ascii") as file:
            file.write(PORTALS)
        target = Target(build_dir, settings=settings, portals=2)
        daemon = Hawserd(
            Build(build_dir), folder,
            settings={
                "multipath.integrity": integrity.__name__,
                "reconnect.min": "300 ms", "reconnect.max": "300 ms",
            },
        )  # fmt: skip
        try:
            daemon.start()
            daemon.discover(target.portal)
            daemon.login(NAME)
            daemon.wait_for_paths(2)
            integrity(daemon, target, the_map(daemon)["device"])
            daemon.wait_for_paths(2)
            daemon.logout(NAME)
        except Exception:
            print(daemon.log())
            raise
        finally:
            daemon.clean_up()
            target.end()
        assert not daemon.sanitizer_reports(), daemon.sanitizer_reports()
    print(f"{integrity.__name__}: good")


def main():
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse") or not os.path.exists("/dev/loop-control"):
        print("needs root, FUSE and loop devices")
        return SKIPPED
    for integrity in (exclusive, shared, legacy):
        run(sys.argv[1], integrity)
    return 0


if __name__ == "__main__":
    sys.exit(main())
