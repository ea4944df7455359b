# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""One test machine: QEMU with a disk of its own over the image, from power-on to power-off."""

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))

from harness.commands import Program  # noqa: E402

TESTS = "/usr/lib/hawser-vm"  # in the machine
JOB = f"{TESTS}/job.json"
UNITS = "/etc/systemd/system"
DISK_MIB = {"unit0": 512, "unit1": 512}  # what targets in the machine serve; by serial number

# KVM would be faster, but it hangs where it is offered without being had (nested, in sandboxes), and
# nothing here needs it.
ACCELERATOR = os.environ.get("HAWSER_VM_ACCEL", "tcg,thread=multi")

# cx16: QEMU 7.2 garbles the flags after a CMPXCHG16B without LOCK, and kernels since 6.3 crash of it
# while they boot. la57: five levels of page tables only make software emulation slower. svm: no need
# to load KVM in there.
EMULATED_CPU = "max,cx16=off,la57=off,svm=off"
CPU = "host" if ACCELERATOR.startswith("kvm") else EMULATED_CPU

COMPLAINTS = ("BUG:", "Oops", "WARNING:", "Kernel panic", "blocked for more than", "I/O error")

COUNT_SHIFT = 1  # an instruction takes 2^1 ns of the machine's time where instructions are counted

KERNEL_ARGUMENTS = "console=ttyS0 mitigations=off nokaslr panic=-1 oops=panic"


