# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""A path is lost in each way while another one lives: no error, no wrong block, no long wait. How long
exactly is measured by "./dev bench failover"; here no time is required that a slow machine could miss."""

import time

from harness.cases import case
from harness.commands import true
from harness.faults import FAULTS, Scene
from harness.storm import Storm

# Silence alone, by the NOP settings of a node record, would take 10 s: a reaction that is clearly better.
LONG_S = 9


def lose_each_portal(lab, fault):
    scene = Scene(lab, FAULTS[fault])
    reader = lab.oracle(scene.device, depth=8, max_blocks=4, size=16, reads=100, fill=True)
    writer = lab.oracle(scene.device, depth=8, max_blocks=4, size=16, offset=16, reads=20)
    for number in range(2):
        reader.take(), writer.take()
        scene.lose(number)
        time.sleep(scene.fault.lasts_s)
        for load in (reader.take(), writer.take()):
            true(load["reads"] + load["writes"] > 0, f"I/O goes on: {load}")
            longest_s = max(load["longest_read_ms"], load["longest_write_ms"]) / 1000
            true(longest_s < LONG_S * lab.build.patience, f"longest pause {longest_s:.1f} s")
        scene.restore()
    reader.stop()
    writer.stop()
    scene.end()


@case(limit_s=60, sanitized=True)
def a_reset_connection(lab):
    lose_each_portal(lab, "reset")


@case(limit_s=60)
def a_portal_that_refuses(lab):
    lose_each_portal(lab, "killed")


@case(limit_s=60)
def a_lost_carrier(lab):
    lose_each_portal(lab, "carrier")


@case(limit_s=90, sanitized=True)
def silence_both_ways(lab):
    lose_each_portal(lab, "silent")


@case(limit_s=90)
def silence_of_requests(lab):
    lose_each_portal(lab, "requests")


@case(limit_s=90)
def silence_of_answers(lab):
    lose_each_portal(lab, "answers")


@case(limit_s=90)
def a_frozen_target(lab):
    lose_each_portal(lab, "frozen")


@case(limit_s=500)
def three_minutes_of_random_faults_on_four_paths(lab):
    storm = Storm(lab, gap_s=6)
    storm.rage(180)
    storm.calm()
