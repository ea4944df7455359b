/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * iSCSI protocol data units as they stand on the wire (RFC 7143 §11). Every basic header segment is
 * a struct of 48 bytes made of byte-array types, so that one may be laid over received memory at
 * any address. On the wire: BHS, additional header segments, header digest, data, padding, data
 * digest; the digests are in no length field (§11.1).
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/bytes.h"

#define BHS_LENGTH	   48u
#define DIGEST_LENGTH	   4u
#define DATA_SEGMENT_MAX   0xffffffu /* what data_segment_length can say */
#define LOGIN_DATA_SEGMENT 8192u /* MaxRecvDataSegmentLength of both sides during login (§6.3) */
#define RESERVED_TAG	   0xffffffffu
#define ISCSI_VERSION	   0x00 /* §11.12.3 */
#define PDU_OPCODE_MASK	   0x3f
#define PDU_IMMEDIATE	   0x40	 /* of the opcode byte; requests only */
#define AHS_LENGTH_MAX	   1020u /* total_ahs_length 255 */
#define EXTENDED_CDB_MAX   248u	 /* bytes of the longest additional header segment we send */

/* Opcodes (§11.2.1.2). Bit 0x20 tells the target's from the initiator's. */
enum pdu_opcode {
	PDU_NOP_OUT = 0x00,
	PDU_SCSI_COMMAND = 0x01,
	PDU_TASK_MANAGEMENT_REQUEST = 0x02,
	PDU_LOGIN_REQUEST = 0x03,
	PDU_TEXT_REQUEST = 0x04,
	PDU_DATA_OUT = 0x05,
	PDU_LOGOUT_REQUEST = 0x06,
	PDU_SNACK = 0x10,

	PDU_NOP_IN = 0x20,
	PDU_SCSI_RESPONSE = 0x21,
	PDU_TASK_MANAGEMENT_RESPONSE = 0x22,
	PDU_LOGIN_RESPONSE = 0x23,
	PDU_TEXT_RESPONSE = 0x24,
	PDU_DATA_IN = 0x25,
	PDU_LOGOUT_RESPONSE = 0x26,
	PDU_R2T = 0x31,
	PDU_ASYNC_MESSAGE = 0x32,
	PDU_REJECT = 0x3f,
};

/* The flags byte. PDU_FINAL is set in every PDU type that has no other use for that bit. */
enum pdu_flags {
	PDU_FINAL = 0x80,

	SCSI_COMMAND_READ = 0x40, /* §11.3.1 */
	SCSI_COMMAND_WRITE = 0x20,
	SCSI_COMMAND_ATTRIBUTE_MASK = 0x07,

	SCSI_RESPONSE_BIDI_OVERFLOW = 0x10, /* §11.4.1 */
	SCSI_RESPONSE_BIDI_UNDERFLOW = 0x08,
	SCSI_RESPONSE_OVERFLOW = 0x04,
	SCSI_RESPONSE_UNDERFLOW = 0x02,

	DATA_IN_ACKNOWLEDGE = 0x40, /* §11.7 */
	DATA_IN_OVERFLOW = 0x04,
	DATA_IN_UNDERFLOW = 0x02,
	DATA_IN_STATUS = 0x01,

	LOGIN_TRANSIT = 0x80, /* §11.12.1 */
	LOGIN_CONTINUE = 0x40,
	LOGIN_CURRENT_STAGE_MASK = 0x0c,
	LOGIN_CURRENT_STAGE_SHIFT = 2,
	LOGIN_NEXT_STAGE_MASK = 0x03,

	TEXT_CONTINUE = 0x40, /* §11.10.2 */

	TASK_MANAGEMENT_FUNCTION_MASK = 0x7f, /* §11.5.1 */
	LOGOUT_REASON_MASK = 0x7f,	      /* §11.14.1 */
	SNACK_TYPE_MASK = 0x0f,		      /* §11.16.1 */
};

/* Task attributes (§11.3.1) */
enum task_attribute {
	TASK_ATTRIBUTE_UNTAGGED = 0,
	TASK_ATTRIBUTE_SIMPLE = 1,
	TASK_ATTRIBUTE_ORDERED = 2,
	TASK_ATTRIBUTE_HEAD_OF_QUEUE = 3,
	TASK_ATTRIBUTE_ACA = 4,
};

