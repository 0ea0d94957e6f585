/*
 * test_pem.c - certificates and keys as files hold them: good ones, in the wrong order, and each
 * way of being useless.
 */
#include "tests/unit/base/unit.h"

#include "base/pem.h"
#include "tests/unit/conf/pem.h"

static struct arena a;

static const char *
parse(const char *crt, const char *key, struct pem_cert *c)
{
	return pem_certificate(&a, bytes_str(crt), bytes_str(key), false, c);
}

static void
good(void **state)
{
	struct pem_cert c, d;

	(void)state;
	assert_null(parse(PEM_CRT, PEM_KEY, &c));
	assert_int_equal(c.type, PEM_EC);
	assert_int_equal(c.nnames, 2);
	assert_true(bytes_eq(c.names[0], BYTES("example.org")));
	assert_true(bytes_eq(c.names[1], BYTES(".example.org")));
	assert_int_equal(c.not_before, 1577836800);
	assert_int_equal(c.not_after, 4733510400);
	assert_true(c.chain.n > 4 && c.key.n > 100);
	assert_null(parse("junk before\n" PEM_CRT "and behind", PEM_CRT PEM_KEY, &d));
	assert_memory_equal(c.id, d.id, sizeof(c.id));
	assert_null(parse(PEM_LEAF, PEM_LEAF_KEY, &d));
	assert_memory_not_equal(c.id, d.id, sizeof(c.id));
}

static void
order(void **state)
{
	struct pem_cert c, d;

	(void)state;
	assert_null(parse(PEM_LEAF PEM_MID PEM_ROOT, PEM_LEAF_KEY, &c));
	assert_null(parse(PEM_LEAF PEM_ROOT PEM_MID, PEM_LEAF_KEY, &d));
	assert_true(bytes_eq(c.chain, d.chain));
	assert_non_null(parse(PEM_MID PEM_LEAF, PEM_LEAF_KEY, &d)); /* the leaf comes first */
}

static void
bad(void **state)
{
	static const struct {
		const char *crt, *key, *why;
	} rows[] = {
	    {"", PEM_KEY, "there is no certificate"},
	    {PEM_CRT, "", "there is no private key"},
	    {PEM_CRT, PEM_OLD_KEY, "the private key does not belong to the first certificate"},
	    {PEM_CRT, "-----BEGIN PRIVATE KEY-----\nMAMCAQE=\n-----END PRIVATE KEY-----\n",
		"the private key cannot be read"},
	    {PEM_CRT, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAMCAQE=\n-----END ENCRYPTED "
		      "PRIVATE KEY-----\n", "an encrypted key cannot be used"},
	    {PEM_CRT, "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMAMCAQE=\n"
		      "-----END RSA PRIVATE KEY-----\n", "an encrypted key cannot be used"},
	    {"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n-----END CERTIFICATE-----\n", PEM_KEY,
		"a certificate cannot be read"},
	    {"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", PEM_KEY,
		"a PEM block is not base64"},
	    {"-----BEGIN CERTIFICATE-----\nMAMCAQE=\n", PEM_KEY, "a PEM block does not end"},
	};
	struct pem_cert c;

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		const char *why = parse(rows[i].crt, rows[i].key, &c);

		if (!why || strcmp(why, rows[i].why) != 0)
			fail_msg("row %zu: %s", i, why ? why : "accepted");
	}
	assert_null(pem_certificate(
	    &a, BYTES(PEM_CRT), BYTES(PEM_KEY), true, &c)); /* known: less is asked */
}

static void
bundle(void **state)
{
	struct bytes *ders;
	const char *why;

	(void)state;
	assert_int_equal(pem_bundle(&a, BYTES(PEM_ROOT PEM_MID), &ders, &why), 2);
	assert_int_equal(pem_bundle(&a, BYTES(PEM_KEY), &ders, &why), 0);
	assert_string_equal(why, "there is no certificate");
	assert_int_equal(pem_bundle(&a, BYTES_NONE, &ders, &why), 0);
	assert_non_null(why);
}

static int
setup(void **state)
{
	(void)state;
	arena_init(&a, 65536, 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_release(&a);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(good), cmocka_unit_test(order),
	    cmocka_unit_test(bad), cmocka_unit_test(bundle)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
