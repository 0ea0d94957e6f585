/*
 * test_bucket.c - rate limits against an exact model; never one token too many, from threads or
 * processes, also where a key is inserted by several at once while slots come free; a wild writer
 * does no harm.
 */
#include "tests/unit/base/unit.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "shm/bucket.h"
#include "shm/slot.h"

static uint64_t rng = 1;

static uint64_t
next(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static uint64_t
setting(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 0) : otherwise;
}

static void
table_make(struct bucket_table *t, uint64_t slots)
{
	size_t size = bucket_size(slots);
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	assert_true(mem != MAP_FAILED);
	bucket_init(mem);
	assert_true(bucket_open(t, mem, size));
}

static void
table_drop(struct bucket_table *t)
{
	munmap(t->region, sizeof(struct bucket_region) + (t->mask + 1) * sizeof(struct bucket_set));
}

static void
sizes(void **state)
{
	struct bucket_table t;
	static char mem[16384] __attribute__((aligned(64)));

	(void)state;
	assert_int_equal(bucket_size(8), 4096 + 2 * 64);
	assert_int_equal(bucket_size(1000), 4096 + 256 * 64);
	assert_true(bucket_open(&t, mem, bucket_size(8)));
	assert_false(bucket_open(&t, mem, 4096));
	assert_false(bucket_open(&t, mem, 4096 + 3 * 64));
	assert_false(bucket_open(&t, mem + 16, bucket_size(8)));
	assert_true(bucket_key(&t, "a", 1) != 0);
	assert_true(bucket_key(&t, "a", 1) != bucket_key(&t, "b", 1));
}

static void
by_hand(void **state)
{
	struct bucket_rate r = {SEC_NS / 10, 3}; /* 10 a second, 3 at once */
	struct bucket_verdict v;
	struct bucket_table t;
	uint64_t now = SEC_NS, key = 42;

	(void)state;
	table_make(&t, 64);
	v = bucket_take(&t, key, r, 0, now);
	assert_true(v.ok && v.remaining == 3 && v.reset_ns == 0);
	for (unsigned i = 0; i < 3; i++) {
		v = bucket_take(&t, key, r, 1, now);
		assert_true(v.ok && v.remaining == 2 - i && v.reset_ns == (i + 1) * r.interval_ns);
	}
	v = bucket_take(&t, key, r, 1, now);
	assert_true(!v.ok && v.remaining == 0 && v.retry_ns == r.interval_ns);
	assert_false(bucket_take(&t, key, r, 0, now).ok);
	assert_false(bucket_take(&t, key, r, 1, now + r.interval_ns - 1).ok);
	assert_true(bucket_take(&t, key, r, 1, now + r.interval_ns).ok);
	v = bucket_take(&t, key, r, 4, now + 60 * SEC_NS);
	assert_true(!v.ok && v.retry_ns == UINT64_MAX);
	now += 100 * SEC_NS;
	bucket_charge(&t, key, r, 5, now); /* into debt */
	v = bucket_take(&t, key, r, 1, now);
	assert_true(!v.ok && v.retry_ns == 3 * r.interval_ns);
	bucket_charge(&t, key, r, 1000, now); /* at most 2 x burst */
	v = bucket_take(&t, key, r, 1, now);
	assert_true(!v.ok && v.reset_ns == 6 * r.interval_ns && v.retry_ns == 4 * r.interval_ns);
	table_drop(&t);
}

/* ---- one process against a model */

struct exact {
	uint64_t debt_until;
};

