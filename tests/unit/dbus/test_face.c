/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/face.h"
#include "daemon/record.h"
#include "daemon/event.h"
#include "tests/unit/dbus/harness.h"
#include "util/cleanup.h"

#define ROOT	    "/org/hawser1"
#define NODE	    "org.hawser1.Node"
#define SESSION	    "org.hawser1.Session"
#define RESERVATION "org.hawser1.Reservation"
#define PROPERTIES  "org.freedesktop.DBus.Properties"
#define MANAGER	    "org.freedesktop.DBus.ObjectManager"
#define DBUS_ERROR  "org.freedesktop.DBus.Error."
#define OUR_ERROR   "org.hawser1.Error."

static struct node *first_node(struct harness *h)
{
	return list_first(manager_nodes(h->manager), struct node, link);
}

static struct session_view *first_session(struct harness *h)
{
	return list_first(manager_sessions(h->manager), struct session_view, link);
}

static struct map_view *first_map(struct harness *h)
{
	struct map_view *map = list_first(manager_maps(h->manager), struct map_view, link);

	if (!map)
		abort();
	return map;
}

static const char *path_of_node(const struct node *node)
{
	static char path[96];

	snprintf(path, sizeof(path), ROOT "/node/n%016lx", (unsigned long)node->id);
	return path;
}

static const char *path_of_map(const struct map_view *map)
{
	static char path[96];

	snprintf(path, sizeof(path), ROOT "/map/m%016lx", (unsigned long)map->id);
	return path;
}

/* --- reading --- */

static void lists_give_every_object_with_its_properties(void **state)
{
	struct harness *h = harness_start_populated();
	static const struct {
		const char *member;
		int objects;
	} lists[] = {
		{"Manager.ListNodes", 2}, {"Manager.ListSessions", 2}, {"Manager.ListMaps", 1}};

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		DBusMessage *reply = harness_ask(h, ROOT, lists[i].member, 1);
		DBusMessageIter array;

		assert_true(dbus_message_has_signature(reply, "a(oa{sv})"));
		dbus_message_iter_init(reply, &array);
		assert_int_equal(dbus_message_iter_get_element_count(&array), lists[i].objects);
		dbus_message_unref(reply);
	}
	harness_stop(h);
}

static int count_listed(struct harness *h, const char *member, const char *key, int type,
			const void *value)
{
	DBusMessage *message = harness_method(ROOT, "org.hawser1.Manager", member), *reply;
	DBusMessageIter array;
	struct dict dict;
	int count;

	dict_open(message, &dict);
	dict_add(&dict, key, type, value);
	dict_close(&dict);
	reply = harness_call(h, h->client, message);
	assert_true(dbus_message_iter_init(reply, &array));
	count = dbus_message_iter_get_element_count(&array);
	dbus_message_unref(reply);
	return count;
}

static void a_selector_keeps_what_matches(void **state)
{
	struct harness *h = harness_start_populated();
	const char *address = "192.0.2.12", *nobody = "iqn.nobody", *startup = "automatic";
	const dbus_uint16_t port = 3260, other_port = 3261;

	assert_int_equal(count_listed(h, "ListNodes", "address", 's', &address), 1);
	assert_int_equal(count_listed(h, "ListNodes", "target", 's', &nobody), 0);
	assert_int_equal(count_listed(h, "ListNodes", "port", 'q', &port), 2);
	assert_int_equal(count_listed(h, "ListNodes", "port", 'q', &other_port), 0);
	assert_int_equal(count_listed(h, "ListNodes", "startup", 's', &startup), 0);
	assert_int_equal(count_listed(h, "ListMaps", "address", 's', &address), 1);
	assert_int_equal(count_listed(h, "ListMaps", "target", 's', &nobody), 0);
	harness_stop(h);
}

/* Manager.@member(a{sv} selector of these sessions); @behind: and an empty a{sv} */
static DBusMessage *with_sids(const char *member, const uint32_t *sids, int count, bool behind)
{
	DBusMessage *message = harness_method(ROOT, "org.hawser1.Manager", member);
	struct dict dict;

	dict_open(message, &dict);
	dict_add_numbers(&dict, "sids", sids, count);
	dict_close(&dict);
	if (behind)
		dict_empty(message);
	return message;
}

static void sessions_are_selected_by_number(void **state)
{
	static const uint32_t sids[] = {2, 1, 99};
	static const struct {
		const char *member;
		const uint32_t *sids;
		int count, objects;
	} cells[] = {
		{"ListNodes", sids, 1, 1},     {"ListNodes", sids, 2, 2},
		{"ListNodes", sids + 2, 1, 0}, {"ListNodes", NULL, 0, 0},
		{"ListSessions", sids, 1, 1},  {"ListSessions", sids, 3, 2},
		{"ListSessions", sids, 0, 0},  {"ListSessions", sids + 2, 1, 0},
		{"ListMaps", sids, 1, 1},      {"ListMaps", sids + 2, 1, 0},
		{"ListMaps", NULL, 0, 0},
	};
	struct harness *h = harness_start_populated();

	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		DBusMessage *reply = harness_call(
			h, h->client,
			with_sids(cells[i].member, cells[i].sids, cells[i].count, false));
		DBusMessageIter array;

		assert_true(dbus_message_has_signature(reply, "a(oa{sv})"));
		dbus_message_iter_init(reply, &array);
		assert_int_equal(dbus_message_iter_get_element_count(&array), cells[i].objects);
		dbus_message_unref(reply);
	}
	harness_stop(h);
}

static void more_sessions_than_can_be_are_refused(void **state)
{
	struct harness *h = harness_start_populated();
	owned_memory uint32_t *sids = calloc(16385, sizeof(*sids));

	harness_assert_reply(
		harness_call(h, h->client, with_sids("ListSessions", sids, 16384, false)),
		"a(oa{sv})");
	harness_assert_error(
		harness_call(h, h->client, with_sids("ListSessions", sids, 16385, false)),
		DBUS_ERROR "InvalidArgs");
	harness_stop(h);
}

static void properties_show_the_views(void **state)
{
	struct harness *h = harness_start_populated();
	const char *session = ROOT "/session/1", *map = path_of_map(first_map(h));

	assert_string_equal(harness_property(h, ROOT, "org.hawser1.Manager", "Health"), "ok");
	assert_string_equal(harness_property(h, ROOT, "org.hawser1.Manager", "Sessions"), "2");
	assert_string_equal(harness_property(h, session, SESSION, "State"), "logged-in");
	assert_string_equal(harness_property(h, session, SESSION, "Isid"), "0x400000000001");
	assert_string_equal(harness_property(h, session, SESSION, "Node"),
			    path_of_node(first_node(h)));
	assert_string_equal(harness_property(h, map, "org.hawser1.Map", "Size"), "67108864");
	assert_string_equal(harness_property(h, map, "org.hawser1.Map", "PathsUp"), "2");
	assert_string_equal(harness_property(h, path_of_node(first_node(h)), NODE, "State"),
			    "logged-in");
	/* an empty interface name means any */
	assert_string_equal(harness_property(h, session, "", "Sid"), "1");
	harness_stop(h);
}

/* State of a node by the states of its two sessions; EverLoggedIn of the first. */
static void the_state_of_a_node_sums_up_its_sessions(void **state)
{
	/* clang-format off */
	static const struct {
		enum session_state one;
		bool ever;
		enum session_state two;
		const char *state;
	} cells[] = {
		{SESSION_STATE_LOGGED_IN,  true,  SESSION_STATE_LOGGED_IN,  "logged-in"},
		{SESSION_STATE_LOGGED_IN,  true,  SESSION_STATE_WAITING,    "partial"},
		{SESSION_STATE_WAITING,    true,  SESSION_STATE_LOGGED_IN,  "partial"},
		{SESSION_STATE_WAITING,    true,  SESSION_STATE_IDLE,       "reconnecting"},
		{SESSION_STATE_CONNECTING, true,  SESSION_STATE_IDLE,       "reconnecting"},
		{SESSION_STATE_LOGIN,      true,  SESSION_STATE_IDLE,       "reconnecting"},
		{SESSION_STATE_CONNECTING, false, SESSION_STATE_IDLE,       "logging-in"},
		{SESSION_STATE_LOGIN,      false, SESSION_STATE_IDLE,       "logging-in"},
		{SESSION_STATE_WAITING,    false, SESSION_STATE_IDLE,       "logging-in"},
		{SESSION_STATE_IDLE,       true,  SESSION_STATE_IDLE,       "idle"},
		{SESSION_STATE_LOGOUT,     true,  SESSION_STATE_IDLE,       "idle"},
	};
	/* clang-format on */
	struct harness *h = harness_start();
	struct node *node = fake_node_add(h->manager, "iqn.a", "192.0.2.1", 3260);
	struct session_view *one, *two;

	assert_string_equal(harness_property(h, path_of_node(node), NODE, "State"), "idle");
	one = fake_session_add(h->manager, node);
	two = fake_session_add(h->manager, node);
	two->ever_logged_in = false;
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		one->state = cells[i].one;
		one->ever_logged_in = cells[i].ever;
		two->state = cells[i].two;
		assert_string_equal(harness_property(h, path_of_node(node), NODE, "State"),
				    cells[i].state);
	}
	harness_stop(h);
}

static void names_find_their_objects(void **state)
{
	struct harness *h = harness_start_populated();
	const char *names[] = {"backup", "/dev/hawser/backup", "360000000000000000e00000000010001",
			       "/dev/loop0"};
	const char *target = "iqn.2026-01.org.example:disks", *address = "192.0.2.12", *any = "";
	const dbus_uint16_t port = 3260;
	const dbus_uint32_t nobody = 99;
	DBusMessage *message;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		message = harness_method(ROOT, "org.hawser1.Manager", "GetMap");
		dbus_message_append_args(message, DBUS_TYPE_STRING, &names[i], DBUS_TYPE_INVALID);
		harness_assert_reply(harness_call(h, h->client, message), "o");
	}
	message = harness_method(ROOT, "org.hawser1.Manager", "GetMap");
	dbus_message_append_args(message, DBUS_TYPE_STRING, &any, DBUS_TYPE_INVALID);
	harness_assert_error(harness_call(h, h->client, message), OUR_ERROR "NoObjectsFound");
	message = harness_method(ROOT, "org.hawser1.Manager", "GetSession");
	dbus_message_append_args(message, DBUS_TYPE_UINT32, &nobody, DBUS_TYPE_INVALID);
	harness_assert_error(harness_call(h, h->client, message), OUR_ERROR "NoObjectsFound");
	message = harness_method(ROOT, "org.hawser1.Manager", "GetNode");
	dbus_message_append_args(message, DBUS_TYPE_STRING, &target, DBUS_TYPE_STRING, &address,
				 DBUS_TYPE_UINT16, &port, DBUS_TYPE_STRING, &any,
				 DBUS_TYPE_INVALID);
	harness_assert_reply(harness_call(h, h->client, message), "o");
	harness_stop(h);
}

