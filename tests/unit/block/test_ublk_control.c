/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "block/ublk_abi.h"
#include "block/ublk_control.h"
#include "util/cleanup.h"

#define COOKIE	  UINT64_C(0x6861777312345678)
#define ALL_FLAGS (UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE | UBLK_F_UPDATE_SIZE)

/* A driver with one device, number 7. */
struct driver {
	struct ublk_control control;
	uint64_t features;
	struct ublk_device_info device;
	int features_error, start_error, delete_async_error, delete_error;
	unsigned live_looks;  /* so often its old server is still seen */
	unsigned busy_starts; /* so often START_RECOVERY is refused */
	unsigned paused_ms;
	unsigned count;
	uint32_t operations[16]; /* the last ones */
	uint64_t data;
};

static void *memory_of(const struct ublk_control_command *command)
{
	return (void *)(uintptr_t)command->address;
}

static int add(struct driver *driver, const struct ublk_control_command *command)
{
	struct ublk_device_info *info = memory_of(command);

	assert_int_equal(info->device_id, command->device_id);
	assert_int_equal(command->length_bytes, sizeof(*info));
	info->device_id = 7;
	info->flags &= driver->features;
	driver->device = *info;
	return 0;
}

static int tell_device(struct driver *driver, const struct ublk_control_command *command)
{
	if (command->device_id != 7)
		return -ENODEV;
	if (driver->live_looks > 0 && --driver->live_looks == 0)
		driver->device.state = UBLK_DEVICE_QUIESCED;
	memcpy(memory_of(command), &driver->device, sizeof(driver->device));
	return 0;
}

static int execute(struct ublk_control *control, uint32_t operation,
		   const struct ublk_control_command *command, const struct ublk_patience *patience)
{
	struct driver *driver = container_of(control, struct driver, control);

	driver->operations[driver->count++ % ARRAY_SIZE(driver->operations)] = operation;
	driver->data = command->data;
	assert_int_equal(command->queue_id, UBLK_NO_QUEUE);
	switch (operation) {
	case UBLK_GET_FEATURES:
		memcpy(memory_of(command), &driver->features, sizeof(driver->features));
		return driver->features_error;
	case UBLK_ADD_DEVICE:
		return add(driver, command);
	case UBLK_GET_DEVICE_INFO:
		return tell_device(driver, command);
	case UBLK_START_RECOVERY:
		if (driver->busy_starts > 0) {
			driver->busy_starts--;
			return -EBUSY;
		}
		return driver->start_error;
	case UBLK_DELETE_DEVICE_ASYNC:
		return driver->delete_async_error;
	case UBLK_DELETE_DEVICE:
		return driver->delete_error;
	default:
		return 0;
	}
}

static void pause_for(struct ublk_control *control, unsigned ms)
{
	container_of(control, struct driver, control)->paused_ms += ms;
}

static const struct ublk_control_ops fake_ops = {execute, pause_for};

static struct driver driver_init(void)
{
	return (struct driver){
		.control = {.ops = &fake_ops, .fd = -1, .features = ALL_FLAGS},
		.features = ALL_FLAGS,
		.device = {.device_id = 7, .state = UBLK_DEVICE_QUIESCED, .server_data = COOKIE},
	};
}

static uint32_t last(const struct driver *driver)
{
	return driver->operations[(driver->count - 1) % ARRAY_SIZE(driver->operations)];
}

/* --- what is there --- */

static void driver_without_recovery_is_not_used(void **state)
{
	struct driver driver = driver_init();
	const char *step = NULL;

	assert_int_equal(ublk_control_check(&driver.control, &step), 0);
	assert_int_equal(driver.control.features, ALL_FLAGS);
	driver.features = UBLK_F_USER_RECOVERY;
	assert_int_equal(ublk_control_check(&driver.control, &step), -EOPNOTSUPP);
	assert_non_null(strstr(step, "6.5"));
}

static void driver_that_does_not_know_the_question_is_too_old(void **state)
{
	struct driver driver = driver_init();
	const char *step;

	driver.features_error = -EINVAL;
	assert_int_equal(ublk_control_check(&driver.control, &step), -EOPNOTSUPP);
	driver.features_error = -EPERM;
	assert_int_equal(ublk_control_check(&driver.control, &step), -EPERM);
}

static void kernels_that_crash_are_known_by_name(void **state)
{
	assert_true(ublk_release_is_bad("6.18.4"));
	assert_true(ublk_release_is_bad("6.18.5-arch1-1"));
	assert_true(ublk_release_is_bad("6.17.0-35-generic"));
	assert_true(ublk_release_is_bad("6.17.0-1017-aws"));
	assert_false(ublk_release_is_bad("6.18.44"));
	assert_false(ublk_release_is_bad("6.18.50-1"));
	assert_false(ublk_release_is_bad("6.17.0-36-generic"));
	assert_false(ublk_release_is_bad("6.12.95+deb12-cloud-amd64"));
}

/* --- making --- */

static void device_asks_for_recovery_and_keeps_the_cookie(void **state)
{
	struct driver driver = driver_init();
	uint32_t id = 0;

	assert_int_equal(ublk_add(&driver.control, 129, 65536, COOKIE, &id), 0);
	assert_int_equal(id, 7);
	assert_int_equal(driver.device.queue_count, 1);
	assert_int_equal(driver.device.queue_depth, 129);
	assert_int_equal(driver.device.request_max_bytes, 65536);
	assert_int_equal(driver.device.server_data, COOKIE);
	assert_int_equal(driver.device.flags, UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE);
}

