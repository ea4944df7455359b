/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "block/nbd_netlink.h"

#include <assert.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/genetlink.h>
#include <linux/nbd-netlink.h>
#include <string.h>
#include <sys/socket.h>

#include "util/cleanup.h"

#define ANSWER_BYTES 16384

struct family {
	uint16_t number;
	uint32_t last_attribute;
};

/* --- messages --- */

static struct nlmsghdr *put_headers(void *buffer, uint16_t type, uint32_t sequence, uint8_t command)
{
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct genlmsghdr *generic;

	header->nlmsg_type = type;
	header->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	header->nlmsg_seq = sequence;
	generic = mnl_nlmsg_put_extra_header(header, sizeof(*generic));
	generic->cmd = command;
	generic->version = NBD_GENL_VERSION;
	return header;
}

static void put_socket(struct nlmsghdr *header, int fd)
{
	struct nlattr *sockets = mnl_attr_nest_start(header, NBD_ATTR_SOCKETS);
	struct nlattr *item = mnl_attr_nest_start(header, NBD_SOCK_ITEM);

	mnl_attr_put_u32(header, NBD_SOCK_FD, (uint32_t)fd);
	mnl_attr_nest_end(header, item);
	mnl_attr_nest_end(header, sockets);
}

static void put_unless_zero(struct nlmsghdr *header, uint16_t type, uint64_t value)
{
	if (value)
		mnl_attr_put_u64(header, type, value);
}

size_t nbd_message_fill(void *buffer, uint16_t family, uint32_t sequence,
			const struct nbd_message *message)
{
	struct nlmsghdr *header = put_headers(buffer, family, sequence, message->command);

	if (message->index >= 0)
		mnl_attr_put_u32(header, NBD_ATTR_INDEX, (uint32_t)message->index);
	put_unless_zero(header, NBD_ATTR_SIZE_BYTES, message->size_bytes);
	put_unless_zero(header, NBD_ATTR_BLOCK_SIZE_BYTES, message->block_size);
	put_unless_zero(header, NBD_ATTR_SERVER_FLAGS, message->flags);
	/*
	 * Never NBD_ATTR_TIMEOUT: with it a request whose answer takes longer ends the connection,
	 * and a unit that is slow would look like a daemon that is dead.
	 */
	put_unless_zero(header, NBD_ATTR_DEAD_CONN_TIMEOUT, message->dead_connection_s);
	if (message->backend) {
		assert(strlen(message->backend) < NBD_BACKEND_MAX);
		mnl_attr_put_strz(header, NBD_ATTR_BACKEND_IDENTIFIER, message->backend);
	}
	if (message->fd >= 0)
		put_socket(header, message->fd);
	assert(header->nlmsg_len <= NBD_MESSAGE_MAX_BYTES);
	return header->nlmsg_len;
}

/* --- talking --- */

/* Send @request and read until the kernel has acknowledged it; @answered sees what comes before. */
static int talk(struct mnl_socket *socket, const void *request, size_t length_bytes,
		mnl_cb_t answered, void *userdata)
{
	uint32_t sequence = ((const struct nlmsghdr *)request)->nlmsg_seq;
	char buffer[ANSWER_BYTES];
	ssize_t length;
	int r;

	if (mnl_socket_sendto(socket, request, length_bytes) < 0)
		return -errno;
	do {
		length = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
		if (length < 0)
			return -errno;
		r = mnl_cb_run(buffer, (size_t)length, sequence, mnl_socket_get_portid(socket),
			       answered, userdata);
	} while (r > MNL_CB_STOP);
	return r < 0 ? -errno : 0;
}

static int on_family(const struct nlmsghdr *header, void *userdata)
{
	struct family *family = userdata;
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, sizeof(struct genlmsghdr))
	{
		uint16_t type = mnl_attr_get_type(attribute);

		if (type == CTRL_ATTR_FAMILY_ID && mnl_attr_validate(attribute, MNL_TYPE_U16) == 0)
			family->number = mnl_attr_get_u16(attribute);
		if (type == CTRL_ATTR_MAXATTR && mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
			family->last_attribute = mnl_attr_get_u32(attribute);
	}
	return MNL_CB_OK;
}

static int find_family(struct mnl_socket *socket, struct family *family)
{
	_Alignas(struct nlmsghdr) char buffer[NBD_MESSAGE_MAX_BYTES];
	struct nlmsghdr *header = put_headers(buffer, GENL_ID_CTRL, 1, CTRL_CMD_GETFAMILY);
	int r;

	mnl_attr_put_strz(header, CTRL_ATTR_FAMILY_NAME, NBD_GENL_FAMILY_NAME);
	*family = (struct family){};
	r = talk(socket, header, header->nlmsg_len, on_family, family);
	return r == 0 && family->number == 0 ? -ENOENT : r;
}

static int open_socket(struct mnl_socket **ret, struct family *family)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_GENERIC, SOCK_CLOEXEC);
	int r;

	if (!socket)
		return -errno;
	r = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	if (r == 0)
		r = find_family(socket, family);
	if (r < 0) {
		mnl_socket_close(socket);
		return r;
	}
	*ret = socket;
	return 0;
}

int nbd_netlink_probe(void)
{
	struct mnl_socket *socket;
	struct family family;
	int r = open_socket(&socket, &family);

	if (r < 0)
		return r;
	mnl_socket_close(socket);
	return family.last_attribute < NBD_ATTR_BACKEND_IDENTIFIER ? -EOPNOTSUPP : 0;
}

static int ask(const struct nbd_message *message, mnl_cb_t answered, void *userdata)
{
	_Alignas(struct nlmsghdr) char buffer[NBD_MESSAGE_MAX_BYTES];
	struct mnl_socket *socket;
	struct family family;
	int r = open_socket(&socket, &family);

	if (r < 0)
		return r;
	r = talk(socket, buffer, nbd_message_fill(buffer, family.number, 2, message), answered,
		 userdata);
	mnl_socket_close(socket);
	return r;
}

static int on_index(const struct nlmsghdr *header, void *userdata)
{
	const struct nlattr *attribute;
	uint32_t *index = userdata;

	mnl_attr_for_each(attribute, header, sizeof(struct genlmsghdr))
	{
		if (index && mnl_attr_get_type(attribute) == NBD_ATTR_INDEX &&
		    mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
			*index = mnl_attr_get_u32(attribute);
	}
	return MNL_CB_OK;
}

int nbd_netlink_send(const struct nbd_message *message, uint32_t *index)
{
	return ask(message, on_index, index);
}

static int on_device(const struct nlattr *attribute, void *userdata)
{
	int *connected = userdata;

	if (mnl_attr_get_type(attribute) == NBD_DEVICE_CONNECTED &&
	    mnl_attr_validate(attribute, MNL_TYPE_U8) == 0)
		*connected = mnl_attr_get_u8(attribute) != 0;
	return MNL_CB_OK;
}

static int on_device_item(const struct nlattr *attribute, void *userdata)
{
	return mnl_attr_parse_nested(attribute, on_device, userdata);
}

static int on_devices(const struct nlmsghdr *header, void *userdata)
{
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, sizeof(struct genlmsghdr))
	{
		if (mnl_attr_get_type(attribute) == NBD_ATTR_DEVICE_LIST)
			mnl_attr_parse_nested(attribute, on_device_item, userdata);
	}
	return MNL_CB_OK;
}

int nbd_netlink_status(uint32_t index)
{
	struct nbd_message message = NBD_MESSAGE(NBD_CMD_STATUS);
	int connected = -ENODEV, r;

	message.index = index;
	r = ask(&message, on_devices, &connected);
	return r < 0 ? r : connected;
}