static void statistics_have_every_session_and_path(void **state)
{
	struct harness *h = harness_start_populated();
	DBusMessage *reply = harness_ask(h, ROOT, "Manager.GetStatistics", 1);
	DBusMessageIter array;

	assert_true(dbus_message_has_signature(reply, "a{oa{st}}"));
	dbus_message_iter_init(reply, &array);
	assert_int_equal(dbus_message_iter_get_element_count(&array), 4);
	dbus_message_unref(reply);
	harness_stop(h);
}

static void maps_are_listed_with_counters_of_now(void **state)
{
	struct harness *h = harness_start_populated();
	struct path_view *path = list_first(&first_map(h)->paths, struct path_view, link);
	char object[192], reads[32];

	path->statistics.reads = 7;
	snprintf(object, sizeof(object), "%s/path/p%016lx", path_of_map(first_map(h)),
		 (unsigned long)path->id);
	assert_string_equal(harness_property(h, object, "org.hawser1.Path", "Reads"), "7");
	harness_assert_reply(harness_ask(h, ROOT, "Manager.ListMaps", 1), "a(oa{sv})");
	snprintf(reads, sizeof(reads), "%d", 7 + FAKE_READS_A_ROUND);
	assert_string_equal(harness_property(h, object, "org.hawser1.Path", "Reads"), reads);
	harness_stop(h);
}

static void maps_are_listed_when_the_workers_have_answered(void **state)
{
	struct harness *h = harness_start_populated();
	static const uint32_t sids[] = {2};
	DBusPendingCall *pending;
	DBusMessageIter array;
	DBusMessage *reply;

	fake_manager_hold(h->manager);
	pending = harness_send(h, h->client, with_sids("ListMaps", sids, 1, false));
	HARNESS_WAIT(h, fake_manager_waiting(h->manager) == 1);
	harness_forget_signals(h);
	assert_false(dbus_pending_call_get_completed(pending));
	/* meanwhile the map loses its path through that session */
	fake_session_remove(h->manager, manager_find_session(h->manager, 2));
	fake_manager_release(h->manager);
	HARNESS_WAIT(h, dbus_pending_call_get_completed(pending));
	reply = dbus_pending_call_steal_reply(pending);
	assert_true(dbus_message_iter_init(reply, &array));
	assert_int_equal(dbus_message_iter_get_element_count(&array), 0);
	dbus_message_unref(reply);
	dbus_pending_call_unref(pending);
	harness_stop(h);
}

static void maps_are_listed_also_when_counters_cannot_be_had(void **state)
{
	struct harness *h = harness_start_populated();

	fake_manager_fail_next(h->manager, ERROR_NO_MEMORY, "no memory");
	harness_assert_reply(harness_ask(h, ROOT, "Manager.ListMaps", 1), "a(oa{sv})");
	harness_stop(h);
}

static void holders_are_named(void **state)
{
	struct harness *h = harness_start_populated();

	harness_assert_reply(harness_ask(h, path_of_map(first_map(h)), "Map.Holders", 0), "s");
	harness_stop(h);
}

/* Reservation.@member with @types in front of one a{sv}: "t" is @key, "s" is @text. */
static DBusMessage *reserve(struct harness *h, const char *member, const char *types, uint64_t key,
			    const char *text, const char *option)
{
	DBusMessage *message = harness_method(path_of_map(first_map(h)), RESERVATION, member);
	dbus_bool_t yes = TRUE;
	struct dict dict;

	if (*types == 't')
		dbus_message_append_args(message, DBUS_TYPE_UINT64, &key, DBUS_TYPE_INVALID);
	if (*types == 's')
		dbus_message_append_args(message, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID);
	dict_open(message, &dict);
	if (option)
		dict_add(&dict, option, DBUS_TYPE_BOOLEAN, &yes);
	dict_close(&dict);
	return harness_call(h, h->client, message);
}

static void orders_about_a_reservation_are_handed_over_as_given(void **state)
{
	struct harness *h = harness_start_populated();
	const struct reservation_request *last = fake_manager_last_reservation(h->manager);

	harness_assert_reply(reserve(h, "Register", "t", 0xffffffff00aa0000, NULL, NULL), "");
	assert_int_equal(last->verb, RESERVATION_DO_REGISTER);
	assert_true(last->key == 0xffffffff00aa0000);
	assert_false(last->ignore || last->per_path || last->survives_power ||
		     last->all_target_ports);
	harness_assert_reply(reserve(h, "Register", "t", 1, NULL, "ignore"), "");
	assert_true(last->ignore);
	harness_assert_reply(reserve(h, "Register", "t", 1, NULL, "per-path"), "");
	assert_true(last->per_path);
	harness_assert_reply(reserve(h, "Register", "t", 1, NULL, "aptpl"), "");
	assert_true(last->survives_power);
	harness_assert_reply(reserve(h, "Register", "t", 1, NULL, "all-target-ports"), "");
	assert_true(last->all_target_ports);
	harness_assert_error(reserve(h, "Register", "t", 1, NULL, "force"),
			     DBUS_ERROR "InvalidArgs");

	harness_assert_reply(reserve(h, "Reserve", "s", 0, "ea-ro", NULL), "");
	assert_int_equal(last->verb, RESERVATION_DO_RESERVE);
	assert_int_equal(last->type, 6);
	harness_assert_error(reserve(h, "Reserve", "s", 0, "mine", NULL), DBUS_ERROR "InvalidArgs");
	harness_assert_reply(reserve(h, "Release", "", 0, NULL, NULL), "");
	assert_int_equal(last->verb, RESERVATION_DO_RELEASE);
	harness_assert_reply(reserve(h, "Preempt", "t", 7, NULL, "abort"), "");
	assert_int_equal(last->verb, RESERVATION_DO_PREEMPT);
	assert_true(last->abort && last->key == 7);
	harness_assert_reply(reserve(h, "Clear", "", 0, NULL, NULL), "");
	assert_int_equal(last->verb, RESERVATION_DO_CLEAR);
	harness_assert_reply(reserve(h, "Unregister", "", 0, NULL, NULL), "");
	assert_int_equal(last->verb, RESERVATION_DO_UNREGISTER);

	fake_manager_fail_next(h->manager, ERROR_RESERVATION_CONFLICT, "reserved already");
	harness_assert_error(reserve(h, "Reserve", "s", 0, "we-ro", NULL),
			     OUR_ERROR "ReservationConflict");
	harness_stop(h);
}

static void questions_about_a_reservation_are_answered(void **state)
{
	struct harness *h = harness_start_populated();
	static const struct {
		const char *member, *signature;
	} questions[] = {
		{"ReadKeys", "uat"},
		{"ReadReservation", "uts"},
		{"ReadFullStatus", "ua(tbsqs)"},
		{"ReportCapabilities", "a{sv}"},
	};

	harness_assert_reply(reserve(h, "Register", "t", 0xaa, NULL, NULL), "");
	harness_assert_reply(reserve(h, "Reserve", "s", 0, "we-ro", NULL), "");
	for (size_t i = 0; i < ARRAY_SIZE(questions); i++) {
		harness_assert_reply(reserve(h, questions[i].member, "", 0, NULL, NULL),
				     questions[i].signature);
		fake_manager_fail_next(h->manager, ERROR_NOT_SUPPORTED, "not known");
		harness_assert_error(reserve(h, questions[i].member, "", 0, NULL, NULL),
				     OUR_ERROR "NotSupported");
	}
	harness_stop(h);
}

static void a_reset_says_what_of(void **state)
{
	static const struct {
		const char *word;
		enum reset_scope scope;
	} words[] = {
		{"task-set", RESET_TASK_SET},
		{"logical-unit", RESET_UNIT},
		{"target-warm", RESET_TARGET_WARM},
		{"target-cold", RESET_TARGET_COLD},
		{"nexus", RESET_NEXUS},
	};
	struct harness *h = harness_start_populated();
	const struct fake_reset *last = fake_manager_last_reset(h->manager);

	for (uint64_t i = 0; i <= ARRAY_SIZE(words); i++) {
		DBusMessage *message = harness_method(ROOT "/session/2", SESSION, "Reset");
		const char *word = i < ARRAY_SIZE(words) ? words[i].word : "everything";
		struct dict dict;

		dbus_message_append_args(message, DBUS_TYPE_STRING, &word, DBUS_TYPE_INVALID);
		dict_open(message, &dict);
		dict_add(&dict, "lun", DBUS_TYPE_UINT64, &i);
		dict_close(&dict);
		if (i == ARRAY_SIZE(words)) {
			harness_assert_error(harness_call(h, h->client, message),
					     DBUS_ERROR "InvalidArgs");
			break;
		}
		harness_assert_reply(harness_call(h, h->client, message), "");
		assert_int_equal(last->sid, 2);
		assert_int_equal(last->scope, words[i].scope);
		assert_int_equal(last->number, i);
	}
	harness_assert_reply(harness_ask(h, path_of_map(first_map(h)), "Map.Reset", 1), "");
	assert_int_equal(last->sid, 0);
	fake_manager_fail_next(h->manager, ERROR_NOT_SUPPORTED, "the target refuses");
	harness_assert_error(harness_ask(h, path_of_map(first_map(h)), "Map.Reset", 1),
			     OUR_ERROR "NotSupported");
	harness_stop(h);
}

static const char *path_of_path(const struct path_view *path)
{
	static char object[128];

	snprintf(object, sizeof(object), "%s/path/p%016lx", path_of_map(path->map), path->id);
	return object;
}

static DBusMessage *switch_to(struct harness *h, uint32_t number)
{
	DBusMessage *message =
		harness_method(path_of_map(first_map(h)), "org.hawser1.Map", "SwitchGroup");
	struct dict dict;

	dbus_message_append_args(message, DBUS_TYPE_UINT32, &number, DBUS_TYPE_INVALID);
	dict_open(message, &dict);
	dict_close(&dict);
	return harness_call(h, h->client, message);
}

static void a_path_group_is_chosen_and_given_up(void **state)
{
	struct harness *h = harness_start_populated();

	harness_assert_reply(switch_to(h, 2), "");
	assert_int_equal(fake_manager_last_group(h->manager), 2);
	harness_assert_reply(harness_ask(h, path_of_map(first_map(h)), "Map.Failback", 1), "");
	assert_int_equal(fake_manager_last_group(h->manager), 0);
	fake_manager_fail_next(h->manager, ERROR_NOT_SUPPORTED, "the target does not take it");
	harness_assert_error(switch_to(h, 2), OUR_ERROR "NotSupported");
	harness_stop(h);
}

