/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/service.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>

#include "daemon/manager.h"
#include "daemon/shutdown.h"
#include "util/cleanup.h"
#include "util/log.h"

static const int handled_signals[] = {SIGTERM, SIGINT, SIGHUP};

struct service {
	sd_event *event;
	struct manager *manager;
	struct manager_observer observer;
	sd_event_source *signals[ARRAY_SIZE(handled_signals)], *status;
};

void service_block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(handled_signals); i++)
		sigaddset(&set, handled_signals[i]);
	sigaddset(&set, SIGPIPE);
	sigprocmask(SIG_BLOCK, &set, NULL);
}

int service_lock(const char *run_dir, struct error *error)
{
	char path[512];
	int fd;

	if (mkdir(run_dir, 0755) < 0 && errno != EEXIST)
		return error_set(error, ERROR_DATABASE_FAILED, "%s: %s", run_dir, strerror(errno));
	snprintf(path, sizeof(path), "%s/lock", run_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_set(error, ERROR_DATABASE_FAILED, "%s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		close(fd);
		return error_set(error, ERROR_BUSY, "another hawserd uses %s already", run_dir);
	}
	return 0; /* the descriptor stays open as long as the process lives */
}

/* The pages of the program and of each library: who pages them in may have to read from us. */
static int lock_object(struct dl_phdr_info *object, size_t size_bytes, void *userdata)
{
	for (unsigned i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &object->dlpi_phdr[i];

		if (part->p_type != PT_LOAD)
			continue;
		if (mlock((const void *)(object->dlpi_addr + part->p_vaddr), part->p_memsz) < 0)
			log_debug("%s cannot be locked: %s", object->dlpi_name, strerror(errno));
	}
	return 0;
}

/*
 * Nothing of ours is swapped out, to a disk of ours perhaps. What is mapped later is locked as it
 * is used: request memory is mostly address space.
 */
static void lock_memory(void)
{
	const struct rlimit no_limit = {RLIM_INFINITY, RLIM_INFINITY};

	/* With a limit, memory would be refused later on, in the middle of something. */
	if (setrlimit(RLIMIT_MEMLOCK, &no_limit) < 0 ||
	    mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) < 0)
		log_info("memory is not locked: %s", strerror(errno));
	else
		dl_iterate_phdr(lock_object, NULL);
}

static void spare_from_oom(void)
{
	owned_fd int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd >= 0 && write(fd, "-1000", 5) < 0)
		log_debug("oom_score_adj: %s", strerror(errno));
}

void service_harden(bool core_dumps)
{
	/* Memory that the kernel takes on our behalf must not be won by writing to our own devices.
	 */
	if (prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0) < 0)
		log_debug("PR_SET_IO_FLUSHER: %s", strerror(errno));
	/* A dump may have to be written to a disk of ours, and until it is nobody follows us. */
	if (!core_dumps)
		prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	lock_memory();
	spare_from_oom();
}

static unsigned list_length(const struct list *list)
{
	unsigned n = 0;

	for (const struct list *member = list->next; member != list; member = member->next)
		n++;
	return n;
}

static int service_tell_status(sd_event_source *source, void *userdata)
{
	struct service *service = userdata;

	sd_notifyf(0, "STATUS=%u sessions, %u maps, %s",
		   list_length(manager_sessions(service->manager)),
		   list_length(manager_maps(service->manager)), manager_health(service->manager));
	return 0;
}

/* Many changes of one turn are one line of status. */
static void service_changed(struct manager_observer *observer, enum object_kind kind, void *object)
{
	struct service *service = container_of(observer, struct service, observer);

	sd_event_source_set_enabled(service->status, SD_EVENT_ONESHOT);
}

static void service_event(struct manager_observer *observer, const struct event *event)
{
}

static void service_stopped(struct manager *manager, void *userdata)
{
	struct service *service = userdata;

	sd_event_exit(service->event, 0);
}

static int service_stop(sd_event_source *source, const struct signalfd_siginfo *info,
			void *userdata)
{
	struct service *service = userdata;
	bool last = shutdown_is_under_way(SHUTDOWN_MANAGER);

	log_notice(last ? "stopping with the machine" : "stopping");
	sd_notify(0, "STOPPING=1");
	manager_stop(service->manager, last, service_stopped, service);
	return 0;
}

static int service_reload(sd_event_source *source, const struct signalfd_siginfo *info,
			  void *userdata)
{
	struct service *service = userdata;
	owned_error struct error error = ERROR_INIT;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
		   (unsigned long long)now.tv_sec * 1000000u +
			   (unsigned long long)now.tv_nsec / 1000u);
	if (manager_reload(service->manager, &error) < 0)
		log_error("reload: %s", error.text);
	else
		log_notice("settings and records read again");
	sd_notify(0, "READY=1");
	return 0;
}

int service_start(sd_event *event, struct manager *manager, struct service **ret)
{
	static const sd_event_signal_handler_t handlers[] = {service_stop, service_stop,
							     service_reload};
	struct service *service = calloc(1, sizeof(*service));
	int r = 0;

	if (!service)
		return -ENOMEM;
	service->event = event;
	service->manager = manager;
	for (size_t i = 0; i < ARRAY_SIZE(handled_signals) && r >= 0; i++)
		r = sd_event_add_signal(event, &service->signals[i], handled_signals[i],
					handlers[i], service);
	if (r >= 0)
		r = sd_event_add_defer(event, &service->status, service_tell_status, service);
	if (r >= 0)
		r = sd_event_set_watchdog(event, true);
	if (r < 0) {
		service_free(service);
		return r;
	}
	service->observer.added = service->observer.changed = service->observer.removed =
		service_changed;
	service->observer.event = service_event;
	manager_observe(manager, &service->observer);
	sd_notify(0, "READY=1");
	*ret = service;
	return 0;
}

void service_free(struct service *service)
{
	if (!service)
		return;
	if (service->observer.added)
		manager_unobserve(&service->observer);
	for (size_t i = 0; i < ARRAY_SIZE(handled_signals); i++)
		sd_event_source_disable_unref(service->signals[i]);
	sd_event_source_disable_unref(service->status);
	free(service);
}
