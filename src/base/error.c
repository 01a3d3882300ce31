/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

int error_set(struct error *err, int code, const char *format, ...)
{
	va_list args;

	if (!err)
		return code;
	err->code = code;
	va_start(args, format);
	vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	text_clean(err->text);
	return code;
}

int error_prefix(struct error *err, int code, const char *format, ...)
{
	char rest[sizeof(err->text)];
	va_list args;
	int n;

	if (!err)
		return code;
	memcpy(rest, err->text, sizeof(rest));
	err->code = code;
	va_start(args, format);
	n = vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	if (n >= 0 && (size_t)n < sizeof(err->text))
		snprintf(err->text + n, sizeof(err->text) - (size_t)n, "%s%s", rest[0] ? ": " : "",
			rest);
	text_clean(err->text);
	return code;
}
