/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/node_settings.h"

#include <stdio.h>
#include <string.h>

#include "daemon/config.h"
#include "daemon/node_store.h"
#include "daemon/record.h"
#include "iscsi/task.h"
#include "util/cleanup.h"
#include "util/text.h"

/* The largest data segment we take: larger ones gain nothing and cost the receiver's bound. */
#define RECV_SEGMENT_MAX_BYTES 1048576
#define LEVEL_MAX	       1 /* ErrorRecoveryLevel, see docs/decisions/0009 */

static uint32_t number(const struct record *record, const char *key, int64_t min, int64_t max)
{
	int64_t n = record_get_number(record, key);

	return (uint32_t)MAX(min, MIN(n, max));
}

static enum digest_choice digest_of(const char *text)
{
	static const struct text_name names[] = {
		{DIGEST_NONE, "None"},
		{DIGEST_CRC32C, "CRC32C"},
		{DIGEST_CRC32C_NONE, "CRC32C,None"},
		{DIGEST_NONE_CRC32C, "None,CRC32C"},
	};
	int choice;

	if (!text || text_value_of(names, ARRAY_SIZE(names), text, &choice) < 0)
		return DIGEST_NONE;
	return (enum digest_choice)choice;
}

static enum task_reporting task_reporting_of(const char *text)
{
	for (int i = 0; text && i < TASK_REPORTING_COUNT; i++)
		if (strcmp(text, task_reporting_name((enum task_reporting)i)) == 0)
			return (enum task_reporting)i;
	return TASK_REPORTING_RFC3720;
}

static void credentials_of(const struct record *record, const char *name_key,
			   const char *secret_key, struct chap_credentials *ret)
{
	const char *name = record_get(record, name_key);
	const char *secret = record_get(record, secret_key);

	text_copy(ret->name, sizeof(ret->name), name ? name : "");
	ret->secret_length = 0;
	if (secret && strlen(secret) <= CHAP_SECRET_MAX) {
		ret->secret_length = (uint16_t)strlen(secret);
		memcpy(ret->secret, secret, ret->secret_length);
	}
}

/* "SHA256,MD5" in order of preference; what we do not know is left out. */
static void algorithms_of(const char *text, uint8_t algorithms[CHAP_ALGORITHM_MAX])
{
	static const struct text_name names[] = {
		{CHAP_MD5, "MD5"},
		{CHAP_SHA1, "SHA1"},
		{CHAP_SHA256, "SHA256"},
		{CHAP_SHA3_256, "SHA3-256"},
	};
	char list[128], *state, *word;
	unsigned n = 0;
	int value;

	memset(algorithms, 0, CHAP_ALGORITHM_MAX);
	text_copy(list, sizeof(list), text ? text : "");
	for (word = strtok_r(list, ", ", &state); word && n < CHAP_ALGORITHM_MAX;
	     word = strtok_r(NULL, ", ", &state))
		if (text_value_of(names, ARRAY_SIZE(names), word, &value) == 0)
			algorithms[n++] = (uint8_t)value;
	if (n == 0)
		algorithms[0] = CHAP_MD5;
}

/* open-iscsi uses CHAP whenever credentials are there; so do we, or a login that works would not.
 */
static void authentication_of(const struct record *record, const char *prefix,
			      struct login_settings *login)
{
	char name[80], secret[80], name_in[80], secret_in[80];

	snprintf(name, sizeof(name), "%s.auth.username", prefix);
	snprintf(secret, sizeof(secret), "%s.auth.password", prefix);
	snprintf(name_in, sizeof(name_in), "%s.auth.username_in", prefix);
	snprintf(secret_in, sizeof(secret_in), "%s.auth.password_in", prefix);
	credentials_of(record, name, secret, &login->initiator);
	credentials_of(record, name_in, secret_in, &login->target);
	login->authenticate = login->initiator.secret_length > 0;
	algorithms_of(record_get(record, "node.session.auth.chap_algs"), login->chap_algorithms);
}

const char *iface_binding(const struct record *iface, const char *key)
{
	const char *value = iface ? record_get(iface, key) : NULL;

	return value && strcmp(value, "default") != 0 ? value : "";
}

static void interface_of(const struct record *iface, struct login_job_settings *ret)
{
	const char *name = iface_binding(iface, "iface.initiatorname");

	text_copy(ret->interface, sizeof(ret->interface),
		  iface_binding(iface, "iface.net_ifacename"));
	text_copy(ret->hardware_address, sizeof(ret->hardware_address),
		  iface_binding(iface, "iface.hwaddress"));
	text_copy(ret->source_address, sizeof(ret->source_address),
		  iface_binding(iface, "iface.ipaddress"));
	if (name[0] && !ret->login.discovery)
		text_copy(ret->login.initiator_name, sizeof(ret->login.initiator_name), name);
}

/*
 * The tag that a discovery, or whoever made the record, has told. That of a record of the firmware
 * is told by nobody: its table has no place for one, and the record says 1 as open-iscsi's does.
 */
