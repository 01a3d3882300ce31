/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/program/machine.h"

#include "abi/nvml.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/size.h"
#include "base/text.h"
#include "sim/node/geometry.h"
#include "sim/node/gpu.h"
#include "sim/node/identity.h"
#include "sim/program/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <strings.h>

struct machine_text {
	const char *name, *text;
};
#include "sim_machines.inc" /* made from data/machines */

const char *const process_type_words[] = { "compute", "graphics", "mps", "vm" };

bool process_type_parse(const char *word, enum process_type *ret_type)
{
	for (unsigned i = 0; i < PROCESS_VM; i++) {
		if (!text_eq(word, process_type_words[i]))
			continue;
		*ret_type = (enum process_type)i;
		return true;
	}
	return false;
}

const char *machine_name(unsigned index)
{
	return index < ARRAY_SIZE(machine_texts) ? machine_texts[index].name : NULL;
}

void machine_done(struct machine *machine)
{
	free(machine->plan);
	vec_done(&machine->instances);
	vec_done(&machine->processes);
	machine->plan = NULL;
}

/* What is being read: the GPUs from `first` on belong to the group at hand. */
struct reader {
	struct yaml yaml;
	struct machine *machine;
	const char *name;
	unsigned first;
};

static int read_product(struct reader *reader, struct fy_node *node, const struct product **ret)
{
	const struct product *product;
	AUTO_BUF known = { 0 };
	char key[64];
	int r = yaml_text(&reader->yaml, node, key, sizeof(key));

	if (r < 0)
		return r;
	*ret = product_find(key);
	for (unsigned i = 0; (product = product_at(i)); i++)
		buf_addf(&known, "%s%s", i ? ", " : "", product->key);
	if (!*ret)
		return yaml_fail(&reader->yaml, node, "no product '%s' is known (there are: %s)",
			key, buf_text(&known));
	return 0;
}

static int read_pci(struct reader *reader, struct fy_node *node, struct gpu *gpu)
{
	char text[32];
	unsigned domain = 0, bus, device, end = 0;
	int r = yaml_text(&reader->yaml, node, text, sizeof(text));

	if (r < 0)
		return r;
	if (sscanf(text, "%4x:%2x:%2x.0%n", &domain, &bus, &device, (int *)&end) != 3 ||
		text[end]) {
		domain = end = 0;
		if (sscanf(text, "%2x:%2x.0%n", &bus, &device, (int *)&end) != 2 || !end ||
			text[end])
			return yaml_fail(&reader->yaml, node,
				"'%s' is not a PCI address such as 1b:00.0", text);
	}
	gpu->pci_domain = domain;
	gpu->pci_bus = bus;
	gpu->pci_device = device;
	return 0;
}

/* Adds the group's GPUs, one for each PCI address. */
static int read_gpus(struct reader *reader, struct fy_node *group, const struct product *product)
{
	struct node *plan = reader->machine->plan;
	struct fy_node *list = yaml_get(group, "pci"), *item;
	void *iterator = NULL;

	if (!list || !fy_node_is_sequence(list) || fy_node_sequence_is_empty(list))
		return yaml_fail(&reader->yaml, list ?: group,
			"pci: the addresses of these GPUs are wanted, such as [\"1b:00.0\"]");
	while ((item = fy_node_sequence_iterate(list, &iterator))) {
		unsigned index = plan->n_gpus;
		struct gpu *gpu = &plan->gpus[index];
		int r;

		if (index == NODE_GPUS)
			return yaml_fail(
				&reader->yaml, item, "a node has at most %d GPUs", NODE_GPUS);
		gpu->product = *product;
		r = read_pci(reader, item, gpu);
		if (r < 0)
			return r;
		for (unsigned i = 0; i < index; i++)
			if (plan->gpus[i].pci_domain == gpu->pci_domain &&
				plan->gpus[i].pci_bus == gpu->pci_bus &&
				plan->gpus[i].pci_device == gpu->pci_device)
				return yaml_fail(&reader->yaml, item,
					"GPU %u has this PCI address already", i);
		gpu->chip_seed = identity_seed(reader->name, index);
		identity_gpu_uuid(product->device_id, gpu->chip_seed, gpu->uuid);
		snprintf(gpu->serial, sizeof(gpu->serial), "%013llu",
			(unsigned long long)(1650000000000 + gpu->chip_seed % 10000000000));
		plan->n_gpus++;
	}
	return 0;
}

