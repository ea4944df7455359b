/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One multipath map with its block device, as the control thread holds it: the map and its paths
 * live on a worker, the device is set up and removed on a thread that may block, and the views here
 * follow both. Control thread only; calls are carried over in the order they are made.
 */

#include "block/disk.h"
#include "daemon/map_reservation.h"
#include "daemon/size_agreement.h"
#include "daemon/views.h"
#include "multipath/map.h"

struct event_facts;
struct mailbox;
struct map_device;
struct session_host;
struct worker;

enum disk_stage {
	DISK_NONE,
	DISK_CREATING,
	DISK_LIVE,
	DISK_RESIZING, /* it goes on meanwhile */
	DISK_FAILED,   /* disk_error says why; the map works, nobody can use it */
	DISK_REMOVING,
};

/* One path: its view, and the thing itself, which belongs to the worker. */
struct map_path {
	struct path_view view;
	struct map_device *device;
	struct path *path; /* NULL until the worker has it, or when it could not be added */
	struct nexus *nexus;
	unsigned weight; /* see path_set_weight() */
	struct path_port port;
	bool leaving;	    /* being removed: only the last answer is waited for */
	bool verified_held; /* it was verified while the device is held */
	bool settled;	    /* it is lost, and nothing that it carried can still come */
	bool asked_settled; /* the worker is asked */
	unsigned verifications;
	bool withheld; /* until map_path_admit(): what may_carry() said when it was added */
	struct reservation_path reservation; /* the owner's */
	uint32_t doubts;		     /* of its nexus, when it was verified last */
	/* what the owner knows of the unit's size through it */
	uint64_t blocks; /* as last told there */
	bool seen;	 /* since its session logged in */
	bool waits;	 /* it reports too few blocks, and carries nothing */
	bool agreed;	 /* it was seen to agree with the others */
	bool size_told;	 /* its reason tells of its size */
};

struct map_device_ops {
	/** the block device is gone; the view still has its name */
	void (*withdrawn)(struct map_device *device, void *userdata);
	/** the block device is there, and the unit was not asked for anything yet: keep it now */
	void (*live)(struct map_device *device, void *userdata);
	/** it will have more blocks in a moment: device->resize_blocks */
	void (*growing)(struct map_device *device, void *userdata);
	/** after map_device_resize(); @step: what failed, with @error */
	void (*resized)(struct map_device *device, uint64_t old_blocks, int error, const char *step,
			void *userdata);
	/** the view, the device or its stage changed */
	void (*changed)(struct map_device *device, void *userdata);
	/** @from: map state before; changed() was called */
	void (*state_changed)(struct map_device *device, enum map_state from, void *userdata);
	/** @in_doubt: see path_in_doubt() */
	void (*path_changed)(struct map_path *path, enum path_state from, unsigned in_doubt,
			     void *userdata);
	/** which paths there are is about to change, or which of them is settled: what is saved
	 * of them must be true before any I/O is on its way, and so when this returns */
	void (*save)(struct map_device *device, void *userdata);
	/** it was verified, and put in question meanwhile: look again */
	void (*path_doubted)(struct map_path *path, void *userdata);
	/** @path is gone; freed after the call */
	void (*path_removed)(struct map_path *path, void *userdata);
	/**
	 * @path leads to the right unit. Return: whether it may carry I/O now; if not, something
	 * else is seen to, and map_path_admit() follows. May be called before path_changed().
	 */
	bool (*may_carry)(struct map_path *path, void *userdata);
	/** see struct map_observer */
	void (*conflict)(struct map_path *path, void *userdata);
	void (*fence_wanted)(struct map_path *path, void *userdata);
	/** the unit said that something about it changed (unit attention) */
	void (*attention)(struct map_path *path, uint8_t asc, uint8_t ascq, void *userdata);
	void (*event)(struct map_device *device, const struct event_facts *facts, void *userdata);
};

struct map_device {
	struct map_view view;
	struct worker *worker;
	struct mailbox *home;
	const struct map_device_ops *ops;
	void *userdata;

	struct map *map;
	struct disk *disk;
	struct disk_settings disk_settings;
	enum disk_stage stage;
	int disk_error;
	unsigned resumed;		     /* requests that an adopted device had under way */
	struct disk_node adopted;	     /* what it was adopted as; empty when it was not */
	bool held;			     /* no path is used yet: map_device_hold() */
	bool kept;			     /* it outlives this process: the owner keeps this */
	bool named;			     /* its links are made: the owner keeps this */
	bool ending;			     /* it has lost its last path for good: so does this */
	bool removing;			     /* its paths are to leave: so does this */
	struct disk_work *disk_work;	     /* what is under way */
	struct map_reservation *reservation; /* the owner's */
	bool registered;		     /* see map_set_reservation() */
	int write_error;
	/* what is known of its size: the owner keeps this, too */
	enum size_verdict size_verdict;
	uint64_t size_blocks, size_since_us;
	bool resize_failed;
	uint64_t resize_blocks; /* while it is resized: to what */
};

