/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/firmware.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "iscsi/name.h"
#include "iscsi/portal.h"
#include "util/cleanup.h"
#include "util/text.h"

#define ENTRIES_MAX 1024u /* of one folder that are looked at */

enum value_kind {
	VALUE_TEXT,    /* anything that can be shown */
	VALUE_SECRET,  /* the same, and never shown */
	VALUE_NAME,    /* of an iSCSI node */
	VALUE_ADDRESS, /* a number; zeros are none */
	VALUE_NUMBER,  /* decimal, 16 bits */
	VALUE_COUNT,   /* the same, where 0 is none */
};

/* Rows that the code asks for by name. */
enum row {
	ROW_INITIATOR_NAME,
	ROW_TRANSPORT,
	ROW_MAC,
	ROW_BOOTPROTO,
	ROW_NIC_ADDRESS,
	ROW_PREFIX,
	ROW_NETMASK,
	ROW_GATEWAY,
	ROW_DNS,
	ROW_DNS_2,
	ROW_VLAN,
	ROW_NET,
	ROW_TARGET_NAME,
	ROW_ADDRESS,
	ROW_PORT,
	ROW_CHAP_NAME,
	ROW_CHAP_SECRET,
	ROW_CHAP_NAME_IN,
	ROW_CHAP_SECRET_IN,
	ROW_LUN,
	ROWS_SHOWN,
	ROW_FLAGS = ROWS_SHOWN,
	ROW_NIC,
	ROW_CHAP_TYPE,
	ROW_DHCP,
	ROW_COUNT,
};

/* clang-format off */
static const struct {
	enum firmware_folder folder;
	const char *attribute;
	enum value_kind kind;
	const char *key; /* as iscsiadm prints it, in its order; NULL: not printed */
} rows[ROW_COUNT] = {
	[ROW_INITIATOR_NAME] = {FIRMWARE_INITIATOR, "initiator-name",       VALUE_NAME,    "iface.initiatorname"},
	[ROW_TRANSPORT]      = {FIRMWARE_NIC,       "",                     VALUE_TEXT,    "iface.transport_name"},
	[ROW_MAC]            = {FIRMWARE_NIC,       "mac",                  VALUE_TEXT,    "iface.hwaddress"},
	[ROW_BOOTPROTO]      = {FIRMWARE_NIC,       "origin",               VALUE_NUMBER,  "iface.bootproto"},
	[ROW_NIC_ADDRESS]    = {FIRMWARE_NIC,       "ip-addr",              VALUE_ADDRESS, "iface.ipaddress"},
	[ROW_PREFIX]         = {FIRMWARE_NIC,       "prefix-len",           VALUE_COUNT,   "iface.prefix_len"},
	[ROW_NETMASK]        = {FIRMWARE_NIC,       "subnet-mask",          VALUE_ADDRESS, "iface.subnet_mask"},
	[ROW_GATEWAY]        = {FIRMWARE_NIC,       "gateway",              VALUE_ADDRESS, "iface.gateway"},
	[ROW_DNS]            = {FIRMWARE_NIC,       "primary-dns",          VALUE_ADDRESS, "iface.primary_dns"},
	[ROW_DNS_2]          = {FIRMWARE_NIC,       "secondary-dns",        VALUE_ADDRESS, "iface.secondary_dns"},
	[ROW_VLAN]           = {FIRMWARE_NIC,       "vlan",                 VALUE_COUNT,   "iface.vlan_id"},
	[ROW_NET]            = {FIRMWARE_NIC,       "net",                  VALUE_TEXT,    "iface.net_ifacename"},
	[ROW_TARGET_NAME]    = {FIRMWARE_TARGET,    "target-name",          VALUE_NAME,    "node.name"},
	[ROW_ADDRESS]        = {FIRMWARE_TARGET,    "ip-addr",              VALUE_ADDRESS, "node.conn[0].address"},
	[ROW_PORT]           = {FIRMWARE_TARGET,    "port",                 VALUE_COUNT,   "node.conn[0].port"},
	[ROW_CHAP_NAME]      = {FIRMWARE_TARGET,    "chap-name",            VALUE_TEXT,    "node.session.auth.username"},
	[ROW_CHAP_SECRET]    = {FIRMWARE_TARGET,    "chap-secret",          VALUE_SECRET,  "node.session.auth.password"},
	[ROW_CHAP_NAME_IN]   = {FIRMWARE_TARGET,    "rev-chap-name",        VALUE_TEXT,    "node.session.auth.username_in"},
	[ROW_CHAP_SECRET_IN] = {FIRMWARE_TARGET,    "rev-chap-name-secret", VALUE_SECRET,  "node.session.auth.password_in"},
	[ROW_LUN]            = {FIRMWARE_TARGET,    "lun",                  VALUE_TEXT,    "node.boot_lun"},
	[ROW_FLAGS]          = {FIRMWARE_TARGET,    "flags",                VALUE_NUMBER,  NULL},
	[ROW_NIC]            = {FIRMWARE_TARGET,    "nic-assoc",            VALUE_NUMBER,  NULL},
	[ROW_CHAP_TYPE]      = {FIRMWARE_TARGET,    "chap-type",            VALUE_NUMBER,  NULL},
	[ROW_DHCP]           = {FIRMWARE_NIC,       "dhcp",                 VALUE_ADDRESS, NULL},
};
/* clang-format on */

