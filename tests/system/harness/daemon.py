# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""hawserd out of the build directory, with folders of its own, and its two commands."""

import errno
import fcntl
import glob
import json
import os
import signal
import socket
import sys

from harness.commands import Failure, Program, run, wait_until

INITIATOR = "iqn.2024-05.org.example.hawser:initiator"

LOOP_CLR_FD, LOOP_GET_STATUS64 = 0x4C01, 0x4C05  # linux/loop.h
LOOP_DEVICES = 64  # numbers that tests can reach; most do not exist until they are made

# Defaults of new records in tests: give up on the unreachable soon, so that wrong input is told within
# seconds. A test that wants other values passes them.
ISCSID_CONF = {
    "node.startup": "manual",
    "node.session.initial_login_retry_max": "1",
    "node.conn[0].timeo.login_timeout": "3",
    "node.session.timeo.replacement_timeout": "60",
    "discovery.sendtargets.reopen_max": "1",
    "discovery.sendtargets.timeo.login_timeout": "3",
}


class Build:
    """A build directory, and whether its programs carry a sanitizer."""

    def __init__(self, folder):
        self.folder = os.path.abspath(folder)
        self.hawserd = self._program("daemon/hawserd")
        self.hawser = self._program("cli/hawser")
        self.iscsiadm = self._program("cli/iscsiadm")
        self.sanitizer = None
        if os.path.exists(self.hawserd):
            with open(self.hawserd, "rb") as file:
                image = file.read()
            for mark, name in ((b"__asan_init", "address"), (b"__tsan_init", "thread")):
                if mark in image:
                    self.sanitizer = name

    def _program(self, path):
        return os.path.join(self.folder, path)

    @property
    def patience(self):
        """Programs under a sanitizer are slower; no test is about how much."""
        return 4 if self.sanitizer else 1


