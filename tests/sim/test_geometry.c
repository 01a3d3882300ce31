/* SPDX-License-Identifier: Apache-2.0 */
/* Where instances may stand: against what was seen on hardware, and against counting by hand. */
#include "sim.h"
#include "test.h"

#include "base/io.h"
#include "base/text.h"

#include <fcntl.h>
#include <math.h>

#define KINDS	  NVML_GPU_INSTANCE_PROFILE_COUNT
#define BIT(kind) (1u << NVML_GPU_INSTANCE_PROFILE_##kind)

static const char mig_on[] = "  mig: on\n";

/* ---- the driver's own choice ---- */

static int kind_of(const char *word)
{
	static const struct {
		const char *word;
		int kind;
	} words[] = { { "1g", NVML_GPU_INSTANCE_PROFILE_1_SLICE },
		{ "1g.2x", NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV2 },
		{ "2g", NVML_GPU_INSTANCE_PROFILE_2_SLICE },
		{ "3g", NVML_GPU_INSTANCE_PROFILE_3_SLICE } };

	for (unsigned i = 0; i < ARRAY_SIZE(words); i++)
		if (text_eq(words[i].word, word))
			return words[i].kind;
	return -1;
}

static const char *product_of(const char *label)
{
	return text_starts(label, "A100")    ? "A100-40"
	       : text_starts(label, "GH200") ? "GH200-96"
	       : text_starts(label, "RTX")   ? "RTX-PRO-6000"
					     : "H100-80";
}

/* One row: case, requested, observed ids, the rule's ids, whether they are the same. */
static void check_vector(char *line)
{
	char *label = line + 1, *requested, *expected, got[64] = "", *word;
	nvmlGpuInstance_t instance;

	requested = strstr(label, "\",") + 2;
	requested[-2] = '\0';
	expected = strchr(strchr(requested, ',') + 1, ',') + 1;
	*strchr(requested, ',') = '\0';
	*strchr(expected, ',') = '\0';
	sim_begin_product(product_of(label), 1, mig_on);
	while ((word = strsep(&requested, " "))) {
		int id = sim_make(sim_gpu(0), (unsigned)kind_of(word), -1, &instance);

		if (id < 0)
			snprintf(got + strlen(got), sizeof(got) - strlen(got), " FAIL");
		else
			snprintf(got + strlen(got), sizeof(got) - strlen(got), " %d", id);
	}
	CHECK_SAY(text_eq(got + 1, expected), "%s: got%s, wanted %s", label, got, expected);
	sim_end();
}

TEST(instances_go_where_the_driver_puts_them)
{
	char *text, *rest, *line;
	unsigned rows = 0;

	if (read_file_at(AT_FDCWD, getenv("CARVE_TEST_VECTORS"), 1 << 16, &text, NULL) < 0)
		SKIP("no file of placement vectors");
	rest = text;
	strsep(&rest, "\n");
	while ((line = strsep(&rest, "\n")) && *line) {
		check_vector(line);
		rows++;
	}
	CHECK_EQ(rows, 8);
	free(text);
}

/* ---- all states ---- */

struct pair {
	unsigned kind, id, start, size;
};

/* What the walk over all states has counted, and the state it is in. */
struct walk {
	nvmlDevice_t gpu;
	struct pair pairs[64];
	unsigned n_pairs;
	unsigned taken; /* slots */
	unsigned counts[KINDS];
	unsigned most[KINDS];
	unsigned long states, full;
	unsigned char seen[1 << 16]; /* multisets, by a hash without collisions here */
	unsigned long multisets;
};

static void walk_begin(struct walk *walk, nvmlDevice_t gpu, unsigned kinds)
{
	memset(walk, 0, sizeof(*walk));
	walk->gpu = gpu;
	for (unsigned kind = 0; kind < KINDS; kind++) {
		nvmlGpuInstanceProfileInfo_t info;
		nvmlGpuInstancePlacement_t places[16];
		unsigned n = 0;

		if (!(kinds & 1u << kind) ||
			nvml.nvmlDeviceGetGpuInstanceProfileInfo(gpu, kind, &info) != NVML_SUCCESS)
			continue;
		walk->most[kind] = info.instanceCount;
		nvml.nvmlDeviceGetGpuInstancePossiblePlacements_v2(gpu, info.id, places, &n);
		for (unsigned i = 0; i < n; i++)
			walk->pairs[walk->n_pairs++] =
				(struct pair){ kind, info.id, places[i].start, places[i].size };
	}
}

