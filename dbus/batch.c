/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#include <assert.h>
#include <stdlib.h>

#include "dbus/bus.h"
#include "dbus/error_names.h"
#include "dbus/interfaces.h"
#include "dbus/marshal.h"
#include "util/text.h"

struct item {
	struct batch *batch;
	char path[SHOWN_PATH_MAX];
	struct error error;
};

struct batch {
	struct bus_call *call;
	bool first_only; /* answer with the first error instead of the list */
	size_t count, capacity;
	size_t outstanding;  /* operations, and one more until batch_started() */
	struct item items[]; /* addresses are handed out: never moved */
};

struct batch *batch_new(struct bus_call *call, size_t capacity)
{
	struct batch *batch = calloc(1, sizeof(*batch) + capacity * sizeof(batch->items[0]));

	if (!batch) {
		bus_call_fail(call, BUS_ERROR_NO_MEMORY, "Out of memory");
		return NULL;
	}
	batch->call = call;
	batch->capacity = capacity;
	batch->outstanding = 1;
	return batch;
}

struct batch *batch_new_first(struct bus_call *call, size_t capacity)
{
	struct batch *batch = batch_new(call, capacity);

	if (batch)
		batch->first_only = true;
	return batch;
}

void *batch_add(struct batch *batch, const char *object_path)
{
	struct item *item;

	assert(batch->count < batch->capacity);
	item = &batch->items[batch->count++];
	item->batch = batch;
	text_copy(item->path, sizeof(item->path), object_path);
	batch->outstanding++;
	return item;
}

static void answer_list(struct batch *batch)
{
	struct bus_writer *writer = bus_call_answer(batch->call);

	bus_open_array(writer, "(oss)");
	for (size_t i = 0; i < batch->count; i++) {
		bus_open_struct(writer);
		bus_write_object(writer, batch->items[i].path);
		bus_write_error(writer, &batch->items[i].error);
		bus_close(writer);
	}
	bus_close(writer);
	bus_call_send(batch->call);
}

static void answer_first(struct batch *batch)
{
	size_t i = 0;

	while (i < batch->count && !error_is_set(&batch->items[i].error))
		i++;
	bus_call_end(batch->call, i < batch->count ? &batch->items[i].error : NULL);
}

static void one_less(struct batch *batch)
{
	if (--batch->outstanding > 0)
		return;
	if (batch->first_only)
		answer_first(batch);
	else
		answer_list(batch);
	for (size_t i = 0; i < batch->count; i++)
		error_clear(&batch->items[i].error);
	free(batch);
}

void batch_done(const struct error *error, void *userdata)
{
	struct item *item = userdata;

	if (error && error_is_set(error))
		error_set(&item->error, error->code, "%s", bus_error_text(error));
	one_less(item->batch);
}

void batch_started(struct batch *batch)
{
	one_less(batch);
}
