# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""hawserd, its units, its bus policy, polkit actions and udev rules, under what they are made for."""

import os
import signal
import time

from guest.cases import case
from guest.guest import TARGET
from guest.network import PORTALS
from harness.commands import contains, run, same, true

NOBODY = 65534


def complaints(guest):
    """What a unit that may too little makes a daemon say."""
    marks = ("permitted", "Permission denied", "Read-only", "seccomp", "denied")
    return [line for line in guest.journal("hawserd").splitlines() if any(mark in line for mark in marks)]


def process(guest, name):
    """A file of /proc/<hawserd>"""
    with open(f"/proc/{guest.property('hawserd', 'MainPID')}/{name}", encoding="ascii") as file:
        return file.read()


@case(smoke=True)
def the_service_says_when_it_is_ready_and_when_it_ends(guest):
    guest.start_hawserd()
    same(guest.state("hawserd"), "active", "state")
    contains(guest.property("hawserd", "StatusText"), "0 sessions", "status text")
    same(process(guest, "oom_score_adj").strip(), "-1000", "out-of-memory score")
    guest.systemctl("reload hawserd")
    same(guest.state("hawserd"), "active", "state after a reload")
    guest.systemctl("stop hawserd")
    same(guest.property("hawserd", "Result"), "success", "result")
    same(guest.property("hawserd", "NRestarts"), "0", "restarts")
    same(complaints(guest), [], "complaints")


@case()
def the_units_are_in_order(guest):
    told = run(["systemd-analyze", "verify", "--man=no", "hawserd.service", "iscsi.service"])
    same([line for line in told.err.splitlines() if "hawser" in line or "iscsi" in line], [], "complaints")
    guest.systemctl("enable hawserd iscsi")
    try:
        for name in ("dbus-org.hawser1.service", "open-iscsi.service"):
            true(os.path.islink(f"/etc/systemd/system/{name}"), f"{name} is another name of ours")
        same(guest.property("open-iscsi", "Id"), "iscsi.service", "open-iscsi.service")
    finally:
        guest.systemctl("disable hawserd iscsi")


@case(smoke=True)
def a_call_on_the_bus_starts_it(guest):
    guest.systemctl("enable hawserd")
    guest.systemctl("daemon-reload")
    try:
        same(guest.state("hawserd"), "inactive", "state before")
        ping = "call org.hawser1 /org/hawser1 org.freedesktop.DBus.Peer Ping"
        run(["busctl", *ping.split()])
        same(guest.state("hawserd"), "active", "state after")
        seen = run(["busctl", "introspect", "org.hawser1", "/org/hawser1"]).out
        for name in ("org.hawser1.Manager", "org.hawser1.Discovery", ".SendTargets", ".LoginMany"):
            contains(seen, name, "what busctl introspects")
    finally:
        guest.systemctl("disable hawserd")


def call(user, words, code=0):
    return run(["busctl", "call", "org.hawser1", "/org/hawser1", *words.split()], user=user, code=code)


@case(smoke=True)
def everybody_may_read_and_polkit_decides_who_may_change(guest):
    guest.target()
    guest.start_hawserd()
    read = "org.freedesktop.DBus.Properties Get ss org.hawser1.Manager Ready"
    contains(call(NOBODY, read).out, "true", "what anybody may read")
    discover = f"org.hawser1.Discovery SendTargets sqa{{sv}} {PORTALS[0]} 0 0"
    contains(call(NOBODY, discover, code=1).err, "Access denied", "why nobody may not discover")
    rule = "/etc/polkit-1/rules.d/10-test.rules"
    guest.write(rule, 'polkit.addRule(function(action, subject) { if (action.id == "org.hawser1.discover" && '
                'subject.user == "nobody") return polkit.Result.YES; });\n')  # fmt: skip
    os.chmod(rule, 0o644)
    guest.undo.append(lambda: os.unlink(rule))
    time.sleep(1)  # polkit sees the new file
    contains(call(NOBODY, discover).out, TARGET, "what nobody discovers by a rule")
    reload = "org.hawser1.Manager Reload a{sv} 0"
    contains(call(NOBODY, reload, code=1).err, "Access denied", "the rule is for discovery only")
    call(0, reload)


