/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * An iSCSI target over TCP, on a thread of its own. By itself it is a correct one (RFC 7143,
 * ErrorRecoveryLevel 0, one connection per session) and serves a RAM disk. A script says what it is
 * called, where it listens, and what it does otherwise than a correct target would;
 * docs/FAKE_TARGET.md has the language. It records every PDU of both directions, and every rule of
 * the standard that an initiator broke.
 *
 * Patterns are those of the script: a PDU's name and what its fields must be, for example
 * "data-out ttt=0xffffffff final=1".
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iscsi/pdu.h"

#define FAKE_TARGET_PROBLEM_MAX 200 /* bytes */
#define FAKE_TARGET_NAME	"iqn.2026-01.org.example:fake"

struct fake_target;
struct fake_unit;

/* One entry of the record; its memory is the target's. */
struct fake_pdu {
	struct bhs bhs;
	uint8_t *data;	     /* of login, text, NOP and reject all of it; otherwise NULL */
	uint8_t *ahs;	     /* additional header segments; NULL when there are none */
	uint32_t length;     /* of the data segment, bytes */
	uint8_t event;	     /* enum pdu_opcode, or one of enum fake_event */
	unsigned connection; /* 0 is the first one that was made */
	uint64_t at_ms;	     /* CLOCK_MONOTONIC */
};

/* What is in the record beside PDUs; patterns name them "connected", "closed" and "reset". */
enum fake_event {
	FAKE_CONNECTED = 0x40,
	FAKE_CLOSED, /* the initiator sent FIN */
	FAKE_RESET,  /* it sent RST, or closed with bytes of ours unread */
};

/**
 * fake_target_new() - listen and serve
 * @script: settings and rules, one a line; without a portal line it listens on 127.0.0.1, port of
 *	    the kernel's choice, portal group 1
 * @problem: what is wrong with the script, with its line
 *
 * Return: 0; -EINVAL and @problem is set; -errno of the sockets.
 */
int fake_target_new(const char *script, struct fake_target **ret,
		    char problem[FAKE_TARGET_PROBLEM_MAX]);
/** fake_target_free() - closes everything; NULL is fine */
void fake_target_free(struct fake_target *target);

/** fake_target_script() - more lines; a rule or command without "on" is carried out at once */
int fake_target_script(struct fake_target *target, const char *lines,
		       char problem[FAKE_TARGET_PROBLEM_MAX]);

size_t fake_target_portals(const struct fake_target *target);
/** fake_target_address() - of portal @index, as "address:port,tag" */
const char *fake_target_address(const struct fake_target *target, size_t index);
uint16_t fake_target_port(const struct fake_target *target, size_t index);
/** fake_target_unit() - its disk; only while no command is running */
struct fake_unit *fake_target_unit(struct fake_target *target);
/** fake_target_other() - the one that "swap" puts in its place */
struct fake_unit *fake_target_other(struct fake_target *target);

/** fake_target_count() - how many entries of the record fit @pattern, which must be a right one */
unsigned fake_target_count(struct fake_target *target, const char *pattern);
/** fake_target_find() - the one with @index (from 0). Return: false when there are not so many */
bool fake_target_find(struct fake_target *target, const char *pattern, unsigned index,
		      struct fake_pdu *ret);
/** fake_target_wait() - until @count entries fit, @timeout_ms at most. Return: false: they do not
 */
bool fake_target_wait(struct fake_target *target, const char *pattern, unsigned count,
		      unsigned timeout_ms);
/** fake_target_field() - the value of a field by its name in the script; UINT64_MAX: has none */
uint64_t fake_target_field(const struct fake_pdu *pdu, const char *name);
/** fake_target_key() - the value of a text key of a login or text PDU; NULL: not there */
const char *fake_target_key(const struct fake_pdu *pdu, const char *key);

/** fake_target_complaints() - rules that initiators broke, a line each; "" when there are none */
const char *fake_target_complaints(struct fake_target *target);

/**
 * fake_target_watch() - tell of everything as it happens, on the target's thread
 * @watch, @complain: NULL: nothing is told
 */
void fake_target_watch(struct fake_target *target, void (*watch)(const struct fake_pdu *pdu),
		       void (*complain)(const char *text));
/** fake_target_event_name() - "login-response", as in the script */
const char *fake_target_event_name(uint8_t event);
