/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "dbus/statistics.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "dbus/bus.h"
#include "dbus/error_names.h"
#include "dbus/interfaces.h"
#include "dbus/marshal.h"
#include "util/cleanup.h"

/* One member of a struct of counters. */
struct counter {
	const char *name;
	size_t offset, size_bytes;
};

#define COUNTER(type, member) \
	{ \
#member, offsetof(struct type, member), sizeof(((struct type *)0)->member) \
	}

static const struct counter session_counters[] = {
	COUNTER(session_statistics, txdata_octets), COUNTER(session_statistics, rxdata_octets),
	COUNTER(session_statistics, noptx_pdus),    COUNTER(session_statistics, scsicmd_pdus),
	COUNTER(session_statistics, tmfcmd_pdus),   COUNTER(session_statistics, login_pdus),
	COUNTER(session_statistics, text_pdus),	    COUNTER(session_statistics, dataout_pdus),
	COUNTER(session_statistics, logout_pdus),   COUNTER(session_statistics, snack_pdus),
	COUNTER(session_statistics, noprx_pdus),    COUNTER(session_statistics, scsirsp_pdus),
	COUNTER(session_statistics, tmfrsp_pdus),   COUNTER(session_statistics, textrsp_pdus),
	COUNTER(session_statistics, datain_pdus),   COUNTER(session_statistics, logoutrsp_pdus),
	COUNTER(session_statistics, r2t_pdus),	    COUNTER(session_statistics, async_pdus),
	COUNTER(session_statistics, rjt_pdus),	    COUNTER(session_statistics, digest_err),
	COUNTER(session_statistics, timeout_err),   COUNTER(session_statistics, sends),
	COUNTER(session_statistics, receives),	    COUNTER(session_statistics, connections),
	COUNTER(session_statistics, ping_rtt_us),
};

static const struct counter path_counters[] = {
	COUNTER(path_statistics, reads),	   COUNTER(path_statistics, writes),
	COUNTER(path_statistics, flushes),	   COUNTER(path_statistics, discards),
	COUNTER(path_statistics, bytes_read),	   COUNTER(path_statistics, bytes_written),
	COUNTER(path_statistics, errors),	   COUNTER(path_statistics, failures),
	COUNTER(path_statistics, latency_sum_ns),  COUNTER(path_statistics, latency_max_ns),
	COUNTER(path_statistics, in_flight),	   COUNTER(path_statistics, in_flight_bytes),
	COUNTER(path_statistics, ewma_latency_ns), COUNTER(path_statistics, hedged),
	COUNTER(path_statistics, hedges_won),	   COUNTER(path_statistics, p99_latency_ns),
};

static uint64_t value_of(const struct counter *counter, const void *statistics)
{
	const char *member = (const char *)statistics + counter->offset;
	uint32_t narrow;
	uint64_t wide;

	if (counter->size_bytes == sizeof(narrow)) {
		memcpy(&narrow, member, sizeof(narrow));
		return narrow;
	}
	memcpy(&wide, member, sizeof(wide));
	return wide;
}

static void write_counters(struct bus_writer *writer, const char *path,
			   const struct counter *counters, size_t count, const void *statistics)
{
	bus_open_entry(writer);
	bus_write_object(writer, path);
	bus_open_array(writer, "{st}");
	for (size_t i = 0; i < count; i++) {
		bus_open_entry(writer);
		bus_write_string(writer, counters[i].name);
		bus_write_u64(writer, value_of(&counters[i], statistics));
		bus_close(writer);
	}
	bus_close(writer);
	bus_close(writer);
}

struct waiting {
	struct bus_call *call;
	struct manager *manager;
};

static void write_all(struct bus_writer *writer, struct manager *manager)
{
	char buffer[SHOWN_PATH_MAX];
	const struct session_view *session;
	const struct map_view *map;
	const struct path_view *path;

	bus_open_array(writer, "{oa{st}}");
	list_for_each (session, manager_sessions(manager), link)
		write_counters(writer, session_path(session, buffer), session_counters,
			       ARRAY_SIZE(session_counters), &session->statistics);
	list_for_each (map, manager_maps(manager), link) {
		list_for_each (path, &map->paths, link)
			write_counters(writer, path_path(path, buffer), path_counters,
				       ARRAY_SIZE(path_counters), &path->statistics);
	}
	bus_close(writer);
}

static void on_fresh(const struct error *error, void *userdata)
{
	struct waiting *waiting = userdata;
	struct bus_call *call = waiting->call;

	if (error && error_is_set(error)) {
		bus_call_fail_error(call, error);
	} else {
		write_all(bus_call_answer(call), waiting->manager);
		bus_call_send(call);
	}
	free(waiting);
}

void statistics_answer(struct bus_call *call, struct manager *manager)
{
	struct waiting *waiting = malloc(sizeof(*waiting));

	if (!waiting) {
		bus_call_fail(call, BUS_ERROR_NO_MEMORY, "Out of memory");
		return;
	}
	*waiting = (struct waiting){call, manager};
	manager_refresh_statistics(manager, on_fresh, waiting);
}
