/* SPDX-License-Identifier: Apache-2.0 */
/* Field values: one number for each thing that can be asked for, many asked for at once. */
#include "sim/lib/entry.h"

#include "base/io.h"
#include "base/text.h"
#include "sim/lib/give.h"
#include "sim/node/load.h"

#define MEMORY_WARMER 5 /* degrees */

typedef nvmlReturn_t (*field_fn)(
	const struct place *at, const nvmlFieldValue_t *field, unsigned long long *ret_value);

static nvmlReturn_t field_zero(
	const struct place *at, const nvmlFieldValue_t *field, unsigned long long *ret_value)
{
	*ret_value = 0;
	return NVML_SUCCESS;
}

static nvmlReturn_t field_ecc_mode(
	const struct place *at, const nvmlFieldValue_t *field, unsigned long long *ret_value)
{
	*ret_value = field->fieldId == NVML_FI_DEV_ECC_CURRENT ? !at->state->wishes.ecc_is_off
							       : !at->state->wishes.ecc_will_be_off;
	return NVML_SUCCESS;
}

/* The ids alternate between corrected and uncorrected; volatile ones come before aggregate ones. */
static nvmlReturn_t field_ecc_count(
	const struct place *at, const nvmlFieldValue_t *field, unsigned long long *ret_value)
{
	bool aggregate = field->fieldId == NVML_FI_DEV_ECC_SBE_AGG_TOTAL ||
			 field->fieldId == NVML_FI_DEV_ECC_DBE_AGG_TOTAL ||
			 field->fieldId == NVML_FI_DEV_ECC_SBE_AGG_DEV ||
			 field->fieldId == NVML_FI_DEV_ECC_DBE_AGG_DEV;
	bool uncorrected = field->fieldId == NVML_FI_DEV_ECC_DBE_VOL_TOTAL ||
			   field->fieldId == NVML_FI_DEV_ECC_DBE_AGG_TOTAL ||
			   field->fieldId == NVML_FI_DEV_ECC_DBE_VOL_DEV ||
			   field->fieldId == NVML_FI_DEV_ECC_DBE_AGG_DEV;

	*ret_value = at->state->ecc[uncorrected][aggregate];
	return NVML_SUCCESS;
}

static nvmlReturn_t field_memory_temperature(
	const struct place *at, const nvmlFieldValue_t *field, unsigned long long *ret_value)
{
	*ret_value = load_degrees(at->state) + MEMORY_WARMER;
	return NVML_SUCCESS;
}

static nvmlReturn_t field_energy(
	const struct place *at, const nvmlFieldValue_t *field, unsigned long long *ret_value)
{
	*ret_value = load_energy_mj(at->gpu, at->state, now_ns());
	return NVML_SUCCESS;
}

/* Scope 0 is the GPU, 1 the module that it is on with its CPU, 2 its memory. */
static nvmlReturn_t field_power(
	const struct place *at, const nvmlFieldValue_t *field, unsigned long long *ret_value)
{
	if (field->scopeId)
		return field->scopeId <= 2 ? NVML_ERROR_NOT_SUPPORTED : NVML_ERROR_INVALID_ARGUMENT;
	switch (field->fieldId) {
	case NVML_FI_DEV_POWER_MIN_LIMIT:
		*ret_value = at->gpu->product.board.power_least_w * 1000;
		break;
	case NVML_FI_DEV_POWER_MAX_LIMIT:
	case NVML_FI_DEV_POWER_DEFAULT_LIMIT:
		*ret_value = at->gpu->product.power_limit_w * 1000;
		break;
	case NVML_FI_DEV_POWER_CURRENT_LIMIT:
	case NVML_FI_DEV_POWER_REQUESTED_LIMIT:
		*ret_value = load_power_limit_mw(at->gpu, at->state);
		break;
	default:
		*ret_value = load_power_mw(at->gpu, at->state);
	}
	return NVML_SUCCESS;
}

