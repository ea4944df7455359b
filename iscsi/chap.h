/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * CHAP, sans I/O (RFC 7143 §9.2.1, §12.1.3; RFC 1994): this side proves itself to the target, and
 * with mutual CHAP the target proves itself to this side.
 *
 *	chap_offer()    →  CHAP_A
 *	chap_take()     ←  CHAP_A, CHAP_I, CHAP_C
 *	chap_respond()  →  CHAP_N, CHAP_R [, CHAP_I, CHAP_C]
 *	chap_take()     ←  [CHAP_N, CHAP_R]
 *	chap_verify()
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iscsi/settings.h"
#include "iscsi/text_keys.h"
#include "util/list.h"

#define CHAP_CHALLENGE_MAX 1024 /* bytes, §12.1.3 */
#define CHAP_DIGEST_MAX	   32	/* bytes */

enum chap_state {
	CHAP_IDLE,
	CHAP_OFFERED,	/* waits for CHAP_A, CHAP_I, CHAP_C */
	CHAP_RESPONDED, /* waits for CHAP_N, CHAP_R when mutual */
	CHAP_DONE,
};

/* One key's value as it came. */
struct chap_binary {
	uint16_t length; /* bytes */
	uint8_t bytes[CHAP_CHALLENGE_MAX];
};

/*
 * The challenges of ours that wait for their answer, of all logins of this process. A target could
 * take one from one connection and give it as its own on another, to let us compute the answer that
 * it owes (RFC 7143 §9.2.1). Bounded by the number of logins; one thread's.
 */
struct chap_challenges {
	struct list outstanding; /* struct chap, by link */
};

static inline void chap_challenges_init(struct chap_challenges *challenges)
{
	list_init(&challenges->outstanding);
}

/** struct chap - one login's; embed it, chap_init() it, chap_deinit() wipes it */
struct chap {
	enum chap_state state;
	bool mutual;
	struct chap_credentials initiator, target;
	uint8_t algorithms[CHAP_ALGORITHM_MAX]; /* offered; 0 ends */

	unsigned taken; /* keys of this step, one bit each */
	uint8_t algorithm, identifier;
	struct chap_binary challenge, response;
	char name[CHAP_NAME_MAX + 1];

	uint8_t own_identifier;
	struct chap_binary own_challenge;
	struct chap_challenges *challenges; /* where ours is known to others; NULL: nowhere */
	struct list link;		    /* there, once @own_challenge is made */
	char failure[120];		    /* after -EPROTO and -EACCES: one sentence */
};

/**
 * chap_init() - @settings has the credentials; they are copied
 *
 * Return: 0; -EACCES when they must not be used (RFC 7143 §9.2.1): no secret; the same for both
 * directions, which would let a target play our own answer back to us; one of less than
 * CHAP_SECRET_MIN bytes that is not allowed to be so short; or no algorithm is left.
 */
int chap_init(struct chap *chap, const struct login_settings *settings);

/** chap_share() - after chap_init(): compare challenges with those of other logins, which outlives
 * this one */
void chap_share(struct chap *chap, struct chap_challenges *challenges);

/** chap_deinit() - wipe everything but @failure; safe twice */
void chap_deinit(struct chap *chap);

/** chap_offer() - write CHAP_A */
void chap_offer(struct chap *chap, struct text_keys *out);

/**
 * chap_take() - one CHAP_… key of the target
 * Return: 0; -EPROTO when it is malformed, not expected in this step, or comes twice.
 */
int chap_take(struct chap *chap, const struct text_pair *pair);

/**
 * chap_respond() - all keys of the challenge are there: write the answer, and our own challenge
 * when mutual
 *
 * Our challenge is made anew for every login, after the target's has come: no target can have
 * reflected it. Return: 0; -EPROTO when a key is missing or the algorithm was not offered; -EACCES
 * when the challenge is one of ours from another connection; -errno of getrandom().
 */
int chap_respond(struct chap *chap, struct text_keys *out);

/**
 * chap_verify() - did the target prove itself?
 * Return: 0, also when that was not asked for; -EACCES when it did not.
 */
int chap_verify(struct chap *chap);

/**
 * chap_hash() - the response: hash over identifier, secret and challenge (RFC 1994 §4.1)
 * @digest: CHAP_DIGEST_MAX bytes
 * Return: bytes of the response; -EINVAL for an algorithm we do not know.
 */
int chap_hash(uint8_t algorithm, uint8_t identifier, const void *secret, size_t secret_length,
	      const void *challenge, size_t challenge_length, uint8_t *digest);

/**
 * chap_binary_decode() - binary-value in hex ("0x…") or base64 ("0b…") form (RFC 7143 §6.1)
 * Return: 0; -EINVAL; -E2BIG beyond CHAP_CHALLENGE_MAX bytes.
 */
int chap_binary_decode(struct text_span text, struct chap_binary *ret);

/** chap_algorithm_name() - "MD5", "SHA1", "SHA256", "SHA3-256"; NULL when we do not know it */
const char *chap_algorithm_name(uint8_t algorithm);
