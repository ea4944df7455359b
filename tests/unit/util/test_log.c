/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"

/* Standard error is put aside and replaced by a pipe whose other end the test reads. */
struct capture {
	int saved, reader;
};

static void capture_start(struct capture *capture)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	capture->saved = dup(STDERR_FILENO);
	capture->reader = ends[0];
	assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
	close(ends[1]);
}

/* Return: everything that was written, to be freed */
static char *capture_end(struct capture *capture)
{
	char *text = calloc(1, 1 << 20);
	size_t length = 0;
	ssize_t r;

	assert_true(dup2(capture->saved, STDERR_FILENO) >= 0);
	close(capture->saved);
	while ((r = read(capture->reader, text + length, (1 << 20) - 1 - length)) > 0)
		length += (size_t)r;
	close(capture->reader);
	return text;
}

static void lines_before_the_start_go_straight_out(void **state)
{
	struct capture capture;
	owned_memory char *text = NULL;

	capture_start(&capture);
	log_info("hello %d", 7);
	log_debug("too detailed");
	text = capture_end(&capture);
	assert_string_equal(text, "hello 7\n");
}

static void lines_come_out_in_order_without_prefix_or_time(void **state)
{
	struct capture capture;
	owned_memory char *text = NULL;

	unsetenv("JOURNAL_STREAM");
	capture_start(&capture);
	assert_int_equal(log_start(LOG_TO_STDERR, LOG_DEBUG), 0);
	log_error("one");
	log_warning("two");
	log_debug("three");
	log_stop();
	log_info("four");
	text = capture_end(&capture);
	assert_string_equal(text, "one\ntwo\nthree\nfour\n");
}

static void level_prefix_stands_only_where_stderr_is_the_journal(void **state)
{
	struct capture capture;
	owned_memory char *text = NULL;
	char stream[64];
	struct stat st;

	capture_start(&capture);
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log_error("early");
	assert_int_equal(log_start(LOG_TO_STDERR, LOG_DEBUG), 0);
	log_error("a");
	log_debug("b");
	log_stop();
	setenv("JOURNAL_STREAM", "1:2", 1);
	assert_int_equal(log_start(LOG_TO_STDERR, LOG_DEBUG), 0);
	log_error("c");
	log_stop();
	unsetenv("JOURNAL_STREAM");
	text = capture_end(&capture);
	assert_string_equal(text, "<3>early\n<3>a\n<7>b\nc\n");
}

static void the_level_can_change_while_running(void **state)
{
	struct capture capture;
	owned_memory char *text = NULL;

	capture_start(&capture);
	assert_int_equal(log_start(LOG_TO_STDERR, LOG_WARNING), 0);
	assert_int_equal(log_level(), LOG_WARNING);
	log_notice("unseen");
	log_set_level(LOG_NOTICE);
	log_notice("seen");
	log_info("unseen");
	log_stop();
	text = capture_end(&capture);
	assert_string_equal(text, "seen\n");
}

static void a_second_start_is_refused(void **state)
{
	assert_int_equal(log_start(LOG_TO_STDERR, LOG_INFO), 0);
	assert_int_equal(log_start(LOG_TO_STDERR, LOG_INFO), -EALREADY);
	log_stop();
	log_stop();
}

static void a_line_cannot_make_another_one(void **state)
{
	struct capture capture;
	owned_memory char *text = NULL;

	capture_start(&capture);
	assert_int_equal(log_start(LOG_TO_STDERR, LOG_INFO), 0);
	log_info("target said %s", "x\nroot logged in\x1b[2J\xff");
	log_stop();
	text = capture_end(&capture);
	assert_string_equal(text, "target said x?root logged in?[2J?\n");
}

