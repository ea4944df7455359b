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

SUITES = (
    "SCSI.Mandatory", "SCSI.Read10", "SCSI.Read16", "SCSI.Write10", "SCSI.Write16", "SCSI.ReadCapacity10",
    "SCSI.ReadCapacity16", "SCSI.TestUnitReady", "SCSI.Unmap",
)  # fmt: skip


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


def suites_of_libiscsi_pass(target):
    for suite in SUITES:
        output = run("iscsi-test-cu", "--dataloss", "--test", suite, target.url())
        tests = re.search(r"tests +\d+ +(\d+) +(\d+) +(\d+)", output)
        assert tests and int(tests[1]) > 0 and tests[3] == "0", f"{suite}:\n{output}"


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
    target = Target(program, "")
    suites_of_libiscsi_pass(target)
    target.end()  # its tests break rules on purpose
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
