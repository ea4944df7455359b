/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The portals of a target that is logged in to, as itself tells them: asked for by SendTargets in
 * the session that there is (RFC 7143 appendix C), when the target reports that its addresses have
 * changed and when an operator wants it. A portal that is new gets a record with the settings of
 * the session's own; one that is missing keeps its record, because many a target names only what
 * may be reached from where it was asked.
 */

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/discovered_record.h"
#include "daemon/job.h"
#include "daemon/manager_private.h"
#include "daemon/record.h"
#include "daemon/session_host.h"
#include "daemon/worker.h"
#include "iscsi/portal.h"
#include "iscsi/target_query.h"
#include "util/cleanup.h"
#include "util/log.h"
#include "util/text.h"

/* One question; the worker's between the two threads of its job. */
struct portals_job {
	struct job job;
	struct target_request request;
	struct session_host *host; /* there until the worker has answered, and not longer */

	struct manager *manager;
	uint32_t sid;
	manager_rediscovered *done; /* NULL: the target asked for it */
	void *userdata;
};

static void on_worker_answered(struct target_request *request)
{
	job_done(&container_of(request, struct portals_job, request)->job);
}

static void ask_on_worker(struct job *job)
{
	struct portals_job *portals = container_of(job, struct portals_job, job);
	int r = session_send_targets(session_host_session(portals->host), &portals->request);

	if (r < 0) {
		portals->request.error = r;
		job_done(job);
	}
}

/* clang-format off */
static const struct {
	int error;
	enum error_code code;
	const char *text;
} failures[] = {
	{-ENOTCONN,   ERROR_TRANSPORT_FAILED,      "the connection ended before the target answered; some targets end it when they are asked "
	                                           "in a normal session: 'hawser discover ADDRESS' asks in one of its own"},
	{-EOPNOTSUPP, ERROR_NOT_SUPPORTED,         "the target rejects SendTargets in a normal session"},
	{-ENOMEM,     ERROR_NO_MEMORY,             "no memory"},
};
/* clang-format on */

static void tell_failure(int code, struct error *error)
{
	for (size_t i = 0; i < ARRAY_SIZE(failures); i++)
		if (failures[i].error == code) {
			error_set(error, failures[i].code, "%s", failures[i].text);
			return;
		}
	if (code < 0)
		error_set(error, ERROR_FAILED, "the target's answer cannot be used: %s",
			  strerror(-code));
}

/* Return: false: a portal of another target, or an address that means nothing here */
static bool portal_key(struct session_view *session, const struct discovered_portal *portal,
		       struct node_key *key)
{
	*key = (struct node_key){.tpgt = portal->tpgt,
				 .port = portal->port ? portal->port : session->persistent_port};
	if (strcmp(portal->target_name, session->target) != 0)
		return false;
	text_copy(key->target, sizeof(key->target), session->target);
	text_copy(key->iface, sizeof(key->iface), session->iface);
	text_copy(key->address, sizeof(key->address),
		  portal->address[0] ? portal->address : session->persistent_address);
	/* A link-local address is only good with the link, which this one does not name. */
	return !portal_address_link_local(key->address);
}

static void logged_in(const struct error *error, void *userdata)
{
	if (error_is_set(error))
		log_warning("login to a portal that is new: %s", error_text(error));
}

static bool same_portal(const struct node_key *a, const struct node_key *b)
{
	return a->port == b->port && portal_address_equal(a->address, b->address) &&
	       strcmp(a->iface, b->iface) == 0 && strcmp(a->target, b->target) == 0;
}

static bool is_known(const struct manager *manager, const struct node_key *key)
{
	const struct node *node;

	list_for_each (node, &manager->nodes, link)
		if (same_portal(&node->key, key))
			return true;
	return false;
}

static bool is_named(struct session_view *session, const struct target_request *found,
		     const struct node_key *key)
{
	struct node_key other;

	for (size_t i = 0; i < found->count; i++)
		if (portal_key(session, &found->portals[i], &other) && same_portal(&other, key))
			return true;
	return false;
}

/* Return: -1 with @error set */
static int add_portal(struct manager *manager, struct node *known, const struct node_key *key,
		      struct node **ret, struct error *error)
{
	struct record *record = NULL;
	bool automatic;

