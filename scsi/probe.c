/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "scsi/probe.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/alua.h"
#include "scsi/capacity.h"
#include "scsi/cdb.h"
#include "scsi/exchange.h"
#include "scsi/inquiry.h"
#include "scsi/mode.h"
#include "scsi/nexus.h"
#include "util/cleanup.h"
#include "util/text.h"

/*
 * Devices older than SPC-3 take only the lower byte of INQUIRY's allocation length, and some
 * dislike a long one: ask for more only when a page says that it is longer.
 */
#define FIRST_BYTES  255
#define BUFFER_BYTES 4096

struct probe {
	struct exchange exchange;
	void (*done)(enum probe_verdict verdict, const struct unit *unit, const char *text,
		     void *userdata);
	void *userdata;

	unsigned step;	    /* in steps[] */
	size_t page_bytes;  /* allocation length for the page that is being asked for */
	size_t short_bytes; /* what came of it when less was asked for; 0 = asked once only */
	bool brief, has_mode, has_provisioning;
	struct inquiry_standard standard;
	struct vital_page_set pages;
	struct unit unit;

	bool ended;
	enum probe_verdict verdict;
	char text[EXCHANGE_TEXT_MAX];

	uint8_t data[BUFFER_BYTES];
};

/*
 * One step: a command, or without build() a look at what is known so far. accept() reads the
 * answer: 0; -EBADMSG, it is not what was asked for; -EAGAIN, build and send it once more;
 * -ECANCELED, it has ended the probe.
 */
struct step {
	bool (*wanted)(const struct probe *probe); /* NULL = always */
	void (*build)(struct probe *probe);
	int (*accept)(struct probe *probe, size_t length);
	uint8_t page;
	bool required; /* a device that refuses it, or answers nonsense, is no disk that we can use
			*/
};

static const struct text_name verdict_names[PROBE_VERDICT_COUNT] = {
	{PROBE_FOUND, "found"},
	{PROBE_NO_DISK, "no-disk"},
	{PROBE_NO_IDENTITY, "no-identity"},
	{PROBE_NOT_READY, "not-ready"},
	{PROBE_FAILED, "failed"},
};

const char *probe_verdict_name(enum probe_verdict verdict)
{
	return text_name_of(verdict_names, ARRAY_SIZE(verdict_names), (int)verdict, "unknown");
}

static int end(struct probe *probe, enum probe_verdict verdict, const char *text)
{
	probe->ended = true;
	probe->verdict = verdict;
	text_copy(probe->text, sizeof(probe->text), text);
	return -ECANCELED;
}

/* ---- what each step sends and takes ---------------------------------------------------------- */

static void build_inquiry(struct probe *probe)
{
	cdb_inquiry(&probe->exchange.command, INQUIRY_STANDARD_BYTES);
}

static int take_inquiry(struct probe *probe, size_t length)
{
	int r = inquiry_standard_parse(probe->data, length, &probe->standard);
	const char *reason;

	if (r < 0)
		return r;
	inquiry_identity_fill(&probe->standard, &probe->unit.identity);
	probe->unit.limits.tpgs = probe->standard.tpgs;
	reason = inquiry_no_disk_reason(&probe->standard);
	return reason ? end(probe, PROBE_NO_DISK, reason) : 0;
}

static const struct step *current_step(const struct probe *probe);

static bool page_is_listed(const struct probe *probe)
{
	return vital_page_set_has(&probe->pages, current_step(probe)->page);
}

static void build_page(struct probe *probe)
{
	cdb_inquiry_page(&probe->exchange.command, current_step(probe)->page,
			 (uint16_t)probe->page_bytes);
}

/* Before a page is read: is there more of it than was asked for? Then ask for all, once. */
static int page_complete(struct probe *probe, size_t length)
{
	int told = inquiry_page_length(probe->data, length, current_step(probe)->page);

	if (told < 0)
		return told;
	if ((size_t)told <= probe->page_bytes || probe->short_bytes > 0)
		return 0;
	probe->short_bytes = length;
	probe->page_bytes = MIN((size_t)told, sizeof(probe->data));
	return -EAGAIN;
}

static int take_page_list(struct probe *probe, size_t length)
{
	return inquiry_page_list_parse(probe->data, length, &probe->standard, &probe->pages);
}

