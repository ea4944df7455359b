# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Discovery by Debian's iSNS server."""

import os

from harness.cases import case
from harness.commands import contains, same, true
from harness.target import IQN


@case(sanitized=True)
def an_isns_server_tells_the_targets_it_knows(lab):
    net = lab.loopback()
    server = lab.isns_server(net)
    first, second = f"{IQN}:first", f"{IQN}:second"
    server.register(first, *net.portals)
    server.register(second, "192.0.2.7:3261")
    daemon = lab.hawserd(net)
    address = net.portals[0].address
    got = daemon.iscsiadm(f"-m discovery -t isns -p {address}")
    wanted = [f"{portal},1 {first}" for portal in net.portals] + [f"192.0.2.7:3261,1 {second}"]
    same(sorted(got.out.splitlines()), sorted(wanted), "discovery's output")
    same(got.err, "", "discovery's complaints")
    contains(daemon.iscsiadm(f"-m node -T {second}").out, "node.discovery_type = isns\n", "the record")
    link = f"{first},{address},3260,1,default"
    true(
        os.path.islink(os.path.join(daemon.conf_dir, "isns", f"{address},3205", link)),
        "the discovery's link to the node",
    )
    true("initiator" not in server.nodes(), "nothing of ours stays registered")


@case()
def a_target_found_by_isns_can_be_logged_in_to(lab):
    net = lab.loopback()
    server, target = lab.isns_server(net), lab.target(net)
    iqn = target.add()
    server.register(iqn, net.portals[0])
    daemon = lab.hawserd(net)
    got = daemon.iscsiadm(f"-m discovery -t isns -p {net.portals[0].address}:3205 -l")
    contains(got.out, "successful.", "the login")
    same(target.sessions(iqn), 1, "sessions at the target")


@case()
def what_the_isns_server_forgets_can_be_deleted(lab):
    net = lab.loopback()
    server = lab.isns_server(net)
    first, second = f"{IQN}:first", f"{IQN}:second"
    server.register(first, net.portals[0])
    server.register(second, net.portals[1])
    daemon = lab.hawserd(net)
    ask = f"-m discovery -t isns -p {net.portals[0].address}"
    daemon.iscsiadm(ask)
    server.deregister(second)
    daemon.iscsiadm(f"{ask} -o delete")
    same(daemon.iscsiadm("-m node").out, f"{net.portals[0]},1 {first}\n", "iscsiadm -m node")


@case()
def a_server_that_knows_no_target_is_told_so(lab):
    net = lab.loopback()
    lab.isns_server(net)
    daemon = lab.hawserd(net)
    got = daemon.iscsiadm(f"-m discovery -t isns -p {net.portals[0].address}", code=21)
    same(got.err, "iscsiadm: No portals found\n", "discovery's complaints")


@case()
def no_isns_server_ends_with_25(lab):
    net = lab.loopback()
    daemon = lab.hawserd(net)
    address = net.portals[0].address
    got = daemon.iscsiadm(f"-m discovery -t isns -p {address}", code=25)
    wanted = (
        f"iscsiadm: {address}:3205: Connection refused\n"
        "iscsiadm: Could not perform iSNS discovery: iSNS query failed\n"
    )
    same(got.err, wanted, "discovery's complaints")
