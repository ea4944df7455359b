/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "block/fuse_queue.h"
#include "scsi/cdb.h"
#include "tests/unit/block/fixture.h"
#include "util/cleanup.h"

#define DISK_BLOCKS 4096
#define DISK_BYTES  (DISK_BLOCKS * 512ULL)
#define DEPTH	    4
#define NO_REPLY    -1
#define MOST_BYTES  (256u << 10) /* of one request */

/* The kernel's part is played through a socket that keeps messages apart. */
struct bench {
	struct fixture fixture;
	struct fuse_queue *queue;
	int kernel_fd, queue_fd;
	bool stopped;
	uint64_t next_unique;
	struct {
		struct fuse_out_header header;
		uint8_t data[MOST_BYTES];
	} reply;
};

static void widen(int fd)
{
	int bytes = 4 * (int)MOST_BYTES;

	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
}

/* @special: what the unit can besides its size; NULL: everything */
static struct bench *bench_new_with(uint32_t block_size, const struct unit_limits *special)
{
	struct bench *bench = calloc(1, sizeof(*bench));
	int fds[2];

	fixture_init(&bench->fixture, DISK_BYTES / block_size, block_size);
	if (special) {
		uint64_t blocks = bench->fixture.unit.limits.blocks;

		bench->fixture.unit.limits = *special;
		bench->fixture.unit.limits.blocks = blocks;
		bench->fixture.unit.limits.block_size = block_size;
	}
	fixture_begin_map(&bench->fixture);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, fds), 0);
	widen(fds[0]);
	widen(fds[1]);
	bench->kernel_fd = fds[0];
	bench->queue_fd = fds[1];
	bench->next_unique = 100;
	assert_int_equal(fuse_queue_new(fds[1], bench->fixture.map, &bench->fixture.unit.limits,
					DEPTH, &bench->queue),
			 0);
	fuse_queue_start(bench->queue, bench->fixture.ring);
	fixture_turn(&bench->fixture);
	return bench;
}

static struct bench *bench_new(void)
{
	return bench_new_with(512, NULL);
}

static void note_stopped(void *userdata)
{
	*(bool *)userdata = true;
}

static void bench_free(struct bench *bench)
{
	if (!bench->stopped) {
		fuse_queue_stop(bench->queue, note_stopped, &bench->stopped);
		assert_false(bench->stopped);
		fixture_settle(&bench->fixture);
		assert_true(bench->stopped);
	}
	fuse_queue_free(bench->queue);
	close(bench->kernel_fd);
	close(bench->queue_fd);
	fixture_deinit(&bench->fixture);
	free(bench);
}

static void send_raw(struct bench *bench, const void *data, size_t length_bytes)
{
	assert_int_equal(send(bench->kernel_fd, data, length_bytes, 0), length_bytes);
}

/* Gives the request's unique. */
static uint64_t send_request(struct bench *bench, uint32_t opcode, const void *body,
			     size_t body_bytes, const void *data, size_t data_bytes)
{
	struct fuse_in_header header = {
		.len = (uint32_t)(sizeof(header) + body_bytes + data_bytes),
		.opcode = opcode,
		.unique = bench->next_unique++,
		.nodeid = 1,
	};
	owned_memory uint8_t *message = malloc(header.len);

	memcpy(message, &header, sizeof(header));
	if (body_bytes > 0)
		memcpy(message + sizeof(header), body, body_bytes);
	if (data_bytes > 0)
		memcpy(message + sizeof(header) + body_bytes, data, data_bytes);
	send_raw(bench, message, header.len);
	return header.unique;
}

/* Bytes of data in the next reply, or NO_REPLY. */
static ssize_t receive(struct bench *bench)
{
	ssize_t r = recv(bench->kernel_fd, &bench->reply, sizeof(bench->reply), 0);

	if (r < 0)
		return NO_REPLY;
	assert_true((size_t)r >= sizeof(bench->reply.header));
	assert_int_equal(bench->reply.header.len, r);
	return r - (ssize_t)sizeof(bench->reply.header);
}

