/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

#include <stdio.h>

struct value;

/** json_text() - @text as a JSON string, quoted and escaped (RFC 8259 §7) */
void json_text(FILE *out, const char *text);
/** json_value() - a whole tree; what is empty is null */
void json_value(FILE *out, const struct value *value);
