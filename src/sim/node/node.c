/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The node's file and its locks. The file has mode 0666: a real driver also serves every user, and
 * what a user may do is checked by the library (NO_PERMISSION), not by the file. A user who wants
 * to break a simulated node can; nothing but the simulation is behind it.
 */
#include "sim/node/node.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "sim/node/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

#define NODE_MAGIC 0x3145444f4e4d4953ull /* "SIMNODE1" */
#define NODE_FILE  "node"

static void mutex_make(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attributes;

	pthread_mutexattr_init(&attributes);
	pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(mutex, &attributes);
	pthread_mutexattr_destroy(&attributes);
}

/* A dead owner left nothing half done (see node.h), so its lock is simply taken over. */
static bool mutex_taken(pthread_mutex_t *mutex, int result)
{
	if (result == EOWNERDEAD)
		pthread_mutex_consistent(mutex);
	return result == 0 || result == EOWNERDEAD;
}

static int node_map(int fd, size_t size, struct node **ret_node)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (at == MAP_FAILED)
		return -errno;
	*ret_node = at;
	return 0;
}

int node_make(const char *dir, const struct node *plan, struct node **ret_node, struct error *err)
{
	char path[300];
	struct node *node = NULL;
	AUTO_CLOSE int fd = -1;
	int r;

	snprintf(path, sizeof(path), "%s/" NODE_FILE, dir);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
	if (fd < 0)
		return error_set(err, -errno, "cannot make %s: %m", path);
	if (fchmod(fd, 0666) < 0 || ftruncate(fd, sizeof(*node)) < 0)
		return error_set(err, -errno, "cannot make %s: %m", path);
	r = node_map(fd, sizeof(*node), &node);
	if (r < 0)
		return error_set(err, r, "cannot map %s: %s", path, strerror(-r));

	*node = *plan;
	node->magic = 0;
	node->size = sizeof(*node);
	for (unsigned i = 0; i < node->n_gpus * GPU_PROCESSES; i++)
		mutex_make(&node->gpus[i / GPU_PROCESSES].lives[i % GPU_PROCESSES]);
	text_copy(node->dir, sizeof(node->dir), dir);
	mutex_make(&node->lock);
	for (unsigned i = 0; i < node->n_gpus; i++) {
		mutex_make(&node->gpus[i].claim);
		mutex_make(&node->gpus[i].device_lock);
		node->gpus[i].state[0].energy_at_ns = now_ns();
	}
	__atomic_store_n(&node->magic, NODE_MAGIC, __ATOMIC_RELEASE);
	*ret_node = node;
	return 0;
}

int node_open(const char *dir, struct node **ret_node, struct error *err)
{
	char path[300];
	struct stat st;
	struct node *node = NULL;
	AUTO_CLOSE int fd = -1;
	int r;

	snprintf(path, sizeof(path), "%s/" NODE_FILE, dir);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, -errno, "no simulated node in %s: %m", dir);
	if (fstat(fd, &st) < 0 || (size_t)st.st_size != sizeof(*node))
		return error_set(err, -EPROTO, "%s is of another version of carve-sim", path);
	r = node_map(fd, sizeof(*node), &node);
	if (r < 0)
		return error_set(err, r, "cannot map %s: %s", path, strerror(-r));
	if (__atomic_load_n(&node->magic, __ATOMIC_ACQUIRE) != NODE_MAGIC ||
		node->size != sizeof(*node)) {
		munmap(node, sizeof(*node));
		return error_set(err, -EPROTO, "%s is of another version of carve-sim", path);
	}
	*ret_node = node;
	return 0;
}

struct node *node_close(struct node *node)
{
	if (node)
		munmap(node, sizeof(*node));
	return NULL;
}

bool node_is_there(const struct node *node)
{
	char path[300];

	snprintf(path, sizeof(path), "%s/" NODE_FILE, node->dir);
	return access(path, F_OK) == 0;
}

void node_lock(struct node *node)
{
	mutex_taken(&node->lock, pthread_mutex_lock(&node->lock));
}

void node_unlock(struct node *node)
{
	pthread_mutex_unlock(&node->lock);
}

void device_lock(struct node *node, unsigned gpu)
{
	pthread_mutex_t *lock = &node->gpus[gpu].device_lock;

	mutex_taken(lock, pthread_mutex_lock(lock));
}

void device_unlock(struct node *node, unsigned gpu)
{
	pthread_mutex_unlock(&node->gpus[gpu].device_lock);
}

void gpu_claim(struct node *node, unsigned gpu)
{
	pthread_mutex_t *claim = &node->gpus[gpu].claim;

	mutex_taken(claim, pthread_mutex_lock(claim));
	tree_sync(node, gpu);
}

bool gpu_try_claim(struct node *node, unsigned gpu)
{
	pthread_mutex_t *claim = &node->gpus[gpu].claim;

	if (!mutex_taken(claim, pthread_mutex_trylock(claim)))
		return false;
	tree_sync(node, gpu);
	return true;
}

void gpu_release(struct node *node, unsigned gpu)
{
	pthread_mutex_unlock(&node->gpus[gpu].claim);
}

struct gpu_state *gpu_draft(struct gpu *gpu)
{
	struct gpu_state *draft = &gpu->state[!(gpu->current & 1)];

	*draft = *gpu_now(gpu);
	return draft;
}

void gpu_commit(struct gpu *gpu)
{
	__atomic_store_n(&gpu->current, !(gpu->current & 1), __ATOMIC_RELEASE);
}

void node_work(uint64_t ns)
{
	struct timespec left = { (time_t)(ns / 1000000000), (long)(ns % 1000000000) };

	while (ns && nanosleep(&left, &left) < 0 && errno == EINTR)
		;
}
