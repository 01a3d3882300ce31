/* SPDX-License-Identifier: Apache-2.0 */
#include "model/mps.h"

const char *const mps_state_names[] = { "starting", "ready", "faulty", "stopping" };
