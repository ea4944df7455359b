/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* Without it the macros of sd-journal.h would put this file's name into every line. */
#define SD_JOURNAL_SUPPRESS_LOCATION

#include "util/log.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/text.h"

#define SLOTS	     1024u /* a power of two */
#define TEXT_MAX     640   /* bytes of one line, with its NUL */
#define FIELDS_MAX   20
#define FIELDS_BYTES 1152 /* of all fields of one line as "NAME=value", each with its NUL */

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* What one line is, whether it waits in a slot or goes straight out. */
struct line {
	int level;
	unsigned n_fields;
	char text[TEXT_MAX];
	char fields[FIELDS_BYTES]; /* n_fields strings one behind the other */
};

/*
 * A bounded queue of many writers and one reader. Slot i carries the ticket (position in the
 * endless sequence of lines) it is ready for: position = free to be written, position + 1 =
 * written. The reader puts the position of the next round. A writer owns a slot once it moved @tail
 * past it.
 */
struct slot {
	atomic_uint ticket;
	struct line line;
};

/* The process has one log, as it has one standard error. */
static struct {
	atomic_int max_level;
	atomic_bool running;
	atomic_bool stopping; /* set before the last sem_post() */
	enum log_destination destination;
	bool level_prefix;
	pthread_t thread;
	sem_t written; /* counts at least once for every line since the reader last looked */
	atomic_uint tail;
	unsigned head; /* the reader's */
	atomic_uint dropped;
} logger = {.max_level = LOG_INFO};

static struct slot slots[SLOTS]; /* apart from the rest, so that it costs no room in the program */

/* --- out --- */

/* systemd tells in JOURNAL_STREAM which file is the journal's (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static void write_to_stderr(const struct line *line, bool level_prefix)
{
	char prefix[8] = "";
	struct iovec parts[] = {
		{.iov_base = prefix},
		{.iov_base = (void *)(uintptr_t)line->text, .iov_len = strlen(line->text)},
		{.iov_base = (void *)(uintptr_t) "\n", .iov_len = 1},
	};
	ssize_t r;

	if (level_prefix)
		parts[0].iov_len =
			(size_t)snprintf(prefix, sizeof(prefix), "<%d>", line->level & 7);
	/* One call, so that lines of several processes stay whole; where it fails nobody listens.
	 */
	do {
		r = writev(STDERR_FILENO, parts, ARRAY_SIZE(parts));
	} while (r < 0 && errno == EINTR);
}

static bool write_to_journal(const struct line *line)
{
	char priority[] = "PRIORITY=0", message[sizeof("MESSAGE=") + TEXT_MAX];
	struct iovec parts[2 + FIELDS_MAX];
	const char *field = line->fields;
	int count = 0;

	priority[sizeof(priority) - 2] = (char)('0' + (line->level & 7));
	snprintf(message, sizeof(message), "MESSAGE=%s", line->text);
	parts[count++] = (struct iovec){priority, strlen(priority)};
	parts[count++] = (struct iovec){message, strlen(message)};
	for (unsigned i = 0; i < line->n_fields; i++) {
		size_t length = strlen(field);

		parts[count++] = (struct iovec){(void *)(uintptr_t)field, length};
		field += length + 1;
	}
	return sd_journal_sendv(parts, count) >= 0;
}

static void write_line(const struct line *line)
{
	if (logger.destination == LOG_TO_JOURNAL && write_to_journal(line))
		return;
	write_to_stderr(line, logger.level_prefix);
}

/* --- in --- */

/* What a target or a client sent may be part of a line: no control character reaches a terminal. */
static void clean(char *text, size_t size)
{
	text_sanitise(text, size, text, size);
}

static void fill_fields(struct line *line, const struct log_field *fields, unsigned n_fields)
{
	size_t used = 0;

	line->n_fields = 0;
	for (unsigned i = 0; i < n_fields && line->n_fields < FIELDS_MAX; i++) {
		char *start = line->fields + used;
		size_t left = sizeof(line->fields) - used;
		int length;

		if (!fields[i].value || !*fields[i].value)
			continue;
		length = snprintf(start, left, "%s%s=%s",
				  strcmp(fields[i].name, "MESSAGE_ID") == 0 ? "" : "ISCSI_",
				  fields[i].name, fields[i].value);
		if (length < 0 || (size_t)length >= left)
			continue; /* a field is whole or left out */
		clean(start, left);
		used += strlen(start) + 1;
		line->n_fields++;
	}
}

static void fill_line(struct line *line, int level, const struct log_field *fields,
		      unsigned n_fields, const char *format, va_list arguments)
{
	int length;

	line->level = level;
	length = vsnprintf(line->text, sizeof(line->text), format, arguments);
	if (length < 0)
		text_copy(line->text, sizeof(line->text), format);
	clean(line->text, sizeof(line->text));
	if (length >= (int)sizeof(line->text))
		memcpy(line->text + sizeof(line->text) - 4, "...", 4);
	fill_fields(line, fields, n_fields);
}

