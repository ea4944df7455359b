# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""alua.py BUILD_DIR [CASE…]: a target whose port groups change their access states (SPC-4 §5.15) under a
writer that must not notice. Each of two portals is a group of its own.
tests/unit/multipath/test_port_groups.c walks the states; this is hawserd, TCP and a block device.
Needs root and FUSE."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time

from daemon import NAME, SKIPPED, Target, wait_for  # noqa: I001

from harness.daemon import Build, Hawserd

HERE = os.path.dirname(os.path.abspath(__file__))
METER = os.path.join(HERE, "..", "system", "pause_meter.py")
MAINTENANCE_IN, MAINTENANCE_OUT = 0xA3, 0xA4
# What a change may cost a writer: the target's word, one question, and a busy machine.
PAUSE_MS = 100
# Longer than probation, which the other cases of failback have, too
FAILBACK_S = 8


class Writer:
    """pause_meter.py; its errors fail the case."""

    running = []

    def __init__(self, device):
        self.process = subprocess.Popen(
            [sys.executable, METER, device], stdout=subprocess.PIPE, text=True
        )
        self.running.append(self.process)
        self.told()

    def told(self):
        return json.loads(self.process.stdout.readline())

    def take(self):
        """The longest write in ms since the last time"""
        self.process.send_signal(signal.SIGUSR1)
        told = self.told()
        assert told["errors"] == 0, told
        return told["longest_ms"]

    def end(self):
        self.process.terminate()
        self.process.wait(30)


class Scene:
    def __init__(self, daemon, target):
        self.daemon, self.target = daemon, target
        self.patience = daemon.build.patience
        daemon.discover(target.portal)
        daemon.login(NAME)
        self.device = self.map()["device"]

    def map(self):
        return json.loads(self.daemon.hawser("maps --json").out)["maps"][0]

    def paths(self):
        """By portal number"""
        shown = json.loads(self.daemon.hawser("paths --json").out)["paths"]
        return sorted(shown, key=lambda path: path["portal"])

    def states(self):
        return [path["alua_state"] for path in self.paths()]

    def wait_for_states(self, *states):
        wait_for(lambda: self.states() == list(states), f"the groups are {states}, not {self.states()}")

    def set(self, *states, silent=""):
        """By portal number, in one go; " silent": no unit attention comes of it"""
        self.target.say("".join(f"port-group {i + 1} {state}{silent}\n" for i, state in enumerate(states)))

    def commands(self, opcode):
        return sum(bhs[32] == opcode for _, bhs in self.target.events("command"))

    def group_of_writes(self):
        """Which portal's path counts writes at the moment: its number"""
        before = [path["writes"] for path in self.paths()]
        time.sleep(0.3)
        after = [path["writes"] for path in self.paths()]
        more = [number for number, pair in enumerate(zip(before, after), 1) if pair[1] > pair[0]]
        assert len(more) == 1, (before, after)
        return more[0]


