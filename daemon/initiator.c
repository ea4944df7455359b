/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "daemon/initiator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <unistd.h>

#include "daemon/atomic_file.h"
#include "iscsi/name.h"
#include "util/cleanup.h"
#include "util/error.h"
#include "util/settings.h"
#include "util/text.h"

#define FILE_NAME      "initiatorname.iscsi"
#define FILE_MAX_BYTES (64u << 10)
#define NAME_PREFIX    "iqn.2026-11.org.hawser:"

#define ISID_TYPE_RANDOM 0x80 /* T = 10b, RFC 7143 §11.12.5 */

bool initiator_name_valid(const char *name)
{
	static const char *const prefixes[] = {"iqn.", "eui.", "naa."};
	size_t length = strlen(name);
	char prepared[ISCSI_NAME_MAX + 1];

	/* a comma ends the name in SCSI port names and in open-iscsi's links */
	if (length > ISCSI_NAME_MAX || strpbrk(name, " ,/") || !text_is_printable(name))
		return false;
	if (name_normalise(name, prepared) == -EILSEQ)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (length > 4 && strncasecmp(name, prefixes[i], 4) == 0)
			return true;
	return false;
}

/* --- the file --- */

static void host_name(char *name, size_t size_bytes)
{
	if (gethostname(name, size_bytes) < 0)
		*name = '\0';
	name[size_bytes - 1] = '\0';
}

struct parsing {
	const char *file;
	struct initiator *initiator;
	bool generate;
};

static int parse_assignment(struct parsing *parsing, const char *key, const char *value,
			    struct error *error)
{
	struct initiator *initiator = parsing->initiator;
	char shown[ISCSI_NAME_MAX + 1];

	if (strcmp(key, "InitiatorName") == 0 && *initiator->name == '\0') {
		if (!initiator_name_valid(value)) {
			text_sanitise(shown, sizeof(shown), value, strlen(value));
			return error_set(error, ERROR_INVALID_ARGUMENT, "%s: '%s' is no iSCSI name",
					 parsing->file, shown);
		}
		text_copy(initiator->name, sizeof(initiator->name), value);
	} else if (strcmp(key, "InitiatorAlias") == 0) {
		text_sanitise(initiator->alias, sizeof(initiator->alias), value, strlen(value));
	} else if (strcmp(key, "GenerateName") == 0) {
		parsing->generate = strcasecmp(value, "yes") == 0;
	}
	return 0;
}

static int parse_line(struct parsing *parsing, char *line, struct error *error)
{
	char *equals;

	line = text_trim(line);
	equals = strchr(line, '=');
	if (*line == '#' || !equals)
		return 0;
	*equals = '\0';
	return parse_assignment(parsing, text_trim(line), text_trim(equals + 1), error);
}

int initiator_parse(const char *text, size_t length_bytes, const char *file, struct initiator *ret,
		    bool *generate, struct error *error)
{
	struct initiator initiator = {};
	struct parsing parsing = {.file = file, .initiator = &initiator};
	const char *end = text + length_bytes;

	host_name(initiator.alias, sizeof(initiator.alias));
	while (text < end) {
		const char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t length = (size_t)((newline ? newline : end) - text);
		char line[1024];

		if (length >= sizeof(line) || memchr(text, '\0', length))
			return error_set(error, ERROR_INVALID_ARGUMENT,
					 "%s: a line is too long or holds a NUL byte", file);
		memcpy(line, text, length);
		line[length] = '\0';
		if (parse_line(&parsing, line, error) < 0)
			return -1;
		text = newline ? newline + 1 : end;
	}
	if (*initiator.name == '\0' && !parsing.generate)
		return error_set(error, ERROR_INVALID_ARGUMENT,
				 "%s holds no line InitiatorName=iqn…", file);
	*generate = *initiator.name == '\0';
	*ret = initiator;
	return 0;
}

static char *file_path(const char *conf_dir, struct error *error)
{
	char *path;

	if (asprintf(&path, "%s/" FILE_NAME, conf_dir) >= 0)
		return path;
	error_set(error, ERROR_NO_MEMORY, "no memory for a file name");
	return NULL;
}

static int fill_file(FILE *file, void *userdata)
{
	const struct initiator *initiator = userdata;
	char host[sizeof(initiator->alias)] = {};

	fprintf(file,
		"# The name by which targets know this host. Two hosts must never have the same.\n"
		"InitiatorName=%s\n",
		initiator->name);
	host_name(host, sizeof(host));
	if (strcmp(initiator->alias, host) != 0)
		fprintf(file, "InitiatorAlias=%s\n", initiator->alias);
	return 0;
}

/* Make up a name for @initiator, whose alias is set, and write both. */
static int make_name(const char *conf_dir, struct initiator *initiator, struct error *error)
{
	owned_memory char *path = file_path(conf_dir, error);
	uint8_t random[6];
	char digits[2 * sizeof(random) + 1];
	int r;

	if (!path)
		return -1;
	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return error_set(error, ERROR_INTERNAL, "no random numbers: %s", strerror(errno));
	text_hex_encode(random, sizeof(random), digits);
	snprintf(initiator->name, sizeof(initiator->name), NAME_PREFIX "%s", digits);

	r = atomic_file_make_folder(conf_dir, 0755);
	if (r == 0)
		r = atomic_file_write(path, fill_file, initiator);
	if (r < 0)
		return error_set(error, ERROR_DATABASE_FAILED, "could not write %s: %s", path,
				 strerror(-r));
	return 0;
}

int initiator_generate(const char *conf_dir, struct initiator *ret, struct error *error)
{
	struct initiator initiator = {};

	host_name(initiator.alias, sizeof(initiator.alias));
	if (make_name(conf_dir, &initiator, error) < 0)
		return -1;
	*ret = initiator;
	return 0;
}

int initiator_load(const char *conf_dir, struct initiator *ret, struct error *error)
{
	owned_memory char *path = file_path(conf_dir, error), *text = NULL;
	struct initiator initiator;
	size_t length;
	bool generate;
	int r;

	if (!path)
		return -1;
	r = settings_load_file(path, FILE_MAX_BYTES, &text, &length);
	if (r == -ENOENT)
		return initiator_generate(conf_dir, ret, error);
	if (r < 0)
		return error_set(error, ERROR_DATABASE_FAILED, "could not read %s: %s", path,
				 strerror(-r));
	if (initiator_parse(text, length, path, &initiator, &generate, error) < 0)
		return -1;
	if (generate && make_name(conf_dir, &initiator, error) < 0)
		return -1;
	*ret = initiator;
	return 0;
}

/* --- ISID --- */

void initiator_isid(const char *initiator_name, const struct isid_path *path, unsigned attempt,
		    uint8_t isid[6])
{
	char port[16], lane[16], attempt_text[16];
	const char *const who[] = {"isid number", initiator_name};
	const char *const where[] = {"isid qualifier", path->address, port,
				     path->iface,      lane,	      attempt_text};
	uint64_t number, qualifier;

	snprintf(port, sizeof(port), "%u", path->port);
	snprintf(lane, sizeof(lane), "%u", path->lane);
	snprintf(attempt_text, sizeof(attempt_text), "%u", attempt);
	number = text_hash(who, ARRAY_SIZE(who));
	qualifier = text_hash(where, ARRAY_SIZE(where));

	isid[0] = ISID_TYPE_RANDOM;
	isid[1] = (uint8_t)(number >> 16);
	isid[2] = (uint8_t)(number >> 8);
	isid[3] = (uint8_t)number;
	isid[4] = (uint8_t)(qualifier >> 8);
	isid[5] = (uint8_t)qualifier;
}
