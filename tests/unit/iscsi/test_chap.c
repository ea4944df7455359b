/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "iscsi/chap.h"
#include "util/cleanup.h"
#include "util/text.h"

#define SECRET	      "abcdefghijklmnop"
#define OTHER_SECRET  "ponmlkjihgfedcba"
#define HEX_CHALLENGE "0x000102030405060708090a0b0c0d0e0f"
#define B64_CHALLENGE "0bAAECAwQFBgcICQoLDA0ODw=="

static const struct {
	uint8_t algorithm;
	const char *response;
} vectors[] = {
	{CHAP_MD5, "83111be7385c6bba1a4d726d2a67347f"},
	{CHAP_SHA1, "7b806a02198cfd7f5d499fea16684bfb1275ed0f"},
	{CHAP_SHA256, "c9f74f74408b62106313baf1361f82530679d4677f13614ed23034a5e8cf8163"},
	{CHAP_SHA3_256, "c58aeb0b0fac9050065286e807112e59db773adb73f8f70d9ffec395b13b10a8"},
};

static struct login_settings settings_of(const char *target_secret, uint8_t algorithm)
{
	struct login_settings settings = {.authenticate = true, .chap_algorithms = {algorithm}};

	strcpy(settings.initiator.name, "initiator");
	memcpy(settings.initiator.secret, SECRET, 16);
	settings.initiator.secret_length = 16;
	if (target_secret) {
		strcpy(settings.target.name, "target");
		memcpy(settings.target.secret, target_secret, strlen(target_secret));
		settings.target.secret_length = (uint16_t)strlen(target_secret);
	}
	return settings;
}

struct fixture {
	struct login_settings settings;
	struct chap chap;
	struct text_keys out;
};

static void begin(struct fixture *f, const char *target_secret, uint8_t algorithm)
{
	f->settings = settings_of(target_secret, algorithm);
	text_keys_init(&f->out, 8192);
	assert_int_equal(chap_init(&f->chap, &f->settings), 0);
	chap_offer(&f->chap, &f->out);
}

static void finish(struct fixture *f)
{
	chap_deinit(&f->chap);
	text_keys_deinit(&f->out);
}

static int receive(struct fixture *f, const char *key, const char *value)
{
	struct text_pair pair = {text_span_of(key), text_span_of(value)};

	return chap_take(&f->chap, &pair);
}

static int challenge(struct fixture *f, const char *algorithm, const char *bytes)
{
	if (receive(f, "CHAP_A", algorithm) < 0 || receive(f, "CHAP_I", "0x52") < 0 ||
	    receive(f, "CHAP_C", bytes) < 0)
		return -EPROTO;
	text_keys_clear(&f->out);
	return chap_respond(&f->chap, &f->out);
}

/* What the target of the tests would answer to the challenge in @f->out. */
static void prove(const struct fixture *f, const char *secret, char *response)
{
	uint8_t digest[CHAP_DIGEST_MAX];
	int length = chap_hash(f->chap.algorithm, f->chap.own_identifier, secret, strlen(secret),
			       f->chap.own_challenge.bytes, f->chap.own_challenge.length, digest);

	assert_true(length > 0);
	memcpy(response, "0x", 2);
	text_hex_encode(digest, (size_t)length, response + 2);
}

static void every_algorithm_gives_the_known_response(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		static const char *const forms[] = {HEX_CHALLENGE, B64_CHALLENGE};

		for (size_t k = 0; k < ARRAY_SIZE(forms); k++) {
			struct fixture f;
			char want[160], number[4];
			int length;

			begin(&f, NULL, vectors[i].algorithm);
			snprintf(number, sizeof(number), "%u", vectors[i].algorithm);
			assert_int_equal(challenge(&f, number, forms[k]), 0);
			length = snprintf(want, sizeof(want), "CHAP_N=initiator%cCHAP_R=0x%s", 0,
					  vectors[i].response) +
				 1;
			assert_int_equal(f.out.length, length);
			assert_memory_equal(f.out.bytes, want, length);
			assert_int_equal(chap_verify(&f.chap), 0);
			finish(&f);
		}
	}
}