/* CSG and NSG (§6.3) */
enum login_stage {
	LOGIN_STAGE_SECURITY = 0,
	LOGIN_STAGE_OPERATIONAL = 1,
	LOGIN_STAGE_FULL_FEATURE = 3,
};

/* Response of a SCSI Response (§11.4.3); 80h to ffh are the vendor's */
enum scsi_response_code {
	SCSI_RESPONSE_COMPLETED = 0x00,
	SCSI_RESPONSE_TARGET_FAILURE = 0x01,
};

/* §11.5.1; 9 and up need iSCSIProtocolLevel 2 (RFC 7144 §6) */
enum task_management_function {
	TASK_MANAGEMENT_ABORT_TASK = 1,
	TASK_MANAGEMENT_ABORT_TASK_SET = 2,
	TASK_MANAGEMENT_CLEAR_ACA = 3,
	TASK_MANAGEMENT_CLEAR_TASK_SET = 4,
	TASK_MANAGEMENT_LOGICAL_UNIT_RESET = 5,
	TASK_MANAGEMENT_TARGET_WARM_RESET = 6,
	TASK_MANAGEMENT_TARGET_COLD_RESET = 7,
	TASK_MANAGEMENT_TASK_REASSIGN = 8,
	TASK_MANAGEMENT_QUERY_TASK = 9,
	TASK_MANAGEMENT_QUERY_TASK_SET = 10,
	TASK_MANAGEMENT_I_T_NEXUS_RESET = 11,
	TASK_MANAGEMENT_QUERY_ASYNCHRONOUS_EVENT = 12,
};

/* §11.6.1 */
enum task_management_response_code {
	TASK_MANAGEMENT_COMPLETE = 0,
	TASK_MANAGEMENT_NO_TASK = 1,
	TASK_MANAGEMENT_NO_LUN = 2,
	TASK_MANAGEMENT_STILL_ALLEGIANT = 3,
	TASK_MANAGEMENT_REASSIGN_NOT_SUPPORTED = 4,
	TASK_MANAGEMENT_NOT_SUPPORTED = 5,
	TASK_MANAGEMENT_NOT_AUTHORIZED = 6,
	TASK_MANAGEMENT_SUCCEEDED = 7,
	TASK_MANAGEMENT_REJECTED = 255,
};

/* §11.14.1 */
enum logout_reason {
	LOGOUT_CLOSE_SESSION = 0,
	LOGOUT_CLOSE_CONNECTION = 1,
	LOGOUT_REMOVE_FOR_RECOVERY = 2,
};

/* §11.15.1 */
enum logout_response_code {
	LOGOUT_CLOSED = 0,
	LOGOUT_CID_NOT_FOUND = 1,
	LOGOUT_RECOVERY_NOT_SUPPORTED = 2,
	LOGOUT_CLEANUP_FAILED = 3,
};

/* §11.16.1 */
enum snack_type {
	SNACK_DATA_OR_R2T = 0,
	SNACK_STATUS = 1,
	SNACK_DATA_ACK = 2,
	SNACK_R_DATA = 3,
};

/* §11.9.1; 248 to 255 are the vendor's */
enum async_event {
	ASYNC_SCSI_EVENT = 0,
	ASYNC_LOGOUT_REQUEST = 1,
	ASYNC_CONNECTION_DROP = 2,
	ASYNC_SESSION_DROP = 3,
	ASYNC_NEGOTIATION_REQUEST = 4,
	ASYNC_TASK_TERMINATION = 5,
	ASYNC_VENDOR_FIRST = 248,
};

/* §11.17.1 */
enum reject_reason {
	REJECT_RESERVED = 0x01,
	REJECT_DATA_DIGEST = 0x02,
	REJECT_SNACK = 0x03,
	REJECT_PROTOCOL_ERROR = 0x04,
	REJECT_COMMAND_NOT_SUPPORTED = 0x05,
	REJECT_IMMEDIATE_COMMAND = 0x06,
	REJECT_TASK_IN_PROGRESS = 0x07,
	REJECT_INVALID_DATA_ACK = 0x08,
	REJECT_INVALID_PDU_FIELD = 0x09,
	REJECT_LONG_OPERATION = 0x0a,
	REJECT_NEGOTIATION_RESET = 0x0b,
	REJECT_WAITING_FOR_LOGOUT = 0x0c,
};

