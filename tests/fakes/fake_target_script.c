/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* The script language of docs/FAKE_TARGET.md: lines into settings, rules and actions. */

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fakes/fake_target_private.h"
#include "util/cleanup.h"
#include "util/text.h"

#define WORDS_MAX 64

static const struct text_name events[] = {
	{PDU_NOP_OUT, "nop-out"},
	{PDU_SCSI_COMMAND, "command"},
	{PDU_TASK_MANAGEMENT_REQUEST, "task-management"},
	{PDU_LOGIN_REQUEST, "login"},
	{PDU_TEXT_REQUEST, "text"},
	{PDU_DATA_OUT, "data-out"},
	{PDU_LOGOUT_REQUEST, "logout"},
	{PDU_SNACK, "snack"},
	{PDU_NOP_IN, "nop-in"},
	{PDU_SCSI_RESPONSE, "response"},
	{PDU_TASK_MANAGEMENT_RESPONSE, "task-management-response"},
	{PDU_LOGIN_RESPONSE, "login-response"},
	{PDU_TEXT_RESPONSE, "text-response"},
	{PDU_DATA_IN, "data-in"},
	{PDU_LOGOUT_RESPONSE, "logout-response"},
	{PDU_R2T, "r2t"},
	{PDU_ASYNC_MESSAGE, "async"},
	{PDU_REJECT, "reject"},
	{FAKE_CONNECTED, "connected"},
	{FAKE_CLOSED, "closed"},
	{FAKE_RESET, "reset"},
	{FAKE_ANY, "any"},
};

/* The first row that fits name and PDU counts. */
/* clang-format off */
static const struct fake_field fields[] = {
	{"opcode", FAKE_ANY, 0, 1, 0, 0x3f},
	{"immediate", FAKE_ANY, 0, 1, 6, 0x40},
	{"flags", FAKE_ANY, 1, 1},
	{"final", FAKE_ANY, 1, 1, 7, 0x80},
	{"ahs", FAKE_ANY, 4, 1},
	{"length", FAKE_ANY, 5, 3},
	{"lun", FAKE_ANY, 8, 8},
	{"itt", FAKE_ANY, 16, 4},
	{"cmd_sn", FAKE_ANY, 24, 4},
	{"exp_stat_sn", FAKE_ANY, 28, 4},
	{"stat_sn", FAKE_ANY, 24, 4},
	{"exp_cmd_sn", FAKE_ANY, 28, 4},
	{"max_cmd_sn", FAKE_ANY, 32, 4},
	{"read", PDU_SCSI_COMMAND, 1, 1, 6, 0x40},
	{"write", PDU_SCSI_COMMAND, 1, 1, 5, 0x20},
	{"attribute", PDU_SCSI_COMMAND, 1, 1, 0, 0x07},
	{"expected", PDU_SCSI_COMMAND, 20, 4},
	{"cdb", PDU_SCSI_COMMAND, 32, 1},
	{"function", PDU_TASK_MANAGEMENT_REQUEST, 1, 1, 0, 0x7f},
	{"referenced", PDU_TASK_MANAGEMENT_REQUEST, 20, 4},
	{"ref_cmd_sn", PDU_TASK_MANAGEMENT_REQUEST, 32, 4},
	{"transit", FAKE_ANY, 1, 1, 7, 0x80},
	{"continue", FAKE_ANY, 1, 1, 6, 0x40},
	{"csg", FAKE_ANY, 1, 1, 2, 0x0c},
	{"nsg", FAKE_ANY, 1, 1, 0, 0x03},
	{"isid", FAKE_ANY, 8, 6},
	{"tsih", FAKE_ANY, 14, 2},
	{"cid", FAKE_ANY, 20, 2},
	{"version_max", FAKE_ANY, 2, 1},
	{"version_min", PDU_LOGIN_REQUEST, 3, 1},
	{"version_active", PDU_LOGIN_RESPONSE, 3, 1},
	{"class", PDU_LOGIN_RESPONSE, 36, 1},
	{"detail", PDU_LOGIN_RESPONSE, 37, 1},
	{"reason", PDU_LOGOUT_REQUEST, 1, 1, 0, 0x7f},
	{"reason", PDU_REJECT, 2, 1},
	{"ttt", FAKE_ANY, 20, 4},
	{"response", FAKE_ANY, 2, 1},
	{"status", FAKE_ANY, 3, 1},
	{"with_status", PDU_DATA_IN, 1, 1, 0, 0x01},
	{"acknowledge", PDU_DATA_IN, 1, 1, 6, 0x40},
	{"overflow", FAKE_ANY, 1, 1, 2, 0x04},
	{"underflow", FAKE_ANY, 1, 1, 1, 0x02},
	{"data_sn", FAKE_ANY, 36, 4},
	{"r2t_sn", PDU_R2T, 36, 4},
	{"exp_data_sn", PDU_SCSI_RESPONSE, 36, 4},
	{"offset", FAKE_ANY, 40, 4},
	{"desired", PDU_R2T, 44, 4},
	{"residual", FAKE_ANY, 44, 4},
	{"event", PDU_ASYNC_MESSAGE, 36, 1},
	{"vcode", PDU_ASYNC_MESSAGE, 37, 1},
	{"parameter1", PDU_ASYNC_MESSAGE, 38, 2},
	{"parameter2", PDU_ASYNC_MESSAGE, 40, 2},
	{"parameter3", PDU_ASYNC_MESSAGE, 42, 2},
	{"time2wait", PDU_LOGOUT_RESPONSE, 40, 2},
	{"time2retain", PDU_LOGOUT_RESPONSE, 42, 2},
	{"beg_run", PDU_SNACK, 40, 4},
	{"run_length", PDU_SNACK, 44, 4},
};

