/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/* What RFC 7143 §11 says of every PDU that an initiator may send, whatever the conversation. */

struct bhs;

/**
 * request_broken_rule() - the rule that this header breaks, with its clause: opcode, I and F bits,
 * AHS, and fields that are reserved
 * Return: static text; NULL when it is as it should be
 */
const char *request_broken_rule(const struct bhs *bhs);
