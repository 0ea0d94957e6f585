/* test_board.c - verdicts about endpoints; a bank of names is never read torn. */
#include "tests/unit/base/unit.h"

#include <pthread.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "shm/board.h"

static void
verdicts(void **state)
{
	struct board *b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)state;
	assert_true(b != MAP_FAILED);
	assert_true(board_usable(b, 7, 100));
	atomic_store(&b->endpoints[7].active, BOARD_UNHEALTHY);
	assert_false(board_usable(b, 7, 100));
	atomic_store(&b->endpoints[7].active, BOARD_HEALTHY);
	atomic_store(&b->endpoints[7].ejected_until, 200);
	assert_false(board_usable(b, 7, 199));
	assert_true(board_usable(b, 7, 200));
	atomic_store(
	    &b->endpoints[0].active, BOARD_UNHEALTHY); /* "other": says nothing about one */
	assert_true(board_usable(b, 0, 1));
	assert_true(board_usable(b, UINT32_MAX, 1));
	munmap(b, sizeof(*b));
}

static struct names *names;
#define FLIPS 200000u

static void *
writer(void *arg)
{
	(void)arg;
	for (uint32_t i = 1; i <= FLIPS; i++) {
		struct names_bank b = {.expires_ns = i, .n = 1 + i % NAMES_ADDRS, .status = 1};

		for (uint32_t k = 0; k < b.n; k++)
			b.addrs[k] = (struct addr){.family = 4, .port = (uint16_t)i};
		names_write(names, 3, &b);
	}
	return NULL;
}

static void
banks(void **state)
{
	struct names_bank b;
	pthread_t th;
	uint64_t last = 0;

	(void)state;
	names = mem_zalloc(sizeof(*names));
	assert_true(names_read(names, 3, &b));
	assert_int_equal(b.n, 0);
	assert_false(names_read(names, NAMES_SLOTS, &b));
	assert_int_equal(pthread_create(&th, NULL, writer, NULL), 0);
	while (last < FLIPS) {
		if (!names_read(names, 3, &b))
			continue;
		assert_true(b.expires_ns >= last);
		last = b.expires_ns;
		assert_true(last == 0 || b.n == 1 + last % NAMES_ADDRS);
		for (uint32_t k = 0; k < b.n; k++)
			assert_int_equal(b.addrs[k].port, (uint16_t)last);
	}
	pthread_join(th, NULL);
	names->slots[5].bank[0].n = 5000; /* a wild helper */
	names->slots[5].bank[0].status = 99;
	assert_true(names_read(names, 5, &b));
	assert_int_equal(b.n, NAMES_ADDRS);
	assert_int_equal(b.status, 3);
	mem_free(names);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(verdicts),
	    cmocka_unit_test(banks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
