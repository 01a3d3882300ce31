/* SPDX-License-Identifier: Apache-2.0 */
/* Encoders, decoders, frame capture: what a GPU has of them stands in its product; none is in use.
 */
#include "sim/lib/entry.h"

#include "sim/lib/give.h"

#define SAMPLE_US 166666
#define DEVICE	  (HANDLE_GPU | HANDLE_MIG)

static nvmlReturn_t idle(
	nvmlDevice_t device, bool since_ampere, unsigned int *percent, unsigned int *period_us)
{
	struct place at;
	nvmlReturn_t r = place_enter(device, DEVICE, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (!percent || !period_us)
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (at.state->mig_current ||
		 (since_ampere && at.gpu->product.architecture < NVML_DEVICE_ARCH_AMPERE))
		r = NVML_ERROR_NOT_SUPPORTED;
	else {
		*percent = 0;
		*period_us = SAMPLE_US;
	}
	place_leave(&at);
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetEncoderUtilization(
	nvmlDevice_t device, unsigned int *percent, unsigned int *period_us)
{
	return idle(device, false, percent, period_us);
}

nvmlReturn_t sim_nvmlDeviceGetDecoderUtilization(
	nvmlDevice_t device, unsigned int *percent, unsigned int *period_us)
{
	return idle(device, false, percent, period_us);
}

nvmlReturn_t sim_nvmlDeviceGetJpgUtilization(
	nvmlDevice_t device, unsigned int *percent, unsigned int *period_us)
{
	return idle(device, true, percent, period_us);
}

nvmlReturn_t sim_nvmlDeviceGetOfaUtilization(
	nvmlDevice_t device, unsigned int *percent, unsigned int *period_us)
{
	return idle(device, true, percent, period_us);
}

GIVE_WHICH(nvmlDeviceGetEncoderCapacity, HANDLE_GPU, nvmlEncoderType_t,
	which <= NVML_ENCODER_QUERY_AV1, unsigned int, at.gpu->product.board.encoders, 100)

nvmlReturn_t sim_nvmlDeviceGetEncoderStats(
	nvmlDevice_t device, unsigned int *count, unsigned int *fps, unsigned int *latency_us)
{
	struct place at;
	nvmlReturn_t r = place_find(device, DEVICE, &at);

	if (r == NVML_SUCCESS && (!count || !fps || !latency_us))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*count = *fps = *latency_us = 0;
	return r;
}

static nvmlReturn_t no_sessions(nvmlDevice_t device, unsigned int *count)
{
	struct place at;
	nvmlReturn_t r = place_find(device, DEVICE, &at);

	if (r == NVML_SUCCESS && !count)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*count = 0;
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetEncoderSessions(
	nvmlDevice_t device, unsigned int *count, nvmlEncoderSessionInfo_t *sessions)
{
	return no_sessions(device, count);
}

nvmlReturn_t sim_nvmlDeviceGetFBCSessions(
	nvmlDevice_t device, unsigned int *count, nvmlFBCSessionInfo_t *sessions)
{
	return no_sessions(device, count);
}

GIVE(nvmlDeviceGetFBCStats, DEVICE, nvmlFBCStats_t, ((nvmlFBCStats_t){ 0, 0, 0 }))
