/* The transaction with made-up events: every path, and a death in every state. */
#include "tests/unit/master/unit.h"

#include <stdio.h>
#include <string.h>

#include "master/reload.h"

#define SLOTS 3

static struct bench {
	struct reload r;
	char acts[512];      /* what the machine did: one letter an act */
	bool compile_fails, stage_fails, sockets_leave;
	bool live[SLOTS], starting[SLOTS];
	uint64_t store;      /* what was committed last */
	uint32_t deadline;
	struct reload_record done;
	unsigned ndone;
} b;

static void
act(const char *what)
{
	size_t n = strlen(b.acts);

	(void)snprintf(b.acts + n, sizeof(b.acts) - n, "%s%s", n ? " " : "", what);
}

static int
compile(void *arg, uint64_t generation, char why[256])
{
	(void)arg;
	(void)generation;
	act("compile");
	(void)snprintf(why, 256, "no");
	return b.compile_fails ? -1 : 0;
}

static int
stage(void *arg, char why[256])
{
	(void)arg;
	act("stage");
	(void)snprintf(why, 256, "bad image");
	return b.stage_fails ? -1 : 0;
}

static bool
live(void *arg, unsigned slot)
{
	(void)arg;
	return b.live[slot];
}

static void
offer(void *arg, unsigned slot, uint64_t generation)
{
	char text[32];

	(void)arg;
	(void)snprintf(text, sizeof(text), "offer%u:%u", slot, (unsigned)generation);
	act(text);
}

static bool
late(void *arg, unsigned slot, uint64_t generation)
{
	if (b.starting[slot])
		offer(arg, slot, generation);
	return b.starting[slot];
}

static void
commit(void *arg, uint64_t generation)
{
	(void)arg;
	b.store = generation;
	act("commit");
}

static void
cancel(void *arg, uint64_t generation, bool offered)
{
	(void)arg;
	(void)generation;
	act(offered ? "abort" : "cancel");
}

static bool
settle(void *arg)
{
	(void)arg;
	act("settle");
	return b.sockets_leave;
}

static void
settle_now(void *arg)
{
	(void)arg;
	act("close");
}

static void
deadline(void *arg, uint32_t ms)
{
	(void)arg;
	b.deadline = ms;
}

static void
done(void *arg, const struct reload_record *r)
{
	(void)arg;
	b.done = *r;
	b.ndone++;
	act(r->ok ? "ok" : "rejected");
}

static const struct reload_ops ops = {
    compile, stage, live, offer, late, commit, cancel, settle, settle_now, deadline, done};
static const struct proto_result result = {.routes = 7, .summary = "first error"};

static int
setup(void **state)
{
	(void)state;
	memset(&b, 0, sizeof(b));
	reload_init(&b.r, &ops, NULL, 41);
	b.r.nslots = SLOTS;
	for (unsigned i = 0; i < SLOTS; i++)
		b.live[i] = true;
	return 0;
}

static void
acts(const char *want)
{
	assert_string_equal(b.acts, want);
	b.acts[0] = '\0';
}

/* A whole good reload of generation g. */
static void
good(uint64_t g)
{
	(void)reload_request(&b.r);
	reload_binding(&b.r);
	reload_result(&b.r, &result);
	for (unsigned i = 0; i < SLOTS; i++)
		reload_ready(&b.r, i, g);
	for (unsigned i = 0; i < SLOTS; i++)
		reload_active(&b.r, i, g);
	assert_int_equal(b.r.state, RELOAD_IDLE);
	assert_int_equal(b.r.published, g);
	b.acts[0] = '\0';
}

static void
offered(uint64_t g)
{
	(void)reload_request(&b.r);
	reload_result(&b.r, &result);
	assert_int_equal(b.r.generation, g);
	assert_int_equal(b.r.state, RELOAD_OFFERED);
	b.acts[0] = '\0';
}

static void
test_all_the_way(void **state)
{
	(void)state;
	assert_int_equal(reload_request(&b.r), 1);
	assert_int_equal(b.r.state, RELOAD_COMPILING);
	assert_int_equal(b.deadline, RELOAD_COMPILE_MS);
	reload_binding(&b.r);
	assert_int_equal(b.r.state, RELOAD_BINDING);
	assert_int_equal(b.deadline, RELOAD_COMPILE_MS);
	reload_result(&b.r, &result);
	acts("compile stage offer0:42 offer1:42 offer2:42");
	reload_ready(&b.r, 0, 42);
	reload_ready(&b.r, 2, 42);
	assert_int_equal(b.store, 0);
	reload_ready(&b.r, 1, 42);
	assert_int_equal(b.store, 42);
	assert_int_equal(b.r.state, RELOAD_COMMITTED);
	reload_active(&b.r, 1, 42);
	reload_active(&b.r, 0, 42);
	acts("commit");
	reload_active(&b.r, 2, 42);
	acts("settle ok");
	assert_int_equal(b.r.state, RELOAD_IDLE);
	assert_int_equal(b.deadline, 0);
	assert_int_equal(b.done.generation, 42);
	assert_int_equal(b.done.id, 1);
	assert_int_equal(b.done.result.routes, 7);
	assert_string_equal(b.done.message, "first error");
}

