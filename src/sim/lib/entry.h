/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Each entry point of nvml.def is a wrapper that looks for injected failures and then calls its
 * namesake with the prefix sim_, which does the work. Calls within the library use the latter, so
 * that a rule counts what the client calls.
 */

#include "abi/nvml.h"

#define NVML_FN(name, params, args) nvmlReturn_t sim_##name params;
#include "abi/nvml.def"
