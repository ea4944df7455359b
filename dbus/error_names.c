/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "dbus/error_names.h"

#include <stdio.h>

#include "dbus/bus.h"
#include "dbus/marshal.h"
#include "util/cleanup.h"

static const struct {
	enum error_code code;
	const char *name;
} standard_names[] = {
	{ERROR_INVALID_ARGUMENT, BUS_ERROR_INVALID_ARGS},
	{ERROR_ACCESS_DENIED, BUS_ERROR_ACCESS_DENIED},
};

const char *bus_error_name(enum error_code code, char buffer[BUS_ERROR_NAME_MAX])
{
	if (code == ERROR_NONE)
		return "";
	for (size_t i = 0; i < ARRAY_SIZE(standard_names); i++) {
		if (standard_names[i].code == code)
			return standard_names[i].name;
	}
	snprintf(buffer, BUS_ERROR_NAME_MAX, BUS_NAME ".Error.%s", error_name(code));
	return buffer;
}

const char *bus_error_text(const struct error *error)
{
	if (!error_is_set(error))
		return "";
	return error->text ? error->text : error_summary(error->code);
}

void bus_call_fail_error(struct bus_call *call, const struct error *error)
{
	char buffer[BUS_ERROR_NAME_MAX];
	enum error_code code = error_is_set(error) ? error->code : ERROR_INTERNAL;

	bus_call_fail(call, bus_error_name(code, buffer), "%s",
		      error_is_set(error) ? bus_error_text(error) : error_summary(code));
}

void bus_call_end(struct bus_call *call, const struct error *error)
{
	if (error && error_is_set(error))
		bus_call_fail_error(call, error);
	else
		bus_call_send(call);
}

void bus_write_error(struct bus_writer *writer, const struct error *error)
{
	char buffer[BUS_ERROR_NAME_MAX];

	bus_write_string(writer, bus_error_name(error->code, buffer));
	bus_write_string(writer, bus_error_text(error));
}