static void
like_the_model(void **state)
{
	uint64_t seed = setting("HG_SEED", clock_real()) | 1, now = 1000;
	struct exact model[64] = {{0}};
	struct bucket_table t;

	(void)state;
	rng = seed;
	table_make(&t, 4096);
	for (int i = 0; i < 200000; i++) {
		uint32_t k = next(&rng) % 64;
		struct bucket_rate r = {100 + k, 1 + k % 5};
		uint64_t cost = next(&rng) % 4, span = r.burst * r.interval_ns;
		uint64_t key = bucket_key(&t, &k, sizeof(k)), *until = &model[k].debt_until;
		uint64_t debt = *until > now ? *until - now : 0;
		struct bucket_verdict v;

		if (next(&rng) % 8 == 0) {
			bucket_charge(&t, key, r, cost, now);
			*until = now + HG_MAX(debt, HG_MIN(debt + cost * r.interval_ns, 2 * span));
		} else {
			bool ok = cost ? debt + cost * r.interval_ns <= span :
					 debt + r.interval_ns <= span;

			v = bucket_take(&t, key, r, cost, now);
			if (ok && cost)
				debt += cost * r.interval_ns;
			if (v.ok != ok || v.reset_ns != debt ||
			    v.remaining != (debt < span ? (span - debt) / r.interval_ns : 0))
				fail_msg("HG_SEED=%llu step %d", (unsigned long long)seed, i);
			*until = now + debt;
		}
		now += next(&rng) % 60;
	}
	assert_int_equal(bucket_evictions(&t), 0);
	table_drop(&t);
}

/* ---- several at once */

#define THREADS 4
#define CHILDREN 4
struct crowd {
	struct bucket_table t;
	struct bucket_rate rate;
	pthread_barrier_t start;
	_Atomic uint64_t now, taken, keys;
	uint64_t rounds, fixed_key;
	_Atomic bool stop;
};

static void *
hammer(void *arg)
{
	struct crowd *c = arg;
	uint64_t got = 0;

	pthread_barrier_wait(&c->start);
	for (uint64_t i = 0; i < c->rounds; i++)
		got += bucket_take(&c->t, c->fixed_key, c->rate, 1, atomic_load(&c->now)).ok;
	atomic_fetch_add(&c->taken, got);
	return NULL;
}

static void
threads_run(struct crowd *c, void *(*body)(void *))
{
	pthread_t th[THREADS];

	pthread_barrier_init(&c->start, NULL, THREADS);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&th[i], NULL, body, c), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(th[i], NULL);
	pthread_barrier_destroy(&c->start);
}

static void
threads_standing_clock(void **state)
{
	struct crowd c = {.rate = {1000, 5000}, .rounds = 10000, .fixed_key = 7};

	(void)state;
	table_make(&c.t, 64);
	atomic_store(&c.now, 1000000);
	threads_run(&c, hammer);
	assert_int_equal(atomic_load(&c.taken), 5000);
	table_drop(&c.t);
}

/* The clock goes on by one with each look, for all threads together. */
static void *
hammer_clock(void *arg)
{
	struct crowd *c = arg;
	uint64_t got = 0;

	pthread_barrier_wait(&c->start);
	for (uint64_t i = 0; i < c->rounds; i++)
		got +=
		    bucket_take(&c->t, c->fixed_key, c->rate, 1, atomic_fetch_add(&c->now, 1)).ok;
	atomic_fetch_add(&c->taken, got);
	return NULL;
}

static void
threads_moving_clock(void **state)
{
	struct crowd c = {.rate = {10, 100}, .rounds = 100000, .fixed_key = 7};
	uint64_t allowed = 100 + THREADS * 100000 / 10;

	(void)state;
	table_make(&c.t, 64);
	atomic_store(&c.now, 1000000);
	threads_run(&c, hammer_clock);
	assert_true(atomic_load(&c.taken) <= allowed);
	assert_true(atomic_load(&c.taken) >= allowed - allowed / 100);
	table_drop(&c.t);
}

/* Fresh keys by all threads at once, in a table of eight slots whose other tenants come and go. */
static void *
hammer_fresh(void *arg)
{
	struct crowd *c = arg;
	uint64_t s = (uint64_t)(uintptr_t)&s | 1, got = 0;

	pthread_barrier_wait(&c->start);
	for (uint64_t i = 0; i < 8; i++) {
		uint64_t now = atomic_load(&c->now);
		struct bucket_rate junk = {1 + next(&s) % 3, 1};

		if (next(&s) % 2)
			(void)bucket_take(&c->t, next(&s) % 2 + 100, junk, 1, now + next(&s) % 2);
		got += bucket_take(&c->t, c->fixed_key, c->rate, 1, now).ok;
	}
	atomic_fetch_add(&c->taken, got);
	return NULL;
}

