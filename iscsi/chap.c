/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "iscsi/chap.h"

#include <assert.h>
#include <errno.h>
#include <nettle/base64.h>
#include <nettle/md5.h>
#include <nettle/memops.h>
#include <nettle/nettle-meta.h>
#include <nettle/sha1.h>
#include <nettle/sha2.h>
#include <nettle/sha3.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "util/cleanup.h"
#include "util/text.h"

#define OWN_CHALLENGE_LENGTH 32u /* bytes: no shorter than any digest (RFC 7143 §9.2.1) */

static const struct algorithm {
	uint8_t number;
	const char *name; /* as node.session.auth.chap_algs spells it */
	const struct nettle_hash *hash;
} algorithms[] = {
	{CHAP_MD5, "MD5", &nettle_md5},
	{CHAP_SHA1, "SHA1", &nettle_sha1},
	{CHAP_SHA256, "SHA256", &nettle_sha256},
	{CHAP_SHA3_256, "SHA3-256", &nettle_sha3_256},
};

union hash_context {
	struct md5_ctx md5;
	struct sha1_ctx sha1;
	struct sha256_ctx sha256;
	struct sha3_256_ctx sha3_256;
};

enum taken {
	TAKEN_A = 1,
	TAKEN_I = 2,
	TAKEN_C = 4,
	TAKEN_N = 8,
	TAKEN_R = 16,
	TAKEN_CHALLENGE = TAKEN_A | TAKEN_I | TAKEN_C,
	TAKEN_PROOF = TAKEN_N | TAKEN_R,
};

static const struct algorithm *algorithm_of(uint8_t number)
{
	for (size_t i = 0; i < ARRAY_SIZE(algorithms); i++) {
		if (algorithms[i].number == number)
			return &algorithms[i];
	}
	return NULL;
}

const char *chap_algorithm_name(uint8_t algorithm)
{
	const struct algorithm *known = algorithm_of(algorithm);

	return known ? known->name : NULL;
}

