/* SPDX-License-Identifier: Apache-2.0 */
/* A lease as carved tells it: whatever is in it, what is written for other programs stays text that
 * none of it can break out of. */
#include "adapters/handover.h"
#include "base/text.h"
#include "fuzz.h"

/* A comment of XML ends at "-->", and has no "--" before. */
static void must_be_one_element(const char *text)
{
	const char *end = strstr(text, "-->\n");

	MUST(text_starts(text, "<!-- ") && end);
	MUST(strstr(text + 4, "--") == end);
	MUST(text_starts(end + 4, "<hostdev ") && !strstr(end + 4, "<!"));
}

/* Lines for people stay comments, however a lease is called. */
static unsigned count_options(const char *text)
{
	unsigned n = 0;

	for (; *text; text += strcspn(text, "\n"), text += *text != '\0')
		n += *text != '#';
	return n;
}

static void must_be_harmless(const struct handover *handover)
{
	for (unsigned i = 0; i < adapters_n; i++) {
		AUTO_BUF text = { 0 };

		if (!adapters[i].needs_vf)
			continue;
		adapters[i].write(handover, &text);
		for (size_t c = 0; c < text.length; c++)
			MUST((text.text[c] >= ' ' && text.text[c] < 0x7f) || text.text[c] == '\n' ||
				text.text[c] == '\t');
		if (text_eq(adapters[i].name, "libvirt"))
			must_be_one_element(buf_text(&text));
		if (text_eq(adapters[i].name, "qemu"))
			MUST(count_options(buf_text(&text)) <= 5);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *lease =
		json_loadb((const char *)data, size, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	struct error err = ERROR_NONE;
	struct handover handover;
	int r = handover_read(lease, &handover, &err);

	if (r < 0)
		must_be_told(&err, r, NULL);
	else
		must_be_harmless(&handover);
	json_decref(lease);
	return 0;
}
