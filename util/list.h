/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/*
 * Intrusive doubly linked list. A head and a member are both a struct list; an unlinked member
 * points at itself, so that list_remove() may run twice.
 */

#include <stdbool.h>

#include "util/cleanup.h"

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name) \
	{ \
		&(name), &(name) \
	}

static inline void list_init(struct list *list)
{
	list->next = list->prev = list;
}

static inline bool list_empty(const struct list *list)
{
	return list->next == list;
}

static inline void list_insert_(struct list *member, struct list *prev, struct list *next)
{
	member->prev = prev;
	member->next = next;
	prev->next = member;
	next->prev = member;
}

/** list_append() - @member becomes the last of @head; it must not be linked */
static inline void list_append(struct list *head, struct list *member)
{
	list_insert_(member, head->prev, head);
}

/** list_prepend() - @member becomes the first of @head; it must not be linked */
static inline void list_prepend(struct list *head, struct list *member)
{
	list_insert_(member, head, head->next);
}

/** list_remove() - unlink @member, also when it is not linked (but was initialised) */
static inline void list_remove(struct list *member)
{
	member->prev->next = member->next;
	member->next->prev = member->prev;
	list_init(member);
}

/** list_splice() - move every member of @from to the end of @to; @from is empty afterwards */
static inline void list_splice(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(pointer, type, member) container_of(pointer, type, member)

/** list_first() - first entry, or NULL when empty */
#define list_first(head, type, member) \
	(list_empty(head) ? NULL : list_entry((head)->next, type, member))

/** list_pop() - unlink and give the first entry, or NULL when empty */
#define list_pop(head, type, member) \
	({ \
		struct list *pop_head_ = (head); \
		type *pop_entry_ = NULL; \
		if (!list_empty(pop_head_)) { \
			pop_entry_ = list_entry(pop_head_->next, type, member); \
			list_remove(&pop_entry_->member); \
		} \
		pop_entry_; \
	})

/** list_for_each() - @entry over all of @head; the body must not unlink anything */
#define list_for_each(entry, head, member) \
	for (entry = list_entry((head)->next, __typeof__(*entry), member); \
	     &entry->member != (head); \
	     entry = list_entry(entry->member.next, __typeof__(*entry), member))

/** list_for_each_safe() - as list_for_each(), and the body may unlink or free @entry itself */
#define list_for_each_safe(entry, following, head, member) \
	for (entry = list_entry((head)->next, __typeof__(*entry), member), \
	    following = list_entry(entry->member.next, __typeof__(*entry), member); \
	     &entry->member != (head); entry = following, \
	    following = list_entry(entry->member.next, __typeof__(*entry), member))
