# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Discovery records, interface records, and sessions beyond what a record wants."""

import os

from harness.cases import case
from harness.commands import contains, same, true, wait_until

SECRET = "a-secret-for-discovery"


@case(sanitized=True)
def a_discovery_record_is_kept_and_used(lab):
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    daemon = lab.hawserd(net)
    portal = net.portals[0]
    one = f"-m discoverydb -t st -p {portal}"
    key = "discovery.sendtargets"
    got = daemon.iscsiadm(f"{one} -o new")
    same(got.out, f"New discovery record for [{portal.address},{portal.port}] added.\n", "-o new")
    daemon.iscsiadm(
        f"{one} -o update -n {key}.auth.username -v joe -n {key}.auth.password -v {SECRET}"
        f" -n {key}.reopen_max -v 3"
    )
    path = os.path.join(
        daemon.conf_dir, "send_targets", f"{portal.address},{portal.port}", "st_config"
    )
    same(os.stat(path).st_mode & 0o777, 0o600, "permissions of the record")
    with open(path, encoding="utf-8") as file:
        contains(file.read(), f"{key}.auth.password = {SECRET}\n", "the file")
    daemon.stop()
    daemon.start()
    contains(daemon.iscsiadm(one).out, f"{key}.auth.password = ********\n", "the record")
    contains(daemon.iscsiadm(f"{one} -S").out, f"{key}.auth.password = {SECRET}\n", "-S")
    true(SECRET not in daemon.log(), "the secret is not in the log")
    daemon.iscsiadm(f"{one} -D", code=24)  # the record's account is used, and tgt has none
    daemon.iscsiadm([*f"{one} -o update -n {key}.auth.password -v".split(), ""])
    same(daemon.iscsiadm(f"{one} -D").out, f"{portal},1 {iqn}\n", "-D")
    contains(daemon.iscsiadm(one).out, f"{key}.reopen_max = 3\n", "the record after -D")
    daemon.discover(portal)
    contains(daemon.iscsiadm(one).out, f"{key}.auth.username = <empty>\n", "discovery made it anew")
    same(daemon.iscsiadm("-m discovery").out, f"{portal} via sendtargets\n", "the list")
    daemon.iscsiadm(f"{one} -o delete")
    daemon.iscsiadm(one, code=6)
    daemon.iscsiadm("-m node", code=21)
    daemon.iscsiadm("-m discovery", code=21)


@case()
def sessions_outlive_the_record_that_they_were_made_of(lab):
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add(chap=("someone", "secret-of-12-and-more"))
    daemon = lab.hawserd(net, settings={"reconnect.min": "100 ms"})
    portal = net.portals[0]
    daemon.discover(portal)
    key = "node.session.auth"
    daemon.iscsiadm(
        f"-m node -o update -n {key}.username -v someone -n {key}.password -v secret-of-12-and-more"
    )
    daemon.login(iqn)
    daemon.iscsiadm(f"-m discoverydb -t st -p {portal} -o delete")
    daemon.iscsiadm("-m node", code=21)
    same(len(daemon.session_ids()), 1, "sessions")
    portal.reset_connections()
    wait_until(
        lambda: daemon.log().count("logged in to") == 2,
        "it logs in again with the account of its record", 15,
    )  # fmt: skip
    contains(daemon.iscsiadm("-m session -u").out, "successful.", "logout")


