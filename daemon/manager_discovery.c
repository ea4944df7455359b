/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Discovery as an operation: ask, and turn the answer into node records. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/discovered_record.h"
#include "daemon/discovery_work.h"
#include "daemon/node_layout.h"
#include "daemon/record.h"
#include "iscsi/portal.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

static struct error take_error(struct error *error)
{
	struct error taken = *error;

	*error = (struct error)ERROR_INIT;
	return taken;
}

static void discovery_work_free(struct discovery_work *work)
{
	list_remove(&work->link);
	discovery_job_free(work->job);
	isns_job_free(work->isns);
	firmware_free(work->firmware);
	free(work->details);
	record_free(work->record);
	free(work->ifaces);
	free(work->results);
	error_clear(&work->error);
	free(work);
}

void manager_cancel_discoveries(struct manager *manager)
{
	struct discovery_work *work, *next;

	list_for_each_safe (work, next, &manager->discoveries, link)
		discovery_work_free(work);
}

/* Records of what was found. */

/* The facts about an existing record, as it was found now; nothing is written when none is new. */
static int refreshed_record(struct discovery_work *work, struct discovery_result *result,
			    const struct discovered_origin *origin, struct record **ret,
			    struct error *error)
{
	const struct discovery_way *way = &discovery_ways[work->request.kind];
	const struct node *node = result->node;
	owned_record record = NULL;

	if (discovered_record_refresh(node->record, &result->key, origin, &record, error) < 0)
		return -1;
	if (way->fill && strcmp(record_get(record, "node.discovery_type"), way->type) == 0 &&
	    way->fill(work, (size_t)(result - work->results), record, false, error) < 0)
		return -1;
	if (!record_equal(record, node->record))
		*ret = take(record);
	return 0;
}

static int new_record(struct discovery_work *work, struct discovery_result *result,
		      const struct discovered_origin *origin, struct record **ret,
		      struct error *error)
{
	const struct discovery_way *way = &discovery_ways[work->request.kind];
	owned_record iface = manager_iface(work->manager, result->key.iface);
	owned_record record = NULL;

	if (discovered_record_make(work->manager->config.node_defaults, work->record, iface,
				   &result->key, origin, &record, error) < 0)
		return -1;
	if (way->fill && way->fill(work, (size_t)(result - work->results), record, true, error) < 0)
		return -1;
	*ret = take(record);
	return 0;
}

static int store_found(struct discovery_work *work, struct discovery_result *result,
		       struct error *error)
{
	const struct discovered_origin origin = {
		.type = discovery_ways[work->request.kind].type,
		.address = work->request.address,
		.port = work->request.port,
	};
	struct record *record = NULL;
	int r = 0;

	result->node = manager_find_node_by_key(work->manager, &result->key);
	if (result->node && result->key.tpgt < 0)
		result->key.tpgt = result->node->key.tpgt;
	switch (discovered_plan_of(work->request.operations, result->node)) {
	case DISCOVERED_MAKE:
		r = new_record(work, result, &origin, &record, error);
		break;
	case DISCOVERED_REFRESH:
		r = refreshed_record(work, result, &origin, &record, error);
		break;
	default:
		break;
	}
	if (r == 0 && record)
		r = manager_store_node(work->manager, &result->key, record, &result->node, error);
	if (r < 0)
		record_free(record);
	return r;
}

static bool was_found(const struct discovery_work *work, const struct node *node)
{
	for (size_t i = 0; i < work->count; i++)
		if (work->results[i].node == node)
			return true;
	return false;
}

/* Records that came from this address and that it does not name any more. */
static void delete_stale(struct discovery_work *work)
{
	struct node *node, *next;

	list_for_each_safe (node, next, &work->manager->nodes, link) {
		owned_error struct error error = ERROR_INIT;

		if (!manager_node_is_from(node, work->request.kind, work->request.address,
					  work->request.port) ||
		    was_found(work, node))
			continue;
		if (manager_delete_node(work->manager, node, &error) < 0)
			log_warning("a stale record stays: %s", error.text);
	}
}

static void discovery_finish(struct discovery_work *work)
{
	owned_error struct error failure = ERROR_INIT;

	if (work->succeeded) {
		error_clear(&work->error);
		for (size_t i = 0; i < work->count; i++)
			store_found(work, &work->results[i], &failure);
		if (work->request.operations & DISCOVERY_DELETE)
			delete_stale(work);
		if (work->count == 0)
			error_set(&failure, ERROR_NO_OBJECTS_FOUND, "No portals found");
	}
	work->done(work->succeeded ? &failure : &work->error, work->results, work->count,
		   work->userdata);
	discovery_work_free(work);
}

/* One answer. */

static bool same_key(const struct node_key *a, const struct node_key *b)
{
	return strcmp(a->target, b->target) == 0 && strcmp(a->address, b->address) == 0 &&
	       a->port == b->port && strcmp(a->iface, b->iface) == 0;
}

void discovery_add(struct discovery_work *work, const struct discovered_portal *portal,
		   const char *iface)
{
	struct discovery_result result = {.key.tpgt = portal->tpgt};
	struct node_key *key = &result.key;
	struct discovery_result *larger;

	text_copy(key->target, sizeof(key->target), portal->target_name);
	text_copy(key->address, sizeof(key->address),
		  portal->address[0] ? portal->address : work->request.address);
	text_copy(key->iface, sizeof(key->iface), iface);
	key->port = portal->port ? portal->port : work->request.port;
	for (size_t i = 0; i < work->count; i++)
		if (same_key(&work->results[i].key, key))
			return;
	larger = realloc(work->results, (work->count + 1) * sizeof(*work->results));
	if (!larger)
		return;
	work->results = larger;
	work->results[work->count++] = result;
}

