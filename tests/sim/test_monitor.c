/* SPDX-License-Identifier: Apache-2.0 */
/* What monitoring tools show: it follows from the product, from what was set and from who is there.
 */
#include "sim.h"
#include "test.h"

#include "base/io.h"
#include "base/text.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct shown {
	unsigned power, sm, degrees, limit;
	nvmlUtilization_t use;
	nvmlMemory_t memory;
};

static struct shown show(nvmlDevice_t gpu)
{
	struct shown now = { 0 };

	CHECK_EQ(nvml.nvmlDeviceGetPowerUsage(gpu, &now.power), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceGetClockInfo(gpu, NVML_CLOCK_SM, &now.sm), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceGetTemperature(gpu, NVML_TEMPERATURE_GPU, &now.degrees),
		NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceGetEnforcedPowerLimit(gpu, &now.limit), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceGetUtilizationRates(gpu, &now.use), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceGetMemoryInfo(gpu, &now.memory), NVML_SUCCESS);
	return now;
}

/* A GPU that is busy with one process from the start. */
#define BUSY "  processes: [{name: job, memory: 8G, busy: 100, type: compute}]\n"

static int job_pid(nvmlDevice_t gpu)
{
	nvmlProcessInfo_t info;
	unsigned n = 1;

	CHECK_EQ(nvml.nvmlDeviceGetComputeRunningProcesses_v3(gpu, &n, &info), NVML_SUCCESS);
	return (int)info.pid;
}

/* It is no child of ours: gone when the GPU no longer lists it. */
static void job_end(nvmlDevice_t gpu)
{
	unsigned n;

	kill(job_pid(gpu), SIGKILL);
	do {
		n = 0;
		nvml.nvmlDeviceGetComputeRunningProcesses_v3(gpu, &n, NULL);
	} while (n);
}

TEST(load_moves_what_is_shown_and_goes_with_its_process)
{
	unsigned long long before, after;
	struct shown busy, idle;

	sim_begin_product("L40S", 1, BUSY);
	busy = show(sim_gpu(0));
	nvml.nvmlDeviceGetTotalEnergyConsumption(sim_gpu(0), &before);
	do
		nvml.nvmlDeviceGetTotalEnergyConsumption(sim_gpu(0), &after);
	while (after == before);
	job_end(sim_gpu(0));
	idle = show(sim_gpu(0));
	CHECK_EQ(busy.use.gpu, 100);
	CHECK_EQ(idle.use.gpu, 0);
	CHECK_EQ(busy.power, busy.limit);
	CHECK(idle.power < busy.power && idle.sm < busy.sm && idle.degrees < busy.degrees);
	CHECK_EQ(busy.memory.used - idle.memory.used, 8000000000ll);
	sim_end();
}

TEST(limits_and_clocks_hold_until_they_are_reset)
{
	unsigned long long reasons;
	unsigned mhz, clocks[256], n = 256;
	nvmlDevice_t gpu;

	sim_begin_product("A100-80", 1, BUSY);
	gpu = sim_gpu(0);
	CHECK_EQ(nvml.nvmlDeviceSetPowerManagementLimit(gpu, 50000), NVML_ERROR_INVALID_ARGUMENT);
	CHECK_EQ(nvml.nvmlDeviceSetPowerManagementLimit(gpu, 200000), NVML_SUCCESS);
	CHECK_EQ(show(gpu).power, 200000);
	nvml.nvmlDeviceGetCurrentClocksEventReasons(gpu, &reasons);
	CHECK(reasons & nvmlClocksEventReasonSwPowerCap);
	CHECK_EQ(nvml.nvmlDeviceGetSupportedGraphicsClocks(gpu, 1593, &n, clocks), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceSetApplicationsClocks(gpu, 1593, clocks[1]), NVML_SUCCESS);
	CHECK_EQ(show(gpu).sm, clocks[1]);
	CHECK_EQ(nvml.nvmlDeviceSetApplicationsClocks(gpu, 1593, clocks[1] + 1),
		NVML_ERROR_INVALID_ARGUMENT);
	CHECK_EQ(nvml.nvmlDeviceSetGpuLockedClocks(gpu, 300, 600), NVML_SUCCESS);
	CHECK_EQ(show(gpu).sm, 600);
	CHECK_EQ(nvml.nvmlDeviceResetGpuLockedClocks(gpu), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceResetApplicationsClocks(gpu), NVML_SUCCESS);
	nvml.nvmlDeviceGetMaxClockInfo(gpu, NVML_CLOCK_SM, &mhz);
	CHECK_EQ(show(gpu).sm, mhz);
	sim_end();
}

