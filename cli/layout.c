/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/layout.h"

#include <string.h>

#include "cli/model.h"
#include "cli/options.h"
#include "cli/portal.h"
#include "util/cleanup.h"

static const char *or_empty(const char *text)
{
	return text && *text ? text : "<empty>";
}

/* --- discovery and nodes --- */

static void print_portal_line(FILE *out, const struct found *found)
{
	char portal[PORTAL_TEXT_MAX];

	fprintf(out, "\tPortal: %s,%d\n", portal_format(found->address, found->port, portal),
		found->tpgt);
}

static bool same_portal(const struct found *a, const struct found *b)
{
	return strcmp(a->address, b->address) == 0 && a->port == b->port && a->tpgt == b->tpgt;
}

static struct found found_of(const struct node_info *node)
{
	return (struct found){
		.object = node->object,
		.target = node->target,
		.address = node->address,
		.iface = node->iface,
		.port = node->port,
		.tpgt = node->tpgt,
	};
}

void layout_found_flat(FILE *out, const struct found *found, size_t count)
{
	char portal[PORTAL_TEXT_MAX];

	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s,%d %s\n", portal_format(found[i].address, found[i].port, portal),
			found[i].tpgt, found[i].target);
}

void layout_found_tree(FILE *out, const struct found *found, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		bool new_target = i == 0 || strcmp(found[i].target, found[i - 1].target) != 0;

		if (new_target)
			fprintf(out, "Target: %s\n", found[i].target);
		if (new_target || !same_portal(&found[i], &found[i - 1]))
			print_portal_line(out, &found[i]);
		fprintf(out, "\t\tIface Name: %s\n", found[i].iface);
	}
}

/* clang-format off */
static const struct section {
	const char *type, *heading;
	const char *via; /* how the flat list calls it; NULL: it has no discovery address */
} sections[] = {
	{"send_targets", "SENDTARGETS:", "sendtargets"},
	{"isns",         "iSNS:",        "isns"},
	{"static",       "STATIC:",      NULL},
	{"fw",           "FIRMWARE:",    NULL},
};
/* clang-format on */

static bool same_origin(const struct origin *a, const struct origin *b)
{
	return strcmp(a->type, b->type) == 0 && strcmp(a->address, b->address) == 0 &&
	       a->port == b->port;
}

/* Is @index the first one of its type and discovery address? */
static bool first_of_origin(const struct origin *origins, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (same_origin(&origins[i], &origins[index]))
			return false;
	return true;
}

size_t layout_origins_flat(FILE *out, const struct origin *origins, size_t count)
{
	size_t lines = 0;

	for (const struct section *s = sections; s < sections + ARRAY_SIZE(sections); s++) {
		for (size_t i = 0; s->via && i < count; i++) {
			if (strcmp(origins[i].type, s->type) != 0 || !first_of_origin(origins, i))
				continue;
			fprintf(out, "%s:%u via %s\n", origins[i].address, origins[i].port, s->via);
			lines++;
		}
	}
	return lines;
}

/* The nodes that share the origin of @first, as a tree. */
static void print_origin(FILE *out, const struct origin *origins, size_t count, size_t first)
{
	const struct found *previous = NULL;

	for (size_t i = first; i < count; i++) {
		const struct found *node = &origins[i].node;
		bool new_target;

		if (!node->target || !same_origin(&origins[i], &origins[first]))
			continue;
		new_target = !previous || strcmp(node->target, previous->target) != 0;
		if (new_target)
			fprintf(out, "Target: %s\n", node->target);
		if (new_target || !same_portal(node, previous))
			print_portal_line(out, node);
		fprintf(out, "\t\tIface Name: %s\n", node->iface);
		previous = node;
	}
}

void layout_origins_tree(FILE *out, const struct origin *origins, size_t count)
{
	for (const struct section *s = sections; s < sections + ARRAY_SIZE(sections); s++) {
		bool empty = true;

		fprintf(out, "%s\n", s->heading);
		for (size_t i = 0; i < count; i++) {
			if (strcmp(origins[i].type, s->type) != 0 || !first_of_origin(origins, i))
				continue;
			if (*origins[i].address)
				fprintf(out, "DiscoveryAddress: %s,%u\n", origins[i].address,
					origins[i].port);
			print_origin(out, origins, count, i);
			empty = false;
		}
		if (empty)
			fputs("No targets found.\n", out);
	}
}

