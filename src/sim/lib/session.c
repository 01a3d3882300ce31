/* SPDX-License-Identifier: Apache-2.0 */
/* The library's own life, and the system's calls. */
#include "sim/lib/entry.h"

#include "base/cleanup.h"
#include "base/io.h"
#include "base/text.h"
#include "sim/lib/place.h"
#include "sim/node/inject.h"
#include "sim/node/vf.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct node *session_node;

static pthread_mutex_t session_lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned session_users;
/* Stays mapped after the last shutdown, and session_node stays with it: a thread may still be in a
 * call, and NVML is started again and again by some clients. */
static struct node *mapped;
static char mapped_dir[256];
/* By which the driver knows that a client is there (vf.h). Some programs close what they did not
 * open, and a child has its parent's memory: it is looked whether it still is what it was. */
static struct {
	int fd;
	pid_t pid;
	dev_t device;
	ino_t file;
} client = { .fd = -1 };

bool session_is_on(void)
{
	return __atomic_load_n(&session_users, __ATOMIC_ACQUIRE) > 0;
}

static bool client_is_ours(void)
{
	struct stat st;

	return client.fd >= 0 && client.pid == getpid() && fstat(client.fd, &st) == 0 &&
	       st.st_dev == client.device && st.st_ino == client.file;
}

static void client_begin(void)
{
	struct stat st;

	client.fd = client_enter(mapped);
	client.pid = getpid();
	if (client.fd < 0 || fstat(client.fd, &st) < 0)
		return;
	client.device = st.st_dev;
	client.file = st.st_ino;
}

static void client_end(void)
{
	if (client_is_ours())
		close(client.fd);
	client.fd = -1;
}

static nvmlReturn_t session_map(void)
{
	const char *dir = getenv("CARVE_SIM_NODE");
	struct node *node;

	if (!dir || !*dir)
		return NVML_ERROR_DRIVER_NOT_LOADED;
	if (mapped && text_eq(dir, mapped_dir) && node_is_there(mapped))
		return NVML_SUCCESS;
	if (node_open(dir, &node, NULL) < 0)
		return NVML_ERROR_DRIVER_NOT_LOADED;
	mapped = node;
	text_copy(mapped_dir, sizeof(mapped_dir), dir);
	return NVML_SUCCESS;
}

/*
 * Rules for nvmlInit can be looked up only when the node is known: before that the wrapper found
 * none, so the first start does it here.
 */
static nvmlReturn_t session_start(const char *name)
{
	nvmlReturn_t r = NVML_SUCCESS;
	unsigned function = 0;

	while (inject_function_name(function) && !text_eq(inject_function_name(function), name))
		function++;
	pthread_mutex_lock(&session_lock);
	if (!session_users) {
		r = session_map();
		if (r == NVML_SUCCESS)
			r = (nvmlReturn_t)inject_strike(mapped, function, NODE_ANY_GPU);
	}
	if (r == NVML_SUCCESS && !client_is_ours())
		client_begin();
	if (r == NVML_SUCCESS) {
		session_node = mapped;
		__atomic_add_fetch(&session_users, 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&session_lock);
	return r;
}

nvmlReturn_t sim_nvmlInit(void)
{
	return session_start("nvmlInit");
}

nvmlReturn_t sim_nvmlInit_v2(void)
{
	return session_start("nvmlInit_v2");
}

nvmlReturn_t sim_nvmlInitWithFlags(unsigned int flags)
{
	(void)flags;
	return session_start("nvmlInitWithFlags");
}

nvmlReturn_t sim_nvmlShutdown(void)
{
	pthread_mutex_lock(&session_lock);
	if (session_users && __atomic_sub_fetch(&session_users, 1, __ATOMIC_RELEASE) == 0)
		client_end();
	pthread_mutex_unlock(&session_lock);
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlSystemGetDriverVersion(char *version, unsigned int length)
{
	return give_text(version, length, session_node->settings.driver_version);
}

nvmlReturn_t sim_nvmlSystemGetNVMLVersion(char *version, unsigned int length)
{
	const struct node_settings *settings;
	char text[64];
	nvmlReturn_t r;

	if (!version || !length)
		return NVML_ERROR_INVALID_ARGUMENT;
	pthread_mutex_lock(&session_lock);
	r = session_users ? NVML_SUCCESS : session_map();
	settings = mapped ? &mapped->settings : NULL;
	pthread_mutex_unlock(&session_lock);
	if (r != NVML_SUCCESS)
		return r;
	snprintf(text, sizeof(text), "%d.%s", settings->cuda_version / 1000,
		settings->driver_version);
	return give_text(version, length, text);
}

nvmlReturn_t sim_nvmlSystemGetCudaDriverVersion(int *version)
{
	if (!version)
		return NVML_ERROR_INVALID_ARGUMENT;
	*version = session_node->settings.cuda_version;
	return NVML_SUCCESS;
}

nvmlReturn_t sim_nvmlSystemGetCudaDriverVersion_v2(int *version)
{
	return sim_nvmlSystemGetCudaDriverVersion(version);
}

/* Here, as with the driver, a name that is too long is cut. */
nvmlReturn_t sim_nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int length)
{
	AUTO_FREE char *command = NULL;
	char path[32];

	if (!name || !length)
		return NVML_ERROR_INVALID_ARGUMENT;
	snprintf(path, sizeof(path), "/proc/%u/cmdline", pid);
	if (read_file_at(AT_FDCWD, path, 1 << 20, &command, NULL) < 0)
		return NVML_ERROR_NOT_FOUND;
	text_copy(name, length, command);
	return NVML_SUCCESS;
}

/* In NVIDIA's words, which people search for. */
const char *nvmlErrorString(nvmlReturn_t result)
{
	static const char *const texts[] = { "Success", "Uninitialized", "Invalid Argument",
		"Not Supported", "Insufficient Permissions", "Already Initialized", "Not Found",
		"Insufficient Size", "Insufficient External Power", "Driver Not Loaded", "Timeout",
		"Interrupt Request Issue", "NVML Shared Library Not Found", "Function Not Found",
		"Corrupted infoROM", "GPU is lost", "GPU requires reset",
		"GPU access blocked by the operating system", "Driver/library version mismatch",
		"In use by another client", "Insufficient Memory", "No data",
		"vGPU ECC not supported", "Insufficient Resources", "Invalid Frequency",
		"Argument version mismatch", "Requested functionality has been deprecated",
		"System is not in ready state", "GPU not found", "Invalid state",
		"Reset type not supported" };

	return (unsigned)result < ARRAY_SIZE(texts) ? texts[result] : "Unknown Error";
}
