/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/measured.h"

#include "base/text.h"
#include "client/client.h"
#include "client/json.h"

void figures_read(const json_t *answer, struct figures *ret_figures)
{
	const json_t *list = json_object_get(answer, "measurements"), *json;
	struct figures figures = { 0 };
	size_t i;

	figures.list = must_alloc(json_array_size(list) + 1, sizeof(*figures.list));
	json_array_foreach(list, i, json)
	{
		figures.n += measured_from_json(json, &figures.list[figures.n], NULL) == 0;
	}
	*ret_figures = figures;
}

int figures_fetch(
	struct client *client, struct figures *ret_figures, json_t **ret_answer, struct error *err)
{
	AUTO_JSON *answer = NULL;
	int r = client_get(client, &answer, err, "/v1/measurements");

	if (r != 0)
		return r;
	figures_read(answer, ret_figures);
	if (ret_answer)
		*ret_answer = json_incref(answer);
	return 0;
}
