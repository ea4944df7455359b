# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Programs: run one to its end, or keep one running and end it by its process id."""

import ctypes
import os
import signal
import subprocess
import time
from dataclasses import dataclass

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """Something did not go as the test wants it; the text says what."""


class Skip(Exception):
    """This machine cannot run the test; the text says why."""


@dataclass
class Result:
    command: list
    code: int
    out: str
    err: str

    def __str__(self):
        text = f"$ {' '.join(self.command)}\n  exit {self.code}"
        for name, stream in (("out", self.out), ("err", self.err)):
            for line in stream.rstrip("\n").splitlines()[-40:]:
                text += f"\n  {name}: {line}"
        return text


def _die_with_parent():
    # A test run that is killed with SIGKILL cannot clean up; its children then end with it.
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def run(command, *, check=True, code=None, timeout=60, env=None, input_text=None, user=None):
    """Run to the end. check: exit 0, or exactly `code` when given; else Failure with all output."""
    command = [str(word) for word in command]
    environment = dict(os.environ, LC_ALL="C.UTF-8", **(env or {}))
    drop = {"user": user, "group": user, "extra_groups": []} if user is not None else {}
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            input=(input_text or "").encode(),
            timeout=timeout,
            env=environment,
            preexec_fn=_die_with_parent,
            **drop,
        )
    except subprocess.TimeoutExpired as late:
        text = b"".join(part for part in (late.stdout, late.stderr) if part)
        raise Failure(
            f"$ {' '.join(command)}\n  no end after {timeout} s\n  {text.decode(errors='replace')}"
        ) from None
    result = Result(
        command,
        done.returncode,
        done.stdout.decode(errors="replace"),
        done.stderr.decode(errors="replace"),
    )
    if code is not None and result.code != code:
        raise Failure(f"exit {code} expected\n{result}")
    if code is None and check and result.code != 0:
        raise Failure(str(result))
    return result


class Program:
    """A program that keeps running; its output goes to a file."""

    def __init__(self, command, log_path, env=None, capture=False):
        self.command = [str(word) for word in command]
        self.log_path = log_path
        log = open(log_path, "ab")
        self.process = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else log,
            stderr=log,
            env=dict(os.environ, LC_ALL="C.UTF-8", **(env or {})),
            preexec_fn=_die_with_parent,
        )
        log.close()

    @property
    def pid(self):
        return self.process.pid

    @property
    def running(self):
        return self.process.poll() is None

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def signal(self, number):
        if self.running:
            self.process.send_signal(number)

    def wait(self, timeout):
        """Exit status, or Failure when it goes on."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise Failure(f"{self.command[0]} (pid {self.pid}) goes on after {timeout} s") from None

    def kill(self):
        """End it now; used by clean-up, so it never fails."""
        self.signal(signal.SIGKILL)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            print(f"warning: {self.command[0]} (pid {self.pid}) does not die", flush=True)


def wait_until(condition, what, timeout, every=0.05):
    """Poll until condition() is true and return its value; Failure names `what` after timeout."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise Failure(f"{what}: not within {timeout} s")
        time.sleep(every)


def same(got, wanted, what):
    if got != wanted:
        raise Failure(f"{what}:\n  wanted {wanted!r}\n  got    {got!r}")


def contains(text, part, what):
    if part not in text:
        raise Failure(f"{what}: {part!r} is not in\n{text}")


def true(condition, what):
    if not condition:
        raise Failure(what)
