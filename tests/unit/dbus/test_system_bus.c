/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The face on a message bus: a dbus-daemon of our own with the shipped policy file, a polkit that
 * says what the test wants, and callers that are nobody. Needs root, to be somebody else.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/record.h"
#include "dbus/access.h"
#include "tests/unit/dbus/harness.h"
#include "util/cleanup.h"

#define ROOT	   "/org/hawser1"
#define DBUS_ERROR "org.freedesktop.DBus.Error."
#define NOBODY	   65534
#define LONG_MS	   60000

enum consent {
	CONSENT_NONE, /* no polkit is there */
	CONSENT_YES,
	CONSENT_NO,
	CONSENT_CHALLENGE,
	CONSENT_SILENCE,
};

struct system_bus {
	struct harness *h;
	char folder[64], address[128], config[96];
	pid_t daemon;
	DBusConnection *root;	/* a client that is uid 0 */
	DBusConnection *polkit; /* NULL: none */
	enum consent verdict;
	unsigned asked, cancelled;
	char subject[64], action[64], target[64];
	uint32_t flags;
};

static const char config_text[] =
	"<busconfig><type>custom</type><listen>unix:path=%s/socket</listen><auth>EXTERNAL</auth>"
	"<policy context=\"default\"><allow user=\"*\"/><deny own=\"*\"/>"
	"<deny send_type=\"method_call\"/><allow send_type=\"signal\"/>"
	"<allow send_requested_reply=\"true\" send_type=\"method_return\"/>"
	"<allow send_requested_reply=\"true\" send_type=\"error\"/>"
	"<allow receive_type=\"method_call\"/><allow receive_type=\"method_return\"/>"
	"<allow receive_type=\"error\"/><allow receive_type=\"signal\"/>"
	"<allow send_destination=\"org.freedesktop.DBus\"/></policy>"
	"<policy user=\"root\"><allow own=\"org.freedesktop.PolicyKit1\"/>"
	"<allow send_destination=\"org.freedesktop.PolicyKit1\"/></policy>"
	"<include>%s/units/org.hawser1.conf</include></busconfig>";

static void start_daemon(struct system_bus *s)
{
	char line[256], fd[32];
	int ready[2];

	assert_int_equal(pipe(ready), 0);
	snprintf(fd, sizeof(fd), "--print-address=%d", ready[1]);
	s->daemon = fork();
	if (s->daemon == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ready[0]);
		execlp("dbus-daemon", "dbus-daemon", "--nofork", "--nopidfile", "--config-file",
		       s->config, fd, NULL);
		_exit(1);
	}
	close(ready[1]);
	assert_true(read(ready[0], line, sizeof(line)) > 0); /* it listens */
	close(ready[0]);
}

static void stop_daemon(struct system_bus *s)
{
	kill(s->daemon, SIGKILL);
	waitpid(s->daemon, NULL, 0);
}

static DBusMessage *to_bus(const char *member, const char *argument)
{
	DBusMessage *message = dbus_message_new_method_call(DBUS_SERVICE_DBUS, DBUS_PATH_DBUS,
							    DBUS_INTERFACE_DBUS, member);

	if (argument)
		dbus_message_append_args(message, DBUS_TYPE_STRING, &argument, DBUS_TYPE_INVALID);
	return message;
}

static DBusConnection *connect_bus(struct system_bus *s)
{
	DBusConnection *client = harness_connect(s->h, s->address);

	harness_assert_reply(harness_call(s->h, client, to_bus("Hello", NULL)), "s");
	return client;
}

static void wait_for_name(struct system_bus *s)
{
	dbus_bool_t there = FALSE;

	while (!there) {
		DBusMessage *reply =
			harness_call(s->h, s->root, to_bus("NameHasOwner", "org.hawser1"));

		assert_true(dbus_message_get_args(reply, NULL, DBUS_TYPE_BOOLEAN, &there,
						  DBUS_TYPE_INVALID));
		dbus_message_unref(reply);
	}
}

