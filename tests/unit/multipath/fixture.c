/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "fixture.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "scsi/cdb.h"
#include "util/cleanup.h"

const struct map_settings fixture_settings = {
	.selector = "round-robin",
	.no_path_retry_ms = 60000,
	.guard = {.integrity = INTEGRITY_SHARED, .fence_wait_ms = 250, .timeout_ms = 120000},
};

const char *fixture_vendor;

static void on_path_changed(struct map *map, struct path *path, enum path_state from,
			    const char *reason, void *userdata)
{
	struct fixture *f = userdata;

	if (f->path_event_count < FIXTURE_EVENTS) {
		struct path_event *event = &f->path_events[f->path_event_count];

		*event = (struct path_event){path, from, path_get_state(path), ""};
		strncpy(event->reason, reason, sizeof(event->reason) - 1);
	}
	f->path_event_count++;
	assert_int_not_equal(from, path_get_state(path));
}

static void on_map_changed(struct map *map, enum map_state from, void *userdata)
{
	struct fixture *f = userdata;

	if (f->map_event_count < FIXTURE_EVENTS)
		f->map_events[f->map_event_count] = (struct map_event){from, map_get_state(map)};
	f->map_event_count++;
	assert_int_not_equal(from, map_get_state(map));
}

static void on_attention(struct map *map, struct path *path, uint8_t asc, uint8_t ascq,
			 void *userdata)
{
	struct fixture *f = userdata;

	if (f->attention_count < FIXTURE_EVENTS)
		f->attentions[f->attention_count] = (struct attention_event){path, asc, ascq};
	f->attention_count++;
}

static void on_deferred_error(struct map *map, struct path *path, uint8_t key, uint8_t asc,
			      uint8_t ascq, void *userdata)
{
	struct fixture *f = userdata;

	f->deferred_errors++;
}

static void on_guard_expired(struct map *map, unsigned ghosts, void *userdata)
{
	struct fixture *f = userdata;

	f->guards_expired++;
	f->ghosts_unguarded += ghosts;
}

static void on_fence_wanted(struct map *map, struct path *path, void *userdata)
{
	struct fixture *f = userdata;

	f->fences_wanted++;
	f->fence_wanted = path;
}

static void on_conflict(struct map *map, struct path *path, void *userdata)
{
	struct fixture *f = userdata;

	f->conflicts++;
	f->conflict = path;
}

static const struct map_observer observer = {
	.path_changed = on_path_changed,
	.map_changed = on_map_changed,
	.attention = on_attention,
	.deferred_error = on_deferred_error,
	.guard_expired = on_guard_expired,
	.fence_wanted = on_fence_wanted,
	.conflict = on_conflict,
};

struct fixture *fixture_new(unsigned paths, const struct map_settings *settings)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	list_init(&f->requests);
	f->ring = fake_ring_new();
	f->unit = fake_unit_new(FIXTURE_BLOCKS, FIXTURE_BLOCK_SIZE);
	f->settings = settings ? *settings : fixture_settings;
	f->description = (struct unit){
		.identity = {.wwid = "36001405000000000000000000000aaaa"},
		.limits = {.blocks = FIXTURE_BLOCKS, .block_size = FIXTURE_BLOCK_SIZE},
	};
	if (fixture_vendor) {
		strncpy(f->description.identity.vendor, fixture_vendor, 8);
		strncpy(f->description.identity.product, "VIRTUAL-DISK", 16);
	}
	assert_int_equal(map_new(f->ring, &f->description, &f->settings, &observer, f, &f->map), 0);
	for (unsigned i = 0; i < paths; i++)
		path_verified(f->path[fixture_add_path(f)]);
	f->path_event_count = 0;
	f->map_event_count = 0;
	return f;
}

void fixture_free(struct fixture *f)
{
	struct request *request;

	assert_true(map_idle(f->map));
	map_free(f->map);
	for (unsigned i = 0; i < f->path_count; i++) {
		fake_nexus_run(f->nexus[i]); /* what was given up */
		fake_nexus_free(f->nexus[i]);
	}
	fake_unit_free(f->unit);
	while ((request = list_pop(&f->requests, struct request, link))) {
		assert_int_equal(request->ended, 1);
		free(request);
	}
	assert_int_equal(fake_ring_timers(f->ring), 0);
	ring_free(f->ring);
	free(f);
}

unsigned fixture_add_path(struct fixture *f)
{
	unsigned i = f->path_count++;

	assert_true(i < FIXTURE_PATHS);
	f->nexus[i] = fake_nexus_new(f->unit, (uint64_t)i << 48);
	assert_int_equal(map_add_path(f->map, &f->nexus[i]->nexus, f->nexus[i], &f->path[i]), 0);
	return i;
}

