/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <string.h>

#include "dbus/interfaces.h"
#include "util/text.h"

/* The selector as it comes: texts and numbers that live in the message. */
struct wire_selection {
	const char *target, *address, *iface, *startup;
	uint16_t port;
	struct bus_numbers sids;
};

static const struct bus_option selection_options[] = {
	BUS_OPTION("target", "s", struct wire_selection, target),
	BUS_OPTION("address", "s", struct wire_selection, address),
	BUS_OPTION("port", "q", struct wire_selection, port),
	BUS_OPTION("iface", "s", struct wire_selection, iface),
	BUS_OPTION("startup", "s", struct wire_selection, startup),
	BUS_OPTION("sids", "au", struct wire_selection, sids),
	{},
};

int selection_read(struct bus_reader *reader, struct selection *selection, struct error *error)
{
	struct wire_selection wire = {"", "", "", "", 0, {}};
	struct node_selector *node = &selection->node;

	if (bus_read_options(reader, selection_options, &wire, error) < 0)
		return -1;
	if (wire.sids.count > SELECTION_SIDS_MAX)
		return error_set(error, ERROR_INVALID_ARGUMENT,
				 "the selector names more than %d sessions", SELECTION_SIDS_MAX);
	*selection = (struct selection){.node.port = wire.port, .sids = wire.sids};
	if (text_copy(node->target, sizeof(node->target), wire.target) &&
	    text_copy(node->address, sizeof(node->address), wire.address) &&
	    text_copy(node->iface, sizeof(node->iface), wire.iface) &&
	    text_copy(node->startup, sizeof(node->startup), wire.startup))
		return 0;
	return error_set(error, ERROR_INVALID_ARGUMENT, "a text of the selector is too long");
}

static bool has_sid(const struct selection *selection, uint32_t sid)
{
	const struct bus_numbers *sids = &selection->sids;

	if (!sids->given)
		return true;
	for (unsigned i = 0; i < sids->count; i++) {
		if (sids->items[i] == sid)
			return true;
	}
	return false;
}

bool selection_has_session(const struct selection *selection, const struct session_view *session)
{
	return session_matches(session, &selection->node) && has_sid(selection, session->sid);
}

bool selection_has_node(const struct selection *selection, const struct node *node)
{
	const struct session_view *session;

	if (!node_matches(node, &selection->node))
		return false;
	if (!selection->sids.given)
		return true;
	list_for_each (session, &node->sessions, node_link) {
		if (has_sid(selection, session->sid))
			return true;
	}
	return false;
}

static bool selects_all(const struct selection *selection)
{
	const struct node_selector *node = &selection->node;

	return !selection->sids.given && !*node->target && !*node->address && !node->port &&
	       !*node->iface && !*node->startup;
}

bool selection_has_map(const struct selection *selection, const struct map_view *map)
{
	const struct path_view *path;

	if (selects_all(selection))
		return true; /* also one that has lost every path */
	list_for_each (path, &map->paths, link) {
		if (selection_has_session(selection, path->session))
			return true;
	}
	return false;
}

int read_text(struct bus_reader *reader, const char *what, char *destination, size_t size_bytes,
	      struct error *error)
{
	const char *text = bus_read_string(reader);

	if (!*text)
		return error_set(error, ERROR_INVALID_ARGUMENT, "the %s is empty", what);
	if (!text_copy(destination, size_bytes, text))
		return error_set(error, ERROR_INVALID_ARGUMENT, "the %s is longer than %zu bytes",
				 what, size_bytes - 1);
	return 0;
}

int read_no_options(struct bus_reader *reader, struct error *error)
{
	return bus_read_options(reader, bus_no_options, NULL, error);
}