static int setup(void **state)
{
	struct system_bus *s;
	FILE *file;

	*state = NULL;
	if (geteuid() != 0 || system("dbus-daemon --version >/dev/null 2>&1") != 0)
		return 0;
	s = calloc(1, sizeof(*s));
	strcpy(s->folder, "/tmp/hawser-test-XXXXXX");
	assert_non_null(mkdtemp(s->folder));
	assert_int_equal(chmod(s->folder, 0755), 0);
	snprintf(s->address, sizeof(s->address), "unix:path=%s/socket", s->folder);
	snprintf(s->config, sizeof(s->config), "%s/config", s->folder);
	file = fopen(s->config, "w");
	assert_non_null(file);
	fprintf(file, config_text, s->folder, getenv("HAWSER_SOURCE_DIR"));
	fclose(file);
	start_daemon(s);
	setenv("DBUS_SYSTEM_BUS_ADDRESS", s->address, 1);
	s->h = harness_start_populated();
	s->root = connect_bus(s);
	wait_for_name(s);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct system_bus *s = *state;
	char path[128];

	if (!s)
		return 0;
	harness_stop(s->h);
	stop_daemon(s);
	snprintf(path, sizeof(path), "%s/socket", s->folder);
	unlink(path);
	unlink(s->config);
	assert_int_equal(rmdir(s->folder), 0);
	free(s);
	return 0;
}

/* --- polkit --- */

static void read_details(struct system_bus *s, DBusMessageIter *details)
{
	DBusMessageIter entry;
	const char *key, *value;

	for (; dbus_message_iter_get_arg_type(details) == DBUS_TYPE_DICT_ENTRY;
	     dbus_message_iter_next(details)) {
		dbus_message_iter_recurse(details, &entry);
		dbus_message_iter_get_basic(&entry, &key);
		dbus_message_iter_next(&entry);
		dbus_message_iter_get_basic(&entry, &value);
		if (strcmp(key, "target") == 0)
			snprintf(s->target, sizeof(s->target), "%s", value);
	}
}

static void read_question(struct system_bus *s, DBusMessage *message)
{
	DBusMessageIter at, subject, array, entry, variant;
	const char *text;

	assert_true(dbus_message_has_signature(message, "(sa{sv})sa{ss}us"));
	dbus_message_iter_init(message, &at);
	dbus_message_iter_recurse(&at, &subject);
	dbus_message_iter_get_basic(&subject, &text);
	assert_string_equal(text, "system-bus-name");
	dbus_message_iter_next(&subject);
	dbus_message_iter_recurse(&subject, &array);
	dbus_message_iter_recurse(&array, &entry);
	dbus_message_iter_next(&entry);
	dbus_message_iter_recurse(&entry, &variant);
	dbus_message_iter_get_basic(&variant, &text);
	snprintf(s->subject, sizeof(s->subject), "%s", text);
	dbus_message_iter_next(&at);
	dbus_message_iter_get_basic(&at, &text);
	snprintf(s->action, sizeof(s->action), "%s", text);
	dbus_message_iter_next(&at);
	dbus_message_iter_recurse(&at, &array);
	read_details(s, &array);
	dbus_message_iter_next(&at);
	dbus_message_iter_get_basic(&at, &s->flags);
}

static void answer_question(struct system_bus *s, DBusMessage *message)
{
	DBusMessage *reply = dbus_message_new_method_return(message);
	const dbus_bool_t yes = s->verdict == CONSENT_YES;
	const dbus_bool_t challenge = s->verdict == CONSENT_CHALLENGE;
	DBusMessageIter at, result, details;

	dbus_message_iter_init_append(reply, &at);
	dbus_message_iter_open_container(&at, DBUS_TYPE_STRUCT, NULL, &result);
	dbus_message_iter_append_basic(&result, DBUS_TYPE_BOOLEAN, &yes);
	dbus_message_iter_append_basic(&result, DBUS_TYPE_BOOLEAN, &challenge);
	dbus_message_iter_open_container(&result, DBUS_TYPE_ARRAY, "{ss}", &details);
	dbus_message_iter_close_container(&result, &details);
	dbus_message_iter_close_container(&at, &result);
	dbus_connection_send(s->polkit, reply, NULL);
	dbus_message_unref(reply);
}

static DBusHandlerResult on_question(DBusConnection *connection, DBusMessage *message,
				     void *userdata)
{
	struct system_bus *s = userdata;

	if (dbus_message_is_method_call(message, "org.freedesktop.PolicyKit1.Authority",
					"CancelCheckAuthorization")) {
		s->cancelled++;
		return DBUS_HANDLER_RESULT_HANDLED;
	}
	if (!dbus_message_is_method_call(message, "org.freedesktop.PolicyKit1.Authority",
					 "CheckAuthorization"))
		return DBUS_HANDLER_RESULT_NOT_YET_HANDLED;
	s->asked++;
	read_question(s, message);
	if (s->verdict != CONSENT_SILENCE)
		answer_question(s, message);
	return DBUS_HANDLER_RESULT_HANDLED;
}

