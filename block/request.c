/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "block/request.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "scsi/cdb.h"
#include "scsi/sense.h"
#include "util/cleanup.h"

/* A 10-byte CDB has 16 bits for the number of blocks. */
#define BLOCKS_MAX_10 UINT16_MAX
/* A unit that does not tell its WRITE SAME limit is asked for no more than a 10-byte CDB could. */
#define WRITE_SAME_BLOCKS_UNTOLD UINT16_MAX
/* WRITE SAME that really writes takes as long as the writing; short ones keep it interruptible. */
#define WRITE_SAME_WRITTEN_BYTES (64u << 20)

struct cut {
	enum block_method method;
	uint32_t blocks;
};

/* --- the methods: what each may move at once, and its command --- */

static uint32_t clamp_blocks(uint64_t blocks)
{
	return (uint32_t)MIN(blocks, (uint64_t)UINT32_MAX);
}

static uint32_t transfer_limit(const struct block_target *target)
{
	return target->transfer_blocks;
}

static uint32_t unmap_limit(const struct block_target *target)
{
	return target->limits.max_unmap_blocks;
}

static uint32_t write_same_unmap_limit(const struct block_target *target)
{
	uint64_t limit = target->limits.max_write_same_blocks;

	return clamp_blocks(limit ? limit : WRITE_SAME_BLOCKS_UNTOLD);
}

static uint32_t write_same_limit(const struct block_target *target)
{
	return MIN(write_same_unmap_limit(target),
		   WRITE_SAME_WRITTEN_BYTES / target->limits.block_size);
}

static void *piece_data(const struct block_piece *piece)
{
	const struct block_request *request = piece->request;
	uint64_t block = piece->at - request->start;

	return (uint8_t *)request->data + block * request->target->limits.block_size;
}

static void build_read(struct block_piece *piece)
{
	const struct unit_limits *limits = &piece->request->target->limits;

	(limits->needs_10_byte ? cdb_read_10 : cdb_read_16)(&piece->command.scsi, 0, piece->at,
							    piece->blocks, limits->block_size);
	piece->command.scsi.data = piece_data(piece);
}

static void build_write_from(struct block_piece *piece, uint8_t flags, void *data)
{
	const struct unit_limits *limits = &piece->request->target->limits;

	(limits->needs_10_byte ? cdb_write_10 : cdb_write_16)(
		&piece->command.scsi, flags, piece->at, piece->blocks, limits->block_size);
	piece->command.scsi.data = data;
}

static void build_write(struct block_piece *piece)
{
	const struct block_request *request = piece->request;
	bool fua = (request->flags & BLOCK_FUA) && request->target->limits.fua;

	build_write_from(piece, fua ? CDB_FUA : 0, piece_data(piece));
}

static void build_write_zeroes(struct block_piece *piece)
{
	build_write_from(piece, 0, piece->request->target->zeroes);
}

static void build_flush(struct block_piece *piece)
{
	/* From block 0, to the end: all of it, whatever the size (SBC-3 §5.22). */
	cdb_synchronize_cache_10(&piece->command.scsi, 0, 0);
	piece->command.scsi.data = NULL;
}

static void build_unmap(struct block_piece *piece)
{
	struct unmap_range range = {.lba = piece->at, .blocks = piece->blocks};
	int length = unmap_parameters_fill(piece->unmap, sizeof(piece->unmap), &range, 1);

	assert(length == sizeof(piece->unmap));
	cdb_unmap(&piece->command.scsi, (uint16_t)length);
	piece->command.scsi.data = piece->unmap;
}

static void build_write_same_with(struct block_piece *piece, uint8_t flags)
{
	const struct block_target *target = piece->request->target;

	cdb_write_same_16(&piece->command.scsi, flags, piece->at, piece->blocks,
			  target->limits.block_size);
	piece->command.scsi.data = target->zeroes;
}

static void build_write_same_unmap(struct block_piece *piece)
{
	build_write_same_with(piece, CDB_WRITE_SAME_UNMAP);
}

static void build_write_same(struct block_piece *piece)
{
	build_write_same_with(piece, 0);
}

struct method {
	uint32_t (*limit)(const struct block_target *target);
	void (*build)(struct block_piece *piece);
	enum map_command_kind kind;
	bool optional; /* the unit may turn out not to know it */
};