void fixture_remove_path(struct fixture *f, unsigned i)
{
	map_remove_path(f->map, f->path[i]);
	f->path[i] = NULL;
}

void fixture_run(struct fixture *f)
{
	size_t ended;

	do {
		ended = 0;
		for (unsigned i = 0; i < f->path_count; i++)
			ended += fake_nexus_run(f->nexus[i]);
		fake_ring_turn(f->ring);
	} while (ended > 0);
}

void fixture_lose(struct fixture *f, unsigned i)
{
	fake_nexus_lose(f->nexus[i], SIZE_MAX);
	path_lost(f->path[i], "connection reset");
}

void fixture_relogin(struct fixture *f, unsigned i)
{
	fake_nexus_kill_ghosts(f->nexus[i]);
	fake_nexus_set_up(f->nexus[i], true);
	path_verified(f->path[i]);
	fixture_answer_fence(f, i);
}

void fixture_answer_fence(struct fixture *f, unsigned i)
{
	if (f->path[i]->fence)
		fake_nexus_run_one(f->nexus[i], fake_nexus_queued(f->nexus[i]) - 1);
}

void fixture_prove(struct fixture *f)
{
	fake_ring_advance(f->ring, 5001);
}

static void request_done(struct map_command *command, int error)
{
	struct request *request = container_of(command, struct request, command);

	assert_false(request->submitting);
	assert_true(error <= 0);
	request->ended++;
	request->error = error;
	assert_int_equal(request->ended, 1);
	if (request->on_done)
		request->on_done(request);
}

struct request *fixture_request(struct fixture *f, enum map_command_kind kind, uint64_t lba,
				uint32_t blocks, uint8_t byte)
{
	struct request *request = calloc(1, sizeof(*request));
	struct scsi_command *scsi;

	assert_non_null(request);
	assert_true((size_t)blocks * FIXTURE_BLOCK_SIZE <= sizeof(request->data));
	request->fixture = f;
	request->error = NOT_ENDED;
	memset(request->data, byte, sizeof(request->data));
	request->command = (struct map_command){
		.kind = kind,
		.lba = lba,
		.blocks = blocks,
		.done = request_done,
	};
	scsi = &request->command.scsi;
	scsi->data = request->data;
	if (kind == MAP_READ)
		cdb_read_16(scsi, 0, lba, blocks, FIXTURE_BLOCK_SIZE);
	else if (kind == MAP_WRITE)
		cdb_write_16(scsi, 0, lba, blocks, FIXTURE_BLOCK_SIZE);
	else
		cdb_synchronize_cache_16(scsi, 0, 0);
	list_append(&f->requests, &request->link);
	return request;
}

void fixture_submit(struct fixture *f, struct request *request)
{
	request->submitting = true;
	map_submit(f->map, &request->command);
	request->submitting = false;
}

static struct request *submitted(struct fixture *f, enum map_command_kind kind, uint64_t lba,
				 uint32_t blocks, uint8_t byte)
{
	struct request *request = fixture_request(f, kind, lba, blocks, byte);

	fixture_submit(f, request);
	return request;
}

struct request *fixture_read(struct fixture *f, uint64_t lba, uint32_t blocks)
{
	return submitted(f, MAP_READ, lba, blocks, 0xee);
}

struct request *fixture_write(struct fixture *f, uint64_t lba, uint32_t blocks, uint8_t byte)
{
	return submitted(f, MAP_WRITE, lba, blocks, byte);
}

struct request *fixture_flush(struct fixture *f)
{
	return submitted(f, MAP_FLUSH, 0, 0, 0);
}

size_t fixture_queued(const struct fixture *f, unsigned i)
{
	return fake_nexus_queued(f->nexus[i]);
}

unsigned fixture_where(const struct fixture *f)
{
	unsigned where = FIXTURE_PATHS;

	for (unsigned i = 0; i < f->path_count; i++) {
		if (fixture_queued(f, i) == 0)
			continue;
		assert_int_equal(where, FIXTURE_PATHS);
		where = i;
	}
	assert_int_not_equal(where, FIXTURE_PATHS);
	return where;
}

size_t fixture_executed(const struct fixture *f)
{
	size_t count = 0;

	for (unsigned i = 0; i < f->path_count; i++)
		count += fake_nexus_count(f->nexus[i], FAKE_ANY_OPCODE);
	return count;
}
