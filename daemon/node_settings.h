/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/* What a record says, as settings of a login, a session and a map. Control thread only. */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/login_job.h"
#include "iscsi/session.h"
#include "multipath/map.h"

struct config;
struct node_key;
struct record;

/** iface_binding() - value of @key of an interface record for a connection; "" when it says
 * nothing:
 * @iface is NULL, or "default" stands there, as in records of old */
const char *iface_binding(const struct record *iface, const char *key);

/**
 * node_login_settings() - how to log in to the node's portal
 * @iface: its interface record; NULL for the default one
 *
 * The ISID is left to the caller. Holds secrets: wipe it after use.
 */
void node_login_settings(const struct node_key *key, const struct record *record,
			 const struct record *iface, const char *initiator_name,
			 const char *initiator_alias, struct login_job_settings *ret);

/**
 * node_login_limit() - what the record asks of a session beyond what Hawser does
 * Return: in plain words, what is offered instead; NULL: nothing
 */
const char *node_login_limit(const struct record *record);

/** discovery_login_settings() - the same for a discovery session with a sendtargets record */
void discovery_login_settings(const char *address, uint16_t port, const struct record *record,
			      const struct record *iface, const char *initiator_name,
			      struct login_job_settings *ret);

/**
 * login_security() - under which conditions CHAP is used
 * @record: of the node or of the discovery address; its hawser.auth.allow_short_secrets wins over
 *	    the daemon's
 * @fips: fips_enabled()
 */
void login_security(const struct record *record, const struct config *config, bool fips,
		    struct login_settings *ret);

void node_session_settings(const struct record *record, const struct config *config,
			   struct session_settings *ret);

/** node_path_weight() - see path_set_weight(): what its paths are to carry in comparison */
unsigned node_path_weight(const struct record *record);

void node_map_settings(const struct record *record, const struct config *config,
		       struct map_settings *ret);