/* Send, let all run, expect one reply with @error; gives its bytes of data. */
static size_t ask(struct bench *bench, uint32_t opcode, const void *body, size_t body_bytes,
		  const void *data, size_t data_bytes, int error)
{
	uint64_t unique = send_request(bench, opcode, body, body_bytes, data, data_bytes);
	ssize_t r;

	fixture_settle(&bench->fixture);
	r = receive(bench);
	assert_int_not_equal(r, NO_REPLY);
	assert_int_equal(bench->reply.header.unique, unique);
	assert_int_equal(bench->reply.header.error, error);
	if (error)
		assert_int_equal(r, 0);
	assert_int_equal(recv(bench->kernel_fd, &bench->reply.header, 1, MSG_PEEK), -1);
	return (size_t)r;
}

static void fill(uint8_t *data, size_t length_bytes, unsigned seed)
{
	for (size_t i = 0; i < length_bytes; i++)
		data[i] = (uint8_t)(i * 13 + i / 511 + seed);
}

/* --- the file --- */

static void init_is_answered_with_what_both_know(void **state)
{
	/* clang-format off */
	static const struct {
		struct fuse_init_in in;
		int error;
		uint32_t minor, flags;
	} rows[] = {
		{{.major = 7, .minor = 45, .flags = 0xffffffff}, 0, FUSE_KERNEL_MINOR_VERSION,
		 FUSE_ASYNC_READ | FUSE_BIG_WRITES | FUSE_ASYNC_DIO | FUSE_MAX_PAGES},
		{{.major = 7, .minor = 31, .flags = FUSE_ASYNC_DIO}, 0, 31, FUSE_ASYNC_DIO},
		{{.major = 8, .minor = 1, .flags = 0}, 0, 1, 0},
		{{.major = 6, .minor = 1, .flags = 0}, -EPROTO, 0, 0},
	};
	/* clang-format on */

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench *bench = bench_new();
		struct fuse_init_out out;
		size_t length = ask(bench, FUSE_INIT, &rows[i].in, sizeof(rows[i].in), NULL, 0,
				    rows[i].error);

		if (!rows[i].error) {
			assert_int_equal(length, sizeof(out));
			memcpy(&out, bench->reply.data, sizeof(out));
			assert_int_equal(out.major, 7);
			assert_int_equal(out.minor, rows[i].minor);
			assert_int_equal(out.flags, rows[i].flags);
			assert_int_equal(out.max_write, MOST_BYTES);
			assert_true(out.max_background >= 128);
		}
		bench_free(bench);
	}
}

static void file_has_the_size_of_the_unit(void **state)
{
	struct bench *bench = bench_new();
	struct fuse_getattr_in in = {};
	struct fuse_attr_out out;

	assert_int_equal(ask(bench, FUSE_GETATTR, &in, sizeof(in), NULL, 0, 0), sizeof(out));
	memcpy(&out, bench->reply.data, sizeof(out));
	assert_int_equal(out.attr.size, DISK_BYTES);
	assert_int_equal(out.attr.mode, 0100600);
	assert_int_equal(out.attr.nlink, 1);
	bench_free(bench);
}

static void only_an_allowed_size_is_set(void **state)
{
	struct bench *bench = bench_new();
	struct fuse_setattr_in in = {.valid = FATTR_SIZE, .size = DISK_BYTES / 2};
	struct fuse_read_in beyond = {.offset = DISK_BYTES / 2, .size = 512};
	struct fuse_attr_out out;

	ask(bench, FUSE_SETATTR, &in, sizeof(in), NULL, 0, -EPERM);
	assert_int_equal(ask(bench, FUSE_READ, &beyond, sizeof(beyond), NULL, 0, 0), 512);
	fuse_queue_allow_resize(bench->queue, in.size);
	assert_int_equal(ask(bench, FUSE_SETATTR, &in, sizeof(in), NULL, 0, 0), sizeof(out));
	memcpy(&out, bench->reply.data, sizeof(out));
	assert_int_equal(out.attr.size, in.size);
	assert_int_equal(ask(bench, FUSE_READ, &beyond, sizeof(beyond), NULL, 0, 0), 0);
	in = (struct fuse_setattr_in){.valid = FATTR_MTIME};
	ask(bench, FUSE_SETATTR, &in, sizeof(in), NULL, 0, 0);
	bench_free(bench);
}

