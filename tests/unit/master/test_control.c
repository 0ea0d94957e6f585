/* Requests of the control socket, and who may make them. */
#include "tests/unit/master/unit.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "master/control.h"

static struct control_request
parse(const char *text)
{
	char *copy = mem_dup(bytes_str(text));
	struct control_request r = control_parse(copy, strlen(text));

	mem_free(copy);
	return r;
}

static void
test_verbs(void **state)
{
	struct control_request r = parse("{\"verb\":\"reload\",\"wait\":\"1\"}");

	(void)state;
	assert_int_equal(r.verb, CONTROL_reload);
	assert_true(r.wait);
	r = parse("{\"verb\":\"reload\"}");
	assert_int_equal(r.verb, CONTROL_reload);
	assert_false(r.wait);
	assert_int_equal(parse("{\"verb\":\"view\"}").verb, CONTROL_view);
	assert_int_equal(parse("{\"later\":\"x\",\"verb\":\"status\"}").verb, CONTROL_status);
	assert_true(parse("{\"verb\":\"stop\",\"now\":\"1\"}").now);
}

static void
test_nonsense(void **state)
{
	static const char *const bad[] = {"", "{", "{}", "[]", "{\"verb\":1}",
	    "{\"verb\":{\"a\":\"b\"}}", "{\"verb\":\"\"}", "{\"verb\":\"Reload\"}",
	    "{\"verb\":\"drop tables\"}",
	    "{\"verb\":\"stop\",\"verb\":\"later\"}", "{\"verb\":\"status\",\"verb\":\"stop\"}",
	    "reload", "{\"a\":\"b\"}", "{\"verb\":\"status\"} x",
	    "{\"a\":\"1\",\"b\":\"1\",\"c\":\"1\",\"d\":\"1\","
	    "\"e\":\"1\",\"f\":\"1\",\"g\":\"1\",\"h\":\"1\",\"verb\":\"stop\"}"};
	char big[2048];

	(void)state;
	for (unsigned i = 0; i < HG_ARRAY_LEN(bad); i++) {
		struct control_request r = parse(bad[i]);

		assert_int_equal(r.verb, CONTROL_BAD);
		assert_non_null(r.error);
	}
	memset(big, ' ', sizeof(big));
	assert_int_equal(control_parse(big, sizeof(big)).verb, CONTROL_BAD);
}

static void
test_who_may(void **state)
{
	(void)state;
	/* Service mode: uid 0 runs it, 990 are the workers, 1000 is somebody. */
	assert_true(control_allowed(CONTROL_stop, 0, 0, 990));
	assert_false(control_allowed(CONTROL_stop, 1000, 0, 990));
	assert_false(control_allowed(CONTROL_view, 1000, 0, 990));
	assert_true(control_allowed(CONTROL_status, 1000, 0, 990));
	assert_false(control_allowed(CONTROL_status, 990, 0, 990));
	assert_false(control_allowed(CONTROL_version, 990, 0, 990));
	/* An ordinary user's: workers have the same uid, nobody is refused for that. */
	assert_true(control_allowed(CONTROL_reload, 1000, 1000, UINT32_MAX));
	assert_true(control_allowed(CONTROL_reload, 0, 1000, UINT32_MAX));
	assert_false(control_allowed(CONTROL_reload, 1001, 1000, UINT32_MAX));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verbs),
		cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_who_may),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
