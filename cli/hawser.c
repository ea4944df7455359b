/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/hawser.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cli/explain.h"
#include "util/text.h"

/* clang-format off */
static const struct hawser_verb verbs[] = {
	{"status",   "",                 0, 0, "jrncRw", true,  hawser_status,
	 "show targets, sessions, maps and paths; exit 0 ok, 1 degraded, 2 critical"},
	{"sessions", "[TARGET]",         0, 1, "jrncpIs", true, hawser_sessions,
	 "list sessions"},
	{"maps",     "",                 0, 0, "jrnc",   true,  hawser_maps,
	 "list multipath maps, which are the block devices"},
	{"paths",    "[MAP]",            0, 1, "jrnc",   true,  hawser_paths,
	 "list paths"},
	{"nodes",    "[TARGET]",         0, 1, "jrncpI", true,  hawser_nodes,
	 "list node records"},
	{"discover", "ADDRESS[:PORT]",   1, 1, "jrncIld", true, hawser_discover,
	 "ask a portal for its targets and remember them"},
	{"login",    "[TARGET]",         0, 1, "pIaLW",  true,  hawser_login,
	 "log in to a target, through all its portals or one"},
	{"logout",   "[TARGET]",         0, 1, "pIsaf",  true,  hawser_logout,
	 "log out of a target, of one portal or one session"},
	{"rescan",   "[TARGET]",         0, 1, "pIs",    true,  hawser_rescan,
	 "look for new, gone and resized logical units"},
	{"rediscover", "[TARGET]",       0, 1, "pIs",    true,  hawser_rediscover,
	 "ask targets that are logged in to for all their portals"},
	{"remove",   "MAP",              1, 1, "f",      true,  hawser_remove,
	 "take away a disk whose target is gone for good"},
	{"reset",    "MAP|TARGET [SCOPE]", 1, 2, "pIsf", true, hawser_reset,
	 "end what is under way at a disk, a target or a session; it is sent again"},
	{"group",    "MAP NUMBER|best",  2, 2, "",       true,  hawser_group,
	 "use a path group of a map, or the best one again"},
	{"pr",       "COMMAND MAP [KEY|TYPE]", 2, 3, "jrncPiAtbTf", true, hawser_pr,
	 "persistent reservations: show, keys, register, unregister, reserve, release, preempt, clear"},
	{"set",      "TARGET KEY [VALUE]", 2, 3, "pI",   true,  hawser_set,
	 "change a setting of a target's node records"},
	{"show",     "TARGET|MAP",       1, 1, "jrncpI", true,  hawser_show,
	 "show all settings of a target's records, or all of a map"},
	{"events",   "",                 0, 0, "jSgmpF", true,  hawser_events,
	 "print the last events, and with --follow those that come"},
	{"monitor",  "",                 0, 0, "j",      true,  hawser_monitor,
	 "print what happens, as it happens"},
	{"explain",  "CODE",             1, 1, "",       false, hawser_explain,
	 "tell what an exit status or error name means and what to do"},
	{"version",  "",                 0, 0, "",       false, hawser_version,
	 "print the version"},
	{"help",     "[VERB]",           0, 1, "",       false, hawser_help,
	 "print this, or the help of a verb"},
};

