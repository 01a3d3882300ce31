/* SPDX-License-Identifier: Apache-2.0 */
/* Power, clocks and temperature: what the load makes of them (load.h), and what limits them. */
#include "sim/lib/entry.h"

#include "base/io.h"
#include "sim/lib/give.h"
#include "sim/node/gpu.h"
#include "sim/node/load.h"
#include "sim/node/process.h"

#define PRODUCT	 at.gpu->product
#define LIVE	 (HANDLE_GPU | HANDLE_LIVE)
#define STEP_MHZ 15 /* between the clocks that may be asked for */
#define SLOWDOWN 89
#define REASONS	 0x1efull

static const unsigned threshold_degrees[] = {
	[NVML_TEMPERATURE_THRESHOLD_SHUTDOWN] = SLOWDOWN + 3,
	[NVML_TEMPERATURE_THRESHOLD_SLOWDOWN] = SLOWDOWN,
	[NVML_TEMPERATURE_THRESHOLD_MEM_MAX] = 95,
	[NVML_TEMPERATURE_THRESHOLD_GPU_MAX] = SLOWDOWN - 2,
};

/* ---- power ---- */

GIVE(nvmlDeviceGetPowerUsage, LIVE, unsigned int, load_power_mw(at.gpu, at.state))
GIVE(nvmlDeviceGetEnforcedPowerLimit, HANDLE_GPU, unsigned int,
	load_power_limit_mw(at.gpu, at.state))
GIVE(nvmlDeviceGetPowerManagementLimit, HANDLE_GPU, unsigned int,
	load_power_limit_mw(at.gpu, at.state))
GIVE(nvmlDeviceGetPowerManagementDefaultLimit, HANDLE_GPU, unsigned int,
	PRODUCT.power_limit_w * 1000)
GIVE(nvmlDeviceGetPowerManagementMode, HANDLE_GPU, nvmlEnableState_t, NVML_FEATURE_ENABLED)
GIVE(nvmlDeviceGetPowerSource, HANDLE_GPU, nvmlPowerSource_t, NVML_POWER_SOURCE_AC)
GIVE_WHERE(nvmlDeviceGetTotalEnergyConsumption, LIVE, unsigned long long, true,
	load_energy_mj(at.gpu, at.state, now_ns()))

/* Compute GPUs with MIG stay in P0; the others rest in P8. */
static nvmlPstates_t performance_state(const struct place *at)
{
	return at->gpu->product.slots || process_busy(at->state, NVML_NO_INSTANCE) ? NVML_PSTATE_0
										   : NVML_PSTATE_8;
}

GIVE(nvmlDeviceGetPowerState, LIVE, nvmlPstates_t, performance_state(&at))
GIVE(nvmlDeviceGetPerformanceState, LIVE, nvmlPstates_t, performance_state(&at))

nvmlReturn_t sim_nvmlDeviceGetSupportedPerformanceStates(
	nvmlDevice_t device, nvmlPstates_t *states, unsigned int size)
{
	unsigned n = size / sizeof(*states);
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (!states || !n)
		return NVML_ERROR_INVALID_ARGUMENT;
	for (unsigned i = 0; i < n; i++)
		states[i] = NVML_PSTATE_UNKNOWN;
	states[0] = NVML_PSTATE_0;
	if (!PRODUCT.slots && n > 1)
		states[1] = NVML_PSTATE_8;
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlDeviceGetPowerManagementLimitConstraints(
	nvmlDevice_t device, unsigned int *least_mw, unsigned int *most_mw)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && (!least_mw || !most_mw))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS) {
		*least_mw = PRODUCT.board.power_least_w * 1000;
		*most_mw = PRODUCT.power_limit_w * 1000;
	}
	return r;
}

CHANGE(nvmlDeviceSetPowerManagementLimit, (nvmlDevice_t device, unsigned int mw),
	mw >= PRODUCT.board.power_least_w * 1000 && mw <= PRODUCT.power_limit_w * 1000, true,
	to->wishes.power_mw = mw)

nvmlReturn_t sim_nvmlDeviceGetViolationStatus(
	nvmlDevice_t device, nvmlPerfPolicyType_t policy, nvmlViolationTime_t *violation)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && (!violation || policy >= NVML_PERF_POLICY_COUNT))
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		*violation = (nvmlViolationTime_t){ wall_ns() / 1000, 0 };
	return r;
}

/* ---- clocks ---- */

static unsigned clock_now(const struct place *at, nvmlClockType_t type)
{
	return type == NVML_CLOCK_MEM ? load_memory_mhz(at->gpu, at->state)
				      : load_sm_mhz(at->gpu, at->state);
}

