/* SPDX-License-Identifier: Apache-2.0 */
#include "mechanism/bind.h"

#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>

static const char variable[] = "CUDA_VISIBLE_DEVICES";

int bind_device(struct binding *binding, const char *uuid, struct error *err)
{
	struct binding_env *env = NULL;
	size_t length;

	for (unsigned i = 0; i < binding->n_env; i++) {
		if (text_eq(binding->env[i].name, variable))
			env = &binding->env[i];
	}
	if (!env) {
		if (binding->n_env == BINDING_ENV_MAX)
			return error_set(err, -E2BIG, "too many variables for one holder");
		env = &binding->env[binding->n_env++];
		text_copy(env->name, sizeof(env->name), variable);
		env->value[0] = '\0';
	}
	length = strlen(env->value);
	if (length + 1 + strlen(uuid) >= sizeof(env->value))
		return error_set(err, -E2BIG, "too many shares for one holder");
	snprintf(env->value + length, sizeof(env->value) - length, "%s%s", length ? "," : "", uuid);
	return 0;
}

int bind_environment(struct binding *binding, const char *lines, struct error *err)
{
	while (*lines) {
		size_t n = strcspn(lines, "\n"), name = strcspn(lines, "=");
		struct binding_env *env;

		if (binding->n_env == BINDING_ENV_MAX)
			return error_set(err, -E2BIG, "too many variables for one holder");
		env = &binding->env[binding->n_env];
		if (name == 0 || name >= n || name >= sizeof(env->name) ||
			n - name > sizeof(env->value))
			return error_set(err, -EINVAL, "'%.*s' is no variable", (int)n, lines);
		memcpy(env->name, lines, name);
		env->name[name] = '\0';
		memcpy(env->value, lines + name + 1, n - name - 1);
		env->value[n - name - 1] = '\0';
		binding->n_env++;
		lines += n + (lines[n] == '\n');
	}
	return 0;
}