static const struct text_name verbs[] = {
	{FAKE_SET, "set"},         {FAKE_EXPECT, "expect"},   {FAKE_SEND, "send"},
	{FAKE_ANSWER, "answer"},   {FAKE_KEY, "key"},         {FAKE_NO_KEY, "no-key"},
	{FAKE_REJECT, "reject"},   {FAKE_IGNORE, "ignore"},   {FAKE_LOSE, "lose"},
	{FAKE_DISCARD, "discard"}, {FAKE_TWICE, "twice"},     {FAKE_HOLD, "hold"},
	{FAKE_CORRUPT, "corrupt"}, {FAKE_TRUNCATE, "truncate"}, {FAKE_DELAY, "delay"},
	{FAKE_AGAIN, "again"},
	{FAKE_FREEZE, "freeze"},   {FAKE_CLOSE, "close"},     {FAKE_DROP, "drop"},
	{FAKE_WITHHOLD, "withhold"}, {FAKE_STRAND, "strand"}, {FAKE_RELEASE, "release"},
};
/* clang-format on */

/* As REPORT TARGET PORT GROUPS has them. */
static const struct text_name access_states[] = {
	{0x0, "optimized"},	{0x1, "non-optimized"}, {0x2, "standby"},
	{0x3, "unavailable"},	{0x4, "lba-dependent"}, {0xe, "offline"},
	{0xf, "transitioning"},
};

/* One line, cut into words; a word in quotes keeps its blanks. */
struct words {
	char *memory;
	char *words[WORDS_MAX];
	unsigned count, next;
	char *problem;
};

static int wrong(struct words *words, const char *what, const char *word)
{
	snprintf(words->problem, FAKE_TARGET_PROBLEM_MAX, "%s: %s", what, word ? word : "");
	return -EINVAL;
}

static char *next_word(struct words *words)
{
	return words->next < words->count ? words->words[words->next++] : NULL;
}

/* "\0" in a quoted word stands for NUL, which ends a key=value pair; marked by 0x01 until used. */
static void cut(struct words *words, const char *line)
{
	char *from = words->memory = strdup(line), *to;

	assert(from);
	while (words->count < WORDS_MAX) {
		bool quoted = false;

		from += strspn(from, " \t");
		if (!*from || (*from == '#' && (from[1] < '1' || from[1] > '9')))
			return;
		words->words[words->count++] = to = from;
		for (; *from && (quoted || !strchr(" \t", *from)); from++) {
			if (*from == '"') {
				quoted = !quoted;
			} else if (from[0] == '\\' && from[1] == '0') {
				*to++ = 1;
				from++;
			} else {
				*to++ = *from;
			}
		}
		if (*from)
			from++;
		*to = '\0';
	}
}

static int parse_number(const char *text, uint64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoull(text, &end, 0);
	return errno || end == text || *end ? -EINVAL : 0;
}

