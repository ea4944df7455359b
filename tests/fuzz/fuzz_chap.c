/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* The keys of a target during CHAP, in as many steps as it likes: a pair without a key ends one. */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "iscsi/chap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct login_settings settings = {
		.chap_algorithms = {CHAP_SHA3_256, CHAP_SHA256, CHAP_SHA1, CHAP_MD5},
	};
	struct text_span text = {(const char *)data, size};
	struct text_pair pair;
	struct text_keys out;
	struct chap chap;
	int r, step = 0;

	memcpy(settings.initiator.secret, "abcdefghijklmnop", 16);
	settings.initiator.secret_length = 16;
	memcpy(settings.target.secret, "ponmlkjihgfedcba", 16);
	settings.target.secret_length = 16;
	r = chap_init(&chap, &settings);
	assert(r == 0);
	text_keys_init(&out, 8192);
	chap_offer(&chap, &out);

	while (step >= 0 && (r = text_pair_next(&text, &pair)) != 0) {
		if (r == 1) {
			struct chap_binary binary;

			(void)chap_binary_decode(pair.value, &binary);
			step = chap_take(&chap, &pair);
		} else if (chap.state == CHAP_OFFERED) {
			step = chap_respond(&chap, &out);
		} else {
			/* nobody can answer a challenge that was made just now */
			step = chap_verify(&chap);
			assert(step < 0);
		}
	}
	chap_deinit(&chap);
	text_keys_deinit(&out);
	return 0;
}
