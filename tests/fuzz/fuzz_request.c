/* SPDX-License-Identifier: Apache-2.0 */
/* A request: as JSON, as the API gets it; what is no JSON, as options, one "NAME VALUE" a line. */
#include "base/cleanup.h"
#include "base/text.h"
#include "fuzz.h"
#include "model/request.h"

static void must_come_back(const struct request *request)
{
	json_t *json = request_to_json(request);
	char *text = json_dumps(json, 0), said[REQUEST_TEXT_MAX];
	struct error err = ERROR_NONE;
	struct request back;
	json_t *again;

	MUST(text);
	again = json_loads(text, 0, NULL);
	MUST(request_from_json(again, &back, &err) == 0);
	back.has_wait = request->has_wait;
	back.has_no_wait = request->has_no_wait;
	MUST(memcmp(request, &back, sizeof(back)) == 0);
	MUST(*request_text(request, said));
	json_decref(json);
	json_decref(again);
	free(text);
}

static void as_options(char *text)
{
	struct error err = ERROR_NONE;
	struct request request;
	char *save = NULL;

	request_init(&request);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *value = strchr(line, ' ');
		int r;

		if (value)
			*value++ = '\0';
		r = request_option(&request, line, value, &err);
		if (r < 0)
			must_be_told(&err, r, NULL);
	}
	if (request_check(&request, &err) == 0)
		must_come_back(&request);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *json = json_loadb((const char *)data, size, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	struct error err = ERROR_NONE;
	struct request request;
	int r;

	if (!json) {
		AUTO_FREE char *text = must_alloc(size + 1, 1);

		if (size)
			memcpy(text, data, size);
		as_options(text);
		return 0;
	}
	r = request_from_json(json, &request, &err);
	if (r < 0)
		must_be_told(&err, r, NULL);
	else
		must_come_back(&request);
	json_decref(json);
	return 0;
}
