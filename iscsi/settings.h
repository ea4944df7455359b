/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What one login wants (out of a node record) and what the two sides agreed on. Plain data, copied
 * between threads.
 */

#include <stdbool.h>
#include <stdint.h>

#define ISCSI_NAME_MAX	   223 /* bytes, RFC 7143 §4.2.7.1 */
#define CHAP_NAME_MAX	   255
#define CHAP_SECRET_MAX	   255
#define CHAP_ALGORITHM_MAX 4

enum digest_choice { /* offered in this order of preference */
		     DIGEST_NONE,
		     DIGEST_CRC32C,
		     DIGEST_CRC32C_NONE,
		     DIGEST_NONE_CRC32C,
};

/* RFC 7143 §12.1.3 and IANA's PPP authentication algorithms */
enum chap_algorithm {
	CHAP_MD5 = 5,
	CHAP_SHA1 = 6,
	CHAP_SHA256 = 7,
	CHAP_SHA3_256 = 8,
};

struct chap_credentials {
	char name[CHAP_NAME_MAX + 1];
	uint8_t secret[CHAP_SECRET_MAX + 1];
	uint16_t secret_length; /* bytes; 0 = not set */
};

struct login_settings {
	char initiator_name[ISCSI_NAME_MAX + 1];
	char initiator_alias[256];
	char target_name[ISCSI_NAME_MAX + 1]; /* empty in a discovery session */
	bool discovery;
	uint8_t isid[6];
	uint16_t tsih; /* 0: new session or session reinstatement */
	uint16_t cid;
	uint32_t cmd_sn; /* initial CmdSN */

	bool authenticate;			   /* offer CHAP; without it only None is offered */
	struct chap_credentials initiator, target; /* @target: mutual CHAP when its secret is set */
	uint8_t chap_algorithms[CHAP_ALGORITHM_MAX]; /* enum chap_algorithm, in order; 0 ends */

	/* offered values of the operational keys (RFC 7143 §13) */
	enum digest_choice header_digest, data_digest;
	uint32_t max_recv_data_segment_length;		 /* bytes, ours */
	uint32_t max_burst_length, first_burst_length;	 /* bytes */
	uint16_t default_time2wait, default_time2retain; /* seconds */
	uint16_t max_outstanding_r2t, max_connections;
	uint8_t error_recovery_level;
	bool initial_r2t, immediate_data, data_pdu_in_order, data_sequence_in_order;
	uint32_t max_xmit_data_segment_length; /* bytes; 0 = what the target declares */
};

/* The outcome of key negotiation; defaults are those of RFC 7143 §13. */
struct negotiated {
	bool header_digest, data_digest;       /* CRC32C */
	uint32_t max_recv_data_segment_length; /* ours */
	uint32_t max_xmit_data_segment_length; /* the target's, capped by the settings */
	uint32_t max_burst_length, first_burst_length;
	uint16_t default_time2wait, default_time2retain;
	uint16_t max_outstanding_r2t, max_connections;
	uint8_t error_recovery_level;
	bool initial_r2t, immediate_data, data_pdu_in_order, data_sequence_in_order;
	int32_t target_portal_group_tag; /* -1 = not told */
	char target_alias[256];
	char authentication[16]; /* "None", "CHAP" */
};

/* Where the conversation stands when full feature phase begins. */
struct login_outcome {
	uint16_t tsih;
	uint32_t cmd_sn; /* CmdSN of the next non-immediate request */
	uint32_t exp_cmd_sn, max_cmd_sn;
	uint32_t exp_stat_sn; /* StatSN that comes next on this connection */
};
