/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Disks in memory as real block devices, used by real programs. What the kernel does in between is
 * what is tested here.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <linux/fs.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "block/disk.h"
#include "block/fuse_mount.h"
#include "tests/unit/block/ram_disk.h"
#include "util/cleanup.h"

#define MIB	     (1024 * 1024ULL)
#define EXIT_SKIPPED 77

static char folder[] = "/tmp/block-disk-XXXXXX";

/* The exit status of a shell command, whose output is kept quiet. */
static int run(const char *format, ...)
{
	char line[1024], command[1100];
	va_list arguments;
	int status;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	snprintf(command, sizeof(command), "{ %s; } 2>&1 >%s/log", line, folder);
	status = system(command);
	if (status != 0)
		print_message("%s: %d\n", line, status);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void read_queue_attribute(const struct ram_disk *ram_disk, const char *name, char value[64])
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/block/%s/queue/%s",
		 strrchr(disk_node(ram_disk->disk)->path, '/') + 1, name);
	value[0] = '\0';
	file = fopen(path, "r");
	assert_non_null(file);
	assert_non_null(fgets(value, 64, file));
	value[strcspn(value, "\n")] = '\0';
	fclose(file);
}

static void assert_attribute(const struct ram_disk *ram_disk, const char *name, const char *wanted)
{
	char value[64];

	read_queue_attribute(ram_disk, name, value);
	assert_string_equal(value, wanted);
}

static struct ram_disk *disk_new(uint64_t bytes, uint32_t block_size)
{
	struct ram_disk *ram_disk = calloc(1, sizeof(*ram_disk));

	ram_disk_init(ram_disk, bytes / block_size, block_size);
	return ram_disk;
}

static struct ram_disk *disk_begin(uint64_t bytes, uint32_t block_size)
{
	struct ram_disk *ram_disk = disk_new(bytes, block_size);

	assert_int_equal(ram_disk_start(ram_disk, "test"), 0);
	return ram_disk;
}

static void disk_end(struct ram_disk *ram_disk)
{
	ram_disk_deinit(ram_disk);
	free(ram_disk);
}

static const char *device_of(const struct ram_disk *ram_disk)
{
	return disk_node(ram_disk->disk)->path;
}

static uint64_t device_bytes(const struct ram_disk *ram_disk)
{
	owned_fd int fd = open(device_of(ram_disk), O_RDONLY | O_CLOEXEC);
	uint64_t bytes = 0;

	assert_true(fd >= 0 && ioctl(fd, BLKGETSIZE64, &bytes) == 0);
	return bytes;
}

static bool is_filled(const struct ram_disk *ram_disk, uint64_t start, uint64_t end, uint8_t byte)
{
	for (uint64_t i = start; i < end; i++)
		if (ram_disk->fake_unit->data[i] != byte)
			return false;
	return true;
}

static void file_system_on_it_holds_verified_data(void **state)
{
	static const uint32_t block_sizes[] = {512, 4096};

	for (unsigned i = 0; i < ARRAY_SIZE(block_sizes); i++) {
		struct ram_disk *ram_disk = disk_begin(128 * MIB, block_sizes[i]);
		char device[300];

		snprintf(device, sizeof(device), "%s", device_of(ram_disk));
		assert_int_equal(device_bytes(ram_disk), 128 * MIB);
		assert_int_equal(run("mkfs.ext4 -q %s && mkdir -p %s/mnt && mount %s %s/mnt",
				     device, folder, device, folder),
				 0);
		assert_int_equal(
			run("fio --name=v --verify_state_save=0 --directory=%s/mnt --size=40m --rw=randwrite "
			    "--bsrange=1k-256k --ioengine=libaio --iodepth=16 "
			    "--verify=crc32c --verify_fatal=1 --fsync=64 --direct=1 "
			    "--blockalign=4k --bssplit=4k/40:16k/30:256k/30",
			    folder),
			0);
		assert_int_equal(run("fstrim %s/mnt", folder), 0);
		assert_int_equal(run("umount %s/mnt && fsck.ext4 -fn %s", folder, device), 0);
		assert_true(ram_disk->fake_unit->flushes > 0);
		assert_int_equal(disk_remove(ram_disk->disk, false), 0);
		assert_int_not_equal(run("losetup -a | grep -q '^%s:'", device), 0);
		disk_end(ram_disk);
	}
}

