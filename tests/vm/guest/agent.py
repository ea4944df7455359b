# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Runs the cases that job.json names, tells the host how they ended, and switches the machine off.

What it tells: one JSON object per line, on the virtio port "results".
    {"begin": name, "limit_s": s}
    {"case": name, "outcome": "ok" | "FAIL" | "skip", "seconds": s, "text": why, "log": journal}
    {"end": true}
"""

import glob
import importlib
import json
import os
import signal
import subprocess
import sys
import time
import traceback

FOLDER = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, FOLDER)

from guest.cases import CASES  # noqa: E402
from guest.guest import Guest  # noqa: E402
from harness.commands import Failure, Skip  # noqa: E402

PORT = "/dev/virtio-ports/results"
LOG = """
    systemctl --no-pager --failed; systemctl --no-pager -n 0 status hawserd iscsi
    journalctl -b --no-pager -o short-monotonic -n 400
    lsblk; ls -l /dev/disk/by-path /dev/disk/by-id /dev/hawser; findmnt
    hawser status
"""


def out_of_time(*_):
    raise Failure("the case takes longer than its limit")


def limit_of(case, job):
    """In seconds; more where it shall kill hawserd more often than it likes"""
    return case.limit_s + 20 * (job.get("kills") or 0)


def explain():
    """What is worth to be read after a failure."""
    done = subprocess.run(
        ["sh", "-c", LOG], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=60
    )
    return done.stdout.decode(errors="replace")


def run_case(case, job):
    boot = job["boot"]
    guest = Guest(boot, case.exporter, job.get("kills"))
    outcome, text, log = "ok", "", ""
    try:
        signal.alarm(limit_of(case, job))
        case.function(guest)
        text = "\n".join(guest.notes)
    except Skip as why:
        outcome, text = "skip", str(why)
    except Failure as why:
        frames = [f for f in traceback.extract_tb(why.__traceback__) if "test_" in f.filename]
        outcome, text = "FAIL", f"{why}" + (f" (line {frames[-1].lineno})" if frames else "")
    except Exception:
        outcome, text = "FAIL", traceback.format_exc()
    finally:
        signal.alarm(0)
    if outcome == "FAIL":
        log = explain()
    problems = guest.tidy_up() if case.boots == 1 else []
    if problems and outcome == "ok":
        outcome, text, log = "FAIL", "left behind or found at the end:\n" + "\n".join(problems), explain()
    return {"outcome": outcome, "text": text, "log": log}


def main():
    while not os.path.exists(PORT):
        time.sleep(0.1)
    port = open(PORT, "w", encoding="utf-8")

    def tell(**said):
        print(json.dumps(said), file=port, flush=True)

    signal.signal(signal.SIGALRM, out_of_time)
    for path in sorted(glob.glob(os.path.join(FOLDER, "test_*.py"))):
        importlib.import_module(os.path.basename(path)[:-3])
    subprocess.run(["systemctl", "is-system-running", "--wait"], stdout=subprocess.DEVNULL, check=False)
    with open(os.path.join(FOLDER, "job.json"), encoding="utf-8") as file:
        job = json.load(file)
    for name in job["cases"]:
        (case,) = [each for each in CASES if each.name == name]
        tell(begin=name, limit_s=limit_of(case, job))
        begin = time.monotonic()
        told = run_case(case, job)
        tell(case=name, seconds=time.monotonic() - begin, **told)
    tell(end=True)
    subprocess.run(["systemctl", "poweroff", "--no-block"], check=False)


if __name__ == "__main__":
    main()
