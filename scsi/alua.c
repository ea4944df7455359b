/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "scsi/alua.h"

#include <errno.h>
#include <stdlib.h>

#include "scsi/cdb.h"
#include "scsi/exchange.h"
#include "scsi/nexus.h"
#include "util/cleanup.h"

#define LENGTH_BYTES	    4
#define EXTENDED_BYTES	    4	 /* of the header that follow the length */
#define FORMAT_MASK	    0x70 /* RETURN DATA FORMAT */
#define FORMAT_EXTENDED	    0x10
#define PORT_BYTES	    4u
#define GROUP_PREFERRED	    0x80
#define GROUP_STATE	    0x0f
#define FIRST_BYTES	    1024  /* of an answer; more when it says that there is more */
#define MOST_BYTES	    65536 /* who has more groups than that is broken */
#define PARAMETER_BYTES	    8
#define PARAMETER_OPTIMIZED 0x00

/* ---- states ---------------------------------------------------------------------------------- */

/* clang-format off */
static const struct {
	const char *name;
	uint8_t code;
} states[ACCESS_STATE_COUNT] = {
	[ACCESS_UNKNOWN]       = {"",              0xff},
	[ACCESS_OPTIMIZED]     = {"optimized",     0x0},
	[ACCESS_NON_OPTIMIZED] = {"non-optimized", 0x1},
	[ACCESS_STANDBY]       = {"standby",       0x2},
	[ACCESS_UNAVAILABLE]   = {"unavailable",   0x3},
	[ACCESS_LBA_DEPENDENT] = {"lba-dependent", 0x4},
	[ACCESS_OFFLINE]       = {"offline",       0xe},
	[ACCESS_TRANSITIONING] = {"transitioning", 0xf},
};

/* The ASC of all of them is 04h. */
static const struct {
	uint8_t ascq;
	enum access_state state;
} senses[] = {
	{0x0a, ACCESS_TRANSITIONING},
	{0x0b, ACCESS_STANDBY},
	{0x0c, ACCESS_UNAVAILABLE},
	{0x12, ACCESS_OFFLINE},
};
/* clang-format on */

const char *access_state_name(enum access_state state)
{
	return states[state].name;
}

enum access_state access_state_of(uint8_t code)
{
	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		if (states[i].code == code)
			return (enum access_state)i;
	}
	return ACCESS_UNKNOWN;
}

enum access_state access_state_of_sense(uint8_t key, uint8_t asc, uint8_t ascq)
{
	if (asc != 0x04 || (key != SENSE_NOT_READY && key != SENSE_UNIT_ATTENTION))
		return ACCESS_UNKNOWN;
	for (size_t i = 0; i < ARRAY_SIZE(senses); i++) {
		if (senses[i].ascq == ascq)
			return senses[i].state;
	}
	return ACCESS_UNKNOWN;
}

bool access_sense_is_change(uint8_t key, uint8_t asc, uint8_t ascq)
{
	return key == SENSE_UNIT_ATTENTION && asc == 0x2a && (ascq == 0x06 || ascq == 0x07);
}

/* ---- what a device tells --------------------------------------------------------------------- */

uint32_t alua_report_length(const void *data, size_t length)
{
	struct reader reader = reader_of(data, length);
	uint32_t told = reader_u32(&reader);

	if (reader.failed)
		return 0;
	return told > UINT32_MAX - LENGTH_BYTES ? UINT32_MAX : told + LENGTH_BYTES;
}

int alua_report_parse(const void *data, size_t length, struct alua_report *ret)
{
	struct reader reader = reader_of(data, MIN(length, alua_report_length(data, length)));
	uint8_t transition_s = 0;

	reader_skip(&reader, LENGTH_BYTES);
	if (reader.failed)
		return -EBADMSG;
	/* Without it the first descriptor stands here, whose bits 6 to 4 are reserved. */
	if (reader.left >= EXTENDED_BYTES && (reader.at[0] & FORMAT_MASK) == FORMAT_EXTENDED) {
		reader_skip(&reader, 1);
		transition_s = reader_u8(&reader);
		reader_skip(&reader, 2);
	}
	*ret = (struct alua_report){.transition_s = transition_s, .groups = reader};
	return 0;
}