void layout_nodes_flat(FILE *out, const struct node_info *nodes, size_t count)
{
	char portal[PORTAL_TEXT_MAX];

	/* here, and only here, an unknown tpgt shows as 4294967295 */
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s,%u %s\n", portal_format(nodes[i].address, nodes[i].port, portal),
			(uint32_t)nodes[i].tpgt, nodes[i].target);
}

void layout_nodes_tree(FILE *out, const struct node_info *nodes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct found node = found_of(&nodes[i]);

		if (i == 0 || strcmp(nodes[i].target, nodes[i - 1].target) != 0)
			fprintf(out, "Target: %s\n", node.target);
		print_portal_line(out, &node);
		fprintf(out, "\t\tIface Name: %s\n", node.iface);
	}
}

void layout_record(FILE *out, const struct setting *settings, size_t count)
{
	fputs("# BEGIN RECORD " ISCSIADM_VERSION "\n", out);
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s = %s\n", settings[i].name, or_empty(settings[i].value));
	fputs("# END RECORD\n", out);
}

void layout_node_added(FILE *out, const struct binding *binding, const struct found *node)
{
	fprintf(out, "New iSCSI node [%s:[hw=%s,ip=%s,net_if=%s,iscsi_if=%s] %s,%u,%d %s] added\n",
		binding->transport, binding->hwaddress, binding->ipaddress, binding->net_ifacename,
		binding->iface, node->address, node->port, node->tpgt, node->target);
}

/* --- sessions --- */

void layout_sessions_flat(FILE *out, const struct session_info *sessions, size_t count)
{
	char portal[PORTAL_TEXT_MAX];

	for (size_t i = 0; i < count; i++)
		fprintf(out, "tcp: [%u] %s,%d %s (non-flash)\n", sessions[i].sid,
			portal_format(sessions[i].persistent_address, sessions[i].persistent_port,
				      portal),
			sessions[i].tpgt, sessions[i].target);
}

/* A session's state in the three words that open-iscsi has for it. */
/* clang-format off */
static const struct state_words {
	const char *state, *connection, *session, *daemon;
} state_words[] = {
	{"idle",         "FREE",           "FREE",      "NO CHANGE"},
	{"connecting",   "TRANSPORT WAIT", "FAILED",    "REOPEN"},
	{"login",        "IN LOGIN",       "FAILED",    "REOPEN"},
	{"logged-in",    "LOGGED IN",      "LOGGED_IN", "NO CHANGE"},
	{"reconnecting", "TRANSPORT WAIT", "FAILED",    "REOPEN"},
	{"logging-out",  "IN LOGOUT",      "LOGGED_IN", "CLEANUP"},
};
/* clang-format on */

static const struct state_words *words_of(const char *state)
{
	static const struct state_words unknown = {"", "Unknown", "Unknown", "Unknown"};

	for (size_t i = 0; i < ARRAY_SIZE(state_words); i++)
		if (strcmp(state_words[i].state, state) == 0)
			return &state_words[i];
	return &unknown;
}

static void print_heading(FILE *out, const char *rule, const char *heading)
{
	fprintf(out, "\t\t%s\n\t\t%s\n\t\t%s\n", rule, heading, rule);
}

static void print_interface(FILE *out, const struct session_info *session)
{
	const struct state_words *words = words_of(session->state);
	const char *ip = session->local_address;
	bool bare = *ip == '\0' || strchr(ip, '.');

	print_heading(out, "**********", "Interface:");
	fprintf(out, "\t\tIface Name: %s\n", or_empty(session->iface));
	fprintf(out, "\t\tIface Transport: tcp\n");
	fprintf(out, "\t\tIface Initiatorname: %s\n", or_empty(session->initiator_name));
	fprintf(out, bare ? "\t\tIface IPaddress: %s\n" : "\t\tIface IPaddress: [%s]\n",
		or_empty(ip));
	fprintf(out, "\t\tIface HWaddress: %s\n",
		*session->hwaddress ? session->hwaddress : "default");
	fprintf(out, "\t\tIface Netdev: %s\n",
		*session->net_ifacename ? session->net_ifacename : "default");
	fprintf(out, "\t\tSID: %u\n", session->sid);
	fprintf(out, "\t\tiSCSI Connection State: %s\n", words->connection);
	fprintf(out, "\t\tiSCSI Session State: %s\n", words->session);
	fprintf(out, "\t\tInternal iscsid Session State: %s\n", words->daemon);
}

