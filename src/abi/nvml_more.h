/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * What NVML has beyond nvml.h, and a monitoring tool shows: types, constants and, listed once in
 * nvml_more.def, functions. Carve calls none of them; the simulated library answers all. As in
 * nvml.h, names and values are NVIDIA's.
 */

#include "abi/nvml.h"

/* ---- the system ---- */

#define NVML_DEVICE_UUID_BUFFER_SIZE		80
#define NVML_DEVICE_UUID_ASCII_LEN		41
#define NVML_DEVICE_UUID_BINARY_LEN		16
#define NVML_DEVICE_INFOROM_VERSION_BUFFER_SIZE 16
#define NVML_DEVICE_PART_NUMBER_BUFFER_SIZE	80
#define NVML_DEVICE_VBIOS_VERSION_BUFFER_SIZE	32
#define NVML_GSP_FIRMWARE_VERSION_BUF_SIZE	0x40

typedef struct nvmlHwbcEntry_st {
	unsigned int hwbcId;
	char firmwareVersion[32];
} nvmlHwbcEntry_t;

typedef struct nvmlExcludedDeviceInfo_st {
	nvmlPciInfo_t pciInfo;
	char uuid[NVML_DEVICE_UUID_BUFFER_SIZE];
} nvmlExcludedDeviceInfo_t;

typedef struct nvmlSystemDriverBranchInfo_v1_st {
	unsigned int version;
	char branch[NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE];
} nvmlSystemDriverBranchInfo_v1_t;
#define nvmlSystemDriverBranchInfo_v1 NVML_STRUCT_VERSION(nvmlSystemDriverBranchInfo_v1_t, 1)

/* ---- identity ---- */

typedef enum nvmlUUIDType_enum {
	NVML_UUID_TYPE_NONE = 0,
	NVML_UUID_TYPE_ASCII = 1,
	NVML_UUID_TYPE_BINARY = 2
} nvmlUUIDType_t;

typedef union {
	char str[NVML_DEVICE_UUID_ASCII_LEN];
	unsigned char bytes[NVML_DEVICE_UUID_BINARY_LEN];
} nvmlUUIDValue_t;

typedef struct nvmlUUID_v1_st {
	unsigned int version;
	unsigned int type;
	nvmlUUIDValue_t value;
} nvmlUUID_v1_t;
#define nvmlUUID_v1 NVML_STRUCT_VERSION(nvmlUUID_v1_t, 1)

typedef struct nvmlPciInfoExt_v1_st {
	unsigned int version;
	unsigned int domain;
	unsigned int bus;
	unsigned int device;
	unsigned int pciDeviceId;
	unsigned int pciSubSystemId;
	unsigned int baseClass;
	unsigned int subClass;
	char busId[NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE];
} nvmlPciInfoExt_v1_t;
#define nvmlPciInfoExt_v1 NVML_STRUCT_VERSION(nvmlPciInfoExt_v1_t, 1)

typedef enum nvmlInforomObject_enum {
	NVML_INFOROM_OEM = 0,
	NVML_INFOROM_ECC = 1,
	NVML_INFOROM_POWER = 2,
	NVML_INFOROM_COUNT
} nvmlInforomObject_t;

typedef unsigned int nvmlBusType_t;
#define NVML_BUS_TYPE_PCIE 2

typedef enum nvmlGpuVirtualizationMode {
	NVML_GPU_VIRTUALIZATION_MODE_NONE = 0,
	NVML_GPU_VIRTUALIZATION_MODE_PASSTHROUGH = 1,
	NVML_GPU_VIRTUALIZATION_MODE_VGPU = 2,
	NVML_GPU_VIRTUALIZATION_MODE_HOST_VGPU = 3,
	NVML_GPU_VIRTUALIZATION_MODE_HOST_VSGA = 4
} nvmlGpuVirtualizationMode_t;

typedef struct nvmlDeviceAddressingMode_v1_st {
	unsigned int version;
	unsigned int value;
} nvmlDeviceAddressingMode_v1_t;
#define nvmlDeviceAddressingMode_v1	 NVML_STRUCT_VERSION(nvmlDeviceAddressingMode_v1_t, 1)
#define NVML_DEVICE_ADDRESSING_MODE_NONE 0
#define NVML_DEVICE_ADDRESSING_MODE_HMM	 1
#define NVML_DEVICE_ADDRESSING_MODE_ATS	 2 /* one address space with the CPU, by hardware */