TEST(only_administrators_set_anything)
{
	int status = 0;
	pid_t pid;

	if (geteuid() != 0)
		SKIP("only root can become another user");
	sim_begin_product("T4", 1, "");
	chmod(sim_dir, 0755);
	pid = fork();
	if (pid == 0) {
		nvmlDevice_t gpu = sim_gpu(0);

		if (setuid(65534) < 0)
			_exit(2);
		_exit(nvml.nvmlDeviceSetPowerManagementLimit(gpu, 65000) !=
				NVML_ERROR_NO_PERMISSION ||
			nvml.nvmlDeviceSetEccMode(gpu, NVML_FEATURE_DISABLED) !=
				NVML_ERROR_NO_PERMISSION ||
			nvml.nvmlDeviceSetAccountingMode(gpu, NVML_FEATURE_ENABLED) !=
				NVML_ERROR_NO_PERMISSION ||
			nvml.nvmlDeviceClearAccountingPids(gpu) != NVML_ERROR_NO_PERMISSION);
	}
	waitpid(pid, &status, 0);
	CHECK_EQ(status, 0);
	sim_end();
}

TEST(an_ecc_mode_comes_with_the_reset_and_errors_cost_rows)
{
	nvmlEnableState_t now, next;
	unsigned corrected, rows, pending, failed;
	unsigned long long count;

	sim_begin_product("H100-80", 1, "");
	CHECK_EQ(SIM("ecc", "0", "uncorrected", "--dir", sim_dir), 0);
	CHECK_EQ(
		nvml.nvmlDeviceGetMemoryErrorCounter(sim_gpu(0), NVML_MEMORY_ERROR_TYPE_UNCORRECTED,
			NVML_VOLATILE_ECC, NVML_MEMORY_LOCATION_DEVICE_MEMORY, &count),
		NVML_SUCCESS);
	CHECK_EQ(count, 1);
	nvml.nvmlDeviceGetRemappedRows(sim_gpu(0), &corrected, &rows, &pending, &failed);
	CHECK(rows == 0 && pending == 1);
	CHECK_EQ(nvml.nvmlDeviceSetEccMode(sim_gpu(0), NVML_FEATURE_DISABLED), NVML_SUCCESS);
	nvml.nvmlDeviceGetEccMode(sim_gpu(0), &now, &next);
	CHECK(now == NVML_FEATURE_ENABLED && next == NVML_FEATURE_DISABLED);
	CHECK_EQ(SIM("reset", "0", "--dir", sim_dir), 0);
	nvml.nvmlDeviceGetEccMode(sim_gpu(0), &now, &next);
	CHECK(now == NVML_FEATURE_DISABLED && next == NVML_FEATURE_DISABLED);
	nvml.nvmlDeviceGetRemappedRows(sim_gpu(0), &corrected, &rows, &pending, &failed);
	CHECK(rows == 1 && pending == 0);
	CHECK_EQ(nvml.nvmlDeviceGetTotalEccErrors(
			 sim_gpu(0), NVML_MEMORY_ERROR_TYPE_CORRECTED, NVML_VOLATILE_ECC, &count),
		NVML_ERROR_NOT_SUPPORTED);
	sim_end();
}

