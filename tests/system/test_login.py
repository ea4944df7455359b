# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Login, logout, CHAP, and what they show on the machine."""

import hashlib
import os
import stat

from harness.cases import case
from harness.commands import contains, run, same, true, wait_until


def login_line(iqn, portal):
    where = f"[iface: default, target: {iqn}, portal: {portal.address},{portal.port}]"
    return f"Login to {where} successful."


@case(limit_s=90, sanitized=True)
def two_portals_make_one_block_device(lab):
    lab.needs_block_devices()
    net = lab.two_links()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn, size_mib=64)
    daemon = lab.hawserd(net)
    for portal in net.portals:
        daemon.discover(portal)
    done = daemon.login(iqn)
    wanted = sorted(login_line(iqn, portal) for portal in net.portals)
    same(sorted(line for line in done.out.splitlines() if line.startswith("Login to")), wanted, "login")

    devices = {daemon.device(iqn, portal) for portal in net.portals}
    same(len(devices), 1, f"number of block devices behind the two by-path links ({devices})")
    device = devices.pop()
    lab.note_device(device)
    true(stat.S_ISBLK(os.stat(device).st_mode), f"{device} is a block device")
    same(run(["blockdev", "--getsize64", device]).out.strip(), str(64 << 20), "size")
    same(run(["blockdev", "--getss", device]).out.strip(), "512", "logical block size")
    same(len(os.listdir(os.path.join(daemon.dev_dir, "hawser"))), 1, "links in /dev/hawser")
    same(target.sessions(iqn), 2, "sessions that the target counts")
    same(len(daemon.session_ids()), 2, "sessions that iscsiadm counts")
    daemon.wait_for_paths(2)

    done = daemon.logout(iqn)
    same(done.out.count("successful."), 2, "logouts")
    daemon.iscsiadm("-m session", code=21)
    same(target.sessions(iqn), 0, "sessions that the target counts after logout")
    true(not os.path.exists(daemon.by_path(iqn, net.portals[0])), "the by-path link is gone")


@case(limit_s=120)
def a_boot_does_not_wait_for_a_silent_portal(lab):
    """iscsi.service goes on with what is there; iscsiadm would give that portal two minutes first."""
    lab.needs_block_devices()
    net = lab.two_links()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn, size_mib=64)
    daemon = lab.hawserd(net)
    for portal in net.portals:
        daemon.discover(portal)
    for name, value in (
        ("node.startup", "automatic"),
        ("node.conn[0].timeo.login_timeout", 15),
        ("node.session.initial_login_retry_max", 8),
    ):
        daemon.iscsiadm(f"-m node -T {iqn} -o update -n {name} -v {value}")
    net.portals[1].lose("blocked")
    done = daemon.hawser("login --automatic")
    contains(done.out, f"through {net.portals[0]}: done", "the portal that answers")
    contains(done.err, "reached through another portal", "what is said of the silent one")
    lab.note_device(daemon.device(iqn, net.portals[0]))
    daemon.wait_for_paths(1)
    net.portals[1].restore()
    daemon.wait_for_paths(2, timeout=60)
    same(daemon.hawser("login --automatic").out.count("already logged in"), 2, "portals the second time")
    daemon.logout(iqn)


@case(limit_s=90)
def four_kib_blocks_stay_four_kib(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn, size_mib=64, block_size=4096)
    daemon = lab.hawserd(net)
    device = daemon.connect(iqn, net.portals)
    lab.note_device(device)
    same(run(["blockdev", "--getss", device]).out.strip(), "4096", "logical block size")
    mount = lab.mount(device)
    with open(os.path.join(mount.folder, "file"), "wb") as file:
        file.write(os.urandom(1 << 20))
    mount.unmount()
    daemon.logout(iqn)


