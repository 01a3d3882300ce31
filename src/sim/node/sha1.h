/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* SHA-1 (FIPS 180-4) of a short message, for name-based UUIDs; not for security. */

#include <stddef.h>
#include <stdint.h>

void sha1(const void *message, size_t length, uint8_t ret_digest[20]);
