/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/cleanup.h"
#include "util/error.h"
#include "util/text.h"

/* clang-format off */
static const struct option long_options[] = {
	{"mode",        required_argument, NULL, 'm'},
	{"portal",      required_argument, NULL, 'p'},
	{"targetname",  required_argument, NULL, 'T'},
	{"interface",   required_argument, NULL, 'I'},
	{"op",          required_argument, NULL, 'o'},
	{"type",        required_argument, NULL, 't'},
	{"name",        required_argument, NULL, 'n'},
	{"value",       required_argument, NULL, 'v'},
	{"host",        required_argument, NULL, 'H'},
	{"sid",         required_argument, NULL, 'r'},
	{"rescan",      no_argument,       NULL, 'R'},
	{"print",       required_argument, NULL, 'P'},
	{"discover",    no_argument,       NULL, 'D'},
	{"login",       no_argument,       NULL, 'l'},
	{"loginall",    required_argument, NULL, 'L'},
	{"logout",      no_argument,       NULL, 'u'},
	{"logoutall",   required_argument, NULL, 'U'},
	{"stats",       no_argument,       NULL, 's'},
	{"show",        no_argument,       NULL, 'S'},
	{"killiscsid",  required_argument, NULL, 'k'},
	{"debug",       required_argument, NULL, 'd'},
	{"version",     no_argument,       NULL, 'V'},
	{"help",        no_argument,       NULL, 'h'},
	{"submode",     required_argument, NULL, 'C'},
	{"ip",          required_argument, NULL, 'a'},
	{"packetsize",  required_argument, NULL, 'b'},
	{"count",       required_argument, NULL, 'c'},
	{"interval",    required_argument, NULL, 'i'},
	{"index",       required_argument, NULL, 'x'},
	{"portal_type", optional_argument, NULL, 'A'},
	{"no_wait",     no_argument,       NULL, 'W'},
	{},
};
static const char short_options[] = "m:p:T:I:o:t:n:v:H:r:RP:DlL:uU:sSk:d:VhC:a:b:c:i:x:A:W";

static const struct mode_rule {
	const char *word, *letters;
} mode_rules[MODE_COUNT] = {
	[MODE_DISCOVERY]   = {"discovery",   "DSIPdmntplov"},
	[MODE_DISCOVERYDB] = {"discoverydb", "DSIPdmntplov"},
	[MODE_NODE]        = {"node",        "RsPIdmlSonvupTULW"},
	[MODE_SESSION]     = {"session",     "PiRdrmusonSv"},
	[MODE_IFACE]       = {"iface",       "HIdnvmPoCabci"},
	[MODE_FW]          = {"fw",          "dmlWnv"},
	[MODE_HOST]        = {"host",        "CHdmPotnvxA"},
};

static const struct text_name operation_words[] = {
	{OPERATION_NEW, "new"},
	{OPERATION_DELETE, "delete"},
	{OPERATION_UPDATE, "update"},
	{OPERATION_SHOW, "show"},
	{OPERATION_NON_PERSISTENT, "nonpersistent"},
	{OPERATION_APPLY, "apply"},
	{OPERATION_APPLY_ALL, "applyall"},
	{OPERATION_LOGIN, "login"},
	{OPERATION_LOGOUT, "logout"},
};

static const struct text_name type_words[] = {
	{DISCOVERY_TYPE_SENDTARGETS, "sendtargets"},
	{DISCOVERY_TYPE_SENDTARGETS, "st"},
	{DISCOVERY_TYPE_ISNS, "isns"},
	{DISCOVERY_TYPE_FIRMWARE, "fw"},
};

static const struct text_name submode_words[] = {
	{SUBMODE_PING, "ping"},
	{SUBMODE_CHAP, "chap"},
	{SUBMODE_FLASHNODE, "flashnode"},
	{SUBMODE_STATS, "stats"},
};
/* clang-format on */

static const char usage_text[] =
	"iscsiadm -m discoverydb [-hV] [-d level] [-P level] [-t type -p host:port -I iface … "
	"[-D] [-o operation] [-n name] [-v value] [-l]]\n"
	"iscsiadm -m discovery [-hV] [-d level] [-P level] [-t type -p host:port -I iface … "
	"[-l]] | [-p host:port [-l|-D]]\n"
	"iscsiadm -m node [-hV] [-d level] [-P level] [-L all|automatic|manual|onboot] [-W] "
	"[-U all|automatic|manual] [-S] [-T target -p host:port -I iface [-l|-u|-R|-s]] "
	"[-o operation] [-n name] [-v value]\n"
	"iscsiadm -m session [-hV] [-d level] [-P level] [-r sid|path [-R|-u|-s|-o operation "
	"[-n name] [-v value]]]\n"
	"iscsiadm -m iface [-hV] [-d level] [-P level] [-I iface] [-o operation]\n"
	"iscsiadm -m fw [-d level] [-l [-W]]\n"
	"iscsiadm -m host [-P level]\n"
	"iscsiadm -k priority\n";

