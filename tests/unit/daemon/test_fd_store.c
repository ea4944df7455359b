/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* A keeper in a child process, and stores that come and go. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/fd_store.h"
#include "daemon/keeper.h"
#include "util/cleanup.h"
#include "util/fd_pass.h"

struct scene {
	char folder[32];
	pid_t keeper;
};

static void start_keeper(struct scene *scene)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s/keeper", scene->folder);
	unlink(address.sun_path);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 4), 0);
	scene->keeper = fork();
	assert_true(scene->keeper >= 0);
	if (scene->keeper == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(keeper_run(fd) == 0 ? 0 : 1);
	}
	close(fd);
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	strcpy(scene->folder, "/tmp/fd-store-XXXXXX");
	assert_non_null(mkdtemp(scene->folder));
	start_keeper(scene);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;
	char command[64];

	if (scene->keeper > 0) {
		kill(scene->keeper, SIGKILL);
		waitpid(scene->keeper, NULL, 0);
	}
	snprintf(command, sizeof(command), "rm -rf %s", scene->folder);
	assert_int_equal(system(command), 0);
	free(scene);
	return 0;
}

static struct fd_store *open_store(struct scene *scene)
{
	struct fd_store *store = NULL;

	assert_int_equal(fd_store_open(FD_STORE_KEEPER, scene->folder, &store), 0);
	return store;
}

/* A file with @text in it and no name. */
static int file_with(const char *text)
{
	char name[] = "/tmp/fd-store-file-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	unlink(name);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	return fd;
}

static void assert_file(int fd, const char *text)
{
	char buffer[32] = "";

	assert_true(pread(fd, buffer, sizeof(buffer) - 1, 0) >= 0);
	assert_string_equal(buffer, text);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
}

static void close_both(int fds[2])
{
	close(fds[0]);
	close(fds[1]);
}

static int keeper_status(struct scene *scene)
{
	int status = -1;

	assert_int_equal(waitpid(scene->keeper, &status, 0), scene->keeper);
	scene->keeper = 0;
	return status;
}

static void what_was_put_comes_back_in_the_next_store(void **state)
{
	int one[2] = {file_with("one, first"), file_with("one, second")}, two = file_with("two");
	int taken[FD_STORE_FILES_MAX], more[FD_STORE_FILES_MAX];
	struct fd_store *store = open_store(*state);

	assert_int_equal(fd_store_put(store, "one", one, 2), 0);
	assert_int_equal(fd_store_put(store, "two", &two, 1), 0);
	assert_int_equal(fd_store_take(store, "one", taken), 0); /* its own are no leftovers */
	fd_store_close(store);
	close_both(one);
	close(two);

	store = open_store(*state);
	assert_int_equal(fd_store_take(store, "one", taken), 2);
	assert_file(taken[0], "one, first");
	assert_file(taken[1], "one, second");
	assert_int_equal(fd_store_take(store, "one", more), 0); /* once */
	assert_int_equal(fd_store_take(store, "three", more), 0);
	close_both(taken);
	fd_store_close(store);

	store = open_store(*state); /* taken and not removed: still there */
	assert_int_equal(fd_store_take(store, "one", taken), 2);
	assert_file(taken[1], "one, second");
	close_both(taken);
	fd_store_remove(store, "one");
	fd_store_remove(store, "one");
	assert_int_equal(fd_store_drop_untaken(store), 1);
	fd_store_close(store);
	assert_int_equal(keeper_status(*state), 0); /* nothing left to keep */
}

static void put_again_replaces(void **state)
{
	int old = file_with("old"), new = file_with("new"), taken[FD_STORE_FILES_MAX];
	struct fd_store *store = open_store(*state);

	assert_int_equal(fd_store_put(store, "name", &old, 1), 0);
	assert_int_equal(fd_store_put(store, "name", &new, 1), 0);
	fd_store_close(store);
	close(old);
	close(new);
	store = open_store(*state);
	assert_int_equal(fd_store_take(store, "name", taken), 1);
	assert_file(taken[0], "new");
	close(taken[0]);
	fd_store_remove(store, "name");
	fd_store_close(store);
	assert_int_equal(keeper_status(*state), 0);
}