static void start_polkit(struct system_bus *s, enum consent verdict)
{
	const char *name = "org.freedesktop.PolicyKit1";
	DBusMessage *message = to_bus("RequestName", name);
	const dbus_uint32_t flags = 0;

	s->verdict = verdict;
	s->polkit = connect_bus(s);
	dbus_connection_add_filter(s->polkit, on_question, s, NULL);
	dbus_message_append_args(message, DBUS_TYPE_UINT32, &flags, DBUS_TYPE_INVALID);
	harness_assert_reply(harness_call(s->h, s->polkit, message), "u");
}

/* --- callers that are nobody --- */

static DBusMessage *call_of(const char *path, const char *interface, const char *member,
			    unsigned n_dicts)
{
	DBusMessage *message = harness_method(path, interface, member);

	dbus_message_set_destination(message, "org.hawser1");
	while (n_dicts-- > 0)
		dict_empty(message);
	return message;
}

/* In the child: call, and write the error's name ("" for none) to @out. */
static void be_nobody(struct system_bus *s, DBusMessage *message, int out)
{
	DBusError error = DBUS_ERROR_INIT;
	DBusConnection *bus;

	/* connections of the parent must end when the parent ends them */
	if (dup2(out, STDERR_FILENO + 1) < 0 || close_range(STDERR_FILENO + 2, ~0u, 0) < 0)
		_exit(1);
	out = STDERR_FILENO + 1;
	if (setresgid(NOBODY, NOBODY, NOBODY) < 0 || setresuid(NOBODY, NOBODY, NOBODY) < 0)
		_exit(1);
	bus = dbus_connection_open_private(s->address, &error);
	if (!bus || !dbus_bus_register(bus, &error))
		_exit(1);
	(void)dbus_connection_send_with_reply_and_block(bus, message, LONG_MS, &error);
	dprintf(out, "%s", error.name ? error.name : "");
	_exit(0);
}

static pid_t start_nobody(struct system_bus *s, DBusMessage *message, int *out)
{
	int ends[2];
	pid_t child;

	assert_int_equal(pipe(ends), 0);
	child = fork();
	if (child == 0)
		be_nobody(s, message, ends[1]);
	close(ends[1]);
	dbus_message_unref(message);
	*out = ends[0];
	return child;
}

/* What nobody gets: "" or the name of an error; in a static buffer. */
static const char *ask_as_nobody(struct system_bus *s, DBusMessage *message)
{
	static char name[256];
	struct pollfd done = {.events = POLLIN};
	pid_t child = start_nobody(s, message, &done.fd);
	ssize_t length;
	int status;

	while (poll(&done, 1, 0) == 0)
		harness_turn(s->h);
	length = read(done.fd, name, sizeof(name) - 1);
	name[length > 0 ? length : 0] = '\0';
	close(done.fd);
	waitpid(child, &status, 0);
	assert_int_equal(status, 0);
	return name;
}

static const char *node_of(struct system_bus *s)
{
	static char path[96];
	const struct node *node = list_first(manager_nodes(s->h->manager), struct node, link);

	snprintf(path, sizeof(path), ROOT "/node/n%016lx", node ? (unsigned long)node->id : 0);
	return path;
}

static const char *map_of(struct system_bus *s)
{
	static char path[96];
	const struct map_view *map = list_first(manager_maps(s->h->manager), struct map_view, link);

	snprintf(path, sizeof(path), ROOT "/map/m%016lx", map ? (unsigned long)map->id : 0);
	return path;
}

#define NEEDS_BUS(state) \
	if (!*(state)) \
	skip()

/* --- tests --- */

static void root_reads_and_changes_over_the_bus(void **state)
{
	struct system_bus *s = *state;

	NEEDS_BUS(state);
	harness_assert_reply(
		harness_call(s->h, s->root, call_of(ROOT, "org.hawser1.Manager", "ListMaps", 1)),
		"a(oa{sv})");
	harness_assert_reply(
		harness_call(s->h, s->root,
			     call_of(ROOT "/session/1", "org.hawser1.Session", "Logout", 1)),
		"");
	assert_null(manager_find_session(s->h->manager, 1));
}