/* clang-format off */
static const struct method methods[BLOCK_METHOD_COUNT] = {
	[BLOCK_METHOD_READ]             = {transfer_limit,         build_read,             MAP_READ,  false},
	[BLOCK_METHOD_WRITE]            = {transfer_limit,         build_write,            MAP_WRITE, false},
	[BLOCK_METHOD_FLUSH]            = {NULL,                   build_flush,            MAP_FLUSH, false},
	[BLOCK_METHOD_UNMAP]            = {unmap_limit,            build_unmap,            MAP_WRITE, true},
	[BLOCK_METHOD_WRITE_SAME_UNMAP] = {write_same_unmap_limit, build_write_same_unmap, MAP_WRITE, true},
	[BLOCK_METHOD_WRITE_SAME]       = {write_same_limit,       build_write_same,       MAP_WRITE, true},
	[BLOCK_METHOD_WRITE_ZEROES]     = {transfer_limit,         build_write_zeroes,     MAP_WRITE, false},
};

/*
 * Which methods serve which purpose, best first.
 *
 * To zero, WRITE SAME with UNMAP comes before UNMAP: where LBPRZ is set the former must leave zeroes
 * whatever the unit does with the space (SBC-3 §5.48), the latter is a hint that it may pass over
 * block by block (SBC-3 §4.7.3.4). Neither may be used where unmapped blocks may read as anything.
 */
enum purpose { PURPOSE_READ, PURPOSE_WRITE, PURPOSE_DISCARD, PURPOSE_ZERO, PURPOSE_ZERO_ALLOCATED };

#define METHODS_MAX 5
static const enum block_method purposes[][METHODS_MAX] = {
	[PURPOSE_READ]           = {BLOCK_METHOD_READ, BLOCK_METHOD_NONE},
	[PURPOSE_WRITE]          = {BLOCK_METHOD_WRITE, BLOCK_METHOD_NONE},
	[PURPOSE_DISCARD]        = {BLOCK_METHOD_UNMAP, BLOCK_METHOD_WRITE_SAME_UNMAP,
				    BLOCK_METHOD_NONE},
	[PURPOSE_ZERO]           = {BLOCK_METHOD_WRITE_SAME_UNMAP, BLOCK_METHOD_UNMAP,
				    BLOCK_METHOD_WRITE_SAME, BLOCK_METHOD_WRITE_ZEROES,
				    BLOCK_METHOD_NONE},
	[PURPOSE_ZERO_ALLOCATED] = {BLOCK_METHOD_WRITE_SAME, BLOCK_METHOD_WRITE_ZEROES,
				    BLOCK_METHOD_NONE},
};
/* clang-format on */

static enum purpose purpose_of(const struct block_request *request)
{
	static const enum purpose of[BLOCK_OPERATION_COUNT] = {
		[BLOCK_READ] = PURPOSE_READ,
		[BLOCK_WRITE] = PURPOSE_WRITE,
		[BLOCK_DISCARD] = PURPOSE_DISCARD,
		[BLOCK_WRITE_ZEROES] = PURPOSE_ZERO,
	};

	if (request->operation == BLOCK_WRITE_ZEROES && (request->flags & BLOCK_NO_UNMAP))
		return PURPOSE_ZERO_ALLOCATED;
	if (request->operation == BLOCK_DISCARD && (request->flags & BLOCK_MUST_ZERO))
		return PURPOSE_ZERO;
	return of[request->operation];
}

static bool method_usable(const struct block_target *target, enum purpose purpose,
			  enum block_method method)
{
	const struct unit_limits *limits = &target->limits;
	bool zeroes_enough = purpose != PURPOSE_ZERO || limits->unmapped_reads_zero;

	if (target->refused & 1u << method)
		return false;
	switch (method) {
	case BLOCK_METHOD_UNMAP:
		return limits->unmap && limits->max_unmap_blocks > 0 && zeroes_enough;
	case BLOCK_METHOD_WRITE_SAME_UNMAP:
		return limits->write_same_unmap && !limits->needs_10_byte && zeroes_enough;
	case BLOCK_METHOD_WRITE_SAME:
		return !limits->needs_10_byte;
	default:
		return true;
	}
}

static enum block_method choose_method(const struct block_target *target, enum purpose purpose,
				       bool not_unmap)
{
	const enum block_method *method = purposes[purpose];

	while (*method != BLOCK_METHOD_NONE && (!method_usable(target, purpose, *method) ||
						(not_unmap && *method == BLOCK_METHOD_UNMAP)))
		method++;
	return *method;
}

/* --- cutting a range into commands --- */

/* Blocks from @at to the next boundary of UNMAP's granules; 0 when @at is on one. */
static uint64_t to_boundary(const struct unit_limits *limits, uint64_t at)
{
	uint64_t granule = limits->unmap_granularity_blocks;
	uint64_t phase;

	if (granule <= 1)
		return 0;
	phase = (at + granule - limits->unmap_alignment_blocks % granule) % granule;
	return phase ? granule - phase : 0;
}

/*
 * UNMAP of a part of a granule does nothing on most units. Whole granules are unmapped; parts are
 * left alone, or zeroed by other means when they have to read as zeroes.
 */