static void path_groups_and_access_states_are_properties(void **state)
{
	struct harness *h = harness_start_populated();
	struct map_view *map = first_map(h);
	struct path_view *path = list_first(&map->paths, struct path_view, link);
	static const struct {
		int32_t failback_ms;
		const char *text;
	} failbacks[] = {{0, "immediate"},
			 {30000, "30"},
			 {FAILBACK_MANUAL, "manual"},
			 {FAILBACK_FOLLOWOVER, "followover"}};

	map->grouping = GROUPING_FAILOVER;
	map->active_group = 1;
	map->group_count = 2;
	path->access = (struct path_access){.state = ACCESS_NON_OPTIMIZED,
					    .preferred = true,
					    .port_group = 7,
					    .priority = 14,
					    .group = 2};
	for (size_t i = 0; i < ARRAY_SIZE(failbacks); i++) {
		map->failback_ms = failbacks[i].failback_ms;
		assert_string_equal(
			harness_property(h, path_of_map(map), "org.hawser1.Map", "Failback"),
			failbacks[i].text);
	}
	assert_string_equal(
		harness_property(h, path_of_map(map), "org.hawser1.Map", "PathGroupingPolicy"),
		"failover");
	assert_string_equal(harness_property(h, path_of_map(map), "org.hawser1.Map", "ActiveGroup"),
			    "1");
	assert_string_equal(harness_property(h, path_of_map(map), "org.hawser1.Map", "Groups"),
			    "2");
	assert_string_equal(
		harness_property(h, path_of_path(path), "org.hawser1.Path", "AluaState"),
		"non-optimized");
	assert_string_equal(
		harness_property(h, path_of_path(path), "org.hawser1.Path", "Preferred"), "true");
	assert_string_equal(
		harness_property(h, path_of_path(path), "org.hawser1.Path", "TargetPortGroup"),
		"7");
	assert_string_equal(harness_property(h, path_of_path(path), "org.hawser1.Path", "Priority"),
			    "14");
	assert_string_equal(harness_property(h, path_of_path(path), "org.hawser1.Path", "Group"),
			    "2");
	harness_stop(h);
}

static void a_removal_says_whether_by_force(void **state)
{
	struct harness *h = harness_start_populated();

	for (dbus_bool_t force = 0; force <= 1; force++) {
		DBusMessage *message =
			harness_method(path_of_map(first_map(h)), "org.hawser1.Map", "Remove");
		struct dict dict;

		dict_open(message, &dict);
		dict_add(&dict, "force", DBUS_TYPE_BOOLEAN, &force);
		dict_close(&dict);
		harness_assert_reply(harness_call(h, h->client, message), "");
		assert_int_equal(fake_manager_removed_by_force(h->manager), force);
	}
	harness_assert_reply(harness_ask(h, path_of_map(first_map(h)), "Map.Remove", 1), "");
	assert_false(fake_manager_removed_by_force(h->manager));
	fake_manager_fail_next(h->manager, ERROR_BUSY, "mounted on /srv");
	harness_assert_error(harness_ask(h, path_of_map(first_map(h)), "Map.Remove", 1),
			     OUR_ERROR "Busy");
	harness_stop(h);
}

/* --- errors --- */

