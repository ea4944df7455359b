# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Against LIO, the kernel's own target: what it settles for, CHAP, digests, sizes, lost paths, reservations."""

import glob
import json
import os
import time

from guest import lio, network
from guest.cases import case
from guest.guest import TARGET
from guest.network import PORTALS
from harness.commands import contains, run, same, true
from harness.load import Fio, Oracle

# As much as a target may want, so that the initiator's offers decide.
GENEROUS = {
    "InitialR2T": "No",
    "ImmediateData": "Yes",
    "HeaderDigest": "CRC32C,None",
    "DataDigest": "CRC32C,None",
    "FirstBurstLength": 16777215,
    "MaxBurstLength": 16777215,
    "MaxRecvDataSegmentLength": 1048576,
    "MaxOutstandingR2T": 8,
}
DIGESTS = {"HeaderDigest": "CRC32C", "DataDigest": "CRC32C"}
CHAP = {"userid": "initiator", "password": "a-secret-of-16-b"}
MUTUAL = {**CHAP, "userid_mutual": "target", "password_mutual": "another-of-18-byte"}
OURS = {"authmethod": "CHAP", "username": CHAP["userid"], "password": CHAP["password"]}
THEIRS = {"username_in": MUTUAL["userid_mutual"], "password_in": MUTUAL["password_mutual"]}


@case(limit_s=900)
def combinations_of_keys_move_every_byte(guest):
    """Those with small bursts are left to tgt: an emulated processor takes its time for each R2T."""
    guest.target(units=[{"ram_mib": 32}], parameters=GENEROUS)
    for lengths in (0, 4):
        words = f"--portal {PORTALS[0]}:3260 --target {TARGET} --lun 0 --lengths {lengths} --patience 300"
        done = run([guest.program("transfers"), *words.split()], timeout=440)
        contains(done.out, "16 combinations", "how many were tried")


def try_login(guest, **settings):
    """Discover anew, with these settings; the exit status of the login"""
    guest.iscsiadm(f"-m node -T {TARGET} -o delete", check=False)
    guest.discover(PORTALS[0])
    for name, value in settings.items():
        guest.set(name, value)
    done = guest.iscsiadm(f"-m node -T {TARGET} -p {PORTALS[0]} -l", check=False)
    if done.code == 0:
        guest.logout()
    return done.code


@case(limit_s=120)
def chap_opens_the_door_and_a_wrong_secret_does_not(guest):
    guest.target(attributes={"authentication": 1}, auth=CHAP)
    guest.start_hawserd()
    same(try_login(guest, **OURS), 0, "the right secret")
    same(try_login(guest, **OURS | {"password": "not-the-right-one"}), 24, "a wrong one")
    true(try_login(guest) != 0, "no way in without one")  # LIO hangs up on who offers none


@case(limit_s=120)
def mutual_chap_wants_the_target_to_prove_itself(guest):
    guest.target(attributes={"authentication": 1}, auth=MUTUAL)
    guest.start_hawserd()
    same(try_login(guest, **OURS, **THEIRS), 0, "both prove themselves")
    wrong = THEIRS | {"password_in": "not-what-it-knows"}
    true(try_login(guest, **OURS, **wrong) != 0, "a target that cannot prove itself is not logged in to")