typedef enum nvmlRestrictedAPI_enum {
	NVML_RESTRICTED_API_SET_APPLICATION_CLOCKS = 0,
	NVML_RESTRICTED_API_SET_AUTO_BOOSTED_CLOCKS = 1,
	NVML_RESTRICTED_API_COUNT
} nvmlRestrictedAPI_t;

typedef struct nvmlBAR1Memory_st { /* bytes */
	unsigned long long bar1Total;
	unsigned long long bar1Free;
	unsigned long long bar1Used;
} nvmlBAR1Memory_t;

/* ---- power, clocks, temperature ---- */

typedef enum nvmlPStates_enum {
	NVML_PSTATE_0 = 0,
	NVML_PSTATE_8 = 8,
	NVML_PSTATE_15 = 15,
	NVML_PSTATE_UNKNOWN = 32
} nvmlPstates_t;

typedef unsigned int nvmlPowerSource_t;
#define NVML_POWER_SOURCE_AC 0

typedef enum nvmlPerfPolicyType_enum {
	NVML_PERF_POLICY_POWER = 0,
	NVML_PERF_POLICY_THERMAL = 1,
	NVML_PERF_POLICY_SYNC_BOOST = 2,
	NVML_PERF_POLICY_BOARD_LIMIT = 3,
	NVML_PERF_POLICY_LOW_UTILIZATION = 4,
	NVML_PERF_POLICY_RELIABILITY = 5,
	NVML_PERF_POLICY_TOTAL_APP_CLOCKS = 10,
	NVML_PERF_POLICY_TOTAL_BASE_CLOCKS = 11,
	NVML_PERF_POLICY_COUNT
} nvmlPerfPolicyType_t;

typedef struct nvmlViolationTime_st {
	unsigned long long referenceTime; /* microseconds since 1970 */
	unsigned long long violationTime; /* nanoseconds */
} nvmlViolationTime_t;

typedef enum nvmlClockId_enum {
	NVML_CLOCK_ID_CURRENT = 0,
	NVML_CLOCK_ID_APP_CLOCK_TARGET = 1,
	NVML_CLOCK_ID_APP_CLOCK_DEFAULT = 2,
	NVML_CLOCK_ID_CUSTOMER_BOOST_MAX = 3,
	NVML_CLOCK_ID_COUNT
} nvmlClockId_t;

#define nvmlClocksEventReasonGpuIdle		       0x1ull
#define nvmlClocksEventReasonApplicationsClocksSetting 0x2ull
#define nvmlClocksEventReasonSwPowerCap		       0x4ull
#define nvmlClocksThrottleReasonHwSlowdown	       0x8ull
#define nvmlClocksEventReasonSwThermalSlowdown	       0x20ull
#define nvmlClocksThrottleReasonHwThermalSlowdown      0x40ull
#define nvmlClocksThrottleReasonHwPowerBrakeSlowdown   0x80ull

typedef struct nvmlTemperature_v1_st {
	unsigned int version;
	nvmlTemperatureSensors_t sensorType;
	int temperature;
} nvmlTemperature_v1_t;
#define nvmlTemperature_v1 NVML_STRUCT_VERSION(nvmlTemperature_v1_t, 1)

typedef struct nvmlMarginTemperature_v1_st {
	unsigned int version;
	int marginTemperature; /* degrees that are left until the GPU slows down */
} nvmlMarginTemperature_v1_t;
#define nvmlMarginTemperature_v1 NVML_STRUCT_VERSION(nvmlMarginTemperature_v1_t, 1)

/* ---- memory errors ---- */

typedef enum nvmlMemoryLocation_enum {
	NVML_MEMORY_LOCATION_L1_CACHE = 0,
	NVML_MEMORY_LOCATION_L2_CACHE = 1,
	NVML_MEMORY_LOCATION_DEVICE_MEMORY = 2,
	NVML_MEMORY_LOCATION_REGISTER_FILE = 3,
	NVML_MEMORY_LOCATION_TEXTURE_MEMORY = 4,
	NVML_MEMORY_LOCATION_TEXTURE_SHM = 5,
	NVML_MEMORY_LOCATION_CBU = 6,
	NVML_MEMORY_LOCATION_SRAM = 7,
	NVML_MEMORY_LOCATION_COUNT
} nvmlMemoryLocation_t;

typedef struct nvmlEccErrorCounts_st {
	unsigned long long l1Cache;
	unsigned long long l2Cache;
	unsigned long long deviceMemory;
	unsigned long long registerFile;
} nvmlEccErrorCounts_t;

