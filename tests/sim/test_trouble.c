/* SPDX-License-Identifier: Apache-2.0 */
/* Failures on order, and GPUs in trouble. */
#include "sim.h"
#include "test.h"

#include "base/io.h"
#include "base/text.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static nvmlReturn_t count(void)
{
	unsigned n;

	return nvml.nvmlDeviceGetCount_v2(&n);
}

static nvmlReturn_t power(unsigned gpu)
{
	unsigned mw;

	return nvml.nvmlDeviceGetPowerUsage(sim_gpu(gpu), &mw);
}

TEST(the_kth_call_fails_so_many_times)
{
	sim_begin("a30x2");
	CHECK_EQ(SIM("inject", "nvmlDeviceGetCount_v2:code=IN_USE,call=3,times=2"), 0);
	CHECK_EQ(count(), NVML_SUCCESS);
	CHECK_EQ(count(), NVML_SUCCESS);
	CHECK_EQ(count(), NVML_ERROR_IN_USE);
	CHECK_EQ(count(), NVML_ERROR_IN_USE);
	CHECK_EQ(count(), NVML_SUCCESS);
	sim_end();
}

TEST(a_failure_may_be_for_one_gpu_and_many_functions)
{
	sim_begin("a30x2");
	CHECK_EQ(SIM("inject", "nvmlDeviceGet*:code=999,times=all,gpu=1"), 0);
	CHECK_EQ(count(), NVML_SUCCESS);
	CHECK_EQ(power(0), NVML_SUCCESS);
	CHECK_EQ(power(1), NVML_ERROR_UNKNOWN);
	CHECK_EQ(power(1), NVML_ERROR_UNKNOWN);
	CHECK_EQ(SIM("inject", "--clear"), 0);
	CHECK_EQ(power(1), NVML_SUCCESS);
	sim_end();
}

TEST(nvml_may_fail_to_start)
{
	sim_begin("a30x2");
	nvml.nvmlShutdown();
	CHECK_EQ(SIM("inject", "nvmlInit*:code=DRIVER_NOT_LOADED"), 0);
	CHECK_EQ(nvml.nvmlInit_v2(), NVML_ERROR_DRIVER_NOT_LOADED);
	CHECK_EQ(nvml.nvmlInit_v2(), NVML_SUCCESS);
	sim_end();
}

TEST(a_call_is_late_when_told)
{
	uint64_t start;

	sim_begin("a30x2");
	CHECK_EQ(SIM("inject", "nvmlDeviceGetCount_v2:delay=50ms"), 0);
	start = now_ns();
	CHECK_EQ(count(), NVML_SUCCESS);
	CHECK(now_ns() - start >= 50000000);
	sim_end();
}

/* A child counts, and hangs in it: the rule was made for that. */
static pid_t start_hanging(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(count());
	do
		SIM("state");
	while (!strstr(sim_output, "(struck 1 times)"));
	return pid;
}

TEST(a_hanging_call_goes_on_when_cleared_and_may_be_killed)
{
	pid_t pid;
	int status;

	sim_begin("a30x2");
	CHECK_EQ(SIM("inject", "nvmlDeviceGetCount_v2:hang,times=all"), 0);
	pid = start_hanging();
	usleep(50000);
	CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
	CHECK_EQ(power(0), NVML_SUCCESS);
	CHECK_EQ(SIM("inject", "--clear"), 0);
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK_EQ(status, 0);
	CHECK_EQ(SIM("inject", "nvmlDeviceGetCount_v2:hang"), 0);
	sim_kill(start_hanging());
	CHECK_EQ(count(), NVML_SUCCESS);
	sim_end();
}

TEST(a_bad_failure_is_refused_with_the_reason)
{
	sim_begin("a30x2");
	CHECK_EQ(SIM("inject", "nvmlDeviceGetCuont_v2"), 1);
	CHECK_SAY(strstr(sim_output, "did you mean nvmlDeviceGetCount_v2?"), "%s", sim_output);
	CHECK_EQ(SIM("inject", "nvmlInit:code=NONE"), 1);
	CHECK_EQ(SIM("inject", "nvmlInit:times=0"), 1);
	CHECK_EQ(SIM("inject"), 64);
	sim_end();
}

TEST(events_reach_those_who_registered)
{
	nvmlEventData_t event;
	nvmlEventSet_t set;

	sim_begin("a30x2");
	CHECK_EQ(nvml.nvmlEventSetCreate(&set), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceRegisterEvents(sim_gpu(1),
			 nvmlEventTypeXidCriticalError | nvmlEventTypeDoubleBitEccError, set),
		NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceRegisterEvents(sim_gpu(1), nvmlEventTypeClock, set),
		NVML_ERROR_NOT_SUPPORTED);
	CHECK_EQ(nvml.nvmlEventSetWait_v2(set, &event, 10), NVML_ERROR_TIMEOUT);
	CHECK_EQ(SIM("xid", "0", "13"), 0);
	CHECK_EQ(SIM("xid", "1", "48"), 0);
	CHECK_EQ(SIM("ecc", "1", "uncorrected"), 0);
	CHECK_EQ(nvml.nvmlEventSetWait_v2(set, &event, 1000), NVML_SUCCESS);
	CHECK(event.device == sim_gpu(1));
	CHECK_EQ(event.eventType, nvmlEventTypeXidCriticalError);
	CHECK_EQ(event.eventData, 48);
	CHECK_EQ(event.gpuInstanceId, NVML_NO_INSTANCE);
	CHECK_EQ(nvml.nvmlEventSetWait_v2(set, &event, 1000), NVML_SUCCESS);
	CHECK_EQ(event.eventType, nvmlEventTypeDoubleBitEccError);
	CHECK_EQ(nvml.nvmlEventSetFree(set), NVML_SUCCESS);
	sim_end();
}

TEST(ecc_errors_are_counted_until_a_reset)
{
	unsigned long long volatile_count, aggregate;

	sim_begin("a30x2");
	CHECK_EQ(SIM("ecc", "0"), 0);
	CHECK_EQ(SIM("ecc", "0"), 0);
	CHECK_EQ(SIM("reset", "0"), 0);
	CHECK_EQ(SIM("ecc", "0"), 0);
	nvml.nvmlDeviceGetTotalEccErrors(
		sim_gpu(0), NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_VOLATILE_ECC, &volatile_count);
	nvml.nvmlDeviceGetTotalEccErrors(
		sim_gpu(0), NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_AGGREGATE_ECC, &aggregate);
	CHECK_EQ(volatile_count, 1);
	CHECK_EQ(aggregate, 3);
	sim_end();
}

TEST(a_lost_gpu_answers_who_it_is_and_no_more)
{
	char uuid[NVML_DEVICE_UUID_V2_BUFFER_SIZE];

	sim_begin("a30x2");
	CHECK_EQ(SIM("lose", "1"), 0);
	CHECK_EQ(power(1), NVML_ERROR_GPU_IS_LOST);
	CHECK_EQ(power(0), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceGetUUID(sim_gpu(1), uuid, sizeof(uuid)), NVML_SUCCESS);
	CHECK_EQ(SIM("reset", "1"), 1);
	CHECK_EQ(SIM("recover", "1"), 0);
	CHECK_EQ(power(1), NVML_SUCCESS);
	sim_end();
}

TEST_MAIN()