static void raw_device_holds_verified_data(void **state)
{
	struct ram_disk *ram_disk = disk_begin(64 * MIB, 512);

	assert_int_equal(
		run("fio --name=v --verify_state_save=0 --filename=%s --direct=1 --rw=randwrite --bs=512-1m "
		    "--ioengine=libaio --iodepth=32 --verify=crc32c --verify_fatal=1",
		    device_of(ram_disk)),
		0);
	assert_int_equal(disk_remove(ram_disk->disk, false), 0);
	disk_end(ram_disk);
}

static void kernel_knows_what_the_unit_can(void **state)
{
	struct ram_disk *ram_disk = disk_new(16 * MIB, 4096);

	ram_disk->unit.limits.unmap_granularity_blocks = 16;
	assert_int_equal(ram_disk_start(ram_disk, "test"), 0);
	assert_attribute(ram_disk, "logical_block_size", "4096");
	assert_attribute(ram_disk, "write_cache", "write back");
	assert_attribute(ram_disk, "dax", "0");
	assert_attribute(ram_disk, "discard_granularity", "65536");
	assert_int_equal(run("losetup -n -O DIO %s | grep -q 1", device_of(ram_disk)), 0);
	assert_int_equal(run("losetup -l -n -O BACK-FILE,NAME | grep -q %s", device_of(ram_disk)),
			 0);
	assert_int_not_equal(run("grep '^hawser ' /proc/mounts"), 0);
	assert_int_equal(disk_remove(ram_disk->disk, false), 0);
	disk_end(ram_disk);

	ram_disk = disk_new(16 * MIB, 512);
	ram_disk->unit.limits.write_cache = false;
	ram_disk->unit.limits.read_only = true;
	assert_int_equal(ram_disk_start(ram_disk, "test"), 0);
	assert_attribute(ram_disk, "write_cache", "write through");
	assert_attribute(ram_disk, "discard_granularity", "4096");
	assert_int_equal(run("test $(blockdev --getro %s) = 1", device_of(ram_disk)), 0);
	assert_int_not_equal(run("dd if=/dev/zero of=%s count=1", device_of(ram_disk)), 0);
	assert_int_equal(disk_remove(ram_disk->disk, false), 0);
	disk_end(ram_disk);
}

static void discarded_and_zeroed_ranges_read_back_as_zeroes(void **state)
{
	struct ram_disk *ram_disk = disk_begin(32 * MIB, 512);
	uint8_t *data = ram_disk->fake_unit->data;

	memset(data, 0x5a, 32 * MIB);
	assert_int_equal(run("blkdiscard -o 4096 -l 8388608 %s", device_of(ram_disk)), 0);
	assert_true(is_filled(ram_disk, 4096, 4096 + 8 * MIB, 0));
	assert_true(is_filled(ram_disk, 0, 4096, 0x5a));
	assert_true(is_filled(ram_disk, 4096 + 8 * MIB, 32 * MIB, 0x5a));
	assert_int_equal(run("blkdiscard -z -o 16777216 -l 4194816 %s", device_of(ram_disk)), 0);
	assert_true(is_filled(ram_disk, 16 * MIB, 16 * MIB + 4194816, 0));
	assert_true(is_filled(ram_disk, 16 * MIB + 4194816, 32 * MIB, 0x5a));
	assert_int_equal(ram_disk->fake_unit->unmaps, 0); /* WRITE SAME is the surer one */
	assert_true(ram_disk->fake_unit->write_sames > 0);
	assert_int_equal(run("cmp -n 8388608 -i 4096:0 %s /dev/zero", device_of(ram_disk)), 0);
	assert_int_equal(disk_remove(ram_disk->disk, false), 0);
	disk_end(ram_disk);
}

static void thick_unit_cannot_be_discarded_but_zeroed(void **state)
{
	struct ram_disk *ram_disk = disk_new(32 * MIB, 512);

	ram_disk->unit.limits.unmap = ram_disk->unit.limits.write_same_unmap = false;
	ram_disk->unit.limits.unmapped_reads_zero = false;
	ram_disk->fake_unit->unmap = ram_disk->fake_unit->write_same = false;
	assert_int_equal(ram_disk_start(ram_disk, "test"), 0);
	memset(ram_disk->fake_unit->data, 0x5a, 32 * MIB);
	/* The first time the kernel learns it, and calls that a success. */
	run("blkdiscard %s", device_of(ram_disk));
	assert_int_not_equal(run("blkdiscard %s", device_of(ram_disk)), 0);
	assert_true(is_filled(ram_disk, 0, 32 * MIB, 0x5a));
	assert_int_equal(run("blkdiscard -z -l 16777216 %s", device_of(ram_disk)), 0);
	assert_true(is_filled(ram_disk, 0, 16 * MIB, 0));
	assert_true(is_filled(ram_disk, 16 * MIB, 32 * MIB, 0x5a));
	assert_int_equal(disk_remove(ram_disk->disk, false), 0);
	disk_end(ram_disk);
}