int chap_hash(uint8_t algorithm, uint8_t identifier, const void *secret, size_t secret_length,
	      const void *challenge, size_t challenge_length, uint8_t *digest)
{
	const struct algorithm *known = algorithm_of(algorithm);
	union hash_context context;

	if (!known)
		return -EINVAL;
	assert(known->hash->context_size <= sizeof(context));
	assert(known->hash->digest_size <= CHAP_DIGEST_MAX);

	known->hash->init(&context);
	known->hash->update(&context, 1, &identifier);
	known->hash->update(&context, secret_length, secret);
	known->hash->update(&context, challenge_length, challenge);
	known->hash->digest(&context, known->hash->digest_size, digest);
	explicit_bzero(&context, sizeof(context));
	return (int)known->hash->digest_size;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "n hexadecimal digits have a byte-length of (n + 1)/2": an odd number has a zero before it */
static int decode_hex(struct text_span digits, struct chap_binary *ret)
{
	size_t odd = digits.length & 1;

	if (digits.length > CHAP_CHALLENGE_MAX * 2)
		return -E2BIG;
	memset(ret->bytes, 0, (digits.length + 1) / 2);
	for (size_t i = 0; i < digits.length; i++) {
		int value = hex_value(digits.at[i]);
		uint8_t *byte = &ret->bytes[(i + odd) / 2];

		if (value < 0)
			return -EINVAL;
		*byte = (uint8_t)(*byte << 4 | value);
	}
	ret->length = (uint16_t)((digits.length + 1) / 2);
	return 0;
}

static int decode_base64(struct text_span digits, struct chap_binary *ret)
{
	uint8_t bytes[BASE64_DECODE_LENGTH(BASE64_ENCODE_RAW_LENGTH(CHAP_CHALLENGE_MAX))];
	struct base64_decode_ctx context;
	size_t length = sizeof(bytes);

	if (digits.length > BASE64_ENCODE_RAW_LENGTH(CHAP_CHALLENGE_MAX))
		return -E2BIG;
	base64_decode_init(&context);
	if (!base64_decode_update(&context, &length, bytes, digits.length, digits.at) ||
	    !base64_decode_final(&context))
		return -EINVAL;
	if (length > CHAP_CHALLENGE_MAX)
		return -E2BIG;
	memcpy(ret->bytes, bytes, length);
	ret->length = (uint16_t)length;
	return 0;
}

int chap_binary_decode(struct text_span text, struct chap_binary *ret)
{
	struct text_span digits = {text.at + 2, text.length - 2};
	struct chap_binary binary;
	int r;

	if (text.length < 3 || text.at[0] != '0')
		return -EINVAL;
	if (text.at[1] == 'x' || text.at[1] == 'X')
		r = decode_hex(digits, &binary);
	else if (text.at[1] == 'b' || text.at[1] == 'B')
		r = decode_base64(digits, &binary);
	else
		return -EINVAL;
	if (r < 0)
		return r;
	if (binary.length == 0)
		return -EINVAL;
	*ret = binary;
	return 0;
}

static int refuse(struct chap *chap, int error, const char *why)
{
	text_copy(chap->failure, sizeof(chap->failure), why);
	return error;
}

static int copy_algorithms(struct chap *chap, const struct login_settings *settings)
{
	static const uint8_t standard[CHAP_ALGORITHM_MAX] = {CHAP_MD5}; /* all know it (§12.1.3) */
	const uint8_t *wanted = settings->chap_algorithms[0] ? settings->chap_algorithms : standard;
	bool forbidden = false;
	size_t count = 0;

	for (size_t i = 0; i < CHAP_ALGORITHM_MAX && wanted[i] != 0; i++) {
		if (wanted[i] == CHAP_MD5 && settings->forbid_md5)
			forbidden = true;
		else if (algorithm_of(wanted[i]))
			chap->algorithms[count++] = wanted[i];
	}
	if (count > 0)
		return 0;
	return refuse(chap, -EACCES,
		      forbidden ? "FIPS mode forbids MD5, and no other CHAP algorithm is set: add "
				  "SHA256 to node.session.auth.chap_algs"
				: "no CHAP algorithm is allowed that we know");
}

/* "SHOULD NOT continue … unless it can verify that the CHAP secret is at least 96 bits" */
static int check_length(struct chap *chap, const struct login_settings *settings)
{
	if (settings->initiator.secret_length >= CHAP_SECRET_MIN || settings->allow_short_secret)
		return 0;
	snprintf(chap->failure, sizeof(chap->failure),
		 "the CHAP secret has %u bytes and needs %u: set a longer one at both ends, or "
		 "hawser.auth.allow_short_secrets",
		 settings->initiator.secret_length, CHAP_SECRET_MIN);
	return -EACCES;
}

int chap_init(struct chap *chap, const struct login_settings *settings)
{
	const struct chap_credentials *initiator = &settings->initiator,
				      *target = &settings->target;

	*chap = (struct chap){.initiator = *initiator, .target = *target};
	chap->mutual = target->secret_length > 0;
	if (initiator->secret_length == 0 || initiator->secret_length > CHAP_SECRET_MAX ||
	    target->secret_length > CHAP_SECRET_MAX)
		return refuse(chap, -EACCES, "authentication is wanted, but no CHAP secret is set");
	if (initiator->secret_length == target->secret_length &&
	    memeql_sec(initiator->secret, target->secret, target->secret_length))
		return refuse(chap, -EACCES,
			      "the CHAP secrets of the initiator and of the target must differ");
	if (check_length(chap, settings) < 0)
		return -EACCES;
	return copy_algorithms(chap, settings);
}

void chap_share(struct chap *chap, struct chap_challenges *challenges)
{
	chap->challenges = challenges;
}

void chap_deinit(struct chap *chap)
{
	if (chap->link.next)
		list_remove(&chap->link);
	explicit_bzero(chap, offsetof(struct chap, failure));
}

void chap_offer(struct chap *chap, struct text_keys *out)
{
	char list[CHAP_ALGORITHM_MAX * 4 + 1] = "";
	size_t length = 0;

	for (size_t i = 0; i < CHAP_ALGORITHM_MAX && chap->algorithms[i] != 0; i++)
		length += (size_t)snprintf(list + length, sizeof(list) - length, "%s%u",
					   i > 0 ? "," : "", chap->algorithms[i]);
	text_keys_add(out, "CHAP_A", list);
	chap->state = CHAP_OFFERED;
	chap->taken = 0;
}

static int take_byte(struct text_span text, uint8_t *ret)
{
	uint64_t number;

	if (text_span_number(text, &number) < 0 || number > UINT8_MAX)
		return -EINVAL;
	*ret = (uint8_t)number;
	return 0;
}

static int take_algorithm(struct chap *chap, struct text_span value)
{
	return take_byte(value, &chap->algorithm);
}

static int take_identifier(struct chap *chap, struct text_span value)
{
	return take_byte(value, &chap->identifier);
}

static int take_challenge(struct chap *chap, struct text_span value)
{
	return chap_binary_decode(value, &chap->challenge);
}

/* A name is text as it stands, also one that begins with 0x (§12.1.3). */
static int take_name(struct chap *chap, struct text_span value)
{
	if (value.length == 0 || value.length > CHAP_NAME_MAX)
		return -EINVAL;
	memcpy(chap->name, value.at, value.length);
	chap->name[value.length] = '\0';
	return 0;
}

static int take_response(struct chap *chap, struct text_span value)
{
	return chap_binary_decode(value, &chap->response);
}

static const struct chap_key {
	const char *name;
	enum chap_state state; /* the step that the key belongs to */
	enum taken taken;
	int (*read)(struct chap *chap, struct text_span value);
} chap_keys[] = {
	{"CHAP_A", CHAP_OFFERED, TAKEN_A, take_algorithm},
	{"CHAP_I", CHAP_OFFERED, TAKEN_I, take_identifier},
	{"CHAP_C", CHAP_OFFERED, TAKEN_C, take_challenge},
	{"CHAP_N", CHAP_RESPONDED, TAKEN_N, take_name},
	{"CHAP_R", CHAP_RESPONDED, TAKEN_R, take_response},
};

/* The values of these keys are not for the log: the key is all that is told. */
static int refuse_key(struct chap *chap, const char *key, const char *why)
{
	snprintf(chap->failure, sizeof(chap->failure), "the target sent %s %s", key, why);
	return -EPROTO;
}

int chap_take(struct chap *chap, const struct text_pair *pair)
{
	for (size_t i = 0; i < ARRAY_SIZE(chap_keys); i++) {
		const struct chap_key *key = &chap_keys[i];

		if (!text_span_is(pair->key, key->name))
			continue;
		if (key->state != chap->state || (chap->state == CHAP_RESPONDED && !chap->mutual))
			return refuse_key(chap, key->name, "at the wrong moment");
		if (chap->taken & key->taken)
			return refuse_key(chap, key->name, "twice");
		if (key->read(chap, pair->value) < 0)
			return refuse_key(chap, key->name, "malformed");
		chap->taken |= key->taken;
		return 0;
	}
	return refuse(chap, -EPROTO, "the target sent a key that CHAP does not have");
}

static void add_binary(struct text_keys *out, const char *key, const void *bytes, size_t length)
{
	char text[2 + 2 * OWN_CHALLENGE_LENGTH + 1] = "0x";

	static_assert(OWN_CHALLENGE_LENGTH >= CHAP_DIGEST_MAX, "both are sent in this form");
	assert(length <= OWN_CHALLENGE_LENGTH);
	text_hex_encode(bytes, length, text + 2);
	text_keys_add(out, key, text);
}

static int random_bytes(void *bytes, size_t length)
{
	/* up to 256 bytes come whole or not at all (getrandom(2)) */
	ssize_t n = getrandom(bytes, length, 0);

	return n == (ssize_t)length ? 0 : n < 0 ? -errno : -EIO;
}

/* Made after the target's challenge came, so that it cannot be one that the target gave us. */
static int challenge_target(struct chap *chap, struct text_keys *out)
{
	int r;

	chap->own_challenge.length = OWN_CHALLENGE_LENGTH;
	r = random_bytes(chap->own_challenge.bytes, OWN_CHALLENGE_LENGTH);
	if (r == 0)
		r = random_bytes(&chap->own_identifier, 1);
	if (r < 0)
		return r;
	if (chap->challenges)
		list_append(&chap->challenges->outstanding, &chap->link);
	text_keys_add_number(out, "CHAP_I", chap->own_identifier);
	add_binary(out, "CHAP_C", chap->own_challenge.bytes, OWN_CHALLENGE_LENGTH);
	return 0;
}

/* Has the target's challenge come from us, over another connection that is still open? */
static bool is_reflected(const struct chap *chap)
{
	const struct chap *other;

	if (!chap->challenges)
		return false;
	list_for_each (other, &chap->challenges->outstanding, link)
		if (other->own_challenge.length == chap->challenge.length &&
		    memcmp(other->own_challenge.bytes, chap->challenge.bytes,
			   chap->challenge.length) == 0)
			return true;
	return false;
}

int chap_respond(struct chap *chap, struct text_keys *out)
{
	uint8_t digest[CHAP_DIGEST_MAX];
	int length;

	if (chap->state != CHAP_OFFERED || chap->taken != TAKEN_CHALLENGE)
		return refuse(chap, -EPROTO,
			      "the target did not send CHAP_A, CHAP_I and CHAP_C together");
	if (!memchr(chap->algorithms, chap->algorithm, CHAP_ALGORITHM_MAX) || chap->algorithm == 0)
		return refuse(chap, -EPROTO,
			      "the target chose a CHAP algorithm that was not offered");

	if (is_reflected(chap))
		return refuse(chap, -EACCES,
			      "the target's CHAP challenge is our own, from another connection");

	length = chap_hash(chap->algorithm, chap->identifier, chap->initiator.secret,
			   chap->initiator.secret_length, chap->challenge.bytes,
			   chap->challenge.length, digest);
	assert(length > 0); /* only algorithms that we know are offered */
	text_keys_add(out, "CHAP_N", chap->initiator.name);
	add_binary(out, "CHAP_R", digest, (size_t)length);
	explicit_bzero(digest, sizeof(digest));

	chap->state = CHAP_RESPONDED;
	chap->taken = 0;
	return chap->mutual ? challenge_target(chap, out) : 0;
}

int chap_verify(struct chap *chap)
{
	uint8_t digest[CHAP_DIGEST_MAX];
	int length;

	if (chap->state != CHAP_RESPONDED)
		return refuse(chap, -EACCES, "the target ended authentication before it began");
	chap->state = CHAP_DONE;
	if (!chap->mutual)
		return 0;
	if (chap->taken != TAKEN_PROOF)
		return refuse(chap, -EACCES, "the target did not prove itself");
	if (chap->target.name[0] != '\0' && strcmp(chap->target.name, chap->name) != 0)
		return refuse(chap, -EACCES,
			      "the target gave another CHAP name than the one expected");

	length = chap_hash(chap->algorithm, chap->own_identifier, chap->target.secret,
			   chap->target.secret_length, chap->own_challenge.bytes,
			   chap->own_challenge.length, digest);
	if (length != chap->response.length ||
	    !memeql_sec(digest, chap->response.bytes, (size_t)length))
		return refuse(chap, -EACCES, "the target does not know its CHAP secret");
	return 0;
}
