/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Calls that give one value of a GPU. `at` is its place, under the lock; with HANDLE_LIVE among the
 * kinds, without processes that died. What is wrong with the arguments is said before what the GPU
 * cannot.
 */

#include "sim/lib/place.h"

#define HANDLE_LIVE 0x200

/* name(device, type *ret): `value` where `is_supported`. */
#define GIVE_WHERE(name, kinds, type, is_supported, value)                                         \
	nvmlReturn_t sim_##name(nvmlDevice_t device, type *ret)                                    \
	{                                                                                          \
		struct place at;                                                                   \
		nvmlReturn_t r = place_enter(device, kinds, &at);                                  \
                                                                                                   \
		if (r != NVML_SUCCESS)                                                             \
			return r;                                                                  \
		if ((kinds)&HANDLE_LIVE)                                                           \
			place_reap(&at);                                                           \
		if (!ret)                                                                          \
			r = NVML_ERROR_INVALID_ARGUMENT;                                           \
		else if (!(is_supported))                                                          \
			r = NVML_ERROR_NOT_SUPPORTED;                                              \
		else                                                                               \
			*ret = (value);                                                            \
		place_leave(&at);                                                                  \
		return r;                                                                          \
	}
#define GIVE(name, kinds, type, value) GIVE_WHERE(name, kinds, type, true, value)

/* name(device, which_type which, type *ret): INVALID_ARGUMENT unless `is_valid` of `which`. */
#define GIVE_WHICH(name, kinds, which_type, is_valid, type, is_supported, value)                   \
	nvmlReturn_t sim_##name(nvmlDevice_t device, which_type which, type *ret)                  \
	{                                                                                          \
		struct place at;                                                                   \
		nvmlReturn_t r = place_enter(device, kinds, &at);                                  \
                                                                                                   \
		if (r != NVML_SUCCESS)                                                             \
			return r;                                                                  \
		if ((kinds)&HANDLE_LIVE)                                                           \
			place_reap(&at);                                                           \
		if (!ret || !(is_valid))                                                           \
			r = NVML_ERROR_INVALID_ARGUMENT;                                           \
		else if (!(is_supported))                                                          \
			r = NVML_ERROR_NOT_SUPPORTED;                                              \
		else                                                                               \
			*ret = (value);                                                            \
		place_leave(&at);                                                                  \
		return r;                                                                          \
	}

/* name(device, char *text, unsigned length) */
#define GIVE_TEXT(name, kinds, is_supported, value)                                                \
	nvmlReturn_t sim_##name(nvmlDevice_t device, char *text, unsigned int length)              \
	{                                                                                          \
		struct place at;                                                                   \
		nvmlReturn_t r = place_enter(device, kinds, &at);                                  \
                                                                                                   \
		if (r != NVML_SUCCESS)                                                             \
			return r;                                                                  \
		r = !text || !length  ? NVML_ERROR_INVALID_ARGUMENT                                \
		    : !(is_supported) ? NVML_ERROR_NOT_SUPPORTED                                   \
				      : give_text(text, length, value);                            \
		place_leave(&at);                                                                  \
		return r;                                                                          \
	}

/*
 * The end of a call that fills an array: there are `n`, and *count says how long the array is.
 * SUCCESS means that it may be filled; an array that is too short is INSUFFICIENT_SIZE, and *count
 * says why.
 */
static inline nvmlReturn_t give_count(unsigned n, unsigned *count, const void *array)
{
	unsigned room = array ? *count : 0;

	*count = n;
	return n <= room ? NVML_SUCCESS : NVML_ERROR_INSUFFICIENT_SIZE;
}

/* A change that takes root: `change` may use the draft `to`. */
#define CHANGE(name, params, is_valid, is_supported, change)                                       \
	nvmlReturn_t sim_##name params                                                             \
	{                                                                                          \
		struct gpu_state *to;                                                              \
		struct place at;                                                                   \
		nvmlReturn_t r = place_enter(device, HANDLE_GPU, &at);                             \
                                                                                                   \
		if (r != NVML_SUCCESS)                                                             \
			return r;                                                                  \
		if (!(is_valid))                                                                   \
			r = NVML_ERROR_INVALID_ARGUMENT;                                           \
		else if (!(is_supported))                                                          \
			r = NVML_ERROR_NOT_SUPPORTED;                                              \
		else if (!gpu_may_change(session_node))                                            \
			r = NVML_ERROR_NO_PERMISSION;                                              \
		if (r == NVML_SUCCESS) {                                                           \
			to = gpu_draft(at.gpu);                                                    \
			load_settle(at.gpu, to);                                                   \
			change;                                                                    \
			gpu_commit(at.gpu);                                                        \
		}                                                                                  \
		place_leave(&at);                                                                  \
		return r;                                                                          \
	}