@case()
def an_interface_record_binds_its_nodes(lab):
    net = lab.two_links()
    target = lab.target(net)
    iqn = target.add()
    daemon = lab.hawserd(net)
    portal = net.portals[0]
    own = "iqn.2024-05.org.example.hawser:left"
    daemon.iscsiadm(f"-m iface -I left -o new -n iface.net_ifacename -v {portal.link}")
    daemon.iscsiadm(f"-m iface -I left -o update -n iface.initiatorname -v {own}")
    contains(
        daemon.iscsiadm("-m iface").out, f"left tcp,<empty>,<empty>,{portal.link},{own}\n", "list"
    )
    # all stored ones are gone over, and default is not
    daemon.discover(portal)
    record = daemon.iscsiadm(f"-m node -T {iqn}").out
    contains(record, f"iface.net_ifacename = {portal.link}\n", "the node's record")
    contains(record, f"iface.initiatorname = {own}\n", "the node's record")
    daemon.login(iqn)
    contains(target.admin("show", "target").out, own, "initiators that the target sees")
    contains(daemon.iscsiadm("-m session -P 1").out, f"Iface Netdev: {portal.link}\n", "-P 1")
    for words in ("-o delete", "-o new"):
        daemon.iscsiadm(f"-m iface -I left {words}", code=15)
    # what changes is in the nodes, too
    daemon.iscsiadm("-m iface -I left -o update -n iface.mtu -v 9000")
    contains(daemon.iscsiadm(f"-m node -T {iqn}").out, "iface.mtu = 9000\n", "the node's record")
    daemon.logout(iqn)
    # over the other cable, although the route is another
    other = net.portals[1].link
    daemon.iscsiadm(f"-m iface -I left -o update -n iface.net_ifacename -v {other}")
    daemon.login(iqn)
    portal.lose("link down")
    daemon.iscsiadm("-m session -R")
    contains(daemon.iscsiadm("-m session -P 1").out, "State: LOGGED_IN\n", "with the other cut")
    portal.restore()
    daemon.logout(iqn)
    daemon.iscsiadm("-m iface -I left -o update -n iface.net_ifacename -v nosuch0")
    daemon.login(iqn, code=8)
    contains(daemon.log(), "No such device", "the log")
    got = daemon.iscsiadm("-m iface -I left -o delete")
    same(got.out, "left unbound and deleted.\n", "-o delete")
    daemon.iscsiadm("-m node", code=21)


@case()
def discovery_goes_over_the_interfaces_that_are_named(lab):
    net = lab.two_links()
    target = lab.target(net)
    iqn = target.add()
    daemon = lab.hawserd(net)
    portal = net.portals[0]
    refused = daemon.iscsiadm(f"-m discovery -t st -p {portal} -I nope -I neither", code=21)
    wanted = (
        "iscsiadm: Could not read iface info for nope.\n"
        "iscsiadm: Could not read iface info for neither.\n"
    )
    same(refused.err, wanted, "discovery over nothing")
    daemon.iscsiadm("-m iface -I left -o new")
    line = f"{portal},1 {iqn}\n"
    got = daemon.iscsiadm(f"-m discovery -t st -p {portal} -I nope -I left")
    same(got.out, line, "discovery over what is there")
    contains(daemon.iscsiadm("-m node -P 1").out, "Iface Name: left\n", "the nodes")
    daemon.iscsiadm(f"-m discovery -t st -p {portal} -I default")
    same(daemon.iscsiadm("-m node").out, 2 * line, "a node for each interface")
    daemon.iscsiadm("-m node -I nope", code=3)
    daemon.iscsiadm(f"-m node -T {iqn} -p {portal} -I nope -o new", code=3)


@case()
def one_session_more_than_the_record_wants(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn)
    daemon = lab.hawserd(net)
    device = daemon.connect(iqn, net.portals[:1])
    lab.note_device(device)
    sid = daemon.session_ids()[0]
    got = daemon.iscsiadm(f"-m session -r {sid} -o new")
    where = f"[iface: default, target: {iqn}, portal: {net.portals[0].address},{net.portals[0].port}]"
    same(got.out, f"Login to {where} successful.\n", "-o new")
    same(target.sessions(iqn), 2, "sessions at the target")
    daemon.wait_for_paths(2)
    same(len(daemon.rows("map")), 1, "maps")
    daemon.login(iqn, code=15)
    daemon.logout(iqn)


@case()
def a_transport_that_is_none_of_ours_is_refused(lab):
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    daemon = lab.hawserd(net)
    daemon.discover(net.portals[0])
    daemon.iscsiadm(f"-m node -T {iqn} -o update -n iface.transport_name -v iser")
    contains(daemon.login(iqn, code=12).err, "iSCSI driver not found", "login by iSER")
