/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * NVML as seen from C: the types, constants and return codes of NVIDIA's management library that
 * Carve speaks (as a client) and simulates (as a library). ABI-compatible with NVIDIA's nvml.h on
 * 64-bit Linux; names and values are NVIDIA's (nvml.h of API 13, NVIDIA/go-nvml), the wording is
 * ours. The functions are listed once, in nvml.def.
 *
 * A versioned struct begins with a word that says its size and version; a library that gets another
 * word answers NVML_ERROR_ARGUMENT_VERSION_MISMATCH.
 */

typedef struct nvmlDevice_st *nvmlDevice_t;
typedef struct nvmlGpuInstance_st *nvmlGpuInstance_t;
typedef struct nvmlComputeInstance_st *nvmlComputeInstance_t;
typedef struct nvmlEventSet_st *nvmlEventSet_t;

/* ---- what a call answers ---- */

typedef enum nvmlReturn_enum {
	NVML_SUCCESS = 0,
	NVML_ERROR_UNINITIALIZED = 1,
	NVML_ERROR_INVALID_ARGUMENT = 2,
	NVML_ERROR_NOT_SUPPORTED = 3,
	NVML_ERROR_NO_PERMISSION = 4,
	NVML_ERROR_ALREADY_INITIALIZED = 5,
	NVML_ERROR_NOT_FOUND = 6,
	NVML_ERROR_INSUFFICIENT_SIZE = 7,
	NVML_ERROR_INSUFFICIENT_POWER = 8,
	NVML_ERROR_DRIVER_NOT_LOADED = 9,
	NVML_ERROR_TIMEOUT = 10,
	NVML_ERROR_IRQ_ISSUE = 11,
	NVML_ERROR_LIBRARY_NOT_FOUND = 12,
	NVML_ERROR_FUNCTION_NOT_FOUND = 13,
	NVML_ERROR_CORRUPTED_INFOROM = 14,
	NVML_ERROR_GPU_IS_LOST = 15,
	NVML_ERROR_RESET_REQUIRED = 16,
	NVML_ERROR_OPERATING_SYSTEM = 17,
	NVML_ERROR_LIB_RM_VERSION_MISMATCH = 18,
	NVML_ERROR_IN_USE = 19,
	NVML_ERROR_MEMORY = 20,
	NVML_ERROR_NO_DATA = 21,
	NVML_ERROR_VGPU_ECC_NOT_SUPPORTED = 22,
	NVML_ERROR_INSUFFICIENT_RESOURCES = 23,
	NVML_ERROR_FREQ_NOT_SUPPORTED = 24,
	NVML_ERROR_ARGUMENT_VERSION_MISMATCH = 25,
	NVML_ERROR_DEPRECATED = 26,
	NVML_ERROR_NOT_READY = 27,
	NVML_ERROR_GPU_NOT_FOUND = 28,
	NVML_ERROR_INVALID_STATE = 29,
	NVML_ERROR_RESET_TYPE_NOT_SUPPORTED = 30,
	NVML_ERROR_UNKNOWN = 999
} nvmlReturn_t;

/* ---- sizes of the text buffers that callers hand in ---- */

#define NVML_DEVICE_NAME_V2_BUFFER_SIZE	       96
#define NVML_DEVICE_UUID_V2_BUFFER_SIZE	       96
#define NVML_DEVICE_SERIAL_BUFFER_SIZE	       30
#define NVML_SYSTEM_DRIVER_VERSION_BUFFER_SIZE 80
#define NVML_SYSTEM_NVML_VERSION_BUFFER_SIZE   80
#define NVML_DEVICE_PCI_BUS_ID_V2_BUFFER_SIZE  16
#define NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE     32

/* nvmlInitWithFlags: no error where there is no GPU; attach to no GPU. */
#define NVML_INIT_FLAG_NO_GPUS	 1
#define NVML_INIT_FLAG_NO_ATTACH 2

/* A number that a struct has room for but the device has not. */
#define NVML_VALUE_NOT_AVAILABLE (-1)

/* ---- small enumerations ---- */

typedef enum nvmlEnableState_enum {
	NVML_FEATURE_DISABLED = 0,
	NVML_FEATURE_ENABLED = 1
} nvmlEnableState_t;

