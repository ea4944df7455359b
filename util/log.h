/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Log lines with journal fields. A line is formatted by the thread that logs it into a slot of a
 * bounded ring and written by the log thread, so that a stuck journal never stalls I/O; when the
 * ring is full lines are counted and dropped, and the count is logged later. Before log_start() and
 * after log_stop() lines go straight to standard error.
 *
 * One event, one line. Fields say what it is about: LOG_FIELD("TARGET", name).
 */

#include <syslog.h>

enum log_destination {
	LOG_TO_STDERR, /* "<3>"-prefixed where standard error is the journal, plain on a terminal */
	LOG_TO_JOURNAL, /* sd_journal_sendv(), with fields */
};

/** struct log_field - one journal field; @name in capitals, without the ISCSI_ prefix, which all
 * get but the journal's own MESSAGE_ID */
struct log_field {
	const char *name, *value;
};

#define LOG_FIELD(name, value) ((struct log_field){name, value})

/**
 * log_start() - start the log thread
 * @destination: LOG_TO_JOURNAL where no journal listens is LOG_TO_STDERR
 * @max_level: as log_set_level()
 *
 * Return: 0; -EALREADY; -errno of starting the thread.
 */
int log_start(enum log_destination destination, int max_level);
/** log_stop() - write what is left, end the thread; lines of other threads that come meanwhile may
 * be lost */
void log_stop(void);
/** log_set_level() - LOG_ERR … LOG_DEBUG; thread-safe */
void log_set_level(int max_level);
int log_level(void);

/**
 * log_line() - one line; any thread, never blocks once started
 * @fields: @n_fields of them (20 at most), copied; those whose value is NULL or "" are left out
 * @format: printf's, %m too; control characters in what it gives become '?', and a line is cut
 *          after 639 bytes
 */
void log_line(int level, const struct log_field *fields, unsigned n_fields, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#define log_error(...)	 log_line(LOG_ERR, NULL, 0, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, NULL, 0, __VA_ARGS__)
#define log_notice(...)	 log_line(LOG_NOTICE, NULL, 0, __VA_ARGS__)
#define log_info(...)	 log_line(LOG_INFO, NULL, 0, __VA_ARGS__)
#define log_debug(...)	 log_line(LOG_DEBUG, NULL, 0, __VA_ARGS__)
