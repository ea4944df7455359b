/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "block/nbd_protocol.h"
#include "block/nbd_queue.h"
#include "scsi/cdb.h"
#include "tests/unit/block/fixture.h"
#include "util/cleanup.h"

#define DISK_BLOCKS   8192
#define DISK_BYTES    (DISK_BLOCKS * 512ULL)
#define DEPTH	      4
#define TRANSFER      NBD_QUEUE_TRANSFER_BYTES
#define SOCKET_BYTES  (8 << 20)
#define NOTHING	      UINT32_MAX
#define REQUEST_BYTES sizeof(struct nbd_protocol_request)

/* The kernel's part is played at the other end of the socket pair. */
struct bench {
	struct fixture fixture;
	struct nbd_queue *queue;
	int kernel_fd, queue_fd;
	bool stopped;
	uint64_t next_cookie;
};

static struct bench *bench_new_with(uint32_t block_size, const struct unit_limits *special,
				    unsigned depth)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	int fds[2], bytes = SOCKET_BYTES;

	fixture_init(&bench->fixture, DISK_BYTES / block_size, block_size);
	if (special) {
		uint64_t blocks = bench->fixture.unit.limits.blocks;

		bench->fixture.unit.limits = *special;
		bench->fixture.unit.limits.blocks = blocks;
		bench->fixture.unit.limits.block_size = block_size;
	}
	fixture_begin_map(&bench->fixture);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	for (unsigned i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	bench->kernel_fd = fds[0];
	bench->queue_fd = fds[1];
	bench->next_cookie = 0x1122334455667788;
	assert_int_equal(nbd_queue_new(fds[1], bench->fixture.map, &bench->fixture.unit.limits,
				       depth, &bench->queue),
			 0);
	nbd_queue_start(bench->queue, bench->fixture.ring);
	fixture_turn(&bench->fixture);
	return bench;
}

static struct bench *bench_new(void)
{
	return bench_new_with(512, NULL, DEPTH);
}

static void note_stopped(void *userdata)
{
	*(bool *)userdata = true;
}

static void bench_stop(struct bench *bench)
{
	nbd_queue_stop(bench->queue, note_stopped, &bench->stopped);
	assert_false(bench->stopped);
	fixture_settle(&bench->fixture);
	assert_true(bench->stopped);
}

static void bench_free(struct bench *bench)
{
	if (!bench->stopped)
		bench_stop(bench);
	nbd_queue_free(bench->queue);
	close(bench->kernel_fd);
	close(bench->queue_fd);
	fixture_deinit(&bench->fixture);
	free(bench);
}

static void send_raw(struct bench *bench, const void *data, size_t length_bytes)
{
	assert_int_equal(send(bench->kernel_fd, data, length_bytes, MSG_DONTWAIT | MSG_NOSIGNAL),
			 length_bytes);
}

static struct nbd_protocol_request request_of(struct bench *bench, uint16_t type, uint16_t flags,
					      uint64_t offset_bytes, uint32_t length_bytes)
{
	struct nbd_protocol_request request = {
		.magic = be32_of(NBD_PROTOCOL_REQUEST_MAGIC),
		.flags = be16_of(flags),
		.type = be16_of(type),
		.offset_bytes = be64_of(offset_bytes),
		.length_bytes = be32_of(length_bytes),
	};

	memcpy(request.cookie, &bench->next_cookie, sizeof(request.cookie));
	bench->next_cookie++;
	return request;
}

/* Gives the request's cookie. */
static uint64_t send_request(struct bench *bench, uint16_t type, uint16_t flags,
			     uint64_t offset_bytes, uint32_t length_bytes)
{
	struct nbd_protocol_request request =
		request_of(bench, type, flags, offset_bytes, length_bytes);

	send_raw(bench, &request, sizeof(request));
	return bench->next_cookie - 1;
}

static bool receive(struct bench *bench, void *data, size_t length_bytes)
{
	ssize_t r = recv(bench->kernel_fd, data, length_bytes, MSG_DONTWAIT);

	return r == (ssize_t)length_bytes;
}

