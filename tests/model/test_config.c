/* SPDX-License-Identifier: Apache-2.0 */
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/text.h"
#include "model/config.h"
#include "test.h"

#include <errno.h>
#include <fcntl.h>

static int parse(const char *text, struct config *ret_config, struct error *err)
{
	return config_parse("carved.yaml", text, strlen(text), ret_config, err);
}

static bool is_default(const struct config *config)
{
	struct config defaults;

	config_init(&defaults);
	return !config->n_manage && !config->n_unleased_allow && !config->n_quotas &&
	       config->may_change_mode == defaults.may_change_mode &&
	       config->unleased == defaults.unleased &&
	       config->require_fence == defaults.require_fence &&
	       config->grace_ns == defaults.grace_ns &&
	       config->driver_timeout_ns == defaults.driver_timeout_ns &&
	       config->health_interval_ns == defaults.health_interval_ns &&
	       config->connections_max == defaults.connections_max &&
	       memcmp(&config->mps, &defaults.mps, sizeof(defaults.mps)) == 0 &&
	       config->vf.may_enable == defaults.vf.may_enable && config->vf.n_classes == 0;
}

TEST(the_installed_file_says_exactly_the_defaults_and_names_every_key)
{
	static const char *const keys[] = { "manage", "mode-changes", "unleased", "unleased-allow",
		"require-fence", "grace", "driver-timeout", "health-interval", "connections-max",
		"mps", "vf", "quotas" };
	AUTO_FREE char *text = NULL;
	struct config config = { 0 };
	struct error err = ERROR_NONE;
	size_t length;

	CHECK_EQ(read_file_at(AT_FDCWD, DEFAULT_FILE, 1 << 20, &text, &length), 0);
	CHECK_SAY(config_parse("carved.yaml", text, length, &config, &err) == 0, "%s", err.text);
	CHECK(is_default(&config));
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		char line[40];

		snprintf(line, sizeof(line), "\n%s:", keys[i]);
		CHECK_SAY(strstr(text, line), "%s", keys[i]);
	}
	config_done(&config);
}

TEST(an_empty_file_and_one_of_comments_say_the_defaults)
{
	static const char *const texts[] = { "", "# nothing\n", "---\n", "{}" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct config config = { 0 };

		CHECK_EQ(parse(texts[i], &config, NULL), 0);
		CHECK(is_default(&config));
		config_done(&config);
	}
}

TEST(every_key_is_taken)
{
	struct config c = { 0 };
	struct error err = ERROR_NONE;

	CHECK_SAY(parse("manage: [0, GPU-1234, '65:00.0']\n"
			"mode-changes: on-demand\n"
			"unleased: deny\n"
			"unleased-allow: /system.slice/dcgm.service\n"
			"require-fence: yes\n"
			"grace: 500ms\n"
			"driver-timeout: 2min\n"
			"health-interval: 5\n"
			"connections-max: 64\n"
			"quotas:\n"
			"- default: true\n"
			"  leases: 8\n"
			"  gpus: 0.5\n"
			"- {user: alice, memory: 80G}\n"
			"- {user: 1000, compute: 250%, gpus: unlimited}\n"
			"- {group: research, gpus: 12.125}\n",
			  &c, &err) == 0,
		"%s", err.text);
	CHECK_EQ(c.n_manage, 3);
	CHECK_TEXT(c.manage[2], "65:00.0");
	CHECK(c.may_change_mode && c.require_fence);
	CHECK_EQ(c.unleased, UNLEASED_DENY);
	CHECK_EQ(c.n_unleased_allow, 1);
	CHECK_EQ(c.grace_ns, 500000000);
	CHECK_EQ(c.driver_timeout_ns, 120000000000);
	CHECK_EQ(c.health_interval_ns, 5000000000);
	CHECK_EQ(c.connections_max, 64);
	CHECK_EQ(c.n_quotas, 4);
	CHECK(c.quota[0].is_default);
	CHECK_EQ(c.quota[0].limit.leases, 8);
	CHECK_EQ(c.quota[0].limit.gpus_milli, 500);
	CHECK(c.quota[0].limit.memory_bytes == QUOTA_UNLIMITED);
	CHECK_TEXT(c.quota[1].user, "alice");
	CHECK_EQ(c.quota[1].limit.memory_bytes, 80000000000);
	CHECK_EQ(c.quota[2].uid, 1000);
	CHECK_EQ(c.quota[2].limit.compute_percent, 250);
	CHECK_TEXT(c.quota[3].group, "research");
	CHECK_EQ(c.quota[3].limit.gpus_milli, 12125);
	config_done(&c);
}