static unsigned clock_most(const struct place *at, nvmlClockType_t type)
{
	return type == NVML_CLOCK_MEM ? at->gpu->product.memory_mhz : at->gpu->product.sm_mhz;
}

static unsigned clock_wished(const struct place *at, nvmlClockType_t type)
{
	const struct gpu_wishes *wishes = &at->state->wishes;

	return (type == NVML_CLOCK_MEM ? wishes->memory_mhz : wishes->sm_mhz)
		       ?: clock_most(at, type);
}

#define IS_CLOCK (which < NVML_CLOCK_COUNT)

GIVE_WHICH(nvmlDeviceGetClockInfo, LIVE, nvmlClockType_t, IS_CLOCK, unsigned int, true,
	clock_now(&at, which))
GIVE_WHICH(nvmlDeviceGetMaxClockInfo, HANDLE_GPU, nvmlClockType_t, IS_CLOCK, unsigned int, true,
	clock_most(&at, which))
GIVE_WHICH(nvmlDeviceGetMaxCustomerBoostClock, HANDLE_GPU, nvmlClockType_t, IS_CLOCK, unsigned int,
	true, clock_most(&at, which))
GIVE_WHICH(nvmlDeviceGetApplicationsClock, HANDLE_GPU, nvmlClockType_t, IS_CLOCK, unsigned int,
	which != NVML_CLOCK_VIDEO, clock_wished(&at, which))
GIVE_WHICH(nvmlDeviceGetDefaultApplicationsClock, HANDLE_GPU, nvmlClockType_t, IS_CLOCK,
	unsigned int, which != NVML_CLOCK_VIDEO, clock_most(&at, which))

nvmlReturn_t sim_nvmlDeviceGetClock(
	nvmlDevice_t device, nvmlClockType_t type, nvmlClockId_t id, unsigned int *mhz)
{
	switch (id) {
	case NVML_CLOCK_ID_CURRENT:
		return sim_nvmlDeviceGetClockInfo(device, type, mhz);
	case NVML_CLOCK_ID_APP_CLOCK_TARGET:
		return sim_nvmlDeviceGetApplicationsClock(device, type, mhz);
	case NVML_CLOCK_ID_APP_CLOCK_DEFAULT:
		return sim_nvmlDeviceGetDefaultApplicationsClock(device, type, mhz);
	case NVML_CLOCK_ID_CUSTOMER_BOOST_MAX:
		return sim_nvmlDeviceGetMaxCustomerBoostClock(device, type, mhz);
	default:
		return NVML_ERROR_INVALID_ARGUMENT;
	}
}

static bool is_offered(const struct product *product, unsigned memory_mhz, unsigned sm_mhz)
{
	return memory_mhz == product->memory_mhz && sm_mhz <= product->sm_mhz &&
	       sm_mhz >= product->board.sm_idle_mhz && (product->sm_mhz - sm_mhz) % STEP_MHZ == 0;
}

CHANGE(nvmlDeviceSetApplicationsClocks,
	(nvmlDevice_t device, unsigned int memory_mhz, unsigned int sm_mhz),
	is_offered(&PRODUCT, memory_mhz, sm_mhz), true,
	(to->wishes.memory_mhz = memory_mhz, to->wishes.sm_mhz = sm_mhz))
CHANGE(nvmlDeviceResetApplicationsClocks, (nvmlDevice_t device), true, true,
	to->wishes.memory_mhz = to->wishes.sm_mhz = 0)
CHANGE(nvmlDeviceSetGpuLockedClocks,
	(nvmlDevice_t device, unsigned int least_mhz, unsigned int most_mhz),
	most_mhz &&least_mhz <= most_mhz && most_mhz <= PRODUCT.sm_mhz, true,
	(to->wishes.sm_lock[0] = least_mhz, to->wishes.sm_lock[1] = most_mhz))
CHANGE(nvmlDeviceResetGpuLockedClocks, (nvmlDevice_t device), true, true,
	to->wishes.sm_lock[0] = to->wishes.sm_lock[1] = 0)
CHANGE(nvmlDeviceSetMemoryLockedClocks,
	(nvmlDevice_t device, unsigned int least_mhz, unsigned int most_mhz),
	most_mhz &&least_mhz <= most_mhz && most_mhz <= PRODUCT.memory_mhz, true,
	(to->wishes.memory_lock[0] = least_mhz, to->wishes.memory_lock[1] = most_mhz))
CHANGE(nvmlDeviceResetMemoryLockedClocks, (nvmlDevice_t device), true, true,
	to->wishes.memory_lock[0] = to->wishes.memory_lock[1] = 0)