@case(limit_s=90, sanitized=True)
def what_is_written_is_on_the_targets_disk(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    backing = target.add_unit(iqn, size_mib=32)
    daemon = lab.hawserd(net)
    device = daemon.connect(iqn, net.portals)
    lab.note_device(device)
    data = os.urandom(32 << 20)
    with open(device, "r+b", buffering=0) as file:
        view = memoryview(data)
        while view:
            view = view[file.write(view):]
        os.fsync(file.fileno())
    run(["blockdev", "--flushbufs", device])
    with open(device, "rb") as file:
        same(hashlib.sha256(file.read()).digest(), hashlib.sha256(data).digest(), "read back")
    daemon.logout(iqn)
    with open(backing, "rb") as file:
        same(hashlib.sha256(file.read()).digest(), hashlib.sha256(data).digest(), "target's file")


@case(limit_s=90, sanitized=True)
def a_file_system_survives_logout_and_login(lab):
    lab.needs_block_devices()
    net = lab.two_links()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn, size_mib=128)
    daemon = lab.hawserd(net)
    device = daemon.connect(iqn, net.portals)
    mount = lab.mount(device)
    data = os.urandom(8 << 20)
    with open(os.path.join(mount.folder, "file"), "wb") as file:
        file.write(data)
    run(["fstrim", mount.folder])
    mount.unmount()
    daemon.logout(iqn)
    daemon.login(iqn)
    device = daemon.device(iqn, net.portals[0])
    run(["e2fsck", "-f", "-n", device])
    mount = lab.mount(device, make=False)
    with open(os.path.join(mount.folder, "file"), "rb") as file:
        true(file.read() == data, "the file is the same after logout and login")
    mount.unmount()
    daemon.logout(iqn)


