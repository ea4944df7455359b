/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The session layer against a target that is not ours: every combination of the keys that shape a
 * transfer, with writes and reads of all sizes at once, verified to the byte. One login for each
 * combination.
 */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "iscsi/login.h"
#include "iscsi/portal.h"
#include "iscsi/session.h"
#include "scsi/cdb.h"
#include "scsi/command.h"
#include "scsi/nexus.h"
#include "util/cleanup.h"
#include "util/ring.h"
#include "util/text.h"

#define PATIENCE_S 60 /* for one combination */

static const char usage[] =
	"usage: transfers --portal HOST:PORT --target NAME [OPTION]…\n"
	"\n"
	"  --lun N                1\n"
	"  --image FILE           the unit's backing store here: what was written is compared with it,\n"
	"                         and what is read was put there by another way than iSCSI\n"
	"  --exact                the target must agree to every combination\n"
	"  --user U --secret S    CHAP\n"
	"  --target-user U --target-secret S\n"
	"                         and the target must prove itself\n"
	"  --algorithm N[,N]…     5 MD5, 6 SHA1, 7 SHA-256, 8 SHA3-256; 8,7,6,5\n"
	"  --once                 the first combination only\n"
	"  --lengths N            only the N-th row of lengths, from 0: 16 combinations\n"
	"  --patience SECONDS     for one combination; 60\n";

/*
 * Bytes; the segment is of both directions. Small and odd ones make many PDUs and much padding;
 * that what comes to us is in whole words all the same is what tgt needs: it writes the padding of
 * a segment in the middle over the data behind it.
 */
/* clang-format off */
static const struct lengths {
	uint32_t first_burst, max_burst, segment;
	uint16_t r2ts;
} lengths[] = {
	{65536,    262144,   8192,   1},
	{512,      512,      512,    1},
	{1000,     4100,     777,    8},
	{4096,     1048576,  4097,   4},
	{16777215, 16777215, 262144, 1},
};
/* clang-format on */

/* Blocks of 512 bytes: 4 KiB to 16 MiB, and some that are no power of 2. */
static const uint32_t sizes[] = {8, 9, 63, 128, 1001, 2048, 8192, 32768};
#define SMALL_SIZES   6 /* with segments below SMALL_SEGMENT in most combinations: PDUs take time */
#define SMALL_SEGMENT 4000

struct combination {
	bool initial_r2t, immediate_data, header_digest, data_digest;
	struct lengths lengths;
};

struct transfer {
	struct scsi_command command;
	struct run *run;
	uint64_t lba;
	uint32_t length; /* bytes */
	uint8_t *data;
};

struct run {
	struct login_settings settings;
	struct portal portal;
	const char *target, *image;
	uint64_t lun;
	bool exact, once;
	unsigned patience_s, row, rows; /* of lengths[] */

	struct ring *ring;
	struct session *session;
	struct nexus *nexus;
	struct ring_timer patience;
	struct transfer transfers[ARRAY_SIZE(sizes)];
	unsigned pending, seed;
	size_t count; /* of transfers in this combination */
	bool lost, failed;
	uint32_t block_size;
	uint64_t blocks;
	int image_fd;
	uint64_t bytes;
	unsigned combinations, otherwise;
};

static bool complain(const char *what, const char *why)
{
	fprintf(stderr, "transfers: %s: %s\n", what, why);
	return false;
}

/* ---- what the bytes are ---------------------------------------------------------------------- */