static void portal_group_of(const struct node_key *key, const struct record *record,
			    struct login_settings *login)
{
	const char *type = record_get(record, "node.discovery_type");

	login->check_portal_group = key->tpgt >= 0 && (!type || strcmp(type, "fw") != 0);
	login->portal_group_tag = (uint16_t)key->tpgt;
}

void node_login_settings(const struct node_key *key, const struct record *record,
			 const struct record *iface, const char *initiator_name,
			 const char *initiator_alias, struct login_job_settings *ret)
{
	struct login_settings *login = &ret->login;

	memset(ret, 0, sizeof(*ret));
	text_copy(ret->address, sizeof(ret->address), key->address);
	ret->port = key->port;
	ret->timeout_ms = 1000 * number(record, "node.conn[0].timeo.login_timeout", 1, 3600);
	text_copy(login->initiator_name, sizeof(login->initiator_name), initiator_name);
	text_copy(login->initiator_alias, sizeof(login->initiator_alias), initiator_alias);
	text_copy(login->target_name, sizeof(login->target_name), key->target);
	interface_of(iface, ret);
	portal_group_of(key, record, login);
	authentication_of(record, "node.session", login);
	login->cmd_sn = number(record, "node.session.initial_cmdsn", 0, UINT32_MAX);
	login->header_digest = digest_of(record_get(record, "node.conn[0].iscsi.HeaderDigest"));
	login->data_digest = digest_of(record_get(record, "node.conn[0].iscsi.DataDigest"));
	login->max_recv_data_segment_length = number(
		record, "node.conn[0].iscsi.MaxRecvDataSegmentLength", 512, RECV_SEGMENT_MAX_BYTES);
	login->max_xmit_data_segment_length =
		number(record, "node.conn[0].iscsi.MaxXmitDataSegmentLength", 0, 0xffffff);
	login->max_burst_length =
		number(record, "node.session.iscsi.MaxBurstLength", 512, 0xffffff);
	login->first_burst_length =
		MIN(number(record, "node.session.iscsi.FirstBurstLength", 512, 0xffffff),
		    login->max_burst_length);
	login->default_time2wait =
		(uint16_t)number(record, "node.session.iscsi.DefaultTime2Wait", 0, 3600);
	login->default_time2retain =
		(uint16_t)number(record, "node.session.iscsi.DefaultTime2Retain", 0, 3600);
	login->max_outstanding_r2t =
		(uint16_t)number(record, "node.session.iscsi.MaxOutstandingR2T", 1, TASK_R2T_MAX);
	login->max_connections = 1;
	login->error_recovery_level =
		(uint8_t)number(record, "node.session.iscsi.ERL", 0, LEVEL_MAX);
	login->initial_r2t = record_get_bool(record, "node.session.iscsi.InitialR2T");
	login->immediate_data = record_get_bool(record, "node.session.iscsi.ImmediateData");
	login->data_pdu_in_order = login->data_sequence_in_order = true;
	login->task_reporting = task_reporting_of(record_get(record, "hawser.task_reporting"));
	login->protocol_level =
		(uint8_t)number(record, "hawser.protocol_level", 0, ISCSI_PROTOCOL_LEVEL);
}

const char *node_login_limit(const struct record *record)
{
	bool level = record_get_number(record, "node.session.iscsi.ERL") > LEVEL_MAX;

	if (record_get_number(record, "node.session.iscsi.MaxConnections") <= 1)
		return level ? "node.session.iscsi.ERL = 2 is offered as 1: a lost connection is "
			       "replaced by a new session"
			     : NULL;
	return level ? "node.session.iscsi.ERL = 2 and MaxConnections are both offered as 1: a "
		       "session has one connection, and node.session.nr_sessions makes more sessions"
		     : "node.session.iscsi.MaxConnections is offered as 1: a session has one "
		       "connection, and node.session.nr_sessions makes more sessions";
}

void discovery_login_settings(const char *address, uint16_t port, const struct record *record,
			      const struct record *iface, const char *initiator_name,
			      struct login_job_settings *ret)
{
	struct login_settings *login = &ret->login;

	memset(ret, 0, sizeof(*ret));
	text_copy(ret->address, sizeof(ret->address), address);
	ret->port = port;
	ret->timeout_ms =
		1000 * number(record, "discovery.sendtargets.timeo.login_timeout", 1, 3600);
	login->discovery = true;
	text_copy(login->initiator_name, sizeof(login->initiator_name), initiator_name);
	interface_of(iface, ret);
	authentication_of(record, "discovery.sendtargets", login);
	login->max_recv_data_segment_length =
		number(record, "discovery.sendtargets.iscsi.MaxRecvDataSegmentLength", 512,
		       RECV_SEGMENT_MAX_BYTES);
	login->max_burst_length = 262144;
	login->first_burst_length = 65536;
	login->max_outstanding_r2t = login->max_connections = 1;
	login->initial_r2t = login->immediate_data = true;
	login->data_pdu_in_order = login->data_sequence_in_order = true;
}

