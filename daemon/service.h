/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * The process as the service manager sees it: one per run folder, readiness, watchdog, signals, and
 * what keeps it alive when memory runs out. Control thread only.
 */

#include <stdbool.h>

struct error;
struct manager;
struct service;
typedef struct sd_event sd_event;

/** service_lock() - be the only daemon of @run_dir, until exit. Return: 0; -1 with @error set */
int service_lock(const char *run_dir, struct error *error);

/**
 * service_harden() - before threads start: memory that stays where it is, no recursion into our own
 *                    devices, not OOM's first, no core dump that needs them
 * @core_dumps: allow those: a developer looks on
 */
void service_harden(bool core_dumps);

/**
 * service_start() - ready; SIGTERM and SIGINT stop @manager and end the loop, SIGHUP reloads it
 *
 * A second SIGTERM stops by force. The signals must be blocked already: service_block_signals().
 */
int service_start(sd_event *event, struct manager *manager, struct service **ret);
void service_free(struct service *service);

/** service_block_signals() - first thing in main(), so that every thread inherits it */
void service_block_signals(void);
