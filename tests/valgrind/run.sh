#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: Hawser developers
#
# run.sh BUILD PROGRAM ARGUMENT…: a test program under memcheck, for "meson test --wrapper"

set -u
suppressions=$(dirname "$(readlink -f "$0")")/libraries.supp
export LD_PRELOAD=$1/tests/valgrind/hawser-valgrind-uring.so
shift
exec valgrind --quiet --suppressions="$suppressions" --error-exitcode=99 --num-callers=25 --fair-sched=yes --leak-check=full \
	--show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect "$@"
