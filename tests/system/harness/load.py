# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Work for a block device: file systems, fio with verification, and a meter for the longest pause."""

import json
import os
import signal
import sys

from harness.commands import Failure, Program, run

METER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "pause_meter.py")


class Mount:
    """An ext4 file system, mounted."""

    def __init__(self, device, folder, make=True):
        self.device = device
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        if make:
            run(["mkfs.ext4", "-q", "-F", device])
        run(["mount", "-t", "ext4", device, folder])

    def unmount(self):
        run(["umount", self.folder])

    def clean_up(self):
        if os.path.ismount(self.folder):
            if run(["umount", self.folder], check=False, timeout=20).code != 0:
                run(["umount", "--lazy", self.folder], check=False, timeout=20)


class Fio:
    """fio at work on one file or device, everything it writes read back and checked (crc32c).

    Written blocks are verified soon after, in batches, so that errors show while the test runs;
    serialize_overlap keeps fio from checking a block that it is writing anew at that moment.
    """

    def __init__(self, path, log_path, *, size_mib=48, depth=16, rw="randrw", seconds=600, extra=()):
        self.error_path = log_path
        self.program = Program(
            [
                "fio", "--name=load", "--verify_state_save=0", f"--filename={path}", f"--size={size_mib}M", f"--rw={rw}",
                "--bs=4k", f"--iodepth={depth}", "--ioengine=libaio", "--direct=1",
                "--verify=crc32c", "--verify_fatal=1", "--verify_backlog=512",
                "--serialize_overlap=1", "--time_based", f"--runtime={seconds}",
                "--output-format=json", "--eta=never", f"--output={log_path}.json", *extra,
            ],
            log_path,
        )  # fmt: skip
        self.result_path = f"{log_path}.json"
        self.mixed = rw in ("randrw", "rw")

    def check_running(self):
        if not self.program.running:
            raise Failure(f"fio ended early: {self.program.log()[-2000:]}{self._result_text()[-2000:]}")

    def _result_text(self):
        try:
            with open(self.result_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def stop(self, timeout=120):
        """Let it finish what it has begun; returns its totals. Failure on any error or mismatch."""
        self.program.signal(signal.SIGINT)
        return self.finish(timeout)

    def finish(self, timeout):
        code = self.program.wait(timeout)
        text = self._result_text()
        job = json.loads(text[text.index("{"):])["jobs"][0] if "{" in text else None
        if code not in (0, 128) or not job or job["error"] or "verify" in self.program.log():
            raise Failure(f"fio found errors (exit {code}):\n{self.program.log()[-3000:]}{text[:500]}")
        written, read = job["write"]["io_bytes"], job["read"]["io_bytes"]
        return {
            "written_bytes": written,
            # of a mixed load, half of the operations are reads of its own, which fio does not check
            "verified_bytes": max(0, read - written) if self.mixed else read,
            "longest_ms": max(job[way]["clat_ns"]["max"] for way in ("read", "write")) / 1e6,
            "errors": job["error"],
        }


class PauseMeter:
    """One write after the other; knows the longest time that one took."""

    def __init__(self, path, log_path):
        self.program = Program([sys.executable, METER, path], log_path, capture=True)
        self._answer()

    def _answer(self):
        line = self.program.process.stdout.readline()
        if not line:
            raise Failure(f"the pause meter ended: {self.program.log()}")
        return json.loads(line)

    def take(self):
        """{longest_ms, writes, errors} since the last time, and start anew"""
        self.program.signal(signal.SIGUSR1)
        return self._answer()

    def stop(self):
        taken = self.take()
        self.program.signal(signal.SIGTERM)
        self.program.wait(30)
        return taken


class Oracle:
    """Reads and writes that know what each block may hold; see oracle.c."""

    def __init__(self, program, device, log_path, options):
        words = []
        for name, value in options.items():
            words.append(f"--{name.replace('_', '-')}")
            words += [] if value is True else [value]
        self.program = Program([program, *words, device], log_path, capture=True)
        self._answer()

    def _answer(self):
        line = self.program.process.stdout.readline()
        if not line:
            raise Failure(f"the oracle ended: {self.program.log()[-3000:]}")
        return json.loads(line)

    def check_running(self):
        if not self.program.running:
            raise Failure(f"the oracle ended early: {self.program.log()[-3000:]}")

    def take(self):
        """{reads, writes, errors, violations, longest_read_ms, longest_write_ms} since the last time"""
        self.program.signal(signal.SIGUSR1)
        return self._answer()

    def stop(self, timeout=120):
        """Its totals, after every block was read once more. Failure on any error or violation."""
        self.program.signal(signal.SIGTERM)
        code = self.program.wait(timeout)
        totals = self._answer()
        if code != 0 or totals["errors"] or totals["violations"]:
            raise Failure(f"the oracle found {totals}:\n{self.program.log()[-3000:]}")
        return totals
