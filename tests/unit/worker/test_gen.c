/*
 * Adopting images, and how many may be mapped.
 */
#include "tests/unit/worker/fake.h"

#include "tests/unit/worker/harness.h"
#include "worker/gen.h"

static struct gens gens;
static char why[128];

static int
image_of(uint64_t generation, unsigned sockets)
{
	static struct world w;
	struct m_rule *r;
	int fd;

	world_init(&w, generation);
	for (unsigned i = 0; i < sockets; i++)
		world_socket(&w, 70 - i * 7, (uint16_t)(100 + i));
	r = world_rule(&w, "/");
	(void)world_backend(r, world_cluster(&w, "a/b:80", (uint16_t[]){81}, 1), 1);
	r = world_rule(&w, "/");
	r->matches[0].path_type = M_PATH_REGEX;
	r->matches[0].path = BYTES("/x/[a-z]+");
	(void)world_backend(r, w.clusters[0], 1);
	fd = world_seal(&w);
	assert_true(fd >= 0);
	world_release(&w);
	return fd;
}

static struct gen *
adopt(uint64_t generation)
{
	enum hg_err e = HG_ERR_AGAIN;

	assert_int_equal(gens_offer(&gens, generation, image_of(generation, 3), -1, why), HG_OK);
	assert_int_equal(gens.offer->state, GEN_CHECKING);
	for (int i = 0; i < 1000 && e == HG_ERR_AGAIN; i++)
		e = gens_check(&gens, why);
	assert_int_equal(e, HG_OK);
	(void)gens_adopt(&gens);
	gens_tidy(&gens);
	return gens.live;
}

static int
setup(void **state)
{
	(void)state;
	gens_init(&gens);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	gens_release(&gens);
	return 0;
}

static void
test_adopt(void **state)
{
	struct gen *g = adopt(5);

	(void)state;
	assert_int_equal(g->id, 5);
	assert_int_equal(g->regexes.n, g->image.n_regexes);
	assert_int_equal(g->image.n_regexes, 1);
	assert_int_equal(regex_match(g->regexes.v[0], BYTES("/x/ab")), 1);
	assert_int_equal(gens_oldest(&gens), 5);
	for (uint32_t i = 0; i < g->image.n_sockets; i++)
		assert_int_equal(gen_socket(g, g->image.sockets[i].id), i);
	assert_int_equal(gen_socket(g, 1), IM_NONE);
}

static void
test_refuse(void **state)
{
	int empty = memfd_create("x", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(gens_offer(&gens, 1, empty, -1, why), HG_ERR_INVALID);
	assert_true(why[0]);
	assert_int_equal(gens_offer(&gens, 1, -1, -1, why), HG_ERR_INVALID);
	assert_int_equal(
	    gens_offer(&gens, 9, image_of(8, 1), -1, why), HG_ERR_INVALID); /* not what was said */
	assert_null(gens.offer);
	assert_int_equal(adopt(2)->id, 2);
}

/* Nothing is unmapped under an exchange, and never more than three are mapped. */
static void
test_three(void **state)
{
	struct list pin1, pin2;
	struct gen *one = adopt(1), *two;

	(void)state;
	list_append(&one->pins, &pin1);
	two = adopt(2);
	list_append(&two->pins, &pin2);
	(void)adopt(3);
	assert_int_equal(gens_oldest(&gens), 1);
	{
		int fd = image_of(4, 1);

		assert_int_equal(gens_offer(&gens, 4, fd, -1, why), HG_ERR_AGAIN);
		close(fd); /* still the caller's */
	}
	list_del(&pin1);
	gens_tidy(&gens);
	assert_int_equal(gens_oldest(&gens), 2);
	assert_int_equal(adopt(4)->id, 4);
	list_del(&pin2);
	gens_tidy(&gens);
	assert_int_equal(gens_oldest(&gens), 4);
}

static void
test_abort(void **state)
{
	(void)state;
	(void)adopt(1);
	assert_int_equal(gens_offer(&gens, 2, image_of(2, 1), -1, why), HG_OK);
	gens_abort(&gens);
	assert_null(gens.offer);
	assert_int_equal(gens.live->id, 1);
	/* A new offer takes the place of one that was never published. */
	assert_int_equal(gens_offer(&gens, 2, image_of(2, 1), -1, why), HG_OK);
	assert_int_equal(gens_offer(&gens, 3, image_of(3, 1), -1, why), HG_OK);
	assert_int_equal(gens.offer->id, 3);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(test_adopt), T(test_refuse), T(test_three), T(test_abort)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
