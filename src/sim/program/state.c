/* SPDX-License-Identifier: Apache-2.0 */
/* The whole node as it is, as JSON; the text for people is made from that. */
#include "sim/program/program.h"

#include "abi/nvml.h"
#include "base/error.h"
#include "base/size.h"
#include "base/text.h"
#include "sim/node/identity.h"
#include "sim/node/process.h"
#include "sim/node/vf.h"
#include "sim/node/vgpu.h"
#include "sim/program/machine.h"

#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *computes_json(const struct gpu_instance *instance, const struct profile *profile)
{
	json_t *list = json_array();

	for (unsigned ci = 0; ci < PRODUCT_COMPUTE; ci++) {
		const struct compute_instance *compute = &instance->compute[ci];
		char uuid[UUID_TEXT_MAX], label[PROFILE_TEXT_MAX];

		if (!compute->serial)
			continue;
		json_array_append_new(
			list, json_pack("{s:i, s:s, s:s, s:i, s:i}", "id", ci, "profile",
				      identity_profile_text(profile, compute->kind, label), "uuid",
				      identity_uuid_text("MIG", compute->uuid, uuid), "start",
				      compute->start, "size", compute->size));
	}
	return list;
}

static json_t *instances_json(const struct gpu *gpu, const struct gpu_state *now)
{
	json_t *list = json_array();

	for (unsigned gi = 0; gi < GPU_INSTANCES; gi++) {
		const struct gpu_instance *instance = &now->instances[gi];
		const struct profile *profile = &gpu->product.profiles[instance->profile];

		if (instance->serial)
			json_array_append_new(list,
				json_pack("{s:i, s:s, s:i, s:i, s:i, s:I, s:o}", "id", gi,
					"profile", profile->label, "profile_id", profile->id,
					"start", instance->start, "size", profile->size,
					"memory_used", (json_int_t)process_memory(now, gi),
					"compute_instances", computes_json(instance, profile)));
	}
	return list;
}

static json_t *processes_json(const struct gpu_state *now)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < now->n_processes; i++) {
		const struct process *process = &now->processes[i];
		json_t *one = json_pack("{s:i, s:s, s:I, s:i}", "pid", process->pid, "type",
			process_type_words[process->type], "memory", (json_int_t)process->memory,
			"busy", process->busy);

		if (process->gi != NVML_NO_INSTANCE) {
			json_object_set_new(one, "gpu_instance", json_integer(process->gi));
			json_object_set_new(one, "compute_instance", json_integer(process->ci));
		}
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *vfs_json(const struct gpu *gpu, const struct gpu_state *now)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < now->n_vfs; i++) {
		char pci[PCI_TEXT_MAX];
		json_t *one = json_pack("{s:i, s:s, s:b}", "number", i, "pci",
			vf_pci_text(gpu, i, pci), "bound", now->vfs[i].is_bound);

		if (now->vfs[i].type) {
			const struct vgpu_type *type =
				vgpu_type_find(&gpu->product, now->vfs[i].type);

			json_object_update_new(
				one, json_pack("{s:s, s:i, s:i}", "vgpu", type->name, "vgpu_type",
					     type->id, "placement", now->vfs[i].placement));
			if (type->profile >= 0)
				json_object_set_new(
					one, "gpu_instance", json_integer(now->vfs[i].gi));
		}
		if (vf_holder(now, i))
			json_object_set_new(one, "held_by", json_integer(vf_holder(now, i)));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *gpu_json(struct node *node, unsigned index)
{
	struct gpu *gpu = &node->gpus[index];
	const struct gpu_state *now;
	char pci[PCI_TEXT_MAX];
	json_t *json;

	node_lock(node);
	process_reap(gpu);
	now = gpu_now(gpu);
	json = json_pack("{s:i, s:s, s:s, s:s, s:i, s:b, s:b, s:b, s:b, s:i, s:I, s:o, s:o, s:o}",
		"index", index, "name", gpu->product.name, "uuid", gpu->uuid, "pci",
		identity_pci_text(gpu, pci), "numa_node", gpu->numa_node, "mig_capable",
		gpu->product.slots > 0, "mig", now->mig_current, "mig_pending", now->mig_pending,
		"lost", now->lost, "last_xid", now->last_xid, "memory_used",
		(json_int_t)process_memory(now, NVML_NO_INSTANCE), "gpu_instances",
		instances_json(gpu, now), "processes", processes_json(now), "vfs",
		vfs_json(gpu, now));
	node_unlock(node);
	return json;
}

static json_t *state_json(struct node *node)
{
	json_t *gpus = json_array(), *rules = json_array();

	for (unsigned i = 0; i < node->n_gpus; i++)
		json_array_append_new(gpus, gpu_json(node, i));
	node_lock(node);
	for (unsigned i = 0; i < NODE_RULES; i++)
		if (node->rules[i].id)
			json_array_append_new(
				rules, json_pack("{s:i, s:s, s:I}", "id", node->rules[i].id, "spec",
					       node->rules[i].text, "struck",
					       (json_int_t)node->rules[i].struck));
	node_unlock(node);
	return json_pack("{s:i, s:s, s:s, s:s, s:b, s:b, s:o, s:o}", "version", 1, "machine",
		node->settings.machine, "dir", node->dir, "driver", node->settings.driver_version,
		"device_nodes", node->settings.real_nodes, "live_files", node->settings.live_files,
		"gpus", gpus, "inject", rules);
}

static const char *text_of(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)) ?: "";
}

