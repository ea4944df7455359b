/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * Measures the way through the kernel and block/: a disk in memory, fio on top, and what the worker
 * spends per I/O.
 *
 *	bench_ram_disk [MiB [block size]] -- fio arguments...
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "block/disk.h"
#include "tests/unit/block/ram_disk.h"

static double worker_cpu_s(const struct ram_disk *ram_disk)
{
	struct timespec time;
	clockid_t clock;

	pthread_getcpuclockid(ram_disk->thread, &clock);
	clock_gettime(clock, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int run_fio(const char *device, char **arguments, int count)
{
	char *argv[64] = {(char *)"fio", (char *)"--name=bench", (char *)"--direct=1"};
	char file_name[300];
	int status = -1, n = 3;
	pid_t pid;

	snprintf(file_name, sizeof(file_name), "--filename=%s", device);
	argv[n++] = file_name;
	for (int i = 0; i < count && n < 63; i++)
		argv[n++] = arguments[i];
	pid = fork();
	if (pid == 0) {
		execvp(argv[0], argv);
		_exit(127);
	}
	waitpid(pid, &status, 0);
	return status;
}

int main(int argc, char **argv)
{
	uint64_t mib = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
	uint32_t block_size = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 0;
	int first = 1;
	struct ram_disk ram_disk;
	unsigned commands;
	double cpu_s;
	int r;

	while (first < argc && strcmp(argv[first], "--") != 0)
		first++;
	first = first < argc ? first + 1 : first;
	mib = mib ? mib : 512;
	block_size = block_size ? block_size : 512;
	ram_disk_init(&ram_disk, mib * 1024 * 1024 / block_size, block_size);
	r = ram_disk_start(&ram_disk, "bench");
	if (r < 0) {
		fprintf(stderr, "cannot %s: %s\n", disk_last_step(), strerror(-r));
		return 1;
	}
	fprintf(stderr, "%s is up\n", disk_node(ram_disk.disk)->path);
	cpu_s = worker_cpu_s(&ram_disk);
	commands = ram_disk.fake_unit->reads + ram_disk.fake_unit->writes;
	if (first < argc)
		run_fio(disk_node(ram_disk.disk)->path, argv + first, argc - first);
	else
		getchar();
	cpu_s = worker_cpu_s(&ram_disk) - cpu_s;
	commands = ram_disk.fake_unit->reads + ram_disk.fake_unit->writes - commands;
	fprintf(stderr, "%u commands, worker %.2f s, %.2f us each\n", commands, cpu_s,
		commands ? cpu_s * 1e6 / commands : 0);
	r = disk_remove(ram_disk.disk, false);
	if (r < 0)
		fprintf(stderr, "remove: %s\n", strerror(-r));
	ram_disk_deinit(&ram_disk);
	return r < 0;
}
