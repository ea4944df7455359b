/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * A block device whose process is killed, over and over, while it is used. This process keeps the
 * files open, as a keeper would; a child at a time serves the device. The disk is memory that all
 * of them share.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "block/disk.h"
#include "tests/unit/block/ram_disk.h"
#include "util/cleanup.h"
#include "util/fd_pass.h"

#define MIB	     (1024 * 1024ULL)
#define DISK_BYTES   (64 * MIB)
#define EXIT_SKIPPED 77

/* What a serving child tells, and what is kept for the next one. */
struct kept {
	struct disk_node node;
	unsigned resumed;
	int fds[FD_PASS_MAX];
	unsigned fd_count;
};

static uint8_t *memory; /* the disk */

static void serve(int socket_fd, const struct kept *kept, bool frozen)
{
	static struct ram_disk ram_disk;
	struct kept told = {};
	int r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ram_disk_init(&ram_disk, DISK_BYTES / 4096, 4096);
	ram_disk.fake_unit->data = memory;
	ram_disk.frozen = frozen;
	r = kept->fd_count ? ram_disk_adopt(&ram_disk, &kept->node, kept->fds, kept->fd_count)
			   : ram_disk_start(&ram_disk, "adopt");
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", disk_last_step(), strerror(-r));
		_exit(1);
	}
	told.node = *disk_node(ram_disk.disk);
	told.resumed = disk_resumed(ram_disk.disk);
	told.fd_count = disk_keep(ram_disk.disk, told.fds);
	if (fd_pass_send(socket_fd, &told, sizeof(told), told.fds, told.fd_count) < 0)
		_exit(1);
	/* Told to end in an orderly way: the device goes with us. */
	if (read(socket_fd, &r, 1) < 0)
		_exit(1);
	_exit(disk_remove(ram_disk.disk, true) == 0 ? 0 : 1);
}

struct server {
	pid_t pid;
	int socket_fd;
};

/* Return: when it is live; what it keeps replaces @kept's. */
static struct server start(struct kept *kept, bool frozen)
{
	int sockets[2], fds[FD_PASS_MAX];
	struct server server;
	unsigned fd_count;

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets), 0);
	server.pid = fork();
	assert_true(server.pid >= 0);
	if (server.pid == 0) {
		close(sockets[0]);
		serve(sockets[1], kept, frozen);
	}
	close(sockets[1]);
	server.socket_fd = sockets[0];
	for (unsigned i = 0; i < kept->fd_count; i++)
		close(kept->fds[i]); /* the child's copies will come back */
	assert_int_equal(fd_pass_receive(server.socket_fd, kept, sizeof(*kept), fds, &fd_count),
			 sizeof(*kept));
	assert_int_equal(fd_count, kept->fd_count);
	memcpy(kept->fds, fds, sizeof(fds));
	return server;
}

static void kill_server(struct server *server)
{
	assert_int_equal(kill(server->pid, SIGKILL), 0);
	assert_int_equal(waitpid(server->pid, NULL, 0), server->pid);
	close(server->socket_fd);
}

static void end_server(struct server *server, struct kept *kept)
{
	int status;

	for (unsigned i = 0; i < kept->fd_count; i++)
		close(kept->fds[i]);
	assert_int_equal(write(server->socket_fd, "", 1), 1);
	assert_int_equal(waitpid(server->pid, &status, 0), server->pid);
	assert_int_equal(status, 0);
	close(server->socket_fd);
}

/* What a shell would run; its output is kept when it fails. */
static pid_t begin(const char *command)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	return pid;
}

