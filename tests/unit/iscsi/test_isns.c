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

#include "iscsi/isns.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define INITIATOR "iqn.2026-01.org.example:host"
#define FIRST	  0x0400
#define LAST	  0x0800
#define SERVER	  0x4000

/* --- attributes --- */

/* One attribute as a table writes it: a name, or bytes; a list of them ends with tag 0xffff. */
struct attribute {
	uint32_t tag;
	const char *bytes;
	uint32_t length;
};
#define NAME(text) \
	{ \
		32, text, sizeof(text) \
	}
#define BYTES(literal) literal, sizeof(literal) - 1
#define V4(a, b, c, d) \
	{ \
		16, "\0\0\0\0\0\0\0\0\0\0\xff\xff" a b c d, 16 \
	}
#define PORT_3260 \
	{ \
		17, BYTES("\0\0\x0c\xbc") \
	}
#define PORT_3261 \
	{ \
		17, BYTES("\0\0\x0c\xbd") \
	}
#define TAG_1 \
	{ \
		51, BYTES("\0\0\0\x01") \
	}
#define TAG_2 \
	{ \
		51, BYTES("\0\0\0\x02") \
	}
#define TAG_NULL \
	{ \
		51, NULL, 0 \
	}
#define END \
	{ \
		0xffff, NULL, 0 \
	}

/* Padded with zeros to a multiple of 4, as the standard wants it. */
static void write_attributes(struct writer *writer, const struct attribute *attributes)
{
	static const uint8_t zeros[4];

	for (; attributes->tag != 0xffff; attributes++) {
		uint32_t padding = -attributes->length & 3;

		writer_u32(writer, attributes->tag);
		writer_u32(writer, attributes->length + padding);
		if (attributes->length)
			writer_bytes(writer, attributes->bytes, attributes->length);
		writer_bytes(writer, zeros, padding);
	}
	assert_false(writer->failed);
}