#define FLAG_VALID  1u /* of a target's flags */
#define ORIGIN_DHCP 3u /* of a network interface's address */

static_assert(ROWS_SHOWN == FIRMWARE_SETTINGS_MAX, "settings are rows");

typedef char value_text[FIRMWARE_VALUE_MAX + 1];

/* A folder keeps all rows, also those of other folders: simple, and small enough. */
struct firmware {
	value_text initiator[ROW_COUNT];
	value_text nics[FIRMWARE_NICS_MAX][ROW_COUNT];
	value_text targets[FIRMWARE_TARGETS_MAX][ROW_COUNT];
};

DEFINE_OWNED(firmware);

struct firmware *firmware_new(void)
{
	return calloc(1, sizeof(struct firmware));
}

void firmware_free(struct firmware *firmware)
{
	if (!firmware)
		return;
	explicit_bzero(firmware, sizeof(*firmware));
	free(firmware);
}

static value_text *folder_of(struct firmware *firmware, enum firmware_folder folder, unsigned index)
{
	switch (folder) {
	case FIRMWARE_INITIATOR:
		return index == 0 ? firmware->initiator : NULL;
	case FIRMWARE_NIC:
		return index < FIRMWARE_NICS_MAX ? firmware->nics[index] : NULL;
	case FIRMWARE_TARGET:
		return index < FIRMWARE_TARGETS_MAX ? firmware->targets[index] : NULL;
	}
	return NULL;
}

static bool usable(enum value_kind kind, const char *value)
{
	uint64_t number;

	switch (kind) {
	case VALUE_TEXT:
	case VALUE_SECRET:
		return text_is_printable(value);
	case VALUE_NAME:
		return name_usable(value, strlen(value));
	case VALUE_ADDRESS:
		return !strchr(value, '%') && portal_address_numeric(value) &&
		       !portal_address_unspecified(value);
	case VALUE_NUMBER:
		return text_parse_u64(value, 0, UINT16_MAX, &number) == 0;
	case VALUE_COUNT:
		return text_parse_u64(value, 1, UINT16_MAX, &number) == 0;
	}
	return false;
}

void firmware_take(struct firmware *firmware, enum firmware_folder folder, unsigned index,
		   const char *attribute, const void *value, size_t length_bytes)
{
	value_text *values = folder_of(firmware, folder, index);
	value_text text = "";

	if (length_bytes > 0 && ((const char *)value)[length_bytes - 1] == '\n')
		length_bytes--;
	if (!values || length_bytes == 0 || length_bytes > FIRMWARE_VALUE_MAX ||
	    memchr(value, '\0', length_bytes))
		return;
	memcpy(text, value, length_bytes);
	for (size_t row = 0; row < ROW_COUNT; row++)
		if (rows[row].folder == folder && strcmp(rows[row].attribute, attribute) == 0 &&
		    usable(rows[row].kind, text))
			memcpy(values[row], text, sizeof(text));
	explicit_bzero(text, sizeof(text));
}

/* --- what it means --- */

static unsigned number_of(const char *text, unsigned fallback)
{
	uint64_t number;

	return text_parse_u64(text, 0, UINT16_MAX, &number) == 0 ? (unsigned)number : fallback;
}

bool firmware_target(const struct firmware *firmware, unsigned index, struct firmware_target *ret)
{
	for (; index < FIRMWARE_TARGETS_MAX; index++) {
		const value_text *values = firmware->targets[index];

		if (!values[ROW_TARGET_NAME][0] || !values[ROW_ADDRESS][0] ||
		    !(number_of(values[ROW_FLAGS], FLAG_VALID) & FLAG_VALID))
			continue;
		text_copy(ret->name, sizeof(ret->name), values[ROW_TARGET_NAME]);
		text_copy(ret->address, sizeof(ret->address), values[ROW_ADDRESS]);
		ret->port = (uint16_t)number_of(values[ROW_PORT], PORTAL_PORT_DEFAULT);
		ret->index = index;
		return true;
	}
	return false;
}

