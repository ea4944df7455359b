/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The control side: owns nodes, the supervisors that keep their sessions, and the control thread's
 * view of sessions, maps and paths. Faces (D-Bus) read the views, ask for work, and follow changes
 * as observers; the manager knows nothing of them. Control thread only.
 *
 * Views (daemon/views.h) stay valid until removed() was called for them.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/fd_store.h"
#include "daemon/node_store.h"
#include "daemon/views.h"
#include "iscsi/settings.h"
#include "util/error.h"
#include "util/list.h"

struct event;
struct event_ring;
struct manager;

/* @object: struct manager, node, session_view, map_view or path_view */
struct manager_observer {
	struct list link;
	void (*added)(struct manager_observer *observer, enum object_kind kind, void *object);
	void (*changed)(struct manager_observer *observer, enum object_kind kind, void *object);
	/** @object is freed after the call */
	void (*removed)(struct manager_observer *observer, enum object_kind kind, void *object);
	/** something happened that an operator wants to see; valid during the call */
	void (*event)(struct manager_observer *observer, const struct event *event);
};
void manager_observe(struct manager *manager, struct manager_observer *observer);
void manager_unobserve(struct manager_observer *observer);

/** manager_events() - the last ones; never NULL */
const struct event_ring *manager_events(struct manager *manager);

struct list *manager_nodes(struct manager *manager);	/* struct node */
struct list *manager_sessions(struct manager *manager); /* struct session_view */
struct list *manager_maps(struct manager *manager);	/* struct map_view */
struct node *manager_find_node(struct manager *manager, object_id id);
struct session_view *manager_find_session(struct manager *manager, uint32_t sid);
struct map_view *manager_find_map(struct manager *manager, object_id id);
struct path_view *manager_find_path(struct manager *manager, object_id id);

/* What names some nodes: empty strings and port 0 match everything. Addresses match when their text
 * is equal or when both are literals of the same address; an address without port means port 3260.
 */
struct node_selector {
	char target[ISCSI_NAME_MAX + 1];
	char address[256];
	uint16_t port;
	char iface[65];
	char startup[16]; /* "manual", "automatic", "onboot"; node.startup or node.conn[0].startup
			   */
};
bool node_matches(const struct node *node, const struct node_selector *selector);
bool session_matches(const struct session_view *session, const struct node_selector *selector);

/* --- the manager itself --- */

typedef struct sd_event sd_event;

struct manager_settings {
	const char *conf_dir;	     /* "/etc/iscsi" */
	const char *state_dir;	     /* where the records may be instead, see node_store_find() */
	const char *hawser_conf;     /* "/etc/hawser/hawser.conf" */
	const char *run_dir;	     /* "/run/hawser" */
	const char *dev_dir;	     /* "/dev": where device links are made */
	const char *firmware_dir;    /* "/sys/firmware/ibft" */
	unsigned workers;	     /* 0: as hawser.conf says */
	enum fd_store_kind fd_store; /* where block devices outlive this process */
};

/**
 * manager_left() - did the stop leave block devices that are in use to the next hawserd?
 *
 * Then this process must end as it is: whatever it freed could be something that the kernel, or the
 * target, still waits for.
 */
bool manager_left(struct manager *manager);

/**
 * manager_new() - read settings and records, start the workers
 * @event: the control thread's loop
 * Return: 0; -1 with @error set
 */
int manager_new(sd_event *event, const struct manager_settings *settings, struct manager **ret,
		struct error *error);

/**
 * manager_stop() - take devices away, log out everywhere
 *
 * Devices in use that outlive it are left to the next daemon, others waited for, then taken by
 * force; asked a second time it takes all, at once.
 * @last: no other daemon follows, so that none is left: whoever waited for one would wait for ever
 * @stopped: runs once, maybe inside the call
 */
void manager_stop(struct manager *manager, bool last,
		  void (*stopped)(struct manager *manager, void *userdata), void *userdata);

/** manager_free() - after it has stopped; NULL is fine */
void manager_free(struct manager *manager);

const char *manager_initiator_name(struct manager *manager); /* "" when there is none */
const char *manager_version(void);
bool manager_ready(struct manager *manager); /* records are loaded, requests are served */
/** "ok": every map has all its paths; "degraded"; "critical": some map has none */
const char *manager_health(struct manager *manager);
/** re-read initiatorname.iscsi, iscsid.conf, hawser.conf and records that changed on disk */
int manager_reload(struct manager *manager, struct error *error);

/* --- node records; on disk before the call returns --- */
/**
 * manager_create_node() - a static record with the defaults of iscsid.conf
 * @key: iface "" means "default"; a record that exists is replaced (as iscsiadm -o new does)
 */
int manager_create_node(struct manager *manager, const struct node_key *key, struct node **ret,
			struct error *error);
