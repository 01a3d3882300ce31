/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/node/use.h"

#include "abi/nvml.h"

static unsigned slot_of(uint32_t gi)
{
	return gi < GPU_INSTANCES ? gi : GPU_INSTANCES;
}

/* How much of the time since its pattern began it was on, until then. */
static uint64_t on_until(const struct process *process, uint64_t at_us)
{
	const struct work *work = &process->work;
	uint64_t passed = at_us > work->since_us ? at_us - work->since_us : 0;
	uint64_t period = work->period_ms * 1000ull, on = work->on_ms * 1000ull;
	uint64_t rest = period ? passed % period : 0;

	if (!period)
		return passed;
	return passed / period * on + (rest < on ? rest : on);
}

static unsigned bandwidth_of(const struct process *process)
{
	return process->work.is_said ? process->work.bandwidth : process->busy / 2u;
}

static struct use_sum sum_of(const struct process *process, uint64_t from_us, uint64_t to_us)
{
	const struct work *work = &process->work;
	uint64_t on = on_until(process, to_us) - on_until(process, from_us);
	uint64_t copied = process->busy * 1024ull;

	return (struct use_sum){
		.busy = on * process->busy,
		.sms = on * process->busy * (work->is_said ? work->sms : 100u) / 100,
		.bandwidth = on * bandwidth_of(process),
		.copy_in = on * (work->is_said ? work->copy_in_kib : copied),
		.copy_out = on * (work->is_said ? work->copy_out_kib : copied),
	};
}

static void add(struct use_sum *sum, struct use_sum more)
{
	sum->busy += more.busy;
	sum->sms += more.sms;
	sum->bandwidth += more.bandwidth;
	sum->copy_in += more.copy_in;
	sum->copy_out += more.copy_out;
}

static double percent(uint64_t sum, uint64_t span_us)
{
	double value = (double)sum / (double)span_us;

	return value < 100 ? value : 100;
}

struct use_mean use_between(
	const struct use_sum *before, const struct use_sum *after, uint64_t span_us)
{
	if (!span_us)
		return (struct use_mean){ 0 };
	return (struct use_mean){
		.busy = percent(after->busy - before->busy, span_us),
		.sms = percent(after->sms - before->sms, span_us),
		.bandwidth = percent(after->bandwidth - before->bandwidth, span_us),
		.copy_in = (double)(after->copy_in - before->copy_in) / (double)span_us,
		.copy_out = (double)(after->copy_out - before->copy_out) / (double)span_us,
	};
}

unsigned use_busy_at(const struct process *process, uint64_t at_us)
{
	const struct work *work = &process->work;

	if (work->period_ms && at_us > work->since_us &&
		(at_us - work->since_us) % (work->period_ms * 1000ull) >= work->on_ms * 1000ull)
		return 0;
	return process->busy;
}

/* One that always does the same is told as such from its first moment on. */
static struct use_sum sum_told(const struct process *process, uint64_t from_us, uint64_t to_us)
{
	struct process always = *process;

	if (process->work.period_ms)
		return sum_of(process, from_us, to_us);
	always.work.since_us = 0;
	return sum_of(&always, from_us, to_us);
}

struct use_mean use_mean_of(const struct process *process, uint64_t from_us, uint64_t to_us)
{
	const struct use_sum none = { 0 }, sum = sum_told(process, from_us, to_us);

	return use_between(&none, &sum, to_us - from_us);
}

struct use_mean use_mean(
	const struct gpu_state *state, uint32_t gi, uint64_t from_us, uint64_t to_us)
{
	const struct use_sum none = { 0 };
	struct use_sum sum = { 0 };

	for (unsigned i = 0; i < state->n_processes; i++)
		if (gi == NVML_NO_INSTANCE || state->processes[i].gi == gi)
			add(&sum, sum_told(&state->processes[i], from_us, to_us));
	return use_between(&none, &sum, to_us - from_us);
}

struct use_sum use_total(const struct gpu_state *state, uint32_t gi, uint64_t now_us)
{
	struct use_sum sum = state->used[slot_of(gi)];

	for (unsigned i = 0; i < state->n_processes; i++)
		if (slot_of(state->processes[i].gi) == slot_of(gi))
			add(&sum, sum_of(&state->processes[i], state->used_at_us, now_us));
	return sum;
}

void use_settle(struct gpu_state *draft, uint64_t now_us)
{
	for (unsigned i = 0; i < draft->n_processes; i++)
		add(&draft->used[slot_of(draft->processes[i].gi)],
			sum_of(&draft->processes[i], draft->used_at_us, now_us));
	draft->used_at_us = now_us;
}