static const char *nic_value(const struct firmware *firmware, unsigned nic, enum row row)
{
	const value_text *values;

	if (row == ROW_TRANSPORT)
		return "tcp";
	if (nic >= FIRMWARE_NICS_MAX)
		return row == ROW_BOOTPROTO ? "STATIC" : "";
	values = firmware->nics[nic];
	if (row != ROW_BOOTPROTO)
		return values[row];
	return number_of(values[row], 0) == ORIGIN_DHCP || values[ROW_DHCP][0] ? "DHCP" : "STATIC";
}

/* The table says which of the CHAP fields count: none, one direction, both (chap-type). */
static const char *target_value(const value_text *values, enum row row)
{
	unsigned type = number_of(values[ROW_CHAP_TYPE], 2);

	if ((row == ROW_CHAP_NAME || row == ROW_CHAP_SECRET) && type < 1)
		return "";
	if ((row == ROW_CHAP_NAME_IN || row == ROW_CHAP_SECRET_IN) && type < 2)
		return "";
	if (row == ROW_PORT && !values[row][0])
		return "3260";
	return values[row];
}

bool firmware_setting(const struct firmware *firmware, unsigned index, size_t row, const char **key,
		      const char **value, bool *secret)
{
	const value_text *target;

	if (row >= ROWS_SHOWN || index >= FIRMWARE_TARGETS_MAX)
		return false;
	target = firmware->targets[index];
	*key = rows[row].key;
	*secret = rows[row].kind == VALUE_SECRET;
	switch (rows[row].folder) {
	case FIRMWARE_INITIATOR:
		*value = firmware->initiator[row];
		break;
	case FIRMWARE_NIC:
		*value = nic_value(firmware, number_of(target[ROW_NIC], 0), (enum row)row);
		break;
	case FIRMWARE_TARGET:
		*value = target_value(target, (enum row)row);
		break;
	}
	return true;
}

/* --- sysfs --- */

static void read_attribute(struct firmware *firmware, enum firmware_folder folder, unsigned index,
			   int folder_fd, const char *attribute)
{
	char value[FIRMWARE_VALUE_MAX + 2]; /* with a line feed, and one byte more than is taken */
	owned_fd int fd = openat(folder_fd, attribute,
				 O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	ssize_t n = fd < 0 ? -1 : read(fd, value, sizeof(value));

	if (n > 0)
		firmware_take(firmware, folder, index, attribute, value, (size_t)n);
	explicit_bzero(value, sizeof(value));
}

static DIR *open_folder(int parent, const char *name)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);

	if (!folder && fd >= 0)
		close(fd);
	return folder;
}

/* The kernel's name of the card: the folder below its device. */
static void read_net_name(struct firmware *firmware, unsigned index, int folder_fd)
{
	DIR *net = open_folder(folder_fd, "device/net");
	const struct dirent *entry;

	while (net && (entry = readdir(net)))
		if (entry->d_name[0] != '.') {
			firmware_take(firmware, FIRMWARE_NIC, index, "net", entry->d_name,
				      strlen(entry->d_name));
			break;
		}
	if (net)
		closedir(net);
}

static void read_folder(struct firmware *firmware, enum firmware_folder folder, unsigned index,
			int root, const char *name)
{
	owned_fd int fd = openat(root, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	for (size_t row = 0; row < ROW_COUNT; row++)
		if (rows[row].folder == folder && rows[row].attribute[0] && row != ROW_NET)
			read_attribute(firmware, folder, index, fd, rows[row].attribute);
	if (folder == FIRMWARE_NIC)
		read_net_name(firmware, index, fd);
}

/* "target1" and the like. */
static void read_entry(struct firmware *firmware, int root, const char *name)
{
	/* clang-format off */
	static const struct {
		const char *prefix;
		enum firmware_folder folder;
	} folders[] = {
		{"ethernet", FIRMWARE_NIC},
		{"target",   FIRMWARE_TARGET},
	};
	/* clang-format on */
	uint64_t index;

	if (strcmp(name, "initiator") == 0)
		read_folder(firmware, FIRMWARE_INITIATOR, 0, root, name);
	for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
		if (text_starts_with(name, folders[i].prefix) &&
		    text_parse_u64(name + strlen(folders[i].prefix), 0, FIRMWARE_TARGETS_MAX - 1,
				   &index) == 0)
			read_folder(firmware, folders[i].folder, (unsigned)index, root, name);
}

int firmware_read(const char *root, struct firmware **ret)
{
	owned(firmware) firmware = firmware_new();
	DIR *folder = open_folder(AT_FDCWD, root);
	const struct dirent *entry;
	int r = folder ? 0 : -errno;

	if (!firmware)
		r = -ENOMEM;
	for (unsigned i = 0; r == 0 && i < ENTRIES_MAX && (entry = readdir(folder)); i++)
		read_entry(firmware, dirfd(folder), entry->d_name);
	if (folder)
		closedir(folder);
	if (r == 0)
		*ret = take(firmware);
	return r;
}
