/* SPDX-License-Identifier: Apache-2.0 */
/* carved: whether it runs, and what it says of its GPUs. */
#include "base/cleanup.h"
#include "base/io.h"
#include "base/spawn.h"
#include "base/text.h"
#include "doctor/check.h"
#include "driver/process.h"
#include "driver/root.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#define ASK_DEADLINE_NS 5000000000ull
enum { ANSWER_MAX = 8 << 20, ANSWER_S = 5 };

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = ANSWER_S };
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	if (text_copy(address.sun_path, sizeof(address.sun_path), path) < 0)
		return -ENAMETOOLONG;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return TAKE_FD(fd);
}

/* The node as the daemon tells it; NULL if it does not. */
static json_t *ask_node(int fd)
{
	static const char request[] = "GET /v1/node HTTP/1.0\r\nHost: carve\r\n\r\n";
	AUTO_BUF answer = { 0 };
	char chunk[16384];
	const char *body;
	ssize_t n;

	if (write_all(fd, request, strlen(request)) < 0)
		return NULL;
	while ((n = read(fd, chunk, sizeof(chunk))) > 0 && answer.length < ANSWER_MAX)
		buf_add_n(&answer, chunk, (size_t)n);
	body = strstr(buf_text(&answer), "\r\n\r\n");
	return body ? json_loads(body + 4, 0, NULL) : NULL;
}

static void check_told_gpu(struct doctor *doctor, const json_t *gpu)
{
	const char *health = json_string_value(json_object_get(gpu, "health"));
	const char *why = json_string_value(json_object_get(gpu, "health_text"));
	int index = (int)json_integer_value(json_object_get(gpu, "index"));
	const json_t *instance;
	unsigned n_foreign = 0;
	size_t i;

	if (health && !text_eq(health, "healthy")) {
		struct doctor_finding *found =
			finding(doctor, DOCTOR_BAD, "GPU %d is %s: %s", index, health, why ?: "");

		finding_wanted(found, "healthy: it gets no leases until then");
		if (text_eq(health, "broken"))
			finding_how(found,
				"compare 'carve show %d' with what it should hold; put it "
				"right with 'carve apply', then 'carve undrain %d'",
				index, index);
	}
	json_array_foreach(json_object_get(gpu, "instances"), i, instance) n_foreign +=
		text_eq(json_string_value(json_object_get(instance, "origin")), "foreign");
	if (n_foreign > 0)
		finding(doctor, DOCTOR_OK,
			"GPU %d has %u instances that Carve did not make: it leaves them alone "
			"until "
			"'carve adopt'",
			index, n_foreign);
}

static void check_told(struct doctor *doctor, const char *socket_path, const json_t *node)
{
	const json_t *gpus = json_object_get(node, "gpus"), *gpu;
	unsigned n_managed = 0;
	size_t i;

	json_array_foreach(gpus, i, gpu) n_managed += json_is_true(json_object_get(gpu, "managed"));
	finding(doctor, DOCTOR_OK, "carved answers on %s: %zu GPUs, %u managed", socket_path,
		json_array_size(gpus), n_managed);
	json_array_foreach(gpus, i, gpu) check_told_gpu(doctor, gpu);
}

static void check_absent(struct doctor *doctor, const char *socket_path, int code)
{
	struct doctor_finding *found;
	pid_t holder = 0;

	errno = -code;
	if (root_lock_holder(&holder) > 0) {
		struct process_info info;
		char who[320] = "a process of another container";

		if (process_look(holder, &info) == 0)
			process_text(&info, who, sizeof(who));
		found = finding(doctor, DOCTOR_WARN,
			"carved does not answer on %s (%s), but a daemon has this node's GPUs: %s",
			socket_path, strerror(-code), who);
		finding_how(found, "a user's own daemon has its socket elsewhere: CARVE_RUN_DIR");
		return;
	}
	found = finding(
		doctor, DOCTOR_WARN, "carved does not run: %s: %s", socket_path, strerror(-code));
	finding_how(found, "systemctl enable --now carved.socket carved.service, or run 'carved'");
}

static void check_unit(struct doctor *doctor)
{
	const char *argv[] = { "systemctl", "is-enabled", "carved.service", NULL };
	AUTO_BUF output = { 0 };
	struct doctor_finding *found;

	if (*root_path() || access("/run/systemd/system", F_OK) < 0 ||
		spawn_wait(argv, ASK_DEADLINE_NS, &output, NULL) < 0)
		return;
	if (text_starts(buf_text(&output), "enabled")) {
		finding(doctor, DOCTOR_OK, "carved.service starts at boot");
	} else if (text_starts(buf_text(&output), "disabled")) {
		found = finding(doctor, DOCTOR_WARN, "carved.service does not start at boot");
		finding_how(found, "systemctl enable carved.service");
	}
}

void check_daemon(struct doctor *doctor)
{
	const char *directory = getenv("CARVE_RUN_DIR");
	AUTO_FREE char *path =
		must_asprintf("%s/api.sock", directory && *directory ? directory : "/run/carve");
	AUTO_CLOSE int fd = connect_to(path);
	json_t *node;

	if (fd < 0) {
		check_absent(doctor, path, fd);
	} else {
		node = ask_node(fd);
		if (node)
			check_told(doctor, path, node);
		else
			finding(doctor, DOCTOR_BAD,
				"carved holds %s open, but did not answer within %d seconds", path,
				ANSWER_S);
		json_decref(node);
	}
	check_unit(doctor);
}
