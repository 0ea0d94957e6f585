/* Ticks and beats: who hangs, and who is only slow. */
#include "tests/unit/master/unit.h"

#include "base/clock.h"
#include "master/heartbeat.h"

#define SLOTS 3

struct bench {
	struct heartbeat h;
	uint64_t now, beats[SLOTS];
	bool live[SLOTS], condemned[SLOTS];
};

static void
setup(struct bench *b, uint32_t ms)
{
	*b = (struct bench){.now = 1000 * SEC_NS};
	heartbeat_init(&b->h, ms);
	for (unsigned i = 0; i < SLOTS; i++)
		b->live[i] = true;
}

/* One tick; bit i of `beating`: slot i has moved. */
static unsigned
tick(struct bench *b, unsigned beating, uint64_t ms)
{
	b->now += ms * MS_NS;
	for (unsigned i = 0; i < SLOTS; i++)
		b->beats[i] += beating >> i & 1;
	return heartbeat_tick(&b->h, b->now, SLOTS, b->live, b->beats, b->condemned);
}

static void
test_four_silent_ticks_condemn(void **state)
{
	struct bench b;

	(void)state;
	setup(&b, 2000);
	assert_int_equal(tick(&b, 7, 500), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(tick(&b, 5, 500), 0);
	assert_int_equal(tick(&b, 5, 500), 1);
	assert_true(b.condemned[1]);
	assert_false(b.condemned[0]);
	/* Its count starts anew. */
	assert_int_equal(tick(&b, 5, 500), 0);
}

static void
test_one_beat_is_enough(void **state)
{
	struct bench b;

	(void)state;
	setup(&b, 2000);
	(void)tick(&b, 7, 500);
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(tick(&b, i % 4 == 3 ? 7 : 5, 500), 0);
}

static void
test_a_late_tick_forgives(void **state)
{
	struct bench b;

	(void)state;
	setup(&b, 2000);
	(void)tick(&b, 7, 500);
	for (unsigned i = 0; i < 3; i++)
		(void)tick(&b, 5, 500);
	/* The machine stood still: nobody is to blame. */
	assert_int_equal(tick(&b, 0, 60000), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(tick(&b, 5, 500), 0);
	assert_int_equal(tick(&b, 5, 500), 1);
}

static void
test_all_silent_waits_ten_seconds(void **state)
{
	struct bench b;
	unsigned n = 0, ticks = 0;

	(void)state;
	setup(&b, 2000);
	(void)tick(&b, 7, 500);
	while (n == 0 && ticks < 100) {
		n = tick(&b, 0, 500);
		ticks++;
	}
	assert_int_equal(ticks, HEARTBEAT_ALL_MS / HEARTBEAT_TICK_MS);
	assert_int_equal(n, SLOTS);
}

static void
test_dead_slots_do_not_count(void **state)
{
	struct bench b;

	(void)state;
	setup(&b, 2000);
	b.live[2] = false;
	(void)tick(&b, 3, 500);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(tick(&b, 3, 500), 0);
	assert_false(b.condemned[2]);
}

static void
test_zero_switches_off(void **state)
{
	struct bench b;

	(void)state;
	setup(&b, 0);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(tick(&b, 0, 500), 0);
}

static void
test_a_fresh_worker_starts_anew(void **state)
{
	struct bench b;

	(void)state;
	setup(&b, 2000);
	(void)tick(&b, 7, 500);
	for (unsigned i = 0; i < 3; i++)
		(void)tick(&b, 5, 500);
	heartbeat_forget(&b.h, 1);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(tick(&b, 5, 500), 0);
	assert_int_equal(tick(&b, 5, 500), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_four_silent_ticks_condemn),
		cmocka_unit_test(test_one_beat_is_enough),
		cmocka_unit_test(test_a_late_tick_forgives),
		cmocka_unit_test(test_all_silent_waits_ten_seconds),
		cmocka_unit_test(test_dead_slots_do_not_count),
		cmocka_unit_test(test_zero_switches_off),
		cmocka_unit_test(test_a_fresh_worker_starts_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