/* Whoever takes files over and is killed while it puts them back must not lose them. */
static void what_was_taken_is_put_again_without_a_gap(void **state)
{
	int fd = file_with("text"), taken[FD_STORE_FILES_MAX];
	struct scene *scene = *state;
	struct fd_store *store = open_store(scene);

	assert_int_equal(fd_store_put(store, "name", &fd, 1), 0);
	fd_store_close(store);
	close(fd);
	store = open_store(scene);
	assert_int_equal(fd_store_take(store, "name", taken), 1);
	assert_int_equal(kill(scene->keeper, SIGSTOP), 0); /* nothing may be asked of it */
	assert_int_equal(fd_store_put(store, "name", taken, 1), 0);
	assert_int_equal(kill(scene->keeper, SIGCONT), 0);
	fd_store_close(store);
	close(taken[0]);
	store = open_store(scene);
	assert_int_equal(fd_store_take(store, "name", taken), 1);
	assert_file(taken[0], "text");
	close(taken[0]);
	fd_store_remove(store, "name");
	fd_store_close(store);
	assert_int_equal(keeper_status(scene), 0);
}

static void a_keeper_that_was_killed_gets_everything_again(void **state)
{
	int one = file_with("one"), two = file_with("two"), taken[FD_STORE_FILES_MAX];
	struct scene *scene = *state;
	struct fd_store *store = open_store(scene);

	assert_int_equal(fd_store_put(store, "one", &one, 1), 0);
	kill(scene->keeper, SIGKILL);
	waitpid(scene->keeper, NULL, 0);
	start_keeper(scene);
	assert_int_equal(fd_store_put(store, "two", &two, 1), 0);
	fd_store_close(store);
	close(one);
	close(two);
	store = open_store(scene);
	assert_int_equal(fd_store_take(store, "one", taken), 1);
	assert_file(taken[0], "one");
	close(taken[0]);
	assert_int_equal(fd_store_take(store, "two", taken), 1);
	assert_file(taken[0], "two");
	close(taken[0]);
	fd_store_close(store);
}

static void names_and_files_have_their_limits(void **state)
{
	struct fd_store *store = open_store(*state);
	char name[FD_STORE_NAME_MAX + 1];
	int fds[FD_STORE_FILES_MAX + 1] = {};

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(fd_store_put(store, name, fds, 1), -ENOMEM);
	assert_int_equal(fd_store_put(store, "n", fds, FD_STORE_FILES_MAX + 1), -EINVAL);
	fd_store_close(store);
}

static void nothing_is_kept_by_nobody(void **state)
{
	struct fd_store *store;
	int fd = 0;

	assert_int_equal(fd_store_open(FD_STORE_NONE, "/nowhere", &store), 0);
	assert_int_equal(fd_store_put(store, "n", &fd, 1), -EOPNOTSUPP);
	assert_int_equal(fd_store_drop_untaken(store), 0);
	fd_store_close(store);
	fd_store_close(NULL);
	assert_int_equal(fd_store_open(FD_STORE_KEEPER, "/nowhere/at/all", &store), -ENOENT);
}

/* The keeper leaves whom it does not understand, and serves the next. */
static void senseless_packets_end_a_conversation_only(void **state)
{
	struct scene *scene = *state;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fds[FD_PASS_MAX], fd, file = file_with("kept");
	struct fd_store *store = open_store(scene);
	static const char *const packets[] = {"X", "Pname", "P", "R", "", "Lx"};
	char long_packet[4096] = "P";
	unsigned count;

	assert_int_equal(fd_store_put(store, "file", &file, 1), 0);
	fd_store_close(store);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/keeper", scene->folder);
	memset(long_packet + 1, 'x', sizeof(long_packet) - 1);
	for (unsigned i = 0; i <= ARRAY_SIZE(packets); i++) {
		bool last = i == ARRAY_SIZE(packets);

		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
		assert_int_equal(fd_pass_send(fd, last ? long_packet : packets[i],
					      last ? sizeof(long_packet) : strlen(packets[i]) + 1,
					      &file, 1),
				 0);
		assert_true(fd_pass_receive(fd, long_packet, 1, fds, &count) >= -EMSGSIZE);
		close(fd);
		memset(long_packet, 'P', 1);
	}
	store = open_store(scene);
	assert_int_equal(fd_store_take(store, "file", fds), 1);
	assert_file(fds[0], "kept");
	close(fds[0]);
	close(file);
	fd_store_close(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_was_put_comes_back_in_the_next_store, setup,
						teardown),
		cmocka_unit_test_setup_teardown(put_again_replaces, setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_taken_is_put_again_without_a_gap, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_keeper_that_was_killed_gets_everything_again,
						setup, teardown),
		cmocka_unit_test_setup_teardown(names_and_files_have_their_limits, setup, teardown),
		cmocka_unit_test(nothing_is_kept_by_nobody),
		cmocka_unit_test_setup_teardown(senseless_packets_end_a_conversation_only, setup,
						teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
