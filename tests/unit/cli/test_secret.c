/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "cli/secret.h"
#include "tests/unit/cli/printed.h"
#include "util/cleanup.h"

static void only_passwords_are_secrets(void **state)
{
	assert_true(secret_is_key("node.session.auth.password"));
	assert_true(secret_is_key("node.session.auth.password_in"));
	assert_true(secret_is_key("discovery.sendtargets.auth.password"));
	assert_true(secret_is_key("discovery.sendtargets.auth.password_in"));
	assert_false(secret_is_key("node.session.auth.username"));
	assert_false(secret_is_key("node.session.auth.password_in2"));
}

static void a_secret_can_be_read_from_its_descriptor(void **state)
{
	owned_fd int fd = secret_fd("secretsecret12");
	char text[32] = "";

	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text)), 14);
	assert_string_equal(text, "secretsecret12");
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void an_empty_secret_clears(void **state)
{
	owned_fd int fd = secret_fd("");
	char text[1];

	assert_true(fd >= 0);
	assert_int_equal(read(fd, text, sizeof(text)), 0);
}

static void a_secret_has_at_most_255_bytes(void **state)
{
	char text[257];
	int fd;

	memset(text, 's', sizeof(text));
	text[255] = '\0';
	fd = secret_fd(text);
	assert_true(fd >= 0);
	close(fd);
	text[255] = 's';
	text[256] = '\0';
	assert_int_equal(secret_fd(text), -E2BIG);
}

static void a_line_loses_its_end(void **state)
{
	char lines[] = "one\ntwo\r\n\nlast";
	static const char *const expected[] = {"one", "two", "", "last"};
	FILE *file = fmemopen(lines, strlen(lines), "r");

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		char *line = secret_read_line(file);

		assert_string_equal(line, expected[i]);
		secret_free(line);
	}
	assert_null(secret_read_line(file));
	fclose(file);
}

static void a_secret_leaves_the_command_line(void **state)
{
	char argument[] = "secret";
	char *copy = secret_take_argument(argument);

	assert_string_equal(copy, "secret");
	assert_string_equal(argument, "xxxxxx");
	secret_free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_passwords_are_secrets),
		cmocka_unit_test(a_secret_can_be_read_from_its_descriptor),
		cmocka_unit_test(an_empty_secret_clears),
		cmocka_unit_test(a_secret_has_at_most_255_bytes),
		cmocka_unit_test(a_line_loses_its_end),
		cmocka_unit_test(a_secret_leaves_the_command_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
