/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of a request. One list (REQUEST_OPTIONS) makes the rows that help and completions are
 * printed from and the table of the functions that take a value; JSON goes through the same
 * functions, so that both spellings mean the same and fail with the same sentence.
 */
#include "model/request.h"

#include "base/error.h"
#include "base/size.h"
#include "base/text.h"
#include "model/profile.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* Ten years: longer is a mistake, and it keeps times exact in JSON's numbers. */
#define LONGEST_NS (3650 * 86400 * 1000000000ULL)
/* No GPU has an exabyte; it keeps sizes within JSON's integers. */
#define LARGEST_BYTES 1000000000000000000ULL

const char *const isolation_names[] = { "none", "memory", "fault", "security" };
const char *const tenants_names[] = { "strangers", "trusted", "same" };
const char *const workload_names[WORKLOAD_N] = { "any", "inference", "training", "interactive",
	"rendering", "hpc", "vdi" };

void request_init(struct request *request)
{
	/* Padding too: requests are compared and stored as they are. */
	memset(request, 0, sizeof(*request));
	request->n_gpus = 1;
	request->mechanism = REQUEST_ANY_MECHANISM;
	request->wait_ns = REQUEST_WAIT_FOREVER;
}

bool request_is_alike(const struct request *a, const struct request *b)
{
	return a->n_gpus == b->n_gpus && a->has_n_gpus == b->has_n_gpus &&
	       a->memory_bytes == b->memory_bytes && a->memory_label == b->memory_label &&
	       a->compute_percent == b->compute_percent && text_eq(a->profile, b->profile) &&
	       text_eq(a->gpu, b->gpu) && a->mechanism == b->mechanism &&
	       a->isolation == b->isolation && a->tenants == b->tenants && a->is_vm == b->is_vm &&
	       a->workload == b->workload && a->latency_ns == b->latency_ns &&
	       (!request_may_mps(a) || a->uid == b->uid);
}

bool request_wants_graphics(const struct request *request)
{
	return request->workload == WORKLOAD_RENDERING || request->workload == WORKLOAD_VDI;
}

/* The series of vGPUs that serve its workload, the best first. */
static const char *series_of(const struct request *request)
{
	switch (request->workload) {
	case WORKLOAD_ANY:
		return "CQBA";
	case WORKLOAD_VDI:
		return "BQ";
	case WORKLOAD_RENDERING:
		return "Q";
	default: /* Q computes too, with another licence */
		return "CQ";
	}
}

size_t request_series_rank(const struct request *request, char series)
{
	const char *order = series_of(request);
	const char *at = series ? strchr(order, series) : NULL;

	return at ? (size_t)(at - order) : SIZE_MAX;
}

bool request_may_mps(const struct request *request)
{
	bool is_sized = request->memory_bytes || request->compute_percent;

	if (request->mechanism != REQUEST_ANY_MECHANISM || request->is_vm)
		return request->mechanism == MECHANISM_MPS;
	return is_sized && request->n_gpus == 1 && !request->profile[0] &&
	       !request_wants_graphics(request) && request->tenants != TENANTS_STRANGERS &&
	       request->isolation <= ISOLATION_MEMORY;
}

static int set_gpus(struct request *request, const char *value, struct error *err)
{
	uint32_t n;

	if (parse_u32(value, &n) < 0 || n < 1 || n > GPUS_MAX)
		return error_set(
			err, -EINVAL, "gpus: '%s' is not a number from 1 to %d", value, GPUS_MAX);
	request->n_gpus = n;
	request->has_n_gpus = true;
	return 0;
}

/* The number of a whole "18G" or "18GB"; 0 for all other spellings. */
static unsigned label_of(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (digits == 0 || digits > 6 || tolower((unsigned char)*end) != 'g')
		return 0;
	end++;
	return *end == '\0' || (tolower((unsigned char)*end) == 'b' && !end[1]) ? (unsigned)n : 0;
}

static int set_memory(struct request *request, const char *value, struct error *err)
{
	uint64_t bytes;
	int r = parse_size(value, &bytes);

	if (r == -ERANGE || (r == 0 && bytes > LARGEST_BYTES))
		return error_set(err, -EINVAL, "memory: no GPU has %s", value);
	if (r < 0)
		return error_set(err, -EINVAL,
			"memory: '%s' is not a size: write 10G (10 x 1000^3 bytes) or 9.5Gi "
			"(1024^3)",
			value);
	if (bytes == 0)
		return error_set(
			err, -EINVAL, "memory: 0 is nothing: leave it out if any amount will do");
	request->memory_bytes = bytes;
	request->memory_label = label_of(value);
	return 0;
}