static void what_does_not_exist_is_said_so(void **state)
{
	struct harness *h = harness_start_populated();
	static const struct {
		const char *path, *interface, *member, *error;
	} cells[] = {
		{ROOT "/session/99", SESSION, "Logout", DBUS_ERROR "UnknownObject"},
		{ROOT "/session", SESSION, "Logout", DBUS_ERROR "UnknownObject"},
		{"/", NULL, "ListNodes", DBUS_ERROR "UnknownObject"},
		{ROOT "/session/1", NODE, "Logout", DBUS_ERROR "UnknownInterface"},
		{ROOT "/session/1", MANAGER, "GetManagedObjects", DBUS_ERROR "UnknownInterface"},
		{ROOT, "org.hawser1.Manager", "Explode", DBUS_ERROR "UnknownMethod"},
		{ROOT, NULL, "Explode", DBUS_ERROR "UnknownMethod"},
		{ROOT, "org.hawser1.Manager", "ListNodes", DBUS_ERROR "InvalidArgs"},
		{ROOT "/session/1", SESSION, "Rescan", DBUS_ERROR "InvalidArgs"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
		harness_assert_error(harness_call(h, h->client,
						  harness_method(cells[i].path, cells[i].interface,
								 cells[i].member)),
				     cells[i].error);
	harness_stop(h);
}

static DBusMessage *two_strings(const char *path, const char *member, const char *one,
				const char *two)
{
	DBusMessage *message = harness_method(path, PROPERTIES, member);

	dbus_message_append_args(message, DBUS_TYPE_STRING, &one, DBUS_TYPE_STRING, &two,
				 DBUS_TYPE_INVALID);
	return message;
}

static void properties_that_do_not_exist_or_cannot_be_set_are_refused(void **state)
{
	struct harness *h = harness_start_populated();
	DBusMessage *set = two_strings(ROOT "/session/1", "Set", SESSION, "State");
	DBusMessage *all = harness_method(ROOT "/session/1", PROPERTIES, "GetAll");
	const char *nonsense = "org.example.Nonsense", *value = "up";
	DBusMessageIter at, variant;

	harness_assert_error(
		harness_call(h, h->client,
			     two_strings(ROOT "/session/1", "Get", SESSION, "Nonsense")),
		DBUS_ERROR "UnknownProperty");
	harness_assert_error(harness_call(h, h->client,
					  two_strings(ROOT "/session/1", "Get", nonsense, "State")),
			     DBUS_ERROR "UnknownInterface");
	dbus_message_iter_init_append(set, &at);
	dbus_message_iter_open_container(&at, DBUS_TYPE_VARIANT, "s", &variant);
	dbus_message_iter_append_basic(&variant, DBUS_TYPE_STRING, &value);
	dbus_message_iter_close_container(&at, &variant);
	harness_assert_error(harness_call(h, h->client, set), DBUS_ERROR "PropertyReadOnly");
	dbus_message_append_args(all, DBUS_TYPE_STRING, &nonsense, DBUS_TYPE_INVALID);
	harness_assert_error(harness_call(h, h->client, all), DBUS_ERROR "UnknownInterface");
	harness_stop(h);
}

/* Every method that takes options refuses one that it does not know. */
static void unknown_options_are_invalid_arguments(void **state)
{
	struct harness *h = harness_start_populated();
	const char *node = path_of_node(first_node(h));
	const struct {
		const char *path, *interface, *member;
		unsigned dicts_before;
	} cells[] = {
		{ROOT, "org.hawser1.Manager", "ListNodes", 0},
		{ROOT, "org.hawser1.Manager", "ListSessions", 0},
		{ROOT, "org.hawser1.Manager", "ListMaps", 0},
		{ROOT, "org.hawser1.Manager", "LoginMany", 0},
		{ROOT, "org.hawser1.Manager", "LoginMany", 1},
		{ROOT, "org.hawser1.Manager", "LogoutMany", 1},
		{ROOT, "org.hawser1.Manager", "Rescan", 1},
		{ROOT, "org.hawser1.Manager", "Reload", 0},
		{ROOT, "org.hawser1.Manager", "GetStatistics", 0},
		{node, NODE, "Login", 0},
		{node, NODE, "Logout", 0},
		{node, NODE, "Delete", 0},
		{ROOT "/session/1", SESSION, "Logout", 0},
		{ROOT "/session/1", SESSION, "Rescan", 0},
	};
	const dbus_bool_t yes = TRUE;

	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		DBusMessage *message =
			harness_method(cells[i].path, cells[i].interface, cells[i].member);
		bool is_pair = strstr(cells[i].member, "Many") ||
			       (strcmp(cells[i].member, "Rescan") == 0 &&
				strcmp(cells[i].path, ROOT) == 0);
		struct dict dict;

		if (cells[i].dicts_before)
			dict_empty(message);
		dict_open(message, &dict);
		dict_add(&dict, "nonsense", DBUS_TYPE_BOOLEAN, &yes);
		dict_close(&dict);
		if (is_pair && !cells[i].dicts_before)
			dict_empty(message);
		harness_assert_error(harness_call(h, h->client, message), DBUS_ERROR "InvalidArgs");
	}
	assert_int_equal(fake_manager_waiting(h->manager), 0);
	harness_stop(h);
}

/* --- signals --- */

static void an_answer_comes_behind_the_changes_that_the_call_made(void **state)
{
	struct harness *h = harness_start_populated();
	int removed, path_removed, changed;

	harness_forget_signals(h);
	harness_assert_reply(harness_ask(h, ROOT "/session/1", "Session.Logout", 1), "");
	/* the answer is here, and so is everything that it meant */
	removed = harness_find_signal(h, 0, ROOT, "InterfacesRemoved");
	assert_true(removed >= 0);
	path_removed = removed; /* the path goes before its session */
	removed = harness_find_signal(h, (unsigned)removed + 1, ROOT, "InterfacesRemoved");
	assert_true(removed > path_removed);
	changed = harness_find_signal(h, 0, path_of_node(first_node(h)), "PropertiesChanged");
	assert_true(changed >= 0);
	assert_true(harness_find_signal(h, 0, ROOT, "PropertiesChanged") >= 0);
	assert_true(harness_find_signal(h, 0, path_of_map(first_map(h)), "PropertiesChanged") >= 0);
	harness_stop(h);
}

static void a_new_object_is_told_before_its_children(void **state)
{
	struct harness *h = harness_start();
	struct session_view *session;
	struct map_view *map;
	int node_added, session_added, map_added, path_added;
	struct node *node;

	harness_forget_signals(h);
	node = fake_node_add(h->manager, "iqn.a", "192.0.2.1", 3260);
	session = fake_session_add(h->manager, node);
	map = fake_map_add(h->manager, "3600", "disk");
	fake_path_add(h->manager, map, session);
	HARNESS_WAIT(h, h->signal_count >= 5);
	node_added = harness_find_signal(h, 0, ROOT, "InterfacesAdded");
	session_added = harness_find_signal(h, (unsigned)node_added + 1, ROOT, "InterfacesAdded");
	map_added = harness_find_signal(h, (unsigned)session_added + 1, ROOT, "InterfacesAdded");
	path_added = harness_find_signal(h, (unsigned)map_added + 1, ROOT, "InterfacesAdded");
	assert_true(node_added >= 0 && session_added > node_added);
	assert_true(map_added > session_added && path_added > map_added);
	/* the new ones are told whole: only the root has changed beside */
	assert_int_equal(harness_find_signal(h, 0, path_of_node(node), "PropertiesChanged"), -1);
	assert_true(dbus_message_has_signature(h->signals[node_added], "oa{sa{sv}}"));
	harness_stop(h);
}

/* Names of the properties in a PropertiesChanged, in order, with a blank behind each. */
static void names_in(DBusMessage *message, char *names, size_t size)
{
	DBusMessageIter at, array, entry;
	const char *name;

	names[0] = '\0';
	dbus_message_iter_init(message, &at);
	dbus_message_iter_next(&at);
	for (dbus_message_iter_recurse(&at, &array);
	     dbus_message_iter_get_arg_type(&array) != DBUS_TYPE_INVALID;
	     dbus_message_iter_next(&array)) {
		dbus_message_iter_recurse(&array, &entry);
		dbus_message_iter_get_basic(&entry, &name);
		strncat(names, name, size - strlen(names) - 2);
		strcat(names, " ");
	}
}

static void only_what_changed_is_told_and_once(void **state)
{
	struct harness *h = harness_start_populated();
	struct session_view *session = first_session(h);
	char names[256];
	int at;

	harness_forget_signals(h);
	session->state = SESSION_STATE_WAITING;
	session->attempts = 1;
	fake_changed(h->manager, OBJECT_SESSION, session);
	session->attempts = 2;
	fake_changed(h->manager, OBJECT_SESSION, session);
	fake_changed(h->manager, OBJECT_MAP, first_map(h)); /* nothing is different there */
	HARNESS_WAIT(h, harness_find_signal(h, 0, path_of_node(first_node(h)),
					    "PropertiesChanged") >= 0);
	at = harness_find_signal(h, 0, ROOT "/session/1", "PropertiesChanged");
	assert_true(at >= 0);
	names_in(h->signals[at], names, sizeof(names));
	assert_string_equal(names, "State Attempts ");
	assert_int_equal(
		harness_find_signal(h, (unsigned)at + 1, ROOT "/session/1", "PropertiesChanged"),
		-1);
	assert_int_equal(harness_find_signal(h, 0, path_of_map(first_map(h)), "PropertiesChanged"),
			 -1);
	at = harness_find_signal(h, 0, path_of_node(first_node(h)), "PropertiesChanged");
	names_in(h->signals[at], names, sizeof(names));
	assert_string_equal(names, "State ");
	harness_stop(h);
}

static void counters_are_not_told(void **state)
{
	struct harness *h = harness_start_populated();
	struct path_view *path = list_first(&first_map(h)->paths, struct path_view, link);

	harness_forget_signals(h);
	path->statistics.reads += 1000;
	fake_changed(h->manager, OBJECT_PATH, path);
	harness_assert_reply(harness_ask(h, ROOT, "Manager.Reload", 1), "");
	assert_int_equal(h->signal_count, 0);
	harness_stop(h);
}

static void an_object_that_comes_and_goes_at_once_is_never_told(void **state)
{
	struct harness *h = harness_start_populated();
	struct session_view *session = fake_session_add(h->manager, first_node(h));

	harness_forget_signals(h);
	session = fake_session_add(h->manager, first_node(h));
	fake_session_remove(h->manager, session);
	harness_assert_reply(harness_ask(h, ROOT, "Manager.Reload", 1), "");
	assert_int_equal(h->signal_count, 0);
	harness_stop(h);
}

static void events_carry_object_and_fields(void **state)
{
	struct harness *h = harness_start_populated();
	DBusMessageIter at;

	harness_forget_signals(h);
	fake_event(h->manager, OBJECT_SESSION, first_session(h),
		   &(struct event_facts){.kind = EVENT_SESSION_LOST, .reason = "closed"});
	fake_event(h->manager, OBJECT_MANAGER, NULL,
		   &(struct event_facts){.kind = EVENT_RECORD_DAMAGED, .reason = "half a line"});
	HARNESS_WAIT(h, h->signal_count == 2);
	assert_true(dbus_message_is_signal(h->signals[0], "org.hawser1.Manager", "Event"));
	assert_true(dbus_message_has_signature(h->signals[0], "tsusoa{sv}"));
	dbus_message_iter_init(h->signals[0], &at);
	dbus_message_iter_next(&at);
	assert_string_equal(harness_text_of(&at), "session-lost");
	dbus_message_iter_next(&at);
	assert_string_equal(harness_text_of(&at), "4");
	dbus_message_iter_next(&at);
	dbus_message_iter_next(&at);
	assert_string_equal(harness_text_of(&at), ROOT "/session/1");
	harness_stop(h);
}

/* GetEvents with the filter @key = @text (NULL: none). */
static DBusMessage *ask_events(struct harness *h, dbus_uint64_t since, dbus_uint32_t max,
			       const char *key, const char *text)
{
	DBusMessage *message = harness_method(ROOT, "org.hawser1.Manager", "GetEvents");
	struct dict dict;

	assert_true(dbus_message_append_args(message, DBUS_TYPE_UINT64, &since, DBUS_TYPE_UINT32,
					     &max, DBUS_TYPE_INVALID));
	dict_open(message, &dict);
	if (key)
		dict_add(&dict, key, DBUS_TYPE_STRING, &text);
	dict_close(&dict);
	return harness_call(h, h->client, message);
}

/* How many events are in @reply; *@ids: their ids with a blank behind each. Unrefs it. */
static int count_events(DBusMessage *reply, char ids[256])
{
	DBusMessageIter array, item, field;
	int count;

	assert_true(dbus_message_has_signature(reply, "a(tsusoa{sv})"));
	dbus_message_iter_init(reply, &array);
	count = dbus_message_iter_get_element_count(&array);
	dbus_message_iter_recurse(&array, &item);
	ids[0] = '\0';
	for (; dbus_message_iter_get_arg_type(&item) != DBUS_TYPE_INVALID;
	     dbus_message_iter_next(&item)) {
		dbus_message_iter_recurse(&item, &field);
		dbus_message_iter_next(&field);
		if (strlen(ids) < 200) {
			strcat(ids, harness_text_of(&field));
			strcat(ids, " ");
		}
	}
	dbus_message_unref(reply);
	return count;
}

static void the_last_events_can_be_asked_for(void **state)
{
	struct harness *h = harness_start_populated();
	char ids[256];

	assert_int_equal(count_events(ask_events(h, 0, 0, NULL, NULL), ids), 0);
	fake_event(h->manager, OBJECT_SESSION, first_session(h),
		   &(struct event_facts){.kind = EVENT_SESSION_LOST, .reason = "closed"});
	fake_event(h->manager, OBJECT_MAP, first_map(h),
		   &(struct event_facts){.kind = EVENT_MAP_CHANGED, .state = "degraded"});
	fake_event(h->manager, OBJECT_MANAGER, NULL,
		   &(struct event_facts){.kind = EVENT_RECORD_DAMAGED});
	count_events(ask_events(h, 0, 0, NULL, NULL), ids);
	assert_string_equal(ids, "session-lost map-changed record-damaged ");
	count_events(ask_events(h, 1, 1, NULL, NULL), ids);
	assert_string_equal(ids, "map-changed ");
	assert_int_equal(count_events(ask_events(h, 3, 0, NULL, NULL), ids), 0);
	/* of a daemon before this one */
	assert_int_equal(count_events(ask_events(h, 4, 0, NULL, NULL), ids), 3);
	assert_string_equal(harness_property(h, ROOT, "org.hawser1.Manager", "LastEvent"), "3");
	harness_stop(h);
}

static void events_are_filtered(void **state)
{
	struct harness *h = harness_start_populated();
	char ids[256];

	fake_event(h->manager, OBJECT_SESSION, first_session(h),
		   &(struct event_facts){.kind = EVENT_SESSION_LOST});
	fake_event(h->manager, OBJECT_MAP, first_map(h),
		   &(struct event_facts){.kind = EVENT_MAP_CHANGED});
	count_events(ask_events(h, 0, 0, "map", first_map(h)->name), ids);
	assert_string_equal(ids, "map-changed ");
	count_events(ask_events(h, 0, 0, "target", first_session(h)->target), ids);
	assert_string_equal(ids, "session-lost ");
	count_events(ask_events(h, 0, 0, "portal", first_session(h)->persistent_address), ids);
	assert_string_equal(ids, "session-lost ");
	count_events(ask_events(h, 0, 0, "id", "map-changed"), ids);
	assert_string_equal(ids, "map-changed ");
	harness_assert_error(ask_events(h, 0, 0, "id", "map-chnaged"), DBUS_ERROR "InvalidArgs");
	harness_assert_error(ask_events(h, 0, 0, "colour", "blue"), DBUS_ERROR "InvalidArgs");
	harness_stop(h);
}

static void an_answer_with_events_is_bounded(void **state)
{
	struct harness *h = harness_start_populated();
	char ids[256];

	for (unsigned i = 0; i < 12000; i++)
		fake_event(h->manager, OBJECT_SESSION, first_session(h),
			   &(struct event_facts){.kind = EVENT_DIGEST_ERROR});
	assert_int_equal(count_events(ask_events(h, 0, 0, NULL, NULL), ids), 1000);
	assert_int_equal(count_events(ask_events(h, 0, UINT32_MAX, NULL, NULL), ids), 1000);
	assert_int_equal(count_events(ask_events(h, 11999, 5, NULL, NULL), ids), 1);
	harness_stop(h);
}

/* --- operations --- */

static enum login_wait login_many_waits(struct harness *h, const char *option, dbus_bool_t value)
{
	DBusMessage *message = harness_method(ROOT, "org.hawser1.Manager", "LoginMany");
	struct dict options;

	dict_empty(message);
	dict_open(message, &options);
	dict_add(&options, option, DBUS_TYPE_BOOLEAN, &value);
	dict_close(&options);
	dbus_message_unref(harness_call(h, h->client, message));
	return fake_manager_login_wait(h->manager);
}

static void login_many_waits_for_what_its_options_say(void **state)
{
	struct harness *h = harness_start();

	fake_node_add(h->manager, "iqn.a", "192.0.2.1", 3260);
	assert_int_equal(login_many_waits(h, "wait", false), LOGIN_WAIT_NOT);
	assert_int_equal(login_many_waits(h, "wait", true), LOGIN_WAIT_NODE);
	assert_int_equal(login_many_waits(h, "one-portal", true), LOGIN_WAIT_TARGET);
	assert_int_equal(login_many_waits(h, "one-portal", false), LOGIN_WAIT_NODE);
	harness_stop(h);
}

static void login_many_answers_when_the_last_has_ended(void **state)
{
	struct harness *h = harness_start();
	DBusMessage *message, *reply;
	DBusMessageIter array, item, field;
	DBusPendingCall *pending;

	fake_node_add(h->manager, "iqn.a", "192.0.2.1", 3260);
	fake_node_add(h->manager, "iqn.b", "192.0.2.1", 3260);
	fake_manager_hold(h->manager);
	fake_manager_fail_next(h->manager, ERROR_LOGIN_FAILED, "target says no");
	message = harness_method(ROOT, "org.hawser1.Manager", "LoginMany");
	dict_empty(message);
	dict_empty(message);
	pending = harness_send(h, h->client, message);
	HARNESS_WAIT(h, fake_manager_waiting(h->manager) == 2); /* both, before any has ended */
	assert_false(dbus_pending_call_get_completed(pending));
	fake_manager_release(h->manager);
	HARNESS_WAIT(h, dbus_pending_call_get_completed(pending));

	reply = dbus_pending_call_steal_reply(pending);
	assert_true(dbus_message_has_signature(reply, "a(oss)"));
	dbus_message_iter_init(reply, &array);
	assert_int_equal(dbus_message_iter_get_element_count(&array), 2);
	dbus_message_iter_recurse(&array, &item);
	dbus_message_iter_recurse(&item, &field);
	dbus_message_iter_next(&field);
	assert_string_equal(harness_text_of(&field), OUR_ERROR "LoginFailed");
	dbus_message_iter_next(&field);
	assert_string_equal(harness_text_of(&field), "target says no");
	dbus_message_iter_next(&item);
	dbus_message_iter_recurse(&item, &field);
	dbus_message_iter_next(&field);
	assert_string_equal(harness_text_of(&field), "");
	dbus_message_unref(reply);
	dbus_pending_call_unref(pending);
	harness_stop(h);
}

static void a_selection_of_nothing_is_an_error(void **state)
{
	struct harness *h = harness_start();
	static const char *const members[] = {"Manager.LoginMany", "Manager.LogoutMany",
					      "Manager.Rescan"};

	for (size_t i = 0; i < ARRAY_SIZE(members); i++)
		harness_assert_error(harness_ask(h, ROOT, members[i], 2),
				     OUR_ERROR "NoObjectsFound");
	harness_stop(h);
}

static void logout_many_survives_sessions_that_vanish_meanwhile(void **state)
{
	struct harness *h = harness_start_populated();

	harness_assert_reply(harness_ask(h, ROOT, "Manager.LogoutMany", 2), "a(oss)");
	assert_true(list_empty(manager_sessions(h->manager)));
	assert_true(list_empty(manager_maps(h->manager)));
	harness_stop(h);
}

static void logout_many_takes_the_named_sessions_and_no_other(void **state)
{
	static const uint32_t sids[] = {2, 99};
	struct harness *h = harness_start_populated();

	harness_assert_error(harness_call(h, h->client, with_sids("LogoutMany", NULL, 0, true)),
			     OUR_ERROR "NoObjectsFound");
	harness_assert_reply(harness_call(h, h->client, with_sids("LogoutMany", sids, 2, true)),
			     "a(oss)");
	assert_non_null(manager_find_session(h->manager, 1));
	assert_null(manager_find_session(h->manager, 2));
	harness_stop(h);
}

/* How many of the rows of LogoutMany's answer are errors. */
static int count_failed(DBusMessage *reply)
{
	DBusMessageIter array, item, field;
	int failed = 0;

	assert_true(dbus_message_has_signature(reply, "a(oss)"));
	dbus_message_iter_init(reply, &array);
	for (dbus_message_iter_recurse(&array, &item);
	     dbus_message_iter_get_arg_type(&item) != DBUS_TYPE_INVALID;
	     dbus_message_iter_next(&item)) {
		dbus_message_iter_recurse(&item, &field);
		dbus_message_iter_next(&field);
		failed += strcmp(harness_text_of(&field), OUR_ERROR "Busy") == 0;
	}
	dbus_message_unref(reply);
	return failed;
}

static void a_device_in_use_keeps_its_paths_together(void **state)
{
	static const uint32_t both[] = {1, 2};
	struct harness *h = harness_start_populated();

	fake_manager_use(h->manager);
	assert_int_equal(
		count_failed(harness_call(h, h->client, with_sids("LogoutMany", both, 2, true))),
		2);
	/* one of them may go, and then the other may not */
	assert_int_equal(
		count_failed(harness_call(h, h->client, with_sids("LogoutMany", both, 1, true))),
		0);
	assert_int_equal(
		count_failed(harness_call(h, h->client, with_sids("LogoutMany", both, 2, true))),
		1);
	assert_non_null(manager_find_session(h->manager, 2));
	harness_stop(h);
}

static void login_and_logout_of_one_node(void **state)
{
	struct harness *h = harness_start();
	struct node *node = fake_node_add(h->manager, "iqn.a", "192.0.2.1", 3260);
	const char *path = path_of_node(node);

	harness_assert_error(harness_ask(h, path, "Node.Logout", 1), OUR_ERROR "NoObjectsFound");
	harness_assert_reply(harness_ask(h, path, "Node.Login", 1), "");
	harness_assert_error(harness_ask(h, path, "Node.Login", 1), OUR_ERROR "SessionExists");
	harness_assert_error(harness_ask(h, path, "Node.Delete", 1), OUR_ERROR "SessionExists");
	harness_assert_reply(harness_ask(h, path, "Node.Logout", 1), "");
	harness_assert_reply(harness_ask(h, path, "Node.Delete", 1), "");
	harness_assert_error(harness_ask(h, path, "Node.Login", 1), DBUS_ERROR "UnknownObject");
	harness_stop(h);
}

static void a_caller_that_leaves_does_not_end_the_work(void **state)
{
	struct harness *h = harness_start();
	DBusConnection *leaver = harness_connect(h, h->address);
	struct node *node = fake_node_add(h->manager, "iqn.a", "192.0.2.1", 3260);
	DBusMessage *message = harness_method(path_of_node(node), NODE, "Login");
	DBusPendingCall *pending;

	fake_manager_hold(h->manager);
	dict_empty(message);
	pending = harness_send(h, leaver, message);
	HARNESS_WAIT(h, fake_manager_waiting(h->manager) == 1);
	dbus_pending_call_unref(pending);
	harness_disconnect(h, leaver);
	harness_forget_signals(h);
	fake_manager_release(h->manager);
	harness_assert_reply(harness_ask(h, ROOT, "Manager.Reload", 1), "");
	assert_false(list_empty(&node->sessions));
	harness_stop(h);
}

static void work_that_ends_after_the_face_stopped_is_no_harm(void **state)
{
	struct harness *h = harness_start_populated();
	DBusMessage *message = harness_method(ROOT, "org.hawser1.Manager", "LogoutMany");
	DBusPendingCall *pending;
	DBusMessage *reply;

	fake_manager_hold(h->manager);
	dict_empty(message);
	dict_empty(message);
	pending = harness_send(h, h->client, message);
	HARNESS_WAIT(h, fake_manager_waiting(h->manager) == 2);
	dbus_face.stop(h->face);
	h->face = NULL;
	HARNESS_WAIT(h, dbus_pending_call_get_completed(pending));
	reply = dbus_pending_call_steal_reply(pending);
	harness_assert_error(reply, DBUS_ERROR "NoReply");
	dbus_pending_call_unref(pending);
	fake_manager_release(h->manager);
	harness_stop(h);
}

static DBusMessage *discovery(const char *method, const char *address, const char *key,
			      const char *const *texts, int count)
{
	DBusMessage *message = harness_method(ROOT, "org.hawser1.Discovery", method);
	const dbus_uint16_t port = 0;
	struct dict dict;

	dbus_message_append_args(message, DBUS_TYPE_STRING, &address, DBUS_TYPE_UINT16, &port,
				 DBUS_TYPE_INVALID);
	dict_open(message, &dict);
	if (key)
		dict_add_strings(&dict, key, texts, count);
	dict_close(&dict);
	return message;
}

static DBusMessage *send_targets(const char *address, const char *key, const char *const *texts,
				 int count)
{
	return discovery("SendTargets", address, key, texts, count);
}

static void isns_passes_on_what_was_asked(void **state)
{
	static const char *const operations[] = {"nonpersistent"}, *const ifaces[] = {"eth0"};
	struct harness *h = harness_start();
	const struct discovery_request *request = fake_manager_last_discovery(h->manager);

	harness_assert_reply(
		harness_call(h, h->client, discovery("Isns", "192.0.2.9", "ifaces", ifaces, 1)),
		"aa{sv}");
	assert_int_equal(request->kind, DISCOVERY_KIND_ISNS);
	assert_string_equal(request->address, "192.0.2.9");
	assert_int_equal(request->port, 3205);
	assert_int_equal(request->iface_count, 1);
	harness_assert_reply(
		harness_call(h, h->client,
			     discovery("Isns", "192.0.2.9", "operations", operations, 1)),
		"aa{sv}");
	assert_int_equal(request->operations, DISCOVERY_NON_PERSISTENT);
	/* there is no record of a server that could be used */
	harness_assert_error(
		harness_call(h, h->client, discovery("Isns", "192.0.2.9", "stored", ifaces, 1)),
		DBUS_ERROR "InvalidArgs");
	fake_manager_fail_next(h->manager, ERROR_ISNS_QUERY_FAILED, "busy (12)");
	harness_assert_error(
		harness_call(h, h->client, discovery("Isns", "192.0.2.9", NULL, NULL, 0)),
		"org.hawser1.Error.IsnsQueryFailed");
	harness_stop(h);
}

static void firmware_targets_come_with_what_the_firmware_says(void **state)
{
	static const char *const operations[] = {"new"};
	struct harness *h = harness_start();
	const struct discovery_request *request = fake_manager_last_discovery(h->manager);
	DBusMessage *message = harness_method(ROOT, "org.hawser1.Discovery", "Firmware");
	struct dict dict;

	dict_open(message, &dict);
	dict_add_strings(&dict, "operations", operations, 1);
	dict_close(&dict);
	harness_assert_reply(harness_call(h, h->client, message), "aa{sv}");
	assert_int_equal(request->kind, DISCOVERY_KIND_FIRMWARE);
	assert_int_equal(request->operations, DISCOVERY_NEW);
	assert_string_equal(request->address, "");
	message = harness_method(ROOT, "org.hawser1.Discovery", "Firmware");
	dict_open(message, &dict);
	dict_add_strings(&dict, "ifaces", operations, 1);
	dict_close(&dict);
	harness_assert_error(harness_call(h, h->client, message), DBUS_ERROR "InvalidArgs");
	harness_stop(h);
}

static void discovery_passes_on_what_was_asked(void **state)
{
	static const char *const operations[] = {"new", "delete"}, *const ifaces[] = {"eth0"};
	static const char *const nonsense[] = {"explode"};
	struct harness *h = harness_start();
	const struct discovery_request *request = fake_manager_last_discovery(h->manager);
	const char *too_many[9] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};

	harness_assert_reply(
		harness_call(h, h->client, send_targets("192.0.2.9", "operations", operations, 2)),
		"aa{sv}");
	assert_string_equal(request->address, "192.0.2.9");
	assert_int_equal(request->kind, DISCOVERY_KIND_SEND_TARGETS);
	assert_int_equal(request->port, 3260);
	assert_int_equal(request->operations, DISCOVERY_NEW | DISCOVERY_DELETE);
	harness_assert_reply(
		harness_call(h, h->client, send_targets("192.0.2.9", "ifaces", ifaces, 1)),
		"aa{sv}");
	assert_int_equal(request->iface_count, 1);
	assert_string_equal(request->ifaces[0], "eth0");
	harness_assert_error(
		harness_call(h, h->client, send_targets("192.0.2.9", "operations", nonsense, 1)),
		DBUS_ERROR "InvalidArgs");
	harness_assert_error(
		harness_call(h, h->client, send_targets("192.0.2.9", "ifaces", too_many, 9)),
		DBUS_ERROR "InvalidArgs");
	harness_assert_error(harness_call(h, h->client, send_targets("", NULL, NULL, 0)),
			     DBUS_ERROR "InvalidArgs");
	harness_stop(h);
}