/**
 * map_device_new() - a map without paths and without block device
 * @name: of its link in /dev/hawser
 * Return: 0 or -errno
 */
int map_device_new(struct worker *worker, struct mailbox *home, const char *name,
		   const struct unit *unit, const struct map_settings *map_settings,
		   const struct disk_settings *disk_settings, const struct map_device_ops *ops,
		   void *userdata, struct map_device **ret);

/** map_device_free() - it has no path and no disk; NULL is fine */
void map_device_free(struct map_device *device);

/**
 * map_device_add_path() - one more way to the unit, whose identity was just verified
 * @host: its session; stays until path_removed()
 * @weight: see path_set_weight()
 * @limits: what its probe has found
 * @waits: it is not to be used before map_path_verified()
 * Return: 0 or -errno; the path is in the view at once and becomes active in a moment
 */
int map_device_add_path(struct map_device *device, struct session_view *session,
			struct session_host *host, uint64_t lun, unsigned weight,
			const struct unit_limits *limits, bool waits, struct map_path **ret);

/** map_path_set_port() - before map_path_verified(), for which it counts: what a probe has found */
void map_path_set_port(struct map_path *path, const struct unit_limits *limits);
/**
 * map_path_verified() - the right unit answers behind it
 * @doubts: struct nexus's when whoever verified it began; when there are more by now it is not used
 */
void map_path_verified(struct map_path *path, uint32_t doubts);
/** map_path_doubt() - see path_doubt_identity() */
void map_path_doubt(struct map_path *path, const char *reason);
/** map_path_ask_settled() - is it? Then save() is called, unless it is verified before */
void map_path_ask_settled(struct map_path *path);
/** map_path_admit() - what map_path_verified() put off: it may carry I/O */
void map_path_admit(struct map_path *path);
/** map_path_suspend() - no I/O until map_path_admit() */
void map_path_suspend(struct map_path *path, const char *reason);
void map_path_lost(struct map_path *path, const char *reason);
void map_path_unmapped(struct map_path *path, const char *reason);
void map_path_quarantine(struct map_path *path, const char *reason);
void map_path_fenced(struct map_path *path);
/** map_path_remove() - its session has ended; path_removed() follows */
void map_path_remove(struct map_path *path);
/**
 * map_path_remove_idle() - the same while the session lives, once nothing is on the path's wire
 *
 * Until then nothing happens, and the caller tries again. The path must carry no I/O any more.
 */
void map_path_remove_idle(struct map_path *path);

/**
 * map_device_adopt() - in place of map_device_expose(): the device of a process before this one
 * @node, @fds, @fd_count: see disk_adopt(); @fds are taken
 */
void map_device_adopt(struct map_device *device, const struct disk_node *node, const int *fds,
		      unsigned fd_count);

/** map_device_adopted_node() - what it was adopted as, also while that is under way */
const struct disk_node *map_device_adopted_node(const struct map_device *device);

/** map_device_hold() - use no path from now on until map_device_release() */
void map_device_hold(struct map_device *device);
/** map_device_release() - what was verified meanwhile is used */
void map_device_release(struct map_device *device);

/** map_device_ask_access() - see map_ask_access() */
void map_device_ask_access(struct map_device *device);
/**
 * map_device_switch_group() - see map_switch_group(); @number 0: map_failback()
 * @done: with its return value; @device is there still
 * Return: 0; -ENOMEM, and done() never runs
 */
int map_device_switch_group(struct map_device *device, unsigned number,
			    void (*done)(struct map_device *device, int error, void *userdata),
			    void *userdata);

/** map_device_expose() - make the block device; changed() tells when it is live, or failed */
void map_device_expose(struct map_device *device);

/**
 * map_device_resize() - the unit has @blocks now; nothing happens while the device is being made,
 *                       resized or taken away: changed() tells when to try again
 */
void map_device_resize(struct map_device *device, uint64_t blocks);

/**
 * map_device_give_up() - every request ends with EIO, those on a wire when they come back, and so
 *                        will all that come: the device is about to be taken away by force
 */
void map_device_give_up(struct map_device *device);

/**
 * map_device_withdraw() - take the block device away
 * @force: also while it is in use: everything outstanding fails
 * @done: with 0, or -EBUSY while it is in use
 */
void map_device_withdraw(struct map_device *device, bool force,
			 void (*done)(struct map_device *device, int error, void *userdata),
			 void *userdata);

/** map_device_set_reservation() - see map_set_reservation() */
void map_device_set_reservation(struct map_device *device, bool registered, int write_error);

/** map_device_holders() - see disk_holders() */
void map_device_holders(const struct map_device *device, char *text, size_t size_bytes);