static void binaries_are_read_in_both_forms(void **state)
{
	static const struct {
		const char *text;
		int result;
		size_t length;
		const char *bytes;
	} rows[] = {
		{"0x00", 0, 1, "\x00"},		  {"0X0aFf", 0, 2, "\x0a\xff"},
		{"0xabc", 0, 2, "\x0a\xbc"},	  {"0x5", 0, 1, "\x05"},
		{"0bAA==", 0, 1, "\x00"},	  {"0BAAE=", 0, 2, "\x00\x01"},
		{"0bAAEC", 0, 3, "\x00\x01\x02"}, {"0b+/+/", 0, 3, "\xfb\xff\xbf"},
		{"", -EINVAL, 0, NULL},		  {"0", -EINVAL, 0, NULL},
		{"0x", -EINVAL, 0, NULL},	  {"0b", -EINVAL, 0, NULL},
		{"0xg0", -EINVAL, 0, NULL},	  {"0x0 ", -EINVAL, 0, NULL},
		{"0b====", -EINVAL, 0, NULL},	  {"0bA", -EINVAL, 0, NULL},
		{"0bAA", -EINVAL, 0, NULL},	  {"0bA!==", -EINVAL, 0, NULL},
		{"123456", -EINVAL, 0, NULL},	  {"1x00", -EINVAL, 0, NULL},
		{"abcdef", -EINVAL, 0, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct chap_binary binary = {.length = 77};

		if (chap_binary_decode(text_span_of(rows[i].text), &binary) != rows[i].result)
			fail_msg("%s", rows[i].text);
		assert_int_equal(binary.length, rows[i].result < 0 ? 77 : rows[i].length);
		if (rows[i].result == 0)
			assert_memory_equal(binary.bytes, rows[i].bytes, rows[i].length);
	}
}

static void challenges_have_up_to_1024_bytes(void **state)
{
	static const struct {
		size_t length;
		int result;
	} rows[] = {{1, 0},    {16, 0},	  {255, 0},	   {256, 0},
		    {1023, 0}, {1024, 0}, {1025, -EPROTO}, {4000, -EPROTO}};
	static char text[2 + 8000 + 1];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t base64 = (rows[i].length + 2) / 3 * 4,
		       padding = base64 / 4 * 3 - rows[i].length;
		struct fixture f;

		memset(text, 'a', sizeof(text));
		memcpy(text, "0x", 2);
		text[2 + rows[i].length * 2] = '\0';
		begin(&f, NULL, CHAP_MD5);
		assert_int_equal(challenge(&f, "5", text), rows[i].result);
		finish(&f);

		memset(text, 'A', sizeof(text));
		memcpy(text, "0b", 2);
		memset(text + 2 + base64 - padding, '=', padding);
		text[2 + base64] = '\0';
		begin(&f, NULL, CHAP_MD5);
		assert_int_equal(challenge(&f, "5", text), rows[i].result);
		if (rows[i].result == 0)
			assert_int_equal(f.chap.challenge.length, rows[i].length);
		finish(&f);
	}
}

static void algorithms_are_offered_in_order(void **state)
{
	struct login_settings settings = settings_of(NULL, 0);
	struct text_keys out;
	struct chap chap;

	text_keys_init(&out, 8192);
	assert_int_equal(chap_init(&chap, &settings), 0);
	chap_offer(&chap, &out);
	assert_memory_equal(out.bytes, "CHAP_A=5\0", 9);

	text_keys_clear(&out);
	memcpy(settings.chap_algorithms, "\x08\x07\x06\x05", 4);
	assert_int_equal(chap_init(&chap, &settings), 0);
	chap_offer(&chap, &out);
	assert_memory_equal(out.bytes, "CHAP_A=8,7,6,5\0", 15);

	text_keys_clear(&out);
	memcpy(settings.chap_algorithms, "\x09\x07\x00\x05", 4);
	assert_int_equal(chap_init(&chap, &settings), 0);
	chap_offer(&chap, &out);
	assert_memory_equal(out.bytes, "CHAP_A=7\0", 9);

	memcpy(settings.chap_algorithms, "\x09\x00\x00\x00", 4);
	assert_int_equal(chap_init(&chap, &settings), -EACCES);
	text_keys_deinit(&out);
}

static void only_offered_algorithms_are_accepted(void **state)
{
	static const char *const chosen[] = {"9", "6", "0", "256", "x", "5,7", "", "MD5"};

	for (size_t i = 0; i < ARRAY_SIZE(chosen); i++) {
		struct fixture f;

		begin(&f, NULL, CHAP_MD5);
		assert_int_equal(challenge(&f, chosen[i], HEX_CHALLENGE), -EPROTO);
		finish(&f);
	}
}

