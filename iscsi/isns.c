/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "iscsi/isns.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "iscsi/name.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

#define ANSWER_MAX (4u << 20) /* bytes of one message, over all its PDUs */
#define OUTPUT_MAX 1024u      /* bytes: the longest request has three names */

#define VERSION	 1u
#define RESPONSE 0x8000u /* in the function of a response (§5.1.2) */

struct header { /* §5.1 */
	be16 version, function;
	be16 length; /* of the payload, bytes */
	be16 flags, transaction_id, sequence_id;
};
static_assert(sizeof(struct header) == 12, "a header is 12 bytes");

/* §5.1.4; bit 16 of the standard's figure is the first of these 16 */
enum flag {
	FLAG_CLIENT = 0x8000,
	FLAG_AUTHENTICATION = 0x2000,
	FLAG_LAST = 0x0800,
	FLAG_FIRST = 0x0400,
};

/* §4.1.3 */
enum function { DEVICE_REGISTER = 1, DEVICE_QUERY = 2, DEVICE_DEREGISTER = 4 };

enum node_type { NODE_TARGET = 1, NODE_INITIATOR = 2 };

enum status { STATUS_SUCCESSFUL = 0, STATUS_SOURCE_UNKNOWN = 6 };

/* clang-format off */
static const struct text_name status_names[] = { /* §5.4 */
	{0,  "successful"},
	{1,  "unknown error"},
	{2,  "message format error"},
	{3,  "invalid registration"},
	{4,  "reserved"},
	{5,  "invalid query"},
	{6,  "source unknown"},
	{7,  "source absent"},
	{8,  "source unauthorized"},
	{9,  "no such entry"},
	{10, "version not supported"},
	{11, "internal error"},
	{12, "busy"},
	{13, "option not understood"},
	{14, "invalid update"},
	{15, "message not supported"},
	{16, "SCN event rejected"},
	{17, "SCN registration rejected"},
	{18, "attribute not implemented"},
	{19, "FC_DOMAIN_ID not available"},
	{20, "FC_DOMAIN_ID not allocated"},
	{21, "ESI not available"},
	{22, "invalid deregistration"},
	{23, "registration feature not supported"},
};
/* clang-format on */

const char *isns_status_name(uint32_t status)
{
	return text_name_of(status_names, ARRAY_SIZE(status_names),
			    status <= INT32_MAX ? (int)status : -1, "reserved");
}

enum step {
	STEP_ASK,
	STEP_REGISTER, /* only when the server does not know us */
	STEP_ASK_AGAIN,
	STEP_DEREGISTER, /* everything is known */
	STEP_COUNT,
};

static const uint16_t functions[STEP_COUNT] = {
	[STEP_ASK] = DEVICE_QUERY,
	[STEP_REGISTER] = DEVICE_REGISTER,
	[STEP_ASK_AGAIN] = DEVICE_QUERY,
	[STEP_DEREGISTER] = DEVICE_DEREGISTER,
};

struct isns_query {
	enum isns_state state;
	enum step step;
	char name[ISCSI_NAME_MAX + 1];

	uint8_t output[OUTPUT_MAX];
	size_t output_at, output_length; /* bytes */

	struct header header;
	size_t header_length, payload_left; /* bytes of the PDU that is being read */
	unsigned sequence;		    /* the next PDU's */
	uint8_t *answer;
	size_t answer_length, answer_capacity; /* bytes */

	struct discovered_portal *portals;
	size_t count;
	unsigned skipped;
	char failure[160];
};

DEFINE_OWNED(isns_query);

static void fail(struct isns_query *query, const char *text)
{
	text_copy(query->failure, sizeof(query->failure), text);
	query->state = ISNS_FAILED;
	query->output_length = query->output_at = 0;
}

static uint16_t transaction(enum step step)
{
	return (uint16_t)(step + 1);
}

static void write_empty(struct writer *writer, enum isns_tag tag)
{
	writer_u32(writer, tag);
	writer_u32(writer, 0);
}

static void write_number(struct writer *writer, enum isns_tag tag, uint32_t value)
{
	writer_u32(writer, tag);
	writer_u32(writer, sizeof(value));
	writer_u32(writer, value);
}

