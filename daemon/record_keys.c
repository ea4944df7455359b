/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "daemon/record_keys.h"

#include <string.h>

#include "util/cleanup.h"

#define INT32_FULL INT32_MIN, INT32_MAX
#define SECONDS	   0, INT32_MAX / 1000
#define SEGMENT	   512, 0xffffff /* RFC 7143 §13.12 to §13.14: 512 to 2^24 - 1 */
#define COUNT	   0, INT32_MAX
#define PORT	   1, 65535
#define U8	   0, UINT8_MAX
#define U16	   0, UINT16_MAX
#define U32	   0, UINT32_MAX

static const char *const no_yes[] = {"No", "Yes", NULL};
static const char *const startups[] = {"manual", "automatic", "onboot", NULL};
static const char *const discovery_startups[] = {"manual", "automatic", NULL};
static const char *const node_discovery_types[] = {"send_targets", "isns", "offload_send_targets",
						   "static",	   "fw",   NULL};
static const char *const discovery_types[] = {"sendtargets", "isns", "offload_send_targets",
					      "static",	     "fw",   NULL};
static const char *const auth_methods[] = {"None", "CHAP", NULL};
static const char *const scans[] = {"manual", "auto", NULL};
static const char *const digests[] = {"None", "CRC32C", "CRC32C,None", "None,CRC32C", NULL};
static const char *const task_reportings[] = {"RFC3720", "ResponseFence", "FastAbort", NULL};
static const char *const integrities[] = {"exclusive", "shared", "legacy", NULL};
static const char *const fence_resets[] = {"never", "exclusive", "always", NULL};
static const char *const groupings[] = {"group_by_prio",      "multibus",     "failover",
					"group_by_node_name", "group_by_tpg", NULL};
static const char *const activations[] = {"never", "stalled", "optimized", NULL};
static const char *const selectors[] = {"service-time", "round-robin", "queue-length",
					"shortest-expected-delay", NULL};

