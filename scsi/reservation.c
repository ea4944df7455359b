/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "scsi/reservation.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "scsi/cdb.h"
#include "scsi/command.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

#define FLAG_APTPL     0x01
#define FLAG_ALL_TG_PT 0x04
#define TYPE_MASK      0x0f
#define HEADER_BYTES   8

#define CAPABILITY_PTPL_C 0x01
#define CAPABILITY_ATP_C  0x04
#define CAPABILITY_SIP_C  0x08
#define CAPABILITY_CRH	  0x10
#define CAPABILITY_TMV	  0x80
#define CAPABILITY_PTPL_A 0x01

#define STATUS_R_HOLDER	 0x01
#define STATUS_ALL_TG_PT 0x02

#define TRANSPORT_PROTOCOL_MASK 0x0f
#define TRANSPORT_ISCSI		0x05

/* clang-format off */
static const struct {
	const char *name, *short_name;
} types[RESERVATION_TYPES] = {
	[RESERVATION_NONE]                              = {"", NULL},
	[RESERVATION_WRITE_EXCLUSIVE]                   = {"write-exclusive", "we"},
	[RESERVATION_EXCLUSIVE_ACCESS]                  = {"exclusive-access", "ea"},
	[RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY]  = {"write-exclusive-registrants-only", "we-ro"},
	[RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY] = {"exclusive-access-registrants-only", "ea-ro"},
	[RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS]   = {"write-exclusive-all-registrants", "we-ar"},
	[RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS]  = {"exclusive-access-all-registrants", "ea-ar"},
};

/* PERSISTENT RESERVATION TYPE MASK (SPC-4 table 213) */
static const struct {
	uint16_t bit;
	uint8_t type;
} type_bits[] = {
	{0x0200, RESERVATION_WRITE_EXCLUSIVE},
	{0x0800, RESERVATION_EXCLUSIVE_ACCESS},
	{0x2000, RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY},
	{0x4000, RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY},
	{0x8000, RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS},
	{0x0001, RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS},
};
/* clang-format on */

const char *reservation_type_name(uint8_t type)
{
	return type < RESERVATION_TYPES && types[type].name ? types[type].name : "unknown";
}

int reservation_type_of(const char *name)
{
	uint64_t number;

	if (text_parse_u64(name, 1, RESERVATION_TYPES - 1, &number) == 0)
		return types[number].short_name ? (int)number : -EINVAL;
	for (int i = 0; i < RESERVATION_TYPES; i++) {
		if (types[i].short_name && (strcasecmp(types[i].name, name) == 0 ||
					    strcasecmp(types[i].short_name, name) == 0))
			return i;
	}
	return -EINVAL;
}

bool reservation_admits_registrants(uint8_t type)
{
	return type >= RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY &&
	       type <= RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS;
}

void reservation_list_types(char text[RESERVATION_TYPES_TEXT_MAX])
{
	size_t length = 0;

	text[0] = '\0';
	for (int i = 0; i < RESERVATION_TYPES && length < RESERVATION_TYPES_TEXT_MAX; i++)
		if (reservation_admits_registrants((uint8_t)i))
			length += (size_t)snprintf(
				text + length, RESERVATION_TYPES_TEXT_MAX - length, "%s%s (%s)",
				length ? ", " : "", types[i].name, types[i].short_name);
}

bool reservation_is_held_by_all(uint8_t type)
{
	return type == RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS ||
	       type == RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS;
}

/* --- commands --- */

struct cdb_reserve_in { /* SPC-4 §6.15 */
	uint8_t opcode;
	uint8_t service_action;
	uint8_t reserved[5];
	be16 allocation_length;
	uint8_t control;
};
static_assert(sizeof(struct cdb_reserve_in) == 10, "SPC-4 §6.15.1");

struct cdb_reserve_out { /* SPC-4 §6.16 */
	uint8_t opcode;
	uint8_t service_action;
	uint8_t type; /* and scope, bits 7-4: 0, the logical unit */
	uint8_t reserved[2];
	be32 parameter_list_length;
	uint8_t control;
};
static_assert(sizeof(struct cdb_reserve_out) == 10, "SPC-4 §6.16.1");

struct reserve_out_list { /* SPC-4 §6.16.3 */
	be64 key;
	be64 action_key;
	uint8_t obsolete[4];
	uint8_t flags;
	uint8_t reserved[3];
};
static_assert(sizeof(struct reserve_out_list) == RESERVATION_LIST_BYTES, "SPC-4 §6.16.3");

void reservation_in_fill(struct scsi_command *command, enum reservation_in action,
			 uint16_t allocation_length)
{
	const struct cdb_reserve_in cdb = {
		.opcode = SCSI_PERSISTENT_RESERVE_IN,
		.service_action = (uint8_t)action,
		.allocation_length = be16_of(allocation_length),
	};

	memset(command->cdb, 0, sizeof(command->cdb));
	memcpy(command->cdb, &cdb, sizeof(cdb));
	command->direction = SCSI_DATA_IN;
	command->data_length = allocation_length;
}

