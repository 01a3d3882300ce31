/* SPDX-License-Identifier: Apache-2.0 */
/* What a request means as a whole: what cannot be meant together, and how it is said to people. */
#include "base/error.h"
#include "base/size.h"
#include "base/text.h"
#include "model/mps.h"
#include "model/profile.h"
#include "model/request.h"

#include <errno.h>
#include <stdio.h>

/* Who names no size wants all of a GPU. */
static bool is_whole(const struct request *request)
{
	bool is_sized = request->profile[0] || request->memory_bytes || request->compute_percent;

	if (request->is_vm)
		return false;
	return request->mechanism == MECHANISM_WHOLE || !is_sized;
}

static int check_mps(const struct request *request, struct error *err)
{
	if (!request->memory_bytes && !request->compute_percent)
		return error_set(err, -EINVAL,
			"an MPS share has a size: write --memory or --compute (or both) beside "
			"--mechanism mps, for example --memory 8G --compute 30%%");
	if (request->memory_bytes && request->memory_bytes < MPS_MEMORY_LEAST)
		return error_set(err, -EINVAL,
			"an MPS share has 1Mi of memory or more: write a unit, for example "
			"--memory 8G");
	if (request->n_gpus > 1)
		return error_set(err, -EINVAL,
			"%u MPS shares cannot be one lease, because a process reaches one MPS "
			"server only: take one share, or %u GPUs by mechanism mig or whole",
			request->n_gpus, request->n_gpus);
	if (request_wants_graphics(request))
		return error_set(err, -EINVAL,
			"mechanism mps and workload %s contradict each other, because MPS is for "
			"CUDA only, and this workload has graphics: leave one of them out",
			workload_names[request->workload]);
	if (request->isolation >= ISOLATION_FAULT)
		return error_set(err, -EINVAL,
			"mechanism mps and isolation %s contradict each other, because a fatal "
			"fault of one process ends all on the same MPS server: take mechanism mig "
			"or whole, or leave out the isolation",
			isolation_names[request->isolation]);
	return 0;
}

/* The profile is written as a type of vGPU is, not as one of MIG's. */
static bool has_vgpu_type(const struct request *request)
{
	struct profile_name name;

	return request->profile[0] && profile_name_parse(request->profile, &name) < 0;
}

static int check_vm(const struct request *request, struct error *err)
{
	int mechanism = request->mechanism;

	if (mechanism != REQUEST_ANY_MECHANISM && mechanism != MECHANISM_VF)
		return error_set(err, -EINVAL,
			"a virtual machine gets a virtual function (mechanism vf), not a share by "
			"%s: leave out vm or the mechanism",
			mechanism_names[mechanism]);
	if (request->n_gpus > 1)
		return error_set(err, -EINVAL,
			"a lease for a virtual machine has one virtual function: take %u leases",
			request->n_gpus);
	if (request->compute_percent)
		return error_set(err, -EINVAL,
			"a virtual function's compute cannot be asked for by itself: it comes with "
			"its type, or is shared with the GPU's others: leave compute out");
	if (request->profile[0] && !has_vgpu_type(request))
		return error_set(err, -EINVAL,
			"%s is a MIG profile, and a virtual machine takes a type of vGPU, for "
			"example \"NVIDIA H200X-35C\": `carve show GPU` names those that there "
			"are",
			request->profile);
	return 0;
}

static int check_mechanism(const struct request *request, struct error *err)
{
	if (request->is_vm)
		return check_vm(request, err);
	if (has_vgpu_type(request))
		return error_set(err, -EINVAL,
			"profile: '%s' is not written as MIG profiles are, for "
			"example " PROFILE_NAME_EXAMPLES
			"; a type of vGPU is for a virtual machine (vm)",
			request->profile);
	switch (request->mechanism) {
	case REQUEST_ANY_MECHANISM:
	case MECHANISM_MIG:
		return 0;
	case MECHANISM_MPS:
		return check_mps(request, err);
	case MECHANISM_WHOLE:
		if (request->profile[0])
			return error_set(err, -EINVAL,
				"a profile (%s) is a part of a GPU, mechanism whole is all of it: "
				"leave "
				"one of them out",
				request->profile);
		return 0;
	default:
		return error_set(err, -EINVAL,
			"mechanism %s comes with a later version: this one makes MIG shares (mig), "
			"MPS shares (mps), virtual functions (vf) and leases whole GPUs (whole)",
			mechanism_names[request->mechanism]);
	}
}

int request_check(const struct request *request, struct error *err)
{
	if (request->profile[0] && request->mechanism != MECHANISM_MPS &&
		(request->memory_bytes || request->compute_percent))
		return error_set(err, -EINVAL,
			"a profile says memory and compute already: give either the profile (%s) "
			"or %s",
			request->profile,
			request->memory_bytes && request->compute_percent ? "memory and compute"
			: request->memory_bytes				  ? "memory"
									  : "compute");
	if (request->has_wait && request->has_no_wait)
		return error_set(
			err, -EINVAL, "wait and no-wait exclude each other: leave one of them out");
	if (request->gpu[0] && request->n_gpus > 1 && is_whole(request))
		return error_set(err, -EINVAL,
			"GPU %s is one GPU, %u were asked for: leave gpu or gpus out", request->gpu,
			request->n_gpus);
	return check_mechanism(request, err);
}

void request_add_size(struct buf *text, const struct request *request, const char *whole)
{
	char size[SIZE_TEXT_MAX];

	if (request->memory_label)
		buf_addf(text, "%uG", request->memory_label);
	else if (request->memory_bytes)
		buf_add(text, size_text(request->memory_bytes, size));
	if (request->memory_bytes && request->compute_percent)
		buf_add(text, " and ");
	if (request->compute_percent)
		buf_addf(text, "%u %% of %s", request->compute_percent, whole);
}

const char *request_text(const struct request *request, char ret_text[REQUEST_TEXT_MAX])
{
	bool is_sized = request->memory_bytes || request->compute_percent;
	AUTO_BUF text = { 0 };

	if (is_whole(request)) {
		if (request->n_gpus == 1)
			buf_add(&text, "a whole GPU");
		else
			buf_addf(&text, "%u whole GPUs", request->n_gpus);
		if (is_sized) {
			buf_add(&text, " with at least ");
			request_add_size(&text, request, "a GPU");
		}
	} else if (request->is_vm && !request->profile[0] && !is_sized) {
		buf_add(&text, "a virtual function");
	} else {
		if (request->n_gpus > 1)
			buf_addf(&text, "%u times ", request->n_gpus);
		if (request->profile[0] && request->mechanism != MECHANISM_MPS)
			buf_add(&text, request->profile);
		else
			request_add_size(&text, request, "a GPU");
	}
	if (request->is_vm)
		buf_add(&text, " for a virtual machine");
	if (request->mechanism == MECHANISM_MPS) {
		buf_add(&text, " by mps");
		if (request->profile[0])
			buf_addf(&text, " within %s", request->profile);
	}
	if (request->mechanism == MECHANISM_MIG && is_whole(request))
		buf_add(&text, " by mig");
	if (request->gpu[0])
		buf_addf(&text, " on GPU %s", request->gpu);
	text_copy(ret_text, REQUEST_TEXT_MAX, buf_text(&text));
	text_clean(ret_text);
	return ret_text;
}
