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
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "daemon/connect_job.h"
#include "util/cleanup.h"
#include "util/mailbox.h"
#include "util/text.h"

struct scene {
	sd_event *event;
	struct mailbox *home;
	int listener;
	uint16_t port;
	struct connect_job *job;
	unsigned done;
	struct connect_result result;
	char text[300];
};

static void note_end(const struct connect_result *result, void *userdata)
{
	struct scene *scene = userdata;

	scene->done++;
	scene->result = *result;
	text_copy(scene->text, sizeof(scene->text), result->text ? result->text : "");
	if (result->fd >= 0)
		close(result->fd);
	connect_job_free(scene->job); /* allowed inside */
	scene->job = NULL;
}

static int on_mail(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	mailbox_deliver(userdata);
	return 0;
}

static int setup(void **state)
{
	struct scene *scene = calloc(1, sizeof(*scene));
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);

	assert_true(sd_event_new(&scene->event) >= 0);
	assert_int_equal(mailbox_new(&scene->home), 0);
	assert_true(sd_event_add_io(scene->event, NULL, mailbox_fd(scene->home), EPOLLIN, on_mail,
				    scene->home) >= 0);
	scene->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(scene->listener, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(scene->listener, 4), 0);
	assert_int_equal(getsockname(scene->listener, (struct sockaddr *)&address, &length), 0);
	scene->port = ntohs(address.sin_port);
	*state = scene;
	return 0;
}

static int teardown(void **state)
{
	struct scene *scene = *state;

	connect_job_free(scene->job);
	close(scene->listener);
	sd_event_unref(scene->event);
	mailbox_free(scene->home);
	free(scene);
	return 0;
}

static void connect_to(struct scene *scene, const char *address, const char *hardware_address)
{
	const struct connect_settings settings = {
		.address = address,
		.port = scene->port,
		.interface = "",
		.hardware_address = hardware_address,
		.source_address = "",
	};

	scene->done = 0;
	assert_int_equal(connect_job_start(scene->event, scene->home, &settings, note_end, scene,
					   &scene->job),
			 0);
	assert_int_equal(scene->done, 0); /* never inside the call */
	while (!scene->done)
		assert_true(sd_event_run(scene->event, UINT64_C(60000000)) > 0);
	assert_int_equal(scene->done, 1);
}

static void a_literal_is_connected_to(void **state)
{
	struct scene *scene = *state;

	connect_to(scene, "127.0.0.1", NULL);
	assert_int_equal(scene->result.end, CONNECT_DONE);
}

/* "localhost" is ::1 as well in most places, where nobody listens on this port. */
static void of_several_addresses_the_one_that_answers_is_taken(void **state)
{
	struct scene *scene = *state;

	connect_to(scene, "localhost", NULL);
	assert_int_equal(scene->result.end, CONNECT_DONE);
}

static void nobody_there_is_told_in_the_systems_words(void **state)
{
	struct scene *scene = *state;

	close(scene->listener);
	connect_to(scene, "127.0.0.1", NULL);
	scene->listener = dup(0);
	assert_int_equal(scene->result.end, CONNECT_FAILED);
	assert_int_equal(scene->result.error, -ECONNREFUSED);
	assert_string_equal(scene->text, strerror(ECONNREFUSED));
}

static void a_link_local_address_wants_its_interface(void **state)
{
	struct scene *scene = *state;

	connect_to(scene, "fe80::1", NULL);
	assert_int_equal(scene->result.end, CONNECT_FAILED);
	connect_to(scene, "fe80::1%nosuch0", NULL);
	assert_int_equal(scene->result.end, CONNECT_FAILED);
	assert_int_equal(scene->result.error, -ENODEV);
	assert_string_equal(scene->text, "there is no such interface as behind the %");
}

static void a_card_that_is_not_there_is_named(void **state)
{
	struct scene *scene = *state;

	connect_to(scene, "127.0.0.1", "02:00:5e:00:53:01");
	assert_int_equal(scene->result.end, CONNECT_FAILED);
	assert_int_equal(scene->result.error, -ENODEV);
	assert_string_equal(scene->text, "no interface has the hardware address 02:00:5e:00:53:01");
}

static void a_job_can_be_freed_while_it_looks_a_name_up(void **state)
{
	struct scene *scene = *state;
	const struct connect_settings settings = {
		.address = "name.invalid", .port = 1, .interface = "", .source_address = ""};

	assert_int_equal(connect_job_start(scene->event, scene->home, &settings, note_end, scene,
					   &scene->job),
			 0);
	connect_job_free(scene->job);
	scene->job = NULL;
	/* the answer finds nobody */
	assert_true(sd_event_run(scene->event, UINT64_C(60000000)) >= 0);
	assert_int_equal(scene->done, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_literal_is_connected_to),
		TEST(of_several_addresses_the_one_that_answers_is_taken),
		TEST(nobody_there_is_told_in_the_systems_words),
		TEST(a_link_local_address_wants_its_interface),
		TEST(a_card_that_is_not_there_is_named),
		TEST(a_job_can_be_freed_while_it_looks_a_name_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
