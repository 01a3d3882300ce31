/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What clients get at most, and NVIDIA's way to read and write such values. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LIMITS_DEVICES	32
#define LIMITS_TEXT_MAX 32

struct limits {
	double percentage;		 /* of the SMs */
	uint64_t memory[LIMITS_DEVICES]; /* bytes, by the daemon's ordinals; 0: no limit */
	unsigned priority;
};

#define LIMITS_NONE ((struct limits){ .percentage = 100 })

/*
 * A number and a unit: G, or else M, whatever stands there. 0 for what is no number, and a negative
 * one is a very large one, as NVIDIA's own program has it.
 */
uint64_t limits_memory_parse(const char *text);
/* Whole G from 1G on, else whole M. */
const char *limits_memory_text(uint64_t bytes, char ret_text[LIMITS_TEXT_MAX]);
/* Whether it is a percentage. What follows the number does not count. */
bool limits_percentage_parse(const char *text, double *ret_percentage);

/*
 * The bytes that a client's environment ("0=1G,GPU-...=512MB") says for its first device, whose
 * UUID is `uuid`; 0 if it says nothing.
 */
uint64_t limits_memory_of(const char *environment, const char *uuid);
