/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * A load that knows what a block device may answer.
 *
 * Every block it writes carries its own number, a sequence number that grows with each write to
 * that block, and a checksum. At most one write to a block is under way at a time, so for each
 * block there is a newest acknowledged write and a newest one that was begun. A read must return
 * nothing older than what was acknowledged when it began and nothing newer than what was begun when
 * it ended: anything else is a write that was lost, that was overtaken by an old copy of itself, or
 * that went to the wrong place, and is told as a violation. At the end every block is read once
 * more.
 *
 * It also measures the longest time that a read and a write took. See usage().
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <liburing.h>
#include <linux/falloc.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "util/crc32c.h"

#define DEPTH_MAX 256
#define MAGIC	  UINT64_C(0x6861777365720a01)
#define TOLD_MAX  50 /* violations that are told one by one */
#define ZERO_EACH 23 /* with --zeroes, each so many-th write to a block makes it zero */

enum kind { READ, WRITE, ZERO };

/* What stands in a block; the rest of it is filled from the sequence number. */
struct stamp {
	uint64_t magic;
	uint64_t run;	 /* the seed, so that what an earlier run left is not taken for ours */
	uint64_t number; /* of the block */
	uint64_t sequence;
	uint32_t checksum; /* CRC32C of the block with this field 0 */
	uint32_t reserved;
};

/* sequence numbers; a block nobody wrote yet has 0 and is not looked at */
struct block {
	uint32_t acknowledged, begun;
	bool writing;
};

struct request {
	enum kind kind;
	uint32_t first, count; /* blocks */
	uint64_t begun_ns;
	uint8_t *data;
	uint32_t *oldest; /* for a read: each block's acknowledged sequence number when it began */
	struct request *next_free;
};

static struct options {
	unsigned depth, block_bytes, max_blocks, read_percent, seconds;
	uint64_t size_bytes, offset_bytes, seed;
	uint64_t pause_us;
	bool zeroes, fill, keep_going;
} options = {
	.depth = 16,
	.block_bytes = 4096,
	.max_blocks = 16,
	.read_percent = 50,
	.size_bytes = UINT64_C(32) << 20,
	.seed = 1,
};

/* Since the last report, and since the beginning. */
static struct counts {
	uint64_t reads, writes, errors, violations;
	uint64_t longest_read_ns, longest_write_ns;
} recent, total;

static struct block *blocks;
static uint32_t block_count;
static struct request requests[DEPTH_MAX], *free_requests;
static struct io_uring ring;
static int device;
static uint64_t random_state;
static volatile sig_atomic_t asked, ended;

static void usage(void)
{
	fputs("usage: oracle [OPTION…] DEVICE\n"
	      "\n"
	      "Writes stamped blocks at random and checks what it reads. Prints a line of JSON when it\n"
	      "begins, at each SIGUSR1 (counts and longest times since the last line) and at the end\n"
	      "(counts of the whole run), which comes after --seconds or SIGTERM. Exit status 1 after\n"
	      "an error or a violation; each is told on standard error.\n"
	      "\n"
	      "  --depth N         requests at a time (16)\n"
	      "  --block BYTES     size of a block (4096)\n"
	      "  --max-blocks N    most blocks of one request (16)\n"
	      "  --reads PERCENT   how many requests are reads (50)\n"
	      "  --size MIB        how much of the device is used (32)\n"
	      "  --offset MIB      where that begins (0)\n"
	      "  --seed N          other numbers give another order (1)\n"
	      "  --seconds N       end after so long\n"
	      "  --pause US        wait so long between requests\n"
	      "  --fill            write every block before the first line, so that reads find something\n"
	      "  --zeroes          some writes zero their blocks instead (fallocate)\n"
	      "  --keep-going      go on after an error or a violation\n",
	      stderr);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* xorshift64*: the same order for the same seed */
static uint64_t next_random(void)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * UINT64_C(2685821657736338717);
}

static void count_error(uint64_t *recent_count, uint64_t *total_count)
{
	(*recent_count)++;
	(*total_count)++;
	if (!options.keep_going)
		ended = 1;
}

/* --- what stands in a block --- */

static bool makes_zero(uint32_t sequence)
{
	return options.zeroes && sequence % ZERO_EACH == 0;
}

static uint32_t checksum(const uint8_t *data)
{
	struct stamp stamp;

	memcpy(&stamp, data, sizeof(stamp));
	stamp.checksum = 0;
	return crc32c(crc32c(0, &stamp, sizeof(stamp)), data + sizeof(stamp),
		      options.block_bytes - sizeof(stamp));
}

static uint8_t filling(uint32_t number, uint32_t sequence)
{
	return (uint8_t)(sequence * 7 + number);
}

