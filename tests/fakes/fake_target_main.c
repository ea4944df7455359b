/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* The fake target as a program: fake_target [-v] [SCRIPT]; ends with its standard input. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fakes/fake_target.h"
#include "tests/fakes/fake_unit.h"
#include "util/cleanup.h"

static const char usage[] =
	"usage: fake_target [-v] [SCRIPT]\n"
	"\n"
	"An iSCSI target with a RAM disk that does what its SCRIPT says and is correct otherwise\n"
	"(docs/FAKE_TARGET.md). Lines on standard input are carried out at once; it ends with them.\n"
	"Rules of RFC 7143 that the initiator broke go to standard error, and make the exit status 1.\n"
	"  -v  tell every PDU, and that a line of input has taken effect\n";

static void show(const struct fake_pdu *pdu)
{
	const uint8_t *bytes = (const uint8_t *)&pdu->bhs;

	flockfile(stdout);
	printf("%llu.%03llu connection %u %s", (unsigned long long)(pdu->at_ms / 1000),
	       (unsigned long long)(pdu->at_ms % 1000), pdu->connection,
	       fake_target_event_name(pdu->event));
	for (size_t i = 0; pdu->event < FAKE_CONNECTED && i < BHS_LENGTH; i++)
		printf("%s%02x", i % 4 ? "" : " ", bytes[i]);
	printf("\n");
	fflush(stdout);
	funlockfile(stdout);
}

static void complain(const char *text)
{
	fputs(text, stderr);
}

static void tell_unit(const char *name, const struct fake_unit *unit)
{
	printf("%s reads %u writes %u\n", name, unit->reads,
	       unit->writes + unit->unmaps + unit->write_sames);
}

/* What has reached the disk, and the one that is none of ours. */
static void tell_counts(struct fake_target *target)
{
	tell_unit("unit", fake_target_unit(target));
	tell_unit("other", fake_target_other(target));
}

static char *read_file(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;

	if (!file)
		return NULL;
	if (getdelim(&text, &size, '\0', file) < 0) {
		free(text);
		text = strdup("");
	}
	fclose(file);
	return text;
}

/* Lines that end with a backslash take effect with the next one, at once. */
static void hear(struct fake_target *target, bool verbose)
{
	owned_memory char *line = NULL, *lines = NULL;
	char problem[FAKE_TARGET_PROBLEM_MAX];
	size_t size = 0, length = 0;
	ssize_t n;

	while ((n = getline(&line, &size, stdin)) > 0) {
		bool more = n > 1 && line[n - 2] == '\\';

		lines = realloc(lines, length + (size_t)n + 1);
		if (!lines)
			abort();
		memcpy(lines + length, line, (size_t)n + 1);
		length += (size_t)n;
		if (more)
			memcpy(lines + length - 2, "\n", 2);
		if (!more && strcmp(lines, "count\n") == 0)
			tell_counts(target);
		else if (!more && fake_target_script(target, lines, problem) < 0)
			fprintf(stderr, "fake_target: %s\n", problem);
		if (more)
			length--;
		else
			length = 0;
		if (verbose)
			puts("heard");
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	owned_memory char *script = NULL;
	char problem[FAKE_TARGET_PROBLEM_MAX];
	struct fake_target *target;
	bool verbose = false;
	int option, r;

	while ((option = getopt(argc, argv, "vh")) != -1) {
		if (option != 'v') {
			fputs(usage, option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
		verbose = true;
	}
	script = optind < argc ? read_file(argv[optind]) : strdup("");
	if (!script) {
		perror(argv[optind]);
		return 2;
	}
	r = fake_target_new(script, &target, problem);
	if (r < 0) {
		fprintf(stderr, "fake_target: %s\n", *problem ? problem : strerror(-r));
		return 2;
	}
	fake_target_watch(target, verbose ? show : NULL, complain);
	for (size_t i = 0; i < fake_target_portals(target); i++)
		printf("portal %s\n", fake_target_address(target, i));
	fflush(stdout);
	hear(target, verbose);
	r = *fake_target_complaints(target) ? 1 : 0;
	fake_target_free(target);
	return r;
}
