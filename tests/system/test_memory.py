# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""How much memory the daemon keeps."""

import time

from harness.cases import case
from harness.commands import Skip, same, true

EXTRA_SESSIONS = 16


@case(limit_s=90)
def little_at_rest_and_little_per_session(lab):
    if lab.build.sanitizer:
        raise Skip("a sanitizer's build is no measure of memory")
    lab.needs_block_devices()
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    target.add_unit(iqn)
    daemon = lab.hawserd(net)
    lab.note_device(daemon.connect(iqn, net.portals))
    time.sleep(1)
    at_rest = daemon.memory_kib()
    true(at_rest < 32 << 10, f"1 target, 2 sessions, 1 LUN: {at_rest} KiB resident, 32 MiB allowed")

    sessions = EXTRA_SESSIONS // 2 + 1
    daemon.iscsiadm(f"-m node -T {iqn} -o update -n node.session.nr_sessions -v {sessions}")
    daemon.login(iqn)
    same(len(daemon.session_ids()), 2 + EXTRA_SESSIONS, "sessions")
    time.sleep(1)
    each = (daemon.memory_kib() - at_rest) / EXTRA_SESSIONS
    true(each < 256, f"each further session: {each:.0f} KiB, 256 KiB allowed")
    print(f"      at rest {at_rest} KiB, each further session {each:.1f} KiB")
    daemon.logout(iqn)