static void print_timeout(FILE *out, const char *name, int64_t seconds)
{
	if (seconds < 0)
		fprintf(out, "\t\t%s: <empty>\n", name);
	else
		fprintf(out, "\t\t%s: %lld\n", name, (long long)seconds);
}

static void print_timeouts(FILE *out, const struct session_info *session)
{
	print_heading(out, "*********", "Timeouts:");
	/* a negative recovery timeout is a value: queue for ever */
	fprintf(out, "\t\tRecovery Timeout: %lld\n", (long long)session->recovery_timeout);
	print_timeout(out, "Target Reset Timeout", session->target_reset_timeout);
	print_timeout(out, "LUN Reset Timeout", session->lun_reset_timeout);
	print_timeout(out, "Abort Timeout", session->abort_timeout);
}

/* open-iscsi calls the last line "password", too, when it tells the secret. */
static void print_chap(FILE *out, const struct session_info *session, bool show_secrets)
{
	const char *password = session->password ? session->password : "";
	const char *password_in = session->password_in ? session->password_in : "";

	print_heading(out, "*****", "CHAP:");
	fprintf(out, "\t\tusername: %s\n", or_empty(session->username));
	fprintf(out, "\t\tpassword: %s\n", show_secrets ? or_empty(password) : "********");
	fprintf(out, "\t\tusername_in: %s\n", or_empty(session->username_in));
	fprintf(out, "\t\t%s: %s\n", show_secrets ? "password" : "password_in",
		show_secrets ? or_empty(password_in) : "********");
}

static void print_text_key(FILE *out, const char *key, const char *value)
{
	if (*value)
		fprintf(out, "\t\t%s: %s\n", key, value);
}

static void print_number_key(FILE *out, const char *key, int64_t value)
{
	if (value >= 0)
		fprintf(out, "\t\t%s: %lld\n", key, (long long)value);
}

static void print_negotiated(FILE *out, const struct negotiated_info *negotiated)
{
	static const char *const yes_no[] = {"", "No", "Yes"}; /* from -1 on */

	print_heading(out, "************************", "Negotiated iSCSI params:");
	print_text_key(out, "HeaderDigest", negotiated->header_digest);
	print_text_key(out, "DataDigest", negotiated->data_digest);
	print_number_key(out, "MaxRecvDataSegmentLength", negotiated->max_receive);
	print_number_key(out, "MaxXmitDataSegmentLength", negotiated->max_transmit);
	print_number_key(out, "FirstBurstLength", negotiated->first_burst);
	print_number_key(out, "MaxBurstLength", negotiated->max_burst);
	print_text_key(out, "ImmediateData", yes_no[negotiated->immediate_data + 1]);
	print_text_key(out, "InitialR2T", yes_no[negotiated->initial_r2t + 1]);
	print_number_key(out, "MaxOutstandingR2T", negotiated->max_outstanding_r2t);
}

/* There is no SCSI host in the kernel; the session's number stands for it. */
static void print_devices(FILE *out, const struct session_info *session)
{
	const char *state = strcmp(session->state, "logged-in") == 0 ? "running" : "blocked";

	print_heading(out, "************************", "Attached SCSI devices:");
	fprintf(out, "\t\tHost Number: %u\tState: running\n", session->sid);
	for (size_t i = 0; i < session->unit_count; i++) {
		const struct unit_info *unit = &session->units[i];
		const char *name = strrchr(unit->device, '/');

		fprintf(out, "\t\tscsi%u Channel 00 Id 0 Lun: %llu\n", session->sid,
			(unsigned long long)unit->number);
		if (unit->disk && *unit->device)
			fprintf(out, "\t\t\tAttached scsi disk %s\t\tState: %s\n",
				name ? name + 1 : unit->device, state);
	}
}

