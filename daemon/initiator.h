/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Who we are: the initiator name out of /etc/iscsi/initiatorname.iscsi, and the ISIDs that make
 * several sessions of one name different initiator ports. Control thread only.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "iscsi/settings.h"

struct error;

struct initiator {
	char name[ISCSI_NAME_MAX + 1];
	char alias[256]; /* the host's name unless InitiatorAlias= says otherwise */
};

/**
 * initiator_load() - read <conf-dir>/initiatorname.iscsi
 * @conf_dir: "/etc/iscsi"
 *
 * Where the file is missing, or asks for it by GenerateName=yes, a name is made up and written into
 * it, so that it is the same at the next start.
 * Return: 0; -1 with @error set: ERROR_INVALID_ARGUMENT when the file holds no usable name,
 * ERROR_DATABASE_FAILED when it cannot be read or written.
 */
int initiator_load(const char *conf_dir, struct initiator *ret, struct error *error);

/**
 * initiator_parse() - the text of such a file
 * @file: its name, for error texts
 * @generate: set to true when it asks for a name to be made up; @ret->name is empty then
 *
 * The first InitiatorName= counts, as it does for open-iscsi.
 * Return: 0; -1 with @error set (ERROR_INVALID_ARGUMENT).
 */
int initiator_parse(const char *text, size_t length_bytes, const char *file, struct initiator *ret,
		    bool *generate, struct error *error);

/**
 * initiator_generate() - make up a name and write the file (atomically, mode 0600)
 *
 * "iqn.2026-11.org.hawser:" and 12 random hexadecimal digits: random and not derived from the
 * machine, because cloned machines that share a name take each other's sessions away.
 */
int initiator_generate(const char *conf_dir, struct initiator *ret, struct error *error);

/** initiator_name_valid() - an iqn., eui. or naa. name of at most 223 bytes (RFC 7143 §4.2.7), in
 * its prepared form but for capitals in ASCII, which the lists of existing targets may have */
bool initiator_name_valid(const char *name);

/* What one session goes over. */
struct isid_path {
	const char *address; /* the portal's, as in its record */
	uint16_t port;
	const char *iface;
	unsigned lane; /* which of node.session.nr_sessions, from 0 */
};

/**
 * initiator_isid() - the ISID of one session
 * @initiator_name: as it will stand in the login (an interface may have its own)
 * @attempt: 0; 1, 2 … when another session to the same target has that ISID already
 *
 * Type 10b, "random" (RFC 7143 §11.12.5): the 24-bit number is a hash of the initiator name, the
 * 16-bit qualifier one of the path. So an ISID depends neither on the order in which sessions start
 * nor on anything that a restart changes: the daemon's login takes over what its predecessor left
 * at the target, and persistent reservations see the port that made them. The target is not part
 * of it (conservative reuse, RFC 7143 §10.1.1), and two portals of one portal group still get
 * different ones, as the ISID rule wants.
 */
void initiator_isid(const char *initiator_name, const struct isid_path *path, unsigned attempt,
		    uint8_t isid[6]);