static long long number_of(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

static void print_gpu(const json_t *gpu)
{
	bool on = json_is_true(json_object_get(gpu, "mig"));
	bool pending = json_is_true(json_object_get(gpu, "mig_pending"));
	const json_t *one, *compute;
	char size[SIZE_TEXT_MAX];
	size_t i, k;

	printf("GPU %lld  %s  %s  %s  MIG %s%s%s\n", number_of(gpu, "index"), text_of(gpu, "name"),
		text_of(gpu, "pci"), text_of(gpu, "uuid"),
		!json_is_true(json_object_get(gpu, "mig_capable")) ? "none"
		: on						   ? "on"
								   : "off",
		on == pending ? ""
		: pending     ? " (on after a reset)"
			      : " (off after a reset)",
		json_is_true(json_object_get(gpu, "lost")) ? "  LOST" : "");
	json_array_foreach(json_object_get(gpu, "gpu_instances"), i, one)
	{
		printf("  instance %2lld  %-14s at %lld:%lld\n", number_of(one, "id"),
			text_of(one, "profile"), number_of(one, "start"), number_of(one, "size"));
		json_array_foreach(json_object_get(one, "compute_instances"), k, compute)
			printf("    compute %lld  %-17s %s\n", number_of(compute, "id"),
				text_of(compute, "profile"), text_of(compute, "uuid"));
	}
	json_array_foreach(json_object_get(gpu, "vfs"), i, one)
	{
		printf("  VF %lld  %s", number_of(one, "number"), text_of(one, "pci"));
		if (json_object_get(one, "vgpu"))
			printf("  %s at %lld", text_of(one, "vgpu"), number_of(one, "placement"));
		if (json_object_get(one, "held_by"))
			printf("  held by %lld", number_of(one, "held_by"));
		putchar('\n');
	}
	json_array_foreach(json_object_get(gpu, "processes"), i, one)
	{
		printf("  process %lld  %s", number_of(one, "pid"),
			size_text((uint64_t)number_of(one, "memory"), size));
		if (json_object_get(one, "gpu_instance"))
			printf("  instance %lld.%lld", number_of(one, "gpu_instance"),
				number_of(one, "compute_instance"));
		putchar('\n');
	}
}

static void print_state(const json_t *state)
{
	const json_t *one;
	size_t i;

	printf("%s  driver %s  in %s%s%s\n", text_of(state, "machine"), text_of(state, "driver"),
		text_of(state, "dir"),
		json_is_true(json_object_get(state, "device_nodes")) ? ""
								     : "  (files, no device nodes)",
		json_is_true(json_object_get(state, "live_files")) ? "" : "  (plain files)");
	json_array_foreach(json_object_get(state, "gpus"), i, one) print_gpu(one);
	json_array_foreach(json_object_get(state, "inject"), i, one)
		printf("failure %lld  %s  (struck %lld times)\n", number_of(one, "id"),
			text_of(one, "spec"), number_of(one, "struck"));
}

int verb_state(const struct verb *verb, int argc, char **argv)
{
	static const struct option options[] = { { "dir", required_argument, NULL, 'D' },
		{ "json", no_argument, NULL, 'j' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 } };
	struct error err = ERROR_NONE;
	const char *dir = NULL;
	bool is_json = false;
	struct node *node;
	json_t *state;
	int option;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (option == 'h')
			return verb_help(verb);
		if (option == '?')
			return usage_bad_option(verb, argv);
		is_json |= option == 'j';
		dir = option == 'D' ? optarg : dir;
	}
	if (optind < argc)
		return usage_error(verb, "'%s' is one too many", argv[optind]);
	if (where_node(dir, &node, &err) < 0)
		return report(verb, &err);
	state = state_json(node);
	if (is_json) {
		json_dumpf(state, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		print_state(state);
	}
	json_decref(state);
	return EXIT_SUCCESS;
}
