/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * All counters in one answer: sessions and paths, by the names that their structs have.
 */

struct bus_call;
struct manager;

/** statistics_answer() - fetch fresh counters, answer @call with a{oa{st}}; frees @call */
void statistics_answer(struct bus_call *call, struct manager *manager);