static void print_portals(FILE *out, const struct session_info *session)
{
	char portal[PORTAL_TEXT_MAX];

	fprintf(out, "\tCurrent Portal: %s,%d\n",
		portal_format(session->address, session->port, portal), session->tpgt);
	fprintf(out, "\tPersistent Portal: %s,%d\n",
		portal_format(session->persistent_address, session->persistent_port, portal),
		session->tpgt);
}

void layout_sessions_tree(FILE *out, const struct session_info *sessions, size_t count, int level,
			  bool show_secrets)
{
	for (size_t i = 0; i < count; i++) {
		const struct session_info *session = &sessions[i];
		const struct session_info *previous = i ? &sessions[i - 1] : NULL;
		bool same_target = previous && strcmp(session->target, previous->target) == 0;

		if (!same_target)
			fprintf(out, "Target: %s (non-flash)\n", session->target);
		if (same_target && session->port == previous->port &&
		    strcmp(session->address, previous->address) == 0)
			fputc('\n', out);
		else
			print_portals(out, session);
		print_interface(out, session);
		if (level >= 2) {
			print_timeouts(out, session);
			print_chap(out, session, show_secrets);
			print_negotiated(out, &session->negotiated);
		}
		if (level >= 3)
			print_devices(out, session);
	}
}

/* --- statistics --- */

static const char *const counter_names[] = {
	"txdata_octets",  "rxdata_octets", "noptx_pdus",   "scsicmd_pdus", "tmfcmd_pdus",
	"login_pdus",	  "text_pdus",	   "dataout_pdus", "logout_pdus",  "snack_pdus",
	"noprx_pdus",	  "scsirsp_pdus",  "tmfrsp_pdus",  "textrsp_pdus", "datain_pdus",
	"logoutrsp_pdus", "r2t_pdus",	   "async_pdus",   "rjt_pdus",	   "digest_err",
	"timeout_err",
};

static bool is_standard(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(counter_names); i++)
		if (strcmp(counter_names[i], name) == 0)
			return true;
	return false;
}

static uint64_t counter_value(const struct counter *counters, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(counters[i].name, name) == 0)
			return counters[i].value;
	return 0;
}

static void print_counter(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "\t%s: %llu\n", name, (unsigned long long)value);
}

/* "[sid: 1, target: iqn…, portal: 10.0.0.1,3260]" with @before and @after around it */
static void print_session(FILE *out, const char *before, const struct session_info *session,
			  const char *after)
{
	fprintf(out, "%s[sid: %u, target: %s, portal: %s,%u]%s\n", before, session->sid,
		session->target, session->persistent_address, session->persistent_port, after);
}

