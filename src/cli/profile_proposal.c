/* SPDX-License-Identifier: Apache-2.0 */
/* What is proposed, for people: the size, the way, and why. */
#include "base/cleanup.h"
#include "base/size.h"
#include "base/text.h"
#include "cli/profile_page.h"

#include <stdlib.h>

static void print_compute(const struct report *report, const struct page *page)
{
	const struct proposal *proposal = &report->proposal;
	AUTO_BUF why = { 0 };

	if (!proposal->compute_percent) {
		page_line(page, "compute", "none: %s", proposal->compute_why);
		return;
	}
	if (proposal->is_upper_bound)
		buf_add(&why, "by the time in which kernels ran, as their SMs were not seen: it "
			      "may need less, and each burst may take longer in it");
	else if (proposal->is_paused)
		buf_add(&why,
			"so many SMs its kernels used while they ran, with pauses in between");
	else
		buf_addf(&why, "%d %% of its busy time needed no more", PROPOSAL_QUANTILE);
	if (proposal->is_full)
		buf_add(&why, "; it used its share to the full, and may use more on a larger one");
	page_line(
		page, "compute", "%u %% of the GPU: %s", proposal->compute_percent, buf_text(&why));
}

void page_proposal(const struct page *page, const struct report *report)
{
	const struct proposal *proposal = &report->proposal;
	char asks[REQUEST_TEXT_MAX], size[SIZE_TEXT_MAX], most[SIZE_TEXT_MAX];
	AUTO_FREE char *share = NULL;
	AUTO_BUF head = { 0 };

	if (!report->has_request) {
		terminal_print_wrapped(
			page->terminal, page->out, 2, "proposal: none, as its memory was not seen");
		return;
	}
	buf_addf(&head, "proposal: %s", request_text(&report->request, asks));
	if (report->request.mechanism == MECHANISM_MIG)
		buf_add(&head, " by mig");
	page_head(page, buf_text(&head));
	page_line(page, "memory", "%s: %s and %u %% margin%s",
		size_text(proposal->memory_bytes, size), size_text(proposal->measured_bytes, most),
		report->margin,
		proposal->is_capped ? ", which ends where the GPU's memory does" : "");
	print_compute(report, page);
	if (report->item) {
		share = advice_share_text(report->item, report->gpus);
		page_line(page, "way", "%s%s: %s", advice_option_names[report->item->option],
			report->item->verdict == VERDICT_AFTER ? ", not at once (carve advise says "
								 "what is done first)"
							       : "",
			share);
		page_line(page, "because", "%s", report->because);
	} else {
		page_line(page, "way", "none: %s", report->because);
	}
}
