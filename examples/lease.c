/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes a share of a GPU for this process, says what it got, works, and gives it back:
 *
 *	cc lease.c $(pkg-config --cflags --libs libcarve) && ./a.out memory=10G compute=25%
 */
#include <carve/carve.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int set_options(struct carve_request *request, char **words)
{
	for (; *words; words++) {
		char *value = strchr(*words, '=');

		if (value)
			*value++ = '\0';
		if (carve_request_set(request, *words, value) != 0) {
			fprintf(stderr, "%s\n", carve_request_error(request));
			return -1;
		}
	}
	return 0;
}

/* Waits in steps of a second, so that it can be said what is waited for. */
static int acquire(struct carve *carve, struct carve_request *request, struct carve_lease **lease)
{
	int r = carve_lease_ask(carve, request, 0.3, lease);

	while (r == 0 && (r = carve_lease_wait(*lease, 1.0)) == CARVE_NOT_YET) {
		printf("number %u in the queue\n", carve_lease_queue_position(*lease));
		r = 0;
	}
	return r;
}

static void work(const struct carve_lease *lease)
{
	for (unsigned i = 0; i < carve_lease_n_shares(lease); i++) {
		unsigned long long memory;
		const char *name;
		double compute;

		carve_lease_share(lease, i, &name, &memory, &compute);
		printf("got %s: %.1f GiB, %.1f %% of a GPU\n", name, (double)memory / (1 << 30),
			compute);
	}
	for (unsigned i = 0; i < carve_lease_n_env(lease); i++) {
		setenv(carve_lease_env_name(lease, i), carve_lease_env_value(lease, i), 1);
		printf("%s=%s\n", carve_lease_env_name(lease, i), carve_lease_env_value(lease, i));
	}
	/* Here the program would load CUDA, which looks at the environment that was just set. */
}

int main(int argc, char **argv)
{
	struct carve *carve = carve_new(NULL);
	struct carve_request *request = carve_request_new();
	struct carve_lease *lease = NULL;
	int status = EXIT_FAILURE;

	if (!carve || !request || set_options(request, argv + 1) < 0)
		goto out;
	if (acquire(carve, request, &lease) != 0) {
		fprintf(stderr, "%s\n", carve_error(carve));
		goto out;
	}
	work(lease);
	if (carve_lease_release(lease, -1) != 0)
		fprintf(stderr, "%s\n", carve_error(carve));
	else
		status = EXIT_SUCCESS;
out:
	carve_lease_free(lease);
	carve_request_free(request);
	carve_free(carve);
	return status;
}
