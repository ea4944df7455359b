/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * One attempt to log in as the daemon makes it, from the address to full feature phase: redirects,
 * targets that are slow, silent or half open, what is tried again at once and what is not. Time
 * limits are those of the attempt and end what would never end; nothing depends on how fast the
 * machine is.
 */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>
#include <time.h>
#include <unistd.h>

#include "daemon/login_job.h"
#include "iscsi/chap.h"
#include "iscsi/portal.h"
#include "tests/fakes/fake_target.h"
#include "util/cleanup.h"
#include "util/mailbox.h"
#include "util/text.h"

#define SECRET	     "abcdefghijklmnop"
#define OTHER_SECRET "ponmlkjihgfedcba"
#define PATIENCE_MS  60000 /* for what will end */
#define LIMIT_MS     200   /* for what never ends by itself */

struct attempt {
	struct login_job_settings settings;
	struct login_job *job;
	unsigned done;
	struct login_job_result result;
};

static sd_event *event;
static struct mailbox *home;
static sd_event_source *mail;

static int on_mail(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	mailbox_deliver(home);
	return 0;
}

static int setup(void **state)
{
	assert_true(sd_event_new(&event) >= 0);
	assert_int_equal(mailbox_new(&home), 0);
	assert_true(sd_event_add_io(event, &mail, mailbox_fd(home), EPOLLIN, on_mail, NULL) >= 0);
	return 0;
}

static int teardown(void **state)
{
	sd_event_source_unref(mail);
	mailbox_free(home);
	sd_event_unref(event);
	return 0;
}

static void on_done(const struct login_job_result *result, void *userdata)
{
	struct attempt *attempt = userdata;

	attempt->done++;
	attempt->result = *result;
	if (result->end == LOGIN_JOB_DONE)
		close(result->fd);
	login_job_free(attempt->job); /* allowed inside */
	attempt->job = NULL;
}

static const struct login_job_observer observer = {.done = on_done};

static struct attempt to_port(uint16_t port)
{
	struct attempt attempt = {
		.settings = {.address = "127.0.0.1", .port = port, .timeout_ms = PATIENCE_MS}};

	attempt.settings.login = (struct login_settings){
		.initiator_name = "iqn.2026-01.org.example:initiator",
		.target_name = FAKE_TARGET_NAME,
		.isid = {0x80, 0x12, 0x34, 0x56, 0x00, 0x07},
		.max_recv_data_segment_length = 262144,
		.max_burst_length = 1048576,
		.first_burst_length = 65536,
		.max_outstanding_r2t = 1,
		.max_connections = 1,
		.data_pdu_in_order = true,
		.data_sequence_in_order = true,
	};
	return attempt;
}

static struct fake_target *make(const char *script)
{
	struct fake_target *target;
	char problem[FAKE_TARGET_PROBLEM_MAX];

	if (fake_target_new(script, &target, problem) < 0)
		fail_msg("%s", problem);
	return target;
}

static void tell(struct fake_target *target, const char *lines)
{
	char problem[FAKE_TARGET_PROBLEM_MAX];

	if (fake_target_script(target, lines, problem) < 0)
		fail_msg("%s", problem);
}

static void drop(struct fake_target *target)
{
	assert_string_equal(fake_target_complaints(target), "");
	fake_target_free(target);
}

static void start(struct attempt *attempt)
{
	assert_int_equal(
		login_job_start(event, home, &attempt->settings, &observer, attempt, &attempt->job),
		0);
	assert_int_equal(attempt->done, 0);
}

static void finish(struct attempt *attempt, enum login_job_end end)
{
	while (!attempt->done)
		assert_true(sd_event_run(event, UINT64_MAX) >= 0);
	assert_int_equal(attempt->done, 1);
	if (attempt->result.end != end)
		print_message("%s\n", attempt->result.text);
	assert_int_equal(attempt->result.end, end);
}

static void ends(struct attempt *attempt, enum login_job_end end)
{
	start(attempt);
	finish(attempt, end);
}

