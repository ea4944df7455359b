/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/* What the files of fake_target share: its script, its connections, its record. */

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scsi/command.h"
#include "tests/fakes/fake_target.h"
#include "tests/fakes/fake_unit.h"

#define FAKE_TASKS_MAX	  1024
#define FAKE_KEYS_MAX	  40
#define FAKE_PORTALS_MAX  8
#define FAKE_TRANSFER_MAX (64u << 20) /* bytes of one command */
#define FAKE_LOGIN_TEXT	  65536u
#define FAKE_READ_BYTES	  262144
#define FAKE_ANY	  0xff

/* --- script --- */

struct fake_field {
	const char *name;
	uint8_t opcode; /* FAKE_ANY, or the only PDU that has it */
	uint8_t offset, width, shift;
	uint64_t mask; /* 0 = all of it */
};

enum fake_operator { FAKE_EQUAL, FAKE_NOT_EQUAL, FAKE_PLUS, FAKE_MINUS, FAKE_RANDOM };

struct fake_term {
	struct fake_field field;
	enum fake_operator operator;
	uint64_t value;
};

#define FAKE_TERMS_MAX 12

struct fake_pattern {
	uint8_t event; /* FAKE_ANY */
	unsigned term_count;
	struct fake_term terms[FAKE_TERMS_MAX];
};

enum fake_verb {
	FAKE_SET,
	FAKE_EXPECT,
	FAKE_SEND,
	FAKE_ANSWER, /* SCSI status and sense instead of executing */
	FAKE_KEY,
	FAKE_NO_KEY,
	FAKE_REJECT,
	FAKE_IGNORE,  /* received and counted, and nothing comes of it */
	FAKE_LOSE,    /* as if it had never come */
	FAKE_DISCARD, /* counted as sent, and not sent */
	FAKE_TWICE,
	FAKE_HOLD,  /* goes out behind the next PDU */
	FAKE_AGAIN, /* R2T: and one more for the same, as if nothing had come of it */
	FAKE_CORRUPT,
	FAKE_TRUNCATE,
	FAKE_DELAY,
	FAKE_FREEZE,
	FAKE_CLOSE,
	FAKE_DROP,
	FAKE_WITHHOLD, /* has it whole, and does nothing about it */
	FAKE_STRAND,   /* the same, and then RST */
	FAKE_RELEASE,  /* carries out what was withheld */
};

struct fake_action {
	enum fake_verb verb;
	struct fake_pattern pdu; /* set, expect, send: what it is or shall be */
	uint64_t numbers[4];
	char *key, *text; /* send: data; key */
	size_t text_length;
	struct fake_action *next;
};

struct fake_rule {
	struct fake_pattern pattern;
	unsigned portal;	    /* only on connections to the so-many-th, from 1; 0 = all */
	unsigned first, last, seen; /* of those that fit, from 1; last 0 = all */
	bool forgotten;
	struct fake_action *actions;
	struct fake_rule *next;
};

struct fake_key_value {
	char key[64], value[256];
};

struct fake_portal {
	char address[64];
	uint16_t port, tag;
	int fd;
	char text[96];
	/* how it shows the LUN */
	uint32_t blocks, block_size; /* 0 = as the disk is; blocks of the disk's own size */
	uint32_t swapped;	     /* another disk is there */
};

struct fake_settings {
	char name[256], alias[256];
	char chap_user[256], chap_secret[256], mutual_user[256], mutual_secret[256];
	unsigned chap_algorithm;
	struct fake_key_value keys[FAKE_KEYS_MAX]; /* what it wants */
	size_t key_count;
	uint32_t window, stat_sn, data_in_bytes, r2t_bytes, login_bytes;
	uint32_t first_tag; /* Target Transfer Tag */
	bool status_in_data;
	uint32_t leaves_tasks; /* withheld commands survive the reinstatement of their session */
	uint32_t physical_exponent, attentions, read_only;
	uint32_t tpgs, transition_s;
	struct fake_port_group port_groups[FAKE_PORT_GROUPS_MAX]; /* before there is a unit */
	size_t port_group_count;
	uint64_t blocks;
	uint32_t block_size;
	struct fake_portal portals[FAKE_PORTALS_MAX];
	size_t portal_count;
};

/* --- connections --- */

struct fake_buffer {
	uint8_t *bytes;
	size_t length, size;
};

struct fake_r2t {
	uint32_t tag, offset, length;
};

#define FAKE_R2TS_MAX  16
#define FAKE_ENDED_MAX 64