/* The error of the next reply and its cookie; NOTHING when there is none. */
static uint32_t receive_reply(struct bench *bench, uint64_t *cookie)
{
	struct nbd_protocol_reply reply;

	if (!receive(bench, &reply, sizeof(reply)))
		return NOTHING;
	assert_int_equal(be32_get(reply.magic), NBD_PROTOCOL_REPLY_MAGIC);
	memcpy(cookie, reply.cookie, sizeof(*cookie));
	return be32_get(reply.error);
}

static void expect_reply(struct bench *bench, uint64_t wanted, uint32_t error)
{
	uint64_t cookie = 0;

	assert_int_equal(receive_reply(bench, &cookie), error);
	assert_int_equal(cookie, wanted);
}

static void expect_silence(struct bench *bench)
{
	uint64_t cookie;

	assert_int_equal(receive_reply(bench, &cookie), NOTHING);
}

static void fill(uint8_t *data, size_t length_bytes, unsigned seed)
{
	for (size_t i = 0; i < length_bytes; i++)
		data[i] = (uint8_t)(i * 13 + i / 511 + seed);
}

static uint8_t *disk(struct bench *bench)
{
	return bench->fixture.fake_unit->data;
}

static bool is_filled(const uint8_t *data, size_t length_bytes, uint8_t byte)
{
	for (size_t i = 0; i < length_bytes; i++)
		if (data[i] != byte)
			return false;
	return true;
}

/* --- requests --- */

static void what_is_written_is_read_back(void **state)
{
	static const uint32_t lengths[] = {512, 4096, 65536, TRANSFER, TRANSFER + 512, 1 << 20};
	struct bench *bench = bench_new();

	for (unsigned i = 0; i < ARRAY_SIZE(lengths); i++) {
		uint64_t offset = 1024 * (i + 1), cookie;
		owned_memory uint8_t *data = malloc(lengths[i]);
		owned_memory uint8_t *back = malloc(lengths[i]);

		fill(data, lengths[i], i);
		cookie = send_request(bench, NBD_PROTOCOL_WRITE, 0, offset, lengths[i]);
		send_raw(bench, data, lengths[i]);
		fixture_settle(&bench->fixture);
		expect_reply(bench, cookie, 0);
		assert_memory_equal(disk(bench) + offset, data, lengths[i]);

		cookie = send_request(bench, NBD_PROTOCOL_READ, 0, offset, lengths[i]);
		fixture_settle(&bench->fixture);
		expect_reply(bench, cookie, 0);
		assert_true(receive(bench, back, lengths[i]));
		assert_memory_equal(back, data, lengths[i]);
		expect_silence(bench);
	}
	bench_free(bench);
}

static void each_type_does_its_work(void **state)
{
	/* clang-format off */
	static const struct {
		uint16_t type, flags;
		uint64_t offset_bytes;
		uint32_t length_bytes, error;
		bool zeroes, flushes;
	} rows[] = {
		{NBD_PROTOCOL_FLUSH,        0,                    0,              0,       0,      false, true},
		{NBD_PROTOCOL_TRIM,         0,                    4096,           8192,    0,      true,  false},
		{NBD_PROTOCOL_WRITE_ZEROES, 0,                    4096,           8192,    0,      true,  false},
		{NBD_PROTOCOL_WRITE_ZEROES, NBD_PROTOCOL_NO_HOLE, 4096,           8192,    0,      true,  false},
		{NBD_PROTOCOL_WRITE_ZEROES, NBD_PROTOCOL_FUA,     4096,           8192,    0,      true,  true},
		{NBD_PROTOCOL_TRIM,         0,                    0,              DISK_BYTES, 0,   true,  false},
		{NBD_PROTOCOL_READ,         0,                    DISK_BYTES,     512,     EINVAL, false, false},
		{NBD_PROTOCOL_READ,         0,                    100,            512,     EINVAL, false, false},
		{NBD_PROTOCOL_TRIM,         0,                    DISK_BYTES - 512, 1024,  EINVAL, false, false},
		{NBD_PROTOCOL_CACHE,        0,                    0,              512,     EINVAL, false, false},
		{77,                        0,                    0,              512,     EINVAL, false, false},
		{NBD_PROTOCOL_READ,         0,                    UINT64_MAX - 511, 512,   EINVAL, false, false},
		{NBD_PROTOCOL_TRIM,         0,                    0,              UINT32_MAX, EINVAL, false, false},
	};
	/* clang-format on */

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench *bench = bench_new();
		uint64_t cookie, flushes = bench->fixture.fake_unit->flushes;

		memset(disk(bench), 0x5a, DISK_BYTES);
		cookie = send_request(bench, rows[i].type, rows[i].flags, rows[i].offset_bytes,
				      rows[i].length_bytes);
		fixture_settle(&bench->fixture);
		expect_reply(bench, cookie, rows[i].error);
		expect_silence(bench);
		assert_true(is_filled(disk(bench) + 4096, 8192, rows[i].zeroes ? 0 : 0x5a));
		assert_int_equal(bench->fixture.fake_unit->flushes > flushes, rows[i].flushes);
		bench_free(bench);
	}
}