/* Another 8 bytes for each place and each combination. */
static uint64_t word_at(unsigned seed, uint64_t place)
{
	uint64_t x = (place + 1) * 0x9e3779b97f4a7c15u ^ (uint64_t)seed << 40;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

static void fill(const struct transfer *transfer, unsigned seed, uint8_t *data)
{
	uint64_t place = transfer->lba * transfer->run->block_size / 8;

	for (uint32_t i = 0; i < transfer->length; i += 8) {
		uint64_t word = word_at(seed, place + i / 8);

		memcpy(data + i, &word, sizeof(word));
	}
}

static bool compare(const struct transfer *transfer, unsigned seed, const uint8_t *data,
		    const char *what)
{
	uint64_t place = transfer->lba * transfer->run->block_size / 8;

	for (uint32_t i = 0; i < transfer->length; i += 8) {
		uint64_t word = word_at(seed, place + i / 8);

		if (memcmp(data + i, &word, sizeof(word)) == 0)
			continue;
		fprintf(stderr, "transfers: %s of %u bytes is wrong near byte %u\n", what,
			transfer->length, i);
		return false;
	}
	return true;
}

/* ---- login ----------------------------------------------------------------------------------- */

static int connect_to(const struct portal *portal)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(portal->port)};
	const struct timeval limit = {.tv_sec = 20};
	int fd, one = 1;

	if (inet_pton(AF_INET, portal->address, &to.sin_addr) != 1)
		return -EINVAL;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0)
		return fd;
	one = errno;
	close(fd);
	return -one;
}

/* Return: false when the connection broke */
static bool converse(int fd, struct login *login)
{
	uint8_t input[16384];

	while (login_get_state(login) == LOGIN_SENDING ||
	       login_get_state(login) == LOGIN_RECEIVING) {
		size_t length;
		const void *output = login_output(login, &length);
		ssize_t n;

		if (login_get_state(login) == LOGIN_SENDING) {
			n = send(fd, output, length, MSG_NOSIGNAL);
			if (n > 0)
				login_sent(login, (size_t)n);
		} else {
			n = recv(fd, input, sizeof(input), 0);
			if (n > 0)
				login_input(login, input, (size_t)n);
		}
		if (n <= 0)
			return complain("login", n < 0 ? strerror(errno) : "the target has closed");
	}
	return true;
}

static void offer(struct run *run, const struct combination *combination)
{
	struct login_settings *settings = &run->settings;

	settings->initial_r2t = combination->initial_r2t;
	settings->immediate_data = combination->immediate_data;
	settings->header_digest = combination->header_digest ? DIGEST_CRC32C : DIGEST_NONE;
	settings->data_digest = combination->data_digest ? DIGEST_CRC32C : DIGEST_NONE;
	settings->first_burst_length = combination->lengths.first_burst;
	settings->max_burst_length = combination->lengths.max_burst;
	settings->max_recv_data_segment_length = combination->lengths.segment;
	settings->max_xmit_data_segment_length = combination->lengths.segment;
	settings->max_outstanding_r2t = combination->lengths.r2ts;
}

/* 0 when it agreed */
static unsigned differences(const struct negotiated *got, const struct combination *wanted)
{
	return (got->initial_r2t != wanted->initial_r2t) +
	       (got->immediate_data != wanted->immediate_data) +
	       (got->header_digest != wanted->header_digest) +
	       (got->data_digest != wanted->data_digest) +
	       (got->max_burst_length != wanted->lengths.max_burst) +
	       (got->max_xmit_data_segment_length != wanted->lengths.segment) +
	       (!(wanted->initial_r2t && !wanted->immediate_data) &&
		got->first_burst_length != wanted->lengths.first_burst);
}

static void on_lost(struct session *session, enum session_loss loss, int error, const char *text,
		    unsigned wait_s, void *userdata)
{
	struct run *run = userdata;

	run->lost = true;
	if (loss != SESSION_LOSS_LOGOUT) {
		complain("the session was lost", text);
		run->failed = true;
	}
	ring_stop(run->ring);
}

static void on_async(struct session *session, const struct async_message *message, void *userdata)
{
}

static bool attach(struct run *run, int fd, struct login *login)
{
	static const struct session_observer observer = {.lost = on_lost, .async_event = on_async};
	const struct session_settings settings = {.commands_max = 64, .logout_timeout_ms = 5000};

	if (!run->session &&
	    (session_new(run->ring, &settings, &observer, run, &run->session) < 0 ||
	     session_unit(run->session, run->lun << 48, &run->nexus) < 0)) {
		close(fd);
		return complain("session", "no memory");
	}
	run->lost = false;
	if (session_attach(run->session, fd, login_negotiated(login), login_get_outcome(login),
			   NULL, 0) < 0)
		return complain("session", "cannot be attached");
	return true;
}

