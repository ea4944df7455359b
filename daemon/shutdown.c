/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/shutdown.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/log.h"

#define ANSWER_US UINT64_C(2000000)

static int ask_state(sd_bus *bus, const char *path, char **state)
{
	char address[256];
	int r;

	snprintf(address, sizeof(address), "unix:path=%s", path);
	r = sd_bus_set_address(bus, address);
	if (r >= 0)
		r = sd_bus_set_method_call_timeout(bus, ANSWER_US);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r >= 0)
		r = sd_bus_get_property_string(
			bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
			"org.freedesktop.systemd1.Manager", "SystemState", NULL, state);
	return r;
}

bool shutdown_is_under_way(const char *path)
{
	owned_memory char *state = NULL;
	sd_bus *bus = NULL;
	int r;

	if (access(path, F_OK) < 0)
		return false;
	r = sd_bus_new(&bus);
	if (r >= 0)
		r = ask_state(bus, path, &state);
	if (r < 0)
		log_debug("the service manager does not tell its state: %s", strerror(-r));
	sd_bus_close_unref(bus);
	return r >= 0 && strcmp(state, "stopping") == 0;
}
