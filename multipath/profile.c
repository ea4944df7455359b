/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/profile.h"

#include "util/cleanup.h"
#include "util/text.h"

/* clang-format off */
static const struct profile profiles[] = {
	/*
	 * Linux 6.12, drivers/target: the login that reinstates a session sleeps until the old one is
	 * gone (iscsi_check_for_session_reinstatement() -> iscsit_stop_session()), and closing its
	 * connections waits for every command that was handed to the backing store
	 * (target_wait_for_cmds()). So the answer to the login says it all.
	 */
	{"LIO-ORG", "", PROFILE_DRAINS, "LIO"},

	/*
	 * SCST, iscsi-scst/kernel (session.c, nthread.c): the new session is let in at once, and all
	 * its commands but TEST UNIT READY are held until the old one is gone; the comment there gives
	 * corrupted data as the reason. So the answer to a READ says it all, and a TEST UNIT READY
	 * nothing. The vendor is SCST_FIO or SCST_BIO, after the kind of its backing store.
	 */
	{"SCST_", "", PROFILE_DRAINS, "SCST"},

	/*
	 * tgt 1.0.85 (usr/iscsi/iscsid.c, conn.c, session.c): reinstatement closes the connections of
	 * the old session; a task that a thread of the backing store is working on only loses its
	 * connection and runs to its end, whenever that is. LOGICAL UNIT RESET is answered when the
	 * tasks of the unit are over. The old iSCSI Enterprise Target says the same of itself; nobody
	 * looked at what it does, so it is taken for no better.
	 */
	{"IET", "VIRTUAL-DISK", PROFILE_LEAVES, "tgt"},

	{"", "", PROFILE_UNKNOWN, "other"},
};
/* clang-format on */

const struct profile *profile_of(const char *vendor, const char *product)
{
	const struct profile *profile = profiles;

	while (!text_starts_with(vendor, profile->vendor) ||
	       !text_starts_with(product, profile->product))
		profile++;
	return profile;
}

const struct profile *profile_at(size_t index)
{
	return index < ARRAY_SIZE(profiles) ? &profiles[index] : NULL;
}