static DBusMessage *create_node(const char *target, const char *address, const char *iface)
{
	DBusMessage *message = harness_method(ROOT, "org.hawser1.Manager", "CreateNode");
	const dbus_uint16_t port = 3260;
	const dbus_int32_t tpgt = -1;

	dbus_message_append_args(message, DBUS_TYPE_STRING, &target, DBUS_TYPE_STRING, &address,
				 DBUS_TYPE_UINT16, &port, DBUS_TYPE_INT32, &tpgt, DBUS_TYPE_STRING,
				 &iface, DBUS_TYPE_INVALID);
	dict_empty(message);
	return message;
}

static void names_that_climb_out_of_their_folder_make_no_node(void **state)
{
	static const struct {
		const char *target, *address, *iface;
	} bad[] = {
		{"../../etc", "192.0.2.1", ""},
		{"iqn.a", "../x", ""},
		{"iqn.a", "192.0.2.1", "a/b"},
		{"", "192.0.2.1", ""},
		{"iqn.a", "", ""},
		{"iqn\n.a", "192.0.2.1", ""},
		{"iqn.a", "192.0.2.1,1", ""},
		{".", "192.0.2.1", ""},
	};
	struct harness *h = harness_start();
	char long_name[300];

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		harness_assert_error(
			harness_call(h, h->client,
				     create_node(bad[i].target, bad[i].address, bad[i].iface)),
			DBUS_ERROR "InvalidArgs");
	memset(long_name, 'a', sizeof(long_name));
	long_name[224] = '\0';
	harness_assert_error(harness_call(h, h->client, create_node(long_name, "192.0.2.1", "")),
			     DBUS_ERROR "InvalidArgs");
	assert_true(list_empty(manager_nodes(h->manager)));
	long_name[223] = '\0';
	harness_assert_reply(harness_call(h, h->client, create_node(long_name, "2001:db8::1", "")),
			     "o");
	harness_stop(h);
}