struct fake_task {
	bool live;
	bool dying; /* to be ended as soon as the data that was asked for has come */
	struct bhs_scsi_command command;
	uint8_t cdb_rest[SCSI_CDB_REST_MAX];
	uint8_t *data;
	uint32_t length;	  /* Expected Data Transfer Length, bytes */
	uint32_t unsolicited_end; /* of the burst that is coming; 0 = none */
	uint32_t received, asked; /* bytes, both from the start */
	uint32_t data_sn, r2t_sn;
	bool spoiled; /* of this sequence something was lost: the rest of it does not count */
	struct fake_r2t r2ts[FAKE_R2TS_MAX];
	unsigned r2t_count;
	const struct fake_action *answer;
};

struct fake_connection {
	struct fake_target *target;
	unsigned number;
	int fd;
	bool frozen, closing; /* closing: when all is sent */
	uint64_t paused_until_ms;
	const struct fake_portal *portal;
	struct fake_buffer in, out, held;
	bool holds;

	/* login */
	bool full_feature, discovery, spoke, proved, asked_for_proof, told_group;
	unsigned stage;
	struct bhs_login_request first;
	char initiator[256], challenge[64];
	char initiator_port[288]; /* as in a TransportID */
	uint8_t identifier;
	struct fake_buffer text, answer; /* of the request; not yet sent */
	uint16_t tsih;

	/* agreed */
	bool header_digest, data_digest, digests_on;
	bool initial_r2t, immediate_data;
	uint32_t max_recv, max_send, max_burst, first_burst, max_r2t;
	unsigned level;		/* ErrorRecoveryLevel */
	struct fake_sent *sent; /* and not acknowledged */

	uint8_t protocol_level; /* RFC 7144 §7 */
	bool fast_abort;	/* §4.2.3.4 */

	uint32_t stat_sn, heard_stat_sn, exp_cmd_sn, max_cmd_sn;
	uint32_t next_cmd_sn;	      /* exp_cmd_sn, unless something before it is missing */
	struct fake_pending *pending; /* from exp_cmd_sn on */

	bool management_waits;
	struct bhs_task_management_request management;
	uint32_t ended[FAKE_ENDED_MAX]; /* tags of tasks that task management has ended */
	unsigned ended_count;
	uint8_t ahs[AHS_LENGTH_MAX]; /* of the request that is worked on */
	uint32_t text_tag;
	struct fake_task tasks[FAKE_TASKS_MAX];
	struct fake_connection *next;
};

struct fake_origin;

struct fake_target {
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	int wake; /* eventfd */
	bool stopping, running;
	struct fake_settings settings;
	struct fake_unit *unit, *other; /* the disk; what a portal can show in its place */
	struct fake_rule *rules;
	struct fake_connection *connections;
	struct fake_ghost *ghosts;
	uint8_t received[FAKE_READ_BYTES]; /* what has just come, of any connection */
	unsigned connection_count;
	uint32_t next_tag;
	uint16_t next_tsih;
	struct fake_pdu *record;
	size_t record_count, record_size;
	struct fake_buffer complaints;
	void (*watch)(const struct fake_pdu *pdu); /* the program's */
	void (*complain)(const char *text);
};

/* fake_target_script.c */
int fake_script_run(struct fake_target *target, const char *lines, char *problem);
int fake_pattern_parse(const char *text, struct fake_pattern *ret, char *problem);
bool fake_pattern_fits(const struct fake_pattern *pattern, uint8_t event, const struct bhs *bhs);
void fake_terms_apply(const struct fake_pattern *pattern, struct bhs *bhs);
void fake_actions_free(struct fake_action *action);

/* fake_target_wire.c: bytes, digests, rules; the record */
void fake_buffer_add(struct fake_buffer *buffer, const void *bytes, size_t length);
void fake_buffer_drop(struct fake_buffer *buffer, size_t length);
void fake_buffer_free(struct fake_buffer *buffer);
void fake_complain(struct fake_connection *connection, const struct bhs *bhs, const char *what);
void fake_record(struct fake_connection *connection, uint8_t event, const struct bhs *bhs,
		 const void *data, uint32_t length);
/** fake_send() - stamped, through the rules, into the output buffer; @bhs: as it went out */
void fake_send(struct fake_connection *connection, void *bhs, const void *data, uint32_t length);
/** fake_take() - one whole PDU out of the input. Return: false when there is none */
bool fake_take(struct fake_connection *connection);
/** fake_act() - a "send", "drop", … that no PDU triggered, or one did */
void fake_act(struct fake_connection *connection, const struct fake_action *action,
	      const struct bhs *trigger);
void fake_end(struct fake_connection *connection, bool reset);
uint64_t fake_now_ms(void);

