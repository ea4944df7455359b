/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * What is made of the table of events: "event_documents catalog" prints the journal's catalog
 * (units/hawser.catalog), "event_documents markdown" docs/EVENTS.md. tests/style/events.py
 * compares.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "daemon/event.h"
#include "multipath/verdict.h"
#include "util/cleanup.h"

static const char *const severities[] = {
	[LOG_EMERG] = "emergency", [LOG_ALERT] = "alert",     [LOG_CRIT] = "critical",
	[LOG_ERR] = "error",	   [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
	[LOG_INFO] = "info",	   [LOG_DEBUG] = "debug",
};

/* --- the catalog: see "Message Catalogs" of systemd --- */

static void print_catalog(void)
{
	fputs("# SPDX-License-Identifier: LGPL-2.1-or-later\n"
	      "# SPDX-FileCopyrightText: Hawser developers\n"
	      "# Made of daemon/event_kinds.c by tests/style/events.py --write\n",
	      stdout);
	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		const struct event_kind_row *row = event_kind_row((enum event_kind)kind);

		printf("\n-- %s\nSubject: hawserd: %s\nDefined-By: hawserd\n"
		       "Documentation: man:hawserd(8) man:hawser(8)\n\n%s\n",
		       row->message_id, row->name, row->meaning);
		if (*row->advice)
			printf("\n%s\n", row->advice);
	}
}

/* --- the document --- */

static void print_kinds(void)
{
	char verdicts[VERDICT_TEXT_MAX];

	for (int kind = 0; kind < EVENT_KIND_COUNT; kind++) {
		const struct event_kind_row *row = event_kind_row((enum event_kind)kind);

		printf("\n### %s\n\n%s\n", row->name, row->meaning);
		if (*row->advice)
			printf("*%s*\n", row->advice);
		printf("\n- text: `%s`\n", row->text);
		printf("- severity: %s\n", severities[row->severity]);
		if (row->verdicts)
			printf("- verdict: %s\n", verdict_text(row->verdicts, verdicts));
		for (int i = 0; i < EVENT_NUMBERS_MAX && row->numbers[i]; i++)
			printf("%s`%s`%s", i ? ", " : "- numbers: ", row->numbers[i],
			       i + 1 < EVENT_NUMBERS_MAX && row->numbers[i + 1] ? "" : "\n");
		printf("- MESSAGE_ID: `%s`\n", row->message_id);
	}
}

static void print_vocabulary(void)
{
	const struct verdict_word *word;

	fputs("\n| verdict | what is done |\n|---|---|\n", stdout);
	for (size_t i = 0; (word = verdict_word_at(i)); i++)
		printf("| %s | %s |\n", word->name, word->meaning);
	fputs("\n| doubt | the commands that it is about were |\n|---|---|\n", stdout);
	for (int doubt = DOUBT_NONE; doubt < DOUBT_COUNT; doubt++)
		printf("| %s | %s |\n", doubt_letter((enum doubt)doubt),
		       doubt_meaning((enum doubt)doubt));
}

static void print_markdown(void)
{
	fputs("# Events\n\n"
	      "Made of `daemon/event_kinds.c` and `multipath/verdict.c` by `tests/style/events.py --write`.\n\n"
	      "Whatever changes a state is one event. It is told once, and the same, in four places: a line of\n"
	      "the journal with its MESSAGE_ID and fields, the D-Bus signal `org.hawser1.Manager.Event`, the ring\n"
	      "of the last 10,000 (`Manager.GetEvents`, `hawser events`), and `hawser monitor`. Of something that\n"
	      "happens again and again the journal gets ten lines a minute and then their number (*suppressed*);\n"
	      "ring and signal get all.\n\n"
	      "| journal | D-Bus | |\n|---|---|---|\n"
	      "| `MESSAGE` | text | the sentence: of what is in [brackets] nothing is said when a field in it has no value |\n"
	      "| `PRIORITY` | severity | syslog's |\n"
	      "| `MESSAGE_ID` | `MessageId` | of the kind; `journalctl -x` explains it |\n"
	      "| `ISCSI_EVENT` | id | the kind |\n"
	      "| `ISCSI_SEQUENCE` | `Sequence` | 1, 2, 3 … since hawserd was started |\n"
	      "| `ISCSI_TARGET`, `ISCSI_PORTAL`, `ISCSI_SID` | `Target`, `Portal`, `Sid` | the session, or a path's |\n"
	      "| `ISCSI_MAP`, `ISCSI_PATH`, `ISCSI_LUN` | `Map`, `Path`, `Lun` | map and path |\n"
	      "| `ISCSI_STATE`, `ISCSI_OLD_STATE` | `State`, `OldState` | now, and before |\n"
	      "| `ISCSI_REASON` | `Reason` | in a few words |\n"
	      "| `ISCSI_VERDICT`, `ISCSI_DOUBT` | `Verdict`, `Doubt` | in the words below |\n"
	      "| `ISCSI_<NAME>` | `Numbers` | the kind's numbers |\n"
	      "| | when, `Monotonic` | microseconds, CLOCK_REALTIME and CLOCK_MONOTONIC |\n\n"
	      "## Words\n",
	      stdout);
	print_vocabulary();
	fputs("\n## Kinds\n", stdout);
	print_kinds();
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "catalog") == 0)
		print_catalog();
	else if (argc == 2 && strcmp(argv[1], "markdown") == 0)
		print_markdown();
	else
		return EXIT_FAILURE;
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