static void a_device_that_became_anothers_is_left_alone(void **state)
{
	struct ram_disk *ram_disk = disk_begin(8 * MIB, 512);
	char device[300];

	snprintf(device, sizeof(device), "%s", device_of(ram_disk));
	assert_int_equal(run("losetup -d %s && truncate -s 1M %s/other && losetup %s %s/other",
			     device, folder, device, folder),
			 0);
	assert_int_equal(disk_remove(ram_disk->disk, false), 0);
	assert_int_equal(run("losetup %s | grep -q %s/other", device, folder), 0);
	assert_int_equal(run("losetup -d %s && rm %s/other", device, folder), 0);
	disk_end(ram_disk);
}

static void two_disks_side_by_side_do_not_mix(void **state)
{
	struct ram_disk *one = disk_begin(32 * MIB, 512), *two = disk_begin(32 * MIB, 4096);

	assert_string_not_equal(device_of(one), device_of(two));
	assert_int_equal(
		run("fio --name=a --verify_state_save=0 --filename=%s --direct=1 --rw=randwrite --bs=4k "
		    "--iodepth=16 --ioengine=libaio --verify=crc32c --verify_fatal=1 "
		    "--randseed=1 --name=b --verify_state_save=0 --filename=%s --direct=1 --rw=randwrite "
		    "--bs=4k --iodepth=16 --ioengine=libaio --verify=crc32c "
		    "--verify_fatal=1 --randseed=2",
		    device_of(one), device_of(two)),
		0);
	assert_memory_not_equal(one->fake_unit->data, two->fake_unit->data, 32 * MIB);
	assert_int_equal(disk_remove(one->disk, false), 0);
	assert_int_equal(run("dd if=%s of=/dev/null bs=1M iflag=direct", device_of(two)), 0);
	assert_int_equal(disk_remove(two->disk, false), 0);
	disk_end(one);
	disk_end(two);
}

static void disk_in_use_is_not_removed(void **state)
{
	struct ram_disk *ram_disk = disk_begin(64 * MIB, 512);
	char text[256], wanted[128];
	uint32_t major, minor;
	struct stat status;
	int fd;

	major = disk_node(ram_disk->disk)->major;
	minor = disk_node(ram_disk->disk)->minor;
	assert_int_equal(stat(device_of(ram_disk), &status), 0);
	assert_int_equal(status.st_rdev, (dev_t)((uint64_t)major << 8 | minor));
	disk_holders(ram_disk->disk, text, sizeof(text));
	assert_string_equal(text, "");
	assert_int_equal(run("mkfs.ext4 -q %s && mkdir -p %s/mnt && mount %s %s/mnt",
			     device_of(ram_disk), folder, device_of(ram_disk), folder),
			 0);
	disk_holders(ram_disk->disk, text, sizeof(text));
	snprintf(wanted, sizeof(wanted), "mounted on %s/mnt", folder);
	assert_string_equal(text, wanted);
	assert_int_equal(disk_remove(ram_disk->disk, false), -EBUSY);
	assert_int_equal(
		run("dd if=/dev/urandom of=%s/mnt/file bs=1M count=4 oflag=direct", folder), 0);
	assert_int_equal(run("umount %s/mnt", folder), 0);

	fd = open(device_of(ram_disk), O_RDONLY | O_CLOEXEC);
	assert_int_equal(disk_remove(ram_disk->disk, false), -EBUSY);
	assert_int_equal(run("dd if=%s of=/dev/null count=8 iflag=direct", device_of(ram_disk)), 0);
	close(fd);
	assert_int_equal(run("losetup %s", device_of(ram_disk)), 0); /* not cleared by our close */
	assert_int_equal(disk_remove(ram_disk->disk, false), 0);
	disk_end(ram_disk);
}