/* clang-format off */
static const struct parse_row {
	struct attribute attributes[12];
	size_t count;
	unsigned skipped;
	struct discovered_portal portals[4];
} parse_rows[] = {
	{{END}, 0, 0, {}},
	/* the message key and the delimiter in front, and what was not asked for */
	{{{33, BYTES("\0\0\0\x01")}, {0, NULL, 0}, NAME("iqn.a"), {34, BYTES("alias\0")},
	  V4("\x0a", "\0", "\0", "\x01"), PORT_3260, {18, BYTES("left\0")}, TAG_1, END}, 1, 0,
		{{"iqn.a", "10.0.0.1", 3260, 1}}},
	/* several portals, each followed by its group tag */
	{{NAME("iqn.a"), V4("\x0a", "\0", "\0", "\x01"), PORT_3260, TAG_1,
	  V4("\x0a", "\0", "\x01", "\x01"), PORT_3261, TAG_2, END}, 2, 0,
		{{"iqn.a", "10.0.0.1", 3260, 1}, {"iqn.a", "10.0.1.1", 3261, 2}}},
	/* several portals, then their group tags in the same order */
	{{NAME("iqn.a"), V4("\x0a", "\0", "\0", "\x01"), PORT_3260,
	  V4("\x0a", "\0", "\x01", "\x01"), PORT_3261, TAG_1, TAG_2, END}, 2, 0,
		{{"iqn.a", "10.0.0.1", 3260, 1}, {"iqn.a", "10.0.1.1", 3261, 2}}},
	/* several nodes; a name of three bytes fills its field with its NUL */
	{{NAME("abc"), V4("\x0a", "\0", "\0", "\x01"), PORT_3260, TAG_1,
	  NAME("iqn.b"), V4("\x0a", "\0", "\0", "\x01"), PORT_3260, END}, 2, 0,
		{{"abc", "10.0.0.1", 3260, 1}, {"iqn.b", "10.0.0.1", 3260, -1}}},
	/* IPv6, and IPv4 with zeros in front */
	{{NAME("iqn.a"), {16, BYTES("\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01")}, PORT_3260,
	  {16, BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01")}, PORT_3260,
	  {16, BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\x7f\0\0\x01")}, PORT_3260, END}, 3, 0,
		{{"iqn.a", "fe80::1", 3260, -1}, {"iqn.a", "::1", 3260, -1}, {"iqn.a", "127.0.0.1", 3260, -1}}},
	/* port 0 is iSCSI's own; UDP is none; reserved bits do not count */
	{{NAME("iqn.a"), V4("\x0a", "\0", "\0", "\x01"), {17, BYTES("\0\0\0\0")},
	  V4("\x0a", "\0", "\0", "\x02"), {17, BYTES("\0\x01\x0c\xbc")},
	  V4("\x0a", "\0", "\0", "\x03"), {17, BYTES("\xff\xfe\x0c\xbd")}, END}, 2, 1,
		{{"iqn.a", "10.0.0.1", 3260, -1}, {"iqn.a", "10.0.0.3", 3261, -1}}},
	/* the tag of a portal that is left out goes with it */
	{{NAME("iqn.a"), V4("\x0a", "\0", "\0", "\x01"), {17, BYTES("\0\x01\x0c\xbc")},
	  V4("\x0a", "\0", "\0", "\x02"), PORT_3260, TAG_1, TAG_2, END}, 1, 1,
		{{"iqn.a", "10.0.0.2", 3260, 2}}},
	/* an empty tag: this node is not there; a tag of 16 bits; a tag too many */
	{{NAME("iqn.a"), V4("\x0a", "\0", "\0", "\x01"), PORT_3260, TAG_NULL,
	  V4("\x0a", "\0", "\0", "\x02"), PORT_3260, {51, BYTES("\0\x01\xff\xff")}, TAG_1, END}, 1, 0,
		{{"iqn.a", "10.0.0.2", 3260, 65535}}},
	{{NAME("iqn.a"), V4("\x0a", "\0", "\0", "\x01"), PORT_3260, {51, BYTES("\0\0\0\x01\0\0\0\x02")}, END}, 1, 0,
		{{"iqn.a", "10.0.0.1", 3260, 1}}},
	/* unusable: addresses */
	{{NAME("iqn.a"), V4("\0", "\0", "\0", "\0"), PORT_3260,
	  {16, BYTES("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")}, PORT_3260, {16, BYTES("\x0a\0\0\x01")}, PORT_3260,
	  {16, NULL, 0}, PORT_3260, PORT_3260, END}, 0, 5, {}},
	/* unusable: ports */
	{{NAME("iqn.a"), V4("\x0a", "\0", "\0", "\x01"), {17, NULL, 0}, END}, 0, 1, {}},
	/* unusable: names; the portals of the node before are not those of the next */
	{{NAME("iqn.a"), NAME("../../etc"), V4("\x0a", "\0", "\0", "\x01"), PORT_3260, TAG_1,
	  {32, NULL, 0}, V4("\x0a", "\0", "\0", "\x01"), PORT_3260, NAME("iqn.b"), PORT_3260, END}, 0, 4, {}},
	/* without NUL; with bytes behind it */
	{{{32, BYTES("iqn.abcd")}, V4("\x0a", "\0", "\0", "\x01"), PORT_3260,
	  {32, BYTES("iqn.e\0xyz")}, V4("\x0a", "\0", "\0", "\x01"), PORT_3260, END}, 2, 0,
		{{"iqn.abcd", "10.0.0.1", 3260, -1}, {"iqn.e", "10.0.0.1", 3260, -1}}},
	/* a tag of nobody */
	{{TAG_1, NAME("iqn.a"), TAG_1, V4("\x0a", "\0", "\0", "\x01"), PORT_3260, END}, 1, 0,
		{{"iqn.a", "10.0.0.1", 3260, -1}}},
};
/* clang-format on */

static void assert_portals(const struct discovered_portal *portals,
			   const struct discovered_portal *wanted, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(portals[i].target_name, wanted[i].target_name);
		assert_string_equal(portals[i].address, wanted[i].address);
		assert_int_equal(portals[i].port, wanted[i].port);
		assert_int_equal(portals[i].tpgt, wanted[i].tpgt);
	}
}

static void answers_are_read_as_servers_write_them(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(parse_rows); i++) {
		const struct parse_row *row = &parse_rows[i];
		owned_memory struct discovered_portal *portals = NULL;
		owned_memory uint8_t *exact = NULL;
		uint8_t bytes[1024];
		struct writer writer = writer_of(bytes, sizeof(bytes));
		unsigned skipped = 77;
		size_t count = 77;

		write_attributes(&writer, row->attributes);
		exact = malloc(writer.length + 1);
		memcpy(exact, bytes, writer.length);
		assert_int_equal(isns_parse(exact, writer.length, &portals, &count, &skipped), 0);
		if (count != row->count || skipped != row->skipped)
			fail_msg("row %zu: %zu portals, %u skipped", i, count, skipped);
		assert_portals(portals, row->portals, count);
	}
}

static void attributes_that_do_not_fit_are_refused(void **state)
{
	/* clang-format off */
	static const struct {
		const char *bytes;
		size_t length;
		int result;
	} rows[] = {
		{BYTES("\0"), -EBADMSG},
		{BYTES("\0\0\0\x20\0\0\0"), -EBADMSG},
		{BYTES("\0\0\0\x20\0\0\0\x04"), -EBADMSG},
		{BYTES("\0\0\0\x20\0\0\0\x08" "iqn"), -EBADMSG},
		{BYTES("\0\0\0\x20\xff\xff\xff\xff" "abc"), -EBADMSG},
		{BYTES("\0\0\0\x20\xff\xff\xff\xfc" "abc"), -EBADMSG},
		{BYTES("\0\0\0\x20\0\0\0\x03" "abc"), -EBADMSG},
		{BYTES("\0\0\0\x63\0\0\0\x05" "abcde"), -EBADMSG},
		{BYTES("\0\0\0\x11\0\0\0\x04\0\0\0\0"), -EPROTO},
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct discovered_portal *portals = NULL;
		owned_memory char *exact = malloc(rows[i].length);
		unsigned skipped = 77;
		size_t count = 77;

		memcpy(exact, rows[i].bytes, rows[i].length);
		if (isns_parse(exact, rows[i].length, &portals, &count, &skipped) != rows[i].result)
			fail_msg("row %zu", i);
		assert_null(portals);
		assert_int_equal(count, 77);
		assert_int_equal(skipped, 77);
	}
}

static void longer_lists_than_anybody_has_are_refused(void **state)
{
	static const struct attribute node[] = {NAME("iqn.a"), END},
				      portal[] = {V4("\x0a", "\0", "\0", "\x01"), PORT_3260, END};
	size_t capacity = 16385 * 36 + 64;
	owned_memory uint8_t *bytes = malloc(capacity);
	owned_memory struct discovered_portal *portals = NULL;
	struct writer writer = writer_of(bytes, capacity);
	unsigned skipped;
	size_t count;

	write_attributes(&writer, node);
	for (unsigned i = 0; i < 16384; i++)
		write_attributes(&writer, portal);
	assert_int_equal(isns_parse(bytes, writer.length, &portals, &count, &skipped), 0);
	assert_int_equal(count, 16384);
	free(take(portals));
	write_attributes(&writer, portal);
	assert_int_equal(isns_parse(bytes, writer.length, &portals, &count, &skipped), -E2BIG);
}

/* --- the exchange --- */

struct server {
	struct isns_query *query;
	uint8_t request[1024];
	size_t request_length;
	unsigned piece; /* bytes fed at a time; 0: all */
};

static void begin(struct server *server)
{
	*server = (struct server){};
	assert_int_equal(isns_query_new(INITIATOR, &server->query), 0);
}

/* Take what is to be sent, some bytes at a time. */
static void take_request(struct server *server)
{
	server->request_length = 0;
	while (isns_get_state(server->query) == ISNS_SENDING) {
		size_t length;
		const void *output = isns_output(server->query, &length);

		length = MIN(length, (size_t)7);
		assert_true(length > 0 &&
			    server->request_length + length <= sizeof(server->request));
		memcpy(server->request + server->request_length, output, length);
		server->request_length += length;
		isns_sent(server->query, length);
	}
}

/* The first PDU's header fields, and the payload of the request. */
static void assert_request(struct server *server, uint16_t function, uint16_t transaction,
			   const struct attribute *attributes)
{
	uint8_t wanted[512];
	struct writer writer = writer_of(wanted, sizeof(wanted));
	struct reader reader;

	take_request(server);
	assert_int_equal(isns_get_state(server->query), ISNS_RECEIVING);
	reader = reader_of(server->request, server->request_length);
	write_attributes(&writer, attributes);
	assert_int_equal(reader_u16(&reader), 1);
	assert_int_equal(reader_u16(&reader), function);
	assert_int_equal(reader_u16(&reader), writer.length);
	assert_int_equal(reader_u16(&reader), 0x8c00);
	assert_int_equal(reader_u16(&reader), transaction);
	assert_int_equal(reader_u16(&reader), 0);
	assert_int_equal(reader.left, writer.length);
	assert_memory_equal(reader.at, wanted, writer.length);
}

static const struct attribute query_attributes[] = {
	NAME(INITIATOR), {33, BYTES("\0\0\0\x01")},
	{0, NULL, 0},	 {32, NULL, 0},
	{16, NULL, 0},	 {17, NULL, 0},
	{51, NULL, 0},	 END,
};
static const struct attribute register_attributes[] = {
	NAME(INITIATOR), {0, NULL, 0}, NAME(INITIATOR), {33, BYTES("\0\0\0\x02")}, END,
};
static const struct attribute deregister_attributes[] = {
	NAME(INITIATOR),
	{0, NULL, 0},
	NAME(INITIATOR),
	END,
};

struct pdu {
	uint16_t version, function, length, flags, transaction, sequence;
};

/* Return: all of it was wanted */
static bool feed(struct server *server, const uint8_t *bytes, size_t length)
{
	for (size_t at = 0; at < length;) {
		size_t piece = server->piece ? MIN(length - at, (size_t)server->piece) : length;

		if (isns_input(server->query, bytes + at, piece) != piece)
			return at + piece == length;
		at += piece;
	}
	return true;
}

static void respond_with(struct server *server, const struct pdu *pdu, const void *payload,
			 size_t length)
{
	owned_memory uint8_t *bytes = malloc(12 + length);
	struct writer writer = writer_of(bytes, 12 + length);

	writer_u16(&writer, pdu->version);
	writer_u16(&writer, pdu->function);
	writer_u16(&writer, pdu->length);
	writer_u16(&writer, pdu->flags);
	writer_u16(&writer, pdu->transaction);
	writer_u16(&writer, pdu->sequence);
	if (length)
		writer_bytes(&writer, payload, length);
	feed(server, bytes, 12 + length);
}

/* A whole answer in one PDU. */
static void respond(struct server *server, uint16_t function, uint16_t transaction, uint32_t status,
		    const struct attribute *attributes)
{
	uint8_t payload[512];
	struct writer writer = writer_of(payload, sizeof(payload));
	struct pdu pdu = {1, 0x8000 | function, 0, SERVER | FIRST | LAST, transaction, 0};

	writer_u32(&writer, status);
	write_attributes(&writer, attributes);
	pdu.length = (uint16_t)writer.length;
	respond_with(server, &pdu, payload, writer.length);
}

static const struct attribute nothing[] = {END};
/* clang-format off */
static const struct attribute two_portals[] = {
	{33, BYTES("\0\0\0\x01")}, {0, NULL, 0}, NAME("iqn.2026-01.org.example:disk"),
	V4("\x0a", "\0", "\0", "\x01"), PORT_3260, TAG_1, V4("\x0a", "\0", "\0", "\x02"), PORT_3261, TAG_2, END,
};
static const struct discovered_portal two_wanted[] = {
	{"iqn.2026-01.org.example:disk", "10.0.0.1", 3260, 1},
	{"iqn.2026-01.org.example:disk", "10.0.0.2", 3261, 2},
};
/* clang-format on */

static void assert_done(struct server *server, size_t wanted)
{
	const struct discovered_portal *portals;
	size_t count;

	if (isns_get_state(server->query) != ISNS_DONE)
		fail_msg("%s", isns_failure(server->query));
	portals = isns_portals(server->query, &count);
	assert_int_equal(count, wanted);
	if (wanted)
		assert_portals(portals, two_wanted, wanted);
	isns_query_free(server->query);
}

static void assert_failed(struct server *server, const char *text)
{
	size_t count;

	assert_int_equal(isns_get_state(server->query), ISNS_FAILED);
	assert_string_equal(isns_failure(server->query), text);
	isns_portals(server->query, &count);
	assert_int_equal(count, 0);
	isns_output(server->query, &count);
	assert_int_equal(count, 0);
	isns_query_free(server->query);
}

static void one_question_gives_all_targets(void **state)
{
	for (unsigned piece = 0; piece < 200; piece++) {
		struct server server;

		begin(&server);
		server.piece = piece;
		assert_request(&server, 2, 1, query_attributes);
		respond(&server, 2, 1, 0, two_portals);
		assert_done(&server, 2);
	}
}

static void nothing_to_see_is_an_answer(void **state)
{
	struct server server;

	begin(&server);
	take_request(&server);
	respond(&server, 2, 1, 0, nothing);
	assert_done(&server, 0);
}

/* Attributes may be cut anywhere: one PDU for each 4 bytes (§5.3). */
static void an_answer_may_come_in_many_pdus(void **state)
{
	uint8_t payload[512];

	for (size_t size = 0; size <= 64; size += 4) {
		struct writer writer = writer_of(payload, sizeof(payload));
		struct server server;
		uint16_t sequence = 0;
		size_t at = 0;

		begin(&server);
		server.piece = 1;
		take_request(&server);
		writer_u32(&writer, 0);
		write_attributes(&writer, two_portals);
		while (at < writer.length) {
			/* with size 0: an empty PDU between any two */
			size_t length = size ? MIN(size, writer.length - at) : sequence % 2 * 4u;
			struct pdu pdu = {1, 0x8002, (uint16_t)length, SERVER, 1, sequence};

			if (sequence++ == 0)
				pdu.flags |= FIRST;
			if (at + length == writer.length)
				pdu.flags |= LAST;
			assert_int_equal(isns_get_state(server.query), ISNS_RECEIVING);
			respond_with(&server, &pdu, payload + at, length);
			at += length;
		}
		assert_done(&server, 2);
	}
}

static void a_server_that_knows_us_not_is_told_our_name(void **state)
{
	struct server server;

	begin(&server);
	assert_request(&server, 2, 1, query_attributes);
	respond(&server, 2, 1, 6, nothing);
	assert_request(&server, 1, 2, register_attributes);
	respond(&server, 1, 2, 0, register_attributes);
	assert_request(&server, 2, 3, query_attributes);
	respond(&server, 2, 3, 0, two_portals);
	assert_request(&server, 4, 4, deregister_attributes);
	respond(&server, 4, 4, 22, nothing); /* no matter */
	assert_done(&server, 2);
}

static void a_server_that_hangs_up_at_the_end_has_still_answered(void **state)
{
	for (int sent = 0; sent < 2; sent++) {
		struct server server;

		begin(&server);
		take_request(&server);
		respond(&server, 2, 1, 6, nothing);
		take_request(&server);
		respond(&server, 1, 2, 0, nothing);
		take_request(&server);
		respond(&server, 2, 3, 0, two_portals);
		if (sent)
			take_request(&server);
		isns_closed(server.query);
		assert_done(&server, 2);
	}
}

static void a_server_that_hangs_up_before_has_not(void **state)
{
	for (int step = 0; step < 4; step++) {
		struct server server;

		begin(&server);
		if (step > 0)
			take_request(&server);
		if (step > 1)
			respond(&server, 2, 1, 6, nothing);
		if (step > 2)
			take_request(&server);
		isns_closed(server.query);
		assert_failed(
			&server,
			"the iSNS server closed the connection before its answer was complete");
	}
}

static void every_status_has_its_name(void **state)
{
	/* clang-format off */
	static const char *const names[] = {
		"successful", "unknown error", "message format error", "invalid registration", "reserved", "invalid query",
		"source unknown", "source absent", "source unauthorized", "no such entry", "version not supported",
		"internal error", "busy", "option not understood", "invalid update", "message not supported",
		"SCN event rejected", "SCN registration rejected", "attribute not implemented", "FC_DOMAIN_ID not available",
		"FC_DOMAIN_ID not allocated", "ESI not available", "invalid deregistration",
		"registration feature not supported",
	};
	/* clang-format on */

	for (uint32_t status = 0; status < ARRAY_SIZE(names); status++)
		assert_string_equal(isns_status_name(status), names[status]);
	assert_string_equal(isns_status_name(24), "reserved");
	assert_string_equal(isns_status_name(UINT32_MAX), "reserved");
}

static void a_refusal_is_told_with_its_status(void **state)
{
	for (uint32_t status = 1; status < 26; status++) {
		struct server server;
		char text[160];

		if (status == 6)
			continue;
		begin(&server);
		take_request(&server);
		respond(&server, 2, 1, status, nothing);
		snprintf(text, sizeof(text), "the iSNS server refused the query: %s (%u)",
			 isns_status_name(status), status);
		assert_failed(&server, text);
	}
}

static void a_server_that_takes_no_registration_is_left(void **state)
{
	struct server server;

	begin(&server);
	take_request(&server);
	respond(&server, 2, 1, 6, nothing);
	take_request(&server);
	respond(&server, 1, 2, 8, nothing);
	assert_failed(&server, "the iSNS server refused the registration: source unauthorized (8)");

	/* and one that forgets at once is not asked for ever */
	begin(&server);
	take_request(&server);
	respond(&server, 2, 1, 6, nothing);
	take_request(&server);
	respond(&server, 1, 2, 0, nothing);
	take_request(&server);
	respond(&server, 2, 3, 6, nothing);
	assert_failed(&server, "the iSNS server refused the query: source unknown (6)");
}

#define NOT_ASKED "the iSNS server answered a question that was not asked"
#define LEFT_OUT  "the iSNS server left out a part of its answer"

static void headers_are_held_to_the_standard(void **state)
{
	/* clang-format off */
	static const struct {
		struct pdu pdu;
		const char *failure;
	} rows[] = {
		{{0, 0x8002, 4, FIRST | LAST, 1, 0}, "the server does not speak iSNS version 1"},
		{{2, 0x8002, 4, FIRST | LAST, 1, 0}, "the server does not speak iSNS version 1"},
		{{0x4854, 0x5450, 0x2f31, 0x2e31, 0x2034, 0x3030}, "the server does not speak iSNS version 1"}, /* HTTP */
		{{1, 0x0002, 4, FIRST | LAST, 1, 0}, NOT_ASKED},
		{{1, 0x8001, 4, FIRST | LAST, 1, 0}, NOT_ASKED},
		{{1, 0x8002, 4, FIRST | LAST, 0, 0}, NOT_ASKED},
		{{1, 0x8002, 4, FIRST | LAST, 2, 0}, NOT_ASKED},
		{{1, 0x8002, 4, FIRST | LAST | 0x2000, 1, 0}, "the iSNS server signs its answers, which is not supported"},
		{{1, 0x8002, 1, FIRST | LAST, 1, 0}, "the iSNS server sent a PDU that is not aligned"},
		{{1, 0x8002, 0xffff, FIRST | LAST, 1, 0}, "the iSNS server sent a PDU that is not aligned"},
		{{1, 0x8002, 4, FIRST | LAST, 1, 1}, LEFT_OUT},
		{{1, 0x8002, 4, LAST, 1, 0}, LEFT_OUT},
		{{1, 0x8002, 4, 0, 1, 0}, LEFT_OUT},
		{{1, 0x8002, 0, FIRST | LAST, 1, 0}, "the iSNS server sent an answer without a status"},
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct server server;

		begin(&server);
		take_request(&server);
		respond_with(&server, &rows[i].pdu, NULL, 0);
		assert_failed(&server, rows[i].failure);
	}
}

static void a_second_pdu_is_the_next_and_not_the_first(void **state)
{
	/* clang-format off */
	static const struct pdu rows[] = {
		{1, 0x8002, 4, LAST, 1, 0}, {1, 0x8002, 4, LAST, 1, 2}, {1, 0x8002, 4, FIRST | LAST, 1, 1},
		{1, 0x8002, 4, FIRST | LAST, 1, 0},
	};
	/* clang-format on */

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		static const struct pdu first = {1, 0x8002, 4, FIRST, 1, 0};
		struct server server;

		begin(&server);
		take_request(&server);
		respond_with(&server, &first, "\0\0\0\0", 4);
		assert_int_equal(isns_get_state(server.query), ISNS_RECEIVING);
		respond_with(&server, &rows[i], NULL, 0);
		assert_failed(&server, LEFT_OUT);
	}
}

