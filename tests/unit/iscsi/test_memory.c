/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * What a hostile target can make a session keep: it sends thousands of PDUs of every kind with
 * large data, and hardly ever reads what it is answered.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/pdu.h"
#include "iscsi/session.h"
#include "scsi/cdb.h"
#include "scsi/command.h"
#include "scsi/nexus.h"
#include "tests/fakes/fake_ring.h"
#include "tests/fakes/fake_wire.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define IOS	   8
#define IO_BYTES   65536
#define DATA_BYTES 4096
#define PDUS	   3000
#define GROWTH_MAX (512u << 10) /* bytes; they send 12 MiB of each kind */

size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

struct io {
	struct scsi_command command;
	bool pending;
	uint8_t data[IO_BYTES];
};

struct flood {
	struct ring *ring;
	struct fake_wire *wire;
	struct session *session;
	struct nexus *nexus;
	struct negotiated negotiated;
	struct io ios[IOS];
	be32 tags[2 * IOS]; /* of the requests that were heard last */
	unsigned heard;
	uint32_t stat_sn, random;
};

/* Under a sanitizer malloc() keeps no account of its own. */
static size_t allocated(void)
{
	if (__sanitizer_get_current_allocated_bytes)
		return __sanitizer_get_current_allocated_bytes();
	return mallinfo2().uordblks;
}

static void on_done(struct scsi_command *command)
{
	container_of(command, struct io, command)->pending = false;
}

static void on_lost(struct session *session, enum session_loss loss, int error, const char *text,
		    unsigned wait_s, void *userdata)
{
}

static void on_async(struct session *session, const struct async_message *message, void *userdata)
{
}

static const struct session_observer observer = {.lost = on_lost, .async_event = on_async};

static uint32_t draw(struct flood *flood)
{
	flood->random = flood->random * 1664525 + 1013904223;
	return flood->random >> 8;
}

static bool listen(void *userdata)
{
	struct flood *flood = userdata;
	size_t left, total;
	const struct bhs *bhs;

	while (bhs = (const struct bhs *)fake_wire_taken(flood->wire, &left), left >= BHS_LENGTH) {
		total = BHS_LENGTH + pdu_padded(pdu_data_length(bhs));
		if (left < total)
			break;
		if (pdu_opcode(bhs) == PDU_SCSI_COMMAND)
			flood->tags[flood->heard++ % ARRAY_SIZE(flood->tags)] =
				bhs->initiator_task_tag;
		fake_wire_skip(flood->wire, total);
	}
	return false;
}

static void attach(struct flood *flood)
{
	const struct login_outcome outcome = {
		.cmd_sn = 1, .exp_cmd_sn = 1, .max_cmd_sn = 60000, .exp_stat_sn = 1};

	fake_wire_free(flood->wire);
	flood->wire = fake_wire_new(flood->ring);
	fake_wire_set_peer(flood->wire, listen, flood);
	flood->stat_sn = 1;
	assert_int_equal(session_attach(flood->session, fake_wire_fd(flood->wire),
					&flood->negotiated, &outcome, NULL, 0),
			 0);
}

static void submit_all(struct flood *flood)
{
	for (unsigned i = 0; i < IOS; i++) {
		struct io *io = &flood->ios[i];

		if (io->pending)
			continue;
		memset(&io->command, 0, sizeof(io->command));
		(i % 2 ? cdb_write_16 : cdb_read_16)(&io->command, 0, 0, IO_BYTES / 512, 512);
		io->command.data = io->data;
		io->command.done = on_done;
		io->pending = nexus_execute(flood->nexus, &io->command) == 0;
	}
}

static bool takes_stat_sn(const struct bhs_response *bhs, bool is_ping)
{
	if (bhs->opcode == PDU_DATA_IN)
		return bhs->flags & DATA_IN_STATUS;
	return bhs->opcode != PDU_R2T && !is_ping;
}

