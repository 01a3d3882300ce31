/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree is built from the parser's events rather than by libfyaml's own document builder: its
 * documents do not tell where lists and mappings begin, and it expands aliases without a bound.
 *
 * A collection is attached to its parent, and its anchor becomes known, when it ends: so a cycle
 * cannot be written, and the weight of every node is known when it is used.
 */
#include "model/yaml.h"

#include "base/cleanup.h"
#include "base/error.h"
#include "base/list.h"
#include "base/text.h"
#include "model/yaml_tree.h"

#include <assert.h>
#include <errno.h>
#include <libfyaml.h>

enum {
	LENGTH_MAX = 256 << 10, /* what the parser reads in a moment, however it is nested */
	DEPTH_MAX = 24,
	NODES_MAX = 100000,
	KEYS_MAX = 1000, /* of one mapping: they are compared each with each */
	ANCHORS_MAX = 200,
	LINE_SHOWN = 70,
};

struct level {
	struct yaml_node *node;
	struct yaml_node *key; /* of a mapping, waiting for its value */
	char *anchor;
};

struct builder {
	struct yaml *yaml;
	const char *text;
	struct level level[DEPTH_MAX];
	unsigned depth;
	VEC(struct anchor {
		char *name;
		struct yaml_node *node;
	})
	anchors;
	bool has_document;
	struct error *err;
};

/* The position of an event that has none is that of what it stands in. */
static struct yaml_node *node_new(struct builder *b, enum yaml_kind kind, struct fy_event *event)
{
	const struct fy_mark *mark = fy_event_start_mark(event);
	struct yaml_node *node = yaml_node_new(b->yaml, kind);

	if (mark) {
		node->line = (unsigned)mark->line + 1;
		node->column = (unsigned)mark->column + 1;
	} else if (b->depth) {
		node->line = b->level[b->depth - 1].node->line;
		node->column = b->level[b->depth - 1].node->column;
	}
	return node;
}

static int add_anchor(struct builder *b, char *name, struct yaml_node *node)
{
	struct anchor *anchor;

	if (!name)
		return 0;
	if (b->anchors.n == ANCHORS_MAX) {
		free(name);
		return yaml_error(
			node, b->err, -E2BIG, "more than %d anchors (&name)", ANCHORS_MAX);
	}
	anchor = vec_add(&b->anchors);
	anchor->name = name;
	anchor->node = node;
	return 0;
}

/* Puts a finished value where it belongs. */
static int attach(struct builder *b, struct yaml_node *node, const struct yaml_node *where)
{
	struct level *level;

	if (b->depth == 0) {
		b->yaml->root = node;
		return 0;
	}
	level = &b->level[b->depth - 1];
	assert(level->node);
	level->node->weight += node->weight;
	if (level->node->weight > NODES_MAX || b->yaml->n_nodes > NODES_MAX)
		return yaml_error(where, b->err, -E2BIG,
			"the file is too large: it has more than %d values, aliases counted each "
			"time",
			NODES_MAX);
	if (level->node->kind == YAML_LIST) {
		yaml_node_add(level->node, NULL, node);
		return 0;
	}
	if (level->key) {
		yaml_node_add(level->node, level->key, node);
		level->key = NULL;
		return 0;
	}
	if (node->kind != YAML_TEXT)
		return yaml_error(where, b->err, -EINVAL, "a key must be a word, not a %s",
			yaml_kind_names[node->kind]);
	for (size_t i = 0; i < level->node->n; i++)
		if (text_eq(level->node->key[i]->text, node->text))
			return yaml_error(where, b->err, -EINVAL,
				"the key '%s' stands here a second time: it is in line %u already",
				node->text, level->node->key[i]->line);
	if (level->node->n == KEYS_MAX)
		return yaml_error(where, b->err, -E2BIG,
			"a mapping with more than %d keys is too large", KEYS_MAX);
	level->key = node;
	return 0;
}

static int refuse_tag(struct builder *b, const struct yaml_node *node, struct fy_token *tag)
{
	return tag ? yaml_error(node, b->err, -EINVAL, "tags such as !!str are not used here") : 0;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if (((unsigned char)*text < ' ' && *text != '\n' && *text != '\t') || *text == 0x7f)
			return true;
	return false;
}

