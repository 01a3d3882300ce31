/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/overview.h"

#include "base/list.h"
#include "base/text.h"
#include "cli/gpu_cells.h"
#include "cli/mps_text.h"
#include "cli/node.h"
#include "cli/picture.h"
#include "cli/tables.h"
#include "cli/vf_text.h"

/* "8 x H100 80GB HBM3", or each run of equal ones with its numbers. */
static void add_products(struct buf *buf, const json_t *gpus, const struct terminal *terminal)
{
	size_t n = json_array_size(gpus);

	for (size_t i = 0, j; i < n; i = j) {
		const char *product = gpu_product(json_array_get(gpus, i));

		for (j = i + 1; j < n && text_eq(gpu_product(json_array_get(gpus, j)), product);
			j++)
			;
		if (i > 0)
			buf_add(buf, " + ");
		if (j - i > 1)
			buf_addf(buf, "%zu %s ", j - i, terminal->has_unicode ? "\xc3\x97" : "x");
		buf_add(buf, product);
	}
}

static void print_header(const json_t *node, const struct terminal *terminal, FILE *out)
{
	const char *gap = terminal->has_unicode ? "  \xc2\xb7  " : "  |  ";
	const char *driver = json_text(node, "driver");
	AUTO_BUF rest = { 0 };

	buf_add(&rest, gap);
	add_products(&rest, json_object_get(node, "gpus"), terminal);
	if (*driver)
		buf_addf(&rest, "%sdriver %s", gap, driver);
	else
		buf_addf(&rest, "%sno driver", gap);
	if (json_flag(node, "simulated"))
		buf_addf(&rest, "%ssimulated", gap);
	terminal_paint(terminal, out, PAINT_BOLD);
	terminal_print_safe(terminal, out, json_text(node, "name"));
	terminal_paint(terminal, out, PAINT_PLAIN);
	terminal_print_safe(terminal, out, buf_text(&rest));
	fputc('\n', out);
}

/* What is worth a sentence about a GPU, each as a line. */
static void add_notes(struct buf *buf, const json_t *node, const json_t *gpu)
{
	const json_t *mig = json_object_get(gpu, "mig"), *process;
	const char *health = json_text(gpu, "health");
	long long index = json_whole(gpu, "index");
	size_t i;

	if (*health && !text_eq(health, "healthy"))
		buf_addf(buf, "GPU %lld is %s: %s\n", index, health, json_text(gpu, "health_text"));
	if (*json_text(gpu, "busy"))
		buf_addf(buf, "GPU %lld is working: %s\n", index, json_text(gpu, "busy"));
	if (json_flag(mig, "on") != json_flag(mig, "pending"))
		buf_addf(buf, "GPU %lld: MIG mode will be %s after a reset of the GPU\n", index,
			json_flag(mig, "pending") ? "on" : "off");
	mps_add_notes(buf, gpu);
	vf_add_notes(buf, node, gpu);
	json_array_foreach(json_object_get(gpu, "processes"), i, process)
	{
		const char *user = json_text(process, "user");
		const char *command = json_text(process, "command");

		if (*json_text(process, "lease") || mps_is_server(gpu, process))
			continue;
		buf_addf(buf, "GPU %lld is used without a lease: process %lld%s%s%s%s\n", index,
			json_whole(process, "pid"), *user ? ", " : "", user, *command ? ": " : "",
			command);
	}
}

static unsigned count_lines(const char *text)
{
	unsigned n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

static void print_notes(const char *notes, const struct terminal *terminal, FILE *out)
{
	while (*notes) {
		size_t n = strcspn(notes, "\n");
		AUTO_BUF line = { 0 };

		buf_add_n(&line, notes, n);
		terminal_print_wrapped(terminal, out, 2, buf_text(&line));
		notes += n + 1;
	}
}

/* What all GPUs have, and how much of it is spoken for. */
struct totals {
	double memory, leased, idle;
	unsigned n_managed, n_active, n_waiting, n_empty;
};

static void count_gpu(struct totals *totals, const json_t *node, const json_t *gpu)
{
	struct gpu_cells cells = gpu_cells(node, gpu);
	bool is_empty = true;

	if (!json_flag(gpu, "managed"))
		return;
	totals->n_managed++;
	totals->memory += json_number(gpu, "memory");
	for (unsigned i = 0; i < cells.n; i++)
		is_empty &= cells.cell[i].kind == CELL_FREE || cells.cell[i].kind == CELL_CACHE ||
			    cells.cell[i].kind == CELL_USELESS;
	totals->n_empty += is_empty && !json_flag(gpu, "drained") &&
			   text_eq(json_text(gpu, "health"), "healthy");
}

static struct totals count(const json_t *node)
{
	struct totals totals = { 0 };
	const json_t *item, *share;
	size_t i, j;

	json_array_foreach(json_object_get(node, "gpus"), i, item) count_gpu(&totals, node, item);
	json_array_foreach(json_object_get(node, "leases"), i, item)
	{
		bool is_waiting = json_whole(item, "queue_position") > 0;

		totals.n_waiting += is_waiting;
		totals.n_active += text_eq(json_text(item, "state"), "active");
		json_array_foreach(json_object_get(item, "got"), j, share) totals.leased +=
			json_number(share, "memory");
	}
	return totals;
}

static void print_totals(const json_t *node, const struct terminal *terminal, FILE *out)
{
	struct totals totals = count(node);
	char leased[32], memory[32];

	terminal_paint(terminal, out, PAINT_BOLD);
	if (totals.n_managed == 0)
		fprintf(out,
			"No GPU is managed by Carve: it only looks. 'carve manage GPU' lets it "
			"share one out.\n");
	else
		fprintf(out,
			"%u lease%s, %u waiting; %s of %s leased (%.0f%%); %u of %u managed GPUs "
			"empty\n",
			totals.n_active, totals.n_active == 1 ? "" : "s", totals.n_waiting,
			memory_text(totals.leased, leased), memory_text(totals.memory, memory),
			totals.memory > 0 ? 100 * totals.leased / totals.memory : 0.0,
			totals.n_empty, totals.n_managed);
	terminal_paint(terminal, out, PAINT_PLAIN);
}

void overview_print(const json_t *node, const struct terminal *terminal, FILE *out)
{
	const json_t *leases = json_object_get(node, "leases"), *gpu;
	unsigned n_leases = (unsigned)json_array_size(leases), others;
	AUTO_BUF notes = { 0 };
	size_t i;

	json_array_foreach(json_object_get(node, "gpus"), i, gpu) add_notes(&notes, node, gpu);
	mps_add_foreign(&notes, json_object_get(node, "gpus"));
	/* The header, the totals, the prompt after it all; the leases with their titles. */
	others = 3 + count_lines(buf_text(&notes)) + (n_leases ? n_leases + 1 : 0);
	print_header(node, terminal, out);
	picture_print(node, terminal,
		terminal->height == 0	    ? 0
		: terminal->height > others ? terminal->height - others
					    : 1,
		out);
	print_notes(buf_text(&notes), terminal, out);
	if (n_leases > 0)
		leases_print(leases, node, terminal, out);
	print_totals(node, terminal, out);
}