typedef enum nvmlComputeMode_enum {
	NVML_COMPUTEMODE_DEFAULT = 0,
	NVML_COMPUTEMODE_EXCLUSIVE_THREAD = 1,
	NVML_COMPUTEMODE_PROHIBITED = 2,
	NVML_COMPUTEMODE_EXCLUSIVE_PROCESS = 3,
	NVML_COMPUTEMODE_COUNT
} nvmlComputeMode_t;

typedef enum nvmlMemoryErrorType_enum {
	NVML_MEMORY_ERROR_TYPE_CORRECTED = 0,
	NVML_MEMORY_ERROR_TYPE_UNCORRECTED = 1,
	NVML_MEMORY_ERROR_TYPE_COUNT
} nvmlMemoryErrorType_t;

typedef enum nvmlEccCounterType_enum {
	NVML_VOLATILE_ECC = 0, /* since the driver was loaded or the GPU reset */
	NVML_AGGREGATE_ECC = 1,
	NVML_ECC_COUNTER_TYPE_COUNT
} nvmlEccCounterType_t;

typedef enum nvmlTemperatureSensors_enum {
	NVML_TEMPERATURE_GPU = 0,
	NVML_TEMPERATURE_COUNT
} nvmlTemperatureSensors_t;

typedef enum nvmlTemperatureThresholds_enum {
	NVML_TEMPERATURE_THRESHOLD_SHUTDOWN = 0,
	NVML_TEMPERATURE_THRESHOLD_SLOWDOWN = 1,
	NVML_TEMPERATURE_THRESHOLD_MEM_MAX = 2,
	NVML_TEMPERATURE_THRESHOLD_GPU_MAX = 3
} nvmlTemperatureThresholds_t;

typedef enum nvmlClockType_enum {
	NVML_CLOCK_GRAPHICS = 0,
	NVML_CLOCK_SM = 1,
	NVML_CLOCK_MEM = 2,
	NVML_CLOCK_VIDEO = 3,
	NVML_CLOCK_COUNT
} nvmlClockType_t;

typedef enum nvmlPcieUtilCounter_enum {
	NVML_PCIE_UTIL_TX_BYTES = 0,
	NVML_PCIE_UTIL_RX_BYTES = 1
} nvmlPcieUtilCounter_t;

typedef unsigned int nvmlDeviceArchitecture_t;
#define NVML_DEVICE_ARCH_TURING	   6
#define NVML_DEVICE_ARCH_AMPERE	   7
#define NVML_DEVICE_ARCH_ADA	   8
#define NVML_DEVICE_ARCH_HOPPER	   9
#define NVML_DEVICE_ARCH_BLACKWELL 10
#define NVML_DEVICE_ARCH_UNKNOWN   0xffffffffu

typedef unsigned int nvmlBrandType_t;
#define NVML_BRAND_UNKNOWN    0
#define NVML_BRAND_TESLA      2
#define NVML_BRAND_NVIDIA     14
#define NVML_BRAND_NVIDIA_RTX 13

/* ---- identity and state of a device ---- */

typedef struct nvmlPciInfo_st {
	char busIdLegacy[NVML_DEVICE_PCI_BUS_ID_V2_BUFFER_SIZE]; /* "0000:65:00.0" */
	unsigned int domain;
	unsigned int bus;
	unsigned int device;
	unsigned int pciDeviceId; /* device id << 16 | vendor id */
	unsigned int pciSubSystemId;
	char busId[NVML_DEVICE_PCI_BUS_ID_BUFFER_SIZE]; /* "00000000:65:00.0" */
} nvmlPciInfo_t;

/* What nvmlDeviceGetPciInfo_v2 fills; the unversioned call fills up to pciDeviceId. */
typedef struct nvmlPciInfo_v2_st {
	char busId[NVML_DEVICE_PCI_BUS_ID_V2_BUFFER_SIZE];
	unsigned int domain;
	unsigned int bus;
	unsigned int device;
	unsigned int pciDeviceId;
	unsigned int pciSubSystemId;
	unsigned int reserved[4];
} nvmlPciInfo_v2_t;

typedef struct nvmlMemory_st { /* bytes; reserved memory is part of `used` */
	unsigned long long total;
	unsigned long long free;
	unsigned long long used;
} nvmlMemory_t;

typedef struct nvmlMemory_v2_st { /* bytes; reserved memory is not part of `used` */
	unsigned int version;
	unsigned long long total;
	unsigned long long reserved;
	unsigned long long free;
	unsigned long long used;
} nvmlMemory_v2_t;

