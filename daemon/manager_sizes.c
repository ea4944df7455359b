/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The size of a unit: its device follows when all paths agree. Until then, and while a device in
 * use may not shrink, the device stays as it is; a path that reports too little waits.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/clock.h"
#include "daemon/manager_private.h"
#include "daemon/size_agreement.h"
#include "util/cleanup.h"
#include "util/text.h"

/* How long paths that lag behind are looked at every moment; then at every poll. */
#define LAG_US UINT64_C(60000000)

static bool counts(const struct map_path *path)
{
	return path->seen && !path->leaving;
}

static struct size_agreement agreement_of(const struct map_device *device)
{
	uint64_t reports[PATH_SLOTS];
	const struct path_view *view;
	size_t count = 0;

	list_for_each (view, &device->view.paths, link) {
		const struct map_path *path = container_of(view, struct map_path, view);

		if (counts(path) && count < PATH_SLOTS)
			reports[count++] = path->blocks;
	}
	return size_agree(device->view.unit.limits.blocks, reports, count);
}

static char *size_text(const struct map_device *device, uint64_t blocks,
		       char buffer[TEXT_FORMAT_MAX])
{
	return text_format_bytes(blocks * device->view.unit.limits.block_size, buffer);
}

/* --- paths --- */

static void tell_path(struct manager *manager, struct map_path *path, const char *reason)
{
	path->size_told = reason[0] != '\0';
	text_copy(path->view.state_reason, sizeof(path->view.state_reason), reason);
	manager_notify_changed(manager, OBJECT_PATH, &path->view);
}

/* One that was never seen to agree may lead to another unit that claims the same identity. */
static bool may_carry(const struct map_path *path, const struct size_agreement *agreement)
{
	return path->blocks >= agreement->needed_blocks &&
	       (path->agreed || agreement->verdict != SIZE_DISAGREED);
}

static void describe(const struct map_path *path, const struct size_agreement *agreement,
		     char *reason, size_t size_bytes)
{
	bool waits_for_others = agreement->verdict == SIZE_DISAGREED && !path->waits;
	char there[TEXT_FORMAT_MAX], here[TEXT_FORMAT_MAX];

	snprintf(reason, size_bytes, "it reports %s, the device has %s%s",
		 size_text(path->device, path->blocks, there),
		 size_text(path->device, path->device->view.unit.limits.blocks, here),
		 waits_for_others ? " until all paths agree" : "");
}

static void settle_path(struct manager *manager, struct map_path *path,
			const struct map_path *looked, const struct size_agreement *agreement)
{
	bool carries = may_carry(path, agreement);
	bool differs = path->blocks != path->device->view.unit.limits.blocks &&
		       agreement->verdict != SIZE_GROWN;
	char reason[160] = "";

	if (carries && path->waits && path != looked)
		manager_scan(managed_of(path->view.session));
	if (carries == path->waits || (differs && !path->size_told)) {
		bool waited = path->waits;

		path->waits = !carries;
		describe(path, agreement, reason, sizeof(reason));
		if (path->waits && !waited)
			map_path_doubt(path, reason);
		tell_path(manager, path, differs ? reason : "");
	}
	path->agreed |= agreement->verdict != SIZE_DISAGREED;
	if (!differs && !path->waits && path->size_told)
		tell_path(manager, path, "");
}

static void settle_paths(struct manager *manager, struct map_device *device,
			 const struct map_path *looked, const struct size_agreement *agreement)
{
	struct path_view *view;

	list_for_each (view, &device->view.paths, link)
		if (counts(map_path_of(view)))
			settle_path(manager, map_path_of(view), looked, agreement);
}

/* Those that report another size than @path had no reason to look yet. */
static void look_at_others(struct map_device *device, const struct map_path *path)
{
	struct path_view *view;

	list_for_each (view, &device->view.paths, link)
		if (counts(map_path_of(view)) && map_path_of(view)->blocks != path->blocks)
			manager_scan(managed_of(view->session));
}

static void look_again_later(struct map_device *device)
{
	struct path_view *view;

	if (clock_realtime_us() - device->size_since_us > LAG_US)
		return;
	list_for_each (view, &device->view.paths, link)
		if (counts(map_path_of(view)))
			manager_rescan_later(managed_of(view->session));
}

/* --- the device --- */