/* What all PDUs share (§11.2.1). */
struct bhs {
	uint8_t opcode; /* PDU_IMMEDIATE and enum pdu_opcode */
	uint8_t flags;
	uint8_t specific[2];
	uint8_t total_ahs_length; /* 4-byte words */
	be24 data_segment_length; /* bytes, without padding */
	be64 lun;
	be32 initiator_task_tag;
	uint8_t rest[28];
};

/* What the requests that carry a CmdSN share: all but Data-Out and SNACK. */
struct bhs_request {
	uint8_t opcode;
	uint8_t flags;
	uint8_t specific[2];
	uint8_t total_ahs_length;
	be24 data_segment_length;
	be64 lun;
	be32 initiator_task_tag;
	be32 specific_20;
	be32 cmd_sn, exp_stat_sn;
	uint8_t rest[16];
};

/* What all responses share; Data-In without status has no StatSN (§11.7.4). */
struct bhs_response {
	uint8_t opcode;
	uint8_t flags;
	uint8_t specific[2];
	uint8_t total_ahs_length;
	be24 data_segment_length;
	be64 lun;
	be32 initiator_task_tag;
	be32 specific_20;
	be32 stat_sn, exp_cmd_sn, max_cmd_sn;
	uint8_t rest[12];
};

struct bhs_scsi_command { /* §11.3 */
	uint8_t opcode;
	uint8_t flags;	  /* F, SCSI_COMMAND_…, enum task_attribute */
	uint8_t priority; /* upper 4 bits, with iSCSIProtocolLevel 2 */
	uint8_t reserved;
	uint8_t total_ahs_length;
	be24 data_segment_length; /* immediate data */
	be64 lun;
	be32 initiator_task_tag;
	be32 expected_data_transfer_length; /* bytes */
	be32 cmd_sn, exp_stat_sn;
	uint8_t cdb[16];
};

/* §11.2.2.1 */
enum ahs_type {
	AHS_EXTENDED_CDB = 1,
	AHS_BIDIRECTIONAL_READ = 2,
};

/* What comes before the rest of a long CDB (§11.2.2.3); padded to a 4-byte word behind it. */
struct ahs_extended_cdb {
	be16 ahs_length;  /* bytes behind @ahs_type: CDB length - 15 */
	uint8_t ahs_type; /* enum ahs_type */
	uint8_t reserved;
	uint8_t cdb_rest[];
};

struct bhs_scsi_response { /* §11.4 */
	uint8_t opcode;
	uint8_t flags;	  /* SCSI_RESPONSE_… */
	uint8_t response; /* enum scsi_response_code */
	uint8_t status;	  /* SAM status */
	uint8_t total_ahs_length;
	be24 data_segment_length; /* be16 SenseLength, sense data, response data */
	be16 status_qualifier;	  /* with iSCSIProtocolLevel 2 */
	uint8_t reserved[6];
	be32 initiator_task_tag;
	be32 snack_tag;
	be32 stat_sn, exp_cmd_sn, max_cmd_sn;
	be32 exp_data_sn;
	be32 bidirectional_residual_count; /* bytes */
	be32 residual_count;		   /* bytes */
};

struct bhs_task_management_request { /* §11.5 */
	uint8_t opcode;
	uint8_t flags; /* PDU_FINAL, enum task_management_function */
	uint8_t reserved[2];
	uint8_t total_ahs_length;
	be24 data_segment_length;
	be64 lun;
	be32 initiator_task_tag;
	be32 referenced_task_tag;
	be32 cmd_sn, exp_stat_sn;
	be32 ref_cmd_sn;
	be32 exp_data_sn;
	uint8_t reserved_40[8];
};

struct bhs_task_management_response { /* §11.6 */
	uint8_t opcode;
	uint8_t flags;
	uint8_t response; /* enum task_management_response_code */
	uint8_t reserved;
	uint8_t total_ahs_length;
	be24 data_segment_length;
	uint8_t additional_information[3]; /* with iSCSIProtocolLevel 2 */
	uint8_t reserved_11[5];
	be32 initiator_task_tag;
	uint8_t reserved_20[4];
	be32 stat_sn, exp_cmd_sn, max_cmd_sn;
	uint8_t reserved_36[12];
};