TEST(accounting_remembers_processes_that_ended)
{
	nvmlAccountingStats_t stats;
	unsigned pids[64], n = 64;
	nvmlDevice_t gpu;
	int pid;

	sim_begin_product("T4", 1, "");
	gpu = sim_gpu(0);
	CHECK_EQ(nvml.nvmlDeviceSetAccountingMode(gpu, NVML_FEATURE_ENABLED), NVML_SUCCESS);
	pid = sim_hold("0");
	CHECK_EQ(nvml.nvmlDeviceGetAccountingStats(gpu, (unsigned)pid, &stats), NVML_SUCCESS);
	CHECK(stats.isRunning && stats.time == 0 && stats.maxMemoryUsage == 1000000000);
	sim_kill(pid);
	CHECK_EQ(nvml.nvmlDeviceGetAccountingStats(gpu, (unsigned)pid, &stats), NVML_SUCCESS);
	CHECK(!stats.isRunning && stats.startTime);
	CHECK_EQ(nvml.nvmlDeviceGetAccountingPids(gpu, &n, pids), NVML_SUCCESS);
	CHECK(n == 1 && pids[0] == (unsigned)pid);
	CHECK_EQ(nvml.nvmlDeviceClearAccountingPids(gpu), NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceGetAccountingStats(gpu, (unsigned)pid, &stats),
		NVML_ERROR_NOT_FOUND);
	sim_end();
}

TEST(accounting_knows_the_most_that_a_load_used)
{
	static const char load[] =
		"version: carve-sim/load-v1\nprocesses:\n- phases: [{for: 1ms, memory: 1G, busy: "
		"1}, "
		"{for: 1ms, memory: 3G, busy: 2}, {for: 1ms, memory: 2G, busy: 7}]\n";
	nvmlAccountingStats_t stats;
	unsigned pids[4], n = 4;
	char path[300];

	sim_begin_product("T4", 1, "");
	CHECK_EQ(nvml.nvmlDeviceSetAccountingMode(sim_gpu(0), NVML_FEATURE_ENABLED), NVML_SUCCESS);
	snprintf(path, sizeof(path), "%s/load.yaml", sim_dir);
	CHECK_EQ(write_file_atomic(path, load, strlen(load), 0600, NULL), 0);
	CHECK_EQ(SIM("load", path), 0);
	CHECK_EQ(nvml.nvmlDeviceGetAccountingPids(sim_gpu(0), &n, pids), NVML_SUCCESS);
	CHECK_EQ(n, 1);
	CHECK_EQ(nvml.nvmlDeviceGetAccountingStats(sim_gpu(0), pids[0], &stats), NVML_SUCCESS);
	CHECK_EQ(stats.maxMemoryUsage, 3000000000);
	CHECK_EQ(stats.gpuUtilization, 7);
	sim_end();
}

TEST(each_field_has_a_code_of_its_own)
{
	nvmlFieldValue_t fields[] = { { .fieldId = NVML_FI_DEV_POWER_INSTANT },
		{ .fieldId = NVML_FI_DEV_NVLINK_LINK_COUNT },
		{ .fieldId = NVML_FI_DEV_POWER_INSTANT, .scopeId = 9 }, { .fieldId = 60000 },
		{ .fieldId = NVML_FI_DEV_MEMORY_TEMP } };

	sim_begin_product("L40S", 1, BUSY);
	CHECK_EQ(nvml.nvmlDeviceGetFieldValues(sim_gpu(0), ARRAY_SIZE(fields), fields),
		NVML_SUCCESS);
	CHECK_EQ(fields[0].nvmlReturn, NVML_SUCCESS);
	CHECK_EQ(fields[0].value.uiVal, show(sim_gpu(0)).power);
	CHECK_EQ(fields[1].nvmlReturn, NVML_ERROR_NOT_SUPPORTED);
	CHECK_EQ(fields[2].nvmlReturn, NVML_ERROR_INVALID_ARGUMENT);
	CHECK_EQ(fields[3].nvmlReturn, NVML_ERROR_NOT_SUPPORTED);
	CHECK_EQ(fields[4].nvmlReturn, NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlDeviceGetFieldValues(sim_gpu(0), 0, fields), NVML_ERROR_INVALID_ARGUMENT);
	sim_end();
}