typedef enum nvmlPageRetirementCause_enum {
	NVML_PAGE_RETIREMENT_CAUSE_MULTIPLE_SINGLE_BIT_ECC_ERRORS = 0,
	NVML_PAGE_RETIREMENT_CAUSE_DOUBLE_BIT_ECC_ERROR = 1,
	NVML_PAGE_RETIREMENT_CAUSE_COUNT
} nvmlPageRetirementCause_t;

typedef struct nvmlRowRemapperHistogramValues_st { /* banks by the spare rows they have left */
	unsigned int max;
	unsigned int high;
	unsigned int partial;
	unsigned int low;
	unsigned int none;
} nvmlRowRemapperHistogramValues_t;

typedef struct nvmlEccSramErrorStatus_v1_st {
	unsigned int version;
	unsigned long long aggregateUncParity;
	unsigned long long aggregateUncSecDed;
	unsigned long long aggregateCor;
	unsigned long long volatileUncParity;
	unsigned long long volatileUncSecDed;
	unsigned long long volatileCor;
	unsigned long long aggregateUncBucketL2;
	unsigned long long aggregateUncBucketSm;
	unsigned long long aggregateUncBucketPcie;
	unsigned long long aggregateUncBucketMcu;
	unsigned long long aggregateUncBucketOther;
	unsigned int bThresholdExceeded;
} nvmlEccSramErrorStatus_v1_t;
#define nvmlEccSramErrorStatus_v1 NVML_STRUCT_VERSION(nvmlEccSramErrorStatus_v1_t, 1)

/* ---- encoders, frame capture ---- */

typedef enum nvmlEncoderQueryType_enum {
	NVML_ENCODER_QUERY_H264 = 0,
	NVML_ENCODER_QUERY_HEVC = 1,
	NVML_ENCODER_QUERY_AV1 = 2,
	NVML_ENCODER_QUERY_UNKNOWN = 0xff
} nvmlEncoderType_t;

typedef struct nvmlEncoderSessionInfo_st {
	unsigned int sessionId;
	unsigned int pid;
	unsigned int vgpuInstance;
	nvmlEncoderType_t codecType;
	unsigned int hResolution;
	unsigned int vResolution;
	unsigned int averageFps;
	unsigned int averageLatency;
} nvmlEncoderSessionInfo_t;

typedef struct nvmlFBCStats_st {
	unsigned int sessionsCount;
	unsigned int averageFPS;
	unsigned int averageLatency;
} nvmlFBCStats_t;

typedef struct nvmlFBCSessionInfo_st {
	unsigned int sessionId;
	unsigned int pid;
	unsigned int vgpuInstance;
	unsigned int displayOrdinal;
	unsigned int sessionType;
	unsigned int sessionFlags;
	unsigned int hMaxResolution;
	unsigned int vMaxResolution;
	unsigned int hResolution;
	unsigned int vResolution;
	unsigned int averageFPS;
	unsigned int averageLatency;
} nvmlFBCSessionInfo_t;

/* ---- processes ---- */

#define NVML_PROCESS_MODE_COMPUTE  0
#define NVML_PROCESS_MODE_GRAPHICS 1
#define NVML_PROCESS_MODE_MPS	   2

typedef struct nvmlProcessDetail_v1_st {
	unsigned int pid;
	unsigned long long usedGpuMemory;
	unsigned int gpuInstanceId;
	unsigned int computeInstanceId;
	unsigned long long usedGpuCcProtectedMemory;
} nvmlProcessDetail_v1_t;

typedef struct nvmlProcessDetailList_v1_st {
	unsigned int version;
	unsigned int mode;
	unsigned int numProcArrayEntries;
	nvmlProcessDetail_v1_t *procArray;
} nvmlProcessDetailList_v1_t;
#define nvmlProcessDetailList_v1 NVML_STRUCT_VERSION(nvmlProcessDetailList_v1_t, 1)

typedef struct nvmlProcessUtilizationInfo_v1_st {
	unsigned long long timeStamp;
	unsigned int pid;
	unsigned int smUtil;
	unsigned int memUtil;
	unsigned int encUtil;
	unsigned int decUtil;
	unsigned int jpgUtil;
	unsigned int ofaUtil;
} nvmlProcessUtilizationInfo_v1_t;