/* Return: the slot of the next position, now the caller's; NULL when the ring is full. */
static struct slot *claim_slot(unsigned *position)
{
	unsigned at = atomic_load_explicit(&logger.tail, memory_order_relaxed);

	for (;;) {
		struct slot *slot = &slots[at % SLOTS];
		unsigned ticket = atomic_load_explicit(&slot->ticket, memory_order_acquire);

		if (ticket == at) {
			if (atomic_compare_exchange_weak_explicit(&logger.tail, &at, at + 1,
								  memory_order_relaxed,
								  memory_order_relaxed)) {
				*position = at;
				return slot;
			}
		} else if ((int)(ticket - at) < 0) {
			return NULL; /* still holds the line of one round ago */
		} else {
			at = atomic_load_explicit(&logger.tail, memory_order_relaxed);
		}
	}
}

void log_line(int level, const struct log_field *fields, unsigned n_fields, const char *format, ...)
{
	int saved_errno = errno;
	struct slot *slot;
	unsigned position;
	va_list arguments;

	if (level > atomic_load_explicit(&logger.max_level, memory_order_relaxed))
		return;

	va_start(arguments, format);
	errno = saved_errno; /* for %m */
	if (!atomic_load_explicit(&logger.running, memory_order_acquire)) {
		struct line line;

		fill_line(&line, level, fields, n_fields, format, arguments);
		write_to_stderr(&line, stderr_is_journal());
	} else if ((slot = claim_slot(&position))) {
		fill_line(&slot->line, level, fields, n_fields, format, arguments);
		atomic_store_explicit(&slot->ticket, position + 1, memory_order_release);
		sem_post(&logger.written);
	} else {
		atomic_fetch_add_explicit(&logger.dropped, 1, memory_order_relaxed);
		sem_post(&logger.written);
	}
	va_end(arguments);
	errno = saved_errno;
}

/* --- the log thread --- */

static void drain(void)
{
	for (;;) {
		struct slot *slot = &slots[logger.head % SLOTS];

		if (atomic_load_explicit(&slot->ticket, memory_order_acquire) != logger.head + 1)
			return;
		write_line(&slot->line);
		atomic_store_explicit(&slot->ticket, logger.head + SLOTS, memory_order_release);
		logger.head++;
	}
}

static void report_dropped(void)
{
	unsigned dropped = atomic_exchange_explicit(&logger.dropped, 0, memory_order_relaxed);
	struct line line = {.level = LOG_WARNING};

	if (dropped == 0)
		return;
	snprintf(line.text, sizeof(line.text),
		 "%u log lines were dropped because the log could not be written fast enough",
		 dropped);
	write_line(&line);
}

static void *log_thread(void *unused)
{
	do {
		while (sem_wait(&logger.written) < 0)
			;
		drain();
		report_dropped();
	} while (!logger.stopping);
	return NULL;
}

static void reset_ring(enum log_destination destination, int max_level)
{
	if (destination == LOG_TO_JOURNAL && access(JOURNAL_SOCKET, W_OK) < 0)
		destination = LOG_TO_STDERR;
	logger.destination = destination;
	logger.level_prefix = stderr_is_journal();
	logger.stopping = false;
	logger.head = 0;
	atomic_store(&logger.tail, 0);
	atomic_store(&logger.dropped, 0);
	for (unsigned i = 0; i < SLOTS; i++)
		atomic_store_explicit(&slots[i].ticket, i, memory_order_relaxed);
	log_set_level(max_level);
}

int log_start(enum log_destination destination, int max_level)
{
	sigset_t all, before;
	int r;

	if (atomic_load(&logger.running))
		return -EALREADY;
	reset_ring(destination, max_level);
	if (sem_init(&logger.written, 0, 0) < 0)
		return -errno;

	/* Signals are for the control thread. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&logger.thread, NULL, log_thread, NULL);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0) {
		sem_destroy(&logger.written);
		return -r;
	}
	pthread_setname_np(logger.thread, "log");
	atomic_store_explicit(&logger.running, true, memory_order_release);
	return 0;
}

void log_stop(void)
{
	if (!atomic_exchange(&logger.running, false))
		return;
	logger.stopping = true;
	sem_post(&logger.written);
	pthread_join(logger.thread, NULL);
	/* The thread may have seen @stopping in the turn of an earlier line. */
	drain();
	report_dropped();
	sem_destroy(&logger.written);
}

void log_set_level(int max_level)
{
	atomic_store_explicit(&logger.max_level, max_level, memory_order_relaxed);
}

int log_level(void)
{
	return atomic_load_explicit(&logger.max_level, memory_order_relaxed);
}
