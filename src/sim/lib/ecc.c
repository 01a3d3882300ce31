/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory errors. Those that are injected are the device memory's; caches and registers have none.
 * An uncorrected one costs a row, which is remapped at the next reset; GPUs before Ampere retire a
 * page instead.
 */
#include "sim/lib/entry.h"

#include "sim/lib/give.h"
#include "sim/node/gpu.h"
#include "sim/node/load.h"

#define REMAPS_ROWS (at.gpu->product.architecture >= NVML_DEVICE_ARCH_AMPERE)
#define ROW_BANKS   640 /* whose spare rows the histogram counts */

static nvmlEnableState_t enabled_unless(bool is_off)
{
	return is_off ? NVML_FEATURE_DISABLED : NVML_FEATURE_ENABLED;
}

nvmlReturn_t sim_nvmlDeviceGetEccMode(
	nvmlDevice_t device, nvmlEnableState_t *current, nvmlEnableState_t *pending)
{
	struct place at;
	nvmlReturn_t r = place_enter(device, HANDLE_GPU, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (current && pending) {
		*current = enabled_unless(at.state->wishes.ecc_is_off);
		*pending = enabled_unless(at.state->wishes.ecc_will_be_off);
	}
	place_leave(&at);
	return current && pending ? NVML_SUCCESS : NVML_ERROR_INVALID_ARGUMENT;
}

GIVE(nvmlDeviceGetDefaultEccMode, HANDLE_GPU, nvmlEnableState_t, NVML_FEATURE_ENABLED)
CHANGE(nvmlDeviceSetEccMode, (nvmlDevice_t device, nvmlEnableState_t mode),
	mode <= NVML_FEATURE_ENABLED, true,
	to->wishes.ecc_will_be_off = mode == NVML_FEATURE_DISABLED)
CHANGE(nvmlDeviceClearEccErrorCounts, (nvmlDevice_t device, nvmlEccCounterType_t counter),
	counter < NVML_ECC_COUNTER_TYPE_COUNT, !at.state->wishes.ecc_is_off,
	to->ecc[0][counter] = to->ecc[1][counter] = 0)

/*
 * The count of one kind of error; NOT_SUPPORTED while ECC is off. Errors are not told apart by
 * instances: a MIG device has none.
 */
static nvmlReturn_t count_of(nvmlDevice_t device, nvmlMemoryErrorType_t error,
	nvmlEccCounterType_t counter, unsigned long long *ret_count)
{
	struct place at;
	nvmlReturn_t r = place_enter(device, HANDLE_GPU | HANDLE_MIG, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (error >= NVML_MEMORY_ERROR_TYPE_COUNT || counter >= NVML_ECC_COUNTER_TYPE_COUNT ||
		!ret_count)
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (at.state->wishes.ecc_is_off)
		r = NVML_ERROR_NOT_SUPPORTED;
	else
		*ret_count = at.kind == HANDLE_MIG ? 0 : at.state->ecc[error][counter];
	place_leave(&at);
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetTotalEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t error,
	nvmlEccCounterType_t counter, unsigned long long *count)
{
	return count_of(device, error, counter, count);
}

nvmlReturn_t sim_nvmlDeviceGetMemoryErrorCounter(nvmlDevice_t device, nvmlMemoryErrorType_t error,
	nvmlEccCounterType_t counter, nvmlMemoryLocation_t location, unsigned long long *count)
{
	nvmlReturn_t r = count_of(device, error, counter, count);

	if (r != NVML_SUCCESS)
		return r;
	if (location >= NVML_MEMORY_LOCATION_COUNT)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (location != NVML_MEMORY_LOCATION_DEVICE_MEMORY)
		*count = 0;
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlDeviceGetDetailedEccErrors(nvmlDevice_t device, nvmlMemoryErrorType_t error,
	nvmlEccCounterType_t counter, nvmlEccErrorCounts_t *counts)
{
	unsigned long long count;
	nvmlReturn_t r = count_of(device, error, counter, counts ? &count : NULL);

	if (r == NVML_SUCCESS)
		*counts = (nvmlEccErrorCounts_t){ .deviceMemory = count };
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetSramEccErrorStatus(
	nvmlDevice_t device, nvmlEccSramErrorStatus_v1_t *status)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && !status)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS && status->version != nvmlEccSramErrorStatus_v1)
		r = NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	if (r == NVML_SUCCESS && !REMAPS_ROWS)
		r = NVML_ERROR_NOT_SUPPORTED;
	if (r == NVML_SUCCESS)
		*status = (nvmlEccSramErrorStatus_v1_t){ .version = status->version };
	return r;
}

/* ---- retired pages: before Ampere, and none of them ---- */

nvmlReturn_t sim_nvmlDeviceGetRetiredPages_v2(nvmlDevice_t device, nvmlPageRetirementCause_t cause,
	unsigned int *count, unsigned long long *addresses, unsigned long long *timestamps)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && (!count || cause >= NVML_PAGE_RETIREMENT_CAUSE_COUNT))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS && REMAPS_ROWS)
		r = NVML_ERROR_NOT_SUPPORTED;
	if (r == NVML_SUCCESS)
		*count = 0;
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetRetiredPages(nvmlDevice_t device, nvmlPageRetirementCause_t cause,
	unsigned int *count, unsigned long long *addresses)
{
	return sim_nvmlDeviceGetRetiredPages_v2(device, cause, count, addresses, NULL);
}

GIVE_WHERE(nvmlDeviceGetRetiredPagesPendingStatus, HANDLE_GPU, nvmlEnableState_t, !REMAPS_ROWS,
	NVML_FEATURE_DISABLED)

/* ---- remapped rows ---- */

nvmlReturn_t sim_nvmlDeviceGetRemappedRows(nvmlDevice_t device, unsigned int *corrected,
	unsigned int *uncorrected, unsigned int *is_pending, unsigned int *has_failed)
{
	struct place at;
	nvmlReturn_t r = place_enter(device, HANDLE_GPU, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (!corrected || !uncorrected || !is_pending || !has_failed)
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (!REMAPS_ROWS)
		r = NVML_ERROR_NOT_SUPPORTED;
	if (r == NVML_SUCCESS) {
		*corrected = *has_failed = 0;
		*uncorrected = load_rows_remapped(at.state);
		*is_pending = load_rows_pending(at.state) > 0;
	}
	place_leave(&at);
	return r;
}

nvmlReturn_t sim_nvmlDeviceGetRowRemapperHistogram(
	nvmlDevice_t device, nvmlRowRemapperHistogramValues_t *values)
{
	unsigned rows;
	struct place at;
	nvmlReturn_t r = place_enter(device, HANDLE_GPU, &at);

	if (r != NVML_SUCCESS)
		return r;
	rows = load_rows_remapped(at.state);
	rows = rows < ROW_BANKS ? rows : ROW_BANKS;
	if (!values)
		r = NVML_ERROR_INVALID_ARGUMENT;
	else if (!REMAPS_ROWS)
		r = NVML_ERROR_NOT_SUPPORTED;
	else
		*values =
			(nvmlRowRemapperHistogramValues_t){ .max = ROW_BANKS - rows, .high = rows };
	place_leave(&at);
	return r;
}