typedef struct nvmlProcessesUtilizationInfo_v1_st {
	unsigned int version;
	unsigned int processSamplesCount;
	unsigned long long lastSeenTimeStamp;
	nvmlProcessUtilizationInfo_v1_t *procUtilArray;
} nvmlProcessesUtilizationInfo_v1_t;
#define nvmlProcessesUtilizationInfo_v1 NVML_STRUCT_VERSION(nvmlProcessesUtilizationInfo_v1_t, 1)

/* ---- field values ---- */

typedef struct nvmlFieldValue_st {
	unsigned int fieldId;
	unsigned int scopeId;
	long long timestamp; /* microseconds since 1970 */
	long long latencyUsec;
	nvmlValueType_t valueType;
	nvmlReturn_t nvmlReturn;
	nvmlValue_t value;
} nvmlFieldValue_t;

/* Field ids; those of one kind follow each other. */
#define NVML_FI_DEV_ECC_CURRENT			      1
#define NVML_FI_DEV_ECC_PENDING			      2
#define NVML_FI_DEV_ECC_SBE_VOL_TOTAL		      3
#define NVML_FI_DEV_ECC_DBE_VOL_TOTAL		      4
#define NVML_FI_DEV_ECC_SBE_AGG_TOTAL		      5
#define NVML_FI_DEV_ECC_DBE_AGG_TOTAL		      6
#define NVML_FI_DEV_ECC_SBE_VOL_DEV		      11
#define NVML_FI_DEV_ECC_DBE_VOL_DEV		      12
#define NVML_FI_DEV_ECC_SBE_AGG_DEV		      22
#define NVML_FI_DEV_ECC_DBE_AGG_DEV		      23
#define NVML_FI_DEV_ECC_DBE_AGG_CBU		      28
#define NVML_FI_DEV_RETIRED_SBE			      29
#define NVML_FI_DEV_RETIRED_PENDING		      31
#define NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_L0    32
#define NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL 59
#define NVML_FI_DEV_PERF_POLICY_POWER		      74
#define NVML_FI_DEV_PERF_POLICY_TOTAL_BASE_CLOCKS     81
#define NVML_FI_DEV_MEMORY_TEMP			      82
#define NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION	      83
#define NVML_FI_DEV_NVLINK_SPEED_MBPS_L0	      84
#define NVML_FI_DEV_NVLINK_SPEED_MBPS_COMMON	      90
#define NVML_FI_DEV_NVLINK_LINK_COUNT		      91
#define NVML_FI_DEV_PCIE_REPLAY_COUNTER		      94
#define NVML_FI_DEV_PCIE_REPLAY_ROLLOVER_COUNTER      95
#define NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_L6    96
#define NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_L11   119
#define NVML_FI_DEV_NVLINK_SPEED_MBPS_L6	      132
#define NVML_FI_DEV_NVLINK_SPEED_MBPS_L11	      137
#define NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX	      138
#define NVML_FI_DEV_NVLINK_THROUGHPUT_RAW_RX	      141
#define NVML_FI_DEV_REMAPPED_COR		      142
#define NVML_FI_DEV_REMAPPED_UNC		      143
#define NVML_FI_DEV_REMAPPED_PENDING		      144
#define NVML_FI_DEV_REMAPPED_FAILURE		      145
#define NVML_FI_DEV_NVLINK_GET_SPEED		      164
#define NVML_FI_DEV_NVLINK_GET_STATE		      165
#define NVML_FI_DEV_NVLINK_GET_VERSION		      166
#define NVML_FI_DEV_PCIE_COUNT_CORRECTABLE_ERRORS     173
#define NVML_FI_DEV_PCIE_COUNT_LANE_ERROR	      183
#define NVML_FI_DEV_IS_RESETLESS_MIG_SUPPORTED	      184
#define NVML_FI_DEV_POWER_AVERAGE		      185
#define NVML_FI_DEV_POWER_INSTANT		      186
#define NVML_FI_DEV_POWER_MIN_LIMIT		      187
#define NVML_FI_DEV_POWER_MAX_LIMIT		      188
#define NVML_FI_DEV_POWER_DEFAULT_LIMIT		      189
#define NVML_FI_DEV_POWER_CURRENT_LIMIT		      190
#define NVML_FI_DEV_POWER_REQUESTED_LIMIT	      192
#define NVML_FI_DEV_TEMPERATURE_SHUTDOWN_TLIMIT	      193
#define NVML_FI_DEV_TEMPERATURE_SLOWDOWN_TLIMIT	      194
#define NVML_FI_DEV_TEMPERATURE_MEM_MAX_TLIMIT	      195
#define NVML_FI_DEV_TEMPERATURE_GPU_MAX_TLIMIT	      196