/* Each call with a struct that names its version: another word, then the right one. */
#define VERSIONED(type, version_word, call)                                                        \
	do {                                                                                       \
		type arg = { .version = (version_word) + 1 };                                      \
		CHECK_EQ(call, NVML_ERROR_ARGUMENT_VERSION_MISMATCH);                              \
		arg.version = 0;                                                                   \
		CHECK_EQ(call, NVML_ERROR_ARGUMENT_VERSION_MISMATCH);                              \
		arg.version = (version_word);                                                      \
		CHECK_EQ(call, NVML_SUCCESS);                                                      \
	} while (0)

TEST(a_struct_of_another_version_is_refused)
{
	nvmlProcessUtilizationInfo_v1_t use[8];
	nvmlDevice_t gpu;

	sim_begin_product("H100-80", 3, BUSY);
	gpu = sim_gpu(0);
	VERSIONED(nvmlMemory_v2_t, nvmlMemory_v2, nvml.nvmlDeviceGetMemoryInfo_v2(gpu, &arg));
	VERSIONED(nvmlPciInfoExt_v1_t, nvmlPciInfoExt_v1, nvml.nvmlDeviceGetPciInfoExt(gpu, &arg));
	VERSIONED(nvmlTemperature_v1_t, nvmlTemperature_v1,
		nvml.nvmlDeviceGetTemperatureV(gpu, &arg));
	VERSIONED(nvmlMarginTemperature_v1_t, nvmlMarginTemperature_v1,
		nvml.nvmlDeviceGetMarginTemperature(gpu, &arg));
	VERSIONED(nvmlDeviceAddressingMode_v1_t, nvmlDeviceAddressingMode_v1,
		nvml.nvmlDeviceGetAddressingMode(gpu, &arg));
	VERSIONED(nvmlEccSramErrorStatus_v1_t, nvmlEccSramErrorStatus_v1,
		nvml.nvmlDeviceGetSramEccErrorStatus(gpu, &arg));
	VERSIONED(nvmlGpuFabricInfo_v2_t, nvmlGpuFabricInfo_v2,
		nvml.nvmlDeviceGetGpuFabricInfoV(gpu, &arg));
	VERSIONED(nvmlSystemDriverBranchInfo_v1_t, nvmlSystemDriverBranchInfo_v1,
		nvml.nvmlSystemGetDriverBranch(&arg, sizeof(arg.branch)));
	VERSIONED(nvmlGpmSupport_t, NVML_GPM_SUPPORT_VERSION,
		nvml.nvmlGpmQueryDeviceSupport(gpu, &arg));
#define WITH_ROOM(arg)                                                                             \
	(arg.processSamplesCount = ARRAY_SIZE(use), arg.procUtilArray = use,                       \
		nvml.nvmlDeviceGetProcessesUtilizationInfo(gpu, &arg))
	VERSIONED(
		nvmlProcessesUtilizationInfo_v1_t, nvmlProcessesUtilizationInfo_v1, WITH_ROOM(arg));
	sim_end();
}

TEST(an_array_that_is_too_short_is_told_how_long_it_must_be)
{
	nvmlProcessDetailList_v1_t list = { .version = nvmlProcessDetailList_v1 };
	nvmlProcessDetail_v1_t detail;
	unsigned clocks[2], n = 2;

	sim_begin_product("A30", 1, BUSY);
	CHECK_EQ(nvml.nvmlDeviceGetSupportedGraphicsClocks(sim_gpu(0), 1215, &n, clocks),
		NVML_ERROR_INSUFFICIENT_SIZE);
	CHECK(n > 2);
	CHECK_EQ(nvml.nvmlDeviceGetRunningProcessDetailList(sim_gpu(0), &list),
		NVML_ERROR_INSUFFICIENT_SIZE);
	CHECK_EQ(list.numProcArrayEntries, 1);
	list.procArray = &detail;
	CHECK_EQ(nvml.nvmlDeviceGetRunningProcessDetailList(sim_gpu(0), &list), NVML_SUCCESS);
	CHECK_EQ(detail.usedGpuMemory, 8000000000ll);
	CHECK_EQ(detail.gpuInstanceId, NVML_NO_INSTANCE);
	sim_end();
}

