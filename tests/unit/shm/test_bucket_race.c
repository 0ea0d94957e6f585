/*
 * test_bucket_race.c - takers as coroutines that may be interrupted before every load and every
 * swap, in random order: what two processors show once in a million is here every tenth round.
 * HG_SEED repeats a run.
 */
#include "tests/unit/base/unit.h"

#include <stdio.h>
#include <ucontext.h>

static void taker_step(void);
#define BUCKET_STEP() taker_step()
#include "shm/bucket.c" /* the same code, with the scheduler inside; not linked a second time */

#define TAKERS 4
#define STACK 65536

static struct race {
	struct bucket_table table;
	struct bucket_rate rate;
	ucontext_t main, taker[TAKERS];
	char stack[TAKERS][STACK];
	bool done[TAKERS];
	int running; /* -1: the scheduler */
	uint64_t rng, taken, asked;
} race;

static char memory[sizeof(struct bucket_region) + 2 * sizeof(struct bucket_set)]
    __attribute__((aligned(4096)));

static uint64_t
next(void)
{
	race.rng ^= race.rng << 13;
	race.rng ^= race.rng >> 7;
	race.rng ^= race.rng << 17;
	return race.rng;
}

static void
taker_step(void)
{
	if (race.running >= 0 && next() % 3 == 0)
		(void)swapcontext(&race.taker[race.running], &race.main);
}

static void
taker_body(int i)
{
	/* Clocks differ a little, so that one sees a place free that another does not. */
	uint64_t now = 1000 + (uint64_t)i;

	for (int k = 0; k < 3; k++) {
		race.asked++;
		race.taken += bucket_take(&race.table, 42, race.rate, 1, now).ok;
	}
	race.done[i] = true;
}

static void
table_fill(void)
{
	struct bucket_slot *slots = (struct bucket_slot *)(void *)race.table.region->sets;
	unsigned free_at_last = 0;

	memset(memory, 0, sizeof(memory));
	for (unsigned i = 0; i < 8; i++) {
		slots[i].key = next() % 4 ? 100 + i : 0;
		slots[i].tat = slots[i].key ? 998 + next() % 8 : 0;
		free_at_last += slots[i].tat <= 1000;
	}
	if (free_at_last == 0)
		slots[next() % 8] = (struct bucket_slot){0, 0};
}

static void
takers_run(void)
{
	unsigned left = TAKERS;

	while (left != 0) {
		int i = (int)(next() % TAKERS);

		if (race.done[i])
			continue;
		race.running = i;
		(void)swapcontext(&race.main, &race.taker[i]);
		race.running = -1;
		left -= race.done[i];
	}
}

static void
round_run(void)
{
	table_fill();
	race.rate = (struct bucket_rate){1000000, 1 + next() % 4};
	race.taken = race.asked = 0;
	for (int i = 0; i < TAKERS; i++) {
		race.done[i] = false;
		assert_int_equal(getcontext(&race.taker[i]), 0);
		race.taker[i].uc_stack.ss_sp = race.stack[i];
		race.taker[i].uc_stack.ss_size = STACK;
		race.taker[i].uc_link = &race.main;
		makecontext(&race.taker[i], (void (*)(void))(uintptr_t)taker_body, 1, i);
	}
	takers_run();
}

static void
never_too_many(void **state)
{
	const char *env = getenv("HG_SEED");
	uint64_t seed = env ? strtoull(env, NULL, 0) : clock_real(), exact = 0, counted = 0,
		 short_by = 0;
	const uint64_t rounds = 20000;

	(void)state;
	assert_true(bucket_open(&race.table, memory, sizeof(memory)));
	for (uint64_t i = 0; i < rounds; i++) {
		race.running = -1;
		race.rng = (seed + i) * 0x9e3779b97f4a7c15ull | 1;
		round_run();
		if (bucket_evictions(&race.table) != 0)
			continue;
		counted++;
		exact += race.taken == race.rate.burst;
		if (race.taken < race.rate.burst)
			short_by += race.rate.burst - race.taken;
		if (race.taken > race.rate.burst)
			fail_msg("HG_SEED=%llu: %llu taken of %llu", (unsigned long long)(seed + i),
			    (unsigned long long)race.taken, (unsigned long long)race.rate.burst);
	}
	print_message("seed %llu: %llu rounds, %llu exact, %llu tokens short\n",
	    (unsigned long long)seed, (unsigned long long)counted, (unsigned long long)exact,
	    (unsigned long long)short_by);
	assert_true(counted > rounds / 2);
	assert_true(exact * 100 >= counted * 95);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(never_too_many)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