static struct cut cut_for_unmap(const struct block_target *target, enum purpose purpose,
				uint64_t at, uint64_t end)
{
	const struct unit_limits *limits = &target->limits;
	uint64_t granule = MAX(limits->unmap_granularity_blocks, 1u);
	uint64_t head = to_boundary(limits, at), length = end - at;
	uint64_t blocks;

	if (head > 0 || length < granule) {
		enum block_method other = purpose == PURPOSE_ZERO
						  ? choose_method(target, purpose, true)
						  : BLOCK_METHOD_NONE;
		uint32_t limit =
			other == BLOCK_METHOD_NONE ? UINT32_MAX : methods[other].limit(target);

		blocks = MIN(head > 0 ? MIN(head, length) : length, (uint64_t)limit);
		return (struct cut){other, (uint32_t)blocks};
	}
	blocks = MIN(length, (uint64_t)unmap_limit(target));
	if (blocks > granule)
		blocks -= blocks % granule;
	return (struct cut){BLOCK_METHOD_UNMAP, (uint32_t)blocks};
}

/* The first command for blocks @at to @end; BLOCK_METHOD_NONE with 0 blocks: it cannot be done. */
static struct cut cut_next(const struct block_target *target, enum purpose purpose, uint64_t at,
			   uint64_t end)
{
	enum block_method method = choose_method(target, purpose, false);
	uint64_t blocks;

	if (method == BLOCK_METHOD_NONE)
		return (struct cut){BLOCK_METHOD_NONE, 0};
	if (method == BLOCK_METHOD_UNMAP)
		return cut_for_unmap(target, purpose, at, end);
	blocks = MIN(end - at, (uint64_t)methods[method].limit(target));
	return (struct cut){method, (uint32_t)blocks};
}

/* --- the walk --- */

static void piece_done(struct map_command *command, int error);

static void piece_send(struct block_piece *piece)
{
	const struct method *method = &methods[piece->method];

	method->build(piece);
	piece->command.scsi.timeout_ms = 0;
	piece->command.kind = method->kind;
	piece->command.lba = piece->at;
	piece->command.blocks = piece->blocks;
	piece->command.done = piece_done;
	piece->request->in_flight++;
	map_submit(piece->request->target->map, &piece->command);
}

static void request_fail(struct block_request *request, int error)
{
	if (!request->error)
		request->error = error;
}

/*
 * Give @piece the next command: out of the part it has, or else out of what the request has left.
 * Return: false when there is nothing left to send.
 */
static bool piece_advance(struct block_piece *piece)
{
	struct block_request *request = piece->request;
	enum purpose purpose = purpose_of(request);

	while (!request->error) {
		bool own = piece->at < piece->end;
		uint64_t at = own ? piece->at : request->next;
		uint64_t end = own ? piece->end : request->end;
		struct cut cut;

		if (at == end)
			return false;
		cut = cut_next(request->target, purpose, at, end);
		if (cut.blocks == 0) {
			request_fail(request, -EOPNOTSUPP);
			return false;
		}
		if (!own) {
			piece->at = at;
			piece->end = request->next = at + cut.blocks;
		}
		if (cut.method == BLOCK_METHOD_NONE) {
			piece->at += cut.blocks;
			continue;
		}
		piece->method = cut.method;
		piece->blocks = cut.blocks;
		piece_send(piece);
		return true;
	}
	return false;
}

static void send_flush(struct block_request *request)
{
	struct block_piece *piece = &request->pieces[0];

	request->flush_due = false;
	piece->method = BLOCK_METHOD_FLUSH;
	piece->at = piece->end = 0;
	piece->blocks = 0;
	piece_send(piece);
}

/* Did the unit say that it does not know this command, or not with these fields? */
static bool refused_by_unit(const struct block_piece *piece, int error)
{
	struct scsi_sense sense = sense_of(&piece->command.scsi.result);

	/* Only these come of an answer to this very command; the result of an earlier try may
	 * still stand there when it ended otherwise. */
	if (error != -EOPNOTSUPP && error != -EREMOTEIO)
		return false;
	return sense.valid && !sense.deferred && sense.key == SENSE_ILLEGAL_REQUEST &&
	       (sense.asc == 0x20 || sense.asc == 0x24 || sense.asc == 0x26);
}

/* How a piece's command ended. A method that the unit refused is never tried again, and the piece
 * goes on with the next one at the same block. */
static void piece_note_result(struct block_piece *piece, int error)
{
	const struct method *method = &methods[piece->method];
	struct block_request *request = piece->request;

	if (!error)
		piece->at += piece->blocks;
	else if (method->optional && refused_by_unit(piece, error))
		request->target->refused |= 1u << piece->method;
	else
		request_fail(request, error);
}

