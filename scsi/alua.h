/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Asymmetric logical unit access (SPC-4 §5.15): which of a unit's target port groups does its I/O,
 * as REPORT TARGET PORT GROUPS tells, and SET TARGET PORT GROUPS to have another one do it. The
 * parser takes whatever a device sent. The questions run on the nexus's thread and know no clock.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/bytes.h"

struct alua_activation;
struct alua_query;
struct nexus;

/* Asymmetric access state of a target port group (SPC-4 §6.37, table 317). */
enum access_state {
	ACCESS_UNKNOWN, /* nobody told, or a reserved code */
	ACCESS_OPTIMIZED,
	ACCESS_NON_OPTIMIZED,
	ACCESS_LBA_DEPENDENT,
	ACCESS_STANDBY,
	ACCESS_UNAVAILABLE,
	ACCESS_OFFLINE,
	ACCESS_TRANSITIONING,
	ACCESS_STATE_COUNT,
};

/** access_state_name() - as D-Bus and the CLI show it: "optimized", "standby"; "" for unknown */
const char *access_state_name(enum access_state state);
/** access_state_of() - the four bits of a descriptor; ACCESS_UNKNOWN for a reserved code */
enum access_state access_state_of(uint8_t code);

/**
 * access_state_of_sense() - what sense data say of the port group that a command came through
 * @key, @asc, @ascq: SPC-4 §5.15.2.4: 2/04/0A … 2/04/0C, 2/04/12, also as unit attention
 *
 * Return: ACCESS_UNKNOWN when they say nothing of it.
 */
enum access_state access_state_of_sense(uint8_t key, uint8_t asc, uint8_t ascq);
/** access_sense_is_change() - a unit attention that says: ask again (2A/06, 2A/07) */
bool access_sense_is_change(uint8_t key, uint8_t asc, uint8_t ascq);

/* TPGS of the standard INQUIRY data: who may change the states. */
#define ALUA_IMPLICIT 1 /* the target by itself */
#define ALUA_EXPLICIT 2 /* and initiators by SET TARGET PORT GROUPS */

/* One target port group as it was told. */
struct alua_group {
	uint16_t id;
	enum access_state state;
	bool preferred;
	uint8_t supported; /* bits as on the wire; 0 = not told */
	uint8_t status;	   /* why it is in this state: 1 STPG, 2 implicit; 0 = not told */
	struct reader ports;
};

#define ALUA_SUPPORTS_OPTIMIZED 0x01

/* What a device sent; its memory stays the caller's. */
struct alua_report {
	uint8_t transition_s; /* implicit transition time; 0 = not told */
	struct reader groups;
};

/**
 * alua_report_parse() - the header, of either format: told by the data, not by what was asked for
 *
 * Return: 0; -EBADMSG when there is no header.
 */
int alua_report_parse(const void *data, size_t length, struct alua_report *ret);
/** alua_report_length() - bytes of the whole, as it tells itself. Return: 0 when there is no header
 */
uint32_t alua_report_length(const void *data, size_t length);

/**
 * alua_report_next() - the next group
 * @report: a copy; it is consumed. A group that is cut off does not count, and ends it; one whose
 *	    list of ports is cut off counts, with those that came
 */
bool alua_report_next(struct alua_report *report, struct alua_group *ret);

/** alua_group_has_port() - is the relative target port in it? */
bool alua_group_has_port(const struct alua_group *group, uint16_t relative_port);

/**
 * alua_report_find() - the group of one port
 * @relative_port: -1 = not known
 * @id: the group that the port named as its own; -1 = not known
 *
 * The group that lists the port, which may have been moved since it was asked for its own; else the
 * one with @id.
 */
bool alua_report_find(const struct alua_report *report, int32_t relative_port, int32_t id,
		      struct alua_group *ret);

/**
 * alua_query_start() - REPORT TARGET PORT GROUPS over @nexus
 * @timeout_ms: for each answer
 * @done: runs once, never inside this call; the query is freed when it returns. @error: 0, and
 *        @report is valid during the call; -EOPNOTSUPP, the unit does not know it; -EINPROGRESS,
 * the answer was that the group is in transition; -EBUSY, not now; -EBADMSG; -ETIMEDOUT; -ENOTCONN;
 * -EIO, another failure
 *
 * First with the extended header, which has the transition time, and without where that is refused.
 * Return: 0; -ENOMEM; -ENOTCONN (done() never runs).
 */
int alua_query_start(struct nexus *nexus, uint32_t timeout_ms,
		     void (*done)(int error, const struct alua_report *report, void *userdata),
		     void *userdata, struct alua_query **ret);
/** alua_query_cancel() - done() will not run, @query must not be touched again; NULL is fine */
void alua_query_cancel(struct alua_query *query);

/**
 * alua_activation_start() - SET TARGET PORT GROUPS: @group to active/optimized (SPC-4 §6.45)
 * @done: as above; -EOPNOTSUPP: the unit does not know it, -EREMOTEIO: it could not (67/0A)
 *
 * What becomes of the other groups is the target's choice: ask afterwards.
 */
int alua_activation_start(struct nexus *nexus, uint16_t group, uint32_t timeout_ms,
			  void (*done)(int error, void *userdata), void *userdata,
			  struct alua_activation **ret);
/** alua_activation_cancel() - as alua_query_cancel() */
void alua_activation_cancel(struct alua_activation *activation);
