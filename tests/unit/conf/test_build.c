/*
 * test_build.c - what is shared, how much an image takes, that no shape is quadratic, and what is
 * refused. Whether it routes rightly is test_build_property.c's business.
 */
#include "tests/unit/base/unit.h"

#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "conf/build/build.h"
#include "shm/image.h"
#include "shm/route.h"
#include "tests/unit/conf/model_gen.h"

struct made {
	struct arena arena;
	struct model m;
	struct build_stats stats;
	struct image im;
	uint32_t routes;
};

static void
model_start(struct made *t, uint32_t nlisteners, uint32_t nroutes)
{
	struct gen g = {&t->arena, 1};
	struct model *m = &t->m;

	arena_init(&t->arena, 65536, 0);
	gen_model(&g, m); /* for the settings, a gateway, clusters */
	m->nlisteners = nlisteners;
	m->listeners = arena_zalloc(&t->arena, nlisteners * sizeof(*m->listeners));
	m->nroutes = 0;
	m->routes = arena_zalloc(&t->arena, nroutes * sizeof(*m->routes));
	m->nsockets = 1;
	m->sockets->listeners = arena_zalloc(&t->arena, nlisteners * sizeof(void *));
	m->sockets->nlisteners = nlisteners;
	for (uint32_t i = 0; i < nlisteners; i++) {
		struct m_listener *l = m->sockets->listeners[i] = &m->listeners[i];

		*l = (struct m_listener){.id = i + 1,
		    .name = BYTES("http"),
		    .port = 80,
		    .protocol = IM_HTTP,
		    .attach = arena_zalloc(&t->arena, nroutes * sizeof(*l->attach))};
		l->hostname = bytes_str(arena_printf(&t->arena, "*.l%u.test", i));
	}
	t->routes = nroutes;
}

/* A route with one rule and one match, on all listeners. */
static struct m_match *
route_add(struct made *t, const char *host, const char *path)
{
	uint32_t i = t->m.nroutes++;
	struct m_route *r = &t->m.routes[i];
	struct m_match *match = arena_zalloc(&t->arena, sizeof(*match));

	assert_true(i < t->routes);
	*r = (struct m_route){.kind = IM_HTTPROUTE, .ns = BYTES("ns"), .nrules = 1,
	    .name = bytes_str(arena_printf(&t->arena, "r%u", i)),
	    .rules = arena_zalloc(&t->arena, sizeof(*r->rules))};
	*r->rules = (struct m_rule){.id = i + 1,
	    .matches = match,
	    .nmatches = 1,
	    .route = r,
	    .nbackends = 1,
	    .backends = arena_zalloc(&t->arena, sizeof(*r->rules->backends))};
	*r->rules->backends = (struct m_backend){.weight = 1, .cluster = t->m.clusters[0]};
	match->path_type = M_PATH_PREFIX;
	match->path = bytes_str(arena_printf(&t->arena, "%s", path));
	for (uint32_t k = 0; k < t->m.nlisteners; k++) {
		struct m_attach *a = &t->m.listeners[k].attach[t->m.listeners[k].nattach++];

		*a = (struct m_attach){.route = r, .nhostnames = host ? 1 : 0,
		    .hostnames = arena_zalloc(&t->arena, sizeof(*a->hostnames))};
		if (host)
			a->hostnames[0] = bytes_str(arena_printf(&t->arena, "%s", host));
	}
	return match;
}

static void
build(struct made *t)
{
	struct blob_writer *w;
	char why[128] = "";
	uint64_t pos = 0;
	int fd;

	assert_int_equal(build_image(&t->m, &w, &t->stats), HG_OK);
	fd = blob_seal(w, "test");
	assert_int_equal(lseek(fd, 0, SEEK_END), t->stats.bytes);
	blob_writer_free(w);
	assert_int_equal(image_open(fd, &t->im), HG_OK);
	close(fd);
	if (image_check(&t->im, &pos, UINT32_MAX, why) != HG_OK)
		fail_msg("%s", why);
}

static void
drop(struct made *t)
{
	image_close(&t->im);
	arena_release(&t->arena);
}

static uint32_t
rule_for(const struct made *t, const char *host, const char *path, struct fields *f)
{
	struct field v[1];
	struct fields none;
	struct route_query q = {.listener = IM_NONE,
	    .host = bytes_str(host),
	    .path = bytes_str(path),
	    .method = BYTES("GET"),
	    .fields = f ? f : &none};
	struct route_hit hit;

	fields_init(&none, v, 1);
	return route_find(&t->im, &q, NULL, NULL, &hit) == HG_OK ? t->im.rules[hit.rule].id : 0;
}