static void a_hint_to_discard_that_the_unit_does_not_know_is_no_error(void **state)
{
	struct unit_limits plain = {.physical_block_size = 512, .write_cache = true};
	struct bench *bench = bench_new_with(512, &plain, DEPTH);
	uint64_t cookie = send_request(bench, NBD_PROTOCOL_TRIM, 0, 0, 4096);

	fixture_settle(&bench->fixture);
	expect_reply(bench, cookie, 0);
	bench_free(bench);
}

static void the_device_can_what_the_unit_can(void **state)
{
	static const uint64_t always = NBD_PROTOCOL_HAS_FLAGS;
	/* clang-format off */
	static const struct {
		struct unit_limits limits;
		uint64_t flags;
	} rows[] = {
		{{.write_cache = true, .fua = true},
		 NBD_PROTOCOL_SEND_FLUSH | NBD_PROTOCOL_SEND_FUA | NBD_PROTOCOL_SEND_WRITE_ZEROES},
		{{.write_cache = true}, NBD_PROTOCOL_SEND_FLUSH | NBD_PROTOCOL_SEND_WRITE_ZEROES},
		{{.fua = true}, NBD_PROTOCOL_SEND_WRITE_ZEROES},
		{{.unmap = true, .max_unmap_blocks = 8},
		 NBD_PROTOCOL_SEND_TRIM | NBD_PROTOCOL_SEND_WRITE_ZEROES},
		{{.read_only = true, .write_cache = true, .unmap = true, .max_unmap_blocks = 8},
		 NBD_PROTOCOL_READ_ONLY},
	};
	/* clang-format on */

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench *bench = bench_new_with(512, &rows[i].limits, DEPTH);

		assert_int_equal(nbd_queue_flags(bench->queue), always | rows[i].flags);
		bench_free(bench);
	}
}

static void a_unit_that_is_read_only_is_not_written(void **state)
{
	struct unit_limits limits = {.read_only = true};
	struct bench *bench = bench_new_with(512, &limits, DEPTH);
	uint64_t cookie = send_request(bench, NBD_PROTOCOL_WRITE, 0, 0, 512);
	uint8_t data[512] = {1};

	send_raw(bench, data, sizeof(data));
	fixture_settle(&bench->fixture);
	expect_reply(bench, cookie, EPERM);
	assert_int_equal(disk(bench)[0], 0);
	bench_free(bench);
}

/* --- the stream --- */