/* One PDU of this kind, with tags and numbers that may be due. */
static void give(struct flood *flood, enum pdu_opcode opcode)
{
	static const uint8_t data[DATA_BYTES];
	struct bhs_response bhs = {.opcode = (uint8_t)opcode, .flags = (uint8_t)draw(flood)};
	bool is_ping = opcode == PDU_NOP_IN && draw(flood) % 2;
	uint32_t length = opcode == PDU_R2T ? 0 : draw(flood) % (DATA_BYTES + 1);

	if (opcode == PDU_NOP_IN || opcode == PDU_ASYNC_MESSAGE || opcode == PDU_REJECT)
		bhs.flags = PDU_FINAL;
	bhs.data_segment_length = be24_of(length);
	bhs.initiator_task_tag = is_ping ? be32_of(RESERVED_TAG)
					 : flood->tags[draw(flood) % ARRAY_SIZE(flood->tags)];
	if (opcode == PDU_ASYNC_MESSAGE || opcode == PDU_REJECT)
		bhs.initiator_task_tag = be32_of(RESERVED_TAG);
	bhs.specific_20 = be32_of(opcode == PDU_R2T || is_ping ? draw(flood) : RESERVED_TAG);
	bhs.stat_sn = be32_of(flood->stat_sn);
	flood->stat_sn += takes_stat_sn(&bhs, is_ping);
	bhs.exp_cmd_sn = be32_of(1);
	bhs.max_cmd_sn = be32_of(60000);
	for (unsigned i = 0; i < sizeof(bhs.rest); i++)
		bhs.rest[i] = draw(flood) % 4 ? 0 : (uint8_t)draw(flood);
	fake_wire_give(flood->wire, &bhs, BHS_LENGTH);
	fake_wire_give(flood->wire, data, pdu_padded(length));
	fake_wire_run(flood->wire);
}

static void flood_with(struct flood *flood, enum pdu_opcode opcode)
{
	size_t before, most = 0;

	attach(flood);
	submit_all(flood);
	before = allocated();
	for (unsigned i = 0; i < PDUS; i++) {
		if (!session_attached(flood->session))
			attach(flood);
		submit_all(flood);
		if (i % 64 < 16) { /* long enough to hear of the commands */
			fake_wire_hold(flood->wire, false);
			fake_wire_run(flood->wire);
			fake_wire_hold(flood->wire, true);
		}
		give(flood, opcode);
		most = MAX(most, allocated());
	}
	if (most > before + GROWTH_MAX)
		fail_msg("%zu bytes more after PDUs with opcode %#x", most - before, opcode);
	if (session_attached(flood->session))
		session_drop(flood->session, "the end");
	fake_wire_run(flood->wire);
}

static void no_flood_makes_a_session_grow(void **state)
{
	static const enum pdu_opcode opcodes[] = {
		PDU_NOP_IN,	     PDU_SCSI_RESPONSE, PDU_TASK_MANAGEMENT_RESPONSE,
		PDU_LOGIN_RESPONSE,  PDU_TEXT_RESPONSE, PDU_DATA_IN,
		PDU_LOGOUT_RESPONSE, PDU_R2T,		PDU_ASYNC_MESSAGE,
		PDU_REJECT};
	const struct session_settings settings = {.commands_max = IOS};
	struct flood *flood = calloc(1, sizeof(*flood));

	assert_non_null(flood);
	flood->ring = fake_ring_new();
	assert_int_equal(session_new(flood->ring, &settings, &observer, flood, &flood->session), 0);
	assert_int_equal(session_unit(flood->session, 0, &flood->nexus), 0);
	for (uint8_t level = 0; level <= 1; level++) {
		flood->negotiated = (struct negotiated){
			.max_recv_data_segment_length = DATA_BYTES,
			.max_xmit_data_segment_length = DATA_BYTES,
			.max_burst_length = IO_BYTES,
			.first_burst_length = DATA_BYTES,
			.max_outstanding_r2t = 8,
			.error_recovery_level = level,
			.data_pdu_in_order = true,
			.data_sequence_in_order = true,
		};
		for (size_t i = 0; i < ARRAY_SIZE(opcodes); i++)
			flood_with(flood, opcodes[i]);
	}
	session_free(flood->session);
	fake_wire_free(flood->wire);
	ring_free(flood->ring);
	free(flood);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_flood_makes_a_session_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
