/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What an interface is: tables. From a row come dispatch, the check of the signature, who may call,
 * Properties, the introspection text and the test that compares it with docs/dbus. Add a row, not a
 * branch. Every table ends with {}.
 */

struct bus_call;
struct bus_writer;

/* Who may call a method: anybody, or uid 0 and whom polkit lets do org.hawser1.<action>. */
enum bus_access {
	ACCESS_READ,		/* anybody */
	ACCESS_DISCOVER,	/* discover */
	ACCESS_LOGIN,		/* login */
	ACCESS_LOGOUT,		/* logout */
	ACCESS_MANAGE_RECORDS,	/* manage-records */
	ACCESS_SET_SECRET,	/* set-secret */
	ACCESS_MANAGE_PATHS,	/* manage-paths */
	ACCESS_MANAGE_SETTINGS, /* manage-settings */
	ACCESS_RESET,		/* reset */
	ACCESS_RESERVE,		/* reserve */
	ACCESS_COUNT,
};

/* How a property's changes are told: the EmitsChangedSignal annotation. */
enum bus_change {
	CHANGE_EMITTED,	 /* "true" */
	CHANGE_CONSTANT, /* "const" */
	CHANGE_SILENT,	 /* "false": counters */
};

struct bus_method {
	const char *name;
	const char *in, *out; /* "s key, a{sv} options": type and name of each argument */
	enum bus_access access;
	/**
	 * decode, call one function of daemon/, encode; ends @call now or later
	 * @object: what the object shows (struct node …)
	 * @context: object_tree_new()'s
	 */
	void (*handler)(struct bus_call *call, void *object, void *context);
};

struct bus_property {
	const char *name, *signature;
	enum bus_change change;
	void (*get)(struct bus_writer *writer, const void *object);
};

struct bus_signal {
	const char *name, *arguments; /* as bus_method.out */
};

struct bus_interface {
	const char *name;
	const struct bus_method *methods;
	const struct bus_property *properties;
	const struct bus_signal *signals;
};

#define BUS_SIGNATURE_MAX 256 /* D-Bus allows 255 */

/** bus_arguments_signature() - the types of "s key, a{sv} options" in a row: "sa{sv}" */
const char *bus_arguments_signature(const char *arguments, char signature[BUS_SIGNATURE_MAX]);
