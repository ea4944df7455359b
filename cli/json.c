/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/json.h"

#include "cli/value.h"

void json_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
		if (*at == '"' || *at == '\\')
			fprintf(out, "\\%c", *at);
		else if (*at < 0x20 || *at == 0x7f)
			fprintf(out, "\\u%04x", *at);
		else
			fputc(*at, out);
	}
	fputc('"', out);
}

static void json_list(FILE *out, const struct value *list)
{
	fputc('[', out);
	for (size_t i = 0; i < value_count(list); i++) {
		if (i > 0)
			fputc(',', out);
		json_value(out, value_at(list, i));
	}
	fputc(']', out);
}

static void json_dict(FILE *out, const struct value *dict)
{
	fputc('{', out);
	for (size_t i = 0; i < value_count(dict); i++) {
		if (i > 0)
			fputc(',', out);
		json_text(out, value_key(dict, i));
		fputc(':', out);
		json_value(out, value_of(dict, i));
	}
	fputc('}', out);
}

void json_value(FILE *out, const struct value *value)
{
	switch (value->kind) {
	case VALUE_NOTHING:
	case VALUE_FD: /* means nothing outside this process */
		fputs("null", out);
		return;
	case VALUE_TEXT:
		json_text(out, value->text);
		return;
	case VALUE_NUMBER:
		if (value->is_signed)
			fprintf(out, "%lld", (long long)value_i64(value));
		else
			fprintf(out, "%llu", (unsigned long long)value_u64(value));
		return;
	case VALUE_BOOL:
		fputs(value_bool(value) ? "true" : "false", out);
		return;
	case VALUE_LIST:
		json_list(out, value);
		return;
	case VALUE_DICT:
		json_dict(out, value);
		return;
	}
}