struct record_change {
	const char *key, *value;
};
/** manager_update_node() - all changes or none */
int manager_update_node(struct manager *manager, struct node *node,
			const struct record_change *changes, size_t count, struct error *error);
/** manager_delete_node() - ERROR_SESSION_EXISTS while it has a session */
int manager_delete_node(struct manager *manager, struct node *node, struct error *error);

/* --- operations that take time; done() runs exactly once, maybe inside the call --- */
typedef void manager_done(const struct error *error, void *userdata);

enum login_wait {
	LOGIN_WAIT_NOT,	   /* done() runs as soon as the sessions are being worked on */
	LOGIN_WAIT_TARGET, /* for @node's sessions; after three seconds any node of its target will
			    * do, and done() gets ERROR_TRY_AGAIN when it was another */
	LOGIN_WAIT_NODE,   /* for @node's sessions */
};

/**
 * manager_login() - make @node's sessions (node.session.nr_sessions of them) wanted, and wait
 *
 * done(): ERROR_NONE once all sessions are logged in, their logical units are found and the device
 * links exist; ERROR_SESSION_EXISTS when all were there already; otherwise why the first failed,
 * and a session that has never been up is given up.
 */
void manager_login(struct manager *manager, struct node *node, enum login_wait wait,
		   manager_done *done, void *userdata);

/**
 * manager_login_more() - one session more to @node than it has, whatever its record wants
 *
 * done(): as for manager_login(); ERROR_BUSY with 32 sessions.
 */
void manager_login_more(struct manager *manager, struct node *node, manager_done *done,
			void *userdata);

/**
 * manager_logout() - end one session and forget that it was wanted
 * @force: also when it is the last path of a device in use
 *
 * done(): ERROR_BUSY, with the holders named, when a device in use would lose its last path.
 */
void manager_logout(struct manager *manager, struct session_view *session, bool force,
		    manager_done *done, void *userdata);

/**
 * manager_plan_logout() - several sessions are about to be logged out together
 * @planned: true for each of them before the first manager_logout(), false for each afterwards
 *
 * So that a device in use which would lose its paths to all of them keeps them all.
 */
void manager_plan_logout(struct session_view *session, bool planned);

/** manager_rescan() - look for new, gone and resized logical units */
void manager_rescan(struct manager *manager, struct session_view *session, manager_done *done,
		    void *userdata);

#define MANAGER_PORTALS_MAX 64 /* that one answer may add */
/**
 * @fresh: nodes that are new; valid during the call
 */
typedef void manager_rediscovered(const struct error *error, struct node *const *fresh,
				  size_t count, void *userdata);
/**
 * manager_rediscover() - ask the target of a session, over it, for all its portals
 * @done: may be NULL
 *
 * A portal that is new gets the settings of the session's record, and is logged in to where
 * node.startup is not manual. Source: RFC 7143 appendix C. done(): ERROR_NOT_SUPPORTED when the
 * target does not answer this in a normal session.
 */
void manager_rediscover(struct manager *manager, struct session_view *session,
			manager_rediscovered *done, void *userdata);

/* What a reset is about; all but the first and the last concern other hosts as well. */
enum reset_scope {
	RESET_TASK_SET, /* what this session has at one logical unit */
	RESET_UNIT,
	RESET_TARGET_WARM,
	RESET_TARGET_COLD, /* as a power cycle: the target ends all connections */
	RESET_NEXUS,	   /* this session; needs iSCSIProtocolLevel 2 */
	RESET_SCOPE_COUNT,
};
/**
 * manager_reset() - have the target end what is under way (RFC 7143 §11.5.1, RFC 7144 §6.3)
 * @number: of the logical unit as Linux counts; for the first two scopes only
 *
 * Requests of maps that it ends are sent again. done(): ERROR_NOT_SUPPORTED when the target
 * refuses; ERROR_TRANSPORT_FAILED when it did not answer, and the session was ended.
 */
void manager_reset(struct manager *manager, struct session_view *session, enum reset_scope scope,
		   uint64_t number, manager_done *done, void *userdata);
/**
 * manager_remove_map() - take away a map whose unit will not come back, with its block device
 * @force: also while the device is in use: its I/O fails
 *
 * done(): ERROR_SESSION_EXISTS while a path works; ERROR_BUSY, with the holders named, while it is
 * in use; ERROR_REQUEST_TIMEOUT when it takes long, and goes on. A session that leads to the unit
 * later makes a new map.
 */
void manager_remove_map(struct manager *manager, struct map_view *map, bool force,
			manager_done *done, void *userdata);
/** manager_reset_map() - reset the map's logical unit, through any path that is connected */
void manager_reset_map(struct manager *manager, struct map_view *map, manager_done *done,
		       void *userdata);

/**
 * manager_switch_group() - use path group @number (from 1) of @map: see map_switch_group()
 *
 * done(): ERROR_INVALID_ARGUMENT, ERROR_SESSION_NOT_CONNECTED, ERROR_NOT_SUPPORTED, ERROR_BUSY. A
 * group that has to be activated by its target is used when that is done, a moment later.
 */