static bool find_field(const char *name, size_t length, uint8_t event, struct fake_field *ret)
{
	unsigned offset;

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (strlen(fields[i].name) != length || memcmp(fields[i].name, name, length) != 0)
			continue;
		if (fields[i].opcode != FAKE_ANY && fields[i].opcode != event)
			continue;
		*ret = fields[i];
		return true;
	}
	if (sscanf(name, "byte%u=", &offset) != 1 || offset >= BHS_LENGTH)
		return false;
	*ret = (struct fake_field){"byte", FAKE_ANY, (uint8_t)offset, 1};
	return true;
}

/* field=value, field!=value, field+=value, field-=value, field=random */
static int parse_term(const char *word, uint8_t event, struct fake_term *ret)
{
	const char *equals = strchr(word, '=');
	size_t length;

	if (!equals || equals == word)
		return -EINVAL;
	length = (size_t)(equals - word);
	ret->operator= FAKE_EQUAL;
	if (strchr("!+-", word[length - 1])) {
		length--;
		ret->operator= word[length] == '!' ? FAKE_NOT_EQUAL
		: word[length] == '+'		   ? FAKE_PLUS
						   : FAKE_MINUS;
	}
	if (!find_field(word, length, event, &ret->field))
		return -EINVAL;
	if (strcmp(equals + 1, "random") == 0) {
		ret->operator= FAKE_RANDOM;
		return 0;
	}
	return parse_number(equals + 1, &ret->value);
}

static int parse_event(struct words *words, uint8_t *ret)
{
	const char *word = next_word(words);
	int event;

	if (!word || text_value_of(events, ARRAY_SIZE(events), word, &event) < 0)
		return wrong(words, "no such PDU", word);
	*ret = (uint8_t)event;
	return 0;
}

static int add_term(struct words *words, struct fake_pattern *pattern, const char *word)
{
	if (pattern->term_count == FAKE_TERMS_MAX ||
	    parse_term(word, pattern->event, &pattern->terms[pattern->term_count]) < 0)
		return wrong(words, "no field of this PDU and its value", word);
	pattern->term_count++;
	return 0;
}

static uint64_t get_field(const struct fake_field *field, const struct bhs *bhs)
{
	const uint8_t *at = (const uint8_t *)bhs + field->offset;
	uint64_t value = 0;

	for (unsigned i = 0; i < field->width; i++)
		value = value << 8 | at[i];
	return (field->mask ? value & field->mask : value) >> field->shift;
}

static void set_field(const struct fake_field *field, struct bhs *bhs, uint64_t value)
{
	uint8_t *at = (uint8_t *)bhs + field->offset;

	if (field->mask)
		value = (*at & ~field->mask) | ((value << field->shift) & field->mask);
	for (unsigned i = field->width; i-- > 0; value >>= 8)
		at[i] = (uint8_t)value;
}

bool fake_pattern_fits(const struct fake_pattern *pattern, uint8_t event, const struct bhs *bhs)
{
	if (pattern->event != FAKE_ANY && pattern->event != event)
		return false;
	for (unsigned i = 0; i < pattern->term_count; i++) {
		const struct fake_term *term = &pattern->terms[i];
		bool equal = get_field(&term->field, bhs) == term->value;

		if (equal != (term->operator== FAKE_EQUAL))
			return false;
	}
	return true;
}

void fake_terms_apply(const struct fake_pattern *pattern, struct bhs *bhs)
{
	for (unsigned i = 0; i < pattern->term_count; i++) {
		const struct fake_term *term = &pattern->terms[i];
		uint64_t value = term->value;

		if (term->operator== FAKE_PLUS)
			value = get_field(&term->field, bhs) + value;
		else if (term->operator== FAKE_MINUS)
			value = get_field(&term->field, bhs) - value;
		else if (term->operator== FAKE_RANDOM)
			value = (uint64_t)random() << 33 ^ (uint64_t)random();
		set_field(&term->field, bhs, value);
	}
}

uint64_t fake_target_field(const struct fake_pdu *pdu, const char *name)
{
	struct fake_field field;

	if (!find_field(name, strlen(name), pdu->event, &field))
		return UINT64_MAX;
	return get_field(&field, &pdu->bhs);
}

const char *fake_target_event_name(uint8_t event)
{
	return text_name_of(events, ARRAY_SIZE(events), event, "unknown PDU");
}

