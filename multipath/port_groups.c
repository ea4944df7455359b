/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/port_groups.h"

#include <errno.h>

#include "multipath/path.h"
#include "scsi/probe.h"
#include "scsi/sense.h"
#include "util/cleanup.h"
#include "util/text.h"

#define NS_PER_MS	 UINT64_C(1000000)
#define INTERVAL_NS	 (100 * NS_PER_MS)  /* between two questions to one target */
#define TRANSITION_NS	 (500 * NS_PER_MS)  /* the same while one is in transition */
#define STANDING_NS	 (1000 * NS_PER_MS) /* the same while none does I/O */
#define ANSWER_MS	 2000		    /* for one answer, before another path is tried */
#define FAILURE_NS	 (1000 * NS_PER_MS) /* first pause when nobody answers; doubled each time */
#define FAILURE_SHIFTS	 5u
#define SPREAD_MS	 250 /* of questions that many units have at once */
#define FAILURES_BELIEVE 3   /* rounds without an answer after which nothing is known any more */

static uint64_t now(const struct port_groups *groups)
{
	return ring_now_ns(groups->ring);
}

/* ---- places ---------------------------------------------------------------------------------- */

static struct port_target *find_target(struct port_groups *groups, const struct path_port *port)
{
	struct port_target *free = NULL;

	for (size_t i = 0; i < PORT_TARGETS_MAX; i++) {
		struct port_target *target = &groups->targets[i];

		if (target->used && target->name == port->target)
			return target;
		if (!target->used && !free)
			free = target;
	}
	if (free)
		*free = (struct port_target){
			.groups = groups,
			.name = port->target,
			.used = true,
			.due_ns = UINT64_MAX,
		};
	return free;
}

static struct port_group *find_group(struct port_groups *groups, struct port_target *target,
				     uint16_t id)
{
	struct port_group *free = NULL;

	for (size_t i = 0; i < PORT_GROUPS_MAX; i++) {
		struct port_group *group = &groups->groups[i];

		if (group->used && group->target == target && group->id == id)
			return group;
		if (!group->used && !free)
			free = group;
	}
	if (free)
		*free = (struct port_group){.target = target, .id = id, .used = true};
	return free;
}

static bool has_path(const struct port_groups *groups, const struct port_target *target,
		     const struct port_group *group)
{
	const struct path *path;

	list_for_each (path, groups->paths, link) {
		if (path->port_group &&
		    (group ? path->port_group == group : path->port_group->target == target))
			return true;
	}
	return false;
}

/* Groups and targets that no path leads to any more. */
static void sweep(struct port_groups *groups)
{
	for (size_t i = 0; i < PORT_GROUPS_MAX; i++) {
		struct port_group *group = &groups->groups[i];

		if (group->used && group != groups->activated && !has_path(groups, NULL, group))
			*group = (struct port_group){};
	}
	for (size_t i = 0; i < PORT_TARGETS_MAX; i++) {
		struct port_target *target = &groups->targets[i];

		if (target->used && !target->query && !has_path(groups, target, NULL))
			*target = (struct port_target){};
	}
}

/* ---- what a path may carry ------------------------------------------------------------------- */

static void start_sizer(struct port_groups *groups, struct path *path);
static bool set_state(struct port_groups *groups, struct port_group *group,
		      enum access_state state);

/* Return: something of it has changed */
static bool apply(struct port_groups *groups, struct path *path)
{
	const struct port_group *group = path->port_group;
	enum access_state state = group ? group->state : ACCESS_UNKNOWN;
	bool preferred = group && group->preferred;
	bool barred = !access_carries(state) || path->unsized;
	bool changed =
		state != path->access || preferred != path->preferred || barred != path->barred;

	path->access = state;
	path->preferred = preferred;
	path->barred = barred;
	path->priority = access_priority(state, preferred);
	if (path->unsized && access_carries(state))
		start_sizer(groups, path);
	return changed;
}

static bool apply_all(struct port_groups *groups)
{
	struct path *path;
	bool changed = false;

	list_for_each (path, groups->paths, link)
		changed |= apply(groups, path);
	return changed;
}

static void settle(struct port_groups *groups, bool told)
{
	if (apply_all(groups))
		groups->owner->changed(groups, told);
	port_groups_set_timer(groups);
}

/* ---- how large the unit is behind a port that could not say so ------------------------------- */