static int read_numa(struct reader *reader, struct fy_node *node)
{
	struct node *plan = reader->machine->plan;
	void *iterator = NULL;

	for (unsigned i = reader->first; node && i < plan->n_gpus; i++) {
		struct fy_node *item = fy_node_is_sequence(node)
					       ? fy_node_sequence_iterate(node, &iterator)
					       : node;
		uint32_t numa;
		int r;

		if (!item)
			return yaml_fail(&reader->yaml, node,
				"numa: one number is wanted for each of the %u GPUs",
				plan->n_gpus - reader->first);
		r = yaml_u32(&reader->yaml, item, 1023, &numa);
		if (r < 0)
			return r;
		plan->gpus[i].numa_node = (int32_t)numa;
	}
	return 0;
}

static int read_modes(struct reader *reader, struct fy_node *group, const struct product *product)
{
	struct node *plan = reader->machine->plan;
	struct fy_node *mig = yaml_get(group, "mig"), *persistence = yaml_get(group, "persistence");
	bool is_mig = false, is_persistent = false;
	int r = mig ? yaml_switch(&reader->yaml, mig, &is_mig) : 0;

	if (r == 0 && persistence)
		r = yaml_switch(&reader->yaml, persistence, &is_persistent);
	if (r == 0 && is_mig && !product->slots)
		r = yaml_fail(&reader->yaml, mig, "%s has no MIG", product->key);
	for (unsigned i = reader->first; r == 0 && i < plan->n_gpus; i++) {
		struct gpu_state *state = &plan->gpus[i].state[0];

		state->mig_current = state->mig_pending = is_mig;
		state->persistence = is_persistent;
	}
	return r;
}

/* "3g.40gb@4", or the parts as keys. */
static int read_compute(struct reader *reader, struct fy_node *list, const struct profile *profile,
	struct machine_instance *instance)
{
	struct fy_node *item;
	void *iterator = NULL;

	if (!fy_node_is_sequence(list))
		return yaml_fail(
			&reader->yaml, list, "compute: a list is wanted, such as [1c, 2c]");
	instance->no_compute = fy_node_sequence_is_empty(list);
	while ((item = fy_node_sequence_iterate(list, &iterator))) {
		struct compute_shape shape;
		unsigned slices;
		char text[16];
		int r = yaml_text(&reader->yaml, item, text, sizeof(text));

		if (r < 0)
			return r;
		if (sscanf(text, "%uc", &slices) != 1)
			slices = 0;
		for (uint32_t kind = 0; slices && kind < NVML_COMPUTE_INSTANCE_PROFILE_COUNT;
			kind++)
			if (compute_shape_of(profile, kind, &shape) && shape.slices == slices &&
				instance->n_compute < PRODUCT_COMPUTE) {
				instance->compute[instance->n_compute++] = kind;
				slices = 0;
			}
		if (slices || !text_eq(text + strcspn(text, "c"), "c"))
			return yaml_fail(&reader->yaml, item, "%s has no compute instance '%s'",
				profile->label, text);
	}
	return 0;
}

static int read_instance(struct reader *reader, struct fy_node *node, const struct product *product,
	struct machine_instance *ret_instance)
{
	struct machine_instance instance = { .start = GPU_START_DEFAULT };
	struct fy_node *label_node = node, *start = NULL, *compute = NULL;
	char text[48], *label, *at;
	uint32_t slot = 0;
	int r, profile;

	if (fy_node_is_mapping(node)) {
		r = yaml_only(&reader->yaml, node,
			(const char *const[]){ "profile", "start", "compute", NULL });
		if (r < 0)
			return r;
		label_node = yaml_get(node, "profile");
		start = yaml_get(node, "start");
		compute = yaml_get(node, "compute");
		if (!label_node)
			return yaml_fail(&reader->yaml, node, "an instance wants a profile");
	}
	r = yaml_text(&reader->yaml, label_node, text, sizeof(text));
	if (r < 0)
		return r;
	at = text;
	label = strsep(&at, "@");
	profile = product_profile_by_label(product, label);
	if (profile < 0)
		return yaml_fail(
			&reader->yaml, label_node, "%s has no profile '%s'", product->key, label);
	instance.profile = (unsigned)profile;
	if (at && parse_u32(at, &slot) < 0)
		return yaml_fail(&reader->yaml, label_node, "'%s' is not a slot", at);
	if (start)
		r = yaml_u32(&reader->yaml, start, product->slots, &slot);
	if (r == 0 && (at || start)) {
		instance.start = (int)slot;
		if (slot >= product->slots || !(product->profiles[profile].starts & 1u << slot))
			r = yaml_fail(&reader->yaml, start ?: label_node,
				"%s never starts at slot %u", label, slot);
	}
	if (r == 0 && compute)
		r = read_compute(reader, compute, &product->profiles[profile], &instance);
	if (r == 0)
		*ret_instance = instance;
	return r;
}