static void an_answer_ends_in_bounded_memory_and_time(void **state)
{
	static uint8_t payload[65532];
	struct server server;
	struct pdu pdu = {1, 0x8002, sizeof(payload), FIRST, 1, 0};

	begin(&server);
	take_request(&server);
	for (; pdu.sequence < 64; pdu.sequence++, pdu.flags = 0)
		respond_with(&server, &pdu, payload, sizeof(payload));
	assert_int_equal(isns_get_state(server.query), ISNS_RECEIVING);
	respond_with(&server, &pdu, payload, sizeof(payload));
	assert_failed(&server, "the answer of the iSNS server is too large");

	begin(&server);
	take_request(&server);
	pdu = (struct pdu){1, 0x8002, 0, FIRST, 1, 0};
	for (unsigned i = 0; i < 65536; i++, pdu.sequence++, pdu.flags = 0)
		respond_with(&server, &pdu, NULL, 0);
	assert_int_equal(isns_get_state(server.query), ISNS_RECEIVING);
	respond_with(&server, &pdu, NULL, 0);
	assert_failed(&server, "the answer of the iSNS server does not come to an end");
}

static void an_answer_before_its_question_is_none(void **state)
{
	struct server server;

	begin(&server);
	assert_int_equal(isns_input(server.query, "x", 1), 0);
	assert_failed(&server, NOT_ASKED);
}

