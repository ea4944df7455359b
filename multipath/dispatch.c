/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/dispatch.h"

#include <assert.h>
#include <errno.h>

#include "multipath/command.h"
#include "multipath/path.h"
#include "multipath/path_group.h"
#include "multipath/retry.h"
#include "scsi/nexus.h"
#include "scsi/sense.h"
#include "util/cleanup.h"

#define NS_PER_MS	 UINT64_C(1000000)
#define PAUSE_MS	 100 /* first pause when every path was tried, unless a rule says otherwise */
#define PAUSE_MAX_MS	 UINT64_C(1000) /* pauses double up to this */
#define DEADLINE_TICK_MS 100
#define PAUSES_MAX	 10    /* doubling stops long before */
#define UNIT_PATIENCE_MS 60000 /* how long a unit may be busy or not ready */
#define ERRORS_IN_A_ROW	 8     /* path errors without a success between them: the path failed */

/* The answer came from another unit than the one we mean: whatever it says, it does not count. */
static const struct retry_rule wrong_unit = {
	.verdict = {.action = RETRY_OTHER_PATH},
	.meaning = "answered by another unit",
};

/* It may have, and where the answer came from before the unit said that it was changed is unknown.
 */
static const struct retry_rule doubtful_unit = {
	.verdict = {.action = RETRY_SAME_PATH},
	.meaning = "answered by a unit that may be another",
};

static uint64_t now(const struct dispatch *dispatch)
{
	return ring_now_ns(dispatch->ring);
}