static int parse_pattern(struct words *words, struct fake_pattern *ret)
{
	const char *word;

	*ret = (struct fake_pattern){};
	if (parse_event(words, &ret->event) < 0)
		return -EINVAL;
	while (words->next < words->count && strchr(words->words[words->next], '=')) {
		word = next_word(words);
		if (add_term(words, ret, word) < 0)
			return -EINVAL;
	}
	return 0;
}

int fake_pattern_parse(const char *text, struct fake_pattern *ret, char *problem)
{
	struct words words = {.problem = problem};
	int r;

	cut(&words, text);
	r = parse_pattern(&words, ret);
	if (r == 0 && words.next < words.count)
		r = wrong(&words, "not part of a pattern", words.words[words.next]);
	free(words.memory);
	return r;
}

/* --- actions --- */

void fake_actions_free(struct fake_action *action)
{
	while (action) {
		struct fake_action *next = action->next;

		free(action->key);
		free(action->text);
		free(action);
		action = next;
	}
}

static void keep_text(struct fake_action *action, const char *text, bool pairs)
{
	action->text_length = strlen(text) + (pairs ? 1 : 0);
	action->text = malloc(strlen(text) + 1);
	assert(action->text);
	strcpy(action->text, text);
	for (char *at = action->text; *at; at++)
		if (*at == 1)
			*at = '\0';
}

static bool keep_hex(struct fake_action *action, const char *digits)
{
	size_t length = strlen(digits) / 2;

	action->text = calloc(1, length + 1);
	assert(action->text);
	action->text_length = length;
	for (size_t i = 0; i < length; i++) {
		const char pair[3] = {digits[2 * i], digits[2 * i + 1]};
		uint64_t byte;

		if (text_parse_hex(pair, &byte) < 0)
			return false;
		action->text[i] = (char)byte;
	}
	return strlen(digits) % 2 == 0;
}

/* data=BYTES, hex=DIGITS, text="KEY=VALUE\0KEY=VALUE" */
static bool parse_data(struct fake_action *action, const char *word)
{
	uint64_t length;

	if (text_starts_with(word, "text=")) {
		keep_text(action, word + 5, true);
		return true;
	}
	if (text_starts_with(word, "hex="))
		return keep_hex(action, word + 4);
	if (!text_starts_with(word, "data=") || parse_number(word + 5, &length) < 0 ||
	    length > FAKE_TRANSFER_MAX)
		return false;
	action->text = calloc(1, length + 1);
	assert(action->text);
	action->text_length = length;
	return true;
}

static int parse_assignments(struct words *words, struct fake_action *action)
{
	const char *word;

	while (words->next < words->count && strcmp(words->words[words->next], ";") != 0) {
		word = next_word(words);
		if (action->verb == FAKE_SEND && parse_data(action, word))
			continue;
		if (add_term(words, &action->pdu, word) < 0)
			return -EINVAL;
	}
	return 0;
}

static int parse_numbers(struct words *words, struct fake_action *action, unsigned least,
			 unsigned most)
{
	unsigned count = 0;

	while (count < most && words->next < words->count &&
	       parse_number(words->words[words->next], &action->numbers[count]) == 0) {
		words->next++;
		count++;
	}
	return count < least ? wrong(words, "a number is missing", NULL) : 0;
}

static int parse_key(struct words *words, struct fake_action *action)
{
	char *word = next_word(words), *equals;

	if (!word)
		return wrong(words, "a key is missing", NULL);
	equals = strchr(word, '=');
	if (action->verb == FAKE_KEY) {
		if (!equals)
			return wrong(words, "KEY=VALUE is missing", word);
		keep_text(action, equals + 1, false);
		*equals = '\0';
	}
	action->key = strdup(word);
	return 0;
}

static int parse_corrupt(struct words *words, struct fake_action *action)
{
	static const struct text_name parts[] = {
		{0, "header-digest"}, {1, "data-digest"}, {2, "data"}};
	const char *word = next_word(words);
	int part;

	if (!word || text_value_of(parts, ARRAY_SIZE(parts), word, &part) < 0)
		return wrong(words, "corrupt what", word);
	action->numbers[0] = (uint64_t)part;
	return 0;
}

