/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* The fence of a path: who climbs the ladder for it, and what follows. */

#include "multipath/fence.h"
#include "multipath/path.h"

static void tell(struct path *path, bool fenced)
{
	void (*done)(struct path * path, bool fenced, void *userdata) = path->fence_done;

	path->fence = NULL;
	path->fence_done = NULL;
	if (done)
		done(path, fenced, path->fence_userdata);
}

static void fence_over(enum fence_end end, void *userdata)
{
	struct path *path = userdata;
	/* When it was lost again meanwhile there are new ghosts, and another fence will come. */
	bool fenced = end != FENCE_FAILED && path->fence_login == path->login;

	/* First, because what is freed by the fence is sent after the reset. */
	if (end == FENCE_RESET)
		path->owner->unit_reset(path);
	if (fenced)
		path_fenced(path);
	tell(path, fenced);
}

void path_fence(struct path *path, struct nexus *nexus,
		void (*done)(struct path *path, bool fenced, void *userdata), void *userdata)
{
	const struct fence_settings *settings;
	struct ring *ring;

	path_fence_cancel(path);
	path->fence_login = path->login;
	path->fence_done = done;
	path->fence_userdata = userdata;
	if (path->in_doubt == 0) {
		path_fenced(path);
		tell(path, true);
		return;
	}
	settings = path->owner->fencing(path, &ring);
	if (fence_start(ring, nexus, settings, fence_over, path, &path->fence) < 0)
		tell(path, false);
}

void path_fence_cancel(struct path *path)
{
	fence_cancel(path->fence);
	tell(path, false);
}