static void
test_old_sockets_are_waited_for(void **state)
{
	(void)state;
	b.sockets_leave = true;
	(void)reload_request(&b.r);
	reload_result(&b.r, &result);
	for (unsigned i = 0; i < SLOTS; i++)
		reload_ready(&b.r, i, 42);
	for (unsigned i = 0; i < SLOTS; i++)
		reload_active(&b.r, i, 42);
	assert_int_equal(b.r.state, RELOAD_DRAINING);
	assert_int_equal(b.ndone, 0);
	reload_settled(&b.r);
	assert_int_equal(b.ndone, 1);
	assert_true(b.done.ok);
}

static void
test_old_sockets_have_a_deadline(void **state)
{
	(void)state;
	b.sockets_leave = true;
	(void)reload_request(&b.r);
	reload_result(&b.r, &result);
	for (unsigned i = 0; i < SLOTS; i++)
		reload_ready(&b.r, i, 42);
	for (unsigned i = 0; i < SLOTS; i++)
		reload_active(&b.r, i, 42);
	b.acts[0] = '\0';
	reload_deadline(&b.r);
	acts("close ok");
}

static void
test_failures_before_the_offer(void **state)
{
	(void)state;
	good(42);
	b.compile_fails = true;
	(void)reload_request(&b.r);
	acts("compile cancel rejected");
	b.compile_fails = false;
	(void)reload_request(&b.r);
	reload_failed(&b.r, "headgate.conf:1:1: bad");
	acts("compile cancel rejected");
	assert_string_equal(b.done.message, "headgate.conf:1:1: bad");
	assert_int_equal(b.done.phase, RELOAD_COMPILING);
	(void)reload_request(&b.r);
	reload_deadline(&b.r);
	acts("compile cancel rejected");
	b.stage_fails = true;
	(void)reload_request(&b.r);
	reload_binding(&b.r);
	reload_result(&b.r, &result);
	acts("compile stage cancel rejected");
	assert_int_equal(b.r.published, 42);
	assert_int_equal(b.done.generation, 42);
	assert_int_equal(b.store, 42);
}

static void
test_one_refusal_aborts(void **state)
{
	(void)state;
	good(42);
	offered(43);
	reload_ready(&b.r, 0, 43);
	reload_refused(&b.r, 1, 43, "index out of range");
	acts("abort rejected");
	/* Late answers of the aborted one mean nothing, and its number is never used again. */
	reload_ready(&b.r, 2, 43);
	offered(44);
	reload_ready(&b.r, 2, 43);
	assert_int_equal(b.r.vote[2], VOTE_ASKED);
}

static void
test_the_offer_has_a_deadline(void **state)
{
	(void)state;
	good(42);
	offered(43);
	assert_int_equal(b.deadline, RELOAD_OFFER_MS);
	reload_ready(&b.r, 0, 43);
	reload_deadline(&b.r);
	acts("abort rejected");
	assert_non_null(strstr(b.done.message, "worker 1 did not adopt"));
}

static void
test_only_live_slots_vote(void **state)
{
	(void)state;
	good(42);
	b.live[1] = false;
	offered(43);
	reload_ready(&b.r, 0, 43);
	reload_ready(&b.r, 2, 43);
	acts("commit");
	reload_active(&b.r, 0, 43);
	reload_active(&b.r, 2, 43);
	acts("settle ok");
}

/* One that was starting and had no vote must not be left with the old generation for ever. */
static void
test_who_starts_meanwhile_is_offered_at_commit(void **state)
{
	(void)state;
	good(42);
	b.live[1] = false;
	offered(43);
	b.starting[1] = true;
	reload_ready(&b.r, 0, 43);
	reload_ready(&b.r, 2, 43);
	acts("offer1:43 commit");
	reload_active(&b.r, 0, 43);
	reload_active(&b.r, 2, 43);
	reload_active(&b.r, 1, 42);
	acts("");
	reload_active(&b.r, 1, 43);
	acts("settle ok");
}

