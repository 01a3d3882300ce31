/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * Amounts of memory as people write them. K, M, G, T are powers of 1000; Ki, Mi, Gi, Ti powers of
 * 1024; a trailing B is allowed, a bare number is bytes; "9.5G" is allowed where it is a whole
 * number of bytes. Upper and lower case mean the same.
 */

#include <stdint.h>

/* -EINVAL if it is no size, -ERANGE if it does not fit 64 bits. */
int parse_size(const char *text, uint64_t *ret_bytes);

/* "18G", "9.75Gi", "512Mi": the shortest of the two families that says it in at most two decimals.
 */
#define SIZE_TEXT_MAX 32
const char *size_text(uint64_t bytes, char ret_text[SIZE_TEXT_MAX]);
