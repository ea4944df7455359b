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
 * name_normalise() - bring a name that was typed into its prepared form (§4.2.7.2, RFC 3722): ASCII
 * in lower case, blanks around it dropped
 * @out: untouched on failure
 *
 * Beyond ASCII nothing is converted: characters that preparation leaves alone, whatever stands
 * beside them, pass, and all others are refused. These are the letters of scripts without case and
 * the small letters of some with it; what is left out could only be told by tables of a size that
 * no name in use is worth.
 * Return: 0; -ENAMETOOLONG; -EINVAL when it is not usable; -EILSEQ when it has a character whose
 * prepared form is not known.
 */
int name_normalise(const char *text, char out[ISCSI_NAME_MAX + 1]);

/**
 * name_equal() - do both name the same node: equal but for capitals in ASCII, which preparation
 * would have made small letters? For what people type; on the wire names are compared bytewise.
 */
bool name_equal(const char *a, const char *b);