typedef struct nvmlUtilization_st { /* percent of the last sample period */
	unsigned int gpu;
	unsigned int memory;
} nvmlUtilization_t;

typedef struct nvmlDeviceAttributes_st { /* of a MIG device */
	unsigned int multiprocessorCount;
	unsigned int sharedCopyEngineCount;
	unsigned int sharedDecoderCount;
	unsigned int sharedEncoderCount;
	unsigned int sharedJpegCount;
	unsigned int sharedOfaCount;
	unsigned int gpuInstanceSliceCount;
	unsigned int computeInstanceSliceCount;
	unsigned long long memorySizeMB;
} nvmlDeviceAttributes_t;

/* ---- processes ---- */

/* usedGpuMemory of a process whose memory the library cannot tell. */
#define NVML_MEMORY_NOT_AVAILABLE (~0ull)
/* gpuInstanceId and computeInstanceId of a process that uses no MIG device. */
#define NVML_NO_INSTANCE 0xffffffffu

typedef struct nvmlProcessInfo_v1_st { /* of the unversioned calls */
	unsigned int pid;
	unsigned long long usedGpuMemory;
} nvmlProcessInfo_v1_t;

typedef struct nvmlProcessInfo_v2_st { /* of the _v2 and _v3 calls */
	unsigned int pid;
	unsigned long long usedGpuMemory;
	unsigned int gpuInstanceId;
	unsigned int computeInstanceId;
} nvmlProcessInfo_v2_t;

typedef nvmlProcessInfo_v2_t nvmlProcessInfo_t;

typedef struct nvmlProcessUtilizationSample_st {
	unsigned int pid;
	unsigned long long timeStamp; /* microseconds since 1970 */
	unsigned int smUtil;
	unsigned int memUtil;
	unsigned int encUtil;
	unsigned int decUtil;
} nvmlProcessUtilizationSample_t;

typedef struct nvmlAccountingStats_st {
	unsigned int gpuUtilization;
	unsigned int memoryUtilization;
	unsigned long long maxMemoryUsage; /* bytes */
	unsigned long long time;	   /* milliseconds; 0 while it runs */
	unsigned long long startTime;	   /* microseconds since 1970 */
	unsigned int isRunning;
	unsigned int reserved[5];
} nvmlAccountingStats_t;

/* ---- samples of the last seconds, and counters ---- */

typedef enum nvmlSamplingType_enum {
	NVML_TOTAL_POWER_SAMPLES = 0,
	NVML_GPU_UTILIZATION_SAMPLES = 1,
	NVML_MEMORY_UTILIZATION_SAMPLES = 2,
	NVML_ENC_UTILIZATION_SAMPLES = 3,
	NVML_DEC_UTILIZATION_SAMPLES = 4,
	NVML_PROCESSOR_CLK_SAMPLES = 5,
	NVML_MEMORY_CLK_SAMPLES = 6,
	NVML_MODULE_POWER_SAMPLES = 7,
	NVML_JPG_UTILIZATION_SAMPLES = 8,
	NVML_OFA_UTILIZATION_SAMPLES = 9,
	NVML_SAMPLINGTYPE_COUNT
} nvmlSamplingType_t;

typedef enum nvmlValueType_enum {
	NVML_VALUE_TYPE_DOUBLE = 0,
	NVML_VALUE_TYPE_UNSIGNED_INT = 1,
	NVML_VALUE_TYPE_UNSIGNED_LONG = 2,
	NVML_VALUE_TYPE_UNSIGNED_LONG_LONG = 3,
	NVML_VALUE_TYPE_SIGNED_LONG_LONG = 4,
	NVML_VALUE_TYPE_SIGNED_INT = 5
} nvmlValueType_t;

typedef union nvmlValue_st {
	double dVal;
	int siVal;
	unsigned int uiVal;
	unsigned long ulVal;
	unsigned long long ullVal;
	signed long long sllVal;
} nvmlValue_t;

typedef struct nvmlSample_st {
	unsigned long long timeStamp; /* microseconds since 1970 */
	nvmlValue_t sampleValue;
} nvmlSample_t;

typedef struct nvmlGpmSupport_st {
	unsigned int version;
	unsigned int isSupportedDevice;
} nvmlGpmSupport_t;
#define NVML_GPM_SUPPORT_VERSION 1

/* What the counters of GPU performance monitoring held at one moment. */
typedef struct nvmlGpmSample_st *nvmlGpmSample_t;

