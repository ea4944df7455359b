/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/* What a map does about reservation conflicts, and when it must not write any more. */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "scsi/cdb.h"
#include "tests/unit/multipath/fixture.h"

static const struct fake_answer refused = FAKE_STATUS(SCSI_RESERVATION_CONFLICT);

static void a_conflict_is_the_submitters_while_no_key_is_wanted(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *write;

	fake_nexus_script(f->nexus[0], SCSI_WRITE_16, 1, &refused);
	fake_nexus_script(f->nexus[1], SCSI_WRITE_16, 1, &refused);
	write = fixture_write(f, 0, 1, 0x5a);
	fixture_run(f);
	assert_int_equal(write->error, -EBADE);
	assert_int_equal(f->conflicts, 0);
	assert_int_equal(path_get_state(f->path[0]), PATH_ACTIVE);
	fixture_free(f);
}

static void a_path_that_lost_its_registration_is_looked_after_and_the_write_moves(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *write;
	unsigned where;

	map_set_reservation(f->map, true, 0);
	write = fixture_write(f, 0, 1, 0x5a);
	where = fixture_where(f);
	fake_nexus_complete(f->nexus[where], 0, &refused);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	assert_int_equal(f->conflicts, 1);
	assert_ptr_equal(f->conflict, f->path[where]);
	assert_int_equal(path_get_state(f->path[where]), PATH_VERIFY);
	assert_int_equal(path_get_state(f->path[!where]), PATH_ACTIVE);
	assert_int_equal(f->unit->writes, 1);
	fixture_free(f);
}

static void on_the_only_path_the_write_waits_until_it_is_registered_again(void **state)
{
	struct fixture *f = fixture_new(1, NULL);
	struct request *write;

	map_set_reservation(f->map, true, 0);
	fake_nexus_script(f->nexus[0], SCSI_WRITE_16, 1, &refused);
	write = fixture_write(f, 0, 1, 0x5a);
	fixture_run(f);
	assert_int_equal(write->error, NOT_ENDED);
	assert_int_equal(f->conflicts, 1);
	path_verified(f->path[0]);
	fixture_run(f);
	assert_int_equal(write->error, 0);
	fixture_free(f);
}

static void a_conflict_of_a_path_that_is_registered_ends_the_write(void **state)
{
	struct fixture *f = fixture_new(1, NULL);

	map_set_reservation(f->map, true, 0);
	fake_nexus_script(f->nexus[0], SCSI_WRITE_16, FAKE_FOR_EVER, &refused);
	for (unsigned i = 0; i < 3; i++) {
		struct request *write = fixture_write(f, i, 1, 0x5a);

		fixture_run(f);
		if (i == 0) {
			assert_int_equal(write->error, NOT_ENDED);
			path_verified(f->path[0]);
			fixture_run(f);
		}
		assert_int_equal(write->error, -EBADE);
		assert_int_equal(path_get_state(f->path[0]), PATH_ACTIVE);
	}
	/* once in a login, however many writes meet it; and each was sent twice at most */
	assert_int_equal(f->conflicts, 1);
	assert_int_equal(fake_nexus_count(f->nexus[0], SCSI_WRITE_16), 6);
	fixture_free(f);
}

static void all_writes_on_the_wire_are_given_another_chance(void **state)
{
	struct fixture *f = fixture_new(1, NULL);
	struct request *writes[8];

	map_set_reservation(f->map, true, 0);
	fake_nexus_script(f->nexus[0], SCSI_WRITE_16, 8, &refused);
	for (unsigned i = 0; i < 8; i++)
		writes[i] = fixture_write(f, i, 1, 0x5a);
	fixture_run(f);
	path_verified(f->path[0]);
	fixture_run(f);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(writes[i]->error, 0);
	assert_int_equal(f->conflicts, 1);
	fixture_free(f);
}

static void after_another_login_a_conflict_is_looked_after_again(void **state)
{
	struct fixture *f = fixture_new(1, NULL);

	map_set_reservation(f->map, true, 0);
	for (unsigned i = 1; i <= 3; i++) {
		struct request *write;

		fake_nexus_script(f->nexus[0], SCSI_WRITE_16, 1, &refused);
		write = fixture_write(f, 0, 1, 0x5a);
		fixture_run(f);
		assert_int_equal(f->conflicts, i);
		path_verified(f->path[0]);
		fixture_run(f);
		assert_int_equal(write->error, 0);
		fixture_lose(f, 0);
		fixture_relogin(f, 0);
	}
	fixture_free(f);
}

static void without_its_key_a_map_reads_and_does_not_write(void **state)
{
	struct fixture *f = fixture_new(2, NULL);
	struct request *write, *read, *again;

	map_set_reservation(f->map, false, -EBADE);
	write = fixture_write(f, 0, 1, 0x5a);
	read = fixture_read(f, 0, 1);
	fixture_run(f);
	assert_int_equal(write->error, -EBADE);
	assert_int_equal(read->error, 0);
	assert_int_equal(f->unit->writes, 0);

	map_set_reservation(f->map, true, 0);
	again = fixture_write(f, 0, 1, 0x5a);
	fixture_run(f);
	assert_int_equal(again->error, 0);
	fixture_free(f);
}

static void writes_that_wait_for_a_path_end_when_the_key_is_gone(void **state)
{
	struct fixture *f = fixture_new(1, NULL);
	struct request *write, *read;

	map_set_reservation(f->map, true, 0);
	fixture_lose(f, 0);
	write = fixture_write(f, 0, 1, 0x5a);
	read = fixture_read(f, 0, 1);
	map_set_reservation(f->map, false, -EBADE);
	fixture_run(f);
	assert_int_equal(write->error, -EBADE);
	assert_int_equal(read->error, NOT_ENDED);
	fixture_relogin(f, 0);
	fixture_run(f);
	assert_int_equal(read->error, 0);
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_conflict_is_the_submitters_while_no_key_is_wanted),
		cmocka_unit_test(
			a_path_that_lost_its_registration_is_looked_after_and_the_write_moves),
		cmocka_unit_test(on_the_only_path_the_write_waits_until_it_is_registered_again),
		cmocka_unit_test(a_conflict_of_a_path_that_is_registered_ends_the_write),
		cmocka_unit_test(all_writes_on_the_wire_are_given_another_chance),
		cmocka_unit_test(after_another_login_a_conflict_is_looked_after_again),
		cmocka_unit_test(without_its_key_a_map_reads_and_does_not_write),
		cmocka_unit_test(writes_that_wait_for_a_path_end_when_the_key_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
