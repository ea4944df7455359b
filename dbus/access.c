/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "dbus/access.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/bus.h"
#include "dbus/error_names.h"
#include "dbus/marshal.h"
#include "util/cleanup.h"
#include "util/list.h"
#include "util/log.h"
#include "util/text.h"

#define CACHED_USERS	64
#define QUESTIONS_MAX	64 /* of callers that wait for polkit at once */
#define CREDENTIALS_MS	25000
#define UNIQUE_NAME_MAX 256

#define POLKIT_NAME	  "org.freedesktop.PolicyKit1"
#define POLKIT_PATH	  "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_AUTHORITY  "org.freedesktop.PolicyKit1.Authority"
#define ALLOW_INTERACTION 1u

/* Whose a unique name is. Names are never given twice while one bus lives: only the epoch ages. */
struct known_user {
	char name[UNIQUE_NAME_MAX];
	uint32_t uid;
	unsigned epoch;
};

struct access {
	struct bus *bus;
	struct known_user users[CACHED_USERS]; /* a ring */
	unsigned next_user;
	struct list questions; /* struct question, polkit is thinking */
	unsigned question_count;
	unsigned last_cancellation;
};

struct question {
	struct list link; /* in access->questions */
	struct access *access;
	struct bus_call *call;
	enum bus_access wanted;
	const struct access_handler *handler;
	void *userdata;
	char sender[UNIQUE_NAME_MAX];
	char cancellation[32];
	bool asked_polkit;
};

/* clang-format off */
static const char *const actions[ACCESS_COUNT] = {
	[ACCESS_DISCOVER]        = BUS_NAME ".discover",
	[ACCESS_LOGIN]           = BUS_NAME ".login",
	[ACCESS_LOGOUT]          = BUS_NAME ".logout",
	[ACCESS_MANAGE_RECORDS]  = BUS_NAME ".manage-records",
	[ACCESS_SET_SECRET]      = BUS_NAME ".set-secret",
	[ACCESS_MANAGE_PATHS]    = BUS_NAME ".manage-paths",
	[ACCESS_MANAGE_SETTINGS] = BUS_NAME ".manage-settings",
	[ACCESS_RESET]           = BUS_NAME ".reset",
	[ACCESS_RESERVE]         = BUS_NAME ".reserve",
};
/* clang-format on */

const char *access_action(enum bus_access access)
{
	return actions[access];
}

int access_new(struct bus *bus, struct access **ret)
{
	struct access *access = calloc(1, sizeof(*access));

	if (!access)
		return -ENOMEM;
	access->bus = bus;
	list_init(&access->questions);
	*ret = access;
	return 0;
}

void access_free(struct access *access)
{
	free(access);
}

/* --- one question --- */

static void question_free(struct question *question)
{
	struct access *access = question->access;

	if (question->asked_polkit)
		bus_unfollow_name(access->bus, question->sender);
	list_remove(&question->link);
	access->question_count--;
	free(question);
}

static void grant(struct question *question)
{
	const struct access_handler *handler = question->handler;
	struct bus_call *call = question->call;
	void *userdata = question->userdata;

	question_free(question);
	handler->granted(call, userdata);
}

static void deny(struct question *question, const char *name, const char *why)
{
	struct bus_call *call = question->call;
	const char *action = access_action(question->wanted);

	question_free(question);
	bus_call_fail(call, name, "%s: %s", action, why);
}

/* --- polkit --- */

static void on_verdict(struct bus_reader *answer, const char *error_name, void *userdata)
{
	struct question *question = userdata;
	bool authorized = false, challenge = false;

	if (!answer) {
		log_debug("polkit does not answer: %s", error_name);
		deny(question, BUS_ERROR_ACCESS_DENIED,
		     "only root may do this, because polkit cannot be asked");
		return;
	}
	if (bus_enter_struct(answer)) {
		authorized = bus_read_bool(answer);
		challenge = bus_read_bool(answer);
		bus_leave(answer);
	}
	if (authorized && !bus_reader_failed(answer))
		grant(question);
	else if (challenge && !bus_call_interactive(question->call))
		deny(question, BUS_ERROR_NEEDS_INTERACTION, "a password has to be asked for");
	else
		deny(question, BUS_ERROR_ACCESS_DENIED, "not authorized");
}

static void write_subject(struct bus_writer *writer, const char *sender)
{
	bus_open_struct(writer);
	bus_write_string(writer, "system-bus-name");
	bus_open_array(writer, "{sv}");
	bus_property_string(writer, "name", sender);
	bus_close(writer);
	bus_close(writer);
}