static void fill_block(uint8_t *data, uint32_t number, uint32_t sequence)
{
	struct stamp stamp = {
		.magic = MAGIC,
		.run = options.seed,
		.number = number,
		.sequence = sequence,
	};

	memset(data + sizeof(stamp), filling(number, sequence),
	       options.block_bytes - sizeof(stamp));
	memcpy(data, &stamp, sizeof(stamp));
	stamp.checksum = checksum(data);
	memcpy(data, &stamp, sizeof(stamp));
}

static bool is_zero(const uint8_t *data)
{
	return data[0] == 0 && memcmp(data, data + 1, options.block_bytes - 1) == 0;
}

/* Was there a write in @oldest … @newest that made the block zero? */
static bool may_be_zero(uint32_t oldest, uint32_t newest)
{
	return options.zeroes &&
	       (newest / ZERO_EACH > oldest / ZERO_EACH || oldest % ZERO_EACH == 0);
}

/*
 * A device need not read a block whole while it is being written: a mixture of the writes that were
 * under way is right, and of nothing else. The stamp is left out, what it says is torn.
 */
static bool is_mixture(uint32_t number, const uint8_t *data, uint32_t oldest, uint32_t newest)
{
	bool may[256] = {[0] = may_be_zero(oldest, newest)};

	if (oldest == newest)
		return false;
	for (uint32_t sequence = oldest; sequence <= newest; sequence++)
		may[filling(number, sequence)] = true;
	for (unsigned i = sizeof(struct stamp); i < options.block_bytes; i++) {
		if (!may[data[i]])
			return false;
	}
	return true;
}

static void tell_violation(uint32_t number, const uint8_t *data, uint32_t oldest, uint32_t newest)
{
	struct stamp stamp;

	count_error(&recent.violations, &total.violations);
	if (total.violations > TOLD_MAX)
		return;
	memcpy(&stamp, data, sizeof(stamp));
	fprintf(stderr, "violation: block %" PRIu32 " must be of write %" PRIu32 " to %" PRIu32,
		number, oldest, newest);
	if (is_zero(data))
		fprintf(stderr, ", and is zero\n");
	else if (stamp.magic != MAGIC || stamp.run != options.seed)
		fprintf(stderr, ", and is none of ours\n");
	else
		fprintf(stderr, ", and is block %" PRIu64 " of write %" PRIu64 "%s\n", stamp.number,
			stamp.sequence, stamp.checksum == checksum(data) ? "" : ", torn");
}

static void check_block(uint32_t number, const uint8_t *data, uint32_t oldest)
{
	uint32_t newest = blocks[number].begun;
	struct stamp stamp;

	if (oldest == 0)
		return; /* not written yet when it was read */
	memcpy(&stamp, data, sizeof(stamp));
	if (is_zero(data) && may_be_zero(oldest, newest))
		return;
	if (stamp.magic == MAGIC && stamp.run == options.seed && stamp.number == number &&
	    stamp.sequence >= oldest && stamp.sequence <= newest &&
	    !makes_zero((uint32_t)stamp.sequence) && stamp.checksum == checksum(data))
		return;
	if (is_mixture(number, data, oldest, newest))
		return;
	tell_violation(number, data, oldest, newest);
}

/* --- requests --- */

static bool may_begin(enum kind kind, uint32_t first, uint32_t count)
{
	for (uint32_t i = first; i < first + count; i++) {
		if (kind != READ && blocks[i].writing)
			return false;
	}
	return true;
}

static void prepare_write(struct request *request)
{
	for (uint32_t i = 0; i < request->count; i++) {
		struct block *block = &blocks[request->first + i];

		block->writing = true;
		block->begun++;
		/* all blocks of one write are zeroed, or none */
		if (request->kind == ZERO)
			block->begun += (ZERO_EACH - block->begun % ZERO_EACH) % ZERO_EACH;
		else if (makes_zero(block->begun))
			block->begun++;
		if (request->kind == WRITE)
			fill_block(request->data + (size_t)i * options.block_bytes,
				   request->first + i, block->begun);
	}
}

static void begin(struct request *request)
{
	uint64_t offset = options.offset_bytes + (uint64_t)request->first * options.block_bytes;
	unsigned bytes = request->count * options.block_bytes;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	request->begun_ns = now_ns();
	if (request->kind == READ) {
		for (uint32_t i = 0; i < request->count; i++)
			request->oldest[i] = blocks[request->first + i].acknowledged;
		io_uring_prep_read(sqe, device, request->data, bytes, offset);
	} else {
		prepare_write(request);
		if (request->kind == WRITE)
			io_uring_prep_write(sqe, device, request->data, bytes, offset);
		else
			io_uring_prep_fallocate(sqe, device,
						FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
						(off_t)offset, bytes);
	}
	io_uring_sqe_set_data(sqe, request);
}

