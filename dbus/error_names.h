/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What went wrong, as D-Bus names it: ours are "org.hawser1.Error." and error_name(); what D-Bus
 * has a name of its own for goes by that.
 */

#include "util/error.h"

struct bus_call;
struct bus_writer;

#define BUS_ERROR_NAME_MAX 64

#define BUS_ERROR_ACCESS_DENIED	     "org.freedesktop.DBus.Error.AccessDenied"
#define BUS_ERROR_INVALID_ARGS	     "org.freedesktop.DBus.Error.InvalidArgs"
#define BUS_ERROR_LIMITS_EXCEEDED    "org.freedesktop.DBus.Error.LimitsExceeded"
#define BUS_ERROR_NEEDS_INTERACTION  "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired"
#define BUS_ERROR_NO_MEMORY	     "org.freedesktop.DBus.Error.NoMemory"
#define BUS_ERROR_PROPERTY_READ_ONLY "org.freedesktop.DBus.Error.PropertyReadOnly"
#define BUS_ERROR_UNKNOWN_INTERFACE  "org.freedesktop.DBus.Error.UnknownInterface"
#define BUS_ERROR_UNKNOWN_METHOD     "org.freedesktop.DBus.Error.UnknownMethod"
#define BUS_ERROR_UNKNOWN_OBJECT     "org.freedesktop.DBus.Error.UnknownObject"
#define BUS_ERROR_UNKNOWN_PROPERTY   "org.freedesktop.DBus.Error.UnknownProperty"

/** bus_error_name() - full D-Bus name of @code in @buffer; "" for ERROR_NONE */
const char *bus_error_name(enum error_code code, char buffer[BUS_ERROR_NAME_MAX]);
/** bus_error_text() - the sentence, or the code's summary when there is none; "" for ERROR_NONE */
const char *bus_error_text(const struct error *error);

/** bus_call_fail_error() - answer @call with @error; frees @call */
void bus_call_fail_error(struct bus_call *call, const struct error *error);
/** bus_call_end() - answer with nothing when @error is none, otherwise with it; frees @call */
void bus_call_end(struct bus_call *call, const struct error *error);
/** bus_write_error() - name and sentence, both "" when there is none: the "ss" of "oss" and "sst"
 */
void bus_write_error(struct bus_writer *writer, const struct error *error);
