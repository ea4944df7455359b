# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Two hosts at one unit, and who of them may write: persistent reservations over all paths."""

import errno
import json
import mmap
import os
import threading
import time

from harness.cases import case
from harness.commands import contains, run, same, true, wait_until
from harness.fake_target import NAME

NO_POLL = {"inventory.poll": "off"}
KEY, PEER = "0xaa0000", "0xbb0000"


def write_block(device, offset=0, byte=b"h"):
    """One block past any cache; the error's number, or 0"""
    fd = os.open(device, os.O_WRONLY | os.O_DIRECT | os.O_DSYNC)
    block = mmap.mmap(-1, 4096)
    try:
        block.write(byte * 4096)
        os.pwrite(fd, block, offset)
    except OSError as why:
        return why.errno
    finally:
        os.close(fd)
    return 0


def read_block(device, offset=0):
    """The bytes of a block past any cache, or the error's number"""
    fd = os.open(device, os.O_RDONLY | os.O_DIRECT)
    block = mmap.mmap(-1, 4096)
    try:
        os.preadv(fd, [block], offset)
        return bytes(block)
    except OSError as why:
        return why.errno
    finally:
        os.close(fd)


def name_of(daemon):
    return json.loads(daemon.hawser("maps --json").out)["maps"][0]["name"]


def pr(daemon, words, code=0):
    """hawser pr COMMAND MAP …; the map is put in its place"""
    command, *rest = words.split()
    return daemon.hawser(["pr", command, name_of(daemon), *rest], code=code)


def facts(daemon):
    shown = json.loads(pr(daemon, "show --json").out)
    return {row["property"]: row["value"] for row in shown["reservation"]}


def keys(daemon):
    shown = json.loads(pr(daemon, "keys --json").out)
    return sorted(row["key"] for row in shown["registrants"])


class Cluster:
    """Two hosts at one target; fake: the scripted one, else tgt. Each is connected through all portals."""

    def __init__(self, lab, fake=False, groups=(1, 1), **options):
        lab.needs_block_devices()
        self.net = lab.two_links()
        if fake:
            self.target, self.iqn = lab.fake_target(self.net, groups), NAME
        else:
            self.target = lab.target(self.net)
            self.iqn = self.target.add()
            self.target.add_unit(self.iqn)
        self.lun = 0 if fake else 1
        self.hosts, self.devices = [], []
        for name in ("one", "two"):
            options.setdefault("settings", NO_POLL)
            host = lab.hawserd(
                self.net, initiator=f"iqn.2024-05.org.example.hawser:{name}", **options
            )
            for portal in self.net.portals:
                host.discover(portal)
            host.login(self.iqn)
            device = host.device(self.iqn, self.net.portals[0], self.lun)
            lab.note_device(device)
            host.wait_for_paths(2)
            self.hosts.append(host)
            self.devices.append(device)

    def register(self):
        one, two = self.hosts
        pr(one, f"register {KEY}")
        pr(two, f"register {PEER}")
        same(keys(one), [KEY, KEY, PEER, PEER], "keys")

    def end(self):
        for host in self.hosts:
            host.logout(self.iqn)


def fence_each_other(cluster, kind, abort):
    (one, two), (first, second) = cluster.hosts, cluster.devices
    cluster.register()
    pr(one, f"reserve {kind}")
    same(pr(two, f"reserve {kind}", code=34).code, 34, "the second reservation")
    same([write_block(first), write_block(second)], [0, 0], "both are registered, and write")

    contains(pr(one, "preempt " + KEY, code=7).err, "this host itself", "no host preempts itself")
    pr(two, f"preempt {KEY}{abort}")
    same(write_block(first), errno.EBADE, "the loser's write")
    same(write_block(second, byte=b"w"), 0, "the winner's write")
    same(keys(two), [PEER, PEER], "keys")
    wait_until(lambda: facts(one)["state"] == "lost", "the loser knows", 10)
    if kind.startswith("we"):
        true(read_block(first) == b"w" * 4096, "the loser may read")
    else:
        same(read_block(first), errno.EBADE, "the loser's read")
    same(facts(two)["holds the reservation"], "yes", "who holds it")

    # whatever comes and goes, the loser stays out
    for portal in cluster.net.portals:
        portal.reset_connections()
    # (a nexus of tgt is one session: it keeps the keys of those that were, too)
    wait_until(lambda: one.active_paths() == 2 and two.active_paths() == 2, "all paths", 30)
    same(write_block(first), errno.EBADE, "the loser's write over new sessions")
    same(set(keys(two)), {PEER}, "keys")
    one.crash()
    one.start()
    one.wait_for_paths(2)
    same(facts(one)["state"], "lost", "after a restart")
    same(write_block(first), errno.EBADE, "the loser's write after a restart")
    pr(two, "release")
    same(write_block(first), errno.EBADE, "the loser's write, although the unit would take it")

    # until somebody lets it in again
    pr(one, f"register {KEY}")
    same(write_block(first), 0, "a write of who is registered again")
    pr(one, "unregister")
    pr(two, "unregister")
    same(keys(one), [], "keys")
    cluster.end()


@case(limit_s=120)
def two_hosts_fence_each_other_at_tgt(lab):
    # tgt has no PREEMPT AND ABORT
    fence_each_other(Cluster(lab), "we-ro", "")


@case(limit_s=120, sanitized=True)
def two_hosts_fence_each_other_by_write_exclusive(lab):
    fence_each_other(Cluster(lab, fake=True), "we-ro", " --abort")


@case(limit_s=120)
def two_hosts_fence_each_other_by_exclusive_access(lab):
    fence_each_other(Cluster(lab, fake=True), "ea-ro", " --abort")