void layout_statistics(FILE *out, const struct session_info *session,
		       const struct counter *counters, size_t count)
{
	bool extended = false;

	print_session(out, "Stats for session ", session, "");
	fputs("iSCSI SNMP:\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(counter_names); i++)
		print_counter(out, counter_names[i],
			      counter_value(counters, count, counter_names[i]));
	for (size_t i = 0; i < count; i++) {
		if (is_standard(counters[i].name))
			continue;
		if (!extended)
			fputs("iSCSI Extended:\n", out);
		extended = true;
		print_counter(out, counters[i].name, counters[i].value);
	}
}

/* --- login, logout, rescan --- */

static void print_node(FILE *out, const char *before, const struct found *node, const char *after)
{
	fprintf(out, "%s[iface: %s, target: %s, portal: %s,%u]%s\n", before, node->iface,
		node->target, node->address, node->port, after);
}

static void print_reported(FILE *err, enum error_code code)
{
	fprintf(err, "iscsiadm: initiator reported error (%d - %s)\n", error_exit_status(code),
		error_summary(code));
}

void layout_login_done(FILE *out, const struct found *node)
{
	print_node(out, "Login to ", node, " successful.");
}

void layout_login_failed(FILE *err, const struct found *node, enum error_code code)
{
	print_node(err, "iscsiadm: Could not login to ", node, ".");
	print_reported(err, code);
}

void layout_login_present(FILE *err, const char *iface, unsigned wanted, unsigned present)
{
	fprintf(err, "iscsiadm: %s: %u session%s requested, but %u already present.\n", iface,
		wanted, wanted == 1 ? "" : "s", present);
}

void layout_logout_begun(FILE *out, const struct session_info *session)
{
	print_session(out, "Logging out of session ", session, "");
}

void layout_logout_done(FILE *out, const struct session_info *session)
{
	print_session(out, "Logout of ", session, " successful.");
}

void layout_logout_failed(FILE *err, const struct session_info *session, enum error_code code)
{
	print_session(err, "iscsiadm: Could not logout of ", session, ".");
	print_reported(err, code);
}

void layout_rescan(FILE *out, const struct session_info *session)
{
	print_session(out, "Rescanning session ", session, "");
}

/* --- interfaces --- */

void layout_ifaces_flat(FILE *out, const struct iface_info *ifaces, size_t count)
{
	for (size_t i = 0; i < count; i++)
		fprintf(out, "%s %s,%s,%s,%s,%s\n", ifaces[i].name, or_empty(ifaces[i].transport),
			or_empty(ifaces[i].hwaddress), or_empty(ifaces[i].ipaddress),
			or_empty(ifaces[i].net_ifacename), or_empty(ifaces[i].initiator_name));
}

void layout_iface_tree(FILE *out, const char *name, const struct node_info *nodes, size_t count)
{
	const char *target = NULL;
	char portal[PORTAL_TEXT_MAX];

	fprintf(out, "Iface: %s\n", name);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(nodes[i].iface, name) != 0)
			continue;
		if (!target || strcmp(target, nodes[i].target) != 0)
			fprintf(out, "\tTarget: %s\n", nodes[i].target);
		target = nodes[i].target;
		fprintf(out, "\t\tPortal: %s,%d\n",
			portal_format(nodes[i].address, nodes[i].port, portal), nodes[i].tpgt);
	}
}

/* Keys of an interface record in the order in which iscsiadm shows them; '#': a number, 0. */
static const char *const iface_keys[] = {
	"net_ifacename",
	"ipaddress",
	"#prefix_len",
	"hwaddress",
	"transport_name",
	"initiatorname",
	"state",
	"#vlan_id",
	"#vlan_priority",
	"vlan_state",
	"#iface_num",
	"#mtu",
	"#port",
	"bootproto",
	"subnet_mask",
	"gateway",
	"dhcp_alt_client_id_state",
	"dhcp_alt_client_id",
	"dhcp_dns",
	"dhcp_learn_iqn",
	"dhcp_req_vendor_id_state",
	"dhcp_vendor_id_state",
	"dhcp_vendor_id",
	"dhcp_slp_da",
	"fragmentation",
	"gratuitous_arp",
	"incoming_forwarding",
	"tos_state",
	"#tos",
	"#ttl",
	"delayed_ack",
	"tcp_nagle",
	"tcp_wsf_state",
	"#tcp_wsf",
	"#tcp_timer_scale",
	"tcp_timestamp",
	"redirect",
	"#def_task_mgmt_timeout",
	"header_digest",
	"data_digest",
	"immediate_data",
	"initial_r2t",
	"data_seq_inorder",
	"data_pdu_inorder",
	"#erl",
	"#max_receive_data_len",
	"#first_burst_len",
	"#max_outstanding_r2t",
	"#max_burst_len",
	"chap_auth",
	"bidi_chap",
	"strict_login_compliance",
	"discovery_auth",
	"discovery_logout",
};

void layout_iface_default(FILE *out)
{
	fputs("# BEGIN RECORD " ISCSIADM_VERSION "\niface.iscsi_ifacename = default\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(iface_keys); i++) {
		const char *key = iface_keys[i];

		if (*key == '#')
			fprintf(out, "iface.%s = 0\n", key + 1);
		else
			fprintf(out, "iface.%s = %s\n", key,
				strcmp(key, "transport_name") == 0 ? "tcp" : "<empty>");
	}
	fputs("# END RECORD\n", out);
}
