/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * What to do about something that a target said unasked: the sense data of an asynchronous message
 * mean what they would as a unit attention. Plain functions over constant data: any thread.
 */

#include <stddef.h>

struct async_message;

enum async_action {
	ASYNC_ACTION_LOG,     /* say so; nothing that we keep has changed */
	ASYNC_ACTION_SCAN,    /* look at what the session shows */
	ASYNC_ACTION_PORTALS, /* ask the target for its portals */
	ASYNC_ACTION_ACCESS,  /* ask for the states of the target port groups */
	ASYNC_ACTION_COUNT,
};

/**
 * async_action_of() - what @message asks for
 *
 * A target that reports about a unit and does not say what, or more than was told, is looked at.
 */
enum async_action async_action_of(const struct async_message *message);

/** async_action_describe() - what the target said, in words that follow "the target reports" */
void async_action_describe(const struct async_message *message, char *text, size_t size_bytes);
