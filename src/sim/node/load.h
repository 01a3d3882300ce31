/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What the load on a GPU makes of it. Load comes from its processes; power, temperature and clocks
 * follow in a straight line, which is enough to be shown and no claim about hardware.
 */

#include "sim/node/node.h"

unsigned load_sm_mhz(const struct gpu *gpu, const struct gpu_state *state);
unsigned load_memory_mhz(const struct gpu *gpu, const struct gpu_state *state);
unsigned load_power_limit_mw(const struct gpu *gpu, const struct gpu_state *state);
unsigned load_power_mw(const struct gpu *gpu, const struct gpu_state *state);
/* Whether the limit is what holds its power down. */
bool load_is_capped(const struct gpu *gpu, const struct gpu_state *state);
unsigned load_degrees(const struct gpu_state *state);

/* Since the node was made. */
uint64_t load_energy_mj(const struct gpu *gpu, const struct gpu_state *state, uint64_t now_ns);
/* Before the load changes: what was used so far is written down. */
void load_settle(const struct gpu *gpu, struct gpu_state *draft);

/* Rows of memory that uncorrected errors cost: at the last reset, and at the next one. */
unsigned load_rows_remapped(const struct gpu_state *state);
unsigned load_rows_pending(const struct gpu_state *state);

/* Accounting: a process came, uses more or less, is gone. */
void account_open(struct gpu_state *draft, const struct process *process);
void account_change(struct gpu_state *draft, const struct process *process);
void account_close(struct gpu_state *draft, int32_t pid);
