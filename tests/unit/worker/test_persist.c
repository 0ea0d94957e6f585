/*
 * Session tokens: who can read them, who can make them, where they go.
 */
#include "tests/unit/worker/fake.h"

#include "worker/filters/persist.h"

static const struct hash_key key = {11, 22};
static struct arena arena;

static int
setup(void **state)
{
	(void)state;
	fake_ntext = 0;
	arena_init(&arena, 1024, 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_release(&arena);
	return 0;
}

static void
test_token(void **state)
{
	char t[PERSIST_TOKEN + 1];
	uint64_t tag;
	uint32_t issued;

	(void)state;
	persist_token(&key, 5, 777, 1000, t);
	assert_int_equal(strlen(t), PERSIST_TOKEN);
	assert_true(persist_parse(&key, 5, bytes_str(t), &tag, &issued));
	assert_int_equal(tag, 777);
	assert_int_equal(issued, 1000);
	assert_false(persist_parse(&key, 6, bytes_str(t), &tag, &issued)); /* another rule's */
	assert_false(persist_parse(&(struct hash_key){1, 2}, 5, bytes_str(t), &tag, &issued));
	assert_false(persist_parse(&key, 5, bytes_of(t, PERSIST_TOKEN - 1), &tag, &issued));
	for (unsigned i = 0; i < PERSIST_TOKEN; i++) { /* any changed digit */
		char was = t[i];

		t[i] = was == '0' ? '1' : '0';
		assert_false(persist_parse(&key, 5, bytes_str(t), &tag, &issued));
		t[i] = was;
	}
}

static void
read_it(struct persist_use *u, const struct im_persist *p, int64_t now, const struct msg *req)
{
	struct image im = fake_image();

	persist_read(u, &arena, &im, p, BYTES("shop/web/0"), false, &key, now, req);
}

static void
test_cookie(void **state)
{
	struct im_persist p = {.name = fake_str(NULL),
	    .path = fake_str(NULL),
	    .type = IM_PERSIST_COOKIE,
	    .absolute_s = 60};
	struct persist_use u;
	static struct msg req, resp;
	char cookie[256], line[512];
	const char *set;

	(void)state;
	msg_init(&req, true);
	msg_init(&resp, false);
	read_it(&u, &p, 1000, &req);
	assert_true(u.on && u.tag == 0);
	persist_write(&u, &arena, &key, 1000, 42, &resp);
	set = fake_values(&resp, "set-cookie");
	assert_non_null(set);
	assert_non_null(strstr(set, "; Path=/; HttpOnly; SameSite=Strict"));
	assert_null(strstr(set, "Max-Age"));
	assert_null(strstr(set, "Secure"));
	(void)snprintf(cookie, sizeof(cookie), "%.*s", (int)strcspn(set, ";"), set);

	/* Among others, in the second of two lines. */
	(void)snprintf(line, sizeof(line), "b=2;%s; c=3;;d", cookie);
	fake_field(&req, "Cookie", "a=1");
	fake_field(&req, "Cookie", line);
	read_it(&u, &p, 1059, &req);
	assert_int_equal(u.tag, 42);
	persist_strip(&u, &arena, &req);
	assert_values(&req, "cookie", "a=1|b=2; c=3; d");

	/* The client has it already: nothing to say. Another endpoint served: a new one. */
	msg_init(&resp, false);
	persist_write(&u, &arena, &key, 1059, 42, &resp);
	assert_values(&resp, "set-cookie", NULL);
	persist_write(&u, &arena, &key, 1059, 43, &resp);
	assert_non_null(fake_values(&resp, "set-cookie"));

	/* Too old, or from the future. */
	msg_init(&req, true);
	fake_field(&req, "Cookie", cookie);
	read_it(&u, &p, 1060, &req);
	assert_int_equal(u.tag, 0);
	read_it(&u, &p, 999, &req);
	assert_int_equal(u.tag, 0);
	persist_strip(&u, &arena, &req);
	assert_values(&req, "cookie", NULL);
}

static void
test_names(void **state)
{
	struct im_persist p = {.name = fake_str(NULL),
	    .path = fake_str("/shop"),
	    .type = IM_PERSIST_COOKIE,
	    .permanent = 1,
	    .absolute_s = 3600};
	struct persist_use u, v;
	static struct msg req, resp;
	struct image im = fake_image();

	(void)state;
	msg_init(&req, true);
	msg_init(&resp, false);
	persist_read(&u, &arena, &im, &p, BYTES("shop/web/0"), true, &key, 1000, &req);
	persist_read(&v, &arena, &im, &p, BYTES("shop/web/1"), true, &key, 1000, &req);
	assert_false(bytes_eq(u.name, v.name)); /* rules do not share a session */
	persist_write(&u, &arena, &key, 1000, 42, &resp);
	assert_non_null(strstr(fake_values(&resp, "set-cookie"),
	    "; Path=/shop; Max-Age=3600; Secure; "
	    "HttpOnly; SameSite=Strict"));
}

static void
test_header(void **state)
{
	struct im_persist p = {
	    .name = fake_str("X-Session"), .path = fake_str(NULL), .type = IM_PERSIST_HEADER};
	struct persist_use u;
	static struct msg req, resp;
	char token[64];

	(void)state;
	msg_init(&req, true);
	msg_init(&resp, false);
	read_it(&u, &p, 1000, &req);
	persist_write(&u, &arena, &key, 1000, 9, &resp);
	(void)snprintf(token, sizeof(token), "%.60s", fake_values(&resp, "x-session"));
	fake_field(&req, "x-session", token);
	read_it(&u, &p, 99999999, &req); /* no timeout */
	assert_int_equal(u.tag, 9);
	persist_strip(&u, &arena, &req);
	assert_values(&req, "x-session", NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_token, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cookie, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_header, setup, teardown)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
