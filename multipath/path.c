/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/path.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "multipath/command.h"
#include "scsi/cdb.h"
#include "scsi/nexus.h"
#include "util/cleanup.h"
#include "util/ring.h"

#define ATTENTION_WINDOW_NS 500000000u	      /* one event on four paths, or told again and again */
#define BUSY_WINDOW_NS	    UINT64_C(5000000) /* of being busy make one measurement of throughput */
#define NS_PER_MS	    1000000u
#define FULL_MIN_COST	    (UINT64_C(1) << 20)
#define WINDOW_STEP_NS	    UINT64_C(2000000000)
#define WINDOW_MAX	    256u /* who takes so many is trusted to say so again */
#define LEAST_WINDOW_NS	    UINT64_C(10000000000)
#define COST_TIME_MAX	    (UINT64_C(1) << 32) /* times the cost in flight must not overflow */

static void health_changed(struct nexus_holder *holder, struct nexus *nexus, const char *reason);
static void attention(struct nexus_holder *holder, struct nexus *nexus,
		      const struct scsi_result *result);

int path_new(const struct ring *ring, struct map *map, struct nexus *nexus, unsigned slot,
	     const struct path_owner *owner, void *userdata, struct path **ret)
{
	struct path *path = calloc(1, sizeof(*path));

	assert(slot < PATH_SLOTS);
	if (!path)
		return -ENOMEM;
	path->owner = owner;
	path->ring = ring;
	path->map = map;
	path->state = PATH_VERIFY;
	path->weight_scale = PATH_WEIGHT_ONE;
	path->standing = PATH_ACTIVE;
	path->port = (struct path_port){.group = -1, .relative = -1};
	path->priority = access_priority(ACCESS_UNKNOWN, false);
	path->holder.health_changed = health_changed;
	path->holder.attention = attention;
	nexus->holder = &path->holder;
	path->nexus = nexus;
	path->userdata = userdata;
	path->slot = slot;
	list_init(&path->link);
	list_init(&path->group_link);
	list_init(&path->on_wire);
	list_init(&path->aborting);
	*ret = path;
	return 0;
}

void path_free(struct path *path)
{
	if (!path)
		return;
	assert(list_empty(&path->on_wire) && list_empty(&path->aborting));
	if (path->nexus->holder == &path->holder)
		path->nexus->holder = NULL;
	path_fence_cancel(path);
	list_remove(&path->link);
	list_remove(&path->group_link);
	free(path);
}

/* --- states --- */

static void enter_standing(struct path *path, enum path_state standing)
{
	path->standing = standing;
	if (standing == PATH_MARGINAL)
		path_health_hold(&path->health, ring_now_ns(path->ring));
}

/* What it may be when it carries I/O next is decided when it ceases to, and begins then. */
static void cross_border(struct path *path, enum path_state from, enum path_state_event event)
{
	bool carried = path_state_carries(from), carries = path_state_carries(path->state);

	if (!carried && carries) {
		path_health_admitted(&path->health, ring_now_ns(path->ring));
		if (path->fell)
			enter_standing(path, path->standing);
		path->fell = false;
	} else if (carried && !carries) {
		path->trouble = 0;
		if (event == PATH_EVENT_DOUBTED)
			return; /* that is no fault of the path */
		path->fell = true;
		path->standing = path_health_fell(&path->health, ring_now_ns(path->ring))
					 ? PATH_MARGINAL
					 : PATH_PROBATION;
	}
}

/* The only place that changes the state. */
static void path_step(struct path *path, enum path_state_event event, const char *reason)
{
	enum path_state from = path->state, to = path_state_next(from, event, path->standing);

	if (to == from)
		return;
	path->state = to;
	cross_border(path, from, event);
	if (to == PATH_PROBATION) {
		path_health_begin_probation(&path->health, ring_now_ns(path->ring));
		path->statistics.ewma_latency_ns = 0; /* how slow it was is no reproach any more */
	}
	path->errors_in_a_row = 0;
	/* Whoever looks after the path saw the attention before this step, not the next. */
	path->attention_ns = 0;
	if (path_state_carries(from) && (to == PATH_FAILED || to == PATH_DOWN))
		path->statistics.failures++;
	path->owner->changed(path, from, reason);
}

