/* SPDX-License-Identifier: Apache-2.0 */
/* What is told of processes over time: it is what their pattern makes of exactly that time. */
#include "sim.h"
#include "test.h"

#include "base/io.h"
#include "base/text.h"

#include <math.h>
#include <time.h>

/* Long beside the periods of these tests, so that where a span begins does not matter. */
#define SPAN_NS 200000000ull

struct means {
	double busy, sms, bandwidth, in, out;
};

static void pass(uint64_t ns)
{
	uint64_t end = now_ns() + ns;

	while (now_ns() < end)
		nanosleep(&(struct timespec){ 0, 5000000 }, NULL);
}

static nvmlReturn_t take(nvmlDevice_t gpu, int gi, nvmlGpmSample_t sample)
{
	return gi < 0 ? nvml.nvmlGpmSampleGet(gpu, sample)
		      : nvml.nvmlGpmMigSampleGet(gpu, (unsigned)gi, sample);
}

static nvmlReturn_t metrics(nvmlGpmSample_t one, nvmlGpmSample_t other, struct means *ret)
{
	static nvmlGpmMetricsGet_t get;
	nvmlReturn_t r;

	get = (nvmlGpmMetricsGet_t){ .version = NVML_GPM_METRICS_GET_VERSION,
		.numMetrics = 6,
		.sample1 = one,
		.sample2 = other,
		.metrics = { { .metricId = NVML_GPM_METRIC_GRAPHICS_UTIL },
			{ .metricId = NVML_GPM_METRIC_SM_UTIL },
			{ .metricId = NVML_GPM_METRIC_DRAM_BW_UTIL },
			{ .metricId = NVML_GPM_METRIC_PCIE_RX_PER_SEC },
			{ .metricId = NVML_GPM_METRIC_PCIE_TX_PER_SEC }, { .metricId = 98 } } };
	r = nvml.nvmlGpmMetricsGet(&get);
	if (r != NVML_SUCCESS)
		return r;
	CHECK_EQ(get.metrics[0].nvmlReturn, NVML_SUCCESS);
	CHECK_EQ(get.metrics[5].nvmlReturn, NVML_ERROR_NOT_SUPPORTED);
	*ret = (struct means){ get.metrics[0].value, get.metrics[1].value, get.metrics[2].value,
		get.metrics[3].value, get.metrics[4].value };
	return r;
}

/* Over a while from now. */
static struct means watch(nvmlDevice_t gpu, int gi)
{
	nvmlGpmSample_t one = NULL, other = NULL;
	struct means means = { 0 };

	CHECK_EQ(nvml.nvmlGpmSampleAlloc(&one), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlGpmSampleAlloc(&other), NVML_SUCCESS);
	CHECK_EQ(take(gpu, gi, one), NVML_SUCCESS);
	pass(SPAN_NS);
	CHECK_EQ(take(gpu, gi, other), NVML_SUCCESS);
	CHECK_EQ(metrics(one, other, &means), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlGpmSampleFree(one), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlGpmSampleFree(other), NVML_SUCCESS);
	return means;
}

static void check_near(double got, double wanted)
{
	CHECK_SAY(fabs(got - wanted) <= wanted / 20, "got %g, wanted %g", got, wanted);
}

TEST(counters_tell_the_mean_of_a_pattern_over_the_time_between_two_samples)
{
	struct means idle, busy;
	int pid;

	sim_begin_product("H100-80", 1, "");
	idle = watch(sim_gpu(0), -1);
	pid = SIM_HOLD("--device", "0", "--busy", "80", "--sms", "50", "--bandwidth", "40",
		"--copy-in", "1000Mi", "--copy-out", "100Mi", "--burst", "3ms/10ms");
	busy = watch(sim_gpu(0), -1);
	sim_kill(pid);
	CHECK(idle.busy == 0 && idle.sms == 0 && idle.bandwidth == 0 && idle.in == 0);
	check_near(busy.busy, 24);
	check_near(busy.sms, 12);
	check_near(busy.bandwidth, 12);
	check_near(busy.in, 300);
	check_near(busy.out, 30);
	sim_end();
}