/* With its NUL, and padded to a multiple of 4 (§5.3.1, §6.4.1). */
static void write_name(struct writer *writer, const char *name)
{
	static const uint8_t padding[4];
	size_t length = strlen(name), padded = (length / 4 + 1) * 4;

	writer_u32(writer, ISNS_TAG_ISCSI_NAME);
	writer_u32(writer, (uint32_t)padded);
	writer_bytes(writer, name, length);
	writer_bytes(writer, padding, padded - length);
}

/* Nodes whose type is target, each followed by its portals and their group tags (§5.6.5.2). */
static void write_query(struct writer *writer)
{
	static const enum isns_tag wanted[] = {ISNS_TAG_ISCSI_NAME, ISNS_TAG_PORTAL_ADDRESS,
					       ISNS_TAG_PORTAL_PORT, ISNS_TAG_PORTAL_GROUP};

	write_number(writer, ISNS_TAG_NODE_TYPE, NODE_TARGET);
	write_empty(writer, ISNS_TAG_DELIMITER);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
		write_empty(writer, wanted[i]);
}

static void begin(struct isns_query *query, enum step step)
{
	struct writer writer = writer_of(query->output, sizeof(query->output));
	struct header header = {
		.version = be16_of(VERSION),
		.function = be16_of(functions[step]),
		.flags = be16_of(FLAG_CLIENT | FLAG_LAST | FLAG_FIRST),
		.transaction_id = be16_of(transaction(step)),
	};

	query->step = step;
	writer_bytes(&writer, &header, sizeof(header));
	write_name(&writer, query->name); /* the source (§5.6.1) */
	if (functions[step] == DEVICE_QUERY) {
		write_query(&writer);
	} else {
		/* without a key: an entity of the server's choice (§5.6.5.1) */
		write_empty(&writer, ISNS_TAG_DELIMITER);
		write_name(&writer, query->name);
		if (step == STEP_REGISTER)
			write_number(&writer, ISNS_TAG_NODE_TYPE, NODE_INITIATOR);
	}
	assert(!writer.failed);
	header.length = be16_of((uint16_t)(writer.length - sizeof(header)));
	memcpy(query->output, &header, sizeof(header));
	query->output_at = 0;
	query->output_length = writer.length;
	query->sequence = 0;
	query->header_length = query->payload_left = query->answer_length = 0;
	query->state = ISNS_SENDING;
}

int isns_query_new(const char *initiator_name, struct isns_query **ret)
{
	owned(isns_query) query = NULL;

	if (!name_usable(initiator_name, strlen(initiator_name)))
		return -EINVAL;
	query = calloc(1, sizeof(*query));
	if (!query)
		return -ENOMEM;
	text_copy(query->name, sizeof(query->name), initiator_name);
	begin(query, STEP_ASK);
	*ret = take(query);
	return 0;
}

void isns_query_free(struct isns_query *query)
{
	if (!query)
		return;
	free(query->answer);
	free(query->portals);
	free(query);
}

static void take_list(struct isns_query *query, const struct reader *attributes)
{
	int r = isns_parse(attributes->at, attributes->left, &query->portals, &query->count,
			   &query->skipped);

	if (r == -ENOMEM)
		fail(query, "out of memory");
	else if (r == -E2BIG)
		fail(query, "the iSNS server lists more portals than anybody could use");
	else if (r == -EPROTO)
		fail(query, "the iSNS server lists a portal before it names a target");
	else if (r < 0)
		fail(query, "the iSNS server sent an attribute that is cut off or not aligned");
	else if (query->step == STEP_ASK_AGAIN)
		begin(query, STEP_DEREGISTER);
	else
		query->state = ISNS_DONE;
}

static void refused(struct isns_query *query, uint32_t status)
{
	char text[120];

	snprintf(text, sizeof(text), "the iSNS server refused the %s: %s (%u)",
		 query->step == STEP_REGISTER ? "registration" : "query", isns_status_name(status),
		 status);
	fail(query, text);
}

static void take_message(struct isns_query *query)
{
	struct reader reader = reader_of(query->answer, query->answer_length);
	uint32_t status = reader_u32(&reader);

	if (reader.failed)
		fail(query, "the iSNS server sent an answer without a status");
	else if (query->step == STEP_DEREGISTER)
		query->state = ISNS_DONE; /* whatever it says: the registration will expire */
	else if (query->step == STEP_ASK && status == STATUS_SOURCE_UNKNOWN)
		begin(query, STEP_REGISTER);
	else if (status != STATUS_SUCCESSFUL)
		refused(query, status);
	else if (query->step == STEP_REGISTER)
		begin(query, STEP_ASK_AGAIN);
	else
		take_list(query, &reader);
}

