/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Objects as the daemon might tell them, for tests of what is printed.
 */

#include "cli/model.h"

#define EXAMPLE_TARGET "iqn.2004-10.com.example:a"

static inline struct node_info example_node(const char *target, const char *address, int32_t tpgt)
{
	return (struct node_info){
		.object = "/org/hawser1/node/n1",
		.target = target,
		.address = address,
		.iface = "default",
		.startup = "manual",
		.state = "idle",
		.port = 3260,
		.tpgt = tpgt,
		.wanted = 1,
		.last_error = {"", "", 0},
	};
}

static inline struct session_info example_session(uint32_t sid, const char *target,
						  const char *address)
{
	return (struct session_info){
		.object = "/org/hawser1/session/1",
		.node = "/org/hawser1/node/n1",
		.sid = sid,
		.target = target,
		.iface = "default",
		.initiator_name = "iqn.2004-10.com.example:host",
		.state = "logged-in",
		.state_reason = "",
		.address = address,
		.port = 3260,
		.persistent_address = address,
		.persistent_port = 3260,
		.local_address = "10.0.0.9",
		.tpgt = 1,
		.username = "",
		.username_in = "",
		.ever_logged_in = true,
		.last_error = {"", "", 0},
		.negotiated =
			{
				.header_digest = "None",
				.data_digest = "CRC32C",
				.max_receive = 262144,
				.max_transmit = 65536,
				.first_burst = 262144,
				.max_burst = 16776192,
				.max_outstanding_r2t = 1,
				.immediate_data = 1,
				.initial_r2t = 0,
			},
		.recovery_timeout = 120,
		.target_reset_timeout = 30,
		.lun_reset_timeout = 30,
		.abort_timeout = 15,
		.hwaddress = "",
		.net_ifacename = "",
	};
}

static inline struct path_info example_path(const char *object, const char *session,
					    const char *state)
{
	return (struct path_info){
		.object = object,
		.session = session,
		.state = state,
		.state_reason = "",
		.alua_state = "",
		.priority = 1,
		.target_port_group = -1,
		.group = 1,
		.reads = 10,
		.writes = 5,
		.bytes_read = 4096,
		.bytes_written = 1024,
		.latency_us = 2000,
	};
}

static inline struct map_info example_map(const char *name, struct path_info *paths, size_t count)
{
	return (struct map_info){
		.object = "/org/hawser1/map/m1",
		.name = name,
		.wwid = "3600",
		.device = "/dev/loop0",
		.vendor = "IET",
		.product = "VIRTUAL-DISK",
		.serial = "beaf",
		.exporter = "fuse",
		.policy = "service-time",
		.state = "ok",
		.size_bytes = 67108864,
		.block_size = 512,
		.paths_up = (uint32_t)count,
		.paths_total = (uint32_t)count,
		.no_path_retry_ms = 60000,
		.integrity = "exclusive",
		.fence_quality = "lun-reset",
		.grouping = "group_by_prio",
		.failback = "immediate",
		.active_group = 1,
		.groups = 1,
		.paths = paths,
		.path_count = count,
	};
}
