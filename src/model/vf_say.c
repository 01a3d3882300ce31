/* SPDX-License-Identifier: Apache-2.0 */
/* VFs in sentences: what they are, who has them, and what NVIDIA's licences say of them. */
#include "base/size.h"
#include "base/text.h"
#include "model/gpu.h"

#include <ctype.h>

char vf_type_series(const struct vf_type *type)
{
	const char *size = strrchr(type->name, '-');
	size_t digits = size ? strspn(size + 1, "0123456789") : 0;
	char letter;

	if (digits == 0)
		return '\0';
	letter = (char)toupper((unsigned char)size[1 + digits]);
	return letter && strchr("ABCQ", letter) ? letter : '\0';
}

const char *vf_licence(char series)
{
	switch (series) {
	case 'A':
		return "the guest needs a licence for NVIDIA Virtual Applications (vApps)";
	case 'B':
		return "the guest needs a licence for NVIDIA Virtual PC (vPC) or RTX Virtual "
		       "Workstation (vWS)";
	case 'C':
		return "the guest needs a licence for NVIDIA AI Enterprise";
	case 'Q':
		return "the guest needs a licence for NVIDIA RTX Virtual Workstation (vWS)";
	default:
		return "";
	}
}

const char *vf_unlicensed(char series)
{
	switch (series) {
	case 'A':
	case 'B':
	case 'Q':
		return "without it the guest's driver starts in full and then restricts itself: 3 "
		       "frames a second, fewer resources, and no CUDA";
	case 'C':
		return "without it the guest's driver starts in full and then restricts itself, "
		       "until CUDA says that all devices are busy or unavailable";
	default:
		return "";
	}
}

void vf_say(const struct gpu *gpu, const struct vf *vf, struct buf *text)
{
	int t = vf->setup.type ? vf_type_find_id(&gpu->facts.vf, vf->setup.type) : -1;
	char name[SHARE_NAME_MAX], size[SIZE_TEXT_MAX];

	buf_add(text, vf_share_name(gpu, vf, name));
	if (t >= 0)
		buf_addf(text, " (%s)", gpu->facts.vf.type[t].name);
	else if (vf->setup.memory_bytes)
		buf_addf(text, " (%s)", size_text(vf->setup.memory_bytes, size));
}

void vf_say_user(const struct vf *vf, struct buf *text)
{
	if (vf->user && vf->vm[0])
		buf_addf(text, ": virtual machine %s (pid %d) has it", vf->vm, vf->user);
	else if (vf->user)
		buf_addf(text, ": process %d has it open", vf->user);
	else if (vf->owner[0])
		buf_addf(text, ": it is of %s", vf->owner);
}

void vf_say_unknown_types(const struct gpu *gpu, struct buf *text)
{
	buf_addf(text,
		"which types of vGPU GPU %u (%s) has is not known: without NVIDIA's library "
		"(libnvidia-ml.so.1) only virtual functions that are on tell it: turn them on "
		"once, "
		"with `sriov-manage -e %s` or a layout with `vfs: %u`, or install the library",
		gpu->index, gpu->facts.product, gpu->facts.pci, gpu->facts.vf.total);
}