static int take_serial(struct probe *probe, size_t length)
{
	return inquiry_serial_parse(probe->data, length, &probe->standard, &probe->unit.identity);
}

static int take_identification(struct probe *probe, size_t length)
{
	int r = page_complete(probe, length);

	if (r < 0)
		return r;
	return inquiry_identification_parse(probe->data, length, &probe->standard,
					    &probe->unit.identity, &probe->unit.limits);
}

static int check_identity(struct probe *probe, size_t length)
{
	if (probe->unit.identity.wwid[0] != '\0')
		return 0;
	return end(probe, PROBE_NO_IDENTITY, "tells neither an identifier nor a serial number");
}

static void build_test_unit_ready(struct probe *probe)
{
	cdb_test_unit_ready(&probe->exchange.command);
}

static int take_nothing(struct probe *probe, size_t length)
{
	return 0;
}

static void build_capacity_16(struct probe *probe)
{
	cdb_read_capacity_16(&probe->exchange.command, CAPACITY_16_BYTES);
}

static int take_capacity_16(struct probe *probe, size_t length)
{
	return capacity_16_parse(probe->data, length, &probe->unit.limits);
}

static bool has_no_capacity(const struct probe *probe)
{
	return probe->unit.limits.block_size == 0;
}

static void build_capacity_10(struct probe *probe)
{
	cdb_read_capacity_10(&probe->exchange.command);
}

static int take_capacity_10(struct probe *probe, size_t length)
{
	int r = capacity_10_parse(probe->data, length, &probe->unit.limits);

	if (r == -EOVERFLOW)
		return end(probe, PROBE_FAILED,
			   "too large for READ CAPACITY(10), and does not know READ CAPACITY(16)");
	probe->unit.limits.needs_10_byte = true;
	return r;
}

static int check_capacity(struct probe *probe, size_t length)
{
	const char *fault = capacity_fault(&probe->unit.limits);

	return fault ? end(probe, PROBE_FAILED, fault) : 0;
}

static bool is_brief(const struct probe *probe)
{
	return probe->brief;
}

static int end_brief(struct probe *probe, size_t length)
{
	return end(probe, PROBE_FOUND, "");
}

static bool has_no_mode(const struct probe *probe)
{
	return !probe->has_mode;
}

static void build_mode_10(struct probe *probe)
{
	cdb_mode_sense_10(&probe->exchange.command, current_step(probe)->page, FIRST_BYTES);
}

static void build_mode_6(struct probe *probe)
{
	cdb_mode_sense_6(&probe->exchange.command, current_step(probe)->page, FIRST_BYTES);
}

static int take_mode(struct probe *probe, size_t length)
{
	enum mode_format format = probe->exchange.command.cdb[0] == SCSI_MODE_SENSE_10
					  ? MODE_FORMAT_10
					  : MODE_FORMAT_6;
	int r = mode_parse(probe->data, length, format, &probe->unit.limits);

	probe->has_mode = r == 0;
	return r;
}

static int take_block_limits(struct probe *probe, size_t length)
{
	return inquiry_block_limits_parse(probe->data, length, &probe->unit.limits);
}

static int take_provisioning(struct probe *probe, size_t length)
{
	int r = inquiry_provisioning_parse(probe->data, length, &probe->unit.limits);

	probe->has_provisioning = r == 0;
	return r;
}

/* SBC-3 §4.7.3: what the pages claim counts only on a unit that manages its provisioning (LBPME).
 */
static int settle(struct probe *probe, size_t length)
{
	struct unit_limits *limits = &probe->unit.limits;
	bool can_unmap =
		limits->thin && limits->max_unmap_blocks > 0 && limits->max_unmap_descriptors > 0;

	/* SBC-3 drafts before page B2h: limits for UNMAP were the only sign of it */
	limits->unmap = can_unmap && (limits->unmap || !probe->has_provisioning);
	limits->write_same_unmap =
		limits->write_same_unmap && limits->thin && !limits->needs_10_byte;
	limits->unmapped_reads_zero = limits->unmapped_reads_zero && limits->thin;
	if (!limits->unmap)
		limits->max_unmap_blocks = limits->max_unmap_descriptors = 0;
	return end(probe, PROBE_FOUND, "");
}

