# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""A file system that grows while it is in use."""

import os
import time

from harness.cases import case
from harness.commands import run, same, true, wait_until
from harness.fake_target import NAME

MIB = 1 << 20


def size_of(device):
    return int(run(["blockdev", "--getsize64", device]).out)


def size_of_file_system(folder):
    status = os.statvfs(folder)
    return status.f_blocks * status.f_frsize


@case(limit_s=120)
def a_mounted_file_system_grows_under_load(lab):
    """The first path reports the new size a moment before the second."""
    lab.needs_block_devices()
    net = lab.two_links()
    fake = lab.fake_target(net, size_mib=256)
    fake.say(f"size {64 * 2048}")
    daemon = lab.hawserd(net, settings={"inventory.poll": "500 ms"})
    for portal in net.portals:
        daemon.discover(portal)
    daemon.login(NAME)
    daemon.wait_for_paths(2)
    device = daemon.device(NAME, net.portals[0], 0)
    same(size_of(device), 64 * MIB, "its size at first")
    mount = lab.mount(device)
    before = size_of_file_system(mount.folder)
    load = lab.fio(os.path.join(mount.folder, "load"), size_mib=24, seconds=1000)
    time.sleep(2)
    fake.say(f"size {256 * 2048} 1")
    wait_until(lambda: "report different sizes" in daemon.log(), "word of it", 15)
    same(size_of(device), 64 * MIB, "its size while one path has grown")
    fake.say(f"size {256 * 2048} 2")
    wait_until(lambda: size_of(device) == 256 * MIB, "the new size", 15)
    grown = run(["resize2fs", device], check=False, timeout=60)
    # containers may not (CAP_SYS_RESOURCE): then it grows when it is not mounted
    same((grown.code, "Permission denied" in grown.err), (0, False) if not grown.code else (1, True), str(grown))
    if grown.code:
        load.stop()
        mount.unmount()
        run(["fsck.ext4", "-f", "-p", device], timeout=60)
        run(["resize2fs", device], timeout=60)
        mount = lab.mount(device, make=False)
        load = lab.fio(os.path.join(mount.folder, "load"), size_mib=24, seconds=1000)
        time.sleep(2)
    true(size_of_file_system(mount.folder) > 3 * before, "the file system has grown")
    with open(os.path.join(mount.folder, "large"), "wb") as file:
        for number in range(100):
            file.write(bytes([number]) * MIB)
        file.flush()
        os.fsync(file.fileno())
    load.stop()
    daemon.wait_for_paths(2)
    mount.unmount()
    run(["fsck.ext4", "-f", "-n", device], timeout=60)
    # and another daemon finds it as it is
    daemon.crash()
    daemon.start()
    daemon.wait_for_paths(2)
    same(size_of(device), 256 * MIB, "its size after a restart")
    daemon.logout(NAME)
    same(fake.complaints(), "", "what the target complains of")
