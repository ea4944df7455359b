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
#include "scsi/nexus.h"
#include "util/cleanup.h"

#define PROBES_MAX 16 /* at once */

struct inventory;

struct probing {
	struct inventory *inventory;
	size_t unit; /* its index */
	bool busy;
};

struct inventory {
	struct job job;
	struct session *session;
	struct inventory_settings settings;
	void (*done)(const struct inventory_result *result, void *userdata);
	void *userdata;

	int error;
	bool listed, unchanged;
	struct inventory_unit *units;
	size_t count, next; /* @next: to be probed */
	unsigned busy;
	struct probing probing[PROBES_MAX];
	uint64_t known[]; /* what the settings point at */
};

static void inventory_go_on(struct inventory *inventory);

static void inventory_probed(enum probe_verdict verdict, const struct unit *unit, const char *text,
			     void *userdata)
{
	struct probing *probing = userdata;
	struct inventory *inventory = probing->inventory;
	struct inventory_unit *entry = &inventory->units[probing->unit];

	entry->verdict = verdict;
	entry->unit = *unit;
	snprintf(entry->text, sizeof(entry->text), "%s", text);
	probing->busy = false;
	inventory->busy--;
	inventory_go_on(inventory);
}

static void inventory_probe(struct inventory *inventory, size_t index)
{
	struct inventory_unit *entry = &inventory->units[index];
	struct probing *probing = inventory->probing;
	struct nexus *nexus;
	struct probe *probe;
	int r = session_unit(inventory->session, entry->lun, &nexus);

	while (probing->busy)
		probing++;
	probing->inventory = inventory;
	probing->unit = index;
	if (r == 0) {
		entry->doubts = nexus->doubts;
		r = (entry->brief ? probe_start_brief : probe_start)(nexus, inventory_probed,
								     probing, &probe);
	}
	if (r == 0) {
		probing->busy = true;
		inventory->busy++;
		return;
	}
	entry->verdict = PROBE_FAILED;
	snprintf(entry->text, sizeof(entry->text), "%s", strerror(-r));
}

static void inventory_add(struct inventory *inventory, uint64_t lun, bool listed, bool brief)
{
	inventory->units[inventory->count++] = (struct inventory_unit){
		.lun = lun,
		.listed = listed,
		.brief = brief,
	};
}

/*
 * The units that are in use are looked at before the target is asked for its list: REPORT LUNS ends
 * the unit attentions that would tell of a change (SPC-4 §6.33).
 */
static int inventory_choose_known(struct inventory *inventory)
{
	const struct inventory_settings *settings = &inventory->settings;
	size_t count = settings->only_changes ? settings->used_count : settings->known_count;

	inventory->units = calloc(settings->known_count + 1, sizeof(*inventory->units));
	if (!inventory->units)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		inventory_add(inventory, settings->known[i], false, settings->only_changes);
	return 0;
}

/* The list is there: what of it was looked at already, and what is still to be. */
static int inventory_choose_listed(struct inventory *inventory, const uint64_t *luns, size_t count)
{
	const struct inventory_settings *settings = &inventory->settings;
	size_t known_count = settings->known_count, missed = 0;
	owned_memory uint64_t *missing = calloc(known_count + 1, sizeof(*missing));
	owned_memory uint64_t *added = calloc(count + 1, sizeof(*added));
	struct inventory_unit *units;
	int missing_count, added_count;

	if (!missing || !added)
		return -ENOMEM;
	missing_count = unit_lists_missing(settings->known, known_count, luns, count, missing);
	added_count = unit_lists_missing(luns, count, settings->known, known_count, added);
	if (missing_count < 0 || added_count < 0)
		return -ENOMEM;
	units = realloc(inventory->units,
			(known_count + (size_t)added_count + 1) * sizeof(*inventory->units));
	if (!units)
		return -ENOMEM;
	inventory->units = units;
	inventory->unchanged = settings->only_changes && missing_count == 0 && added_count == 0;
	for (size_t i = 0; i < known_count; i++) {
		bool listed =
			missed == (size_t)missing_count || missing[missed] != settings->known[i];

		missed += !listed;
		if (i < inventory->count)
			units[i].listed = listed;
		else if (!inventory->unchanged)
			inventory_add(inventory, settings->known[i], listed, false);
	}
	for (int i = 0; i < added_count; i++)
		inventory_add(inventory, added[i], true, false);
	return 0;
}

static void inventory_listed(int error, const uint64_t *luns, size_t count, void *userdata)
{
	struct inventory *inventory = userdata;

	inventory->error = error < 0 ? error : inventory_choose_listed(inventory, luns, count);
	inventory->listed = true;
	inventory_go_on(inventory);
}

static void inventory_list(struct inventory *inventory)
{
	struct lun_scan *scan;
	struct nexus *nexus;
	int r = session_unit(inventory->session, 0, &nexus);

	if (r == 0)
		r = lun_scan_start(nexus, inventory_listed, inventory, &scan);
	if (r < 0) {
		inventory->error = r;
		job_done(&inventory->job);
	}
}

static void inventory_go_on(struct inventory *inventory)
{
	while (inventory->next < inventory->count && inventory->busy < PROBES_MAX)
		inventory_probe(inventory, inventory->next++);
	if (inventory->busy > 0)
		return;
	if (inventory->listed || inventory->settings.only_used || inventory->error < 0)
		job_done(&inventory->job);
	else
		inventory_list(inventory);
}

static void inventory_work(struct job *job)
{
	struct inventory *inventory = container_of(job, struct inventory, job);

	inventory->error = inventory_choose_known(inventory);
	inventory->unchanged = inventory->settings.only_used;
	inventory_go_on(inventory);
}

static void inventory_finished(struct job *job)
{
	struct inventory *inventory = container_of(job, struct inventory, job);
	const struct inventory_result result = {
		.error = inventory->error,
		.unchanged = inventory->unchanged,
		.units = inventory->units,
		/* without a list nobody knows what is missing */
		.count = inventory->error < 0 ? 0 : inventory->count,
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
