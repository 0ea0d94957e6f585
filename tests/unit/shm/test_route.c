/*
 * test_route.c - the matcher on an image made by hand: hostnames, misdirected connections, limits,
 * the trace. Precedence and matching at large are in tests/unit/conf/test_build_property.c.
 */
#include "tests/unit/base/unit.h"

#include <stdio.h>
#include <unistd.h>

#include "shm/route.h"
#include "tests/unit/shm/image_hand.h"

struct setup {
	struct image im;
	struct field v[4];
	struct fields fields;
	struct regex *compiled[1];
	struct regex_set set;
	struct route_query q;
};

static void
open_image(struct setup *s, struct blob_writer *w)
{
	uint64_t pos = 0;
	char why[128] = "", msg[160];
	size_t at;
	int fd = blob_seal(w, "test");

	blob_writer_free(w);
	assert_int_equal(image_open(fd, &s->im), HG_OK);
	close(fd);
	if (image_check(&s->im, &pos, 10000, why) != HG_OK)
		fail_msg("%s", why);
	s->compiled[0] = regex_new(image_text(&s->im, s->im.regexes[0]), msg, &at);
	s->set = (struct regex_set){s->compiled, 1};
	fields_init(&s->fields, s->v, 4);
	(void)fields_add(&s->fields, BYTES("X-A"), BYTES("1"), FIELD_OTHER);
	s->q = (struct route_query){.listener = IM_NONE,
	    .host = BYTES("x.test"),
	    .path = BYTES("/p/q"),
	    .method = BYTES("GET"),
	    .fields = &s->fields};
}

static void
close_image(struct setup *s)
{
	regex_free(s->compiled[0]);
	image_close(&s->im);
}

static enum hg_err
find(struct setup *s, const char *host, const char *path, struct route_hit *hit)
{
	s->q.host = bytes_str(host);
	s->q.path = bytes_str(path);
	return route_find(&s->im, &s->q, &s->set, NULL, hit);
}

static void
hits_and_misses(void **state)
{
	struct setup s;
	struct route_hit hit;

	(void)state;
	open_image(&s, hand_image());
	assert_int_equal(find(&s, "x.test", "/p", &hit), HG_OK);
	assert_true(hit.listener == 0 && hit.rule == 0 && hit.match == 0);
	assert_int_equal(find(&s, "x.test", "/p/", &hit), HG_OK);
	assert_int_equal(find(&s, "x.test", "/p/q", &hit), HG_OK);
	assert_int_equal(find(&s, "x.test", "/pq", &hit), HG_ERR_NO_ROUTE);
	assert_true(hit.listener == 0 && hit.rule == IM_NONE);
	assert_int_equal(find(&s, "x.test", "/P", &hit), HG_ERR_NO_ROUTE);
	assert_int_equal(find(&s, "x.test", "/never", &hit), HG_OK); /* the pattern */
	assert_int_equal(find(&s, "x.test", "*", &hit), HG_ERR_NO_ROUTE);
	assert_int_equal(find(&s, "x.test", "", &hit), HG_ERR_NO_ROUTE);
	assert_int_equal(find(&s, "y.test", "/p", &hit), HG_ERR_NO_ROUTE);
	assert_int_equal(find(&s, "", "/p", &hit), HG_ERR_NO_ROUTE);
	s.v[0].value = BYTES("2");
	assert_int_equal(find(&s, "x.test", "/p", &hit), HG_ERR_NO_ROUTE);
	s.v[0].value = BYTES("1");
	(void)fields_add(&s.fields, BYTES("x-a"), BYTES("1"), FIELD_OTHER);
	assert_int_equal(find(&s, "x.test", "/p", &hit), HG_ERR_NO_ROUTE); /* "1, 1" */
	close_image(&s);
}

static void
hostnames(void **state)
{
	struct setup s;
	const struct im_hosttab *t;

	(void)state;
	open_image(&s, hand_image());
	t = &s.im.listeners[0].http;
	assert_int_equal(route_hosttab(&s.im, t, BYTES("x.test")), 0);
	assert_int_equal(route_hosttab(&s.im, t, BYTES("a.w.test")), 0);
	assert_int_equal(
	    route_hosttab(&s.im, t, BYTES("b.a.w.test")), 0); /* any number of labels */
	assert_int_equal(route_hosttab(&s.im, t, BYTES("w.test")), IM_NONE);
	assert_int_equal(route_hosttab(&s.im, t, BYTES(".w.test")), IM_NONE); /* not a name */
	assert_int_equal(route_hosttab(&s.im, t, BYTES("aw.test")), IM_NONE);
	assert_int_equal(route_hosttab(&s.im, t, BYTES("a.x.test")), IM_NONE);
	assert_int_equal(route_listener(&s.im, 0, BYTES("anything")), 0);
	close_image(&s);
}

