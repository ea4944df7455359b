/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "tests/fakes/fake_manager.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/event_ring.h"
#include "daemon/record.h"
#include "util/bytes.h"
#include "util/cleanup.h"
#include "util/text.h"

#define FAKE_NOW_US 1767225600000000u /* 2026-01-01 */
#define MIB	    (1024u * 1024)

enum fake_operation {
	FAKE_LOGIN,
	FAKE_LOGIN_MORE,
	FAKE_LOGOUT,
	FAKE_REFRESH,
	FAKE_OTHER,
	FAKE_DISCOVER,
	FAKE_RESERVATION,
};

/* An operation between its start and its end. */
struct waiting {
	struct list link; /* in manager->waiting */
	enum fake_operation operation;
	object_id node;
	uint32_t sid;
	struct error error;
	manager_done *done;
	manager_discovered *discovered;
	object_id map;
	reservation_done *reserved;
	void *userdata;
};

struct fake_session {
	struct session_view view;
	bool planned; /* manager_plan_logout() */
};

/* A record that is no node's: of a discovery address, or of an interface. */
struct fake_record {
	struct list link;
	struct discovery_address address;
	char name[65];
	struct record *record;
};

struct manager {
	struct list nodes, sessions, maps, observers, waiting;
	struct event_ring *events;
	struct list discoveries, ifaces; /* struct fake_record */
	uint32_t last_sid;
	bool hold, in_use;
	struct error next_error;
	struct discovery_request last_discovery;
	struct fake_reset last_reset;
	bool removed_by_force;
	enum login_wait login_wait;
	unsigned last_group;
	struct reservation_request last_reservation;
};

/* --- names that other rooms give; these stand in where those rooms are not linked --- */

__attribute__((weak)) const char *map_state_name(enum map_state state);
__attribute__((weak)) const char *map_state_name(enum map_state state)
{
	static const char *const names[MAP_STATE_COUNT] = {"ok", "degraded", "no-path-queueing",
							   "no-path-failing", "lost"};

	return names[state];
}

__attribute__((weak)) const char *path_state_name(enum path_state state);
__attribute__((weak)) const char *path_state_name(enum path_state state)
{
	static const char *const names[PATH_STATE_COUNT] = {
		"down",	     "verify",	 "probation", "active",	  "suspect",
		"throttled", "marginal", "failed",    "unmapped", "quarantined"};

	return names[state];
}

__attribute__((weak)) bool path_state_carries(enum path_state state);
__attribute__((weak)) bool path_state_carries(enum path_state state)
{
	return state >= PATH_PROBATION && state <= PATH_MARGINAL;
}

const char *path_view_state(const struct path_view *path)
{
	return path_state_name(path->state);
}

__attribute__((weak)) const char *integrity_name(enum integrity integrity);
__attribute__((weak)) const char *integrity_name(enum integrity integrity)
{
	static const char *const names[INTEGRITY_COUNT] = {"exclusive", "shared", "legacy"};

	return names[integrity];
}

__attribute__((weak)) const char *fence_quality_name(enum fence_quality quality);
__attribute__((weak)) const char *fence_quality_name(enum fence_quality quality)
{
	static const char *const names[FENCE_QUALITY_COUNT] = {"exact", "standard", "lun-reset",
							       "timed", "none"};

	return names[quality];
}

const char *reservation_state_name(enum reservation_state state)
{
	static const char *const names[RESERVATION_STATE_COUNT] = {"unregistered", "registered",
								   "lost"};

	return names[state];
}

__attribute__((weak)) const char *grouping_name(enum grouping grouping);
__attribute__((weak)) const char *grouping_name(enum grouping grouping)
{
	static const char *const names[GROUPING_COUNT] = {"group_by_prio", "multibus", "failover",
							  "group_by_node_name", "group_by_tpg"};

	return names[grouping];
}

__attribute__((weak)) const char *access_state_name(enum access_state state);
__attribute__((weak)) const char *access_state_name(enum access_state state)
{
	static const char *const names[ACCESS_STATE_COUNT] = {
		"",	   "optimized",	  "non-optimized", "lba-dependent",
		"standby", "unavailable", "offline",	   "transitioning"};

	return names[state];
}

const char *session_state_name(enum session_state state)
{
	static const char *const names[SESSION_STATE_COUNT] = {
		"idle", "connecting", "login", "logged-in", "reconnecting", "logging-out"};

	return names[state];
}

/* --- observers --- */

void manager_observe(struct manager *manager, struct manager_observer *observer)
{
	list_append(&manager->observers, &observer->link);
}

void manager_unobserve(struct manager_observer *observer)
{
	list_remove(&observer->link);
}

static void tell_added(struct manager *manager, enum object_kind kind, void *object)
{
	struct manager_observer *observer;

	list_for_each (observer, &manager->observers, link)
		observer->added(observer, kind, object);
}

static void tell_removed(struct manager *manager, enum object_kind kind, void *object)
{
	struct manager_observer *observer;

	list_for_each (observer, &manager->observers, link)
		observer->removed(observer, kind, object);
}

