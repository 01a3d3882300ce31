/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file: a row per key, which says where its value goes and what it may be. */
#include "model/config.h"

#include "base/error.h"
#include "base/text.h"
#include "model/config_quota.h"
#include "model/config_vf.h"
#include "model/yaml.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#define MS 1000000ULL
#define S  (1000 * MS)

void config_init(struct config *config)
{
	*config = (struct config){
		.unleased = UNLEASED_REPORT,
		.grace_ns = 10 * S,
		.driver_timeout_ns = 60 * S,
		.health_interval_ns = 2 * S,
		.connections_max = 2048,
		.mps = {
			.idle_ns = 60 * S,
			.start_timeout_ns = 30 * S,
			.fault_grace_ns = 200 * MS,
		},
		.vf = { .may_enable = true },
	};
}

static void texts_done(char **texts, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		free(texts[i]);
	free(texts);
}

void config_done(struct config *config)
{
	texts_done(config->manage, config->n_manage);
	texts_done(config->unleased_allow, config->n_unleased_allow);
	free(config->quota);
	*config = (struct config){ 0 };
}

/* A list of words, or one word. */
static int read_texts(const struct yaml_node *node, const char *what, char ***texts, unsigned *n,
	struct error *err)
{
	const struct yaml_node *single[] = { node };
	bool is_list = node->kind == YAML_LIST;
	const struct yaml_node *const *items =
		is_list ? (const struct yaml_node *const *)node->item : single;
	size_t n_items = is_list ? node->n : 1;

	*texts = must_alloc(n_items, sizeof(**texts));
	for (size_t i = 0; i < n_items; i++) {
		const char *text;
		int r = yaml_word(items[i], what, &text, err);

		if (r < 0)
			return r;
		(*texts)[(*n)++] = must_strdup(text);
	}
	return 0;
}

static int read_manage(const struct yaml_node *node, struct config *config, struct error *err)
{
	return read_texts(node, "manage", &config->manage, &config->n_manage, err);
}

static int read_unleased_allow(
	const struct yaml_node *node, struct config *config, struct error *err)
{
	return read_texts(
		node, "unleased-allow", &config->unleased_allow, &config->n_unleased_allow, err);
}

/* Which of the words the node is; -EINVAL naming them. */
static int read_choice(const struct yaml_node *node, const char *what, const char *const *words,
	unsigned n, unsigned *ret_choice, struct error *err)
{
	AUTO_BUF all = { 0 };
	const char *text;
	int r = yaml_word(node, what, &text, err);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < n; i++) {
		if (text_eq(text, words[i])) {
			*ret_choice = i;
			return 0;
		}
		buf_addf(&all, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", words[i]);
	}
	return yaml_error(
		node, err, -EINVAL, "%s must be %s, not '%.60s'", what, buf_text(&all), text);
}

static int read_mode_changes(const struct yaml_node *node, struct config *config, struct error *err)
{
	static const char *const words[] = { "never", "on-demand" };
	unsigned choice;
	int r = read_choice(node, "mode-changes", words, ARRAY_SIZE(words), &choice, err);

	if (r < 0)
		return r;
	config->may_change_mode = choice == 1;
	return 0;
}

static int read_unleased(const struct yaml_node *node, struct config *config, struct error *err)
{
	static const char *const words[] = { "allow", "report", "deny" };
	unsigned choice;
	int r = read_choice(node, "unleased", words, ARRAY_SIZE(words), &choice, err);

	if (r < 0)
		return r;
	config->unleased = (enum unleased)choice;
	return 0;
}

static int read_require_fence(
	const struct yaml_node *node, struct config *config, struct error *err)
{
	return yaml_truth(node, "require-fence", &config->require_fence, err);
}

static int read_duration(const struct yaml_node *node, const char *what, uint64_t min, uint64_t max,
	uint64_t *ret_ns, struct error *err)
{
	char from[DURATION_TEXT_MAX], to[DURATION_TEXT_MAX];
	const char *text;
	uint64_t ns;
	int r = yaml_word(node, what, &text, err);

	if (r < 0)
		return r;
	if (parse_duration(text, &ns) < 0 || ns < min || ns > max)
		return yaml_error(node, err, -EINVAL,
			"%s must be a time such as 500ms, 10s or 5min, from %s to %s, not '%.60s'",
			what, duration_text(min, from), duration_text(max, to), text);
	*ret_ns = ns;
	return 0;
}

static int read_grace(const struct yaml_node *node, struct config *config, struct error *err)
{
	return read_duration(node, "grace", 0, 3600 * S, &config->grace_ns, err);
}

static int read_driver_timeout(
	const struct yaml_node *node, struct config *config, struct error *err)
{
	return read_duration(
		node, "driver-timeout", 1 * S, 3600 * S, &config->driver_timeout_ns, err);
}

