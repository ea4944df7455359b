/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What an administrator set for the whole daemon: /etc/hawser/hawser.conf with hawser.conf.d/ (one
 * table, config_table()), and open-iscsi's iscsid.conf, which has defaults for new records and a
 * few switches. Control thread only.
 */

#include <stdbool.h>
#include <stdint.h>

#include "util/settings.h"

struct record;

struct config {
	/* [log] */
	int32_t log_level; /* LOG_ERR … LOG_DEBUG */
	/* [worker] */
	int32_t workers; /* 0 = one per two CPUs, at least one */
	/* [block] */
	char exporter[16]; /* "auto", "ublk", "nbd", "fuse" */
	int32_t queue_depth;
	/* [multipath] */
	char selector[32];
	int32_t no_path_retry_ms; /* -1 = queue for ever */
	int32_t integrity;	  /* enum integrity */
	int32_t fence_wait_ms;
	int32_t guard_timeout_ms; /* -1 = never over */
	int32_t fence_lun_reset;  /* enum fence_reset */
	int32_t grouping;	  /* enum grouping */
	int32_t failback_ms;	  /* see struct map_settings */
	int32_t activation;	  /* enum activation */
	int32_t access_poll_ms;	  /* 0 = off */
	int32_t transition_ms;
	char reservation_key[24]; /* hexadecimal; "" = none */
	/* [failure] */
	int32_t suspect_ms, suspect_timeout_ms;
	int32_t lu_hang_timeout_ms; /* 0 = never */
	int32_t hedge_budget;	    /* percent */
	/* [reconnect] */
	int32_t reconnect_min_ms, reconnect_max_ms;
	/* [inventory] */
	int32_t inventory_poll_ms; /* 0 = off */
	/* [auth] */
	bool allow_short_secrets;
	/* [records] */
	char records_dir[256]; /* "" = where the host has them, node_store_find() */

	/* iscsid.conf */
	bool safe_logout;		/* refuse to log out what is in use */
	struct record *node_defaults;	/* a new node record, RECORD_NODE */
	struct record *target_defaults; /* a new discovery record, RECORD_SENDTARGETS */
	struct record *isns_defaults;	/* the same of an iSNS server, RECORD_ISNS */
};

/** config_table() - of hawser.conf, for reading, man page and "show" */
const struct settings_table *config_table(void);

/**
 * config_problem - something in a file could not be used
 * @level: LOG_WARNING; LOG_DEBUG for a key of iscsid.conf that means nothing here
 * @line:  0 when it is about the whole file
 */
typedef void config_problem(int level, const char *file, unsigned line, const char *text,
			    void *userdata);

/**
 * config_load() - defaults, then what the files say
 * @conf_dir: "/etc/iscsi", for iscsid.conf
 * @hawser_conf: "/etc/hawser/hawser.conf"; the folder is "<hawser_conf>.d"
 * @problem: may be NULL
 *
 * Missing files are fine, and what cannot be understood is reported and skipped.
 * Return: 0; -ENOMEM.
 */
int config_load(const char *conf_dir, const char *hawser_conf, struct config *ret,
		config_problem *problem, void *userdata);

/** config_deinit() - safe twice, and on a config of zeros */
void config_deinit(struct config *config);