static nvmlReturn_t field_remapped(
	const struct place *at, const nvmlFieldValue_t *field, unsigned long long *ret_value)
{
	if (at->gpu->product.architecture < NVML_DEVICE_ARCH_AMPERE)
		return NVML_ERROR_NOT_SUPPORTED;
	*ret_value = field->fieldId == NVML_FI_DEV_REMAPPED_UNC ? load_rows_remapped(at->state)
		     : field->fieldId == NVML_FI_DEV_REMAPPED_PENDING
			     ? load_rows_pending(at->state) > 0
			     : 0;
	return NVML_SUCCESS;
}

static nvmlReturn_t field_link(
	const struct place *at, const nvmlFieldValue_t *field, unsigned long long *ret_value)
{
	static const unsigned mbps[] = { 0, 19531, 25781, 25781, 26562, 53125 };
	const struct board *board = &at->gpu->product.board;

	if (!board->nvlinks)
		return NVML_ERROR_NOT_SUPPORTED;
	switch (field->fieldId) {
	case NVML_FI_DEV_NVLINK_LINK_COUNT:
		*ret_value = board->nvlinks;
		return NVML_SUCCESS;
	case NVML_FI_DEV_NVLINK_GET_STATE:
	case NVML_FI_DEV_NVLINK_GET_VERSION:
		if (field->scopeId >= board->nvlinks)
			return NVML_ERROR_INVALID_ARGUMENT;
		*ret_value = field->fieldId == NVML_FI_DEV_NVLINK_GET_STATE
				     ? session_node->n_gpus > 1
				     : board->nvlink_version;
		return NVML_SUCCESS;
	default:
		*ret_value = mbps[board->nvlink_version];
		return NVML_SUCCESS;
	}
}

static nvmlReturn_t field_resetless(
	const struct place *at, const nvmlFieldValue_t *field, unsigned long long *ret_value)
{
	*ret_value =
		at->gpu->product.slots && at->gpu->product.architecture > NVML_DEVICE_ARCH_AMPERE;
	return NVML_SUCCESS;
}

/* Degrees that are left, when the GPU is at its coolest limit. */
static nvmlReturn_t field_margin(
	const struct place *at, const nvmlFieldValue_t *field, unsigned long long *ret_value)
{
	static const int margins[] = { -3, 0, -6, 2 };

	*ret_value = (unsigned long long)(long long)
		margins[field->fieldId - NVML_FI_DEV_TEMPERATURE_SHUTDOWN_TLIMIT];
	return at->gpu->product.architecture >= NVML_DEVICE_ARCH_ADA ? NVML_SUCCESS
								     : NVML_ERROR_NOT_SUPPORTED;
}

#define INT    NVML_VALUE_TYPE_UNSIGNED_INT
#define LONG   NVML_VALUE_TYPE_UNSIGNED_LONG_LONG
#define SIGNED NVML_VALUE_TYPE_SIGNED_INT

