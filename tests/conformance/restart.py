# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""restart.py BUILD_DIR: hawserd is killed while one of two portals, each a group of its own, lets
nobody in. What the dead process may have left there holds up its block device, and nothing else
does. Needs root and FUSE."""

import glob
import os
import sys
import tempfile
import time

from daemon import NAME, SKIPPED, Target, wait_for  # noqa: I001
from ghost import NEW, OLD, PORTALS, Write, read, release, the_map, writes_seen

from harness.daemon import Build, Hawserd


def saved(daemon):
    """{portal: is it settled?} of the map, for the next hawserd."""
    (path,) = glob.glob(os.path.join(daemon.run_dir, "maps", "*"))
    with open(path, encoding="utf-8") as file:
        lines = [line.split() for line in file if line.startswith("session = ")]
    return {f"{line[3]}:{line[4]}": line[-1] == "settled" for line in lines}


def logged_in(daemon, portal):
    sessions = daemon.rows("session")
    return any(row["state"] == "logged-in" and portal in row["name"] for row in sessions)


def die(daemon):
    daemon.crash()
    daemon.start()


def a_portal_without_anything_in_doubt_holds_up_nothing(daemon, target):
    first, second = target.portals
    daemon.login(NAME)
    daemon.wait_for_paths(2)
    device = the_map(daemon)["device"]
    assert saved(daemon) == {first: False, second: False}
    target.say("on login @2 : drop\ndrop\n")
    wait_for(lambda: saved(daemon) == {first: False, second: True}, "the lost path is settled")
    die(daemon)
    assert Write(device, NEW).ends(30), "less than any limit that ends such a wait"
    assert "going on without" not in daemon.log()
    # it is not forgotten by that, also not by the one after the next
    assert saved(daemon) == {first: False, second: True}
    die(daemon)
    assert Write(device, OLD).ends(30)
    target.say("forget\n")
    daemon.wait_for_paths(2)
    assert saved(daemon) == {first: False, second: False}
    assert read(device) == OLD


def with_no_portal_and_nothing_in_doubt_it_waits_for_the_target(daemon, target):
    first, second = target.portals
    daemon.login(NAME)
    daemon.wait_for_paths(2)
    device = the_map(daemon)["device"]
    target.say("on login : drop\ndrop\n")
    wait_for(lambda: saved(daemon) == {first: True, second: True}, "both paths are settled")
    die(daemon)
    die(daemon)
    write = Write(device, NEW)
    assert not write.ends(1)
    target.say("forget\n")
    assert write.ends(30)
    daemon.wait_for_paths(2)


def a_write_in_doubt_there_holds_up_what_follows_over_many_deaths(daemon, target):
    first, second = target.portals
    daemon.login(NAME, second)
    daemon.wait_for_paths(1)
    device = the_map(daemon)["device"]
    target.say("on login @2 : drop\non command cdb=0x8a #1 : strand\n")
    time.sleep(0.1)
    ghost = Write(device, OLD)
    wait_for(lambda: writes_seen(target), "the target sees the write")
    daemon.login(NAME, first)
    assert ghost.ends(30), "it goes on through the other portal"
    assert saved(daemon) == {first: False, second: False}
    die(daemon)
    later = Write(device, NEW)
    wait_for(lambda: logged_in(daemon, first), "the other portal is back")
    assert not later.ends(2), "its ghost could still come"
    assert not saved(daemon)[second]
    die(daemon)
    wait_for(lambda: logged_in(daemon, first), "the other portal is back")
    assert not later.ends(2), "and so it can after one more death"
    release(target)
    target.say("forget\n")
    assert later.ends(40), "until the lost session was fenced"
    assert read(device) == NEW
    daemon.wait_for_paths(2)


def run(build_dir, test):
    with tempfile.TemporaryDirectory() as folder:
        settings = os.path.join(folder, "portals")
        with open(settings, "w", encoding="ascii") as file:
            file.write(PORTALS)
        target = Target(build_dir, settings=settings, portals=2)
        daemon = Hawserd(
            Build(build_dir), folder, settings={"reconnect.min": "300 ms", "reconnect.max": "300 ms"}
        )
        try:
            daemon.start()
            daemon.discover(target.portal)
            test(daemon, target)
            daemon.logout(NAME)
        except BaseException:
            print(daemon.log())
            raise
        finally:
            daemon.clean_up()
            target.end()
        assert not daemon.sanitizer_reports(), daemon.sanitizer_reports()
    print(f"{test.__name__}: good")


def main():
    if os.geteuid() != 0 or not os.path.exists("/dev/fuse") or not os.path.exists("/dev/loop-control"):
        print("needs root, FUSE and loop devices")
        return SKIPPED
    run(sys.argv[1], a_portal_without_anything_in_doubt_holds_up_nothing)
    run(sys.argv[1], with_no_portal_and_nothing_in_doubt_it_waits_for_the_target)
    run(sys.argv[1], a_write_in_doubt_there_holds_up_what_follows_over_many_deaths)
    return 0


if __name__ == "__main__":
    sys.exit(main())
