/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Data in both directions under everything that a login can agree on, to the byte. The target of
 * target.c checks each PDU; see also test_task.c for what one task says.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "session_fixture.h"
#include "tests/fakes/fake_wire.h"
#include "util/cleanup.h"

#define SIZES_MAX 64

struct lengths {
	uint32_t first_burst, max_burst, xmit, recv;
};

/* FirstBurstLength ≤ MaxBurstLength; 513 and 777 are legal and awkward. */
static const struct lengths lengths[] = {
	{512, 512, 512, 512},	     {512, 777, 513, 512},    {513, 4096, 512, 777},
	{777, 4096, 16384, 8192},    {4096, 4096, 513, 4096}, {4096, 4096, 4096, 262144},
	{4096, 8192, 512, 8192},     {8192, 8192, 777, 513},  {8192, 16384, 4096, 4099},
	{16384, 16384, 65536, 4096},
};

/* Every size at which some PDU becomes one byte longer, shorter, or one more. */
static size_t sizes_of(const struct lengths *l, uint32_t sizes[SIZES_MAX])
{
	const uint32_t edges[] = {
		l->first_burst,
		l->max_burst,
		l->xmit,
		l->recv,
		l->first_burst + l->max_burst,
		l->first_burst + l->xmit,
		l->first_burst + 2 * l->max_burst,
	};
	size_t count = 0;

	for (uint32_t size = 0; size < 6; size++)
		sizes[count++] = size;
	for (size_t i = 0; i < ARRAY_SIZE(edges); i++) {
		if (edges[i] > 40000)
			continue;
		for (uint32_t size = edges[i] - 1; size <= edges[i] + 1; size++)
			sizes[count++] = size;
	}
	assert_in_range(count, 1, SIZES_MAX);
	return count;
}

/* One write and one read of it, and what is around it stays as it was. */
static void write_and_read(struct fixture *f, uint32_t offset, uint32_t size)
{
	struct io *write = io_write(f, offset, size), *read;

	fixture_run(f);
	io_ended(write, SCSI_COMPLETED);
	assert_int_equal(write->command.result.status, SCSI_GOOD);
	assert_memory_equal(f->target.disk + offset, write->data, size);
	assert_int_equal(f->target.disk[offset - 1], 0);
	assert_int_equal(f->target.disk[offset + size], 0);
	read = io_read(f, offset, size);
	fixture_run(f);
	io_ended(read, SCSI_COMPLETED);
	assert_memory_equal(read->data, write->data, size);
	memset(f->target.disk + offset, 0, size);
}

static void transfer_all_sizes(struct fixture *f, const struct lengths *l)
{
	uint32_t sizes[SIZES_MAX];
	size_t count = sizes_of(l, sizes);

	for (size_t i = 0; i < count; i++) {
		f->target.status_in_data = i % 2;
		write_and_read(f, 4096 + (uint32_t)i, sizes[i]);
	}
	assert_int_equal(f->lost, 0);
}

static void negotiate(struct fixture *f, const struct lengths *l, unsigned bits)
{
	f->negotiated.first_burst_length = l->first_burst;
	f->negotiated.max_burst_length = l->max_burst;
	f->negotiated.max_xmit_data_segment_length = l->xmit;
	f->negotiated.max_recv_data_segment_length = l->recv;
	f->negotiated.initial_r2t = bits & 1;
	f->negotiated.immediate_data = bits & 2;
	f->negotiated.header_digest = bits & 4;
	f->negotiated.data_digest = bits & 8;
}

static void transfer_under(const struct lengths *l, unsigned bits, uint16_t max_outstanding_r2t)
{
	struct fixture f;

	fixture_init(&f);
	negotiate(&f, l, bits);
	f.negotiated.max_outstanding_r2t = max_outstanding_r2t;
	fixture_attach(&f);
	f.target.serves = true;
	f.target.next_tag = bits % 2 ? 0 : 0xfffffffd; /* both are tags like any other */
	transfer_all_sizes(&f, l);
	fixture_deinit(&f);
}

