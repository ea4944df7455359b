/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What the files of the manager share: manager.c (life, observers, look-ups), manager_nodes.c
 * (records), manager_login.c and manager_logout.c (the operations), manager_moved.c,
 * manager_sessions.c (what supervisors tell), manager_inventory.c (what sessions show),
 * manager_maps.c (units into maps), manager_sizes.c (their sizes), manager_links.c (network
 * interfaces), manager_statistics.c, manager_reservations.c, manager_discovery.c and
 * manager_records.c (other records),
 * manager_groups.c (path groups by hand). Nobody else includes this.
 */

#include "daemon/config.h"
#include "daemon/event_log.h"
#include "daemon/fd_store.h"
#include "daemon/initiator.h"
#include "daemon/manager.h"
#include "daemon/map_device.h"
#include "daemon/record.h"
#include "daemon/supervisor.h"
#include "iscsi/chap.h"

struct inventory;
struct link_monitor;

struct manager {
	sd_event *event;
	struct mailbox *home;
	struct sd_event_source *mail;
	struct config config;
	struct initiator initiator;
	char conf_dir[256], run_dir[256], dev_dir[256], hawser_conf[256], firmware_dir[256];
	struct node_store *store;

	struct worker **workers;
	unsigned worker_count;

	struct list nodes, sessions, maps; /* struct node, session_view, map_view */
	struct list observers;
	struct event_log *events;
	struct list logins;	 /* struct login_request */
	struct list discoveries; /* struct discovery_work */
	struct link_monitor *links;
	struct fd_store
		*fd_store;	/* block devices that outlive us; NULL before manager_recover() */
	struct list recoveries; /* struct recovery */
	struct sd_event_source *doubt_timer;
	struct list removals; /* struct removal */
	uint32_t next_sid;
	struct chap_challenges challenges; /* of all logins */
	bool fips;			   /* the machine runs in FIPS mode */
	bool ready, stopping;
	bool stop_insisted; /* asked for twice: nothing is left to the next hawserd */
	bool left;	    /* a stop left block devices to the next hawserd */
	struct sd_event_source *poll_timer, *stop_timer;
	uint64_t stop_force_us; /* CLOCK_REALTIME: when a stop is done by force */
	void (*stopped)(struct manager *manager, void *userdata);
	void *stopped_userdata;
};

/* A session as the manager holds it; its supervisor's userdata. */
struct managed_session {
	struct manager *manager;
	struct supervisor *supervisor;
	struct record *record;	     /* of its node, when that was deleted meanwhile */
	struct inventory *inventory; /* under way */
	struct fence_session *fence; /* the same */
	bool scanned;		     /* its units are known since it was last logged in */
	bool scan_again;	     /* something changed while they were looked at */
	bool portals_asked;	     /* its target is being asked for its portals */
	bool portals_refused;	     /* it ended the connection when it was asked */
	bool portals_again;	     /* they changed meanwhile */
	struct sd_event_source *rescan_timer;
	struct list waiters;	 /* struct rescan_request */
	struct error look_error; /* why the last look saw nothing */

	unsigned interface_index; /* that its connection goes over; 0 = not known */
	bool link_down;		  /* of that interface, and it was told */
	bool route_gone;	  /* to its portal, and it was told */
	bool left;		  /* to the next hawserd, by a stop */
	bool planned;		  /* to be logged out together with others */
	bool leaving;		  /* stopped, waits for its paths to be gone */
	unsigned withdrawing;	  /* devices that are being taken away before the logout */
	bool force;
	struct error logout_error;
	manager_done *logout_done;
	void *logout_userdata;
};

static inline struct supervisor *supervisor_of(struct session_view *view)
{
	return container_of(view, struct supervisor, view);
}

static inline struct managed_session *managed_of(struct session_view *view)
{
	return supervisor_of(view)->userdata;
}

/** record_of() - what the session goes by; never NULL */
static inline const struct record *record_of(const struct managed_session *managed)
{
	const struct node *node = managed->supervisor->view.node;

	if (node)
		return node->record;
	return managed->record ? managed->record : managed->manager->config.node_defaults;
}

static inline struct map_device *device_of(struct map_view *view)
{
	return container_of(view, struct map_device, view);
}

static inline struct map_path *map_path_of(struct path_view *view)
{
	return container_of(view, struct map_path, view);
}