static void simple_opcodes_are_answered_as_the_table_says(void **state)
{
	enum { SILENT = 1 };
	static const struct {
		uint32_t opcode;
		int error;
	} rows[] = {
		{FUSE_OPEN, 0},
		{FUSE_STATFS, 0},
		{FUSE_FLUSH, 0},
		{FUSE_RELEASE, 0},
		{FUSE_DESTROY, 0},
		{FUSE_FSYNC, 0},
		{FUSE_FORGET, SILENT},
		{FUSE_BATCH_FORGET, SILENT},
		{FUSE_INTERRUPT, SILENT},
		{FUSE_LOOKUP, -ENOSYS},
		{FUSE_READLINK, -ENOSYS},
		{FUSE_GETXATTR, -ENOSYS},
		{FUSE_LSEEK, -ENOSYS},
		{FUSE_IOCTL, -ENOSYS},
		{FUSE_POLL, -ENOSYS},
		{FUSE_COPY_FILE_RANGE, -ENOSYS},
		{0, -ENOSYS},
		{63, -ENOSYS},
		{4096, -ENOSYS},
		{UINT32_MAX, -ENOSYS},
	};
	struct bench *bench = bench_new();
	uint8_t body[64] = {};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].error == SILENT) {
			send_request(bench, rows[i].opcode, body, sizeof(body), NULL, 0);
			fixture_settle(&bench->fixture);
			assert_int_equal(receive(bench), NO_REPLY);
		} else {
			ask(bench, rows[i].opcode, body, sizeof(body), NULL, 0, rows[i].error);
		}
	}
	bench_free(bench);
}

/* --- I/O --- */

static void what_was_written_is_read_back(void **state)
{
	static const struct {
		uint64_t offset;
		uint32_t size;
	} rows[] = {
		{0, 512},
		{512, 4096},
		{DISK_BYTES - 512, 512},
		{4096, MOST_BYTES},
		{DISK_BYTES - MOST_BYTES, MOST_BYTES},
		{1024, 0},
	};
	struct bench *bench = bench_new();
	owned_memory uint8_t *data = malloc(MOST_BYTES);

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fuse_write_in write = {.offset = rows[i].offset, .size = rows[i].size};
		struct fuse_read_in read = {.offset = rows[i].offset, .size = rows[i].size};
		struct fuse_write_out written;

		fill(data, rows[i].size, i);
		assert_int_equal(
			ask(bench, FUSE_WRITE, &write, sizeof(write), data, rows[i].size, 0),
			sizeof(written));
		memcpy(&written, bench->reply.data, sizeof(written));
		assert_int_equal(written.size, rows[i].size);
		assert_memory_equal(bench->fixture.fake_unit->data + rows[i].offset, data,
				    rows[i].size);
		assert_int_equal(ask(bench, FUSE_READ, &read, sizeof(read), NULL, 0, 0),
				 rows[i].size);
		assert_memory_equal(bench->reply.data, data, rows[i].size);
	}
	bench_free(bench);
}

static void reads_off_block_get_exactly_their_bytes(void **state)
{
	static const struct {
		uint64_t offset;
		uint32_t size, wanted;
	} rows[] = {
		{1, 1, 1},
		{511, 2, 2},
		{4095, 4098, 4098},
		{512, 5000, 5000},
		{4097, MOST_BYTES, MOST_BYTES},
		{DISK_BYTES - 10, 4096, 10},
		{DISK_BYTES, 4096, 0},
		{DISK_BYTES + 1, 1, 0},
		{UINT64_MAX, 4096, 0},
	};
	static const uint32_t block_sizes[] = {512, 4096};

	for (unsigned k = 0; k < ARRAY_SIZE(block_sizes); k++) {
		struct bench *bench = bench_new_with(block_sizes[k], NULL);
		uint8_t *data = bench->fixture.fake_unit->data;

		fill(data, DISK_BYTES, k);
		for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
			struct fuse_read_in in = {.offset = rows[i].offset, .size = rows[i].size};
			size_t length = ask(bench, FUSE_READ, &in, sizeof(in), NULL, 0, 0);

			assert_int_equal(length, rows[i].wanted);
			if (length > 0)
				assert_memory_equal(bench->reply.data, data + in.offset, length);
		}
		bench_free(bench);
	}
}

