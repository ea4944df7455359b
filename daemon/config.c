/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "daemon/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "daemon/record.h"
#include "multipath/access.h"
#include "multipath/failback.h"
#include "multipath/fence.h"
#include "multipath/grouping.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/text.h"

#define ISCSID_CONF_MAX (1u << 20) /* bytes */

static const struct text_name log_levels[] = {
	{LOG_ERR, "error"}, {LOG_WARNING, "warning"}, {LOG_NOTICE, "notice"},
	{LOG_INFO, "info"}, {LOG_DEBUG, "debug"},
};
static const struct text_name automatic[] = {{0, "auto"}};
static const struct text_name exporters[] = {{0, "auto"}, {0, "ublk"}, {0, "nbd"}, {0, "fuse"}};
static const struct text_name selectors[] = {{0, "service-time"},
					     {0, "round-robin"},
					     {0, "queue-length"},
					     {0, "shortest-expected-delay"}};
static const struct text_name nevers[] = {{0, "never"}};
static const struct text_name offs[] = {{0, "off"}};
static const struct text_name retries[] = {{-1, "queue"}, {0, "fail"}};
static const struct text_name integrities[] = {{INTEGRITY_EXCLUSIVE, "exclusive"},
					       {INTEGRITY_SHARED, "shared"},
					       {INTEGRITY_LEGACY, "legacy"}};
static const struct text_name never[] = {{-1, "never"}};
static const struct text_name resets[] = {{FENCE_RESET_NEVER, "never"},
					  {FENCE_RESET_EXCLUSIVE, "exclusive"},
					  {FENCE_RESET_ALWAYS, "always"}};
static const struct text_name groupings[] = {{GROUPING_BY_PRIO, "group_by_prio"},
					     {GROUPING_MULTIBUS, "multibus"},
					     {GROUPING_FAILOVER, "failover"},
					     {GROUPING_BY_NODE_NAME, "group_by_node_name"},
					     {GROUPING_BY_TPG, "group_by_tpg"}};
static const struct text_name failbacks[] = {
	{0, "immediate"}, {FAILBACK_MANUAL, "manual"}, {FAILBACK_FOLLOWOVER, "followover"}};
static const struct text_name activations[] = {{ACTIVATION_NEVER, "never"},
					       {ACTIVATION_STALLED, "stalled"},
					       {ACTIVATION_OPTIMIZED, "optimized"}};

#define NAMES(names) names, ARRAY_SIZE(names)
#define NO_NAMES     NULL, 0
#define AT(member)   offsetof(struct config, member), sizeof(((struct config *)0)->member)
#define ANY	     0, 0