/* The first row that an id falls into counts. */
static const struct {
	unsigned first, last;
	nvmlValueType_t type;
	field_fn get;
} fields[] = {
	{ NVML_FI_DEV_ECC_CURRENT, NVML_FI_DEV_ECC_PENDING, INT, field_ecc_mode },
	{ NVML_FI_DEV_ECC_SBE_VOL_TOTAL, NVML_FI_DEV_ECC_DBE_AGG_TOTAL, LONG, field_ecc_count },
	{ NVML_FI_DEV_ECC_SBE_VOL_DEV, NVML_FI_DEV_ECC_DBE_VOL_DEV, LONG, field_ecc_count },
	{ NVML_FI_DEV_ECC_SBE_AGG_DEV, NVML_FI_DEV_ECC_DBE_AGG_DEV, LONG, field_ecc_count },
	{ NVML_FI_DEV_ECC_DBE_AGG_TOTAL + 1, NVML_FI_DEV_ECC_DBE_AGG_CBU, LONG, field_zero },
	{ NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_L0, NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL,
		LONG, field_zero },
	{ NVML_FI_DEV_PERF_POLICY_POWER, NVML_FI_DEV_PERF_POLICY_TOTAL_BASE_CLOCKS, LONG,
		field_zero },
	{ NVML_FI_DEV_MEMORY_TEMP, NVML_FI_DEV_MEMORY_TEMP, INT, field_memory_temperature },
	{ NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, LONG,
		field_energy },
	{ NVML_FI_DEV_NVLINK_SPEED_MBPS_L0, NVML_FI_DEV_NVLINK_LINK_COUNT, INT, field_link },
	{ NVML_FI_DEV_PCIE_REPLAY_COUNTER, NVML_FI_DEV_PCIE_REPLAY_ROLLOVER_COUNTER, INT,
		field_zero },
	{ NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_L6, NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_L11,
		LONG, field_zero },
	{ NVML_FI_DEV_NVLINK_SPEED_MBPS_L6, NVML_FI_DEV_NVLINK_SPEED_MBPS_L11, INT, field_link },
	{ NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, NVML_FI_DEV_NVLINK_THROUGHPUT_RAW_RX, LONG,
		field_zero },
	{ NVML_FI_DEV_REMAPPED_COR, NVML_FI_DEV_REMAPPED_FAILURE, INT, field_remapped },
	{ NVML_FI_DEV_NVLINK_GET_SPEED, NVML_FI_DEV_NVLINK_GET_VERSION, INT, field_link },
	{ NVML_FI_DEV_PCIE_COUNT_CORRECTABLE_ERRORS, NVML_FI_DEV_PCIE_COUNT_LANE_ERROR, INT,
		field_zero },
	{ NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED, NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED, INT,
		field_resetless },
	{ NVML_FI_DEV_POWER_AVERAGE, NVML_FI_DEV_POWER_CURRENT_LIMIT, INT, field_power },
	{ NVML_FI_DEV_POWER_REQUESTED_LIMIT, NVML_FI_DEV_POWER_REQUESTED_LIMIT, INT, field_power },
	{ NVML_FI_DEV_TEMPERATURE_SHUTDOWN_TLIMIT, NVML_FI_DEV_TEMPERATURE_GPU_MAX_TLIMIT, SIGNED,
		field_margin },
};

static void field_fill(const struct place *at, nvmlFieldValue_t *field)
{
	uint64_t began = now_ns();
	unsigned long long value = 0;
	unsigned i = 0;

	field->timestamp = (long long)(wall_ns() / 1000);
	field->nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
	while (i < ARRAY_SIZE(fields) &&
		(field->fieldId < fields[i].first || field->fieldId > fields[i].last))
		i++;
	if (i == ARRAY_SIZE(fields))
		return;
	field->nvmlReturn = fields[i].get(at, field, &value);
	field->valueType = fields[i].type;
	if (field->nvmlReturn == NVML_SUCCESS && field->valueType == LONG)
		field->value.ullVal = value;
	else if (field->nvmlReturn == NVML_SUCCESS && field->valueType == SIGNED)
		field->value.siVal = (int)(long long)value;
	else if (field->nvmlReturn == NVML_SUCCESS)
		field->value.uiVal = (unsigned)value;
	field->latencyUsec = (long long)((now_ns() - began) / 1000);
}

/* The call succeeds; each field has a code of its own. */
nvmlReturn_t sim_nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values)
{
	struct place at;
	nvmlReturn_t r = place_enter(device, HANDLE_GPU, &at);

	if (r != NVML_SUCCESS)
		return r;
	place_reap(&at);
	if (count <= 0 || !values)
		r = NVML_ERROR_INVALID_ARGUMENT;
	for (int i = 0; r == NVML_SUCCESS && i < count; i++)
		field_fill(&at, &values[i]);
	place_leave(&at);
	return r;
}

/* Of the counters that can be cleared none ever counts. */
nvmlReturn_t sim_nvmlDeviceClearFieldValues(
	nvmlDevice_t device, int count, nvmlFieldValue_t *values)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && (count <= 0 || !values))
		r = NVML_ERROR_INVALID_ARGUMENT;
	for (int i = 0; r == NVML_SUCCESS && i < count; i++)
		values[i].nvmlReturn = NVML_ERROR_NOT_SUPPORTED;
	return r;
}
