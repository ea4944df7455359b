/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Whole PDUs of random content, in each state that a session can be in: whatever comes, every
 * command ends exactly once and no memory is touched that is not its own. What comes is the same in
 * each run.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "session_fixture.h"
#include "tests/fakes/fake_ring.h"
#include "tests/fakes/fake_wire.h"
#include "util/cleanup.h"

#define ROUNDS	    300 /* in each state */
#define PDUS	    40	/* in each round, unless the session ends before */
#define TAGS_MAX    8u
#define TIMEOUT_MS  5000
#define DATA_MAX    600 /* bytes */
#define READ_BYTES  1000
#define WRITE_BYTES 20000
#define LONGEST_MS  100000

struct scene {
	struct fixture f;
	uint32_t seed;
	struct bhs sent[TAGS_MAX]; /* by the initiator, with a tag */
	unsigned sent_count;
	bool window_closed;
};

static uint32_t random_of(struct scene *scene)
{
	scene->seed = scene->seed * 1664525 + 1013904223;
	return scene->seed >> 8;
}

/* What the initiator sent so far, for its tags. */
static void look(struct scene *scene)
{
	while (scene->f.target.pdu_next < scene->f.target.pdu_count) {
		const struct bhs *bhs = &scene->f.target.pdus[scene->f.target.pdu_next].bhs;

		if (be32_get(bhs->initiator_task_tag) != RESERVED_TAG)
			scene->sent[scene->sent_count++ % TAGS_MAX] = *bhs;
		target_take(&scene->f.target, pdu_opcode(bhs));
	}
}

static void idle(struct scene *scene)
{
	fixture_attach(&scene->f);
}

static void commands_under_way(struct scene *scene)
{
	struct io *test;

	fixture_attach(&scene->f);
	io_read(&scene->f, 0, READ_BYTES);
	io_write(&scene->f, 0, WRITE_BYTES);
	test = io_make(&scene->f, SCSI_NO_DATA, 0, 0);
	test->command.data = NULL;
	assert_int_equal(io_submit(test), 0);
}

static void commands_and_digests(struct scene *scene)
{
	scene->f.negotiated.header_digest = scene->f.negotiated.data_digest = true;
	commands_under_way(scene);
}

static void unsolicited_data(struct scene *scene)
{
	scene->f.negotiated.initial_r2t = false;
	scene->f.negotiated.max_outstanding_r2t = 4;
	commands_under_way(scene);
}

static void recovery_level_1(struct scene *scene)
{
	scene->f.negotiated.error_recovery_level = 1;
	commands_under_way(scene);
}

static void a_ping_under_way(struct scene *scene)
{
	scene->f.settings.noop_interval_ms = 1000;
	scene->f.settings.noop_timeout_ms = TIMEOUT_MS;
	commands_under_way(scene);
	fixture_run(&scene->f);
	fixture_advance(&scene->f, 1001);
}

static void an_abort_under_way(struct scene *scene)
{
	struct io *read;

	scene->f.settings.abort_timeout_ms = TIMEOUT_MS;
	commands_under_way(scene);
	read = io_read(&scene->f, 0, READ_BYTES);
	fixture_run(&scene->f);
	io_abort(read);
}

static void a_closed_window(struct scene *scene)
{
	scene->f.outcome.max_cmd_sn = scene->f.outcome.exp_cmd_sn - 1;
	scene->window_closed = true;
	commands_under_way(scene);
}

static void a_logout_under_way(struct scene *scene)
{
	idle(scene);
	session_logout(scene->f.session);
}

static void a_logout_behind_commands(struct scene *scene)
{
	commands_under_way(scene);
	fixture_run(&scene->f);
	session_logout(scene->f.session);
}

static const struct {
	const char *name;
	void (*enter)(struct scene *scene);
} states[] = {
	{"idle", idle},
	{"commands under way", commands_under_way},
	{"commands and digests", commands_and_digests},
	{"unsolicited data", unsolicited_data},
	{"recovery level 1", recovery_level_1},
	{"a ping under way", a_ping_under_way},
	{"an abort under way", an_abort_under_way},
	{"a closed window", a_closed_window},
	{"a logout under way", a_logout_under_way},
	{"a logout behind commands", a_logout_behind_commands},
};

static void put32(uint8_t *at, uint32_t value)
{
	be32 wire = be32_of(value);

	memcpy(at, &wire, sizeof(wire));
}