nvmlReturn_t sim_nvmlDeviceGetSupportedMemoryClocks(
	nvmlDevice_t device, unsigned int *count, unsigned int *mhz)
{
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r == NVML_SUCCESS && !count)
		r = NVML_ERROR_INVALID_ARGUMENT;
	if (r == NVML_SUCCESS)
		r = give_count(1, count, mhz);
	if (r == NVML_SUCCESS)
		mhz[0] = PRODUCT.memory_mhz;
	return r;
}

/* From the highest down. */
nvmlReturn_t sim_nvmlDeviceGetSupportedGraphicsClocks(
	nvmlDevice_t device, unsigned int memory_mhz, unsigned int *count, unsigned int *mhz)
{
	unsigned n;
	struct place at;
	nvmlReturn_t r = place_find(device, HANDLE_GPU, &at);

	if (r != NVML_SUCCESS)
		return r;
	if (!count)
		return NVML_ERROR_INVALID_ARGUMENT;
	if (memory_mhz != PRODUCT.memory_mhz)
		return NVML_ERROR_NOT_FOUND;
	n = (PRODUCT.sm_mhz - PRODUCT.board.sm_idle_mhz) / STEP_MHZ + 1;
	r = give_count(n, count, mhz);
	for (unsigned i = 0; r == NVML_SUCCESS && i < n; i++)
		mhz[i] = PRODUCT.sm_mhz - i * STEP_MHZ;
	return r;
}

static unsigned long long reasons_now(const struct place *at)
{
	const struct gpu_wishes *wishes = &at->state->wishes;

	if (!process_busy(at->state, NVML_NO_INSTANCE))
		return nvmlClocksEventReasonGpuIdle;
	return (wishes->sm_mhz || wishes->sm_lock[1]
			       ? nvmlClocksEventReasonApplicationsClocksSetting
			       : 0) |
	       (load_is_capped(at->gpu, at->state) ? nvmlClocksEventReasonSwPowerCap : 0);
}

GIVE(nvmlDeviceGetCurrentClocksEventReasons, LIVE, unsigned long long, reasons_now(&at))
GIVE(nvmlDeviceGetCurrentClocksThrottleReasons, LIVE, unsigned long long, reasons_now(&at))
GIVE(nvmlDeviceGetSupportedClocksEventReasons, HANDLE_GPU, unsigned long long, REASONS)
GIVE(nvmlDeviceGetSupportedClocksThrottleReasons, HANDLE_GPU, unsigned long long, REASONS)

/* ---- temperature and fans ---- */

GIVE_WHICH(nvmlDeviceGetTemperature, LIVE, nvmlTemperatureSensors_t, which == NVML_TEMPERATURE_GPU,
	unsigned int, true, load_degrees(at.state))
GIVE_WHICH(nvmlDeviceGetTemperatureThreshold, HANDLE_GPU, nvmlTemperatureThresholds_t,
	which <= NVML_TEMPERATURE_THRESHOLD_GPU_MAX, unsigned int, true, threshold_degrees[which])

nvmlReturn_t sim_nvmlDeviceGetTemperatureV(nvmlDevice_t device, nvmlTemperature_v1_t *temperature)
{
	unsigned degrees;
	nvmlReturn_t r;

	if (temperature && temperature->version != nvmlTemperature_v1)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	r = sim_nvmlDeviceGetTemperature(device,
		temperature ? temperature->sensorType : NVML_TEMPERATURE_GPU,
		temperature ? &degrees : NULL);
	if (r == NVML_SUCCESS)
		temperature->temperature = (int)degrees;
	return r;
}

/* Since Ada a GPU tells how far it is from its limits, before that it told the limits. */
nvmlReturn_t sim_nvmlDeviceGetMarginTemperature(
	nvmlDevice_t device, nvmlMarginTemperature_v1_t *margin)
{
	unsigned degrees;
	struct place at;
	nvmlReturn_t r;

	if (margin && margin->version != nvmlMarginTemperature_v1)
		return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
	r = sim_nvmlDeviceGetTemperature(device, NVML_TEMPERATURE_GPU, margin ? &degrees : NULL);
	if (r == NVML_SUCCESS)
		r = place_find(device, HANDLE_GPU, &at);
	if (r == NVML_SUCCESS && PRODUCT.architecture < NVML_DEVICE_ARCH_ADA)
		r = NVML_ERROR_NOT_SUPPORTED;
	if (r == NVML_SUCCESS)
		margin->marginTemperature = SLOWDOWN - (int)degrees;
	return r;
}

/* The products that are simulated have no fans of their own. */
GIVE_WHERE(nvmlDeviceGetFanSpeed, HANDLE_GPU, unsigned int, false, 0)
GIVE(nvmlDeviceGetNumFans, HANDLE_GPU, unsigned int, 0)
