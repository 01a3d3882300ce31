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

/* Guests ask for their licences themselves; what they got, the driver tells of those that run. */
static void check_guests(struct doctor *doctor)
{
	static const char *const in_guest =
		"in the guest: 'nvidia-smi -q | grep -i licen' tells, nvidia-gridd's log tells why";
	const struct driver_look *look = doctor->driver;
	unsigned n = 0, n_unlicensed = 0;
	struct doctor_finding *found;

	for (unsigned i = 0; i < look->n_gpus; i++) {
		n += look->gpu[i].n_vgpus;
		n_unlicensed += look->gpu[i].n_unlicensed;
	}
	if (n == 0) {
		finding_how(finding(doctor, DOCTOR_OK,
				    "whether a guest has its licence is seen once it runs: its own "
				    "driver asks for it"),
			"%s", in_guest);
	} else if (n_unlicensed == 0) {
		finding(doctor, DOCTOR_OK, "the guests of all %u vGPUs have their licence", n);
	} else {
		found = finding(doctor, DOCTOR_WARN,
			"of %u vGPUs that virtual machines have, %u are without a licence now", n,
			n_unlicensed);
		finding_wanted(found, "licensed, or soon to be: a guest that has just started asks "
				      "within minutes");
		finding_how(found, "%s", in_guest);
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
		check_guests(doctor);
}
