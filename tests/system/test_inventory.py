# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Logical units that come and go while sessions are there."""

import os

from harness.cases import case
from harness.commands import contains, run, same, true, wait_until

POLL = {"inventory.poll": "500 ms"}
NO_POLL = {"inventory.poll": "off"}


def wait_for_device(daemon, iqn, portal, lun, timeout=15):
    link = daemon.by_path(iqn, portal, lun)
    wait_until(lambda: os.path.exists(link), f"the link {link}", timeout)
    return daemon.device(iqn, portal, lun)


def wait_until_gone(daemon, iqn, portal, lun, timeout=20):
    link = daemon.by_path(iqn, portal, lun)
    wait_until(lambda: not os.path.lexists(link), f"no link {link}", timeout)


def remove_unit(target, iqn, lun):
    target.admin("delete", "logicalunit", "--tid", target.ids[iqn], "--lun", lun)


def read_block(device):
    """One block past any cache; the error's number, or 0"""
    fd = os.open(device, os.O_RDONLY | os.O_DIRECT)
    try:
        os.preadv(fd, [memoryview(bytearray(8192))], 0)
    except OSError as why:
        return why.errno
    finally:
        os.close(fd)
    return 0


def touch(device):
    """I/O that the kernel's cache does not answer"""
    run(["dd", f"if={device}", "of=/dev/null", "bs=4096", "count=1", "iflag=direct"], check=False)


@case(sanitized=True)
def a_new_unit_appears_without_any_command(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn, lun=1)
    daemon = lab.hawserd(net, settings=POLL)
    first = daemon.connect(iqn, net.portals)
    lab.note_device(first)
    target.add_unit(iqn, lun=2, size_mib=32)
    device = wait_for_device(daemon, iqn, net.portals[0], 2)
    lab.note_device(device)
    same(run(["blockdev", "--getsize64", device]).out.strip(), str(32 << 20), "size")
    daemon.wait_for_paths(4)
    same(len(daemon.rows("map")), 2, "maps")
    same(daemon.device(iqn, net.portals[0]), first, "the device that was there")
    daemon.logout(iqn)


@case()
def a_target_without_units_is_watched_too(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    daemon = lab.hawserd(net, settings=POLL)
    daemon.discover(net.portals[0])
    daemon.login(iqn)
    same(daemon.rows("map"), [], "maps")
    target.add_unit(iqn, lun=1)
    lab.note_device(wait_for_device(daemon, iqn, net.portals[0], 1))
    daemon.logout(iqn)


@case()
def what_the_target_says_is_looked_after_at_once(lab):
    """3F/0E with the next command; the other session has none, and hears of it as well."""
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn, lun=1)
    daemon = lab.hawserd(net, settings=NO_POLL)
    first = daemon.connect(iqn, net.portals)
    lab.note_device(first)
    target.add_unit(iqn, lun=2)
    touch(first)
    for portal in net.portals:
        device = wait_for_device(daemon, iqn, portal, 2, timeout=5)
    lab.note_device(device)
    contains(daemon.log(), "the unit reports a change (3f/0e)", "log")
    daemon.logout(iqn)


@case(sanitized=True)
def a_unit_that_is_gone_leaves_by_itself(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn, lun=1)
    target.add_unit(iqn, lun=2)
    daemon = lab.hawserd(net, settings=POLL)
    lab.note_device(daemon.connect(iqn, net.portals))
    lab.note_device(daemon.device(iqn, net.portals[0], 2))
    remove_unit(target, iqn, 2)
    wait_until_gone(daemon, iqn, net.portals[0], 2)
    wait_until(lambda: len(daemon.rows("map")) == 1, "one map", 5)
    contains(daemon.log(), "shows LUN 2 no more", "log")
    daemon.wait_for_paths(2)
    true("LUN 1 no more" not in daemon.log(), "the other unit is left alone")
    daemon.logout(iqn)


@case()
def a_rescan_by_hand_takes_it_away_at_once(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn, lun=1)
    target.add_unit(iqn, lun=2)
    daemon = lab.hawserd(net, settings=NO_POLL)
    lab.note_device(daemon.connect(iqn, net.portals))
    lab.note_device(daemon.device(iqn, net.portals[0], 2))
    remove_unit(target, iqn, 2)
    got = daemon.iscsiadm("-m session --rescan")
    same(got.out.count("Rescanning session"), 2, "rescans")
    wait_until_gone(daemon, iqn, net.portals[0], 2, timeout=1)
    target.add_unit(iqn, lun=3)
    daemon.iscsiadm("-m session -R")
    lab.note_device(daemon.device(iqn, net.portals[0], 3))
    daemon.logout(iqn)