static void requests_may_come_in_pieces_of_any_size(void **state)
{
	static const size_t pieces[] = {1, 7, 27, 29, 500, 40000};
	size_t total = 2 * REQUEST_BYTES + 3 * 512 + TRANSFER;
	owned_memory uint8_t *stream = malloc(total);

	for (unsigned i = 0; i < ARRAY_SIZE(pieces); i++) {
		struct bench *bench = bench_new();
		struct nbd_protocol_request small =
			request_of(bench, NBD_PROTOCOL_WRITE, 0, 0, 3 * 512);
		struct nbd_protocol_request large =
			request_of(bench, NBD_PROTOCOL_WRITE, 0, 65536, TRANSFER);
		uint64_t cookie = bench->next_cookie - 2;
		uint8_t *at = stream;

		memcpy(at, &small, sizeof(small));
		fill(at + sizeof(small), 3 * 512, i);
		at += sizeof(small) + 3 * 512;
		memcpy(at, &large, sizeof(large));
		fill(at + sizeof(large), TRANSFER, i + 1);
		for (size_t sent = 0; sent < total; sent += pieces[i]) {
			send_raw(bench, stream + sent, MIN(pieces[i], total - sent));
			/* Piece by piece only as long as that is interesting. */
			if (sent < 4000 || sent / pieces[i] % 64 == 0)
				fixture_turn(&bench->fixture);
		}
		fixture_settle(&bench->fixture);
		expect_reply(bench, cookie, 0);
		expect_reply(bench, cookie + 1, 0);
		assert_memory_equal(disk(bench), stream + REQUEST_BYTES, 3 * 512);
		assert_memory_equal(disk(bench) + 65536, at + REQUEST_BYTES, TRANSFER);
		bench_free(bench);
	}
}

static void a_burst_that_is_larger_than_the_queue_is_served_bit_by_bit(void **state)
{
	struct bench *bench = bench_new();
	uint64_t first = bench->next_cookie;
	uint8_t data[512];

	for (unsigned i = 0; i < 300; i++) {
		memset(data, (int)(i + 1), sizeof(data));
		send_request(bench, NBD_PROTOCOL_WRITE, 0, i * 512, 512);
		send_raw(bench, data, sizeof(data));
	}
	fixture_turn(&bench->fixture);
	fixture_turn(&bench->fixture);
	assert_int_equal(fake_nexus_queued(bench->fixture.nexus), DEPTH);
	fixture_settle(&bench->fixture);
	for (unsigned i = 0; i < 300; i++) {
		expect_reply(bench, first + i, 0);
		assert_int_equal(disk(bench)[i * 512 + 511], (uint8_t)(i + 1));
	}
	expect_silence(bench);
	bench_free(bench);
}

static void a_queue_gets_its_memory_as_it_is_needed(void **state)
{
	struct bench *bench = bench_new_with(512, NULL, NBD_QUEUE_DEPTH);
	uint64_t first = bench->next_cookie, cookie;
	size_t queued = 0;

	for (unsigned i = 0; i < 100; i++)
		send_request(bench, NBD_PROTOCOL_WRITE_ZEROES, 0, i * 512, 512);
	/* Nothing is answered, so that each needs a slot of its own. */
	for (; queued < 100; queued = fake_nexus_queued(bench->fixture.nexus))
		fixture_turn(&bench->fixture);
	fixture_settle(&bench->fixture);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(receive_reply(bench, &cookie), 0);
		assert_in_range(cookie, first, first + 99);
	}
	bench_free(bench);
}

static void two_that_are_larger_than_a_transfer_take_turns(void **state)
{
	struct bench *bench = bench_new();
	uint64_t first = bench->next_cookie;
	owned_memory uint8_t *back = malloc(1 << 20);

	fill(disk(bench), 2 << 20, 3);
	send_request(bench, NBD_PROTOCOL_READ, 0, 0, 1 << 20);
	send_request(bench, NBD_PROTOCOL_READ, 0, 1 << 20, 1 << 20);
	send_request(bench, NBD_PROTOCOL_FLUSH, 0, 0, 0);
	fixture_settle(&bench->fixture);
	for (unsigned i = 0; i < 2; i++) {
		expect_reply(bench, first + i, 0);
		assert_true(receive(bench, back, 1 << 20));
		assert_memory_equal(back, disk(bench) + (i << 20), 1 << 20);
	}
	expect_reply(bench, first + 2, 0);
	bench_free(bench);
}