static int end(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

static unsigned requests_under_way(const struct disk_node *node)
{
	unsigned reads = 0, writes = 0;
	char path[96];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/block/%s/inflight", node->name);
	file = fopen(path, "re");
	assert_non_null(file);
	assert_int_equal(fscanf(file, "%u %u", &reads, &writes), 2);
	fclose(file);
	return reads + writes;
}

static void wait_for_requests(const struct disk_node *node, unsigned count)
{
	for (unsigned i = 0; requests_under_way(node) != count; i++) {
		assert_true(i < 3000);
		usleep(10000);
	}
	/* They are in the kernel; give the server a moment to take them, though it need not have.
	 */
	usleep(100000);
}

static void requests_of_a_killed_process_are_carried_out_by_the_next(void **state)
{
	struct kept kept = {};
	struct server server = start(&kept, true);
	char command[1024];
	pid_t writers[8];

	memset(memory, 0, DISK_BYTES);
	for (unsigned i = 0; i < ARRAY_SIZE(writers); i++) {
		snprintf(command, sizeof(command),
			 "tr '\\0' '\\%o' </dev/zero | "
			 "dd of=%s bs=64k count=1 seek=%u oflag=direct iflag=fullblock status=none",
			 i + 1, kept.node.path, i);
		writers[i] = begin(command);
	}
	wait_for_requests(&kept.node, ARRAY_SIZE(writers));
	assert_int_equal(kept.resumed, 0);
	for (unsigned i = 0; i < DISK_BYTES; i += 4096)
		assert_int_equal(memory[i], 0); /* a frozen server has done nothing */
	kill_server(&server);
	server = start(&kept, true); /* one that does nothing again */
	assert_int_equal(kept.resumed, ARRAY_SIZE(writers));
	kill_server(&server);
	server = start(&kept, false);
	assert_int_equal(kept.resumed, ARRAY_SIZE(writers));
	for (unsigned i = 0; i < ARRAY_SIZE(writers); i++)
		assert_int_equal(end(writers[i]), 0);
	for (unsigned i = 0; i < ARRAY_SIZE(writers) * 65536; i++)
		assert_int_equal(memory[i], i / 65536 + 1);
	end_server(&server, &kept);
}

static void nothing_is_lost_and_nothing_done_twice_over_twenty_kills(void **state)
{
	struct kept kept = {};
	struct server server = start(&kept, false);
	char command[1024];
	unsigned resumed = 0;
	pid_t load;

	snprintf(command, sizeof(command),
		 "fio --name=v --verify_state_save=0 --filename=%s --size=24M --rw=randrw --bs=4k "
		 "--iodepth=32 --ioengine=libaio --direct=1 --verify=crc32c --verify_fatal=1 "
		 "--verify_backlog=64 --serialize_overlap=1 --time_based --runtime=8 "
		 "--output=/dev/null >/dev/null 2>&1",
		 kept.node.path);
	load = begin(command);
	for (unsigned i = 0; i < 20; i++) {
		usleep((useconds_t)(rand() % 300000));
		kill_server(&server);
		server = start(&kept, false);
		resumed += kept.resumed;
	}
	assert_int_equal(end(load), 0);
	assert_true(resumed > 0);
	print_message("%u requests were under way at the kills\n", resumed);
	end_server(&server, &kept);
}

static void what_does_not_fit_is_refused(void **state)
{
	struct disk_settings settings = {.exporter = "fuse", .name = "x", .dev_dir = "/dev"};
	struct disk_node node = {.name = "loop9999", .path = "/dev/loop9999"};
	struct unit unit = {.limits = {.blocks = 1000, .block_size = 512}};
	struct disk *disk;
	int fds[3];

	fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(disk_adopt(&settings, NULL, &unit, &node, fds, 1, &disk), -EINVAL);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1); /* taken all the same */
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = open("/dev/null", O_RDWR | O_CLOEXEC);
	assert_int_equal(disk_adopt(&settings, NULL, &unit, &node, fds, 3, &disk), -EINVAL);
	for (unsigned i = 0; i < ARRAY_SIZE(fds); i++)
		assert_int_equal(fcntl(fds[i], F_GETFD), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_of_a_killed_process_are_carried_out_by_the_next),
		cmocka_unit_test(nothing_is_lost_and_nothing_done_twice_over_twenty_kills),
		cmocka_unit_test(what_does_not_fit_is_refused),
	};

	if (geteuid() != 0 || exporter_probe("fuse") < 0) {
		fprintf(stderr, "skipped: needs root, /dev/fuse and loop devices (cannot %s)\n",
			geteuid() ? "be root" : disk_last_step());
		return EXIT_SKIPPED;
	}
	memory = mmap(NULL, DISK_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return 1;
	srand((unsigned)time(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
