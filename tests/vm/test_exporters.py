# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""What every block device of ours has to be able to do, whichever way the kernel gets it."""

import os
import random
import re
import shutil
import time

from guest import network
from guest.cases import exporter_case
from guest.network import PORTALS
from harness.commands import run, same, true
from harness.load import Fio, Oracle

DEVICES = {"ublk": r"/dev/ublkb\d+", "nbd": r"/dev/nbd\d+", "fuse": r"/dev/loop\d+"}
IMAGE = "/var/tmp/image"


def connect(guest, unit=None, **more):
    """A target with one unit behind two portals; its device"""
    guest.target(units=[unit or {"disk": "unit0"}], **more)
    guest.start_hawserd()
    device = guest.connect()
    true(re.fullmatch(DEVICES[guest.exporter], device), f"{device} is a device of {guest.exporter}")
    guest.wait_for_paths(2)
    return device


def wait_with_links(guest):
    """for both paths: a disk in use has all its names all the time"""

    def are_back():
        for portal in PORTALS:
            true(os.path.exists(guest.by_path(portal)), f"{guest.by_path(portal)} stays")
        return guest.active_paths() == 2

    guest.wait(are_back, "both paths", 60)


def image_unit(guest, mib, **more):
    guest.undo.append(lambda: os.path.exists(IMAGE) and os.unlink(IMAGE))
    return {"file": IMAGE, "mib": mib, **more}


def end(guest):
    run(["udevadm", "settle"])
    guest.logout()


def queue(device, name):
    with open(f"/sys/class/block/{os.path.basename(device)}/queue/{name}", encoding="ascii") as file:
        return file.read().strip()


def oracle_on(guest, device, **options):
    oracle = Oracle(guest.program("oracle"), device, "/var/tmp/oracle.log", {"depth": 8, "size": 8, **options})
    guest.undo.append(oracle.program.kill)
    return oracle


def fio_on(guest, device):
    """Beside the oracle, on blocks of its own"""
    fio = Fio(device, "/var/tmp/fio.log", size_mib=16, depth=8, seconds=100000, extra=["--offset=64M"])
    guest.undo.append(fio.program.kill)
    return fio


def longest(oracle):
    taken = oracle.take()
    return max(taken["longest_read_ms"], taken["longest_write_ms"])


def under_load(guest, device, what, count, disturb):
    """Have hawserd disturbed so often, under the oracle and fio; tells how long requests took then"""
    oracle = oracle_on(guest, device, zeroes=True)
    fio = fio_on(guest, device)
    pauses = []
    for _ in range(count):
        time.sleep(random.uniform(0.1, 1.5))
        oracle.take()
        disturb()
        guest.wait_for_paths(2, timeout=90)
        oracle.check_running()
        fio.check_running()
        pauses.append(longest(oracle))
    fio.stop()
    oracle.stop()
    pauses.sort()
    guest.notes.append(f"{count} {what}: median pause {pauses[count // 2]:.0f} ms, longest {pauses[-1]:.0f}; "
                       "0 errors, 0 violations")  # fmt: skip


@exporter_case(smoke=True)
def holds_a_file_system_and_outlives_hawserd(guest):
    device = connect(guest)
    folder = guest.mount(device)
    data = os.urandom(4 << 20)
    with open(f"{folder}/data", "wb") as file:
        file.write(data)
        os.fsync(file.fileno())
    guest.kill_hawserd()
    wait_with_links(guest)
    with open(f"{folder}/more", "wb") as file:
        file.write(data)
        os.fsync(file.fileno())
    run(["umount", folder])
    same(guest.device(), device, "the device after the crash")
    guest.mount(device, make=None)
    for name in ("data", "more"):
        with open(f"{folder}/{name}", "rb") as file:
            same(file.read() == data, True, f"{name} is as it was written")
    run(["umount", folder])
    run(["e2fsck", "-f", "-n", device])
    end(guest)


@exporter_case(limit_s=600)
def killed_at_random_moments_under_load(guest):
    device = connect(guest)
    under_load(guest, device, "kills", guest.kills or 5, guest.kill_hawserd)
    end(guest)


@exporter_case(limit_s=300)
def killed_again_before_it_is_ready(guest):
    """At whatever point of taking over the next one dies, there is another one after it."""
    device = connect(guest)
    oracle = oracle_on(guest, device)
    time.sleep(1)
    for _ in range(5):
        guest.wait(lambda: guest.property("hawserd", "MainPID") != "0", "a new hawserd", 60)
        time.sleep(random.uniform(0, 0.7))
        guest.systemctl("kill --signal=KILL hawserd", check=False)
        time.sleep(0.2)
    guest.wait(lambda: guest.state("hawserd") == "active", "a hawserd that stays", 60)
    guest.wait_for_paths(2, timeout=90)
    oracle.stop()
    same(guest.device(), device, "the device")
    end(guest)


