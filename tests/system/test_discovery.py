# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""SendTargets discovery against tgt, and the records it leaves."""

import os

from harness.cases import case
from harness.commands import Skip, contains, same, true


@case(sanitized=True)
def each_portal_tells_its_targets(lab):
    net = lab.loopback()
    target = lab.target(net)
    first, second = target.add("first"), target.add("second")
    daemon = lab.hawserd(net)
    for portal in net.portals:
        got = daemon.discover(portal)
        wanted = sorted(f"{portal},1 {iqn}" for iqn in (first, second))
        same(sorted(got.out.splitlines()), wanted, "discovery's output")
        same(got.err, "", "discovery's complaints")
    listed = daemon.iscsiadm("-m node").out.splitlines()
    wanted = [f"{portal},1 {iqn}" for iqn in sorted((first, second)) for portal in net.portals]
    same(listed, wanted, "iscsiadm -m node")


@case()
def records_are_files_as_open_iscsi_keeps_them(lab):
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    daemon = lab.hawserd(net)
    portal = net.portals[0]
    daemon.discover(portal)
    path = daemon.record_path(iqn, portal)
    true(os.path.isfile(path), f"there is no {path}")
    same(os.stat(path).st_mode & 0o777, 0o600, "permissions of the record")
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    true(lines[0].startswith("# BEGIN RECORD"), "first line of the record")
    same(lines[-1], "# END RECORD", "last line of the record")
    true(f"node.name = {iqn}" in lines, "node.name in the record")
    link = os.path.join(
        daemon.conf_dir,
        "send_targets",
        f"{portal.address},{portal.port}",
        f"{iqn},{portal.address},{portal.port},1,default",
    )
    same(os.readlink(link), os.path.dirname(path), "the discovery's link to the node")


@case()
def delete_leaves_no_file(lab):
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    daemon = lab.hawserd(net)
    portal = net.portals[0]
    daemon.discover(portal)
    daemon.iscsiadm(f"-m node -T {iqn} -p {portal} -o delete")
    true(not os.path.exists(os.path.join(daemon.conf_dir, "nodes", iqn)), "the target's folder is gone")
    gone = daemon.iscsiadm("-m node", code=21)
    contains(gone.err, "No records found", "iscsiadm -m node")


@case()
def records_outlive_the_daemon(lab):
    net = lab.loopback()
    target = lab.target(net)
    target.add()
    daemon = lab.hawserd(net)
    daemon.discover(net.portals[0])
    before = daemon.iscsiadm("-m node -o show").out
    daemon.stop()
    daemon.start()
    same(daemon.iscsiadm("-m node -o show").out, before, "records after a restart")


@case()
def discovery_keeps_what_somebody_set(lab):
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    daemon = lab.hawserd(net)
    portal = net.portals[0]
    node = f"-m node -T {iqn} -p {portal}"
    daemon.discover(portal)
    daemon.iscsiadm(
        f"{node} -o update -n node.startup -v automatic -n node.session.auth.username -v joe"
        " -n node.session.auth.password -v joes-own-secret"
    )
    kept = daemon.iscsiadm(node).out
    contains(kept, "node.startup = automatic\n", "the record as it was set")
    for command in (
        f"-m discovery -t st -p {portal}",
        f"-m discovery -t st -p {portal} -o new",
        f"-m discovery -t st -p {portal} -o delete",
        f"-m discovery -t st -p {portal} -o show",
        f"-m discoverydb -t st -p {portal} -D",
    ):
        same(daemon.iscsiadm(command).out, f"{portal},1 {iqn}\n", command)
        same(daemon.iscsiadm(node).out, kept, f"the record after {command}")
    daemon.iscsiadm(f"-m discovery -t st -p {portal} -o update")
    replaced = daemon.iscsiadm(node).out
    contains(replaced, "node.startup = manual\n", "the record after -o update")
    contains(replaced, "node.session.auth.username = <empty>\n", "the record after -o update")


