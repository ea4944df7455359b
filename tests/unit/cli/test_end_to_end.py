#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""hawser and iscsiadm as a user types them, over a real socket, against a daemon that pretends.

    test_end_to_end.py HAWSER ISCSIADM FAKE_HAWSERD [CASE …]

Each case has a daemon of its own: 2 nodes of one target, a session each, 1 map over both.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback

TARGET = "iqn.2026-01.org.example:disks"
FIRST, SECOND = "192.0.2.11", "192.0.2.12"
CASES = []


def case(function):
    CASES.append(function)
    return function


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def __str__(self):
        return f"exit {self.code}\nstdout:\n{self.out}stderr:\n{self.err}"


class Lab:
    def __init__(self, hawser, iscsiadm, fake_hawserd, folder):
        self.programs = {"hawser": hawser, "iscsiadm": iscsiadm}
        self.fake_hawserd = fake_hawserd
        self.folder = folder
        self.daemon = None
        # no bus of the machine's, and no locale of the user's
        self.environment = {
            **os.environ,
            "HAWSER_RUN_DIR": folder,
            "LC_ALL": "C.UTF-8",
            "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={folder}/no-system-bus",
        }

    def start(self, *options):
        self.daemon = subprocess.Popen(
            [self.fake_hawserd, "--run-dir", self.folder, *options],
            env=self.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while not os.path.exists(f"{self.folder}/bus"):
            assert self.daemon.poll() is None, "the fake daemon ended"
            assert time.monotonic() < deadline, "the fake daemon does not listen"
            time.sleep(0.01)

    def stop(self):
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait(60)
            self.daemon = None

    def start_program(self, name, *words):
        return subprocess.Popen(
            [self.programs[name], *words], env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, name, words, stdin=""):
        words = words.split() if isinstance(words, str) else words
        done = subprocess.run(
            [self.programs[name], *words], env=self.environment, input=stdin,
            capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        return Result(done.returncode, done.stdout, done.stderr)

    def iscsiadm(self, words, code=0, out=None, err=None, stdin=""):
        """Runs it and compares; nothing on standard error when the exit status is 0."""
        result = self.run("iscsiadm", words, stdin)
        assert result.code == code, f"iscsiadm {words}: {result}"
        if code == 0 or err is not None:
            assert result.err == (err or ""), f"iscsiadm {words}: {result}"
        if out is not None:
            assert result.out == out, f"iscsiadm {words}: {result}"
        return result

    def hawser(self, words, code=0, stdin=""):
        result = self.run("hawser", words, stdin)
        assert result.code == code, f"hawser {words}: {result}"
        assert code != 0 or result.err == "", f"hawser {words}: {result}"
        return result

    def record(self, address=FIRST):
        text = self.iscsiadm(f"-m node -T {TARGET} -p {address}").out
        lines = text.splitlines()
        assert lines[0].startswith("# BEGIN RECORD ") and lines[-1] == "# END RECORD"
        return dict(line.split(" = ", 1) for line in lines[1:-1])


def session_line(word, sid, address, tail=""):
    return f"{word} [sid: {sid}, target: {TARGET}, portal: {address},3260]{tail}\n"


def login_line(address):
    portal = f"iface: default, target: {TARGET}, portal: {address},3260"
    return f"Login to [{portal}] successful.\n"


# ---- without a daemon


@case
def without_a_daemon_both_say_so_and_end_with_20(lab):
    lab.iscsiadm(
        "-m session", 20, "",
        "iscsiadm: hawserd is not running and could not be started; "
        "see 'systemctl status hawserd.service'\n"
        "iscsiadm: can not connect to iSCSI daemon (111)!\n",
    )  # fmt: skip
    result = lab.hawser("status", 20)
    assert "hawserd is not running" in result.err and "systemctl start" in result.err, result


@case
def a_socket_nobody_listens_at_is_no_daemon_either(lab):
    lab.start()
    lab.daemon.send_signal(signal.SIGKILL)
    lab.daemon.wait(60)
    lab.daemon = None
    assert os.path.exists(f"{lab.folder}/bus")
    lab.iscsiadm("-m node", 20)


@case
def getopt_complains_in_its_own_words(lab):
    name = lab.programs["iscsiadm"]
    tail = "mode: option '-{}' is not allowed/supported\n"
    lab.iscsiadm(
        "-m node -Z", 7, "",
        f"{name}: invalid option -- 'Z'\niscsiadm: node " + tail.format("Z"),
    )  # fmt: skip
    lab.iscsiadm(
        "-Z", 7, "", f"{name}: invalid option -- 'Z'\niscsiadm: unrecognized character 'Z'\n"
    )
    lab.iscsiadm(
        "-m node --zzz", 7, "",
        f"{name}: unrecognized option '--zzz'\niscsiadm: node " + tail.format("?"),
    )  # fmt: skip
    result = lab.iscsiadm("-m node --log", 7)
    assert "is ambiguous" in result.err, result
    result = lab.iscsiadm("-m node -p", 7)
    assert "option requires an argument -- 'p'" in result.err, result


@case
def help_and_version_need_no_daemon(lab):
    assert lab.iscsiadm("-V").out.startswith("iscsiadm version ")
    assert lab.iscsiadm("--version -m node").out.startswith("iscsiadm version ")
    assert len(lab.iscsiadm("-h").out.splitlines()) == 8
    assert lab.hawser("version").out.startswith("hawser ")
    assert "status" in lab.hawser("help").out
    assert "--watch" in lab.hawser("help status").out
    assert lab.hawser("status --help").out == lab.hawser("help status").out
    assert lab.hawser("explain 24").out.startswith("24 AuthenticationFailed\n")
    assert lab.hawser("explain nonsense", 7)
    assert lab.hawser("frobnicate", 7)


@case
def what_needs_no_daemon_works_without(lab):
    lab.iscsiadm("-m host", 21, "", "iscsiadm: No iSCSI hosts.\n")
    assert "iface.transport_name = tcp\n" in lab.iscsiadm("-m iface -I default -o show").out


# ---- iscsiadm


@case
def sessions_are_listed_as_scripts_know_it(lab):
    lab.start()
    lab.iscsiadm(
        "-m session", 0,
        f"tcp: [1] {FIRST}:3260,1 {TARGET} (non-flash)\n"
        f"tcp: [2] {SECOND}:3260,1 {TARGET} (non-flash)\n",
    )  # fmt: skip
    tree = lab.iscsiadm("-m session -P 3").out
    for line in (
        f"Target: {TARGET} (non-flash)",
        f"\tCurrent Portal: {FIRST}:3260,1",
        "\t\tSID: 2",
        "\t\tiSCSI Session State: LOGGED_IN",
        "\t\t\tAttached scsi disk loop0\t\tState: running",
    ):
        assert line in tree.splitlines(), (line, tree)
    assert tree.count("Target: ") == 1
    lab.iscsiadm("-m session -P 4", 7, "", "iscsiadm: Invalid info level 4. Try 0 - 3.\n")


@case
def many_sessions_are_sorted_by_the_text_of_their_number(lab):
    lab.start("--objects", "12")
    lines = lab.iscsiadm("-m session").out.splitlines()
    sids = [line.split("[")[1].split("]")[0] for line in lines]
    assert len(sids) == 14 and sids == sorted(sids), sids


@case
def one_session_is_picked_by_number_or_path(lab):
    lab.start()
    tree = lab.iscsiadm("-m session -r 2 -P 1").out
    assert f"\tCurrent Portal: {SECOND}:3260,1\n" in tree and FIRST not in tree
    same = lab.iscsiadm("-m session -r /sys/class/iscsi_session/session2 -P 1").out
    assert same == tree
    record = lab.iscsiadm("-m session -r 2").out
    assert f"node.conn[0].address = {SECOND}\n" in record
    lab.iscsiadm(
        "-m session -r 9", 22, "",
        "iscsiadm: could not read session targetname: 5\n"
        "iscsiadm: Could not get session info for sid 9\n",
    )  # fmt: skip


@case
def nodes_are_listed_flat_as_tree_and_as_records(lab):
    lab.start()
    lab.iscsiadm("-m node", 0, f"{FIRST}:3260,1 {TARGET}\n{SECOND}:3260,1 {TARGET}\n")
    lab.iscsiadm(
        "-m node -P 1", 0,
        f"Target: {TARGET}\n"
        f"\tPortal: {FIRST}:3260,1\n\t\tIface Name: default\n"
        f"\tPortal: {SECOND}:3260,1\n\t\tIface Name: default\n",
    )  # fmt: skip
    assert lab.record()["node.session.timeo.replacement_timeout"] == "120"
    assert lab.iscsiadm("-m node -o show").out.count("# BEGIN RECORD ") == 2
    lab.iscsiadm("-m node -T iqn.nope", 21, "", "iscsiadm: No records found\n")
    lab.iscsiadm(f"-m node -p {FIRST}:3261", 21, "", "iscsiadm: No records found\n")
    lab.iscsiadm("-m node -I nope", 3, "", "iscsiadm: Could not read iface info for nope.\n")
    result = lab.run("iscsiadm", "-m node -I default -I other")
    assert result.code == 0 and result.err.startswith(
        "iscsiadm: NODE mode only accepts one interface."
    ), result


@case
def settings_are_changed_in_all_matching_records(lab):
    lab.start()
    lab.iscsiadm(
        "-m node -o update -n node.startup -v automatic -n node.session.cmds_max -v 64", 0, ""
    )
    for address in (FIRST, SECOND):
        record = lab.record(address)
        assert record["node.startup"] == "automatic" and record["node.session.cmds_max"] == "64"
    trailer = "iscsiadm: Could not execute operation on all records: invalid parameter\n"
    one = f"-m node -T {TARGET} -p {FIRST} -o update"
    lab.iscsiadm(
        f"{one} -n bogus -v 1", 7, "", "iscsiadm: Cannot modify bogus. Invalid param name.\n" + trailer
    )
    lab.iscsiadm(
        f"{one} -n node.name -v 1", 7, "",
        "iscsiadm: Cannot modify node.name. "
        "It is used to look up the record and cannot be changed.\n" + trailer,
    )  # fmt: skip
    lab.iscsiadm(
        f"{one} -n node.startup -v never", 7, "",
        "iscsiadm: unknown value format 'never' for parameter name 'node.startup'\n"
        "iscsiadm: Unknown parameter node.startup.\n" + trailer,
    )  # fmt: skip
    lab.iscsiadm(
        f"{one} -n iface.mtu -v 1", 7, "",
        "iscsiadm: Cannot modify iface.mtu. Use iface mode to update this value.\n",
    )  # fmt: skip
    lab.iscsiadm(f"{one} -n lone", 7, "", "iscsiadm: update requires name and value\n")
    # all or nothing: the good one beside the bad one is not kept
    lab.iscsiadm(f"{one} -n node.session.cmds_max -v 32 -n bogus -v 1", 7)
    assert lab.record()["node.session.cmds_max"] == "64"


@case
def secrets_go_in_and_come_back_to_root_alone(lab):
    lab.start()
    one = f"-m node -T {TARGET} -p {FIRST}"
    lab.iscsiadm(
        f"{one} -o update -n node.session.auth.username -v joe "
        "-n node.session.auth.password -v secretsecret12", 0, "",
    )  # fmt: skip
    lab.iscsiadm(f"{one} -o update -n node.session.auth.password_in -v -", 0, "", stdin="in\n")
    record = lab.record()
    assert record["node.session.auth.username"] == "joe"
    assert record["node.session.auth.password"] == "********"
    assert record["node.session.auth.password_in"] == "********"
    shown = lab.iscsiadm(f"{one} -S").out
    assert "node.session.auth.password = secretsecret12\n" in shown, shown
    assert "node.session.auth.password_in = in\n" in shown, shown
    assert shown.count("secretsecret12") == 1 and "********" not in shown
    other = lab.iscsiadm(f"-m node -p {SECOND} -S").out
    assert "node.session.auth.password = <empty>\n" in other
    tree = lab.iscsiadm("-m session -r 1 -P 2 -S").out
    assert "\t\tpassword: secretsecret12\n" in tree and "\t\tpassword: in\n" in tree, tree
    tree = lab.iscsiadm("-m session -r 1 -P 2").out
    assert "\t\tpassword: ********\n" in tree and "\t\tpassword_in: ********\n" in tree, tree
    lab.iscsiadm([*one.split(), "-o", "update", "-n", "node.session.auth.password", "-v", ""])
    assert lab.record()["node.session.auth.password"] == "<empty>"
    lab.iscsiadm(f"{one} -o update -n node.session.auth.password -v -", 7)


@case
def one_session_more_is_made_of_one_that_is_there(lab):
    lab.start()
    lab.iscsiadm("-m session -r 2 -o new", 0, login_line(SECOND))
    lab.iscsiadm(
        "-m session", 0,
        f"tcp: [1] {FIRST}:3260,1 {TARGET} (non-flash)\n"
        f"tcp: [2] {SECOND}:3260,1 {TARGET} (non-flash)\n"
        f"tcp: [3] {SECOND}:3260,1 {TARGET} (non-flash)\n",
    )  # fmt: skip
    lab.iscsiadm("-m session -r 9 -o new", 22)
    lab.iscsiadm(
        "-m session -o new", 7, "",
        "iscsiadm: session mode: operation 'new' requires a session id\n",
    )  # fmt: skip


@case
def logins_logouts_and_their_exit_statuses(lab):
    lab.start()
    present = "iscsiadm: default: 1 session requested, but 1 already present.\n"
    trailer = "iscsiadm: Could not log into all portals\n"
    lab.iscsiadm("-m node -l", 15, "", present * 2 + trailer)
    lab.iscsiadm(
        f"-m node -T {TARGET} -p {FIRST} -u", 0,
        session_line("Logging out of session", 1, FIRST)
        + session_line("Logout of", 1, FIRST, " successful."),
    )  # fmt: skip
    lab.iscsiadm(f"-m node -T {TARGET} -l", 15, login_line(FIRST), present + trailer)
    lab.iscsiadm(
        "-m session -u", 0,
        session_line("Logging out of session", 2, SECOND)
        + session_line("Logging out of session", 3, FIRST)
        + session_line("Logout of", 2, SECOND, " successful.")
        + session_line("Logout of", 3, FIRST, " successful."),
    )  # fmt: skip
    lab.iscsiadm("-m session", 21, "", "iscsiadm: No active sessions.\n")
    none = "iscsiadm: No matching sessions found\n"
    lab.iscsiadm("-m session -u", 21, "", none)
    lab.iscsiadm("-m node -u", 21, "", none)
    lab.iscsiadm("-m node -R", 21, "", "iscsiadm: No session found.\n")
    lab.iscsiadm("-m node -s", 21, "", "iscsiadm: No session found.\n")
    lab.iscsiadm("-m node -T iqn.nope -l", 21, "", "iscsiadm: No records found\n")
    lab.iscsiadm("-m node -l -W", 0, "")


@case
def a_device_in_use_keeps_all_its_sessions(lab):
    lab.start("--in-use")
    failed = "iscsiadm: initiator reported error (28 - device or resource in use)\n"
    holder = "iscsiadm: device /dev/loop0 (backup) is in use: mounted on /srv/backup\n"
    trailer = "iscsiadm: Could not logout of all requested sessions\n"
    begun = session_line("Logging out of session", 1, FIRST) + session_line(
        "Logging out of session", 2, SECOND
    )
    refused = [
        session_line("iscsiadm: Could not logout of", sid, address, ".") + failed + holder
        for sid, address in ((1, FIRST), (2, SECOND))
    ]
    for words in ("-m session -u", "-m node -u", f"-m node -T {TARGET} -u", "-m node -U all"):
        lab.iscsiadm(words, 28, begun, "".join(refused) + trailer)
    result = lab.hawser("logout --all", 28)
    assert result.out == "" and result.err.count("mounted on /srv/backup") == 2, result
    assert len(lab.iscsiadm("-m session").out.splitlines()) == 2
    # one path less is no harm, the last one is
    lab.iscsiadm("-m session -r 1 -u", 0)
    lab.iscsiadm(
        f"-m node -T {TARGET} -u", 28, session_line("Logging out of session", 2, SECOND),
        refused[1] + trailer,
    )  # fmt: skip
    assert lab.hawser("logout --sid 2 --force").out.endswith(": done\n")


@case
def groups_follow_node_startup(lab):
    lab.start()
    lab.iscsiadm("-m node -U all")
    lab.iscsiadm("-m node -L automatic", 21, "", "iscsiadm: No records found\n")
    lab.iscsiadm(f"-m node -p {SECOND} -o update -n node.startup -v automatic")
    lab.iscsiadm("-m node -L automatic", 0, login_line(SECOND))
    lab.iscsiadm(f"-m node -p {SECOND} -o update -n node.startup -v onboot")
    lab.iscsiadm("-m node -U all", 21, "", "iscsiadm: No matching sessions found\n")
    assert SECOND in lab.iscsiadm("-m session").out
    lab.iscsiadm("-m node -L all", 15, login_line(FIRST))
    lab.iscsiadm("-m node -U manual")
    lab.iscsiadm("-m session", 0, f"tcp: [3] {SECOND}:3260,1 {TARGET} (non-flash)\n")


@case
def rescan_and_statistics_name_their_sessions(lab):
    lab.start()
    lab.iscsiadm(
        "-m session -R", 0,
        session_line("Rescanning session", 1, FIRST) + session_line("Rescanning session", 2, SECOND),
    )  # fmt: skip
    lab.iscsiadm("-m session -r 2 -R", 0, session_line("Rescanning session", 2, SECOND))
    lines = lab.iscsiadm(f"-m node -p {FIRST} -s").out.splitlines()
    assert lines[0] == session_line("Stats for session", 1, FIRST).rstrip()
    assert lines[1] == "iSCSI SNMP:" and lines[2].startswith("\ttxdata_octets: ")
    assert lines[22].startswith("\ttimeout_err: ")


@case
def records_are_made_and_deleted(lab):
    lab.start()
    result = lab.iscsiadm("-m node -o new -T iqn.x:new -p [fe80::1]:3261").out
    assert result.startswith("New iSCSI node [tcp:[hw=,ip=,net_if=,iscsi_if=default] fe80::1,3261,")
    assert result.endswith(" iqn.x:new] added\n"), result
    assert "[fe80::1]:3261," in lab.iscsiadm("-m node").out
    lab.iscsiadm("-m node -T iqn.x:new -p [fe80::1]:3261 -o delete", 0, "")
    assert "fe80" not in lab.iscsiadm("-m node").out
    lab.iscsiadm(
        f"-m node -p {FIRST} -o delete", 15, "",
        f"iscsiadm: The record [iface: default, target: {TARGET}, portal: {FIRST},3260] "
        "has a session. Log out first, then delete it.\n"
        "iscsiadm: Could not execute operation on all records: session exists\n",
    )  # fmt: skip
    lab.iscsiadm("-m node -o new", 7)
    lab.iscsiadm("-m node -o new -T iqn.unknown", 21)
    assert lab.iscsiadm(f"-m node -o new -T {TARGET}").out.count(" added\n") == 2


@case
def discovery_prints_what_it_found(lab):
    lab.start()
    line = f"{FIRST}:3260,1 {TARGET}\n"
    lab.iscsiadm(f"-m discovery -t st -p {FIRST}", 0, line)
    lab.iscsiadm(f"-m discovery -t sendtargets -p {FIRST}:3260 -o nonpersistent", 0, line)
    lab.iscsiadm(f"-m discoverydb -t st -p {FIRST} -D", 0, line)
    lab.iscsiadm(
        f"-m discovery -p {FIRST} -D", 7, "",
        f"iscsiadm: Discovery record [{FIRST},3260] not found.\n",
    )  # fmt: skip
    lab.iscsiadm(f"-m discoverydb -t st -p {FIRST} -o new")
    lab.iscsiadm(f"-m discovery -p {FIRST} -D", 0, line)
    lab.iscsiadm(
        f"-m discovery -t st -p {FIRST} -P 1", 0,
        f"Target: {TARGET}\n\tPortal: {FIRST}:3260,1\n\t\tIface Name: default\n",
    )  # fmt: skip
    lab.iscsiadm(
        f"-m discovery -t st -p {FIRST} -l", 15, line,
        "iscsiadm: default: 1 session requested, but 1 already present.\n",
    )  # fmt: skip
    lab.iscsiadm(f"-m discovery -t st -p {FIRST} -o nonpersistent -l", 27)
    lab.iscsiadm(f"-m discovery -t isns -p {FIRST}", 0, line.replace(":3260,", ":3205,"))
    lab.iscsiadm("-m discovery -t fw", 0, line.replace(FIRST, "192.0.2.1"))
    lab.iscsiadm(
        "-m fw", 0,
        f"# BEGIN RECORD 2.1.11\niface.transport_name = tcp\nnode.name = {TARGET}\n"
        "node.session.auth.password = ********\n# END RECORD\n",
    )  # fmt: skip
    tree = lab.iscsiadm("-m discoverydb -o show -P 1").out.splitlines()
    headings = [line for line in tree if line.endswith(":")]
    assert headings == ["SENDTARGETS:", "iSNS:", "STATIC:", "FIRMWARE:"], tree


@case
def discovery_records_are_made_shown_changed_and_deleted(lab):
    lab.start()
    lab.iscsiadm("-m discovery", 21, "", "")
    for kind, port in (("st", 3260), ("isns", 3205)):
        one = f"-m discoverydb -t {kind} -p {FIRST}"
        missing = f"iscsiadm: Discovery record [{FIRST},{port}] not found.\n"
        for operation in ("", "-o show", "-o delete", "-o update -n discovery.startup -v manual"):
            lab.iscsiadm(f"{one} {operation}", 6, "", missing)
        lab.iscsiadm(f"{one} -o new", 0, f"New discovery record for [{FIRST},{port}] added.\n")
        record = lab.iscsiadm(one).out
        assert record.startswith("# BEGIN RECORD 2.1.11\ndiscovery.startup = manual\n"), record
        assert f"discovery.sendtargets.address = {FIRST}\n" in record, record
        assert f"discovery.sendtargets.port = {port}\n" in record, record
        lab.iscsiadm(f"{one} -o update -n discovery.startup -v automatic", 0, "")
        assert "discovery.startup = automatic\n" in lab.iscsiadm(f"{one} -o show").out
        lab.iscsiadm(f"{one} -o update", 7, "", "iscsiadm: update requires name and value\n")
        lab.iscsiadm(
            f"{one} -o update -n bogus -v 1", 7, "",
            "iscsiadm: Cannot modify bogus. Invalid param name.\n",
        )  # fmt: skip
    both = f"{FIRST}:3260 via sendtargets\n{FIRST}:3205 via isns\n"
    lab.iscsiadm("-m discovery", 0, both)
    lab.iscsiadm("-m discoverydb -o show", 0, both)
    tree = lab.iscsiadm("-m discoverydb -P 1").out
    assert f"SENDTARGETS:\nDiscoveryAddress: {FIRST},3260\niSNS:\n" in tree, tree
    lab.iscsiadm(f"-m discoverydb -t isns -p {FIRST} -o delete", 0, "")
    lab.iscsiadm(f"-m discovery -p {FIRST} -o new", 7, "", "iscsiadm: Invalid operation.\n")
    assert lab.iscsiadm(f"-m discovery -p {FIRST}").out.count(" = ") > 10
    lab.iscsiadm(f"-m discovery -p {FIRST} -o delete", 0, "")
    lab.iscsiadm(f"-m discovery -p {FIRST} -o delete", 7)
    lab.iscsiadm("-m discovery", 21, "", "")


@case
def secrets_of_discovery_records_are_masked(lab):
    lab.start()
    one = f"-m discoverydb -t st -p {FIRST}"
    key = "discovery.sendtargets.auth.password"
    lab.iscsiadm(f"{one} -o new")
    lab.iscsiadm(f"{one} -o update -n {key} -v secretsecret12 -n {key}_in -v -", stdin="in\n")
    shown = lab.iscsiadm(one).out
    assert f"{key} = ********\n{'discovery.sendtargets.auth.username_in'} = <empty>\n" in shown
    shown = lab.iscsiadm(f"{one} -S").out
    assert f"{key} = secretsecret12\n" in shown and f"{key}_in = in\n" in shown, shown


@case
def interfaces_are_made_shown_changed_and_deleted(lab):
    lab.start()
    builtin = "".join(
        f"{name} {transport},<empty>,<empty>,<empty>,<empty>\n"
        for name, transport in (("default", "tcp"), ("iser", "iser"))
    )
    lab.iscsiadm("-m iface", 0, builtin)
    assert lab.iscsiadm("-m iface -P 1").out.startswith(f"Iface: default\n\tTarget: {TARGET}\n")
    lab.iscsiadm("-m iface -I nope", 6)
    lab.iscsiadm("-m iface -I left -o new", 0, "left updated.\nNew interface left added\n")
    lab.iscsiadm("-m iface -I left -o update -n iface.net_ifacename -v eth7", 0, "left updated.\n")
    lab.iscsiadm("-m iface", 0, f"left tcp,<empty>,<empty>,eth7,<empty>\n{builtin}")
    shown = lab.iscsiadm("-m iface -I left").out
    assert "iface.iscsi_ifacename = left\niface.net_ifacename = eth7\n" in shown, shown
    assert shown == lab.iscsiadm("-m iface -I left -o show").out
    lab.iscsiadm(
        "-m iface -I left -o update -n bogus -v 1", 7, "",
        "iscsiadm: Cannot modify bogus. Invalid param name.\n"
        "iscsiadm: Could not update iface left: invalid parameter\n",
    )  # fmt: skip
    lab.iscsiadm(
        "-m iface -I nope -o update -n iface.mtu -v 1500", 7, "",
        "iscsiadm: Could not read iface info for nope.\n"
        "iscsiadm: Could not update iface nope: invalid parameter\n",
    )  # fmt: skip
    lab.iscsiadm("-m iface -I left -o delete", 0, "left unbound and deleted.\n")
    for name, code in (("left", 7), ("default", 15), ("iser", 7)):
        result = lab.iscsiadm(f"-m iface -I {name} -o delete", code)
        assert f"Could not delete iface {name}: " in result.err, result
    result = lab.iscsiadm("-m iface -I iser -o new", 7)
    assert result.err.endswith("iscsiadm: Could not create new interface iser.\n"), result
    lab.iscsiadm("-m iface -I x -o apply", 27)
    lab.iscsiadm("-m iface -P 2", 7)


@case
def an_interrupt_ends_the_waiting_with_1(lab):
    lab.start("--hold")
    waiting = lab.start_program("iscsiadm", "-m", "session", "-R")
    # it says what it is about to do before it waits
    line = waiting.stdout.readline()
    assert line == session_line("Rescanning session", 1, FIRST), line
    waiting.send_signal(signal.SIGINT)
    assert waiting.wait(60) == 1
    assert waiting.stderr.read().startswith("iscsiadm: interrupted")
    waiting.stdout.close()
    waiting.stderr.close()


# ---- hawser


@case
def status_is_a_tree_with_a_verdict(lab):
    lab.start()
    text = lab.hawser("status").out
    for part in (TARGET, "session 1 192.0.2.11:3260", "map backup", "/dev/loop0", "2/2"):
        assert part in text, text
    assert text.endswith("ok: 2 of 2 sessions logged in, 1 map, 2 of 2 paths up\n"), text
    told = json.loads(lab.hawser("status --json").out)
    assert told["schema"] == 1 and told["health"] == "ok"
    target = told["targets"][0]
    assert target["kind"] == "target" and target["name"] == TARGET
    kinds = [child["kind"] for child in target["children"]]
    assert kinds == ["session", "session", "map"], kinds
    volume = target["children"][2]
    assert volume["paths_up"] == 2 and isinstance(volume["size_bytes"], int)
    assert [path["state"] for path in volume["children"]] == ["active", "active"]


@case
def status_measures_unless_it_is_told_not_to(lab):
    lab.start()  # its paths have served a million reads more each time that it is asked
    told = json.loads(lab.hawser("status --json").out)
    volume = told["targets"][0]["children"][2]
    assert volume["read_iops"] > 0 and volume["write_iops"] == 0, volume
    assert volume["reads"] > 2000000 and volume["latency_us"] == 250, volume
    assert volume["read_iops"] >= volume["children"][0]["read_iops"] > 0, volume
    told = json.loads(lab.hawser("status --json --no-rates").out)
    volume = told["targets"][0]["children"][2]
    assert volume["read_iops"] is None and volume["reads"] > 4000000, volume
    assert "R IOPS" in lab.hawser("status").out.splitlines()[0]
    heading = lab.hawser("status --no-rates").out.splitlines()[0]
    assert "IOPS" not in heading and "READS" in heading, heading


@case
def paths_are_listed_with_counters_of_now(lab):
    lab.start()
    reads = [json.loads(lab.hawser("paths --json").out)["paths"][0]["reads"] for _ in range(2)]
    assert reads[1] - reads[0] == 1000000, reads


@case
def every_list_is_also_json(lab):
    lab.start()
    for verb, rows in (("sessions", 2), ("maps", 1), ("paths", 2), ("nodes", 2)):
        told = json.loads(lab.hawser(f"{verb} --json").out)
        assert told["schema"] == 1 and len(told[verb]) == rows, told
        lines = lab.hawser(verb).out.splitlines()
        assert len(lines) == rows + 1, lines
        assert len(lab.hawser(f"{verb} --no-headings").out.splitlines()) == rows
    assert len(json.loads(lab.hawser("paths backup --json").out)["paths"]) == 2
    lab.hawser("paths nope", 21)
    assert json.loads(lab.hawser("sessions iqn.nope --json").out)["sessions"] == []
    assert len(json.loads(lab.hawser("sessions --sid 2 --json").out)["sessions"]) == 1
    assert len(json.loads(lab.hawser(f"nodes --portal {FIRST} --json").out)["nodes"]) == 1


@case
def a_target_and_a_map_can_be_shown(lab):
    lab.start()
    told = json.loads(lab.hawser(f"show {TARGET} --json").out)["settings"]
    assert {"target", "portal", "iface", "key", "value"} == set(told[0])
    assert any(row["key"] == "node.startup" and row["value"] == "manual" for row in told)
    text = lab.hawser("show backup").out
    assert "in use by" in text and "/dev/loop0" in text
    told = json.loads(lab.hawser("show /dev/loop0 --json").out)
    assert told["maps"][0]["name"] == "backup" and "in_use_by" in told
    lab.hawser("show nope", 21)


@case
def settings_are_set_in_plain_words(lab):
    lab.start()
    assert "node.startup is set" in lab.hawser(f"set {TARGET} node.startup automatic").out
    assert lab.record(SECOND)["node.startup"] == "automatic"
    result = lab.hawser(f"set {TARGET} node.startup never", 7)
    assert result.err.startswith("hawser: ") and "hawser help" in result.err, result
    lab.hawser(f"set {TARGET} node.session.auth.password --portal {FIRST}", stdin="secret\n")
    assert lab.record(FIRST)["node.session.auth.password"] == "********"
    assert lab.record(SECOND)["node.session.auth.password"] == "<empty>"
    lab.hawser("set iqn.nope node.startup manual", 21)


@case
def login_and_logout_want_to_know_of_what(lab):
    lab.start()
    assert "--all" in lab.hawser("login", 7).err
    assert "--all" in lab.hawser("logout", 7).err
    assert lab.hawser(f"login {TARGET}").out.count("already logged in") == 2
    assert lab.hawser("logout --sid 2").out.endswith(": done\n")
    assert lab.hawser(f"login --portal {SECOND}").out.endswith(": done\n")
    assert lab.hawser("logout --all --force").out.count(": done\n") == 2
    lab.hawser("logout iqn.nope", 21)
    lab.hawser("rescan", 21)


@case
def resets_want_to_know_how_much(lab):
    lab.start()
    name = json.loads(lab.hawser("maps --json").out)["maps"][0]["name"]
    assert lab.hawser(f"reset {name}").out == f"reset of the logical unit of {name}: done\n"
    lab.hawser("reset nomap", 21)
    assert "--force" in lab.hawser(f"reset {TARGET} target", 7).err
    once = f"reset of target {TARGET} through session 1: done\n"
    assert lab.hawser(f"reset {TARGET} target --force").out == once
    assert lab.hawser(f"reset {TARGET} target-cold --force --sid 2").out == once.replace("1: d", "2: d")
    assert lab.hawser(f"reset {TARGET} session").out.count(": done\n") == 2
    assert "unit, target" in lab.hawser(f"reset {TARGET} world", 7).err
    lab.hawser("reset iqn.nope session", 21)


@case
def reservations_are_asked_for_in_plain_words(lab):
    lab.start()
    shown = lab.hawser("pr show backup").out
    for part in ("unregistered", "none", "write-exclusive", "possible"):
        assert part in shown, shown
    assert lab.hawser("pr register backup 0xAA0000 --aptpl").out == "registration at backup: done\n"
    assert lab.hawser("pr reserve backup we-ro").out == "reservation of backup: done\n"
    told = json.loads(lab.hawser("pr keys backup --json").out)
    assert told["generation"] == 7, told
    rows = told["registrants"]
    assert [row["key"] for row in rows] == ["0xbbbb", "0xaa0000", "0xaa0000"], rows
    assert rows[1]["holds"] == "write-exclusive-registrants-only", rows
    assert rows[1]["initiator"].startswith("iqn.2026-01.org.example:host,i,0x"), rows
    shown = json.loads(lab.hawser("pr show backup --json").out)
    facts = {row["property"]: row["value"] for row in shown["reservation"]}
    assert facts["state"] == "registered" and facts["key"] == "0xaa0000", facts
    assert facts["registered paths"] == "2" and facts["holds the reservation"] == "yes", facts
    assert facts["reserved by"] == "0xaa0000", facts
    assert "done" in lab.hawser("pr preempt backup bbbb --abort --type ea-ro").out
    assert "done" in lab.hawser("pr release backup").out
    assert "done" in lab.hawser("pr register backup").out
    assert "done" in lab.hawser("pr unregister backup").out
    assert "done" in lab.hawser("pr clear backup --force").out


@case
def reservations_want_to_be_told_rightly(lab):
    lab.start()
    for words, part in (
        ("pr", "usage: hawser pr"),
        ("pr steal backup", "is not one of show"),
        ("pr reserve backup", "usage: hawser pr reserve MAP TYPE"),
        ("pr register backup 1 2", "usage: hawser pr"),
        ("pr release backup 1", "usage: hawser pr release MAP"),
        ("pr register backup 0", "is no key"),
        ("pr register backup 0x12345678901234567", "is no key"),
        ("pr preempt backup key", "is no key"),
        ("pr reserve backup mine", "no type of reservation 'mine'"),
        ("pr preempt backup 1 --type mine", "no type of reservation 'mine'"),
        ("pr clear backup", "--force says that this is meant"),
        ("pr show backup --portal 10.0.0.1", "pr takes no --portal"),
    ):
        told = lab.hawser(words, code=7)
        assert part in told.err, told
    for words in ("pr reserve backup mine", "pr preempt backup 1 --type mine"):
        told = lab.hawser(words, code=7).err
        assert "write-exclusive-registrants-only (we-ro)," in told and "(ea-ar)" in told, told
    assert "no map 'nothing'" in lab.hawser("pr keys nothing", code=21).err


@case
def what_to_do_next_depends_on_what_was_asked(lab):
    for error, words, code, next_step in (
        ("SessionExists", "remove backup", 15, "hawser logout TARGET"),
        ("PduTimeout", f"discover {FIRST}", 11, "listens at this address and port"),
        ("PduTimeout", f"login {TARGET}", 11, "large packets"),
    ):
        lab.start("--fail", error)
        told = lab.hawser(words, code)
        assert next_step in told.err, told
        lab.stop()
    lab.start()
    assert "'hawser maps'" in lab.hawser("remove nothing", 21).err


@case
def discovery_can_be_tried_before_it_is_done(lab):
    lab.start()
    told = json.loads(lab.hawser(f"discover {FIRST} --dry-run --json").out)["found"]
    assert told == [
        {"target": TARGET, "portal": f"{FIRST}:3260", "tpgt": 1, "iface": "default", "object": "/"}
    ]
    assert TARGET in lab.hawser(f"discover {FIRST} --login").out
    lab.hawser(f"discover {FIRST} --login --dry-run", 7)
    lab.hawser("discover [bad", 7)


@case
def verbs_refuse_options_that_are_not_theirs(lab):
    assert "status takes no --force" in lab.hawser("status --force", 7).err
    assert "usage: hawser nodes [TARGET]" in lab.hawser("nodes a b", 7).err
    assert "unrecognized option" in lab.hawser("status --bogus", 7).err


@case
def events_tell_what_has_happened(lab):
    lab.start()
    lost, degraded = lab.hawser("events").out.splitlines()
    assert "warning  session 1: lost the connection" in lost and lost.endswith("[session-lost, FAILP, 1]"), lost
    assert "is degraded (was ok); 1 of 2 paths usable" in degraded, degraded
    assert lab.hawser("events --since 1").out.splitlines() == [degraded]
    assert lab.hawser("events --since 2").out == ""
    assert lab.hawser(f"events --target {TARGET}").out.splitlines() == [lost]
    assert lab.hawser(f"events --portal {FIRST}").out.splitlines() == [lost]
    assert lab.hawser("events --map no-such").out == ""
    lab.hawser("events --since yesterday", 7)


@case
def events_are_json_with_all_their_fields(lab):
    lab.start()
    told = json.loads(lab.hawser("events --json").out)
    assert told["schema"] == 1
    lost, degraded = told["events"]
    assert lost["event"] == "session-lost" and lost["severity"] == "warning", lost
    assert lost["reason"] == "cable gone" and lost["target"] == TARGET, lost
    assert lost["portal"] == f"{FIRST}:3260" and lost["sid"] == 1, lost
    assert lost["sequence"] == 1 and lost["monotonic"] > 0 and len(lost["message_id"]) == 32, lost
    assert degraded["numbers"] == {"usable": 1, "paths": 2}, degraded
    assert degraded["state"] == "degraded" and degraded["old_state"] == "ok", degraded
    assert json.loads(lab.hawser("events --json --since 2").out)["events"] == []


@case
def monitor_tells_what_happens(lab):
    lab.start()
    for words, part in ((["monitor"], "Startup automatic"), (["monitor", "--json"], '"Startup"')):
        watching = lab.start_program("hawser", *words)
        try:
            # until it has connected, changes pass it by: make them until one is seen
            os.set_blocking(watching.stdout.fileno(), False)
            seen, deadline, value = "", time.monotonic() + 60, "automatic"
            while part not in seen and time.monotonic() < deadline:
                lab.iscsiadm(f"-m node -p {FIRST} -o update -n node.startup -v {value}")
                value = "manual" if value == "automatic" else "automatic"
                try:
                    seen += os.read(watching.stdout.fileno(), 65536).decode()
                except BlockingIOError:
                    pass
            assert part in seen, seen
            if "--json" in words:
                for line in seen.splitlines()[:1]:
                    assert json.loads(line)["signal"] == "PropertiesChanged"
        finally:
            watching.terminate()
            watching.wait(60)
            watching.stdout.close()
            watching.stderr.close()


def main():
    hawser, iscsiadm, fake_hawserd, *names = sys.argv[1:]
    failed = 0
    for function in CASES:
        if names and function.__name__ not in names:
            continue
        with tempfile.TemporaryDirectory(prefix="hawser-") as folder:
            lab = Lab(hawser, iscsiadm, fake_hawserd, folder)
            try:
                function(lab)
                print(f"ok {function.__name__}", flush=True)
            except Exception:  # whatever it is, the next case can still be tried
                failed += 1
                print(f"not ok {function.__name__}\n{traceback.format_exc()}", flush=True)
            finally:
                lab.stop()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
