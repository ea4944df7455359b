/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* hawser status: asks for everything, twice, so that it can tell how much is going on. */

#include <errno.h>
#include <string.h>
#include <time.h>

#include "cli/hawser.h"
#include "cli/status.h"

#define MEASURE_MS 500 /* long enough for a number, short enough to wait for */

/* What the daemon tells at one time. */
struct picture {
	struct value *health;
	struct node_list nodes;
	struct session_list sessions;
	struct map_list maps;
	double seconds; /* CLOCK_MONOTONIC, when the maps with their counters came */
};

static void picture_clear(struct picture *picture)
{
	value_free(picture->health);
	node_list_clear(&picture->nodes);
	session_list_clear(&picture->sessions);
	map_list_clear(&picture->maps);
	*picture = (struct picture){};
}

static struct value *get_health(struct hawser *run, struct error *error)
{
	static const struct argument arguments[] = {
		{.type = 's', .text = "org.hawser1.Manager"}, {.type = 's', .text = "Health"}, {}};
	owned_call call = {
		.object = CLIENT_ROOT,
		.interface = "org.freedesktop.DBus.Properties",
		.member = "Get",
		.arguments = arguments,
	};

	if (client_call(run->client, &call) == 0)
		return take(call.reply);
	error_set(error, call.error.code, "%s", call.error.text);
	return NULL;
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static uint64_t wall_clock_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* Return: 0; the exit status after it was told why not */
static int take_maps(struct hawser *run, struct picture *picture)
{
	owned_error struct error error = ERROR_INIT;

	if (model_maps(run->client, &picture->maps, &error) < 0)
		return hawser_report(run, NULL, &error);
	picture->seconds = seconds_now();
	return 0;
}

static int take_picture(struct hawser *run, struct picture *picture)
{
	const struct selection all = {};
	owned_error struct error error = ERROR_INIT;

	picture->health = get_health(run, &error);
	if (!picture->health || model_nodes(run->client, &all, &picture->nodes, &error) < 0 ||
	    model_sessions(run->client, &all, &picture->sessions, &error) < 0)
		return hawser_report(run, NULL, &error);
	return take_maps(run, picture);
}

/* @before: NULL when nothing was measured. */
static int show(struct hawser *run, const struct picture *before, const struct picture *picture)
{
	struct status_view view = {
		.nodes = &picture->nodes,
		.sessions = &picture->sessions,
		.maps = &picture->maps,
		.health = value_text(value_at(picture->health, 0)),
		.now_us = wall_clock_us(),
	};
	int r;

	if (before)
		view.samples = (struct samples){&before->maps, picture->seconds - before->seconds};
	if (run->watch_s > 0 && run->style.width > 0)
		fputs("\033[H\033[2J", run->out); /* a terminal: always the same place */
	r = status_print(&view, &run->style, run->out);
	if (r < 0)
		return hawser_fail(run, ERROR_FAILED, "cannot print: %s", strerror(-r));
	fflush(run->out);
	return 0;
}

static void pause_for(unsigned ms)
{
	struct timespec time = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};

	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &time) == EINTR)
		continue;
}

/* One picture, and with --watch one after the other. @last: the one before, replaced */
static int show_pictures(struct hawser *run, struct picture *last)
{
	for (;;) {
		struct picture picture = {};
		int status = take_picture(run, &picture), health;

		if (status == 0)
			status = show(run, run->no_rates ? NULL : last, &picture);
		picture_clear(last);
		*last = picture;
		if (status != 0)
			return status;
		health = status_exit(value_text(value_at(picture.health, 0)));
		if (run->watch_s == 0)
			return health;
		pause_for(run->watch_s * 1000);
	}
}

int hawser_status(struct hawser *run)
{
	struct picture last = {};
	int status = run->no_rates ? 0 : take_maps(run, &last);

	if (status == 0 && last.maps.count > 0) /* without a map there is nothing to measure */
		pause_for(MEASURE_MS);
	if (status == 0)
		status = show_pictures(run, &last);
	picture_clear(&last);
	return status;
}