/* clang-format off */
/* In both kinds of record that have an interface. */
#define IFACE_KEYS \
	{"iface.iscsi_ifacename", KEY_TEXT, "default", KEY_IFACE | KEY_FILE_HEAD | KEY_LOOKUP}, \
	{"iface.net_ifacename", KEY_TEXT, "", KEY_IFACE | KEY_FILE_HEAD}, \
	{"iface.ipaddress", KEY_TEXT, "", KEY_IFACE | KEY_FILE_HEAD}, \
	{"iface.prefix_len", KEY_NUMBER, "0", KEY_IFACE | KEY_FILE_HEAD, U8}, \
	{"iface.hwaddress", KEY_TEXT, "", KEY_IFACE | KEY_FILE_HEAD}, \
	{"iface.transport_name", KEY_TEXT, "tcp", KEY_IFACE | KEY_FILE_HEAD | KEY_MAY_CHANGE}, \
	{"iface.initiatorname", KEY_TEXT, "", KEY_IFACE | KEY_FILE_HEAD}, \
	{"iface.state", KEY_TEXT, "", KEY_IFACE | KEY_FILE_HEAD}, \
	{"iface.vlan_id", KEY_NUMBER, "0", KEY_IFACE | KEY_FILE_HEAD, U16}, \
	{"iface.vlan_priority", KEY_NUMBER, "0", KEY_IFACE | KEY_FILE_HEAD, U8}, \
	{"iface.vlan_state", KEY_TEXT, "", KEY_IFACE | KEY_FILE_HEAD}, \
	{"iface.iface_num", KEY_NUMBER, "0", KEY_IFACE | KEY_FILE_HEAD, U32}, \
	{"iface.mtu", KEY_NUMBER, "0", KEY_IFACE | KEY_FILE_HEAD, U16}, \
	{"iface.port", KEY_NUMBER, "0", KEY_IFACE | KEY_FILE_HEAD, U16}, \
	{"iface.bootproto", KEY_TEXT, "", KEY_IFACE | KEY_IPV4}, \
	{"iface.subnet_mask", KEY_TEXT, "", KEY_IFACE | KEY_IPV4 | KEY_FILE_HEAD}, \
	{"iface.gateway", KEY_TEXT, "", KEY_IFACE | KEY_IPV4 | KEY_FILE_HEAD}, \
	{"iface.dhcp_alt_client_id_state", KEY_TEXT, "", KEY_IFACE | KEY_IPV4}, \
	{"iface.dhcp_alt_client_id", KEY_TEXT, "", KEY_IFACE | KEY_IPV4}, \
	{"iface.dhcp_dns", KEY_TEXT, "", KEY_IFACE | KEY_IPV4}, \
	{"iface.dhcp_learn_iqn", KEY_TEXT, "", KEY_IFACE | KEY_IPV4}, \
	{"iface.dhcp_req_vendor_id_state", KEY_TEXT, "", KEY_IFACE | KEY_IPV4}, \
	{"iface.dhcp_vendor_id_state", KEY_TEXT, "", KEY_IFACE | KEY_IPV4}, \
	{"iface.dhcp_vendor_id", KEY_TEXT, "", KEY_IFACE | KEY_IPV4}, \
	{"iface.dhcp_slp_da", KEY_TEXT, "", KEY_IFACE | KEY_IPV4}, \
	{"iface.fragmentation", KEY_TEXT, "", KEY_IFACE | KEY_IPV4}, \
	{"iface.gratuitous_arp", KEY_TEXT, "", KEY_IFACE | KEY_IPV4}, \
	{"iface.incoming_forwarding", KEY_TEXT, "", KEY_IFACE | KEY_IPV4}, \
	{"iface.tos_state", KEY_TEXT, "", KEY_IFACE | KEY_IPV4}, \
	{"iface.tos", KEY_NUMBER, "0", KEY_IFACE | KEY_IPV4, U8}, \
	{"iface.ttl", KEY_NUMBER, "0", KEY_IFACE | KEY_IPV4, U8}, \
	{"iface.ipv6_autocfg", KEY_TEXT, "", KEY_IFACE | KEY_IPV6}, \
	{"iface.linklocal_autocfg", KEY_TEXT, "", KEY_IFACE | KEY_IPV6}, \
	{"iface.router_autocfg", KEY_TEXT, "", KEY_IFACE | KEY_IPV6}, \
	{"iface.ipv6_linklocal", KEY_TEXT, "", KEY_IFACE | KEY_IPV6}, \
	{"iface.ipv6_router", KEY_TEXT, "", KEY_IFACE | KEY_IPV6}, \
	{"iface.dup_addr_detect_cnt", KEY_NUMBER, "0", KEY_IFACE | KEY_IPV6, U8}, \
	{"iface.flow_label", KEY_NUMBER, "0", KEY_IFACE | KEY_IPV6, U32}, \
	{"iface.gratuitous_neighbor_adv", KEY_TEXT, "", KEY_IFACE | KEY_IPV6}, \
	{"iface.hop_limit", KEY_NUMBER, "0", KEY_IFACE | KEY_IPV6, U8}, \
	{"iface.mld", KEY_TEXT, "", KEY_IFACE | KEY_IPV6}, \
	{"iface.nd_reachable_tmo", KEY_NUMBER, "0", KEY_IFACE | KEY_IPV6, U32}, \
	{"iface.nd_rexmit_time", KEY_NUMBER, "0", KEY_IFACE | KEY_IPV6, U32}, \
	{"iface.nd_stale_tmo", KEY_NUMBER, "0", KEY_IFACE | KEY_IPV6, U32}, \
	{"iface.router_adv_link_mtu", KEY_NUMBER, "0", KEY_IFACE | KEY_IPV6, U32}, \
	{"iface.traffic_class", KEY_NUMBER, "0", KEY_IFACE | KEY_IPV6, U8}, \
	{"iface.delayed_ack", KEY_TEXT, "", KEY_IFACE}, \
	{"iface.tcp_nagle", KEY_TEXT, "", KEY_IFACE}, \
	{"iface.tcp_wsf_state", KEY_TEXT, "", KEY_IFACE}, \
	{"iface.tcp_wsf", KEY_NUMBER, "0", KEY_IFACE, U8}, \
	{"iface.tcp_timer_scale", KEY_NUMBER, "0", KEY_IFACE, U8}, \
	{"iface.tcp_timestamp", KEY_TEXT, "", KEY_IFACE}, \
	{"iface.redirect", KEY_TEXT, "", KEY_IFACE}, \
	{"iface.def_task_mgmt_timeout", KEY_NUMBER, "0", KEY_IFACE, U16}, \
	{"iface.header_digest", KEY_TEXT, "", KEY_IFACE}, \
	{"iface.data_digest", KEY_TEXT, "", KEY_IFACE}, \
	{"iface.immediate_data", KEY_TEXT, "", KEY_IFACE}, \
	{"iface.initial_r2t", KEY_TEXT, "", KEY_IFACE}, \
	{"iface.data_seq_inorder", KEY_TEXT, "", KEY_IFACE}, \
	{"iface.data_pdu_inorder", KEY_TEXT, "", KEY_IFACE}, \
	{"iface.erl", KEY_NUMBER, "0", KEY_IFACE, U8}, \
	{"iface.max_receive_data_len", KEY_NUMBER, "0", KEY_IFACE, U32}, \
	{"iface.first_burst_len", KEY_NUMBER, "0", KEY_IFACE, U32}, \
	{"iface.max_outstanding_r2t", KEY_NUMBER, "0", KEY_IFACE, U16}, \
	{"iface.max_burst_len", KEY_NUMBER, "0", KEY_IFACE, U32}, \
	{"iface.chap_auth", KEY_TEXT, "", KEY_IFACE}, \
	{"iface.bidi_chap", KEY_TEXT, "", KEY_IFACE}, \
	{"iface.strict_login_compliance", KEY_TEXT, "", KEY_IFACE}, \
	{"iface.discovery_auth", KEY_TEXT, "", KEY_IFACE}, \
	{"iface.discovery_logout", KEY_TEXT, "", KEY_IFACE},

