/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * PERSISTENT RESERVE IN and OUT (SPC-4 §5.13, §6.15, §6.16): who may use a unit, told by keys that
 * belong to I_T nexuses. Builders of what we send, and bounded parsers of whatever a device
 * answers. Plain functions: any thread.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scsi_command;

/* Types (SPC-4 table 62). A device may answer others: obsolete ones, or none of any standard. */
enum reservation_type {
	RESERVATION_NONE = 0,
	RESERVATION_WRITE_EXCLUSIVE = 1,
	RESERVATION_EXCLUSIVE_ACCESS = 3,
	RESERVATION_WRITE_EXCLUSIVE_REGISTRANTS_ONLY = 5,
	RESERVATION_EXCLUSIVE_ACCESS_REGISTRANTS_ONLY = 6,
	RESERVATION_WRITE_EXCLUSIVE_ALL_REGISTRANTS = 7,
	RESERVATION_EXCLUSIVE_ACCESS_ALL_REGISTRANTS = 8,
};
#define RESERVATION_TYPES 16 /* the field has four bits */

/** reservation_type_name() - "write-exclusive-registrants-only"; "" for none, "unknown" else */
const char *reservation_type_name(uint8_t type);
/**
 * reservation_type_of() - of SPC's words as above, of the usual short forms ("we", "ea", "we-ro",
 * "ea-ro", "we-ar", "ea-ar") in any case, or of the number
 *
 * Return: the type; -EINVAL.
 */
int reservation_type_of(const char *name);
#define RESERVATION_TYPES_TEXT_MAX 256
/**
 * reservation_list_types() - those with which a host may write through several paths, for an
 * operator: "write-exclusive-registrants-only (we-ro), …"
 */
void reservation_list_types(char text[RESERVATION_TYPES_TEXT_MAX]);
/** reservation_admits_registrants() - every registered nexus may use the unit, not the holder alone
 */
bool reservation_admits_registrants(uint8_t type);
/** reservation_is_held_by_all() - the all registrants types, which no single nexus holds */
bool reservation_is_held_by_all(uint8_t type);

/* Service actions. */
enum reservation_in {
	RESERVATION_READ_KEYS,
	RESERVATION_READ_RESERVATION,
	RESERVATION_REPORT_CAPABILITIES,
	RESERVATION_READ_FULL_STATUS,
	RESERVATION_IN_COUNT,
};

enum reservation_out {
	RESERVATION_REGISTER,
	RESERVATION_RESERVE,
	RESERVATION_RELEASE,
	RESERVATION_CLEAR,
	RESERVATION_PREEMPT,
	RESERVATION_PREEMPT_AND_ABORT,
	RESERVATION_REGISTER_AND_IGNORE,
	RESERVATION_OUT_COUNT,
};

#define RESERVATION_LIST_BYTES 24

/* The parameters of PERSISTENT RESERVE OUT; what an action does not use is 0. */
struct reservation_order {
	enum reservation_out action;
	uint8_t type;	       /* RESERVE, RELEASE, PREEMPT … */
	uint64_t key;	       /* RESERVATION KEY: what the sending nexus is registered with */
	uint64_t action_key;   /* SERVICE ACTION RESERVATION KEY: the new one, or the victim's */
	bool survives_power;   /* APTPL: registrations and reservation are kept over power loss */
	bool all_target_ports; /* ALL_TG_PT: register this initiator port at every target port */
};

/**
 * reservation_in_fill() - cdb, direction and data_length
 * @allocation_length: bytes that the device may send
 */
void reservation_in_fill(struct scsi_command *command, enum reservation_in action,
			 uint16_t allocation_length);
/**
 * reservation_out_fill() - cdb, direction, data and data_length
 * @list: gets the parameter list; alive until the command is done
 */
void reservation_out_fill(struct scsi_command *command, const struct reservation_order *order,
			  uint8_t list[RESERVATION_LIST_BYTES]);

/* --- answers --- */

#define RESERVATION_KEYS_MAX 512 /* that we look at; more are counted */

struct reservation_keys {
	uint32_t generation; /* PRGENERATION: counts changes */
	uint32_t total;	     /* keys that there are, as far as the device says */
	uint32_t count;	     /* of @keys */
	uint64_t keys[RESERVATION_KEYS_MAX];
};

/** reservation_keys_parse() - READ KEYS. Return: 0; -EBADMSG when there is no whole header */
int reservation_keys_parse(const void *data, size_t length, struct reservation_keys *ret);

struct reservation_status {
	uint32_t generation;
	uint8_t type; /* RESERVATION_NONE: nobody holds one */
	uint64_t key; /* of the holder; 0 with the all registrants types */
};

/** reservation_status_parse() - READ RESERVATION. Return: 0; -EBADMSG, @ret untouched */
int reservation_status_parse(const void *data, size_t length, struct reservation_status *ret);

struct reservation_capabilities {
	bool compatible_reserve; /* CRH: RESERVE(6) of a registrant is taken for one of its own */
	bool names_initiators;	 /* SIP_C: SPEC_I_PT */
	bool all_target_ports;	 /* ATP_C */
	bool may_survive_power;	 /* PTPL_C */
	bool survives_power;	 /* PTPL_A: it does now */
	uint16_t types;		 /* bit per type; 0: not told */
};

/** reservation_capabilities_parse() - Return: 0; -EBADMSG, @ret untouched */
int reservation_capabilities_parse(const void *data, size_t length,
				   struct reservation_capabilities *ret);

/* One registered nexus. */
struct reservation_registrant {
	uint64_t key;
	bool holder, all_target_ports;
	uint8_t type;		/* of the reservation it holds */
	uint16_t relative_port; /* of the target; nothing with all_target_ports */
	/* the initiator port: "iqn…,i,0x…" (RFC 7143 §4.2.7.1), or "protocol N" and its bytes */
	char initiator[256];
};

/**
 * reservation_registrants_parse() - READ FULL STATUS
 * @registrants: gets up to @capacity of them; the rest is left out
 *
 * Return: how many, of those that are there as a whole; -EBADMSG without a header.
 */
int reservation_registrants_parse(const void *data, size_t length, uint32_t *generation,
				  struct reservation_registrant *registrants, size_t capacity);
