/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <inttypes.h>
#include <stdio.h>

#include "dbus/interfaces.h"

const char *node_path(const struct node *node, char buffer[SHOWN_PATH_MAX])
{
	if (!node)
		return "/";
	snprintf(buffer, SHOWN_PATH_MAX, ROOT_PATH "/node/n%016" PRIx64, node->id);
	return buffer;
}

const char *session_path(const struct session_view *session, char buffer[SHOWN_PATH_MAX])
{
	if (!session)
		return "/";
	snprintf(buffer, SHOWN_PATH_MAX, ROOT_PATH "/session/%" PRIu32, session->sid);
	return buffer;
}

const char *map_path(const struct map_view *map, char buffer[SHOWN_PATH_MAX])
{
	if (!map)
		return "/";
	snprintf(buffer, SHOWN_PATH_MAX, ROOT_PATH "/map/m%016" PRIx64, map->id);
	return buffer;
}

const char *path_path(const struct path_view *path, char buffer[SHOWN_PATH_MAX])
{
	if (!path)
		return "/";
	snprintf(buffer, SHOWN_PATH_MAX, ROOT_PATH "/map/m%016" PRIx64 "/path/p%016" PRIx64,
		 path->map->id, path->id);
	return buffer;
}

const char *shown_path(enum object_kind kind, const void *object, char buffer[SHOWN_PATH_MAX])
{
	switch (kind) {
	case OBJECT_NODE:
		return node_path(object, buffer);
	case OBJECT_SESSION:
		return session_path(object, buffer);
	case OBJECT_MAP:
		return map_path(object, buffer);
	case OBJECT_PATH:
		return path_path(object, buffer);
	case OBJECT_MANAGER:
		break;
	}
	return ROOT_PATH;
}
