/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The D-Bus face over a manager that only pretends: for trying clients without a target, root or a
 * kernel. 2 nodes, 2 sessions, 1 map with 2 paths; what clients change is kept until it ends.
 *
 *	fake_hawserd --run-dir DIR [--objects N] [--hold] [--in-use] [--fail ERROR]
 *
 * --objects adds N nodes with a session each; --hold never ends an operation; with --in-use
 * somebody has the device of the map in use; with --fail the first operation ends with that error,
 * as "SessionExists".
 */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "daemon/event.h"
#include "daemon/face.h"
#include "tests/fakes/fake_manager.h"
#include "util/error.h"

static void add_objects(struct manager *manager, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char target[64];

		snprintf(target, sizeof(target), "iqn.2026-01.org.example:many%05u", i);
		fake_session_add(manager, fake_node_add(manager, target, "192.0.2.99", 3260));
	}
}

/* A session is lost, and its map is degraded. */
static void add_events(struct manager *manager)
{
	fake_event(manager, OBJECT_SESSION,
		   list_first(manager_sessions(manager), struct session_view, link),
		   &(struct event_facts){.kind = EVENT_SESSION_LOST, .reason = "cable gone"});
	fake_event(manager, OBJECT_MAP, list_first(manager_maps(manager), struct map_view, link),
		   &(struct event_facts){.kind = EVENT_MAP_CHANGED,
					 .state = "degraded",
					 .from = "ok",
					 .numbers = {1, 2}});
}

static bool fail_first(struct manager *manager, const char *name)
{
	for (enum error_code code = ERROR_NONE + 1; code < ERROR_CODE_COUNT; code++)
		if (strcmp(error_name(code), name) == 0) {
			fake_manager_fail_next(manager, code, error_summary(code));
			return true;
		}
	return false;
}

static int serve(sd_event *event, struct manager *manager, const char *run_dir)
{
	struct error error = ERROR_INIT;
	void *face;
	int r;

	if (dbus_face.start(event, manager, run_dir, &error, &face) < 0) {
		fprintf(stderr, "fake_hawserd: %s\n", error.text);
		error_clear(&error);
		return 1;
	}
	r = sd_event_loop(event);
	dbus_face.stop(face);
	return r < 0 ? 1 : 0;
}

static void stop_on_signals(sd_event *event)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	(void)sd_event_add_signal(event, NULL, SIGTERM, NULL, NULL);
	(void)sd_event_add_signal(event, NULL, SIGINT, NULL, NULL);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"run-dir", required_argument, NULL, 'r'},
		{"objects", required_argument, NULL, 'o'},
		{"hold", no_argument, NULL, 'h'},
		{"in-use", no_argument, NULL, 'u'},
		{"fail", required_argument, NULL, 'f'},
		{},
	};
	struct manager *manager = fake_manager_new();
	const char *run_dir = NULL;
	sd_event *event = NULL;
	int option, status;

	fake_manager_populate(manager);
	add_events(manager);
	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		if (option == 'r')
			run_dir = optarg;
		else if (option == 'o')
			add_objects(manager, (unsigned)strtoul(optarg, NULL, 10));
		else if (option == 'h')
			fake_manager_hold(manager);
		else if (option == 'u')
			fake_manager_use(manager);
		else if (option != 'f' || !fail_first(manager, optarg))
			return 2;
	}
	if (!run_dir || sd_event_new(&event) < 0)
		return 2;
	stop_on_signals(event);
	status = serve(event, manager, run_dir);
	fake_manager_free(manager);
	sd_event_unref(event);
	return status;
}