static void
threads_fresh_keys(void **state)
{
	unsigned counted = 0, full = 0;

	(void)state;
	for (uint64_t round = 0; round < 3000; round++) {
		struct crowd c = {.rate = {1000000, 1 + round % 3}, .fixed_key = 1000 + round};

		table_make(&c.t, 8);
		for (uint64_t k = 0; k < 5; k++) /* most places taken, some until just now */
			(void)bucket_take(
			    &c.t, 200 + k, (struct bucket_rate){2 + k % 3, 1}, 1, 999998);
		atomic_store(&c.now, 1000000);
		threads_run(&c, hammer_fresh);
		if (bucket_evictions(&c.t) == 0) {
			counted++;
			full += atomic_load(&c.taken) == c.rate.burst;
			if (atomic_load(&c.taken) > c.rate.burst)
				fail_msg("round %llu: %llu taken of %llu",
				    (unsigned long long)round,
				    (unsigned long long)atomic_load(&c.taken),
				    (unsigned long long)c.rate.burst);
		}
		table_drop(&c.t);
	}
	assert_true(counted > 1000);
	assert_true(full >= counted - counted / 100);
}

static void
processes(void **state)
{
	size_t size = bucket_size(1024);
	int fd = region_create("buckets", size);
	struct bucket_rate r = {1000, 4000};
	struct bucket_table t;
	uint64_t *taken;
	void *mem;

	(void)state;
	assert_true(fd >= 0);
	assert_non_null(mem = region_map(fd, size, 1));
	bucket_init(mem);
	taken = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (int i = 0; i < 4; i++) {
		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0) {
			void *own = region_map(fd, size, 1);

			if (!own || !bucket_open(&t, own, size))
				_exit(1);
			for (int k = 0; k < 8000; k++)
				taken[i] += bucket_take(&t, 99, r, 1, 1000000).ok;
			_exit(0);
		}
	}
	for (int i = 0; i < 4; i++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_int_equal(status, 0);
	}
	assert_int_equal(taken[0] + taken[1] + taken[2] + taken[3], 4000);
	munmap(taken, 4096);
	munmap(mem, size);
	close(fd);
}

/* What it was given it writes down at once. */
static void
child(const struct bucket_table *t, struct bucket_rate rate, _Atomic uint64_t *given)
{
	for (unsigned i = 0; i < 4000; i++)
		if (bucket_take(t, 7, rate, 1, 1000000).ok)
			atomic_fetch_add(given, 1);
	_exit(0);
}

/* One of the processes is killed somewhere: with a standing clock exactly the burst is given out,
 * but for one that the killed one may have taken and not written down. */
