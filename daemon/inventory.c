/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/inventory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/job.h"
#include "daemon/session_host.h"
#include "daemon/worker.h"
#include "util/cleanup.h"

struct inventory {
	struct job job;
	struct session *session;
	void (*done)(int error, const struct inventory_unit *units, size_t count, void *userdata);
	void *userdata;

	int error;
	struct inventory_unit *units;
	size_t count, probed;
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

static void inventory_listed(int error, const uint64_t *luns, size_t count, void *userdata)
{
	struct inventory *inventory = userdata;

	inventory->error = error;
	if (error == 0) {
		inventory->units = calloc(count ? count : 1, sizeof(*inventory->units));
		inventory->error = inventory->units ? 0 : -ENOMEM;
	}
	if (inventory->error < 0) {
		job_done(&inventory->job);
		return;
	}
	for (size_t i = 0; i < count; i++)
		inventory->units[i].lun = luns[i];
	inventory->count = count;
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

	if (inventory->done)
		inventory->done(inventory->error, inventory->units, inventory->count,
				inventory->userdata);
	free(inventory->units);
	free(inventory);
}

int inventory_start(struct session_host *host, struct mailbox *home,
		    void (*done)(int error, const struct inventory_unit *units, size_t count,
				 void *userdata),
		    void *userdata, struct inventory **ret)
{
	struct inventory *inventory = calloc(1, sizeof(*inventory));

	if (!inventory)
		return -ENOMEM;
	inventory->session = session_host_session(host);
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
