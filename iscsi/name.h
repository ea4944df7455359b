/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Names of iSCSI nodes (RFC 7143 §4.2.7). Two questions are kept apart: can a name be used at all
 * (it goes on the wire, into file names and into lists), and has it one of the standard's formats.
 */

#include <stdbool.h>
#include <stddef.h>

#include "iscsi/settings.h"

enum name_format {
	NAME_OTHER, /* none of the standard's */
	NAME_IQN,   /* iqn.yyyy-mm.reversed.domain[:anything] */
	NAME_EUI,   /* eui. and 16 hex digits */
	NAME_NAA,   /* naa. and 16 or 32 hex digits */
};

/**
 * name_usable() - 1 to ISCSI_NAME_MAX bytes of letters, digits, "-", ".", ":", "_" or well-formed
 * UTF-8 beyond ASCII, not starting with a dot
 *
 * RFC 3722 forbids "_" and capitals; targets in the field use both, so a name that a target gives
 * is kept as it stands.
 */
bool name_usable(const char *name, size_t length_bytes);

/** name_get_format() - of a usable name, upper or lower case (§4.2.7.3 to §4.2.7.5) */
enum name_format name_get_format(const char *name);

/**
 * name_normalise() - bring a name that was typed into the form that is compared: ASCII in lower
 * case, blanks around it dropped (§4.2.7.2)
 * @out: untouched on failure
 *
 * Characters beyond ASCII stay as they are: they are expected in their prepared form.
 * Return: 0; -ENAMETOOLONG; -EINVAL when it is not usable.
 */
int name_normalise(const char *text, char out[ISCSI_NAME_MAX + 1]);