@case()
def io_to_a_unit_that_is_gone_fails_and_its_user_keeps_the_device(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn, lun=1)
    path = target.add_unit(iqn, lun=2)
    daemon = lab.hawserd(net, settings=POLL)
    lab.note_device(daemon.connect(iqn, net.portals))
    device = daemon.device(iqn, net.portals[0], 2)
    lab.note_device(device)
    fd = os.open(device, os.O_RDONLY)
    try:
        remove_unit(target, iqn, 2)
        wait_until(lambda: "the device stays because it is in use" in daemon.log(), "the event", 20)
        failed = run(
            ["dd", f"if={device}", "of=/dev/null", "bs=4096", "count=1", "iflag=direct"],
            check=False, timeout=10,
        )  # fmt: skip
        true(failed.code != 0, "a read fails")
        links = [daemon.by_path(iqn, portal, 2) for portal in net.portals]
        same([os.path.exists(link) for link in links].count(True), 1, "links of the path that stays")
        same(len(daemon.rows("map")), 2, "maps")
        # what was taken away by mistake comes back
        target.add_unit(iqn, lun=2, path=path)
        daemon.wait_for_paths(4)
        same(daemon.device(iqn, net.portals[0], 2), device, "the device")
        touch_again = run(
            ["dd", f"if={device}", "of=/dev/null", "bs=4096", "count=1", "iflag=direct"], timeout=10
        )
        same(touch_again.code, 0, "a read after it is back")
        remove_unit(target, iqn, 2)
    finally:
        os.close(fd)
    wait_until_gone(daemon, iqn, net.portals[0], 2)
    daemon.logout(iqn)


@case()
def another_unit_under_the_same_number_is_another_device(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn, lun=1)
    target.add_unit(iqn, lun=2)
    daemon = lab.hawserd(net, settings=NO_POLL)
    lab.note_device(daemon.connect(iqn, net.portals[:1]))
    device = daemon.device(iqn, net.portals[0], 2)
    lab.note_device(device)
    before = {row["name"] for row in daemon.rows("map")}
    remove_unit(target, iqn, 2)
    tid = target.ids[iqn]
    target.add_unit(iqn, lun=2, size_mib=48)
    target.admin(
        "update", "logicalunit", "--tid", tid, "--lun", 2,
        "--params", f"scsi_id=OTHER {tid},scsi_sn=other{tid}",
    )  # fmt: skip
    daemon.iscsiadm("-m session -R")
    wait_until(
        lambda: os.path.exists(daemon.by_path(iqn, net.portals[0], 2))
        and run(["blockdev", "--getsize64", daemon.device(iqn, net.portals[0], 2)]).out.strip()
        == str(48 << 20),
        "the new unit", 20,
    )  # fmt: skip
    lab.note_device(daemon.device(iqn, net.portals[0], 2))
    after = {row["name"] for row in daemon.rows("map")}
    same((len(after), len(before & after)), (2, 1), "maps")
    daemon.logout(iqn)


@case()
def manual_scanning_takes_new_units_only_when_asked(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn, lun=1)
    daemon = lab.hawserd(net, settings=POLL, conf={"node.session.scan": "manual"})
    portal = net.portals[0]
    daemon.discover(portal)
    daemon.login(iqn)
    same(daemon.rows("map"), [], "maps after the login")
    daemon.iscsiadm("-m session -R")
    device = daemon.device(iqn, portal)
    lab.note_device(device)
    target.add_unit(iqn, lun=2)
    touch(device)
    wait_until(lambda: "(3f/0e)" in daemon.log(), "the target's word", 10)
    portal.reset_connections()
    wait_until(lambda: daemon.log().count("logged in to") == 2, "a new login", 15)
    daemon.wait_for_paths(1)
    same(len(daemon.rows("map")), 1, "maps after a new login")
    daemon.iscsiadm("-m session -R")
    lab.note_device(daemon.device(iqn, portal, 2))
    daemon.logout(iqn)
