/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* The list of quotas in the configuration: for config.c alone. */

#include "model/config.h"
#include "model/yaml.h"

int config_quotas_read(const struct yaml_node *node, struct config *config, struct error *err);
