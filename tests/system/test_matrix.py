# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""What people do with a disk: requests of every size at every place, file systems, partitions, discards."""

import errno
import mmap
import os
import random
import struct

from harness.cases import case
from harness.commands import Skip, run, same, true, wait_until

MIB = 1 << 20
LARGEST = 4 * MIB  # of one request; the kernel cuts it where it has to


class Disk:
    """A disk of tgt's behind two portals; its image can be read past everything"""

    def __init__(self, lab, size_mib=64, block_size=512, **unit):
        lab.needs_block_devices()
        self.lab, self.block_size = lab, block_size
        self.net = lab.loopback()
        self.target = lab.target(self.net)
        self.iqn = self.target.add()
        self.image = self.target.add_unit(self.iqn, size_mib=size_mib, block_size=block_size, **unit)
        self.daemon = lab.hawserd(self.net)

    def connect(self):
        self.device = self.daemon.connect(self.iqn, self.net.portals)
        self.lab.note_device(self.device)
        self.daemon.wait_for_paths(2)
        self.fd = os.open(self.device, os.O_RDWR | os.O_DIRECT)
        return self

    def write(self, offset, data):
        page = mmap.mmap(-1, len(data))
        page.write(data)
        same(os.pwritev(self.fd, [page], offset), len(data), "bytes written")

    def read(self, offset, length):
        page = mmap.mmap(-1, length)
        same(os.preadv(self.fd, [page], offset), length, "bytes read")
        return page[:]

    def stored(self, offset, length):
        with open(self.image, "rb") as file:
            file.seek(offset)
            return file.read(length)

    def end(self):
        os.close(self.fd)
        self.daemon.logout(self.iqn)
        self.daemon.stop()


def lengths(block_size, chance):
    """In blocks: the smallest, those around each power of two and each limit on the way, and some between"""
    most = LARGEST // block_size
    found = {1, 2, 3, 5, 7, most}
    power = 1
    while power < most:
        found |= {power - 1, power, power + 1}
        power *= 2
    found |= {chance.randrange(1, most) for _ in range(20)}
    return sorted(n for n in found if 0 < n <= most)