/* fake_target_login.c */
void fake_login(struct fake_connection *connection, const struct bhs_login_request *request,
		const uint8_t *data, uint32_t length);
void fake_text(struct fake_connection *connection, const struct bhs_text_request *request,
	       const uint8_t *data, uint32_t length);
/** fake_text_find() - the value of @key in a text of @length bytes; NULL when it is not there */
const char *fake_text_find(const void *text, size_t length, const char *key);

/** fake_resend() - as it was sent before, but for the numbers that are always current */
void fake_resend(struct fake_connection *connection, const struct bhs *bhs, const void *data,
		 uint32_t length);
void fake_reject(struct fake_connection *connection, const struct bhs *bhs, uint8_t reason);

/* fake_target_recovery.c */
/** fake_recovery_keep() - it is being sent: keep it until it is acknowledged */
void fake_recovery_keep(struct fake_connection *connection, const struct bhs *bhs, const void *data,
			uint32_t length);
void fake_recovery_acknowledged(struct fake_connection *connection, uint32_t exp_stat_sn);
void fake_recovery_free(struct fake_connection *connection);
void fake_snack(struct fake_connection *connection, const struct bhs *bhs);
/**
 * fake_data_lost() - a Data-Out PDU of @task came
 * @lost: it came damaged
 * Return: true when it does not count, or not any more
 */
bool fake_data_lost(struct fake_connection *connection, struct fake_task *task, bool lost,
		    bool final);
/** fake_data_superseded() - it answers an R2T that another one has replaced */
bool fake_data_superseded(const struct fake_connection *connection, const struct fake_task *task,
			  const struct bhs_data_out *out);
/** fake_data_rejected() - a Data-Out PDU whose data came damaged */
void fake_data_rejected(struct fake_connection *connection, const struct bhs *bhs);
/** fake_r2t_again() - ask once more for what the last R2T of the task asked */
void fake_r2t_again(struct fake_connection *connection, const struct bhs *r2t);

/* fake_target_order.c: see there */
struct fake_order {
	bool counts, ignore;
	const struct fake_action *answer;
};
bool fake_order_misses(struct fake_connection *connection, uint32_t cmd_sn);
bool fake_order_waits(const struct fake_connection *connection);
void fake_order_lost(struct fake_connection *connection, uint32_t cmd_sn);
void fake_order_take(struct fake_connection *connection, const struct bhs *bhs, const uint8_t *data,
		     uint32_t length, const struct fake_order *order);
void fake_order_plug(struct fake_connection *connection, uint32_t cmd_sn);
void fake_order_free(struct fake_connection *connection);

/* fake_target_units.c */
void fake_units_new(struct fake_target *target);
void fake_units_free(struct fake_target *target);
/** fake_unit_behind() - what the portal of @connection shows, as it shows it */
struct fake_unit *fake_unit_behind(const struct fake_connection *connection);

/* fake_target_management.c */
void fake_management(struct fake_connection *connection, const struct bhs *bhs);
/** fake_management_continue() - data came that one may have waited for */
void fake_management_continue(struct fake_connection *connection);
/** fake_management_ended() - did task management end the task with @tag? */
bool fake_management_ended(const struct fake_connection *connection, be32 tag);

/* fake_target_io.c */
struct fake_task *fake_find_task(struct fake_connection *connection, be32 tag);
void fake_end_task(struct fake_task *task);
void fake_full_feature(struct fake_connection *connection, const struct bhs *bhs,
		       const uint8_t *data, uint32_t length, const struct fake_action *answer);
void fake_tasks_end(struct fake_connection *connection);
/** fake_origin_of() - which way its commands come. Return: @ret, as long as @connection lives */
const struct fake_origin *fake_origin_of(struct fake_connection *connection,
					 struct fake_origin *ret);

/* fake_target_ghost.c */
struct management_function;
/** fake_ghost_keep() - @task outlives @connection, and is over there */
void fake_ghost_keep(struct fake_connection *connection, struct fake_task *task);
/** fake_ghosts_release() - all are carried out now; the end of their story */
void fake_ghosts_release(struct fake_connection *connection);
/** fake_ghosts_matching() - of @connection's session, of which @fits is true. Return: how many */
unsigned fake_ghosts_matching(struct fake_connection *connection,
			      bool (*fits)(const struct fake_task *task,
					   const struct bhs_task_management_request *request,
					   const struct management_function *function),
			      const struct bhs_task_management_request *request,
			      const struct management_function *function, bool end);
/** fake_ghosts_end() - those that the session of @of has left; NULL: all */
void fake_ghosts_end(struct fake_target *target, const struct fake_connection *of);