def a_change_of_state_is_followed_within_its_budget(scene):
    """Implicit: optimized and standby change places, ten times"""
    scene.wait_for_states("optimized", "standby")
    assert scene.daemon.hawser("status --no-rates", check=False).code == 0, "a standby path is no fault"
    writer, pauses = Writer(scene.device), []
    assert scene.group_of_writes() == 1
    for turn in range(10):
        states = ("standby", "optimized") if turn % 2 == 0 else ("optimized", "standby")
        writer.take()
        asked = scene.commands(MAINTENANCE_IN)
        scene.set(*states)
        time.sleep(0.4)
        pauses.append(writer.take())
        assert scene.states() == list(states)
        assert scene.commands(MAINTENANCE_IN) - asked <= 3, "it is asked once, and once more for the rest"
    writer.end()
    print("  longest write of each change:", *(f"{pause:.0f}" for pause in pauses), "ms")
    assert sorted(pauses)[len(pauses) // 2] <= PAUSE_MS * scene.patience, pauses


def a_transition_is_waited_for(scene):
    """Everything in transition for three seconds; no_path_retry is fail"""
    scene.wait_for_states("optimized", "standby")
    writer = Writer(scene.device)
    scene.set("transitioning", "transitioning")
    wait_for(lambda: scene.map()["state"] == "no-path-queueing", "requests wait")
    time.sleep(3)
    said = time.monotonic()
    scene.set("standby", "optimized")
    scene.wait_for_states("standby", "optimized")
    assert time.monotonic() - said < 1.5 * scene.patience
    pause = writer.take()
    assert 3000 <= pause <= 5000 * scene.patience, pause
    assert scene.group_of_writes() == 2
    writer.end()


def an_unavailable_group_is_left_and_come_back_to(scene):
    scene.wait_for_states("optimized", "non-optimized")
    writer = Writer(scene.device)
    scene.set("unavailable", "non-optimized")
    scene.wait_for_states("unavailable", "non-optimized")
    assert scene.group_of_writes() == 2
    assert scene.map()["state"] == "ok"
    scene.set("optimized", "non-optimized")
    scene.wait_for_states("optimized", "non-optimized")
    assert scene.group_of_writes() == 1
    writer.end()


def a_standby_group_is_activated_when_the_active_one_is_lost(scene):
    """Explicit: portal 1 is gone for good"""
    scene.wait_for_states("optimized", "standby")
    writer = Writer(scene.device)
    scene.target.say("on login @1 : drop\non command @1 #1 : drop\n")
    wait_for(lambda: scene.commands(MAINTENANCE_OUT) == 1, "the standby group is activated")
    wait_for(lambda: scene.states()[1] == "optimized", "it is optimized")
    assert scene.group_of_writes() == 2
    assert "was asked to make port group 2 active" in scene.daemon.log()
    writer.end()
    scene.target.say("forget\n")
    scene.wait_for_states("standby", "optimized")


def failback(setting):
    def case(scene):
        scene.daemon.wait_for_paths(2)
        scene.wait_for_states("optimized", "non-optimized")
        writer = Writer(scene.device)
        assert scene.group_of_writes() == 1
        scene.target.say("on login @1 #1-3 : drop\non command @1 #1 : drop\n")
        wait_for(lambda: scene.map()["active_group"] and scene.paths()[1]["group"] == 1, "it is left")
        assert scene.group_of_writes() == 2
        scene.target.say("forget\n")
        scene.daemon.wait_for_paths(2)
        if setting == "manual":
            time.sleep(7)
            assert scene.group_of_writes() == 2
            scene.daemon.hawser(f"group {scene.map()['name']} best")
        wait_for(lambda: scene.map()["active_group"] == 1, "it is gone back to")
        assert scene.paths()[0]["group"] == 1
        assert scene.group_of_writes() == 1
        writer.end()

    case.__name__ = f"failback_{setting}"
    return case


def a_delayed_failback_takes_its_time(scene):
    """No lower bound but the setting's own: a slow machine only makes it later"""
    scene.daemon.wait_for_paths(2)
    scene.wait_for_states("optimized", "non-optimized")
    writer = Writer(scene.device)
    assert scene.group_of_writes() == 1
    scene.target.say("on login @1 #1-3 : drop\non command @1 #1 : drop\n")
    wait_for(lambda: scene.paths()[1]["group"] == 1, "it is left")
    back = time.monotonic()  # before that it cannot be
    scene.target.say("forget\n")
    scene.daemon.wait_for_paths(2)
    assert scene.group_of_writes() == 2
    wait_for(lambda: scene.map()["active_group"] == 1, "it is gone back to", FAILBACK_S * 8)
    assert time.monotonic() - back >= FAILBACK_S, time.monotonic() - back
    assert scene.group_of_writes() == 1
    writer.end()


def a_followover_stays_where_others_have_gone(scene):
    """Left because the target said so, and better again while no path led there: that was not
    lost here, as it is in failback_followover"""
    scene.daemon.wait_for_paths(2)
    scene.wait_for_states("optimized", "non-optimized")
    writer = Writer(scene.device)
    scene.set("standby", "non-optimized")
    wait_for(lambda: scene.paths()[1]["group"] == 1, "it is left")
    scene.target.say("on login @1 : drop\non command @1 #1 : drop\n")
    scene.daemon.hawser(f"rescan {NAME}", check=False)
    wait_for(lambda: scene.paths()[0]["state"] == "down", "its path is lost")
    scene.set("optimized", "non-optimized")
    wait_for(lambda: "group 1 is optimized (was standby)" in scene.daemon.log(), "the other path tells")
    scene.target.say("forget\n")
    wait_for(lambda: scene.paths()[0]["state"] == "active", "its path has proved itself", 60)
    time.sleep(0.5)
    assert scene.group_of_writes() == 2
    scene.daemon.hawser(f"group {scene.map()['name']} best")
    assert scene.group_of_writes() == 1
    writer.end()


# SenseLength and sense data, descriptor format (RFC 7143 §11.9.4, SPC-4 §4.5.2)
ACCESS_CHANGED = "000872062a0600000000"


def told(said):
    """Group 1 is still good for everything, so nothing but @said tells that group 2 is better"""

    def case(scene):
        scene.daemon.wait_for_paths(2)
        scene.wait_for_states("optimized", "non-optimized")
        writer = Writer(scene.device)
        scene.set("non-optimized", "optimized", silent=" silent")
        time.sleep(0.5)
        assert scene.states() == ["optimized", "non-optimized"], "somebody has told already"
        assert scene.group_of_writes() == 1
        asked = scene.commands(MAINTENANCE_IN)
        scene.target.say(said)
        scene.wait_for_states("non-optimized", "optimized")
        assert scene.commands(MAINTENANCE_IN) > asked
        assert scene.group_of_writes() == 2
        assert writer.take() <= 3000 * scene.patience
        writer.end()

    return case


def an_attention_moves_the_group(scene):
    """2A/06 as sense of a command (SPC-4 §5.15.2.6)"""
    told("on command write=1 @1 #1 : answer 2 6 0x2a 0x06\n")(scene)


def an_asynchronous_event_moves_the_group(scene):
    """2A/06 without any command: AsyncEvent 0 (RFC 7143 §11.9.1)"""
    told(f"send async event=0 hex={ACCESS_CHANGED}\n")(scene)
    assert "asymmetric access state changed" in scene.daemon.log()


def a_group_is_chosen_by_hand(scene):
    scene.daemon.wait_for_paths(2)
    scene.wait_for_states("optimized", "non-optimized")
    writer, name = Writer(scene.device), scene.map()["name"]
    scene.daemon.hawser(f"group {name} 2")
    assert scene.group_of_writes() == 2
    scene.daemon.hawser(f"group {name} best")
    assert scene.group_of_writes() == 1
    refused = scene.daemon.hawser(f"group {name} 3", check=False)
    assert refused.code == 7 and "no path group 3" in refused.err, refused
    writer.end()


CASES = [
    (a_change_of_state_is_followed_within_its_budget, 1, "optimized", "standby", {}),
    (a_transition_is_waited_for, 1, "optimized", "standby", {"multipath.no_path_retry": "fail"}),
    (an_unavailable_group_is_left_and_come_back_to, 1, "optimized", "non-optimized", {}),
    (a_standby_group_is_activated_when_the_active_one_is_lost, 2, "optimized", "standby", {}),
    (failback("immediate"), 1, "optimized", "non-optimized", {}),
    (failback("manual"), 1, "optimized", "non-optimized", {"multipath.failback": "manual"}),
    (failback("followover"), 1, "optimized", "non-optimized", {"multipath.failback": "followover"}),
    (a_delayed_failback_takes_its_time, 1, "optimized", "non-optimized",
     {"multipath.failback": f"{FAILBACK_S} s"}),
    (a_followover_stays_where_others_have_gone, 1, "optimized", "non-optimized",
     {"multipath.failback": "followover"}),
    (an_attention_moves_the_group, 1, "optimized", "non-optimized", {"multipath.alua_poll": "off"}),
    (an_asynchronous_event_moves_the_group, 1, "optimized", "non-optimized", {"multipath.alua_poll": "off"}),
    (a_group_is_chosen_by_hand, 1, "optimized", "non-optimized", {}),
]  # fmt: skip


def run(build_dir, case, tpgs, one, two, settings):
    if len(sys.argv) > 2 and case.__name__ not in sys.argv[2:]:
        return
    with tempfile.TemporaryDirectory() as folder:
        script = os.path.join(folder, "portals")
        with open(script, "w", encoding="ascii") as file:
            file.write(f"portal 127.0.0.1 0 1\nportal 127.0.0.2 0 2\ntpgs {tpgs}\n")
            file.write(f"port-group 1 {one}\nport-group 2 {two}\n")
        target = Target(build_dir, settings=script, portals=2)
        daemon = Hawserd(
            Build(build_dir), folder,
            settings={"reconnect.min": "100 ms", "reconnect.max": "300 ms", **settings},
        )  # fmt: skip
        try:
            daemon.start()
            scene = Scene(daemon, target)
            case(scene)
            daemon.logout(NAME)
        except Exception:
            print(daemon.log()[-6000:])
            raise
        finally:
            for process in Writer.running:
                process.kill()
            daemon.clean_up()
            target.end()
        assert not daemon.sanitizer_reports(), daemon.sanitizer_reports()
    print(f"{case.__name__}: good")


def main():
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse") or not os.path.exists("/dev/loop-control"):
        print("needs root, FUSE and loop devices")
        return SKIPPED
    for case in CASES:
        run(sys.argv[1], *case)
    return 0


if __name__ == "__main__":
    sys.exit(main())
