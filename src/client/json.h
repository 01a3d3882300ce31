/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Reading answers: a key that is absent, null or of another kind reads as nothing. */

#include <jansson.h>
#include <stdbool.h>

static inline void json_cleanup(json_t **json)
{
	json_decref(*json);
}
#define AUTO_JSON __attribute__((cleanup(json_cleanup))) json_t

static inline const char *json_text(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static inline double json_number(const json_t *object, const char *key)
{
	return json_number_value(json_object_get(object, key));
}

static inline long long json_whole(const json_t *object, const char *key)
{
	return (long long)json_integer_value(json_object_get(object, key));
}

static inline bool json_flag(const json_t *object, const char *key)
{
	return json_is_true(json_object_get(object, key));
}
