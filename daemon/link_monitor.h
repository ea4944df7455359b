/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What the kernel says of network interfaces by rtnetlink: a cable that was pulled is known in
 * milliseconds, while TCP would not notice for minutes. Control thread only.
 */

#include <stdbool.h>
#include <stdint.h>

struct link_monitor;
typedef struct sd_event sd_event;

struct link_observer {
	/** an interface lost its carrier, was set down, or is gone; or it is usable again */
	void (*link_changed)(unsigned interface_index, bool up, void *userdata);
	/** an address of ours was taken away; @address: as text */
	void (*address_gone)(const char *address, void *userdata);
	/** routes came or went, one or thousands of them: ask for those that matter */
	void (*routes_changed)(void *userdata);
};

/** link_monitor_new() - @observer alive as long. Return: 0 or -errno */
int link_monitor_new(sd_event *event, const struct link_observer *observer, void *userdata,
		     struct link_monitor **ret);
/** link_monitor_free() - NULL is fine */
void link_monitor_free(struct link_monitor *monitor);

/**
 * link_of_route() - over which interface does the kernel send to @destination?
 * @source: address that the socket is bound to; both are literals
 * Return: its index, or -errno (-ENETUNREACH …)
 */
int link_of_route(const char *destination, const char *source);
