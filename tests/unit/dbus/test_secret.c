/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dbus/secret.h"
#include "util/cleanup.h"
#include "util/error.h"

/* A pipe that holds @length bytes and is closed at the other end. */
static int pipe_of(const char *text, size_t length)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], text, length), (ssize_t)length);
	close(ends[1]);
	return ends[0];
}

static int read_pipe(const char *text, size_t length, char secret[SECRET_SIZE])
{
	owned_error struct error error = ERROR_INIT;
	owned_fd int fd = pipe_of(text, length);
	int r = secret_read(fd, secret, &error);

	assert_int_equal(error_is_set(&error), r < 0);
	assert_true(r == 0 || error.code == ERROR_INVALID_ARGUMENT);
	return r;
}

static void a_pipe_gives_its_secret_without_the_final_newline(void **state)
{
	char secret[SECRET_SIZE];

	assert_int_equal(read_pipe("correct horse", 13, secret), 0);
	assert_string_equal(secret, "correct horse");
	assert_int_equal(read_pipe("battery\n", 8, secret), 0);
	assert_string_equal(secret, "battery");
}

static void a_memfd_is_read_from_its_start(void **state)
{
	owned_fd int fd = memfd_create("secret", MFD_CLOEXEC);
	char secret[SECRET_SIZE];

	assert_int_equal(write(fd, "staple", 6), 6); /* and the position stays at its end */
	assert_int_equal(secret_read(fd, secret, NULL), 0);
	assert_string_equal(secret, "staple");
}

static void lengths_from_1_to_255_are_taken_and_no_others(void **state)
{
	char text[300], secret[SECRET_SIZE];

	memset(text, 'x', sizeof(text));
	assert_int_equal(read_pipe(text, 0, secret), -1);
	assert_int_equal(read_pipe("\n", 1, secret), -1);
	assert_int_equal(read_pipe(text, 1, secret), 0);
	assert_int_equal(read_pipe(text, 255, secret), 0);
	assert_int_equal(strlen(secret), 255);
	assert_int_equal(read_pipe(text, 256, secret), -1);
	assert_int_equal(read_pipe(text, 257, secret), -1);
	assert_int_equal(read_pipe(text, 300, secret), -1);
	text[255] = '\n';
	assert_int_equal(read_pipe(text, 256, secret), 0);
	assert_int_equal(strlen(secret), 255);
}

static void characters_that_a_record_cannot_keep_are_refused(void **state)
{
	char secret[SECRET_SIZE];

	assert_int_equal(read_pipe("two\nlines", 9, secret), -1);
	assert_int_equal(read_pipe("nul\0byte", 8, secret), -1);
	assert_int_equal(read_pipe("\xff\xfe", 2, secret), -1);
}

static void a_pipe_that_is_still_open_does_not_make_us_wait(void **state)
{
	owned_error struct error error = ERROR_INIT;
	char secret[SECRET_SIZE];
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(secret_read(ends[0], secret, &error), -1);
	assert_int_equal(error.code, ERROR_INVALID_ARGUMENT);
	assert_non_null(strstr(error.text, "open for writing"));
	/* and the caller's descriptor is as blocking as it was */
	assert_int_equal(fcntl(ends[0], F_GETFL) & O_NONBLOCK, 0);
	close(ends[0]);
	close(ends[1]);
}

static void sockets_devices_and_files_on_disks_are_refused(void **state)
{
	char secret[SECRET_SIZE], name[] = "/var/tmp/hawser-test-XXXXXX";
	int sockets[2], file = mkstemp(name), null = open("/dev/zero", O_RDONLY);

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	assert_int_equal(secret_read(sockets[0], secret, NULL), -1);
	assert_int_equal(secret_read(null, secret, NULL), -1);
	assert_int_equal(secret_read(-1, secret, NULL), -1);
	assert_true(file >= 0);
	assert_int_equal(write(file, "secret", 6), 6);
	if (fcntl(file, F_GET_SEALS) < 0) /* a tmpfs lives in memory */
		assert_int_equal(secret_read(file, secret, NULL), -1);
	unlink(name);
	close(file);
	close(null);
	close(sockets[0]);
	close(sockets[1]);
}

static void both_chap_passwords_are_secrets_and_names_are_not(void **state)
{
	assert_true(secret_is_key("node.session.auth.password"));
	assert_true(secret_is_key("node.session.auth.password_in"));
	assert_true(secret_is_key("discovery.sendtargets.auth.password"));
	assert_false(secret_is_key("node.session.auth.username"));
	assert_false(secret_is_key("node.startup"));
	assert_false(secret_is_key(""));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pipe_gives_its_secret_without_the_final_newline),
		cmocka_unit_test(a_memfd_is_read_from_its_start),
		cmocka_unit_test(lengths_from_1_to_255_are_taken_and_no_others),
		cmocka_unit_test(characters_that_a_record_cannot_keep_are_refused),
		cmocka_unit_test(a_pipe_that_is_still_open_does_not_make_us_wait),
		cmocka_unit_test(sockets_devices_and_files_on_disks_are_refused),
		cmocka_unit_test(both_chap_passwords_are_secrets_and_names_are_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
