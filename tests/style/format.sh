#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
#
# Every C file is as clang-format leaves it. Versions differ in taste; ours is 14, that of Debian 12.
cd "$(dirname "$0")/../.." || exit 1
version=$(clang-format --version 2>/dev/null | grep -oE 'version [0-9]+')
if [ "$version" != "version 14" ]; then
	echo "clang-format 14 is needed, here is: ${version:-none}"
	exit 77
fi
find util scsi iscsi multipath block daemon dbus cli tests -name '*.[ch]' -print0 |
	xargs -0 clang-format --dry-run --Werror