static void
killed_process(void **state)
{
	struct bucket_rate rate = {1000, 5000};
	_Atomic uint64_t *given = mmap(
	    NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_true(given != MAP_FAILED);
	for (unsigned round = 0; round < 10; round++) {
		struct bucket_table t;
		pid_t pid[CHILDREN];

		table_make(&t, 64);
		atomic_store(given, 0);
		for (unsigned i = 0; i < CHILDREN; i++) {
			pid[i] = fork();
			assert_true(pid[i] >= 0);
			if (pid[i] == 0)
				child(&t, rate, given);
		}
		(void)kill(pid[0], SIGKILL);
		for (unsigned i = 0; i < CHILDREN; i++)
			(void)waitpid(pid[i], NULL, 0);
		assert_true(atomic_load(given) <= 5000 && atomic_load(given) >= 4999);
		assert_false(bucket_take(&t, 7, rate, 1, 1000000).ok);
		table_drop(&t);
	}
	munmap((void *)given, 4096);
}

/* A flood of keys: each that gives way is told once, and the table goes on. */
static void
flood(void **state)
{
	struct bucket_rate r = {SEC_NS, 10};
	struct bucket_table t;
	uint64_t told = 0;

	(void)state;
	table_make(&t, 1024);
	for (uint64_t k = 1; k <= 100000; k++)
		told += bucket_take(&t, bucket_key(&t, &k, sizeof(k)), r, 1, 1000 + k).evicted;
	assert_int_equal(told, bucket_evictions(&t));
	assert_true(told >= 100000 - 1024 && told < 100000);
	/* One who asks often is worth more than the many who asked once, and keeps his place. */
	for (uint64_t k = 1; k <= 100000; k++) {
		uint64_t own = 0;

		if (k % 1000 == 1)
			(void)bucket_take(&t, bucket_key(&t, &own, sizeof(own)), r, 1, 1000000);
		(void)bucket_take(&t, bucket_key(&t, &k, sizeof(k)), r, 1, 1000000);
	}
	told = 0;
	assert_false(bucket_take(&t, bucket_key(&t, &told, sizeof(told)), r, 1, 1000000).ok);
	table_drop(&t);
}

/* ---- full tables, wild writers */

static void
evictions(void **state)
{
	struct bucket_rate r = {SEC_NS, 1};
	struct bucket_table t;

	(void)state;
	table_make(&t, 8);
	for (uint64_t k = 1; k <= 8; k++)
		assert_true(bucket_take(&t, k, r, 1, 1000 + k).ok);
	assert_int_equal(bucket_evictions(&t), 0);
	for (uint64_t k = 1; k <= 8; k++)
		assert_false(bucket_take(&t, k, r, 1, 2000).ok);
	assert_true(bucket_take(&t, 9, r, 1, 2000).ok);
	assert_int_equal(bucket_evictions(&t), 1);
	/* The one that would have been free soonest has gone. */
	assert_false(bucket_take(&t, 2, r, 1, 2000).ok);
	/* When all have passed, places are free again, without a sweeper. */
	for (uint64_t k = 10; k < 18; k++)
		assert_true(bucket_take(&t, k, r, 1, 3 * SEC_NS).ok);
	assert_int_equal(bucket_evictions(&t), 1);
	table_drop(&t);
}

static void
wild_writer(void **state)
{
	struct bucket_rate r = {1000, 10};
	struct bucket_table t;
	uint64_t now = clock_mono(), *words;

	(void)state;
	rng = 77;
	table_make(&t, 8);
	words = (uint64_t *)(void *)t.region->sets;
	for (int i = 0; i < 100000; i++) {
		struct bucket_verdict v;

		words[next(&rng) % 16] = next(&rng) % 4 ? next(&rng) : next(&rng) % 8;
		v = bucket_take(&t, 1 + next(&rng) % 8, r, next(&rng) % 3, now++);
		assert_true(v.remaining <= 10 && v.reset_ns <= 20 * r.interval_ns);
	}
	/* Whatever it left: an own key works again after its longest debt. */
	for (unsigned i = 0; i < 16; i += 2) {
		words[i] = 5;
		words[i + 1] = UINT64_MAX;
	}
	assert_false(bucket_take(&t, 5, r, 1, now).ok);
	assert_true(bucket_take(&t, 5, r, 1, clock_mono() + 2 * 1000 * r.burst).ok);
	table_drop(&t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(sizes),
	    cmocka_unit_test(by_hand),
	    cmocka_unit_test(like_the_model),
	    cmocka_unit_test(threads_standing_clock),
	    cmocka_unit_test(threads_moving_clock),
	    cmocka_unit_test(threads_fresh_keys),
	    cmocka_unit_test(processes),
	    cmocka_unit_test(killed_process),
	    cmocka_unit_test(flood),
	    cmocka_unit_test(evictions),
	    cmocka_unit_test(wild_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
