/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "block/ublk_control.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "block/ublk_abi.h"
#include "util/cleanup.h"
#include "util/text.h"

#define MODPROBE	 "/sbin/modprobe"
#define WAIT_SLICE_MS	 100
#define ANSWER_LIMIT_MS	 30000
#define DELETE_LIMIT_MS	 1000
#define RECOVERY_STEP_MS 4
/* Drivers before Linux 6.15 may notice only by a request's time-out, 30 s where nobody set it. */
#define RECOVERY_LIMIT_MS 40000
#define RELEASE_LIMIT_MS  1000

#define WANTED_FLAGS (UBLK_F_USER_RECOVERY | UBLK_F_USER_RECOVERY_REISSUE)

/* --- the driver itself --- */

static int wait_for_answer(struct io_uring *uring, const struct ublk_patience *patience)
{
	struct io_uring_cqe *cqe;
	int r = -ETIME;

	for (unsigned waited_ms = 0; r == -ETIME || r == -EINTR; waited_ms += WAIT_SLICE_MS) {
		struct __kernel_timespec slice = {.tv_nsec = WAIT_SLICE_MS * 1000000L};

		if (patience->limit_ms && waited_ms >= patience->limit_ms)
			return -ETIME;
		if (patience->hopeless && patience->hopeless(patience->userdata))
			return -ETIME;
		r = io_uring_wait_cqe_timeout(uring, &cqe, &slice);
	}
	return r < 0 ? r : cqe->res;
}

/*
 * A ring for one command: they are few, come from whatever thread may block, and the end of the
 * ring is what interrupts one that takes too long.
 */
static int driver_execute(struct ublk_control *control, uint32_t operation,
			  const struct ublk_control_command *command,
			  const struct ublk_patience *patience)
{
	struct io_uring_params params = {.flags = IORING_SETUP_SQE128};
	struct io_uring_sqe *sqe;
	struct io_uring uring;
	int r = io_uring_queue_init_params(4, &uring, &params);

	if (r < 0)
		return r;
	sqe = io_uring_get_sqe(&uring);
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, control->fd, NULL, 0, 0);
	sqe->cmd_op = operation;
	memcpy(sqe->cmd, command, sizeof(*command));
	r = io_uring_submit(&uring);
	if (r >= 0)
		r = wait_for_answer(&uring, patience);
	io_uring_queue_exit(&uring);
	return r;
}

static void driver_pause(struct ublk_control *control, unsigned ms)
{
	struct timespec time = {.tv_nsec = (long)ms * 1000000};

	nanosleep(&time, NULL);
}

static const struct ublk_control_ops driver_ops = {driver_execute, driver_pause};

/* The module has no alias by which the kernel would load it. Once is enough: who installs it later
 * starts the daemon anew. */
static void load_module(void)
{
	static _Atomic bool tried;
	char *const arguments[] = {(char *)MODPROBE, (char *)"-q", (char *)"ublk_drv", NULL};
	char *const environment[] = {NULL};
	pid_t pid;

	if (atomic_exchange(&tried, true))
		return;
	if (posix_spawn(&pid, MODPROBE, NULL, NULL, arguments, environment) == 0)
		waitpid(pid, NULL, 0);
}

/* @prefix, and then no more digits. */
static bool is_release(const char *release, const char *prefix)
{
	return text_starts_with(release, prefix) &&
	       !isdigit((unsigned char)release[strlen(prefix)]);
}

