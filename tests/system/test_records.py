# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Records on disk: whole, whatever happens to the daemon or the disk while one is written."""

import glob
import os
import threading
import time

from harness.cases import case
from harness.commands import Skip, contains, run, same, true

IQN = "iqn.2024-05.org.example.hawser:static"
KEY = "node.session.cmds_max"


def node(number):
    return f"-m node -T {IQN}{number} -p 127.0.0.1:3260"


def record_files(conf_dir):
    files = glob.glob(os.path.join(glob.escape(conf_dir), "nodes/**"), recursive=True)
    return sorted(path for path in files if os.path.isfile(path))


def check_whole(path):
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    true(lines and lines[0].startswith("# BEGIN RECORD"), f"{path} begins as a record: {lines[:1]}")
    same(lines[-1], "# END RECORD", f"end of {path}")
    true(any(line.startswith("node.name = ") for line in lines), f"{path} has a name")


class Updates(threading.Thread):
    """Updates records as fast as it can until the daemon is gone."""

    def __init__(self, daemon, count):
        super().__init__()
        self.daemon_under_test = daemon
        self.count = count
        self.updates = 0

    def run(self):
        for turn in range(10000):
            words = f"{node(turn % self.count)} -o update -n {KEY} -v {16 << turn % 5}"
            if self.daemon_under_test.iscsiadm(words, check=False).code != 0:
                return
            self.updates += 1


@case(limit_s=180)
def records_survive_kill_9_at_any_moment_of_a_write(lab):
    daemon = lab.hawserd()
    for number in range(4):
        daemon.iscsiadm(f"{node(number)} -o new")
    total = 0
    for _ in range(25):
        updates = Updates(daemon, 4)
        updates.start()
        time.sleep(lab.random.uniform(0.02, 0.25))
        daemon.crash()
        updates.join()
        total += updates.updates
        paths = record_files(daemon.conf_dir)
        names = [path for path in paths if os.path.basename(path) == "default"]
        names += [path for path in paths if os.path.basename(path) == "127.0.0.1,3260"]
        same(len(names), 4, f"number of records in {paths}")
        for path in names:
            check_whole(path)
        daemon.start()
        same(len(daemon.iscsiadm("-m node").out.splitlines()), 4, "records after the crash")
    true(total > 25, f"the daemon was killed while it worked ({total} updates)")
    leftover = [path for path in record_files(daemon.conf_dir) if path not in names]
    daemon.stop()
    daemon.start()
    same(len(leftover) < 4, True, f"temporary files do not pile up: {leftover}")


@case()
def a_record_cut_in_half_is_told_and_kept(lab):
    daemon = lab.hawserd()
    for number in range(2):
        daemon.iscsiadm(f"{node(number)} -o new")
    daemon.stop()
    path = record_files(daemon.conf_dir)[0]
    with open(path, "rb") as file:
        half = file.read()
    half = half[: len(half) // 2]
    with open(path, "wb") as file:
        file.write(half)
    daemon.start()
    listed = daemon.iscsiadm("-m node", check=False)
    contains(listed.out, f"{IQN}1", "the other record is listed")
    true(listed.code in (0, 7), f"documented exit status: {listed}")
    damaged = daemon.iscsiadm(f"{node(0)} -l", check=False)
    true(damaged.code in (7, 21), f"login to the damaged record is refused: {damaged}")
    contains(daemon.log() + listed.err + damaged.err, IQN + "0", "the damaged record is named")
    daemon.iscsiadm(f"{node(1)} -o update -n {KEY} -v 64")
    with open(path, "rb") as file:
        true(file.read() == half, "the damaged file is left as it was")


@case()
def a_full_disk_loses_nothing(lab):
    conf_dir = os.path.join(lab.folder, "small")
    os.makedirs(conf_dir)
    if run(["mount", "-t", "tmpfs", "-o", "size=256k", "hawser", conf_dir], check=False).code != 0:
        raise Skip("no tmpfs can be mounted here")
    lab._keep(conf_dir, lambda path: run(["umount", path], check=False))
    daemon = lab.hawserd(conf_dir=conf_dir)
    daemon.iscsiadm(f"{node(0)} -o new")
    before = daemon.iscsiadm(f"{node(0)} -o show").out
    files = {path: open(path, "rb").read() for path in record_files(conf_dir)}
    ballast = os.path.join(conf_dir, "ballast")
    with open(ballast, "wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)) == 4096:
                pass
        except OSError:
            pass
    for words in (f"{node(0)} -o update -n {KEY} -v 64", f"{node(1)} -o new"):
        refused = daemon.iscsiadm(words, code=6)
        contains(refused.err.splitlines()[0], "No space left on device", "the error's first line")
    same({path: open(path, "rb").read() for path in record_files(conf_dir)}, files, "files on disk")
    same(daemon.iscsiadm(f"{node(0)} -o show").out, before, "the record in memory")
    os.unlink(ballast)
    daemon.iscsiadm(f"{node(0)} -o update -n {KEY} -v 64")
    contains(daemon.iscsiadm(f"{node(0)} -o show").out, f"{KEY} = 64", "the update, with room again")


@case()
def a_record_of_open_iscsi_is_taken_as_it_is(lab):
    """Files that open-iscsi wrote, in both of its layouts, are nodes; unknown keys stay."""
    daemon = lab.hawserd(start=False)
    text = """# BEGIN RECORD 2.1.8
node.name = {iqn}
node.tpgt = {tpgt}
node.startup = automatic
node.leading_login = No
iface.iscsi_ifacename = default
iface.net_ifacename = default
iface.hwaddress = default
iface.transport_name = tcp
node.discovery_address = 127.0.0.1
node.discovery_port = 3260
node.discovery_type = send_targets
node.session.initial_cmdsn = 0
node.session.cmds_max = 96
node.conn[0].address = 127.0.0.1
node.conn[0].port = 3260
node.conn[0].startup = manual
# END RECORD
"""
    with_tag = os.path.join(daemon.conf_dir, "nodes", f"{IQN}0", "127.0.0.1,3260,1")
    without = os.path.join(daemon.conf_dir, "nodes", f"{IQN}1")
    os.makedirs(with_tag)
    os.makedirs(without)
    with open(os.path.join(with_tag, "default"), "w", encoding="utf-8") as file:
        file.write(text.format(iqn=f"{IQN}0", tpgt=1))
    with open(os.path.join(without, "127.0.0.1,3260"), "w", encoding="utf-8") as file:
        file.write(text.format(iqn=f"{IQN}1", tpgt=-1))
    daemon.start()
    listed = daemon.iscsiadm("-m node").out.splitlines()
    wanted = [f"127.0.0.1:3260,1 {IQN}0", f"127.0.0.1:3260,4294967295 {IQN}1"]
    same(listed, wanted, "iscsiadm -m node")
    contains(daemon.iscsiadm(f"{node(0)} -o show").out, "node.session.cmds_max = 96", "its values")
