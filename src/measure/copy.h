/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/*
 * The copies of the benchmark that run in one lease, as a program:
 *
 *	carve --measure-copy KIND,... ITEM,... SECONDS
 *
 * A process for each kind. ITEM is BLOCKSxROUNDSxBYTES; ROUNDS 0: is found out.
 *
 * It is spoken to through its standard input and output, so that whoever started it needs no other
 * way, and it ends with him. It prints lines of JSON, each with its "copy", counted from 0:
 *
 *	{"event":"ready","pid":..,"gpu":UUID,"item":{..}}
 *		It waits for a byte of the input; each copy takes one.
 *	{"event":"done","items_per_s":..,"p50_ns":..,"p99_ns":..}
 *		Its SECONDS are over. It goes on, so that others have a neighbour, until the input
 *		is closed.
 *	{"event":"failed","text":..}
 *		The last line of a copy.
 */

enum { COPY_GO = 'g' };
#define COPY_OPTION "--measure-copy"

struct error;

/* Whether this machine has what a copy needs, as far as that is seen without a GPU: -ENOENT with
 * what to install. */
int copy_can_run(struct error *err);

/* Does it; argv begins behind the option. The exit status. */
int copy_main(int argc, char **argv);