static void bytes_behind_the_answer_are_left(void **state)
{
	static const uint8_t answer[17] = {0, 1, 0x80, 2, 0, 4, 0x4c, 0, 0, 1};
	struct server server;

	begin(&server);
	take_request(&server);
	assert_int_equal(isns_input(server.query, answer, sizeof(answer)), 16);
	assert_int_equal(isns_input(server.query, answer, sizeof(answer)), 0);
	isns_closed(server.query);
	assert_done(&server, 0);
}

static void broken_attributes_fail_the_query(void **state)
{
	static const struct attribute no_node[] = {V4("\x0a", "\0", "\0", "\x01"), PORT_3260, END};
	static const struct pdu cut = {1, 0x8002, 8, FIRST | LAST, 1, 0};
	struct server server;

	begin(&server);
	take_request(&server);
	respond(&server, 2, 1, 0, no_node);
	assert_failed(&server, "the iSNS server lists a portal before it names a target");

	begin(&server);
	take_request(&server);
	respond_with(&server, &cut, "\0\0\0\0\0\0\0\x20", 8);
	assert_failed(&server, "the iSNS server sent an attribute that is cut off or not aligned");
}

static void names_fit_whatever_their_length(void **state)
{
	char name[ISCSI_NAME_MAX + 2] = "";

	for (size_t length = 1; length <= ISCSI_NAME_MAX; length++) {
		struct isns_query *query;
		struct reader reader;
		size_t bytes;

		name[length - 1] = 'a';
		assert_int_equal(isns_query_new(name, &query), 0);
		reader = reader_of(isns_output(query, &bytes), 0);
		reader.left = bytes;
		reader_skip(&reader, 16);
		assert_int_equal(reader_u32(&reader), (length + 4) / 4 * 4);
		assert_string_equal((const char *)reader.at, name);
		isns_query_free(query);
	}
	name[ISCSI_NAME_MAX] = 'a';
	assert_int_equal(isns_query_new(name, &(struct isns_query *){NULL}), -EINVAL);
	assert_int_equal(isns_query_new("", &(struct isns_query *){NULL}), -EINVAL);
	isns_query_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_are_read_as_servers_write_them),
		cmocka_unit_test(attributes_that_do_not_fit_are_refused),
		cmocka_unit_test(longer_lists_than_anybody_has_are_refused),
		cmocka_unit_test(one_question_gives_all_targets),
		cmocka_unit_test(nothing_to_see_is_an_answer),
		cmocka_unit_test(an_answer_may_come_in_many_pdus),
		cmocka_unit_test(a_server_that_knows_us_not_is_told_our_name),
		cmocka_unit_test(a_server_that_hangs_up_at_the_end_has_still_answered),
		cmocka_unit_test(a_server_that_hangs_up_before_has_not),
		cmocka_unit_test(every_status_has_its_name),
		cmocka_unit_test(a_refusal_is_told_with_its_status),
		cmocka_unit_test(a_server_that_takes_no_registration_is_left),
		cmocka_unit_test(headers_are_held_to_the_standard),
		cmocka_unit_test(a_second_pdu_is_the_next_and_not_the_first),
		cmocka_unit_test(an_answer_ends_in_bounded_memory_and_time),
		cmocka_unit_test(an_answer_before_its_question_is_none),
		cmocka_unit_test(bytes_behind_the_answer_are_left),
		cmocka_unit_test(broken_attributes_fail_the_query),
		cmocka_unit_test(names_fit_whatever_their_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
