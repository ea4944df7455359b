/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What the control thread knows of nodes, sessions, maps and paths: plain structs that their owners
 * keep up to date and that faces read. Control thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "daemon/node_key.h"
#include "daemon/saved_reservation.h"
#include "iscsi/settings.h"
#include "iscsi/statistics.h"
#include "multipath/map.h"
#include "scsi/unit.h"
#include "util/error.h"
#include "util/list.h"

/* Identity of an object over restarts: hash of what names it. 'n' + 16 hex digits in D-Bus paths.
 */
typedef uint64_t object_id;

/* What a view, or an event, is about: struct manager, node, session_view, map_view, path_view. */
enum object_kind { OBJECT_MANAGER, OBJECT_NODE, OBJECT_SESSION, OBJECT_MAP, OBJECT_PATH };

enum session_state {
	SESSION_STATE_IDLE,	  /* not wanted, or waiting to be started */
	SESSION_STATE_CONNECTING, /* TCP */
	SESSION_STATE_LOGIN,	  /* login phase */
	SESSION_STATE_LOGGED_IN,  /* full feature phase */
	SESSION_STATE_WAITING,	  /* lost or refused; retries at next_retry_us */
	SESSION_STATE_LOGOUT,	  /* logout sent */
	SESSION_STATE_COUNT,
};
/** session_state_name() - "idle", "connecting", "login", "logged-in", "reconnecting", "logging-out"
 */
const char *session_state_name(enum session_state state);

struct node {
	struct list link; /* in manager_nodes(), sorted as iscsiadm lists */
	object_id id;
	struct node_key key;
	struct record *record;
	struct list sessions;	 /* struct session_view, by node_link */
	struct error last_error; /* of the last login attempt */
	uint64_t last_error_us;	 /* CLOCK_REALTIME, microseconds; as all …_us here */
};

/* One logical unit that a session shows. */
struct unit_view {
	struct list link;     /* in session_view.units */
	uint64_t lun, number; /* wire form, Linux number */
	struct session_view *session;
	struct unit unit;
	bool disk; /* false: a controller or the like; unit holds vendor and type only */
	struct path_view *path; /* NULL while it is in no map */
	unsigned gone_looks;	/* how often in a row it was looked for and not there */
	uint64_t gone_since_us; /* the first of them, CLOCK_MONOTONIC */
	bool told, held;	/* that it is gone, or another's; that its device is in use */
};

struct session_view {
	struct list link, node_link; /* in manager_sessions() by sid, in node.sessions */
	uint32_t sid;		     /* as iscsiadm prints; never reused while the daemon lives */
	struct node *node;	     /* NULL when its record was deleted */
	char target[ISCSI_NAME_MAX + 1], iface[65], initiator_name[ISCSI_NAME_MAX + 1];
	char persistent_address[256], address[256], local_address[64]; /* without brackets */
	uint16_t persistent_port, port;
	int32_t tpgt;
	unsigned lane;
	uint8_t isid[6];
	uint16_t tsih;
	enum session_state state;
	char state_reason[160]; /* plain words: why it is in this state */
	uint64_t since_us, next_retry_us;
	uint32_t attempts;   /* logins tried since it was last logged in */
	bool ever_logged_in; /* false: first login still under way; iscsiadm -m session hides those
			      */
	struct error last_error;
	struct negotiated negotiated; /* of the last login */
	struct login_outcome outcome;
	struct session_statistics statistics; /* as of the last manager_refresh_statistics() */
	struct list units;		      /* struct unit_view */
};

struct path_view {
	struct list link; /* in map_view.paths */
	object_id id;
	struct map_view *map;
	struct session_view *session;
	uint64_t lun, lun_number;
	enum path_state state; /* for faces: path_view_state() */
	char state_reason[160];
	uint64_t since_us;
	struct path_access access;
	bool registered; /* the key of this host, see reservation_view */
	bool refused;	 /* it cannot be registered, and so not be used: state_reason */
	struct path_statistics statistics;
};

/**
 * path_view_state() - its state joined with that of its session: what is behind PATH_DOWN
 * Return: path_state_name(), or "connecting", "login", or, when it would carry I/O but for its
 * target port group, that one's access state: "standby" …
 */
const char *path_view_state(const struct path_view *path);

/* What this host holds at the unit; see daemon/map_reservation.h. */
struct reservation_view {
	enum reservation_state state;
	uint64_t key; /* 0: none */
	bool per_path, survives_power;
	uint8_t type; /* of the reservation, as far as is known; 0: none */
	bool held;    /* by this host */
};

struct map_view {
	struct list link; /* in manager_maps(), by WWID */
	object_id id;
	char name[UNIT_WWID_MAX]; /* /dev/hawser/<name>: alias, or the WWID */
	struct unit unit;
	char device[64]; /* "/dev/loop0"; empty while there is none */
	uint32_t major, minor;
	uint64_t backing; /* see struct disk_node */
	char exporter[16];
	char selector[32];
	int32_t no_path_retry_ms;
	enum grouping grouping;
	int32_t failback_ms;		    /* see struct map_settings */
	unsigned active_group, group_count; /* of its path groups, from 1; 0 = none */
	enum integrity integrity;
	enum fence_quality fence_quality;
	struct reservation_view reservation;
	struct guard_statistics guard; /* as of the last manager_refresh_statistics() */
	enum map_state state;
	uint64_t since_us;
	struct list paths; /* struct path_view */
};