/* A port on which nobody listens. */
static uint16_t closed_port(void)
{
	struct fake_target *target = make("");
	uint16_t port = fake_target_port(target, 0);

	fake_target_free(target);
	return port;
}

/* @target: sends every first login response, or the @nth, elsewhere; @detail: 1 for now, 2 for good
 */
static void redirect(struct fake_target *target, const char *which, unsigned detail,
		     const char *host, uint16_t port, const char *tag)
{
	char line[200];

	snprintf(line, sizeof(line),
		 "on login-response %s : set class=1 detail=%u transit=0 nsg=0 ; key "
		 "TargetAddress=%s:%u%s\n",
		 which, detail, host, port, tag);
	tell(target, line);
}

static void use_chap(struct attempt *attempt, const char *secret, bool mutual)
{
	static const uint8_t algorithms[] = {CHAP_SHA3_256, CHAP_SHA256, CHAP_SHA1, CHAP_MD5};
	struct login_settings *login = &attempt->settings.login;

	login->authenticate = true;
	memcpy(login->chap_algorithms, algorithms, sizeof(algorithms));
	strcpy(login->initiator.name, "user");
	login->initiator.secret_length = (uint16_t)strlen(secret);
	memcpy(login->initiator.secret, secret, strlen(secret));
	if (!mutual)
		return;
	strcpy(login->target.name, "target");
	login->target.secret_length = (uint16_t)strlen(OTHER_SECRET);
	memcpy(login->target.secret, OTHER_SECRET, strlen(OTHER_SECRET));
}

/* Row 78, row 79, §11.13.5 */
static void redirects_lead_to_ipv4_and_ipv6_addresses_and_to_names(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "[::1]", "localhost"};
	struct fake_target *there = make(""), *there6;
	uint16_t port = fake_target_port(there, 0);
	char script[40], problem[FAKE_TARGET_PROBLEM_MAX];

	/* the same port in the other family: a name may mean either */
	snprintf(script, sizeof(script), "portal ::1 %u 1\n", port);
	if (fake_target_new(script, &there6, problem) < 0)
		there6 = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(hosts); i++) {
		struct fake_target *here = make("");
		struct attempt attempt = to_port(fake_target_port(here, 0));

		if (hosts[i][0] == '[' && !there6)
			continue;
		redirect(here, "#1", 1, hosts[i], port, "");
		ends(&attempt, LOGIN_JOB_DONE);
		assert_int_equal(attempt.result.attempts, 2);
		assert_int_equal(attempt.result.port, port);
		assert_int_equal(fake_target_count(here, "connected"), 1);
		drop(here);
	}
	assert_true(fake_target_count(there, "login nsg=3") >= 1);
	if (there6) {
		assert_true(fake_target_count(there6, "login nsg=3") >= 1);
		drop(there6);
	}
	drop(there);
}

/* Row 79, §11.13.5 */
static void only_hops_that_are_all_for_good_change_the_record(void **state)
{
	static const struct {
		unsigned first, second; /* Status-Detail of each hop */
		int stored;		/* the hop whose address is stored; -1: none */
	} rows[] = {{1, 1, -1}, {1, 2, -1}, {2, 1, 0}, {2, 2, 1}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fake_target *targets[] = {make(""), make(""), make("")};
		struct attempt attempt = to_port(fake_target_port(targets[0], 0));

		redirect(targets[0], "#1", rows[i].first, "127.0.0.1",
			 fake_target_port(targets[1], 0), "");
		redirect(targets[1], "#1", rows[i].second, "127.0.0.1",
			 fake_target_port(targets[2], 0), "");
		ends(&attempt, LOGIN_JOB_DONE);
		assert_int_equal(attempt.result.port, fake_target_port(targets[2], 0));
		if (rows[i].stored < 0) {
			assert_string_equal(attempt.result.moved_address, "");
		} else {
			assert_string_equal(attempt.result.moved_address, "127.0.0.1");
			assert_int_equal(attempt.result.moved_port,
					 fake_target_port(targets[rows[i].stored + 1], 0));
		}
		for (size_t k = 0; k < ARRAY_SIZE(targets); k++)
			drop(targets[k]);
	}
}