static void keys_come_in_their_step_and_once(void **state)
{
	static const char *const scripts[][8] = {
		/* key, value, …: the last one, or the end of the step, breaks the rule */
		{"CHAP_A", "5", "CHAP_I", "1"},
		{"CHAP_A", "5", "CHAP_C", HEX_CHALLENGE},
		{"CHAP_I", "5", "CHAP_C", HEX_CHALLENGE},
		{"CHAP_A", "5", "CHAP_A", "5"},
		{"CHAP_I", "1", "CHAP_I", "1"},
		{"CHAP_C", HEX_CHALLENGE, "CHAP_C", HEX_CHALLENGE},
		{"CHAP_A", "5", "CHAP_I", "1", "CHAP_C", HEX_CHALLENGE, "CHAP_A", "5"},
		{"CHAP_C", "0x01", "CHAP_A", "5", "CHAP_I", "1", "CHAP_C", HEX_CHALLENGE},
		{"CHAP_A", "5", "CHAP_R", "0x00"},
		{"CHAP_N", "target"},
		{"CHAP_I", "256"},
		{"CHAP_I", "-1"},
		{"CHAP_I", "one"},
		{"CHAP_C", "0x"},
		{"CHAP_X", "1"},
		{NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct fixture f;
		int r = 0;

		begin(&f, NULL, CHAP_MD5);
		for (size_t k = 0; r == 0 && k < 8 && scripts[i][k]; k += 2)
			r = receive(&f, scripts[i][k], scripts[i][k + 1]);
		if (r == 0)
			r = chap_respond(&f.chap, &f.out);
		assert_int_equal(r, -EPROTO);
		assert_true(f.chap.failure[0] != '\0');
		finish(&f);
	}
}

static void a_target_that_knows_its_secret_is_accepted(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		char number[4], response[80];
		struct fixture f;

		begin(&f, OTHER_SECRET, vectors[i].algorithm);
		snprintf(number, sizeof(number), "%u", vectors[i].algorithm);
		assert_int_equal(challenge(&f, number, HEX_CHALLENGE), 0);
		assert_int_equal(f.chap.own_challenge.length, 32);
		assert_non_null(memmem(f.out.bytes, f.out.length, "\0CHAP_I=", 8));
		assert_non_null(memmem(f.out.bytes, f.out.length, "\0CHAP_C=0x", 10));
		prove(&f, OTHER_SECRET, response);
		assert_int_equal(receive(&f, "CHAP_R", response), 0);
		assert_int_equal(receive(&f, "CHAP_N", "target"), 0);
		assert_int_equal(chap_verify(&f.chap), 0);
		assert_int_equal(f.chap.state, CHAP_DONE);
		finish(&f);
	}
}

static void a_target_that_does_not_prove_itself_is_refused(void **state)
{
	enum proof { NOTHING, NO_NAME, NO_RESPONSE, WRONG_NAME, WRONG_SECRET, SHORT, LONG, REPLAY };

	for (enum proof proof = NOTHING; proof <= REPLAY; proof++) {
		char response[100];
		struct fixture f;

		begin(&f, OTHER_SECRET, CHAP_MD5);
		assert_int_equal(challenge(&f, "5", HEX_CHALLENGE), 0);
		prove(&f, proof == WRONG_SECRET ? "something else" : OTHER_SECRET, response);
		if (proof == SHORT)
			response[strlen(response) - 2] = '\0';
		if (proof == LONG)
			strcat(response, "00");
		if (proof == REPLAY)
			snprintf(response, sizeof(response), "0x%s", vectors[0].response);

		if (proof != NOTHING && proof != NO_NAME)
			assert_int_equal(
				receive(&f, "CHAP_N", proof == WRONG_NAME ? "t" : "target"), 0);
		if (proof != NOTHING && proof != NO_RESPONSE)
			assert_int_equal(receive(&f, "CHAP_R", response), 0);
		assert_int_equal(chap_verify(&f.chap), -EACCES);
		assert_true(f.chap.failure[0] != '\0');
		finish(&f);
	}
}