struct bhs_data_out { /* §11.7 */
	uint8_t opcode;
	uint8_t flags; /* PDU_FINAL ends the sequence */
	uint8_t reserved[2];
	uint8_t total_ahs_length;
	be24 data_segment_length;
	be64 lun; /* with a valid target_transfer_tag */
	be32 initiator_task_tag;
	be32 target_transfer_tag;
	uint8_t reserved_24[4];
	be32 exp_stat_sn;
	uint8_t reserved_32[4];
	be32 data_sn;
	be32 buffer_offset; /* bytes */
	uint8_t reserved_44[4];
};

struct bhs_data_in { /* §11.7 */
	uint8_t opcode;
	uint8_t flags; /* F, DATA_IN_… */
	uint8_t reserved;
	uint8_t status; /* SAM status, with DATA_IN_STATUS */
	uint8_t total_ahs_length;
	be24 data_segment_length;
	be64 lun; /* with DATA_IN_ACKNOWLEDGE */
	be32 initiator_task_tag;
	be32 target_transfer_tag; /* with DATA_IN_ACKNOWLEDGE */
	be32 stat_sn;		  /* with DATA_IN_STATUS */
	be32 exp_cmd_sn, max_cmd_sn;
	be32 data_sn;
	be32 buffer_offset;  /* bytes */
	be32 residual_count; /* bytes, with DATA_IN_STATUS */
};

struct bhs_r2t { /* §11.8 */
	uint8_t opcode;
	uint8_t flags;
	uint8_t reserved[2];
	uint8_t total_ahs_length;
	be24 data_segment_length;
	be64 lun;
	be32 initiator_task_tag;
	be32 target_transfer_tag;
	be32 stat_sn; /* the next one: not consumed */
	be32 exp_cmd_sn, max_cmd_sn;
	be32 r2t_sn;
	be32 buffer_offset;		   /* bytes */
	be32 desired_data_transfer_length; /* bytes */
};

struct bhs_async_message { /* §11.9 */
	uint8_t opcode;
	uint8_t flags;
	uint8_t reserved[2];
	uint8_t total_ahs_length;
	be24 data_segment_length;
	be64 lun;		 /* ASYNC_SCSI_EVENT, ASYNC_TASK_TERMINATION */
	be32 initiator_task_tag; /* RESERVED_TAG */
	uint8_t reserved_20[4];
	be32 stat_sn, exp_cmd_sn, max_cmd_sn;
	uint8_t async_event; /* enum async_event */
	uint8_t async_vcode;
	be16 parameter1, parameter2, parameter3;
	uint8_t reserved_44[4];
};

struct bhs_text_request { /* §11.10 */
	uint8_t opcode;
	uint8_t flags; /* F, TEXT_CONTINUE */
	uint8_t reserved[2];
	uint8_t total_ahs_length;
	be24 data_segment_length;
	be64 lun; /* copied with target_transfer_tag */
	be32 initiator_task_tag;
	be32 target_transfer_tag;
	be32 cmd_sn, exp_stat_sn;
	uint8_t reserved_32[16];
};

struct bhs_text_response { /* §11.11 */
	uint8_t opcode;
	uint8_t flags; /* F, TEXT_CONTINUE */
	uint8_t reserved[2];
	uint8_t total_ahs_length;
	be24 data_segment_length;
	be64 lun;
	be32 initiator_task_tag;
	be32 target_transfer_tag;
	be32 stat_sn, exp_cmd_sn, max_cmd_sn;
	uint8_t reserved_36[12];
};

struct bhs_login_request { /* §11.12 */
	uint8_t opcode;	   /* always with PDU_IMMEDIATE */
	uint8_t flags;	   /* LOGIN_… */
	uint8_t version_max, version_min;
	uint8_t total_ahs_length;
	be24 data_segment_length;
	uint8_t isid[6];
	be16 tsih;
	be32 initiator_task_tag;
	be16 cid;
	uint8_t reserved_22[2];
	be32 cmd_sn, exp_stat_sn;
	uint8_t reserved_32[16];
};

