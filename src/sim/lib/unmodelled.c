/* SPDX-License-Identifier: Apache-2.0 */
/* The entry points that the library has only because NVIDIA's has them: unmodelled.def. */
#include "sim/lib/place.h"

struct argument {
	enum { ARGUMENT_VALUE, ARGUMENT_POINTER, ARGUMENT_HANDLE } kind;
	const void *value;
};

#define ANY_HANDLE (HANDLE_GPU | HANDLE_MIG | HANDLE_INSTANCE | HANDLE_COMPUTE)

/* What is said of the arguments comes before what the GPU can do. */
static nvmlReturn_t refuse(const struct argument *arguments, unsigned n, bool last_may_be_null)
{
	if (!session_is_on())
		return NVML_ERROR_UNINITIALIZED;
	for (unsigned i = 0; i < n; i++) {
		struct place at;
		nvmlReturn_t r = NVML_SUCCESS;

		if (arguments[i].kind == ARGUMENT_HANDLE)
			r = place_find(arguments[i].value, ANY_HANDLE, &at);
		else if (arguments[i].kind == ARGUMENT_POINTER && !arguments[i].value &&
			 !(last_may_be_null && i == n - 1))
			r = NVML_ERROR_INVALID_ARGUMENT;
		if (r != NVML_SUCCESS)
			return r;
	}
	return NVML_ERROR_NOT_SUPPORTED;
}

#define ARGUMENT(x)                                                                                \
	{                                                                                          \
		_Generic((x), nvmlDevice_t                                                         \
			 : ARGUMENT_HANDLE, nvmlGpuInstance_t                                      \
			 : ARGUMENT_HANDLE, nvmlComputeInstance_t                                  \
			 : ARGUMENT_HANDLE, int                                                    \
			 : ARGUMENT_VALUE, unsigned int                                            \
			 : ARGUMENT_VALUE, unsigned long long                                      \
			 : ARGUMENT_VALUE, default                                                 \
			 : ARGUMENT_POINTER),                                                      \
			(const void *)(uintptr_t)(x)                                               \
	}

/* ARGUMENTS(a, b, c): each as ARGUMENT(), up to six of them. */
#define ARGUMENTS_1(a)			    ARGUMENT(a)
#define ARGUMENTS_2(a, ...)		    ARGUMENT(a), ARGUMENTS_1(__VA_ARGS__)
#define ARGUMENTS_3(a, ...)		    ARGUMENT(a), ARGUMENTS_2(__VA_ARGS__)
#define ARGUMENTS_4(a, ...)		    ARGUMENT(a), ARGUMENTS_3(__VA_ARGS__)
#define ARGUMENTS_5(a, ...)		    ARGUMENT(a), ARGUMENTS_4(__VA_ARGS__)
#define ARGUMENTS_6(a, ...)		    ARGUMENT(a), ARGUMENTS_5(__VA_ARGS__)
#define PICK(a, b, c, d, e, f, picked, ...) picked
#define ARGUMENTS(...)                                                                             \
	PICK(__VA_ARGS__, ARGUMENTS_6, ARGUMENTS_5, ARGUMENTS_4, ARGUMENTS_3, ARGUMENTS_2,         \
		ARGUMENTS_1, )                                                                     \
	(__VA_ARGS__)

#define REFUSE(name, params, args, last_may_be_null)                                               \
	nvmlReturn_t name params;                                                                  \
	nvmlReturn_t name params                                                                   \
	{                                                                                          \
		const struct argument arguments[] = { ARGUMENTS args };                            \
                                                                                                   \
		return refuse(                                                                     \
			arguments, sizeof(arguments) / sizeof(arguments[0]), last_may_be_null);    \
	}
#define NVML_FN(name, params, args)   REFUSE(name, params, args, false)
#define NVML_LIST(name, params, args) REFUSE(name, params, args, true)
#include "sim/lib/unmodelled.def"