static void any_name_of_the_target_will_do_when_none_is_set(void **state)
{
	char response[80];
	struct fixture f;

	begin(&f, OTHER_SECRET, CHAP_MD5);
	f.chap.target.name[0] = '\0';
	assert_int_equal(challenge(&f, "5", HEX_CHALLENGE), 0);
	prove(&f, OTHER_SECRET, response);
	assert_int_equal(receive(&f, "CHAP_N", "0x12 is a name"), 0);
	assert_int_equal(receive(&f, "CHAP_R", response), 0);
	assert_int_equal(chap_verify(&f.chap), 0);
	finish(&f);

	/* but there must be one */
	begin(&f, OTHER_SECRET, CHAP_MD5);
	f.chap.target.name[0] = '\0';
	assert_int_equal(challenge(&f, "5", HEX_CHALLENGE), 0);
	prove(&f, OTHER_SECRET, response);
	assert_int_equal(receive(&f, "CHAP_R", response), 0);
	assert_int_equal(chap_verify(&f.chap), -EACCES);
	finish(&f);
}

static void an_unasked_proof_is_out_of_step(void **state)
{
	struct fixture f;

	begin(&f, NULL, CHAP_MD5);
	assert_int_equal(challenge(&f, "5", HEX_CHALLENGE), 0);
	assert_null(memmem(f.out.bytes, f.out.length, "CHAP_C", 6));
	assert_int_equal(receive(&f, "CHAP_N", "target"), -EPROTO);
	finish(&f);
}

static void names_have_1_to_255_bytes(void **state)
{
	char name[257];
	struct fixture f;

	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	begin(&f, OTHER_SECRET, CHAP_MD5);
	assert_int_equal(challenge(&f, "5", HEX_CHALLENGE), 0);
	assert_int_equal(receive(&f, "CHAP_N", name), -EPROTO);
	assert_int_equal(receive(&f, "CHAP_N", ""), -EPROTO);
	assert_int_equal(receive(&f, "CHAP_N", name + 1), 0);
	finish(&f);
}

static void our_challenge_is_new_every_time(void **state)
{
	static uint8_t seen[100][32];

	for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
		struct fixture f;

		begin(&f, OTHER_SECRET, CHAP_MD5);
		assert_int_equal(challenge(&f, "5", HEX_CHALLENGE), 0);
		memcpy(seen[i], f.chap.own_challenge.bytes, 32);
		for (size_t k = 0; k < i; k++)
			assert_memory_not_equal(seen[i], seen[k], 32);
		finish(&f);
	}
}

static void one_secret_for_both_directions_is_refused(void **state)
{
	struct login_settings settings = settings_of(SECRET, CHAP_MD5);
	struct chap chap;

	assert_int_equal(chap_init(&chap, &settings), -EACCES);
	assert_non_null(strstr(chap.failure, "differ"));
}

/* RFC 7143 §9.2.1: 96 bits */
static void a_secret_of_less_than_12_bytes_is_used_only_when_that_is_allowed(void **state)
{
	struct login_settings settings = settings_of(OTHER_SECRET, CHAP_MD5);
	struct chap chap;

	for (uint16_t length = 1; length <= 16; length++) {
		settings.initiator.secret_length = length;
		settings.allow_short_secret = false;
		assert_int_equal(chap_init(&chap, &settings), length < 12 ? -EACCES : 0);
		chap_deinit(&chap);
		if (length < 12)
			assert_non_null(strstr(chap.failure, "hawser.auth.allow_short_secrets"));
		settings.allow_short_secret = true;
		assert_int_equal(chap_init(&chap, &settings), 0);
		chap_deinit(&chap);
	}
}

static void fips_mode_takes_md5_off_the_list_and_keeps_its_order(void **state)
{
	static const struct {
		uint8_t wanted[CHAP_ALGORITHM_MAX];
		const char *offer; /* NULL: none is left */
	} rows[] = {
		{{CHAP_SHA3_256, CHAP_MD5, CHAP_SHA256}, "8,7"},
		{{CHAP_MD5, CHAP_SHA1}, "6"},
		{{CHAP_SHA256, CHAP_SHA3_256, CHAP_SHA1, CHAP_MD5}, "7,8,6"},
		{{CHAP_MD5}, NULL},
		{{0}, NULL}, /* the default is MD5 */
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct login_settings settings = settings_of(NULL, 0);
		struct text_keys out;
		struct chap chap;
		char offer[40];

		memcpy(settings.chap_algorithms, rows[i].wanted, CHAP_ALGORITHM_MAX);
		settings.forbid_md5 = true;
		assert_int_equal(chap_init(&chap, &settings), rows[i].offer ? 0 : -EACCES);
		if (!rows[i].offer) {
			assert_non_null(strstr(chap.failure, "FIPS"));
			assert_non_null(strstr(chap.failure, "node.session.auth.chap_algs"));
			continue;
		}
		text_keys_init(&out, 100);
		chap_offer(&chap, &out);
		snprintf(offer, sizeof(offer), "CHAP_A=%s", rows[i].offer);
		assert_string_equal(out.bytes, offer);
		text_keys_deinit(&out);
		chap_deinit(&chap);
	}
}