/* Milliseconds from now, rounded up so that the time has come when the timer says so. */
static uint64_t delay_ms_until(const struct dispatch *dispatch, uint64_t at_ns)
{
	uint64_t now_ns = now(dispatch);

	return at_ns > now_ns ? (at_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS : 1;
}

/* --- the end of a command --- */

static void finish(struct dispatch *dispatch, struct map_command *command, int error)
{
	dispatch->commands--;
	if (command->ghosts)
		guard_settle(&dispatch->guard, command);
	command->done(command, error);
}

/* For every place that may be inside a call of the submitter's. */
static void finish_later(struct dispatch *dispatch, struct map_command *command, int error)
{
	command->error = error;
	list_append(&dispatch->finished, &command->link);
	ring_defer(dispatch->ring, &dispatch->finish);
}

static void finish_run(struct deferred *deferred)
{
	struct dispatch *dispatch = container_of(deferred, struct dispatch, finish);
	struct list finished = LIST_INIT(finished);
	struct map_command *command;

	/* What done() submits now has its turn later, or this loop need not end. */
	list_splice(&finished, &dispatch->finished);
	while ((command = list_pop(&finished, struct map_command, link)))
		finish(dispatch, command, command->error);
}

static void finish_all(struct dispatch *dispatch, struct list *commands, int error)
{
	struct map_command *command;

	while ((command = list_pop(commands, struct map_command, link)))
		finish_later(dispatch, command, error);
}

/* --- onto a wire --- */

static int send(struct dispatch *dispatch, struct map_command *command, struct path *path)
{
	int r = path_send(path, command, now(dispatch));

	if (r < 0)
		return r;
	if (dispatch->timeout_ms > 0 && !ring_timer_armed(&dispatch->deadline_timer))
		ring_timer_arm(dispatch->ring, &dispatch->deadline_timer, dispatch->timeout_ms);
	hedging_sent(&dispatch->hedging, command);
	return 0;
}

/* A path whose nexus is down before anybody said so. It tells the map, which may call back here. */
static void notice_lost_paths(struct dispatch *dispatch)
{
	struct path *path;

	while ((path = path_group_find_down(dispatch->group)))
		path_lost(path, "connection lost");
}

static void wait_for_path(struct dispatch *dispatch, struct map_command *command)
{
	if (dispatch->no_path_error) {
		finish_later(dispatch, command, dispatch->no_path_error);
		return;
	}
	command->tried = 0;
	command->path = NULL;
	list_append(&dispatch->waiting, &command->link);
	notice_lost_paths(dispatch);
}

static bool is_blocked(const struct dispatch *dispatch, const struct map_command *command)
{
	return guard_active(&dispatch->guard) && command->kind == MAP_WRITE &&
	       guard_blocks(&dispatch->guard, command);
}

/* The way of every command that is not on a wire: to a path, or where it has to wait. */
static void route(struct dispatch *dispatch, struct map_command *command)
{
	struct path *path;

	if (dispatch->shut_error) {
		finish_later(dispatch, command, dispatch->shut_error);
		return;
	}
	if (dispatch->write_error && command->kind == MAP_WRITE) {
		finish_later(dispatch, command, dispatch->write_error);
		return;
	}
	if (is_blocked(dispatch, command)) {
		/* No path is there, and none is waited for: it will not be sent, safe or not. */
		if (dispatch->no_path_error && !path_group_has_room(dispatch->group))
			finish_later(dispatch, command, dispatch->no_path_error);
		else
			guard_hold(&dispatch->guard, command);
		return;
	}
	while ((path = path_group_choose(dispatch->group, command, now(dispatch)))) {
		if (send(dispatch, command, path) == 0)
			return;
		path_lost(path, "not connected");
	}
	wait_for_path(dispatch, command);
}

/* The same path again, when it still can. */
static void route_on(struct dispatch *dispatch, struct map_command *command, struct path *path)
{
	if (path && path_usable(path) && !dispatch->shut_error && !dispatch->write_error &&
	    !is_blocked(dispatch, command) && send(dispatch, command, path) == 0)
		return;
	route(dispatch, command);
}

/* --- pauses --- */

static void set_delay_timer(struct dispatch *dispatch)
{
	const struct map_command *command;
	uint64_t first_ns = UINT64_MAX;

	list_for_each (command, &dispatch->delayed, link)
		first_ns = MIN(first_ns, command->wake_ns);
	if (first_ns == UINT64_MAX)
		ring_timer_disarm(dispatch->ring, &dispatch->delay_timer);
	else
		ring_timer_arm(dispatch->ring, &dispatch->delay_timer,
			       delay_ms_until(dispatch, first_ns));
}

static void delay_expired(struct ring_timer *timer)
{
	struct dispatch *dispatch = container_of(timer, struct dispatch, delay_timer);
	struct list due = LIST_INIT(due);
	struct map_command *command, *following;

	list_for_each_safe (command, following, &dispatch->delayed, link) {
		if (command->wake_ns > now(dispatch))
			continue;
		list_remove(&command->link);
		list_append(&due, &command->link);
	}
	while ((command = list_pop(&due, struct map_command, link)))
		route_on(dispatch, command, command->path);
	set_delay_timer(dispatch);
}

/* How long a command may go on pausing; -1 = for ever. */
static int64_t patience_ms(const struct dispatch *dispatch, const struct retry_verdict *verdict)
{
	if (verdict->error)
		return UNIT_PATIENCE_MS;
	if (dispatch->no_path_retry_ms < 0)
		return -1;
	if (verdict->action == RETRY_DELAY)
		return MAX(dispatch->no_path_retry_ms, UNIT_PATIENCE_MS);
	return dispatch->no_path_retry_ms;
}

/* @path: to go on with afterwards; NULL = any */
static void put_off(struct dispatch *dispatch, struct map_command *command, struct path *path,
		    const struct retry_verdict *verdict)
{
	uint64_t delay_ms = verdict->delay_ms ? verdict->delay_ms : PAUSE_MS;
	uint64_t told_ms = retry_told_ms(&command->scsi.result);
	int64_t limit_ms = patience_ms(dispatch, verdict);
	uint64_t now_ns = now(dispatch);

	if (command->trouble_ns == 0)
		command->trouble_ns = now_ns;
	if (limit_ms >= 0 && now_ns - command->trouble_ns >= (uint64_t)limit_ms * NS_PER_MS) {
		finish(dispatch, command, verdict->error ? verdict->error : -EIO);
		return;
	}
	delay_ms = MIN(delay_ms << command->pauses, MAX(delay_ms, PAUSE_MAX_MS));
	delay_ms = MAX(delay_ms, told_ms);
	if (command->pauses < PAUSES_MAX)
		command->pauses++;
	command->path = path;
	command->wake_ns = now_ns + delay_ms * NS_PER_MS;
	list_append(&dispatch->delayed, &command->link);
	if (!ring_timer_armed(&dispatch->delay_timer) ||
	    dispatch->delay_timer.at_ns > command->wake_ns)
		ring_timer_arm(dispatch->ring, &dispatch->delay_timer, delay_ms);
}

/* --- deadlines --- */

static void set_deadline_timer(struct dispatch *dispatch)
{
	uint64_t first_ns = UINT64_MAX;
	const struct path *path;

	list_for_each (path, &dispatch->group->paths, group_link) {
		const struct map_command *command =
			list_first(&path->on_wire, struct map_command, link);

		if (command)
			first_ns = MIN(first_ns, command->sent_ns);
	}
	if (first_ns == UINT64_MAX)
		return;
	/* Those of a last path may be overdue for long. */
	first_ns = MAX(first_ns + dispatch->timeout_ms * NS_PER_MS,
		       now(dispatch) + DEADLINE_TICK_MS * NS_PER_MS);
	ring_timer_arm(dispatch->ring, &dispatch->deadline_timer,
		       delay_ms_until(dispatch, first_ns));
}

static void deadline_expired(struct ring_timer *timer)
{
	struct dispatch *dispatch = container_of(timer, struct dispatch, deadline_timer);
	uint64_t timeout_ns = dispatch->timeout_ms * NS_PER_MS;
	struct path *path;

	list_for_each (path, &dispatch->group->paths, group_link) {
		struct map_command *command;

		/* Patience on the last path: aborting would win nothing. */
		if (!path_group_has(dispatch->group, path_bit(path)))
			continue;
		while ((command = list_first(&path->on_wire, struct map_command, link)) &&
		       now(dispatch) - command->sent_ns >= timeout_ns)
			path_abort(path, command);
	}
	set_deadline_timer(dispatch);
}

/* --- verdicts --- */

/* The path is to blame. The last usable one is kept whatever it does: there is nothing better. */
static void blame(struct dispatch *dispatch, const struct map_command *command, struct path *path,
		  const struct retry_rule *rule)
{
	if (command->ended || path->fence)
		return; /* by no fault of its path: the fence resets the unit, perhaps */
	if (path->barred)
		return; /* nor of its own: its target port group does no I/O */
	path->statistics.errors++;
	if (command->login != path->login)
		return; /* a late one of a nexus that is gone */
	path_error(path);
	if (rule->verdict.action != RETRY_FAIL_PATH && path->errors_in_a_row < ERRORS_IN_A_ROW)
		return;
	if (path_usable(path) && path_group_has(dispatch->group, path_bit(path)))
		path_fail(path, rule->meaning);
}

/* Not on this path any more: to the next, and when all were tried to a pause or an end. */
static void move_on(struct dispatch *dispatch, struct map_command *command, struct path *path,
		    const struct retry_verdict *verdict)
{
	bool untried;

	command->tried |= path_bit(path);
	command->same_tries = 0;
	untried = path_group_has(dispatch->group, command->tried);
	if (verdict->error) {
		if (command->moves >= verdict->other_limit || !untried) {
			finish(dispatch, command, verdict->error);
			return;
		}
		command->moves++;
		route(dispatch, command);
		return;
	}
	if (untried || !path_group_has(dispatch->group, 0)) {
		route(dispatch, command);
		return;
	}
	command->tried = 0;
	put_off(dispatch, command, NULL, verdict);
}

static bool may_stay(struct map_command *command, const struct path *path,
		     const struct retry_verdict *verdict)
{
	if (!path_usable(path) || command->same_tries >= verdict->same_limit)
		return false;
	if (verdict->same_limit != RETRY_NO_LIMIT)
		command->same_tries++;
	return true;
}

static void act_done(struct dispatch *dispatch, struct map_command *command, struct path *path,
		     const struct retry_rule *rule)
{
	int error = 0;

	if (command->kind == MAP_FLUSH && dispatch->deferred_error) {
		dispatch->deferred_error = false;
		error = -EIO;
	}
	finish(dispatch, command, error);
}

static void act_fail(struct dispatch *dispatch, struct map_command *command, struct path *path,
		     const struct retry_rule *rule)
{
	finish(dispatch, command, rule->verdict.error);
}

static void act_same_path(struct dispatch *dispatch, struct map_command *command, struct path *path,
			  const struct retry_rule *rule)
{
	if (may_stay(command, path, &rule->verdict)) {
		route_on(dispatch, command, path);
		return;
	}
	if (path_usable(path) && !rule->verdict.error)
		blame(dispatch, command, path, rule);
	move_on(dispatch, command, path, &rule->verdict);
}

static void act_delay(struct dispatch *dispatch, struct map_command *command, struct path *path,
		      const struct retry_rule *rule)
{
	if (may_stay(command, path, &rule->verdict)) {
		put_off(dispatch, command, path, &rule->verdict);
		return;
	}
	command->same_tries = 0;
	command->tried |= path_bit(path);
	if (!path_group_has(dispatch->group, command->tried))
		command->tried = 0;
	put_off(dispatch, command, NULL, &rule->verdict);
}

static void act_other_path(struct dispatch *dispatch, struct map_command *command,
			   struct path *path, const struct retry_rule *rule)
{
	if (!rule->verdict.error)
		blame(dispatch, command, path, rule);
	move_on(dispatch, command, path, &rule->verdict);
}

static void act_unmapped(struct dispatch *dispatch, struct map_command *command, struct path *path,
			 const struct retry_rule *rule)
{
	path->statistics.errors++;
	if (command->login == path->login)
		path_unmapped(path, rule->meaning);
	move_on(dispatch, command, path, &rule->verdict);
}

/*
 * The ghost of this write can still be executed. Once the login that carried it is known to be
 * dead, it is as if it had never been sent.
 */
static void act_guard(struct dispatch *dispatch, struct map_command *command, struct path *path,
		      const struct retry_rule *rule)
{
	struct guard *guard = &dispatch->guard;

	blame(dispatch, command, path, rule);
	if (command->login < path->fenced_login) {
		route(dispatch, command);
	} else if (guard->settings.integrity == INTEGRITY_LEGACY) {
		move_on(dispatch, command, path, &rule->verdict);
	} else if (dispatch->no_path_error) {
		command->wake_ns = now(dispatch);
		guard_abandon(guard, command);
		finish(dispatch, command, dispatch->no_path_error);
	} else {
		guard_park(guard, command);
	}
}

static void (*const acts[RETRY_ACTION_COUNT])(struct dispatch *dispatch,
					      struct map_command *command, struct path *path,
					      const struct retry_rule *rule) = {
	[RETRY_DONE] = act_done,
	[RETRY_FAIL] = act_fail,
	[RETRY_SAME_PATH] = act_same_path,
	[RETRY_DELAY] = act_delay,
	[RETRY_OTHER_PATH] = act_other_path,
	[RETRY_FAIL_PATH] = act_other_path, /* blame() tells them apart */
	[RETRY_UNMAPPED] = act_unmapped,
	[RETRY_GUARD] = act_guard,
};

/* @sent_ns: when the command was sent */
static void heed_flags(struct dispatch *dispatch, uint64_t sent_ns, struct path *path,
		       const struct retry_rule *rule, const struct scsi_sense *sense)
{
	unsigned flags = rule->verdict.flags;

	if ((flags & RETRY_ACCESS) && dispatch->owner->access(dispatch, path, sense, sent_ns))
		flags &= ~(unsigned)RETRY_ATTENTION; /* it was attended to */

	if (flags & RETRY_DEFERRED_ERROR)
		dispatch->deferred_error = true;
	if (flags & RETRY_VERIFY)
		path_doubt_identity(path, rule->meaning);
	if ((flags & RETRY_ATTENTION) &&
	    path_attention_is_new(path, sense->asc, sense->ascq, now(dispatch)))
		dispatch->owner->attention(dispatch, path, sense);
}

void dispatch_attention(struct dispatch *dispatch, struct path *path,
			const struct scsi_result *result)
{
	struct scsi_sense sense;
	const struct retry_rule *rule = retry_judge(result, MAP_READ, &sense);

	if (rule->verdict.flags & RETRY_EARLIER_LOST && path->fence)
		return; /* it has reset the unit, perhaps */
	if (rule->verdict.flags & RETRY_EARLIER_LOST)
		path_abort_all(path); /* what came later is sent again, too */
	if (rule->verdict.flags)
		heed_flags(dispatch, now(dispatch), path, rule, &sense);
}

/*
 * The answer to a command that is known, by now, to have gone where it should not, or may have. A
 * unit attention stops only the first command that meets it (SAM-5 §5.14); those right behind it on
 * the wire are carried out.
 * Return: NULL when the answer counts
 */
static const struct retry_rule *distrust(const struct path *path, const struct map_command *command,
					 const struct retry_rule *rule)
{
	enum retry_action action = rule->verdict.action;

	if (path->state == PATH_QUARANTINED && action != RETRY_GUARD)
		return &wrong_unit;
	if (path->state == PATH_VERIFY && command->login == path->login &&
	    command->scsi.result.outcome == SCSI_COMPLETED &&
	    (action == RETRY_DONE || rule->verdict.error))
		return &doubtful_unit;
	return NULL;
}

/* Off the wire: what its result means for its path, and what is to become of it. */
static const struct retry_rule *take_back(struct dispatch *dispatch, struct map_command *command)
{
	struct path *path = command->path;
	struct scsi_sense sense;
	const struct retry_rule *rule = retry_judge(&command->scsi.result, command->kind, &sense);
	const struct retry_rule *instead = distrust(path, command, rule);
	enum retry_action action;

	if (instead) {
		rule = instead;
		/* Who asks again later gets no other answer. */
		command->scsi.result = (struct scsi_result){.outcome = SCSI_NOT_SENT};
	}
	action = rule->verdict.action;
	if (rule->verdict.flags & RETRY_EARLIER_LOST)
		path_abort_before(path, command);
	path_returned(path, command, action == RETRY_DONE, now(dispatch));
	if (rule->verdict.flags)
		heed_flags(dispatch, command->sent_ns, path, rule, &sense);
	if (path_state_carries(path->state) && !path_alive(path))
		path_lost(path, "connection lost");
	if (command->scsi.result.outcome == SCSI_COMPLETED &&
	    command->scsi.result.status == SCSI_TASK_SET_FULL)
		path_task_set_full(path);
	if (!list_empty(&dispatch->waiting))
		ring_defer(dispatch->ring, &dispatch->resume);
	return rule;
}

static void act(struct dispatch *dispatch, struct map_command *command, struct path *path,
		const struct retry_rule *rule)
{
	enum retry_action action = rule->verdict.action;

	if (dispatch->shut_error && action != RETRY_DONE && action != RETRY_FAIL)
		finish(dispatch, command, dispatch->shut_error);
	else
		acts[action](dispatch, command, path, rule);
}

/*
 * A path that has just come back may have been let in before its registration was lost: it is
 * looked after, and the command goes elsewhere, or the same way once that is done. It ends, because
 * each path is looked after once in a login, and who meets a reservation again is told.
 */
static bool try_after_conflict(struct dispatch *dispatch, struct map_command *command,
			       struct path *path)
{
	const struct scsi_result *result = &command->scsi.result;
	bool tell = !path->conflict_told && command->login == path->login;

	if (!dispatch->registered || result->outcome != SCSI_COMPLETED ||
	    result->status != SCSI_RESERVATION_CONFLICT || (command->conflicted && !tell))
		return false;
	command->conflicted = true;
	command->tried |= path_bit(path);
	if (tell) {
		path->conflict_told = true;
		dispatch->owner->conflict(dispatch, path);
	}
	route(dispatch, command);
	return true;
}

static void scsi_done(struct scsi_command *scsi)
{
	struct map_command *command = container_of(scsi, struct map_command, scsi);
	struct dispatch *dispatch = command->dispatch;
	struct path *path = command->path;
	const struct retry_rule *rule = take_back(dispatch, command);
	bool good = rule->verdict.action == RETRY_DONE;

	if (command->hedge && hedging_returned(&dispatch->hedging, command, good))
		return;
	if (command->moving && !good) { /* it was taken off that path: no fault of its own */
		command->moving = false;
		command->tried |= path_bit(path);
		route(dispatch, command);
		return;
	}
	if (!try_after_conflict(dispatch, command, path))
		act(dispatch, command, path, rule);
}

/* --- hedges --- */

static struct dispatch *dispatch_of(struct hedging *hedging)
{
	return container_of(hedging, struct dispatch, hedging);
}

static void copy_done(struct scsi_command *scsi)
{
	struct map_command *copy = container_of(scsi, struct map_command, scsi);
	struct dispatch *dispatch = copy->dispatch;
	const struct retry_rule *rule = take_back(dispatch, copy);
	enum retry_action action = rule->verdict.action;

	if ((action == RETRY_OTHER_PATH || action == RETRY_FAIL_PATH) && !rule->verdict.error)
		blame(dispatch, copy, copy->path, rule);
	hedging_copy_returned(&dispatch->hedging, copy, action == RETRY_DONE);
}

static void hedge_finish(struct hedging *hedging, struct map_command *original)
{
	finish(dispatch_of(hedging), original, 0);
}

static void hedge_resume(struct hedging *hedging, struct map_command *original)
{
	struct dispatch *dispatch = dispatch_of(hedging);
	struct scsi_sense sense;

	if (original->path)
		act(dispatch, original, original->path,
		    retry_judge(&original->scsi.result, original->kind, &sense));
	else
		route(dispatch, original);
}

static const struct hedging_owner hedging_owner = {
	.copy_done = copy_done,
	.finish = hedge_finish,
	.resume = hedge_resume,
};

void dispatch_path_suspect(struct dispatch *dispatch, struct path *path)
{
	hedging_path_suspect(&dispatch->hedging, path);
}

/* --- from above --- */

static void release(struct dispatch *dispatch, struct list *freed)
{
	struct map_command *command;

	while ((command = list_pop(freed, struct map_command, link))) {
		command->path = NULL;
		command->tried = 0;
		command->same_tries = 0;
		route(dispatch, command);
	}
}

static void resume_run(struct deferred *deferred)
{
	struct dispatch *dispatch = container_of(deferred, struct dispatch, resume);

	if (!dispatch->no_path_error)
		dispatch_resume(dispatch);
}

static bool overlaps_any(const struct list *commands, const struct map_command *command)
{
	const struct map_command *other;

	list_for_each (other, commands, link) {
		if (other->kind == MAP_WRITE && other != command && guard_overlap(other, command))
			return true;
	}
	return false;
}

static bool nothing_overlaps_on_wire(struct guard *guard, const struct map_command *command)
{
	struct dispatch *dispatch = container_of(guard, struct dispatch, guard);
	const struct path *path;

	list_for_each (path, &dispatch->group->paths, group_link) {
		if (overlaps_any(&path->on_wire, command) || overlaps_any(&path->aborting, command))
			return false;
	}
	return true;
}

/* Nobody fenced them in the time that it takes: perhaps somebody can in another way. */
static void ask_for_fences(struct dispatch *dispatch)
{
	struct path *path;

	list_for_each (path, &dispatch->group->paths, group_link) {
		if (path->in_doubt == 0 || path->help_asked == path->login ||
		    !guard_waits_for(&dispatch->guard, path))
			continue;
		path->help_asked = path->login;
		dispatch->owner->fence_wanted(dispatch, path);
	}
}

static void guard_due(struct guard *guard)
{
	struct dispatch *dispatch = container_of(guard, struct dispatch, guard);
	struct list freed = LIST_INIT(freed);
	unsigned ghosts = guard_expire(guard, &freed);

	guard_release(guard, nothing_overlaps_on_wire, &freed);
	if (ghosts > 0)
		dispatch->owner->guard_expired(dispatch, ghosts);
	ask_for_fences(dispatch);
	release(dispatch, &freed);
}

static const struct guard_owner guard_owner = {.due = guard_due};

void dispatch_init(struct dispatch *dispatch, struct ring *ring, struct path_group *group,
		   int32_t no_path_retry_ms, const struct guard_settings *guard_settings,
		   uint32_t timeout_ms, const struct hedging_settings *hedging,
		   const struct dispatch_owner *owner)
{
	*dispatch = (struct dispatch){
		.owner = owner,
		.ring = ring,
		.group = group,
		.no_path_retry_ms = no_path_retry_ms,
		.timeout_ms = timeout_ms,
	};
	guard_init(&dispatch->guard, ring, guard_settings, &guard_owner);
	list_init(&dispatch->waiting);
	list_init(&dispatch->delayed);
	list_init(&dispatch->finished);
	deferred_init(&dispatch->finish, finish_run);
	deferred_init(&dispatch->resume, resume_run);
	ring_timer_init(&dispatch->delay_timer, delay_expired);
	ring_timer_init(&dispatch->deadline_timer, deadline_expired);
	hedging_init(&dispatch->hedging, dispatch, ring, group, hedging, &hedging_owner);
}

void dispatch_deinit(struct dispatch *dispatch)
{
	assert(dispatch_idle(dispatch));
	hedging_deinit(&dispatch->hedging);
	guard_deinit(&dispatch->guard);
	ring_undefer(&dispatch->finish);
	ring_undefer(&dispatch->resume);
	ring_timer_disarm(dispatch->ring, &dispatch->delay_timer);
	ring_timer_disarm(dispatch->ring, &dispatch->deadline_timer);
}

void dispatch_submit(struct dispatch *dispatch, struct map_command *command)
{
	dispatch->commands++;
	command->dispatch = dispatch;
	command->path = NULL;
	command->hedge = NULL;
	command->moving = false;
	command->conflicted = false;
	command->trouble_ns = 0;
	command->tried = 0;
	command->ghosts = false;
	command->same_tries = 0;
	command->moves = 0;
	command->pauses = 0;
	command->scsi.timeout_ms = 0; /* ours is the deadline timer */
	command->scsi.done = scsi_done;
	route(dispatch, command);
}

void dispatch_resume(struct dispatch *dispatch)
{
	struct map_command *command;

	dispatch->no_path_error = 0;
	if (path_group_has_two(dispatch->group))
		hedging_prepare(&dispatch->hedging);
	while (path_group_has_room(dispatch->group) &&
	       (command = list_pop(&dispatch->waiting, struct map_command, link)))
		route(dispatch, command);
}

/* @last: nothing will be written after that */
static void end_all(struct dispatch *dispatch, bool last, int error)
{
	struct list guarded = LIST_INIT(guarded);

	guard_free_all(&dispatch->guard, last, &guarded);
	finish_all(dispatch, &guarded, error);
	finish_all(dispatch, &dispatch->waiting, error);
	finish_all(dispatch, &dispatch->delayed, error);
	ring_timer_disarm(dispatch->ring, &dispatch->delay_timer);
}

void dispatch_give_up(struct dispatch *dispatch, int error)
{
	dispatch->no_path_error = error;
	end_all(dispatch, false, error);
}

void dispatch_shut(struct dispatch *dispatch, int error)
{
	dispatch->shut_error = error;
	end_all(dispatch, true, error);
}

static void end_writes(struct dispatch *dispatch, struct list *commands, int error)
{
	struct map_command *command, *following;

	list_for_each_safe (command, following, commands, link) {
		if (command->kind != MAP_WRITE)
			continue;
		list_remove(&command->link);
		finish_later(dispatch, command, error);
	}
}

void dispatch_set_reservation(struct dispatch *dispatch, bool registered, int write_error)
{
	dispatch->registered = registered;
	dispatch->write_error = write_error;
	if (write_error == 0)
		return;
	end_writes(dispatch, &dispatch->waiting, write_error);
	end_writes(dispatch, &dispatch->delayed, write_error);
}

void dispatch_fenced(struct dispatch *dispatch, struct path *path)
{
	struct list freed = LIST_INIT(freed);

	guard_free_fenced(&dispatch->guard, path, &freed);
	release(dispatch, &freed);
}

void dispatch_forget_path(struct dispatch *dispatch, struct path *path)
{
	struct map_command *command;

	guard_forget_path(&dispatch->guard, path);
	hedging_forget_path(&dispatch->hedging, path);
	list_for_each (command, &dispatch->delayed, link) {
		if (command->path == path)
			command->path = NULL;
	}
}
