/*
 * The handshake's two values against RFC 6455 section 1.3 and against OpenSSL for other lengths.
 */
#include "tests/unit/net/unit.h"

#include "net/wskey.h"

static void
accepts(void **state)
{
	static const struct {
		const char *key, *accept;
	} rows[] = {
	    {"dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="}, /* of the RFC */
	    {"x3JJHMbDL1EzLkh9GBhXDw==", "HSmrc0sMlYUkAGmm5OPpG2HaGWk="},
	    {"", "Kfh9QIsMVZcl6xEPYxPHzW8SZ8w="},
	};
	char out[WSKEY_TEXT + 1];

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(rows); i++) {
		wskey_accept(bytes_str(rows[i].key), out);
		assert_string_equal(out, rows[i].accept);
	}
}

static void
nonces(void **state)
{
	static const uint64_t zero[2] = {0, 0}, ones[2] = {UINT64_MAX, UINT64_MAX};
	char out[WSKEY_NONCE + 1];

	(void)state;
	wskey_nonce(zero, out);
	assert_string_equal(out, "AAAAAAAAAAAAAAAAAAAAAA==");
	wskey_nonce(ones, out);
	assert_string_equal(out, "/////////////////////w==");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(accepts), cmocka_unit_test(nonces)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
