# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Wrong input: a clear error, the documented exit status, and a daemon that goes on as before."""

import os
import shutil
import socket
import threading

from harness.cases import case
from harness.commands import contains, run, same, true

NOBODY = 65534


def one_line(result):
    """The error is one sentence (of iscsiadm's own form), not a page."""
    lines = [line for line in result.err.splitlines() if line.strip()]
    true(lines, f"an error is told: {result}")
    for line in lines:
        true(line.startswith("iscsiadm: "), f"every line says who speaks: {result}")
        true(len(line) < 400, f"a line is short: {result}")
    return lines


def still_works(daemon, net, iqn):
    daemon.discover(net.portals[0])
    daemon.login(iqn)
    daemon.logout(iqn)


class Server(threading.Thread):
    """Listens on a port of 127.0.0.1 and lets answer(connection) speak with who comes."""

    def __init__(self, answer):
        super().__init__(daemon=True)
        self.answer = answer
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(10)
                try:
                    self.answer(connection)
                except OSError:
                    pass

    def close(self):
        # shutdown() wakes accept(), close() alone would not
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


def web_server(connection):
    connection.recv(4096)
    body = b"<html><body><h1>400 Bad Request</h1></body></html>"
    head = f"HTTP/1.1 400 Bad Request\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    connection.sendall(head.encode() + body)


def garbage(connection):
    for _ in range(160):
        connection.sendall(os.urandom(1 << 16))


def zeros(connection):
    for _ in range(160):
        connection.sendall(bytes(1 << 16))


def silence(connection):
    connection.recv(1 << 16)
    try:
        while connection.recv(1 << 16):
            pass
    except socket.timeout:
        pass


@case(limit_s=90, sanitized=True)
def unknown_target(lab):
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    daemon = lab.hawserd(net)
    portal = net.portals[0]
    none = daemon.iscsiadm(f"-m node -T {iqn}-unknown -p {portal} -l", code=21)
    same(one_line(none), ["iscsiadm: No records found"], "login without a record")
    daemon.iscsiadm(f"-m node -T {iqn}-unknown -p {portal} -o new")
    refused = daemon.iscsiadm(f"-m node -T {iqn}-unknown -p {portal} -l", code=19)
    contains(
        refused.err,
        "initiator reported error (19 - encountered non-retryable iSCSI login failure)",
        "a target that the portal does not know",
    )
    one_line(refused)
    still_works(daemon, net, iqn)


@case(limit_s=90, sanitized=True)
def closed_port(lab):
    daemon = lab.hawserd()
    with socket.socket() as placeholder:  # bound and not listening: nobody else gets the port
        placeholder.bind(("127.0.0.1", 0))
        portal = "127.0.0.1:%d" % placeholder.getsockname()[1]
        found = daemon.iscsiadm(f"-m discovery -t st -p {portal}", code=11)
        lines = one_line(found)
        same(
            lines[-1],
            "iscsiadm: Could not perform SendTargets discovery: iSCSI PDU timed out",
            "discovery at a closed port",
        )
        daemon.iscsiadm(f"-m node -T iqn.2024-05.org.example:x -p {portal} -o new")
        refused = daemon.iscsiadm(f"-m node -T iqn.2024-05.org.example:x -p {portal} -l", code=8)
        contains(refused.err, "(8 - connection timed out)", "login at a closed port")
        one_line(refused)
    same(daemon.iscsiadm("-m session", code=21).out, "", "sessions")


def speaks_something_else(lab, answer, codes):
    server = Server(answer)
    try:
        daemon = lab.hawserd()
        portal = f"127.0.0.1:{server.port}"
        daemon.iscsiadm(f"-m node -T iqn.2024-05.org.example:x -p {portal} -o new")
        before = daemon.memory_kib()
        found = daemon.iscsiadm(f"-m discovery -t st -p {portal}", check=False)
        true(found.code in codes, f"discovery, documented exit status {codes}: {found}")
        one_line(found)
        refused = daemon.iscsiadm(f"-m node -T iqn.2024-05.org.example:x -p {portal} -l", check=False)
        true(refused.code in codes, f"login, documented exit status {codes}: {refused}")
        one_line(refused)
        true(daemon.program.running, "the daemon lives")
        same(len(daemon.iscsiadm("-m node").out.splitlines()), 1, "records")
        if not lab.build.sanitizer:
            grown = daemon.memory_kib() - before
            true(grown < 2048, f"memory stays bounded (it grew by {grown} KiB)")
    finally:
        server.close()


@case(limit_s=120, sanitized=True)
def a_web_server_on_the_port(lab):
    speaks_something_else(lab, web_server, (4, 5, 8, 11, 19))


@case(limit_s=120, sanitized=True)
def ten_megabytes_of_garbage(lab):
    speaks_something_else(lab, garbage, (4, 5, 8, 11, 19))


@case(limit_s=120)
def ten_megabytes_of_zeros(lab):
    speaks_something_else(lab, zeros, (4, 5, 8, 11, 19))


@case(limit_s=120)
def a_port_that_says_nothing(lab):
    speaks_something_else(lab, silence, (4, 5, 8, 11))


@case(sanitized=True)
def a_name_longer_than_223_bytes(lab):
    daemon = lab.hawserd()
    name = "iqn.2024-05.org.example:" + "x" * 200
    same(len(name), 224, "the name's length")
    refused = daemon.iscsiadm(f"-m node -T {name} -p 127.0.0.1 -o new", code=7)
    one_line(refused)
    daemon.iscsiadm(f"-m node -T {name[:223]} -p 127.0.0.1 -o new")
    same(len(daemon.iscsiadm("-m node").out.splitlines()), 1, "records")


@case()
def no_permission(lab):
    daemon = lab.hawserd()
    daemon.iscsiadm("-m node -T iqn.2024-05.org.example:x -p 127.0.0.1 -o new")
    # nobody may not be able to look into the folder that we were built in
    program = os.path.join(lab.folder, "iscsiadm")
    shutil.copy(lab.build.iscsiadm, program)
    os.chmod(program, 0o755)
    for words in (
        "-m node -T iqn.2024-05.org.example:x -p 127.0.0.1 -o delete",
        "-m node -T iqn.2024-05.org.example:x -p 127.0.0.1 -l",
    ):
        refused = run([program, *words.split()], env=daemon.environment, user=NOBODY, code=13)
        one_line(refused)
    same(len(daemon.iscsiadm("-m node").out.splitlines()), 1, "records")


@case()
def no_daemon(lab):
    daemon = lab.hawserd(start=False)
    refused = daemon.iscsiadm("-m node -T iqn.2024-05.org.example:x -p 127.0.0.1 -l", code=20)
    one_line(refused)


@case()
def senseless_command_lines(lab):
    daemon = lab.hawserd()
    for words in (
        "-m nonsense",
        "-m node -o update -T iqn.2024-05.org.example:x",
        "-m node --no-such-option",
        "-m node -L sometimes",
        "-m discovery -t nonsense -p 127.0.0.1",
    ):
        refused = daemon.iscsiadm(words, check=False)
        true(refused.code in (7, 21, 27), f"documented exit status: {refused}")
        true(refused.err.strip(), f"an error is told: {refused}")
