/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include "cli/explain.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "util/cleanup.h"
#include "util/text.h"

/* clang-format off */
static const struct explanation explanations[] = {
	{0, "Success",
	 "It worked.",
	 "Nothing needs to be done."},
	{1, "Failed",
	 "It failed for a reason that has no code of its own, or was interrupted.",
	 "Read the message, then 'journalctl -u hawserd.service'."},
	{2, "SessionNotFound",
	 "There is no such session, or it ended meanwhile.",
	 "'hawser sessions' lists those there are."},
	{3, "NoMemory",
	 "Memory ran out; iscsiadm also ends so for an interface that it does not know.",
	 "Check the interface name, then 'free' and the memory limit of hawserd.service."},
	{4, "TransportFailed",
	 "The connection to the portal failed: no route, refused, or the name was not found.",
	 "Check address and port, cable, route and firewall; try 'ping' from the right interface."},
	{5, "LoginFailed",
	 "The target could be reached but did not complete the login.",
	 "Look at the target's own log: it may be starting, full, or out of resources."},
	{6, "DatabaseFailed",
	 "A record could not be read or written.",
	 "Check space and permissions of /etc/iscsi; the journal names the file."},
	{7, "InvalidArgument",
	 "The command, a setting's name or its value was not understood.",
	 "See 'hawser help VERB', or hawser(8) and iscsiadm(8)."},
	{8, "TransportTimeout",
	 "The portal did not answer in time.",
	 "Check that its address is reachable from here and that no firewall drops TCP 3260."},
	{9, "Internal",
	 "The daemon met something that should not happen.",
	 "Please report it with 'journalctl -u hawserd.service'."},
	{10, "LogoutFailed",
	 "The session could not be logged out.",
	 "Try again; 'hawser status' shows its state."},
	{11, "PduTimeout",
	 "The portal took the connection but did not answer what was asked, or never took it.",
	 "Check that it is an iSCSI portal and that large packets pass (MTU)."},
	{12, "TransportNotFound",
	 "What this transport needs is missing on this machine.",
	 "Use transport tcp."},
	{13, "AccessDenied",
	 "You may not do this.",
	 "Do it as root, or let the administrator allow it by polkit."},
	{14, "TransportCapability",
	 "The transport cannot do what was asked.",
	 "Use transport tcp."},
	{15, "SessionExists",
	 "There is a session already: logged in, or in the way of what was asked.",
	 "For a login nothing needs to be done; to change or delete a record, log out first."},
	{16, "UnknownRequest",
	 "The daemon does not know this request.",
	 "Restart hawserd.service: it may be older than this command."},
	{18, "CommunicationFailed",
	 "Talking to the daemon broke off.",
	 "See 'systemctl status hawserd.service'."},
	{19, "FatalLogin",
	 "The target refused the login for good; trying again will not help.",
	 "Check target name and initiator name (/etc/iscsi/initiatorname.iscsi) on both sides."},
	{20, "NotConnected",
	 "The daemon is not running or cannot be reached.",
	 "Start it with 'systemctl start hawserd.service'."},
	{21, "NoObjectsFound",
	 "Nothing matches.",
	 "'hawser nodes' and 'hawser sessions' list what there is; 'hawser discover ADDRESS' finds more."},
	{22, "NoSuchSession",
	 "iscsiadm was asked for a session id that does not exist.",
	 "'iscsiadm -m session' lists those there are."},
	{23, "HostNotFound",
	 "There is no such offload host.",
	 "Offload adapters are not used by this initiator."},
	{24, "AuthenticationFailed",
	 "The target does not accept this initiator or its CHAP name and secret.",
	 "Set node.session.auth.username and .password with 'hawser set', and check the target's access list."},
	{25, "IsnsQueryFailed",
	 "The iSNS server did not answer.",
	 "iSNS is not supported; discover with SendTargets."},
	{26, "IsnsRegistrationFailed",
	 "The iSNS server did not register this initiator.",
	 "iSNS is not supported; discover with SendTargets."},
	{27, "NotSupported",
	 "This cannot be done by this initiator or this version.",
	 "iscsiadm(8) lists what is supported."},
	{28, "Busy",
	 "The device is in use and would lose its last path.",
	 "Unmount or release it first; 'hawser show MAP' says who holds it."},
	{29, "TryAgain",
	 "It failed now but may succeed later.",
	 "Try again."},
	{30, "UnknownDiscoveryType",
	 "There is no such kind of discovery.",
	 "Use sendtargets."},
	{31, "ChildTerminated",
	 "A helper process ended before its time.",
	 "Try again; the journal says more."},
	{32, "SessionNotConnected",
	 "The session has no connection at the moment.",
	 "Wait until it is back, or log it out with --force."},
	{33, "RequestTimeout",
	 "The daemon did not answer in time.",
	 "See 'systemctl status hawserd.service'."},
	{34, "ReservationConflict",
	 "The unit is reserved by another host, or this host's key is not registered there.",
	 "'hawser pr keys MAP' shows who is; 'hawser pr register MAP KEY' registers this host."},
};

/* What to do next where it depends on what was asked: in place of the one above. */
static const struct advice {
	int status;
	const char *verb, *next;
} advices[] = {
	{11, "discover",
	 "Check that an iSCSI target listens at this address and port and that no firewall is in the way."},
	{15, "remove",
	 "'hawser logout TARGET' takes it away in order; remove is for a disk whose paths are all lost."},
	{21, "remove", "'hawser maps' lists those there are."},
	{21, "pr",     "'hawser maps' lists those there are."},
	{21, "group",  "'hawser maps' lists those there are."},
	{21, "reset",  "'hawser maps' and 'hawser sessions' list what there is."},
};
/* clang-format on */

const char *explain_next(int status, const char *verb)
{
	const struct explanation *explanation = explain_status(status);

	for (size_t i = 0; verb && i < ARRAY_SIZE(advices); i++)
		if (advices[i].status == status && strcmp(advices[i].verb, verb) == 0)
			return advices[i].next;
	return explanation ? explanation->next : NULL;
}

const struct explanation *explain_status(int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(explanations); i++)
		if (explanations[i].status == status)
			return &explanations[i];
	return NULL;
}

const struct explanation *explain_word(const char *word)
{
	const char *dot = strrchr(word, '.');
	uint64_t number;

	if (text_parse_u64(word, 0, 255, &number) == 0)
		return explain_status((int)number);
	for (size_t i = 0; i < ARRAY_SIZE(explanations); i++)
		if (strcasecmp(explanations[i].name, dot ? dot + 1 : word) == 0)
			return &explanations[i];
	return NULL;
}