#define EVENTS_MAX 512

/* One option as getopt found it. */
struct event {
	int letter; /* '?' when it is no good option: @bad says which, 0 for an unknown word */
	int bad;
	const char *token; /* of a bad option: what stood in argv */
	const char *argument;
};

struct parse {
	struct event events[EVENTS_MAX];
	unsigned event_count;
	const char *program; /* argv[0], which getopt's complaints start with */
	FILE *out, *err;
	const char *name, *value; /* half of a pair */
};

bool options_allowed(enum mode mode, int letter)
{
	const char *letters = mode_rules[mode].letters;

	return letters && letter != '\0' && strchr(letters, letter);
}

/*
 * The whole line is read before anything acts on it: when the loop comes to -m, all of it is held
 * against that mode's letters, but -h and -V before -m act first, and complaints keep their place.
 */
static int collect(struct parse *parse, int argc, char **argv)
{
	int letter;

	opterr = 0;
	optind = 0; /* glibc: start afresh */
	while ((letter = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		struct event *event = &parse->events[parse->event_count];

		if (parse->event_count == EVENTS_MAX)
			return -E2BIG;
		*event = (struct event){.letter = letter, .argument = optarg};
		if (letter == '?') {
			event->bad = optopt;
			event->token = argv[optind - 1];
		}
		parse->event_count++;
	}
	return 0;
}

/* Lets getopt complain in its own words about the one option that was wrong. */
static void complain(const struct parse *parse, const struct event *event)
{
	char program[256], token[1024];
	char *argv[] = {program, token, NULL};

	fflush(parse->err);
	text_copy(program, sizeof(program), parse->program);
	if (event->bad == 0 || text_starts_with(event->token, "--"))
		text_copy(token, sizeof(token), event->token);
	else
		snprintf(token, sizeof(token), "-%c", event->bad);
	opterr = 1;
	optind = 0;
	(void)getopt_long(2, argv, short_options, long_options, NULL);
	opterr = 0;
}

static int invalid(void)
{
	return error_exit_status(ERROR_INVALID_ARGUMENT);
}

static int act_mode(struct parse *parse, const char *argument, struct options *options)
{
	enum mode mode = MODE_NONE;

	for (enum mode m = MODE_NONE + 1; m < MODE_COUNT; m++)
		if (strcmp(mode_rules[m].word, argument) == 0)
			mode = m;
	if (mode == MODE_NONE) {
		/* "unkonwn" is what the world has read for twenty years */
		fprintf(parse->err, "iscsiadm: %s mode is unkonwn/unsupported\n", argument);
		return invalid();
	}
	for (unsigned i = 0; i < parse->event_count; i++) {
		const struct event *event = &parse->events[i];

		if (event->letter != '?' && options_allowed(mode, event->letter))
			continue;
		if (event->letter == '?')
			complain(parse, event);
		fprintf(parse->err, "iscsiadm: %s mode: option '-%c' is not allowed/supported\n",
			argument,
			event->letter != '?' ? event->letter
			: event->bad	     ? event->bad
					     : '?');
		return invalid();
	}
	options->mode = mode;
	options->mode_word = argument;
	return OPTIONS_RUN;
}

static int act_operation(struct parse *parse, const char *argument, struct options *options)
{
	int operation;

	if (text_value_of(operation_words, ARRAY_SIZE(operation_words), argument, &operation) ==
	    0) {
		options->operations |= (unsigned)operation;
		return OPTIONS_RUN;
	}
	if (options->operations != OPERATION_NONE)
		return OPTIONS_RUN; /* only the first word is looked at so closely */
	fprintf(parse->err, "iscsiadm: can not recognize operation: '%s'\n", argument);
	return invalid();
}

static int act_interface(struct parse *parse, const char *argument, struct options *options)
{
	size_t length = strlen(argument);

	if (length == 0 || length > 64) {
		fprintf(parse->out, "Invalid iface name %s. Must be from 1 to 64 characters.\n",
			argument);
		return invalid();
	}
	if (options->iface_count == OPTIONS_IFACES_MAX) {
		fprintf(parse->err, "iscsiadm: at most %d interfaces can be given\n",
			OPTIONS_IFACES_MAX);
		return invalid();
	}
	options->ifaces[options->iface_count++] = argument;
	return OPTIONS_RUN;
}

static int act_portal(struct parse *parse, const char *argument, struct options *options)
{
	/* a portal that cannot be read must never act as none: "-o delete" would then mean all */
	if (portal_parse(argument, PORTAL_DEFAULT_PORT, &options->portal) < 0) {
		fprintf(parse->err, "iscsiadm: '%s' is not a portal; give host[:port][,tpgt]\n",
			argument);
		return invalid();
	}
	options->portal_text = argument;
	return OPTIONS_RUN;
}

static int act_sid(struct parse *parse, const char *argument, struct options *options)
{
	int status = options_parse_sid(argument, &options->sid);

	if (status == 0)
		return OPTIONS_RUN;
	fprintf(parse->err, "iscsiadm: %s is an invalid session ID or path\n", argument);
	return status;
}

/* A pair is complete as soon as both halves are there, in either order. */
static int commit_setting(struct parse *parse, struct options *options)
{
	if (!parse->name || !parse->value)
		return OPTIONS_RUN;
	if (options->setting_count == OPTIONS_SETTINGS_MAX) {
		fprintf(parse->err, "iscsiadm: at most %d settings can be given\n",
			OPTIONS_SETTINGS_MAX);
		return invalid();
	}
	options->settings[options->setting_count++] = (struct setting){parse->name, parse->value};
	parse->name = parse->value = NULL;
	return OPTIONS_RUN;
}

static int act_name(struct parse *parse, const char *argument, struct options *options)
{
	parse->name = argument;
	return commit_setting(parse, options);
}

static int act_value(struct parse *parse, const char *argument, struct options *options)
{
	parse->value = argument;
	return commit_setting(parse, options);
}

static int act_host(struct parse *parse, const char *argument, struct options *options)
{
	uint64_t number;

	/* no adapter of ours has a MAC address of its own, so none can match */
	if (text_parse_u64(argument, 0, UINT32_MAX, &number) == 0)
		return OPTIONS_RUN;
	fprintf(parse->err, "iscsiadm: no host matches '%s'\n", argument);
	return invalid();
}

static int act_index(struct parse *parse, const char *argument, struct options *options)
{
	uint64_t number;

	if (text_parse_u64(argument, 0, UINT16_MAX, &number) == 0)
		return OPTIONS_RUN;
	fprintf(parse->err, "iscsiadm: invalid index '%s'\n", argument);
	return invalid();
}

static int act_kill(struct parse *parse, const char *argument, struct options *options)
{
	if (strcmp(argument, "0") != 0) {
		fprintf(parse->err, "iscsiadm: invalid priority '%s': only 0 is known\n", argument);
		return invalid();
	}
	fprintf(parse->err, "iscsiadm: stopping the daemon is not done from here; "
			    "use 'systemctl stop hawserd.service'\n");
	return error_exit_status(ERROR_NOT_SUPPORTED);
}

static int act_print(struct parse *parse, const char *argument, struct options *options)
{
	options->print_level = (int)strtol(argument, NULL, 10); /* no number counts as 0 */
	return OPTIONS_RUN;
}

static int act_type(struct parse *parse, const char *argument, struct options *options)
{
	int type = DISCOVERY_TYPE_NONE; /* any other word counts as none given */

	(void)text_value_of(type_words, ARRAY_SIZE(type_words), argument, &type);
	options->type = (enum discovery_type)type;
	return OPTIONS_RUN;
}

static int act_submode(struct parse *parse, const char *argument, struct options *options)
{
	int submode = SUBMODE_NONE;

	(void)text_value_of(submode_words, ARRAY_SIZE(submode_words), argument, &submode);
	options->submode = (enum submode)submode;
	return OPTIONS_RUN;
}

static int act_version(struct parse *parse, const char *argument, struct options *options)
{
	fputs("iscsiadm version " ISCSIADM_VERSION "\n", parse->out);
	return 0;
}

static int act_help(struct parse *parse, const char *argument, struct options *options)
{
	fputs(usage_text, parse->out);
	return 0;
}

static int act_target(struct parse *parse, const char *argument, struct options *options)
{
	options->target = argument;
	return OPTIONS_RUN;
}

static int act_login_all(struct parse *parse, const char *argument, struct options *options)
{
	options->login_all = argument;
	return OPTIONS_RUN;
}

static int act_logout_all(struct parse *parse, const char *argument, struct options *options)
{
	options->logout_all = argument;
	return OPTIONS_RUN;
}

/* What an option does when it is reached: a handler, or a flag to raise. Others are read only. */
/* clang-format off */
static const struct action {
	int letter;
	int (*act)(struct parse *parse, const char *argument, struct options *options);
	size_t flag; /* offset of a bool in struct options */
} actions[] = {
	{'m', act_mode},
	{'p', act_portal},
	{'T', act_target},
	{'I', act_interface},
	{'o', act_operation},
	{'t', act_type},
	{'n', act_name},
	{'v', act_value},
	{'H', act_host},
	{'r', act_sid},
	{'P', act_print},
	{'L', act_login_all},
	{'U', act_logout_all},
	{'k', act_kill},
	{'V', act_version},
	{'h', act_help},
	{'C', act_submode},
	{'x', act_index},
	{'R', NULL, offsetof(struct options, rescan)},
	{'D', NULL, offsetof(struct options, discover)},
	{'l', NULL, offsetof(struct options, login)},
	{'u', NULL, offsetof(struct options, logout)},
	{'s', NULL, offsetof(struct options, statistics)},
	{'S', NULL, offsetof(struct options, show_secrets)},
	{'W', NULL, offsetof(struct options, no_wait)},
};
/* clang-format on */

static int act(struct parse *parse, const struct event *event, struct options *options)
{
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++) {
		const struct action *action = &actions[i];

		if (action->letter != event->letter)
			continue;
		if (action->act)
			return action->act(parse, event->argument, options);
		*(bool *)((char *)options + action->flag) = true;
		return OPTIONS_RUN;
	}
	if (event->letter != '?')
		return OPTIONS_RUN;
	complain(parse, event);
	fprintf(parse->err, "iscsiadm: unrecognized character '%c'\n",
		event->bad ? event->bad : '?');
	return invalid();
}

