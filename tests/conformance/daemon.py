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
        self.lines, self.heard = queue.Queue(), threading.Semaphore(0)
        threading.Thread(target=self._read, daemon=True).start()
        self.seen = []
        self.say(script)

    def _read(self):
        for line in self.process.stdout:
            if line == "heard\n":
                self.heard.release()
            else:
                self.lines.put(line.split())

    def say(self, script):
        self.process.stdin.write(script)
        self.process.stdin.flush()
        for _ in script.splitlines():
            assert self.heard.acquire(timeout=30), "the target does not listen"

    def events(self, kind):
        """(seconds of the monotonic clock, bytes of the header) of all so far"""
        if self.process.poll() is None:
            self.say("# what was printed before the answer to this has been read\n")
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
        if self.process.poll() is None:
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


def a_busy_target_is_asked_again(daemon, target):
    """Row 77 (§11.13.5): counted, not timed; unit/daemon/test_retry_plan.c has the pauses"""
    daemon.discover(target.portal)
    before = len(target.events("connected"))
    target.say("on login-response #1-3 : set class=3 detail=1 transit=0 nsg=0\n")
    update(daemon, "node.session.initial_login_retry_max", 8)
    daemon.login(NAME)
    assert len(target.events("connected")) - before == 4
    daemon.logout(NAME)


def a_change_of_its_record_hurries_a_refused_session(daemon, target):
    """Row 77 (§11.13.5): refused for the credentials, it would ask again in five minutes"""
    daemon.discover(target.portal)
    daemon.login(NAME)
    before = len(target.events("connected"))
    target.say("on login-response #1 : set class=2 detail=1 transit=0 nsg=0\ndrop\n")
    target.wait("connected", before + 1, 30)
    wait_for(lambda: "credentials" in daemon.log(), "the refusal is told")
    time.sleep(0.5)
    assert len(target.events("connected")) == before + 1
    update(daemon, "node.session.auth.username", "somebody")
    target.wait("connected", before + 2, 30)
    daemon.wait_for_paths(1)
    daemon.logout(NAME)


def a_target_sent_on_for_now_is_found_again_where_it_was(daemon, target, other):
    """Row 79 (§11.13.5)"""
    daemon.discover(target.portal)
    target.say(f"on login-response #1 : set class=1 detail=1 transit=0 nsg=0 ; key TargetAddress={other.portal}\n")
    daemon.login(NAME)
    assert len(other.events("connected")) == 1
    assert daemon.iscsiadm("-m node").out.split() == [f"{target.portal},1", NAME]
    # what it was sent to is gone: back to where the record says
    before = len(target.events("connected"))
    other.end()
    target.wait("connected", before + 1, 30)
    daemon.wait_for_paths(1)
    daemon.logout(NAME)


def a_target_that_has_moved_for_good_takes_its_record_along(daemon, target, other):
    """Row 79 (§11.13.5)"""
    daemon.discover(target.portal)
    update(daemon, "node.session.cmds_max", 77)
    target.say(f"on login-response #1 : set class=1 detail=2 transit=0 nsg=0 ; key TargetAddress={other.portal}\n")
    daemon.login(NAME)
    there = daemon.iscsiadm("-m node").out.split()
    assert there == [f"{other.portal},1", NAME], there
    assert "node.session.cmds_max = 77" in daemon.iscsiadm(f"-m node -T {NAME} -p {other.portal}").out
    assert "moved" in daemon.log() and other.portal in daemon.log()
    folder = os.path.join(daemon.conf_dir, "nodes", NAME)
    assert os.listdir(folder) == [other.portal.replace(":", ",") + ",1"], os.listdir(folder)
    # from now on nobody asks where it was
    before = len(target.events("connected"))
    daemon.logout(NAME)
    daemon.stop()
    daemon.start()
    daemon.login(NAME)
    assert len(target.events("connected")) == before
    daemon.logout(NAME)


