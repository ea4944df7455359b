/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "scsi/unit.h"

static const struct unit_identity disk = {
	.wwid = "360014051", .serial = "S1", .vendor = "V", .product = "P", .revision = "1"};

static void identity_is_wwid_serial_and_type(void **state)
{
	struct unit_identity other = disk;

	assert_true(unit_identity_equal(&disk, &other));
	strcpy(other.wwid, "360014052");
	assert_false(unit_identity_equal(&disk, &other));
	other = disk;
	strcpy(other.serial, "S2");
	assert_false(unit_identity_equal(&disk, &other));
	other = disk;
	other.serial[0] = '\0';
	assert_false(unit_identity_equal(&disk, &other));
	other = disk;
	other.device_type = 0x0c;
	assert_false(unit_identity_equal(&disk, &other));
}

static void new_firmware_does_not_make_another_disk(void **state)
{
	struct unit_identity other = disk;

	strcpy(other.revision, "2");
	assert_true(unit_identity_equal(&disk, &other));
}

static void two_units_without_wwid_are_never_one(void **state)
{
	struct unit_identity nobody = {};

	assert_false(unit_identity_equal(&nobody, &nobody));
}

static void geometry_is_size_and_block_size(void **state)
{
	struct unit_limits a = {.blocks = 100, .block_size = 512}, b = a;

	b.max_transfer_blocks = 8;
	b.write_cache = true;
	b.target_port_group = 3;
	assert_true(unit_geometry_equal(&a, &b));
	b.blocks = 101;
	assert_false(unit_geometry_equal(&a, &b));
	b = a;
	b.block_size = 4096;
	assert_false(unit_geometry_equal(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(identity_is_wwid_serial_and_type),
		cmocka_unit_test(new_firmware_does_not_make_another_disk),
		cmocka_unit_test(two_units_without_wwid_are_never_one),
		cmocka_unit_test(geometry_is_size_and_block_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