void path_verified(struct path *path)
{
	/* With nothing in doubt there is nothing to make sure of: all of it was answered. */
	if (path->in_doubt == 0)
		path_fenced(path);
	/* It may be down again by the time the word of its last login arrives. */
	if (!path->nexus->up)
		return;
	path->verified = true;
	path_step(path, PATH_EVENT_VERIFIED, "identity verified");
	if (path->nexus->health != NEXUS_WELL)
		health_changed(&path->holder, path->nexus, "still in trouble");
	if (path->fenced_login != path->login && path->nexus->up)
		path_fence(path, path->nexus, NULL, NULL);
}

void path_lost(struct path *path, const char *reason)
{
	path->login++;
	path->verified = false;
	path->conflict_told = false;
	path_fence_cancel(path); /* it does not cover what is lost now */
	path_step(path, PATH_EVENT_LOST, reason);
}

void path_unmapped(struct path *path, const char *reason)
{
	path->verified = false;
	path_step(path, PATH_EVENT_UNMAPPED, reason);
}

void path_quarantine(struct path *path, const char *reason)
{
	path_step(path, PATH_EVENT_QUARANTINED, reason);
}

void path_fenced(struct path *path)
{
	path->fenced_login = path->login;
	path->owner->fenced(path);
}

void path_fail(struct path *path, const char *reason)
{
	path_step(path, PATH_EVENT_FAILED, reason);
}

/* --- health --- */

/* Its standing while it carries I/O, also if that does not show at the moment. */
static void change_standing(struct path *path, enum path_state_event event,
			    enum path_state standing, const char *reason)
{
	enter_standing(path, standing);
	path_step(path, event, reason);
}

static void follow_trouble(struct path *path, const char *reason)
{
	if (path->trouble & (PATH_SILENT | PATH_UNANSWERED))
		path_step(path, PATH_EVENT_SUSPECTED, reason);
	else if (path->trouble)
		path_step(path, PATH_EVENT_THROTTLED, reason);
	else
		path_step(path, PATH_EVENT_CLEARED, reason);
}

static void health_changed(struct nexus_holder *holder, struct nexus *nexus, const char *reason)
{
	static const unsigned trouble[NEXUS_HEALTH_COUNT] = {
		[NEXUS_SUSPECT] = PATH_SILENT,
		[NEXUS_THROTTLED] = PATH_CLOSED,
	};
	struct path *path = container_of(holder, struct path, holder);

	path->trouble &= PATH_UNANSWERED;
	path->trouble |= trouble[nexus->health];
	follow_trouble(path, reason);
}

static void attention(struct nexus_holder *holder, struct nexus *nexus,
		      const struct scsi_result *result)
{
	struct path *path = container_of(holder, struct path, holder);

	/* Who verifies a path that carries nothing sees it as well. */
	if (path_state_carries(path->state))
		path->owner->attention(path, result);
}

void path_suspect(struct path *path, const char *reason)
{
	path->trouble |= PATH_UNANSWERED;
	follow_trouble(path, reason);
}

void path_strike(struct path *path, const char *reason)
{
	if (path_state_carries(path->state) && path->standing != PATH_MARGINAL &&
	    path_health_strike(&path->health, ring_now_ns(path->ring)))
		change_standing(path, PATH_EVENT_STRUCK, PATH_MARGINAL, reason);
}

void path_error(struct path *path)
{
	path->errors_in_a_row++;
	if (path->standing == PATH_PROBATION)
		path_health_begin_probation(&path->health, ring_now_ns(path->ring));
	if (path_health_error(&path->health))
		path_strike(path, "too many commands fail");
}