def every_size_at_every_place(lab, block_size):
    disk = Disk(lab, block_size=block_size).connect()
    chance = random.Random(block_size)
    page_blocks = max(1, 4096 // block_size)
    pool = chance.randbytes(2 * LARGEST)
    rounds = 0
    for blocks in lengths(block_size, chance):
        # where it begins within a page, and around the end of what the kernel takes at once
        places = {*range(page_blocks), 256 * 1024 // block_size - 1, chance.randrange(4096)}
        for start in sorted(places) if blocks * block_size < MIB else sorted(places)[:3]:
            rounds += 1
            offset, length = start * block_size, blocks * block_size
            salt = chance.randrange(LARGEST)
            data = pool[salt : salt + length]
            before = disk.stored(offset + length, block_size)
            disk.write(offset, data)
            true(disk.read(offset, length) == data, f"{blocks} blocks at {start}, read back")
            true(disk.stored(offset, length) == data, f"{blocks} blocks at {start}, on the target's disk")
            true(disk.stored(offset + length, block_size) == before, f"what follows {blocks} blocks at {start}")
    true(rounds > 90, f"there were many of them, not {rounds}")
    # to the very end, and not behind it
    end = os.lseek(disk.fd, 0, os.SEEK_END)
    disk.write(end - block_size, pool[:block_size])
    true(disk.stored(end - block_size, block_size) == pool[:block_size], "the last block")
    try:
        disk.write(end, pool[:block_size])
        true(False, "a write behind the end")
    except OSError as why:
        same(why.errno, errno.ENOSPC, "a write behind the end")
    disk.end()


@case(limit_s=180)
def requests_of_every_size_at_every_place_in_blocks_of_512(lab):
    every_size_at_every_place(lab, 512)


@case(limit_s=180)
def requests_of_every_size_at_every_place_in_blocks_of_4096(lab):
    every_size_at_every_place(lab, 4096)


def zeroes_and_discards(lab, block_size, thin):
    disk = Disk(lab, size_mib=32, block_size=block_size, thin=thin).connect()
    pattern = b"\x5a" * (32 * MIB)
    for start in range(0, 32 * MIB, 4 * MIB):
        disk.write(start, pattern[: 4 * MIB])
    # off every granule but the block
    first, length = 3 * block_size, 5 * MIB + 7 * block_size
    run(["blkdiscard", "-z", "-o", first, "-l", length, disk.device])
    true(disk.read(0, first) == pattern[:first], "what is in front of the zeroes")
    for at in range(first, first + length, MIB):
        some = min(MIB, first + length - at)
        true(disk.read(at, some) == bytes(some), f"zeroes at {at}")
    behind = first + length
    true(disk.read(behind, MIB) == pattern[:MIB], "what is behind the zeroes")
    for _ in range(1 if thin else 2):  # the kernel learns by the first that there is nothing to be had
        discarded = run(["blkdiscard", "-o", 8 * MIB, "-l", 8 * MIB, disk.device], check=False)
    same(discarded.code == 0, thin, "a thin unit can be discarded, another cannot")
    if thin:
        true(disk.read(8 * MIB, 4 * MIB) == bytes(4 * MIB), "what was discarded")
    true(disk.read(16 * MIB, MIB) == pattern[:MIB], "what is behind what was discarded")
    true(disk.read(8 * MIB - block_size, block_size) == pattern[:block_size], "what is in front of it")
    disk.end()


@case(limit_s=60)
def zeroes_and_discards_in_blocks_of_512(lab):
    zeroes_and_discards(lab, 512, True)


@case(limit_s=60)
def zeroes_and_discards_in_blocks_of_4096(lab):
    zeroes_and_discards(lab, 4096, True)


@case(limit_s=60)
def zeroes_without_discards(lab):
    zeroes_and_discards(lab, 512, False)


def file_system(lab, make, kind, check, block_size):
    disk = Disk(lab, size_mib=400, block_size=block_size).connect()
    run([*make, disk.device], timeout=60)
    folder = os.path.join(lab.folder, "mnt")
    os.makedirs(folder)
    done = run(["mount", "-t", kind, disk.device, folder], check=False, timeout=60)
    if done.code != 0:
        disk.end()
        raise Skip(f"{kind} was made, and cannot be mounted here: {done.err.strip().splitlines()[0]}")
    try:
        data = os.urandom(8 * MIB)
        for number in range(4):
            with open(os.path.join(folder, str(number)), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
        os.unlink(os.path.join(folder, "1"))
        run(["fstrim", folder], check=False, timeout=60)
        run(["umount", folder], timeout=60)
        run([*check, disk.device], timeout=60)
        run(["mount", "-t", kind, disk.device, folder], timeout=60)
        for number in (0, 2, 3):
            with open(os.path.join(folder, str(number)), "rb") as file:
                true(file.read() == data, "what was written")
    finally:
        run(["umount", folder], check=False, timeout=60)
    disk.end()


EXT4 = (["mkfs.ext4", "-q", "-F"], "ext4", ["fsck.ext4", "-f", "-n"])
XFS = (["mkfs.xfs", "-q", "-f"], "xfs", ["xfs_repair", "-n"])


@case(limit_s=90)
def ext4_in_blocks_of_512(lab):
    file_system(lab, *EXT4, 512)


@case(limit_s=90)
def ext4_in_blocks_of_4096(lab):
    file_system(lab, *EXT4, 4096)


@case(limit_s=90)
def xfs_in_blocks_of_512(lab):
    file_system(lab, *XFS, 512)


@case(limit_s=90)
def xfs_in_blocks_of_4096(lab):
    file_system(lab, *XFS, 4096)


def partition_table(block_size, *partitions):
    """A DOS one: (first block, blocks) each"""
    table = bytearray(block_size)
    for number, (first, blocks) in enumerate(partitions):
        entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", 0x83, b"\xfe\xff\xff", first, blocks)
        table[446 + 16 * number : 462 + 16 * number] = entry
    table[510:512] = b"\x55\xaa"
    return bytes(table)


def partitions_of(device):
    name = os.path.basename(device)
    return sorted(entry for entry in os.listdir(f"/sys/block/{name}") if entry.startswith(name))


@case(limit_s=60)
def partitions_are_devices_now_and_after_the_next_login(lab):
    disk = Disk(lab, size_mib=64).connect()
    disk.write(0, partition_table(512, (2048, 16384), (32768, 65536)))
    os.close(disk.fd)
    run(["blockdev", "--rereadpt", disk.device], check=False)
    name = os.path.basename(disk.device)
    disk.fd = os.open(disk.device, os.O_RDWR | os.O_DIRECT)
    if not partitions_of(disk.device):
        disk.end()
        raise Skip("this kernel knows no DOS partitions")
    same(partitions_of(disk.device), [f"{name}p1", f"{name}p2"], "partitions")
    disk.write(32768 * 512, b"partition two".ljust(512, b"."))
    os.close(disk.fd)
    disk.daemon.logout(disk.iqn)
    wait_until(lambda: not os.path.exists(f"/sys/block/{name}") or not partitions_of(disk.device), "no partition", 10)
    disk.connect()
    name = os.path.basename(disk.device)
    same(partitions_of(disk.device), [f"{name}p1", f"{name}p2"], "partitions after the login")
    with open(f"/sys/block/{name}/{name}p2/start", encoding="ascii") as file:
        same(int(file.read()), 32768, "where the second begins")
    disk.end()


@case(limit_s=60)
def a_read_only_unit_is_a_read_only_device(lab):
    disk = Disk(lab, size_mib=64)
    with open(disk.image, "r+b") as file:
        file.write(b"as it was".ljust(4096, b"."))
    disk.target.admin(
        "update", "logicalunit", "--tid", disk.target.ids[disk.iqn], "--lun", 1, "--params", "readonly=1"
    )
    device = disk.daemon.connect(disk.iqn, disk.net.portals)
    lab.note_device(device)
    same(run(["blockdev", "--getro", device]).out.strip(), "1", "read-only")
    try:
        os.close(os.open(device, os.O_RDWR | os.O_DIRECT))
        opened = True
    except OSError as why:
        opened = False
        true(why.errno in (errno.EACCES, errno.EROFS, errno.EPERM), f"why: {why}")
    if opened:
        true(run(["dd", "if=/dev/zero", f"of={device}", "bs=4096", "count=1", "oflag=direct"], check=False).code != 0,
             "a write fails")  # fmt: skip
    true(disk.stored(0, 9) == b"as it was", "nothing was written")
    disk.fd = os.open(device, os.O_RDONLY | os.O_DIRECT)
    true(disk.read(0, 4096).startswith(b"as it was"), "it can be read")
    disk.end()