static void every_combination_of_keys_moves_every_byte(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		for (unsigned bits = 0; bits < 16; bits++) {
			transfer_under(&lengths[i], bits, 1);
			transfer_under(&lengths[i], bits, 2);
			transfer_under(&lengths[i], bits, 8);
		}
	}
}

static void r2ts_of_any_size_are_served(void **state)
{
	static const uint32_t sizes[] = {1, 2, 3, 511, 513, 777, 4095};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (uint16_t outstanding = 1; outstanding <= 8; outstanding++) {
			struct fixture f;

			fixture_init(&f);
			negotiate(&f, &lengths[4], (unsigned)(i * 8 + outstanding));
			f.negotiated.max_outstanding_r2t = outstanding;
			fixture_attach(&f);
			f.target.serves = true;
			f.target.r2t_bytes = sizes[i];
			write_and_read(&f, 100, 4096 + 13 * sizes[i] + 1);
			fixture_deinit(&f);
		}
	}
}

static void data_in_comes_in_pieces_of_any_size(void **state)
{
	static const uint32_t pieces[] = {1, 3, 4, 5, 511, 512, 513, 4095, 4096, 4097, 5000, 65536};

	for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
		for (unsigned bits = 0; bits < 32; bits += 4) {
			struct fixture f;

			fixture_init(&f);
			f.negotiated.header_digest = bits & 4;
			f.negotiated.data_digest = bits & 8;
			fixture_attach(&f);
			f.target.serves = true;
			f.target.data_in_bytes = pieces[i];
			f.target.status_in_data = bits & 16;
			write_and_read(&f, 1, pieces[i] * 5 / 2 + 1);
			fixture_deinit(&f);
		}
	}
}

/* The stream may be cut anywhere, in both directions: every position of a cut in a PDU occurs. */
static void pdus_are_cut_at_every_byte(void **state)
{
	for (size_t limit = 1; limit < 72; limit++) {
		for (unsigned bits = 0; bits < 16; bits += 5) {
			struct fixture f;

			fixture_init(&f);
			negotiate(&f, &lengths[1], bits);
			fixture_attach(&f);
			f.target.serves = true;
			fake_wire_limit(f.wire, limit, limit);
			f.target.status_in_data = limit % 2;
			write_and_read(&f, 3, 1603);
			target_nop_in(&f.target, RESERVED_TAG, 5, FIXTURE_LUN);
			write_and_read(&f, 3, 5);
			assert_int_equal(f.target.counts[PDU_NOP_OUT], 1);
			fixture_deinit(&f);
		}
	}
}

/* Data segments of more than 4096 bytes go straight to their place, also in part. */
static void long_data_segments_are_cut_at_odd_places(void **state)
{
	static const size_t limits[] = {1, 47, 49, 4095, 4096, 4097, 8191, 9999, 65535, 65537};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct fixture f;

		fixture_init(&f);
		f.negotiated.header_digest = f.negotiated.data_digest = i % 2;
		fixture_attach(&f);
		f.target.serves = true;
		fake_wire_limit(f.wire, limits[i], 0);
		for (uint32_t size = 4090; size < 4105; size++)
			write_and_read(&f, size, size);
		write_and_read(&f, 77, 150001);
		fixture_deinit(&f);
	}
}

static void many_commands_share_the_connection(void **state)
{
	struct io *ios[100];
	struct fixture f;

	fixture_init(&f);
	f.negotiated.initial_r2t = false;
	f.negotiated.max_outstanding_r2t = 4;
	fixture_attach(&f);
	f.target.serves = true;
	f.target.r2t_bytes = 3000;
	for (uint32_t i = 0; i < ARRAY_SIZE(ios); i++)
		ios[i] = io_write(&f, i * 5200, i % 5 * 1249 + i);
	fixture_run(&f);
	for (uint32_t i = 0; i < ARRAY_SIZE(ios); i++) {
		io_ended(ios[i], SCSI_COMPLETED);
		assert_memory_equal(f.target.disk + i * 5200, ios[i]->data,
				    ios[i]->command.data_length);
	}
	/* tags: §11.2.1.8, the target looked for two alike; batches: far fewer sends than PDUs */
	assert_in_range(session_get_statistics(f.session)->sends, 1, 75);
	fixture_deinit(&f);
}