static int on_scalar(struct builder *b, struct fy_event *event)
{
	struct yaml_node *node = node_new(b, YAML_TEXT, event);
	bool has_nul = false;
	int r;

	node->text = yaml_token_text(b->text, event->scalar.value, &has_nul) ?: must_strdup("");
	node->is_plain =
		!event->scalar.value || fy_token_scalar_style(event->scalar.value) == FYSS_PLAIN;
	if (!node->is_plain && node->column > 1)
		node->column--; /* the mark is behind the quote */
	r = refuse_tag(b, node, event->scalar.tag);
	if (r < 0)
		return r;
	if (has_nul || has_control(node->text))
		return yaml_error(
			node, b->err, -EINVAL, "a text must not have control characters in it");
	r = add_anchor(b, yaml_token_text(b->text, event->scalar.anchor, &has_nul), node);
	return r < 0 ? r : attach(b, node, node);
}

static int on_start(struct builder *b, enum yaml_kind kind, struct fy_event *event,
	struct fy_token *anchor, struct fy_token *tag)
{
	struct yaml_node *node = node_new(b, kind, event);
	bool has_nul;
	int r = refuse_tag(b, node, tag);

	if (r < 0)
		return r;
	if (b->depth == DEPTH_MAX)
		return yaml_error(node, b->err, -E2BIG,
			"lists and mappings stand more than %d deep in each other", DEPTH_MAX);
	b->level[b->depth++] = (struct level){ .node = node,
		.anchor = yaml_token_text(b->text, anchor, &has_nul) };
	return 0;
}

static int on_end(struct builder *b)
{
	struct level *level = &b->level[--b->depth];
	int r = 0;

	assert(level->node);
	if (level->node->kind == YAML_MAP)
		r = yaml_merge(level->node, KEYS_MAX, b->err);
	if (r == 0)
		r = add_anchor(b, TAKE_PTR(level->anchor), level->node);
	free(TAKE_PTR(level->anchor));
	return r < 0 ? r : attach(b, level->node, level->node);
}

static int on_alias(struct builder *b, struct fy_event *event)
{
	struct yaml_node *where = node_new(b, YAML_TEXT, event);
	bool has_nul;
	AUTO_FREE char *name = yaml_token_text(b->text, event->alias.anchor, &has_nul);

	where->text = must_strdup("");
	for (size_t i = b->anchors.n; i-- > 0;)
		if (text_eq(b->anchors.at[i].name, name))
			return attach(b, b->anchors.at[i].node, where);
	return yaml_error(where, b->err, -EINVAL, "there is no &%s before this for the alias *%s",
		name ?: "", name ?: "");
}

static int on_document(struct builder *b, struct fy_event *event)
{
	if (b->has_document)
		return yaml_error(node_new(b, YAML_LIST, event), b->err, -EINVAL,
			"a second document begins here (---): put it into a file of its own");
	b->has_document = true;
	return 0;
}

static int on_event(struct builder *b, struct fy_event *event)
{
	switch (event->type) {
	case FYET_DOCUMENT_START:
		return on_document(b, event);
	case FYET_SCALAR:
		return on_scalar(b, event);
	case FYET_SEQUENCE_START:
		return on_start(b, YAML_LIST, event, event->sequence_start.anchor,
			event->sequence_start.tag);
	case FYET_MAPPING_START:
		return on_start(
			b, YAML_MAP, event, event->mapping_start.anchor, event->mapping_start.tag);
	case FYET_SEQUENCE_END:
	case FYET_MAPPING_END:
		return on_end(b);
	case FYET_ALIAS:
		return on_alias(b, event);
	default:
		return 0;
	}
}

/* The line of the text in which the parser stopped, cut to what fits a sentence. */
static void add_line(
	struct buf *to, const struct fy_diag_error *at, const char *text, size_t length)
{
	const char *line = text, *end;