static int read_process(struct reader *reader, struct fy_node *node, unsigned n_instances,
	struct machine_process *ret_process)
{
	struct machine_process process = { .instance = -1, .memory = 1ull << 30 };
	struct fy_node *name, *memory, *instance, *busy, *type;
	uint32_t number;
	char text[32];
	int r = yaml_only(&reader->yaml, node,
		(const char *const[]){ "name", "memory", "instance", "busy", "type", NULL });

	if (r < 0)
		return r;
	name = yaml_get(node, "name");
	memory = yaml_get(node, "memory");
	instance = yaml_get(node, "instance");
	busy = yaml_get(node, "busy");
	type = yaml_get(node, "type");
	text_copy(process.name, sizeof(process.name), "python3");
	if (name)
		r = yaml_text(&reader->yaml, name, process.name, sizeof(process.name));
	if (r == 0 && memory) {
		r = yaml_text(&reader->yaml, memory, text, sizeof(text));
		if (r == 0 && parse_size(text, &process.memory) < 0)
			r = yaml_fail(
				&reader->yaml, memory, "'%s' is not an amount of memory", text);
	}
	if (r == 0 && instance) {
		r = yaml_u32(&reader->yaml, instance, 14, &number);
		if (r == 0 && number >= n_instances)
			r = yaml_fail(&reader->yaml, instance,
				"these GPUs have %u instances, counted from 0", n_instances);
		process.instance = r == 0 ? (int)number : -1;
	}
	if (r == 0 && busy)
		r = yaml_u32(&reader->yaml, busy, 100, &process.busy);
	if (r == 0 && type) {
		r = yaml_text(&reader->yaml, type, text, sizeof(text));
		if (r == 0 && !process_type_parse(text, &process.type))
			r = yaml_fail(&reader->yaml, type, "'%s' is none of compute, graphics, mps",
				text);
	}
	if (r == 0)
		*ret_process = process;
	return r;
}

/* Instances and processes of the group, on each of its GPUs. */
static int read_contents(
	struct reader *reader, struct fy_node *group, const struct product *product)
{
	struct fy_node *instances = yaml_get(group, "instances");
	struct fy_node *processes = yaml_get(group, "processes"), *item;
	struct node *plan = reader->machine->plan;
	unsigned n_instances = 0;
	void *iterator = NULL;
	int r;

	if (instances && (!fy_node_is_sequence(instances) ||
				 !plan->gpus[reader->first].state[0].mig_current))
		return yaml_fail(&reader->yaml, instances,
			"instances: a list is wanted, and 'mig: on' beside it");
	if (processes && !fy_node_is_sequence(processes))
		return yaml_fail(&reader->yaml, processes, "processes: a list is wanted");
	while (instances && (item = fy_node_sequence_iterate(instances, &iterator))) {
		struct machine_instance instance;

		r = read_instance(reader, item, product, &instance);
		if (r < 0)
			return r;
		n_instances++;
		for (instance.gpu = reader->first; instance.gpu < plan->n_gpus; instance.gpu++)
			*vec_add(&reader->machine->instances) = instance;
	}
	iterator = NULL;
	while (processes && (item = fy_node_sequence_iterate(processes, &iterator))) {
		struct machine_process process;

		r = read_process(reader, item, n_instances, &process);
		if (r < 0)
			return r;
		if (process.instance < 0 && plan->gpus[reader->first].state[0].mig_current)
			return yaml_fail(&reader->yaml, item,
				"in MIG mode a process uses an instance (instance: N)");
		for (process.gpu = reader->first; process.gpu < plan->n_gpus; process.gpu++)
			*vec_add(&reader->machine->processes) = process;
	}
	return 0;
}

static int read_group(struct reader *reader, struct fy_node *group)
{
	const struct product *product;
	struct fy_node *key;
	int r = yaml_only(&reader->yaml, group,
		(const char *const[]){ "product", "pci", "numa", "mig", "persistence", "instances",
			"processes", NULL });

	if (r < 0)
		return r;
	reader->first = reader->machine->plan->n_gpus;
	key = yaml_get(group, "product");
	if (!key)
		return yaml_fail(&reader->yaml, group, "these GPUs want a product");
	r = read_product(reader, key, &product);
	if (r == 0)
		r = read_gpus(reader, group, product);
	if (r == 0)
		r = read_numa(reader, yaml_get(group, "numa"));
	if (r == 0)
		r = read_modes(reader, group, product);
	return r == 0 ? read_contents(reader, group, product) : r;
}