/* RFC 7143 §9.2.1: "reflects Alice's challenge as the initial challenge … on Connection 2" */
static void our_challenge_of_another_connection_is_not_answered(void **state)
{
	struct chap_challenges challenges;
	struct fixture one, two;
	char stolen[2 + 2 * 32 + 1] = "0x";

	chap_challenges_init(&challenges);
	begin(&one, OTHER_SECRET, CHAP_MD5);
	chap_share(&one.chap, &challenges);
	assert_int_equal(challenge(&one, "5", HEX_CHALLENGE), 0);
	text_hex_encode(one.chap.own_challenge.bytes, 32, stolen + 2);

	begin(&two, OTHER_SECRET, CHAP_MD5);
	chap_share(&two.chap, &challenges);
	assert_int_equal(challenge(&two, "5", stolen), -EACCES);
	assert_non_null(strstr(two.chap.failure, "another connection"));
	assert_null(text_keys_span(&two.out).at ? strstr(two.out.bytes, "CHAP_R") : NULL);
	finish(&two);

	/* with its connection the challenge ends, and another challenge was never meant */
	finish(&one);
	assert_true(list_empty(&challenges.outstanding));
	begin(&two, OTHER_SECRET, CHAP_MD5);
	chap_share(&two.chap, &challenges);
	assert_int_equal(challenge(&two, "5", stolen), 0);
	finish(&two);
}

static void no_secret_is_no_authentication(void **state)
{
	struct login_settings settings = settings_of(OTHER_SECRET, CHAP_MD5);
	struct chap chap;

	settings.initiator.secret_length = 0;
	assert_int_equal(chap_init(&chap, &settings), -EACCES);
}

static void nothing_secret_is_left_behind(void **state)
{
	struct login_settings settings = settings_of(OTHER_SECRET, CHAP_MD5);
	struct chap chap;

	assert_int_equal(chap_init(&chap, &settings), 0);
	assert_non_null(memmem(&chap, sizeof(chap), SECRET, 16));
	chap_deinit(&chap);
	assert_null(memmem(&chap, sizeof(chap), SECRET, 16));
	assert_null(memmem(&chap, sizeof(chap), OTHER_SECRET, 16));
	chap_deinit(&chap);
}

static void algorithms_have_the_names_of_the_setting(void **state)
{
	assert_string_equal(chap_algorithm_name(5), "MD5");
	assert_string_equal(chap_algorithm_name(6), "SHA1");
	assert_string_equal(chap_algorithm_name(7), "SHA256");
	assert_string_equal(chap_algorithm_name(8), "SHA3-256");
	assert_null(chap_algorithm_name(0));
	assert_null(chap_algorithm_name(9));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_algorithm_gives_the_known_response),
		cmocka_unit_test(binaries_are_read_in_both_forms),
		cmocka_unit_test(challenges_have_up_to_1024_bytes),
		cmocka_unit_test(algorithms_are_offered_in_order),
		cmocka_unit_test(only_offered_algorithms_are_accepted),
		cmocka_unit_test(keys_come_in_their_step_and_once),
		cmocka_unit_test(a_target_that_knows_its_secret_is_accepted),
		cmocka_unit_test(a_target_that_does_not_prove_itself_is_refused),
		cmocka_unit_test(any_name_of_the_target_will_do_when_none_is_set),
		cmocka_unit_test(an_unasked_proof_is_out_of_step),
		cmocka_unit_test(names_have_1_to_255_bytes),
		cmocka_unit_test(our_challenge_is_new_every_time),
		cmocka_unit_test(one_secret_for_both_directions_is_refused),
		cmocka_unit_test(a_secret_of_less_than_12_bytes_is_used_only_when_that_is_allowed),
		cmocka_unit_test(fips_mode_takes_md5_off_the_list_and_keeps_its_order),
		cmocka_unit_test(our_challenge_of_another_connection_is_not_answered),
		cmocka_unit_test(no_secret_is_no_authentication),
		cmocka_unit_test(nothing_secret_is_left_behind),
		cmocka_unit_test(algorithms_have_the_names_of_the_setting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