/* Fields that a target might have meant. */
static void shape(struct scene *scene, struct bhs *bhs)
{
	uint8_t *bytes = (uint8_t *)bhs;
	uint32_t target_tag = random_of(scene) % 2 ? RESERVED_TAG : random_of(scene) % 4;

	bhs->flags = PDU_FINAL;
	memset(bytes + 2, 0, 2);
	memset(bytes + 8, 0, 8);
	memset(bytes + 36, 0, 12);
	switch (bhs->opcode) {
	case PDU_DATA_IN:
		put32(bytes + 20, RESERVED_TAG);
		put32(bytes + 36, random_of(scene) % 2);
		put32(bytes + 40, random_of(scene) % 2 ? 0 : random_of(scene) % READ_BYTES);
		break;
	case PDU_R2T:
		put32(bytes + 20, random_of(scene) % 1000);
		put32(bytes + 36, random_of(scene) % 2);
		put32(bytes + 40, 8192 + random_of(scene) % 4096);
		put32(bytes + 44, 1 + random_of(scene) % 8192);
		break;
	case PDU_SCSI_RESPONSE:
		bytes[3] = random_of(scene) % 2 ? 0 : 2;
		put32(bytes + 44, random_of(scene) % 4 ? 0 : random_of(scene));
		break;
	case PDU_ASYNC_MESSAGE:
		bytes[36] = random_of(scene) % 4 ? 0 : (uint8_t)random_of(scene);
		break;
	case PDU_REJECT:
		bytes[2] = (uint8_t)(random_of(scene) % 16);
		break;
	default:
		bytes[2] = (uint8_t)(random_of(scene) % 4);
		put32(bytes + 20, target_tag);
		break;
	}
}

/* A tag that goes with the opcode as far as the direction of data, if there is one. */
static be32 a_tag(struct scene *scene, uint8_t opcode)
{
	uint8_t wanted = opcode == PDU_DATA_IN ? SCSI_COMMAND_READ
			 : opcode == PDU_R2T   ? SCSI_COMMAND_WRITE
					       : 0;
	unsigned count = MIN(scene->sent_count, TAGS_MAX), at = random_of(scene) % TAGS_MAX;

	if (opcode == PDU_ASYNC_MESSAGE || opcode == PDU_REJECT || opcode == PDU_NOP_IN)
		return be32_of(RESERVED_TAG);
	for (unsigned i = 0; i < count; i++) {
		const struct bhs *bhs = &scene->sent[(at + i) % count];

		if (wanted == 0 || (pdu_opcode(bhs) == PDU_SCSI_COMMAND && bhs->flags & wanted))
			return bhs->initiator_task_tag;
	}
	return be32_of(RESERVED_TAG);
}

/* Most of them nearly right, so that they get further than the first check. */
static void make_pdu(struct scene *scene, struct bhs *bhs)
{
	static const uint8_t opcodes[] = {
		PDU_NOP_IN,  PDU_NOP_IN,	PDU_SCSI_RESPONSE, PDU_SCSI_RESPONSE,
		PDU_DATA_IN, PDU_DATA_IN,	PDU_DATA_IN,	   PDU_DATA_IN,
		PDU_R2T,     PDU_R2T,		PDU_R2T,	   PDU_R2T,
		PDU_REJECT,  PDU_ASYNC_MESSAGE, PDU_ASYNC_MESSAGE, PDU_TASK_MANAGEMENT_RESPONSE,
	};
	uint8_t *bytes = (uint8_t *)bhs;

	for (size_t i = 0; i < BHS_LENGTH; i++)
		bytes[i] = (uint8_t)random_of(scene);
	bhs->opcode = random_of(scene) % 64 ? opcodes[random_of(scene) % ARRAY_SIZE(opcodes)]
					    : (uint8_t)(random_of(scene) & 0x3f);
	bhs->total_ahs_length = 0;
	if (random_of(scene) % 16)
		shape(scene, bhs);
	bhs->initiator_task_tag =
		random_of(scene) % 32 ? a_tag(scene, bhs->opcode) : be32_of(random_of(scene));
}

static void send_one(struct scene *scene)
{
	static uint8_t data[DATA_MAX];
	uint32_t length = random_of(scene) % 2 ? random_of(scene) % DATA_MAX : 0;
	struct bhs bhs;

	make_pdu(scene, &bhs);
	for (uint32_t i = 0; i < length; i++)
		data[i] = (uint8_t)random_of(scene);
	/* numbers that are wrong end the session, which the others shall not do so soon */
	if (random_of(scene) % 32 || scene->window_closed ||
	    scene->f.negotiated.error_recovery_level > 0) {
		target_send(&scene->f.target, &bhs, data, length);
	} else {
		bhs.data_segment_length = be24_of(length);
		target_emit(&scene->f.target, &bhs, data, length);
	}
}

static void play(size_t index, uint32_t seed)
{
	struct scene scene = {.seed = seed};

	fixture_init(&scene.f);
	states[index].enter(&scene);
	fixture_run(&scene.f);
	for (unsigned i = 0; i < PDUS && !scene.f.lost; i++) {
		look(&scene);
		send_one(&scene);
		fixture_run(&scene.f);
	}
	/* what still waits for an answer does not wait for ever */
	for (unsigned ms = 0; ms < LONGEST_MS && !scene.f.lost; ms += TIMEOUT_MS) {
		fixture_advance(&scene.f, TIMEOUT_MS);
		look(&scene);
	}
	assert_in_range(scene.f.lost, 0, 1);
	fixture_deinit(&scene.f);
}

/* Row 160, RFC 7143 §7.10 */
static void random_pdus_do_no_harm_in_any_state(void **state)
{
	for (size_t index = 0; index < ARRAY_SIZE(states); index++)
		for (uint32_t round = 0; round < ROUNDS; round++)
			play(index, (uint32_t)index << 16 | round);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_pdus_do_no_harm_in_any_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