static void process_that_has_it_open_is_named(void **state)
{
	struct ram_disk *ram_disk = disk_begin(16 * MIB, 512);
	char text[256], wanted[64];
	int ready[2], status;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		int fd = open(device_of(ram_disk), O_RDONLY);

		if (fd < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(ready[0], text, 1), 1);
	disk_holders(ram_disk->disk, text, sizeof(text));
	snprintf(wanted, sizeof(wanted), "open by test_block_disk (pid %d)", (int)pid);
	wanted[15 + 8] = '\0'; /* comm has 15 characters */
	assert_int_equal(strncmp(text, wanted, strlen(wanted)), 0);
	snprintf(wanted, sizeof(wanted), "(pid %d)", (int)pid);
	assert_non_null(strstr(text, wanted));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	assert_int_equal(disk_remove(ram_disk->disk, false), 0);
	close(ready[0]);
	close(ready[1]);
	disk_end(ram_disk);
}

static void disk_grows_and_shrinks_while_open(void **state)
{
	struct ram_disk *ram_disk = disk_new(64 * MIB, 512);
	int fd;

	ram_disk->unit.limits.blocks = 32 * MIB / 512;
	assert_int_equal(ram_disk_start(ram_disk, "test"), 0);
	fd = open(device_of(ram_disk), O_RDWR | O_CLOEXEC);
	assert_int_equal(device_bytes(ram_disk), 32 * MIB);
	assert_int_equal(disk_resize(ram_disk->disk, 64 * MIB / 512), 0);
	assert_int_equal(device_bytes(ram_disk), 64 * MIB);
	assert_int_equal(run("dd if=/dev/urandom of=%s bs=1M seek=63 count=1 oflag=direct",
			     device_of(ram_disk)),
			 0);
	assert_false(is_filled(ram_disk, 63 * MIB, 64 * MIB, 0));
	assert_int_equal(disk_resize(ram_disk->disk, 16 * MIB / 512), 0);
	assert_int_equal(device_bytes(ram_disk), 16 * MIB);
	close(fd);
	assert_int_equal(disk_remove(ram_disk->disk, false), 0);
	assert_int_equal(disk_resize(ram_disk->disk, 32), -ENODEV);
	disk_end(ram_disk);
}

static void partitions_count_as_use(void **state)
{
	struct ram_disk *ram_disk = disk_begin(64 * MIB, 512);
	char text[256];

	/* Told to the kernel, which may know no partition table at all. */
	assert_int_equal(run("addpart %s 1 8 65528", device_of(ram_disk)), 0);
	assert_int_equal(run("mkfs.ext4 -q %sp1 && mkdir -p %s/mnt && mount %sp1 %s/mnt",
			     device_of(ram_disk), folder, device_of(ram_disk), folder),
			 0);
	disk_holders(ram_disk->disk, text, sizeof(text));
	assert_non_null(strstr(text, "mounted on"));
	assert_int_equal(disk_remove(ram_disk->disk, false), -EBUSY);
	assert_int_equal(run("umount %s/mnt", folder), 0);
	assert_int_equal(disk_remove(ram_disk->disk, false), 0);
	disk_end(ram_disk);
}

