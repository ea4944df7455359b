/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Key=value text, and what negotiation, names and portals make of it. */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "iscsi/name.h"
#include "iscsi/negotiation.h"
#include "iscsi/portal.h"
#include "iscsi/text_keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_value(struct text_span value)
{
	struct portal portal, again;
	char text[PORTAL_TEXT_MAX];
	uint64_t number;

	(void)text_span_number(value, &number);
	(void)name_usable(value.at, value.length);
	if (portal_parse(value.at, value.length, &portal) < 0)
		return;
	/* what was read can be written and read again */
	portal_format(&portal, true, text);
	assert(portal_parse(text, text_span_of(text).length, &again) == 0);
	assert(portal_equal(&portal, &again) && portal.tpgt == again.tpgt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct login_settings settings = {.header_digest = DIGEST_CRC32C_NONE};
	struct text_span text = {(const char *)data, size};
	struct negotiation negotiation;
	struct text_keys offer, answers;
	struct text_pair pair;
	int r;

	text_keys_init(&offer, 8192);
	text_keys_init(&answers, 8192);
	settings.discovery = size > 0 && (data[0] & 1);
	negotiation_init(&negotiation, &settings);
	if (size > 0 && (data[0] & 2))
		negotiation_offer(&negotiation, LOGIN_STAGE_OPERATIONAL, &offer);

	while ((r = text_pair_next(&text, &pair)) != 0) {
		if (r < 0)
			continue;
		try_value(pair.value);
		(void)negotiation_receive(&negotiation, LOGIN_STAGE_OPERATIONAL, &pair, &answers);
	}
	if (negotiation_conclude(&negotiation) == 0) {
		assert(negotiation.result.first_burst_length <=
		       negotiation.result.max_burst_length);
		assert(negotiation.result.max_xmit_data_segment_length >= 512);
	}
	text_keys_deinit(&offer);
	text_keys_deinit(&answers);
	return 0;
}
