/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The whole initiator below the daemon, over TCP, against the fake target: login and discovery as
 * they stand, and a session on a real ring. Time limits are generous and only end what hangs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iscsi/discovery.h"
#include "iscsi/login.h"
#include "iscsi/session.h"
#include "iscsi/settings.h"
#include "scsi/command.h"
#include "tests/fakes/fake_target.h"
#include "util/ring.h"

#define CONFORMANCE_SECRET	 "abcdefghijklmnop"
#define CONFORMANCE_OTHER_SECRET "ponmlkjihgfedcba"
#define IOS_MAX			 160
#define BLOCK_BYTES		 512

struct io {
	struct scsi_command command;
	struct initiator *initiator;
	uint8_t *data;
	unsigned done;
};

struct initiator {
	struct fake_target *target;
	struct login_settings settings;
	struct session_settings session_settings;
	enum login_state state;
	struct login_result result;
	struct negotiated negotiated;
	struct login_outcome outcome;
	char redirect[256];
	uint8_t early[65536];
	size_t early_length;
	int fd;

	struct ring *ring;
	struct ring_timer tick;
	struct session *session;
	struct nexus *nexus;
	unsigned lost;
	enum session_loss loss;
	unsigned wait_s;
	char text[160];
	unsigned events;
	unsigned pending;
	struct io *ios[IOS_MAX];
	size_t io_count;
	bool may_complain; /* the test looks at the complaints itself */
};

/** initiator_new() - with the target of @script; not connected */
struct initiator *initiator_new(const char *script);
/** initiator_free() - drops what is attached; the target must have nothing to complain about */
void initiator_free(struct initiator *initiator);

/** initiator_script() - more lines for the target */
void initiator_script(struct initiator *initiator, const char *lines);

/** initiator_login() - connect and log in; the result is in @initiator too */
enum login_state initiator_login(struct initiator *initiator);
/** initiator_start() - a target, a login that must succeed, and its session */
struct initiator *initiator_start(const char *script);
/** initiator_attach() - give the session the connection that has logged in */
void initiator_attach(struct initiator *initiator);
/** initiator_refused() - log in at a target of @script; it must fail so, and say so */
void initiator_refused(const char *script, enum login_failure failure, const char *says);

/** initiator_read(), initiator_write() - submit; blocks of BLOCK_BYTES */
struct io *initiator_read(struct initiator *initiator, uint32_t lba, uint32_t blocks);
struct io *initiator_write(struct initiator *initiator, uint32_t lba, uint32_t blocks);
/** initiator_finish() - until nothing is pending */
void initiator_finish(struct initiator *initiator);
/** initiator_until_lost() - until the connection is gone: once, and for this reason */
void initiator_until_lost(struct initiator *initiator, enum session_loss loss);
/** initiator_until() - until the target's record has @count entries that fit @pattern */
void initiator_until(struct initiator *initiator, const char *pattern, unsigned count);
/** initiator_turn() - one turn of the ring, 2 ms at most */
void initiator_turn(struct initiator *initiator);
/** initiator_run_ms() - so long; for what must not happen */
void initiator_run_ms(struct initiator *initiator, unsigned ms);

/** initiator_verify() - write, read back and compare; everything must be GOOD */
void initiator_verify(struct initiator *initiator, uint32_t lba, uint32_t blocks);

/** initiator_discover() - a discovery session; the caller's to discovery_free() */
struct discovery *initiator_discover(struct initiator *initiator);