@case(limit_s=120, smoke=True)
def udev_names_the_disk_and_it_holds_a_file_system(guest):
    guest.target()
    guest.start_hawserd()
    device = guest.connect()
    for portal in PORTALS:
        same(os.path.realpath(guest.by_path(portal)), device, f"by-path of {portal}, right after the login")
    run(["udevadm", "settle"])
    known = guest.udev(device)
    by_path = {guest.by_path(portal) for portal in PORTALS}
    true(by_path <= known["links"], f"{by_path} are among udev's {known['links']}")
    by_id = {f"/dev/disk/by-id/scsi-{known['ID_SERIAL']}", f"/dev/disk/by-id/wwn-{known['ID_WWN_WITH_EXTENSION']}"}
    true(by_id <= known["links"], f"{by_id} are among udev's {known['links']}")
    same(known["ID_VENDOR"], "LIO-ORG", "vendor")
    guest.wait_for_paths(2)

    folder = guest.mount(device)
    data = os.urandom(8 << 20)
    with open(f"{folder}/data", "wb") as file:
        file.write(data)
        os.fsync(file.fileno())
    contains(guest.iscsiadm(f"-m node -T {TARGET} -u", check=False).err, "/mnt/test", "why it is not logged out")
    run(["umount", folder])
    run(["mount", device, folder])
    with open(f"{folder}/data", "rb") as file:
        same(file.read() == data, True, "the data are as they were written")
    run(["umount", folder])
    run(["e2fsck", "-f", "-n", device])

    guest.logout()
    for link in by_id | by_path:
        guest.wait(lambda path=link: not os.path.lexists(path), f"{link} is gone")
    guest.systemctl("stop hawserd")
    same(complaints(guest), [], "complaints")


@case(limit_s=120)
def partitions_are_named_too(guest):
    guest.target(units=[{"disk": "unit0"}])
    guest.start_hawserd()
    device = guest.connect()
    run(["sfdisk", "-q", device], input_text="label: gpt\nsize=32M\n,\n")
    first = f"{guest.by_path()}-part1"
    guest.wait(lambda: os.path.exists(first), first)
    serial = guest.udev(device)["ID_SERIAL"]
    for link in (f"/dev/disk/by-id/scsi-{serial}-part1", f"{guest.by_path(PORTALS[1])}-part2"):
        guest.wait(lambda path=link: os.path.exists(path), link)
    run(["mkfs.xfs", "-q", "-f", os.path.realpath(f"{guest.by_path(PORTALS[1])}-part2")])
    guest.mount(os.path.realpath(first))
    run(["umount", "/mnt/test"])
    run(["udevadm", "settle"])
    guest.logout()


@case(limit_s=120)
def a_crash_is_followed_by_a_start(guest):
    guest.start_hawserd()
    before = int(guest.property("hawserd", "MainPID"))
    os.kill(before, signal.SIGKILL)
    guest.wait(lambda: guest.state("hawserd") == "active" and guest.property("hawserd", "MainPID") != str(before),
               "a new daemon")  # fmt: skip
    same(guest.property("hawserd", "NRestarts"), "1", "restarts")
    guest.hawser("status --json")


@case(limit_s=120)
def a_daemon_that_hangs_is_ended_by_the_watchdog(guest):
    guest.write("/run/systemd/system/hawserd.service.d/test.conf", "[Service]\nWatchdogSec=4\n")
    guest.systemctl("daemon-reload")
    guest.undo.append(lambda: os.unlink("/run/systemd/system/hawserd.service.d/test.conf"))
    guest.undo.append(lambda: guest.systemctl("daemon-reload"))
    guest.start_hawserd()
    before = guest.property("hawserd", "MainPID")
    time.sleep(8)
    same(guest.property("hawserd", "MainPID"), before, "a daemon that works is left alone")
    os.kill(int(before), signal.SIGSTOP)
    guest.wait(lambda: guest.property("hawserd", "MainPID") not in (before, "0"), "a new daemon", 40)
    contains(guest.journal("hawserd"), "watchdog", "why")
