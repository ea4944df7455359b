/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "daemon/isns_job.h"
#include "util/cleanup.h"

#define PATIENCE_MS 60000 /* a server that answers is never too slow */

/* A server whose words are in the test's hand, and the job that asks it. */
struct scene {
	sd_event *event;
	struct isns_job *job;
	int listener, connection;
	uint16_t port;
	unsigned done;
	struct isns_job_result result;
	char text[200];
	struct discovered_portal portal;
};

static void note_end(const struct isns_job_result *result, void *userdata)
{
	struct scene *scene = userdata;

	scene->done++;
	scene->result = *result;
	strncpy(scene->text, result->text ? result->text : "", sizeof(scene->text) - 1);
	if (result->count)
		scene->portal = result->portals[0];
	isns_job_free(scene->job); /* allowed inside */
	scene->job = NULL;
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);

	assert_true(sd_event_new(&scene->event) >= 0);
	scene->connection = -1;
	scene->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(scene->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(scene->listener, 1), 0);
	assert_int_equal(getsockname(scene->listener, (struct sockaddr *)&address, &length), 0);
	scene->port = ntohs(address.sin_port);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	isns_job_free(scene->job);
	if (scene->connection >= 0)
		close(scene->connection);
	if (scene->listener >= 0)
		close(scene->listener);
	sd_event_unref(scene->event);
	free(scene);
	return 0;
}

static void ask(struct scene *scene, unsigned timeout_ms)
{
	const struct isns_job_settings settings = {
		.server = {.address = "127.0.0.1",
			   .port = scene->port,
			   .interface = "",
			   .source_address = ""},
		.initiator_name = "iqn.2026-01.org.example:host",
		.timeout_ms = timeout_ms,
	};

	assert_int_equal(
		isns_job_start(scene->event, NULL, &settings, note_end, scene, &scene->job), 0);
	assert_int_equal(scene->done, 0);
}

/* Let the job connect and ask. */
static void take_question(struct scene *scene)
{
	uint8_t question[1024];
	ssize_t n = -1;

	scene->connection = accept4(scene->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	assert_true(scene->connection >= 0);
	while (n < 0 && !scene->done) {
		assert_true(sd_event_run(scene->event, UINT64_MAX) >= 0);
		n = recv(scene->connection, question, sizeof(question), 0);
	}
	assert_true(n > 12);
	assert_memory_equal(question, "\0\x01\0\x02", 4);
}

static void run_to_the_end(struct scene *scene)
{
	while (!scene->done)
		assert_true(sd_event_run(scene->event, UINT64_MAX) >= 0);
	assert_int_equal(scene->done, 1);
}

static const char answer[] = "\0\x01\x80\x02\0\x38\x4c\0\0\x01\0\0"
			     "\0\0\0\0"
			     "\0\0\0\x20\0\0\0\x08iqn.a\0\0\0"
			     "\0\0\0\x10\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\0\0\x01"
			     "\0\0\0\x11\0\0\0\x04\0\0\x0c\xbc";

static void an_answer_in_pieces_is_an_answer(void **state)
{
	struct scene *scene = *state;

	ask(scene, PATIENCE_MS);
	take_question(scene);
	for (size_t i = 0; i < sizeof(answer) - 1; i++) {
		assert_int_equal(scene->done, 0);
		assert_int_equal(send(scene->connection, answer + i, 1, MSG_NOSIGNAL), 1);
		assert_true(sd_event_run(scene->event, UINT64_MAX) >= 0);
	}
	run_to_the_end(scene);
	assert_int_equal(scene->result.error, 0);
	assert_int_equal(scene->result.count, 1);
	assert_string_equal(scene->portal.target_name, "iqn.a");
	assert_string_equal(scene->portal.address, "10.0.0.1");
}

static void a_server_that_is_not_there_is_told(void **state)
{
	struct scene *scene = *state;

	close(take_fd(scene->listener));
	ask(scene, PATIENCE_MS);
	run_to_the_end(scene);
	assert_int_equal(scene->result.error, -ECONNREFUSED);
	assert_string_equal(scene->text, strerror(ECONNREFUSED));
}

static void a_server_that_says_nothing_is_left(void **state)
{
	struct scene *scene = *state;

	ask(scene, 50);
	run_to_the_end(scene);
	assert_int_equal(scene->result.error, -ETIMEDOUT);
	assert_string_equal(scene->text, "the iSNS server does not answer");
}

static void a_server_that_hangs_up_is_told(void **state)
{
	struct scene *scene = *state;

	ask(scene, PATIENCE_MS);
	take_question(scene);
	close(take_fd(scene->connection));
	run_to_the_end(scene);
	assert_int_equal(scene->result.error, -ECONNRESET);
	assert_string_equal(scene->text, "the connection was closed");
}

static void a_server_of_another_kind_is_told(void **state)
{
	static const char http[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
	struct scene *scene = *state;

	ask(scene, PATIENCE_MS);
	take_question(scene);
	assert_true(send(scene->connection, http, sizeof(http) - 1, MSG_NOSIGNAL) > 0);
	run_to_the_end(scene);
	assert_int_equal(scene->result.error, -EPROTO);
	assert_string_equal(scene->text, "the server does not speak iSNS version 1");
}

static void words_behind_the_answer_to_come_are_an_error(void **state)
{
	/* "source unknown", and more at once, before the registration could be sent */
	static const char unknown[] = "\0\x01\x80\x02\0\x04\x4c\0\0\x01\0\0\0\0\0\x06more";
	struct scene *scene = *state;

	ask(scene, PATIENCE_MS);
	take_question(scene);
	assert_true(send(scene->connection, unknown, sizeof(unknown) - 1, MSG_NOSIGNAL) > 0);
	run_to_the_end(scene);
	assert_int_equal(scene->result.error, -EPROTO);
}

static void a_job_that_is_freed_tells_nothing(void **state)
{
	struct scene *scene = *state;

	ask(scene, PATIENCE_MS);
	isns_job_free(take(scene->job));
	close(accept4(scene->listener, NULL, NULL, SOCK_CLOEXEC));
	ask(scene, PATIENCE_MS);
	take_question(scene);
	isns_job_free(take(scene->job));
	assert_true(sd_event_run(scene->event, 0) >= 0);
	assert_int_equal(scene->done, 0);
}

static void a_name_that_is_none_is_refused(void **state)
{
	struct scene *scene = *state;
	const struct isns_job_settings settings = {
		.server = {"127.0.0.1", 1, "", ""}, .initiator_name = "", .timeout_ms = 1};

	assert_int_equal(
		isns_job_start(scene->event, NULL, &settings, note_end, scene, &scene->job),
		-EINVAL);
	assert_null(scene->job);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_answer_in_pieces_is_an_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(a_server_that_is_not_there_is_told, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_server_that_says_nothing_is_left, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_server_that_hangs_up_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(a_server_of_another_kind_is_told, setup, teardown),
		cmocka_unit_test_setup_teardown(words_behind_the_answer_to_come_are_an_error, setup,
						teardown),
		cmocka_unit_test_setup_teardown(a_job_that_is_freed_tells_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(a_name_that_is_none_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