/* A hundred listeners with the same thousand routes: the routes exist once. */
static void
listeners_share(void **state)
{
	struct made one, many;
	char host[32], path[32];

	(void)state;
	model_start(&one, 1, 1000);
	model_start(&many, 100, 1000);
	for (int i = 0; i < 1000; i++) {
		(void)snprintf(host, sizeof(host), "*.h%d.test", i / 10);
		(void)snprintf(path, sizeof(path), "/p%d", i);
		(void)route_add(&one, host, path);
		(void)route_add(&many, host, path);
	}
	build(&one);
	build(&many);
	assert_int_equal(one.stats.trees, 100);
	assert_int_equal(many.stats.trees, 100);
	assert_int_equal(many.stats.rules, 1000);
	assert_int_equal(many.stats.attached, 100 * 1000);
	assert_true(many.stats.bytes - one.stats.bytes < 99 * 250);
	drop(&one);
	drop(&many);
}

static void
records_share(void **state)
{
	struct made t;
	char path[32];

	(void)state;
	model_start(&t, 1, 200);
	for (int i = 0; i < 200; i++) {
		struct m_match *m;

		(void)snprintf(path, sizeof(path), "/p%d", i);
		m = route_add(&t, NULL, path);
		m->method = BYTES("GET");
	}
	build(&t);
	assert_int_equal(t.im.n_preds, 1);
	assert_int_equal(t.im.n_predvalues, 1);
	assert_int_equal(t.im.n_backends, 1);
	assert_int_equal(t.im.n_trees, 1);
	assert_int_equal(t.im.n_groups, 200);
	assert_int_equal(rule_for(&t, "a.l0.test", "/p199/x", NULL), 200);
	drop(&t);
}

/* Routes that nothing reaches cost nothing. */
static void
unreached(void **state)
{
	struct made t;

	(void)state;
	model_start(&t, 1, 2);
	(void)route_add(&t, NULL, "/a");
	(void)route_add(&t, NULL, "/b");
	t.m.listeners->nattach = 1;
	build(&t);
	assert_int_equal(t.im.n_routes, 1);
	assert_int_equal(t.im.n_rules, 1);
	drop(&t);
}

/* The budget of DESIGN 4: 100,000 routes over 10,000 hosts. (Time is the benchmark's.) */
static void
bytes_a_route(void **state)
{
	struct made t;
	char host[40], path[40];

	(void)state;
	model_start(&t, 1, 100000);
	for (int i = 0; i < 100000; i++) {
		(void)snprintf(host, sizeof(host), "host-%d.l0.test", i / 10);
		(void)snprintf(path, sizeof(path), "/api/v1/item-%d", i % 10);
		(void)route_add(&t, host, path);
	}
	build(&t);
	assert_int_equal(t.stats.attached, 100000);
	assert_true(t.stats.bytes / t.stats.attached <= 250);
	assert_int_equal(rule_for(&t, "host-9999.l0.test", "/api/v1/item-9", NULL), 100000);
	assert_int_equal(rule_for(&t, "host-9999.l0.test", "/api/v1/item-10", NULL), 0);
	drop(&t);
}

/* Thousands of values of one header on one path, one match for the others. */
static void
many_values(void **state)
{
	struct field v[2];
	struct fields f;
	struct made t;
	char value[32];

	(void)state;
	model_start(&t, 1, 5001);
	for (int i = 0; i < 5000; i++) {
		struct m_match *m = route_add(&t, NULL, "/api");

		m->headers = arena_zalloc(&t.arena, sizeof(*m->headers));
		m->headers->name = BYTES("x-tenant");
		m->headers->value = bytes_str(arena_printf(&t.arena, "t%d", i));
		m->nheaders = 1;
	}
	(void)route_add(&t, NULL, "/api");
	build(&t);
	assert_int_equal(t.im.n_switches, 1);
	for (int i = 0; i < 5001; i += 250) {
		fields_init(&f, v, 2);
		(void)snprintf(value, sizeof(value), "t%d", i);
		(void)fields_add(&f, BYTES("X-Tenant"), bytes_str(value), FIELD_OTHER);
		assert_int_equal(rule_for(&t, "a.l0.test", "/api", &f), i + 1);
	}
	assert_int_equal(rule_for(&t, "a.l0.test", "/api", NULL), 5001);
	drop(&t);
}

