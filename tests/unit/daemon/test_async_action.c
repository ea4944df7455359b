/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "daemon/async_action.h"
#include "iscsi/async_queue.h"
#include "iscsi/pdu.h"
#include "util/cleanup.h"

static struct async_message unit_event(uint8_t key, uint8_t asc, uint8_t ascq)
{
	struct async_message message = {
		.event = ASYNC_SCSI_EVENT,
		.lun = UINT64_C(0x0005000000000000),
		.sense_length = 18,
		.sense = {0x70, 0, key, 0, 0, 0, 0, 10},
	};

	message.sense[12] = asc;
	message.sense[13] = ascq;
	return message;
}

/* The codes after which there is nothing to look at, ASC << 8 | ASCQ, first and last. */
static const uint16_t only_logged[][2] = {
	{0x2a02, 0x2a05}, {0x2a08, 0x2a08}, {0x2a0a, 0x2a13}, {0x2a21, 0x2a21},
	{0x2f00, 0x2fff}, {0x3807, 0x3807}, {0x3f0f, 0x3f11}, {0x3f15, 0x3f15},
	{0x3f17, 0x3f1b}, {0x5a00, 0x5aff}, {0x5e00, 0x5eff},
};

static enum async_action action_of(unsigned code)
{
	for (size_t i = 0; i < ARRAY_SIZE(only_logged); i++)
		if (code >= only_logged[i][0] && code <= only_logged[i][1])
			return ASYNC_ACTION_LOG;
	if (code == 0x2a06 || code == 0x2a07)
		return ASYNC_ACTION_ACCESS;
	return code >= 0x3f12 && code <= 0x3f14 ? ASYNC_ACTION_PORTALS : ASYNC_ACTION_SCAN;
}

static void every_unit_attention_has_its_action(void **state)
{
	for (unsigned code = 0; code < 0x10000; code++) {
		struct async_message message = unit_event(6, (uint8_t)(code >> 8), (uint8_t)code);

		assert_int_equal(async_action_of(&message), action_of(code));
	}
}

static void changed_luns_capacity_and_identity_are_looked_at(void **state)
{
	static const uint8_t codes[][2] = {{0x3f, 0x0e}, {0x2a, 0x09}, {0x3f, 0x03},
					   {0x3f, 0x05}, {0x29, 0x00}, {0x28, 0x00}};

	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		struct async_message message = unit_event(6, codes[i][0], codes[i][1]);

		assert_int_equal(async_action_of(&message), ASYNC_ACTION_SCAN);
	}
}

static void sense_that_is_no_unit_attention_is_only_logged(void **state)
{
	for (uint8_t key = 0; key < 16; key++) {
		struct async_message message = unit_event(key, 0x3f, 0x0e);

		assert_int_equal(async_action_of(&message),
				 key == 6 ? ASYNC_ACTION_SCAN : ASYNC_ACTION_LOG);
	}
}

static void an_event_without_sense_is_looked_at(void **state)
{
	struct async_message message = unit_event(6, 0x5a, 0);

	message.sense_length = 0;
	assert_int_equal(async_action_of(&message), ASYNC_ACTION_SCAN);
	message.sense_length = 18;
	message.sense[0] = 0x12; /* no format that there is */
	assert_int_equal(async_action_of(&message), ASYNC_ACTION_SCAN);
}

static void other_events_are_only_logged_unless_some_were_left_out(void **state)
{
	for (unsigned event = 1; event < 256; event++) {
		struct async_message message = {.event = (uint8_t)event};

		assert_int_equal(async_action_of(&message), ASYNC_ACTION_LOG);
		message.left_out = 1;
		assert_int_equal(async_action_of(&message), ASYNC_ACTION_SCAN);
	}
}

static void the_words_name_the_unit_and_the_sense(void **state)
{
	struct async_message message = unit_event(6, 0x3f, 0x0e);
	char text[200];

	async_action_describe(&message, text, sizeof(text));
	assert_non_null(strstr(text, "unit 5: unit attention"));
	assert_non_null(strstr(text, "(6/3f/0e)"));
	message.left_out = 12;
	async_action_describe(&message, text, sizeof(text));
	assert_non_null(strstr(text, "12 more"));
	assert_non_null(strstr(text, "(6/3f/0e)"));
	message.sense_length = 0;
	async_action_describe(&message, text, sizeof(text));
	assert_non_null(strstr(text, "without sense data"));
	async_action_describe(&(struct async_message){.event = 250}, text, sizeof(text));
	assert_string_equal(text, "asynchronous event 250: an event of its vendor");
	/* a small buffer is filled and ended */
	for (size_t size = 1; size < 80; size++) {
		memset(text, 'x', sizeof(text));
		async_action_describe(&message, text, size);
		assert_true(strlen(text) < size);
		assert_int_equal(text[size], 'x');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_unit_attention_has_its_action),
		cmocka_unit_test(changed_luns_capacity_and_identity_are_looked_at),
		cmocka_unit_test(sense_that_is_no_unit_attention_is_only_logged),
		cmocka_unit_test(an_event_without_sense_is_looked_at),
		cmocka_unit_test(other_events_are_only_logged_unless_some_were_left_out),
		cmocka_unit_test(the_words_name_the_unit_and_the_sense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