static const struct record_key node_keys[] = {
	{"node.name", KEY_TEXT, "", KEY_LOOKUP},
	{"node.tpgt", KEY_NUMBER, "-1", KEY_LOOKUP, -1, UINT16_MAX},
	{"node.startup", KEY_CHOICE, "manual", 0, 0, 0, startups},
	{"node.leading_login", KEY_CHOICE, "No", 0, 0, 0, no_yes},
	IFACE_KEYS
	{"node.discovery_address", KEY_TEXT, "", KEY_LOOKUP},
	{"node.discovery_port", KEY_NUMBER, "0", KEY_LOOKUP, 0, UINT16_MAX},
	{"node.discovery_type", KEY_CHOICE, "static", KEY_LOOKUP, 0, 0, node_discovery_types},
	{"node.session.initial_cmdsn", KEY_NUMBER, "0", 0, U32},
	{"node.session.initial_login_retry_max", KEY_NUMBER, "4", 0, COUNT},
	{"node.session.xmit_thread_priority", KEY_NUMBER, "0", 0, -20, 20},
	{"node.session.cmds_max", KEY_NUMBER, "128", 0, 2, 2048},
	{"node.session.queue_depth", KEY_NUMBER, "32", 0, 1, 1024},
	{"node.session.nr_sessions", KEY_NUMBER, "1", 0, 1, 64},
	{"node.session.auth.authmethod", KEY_CHOICE, "None", 0, 0, 0, auth_methods},
	{"node.session.auth.username", KEY_TEXT, "", 0},
	{"node.session.auth.password", KEY_SECRET, "", 0},
	{"node.session.auth.username_in", KEY_TEXT, "", 0},
	{"node.session.auth.password_in", KEY_SECRET, "", 0},
	{"node.session.auth.chap_algs", KEY_ALGORITHMS, "MD5", 0},
	{"node.session.timeo.replacement_timeout", KEY_NUMBER, "120", 0, INT32_FULL},
	{"node.session.err_timeo.abort_timeout", KEY_NUMBER, "15", 0, SECONDS},
	{"node.session.err_timeo.lu_reset_timeout", KEY_NUMBER, "30", 0, SECONDS},
	{"node.session.err_timeo.tgt_reset_timeout", KEY_NUMBER, "30", 0, SECONDS},
	{"node.session.err_timeo.host_reset_timeout", KEY_NUMBER, "60", 0, SECONDS},
	{"node.session.iscsi.FastAbort", KEY_CHOICE, "Yes", 0, 0, 0, no_yes},
	{"node.session.iscsi.InitialR2T", KEY_CHOICE, "No", 0, 0, 0, no_yes},
	{"node.session.iscsi.ImmediateData", KEY_CHOICE, "Yes", 0, 0, 0, no_yes},
	{"node.session.iscsi.FirstBurstLength", KEY_NUMBER, "262144", 0, SEGMENT},
	{"node.session.iscsi.MaxBurstLength", KEY_NUMBER, "16776192", 0, SEGMENT},
	{"node.session.iscsi.DefaultTime2Retain", KEY_NUMBER, "0", 0, 0, 3600},
	{"node.session.iscsi.DefaultTime2Wait", KEY_NUMBER, "2", 0, 0, 3600},
	{"node.session.iscsi.MaxConnections", KEY_NUMBER, "1", 0, 1, UINT16_MAX},
	{"node.session.iscsi.MaxOutstandingR2T", KEY_NUMBER, "1", 0, 1, UINT16_MAX},
	{"node.session.iscsi.ERL", KEY_NUMBER, "0", 0, 0, 2},
	{"node.session.scan", KEY_CHOICE, "auto", 0, 0, 0, scans},
	{"node.session.reopen_max", KEY_NUMBER, "0", 0, COUNT},
	{"node.session.sess_reopen_log_freq", KEY_NUMBER, "1", 0, COUNT},
	{"node.conn[0].address", KEY_TEXT, "", KEY_LOOKUP},
	{"node.conn[0].port", KEY_NUMBER, "3260", KEY_LOOKUP, PORT},
	{"node.conn[0].startup", KEY_CHOICE, "manual", 0, 0, 0, startups},
	{"node.conn[0].tcp.window_size", KEY_NUMBER, "524288", 0, COUNT},
	{"node.conn[0].tcp.type_of_service", KEY_NUMBER, "0", 0, U8},
	{"node.conn[0].tcp.congestion_control", KEY_TEXT, "", 0},
	{"node.conn[0].timeo.logout_timeout", KEY_NUMBER, "15", 0, SECONDS},
	{"node.conn[0].timeo.login_timeout", KEY_NUMBER, "30", 0, SECONDS},
	{"node.conn[0].timeo.auth_timeout", KEY_NUMBER, "45", 0, SECONDS},
	{"node.conn[0].timeo.noop_out_interval", KEY_NUMBER, "5", 0, SECONDS},
	{"node.conn[0].timeo.noop_out_timeout", KEY_NUMBER, "5", 0, SECONDS},
	{"node.conn[0].iscsi.MaxXmitDataSegmentLength", KEY_NUMBER, "0", KEY_ZERO, SEGMENT},
	{"node.conn[0].iscsi.MaxRecvDataSegmentLength", KEY_NUMBER, "262144", 0, SEGMENT},
	{"node.conn[0].iscsi.HeaderDigest", KEY_CHOICE, "None", 0, 0, 0, digests},
	{"node.conn[0].iscsi.DataDigest", KEY_CHOICE, "None", 0, 0, 0, digests},
	{"node.conn[0].iscsi.IFMarker", KEY_CHOICE, "No", 0, 0, 0, no_yes},
	{"node.conn[0].iscsi.OFMarker", KEY_CHOICE, "No", 0, 0, 0, no_yes},
	{"hawser.selector", KEY_CHOICE, "", KEY_HAWSER, 0, 0, selectors},
	{"hawser.no_path_retry", KEY_NUMBER, "", KEY_HAWSER, -1, 86400},
	{"hawser.integrity", KEY_CHOICE, "", KEY_HAWSER, 0, 0, integrities},
	{"hawser.fence_wait_ms", KEY_NUMBER, "", KEY_HAWSER, 0, 10000},
	{"hawser.guard_timeout", KEY_NUMBER, "", KEY_HAWSER, -1, 86400},
	{"hawser.fence_lun_reset", KEY_CHOICE, "", KEY_HAWSER, 0, 0, fence_resets},
	{"hawser.path_grouping_policy", KEY_CHOICE, "", KEY_HAWSER, 0, 0, groupings},
	{"hawser.failback", KEY_NUMBER, "", KEY_HAWSER, -2, 86400},
	{"hawser.alua_activation", KEY_CHOICE, "", KEY_HAWSER, 0, 0, activations},
	{"hawser.reservation_key", KEY_TEXT, "", KEY_HAWSER},
	{"hawser.suspect_ms", KEY_NUMBER, "", KEY_HAWSER, 10, 60000},
	{"hawser.suspect_timeout_ms", KEY_NUMBER, "", KEY_HAWSER, 10, 600000},
	{"hawser.lu_hang_timeout_ms", KEY_NUMBER, "", KEY_HAWSER, 0, 3600000},
	{"hawser.hedge_budget", KEY_NUMBER, "", KEY_HAWSER, 0, 100},
	{"hawser.weight", KEY_NUMBER, "", KEY_HAWSER, 1, 10000},
	{"hawser.task_reporting", KEY_CHOICE, "", KEY_HAWSER, 0, 0, task_reportings},
	{"hawser.protocol_level", KEY_NUMBER, "", KEY_HAWSER, 0, 2},
	{"hawser.ping_bytes", KEY_NUMBER, "", KEY_HAWSER, 0, 65536},
	{"hawser.auth.allow_short_secrets", KEY_CHOICE, "", KEY_HAWSER, 0, 0, no_yes},
};