static unsigned mask_of(const struct pair *pair)
{
	return ((1u << pair->size) - 1) << pair->start;
}

static bool fits(const struct walk *walk, const struct pair *pair)
{
	return !(walk->taken & mask_of(pair)) && walk->counts[pair->kind] < walk->most[pair->kind];
}

static void count_state(struct walk *walk)
{
	static const unsigned weights[KINDS] = {
		[0] = 1, [1] = 8, [2] = 32, [3] = 96, [4] = 192, [7] = 384, [9] = 768
	};
	bool is_full = true;
	unsigned hash = 0;

	walk->states++;
	for (unsigned kind = 0; kind < KINDS; kind++) {
		unsigned free_places = 0, left = walk->most[kind] - walk->counts[kind], capacity,
			 id;

		hash += walk->counts[kind] * weights[kind];
		id = walk->most[kind] ? sim_kind_id(walk->gpu, kind) : 0;
		for (unsigned i = 0; i < walk->n_pairs; i++)
			if (walk->pairs[i].kind == kind && fits(walk, &walk->pairs[i]))
				free_places++;
		is_full &= free_places == 0;
		if (!walk->most[kind])
			continue;
		nvml.nvmlDeviceGetGpuInstanceRemainingCapacity(walk->gpu, id, &capacity);
		CHECK_EQ(capacity, free_places < left ? free_places : left);
	}
	walk->full += is_full;
	walk->multisets += !walk->seen[hash];
	walk->seen[hash] = 1;
}

/* Every state is reached once: by its instances in the order of the pairs. */
static void walk_on(struct walk *walk, unsigned from)
{
	count_state(walk);
	for (unsigned i = from; i < walk->n_pairs; i++) {
		const struct pair *pair = &walk->pairs[i];
		nvmlGpuInstancePlacement_t place = { pair->start, pair->size };
		nvmlGpuInstance_t instance;
		nvmlReturn_t r = nvml.nvmlDeviceCreateGpuInstanceWithPlacement(
			walk->gpu, pair->id, &place, &instance);

		CHECK_EQ(r, fits(walk, pair) ? NVML_SUCCESS : NVML_ERROR_INSUFFICIENT_RESOURCES);
		if (r != NVML_SUCCESS)
			continue;
		walk->taken |= mask_of(pair);
		walk->counts[pair->kind]++;
		walk_on(walk, i + 1);
		walk->counts[pair->kind]--;
		walk->taken &= ~mask_of(pair);
		CHECK_EQ(nvml.nvmlGpuInstanceDestroy(instance), NVML_SUCCESS);
	}
}

static void check_counts(const char *product, unsigned kinds, unsigned long states,
	unsigned long full, unsigned long multisets)
{
	static struct walk walk;

	sim_begin_product(product, 1, mig_on);
	walk_begin(&walk, sim_gpu(0), kinds);
	walk_on(&walk, 0);
	CHECK_SAY(walk.states == states && walk.full == full && walk.multisets == multisets,
		"%s: %lu states, %lu full, %lu multisets", product, walk.states, walk.full,
		walk.multisets);
	sim_end();
}

#define FIVE (BIT(1_SLICE) | BIT(2_SLICE) | BIT(3_SLICE) | BIT(4_SLICE) | BIT(7_SLICE))

/* The numbers are those of an enumeration by another program, from the documented placements. */
TEST(seven_slice_states_are_as_many_as_counted_elsewhere)
{
	check_counts("A100-40", FIVE, 298, 19, 38);
	check_counts("H100-80", FIVE | BIT(1_SLICE_REV2), 723, 78, 78);
	check_counts("H200", FIVE | BIT(1_SLICE_REV2) | BIT(1_SLICE_REV1), 2319, 239, 128);
}

TEST(four_slice_states_are_as_many_as_counted_elsewhere)
{
	unsigned plain = BIT(1_SLICE) | BIT(2_SLICE) | BIT(4_SLICE);

	check_counts("A30", plain, 26, 5, 10);
	check_counts("RTX-PRO-6000", plain, 26, 5, 10);
}

TEST(one_instance_has_the_extra_media_engines)
{
	nvmlGpuInstance_t instance;

	sim_begin_product("A30", 1, mig_on);
	CHECK(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1, 0, &instance) >= 0);
	CHECK_EQ(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_1_SLICE_REV1, 1, &instance),
		-NVML_ERROR_INSUFFICIENT_RESOURCES);
	CHECK_EQ(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_2_SLICE_REV1, 2, &instance),
		-NVML_ERROR_INSUFFICIENT_RESOURCES);
	sim_end();
}