static int parse_arguments(struct words *words, uint8_t event, struct fake_action *action)
{
	action->pdu.event = event;
	switch (action->verb) {
	case FAKE_SEND:
		if (parse_event(words, &action->pdu.event) < 0)
			return -EINVAL;
		return parse_assignments(words, action);
	case FAKE_SET:
	case FAKE_EXPECT:
		return parse_assignments(words, action);
	case FAKE_ANSWER:
		return parse_numbers(words, action, 1, 4);
	case FAKE_REJECT:
	case FAKE_TRUNCATE:
	case FAKE_DELAY:
		return parse_numbers(words, action, 1, 1);
	case FAKE_KEY:
	case FAKE_NO_KEY:
		return parse_key(words, action);
	case FAKE_CORRUPT:
		return parse_corrupt(words, action);
	default:
		return 0;
	}
}

static int parse_actions(struct words *words, uint8_t event, struct fake_action **ret)
{
	struct fake_action **end = ret;
	const char *word;
	int verb;

	do {
		struct fake_action *action = calloc(1, sizeof(*action));

		assert(action);
		*end = action;
		end = &action->next;
		word = next_word(words);
		if (!word || text_value_of(verbs, ARRAY_SIZE(verbs), word, &verb) < 0)
			return wrong(words, "no such action", word);
		action->verb = (enum fake_verb)verb;
		if (parse_arguments(words, event, action) < 0)
			return -EINVAL;
		word = next_word(words);
	} while (word && strcmp(word, ";") == 0);
	return word ? wrong(words, "unexpected", word) : 0;
}

/* #N only the Nth that fits, #N+ from the Nth on, #N-M */
static int parse_range(const char *word, struct fake_rule *rule)
{
	char plus = 0;
	int n = sscanf(word, "#%u-%u", &rule->first, &rule->last);

	if (n == 2)
		return 0;
	n = sscanf(word, "#%u%c", &rule->first, &plus);
	rule->last = n == 2 && plus == '+' ? 0 : rule->first;
	return n < 1 || rule->first == 0 ? -EINVAL : 0;
}

/* @N on connections to the Nth portal */
static int parse_portal(const char *word, struct fake_rule *rule)
{
	return sscanf(word, "@%u", &rule->portal) == 1 && rule->portal > 0 ? 0 : -EINVAL;
}

/* on PDU [field=value …] [@N] [#N] : ACTION ; ACTION */
static int parse_rule(struct fake_target *target, struct words *words)
{
	struct fake_rule *rule = calloc(1, sizeof(*rule)), **end = &target->rules;
	const char *word;
	int r;

	assert(rule);
	rule->first = 1;
	r = parse_pattern(words, &rule->pattern);
	word = next_word(words);
	if (r == 0 && word && *word == '@') {
		if (parse_portal(word, rule) < 0)
			r = wrong(words, "no number of a portal", word);
		word = next_word(words);
	}
	if (r == 0 && word && *word == '#') {
		if (parse_range(word, rule) < 0)
			r = wrong(words, "no range of PDUs", word);
		word = next_word(words);
	}
	if (r == 0 && (!word || strcmp(word, ":") != 0))
		r = wrong(words, "a colon is missing before", word);
	if (r == 0)
		r = parse_actions(words, rule->pattern.event, &rule->actions);
	if (r < 0) {
		fake_actions_free(rule->actions);
		free(rule);
		return r;
	}
	while (*end)
		end = &(*end)->next;
	*end = rule;
	return 0;
}

/* --- settings --- */

static int set_text(struct words *words, char *text, size_t size)
{
	const char *word = next_word(words);

	if (!word || !text_copy(text, size, word))
		return wrong(words, "a word is missing or too long", word);
	return 0;
}

static int set_number(struct words *words, uint32_t *ret)
{
	const char *word = next_word(words);
	uint64_t value;

	if (!word || parse_number(word, &value) < 0 || value > UINT32_MAX)
		return wrong(words, "no number", word);
	*ret = (uint32_t)value;
	return 0;
}

/* portal ADDRESS [PORT [TAG]] */
static int set_portal(struct fake_target *target, struct words *words)
{
	struct fake_settings *settings = &target->settings;
	struct fake_portal *portal = &settings->portals[settings->portal_count];
	uint32_t port = 0, tag = 1;

	if (target->running || settings->portal_count == FAKE_PORTALS_MAX)
		return wrong(words, "too late, or too many portals", NULL);
	if (set_text(words, portal->address, sizeof(portal->address)) < 0)
		return -EINVAL;
	if (words->next < words->count && set_number(words, &port) < 0)
		return -EINVAL;
	if (words->next < words->count && set_number(words, &tag) < 0)
		return -EINVAL;
	portal->port = (uint16_t)port;
	portal->tag = (uint16_t)tag;
	settings->portal_count++;
	return 0;
}