def a_session_that_waits_for_its_move_is_told_the_truth(daemon, target, other):
    """Row 79: the new portal has a record, and a session, of its own: both records stay"""
    for one in (target, other):
        daemon.discover(one.portal)
    daemon.login(NAME, other.portal)
    target.say(f"on login-response : set class=1 detail=2 transit=0 nsg=0 ; key TargetAddress={other.portal}\n")
    daemon.login(NAME, target.portal)
    assert len(daemon.iscsiadm("-m node").out.splitlines()) == 2
    assert "has moved" in daemon.log() and "its record stays" in daemon.log()
    daemon.logout(NAME)


def another_portal_group_than_the_record_says_is_refused(daemon, target):
    """Row 53 (§6.3.1)"""
    daemon.discover(target.portal)
    target.say("on login-response csg=0 : key TargetPortalGroupTag=9\n")
    told = daemon.hawser(f"login {NAME}", check=False)
    assert told.code != 0
    assert "portal group 9" in told.out + told.err, told.out + told.err
    # a record that names no portal group takes any
    daemon.iscsiadm(f"-m node -T {NAME} -p {target.portal} -o delete")
    daemon.iscsiadm(f"-m node -T {NAME} -p {target.portal} -o new")
    daemon.login(NAME)
    daemon.logout(NAME)


def a_connection_lost_without_a_word_is_made_again_at_once(daemon, target):
    """Row 145 (§7.5): DefaultTime2Wait is about tasks that are to be reassigned, and there are none"""
    target.say("want DefaultTime2Wait=3600\n")
    daemon.discover(target.portal)
    daemon.login(NAME)
    before = len(target.events("connected"))
    target.say("drop\n")
    target.wait("connected", before + 1, 60)
    daemon.wait_for_paths(1)
    handles = {bhs[14:16] for bhs in first_logins(target)}
    assert handles == {b"\0\0"}, "a new session, which takes the place of the old one"
    daemon.logout(NAME)


def nothing_hurries_the_pause_that_a_target_asked_for(daemon, target):
    """Row 145 (§7.5.2)"""
    daemon.discover(target.portal)
    daemon.login(NAME)
    connections = len(target.events("connected"))
    told = time.monotonic()
    target.say("send async event=2 parameter2=3\n")
    wait_for(lambda: "lost the connection" in daemon.log(), "the loss is told")
    update(daemon, "node.session.auth.username", "somebody")
    again = target.wait("connected", connections + 1, 30)[connections][0]
    assert again - told >= 2.9, f"it came back after {again - told:.2f} s"
    daemon.wait_for_paths(1)
    daemon.logout(NAME)


def a_target_with_new_addresses_is_asked_for_them(daemon, target):
    """SPC-4 3F/12-14, RFC 7143 appendix C: over the session that there is, and a new portal gets the
    settings of the one that was asked"""
    first, second, third = target.portals
    daemon.discover(first)
    for portal in (second, third):
        daemon.iscsiadm(f"-m node -T {NAME} -p {portal} -o delete")
    update(daemon, "node.session.timeo.replacement_timeout", "77")
    daemon.login(NAME)
    daemon.wait_for_paths(1)
    device = daemon.by_path(NAME, first, 0)
    target.say("on command read=1 #1 : answer 2 6 0x3f 0x12\n")
    read_direct(device, 4096)
    wait_for(lambda: third in daemon.iscsiadm("-m node").out, "no record of the third portal")
    assert second in daemon.iscsiadm("-m node").out
    record = daemon.iscsiadm(f"-m node -T {NAME} -p {third}").out
    assert "node.session.timeo.replacement_timeout = 77" in record
    assert len(daemon.session_ids()) == 1, "node.startup is manual: nobody logged in"
    # by hand, and now with what logs in by itself
    daemon.iscsiadm(f"-m node -T {NAME} -p {third} -o delete")
    daemon.iscsiadm(f"-m node -T {NAME} -p {first} -o update -n node.startup -v automatic")
    told = daemon.hawser(f"rediscover {NAME}").out
    assert told.endswith(f"new portal of {NAME}: {third}\n"), told
    daemon.wait_for_paths(2)
    assert daemon.hawser(f"rediscover {NAME}").out.count(": done\n") == 2, "and nothing new"
    daemon.logout(NAME)


