/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* The fake target as a program: fake_target [-v] [SCRIPT]; ends with its standard input. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fakes/fake_target.h"
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

int main(int argc, char **argv)
{
	owned_memory char *script = NULL, *line = NULL;
	char problem[FAKE_TARGET_PROBLEM_MAX];
	struct fake_target *target;
	bool verbose = false;
	size_t size = 0;
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
	while (getline(&line, &size, stdin) > 0) {
		line[strcspn(line, "\n")] = '\0';
		if (fake_target_script(target, line, problem) < 0)
			fprintf(stderr, "fake_target: %s\n", problem);
		if (verbose)
			puts("heard");
		fflush(stdout);
	}
	r = *fake_target_complaints(target) ? 1 : 0;
	fake_target_free(target);
	return r;
}
