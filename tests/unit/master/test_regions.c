/* What is cleared for the next worker, and that read-only is read-only. */
#include "tests/unit/master/unit.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "master/regions.h"

static void
test_clear_keeps_counters_and_holes(void **state)
{
	static struct regions r;
	struct slot_segment *s;
	struct stat before, after;

	(void)state;
	regions_init(&r);
	assert_int_equal(regions_make(&r, 2), 0);
	s = r.segments[1];
	s->endpoints[0].inflight = 3;
	s->endpoints[0].requests = 9;
	s->endpoints[SLOT_IDS - 1].inflight = 4;
	s->endpoints[SLOT_IDS - 1].connections = 5;
	s->rules[77].requests = 11;
	s->metrics[METRIC_requests] = 12;
	s->active = 7;
	s->connections = 8;
	s->heartbeat = 100;
	r.segments[0]->endpoints[0].inflight = 1;
	assert_int_equal(fstat(r.slots[1].rw, &before), 0);
	regions_clear_slot(&r, 1);
	assert_int_equal(fstat(r.slots[1].rw, &after), 0);
	/* Looking must not allocate the forty megabytes of words that nobody used. */
	assert_int_equal(before.st_blocks, after.st_blocks);
	assert_int_equal(s->endpoints[0].inflight, 0);
	assert_int_equal(s->endpoints[SLOT_IDS - 1].inflight, 0);
	assert_int_equal(s->endpoints[SLOT_IDS - 1].connections, 0);
	assert_int_equal(s->endpoints[0].requests, 9);
	assert_int_equal(s->rules[77].requests, 11);
	assert_int_equal(s->metrics[METRIC_requests], 12);
	assert_int_equal(s->active, 0);
	assert_int_equal(s->connections, 0);
	assert_int_equal(r.segments[0]->endpoints[0].inflight, 1);
	regions_release(&r);
}

static void
test_read_only_means_it(void **state)
{
	static struct regions r;

	(void)state;
	regions_init(&r);
	assert_int_equal(regions_make(&r, 1), 0);
	for (unsigned i = 0; i < PROTO_FD_COUNT; i++) {
		int fd = r.shared[i].ro;

		if (fd < 0)
			continue;
		assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
		assert_ptr_equal(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
		assert_int_not_equal(ftruncate(r.shared[i].rw, 0), 0);
	}
	regions_release(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clear_keeps_counters_and_holes),
		cmocka_unit_test(test_read_only_means_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
