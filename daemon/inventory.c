/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/inventory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/job.h"
#include "daemon/session_host.h"
#include "daemon/unit_check.h"
#include "daemon/worker.h"
#include "util/cleanup.h"

struct inventory {
	struct job job;
	struct session *session;
	struct inventory_settings settings;
	void (*done)(const struct inventory_result *result, void *userdata);
	void *userdata;

	int error;
	bool unchanged;
	struct inventory_unit *units;
	size_t count, probed;
	uint64_t known[]; /* what the settings point at */
};

static void inventory_probe_next(struct inventory *inventory);

static void inventory_probed(enum probe_verdict verdict, const struct unit *unit, const char *text,
			     void *userdata)
{
	struct inventory *inventory = userdata;
	struct inventory_unit *entry = &inventory->units[inventory->probed++];

	entry->verdict = verdict;
	entry->unit = *unit;
	snprintf(entry->text, sizeof(entry->text), "%s", text);
	inventory_probe_next(inventory);
}

static void inventory_probe_next(struct inventory *inventory)
{
	while (inventory->probed < inventory->count) {
		struct inventory_unit *entry = &inventory->units[inventory->probed];
		struct nexus *nexus;
		struct probe *probe;
		int r = session_unit(inventory->session, entry->lun, &nexus);

		if (r == 0)
			r = probe_start(nexus, inventory_probed, inventory, &probe);
		if (r == 0)
			return;
		entry->verdict = PROBE_FAILED;
		snprintf(entry->text, sizeof(entry->text), "%s", strerror(-r));
		inventory->probed++;
	}
	job_done(&inventory->job);
}

/* What is to be probed: the units that are listed, then those that only were before. */
static int inventory_choose(struct inventory *inventory, const uint64_t *luns, size_t count)
{
	const struct inventory_settings *settings = &inventory->settings;
	owned_memory uint64_t *missing = calloc(settings->known_count + 1, sizeof(*missing));
	int r = missing ? unit_lists_missing(settings->known, settings->known_count, luns, count,
					     missing)
			: -ENOMEM;

	if (r < 0)
		return r;
	inventory->unchanged = settings->only_changes && r == 0 && count == settings->known_count;
	if (inventory->unchanged)
		return 0;
	inventory->units = calloc(count + (size_t)r + 1, sizeof(*inventory->units));
	if (!inventory->units)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		inventory->units[inventory->count++] =
			(struct inventory_unit){.lun = luns[i], .listed = true};
	for (int i = 0; i < r; i++)
		inventory->units[inventory->count++] = (struct inventory_unit){.lun = missing[i]};
	return 0;
}

static void inventory_listed(int error, const uint64_t *luns, size_t count, void *userdata)
{
	struct inventory *inventory = userdata;

	inventory->error = error < 0 ? error : inventory_choose(inventory, luns, count);
	if (inventory->error < 0 || inventory->unchanged)
		job_done(&inventory->job);
	else
		inventory_probe_next(inventory);
}

static void inventory_work(struct job *job)
{
	struct inventory *inventory = container_of(job, struct inventory, job);
	struct lun_scan *scan;
	struct nexus *nexus;
	int r = session_unit(inventory->session, 0, &nexus);

	if (r == 0)
		r = lun_scan_start(nexus, inventory_listed, inventory, &scan);
	if (r < 0) {
		inventory->error = r;
		job_done(job);
	}
}

static void inventory_finished(struct job *job)
{
	struct inventory *inventory = container_of(job, struct inventory, job);
	const struct inventory_result result = {
		.error = inventory->error,
		.unchanged = inventory->unchanged,
		.units = inventory->units,
		.count = inventory->count,
	};

	if (inventory->done)
		inventory->done(&result, inventory->userdata);
	free(inventory->units);
	free(inventory);
}

int inventory_start(struct session_host *host, struct mailbox *home,
		    const struct inventory_settings *settings,
		    void (*done)(const struct inventory_result *result, void *userdata),
		    void *userdata, struct inventory **ret)
{
	const size_t known_bytes = settings->known_count * sizeof(settings->known[0]);
	struct inventory *inventory = calloc(1, sizeof(*inventory) + known_bytes);

	if (!inventory)
		return -ENOMEM;
	inventory->session = session_host_session(host);
	inventory->settings = *settings;
	inventory->settings.known = inventory->known;
	if (known_bytes > 0)
		memcpy(inventory->known, settings->known, known_bytes);
	inventory->done = done;
	inventory->userdata = userdata;
	inventory->job.work = inventory_work;
	inventory->job.finished = inventory_finished;
	job_send(&inventory->job, worker_mailbox(session_host_worker(host)), home);
	*ret = inventory;
	return 0;
}

void inventory_cancel(struct inventory *inventory)
{
	/* The commands run on; their answer finds nobody. */
	if (inventory)
		inventory->done = NULL;
}
