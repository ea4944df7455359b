/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Block devices outlive hawserd. While one lives, its open files are in the store
 * (daemon/fd_store.h), unless the kernel needs nobody to hold any, and what is needed to go on in
 * the run folder (daemon/saved_map.h). At the
 * start those devices are taken over, and every session that their maps had is logged in again with
 * its old ISID, which ends what the dead process left at the target (RFC 7143 §6.3.5). Only when
 * that is true of all that could have left something does a map get its first path, and the
 * requests that were under way are carried out: one of them could otherwise be followed by a later
 * one and then by its own ghost.
 */

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-event.h>

#include "daemon/fd_store.h"
#include "daemon/leftovers.h"
#include "daemon/manager_private.h"
#include "daemon/saved_map.h"
#include "daemon/record.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

#define FENCE_PATIENCE_MS 60000 /* where the record lets writes in doubt wait for ever */
#define DOUBT_MS	  1000	/* how often lost paths are asked what they have in doubt */

static_assert(DISK_KEPT_MAX <= FD_STORE_FILES_MAX, "the store takes all files of a disk");

/* A map that waits for its sessions. */
struct recovery {
	struct list link; /* in manager.recoveries */
	struct manager *manager;
	struct map_device *device;
	struct list waits; /* struct recovery_wait */
	struct sd_event_source *timer;
};

struct recovery_wait {
	struct list link;
	struct managed_session *session;
};

/* --- while it lives --- */

static bool same_session(const struct saved_map_session *saved, const struct session_view *view)
{
	return saved->lane == view->lane && saved->node.port == view->persistent_port &&
	       strcmp(saved->node.target, view->target) == 0 &&
	       strcmp(saved->node.address, view->persistent_address) == 0 &&
	       strcmp(saved->node.iface, view->iface) == 0;
}

/* The first word about a session counts. */
static void save_session(struct saved_map *state, const struct session_view *view, bool settled)
{
	struct saved_map_session *session = &state->sessions[state->session_count];

	for (uint32_t i = 0; i < state->session_count; i++)
		if (same_session(&state->sessions[i], view))
			return;
	if (state->session_count == SAVED_MAP_SESSIONS_MAX)
		return;
	text_copy(session->node.target, sizeof(session->node.target), view->target);
	text_copy(session->node.address, sizeof(session->node.address), view->persistent_address);
	text_copy(session->node.iface, sizeof(session->node.iface), view->iface);
	session->node.port = view->persistent_port;
	session->node.tpgt = view->tpgt;
	session->lane = view->lane;
	session->settled = settled;
	state->session_count++;
}

/* What a process before this one had there may still come. */
static void save_waits(struct saved_map *state, const struct manager *manager,
		       const struct map_device *device)
{
	const struct recovery *recovery;
	const struct recovery_wait *wait;

	list_for_each (recovery, &manager->recoveries, link)
		list_for_each (wait, &recovery->waits, link)
			if (recovery->device == device)
				save_session(state, &wait->session->supervisor->view, false);
}

/* Sessions to the same targets that are no paths yet: nothing of the map is there. */
static void save_others(struct saved_map *state, const struct manager *manager)
{
	const uint32_t count = state->session_count;
	const struct session_view *view;

	list_for_each (view, &manager->sessions, link)
		for (uint32_t i = 0; i < count; i++)
			if (strcmp(state->sessions[i].node.target, view->target) == 0)
				save_session(state, view, true);
}

static void state_of(const struct manager *manager, const struct map_device *device,
		     struct saved_map *state)
{
	struct path_view *path;

	*state = (struct saved_map){
		.queue_depth = device->disk_settings.queue_depth,
		.node = *disk_node(device->disk),
		.unit = device->view.unit,
	};
	/* What the device has, or has in a moment: the next hawserd catches up. */
	if (device->resize_blocks > state->unit.limits.blocks)
		state->unit.limits.blocks = device->resize_blocks;
	text_copy(state->name, sizeof(state->name), device->view.name);
	text_copy(state->exporter, sizeof(state->exporter), disk_exporter(device->disk));
	save_waits(state, manager, device);
	list_for_each (path, &device->view.paths, link)
		save_session(state, path->session, map_path_of(path)->settled);
	save_others(state, manager);
}

void manager_save_map(struct manager *manager, const struct map_device *device)
{
	struct saved_map *state;
	int r = -ENOMEM;

	/* While a device is being taken over, what was saved before still says it all. */
	if (!device->kept || !device->disk)
		return;
	state = malloc(sizeof(*state));
	if (state) {
		state_of(manager, device, state);
		r = saved_map_save(manager->run_dir, state);
		free(state);
	}
	if (r < 0)
		log_warning("map %s: its state cannot be saved: %s; its device would not outlive "
			    "hawserd",
			    device->view.name, strerror(-r));
}