TEST(errors_say_where_and_what)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "grace: 10s\nunleesed: deny\n", "carved.yaml:2:1: unknown key 'unleesed' in the "
						  "configuration: did you mean "
						  "'unleased'?" },
		{ "colour: red\n", "known are manage, mode-changes" },
		{ "unleased: never\n",
			"carved.yaml:1:11: unleased must be allow, report or deny, not 'never'" },
		{ "grace: soon\n", "carved.yaml:1:8: grace must be a time such as 500ms, 10s" },
		{ "driver-timeout: 0\n", "from 1000 ms to 60 min, not '0'" },
		{ "require-fence: maybe\n",
			"carved.yaml:1:16: require-fence must be true or false" },
		{ "connections-max: \"64\"\n", "must be a number from 16 to 65536, not \"64\"" },
		{ "connections-max: 4\n", "must be a number from 16 to 65536, not 4" },
		{ "manage:\n", "manage has no value" },
		{ "manage: [[0]]\n", "carved.yaml:1:10: manage must be a text, not a list" },
		{ "- manage\n",
			"carved.yaml:1:1: the configuration must be a mapping, not a list" },
		{ "grace: 1s\ngrace: 2s\n", "carved.yaml:2:1: the key 'grace' stands here a second "
					    "time: it is in line 1 "
					    "already" },
		{ "quotas: [{leases: 1}]\n", "exactly one of 'default: true'" },
		{ "quotas: [{default: false}]\n", "for nobody" },
		{ "quotas: [{user: a}, {user: a}]\n",
			"carved.yaml:1:21: this is the second quota" },
		{ "quotas: [{user: a, gpus: 1.2345}]\n",
			"a number such as 2 or 0.5, or unlimited" },
		{ "quotas: [{user: a, lease: 1}]\n", "did you mean 'leases'?" },
		{ "manage: [0\nunleased: deny\n", "in the list that begins in line 1" },
		{ "manage: 'x\n", "this is not YAML" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct config config = { .connections_max = 77 };
		struct error err = ERROR_NONE;

		CHECK_SAY(parse(cases[i].text, &config, &err) == -EINVAL, "%s", cases[i].text);
		CHECK_SAY(strstr(err.text, cases[i].says), "%s", err.text);
		CHECK_EQ(config.connections_max, 77);
	}
}

TEST(mps_says_how_servers_are_run)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
		{ "mps: static", "carved.yaml:1:6: mps must be" },
		{ "mps: {idle: soon}", "mps: idle must be a time such as 500ms, 10s or 5min" },
		{ "mps: {start-timeout: 10ms}", "mps: start-timeout must be a time" },
		{ "mps: {fault-grace: 2min}", "mps: fault-grace must be a time" },
		{ "mps: {servers: two}", "mps: servers must be one or time-sliced, not 'two'" },
		{ "mps: {compute: 30%}", "mps: compute must be percentage or static" },
		{ "mps: {interface: 3}", "mps: interface must be auto, v2 or v3" },
		{ "mps: {idl: 3s}", "did you mean 'idle'" },
	};
	struct config config = { 0 };
	struct error err = ERROR_NONE;

	CHECK_SAY(parse("mps: {idle: 5s, start-timeout: 9s, fault-grace: 0, servers: time-sliced, "
			"compute: static, interface: v3}",
			  &config, &err) == 0,
		"%s", err.text);
	CHECK_EQ(config.mps.idle_ns, 5000000000);
	CHECK_EQ(config.mps.start_timeout_ns, 9000000000);
	CHECK_EQ(config.mps.fault_grace_ns, 0);
	CHECK(config.mps.may_time_slice && config.mps.is_static);
	CHECK_EQ(config.mps.interface, CONFIG_MPS_V3);
	config_done(&config);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err = ERROR_NONE;
		CHECK_EQ(parse(bad[i].text, &config, &err), -EINVAL);
		CHECK_SAY(strstr(err.text, bad[i].says), "%s", err.text);
	}
}

TEST(vf_says_whether_leases_turn_them_on_and_what_else_counts_as_a_gpu)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "vf: never", "carved.yaml:1:5: vf must be" },
		{ "vf: {enable: always}", "vf: enable must be on-demand or never, not 'always'" },
		{ "vf: {classes: \"0108\"}", "vf: classes must be" },
		{ "vf: {classes: [\"0108\", \"108\"]}", "four hex digits in quotes" },
		{ "vf: {classes: [\"01x8\"]}", "not '01x8'" },
		{ "vf: {classes: [\"1200\",\"1200\",\"1200\",\"1200\",\"1200\",\"1200\","
		  "\"1200\",\"1200\",\"1200\"]}",
			"at most 8" },
		{ "vf: {class: []}", "did you mean 'classes'" },
	};
	struct config config;
	struct error err;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		err = ERROR_NONE;
		CHECK_SAY(parse(cases[i].text, &config, &err) < 0, "%s", cases[i].text);
		CHECK_SAY(strstr(err.text, cases[i].says), "%s", err.text);
	}
	CHECK_EQ(parse("vf: {enable: never, classes: [\"0108\", \"12ff\"]}", &config, &err), 0);
	CHECK(!config.vf.may_enable);
	CHECK(config.vf.n_classes == 2 && config.vf.class[0] == 0x0108 &&
		config.vf.class[1] == 0x12ff);
	config_done(&config);
	CHECK_EQ(parse("vf: {}", &config, &err), 0);
	CHECK(config.vf.may_enable);
	config_done(&config);
}

TEST_MAIN()
