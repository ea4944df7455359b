/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "scsi/probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "scsi/cdb.h"
#include "scsi/exchange.h"
#include "scsi/nexus.h"
#include "util/bytes.h"
#include "util/cleanup.h"

#define HEADER_BYTES	8
#define LUN_BYTES	8
#define LUNS_FIRST	511 /* 4 KiB of data with the header */
#define LUNS_MAX	16384
#define LUN_UNSPECIFIED UINT64_MAX /* SAM-5 §4.7.4: "not specified" */

struct lun_scan {
	struct exchange exchange;
	void (*done)(int error, const uint64_t *luns, size_t count, void *userdata);
	void *userdata;
	bool ended;
	uint8_t *data;	 /* owned */
	size_t capacity; /* LUNs that fit into it */
};

static void lun_scan_free(struct lun_scan *scan)
{
	if (!scan)
		return;
	free(scan->data);
	free(scan);
}
DEFINE_OWNED(lun_scan);

static void finish(struct lun_scan *scan, int error, const uint64_t *luns, size_t count)
{
	scan->ended = true;
	scan->done(error, luns, count, scan->userdata);
	lun_scan_free(scan);
}

static int send(struct lun_scan *scan, size_t capacity)
{
	size_t length = HEADER_BYTES + capacity * LUN_BYTES;
	uint8_t *data = realloc(scan->data, length);

	if (!data)
		return -ENOMEM;
	memset(data, 0, length);
	scan->data = data;
	scan->capacity = capacity;
	scan->exchange.command.data = data;
	cdb_report_luns(&scan->exchange.command, (uint32_t)length);
	return exchange_send(&scan->exchange);
}

/* A set of LUNs by open addressing, at most half full; a free slot is 0, so that a LUN is kept + 1.
 */
#define SET_SLOTS (2 * LUNS_MAX)

static bool set_insert(uint64_t *slots, uint64_t lun)
{
	uint64_t slot = lun * 0x9e3779b97f4a7c15 >> 32;

	for (;; slot++) {
		uint64_t *kept = &slots[slot % SET_SLOTS];

		if (*kept == lun + 1)
			return false;
		if (*kept == 0) {
			*kept = lun + 1;
			return true;
		}
	}
}

/* Each LUN of the list once, in order. Return: how many, or -ENOMEM */
static int collect(struct reader list, uint64_t *luns)
{
	owned_memory uint64_t *slots = calloc(SET_SLOTS, sizeof(*slots));
	int count = 0;

	if (!slots)
		return -ENOMEM;
	while (list.left >= LUN_BYTES && count < LUNS_MAX) {
		uint64_t lun = reader_u64(&list);

		if (lun != LUN_UNSPECIFIED && set_insert(slots, lun))
			luns[count++] = lun;
	}
	return count;
}

static void take_list(struct lun_scan *scan)
{
	size_t received = scsi_command_received(&scan->exchange.command);
	struct reader reader = reader_of(scan->data, received);
	size_t told = reader_u32(&reader);
	owned_memory uint64_t *luns = NULL;
	int count;

	reader_skip(&reader, 4);
	if (reader.failed)
		return finish(scan, -EIO, NULL, 0);
	if (told / LUN_BYTES > scan->capacity && scan->capacity < LUNS_MAX) {
		int r = send(scan, MIN(told / LUN_BYTES, (size_t)LUNS_MAX));

		if (r < 0)
			finish(scan, r, NULL, 0);
		return;
	}

	/* half a list would make the other half's units vanish */
	if (reader.left / LUN_BYTES < MIN(told / LUN_BYTES, scan->capacity))
		return finish(scan, -EIO, NULL, 0);
	reader.left = MIN(reader.left, told);
	luns = calloc(LUNS_MAX, sizeof(*luns));
	count = luns ? collect(reader, luns) : -ENOMEM;
	if (count < 0)
		return finish(scan, count, NULL, 0);
	finish(scan, 0, luns, (size_t)count);
}

static int error_of(const struct exchange *exchange, enum exchange_answer answer)
{
	if (answer == EXCHANGE_BUSY || answer == EXCHANGE_NOT_READY)
		return -EBUSY;
	if (answer == EXCHANGE_LOST)
		return exchange->command.result.outcome == SCSI_ABORTED ? -ETIMEDOUT : -ENOTCONN;
	return -EIO;
}

static void answered(struct exchange *exchange, enum exchange_answer answer)
{
	static const uint64_t lun_0;
	struct lun_scan *scan = container_of(exchange, struct lun_scan, exchange);

	if (exchange_resend(exchange, answer))
		return;
	if (answer == EXCHANGE_GOOD)
		take_list(scan);
	else if (answer == EXCHANGE_REFUSED || answer == EXCHANGE_NO_UNIT)
		finish(scan, 0, &lun_0, 1);
	else
		finish(scan, error_of(exchange, answer), NULL, 0);
}

static void released(struct exchange *exchange)
{
	lun_scan_free(container_of(exchange, struct lun_scan, exchange));
}

int lun_scan_start(struct nexus *nexus,
		   void (*done)(int error, const uint64_t *luns, size_t count, void *userdata),
		   void *userdata, struct lun_scan **ret)
{
	owned(lun_scan) scan = calloc(1, sizeof(*scan));
	int r;

	if (!scan)
		return -ENOMEM;

	scan->exchange.nexus = nexus;
	scan->exchange.answered = answered;
	scan->exchange.released = released;
	scan->done = done;
	scan->userdata = userdata;
	r = send(scan, LUNS_FIRST);
	if (r < 0)
		return r;

	*ret = take(scan);
	return 0;
}

void lun_scan_cancel(struct lun_scan *scan)
{
	if (scan && !scan->ended)
		exchange_cancel(&scan->exchange);
}

uint64_t lun_number(uint64_t lun)
{
	uint64_t number = 0;

	/* four levels of two bytes, the first in the lowest 16 bits */
	for (unsigned level = 0; level < 4; level++)
		number |= (lun >> (48 - 16 * level) & 0xffff) << 16 * level;
	return number;
}