/* A command ended well while the path is something else than simply active. */
static void path_proof(struct path *path)
{
	if (path->trouble) {
		path->trouble &= PATH_CLOSED;
		follow_trouble(path, "it answers again");
	}
	if (path->state == PATH_PROBATION && path_health_proof(&path->health))
		change_standing(path, PATH_EVENT_PROVED, PATH_ACTIVE, "it has proved itself");
}

uint64_t path_due_ns(const struct path *path)
{
	if (!path_state_carries(path->state))
		return UINT64_MAX;
	if (path->standing == PATH_MARGINAL)
		return path->health.hold_end_ns;
	/* Time proves nothing while it is in trouble. */
	if (path->state == PATH_PROBATION)
		return path->health.probation_ns + PATH_PROBATION_NS;
	return UINT64_MAX;
}

void path_check_due(struct path *path)
{
	if (ring_now_ns(path->ring) < path_due_ns(path))
		return;
	if (path->standing == PATH_MARGINAL)
		change_standing(path, PATH_EVENT_HELD, PATH_PROBATION,
				"it was held back for long enough");
	else
		change_standing(path, PATH_EVENT_PROVED, PATH_ACTIVE, "it has proved itself");
}

/* --- what it may carry --- */

bool path_reinstate(struct path *path, const char *reason)
{
	if (path->state != PATH_FAILED || !path->verified || !path->nexus->up)
		return false;
	path_step(path, PATH_EVENT_VERIFIED, reason);
	return true;
}

void path_suspend(struct path *path, const char *reason)
{
	path->verified = false;
	path_step(path, PATH_EVENT_DOUBTED, reason);
}

void path_doubt_identity(struct path *path, const char *reason)
{
	path->nexus->doubts++;
	path_suspend(path, reason);
}

enum path_state path_get_state(const struct path *path)
{
	return path->state;
}

struct map *path_map(const struct path *path)
{
	return path->map;
}

struct nexus *path_nexus(const struct path *path)
{
	return path->nexus;
}

void *path_userdata(const struct path *path)
{
	return path->userdata;
}

const struct path_statistics *path_get_statistics(const struct path *path)
{
	return &path->statistics;
}

unsigned path_in_doubt(const struct path *path)
{
	return path->in_doubt;
}

void path_set_port(struct path *path, const struct path_port *port)
{
	/* What was read since its last login is not forgotten. */
	path->unsized = port->seen != ACCESS_UNKNOWN && (path->unsized || !path->verified);
	path->port = *port;
}

void path_get_access(const struct path *path, struct path_access *ret)
{
	*ret = (struct path_access){
		.state = path->access,
		.preferred = path->preferred,
		.barred = path->barred,
		.port_group = path->port.tpgs ? path->port.group : -1,
		.priority = path->priority,
		.group = path->group,
	};
}

bool path_alive(const struct path *path)
{
	return path_state_carries(path->state) && path->nexus->up;
}

bool path_usable(const struct path *path)
{
	return path_alive(path) && !path->barred;
}

uint64_t path_bit(const struct path *path)
{
	return UINT64_C(1) << path->slot;
}

void path_set_last(struct path *path, bool last)
{
	if (path->last == last)
		return;
	path->last = last;
	nexus_set_last_path(path->nexus, last);
}

static uint64_t command_cost(const struct map_command *command)
{
	return PATH_COMMAND_COST + (uint64_t)command->scsi.data_length;
}

/*
 * What is on a path that gets stuck has to be waited for. So, by turns, a path has no more than
 * twice what keeps it busy while another one has less; and that is never so little that it could
 * matter.
 */
static bool is_full(const struct path *path)
{
	uint64_t least_ns = path_least_latency_ns(path), product;

	if (path->cost_in_flight < FULL_MIN_COST || path->cost_time == 0)
		return false;
	product = (least_ns << 16) / path->cost_time;
	return path->cost_in_flight >= MAX(2 * product, FULL_MIN_COST);
}

void path_task_set_full(struct path *path)
{
	path->window = MAX(path->statistics.in_flight, 1u);
	path->window_ns = ring_now_ns(path->ring);
}

