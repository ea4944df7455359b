# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""daemon.py BUILD_DIR: rows of docs/CONFORMANCE.md that only hawserd itself can show, against the
fake target. Needs root and FUSE, as it makes a block device."""

import mmap
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))

from harness.daemon import Build, Hawserd  # noqa: E402

NAME = "iqn.2026-01.org.example:fake"
SKIPPED = 77  # meson's


class Target:
    """The program, with -v: what it saw comes line by line."""

    def __init__(self, build_dir, script="", settings=None, portals=1):
        """settings: a file with what has to be known before it listens"""
        command = [os.path.join(build_dir, "tests/fakes/fake_target"), "-v"]
        self.process = subprocess.Popen(
            command + ([settings] if settings else []),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        lines = [self.process.stdout.readline() for _ in range(portals)]
        self.portals = [re.match(r"portal (127\.0\.0\.\d+:\d+),\d+$", line)[1] for line in lines]
        self.portal = self.portals[0]
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.seen = []
        self.say(script)

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.split())

    def say(self, script):
        self.process.stdin.write(script)
        self.process.stdin.flush()

    def events(self, kind):
        """(seconds of the monotonic clock, bytes of the header) of all so far"""
        while not self.lines.empty():
            self.seen.append(self.lines.get())
        return [
            (float(line[0]), bytes.fromhex("".join(line[4:]))) for line in self.seen if line[3] == kind
        ]

    def wait(self, kind, count, seconds):
        end = time.monotonic() + seconds
        while len(self.events(kind)) < count:
            assert time.monotonic() < end, f"the target never saw {count} times {kind}"
            time.sleep(0.02)
        return self.events(kind)

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=30)


def first_logins(target):
    """The first request of every connection that began a normal session: its header"""
    return [bhs for _, bhs in target.events("login") if bhs[1] & 0x0C == 0 or bhs[1] & 0x0F == 0x07]


def the_new_login_waits_as_long_as_the_target_said(daemon, target):
    """Rows 145 (§7.5, §11.9.1), 146 (§6.3.5)"""
    daemon.discover(target.portal)
    daemon.login(NAME)
    connections = len(target.events("connected"))
    told = time.monotonic()
    target.say("send async event=3 parameter2=3\n")
    again = target.wait("connected", connections + 1, 20)[connections][0]
    assert again - told >= 2.9, f"it came back after {again - told:.2f} s"
    daemon.wait_for_paths(1)
    isids = {bhs[8:14] for bhs in first_logins(target)}
    handles = {bhs[14:16] for bhs in first_logins(target)}
    assert len(isids) <= 2, "one ISID for the session, and at most one for discovery"
    assert handles == {b"\0\0"}, "TSIH 0 in every login"
    daemon.logout(NAME)


def the_isid_outlives_a_restart(daemon, target):
    """Row 56 (§10.1.1)"""
    daemon.discover(target.portal)
    daemon.login(NAME)
    before = first_logins(target)[-1][8:14]
    daemon.logout(NAME)
    daemon.stop()
    daemon.start()
    daemon.login(NAME)
    assert first_logins(target)[-1][8:14] == before
    daemon.logout(NAME)


def a_circle_of_redirects_ends(daemon, target, other):
    """Row 79 (§11.13.5)"""
    daemon.discover(target.portal)
    for one, two in ((target, other), (other, target)):
        one.say(f"on login-response : set class=1 detail=1 transit=0 nsg=0 ; key TargetAddress={two.portal}\n")
    time.sleep(0.2)
    before = len(target.events("connected"))
    result = daemon.iscsiadm(f"-m node -T {NAME} -p {target.portal} -l", check=False)
    assert result.code != 0
    time.sleep(0.3)
    assert 1 <= len(target.events("connected")) - before <= 20
    assert 1 <= len(other.events("connected")) <= 20


def a_refusal_for_good_is_not_asked_again(daemon, target):
    """Row 77 (§11.13.5)"""
    daemon.discover(target.portal)
    before = len(target.events("connected"))
    target.say("on login-response : set class=2 detail=2 transit=0 nsg=0\n")
    time.sleep(0.2)
    result = daemon.iscsiadm(f"-m node -T {NAME} -p {target.portal} -l", check=False)
    assert result.code != 0
    time.sleep(2)
    assert len(target.events("connected")) - before == 1


def a_reset_ends_what_hangs_and_it_is_sent_again(daemon, target):
    """Rows 134, 139 (§11.5, §4.2.3.3): no data is lost and nothing fails"""
    daemon.discover(target.portal)
    daemon.login(NAME)
    daemon.wait_for_paths(1)
    device = daemon.by_path(NAME, target.portal, 0)
    name = daemon.rows("map")[0]["name"].split()[-1]
    writes = len(target.events("command"))
    # the first write of this pattern is never answered; the one after the reset is
    target.say("on command write=1 #1 : ignore\n")
    time.sleep(0.2)
    data = os.urandom(65536)
    result = []
    writer = threading.Thread(target=lambda: result.append(write_direct(device, data)))
    writer.start()
    end = time.monotonic() + 20
    while not any(bhs[32] in (0x2A, 0x8A) for _, bhs in target.events("command")[writes:]):
        assert time.monotonic() < end, "no write came"
        time.sleep(0.02)
    daemon.hawser(f"reset {name}")
    writer.join(30)
    assert result == [len(data)], result
    assert read_direct(device, len(data)) == data
    resets = [bhs for _, bhs in target.events("task-management")]
    assert [bhs[1] & 0x7F for bhs in resets] == [5], resets
    assert resets[0][20:24] == b"\xff\xff\xff\xff"
    assert len(target.events("connected")) == 2, "discovery and one session, which stayed"
    result = daemon.hawser(f"reset {NAME} session", check=False)
    assert result.code == 27 and "iSCSIProtocolLevel" in result.err, result
    # after a cold reset everybody comes back
    daemon.hawser(f"reset {NAME} target-cold --force")
    target.wait("connected", 3, 20)
    daemon.wait_for_paths(1)
    assert read_direct(device, len(data)) == data
    daemon.logout(NAME)


def write_direct(device, data):
    memory = mmap.mmap(-1, len(data))
    memory.write(data)
    fd = os.open(device, os.O_WRONLY | os.O_DIRECT)
    try:
        return os.pwrite(fd, memory, 0)
    finally:
        os.close(fd)


def read_direct(device, length):
    memory = mmap.mmap(-1, length)
    fd = os.open(device, os.O_RDONLY | os.O_DIRECT)
    try:
        assert os.preadv(fd, [memory], 0) == length
        return memory[:]
    finally:
        os.close(fd)


def damaged_data_costs_no_session_at_level_1(daemon, target):
    """Rows 149, 151 (§7.8, §7.1.5): level 2 is asked for, 1 is offered, and both are said once"""
    target.say("want ErrorRecoveryLevel=2\ndata-in-bytes 4096\n")
    daemon.discover(target.portal)
    for key, value in (("session.iscsi.ERL", "2"), ("conn[0].iscsi.DataDigest", "CRC32C")):
        daemon.iscsiadm(f"-m node -T {NAME} -p {target.portal} -o update -n node.{key} -v {value}")
    daemon.login(NAME)
    device = daemon.device(NAME, target.portal, lun=0)
    connections = len(target.events("connected"))
    target.say("on data-in data_sn=3 #1-4 : corrupt data\non response #20 : discard\n")
    written = os.urandom(1 << 20)
    with open(device, "r+b", buffering=0) as disk:
        disk.write(written)
        os.fsync(disk.fileno())
        os.posix_fadvise(disk.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        disk.seek(0)
        assert disk.read(len(written)) == written
    assert len(target.events("snack")) >= 4
    assert len(target.events("connected")) == connections
    assert "digest_err: 4" in daemon.iscsiadm("-m session -s").out
    log = daemon.log()
    assert log.count("node.session.iscsi.ERL = 2 is offered as 1") == 1
    assert log.count("comes damaged") == 1 and target.portal in log
    assert "lost the connection" not in log
    daemon.logout(NAME)


def run(build_dir, test, targets):
    with tempfile.TemporaryDirectory() as folder:
        fakes = [Target(build_dir) for _ in range(targets)]
        daemon = Hawserd(Build(build_dir), folder)
        try:
            daemon.start()
            test(daemon, *fakes)
        except Exception:
            print(daemon.log()[-3000:])
            raise
        finally:
            daemon.clean_up()
            for fake in fakes:
                fake.end()
        assert not daemon.sanitizer_reports(), daemon.sanitizer_reports()
    print(f"{test.__name__}: good")


def main():
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse") or not os.path.exists("/dev/loop-control"):
        print("needs root, FUSE and loop devices")
        return SKIPPED
    run(sys.argv[1], the_new_login_waits_as_long_as_the_target_said, 1)
    run(sys.argv[1], the_isid_outlives_a_restart, 1)
    run(sys.argv[1], a_circle_of_redirects_ends, 2)
    run(sys.argv[1], a_refusal_for_good_is_not_asked_again, 1)
    run(sys.argv[1], a_reset_ends_what_hangs_and_it_is_sent_again, 1)
    run(sys.argv[1], damaged_data_costs_no_session_at_level_1, 1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