/* ---- topology and links ---- */

typedef unsigned int nvmlAffinityScope_t;
#define NVML_AFFINITY_SCOPE_NODE   0
#define NVML_AFFINITY_SCOPE_SOCKET 1

typedef enum nvmlGpuLevel_enum {
	NVML_TOPOLOGY_INTERNAL = 0,
	NVML_TOPOLOGY_SINGLE = 10,
	NVML_TOPOLOGY_MULTIPLE = 20,
	NVML_TOPOLOGY_HOSTBRIDGE = 30,
	NVML_TOPOLOGY_NODE = 40,
	NVML_TOPOLOGY_SYSTEM = 50
} nvmlGpuTopologyLevel_t;

typedef enum nvmlGpuP2PStatus_enum {
	NVML_P2P_STATUS_OK = 0,
	NVML_P2P_STATUS_CHIPSET_NOT_SUPPORTED = 1,
	NVML_P2P_STATUS_NOT_SUPPORTED = 5
} nvmlGpuP2PStatus_t;

typedef enum nvmlGpuP2PCapsIndex_enum {
	NVML_P2P_CAPS_INDEX_READ = 0,
	NVML_P2P_CAPS_INDEX_WRITE = 1,
	NVML_P2P_CAPS_INDEX_NVLINK = 2,
	NVML_P2P_CAPS_INDEX_ATOMICS = 3,
	NVML_P2P_CAPS_INDEX_PROP = 4,
	NVML_P2P_CAPS_INDEX_UNKNOWN = 5
} nvmlGpuP2PCapsIndex_t;

#define NVML_NVLINK_MAX_LINKS 18

typedef enum nvmlNvLinkCapability_enum {
	NVML_NVLINK_CAP_P2P_SUPPORTED = 0,
	NVML_NVLINK_CAP_SYSMEM_ACCESS = 1,
	NVML_NVLINK_CAP_P2P_ATOMICS = 2,
	NVML_NVLINK_CAP_SYSMEM_ATOMICS = 3,
	NVML_NVLINK_CAP_SLI_BRIDGE = 4,
	NVML_NVLINK_CAP_VALID = 5,
	NVML_NVLINK_CAP_COUNT
} nvmlNvLinkCapability_t;

typedef enum nvmlNvLinkErrorCounter_enum {
	NVML_NVLINK_ERROR_DL_REPLAY = 0,
	NVML_NVLINK_ERROR_DL_RECOVERY = 1,
	NVML_NVLINK_ERROR_DL_CRC_FLIT = 2,
	NVML_NVLINK_ERROR_DL_CRC_DATA = 3,
	NVML_NVLINK_ERROR_DL_ECC_DATA = 4,
	NVML_NVLINK_ERROR_COUNT
} nvmlNvLinkErrorCounter_t;

typedef enum nvmlIntNvLinkDeviceType_enum {
	NVML_NVLINK_DEVICE_TYPE_GPU = 0x00,
	NVML_NVLINK_DEVICE_TYPE_IBMNPU = 0x01,
	NVML_NVLINK_DEVICE_TYPE_SWITCH = 0x02,
	NVML_NVLINK_DEVICE_TYPE_UNKNOWN = 0xff
} nvmlIntNvLinkDeviceType_t;

#define NVML_GPU_FABRIC_UUID_LEN	    16
#define NVML_GPU_FABRIC_STATE_NOT_SUPPORTED 0
#define NVML_GPU_FABRIC_STATE_COMPLETED	    3

typedef unsigned char nvmlGpuFabricState_t;

typedef struct nvmlGpuFabricInfo_st {
	unsigned char clusterUuid[NVML_GPU_FABRIC_UUID_LEN];
	nvmlReturn_t status;
	unsigned int cliqueId;
	nvmlGpuFabricState_t state;
} nvmlGpuFabricInfo_t;

typedef struct nvmlGpuFabricInfo_v2_st {
	unsigned int version;
	unsigned char clusterUuid[NVML_GPU_FABRIC_UUID_LEN];
	nvmlReturn_t status;
	unsigned int cliqueId;
	nvmlGpuFabricState_t state;
	unsigned int healthMask;
} nvmlGpuFabricInfo_v2_t;

