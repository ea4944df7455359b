/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Which network interface is meant: the one that has a hardware address, or the one that a
 * connection goes over. Any thread.
 */

#include <net/if.h>

struct ifaddrs;

/**
 * interface_choose() - out of a list as getifaddrs() gives it; see interface_of_hardware()
 */
int interface_choose(const struct ifaddrs *list, const char *hardware_address, char name[IFNAMSIZ]);

/**
 * interface_of_hardware() - the interface with @hardware_address ("52:54:00:12:34:56", any case)
 *
 * A card shares its address with what is put on top of it (VLAN, bond, bridge). The one that is up
 * and has an IP address is meant, because the others carry nothing of their own.
 * Return: 0; -ENODEV when there is none; -EINVAL when it is no hardware address.
 */
int interface_of_hardware(const char *hardware_address, char name[IFNAMSIZ]);

/**
 * interface_of_socket() - over which interface does the connection @fd go?
 *
 * The one that it is bound to, or else the one that has its local address; "" for none, and for the
 * loopback, where no link-local address is.
 */
void interface_of_socket(int fd, char name[IFNAMSIZ]);