/* The answer that came over the last interface. */
void discovery_found(struct discovery_work *work, const struct discovered_portal *portals,
		     size_t count, const struct discovery_skipped *skipped, const char *interface)
{
	const char *iface = work->ifaces[work->iface_next - 1];
	struct discovery_skipped unusable = *skipped;

	work->succeeded++;
	for (size_t i = 0; i < count; i++) {
		struct discovered_portal portal = portals[i];

		if (portal_address_set_zone(portal.address, sizeof(portal.address), interface) < 0)
			discovery_skip(&unusable, portal.address, strlen(portal.address));
		else
			discovery_add(work, &portal, iface);
	}
	if (unusable.count)
		log_warning("discovery at %s: %u addresses that cannot be used are left out: %s",
			    work->request.address, unusable.count, unusable.names);
}

void discovery_failed(struct discovery_work *work, enum error_code code, const char *text)
{
	error_clear(&work->error);
	error_set(&work->error, code, "%s", text);
}

/* Nobody is asked over an interface that is not known; the others still are. */
static void skip_iface(struct discovery_work *work, const struct error *why)
{
	owned_error struct error before = take_error(&work->error);

	if (before.code != ERROR_NONE && before.code != ERROR_NO_OBJECTS_FOUND)
		work->error = take_error(&before);
	else
		error_set(&work->error, ERROR_NO_OBJECTS_FOUND, "%s%s%s",
			  before.text ? before.text : "", before.text ? "\n" : "", error_text(why));
	log_warning("discovery at %s: %s", work->request.address, error_text(why));
}

static int ask_over(struct discovery_work *work, const char *name)
{
	owned_error struct error error = ERROR_INIT;
	owned_record iface = NULL;

	if (strcmp(name, "default") != 0 &&
	    node_store_load_iface(work->manager->store, name, &iface, &error) < 0) {
		skip_iface(work, &error);
		return 1;
	}
	return discovery_ways[work->request.kind].ask(work, name, iface);
}

void discovery_next(struct discovery_work *work)
{
	int r = 1;

	discovery_job_free(take(work->job));
	isns_job_free(take(work->isns));
	while (r > 0 && work->iface_next < work->iface_count)
		r = ask_over(work, work->ifaces[work->iface_next++]);
	if (r == 0)
		return;
	if (r < 0)
		error_set(&work->error, ERROR_INTERNAL, "%s", strerror(-r));
	discovery_finish(work);
}

/* The beginning. */

/* Interfaces to go over: those asked for, or all stored tcp ones, or the default one. */
static int discovery_choose_ifaces(struct discovery_work *work, struct error *error)
{
	char **names = NULL;
	unsigned stored = 0;

	if (work->request.iface_count == 0 &&
	    node_store_ifaces(work->manager->store, &names, &stored, error) < 0)
		return -1;
	work->ifaces = calloc(work->request.iface_count + stored + 1, sizeof(*work->ifaces));
	for (unsigned i = 0; work->ifaces && i < work->request.iface_count; i++)
		text_copy(work->ifaces[work->iface_count++], 65, work->request.ifaces[i]);
	for (unsigned i = 0; i < stored; i++) {
		struct record *iface = manager_iface(work->manager, names[i]);
		const char *transport = iface ? record_get(iface, "iface.transport_name") : NULL;

		if (work->ifaces && transport && strcmp(transport, "tcp") == 0)
			text_copy(work->ifaces[work->iface_count++], 65, names[i]);
		record_free(iface);
		free(names[i]);
	}
	free(names);
	if (!work->ifaces)
		return error_set(error, ERROR_NO_MEMORY, "no memory");
	if (work->iface_count == 0)
		text_copy(work->ifaces[work->iface_count++], 65, "default");
	return 0;
}

static int discovery_prepare(struct discovery_work *work, struct error *error)
{
	const struct discovery_way *way = &discovery_ways[work->request.kind];
	const char *address = work->request.address;

	if (way->port && (address[0] == '\0' || strchr(address, '/') || strchr(address, ',')))
		return error_set(error, ERROR_INVALID_ARGUMENT, "the portal has no usable address");
	if (work->request.port == 0)
		work->request.port = way->port;
	if (way->prepare && way->prepare(work, error) < 0)
		return -1;
	return discovery_choose_ifaces(work, error);
}

void manager_discover(struct manager *manager, const struct discovery_request *request,
		      manager_discovered *done, void *userdata)
{
	struct discovery_work *work = calloc(1, sizeof(*work));
	owned_error struct error error = ERROR_INIT;

	if (!work) {
		error_set(&error, ERROR_NO_MEMORY, "no memory");
		done(&error, NULL, 0, userdata);
		return;
	}
	work->manager = manager;
	work->request = *request;
	work->done = done;
	work->userdata = userdata;
	list_append(&manager->discoveries, &work->link);
	if (discovery_prepare(work, &error) < 0) {
		done(&error, NULL, 0, userdata);
		discovery_work_free(work);
		return;
	}
	discovery_next(work);
}
