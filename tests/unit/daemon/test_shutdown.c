/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "daemon/shutdown.h"

/* A service manager that has one property, and serves one caller. */
struct service_manager {
	char folder[32];
	struct sockaddr_un address;
	int fd;
	const char *state;
	pthread_t thread;
};

static int tell_state(sd_bus *bus, const char *path, const char *interface, const char *property,
		      sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	const struct service_manager *manager = userdata;

	return sd_bus_message_append(reply, "s", manager->state);
}

static const sd_bus_vtable members[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_PROPERTY("SystemState", "s", tell_state, 0, 0),
	SD_BUS_VTABLE_END,
};

static void *serve(void *argument)
{
	struct service_manager *manager = argument;
	int fd = accept(manager->fd, NULL, NULL), r;
	sd_id128_t id = {};
	sd_bus *bus;

	if (fd < 0 || sd_bus_new(&bus) < 0)
		return NULL;
	r = sd_bus_set_fd(bus, fd, fd);
	if (r >= 0)
		r = sd_bus_set_server(bus, true, id);
	if (r >= 0)
		r = sd_bus_set_anonymous(bus, true);
	if (r >= 0)
		r = sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/systemd1",
					     "org.freedesktop.systemd1.Manager", members, manager);
	if (r >= 0)
		r = sd_bus_start(bus);
	while (r >= 0) {
		r = sd_bus_process(bus, NULL);
		if (r == 0)
			r = sd_bus_wait(bus, UINT64_MAX);
	}
	sd_bus_unref(bus);
	return NULL;
}

static void manager_begin(struct service_manager *manager, const char *state)
{
	*manager = (struct service_manager){
		.folder = "/tmp/hawser-XXXXXX",
		.address.sun_family = AF_UNIX,
		.state = state,
	};
	assert_non_null(mkdtemp(manager->folder));
	snprintf(manager->address.sun_path, sizeof(manager->address.sun_path), "%s/private",
		 manager->folder);
	manager->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(
		bind(manager->fd, (struct sockaddr *)&manager->address, sizeof(manager->address)),
		0);
	assert_return_code(listen(manager->fd, 1), 0);
	assert_int_equal(pthread_create(&manager->thread, NULL, serve, manager), 0);
}

static void manager_end(struct service_manager *manager)
{
	pthread_join(manager->thread, NULL);
	close(manager->fd);
	unlink(manager->address.sun_path);
	rmdir(manager->folder);
}

static void the_machine_stops_only_when_its_manager_says_so(void **state)
{
	static const struct {
		const char *state;
		bool stops;
	} rows[] = {
		{"initializing", false}, {"starting", false},	 {"running", false},
		{"degraded", false},	 {"maintenance", false}, {"stopping", true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct service_manager manager;

		manager_begin(&manager, rows[i].state);
		assert_int_equal(shutdown_is_under_way(manager.address.sun_path), rows[i].stops);
		manager_end(&manager);
	}
}

static void a_machine_without_such_a_manager_goes_on(void **state)
{
	assert_false(shutdown_is_under_way("/nonexistent/private"));
	assert_false(shutdown_is_under_way("/dev/null"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_machine_stops_only_when_its_manager_says_so),
		cmocka_unit_test(a_machine_without_such_a_manager_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