/* clang-format off */
static const struct step steps[] = {
	{.build = build_inquiry, .accept = take_inquiry, .required = true},
	{.build = build_page, .accept = take_page_list, .page = VITAL_PAGE_LIST},
	{page_is_listed, build_page, take_serial, .page = VITAL_PAGE_SERIAL},
	{page_is_listed, build_page, take_identification, .page = VITAL_PAGE_IDENTIFICATION},
	{.accept = check_identity},
	{.build = build_test_unit_ready, .accept = take_nothing},
	{.build = build_capacity_16, .accept = take_capacity_16},
	{has_no_capacity, build_capacity_10, take_capacity_10, .required = true},
	{.accept = check_capacity},
	{is_brief, .accept = end_brief},
	{has_no_mode, build_mode_10, take_mode, .page = MODE_PAGE_CACHING},
	{has_no_mode, build_mode_6, take_mode, .page = MODE_PAGE_CACHING},
	{has_no_mode, build_mode_6, take_mode, .page = MODE_PAGE_ALL},
	{page_is_listed, build_page, take_block_limits, .page = VITAL_PAGE_BLOCK_LIMITS},
	{page_is_listed, build_page, take_provisioning, .page = VITAL_PAGE_PROVISIONING},
	{.accept = settle},
};

/* What an answer other than GOOD means, once it is final. */
static const struct {
	bool skip; /* go on without it, when the step is not required */
	enum probe_verdict verdict;
} endings[EXCHANGE_ANSWER_COUNT] = {
	[EXCHANGE_ATTENTION] = {false, PROBE_FAILED},
	[EXCHANGE_NOT_READY] = {false, PROBE_NOT_READY},
	[EXCHANGE_BUSY]      = {false, PROBE_NOT_READY},
	[EXCHANGE_AGAIN]     = {false, PROBE_FAILED},
	[EXCHANGE_REFUSED]   = {true,  PROBE_FAILED},
	[EXCHANGE_RESERVED]  = {true,  PROBE_FAILED},
	[EXCHANGE_NO_UNIT]   = {false, PROBE_NO_DISK},
	[EXCHANGE_ERROR]     = {false, PROBE_FAILED},
	[EXCHANGE_LOST]      = {false, PROBE_FAILED},
};

/* Unit attentions after which what was read before may be another unit's (SPC-4 annex F). */
static const struct {
	uint8_t asc, ascq;
} identity_attentions[] = {
	{0x28, 0x00}, /* medium may have changed */
	{0x3f, 0x03}, /* inquiry data changed */
	{0x3f, 0x05}, /* device identifier changed */
	{0x3f, 0x0e}, /* reported LUNs data changed */
};
/* clang-format on */

static const struct step *current_step(const struct probe *probe)
{
	return &steps[probe->step];
}

/* ---- the run --------------------------------------------------------------------------------- */

static void reset(struct probe *probe)
{
	probe->step = 0;
	probe->page_bytes = FIRST_BYTES;
	probe->short_bytes = 0;
	probe->has_mode = probe->has_provisioning = false;
	probe->pages = (struct vital_page_set){};
	probe->unit = (struct unit){
		.limits =
			{
				.write_cache = true, /* until the caching page says otherwise */
				.target_port_group = -1,
				.relative_target_port = -1,
			},
	};
}

static int send_step(struct probe *probe)
{
	if (probe->short_bytes == 0) /* else what came of the page may be all that ever will */
		memset(probe->data, 0, sizeof(probe->data));
	probe->exchange.command.data = probe->data;
	current_step(probe)->build(probe);
	return exchange_send(&probe->exchange);
}

static void send_or_end(struct probe *probe)
{
	if (send_step(probe) < 0)
		(void)end(probe, PROBE_FAILED, "connection lost");
}

static void next_step(struct probe *probe)
{
	probe->page_bytes = FIRST_BYTES;
	probe->short_bytes = 0;
	while (!probe->ended) {
		const struct step *step;

		probe->step++;
		step = current_step(probe); /* settle(), the last, always ends the run */
		if (step->wanted && !step->wanted(probe))
			continue;
		if (step->build) {
			send_or_end(probe);
			return;
		}
		(void)step->accept(probe, 0);
	}
}

static void take_answer(struct probe *probe, size_t length)
{
	const struct step *step = current_step(probe);
	int r = step->accept(probe, length);
	char text[EXCHANGE_TEXT_MAX];

	if (probe->ended)
		return;
	if (r == -EAGAIN) {
		send_or_end(probe);
	} else if (r < 0 && step->required) {
		snprintf(text, sizeof(text), "%s: malformed answer",
			 cdb_name(&probe->exchange.command));
		(void)end(probe, PROBE_FAILED, text);
	} else {
		next_step(probe);
	}
}