def add_link_local(net, number):
    """fe80::1 and fe80::2 at the ends of a cable; returns the initiator's name of it"""
    portal = net.portals[number]
    for side, host in ((net.initiator_side, 1), (net.target_side, 2)):
        made = side.run(
            ["ip", "-6", "address", "add", f"fe80::{host}/64", "dev", portal.link, "nodad"], check=False
        )
        if made.code != 0:
            raise Skip(f"no IPv6 here: {made.err.strip()}")
    return portal.link


@case(sanitized=True)
def link_local_addresses_keep_their_interface(lab):
    net = lab.two_links()
    link = add_link_local(net, 0)
    target = lab.target(net)
    iqn = target.add()
    daemon = lab.hawserd(net)
    where = f"fe80::2%{link}"
    # tgt names its end of the cable its own way, which is not ours
    got = daemon.iscsiadm(f"-m discovery -t st -p [{where}]:3260")
    same(got.out, f"[{where}]:3260,1 {iqn}\n", "discovery's output")
    same(daemon.iscsiadm("-m node").out, got.out, "the node")
    same(daemon.iscsiadm("-m discovery").out, f"{where}:3260 via sendtargets\n", "its record")
    daemon.iscsiadm(f"-m node -T {iqn} -p {where} -l")
    same(daemon.iscsiadm("-m session").out, f"tcp: [1] [{where}]:3260,1 {iqn} (non-flash)\n", "-m session")
    daemon.stop()
    daemon.start()
    daemon.iscsiadm(f"-m node -T {iqn} -l")
    daemon.logout(iqn)
    got = daemon.iscsiadm(f"-m node -T {iqn} -p fe80::2 -o new")
    daemon.iscsiadm(f"-m node -T {iqn} -p fe80::2 -l", code=8)
    contains(daemon.log(), "a link-local address needs its interface: fe80::2%INTERFACE", "log")


@case()
def ipv6_and_names_are_portals_as_well(lab):
    net = lab.two_links()
    target = lab.target(net)
    iqn = target.add()
    for side, host in ((net.initiator_side, 1), (net.target_side, 2)):
        made = side.run(
            ["ip", "-6", "address", "add", f"2001:db8::{host}/64", "dev", net.portals[0].link, "nodad"],
            check=False,
        )
        if made.code != 0:
            raise Skip(f"no IPv6 here: {made.err.strip()}")
    daemon = lab.hawserd(net)
    got = daemon.iscsiadm("-m discovery -t st -p 2001:db8::2")
    same(got.out, f"[2001:db8::2]:3260,1 {iqn}\n", "discovery's output")
    daemon.iscsiadm(f"-m node -T {iqn} -p [2001:db8::2]:3260 -l")
    contains(daemon.iscsiadm("-m session").out, "[2001:db8::2]:3260,1", "-m session")
    daemon.logout(iqn)


@case()
def a_name_is_resolved_at_every_login(lab):
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    daemon = lab.hawserd(net)
    got = daemon.iscsiadm("-m discovery -t st -p localhost")
    contains(got.out, iqn, "discovery's output")
    daemon.iscsiadm(f"-m node -T {iqn} -p localhost -o new")
    daemon.iscsiadm(f"-m node -T {iqn} -p localhost -l")
    contains(daemon.iscsiadm("-m session").out, "[localhost]:3260,", "-m session")
    daemon.logout(iqn)


@case()
def an_answer_may_be_longer_than_a_pdu(lab):
    net = lab.loopback()
    target = lab.target(net)
    targets = [target.add(f"disk-{'x' * 120}-{number}") for number in range(120)]
    daemon = lab.hawserd(net, conf={"discovery.sendtargets.iscsi.MaxRecvDataSegmentLength": "4096"})
    got = daemon.discover(net.portals[0])
    wanted = sorted(f"{net.portals[0]},1 {iqn}" for iqn in targets)
    same(sorted(got.out.splitlines()), wanted, "discovery's output")