/* --- records and secrets --- */

static DBusMessage *update(const char *path, const char *const *pairs, int count)
{
	DBusMessage *message = harness_method(path, NODE, "Update");
	DBusMessageIter at, array, entry;

	dbus_message_iter_init_append(message, &at);
	dbus_message_iter_open_container(&at, DBUS_TYPE_ARRAY, "{ss}", &array);
	for (int i = 0; i < count; i++) {
		dbus_message_iter_open_container(&array, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
		dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &pairs[2 * i]);
		dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &pairs[2 * i + 1]);
		dbus_message_iter_close_container(&array, &entry);
	}
	dbus_message_iter_close_container(&at, &array);
	dict_empty(message);
	return message;
}

static DBusMessage *get_keys(const char *path, const char *const *keys, int count)
{
	DBusMessage *message = harness_method(path, NODE, "Get");
	DBusMessageIter at, array;

	dbus_message_iter_init_append(message, &at);
	dbus_message_iter_open_container(&at, DBUS_TYPE_ARRAY, "s", &array);
	for (int i = 0; i < count; i++)
		dbus_message_iter_append_basic(&array, DBUS_TYPE_STRING, &keys[i]);
	dbus_message_iter_close_container(&at, &array);
	return message;
}

/* Whether any byte run of @message is @text. */
static bool holds(DBusMessage *message, const char *text)
{
	char *bytes;
	int length;
	bool found;

	assert_true(dbus_message_marshal(message, &bytes, &length));
	found = memmem(bytes, (size_t)length, text, strlen(text)) != NULL;
	dbus_free(bytes);
	return found;
}

static void update_changes_all_or_nothing(void **state)
{
	static const char *const good[] = {"node.startup", "automatic",
					   "node.session.auth.username", "me"};
	static const char *const half[] = {"node.startup", "manual", "node.nonsense", "x"};
	struct harness *h = harness_start();
	struct node *node = fake_node_add(h->manager, "iqn.a", "192.0.2.1", 3260);
	const char *path = path_of_node(node);
	int at;

	harness_forget_signals(h);
	harness_assert_reply(harness_call(h, h->client, update(path, good, 2)), "");
	assert_string_equal(record_get(node->record, "node.startup"), "automatic");
	at = harness_find_signal(h, 0, path, "PropertiesChanged");
	assert_true(at >= 0);
	harness_assert_error(harness_call(h, h->client, update(path, half, 2)),
			     DBUS_ERROR "InvalidArgs");
	assert_string_equal(record_get(node->record, "node.startup"), "automatic");
	harness_stop(h);
}

static void get_gives_asked_keys_or_all(void **state)
{
	static const char *const keys[] = {"node.startup", "node.session.nr_sessions"};
	static const char *const unknown[] = {"node.startup", "node.nonsense"};
	struct harness *h = harness_start();
	const char *path = path_of_node(fake_node_add(h->manager, "iqn.a", "192.0.2.1", 3260));
	DBusMessageIter array;
	DBusMessage *reply;

	reply = harness_call(h, h->client, get_keys(path, keys, 2));
	assert_true(dbus_message_has_signature(reply, "a{ss}"));
	dbus_message_iter_init(reply, &array);
	assert_int_equal(dbus_message_iter_get_element_count(&array), 2);
	dbus_message_unref(reply);
	reply = harness_call(h, h->client, get_keys(path, NULL, 0));
	dbus_message_iter_init(reply, &array);
	assert_true(dbus_message_iter_get_element_count(&array) > 30);
	dbus_message_unref(reply);
	harness_assert_error(harness_call(h, h->client, get_keys(path, unknown, 2)),
			     DBUS_ERROR "InvalidArgs");
	harness_stop(h);
}

static DBusMessage *set_secret(const char *path, const char *key, const char *text)
{
	DBusMessage *message = harness_method(path, NODE, "SetSecret");
	int fd = memfd_create("secret", MFD_CLOEXEC);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_true(dbus_message_append_args(message, DBUS_TYPE_STRING, &key, DBUS_TYPE_UNIX_FD,
					     &fd, DBUS_TYPE_INVALID));
	close(fd);
	dict_empty(message);
	return message;
}

static void a_secret_can_be_set_and_never_be_read(void **state)
{
	static const char secret[] = "hunter2hunter2";
	static const char *const keys[] = {"node.session.auth.password"};
	static const char *const direct[] = {"node.session.auth.password_in", secret};
	struct harness *h = harness_start();
	struct node *node = fake_node_add(h->manager, "iqn.a", "192.0.2.1", 3260);
	const char *path = path_of_node(node);
	DBusMessage *replies[6];

	assert_string_equal(harness_property(h, path, NODE, "HasSecret"), "false");
	harness_assert_reply(harness_call(h, h->client, set_secret(path, keys[0], secret)), "");
	assert_string_equal(record_get(node->record, keys[0]), secret);
	assert_string_equal(harness_property(h, path, NODE, "HasSecret"), "true");
	/* root, over the private socket, may also use Update */
	harness_assert_reply(harness_call(h, h->client, update(path, direct, 1)), "");
	assert_string_equal(record_get(node->record, direct[0]), secret);
	harness_assert_error(harness_call(h, h->client, set_secret(path, "node.startup", "manual")),
			     DBUS_ERROR "InvalidArgs");

	replies[0] = harness_call(h, h->client, get_keys(path, NULL, 0));
	replies[1] = harness_call(h, h->client, get_keys(path, keys, 1));
	assert_true(holds(replies[1], "********"));
	replies[2] = harness_ask(h, ROOT, "Manager.ListNodes", 1);
	replies[3] = harness_call(h, h->client, harness_method(ROOT, MANAGER, "GetManagedObjects"));
	replies[4] = harness_call(h, h->client, two_strings(path, "Get", NODE, "HasSecret"));
	replies[5] = harness_call(h, h->client, harness_method(path, NULL, "Introspect"));
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		assert_int_equal(dbus_message_get_type(replies[i]),
				 DBUS_MESSAGE_TYPE_METHOD_RETURN);
		assert_false(holds(replies[i], secret));
		dbus_message_unref(replies[i]);
	}
	for (unsigned i = 0; i < h->signal_count; i++)
		assert_false(holds(h->signals[i], secret));
	harness_stop(h);
}

static DBusMessage *record_method(const char *interface, const char *member,
				  const char *const *names, int count, int port)
{
	DBusMessage *message = harness_method(ROOT, interface, member);
	const dbus_uint16_t number = (dbus_uint16_t)port;

	for (int i = 0; i < count; i++)
		dbus_message_append_args(message, DBUS_TYPE_STRING, &names[i], DBUS_TYPE_INVALID);
	if (port >= 0)
		dbus_message_append_args(message, DBUS_TYPE_UINT16, &number, DBUS_TYPE_INVALID);
	return message;
}

static DBusMessage *get_secret(const char *path, const char *key)
{
	DBusMessage *message = harness_method(path, NODE, "GetSecret");

	assert_true(dbus_message_append_args(message, DBUS_TYPE_STRING, &key, DBUS_TYPE_INVALID));
	dict_empty(message);
	return message;
}