bool alua_report_next(struct alua_report *report, struct alua_group *ret)
{
	struct reader *reader = &report->groups;
	uint8_t state = reader_u8(reader), supported = reader_u8(reader);
	uint16_t id = reader_u16(reader);
	struct alua_group group = {
		.id = id,
		.state = access_state_of(state & GROUP_STATE),
		.preferred = state & GROUP_PREFERRED,
		.supported = supported,
	};
	size_t ports_bytes;

	reader_skip(reader, 1);
	group.status = reader_u8(reader);
	reader_skip(reader, 1);
	ports_bytes = PORT_BYTES * reader_u8(reader);
	if (reader->failed)
		return false;
	/* With the extended header, LIO (Linux 6.12) does not count that one in its length. */
	group.ports = reader_sub(reader, MIN(ports_bytes, reader->left));
	*ret = group;
	return true;
}

bool alua_group_has_port(const struct alua_group *group, uint16_t relative_port)
{
	struct reader ports = group->ports;

	while (ports.left >= PORT_BYTES) {
		reader_skip(&ports, 2);
		if (reader_u16(&ports) == relative_port)
			return true;
	}
	return false;
}

bool alua_report_find(const struct alua_report *report, int32_t relative_port, int32_t id,
		      struct alua_group *ret)
{
	struct alua_report rest = *report;
	struct alua_group group;
	bool found = false;

	while (alua_report_next(&rest, &group)) {
		if (relative_port >= 0 && alua_group_has_port(&group, (uint16_t)relative_port)) {
			*ret = group;
			return true;
		}
		if (!found && id >= 0 && group.id == id) {
			*ret = group;
			found = true;
		}
	}
	return found;
}

/* ---- answers --------------------------------------------------------------------------------- */

/* clang-format off */
static const int errors[EXCHANGE_ANSWER_COUNT] = {
	[EXCHANGE_ATTENTION] = -EBUSY, /* no end of them */
	[EXCHANGE_NOT_READY] = -EBUSY,
	[EXCHANGE_BUSY]      = -EBUSY,
	[EXCHANGE_AGAIN]     = -EIO,
	[EXCHANGE_REFUSED]   = -EOPNOTSUPP,
	[EXCHANGE_RESERVED]  = -EIO,
	[EXCHANGE_NO_UNIT]   = -EIO,
	[EXCHANGE_ERROR]     = -EIO,
	[EXCHANGE_LOST]      = -ENOTCONN,
};
/* clang-format on */

static int error_of(const struct exchange *exchange, enum exchange_answer answer)
{
	const struct scsi_sense *sense = &exchange->sense;

	if (answer == EXCHANGE_LOST && exchange->nexus->up)
		return -ETIMEDOUT; /* it took too long and was aborted */
	if (answer == EXCHANGE_NOT_READY &&
	    access_state_of_sense(sense->key, sense->asc, sense->ascq) == ACCESS_TRANSITIONING)
		return -EINPROGRESS;
	return errors[answer];
}

/* ---- REPORT TARGET PORT GROUPS --------------------------------------------------------------- */

struct alua_query {
	struct exchange exchange;
	void (*done)(int error, const struct alua_report *report, void *userdata);
	void *userdata;
	bool plain; /* the extended header was refused */
	bool ended;
	uint32_t size;
	uint8_t *data; /* owned, @size bytes */
};

static void query_free(struct alua_query *query)
{
	free(query->data);
	free(query);
}

static void query_end(struct alua_query *query, int error, const struct alua_report *report)
{
	query->ended = true;
	query->done(error, report, query->userdata);
	query_free(query);
}

static int query_send(struct alua_query *query)
{
	memset(query->data, 0, query->size);
	query->exchange.command.data = query->data;
	cdb_report_target_port_groups(&query->exchange.command, !query->plain, query->size);
	return exchange_send(&query->exchange);
}

/* Return: 0, there is more of the answer and it was asked for. */
static int query_more(struct alua_query *query, uint32_t told)
{
	uint32_t size = MIN(told, (uint32_t)MOST_BYTES);
	uint8_t *data;

	if (size <= query->size)
		return -ENODATA;
	data = malloc(size);
	if (!data)
		return -ENOMEM;
	free(query->data);
	query->data = data;
	query->size = size;
	return query_send(query);
}

static void query_good(struct alua_query *query)
{
	size_t received = scsi_command_received(&query->exchange.command);
	struct alua_report report;

	if (query_more(query, alua_report_length(query->data, received)) == 0)
		return;
	if (alua_report_parse(query->data, received, &report) < 0)
		query_end(query, -EBADMSG, NULL);
	else
		query_end(query, 0, &report);
}