/* want KEY=VALUE */
static int set_key(struct fake_target *target, struct words *words)
{
	struct fake_settings *settings = &target->settings;
	struct fake_key_value pair = {};
	const char *word = next_word(words), *equals = word ? strchr(word, '=') : NULL;
	size_t i = 0;

	if (!equals || (size_t)(equals - word) >= sizeof(pair.key) ||
	    !text_copy(pair.value, sizeof(pair.value), equals + 1))
		return wrong(words, "no KEY=VALUE", word);
	memcpy(pair.key, word, (size_t)(equals - word));
	while (i < settings->key_count && strcmp(settings->keys[i].key, pair.key) != 0)
		i++;
	if (i == FAKE_KEYS_MAX)
		return wrong(words, "too many keys", word);
	if (i == settings->key_count)
		settings->key_count++;
	settings->keys[i] = pair;
	return 0;
}

static int set_unit(struct fake_target *target, struct words *words)
{
	uint32_t blocks, block_size;

	if (target->running)
		return wrong(words, "too late for a unit", NULL);
	if (set_number(words, &blocks) < 0 || set_number(words, &block_size) < 0)
		return -EINVAL;
	if (blocks == 0 || block_size < 512 || block_size > 4096)
		return wrong(words, "no such disk", NULL);
	target->settings.blocks = blocks;
	target->settings.block_size = block_size;
	return 0;
}

/* port-group ID STATE [preferred]: every initiator is told, when there is one */
static int set_port_group(struct fake_target *target, struct words *words)
{
	struct fake_settings *settings = &target->settings;
	bool preferred = false, silent = false;
	const char *state, *word;
	uint32_t id;
	int code;

	if (set_number(words, &id) < 0)
		return -EINVAL;
	state = next_word(words);
	if (!state || text_value_of(access_states, ARRAY_SIZE(access_states), state, &code) < 0)
		return wrong(words, "no such access state", state);
	while ((word = next_word(words))) {
		if (strcmp(word, "preferred") != 0 && strcmp(word, "silent") != 0)
			return wrong(words, "unexpected", word);
		*(*word == 'p' ? &preferred : &silent) = true;
	}
	if (target->running) {
		if (!fake_unit_set_port_group(target->unit, (uint16_t)id, (uint8_t)code, preferred))
			return wrong(words, "too many port groups", NULL);
		if (!silent)
			fake_unit_tell_access(target->unit);
		return 0;
	}
	if (settings->port_group_count == FAKE_PORT_GROUPS_MAX)
		return wrong(words, "too many port groups", NULL);
	settings->port_groups[settings->port_group_count++] = (struct fake_port_group){
		.id = (uint16_t)id, .state = (uint8_t)code, .preferred = preferred, .status = 2};
	return 0;
}

static const struct {
	const char *name;
	size_t offset;
} numbers[] = {
	{"window", offsetof(struct fake_settings, window)},
	{"stat-sn", offsetof(struct fake_settings, stat_sn)},
	{"data-in-bytes", offsetof(struct fake_settings, data_in_bytes)},
	{"r2t-bytes", offsetof(struct fake_settings, r2t_bytes)},
	{"login-bytes", offsetof(struct fake_settings, login_bytes)},
	{"first-tag", offsetof(struct fake_settings, first_tag)},
	{"leaves-tasks", offsetof(struct fake_settings, leaves_tasks)},
	{"chap-algorithm", offsetof(struct fake_settings, chap_algorithm)},
	{"physical-exponent", offsetof(struct fake_settings, physical_exponent)},
	{"tpgs", offsetof(struct fake_settings, tpgs)},
	{"transition-time", offsetof(struct fake_settings, transition_s)},
	{"read-only", offsetof(struct fake_settings, read_only)},
	{"attentions", offsetof(struct fake_settings, attentions)},
};

/* What portals show: of one, or of all that there are. */
static const struct {
	const char *name;
	size_t offset;
} shown[] = {
	{"size", offsetof(struct fake_portal, blocks)},
	{"block-size", offsetof(struct fake_portal, block_size)},
	{"swap", offsetof(struct fake_portal, swapped)},
};