typedef struct nvmlGpuFabricInfo_v3_st {
	unsigned int version;
	unsigned char clusterUuid[NVML_GPU_FABRIC_UUID_LEN];
	nvmlReturn_t status;
	unsigned int cliqueId;
	nvmlGpuFabricState_t state;
	unsigned int healthMask;
	unsigned char healthSummary;
} nvmlGpuFabricInfo_v3_t;
#define nvmlGpuFabricInfo_v2 NVML_STRUCT_VERSION(nvmlGpuFabricInfo_v2_t, 2)
#define nvmlGpuFabricInfo_v3 NVML_STRUCT_VERSION(nvmlGpuFabricInfo_v3_t, 3)

/* From R615 on. The path is that of a cgroup's directory; ULLONG_MAX: no limit. */
typedef struct {
	const char *nameSpace;
	unsigned long long softLimit, hardLimit; /* bytes */
} nvmlSetMemoryLimits_v1_t;

typedef struct {
	const char *nameSpace;
	unsigned long long softLimit, hardLimit;
	unsigned long long currentUsed;
} nvmlGetMemoryLimits_v1_t;

/* ---- vGPUs ---- */

#define NVML_GRID_LICENSE_BUFFER_SIZE 128
#define INVALID_GPU_INSTANCE_ID	      0xffffffffu

typedef enum nvmlVgpuVmIdType {
	NVML_VGPU_VM_ID_DOMAIN_ID = 0,
	NVML_VGPU_VM_ID_UUID = 1
} nvmlVgpuVmIdType_t;

typedef enum nvmlVgpuCapability_enum {
	NVML_VGPU_CAP_NVLINK_P2P = 0,
	NVML_VGPU_CAP_GPUDIRECT = 1,
	NVML_VGPU_CAP_MULTI_VGPU_EXCLUSIVE = 2,
	NVML_VGPU_CAP_EXCLUSIVE_TYPE = 3,
	NVML_VGPU_CAP_EXCLUSIVE_SIZE = 4
} nvmlVgpuCapability_t;

typedef struct {
	unsigned int version;
	unsigned int placementId;
} nvmlVgpuPlacementId_v1_t;
typedef nvmlVgpuPlacementId_v1_t nvmlVgpuPlacementId_t;
#define nvmlVgpuPlacementId_v1 NVML_STRUCT_VERSION(nvmlVgpuPlacementId_v1_t, 1)

/* The caller's array has room for as many as the type's most instances. */
typedef struct {
	unsigned int version;
	unsigned int placementSize;
	unsigned int count;
	unsigned int *placementIds;
} nvmlVgpuPlacementList_v1_t;
#define nvmlVgpuPlacementList_v1 NVML_STRUCT_VERSION(nvmlVgpuPlacementList_v1_t, 1)

#define NVML_VGPU_PGPU_HETEROGENEOUS_MODE 0
#define NVML_VGPU_PGPU_HOMOGENEOUS_MODE	  1

typedef struct {
	unsigned int version;
	unsigned int placementSize;
	unsigned int count;
	unsigned int *placementIds;
	unsigned int mode; /* NVML_VGPU_PGPU_* */
} nvmlVgpuPlacementList_v2_t;
#define nvmlVgpuPlacementList_v2 NVML_STRUCT_VERSION(nvmlVgpuPlacementList_v2_t, 2)

typedef struct {
	unsigned int version;
	unsigned long long bar1Size;
} nvmlVgpuTypeBar1Info_v1_t;
#define nvmlVgpuTypeBar1Info_v1 NVML_STRUCT_VERSION(nvmlVgpuTypeBar1Info_v1_t, 1)

typedef struct {
	unsigned int version;
	unsigned int vgpuCount;
	nvmlVgpuTypeId_t *vgpuTypeIds;
} nvmlVgpuTypeIdInfo_v1_t;
#define nvmlVgpuTypeIdInfo_v1 NVML_STRUCT_VERSION(nvmlVgpuTypeIdInfo_v1_t, 1)

typedef struct {
	unsigned int version;
	unsigned int vgpuCount;
	nvmlVgpuInstance_t *vgpuInstances;
} nvmlActiveVgpuInstanceInfo_v1_t;
#define nvmlActiveVgpuInstanceInfo_v1 NVML_STRUCT_VERSION(nvmlActiveVgpuInstanceInfo_v1_t, 1)

/* ---- the functions, from the list ---- */

#define NVML_FN(name, params, args) nvmlReturn_t name params;
#include "abi/nvml_more.def"
