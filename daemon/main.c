/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* hawserd: the order of start and stop, and no logic. */

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "daemon/face.h"
#include "daemon/keeper.h"
#include "daemon/manager.h"
#include "daemon/options.h"
#include "daemon/service.h"
#include "util/cleanup.h"
#include "util/log.h"

static const struct face *const faces[] = {&dbus_face};

static int serve(sd_event *event, const struct options *options, struct manager *manager)
{
	owned_error struct error error = ERROR_INIT;
	void *started[ARRAY_SIZE(faces)] = {};
	struct service *service = NULL;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(faces) && r >= 0; i++)
		r = faces[i]->start(event, manager, options->run_dir, &error, &started[i]);
	if (r < 0)
		log_error("%s", error.text);
	else
		r = service_start(event, manager, &service);
	if (r >= 0) {
		log_notice("hawserd %s is ready", manager_version());
		r = sd_event_loop(event);
	}
	service_free(service);
	for (size_t i = ARRAY_SIZE(faces); i > 0; i--)
		faces[i - 1]->stop(started[i - 1]);
	return r;
}

static int run(const struct options *options)
{
	const struct manager_settings settings = {
		.conf_dir = options->conf_dir,
		.state_dir = options->state_dir,
		.hawser_conf = options->hawser_conf,
		.run_dir = options->run_dir,
		.dev_dir = options->dev_dir,
		.firmware_dir = options->firmware_dir,
		.workers = options->workers,
		.fd_store = options->fd_store,
	};
	owned_error struct error error = ERROR_INIT;
	struct manager *manager = NULL;
	sd_event *event = NULL;
	int r;

	service_harden(options->debug);
	if (service_lock(options->run_dir, &error) < 0) {
		log_error("%s", error.text);
		return -1;
	}
	r = sd_event_default(&event);
	if (r < 0) {
		log_error("event loop: %s", strerror(-r));
		return r;
	}
	r = manager_new(event, &settings, &manager, &error);
	if (r < 0)
		log_error("%s", error.text);
	else
		r = serve(event, options, manager);
	if (manager && manager_left(manager)) {
		log_stop();
		_exit(r < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
	}
	manager_free(manager);
	sd_event_unref(event);
	return r;
}

int main(int argc, char **argv)
{
	struct options options;
	int r;

	if (argc == 2 && strcmp(argv[1], KEEPER_ARGUMENT) == 0)
		return keeper_main() < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	r = options_parse(argc, argv, &options);
	if (r > 0)
		return r - 1;
	service_block_signals();
	umask(0022);
	r = log_start(options.foreground ? LOG_TO_STDERR : LOG_TO_JOURNAL,
		      options.debug ? LOG_DEBUG : LOG_INFO);
	if (r < 0)
		return EXIT_FAILURE;
	r = run(&options);
	log_stop();
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