static const struct record_key sendtargets_keys[] = {
	{"discovery.startup", KEY_CHOICE, "manual", 0, 0, 0, discovery_startups},
	{"discovery.type", KEY_CHOICE, "sendtargets", KEY_LOOKUP, 0, 0, discovery_types},
	{"discovery.sendtargets.address", KEY_TEXT, "", KEY_LOOKUP},
	{"discovery.sendtargets.port", KEY_NUMBER, "3260", KEY_LOOKUP, PORT},
	{"discovery.sendtargets.auth.authmethod", KEY_CHOICE, "None", 0, 0, 0, auth_methods},
	{"discovery.sendtargets.auth.username", KEY_TEXT, "", 0},
	{"discovery.sendtargets.auth.password", KEY_SECRET, "", 0},
	{"discovery.sendtargets.auth.username_in", KEY_TEXT, "", 0},
	{"discovery.sendtargets.auth.password_in", KEY_SECRET, "", 0},
	{"node.session.auth.chap_algs", KEY_ALGORITHMS, "MD5", 0},
	{"discovery.sendtargets.timeo.login_timeout", KEY_NUMBER, "15", 0, SECONDS},
	{"discovery.sendtargets.use_discoveryd", KEY_CHOICE, "No", 0, 0, 0, no_yes},
	{"discovery.sendtargets.discoveryd_poll_inval", KEY_NUMBER, "30", 0, INT32_FULL},
	{"discovery.sendtargets.reopen_max", KEY_NUMBER, "5", 0, COUNT},
	{"discovery.sendtargets.timeo.auth_timeout", KEY_NUMBER, "45", 0, SECONDS},
	{"discovery.sendtargets.timeo.active_timeout", KEY_NUMBER, "30", 0, SECONDS},
	{"discovery.sendtargets.iscsi.MaxRecvDataSegmentLength", KEY_NUMBER, "32768", 0, SEGMENT},
};