static const struct option_row {
	const char *name;
	int letter;
	int has_argument;
	const char *argument, *help;
} option_rows[] = {
	{"json",        'j', no_argument,       "",      "print JSON"},
	{"raw",         'r', no_argument,       "",      "print columns apart by one space, for scripts"},
	{"no-headings", 'n', no_argument,       "",      "leave out the line of headings"},
	{"no-colour",   'c', no_argument,       "",      "no colour, as the variable NO_COLOR"},
	{"portal",      'p', required_argument, "PORTAL","only this portal: ADDRESS[:PORT]"},
	{"interface",   'I', required_argument, "IFACE", "only this interface record"},
	{"sid",         's', required_argument, "SID",   "only the session with this id"},
	{"all",         'a', no_argument,       "",      "all of them, without a target"},
	{"automatic",   'L', no_argument,       "",      "what is logged in to at boot; one portal of each target is enough"},
	{"no-wait",     'W', no_argument,       "",      "do not wait until it is done"},
	{"force",       'f', no_argument,       "",      "also when a device is in use"},
	{"login",       'l', no_argument,       "",      "log in to what was found"},
	{"dry-run",     'd', no_argument,       "",      "remember nothing"},
	{"no-rates",    'R', no_argument,       "",      "show totals at once instead of measuring rates"},
	{"since",       'S', required_argument, "WHEN",  "only events after this number, or of this time: 10min"},
	{"target",      'g', required_argument, "TARGET","only events of this target"},
	{"map",         'm', required_argument, "MAP",   "only events of this map"},
	{"follow",      'F', no_argument,       "",      "go on with those that come"},
	{"watch",       'w', optional_argument, "[=SECONDS]", "show it again and again"},
	{"per-path",    'P', no_argument,       "",      "a key for each path: the last four digits are theirs"},
	{"ignore",      'i', no_argument,       "",      "replace whatever key is registered already"},
	{"aptpl",       'A', no_argument,       "",      "keep the registration when the target loses power"},
	{"all-target-ports", 't', no_argument,  "",      "register at every port of the target"},
	{"abort",       'b', no_argument,       "",      "end the commands of who is preempted, too"},
	{"type",        'T', required_argument, "TYPE",  "type of the reservation that is taken over"},
	{"help",        'h', no_argument,       "",      "print the help of the verb"},
};
/* clang-format on */

#define OPTION_COUNT ARRAY_SIZE(option_rows)

const struct hawser_verb *hawser_verb_at(unsigned index)
{
	return index < ARRAY_SIZE(verbs) ? &verbs[index] : NULL;
}

/* --- errors --- */

static int advise(struct hawser *run, enum error_code code)
{
	int status = error_exit_status(code);
	const char *next = explain_next(status, run->verb);

	if (next)
		fprintf(run->err, "        %s\n", next);
	return status;
}

int hawser_fail(struct hawser *run, enum error_code code, const char *format, ...)
{
	va_list arguments;

	fflush(run->out);
	fputs("hawser: ", run->err);
	va_start(arguments, format);
	vfprintf(run->err, format, arguments);
	va_end(arguments);
	fputc('\n', run->err);
	return advise(run, code);
}

int hawser_report(struct hawser *run, const char *what, const struct error *error)
{
	const char *text = error->text && *error->text ? error->text : error_summary(error->code);
	char line[1024];

	/* what iscsiadm tells in two lines is one sentence here */
	text_copy(line, sizeof(line), text);
	for (char *end = strchr(line, '\n'); end; end = strchr(end, '\n'))
		*end = ' ';
	return what ? hawser_fail(run, error->code, "%s: %s", what, line)
		    : hawser_fail(run, error->code, "%s", line);
}

int hawser_print_table(struct hawser *run, struct table *table, const char *members)
{
	int r = table_print(table, members, run->out);

	return r < 0 ? hawser_fail(run, ERROR_FAILED, "cannot print: %s", strerror(-r)) : 0;
}

struct selection hawser_selection(const struct hawser *run, const char *target)
{
	return (struct selection){
		.target = target,
		.address = run->has_portal ? run->portal.address : NULL,
		.port = run->has_portal ? run->portal.port : 0,
		.iface = run->iface,
		.sids = &run->sid,
		.sid_count = run->sid ? 1 : 0,
	};
}

/* --- help --- */

static const struct hawser_verb *find_verb(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static void print_verb_help(FILE *out, const struct hawser_verb *verb)
{
	fprintf(out, "hawser %s %s%s[OPTION …]\n\n%s\n", verb->name, verb->operands,
		*verb->operands ? " " : "", verb->summary);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option_row *row = &option_rows[i];
		char name[32];

		if (row->letter != 'h' && !strchr(verb->letters, row->letter))
			continue;
		snprintf(name, sizeof(name), "%s%s%s", row->name,
			 row->has_argument == required_argument ? " " : "", row->argument);
		fprintf(out, "%s  -%c, --%-20s %s\n", i == 0 ? "\n" : "", row->letter, name,
			row->help);
	}
}