static bool identity_may_have_changed(const struct scsi_sense *sense)
{
	for (size_t i = 0; i < ARRAY_SIZE(identity_attentions); i++) {
		if (sense->asc == identity_attentions[i].asc &&
		    sense->ascq == identity_attentions[i].ascq)
			return true;
	}
	return false;
}

/* The data before the attention may be another unit's: begin again, out of the same budget. */
static bool begin_again(struct probe *probe)
{
	struct exchange *exchange = &probe->exchange;

	if (!identity_may_have_changed(&exchange->sense) ||
	    exchange->attentions >= EXCHANGE_ATTENTIONS_MAX)
		return false;
	exchange->attentions++;
	reset(probe);
	send_or_end(probe);
	return true;
}

static void judge(struct probe *probe, enum exchange_answer answer)
{
	char text[EXCHANGE_TEXT_MAX];

	if (answer == EXCHANGE_ATTENTION && begin_again(probe))
		return;
	if (exchange_resend(&probe->exchange, answer))
		return;
	if (answer == EXCHANGE_GOOD)
		return take_answer(probe, scsi_command_received(&probe->exchange.command));
	if (answer != EXCHANGE_LOST && probe->short_bytes > 0)
		return take_answer(probe,
				   probe->short_bytes); /* long pages are refused: see above */
	if (endings[answer].skip && !current_step(probe)->required)
		return next_step(probe);
	if (answer == EXCHANGE_NOT_READY && probe->unit.limits.tpgs)
		probe->unit.limits.access = (uint8_t)access_state_of_sense(
			probe->exchange.sense.key, probe->exchange.sense.asc,
			probe->exchange.sense.ascq);
	(void)end(probe, endings[answer].verdict,
		  exchange_describe(&probe->exchange.command, text));
}

static void forget_what_is_not_valid(struct probe *probe)
{
	struct unit *unit = &probe->unit;

	switch (probe->verdict) {
	case PROBE_FOUND:
	case PROBE_NO_DISK:
		break;
	case PROBE_NOT_READY:
		unit->limits = (struct unit_limits){
			.tpgs = unit->limits.tpgs,
			.target_port_group = unit->limits.target_port_group,
			.relative_target_port = unit->limits.relative_target_port,
			.access = unit->limits.access,
		};
		break;
	default:
		*unit = (struct unit){};
		break;
	}
}

static void answered(struct exchange *exchange, enum exchange_answer answer)
{
	struct probe *probe = container_of(exchange, struct probe, exchange);

	judge(probe, answer);
	if (!probe->ended)
		return;
	forget_what_is_not_valid(probe);
	probe->done(probe->verdict, &probe->unit, probe->text, probe->userdata);
	free(probe);
}

static void released(struct exchange *exchange)
{
	free(container_of(exchange, struct probe, exchange));
}

static int start(struct nexus *nexus, bool brief,
		 void (*done)(enum probe_verdict verdict, const struct unit *unit, const char *text,
			      void *userdata),
		 void *userdata, struct probe **ret)
{
	owned_memory struct probe *probe = calloc(1, sizeof(*probe));
	int r;

	if (!probe)
		return -ENOMEM;

	probe->exchange.nexus = nexus;
	probe->exchange.answered = answered;
	probe->exchange.released = released;
	probe->done = done;
	probe->userdata = userdata;
	probe->brief = brief;
	reset(probe);
	r = send_step(probe);
	if (r < 0)
		return r;

	*ret = take(probe);
	return 0;
}

int probe_start(struct nexus *nexus,
		void (*done)(enum probe_verdict verdict, const struct unit *unit, const char *text,
			     void *userdata),
		void *userdata, struct probe **ret)
{
	return start(nexus, false, done, userdata, ret);
}

int probe_start_brief(struct nexus *nexus,
		      void (*done)(enum probe_verdict verdict, const struct unit *unit,
				   const char *text, void *userdata),
		      void *userdata, struct probe **ret)
{
	return start(nexus, true, done, userdata, ret);
}

void probe_cancel(struct probe *probe)
{
	if (probe && !probe->ended)
		exchange_cancel(&probe->exchange);
}
