/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */

/*
 * The kinds of event. docs/EVENTS.md and units/hawser.catalog are made of this table: after a
 * change run "tests/style/events.py --write".
 */

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "daemon/event.h"
#include "util/cleanup.h"

/* clang-format off */
static const struct event_kind_row rows[] = {
	[EVENT_LOGGED_IN] = {
		.name = "logged-in",
		.message_id = "84ba6bae21cb49d7a6f774c1c8ff16df",
		.severity = LOG_NOTICE,
		.text = "session {sid}: logged in to {target} at {portal}[, redirected to {reason}]",
		.meaning = "A session reached full feature phase. Its units are looked at before they carry I/O.",
		.advice = "",
	},
	[EVENT_LOGGED_OUT] = {
		.name = "logged-out",
		.message_id = "64e98282a373409188a0a567f66fb485",
		.severity = LOG_NOTICE,
		.text = "session {sid}: logged out of {target} at {portal}",
		.meaning = "A session ended as somebody asked for.",
		.advice = "",
	},
	[EVENT_LOGIN_FAILED] = {
		.name = "login-failed",
		.message_id = "dd5415e7cc6c44a38b4001da96c7f44d",
		.severity = LOG_WARNING,
		.numbers = {"attempts"},
		.text = "session {sid}: login to {target} at {portal} failed (attempt {attempts}): {reason}",
		.meaning = "An attempt to log in failed. It is made again, after a growing pause.",
		.advice = "When it goes on: 'hawser status' tells the last error and the next attempt, 'hawser "
			"explain' what an error means.",
	},
	[EVENT_LOGIN_GIVEN_UP] = {
		.name = "login-given-up",
		.message_id = "36c9aa399e3b4c6688ea542d5761d225",
		.severity = LOG_WARNING,
		.text = "login to {target} at {portal} given up: {reason}",
		.meaning = "A session that had never been logged in is not tried any more.",
		.advice = "Correct what the reason names, and log in again: hawser login TARGET.",
	},
	[EVENT_SESSION_LOST] = {
		.name = "session-lost",
		.message_id = "339a0116e87746afb60bf4deb2bb1479",
		.severity = LOG_WARNING,
		.verdicts = VERDICT_FAILP,
		.text = "session {sid}: lost the connection to {target} at {portal}: {reason}, connecting "
			"again",
		.meaning = "The connection is gone. What was on its way moves to other paths; writes in doubt "
			"are fenced first.",
		.advice = "When it goes on: look at cable, switch and target.",
	},
	[EVENT_SESSION_FENCED] = {
		.name = "fenced",
		.message_id = "cb3cb82da49f4d1d9de2e4d9ee368b54",
		.severity = LOG_NOTICE,
		.verdicts = VERDICT_FENCE,
		.text = "session {sid}: what it had at {target} was ended through another portal",
		.meaning = "Another session took the lost one's place at the target, so that no write of it can "
			"be executed any more.",
		.advice = "",
	},
	[EVENT_TARGET_REPORT] = {
		.name = "async-event",
		.message_id = "8a78646c8618419eb217b2253051c834",
		.severity = LOG_NOTICE,
		.verdicts = VERDICT_EVT,
		.text = "session {sid}: the target reports {reason}",
		.meaning = "The target sent an asynchronous message (RFC 7143 §11.9).",
		.advice = "",
	},
	[EVENT_TARGET_MOVED] = {
		.name = "moved",
		.message_id = "dd16e7824fb64782acf3227f12229b47",
		.severity = LOG_NOTICE,
		.text = "target {target} has moved {reason}",
		.meaning = "The target answered a login with a permanent redirection (0102h).",
		.advice = "Where its record could not be changed, change it: hawser set, or discover anew.",
	},
	[EVENT_PORTAL_ADDED] = {
		.name = "portal-added",
		.message_id = "6b037d17e1034621aed2859071eb22c9",
		.severity = LOG_NOTICE,
		.text = "target {target} has one more portal, {portal}: {reason}",
		.meaning = "The target was asked for its portals, and named one that had no record.",
		.advice = "",
	},
	[EVENT_PORTAL_MISSING] = {
		.name = "portal-missing",
		.message_id = "4a5a6c7cceaf4a97a24c208596d3caff",
		.severity = LOG_NOTICE,
		.text = "target {target} does not name its portal {portal} any more; the record stays",
		.meaning = "The target was asked for its portals, and left out one that has a record.",
		.advice = "If the portal is gone for good, delete its record: iscsiadm -m node -o delete.",
	},
	[EVENT_DIGEST_ERROR] = {
		.name = "digest-error",
		.message_id = "0088b8a45d68497f8a7c3d513ebefd0e",
		.severity = LOG_WARNING,
		.verdicts = VERDICT_SAME,
		.text = "session {sid}: what {target} sends from {portal} comes damaged (wrong data digest); "
			"it is asked for again, and counted as digest_err",
		.meaning = "Data were damaged on their way. The digest has noticed; without it they would have "
			"been taken for good.",
		.advice = "Look for a bad cable, network card, switch or memory between the two.",
	},
	[EVENT_RESET] = {
		.name = "reset",
		.message_id = "cdeea2effa8d49cba73b3fe161b21ce0",
		.severity = LOG_NOTICE,
		.text = "session {sid}: {reason}",
		.meaning = "Somebody asked for a reset of a unit, a target or a session.",
		.advice = "",
	},
	[EVENT_LINK_DOWN] = {
		.name = "link-down",
		.message_id = "6c63fc735b2a48b49eff73ae0b1f8037",
		.severity = LOG_WARNING,
		.verdicts = VERDICT_FAILP,
		.numbers = {"interface"},
		.text = "session {sid}: the network link of interface {interface} to {portal} is down",
		.meaning = "The interface that the session goes over has no carrier, or was set down.",
		.advice = "Plug the cable in, or set the interface up.",
	},
	[EVENT_LINK_UP] = {
		.name = "link-up",
		.message_id = "d4ab7361c4d9430b822ce50d2467527f",
		.severity = LOG_NOTICE,
		.numbers = {"interface"},
		.text = "session {sid}: the network link of interface {interface} to {portal} is up again",
		.meaning = "The next attempt to log in is made at once.",
		.advice = "",
	},
	[EVENT_ADDRESS_GONE] = {
		.name = "address-gone",
		.message_id = "37efce52933e4bf4bd17712e3fe0f74e",
		.severity = LOG_WARNING,
		.verdicts = VERDICT_FAILP,
		.text = "session {sid}: the local address {reason} of its connection to {portal} is gone",
		.meaning = "An address of this host that a connection goes from was taken away.",
		.advice = "Find out who took it: a DHCP client, NetworkManager, somebody's hand.",
	},
	[EVENT_ROUTE_GONE] = {
		.name = "route-gone",
		.message_id = "254fdc52c0e94e3396e223f4cf82ced8",
		.severity = LOG_WARNING,
		.verdicts = VERDICT_FAILP,
		.text = "session {sid}: there is no route to {portal} any more",
		.meaning = "The kernel has no way to the portal: nothing that is sent can arrive.",
		.advice = "Look at 'ip route get ADDRESS'.",
	},
	[EVENT_ROUTE_CHANGED] = {
		.name = "route-changed",
		.message_id = "ac371454ba984aefa24f43fae124b27d",
		.severity = LOG_NOTICE,
		.verdicts = VERDICT_PROBE,
		.numbers = {"interface"},
		.text = "session {sid}: {portal} is reached over another interface now ({interface})",
		.meaning = "A change of the routes leads the connection another way; a ping tells whether that "
			"works.",
		.advice = "",
	},
	[EVENT_PATH_CHANGED] = {
		.name = "path-changed",
		.message_id = "a0b7b7ba61b84c739c98704de9e1d136",
		.severity = LOG_NOTICE,
		.numbers = {"usable", "paths", "in-doubt"},
		.text = "map {map}: path {portal} is {state} (was {from})[: {reason}]; {usable} of {paths} "
			"paths usable",
		.meaning = "A path changed its state. The states: active, probation (back, with a small share "
			"at first), suspect (silent at the moment), throttled, marginal (errors or flapping: "
			"held back), failed, down, verify, unmapped, quarantined.",
		.advice = "When a path does not return: 'hawser paths' and 'hawser status' tell what is wrong "
			"with it.",
	},
	[EVENT_PATH_ADDED] = {
		.name = "path-added",
		.message_id = "6ef699541b8941bf9b0c8aef0e5f7b7d",
		.severity = LOG_INFO,
		.verdicts = VERDICT_PROBE,
		.text = "map {map}: new path {portal}, LUN {lun}",
		.meaning = "A unit that a session shows is one more way to a map.",
		.advice = "",
	},
	[EVENT_PATH_REMOVED] = {
		.name = "path-removed",
		.message_id = "8ffe94edbe0d4580af628827a7db4dac",
		.severity = LOG_INFO,
		.text = "map {map}: path {portal}, LUN {lun} has left",
		.meaning = "The session was logged out, or the target shows the unit no more.",
		.advice = "",
	},
	[EVENT_UNIT_ATTENTION] = {
		.name = "unit-attention",
		.message_id = "c4c7a4e249a746f581b3bb7affb295d7",
		.severity = LOG_NOTICE,
		.verdicts = VERDICT_EVT,
		.numbers = {"asc", "ascq"},
		.text = "map {map}: the unit reports a change ({reason}) through {portal}, looking again",
		.meaning = "A unit attention: something about the unit changed, and whoever needs to know is "
			"looking at it again.",
		.advice = "",
	},
	[EVENT_UNIT_GONE] = {
		.name = "unit-gone",
		.message_id = "d2949e23c76b44cb9423917e83e2eb8e",
		.severity = LOG_WARNING,
		.verdicts = VERDICT_RESCAN,
		.text = "map {map}: portal {portal} shows LUN {lun} no more",
		.meaning = "The target does not show the unit through this portal any more.",
		.advice = "If that was not meant, map the unit to this host again.",
	},
	[EVENT_UNIT_GONE_IN_USE] = {
		.name = "unit-gone-in-use",
		.message_id = "09546dfced404e0882f45c07d62932b9",
		.severity = LOG_ERR,
		.text = "map {map}: its unit is gone, and the device stays because it is in use: {reason}",
		.meaning = "All paths say that the unit is no more, but somebody has its device open: I/O fails.",
		.advice = "Unmount it, or map the unit to this host again.",
	},
	[EVENT_WRONG_UNIT] = {
		.name = "wrong-unit",
		.message_id = "5c57f19786b443d9acdf3394660d3d0d",
		.severity = LOG_ERR,
		.verdicts = VERDICT_QUAR,
		.text = "map {map}: {reason} behind portal {portal}, LUN {lun}: the path is not used",
		.meaning = "Identity or size of what answers differ from what the map is. Not one byte is read "
			"or written there.",
		.advice = "A LUN number was given to another unit: log out and in again, or correct the target.",
	},
	[EVENT_GEOMETRY_DIFFERS] = {
		.name = "geometry-differs",
		.message_id = "9ea9364c6a0948a785a8fb7d3fbf59fe",
		.severity = LOG_ERR,
		.verdicts = VERDICT_CAP,
		.text = "unit {reason} has another block size or serial number through portal {portal} "
			"than through the paths it has: not used",
		.meaning = "All paths of a map must agree on who the unit is and how long its blocks are.",
		.advice = "Let the target show the same everywhere, then: hawser rescan.",
	},
	[EVENT_SIZE_DIFFERS] = {
		.name = "size-differs",
		.message_id = "64e63bae947245cd8dbd9466cda1ced1",
		.severity = LOG_WARNING,
		.verdicts = VERDICT_CAP,
		.numbers = {"bytes"},
		.text = "map {map}: its paths report different sizes; its device stays at {reason} until they "
			"agree",
		.meaning = "The unit was resized, and not every portal of the target shows it yet. A path that "
			"reports less than another one carries nothing.",
		.advice = "It passes when the target is through with it; 'hawser paths' tells what each reports.",
	},
	[EVENT_SHRINK_REFUSED] = {
		.name = "shrink-refused",
		.message_id = "732e07d7614d469fa9827f195e64232c",
		.severity = LOG_ERR,
		.verdicts = VERDICT_CAP,
		.numbers = {"bytes", "new-bytes"},
		.text = "map {map}: the unit has shrunk, and its device keeps its size because it is in use: "
			"{reason}; what lies behind the end fails",
		.meaning = "A device in use does not shrink. It does when nobody uses it any more.",
		.advice = "Let the target give the unit its old size again: what was behind the end is lost else.",
	},
	[EVENT_RESIZED] = {
		.name = "resized",
		.message_id = "bbe1afa30a88478ca3d6d79c253b4911",
		.severity = LOG_NOTICE,
		.verdicts = VERDICT_CAP,
		.numbers = {"old-bytes", "bytes"},
		.text = "map {map}: the unit has {reason}, and so has its device",
		.meaning = "All paths report the new size, and the kernel knows of it.",
		.advice = "File systems do not grow by themselves: resize2fs, xfs_growfs.",
	},
	[EVENT_RESIZE_FAILED] = {
		.name = "resize-failed",
		.message_id = "ea722e1b154843739d9504644dc4fb62",
		.severity = LOG_ERR,
		.verdicts = VERDICT_CAP,
		.numbers = {"bytes"},
		.text = "map {map}: the unit has another size, and its device stays as it is: {reason}",
		.meaning = "The kernel did not take the new size.",
		.advice = "It has it after a logout and a login.",
	},
	[EVENT_MAP_CHANGED] = {
		.name = "map-changed",
		.message_id = "8a431c8aa4aa4d538fab4e4ca461da13",
		.severity = LOG_NOTICE,
		.numbers = {"usable", "paths"},
		.text = "map {map} is {state} (was {from}); {usable} of {paths} paths usable",
		.meaning = "A map has all its paths (ok), some (degraded), or none: requests queue "
			"(no-path-queueing), fail (no-path-failing), or the unit itself is gone (lost).",
		.advice = "With no path: 'hawser status' tells what each of them waits for.",
	},
	[EVENT_MAP_ADDED] = {
		.name = "map-added",
		.message_id = "f526fac8494040fdb4749ded3600545f",
		.severity = LOG_INFO,
		.text = "map {map}: new",
		.meaning = "A unit was found that no map had yet.",
		.advice = "",
	},
	[EVENT_MAP_REMOVED] = {
		.name = "map-removed",
		.message_id = "58c903bebc7846d99f2f94693397e046",
		.severity = LOG_INFO,
		.text = "map {map}: gone",
		.meaning = "The last path has left, and the device is gone.",
		.advice = "",
	},
	[EVENT_DEVICE_LIVE] = {
		.name = "device-live",
		.message_id = "000fc5f79be14c6b90208b97335e1707",
		.severity = LOG_NOTICE,
		.numbers = {"bytes", "resumed"},
		.text = "map {map}: its device is {reason}[; {resumed} requests of before are carried out]",
		.meaning = "The block device can be used.",
		.advice = "",
	},
	[EVENT_DEVICE_FAILED] = {
		.name = "device-failed",
		.message_id = "9134700d27634796b1bd39c067b20c15",
		.severity = LOG_ERR,
		.text = "map {map}: it has no block device: {reason}",
		.meaning = "The map works, but the kernel did not make, or take away, its device.",
		.advice = "Look for fuse, loop, nbd or ublk in the kernel's log.",
	},
	[EVENT_DEFERRED_ERROR] = {
		.name = "deferred-error",
		.message_id = "69c4cc77378d4133a7354d0d9f65d606",
		.severity = LOG_CRIT,
		.verdicts = VERDICT_EVT,
		.numbers = {"key", "asc", "ascq"},
		.text = "map {map}: the unit lost a write that it had acknowledged ({reason}); the next "
			"flush fails",
		.meaning = "A deferred error (sense 71h or 73h): the target's cache could not be written.",
		.advice = "Data are lost that a program took for written. Check the target, and the data.",
	},
	[EVENT_FENCE_WANTED] = {
		.name = "fence-wanted",
		.message_id = "750d567eb9fa447d9c942d73244fbbfc",
		.severity = LOG_WARNING,
		.verdicts = VERDICT_FENCE,
		.numbers = {"in-doubt"},
		.text = "map {map}: writes in doubt on a lost path cannot be fenced for now: {reason}",
		.meaning = "Nobody can be sure yet that the target will not still execute what the lost path "
			"carried.",
		.advice = "Bring the lost portal back: its login ends this at once.",
	},
	[EVENT_GUARD_EXPIRED] = {
		.name = "guard-expired",
		.message_id = "bfcfba02d47e49eb8cace35e3ada1a1b",
		.severity = LOG_CRIT,
		.verdicts = VERDICT_FENCE,
		.numbers = {"ghosts"},
		.text = "map {map}: {ghosts} writes in doubt are guarded no more, although their lost path "
			"was never fenced: a target that still has them could put old data over new",
		.meaning = "guard_timeout is over. That is faith, not knowledge.",
		.advice = "Find out what became of the target that the path led to.",
	},
	[EVENT_ACCESS_CHANGED] = {
		.name = "access-changed",
		.message_id = "46372bc5021144718187ed7cac69f1b5",
		.severity = LOG_NOTICE,
		.verdicts = VERDICT_RTPG,
		.numbers = {"group"},
		.text = "map {map}: target port group {group} is {state} (was {from})[: {reason}]",
		.meaning = "The target said that it does the unit's I/O through other ports now (ALUA). Only "
			"optimized, non-optimized and lba-dependent groups carry any.",
		.advice = "When all are standby or unavailable: look at the controllers of the array.",
	},
	[EVENT_GROUP_ACTIVATED] = {
		.name = "group-activated",
		.message_id = "0fd4939057d349c19ad08b4ea0e19193",
		.severity = LOG_NOTICE,
		.verdicts = VERDICT_RTPG,
		.numbers = {"group"},
		.text = "map {map}: the target was asked to make port group {group} active, and did",
		.meaning = "No port group did I/O, or none so well: SET TARGET PORT GROUPS.",
		.advice = "",
	},
	[EVENT_ACTIVATION_FAILED] = {
		.name = "activation-failed",
		.message_id = "1d43296d0ea44622851ac2c602a0ce46",
		.severity = LOG_WARNING,
		.numbers = {"group"},
		.text = "map {map}: target port group {group} could not be activated: {reason}",
		.meaning = "The target refused SET TARGET PORT GROUPS, or did not answer. It is tried again after "
			"30 s.",
		.advice = "Look at the controllers of the array; 'alua_activation = never' leaves them alone.",
	},
	[EVENT_GROUP_SWITCHED] = {
		.name = "group-switched",
		.message_id = "ad70943b610c4802ae04c4759904538f",
		.severity = LOG_NOTICE,
		.text = "map {map}: {reason} is to be used, as asked for",
		.meaning = "Somebody chose a path group by hand.",
		.advice = "'hawser group MAP best' goes back to the best one.",
	},
	[EVENT_MAP_TAKEN_AWAY] = {
		.name = "map-taken-away",
		.message_id = "3fdc6d005fd147b1a944a79c3724cd7f",
		.severity = LOG_NOTICE,
		.text = "map {map}: it is taken away by hand[, although it is in use: {reason}]",
		.meaning = "Somebody said that its unit will not come back (hawser remove). What was not written "
			"yet is lost, and I/O of whoever still has the device open fails.",
		.advice = "Sessions that still try to reach the target end with: hawser logout.",
	},
	[EVENT_RECOVERY_UNFENCED] = {
		.name = "recovery-unfenced",
		.message_id = "4813275725c2445cb75420a35a271ad3",
		.severity = LOG_ERR,
		.verdicts = VERDICT_FENCE,
		.text = "map {map}: what the last hawserd had at portal {reason} could not be ended; going "
			"on without",
		.meaning = "After a restart of hawserd not every session could be taken over.",
		.advice = "Find out what became of that portal.",
	},
	[EVENT_REGISTRATION_LOST] = {
		.name = "registration-lost",
		.message_id = "c9788631d7ad4948b63c730b494b6c89",
		.severity = LOG_CRIT,
		.verdicts = VERDICT_PRCHK | VERDICT_ERR,
		.text = "map {map}: the key of this host was taken away: writes fail until it is "
			"registered again, or unregistered, by hand",
		.meaning = "Another host preempted this one, or the target has forgotten its registrations. "
			"Nothing is registered again by itself: that could undo a fencing.",
		.advice = "If the cluster lets this host in again: 'hawser pr register MAP'. If there is no cluster: "
			"'hawser pr unregister MAP'.",
	},
	[EVENT_RESERVATION_LOST] = {
		.name = "reservation-lost",
		.message_id = "ab98a9d9325c4ee4ac49fd4586fb3750",
		.severity = LOG_WARNING,
		.verdicts = VERDICT_PRCHK,
		.text = "map {map}: {reason}",
		.meaning = "The reservation that this host held is another's, or nobody's. Its paths are registered.",
		.advice = "'hawser pr show MAP' tells who has it.",
	},
	[EVENT_RESERVATION_ADOPTED] = {
		.name = "reservation-adopted",
		.message_id = "0fd64c7cfdd94cd987b30611714684c9",
		.severity = LOG_NOTICE,
		.verdicts = VERDICT_PRCHK,
		.text = "map {map}: the unit has the key of this host already: its paths are registered",
		.meaning = "The key that hawser.conf or the record names was found at the unit.",
		.advice = "",
	},
	[EVENT_PATH_NOT_REGISTERED] = {
		.name = "path-not-registered",
		.message_id = "a7849718997543cda1dc517213fd1893",
		.severity = LOG_ERR,
		.verdicts = VERDICT_PRCHK,
		.text = "map {map}: path {portal} {reason}; it carries no I/O, trying again",
		.meaning = "The map is registered with a key, and the unit does not take it from this path.",
		.advice = "Look for what the unit says; a target has room for so many registrations only.",
	},
	[EVENT_PATH_PREEMPTED] = {
		.name = "path-preempted",
		.message_id = "7e4d6647365141c7a80ea4f0cab02cfb",
		.severity = LOG_NOTICE,
		.verdicts = VERDICT_FENCE,
		.text = "map {map}: what a lost path left at the target was ended by PREEMPT AND ABORT of its key",
		.meaning = "Each path has a key of its own, so that a lost one could be fenced over another.",
		.advice = "",
	},
	[EVENT_PREEMPT_FAILED] = {
		.name = "preempt-failed",
		.message_id = "bb5f3ebc46c44ccca25e7d1e46c9aed8",
		.severity = LOG_WARNING,
		.verdicts = VERDICT_FENCE,
		.text = "map {map}: the key of a lost path could not be preempted: {reason}",
		.meaning = "It is fenced when its portal is back, or its guard ends by time.",
		.advice = "Bring the lost portal back.",
	},
	[EVENT_RECORD_DAMAGED] = {
		.name = "record-damaged",
		.message_id = "212967d9c6274589b10a59ca3aacc5f7",
		.severity = LOG_WARNING,
		.text = "a record is left out: {reason}",
		.meaning = "A file of records could not be read as one. It is left as it is.",
		.advice = "Correct or remove the file, then: systemctl reload hawserd.",
	},
	[EVENT_SETTING_LIMITED] = {
		.name = "setting-limited",
		.message_id = "1845e1790ddd4a219668cc9b112c8249",
		.severity = LOG_NOTICE,
		.text = "{target} at {portal}: {reason}",
		.meaning = "A setting of a record has another value than the one that is used.",
		.advice = "",
	},
	[EVENT_SUPPRESSED] = {
		.name = "suppressed",
		.message_id = "a34cf7a2574340e3b24c9aedbd7ccabb",
		.severity = LOG_NOTICE,
		.numbers = {"events", "seconds"},
		.text = "{events} more events '{state}' within {seconds} s[ of map {map}][ at {portal}] are "
			"not written here; 'hawser events' shows them",
		.meaning = "Something happens again and again. Of each object and kind the journal gets a few "
			"lines a minute; ring and D-Bus get all.",
		.advice = "Find out what is flapping: a bad cable or switch, mostly.",
	},
};
/* clang-format on */

static_assert(ARRAY_SIZE(rows) == EVENT_KIND_COUNT, "every kind of event has its row");

const struct event_kind_row *event_kind_row(enum event_kind kind)
{
	return &rows[kind];
}

int event_kind_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return (int)i;
	return -EINVAL;
}
