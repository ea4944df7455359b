/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/failback.h"

#include <assert.h>

#include "multipath/grouping.h"

#define NS_PER_MS UINT64_C(1000000)

void failback_init(struct failback *failback, int32_t setting)
{
	*failback = (struct failback){.setting = setting, .due_ns = UINT64_MAX};
}

/* Groups are formed anew all the time: the one in use is the one that has most of its paths. */
static unsigned find_current(const struct failback *failback, const struct grouped_paths *groups)
{
	unsigned found = FAILBACK_NO_GROUP;
	int most = 0;

	for (unsigned i = 0; i < groups->count; i++) {
		int common = __builtin_popcountll(groups->sets[i].members & failback->members);

		if (groups->sets[i].usable > 0 && common > most) {
			most = common;
			found = i;
		}
	}
	return found;
}

static unsigned use(struct failback *failback, const struct grouped_paths *groups, unsigned index)
{
	failback->members = groups->sets[index].members;
	failback->better_since_ns = 0;
	return index;
}

static unsigned go_back(struct failback *failback, const struct grouped_paths *groups)
{
	failback->pinned = false;
	failback->lost &= ~groups->sets[0].members;
	return use(failback, groups, 0);
}

static bool may_go_back(const struct failback *failback, uint64_t better, uint64_t proven)
{
	if (failback->pinned || failback->setting == FAILBACK_MANUAL || !(better & proven))
		return false;
	return failback->setting != FAILBACK_FOLLOWOVER || (better & failback->lost);
}

static bool is_time(struct failback *failback, uint64_t now_ns)
{
	uint64_t delay_ms = failback->setting > 0 ? (uint64_t)failback->setting : 0;

	if (failback->better_since_ns == 0)
		failback->better_since_ns = now_ns;
	if (now_ns - failback->better_since_ns >= delay_ms * NS_PER_MS)
		return true;
	failback->due_ns = failback->better_since_ns + delay_ms * NS_PER_MS;
	return false;
}

unsigned failback_choose(struct failback *failback, const struct grouped_paths *groups,
			 uint64_t proven, bool told, uint64_t now_ns)
{
	unsigned current = find_current(failback, groups);

	failback->due_ns = UINT64_MAX;
	if (groups->count == 0 || groups->sets[0].usable == 0)
		return FAILBACK_NO_GROUP;
	if (current == FAILBACK_NO_GROUP && !told)
		failback->lost |= failback->members;
	if (current == FAILBACK_NO_GROUP || current == 0 ||
	    (told && groups->sets[0].priority > groups->sets[current].priority))
		return go_back(failback, groups);
	if (!may_go_back(failback, groups->sets[0].members, proven)) {
		use(failback, groups, current);
		return current;
	}
	if (is_time(failback, now_ns))
		return go_back(failback, groups);
	failback->members = groups->sets[current].members;
	return current;
}

void failback_switch(struct failback *failback, const struct grouped_paths *groups, unsigned index)
{
	assert(index < groups->count);
	use(failback, groups, index);
	failback->pinned = true;
}

void failback_now(struct failback *failback)
{
	failback->members = 0;
	failback->pinned = false;
}
