# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
"""iscsi/name.c: the characters that it calls prepared are left alone by stringprep with RFC 3722's profile.

Python's stringprep module has the tables of RFC 3454, and unicodedata Unicode 3.2, which these are of."""

import os
import re
import stringprep
import sys
import unicodedata

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
UNICODE = unicodedata.ucd_3_2_0
# unassigned; mapped to nothing; all that is prohibited; right to left, which "iqn." in front forbids
REFUSED = [
    getattr(stringprep, f"in_table_{name}")
    for name in "a1 b1 c11 c12 c21 c22 c3 c4 c5 c6 c7 c8 c9 d1".split()
]


def second_characters():
    """Characters that may compose with the one before them (NFC_Quick_Check is not Yes)"""
    found = set(range(0x1161, 0x1176)) | set(range(0x11A8, 0x11C3))  # Hangul, by rule
    for code in range(0x110000):
        parts = UNICODE.decomposition(chr(code)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            found.add(int(parts[1], 16))
    return found


def is_prepared(code, second):
    char = chr(code)
    return (
        not any(refused(char) for refused in REFUSED)
        and code != 0x3002  # prohibited by RFC 3722 itself
        and stringprep.map_table_b2(char) == char
        and UNICODE.normalize("NFKC", char) == char
        and not UNICODE.combining(char)
        and code not in second
    )


def main():
    with open(os.path.join(ROOT, "iscsi/name.c"), encoding="utf-8") as file:
        table = re.search(r"\} prepared\[\] = \{(.*?)\n\};", file.read(), re.DOTALL)[1]
    ranges = [(int(a, 16), int(b, 16)) for a, b in re.findall(r"\{(0x\w+), (0x\w+)\}", table)]
    second = second_characters()
    wrong = [
        code for first, last in ranges for code in range(first, last + 1) if not is_prepared(code, second)
    ]
    for code in wrong[:20]:
        print(f"U+{code:04X} is changed or refused by stringprep")
    if not ranges:
        print("no table found in iscsi/name.c")
    return 1 if wrong or not ranges else 0


if __name__ == "__main__":
    sys.exit(main())