@exporter_case(limit_s=600)
def restarted_in_an_orderly_way_while_in_use(guest):
    device = connect(guest)
    under_load(guest, device, "restarts", min(guest.kills or 3, 20),
               lambda: guest.systemctl("restart hawserd", timeout=90))  # fmt: skip
    end(guest)


@exporter_case(limit_s=600)
def restarted_while_all_paths_are_down(guest):
    """The pause is as long as the cables are cut, and what it takes to log in again."""
    device = connect(guest)

    def restart_in_the_dark():
        for cable in network.CABLES:
            network.cut(cable)
        guest.wait_for_paths(0)
        try:
            guest.systemctl("restart hawserd", timeout=90)
            time.sleep(1)
            same(guest.active_paths(), 0, "active paths")
        finally:
            for cable in network.CABLES:
                network.mend(cable)

    under_load(guest, device, "restarts with no path", min(guest.kills or 2, 10), restart_in_the_dark)
    end(guest)


@exporter_case(limit_s=300)
def every_size_at_every_alignment(guest):
    device = connect(guest)
    run(["fio", "--name=sizes", f"--filename={device}", "--bsrange=512-1m", "--blockalign=512", "--size=32m",
         "--rw=randwrite", "--direct=1", "--ioengine=libaio", "--iodepth=4", "--verify=crc32c", "--verify_fatal=1",
         "--verify_state_save=0", "--io_size=24m", "--serialize_overlap=1"], timeout=240)  # fmt: skip
    end(guest)


@exporter_case()
def discarded_and_zeroed_blocks(guest):
    device = connect(guest)
    true(int(queue(device, "discard_max_bytes")) > 0, "it can discard")
    run(["dd", "if=/dev/urandom", f"of={device}", "bs=1M", "count=8", "oflag=direct"])
    run(["blkdiscard", "-z", "-o", str(1 << 20), "-l", str(2 << 20), device])
    run(["blkdiscard", "-o", str(4 << 20), "-l", str(1 << 20), device])
    with open(device, "rb") as file:
        data = file.read(8 << 20)
    same(data[1 << 20 : 3 << 20].count(0), 2 << 20, "zeroes where they were asked for")
    for begin, finish in ((0, 1), (3, 4), (5, 8)):
        true(data[begin << 20 : finish << 20].count(0) < 40000 * (finish - begin), "its neighbours are as they were")
    # the whole of it at once is more than one request may be long
    run(["blkdiscard", "-z", device], timeout=120)
    whole = run(["blkdiscard", device], timeout=120, check=False)
    if guest.exporter == "fuse":
        # It would be a hole in a file, which has to read back as zeroes: LIO does not promise that here.
        # Linux 6.1 keeps it to itself that such a discard does nothing.
        true(whole.code == 0 or "not supported" in whole.err, f"it is refused or does nothing: {whole.err}")
    else:
        same(whole.code, 0, "exit status of a discard of the whole disk")
    end(guest)


@exporter_case()
def blocks_of_4096_bytes(guest):
    device = connect(guest, image_unit(guest, 320, block_size=4096))
    same(queue(device, "logical_block_size"), "4096", "logical block size")
    same(run(["blockdev", "--getsize64", device]).out.strip(), str(320 << 20), "size")
    run(["fio", "--name=blocks", f"--filename={device}", "--bs=4k", "--size=4m", "--rw=randwrite", "--direct=1",
         "--ioengine=libaio", "--iodepth=8", "--verify=crc32c", "--verify_fatal=1", "--verify_state_save=0"])  # fmt: skip
    guest.mount(device, make="mkfs.xfs -q -f")
    run(["umount", "/mnt/test"])
    end(guest)


def size_of(device):
    return int(run(["blockdev", "--getsize64", device]).out)


def grows_in_use(exporter):
    """ublk devices do since Linux 6.16"""
    return exporter != "ublk" or tuple(map(int, os.uname().release.split(".")[:2])) >= (6, 16)


@exporter_case()
def grown_at_the_target(guest):
    """With a file system that is mounted all the time, where the kernel lets the device grow."""
    folder, data = "/mnt/test", os.urandom(8 << 20)
    run(["truncate", "-s", "64M", IMAGE])
    guest.undo.append(lambda: os.unlink(IMAGE))
    disk = run(["losetup", "--find", "--show", IMAGE]).out.strip()
    guest.undo.append(lambda: run(["losetup", "-d", disk]))
    device = connect(guest, {"device": disk})
    guest.mount(device, folder)
    with open(f"{folder}/before", "wb") as file:
        file.write(data)
    run(["truncate", "-s", "256M", IMAGE])
    run(["losetup", "-c", disk])
    guest.iscsiadm("-m session -R")
    if grows_in_use(guest.exporter):
        guest.wait(lambda: size_of(device) == 256 << 20, "the new size")
        run(["resize2fs", device], timeout=60)
    else:
        guest.wait(lambda: "needs Linux 6.16" in guest.journal("hawserd"), "word that it does not grow now")
        same(size_of(device), 64 << 20, "the size meanwhile")
        run(["umount", folder])
        end(guest)
        guest.login()
        device = guest.device()
        same(size_of(device), 256 << 20, "the size of the next device")
        guest.mount(device, folder, make=None)
        run(["resize2fs", device], timeout=60)
    status = os.statvfs(folder)
    true(status.f_blocks * status.f_frsize > 200 << 20, "the file system has grown")
    with open(f"{folder}/after", "wb") as file:
        for number in range(100):
            file.write(bytes([number]) * (1 << 20))
        os.fsync(file.fileno())
    run(["umount", folder])
    run(["e2fsck", "-f", "-n", device])
    guest.mount(device, folder, make=None)
    with open(f"{folder}/before", "rb") as file:
        same(file.read() == data, True, "what was there before")
    with open(f"{folder}/after", "rb") as file:
        true(all(file.read(1 << 20) == bytes([number]) * (1 << 20) for number in range(100)), "what came after")
    run(["umount", folder])
    end(guest)