void fake_changed(struct manager *manager, enum object_kind kind, void *object)
{
	struct manager_observer *observer;

	list_for_each (observer, &manager->observers, link)
		observer->changed(observer, kind, object);
}

void fake_event(struct manager *manager, enum object_kind about, const void *object,
		const struct event_facts *facts)
{
	struct manager_observer *observer;
	struct event event;

	event_fill(&event, about, object, facts, FAKE_NOW_US, FAKE_NOW_US / 1000);
	event_ring_add(manager->events, &event);
	list_for_each (observer, &manager->observers, link)
		observer->event(observer, &event);
}

const struct event_ring *manager_events(struct manager *manager)
{
	return manager->events;
}

/* --- objects --- */

static void *must(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

struct node *fake_node_add(struct manager *manager, const char *target, const char *address,
			   uint16_t port)
{
	struct node *node = must(calloc(1, sizeof(*node)));
	char number[16];

	text_copy(node->key.target, sizeof(node->key.target), target);
	text_copy(node->key.address, sizeof(node->key.address), address);
	text_copy(node->key.iface, sizeof(node->key.iface), "default");
	node->key.port = port;
	node->key.tpgt = 1;
	list_init(&node->sessions);
	if (record_new(RECORD_NODE, &node->record) < 0)
		abort();
	snprintf(number, sizeof(number), "%u", port);
	(void)record_set(node->record, "node.name", target, RECORD_INTERNAL, NULL);
	(void)record_set(node->record, "node.tpgt", "1", RECORD_INTERNAL, NULL);
	(void)record_set(node->record, "node.conn[0].address", address, RECORD_INTERNAL, NULL);
	(void)record_set(node->record, "node.conn[0].port", number, RECORD_INTERNAL, NULL);
	node->id = text_hash((const char *[]){target, address, number, "default"}, 4);
	list_append(&manager->nodes, &node->link);
	tell_added(manager, OBJECT_NODE, node);
	return node;
}

static void fill_negotiated(struct negotiated *negotiated)
{
	*negotiated = (struct negotiated){
		.max_recv_data_segment_length = 262144,
		.max_xmit_data_segment_length = 262144,
		.max_burst_length = 16776192,
		.first_burst_length = 262144,
		.max_outstanding_r2t = 1,
		.max_connections = 1,
		.immediate_data = true,
		.target_portal_group_tag = 1,
		.authentication = "None",
	};
}

static struct unit_view *add_unit(struct session_view *session, uint64_t number, bool disk,
				  const char *vendor)
{
	struct unit_view *unit = must(calloc(1, sizeof(*unit)));

	unit->session = session;
	unit->number = number;
	unit->lun = number << 48; /* single level LUN, SAM-5 §4.7.4 */
	unit->disk = disk;
	text_copy(unit->unit.identity.vendor, sizeof(unit->unit.identity.vendor), vendor);
	list_append(&session->units, &unit->link);
	return unit;
}

static struct fake_session *fake_of(struct session_view *session)
{
	return container_of(session, struct fake_session, view);
}

struct session_view *fake_session_add(struct manager *manager, struct node *node)
{
	struct fake_session *fake = must(calloc(1, sizeof(*fake)));
	struct session_view *session = &fake->view;

	session->sid = ++manager->last_sid;
	session->node = node;
	text_copy(session->target, sizeof(session->target), node->key.target);
	text_copy(session->iface, sizeof(session->iface), node->key.iface);
	text_copy(session->initiator_name, sizeof(session->initiator_name),
		  manager_initiator_name(manager));
	text_copy(session->persistent_address, sizeof(session->persistent_address),
		  node->key.address);
	text_copy(session->address, sizeof(session->address), node->key.address);
	text_copy(session->local_address, sizeof(session->local_address), "192.0.2.1");
	session->port = session->persistent_port = node->key.port;
	session->tpgt = 1;
	session->isid[0] = 0x40;
	session->isid[5] = (uint8_t)session->sid;
	session->tsih = (uint16_t)session->sid;
	session->state = SESSION_STATE_LOGGED_IN;
	text_copy(session->state_reason, sizeof(session->state_reason), "logged in");
	session->since_us = FAKE_NOW_US;
	session->ever_logged_in = true;
	session->statistics.txdata_octets = 1000 * session->sid;
	fill_negotiated(&session->negotiated);
	list_init(&session->units);
	add_unit(session, 0, false, "IET");
	list_append(&manager->sessions, &session->link);
	list_append(&node->sessions, &session->node_link);
	tell_added(manager, OBJECT_SESSION, session);
	return session;
}

struct map_view *fake_map_add(struct manager *manager, const char *wwid, const char *name)
{
	struct map_view *map = must(calloc(1, sizeof(*map)));
	struct unit_identity *identity = &map->unit.identity;

	map->id = text_hash(&wwid, 1);
	text_copy(identity->wwid, sizeof(identity->wwid), wwid);
	text_copy(identity->serial, sizeof(identity->serial), "beaf11");
	text_copy(identity->vendor, sizeof(identity->vendor), "IET");
	text_copy(identity->product, sizeof(identity->product), "VIRTUAL-DISK");
	map->unit.limits.block_size = 512;
	map->unit.limits.blocks = 64 * MIB / 512;
	text_copy(map->name, sizeof(map->name), name);
	text_copy(map->device, sizeof(map->device), "/dev/loop0");
	map->major = 7;
	text_copy(map->exporter, sizeof(map->exporter), "fuse");
	text_copy(map->selector, sizeof(map->selector), "service-time");
	map->no_path_retry_ms = 60000;
	map->active_group = map->group_count = 1;
	map->fence_quality = FENCE_QUALITY_LUN_RESET;
	map->guard =
		(struct guard_statistics){.guarded_blocks = 16, .longest_ms = 40, .in_doubt = 3};
	map->since_us = FAKE_NOW_US;
	list_init(&map->paths);
	list_append(&manager->maps, &map->link);
	tell_added(manager, OBJECT_MAP, map);
	return map;
}

struct path_view *fake_path_add(struct manager *manager, struct map_view *map,
				struct session_view *session)
{
	struct unit_view *unit = add_unit(session, 1, true, map->unit.identity.vendor);
	struct path_view *path = must(calloc(1, sizeof(*path)));
	char sid[16];

	snprintf(sid, sizeof(sid), "%u", session->sid);
	path->id = text_hash((const char *[]){map->unit.identity.wwid, sid}, 2);
	path->map = map;
	path->session = session;
	path->lun_number = 1;
	path->lun = unit->lun;
	path->state = PATH_ACTIVE;
	path->since_us = FAKE_NOW_US;
	path->statistics.reads = 7;
	path->statistics.ewma_latency_ns = 250000;
	unit->unit = map->unit;
	unit->path = path;
	list_append(&map->paths, &path->link);
	tell_added(manager, OBJECT_PATH, path);
	fake_changed(manager, OBJECT_MAP, map);
	fake_changed(manager, OBJECT_SESSION, session);
	return path;
}

static void remove_map(struct manager *manager, struct map_view *map)
{
	list_remove(&map->link);
	tell_removed(manager, OBJECT_MAP, map);
	free(map);
}

static void remove_path(struct manager *manager, struct path_view *path)
{
	struct map_view *map = path->map;

	list_remove(&path->link);
	tell_removed(manager, OBJECT_PATH, path);
	free(path);
	if (list_empty(&map->paths))
		remove_map(manager, map);
	else
		fake_changed(manager, OBJECT_MAP, map);
}

void fake_session_remove(struct manager *manager, struct session_view *session)
{
	struct unit_view *unit;

	while ((unit = list_pop(&session->units, struct unit_view, link))) {
		if (unit->path)
			remove_path(manager, unit->path);
		free(unit);
	}
	list_remove(&session->link);
	list_remove(&session->node_link);
	tell_removed(manager, OBJECT_SESSION, session);
	error_clear(&session->last_error);
	free(fake_of(session));
}

static void remove_node(struct manager *manager, struct node *node)
{
	struct session_view *session;

	list_remove(&node->link);
	tell_removed(manager, OBJECT_NODE, node);
	while ((session = list_pop(&node->sessions, struct session_view, node_link)))
		session->node = NULL;
	record_free(node->record);
	error_clear(&node->last_error);
	free(node);
}

static void free_record(struct fake_record *record)
{
	list_remove(&record->link);
	record_free(record->record);
	free(record);
}

static void free_records(struct list *records)
{
	struct fake_record *record;

	while ((record = list_first(records, struct fake_record, link)))
		free_record(record);
}

struct manager *fake_manager_new(void)
{
	struct manager *manager = must(calloc(1, sizeof(*manager)));

	list_init(&manager->nodes);
	list_init(&manager->sessions);
	list_init(&manager->maps);
	list_init(&manager->observers);
	list_init(&manager->waiting);
	list_init(&manager->discoveries);
	list_init(&manager->ifaces);
	if (event_ring_new(EVENT_RING_EVENTS, &manager->events) < 0)
		abort();
	return manager;
}

void fake_manager_free(struct manager *manager)
{
	struct session_view *session;
	struct node *node;
	struct map_view *map;

	fake_manager_release(manager);
	event_ring_free(manager->events);
	while ((session = list_first(&manager->sessions, struct session_view, link)))
		fake_session_remove(manager, session);
	while ((map = list_first(&manager->maps, struct map_view, link)))
		remove_map(manager, map);
	while ((node = list_first(&manager->nodes, struct node, link)))
		remove_node(manager, node);
	free_records(&manager->discoveries);
	free_records(&manager->ifaces);
	error_clear(&manager->next_error);
	free(manager);
}

void fake_manager_populate(struct manager *manager)
{
	static const char target[] = "iqn.2026-01.org.example:disks";
	struct node *first = fake_node_add(manager, target, "192.0.2.11", 3260);
	struct node *second = fake_node_add(manager, target, "192.0.2.12", 3260);
	struct session_view *one = fake_session_add(manager, first);
	struct session_view *two = fake_session_add(manager, second);
	struct map_view *map = fake_map_add(manager, "360000000000000000e00000000010001", "backup");

	fake_path_add(manager, map, one);
	fake_path_add(manager, map, two);
}

struct list *manager_nodes(struct manager *manager)
{
	return &manager->nodes;
}

struct list *manager_sessions(struct manager *manager)
{
	return &manager->sessions;
}

struct list *manager_maps(struct manager *manager)
{
	return &manager->maps;
}

struct node *manager_find_node(struct manager *manager, object_id id)
{
	struct node *node;

	list_for_each (node, &manager->nodes, link) {
		if (node->id == id)
			return node;
	}
	return NULL;
}

struct session_view *manager_find_session(struct manager *manager, uint32_t sid)
{
	struct session_view *session;

	list_for_each (session, &manager->sessions, link) {
		if (session->sid == sid)
			return session;
	}
	return NULL;
}

struct map_view *manager_find_map(struct manager *manager, object_id id)
{
	struct map_view *map;

	list_for_each (map, &manager->maps, link) {
		if (map->id == id)
			return map;
	}
	return NULL;
}

struct path_view *manager_find_path(struct manager *manager, object_id id)
{
	struct map_view *map;
	struct path_view *path;

	list_for_each (map, &manager->maps, link) {
		list_for_each (path, &map->paths, link) {
			if (path->id == id)
				return path;
		}
	}
	return NULL;
}

static bool text_matches(const char *wanted, const char *text)
{
	return !*wanted || strcmp(wanted, text) == 0;
}

bool node_matches(const struct node *node, const struct node_selector *selector)
{
	const char *startup = record_get(node->record, "node.startup");

	return text_matches(selector->target, node->key.target) &&
	       text_matches(selector->address, node->key.address) &&
	       (!selector->port || selector->port == node->key.port) &&
	       text_matches(selector->iface, node->key.iface) &&
	       text_matches(selector->startup, startup ? startup : "");
}

bool session_matches(const struct session_view *session, const struct node_selector *selector)
{
	return text_matches(selector->target, session->target) &&
	       text_matches(selector->address, session->persistent_address) &&
	       (!selector->port || selector->port == session->persistent_port) &&
	       text_matches(selector->iface, session->iface);
}

const char *manager_initiator_name(struct manager *manager)
{
	return "iqn.2026-01.org.example:host";
}

const char *manager_version(void)
{
	return HAWSER_VERSION;
}

bool manager_ready(struct manager *manager)
{
	return true;
}

const char *manager_health(struct manager *manager)
{
	const struct map_view *map;

	list_for_each (map, &manager->maps, link) {
		if (map->state != MAP_OK)
			return map->state == MAP_DEGRADED ? "degraded" : "critical";
	}
	return "ok";
}

/* Move the error that the test wants into @error. */
static int take_error(struct manager *manager, struct error *error)
{
	if (!error_is_set(&manager->next_error))
		return 0;
	error_set(error, manager->next_error.code, "%s", manager->next_error.text);
	error_clear(&manager->next_error);
	return -1;
}

void fake_manager_fail_next(struct manager *manager, enum error_code code, const char *text)
{
	error_set(&manager->next_error, code, "%s", text);
}

int manager_reload(struct manager *manager, struct error *error)
{
	return take_error(manager, error);
}

int manager_create_node(struct manager *manager, const struct node_key *key, struct node **ret,
			struct error *error)
{
	struct node *node;

	if (take_error(manager, error) < 0)
		return -1;
	list_for_each (node, &manager->nodes, link) {
		if (strcmp(node->key.target, key->target) == 0 &&
		    strcmp(node->key.address, key->address) == 0 && node->key.port == key->port) {
			*ret = node;
			return 0;
		}
	}
	*ret = fake_node_add(manager, key->target, key->address, key->port);
	return 0;
}

int manager_update_node(struct manager *manager, struct node *node,
			const struct record_change *changes, size_t count, struct error *error)
{
	struct record *changed;

	if (take_error(manager, error) < 0)
		return -1;
	if (record_copy(node->record, &changed) < 0)
		return error_set(error, ERROR_NO_MEMORY, "out of memory");
	for (size_t i = 0; i < count; i++) {
		if (record_set(changed, changes[i].key, changes[i].value, RECORD_FROM_USER, error) <
		    0) {
			record_free(changed);
			return -1;
		}
	}
	record_free(node->record);
	node->record = changed;
	fake_changed(manager, OBJECT_NODE, node);
	return 0;
}

int manager_delete_node(struct manager *manager, struct node *node, struct error *error)
{
	if (take_error(manager, error) < 0)
		return -1;
	if (!list_empty(&node->sessions))
		return error_set(error, ERROR_SESSION_EXISTS, "the node has a session");
	remove_node(manager, node);
	return 0;
}

/* --- records of discovery addresses and interfaces --- */

static struct fake_record *add_record(struct list *records, enum record_kind kind)
{
	struct fake_record *record = must(calloc(1, sizeof(*record)));

	if (record_new(kind, &record->record) < 0)
		abort();
	list_append(records, &record->link);
	return record;
}

static int change_record(struct fake_record *record, const struct record_change *changes,
			 size_t count, struct error *error)
{
	struct record *changed;

	if (record_copy(record->record, &changed) < 0)
		abort();
	for (size_t i = 0; i < count; i++)
		if (record_set(changed, changes[i].key, changes[i].value, RECORD_FROM_USER, error) <
		    0) {
			record_free(changed);
			return -1;
		}
	record_free(record->record);
	record->record = changed;
	return 0;
}

static uint16_t discovery_port(const struct discovery_address *address)
{
	uint16_t usual = address->kind == DISCOVERY_KIND_ISNS ? 3205 : 3260;

	return address->port ? address->port : usual;
}

static struct fake_record *find_discovery(struct manager *manager,
					  const struct discovery_address *address,
					  struct error *error)
{
	struct fake_record *record;

	if (take_error(manager, error) < 0)
		return NULL;
	list_for_each (record, &manager->discoveries, link)
		if (record->address.kind == address->kind &&
		    strcmp(record->address.address, address->address) == 0 &&
		    record->address.port == discovery_port(address))
			return record;
	error_set(error, ERROR_NO_OBJECTS_FOUND, "there is no such discovery record");
	return NULL;
}

int manager_list_discoveries(struct manager *manager, struct discovery_address **ret, size_t *count,
			     struct error *error)
{
	const struct fake_record *record;
	size_t n = 0;

	if (take_error(manager, error) < 0)
		return -1;
	list_for_each (record, &manager->discoveries, link)
		n++;
	*ret = must(calloc(n + 1, sizeof(**ret)));
	*count = 0;
	list_for_each (record, &manager->discoveries, link)
		(*ret)[(*count)++] = record->address;
	return 0;
}

int manager_read_discovery(struct manager *manager, const struct discovery_address *address,
			   struct record **ret, struct error *error)
{
	const struct fake_record *record = find_discovery(manager, address, error);

	return record ? record_copy(record->record, ret) : -1;
}

int manager_create_discovery(struct manager *manager, const struct discovery_address *address,
			     struct error *error)
{
	owned_error struct error missing = ERROR_INIT;
	struct fake_record *record;
	char port[8];

	if (take_error(manager, error) < 0)
		return -1;
	record = find_discovery(manager, address, &missing);
	if (record)
		free_record(record);
	record =
		add_record(&manager->discoveries,
			   address->kind == DISCOVERY_KIND_ISNS ? RECORD_ISNS : RECORD_SENDTARGETS);
	record->address = *address;
	record->address.port = discovery_port(address);
	snprintf(port, sizeof(port), "%u", record->address.port);
	(void)record_set(record->record, "discovery.sendtargets.address", address->address,
			 RECORD_INTERNAL, NULL);
	return record_set(record->record, "discovery.sendtargets.port", port, RECORD_INTERNAL,
			  error);
}

int manager_update_discovery(struct manager *manager, const struct discovery_address *address,
			     const struct record_change *changes, size_t count, struct error *error)
{
	struct fake_record *record = find_discovery(manager, address, error);

	return record ? change_record(record, changes, count, error) : -1;
}

int manager_delete_discovery(struct manager *manager, const struct discovery_address *address,
			     struct error *error)
{
	struct fake_record *record = find_discovery(manager, address, error);

	if (!record)
		return -1;
	free_record(record);
	return 0;
}

static struct fake_record *find_iface(struct manager *manager, const char *name,
				      struct error *error)
{
	struct fake_record *record;

	if (take_error(manager, error) < 0)
		return NULL;
	list_for_each (record, &manager->ifaces, link)
		if (strcmp(record->name, name) == 0)
			return record;
	error_set(error, ERROR_NO_OBJECTS_FOUND, "Could not read iface info for %s.", name);
	return NULL;
}

int manager_list_ifaces(struct manager *manager, char ***names, unsigned *count,
			struct error *error)
{
	const struct fake_record *record;
	unsigned n = 0;

	if (take_error(manager, error) < 0)
		return -1;
	list_for_each (record, &manager->ifaces, link)
		n++;
	*names = must(calloc(n + 1, sizeof(**names)));
	*count = 0;
	list_for_each (record, &manager->ifaces, link)
		(*names)[(*count)++] = must(strdup(record->name));
	return 0;
}

static bool is_builtin(const char *name)
{
	return strcmp(name, "default") == 0 || strcmp(name, "iser") == 0;
}

int manager_read_iface(struct manager *manager, const char *name, struct record **ret,
		       struct error *error)
{
	const struct fake_record *record;

	if (!is_builtin(name)) {
		record = find_iface(manager, name, error);
		return record ? record_copy(record->record, ret) : -1;
	}
	if (record_new(RECORD_IFACE, ret) < 0)
		abort();
	(void)record_set(*ret, "iface.transport_name", strcmp(name, "iser") ? "tcp" : "iser",
			 RECORD_INTERNAL, NULL);
	return record_set(*ret, "iface.iscsi_ifacename", name, RECORD_INTERNAL, error);
}

static int check_iface(struct manager *manager, const char *name, struct error *error)
{
	const struct session_view *session;

	list_for_each (session, &manager->sessions, link)
		if (strcmp(session->iface, name) == 0)
			return error_set(error, ERROR_SESSION_EXISTS, "a session goes over it");
	if (is_builtin(name))
		return error_set(error, ERROR_INVALID_ARGUMENT, "the interface is built in");
	return 0;
}

int manager_create_iface(struct manager *manager, const char *name,
			 const struct record_change *changes, size_t count, struct error *error)
{
	owned_error struct error missing = ERROR_INIT;
	struct fake_record *record;

	if (take_error(manager, error) < 0 || check_iface(manager, name, error) < 0)
		return -1;
	record = find_iface(manager, name, &missing);
	if (record)
		free_record(record);
	record = add_record(&manager->ifaces, RECORD_IFACE);
	text_copy(record->name, sizeof(record->name), name);
	(void)record_set(record->record, "iface.iscsi_ifacename", name, RECORD_INTERNAL, NULL);
	return change_record(record, changes, count, error);
}

int manager_update_iface(struct manager *manager, const char *name,
			 const struct record_change *changes, size_t count, struct error *error)
{
	struct fake_record *record;

	if (is_builtin(name))
		return error_set(error, ERROR_INVALID_ARGUMENT, "the interface is built in");
	record = find_iface(manager, name, error);
	return record ? change_record(record, changes, count, error) : -1;
}

int manager_delete_iface(struct manager *manager, const char *name, struct error *error)
{
	struct fake_record *record;

	if (check_iface(manager, name, error) < 0)
		return -1;
	record = find_iface(manager, name, error);
	if (!record)
		return -1;
	free_record(record);
	return 0;
}

/* --- operations --- */

static void end_login(struct manager *manager, struct waiting *waiting)
{
	struct node *node = manager_find_node(manager, waiting->node);

	if (!node || error_is_set(&waiting->error))
		return;
	if (!list_empty(&node->sessions) && waiting->operation == FAKE_LOGIN)
		error_set(&waiting->error, ERROR_SESSION_EXISTS, "session exists");
	else
		fake_session_add(manager, node);
}

static void end_logout(struct manager *manager, struct waiting *waiting)
{
	struct session_view *session = manager_find_session(manager, waiting->sid);

	if (session && !error_is_set(&waiting->error))
		fake_session_remove(manager, session);
}

static void end_refresh(struct manager *manager)
{
	struct map_view *map;
	struct path_view *path;

	list_for_each (map, &manager->maps, link)
		list_for_each (path, &map->paths, link) {
			path->statistics.reads += FAKE_READS_A_ROUND;
			path->statistics.ewma_latency_ns = 250000;
		}
}

/* One target answers, at the portal that was asked. */
static void end_discovery(struct manager *manager, struct waiting *waiting)
{
	const struct discovery_request *request = &manager->last_discovery;
	static const struct record_change details[] = {
		{"iface.transport_name", "tcp"},
		{"node.name", "iqn.2026-01.org.example:disks"},
		{"node.session.auth.password", "********"},
	};
	struct discovery_result result = {.key.tpgt = 1, .key.port = request->port};

	text_copy(result.key.target, sizeof(result.key.target), "iqn.2026-01.org.example:disks");
	text_copy(result.key.address, sizeof(result.key.address), request->address);
	text_copy(result.key.iface, sizeof(result.key.iface), "default");
	if (request->kind == DISCOVERY_KIND_FIRMWARE) {
		text_copy(result.key.address, sizeof(result.key.address), "192.0.2.1");
		result.key.port = 3260;
		result.details = details;
		result.detail_count = ARRAY_SIZE(details);
	}
	if (!(request->operations & (DISCOVERY_NON_PERSISTENT | DISCOVERY_SHOW)) &&
	    !error_is_set(&waiting->error))
		(void)manager_create_node(manager, &result.key, &result.node, NULL);
	waiting->discovered(&waiting->error, &result, error_is_set(&waiting->error) ? 0 : 1,
			    waiting->userdata);
}

#define FAKE_PEER_KEY 0xbbbb

/* What a unit with one more host answers. */
static void answer_keys(const struct map_view *map, struct writer *writer)
{
	const struct path_view *path;

	writer_u32(writer, 7);
	writer_u32(writer, 0);
	writer_u64(writer, FAKE_PEER_KEY);
	list_for_each (path, &map->paths, link)
		if (path->registered)
			writer_u64(writer, map->reservation.key);
}

static void answer_status(const struct map_view *map, struct writer *writer)
{
	writer_u32(writer, 7);
	writer_u32(writer, 0);
	if (!map->reservation.type)
		return;
	writer_u64(writer, map->reservation.key);
	writer_u32(writer, 0);
	writer_u8(writer, 0);
	writer_u8(writer, map->reservation.type);
	writer_u16(writer, 0);
}

static void answer_registrant(struct writer *writer, uint64_t key, uint8_t type, uint16_t port,
			      const char name[48])
{
	writer_u64(writer, key);
	writer_u32(writer, 0);
	writer_u8(writer, type != 0);
	writer_u8(writer, type);
	writer_u32(writer, 0);
	writer_u16(writer, port);
	writer_u32(writer, 52);
	writer_u32(writer, 0x45000030);
	writer_bytes(writer, name, 48);
}

static void answer_full_status(const struct map_view *map, struct writer *writer)
{
	const struct path_view *path;
	char name[48] = "iqn.2026-01.org.example:peer,i,0x800000000000";
	uint16_t port = 1;

	writer_u32(writer, 7);
	writer_u32(writer, 0);
	answer_registrant(writer, FAKE_PEER_KEY, 0, 1, name);
	list_for_each (path, &map->paths, link) {
		snprintf(name, sizeof(name), "iqn.2026-01.org.example:host,i,0x80%010u",
			 path->session->sid);
		if (path->registered)
			answer_registrant(writer, map->reservation.key,
					  port == 1 ? map->reservation.type : 0, port, name);
		port++;
	}
}

static void answer_query(const struct map_view *map, enum reservation_in query,
			 struct reservation_call *call)
{
	struct writer writer = writer_of(call->answer, sizeof(call->answer));
	be32 length;

	if (query == RESERVATION_REPORT_CAPABILITIES) {
		writer_bytes(&writer, "\0\10\1\200\352\1\0\0", 8);
		call->length = 8;
		return;
	}
	if (query == RESERVATION_READ_KEYS)
		answer_keys(map, &writer);
	else if (query == RESERVATION_READ_RESERVATION)
		answer_status(map, &writer);
	else
		answer_full_status(map, &writer);
	call->length = (uint32_t)writer.length;
	length = be32_of(call->length - 8);
	memcpy(call->answer + 4, &length, sizeof(length));
}

static void carry_out(struct map_view *map, const struct reservation_request *request)
{
	struct reservation_view *view = &map->reservation;
	struct path_view *path;

	switch (request->verb) {
	case RESERVATION_DO_REGISTER:
		*view = (struct reservation_view){.state = RESERVATION_REGISTERED,
						  .key = request->key,
						  .per_path = request->per_path,
						  .survives_power = request->survives_power};
		break;
	case RESERVATION_DO_RESERVE:
		view->type = request->type;
		view->held = true;
		break;
	case RESERVATION_DO_RELEASE:
		view->type = 0;
		view->held = false;
		break;
	case RESERVATION_DO_CLEAR:
	case RESERVATION_DO_UNREGISTER:
		*view = (struct reservation_view){};
		break;
	default:
		break;
	}
	list_for_each (path, &map->paths, link)
		path->registered = view->state == RESERVATION_REGISTERED;
}

static void end_reservation(struct manager *manager, struct waiting *waiting)
{
	const struct reservation_request *request = &manager->last_reservation;
	struct map_view *map = manager_find_map(manager, waiting->map);
	struct reservation_call *answer = must(calloc(1, sizeof(*answer)));

	if (!error_is_set(&waiting->error) && map) {
		carry_out(map, request);
		answer_query(map, request->query, answer);
		fake_changed(manager, OBJECT_MAP, map);
	}
	waiting->reserved(&waiting->error, answer, waiting->userdata);
	free(answer);
}

static void end_operation(struct manager *manager, struct waiting *waiting)
{
	list_remove(&waiting->link);
	if (waiting->operation == FAKE_LOGIN || waiting->operation == FAKE_LOGIN_MORE)
		end_login(manager, waiting);
	else if (waiting->operation == FAKE_LOGOUT)
		end_logout(manager, waiting);
	else if (waiting->operation == FAKE_REFRESH)
		end_refresh(manager);
	if (waiting->operation == FAKE_DISCOVER)
		end_discovery(manager, waiting);
	else if (waiting->operation == FAKE_RESERVATION)
		end_reservation(manager, waiting);
	else
		waiting->done(&waiting->error, waiting->userdata);
	error_clear(&waiting->error);
	free(waiting);
}

static void start(struct manager *manager, const struct waiting *wanted)
{
	struct waiting *waiting = must(malloc(sizeof(*waiting)));

	*waiting = *wanted;
	if (wanted->operation != FAKE_REFRESH) /* clients ask for it in front of what they want */
		(void)take_error(manager, &waiting->error);
	list_init(&waiting->link);
	list_append(&manager->waiting, &waiting->link);
	if (!manager->hold)
		end_operation(manager, waiting);
}

void fake_manager_hold(struct manager *manager)
{
	manager->hold = true;
}

void fake_manager_release(struct manager *manager)
{
	struct waiting *waiting;

	manager->hold = false;
	while ((waiting = list_first(&manager->waiting, struct waiting, link)))
		end_operation(manager, waiting);
}

unsigned fake_manager_waiting(const struct manager *manager)
{
	const struct waiting *waiting;
	unsigned count = 0;

	list_for_each (waiting, &manager->waiting, link)
		count++;
	return count;
}

void manager_login(struct manager *manager, struct node *node, enum login_wait wait,
		   manager_done *done, void *userdata)
{
	manager->login_wait = wait;
	start(manager, &(struct waiting){.operation = FAKE_LOGIN,
					 .node = node->id,
					 .done = done,
					 .userdata = userdata});
}

void manager_login_more(struct manager *manager, struct node *node, manager_done *done,
			void *userdata)
{
	start(manager, &(struct waiting){.operation = FAKE_LOGIN_MORE,
					 .node = node->id,
					 .done = done,
					 .userdata = userdata});
}

void manager_plan_logout(struct session_view *session, bool planned)
{
	fake_of(session)->planned = planned;
}

void fake_manager_use(struct manager *manager)
{
	manager->in_use = true;
}

static bool takes_last_path(const struct map_view *map, const struct session_view *session)
{
	const struct path_view *path;

	list_for_each (path, &map->paths, link)
		if (path->session != session && !fake_of(path->session)->planned)
			return false;
	return true;
}

static void refuse_in_use(struct manager *manager, const struct session_view *session)
{
	const struct unit_view *unit;

	list_for_each (unit, &session->units, link)
		if (unit->path && takes_last_path(unit->path->map, session))
			fake_manager_fail_next(manager, ERROR_BUSY,
					       "device /dev/loop0 (backup) is in use: mounted on "
					       "/srv/backup");
}

void manager_logout(struct manager *manager, struct session_view *session, bool force,
		    manager_done *done, void *userdata)
{
	if (manager->in_use && !force)
		refuse_in_use(manager, session);
	start(manager, &(struct waiting){.operation = FAKE_LOGOUT,
					 .sid = session->sid,
					 .done = done,
					 .userdata = userdata});
}

void manager_rescan(struct manager *manager, struct session_view *session, manager_done *done,
		    void *userdata)
{
	start(manager,
	      &(struct waiting){.operation = FAKE_OTHER, .done = done, .userdata = userdata});
}

void manager_rediscover(struct manager *manager, struct session_view *session,
			manager_rediscovered *done, void *userdata)
{
	struct error none = ERROR_INIT;
	struct node *fresh = session->node;

	done(&none, &fresh, fresh ? 1 : 0, userdata);
}

void manager_reset(struct manager *manager, struct session_view *session, enum reset_scope scope,
		   uint64_t number, manager_done *done, void *userdata)
{
	start(manager, &(struct waiting){.operation = FAKE_OTHER,
					 .sid = session->sid,
					 .done = done,
					 .userdata = userdata});
	manager->last_reset = (struct fake_reset){session->sid, scope, number};
}

void manager_remove_map(struct manager *manager, struct map_view *map, bool force,
			manager_done *done, void *userdata)
{
	manager->removed_by_force = force;
	start(manager,
	      &(struct waiting){.operation = FAKE_OTHER, .done = done, .userdata = userdata});
}

enum login_wait fake_manager_login_wait(const struct manager *manager)
{
	return manager->login_wait;
}

bool fake_manager_removed_by_force(const struct manager *manager)
{
	return manager->removed_by_force;
}

void manager_reset_map(struct manager *manager, struct map_view *map, manager_done *done,
		       void *userdata)
{
	manager->last_reset = (struct fake_reset){0, RESET_UNIT, 0};
	start(manager,
	      &(struct waiting){.operation = FAKE_OTHER, .done = done, .userdata = userdata});
}

void manager_ask_reservation(struct manager *manager, struct map_view *map,
			     const struct reservation_request *request, reservation_done *done,
			     void *userdata)
{
	manager->last_reservation = *request;
	start(manager, &(struct waiting){.operation = FAKE_RESERVATION,
					 .map = map->id,
					 .reserved = done,
					 .userdata = userdata});
}

const struct reservation_request *fake_manager_last_reservation(const struct manager *manager)
{
	return &manager->last_reservation;
}

void manager_switch_group(struct manager *manager, struct map_view *map, unsigned number,
			  manager_done *done, void *userdata)
{
	manager->last_group = number;
	start(manager,
	      &(struct waiting){.operation = FAKE_OTHER, .done = done, .userdata = userdata});
}

void manager_failback(struct manager *manager, struct map_view *map, manager_done *done,
		      void *userdata)
{
	manager_switch_group(manager, map, 0, done, userdata);
}

unsigned fake_manager_last_group(const struct manager *manager)
{
	return manager->last_group;
}

const struct fake_reset *fake_manager_last_reset(const struct manager *manager)
{
	return &manager->last_reset;
}

void manager_refresh_statistics(struct manager *manager, manager_done *done, void *userdata)
{
	start(manager,
	      &(struct waiting){.operation = FAKE_REFRESH, .done = done, .userdata = userdata});
}

void manager_discover(struct manager *manager, const struct discovery_request *request,
		      manager_discovered *done, void *userdata)
{
	manager->last_discovery = *request;
	start(manager, &(struct waiting){.operation = FAKE_DISCOVER,
					 .discovered = done,
					 .userdata = userdata});
}

const struct discovery_request *fake_manager_last_discovery(const struct manager *manager)
{
	return &manager->last_discovery;
}

void manager_map_holders(struct manager *manager, const struct map_view *map, char *text,
			 size_t size_bytes)
{
	text_copy(text, size_bytes, "mounted on /srv/backup");
}
