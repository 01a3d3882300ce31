/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/plan_text.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "cli/node.h"

#include <stdarg.h>
#include <stdlib.h>

static void say(const struct terminal *terminal, FILE *out, enum paint paint, const char *format,
	...) __attribute__((format(printf, 4, 5)));

/* One line, painted and safe. */
static void say(
	const struct terminal *terminal, FILE *out, enum paint paint, const char *format, ...)
{
	char *text;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (paint)
		terminal_paint(terminal, out, paint);
	terminal_print_safe(terminal, out, text ?: "");
	if (paint)
		terminal_paint(terminal, out, PAINT_PLAIN);
	fputc('\n', out);
	free(text);
}

/* How many steps from that one on are the same, as those of equal MPS shares are. */
static size_t count_alike(const json_t *steps, size_t first)
{
	const json_t *step = json_array_get(steps, first);
	size_t n = 1;

	while (json_equal(json_array_get(steps, first + n), step))
		n++;
	return n;
}

static void print_step(const json_t *step, size_t times, const struct terminal *terminal, FILE *out)
{
	const char *kind = json_text(step, "kind");
	bool makes = text_eq(kind, "create") || text_eq(kind, "add-mps");
	bool takes = text_eq(kind, "destroy") || text_eq(kind, "drop-mps");
	char often[32] = "";

	if (times > 1)
		snprintf(often, sizeof(often), ", %zu times", times);
	say(terminal, out,
		makes	? PAINT_GREEN
		: takes ? PAINT_RED
			: PAINT_YELLOW,
		"  %s %s%s",
		makes	? "+"
		: takes ? "-"
			: "*",
		json_text(step, "text"), often);
}

/* All that is to be done on a GPU, as one text: equal ones are said once. */
static char *steps_of(const json_t *steps, long long gpu)
{
	AUTO_BUF buf = { 0 };
	const json_t *step;
	size_t i;

	json_array_foreach(steps, i, step) if (json_whole(step, "gpu") == gpu)
		buf_addf(&buf, "%s\n", json_text(step, "text"));
	return buf_take(&buf);
}

/* A GPU whose first step is this one, as the numbers of all GPUs for which the same is to be done;
 * "" where an earlier one has said it. */
static char *gpus_alike(const json_t *steps, size_t first)
{
	long long gpu = json_whole(json_array_get(steps, first), "gpu"), last = -1;
	AUTO_FREE char *wanted = steps_of(steps, gpu);
	AUTO_BUF buf = { 0 };
	const json_t *step;
	size_t i;

	json_array_foreach(steps, i, step)
	{
		long long other = json_whole(step, "gpu");
		AUTO_FREE char *theirs = other != last ? steps_of(steps, other) : NULL;

		last = other;
		if (!text_eq(theirs, wanted))
			continue;
		if (i < first)
			return must_strdup("");
		buf_addf(&buf, "%s%lld", buf.length ? ", " : "", other);
	}
	return buf_take(&buf);
}

static void print_steps(const json_t *steps, const struct terminal *terminal, FILE *out)
{
	long long gpu = -1;
	const json_t *step;
	bool is_said = false;
	size_t times;

	for (size_t i = 0; i < json_array_size(steps); i += times) {
		step = json_array_get(steps, i);
		times = count_alike(steps, i);
		if (json_whole(step, "gpu") != gpu) {
			AUTO_FREE char *alike = gpus_alike(steps, i);

			gpu = json_whole(step, "gpu");
			is_said = !*alike;
			if (!is_said)
				say(terminal, out, PAINT_BOLD, "GPU %s", alike);
		}
		if (!is_said)
			print_step(step, times, terminal, out);
	}
}

/* Shares with the same reason stand on one line. */
static void print_kept(const json_t *kept, const struct terminal *terminal, FILE *out)
{
	const json_t *share, *other;
	size_t i, j;

	json_array_foreach(kept, i, share)
	{
		const char *why = json_text(share, "why");
		bool is_said = false;
		AUTO_BUF names = { 0 };

		json_array_foreach(kept, j, other)
		{
			if (!text_eq(json_text(other, "why"), why))
				continue;
			is_said |= j < i;
			buf_addf(&names, " %s", json_text(other, "share"));
		}
		if (!is_said)
			say(terminal, out, PAINT_PLAIN, "  = %s:%s", *why ? why : "wanted",
				buf_text(&names));
	}
}

static void print_blocker(const json_t *blocker, const struct terminal *terminal, FILE *out)
{
	const json_t *process;
	size_t i;

	say(terminal, out, PAINT_RED, "  ! %s", json_text(blocker, "text"));
	if (*json_text(blocker, "lease"))
		say(terminal, out, PAINT_PLAIN, "      lease %s", json_text(blocker, "lease"));
	if (json_flag(blocker, "foreign"))
		say(terminal, out, PAINT_PLAIN,
			"      Carve did not make it: 'carve adopt %s' makes it Carve's",
			json_text(blocker, "share"));
	json_array_foreach(json_object_get(blocker, "processes"), i, process)
	{
		const char *service = json_text(process, "service");

		say(terminal, out, PAINT_PLAIN, "      process %lld, %s%s%s%s%s",
			json_whole(process, "pid"), json_text(process, "user"),
			*json_text(process, "command") ? ": " : "", json_text(process, "command"),
			*service ? ", of the service " : "", service);
	}
}

void plan_print_blockers(const json_t *plan, const struct terminal *terminal, FILE *out)
{
	const json_t *blockers = json_object_get(plan, "blockers"), *blocker;
	size_t i;

	if (json_array_size(blockers) == 0)
		return;
	say(terminal, out, PAINT_BOLD, "In the way");
	json_array_foreach(blockers, i, blocker) print_blocker(blocker, terminal, out);
}

void plan_print(const json_t *plan, const struct terminal *terminal, FILE *out)
{
	const json_t *steps = json_object_get(plan, "steps");
	const json_t *kept = json_object_get(plan, "kept"), *pins, *pin;
	size_t i;

	pins = json_object_get(plan, "pins");
	print_steps(steps, terminal, out);
	if (json_array_size(pins) > 0)
		say(terminal, out, PAINT_BOLD, "Without touching the hardware");
	json_array_foreach(pins, i, pin) say(terminal, out, PAINT_CYAN, "  * %s becomes %s",
		json_text(pin, "share"), json_text(pin, "origin"));
	if (json_array_size(kept) > 0)
		say(terminal, out, PAINT_BOLD, "Left alone");
	print_kept(kept, terminal, out);
	plan_print_blockers(plan, terminal, out);
	if (text_eq(json_text(plan, "verdict"), "cannot"))
		say(terminal, out, PAINT_BOLD, "This cannot be done while that is in the way.");
	else if (text_eq(json_text(plan, "verdict"), "nothing"))
		say(terminal, out, PAINT_BOLD,
			"Nothing to do: everything is as the layout wants it.");
	else
		say(terminal, out, PAINT_BOLD, "%zu step%s%s.", json_array_size(steps),
			json_array_size(steps) == 1 ? "" : "s",
			json_flag(plan, "needs_reset")
				? "; a GPU has to be reset for it (--reset allows that)"
				: "");
}
