/* test_loop.c - order of a turn, deferred work, unwatching in the middle of a turn; the wheel on a
 * clock of its own. */
#include "tests/unit/net/unit.h"

#include <sys/epoll.h>

#include "base/clock.h"
#include "net/timer.h"

static char trace[64];

struct probe {
	struct task task, again;
	struct loop *l;
	char c;
	int left;
};

static void
note(char c)
{
	size_t n = strlen(trace);

	trace[n] = c;
	trace[n + 1] = '\0';
}

static void
run_probe(struct task *t)
{
	struct probe *p = HG_CONTAINER(t, struct probe, task);

	note(p->c);
	if (p->left-- > 0)
		loop_defer(p->l, &p->task);
}

static void
deferred_then_flush(void **state)
{
	struct loop *l = loop_new();
	struct probe a = {.l = l, .c = 'a', .left = 1}, b = {.l = l, .c = 'b'};

	(void)state;
	trace[0] = '\0';
	task_init(&a.task, run_probe);
	task_init(&b.task, run_probe);
	loop_flush(l, &b.task);
	loop_defer(l, &a.task);
	loop_defer(l, &a.task);
	loop_turn(l, 0);
	assert_string_equal(trace, "aab");
	loop_defer(l, &a.task);
	task_cancel(&a.task);
	loop_turn(l, 0);
	assert_string_equal(trace, "aab");
	loop_free(l);
}

/* A task that puts itself off for ever neither blocks a turn nor lets it sleep. */
static void
endless_work_ends_a_turn(void **state)
{
	struct loop *l = loop_new();
	struct probe a = {.l = l, .c = 'x', .left = 1000};
	size_t n;

	(void)state;
	trace[0] = '\0';
	task_init(&a.task, run_probe);
	loop_defer(l, &a.task);
	loop_turn(l, 10000);
	n = strlen(trace);
	assert_in_range(n, 1, 16);
	loop_turn(l, 10000);
	assert_true(strlen(trace) > n);
	task_cancel(&a.task);
	loop_free(l);
}

static struct loop *at;
static struct watch two[2];
static int delivered;

static void
drop_other(struct watch *w, uint32_t events)
{
	(void)events;
	delivered++;
	loop_unwatch(at, w == &two[0] ? &two[1] : &two[0]);
}

static void
unwatch_drops_undelivered(void **state)
{
	int fd[2];

	(void)state;
	at = loop_new();
	pair(fd);
	for (int i = 0; i < 2; i++) {
		two[i] = (struct watch){fd[i], drop_other};
		assert_int_equal(loop_watch(at, &two[i], EPOLLOUT), 0);
	}
	delivered = 0;
	loop_turn(at, 0);
	assert_int_equal(delivered, 1);
	close(fd[0]);
	close(fd[1]);
	loop_free(at);
}

struct clocked {
	struct timer t;
	uint64_t fired;
};
static uint64_t clock_now;

static void
fire(struct timer *t)
{
	HG_CONTAINER(t, struct clocked, t)->fired = clock_now;
}

#define STEP (1ull << WHEEL_SHIFT)

/* Never early, and late by two ticks at most, for delays from nothing to days. */
static void
wheel_is_exact(void **state)
{
	static const uint64_t delays[] = {0, 1, STEP - 1, STEP, 3 * STEP, 63 * STEP, 64 * STEP,
	    65 * STEP, 100 * STEP, 4095 * STEP, 4096 * STEP, 4097 * STEP, 70000 * STEP,
	    262143 * STEP, 262144 * STEP, 300000 * STEP};
	struct clocked c[HG_ARRAY_LEN(delays)];
	struct wheel w;

	(void)state;
	for (uint64_t start = 0; start < 200 * STEP; start += 61 * STEP + 12345) {
		clock_now = start;
		wheel_init(&w, start);
		for (size_t i = 0; i < HG_ARRAY_LEN(delays); i++) {
			timer_init(&c[i].t, fire);
			c[i].fired = 0;
			wheel_set(&w, &c[i].t, start + delays[i] + 1);
		}
		while (wheel_wait(&w, clock_now) != UINT64_MAX) {
			clock_now += HG_MAX(wheel_wait(&w, clock_now), 1000u);
			wheel_run(&w, clock_now);
		}
		for (size_t i = 0; i < HG_ARRAY_LEN(delays); i++)
			assert_in_range(
			    c[i].fired, start + delays[i] + 1, start + delays[i] + 1 + 2 * STEP);
	}
}

static void
moving_a_timer_later_is_lazy(void **state)
{
	struct clocked c = {.fired = 0};
	struct wheel w;
	struct list *before;

	(void)state;
	clock_now = 0;
	wheel_init(&w, 0);
	timer_init(&c.t, fire);
	wheel_set(&w, &c.t, 10 * STEP);
	before = c.t.link.prev;
	wheel_set(&w, &c.t, 500 * STEP);
	assert_ptr_equal(c.t.link.prev, before);
	for (; clock_now < 499 * STEP; clock_now += STEP)
		wheel_run(&w, clock_now);
	assert_int_equal(c.fired, 0);
	wheel_set(&w, &c.t, 900 * STEP);
	wheel_set(&w, &c.t, 501 * STEP); /* earlier moves it */
	for (; clock_now < 503 * STEP && !c.fired; clock_now += STEP)
		wheel_run(&w, clock_now);
	assert_in_range(c.fired, 501 * STEP, 503 * STEP);
	c.fired = 0;
	wheel_set(&w, &c.t, clock_now + 3 * STEP);
	timer_rest(&c.t);
	clock_now += 100 * STEP;
	wheel_run(&w, clock_now);
	assert_int_equal(c.fired, 0);
	assert_int_equal(wheel_wait(&w, clock_now), UINT64_MAX);
	wheel_set(&w, &c.t, clock_now + 3 * STEP);
	timer_stop(&c.t);
	assert_true(list_empty(&c.t.link));
}

/* A stopped machine: hours pass in one run, everything due fires, and in no more than one visit. */
static void
a_long_gap(void **state)
{
	struct clocked c[3] = {{.fired = 0}};
	struct wheel w;

	(void)state;
	clock_now = 77 * STEP;
	wheel_init(&w, clock_now);
	for (int i = 0; i < 3; i++) {
		timer_init(&c[i].t, fire);
		c[i].fired = 0;
		wheel_set(&w, &c[i].t, clock_now + (i + 1) * 1000 * STEP);
	}
	clock_now += 2500 * STEP;
	wheel_run(&w, clock_now);
	assert_int_equal(c[0].fired, clock_now);
	assert_int_equal(c[1].fired, clock_now);
	assert_int_equal(c[2].fired, 0);
	timer_stop(&c[2].t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(deferred_then_flush),
		cmocka_unit_test(endless_work_ends_a_turn),
		cmocka_unit_test(unwatch_drops_undelivered),
		cmocka_unit_test(wheel_is_exact),
		cmocka_unit_test(moving_a_timer_later_is_lazy),
		cmocka_unit_test(a_long_gap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