/* open-iscsi's names: the address of an iSNS server stands under those of SendTargets. */
static const struct record_key isns_keys[] = {
	{"discovery.startup", KEY_CHOICE, "manual", 0, 0, 0, discovery_startups},
	{"discovery.type", KEY_CHOICE, "isns", KEY_LOOKUP, 0, 0, discovery_types},
	{"discovery.sendtargets.address", KEY_TEXT, "", KEY_LOOKUP},
	{"discovery.sendtargets.port", KEY_NUMBER, "3205", KEY_LOOKUP, PORT},
	{"discovery.isns.use_discoveryd", KEY_CHOICE, "No", 0, 0, 0, no_yes},
	{"discovery.isns.discoveryd_poll_inval", KEY_NUMBER, "-1", 0, INT32_FULL},
};

static const struct record_key iface_keys[] = {
	IFACE_KEYS
};

/* The order of a node's file; after these come the other interface keys as they are shown. */
static const char *const node_file_head[] = {
	"iface.hwaddress",
	"iface.ipaddress",
	"iface.iscsi_ifacename",
	"iface.net_ifacename",
	"iface.gateway",
	"iface.subnet_mask",
	"iface.prefix_len",
	"iface.transport_name",
	"iface.initiatorname",
	"iface.state",
	"iface.vlan_id",
	"iface.vlan_priority",
	"iface.vlan_state",
	"iface.iface_num",
	"iface.mtu",
	"iface.port",
	NULL,
};

static const struct {
	const char *old, *name;
} aliases[] = {
	{"node.transport_name", "iface.transport_name"},
	{"node.session.conn_reopen_log_freq", "node.session.sess_reopen_log_freq"},
};
/* clang-format on */

const struct record_table record_table_node = {node_keys, ARRAY_SIZE(node_keys), node_file_head};
const struct record_table record_table_sendtargets = {sendtargets_keys,
						      ARRAY_SIZE(sendtargets_keys)};
const struct record_table record_table_isns = {isns_keys, ARRAY_SIZE(isns_keys)};
const struct record_table record_table_iface = {iface_keys, ARRAY_SIZE(iface_keys)};

const char *record_key_alias(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
		if (strcmp(aliases[i].old, name) == 0)
			return aliases[i].name;
	return name;
}
