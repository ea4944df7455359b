/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The session that stands in for a lost one, for as long as it takes to fence what that one left:
 * it was logged in with the same name and ISID at another portal of the portal group, climbs the
 * ladder of multipath/fence.h for each path of the lost session, and logs out. Control thread only;
 * the climbing is done on the session's worker.
 */

#include <stdbool.h>
#include <stddef.h>

struct fence_session;
struct login_job_result;
struct mailbox;
struct session_settings;
struct session_view;
struct worker;

/**
 * fence_session_start() - take over a login that is complete
 * @login: its fd is taken, also on failure
 * @lost: the session whose place it takes; its paths stay until @done
 * @done: runs once, never inside this call, when the session is over and gone; @fenced: nothing of
 *        the lost one can be executed any more
 * Return: 0 or -ENOMEM
 */
int fence_session_start(struct worker *worker, struct mailbox *home,
			const struct session_settings *settings,
			const struct login_job_result *login, struct session_view *lost,
			void (*done)(bool fenced, void *userdata), void *userdata,
			struct fence_session **ret);

/** fence_session_cancel() - end it now; done() follows. NULL is fine */
void fence_session_cancel(struct fence_session *fence);