static void print_help(FILE *out)
{
	fputs("hawser VERB [OPERAND …] [OPTION …]\n\n", out);
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		fprintf(out, "  %-9s %-18s %s\n", verbs[i].name, verbs[i].operands,
			verbs[i].summary);
	fputs("\n'hawser help VERB' tells its options, hawser(8) everything.\n", out);
}

int hawser_help(struct hawser *run)
{
	const struct hawser_verb *verb;

	if (run->operand_count == 0) {
		print_help(run->out);
		return 0;
	}
	verb = find_verb(run->operands[0]);
	if (!verb)
		return hawser_fail(run, ERROR_INVALID_ARGUMENT, "there is no verb '%s'",
				   run->operands[0]);
	print_verb_help(run->out, verb);
	return 0;
}

int hawser_version(struct hawser *run)
{
	fputs("hawser " HAWSER_VERSION "\n", run->out);
	return 0;
}

int hawser_explain(struct hawser *run)
{
	const struct explanation *explanation = explain_word(run->operands[0]);

	if (!explanation)
		return hawser_fail(run, ERROR_INVALID_ARGUMENT, "there is no code '%s'",
				   run->operands[0]);
	fprintf(run->out, "%d %s\n%s\n%s\n", explanation->status, explanation->name,
		explanation->meaning, explanation->next);
	return 0;
}

/* --- options --- */

static void options_for_getopt(struct option options[OPTION_COUNT + 1],
			       char letters[OPTION_COUNT * 3 + 1])
{
	char *at = letters;

	for (size_t i = 0; i < OPTION_COUNT; i++) {
		options[i] = (struct option){option_rows[i].name, option_rows[i].has_argument, NULL,
					     option_rows[i].letter};
		*at++ = (char)option_rows[i].letter;
		for (int colons = option_rows[i].has_argument; colons > 0; colons--)
			*at++ = ':';
	}
	*at = '\0';
}

static int take_number(struct hawser *run, const char *text, uint32_t *ret)
{
	uint64_t number;

	if (text_parse_u64(text, 1, UINT32_MAX, &number) < 0)
		return hawser_fail(run, ERROR_INVALID_ARGUMENT, "'%s' is not a number from 1 on",
				   text);
	*ret = (uint32_t)number;
	return 0;
}

static int take_portal(struct hawser *run, const char *text)
{
	if (portal_parse(text, PORTAL_DEFAULT_PORT, &run->portal) < 0)
		return hawser_fail(run, ERROR_INVALID_ARGUMENT, "'%s' is not ADDRESS[:PORT]", text);
	run->has_portal = true;
	return 0;
}

