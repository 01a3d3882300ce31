/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"
#include "base/text.h"
#include "model/yaml.h"
#include "test.h"

#include <errno.h>

static int load(const char *text, struct yaml **ret_yaml, struct error *err)
{
	return yaml_load("f", text, strlen(text), ret_yaml, err);
}

#define REFUSES(source, says)                                                                      \
	do {                                                                                       \
		struct error err_ = ERROR_NONE;                                                    \
		struct yaml *yaml_ = NULL;                                                         \
		CHECK(load(source, &yaml_, &err_) < 0);                                            \
		CHECK_SAY(strstr(err_.text, says), "%s", err_.text);                               \
		CHECK(!yaml_);                                                                     \
	} while (0)

TEST(every_node_knows_its_place)
{
	struct yaml *yaml = NULL;
	const struct yaml_node *list, *map;

	CHECK_EQ(load("a: 1\nb:\n- x\n- y: {z: 'q'}\n", &yaml, NULL), 0);
	list = yaml_get(yaml_root(yaml), "b");
	CHECK_EQ(list->n, 2);
	CHECK_EQ(list->line, 3);
	CHECK_EQ(list->item[0]->line, 3);
	CHECK_EQ(list->item[0]->column, 3);
	map = yaml_get(list->item[1], "y");
	CHECK_EQ(map->line, 4);
	CHECK_EQ(map->column, 6);
	CHECK_TEXT(yaml_get(map, "z")->text, "q");
	CHECK(!yaml_get(map, "z")->is_plain);
	CHECK_EQ(yaml_get(map, "z")->column, 10);
	yaml_free(yaml);
}

TEST(quotes_and_blocks_are_read_as_yaml_says)
{
	struct yaml *yaml = NULL;
	const struct yaml_node *root;

	CHECK_EQ(load("a: 'it''s ''''''''''''''''''''''''''''''''''''''''''''''''''''so'\n"
		      "b: \"x\\ty\\u00e9\"\n"
		      "c: |\n  one\n  two\n"
		      "d: >-\n  one\n  two\n"
		      "e: plain # not this\n"
		      "f:\n"
		      "'k''''y': 'x ''  \n  z\n\n\n  q '\n"
		      "g: ''\nh: ''''\ni: '\n\n '\n",
			 &yaml, NULL),
		0);
	root = yaml_root(yaml);
	CHECK_TEXT(yaml_get(root, "a")->text, "it's ''''''''''''''''''''''''''so");
	CHECK_TEXT(yaml_get(root, "b")->text, "x\ty\xc3\xa9");
	CHECK_TEXT(yaml_get(root, "c")->text, "one\ntwo\n");
	CHECK_TEXT(yaml_get(root, "d")->text, "one two");
	CHECK_TEXT(yaml_get(root, "e")->text, "plain");
	CHECK(yaml_is_nothing(yaml_get(root, "f")));
	CHECK_TEXT(yaml_get(root, "k''y")->text, "x ' z\n\nq ");
	CHECK_TEXT(yaml_get(root, "g")->text, "");
	CHECK_TEXT(yaml_get(root, "h")->text, "'");
	CHECK_TEXT(yaml_get(root, "i")->text, "\n");
	yaml_free(yaml);
}

TEST(aliases_and_merge_keys_are_resolved)
{
	struct yaml *yaml = NULL;
	const struct yaml_node *second;

	CHECK_EQ(load("- &a {x: 1, y: 2}\n- {<<: *a, y: 3}\n- *a\n", &yaml, NULL), 0);
	second = yaml_root(yaml)->item[1];
	CHECK_EQ(second->n, 2);
	CHECK_TEXT(yaml_get(second, "x")->text, "1");
	CHECK_TEXT(yaml_get(second, "y")->text, "3");
	CHECK(yaml_root(yaml)->item[2] == yaml_root(yaml)->item[0]);
	yaml_free(yaml);
	CHECK_EQ(load("- &a {x: 1}\n- &b {x: 2, z: 4}\n- {<<: [*a, *b]}\n", &yaml, NULL), 0);
	second = yaml_root(yaml)->item[2];
	CHECK_TEXT(yaml_get(second, "x")->text, "1");
	CHECK_TEXT(yaml_get(second, "z")->text, "4");
	yaml_free(yaml);
}

TEST(broken_yaml_is_shown_with_its_place_and_line)
{
	REFUSES("a: 1\n  b: [2\n", "f:");
	REFUSES("layouts:\n  day: [1, 2\n  night: 3\n", "in the list that begins in line 2");
	REFUSES("layouts:\n  day: [1 2]\n  night: ] 3\n", "night: ] 3");
	REFUSES("a: 'x\n", "f:");
	REFUSES("\tb: 1\n", "f:1:");
	REFUSES("a: b: c\n", "a: b: c");
	REFUSES("a: \x01\n", "f:1:4: a text must not have control");
	REFUSES("a: \xff\n", "f:1:4: this is not text: the byte 0xff");
}

TEST(what_is_made_to_be_large_is_refused)
{
	AUTO_BUF deep = { 0 }, laughs = { 0 }, keys = { 0 }, long_one = { 0 };

	for (int i = 0; i < 50; i++)
		buf_add(&deep, "- ");
	REFUSES(buf_text(&deep), "deep in each other");
	buf_add(&laughs, "- &a0 [x, x, x, x, x, x, x, x, x, x]\n");
	for (int i = 1; i < 20; i++)
		buf_addf(&laughs, "- &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n",
			i, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
	REFUSES(buf_text(&laughs), "too large");
	for (int i = 0; i < 2000; i++)
		buf_addf(&keys, "k%d: 1\n", i);
	REFUSES(buf_text(&keys), "too large");
	while (long_one.length < 300000)
		buf_add(&long_one, "# nothing\n");
	REFUSES(buf_text(&long_one), "f: the file is too large: at most 256 KiB");
}

TEST(what_has_no_meaning_here_is_refused)
{
	REFUSES("a: !!str 1\n", "f:1:");
	REFUSES("a: 1\na: 2\n", "f:2:1: the key 'a' stands here a second time: it is in line 1");
	REFUSES("[a]: 1\n", "a key must be a word, not a list");
	REFUSES("a: *b\n", "no &b before this");
	REFUSES("&a [*a]\n", "no &a before this");
	REFUSES("a: 1\n---\nb: 2\n", "second document");
	REFUSES("a: \"x\\0y\"\n", "control characters");
	REFUSES("<<: 1\n", "takes a mapping");
}

TEST_MAIN()
