/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The text of a discovery, in well-formed Text Responses: how it is cut into PDUs and sequences,
 * and what their flags, tags and numbers say, is the fuzzer's. fuzz_sendtargets does the bytes.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "iscsi/discovery.h"
#include "iscsi/pdu.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

#define TURNS_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct reader input;
	struct discovery *discovery;
	struct bhs_text_request asked;
	uint32_t stat_sn;
};

/* Remembers the last request; all of it is sent at once. */
static void hear(struct world *world)
{
	size_t length;
	const void *output = discovery_output(world->discovery, &length);

	assert(length >= BHS_LENGTH);
	memcpy(&world->asked, output, sizeof(world->asked));
	discovery_sent(world->discovery, length);
}

static void answer(struct world *world)
{
	uint8_t choice = reader_u8(&world->input), bytes[BHS_LENGTH + 512];
	uint32_t length = reader_u8(&world->input) * 2u;
	struct bhs_text_response response = {
		.opcode = PDU_TEXT_RESPONSE,
		.flags = choice & 0xc0, /* F and C */
		.initiator_task_tag = world->asked.initiator_task_tag,
		.target_transfer_tag = be32_of(choice & 0x80 ? RESERVED_TAG : choice),
		.stat_sn = be32_of(world->stat_sn++),
		.exp_cmd_sn = be32_of(be32_get(world->asked.cmd_sn) + 1),
		.max_cmd_sn = be32_of(be32_get(world->asked.cmd_sn) + 5),
	};
	const uint8_t *text;

	if ((choice & 7) == 7) /* something else than what was awaited */
		response.opcode = choice & 8 ? PDU_NOP_IN : PDU_LOGOUT_RESPONSE;
	if ((choice & 7) == 6)
		response.target_transfer_tag = be32_of(reader_u32(&world->input));
	if ((choice & 7) == 5)
		response.stat_sn = be32_of(reader_u32(&world->input));
	length = MIN(length, (uint32_t)world->input.left);
	text = reader_take(&world->input, length);
	response.data_segment_length = be24_of(length);
	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, &response, BHS_LENGTH);
	if (text)
		memcpy(bytes + BHS_LENGTH, text, length);
	discovery_input(world->discovery, bytes, BHS_LENGTH + pdu_padded(length));
}

static void check_portals(const struct discovery *discovery)
{
	size_t count = 0;
	const struct discovered_portal *portals = discovery_portals(discovery, &count);

	for (size_t i = 0; i < count; i++) {
		assert(memchr(portals[i].target_name, '\0', sizeof(portals[i].target_name)));
		assert(text_is_printable(portals[i].target_name));
		assert(text_is_printable(portals[i].address));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct negotiated negotiated = {.max_recv_data_segment_length = 8192};
	const struct login_outcome outcome = {.exp_stat_sn = 1, .cmd_sn = 1, .max_cmd_sn = 8};
	struct world world = {.input = reader_of(data, size), .stat_sn = 1};
	enum discovery_state state;
	unsigned turns = 0;

	if (discovery_new(&negotiated, &outcome, &world.discovery) < 0)
		return 0;
	while (state = discovery_get_state(world.discovery),
	       state == DISCOVERY_SENDING || state == DISCOVERY_RECEIVING) {
		assert(turns++ < TURNS_MAX || world.input.left > 0);
		if (state == DISCOVERY_SENDING)
			hear(&world);
		else if (world.input.left > 0)
			answer(&world);
		else
			discovery_closed(world.discovery);
	}
	if (discovery_get_state(world.discovery) == DISCOVERY_DONE)
		check_portals(world.discovery);
	discovery_free(world.discovery);
	return 0;
}