static void replies_wait_until_the_kernel_reads_them(void **state)
{
	struct bench *bench = bench_new();
	int bytes = 4096;
	owned_memory uint8_t *back = malloc(TRANSFER);
	uint64_t first = bench->next_cookie;

	fill(disk(bench), TRANSFER * 3, 9);
	setsockopt(bench->queue_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	for (unsigned i = 0; i < 3; i++)
		send_request(bench, NBD_PROTOCOL_READ, 0, i * TRANSFER, TRANSFER);
	fixture_settle(&bench->fixture);
	for (unsigned i = 0; i < 3; i++) {
		uint8_t *at = back;

		expect_reply(bench, first + i, 0);
		while (at < back + TRANSFER) {
			ssize_t r = recv(bench->kernel_fd, at, (size_t)(back + TRANSFER - at),
					 MSG_DONTWAIT);

			at += MAX(r, (ssize_t)0);
			fixture_settle(&bench->fixture);
		}
		assert_memory_equal(back, disk(bench) + i * TRANSFER, TRANSFER);
	}
	bench_free(bench);
}

/* --- ends --- */

static bool is_hung_up(struct bench *bench)
{
	uint8_t byte;

	return recv(bench->kernel_fd, &byte, 1, MSG_DONTWAIT) == 0;
}

static void nonsense_ends_the_connection_and_nothing_else(void **state)
{
	struct bench *bench;
	struct nbd_protocol_request rows[3];

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		bench = bench_new();
		rows[0] = request_of(bench, NBD_PROTOCOL_READ, 0, 0, 512);
		rows[0].magic = be32_of(0x25609512);
		rows[1] = request_of(bench, NBD_PROTOCOL_WRITE, 0, 0, NBD_QUEUE_LARGEST_BYTES + 1);
		rows[2] = request_of(bench, NBD_PROTOCOL_READ, 0, 0, UINT32_MAX);
		send_request(bench, NBD_PROTOCOL_READ, 0, 0, 512);
		send_raw(bench, &rows[i], sizeof(rows[i]));
		send_request(bench, NBD_PROTOCOL_READ, 0, 0, 512);
		fixture_settle(&bench->fixture);
		assert_true(is_hung_up(bench));
		bench_free(bench);
	}
}

static void a_good_bye_is_heeded(void **state)
{
	struct bench *bench = bench_new();

	send_request(bench, NBD_PROTOCOL_DISCONNECT, 0, 0, 0);
	fixture_settle(&bench->fixture);
	assert_true(is_hung_up(bench));
	bench_free(bench);
}

static void a_kernel_that_hangs_up_in_the_middle_of_a_write_writes_nothing(void **state)
{
	struct bench *bench = bench_new();
	uint8_t half[2048];

	memset(half, 0xff, sizeof(half));
	send_request(bench, NBD_PROTOCOL_WRITE, 0, 0, 4096);
	send_raw(bench, half, sizeof(half));
	fixture_settle(&bench->fixture);
	shutdown(bench->kernel_fd, SHUT_RDWR);
	fixture_settle(&bench->fixture);
	assert_int_equal(fake_nexus_queued(bench->fixture.nexus), 0);
	assert_true(is_filled(disk(bench), 4096, 0));
	bench_free(bench);
}

static void failing_answers_what_is_under_way_and_what_comes(void **state)
{
	struct bench *bench = bench_new();
	uint64_t under_way = send_request(bench, NBD_PROTOCOL_READ, 0, 0, 512), later;

	fixture_turn(&bench->fixture);
	fixture_turn(&bench->fixture);
	assert_int_equal(fake_nexus_queued(bench->fixture.nexus), 1);
	nbd_queue_fail(bench->queue, -EIO);
	fixture_turn(&bench->fixture);
	fixture_turn(&bench->fixture);
	expect_reply(bench, under_way, EIO);
	later = send_request(bench, NBD_PROTOCOL_WRITE_ZEROES, 0, 0, 512);
	fixture_turn(&bench->fixture);
	fixture_turn(&bench->fixture);
	fixture_turn(&bench->fixture);
	expect_reply(bench, later, EIO);
	/* And what the map gives back at last is not answered again. */
	fixture_settle(&bench->fixture);
	expect_silence(bench);
	bench_free(bench);
}