static void anybody_may_read(void **state)
{
	static const struct {
		const char *path, *interface, *member;
		unsigned dicts;
	} cells[] = {
		{ROOT, "org.hawser1.Manager", "ListNodes", 1},
		{ROOT, "org.hawser1.Manager", "ListSessions", 1},
		{ROOT, "org.hawser1.Manager", "ListMaps", 1},
		{ROOT, "org.hawser1.Manager", "GetStatistics", 1},
		{ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", 0},
		{ROOT, "org.freedesktop.DBus.Introspectable", "Introspect", 0},
	};
	struct system_bus *s = *state;

	NEEDS_BUS(state);
	for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
		assert_string_equal(ask_as_nobody(s, call_of(cells[i].path, cells[i].interface,
							     cells[i].member, cells[i].dicts)),
				    "");
}

/* Every method that changes something, with its polkit action. */
static const struct change {
	const char *path, *interface, *member; /* path NULL: the node */
	unsigned dicts;
	const char *action, *word; /* in front of the dicts */
} changes[] = {
	{ROOT, "org.hawser1.Manager", "LoginMany", 2, "login"},
	{ROOT, "org.hawser1.Manager", "Rescan", 2, "login"},
	{ROOT, "org.hawser1.Manager", "Reload", 1, "manage-settings"},
	{ROOT "/session/1", "org.hawser1.Session", "Rescan", 1, "login"},
	{ROOT "/session/1", "org.hawser1.Session", "Reset", 1, "reset", "nexus"},
	{"map", "org.hawser1.Reservation", "Clear", 1, "reserve"},
	{NULL, "org.hawser1.Node", "Login", 1, "login"},
	{NULL, "org.hawser1.Node", "Delete", 1, "manage-records"},
	{NULL, "org.hawser1.Node", "Logout", 1, "logout"},
	{ROOT, "org.hawser1.Manager", "LogoutMany", 2, "logout"},
	{ROOT "/session/2", "org.hawser1.Session", "Logout", 1, "logout"},
};

static DBusMessage *change_message(struct system_bus *s, const struct change *change)
{
	const char *path = change->path ? change->path : node_of(s);
	DBusMessage *message;

	if (strcmp(path, "map") == 0)
		path = map_of(s);
	message = call_of(path, change->interface, change->member, 0);

	if (change->word)
		dbus_message_append_args(message, DBUS_TYPE_STRING, &change->word,
					 DBUS_TYPE_INVALID);
	for (unsigned i = 0; i < change->dicts; i++)
		dict_empty(message);
	return message;
}

static void without_polkit_only_root_may_change(void **state)
{
	struct system_bus *s = *state;

	NEEDS_BUS(state);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		assert_string_equal(ask_as_nobody(s, change_message(s, &changes[i])),
				    DBUS_ERROR "AccessDenied");
	assert_non_null(manager_find_session(s->h->manager, 1));
	assert_non_null(manager_find_session(s->h->manager, 2));
}

static void polkit_is_asked_for_the_caller_and_the_right_action(void **state)
{
	struct system_bus *s = *state;
	char expected[64];

	NEEDS_BUS(state);
	start_polkit(s, CONSENT_NO);
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		assert_string_equal(ask_as_nobody(s, change_message(s, &changes[i])),
				    DBUS_ERROR "AccessDenied");
		assert_int_equal(s->asked, i + 1);
		assert_int_equal(s->subject[0], ':'); /* a unique name */
		assert_int_equal(s->flags, 0);
		snprintf(expected, sizeof(expected), "org.hawser1.%s", changes[i].action);
		assert_string_equal(s->action, expected);
	}
	assert_string_equal(s->target, "iqn.2026-01.org.example:disks");
	assert_non_null(manager_find_session(s->h->manager, 1));
}

static void polkit_may_allow(void **state)
{
	struct system_bus *s = *state;

	NEEDS_BUS(state);
	start_polkit(s, CONSENT_YES);
	assert_string_equal(
		ask_as_nobody(s, call_of(ROOT "/session/1", "org.hawser1.Session", "Logout", 1)),
		"");
	assert_null(manager_find_session(s->h->manager, 1));
}