static int take_option(struct hawser *run, int letter, const char *argument)
{
	static const struct {
		int letter;
		size_t flag; /* offset of a bool in struct hawser */
	} flags[] = {
		{'j', offsetof(struct hawser, style.json)},
		{'r', offsetof(struct hawser, style.raw)},
		{'n', offsetof(struct hawser, style.no_headings)},
		{'a', offsetof(struct hawser, all)},
		{'L', offsetof(struct hawser, automatic)},
		{'W', offsetof(struct hawser, no_wait)},
		{'f', offsetof(struct hawser, force)},
		{'l', offsetof(struct hawser, login)},
		{'d', offsetof(struct hawser, dry_run)},
		{'R', offsetof(struct hawser, no_rates)},
		{'P', offsetof(struct hawser, per_path)},
		{'i', offsetof(struct hawser, ignore)},
		{'A', offsetof(struct hawser, aptpl)},
		{'t', offsetof(struct hawser, all_target_ports)},
		{'b', offsetof(struct hawser, abort)},
		{'F', offsetof(struct hawser, follow)},
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		if (flags[i].letter == letter)
			*(bool *)((char *)run + flags[i].flag) = true;
	switch (letter) {
	case 'c':
		run->style.colour = false;
		return 0;
	case 'I':
		run->iface = argument;
		return 0;
	case 'p':
		return take_portal(run, argument);
	case 's':
		return take_number(run, argument, &run->sid);
	case 'T':
		run->type = argument;
		return 0;
	case 'S':
		run->since = argument;
		return 0;
	case 'g':
		run->target = argument;
		return 0;
	case 'm':
		run->map = argument;
		return 0;
	case 'w':
		return take_number(run, argument ? argument : "2", &run->watch_s);
	default:
		return 0;
	}
}

static int refuse_option(struct hawser *run, const struct hawser_verb *verb, int letter)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (option_rows[i].letter == letter)
			return hawser_fail(run, ERROR_INVALID_ARGUMENT, "%s takes no --%s",
					   verb->name, option_rows[i].name);
	return advise(run, ERROR_INVALID_ARGUMENT); /* getopt has told what is wrong */
}

#define GO_ON (-1)

/* Return: GO_ON, or the exit status. */
static int parse_options(struct hawser *run, const struct hawser_verb *verb, int argc, char **argv)
{
	struct option options[OPTION_COUNT + 1] = {};
	char letters[OPTION_COUNT * 3 + 1];
	int letter;

	options_for_getopt(options, letters);
	optind = 0;
	while ((letter = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		int status;

		if (letter == 'h') {
			print_verb_help(run->out, verb);
			return 0;
		}
		if (letter == '?' || !strchr(verb->letters, letter))
			return refuse_option(run, verb, letter);
		status = take_option(run, letter, optarg);
		if (status != 0)
			return status;
	}
	run->operands = argv + optind;
	run->operand_count = (unsigned)(argc - optind);
	if (run->operand_count >= verb->min_operands && run->operand_count <= verb->max_operands)
		return GO_ON;
	return hawser_fail(run, ERROR_INVALID_ARGUMENT, "usage: hawser %s %s", verb->name,
			   verb->operands);
}

/* --- style --- */

static void set_style(struct hawser *run)
{
	const char *no_colour = getenv("NO_COLOR");
	bool terminal = isatty(fileno(run->out));
	struct winsize size = {};

	run->style.colour = terminal && !(no_colour && *no_colour);
	if (terminal && ioctl(fileno(run->out), TIOCGWINSZ, &size) == 0)
		run->style.width = size.ws_col;
}

static int run_verb(struct hawser *run, const struct hawser_verb *verb)
{
	owned_error struct error error = ERROR_INIT;

	if (verb->needs_daemon && client_open(&run->client, &error) < 0)
		return hawser_report(run, NULL, &error);
	return verb->run(run);
}

int hawser_main(int argc, char **argv)
{
	struct hawser run = {.out = stdout, .err = stderr};
	const struct hawser_verb *verb;
	const char *word = argc > 1 ? argv[1] : "help";
	int status;

	setlocale(LC_CTYPE, ""); /* for the lines of trees; messages stay English */
	set_style(&run);
	word = strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0	   ? "help"
	       : strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0 ? "version"
									   : word;
	verb = find_verb(word);
	if (!verb)
		return hawser_fail(&run, ERROR_INVALID_ARGUMENT,
				   "there is no verb '%s'; 'hawser help' lists them", word);
	run.verb = verb->name;
	if (argc > 1) {
		argv[1] = argv[0]; /* getopt's complaints start with the program's name */
		argc--;
		argv++;
	}
	status = parse_options(&run, verb, argc, argv);
	if (status == GO_ON)
		status = run_verb(&run, verb);
	client_close(run.client);
	if (fflush(stdout) != 0 && status == 0)
		status = hawser_fail(&run, ERROR_FAILED, "cannot write: %s", strerror(errno));
	return status;
}
