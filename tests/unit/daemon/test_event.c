/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "daemon/event.h"
#include "util/text.h"

static struct session_view session = {
	.sid = 3,
	.target = "iqn.2026-01.org.example:disk",
	.persistent_address = "10.0.0.1",
	.persistent_port = 3260,
};
static struct map_view map = {.id = 0x10, .name = "backup"};
static struct path_view path = {.id = 0x20, .map = &map, .session = &session, .lun_number = 5};

static void fill(struct event *event, enum object_kind about, const void *object,
		 const struct event_facts *facts)
{
	event_fill(event, about, object, facts, 1000, 10);
}

static const char *text_of(const struct event *event)
{
	static char text[EVENT_TEXT_MAX];

	return event_text(event, text);
}

/* --- the table --- */

static bool is_lower_case_word(const char *word)
{
	for (const char *at = word; *at; at++)
		if (!islower((unsigned char)*at) && *at != '-')
			return false;
	return *word;
}

static void every_kind_has_a_name_and_an_id_of_its_own(void **state)
{
	for (int i = 0; i < EVENT_KIND_COUNT; i++) {
		const struct event_kind_row *row = event_kind_row((enum event_kind)i);

		assert_true(is_lower_case_word(row->name));
		assert_int_equal(event_kind_of(row->name), i);
		assert_int_equal(strlen(row->message_id), 32);
		assert_int_equal(strspn(row->message_id, "0123456789abcdef"), 32);
		assert_in_range(row->severity, LOG_CRIT, LOG_INFO);
		assert_true(*row->meaning);
		assert_non_null(row->advice);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(event_kind_row((enum event_kind)j)->message_id,
						row->message_id);
	}
	assert_int_equal(event_kind_of("no-such-kind"), -EINVAL);
}

static void numbers_have_names_that_fit_journal_and_text(void **state)
{
	for (int i = 0; i < EVENT_KIND_COUNT; i++) {
		const struct event_kind_row *row = event_kind_row((enum event_kind)i);

		for (int n = 0; n < EVENT_NUMBERS_MAX && row->numbers[n]; n++) {
			assert_true(is_lower_case_word(row->numbers[n]));
			assert_true(strlen(row->numbers[n]) < 24);
		}
	}
}

/* An event of @kind about a path, in which every field has a value. */
static struct event complete_event(enum event_kind kind)
{
	struct event event;

	fill(&event, OBJECT_PATH, &path,
	     &(struct event_facts){
		     .kind = kind,
		     .state = "down",
		     .from = "active",
		     .reason = "because",
		     .doubt = DOUBT_OPEN,
		     .numbers = {1001, 1002, 1003, 1004},
	     });
	return event;
}

static void every_sentence_says_what_it_names(void **state)
{
	for (int i = 0; i < EVENT_KIND_COUNT; i++) {
		struct event event = complete_event((enum event_kind)i);
		const char *at = event_kind_row((enum event_kind)i)->text;
		size_t literal = strcspn(at, "{[");
		const char *said = text_of(&event);

		/* a field that does not exist leaves a hole: two blanks, or one before a mark */
		assert_int_equal(strncmp(said, at, literal), 0);
		assert_null(strpbrk(said, "{}[]"));
		assert_null(strstr(said, "  "));
		assert_null(strstr(said, " :"));
		assert_null(strstr(said, " ,"));
		assert_true(said[strlen(said) - 1] != ' ');
	}
}

/* --- one event --- */

static void an_event_knows_session_map_and_path(void **state)
{
	struct event event;
	char name[EVENT_PATH_NAME_MAX];

	fill(&event, OBJECT_PATH, &path,
	     &(struct event_facts){
		     .kind = EVENT_PATH_CHANGED,
		     .state = "failed",
		     .from = "active",
		     .reason = "offline",
		     .verdicts = VERDICT_FAILP,
		     .numbers = {1, 2},
	     });
	assert_string_equal(event_target(&event), "iqn.2026-01.org.example:disk");
	assert_string_equal(event_portal(&event), "10.0.0.1:3260");
	assert_string_equal(event_map(&event), "backup");
	assert_string_equal(event_reason(&event), "offline");
	assert_string_equal(event_path_name(&event, name), "p0000000000000020");
	assert_int_equal(event.sid, 3);
	assert_int_equal(event.lun, 5);
	assert_int_equal(event.map_id, 0x10);
	assert_int_equal(event.realtime_us, 1000);
	assert_int_equal(event.monotonic_us, 10);
	assert_int_equal(event.severity, event_kind_row(EVENT_PATH_CHANGED)->severity);
	assert_string_equal(text_of(&event), "map backup: path 10.0.0.1:3260 is failed (was "
					     "active): offline; 1 of 2 paths usable");
}

static void brackets_without_a_value_are_left_out(void **state)
{
	struct event event;

	fill(&event, OBJECT_PATH, &path,
	     &(struct event_facts){
		     .kind = EVENT_PATH_CHANGED, .state = "active", .from = "probation"});
	assert_string_equal(text_of(&event), "map backup: path 10.0.0.1:3260 is active (was "
					     "probation); 0 of 0 paths usable");
}