	if (record_copy(known->record, &record) < 0)
		return error_set(error, ERROR_NO_MEMORY, "no memory for a record");
	if (manager_set_record_key(record, key, error) < 0 ||
	    manager_store_node(manager, key, record, ret, error) < 0) {
		record_free(record);
		return -1;
	}
	automatic = strcmp(record_get(record, "node.startup"), "manual") != 0;
	manager_event(manager, OBJECT_NODE, *ret, EVENT_PORTAL_ADDED, "%s",
		      automatic ? "logging in" : "recorded, and left alone as node.startup says");
	if (automatic)
		manager_login(manager, *ret, LOGIN_WAIT_NOT, logged_in, NULL);
	return 0;
}

static void tell_missing(struct manager *manager, struct session_view *session,
			 const struct target_request *found)
{
	struct node *node;

	list_for_each (node, &manager->nodes, link) {
		const struct node_key *key = &node->key;

		if (strcmp(key->target, session->target) != 0 ||
		    strcmp(key->iface, session->iface) != 0 || is_named(session, found, key))
			continue;
		manager_event(manager, OBJECT_NODE, node, EVENT_PORTAL_MISSING, NULL);
	}
}

/* Return: how many records are new; -1 with @error set */
static int keep_portals(struct manager *manager, struct session_view *session,
			const struct target_request *found, struct node **fresh,
			struct error *error)
{
	int count = 0;

	for (size_t i = 0; i < found->count && count < MANAGER_PORTALS_MAX; i++) {
		struct node_key key;

		if (!portal_key(session, &found->portals[i], &key) || is_known(manager, &key))
			continue;
		if (key.tpgt < 0)
			key.tpgt = session->tpgt;
		if (add_portal(manager, session->node, &key, &fresh[count], error) < 0)
			return -1;
		count++;
	}
	tell_missing(manager, session, found);
	return count;
}

static void portals_finished(struct job *job)
{
	struct portals_job *portals = container_of(job, struct portals_job, job);
	struct manager *manager = portals->manager;
	struct session_view *session = manager_find_session(manager, portals->sid);
	struct node *fresh[MANAGER_PORTALS_MAX];
	owned_error struct error error = ERROR_INIT;
	bool again = false;
	int count = 0;

	if (session) {
		again = managed_of(session)->portals_again;
		managed_of(session)->portals_asked = managed_of(session)->portals_again = false;
	}
	/* tgt knows no Text Request here, and ends the connection: not by ourselves again. */
	if (session)
		managed_of(session)->portals_refused = portals->request.error == -ENOTCONN;
	tell_failure(session && session->node ? portals->request.error : -ENOTCONN, &error);
	if (!error_is_set(&error))
		count = keep_portals(manager, session, &portals->request, fresh, &error);
	if (error_is_set(&error))
		log_warning("session %u: its target's portals: %s", portals->sid, error.text);
	if (portals->done)
		portals->done(&error, fresh, (size_t)MAX(count, 0), portals->userdata);
	if (again && portals->request.error == 0)
		manager_rediscover(manager, session, NULL, NULL);
	free(portals->request.portals);
	free(portals);
}

void manager_rediscover(struct manager *manager, struct session_view *session,
			manager_rediscovered *done, void *userdata)
{
	owned_error struct error error = ERROR_INIT;
	struct managed_session *managed = managed_of(session);
	struct portals_job *portals = NULL;

	if (managed->portals_refused && !done)
		return;
	if (managed->portals_asked && !done) {
		managed->portals_again = true; /* what is being told may be the old truth */
		return;
	}
	if (managed->portals_asked)
		error_set(&error, ERROR_BUSY, "the target is being asked already");
	else if (session->state != SESSION_STATE_LOGGED_IN || !session->node)
		error_set(&error, ERROR_SESSION_NOT_CONNECTED,
			  session->node ? "session %u is not connected"
					: "session %u has no record any more",
			  session->sid);
	else if (!(portals = calloc(1, sizeof(*portals))))
		error_set(&error, ERROR_NO_MEMORY, "no memory");
	if (!portals) {
		if (done)
			done(&error, NULL, 0, userdata);
		return;
	}
	managed->portals_asked = true;
	portals->manager = manager;
	portals->sid = session->sid;
	portals->host = supervisor_of(session)->host;
	portals->request.done = on_worker_answered;
	portals->done = done;
	portals->userdata = userdata;
	portals->job.work = ask_on_worker;
	portals->job.finished = portals_finished;
	job_send(&portals->job, worker_mailbox(session_host_worker(portals->host)), manager->home);
}