static void
settings_and_records(void **state)
{
	struct m_retry retry = {
	    .attempts = 2, .backoff_ms = 50, .codes = (uint16_t[]){503, 400, 599}, .ncodes = 3};
	struct m_persist persist = {
	    .type = IM_PERSIST_COOKIE, .name = BYTES("sid"), .path = BYTES("/")};
	struct m_filter filters[2] = {{.type = IM_F_MIRROR},
	    {.type = IM_F_CORS,
		.cors = {.origins = (struct bytes[]){BYTES("*")},
		    .norigins = 1,
		    .methods = BYTES("GET, PUT")}}};
	const struct im_rule *rule;
	struct m_rule *from;
	struct made t;

	(void)state;
	model_start(&t, 1, 1);
	(void)route_add(&t, NULL, "/");
	from = t.m.routes->rules;
	from->retry = &retry;
	from->persist = &persist;
	from->filters = filters;
	from->nfilters = 2;
	from->request_ms = IM_NONE;
	from->backends->cluster = NULL;
	t.m.server = BYTES("srv");
	build(&t);
	rule = t.im.rules;
	assert_bytes(image_text(&t.im, t.im.settings->server), "srv");
	assert_bytes(image_text(&t.im, t.im.settings->via), "headgate");
	assert_int_equal(rule->request_ms, IM_NONE);
	assert_int_equal(rule->weight, 1);
	assert_int_equal(t.im.backends[rule->backends.first].error, HG_ERR_NO_BACKEND);
	assert_int_equal(t.im.retries[rule->retry].codes[0], 1);
	assert_int_equal(t.im.retries[rule->retry].codes[103 / 32], 1u << 103 % 32);
	assert_int_equal(t.im.retries[rule->retry].codes[199 / 32], 1u << 199 % 32);
	assert_bytes(image_text(&t.im, t.im.persists[rule->persist].name), "sid");
	assert_int_equal(rule->filters.n, 1); /* a mirror without a cluster mirrors nothing */
	assert_int_equal(t.im.filters[rule->filters.first].type, IM_F_CORS);
	drop(&t);
}

/* Texts that schema and resolve let pass break their own rule, never the generation. */
static void
odd_texts(void **state)
{
	struct m_edit edit = {IM_SET, BYTES("X-A"), BYTES("a\r\nb: c")};
	struct m_persist persist = {
	    .type = IM_PERSIST_COOKIE, .name = BYTES("a b"), .path = BYTES("/")};
	struct m_filter filters[2] = {{.type = IM_F_RESPONSE_HEADERS, .edits = &edit, .nedits = 1},
	    {.type = IM_F_REWRITE, .rewrite = {.path = BYTES("/a b"), .pathop = IM_PATH_FULL}}};
	struct made t;

	(void)state;
	model_start(&t, 1, 4);
	for (int i = 0; i < 4; i++)
		(void)route_add(&t, NULL, "/");
	t.m.routes[0].rules->filters = &filters[0];
	t.m.routes[1].rules->filters = &filters[1];
	t.m.routes[0].rules->nfilters = t.m.routes[1].rules->nfilters = 1;
	t.m.routes[2].rules->persist = &persist;
	build(&t);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(t.im.rules[i].error, i < 3 ? HG_ERR_BAD_RULE : HG_OK);
	drop(&t);
}

static void
refused(void **state)
{
	struct build_stats stats;
	struct blob_writer *w;
	struct m_route stray;
	struct made t;

	(void)state;
	model_start(&t, 1, 2);
	route_add(&t, NULL, "/")->path = BYTES("nope");
	assert_int_equal(build_image(&t.m, &w, &stats), HG_ERR_INVALID);
	assert_null(w);
	t.m.routes->rules->matches->path = BYTES("/");
	t.m.listeners->attach->route = &stray;
	assert_int_equal(build_image(&t.m, &w, &stats), HG_ERR_INVALID);
	t.m.listeners->attach->route = t.m.routes;
	t.m.routes->rules->backends->weight = UINT32_MAX;
	assert_int_equal(build_image(&t.m, &w, &stats), HG_OK);
	blob_writer_free(w);
	arena_release(&t.arena);
	assert_int_equal(mem_live(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(listeners_share),
	    cmocka_unit_test(records_share),
	    cmocka_unit_test(unreached),
	    cmocka_unit_test(bytes_a_route),
	    cmocka_unit_test(many_values),
	    cmocka_unit_test(settings_and_records),
	    cmocka_unit_test(odd_texts),
	    cmocka_unit_test(refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
