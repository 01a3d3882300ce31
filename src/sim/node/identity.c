/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/node/identity.h"

#include "abi/nvml.h"
#include "sim/node/geometry.h"
#include "sim/node/sha1.h"

#include <stdio.h>
#include <string.h>

/* The message that is hashed: fields are appended, numbers in little endian. */
struct message {
	uint8_t bytes[64];
	size_t length;
};

static void message_add(struct message *message, const void *bytes, size_t length)
{
	memcpy(message->bytes + message->length, bytes, length);
	message->length += length;
}

static void message_add_le(struct message *message, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		message->bytes[message->length++] = (uint8_t)(value >> (8 * i));
}

static void message_of_gpu(struct message *message, uint32_t device_id, uint64_t chip_seed)
{
	/* c816c9a3-5224-56bf-9d9a-ac7ea703fb5b: NVIDIA's name space */
	static const uint8_t name_space[16] = { 0xc8, 0x16, 0xc9, 0xa3, 0x52, 0x24, 0x56, 0xbf,
		0x9d, 0x9a, 0xac, 0x7e, 0xa7, 0x03, 0xfb, 0x5b };

	message_add(message, name_space, sizeof(name_space));
	message_add(message, "NVIDIA GPU", 10);
	message_add_le(message, 2, 1);
	message_add_le(message, device_id, 2);
	message_add_le(message, 8, 1);
	message_add_le(message, chip_seed, 8);
}

static void message_to_uuid(const struct message *message, uint8_t ret_uuid[16])
{
	uint8_t digest[20];

	sha1(message->bytes, message->length, digest);
	memcpy(ret_uuid, digest, 16);
	ret_uuid[6] = (uint8_t)((ret_uuid[6] & 0x0f) | 0x50);
	ret_uuid[8] = (uint8_t)((ret_uuid[8] & 0x3f) | 0x80);
}

void identity_gpu_uuid(uint32_t device_id, uint64_t chip_seed, char ret_text[UUID_TEXT_MAX])
{
	struct message message = { { 0 }, 0 };
	uint8_t uuid[16];

	message_of_gpu(&message, device_id, chip_seed);
	message_to_uuid(&message, uuid);
	identity_uuid_text("GPU", uuid, ret_text);
}

void identity_mig_uuid(const struct gpu *gpu, uint32_t instance_id, uint32_t slot,
	uint32_t compute_start, uint8_t ret_uuid[16])
{
	/* A syspipe per compute slice; on 12-slot parts three slots are one slice. */
	uint32_t per_slice = gpu->product.slots > 8 ? gpu->product.slots / gpu->product.slices : 1;
	struct message message = { { 0 }, 0 };

	message_of_gpu(&message, gpu->product.device_id, gpu->chip_seed);
	message_add_le(&message, 11, 1);
	message_add(&message, "SMC", 3);
	message_add_le(&message, instance_id, 4);
	message_add_le(&message, slot / per_slice + compute_start, 4);
	message_to_uuid(&message, ret_uuid);
}

const char *identity_uuid_text(
	const char *prefix, const uint8_t uuid[16], char ret_text[UUID_TEXT_MAX])
{
	char *at = ret_text + snprintf(ret_text, UUID_TEXT_MAX, "%s-", prefix);

	for (unsigned i = 0; i < 16; i++)
		at += sprintf(
			at, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
	return ret_text;
}

uint64_t identity_seed(const char *name, unsigned index)
{
	uint64_t hash = 0xcbf29ce484222325ull;

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 0x100000001b3ull;
	return (hash ^ index) * 0x100000001b3ull;
}

const char *identity_pci_text(const struct gpu *gpu, char ret_text[PCI_TEXT_MAX])
{
	snprintf(ret_text, PCI_TEXT_MAX, "%04x:%02x:%02x.0", gpu->pci_domain & 0xffff,
		gpu->pci_bus & 0xff, gpu->pci_device & 0x1f);
	return ret_text;
}

const char *identity_profile_text(
	const struct profile *profile, uint32_t kind, char ret_text[PROFILE_TEXT_MAX])
{
	struct compute_shape shape;

	if (compute_shape_of(profile, kind, &shape) && shape.slices < profile->slices)
		snprintf(ret_text, PROFILE_TEXT_MAX, "%uc.%s", shape.slices, profile->label);
	else
		snprintf(ret_text, PROFILE_TEXT_MAX, "%s", profile->label);
	return ret_text;
}
