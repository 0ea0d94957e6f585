/* test_hash.c - SipHash against CPython's siphash13, the incremental property, the map. */
#include "tests/unit/base/unit.h"

#include <stdio.h>

#include "base/hash.h"
#include "base/mem.h"

static void
incremental(void **state)
{
	static const char text[] = "/a/path/with/segments";
	uint64_t whole = hash_more(HASH_SEED, text, sizeof(text));

	(void)state;
	for (size_t cut = 0; cut <= sizeof(text); cut++) {
		uint64_t h = hash_more(HASH_SEED, text, cut);

		assert_true(hash_more(h, text + cut, sizeof(text) - cut) == whole);
	}
	assert_true(hash_more(HASH_SEED, "a", 1) == hash_byte(HASH_SEED, 'a'));
}

/* Values of PYTHONHASHSEED=0 python3.11, whose hash(bytes) is SipHash-1-3 with a key of zeros. */
static void
sip_vectors(void **state)
{
	static const struct {
		const char *text;
		uint64_t hash;
	} cases[] = {
	    {"a", 0x407448d2b89b1813}, {"abc", 0xc03bc3a0042630f2},
	    {"12345678", 0x3489982430560a87},
	    {"hello world, hello", 0x57badf15ddb260af},
	    {"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 0x1c308a9f11b6a742},
	};
	struct hash_key zero = {0, 0};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(cases); i++)
		assert_true(hash_sip(&zero, cases[i].text, strlen(cases[i].text)) == cases[i].hash);
}

static void
sip_spreads(void **state)
{
	struct hash_key k = {1, 2}, other = {1, 3};
	uint64_t seen[64] = {0};
	char text[64] = {0};

	(void)state;
	for (size_t n = 0; n < 64; n++) {
		seen[n] = hash_sip(&k, text, n);
		assert_false(seen[n] == hash_sip(&other, text, n));
		for (size_t i = 0; i < n; i++)
			assert_false(seen[i] == seen[n]);
	}
	assert_true(hash_content("ab", 2).a != hash_content("ba", 2).a);
	assert_true(hash_content("ab", 2).b != hash_content("ab", 2).a);
	assert_true(hash_content("ab", 2).b == hash_content("ab", 2).b);
}

static void
map(void **state)
{
	size_t before = mem_live();
	static char keys[5000][16];
	struct map m;
	int one, two;

	(void)state;
	map_init(&m);
	assert_null(map_get(&m, BYTES("x")));
	assert_null(map_put(&m, BYTES("x"), &one));
	assert_ptr_equal(map_put(&m, BYTES("x"), &two), &one);
	assert_ptr_equal(map_get(&m, BYTES("x")), &two);
	assert_null(map_put(&m, BYTES(""), &one));
	assert_ptr_equal(map_get(&m, BYTES_NONE), &one);
	for (int i = 0; i < 5000; i++) {
		snprintf(keys[i], sizeof(keys[i]), "k%d", i);
		assert_null(map_put(&m, bytes_str(keys[i]), keys[i]));
	}
	assert_int_equal(m.n, 5002);
	for (int i = 0; i < 5000; i++)
		assert_ptr_equal(map_get(&m, bytes_str(keys[i])), keys[i]);
	assert_null(map_get(&m, BYTES("k5000")));
	map_release(&m);
	assert_int_equal(mem_live(), before);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(incremental), cmocka_unit_test(sip_vectors),
	    cmocka_unit_test(sip_spreads), cmocka_unit_test(map),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
