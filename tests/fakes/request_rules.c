/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "tests/fakes/request_rules.h"

#include <stddef.h>

#include "iscsi/pdu.h"

struct zero_range {
	uint8_t from, to; /* bytes of the header, the second one not included */
};

enum immediate { IMMEDIATE_NEVER, IMMEDIATE_MAY, IMMEDIATE_ALWAYS };

struct request_rule {
	bool known;
	enum immediate immediate; /* §11.2.1.1 */
	bool final_always;
	uint8_t reserved_flags;
	struct zero_range reserved[4];
};

/* clang-format off */
static const struct request_rule rules[64] = {
	[PDU_NOP_OUT]                 = {true, IMMEDIATE_MAY,    true,  0x7f, {{2, 4}, {32, 48}}},
	[PDU_SCSI_COMMAND]            = {true, IMMEDIATE_MAY,    false, 0x18, {{3, 4}}},
	[PDU_TASK_MANAGEMENT_REQUEST] = {true, IMMEDIATE_MAY,    true,  0x00, {{2, 4}, {40, 48}}},
	[PDU_LOGIN_REQUEST]           = {true, IMMEDIATE_ALWAYS, false, 0x30, {{22, 24}, {32, 48}}},
	[PDU_TEXT_REQUEST]            = {true, IMMEDIATE_MAY,    false, 0x3f, {{2, 4}, {32, 48}}},
	[PDU_DATA_OUT]                = {true, IMMEDIATE_NEVER,  false, 0x7f,
					 {{2, 4}, {24, 28}, {32, 36}, {44, 48}}},
	[PDU_LOGOUT_REQUEST]          = {true, IMMEDIATE_MAY,    true,  0x00,
					 {{2, 4}, {8, 16}, {22, 24}, {32, 48}}},
	[PDU_SNACK]                   = {true, IMMEDIATE_NEVER,  true,  0x70,
					 {{2, 4}, {24, 28}, {32, 40}}},
};
/* clang-format on */

const char *request_broken_rule(const struct bhs *bhs)
{
	const struct request_rule *rule = &rules[pdu_opcode(bhs)];
	const uint8_t *bytes = (const uint8_t *)bhs;
	bool immediate = bhs->opcode & PDU_IMMEDIATE;

	if (!rule->known)
		return "an opcode that no initiator sends (11.2.1.2)";
	if (bhs->opcode & 0x80)
		return "a reserved bit of byte 0 (11.2.1)";
	if (immediate ? rule->immediate == IMMEDIATE_NEVER : rule->immediate == IMMEDIATE_ALWAYS)
		return "the I bit (11.2.1.1)";
	if (rule->final_always && !(bhs->flags & PDU_FINAL))
		return "bit 0 of byte 1 is always 1 (11.2.1)";
	if (bhs->flags & rule->reserved_flags)
		return "reserved flags (11)";
	if (bhs->total_ahs_length != 0 && pdu_opcode(bhs) != PDU_SCSI_COMMAND)
		return "additional header segments (11.2.1.5)";
	for (size_t i = 0; i < sizeof(rule->reserved) / sizeof(rule->reserved[0]); i++)
		for (unsigned at = rule->reserved[i].from; at < rule->reserved[i].to; at++)
			if (bytes[at] != 0)
				return "a reserved field (11)";
	return NULL;
}