static int set_shown(struct fake_target *target, struct words *words, size_t offset)
{
	struct fake_settings *settings = &target->settings;
	uint32_t value, portal = 0;

	if (set_number(words, &value) < 0)
		return -EINVAL;
	if (words->next < words->count && set_number(words, &portal) < 0)
		return -EINVAL;
	if (portal > settings->portal_count || value > settings->blocks)
		return wrong(words, "no such portal, or too large", NULL);
	for (uint32_t i = 0; i < settings->portal_count; i++)
		if (portal == 0 || portal == i + 1)
			*(uint32_t *)((char *)&settings->portals[i] + offset) = value;
	return 0;
}

static int run_setting(struct fake_target *target, struct words *words, const char *word)
{
	struct fake_settings *settings = &target->settings;
	uint32_t value;

	for (size_t i = 0; i < ARRAY_SIZE(shown); i++)
		if (strcmp(shown[i].name, word) == 0)
			return set_shown(target, words, shown[i].offset);

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (strcmp(numbers[i].name, word) == 0)
			return set_number(words,
					  (uint32_t *)((char *)settings + numbers[i].offset));
	if (strcmp(word, "name") == 0)
		return set_text(words, settings->name, sizeof(settings->name));
	if (strcmp(word, "alias") == 0)
		return set_text(words, settings->alias, sizeof(settings->alias));
	if (strcmp(word, "portal") == 0)
		return set_portal(target, words);
	if (strcmp(word, "want") == 0)
		return set_key(target, words);
	if (strcmp(word, "port-group") == 0)
		return set_port_group(target, words);
	if (strcmp(word, "unit") == 0)
		return set_unit(target, words);
	if (strcmp(word, "status-in-data") == 0) {
		if (set_number(words, &value) < 0)
			return -EINVAL;
		settings->status_in_data = value;
		return 0;
	}
	if (strcmp(word, "chap") == 0)
		return set_text(words, settings->chap_user, sizeof(settings->chap_user)) ||
				       set_text(words, settings->chap_secret,
						sizeof(settings->chap_secret))
			       ? -EINVAL
			       : 0;
	if (strcmp(word, "mutual") == 0)
		return set_text(words, settings->mutual_user, sizeof(settings->mutual_user)) ||
				       set_text(words, settings->mutual_secret,
						sizeof(settings->mutual_secret))
			       ? -EINVAL
			       : 0;
	return wrong(words, "no such word", word);
}

/* No rule applies any more. What a rule began goes on, so its actions stay. */
static void forget_rules(struct fake_target *target)
{
	for (struct fake_rule *rule = target->rules; rule; rule = rule->next)
		rule->forgotten = true;
}

/* At once, on every connection. */
static int run_action(struct fake_target *target, struct words *words)
{
	struct fake_action *actions = NULL;
	int r = parse_actions(words, FAKE_ANY, &actions);

	for (struct fake_connection *c = target->connections; r == 0 && c; c = c->next)
		for (struct fake_action *action = actions; action && c->fd >= 0;
		     action = action->next)
			fake_act(c, action, NULL);
	fake_actions_free(actions);
	return r;
}

static int run_line(struct fake_target *target, const char *line, char *problem)
{
	struct words words = {.problem = problem};
	const char *word;
	int r = 0, verb;

	cut(&words, line);
	word = next_word(&words);
	if (word && strcmp(word, "on") == 0) {
		r = parse_rule(target, &words);
	} else if (word && strcmp(word, "forget") == 0) {
		forget_rules(target);
	} else if (word && text_value_of(verbs, ARRAY_SIZE(verbs), word, &verb) == 0) {
		words.next--;
		r = run_action(target, &words);
	} else if (word) {
		r = run_setting(target, &words, word);
		if (r == 0 && words.next < words.count)
			r = wrong(&words, "unexpected", words.words[words.next]);
	}
	free(words.memory);
	return r;
}

int fake_script_run(struct fake_target *target, const char *lines, char *problem)
{
	char what[FAKE_TARGET_PROBLEM_MAX];
	owned_memory char *copy = strdup(lines);
	unsigned number = 0;
	char *line, *rest = copy;

	assert(copy);
	while ((line = strsep(&rest, "\n"))) {
		number++;
		if (run_line(target, line, what) == 0)
			continue;
		snprintf(problem, FAKE_TARGET_PROBLEM_MAX, "line %u: %.150s", number, what);
		return -EINVAL;
	}
	return 0;
}