@exporter_case()
def partitions_and_their_names(guest):
    device = connect(guest)
    run(["sfdisk", "-q", device], input_text="label: gpt\nsize=32M\n,\n")
    names = [f"{guest.by_path(PORTALS[1])}-part{number}" for number in (1, 2)]
    for name in names:
        guest.wait(lambda path=name: os.path.exists(path), name)
    end(guest)
    guest.wait(lambda: not os.path.lexists(names[0]), "the names are gone")
    guest.login()
    for name in names:
        guest.wait(lambda path=name: os.path.exists(path), f"{name} when it is there again")
    guest.mount(os.path.realpath(names[0]))
    run(["umount", "/mnt/test"])
    end(guest)


@exporter_case()
def a_unit_that_cannot_be_written(guest):
    device = connect(guest, {"ram_mib": 32}, attributes={"demo_mode_write_protect": 1})
    same(run(["blockdev", "--getro", device]).out.strip(), "1", "read-only")
    run(["dd", f"if={device}", "of=/dev/null", "bs=1M", "count=4", "iflag=direct"])
    true(run(["dd", "if=/dev/zero", f"of={device}", "bs=4k", "count=1", "oflag=direct"], check=False).code != 0,
         "a write fails")  # fmt: skip
    end(guest)


@exporter_case()
def volumes_on_top(guest):
    # not on a disk of this machine, which would have the same volumes
    device = connect(guest, image_unit(guest, 128))
    run(["pvcreate", "-q", "-y", device])
    run(["vgcreate", "-q", "volumes", device])
    guest.undo.append(lambda: run(["vgremove", "-q", "-f", "-y", "volumes"], check=False))
    run(["lvcreate", "-q", "-y", "-n", "data", "-L", "64M", "volumes"])
    guest.mount("/dev/volumes/data")
    refused = guest.logout(check=False)
    true(refused.code != 0, "no logout while a volume is mounted")
    run(["umount", "/mnt/test"])
    run(["vgremove", "-q", "-f", "-y", "volumes"])
    run(["pvremove", "-q", "-y", device])
    end(guest)


@exporter_case(exporters=("ublk",))
def what_nobody_knows_any_more_is_taken_away(guest):
    """As when hawserd is killed between making a device and writing down that it did."""
    device = connect(guest)
    with open(device, "rb"):
        guest.systemctl("stop hawserd", timeout=90)
        true(os.path.exists(device), "it is left, as somebody has it open")
        shutil.rmtree("/run/hawser")
        guest.systemctl("start hawserd")
        true("nobody knew" in guest.journal("hawserd"), "hawserd says what it took away")
    guest.wait(lambda: not os.listdir("/sys/class/ublk-char"), "the device is gone")


@exporter_case()
def swapped_to(guest):
    """Memory is freed by writing to the device while there is none left."""
    device = connect(guest)
    run(["mkswap", device])
    run(["swapon", device])
    guest.undo.append(lambda: run(["swapoff", device], check=False))
    hog = ("import os; pages = [os.urandom(64) * 64 for _ in range(24 * 256)]; "
           "assert all(page == page[:64] * 64 for page in pages)")  # fmt: skip
    words = "--wait --quiet --collect -p MemoryMax=16M -p MemorySwapMax=infinity"
    run(["systemd-run", *words.split(), "/usr/bin/python3", "-c", hog], timeout=200)
    run(["swapoff", device], timeout=100)
    end(guest)


@exporter_case(exporters=("ublk", "nbd"))
def stopped_and_started_while_in_use(guest):
    """A device that the kernel keeps does not even mind that nobody serves it for a while."""
    device = connect(guest)
    oracle = oracle_on(guest, device)
    time.sleep(1)
    guest.systemctl("stop hawserd", timeout=90)
    time.sleep(3)
    oracle.check_running()
    guest.start_hawserd()
    guest.wait_for_paths(2, timeout=90)
    oracle.stop()
    same(guest.device(), device, "the device")
    end(guest)