static void a_challenge_asks_the_caller_to_allow_interaction(void **state)
{
	struct system_bus *s = *state;
	DBusMessage *message;

	NEEDS_BUS(state);
	start_polkit(s, CONSENT_CHALLENGE);
	message = call_of(ROOT "/session/1", "org.hawser1.Session", "Logout", 1);
	assert_string_equal(ask_as_nobody(s, message),
			    DBUS_ERROR "InteractiveAuthorizationRequired");
	message = call_of(ROOT "/session/1", "org.hawser1.Session", "Logout", 1);
	dbus_message_set_allow_interactive_authorization(message, TRUE);
	assert_string_equal(ask_as_nobody(s, message), DBUS_ERROR "AccessDenied");
	assert_int_equal(s->flags, 1);
}

static void the_object_may_go_while_polkit_thinks(void **state)
{
	struct system_bus *s = *state;
	char name[256] = "";
	int out;

	NEEDS_BUS(state);
	start_polkit(s, CONSENT_SILENCE);
	start_nobody(s, call_of(ROOT "/session/1", "org.hawser1.Session", "Logout", 1), &out);
	HARNESS_WAIT(s->h, s->asked == 1);
	fake_session_remove(s->h->manager, manager_find_session(s->h->manager, 1));
	/* polkit dies without an answer */
	harness_disconnect(s->h, s->polkit);
	HARNESS_WAIT(s->h, poll(&(struct pollfd){.fd = out, .events = POLLIN}, 1, 0) > 0);
	assert_true(read(out, name, sizeof(name) - 1) > 0);
	assert_string_equal(name, DBUS_ERROR "AccessDenied");
	close(out);
	wait(NULL);
}

static void a_caller_that_leaves_is_not_asked_for_any_more(void **state)
{
	struct system_bus *s = *state;
	pid_t child;
	int out;

	NEEDS_BUS(state);
	start_polkit(s, CONSENT_SILENCE);
	child = start_nobody(s, call_of(ROOT "/session/1", "org.hawser1.Session", "Logout", 1),
			     &out);
	HARNESS_WAIT(s->h, s->asked == 1);
	/* the match rule is on its way behind the question: one round trip later it is there */
	harness_assert_reply(
		harness_call(s->h, s->root, call_of(ROOT, "org.hawser1.Manager", "ListMaps", 1)),
		"a(oa{sv})");
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(out);
	HARNESS_WAIT(s->h, s->cancelled == 1);
}

static void changes_are_told_on_the_bus(void **state)
{
	struct system_bus *s = *state;
	struct session_view *session;
	unsigned heard = 0;
	DBusMessage *message;

	NEEDS_BUS(state);
	harness_assert_reply(harness_call(s->h, s->root,
					  to_bus("AddMatch", "type='signal',sender='org.hawser1'")),
			     "");
	session = manager_find_session(s->h->manager, 1);
	session->attempts++;
	fake_changed(s->h->manager, OBJECT_SESSION, session);
	assert_ptr_equal(s->h->clients[--s->h->client_count], s->root); /* read here */
	while (heard == 0) {
		harness_turn(s->h);
		(void)dbus_connection_read_write(s->root, 0);
		while ((message = dbus_connection_pop_message(s->root))) {
			heard += dbus_message_is_signal(message, DBUS_INTERFACE_PROPERTIES,
							"PropertiesChanged");
			dbus_message_unref(message);
		}
	}
	s->h->clients[s->h->client_count++] = s->root;
}

static void a_secret_does_not_cross_the_bus_as_text(void **state)
{
	const char *key = "node.session.auth.password", *value = "hunter2hunter2";
	struct system_bus *s = *state;
	DBusMessageIter at, array, entry;
	DBusMessage *message;
	struct node *node;
	int fd;

	NEEDS_BUS(state);
	node = list_first(manager_nodes(s->h->manager), struct node, link);
	message = call_of(node_of(s), "org.hawser1.Node", "Update", 0);
	dbus_message_iter_init_append(message, &at);
	dbus_message_iter_open_container(&at, DBUS_TYPE_ARRAY, "{ss}", &array);
	dbus_message_iter_open_container(&array, DBUS_TYPE_DICT_ENTRY, NULL, &entry);
	dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &key);
	dbus_message_iter_append_basic(&entry, DBUS_TYPE_STRING, &value);
	dbus_message_iter_close_container(&array, &entry);
	dbus_message_iter_close_container(&at, &array);
	dict_empty(message);
	harness_assert_error(harness_call(s->h, s->root, message), DBUS_ERROR "InvalidArgs");
	assert_string_equal(record_get(node->record, key), "");

	message = call_of(node_of(s), "org.hawser1.Node", "SetSecret", 0);
	fd = memfd_create("secret", MFD_CLOEXEC);
	assert_int_equal(write(fd, value, strlen(value)), (ssize_t)strlen(value));
	dbus_message_append_args(message, DBUS_TYPE_STRING, &key, DBUS_TYPE_UNIX_FD, &fd,
				 DBUS_TYPE_INVALID);
	close(fd);
	dict_empty(message);
	harness_assert_reply(harness_call(s->h, s->root, message), "");
	assert_string_equal(record_get(node->record, key), value);
}

