/* SPDX-License-Identifier: Apache-2.0 */
/* A container's processes are started by a daemon, outside the lease's cgroup. */
#include "base/list.h"
#include "base/text.h"
#include "cli/job.h"

#include <stdio.h>

/* Programs that run what is named behind their options: those of their options that take a value,
 * and how many other words come first. */
static const struct wrapper {
	const char *name, *valued;
	unsigned n_words;
} wrappers[] = {
	{ "sudo", "CDghpRrTtUu", 0 },
	{ "env", "CSu", 0 },
	{ "nice", "n", 0 },
	{ "ionice", "cn", 0 },
	{ "nohup", "", 0 },
	{ "setsid", "", 0 },
	{ "stdbuf", "eio", 0 },
	{ "time", "of", 0 },
	{ "timeout", "ks", 1 },
};

static const char *name_of(const char *word)
{
	const char *slash = strrchr(word, '/');

	return slash ? slash + 1 : word;
}

static const struct wrapper *wrapper_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(wrappers); i++)
		if (text_eq(wrappers[i].name, name))
			return &wrappers[i];
	return NULL;
}

/* The word behind a wrapper's options, assignments and own words. */
static char **behind(const struct wrapper *wrapper, char **word)
{
	unsigned n_words = wrapper->n_words;

	for (word++; *word; word++) {
		bool has_value = (*word)[0] == '-' && (*word)[1] && !(*word)[2] &&
				 strchr(wrapper->valued, (*word)[1]);

		if (has_value && word[1])
			word++;
		else if (**word != '-' && !strchr(*word, '=') && n_words-- == 0)
			break;
	}
	return word;
}

/* The program that runs in the end. */
static const char *program_of(char **command)
{
	const struct wrapper *wrapper;

	while (*command && (wrapper = wrapper_of(name_of(*command))))
		command = behind(wrapper, command);
	return *command ? name_of(*command) : "";
}

void warn_of_container_client(char **command)
{
	static const char *const clients[] = { "docker", "docker-compose", "podman", "nerdctl",
		"ctr", "crictl", "kubectl", "machinectl", "lxc", "incus" };
	const char *name = program_of(command);

	for (size_t i = 0; i < ARRAY_SIZE(clients); i++)
		if (text_eq(name, clients[i]))
			fprintf(stderr,
				"carve: warning: %s starts its containers outside this lease: they "
				"are neither fenced nor followed, and may outlive it; hold the "
				"lease for the container's cgroup instead (carve lease --cgroup)\n",
				name);
}