static int read_health_interval(
	const struct yaml_node *node, struct config *config, struct error *err)
{
	return read_duration(
		node, "health-interval", 100 * MS, 3600 * S, &config->health_interval_ns, err);
}

static int read_connections_max(
	const struct yaml_node *node, struct config *config, struct error *err)
{
	uint64_t n;
	int r = yaml_number(node, "connections-max", 16, 65536, &n, err);

	if (r < 0)
		return r;
	config->connections_max = (unsigned)n;
	return 0;
}

static int read_mps_durations(
	const struct yaml_node *node, struct config_mps *mps, struct error *err)
{
	const struct yaml_node *idle = yaml_get(node, "idle"),
			       *start = yaml_get(node, "start-timeout"),
			       *grace = yaml_get(node, "fault-grace");
	int r = 0;

	if (idle)
		r = read_duration(idle, "mps: idle", 0, 24 * 3600 * S, &mps->idle_ns, err);
	if (start && r == 0)
		r = read_duration(
			start, "mps: start-timeout", 1 * S, 600 * S, &mps->start_timeout_ns, err);
	if (grace && r == 0)
		r = read_duration(grace, "mps: fault-grace", 0, 60 * S, &mps->fault_grace_ns, err);
	return r;
}

static int read_mps(const struct yaml_node *node, struct config *config, struct error *err)
{
	static const char *const names[] = { "idle", "start-timeout", "fault-grace", "servers",
		"compute", "interface" };
	static const char *const servers[] = { "one", "time-sliced" };
	static const char *const computes[] = { "percentage", "static" };
	static const char *const interfaces[] = { "auto", "v2", "v3" };
	struct config_mps *mps = &config->mps;
	unsigned choice[3] = { mps->may_time_slice, mps->is_static, mps->interface };
	int r = yaml_want(node, YAML_MAP, "mps", err);

	if (r == 0)
		r = yaml_keys(node, "mps", names, ARRAY_SIZE(names), err);
	if (r == 0)
		r = read_mps_durations(node, mps, err);
	if (r == 0 && yaml_get(node, "servers"))
		r = read_choice(yaml_get(node, "servers"), "mps: servers", servers,
			ARRAY_SIZE(servers), &choice[0], err);
	if (r == 0 && yaml_get(node, "compute"))
		r = read_choice(yaml_get(node, "compute"), "mps: compute", computes,
			ARRAY_SIZE(computes), &choice[1], err);
	if (r == 0 && yaml_get(node, "interface"))
		r = read_choice(yaml_get(node, "interface"), "mps: interface", interfaces,
			ARRAY_SIZE(interfaces), &choice[2], err);
	if (r < 0)
		return r;
	mps->may_time_slice = choice[0] == 1;
	mps->is_static = choice[1] == 1;
	mps->interface = (enum config_mps_interface)choice[2];
	return 0;
}

static const struct {
	const char *name;
	int (*read)(const struct yaml_node *node, struct config *config, struct error *err);
} keys[] = {
	{ "manage", read_manage },
	{ "mode-changes", read_mode_changes },
	{ "unleased", read_unleased },
	{ "unleased-allow", read_unleased_allow },
	{ "require-fence", read_require_fence },
	{ "grace", read_grace },
	{ "driver-timeout", read_driver_timeout },
	{ "health-interval", read_health_interval },
	{ "connections-max", read_connections_max },
	{ "mps", read_mps },
	{ "vf", config_vf_read },
	{ "quotas", config_quotas_read },
};

static int read_all(const struct yaml_node *root, struct config *config, struct error *err)
{
	const char *names[ARRAY_SIZE(keys)];
	int r = yaml_want(root, YAML_MAP, "the configuration", err);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		names[i] = keys[i].name;
	r = yaml_keys(root, "the configuration", names, ARRAY_SIZE(names), err);
	for (size_t i = 0; i < ARRAY_SIZE(keys) && r == 0; i++) {
		const struct yaml_node *node = yaml_get(root, keys[i].name);

		if (node)
			r = keys[i].read(node, config, err);
	}
	return r;
}

int config_parse(const char *file, const char *text, size_t length, struct config *ret_config,
	struct error *err)
{
	AUTO_YAML *yaml = NULL;
	struct config config;
	int r = yaml_load(file, text, length, &yaml, err);

	if (r < 0)
		return r;
	config_init(&config);
	/* A file of comments alone says nothing: the defaults. */
	if (yaml_root(yaml) && !yaml_is_nothing(yaml_root(yaml)))
		r = read_all(yaml_root(yaml), &config, err);
	if (r < 0) {
		config_done(&config);
		return r;
	}
	*ret_config = config;
	return 0;
}
