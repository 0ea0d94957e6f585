/* test_fields.c - comma lists, hop-by-hop fields, trailers. */
#include "tests/unit/http/unit.h"

#include "http/fields.h"

static struct field store[16];
static struct fields t;

static void
add(const char *name, const char *value)
{
	assert_true(fields_add(&t, bytes_str(name), bytes_str(value), field_id(bytes_str(name))));
}

static bool
hop(const char *name)
{
	struct field *f = fields_find(&t, bytes_str(name));

	return f && (f->flags & FIELD_HOP);
}

static void
lists(void **state)
{
	struct bytes rest = BYTES(" a ,, \"x, \\\",y\" ,b;q=1,\t"), item;

	(void)state;
	assert_true(fields_list(&rest, &item));
	assert_bytes(item, "a");
	assert_true(fields_list(&rest, &item));
	assert_bytes(item, "\"x, \\\",y\"");
	assert_true(fields_list(&rest, &item));
	assert_bytes(item, "b;q=1");
	assert_false(fields_list(&rest, &item));
	rest = BYTES("");
	assert_false(fields_list(&rest, &item));
	rest = BYTES("\"open, \\");
	assert_true(fields_list(&rest, &item));
	assert_false(fields_list(&rest, &item));
}

static void
hop_by_hop(void **state)
{
	(void)state;
	fields_init(&t, store, 16);
	add("Host", "h");
	add("Connection", "X-Hop, Host, content-length, X-Forwarded-For, Authorization");
	add("connection", "keep-alive, x-two");
	add("X-Hop", "1");
	add("x-hop", "2");
	add("X-Two", "1");
	add("Content-Length", "3");
	add("X-Forwarded-For", "10.0.0.1");
	add("Authorization", "b");
	add("TE", "trailers");
	add("Keep-Alive", "5");
	add("X-End", "1");
	fields_hop_by_hop(&t);
	assert_true(
	    hop("connection") && hop("x-hop") && hop("x-two") && hop("te") && hop("keep-alive"));
	assert_true(store[4].flags & FIELD_HOP);
	assert_false(hop("host") || hop("content-length") || hop("x-forwarded-for") ||
	    hop("authorization") || hop("x-end"));
}

static void
tokens(void **state)
{
	(void)state;
	fields_init(&t, store, 16);
	add("TE", "gzip;q=0.5, Trailers;q=1");
	assert_true(fields_te_trailers(&t));
	assert_true(fields_has_token(&t, FIELD_TE, BYTES("GZIP")));
	assert_false(fields_has_token(&t, FIELD_TE, BYTES("gz")));
	assert_false(fields_has_token(&t, FIELD_UPGRADE, BYTES("gz")));
	assert_true(fields_trailer_ok(FIELD_OTHER, BYTES("X-T")));
	assert_true(fields_trailer_ok(FIELD_GRPC_STATUS, BYTES("grpc-status")));
	assert_false(fields_trailer_ok(FIELD_HOST, BYTES("host")));
	assert_false(fields_trailer_ok(FIELD_OTHER, BYTES("Sec-WebSocket-Key")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists), cmocka_unit_test(hop_by_hop), cmocka_unit_test(tokens),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