static bool log_in(struct run *run, const struct combination *combination)
{
	struct login *login;
	bool done = false;
	int fd = connect_to(&run->portal);

	if (fd < 0)
		return complain("connect", strerror(-fd));
	offer(run, combination);
	if (login_new(&run->settings, &login) < 0 || !converse(fd, login)) {
		close(fd);
		return false;
	}
	if (login_get_state(login) != LOGIN_DONE) {
		complain("login", login_get_result(login)->text);
		close(fd);
	} else if (run->exact && differences(login_negotiated(login), combination)) {
		complain("login", "the target settled for something else");
		close(fd);
	} else {
		run->otherwise += differences(login_negotiated(login), combination) > 0;
		done = attach(run, fd, login);
	}
	login_free(login);
	return done;
}

/* ---- commands -------------------------------------------------------------------------------- */

static void on_done(struct scsi_command *command)
{
	struct transfer *transfer = container_of(command, struct transfer, command);
	struct run *run = transfer->run;

	if (transfer->length > 0 && (!scsi_command_good(command) || command->result.underflow ||
				     command->result.overflow)) {
		fprintf(stderr,
			"transfers: %s of %u bytes: outcome %d status %#x sense %02x/%02x\n",
			cdb_name(command), transfer->length, command->result.outcome,
			command->result.status, command->result.sense[2],
			command->result.sense[12]);
		run->failed = true;
	}
	run->pending--;
	if (run->pending == 0)
		ring_stop(run->ring);
}

static void on_patience(struct ring_timer *timer)
{
	complain("a combination", "takes too long");
	exit(EXIT_FAILURE); /* commands may never come back */
}

static void submit(struct run *run, struct transfer *transfer)
{
	transfer->command.done = on_done;
	if (nexus_execute(run->nexus, &transfer->command) < 0)
		run->failed = true;
	else
		run->pending++;
}

static bool finish(struct run *run)
{
	while (run->pending > 0 && ring_run(run->ring) == 0)
		;
	return !run->failed;
}

static bool learn_capacity(struct run *run)
{
	struct transfer transfer = {.run = run};
	uint8_t data[32];
	struct reader reader = reader_of(data, sizeof(data));

	/* unit attentions after the login */
	for (unsigned i = 0; i < 5; i++) {
		cdb_read_capacity_16(&transfer.command, sizeof(data));
		transfer.command.data = data;
		transfer.command.done = on_done;
		submit(run, &transfer);
		finish(run);
		if (scsi_command_good(&transfer.command))
			break;
	}
	run->blocks = reader_u64(&reader) + 1;
	run->block_size = reader_u32(&reader);
	if (!scsi_command_good(&transfer.command) || run->block_size % 512 != 0)
		return complain("capacity", "unknown");
	return true;
}

/* Each at a place of its own. Return: false when the disk is too small */
static bool lay_out(struct run *run)
{
	uint64_t lba = 1;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct transfer *transfer = &run->transfers[i];

		transfer->run = run;
		transfer->lba = lba;
		transfer->length = MAX(sizes[i] * 512 / run->block_size, 1u) * run->block_size;
		transfer->data = malloc(transfer->length);
		lba += transfer->length / run->block_size + 1;
		if (!transfer->data || lba > run->blocks)
			return complain("disk", "is too small");
	}
	return true;
}

static bool write_all(struct run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		struct transfer *transfer = &run->transfers[i];

		fill(transfer, run->seed, transfer->data);
		cdb_write_16(&transfer->command, 0, transfer->lba,
			     transfer->length / run->block_size, run->block_size);
		transfer->command.data = transfer->data;
		submit(run, transfer);
	}
	return finish(run);
}