static int wait_for(pid_t pid)
{
	int status = 0;

	alarm(30);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	alarm(0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static void forced_removal_ends_hung_io_with_an_error(void **state)
{
	struct ram_disk *ram_disk = disk_begin(64 * MIB, 512);
	char device[300];
	pid_t pid;

	snprintf(device, sizeof(device), "%s", device_of(ram_disk));
	ram_disk_freeze(ram_disk, true);
	pid = fork();
	if (pid == 0) {
		char *buffer = aligned_alloc(4096, 4096);
		int fd = open(device, O_RDONLY | O_DIRECT);

		_exit(read(fd, buffer, 4096) < 0 && errno == EIO ? 42 : 1);
	}
	/* Until the read is on its way: it is in the worker's hands, where nobody answers. */
	while (list_empty(&ram_disk->queue))
		usleep(1000);
	assert_int_equal(disk_remove(ram_disk->disk, false), -EBUSY);
	assert_int_equal(disk_remove(ram_disk->disk, true), 0);
	assert_int_equal(wait_for(pid), 42);
	ram_disk_freeze(ram_disk, false);
	assert_int_equal(run("for i in $(seq 100); do losetup %s || exit 0; sleep 0.02; done; "
			     "exit 1",
			     device),
			 0);
	disk_end(ram_disk);
}

static void mounted_disk_that_was_removed_by_force_fails_and_leaves(void **state)
{
	struct ram_disk *ram_disk = disk_begin(64 * MIB, 512);
	char device[300];

	snprintf(device, sizeof(device), "%s", device_of(ram_disk));
	assert_int_equal(run("mkfs.ext4 -q %s && mkdir -p %s/mnt && mount %s %s/mnt", device,
			     folder, device, folder),
			 0);
	assert_int_equal(disk_remove(ram_disk->disk, true), 0);
	disk_end(ram_disk);
	assert_int_not_equal(run("dd if=%s of=/dev/null count=1 iflag=direct", device), 0);
	assert_int_equal(run("umount %s/mnt", folder), 0);
	assert_int_equal(run("for i in $(seq 100); do losetup %s || exit 0; sleep 0.02; done; "
			     "exit 1",
			     device),
			 0);
}

static void classic_mount_leaves_no_trace_either(void **state)
{
	struct fuse_mount fuse = FUSE_MOUNT_INIT;
	const char *step = "";

	assert_int_equal(fuse_mount_attach_classic(&fuse, "/dev/fuse", &step), 0);
	assert_true(fuse.root_fd >= 0 && fuse.device_fd >= 0);
	assert_int_not_equal(run("grep '^hawser ' /proc/mounts"), 0);
	assert_int_not_equal(run("ls -d /run/hawser-mount-*"), 0);
	fuse_mount_detach(&fuse);
	fuse_mount_detach(&fuse);
	assert_int_equal(fuse.device_fd, -1);
	assert_int_equal(fuse_mount_attach(&fuse, "/nowhere/fuse", &step), -ENOENT);
	assert_string_equal(step, "open /dev/fuse");
}

static void disk_that_never_went_live_is_taken_down(void **state)
{
	struct disk_settings settings = {.exporter = "auto", .name = "x", .dev_dir = "/dev"};
	struct ram_disk *ram_disk = disk_new(16 * MIB, 512);
	struct disk *disk;

	assert_int_equal(exporter_probe("fuse"), 0);
	assert_int_equal(exporter_probe("auto"), 0);
	assert_int_equal(exporter_probe("floppy"), -ENODEV);
	assert_int_equal(disk_prepare(&settings, NULL, &ram_disk->unit, &disk), 0);
	assert_string_equal(disk_node(disk)->path, "");
	assert_int_equal(disk_remove(disk, false), 0);
	disk_free(disk);
	strcpy(settings.dev_dir, "/nowhere");
	assert_int_equal(disk_prepare(&settings, NULL, &ram_disk->unit, &disk), -ENODEV);
	assert_string_equal(disk_last_step(), "open /dev/fuse");
	disk_end(ram_disk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_system_on_it_holds_verified_data),
		cmocka_unit_test(raw_device_holds_verified_data),
		cmocka_unit_test(a_device_that_became_anothers_is_left_alone),
		cmocka_unit_test(kernel_knows_what_the_unit_can),
		cmocka_unit_test(discarded_and_zeroed_ranges_read_back_as_zeroes),
		cmocka_unit_test(thick_unit_cannot_be_discarded_but_zeroed),
		cmocka_unit_test(two_disks_side_by_side_do_not_mix),
		cmocka_unit_test(disk_in_use_is_not_removed),
		cmocka_unit_test(process_that_has_it_open_is_named),
		cmocka_unit_test(disk_grows_and_shrinks_while_open),
		cmocka_unit_test(partitions_count_as_use),
		cmocka_unit_test(forced_removal_ends_hung_io_with_an_error),
		cmocka_unit_test(mounted_disk_that_was_removed_by_force_fails_and_leaves),
		cmocka_unit_test(classic_mount_leaves_no_trace_either),
		cmocka_unit_test(disk_that_never_went_live_is_taken_down),
	};
	int r;

	if (geteuid() != 0 || exporter_probe("fuse") < 0) {
		fprintf(stderr, "skipped: needs root, /dev/fuse and loop devices (cannot %s)\n",
			geteuid() ? "be root" : disk_last_step());
		return EXIT_SKIPPED;
	}
	if (!mkdtemp(folder))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	run("rm -rf %s", folder);
	return r;
}