/* Return: what is wrong with the header, or NULL */
static const char *check_header(const struct isns_query *query, const struct header *header)
{
	unsigned length = be16_get(header->length), flags = be16_get(header->flags);
	unsigned sequence = be16_get(header->sequence_id);

	if (be16_get(header->version) != VERSION)
		return "the server does not speak iSNS version 1";
	if (be16_get(header->function) != (functions[query->step] | RESPONSE) ||
	    be16_get(header->transaction_id) != transaction(query->step))
		return "the iSNS server answered a question that was not asked";
	if (flags & FLAG_AUTHENTICATION)
		return "the iSNS server signs its answers, which is not supported";
	if (length % 4 != 0)
		return "the iSNS server sent a PDU that is not aligned";
	if (query->sequence > UINT16_MAX)
		return "the answer of the iSNS server does not come to an end";
	if (sequence != query->sequence || !(flags & FLAG_FIRST) != (sequence > 0))
		return "the iSNS server left out a part of its answer";
	if (query->answer_length + length > ANSWER_MAX)
		return "the answer of the iSNS server is too large";
	return NULL;
}

static void take_header(struct isns_query *query)
{
	const char *wrong = check_header(query, &query->header);
	unsigned length = be16_get(query->header.length);
	size_t capacity = MAX(query->answer_capacity * 2, (size_t)4096);
	uint8_t *grown;

	if (wrong) {
		fail(query, wrong);
		return;
	}
	if (query->answer_length + length > query->answer_capacity) {
		capacity = MAX(capacity, query->answer_length + length);
		grown = realloc(query->answer, capacity);
		if (!grown) {
			fail(query, "out of memory");
			return;
		}
		query->answer = grown;
		query->answer_capacity = capacity;
	}
	query->payload_left = length;
}

/* A whole PDU is there. */
static void take_pdu(struct isns_query *query)
{
	bool last = be16_get(query->header.flags) & FLAG_LAST;

	query->header_length = 0;
	query->sequence++;
	if (last)
		take_message(query);
}

static size_t feed(struct isns_query *query, const uint8_t *data, size_t length)
{
	size_t used;

	if (query->header_length < sizeof(query->header)) {
		used = MIN(length, sizeof(query->header) - query->header_length);
		memcpy((uint8_t *)&query->header + query->header_length, data, used);
		query->header_length += used;
		if (query->header_length < sizeof(query->header))
			return used;
		take_header(query);
	} else {
		used = MIN(length, query->payload_left);
		memcpy(query->answer + query->answer_length, data, used);
		query->answer_length += used;
		query->payload_left -= used;
	}
	if (query->state != ISNS_FAILED && query->payload_left == 0)
		take_pdu(query);
	return used;
}

/* An answer can only come after its question. */
size_t isns_input(struct isns_query *query, const void *data, size_t length_bytes)
{
	size_t total = 0;

	if (length_bytes > 0 && query->state == ISNS_SENDING)
		fail(query, "the iSNS server answered a question that was not asked");
	while (total < length_bytes && query->state == ISNS_RECEIVING)
		total += feed(query, (const uint8_t *)data + total, length_bytes - total);
	return total;
}

enum isns_state isns_get_state(const struct isns_query *query)
{
	return query->state;
}

const void *isns_output(const struct isns_query *query, size_t *length_bytes)
{
	*length_bytes = query->output_length - query->output_at;
	return query->output + query->output_at;
}

void isns_sent(struct isns_query *query, size_t length_bytes)
{
	assert(length_bytes <= query->output_length - query->output_at);
	query->output_at += length_bytes;
	if (query->state == ISNS_SENDING && query->output_at == query->output_length)
		query->state = ISNS_RECEIVING;
}

void isns_closed(struct isns_query *query)
{
	if (query->state != ISNS_SENDING && query->state != ISNS_RECEIVING)
		return;
	if (query->step == STEP_DEREGISTER)
		query->state = ISNS_DONE;
	else
		fail(query, "the iSNS server closed the connection before its answer was complete");
}

const char *isns_failure(const struct isns_query *query)
{
	return query->failure;
}

const struct discovered_portal *isns_portals(const struct isns_query *query, size_t *count)
{
	*count = query->state == ISNS_DONE ? query->count : 0;
	return query->portals;
}

unsigned isns_skipped(const struct isns_query *query)
{
	return query->skipped;
}