static void sized(enum probe_verdict verdict, const struct unit *unit, const char *text,
		  void *userdata)
{
	struct path *path = userdata;
	struct port_groups *groups = path->port_group->target->groups;

	path->sizer = NULL;
	if (verdict != PROBE_FOUND) {
		/* Its port does no I/O, and nobody says so. */
		if (path->access == ACCESS_UNKNOWN &&
		    set_state(groups, path->port_group, (enum access_state)unit->limits.access))
			settle(groups, true);
		/* The next answer starts it again; not sooner, whatever the device says. */
		path->port_group->target->due_ns =
			MIN(path->port_group->target->due_ns, now(groups) + STANDING_NS);
		port_groups_set_timer(groups);
		return;
	}
	if (!unit_identity_equal(&groups->unit->identity, &unit->identity) ||
	    !unit_geometry_equal(&groups->unit->limits, &unit->limits)) {
		path_quarantine(path, "another unit, or another size, answers behind it");
		return;
	}
	path->unsized = false;
	settle(groups, true);
}

static void start_sizer(struct port_groups *groups, struct path *path)
{
	if (!path->sizer && path_alive(path))
		(void)probe_start(path->nexus, sized, path, &path->sizer);
}

/* ---- states ---------------------------------------------------------------------------------- */

static uint64_t transition_ns(const struct port_groups *groups, const struct port_target *target)
{
	uint64_t ms = target->transition_s ? target->transition_s * UINT64_C(1000)
					   : groups->settings.transition_ms;

	return ms * NS_PER_MS;
}

/* Return: it is another one than before */
static bool set_state(struct port_groups *groups, struct port_group *group, enum access_state state)
{
	enum access_state from = group->state;

	if (state != ACCESS_TRANSITIONING)
		group->overdue = false;
	else if (group->overdue)
		state = ACCESS_STANDBY;
	if (state == from)
		return false;
	group->state = state;
	group->changed_ns = now(groups);
	groups->owner->told(groups, group, from);
	return true;
}

/* Return: UINT64_MAX = it is in none */
static uint64_t transition_end_ns(const struct port_groups *groups, const struct port_group *group)
{
	if (!group->used || group->state != ACCESS_TRANSITIONING)
		return UINT64_MAX;
	return group->changed_ns + transition_ns(groups, group->target);
}

static void end_transitions(struct port_groups *groups)
{
	for (size_t i = 0; i < PORT_GROUPS_MAX; i++) {
		struct port_group *group = &groups->groups[i];

		if (now(groups) < transition_end_ns(groups, group))
			continue;
		group->overdue = true;
		set_state(groups, group, ACCESS_TRANSITIONING);
	}
}

/* ---- questions ------------------------------------------------------------------------------- */

/* Anyone will do that answers; who carries I/O is likely to. */
static int speaks(const struct path *path)
{
	if (!path->verified || !path->nexus->up || path->state == PATH_UNMAPPED ||
	    path->state == PATH_QUARANTINED)
		return 0;
	if (path->state == PATH_SUSPECT || path->state == PATH_THROTTLED)
		return 1;
	return path_usable(path) ? 3 : 2;
}

struct path *port_groups_speaker(const struct port_groups *groups, const struct port_target *target,
				 const struct port_group *group, uint64_t avoid)
{
	struct path *path, *found = NULL;

	list_for_each (path, groups->paths, link) {
		if (!path->port_group || path->port_group->target != target ||
		    (group && path->port_group != group) || (path_bit(path) & avoid))
			continue;
		if (speaks(path) > (found ? speaks(found) : 0))
			found = path;
	}
	return found;
}

static void answered(int error, const struct alua_report *report, void *userdata);

static void ask_target(struct port_groups *groups, struct port_target *target)
{
	struct path *path = port_groups_speaker(groups, target, NULL, target->tried);
	uint64_t now_ns = now(groups);

	target->due_ns = UINT64_MAX;
	if (!path || target->refused)
		return; /* the next one that is verified asks */
	target->again = false;
	target->asked_ns = now_ns;
	target->asked = path;
	if (alua_query_start(path->nexus, ANSWER_MS, answered, target, &target->query) < 0)
		target->due_ns = now_ns + FAILURE_NS;
}

static void want_answer(struct port_groups *groups, struct port_target *target)
{
	uint64_t now_ns = now(groups), at_ns = target->asked_ns + INTERVAL_NS;

	if (target->query)
		target->again = true;
	else if (target->asked_ns == 0 || now_ns >= at_ns)
		ask_target(groups, target);
	else
		target->due_ns = MIN(target->due_ns, at_ns);
}

/* Return: some path could carry I/O but for its port group, and none does */
static bool is_stalled(const struct port_groups *groups)
{
	const struct path *path;
	bool alive = false;

	list_for_each (path, groups->paths, link) {
		if (path_usable(path))
			return false;
		alive |= path_alive(path);
	}
	return alive;
}

static bool is_in_transition(const struct port_groups *groups, const struct port_target *target)
{
	for (size_t i = 0; i < PORT_GROUPS_MAX; i++) {
		const struct port_group *group = &groups->groups[i];

		if (group->used && group->target == target &&
		    (group->state == ACCESS_TRANSITIONING || group->overdue))
			return true;
	}
	return false;
}