void reservation_out_fill(struct scsi_command *command, const struct reservation_order *order,
			  uint8_t list[RESERVATION_LIST_BYTES])
{
	const struct cdb_reserve_out cdb = {
		.opcode = SCSI_PERSISTENT_RESERVE_OUT,
		.service_action = (uint8_t)order->action,
		.type = order->type & TYPE_MASK,
		.parameter_list_length = be32_of(RESERVATION_LIST_BYTES),
	};
	const struct reserve_out_list parameters = {
		.key = be64_of(order->key),
		.action_key = be64_of(order->action_key),
		.flags = (uint8_t)((order->survives_power ? FLAG_APTPL : 0) |
				   (order->all_target_ports ? FLAG_ALL_TG_PT : 0)),
	};

	memset(command->cdb, 0, sizeof(command->cdb));
	memcpy(command->cdb, &cdb, sizeof(cdb));
	memcpy(list, &parameters, sizeof(parameters));
	command->direction = SCSI_DATA_OUT;
	command->data = list;
	command->data_length = RESERVATION_LIST_BYTES;
}

/* --- answers --- */

/* What follows the header, as far as it came and the device counts it. */
static int open_list(const void *data, size_t length, uint32_t *generation, uint32_t *told_bytes,
		     struct reader *ret)
{
	struct reader reader = reader_of(data, length);
	uint32_t first = reader_u32(&reader), bytes = reader_u32(&reader);

	if (reader.failed)
		return -EBADMSG;
	*generation = first;
	*told_bytes = bytes;
	*ret = reader_of(reader.at, MIN(reader.left, (size_t)bytes));
	return 0;
}

int reservation_keys_parse(const void *data, size_t length, struct reservation_keys *ret)
{
	struct reader list;
	uint32_t bytes;
	int r = open_list(data, length, &ret->generation, &bytes, &list);

	if (r < 0)
		return r;
	ret->total = bytes / 8;
	for (ret->count = 0; list.left >= 8 && ret->count < RESERVATION_KEYS_MAX; ret->count++)
		ret->keys[ret->count] = reader_u64(&list);
	return 0;
}

int reservation_status_parse(const void *data, size_t length, struct reservation_status *ret)
{
	struct reservation_status status = {};
	struct reader list;
	uint32_t bytes;
	int r = open_list(data, length, &status.generation, &bytes, &list);

	if (r < 0)
		return r;
	if (bytes > 0) {
		status.key = reader_u64(&list);
		reader_skip(&list, 5); /* obsolete, reserved */
		status.type = reader_u8(&list) & TYPE_MASK;
		if (list.failed)
			return -EBADMSG;
	}
	*ret = status;
	return 0;
}

int reservation_capabilities_parse(const void *data, size_t length,
				   struct reservation_capabilities *ret)
{
	struct reader reader = reader_of(data, length);
	uint16_t bits;
	uint8_t can, does;

	reader_skip(&reader, 2); /* length: 8, always */
	can = reader_u8(&reader);
	does = reader_u8(&reader);
	bits = reader_u16(&reader);
	if (reader.failed)
		return -EBADMSG;
	*ret = (struct reservation_capabilities){
		.compatible_reserve = can & CAPABILITY_CRH,
		.names_initiators = can & CAPABILITY_SIP_C,
		.all_target_ports = can & CAPABILITY_ATP_C,
		.may_survive_power = can & CAPABILITY_PTPL_C,
		.survives_power = does & CAPABILITY_PTPL_A,
	};
	for (size_t i = 0; (does & CAPABILITY_TMV) && i < ARRAY_SIZE(type_bits); i++)
		if (bits & type_bits[i].bit)
			ret->types |= (uint16_t)(1u << type_bits[i].type);
	return 0;
}

/* SPC-4 §7.6.4.6: an iSCSI TransportID is text; others are bytes. */
static void name_initiator(struct reader id, struct reservation_registrant *registrant)
{
	uint8_t protocol = reader_u8(&id) & TRANSPORT_PROTOCOL_MASK;
	char *text = registrant->initiator;
	size_t room = sizeof(registrant->initiator), length;

	if (protocol == TRANSPORT_ISCSI) {
		reader_skip(&id, 1);
		length = reader_u16(&id);
		length = id.failed ? 0 : MIN(length, id.left);
		text_sanitise(text, room, id.at, length);
		return;
	}
	length = (size_t)snprintf(text, room, "protocol %u ", protocol);
	text_hex_encode(id.at, MIN(id.left, (room - length - 1) / 2), text + length);
}

static void read_registrant(struct reader *list, struct reservation_registrant *ret)
{
	uint8_t flags;

	*ret = (struct reservation_registrant){.key = reader_u64(list)};
	reader_skip(list, 4);
	flags = reader_u8(list);
	ret->holder = flags & STATUS_R_HOLDER;
	ret->all_target_ports = flags & STATUS_ALL_TG_PT;
	ret->type = reader_u8(list) & TYPE_MASK;
	if (!ret->holder)
		ret->type = RESERVATION_NONE; /* SPC-4: the field says nothing then */
	reader_skip(list, 4);
	ret->relative_port = reader_u16(list);
	name_initiator(reader_sub(list, reader_u32(list)), ret);
}

int reservation_registrants_parse(const void *data, size_t length, uint32_t *generation,
				  struct reservation_registrant *registrants, size_t capacity)
{
	struct reader list;
	uint32_t bytes;
	size_t count = 0;
	int r = open_list(data, length, generation, &bytes, &list);

	if (r < 0)
		return r;
	while (list.left > 0 && count < capacity) {
		read_registrant(&list, &registrants[count]);
		if (list.failed)
			break;
		count++;
	}
	return (int)count;
}
