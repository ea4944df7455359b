# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""foreign.py FAKE_TARGET: initiators that are not ours find a good target in the fake one."""

import os
import re
import shutil
import subprocess
import sys
import tempfile

NAME = "iqn.2026-01.org.example:fake"
DISK_BYTES = 64 << 20
SKIPPED = 77  # meson's

# libiscsi takes the StatSN of an R2T for one that was used up, so its Data-Out acknowledges one more
# than there was: the fake target says so each time.
KNOWN_COMPLAINT = re.compile(r"^connection \d+, data-out: ExpStatSN of what was never sent \(4\.2\.2\.2\)$")

SCRIPTS = {
    "as it is": "",
    "small pieces": "want MaxRecvDataSegmentLength=4096\nwant InitialR2T=Yes\nr2t-bytes 5000\ndata-in-bytes 777\n",
    "status in data": "status-in-data 1\nwindow 2\n",
    "no first burst": "want InitialR2T=Yes\nwant ImmediateData=No\nfirst-tag 0\n",
}

# What a plain disk has; docs/FAKE_TARGET.md says what is left out.
SUITES = (
    "SCSI.CompareAndWrite", "SCSI.GetLBAStatus", "SCSI.Inquiry", "SCSI.Mandatory", "SCSI.ModeSense6", "SCSI.OrWrite",
    "SCSI.Prefetch10", "SCSI.Prefetch16", "SCSI.PrinReadKeys", "SCSI.PrinServiceactionRange",
    "SCSI.PrinReportCapabilities", "SCSI.ProutRegister", "SCSI.ProutReserve", "SCSI.ProutClear", "SCSI.ProutPreempt",
    "SCSI.Read6", "SCSI.Read10", "SCSI.Read12", "SCSI.Read16", "SCSI.ReadCapacity10", "SCSI.ReadCapacity16",
    "SCSI.ReportSupportedOpcodes", "SCSI.Reserve6", "SCSI.StartStopUnit", "SCSI.TestUnitReady", "SCSI.Unmap",
    "SCSI.Verify10", "SCSI.Verify12", "SCSI.Verify16", "SCSI.Write10", "SCSI.Write12", "SCSI.Write16",
    "SCSI.WriteSame10", "SCSI.WriteSame16", "SCSI.WriteVerify10", "SCSI.WriteVerify12", "SCSI.WriteVerify16",
    "SCSI.MultipathIO", "iSCSI.iSCSIcmdsn", "iSCSI.iSCSIdatasn", "iSCSI.iSCSIResiduals", "iSCSI.iSCSITMF",
)  # fmt: skip
LARGE_BLOCKS_SUITES = ("SCSI.CompareAndWrite", "SCSI.Unmap", "SCSI.WriteSame10", "SCSI.WriteSame16")
WRONG = "SCSI.WriteSame10.UnmapUntilEnd"

# Not of this disk, or what libiscsi says when a command fails as it should.
MAY_SKIP = re.compile(r"LBPPB < 2|not removable|REPORT_SUPPORTED_OPCODES is not implemented")


class Target:
    def __init__(self, program, script):
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "script")
        with open(path, "w", encoding="utf-8") as file:
            file.write(script)
        self.errors = open(os.path.join(self.folder.name, "errors"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            [program, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors, text=True
        )
        self.port = re.match(r"portal 127\.0\.0\.1:(\d+),1$", self.process.stdout.readline())[1]

    def url(self, credentials=""):
        return f"iscsi://{credentials}127.0.0.1:{self.port}/{NAME}/0"

    def end(self):
        """Complaints that are not known."""
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()
        self.errors.seek(0)
        lines = [line.strip() for line in self.errors if not KNOWN_COMPLAINT.match(line.strip())]
        self.errors.close()
        self.folder.cleanup()
        return lines


def run(*command):
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout


def an_image_comes_back_as_it_went(target, credentials=""):
    image = os.path.join(target.folder.name, "image")
    with open(image, "wb") as file:
        file.write(os.urandom(8 << 20))
        file.truncate(DISK_BYTES)
    url = target.url(credentials)
    run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", image, url)
    assert "identical" in run("qemu-img", "compare", "-f", "raw", "-F", "raw", image, url)


def selections(suite, listed):
    """What to ask iscsi-test-cu for: the suite, or each of its tests but the wrong one."""
    if not WRONG.startswith(suite + "."):
        return [suite]
    return [test for test in listed if test.startswith(suite + ".") and test != WRONG]


def tests_of_libiscsi_pass(target, suites):
    """Return: how many tests there were, and what was wrong"""
    listed = run("iscsi-test-cu", "--list").split()
    count, problems = 0, []
    for selection in [each for suite in suites for each in selections(suite, listed)]:
        paths = [target.url()] * (2 if selection == "SCSI.MultipathIO" else 1)
        command = ["iscsi-test-cu", "--normal", "--dataloss", "--test", selection, *paths]
        result = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        output = result.stdout + result.stderr
        tests = re.search(r"tests +\d+ +(\d+) +(\d+) +(\d+)", output)
        skipped = [line for line in output.splitlines() if "SKIPPED" in line and not MAY_SKIP.search(line)]
        if not tests or int(tests[1]) == 0 or tests[3] != "0" or skipped:
            problems.append(f"{selection}:\n{output}")
        count += int(tests[1]) if tests else 0
    return count, problems


def disks_pass(program):
    disks = {
        "attentions 1\n": SUITES,
        "attentions 1\nphysical-exponent 3\n": LARGE_BLOCKS_SUITES,
        "read-only 1\n": ("SCSI.ReadOnly",),
    }
    bad = 0
    for script, suites in disks.items():
        target = Target(program, script)
        count, problems = tests_of_libiscsi_pass(target, suites)
        target.end()  # its tests break rules on purpose
        print(f"{count} tests of libiscsi, {script.split()}: {''.join(problems) or 'good'}")
        bad += bool(problems)
    return bad


def main():
    program = sys.argv[1]
    if not all(shutil.which(tool) for tool in ("qemu-img", "iscsi-inq", "iscsi-ls", "iscsi-test-cu")):
        print("libiscsi's tools or qemu-img are missing")
        return SKIPPED
    failed = 0
    for name, script in SCRIPTS.items():
        target = Target(program, script)
        assert "DIRECT_ACCESS" in run("iscsi-inq", target.url())
        assert NAME in run("iscsi-ls", f"iscsi://127.0.0.1:{target.port}")
        an_image_comes_back_as_it_went(target)
        complaints = target.end()
        print(f"{name}: {complaints or 'good'}")
        failed += bool(complaints)
    target = Target(program, "chap user secret123456789\n")
    an_image_comes_back_as_it_went(target, "user%secret123456789@")
    failed += bool(target.end())
    failed += disks_pass(program)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