TEST(links_go_to_the_other_of_two_and_to_switches_of_more)
{
	nvmlIntNvLinkDeviceType_t type;
	nvmlGpuTopologyLevel_t level;
	nvmlEnableState_t is_active;
	nvmlPciInfo_t pci, other;

	sim_begin_product("H100-NVL", 2, "  numa: [0, 1]\n");
	CHECK_EQ(nvml.nvmlDeviceGetNvLinkRemotePciInfo_v2(sim_gpu(0), 0, &pci), NVML_SUCCESS);
	nvml.nvmlDeviceGetPciInfo_v3(sim_gpu(1), &other);
	CHECK_TEXT(pci.busId, other.busId);
	nvml.nvmlDeviceGetTopologyCommonAncestor(sim_gpu(0), sim_gpu(1), &level);
	CHECK_EQ(level, NVML_TOPOLOGY_SYSTEM);
	CHECK_EQ(nvml.nvmlDeviceGetNvLinkState(sim_gpu(0), 12, &is_active),
		NVML_ERROR_INVALID_ARGUMENT);
	sim_end();
	sim_begin("dgx-h100");
	CHECK_EQ(nvml.nvmlDeviceGetNvLinkRemoteDeviceType(sim_gpu(0), 0, &type), NVML_SUCCESS);
	CHECK_EQ(type, NVML_NVLINK_DEVICE_TYPE_SWITCH);
	sim_end();
	sim_begin_product("L40S", 2, "");
	CHECK_EQ(
		nvml.nvmlDeviceGetNvLinkState(sim_gpu(0), 0, &is_active), NVML_ERROR_NOT_SUPPORTED);
	sim_end();
}

TEST(each_cpu_is_near_the_gpus_of_one_numa_node)
{
	unsigned long cpus[2][16], nodes[2];
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n;

	if (online < 2)
		SKIP("there is one CPU only");
	sim_begin_product("A30", 2, "  numa: [0, 1]\n");
	for (unsigned i = 0; i < 2; i++) {
		CHECK_EQ(nvml.nvmlDeviceGetCpuAffinity(sim_gpu(i), 16, cpus[i]), NVML_SUCCESS);
		CHECK_EQ(nvml.nvmlDeviceGetMemoryAffinity(
				 sim_gpu(i), 1, &nodes[i], NVML_AFFINITY_SCOPE_NODE),
			NVML_SUCCESS);
		CHECK_EQ(nodes[i], 1ul << i);
	}
	for (long cpu = 0; cpu < online && cpu < 16 * 64; cpu++) {
		unsigned long bit = 1ul << cpu % 64;
		nvmlDevice_t near[2];

		n = 2;
		CHECK(!(cpus[0][cpu / 64] & bit) != !(cpus[1][cpu / 64] & bit));
		CHECK_EQ(nvml.nvmlSystemGetTopologyGpuSet((unsigned)cpu, &n, near), NVML_SUCCESS);
		CHECK_EQ(n, 1);
		CHECK(near[0] == sim_gpu(cpus[1][cpu / 64] & bit ? 1 : 0));
	}
	sim_end();
}

TEST(mig_devices_have_an_index_among_those_of_their_gpu)
{
	unsigned index;
	nvmlDevice_t mig;

	sim_begin_product("H100-80", 1, "  mig: on\n  instances: [3g.40gb@4, 1g.10gb@0]\n");
	for (unsigned i = 0; i < 2; i++) {
		CHECK_EQ(nvml.nvmlDeviceGetMigDeviceHandleByIndex(sim_gpu(0), i, &mig),
			NVML_SUCCESS);
		CHECK_EQ(nvml.nvmlDeviceGetIndex(mig, &index), NVML_SUCCESS);
		CHECK_EQ(index, i);
	}
	sim_end();
}

TEST_MAIN()