/* What was written is there; and something else is put in its place, so that reads prove reads. */
static bool check_image(struct run *run)
{
	for (size_t i = 0; i < run->count; i++) {
		struct transfer *transfer = &run->transfers[i];
		off_t at = (off_t)(transfer->lba * run->block_size);
		ssize_t length = (ssize_t)transfer->length;

		if (pread(run->image_fd, transfer->data, transfer->length, at) != length)
			return complain(run->image, strerror(errno));
		if (!compare(transfer, run->seed, transfer->data, "what was written"))
			return false;
		fill(transfer, run->seed + 1, transfer->data);
		if (pwrite(run->image_fd, transfer->data, transfer->length, at) != length)
			return complain(run->image, strerror(errno));
	}
	return true;
}

static bool read_all(struct run *run, unsigned seed)
{
	for (size_t i = 0; i < run->count; i++) {
		struct transfer *transfer = &run->transfers[i];

		memset(transfer->data, 0xee, transfer->length);
		cdb_read_16(&transfer->command, 0, transfer->lba,
			    transfer->length / run->block_size, run->block_size);
		transfer->command.data = transfer->data;
		submit(run, transfer);
	}
	if (!finish(run))
		return false;
	for (size_t i = 0; i < run->count; i++) {
		run->bytes += 2 * (uint64_t)run->transfers[i].length;
		if (!compare(&run->transfers[i], seed, run->transfers[i].data, "what was read"))
			return false;
	}
	return true;
}

static bool log_out(struct run *run)
{
	session_logout(run->session);
	while (!run->lost && ring_run(run->ring) == 0)
		;
	return !run->failed;
}

static bool move_everything(struct run *run, const struct combination *combination)
{
	unsigned seed = ++run->combinations * 2;

	run->seed = seed;
	run->count = ARRAY_SIZE(sizes);
	if (combination->lengths.segment < SMALL_SEGMENT &&
	    combination->header_digest != combination->data_digest)
		run->count = SMALL_SIZES;
	if (!log_in(run, combination))
		return false;
	ring_timer_arm(run->ring, &run->patience, run->patience_s * UINT64_C(1000));
	if (run->combinations == 1 && (!learn_capacity(run) || !lay_out(run)))
		return false;
	/* a later login may be told of an attention, too */
	if (run->combinations > 1 && !learn_capacity(run))
		return false;
	if (!write_all(run) || (run->image && !check_image(run)) ||
	    !read_all(run, run->image ? seed + 1 : seed) || !log_out(run))
		return false;
	ring_timer_disarm(run->ring, &run->patience);
	return true;
}

static bool every_combination(struct run *run)
{
	for (size_t i = 0; i < (run->once ? 1 : 16 * run->rows); i++) {
		const struct combination combination = {
			.initial_r2t = i & 1,
			.immediate_data = !(i & 2),
			.header_digest = i & 4,
			.data_digest = i & 8,
			.lengths = lengths[run->row + i / 16],
		};

		if (move_everything(run, &combination))
			continue;
		fprintf(stderr,
			"transfers: with InitialR2T=%s ImmediateData=%s HeaderDigest=%s "
			"DataDigest=%s FirstBurstLength=%u MaxBurstLength=%u segments of %u\n",
			combination.initial_r2t ? "Yes" : "No",
			combination.immediate_data ? "Yes" : "No",
			combination.header_digest ? "CRC32C" : "None",
			combination.data_digest ? "CRC32C" : "None",
			combination.lengths.first_burst, combination.lengths.max_burst,
			combination.lengths.segment);
		return false;
	}
	printf("%u combinations, %u of them settled otherwise, %llu MiB\n", run->combinations,
	       run->otherwise, (unsigned long long)(run->bytes >> 20));
	return true;
}

/* ---- options --------------------------------------------------------------------------------- */

static void set_secret(struct chap_credentials *credentials, const char *secret)
{
	credentials->secret_length = (uint16_t)MIN(strlen(secret), (size_t)CHAP_SECRET_MAX);
	memcpy(credentials->secret, secret, credentials->secret_length);
}

