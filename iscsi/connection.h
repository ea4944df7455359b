/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * One TCP connection in full feature phase: batches PDUs out, receives PDUs in, keeps StatSN, and
 * notices when the target falls silent (RFC 7143 §4.2.2.2, §11.18, §11.19). What the PDUs mean is
 * its owner's business, which it calls through struct connection_ops. Belongs to one worker.
 *
 * Everything that is due is sent in one sendmsg() per turn of the ring, and one recvmsg() may bring
 * many PDUs.
 */

#include <stdbool.h>
#include <stdint.h>

#include "iscsi/keepalive.h"
#include "iscsi/pdu.h"
#include "scsi/nexus.h"

struct connection;
struct negotiated;
struct pdu_slot;
struct ring;
struct session_statistics;

/* Why a connection ends; the owner translates it. */
enum connection_end {
	CONNECTION_CLOSED_BY_TARGET,
	CONNECTION_SILENT,
	CONNECTION_PROTOCOL_ERROR,
	CONNECTION_DIGEST_ERROR,
	CONNECTION_DROPPED, /* connection_drop() */
};

struct connection_ops {
	/** the next PDU to send; ExpStatSN is filled in here. Return: false when nothing is due */
	bool (*next_pdu)(struct connection *connection, struct pdu_slot *slot);
	/** a PDU that next_pdu() gave has left; its data is no longer used. Those that have not
	 * when the connection ends are not told of: see ended() */
	void (*left)(struct connection *connection, void *owner);
	/** see struct receiver_ops; @why is set on failure */
	int (*header)(struct connection *connection, const struct bhs *bhs, void **data,
		      const char **why);
	/** a whole PDU; its StatSN was checked and counted. @why is set on failure */
	int (*received)(struct connection *connection, const struct bhs *bhs, const uint8_t *data,
			const char **why);
	/**
	 * a whole PDU whose StatSN is not the next one: one that was processed before, or one
	 * behind a lost one (§7.9). ExpStatSN stays as it is. @why is set on failure
	 */
	int (*out_of_order)(struct connection *connection, const struct bhs *bhs,
			    const uint8_t *data, const char **why);
	/** a PDU came with a wrong data digest (§7.8). Return: 0 to go on without it; -errno ends
	 * the connection */
	int (*damaged)(struct connection *connection, const struct bhs *bhs, const char **why);
	/** a ping is due; the owner has a tag for it. Return: false when none can be sent now */
	bool (*ping)(struct connection *connection);
	/** memory that connection_let_go() could not free at once is free now; may be NULL */
	void (*let_go)(struct connection *connection);
	/** with commands outstanding it is silent, or stuck (keepalive.h, tcp_health.h); or it is
	 * well again. @reason: static. May be NULL */
	void (*health_changed)(struct connection *connection, enum nexus_health health,
			       const char *reason);
	/** socket closed, no memory of any PDU in use any more; may be started again */
	void (*ended)(struct connection *connection, enum connection_end end, int error,
		      const char *text);
};

/**
 * connection_new() - not started
 * @statistics: counters to keep; alive as long
 * Return: 0 or -ENOMEM
 */
int connection_new(struct ring *ring, const struct connection_ops *ops, void *owner,
		   struct session_statistics *statistics, struct connection **ret);
/** connection_free() - only when it has ended or never started; NULL is fine */
void connection_free(struct connection *connection);

void *connection_owner(const struct connection *connection);

/**
 * connection_start() - take over a socket
 * @fd: the connection's from now on
 * @exp_stat_sn: StatSN that comes next
 * @early: bytes received before; processed by the end of this turn
 * Return: 0; -ENOBUFS when @early is larger than any login could leave (@fd is closed then)
 */
int connection_start(struct connection *connection, int fd, const struct negotiated *negotiated,
		     const struct keepalive_settings *keepalive, uint32_t exp_stat_sn,
		     const void *early, size_t early_bytes);

bool connection_running(const struct connection *connection);

/** connection_kick() - something is due: it leaves at the end of this turn */
void connection_kick(struct connection *connection);

/** connection_set_busy() - commands are outstanding, or no longer */
void connection_set_busy(struct connection *connection, bool busy);
/** connection_set_aggressive() - see keepalive.h */
void connection_set_aggressive(struct connection *connection, bool aggressive);
/** connection_ping_answered() - Return: round trip, microseconds */
uint32_t connection_ping_answered(struct connection *connection);

/**
 * connection_let_go() - receive nothing into @memory any more; what comes for it is thrown away
 *
 * Return: true when that holds from now on; false when a receive into it is under way and let_go()
 * comes as soon as that is over, or ended() before.
 */
bool connection_let_go(struct connection *connection, const void *memory, size_t length_bytes);

/** connection_exp_stat_sn() - StatSN that comes next */
uint32_t connection_exp_stat_sn(const struct connection *connection);
/**
 * connection_hold_acknowledgement() - tell the target of no answer from @stat_sn on, although it
 * came: what belongs to it is still missing, and once acknowledged it could not be asked for (§7.9)
 */
void connection_hold_acknowledgement(struct connection *connection, uint32_t stat_sn);
void connection_release_acknowledgement(struct connection *connection);

/**
 * connection_drop() - close; ended() follows, never inside this call
 * @error: 0 after a logout, and the target is told by FIN; else -errno, and it is told by RST
 * @text: static, or NULL
 */
void connection_drop(struct connection *connection, enum connection_end end, int error,
		     const char *text);
