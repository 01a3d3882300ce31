/* SPDX-License-Identifier: Apache-2.0 */
#include "model/gpu.h"

const char *const mechanism_names[MECHANISM_N] = { "mig", "mps", "vf", "time", "whole" };
