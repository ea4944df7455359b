/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * One program, two names: called iscsiadm it is what scripts know, by any other name it is hawser.
 */

#include <string.h>

#include "cli/hawser.h"
#include "cli/iscsiadm.h"

int main(int argc, char **argv)
{
	const char *name = argc > 0 ? strrchr(argv[0], '/') : NULL;

	name = name ? name + 1 : argc > 0 ? argv[0] : "";
	return strcmp(name, "iscsiadm") == 0 ? iscsiadm_main(argc, argv) : hawser_main(argc, argv);
}
