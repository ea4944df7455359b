/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What the kernel's ublk driver and we say to each other: numbers and layouts, as of Linux 7.3. Our
 * own, because <linux/ublk_cmd.h> of Debian 12 (6.1) lacks most of it. All of it is host-endian.
 */

#include <assert.h>
#include <stdint.h>
#include <sys/ioctl.h>

/* --- to /dev/ublk-control --- */

/* In the 80 bytes of an IORING_OP_URING_CMD in a ring with IORING_SETUP_SQE128. */
struct ublk_control_command {
	uint32_t device_id;
	uint16_t queue_id; /* UBLK_NO_QUEUE */
	uint16_t length_bytes;
	uint64_t address; /* of length_bytes that the command reads or fills */
	uint64_t data;
	uint64_t reserved;
};
static_assert(sizeof(struct ublk_control_command) == 32, "its size is part of the numbers below");

#define UBLK_NO_QUEUE  UINT16_MAX
#define UBLK_NO_DEVICE UINT32_MAX /* to be given a number */

#define UBLK_GET_DEVICE_INFO _IOR('u', 0x02, struct ublk_control_command)
#define UBLK_ADD_DEVICE	     _IOWR('u', 0x04, struct ublk_control_command)
#define UBLK_DELETE_DEVICE   _IOWR('u', 0x05, struct ublk_control_command)
#define UBLK_START_DEVICE    _IOWR('u', 0x06, struct ublk_control_command) /* data: process id */
#define UBLK_STOP_DEVICE     _IOWR('u', 0x07, struct ublk_control_command)
#define UBLK_SET_PARAMETERS  _IOWR('u', 0x08, struct ublk_control_command)
#define UBLK_START_RECOVERY  _IOWR('u', 0x10, struct ublk_control_command)
#define UBLK_END_RECOVERY    _IOWR('u', 0x11, struct ublk_control_command) /* data: process id */
#define UBLK_GET_FEATURES    _IOR('u', 0x13, struct ublk_control_command)  /* Linux 6.5 */
/* Linux 6.9: does not wait for whoever has the device open still */
#define UBLK_DELETE_DEVICE_ASYNC _IOR('u', 0x14, struct ublk_control_command)
#define UBLK_UPDATE_SIZE	 _IOWR('u', 0x15, struct ublk_control_command) /* data: sectors */

/* Flags of a device, and what GET_FEATURES tells of the driver. */
#define UBLK_F_USER_RECOVERY	     (UINT64_C(1) << 3)	 /* outlives its server */
#define UBLK_F_USER_RECOVERY_REISSUE (UINT64_C(1) << 4)	 /* and gives the next one its requests */
#define UBLK_F_UPDATE_SIZE	     (UINT64_C(1) << 10) /* Linux 6.16 */

enum ublk_device_state {
	UBLK_DEVICE_DEAD, /* not started, or stopped */
	UBLK_DEVICE_LIVE,
	UBLK_DEVICE_QUIESCED, /* its server died; requests wait for another */
	UBLK_DEVICE_FAIL_IO,  /* the same, but they fail */
};

struct ublk_device_info {
	uint16_t queue_count;
	uint16_t queue_depth;
	uint16_t state; /* enum ublk_device_state */
	uint16_t padding;
	uint32_t request_max_bytes;
	uint32_t device_id;
	int32_t server_pid;
	uint32_t padding1;
	uint64_t flags;
	uint64_t server_data; /* ours: the driver only keeps it */
	uint32_t owner_uid, owner_gid;
	uint64_t reserved1, reserved2;
};
static_assert(sizeof(struct ublk_device_info) == 64, "the driver refuses less");

enum ublk_parameter_types {
	UBLK_PARAMETERS_BASIC = 1u << 0,
	UBLK_PARAMETERS_DISCARD = 1u << 1,
};

enum ublk_attributes {
	UBLK_READ_ONLY = 1u << 0,
	UBLK_VOLATILE_CACHE = 1u << 2,
	UBLK_FUA = 1u << 3,
};

/* Sectors are always of 512 bytes. */
struct ublk_parameters {
	uint32_t length_bytes;
	uint32_t types; /* enum ublk_parameter_types */

	uint32_t attributes;	      /* enum ublk_attributes */
	uint8_t logical_block_shift;  /* log2 of bytes, as are the others */
	uint8_t physical_block_shift; /* not below logical_block_shift */
	uint8_t io_opt_shift;
	uint8_t io_min_shift;
	uint32_t max_sectors;
	uint32_t chunk_sectors;
	uint64_t device_sectors;
	uint64_t virt_boundary_mask;

	uint32_t discard_alignment;   /* bytes */
	uint32_t discard_granularity; /* bytes; never 0 */
	uint32_t max_discard_sectors; /* 0: it cannot */
	uint32_t max_write_zeroes_sectors;
	uint16_t max_discard_segments; /* 1 */
	uint16_t reserved;
	uint32_t padding;
};
static_assert(sizeof(struct ublk_parameters) == 64, "the first two kinds of parameters");

/* --- to /dev/ublkcN --- */

/* In the 16 bytes of an IORING_OP_URING_CMD. */
struct ublk_io_command {
	uint16_t queue_id;
	uint16_t tag;
	int32_t result;	  /* COMMIT: bytes of a READ or WRITE, 0 of others, or -errno */
	uint64_t address; /* where the next request's data come from, or go to */
};
static_assert(sizeof(struct ublk_io_command) == 16, "it fills a submission entry");

#define UBLK_IO_FETCH		 _IOWR('u', 0x20, struct ublk_io_command)
#define UBLK_IO_COMMIT_AND_FETCH _IOWR('u', 0x21, struct ublk_io_command)

/* How such a command completes: 0 = there is a request; else the tag is over. */
#define UBLK_IO_ABORTED (-19) /* -ENODEV */

enum ublk_io_operation {
	UBLK_IO_READ,
	UBLK_IO_WRITE,
	UBLK_IO_FLUSH,
	UBLK_IO_DISCARD,
	UBLK_IO_WRITE_SAME,
	UBLK_IO_WRITE_ZEROES,
};

#define UBLK_IO_OPERATION_MASK 0xffu
#define UBLK_IO_FUA	       (1u << 13)
#define UBLK_IO_NO_UNMAP       (1u << 15)

/* One per tag, in memory that the driver fills: mapped read-only from offset 0 for queue 0. */
struct ublk_io_descriptor {
	uint32_t operation; /* and flags above UBLK_IO_OPERATION_MASK */
	uint32_t sectors;
	uint64_t start_sector;
	uint64_t address;
};
static_assert(sizeof(struct ublk_io_descriptor) == 24, "an array of these is mapped");

#define UBLK_DEPTH_MAX 4096
