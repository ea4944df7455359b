/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Whom the kinds of discovery ask: a portal, an iSNS server, the firmware. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/discovery_work.h"
#include "daemon/node_settings.h"
#include "daemon/record.h"
#include "iscsi/portal.h"
#include "util/cleanup.h"
#include "util/text.h"

#define PAUSE_MS	1000 /* between attempts, as iscsiadm's users know it */
#define ISNS_TIMEOUT_MS 15000

/* SendTargets. */

/* The record of the address: the stored one, or one of iscsid.conf's defaults that replaces it. */
static int send_targets_prepare(struct discovery_work *work, struct error *error)
{
	struct manager *manager = work->manager;

	if (work->request.stored) {
		if (node_store_load_discovery(manager->store, RECORD_SENDTARGETS,
					      work->request.address, work->request.port,
					      &work->record, error) == 0)
			return 0;
		if (error->code != ERROR_NO_OBJECTS_FOUND)
			return -1;
		error_clear(error);
	}
	if (record_copy(manager->config.target_defaults, &work->record) < 0)
		return error_set(error, ERROR_NO_MEMORY, "no memory for a record");
	if (work->request.operations & DISCOVERY_NON_PERSISTENT)
		return 0;
	return node_store_save_discovery(manager->store, work->request.address, work->request.port,
					 work->record, error);
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

static void send_targets_answered(const struct discovery_job_result *result, void *userdata)
{
	struct discovery_work *work = userdata;

	if (result->end != LOGIN_JOB_DONE || result->failed)
		discovery_failed(work, code_of(result), result->text);
	else
		discovery_found(work, result->portals, result->count, result->skipped,
				result->interface);
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
	login_security(work->record, &work->manager->config, work->manager->fips,
		       &settings.login.login);
	settings.login.challenges = &work->manager->challenges;
	initiator_isid(work->manager->initiator.name,
		       &(struct isid_path){work->request.address, work->request.port, name, 0}, 1,
		       settings.login.login.isid);
	r = discovery_job_start(work->manager->event, work->manager->home, &settings,
				send_targets_answered, work, &work->job);
	explicit_bzero(&settings, sizeof(settings));
	return r;
}

/* iSNS. */

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
		const struct discovery_skipped skipped = {
			.count = result->skipped,
			.names = "as the server has them",
		};

		discovery_found(work, result->portals, result->count, &skipped, result->interface);
	}
	discovery_next(work);
}

/* A discovery by itself leaves no record of the server; discoverydb -D has one. */
static int isns_prepare(struct discovery_work *work, struct error *error)
{
	struct node_store *store = work->manager->store;

	if (!work->request.stored || work->request.operations & DISCOVERY_NON_PERSISTENT)
		return 0;
	if (node_store_load_discovery(store, RECORD_ISNS, work->request.address, work->request.port,
				      &work->record, error) == 0)
		return 0;
	if (error->code != ERROR_NO_OBJECTS_FOUND)
		return -1;
	error_clear(error);
	return node_store_save_discovery(store, work->request.address, work->request.port,
					 work->manager->config.isns_defaults, error);
}

/* An interface with a name of its own asks as that name: it is the one that will log in. */
static int isns_ask(struct discovery_work *work, const char *name, const struct record *iface)
{
	const char *own = iface_binding(iface, "iface.initiatorname");
	const struct isns_job_settings settings = {
		.server =
			{
				.address = work->request.address,
				.port = work->request.port,
				.interface = iface_binding(iface, "iface.net_ifacename"),
				.hardware_address = iface_binding(iface, "iface.hwaddress"),
				.source_address = iface_binding(iface, "iface.ipaddress"),
			},
		.initiator_name = *own ? own : work->manager->initiator.name,
		.timeout_ms = ISNS_TIMEOUT_MS,
	};

	return isns_job_start(work->manager->event, work->manager->home, &settings, isns_answered,
			      work, &work->isns);
}

/* The firmware. */

/* A card that is told by zeros is none. */
static bool is_hardware_address(const char *text)
{
	return text[strspn(text, "0:")] != '\0';
}

static bool firmware_knows_card(const struct firmware *firmware, unsigned index)
{
	const char *key, *value;
	bool secret;

	for (size_t row = 0; firmware_setting(firmware, index, row, &key, &value, &secret); row++)
		if (strcmp(key, "iface.hwaddress") == 0)
			return is_hardware_address(value);
	return false;
}

/*
 * What its records keep of what the firmware says. They are bound to the card that the firmware has
 * booted from, whatever it is called now; its IP address may be another one by now.
 * Return: the value to keep; NULL: the key is passed over
 */
static const char *firmware_kept(const struct firmware *firmware, unsigned index, const char *key,
				 const char *value)
{
	if (strcmp(key, "iface.hwaddress") == 0)
		return is_hardware_address(value) ? value : "";
	if (strcmp(key, "iface.net_ifacename") == 0)
		return firmware_knows_card(firmware, index) ? "" : value;
	if (strcmp(key, "iface.initiatorname") == 0 || text_starts_with(key, "node.session.auth."))
		return value;
	return NULL;
}

/* Texts that a record cannot hold stay out of the message: one of them is a secret. */
static int firmware_fill_record(struct discovery_work *work, size_t result, struct record *record,
				bool fresh, struct error *error)
{
	const unsigned index = work->firmware_targets[result];
	const char *key, *value;
	bool secret, chap = false;
	int r = fresh ? record_set(record, "node.startup", "onboot", RECORD_INTERNAL, error) : 0;

	for (size_t row = 0;
	     r == 0 && firmware_setting(work->firmware, index, row, &key, &value, &secret); row++) {
		chap |= secret && *value;
		value = firmware_kept(work->firmware, index, key, value);
		if (value && record_set(record, key, value, RECORD_INTERNAL, NULL) < 0)
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
	discovery_add(work, &portal, "default");
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

const struct discovery_way discovery_ways[DISCOVERY_KIND_COUNT] = {
	[DISCOVERY_KIND_SEND_TARGETS] = {"send_targets", PORTAL_PORT_DEFAULT, send_targets_prepare,
					 send_targets_ask},
	[DISCOVERY_KIND_ISNS] = {"isns", ISNS_PORT_DEFAULT, isns_prepare, isns_ask},
	[DISCOVERY_KIND_FIRMWARE] = {"fw", 0, firmware_prepare, firmware_ask, firmware_fill_record},
};
