/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What the keys of a login mean (RFC 7143 §6.2, §13). One table says of each key who may send it,
 * in which stage, and by which rule the answer follows from the offer; both directions go through
 * it: answers to our offers are checked against it, offers of the target are answered from it.
 * Values are collected and take effect together, when the login succeeds.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iscsi/pdu.h"
#include "iscsi/settings.h"
#include "iscsi/text_keys.h"

enum key_rule {
	KEY_MINIMUM,	    /* number: the smaller */
	KEY_MAXIMUM,	    /* number: the larger */
	KEY_OR,		    /* Yes if one of both says Yes */
	KEY_AND,	    /* Yes if both say Yes */
	KEY_LIST,	    /* the first that the acceptor supports */
	KEY_NUMBER,	    /* declared: no answer */
	KEY_TEXT,	    /* declared: no answer */
	KEY_OBSOLETE,	    /* answered with Reject (§13.25) */
	KEY_AUTHENTICATION, /* of the authentication method: not settled here */
	KEY_RULE_COUNT,
};

enum key_flags {
	KEY_BY_INITIATOR = 0x001,
	KEY_BY_TARGET = 0x002,
	KEY_BY_BOTH = KEY_BY_INITIATOR | KEY_BY_TARGET,
	KEY_IN_SECURITY = 0x004,    /* stage 0 */
	KEY_IN_OPERATIONAL = 0x008, /* stage 1 */
	KEY_IN_ANY_STAGE = KEY_IN_SECURITY | KEY_IN_OPERATIONAL,
	KEY_OFFERED = 0x010,	  /* we propose or declare it */
	KEY_LEADING_ONLY = 0x020, /* not when a connection is added to a session */
	KEY_NORMAL_ONLY = 0x040,  /* irrelevant in discovery sessions */
	KEY_OPTIONAL = 0x080,	  /* NotUnderstood is an answer that we accept */
	KEY_REPEATABLE = 0x100,
	KEY_ON_REQUEST = 0x200, /* we propose it when the settings want more than its default */
};

/* Where a row's value lives; @size 0 = nowhere. */
struct key_field {
	uint16_t settings_offset, negotiated_offset, size;
};

struct negotiation_key {
	const char *name;
	enum key_rule rule;
	unsigned flags;
	uint32_t standard, minimum, maximum; /* default and range; booleans: 0 and 1 */
	struct key_field field;
};

#define NEGOTIATION_KEYS_MAX 40

/** struct negotiation - one login's; embed it, negotiation_init() it */
struct negotiation {
	bool discovery, leading;
	bool owes_answer;   /* the target proposed a standard key and waits for our answer */
	uint64_t requested; /* KEY_ON_REQUEST; one bit per row */
	uint64_t offered, seen, settled;	       /* one bit per row of the table */
	uint32_t ours[NEGOTIATION_KEYS_MAX];	       /* what we want, in range */
	uint32_t agreed[NEGOTIATION_KEYS_MAX];	       /* valid where settled */
	const char *lists[NEGOTIATION_KEYS_MAX];       /* what we want of list keys */
	struct text_span chosen[NEGOTIATION_KEYS_MAX]; /* out of our list */
	uint32_t max_xmit_cap;			       /* bytes; 0 = none */
	struct negotiated result;		       /* complete after negotiation_conclude() */
	char failure[160];			       /* after -EPROTO, -EACCES: one sentence */
};

/** negotiation_keys() - the table, for tests and documentation */
const struct negotiation_key *negotiation_keys(size_t *count);

void negotiation_init(struct negotiation *negotiation, const struct login_settings *settings);

/**
 * negotiation_offer() - write every key that we propose or declare in @stage
 * AuthMethod in LOGIN_STAGE_SECURITY; names and SessionType are the caller's.
 */
void negotiation_offer(struct negotiation *negotiation, enum login_stage stage,
		       struct text_keys *out);

/**
 * negotiation_receive() - one pair from the target: the answer to an offer, or an offer of its own
 * @answers: gets what must be answered; @owes_answer tells whether leaving it out would break a
 * rule
 *
 * Return: 0; 1 when the key belongs to the authentication method and was not looked at; -EPROTO
 * when the target broke a rule of the negotiation, -EACCES when it refuses our AuthMethod (see
 * @failure).
 */
int negotiation_receive(struct negotiation *negotiation, enum login_stage stage,
			const struct text_pair *pair, struct text_keys *answers);

/** negotiation_authentication() - the method agreed on, or NULL as long as there is none */
const char *negotiation_authentication(const struct negotiation *negotiation);

/** negotiation_portal_group() - the target's TargetPortalGroupTag, or -1 as long as it is not told
 */
int32_t negotiation_portal_group(const struct negotiation *negotiation);

/**
 * negotiation_conclude() - put it all into @result; what was not settled has the standard's default
 * Return: 0; -EPROTO when a default is not acceptable (see @failure).
 */
int negotiation_conclude(struct negotiation *negotiation);