/* How many there are grows with the driver; a call touches as many as it was asked for. */
#define NVML_GPM_METRIC_MAX 333

/* Percentages are means over the time between two samples, of the GPU or of the MIG instance. */
#define NVML_GPM_METRIC_GRAPHICS_UTIL	1 /* percent of the time in which compute or graphics ran */
#define NVML_GPM_METRIC_SM_UTIL		2 /* percent of the SMs that were busy */
#define NVML_GPM_METRIC_DRAM_BW_UTIL	10 /* percent of the memory's bandwidth */
#define NVML_GPM_METRIC_PCIE_TX_PER_SEC 20 /* MiB/s from the GPU */
#define NVML_GPM_METRIC_PCIE_RX_PER_SEC 21 /* MiB/s to the GPU */

typedef struct nvmlGpmMetric_st {
	unsigned int metricId;
	nvmlReturn_t nvmlReturn; /* of this metric alone */
	double value;
	struct {
		char *shortName;
		char *longName;
		char *unit;
	} metricInfo;
} nvmlGpmMetric_t;

typedef struct nvmlGpmMetricsGet_st {
	unsigned int version;
	unsigned int numMetrics;
	nvmlGpmSample_t sample1;
	nvmlGpmSample_t sample2;
	nvmlGpmMetric_t metrics[NVML_GPM_METRIC_MAX];
} nvmlGpmMetricsGet_t;
#define NVML_GPM_METRICS_GET_VERSION 1

/* ---- MIG ---- */

#define NVML_DEVICE_MIG_DISABLE 0
#define NVML_DEVICE_MIG_ENABLE	1

/*
 * The kinds of GPU instance that the profile info calls are asked for (0 .. COUNT - 1, most of
 * which a given GPU has not). A kind is never what create takes: that is the answer's `id`.
 */
#define NVML_GPU_INSTANCE_PROFILE_1_SLICE	 0x0
#define NVML_GPU_INSTANCE_PROFILE_2_SLICE	 0x1
#define NVML_GPU_INSTANCE_PROFILE_3_SLICE	 0x2
#define NVML_GPU_INSTANCE_PROFILE_4_SLICE	 0x3
#define NVML_GPU_INSTANCE_PROFILE_7_SLICE	 0x4
#define NVML_GPU_INSTANCE_PROFILE_8_SLICE	 0x5
#define NVML_GPU_INSTANCE_PROFILE_6_SLICE	 0x6
#define NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1	 0x7 /* 1g with the media engines */
#define NVML_GPU_INSTANCE_PROFILE_2_SLICE_REV1	 0x8
#define NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV2	 0x9 /* 1g with twice the memory */
#define NVML_GPU_INSTANCE_PROFILE_1_SLICE_GFX	 0xa
#define NVML_GPU_INSTANCE_PROFILE_2_SLICE_GFX	 0xb
#define NVML_GPU_INSTANCE_PROFILE_4_SLICE_GFX	 0xc
#define NVML_GPU_INSTANCE_PROFILE_1_SLICE_NO_ME	 0xd
#define NVML_GPU_INSTANCE_PROFILE_2_SLICE_NO_ME	 0xe
#define NVML_GPU_INSTANCE_PROFILE_1_SLICE_ALL_ME 0xf
#define NVML_GPU_INSTANCE_PROFILE_2_SLICE_ALL_ME 0x10
#define NVML_GPU_INSTANCE_PROFILE_3_SLICE_GFX	 0x11
#define NVML_GPU_INSTANCE_PROFILE_COUNT		 0x12

/* `capabilities` of nvmlGpuInstanceProfileInfo_v3_t. */
#define NVML_GPU_INSTANCE_PROFILE_CAPS_P2P 0x1
#define NVML_GPU_INSTANCE_PROFILE_CAPS_GFX 0x4

/* The kinds of compute instance; create takes the answer's `id`. */
#define NVML_COMPUTE_INSTANCE_PROFILE_1_SLICE	   0x0
#define NVML_COMPUTE_INSTANCE_PROFILE_2_SLICE	   0x1
#define NVML_COMPUTE_INSTANCE_PROFILE_3_SLICE	   0x2
#define NVML_COMPUTE_INSTANCE_PROFILE_4_SLICE	   0x3
#define NVML_COMPUTE_INSTANCE_PROFILE_7_SLICE	   0x4
#define NVML_COMPUTE_INSTANCE_PROFILE_8_SLICE	   0x5
#define NVML_COMPUTE_INSTANCE_PROFILE_6_SLICE	   0x6
#define NVML_COMPUTE_INSTANCE_PROFILE_1_SLICE_REV1 0x7
#define NVML_COMPUTE_INSTANCE_PROFILE_7_SLICE_NVL  0x8
#define NVML_COMPUTE_INSTANCE_PROFILE_COUNT	   0x9

