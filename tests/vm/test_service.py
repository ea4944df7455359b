# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""hawserd and its unit under a real systemd."""

from guest.cases import case
from harness.commands import same


@case(smoke=True)
def the_service_starts_and_stops(guest):
    guest.start_hawserd()
    same(guest.state("hawserd"), "active", "state")
    guest.systemctl("stop hawserd")
    same(guest.property("hawserd", "Result"), "success", "result")