/* clang-format off */
static const struct setting settings[] = {
	{"log.level", SETTING_CHOICE, NULL, ANY, "info", NAMES(log_levels), AT(log_level),
	 "Lines less important than this are not logged: error, warning, notice, info or debug."},
	{"worker.count", SETTING_NUMBER, "threads", 0, 256, "auto", NAMES(automatic), AT(workers),
	 "Threads that carry I/O; auto is one per two CPUs, and at least one."},
	{"block.exporter", SETTING_TEXT, NULL, ANY, "auto", NAMES(exporters), AT(exporter),
	 "How a map becomes a block device: ublk, nbd or fuse; auto takes the first that the kernel has."},
	{"block.queue_depth", SETTING_NUMBER, "requests", 1, 4096, "128", NO_NAMES, AT(queue_depth),
	 "Requests that one device takes from the kernel at once."},
	{"multipath.selector", SETTING_TEXT, NULL, ANY, "service-time", NAMES(selectors), AT(selector),
	 "How a path is chosen among equally good ones: service-time, round-robin, queue-length or shortest-expected-delay."},
	{"multipath.no_path_retry", SETTING_DURATION, "s", 0, 86400000, "60", NAMES(retries), AT(no_path_retry_ms),
	 "How long requests wait when no path is usable before they fail; queue is for ever, fail not at all."},
	{"multipath.integrity", SETTING_CHOICE, NULL, ANY, "exclusive", NAMES(integrities), AT(integrity),
	 "Who writes to the units: exclusive is this host alone, shared is others too, legacy guards no write in doubt."},
	{"multipath.fence_wait", SETTING_DURATION, "ms", 0, 10000, "250 ms", NO_NAMES, AT(fence_wait_ms),
	 "How long a write in doubt is put off for its lost session to be fenced, before an exclusive one goes on guarded."},
	{"multipath.guard_timeout", SETTING_DURATION, "s", 0, 86400000, "60", NAMES(never), AT(guard_timeout_ms),
	 "How long a write in doubt may still be carried out by a target that nobody could fence; then it is guarded no more."},
	{"multipath.fence_lun_reset", SETTING_CHOICE, NULL, ANY, "exclusive", NAMES(resets), AT(fence_lun_reset),
	 "Reset a unit whose target leaves writes of a lost session running: never, exclusive units only, or always."},
	{"multipath.path_grouping_policy", SETTING_CHOICE, NULL, ANY, "group_by_prio", NAMES(groupings), AT(grouping),
	 "Which paths are one group: group_by_prio (the same ALUA state), multibus (all), failover (none), group_by_node_name or group_by_tpg."},
	{"multipath.failback", SETTING_DURATION, "s", 0, 86400000, "immediate", NAMES(failbacks), AT(failback_ms),
	 "When a better path group is used again whose paths are back: immediate, after so long, followover (if this host had lost them) or manual."},
	{"multipath.alua_activation", SETTING_CHOICE, NULL, ANY, "optimized", NAMES(activations), AT(activation),
	 "When a target that takes it is told to make a port group active: never, stalled (no other does I/O) or optimized (none does so well)."},
	{"multipath.alua_transition", SETTING_DURATION, "s", 1000, 3600000, "60", NO_NAMES, AT(transition_ms),
	 "How long a port group may be in transition when the target does not say; then another one is used, if there is any."},
	{"multipath.alua_poll", SETTING_DURATION, "s", 1000, 86400000, "60", NAMES(offs), AT(access_poll_ms),
	 "How often a unit's port groups are asked for, besides when the target says that they have changed."},
	{"multipath.reservation_key", SETTING_TEXT, NULL, ANY, "", NO_NAMES, AT(reservation_key),
	 "Key of this host for persistent reservations, hexadecimal; paths of a unit that has it already are registered with it. Empty is none."},
	{"failure.suspect", SETTING_DURATION, "ms", 10, 60000, "250 ms", NO_NAMES, AT(suspect_ms),
	 "Silence with requests outstanding after which a path is asked whether it lives, while others exist."},
	{"failure.suspect_timeout", SETTING_DURATION, "ms", 10, 600000, "750 ms", NO_NAMES, AT(suspect_timeout_ms),
	 "More silence after which that path is failed."},
	{"failure.lu_hang_timeout", SETTING_DURATION, "s", 100, 3600000, "5 s", NAMES(nevers), AT(lu_hang_timeout_ms),
	 "Time after which an unanswered request is aborted and sent over another path, while others exist; or never."},
	{"failure.hedge_budget", SETTING_NUMBER, "percent", 0, 100, "2", NO_NAMES, AT(hedge_budget),
	 "Reads, of a hundred, that may be sent over a second path when they take much longer than usual. Those on a suspect path always are."},
	{"reconnect.min", SETTING_DURATION, "s", 10, 600000, "1 s", NO_NAMES, AT(reconnect_min_ms),
	 "Pause after the first failed login; it doubles with each one more."},
	{"reconnect.max", SETTING_DURATION, "s", 10, 3600000, "30 s", NO_NAMES, AT(reconnect_max_ms),
	 "Longest pause between two logins."},
	{"inventory.poll", SETTING_DURATION, "s", 100, 86400000, "30 s", NAMES(offs), AT(inventory_poll_ms),
	 "How often each session is asked for its list of units, besides when the target says that it has changed."},
	{"auth.allow_short_secrets", SETTING_BOOL, NULL, ANY, "no", NO_NAMES, AT(allow_short_secrets),
	 "Log in with CHAP secrets of less than 12 bytes, which whoever listens can guess at leisure."},
	{"records.dir", SETTING_TEXT, NULL, ANY, "", NO_NAMES, AT(records_dir),
	 "Folder of the record database; empty is /etc/iscsi, or /var/lib/iscsi where only that one has nodes."},
};
/* clang-format on */

const struct settings_table *config_table(void)
{
	static const struct settings_table table = {settings, ARRAY_SIZE(settings)};

	return &table;
}

struct loading {
	struct config *config;
	const char *file;
	unsigned line;
	config_problem *problem;
	void *userdata;
};

static void pass_problem(const char *file, unsigned line, const char *text, void *userdata)
{
	const struct loading *loading = userdata;

	if (loading->problem)
		loading->problem(LOG_WARNING, file, line, text, loading->userdata);
}

/* --- iscsid.conf --- */