int options_parse(int argc, char **argv, FILE *out, FILE *err, struct options *ret)
{
	owned_memory struct parse *parse = calloc(1, sizeof(*parse));
	struct options options = {.print_level = -1};
	int status;

	if (!parse)
		return error_exit_status(ERROR_NO_MEMORY);
	parse->program = argc > 0 ? argv[0] : "iscsiadm";
	parse->out = out;
	parse->err = err;
	if (collect(parse, argc, argv) < 0) {
		fputs("iscsiadm: too many options\n", err);
		return invalid();
	}
	for (unsigned i = 0; i < parse->event_count; i++) {
		status = act(parse, &parse->events[i], &options);
		if (status != OPTIONS_RUN)
			return status;
	}
	if (options.mode == MODE_NONE) {
		fputs("iscsiadm: no mode specified\n"
		      "Try `iscsiadm --help' for more information.\n",
		      err);
		return invalid();
	}
	*ret = options;
	return OPTIONS_RUN;
}

/* The number in a component "session<N>" of @path; 0 when there is none. */
static uint32_t session_in_path(const char *path)
{
	static const char word[] = "/session";

	for (const char *at = strstr(path, word); at; at = strstr(at, word)) {
		char digits[12] = "";
		uint64_t number;
		size_t length;

		at += sizeof(word) - 1;
		length = strspn(at, "0123456789");
		if (length == 0 || length >= sizeof(digits) || (at[length] && at[length] != '/'))
			continue;
		memcpy(digits, at, length);
		if (text_parse_u64(digits, 1, UINT32_MAX, &number) == 0)
			return (uint32_t)number;
	}
	return 0;
}

int options_parse_sid(const char *text, uint32_t *ret)
{
	owned_memory char *real = NULL;
	struct stat status;
	uint64_t number;
	uint32_t sid;

	if (text_parse_u64(text, 1, UINT32_MAX, &number) == 0) {
		*ret = (uint32_t)number;
		return 0;
	}
	/* scripts take such paths out of /sys, which may be another host's or gone by now */
	sid = text_starts_with(text, "/sys") ? session_in_path(text) : 0;
	if (sid == 0) {
		if (stat(text, &status) < 0 || !S_ISDIR(status.st_mode))
			return error_exit_status(ERROR_FAILED);
		real = realpath(text, NULL);
		sid = real ? session_in_path(real) : 0;
	}
	if (sid == 0)
		return invalid();
	*ret = sid;
	return 0;
}