static void impossible_requests_are_refused(void **state)
{
	struct bench *bench = bench_new();
	struct fuse_read_in huge = {.size = MOST_BYTES + 1}, whole = {.size = UINT32_MAX};
	struct fuse_write_in odd = {.offset = 1, .size = 512};
	struct fuse_write_in beyond = {.offset = DISK_BYTES, .size = 512};
	struct fuse_write_in far = {.offset = UINT64_MAX - 511, .size = 512};
	struct fuse_write_in lying = {.offset = 0, .size = 1024}, part = {.size = 100};
	uint8_t data[512] = {1};

	ask(bench, FUSE_READ, &huge, sizeof(huge), NULL, 0, -EINVAL);
	ask(bench, FUSE_READ, &whole, sizeof(whole), NULL, 0, -EINVAL);
	ask(bench, FUSE_WRITE, &odd, sizeof(odd), data, 512, -EINVAL);
	ask(bench, FUSE_WRITE, &beyond, sizeof(beyond), data, 512, -EINVAL);
	ask(bench, FUSE_WRITE, &far, sizeof(far), data, 512, -EINVAL);
	ask(bench, FUSE_WRITE, &lying, sizeof(lying), data, 512, -EINVAL);
	ask(bench, FUSE_WRITE, &part, sizeof(part), data, 100, -EINVAL);
	assert_int_equal(fake_nexus_count(bench->fixture.nexus, FAKE_ANY_OPCODE), 0);
	bench_free(bench);
}

static void short_and_lying_messages_harm_nothing(void **state)
{
	/* Requests with a body, cut at every length. */
	static const uint32_t opcodes[] = {FUSE_INIT, FUSE_SETATTR, FUSE_READ, FUSE_WRITE,
					   FUSE_FALLOCATE};
	struct bench *bench = bench_new();
	struct fuse_read_in read = {.size = 512};
	uint8_t message[sizeof(struct fuse_in_header) + 16] = {};
	struct fuse_in_header header = {.opcode = FUSE_GETATTR, .unique = 7};

	for (size_t length = 1; length < sizeof(header); length++) {
		send_raw(bench, message, length);
		fixture_settle(&bench->fixture);
		assert_int_equal(receive(bench), NO_REPLY);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(opcodes); i++)
		for (size_t length = 0; length < 15; length++)
			ask(bench, opcodes[i], message, length, NULL, 0, -EINVAL);
	for (int difference = -1; difference <= 1; difference += 2) {
		header.len = (uint32_t)((int)sizeof(message) + difference);
		memcpy(message, &header, sizeof(header));
		send_raw(bench, message, sizeof(message));
		fixture_settle(&bench->fixture);
		assert_int_equal(receive(bench), 0);
		assert_int_equal(bench->reply.header.error, -EINVAL);
	}
	assert_int_equal(ask(bench, FUSE_READ, &read, sizeof(read), NULL, 0, 0), 512);
	bench_free(bench);
}

static void holes_and_zero_ranges_read_back_as_zeroes(void **state)
{
	/* clang-format off */
	static const struct {
		uint32_t mode;
		uint64_t offset, length;
		int error;
	} rows[] = {
		{FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 512, 4096, 0},
		{FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 1024, 65536, 0},
		{FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, DISK_BYTES, 0},
		{FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 0, 0},
		{FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 512, -EINVAL},
		{FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 512, DISK_BYTES, -EINVAL},
		{FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, UINT64_MAX - 511, 1024, -EINVAL},
		{0, 0, 512, -EOPNOTSUPP},
		{FALLOC_FL_KEEP_SIZE, 0, 512, -EOPNOTSUPP},
		{FALLOC_FL_PUNCH_HOLE, 0, 512, -EOPNOTSUPP},
		{FALLOC_FL_ZERO_RANGE, 0, 512, -EOPNOTSUPP},
		{FALLOC_FL_COLLAPSE_RANGE, 0, 512, -EOPNOTSUPP},
		{UINT32_MAX, 0, 512, -EOPNOTSUPP},
	};
	/* clang-format on */

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct bench *bench = bench_new();
		uint8_t *data = bench->fixture.fake_unit->data;
		struct fuse_fallocate_in in = {
			.mode = rows[i].mode, .offset = rows[i].offset, .length = rows[i].length};
		uint64_t wrong = 0;

		memset(data, 0x77, DISK_BYTES);
		ask(bench, FUSE_FALLOCATE, &in, sizeof(in), NULL, 0, rows[i].error);
		for (uint64_t k = 0; k < DISK_BYTES; k++) {
			bool inside = !rows[i].error && k >= rows[i].offset &&
				      k - rows[i].offset < rows[i].length;

			wrong += data[k] != (inside ? 0 : 0x77);
		}
		assert_int_equal(wrong, 0);
		bench_free(bench);
	}
}

