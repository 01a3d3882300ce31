/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "driver/nvml_calls.h"

static int events_begin(struct nvml_gpu *gpu, struct error *err)
{
	unsigned long long wanted = nvmlEventTypeXidCriticalError | nvmlEventTypeDoubleBitEccError;
	unsigned long long known = 0;
	nvmlEventSet_t set;
	nvmlReturn_t code = nvml.nvmlDeviceGetSupportedEventTypes(gpu->device, &known);

	if (code == NVML_SUCCESS && !(wanted & known))
		code = NVML_ERROR_NOT_SUPPORTED;
	if (code == NVML_SUCCESS)
		code = nvml.nvmlEventSetCreate(&set);
	if (code != NVML_SUCCESS)
		return nvml_fail(code, err, "GPU %s tells no events", gpu->pci);
	code = nvml.nvmlDeviceRegisterEvents(gpu->device, wanted & known, set);
	if (code != NVML_SUCCESS) {
		nvml.nvmlEventSetFree(set);
		return nvml_fail(code, err, "GPU %s tells no events", gpu->pci);
	}
	gpu->events = set;
	return 0;
}

int nvml_gpu_events(
	struct nvml_gpu *gpu, struct nvml_event *ret_events, unsigned max, struct error *err)
{
	unsigned n = 0;

	if (!gpu->events) {
		int r = events_begin(gpu, err);

		if (r < 0)
			return r;
	}
	while (n < max) {
		/* the bare call of old drivers leaves the instances alone */
		nvmlEventData_t data = { .gpuInstanceId = NVML_NO_INSTANCE,
			.computeInstanceId = NVML_NO_INSTANCE };
		nvmlReturn_t code = nvml.nvmlEventSetWait_v2(gpu->events, &data, 0);

		if (code == NVML_ERROR_TIMEOUT)
			break;
		if (code != NVML_SUCCESS)
			return nvml_fail(code, err, "GPU %s tells no events", gpu->pci);
		if (!(data.eventType &
			    (nvmlEventTypeXidCriticalError | nvmlEventTypeDoubleBitEccError)))
			continue;
		ret_events[n++] = (struct nvml_event){
			.is_xid = data.eventType & nvmlEventTypeXidCriticalError,
			.code = data.eventData,
			.gi = data.gpuInstanceId,
			.ci = data.computeInstanceId,
		};
	}
	return (int)n;
}