static void stopping_waits_for_the_map(void **state)
{
	struct bench *bench = bench_new();

	send_request(bench, NBD_PROTOCOL_READ, 0, 0, 512);
	send_request(bench, NBD_PROTOCOL_WRITE, 0, 0, 4096);
	fixture_turn(&bench->fixture);
	fixture_turn(&bench->fixture);
	nbd_queue_stop(bench->queue, note_stopped, &bench->stopped);
	for (unsigned i = 0; i < 4; i++)
		fixture_turn(&bench->fixture);
	assert_false(bench->stopped);
	fixture_settle(&bench->fixture);
	assert_true(bench->stopped);
	expect_silence(bench);
	bench_free(bench);
}

static void a_resized_unit_is_served_to_its_new_end(void **state)
{
	struct bench *bench = bench_new();
	uint64_t cookie;

	nbd_queue_resize(bench->queue, DISK_BLOCKS / 2);
	cookie = send_request(bench, NBD_PROTOCOL_READ, 0, DISK_BYTES / 2, 512);
	fixture_settle(&bench->fixture);
	expect_reply(bench, cookie, EINVAL);
	nbd_queue_resize(bench->queue, DISK_BLOCKS);
	cookie = send_request(bench, NBD_PROTOCOL_TRIM, 0, DISK_BYTES / 2, 512);
	fixture_settle(&bench->fixture);
	expect_reply(bench, cookie, 0);
	bench_free(bench);
}

static void garbage_of_any_kind_does_no_harm(void **state)
{
	uint32_t random = 1;

	for (unsigned round = 0; round < 50; round++) {
		struct bench *bench = bench_new();

		for (unsigned i = 0; i < 20; i++) {
			struct nbd_protocol_request request = request_of(bench, 0, 0, 0, 0);
			uint8_t *raw = (uint8_t *)&request;

			for (unsigned j = 4; j < sizeof(request); j++) {
				random = random * 1664525 + 1013904223;
				/* Mostly zeroes, so that it often makes sense. */
				raw[j] = (random >> 28) < 3 ? (uint8_t)(random >> 16) : 0;
			}
			send(bench->kernel_fd, raw, sizeof(request), MSG_DONTWAIT | MSG_NOSIGNAL);
			if (i % 3 == 0)
				fixture_turn(&bench->fixture);
		}
		fixture_settle(&bench->fixture);
		bench_free(bench);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(each_type_does_its_work),
		cmocka_unit_test(a_hint_to_discard_that_the_unit_does_not_know_is_no_error),
		cmocka_unit_test(the_device_can_what_the_unit_can),
		cmocka_unit_test(a_unit_that_is_read_only_is_not_written),
		cmocka_unit_test(requests_may_come_in_pieces_of_any_size),
		cmocka_unit_test(a_burst_that_is_larger_than_the_queue_is_served_bit_by_bit),
		cmocka_unit_test(a_queue_gets_its_memory_as_it_is_needed),
		cmocka_unit_test(two_that_are_larger_than_a_transfer_take_turns),
		cmocka_unit_test(replies_wait_until_the_kernel_reads_them),
		cmocka_unit_test(nonsense_ends_the_connection_and_nothing_else),
		cmocka_unit_test(a_good_bye_is_heeded),
		cmocka_unit_test(a_kernel_that_hangs_up_in_the_middle_of_a_write_writes_nothing),
		cmocka_unit_test(failing_answers_what_is_under_way_and_what_comes),
		cmocka_unit_test(stopping_waits_for_the_map),
		cmocka_unit_test(a_resized_unit_is_served_to_its_new_end),
		cmocka_unit_test(garbage_of_any_kind_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