static int set_compute(struct request *request, const char *value, struct error *err)
{
	char digits[8];
	size_t n = strspn(value, "0123456789");
	uint32_t percent;

	if (n >= sizeof(digits) || !(value[n] == '\0' || text_eq(value + n, "%")))
		goto bad;
	memcpy(digits, value, n);
	digits[n] = '\0';
	if (parse_u32(digits, &percent) < 0 || percent < 1 || percent > 100)
		goto bad;
	request->compute_percent = percent;
	return 0;
bad:
	return error_set(err, -EINVAL,
		"compute: '%s' is not a whole percentage of one GPU, 1%% to 100%%", value);
}

/* As the driver writes types of vGPU ("NVIDIA H200X-35C", "nvidia-1425"), or by their ids. */
static bool is_type_name(const char *value)
{
	size_t n = strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 " -_./+");
	const char *size = strrchr(value, '-');
	uint32_t id;

	if (parse_u32(value, &id) == 0)
		return true;
	if (value[n] || !size || n >= VF_NAME_MAX)
		return false;
	n = strspn(size + 1, "0123456789");
	return n && (!size[1 + n] || strchr("ABCQabcq", size[1 + n]));
}

static int set_profile(struct request *request, const char *value, struct error *err)
{
	char text[VF_NAME_MAX + 16] = "";
	struct profile_name name;
	int r = profile_name_parse(value, &name);

	if (r < 0 && is_type_name(value)) {
		memset(request->profile, 0, sizeof(request->profile));
		return text_copy(request->profile, sizeof(request->profile), value);
	}
	if (r < 0)
		return error_set(err, -EINVAL,
			"profile: '%s' is not written as MIG profiles are, for "
			"example " PROFILE_NAME_EXAMPLES,
			value);
	if (name.ci_slices)
		snprintf(text, sizeof(text), "%uc.%s", name.ci_slices, name.gi);
	else
		text_copy(text, sizeof(text), name.gi);
	if (strlen(text) >= sizeof(request->profile))
		return error_set(err, -EINVAL, "profile: '%s' is too long for a profile", value);
	memset(request->profile, 0, sizeof(request->profile));
	memcpy(request->profile, text, strlen(text));
	return 0;
}

static int set_gpu(struct request *request, const char *value, struct error *err)
{
	size_t n = strlen(value);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)value[i]) && !strchr(":.-", value[i]))
			n = 0;
	if (n == 0 || n >= sizeof(request->gpu))
		return error_set(err, -EINVAL,
			"gpu: '%.60s' is not a GPU: write its index, uuid or PCI address", value);
	memset(request->gpu, 0, sizeof(request->gpu));
	memcpy(request->gpu, value, n);
	return 0;
}

/* The index of a word among names, or -1. */
static int word_find(const char *const *names, size_t n, const char *value)
{
	for (size_t i = 0; i < n; i++)
		if (text_eq(names[i], value))
			return (int)i;
	return -1;
}

static int set_mechanism(struct request *request, const char *value, struct error *err)
{
	int mechanism = mechanism_find(value);

	if (text_eq(value, "auto"))
		mechanism = REQUEST_ANY_MECHANISM;
	else if (mechanism < 0)
		return error_set(err, -EINVAL,
			"mechanism: '%s' is none of auto, mig, mps, vf, time and whole", value);
	request->mechanism = mechanism;
	request->is_vm |= mechanism == MECHANISM_VF;
	return 0;
}

static int set_isolation(struct request *request, const char *value, struct error *err)
{
	int i = word_find(isolation_names, ARRAY_SIZE(isolation_names), value);

	if (i < 0)
		return error_set(err, -EINVAL,
			"isolation: '%s' is none of none, memory, fault and security", value);
	request->isolation = (enum isolation)i;
	return 0;
}

static int set_tenants(struct request *request, const char *value, struct error *err)
{
	int i = word_find(tenants_names, ARRAY_SIZE(tenants_names), value);

	if (i < 0)
		return error_set(err, -EINVAL,
			"tenants: '%s' is none of strangers, trusted and same", value);
	request->tenants = (enum tenants)i;
	return 0;
}

static int set_workload(struct request *request, const char *value, struct error *err)
{
	int i = word_find(workload_names, WORKLOAD_N, value);

	if (i < 0)
		return error_set(err, -EINVAL,
			"workload: '%s' is none of inference, training, interactive, rendering, "
			"hpc and vdi",
			value);
	request->workload = (enum workload)i;
	/* Virtual desktops are virtual machines. */
	request->is_vm |= i == WORKLOAD_VDI;
	return 0;
}

/* "20", "20ms", "20@p99", "0.5ms@p99.9" */
static int set_latency(struct request *request, const char *value, struct error *err)
{
	char *end;
	double ms = strtod(value, &end), percentile = 99;

	if (end == value)
		goto bad;
	if (text_starts(end, "ms"))
		end += 2;
	if (text_starts(end, "@p")) {
		const char *digits = end + 2;

		percentile = strtod(digits, &end);
		if (end == digits)
			goto bad;
	}
	if (*end || !isfinite(ms) || ms <= 0 || ms > 3600000 || !isfinite(percentile) ||
		percentile < 1 || percentile >= 100)
		goto bad;
	request->latency_ns = (uint64_t)(ms * 1e6 + 0.5);
	request->percentile = percentile;
	return 0;
bad:
	return error_set(err, -EINVAL,
		"latency: '%s' is not written as milliseconds and a percentile: 20@p99", value);
}

