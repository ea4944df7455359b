/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "multipath/map_set.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "util/cleanup.h"
#include "util/list.h"

#define BUCKETS 256 /* some hundred units are many */

struct map_entry {
	struct list link;
	struct map *map;
};

struct map_set {
	struct ring *ring;
	unsigned count;
	struct list buckets[BUCKETS]; /* struct map_entry */
};

static void map_entry_free(struct map_entry *entry)
{
	if (!entry)
		return;
	map_free(entry->map);
	free(entry);
}

DEFINE_OWNED(map_entry);

int map_set_new(struct ring *ring, struct map_set **ret)
{
	struct map_set *set = calloc(1, sizeof(*set));

	if (!set)
		return -ENOMEM;
	set->ring = ring;
	for (size_t i = 0; i < BUCKETS; i++)
		list_init(&set->buckets[i]);
	*ret = set;
	return 0;
}

void map_set_free(struct map_set *set)
{
	if (!set)
		return;
	assert(set->count == 0);
	free(set);
}

/* FNV-1a */
static size_t bucket_of(const char *wwid)
{
	uint32_t hash = 2166136261u;

	for (; *wwid; wwid++)
		hash = (hash ^ (uint8_t)*wwid) * 16777619u;
	return hash % BUCKETS;
}

static struct map_entry *find(const struct map_set *set, const char *wwid)
{
	struct map_entry *entry;

	list_for_each (entry, &set->buckets[bucket_of(wwid)], link) {
		if (strcmp(map_unit(entry->map)->identity.wwid, wwid) == 0)
			return entry;
	}
	return NULL;
}

struct map *map_set_find(const struct map_set *set, const char *wwid)
{
	const struct map_entry *entry = find(set, wwid);

	return entry ? entry->map : NULL;
}

unsigned map_set_count(const struct map_set *set)
{
	return set->count;
}

static int join_known(struct map *map, struct nexus *nexus, const struct unit *unit, void *userdata,
		      struct path **ret)
{
	const struct unit *known = map_unit(map);

	if (!unit_identity_equal(&known->identity, &unit->identity))
		return -EMEDIUMTYPE;
	if (!unit_geometry_equal(&known->limits, &unit->limits))
		return -ERANGE;
	return map_add_path(map, nexus, userdata, ret);
}

int map_set_join(struct map_set *set, struct nexus *nexus, const struct unit *unit,
		 const struct map_settings *settings, const struct map_observer *observer,
		 void *map_userdata, void *path_userdata, struct path **ret)
{
	const char *wwid = unit->identity.wwid;
	struct map *known = map_set_find(set, wwid);
	owned(map_entry) entry = NULL;
	int r;

	if (wwid[0] == '\0')
		return -EINVAL;
	if (known)
		return join_known(known, nexus, unit, path_userdata, ret);

	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return -ENOMEM;
	r = map_new(set->ring, unit, settings, observer, map_userdata, &entry->map);
	if (r < 0)
		return r;
	r = map_add_path(entry->map, nexus, path_userdata, ret);
	if (r < 0)
		return r;

	list_append(&set->buckets[bucket_of(wwid)], &entry->link);
	set->count++;
	(void)take(entry);
	return 0;
}

void map_set_remove(struct map_set *set, struct map *map)
{
	struct map_entry *entry = find(set, map_unit(map)->identity.wwid);

	assert(entry && entry->map == map);
	list_remove(&entry->link);
	set->count--;
	map_entry_free(entry);
}
