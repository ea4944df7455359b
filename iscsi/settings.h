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
#define CHAP_SECRET_MIN	   12 /* bytes: 96 bits, RFC 7143 §9.2.1 */
#define CHAP_SECRET_MAX	   255
#define CHAP_ALGORITHM_MAX 4

#define ISCSI_PROTOCOL_LEVEL 2 /* the highest that we know: RFC 7144 */

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

/* How the ends of several tasks at once are reported (RFC 7143 §13.23). */
enum task_reporting {
	TASK_REPORTING_RFC3720,	       /* the default */
	TASK_REPORTING_RESPONSE_FENCE, /* answers keep their order over all connections */
	TASK_REPORTING_FAST_ABORT,     /* and no data goes to tasks that are being ended */
	TASK_REPORTING_COUNT,
};

/** task_reporting_name() - as the key TaskReporting says it */
static inline const char *task_reporting_name(enum task_reporting reporting)
{
	static const char *const names[TASK_REPORTING_COUNT] = {"RFC3720", "ResponseFence",
								"FastAbort"};

	return names[reporting];
}

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
	bool forbid_md5;			     /* the machine is in FIPS mode */
	bool allow_short_secret; /* answer although the secret has less than CHAP_SECRET_MIN */

	bool check_portal_group; /* leave a target that answers for another portal group */
	uint16_t portal_group_tag;

	/* offered values of the operational keys (RFC 7143 §13) */
	enum digest_choice header_digest, data_digest;
	uint32_t max_recv_data_segment_length;		 /* bytes, ours */
	uint32_t max_burst_length, first_burst_length;	 /* bytes */
	uint16_t default_time2wait, default_time2retain; /* seconds */
	uint16_t max_outstanding_r2t, max_connections;
	uint8_t error_recovery_level;
	bool initial_r2t, immediate_data, data_pdu_in_order, data_sequence_in_order;
	uint32_t max_xmit_data_segment_length; /* bytes; 0 = what the target declares */

	/* offered only when they are more than the default: small targets dislike keys that they do
	 * not know */
	enum task_reporting task_reporting; /* the most that is offered */
	uint8_t protocol_level; /* iSCSIProtocolLevel; 0, 1: not offered (RFC 7144 §7) */
};

/* The outcome of key negotiation; defaults are those of RFC 7143 §13. */
struct negotiated {
	bool header_digest, data_digest;       /* CRC32C */
	uint32_t max_recv_data_segment_length; /* ours */
	uint32_t max_xmit_data_segment_length; /* the target's, capped by the settings */
	uint32_t max_xmit_cap;		       /* by which; 0 = none */
	uint32_t max_burst_length, first_burst_length;
	uint16_t default_time2wait, default_time2retain;
	uint16_t max_outstanding_r2t, max_connections;
	uint8_t error_recovery_level;
	bool initial_r2t, immediate_data, data_pdu_in_order, data_sequence_in_order;
	enum task_reporting task_reporting;
	uint8_t protocol_level;		 /* 2: the features of RFC 7144 may be used */
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
