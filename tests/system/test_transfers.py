# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""Every way to transfer, against tgt: the session layer alone, without daemon and block device."""

import os

from harness.cases import case
from harness.commands import contains, run, same

# What tgt itself would settle for is the most it can; so the initiator's offers decide.
GENEROUS = {
    "InitialR2T": "No",
    "ImmediateData": "Yes",
    "HeaderDigest": "CRC32C,None",
    "DataDigest": "CRC32C,None",
    "FirstBurstLength": 16777215,
    "MaxBurstLength": 16777215,
    "MaxRecvDataSegmentLength": 1048576,
    "MaxOutstandingR2T": 8,
}
USER, SECRET = "initiator", "a-secret-of-16-b"
TARGET_USER, TARGET_SECRET = "target", "another-of-18-byte"


def transfers(lab, net, iqn, *options, **how):
    program = os.path.join(lab.build.folder, "tests/system/transfers")
    command = [program, "--portal", net.portals[0], "--target", iqn, *options]
    return run(net.initiator_side.inside(command), timeout=110 * lab.build.patience, **how)


@case(limit_s=120)
def every_combination_of_keys_moves_every_byte(lab):
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add()
    image = target.add_unit(iqn, size_mib=32)
    for name, value in GENEROUS.items():
        target.admin("update", "target", "--tid", target.ids[iqn], "--name", name, "--value", value)
    done = transfers(lab, net, iqn, "--image", image, "--exact")
    contains(done.out, "80 combinations, 0 of them settled otherwise", "what was settled")


@case(limit_s=60)
def each_algorithm_of_tgt_proves_both_sides(lab):
    net = lab.loopback()
    target = lab.target(net)
    iqn = target.add(chap=(USER, SECRET))
    target.add_unit(iqn, size_mib=32)
    target.admin("new", "account", "--user", TARGET_USER, "--password", TARGET_SECRET)
    target.admin("bind", "account", "--tid", target.ids[iqn], "--user", TARGET_USER, "--outgoing")
    chap = ["--once", "--user", USER, "--secret", SECRET, "--target-user", TARGET_USER]
    # It has MD5, and SHA1 under 7, which is SHA-256 by the standard (RFC 7143 §12.1.3).
    for algorithms, code in (("5", 0), ("8,6,5", 0), ("6", 1), ("7", 1), ("8", 1)):
        proof = [*chap, "--target-secret", TARGET_SECRET, "--algorithm", algorithms]
        same(transfers(lab, net, iqn, *proof, check=False).code, code, f"CHAP_A={algorithms}")
    for wrong in (
        [*chap, "--algorithm", "5", "--target-secret", "not-the-one-it-has"],
        ["--once", "--user", USER, "--algorithm", "5", "--secret", "not-the-one-it-has"],
        ["--once"],
    ):
        same(transfers(lab, net, iqn, *wrong, check=False).code, 1, f"a login with {wrong}")
