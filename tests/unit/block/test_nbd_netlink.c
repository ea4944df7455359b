/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <linux/genetlink.h>
#include <linux/nbd-netlink.h>
#include <linux/netlink.h>
#include <string.h>

#include "block/nbd_netlink.h"
#include "util/cleanup.h"

#define FAMILY 33

/* What a message says, taken apart without the library that put it together. */
struct said {
	uint8_t command;
	unsigned lengths[NBD_ATTR_MAX + 1]; /* with the attribute's head; 0: not there */
	uint64_t numbers[NBD_ATTR_MAX + 1];
	char backend[NBD_BACKEND_MAX];
	uint32_t socket;
};

static uint64_t number_of(const struct nlattr *attribute)
{
	uint64_t number = 0;

	if (attribute->nla_len <= NLA_HDRLEN + sizeof(number))
		memcpy(&number, (const char *)attribute + NLA_HDRLEN,
		       attribute->nla_len - (size_t)NLA_HDRLEN);
	return number;
}

static struct said take_apart(const struct nbd_message *message)
{
	_Alignas(struct nlmsghdr) static char buffer[NBD_MESSAGE_MAX_BYTES];
	size_t length = nbd_message_fill(buffer, FAMILY, 7, message);
	size_t at = NLMSG_HDRLEN + GENL_HDRLEN;
	struct genlmsghdr generic;
	struct nlmsghdr header;
	struct said said = {};

	memcpy(&header, buffer, sizeof(header));
	memcpy(&generic, buffer + NLMSG_HDRLEN, sizeof(generic));
	assert_int_equal(header.nlmsg_len, length);
	assert_int_equal(header.nlmsg_type, FAMILY);
	assert_int_equal(header.nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	assert_int_equal(header.nlmsg_seq, 7);
	assert_int_equal(generic.version, NBD_GENL_VERSION);
	said.command = generic.cmd;
	while (at < length) {
		const struct nlattr *attribute = (const void *)(buffer + at);
		unsigned type = attribute->nla_type & NLA_TYPE_MASK;

		assert_true(attribute->nla_len >= NLA_HDRLEN && type <= NBD_ATTR_MAX);
		assert_int_equal(said.lengths[type], 0);
		said.lengths[type] = attribute->nla_len;
		said.numbers[type] = number_of(attribute);
		if (type == NBD_ATTR_BACKEND_IDENTIFIER)
			strcpy(said.backend, buffer + at + NLA_HDRLEN);
		if (type == NBD_ATTR_SOCKETS) /* in an item, in the list */
			memcpy(&said.socket, buffer + at + 3 * (size_t)NLA_HDRLEN,
			       sizeof(said.socket));
		at += NLA_ALIGN(attribute->nla_len);
	}
	assert_int_equal(at, length);
	return said;
}

static void a_device_is_asked_for_with_all_that_it_shall_be(void **state)
{
	struct nbd_message message = NBD_MESSAGE(NBD_CMD_CONNECT);
	struct said said;

	message.size_bytes = UINT64_C(5) << 40;
	message.block_size = 4096;
	message.flags = 0x6d;
	message.fd = 12;
	message.backend = "hawser-0123456789abcdef";
	message.dead_connection_s = 86400;
	said = take_apart(&message);
	assert_int_equal(said.command, NBD_CMD_CONNECT);
	assert_int_equal(said.lengths[NBD_ATTR_INDEX], 0);
	assert_int_equal(said.numbers[NBD_ATTR_SIZE_BYTES], UINT64_C(5) << 40);
	assert_int_equal(said.lengths[NBD_ATTR_SIZE_BYTES], NLA_HDRLEN + 8);
	assert_int_equal(said.numbers[NBD_ATTR_BLOCK_SIZE_BYTES], 4096);
	assert_int_equal(said.numbers[NBD_ATTR_SERVER_FLAGS], 0x6d);
	assert_int_equal(said.numbers[NBD_ATTR_DEAD_CONN_TIMEOUT], 86400);
	/* A request may take as long as it likes. */
	assert_int_equal(said.lengths[NBD_ATTR_TIMEOUT], 0);
	assert_int_equal(said.lengths[NBD_ATTR_CLIENT_FLAGS], 0);
	assert_int_equal(said.lengths[NBD_ATTR_SOCKETS], 3 * NLA_HDRLEN + 4);
	assert_int_equal(said.socket, 12);
	assert_string_equal(said.backend, "hawser-0123456789abcdef");
}

static void what_is_not_set_is_not_said(void **state)
{
	struct nbd_message message = NBD_MESSAGE(NBD_CMD_DISCONNECT);
	struct said said;

	message.index = 0;
	said = take_apart(&message);
	assert_int_equal(said.command, NBD_CMD_DISCONNECT);
	assert_int_equal(said.lengths[NBD_ATTR_INDEX], NLA_HDRLEN + 4);
	assert_int_equal(said.numbers[NBD_ATTR_INDEX], 0);
	for (unsigned type = 0; type <= NBD_ATTR_MAX; type++)
		if (type != NBD_ATTR_INDEX)
			assert_int_equal(said.lengths[type], 0);
}

static void a_device_gets_a_new_connection_or_a_new_size(void **state)
{
	struct nbd_message message = NBD_MESSAGE(NBD_CMD_RECONFIGURE);
	struct said said;

	message.index = 3;
	message.fd = 0;
	message.backend = "hawser-1";
	said = take_apart(&message);
	assert_int_equal(said.numbers[NBD_ATTR_INDEX], 3);
	assert_int_equal(said.lengths[NBD_ATTR_SOCKETS], 3 * NLA_HDRLEN + 4);
	assert_int_equal(said.socket, 0);
	assert_int_equal(said.lengths[NBD_ATTR_SIZE_BYTES], 0);

	message.fd = -1;
	message.size_bytes = 1 << 20;
	said = take_apart(&message);
	assert_int_equal(said.lengths[NBD_ATTR_SOCKETS], 0);
	assert_int_equal(said.numbers[NBD_ATTR_SIZE_BYTES], 1 << 20);
}

/* With the module or without: it answers, and what it says fits. */
static void looking_for_the_module_does_no_harm(void **state)
{
	int r = nbd_netlink_probe();

	assert_true(r <= 0);
	if (r < 0)
		assert_true(nbd_netlink_status(0) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_device_is_asked_for_with_all_that_it_shall_be),
		cmocka_unit_test(what_is_not_set_is_not_said),
		cmocka_unit_test(a_device_gets_a_new_connection_or_a_new_size),
		cmocka_unit_test(looking_for_the_module_does_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
