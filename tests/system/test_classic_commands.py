# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""The four commands that administrators have typed for twenty years, letter for letter."""

import os
import re
import shlex

from harness.cases import case
from harness.commands import contains, run, same, true

UNIT = os.path.join(os.path.dirname(__file__), "../../units/iscsi.service.in")


def start_command():
    """What "service iscsi start" runs, out of the unit itself, and the statuses that count as fine."""
    with open(UNIT, encoding="utf-8") as file:
        text = file.read()
    command = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE).group(1)
    fine = re.search(r"^SuccessExitStatus=(.*)$", text, re.MULTILINE)
    return shlex.split(command), {0} | {int(word) for word in fine.group(1).split()}


def service_iscsi_start(daemon):
    """The unit's own ExecStart with the program of our build: a test does not take the machine's
    real service for itself."""
    command, fine = start_command()
    same(os.path.basename(command[0]), "hawser", "what iscsi.service starts")
    done = daemon.hawser(command[1:], check=False)
    true(done.code in fine, f"service iscsi start:\n{done}")
    return done


@case(limit_s=90, sanitized=True)
def the_four_classic_commands(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    one, two = target.add("one"), target.add("two")
    target.add_unit(one)
    daemon = lab.hawserd(net)
    portal = net.portals[0]
    ip, port = portal.address, portal.port
    daemon.discover(portal)
    daemon.iscsiadm(f"-m node -T {one} -p {portal} -o update -n node.startup -v automatic")

    service_iscsi_start(daemon)
    sessions = daemon.iscsiadm("-m session").out.splitlines()
    same(len(sessions), 1, "only the automatic node is logged in")
    contains(sessions[0], f"{portal},1 {one} (non-flash)", "the session")
    lab.note_device(daemon.device(one, portal))
    service_iscsi_start(daemon)

    update = f"-m node --targetname {one} -p {ip}:{port} -o update -n node.startup -v manual"
    same(daemon.iscsiadm(update).out, "", "update says nothing")
    shown = daemon.iscsiadm(f"-m node -T {one} -p {portal}").out
    contains(shown, "node.startup = manual\n", "the record")

    delete = f"-m node --targetname {two} -p {ip}:{port} -o delete"
    same(daemon.iscsiadm(delete).out, "", "delete says nothing")
    same(daemon.iscsiadm("-m node").out, f"{portal},1 {one}\n", "records that are left")

    daemon.logout(one)
    login = daemon.iscsiadm(f"-m node --targetname {one} -p {ip}:{port} -l")
    where = f"[iface: default, target: {one}, portal: {ip},{port}]"
    contains(login.out, f"Login to {where} successful.\n", "login")
    lab.note_device(daemon.device(one, portal))
    daemon.logout(one)
    service_iscsi_start(daemon)
    daemon.iscsiadm("-m session", code=21)


@case(limit_s=60)
def print_levels_tell_of_the_session(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn)
    daemon = lab.hawserd(net)
    device = daemon.connect(iqn, net.portals[:1])
    lab.note_device(device)
    portal = net.portals[0]
    lines = daemon.iscsiadm("-m session -P 3").out.splitlines()
    for wanted in (
        f"Target: {iqn} (non-flash)",
        f"\tCurrent Portal: {portal},1",
        f"\tPersistent Portal: {portal},1",
        "\t\tIface Name: default",
        "\t\tIface Transport: tcp",
        "\t\tIface IPaddress: 127.0.0.1",
        "\t\tiSCSI Connection State: LOGGED IN",
        "\t\tiSCSI Session State: LOGGED_IN",
        "\t\tRecovery Timeout: 60",
        "\t\tpassword: ********",
        "\t\tHeaderDigest: None",
        "\t\tImmediateData: Yes",
    ):
        true(wanted in lines, f"{wanted!r} is not in\n" + "\n".join(lines))
    contains("\n".join(lines), os.path.basename(device), "the device")
    daemon.iscsiadm("-m session -R")
    statistics = daemon.iscsiadm("-m session -s", check=False)
    true(statistics.code in (0, 7), f"statistics: {statistics}")
    daemon.logout(iqn)


@case(limit_s=60)
def status_shows_the_tree(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn)
    daemon = lab.hawserd(net)
    device = daemon.connect(iqn, net.portals)
    lab.note_device(device)
    daemon.wait_for_paths(2)
    text = daemon.hawser("status", code=0).out
    for part in (iqn, os.path.basename(device), str(net.portals[0]), str(net.portals[1]), "active"):
        contains(text, part, "hawser status")
    maps = daemon.rows("map")
    same([int(each["paths_up"]) for each in maps], [2], "paths of the map in --json")
    same(run(["readlink", "-f", daemon.by_path(iqn, net.portals[0])]).out.strip(), device, "link")
    daemon.logout(iqn)
