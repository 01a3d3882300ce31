/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * A simulated node for a test, used from outside: made by the program carve-sim, looked at through
 * the library that it brings, which is opened as any client opens it. The test's environment names
 * both: CARVE_SIM_PROGRAM, CARVE_SIM_LIBRARY.
 */

#include "abi/nvml_more.h"

#include <stdbool.h>
#include <stddef.h>

struct nvml {
#define SIM_FN(name, params, args) nvmlReturn_t(*name) params;
#include "sim/node/entries.def"
};

/* The library's entry points; those that it has not are NULL. */
extern struct nvml nvml;

/*
 * Makes a node: one product's GPUs with MIG as said, or any machine by name or file. Without
 * latencies. Ends the process where that fails. sim_end() removes it; one at a time.
 */
void sim_begin(const char *machine);
/* As sim_begin(), with so many milliseconds for making an instance and for removing one. */
void sim_begin_slow(const char *machine, const char *create_ms, const char *destroy_ms);
void sim_begin_product(const char *product, unsigned n_gpus, const char *more_yaml);
void sim_end(void);

/* The directory of the node, and a path below its root. */
extern char sim_dir[256];
const char *sim_path(const char *below_root, ...) __attribute__((format(printf, 1, 2)));
bool sim_has(const char *path);

/* Runs carve-sim with these words; its exit status. What it printed is in sim_output. */
int sim_run(const char *const *words);
#define SIM(...) sim_run((const char *const[]){ __VA_ARGS__, NULL })
extern char sim_output[4096];

/*
 * Starts carve-sim hold with these words, or on a device ("--device") or virtual function ("--vf"),
 * and waits until it has it; its pid, -1 if it is refused.
 */
int sim_hold_words(const char *const *words);
#define SIM_HOLD(...) sim_hold_words((const char *const[]){ __VA_ARGS__, NULL })
int sim_hold_what(const char *what, const char *which);
#define sim_hold(device)     sim_hold_what("--device", device)
#define sim_hold_vf(address) sim_hold_what("--vf", address)
void sim_kill(int pid);

/* Shorthands of the library's calls. */
nvmlDevice_t sim_gpu(unsigned index);
unsigned sim_kind_id(nvmlDevice_t gpu, unsigned kind); /* ~0u: this GPU has it not */
/* Makes a GPU instance; at a slot, or anywhere (-1). Its id, or minus the NVML code. */
int sim_make(nvmlDevice_t gpu, unsigned kind, int start, nvmlGpuInstance_t *ret_instance);