bool ublk_release_is_bad(const char *release)
{
	/* Adding the first device ends in a NULL pointer there, and the control device is dead. */
	static const char *const bad[] = {
		"6.18.4",
		"6.18.5",
		"6.17.0-35-generic",
		"6.17.0-38-generic",
		"6.17.0-40-generic",
		"6.17.0-1017-aws",
		"6.17.0-1019-aws",
		"6.17.0-1015-azure",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (is_release(release, bad[i]))
			return true;
	return false;
}

int ublk_control_check(struct ublk_control *control, const char **step)
{
	struct ublk_control_command command = {
		.device_id = UBLK_NO_DEVICE,
		.queue_id = UBLK_NO_QUEUE,
		.length_bytes = sizeof(control->features),
		.address = (uintptr_t)&control->features,
	};
	struct ublk_patience patience = {.limit_ms = ANSWER_LIMIT_MS};
	int r;

	*step = "ask the ublk driver for what it can";
	r = control->ops->execute(control, UBLK_GET_FEATURES, &command, &patience);
	if (r < 0)
		return r == -EPERM || r == -EACCES ? r : -EOPNOTSUPP;
	*step = "find user recovery in the ublk driver (needs Linux 6.5)";
	return (control->features & WANTED_FLAGS) == WANTED_FLAGS ? 0 : -EOPNOTSUPP;
}

int ublk_control_open(struct ublk_control *control, const char *dev_dir, const char **step)
{
	struct utsname kernel;
	char path[288];
	int r;

	*control = (struct ublk_control){.ops = &driver_ops, .fd = -1};
	*step = "use the ublk driver of this kernel, which is known to crash";
	if (uname(&kernel) == 0 && ublk_release_is_bad(kernel.release))
		return -EOPNOTSUPP;
	*step = "open /dev/ublk-control (is the module ublk_drv there?)";
	snprintf(path, sizeof(path), "%s/ublk-control", dev_dir);
	control->fd = open(path, O_RDWR | O_CLOEXEC);
	if (control->fd < 0 && errno == ENOENT) {
		load_module();
		control->fd = open(path, O_RDWR | O_CLOEXEC);
	}
	if (control->fd < 0)
		return -errno;
	r = ublk_control_check(control, step);
	if (r < 0)
		ublk_control_close(control);
	return r;
}

void ublk_control_close(struct ublk_control *control)
{
	if (control->fd >= 0)
		close(control->fd);
	control->fd = -1;
}

/* --- commands --- */

static int send_command(struct ublk_control *control, uint32_t operation, uint32_t device_id,
			const void *buffer, size_t length_bytes)
{
	struct ublk_control_command command = {
		.device_id = device_id,
		.queue_id = UBLK_NO_QUEUE,
		.length_bytes = (uint16_t)length_bytes,
		.address = (uintptr_t)buffer,
	};
	struct ublk_patience patience = {.limit_ms = ANSWER_LIMIT_MS};

	return control->ops->execute(control, operation, &command, &patience);
}

static int send_number(struct ublk_control *control, uint32_t operation, uint32_t device_id,
		       uint64_t data, const struct ublk_patience *patience)
{
	struct ublk_control_command command = {
		.device_id = device_id,
		.queue_id = UBLK_NO_QUEUE,
		.data = data,
	};

	return control->ops->execute(control, operation, &command, patience);
}

int ublk_add(struct ublk_control *control, unsigned depth, uint32_t request_max_bytes,
	     uint64_t cookie, uint32_t *device_id)
{
	struct ublk_device_info info = {
		.queue_count = 1,
		.queue_depth = (uint16_t)depth,
		.request_max_bytes = request_max_bytes,
		.device_id = UBLK_NO_DEVICE,
		.flags = WANTED_FLAGS,
		.server_data = cookie,
	};
	int r = send_command(control, UBLK_ADD_DEVICE, UBLK_NO_DEVICE, &info, sizeof(info));

	if (r < 0)
		return r;
	/* The driver drops what it does not know, and says so only here. */
	if ((info.flags & WANTED_FLAGS) != WANTED_FLAGS || info.queue_depth != depth ||
	    info.request_max_bytes < request_max_bytes) {
		ublk_delete(control, info.device_id);
		return -EOPNOTSUPP;
	}
	*device_id = info.device_id;
	return 0;
}

int ublk_set_parameters(struct ublk_control *control, uint32_t device_id,
			const struct ublk_parameters *parameters)
{
	return send_command(control, UBLK_SET_PARAMETERS, device_id, parameters,
			    parameters->length_bytes);
}

int ublk_start(struct ublk_control *control, uint32_t device_id,
	       const struct ublk_patience *patience)
{
	return send_number(control, UBLK_START_DEVICE, device_id, (uint64_t)getpid(), patience);
}

int ublk_get_info(struct ublk_control *control, uint32_t device_id, struct ublk_device_info *info)
{
	return send_command(control, UBLK_GET_DEVICE_INFO, device_id, info, sizeof(*info));
}

int ublk_find(struct ublk_control *control, uint32_t device_id, uint64_t cookie,
	      struct ublk_device_info *info)
{
	int r = ublk_get_info(control, device_id, info);

	return r == 0 && info->server_data != cookie ? -ENODEV : r;
}

int ublk_await_recovery(struct ublk_control *control, uint32_t device_id, uint64_t cookie)
{
	struct ublk_device_info info = {};
	int r;

	for (unsigned waited_ms = 0; waited_ms < RECOVERY_LIMIT_MS; waited_ms += RECOVERY_STEP_MS) {
		r = ublk_find(control, device_id, cookie, &info);
		if (r < 0)
			return r;
		if (info.state != UBLK_DEVICE_LIVE)
			return info.state == UBLK_DEVICE_DEAD ? -ENODEV : 0;
		control->ops->pause(control, RECOVERY_STEP_MS);
	}
	return -ETIME;
}

int ublk_begin_recovery(struct ublk_control *control, uint32_t device_id)
{
	int r;

	for (unsigned waited_ms = 0; waited_ms < RELEASE_LIMIT_MS; waited_ms += RECOVERY_STEP_MS) {
		r = send_command(control, UBLK_START_RECOVERY, device_id, NULL, 0);
		/* One that began and died before it had fetched anything: the driver does not begin
		 * twice, and need not. */
		if (r != -EBUSY)
			return r == -EINVAL ? 0 : r;
		control->ops->pause(control, RECOVERY_STEP_MS);
	}
	return -ETIME;
}

int ublk_end_recovery(struct ublk_control *control, uint32_t device_id,
		      const struct ublk_patience *patience)
{
	return send_number(control, UBLK_END_RECOVERY, device_id, (uint64_t)getpid(), patience);
}

int ublk_resize(struct ublk_control *control, uint32_t device_id, uint64_t sectors)
{
	struct ublk_patience patience = {.limit_ms = ANSWER_LIMIT_MS};

	if (!(control->features & UBLK_F_UPDATE_SIZE))
		return -EOPNOTSUPP;
	return send_number(control, UBLK_UPDATE_SIZE, device_id, sectors, &patience);
}

int ublk_stop(struct ublk_control *control, uint32_t device_id)
{
	return send_command(control, UBLK_STOP_DEVICE, device_id, NULL, 0);
}

int ublk_delete(struct ublk_control *control, uint32_t device_id)
{
	struct ublk_patience patience = {.limit_ms = DELETE_LIMIT_MS};
	int r = send_command(control, UBLK_DELETE_DEVICE_ASYNC, device_id, NULL, 0);

	if (r >= 0 || r == -ENODEV)
		return MIN(r, 0);
	/* Before Linux 6.9: it waits for whoever has the block device open, but need not be waited
	 * for. */
	r = send_number(control, UBLK_DELETE_DEVICE, device_id, 0, &patience);
	return r == -ETIME ? 1 : r;
}