static void plan(struct port_groups *groups, struct port_target *target)
{
	uint64_t now_ns = now(groups);

	if (target->again)
		target->due_ns = target->asked_ns + INTERVAL_NS;
	else if (is_in_transition(groups, target))
		target->due_ns = now_ns + TRANSITION_NS;
	else if (is_stalled(groups))
		target->due_ns = now_ns + STANDING_NS;
	else if (groups->settings.poll_ms > 0)
		target->due_ns = now_ns + groups->settings.poll_ms * NS_PER_MS;
	else
		target->due_ns = UINT64_MAX;
}

/* What a path's port is said to be in; it may have been moved to another group. */
static bool take_group(struct port_groups *groups, struct path *path,
		       const struct alua_report *report)
{
	struct port_target *target = path->port_group->target;
	struct port_group *group;
	struct alua_group told;
	bool changed;

	if (!alua_report_find(report, path->port.relative, path->port.group, &told))
		return set_state(groups, path->port_group, ACCESS_UNKNOWN);
	group = find_group(groups, target, told.id);
	if (!group)
		return false;
	changed = group != path->port_group;
	path->port_group = group;
	path->port.group = told.id;
	changed |= group->preferred != told.preferred;
	group->preferred = told.preferred;
	group->supported = told.supported;
	group->told_ns = now(groups);
	return set_state(groups, group, told.state) || changed;
}

static bool take_report(struct port_groups *groups, struct port_target *target,
			const struct alua_report *report)
{
	struct path *path;
	bool changed = false;

	target->failures = 0;
	target->tried = 0;
	target->transition_s = report->transition_s;
	list_for_each (path, groups->paths, link) {
		if (path->port_group && path->port_group->target == target)
			changed |= take_group(groups, path, report);
	}
	return changed;
}

/* Whether a port group does I/O is to be seen from what becomes of I/O. */
static void forget_states(struct port_groups *groups, const struct port_target *target)
{
	for (size_t i = 0; i < PORT_GROUPS_MAX; i++)
		if (groups->groups[i].used && groups->groups[i].target == target)
			set_state(groups, &groups->groups[i], ACCESS_UNKNOWN);
}

/* Another path may get an answer; when none did, later. */
static void ask_elsewhere(struct port_groups *groups, struct port_target *target)
{
	target->tried |= path_bit(target->asked);
	if (port_groups_speaker(groups, target, NULL, target->tried)) {
		ask_target(groups, target);
		return;
	}
	target->tried = 0;
	if (++target->failures >= FAILURES_BELIEVE)
		forget_states(groups, target);
	target->due_ns = now(groups) + (FAILURE_NS << MIN(target->failures - 1, FAILURE_SHIFTS));
}

static void answered(int error, const struct alua_report *report, void *userdata)
{
	struct port_target *target = userdata;
	struct port_groups *groups = target->groups;
	bool told = false;

	target->query = NULL;
	switch (error) {
	case 0:
		told = take_report(groups, target, report);
		break;
	case -EOPNOTSUPP:
		target->refused = true;
		forget_states(groups, target);
		break;
	case -EINPROGRESS:
		told = set_state(groups, target->asked->port_group, ACCESS_TRANSITIONING);
		target->tried |= path_bit(target->asked);
		if (!port_groups_speaker(groups, target, NULL, target->tried))
			target->tried = 0;
		break;
	default:
		ask_elsewhere(groups, target);
		settle(groups, false);
		return;
	}
	/* What follows may ask again by itself. */
	if (apply_all(groups))
		groups->owner->changed(groups, told);
	if (!target->query && !target->refused)
		plan(groups, target);
	sweep(groups);
	port_groups_set_timer(groups);
}

/* ---- time ------------------------------------------------------------------------------------ */