/* Row 79, §11.13.5: the next attempt begins where the record says */
static void a_redirect_to_nowhere_is_not_remembered(void **state)
{
	struct fake_target *here = make("");
	struct attempt first = to_port(fake_target_port(here, 0)), second = first;

	redirect(here, "#1", 1, "127.0.0.1", closed_port(), "");
	ends(&first, LOGIN_JOB_CONNECT);
	assert_int_equal(first.result.error, -ECONNREFUSED);
	assert_string_equal(first.result.moved_address, "");
	ends(&second, LOGIN_JOB_DONE);
	assert_int_equal(second.result.port, fake_target_port(here, 0));
	drop(here);
}

static void a_circle_of_redirects_is_left(void **state)
{
	struct fake_target *here = make("");
	struct attempt attempt = to_port(fake_target_port(here, 0));

	redirect(here, "", 1, "127.0.0.1", fake_target_port(here, 0), "");
	ends(&attempt, LOGIN_JOB_REFUSED);
	assert_int_equal(attempt.result.error, -ELOOP);
	assert_in_range(fake_target_count(here, "connected"), 2, 20);
	drop(here);
}

/* Row 53, §6.3.1 */
static void the_portal_group_is_compared_until_the_target_sends_us_on(void **state)
{
	static const struct {
		uint16_t meant;
		const char *sent_on_with; /* NULL: not at all */
		enum login_job_end end;
	} rows[] = {
		{2, NULL, LOGIN_JOB_DONE}, {1, NULL, LOGIN_JOB_REFUSED}, {1, "", LOGIN_JOB_DONE},
		{1, ",2", LOGIN_JOB_DONE}, {1, ",1", LOGIN_JOB_REFUSED},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fake_target *here = make("portal 127.0.0.1 0 1\n");
		struct fake_target *there = make("portal 127.0.0.1 0 2\n");
		struct attempt attempt =
			to_port(fake_target_port(rows[i].sent_on_with ? here : there, 0));

		attempt.settings.login.check_portal_group = true;
		attempt.settings.login.portal_group_tag = rows[i].meant;
		if (rows[i].sent_on_with)
			redirect(here, "#1", 1, "127.0.0.1", fake_target_port(there, 0),
				 rows[i].sent_on_with);
		ends(&attempt, rows[i].end);
		if (rows[i].end == LOGIN_JOB_REFUSED) {
			assert_int_equal(attempt.result.login.failure, LOGIN_FAILURE_PORTAL_GROUP);
			assert_non_null(strstr(attempt.result.text, "discover the target again"));
		}
		drop(here);
		drop(there);
	}
}

/* Row 81: LIO before Linux 3.15 takes no list */
static void a_refused_list_of_algorithms_is_tried_once_as_md5_alone(void **state)
{
	struct fake_target *target = make("chap user " SECRET "\n"
					  "on login-response #2 : set class=2 detail=1\n");
	struct attempt attempt = to_port(fake_target_port(target, 0));
	struct fake_pdu offer;

	use_chap(&attempt, SECRET, false);
	ends(&attempt, LOGIN_JOB_DONE);
	assert_int_equal(attempt.result.attempts, 2);
	assert_true(fake_target_find(target, "login", 1, &offer));
	assert_string_equal(fake_target_key(&offer, "CHAP_A"), "8,7,6,5");
	assert_true(fake_target_find(target, "login", 3, &offer));
	assert_string_equal(fake_target_key(&offer, "CHAP_A"), "5");
	drop(target);
}