/* "8,5", in this order */
static bool take_algorithms(struct login_settings *settings, const char *value)
{
	memset(settings->chap_algorithms, 0, sizeof(settings->chap_algorithms));
	for (unsigned i = 0; i < CHAP_ALGORITHM_MAX && *value; i++) {
		settings->chap_algorithms[i] = (uint8_t)strtoul(value, NULL, 10);
		value += strcspn(value, ",");
		value += *value == ',';
	}
	return settings->chap_algorithms[0] != 0;
}

static bool take_option(struct run *run, int option, const char *value)
{
	struct login_settings *settings = &run->settings;

	switch (option) {
	case 'p':
		return portal_parse(value, strlen(value), &run->portal) == 0;
	case 't':
		run->target = value;
		return text_copy(settings->target_name, sizeof(settings->target_name), value);
	case 'l':
		run->lun = strtoull(value, NULL, 10);
		return true;
	case 'i':
		run->image = value;
		return true;
	case 'e':
		run->exact = true;
		return true;
	case 'o':
		run->once = true;
		return true;
	case 'n':
		run->row = (unsigned)strtoul(value, NULL, 10);
		run->rows = 1;
		return run->row < ARRAY_SIZE(lengths);
	case 'w':
		run->patience_s = (unsigned)strtoul(value, NULL, 10);
		return run->patience_s > 0;
	case 'a':
		return take_algorithms(settings, value);
	case 'u':
		settings->authenticate = true;
		return text_copy(settings->initiator.name, sizeof(settings->initiator.name), value);
	case 's':
		set_secret(&settings->initiator, value);
		return true;
	case 'U':
		return text_copy(settings->target.name, sizeof(settings->target.name), value);
	case 'S':
		set_secret(&settings->target, value);
		return true;
	default:
		return false;
	}
}

static bool take_options(struct run *run, int argc, char **argv)
{
	static const struct option options[] = {
		{"portal", required_argument, NULL, 'p'},
		{"target", required_argument, NULL, 't'},
		{"lun", required_argument, NULL, 'l'},
		{"image", required_argument, NULL, 'i'},
		{"exact", no_argument, NULL, 'e'},
		{"once", no_argument, NULL, 'o'},
		{"lengths", required_argument, NULL, 'n'},
		{"patience", required_argument, NULL, 'w'},
		{"algorithm", required_argument, NULL, 'a'},
		{"user", required_argument, NULL, 'u'},
		{"secret", required_argument, NULL, 's'},
		{"target-user", required_argument, NULL, 'U'},
		{"target-secret", required_argument, NULL, 'S'},
		{},
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!take_option(run, option, optarg))
			return false;
	return run->target && *run->portal.address && optind == argc;
}

int main(int argc, char **argv)
{
	static struct run run = {
		.lun = 1,
		.patience_s = PATIENCE_S,
		.rows = ARRAY_SIZE(lengths),
		.image_fd = -1,
		.settings =
			{
				.initiator_name = "iqn.2026-11.org.hawser:transfers",
				.isid = {0x80, 0, 0, 2, 0, 1},
				.max_connections = 1,
				.data_pdu_in_order = true,
				.data_sequence_in_order = true,
				.chap_algorithms = {CHAP_SHA3_256, CHAP_SHA256, CHAP_SHA1,
						    CHAP_MD5},
			},
	};
	bool good;

	if (!take_options(&run, argc, argv)) {
		fputs(usage, stderr);
		return 2;
	}
	if (run.image) {
		run.image_fd = open(run.image, O_RDWR | O_CLOEXEC);
		if (run.image_fd < 0)
			return complain(run.image, strerror(errno)) ? 0 : EXIT_FAILURE;
	}
	if (ring_new(512, &run.ring) < 0)
		return complain("ring", "cannot be made") ? 0 : EXIT_FAILURE;
	ring_timer_init(&run.patience, on_patience);
	good = every_combination(&run);
	return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