static void device_that_would_not_survive_is_deleted_at_once(void **state)
{
	struct driver driver = driver_init();
	uint32_t id = 99;

	driver.features = 0;
	assert_int_equal(ublk_add(&driver.control, 8, 65536, COOKIE, &id), -EOPNOTSUPP);
	assert_int_equal(id, 99);
	assert_int_equal(last(&driver), UBLK_DELETE_DEVICE_ASYNC);
}

static void start_names_this_process_as_the_server(void **state)
{
	struct driver driver = driver_init();
	struct ublk_patience patience = {};

	assert_int_equal(ublk_start(&driver.control, 7, &patience), 0);
	assert_int_equal(last(&driver), UBLK_START_DEVICE);
	assert_int_equal(driver.data, getpid());
	assert_int_equal(ublk_end_recovery(&driver.control, 7, &patience), 0);
	assert_int_equal(last(&driver), UBLK_END_RECOVERY);
	assert_int_equal(driver.data, getpid());
}

/* --- recovery --- */

static void recovery_waits_for_the_old_server_to_go(void **state)
{
	struct driver driver = driver_init();

	driver.device.state = UBLK_DEVICE_LIVE;
	driver.live_looks = 5;
	assert_int_equal(ublk_await_recovery(&driver.control, 7, COOKIE), 0);
	assert_true(driver.paused_ms > 0);
	assert_int_equal(last(&driver), UBLK_GET_DEVICE_INFO);
}

static void recovery_begins_when_the_old_server_has_closed_the_device(void **state)
{
	struct driver driver = driver_init();

	driver.busy_starts = 3;
	assert_int_equal(ublk_begin_recovery(&driver.control, 7), 0);
	assert_int_equal(last(&driver), UBLK_START_RECOVERY);
	assert_int_equal(driver.busy_starts, 0);
	driver.busy_starts = 100000;
	assert_int_equal(ublk_begin_recovery(&driver.control, 7), -ETIME);
}

static void recovery_gives_up_on_a_server_that_stays(void **state)
{
	struct driver driver = driver_init();

	driver.device.state = UBLK_DEVICE_LIVE;
	assert_int_equal(ublk_await_recovery(&driver.control, 7, COOKIE), -ETIME);
	/* The driver may notice a server's death after 30 s only. */
	assert_in_range(driver.paused_ms, 31000, 60000);
}

static void device_of_another_is_never_recovered(void **state)
{
	struct driver driver = driver_init();

	assert_int_equal(ublk_await_recovery(&driver.control, 7, COOKIE + 1), -ENODEV);
	assert_int_equal(ublk_await_recovery(&driver.control, 8, COOKIE), -ENODEV);
	driver.device.state = UBLK_DEVICE_DEAD;
	assert_int_equal(ublk_await_recovery(&driver.control, 7, COOKIE), -ENODEV);
}

static void recovery_that_a_dead_server_began_goes_on(void **state)
{
	struct driver driver = driver_init();

	driver.start_error = -EINVAL; /* not even one tag was fetched since */
	assert_int_equal(ublk_begin_recovery(&driver.control, 7), 0);
	assert_int_equal(driver.paused_ms, 0);
}

static void refused_recovery_is_told(void **state)
{
	struct driver driver = driver_init();

	driver.start_error = -EPERM;
	assert_int_equal(ublk_begin_recovery(&driver.control, 7), -EPERM);
	assert_int_equal(driver.paused_ms, 0);
}

/* --- the rest --- */

static void resize_needs_a_driver_that_can(void **state)
{
	struct driver driver = driver_init();

	assert_int_equal(ublk_resize(&driver.control, 7, 4096), 0);
	assert_int_equal(last(&driver), UBLK_UPDATE_SIZE);
	assert_int_equal(driver.data, 4096);
	driver.control.features &= ~UBLK_F_UPDATE_SIZE;
	driver.count = 0;
	assert_int_equal(ublk_resize(&driver.control, 7, 4096), -EOPNOTSUPP);
	assert_int_equal(driver.count, 0);
}

static void delete_does_not_wait_for_who_has_it_open(void **state)
{
	struct driver driver = driver_init();

	assert_int_equal(ublk_delete(&driver.control, 7), 0);
	assert_int_equal(driver.count, 1);
	/* Before Linux 6.9 only the other command exists, which would. */
	driver.delete_async_error = -EOPNOTSUPP;
	assert_int_equal(ublk_delete(&driver.control, 7), 0);
	assert_int_equal(last(&driver), UBLK_DELETE_DEVICE);
	driver.delete_error = -ETIME;
	assert_int_equal(ublk_delete(&driver.control, 7), 1);
	driver.delete_async_error = -ENODEV;
	assert_int_equal(ublk_delete(&driver.control, 7), -ENODEV);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(driver_without_recovery_is_not_used),
		cmocka_unit_test(driver_that_does_not_know_the_question_is_too_old),
		cmocka_unit_test(kernels_that_crash_are_known_by_name),
		cmocka_unit_test(device_asks_for_recovery_and_keeps_the_cookie),
		cmocka_unit_test(device_that_would_not_survive_is_deleted_at_once),
		cmocka_unit_test(start_names_this_process_as_the_server),
		cmocka_unit_test(recovery_waits_for_the_old_server_to_go),
		cmocka_unit_test(recovery_begins_when_the_old_server_has_closed_the_device),
		cmocka_unit_test(recovery_gives_up_on_a_server_that_stays),
		cmocka_unit_test(device_of_another_is_never_recovered),
		cmocka_unit_test(recovery_that_a_dead_server_began_goes_on),
		cmocka_unit_test(refused_recovery_is_told),
		cmocka_unit_test(resize_needs_a_driver_that_can),
		cmocka_unit_test(delete_does_not_wait_for_who_has_it_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