static void md5_alone_is_tried_no_second_time_and_not_where_it_is_unwanted(void **state)
{
	static const struct {
		const char *what;
		uint8_t algorithms[CHAP_ALGORITHM_MAX];
		const char *secret;
		bool fips;
		const char *refuse;
		unsigned connections;
	} rows[] = {
		{"it is refused as well", {CHAP_SHA256, CHAP_MD5}, SECRET, false, "csg=0 #2+", 2},
		{"the record excludes it", {CHAP_SHA256, CHAP_SHA1}, SECRET, false, "#2+", 1},
		{"it was alone already", {CHAP_MD5}, SECRET, false, "#2+", 1},
		{"FIPS", {CHAP_SHA256, CHAP_SHA1, CHAP_MD5}, SECRET, true, "#2+", 1},
		{"the secret is wrong",
		 {CHAP_SHA256, CHAP_MD5},
		 "wrong-wrong-wrong",
		 false,
		 "#9",
		 1},
		{"another reason", {CHAP_SHA256, CHAP_MD5}, SECRET, false, "#1", 1},
	};
	char line[100];

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fake_target *target = make("chap user " SECRET "\n");
		struct attempt attempt = to_port(fake_target_port(target, 0));

		snprintf(line, sizeof(line), "on login-response %s : set class=2 detail=1\n",
			 rows[i].refuse);
		tell(target, line);
		use_chap(&attempt, rows[i].secret, false);
		memcpy(attempt.settings.login.chap_algorithms, rows[i].algorithms,
		       CHAP_ALGORITHM_MAX);
		attempt.settings.login.forbid_md5 = rows[i].fips;
		ends(&attempt, LOGIN_JOB_REFUSED);
		assert_int_equal(attempt.result.login.status_class, 2);
		assert_int_equal(attempt.result.login.status_detail, 1);
		if (fake_target_count(target, "connected") != rows[i].connections)
			fail_msg("%s: %u connections", rows[i].what,
				 fake_target_count(target, "connected"));
		drop(target);
	}
}

/* Row 90, §9.2.1: nothing is sent, and it does not take the time of a login to say so */
static void credentials_that_must_not_be_used_end_the_attempt_at_once(void **state)
{
	struct fake_target *target = make("chap user short\n");
	struct attempt refused = to_port(fake_target_port(target, 0)), allowed = refused;

	use_chap(&refused, "short", false);
	ends(&refused, LOGIN_JOB_REFUSED);
	assert_int_equal(refused.result.login.failure, LOGIN_FAILURE_AUTHENTICATION);
	assert_non_null(strstr(refused.result.text, "hawser.auth.allow_short_secrets"));
	assert_int_equal(fake_target_count(target, "login"), 0);
	use_chap(&allowed, "short", false);
	allowed.settings.login.allow_short_secret = true;
	allowed.settings.login.chap_algorithms[0] = CHAP_MD5;
	allowed.settings.login.chap_algorithms[1] = 0;
	ends(&allowed, LOGIN_JOB_DONE);
	drop(target);
}

/* Row 89, §9.2.1: Rogue gives Alice her own challenge, from the connection that he holds open */
static void a_challenge_of_ours_from_another_connection_is_not_answered(void **state)
{
	struct chap_challenges challenges;
	struct fake_target *one = make("chap user " SECRET "\nmutual target " OTHER_SECRET "\n"
				       "on login #3 : freeze\n");
	struct fake_target *two = make("chap user " SECRET "\nmutual target " OTHER_SECRET "\n");
	struct attempt first = to_port(fake_target_port(one, 0));
	struct attempt second = to_port(fake_target_port(two, 0));
	struct fake_pdu response;
	char line[200];

	chap_challenges_init(&challenges);
	first.settings.challenges = second.settings.challenges = &challenges;
	use_chap(&first, SECRET, true);
	use_chap(&second, SECRET, true);
	first.settings.login.chap_algorithms[0] = second.settings.login.chap_algorithms[0] =
		CHAP_MD5;
	start(&first);
	while (!fake_target_find(one, "login", 2, &response))
		assert_true(sd_event_run(event, 10000) >= 0);
	snprintf(line, sizeof(line), "on login-response #2 : key CHAP_C=%s\n",
		 fake_target_key(&response, "CHAP_C"));
	tell(two, line);
	ends(&second, LOGIN_JOB_REFUSED);
	assert_int_equal(second.result.login.failure, LOGIN_FAILURE_AUTHENTICATION);
	assert_non_null(strstr(second.result.text, "another connection"));
	assert_int_equal(fake_target_count(two, "login"), 2);
	login_job_free(first.job);
	assert_true(list_empty(&challenges.outstanding));
	drop(one);
	drop(two);
}

