/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* What the configuration says of virtual functions: for config.c alone. */

#include "model/config.h"
#include "model/yaml.h"

int config_vf_read(const struct yaml_node *node, struct config *config, struct error *err);