TEST(what_a_process_did_stays_counted_when_it_has_ended)
{
	nvmlGpmSample_t one, other;
	struct means means = { 0 };
	int pid;

	sim_begin_product("H100-80", 1, "");
	CHECK_EQ(nvml.nvmlGpmSampleAlloc(&one), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlGpmSampleAlloc(&other), NVML_SUCCESS);
	CHECK_EQ(take(sim_gpu(0), -1, one), NVML_SUCCESS);
	pid = SIM_HOLD("--device", "0", "--busy", "100");
	pass(SPAN_NS);
	sim_kill(pid);
	CHECK_EQ(take(sim_gpu(0), -1, other), NVML_SUCCESS);
	CHECK_EQ(metrics(one, other, &means), NVML_SUCCESS);
	CHECK(means.busy > 0);
	CHECK_EQ(nvml.nvmlGpmSampleFree(one), NVML_SUCCESS);
	CHECK_EQ(metrics(one, other, &means), NVML_ERROR_INVALID_ARGUMENT);
	CHECK_EQ(nvml.nvmlGpmSampleFree(one), NVML_ERROR_INVALID_ARGUMENT);
	sim_end();
}

TEST(a_mig_instance_has_counters_of_its_own_and_the_gpu_none_then)
{
	char uuid[96];
	unsigned activation;
	nvmlGpuInstance_t instance;
	nvmlComputeInstance_t compute;
	nvmlDevice_t mig;
	nvmlGpmSample_t sample;
	int used, free_one, pid;

	sim_begin_product("H100-80", 1, "");
	CHECK_EQ(nvml.nvmlDeviceSetMigMode(sim_gpu(0), 1, &activation), NVML_SUCCESS);
	free_one = sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_1_SLICE, -1, &instance);
	used = sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_3_SLICE, -1, &instance);
	CHECK_EQ(nvml.nvmlGpuInstanceCreateComputeInstance(instance, 2, &compute), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceGetMigDeviceHandleByIndex(sim_gpu(0), 0, &mig), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceGetUUID(mig, uuid, sizeof(uuid)), NVML_SUCCESS);
	pid = SIM_HOLD("--device", uuid, "--busy", "60");
	check_near(watch(sim_gpu(0), used).busy, 60);
	CHECK(watch(sim_gpu(0), free_one).busy == 0);
	CHECK_EQ(nvml.nvmlGpmSampleAlloc(&sample), NVML_SUCCESS);
	CHECK_EQ(take(sim_gpu(0), -1, sample), NVML_ERROR_NOT_SUPPORTED);
	CHECK_EQ(take(sim_gpu(0), 6, sample), NVML_ERROR_INVALID_ARGUMENT);
	sim_kill(pid);
	sim_end();
}

TEST(before_hopper_there_are_no_counters)
{
	nvmlGpmSupport_t support = { .version = NVML_GPM_SUPPORT_VERSION, .isSupportedDevice = 7 };
	nvmlGpmSample_t sample;

	sim_begin_product("A100-40", 1, "");
	CHECK_EQ(nvml.nvmlGpmQueryDeviceSupport(sim_gpu(0), &support), NVML_SUCCESS);
	CHECK_EQ(support.isSupportedDevice, 0);
	CHECK_EQ(nvml.nvmlGpmSampleAlloc(&sample), NVML_SUCCESS);
	CHECK_EQ(take(sim_gpu(0), -1, sample), NVML_ERROR_NOT_SUPPORTED);
	sim_end();
}

TEST(samples_since_a_moment_tell_each_window_and_none_twice)
{
	nvmlSample_t samples[32];
	nvmlValueType_t type;
	unsigned long long since = 0, last = 0;
	unsigned n = ARRAY_SIZE(samples), seen = 0;
	int pid;

	sim_begin_product("L40S", 1, "");
	pid = SIM_HOLD("--device", "0", "--busy", "100", "--burst", "3ms/10ms");
	CHECK_EQ(nvml.nvmlDeviceGetSamples(
			 sim_gpu(0), NVML_GPU_UTILIZATION_SAMPLES, 0, &type, &n, samples),
		NVML_SUCCESS);
	CHECK_EQ(n, 1);
	since = samples[0].timeStamp;
	while (seen < 3) {
		n = ARRAY_SIZE(samples);
		if (nvml.nvmlDeviceGetSamples(sim_gpu(0), NVML_GPU_UTILIZATION_SAMPLES, since,
			    &type, &n, samples) == NVML_SUCCESS)
			for (unsigned i = 0; i < n; i++, seen++) {
				CHECK(samples[i].timeStamp > last);
				since = last = samples[i].timeStamp;
				/* the process came in the first */
				if (seen)
					check_near(samples[i].sampleValue.uiVal, 30);
			}
		pass(20000000);
	}
	sim_kill(pid);
	sim_end();
}

TEST_MAIN()