/* manager.c */
void manager_notify_added(struct manager *manager, enum object_kind kind, void *object);
void manager_notify_changed(struct manager *manager, enum object_kind kind, void *object);
void manager_notify_removed(struct manager *manager, enum object_kind kind, void *object);
/** manager_raise() - an event: to ring, journal and observers. @object may be NULL */
void manager_raise(struct manager *manager, enum object_kind about, const void *object,
		   const struct event_facts *facts);
/** manager_event() - the same when a reason is all there is to say of it; @format may be NULL */
void manager_event(struct manager *manager, enum object_kind about, const void *object,
		   enum event_kind kind, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
struct worker *manager_worker(struct manager *manager, unsigned lane);

/* manager_nodes.c */
int manager_load_nodes(struct manager *manager, struct error *error);
void manager_free_nodes(struct manager *manager);
struct node *manager_find_node_by_key(struct manager *manager, const struct node_key *key);
/** manager_store_node() - make or replace; @record becomes the node's on success */
int manager_store_node(struct manager *manager, const struct node_key *key, struct record *record,
		       struct node **ret, struct error *error);
/** manager_set_record_key() - the lookup keys of a record, out of what names it. Return: 0; -1 with
 * @error set */
int manager_set_record_key(struct record *record, const struct node_key *key, struct error *error);
/** manager_iface() - its record; NULL for the default one or a name that is not there */
struct record *manager_iface(struct manager *manager, const char *name);

/**
 * manager_node_iface() - the interface record that a node is bound to, the caller's to free
 * @record: the node's own, which carries a copy of it: that is taken for a node of the firmware,
 *          and when there is no record of that name any more
 *
 * Return: NULL for the default one.
 */
struct record *manager_node_iface(struct manager *manager, const char *name,
				  const struct record *record);
/** manager_drop_node() - delete its record; its sessions stay, and keep a copy of it */
int manager_drop_node(struct manager *manager, struct node *node, struct error *error);

/* manager_records.c */
/** manager_node_is_from() - was the record made, or last found, by that discovery? */
bool manager_node_is_from(const struct node *node, enum discovery_kind kind, const char *address,
			  uint16_t port);

/* manager_recovery.c */
/** manager_recover() - go on with the block devices that an earlier process left */
void manager_recover(struct manager *manager, enum fd_store_kind kind);
/** manager_recovery_deinit() - what is kept stays kept */
void manager_recovery_deinit(struct manager *manager);
/** manager_recovery_fenced() - what an earlier process had in @session is dead */
void manager_recovery_fenced(struct managed_session *session);
/** manager_recovery_forget() - @device ends */
void manager_recovery_forget(struct manager *manager, const struct map_device *device);
/** manager_forget_names() - @session, which has ended, was expected to bring paths back to devices
 */
void manager_forget_names(struct manager *manager, const struct session_view *session);
/** manager_keep_map() - its device is live: let it outlive us */
void manager_keep_map(struct manager *manager, struct map_device *device);
/** manager_save_map() - its paths changed */
void manager_save_map(struct manager *manager, const struct map_device *device);
/** manager_watch_doubt() - a path was lost: save it when the next hawserd need not fence it */
void manager_watch_doubt(struct manager *manager);
/** manager_unkeep_map() - its device is gone */
void manager_unkeep_map(struct manager *manager, struct map_device *device);

/* manager_sessions.c */
/** what a supervisor asks and tells; its userdata is a struct managed_session */
extern const struct supervisor_ops manager_supervisor_ops;
/** manager_session_left() - the last path of a leaving session is gone */
void manager_session_left(struct managed_session *managed);

/* manager_login.c */
/** manager_check_logins() - answer the login requests that are complete */
void manager_check_logins(struct manager *manager);
/** manager_resume_session() - one that a process before this one had. Return: NULL without memory
 */
struct managed_session *manager_resume_session(struct manager *manager, struct node *node,
					       unsigned lane);
/** manager_login_gave_up() - whoever waits for @session's node is told why */
void manager_login_gave_up(struct manager *manager, const struct session_view *session);

/** manager_login_moved() - whoever waits for the sessions of @from now waits for those of @to */
void manager_login_moved(struct manager *manager, const struct node *from, struct node *to);

/* manager_moved.c */
/**
 * manager_session_moved() - the target has moved to another portal for good: so does the record
 * that the session goes by, with all its sessions, unless that portal's own record is in use
 */
void manager_session_moved(struct managed_session *managed, const char *address, uint16_t port);

/* manager_logout.c */
/** manager_stop_step() - go on with the stop: the next session, or the end */
void manager_stop_step(struct manager *manager);

/* manager_inventory.c */
/** manager_scan() - look at what a session shows; coalesced */
void manager_scan(struct managed_session *managed);
/** manager_scan_target() - the same for every session to @target */
void manager_scan_target(struct manager *manager, const char *target);
/** manager_rescan_later() - look again in a moment */
void manager_rescan_later(struct managed_session *managed);
void manager_scan_cancel(struct managed_session *managed);
/** manager_check_rescans() - answer those who asked for a look that is complete */
void manager_check_rescans(struct manager *manager);
/** manager_poll_units() - from now on, ask every session for its list of units now and then */
void manager_poll_units(struct manager *manager);

/* manager_maps.c */
/** manager_make_map() - without paths. Return: NULL after it was logged why */
/** manager_disk_owner() - see struct disk_settings: who has this run folder goes on with what is in
 * it */
uint16_t manager_disk_owner(const struct manager *manager);

struct map_device *manager_make_map(struct manager *manager, const struct record *record,
				    const struct unit *unit, const char *exporter,
				    uint16_t queue_depth);
/** manager_end_map() - one without paths: its device goes, and then the map */
void manager_end_map(struct manager *manager, struct map_device *device);
/** manager_join_map() - @unit becomes a path of the map that has its WWID, which may be a new one
 */
void manager_join_map(struct managed_session *managed, struct unit_view *unit);
/** manager_ask_access() - @managed's target has changed its port groups: ask for their states */
void manager_ask_access(struct managed_session *managed);
/** manager_session_lost() - its paths are down */
void manager_session_lost(struct managed_session *managed, const char *reason, bool fenced);
/** manager_drop_units() - forget what the session showed. Return: paths are still being removed */
bool manager_drop_units(struct managed_session *managed);
/** manager_units_settled() - every device that its units belong to is live, or failed for good */
bool manager_units_settled(struct managed_session *managed, struct error *error);

/* manager_reservations.c */
/** manager_reservation_begin() - of a new map: what is known of it from before */
void manager_reservation_begin(struct manager *manager, struct map_device *device,
			       const struct record *record);
/** manager_reservation_end() - its paths are gone */
void manager_reservation_end(struct map_device *device);
/** manager_reservation_may_carry() - see map_device_ops.may_carry */
bool manager_reservation_may_carry(struct map_path *path);
void manager_reservation_path_lost(struct map_path *path);
void manager_reservation_path_removed(struct map_path *path);
void manager_reservation_attention(struct map_path *path, uint8_t asc, uint8_t ascq);
void manager_reservation_conflict(struct map_path *path);
void manager_reservation_fence_wanted(struct map_path *path);
/** manager_poll_reservations() - now and then */
void manager_poll_reservations(struct manager *manager);

/* manager_sizes.c */
/**
 * manager_note_size() - the right unit answered behind @path, with so many blocks
 * Return: the path may carry I/O
 */
bool manager_note_size(struct manager *manager, struct map_path *path, uint64_t blocks);
/**
 * manager_check_size() - some path came or went, or the device can be resized now
 * @looked: a path that is being looked at just now; may be NULL
 */
void manager_check_size(struct manager *manager, struct map_device *device,
			const struct map_path *looked);
/** manager_size_fits() - would a new path that reports @blocks agree with those there are? */
bool manager_size_fits(const struct map_device *device, uint64_t blocks);
/** manager_device_resized() - see struct map_device_ops */
void manager_device_resized(struct manager *manager, struct map_device *device, uint64_t old_blocks,
			    int error, const char *step);

/* manager_remove.c */
/** manager_removed() - @device ends */
void manager_removed(struct manager *manager, const struct map_device *device);

/* manager_links.c */
void manager_watch_links(struct manager *manager);
/** manager_find_link() - it has just logged in: over which interface? */
void manager_find_link(struct managed_session *managed);

/* manager_discovery.c */
void manager_cancel_discoveries(struct manager *manager);
