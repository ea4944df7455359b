/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/interface_lookup.h"
#include "util/cleanup.h"

#define MAC   "52:54:00:12:34:56"
#define OTHER "52:54:00:12:34:57"

/* One line of what getifaddrs() tells. */
struct line {
	struct ifaddrs entry;
	union {
		struct sockaddr any;
		struct sockaddr_ll link;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address;
};

static const struct ifaddrs *list_of(struct line *lines, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		lines[i].entry.ifa_addr = &lines[i].address.any;
		lines[i].entry.ifa_next = i + 1 < count ? &lines[i + 1].entry : NULL;
	}
	return &lines[0].entry;
}

static struct line card(const char *name, unsigned flags, uint8_t last)
{
	return (struct line){
		.entry = {.ifa_name = (char *)name, .ifa_flags = flags},
		.address.link =
			{
				.sll_family = AF_PACKET,
				.sll_halen = ETH_ALEN,
				.sll_addr = {0x52, 0x54, 0x00, 0x12, 0x34, last},
			},
	};
}

static struct line v4(const char *name)
{
	return (struct line){
		.entry = {.ifa_name = (char *)name, .ifa_flags = IFF_UP},
		.address.v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000207)},
	};
}

static struct line v6(const char *name, const char *address)
{
	struct line line = {
		.entry = {.ifa_name = (char *)name, .ifa_flags = IFF_UP},
		.address.v6 = {.sin6_family = AF_INET6},
	};

	assert_int_equal(inet_pton(AF_INET6, address, &line.address.v6.sin6_addr), 1);
	return line;
}

static void the_card_is_known_by_its_hardware_address(void **state)
{
	struct line lines[] = {card("eth0", IFF_UP, 0x57), card("eth1", IFF_UP, 0x56), v4("eth0")};
	const struct ifaddrs *list = list_of(lines, ARRAY_SIZE(lines));
	char name[IFNAMSIZ] = "";

	assert_int_equal(interface_choose(list, MAC, name), 0);
	assert_string_equal(name, "eth1");
	assert_int_equal(interface_choose(list, OTHER, name), 0);
	assert_string_equal(name, "eth0");
	assert_int_equal(interface_choose(list, "52:54:00:12:34:58", name), -ENODEV);
	assert_int_equal(interface_choose(list, "nonsense", name), -EINVAL);
	assert_int_equal(interface_choose(list, "", name), -EINVAL);
	assert_int_equal(interface_choose(NULL, MAC, name), -ENODEV);
}

/* A bond has its first card's address, a VLAN and a bridge that of the card below. */
static void what_has_an_ip_address_is_meant_when_several_share_one(void **state)
{
	struct line bond[] = {card("eth0", IFF_UP, 0x56), card("bond0", IFF_UP, 0x56), v4("bond0")};
	struct line vlan[] = {card("eth0.5", IFF_UP, 0x56), card("eth0", IFF_UP, 0x56),
			      v6("eth0", "fe80::1"), v6("eth0.5", "2001:db8::1")};
	struct line down[] = {card("eth0", 0, 0x56), card("br0", IFF_UP, 0x56)};
	struct line alike[] = {card("eth0", IFF_UP, 0x56), card("eth1", IFF_UP, 0x56)};
	char name[IFNAMSIZ] = "";

	assert_int_equal(interface_choose(list_of(bond, ARRAY_SIZE(bond)), MAC, name), 0);
	assert_string_equal(name, "bond0");
	assert_int_equal(interface_choose(list_of(vlan, ARRAY_SIZE(vlan)), MAC, name), 0);
	assert_string_equal(name, "eth0.5");
	assert_int_equal(interface_choose(list_of(down, ARRAY_SIZE(down)), MAC, name), 0);
	assert_string_equal(name, "br0");
	assert_int_equal(interface_choose(list_of(alike, ARRAY_SIZE(alike)), MAC, name), 0);
	assert_string_equal(name, "eth0");
}

static void the_loopback_is_no_interface_of_a_link_local_address(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	char name[IFNAMSIZ] = "before";
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	interface_of_socket(fd, name);
	assert_string_equal(name, "");
	close(fd);
	strcpy(name, "before");
	interface_of_socket(-1, name);
	assert_string_equal(name, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_card_is_known_by_its_hardware_address),
		cmocka_unit_test(what_has_an_ip_address_is_meant_when_several_share_one),
		cmocka_unit_test(the_loopback_is_no_interface_of_a_link_local_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
