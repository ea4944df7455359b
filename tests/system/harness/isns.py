# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""A real iSNS server: Debian's open-isns, with a database and a port of its own."""

import os
import shutil

from harness.commands import Program, Skip, run, wait_until

PORT = 3205
NAME = "iqn.2024-05.org.example.hawser:isns"


class IsnsServer:
    def __init__(self, folder, namespace):
        for program in ("isnsd", "isnsadm"):
            if not shutil.which(program):
                raise Skip(f"{program} (open-isns) is not installed")
        self.folder = os.path.join(folder, "isns")
        self.namespace = namespace
        os.makedirs(os.path.join(self.folder, "db"))
        server = self._write(
            "isnsd.conf",
            SourceName=NAME,
            Database=os.path.join(self.folder, "db"),
            BindAddress=f"0.0.0.0:{PORT}",
            PIDFile=os.path.join(self.folder, "isnsd.pid"),
            ControlSocket=os.path.join(self.folder, "control"),
            DefaultDiscoveryDomain=1,
            RegistrationPeriod="10m",
            SLPRegister=0,
            Security=0,
        )
        command = namespace.inside(["isnsd", "-f", "-c", server])
        self.program = Program(command, os.path.join(self.folder, "isnsd.log"))
        wait_until(lambda: self._query() or self._ended(), "isnsd answers", 10)

    def _write(self, name, **settings):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{key} = {value}\n" for key, value in settings.items())
        return path

    def _ended(self):
        if not self.program.running:
            raise Skip(f"isnsd does not start here: {self.program.log().strip()[-500:]}")
        return False

    def _as(self, name, *words, check=True):
        """isnsadm, speaking for the node `name`"""
        client = self._write(
            "isnsadm.conf", SourceName=name, ServerAddress=f"127.0.0.1:{PORT}", Security=0
        )
        return run(self.namespace.inside(["isnsadm", "-c", client, *words]), check=check)

    def _query(self):
        return self._as(NAME, "--list", "nodes", check=False).code == 0

    def register(self, target, *portals):
        """A target with its portals, as it would register itself."""
        words = [f"target={target}", *(f"portal={portal}" for portal in portals)]
        self._as(target, "--register", f"entity=of-{target.rsplit(':', 1)[1]}", *words)

    def deregister(self, target):
        self._as(target, "--deregister", f"iscsi-name={target}")

    def nodes(self):
        return self._as(NAME, "--list", "nodes").out

    def kill(self):
        self.program.kill()