static void
long_paths(void **state)
{
	static char path[20000];
	struct setup s;
	struct route_hit hit;

	(void)state;
	open_image(&s, hand_image());
	memset(path, '/', sizeof(path) - 1);
	path[1] = 'p';
	s.set.n = 0;
	s.set.v = NULL;
	assert_int_equal(
	    find(&s, "x.test", path, &hit), HG_ERR_REGEX_LIMIT); /* not compiled: closed */
	s.set = (struct regex_set){s.compiled, 1};
	assert_int_equal(
	    find(&s, "x.test", path, &hit), HG_ERR_REGEX_LIMIT); /* longer than a subject */
	path[8000] = '\0';
	assert_int_equal(find(&s, "x.test", path, &hit), HG_OK);
	path[1] = '/';
	assert_int_equal(find(&s, "x.test", path, &hit), HG_ERR_NO_ROUTE);
	close_image(&s);
}

static void
broken_and_fixed(void **state)
{
	struct blob_writer *w = hand_image();
	struct route_hit hit;
	struct setup s;

	(void)state;
	((struct im_listener *)blob_at(w, IM_LISTENER, 0))->flags = IM_L_BROKEN;
	open_image(&s, w);
	assert_int_equal(find(&s, "x.test", "/p", &hit), HG_ERR_BAD_RULE);
	close_image(&s);

	/* Two listeners, one by name: a connection that SNI gave to the other must not reach it. */
	w = hand_image();
	{
		struct im_listener second = *(struct im_listener *)blob_at(w, IM_LISTENER, 0);
		struct im_host h = {hand_hash("own.test"), 1, blob_put_text(w, BYTES("own.test"))};
		struct im_socket *sock = blob_at(w, IM_SOCKET, 0);

		second.id = 2;
		(void)blob_add(w, IM_LISTENER, &second, 1, sizeof(second));
		sock->listeners.first = blob_add(w, IM_HOST, &h, 1, sizeof(h));
		sock->listeners.mask = 0; /* full: probing must end all the same */
	}
	open_image(&s, w);
	s.q.listener = 0;
	assert_int_equal(find(&s, "own.test", "/p", &hit), HG_ERR_MISDIRECTED);
	assert_int_equal(hit.listener, 0);
	assert_int_equal(find(&s, "x.test", "/p", &hit), HG_OK);
	s.q.listener = 1;
	assert_int_equal(find(&s, "own.test", "/p", &hit), HG_ERR_NO_ROUTE);
	assert_int_equal(find(&s, "x.test", "/p", &hit), HG_ERR_MISDIRECTED);
	s.q.listener = IM_NONE;
	assert_int_equal(find(&s, "own.test", "/p", &hit), HG_ERR_NO_ROUTE);
	assert_int_equal(hit.listener, 1);
	close_image(&s);
}

static void
on_step(void *arg, const char *what, struct bytes key, uint32_t rule, uint16_t match, bool won)
{
	char *out = arg;
	size_t n = strlen(out);

	(void)match;
	(void)snprintf(out + n, 512 - n, "%s %.*s %s%s; ", what, BYTES_ARG(key),
	    rule == IM_NONE ? "" : "rule ", won ? "yes" : "no");
}

static void
traced(void **state)
{
	char out[512] = "";
	struct route_trace trace = {on_step, out};
	struct route_hit hit;
	struct setup s;

	(void)state;
	open_image(&s, hand_image());
	assert_int_equal(route_find(&s.im, &s.q, &s.set, &trace, &hit), HG_OK);
	assert_string_equal(out,
	    "listener http yes; hostname x.test yes; exact /p/q no; regex /never no; "
	    "prefix /p yes; header x-a yes; match /p rule yes; ");
	s.v[0].value = BYTES("2");
	out[0] = '\0';
	assert_int_equal(route_find(&s.im, &s.q, &s.set, &trace, &hit), HG_ERR_NO_ROUTE);
	assert_string_equal(out,
	    "listener http yes; hostname x.test yes; exact /p/q no; regex /never no; "
	    "prefix /p yes; header x-a no; ");
	close_image(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hits_and_misses),
	    cmocka_unit_test(hostnames),
	    cmocka_unit_test(long_paths),
	    cmocka_unit_test(broken_and_fixed),
	    cmocka_unit_test(traced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