class Hawserd:
    def __init__(
        self, build, folder, namespace=None, *,
        conf=None, settings=None, initiator=INITIATOR, conf_dir=None, journal=None,
    ):  # fmt: skip
        """conf: more lines for iscsid.conf; settings: "section.key": value of hawser.conf"""
        self.build = build
        self.journal = journal  # that it logs to, instead of standard error
        self.namespace = namespace
        self.folder = folder
        self.conf_dir = conf_dir or os.path.join(folder, "conf")
        self.run_dir = os.path.join(folder, "run")
        self.dev_dir = os.path.join(folder, "dev")
        self.firmware_dir = os.path.join(folder, "ibft")  # not there: a machine without
        for path in (self.conf_dir, self.run_dir, self.dev_dir):
            os.makedirs(path, exist_ok=True)
        self._borrow_devices()
        self._write("initiatorname.iscsi", f"InitiatorName={initiator}\n")
        defaults = {**ISCSID_CONF, **(conf or {})}
        self._write("iscsid.conf", "".join(f"{key} = {value}\n" for key, value in defaults.items()))
        self._write_settings(settings or {})
        self.environment = {"HAWSER_RUN_DIR": self.run_dir}
        if build.sanitizer:
            report = os.path.join(folder, "sanitizer")
            options = f"log_path={report}:exitcode=99:abort_on_error=0:detect_stack_use_after_return=1"
            self.environment["ASAN_OPTIONS"] = options
            self.environment["TSAN_OPTIONS"] = f"log_path={report}:exitcode=99"
            self.environment["UBSAN_OPTIONS"] = f"log_path={report}:print_stacktrace=1"
        self.program = None

    def _borrow_devices(self):
        """A folder of its own for links, in which the machine's own devices can be found as well."""
        for name in ("fuse", "loop-control", *(f"loop{number}" for number in range(LOOP_DEVICES))):
            path = os.path.join(self.dev_dir, name)
            if not os.path.lexists(path):
                os.symlink(f"/dev/{name}", path)

    def _write(self, name, text):
        path = os.path.join(self.conf_dir, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o600)

    def _write_settings(self, settings):
        self.settings_path = os.path.join(self.folder, "hawser.conf")
        with open(self.settings_path, "w", encoding="utf-8") as file:
            for name, value in settings.items():
                section, key = name.split(".")
                file.write(f"[{section}]\n{key} = {value}\n")

    # ---- life

    def start(self):
        """Returns once it says READY=1, as systemd would wait for it."""
        ready = os.path.join(self.folder, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            if os.path.exists(ready):
                os.unlink(ready)
            notify.bind(ready)
            command = [
                self.build.hawserd, "--foreground", "--config", self.settings_path,
                "--conf-dir", self.conf_dir, "--run-dir", self.run_dir, "--dev-dir", self.dev_dir,
                "--firmware-dir", self.firmware_dir,
            ]  # fmt: skip
            if self.journal:
                command.remove("--foreground")
                command = self.journal.inside(command)
            if self.namespace:
                command = self.namespace.inside(command)
            self.program = Program(
                command,
                os.path.join(self.folder, "hawserd.log"),
                env={**self.environment, "NOTIFY_SOCKET": ready},
            )
            notify.settimeout(0.2)
            wait_until(lambda: self._told_ready(notify), "hawserd is ready", 15 * self.build.patience)
        os.unlink(ready)
        return self

    def _told_ready(self, notify):
        if not self.program.running:
            code = self.program.process.returncode
            raise Failure(f"hawserd ended with status {code}:\n{self.program.log()[-4000:]}")
        try:
            return "READY=1" in notify.recv(4096).decode().splitlines()
        except (socket.timeout, BlockingIOError):
            return False

    @property
    def pid(self):
        return self.program.pid

    def stop(self, timeout=30):
        """SIGTERM: flush, log out, end with 0."""
        self.program.signal(signal.SIGTERM)
        code = self.program.wait(timeout * self.build.patience)
        if code != 0:
            raise Failure(f"hawserd ended with status {code}:\n{self.program.log()[-4000:]}")

    def crash(self):
        """kill -9"""
        self.program.signal(signal.SIGKILL)
        self.program.process.wait(20)

    def restart(self):
        """As "systemctl restart" does it, also while its devices are in use."""
        self.stop()
        self.start()

    def clean_up(self):
        """End it somehow, and say what a sanitizer had to say."""
        if self.program and self.program.running:
            self.program.signal(signal.SIGTERM)
            try:
                self.program.process.wait(20 * self.build.patience)
            except Exception:
                self.program.kill()
        self.kill_keeper()
        for path in glob.glob(os.path.join(self.run_dir, "maps", "*")):
            self._detach_left(path)

    @staticmethod
    def _detach_left(path):
        """The loop device that a saved map is about, unless its number is another's by now."""
        with open(path, encoding="utf-8", errors="replace") as file:
            saved = dict(line.rstrip("\n").split(" = ", 1) for line in file if " = " in line)
        if saved.get("exporter") != "fuse" or not os.path.exists(saved["node.path"]):
            return
        with open(saved["node.path"], "rb") as device:
            status = bytearray(232)  # struct loop_info64
            try:
                fcntl.ioctl(device, LOOP_GET_STATUS64, status)
                if int.from_bytes(status[:8], sys.byteorder) == int(saved["node.backing"]):
                    fcntl.ioctl(device, LOOP_CLR_FD)
            except OSError as error:
                if error.errno != errno.ENXIO:  # attached to nothing
                    raise

    def keeper(self):
        """The process id of the one that keeps its block devices alive, or None."""
        try:
            with open(os.path.join(self.run_dir, "keeper.pid"), encoding="ascii") as file:
                pid = int(file.read())
            with open(f"/proc/{pid}/comm", encoding="ascii") as file:
                return pid if file.read().strip() == "hawser-keeper" else None
        except (FileNotFoundError, ValueError):
            return None

    def kill_keeper(self):
        """With it goes what a daemon that was killed has left."""
        pid = self.keeper()
        if pid:
            os.kill(pid, signal.SIGKILL)

    def sanitizer_reports(self):
        text = ""
        for path in sorted(glob.glob(os.path.join(self.folder, "sanitizer.*"))):
            with open(path, encoding="utf-8", errors="replace") as file:
                text += file.read()
        return text

    def log(self):
        return self.program.log() if self.program else ""

    def memory_kib(self):
        """Resident memory (VmRSS)."""
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise Failure("no VmRSS")

    # ---- its commands

    def iscsiadm(self, words, **options):
        """words: the command line as one would type it behind "iscsiadm" """
        return self._command(self.build.iscsiadm, words, options)

    def hawser(self, words, **options):
        return self._command(self.build.hawser, words, options)

    def _command(self, program, words, options):
        words = words.split() if isinstance(words, str) else words
        options.setdefault("timeout", 60 * self.build.patience)
        return run([program, *words], env=self.environment, **options)

    def status(self):
        """What "hawser status --json" tells: a tree of rows, each with a kind. Its exit status says
        how healthy everything is: 0, 1, 2."""
        told = self.hawser("status --json --no-rates", check=False)
        if told.code not in (0, 1, 2) or not told.out.startswith("{"):
            raise Failure(str(told))
        return json.loads(told.out)

    def rows(self, kind):
        """All rows of that kind: target, node, session, map, path"""

        def walk(rows):
            for row in rows:
                if row["kind"] == kind:
                    yield row
                yield from walk(row.get("children", []))

        return list(walk(self.status()["targets"]))

    # ---- what tests ask most

    def discover(self, portal, code=0):
        return self.iscsiadm(f"-m discovery -t st -p {portal}", code=code)

    def login(self, iqn=None, portal=None, code=0):
        return self._node("-l", iqn, portal, code)

    def logout(self, iqn=None, portal=None, code=0):
        return self._node("-u", iqn, portal, code)

    def _node(self, verb, iqn, portal, code):
        words = ["-m", "node"]
        words += ["-T", iqn] if iqn else []
        words += ["-p", str(portal)] if portal else []
        return self.iscsiadm([*words, verb], code=code)

    def connect(self, iqn, portals):
        """Discover at each portal, log in to the target through all of them, return its device."""
        for portal in portals:
            self.discover(portal)
        self.login(iqn)
        return self.device(iqn, portals[0])

    def add_record(self, iqn, portal):
        """A record made by hand, for a portal that no discovery names."""
        return self.iscsiadm(f"-m node -T {iqn} -p {portal} -o new")

    def by_path(self, iqn, portal, lun=1):
        return os.path.join(self.dev_dir, f"disk/by-path/ip-{portal}-iscsi-{iqn}-lun-{lun}")

    def device(self, iqn, portal, lun=1):
        """The block device behind the by-path link, which must be there when a login returns."""
        link = self.by_path(iqn, portal, lun)
        if not os.path.exists(link):
            raise Failure(f"no link {link}:\n{self.log()[-3000:]}")
        return os.path.realpath(link)

    def record_path(self, iqn, portal, tpgt=1, iface="default"):
        return os.path.join(
            self.conf_dir, "nodes", iqn, f"{portal.address},{portal.port},{tpgt}", iface
        )

    def session_ids(self):
        """iscsiadm's session numbers; none is no error."""
        listed = self.iscsiadm("-m session", check=False)
        if listed.code not in (0, 21):
            raise Failure(str(listed))
        return [int(line.split("[")[1].split("]")[0]) for line in listed.out.splitlines()]

    def active_paths(self):
        """Those that carry I/O and answer."""
        usable = ("active", "probation", "marginal")
        return sum(path["state"] in usable for path in self.rows("path"))

    def wait_for_paths(self, count, timeout=30):
        wait_until(
            lambda: self.active_paths() == count,
            f"{count} active paths",
            timeout * self.build.patience,
            every=0.1,
        )
