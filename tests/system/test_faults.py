# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Portals fail and return under load; no request may fail and no byte may differ."""

import time

from harness.cases import case
from harness.commands import Skip, run, same, true


def mounted_on_two_paths(lab, net, size_mib=128, conf=None):
    """(target, iqn, daemon, mount)"""
    lab.needs_block_devices()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn, size_mib=size_mib)
    daemon = lab.hawserd(net, conf=conf)
    device = daemon.connect(iqn, net.portals)
    daemon.wait_for_paths(2)
    return target, iqn, daemon, lab.mount(device)


def lose_and_return(daemon, portal, fault, load, down_s):
    """One portal goes, the other carries on; it comes back and is used again."""
    portal.lose(fault)
    daemon.wait_for_paths(1)
    time.sleep(down_s)
    load.check_running()
    portal.restore()
    daemon.wait_for_paths(2)
    load.check_running()


def finish(iqn, daemon, mount, load):
    totals = load.stop()
    true(totals["written_bytes"] > 0 and totals["verified_bytes"] > 0, f"fio did work: {totals}")
    device = mount.device
    mount.unmount()
    run(["e2fsck", "-f", "-n", device])
    daemon.logout(iqn)
    return totals


def one_of_each(lab, net):
    _, iqn, daemon, mount = mounted_on_two_paths(lab, net)
    load = lab.fio(f"{mount.folder}/load")
    time.sleep(1)
    for portal in net.portals:
        for fault in portal.faults():
            lose_and_return(daemon, portal, fault, load, down_s=0.5)
    true("was ended through another portal" in daemon.log(), "writes in doubt were fenced meanwhile")
    true("guarded no more" not in daemon.log(), "and none was left to time")
    finish(iqn, daemon, mount, load)


@case(limit_s=240, sanitized=True)
def each_portal_fails_in_each_way_over_two_links(lab):
    one_of_each(lab, lab.two_links())


@case(limit_s=180)
def each_portal_fails_in_each_way_over_loopback(lab):
    one_of_each(lab, lab.loopback())


@case(limit_s=400)
def ten_failures_in_random_order_cost_no_error_and_no_byte(lab):
    net = lab.two_links()
    _, iqn, daemon, mount = mounted_on_two_paths(lab, net)
    load = lab.fio(f"{mount.folder}/load", depth=16)
    time.sleep(1)
    for _ in range(10):
        portal = lab.random.choice(net.portals)
        fault = lab.random.choice(portal.faults())
        lose_and_return(daemon, portal, fault, load, down_s=lab.random.uniform(0.2, 1.5))
    finish(iqn, daemon, mount, load)


@case(limit_s=180, sanitized=True)
def connections_reset_at_random_cost_no_error(lab):
    """Both portals are reset again and again, sometimes at once; every login succeeds."""
    net = lab.two_links()
    _, iqn, daemon, mount = mounted_on_two_paths(lab, net)
    load = lab.fio(f"{mount.folder}/load")
    for _ in range(15):
        for portal in lab.random.sample(net.portals, lab.random.choice((1, 1, 2))):
            portal.reset_connections()
        time.sleep(lab.random.uniform(0.05, 0.8))
        load.check_running()
    daemon.wait_for_paths(2)
    finish(iqn, daemon, mount, load)


@case(limit_s=240)
def all_portals_down_for_20_seconds_and_back(lab):
    net = lab.two_links()
    _, iqn, daemon, mount = mounted_on_two_paths(lab, net)
    load = lab.fio(f"{mount.folder}/load")
    meter = lab.pause_meter(f"{mount.folder}/pauses")
    time.sleep(1)
    for portal, fault in zip(net.portals, lab.random.sample(net.portals[0].faults(), 2)):
        portal.lose(fault)
    daemon.wait_for_paths(0)
    time.sleep(20)
    load.check_running()
    for portal in net.portals:
        portal.restore()
    daemon.wait_for_paths(2, timeout=60)
    waited = meter.stop()
    same(waited["errors"], 0, "errors of single writes")
    true(waited["longest_ms"] > 15000, f"requests waited through the outage: {waited}")
    finish(iqn, daemon, mount, load)


@case(limit_s=120)
def a_reset_costs_less_than_a_second(lab):
    """design budget: 50 ms for a reset; a busy test machine gets some more."""
    net = lab.two_links()
    _, iqn, daemon, mount = mounted_on_two_paths(lab, net)
    if lab.build.sanitizer:
        raise Skip("a sanitizer's build is no measure of time")
    meter = lab.pause_meter(f"{mount.folder}/pauses")
    time.sleep(1)
    meter.take()
    for portal in net.portals:
        portal.lose("killed")
        time.sleep(2)
        portal.restore()
        daemon.wait_for_paths(2)
    taken = meter.stop()
    same(taken["errors"], 0, "errors of single writes")
    true(taken["longest_ms"] < 1000, f"longest pause: {taken}")
    mount.unmount()
    daemon.logout(iqn)


@case(limit_s=120)
def with_no_path_for_too_long_requests_fail_and_nothing_hangs(lab):
    net = lab.loopback()
    lab.needs_block_devices()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn)
    daemon = lab.hawserd(net, settings={"multipath.no_path_retry": "3"})
    device = daemon.connect(iqn, net.portals)
    lab.note_device(device)
    for portal in net.portals:
        portal.lose("killed")
    failed = run(
        ["dd", "if=/dev/zero", f"of={device}", "bs=4k", "count=1", "oflag=direct"],
        check=False,
        timeout=90,
    )
    true(failed.code != 0, "a write with no path left ends with an error")
    for portal in net.portals:
        portal.restore()
    daemon.wait_for_paths(2)
    run(["dd", "if=/dev/zero", f"of={device}", "bs=4k", "count=1", "oflag=direct"])
    daemon.logout(iqn)