static int set_priority(struct request *request, const char *value, struct error *err)
{
	bool is_negative = *value == '-';
	uint32_t n;

	if (parse_u32(value + is_negative, &n) < 0 || n > 100)
		return error_set(
			err, -EINVAL, "priority: '%s' is not a number from -100 to 100", value);
	request->priority = is_negative ? -(int)n : (int)n;
	return 0;
}

static int set_time(struct request *request, const char *value, struct error *err)
{
	uint64_t ns;

	if (parse_duration(value, &ns) < 0 || ns == 0 || ns > LONGEST_NS)
		return error_set(err, -EINVAL,
			"time: '%s' is not a time such as 90s, 30min, 4h or 2d (ten years at most)",
			value);
	request->time_ns = ns;
	return 0;
}

static int set_wait(struct request *request, const char *value, struct error *err)
{
	uint64_t ns = REQUEST_WAIT_FOREVER;

	if (value && (parse_duration(value, &ns) < 0 || ns > LONGEST_NS))
		return error_set(err, -EINVAL,
			"wait: '%s' is not a time such as 90s, 30min or 4h; without one it waits "
			"for ever",
			value);
	request->wait_ns = ns;
	request->has_wait = true;
	return 0;
}

static int set_no_wait(struct request *request, const char *value, struct error *err)
{
	request->wait_ns = 0;
	request->has_no_wait = true;
	return 0;
}

static int set_vm(struct request *request, const char *value, struct error *err)
{
	request->is_vm = true;
	return 0;
}

static int set_explain(struct request *request, const char *value, struct error *err)
{
	request->explain = true;
	return 0;
}

#define REQUEST_OPTIONS(X)                                                                         \
	X(gpus, "gpus", "N", "how many whole GPUs, or shares of the given size; all or none",      \
		NULL)                                                                              \
	X(memory, "memory", "SIZE", "memory of each share: 10G, 9.5Gi; 18G is also 1g.18gb", NULL) \
	X(compute, "compute", "PERCENT", "compute of each share, in percent of one GPU: 25%",      \
		NULL)                                                                              \
	X(profile, "profile", "NAME",                                                              \
		"an exact MIG profile: 1g.10gb; with mps, within an instance of it", NULL)         \
	X(gpu, "gpu", "GPU", "on this GPU only: index, uuid or PCI address", NULL)                 \
	X(mechanism, "mechanism", "NAME", "how the GPU is shared; auto: the best that serves",     \
		"auto mig mps vf whole")                                                           \
	X(isolation, "isolation", "LEVEL", "what must not reach over from other shares",           \
		"none memory fault security")                                                      \
	X(tenants, "tenants", "WHO", "who may be on the same GPU", "strangers trusted same")       \
	X(workload, "workload", "KIND", "what runs there, by which auto chooses",                  \
		"inference training interactive rendering hpc vdi")                                \
	X(latency, "latency", "MS[@pN]", "answers come within so many milliseconds: 20@p99", NULL) \
	X(priority, "priority", "N", "-100 to 100; higher goes first while waiting", NULL)         \
	X(time, "time", "TIME", "ends that long after it became active: 30min, 4h", NULL)          \
	X(wait, "wait", "[=TIME]", "wait for room, at most that long (the default: for ever)",     \
		NULL)                                                                              \
	X(no_wait, "no-wait", NULL, "fail at once if there is no room", NULL)                      \
	X(vm, "vm", NULL, "for a virtual machine: a virtual function, kept until it is released",  \
		NULL)                                                                              \
	X(explain, "explain", NULL, "say why this GPU, mechanism and place", NULL)

#define ROW(id, name, argument, help, choices) { name, argument, help, choices },
const struct request_option_row request_options[] = { REQUEST_OPTIONS(ROW) };
const unsigned request_options_n = ARRAY_SIZE(request_options);

#define SETTER(id, name, argument, help, choices) set_##id,
static int (*const setters[])(struct request *request, const char *value,
	struct error *err) = { REQUEST_OPTIONS(SETTER) };

int request_option(struct request *request, const char *name, const char *value, struct error *err)
{
	for (unsigned i = 0; i < request_options_n; i++) {
		const struct request_option_row *row = &request_options[i];

		if (!text_eq(name, row->name))
			continue;
		if (value && !row->argument)
			return error_set(err, -EINVAL, "%s takes no value", name);
		if (!value && row->argument && row->argument[0] != '[')
			return error_set(err, -EINVAL, "%s needs a value: %s (%s)", name,
				row->argument, row->help);
		return setters[i](request, value, err);
	}
	return REQUEST_E_UNKNOWN;
}
