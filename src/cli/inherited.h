/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Descriptors that were inherited. */

/*
 * Closes those that point at GPU device nodes: a fence keeps a process from opening what it was not
 * given, not from using what is open already.
 */
void close_inherited_gpus(void);