static void root_gets_a_secret_through_a_descriptor_of_the_private_socket(void **state)
{
	static const char key[] = "node.session.auth.password";
	struct harness *h = harness_start();
	struct node *node = fake_node_add(h->manager, "iqn.a", "192.0.2.1", 3260);
	const char *path = path_of_node(node);
	char text[64] = "";
	DBusMessage *reply;
	int fd = -1;

	harness_assert_reply(harness_call(h, h->client, set_secret(path, key, "hunter2hunter2")),
			     "");
	reply = harness_call(h, h->client, get_secret(path, key));
	assert_false(holds(reply, "hunter2hunter2"));
	assert_true(dbus_message_get_args(reply, NULL, DBUS_TYPE_UNIX_FD, &fd, DBUS_TYPE_INVALID));
	assert_int_equal(pread(fd, text, sizeof(text), 0), 14);
	assert_string_equal(text, "hunter2hunter2");
	assert_true(pwrite(fd, "x", 1, 0) < 0); /* sealed */
	close(fd);
	dbus_message_unref(reply);
	harness_assert_error(harness_call(h, h->client, get_secret(path, "node.startup")),
			     DBUS_ERROR "InvalidArgs");
	harness_assert_error(harness_call(h, h->client, get_secret(path, "bogus.password")),
			     DBUS_ERROR "InvalidArgs");
	harness_stop(h);
}

#define RECORDS "org.hawser1.DiscoveryRecords"
#define IFACES	"org.hawser1.Ifaces"

static DBusMessage *discovery_record(const char *member, const char *type, const char *address)
{
	const char *const names[] = {type, address};

	return record_method(RECORDS, member, names, 2, 0);
}

static void append_strings(DBusMessage *message, const char *signature)
{
	DBusMessageIter at, array;

	dbus_message_iter_init_append(message, &at);
	dbus_message_iter_open_container(&at, DBUS_TYPE_ARRAY, signature, &array);
	dbus_message_iter_close_container(&at, &array);
}

static void append_change(DBusMessage *message, const char *key, const char *value)
{
	DBusMessageIter at, array, entry;

	dbus_message_iter_init_append(message, &at);
	dbus_message_iter_open_container(&at, DBUS_TYPE_ARRAY, "{ss}", &array);
	dbus_message_iter_open_container(&array, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
	dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &key);
	dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &value);
	dbus_message_iter_close_container(&array, &entry);
	dbus_message_iter_close_container(&at, &array);
	dict_empty(message);
}

static void discovery_records_come_and_go(void **state)
{
	struct harness *h = harness_start();
	DBusMessage *message, *reply;

	message = discovery_record("Create", "sendtargets", "192.0.2.9");
	dict_empty(message);
	harness_assert_reply(harness_call(h, h->client, message), "");
	message = discovery_record("Update", "sendtargets", "192.0.2.9");
	append_change(message, "discovery.startup", "automatic");
	harness_assert_reply(harness_call(h, h->client, message), "");

	reply = harness_ask(h, ROOT, "DiscoveryRecords.List", 1);
	assert_true(holds(reply, "sendtargets") && holds(reply, "192.0.2.9"));
	dbus_message_unref(reply);
	message = discovery_record("Get", "sendtargets", "192.0.2.9");
	append_strings(message, "s");
	reply = harness_call(h, h->client, message);
	assert_true(holds(reply, "automatic") && holds(reply, "discovery.sendtargets.reopen_max"));
	dbus_message_unref(reply);

	message = discovery_record("Delete", "sendtargets", "192.0.2.9");
	dict_empty(message);
	harness_assert_reply(harness_call(h, h->client, message), "");
	message = discovery_record("Get", "sendtargets", "192.0.2.9");
	append_strings(message, "s");
	harness_assert_error(harness_call(h, h->client, message), OUR_ERROR "NoObjectsFound");
	message = discovery_record("Create", "fw", "192.0.2.9");
	dict_empty(message);
	harness_assert_error(harness_call(h, h->client, message), DBUS_ERROR "InvalidArgs");
	harness_stop(h);
}

static DBusMessage *iface_method(const char *member, const char *name)
{
	return record_method(IFACES, member, &name, 1, -1);
}

static void interface_records_come_and_go(void **state)
{
	struct harness *h = harness_start();
	DBusMessage *message, *reply;

	message = iface_method("Create", "left");
	append_change(message, "iface.net_ifacename", "eth7");
	harness_assert_reply(harness_call(h, h->client, message), "");
	message = iface_method("Update", "left");
	append_change(message, "iface.mtu", "9000");
	harness_assert_reply(harness_call(h, h->client, message), "");
	reply = harness_ask(h, ROOT, "Ifaces.List", 1);
	assert_true(holds(reply, "left"));
	dbus_message_unref(reply);
	message = iface_method("Get", "left");
	append_strings(message, "s");
	reply = harness_call(h, h->client, message);
	assert_true(holds(reply, "eth7") && holds(reply, "9000"));
	dbus_message_unref(reply);
	message = iface_method("Delete", "left");
	dict_empty(message);
	harness_assert_reply(harness_call(h, h->client, message), "");
	message = iface_method("Delete", "left");
	dict_empty(message);
	harness_assert_error(harness_call(h, h->client, message), OUR_ERROR "NoObjectsFound");
	message = iface_method("Create", "default");
	append_change(message, "iface.mtu", "9000");
	harness_assert_error(harness_call(h, h->client, message), DBUS_ERROR "InvalidArgs");
	message = iface_method("Delete", "");
	dict_empty(message);
	harness_assert_error(harness_call(h, h->client, message), DBUS_ERROR "InvalidArgs");
	harness_stop(h);
}

static void a_session_more_can_be_asked_for(void **state)
{
	const dbus_bool_t yes = TRUE;
	struct harness *h = harness_start_populated();
	const char *path = path_of_node(first_node(h));
	DBusMessage *message = harness_method(path, NODE, "Login");
	struct dict dict;

	dict_open(message, &dict);
	dict_add(&dict, "additional", DBUS_TYPE_BOOLEAN, &yes);
	dict_close(&dict);
	harness_assert_reply(harness_call(h, h->client, message), "");
	assert_non_null(manager_find_session(h->manager, 3));
	harness_assert_error(harness_ask(h, path, "Node.Login", 1), OUR_ERROR "SessionExists");
	harness_stop(h);
}

/* --- hostile company --- */

static void bytes_from_a_target_that_are_no_text_do_no_harm(void **state)
{
	struct harness *h = harness_start_populated();
	struct session_view *session = first_session(h);
	struct map_view *map = first_map(h);

	strcpy(session->state_reason, "alias \xff\xfe\x80 said \xc0\xaf");
	strcpy(session->target, "iqn.\xf5");
	strcpy(map->unit.identity.vendor, "\x80\x81\x82");
	strcpy(map->unit.identity.product, "disk\xe2\x28");
	strcpy(map->name, "\xed\xa0\x80");
	error_set(&session->last_error, ERROR_LOGIN_FAILED, "target: \xff\xff");
	fake_changed(h->manager, OBJECT_SESSION, session);
	fake_changed(h->manager, OBJECT_MAP, map);
	fake_event(h->manager, OBJECT_MAP, map,
		   &(struct event_facts){.kind = EVENT_DEVICE_FAILED, .reason = "\xfe\xff"});
	fake_manager_fail_next(h->manager, ERROR_FAILED, "because \xff");
	harness_assert_error(harness_ask(h, ROOT, "Manager.Reload", 1), OUR_ERROR "Failed");
	harness_assert_reply(harness_ask(h, ROOT, "Manager.ListSessions", 1), "a(oa{sv})");
	harness_assert_reply(harness_ask(h, ROOT, "Manager.ListMaps", 1), "a(oa{sv})");
	harness_assert_reply(
		harness_call(h, h->client, harness_method(ROOT, MANAGER, "GetManagedObjects")),
		"a{oa{sa{sv}}}");
	assert_string_equal(harness_property(h, path_of_map(map), "org.hawser1.Map", "Vendor"),
			    "???");
	harness_stop(h);
}

static void a_message_that_is_too_large_ends_its_connection_only(void **state)
{
	struct harness *h = harness_start_populated();
	DBusConnection *rude = harness_connect(h, h->address);
	size_t size = 5u << 20;
	char *text = malloc(size + 1);
	DBusMessage *message = harness_method(ROOT, "org.hawser1.Manager", "GetMap");

	memset(text, 'a', size);
	text[size] = '\0';
	assert_true(dbus_message_append_args(message, DBUS_TYPE_STRING, &text, DBUS_TYPE_INVALID));
	free(text);
	assert_true(dbus_connection_send(rude, message, NULL));
	dbus_message_unref(message);
	HARNESS_WAIT(h, !dbus_connection_get_is_connected(rude));
	harness_assert_reply(harness_ask(h, ROOT, "Manager.ListNodes", 1), "a(oa{sv})");
	harness_disconnect(h, rude);
	harness_stop(h);
}

static void add_many(struct harness *h)
{
	for (unsigned i = 0; i < 500; i++) {
		char target[32];

		snprintf(target, sizeof(target), "iqn.many:%03u", i);
		fake_session_add(h->manager, fake_node_add(h->manager, target, "192.0.2.1", 3260));
	}
}

static void a_thousand_objects_come_in_one_answer(void **state)
{
	struct harness *h = harness_start();
	DBusMessageIter array;
	DBusMessage *reply;

	add_many(h);
	reply = harness_call(h, h->client, harness_method(ROOT, MANAGER, "GetManagedObjects"));
	assert_true(dbus_message_has_signature(reply, "a{oa{sa{sv}}}"));
	dbus_message_iter_init(reply, &array);
	assert_int_equal(dbus_message_iter_get_element_count(&array), 1000);
	dbus_message_unref(reply);
	harness_stop(h);
}

/* A client that sends @count calls with large answers, and does not read. Its own requests are so
 * small that the socket takes them at once. */
static DBusConnection *connect_deaf(struct harness *h, unsigned count)
{
	DBusConnection *deaf = harness_connect(h, h->address);

	harness_assert_reply(harness_call(h, deaf, harness_method(ROOT, NULL, "Introspect")), "s");
	assert_ptr_equal(h->clients[--h->client_count], deaf);
	while (count-- > 0) {
		DBusMessage *message = harness_method(ROOT, MANAGER, "GetManagedObjects");

		assert_true(dbus_connection_send(deaf, message, NULL));
		dbus_message_unref(message);
	}
	dbus_connection_flush(deaf);
	return deaf;
}

static bool is_hung_up(DBusConnection *client)
{
	struct pollfd poll_fd = {.events = 0};

	assert_true(dbus_connection_get_unix_fd(client, &poll_fd.fd));
	return poll(&poll_fd, 1, 0) > 0 && poll_fd.revents & POLLHUP;
}