static enum kind choose_kind(void)
{
	if (next_random() % 100 < options.read_percent)
		return READ;
	return options.zeroes && next_random() % 16 == 0 ? ZERO : WRITE;
}

/* Return: false when nothing fits beside what is under way. */
static bool begin_one(void)
{
	struct request *request = free_requests;
	enum kind kind = choose_kind();

	for (int attempt = 0; attempt < 100; attempt++) {
		uint32_t count = 1 + (uint32_t)(next_random() % options.max_blocks);
		uint32_t first = (uint32_t)(next_random() % (block_count - count + 1));

		if (!may_begin(kind, first, count))
			continue;
		free_requests = request->next_free;
		request->kind = kind;
		request->first = first;
		request->count = count;
		begin(request);
		return true;
	}
	return false;
}

static void end_write(struct request *request, bool good)
{
	for (uint32_t i = 0; i < request->count; i++) {
		struct block *block = &blocks[request->first + i];

		block->writing = false;
		/* After an error it may have been written or not: the range stays open. */
		if (good)
			block->acknowledged = block->begun;
	}
}

static void end_read(struct request *request, bool good)
{
	for (uint32_t i = 0; good && i < request->count; i++)
		check_block(request->first + i, request->data + (size_t)i * options.block_bytes,
			    request->oldest[i]);
}

static void measure(const struct request *request)
{
	uint64_t took_ns = now_ns() - request->begun_ns;
	uint64_t *longest =
		request->kind == READ ? &recent.longest_read_ns : &recent.longest_write_ns;
	uint64_t *longest_ever =
		request->kind == READ ? &total.longest_read_ns : &total.longest_write_ns;

	if (took_ns > *longest)
		*longest = took_ns;
	if (took_ns > *longest_ever)
		*longest_ever = took_ns;
	if (request->kind == READ) {
		recent.reads++;
		total.reads++;
	} else {
		recent.writes++;
		total.writes++;
	}
}

static void end(struct request *request, int result)
{
	int wanted = request->kind == ZERO ? 0 : (int)(request->count * options.block_bytes);
	bool good = result == wanted;

	measure(request);
	if (!good) {
		fprintf(stderr, "%s of %" PRIu32 " blocks at %" PRIu32 ": %s\n",
			request->kind == READ ? "read" : "write", request->count, request->first,
			result < 0 ? strerror(-result) : "short");
		count_error(&recent.errors, &total.errors);
	}
	if (request->kind == READ)
		end_read(request, good);
	else
		end_write(request, good);
	request->next_free = free_requests;
	free_requests = request;
}

/* --- reports --- */

static void tell(struct counts *counts)
{
	printf("{\"reads\": %" PRIu64 ", \"writes\": %" PRIu64 ", \"errors\": %" PRIu64
	       ", \"violations\": %" PRIu64
	       ", \"longest_read_ms\": %.3f, \"longest_write_ms\": %.3f}\n",
	       counts->reads, counts->writes, counts->errors, counts->violations,
	       (double)counts->longest_read_ns / 1e6, (double)counts->longest_write_ns / 1e6);
	fflush(stdout);
	memset(counts, 0, sizeof(*counts));
}

static void ask(int number)
{
	(void)number;
	asked = 1;
}

static void stop(int number)
{
	(void)number;
	ended = 1;
}

/* --- the run --- */

/* Return: requests under way after it */
static unsigned reap(unsigned under_way)
{
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;

	io_uring_for_each_cqe(&ring, head, cqe)
	{
		end(io_uring_cqe_get_data(cqe), cqe->res);
		seen++;
	}
	io_uring_cq_advance(&ring, seen);
	return under_way - seen;
}

static void wait_for_one(void)
{
	/* A short time: a signal that asks for a report comes between, too. */
	struct __kernel_timespec limit = {.tv_nsec = 50000000};
	struct io_uring_cqe *cqe;

	io_uring_submit(&ring);
	io_uring_wait_cqe_timeout(&ring, &cqe, &limit);
}

static void run(void)
{
	uint64_t end_ns =
		options.seconds ? now_ns() + options.seconds * UINT64_C(1000000000) : UINT64_MAX;
	unsigned under_way = 0;

	while (!ended && now_ns() < end_ns) {
		while (under_way < options.depth && begin_one())
			under_way++;
		wait_for_one();
		under_way = reap(under_way);
		if (asked) {
			asked = 0;
			tell(&recent);
		}
		if (options.pause_us)
			usleep((useconds_t)options.pause_us);
	}
	while (under_way > 0) {
		wait_for_one();
		under_way = reap(under_way);
	}
}

