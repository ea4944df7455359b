/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Discovery as an operation: ask a portal, an iSNS server or the firmware, and turn the answer into
 * node records.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/discovery_job.h"
#include "daemon/firmware.h"
#include "daemon/isns_job.h"
#include "daemon/manager_private.h"
#include "daemon/node_settings.h"
#include "daemon/record.h"
#include "iscsi/portal.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

#define PAUSE_MS	1000 /* between attempts, as iscsiadm's users know it */
#define ISNS_TIMEOUT_MS 15000

struct discovery_work {
	struct list link; /* in manager.discoveries */
	struct manager *manager;
	struct discovery_request request;
	struct record *record; /* of the discovery address */
	char (*ifaces)[65];
	unsigned iface_count, iface_next;
	struct discovery_job *job;
	struct isns_job *isns;
	struct firmware *firmware;
	unsigned firmware_targets[FIRMWARE_TARGETS_MAX]; /* of each result */
	struct record_change *details;			 /* of all results */

	struct discovery_result *results;
	size_t count;
	struct error error; /* of the last interface that failed */
	unsigned succeeded;
	manager_discovered *done;
	void *userdata;
};

/* How the kinds differ. */
struct discovery_way {
	const char *type; /* node.discovery_type */
	uint16_t port;	  /* when none is said; 0: there is no address to ask */
	/** have the address' own record ready. NULL: it has none */
	int (*prepare)(struct discovery_work *work, struct error *error);
	/** ask over one interface; @iface: its record, NULL for the default one */
	int (*ask)(struct discovery_work *work, const char *name, const struct record *iface);
};
static const struct discovery_way ways[DISCOVERY_KIND_COUNT];

static int firmware_fill_record(struct discovery_work *work, size_t result, struct record *record,
				struct error *error);

static void discovery_next(struct discovery_work *work);

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

static int found_record(struct discovery_work *work, const struct node_key *key,
			struct record **ret, struct error *error)
{
	char port[8], tpgt[16], discovery_port[8];
	const struct record_change values[] = {
		{"node.name", key->target},
		{"node.tpgt", tpgt},
		{"node.conn[0].address", key->address},
		{"node.conn[0].port", port},
		{"iface.iscsi_ifacename", key->iface},
		{"node.discovery_address", work->request.address},
		{"node.discovery_port", discovery_port},
		{"node.discovery_type", ways[work->request.kind].type},
	};
	struct record *record;

	snprintf(port, sizeof(port), "%u", key->port);
	snprintf(tpgt, sizeof(tpgt), "%d", key->tpgt);
	snprintf(discovery_port, sizeof(discovery_port), "%u", work->request.port);
	if (record_copy(work->manager->config.node_defaults, &record) < 0)
		return error_set(error, ERROR_NO_MEMORY, "no memory for a record");
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		if (record_set(record, values[i].key, values[i].value, RECORD_INTERNAL, error) <
		    0) {
			record_free(record);
			return -1;
		}
	*ret = record;
	return 0;
}

/* What the operations want with a portal that was found (iscsiadm's -o). */
static bool wants_record(const struct discovery_work *work, const struct node *existing)
{
	unsigned operations = work->request.operations;

	if (operations & (DISCOVERY_NON_PERSISTENT | DISCOVERY_SHOW))
		return false;
	if (operations == DISCOVERY_DEFAULT || operations & DISCOVERY_UPDATE)
		return true;
	return operations & DISCOVERY_NEW && !existing;
}

static int store_found(struct discovery_work *work, struct discovery_result *result,
		       struct error *error)
{
	struct node *existing = manager_find_node_by_key(work->manager, &result->key);
	struct record *record = NULL;

	result->node = existing;
	if (!wants_record(work, existing))
		return 0;
	if (found_record(work, &result->key, &record, error) < 0)
		return -1;
	if (work->firmware &&
	    firmware_fill_record(work, (size_t)(result - work->results), record, error) < 0) {
		record_free(record);
		return -1;
	}
	if (manager_store_node(work->manager, &result->key, record, &result->node, error) < 0) {
		record_free(record);
		return -1;
	}
	return 0;
}