static void query_answered(struct exchange *exchange, enum exchange_answer answer)
{
	struct alua_query *query = container_of(exchange, struct alua_query, exchange);

	if (answer == EXCHANGE_GOOD) {
		query_good(query);
		return;
	}
	/* The target takes its time; whoever asked decides when to ask again. */
	if (answer != EXCHANGE_NOT_READY && answer != EXCHANGE_BUSY &&
	    exchange_resend(exchange, answer))
		return;
	if (answer == EXCHANGE_REFUSED && !query->plain) {
		query->plain = true;
		if (query_send(query) == 0)
			return;
	}
	query_end(query, error_of(exchange, answer), NULL);
}

static void query_released(struct exchange *exchange)
{
	query_free(container_of(exchange, struct alua_query, exchange));
}

int alua_query_start(struct nexus *nexus, uint32_t timeout_ms,
		     void (*done)(int error, const struct alua_report *report, void *userdata),
		     void *userdata, struct alua_query **ret)
{
	struct alua_query *query = calloc(1, sizeof(*query));
	int r;

	if (!query)
		return -ENOMEM;
	query->data = malloc(FIRST_BYTES);
	query->size = FIRST_BYTES;
	query->exchange.nexus = nexus;
	query->exchange.timeout_ms = timeout_ms;
	query->exchange.answered = query_answered;
	query->exchange.released = query_released;
	query->done = done;
	query->userdata = userdata;
	r = query->data ? query_send(query) : -ENOMEM;
	if (r < 0) {
		query_free(query);
		return r;
	}
	*ret = query;
	return 0;
}

void alua_query_cancel(struct alua_query *query)
{
	if (query && !query->ended)
		exchange_cancel(&query->exchange);
}

/* ---- SET TARGET PORT GROUPS ------------------------------------------------------------------ */

struct alua_activation {
	struct exchange exchange;
	void (*done)(int error, void *userdata);
	void *userdata;
	bool ended;
	uint8_t parameters[PARAMETER_BYTES];
};

#define COMMAND_FAILED_ASC  0x67 /* SET TARGET PORT GROUPS COMMAND FAILED */
#define COMMAND_FAILED_ASCQ 0x0a

static void activation_answered(struct exchange *exchange, enum exchange_answer answer)
{
	struct alua_activation *activation =
		container_of(exchange, struct alua_activation, exchange);
	const struct scsi_sense *sense = &exchange->sense;
	int error = answer == EXCHANGE_GOOD ? 0 : error_of(exchange, answer);

	/* It is not to be sent twice, unless it was not executed for certain. */
	if (answer == EXCHANGE_ATTENTION && exchange_resend(exchange, answer))
		return;
	if (answer == EXCHANGE_REFUSED && sense->asc == COMMAND_FAILED_ASC &&
	    sense->ascq == COMMAND_FAILED_ASCQ)
		error = -EREMOTEIO;
	activation->ended = true;
	activation->done(error, activation->userdata);
	free(activation);
}

static void activation_released(struct exchange *exchange)
{
	free(container_of(exchange, struct alua_activation, exchange));
}

int alua_activation_start(struct nexus *nexus, uint16_t group, uint32_t timeout_ms,
			  void (*done)(int error, void *userdata), void *userdata,
			  struct alua_activation **ret)
{
	struct alua_activation *activation = calloc(1, sizeof(*activation));
	struct writer writer;
	int r;

	if (!activation)
		return -ENOMEM;
	writer = writer_of(activation->parameters, sizeof(activation->parameters));
	writer_u32(&writer, 0);
	writer_u8(&writer, PARAMETER_OPTIMIZED);
	writer_u8(&writer, 0);
	writer_u16(&writer, group);
	activation->exchange.nexus = nexus;
	activation->exchange.timeout_ms = timeout_ms;
	activation->exchange.answered = activation_answered;
	activation->exchange.released = activation_released;
	activation->exchange.command.data = activation->parameters;
	activation->done = done;
	activation->userdata = userdata;
	cdb_set_target_port_groups(&activation->exchange.command, sizeof(activation->parameters));
	r = exchange_send(&activation->exchange);
	if (r < 0) {
		free(activation);
		return r;
	}
	*ret = activation;
	return 0;
}

void alua_activation_cancel(struct alua_activation *activation)
{
	if (activation && !activation->ended)
		exchange_cancel(&activation->exchange);
}