struct bhs_login_response { /* §11.13 */
	uint8_t opcode;
	uint8_t flags; /* LOGIN_… */
	uint8_t version_max, version_active;
	uint8_t total_ahs_length;
	be24 data_segment_length;
	uint8_t isid[6];
	be16 tsih;
	be32 initiator_task_tag;
	uint8_t reserved_20[4];
	be32 stat_sn, exp_cmd_sn, max_cmd_sn;
	uint8_t status_class, status_detail;
	uint8_t reserved_38[10];
};

struct bhs_logout_request { /* §11.14 */
	uint8_t opcode;
	uint8_t flags; /* PDU_FINAL, enum logout_reason */
	uint8_t reserved[2];
	uint8_t total_ahs_length;
	be24 data_segment_length;
	uint8_t reserved_8[8];
	be32 initiator_task_tag;
	be16 cid; /* reserved with LOGOUT_CLOSE_SESSION */
	uint8_t reserved_22[2];
	be32 cmd_sn, exp_stat_sn;
	uint8_t reserved_32[16];
};

struct bhs_logout_response { /* §11.15 */
	uint8_t opcode;
	uint8_t flags;
	uint8_t response; /* enum logout_response_code */
	uint8_t reserved;
	uint8_t total_ahs_length;
	be24 data_segment_length;
	uint8_t reserved_8[8];
	be32 initiator_task_tag;
	uint8_t reserved_20[4];
	be32 stat_sn, exp_cmd_sn, max_cmd_sn;
	uint8_t reserved_36[4];
	be16 time2wait, time2retain; /* seconds */
	uint8_t reserved_44[4];
};

struct bhs_snack { /* §11.16 */
	uint8_t opcode;
	uint8_t flags; /* PDU_FINAL, enum snack_type */
	uint8_t reserved[2];
	uint8_t total_ahs_length;
	be24 data_segment_length;
	be64 lun;
	be32 initiator_task_tag;
	be32 target_transfer_tag; /* or SNACK Tag */
	uint8_t reserved_24[4];
	be32 exp_stat_sn;
	uint8_t reserved_32[8];
	be32 beg_run, run_length;
};

struct bhs_reject { /* §11.17 */
	uint8_t opcode;
	uint8_t flags;
	uint8_t reason; /* enum reject_reason */
	uint8_t reserved;
	uint8_t total_ahs_length;
	be24 data_segment_length; /* the header of the rejected PDU */
	uint8_t reserved_8[8];
	be32 initiator_task_tag; /* RESERVED_TAG */
	uint8_t reserved_20[4];
	be32 stat_sn, exp_cmd_sn, max_cmd_sn;
	be32 data_sn; /* or R2TSN */
	uint8_t reserved_40[8];
};

struct bhs_nop_out { /* §11.18 */
	uint8_t opcode;
	uint8_t flags;
	uint8_t reserved[2];
	uint8_t total_ahs_length;
	be24 data_segment_length;
	be64 lun; /* copied with target_transfer_tag */
	be32 initiator_task_tag;
	be32 target_transfer_tag;
	be32 cmd_sn, exp_stat_sn;
	uint8_t reserved_32[16];
};

struct bhs_nop_in { /* §11.19 */
	uint8_t opcode;
	uint8_t flags;
	uint8_t reserved[2];
	uint8_t total_ahs_length;
	be24 data_segment_length;
	be64 lun;
	be32 initiator_task_tag;
	be32 target_transfer_tag;
	be32 stat_sn; /* not consumed with RESERVED_TAG as initiator_task_tag */
	be32 exp_cmd_sn, max_cmd_sn;
	uint8_t reserved_36[12];
};

#define BHS_CHECK(type) static_assert(sizeof(struct type) == BHS_LENGTH, "a BHS is 48 bytes")
BHS_CHECK(bhs);
BHS_CHECK(bhs_request);
BHS_CHECK(bhs_response);
BHS_CHECK(bhs_scsi_command);
BHS_CHECK(bhs_scsi_response);
BHS_CHECK(bhs_task_management_request);
BHS_CHECK(bhs_task_management_response);
BHS_CHECK(bhs_data_out);
BHS_CHECK(bhs_data_in);
BHS_CHECK(bhs_r2t);
BHS_CHECK(bhs_async_message);
BHS_CHECK(bhs_text_request);
BHS_CHECK(bhs_text_response);
BHS_CHECK(bhs_login_request);
BHS_CHECK(bhs_login_response);
BHS_CHECK(bhs_logout_request);
BHS_CHECK(bhs_logout_response);
BHS_CHECK(bhs_snack);
BHS_CHECK(bhs_reject);
BHS_CHECK(bhs_nop_out);
BHS_CHECK(bhs_nop_in);
#undef BHS_CHECK

