# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""What both benchmarks share: us and a peer in alternating rounds against one target, a table of
medians, and the same as markdown for docs/PERFORMANCE.md."""

import os
import platform
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../system"))

UNIT_MIB = 256


def fill(path):
    """Every block of the target's file is allocated and cached: the disk is not what is measured."""
    with open(path, "r+b") as file:
        for _ in range(UNIT_MIB):
            file.write(os.urandom(1 << 20))


def alternate(rounds, ours, peer):
    """[(ours(), peer()), …]; who goes first changes with each round"""
    pairs = []
    for number in range(rounds):
        if number % 2:
            second = peer()
            first = ours()
        else:
            first = ours()
            second = peer()
        pairs.append((first, second))
    return pairs


def row(name, pairs):
    """Medians over all rounds, and our share of the peer's."""
    medians = [
        {key: statistics.median(side[key] for side in sides) for key in sides[0]}
        for sides in zip(*pairs)
    ]
    spread = [
        f"{min(s['iops'] for s in sides):.0f}–{max(s['iops'] for s in sides):.0f}"
        for sides in zip(*pairs)
    ]
    return {"name": name, "ours": medians[0], "peer": medians[1], "spread": spread}


def table(rows, peer_name):
    """Markdown, which also reads well on a terminal."""
    head = (
        f"| job | hawser IOPS (range) | {peer_name} IOPS (range) | ratio "
        f"| hawser CPU µs/IO | {peer_name} CPU µs/IO | ratio |"
    )
    rule = "|---|--:|--:|--:|--:|--:|--:|"
    target = "target_us" in rows[0]["ours"]
    if target:
        head += " target's CPU µs/IO, each |"
        rule += "--:|"
    lines = [head, rule]
    for each in rows:
        ours, peer, spread = each["ours"], each["peer"], each["spread"]
        lines.append(
            f"| {each['name']} | {ours['iops']:.0f} ({spread[0]}) | {peer['iops']:.0f} ({spread[1]}) "
            f"| **{ours['iops'] / peer['iops']:.2f}** "
            f"| {ours['cpu_us']:.1f} | {peer['cpu_us']:.1f} "
            f"| **{ours['cpu_us'] / peer['cpu_us']:.2f}** |"
            + (f" {ours['target_us']:.1f}, {peer['target_us']:.1f} |" if target else "")
        )
    return "\n".join(lines)


def machine():
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return f"{os.cpu_count()} × {model}, Linux {platform.release()}"


def publish(build_dir, name, text):
    folder = os.path.join(build_dir, "bench")
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, f"{name}.md")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text + "\n")
    print(text)
    print(f"\nwritten to {os.path.relpath(path)}")
