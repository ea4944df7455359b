/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "tests/unit/block/ram_disk.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "block/disk.h"
#include "multipath/map.h"
#include "scsi/command.h"
#include "util/cleanup.h"

/* --- the nexus --- */

static int nexus_queue(struct nexus *nexus, struct scsi_command *command)
{
	struct ram_disk *ram_disk = container_of(nexus, struct ram_disk, nexus);

	list_append(&ram_disk->queue, &command->link);
	ring_defer(ram_disk->ring, &ram_disk->run);
	return 0;
}

static void nexus_ignore_abort(struct nexus *nexus, struct scsi_command *command)
{
}

static void nexus_ignore_last(struct nexus *nexus, bool last)
{
}

static const struct nexus_ops nexus_ops = {
	.execute = nexus_queue,
	.abort = nexus_ignore_abort,
	.abandon = nexus_ignore_abort, /* it answers soon anyway */
	.set_last_path = nexus_ignore_last,
};

static void nexus_answer(struct deferred *deferred)
{
	struct ram_disk *ram_disk = container_of(deferred, struct ram_disk, run);
	static const struct fake_origin origin = {.target_port_group = 1, .relative_port = 1};
	struct scsi_command *command;
	struct list now;

	if (ram_disk->frozen)
		return;
	list_init(&now);
	list_splice(&now, &ram_disk->queue);
	while ((command = list_pop(&now, struct scsi_command, link))) {
		fake_unit_execute(ram_disk->fake_unit, command, &origin);
		command->done(command);
	}
}

/* --- the worker --- */

static void *worker_run(void *userdata)
{
	struct ram_disk *ram_disk = userdata;

	assert(ring_run(ram_disk->ring) == 0);
	return NULL;
}

static void mail_delivered(struct mail *mail)
{
	struct ram_disk *ram_disk = container_of(mail, struct ram_disk, mail);

	ram_disk->on_worker(ram_disk);
}

static void run_on_worker(struct ram_disk *ram_disk, void (*work)(struct ram_disk *ram_disk))
{
	ram_disk->on_worker = work;
	mailbox_post(ring_mailbox(ram_disk->ring), &ram_disk->mail);
	while (sem_wait(&ram_disk->answered) < 0 && errno == EINTR)
		;
}

static void freeze(struct ram_disk *ram_disk)
{
	ram_disk->frozen = true;
	sem_post(&ram_disk->answered);
}

static void thaw(struct ram_disk *ram_disk)
{
	ram_disk->frozen = false;
	ring_defer(ram_disk->ring, &ram_disk->run);
	sem_post(&ram_disk->answered);
}

void ram_disk_freeze(struct ram_disk *ram_disk, bool frozen)
{
	run_on_worker(ram_disk, frozen ? freeze : thaw);
}

/* --- life --- */

void ram_disk_init(struct ram_disk *ram_disk, uint64_t blocks, uint32_t block_size)
{
	*ram_disk = (struct ram_disk){
		.fake_unit = fake_unit_new(blocks, block_size),
		.unit =
			{
				.identity = {.wwid = "3600",
					     .vendor = "HAWSER",
					     .product = "RAM disk"},
				.limits =
					{
						.blocks = blocks,
						.block_size = block_size,
						.physical_block_size = 4096,
						.max_unmap_blocks = 1 << 20,
						.max_unmap_descriptors = 16,
						.write_cache = true,
						.fua = true,
						.thin = true,
						.unmap = true,
						.write_same_unmap = true,
						.unmapped_reads_zero = true,
						.target_port_group = 1,
						.relative_target_port = 1,
					},
			},
		.nexus = {.ops = &nexus_ops, .up = true},
		.mail = {.deliver = mail_delivered},
	};
	list_init(&ram_disk->queue);
	deferred_init(&ram_disk->run, nexus_answer);
	sem_init(&ram_disk->answered, 0, 0);
	assert(ring_new(256, &ram_disk->ring) == 0);
}

static void make_map(struct ram_disk *ram_disk)
{
	struct map_settings map_settings = {
		.selector = "round-robin",
		.no_path_retry_ms = 60000,
		.guard = {.timeout_ms = 60000},
	};

	assert(map_new(ram_disk->ring, &ram_disk->unit, &map_settings, NULL, NULL,
		       &ram_disk->map) == 0);
	assert(map_add_path(ram_disk->map, &ram_disk->nexus, NULL, &ram_disk->path) == 0);
	path_verified(ram_disk->path);
}

static int serve(struct ram_disk *ram_disk)
{
	/* The ring does nothing before its thread runs, so that this may be said from here. */
	int r = disk_serve(ram_disk->disk, ram_disk->ring);

	assert(r == 0 && pthread_create(&ram_disk->thread, NULL, worker_run, ram_disk) == 0);
	r = disk_go_live(ram_disk->disk);
	return r < 0 || ram_disk->frozen ? r : disk_scan_partitions(ram_disk->disk);
}

int ram_disk_start(struct ram_disk *ram_disk, const char *name)
{
	struct disk_settings settings = {.exporter = "fuse", .dev_dir = "/dev"};
	int r;

	snprintf(settings.name, sizeof(settings.name), "%s", name);
	make_map(ram_disk);
	r = disk_prepare(&settings, ram_disk->map, &ram_disk->unit, &ram_disk->disk);
	return r < 0 ? r : serve(ram_disk);
}

int ram_disk_adopt(struct ram_disk *ram_disk, const struct disk_node *node, const int *fds,
		   unsigned fd_count)
{
	struct disk_settings settings = {.exporter = "fuse", .dev_dir = "/dev"};
	int r;

	make_map(ram_disk);
	r = disk_adopt(&settings, ram_disk->map, &ram_disk->unit, node, fds, fd_count,
		       &ram_disk->disk);
	return r < 0 ? r : serve(ram_disk);
}

static void stopped(struct disk *disk, void *userdata)
{
	struct ram_disk *ram_disk = userdata;

	ring_stop(ram_disk->ring);
	sem_post(&ram_disk->answered);
}

static void stop(struct ram_disk *ram_disk)
{
	disk_stop(ram_disk->disk, stopped, ram_disk);
}

void ram_disk_deinit(struct ram_disk *ram_disk)
{
	if (ram_disk->disk) {
		run_on_worker(ram_disk, stop);
		pthread_join(ram_disk->thread, NULL);
		disk_free(ram_disk->disk);
	}
	if (ram_disk->map) {
		map_remove_path(ram_disk->map, ram_disk->path);
		map_free(ram_disk->map);
	}
	ring_free(ram_disk->ring);
	fake_unit_free(ram_disk->fake_unit);
	sem_destroy(&ram_disk->answered);
}