/* A listener that says nothing by itself. */
static int silent_listener(uint16_t *port)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	*port = ntohs(address.sin_port);
	return fd;
}

static void a_target_that_accepts_and_says_nothing_is_given_up_in_time(void **state)
{
	uint16_t port;
	__attribute__((unused)) owned_fd int listener = silent_listener(&port);
	struct attempt attempt = to_port(port);

	attempt.settings.timeout_ms = LIMIT_MS;
	ends(&attempt, LOGIN_JOB_TIMEOUT);
	assert_true(attempt.result.connected);
	assert_non_null(strstr(attempt.result.text, "does not finish the login"));
}

static void a_target_that_freezes_at_any_step_is_given_up_in_time(void **state)
{
	char script[100];

	for (unsigned step = 1; step <= 4; step++) {
		struct fake_target *target;
		struct attempt attempt;

		snprintf(script, sizeof(script), "chap user %s\non login #%u : freeze\n", SECRET,
			 step);
		target = make(script);
		attempt = to_port(fake_target_port(target, 0));
		use_chap(&attempt, SECRET, false);
		attempt.settings.login.chap_algorithms[0] = CHAP_MD5;
		attempt.settings.timeout_ms = LIMIT_MS;
		ends(&attempt, LOGIN_JOB_TIMEOUT);
		drop(target);
	}
}

static void a_connection_that_is_lost_at_any_step_ends_the_attempt(void **state)
{
	static const char *const ways[] = {"close", "drop", "truncate 20", "truncate 60"};
	char script[100];

	for (size_t way = 0; way < ARRAY_SIZE(ways); way++) {
		for (unsigned step = 1; step <= 4; step++) {
			struct fake_target *target;
			struct attempt attempt;

			snprintf(script, sizeof(script), "chap user %s\non %s #%u : %s\n", SECRET,
				 way < 2 ? "login" : "login-response", step, ways[way]);
			target = make(script);
			attempt = to_port(fake_target_port(target, 0));
			use_chap(&attempt, SECRET, false);
			attempt.settings.login.chap_algorithms[0] = CHAP_MD5;
			start(&attempt);
			while (!attempt.done)
				assert_true(sd_event_run(event, UINT64_MAX) >= 0);
			/* what was answered before the FIN still counts */
			if (way != 0 && !(way == 3 && step == 3))
				assert_int_equal(attempt.result.end, LOGIN_JOB_CLOSED);
			else
				assert_true(attempt.result.end == LOGIN_JOB_CLOSED ||
					    attempt.result.end == LOGIN_JOB_DONE);
			drop(target);
		}
	}
}

struct drip {
	int fd;
	unsigned sent;
};

/* One byte of a login response whose text never ends. */
static int drip_one(sd_event_source *source, uint64_t now_us, void *userdata)
{
	static const uint8_t header[48] = {0x23, 0x00, [5] = 0x00, 0x20, 0x00};
	struct drip *drip = userdata;
	uint8_t byte = drip->sent < sizeof(header) ? header[drip->sent] : 'A';

	if (send(drip->fd, &byte, 1, MSG_NOSIGNAL) != 1)
		return sd_event_source_set_enabled(source, SD_EVENT_OFF);
	drip->sent++;
	sd_event_source_set_time_relative(source, 5000);
	return sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
}