static void a_peer_that_never_reads_is_dropped_in_the_end(void **state)
{
	struct harness *h = harness_start();
	DBusConnection *deaf;

	add_many(h);
	deaf = connect_deaf(h, 100); /* answers of some 70 MiB */
	HARNESS_WAIT(h, is_hung_up(deaf));
	harness_assert_reply(harness_ask(h, ROOT, "Manager.ListMaps", 1), "a(oa{sv})");
	dbus_connection_close(deaf);
	dbus_connection_unref(deaf);
	harness_stop(h);
}

static void a_slow_reader_misses_events_and_no_changes(void **state)
{
	struct harness *h = harness_start();
	unsigned events = 0, changes = 0, answers = 0;
	DBusConnection *slow;
	DBusMessage *message;

	add_many(h);
	slow = connect_deaf(h, 4);
	/* one message is dispatched per turn: the four answers are queued when ours is there */
	for (unsigned i = 0; i < 5; i++)
		harness_forget_signals(h);
	fake_event(h->manager, OBJECT_MANAGER, NULL,
		   &(struct event_facts){.kind = EVENT_RECORD_DAMAGED});
	first_session(h)->attempts++;
	fake_changed(h->manager, OBJECT_SESSION, first_session(h));
	harness_assert_reply(harness_ask(h, ROOT, "Manager.Reload", 1), "");
	assert_true(harness_find_signal(h, 0, ROOT, "Event") >= 0); /* who reads gets it */

	while (answers < 4 || changes < 1) {
		harness_turn(h);
		(void)dbus_connection_read_write(slow, 0);
		while ((message = dbus_connection_pop_message(slow))) {
			answers +=
				dbus_message_get_type(message) == DBUS_MESSAGE_TYPE_METHOD_RETURN;
			events += dbus_message_has_member(message, "Event");
			changes += dbus_message_has_member(message, "PropertiesChanged");
			dbus_message_unref(message);
		}
	}
	assert_int_equal(events, 0);
	dbus_connection_close(slow);
	dbus_connection_unref(slow);
	harness_stop(h);
}

static void the_socket_is_for_root_alone(void **state)
{
	struct harness *h = harness_start();
	char path[128];
	struct stat status;

	snprintf(path, sizeof(path), "%s/bus", h->run_dir);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	harness_stop(h);
}

static void another_user_is_refused_even_with_the_mode_open(void **state)
{
	struct harness *h;
	char path[128];
	pid_t child;
	int status;

	if (geteuid() != 0)
		skip();
	h = harness_start();
	snprintf(path, sizeof(path), "%s/bus", h->run_dir);
	assert_int_equal(chmod(h->run_dir, 0755) | chmod(path, 0666), 0);
	child = fork();
	if (child == 0) {
		DBusConnection *client;

		if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(3);
		client = dbus_connection_open_private(h->address, NULL);
		if (!client)
			_exit(2);
		dbus_connection_set_exit_on_disconnect(client, FALSE);
		dbus_message_unref(
			dbus_connection_send_with_reply_and_block(
				client, harness_method("/", NULL, "Introspect"), 30000, NULL)
				?: (_exit(0), NULL));
		_exit(1); /* it was answered */
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		harness_turn(h);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	harness_stop(h);
}

/* --- tools --- */

/* Run busctl against the socket while the daemon serves it. */
static char *run_busctl(struct harness *h, const char *arguments)
{
	char command[512], *output = calloc(1, 65536);
	size_t length = 0;
	ssize_t n = 1;
	FILE *pipe;

	snprintf(command, sizeof(command),
		 "timeout 20 busctl --no-pager --address=unix:path=%s/bus %s 2>&1", h->run_dir,
		 arguments);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	assert_int_equal(fcntl(fileno(pipe), F_SETFL, O_NONBLOCK), 0);
	while (n != 0) {
		harness_turn(h);
		n = read(fileno(pipe), output + length, 65535 - length);
		length += n > 0 ? (size_t)n : 0;
	}
	assert_int_equal(pclose(pipe), 0);
	return output;
}

static void busctl_understands_us_without_a_bus(void **state)
{
	static const struct {
		const char *arguments, *expected;
	} cells[] = {
		{"tree org.hawser1", "/org/hawser1/session/2"},
		{"introspect org.hawser1 /org/hawser1", ".ListMaps"},
		{"introspect org.hawser1 /org/hawser1/session/1", "\"logged-in\""},
		{"get-property org.hawser1 /org/hawser1 org.hawser1.Manager Health", "s \"ok\""},
		{"call org.hawser1 /org/hawser1 org.hawser1.Manager GetSession u 2",
		 "o \"/org/hawser1/session/2\""},
		{"list", "org.hawser1"},
	};
	struct harness *h;

	if (system("busctl --version >/dev/null 2>&1") != 0)
		skip();
	h = harness_start_populated();
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		owned_memory char *output = run_busctl(h, cells[i].arguments);

		if (!strstr(output, cells[i].expected))
			fail_msg("busctl %s: %s", cells[i].arguments, output);
	}
	harness_stop(h);
}

static void a_bus_that_is_none_says_so(void **state)
{
	struct harness *h = harness_start();
	DBusMessage *message = dbus_message_new_method_call("org.example.Somebody", "/",
							    "org.example.Somebody", "Do");
	static const struct {
		const char *member, *argument, *signature, *error;
	} cells[] = {
		{"Hello", NULL, "s", NULL},
		{"ListNames", NULL, "as", NULL},
		{"AddMatch", "type='signal'", "", NULL},
		{"RemoveMatch", "type='signal'", "", NULL},
		{"GetNameOwner", "org.hawser1", "s", NULL},
		{"GetNameOwner", "org.example", NULL, DBUS_ERROR "NameHasNoOwner"},
		{"NameHasOwner", "org.example", "b", NULL},
		{"GetConnectionUnixUser", "org.hawser1", "u", NULL},
		{"GetConnectionCredentials", "org.hawser1", "a{sv}", NULL},
		{"GetNameOwner", NULL, NULL, DBUS_ERROR "InvalidArgs"},
		{"RequestName", NULL, NULL, DBUS_ERROR "UnknownMethod"},
	};

	harness_assert_error(harness_call(h, h->client, message), DBUS_ERROR "ServiceUnknown");
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
		DBusMessage *reply;

		message = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
						       DBUS_INTERFACE_DBUS, cells[i].member);
		if (cells[i].argument)
			dbus_message_append_args(message, DBUS_TYPE_STRING, &cells[i].argument,
						 DBUS_TYPE_INVALID);
		reply = harness_call(h, h->client, message);
		if (cells[i].error)
			harness_assert_error(reply, cells[i].error);
		else
			harness_assert_reply(reply, cells[i].signature);
	}
	harness_stop(h);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_give_every_object_with_its_properties),
		cmocka_unit_test(a_selector_keeps_what_matches),
		cmocka_unit_test(sessions_are_selected_by_number),
		cmocka_unit_test(more_sessions_than_can_be_are_refused),
		cmocka_unit_test(properties_show_the_views),
		cmocka_unit_test(the_state_of_a_node_sums_up_its_sessions),
		cmocka_unit_test(names_find_their_objects),
		cmocka_unit_test(statistics_have_every_session_and_path),
		cmocka_unit_test(maps_are_listed_with_counters_of_now),
		cmocka_unit_test(maps_are_listed_when_the_workers_have_answered),
		cmocka_unit_test(maps_are_listed_also_when_counters_cannot_be_had),
		cmocka_unit_test(holders_are_named),
		cmocka_unit_test(orders_about_a_reservation_are_handed_over_as_given),
		cmocka_unit_test(questions_about_a_reservation_are_answered),
		cmocka_unit_test(a_reset_says_what_of),
		cmocka_unit_test(a_removal_says_whether_by_force),
		cmocka_unit_test(a_path_group_is_chosen_and_given_up),
		cmocka_unit_test(path_groups_and_access_states_are_properties),
		cmocka_unit_test(what_does_not_exist_is_said_so),
		cmocka_unit_test(properties_that_do_not_exist_or_cannot_be_set_are_refused),
		cmocka_unit_test(unknown_options_are_invalid_arguments),
		cmocka_unit_test(an_answer_comes_behind_the_changes_that_the_call_made),
		cmocka_unit_test(a_new_object_is_told_before_its_children),
		cmocka_unit_test(only_what_changed_is_told_and_once),
		cmocka_unit_test(counters_are_not_told),
		cmocka_unit_test(an_object_that_comes_and_goes_at_once_is_never_told),
		cmocka_unit_test(events_carry_object_and_fields),
		cmocka_unit_test(the_last_events_can_be_asked_for),
		cmocka_unit_test(events_are_filtered),
		cmocka_unit_test(an_answer_with_events_is_bounded),
		cmocka_unit_test(login_many_waits_for_what_its_options_say),
		cmocka_unit_test(login_many_answers_when_the_last_has_ended),
		cmocka_unit_test(a_selection_of_nothing_is_an_error),
		cmocka_unit_test(logout_many_survives_sessions_that_vanish_meanwhile),
		cmocka_unit_test(logout_many_takes_the_named_sessions_and_no_other),
		cmocka_unit_test(a_device_in_use_keeps_its_paths_together),
		cmocka_unit_test(login_and_logout_of_one_node),
		cmocka_unit_test(a_caller_that_leaves_does_not_end_the_work),
		cmocka_unit_test(work_that_ends_after_the_face_stopped_is_no_harm),
		cmocka_unit_test(discovery_passes_on_what_was_asked),
		cmocka_unit_test(isns_passes_on_what_was_asked),
		cmocka_unit_test(firmware_targets_come_with_what_the_firmware_says),
		cmocka_unit_test(names_that_climb_out_of_their_folder_make_no_node),
		cmocka_unit_test(update_changes_all_or_nothing),
		cmocka_unit_test(get_gives_asked_keys_or_all),
		cmocka_unit_test(a_secret_can_be_set_and_never_be_read),
		cmocka_unit_test(root_gets_a_secret_through_a_descriptor_of_the_private_socket),
		cmocka_unit_test(discovery_records_come_and_go),
		cmocka_unit_test(interface_records_come_and_go),
		cmocka_unit_test(a_session_more_can_be_asked_for),
		cmocka_unit_test(bytes_from_a_target_that_are_no_text_do_no_harm),
		cmocka_unit_test(a_message_that_is_too_large_ends_its_connection_only),
		cmocka_unit_test(a_peer_that_never_reads_is_dropped_in_the_end),
		cmocka_unit_test(a_slow_reader_misses_events_and_no_changes),
		cmocka_unit_test(a_thousand_objects_come_in_one_answer),
		cmocka_unit_test(the_socket_is_for_root_alone),
		cmocka_unit_test(another_user_is_refused_even_with_the_mode_open),
		cmocka_unit_test(busctl_understands_us_without_a_bus),
		cmocka_unit_test(a_bus_that_is_none_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
