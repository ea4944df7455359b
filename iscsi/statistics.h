/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: Hawser developers */
#pragma once

#include <stdint.h>

/* Counters as iscsiadm -s names them, and a few more. */
struct session_statistics {
	uint64_t txdata_octets, rxdata_octets;
	uint64_t noptx_pdus, scsicmd_pdus, tmfcmd_pdus, login_pdus, text_pdus, dataout_pdus,
		logout_pdus, snack_pdus;
	uint64_t noprx_pdus, scsirsp_pdus, tmfrsp_pdus, textrsp_pdus, datain_pdus, logoutrsp_pdus,
		r2t_pdus, async_pdus, rjt_pdus;
	uint64_t digest_err, timeout_err;
	uint64_t sends, receives; /* system-level operations, to see the batching */
	uint64_t connections;	  /* times one was attached */
	uint32_t ping_rtt_us;	  /* last NOP round trip */
};