@case(limit_s=240)
def every_size_of_transfer_arrives_with_digests(guest):
    guest.target(units=[{"disk": "unit0"}], parameters=DIGESTS)
    guest.start_hawserd()
    device = guest.connect(header_digest="CRC32C", data_digest="CRC32C")
    contains(guest.iscsiadm("-m session -P 2").out, "HeaderDigest: CRC32C", "what was settled")
    for size in ("4k", "12k", "64k", "260k", "1m", "16m"):
        run(["fio", "--name=size", f"--filename={device}", f"--bs={size}", "--size=64m", "--rw=write",
             f"--io_size={'4m' if size in ('4k', '12k') else '64m'}", "--direct=1", "--ioengine=libaio",
             "--iodepth=8", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0"], timeout=120)  # fmt: skip
    run(["udevadm", "settle"])
    guest.logout()


@case(limit_s=240)
def a_cable_is_pulled_and_no_request_fails(guest):
    guest.target(units=[{"disk": "unit0"}])
    guest.start_hawserd()
    device = guest.connect()
    guest.wait_for_paths(2)
    oracle = Oracle(guest.program("oracle"), device, "/var/tmp/oracle.log", {"depth": 8, "size": 8})
    guest.undo.append(oracle.program.kill)
    for cable in network.CABLES:
        network.cut(cable)
        guest.wait_for_paths(1)
        time.sleep(2)
        oracle.check_running()
        network.mend(cable)
        guest.wait_for_paths(2, timeout=60)
    totals = oracle.stop()
    true(totals["writes"] > 0 and totals["reads"] > 0, f"it did work: {totals}")
    run(["udevadm", "settle"])
    guest.logout()


@case(limit_s=240)
def a_target_that_restarts_is_waited_for(guest):
    image = "/var/tmp/image"
    guest.undo.append(lambda: os.unlink(image))
    described = guest.target(units=[{"file": image, "mib": 64}])
    guest.start_hawserd()
    device = guest.connect()
    guest.wait_for_paths(2)
    fio = Fio(device, "/var/tmp/fio.log", size_mib=32, depth=8)
    guest.undo.append(fio.program.kill)
    time.sleep(2)
    lio.remove_all()
    guest.wait_for_paths(0)
    time.sleep(3)
    lio.create(described)
    guest.wait_for_paths(2, timeout=60)
    time.sleep(2)
    fio.check_running()
    fio.stop()
    run(["udevadm", "settle"])
    guest.logout()


def access_states(guest):
    """What hawserd has heard of each portal's port group"""
    told = json.loads(guest.hawser("paths --json").out)["paths"]
    return [path["alua_state"] for path in sorted(told, key=lambda path: path["portal"])]


def set_access(guest, *states):
    # in this order, or there is a moment with none, in which hawserd would do something about it
    for number, state in sorted(enumerate(states, 1), key=lambda each: each[1] != "optimized"):
        lio.set_access(number, state)
    guest.wait(lambda: access_states(guest) == list(states), f"port groups {states}", 20)


@case(limit_s=300)
def port_groups_change_and_no_request_fails(guest):
    guest.target(units=[{"disk": "unit0"}], access=["optimized", "standby"])
    guest.start_hawserd()
    device = guest.connect()
    guest.wait(lambda: access_states(guest) == ["optimized", "standby"], "both port groups are known", 20)
    oracle = Oracle(guest.program("oracle"), device, "/var/tmp/oracle.log", {"depth": 8, "size": 8})
    guest.undo.append(oracle.program.kill)
    for _ in range(3):
        set_access(guest, "standby", "optimized")
        time.sleep(1)
        oracle.check_running()
        set_access(guest, "optimized", "unavailable")
        time.sleep(1)
        oracle.check_running()
    # no group is left that does I/O: one is told to (SET TARGET PORT GROUPS)
    for number in (1, 2):
        lio.set_access(number, "standby")
    guest.wait(lambda: "optimized" in (lio.access(1), lio.access(2)), "a group was activated", 30)
    time.sleep(2)
    oracle.check_running()
    totals = oracle.stop()
    true(totals["writes"] > 0 and totals["reads"] > 0, f"it did work: {totals}")
    contains(guest.journal("hawserd"), "was asked to make port group", "what became of it")
    run(["udevadm", "settle"])
    guest.logout()


def reservation(guest, words, code=0):
    """hawser pr COMMAND MAP …; the map is put in its place"""
    command, *rest = words.split()
    (unit,) = json.loads(guest.hawser("maps --json").out)["maps"]
    return run(["hawser", "pr", command, unit["name"], *rest], code=code)


def reservation_facts(guest):
    shown = json.loads(reservation(guest, "show --json").out)
    return {row["property"]: row["value"] for row in shown["reservation"]}


def stranger_reads(guest):
    """An initiator by another name. Return: its exit status"""
    url = f"iscsi://{PORTALS[0]}:3260/{TARGET}/0"
    return run(["timeout", "4", "iscsi-perf", "-i", "iqn.2024-05.org.example.stranger:a", "-m", "1", url], check=False).code


@case(limit_s=120)
def a_reservation_is_written_down_and_keeps_strangers_out(guest):
    """LIO keeps it over its power (APTPL), in a file below /var/target/pr."""
    os.makedirs("/var/target/pr", exist_ok=True)
    guest.target(units=[{"disk": "unit0"}])
    guest.start_hawserd()
    device = guest.connect()
    guest.wait_for_paths(2)
    same(reservation_facts(guest)["APTPL"], "possible", "before")
    same(stranger_reads(guest), 124, "iscsi-perf goes on until it is stopped")
    reservation(guest, "register 0xaa0000 --aptpl")
    reservation(guest, "reserve ea-ro")
    facts = reservation_facts(guest)
    same(facts["APTPL"], "active", "APTPL")
    (store,) = glob.glob(f"{lio.CONFIG}/core/iblock_*/*/pr")
    with open(f"{store}/res_aptpl_active", encoding="ascii") as file:
        contains(file.read(), "Activated", "what LIO says of it")
    written = glob.glob("/var/target/pr/aptpl_*")
    same(len(written), 1, "files in which LIO wrote it down")
    with open(written[0], encoding="ascii") as file:
        text = file.read()
    same(text.count("initiator_fabric=iSCSI"), 2, "both paths are in it")
    same(text.count("res_holder=1"), 1, "and one of them has reserved the unit")
    true(stranger_reads(guest) not in (0, 124), "a stranger is refused")
    # whichever path it takes
    for cable in network.CABLES:
        network.cut(cable)
        guest.wait_for_paths(1)
        run(["dd", "if=/dev/zero", f"of={device}", "bs=1M", "count=4", "oflag=direct"])
        network.mend(cable)
        guest.wait_for_paths(2, timeout=60)
    reservation(guest, "unregister")
    same(stranger_reads(guest), 124, "nobody is kept out any more")
    run(["udevadm", "settle"])
    guest.logout()