class Payload:
    """The second disk: a tar archive that is unpacked over the root file system at each boot."""

    def __init__(self, build):
        """build: the build directory; what it installs is taken as it would be installed"""
        self.files = {}  # path in the machine: path here
        self.links = {}  # path in the machine: what it points to
        staging = os.path.join(build, "vm", "install")
        shutil.rmtree(staging, ignore_errors=True)
        subprocess.run(
            ["meson", "install", "-C", build, "--no-rebuild", "--quiet"],
            env=dict(os.environ, DESTDIR=staging), stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        self._add_folder(staging, "")
        self._add_folder(os.path.join(HERE, "guest"), f"{TESTS}/guest", ".py")
        self._add_folder(os.path.join(os.path.dirname(HERE), "system", "harness"), f"{TESTS}/harness", ".py")
        for name in os.listdir(HERE):
            if name.startswith("test_") and name.endswith(".py"):
                self.files[f"{TESTS}/{name}"] = os.path.join(HERE, name)
        for name in os.listdir(os.path.join(HERE, "guest")):
            if name.endswith(".service"):
                self._enable(name, os.path.join(HERE, "guest", name))

    def _enable(self, unit, path):
        """As "systemctl enable" would."""
        self.files[f"{UNITS}/{unit}"] = path
        with open(path, encoding="ascii") as file:
            wanted_by = [line.split("=")[1].split() for line in file if line.startswith("WantedBy=")]
        for target in sum(wanted_by, []):
            self.links[f"{UNITS}/{target}.wants/{unit}"] = f"{UNITS}/{unit}"

    def _add_folder(self, folder, place, ending=""):
        for parent, _, names in os.walk(folder):
            for name in names:
                if name.endswith(ending):
                    path = os.path.join(parent, name)
                    self.files[f"{place}/{os.path.relpath(path, folder)}"] = path

    def add_program(self, path):
        self.files[f"{TESTS}/bin/{os.path.basename(path)}"] = path

    def write(self, path, job):
        """job: what the machine shall do, for guest/agent.py; None: wait for somebody at the console"""
        with tarfile.open(path, "w") as archive:
            for place, source in sorted(self.files.items()):
                archive.add(source, place.lstrip("/"), recursive=False, filter=_owned_by_root)
            for place, destination in sorted(self.links.items()):
                entry = tarfile.TarInfo(place.lstrip("/"))
                entry.type, entry.linkname = tarfile.SYMTYPE, destination
                archive.addfile(entry)
            if job is not None:
                text = json.dumps(job).encode()
                entry = tarfile.TarInfo(JOB.lstrip("/"))
                entry.size = len(text)
                archive.addfile(entry, io.BytesIO(text))


def _owned_by_root(entry):
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


class Machine:
    """A folder with disks; boot() can be called again and again and finds what the last one left."""

    def __init__(self, image, series, folder, payload, counting=False):
        """counting: one processor, whose clock ticks with each of its instructions"""
        self.counting = counting
        self.image = image
        self.series = series
        self.folder = folder
        self.payload = payload
        self.boots = 0
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        subprocess.run(
            ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image.root, self._path("root.qcow2")],
            check=True,
        )
        for name, size_mib in DISK_MIB.items():
            with open(self._path(name), "wb") as file:
                file.truncate(size_mib << 20)

    def _path(self, name):
        return os.path.join(self.folder, name)

    def _command(self, arguments):
        command = ["qemu-system-x86_64", "-machine", "q35,sata=off"]
        if self.counting:
            command += ["-accel", "tcg,thread=single", "-icount", f"shift={COUNT_SHIFT},sleep=off", "-smp", "1"]
        else:
            command += ["-accel", ACCELERATOR, "-smp", "2"]
        command += ["-cpu", CPU if not self.counting else EMULATED_CPU, "-m", "1536", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]
        command += ["-kernel", self.image.kernel(self.series), "-initrd", self.image.initramfs(self.series)]
        command += ["-append", f"{KERNEL_ARGUMENTS} {arguments}", "-device", "virtio-rng-pci"]
        command += _drive(self._path("root.qcow2"), "qcow2", "root", "cache=unsafe")
        command += _drive(self._path("payload.tar"), "raw", "payload", "readonly=on")
        for name in DISK_MIB:
            command += _drive(self._path(name), "raw", name, "cache=unsafe,discard=unmap")
        return command

    def boot(self, job):
        """Start it; it ends by itself when the job is done. Returns the Run."""
        self.boots += 1
        self.payload.write(self._path("payload.tar"), job)
        console, results = self._path(f"console-{self.boots}.log"), self._path(f"results-{self.boots}")
        command = self._command("systemd.mask=serial-getty@ttyS0.service")
        command += ["-serial", f"file:{console}", "-chardev", f"file,id=results,path={results}"]
        command += ["-device", "virtio-serial", "-device", "virtserialport,chardev=results,name=results"]
        return Run(Program(command, self._path("qemu.log")), console, results)

    def shell(self):
        """At this terminal, until it is switched off (poweroff, or Ctrl-A x)."""
        self.payload.write(self._path("payload.tar"), None)
        return subprocess.call([*self._command("quiet"), "-serial", "mon:stdio"])

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def _drive(path, kind, name, options):
    text = f"file={path},format={kind},if=none,id={name},{options}"
    return ["-drive", text, "-device", f"virtio-blk-pci,drive={name},serial={name}"]


class Run:
    """A machine that is on. What its agent has to say comes as one JSON object per line."""

    def __init__(self, program, console, results):
        self.program = program
        self.console = console
        self.results = results
        self.position = 0

    def next(self, seconds):
        """The next thing it says; None when it went off or said nothing for so long."""
        end = time.monotonic() + seconds
        while True:
            running = self.program.running
            said = self._read()
            if said is not None:
                return said
            if not running or time.monotonic() >= end:
                return None
            time.sleep(0.1)

    def _read(self):
        try:
            with open(self.results, "rb") as file:
                file.seek(self.position)
                line = file.readline()
        except FileNotFoundError:
            return None
        if not line.endswith(b"\n"):
            return None
        self.position += len(line)
        return json.loads(line)

    def wait_for_end(self, seconds):
        """Is it off within that time?"""
        end = time.monotonic() + seconds
        while self.program.running and time.monotonic() < end:
            time.sleep(0.1)
        return not self.program.running

    def kill(self):
        self.program.kill()

    def console_text(self):
        try:
            with open(self.console, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def complaints(self, expected=()):
        """What the kernel said that it must never say, but for what is expected."""
        marks = [mark for mark in COMPLAINTS if mark not in expected]
        return [line for line in self.console_text().splitlines() if any(mark in line for mark in marks)]