static void long_lines_are_cut_and_fields_are_bounded(void **state)
{
	struct capture capture;
	owned_memory char *text = NULL;
	char huge[5000];
	struct log_field fields[20];

	memset(huge, 'x', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	for (unsigned i = 0; i < 20; i++)
		fields[i] = LOG_FIELD("TARGET", i == 3 ? NULL : huge + sizeof(huge) - 40);
	capture_start(&capture);
	assert_int_equal(log_start(LOG_TO_STDERR, LOG_INFO), 0);
	log_line(LOG_INFO, fields, 20, "%s", huge);
	fields[0].value = huge;
	log_line(LOG_INFO, fields, 20, "short");
	log_stop();
	text = capture_end(&capture);
	assert_int_equal(strcspn(text, "\n"), 639);
	assert_memory_equal(text + 630, "xxxxxx...\nshort\n", 17);
}

static void errno_reaches_the_line_and_survives_it(void **state)
{
	struct capture capture;
	owned_memory char *text = NULL;

	capture_start(&capture);
	assert_int_equal(log_start(LOG_TO_STDERR, LOG_INFO), 0);
	errno = ENOSPC;
	log_error("cannot write: %m");
	assert_int_equal(errno, ENOSPC);
	log_stop();
	text = capture_end(&capture);
	assert_string_equal(text, "cannot write: No space left on device\n");
}

static void *read_to_the_end(void *reader)
{
	char buffer[65536];
	unsigned *lines = calloc(2, sizeof(*lines)); /* seen, reported as dropped */
	FILE *file = fdopen(*(int *)reader, "r");

	while (fgets(buffer, sizeof(buffer), file)) {
		unsigned dropped;

		if (sscanf(buffer, "%u log lines were dropped", &dropped) == 1)
			lines[1] += dropped;
		else
			lines[0]++;
	}
	fclose(file);
	return lines;
}

static void a_stuck_log_stalls_nobody_and_every_lost_line_is_counted(void **state)
{
	enum { LINES = 20000 };
	struct capture capture;
	pthread_t reader;
	unsigned *lines;

	/* Nobody reads: the log thread hangs in its write once the pipe is full. */
	capture_start(&capture);
	assert_int_equal(log_start(LOG_TO_STDERR, LOG_INFO), 0);
	for (unsigned i = 0; i < LINES; i++)
		log_info("line %u of a log that nobody reads, long enough to fill a pipe soon", i);

	pthread_create(&reader, NULL, read_to_the_end, &capture.reader);
	log_stop();
	assert_true(dup2(capture.saved, STDERR_FILENO) >= 0);
	close(capture.saved);
	pthread_join(reader, (void **)&lines);
	assert_int_equal(lines[0] + lines[1], LINES);
	assert_true(lines[1] > 0);
	free(lines);
}

struct writer {
	pthread_t thread;
	unsigned number;
};

enum { WRITERS = 4, LINES_EACH = 3000 };

static void *write_lines(void *userdata)
{
	struct writer *writer = userdata;
	const struct log_field field = LOG_FIELD("SID", "7");

	for (unsigned i = 0; i < LINES_EACH; i++)
		log_line(LOG_INFO, &field, 1, "w%u n%u", writer->number, i);
	return NULL;
}

static void *check_lines(void *reader)
{
	FILE *file = fdopen(*(int *)reader, "r");
	unsigned next[WRITERS] = {}, writer, number, dropped;
	unsigned *counts = calloc(3, sizeof(*counts)); /* seen, dropped, bad */
	char line[256];

	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "w%u n%u\n", &writer, &number) == 2 && writer < WRITERS &&
		    number >= next[writer]) {
			next[writer] = number + 1;
			counts[0]++;
		} else if (sscanf(line, "%u log lines were dropped", &dropped) == 1) {
			counts[1] += dropped;
		} else {
			counts[2]++;
		}
	}
	fclose(file);
	return counts;
}

static void many_writers_keep_lines_whole_and_each_one_its_order(void **state)
{
	struct writer writers[WRITERS];
	struct capture capture;
	pthread_t reader;
	unsigned *counts;

	capture_start(&capture);
	assert_int_equal(log_start(LOG_TO_STDERR, LOG_INFO), 0);
	pthread_create(&reader, NULL, check_lines, &capture.reader);
	for (unsigned i = 0; i < WRITERS; i++) {
		writers[i].number = i;
		pthread_create(&writers[i].thread, NULL, write_lines, &writers[i]);
	}
	for (unsigned i = 0; i < WRITERS; i++)
		pthread_join(writers[i].thread, NULL);
	log_stop();
	assert_true(dup2(capture.saved, STDERR_FILENO) >= 0);
	close(capture.saved);
	pthread_join(reader, (void **)&counts);
	assert_int_equal(counts[2], 0);
	assert_int_equal(counts[0] + counts[1], WRITERS * LINES_EACH);
	free(counts);
}

static void without_a_journal_lines_go_to_stderr(void **state)
{
	struct capture capture;
	owned_memory char *text = NULL;
	const struct log_field field = LOG_FIELD("TARGET", "iqn.x");

	if (access("/run/systemd/journal/socket", F_OK) == 0)
		skip();
	capture_start(&capture);
	assert_int_equal(log_start(LOG_TO_JOURNAL, LOG_INFO), 0);
	log_line(LOG_NOTICE, &field, 1, "logged in");
	log_stop();
	text = capture_end(&capture);
	assert_string_equal(text, "logged in\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_before_the_start_go_straight_out),
		cmocka_unit_test(lines_come_out_in_order_without_prefix_or_time),
		cmocka_unit_test(level_prefix_stands_only_where_stderr_is_the_journal),
		cmocka_unit_test(the_level_can_change_while_running),
		cmocka_unit_test(a_second_start_is_refused),
		cmocka_unit_test(a_line_cannot_make_another_one),
		cmocka_unit_test(long_lines_are_cut_and_fields_are_bounded),
		cmocka_unit_test(errno_reaches_the_line_and_survives_it),
		cmocka_unit_test(a_stuck_log_stalls_nobody_and_every_lost_line_is_counted),
		cmocka_unit_test(many_writers_keep_lines_whole_and_each_one_its_order),
		cmocka_unit_test(without_a_journal_lines_go_to_stderr),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
