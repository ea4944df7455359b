/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/interface_lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/ether.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "util/text.h"

static bool has_hardware(const struct ifaddrs *entry, const struct ether_addr *hardware)
{
	const struct sockaddr_ll *link = (const struct sockaddr_ll *)entry->ifa_addr;

	return link && link->sll_family == AF_PACKET && link->sll_halen == ETH_ALEN &&
	       memcmp(link->sll_addr, hardware, ETH_ALEN) == 0;
}

static bool is_global(const struct sockaddr *address)
{
	if (!address)
		return false;
	if (address->sa_family == AF_INET6)
		return !IN6_IS_ADDR_LINKLOCAL(&((const struct sockaddr_in6 *)address)->sin6_addr);
	return address->sa_family == AF_INET;
}

/* 0: down; 1: up; 2: up, and has an address of its own */
static int usefulness(const struct ifaddrs *list, const struct ifaddrs *card)
{
	if (!(card->ifa_flags & IFF_UP))
		return 0;
	for (const struct ifaddrs *entry = list; entry; entry = entry->ifa_next)
		if (strcmp(entry->ifa_name, card->ifa_name) == 0 && is_global(entry->ifa_addr))
			return 2;
	return 1;
}

int interface_choose(const struct ifaddrs *list, const char *hardware_address, char name[IFNAMSIZ])
{
	struct ether_addr hardware;
	int best = -1;

	if (!ether_aton_r(hardware_address, &hardware))
		return -EINVAL;
	for (const struct ifaddrs *entry = list; entry; entry = entry->ifa_next) {
		int useful;

		if (!has_hardware(entry, &hardware))
			continue;
		useful = usefulness(list, entry);
		if (useful <= best)
			continue;
		best = useful;
		text_copy(name, IFNAMSIZ, entry->ifa_name);
	}
	return best < 0 ? -ENODEV : 0;
}

int interface_of_hardware(const char *hardware_address, char name[IFNAMSIZ])
{
	struct ifaddrs *list;
	int r;

	if (getifaddrs(&list) < 0)
		return -errno;
	r = interface_choose(list, hardware_address, name);
	freeifaddrs(list);
	return r;
}

static bool same_address(const struct sockaddr *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)b;

	if (!a)
		return false;
	if (a->sa_family == AF_INET && b->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return a->sa_family == AF_INET6 && b->ss_family == AF_INET6 &&
	       IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)a)->sin6_addr, &b6->sin6_addr);
}

static void interface_of_address(const struct sockaddr_storage *address, char name[IFNAMSIZ])
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)address;
	struct ifaddrs *list;

	if (address->ss_family == AF_INET6 && v6->sin6_scope_id) {
		if (!if_indextoname(v6->sin6_scope_id, name))
			name[0] = '\0';
		return;
	}
	if (getifaddrs(&list) < 0)
		return;
	for (const struct ifaddrs *entry = list; entry; entry = entry->ifa_next)
		if (!(entry->ifa_flags & IFF_LOOPBACK) && same_address(entry->ifa_addr, address)) {
			text_copy(name, IFNAMSIZ, entry->ifa_name);
			break;
		}
	freeifaddrs(list);
}

void interface_of_socket(int fd, char name[IFNAMSIZ])
{
	struct sockaddr_storage local = {};
	socklen_t length = IFNAMSIZ, local_length = sizeof(local);

	if (getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &length) == 0 && length > 0 &&
	    name[0])
		return;
	name[0] = '\0';
	if (getsockname(fd, (struct sockaddr *)&local, &local_length) == 0)
		interface_of_address(&local, name);
}
