# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Targets that the firmware names, in a tree like the kernel's."""

import os

from harness.cases import case
from harness.commands import contains, same, true

USER, SECRET = "boot-user", "a secret of the firmware"


NAME = "iqn.2024-05.org.example.hawser:firmware"


def mac_of(net, link):
    """Hardware address of the initiator's end of a cable"""
    return net.initiator_side.run(["cat", f"/sys/class/net/{link}/address"]).out.strip()


def write_table(daemon, iqn, portal, mac="00:00:00:00:00:00", **more):
    """initiator, ethernet0 and target0 as the kernel shows a boot table; mac: the loopback's, for
    tests that are about something else"""
    folders = {
        "initiator": {"initiator-name": NAME},
        "ethernet0": {"mac": mac, "origin": 3, "ip-addr": "192.0.2.7"},
        "target0": {
            "flags": 3, "target-name": iqn, "ip-addr": portal.address, "port": portal.port,
            "lun": "00000000", "nic-assoc": 0, **more,
        },
    }  # fmt: skip
    for folder, attributes in folders.items():
        path = os.path.join(daemon.firmware_dir, folder)
        os.makedirs(path)
        for name, value in attributes.items():
            with open(os.path.join(path, name), "w", encoding="utf-8") as file:
                file.write(f"{value}\n")


def chap(user, secret):
    return {"chap-type": 1, "chap-name": user, "chap-secret": secret}


@case(sanitized=True)
def the_firmwares_target_becomes_a_record_for_boot(lab):
    net = lab.loopback()
    target, portal = lab.target(net), net.portals[0]
    iqn = target.add(chap=(USER, SECRET))
    daemon = lab.hawserd(net)
    write_table(daemon, iqn, portal, **chap(USER, SECRET))
    got = daemon.iscsiadm("-m discovery -t fw")
    same((got.out, got.err), (f"{portal},1 {iqn}\n", ""), "discovery's output")
    record = daemon.iscsiadm(f"-m node -T {iqn} -p {portal}").out
    for line in (
        "node.startup = onboot", "node.discovery_type = fw", "node.tpgt = 1",
        "node.session.auth.authmethod = CHAP", f"node.session.auth.username = {USER}",
        "node.session.auth.password = ********",
    ):  # fmt: skip
        contains(record, f"{line}\n", "the record")
    link = os.path.join(daemon.conf_dir, "fw", f"{iqn},{portal.address},{portal.port},1,default")
    true(os.path.islink(link), "the discovery's link to the node")
    contains(daemon.iscsiadm(f"-m node -T {iqn} -p {portal} -l").out, "successful.", "the login")
    true(SECRET not in daemon.program.log(), "the secret is not in the log")


@case()
def fw_mode_prints_and_logs_in(lab):
    net = lab.loopback()
    target, portal = lab.target(net), net.portals[0]
    iqn = target.add(chap=(USER, SECRET))
    daemon = lab.hawserd(net)
    write_table(daemon, iqn, portal, **chap(USER, SECRET))
    got = daemon.iscsiadm("-m fw")
    wanted = [
        "iface.initiatorname = iqn.2024-05.org.example.hawser:firmware",
        "iface.transport_name = tcp",
        "iface.hwaddress = 00:00:00:00:00:00",
        "iface.bootproto = DHCP",
        "iface.ipaddress = 192.0.2.7",
        f"node.name = {iqn}",
        f"node.conn[0].address = {portal.address}",
        f"node.conn[0].port = {portal.port}",
        f"node.session.auth.username = {USER}",
        "node.session.auth.password = ********",
        "node.boot_lun = 00000000",
    ]
    lines = got.out.splitlines()
    true(lines[0].startswith("# BEGIN RECORD "), "the first line")
    same(lines[1:], [*wanted, "# END RECORD"], "iscsiadm -m fw")
    daemon.iscsiadm("-m node", code=21)  # nothing was written
    contains(daemon.iscsiadm("-m fw -l").out, "successful.", "the login")
    same(target.sessions(iqn), 1, "sessions at the target")


@case()
def the_login_is_the_firmwares_own(lab):
    """As the initiator that the firmware was, over the card that it has booted from."""
    net = lab.two_links()
    target, portal = lab.target(net), net.portals[1]
    iqn = target.add()
    daemon = lab.hawserd(net)
    mac = "52:54:00:12:34:56"
    net.initiator_side.ip("link", "set", portal.link, "address", mac)
    write_table(daemon, iqn, portal, mac=mac)
    contains(daemon.iscsiadm("-m fw -l").out, "successful.", "the login")
    contains(target.admin("show", "target").out, NAME, "initiators that the target sees")
    contains(daemon.iscsiadm("-m session -P 1").out, f"Iface Initiatorname: {NAME}\n", "-P 1")
    record = daemon.iscsiadm(f"-m node -T {iqn}").out
    for line in (f"iface.initiatorname = {NAME}", f"iface.hwaddress = {mac}", "iface.ipaddress = <empty>"):
        contains(record, f"{line}\n", "the record")
    bound = net.initiator_side.run(["ss", "-tn", "state", "established"]).out
    contains(bound, f"%{portal.link}:", "the connection's interface")
    daemon.logout(iqn)
    # a card that is not there any more is not gone around
    net.initiator_side.ip("link", "set", portal.link, "address", "52:54:00:12:34:57")
    daemon.login(iqn, code=8)
    contains(daemon.log(), f"no interface has the hardware address {mac}", "log")


@case()
def a_second_look_at_the_firmware_renews_its_secret_and_keeps_the_rest(lab):
    net = lab.loopback()
    target, portal = lab.target(net), net.portals[0]
    iqn = target.add(chap=(USER, SECRET))
    daemon = lab.hawserd(net)
    write_table(daemon, iqn, portal, **chap(USER, "the secret of yesterday"))
    daemon.iscsiadm("-m discovery -t fw")
    node = f"-m node -T {iqn} -p {portal}"
    daemon.iscsiadm(f"{node} -o update -n node.startup -v manual -n node.session.cmds_max -v 64")
    daemon.login(iqn, code=24)
    with open(os.path.join(daemon.firmware_dir, "target0", "chap-secret"), "w", encoding="utf-8") as file:
        file.write(f"{SECRET}\n")
    daemon.iscsiadm("-m discovery -t fw")
    record = daemon.iscsiadm(node).out
    contains(record, "node.startup = manual\n", "the record")
    contains(record, "node.session.cmds_max = 64\n", "the record")
    daemon.login(iqn)


@case()
def a_machine_without_boot_table_ends_with_22(lab):
    daemon = lab.hawserd(lab.loopback())
    for command in ("-m fw", "-m fw -l", "-m discovery -t fw", "-m discoverydb -t fw -D"):
        got = daemon.iscsiadm(command, code=22)
        text = "iscsiadm: Could not get list of targets from firmware. (err 22)\n"
        same((got.out, got.err), ("", text), command)
