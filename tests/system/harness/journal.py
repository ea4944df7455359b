# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""A journal of one's own: a socket where systemd-journald's would be, in the daemon's mount namespace only."""

import os
import socket

from harness.commands import Skip

FOLDER = "/run/systemd/journal"


class Journal:
    def __init__(self, folder):
        if os.geteuid() != 0:
            raise Skip("a mount namespace needs root")
        self.folder = os.path.join(folder, "journal")
        os.makedirs(self.folder)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(os.path.join(self.folder, "socket"))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.socket.setblocking(False)
        self.lines = []

    def inside(self, command):
        """command, for which this is the journal; everything else of /run/systemd is hidden from it"""
        script = (
            'mkdir -p /run/systemd && mount -t tmpfs none /run/systemd && mkdir /run/systemd/journal && '
            f'mount --bind "$0" {FOLDER} && exec "$@"'
        )
        return ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script, self.folder, *command]

    def _read(self):
        while True:
            try:
                self.lines.append(fields_of(self.socket.recv(1 << 20)))
            except BlockingIOError:
                return

    def events(self):
        """The lines that are events, each as {field: value}"""
        self._read()
        return [line for line in self.lines if "ISCSI_EVENT" in line]

    def close(self):
        self.socket.close()


def fields_of(datagram):
    """Of the journal's native protocol; values with a line feed do not occur here."""
    return dict(
        line.split("=", 1) for line in datagram.decode().splitlines() if "=" in line
    )