/** pdu_opcode() - enum pdu_opcode without the immediate bit */
static inline uint8_t pdu_opcode(const struct bhs *bhs)
{
	return bhs->opcode & PDU_OPCODE_MASK;
}

/** pdu_takes_stat_sn() - does the target's PDU carry a StatSN of its own (§4.2.2.2)? */
static inline bool pdu_takes_stat_sn(const struct bhs *bhs)
{
	switch (pdu_opcode(bhs)) {
	case PDU_R2T:
		return false;
	case PDU_NOP_IN:
		return be32_get(bhs->initiator_task_tag) != RESERVED_TAG;
	case PDU_DATA_IN:
		return bhs->flags & DATA_IN_STATUS;
	default:
		return true;
	}
}

/** pdu_padding() - zero bytes that follow a segment of @length_bytes, 0 to 3 (§11.1) */
static inline uint32_t pdu_padding(uint32_t length_bytes)
{
	return -length_bytes & 3;
}

/** pdu_padded() - @length_bytes and its padding */
static inline uint32_t pdu_padded(uint32_t length_bytes)
{
	return (length_bytes + 3) & ~UINT32_C(3);
}

/** pdu_ahs_length() - bytes of additional header segments */
static inline uint32_t pdu_ahs_length(const struct bhs *bhs)
{
	return bhs->total_ahs_length * UINT32_C(4);
}

/** pdu_data_length() - bytes of the data segment, without padding */
static inline uint32_t pdu_data_length(const struct bhs *bhs)
{
	return be24_get(bhs->data_segment_length);
}

/*
 * Serial numbers (RFC 7143 §4.2.2.1, RFC 1982): 32 bits that wrap. Two numbers that are 2^31 apart
 * have no order; windows stay far smaller.
 */

/** sn_less() - does @a come before @b? */
static inline bool sn_less(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) < 0;
}

/** sn_less_equal() - does @a come before @b, or are they the same? */
static inline bool sn_less_equal(uint32_t a, uint32_t b)
{
	return a == b || sn_less(a, b);
}

/**
 * pdu_write() - one PDU without digests, as login and discovery send them: BHS, data, padding
 * @bhs:  48 bytes; its data_segment_length is set here
 * @data: may be NULL when @data_length is 0
 * @out:  gets BHS_LENGTH + pdu_padded(@data_length) bytes
 *
 * Return: bytes written; -E2BIG when @data_length is more than DATA_SEGMENT_MAX or does not fit
 * @capacity_bytes.
 */
int pdu_write(const void *bhs, const void *data, size_t data_length, void *out,
	      size_t capacity_bytes);

/**
 * struct pdu_assembler - byte stream → whole PDUs without digests, for login and discovery; full
 * feature phase has its own receiver
 *
 * Embedded in its owner; zero it and call pdu_assembler_init() once.
 */
struct pdu_assembler {
	struct bhs bhs;
	uint32_t data_length; /* bytes in @data that belong to the PDU, without padding */
	uint32_t data_max;    /* our MaxRecvDataSegmentLength */
	uint32_t have;	      /* bytes of the PDU so far */
	uint8_t *data;
};

/**
 * pdu_assembler_init() - accept data segments up to @data_max_bytes
 * Return: 0 or -ENOMEM
 */
int pdu_assembler_init(struct pdu_assembler *assembler, uint32_t data_max_bytes);
/** pdu_assembler_deinit() - wipes the data; safe twice */
void pdu_assembler_deinit(struct pdu_assembler *assembler);

/**
 * pdu_assembler_feed() - take bytes up to the end of one PDU
 * @used: bytes taken, also on failure
 *
 * Return: 1 when @assembler holds a whole PDU, valid until the next call; 0 when more bytes are
 * needed; -EMSGSIZE when the data segment is larger than allowed; -EBADMSG when it has additional
 * header segments, which no response may carry (§11.2.1.6). After a failure nothing more can be
 * fed.
 */
int pdu_assembler_feed(struct pdu_assembler *assembler, const void *bytes, size_t length_bytes,
		       size_t *used);
