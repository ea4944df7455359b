/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * A session between two hostile sides: its user submits, aborts, drops and logs out at any moment,
 * and its target sends any PDU, mostly with tags and numbers that are due. Whatever happens, every
 * command ends exactly once, its memory is free from then on, and no timer stays behind.
 */

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/management.h"
#include "iscsi/pdu.h"
#include "iscsi/session.h"
#include "iscsi/target_query.h"
#include "iscsi/settings.h"
#include "scsi/cdb.h"
#include "scsi/command.h"
#include "scsi/nexus.h"
#include "tests/fakes/fake_ring.h"
#include "tests/fakes/fake_wire.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/crc32c.h"

#define COMMANDS_MAX 64
#define TAGS	     16

struct world {
	struct reader input;
	struct ring *ring;
	struct fake_wire *wire;
	struct session *session;
	struct nexus *nexus;
	struct negotiated negotiated;
	struct list ios;
	unsigned count;
	uint32_t stat_sn, cmd_sn, damage;
	be32 tags[TAGS]; /* of the requests that the target saw last */
	unsigned tag_count;
	unsigned managements; /* under way, and questions */
};

struct io {
	struct scsi_command command;
	struct world *world;
	struct list link;
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void submit(struct world *world);

static void io_done(struct scsi_command *command)
{
	struct io *io = container_of(command, struct io, command);
	struct world *world = io->world;

	assert(command->result.outcome <= SCSI_TARGET_FAILURE);
	assert(command->result.sense_length <= SCSI_SENSE_MAX);
	list_remove(&io->link);
	world->count--;
	free(command->data);
	free(io);
	switch (reader_u8(&world->input) % 16) {
	case 0:
		submit(world);
		break;
	case 1:
		session_drop(world->session, "by done()");
		break;
	case 2:
		session_logout(world->session);
		break;
	}
}

static void submit(struct world *world)
{
	struct io *io;
	uint8_t kind = reader_u8(&world->input);
	uint32_t length = reader_u16(&world->input);

	if (world->count >= COMMANDS_MAX)
		return;
	io = calloc(1, sizeof(*io));
	assert(io);
	if (kind % 4 == 3)
		cdb_test_unit_ready(&io->command);
	else
		(kind % 2 ? cdb_write_16 : cdb_read_16)(&io->command, 0, 0, length, 1);
	io->command.timeout_ms = kind & 0x10 ? kind * 10u : 0;
	io->command.done = io_done;
	io->command.data = calloc(1, io->command.data_length ? io->command.data_length : 1);
	io->world = world;
	list_append(&world->ios, &io->link);
	world->count++;
	if (nexus_execute(world->nexus, &io->command) < 0) {
		list_remove(&io->link);
		world->count--;
		free(io->command.data);
		free(io);
	}
}

static void abort_one(struct world *world)
{
	unsigned left = reader_u8(&world->input) % COMMANDS_MAX;
	struct io *io;

	list_for_each (io, &world->ios, link) {
		if (left-- == 0) {
			nexus_abort(world->nexus, &io->command);
			return;
		}
	}
}

struct management {
	struct management_request request;
	struct world *world;
};

static void management_done(struct management_request *request)
{
	struct management *management = container_of(request, struct management, request);

	assert(request->outcome <= MANAGEMENT_LOST);
	management->world->managements--;
	free(management);
}

static void manage(struct world *world)
{
	struct management *management = calloc(1, sizeof(*management));

	assert(management);
	management->world = world;
	management->request = (struct management_request){
		.function = reader_u8(&world->input) % 13,
		.lun = reader_u8(&world->input) % 2,
		.timeout_ms = 100,
		.done = management_done,
	};
	world->managements++;
	if (session_manage(world->session, &management->request) == 0)
		return;
	world->managements--;
	free(management);
}

struct question {
	struct target_request request;
	struct world *world;
};

static void question_done(struct target_request *request)
{
	struct question *question = container_of(request, struct question, request);

	assert(!request->error || (!request->portals && request->count == 0));
	question->world->managements--;
	free(request->portals);
	free(question);
}

static void ask_for_portals(struct world *world)
{
	struct question *question = calloc(1, sizeof(*question));

	assert(question);
	question->world = world;
	question->request.done = question_done;
	world->managements++;
	if (session_send_targets(world->session, &question->request) == 0)
		return;
	world->managements--;
	free(question);
}

/* The target remembers what it was asked. */
static bool listen(void *userdata)
{
	struct world *world = userdata;
	size_t header = BHS_LENGTH + (world->negotiated.header_digest ? DIGEST_LENGTH : 0), left;
	const struct bhs_request *request;
	bool heard = false;

	while (request = (const struct bhs_request *)fake_wire_taken(world->wire, &left),
	       left >= header) {
		uint32_t length = pdu_data_length((const struct bhs *)request);
		size_t total = header + pdu_padded(length);

		if (length && world->negotiated.data_digest)
			total += DIGEST_LENGTH;
		if (left < total)
			break;
		if (pdu_opcode((const struct bhs *)request) != PDU_DATA_OUT) {
			world->tags[world->tag_count++ % TAGS] = request->initiator_task_tag;
			world->cmd_sn = be32_get(request->cmd_sn);
		}
		fake_wire_skip(world->wire, total);
		heard = true;
	}
	return heard;
}

static void attach(struct world *world)
{
	struct login_outcome outcome = {.exp_stat_sn = reader_u32(&world->input)};
	struct negotiated *n = &world->negotiated;
	uint8_t bits = reader_u8(&world->input);
	const uint8_t *early;
	size_t early_bytes;

	if (session_attached(world->session))
		return;
	fake_wire_free(world->wire);
	world->wire = fake_wire_new(world->ring);
	fake_wire_set_peer(world->wire, listen, world);
	*n = (struct negotiated){
		.header_digest = bits & 1,
		.data_digest = (bits & 3) == 3,
		.max_recv_data_segment_length = 512 + bits * 100u,
		.max_xmit_data_segment_length = 512 + (bits & 1),
		.max_burst_length = 4096 + bits,
		.first_burst_length = 512 + bits * 14u,
		.max_outstanding_r2t = bits % 5 + 1,
		.protocol_level = bits & 1 ? 2 : 1,
		.initial_r2t = bits & 4,
		.immediate_data = bits & 8,
		.error_recovery_level = bits >> 7,
		.data_pdu_in_order = bits & (16 | 128),
		.data_sequence_in_order = bits & (32 | 128),
	};
	outcome.cmd_sn = outcome.exp_cmd_sn = world->cmd_sn = reader_u32(&world->input);
	outcome.max_cmd_sn = outcome.cmd_sn + reader_u8(&world->input) - 1;
	world->stat_sn = outcome.exp_stat_sn;
	early_bytes = MIN((size_t)reader_u8(&world->input), world->input.left);
	early = bits & 64 ? reader_take(&world->input, early_bytes) : NULL;
	assert(session_attach(world->session, fake_wire_fd(world->wire), n, &outcome, early,
			      early ? early_bytes : 0) == 0);
}

static void give_digest(struct world *world, bool wanted, const void *bytes, uint32_t length)
{
	uint8_t digest[DIGEST_LENGTH];

	if (!wanted)
		return;
	crc32c_to_wire(crc32c(0, bytes, length) ^ world->damage, digest);
	fake_wire_give(world->wire, digest, DIGEST_LENGTH);
}

/* One of eight pieces of a read, so that some are missing and come later. Return: its length */
static uint32_t place_piece(struct bhs_response *bhs)
{
	be32 data_sn = be32_of(bhs->rest[3] % 8u), offset = be32_of(bhs->rest[3] % 8u * 64);

	memcpy(bhs->rest, &data_sn, 4);
	memcpy(bhs->rest + 4, &offset, 4);
	return 64;
}

/* The header of a request that was sent, perhaps. Return: bytes of the data segment */
static uint32_t fill_reject(struct world *world, struct bhs_response *reject, uint8_t *data,
			    uint32_t length)
{
	static const uint8_t opcodes[] = {PDU_SCSI_COMMAND, PDU_SNACK, PDU_NOP_OUT, PDU_DATA_OUT};
	uint8_t choice = reader_u8(&world->input);

	data[0] = choice;
	if (choice & 1)
		return length;
	memcpy(data + 16, &reject->initiator_task_tag, 4);
	data[0] = opcodes[choice / 2 % 4];
	data[1] = (uint8_t)(PDU_FINAL | choice / 8 % 4); /* type of a SNACK */
	if (choice & 32)
		reject->specific[0] = REJECT_DATA_DIGEST;
	return BHS_LENGTH;
}

/* A PDU whose form is right, and whose contents are the fuzzer's. */
static void give_pdu(struct world *world)
{
	static const uint8_t opcodes[] = {
		PDU_NOP_IN, PDU_SCSI_RESPONSE,	 PDU_DATA_IN, PDU_TASK_MANAGEMENT_RESPONSE,
		PDU_R2T,    PDU_LOGOUT_RESPONSE, PDU_REJECT,  PDU_ASYNC_MESSAGE};
	uint8_t choice = reader_u8(&world->input), data[4096];
	struct bhs_response bhs = {.opcode = opcodes[choice % sizeof(opcodes)]};
	bool recovers = world->negotiated.error_recovery_level > 0;
	uint32_t length = 0;

	bhs.flags = reader_u8(&world->input);
	bhs.specific[0] = choice & 8 ? reader_u8(&world->input) : 0;
	bhs.specific[1] = choice & 8 ? reader_u8(&world->input) : 0;
	bhs.initiator_task_tag = world->tags[reader_u8(&world->input) % TAGS];
	if (choice & 128)
		bhs.initiator_task_tag = be32_of(RESERVED_TAG);
	bhs.specific_20 = be32_of(choice & 16 ? reader_u32(&world->input) : RESERVED_TAG);
	if (recovers)
		world->stat_sn += (uint32_t)(reader_u8(&world->input) % 8 == 0) -
				  (uint32_t)(reader_u8(&world->input) % 8 == 0);
	bhs.stat_sn = be32_of(world->stat_sn);
	if (bhs.opcode != PDU_R2T && !(bhs.opcode == PDU_NOP_IN && choice & 128) &&
	    (bhs.opcode != PDU_DATA_IN || bhs.flags & DATA_IN_STATUS))
		world->stat_sn++;
	bhs.exp_cmd_sn =
		be32_of(world->cmd_sn + 1 - (recovers ? reader_u8(&world->input) % 4u : 0));
	bhs.max_cmd_sn = be32_of(world->cmd_sn + reader_u8(&world->input) % 32);
	for (unsigned i = 0; i < 3; i++) {
		be32 n = be32_of(choice & 32 ? reader_u32(&world->input)
					     : reader_u8(&world->input) * (i + 1));

		memcpy(bhs.rest + 4 * i, &n, 4);
	}
	if (choice & 64)
		length = MIN(MIN((uint32_t)reader_u16(&world->input), (uint32_t)sizeof(data)),
			     world->negotiated.max_recv_data_segment_length);
	if (recovers && bhs.opcode == PDU_DATA_IN && !(choice & 32))
		length = place_piece(&bhs);
	memset(data, choice, sizeof(data));
	if (bhs.opcode == PDU_REJECT)
		length = fill_reject(world, &bhs, data, length);
	bhs.data_segment_length = be24_of(length);
	fake_wire_give(world->wire, &bhs, BHS_LENGTH);
	give_digest(world, world->negotiated.header_digest, &bhs, BHS_LENGTH);
	memset(data + length, 0, MIN(sizeof(data) - length, (size_t)3));
	fake_wire_give(world->wire, data, pdu_padded(length));
	world->damage = recovers && reader_u8(&world->input) % 4 == 0;
	give_digest(world, world->negotiated.data_digest && length, data, pdu_padded(length));
	world->damage = 0;
}

static void give_bytes(struct world *world)
{
	size_t length = MIN((size_t)reader_u8(&world->input), world->input.left);

	fake_wire_give(world->wire, reader_take(&world->input, length), length);
}

static void act(struct world *world)
{
	uint8_t n = reader_u8(&world->input);

	switch (n % 16) {
	case 0:
	case 1:
	case 2:
		submit(world);
		break;
	case 3:
		(n & 0x80 ? ask_for_portals : n & 0x40 ? manage : abort_one)(world);
		break;
	case 4:
		fake_wire_advance(world->wire, n);
		break;
	case 5:
		fake_wire_limit(world->wire, n / 16 * 37, n / 16 * 51);
		break;
	case 6:
		fake_wire_hold(world->wire, n & 16);
		break;
	case 7:
		nexus_set_last_path(world->nexus, n & 16);
		break;
	case 8:
		if (n == 8)
			session_logout(world->session);
		else if (n == 24)
			session_drop(world->session, "by the fuzzer");
		else if (n == 40)
			fake_wire_cut_given(world->wire, 1, 0);
		else if (n == 56)
			fake_wire_cut_sent(world->wire, 10, -EPIPE);
		else if (n == 72)
			fake_wire_cancel_late(world->wire, true);
		else
			attach(world);
		break;
	case 9:
		give_bytes(world);
		break;
	case 10:
		fake_wire_run_once(world->wire);
		break;
	case 11:
		fake_wire_run(world->wire);
		break;
	default:
		give_pdu(world);
	}
}

static void on_lost(struct session *session, enum session_loss loss, int error, const char *text,
		    unsigned wait_s, void *userdata)
{
	assert(!session_attached(session) && strlen(text) > 0);
}

static void on_async(struct session *session, const struct async_message *message, void *userdata)
{
}

static const struct session_observer observer = {.lost = on_lost, .async_event = on_async};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct session_settings settings = {
		.commands_max = 8,
		.noop_interval_ms = 300,
		.noop_timeout_ms = 200,
		.suspect_ms = 50,
		.suspect_timeout_ms = 50,
		.abort_timeout_ms = 400,
		.logout_timeout_ms = 300,
	};
	struct world world = {.input = reader_of(data, size), .ring = fake_ring_new()};

	list_init(&world.ios);
	assert(session_new(world.ring, &settings, &observer, &world, &world.session) == 0);
	assert(session_unit(world.session, 0, &world.nexus) == 0);
	attach(&world);
	while (!world.input.failed && world.input.left > 0)
		act(&world);
	session_drop(world.session, "the end");
	fake_wire_run(world.wire);
	assert(!session_attached(world.session));
	assert(world.count == 0 && list_empty(&world.ios) && world.managements == 0);
	assert(fake_ring_timers(world.ring) == 0);
	session_free(world.session);
	fake_wire_free(world.wire);
	ring_free(world.ring);
	return 0;
}