static int read_settings(struct reader *reader, struct fy_node *root)
{
	struct node_settings *settings = &reader->machine->plan->settings;
	struct fy_node *node;
	unsigned major, minor;
	char text[32];
	int r = 0;

	text_copy(settings->machine, sizeof(settings->machine), reader->name);
	text_copy(settings->driver_version, sizeof(settings->driver_version), "580.65.06");
	settings->cuda_version = 13000;
	node = yaml_get(root, "driver");
	if (node)
		r = yaml_text(&reader->yaml, node, settings->driver_version,
			sizeof(settings->driver_version));
	node = yaml_get(root, "cuda");
	if (r == 0 && node) {
		r = yaml_text(&reader->yaml, node, text, sizeof(text));
		if (r == 0 && sscanf(text, "%2u.%1u", &major, &minor) != 2)
			r = yaml_fail(
				&reader->yaml, node, "'%s' is not a version such as 13.0", text);
		settings->cuda_version = r == 0 ? (int32_t)(1000 * major + 10 * minor) : 0;
	}
	node = yaml_get(root, "permission");
	if (r == 0 && node) {
		r = yaml_text(&reader->yaml, node, text, sizeof(text));
		settings->anyone_may_change = r == 0 && text_eq(text, "anyone");
		if (r == 0 && !settings->anyone_may_change && !text_eq(text, "root"))
			r = yaml_fail(&reader->yaml, node, "'%s' is neither root nor anyone", text);
	}
	node = yaml_get(root, "vgpu");
	if (r == 0 && node) {
		bool on = false;

		r = yaml_switch(&reader->yaml, node, &on);
		settings->vgpu_host = on;
	}
	node = yaml_get(root, "description");
	if (r == 0 && node)
		r = yaml_text(&reader->yaml, node, reader->machine->description,
			sizeof(reader->machine->description));
	return r;
}

static int read_machine(struct reader *reader, struct fy_node *root)
{
	struct fy_node *version, *gpus, *group;
	void *iterator = NULL;
	char text[32];
	int r = yaml_only(&reader->yaml, root,
		(const char *const[]){ "version", "description", "driver", "cuda", "permission",
			"vgpu", "gpus", NULL });

	if (r < 0)
		return r;
	version = yaml_get(root, "version");
	if (!version || yaml_text(&reader->yaml, version, text, sizeof(text)) < 0 ||
		!text_eq(text, "carve-sim/v1"))
		return yaml_fail(&reader->yaml, version ?: root,
			"a machine file says 'version: carve-sim/v1'");
	r = read_settings(reader, root);
	gpus = yaml_get(root, "gpus");
	if (r == 0 && (!gpus || !fy_node_is_sequence(gpus)))
		r = yaml_fail(&reader->yaml, gpus ?: root, "gpus: a list of GPUs is wanted");
	while (r == 0 && (group = fy_node_sequence_iterate(gpus, &iterator)))
		r = read_group(reader, group);
	return r;
}

int machine_parse(const char *name, const char *file, const char *text, struct machine *ret_machine,
	struct error *err)
{
	struct machine machine = { .plan = must_alloc(1, sizeof(struct node)) };
	struct reader reader = { .machine = &machine, .name = name };
	int r = yaml_open(&reader.yaml, file, text, err);

	if (r == 0)
		r = read_machine(&reader, fy_document_root(reader.yaml.document));
	yaml_done(&reader.yaml);
	if (r == 0)
		*ret_machine = machine;
	else
		machine_done(&machine);
	return r;
}

int machine_load(const char *name, struct machine *ret_machine, struct error *err)
{
	const char *ending = strrchr(name, '.'), *slash = strrchr(name, '/');
	AUTO_BUF known = { 0 };
	AUTO_FREE char *text = NULL;
	char base[64];
	int r;

	if (!slash && !text_eq(ending, ".yaml") && !text_eq(ending, ".yml")) {
		for (unsigned i = 0; i < ARRAY_SIZE(machine_texts); i++) {
			if (text_eq(machine_texts[i].name, name))
				return machine_parse(
					name, name, machine_texts[i].text, ret_machine, err);
			buf_addf(&known, "%s%s", i ? ", " : "", machine_texts[i].name);
		}
		return error_set(err, -ENOENT,
			"no machine '%s' is built in (there are: %s); a file's name ends with "
			".yaml",
			name, buf_text(&known));
	}
	r = read_file_at(AT_FDCWD, name, 1 << 20, &text, NULL);
	if (r < 0)
		return error_set(err, r, "cannot read %s: %s", name, strerror(-r));
	text_copy(base, sizeof(base), slash ? slash + 1 : name);
	base[strcspn(base, ".")] = '\0';
	return machine_parse(base, name, text, ret_machine, err);
}
