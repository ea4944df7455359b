# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""A device whose target is gone for good goes when it is told to, and never hangs anybody."""

import errno
import mmap
import os
import threading
import time

from harness.cases import case
from harness.commands import contains, run, same, true, wait_until

BUSY, SESSION_EXISTS, NO_OBJECTS = 28, 15, 21
SECONDS = 8  # that a removal may take, on a busy machine


def device_without_target(lab, **options):
    """(daemon, device, name of the map, its links); nobody answers for the unit any more"""
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn)
    daemon = lab.hawserd(net, **options)
    device = daemon.connect(iqn, net.portals)
    lab.note_device(device)
    daemon.wait_for_paths(2)
    name = daemon.rows("map")[0]["name"].split()[-1]
    links = [daemon.by_path(iqn, portal) for portal in net.portals]
    refused = daemon.hawser(f"remove {name}", check=False)
    same(refused.code, SESSION_EXISTS, "while its paths work")
    contains(refused.err, "log out", "what to do instead")
    target.kill()
    daemon.wait_for_paths(0)
    return daemon, device, name, links


def remove(lab, daemon, words, code=0):
    began = time.monotonic()
    told = daemon.hawser(f"remove {words}", check=False, timeout=60)
    same(told.code, code, f"its exit status; it said: {told.out}{told.err}")
    true(time.monotonic() - began < SECONDS * lab.build.patience, "it is soon done")
    return told


def expect_nothing_left(daemon, name, links):
    same(daemon.rows("map"), [], "maps")
    same([link for link in links if os.path.lexists(link)], [], "links")
    true(not os.path.exists(os.path.join(daemon.run_dir, "maps", name)), "its saved state")
    contains(daemon.log(), "it is taken away by hand", "the log")


def read(device):
    """The error's number, or 0"""
    fd = os.open(device, os.O_RDONLY | os.O_DIRECT)
    try:
        os.preadv(fd, [mmap.mmap(-1, 8192)], 0)
    except OSError as why:
        return why.errno
    finally:
        os.close(fd)
    return 0


@case(sanitized=True)
def one_that_nobody_uses_goes_at_once(lab):
    daemon, device, name, links = device_without_target(lab)
    same(remove(lab, daemon, "another", NO_OBJECTS).out, "", "output")
    remove(lab, daemon, name)
    expect_nothing_left(daemon, name, links)
    daemon.stop()


@case()
def one_in_use_goes_by_force_only_and_its_io_fails(lab):
    daemon, device, name, links = device_without_target(lab)
    with open(device, "rb"):
        refused = remove(lab, daemon, name, BUSY)
        contains(refused.err, "open by", "who uses it")
        errors = []
        reader = threading.Thread(target=lambda: errors.append(read(device)))
        reader.start()  # waits for a path
        time.sleep(0.3)
        same(errors, [], "nobody answers it")
        remove(lab, daemon, f"{name} --force")
        reader.join(10)
        same(errors, [errno.EIO], "how it ended")
    expect_nothing_left(daemon, name, links)
    contains(daemon.log(), "although it is in use", "the log")
    daemon.stop()


@case(sanitized=True)
def one_that_was_taken_over_goes_while_its_target_is_gone(lab):
    daemon, device, name, links = device_without_target(lab)
    with open(device, "rb"):
        daemon.crash()
        daemon.start()
        wait_until(lambda: len(daemon.rows("map")) == 1, "the map", 10)
        contains(remove(lab, daemon, name, BUSY).err, "in use", "the refusal")
        remove(lab, daemon, f"{name} --force")
    expect_nothing_left(daemon, name, links)
    daemon.stop()


@case()
def one_without_a_record_goes_as_well(lab):
    """No session can ever lead to it again"""
    daemon, device, name, links = device_without_target(lab)
    daemon.crash()
    run(["rm", "-rf", os.path.join(daemon.conf_dir, "nodes")])
    daemon.start()
    wait_until(lambda: len(daemon.rows("map")) == 1, "the map", 10)
    remove(lab, daemon, name)
    expect_nothing_left(daemon, name, links)
    daemon.stop()


@case()
def a_mounted_file_system_ends_with_errors_and_can_be_unmounted(lab):
    daemon, device, name, links = None, None, None, None
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn, size_mib=64)
    daemon = lab.hawserd(net)
    device = daemon.connect(iqn, net.portals)
    lab.note_device(device)
    mount = lab.mount(device)
    daemon.wait_for_paths(2)
    name = daemon.rows("map")[0]["name"].split()[-1]
    links = [daemon.by_path(iqn, portal) for portal in net.portals]
    with open(os.path.join(mount.folder, "file"), "wb") as file:
        file.write(os.urandom(1 << 20))
        file.flush()
        os.fsync(file.fileno())
    target.kill()
    daemon.wait_for_paths(0)
    contains(remove(lab, daemon, name, BUSY).err, "mounted on", "the refusal")
    remove(lab, daemon, f"{name} --force")
    expect_nothing_left(daemon, name, links)
    same(run(["umount", mount.folder], check=False, timeout=30).code, 0, "umount")
    daemon.stop()


@case()
def its_unit_is_a_new_device_when_it_comes_back(lab):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn)
    daemon = lab.hawserd(net)
    lab.note_device(daemon.connect(iqn, net.portals))
    daemon.wait_for_paths(2)
    name = daemon.rows("map")[0]["name"].split()[-1]
    for portal in net.portals:
        portal.lose("killed")
    daemon.wait_for_paths(0)
    remove(lab, daemon, name)
    same(daemon.rows("map"), [], "maps")
    for portal in net.portals:
        portal.restore()
    daemon.wait_for_paths(2, timeout=60)
    wait_until(lambda: os.path.exists(daemon.by_path(iqn, net.portals[0])), "its link", 10)
    device = daemon.device(iqn, net.portals[0])
    lab.note_device(device)
    same(read(device), 0, "a read")
    daemon.logout(iqn)
    daemon.stop()