static void an_event_about_nothing_is_the_daemons(void **state)
{
	struct event event;

	fill(&event, OBJECT_SESSION, NULL, &(struct event_facts){.kind = EVENT_RECORD_DAMAGED});
	assert_int_equal(event.about, OBJECT_MANAGER);
	assert_string_equal(event_target(&event), "");
	assert_string_equal(event_portal(&event), "");
}

static void severity_and_verdicts_of_the_case_come_before_the_kinds(void **state)
{
	struct event event;

	fill(&event, OBJECT_SESSION, &session,
	     &(struct event_facts){
		     .kind = EVENT_TARGET_REPORT, .severity = LOG_ERR, .verdicts = VERDICT_RESCAN});
	assert_int_equal(event.severity, LOG_ERR);
	assert_int_equal(event.verdicts, VERDICT_EVT | VERDICT_RESCAN);
}

static void an_ipv6_portal_stands_in_brackets(void **state)
{
	struct session_view six = session;
	struct event event;

	text_copy(six.persistent_address, sizeof(six.persistent_address), "fe80::1%eth0");
	fill(&event, OBJECT_SESSION, &six, &(struct event_facts){.kind = EVENT_LOGGED_IN});
	assert_string_equal(event_portal(&event), "[fe80::1%eth0]:3260");
}

static void strings_are_cut_and_never_run_into_each_other(void **state)
{
	static struct session_view long_session;
	static struct map_view long_map;
	struct path_view long_path = {.map = &long_map, .session = &long_session};
	struct event event;
	char reason[1000];

	memset(long_session.target, 't', sizeof(long_session.target) - 1);
	memset(long_session.persistent_address, 'a', sizeof(long_session.persistent_address) - 1);
	memset(long_map.name, 'm', sizeof(long_map.name) - 1);
	memset(reason, 'r', sizeof(reason) - 1);
	reason[sizeof(reason) - 1] = '\0';
	fill(&event, OBJECT_PATH, &long_path,
	     &(struct event_facts){.kind = EVENT_PATH_CHANGED, .reason = reason});
	assert_int_equal(strlen(event_target(&event)), sizeof(long_session.target) - 1);
	assert_int_equal(strlen(event_portal(&event)), EVENT_PORTAL_MAX - 1);
	assert_int_equal(strlen(event_map(&event)), sizeof(long_map.name) - 1);
	assert_in_range(strlen(event_reason(&event)), 64, EVENT_REASON_MAX - 1);
	assert_int_equal(strspn(event_reason(&event), "r"), strlen(event_reason(&event)));
	assert_true(strlen(text_of(&event)) < EVENT_TEXT_MAX);
	fill(&event, OBJECT_MANAGER, NULL,
	     &(struct event_facts){.kind = EVENT_RECORD_DAMAGED, .reason = reason});
	assert_int_equal(strlen(event_reason(&event)), EVENT_REASON_MAX - 1);
}

static void what_a_target_sends_cannot_reach_a_terminal(void **state)
{
	struct event event;

	fill(&event, OBJECT_SESSION, &session,
	     &(struct event_facts){.kind = EVENT_TARGET_REPORT, .reason = "\x1b[2J\xff {sid}"});
	assert_string_equal(event_reason(&event), "?[2J? {sid}");
	assert_string_equal(text_of(&event), "session 3: the target reports ?[2J? {sid}");
}

static void an_event_can_be_about_what_another_was(void **state)
{
	struct event event, other = complete_event(EVENT_PATH_CHANGED);

	fill(&event, OBJECT_MANAGER, NULL,
	     &(struct event_facts){
		     .kind = EVENT_SUPPRESSED, .state = "path-changed", .numbers = {7, 60}});
	event_set_about(&event, &other);
	assert_int_equal(event.about, OBJECT_PATH);
	assert_int_equal(event.id, path.id);
	assert_string_equal(text_of(&event),
			    "7 more events 'path-changed' within 60 s of map backup at "
			    "10.0.0.1:3260 are not written here; 'hawser events' shows them");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind_has_a_name_and_an_id_of_its_own),
		cmocka_unit_test(numbers_have_names_that_fit_journal_and_text),
		cmocka_unit_test(every_sentence_says_what_it_names),
		cmocka_unit_test(an_event_knows_session_map_and_path),
		cmocka_unit_test(brackets_without_a_value_are_left_out),
		cmocka_unit_test(an_event_about_nothing_is_the_daemons),
		cmocka_unit_test(severity_and_verdicts_of_the_case_come_before_the_kinds),
		cmocka_unit_test(an_ipv6_portal_stands_in_brackets),
		cmocka_unit_test(strings_are_cut_and_never_run_into_each_other),
		cmocka_unit_test(what_a_target_sends_cannot_reach_a_terminal),
		cmocka_unit_test(an_event_can_be_about_what_another_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