/* A long write must not keep short commands waiting, nor they it. */
static void data_and_commands_take_turns(void **state)
{
	const struct bhs_scsi_command *command;
	struct fixture f;

	fixture_init(&f);
	f.negotiated.immediate_data = false;
	f.negotiated.max_xmit_data_segment_length = 512;
	fixture_attach(&f);
	io_write(&f, 0, 5120);
	fixture_run(&f);
	command = target_take(&f.target, PDU_SCSI_COMMAND);
	target_r2t(&f.target, command, 1, 0, 0, 5120);
	fake_wire_run_once(f.wire); /* it arrives, and nothing is sent yet */
	for (unsigned i = 0; i < 4; i++)
		io_read(&f, 0, 10);
	fixture_run(&f);
	for (unsigned i = 0; i < 7; i++) {
		const struct bhs *first = &f.target.pdus[f.target.pdu_next++].bhs;
		const struct bhs *second = &f.target.pdus[f.target.pdu_next].bhs;

		assert_int_not_equal(pdu_opcode(first), pdu_opcode(second));
	}
	fixture_deinit(&f);
}

/* The kernel still reads a write's data while its answer is already here. */
static void a_write_answered_early_keeps_its_data_until_it_has_left(void **state)
{
	const struct bhs_scsi_command *command;
	struct fixture f;
	struct io *io;

	fixture_start(&f, false);
	io = io_write(&f, 0, 9000);
	fixture_run(&f);
	command = target_take(&f.target, PDU_SCSI_COMMAND);
	fake_wire_hold(f.wire, true);
	target_r2t(&f.target, command, 1, 0, 8192, 808);
	fixture_run(&f);
	target_respond(&f.target, command->initiator_task_tag, SCSI_BUSY);
	fixture_run(&f);
	io_pending(io);
	fake_wire_hold(f.wire, false);
	fixture_run(&f);
	io_ended(io, SCSI_COMPLETED);
	assert_int_equal(io->command.result.status, SCSI_BUSY);
	fixture_deinit(&f);
}

/* §11.8: what was not handed to the wire yet is not sent after the response. */
static void a_response_ends_the_sending_of_data(void **state)
{
	const struct bhs_scsi_command *command;
	struct fixture f;
	struct io *io;

	fixture_init(&f);
	f.negotiated.immediate_data = false;
	f.negotiated.max_burst_length = 1 << 20;
	f.negotiated.max_xmit_data_segment_length = 512;
	fixture_attach(&f);
	io = io_write(&f, 0, 200000);
	fixture_run(&f);
	command = target_take(&f.target, PDU_SCSI_COMMAND);
	fake_wire_hold(f.wire, true);
	target_r2t(&f.target, command, 1, 0, 0, 200000);
	fixture_run(&f);
	target_respond(&f.target, command->initiator_task_tag, SCSI_TASK_SET_FULL);
	fixture_run(&f);
	fake_wire_hold(f.wire, false);
	fixture_run(&f);
	io_ended(io, SCSI_COMPLETED);
	assert_in_range(f.target.counts[PDU_DATA_OUT], 1, 64);
	fixture_deinit(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_combination_of_keys_moves_every_byte),
		cmocka_unit_test(r2ts_of_any_size_are_served),
		cmocka_unit_test(data_in_comes_in_pieces_of_any_size),
		cmocka_unit_test(pdus_are_cut_at_every_byte),
		cmocka_unit_test(long_data_segments_are_cut_at_odd_places),
		cmocka_unit_test(many_commands_share_the_connection),
		cmocka_unit_test(data_and_commands_take_turns),
		cmocka_unit_test(a_write_answered_early_keeps_its_data_until_it_has_left),
		cmocka_unit_test(a_response_ends_the_sending_of_data),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
