# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""What every block device of ours has to be able to do, whichever way the kernel gets it."""

import os
import random
import re
import shutil
import time

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


def longest(oracle):
    taken = oracle.take()
    return max(taken["longest_read_ms"], taken["longest_write_ms"])


@exporter_case(smoke=True)
def holds_a_file_system_and_outlives_hawserd(guest):
    device = connect(guest)
    folder = guest.mount(device)
    data = os.urandom(4 << 20)
    with open(f"{folder}/data", "wb") as file:
        file.write(data)
        os.fsync(file.fileno())
    guest.kill_hawserd()
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
    oracle = oracle_on(guest, device, zeroes=True)
    fio = Fio(device, "/var/tmp/fio.log", size_mib=16, depth=8, seconds=100000, extra=["--offset=64M"])
    guest.undo.append(fio.program.kill)
    pauses = []
    for _ in range(guest.kills or 5):
        time.sleep(random.uniform(0.1, 1.5))
        oracle.take()
        guest.kill_hawserd()
        guest.wait_for_paths(2, timeout=90)
        oracle.check_running()
        fio.check_running()
        pauses.append(longest(oracle))
    fio.stop()
    oracle.stop()
    pauses.sort()
    guest.notes.append(f"{len(pauses)} kills: median pause {pauses[len(pauses) // 2]:.0f} ms, longest {pauses[-1]:.0f}")
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
    oracle = oracle_on(guest, device)
    pauses = []
    for _ in range(min(guest.kills or 3, 20)):
        time.sleep(1)
        oracle.take()
        guest.systemctl("restart hawserd", timeout=90)
        guest.wait_for_paths(2, timeout=90)
        oracle.check_running()
        pauses.append(longest(oracle))
    oracle.stop()
    guest.notes.append(f"pauses: {', '.join(f'{pause:.0f}' for pause in sorted(pauses))} ms")
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
    run(["blkdiscard", device], timeout=120)
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
