/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The texts of a YAML file. fy_token_get_text() of libfyaml 0.7 leaks where a text has many
 * escapes, so they are read by way of its iterator; and that one gets runs of quotes in single
 * quotes wrong, so those are read here.
 */
#include "base/text.h"
#include "model/yaml_tree.h"

#include <libfyaml.h>

/*
 * A text in single quotes, by YAML's rules: '' is one quote, a line end with the blanks around it
 * is a space, several are one line end less. libfyaml 0.7 gets runs of quotes wrong.
 */
static void unquote(struct buf *to, const char *p, const char *end)
{
	while (p < end) {
		unsigned lines = 0;

		if (*p != '\n') {
			p += *p == '\'';
			buf_add_n(to, p < end ? p : "'", 1);
			p++;
			continue;
		}
		while (to->length && strchr(" \t\r", to->text[to->length - 1]))
			to->text[--to->length] = '\0';
		for (; p < end && strchr(" \t\r\n", *p); p++)
			lines += *p == '\n';
		buf_add(to, lines == 1 ? " " : "");
		while (lines-- > 1)
			buf_add(to, "\n");
	}
}

char *yaml_token_text(const char *source, struct fy_token *token, bool *ret_has_nul)
{
	const struct fy_iter_chunk *chunk = NULL;
	struct fy_token_iter *iterator = NULL;
	struct buf text = { 0 };

	if (!token)
		return NULL;
	if (fy_token_scalar_style(token) == FYSS_SINGLE_QUOTED) {
		unquote(&text, source + fy_token_start_mark(token)->input_pos,
			source + fy_token_end_mark(token)->input_pos);
	} else {
		iterator = fy_token_iter_create(token);
		while (iterator && (chunk = fy_token_iter_chunk_next(iterator, chunk, NULL)))
			buf_add_n(&text, chunk->str, chunk->len);
		fy_token_iter_destroy(iterator);
	}
	*ret_has_nul = strlen(buf_text(&text)) != text.length;
	return buf_take(&text);
}
