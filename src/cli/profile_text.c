/* SPDX-License-Identifier: Apache-2.0 */
/* The report for people: what was seen, what was not and why; what is proposed is in
 * profile_proposal.c. */
#include "cli/profile_page.h"

#include "base/cleanup.h"
#include "base/size.h"
#include "base/text.h"
#include "cli/node.h"
#include "client/json.h"

#include <stdarg.h>
#include <stdlib.h>

enum { INDENT = 15 };

/* So many seconds of idle in a hundred make no burst. */
#define STEADY_DUTY 0.98

void page_line(const struct page *page, const char *word, const char *format, ...)
{
	AUTO_FREE char *text = NULL;
	AUTO_BUF line = { 0 };
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	buf_addf(&line, "  %-*s%s", INDENT - 2, word, text ?: "");
	terminal_print_wrapped(page->terminal, page->out, INDENT, buf_text(&line));
}

void page_head(const struct page *page, const char *text)
{
	terminal_paint(page->terminal, page->out, PAINT_BOLD);
	terminal_print_wrapped(page->terminal, page->out, 2, text);
	terminal_paint(page->terminal, page->out, PAINT_PLAIN);
}

/* "0.30 s", "12 s" */
static const char *seconds_text(double seconds, char ret_text[32])
{
	snprintf(ret_text, 32, seconds < 10 ? "%.2f s" : "%.0f s", seconds);
	return ret_text;
}

static double in_s(uint64_t ns)
{
	return (double)ns / 1e9;
}

/* "2.1 GB/s" */
static const char *rate_text(double rate, char ret_text[32])
{
	snprintf(ret_text, 32, rate < 1e9 ? "%.0f MB/s" : "%.1f GB/s",
		rate / (rate < 1e9 ? 1e6 : 1e9));
	return ret_text;
}

static void print_head(const struct report *report, const struct page *page)
{
	AUTO_BUF line = { 0 };
	char took[32];

	buf_addf(&line, "profile of %s", report->command);
	page_head(page, buf_text(&line));
	page_line(page, "ran", "%s %s%s%s%s%s%s", seconds_text(report->seconds, took),
		text_eq(json_text(report->got, "mechanism"), "whole") ? "on all of GPU " : "in ",
		json_text(report->got, "share"), *report->product ? ", " : "", report->product,
		report->signal ? "; ended by a signal" : "",
		report->status && !report->signal ? "; failed" : "");
}

static void print_memory(const struct report *report, const struct page *page)
{
	const struct usage *usage = &report->usage;
	char most[SIZE_TEXT_MAX], biggest[SIZE_TEXT_MAX];

	if (!report->proposal.measured_bytes) {
		page_line(page, "memory", "not seen: %s",
			*usage->memory_why   ? usage->memory_why
			: *usage->failed_why ? usage->failed_why
					     : "no process of it was seen on the GPU");
		return;
	}
	page_line(page, "memory", "%s at most%s%s%s%s",
		size_text(report->proposal.measured_bytes, most),
		usage->share_peak > usage->memory_peak && usage->memory_peak
			? ", with what the driver keeps for it"
			: "",
		usage->biggest_peak ? ", the biggest process " : "",
		usage->biggest_peak ? size_text(usage->biggest_peak, biggest) : "",
		usage->is_accounted ? "; by the driver's accounts, which miss no peak" : "");
	page_line(page, "processes", "at most %u at once", usage->processes_peak);
}

/* How busy and idle times follow each other: as the launches are seen from here. */
static void print_launches(const struct usage_series *busy, bool is_time, const struct page *page)
{
	struct usage_runs on = usage_busy_runs(busy), off = usage_idle_runs(busy);
	double seen = in_s(busy->seen_ns), reading = seen / (double)(busy->n_readings ?: 1);
	/* the readings at the edges of a burst are busy in part only */
	double burst = on.n ? (is_time ? busy->sum / 100 : in_s(on.total_ns)) / (double)on.n : 0;
	char one[32], every[32], longest[32], pause[32], span[32];

	seconds_text(reading, span);
	if (!on.n)
		return;
	if (usage_duty(busy) >= STEADY_DUTY && usage_mean(busy) >= 90)
		page_line(page, "launches", "steadily: no pause of %s or more", span);
	else if (usage_duty(busy) >= STEADY_DUTY)
		page_line(page, "launches",
			"steadily, with pauses or bursts shorter than a reading (%s)", span);
	else
		page_line(page, "launches",
			"in %llu burst%s of %s on average, one every %s; busy for %s at a time at "
			"most, idle for %s (as far as readings of %s tell)",
			(unsigned long long)on.n, on.n == 1 ? "" : "s", seconds_text(burst, one),
			seconds_text(seen / (double)on.n, every),
			seconds_text(in_s(on.longest_ns), longest),
			seconds_text(in_s(off.longest_ns), pause), span);
}

static void print_percent(const struct report *report, enum usage_kind kind, const char *word,
	const char *what, const struct page *page)
{
	const struct usage_series *series = &report->usage.series[kind];

	if (usage_is_seen(series))
		page_line(page, word, "%.0f %% %s on average, %.0f %% at most", usage_mean(series),
			what, series->peak);
}