/* Everything once more, in its order. */
static void check_all(void)
{
	struct request *request = &requests[0];

	for (uint32_t i = 0; i < block_count; i++) {
		ssize_t n =
			pread(device, request->data, options.block_bytes,
			      (off_t)(options.offset_bytes + (uint64_t)i * options.block_bytes));

		if (n == (ssize_t)options.block_bytes) {
			check_block(i, request->data, blocks[i].acknowledged);
			continue;
		}
		fprintf(stderr, "read of block %" PRIu32 " at the end: %s\n", i,
			n < 0 ? strerror(errno) : "short");
		count_error(&recent.errors, &total.errors);
	}
}

/* --- the beginning --- */

/* Every block once, in its order. */
static int fill(void)
{
	uint8_t *data = requests[0].data;

	for (uint32_t i = 0; i < block_count; i++) {
		off_t offset = (off_t)(options.offset_bytes + (uint64_t)i * options.block_bytes);

		fill_block(data, i, 1);
		if (pwrite(device, data, options.block_bytes, offset) !=
		    (ssize_t)options.block_bytes) {
			fprintf(stderr, "oracle: write: %s\n", strerror(errno));
			return -1;
		}
		blocks[i].begun = blocks[i].acknowledged = 1;
	}
	return 0;
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);

	if (memory)
		return memory;
	fprintf(stderr, "oracle: no memory\n");
	exit(2);
}

static int prepare(const char *path)
{
	size_t data_bytes = (size_t)options.max_blocks * options.block_bytes;
	int r;

	device = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
	if (device < 0) {
		fprintf(stderr, "oracle: %s: %s\n", path, strerror(errno));
		return -1;
	}
	r = io_uring_queue_init(DEPTH_MAX, &ring, 0);
	if (r < 0) {
		fprintf(stderr, "oracle: io_uring: %s\n", strerror(-r));
		return -1;
	}
	block_count = (uint32_t)(options.size_bytes / options.block_bytes);
	blocks = allocate(block_count, sizeof(*blocks));
	for (unsigned i = 0; i < options.depth; i++) {
		requests[i].oldest = allocate(options.max_blocks, sizeof(uint32_t));
		if (posix_memalign((void **)&requests[i].data, 4096, data_bytes) != 0)
			return -1;
		requests[i].next_free = free_requests;
		free_requests = &requests[i];
	}
	/* The generator's state must not be 0, and neighbouring seeds shall differ at once. */
	random_state = (options.seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
	return 0;
}

/* clang-format off */
static const struct option option_table[] = {
	{"depth",      required_argument, NULL, 'd'},
	{"block",      required_argument, NULL, 'b'},
	{"max-blocks", required_argument, NULL, 'm'},
	{"reads",      required_argument, NULL, 'r'},
	{"size",       required_argument, NULL, 's'},
	{"offset",     required_argument, NULL, 'o'},
	{"seed",       required_argument, NULL, 'S'},
	{"seconds",    required_argument, NULL, 't'},
	{"pause",      required_argument, NULL, 'p'},
	{"zeroes",     no_argument,       NULL, 'z'},
	{"fill",       no_argument,       NULL, 'f'},
	{"keep-going", no_argument,       NULL, 'k'},
	{},
};
/* clang-format on */

static bool take_option(int option, uint64_t value)
{
	/* clang-format off */
	switch (option) {
	case 'd': options.depth = (unsigned)value; break;
	case 'b': options.block_bytes = (unsigned)value; break;
	case 'm': options.max_blocks = (unsigned)value; break;
	case 'r': options.read_percent = (unsigned)value; break;
	case 's': options.size_bytes = value << 20; break;
	case 'o': options.offset_bytes = value << 20; break;
	case 'S': options.seed = value; break;
	case 't': options.seconds = (unsigned)value; break;
	case 'p': options.pause_us = value; break;
	case 'z': options.zeroes = true; break;
	case 'f': options.fill = true; break;
	case 'k': options.keep_going = true; break;
	default: return false;
	}
	/* clang-format on */
	return true;
}

static bool parse(int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "", option_table, NULL)) != -1) {
		if (!take_option(option, optarg ? strtoull(optarg, NULL, 0) : 0))
			return false;
	}
	return optind == argc - 1 && options.depth >= 1 && options.depth <= DEPTH_MAX &&
	       options.block_bytes >= 512 && options.block_bytes % 512 == 0 &&
	       options.max_blocks >= 1 && options.read_percent <= 100 &&
	       options.size_bytes / options.block_bytes >= 4 * (uint64_t)options.max_blocks;
}

int main(int argc, char **argv)
{
	bool bad;

	if (!parse(argc, argv)) {
		usage();
		return 2;
	}
	if (prepare(argv[optind]) < 0 || (options.fill && fill() < 0))
		return 2;
	signal(SIGUSR1, ask);
	signal(SIGTERM, stop);
	signal(SIGINT, stop);
	tell(&recent);
	run();
	check_all();
	bad = total.errors || total.violations;
	tell(&total);
	return bad ? 1 : 0;
}