static void hole_is_refused_where_only_writing_would_make_it(void **state)
{
	/* clang-format off */
	static const struct {
		bool unmap, write_same_unmap, reads_zero;
		int error;
	} rows[] = {
		{false, false, false, -EOPNOTSUPP},
		{true,  true,  false, -EOPNOTSUPP},
		{true,  false, false, -EOPNOTSUPP},
		{true,  false, true,  0},
		{false, true,  true,  0},
	};
	/* clang-format on */
	struct fuse_fallocate_in hole = {.mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					 .length = 4096};
	struct fuse_fallocate_in zero = {.mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
					 .length = 4096};

	for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
		struct unit_limits limits = {
			.unmap = rows[i].unmap,
			.max_unmap_blocks = 1 << 20,
			.write_same_unmap = rows[i].write_same_unmap,
			.unmapped_reads_zero = rows[i].reads_zero,
		};
		struct bench *bench = bench_new_with(512, &limits);

		ask(bench, FUSE_FALLOCATE, &hole, sizeof(hole), NULL, 0, rows[i].error);
		ask(bench, FUSE_FALLOCATE, &zero, sizeof(zero), NULL, 0, 0);
		bench_free(bench);
	}
}

static void errors_of_the_device_reach_the_kernel(void **state)
{
	struct bench *bench = bench_new();
	struct fuse_read_in read = {.size = 512};
	struct fuse_write_in write = {.size = 512};
	struct unit_limits read_only = {.read_only = true};
	uint8_t data[512] = {};

	fake_nexus_script(bench->fixture.nexus, SCSI_WRITE_16, FAKE_FOR_EVER,
			  &FAKE_CHECK_CONDITION(0x7, 0x27, 0x07));
	ask(bench, FUSE_WRITE, &write, sizeof(write), data, 512, -ENOSPC);
	assert_int_equal(ask(bench, FUSE_READ, &read, sizeof(read), NULL, 0, 0), 512);
	bench_free(bench);
	bench = bench_new_with(512, &read_only);
	ask(bench, FUSE_WRITE, &write, sizeof(write), data, 512, -EROFS);
	bench_free(bench);
}

static void synchronous_writes_force_the_medium(void **state)
{
	struct bench *bench = bench_new();
	struct fuse_write_in write = {.size = 512, .flags = O_DSYNC};
	uint8_t data[512] = {};

	ask(bench, FUSE_WRITE, &write, sizeof(write), data, 512, 0);
	assert_true(bench->fixture.nexus->records[0].cdb[1] & CDB_FUA);
	bench_free(bench);
}

static void requests_beyond_the_depth_wait_and_are_all_answered_once(void **state)
{
	struct bench *bench = bench_new();
	struct fuse_read_in read = {.size = 512};
	bool seen[50] = {};
	uint64_t first = bench->next_unique;

	for (unsigned i = 0; i < ARRAY_SIZE(seen); i++)
		send_request(bench, FUSE_READ, &read, sizeof(read), NULL, 0);
	fixture_turn(&bench->fixture);
	fixture_turn(&bench->fixture);
	assert_int_equal(fake_nexus_queued(bench->fixture.nexus), DEPTH);
	fixture_settle(&bench->fixture);
	for (unsigned i = 0; i < ARRAY_SIZE(seen); i++) {
		assert_int_equal(receive(bench), 512);
		assert_false(seen[bench->reply.header.unique - first]);
		seen[bench->reply.header.unique - first] = true;
	}
	assert_int_equal(receive(bench), NO_REPLY);
	bench_free(bench);
}