/* One more every two seconds that go well. */
static void widen_window(struct path *path, uint64_t now_ns)
{
	if (now_ns - path->window_ns < WINDOW_STEP_NS)
		return;
	path->window_ns = now_ns;
	if (++path->window > WINDOW_MAX)
		path->window = 0;
}

int path_send(struct path *path, struct map_command *command, uint64_t now_ns)
{
	struct path_statistics *statistics = &path->statistics;
	int r;

	command->path = path;
	command->login = path->login;
	command->sent_ns = now_ns;
	command->ended = false;
	r = nexus_execute(path->nexus, &command->scsi);
	if (r < 0)
		return r;

	if (statistics->in_flight == 0)
		path->busy_since_ns = now_ns;
	statistics->in_flight++;
	statistics->in_flight_bytes += command->scsi.data_length;
	path->cost_in_flight += command_cost(command);
	if (path->cost_in_flight >= FULL_MIN_COST)
		path->full = is_full(path);
	list_append(&path->on_wire, &command->link);
	return 0;
}

/*
 * What it can serve shows only while it has enough to do: so the best counts, and is forgotten by a
 * sixteenth with each measurement.
 */
static void measure_cost_time(struct path *path, uint64_t cost_per_ms)
{
	uint64_t time = (UINT64_C(1000000) << 16) / cost_per_ms;

	path->cost_time += path->cost_time / 16;
	if (path->cost_time == 0 || time < path->cost_time)
		path->cost_time = time;
	path->cost_time = MIN(path->cost_time, COST_TIME_MAX);
}

/*
 * Throughput while it had something to do; idle time says nothing about a path. Over a long way
 * answers come in bursts: a measurement takes as long as the way, so that the time between two
 * bursts counts as well as a burst does.
 */
static void measure_throughput(struct path *path, uint64_t now_ns)
{
	uint64_t sample;

	path->busy_ns += now_ns - path->busy_since_ns;
	path->busy_since_ns = now_ns;
	if (path->busy_ns < MAX(BUSY_WINDOW_NS, path_least_latency_ns(path)))
		return;
	sample = path->cost_served * NS_PER_MS / path->busy_ns;
	sample = MAX(sample, UINT64_C(1));
	/* 1/4: a path that got slow is found out after some 20 ms of being busy. */
	path->throughput = path->throughput ? (path->throughput * 3 + sample) / 4 : sample;
	path->throughput = MAX(path->throughput, UINT64_C(1));
	measure_cost_time(path, sample);
	path->measured_ns = now_ns;
	path->busy_ns = 0;
	path->cost_served = 0;
}

static bool is_discard(const struct map_command *command)
{
	uint8_t opcode = command->scsi.cdb[0];

	return opcode == SCSI_UNMAP ||
	       (opcode == SCSI_WRITE_SAME_16 && (command->scsi.cdb[1] & CDB_WRITE_SAME_UNMAP));
}

/* Two windows, so that a minimum of long ago is forgotten and one of just now is not. */
static void count_least_latency(struct path *path, uint64_t latency_ns)
{
	uint64_t now_ns = ring_now_ns(path->ring);

	if (now_ns - path->least_since_ns > LEAST_WINDOW_NS) {
		path->least_before_ns = path->least_latency_ns;
		path->least_latency_ns = 0;
		path->least_since_ns = now_ns;
	}
	if (path->least_latency_ns == 0 || latency_ns < path->least_latency_ns)
		path->least_latency_ns = MAX(latency_ns, UINT64_C(1));
}

uint64_t path_least_latency_ns(const struct path *path)
{
	if (path->least_latency_ns && path->least_before_ns)
		return MIN(path->least_latency_ns, path->least_before_ns);
	return path->least_latency_ns ? path->least_latency_ns : path->least_before_ns;
}

void path_set_weight(struct path *path, unsigned weight)
{
	assert(weight > 0);
	path->weight_scale = MAX(PATH_WEIGHT_ONE * PATH_WEIGHT_USUAL / weight, 1u);
}