	for (int i = 1; i < at->line && line; i++) {
		line = memchr(line, '\n', length - (size_t)(line - text));
		line = line ? line + 1 : NULL;
	}
	if (!line || line == text + length)
		return;
	end = memchr(line, '\n', length - (size_t)(line - text)) ?: text + length;
	/* A long line is shown from a little before the place. */
	if (at->column > LINE_SHOWN - 20 && at->column - 20 < end - line)
		line += at->column - 20;
	buf_add(to, ": ");
	buf_add_n(to, line, (size_t)(end - line < LINE_SHOWN ? end - line : LINE_SHOWN));
}

/* What the parser itself found wrong. */
static int broken(struct builder *b, struct fy_diag *diag, const char *text, size_t length)
{
	void *iterator = NULL;
	struct fy_diag_error *first = diag ? fy_diag_errors_iterate(diag, &iterator) : NULL;
	AUTO_BUF more = { 0 };

	if (!first)
		return error_set(b->err, -EINVAL, "%s: this is not YAML", b->yaml->file);
	if (b->depth && (int)b->level[b->depth - 1].node->line < first->line)
		buf_addf(&more, ", in the %s that begins in line %u",
			yaml_kind_names[b->level[b->depth - 1].node->kind],
			b->level[b->depth - 1].node->line);
	add_line(&more, first, text, length);
	return error_set(b->err, -EINVAL, "%s:%d:%d: this is not YAML (%s)%s", b->yaml->file,
		first->line, first->column, first->msg, buf_text(&more));
}

static int read_events(struct builder *b, const char *text, size_t length)
{
	struct fy_diag_cfg diag_config = { .level = FYET_ERROR };
	struct fy_diag *diag = fy_diag_create(&diag_config);
	struct fy_parse_cfg config = { .flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG, .diag = diag };
	struct fy_parser *parser;
	struct fy_event *event;
	int r = 0;

	if (diag)
		fy_diag_set_collect_errors(diag, true);
	parser = fy_parser_create(&config);
	if (!parser || fy_parser_set_string(parser, text, length) < 0)
		r = error_set(b->err, -ENOMEM, "%s: the YAML parser does not start", b->yaml->file);
	while (r == 0 && (event = fy_parser_parse(parser))) {
		r = on_event(b, event);
		fy_parser_event_free(parser, event);
	}
	if (r == 0 && fy_parser_get_stream_error(parser))
		r = broken(b, diag, text, length);
	fy_parser_destroy(parser);
	fy_diag_destroy(diag);
	return r;
}

/* libfyaml takes any bytes, and a second of time for a mebibyte of brackets. */
static int check_bytes(const char *file, const char *text, size_t length, struct error *err)
{
	size_t good = text_utf8_prefix(text, length);
	const char *zero = memchr(text, 0, length);
	unsigned line = 1, column = 1;

	if (length > LENGTH_MAX)
		return error_set(err, -E2BIG, "%s: the file is too large: at most %d KiB are read",
			file, LENGTH_MAX >> 10);
	if (zero && (size_t)(zero - text) < good)
		good = (size_t)(zero - text);
	if (good == length)
		return 0;
	for (size_t i = 0; i < good; i++) {
		column = text[i] == '\n' ? 1 : column + 1;
		line += text[i] == '\n';
	}
	return error_set(err, -EINVAL, "%s:%u:%u: this is not text: the byte %#x is not UTF-8",
		file, line, column, (unsigned char)text[good]);
}

int yaml_load(const char *file, const char *text, size_t length, struct yaml **ret_yaml,
	struct error *err)
{
	struct builder b = { .yaml = yaml_new(file), .text = text, .err = err };
	int r = check_bytes(file, text, length, err);

	if (r == 0)
		r = read_events(&b, text, length);
	for (unsigned i = 0; i < b.depth; i++)
		free(b.level[i].anchor);
	for (size_t i = 0; i < b.anchors.n; i++)
		free(b.anchors.at[i].name);
	vec_done(&b.anchors);
	if (r < 0) {
		yaml_free(b.yaml);
		return r;
	}
	*ret_yaml = b.yaml;
	return 0;
}
