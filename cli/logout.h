/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Several sessions logged out together, in one call: a device in use that would lose its last path
 * keeps the paths through all of them. One by one, all but the last would go.
 */

#include <stdbool.h>

#include "cli/client.h"
#include "cli/model.h"

/**
 * logout_together() - log out of exactly @sessions, and wait
 * @force: also when a device is in use
 * @errors: one for each of them, in their order, clear; how it ended
 */
void logout_together(struct client *client, const struct session_list *sessions, bool force,
		     struct error *errors);

/** errors_free() - @errors of logout_together(), and their texts */
void errors_free(struct error *errors, size_t count);

/**
 * logout_results() - the answer to LogoutMany, a(oss), by session
 *
 * A session that the daemon does not tell of was gone already: ERROR_NO_OBJECTS_FOUND.
 */
void logout_results(const struct value *results, const struct session_list *sessions,
		    struct error *errors);