static void count_latency(struct path *path, enum map_command_kind kind, uint64_t latency_ns)
{
	uint64_t *ewma_ns = &path->statistics.ewma_latency_ns;

	count_least_latency(path, latency_ns);
	*ewma_ns = *ewma_ns ? (*ewma_ns * 7 + latency_ns) / 8 : latency_ns;
	if (kind != MAP_READ)
		return;
	path_latency_add(&path->latency, latency_ns);
	path->statistics.p99_latency_ns = path->latency.p99_ns;
}

static void count_good(struct path *path, const struct map_command *command, uint64_t now_ns)
{
	struct path_statistics *statistics = &path->statistics;
	uint64_t latency_ns = now_ns - command->sent_ns;

	path->errors_in_a_row = 0;
	path_health_good(&path->health);
	if (command->kind == MAP_FLUSH) {
		statistics->flushes++;
		return;
	}
	if (is_discard(command)) {
		statistics->discards++;
		return;
	}
	if (command->kind == MAP_READ) {
		statistics->reads++;
		statistics->bytes_read += scsi_command_received(&command->scsi);
	} else {
		statistics->writes++;
		statistics->bytes_written += command->scsi.data_length;
	}
	statistics->latency_sum_ns += latency_ns;
	statistics->latency_max_ns = MAX(statistics->latency_max_ns, latency_ns);
	count_latency(path, command->kind, latency_ns);
}

void path_late(struct path *path, uint64_t latency_ns)
{
	count_latency(path, MAP_READ, latency_ns);
}

bool path_expects_soon(const struct map_command *command)
{
	return command->kind != MAP_FLUSH && !is_discard(command);
}

void path_returned(struct path *path, struct map_command *command, bool good, uint64_t now_ns)
{
	struct path_statistics *statistics = &path->statistics;

	assert(command->path == path && statistics->in_flight > 0);
	list_remove(&command->link);
	statistics->in_flight--;
	statistics->in_flight_bytes -= command->scsi.data_length;
	path->cost_in_flight -= command_cost(command);
	if (command->scsi.result.outcome == SCSI_COMPLETED)
		path->answered_ns = now_ns;
	if (good) {
		path->cost_served += command_cost(command);
		count_good(path, command, now_ns);
	}
	measure_throughput(path, now_ns);
	if (path->full)
		path->full = is_full(path);
	if (good && path->window)
		widen_window(path, now_ns);
	if (good && path->state != PATH_ACTIVE && command->login == path->login)
		path_proof(path);
}

void path_abort(struct path *path, struct map_command *command)
{
	list_remove(&command->link);
	list_append(&path->aborting, &command->link);
	if (path->nexus->up) /* else the transport gives everything back anyway */
		nexus_abort(path->nexus, &command->scsi);
}

/* Ended by somebody else: it is only asked for so that it comes back. */
static void path_abort_ended(struct path *path, struct map_command *command)
{
	command->ended = true;
	path_abort(path, command);
}

void path_abort_before(struct path *path, struct map_command *command)
{
	struct map_command *earlier;

	/* @command itself may have been asked to end early, and then nobody knows who was first. */
	for (struct list *l = path->on_wire.next; l != &command->link; l = l->next) {
		if (l == &path->on_wire)
			return;
	}
	while ((earlier = list_first(&path->on_wire, struct map_command, link)) != command)
		path_abort_ended(path, earlier);
}

void path_abort_all(struct path *path)
{
	struct map_command *command;

	while ((command = list_first(&path->on_wire, struct map_command, link)))
		path_abort_ended(path, command);
}

bool path_attention_is_new(struct path *path, uint8_t asc, uint8_t ascq, uint64_t now_ns)
{
	uint16_t attention = (uint16_t)(asc << 8 | ascq);

	if (path->attention_ns != 0 && path->attention == attention &&
	    now_ns - path->attention_ns < ATTENTION_WINDOW_NS)
		return false;
	path->attention = attention;
	path->attention_ns = now_ns;
	return true;
}