static void piece_done(struct map_command *command, int error)
{
	struct block_piece *piece = container_of(command, struct block_piece, command);
	struct block_request *request = piece->request;

	request->in_flight--;
	piece_note_result(piece, error);
	piece_advance(piece);
	if (request->in_flight > 0)
		return;
	if (request->flush_due && !request->error)
		send_flush(request);
	else
		request->done(request, request->error);
}

/* --- requests --- */

static int request_check(const struct block_target *target, const struct block_request *request)
{
	uint64_t size_bytes = target->limits.blocks * target->limits.block_size;
	uint64_t mask = target->limits.block_size - 1;

	if (request->operation == BLOCK_FLUSH)
		return 0;
	if (request->operation != BLOCK_READ && target->limits.read_only)
		return -EROFS;
	if ((request->offset_bytes | request->length_bytes) & mask)
		return -EINVAL;
	if (request->offset_bytes > size_bytes ||
	    request->length_bytes > size_bytes - request->offset_bytes)
		return -EINVAL;
	return 0;
}

/* After FUA without help of the unit a flush has to follow; without a cache nothing has to. */
static bool request_needs_flush(const struct block_target *target,
				const struct block_request *request)
{
	if (!(request->flags & BLOCK_FUA) || !target->limits.write_cache)
		return false;
	return request->operation != BLOCK_READ && request->operation != BLOCK_FLUSH &&
	       !(request->operation == BLOCK_WRITE && target->limits.fua);
}

static void request_begin(struct block_target *target, struct block_request *request)
{
	uint32_t block_size = target->limits.block_size;
	bool ranged = request->operation != BLOCK_FLUSH;

	request->target = target;
	request->start = request->next = ranged ? request->offset_bytes / block_size : 0;
	request->end = ranged ? request->start + request->length_bytes / block_size : 0;
	request->error = 0;
	request->in_flight = 0;
	request->flush_due = request_needs_flush(target, request);
	for (unsigned i = 0; i < BLOCK_PIECES; i++) {
		request->pieces[i].request = request;
		request->pieces[i].at = request->pieces[i].end = 0;
	}
}

static int request_walk(struct block_request *request)
{
	for (unsigned i = 0; i < BLOCK_PIECES; i++)
		if (!piece_advance(&request->pieces[i]))
			break;
	if (request->in_flight > 0)
		return 0;
	return request->error ? request->error : 1;
}

int block_submit(struct block_target *target, struct block_request *request)
{
	int r = request_check(target, request);

	if (r < 0)
		return r;
	if (request->operation == BLOCK_FLUSH && !target->limits.write_cache)
		return 1;
	request_begin(target, request);
	if (request->operation != BLOCK_FLUSH)
		return request_walk(request);
	send_flush(request);
	return 0;
}

/* --- targets --- */

static uint32_t transfer_blocks_of(const struct unit_limits *limits, uint32_t max_bytes)
{
	uint32_t blocks = max_bytes / limits->block_size;

	if (limits->max_transfer_blocks)
		blocks = MIN(blocks, limits->max_transfer_blocks);
	if (limits->needs_10_byte)
		blocks = MIN(blocks, (uint32_t)BLOCKS_MAX_10);
	return blocks;
}

int block_target_init(struct block_target *target, struct map *map,
		      const struct unit_limits *limits, uint32_t transfer_max_bytes)
{
	uint32_t max_bytes = transfer_max_bytes ? transfer_max_bytes : BLOCK_TRANSFER_MAX_BYTES;
	uint32_t block_size = limits->block_size;
	size_t zeroes_bytes;
	void *zeroes;

	if (block_size < 512 || block_size > 4096 || (block_size & (block_size - 1)) ||
	    block_size > max_bytes || limits->blocks > UINT64_MAX / block_size)
		return -EINVAL;

	zeroes_bytes = (size_t)transfer_blocks_of(limits, max_bytes) * block_size;
	/* Never written, so that every page of it is the kernel's one page of zeroes. */
	zeroes = mmap(NULL, zeroes_bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (zeroes == MAP_FAILED)
		return -errno;

	*target = (struct block_target){
		.map = map,
		.limits = *limits,
		.transfer_blocks = transfer_blocks_of(limits, max_bytes),
		.zeroes = zeroes,
		.zeroes_bytes = zeroes_bytes,
	};
	return 0;
}

void block_target_deinit(struct block_target *target)
{
	if (target->zeroes)
		munmap(target->zeroes, target->zeroes_bytes);
	target->zeroes = NULL;
}

bool block_target_can_discard(const struct block_target *target, bool must_zero)
{
	enum purpose purpose = must_zero ? PURPOSE_ZERO : PURPOSE_DISCARD;
	enum block_method method = choose_method(target, purpose, false);

	return method == BLOCK_METHOD_UNMAP || method == BLOCK_METHOD_WRITE_SAME_UNMAP;
}