__attribute__((format(printf, 3, 4))) static void report(const struct loading *loading, int level,
							 const char *format, ...)
{
	char text[256], shown[256];
	va_list arguments;

	if (!loading->problem)
		return;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	text_sanitise(shown, sizeof(shown), text, sizeof(text));
	loading->problem(level, loading->file, loading->line, shown, loading->userdata);
}

static void set_switch(struct loading *loading, const char *key, const char *value)
{
	if (strcmp(key, "iscsid.safe_logout") != 0)
		report(loading, LOG_DEBUG, "%s has no meaning for this daemon", key);
	else if (text_parse_bool(value, &loading->config->safe_logout) < 0)
		report(loading, LOG_WARNING, "%s is neither Yes nor No", key);
}

/* One key may be a default of both kinds: node.session.auth.chap_algs is. */
static void set_default(struct loading *loading, const char *key, const char *value)
{
	struct record *const defaults[] = {loading->config->node_defaults,
					   loading->config->target_defaults,
					   loading->config->isns_defaults};
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
		owned_error struct error error = ERROR_INIT;

		if (!record_get(defaults[i], key))
			continue;
		known = true;
		if (record_set(defaults[i], key, value, RECORD_FROM_USER, &error) < 0) {
			/* a second line of such a text is for iscsiadm's screen */
			if (error.text)
				error.text[strcspn(error.text, "\n")] = '\0';
			report(loading, LOG_WARNING, "%s", error_text(&error));
			return;
		}
	}
	if (!known)
		report(loading, LOG_DEBUG, "there is no setting \"%s\"", key);
}

static void read_line(struct loading *loading, char *line)
{
	char *equals, *key;

	line = text_trim(line);
	if (*line == '\0' || *line == '#')
		return;
	equals = strchr(line, '=');
	if (!equals) {
		report(loading, LOG_WARNING, "no \"=\"");
		return;
	}
	*equals = '\0';
	key = text_trim(line);
	if (text_starts_with(key, "iscsid."))
		set_switch(loading, key, text_trim(equals + 1));
	else
		set_default(loading, key, text_trim(equals + 1));
}

static void read_iscsid_conf(struct loading *loading, const char *text, size_t length_bytes)
{
	const char *end = text + length_bytes;

	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t length = (size_t)((newline ? newline : end) - text);
		char line[2048];

		loading->line++;
		if (length >= sizeof(line) || memchr(text, '\0', length)) {
			report(loading, LOG_WARNING, "a line is too long or holds a NUL byte");
		} else {
			memcpy(line, text, length);
			line[length] = '\0';
			read_line(loading, line);
			explicit_bzero(line, length); /* CHAP secrets stand in it */
		}
		text = newline ? newline + 1 : end;
	}
}

static void load_iscsid_conf(struct loading *loading)
{
	char *text = NULL;
	size_t length;
	int r;

	r = settings_load_file(loading->file, ISCSID_CONF_MAX, &text, &length);
	if (r == -ENOENT)
		return;
	if (r < 0) {
		report(loading, LOG_WARNING, "cannot be read: %s", strerror(-r));
		return;
	}
	read_iscsid_conf(loading, text, length);
	explicit_bzero(text, length);
	free(text);
}

/* --- both --- */

int config_load(const char *conf_dir, const char *hawser_conf, struct config *ret,
		config_problem *problem, void *userdata)
{
	struct config config = {};
	struct loading loading = {.config = &config, .problem = problem, .userdata = userdata};
	owned_memory char *folder = NULL, *iscsid_conf = NULL;

	if (asprintf(&folder, "%s.d", hawser_conf) < 0 ||
	    asprintf(&iscsid_conf, "%s/iscsid.conf", conf_dir) < 0 ||
	    record_new(RECORD_NODE, &config.node_defaults) < 0 ||
	    record_new(RECORD_SENDTARGETS, &config.target_defaults) < 0 ||
	    record_new(RECORD_ISNS, &config.isns_defaults) < 0) {
		config_deinit(&config);
		return -ENOMEM;
	}
	settings_defaults(config_table(), &config);
	(void)settings_read_file(config_table(), &config, hawser_conf, pass_problem, &loading);
	settings_read_folder(config_table(), &config, folder, pass_problem, &loading);
	if (config.reconnect_max_ms < config.reconnect_min_ms)
		config.reconnect_max_ms = config.reconnect_min_ms;

	loading.file = iscsid_conf;
	load_iscsid_conf(&loading);
	*ret = config;
	return 0;
}

void config_deinit(struct config *config)
{
	record_free(config->node_defaults);
	record_free(config->target_defaults);
	record_free(config->isns_defaults);
	config->node_defaults = config->target_defaults = config->isns_defaults = NULL;
}
