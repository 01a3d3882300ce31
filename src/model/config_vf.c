/* SPDX-License-Identifier: Apache-2.0 */
#include "model/config_vf.h"

#include "base/error.h"
#include "base/text.h"

#include <errno.h>
#include <stdlib.h>

static int read_enable(const struct yaml_node *node, struct config_vf *vf, struct error *err)
{
	const char *text;
	int r = yaml_word(node, "vf: enable", &text, err);

	if (r < 0)
		return r;
	if (!text_eq(text, "on-demand") && !text_eq(text, "never"))
		return yaml_error(node, err, -EINVAL,
			"vf: enable must be on-demand or never, not '%.60s'", text);
	vf->may_enable = text_eq(text, "on-demand");
	return 0;
}

/* As text: a class with letters, and one without, is read alike. */
static int read_class(const struct yaml_node *node, struct config_vf *vf, struct error *err)
{
	const char *text;
	int r = yaml_word(node, "vf: classes", &text, err);

	if (r < 0)
		return r;
	if (strlen(text) != 4 || strspn(text, "0123456789abcdefABCDEF") != 4)
		return yaml_error(node, err, -EINVAL,
			"vf: classes has PCI classes, four hex digits in quotes such as \"0108\", "
			"not '%.60s'",
			text);
	if (vf->n_classes == ARRAY_SIZE(vf->class))
		return yaml_error(
			node, err, -E2BIG, "vf: classes has at most %zu", ARRAY_SIZE(vf->class));
	vf->class[vf->n_classes++] = (uint16_t)strtoul(text, NULL, 16);
	return 0;
}

int config_vf_read(const struct yaml_node *node, struct config *config, struct error *err)
{
	static const char *const keys[] = { "enable", "classes" };
	const struct yaml_node *enable, *classes;
	int r = yaml_want(node, YAML_MAP, "vf", err);

	if (r == 0)
		r = yaml_keys(node, "vf", keys, ARRAY_SIZE(keys), err);
	if (r < 0)
		return r;
	enable = yaml_get(node, keys[0]);
	classes = yaml_get(node, keys[1]);
	if (enable)
		r = read_enable(enable, &config->vf, err);
	if (r == 0 && classes)
		r = yaml_want(classes, YAML_LIST, "vf: classes", err);
	for (size_t i = 0; classes && r == 0 && i < classes->n; i++)
		r = read_class(classes->item[i], &config->vf, err);
	return r;
}
