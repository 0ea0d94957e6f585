/* test_slot.c - regions keep their size and rights; the log ring loses nothing, tears nothing,
 * trusts nobody. */
#include "tests/unit/base/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "shm/slot.h"

static void
region(void **state)
{
	int fd = region_create("test", 8192), ro;
	struct stat st;
	char *rw, *r;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0400);
	assert_int_equal(ftruncate(fd, 4096), -1);
	assert_int_equal(ftruncate(fd, 16384), -1);
	assert_null(region_map(fd, 4096, 1));
	assert_int_equal(errno, EINVAL);
	assert_non_null(rw = region_map(fd, 8192, 1));
	ro = region_reopen_ro(fd);
	assert_true(ro >= 0);
	assert_int_equal(fcntl(ro, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_null(region_map(ro, 8192, 1));
	assert_non_null(r = region_map(ro, 8192, 0));
	rw[8191] = 'x';
	assert_int_equal(r[8191], 'x');
	assert_int_equal(mprotect(r, 8192, PROT_READ | PROT_WRITE), -1);
	munmap(r, 8192);
	munmap(rw, 8192);
	close(ro);
	close(fd);
}

static void
segment(void **state)
{
	int fd = region_create("slot", sizeof(struct slot_segment));
	struct slot_segment *s;
	struct stat st;

	(void)state;
	assert_true(fd >= 0);
	assert_non_null(s = region_map(fd, sizeof(*s), 1));
	s->rules[SLOT_IDS - 1].requests = 1;
	s->endpoints[SLOT_IDS - 1].requests = 1;
	assert_int_equal(fstat(fd, &st), 0);
	assert_true(st.st_blocks * 512 < 1 << 20); /* sparse */
	munmap(s, sizeof(*s));
	close(fd);
}

static struct slot_ring *
ring_new(void)
{
	return mem_zalloc(sizeof(struct slot_ring));
}

static void
ring_order(void **state)
{
	struct slot_ring *r = ring_new();
	enum slot_ringkind kind;
	uint32_t put = 0, got = 0;
	char buf[5000];
	struct bytes line;

	(void)state;
	/* Several times around, lengths of all residues, the ring now and then full. */
	while (got < 20000) {
		while (put < 20000) {
			size_t n = 4 + put * 37 % 4990;

			memset(buf, (int)('a' + put % 26), n);
			memcpy(buf, &put, 4);
			if (ring_put(r, put & 1 ? SLOT_RING_LOG : SLOT_RING_ACCESS,
				bytes_of(buf, n)) < 0)
				break;
			put++;
		}
		for (int i = 0; i < 100 && ring_get(r, &kind, &line) == 1; i++, got++) {
			uint32_t k;

			memcpy(&k, line.p, 4);
			assert_int_equal(k, got);
			assert_int_equal(line.n, 4 + k * 37 % 4990);
			assert_int_equal(kind, k & 1 ? SLOT_RING_LOG : SLOT_RING_ACCESS);
			if (line.n > 4)
				assert_int_equal(line.p[line.n - 1], 'a' + k % 26);
			ring_done(r, line);
		}
	}
	assert_int_equal(ring_get(r, &kind, &line), 0);
	mem_free(r);
}

static void
ring_bounds(void **state)
{
	struct slot_ring *r = ring_new();
	enum slot_ringkind kind;
	struct bytes line;
	char *p;

	(void)state;
	assert_null(ring_reserve(r, SLOT_RING));
	assert_non_null(p = ring_reserve(r, 1000));
	memcpy(p, "abc", 3);
	ring_commit(r, SLOT_RING_LOG, 3); /* less than reserved */
	assert_int_equal(ring_put(r, SLOT_RING_ACCESS, BYTES("")), 0);
	assert_int_equal(ring_get(r, &kind, &line), 1);
	assert_bytes(line, "abc");
	ring_done(r, line);
	assert_int_equal(ring_get(r, &kind, &line), 1);
	assert_int_equal(line.n, 0);
	ring_done(r, line);
	assert_int_equal(ring_get(r, &kind, &line), 0);
	mem_free(r);
}

static void
ring_wild(void **state)
{
	struct slot_ring *r = ring_new();
	uint64_t x = 99;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		enum slot_ringkind kind;
		struct bytes line;

		x = x * 6364136223846793005ull + 1442695040888963407ull;
		switch (x >> 61) {
		case 0:
			atomic_store(&r->head, x >> 20);
			break;
		case 1:
			atomic_store(&r->tail, atomic_load(&r->head) - (x >> 40 & 0xfffff));
			break;
		case 2:
			memcpy(r->data + (x >> 20 & (SLOT_RING - 8)), &x, 8);
			break;
		case 3:
			(void)ring_put(r, SLOT_RING_LOG, BYTES("a line of some length"));
			break;
		default:
			if (ring_get(r, &kind, &line) != 1)
				break;
			assert_true(line.p >= r->data && line.n <= SLOT_RING &&
			    line.p + line.n <= r->data + SLOT_RING);
			ring_done(r, line);
		}
	}
	mem_free(r);
}

#define LINES 200000u

static void *
producer(void *arg)
{
	static const char fill[90] = "x";
	struct slot_ring *r = arg;
	char buf[128];

	for (uint32_t i = 0; i < LINES;) {
		size_t n = (size_t)snprintf(buf, sizeof(buf), "%u ", i);

		memcpy(buf + n, fill, i % 90);
		if (ring_put(r, SLOT_RING_ACCESS, bytes_of(buf, n + i % 90)) == 0)
			i++;
	}
	return NULL;
}

static void
ring_threads(void **state)
{
	struct slot_ring *r = ring_new();
	enum slot_ringkind kind;
	struct bytes line;
	pthread_t th;

	(void)state;
	assert_int_equal(pthread_create(&th, NULL, producer, r), 0);
	for (uint32_t i = 0; i < LINES;) {
		char want[16];
		int n = snprintf(want, sizeof(want), "%u ", i);

		if (ring_get(r, &kind, &line) != 1)
			continue;
		assert_true(bytes_starts(line, bytes_of(want, (size_t)n)));
		assert_int_equal(line.n, (size_t)n + i % 90);
		ring_done(r, line);
		i++;
	}
	pthread_join(th, NULL);
	mem_free(r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(region),
	    cmocka_unit_test(segment),
	    cmocka_unit_test(ring_order),
	    cmocka_unit_test(ring_bounds),
	    cmocka_unit_test(ring_wild),
	    cmocka_unit_test(ring_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
