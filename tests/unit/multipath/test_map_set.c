/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "multipath/map_set.h"
#include "tests/fakes/fake_nexus.h"
#include "tests/fakes/fake_ring.h"
#include "tests/unit/multipath/fixture.h"

#define NEXUSES 4

struct world {
	struct ring *ring;
	struct map_set *set;
	struct fake_nexus *nexus[NEXUSES];
};

static struct world world_new(void)
{
	struct world world = {.ring = fake_ring_new()};

	assert_int_equal(map_set_new(world.ring, &world.set), 0);
	for (int i = 0; i < NEXUSES; i++)
		world.nexus[i] = fake_nexus_new(NULL, 0);
	return world;
}

static void world_free(struct world *world)
{
	map_set_free(world->set);
	for (int i = 0; i < NEXUSES; i++)
		fake_nexus_free(world->nexus[i]);
	ring_free(world->ring);
}

static struct unit unit_of(const char *wwid)
{
	struct unit unit = {.limits = {.blocks = 100, .block_size = 512}};

	snprintf(unit.identity.wwid, sizeof(unit.identity.wwid), "%s", wwid);
	strcpy(unit.identity.serial, "s1");
	return unit;
}

static int join(struct world *world, int nexus, const struct unit *unit, struct path **path)
{
	return map_set_join(world->set, &world->nexus[nexus]->nexus, unit, &fixture_settings, NULL,
			    world, world->nexus[nexus], path);
}

static void paths_to_one_unit_join_one_map(void **state)
{
	struct world world = world_new();
	struct unit unit = unit_of("36001405aaaa");
	struct path *a, *b;
	struct map *map;

	assert_null(map_set_find(world.set, unit.identity.wwid));
	assert_int_equal(join(&world, 0, &unit, &a), 0);
	map = map_set_find(world.set, unit.identity.wwid);
	assert_non_null(map);
	assert_int_equal(join(&world, 1, &unit, &b), 0);
	assert_ptr_equal(path_map(a), map);
	assert_ptr_equal(path_map(b), map);
	assert_int_equal(map_path_count(map), 2);
	assert_int_equal(map_set_count(world.set), 1);
	assert_ptr_equal(path_userdata(b), world.nexus[1]);
	assert_int_equal(path_get_state(b), PATH_VERIFY);
	map_set_remove(world.set, map);
	assert_int_equal(map_set_count(world.set), 0);
	assert_null(map_set_find(world.set, unit.identity.wwid));
	world_free(&world);
}

static void different_units_have_different_maps(void **state)
{
	struct world world = world_new();
	struct map *maps[NEXUSES];
	struct path *path;

	for (int i = 0; i < NEXUSES; i++) {
		char wwid[16];
		struct unit unit;

		snprintf(wwid, sizeof(wwid), "3600%d", i);
		unit = unit_of(wwid);
		assert_int_equal(join(&world, i, &unit, &path), 0);
		maps[i] = path_map(path);
	}
	assert_int_equal(map_set_count(world.set), NEXUSES);
	for (int i = 0; i < NEXUSES; i++) {
		for (int j = 0; j < i; j++)
			assert_ptr_not_equal(maps[i], maps[j]);
	}
	for (int i = 0; i < NEXUSES; i++)
		map_set_remove(world.set, maps[i]);
	world_free(&world);
}

static void nothing_is_merged_that_differs(void **state)
{
	struct world world = world_new();
	struct unit unit = unit_of("36001405aaaa"), other;
	struct path *a, *b = NULL;

	assert_int_equal(join(&world, 0, &unit, &a), 0);
	other = unit;
	other.limits.blocks++;
	assert_int_equal(join(&world, 1, &other, &b), -ERANGE);
	other = unit;
	other.limits.block_size = 4096;
	assert_int_equal(join(&world, 1, &other, &b), -ERANGE);
	other = unit;
	strcpy(other.identity.serial, "s2");
	assert_int_equal(join(&world, 1, &other, &b), -EMEDIUMTYPE);
	assert_int_equal(join(&world, 0, &unit, &b), -EEXIST);
	assert_null(b);
	assert_int_equal(map_path_count(path_map(a)), 1);
	map_set_remove(world.set, path_map(a));
	world_free(&world);
}

static void a_resized_map_takes_paths_of_the_new_size(void **state)
{
	struct world world = world_new();
	struct unit unit = unit_of("36001405aaaa");
	struct path *a, *b;

	assert_int_equal(join(&world, 0, &unit, &a), 0);
	unit.limits.blocks = 200;
	assert_int_equal(join(&world, 1, &unit, &b), -ERANGE);
	map_set_limits(path_map(a), &unit.limits);
	assert_int_equal(join(&world, 1, &unit, &b), 0);
	map_set_remove(world.set, path_map(a));
	world_free(&world);
}

static void a_unit_that_cannot_tell_who_it_is_is_refused(void **state)
{
	struct world world = world_new();
	struct unit unit = unit_of("");
	struct path *path = NULL;

	assert_int_equal(join(&world, 0, &unit, &path), -EINVAL);
	assert_null(path);
	assert_int_equal(map_set_count(world.set), 0);
	world_free(&world);
}

static void a_join_that_fails_leaves_no_map(void **state)
{
	struct map_settings settings = fixture_settings;
	struct world world = world_new();
	struct unit unit = unit_of("36001405aaaa");
	struct path *path = NULL;

	strcpy(settings.selector, "magic");
	assert_int_equal(map_set_join(world.set, &world.nexus[0]->nexus, &unit, &settings, NULL,
				      NULL, NULL, &path),
			 -EINVAL);
	assert_null(path);
	assert_null(map_set_find(world.set, "36001405aaaa"));
	world_free(&world);
}

static void many_maps_are_all_found(void **state)
{
	struct world world = world_new();
	struct fake_nexus *nexus = world.nexus[0];
	struct path *path;
	struct unit unit;
	char wwid[32];

	for (int i = 0; i < 2000; i++) {
		snprintf(wwid, sizeof(wwid), "360014050000%04d", i);
		unit = unit_of(wwid);
		assert_int_equal(map_set_join(world.set, &nexus->nexus, &unit, &fixture_settings,
					      NULL, NULL, NULL, &path),
				 0);
	}
	assert_int_equal(map_set_count(world.set), 2000);
	for (int i = 0; i < 2000; i++) {
		struct map *map;

		snprintf(wwid, sizeof(wwid), "360014050000%04d", i);
		map = map_set_find(world.set, wwid);
		assert_non_null(map);
		assert_string_equal(map_unit(map)->identity.wwid, wwid);
		map_set_remove(world.set, map);
	}
	world_free(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths_to_one_unit_join_one_map),
		cmocka_unit_test(different_units_have_different_maps),
		cmocka_unit_test(nothing_is_merged_that_differs),
		cmocka_unit_test(a_resized_map_takes_paths_of_the_new_size),
		cmocka_unit_test(a_unit_that_cannot_tell_who_it_is_is_refused),
		cmocka_unit_test(a_join_that_fails_leaves_no_map),
		cmocka_unit_test(many_maps_are_all_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