static void the_name_comes_back_with_the_bus(void **state)
{
	struct system_bus *s = *state;

	NEEDS_BUS(state);
	stop_daemon(s);
	HARNESS_WAIT(s->h, !dbus_connection_get_is_connected(s->root));
	harness_disconnect(s->h, s->root);
	/* the private socket does not mind */
	harness_assert_reply(harness_ask(s->h, ROOT, "Manager.ListNodes", 1), "a(oa{sv})");
	start_daemon(s);
	s->root = connect_bus(s);
	wait_for_name(s);
	harness_assert_reply(
		harness_call(s->h, s->root, call_of(ROOT, "org.hawser1.Manager", "Reload", 1)), "");
}

static void work_of_a_caller_goes_on_when_the_bus_is_gone(void **state)
{
	struct system_bus *s = *state;
	DBusMessage *message;
	DBusPendingCall *pending;

	NEEDS_BUS(state);
	fake_manager_hold(s->h->manager);
	message = call_of(ROOT "/session/1", "org.hawser1.Session", "Logout", 1);
	pending = harness_send(s->h, s->root, message);
	HARNESS_WAIT(s->h, fake_manager_waiting(s->h->manager) == 1);
	dbus_pending_call_unref(pending);
	stop_daemon(s);
	HARNESS_WAIT(s->h, !dbus_connection_get_is_connected(s->root));
	harness_assert_reply(harness_ask(s->h, ROOT, "Manager.ListNodes", 1), "a(oa{sv})");
	fake_manager_release(s->h->manager);
	assert_null(manager_find_session(s->h->manager, 1));
	harness_disconnect(s->h, s->root);
	start_daemon(s);
}

static void actions_are_named_as_the_policy_file_names_them(void **state)
{
	static const char *const names[ACCESS_COUNT] = {
		NULL,
		"org.hawser1.discover",
		"org.hawser1.login",
		"org.hawser1.logout",
		"org.hawser1.manage-records",
		"org.hawser1.set-secret",
		"org.hawser1.manage-paths",
		"org.hawser1.manage-settings",
		"org.hawser1.reset",
		"org.hawser1.reserve",
	};
	char path[512], text[16384] = "", element[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/units/org.hawser1.policy", getenv("HAWSER_SOURCE_DIR"));
	file = fopen(path, "r");
	assert_non_null(file);
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_null(access_action(ACCESS_READ));
	for (int access = ACCESS_DISCOVER; access < ACCESS_COUNT; access++) {
		assert_string_equal(access_action((enum bus_access)access), names[access]);
		snprintf(element, sizeof(element), "<action id=\"%s\">", names[access]);
		assert_non_null(strstr(text, element));
	}
}

#define BUS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		BUS_TEST(root_reads_and_changes_over_the_bus),
		BUS_TEST(anybody_may_read),
		BUS_TEST(without_polkit_only_root_may_change),
		BUS_TEST(polkit_is_asked_for_the_caller_and_the_right_action),
		BUS_TEST(polkit_may_allow),
		BUS_TEST(a_challenge_asks_the_caller_to_allow_interaction),
		BUS_TEST(the_object_may_go_while_polkit_thinks),
		BUS_TEST(a_caller_that_leaves_is_not_asked_for_any_more),
		BUS_TEST(changes_are_told_on_the_bus),
		BUS_TEST(a_secret_does_not_cross_the_bus_as_text),
		BUS_TEST(the_name_comes_back_with_the_bus),
		BUS_TEST(work_of_a_caller_goes_on_when_the_bus_is_gone),
		cmocka_unit_test(actions_are_named_as_the_policy_file_names_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