void port_groups_set_timer(struct port_groups *groups)
{
	uint64_t now_ns = now(groups), first_ns = activation_check(groups, now_ns);

	for (size_t i = 0; i < PORT_GROUPS_MAX; i++)
		first_ns = MIN(first_ns, transition_end_ns(groups, &groups->groups[i]));
	for (size_t i = 0; i < PORT_TARGETS_MAX; i++) {
		if (groups->targets[i].used && !groups->targets[i].query)
			first_ns = MIN(first_ns, groups->targets[i].due_ns);
	}
	if (first_ns == UINT64_MAX)
		ring_timer_disarm(groups->ring, &groups->timer);
	else
		ring_timer_arm(groups->ring, &groups->timer,
			       first_ns > now_ns ? (first_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS
						 : 1);
}

static void timer_due(struct ring_timer *timer)
{
	struct port_groups *groups = container_of(timer, struct port_groups, timer);
	uint64_t now_ns = now(groups);

	for (size_t i = 0; i < PORT_TARGETS_MAX; i++) {
		struct port_target *target = &groups->targets[i];

		if (target->used && !target->query && now_ns >= target->due_ns)
			ask_target(groups, target);
	}
	end_transitions(groups);
	settle(groups, true);
}

/* ---- from the map ---------------------------------------------------------------------------- */

void port_groups_init(struct port_groups *groups, struct ring *ring, struct list *paths,
		      const struct unit *unit, const struct port_groups_settings *settings,
		      const struct port_groups_owner *owner)
{
	*groups = (struct port_groups){
		.owner = owner,
		.ring = ring,
		.paths = paths,
		.unit = unit,
		.settings = *settings,
	};
	ring_timer_init(&groups->timer, timer_due);
}

void port_groups_deinit(struct port_groups *groups)
{
	activation_forget(groups, NULL);
	for (size_t i = 0; i < PORT_TARGETS_MAX; i++)
		alua_query_cancel(groups->targets[i].query);
	ring_timer_disarm(groups->ring, &groups->timer);
}

void port_groups_join(struct port_groups *groups, struct path *path)
{
	const struct path_port *port = &path->port;
	struct port_target *target;
	struct port_group *group;

	if (port->tpgs == 0 || port->group < 0)
		return;
	target = find_target(groups, port);
	group = target ? find_group(groups, target, (uint16_t)port->group) : NULL;
	if (!group)
		return;
	path->port_group = group;
	target->tpgs = port->tpgs;
	target->refused = target->no_activation = false; /* it may be another program by now */
	target->tried = 0;
	if (port->seen != ACCESS_UNKNOWN && group->state == ACCESS_UNKNOWN)
		set_state(groups, group, port->seen);
	want_answer(groups, target);
	settle(groups, false);
}

void port_groups_leave(struct port_groups *groups, struct path *path)
{
	struct port_target *target = path->port_group ? path->port_group->target : NULL;

	probe_cancel(path->sizer);
	path->sizer = NULL;
	if (!target)
		return;
	activation_forget(groups, path);
	path->port_group = NULL;
	target->tried &= ~path_bit(path);
	if (target->asked == path && target->query) {
		alua_query_cancel(target->query);
		target->query = NULL;
		ask_target(groups, target);
	}
	sweep(groups);
	port_groups_set_timer(groups);
}

void port_groups_ask(struct port_groups *groups, const struct path *path)
{
	for (size_t i = 0; i < PORT_TARGETS_MAX; i++) {
		struct port_target *target = &groups->targets[i];

		if (target->used && !target->refused &&
		    (!path || (path->port_group && path->port_group->target == target)))
			want_answer(groups, target);
	}
	port_groups_set_timer(groups);
}

void port_groups_ask_now(struct port_groups *groups)
{
	for (size_t i = 0; i < PORT_TARGETS_MAX; i++)
		groups->targets[i].asked_ns = 0;
	port_groups_ask(groups, NULL);
}

void port_groups_ask_soon(struct port_groups *groups)
{
	uint64_t wwid = text_hash((const char *[]){groups->unit->identity.wwid}, 1);
	uint64_t at_ns = now(groups) + wwid % SPREAD_MS * NS_PER_MS;

	for (size_t i = 0; i < PORT_TARGETS_MAX; i++) {
		struct port_target *target = &groups->targets[i];

		if (!target->used || target->refused)
			continue;
		target->again |= target->query != NULL;
		target->due_ns = MIN(target->due_ns, at_ns);
	}
	port_groups_set_timer(groups);
}

bool port_groups_sense(struct port_groups *groups, struct path *path,
		       const struct scsi_sense *sense, uint64_t sent_ns)
{
	enum access_state state = access_state_of_sense(sense->key, sense->asc, sense->ascq);
	struct port_group *group = path->port_group;
	bool told = false;

	if (!group || group->target->refused ||
	    (state == ACCESS_UNKNOWN &&
	     !access_sense_is_change(sense->key, sense->asc, sense->ascq)))
		return false;
	/* An answer that is younger than the command knows better. */
	if (state != ACCESS_UNKNOWN && sent_ns >= group->told_ns)
		told = set_state(groups, group, state);
	want_answer(groups, group->target);
	settle(groups, told);
	return true;
}

uint32_t port_groups_patience_ms(const struct port_groups *groups)
{
	uint64_t most_ns = 0;
	const struct path *path;

	list_for_each (path, groups->paths, link) {
		if (path_alive(path) && path->barred && path->port_group &&
		    (access_is_awaited(path->access) || path->unsized))
			most_ns = MAX(most_ns, transition_ns(groups, path->port_group->target));
	}
	return (uint32_t)(most_ns / NS_PER_MS);
}