void login_security(const struct record *record, const struct config *config, bool fips,
		    struct login_settings *ret)
{
	const char *allow = record_get(record, "hawser.auth.allow_short_secrets");

	ret->allow_short_secret =
		allow && allow[0] ? strcmp(allow, "Yes") == 0 : config->allow_short_secrets;
	ret->forbid_md5 = fips;
}

/* A key of ours in the record wins over hawser.conf, if it is set at all. */
static uint32_t own_number(const struct record *record, const char *key, int32_t fallback)
{
	const char *text = record_get(record, key);

	return text && text[0] ? (uint32_t)record_get_number(record, key) : (uint32_t)fallback;
}

void node_session_settings(const struct record *record, const struct config *config,
			   struct session_settings *ret)
{
	*ret = (struct session_settings){
		.commands_max = (uint16_t)number(record, "node.session.cmds_max", 2, 2048),
		.noop_interval_ms =
			1000 * number(record, "node.conn[0].timeo.noop_out_interval", 0, 3600),
		.noop_timeout_ms =
			1000 * number(record, "node.conn[0].timeo.noop_out_timeout", 0, 3600),
		.ping_bytes = number(record, "hawser.ping_bytes", 0, 65536),
		.suspect_ms = own_number(record, "hawser.suspect_ms", config->suspect_ms),
		.suspect_timeout_ms =
			own_number(record, "hawser.suspect_timeout_ms", config->suspect_timeout_ms),
		.abort_timeout_ms =
			1000 * number(record, "node.session.err_timeo.abort_timeout", 1, 3600),
		.lu_reset_timeout_ms =
			1000 * number(record, "node.session.err_timeo.lu_reset_timeout", 0, 3600),
		.logout_timeout_ms =
			1000 * number(record, "node.conn[0].timeo.logout_timeout", 1, 3600),
	};
}

/* A time in seconds of ours in the record, -1 for ever; else @fallback_ms. */
static int32_t own_seconds(const struct record *record, const char *key, int32_t fallback_ms)
{
	const char *text = record_get(record, key);
	int64_t seconds;

	if (!text || !text[0])
		return fallback_ms;
	seconds = record_get_number(record, key);
	return seconds < 0 ? -1 : (int32_t)(1000 * MIN(seconds, INT64_C(1000000)));
}

/* One of a list of words; the record takes no other. */
static int own_choice(const struct record *record, const char *key, int (*value_of)(const char *),
		      int fallback)
{
	const char *text = record_get(record, key);
	int value = text && text[0] ? value_of(text) : fallback;

	return value < 0 ? fallback : value;
}

static int32_t own_failback(const struct record *record, int32_t fallback_ms)
{
	const char *text = record_get(record, "hawser.failback");
	int64_t seconds;

	if (!text || !text[0])
		return fallback_ms;
	seconds = record_get_number(record, "hawser.failback");
	return (int32_t)(seconds < 0 ? MAX(seconds, (int64_t)FAILBACK_FOLLOWOVER)
				     : 1000 * MIN(seconds, INT64_C(1000000)));
}

unsigned node_path_weight(const struct record *record)
{
	return own_number(record, "hawser.weight", PATH_WEIGHT_USUAL);
}

void node_map_settings(const struct record *record, const struct config *config,
		       struct map_settings *ret)
{
	const char *selector = record_get(record, "hawser.selector");

	*ret = (struct map_settings){
		.no_path_retry_ms =
			own_seconds(record, "hawser.no_path_retry", config->no_path_retry_ms),
		.suspect_ms = own_number(record, "hawser.suspect_ms", config->suspect_ms),
		.timeout_ms =
			own_number(record, "hawser.lu_hang_timeout_ms", config->lu_hang_timeout_ms),
		.hedge_budget = own_number(record, "hawser.hedge_budget", config->hedge_budget),
		.guard =
			{
				.integrity =
					(enum integrity)own_choice(record, "hawser.integrity",
								   integrity_of, config->integrity),
				.fence_wait_ms = own_number(record, "hawser.fence_wait_ms",
							    config->fence_wait_ms),
				.timeout_ms = own_seconds(record, "hawser.guard_timeout",
							  config->guard_timeout_ms),
			},
		.fence_reset = (enum fence_reset)own_choice(
			record, "hawser.fence_lun_reset", fence_reset_of, config->fence_lun_reset),
		.grouping = (enum grouping)own_choice(record, "hawser.path_grouping_policy",
						      grouping_of, config->grouping),
		.failback_ms = own_failback(record, config->failback_ms),
		.port_groups =
			{
				.poll_ms = (uint32_t)config->access_poll_ms,
				.transition_ms = (uint32_t)config->transition_ms,
				.activation = (enum activation)own_choice(
					record, "hawser.alua_activation", activation_of,
					config->activation),
			},
	};
	text_copy(ret->selector, sizeof(ret->selector),
		  selector && selector[0] ? selector : config->selector);
}
