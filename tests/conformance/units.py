# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""units.py BUILD_DIR [TEST…]: a unit that grows or shrinks, seen through one path before the other; and
another unit that takes its place. Two portals, each a target port of its own. Needs root and FUSE."""

import json
import mmap
import os
import re
import signal
import sys
import tempfile
import threading
import time

from daemon import NAME, SKIPPED, Target  # noqa: I001

from harness.daemon import Build, Hawserd

MIB = 1 << 20
BLOCKS = 131072  # what the disk may have; 64 MiB
HALF = BLOCKS // 2
SETTINGS = f"portal 127.0.0.1 0 1\nportal 127.0.0.2 0 2\nunit {BLOCKS} 512\n"
NO_POLL, POLL = {"inventory.poll": "off"}, {"inventory.poll": "300 ms"}
# neither INQUIRY nor REPORT LUNS meets a unit attention (SPC-4 §6.4.1, §6.33)
ATTENTION = "on command cdb!=0x12 cdb!=0xa0 @{} #1 : answer 2 6 {:#x} {:#x}\n"


def wait_for(holds, what, seconds=20):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


class Scene:
    def __init__(self, daemon, target):
        self.daemon, self.target = daemon, target
        for portal in target.portals:
            daemon.discover(portal)
        daemon.login(NAME)
        daemon.wait_for_paths(len(target.portals))
        self.device = os.path.realpath(daemon.by_path(NAME, target.portals[0], 0))

    def map(self):
        maps = self.daemon.rows("map")
        assert len(maps) == 1, maps
        return maps[0]

    def paths(self):
        """of the portals, in order: (state, what is said about it)"""
        rows = json.loads(self.daemon.hawser("paths --json").out)["paths"]
        found = {row["portal"]: (row["state"], row["detail"] or "") for row in rows}
        return [found[portal] for portal in self.target.portals]

    def size(self):
        fd = os.open(self.device, os.O_RDONLY)
        try:
            return os.lseek(fd, 0, os.SEEK_END)
        finally:
            os.close(fd)

    def rescan(self):
        self.daemon.iscsiadm("-m session -R")

    def counts(self):
        """(reads, writes) that the disk got, and the other one"""
        told = len(self.target.seen_counts)
        self.target.process.stdin.write("count\n")
        self.target.process.stdin.flush()
        wait_for(lambda: len(self.target.seen_counts) >= told + 2, "the counts")
        one, other = self.target.seen_counts[-2:]
        assert (one[0], other[0]) == ("unit", "other")
        return one[1:], other[1:]


def access(device, offset, data=None, length=4096):
    """A write past the page cache, or a read: its data. Errors come as OSError."""
    page = mmap.mmap(-1, len(data) if data else length)
    fd = os.open(device, (os.O_WRONLY if data else os.O_RDONLY) | os.O_DIRECT)
    try:
        if data:
            page.write(data)
            assert os.pwritev(fd, [page], offset) == len(data)
            return None
        assert os.preadv(fd, [page], offset) == length
        return page[:]
    finally:
        os.close(fd)


def fails(device, offset):
    try:
        access(device, offset)
    except OSError:
        return True
    return False


def block(number):
    return (b"%08d" % number) * 512


# --- its size


def it_grows_when_both_paths_say_so(daemon, target):
    target.say(f"size {HALF}\n")
    scene = Scene(daemon, target)
    assert scene.size() == 32 * MIB
    target.say(f"size {BLOCKS} 1\\\n" + ATTENTION.format(1, 0x2A, 0x09))
    for number in range(8):  # whichever path takes the first
        access(scene.device, number << 16, block(number))
    wait_for(lambda: "report different sizes" in daemon.log(), "no word of it")
    assert scene.size() == 32 * MIB
    # within the smaller size both carry I/O
    assert daemon.active_paths() == 2, scene.paths()
    assert "until all paths agree" in scene.paths()[0][1], scene.paths()
    for number in range(8):
        assert access(scene.device, number << 16) == block(number)
    target.say(f"size {BLOCKS} 2\\\n" + ATTENTION.format(2, 0x2A, 0x09))
    for number in range(8):
        access(scene.device, number << 16)
    wait_for(lambda: scene.size() == 64 * MIB, "it does not grow")
    wait_for(lambda: "has grown from 32" in daemon.log(), "it does not say so")
    access(scene.device, 60 * MIB, block(60))
    assert access(scene.device, 60 * MIB) == block(60)
    wait_for(lambda: "agree" not in scene.paths()[0][1], "the reason stays")
    daemon.logout(NAME)


def a_rescan_finds_the_new_size_and_waits_for_the_device(daemon, target):
    target.say(f"size {HALF}\n")
    scene = Scene(daemon, target)
    target.say(f"size {BLOCKS}\n")
    scene.rescan()
    assert scene.size() == 64 * MIB
    daemon.logout(NAME)


def polling_finds_the_new_size(daemon, target):
    target.say(f"size {HALF}\n")
    scene = Scene(daemon, target)
    target.say(f"size {BLOCKS}\n")
    wait_for(lambda: scene.size() == 64 * MIB, "it does not grow")
    daemon.logout(NAME)


def a_path_with_too_few_blocks_waits(daemon, target):
    """It comes back with the size of before, as a controller may that has not heard of it"""
    scene = Scene(daemon, target)
    target.say(f"size {HALF} 2\n")
    scene.rescan()
    wait_for(lambda: daemon.active_paths() == 1, "both paths are used")
    assert scene.paths()[1][0] == "verify", scene.paths()
    assert "it reports 32" in scene.paths()[1][1], scene.paths()
    assert scene.size() == 64 * MIB
    for number in range(8):
        access(scene.device, (40 + number) * MIB, block(number))
        assert access(scene.device, (40 + number) * MIB) == block(number)
    target.say(f"size {BLOCKS} 2\n")
    wait_for(lambda: daemon.active_paths() == 2, "it does not come back")
    daemon.logout(NAME)


def it_shrinks_only_while_nobody_uses_it(daemon, target):
    scene = Scene(daemon, target)
    user = os.open(scene.device, os.O_RDONLY)
    target.say(f"size {HALF}\n")
    scene.rescan()
    wait_for(lambda: "keeps its size because it is in use" in daemon.log(), "no word of it")
    assert scene.size() == 64 * MIB
    wait_for(lambda: daemon.active_paths() == 2, "within the end both paths carry I/O")
    access(scene.device, 4 * MIB, block(4))
    assert access(scene.device, 4 * MIB) == block(4)
    assert fails(scene.device, 48 * MIB)
    wait_for(lambda: daemon.active_paths() == 2, "the paths after that")
    os.close(user)
    time.sleep(0.2)
    scene.rescan()
    wait_for(lambda: scene.size() == 32 * MIB, "it does not shrink")
    assert access(scene.device, 4 * MIB) == block(4)
    assert "has shrunk from 64" in daemon.log()
    daemon.logout(NAME)


def another_block_size_is_no_path(daemon, target):
    scene = Scene(daemon, target)
    target.say("block-size 4096 1\n")
    scene.rescan()
    wait_for(lambda: scene.paths()[0][0] == "quarantined", "it is used")
    for number in range(8):
        access(scene.device, number << 16, block(number))
        assert access(scene.device, number << 16) == block(number)
    daemon.logout(NAME)


def it_grows_while_no_daemon_is_there(daemon, target):
    target.say(f"size {HALF}\n")
    scene = Scene(daemon, target)
    access(scene.device, 4 * MIB, block(4))
    daemon.crash()
    target.say(f"size {BLOCKS}\n")
    daemon.start()
    wait_for(lambda: daemon.active_paths() == 2, "the paths")
    wait_for(lambda: scene.size() == 64 * MIB, "it does not grow")
    assert access(scene.device, 4 * MIB) == block(4)
    access(scene.device, 60 * MIB, block(60))
    # and the next one knows of it
    daemon.crash()
    daemon.start()
    wait_for(lambda: daemon.active_paths() == 2, "the paths")
    assert scene.size() == 64 * MIB
    assert access(scene.device, 60 * MIB) == block(60)
    daemon.logout(NAME)


# --- another unit in its place


def nothing_reaches_another_unit_after_a_new_session(daemon, target):
    scene = Scene(daemon, target)
    for number in range(16):
        access(scene.device, number << 16, block(number))
    target.say("swap 1 1\ndrop\n")  # both sessions; the disk is behind the second only
    for number in range(16):
        access(scene.device, number << 16, block(number + 1))
        assert access(scene.device, number << 16) == block(number + 1)
    wait_for(lambda: scene.paths()[0][0] == "quarantined", "it is used")
    for number in range(64):
        access(scene.device, number << 16, block(number))
    assert scene.counts()[1] == (0, 0), scene.counts()
    daemon.logout(NAME)


def a_login_after_a_swap_is_another_device(daemon, target):
    scene = Scene(daemon, target)
    before = scene.map()["name"]
    access(scene.device, 0, block(1))
    daemon.logout(NAME)
    target.say("swap 1\n")
    reads = scene.counts()[0]
    daemon.login(NAME)
    daemon.wait_for_paths(2)
    assert scene.map()["name"] != before
    assert scene.counts()[0] == reads, "the disk that is gone was asked"
    assert access(daemon.by_path(NAME, target.portals[0], 0), 0) == bytes(4096)
    daemon.logout(NAME)


def swap_with_attention(scene, asc, ascq):
    target, device = scene.target, scene.device
    for number in range(16):
        access(device, number << 16, block(number))
    target.say("swap 1 1\\\n" + ATTENTION.format(1, asc, ascq))
    for number in range(64):
        access(device, number << 16, block(number + 7))
        assert access(device, number << 16) == block(number + 7)
    wait_for(lambda: scene.paths()[0][0] == "quarantined", "it is used")
    assert scene.counts()[1] == (0, 0), scene.counts()


def after_3f_0e_nothing_reaches_another_unit(daemon, target):
    swap_with_attention(Scene(daemon, target), 0x3F, 0x0E)
    daemon.logout(NAME)


def after_3f_03_nothing_reaches_another_unit(daemon, target):
    swap_with_attention(Scene(daemon, target), 0x3F, 0x03)
    daemon.logout(NAME)


def after_29_00_nothing_reaches_another_unit(daemon, target):
    swap_with_attention(Scene(daemon, target), 0x29, 0x00)
    daemon.logout(NAME)


def an_attention_that_polling_meets_counts_as_well(daemon, target):
    """The short look at each unit is the first command behind the swap: I/O waits for none"""
    scene = Scene(daemon, target)
    target.say("swap 1 1\\\n" + ATTENTION.format(1, 0x3F, 0x0E))
    wait_for(lambda: scene.paths()[0][0] == "quarantined", "it is used")
    for number in range(16):
        access(scene.device, number << 16, block(number))
    assert scene.counts()[1] == (0, 0), scene.counts()
    daemon.logout(NAME)


def what_is_right_behind_an_attention_is_done_again(daemon, target):
    """At depth 16 commands are on the wire when the first of them meets it: the target carries them out,
    wherever; but nobody is told so, and they are done again on the disk."""
    scene = Scene(daemon, target)
    stop, bad, rounds = threading.Event(), [], [0] * 16

    def work(lane):
        written = None
        while not stop.is_set():
            rounds[lane] += 1
            try:
                if written is not None and access(scene.device, lane << 16) != block(written):
                    bad.append((lane, "read of another unit's data"))
                written = rounds[lane] * 16 + lane
                access(scene.device, lane << 16, block(written))
            except (OSError, AssertionError) as error:
                bad.append((lane, error))
                return

    workers = [threading.Thread(target=work, args=(lane,)) for lane in range(16)]
    for worker in workers:
        worker.start()
    time.sleep(0.5)
    target.say("swap 1 1\\\n" + ATTENTION.format(1, 0x3F, 0x0E))
    wait_for(lambda: scene.paths()[0][0] == "quarantined", "it is used")
    before = scene.counts()[1]
    time.sleep(0.5)
    assert scene.counts()[1] == before, "it goes on"
    stop.set()
    for worker in workers:
        worker.join(30)
    assert not bad, bad
    for lane in range(16):
        assert access(scene.device, lane << 16) == block(rounds[lane] * 16 + lane), lane
    daemon.logout(NAME)


def without_a_word_it_is_noticed_by_the_next_poll(daemon, target):
    """The honest limit: until then nobody can know"""
    scene = Scene(daemon, target)
    access(scene.device, 0, block(1))
    target.say("swap 1 1\n")
    swapped = time.monotonic()
    wait_for(lambda: scene.paths()[0][0] == "quarantined", "it is used")
    assert time.monotonic() - swapped < 5, "that took long"
    before = scene.counts()[1]
    for number in range(64):
        access(scene.device, number << 16, block(number))
    assert scene.counts()[1] == before
    daemon.logout(NAME)


TESTS = (
    (it_grows_when_both_paths_say_so, NO_POLL),
    (a_rescan_finds_the_new_size_and_waits_for_the_device, NO_POLL),
    (polling_finds_the_new_size, POLL),
    (a_path_with_too_few_blocks_waits, POLL),
    (it_shrinks_only_while_nobody_uses_it, NO_POLL),
    (another_block_size_is_no_path, NO_POLL),
    (it_grows_while_no_daemon_is_there, NO_POLL),
    (nothing_reaches_another_unit_after_a_new_session, NO_POLL),
    (a_login_after_a_swap_is_another_device, NO_POLL),
    (after_3f_0e_nothing_reaches_another_unit, NO_POLL),
    (after_3f_03_nothing_reaches_another_unit, NO_POLL),
    (after_29_00_nothing_reaches_another_unit, NO_POLL),
    (an_attention_that_polling_meets_counts_as_well, POLL),
    (what_is_right_behind_an_attention_is_done_again, NO_POLL),
    (without_a_word_it_is_noticed_by_the_next_poll, POLL),
)


class CountingTarget(Target):
    """Its answers to "count" stand among its events."""

    def _read(self):
        self.seen_counts = []
        for line in self.process.stdout:
            counts = re.match(r"(unit|other) reads (\d+) writes (\d+)$", line)
            if counts:
                self.seen_counts.append((counts[1], int(counts[2]), int(counts[3])))
            elif line == "heard\n":
                self.heard.release()


def run(build_dir, test, settings):
    if len(sys.argv) > 2 and test.__name__ not in sys.argv[2:]:
        return
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "fake_target.script")
        with open(script, "w", encoding="ascii") as file:
            file.write(SETTINGS)
        target = CountingTarget(build_dir, settings=script, portals=2)
        daemon = Hawserd(Build(build_dir), folder, settings=settings)
        try:
            daemon.start()
            test(daemon, target)
            daemon.stop()
        except Exception:
            print(daemon.log()[-6000:])
            raise
        finally:
            daemon.clean_up()
            target.end()
        assert not daemon.sanitizer_reports(), daemon.sanitizer_reports()
    print(f"{test.__name__}: good", flush=True)


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse") or not os.path.exists("/dev/loop-control"):
        print("needs root, FUSE and loop devices")
        return SKIPPED
    for test, settings in TESTS:
        run(sys.argv[1], test, settings)
    return 0


if __name__ == "__main__":
    sys.exit(main())