TEST(all_media_engines_leave_none_for_others)
{
	nvmlGpuInstance_t instance;

	sim_begin_product("RTX-PRO-6000", 1, mig_on);
	CHECK(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_1_SLICE_ALL_ME, 0, &instance) >= 0);
	CHECK_EQ(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_1_SLICE, 3, &instance),
		-NVML_ERROR_INSUFFICIENT_RESOURCES);
	CHECK(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_1_SLICE_NO_ME, 3, &instance) >= 0);
	sim_end();
}

/* ---- what clients compute from sizes ---- */

/* go-nvlib's rule: gigabytes of the label from the instance's and the GPU's memory. */
static unsigned label_gb(unsigned long long mib, unsigned long long total)
{
	double total_gib = ceil((double)total / (1 << 30));

	return (unsigned)round(ceil((double)mib * 8 * (1 << 20) / (double)total) / 8 * total_gib);
}

TEST(labels_fit_the_memory_that_is_told)
{
	static const char *const products[] = { "A100-40", "A100-80", "A30", "H100-80", "H100-NVL",
		"GH200-96", "H200", "RTX-PRO-6000" };

	for (unsigned i = 0; i < ARRAY_SIZE(products); i++) {
		nvmlMemory_t memory;

		sim_begin_product(products[i], 1, mig_on);
		CHECK_EQ(nvml.nvmlDeviceGetMemoryInfo(sim_gpu(0), &memory), NVML_SUCCESS);
		for (unsigned kind = 0; kind < KINDS; kind++) {
			nvmlGpuInstanceProfileInfo_v2_t info = {
				.version = nvmlGpuInstanceProfileInfo_v2
			};
			unsigned slices, gb;

			if (nvml.nvmlDeviceGetGpuInstanceProfileInfoV(sim_gpu(0), kind, &info))
				continue;
			CHECK_EQ(sscanf(info.name, "MIG %ug.%ugb", &slices, &gb), 2);
			CHECK_EQ(slices, info.sliceCount);
			CHECK_SAY(gb == label_gb(info.memorySizeMB, memory.total), "%s: %s: %u",
				products[i], info.name, label_gb(info.memorySizeMB, memory.total));
		}
		sim_end();
	}
}

TEST(compute_instances_fill_their_gpu_instance)
{
	nvmlGpuInstance_t seven;
	nvmlComputeInstance_t compute;
	nvmlComputeInstanceInfo_t info;
	unsigned capacity;

	sim_begin_product("H100-80", 1, mig_on);
	CHECK_EQ(sim_make(sim_gpu(0), NVML_GPU_INSTANCE_PROFILE_7_SLICE, -1, &seven), 0);
	/* 3c stands where it leaves most: behind slice 4. */
	CHECK_EQ(nvml.nvmlGpuInstanceCreateComputeInstance(
			 seven, NVML_COMPUTE_INSTANCE_PROFILE_3_SLICE, &compute),
		NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlComputeInstanceGetInfo_v2(compute, &info), NVML_SUCCESS);
	CHECK_EQ(info.placement.start, 4);
	CHECK_EQ(info.placement.size, 3);
	CHECK_EQ(info.id, 0);
	CHECK_EQ(nvml.nvmlGpuInstanceGetComputeInstanceRemainingCapacity(
			 seven, NVML_COMPUTE_INSTANCE_PROFILE_2_SLICE, &capacity),
		NVML_SUCCESS);
	CHECK_EQ(capacity, 2);
	CHECK_EQ(nvml.nvmlGpuInstanceCreateComputeInstance(
			 seven, NVML_COMPUTE_INSTANCE_PROFILE_7_SLICE, &compute),
		NVML_ERROR_INSUFFICIENT_RESOURCES);
	CHECK_EQ(nvml.nvmlGpuInstanceCreateComputeInstance(
			 seven, NVML_COMPUTE_INSTANCE_PROFILE_4_SLICE, &compute),
		NVML_SUCCESS);
	CHECK_EQ(nvml.nvmlGpuInstanceCreateComputeInstance(
			 seven, NVML_COMPUTE_INSTANCE_PROFILE_1_SLICE, &compute),
		NVML_ERROR_INSUFFICIENT_RESOURCES);
	sim_end();
}

TEST_MAIN()
