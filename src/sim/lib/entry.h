/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Each entry point of entries.def is a wrapper that looks for injected failures and then calls its
 * namesake with the prefix sim_, which does the work. Calls within the library use the latter, so
 * that a rule counts what the client calls.
 */

#include "abi/nvml_more.h"

#define SIM_FN(name, params, args) nvmlReturn_t sim_##name params;
#include "sim/node/entries.def"
