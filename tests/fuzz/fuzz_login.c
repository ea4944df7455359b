/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Bytes of a target during login. The first byte chooses the kind of login; in each response that
 * follows, what must be right for the exchange to go on is put right, so that the fuzzer gets past
 * the first response. An odd first byte leaves everything as it is.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "iscsi/login.h"
#include "iscsi/pdu.h"
#include "util/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct login_settings make_settings(uint8_t kind)
{
	struct login_settings settings = {
		.initiator_name = "iqn.2001-04.com.example:i",
		.target_name = "iqn.2001-04.com.example:t",
		.discovery = kind & 2,
		.authenticate = kind & 4,
		.header_digest = DIGEST_CRC32C_NONE,
		.max_recv_data_segment_length = 65536,
		.max_burst_length = 1048576,
		.first_burst_length = 65536,
		.max_outstanding_r2t = 4,
		.max_connections = 2,
		.immediate_data = true,
		.chap_algorithms = {CHAP_SHA3_256, CHAP_SHA256, CHAP_SHA1, CHAP_MD5},
	};

	memcpy(settings.initiator.secret, "abcdefghijklmnop", 16);
	settings.initiator.secret_length = 16;
	if (kind & 8) {
		memcpy(settings.target.secret, "ponmlkjihgfedcba", 16);
		settings.target.secret_length = 16;
	}
	return settings;
}

/* One response out of @data: what the fuzzer rarely guesses is filled in. Return: bytes used */
static size_t respond(struct login *login, uint32_t stat_sn, const uint8_t *data, size_t size)
{
	uint8_t bytes[BHS_LENGTH + 1024];
	struct bhs_login_response response = {.opcode = PDU_LOGIN_RESPONSE};
	size_t length;
	int r;

	if (size < 4)
		return size;
	response.flags = data[0];
	response.tsih = be16_of(data[1]);
	response.status_class = data[2] < 200 ? 0 : data[2];
	response.status_detail = data[2];
	response.stat_sn = be32_of(stat_sn);
	length = MIN((size_t)data[3] * 4, size - 4);
	r = pdu_write(&response, data + 4, length, bytes, sizeof(bytes));
	if (r > 0)
		login_input(login, bytes, (size_t)r);
	return 4 + length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct login_settings settings;
	struct login *login;
	uint32_t stat_sn = 0;

	if (size == 0)
		return 0;
	settings = make_settings(data[0]);
	if (login_new(&settings, &login) < 0)
		return 0;

	for (size_t at = 1; at < size;) {
		size_t length;

		login_output(login, &length);
		if (login_get_state(login) == LOGIN_SENDING)
			login_sent(login, length);
		if (login_get_state(login) != LOGIN_RECEIVING)
			break;
		if (data[0] & 1)
			at += MAX(login_input(login, data + at, MIN(size - at, (size_t)48)),
				  (size_t)1);
		else
			at += respond(login, stat_sn++, data + at, size - at);
	}
	login_free(login);
	return 0;
}