@case(limit_s=90)
def every_unit_of_a_target_becomes_a_device(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    for lun in (1, 2, 3):
        target.add_unit(iqn, size_mib=16 * lun, lun=lun)
    daemon = lab.hawserd(net)
    daemon.connect(iqn, net.portals)
    for lun in (1, 2, 3):
        device = daemon.device(iqn, net.portals[1], lun)
        lab.note_device(device)
        same(run(["blockdev", "--getsize64", device]).out.strip(), str(lun << 24), f"size of {lun}")
    daemon.logout(iqn)


@case(limit_s=90)
def two_targets_with_one_disk_make_one_map(lab):
    """Two tgtd processes serve one file under one name: a unit that two machines show."""
    lab.needs_block_devices()
    net = lab.loopback()
    portals = net.portals
    one = lab.target(net, portal=str(portals[0]))
    two = lab.target(net, portal=str(portals[1]))
    iqn = one.add()
    path = one.add_unit(iqn, size_mib=32)
    two.add(target_id=one.ids[iqn])
    two.add_unit(iqn, path=path)
    daemon = lab.hawserd(net)
    device = daemon.connect(iqn, portals)
    lab.note_device(device)
    same(daemon.device(iqn, portals[1]), device, "the device through the other target")
    daemon.wait_for_paths(2)
    two.program.kill()
    with open(device, "r+b", buffering=0) as file:
        file.write(b"x" * 4096)
        os.fsync(file.fileno())
    daemon.wait_for_paths(1)
    daemon.logout(iqn)


def use_chap(daemon, iqn, user, secret):
    node = f"-m node -T {iqn} -o update"
    daemon.iscsiadm(f"{node} -n node.session.auth.authmethod -v CHAP")
    daemon.iscsiadm(f"{node} -n node.session.auth.username -v {user}")
    daemon.iscsiadm(f"{node} -n node.session.auth.password -v {secret}")


@case(limit_s=90, sanitized=True)
def the_right_chap_secret_gets_in(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add(chap=("someone", "secret-of-12-and-more"))
    target.add_unit(iqn)
    daemon = lab.hawserd(net)
    for portal in net.portals:
        daemon.discover(portal)
    use_chap(daemon, iqn, "someone", "secret-of-12-and-more")
    daemon.login(iqn)
    lab.note_device(daemon.device(iqn, net.portals[0]))
    shown = daemon.iscsiadm(f"-m node -T {iqn} -o show").out
    contains(shown, "node.session.auth.password = ********", "secrets are masked")
    true("secret-of-12-and-more" not in shown + daemon.log(), "the secret is nowhere in clear")
    contains(daemon.iscsiadm("-m session -P 2").out, "username: someone", "-P 2")
    daemon.logout(iqn)


@case(limit_s=90, sanitized=True)
def the_wrong_chap_secret_does_not(lab):
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add(chap=("someone", "secret-of-12-and-more"))
    target.add_unit(iqn)
    daemon = lab.hawserd(net)
    portal = net.portals[0]
    daemon.discover(portal)
    for secret in ("another-secret-12", None):
        if secret:
            use_chap(daemon, iqn, "someone", secret)
        else:
            daemon.iscsiadm(f"-m node -T {iqn} -o update -n node.session.auth.username -v nobody")
        refused = daemon.login(iqn, code=24)
        contains(
            refused.err,
            "initiator reported error (24 - iSCSI login failed due to authorization failure)",
            "login with a wrong account",
        )
    daemon.iscsiadm("-m session", code=21)
    same(target.sessions(iqn), 0, "sessions that the target counts")


@case(limit_s=90)
def no_chap_where_the_target_wants_it_does_not(lab):
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add(chap=("someone", "secret-of-12-and-more"))
    daemon = lab.hawserd(net)
    daemon.discover(net.portals[0])
    daemon.login(iqn, code=24)


@case(limit_s=90, sanitized=True)
def logout_is_refused_while_mounted_and_the_holder_named(lab):
    lab.needs_block_devices()
    net = lab.two_links()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn, size_mib=128)
    daemon = lab.hawserd(net)
    mount = lab.mount(daemon.connect(iqn, net.portals))
    refused = daemon.logout(iqn, code=28)
    contains(refused.err, mount.folder, "who holds the device")
    with open(os.path.join(mount.folder, "file"), "wb") as file:
        file.write(b"still there")
        os.fsync(file.fileno())
    mount.unmount()
    # those that went nevertheless come back; 15: the others are there already
    daemon.iscsiadm(f"-m node -T {iqn} -l", check=False)
    same(len(daemon.session_ids()), 2, "sessions")
    daemon.logout(iqn)


@case(limit_s=90)
def logging_in_twice_is_told(lab):
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    daemon = lab.hawserd(net)
    daemon.discover(net.portals[0])
    daemon.login(iqn)
    again = daemon.login(iqn, code=15)
    contains(again.err, "default: 1 session requested, but 1 already present.", "second login")
    same(target.sessions(iqn), 1, "sessions that the target counts")
    daemon.iscsiadm(f"-m node -T {iqn} -o delete", code=15)
    daemon.logout(iqn)


@case(limit_s=90, sanitized=True)
def a_clean_stop_logs_out(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn)
    daemon = lab.hawserd(net)
    device = daemon.connect(iqn, net.portals)
    lab.note_device(device)
    with open(device, "r+b", buffering=0) as file:
        file.write(b"written before the stop".ljust(512))
    daemon.stop()
    wait_until(lambda: target.sessions(iqn) == 0, "the target has no session", 5)


@case(limit_s=90)
def two_daemons_live_side_by_side(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    mine, yours = target.add("mine"), target.add("yours")
    target.add_unit(mine)
    target.add_unit(yours)
    one = lab.hawserd(net)
    two = lab.hawserd(net, initiator="iqn.2024-05.org.example.hawser:other")
    first, second = one.connect(mine, net.portals), two.connect(yours, net.portals)
    for device in (first, second):
        lab.note_device(device)
    true(first != second, f"two devices, not one ({first})")
    true(yours not in one.iscsiadm("-m session").out, "a daemon shows only its own sessions")
    true(mine not in two.iscsiadm("-m session").out, "a daemon shows only its own sessions")
    two.stop()
    mount = lab.mount(first)
    mount.unmount()
    one.logout(mine)


@case(limit_s=90, sanitized=True)
def what_a_killed_daemon_left_is_taken_away(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn, size_mib=64)
    daemon = lab.hawserd(net)
    device = daemon.connect(iqn, net.portals)
    lab.note_device(device)
    told = os.path.join(daemon.run_dir, "dev")
    same(len(os.listdir(told)), 1, "devices that udev is told of")
    link = daemon.by_path(iqn, net.portals[0])
    backing = f"/sys/block/{os.path.basename(device)}/loop/backing_file"
    true(os.path.exists(backing), "the loop device is attached")
    daemon.crash()
    daemon.kill_keeper()
    true(os.path.exists(backing), "the kernel keeps the device of a dead daemon")
    daemon.start()
    true(not os.path.exists(backing), "the device that nobody kept is detached at the next start")
    true(not os.path.lexists(link), "its links are gone")
    same(os.listdir(told), [], "devices that udev is told of")
    # the log is written by a thread of its own
    wait_until(lambda: "took away device" in daemon.log(), "the log tells it", 20)
    lab.note_device(daemon.connect(iqn, net.portals))
    daemon.logout(iqn)