/* The only engine profile that there is: all engines are shared in the GPU instance. */
#define NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_SHARED 0x0
#define NVML_COMPUTE_INSTANCE_ENGINE_PROFILE_COUNT  0x1

typedef struct nvmlGpuInstanceProfileInfo_st {
	unsigned int id;
	unsigned int isP2pSupported;
	unsigned int sliceCount;    /* compute slices */
	unsigned int instanceCount; /* how many of this kind an empty GPU holds */
	unsigned int multiprocessorCount;
	unsigned int copyEngineCount;
	unsigned int decoderCount;
	unsigned int encoderCount;
	unsigned int jpegCount;
	unsigned int ofaCount;
	unsigned long long memorySizeMB; /* MiB */
} nvmlGpuInstanceProfileInfo_t;

typedef struct nvmlGpuInstanceProfileInfo_v2_st {
	unsigned int version;
	unsigned int id;
	unsigned int isP2pSupported;
	unsigned int sliceCount;
	unsigned int instanceCount;
	unsigned int multiprocessorCount;
	unsigned int copyEngineCount;
	unsigned int decoderCount;
	unsigned int encoderCount;
	unsigned int jpegCount;
	unsigned int ofaCount;
	unsigned long long memorySizeMB;
	char name[NVML_DEVICE_NAME_V2_BUFFER_SIZE]; /* "MIG 1g.10gb" */
} nvmlGpuInstanceProfileInfo_v2_t;

typedef struct nvmlGpuInstanceProfileInfo_v3_st {
	unsigned int version;
	unsigned int id;
	unsigned int sliceCount;
	unsigned int instanceCount;
	unsigned int multiprocessorCount;
	unsigned int copyEngineCount;
	unsigned int decoderCount;
	unsigned int encoderCount;
	unsigned int jpegCount;
	unsigned int ofaCount;
	unsigned long long memorySizeMB;
	char name[NVML_DEVICE_NAME_V2_BUFFER_SIZE];
	unsigned int capabilities;
} nvmlGpuInstanceProfileInfo_v3_t;

typedef struct nvmlGpuInstancePlacement_st { /* in the product's own placement slots */
	unsigned int start;
	unsigned int size;
} nvmlGpuInstancePlacement_t;

typedef struct nvmlGpuInstanceInfo_st {
	nvmlDevice_t device;
	unsigned int id;
	unsigned int profileId;
	nvmlGpuInstancePlacement_t placement;
} nvmlGpuInstanceInfo_t;

typedef struct nvmlComputeInstanceProfileInfo_st {
	unsigned int id;
	unsigned int sliceCount;
	unsigned int instanceCount;
	unsigned int multiprocessorCount;
	unsigned int sharedCopyEngineCount;
	unsigned int sharedDecoderCount;
	unsigned int sharedEncoderCount;
	unsigned int sharedJpegCount;
	unsigned int sharedOfaCount;
} nvmlComputeInstanceProfileInfo_t;

typedef struct nvmlComputeInstanceProfileInfo_v2_st {
	unsigned int version;
	unsigned int id;
	unsigned int sliceCount;
	unsigned int instanceCount;
	unsigned int multiprocessorCount;
	unsigned int sharedCopyEngineCount;
	unsigned int sharedDecoderCount;
	unsigned int sharedEncoderCount;
	unsigned int sharedJpegCount;
	unsigned int sharedOfaCount;
	char name[NVML_DEVICE_NAME_V2_BUFFER_SIZE]; /* "MIG 1c.3g.40gb" */
} nvmlComputeInstanceProfileInfo_v2_t;

typedef struct nvmlComputeInstanceProfileInfo_v3_st {
	unsigned int version;
	unsigned int id;
	unsigned int sliceCount;
	unsigned int instanceCount;
	unsigned int multiprocessorCount;
	unsigned int sharedCopyEngineCount;
	unsigned int sharedDecoderCount;
	unsigned int sharedEncoderCount;
	unsigned int sharedJpegCount;
	unsigned int sharedOfaCount;
	char name[NVML_DEVICE_NAME_V2_BUFFER_SIZE];
	unsigned int capabilities;
} nvmlComputeInstanceProfileInfo_v3_t;

