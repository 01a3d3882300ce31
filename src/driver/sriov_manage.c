/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVIDIA's program that turns VFs on and off. It unbinds the GPU's driver on the way, for which it
 * wants a lock that the driver refuses as long as any client of NVML has the GPU open. A raw write
 * to sriov_numvfs is refused without that lock, so there is no way around the program.
 *
 * It is run by a child that is left behind when it hangs: to kill it in the midst would leave the
 * GPU without a driver.
 */
#include "base/error.h"
#include "base/io.h"
#include "base/spawn.h"
#include "base/text.h"
#include "driver/process.h"
#include "driver/sysfs_write.h"
#include "driver/vf_nvidia.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum {
	CLIENTS_NAMED = 3,
	CLIENTS_MAX = 16,
	HOUR_S = 3600,
};
#define HOUR_NS (HOUR_S * 1000000000ull)
/* A client that only looks is soon gone: the lock is tried again after that long, later each time.
 */
#define LOCK_FIRST_NS	 (50 * 1000000ull)
#define LOCK_PAUSE_NS	 (1000 * 1000000ull)
#define LOCK_PATIENCE_NS (5000 * 1000000ull)

static const char installed[] = "/usr/lib/nvidia/sriov-manage";

struct order {
	const char *pci, *deed;
};

/* In the child: its exit status. */
static int run(const void *context, struct buf *output, struct error *err)
{
	const struct order *order = context;
	const char *argv[] = { "sriov-manage", order->deed, order->pci, NULL };
	int r = spawn_wait(argv, HOUR_NS, output, NULL);

	if (r != -ENOENT)
		return r;
	argv[0] = installed;
	return spawn_wait(argv, HOUR_NS, output, NULL);
}

/* Who has the GPU open: its node, but for us. */
static void say_clients(const struct vf_pf *pf, struct buf *text)
{
	pid_t pids[CLIENTS_MAX];
	char node[32];
	unsigned named = 0;
	int n;

	snprintf(node, sizeof(node), "/dev/nvidia%u", pf->facts->minor);
	n = process_find_users(node, pids, CLIENTS_MAX);
	for (int i = 0; i < n && named < CLIENTS_NAMED; i++) {
		struct process_info info;
		char who[300];

		if (pids[i] == getpid() || process_look(pids[i], &info) < 0)
			continue;
		buf_addf(text, "%s%s", named++ ? ", " : "", process_text(&info, who, sizeof(who)));
	}
	if (!named)
		buf_add(text, "a monitor, most likely, such as dcgm-exporter, nvidia-smi or "
			      "nvidia-persistenced");
}

static int refuse_locked(const struct vf_pf *pf, struct error *err)
{
	AUTO_BUF clients = { 0 };

	say_clients(pf, &clients);
	return error_set(err, -EBUSY,
		"the virtual functions of %s cannot be changed while a client of NVIDIA's driver "
		"has the GPU open: %s; stop it, then try again",
		pf->pci, buf_text(&clients));
}

static int explain(
	const struct vf_pf *pf, uint32_t n, int status, struct buf *output, struct error *err)
{
	if (status == -ETIMEDOUT || status == -EALREADY)
		return vf_say_why(n ? VF_TURN_ON : VF_TURN_OFF, status, pf->pci, NULL, err);
	if (status == -ENOENT)
		return error_set(err, -ENODEV,
			"NVIDIA's program sriov-manage is not there (%s): it comes with the driver "
			"for hosts of vGPUs",
			installed);
	for (char *p = output->text; p && *p; p++)
		if (*p == '\n')
			*p = p[1] ? ' ' : '\0';
	/* It repeats the shell's words for the errno of its write */
	for (int code = 1; code < 134 && output->text; code++)
		if (strerrorname_np(code) && strstr(output->text, strerror(code)))
			return vf_say_why(
				n ? VF_TURN_ON : VF_TURN_OFF, -code, pf->pci, output->text, err);
	return error_set(err, -EIO,
		"cannot turn the virtual functions of %s %s: sriov-manage says "
		"\"%s\" (exit status %d)",
		pf->pci, n ? "on" : "off", buf_text(output), status);
}

static void wait_for(uint64_t ns)
{
	const struct timespec time = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	nanosleep(&time, NULL);
}

int vf_sriov_manage(const struct vf_pf *pf, uint32_t n, struct error *err)
{
	const struct order order = { pf->pci, n ? "-e" : "-d" };
	uint64_t began_ns = now_ns(), until_ns = began_ns + VF_DEADLINE_NS;
	uint64_t pause_ns = LOCK_FIRST_NS;
	AUTO_BUF what = { 0 };

	buf_addf(&what, "sriov-manage turns the virtual functions of %s %s", pf->pci,
		n ? "on" : "off");
	for (;; pause_ns = pause_ns * 2 < LOCK_PAUSE_NS ? pause_ns * 2 : LOCK_PAUSE_NS) {
		AUTO_BUF output = { 0 };
		int r = sysfs_run(
			pf->pci, buf_text(&what), run, &order, until_ns - now_ns(), &output, err);

		if (r == 0)
			return 0;
		if (r < 0 || !strstr(buf_text(&output), "unbindLock"))
			return explain(pf, n, r, &output, err);
		if (now_ns() + pause_ns > began_ns + LOCK_PATIENCE_NS)
			return refuse_locked(pf, err);
		wait_for(pause_ns);
	}
}