void manager_switch_group(struct manager *manager, struct map_view *map, unsigned number,
			  manager_done *done, void *userdata);
/** manager_failback() - use the best path group of @map now */
void manager_failback(struct manager *manager, struct map_view *map, manager_done *done,
		      void *userdata);

/* What discovery does with what it found, as iscsiadm's -o; bits. */
enum discovery_operation {
	DISCOVERY_DEFAULT = 0,	      /* missing records are made, others keep their settings */
	DISCOVERY_NEW = 1,	      /* only records that do not exist */
	DISCOVERY_UPDATE = 2,	      /* replace existing, add missing */
	DISCOVERY_DELETE = 4,	      /* records of this address that are gone */
	DISCOVERY_NON_PERSISTENT = 8, /* write nothing */
	DISCOVERY_SHOW = 16,	      /* write the discovery record only */
};
enum discovery_kind {
	DISCOVERY_KIND_SEND_TARGETS, /* a portal is asked */
	DISCOVERY_KIND_ISNS,	     /* an iSNS server is asked */
	DISCOVERY_KIND_FIRMWARE,     /* no address, no interfaces: what the machine boots from */
	DISCOVERY_KIND_COUNT,
};
struct discovery_request {
	enum discovery_kind kind;
	char address[256];
	uint16_t port;	    /* 0: the kind's own */
	char ifaces[8][65]; /* empty: all stored tcp ifaces, or "default" */
	unsigned iface_count;
	unsigned operations; /* enum discovery_operation */
	bool stored; /* use the stored record of this address, or make one (discoverydb -D) */
};
/* One line of the answer: target × portal × iface. */
struct discovery_result {
	struct node_key key;
	struct node *node; /* NULL when nothing was written for it */
	/* what the firmware says of it, in iscsiadm's keys and order; secrets are masked */
	const struct record_change *details;
	size_t detail_count;
};
typedef void manager_discovered(const struct error *error, const struct discovery_result *results,
				size_t count, void *userdata);
void manager_discover(struct manager *manager, const struct discovery_request *request,
		      manager_discovered *done, void *userdata);

/* --- records of addresses that discovery asks; on disk before the call returns --- */
struct discovery_address {
	enum discovery_kind kind; /* the firmware has none */
	char address[256];
	uint16_t port; /* 0: the kind's own */
};
/** manager_list_discoveries() - all that have a record; free() the array */
int manager_list_discoveries(struct manager *manager, struct discovery_address **ret, size_t *count,
			     struct error *error);
/** manager_read_discovery() - a copy, the caller's; ERROR_NO_OBJECTS_FOUND when there is none */
int manager_read_discovery(struct manager *manager, const struct discovery_address *address,
			   struct record **ret, struct error *error);
/** manager_create_discovery() - with the defaults of iscsid.conf, in place of one that is there */
int manager_create_discovery(struct manager *manager, const struct discovery_address *address,
			     struct error *error);
/** manager_update_discovery() - all changes or none */
int manager_update_discovery(struct manager *manager, const struct discovery_address *address,
			     const struct record_change *changes, size_t count,
			     struct error *error);
/**
 * manager_delete_discovery() - and every node record that was found there
 *
 * Sessions stay, and reconnect as their record said (iscsiadm asks for no logout either).
 */
int manager_delete_discovery(struct manager *manager, const struct discovery_address *address,
			     struct error *error);

/* --- interface records; on disk before the call returns --- */
/** manager_list_ifaces() - names, sorted, without the built-in ones; free() each and the array */
int manager_list_ifaces(struct manager *manager, char ***names, unsigned *count,
			struct error *error);
/** manager_read_iface() - a copy, the caller's, of a stored or built-in one */
int manager_read_iface(struct manager *manager, const char *name, struct record **ret,
		       struct error *error);
/**
 * manager_create_iface() - in place of one that is there
 *
 * ERROR_SESSION_EXISTS while a session goes over it.
 */
int manager_create_iface(struct manager *manager, const char *name,
			 const struct record_change *changes, size_t count, struct error *error);
/** manager_update_iface() - also in every node record that is bound to it; all changes or none */
int manager_update_iface(struct manager *manager, const char *name,
			 const struct record_change *changes, size_t count, struct error *error);
/** manager_delete_iface() - with the node records that are bound to it; ERROR_SESSION_EXISTS */
int manager_delete_iface(struct manager *manager, const char *name, struct error *error);

/** manager_refresh_statistics() - fetch counters of all sessions and paths from the workers */
void manager_refresh_statistics(struct manager *manager, manager_done *done, void *userdata);

/** manager_map_holders() - who has the map's device in use; "" when nobody. @text: ≥ 256 bytes */
void manager_map_holders(struct manager *manager, const struct map_view *map, char *text,
			 size_t size_bytes);