typedef struct nvmlComputeInstancePlacement_st { /* in compute slices of the GPU instance */
	unsigned int start;
	unsigned int size;
} nvmlComputeInstancePlacement_t;

typedef struct nvmlComputeInstanceInfo_st { /* the unversioned call fills up to profileId */
	nvmlDevice_t device;
	nvmlGpuInstance_t gpuInstance;
	unsigned int id;
	unsigned int profileId;
	nvmlComputeInstancePlacement_t placement;
} nvmlComputeInstanceInfo_t;

/* ---- events ---- */

#define nvmlEventTypeSingleBitEccError	 0x1ull
#define nvmlEventTypeDoubleBitEccError	 0x2ull
#define nvmlEventTypePState		 0x4ull
#define nvmlEventTypeXidCriticalError	 0x8ull
#define nvmlEventTypeClock		 0x10ull
#define nvmlEventTypePowerSourceChange	 0x80ull
#define nvmlEventMigConfigChange	 0x100ull
#define nvmlEventTypeGpuUnavailableError 0x4000ull
#define nvmlEventTypeGpuRecoveryAction	 0x8000ull

typedef struct nvmlEventData_st {
	nvmlDevice_t device;
	unsigned long long eventType;
	unsigned long long eventData; /* the XID of an XidCriticalError (999: unknown) */
	unsigned int gpuInstanceId;   /* NVML_NO_INSTANCE where the event is the whole GPU's */
	unsigned int computeInstanceId;
} nvmlEventData_t;

/* ---- versions: sizeof | version << 24 ---- */

#define NVML_STRUCT_VERSION(type, n)  ((unsigned int)(sizeof(type) | (n##u << 24)))
#define nvmlMemory_v2		      NVML_STRUCT_VERSION(nvmlMemory_v2_t, 2)
#define nvmlGpuInstanceProfileInfo_v2 NVML_STRUCT_VERSION(nvmlGpuInstanceProfileInfo_v2_t, 2)
#define nvmlGpuInstanceProfileInfo_v3 NVML_STRUCT_VERSION(nvmlGpuInstanceProfileInfo_v3_t, 3)
#define nvmlComputeInstanceProfileInfo_v2                                                          \
	NVML_STRUCT_VERSION(nvmlComputeInstanceProfileInfo_v2_t, 2)
#define nvmlComputeInstanceProfileInfo_v3                                                          \
	NVML_STRUCT_VERSION(nvmlComputeInstanceProfileInfo_v3_t, 3)

/* Sizes and version words as NVIDIA's own header compiles to on x86-64. */
_Static_assert(sizeof(nvmlPciInfo_t) == 68, "nvmlPciInfo_t");
_Static_assert(sizeof(nvmlMemory_t) == 24, "nvmlMemory_t");
_Static_assert(sizeof(nvmlMemory_v2_t) == 40, "nvmlMemory_v2_t");
_Static_assert(sizeof(nvmlUtilization_t) == 8, "nvmlUtilization_t");
_Static_assert(sizeof(nvmlDeviceAttributes_t) == 40, "nvmlDeviceAttributes_t");
_Static_assert(sizeof(nvmlProcessInfo_v1_t) == 16, "nvmlProcessInfo_v1_t");
_Static_assert(sizeof(nvmlProcessInfo_v2_t) == 24, "nvmlProcessInfo_v2_t");
_Static_assert(sizeof(nvmlProcessUtilizationSample_t) == 32, "nvmlProcessUtilizationSample_t");
_Static_assert(sizeof(nvmlAccountingStats_t) == 56, "nvmlAccountingStats_t");
_Static_assert(sizeof(nvmlSample_t) == 16, "nvmlSample_t");
_Static_assert(sizeof(nvmlGpmMetric_t) == 40, "nvmlGpmMetric_t");
_Static_assert(sizeof(nvmlGpuInstanceProfileInfo_t) == 48, "nvmlGpuInstanceProfileInfo_t");
_Static_assert(sizeof(nvmlGpuInstanceProfileInfo_v2_t) == 152, "nvmlGpuInstanceProfileInfo_v2_t");
_Static_assert(sizeof(nvmlGpuInstanceProfileInfo_v3_t) == 152, "nvmlGpuInstanceProfileInfo_v3_t");
_Static_assert(sizeof(nvmlGpuInstancePlacement_t) == 8, "nvmlGpuInstancePlacement_t");
_Static_assert(sizeof(nvmlGpuInstanceInfo_t) == 24, "nvmlGpuInstanceInfo_t");
_Static_assert(sizeof(nvmlComputeInstanceProfileInfo_t) == 36, "nvmlComputeInstanceProfileInfo_t");
_Static_assert(
	sizeof(nvmlComputeInstanceProfileInfo_v2_t) == 136, "nvmlComputeInstanceProfileInfo_v2_t");
