#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Hawser's block device beside qemu-storage-daemon's: fio on both, in turn, against one tgt.

usage: device.py [--build-dir DIR] [--rounds N] [--seconds N] [--peer-only]

The peer is qemu-storage-daemon's iscsi driver under its own FUSE export with a loop device on top,
direct I/O, set up as ours is. CPU time is user plus system time of the daemon process; what the
kernel's loop driver and fio spend is the same for both.

Twice: on a file, which tgt reads in threads of its own, and on tgt's "null" store, which answers without
reading. On a small machine the target's threads take most of the CPUs in the first case, and hide much
of what the initiators differ in.
"""

import argparse
import json
import os
import sys

import rounds as bench

from harness.commands import Failure, Program, Skip, run, wait_until
from harness.daemon import Build
from harness.lab import Lab

# Reads only: what qemu-storage-daemon 7.2 (Debian 12) wrote here with several writes under way did not
# read back right, and what writes wrong data is nothing to compare with.
JOBS = (("randread", 1), ("randread", 32))
STORES = {"rdwr": "file", "null": "null store"}
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class QemuDevice:
    """qemu-storage-daemon: iscsi → FUSE file → loop device"""

    name = "qemu-storage-daemon"

    def __init__(self, lab, net, portal, iqn):
        self.file = os.path.join(lab.folder, f"qemu-export-{iqn.rsplit(':', 1)[-1]}")
        with open(self.file, "wb"):
            pass
        blockdev = (
            f"driver=iscsi,node-name=disk,transport=tcp,portal={portal},target={iqn},lun=1,"
            "initiator-name=iqn.2024-05.org.example.hawser:peer,cache.direct=on"
        )
        export = f"type=fuse,id=export,node-name=disk,mountpoint={self.file},writable=on"
        command = ["qemu-storage-daemon", "--blockdev", blockdev, "--export", export]
        log = f"{self.file}.log"
        self.program = Program(net.initiator_side.inside(command), log)
        wait_until(self._exported, "qemu-storage-daemon exports its file", 10)
        attached = run(["losetup", "--find", "--show", "--direct-io=on", self.file])
        self.device = attached.out.strip()

    def _exported(self):
        if not self.program.running:
            raise Failure(f"qemu-storage-daemon ended: {self.program.log()}")
        return os.path.getsize(self.file) > 0

    @property
    def pid(self):
        return self.program.pid

    def close(self):
        run(["losetup", "--detach", self.device], check=False)
        run(["umount", self.file], check=False)
        self.program.kill()


class OurDevice:
    name = "hawser"

    def __init__(self, lab, net, portal, iqn):
        self.daemon = lab.hawserd(net)
        self.iqn = iqn
        self.device = self.daemon.connect(iqn, [portal])
        lab.note_device(self.device)

    @property
    def pid(self):
        return self.daemon.pid

    def close(self):
        self.daemon.logout(self.iqn)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def measure(disk, target, job, depth, seconds):
    before, target_before = cpu_seconds(disk.pid), cpu_seconds(target.program.pid)
    done = run(
        [
            "fio", "--name=bench", "--verify_state_save=0", f"--filename={disk.device}", f"--rw={job}", "--bs=4k",
            f"--iodepth={depth}", "--ioengine=libaio", "--direct=1", "--time_based", f"--size={bench.UNIT_MIB}M",
            f"--runtime={seconds}", "--output-format=json",
        ],
        timeout=seconds + 60,
    )  # fmt: skip
    cpu_s = cpu_seconds(disk.pid) - before
    target_s = cpu_seconds(target.program.pid) - target_before
    told = json.loads(done.out)["jobs"][0]
    ios = told["read"]["total_ios"] + told["write"]["total_ios"]
    return {
        "iops": told["read"]["iops"] + told["write"]["iops"],
        "cpu_us": cpu_s * 1e6 / ios,
        "target_us": target_s * 1e6 / ios,
    }


def make_disk(lab, net, target, kind, store):
    iqn = target.add(f"{kind.name}-{store}")
    if store == "null":
        target.add_unit(iqn, path="/dev/null", thin=False, store=store)
    else:
        bench.fill(target.add_unit(iqn, size_mib=bench.UNIT_MIB))
    disk = kind(lab, net, net.portals[0], iqn)
    lab._keep(disk, lambda kept: kept.close())
    return disk


def compare(lab, arguments):
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    rows = []
    for store in STORES:
        peer = make_disk(lab, net, target, QemuDevice, store)
        ours = peer if arguments.peer_only else make_disk(lab, net, target, OurDevice, store)
        for job, depth in JOBS:
            pairs = bench.alternate(
                arguments.rounds,
                lambda: measure(ours, target, job, depth, arguments.seconds),
                lambda: measure(peer, target, job, depth, arguments.seconds),
            )
            rows.append(bench.row(f"4 KiB {job}, depth {depth}, {STORES[store]}", pairs))
    return rows


def main():
    parser = argparse.ArgumentParser(description="hawser's block device beside qemu-storage-daemon's")
    parser.add_argument("--build-dir", default="build")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--peer-only", action="store_true", help="measure the peer against itself")
    arguments = parser.parse_args()
    lab = Lab(Build(arguments.build_dir))
    try:
        rows = compare(lab, arguments)
    except (Failure, Skip) as why:
        print(why)
        return 1
    finally:
        left = lab.close()
        lab.remove_folder()
        if left:
            print("\n".join(left))
    about = (
        f"`./dev bench device --rounds {arguments.rounds} --seconds {arguments.seconds}` on "
        f"{bench.machine()}; medians of {arguments.rounds} alternating rounds."
    )
    text = bench.table(rows, QemuDevice.name)
    bench.publish(arguments.build_dir, "device", f"{about}\n\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
