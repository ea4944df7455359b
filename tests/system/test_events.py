# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""What happens is told once and the same: by hawser events, on D-Bus, and in the journal with its fields."""

import json
import shutil
import subprocess

from harness.cases import case
from harness.commands import Skip, contains, run, same, true, wait_until
from harness.journal import Journal


def start(lab, **options):
    """(network, target's name, daemon with two paths)"""
    network = lab.two_links()
    target = lab.target(network)
    iqn = target.add()
    target.add_unit(iqn)
    daemon = lab.hawserd(network, **options)
    for portal in network.portals:
        daemon.discover(portal)
    daemon.login(iqn)
    daemon.wait_for_paths(2)
    lab.note_device(daemon.device(iqn, network.portals[0]))
    return network, iqn, daemon


def events(daemon, words=""):
    return json.loads(daemon.hawser(f"events --json {words}").out)["events"]


def of_kind(daemon, kind, words=""):
    return [each for each in events(daemon, words) if each["event"] == kind]


def lose_one(network, daemon, fault="killed"):
    """Returns the events that it made, once the path is back."""
    last = events(daemon)[-1]["sequence"]
    network.portals[1].lose(fault)
    wait_until(lambda: of_kind(daemon, "session-lost", f"--since {last}"), "the loss is told", 20)
    network.portals[1].restore()
    daemon.wait_for_paths(2)
    return events(daemon, f"--since {last}")


@case(limit_s=90, sanitized=True)
def a_lost_path_is_told_with_all_its_fields(lab):
    network, iqn, daemon = start(lab)
    portal = network.portals[1]
    told = lose_one(network, daemon)
    lost = next(each for each in told if each["event"] == "session-lost")
    same(lost["target"], iqn, "target")
    same(lost["portal"], str(portal), "portal")
    same(lost["verdict"], "FAILP", "verdict")
    true(lost["reason"] and lost["sid"] > 0, f"reason and session: {lost}")
    path = next(each for each in told if each["event"] == "path-changed" and each["state"] == "down")
    same(path["old_state"], "active", "the state before")
    same(path["portal"], str(portal), "portal of the path")
    same(path["numbers"]["usable"], 1, "usable paths")
    same(path["numbers"]["paths"], 2, "all paths")
    true(path["map"] and path["path"].startswith("p"), f"map and path: {path}")
    contains(path["object"], path["path"], "the object's path")
    states = [each["state"] for each in told if each["event"] == "map-changed"]
    same((states[0], states[-1]), ("degraded", "ok"), "states of the map")
    numbers = [each["sequence"] for each in told]
    same(numbers, list(range(numbers[0], numbers[0] + len(numbers))), "numbers without a hole")
    clocks = [(each["when_us"], each["monotonic"]) for each in told]
    same(clocks, sorted(clocks), "times")


@case(limit_s=90)
def the_same_can_be_read_on_the_bus(lab):
    if not shutil.which("busctl"):
        raise Skip("no busctl here")
    network, iqn, daemon = start(lab)
    lose_one(network, daemon)
    told = run(["busctl", f"--address=unix:path={daemon.run_dir}/bus", "--json=short", "call", "org.hawser1",
                "/org/hawser1", "org.hawser1.Manager", "GetEvents", "tua{sv}", "0", "0", "1",
                "target", "s", iqn])  # fmt: skip
    got = json.loads(told.out)["data"][0]
    same([(each[1], each[3]) for each in got],
         [(each["event"], each["text"]) for each in events(daemon, f"--target {iqn}")], "events")  # fmt: skip


@case(limit_s=90)
def the_journal_has_the_fields(lab):
    journal = lab.keep(Journal(lab.folder))
    network, iqn, daemon = start(lab, journal=journal)
    lose_one(network, daemon)
    shown = events(daemon)
    wait_until(lambda: len(journal.events()) >= len(shown), "every event is a line", 10)
    for line, event in zip(journal.events(), shown):
        same(line["MESSAGE"], event["text"], "the line")
        same(line["ISCSI_EVENT"], event["event"], "the kind")
        same(line["MESSAGE_ID"], event["message_id"], "MESSAGE_ID")
        same(line["ISCSI_SEQUENCE"], str(event["sequence"]), "the number")
        for field, key in (("TARGET", "target"), ("PORTAL", "portal"), ("MAP", "map"), ("PATH", "path"),
                           ("REASON", "reason"), ("VERDICT", "verdict"), ("STATE", "state")):  # fmt: skip
            same(line.get(f"ISCSI_{field}"), event.get(key), field)
        for name, number in event.get("numbers", {}).items():
            same(line[f"ISCSI_{name.upper().replace('-', '_')}"], str(number), name)


@case(limit_s=120)
def a_flapping_path_does_not_fill_the_log(lab):
    network, _, daemon = start(lab)
    for _ in range(14):
        network.portals[1].reset_connections()
        count = len(of_kind(daemon, "session-lost"))
        wait_until(lambda: len(of_kind(daemon, "session-lost")) > count or daemon.active_paths() == 2,
                   "it is back", 20)  # fmt: skip
    wait_until(lambda: len(of_kind(daemon, "session-lost")) >= 12, "resets were seen", 20)
    lost = len(of_kind(daemon, "session-lost"))
    written = daemon.log().count("lost the connection")
    same(written, 10, f"lines for {lost} losses")
    daemon.stop()
    contains(daemon.log(), f"{lost - 10} more events 'session-lost'", "the others are counted")


@case(limit_s=90)
def a_route_that_is_gone_fails_its_path(lab):
    network, iqn, daemon = start(lab)
    net = network.portals[1].address.rsplit(".", 1)[0]
    network.initiator_side.ip("route", "del", f"{net}.0/24")
    wait_until(lambda: of_kind(daemon, "route-gone"), "it is told", 5)
    wait_until(lambda: daemon.active_paths() == 1, "the path is failed", 5)
    same(of_kind(daemon, "route-gone")[0]["portal"], str(network.portals[1]), "whose route")
    network.initiator_side.ip("route", "add", f"{net}.0/24", "dev", network.portals[1].link)
    daemon.wait_for_paths(2)


@case(limit_s=60)
def events_can_be_followed(lab):
    network, iqn, daemon = start(lab)
    last = events(daemon)[-1]["sequence"]
    follower = subprocess.Popen(
        [daemon.build.hawser, "events", "--follow", "--json", "--since", str(last)],
        env={**daemon.environment, "LC_ALL": "C.UTF-8"}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        told = lose_one(network, daemon)
        got = [json.loads(follower.stdout.readline()) for _ in told]
        same([each["sequence"] for each in got], [each["sequence"] for each in told], "what was followed")
    finally:
        follower.kill()
        follower.wait(20)
        follower.stdout.close()
