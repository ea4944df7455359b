/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

/* What faces ask of the persistent reservation of a map. Control thread only. */

#include "daemon/manager.h"
#include "daemon/map_reservation.h"

/** manager_ask_reservation() - see map_reservation_ask() */
void manager_ask_reservation(struct manager *manager, struct map_view *map,
			     const struct reservation_request *request, reservation_done *done,
			     void *userdata);
