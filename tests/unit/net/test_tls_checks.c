/* What a client's certificate must have besides its chain. */
#include "net/tls_env.h"
#include "tests/unit/net/tls_help.h"

static struct made leaf;

/* Asked about the leaf as OpenSSL does. */
static int
ask(enum tls_client mode, const struct tls_check *v, unsigned n, int ok, int error, bool expired)
{
	struct tls_conf conf = {.client = mode, .checks = v, .nchecks = n, .expired = expired};
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	char why[160] = "";
	struct tls_checks *t = tls_checks_new(&conf, why);
	int r;

	if (t == NULL)
		fail_msg("%s", why);
	X509_STORE_CTX_init(ctx, NULL, leaf.cert, NULL);
	X509_STORE_CTX_set_current_cert(ctx, leaf.cert);
	X509_STORE_CTX_set_error_depth(ctx, 0);
	X509_STORE_CTX_set_error(ctx, error);
	r = tls_checks_ask(t, ok, ctx);
	tls_checks_free(t);
	X509_STORE_CTX_free(ctx);
	return r;
}

static void
names(void **state)
{
	static const struct {
		enum tls_checkkind kind;
		enum tls_checkmatch match;
		const char *value, *oid;
		int good;
	} rows[] = {
	    {TLS_CHECK_DNS, TLS_MATCH_EXACT, "WWW.a.test", "", 1},
	    {TLS_CHECK_DNS, TLS_MATCH_EXACT, "a.test", "", 0},
	    {TLS_CHECK_DNS, TLS_MATCH_SUFFIX, ".A.test", "", 1},
	    {TLS_CHECK_DNS, TLS_MATCH_PREFIX, "www.a.test.too.long", "", 0},
	    {TLS_CHECK_DNS, TLS_MATCH_REGEX, "w+[.]a[.]test", "", 1},
	    {TLS_CHECK_DNS, TLS_MATCH_REGEX, "a[.]test", "", 0},
	    {TLS_CHECK_EMAIL, TLS_MATCH_SUFFIX, "@a.test", "", 1},
	    {TLS_CHECK_EMAIL, TLS_MATCH_SUFFIX, "@A.test", "", 0},
	    {TLS_CHECK_URI, TLS_MATCH_EXACT, "spiffe://a/b", "", 1},
	    {TLS_CHECK_URI, TLS_MATCH_EXACT, "www.a.test", "", 0},
	    {TLS_CHECK_IP, TLS_MATCH_PREFIX, "192.0.2.", "", 1},
	    {TLS_CHECK_IP, TLS_MATCH_EXACT, "2001:db8::1", "", 1},
	    {TLS_CHECK_OTHER, TLS_MATCH_EXACT, "joe", "1.2.3.4", 1},
	    {TLS_CHECK_OTHER, TLS_MATCH_EXACT, "joe", "1.2.3.5", 0},
	};

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		struct tls_check c = {rows[i].kind, rows[i].match, bytes_str(rows[i].value),
		    bytes_str(rows[i].oid)};

		if (ask(TLS_CLIENT_REQUIRE, &c, 1, 1, X509_V_OK, false) != rows[i].good)
			fail_msg("row %zu", i);
		/* also where the chain does not matter */
		if (ask(TLS_CLIENT_REQUEST, &c, 1, 0, X509_V_ERR_CERT_UNTRUSTED, false) !=
		    rows[i].good)
			fail_msg("row %zu, any chain", i);
	}
}

static void
pins(void **state)
{
	static unsigned char key[32], whole[32];
	unsigned char *der = NULL;
	unsigned n = 32;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf.cert), &der);
	struct tls_check v[] = {
	    {TLS_CHECK_SPKI, TLS_MATCH_EXACT, bytes_of((char *)key, 32), BYTES("")},
	    {TLS_CHECK_HASH, TLS_MATCH_EXACT, bytes_of((char *)whole, 32), BYTES("")},
	    {TLS_CHECK_DNS, TLS_MATCH_EXACT, BYTES("www.a.test"), BYTES("")}};

	(void)state;
	assert_int_equal(ask(TLS_CLIENT_REQUIRE, v, 1, 1, X509_V_OK, false), 0);
	assert_int_equal(EVP_Digest(der, (size_t)len, key, &n, EVP_sha256(), NULL), 1);
	OPENSSL_free(der);
	assert_int_equal(ask(TLS_CLIENT_REQUIRE, v, 1, 1, X509_V_OK, false), 1);
	/* one of the pins is enough, and a name must fit beside them */
	assert_int_equal(ask(TLS_CLIENT_REQUIRE, v, 3, 1, X509_V_OK, false), 1);
	v[2].value = BYTES("b.test");
	assert_int_equal(ask(TLS_CLIENT_REQUIRE, v, 3, 1, X509_V_OK, false), 0);
	memset(key, 0, sizeof(key));
	assert_int_equal(X509_digest(leaf.cert, EVP_sha256(), whole, &n), 1);
	assert_int_equal(ask(TLS_CLIENT_REQUIRE, v, 2, 1, X509_V_OK, false), 1);
}

static void
dates(void **state)
{
	(void)state;
	assert_int_equal(
	    ask(TLS_CLIENT_REQUIRE, NULL, 0, 0, X509_V_ERR_CERT_HAS_EXPIRED, false), 0);
	assert_int_equal(
	    ask(TLS_CLIENT_REQUIRE, NULL, 0, 0, X509_V_ERR_CERT_HAS_EXPIRED, true), 1);
	assert_int_equal(ask(TLS_CLIENT_REQUIRE, NULL, 0, 0, X509_V_ERR_CERT_REVOKED, true), 0);
	assert_int_equal(
	    ask(TLS_CLIENT_REQUIRE_ANY, NULL, 0, 0, X509_V_ERR_CERT_REVOKED, false), 1);
}

static void
nonsense(void **state)
{
	struct tls_check c = {TLS_CHECK_DNS, TLS_MATCH_REGEX, BYTES("(a"), BYTES("")};
	struct tls_conf conf = {.client = TLS_CLIENT_REQUIRE, .checks = &c, .nchecks = 1};
	char why[160] = "";

	(void)state;
	assert_null(tls_checks_new(&conf, why));
	assert_true(strlen(why) != 0);
	c = (struct tls_check){TLS_CHECK_OTHER, TLS_MATCH_EXACT, BYTES("x"), BYTES("no oid")};
	assert_null(tls_checks_new(&conf, why));
}

static int
setup(void **state)
{
	(void)state;
	make_cert(&leaf, NULL, "leaf",
	    "DNS:www.a.test,email:joe@a.test,URI:spiffe://a/b,IP:192.0.2.1,IP:2001:db8::1,"
	    "otherName:1.2.3.4;UTF8:joe");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	drop_cert(&leaf);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(names), cmocka_unit_test(pins),
	    cmocka_unit_test(dates), cmocka_unit_test(nonsense)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