_Static_assert(
	sizeof(nvmlComputeInstanceProfileInfo_v3_t) == 140, "nvmlComputeInstanceProfileInfo_v3_t");
_Static_assert(sizeof(nvmlComputeInstanceInfo_t) == 32, "nvmlComputeInstanceInfo_t");
_Static_assert(sizeof(nvmlEventData_t) == 32, "nvmlEventData_t");
_Static_assert(nvmlMemory_v2 == 0x02000028, "nvmlMemory_v2");
_Static_assert(nvmlGpuInstanceProfileInfo_v2 == 0x02000098, "nvmlGpuInstanceProfileInfo_v2");
_Static_assert(nvmlGpuInstanceProfileInfo_v3 == 0x03000098, "nvmlGpuInstanceProfileInfo_v3");
_Static_assert(
	nvmlComputeInstanceProfileInfo_v2 == 0x02000088, "nvmlComputeInstanceProfileInfo_v2");
_Static_assert(
	nvmlComputeInstanceProfileInfo_v3 == 0x0300008c, "nvmlComputeInstanceProfileInfo_v3");

/* ---- vGPUs ---- */

typedef unsigned int nvmlVgpuTypeId_t;
typedef unsigned int nvmlVgpuInstance_t; /* one that a virtual machine has */

#define NVML_VGPU_NAME_BUFFER_SIZE	64
#define INVALID_GPU_INSTANCE_PROFILE_ID 0xffffffffu

typedef enum nvmlHostVgpuMode_enum {
	NVML_HOST_VGPU_MODE_NON_SRIOV = 0,
	NVML_HOST_VGPU_MODE_SRIOV = 1
} nvmlHostVgpuMode_t;

typedef enum nvmlDeviceVgpuCapability_enum {
	NVML_DEVICE_VGPU_CAP_FRACTIONAL_MULTI_VGPU = 0,
	NVML_DEVICE_VGPU_CAP_HETEROGENEOUS_TIMESLICE_PROFILES = 1,
	NVML_DEVICE_VGPU_CAP_HETEROGENEOUS_TIMESLICE_SIZES = 2,
	NVML_DEVICE_VGPU_CAP_READ_DEVICE_BUFFER_BW = 3,
	NVML_DEVICE_VGPU_CAP_WRITE_DEVICE_BUFFER_BW = 4,
	NVML_DEVICE_VGPU_CAP_DEVICE_STREAMING = 5,
	NVML_DEVICE_VGPU_CAP_MINI_QUARTER_GPU = 6,
	NVML_DEVICE_VGPU_CAP_COMPUTE_MEDIA_ENGINE_GPU = 7,
	NVML_DEVICE_VGPU_CAP_COUNT
} nvmlDeviceVgpuCapability_t;

typedef struct {
	unsigned int version;
	unsigned int mode; /* nvmlEnableState_t */
} nvmlVgpuHeterogeneousMode_v1_t;
typedef nvmlVgpuHeterogeneousMode_v1_t nvmlVgpuHeterogeneousMode_t;
#define nvmlVgpuHeterogeneousMode_v1 NVML_STRUCT_VERSION(nvmlVgpuHeterogeneousMode_v1_t, 1)

typedef struct {
	unsigned int version;
	nvmlVgpuTypeId_t vgpuTypeId;
	unsigned int maxInstancePerGI;
} nvmlVgpuTypeMaxInstance_v1_t;
#define nvmlVgpuTypeMaxInstance_v1 NVML_STRUCT_VERSION(nvmlVgpuTypeMaxInstance_v1_t, 1)

/* ---- the functions, from the list ---- */

#define NVML_FN(name, params, args) nvmlReturn_t name params;
#include "abi/nvml.def"
const char *nvmlErrorString(nvmlReturn_t result);