@case(limit_s=120)
def new_and_returning_paths_are_registered_before_they_carry(lab):
    """The other host's reservation refuses whatever comes over a path that is not registered."""
    cluster = Cluster(lab)
    (one, two), (first, _) = cluster.hosts, cluster.devices
    portals = cluster.net.portals
    one.logout(cluster.iqn, portals[1])
    pr(one, f"register {KEY}")
    pr(two, f"register {PEER}")
    pr(two, "reserve ea-ro")
    oracle = lab.oracle(first, depth=8, size=16)
    one.login(cluster.iqn, portals[1])
    one.wait_for_paths(2)
    same(keys(one), [KEY, KEY, PEER, PEER], "keys")
    for fault in ("killed", "blocked"):
        for portal in portals:
            portal.lose(fault)
            wait_until(lambda: one.active_paths() == 1, "one path", 30)
            time.sleep(0.2)
            portal.restore()
            one.wait_for_paths(2)
            oracle.check_running()
    one.crash()
    one.start()
    one.wait_for_paths(2)
    same(facts(one)["registered paths"], "2", "registered paths")
    true(oracle.stop()["writes"] > 0, "the oracle did work")
    pr(one, "unregister")
    pr(two, "clear --force")
    cluster.end()


@case(limit_s=120)
def a_host_that_was_fenced_while_its_daemon_was_dead_stays_out(lab):
    cluster = Cluster(lab, fake=True)
    (one, two), (first, _) = cluster.hosts, cluster.devices
    cluster.register()
    pr(one, "reserve we-ro")
    one.crash()
    ended = []
    writer = threading.Thread(target=lambda: ended.append(write_block(first)))
    writer.start()
    pr(two, f"preempt {KEY} --abort")
    one.start()
    writer.join(60)
    same(ended, [errno.EBADE], "the write that waited for the daemon")
    same(keys(two), [PEER, PEER], "keys")
    pr(one, "unregister")
    pr(two, "unregister")
    cluster.end()


@case(limit_s=120)
def a_reservation_is_released_when_its_path_is_gone(lab):
    cluster = Cluster(lab, groups=(1, 2), fake=True)
    (one, two), (first, _) = cluster.hosts, cluster.devices
    for words in ("", " --per-path"):
        pr(one, f"register {KEY}{words}")
        pr(two, f"register {PEER}")
        pr(one, "reserve we-ro")
        oracle = lab.oracle(first, depth=8, size=16)
        portal = cluster.net.portals[0]
        portal.lose("blocked")
        wait_until(lambda: one.active_paths() == 1, "one path", 30)
        pr(one, "release")
        same(facts(two)["reservation"], "none", "the reservation")
        portal.restore()
        one.wait_for_paths(2)
        two.wait_for_paths(2)
        same(facts(one)["registered paths"], "2", "registered paths")
        oracle.stop()
        pr(one, "unregister")
        pr(two, "unregister")
        same(keys(two), [], "keys")
    cluster.end()


@case(limit_s=120)
def a_lost_paths_write_is_dead_after_preempt_and_abort(lab):
    """Two portal groups, so that no other login can end what the lost session left."""
    cluster = Cluster(
        lab, fake=True, groups=(1, 2),
        settings={**NO_POLL, "multipath.integrity": "shared", "multipath.guard_timeout": "never"},
    )  # fmt: skip
    (one, two), (first, _) = cluster.hosts, cluster.devices
    pr(one, f"register {KEY} --per-path")
    pr(two, f"register {PEER}")
    pr(one, "reserve we-ro")
    same(keys(one), ["0xaa0001", "0xaa0002", PEER, PEER], "keys")
    # what it takes next it keeps, and the connection is gone; nobody gets in there again
    for rule in ("login @1 : drop", "login @2 : drop", "command cdb=0x8a #1 : strand", "command cdb=0x2a #1 : strand"):
        cluster.target.say(f"on {rule}")
    time.sleep(0.5)  # it has heard by then
    begin = time.monotonic()
    same(write_block(first, 4096, b"1"), 0, "a write that is sent again")
    took = time.monotonic() - begin
    true(took < 10, f"it took {took:.1f} s")
    contains(one.log(), "PREEMPT AND ABORT", "the journal")
    same(write_block(first, 4096, b"2"), 0, "a later write")
    cluster.target.say("forget\nrelease")
    time.sleep(0.5)
    true(read_block(first, 4096) == b"2" * 4096, "the ghost changes nothing any more")
    one.wait_for_paths(2)
    same(keys(one), ["0xaa0001", "0xaa0002", PEER, PEER], "keys when it is back")
    pr(one, "unregister")
    pr(two, "unregister")
    cluster.end()


@case()
def a_key_of_the_configuration_is_this_hosts_while_the_unit_has_it(lab):
    settings = {**NO_POLL, "multipath.reservation_key": KEY}
    cluster = Cluster(lab, fake=True, settings=settings)
    one, _ = cluster.hosts
    same(facts(one)["state"], "unregistered", "nothing is registered by itself")
    pr(one, "register")
    same(keys(one), [KEY, KEY], "keys")
    one.logout(cluster.iqn)
    # as if the host had been booted: nothing in /run
    one.stop()
    run(["rm", "-rf", os.path.join(one.run_dir, "reservations")])
    one.start()
    one.login(cluster.iqn)
    one.wait_for_paths(2)
    same(facts(one)["state"], "registered", "the unit still has the key")
    same(facts(one)["registered paths"], "2", "registered paths")
    pr(one, "unregister")
    cluster.end()