static void ask_polkit(struct question *question)
{
	struct access *access = question->access;
	struct bus_message *request =
		bus_request_new(POLKIT_NAME, POLKIT_PATH, POLKIT_AUTHORITY, "CheckAuthorization");
	struct bus_writer *writer = bus_message_writer(request);

	snprintf(question->cancellation, sizeof(question->cancellation), "hawser-%u",
		 ++access->last_cancellation);
	write_subject(writer, question->sender);
	bus_write_string(writer, access_action(question->wanted));
	bus_open_array(writer, "{ss}");
	question->handler->describe(question->call, writer, question->userdata);
	bus_close(writer);
	bus_write_u32(writer, bus_call_interactive(question->call) ? ALLOW_INTERACTION : 0);
	bus_write_string(writer, question->cancellation);

	/* somebody may be typing a password: this takes as long as it takes */
	if (bus_request_send(access->bus, request, BUS_NO_TIMEOUT, on_verdict, question) < 0) {
		deny(question, BUS_ERROR_ACCESS_DENIED, "polkit cannot be asked");
		return;
	}
	question->asked_polkit = true;
	bus_follow_name(access->bus, question->sender);
}

static void on_cancelled(struct bus_reader *answer, const char *error_name, void *userdata)
{
}

/* polkit answers the cancelled question with an error: that ends it. */
void access_name_vanished(struct access *access, const char *name)
{
	struct question *question;

	list_for_each (question, &access->questions, link) {
		struct bus_message *request;

		if (!question->asked_polkit || strcmp(question->sender, name) != 0)
			continue;
		request = bus_request_new(POLKIT_NAME, POLKIT_PATH, POLKIT_AUTHORITY,
					  "CancelCheckAuthorization");
		bus_write_string(bus_message_writer(request), question->cancellation);
		(void)bus_request_send(access->bus, request, CREDENTIALS_MS, on_cancelled, NULL);
	}
}

/* --- who the caller is --- */

static const struct known_user *find_user(const struct access *access, const char *sender)
{
	for (size_t i = 0; i < CACHED_USERS; i++) {
		const struct known_user *user = &access->users[i];

		if (user->epoch == bus_epoch(access->bus) && *user->name &&
		    strcmp(user->name, sender) == 0)
			return user;
	}
	return NULL;
}

static void remember_user(struct access *access, const char *sender, uint32_t uid)
{
	struct known_user *user = &access->users[access->next_user++ % CACHED_USERS];

	user->uid = uid;
	user->epoch = bus_epoch(access->bus);
	text_copy(user->name, sizeof(user->name), sender);
}

static void decide(struct question *question, uint32_t uid)
{
	if (uid == 0)
		grant(question);
	else
		ask_polkit(question);
}

static void on_user(struct bus_reader *answer, const char *error_name, void *userdata)
{
	struct question *question = userdata;
	uint32_t uid = answer ? bus_read_u32(answer) : UINT32_MAX;

	if (!answer || bus_reader_failed(answer)) {
		deny(question, BUS_ERROR_ACCESS_DENIED, "the bus does not say who asks");
		return;
	}
	remember_user(question->access, question->sender, uid);
	decide(question, uid);
}

static void ask_user(struct question *question)
{
	struct bus_message *request =
		bus_request_new("org.freedesktop.DBus", "/org/freedesktop/DBus",
				"org.freedesktop.DBus", "GetConnectionUnixUser");

	bus_write_string(bus_message_writer(request), question->sender);
	if (bus_request_send(question->access->bus, request, CREDENTIALS_MS, on_user, question) < 0)
		deny(question, BUS_ERROR_ACCESS_DENIED, "the bus cannot be asked who this is");
}

void access_check(struct access *access, struct bus_call *call, enum bus_access wanted,
		  const struct access_handler *handler, void *userdata)
{
	const char *sender = bus_call_sender(call);
	const struct known_user *user;
	struct question *question;

	if (bus_call_private(call)) { /* root, or who runs us: bus_listen() let nobody else in */
		handler->granted(call, userdata);
		return;
	}
	question = access->question_count < QUESTIONS_MAX ? calloc(1, sizeof(*question)) : NULL;
	if (!question || !sender) {
		free(question);
		bus_call_fail(call, BUS_ERROR_LIMITS_EXCEEDED, "Too many callers, try again");
		return;
	}
	*question = (struct question){.access = access, .call = call, .wanted = wanted};
	question->handler = handler;
	question->userdata = userdata;
	text_copy(question->sender, sizeof(question->sender), sender);
	list_append(&access->questions, &question->link);
	access->question_count++;

	user = find_user(access, sender);
	if (user)
		decide(question, user->uid);
	else
		ask_user(question);
}