def a_flush_comes_after_what_it_is_for(daemon, target):
    """SBC-3 §4.15.2: what SYNCHRONIZE CACHE finds in the cache it writes, so that it goes last"""
    daemon.discover(target.portal)
    daemon.login(NAME)
    daemon.wait_for_paths(1)
    device = daemon.device(NAME, target.portal, lun=0)
    target.events("command")
    begin = len(target.seen)
    page = mmap.mmap(-1, 65536)
    fd = os.open(device, os.O_WRONLY | os.O_DIRECT)
    for number in range(16):
        os.pwritev(fd, [page], number << 17)
    os.fsync(fd)
    os.close(fd)
    target.events("command")
    seen = [(line[3], bytes.fromhex("".join(line[4:]))) for line in target.seen[begin:] if len(line) > 4]
    writes = {bhs[16:20] for kind, bhs in seen if kind == "command" and bhs[32] in (0x2A, 0x8A)}
    answers = [at for at, (kind, bhs) in enumerate(seen) if kind == "response" and bhs[16:20] in writes]
    flushes = [at for at, (kind, bhs) in enumerate(seen) if kind == "command" and bhs[32] in (0x35, 0x91)]
    assert len(writes) >= 1 and len(answers) >= 16 and flushes, (len(writes), len(answers), len(flushes))
    assert max(answers) < flushes[-1], "the flush was sent before the last write was answered"
    daemon.logout(NAME)


def a_target_that_ends_the_connection_when_asked_is_not_asked_again(daemon, target):
    """tgt does so; its change of addresses would end the session each time"""
    daemon.discover(target.portal)
    daemon.login(NAME)
    daemon.wait_for_paths(1)
    device = daemon.by_path(NAME, target.portal, 0)
    texts = len(target.events("text"))
    target.say("on text : drop\non command read=1 #1 : answer 2 6 0x3f 0x12\n")
    read_direct(device, 4096)
    target.wait("text", texts + 1, 20)
    daemon.wait_for_paths(1)
    wait_for(lambda: "some targets end it" in daemon.log(), "it is told")
    target.say("on command read=1 #1 : answer 2 6 0x3f 0x12\n")
    read_direct(device, 4096)
    wait_for(lambda: daemon.log().count("3f/12") >= 2, "the second attention is told")
    read_direct(device, 4096)
    time.sleep(0.5)
    assert len(target.events("text")) == texts + 1, "it was asked again"
    told = daemon.hawser("rediscover", check=False)
    assert told.code != 0 and "hawser discover ADDRESS" in told.err, told
    daemon.logout(NAME)


def update(daemon, key, value):
    daemon.iscsiadm(f"-m node -T {NAME} -o update -n {key} -v {value}")


def wait_for(holds, what, seconds=30):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def run(build_dir, test, targets, settings=""):
    """settings: what its targets have to know before they listen"""
    if len(sys.argv) > 2 and test.__name__ not in sys.argv[2:]:
        return
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "target")
        with open(file, "w") as out:
            out.write(settings)
        portals = max(1, settings.count("portal "))
        fakes = [Target(build_dir, settings=file, portals=portals) for _ in range(targets)]
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
    run(sys.argv[1], a_busy_target_is_asked_again, 1)
    run(sys.argv[1], a_change_of_its_record_hurries_a_refused_session, 1)
    run(sys.argv[1], a_target_sent_on_for_now_is_found_again_where_it_was, 2)
    run(sys.argv[1], a_target_that_has_moved_for_good_takes_its_record_along, 2)
    run(sys.argv[1], a_session_that_waits_for_its_move_is_told_the_truth, 2)
    run(sys.argv[1], another_portal_group_than_the_record_says_is_refused, 1)
    run(sys.argv[1], a_connection_lost_without_a_word_is_made_again_at_once, 1)
    run(sys.argv[1], nothing_hurries_the_pause_that_a_target_asked_for, 1)
    run(sys.argv[1], a_flush_comes_after_what_it_is_for, 1)
    run(sys.argv[1], a_target_that_ends_the_connection_when_asked_is_not_asked_again, 1)
    run(sys.argv[1], a_target_with_new_addresses_is_asked_for_them, 1, "portal 127.0.0.1\nportal 127.0.0.2\nportal 127.0.0.3\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
