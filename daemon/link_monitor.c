/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

#include "daemon/link_monitor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-event.h>

#include "util/cleanup.h"

#define GROUPS \
	(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE | \
	 RTMGRP_IPV6_ROUTE)
#define ROUTES_QUIET_US 50000 /* what changes within it is told once */

struct link_monitor {
	struct mnl_socket *socket;
	sd_event_source *io;
	sd_event_source *routes; /* a timer, while a change of routes is to be told */
	sd_event *event;
	const struct link_observer *observer;
	void *userdata;
};

static void on_link(struct link_monitor *monitor, const struct nlmsghdr *header)
{
	const struct ifinfomsg *link = mnl_nlmsg_get_payload(header);
	bool up = header->nlmsg_type == RTM_NEWLINK && link->ifi_flags & IFF_UP &&
		  link->ifi_flags & IFF_RUNNING;

	if (link->ifi_index > 0)
		monitor->observer->link_changed((unsigned)link->ifi_index, up, monitor->userdata);
}

static void on_address_gone(struct link_monitor *monitor, const struct nlmsghdr *header)
{
	const struct ifaddrmsg *message = mnl_nlmsg_get_payload(header);
	size_t length = message->ifa_family == AF_INET6 ? 16 : 4;
	char text[INET6_ADDRSTRLEN];
	const struct nlattr *attribute;

	mnl_attr_for_each(attribute, header, sizeof(*message))
	{
		uint16_t type = mnl_attr_get_type(attribute);

		/* IFA_LOCAL is ours where there is one; on IPv6 only IFA_ADDRESS is. */
		if (type != (message->ifa_family == AF_INET6 ? IFA_ADDRESS : IFA_LOCAL) ||
		    mnl_attr_get_payload_len(attribute) < length)
			continue;
		if (inet_ntop(message->ifa_family, mnl_attr_get_payload(attribute), text,
			      sizeof(text)))
			monitor->observer->address_gone(text, monitor->userdata);
	}
}

static int tell_routes(sd_event_source *source, uint64_t now_us, void *userdata)
{
	struct link_monitor *monitor = userdata;

	monitor->routes = sd_event_source_disable_unref(monitor->routes);
	monitor->observer->routes_changed(monitor->userdata);
	return 0;
}

/* A router may change thousands at once; the time is counted from the first. */
static void on_route_changed(struct link_monitor *monitor)
{
	if (!monitor->routes &&
	    sd_event_add_time_relative(monitor->event, &monitor->routes, CLOCK_MONOTONIC,
				       ROUTES_QUIET_US, 0, tell_routes, monitor) < 0)
		monitor->observer->routes_changed(monitor->userdata);
}

static int on_message(const struct nlmsghdr *header, void *data)
{
	struct link_monitor *monitor = data;

	switch (header->nlmsg_type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (mnl_nlmsg_get_payload_len(header) >= sizeof(struct ifinfomsg))
			on_link(monitor, header);
		break;
	case RTM_DELADDR:
		if (mnl_nlmsg_get_payload_len(header) >= sizeof(struct ifaddrmsg))
			on_address_gone(monitor, header);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
		on_route_changed(monitor);
		break;
	}
	return MNL_CB_OK;
}

static int link_monitor_io(sd_event_source *source, int fd, uint32_t events, void *userdata)
{
	struct link_monitor *monitor = userdata;
	char buffer[16384];
	ssize_t n = mnl_socket_recvfrom(monitor->socket, buffer, sizeof(buffer));

	if (n > 0)
		mnl_cb_run(buffer, (size_t)n, 0, 0, on_message, monitor);
	else if (n < 0 && errno == ENOBUFS)
		on_route_changed(monitor); /* some news were lost: look what is left */
	return 0;
}

int link_monitor_new(sd_event *event, const struct link_observer *observer, void *userdata,
		     struct link_monitor **ret)
{
	struct link_monitor *monitor = calloc(1, sizeof(*monitor));
	int r = 0;

	if (!monitor)
		return -ENOMEM;
	monitor->event = event;
	monitor->observer = observer;
	monitor->userdata = userdata;
	monitor->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!monitor->socket || mnl_socket_bind(monitor->socket, GROUPS, MNL_SOCKET_AUTOPID) < 0)
		r = -errno;
	if (r == 0)
		r = sd_event_add_io(event, &monitor->io, mnl_socket_get_fd(monitor->socket),
				    EPOLLIN, link_monitor_io, monitor);
	if (r < 0) {
		link_monitor_free(monitor);
		return r;
	}
	*ret = monitor;
	return 0;
}

void link_monitor_free(struct link_monitor *monitor)
{
	if (!monitor)
		return;
	sd_event_source_disable_unref(monitor->io);
	sd_event_source_disable_unref(monitor->routes);
	if (monitor->socket)
		mnl_socket_close(monitor->socket);
	free(monitor);
}

/* The route to an address, asked for once per login. */

static int on_route(const struct nlmsghdr *header, void *data)
{
	const struct nlattr *attribute;
	int *interface_index = data;

	if (header->nlmsg_type != RTM_NEWROUTE ||
	    mnl_nlmsg_get_payload_len(header) < sizeof(struct rtmsg))
		return MNL_CB_OK;
	mnl_attr_for_each(attribute, header, sizeof(struct rtmsg))
	{
		if (mnl_attr_get_type(attribute) == RTA_OIF &&
		    mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
			*interface_index = (int)mnl_attr_get_u32(attribute);
	}
	return MNL_CB_OK;
}

/* Put @text as attribute @type. Return: its address family, or -EINVAL */
static int put_address(struct nlmsghdr *header, uint16_t type, const char *text)
{
	uint8_t address[16];

	if (inet_pton(AF_INET, text, address) == 1) {
		mnl_attr_put(header, type, 4, address);
		return AF_INET;
	}
	if (inet_pton(AF_INET6, text, address) == 1) {
		mnl_attr_put(header, type, 16, address);
		return AF_INET6;
	}
	return -EINVAL;
}

static int ask_route(struct mnl_socket *socket, const char *destination, const char *source)
{
	char buffer[8192];
	struct nlmsghdr *header = mnl_nlmsg_put_header(buffer);
	struct rtmsg *route = mnl_nlmsg_put_extra_header(header, sizeof(*route));
	struct timeval patience = {.tv_sec = 1};
	int family, interface_index = -ENETUNREACH;
	ssize_t n;

	header->nlmsg_type = RTM_GETROUTE;
	header->nlmsg_flags = NLM_F_REQUEST;
	family = put_address(header, RTA_DST, destination);
	if (family < 0)
		return family;
	if (source[0] && put_address(header, RTA_SRC, source) != family)
		return -EINVAL;
	route->rtm_family = (uint8_t)family;
	route->rtm_dst_len = route->rtm_src_len = family == AF_INET6 ? 128 : 32;
	if (!source[0])
		route->rtm_src_len = 0;
	setsockopt(mnl_socket_get_fd(socket), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (mnl_socket_sendto(socket, header, header->nlmsg_len) < 0)
		return -errno;
	n = mnl_socket_recvfrom(socket, buffer, sizeof(buffer));
	if (n < 0 || mnl_cb_run(buffer, (size_t)n, 0, 0, on_route, &interface_index) < 0)
		return -errno;
	return interface_index;
}

int link_of_route(const char *destination, const char *source)
{
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int r;

	if (!socket)
		return -errno;
	r = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : 0;
	if (r == 0)
		r = ask_route(socket, destination, source);
	mnl_socket_close(socket);
	return r;
}
