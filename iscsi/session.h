/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * iSCSI session in full feature phase: one I_T nexus, its CmdSN window and its connections (RFC
 * 7143 §4.2.2.1, §8.3). Belongs to one worker; every call comes from that worker's thread.
 *
 * A session outlives its connection: session_attach() gives it one that has logged in, loss takes
 * it away, and a relogin (same ISID, TSIH 0: session reinstatement) attaches the next one.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iscsi/settings.h"
#include "iscsi/statistics.h"

struct async_message;
struct management_request;
struct nexus;
struct ring;
struct scsi_command;
struct session;
struct target_request;

struct session_settings {
	uint16_t
		commands_max; /* node.session.cmds_max: tasks at once, beside the target's window */
	uint32_t noop_interval_ms; /* idle time before a ping; 0 = none */
	uint32_t noop_timeout_ms;  /* an unanswered ping fails the connection; 0 = never */
	uint32_t ping_bytes;	   /* data in a ping, which its answer must bring back; 0 = none */
	uint32_t suspect_ms; /* silence with commands outstanding before a ping, when other paths
				exist */
	uint32_t suspect_timeout_ms;  /* more silence before the connection is failed, when other
					 paths exist */
	uint32_t abort_timeout_ms;    /* ABORT TASK must be answered within this */
	uint32_t lu_reset_timeout_ms; /* the same of LOGICAL UNIT RESET; 0 = as ABORT TASK */
	uint32_t logout_timeout_ms;   /* as must a Logout; 0 = no limit, for both */
};

/* Why a connection ended. */
enum session_loss {
	SESSION_LOSS_CLOSED,   /* FIN or RST */
	SESSION_LOSS_TIMEOUT,  /* a ping was not answered */
	SESSION_LOSS_PROTOCOL, /* the target broke a rule */
	SESSION_LOSS_DIGEST,
	SESSION_LOSS_ASKED,  /* the target asked: async 1, 2, 3 */
	SESSION_LOSS_LOCAL,  /* session_drop() */
	SESSION_LOSS_LOGOUT, /* session_logout() is complete */
};

/* Calls come on the session's thread. */
struct session_observer {
	/**
	 * the connection is gone; every command that was on it has been, or will in this turn be,
	 * returned by its done(). The session may be attached again in this call, but not freed.
	 * @text: plain words, valid during the call
	 * @wait_s: the target wants no login before (Time2Wait)
	 */
	void (*lost)(struct session *session, enum session_loss loss, int error, const char *text,
		     unsigned wait_s, void *userdata);
	/**
	 * the target said something that is not the session's own business (RFC 7143 §11.9.1):
	 * event 0 about a unit, with its sense data, or any number that means nothing here. Not
	 * more often than async_queue.h lets it.
	 * @message: valid during the call
	 */
	void (*async_event)(struct session *session, const struct async_message *message,
			    void *userdata);
	/**
	 * data or an answer came damaged, and the target is asked for it again (ErrorRecoveryLevel
	 * 1); once for each connection, digest_err counts them all. May be NULL.
	 */
	void (*damaged)(struct session *session, void *userdata);
};

/** session_new() - not connected yet. @settings copied; @observer alive as long. Return: 0, -ENOMEM
 */
int session_new(struct ring *ring, const struct session_settings *settings,
		const struct session_observer *observer, void *userdata, struct session **ret);

/** session_free() - NULL is fine; must not be attached, and no unit of it in use */
void session_free(struct session *session);

/**
 * session_attach() - start full feature phase on a connection that has logged in
 * @fd: the socket; the session's from now on, also on failure
 * @early: bytes that were received behind the last login response
 *
 * Return: 0; -EBUSY when attached; -ENOMEM.
 */
int session_attach(struct session *session, int fd, const struct negotiated *negotiated,
		   const struct login_outcome *outcome, const void *early, size_t early_bytes);

bool session_attached(const struct session *session);

/** session_drop() - close the connection now; its commands come back NOT_SENT or IN_DOUBT */
void session_drop(struct session *session, const char *why);

/**
 * session_logout() - Logout "close session" and wait for its answer; lost() follows with
 * SESSION_LOSS_LOGOUT (or another reason when it does not end well). No new command is taken; those
 * that are there get two seconds to end, then the answer ends them: SCSI_ABORTED, or SCSI_NOT_SENT.
 */
void session_logout(struct session *session);

/**
 * session_manage() - ask the target for a task management function (management.h)
 * @request: stays the caller's, alive until its done() has run
 *
 * Commands of its scope that were sent before end with the response at latest, as SCSI_ABORTED:
 * they will not execute any more. No other is sent until then. What the target refuses changes
 * nothing; when it does not answer in time the session ends, and the commands are in doubt.
 *
 * Source: RFC 7143 §4.2.3.3, §4.2.3.4, §11.5; RFC 7144 §6
 * Return: 0, and done() runs exactly once, later, also when the connection is lost; otherwise it
 * never runs: -ENOTCONN while no new work is taken; -EOPNOTSUPP for a function of RFC 7144 when
 * iSCSIProtocolLevel 2 was not agreed on; -ESRCH for a command that is not on its way; -EINVAL for
 * a function that is not offered here (ABORT TASK is nexus_abort()).
 */
int session_manage(struct session *session, struct management_request *request);

/**
 * session_send_targets() - ask the target for its own portals (target_query.h)
 * @request: stays the caller's, alive until its done() has run
 *
 * There is no time limit: a target that pings and never answers keeps it until the session ends.
 * Source: RFC 7143 appendix C
 * Return: 0, and done() runs exactly once, perhaps inside this call; otherwise it never runs:
 * -ENOTCONN while no new work is taken; -EBUSY while another one is under way.
 */
int session_send_targets(struct session *session, struct target_request *request);

const struct session_statistics *session_get_statistics(const struct session *session);

/**
 * session_unit() - the nexus to logical unit @lun through this session; made when first asked for
 * @lun: as in struct nexus
 *
 * The nexus is the session's and lives as long as it; its @up follows the connection.
 * Return: 0 or -ENOMEM.
 */
int session_unit(struct session *session, uint64_t lun, struct nexus **ret);
