/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/cleanup.h"
#include "util/text.h"

static const char help[] =
	"Usage: hawserd [OPTION]...\n"
	"Keeps iSCSI sessions, joins their paths, and shows each logical unit as one block device.\n"
	"\n"
	"      --conf-dir DIR   records, initiatorname.iscsi and iscsid.conf (/etc/iscsi)\n"
	"      --config FILE    settings (/etc/hawser/hawser.conf)\n"
	"      --run-dir DIR    sockets and state (/run/hawser)\n"
	"      --dev-dir DIR    device links (/dev)\n"
	"      --firmware-dir DIR\n"
	"                       the firmware's boot table (/sys/firmware/ibft)\n"
	"      --fd-store KIND  who keeps block devices alive when hawserd dies: keeper (a process\n"
	"                       of its own), systemd, or none (keeper)\n"
	"      --workers N      data-plane threads (one per two CPUs)\n"
	"  -f, --foreground     log to standard error\n"
	"  -d, --debug          log everything\n"
	"  -h, --help           print this\n"
	"  -V, --version        print the version\n";

static const struct text_name fd_stores[] = {
	{FD_STORE_KEEPER, "keeper"},
	{FD_STORE_SYSTEMD, "systemd"},
	{FD_STORE_NONE, "none"},
};

int options_parse(int argc, char **argv, struct options *ret)
{
	enum {
		OPTION_CONF_DIR = 256,
		OPTION_CONFIG,
		OPTION_RUN_DIR,
		OPTION_DEV_DIR,
		OPTION_FIRMWARE_DIR,
		OPTION_FD_STORE,
		OPTION_WORKERS
	};
	static const struct option table[] = {
		{"conf-dir", required_argument, NULL, OPTION_CONF_DIR},
		{"config", required_argument, NULL, OPTION_CONFIG},
		{"run-dir", required_argument, NULL, OPTION_RUN_DIR},
		{"dev-dir", required_argument, NULL, OPTION_DEV_DIR},
		{"firmware-dir", required_argument, NULL, OPTION_FIRMWARE_DIR},
		{"fd-store", required_argument, NULL, OPTION_FD_STORE},
		{"workers", required_argument, NULL, OPTION_WORKERS},
		{"foreground", no_argument, NULL, 'f'},
		{"debug", no_argument, NULL, 'd'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{},
	};
	uint64_t number;
	int c, kind;

	*ret = (struct options){
		.conf_dir = "/etc/iscsi",
		.state_dir = "/var/lib/iscsi",
		.hawser_conf = "/etc/hawser/hawser.conf",
		.run_dir = "/run/hawser",
		.dev_dir = "/dev",
		.firmware_dir = "/sys/firmware/ibft",
		.fd_store = FD_STORE_KEEPER,
	};
	while ((c = getopt_long(argc, argv, "fdhV", table, NULL)) != -1) {
		switch (c) {
		case OPTION_CONF_DIR:
			ret->conf_dir = ret->state_dir = optarg;
			break;
		case OPTION_CONFIG:
			ret->hawser_conf = optarg;
			break;
		case OPTION_RUN_DIR:
			ret->run_dir = optarg;
			break;
		case OPTION_DEV_DIR:
			ret->dev_dir = optarg;
			break;
		case OPTION_FIRMWARE_DIR:
			ret->firmware_dir = optarg;
			break;
		case OPTION_FD_STORE:
			if (text_value_of(fd_stores, ARRAY_SIZE(fd_stores), optarg, &kind) < 0) {
				fprintf(stderr, "hawserd: --fd-store wants keeper, systemd or "
						"none\n");
				return 1 + EXIT_FAILURE;
			}
			ret->fd_store = (enum fd_store_kind)kind;
			break;
		case OPTION_WORKERS:
			if (text_parse_u64(optarg, 1, 256, &number) < 0) {
				fprintf(stderr,
					"hawserd: --workers wants a number from 1 to 256\n");
				return 1 + EXIT_FAILURE;
			}
			ret->workers = (unsigned)number;
			break;
		case 'f':
			ret->foreground = true;
			break;
		case 'd':
			ret->debug = true;
			break;
		case 'h':
			fputs(help, stdout);
			return 1 + EXIT_SUCCESS;
		case 'V':
			printf("hawserd %s\n", HAWSER_VERSION);
			return 1 + EXIT_SUCCESS;
		default:
			fprintf(stderr, "Try 'hawserd --help'.\n");
			return 1 + EXIT_FAILURE;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "hawserd: '%s' is no option\n", argv[optind]);
		return 1 + EXIT_FAILURE;
	}
	return 0;
}