static void
test_death_before_adoption_is_asked_again_once(void **state)
{
	(void)state;
	good(42);
	offered(43);
	reload_died(&b.r, 1, false);
	reload_ready(&b.r, 0, 43);
	reload_ready(&b.r, 2, 43);
	acts("");
	/* The successor serves the old one; then it is offered. */
	reload_active(&b.r, 1, 42);
	acts("offer1:43");
	reload_ready(&b.r, 1, 43);
	acts("commit");
}

static void
test_second_death_aborts(void **state)
{
	(void)state;
	good(42);
	offered(43);
	reload_died(&b.r, 1, false);
	reload_active(&b.r, 1, 42);
	reload_died(&b.r, 1, false);
	acts("offer1:43 abort rejected");
}

static void
test_death_while_adopting_aborts(void **state)
{
	(void)state;
	good(42);
	offered(43);
	reload_died(&b.r, 2, true);
	acts("abort rejected");
	offered(44);
	reload_ready(&b.r, 0, 44);
	reload_died(&b.r, 0, false);
	acts("abort rejected");
	assert_int_equal(b.r.published, 42);
}

static void
test_death_after_commit_decides_nothing(void **state)
{
	(void)state;
	good(42);
	offered(43);
	for (unsigned i = 0; i < SLOTS; i++)
		reload_ready(&b.r, i, 43);
	reload_active(&b.r, 0, 43);
	reload_died(&b.r, 1, false);
	reload_active(&b.r, 2, 43);
	acts("commit settle ok");
	assert_int_equal(b.r.published, 43);
}

static void
test_commit_does_not_wait_for_ever(void **state)
{
	(void)state;
	good(42);
	offered(43);
	for (unsigned i = 0; i < SLOTS; i++)
		reload_ready(&b.r, i, 43);
	reload_deadline(&b.r);
	acts("commit settle ok");
}

static void
test_death_elsewhere_is_nothing(void **state)
{
	(void)state;
	good(42);
	reload_died(&b.r, 0, false);
	(void)reload_request(&b.r);
	reload_died(&b.r, 0, false);
	acts("compile");
	assert_int_equal(b.r.state, RELOAD_COMPILING);
}

static void
test_one_waits_never_two(void **state)
{
	uint64_t first, second;

	(void)state;
	first = reload_request(&b.r);
	second = reload_request(&b.r);
	assert_int_equal(second, first + 1);
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(reload_request(&b.r), second);
	reload_failed(&b.r, "x");
	/* The waiting one starts by itself, and only that. */
	acts("compile cancel rejected compile");
	assert_int_equal(b.r.id, second);
	reload_failed(&b.r, "x");
	acts("cancel rejected");
	assert_int_equal(b.r.state, RELOAD_IDLE);
	assert_int_equal(b.ndone, 2);
}

static void
test_boot_does_not_repeat(void **state)
{
	(void)state;
	offered(42);
	reload_died(&b.r, 0, false);
	acts("abort rejected");
}

static void
test_stop_in_every_state(void **state)
{
	(void)state;
	good(42);
	reload_stop(&b.r);
	acts("");
	(void)reload_request(&b.r);
	(void)reload_request(&b.r);
	reload_stop(&b.r);
	acts("compile cancel rejected");
	offered(44);
	reload_stop(&b.r);
	acts("abort rejected");
	offered(45);
	for (unsigned i = 0; i < SLOTS; i++)
		reload_ready(&b.r, i, 45);
	reload_stop(&b.r);
	acts("commit close ok");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_all_the_way, setup),
		cmocka_unit_test_setup(test_old_sockets_are_waited_for, setup),
		cmocka_unit_test_setup(test_old_sockets_have_a_deadline, setup),
		cmocka_unit_test_setup(test_failures_before_the_offer, setup),
		cmocka_unit_test_setup(test_one_refusal_aborts, setup),
		cmocka_unit_test_setup(test_the_offer_has_a_deadline, setup),
		cmocka_unit_test_setup(test_only_live_slots_vote, setup),
		cmocka_unit_test_setup(test_who_starts_meanwhile_is_offered_at_commit, setup),
		cmocka_unit_test_setup(test_death_before_adoption_is_asked_again_once, setup),
		cmocka_unit_test_setup(test_second_death_aborts, setup),
		cmocka_unit_test_setup(test_death_while_adopting_aborts, setup),
		cmocka_unit_test_setup(test_death_after_commit_decides_nothing, setup),
		cmocka_unit_test_setup(test_commit_does_not_wait_for_ever, setup),
		cmocka_unit_test_setup(test_death_elsewhere_is_nothing, setup),
		cmocka_unit_test_setup(test_one_waits_never_two, setup),
		cmocka_unit_test_setup(test_boot_does_not_repeat, setup),
		cmocka_unit_test_setup(test_stop_in_every_state, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