/* --- the end --- */

static void failing_answers_what_is_under_way_and_what_comes(void **state)
{
	struct bench *bench = bench_new();
	struct fuse_read_in read = {.size = 512};
	struct fuse_getattr_in getattr = {};
	uint64_t unique = send_request(bench, FUSE_READ, &read, sizeof(read), NULL, 0);

	fixture_turn(&bench->fixture);
	fixture_turn(&bench->fixture);
	assert_int_equal(fake_nexus_queued(bench->fixture.nexus), 1);
	fuse_queue_fail(bench->queue, -EIO);
	assert_int_equal(receive(bench), 0);
	assert_int_equal(bench->reply.header.unique, unique);
	assert_int_equal(bench->reply.header.error, -EIO);
	fixture_settle(&bench->fixture);
	assert_int_equal(receive(bench), NO_REPLY);
	ask(bench, FUSE_READ, &read, sizeof(read), NULL, 0, -EIO);
	ask(bench, FUSE_FSYNC, &read, sizeof(read), NULL, 0, -EIO);
	ask(bench, FUSE_GETATTR, &getattr, sizeof(getattr), NULL, 0, 0);
	assert_int_equal(fake_nexus_count(bench->fixture.nexus, FAKE_ANY_OPCODE), 1);
	bench_free(bench);
}

static void stopping_waits_for_what_the_map_still_has(void **state)
{
	struct bench *bench = bench_new();
	struct fuse_read_in read = {.size = 512};

	send_request(bench, FUSE_READ, &read, sizeof(read), NULL, 0);
	fixture_turn(&bench->fixture);
	fixture_turn(&bench->fixture);
	fuse_queue_stop(bench->queue, note_stopped, &bench->stopped);
	assert_int_equal(receive(bench), 0);
	assert_int_equal(bench->reply.header.error, -EIO);
	for (unsigned i = 0; i < 4; i++)
		fixture_turn(&bench->fixture);
	assert_false(bench->stopped);
	assert_int_equal(fake_nexus_run(bench->fixture.nexus), 1);
	for (unsigned i = 0; i < 4; i++)
		fixture_turn(&bench->fixture);
	assert_true(bench->stopped);
	send_request(bench, FUSE_READ, &read, sizeof(read), NULL, 0);
	fixture_settle(&bench->fixture);
	assert_int_equal(receive(bench), NO_REPLY);
	bench_free(bench);
}

static void connection_that_ends_is_left_in_peace(void **state)
{
	struct bench *bench = bench_new();
	struct fuse_read_in read = {.size = 512};

	send_request(bench, FUSE_READ, &read, sizeof(read), NULL, 0);
	fixture_turn(&bench->fixture);
	shutdown(bench->kernel_fd, SHUT_RDWR);
	fixture_settle(&bench->fixture);
	fixture_settle(&bench->fixture);
	bench_free(bench);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(init_is_answered_with_what_both_know),
		cmocka_unit_test(file_has_the_size_of_the_unit),
		cmocka_unit_test(only_an_allowed_size_is_set),
		cmocka_unit_test(simple_opcodes_are_answered_as_the_table_says),
		cmocka_unit_test(what_was_written_is_read_back),
		cmocka_unit_test(reads_off_block_get_exactly_their_bytes),
		cmocka_unit_test(impossible_requests_are_refused),
		cmocka_unit_test(short_and_lying_messages_harm_nothing),
		cmocka_unit_test(holes_and_zero_ranges_read_back_as_zeroes),
		cmocka_unit_test(hole_is_refused_where_only_writing_would_make_it),
		cmocka_unit_test(errors_of_the_device_reach_the_kernel),
		cmocka_unit_test(synchronous_writes_force_the_medium),
		cmocka_unit_test(requests_beyond_the_depth_wait_and_are_all_answered_once),
		cmocka_unit_test(failing_answers_what_is_under_way_and_what_comes),
		cmocka_unit_test(stopping_waits_for_what_the_map_still_has),
		cmocka_unit_test(connection_that_ends_is_left_in_peace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
