# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""hawserd dies or is restarted while its block device is in use: a pause and nothing else."""

import os
import statistics
import time

from harness.cases import case
from harness.commands import contains, run, same, true, wait_until


def device_on_two_paths(lab, net=None, **options):
    """(target, iqn, daemon, device, network)"""
    lab.needs_block_devices()
    net = net or lab.two_links()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn, size_mib=96)
    daemon = lab.hawserd(net, **options)
    device = daemon.connect(iqn, net.portals)
    lab.note_device(device)
    daemon.wait_for_paths(2)
    return target, iqn, daemon, device, net


def longest_ms(oracle):
    """of its requests since the last call"""
    taken = oracle.take()
    return max(taken["longest_read_ms"], taken["longest_write_ms"])


def pauses_text(pauses):
    return f"{len(pauses)} pauses: median {statistics.median(pauses):.0f} ms, longest {max(pauses):.0f} ms"


def end(iqn, daemon, device, net):
    same(daemon.device(iqn, net.portals[0]), device, "the device is the same one")
    daemon.logout(iqn)
    true(not os.path.exists(daemon.by_path(iqn, net.portals[0])), "the links are gone")
    keeper = daemon.keeper()
    daemon.stop()
    if keeper:
        wait_until(lambda: daemon.keeper() is None, "the keeper has nothing left to keep", 10)


@case(limit_s=300)
def killed_at_random_moments_under_load(lab):
    _, iqn, daemon, device, net = device_on_two_paths(lab)
    oracle = lab.oracle(device, depth=16, size=32, zeroes=True)
    fio = lab.fio(device, size_mib=24, seconds=1000, extra=["--offset=64M"])
    pauses = []
    for _ in range(lab.kills or 15):
        time.sleep(lab.random.uniform(0.1, 1.0))
        oracle.take()
        daemon.crash()
        daemon.start()
        daemon.wait_for_paths(2)
        oracle.check_running()
        fio.check_running()
        pauses.append(longest_ms(oracle))
    true(fio.stop()["verified_bytes"] > 0, "fio did work")
    true(oracle.stop()["writes"] > 0, "the oracle did work")
    print(f"      {pauses_text(pauses)}")
    end(iqn, daemon, device, net)


@case(limit_s=120, sanitized=True)
def killed_under_a_mounted_file_system(lab):
    _, iqn, daemon, device, net = device_on_two_paths(lab)
    mount = lab.mount(device)
    load = lab.fio(f"{mount.folder}/load", size_mib=32)
    for _ in range(3):
        time.sleep(0.5)
        daemon.crash()
        time.sleep(0.3)
        daemon.start()
        load.check_running()
    daemon.wait_for_paths(2)
    load.stop()
    mount.unmount()
    run(["e2fsck", "-f", "-n", device])
    end(iqn, daemon, device, net)


@case(limit_s=120, sanitized=True)
def restarted_in_an_orderly_way_while_in_use(lab):
    _, iqn, daemon, device, net = device_on_two_paths(lab)
    oracle = lab.oracle(device, depth=8, size=32)
    pauses = []
    for _ in range(min(lab.kills or 5, 20)):
        time.sleep(0.3)
        oracle.take()
        daemon.restart()
        daemon.wait_for_paths(2)
        oracle.check_running()
        pauses.append(longest_ms(oracle))
    print(f"      {pauses_text(pauses)}")
    oracle.stop()
    end(iqn, daemon, device, net)


@case(limit_s=120)
def a_unit_beside_one_in_use_does_not_hold_up_a_stop(lab):
    lab.needs_block_devices()
    net = lab.two_links()
    target = lab.target(net)
    iqn = target.add()
    for lun in (1, 2):
        target.add_unit(iqn, lun=lun)
    daemon = lab.hawserd(net)
    device = daemon.connect(iqn, net.portals)
    for lun in (1, 2):
        lab.note_device(daemon.device(iqn, net.portals[0], lun))
    daemon.wait_for_paths(4)
    mount = lab.mount(device)
    daemon.stop(timeout=10)
    daemon.start()
    daemon.wait_for_paths(4)
    mount.unmount()
    end(iqn, daemon, device, net)


@case(limit_s=120)
def killed_while_all_paths_are_down(lab):
    _, iqn, daemon, device, net = device_on_two_paths(lab)
    oracle = lab.oracle(device, depth=8, size=32)
    time.sleep(0.5)
    for portal in net.portals:
        portal.lose("blocked")
    daemon.wait_for_paths(0)
    for _ in range(10):
        daemon.crash()
        daemon.start()
        oracle.check_running()
    for portal in net.portals:
        portal.restore()
    daemon.wait_for_paths(2, timeout=60)
    oracle.stop()
    end(iqn, daemon, device, net)


@case(limit_s=120)
def a_portal_that_stays_away_does_not_hold_up_the_rest(lab):
    """Both portals are of one group: what the dead process had at the lost one is ended through the
    other, and the requests go on."""
    _, iqn, daemon, device, net = device_on_two_paths(lab)
    oracle = lab.oracle(device, depth=8, size=32)
    time.sleep(0.5)
    daemon.crash()
    net.portals[1].lose("blocked")
    daemon.start()
    daemon.wait_for_paths(1)
    oracle.take()
    time.sleep(2)
    taken = oracle.take()
    true(taken["reads"] > 0 and taken["writes"] > 0, f"I/O goes on over one path: {taken}")
    net.portals[1].restore()
    daemon.wait_for_paths(2, timeout=60)
    oracle.stop()
    end(iqn, daemon, device, net)


@case(limit_s=60)
def another_unit_behind_the_same_name_gets_nothing(lab):
    target, iqn, daemon, device, net = device_on_two_paths(lab)
    run(["dd", "if=/dev/urandom", f"of={device}", "bs=1M", "count=4", "oflag=direct"])
    daemon.crash()
    target.kill()
    other = lab.target(net)
    other.add("disk")
    other.add_unit(iqn, size_mib=96)  # as large, and another one
    daemon.start()
    wait_until(lambda: "another unit" in daemon.log() or len(daemon.rows("map")) > 1,
               "the other unit is seen for what it is", 30)  # fmt: skip
    same([m["name"] for m in daemon.rows("map") if m.get("device") == device and m["state"] == "ok"],
         [], "nothing of the old device leads to the other unit")  # fmt: skip


@case(limit_s=60)
def without_a_keeper_the_device_is_taken_away(lab):
    _, iqn, daemon, device, net = device_on_two_paths(lab)
    daemon.crash()
    daemon.kill_keeper()
    daemon.start()
    contains(daemon.log(), "its device is lost", "hawserd says what happened")
    run(["dd", f"if={device}", "of=/dev/null", "bs=4k", "count=1"], check=False)
    daemon.login(iqn)
    daemon.wait_for_paths(2)
    daemon.logout(iqn)


@case(limit_s=60)
def a_keeper_that_dies_is_replaced(lab):
    target, iqn, daemon, device, net = device_on_two_paths(lab)
    daemon.kill_keeper()
    target.add_unit(iqn, lun=2, size_mib=16)
    for sid in daemon.session_ids():
        daemon.iscsiadm(f"-m session -r {sid} --rescan")
    wait_until(lambda: len(daemon.rows("map")) == 2, "the second unit", 20)
    wait_until(daemon.keeper, "another keeper", 10)
    oracle = lab.oracle(device, depth=4, size=16)
    time.sleep(0.3)
    daemon.crash()
    daemon.start()
    daemon.wait_for_paths(4)
    oracle.stop()
    daemon.logout(iqn)