void manager_keep_map(struct manager *manager, struct map_device *device)
{
	int fds[DISK_KEPT_MAX], r;
	unsigned fd_count;

	if (!manager->fd_store)
		return;
	fd_count = disk_keep(device->disk, fds);
	r = fd_store_keeps(manager->fd_store) ? 0 : -EOPNOTSUPP;
	if (r == 0 && fd_count > 0)
		r = fd_store_put(manager->fd_store, device->view.name, fds, fd_count);
	device->kept = r == 0;
	if (r < 0 && r != -EOPNOTSUPP)
		log_warning("map %s: its device would not outlive hawserd: %s", device->view.name,
			    strerror(-r));
	manager_save_map(manager, device);
}

/* Is it lost, and not known yet to have nothing in doubt? */
static bool is_unsettled(struct path_view *path)
{
	return !map_path_of(path)->settled && !map_path_of(path)->leaving &&
	       path->session->state != SESSION_STATE_LOGGED_IN;
}

static int ask_about_doubt(struct sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct manager *manager = userdata;
	bool any = false;
	struct map_view *map;
	struct path_view *path;

	manager->doubt_timer = sd_event_source_disable_unref(manager->doubt_timer);
	list_for_each (map, &manager->maps, link) {
		list_for_each (path, &map->paths, link) {
			if (!device_of(map)->kept || !is_unsettled(path))
				continue;
			map_path_ask_settled(map_path_of(path));
			any = true;
		}
	}
	if (any)
		manager_watch_doubt(manager);
	return 0;
}

void manager_watch_doubt(struct manager *manager)
{
	if (!manager->doubt_timer)
		sd_event_add_time_relative(manager->event, &manager->doubt_timer, CLOCK_MONOTONIC,
					   DOUBT_MS * UINT64_C(1000), 100000, ask_about_doubt,
					   manager);
}

void manager_unkeep_map(struct manager *manager, struct map_device *device)
{
	if (!device->kept)
		return;
	device->kept = false;
	saved_map_remove(manager->run_dir, device->view.name);
	fd_store_remove(manager->fd_store, device->view.name);
}

/* --- at the start of the next one --- */

static void recovery_free(struct recovery *recovery)
{
	struct recovery_wait *wait;

	list_remove(&recovery->link);
	sd_event_source_disable_unref(recovery->timer);
	while ((wait = list_pop(&recovery->waits, struct recovery_wait, link)))
		free(wait);
	free(recovery);
}

static void recovery_end(struct recovery *recovery)
{
	struct map_device *device = recovery->device;

	recovery_free(recovery);
	map_device_release(device);
}

static int recovery_expired(struct sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct recovery *recovery = userdata;
	struct recovery_wait *wait;

	list_for_each (wait, &recovery->waits, link)
		manager_event(recovery->manager, OBJECT_MAP, &recovery->device->view,
			      EVENT_RECOVERY_UNFENCED, "%s",
			      wait->session->supervisor->view.persistent_address);
	recovery_end(recovery);
	return 0;
}

void manager_recovery_fenced(struct managed_session *session)
{
	struct manager *manager = session->manager;
	struct recovery *recovery, *next;

	list_for_each_safe (recovery, next, &manager->recoveries, link) {
		struct recovery_wait *wait, *following;

		list_for_each_safe (wait, following, &recovery->waits, link) {
			if (wait->session != session)
				continue;
			list_remove(&wait->link);
			free(wait);
		}
		if (list_empty(&recovery->waits))
			recovery_end(recovery);
	}
}

void manager_recovery_forget(struct manager *manager, const struct map_device *device)
{
	struct recovery *recovery, *next;

	list_for_each_safe (recovery, next, &manager->recoveries, link)
		if (recovery->device == device)
			recovery_free(recovery);
}

static struct managed_session *find_session(struct manager *manager, const struct node *node,
					    unsigned lane)
{
	struct session_view *session;

	list_for_each (session, &node->sessions, node_link)
		if (session->lane == lane)
			return managed_of(session);
	return NULL;
}

static void wait_for_session(struct recovery *recovery, const struct saved_map_session *session)
{
	struct manager *manager = recovery->manager;
	struct node *node = manager_find_node_by_key(manager, &session->node);
	struct recovery_wait *wait = calloc(1, sizeof(*wait));
	struct managed_session *managed = NULL;

	if (node)
		managed = find_session(manager, node, session->lane);
	if (node && !managed)
		managed = manager_resume_session(manager, node, session->lane);
	if (!managed || !wait) {
		log_error("map %s: its session to %s at %s cannot be resumed: %s",
			  recovery->device->view.name, session->node.target, session->node.address,
			  node ? "no memory" : "there is no record of it any more");
		free(wait);
		return;
	}
	if (session->settled) {
		free(wait);
		return;
	}
	wait->session = managed;
	list_append(&recovery->waits, &wait->link);
}