static void print_busy(const struct report *report, const struct page *page)
{
	const struct usage_series *series = report->usage.series;
	const struct usage_series *busy = &series[USAGE_BUSY], *sm = &series[USAGE_SM];
	bool is_whole = json_number(report->got, "compute") >= 100;

	if (usage_is_seen(busy))
		page_line(page, "busy", "kernels ran %.0f %% of the time", usage_mean(busy));
	print_percent(report, USAGE_SM, "SMs", is_whole ? "of the GPU's" : "of the share's", page);
	print_percent(report, USAGE_BANDWIDTH, "bandwidth", "of its memory's", page);
	print_percent(report, USAGE_MEMORY_BUSY, "memory used",
		"of the time it was read or written", page);
	if (usage_is_seen(busy) || usage_is_seen(sm))
		print_launches(usage_is_seen(busy) ? busy : sm, usage_is_seen(busy), page);
}

static void add_copies(struct buf *text, const struct usage_series *series, const char *where)
{
	char mean[32], peak[32];

	if (!usage_is_seen(series))
		return;
	if (text->length)
		buf_add(text, "; ");
	if (series->peak < 1e6)
		buf_addf(text, "none %s", where);
	else
		buf_addf(text, "%s %s on average, %s at most, in %.0f %% of the time",
			rate_text(usage_mean(series), mean), where, rate_text(series->peak, peak),
			usage_duty(series) * 100);
}

static void print_copies(const struct report *report, const struct page *page)
{
	const struct usage_series *series = report->usage.series;
	AUTO_BUF text = { 0 };

	add_copies(&text, &series[USAGE_COPY_IN], "to the GPU");
	add_copies(&text, &series[USAGE_COPY_OUT], "from it");
	if (text.length)
		page_line(page, "copies", "%s", buf_text(&text));
	/* most jobs have none: then there is nothing to say */
	if (series[USAGE_ENCODER].peak > 0)
		print_percent(report, USAGE_ENCODER, "encoder", "of the time", page);
	if (series[USAGE_DECODER].peak > 0)
		print_percent(report, USAGE_DECODER, "decoder", "of the time", page);
}

static const char *const kind_words[USAGE_N] = {
	[USAGE_BUSY] = "when kernels ran",
	[USAGE_SM] = "the SMs in use",
	[USAGE_MEMORY_BUSY] = "when memory was used",
	[USAGE_BANDWIDTH] = "the memory's bandwidth",
	[USAGE_COPY_IN] = "copies to the GPU",
	[USAGE_COPY_OUT] = "copies from it",
	[USAGE_ENCODER] = "encoders",
	[USAGE_DECODER] = "decoders",
};

/* Those with one reason are said together. */
static void print_not_seen(const struct report *report, const struct page *page)
{
	const struct usage_series *series = report->usage.series;
	bool is_said[USAGE_N] = { false };
	const char *word = "not seen";

	/* one of the two is enough */
	is_said[USAGE_MEMORY_BUSY] = usage_is_seen(&series[USAGE_BANDWIDTH]);
	for (int k = 0; k < USAGE_N; k++) {
		AUTO_BUF text = { 0 };

		if (is_said[k] || usage_is_seen(&series[k]))
			continue;
		for (int other = k; other < USAGE_N; other++) {
			if (is_said[other] || usage_is_seen(&series[other]) ||
				!text_eq(series[k].why_not, series[other].why_not))
				continue;
			buf_addf(&text, "%s%s", text.length ? ", " : "", kind_words[other]);
			is_said[other] = true;
		}
		page_line(page, word, "%s: %s", buf_text(&text),
			*series[k].why_not ? series[k].why_not : "there was no reading");
		word = "";
	}
}

static void print_sampling(const struct report *report, const struct page *page)
{
	const struct usage *usage = &report->usage;
	char period[DURATION_TEXT_MAX], away[32];

	page_line(page, "sampled", "every %s, %llu time%s in all; what is shorter is not seen%s",
		duration_text(USAGE_PERIOD_NS, period), (unsigned long long)usage->n_samples,
		usage->n_samples == 1 ? "" : "s", usage->is_accounted ? ", but for memory" : "");
	if (usage->n_gaps)
		page_line(page, "", "for %s nobody looked: carved or the driver was away",
			seconds_text(in_s(usage->unseen_ns), away));
	if (usage->n_failed)
		page_line(page, "", "%llu samples failed: %s", (unsigned long long)usage->n_failed,
			usage->failed_why);
}

void report_print(const struct report *report, const struct terminal *terminal, FILE *out)
{
	const struct page page = { terminal, out };

	print_head(report, &page);
	print_memory(report, &page);
	if (report->proposal.is_short) {
		page_line(&page, "", "%s", report->proposal.compute_why);
	} else {
		print_busy(report, &page);
		print_copies(report, &page);
		print_not_seen(report, &page);
	}
	print_sampling(report, &page);
	page_proposal(&page, report);
	if (report->saved_as)
		page_line(&page, "saved", "as %s%s: carve run --like %s -- COMMAND",
			report->saved_as,
			report->status && !report->signal ? ", though it failed" : "",
			report->saved_as);
}