static void a_target_that_drips_bytes_for_ever_is_given_up_in_time(void **state)
{
	uint16_t port;
	__attribute__((unused)) owned_fd int listener = silent_listener(&port);
	struct attempt attempt = to_port(port);
	struct drip drip = {.fd = -1};
	sd_event_source *timer = NULL;

	attempt.settings.timeout_ms = LIMIT_MS;
	start(&attempt);
	drip.fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(drip.fd >= 0);
	assert_true(sd_event_add_time_relative(event, &timer, CLOCK_MONOTONIC, 0, 0, drip_one,
					       &drip) >= 0);
	finish(&attempt, LOGIN_JOB_TIMEOUT);
	assert_true(attempt.result.connected);
	sd_event_source_unref(timer);
	close(drip.fd);
}

/* The limit is the whole attempt's, wherever redirects lead it. */
static void a_redirect_does_not_begin_the_time_anew(void **state)
{
	uint16_t port;
	__attribute__((unused)) owned_fd int listener = silent_listener(&port);
	struct fake_target *here = make("");
	struct attempt attempt = to_port(fake_target_port(here, 0));

	redirect(here, "#1", 1, "127.0.0.1", port, "");
	attempt.settings.timeout_ms = LIMIT_MS;
	ends(&attempt, LOGIN_JOB_TIMEOUT);
	assert_in_range(attempt.result.attempts, 1, 2);
	drop(here);
}

/* Row 47: a target that is slow but goes on is waited for */
static void a_slow_target_that_goes_on_is_waited_for(void **state)
{
	struct fake_target *target = make("chap user " SECRET "\nlogin-bytes 11\n"
					  "on login : delay 5\n");
	struct attempt attempt = to_port(fake_target_port(target, 0));

	use_chap(&attempt, SECRET, false);
	attempt.settings.login.chap_algorithms[0] = CHAP_MD5;
	ends(&attempt, LOGIN_JOB_DONE);
	assert_true(fake_target_count(target, "login") > 10);
	drop(target);
}

/* The job may be taken away at every moment. */
static void an_attempt_can_be_ended_at_any_time(void **state)
{
	for (unsigned turns = 0; turns < 12; turns++) {
		struct fake_target *target = make("on login : delay 2\n");
		struct attempt attempt = to_port(fake_target_port(target, 0));

		start(&attempt);
		for (unsigned i = 0; i < turns && !attempt.done; i++)
			assert_true(sd_event_run(event, 1000) >= 0);
		login_job_free(attempt.job);
		fake_target_free(target);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(redirects_lead_to_ipv4_and_ipv6_addresses_and_to_names),
		cmocka_unit_test(only_hops_that_are_all_for_good_change_the_record),
		cmocka_unit_test(a_redirect_to_nowhere_is_not_remembered),
		cmocka_unit_test(a_circle_of_redirects_is_left),
		cmocka_unit_test(the_portal_group_is_compared_until_the_target_sends_us_on),
		cmocka_unit_test(a_refused_list_of_algorithms_is_tried_once_as_md5_alone),
		cmocka_unit_test(md5_alone_is_tried_no_second_time_and_not_where_it_is_unwanted),
		cmocka_unit_test(credentials_that_must_not_be_used_end_the_attempt_at_once),
		cmocka_unit_test(a_challenge_of_ours_from_another_connection_is_not_answered),
		cmocka_unit_test(a_target_that_accepts_and_says_nothing_is_given_up_in_time),
		cmocka_unit_test(a_target_that_freezes_at_any_step_is_given_up_in_time),
		cmocka_unit_test(a_connection_that_is_lost_at_any_step_ends_the_attempt),
		cmocka_unit_test(a_target_that_drips_bytes_for_ever_is_given_up_in_time),
		cmocka_unit_test(a_redirect_does_not_begin_the_time_anew),
		cmocka_unit_test(a_slow_target_that_goes_on_is_waited_for),
		cmocka_unit_test(an_attempt_can_be_ended_at_any_time),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
