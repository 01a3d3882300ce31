/* SPDX-License-Identifier: Apache-2.0 */
/* Which licence of NVIDIA's the guests of this node's vGPUs need, and what happens without. */
#include "doctor/check.h"
#include "doctor/vm.h"

/* The types of one series, on all GPUs of the node. */
struct series {
	char letter;
	unsigned n_types;
	const struct vf_type *example;
};

static void count_types(const struct vf_facts *facts, struct series *series)
{
	for (unsigned i = 0; i < facts->n_types; i++) {
		if (vf_type_series(&facts->type[i]) != series->letter)
			continue;
		series->n_types++;
		series->example = &facts->type[i];
	}
}

void check_licence(struct doctor *doctor)
{
	static const char letters[] = "ABCQ";
	const struct driver_look *look = doctor->driver;
	struct doctor_finding *found = NULL;

	for (const char *letter = letters; *letter; letter++) {
		struct series series = { .letter = *letter };

		for (unsigned i = 0; i < look->n_gpus; i++)
			count_types(&look->gpu[i].facts.vf, &series);
		if (series.n_types == 0 || !*vf_licence(*letter))
			continue;
		found = finding(doctor, DOCTOR_OK, "vGPUs of series %c (%s): %s; %s", *letter,
			series.example->name, vf_licence(*letter), vf_unlicensed(*letter));
	}
	if (found)
		finding_how(
			finding(doctor, DOCTOR_OK,
				"whether a guest has its licence is not seen from here: its own "
				"driver asks for it"),
			"in the guest: 'nvidia-smi -q | grep -i licen' tells, nvidia-gridd's log "
			"tells why");
}