static void recovery_begin(struct manager *manager, struct map_device *device,
			   const struct saved_map *state)
{
	struct recovery *recovery = calloc(1, sizeof(*recovery));

	if (!recovery) {
		log_error("map %s: no memory to wait for its sessions", device->view.name);
		return;
	}
	recovery->manager = manager;
	recovery->device = device;
	list_init(&recovery->waits);
	list_append(&manager->recoveries, &recovery->link);
	map_device_hold(device);
	for (uint32_t i = 0; i < state->session_count; i++)
		wait_for_session(recovery, &state->sessions[i]);
	sd_event_add_time_relative(manager->event, &recovery->timer, CLOCK_MONOTONIC,
				   FENCE_PATIENCE_MS * UINT64_C(1000), 1000, recovery_expired,
				   recovery);
	if (list_empty(&recovery->waits))
		recovery_end(recovery);
}

static const struct record *saved_record(struct manager *manager, const struct saved_map *state)
{
	struct node *node = NULL;

	for (uint32_t i = 0; i < state->session_count && !node; i++)
		node = manager_find_node_by_key(manager, &state->sessions[i].node);
	return node ? node->record : manager->config.node_defaults;
}

/* What was saved of a map and its device's files. Return: 0; -errno, which was logged */
static int take_saved(struct manager *manager, const char *name, struct saved_map *state, int *fds,
		      unsigned *fd_count)
{
	int r = state ? saved_map_load(manager->run_dir, name, state) : -ENOMEM;

	*fd_count = 0;
	if (r < 0) {
		log_error("map %s: its device is lost, what was saved about it cannot be read: %s",
			  name, strerror(-r));
		return r;
	}
	*fd_count = fd_store_take(manager->fd_store, name, fds);
	if (*fd_count > 0 || !exporter_needs_files(state->exporter))
		return 0;
	log_error("map %s: its device is lost, nobody kept its files", name);
	return -ENOENT;
}

static void recover_map(struct manager *manager, const char *name)
{
	struct saved_map *state = malloc(sizeof(*state));
	struct map_device *device = NULL;
	int fds[FD_STORE_FILES_MAX];
	unsigned fd_count;

	if (take_saved(manager, name, state, fds, &fd_count) == 0)
		device = manager_make_map(manager, saved_record(manager, state), &state->unit,
					  state->exporter, state->queue_depth);
	if (!device) {
		for (unsigned i = 0; i < fd_count; i++)
			close(fds[i]);
		saved_map_remove(manager->run_dir, name);
		free(state);
		return;
	}
	log_notice("map %s: going on with %s, which a hawserd before this one made", name,
		   state->node.path);
	device->kept = true;
	map_device_adopt(device, &state->node, fds, fd_count);
	recovery_begin(manager, device, state);
	free(state);
}

/* Is it one of those that were taken over? */
static bool is_recovered(uint32_t major, uint32_t minor, uint64_t backing, void *userdata)
{
	struct manager *manager = userdata;
	struct map_view *map;

	/* Also those that wait for no session, because there is no record of any. */
	list_for_each (map, &manager->maps, link) {
		const struct disk_node *node = map_device_adopted_node(device_of(map));

		if (node->major == major && node->minor == minor && node->backing == backing)
			return true;
	}
	return false;
}

void manager_recover(struct manager *manager, enum fd_store_kind kind)
{
	char **names = NULL;
	unsigned unknown;
	int count, r;

	r = fd_store_open(kind, manager->run_dir, &manager->fd_store);
	if (r < 0) {
		log_warning(
			"block devices will not outlive hawserd, their files cannot be kept: %s",
			strerror(-r));
		r = fd_store_open(FD_STORE_NONE, manager->run_dir, &manager->fd_store);
	}
	count = r < 0 ? 0 : saved_map_list(manager->run_dir, &names);
	for (int i = 0; i < count; i++) {
		recover_map(manager, names[i]);
		free(names[i]);
	}
	free(names);
	if (manager->fd_store)
		fd_store_drop_untaken(manager->fd_store);
	leftovers_remove(manager->run_dir, manager->dev_dir, is_recovered, manager);
	unknown = disk_reap_unknown(manager_disk_owner(manager), is_recovered, manager);
	if (unknown > 0)
		log_warning("took away %u devices of a hawserd before this one that nobody knew "
			    "any more",
			    unknown);
}

void manager_recovery_deinit(struct manager *manager)
{
	struct recovery *recovery, *next;

	list_for_each_safe (recovery, next, &manager->recoveries, link)
		recovery_free(recovery);
	sd_event_source_disable_unref(manager->doubt_timer);
	fd_store_close(manager->fd_store);
}