static bool is_from_here(const struct discovery_work *work, const struct node *node)
{
	const char *address = record_get(node->record, "node.discovery_address");
	const char *type = record_get(node->record, "node.discovery_type");

	return address && strcmp(address, work->request.address) == 0 &&
	       strcmp(type, ways[work->request.kind].type) == 0 &&
	       record_get_number(node->record, "node.discovery_port") == work->request.port;
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

		if (!is_from_here(work, node) || was_found(work, node))
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

static void add_portal(struct discovery_work *work, const struct discovered_portal *portal,
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

static enum error_code code_of(const struct discovery_job_result *result)
{
	const struct login_job_result login = {
		.end = result->end,
		.error = result->error,
		.login = result->login,
	};
	enum error_code code = supervisor_error_code(&login);

	if (result->failed)
		return result->error == -ETIMEDOUT ? ERROR_PDU_TIMEOUT : ERROR_LOGIN_FAILED;
	/* iscsiadm ends with "PDU timed out" also when nobody took the connection. */
	return code == ERROR_TRANSPORT_TIMEOUT ? ERROR_PDU_TIMEOUT : code;
}

/* The answer that came over the last interface. */
static void discovery_found(struct discovery_work *work, const struct discovered_portal *portals,
			    size_t count, unsigned skipped)
{
	const char *iface = work->ifaces[work->iface_next - 1];

	work->succeeded++;
	for (size_t i = 0; i < count; i++)
		add_portal(work, &portals[i], iface);
	if (skipped)
		log_warning("discovery at %s: %u unusable addresses left out",
			    work->request.address, skipped);
}

static void discovery_failed(struct discovery_work *work, enum error_code code, const char *text)
{
	error_clear(&work->error);
	error_set(&work->error, code, "%s", text);
}

static void send_targets_answered(const struct discovery_job_result *result, void *userdata)
{
	struct discovery_work *work = userdata;

	if (result->end != LOGIN_JOB_DONE || result->failed)
		discovery_failed(work, code_of(result), result->text);
	else
		discovery_found(work, result->portals, result->count, result->skipped);
	discovery_next(work);
}

static int send_targets_ask(struct discovery_work *work, const char *name,
			    const struct record *iface)
{
	struct discovery_job_settings settings = {
		.tries = 1 + (unsigned)MAX(record_get_number(work->record,
							     "discovery.sendtargets.reopen_max"),
					   INT64_C(0)),
		.pause_ms = PAUSE_MS,
		.answer_timeout_ms =
			1000 * (unsigned)MAX(record_get_number(
						     work->record,
						     "discovery.sendtargets.timeo.active_timeout"),
					     INT64_C(1)),
	};
	int r;

	discovery_login_settings(work->request.address, work->request.port, work->record, iface,
				 work->manager->initiator.name, &settings.login);
	initiator_isid(work->manager->initiator.name,
		       &(struct isid_path){work->request.address, work->request.port, name, 0}, 1,
		       settings.login.login.isid);
	r = discovery_job_start(work->manager->event, work->manager->home, &settings,
				send_targets_answered, work, &work->job);
	explicit_bzero(&settings, sizeof(settings));
	return r;
}

static void isns_answered(const struct isns_job_result *result, void *userdata)
{
	struct discovery_work *work = userdata;
	struct portal server = {.port = work->request.port};
	char address[PORTAL_TEXT_MAX], text[PORTAL_TEXT_MAX + 200];

	if (result->error) {
		text_copy(server.address, sizeof(server.address), work->request.address);
		snprintf(text, sizeof(text), "%s: %s", portal_format(&server, false, address),
			 result->text);
		discovery_failed(work, ERROR_ISNS_QUERY_FAILED, text);
	} else {
		discovery_found(work, result->portals, result->count, result->skipped);
	}
	discovery_next(work);
}

/* An interface with a name of its own asks as that name: it is the one that will log in. */
static int isns_ask(struct discovery_work *work, const char *name, const struct record *iface)
{
	const char *own = iface ? record_get(iface, "iface.initiatorname") : NULL;
	const struct isns_job_settings settings = {
		.server =
			{
				.address = work->request.address,
				.port = work->request.port,
				.interface = iface ? record_get(iface, "iface.net_ifacename") : "",
				.source_address = iface ? record_get(iface, "iface.ipaddress") : "",
			},
		.initiator_name = own && *own ? own : work->manager->initiator.name,
		.timeout_ms = ISNS_TIMEOUT_MS,
	};

	return isns_job_start(work->manager->event, work->manager->home, &settings, isns_answered,
			      work, &work->isns);
}

/* The firmware. */

/* Texts that a record cannot hold stay out of the message: one of them is a secret. */
static int firmware_fill_record(struct discovery_work *work, size_t result, struct record *record,
				struct error *error)
{
	const char *key, *value;
	bool secret, chap = false;
	int r = record_set(record, "node.startup", "onboot", RECORD_INTERNAL, error);

	for (size_t row = 0;
	     r == 0 && firmware_setting(work->firmware, work->firmware_targets[result], row, &key,
					&value, &secret);
	     row++) {
		if (!text_starts_with(key, "node.session.auth."))
			continue;
		chap |= secret && *value;
		if (record_set(record, key, value, RECORD_INTERNAL, NULL) < 0)
			r = error_set(error, ERROR_INVALID_ARGUMENT,
				      "the firmware's value for %s cannot be kept in a record",
				      key);
	}
	if (r == 0)
		r = record_set(record, "node.session.auth.authmethod", chap ? "CHAP" : "None",
			       RECORD_INTERNAL, error);
	return r;
}

/* Everything that the firmware says of one target; nothing of it leaves the daemon in clear. */
static size_t firmware_list_details(const struct firmware *firmware, unsigned index,
				    struct record_change *details)
{
	const char *key, *value;
	size_t count = 0;
	bool secret;

	for (size_t row = 0; firmware_setting(firmware, index, row, &key, &value, &secret); row++)
		if (*value)
			details[count++] = (struct record_change){key, secret ? "********" : value};
	return count;
}

static void firmware_add_target(struct discovery_work *work, const struct firmware_target *target)
{
	struct discovered_portal portal = {.port = target->port, .tpgt = 1};
	size_t at = work->count;

	text_copy(portal.target_name, sizeof(portal.target_name), target->name);
	text_copy(portal.address, sizeof(portal.address), target->address);
	add_portal(work, &portal, "default");
	if (work->count == at)
		return; /* the same portal over another card */
	work->firmware_targets[at] = target->index;
	work->results[at].details = work->details + at * FIRMWARE_SETTINGS_MAX;
	work->results[at].detail_count = firmware_list_details(
		work->firmware, target->index, work->details + at * FIRMWARE_SETTINGS_MAX);
}

static int firmware_ask(struct discovery_work *work, const char *name, const struct record *iface)
{
	struct firmware_target target = {};
	int r = firmware_read(work->manager->firmware_dir, &work->firmware);

	work->details = calloc((size_t)FIRMWARE_TARGETS_MAX * FIRMWARE_SETTINGS_MAX,
			       sizeof(*work->details));
	if (r == -ENOMEM || !work->details)
		return -ENOMEM;
	if (r < 0) {
		discovery_failed(work, ERROR_NO_OBJECTS_FOUND,
				 r == -ENOENT ? "the firmware has no iSCSI boot table"
					      : "the firmware's iSCSI boot table cannot be read");
	} else {
		work->succeeded++;
		for (; firmware_target(work->firmware, target.index, &target); target.index++)
			firmware_add_target(work, &target);
	}
	discovery_next(work);
	return 0;
}

/* Its targets are bound to no interface record: only the default one is gone over. */
static int firmware_prepare(struct discovery_work *work, struct error *error)
{
	work->request.address[0] = '\0';
	work->request.port = 0;
	work->request.iface_count = 1;
	text_copy(work->request.ifaces[0], sizeof(work->request.ifaces[0]), "default");
	return 0;
}

static void discovery_next(struct discovery_work *work)
{
	struct record *iface;
	const char *name;
	int r;

	discovery_job_free(take(work->job));
	isns_job_free(take(work->isns));
	if (work->iface_next == work->iface_count) {
		discovery_finish(work);
		return;
	}
	name = work->ifaces[work->iface_next++];
	iface = manager_iface(work->manager, name);
	r = ways[work->request.kind].ask(work, name, iface);
	record_free(iface);
	if (r < 0) {
		error_set(&work->error, ERROR_INTERNAL, "%s", strerror(-r));
		discovery_finish(work);
	}
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

/* The record of the address: the stored one, or one of iscsid.conf's defaults that replaces it. */
static int send_targets_prepare(struct discovery_work *work, struct error *error)
{
	struct manager *manager = work->manager;
	char port[8];

	if (work->request.stored) {
		if (node_store_load_discovery(manager->store, work->request.address,
					      work->request.port, &work->record, error) == 0)
			return 0;
		if (error->code != ERROR_NO_OBJECTS_FOUND)
			return -1;
		error_clear(error);
	}
	if (record_copy(manager->config.target_defaults, &work->record) < 0)
		return error_set(error, ERROR_NO_MEMORY, "no memory for a record");
	snprintf(port, sizeof(port), "%u", work->request.port);
	if (record_set(work->record, "discovery.sendtargets.address", work->request.address,
		       RECORD_INTERNAL, error) < 0 ||
	    record_set(work->record, "discovery.sendtargets.port", port, RECORD_INTERNAL, error) <
		    0)
		return -1;
	if (work->request.operations & DISCOVERY_NON_PERSISTENT)
		return 0;
	return node_store_save_discovery(manager->store, work->request.address, work->request.port,
					 work->record, error);
}

static const struct discovery_way ways[DISCOVERY_KIND_COUNT] = {
	[DISCOVERY_KIND_SEND_TARGETS] = {"send_targets", PORTAL_PORT_DEFAULT, send_targets_prepare,
					 send_targets_ask},
	[DISCOVERY_KIND_ISNS] = {"isns", ISNS_PORT_DEFAULT, NULL, isns_ask},
	[DISCOVERY_KIND_FIRMWARE] = {"fw", 0, firmware_prepare, firmware_ask},
};

static int discovery_prepare(struct discovery_work *work, struct error *error)
{
	const struct discovery_way *way = &ways[work->request.kind];
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