/* Is this the first time that it is so? */
static bool is_news(struct map_device *device, const struct size_agreement *agreement)
{
	if (device->size_verdict == agreement->verdict && device->size_blocks == agreement->blocks)
		return false;
	device->size_verdict = agreement->verdict;
	device->size_blocks = agreement->blocks;
	device->size_since_us = clock_realtime_us();
	return true;
}

static uint64_t bytes_of(const struct map_device *device, uint64_t blocks)
{
	return blocks * device->view.unit.limits.block_size;
}

static void on_disagreed(struct manager *manager, struct map_device *device, bool news)
{
	uint64_t bytes = bytes_of(device, device->view.unit.limits.blocks);
	char text[TEXT_FORMAT_MAX];

	if (news)
		manager_raise(manager, OBJECT_MAP, &device->view,
			      &(struct event_facts){.kind = EVENT_SIZE_DIFFERS,
						    .reason = text_format_bytes(bytes, text),
						    .numbers = {bytes}});
	look_again_later(device);
}

static void on_shrunk(struct manager *manager, struct map_device *device, uint64_t blocks,
		      bool news)
{
	uint64_t bytes = bytes_of(device, device->view.unit.limits.blocks);
	char holders[256];

	map_device_holders(device, holders, sizeof(holders));
	if (!holders[0])
		map_device_resize(device, blocks);
	else if (news)
		manager_raise(manager, OBJECT_MAP, &device->view,
			      &(struct event_facts){
				      .kind = EVENT_SHRINK_REFUSED,
				      .reason = holders,
				      .numbers = {bytes, bytes_of(device, blocks)},
			      });
}

void manager_check_size(struct manager *manager, struct map_device *device,
			const struct map_path *looked)
{
	struct size_agreement agreement = agreement_of(device);
	bool news = is_news(device, &agreement);

	settle_paths(manager, device, looked, &agreement);
	if (device->ending)
		return;
	if (agreement.verdict == SIZE_DISAGREED)
		on_disagreed(manager, device, news);
	else if (agreement.verdict == SIZE_SHRUNK)
		on_shrunk(manager, device, agreement.blocks, news);
	else if (agreement.verdict == SIZE_GROWN && (news || !device->resize_failed))
		map_device_resize(device, agreement.blocks);
}

bool manager_note_size(struct manager *manager, struct map_path *path, uint64_t blocks)
{
	bool changed = path->seen && path->blocks != blocks;

	path->blocks = blocks;
	path->seen = true;
	manager_check_size(manager, path->device, path);
	if (changed)
		look_at_others(path->device, path);
	return !path->waits;
}

bool manager_size_fits(const struct map_device *device, uint64_t blocks)
{
	const struct path_view *view;

	list_for_each (view, &device->view.paths, link) {
		const struct map_path *path = container_of(view, struct map_path, view);

		if (counts(path) && path->blocks != blocks)
			return false;
	}
	return true;
}

static void tell_resized(struct manager *manager, struct map_device *device, uint64_t old_blocks)
{
	uint64_t blocks = device->view.unit.limits.blocks;
	char text[160], from[TEXT_FORMAT_MAX], to[TEXT_FORMAT_MAX];

	snprintf(text, sizeof(text), "%s from %s to %s", blocks > old_blocks ? "grown" : "shrunk",
		 size_text(device, old_blocks, from), size_text(device, blocks, to));
	manager_raise(manager, OBJECT_MAP, &device->view,
		      &(struct event_facts){
			      .kind = EVENT_RESIZED,
			      .reason = text,
			      .numbers = {bytes_of(device, old_blocks), bytes_of(device, blocks)},
		      });
}

static void tell_failed(struct manager *manager, struct map_device *device, int error,
			const char *step)
{
	char text[160];

	snprintf(text, sizeof(text), "cannot %s: %s", step, strerror(-error));
	manager_raise(manager, OBJECT_MAP, &device->view,
		      &(struct event_facts){
			      .kind = EVENT_RESIZE_FAILED,
			      .reason = text,
			      .numbers = {bytes_of(device, device->view.unit.limits.blocks)},
		      });
}

void manager_device_resized(struct manager *manager, struct map_device *device, uint64_t old_blocks,
			    int error, const char *step)
{
	device->resize_failed = error < 0;
	if (error < 0)
		tell_failed(manager, device, error, step);
	else
		tell_resized(manager, device, old_blocks);
	manager_save_map(manager, device);
	manager_check_size(manager, device, NULL);
}
