/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the cuda*.c files share: the library's entry points. */

#include "abi/cuda.h"

struct error;

/* By their names, once cuda_load() has been. One that this driver lacks is filled with an older one
 * of the same prototype (CUDA_OLDER in abi/cuda.def), or answers CUDA_ERROR_NOT_FOUND. */
struct cuda_calls {
#define CUDA_FN(name, params, args) CUresult(*name) params;
#include "abi/cuda.def"
};
extern struct cuda_calls cuda_calls;

/* Sets the sentence "WHAT: CUDA says "..." (code): what to do" and returns the errno for the code.
 */
int cuda_fail(CUresult code, const char *what, struct error *err);
