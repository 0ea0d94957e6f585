/*
 * lookup.c - what a route costs: nanoseconds per lookup, time and bytes per build, from 10 to
 * 100,000 routes.
 *
 * Shapes: `hosts` (ten routes a host, the budget of DESIGN 4 and 11), `paths` (all on one host),
 * `headers` (all on one path, told apart by the value of one header). Models are made directly,
 * without text. Each number is the best of five runs, since everything else on the machine can only
 * add.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/mem.h"
#include "conf/build/build.h"
#include "shm/image.h"
#include "shm/route.h"

enum shape { HOSTS, PATHS, HEADERS };
static const char *const shape_names[] = {"hosts", "paths", "headers"};

struct bench {
	struct arena arena;
	struct model m;
	struct image image;
	struct build_stats stats;
	uint64_t build_ns, check_ns;
	enum shape shape;
	uint32_t n;
};

static const struct im_settings defaults = {
#define LIM(member, def, lo, hi, unit, doc) .member = (def),
    IM_LIMITS(LIM)
#undef LIM
};

static void
model_frame(struct bench *b)
{
	struct model *m = &b->m;

	*m = (struct model){.arena = &b->arena,
	    .generation = 1,
	    .settings = defaults,
	    .ngateways = 1,
	    .nsockets = 1,
	    .nlisteners = 1,
	    .nroutes = b->n,
	    .nclusters = b->n / 10 + 1};
	m->gateways = arena_zalloc(&b->arena, sizeof(*m->gateways));
	m->gateways->ns = BYTES("default");
	m->gateways->name = BYTES("gateway");
	m->clusters = arena_zalloc(&b->arena, m->nclusters * sizeof(*m->clusters));
	for (uint32_t i = 0; i < m->nclusters; i++) {
		struct m_cluster *c = m->clusters[i] = arena_zalloc(&b->arena, sizeof(*c));

		c->name = bytes_str(arena_printf(&b->arena, "default/service-%u:80", i));
		c->endpoints = arena_zalloc(&b->arena, sizeof(*c->endpoints));
		c->endpoints->addr = (struct addr){.family = 4,
		    .port = 80,
		    .ip = {10, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
		c->endpoints->id = c->id = i + 1;
		c->endpoints->weight = c->nendpoints = 1;
		c->proto = IM_UP_H1;
	}
	m->listeners = arena_zalloc(&b->arena, sizeof(*m->listeners));
	m->listeners->name = BYTES("http");
	m->listeners->protocol = IM_HTTP;
	m->listeners->attach = arena_zalloc(&b->arena, b->n * sizeof(*m->listeners->attach));
	m->sockets = arena_zalloc(&b->arena, sizeof(*m->sockets));
	*m->sockets = (struct m_socket){.addr = {.family = 4, .port = 80}, .transport = IM_TCP,
	    .protocol = IM_HTTP, .nlisteners = 1,
	    .listeners = arena_zalloc(&b->arena, sizeof(m->listeners))};
	m->sockets->listeners[0] = m->listeners;
	m->routes = arena_zalloc(&b->arena, b->n * sizeof(*m->routes));
}

static struct bytes
host_of(struct bench *b, uint32_t i)
{
	return b->shape == HOSTS ?
	    bytes_str(arena_printf(&b->arena, "host-%u.example.com", i / 10)) :
	    BYTES("one.example.com");
}

static struct bytes
path_of(struct bench *b, uint32_t i)
{
	return b->shape == HEADERS ?
	    BYTES("/api") :
	    bytes_str(arena_printf(&b->arena, "/api/v1/item-%u", b->shape == HOSTS ? i % 10 : i));
}

static void
model_route(struct bench *b, uint32_t i)
{
	struct m_route *r = &b->m.routes[i];
	struct m_rule *rule = arena_zalloc(&b->arena, sizeof(*rule));
	struct m_match *match = arena_zalloc(&b->arena, sizeof(*match));
	struct m_attach *a = &b->m.listeners->attach[i];

	*r = (struct m_route){.kind = IM_HTTPROUTE,
	    .ns = BYTES("default"),
	    .rules = rule,
	    .nrules = 1,
	    .name = bytes_str(arena_printf(&b->arena, "route-%u", i))};
	rule->id = i + 1;
	rule->route = r;
	rule->matches = match;
	rule->nmatches = rule->nbackends = 1;
	rule->backends = arena_zalloc(&b->arena, sizeof(*rule->backends));
	rule->backends->weight = 1;
	rule->backends->cluster = b->m.clusters[i / 10];
	match->path_type = M_PATH_PREFIX;
	match->path = path_of(b, i);
	if (b->shape == HEADERS) {
		match->headers = arena_zalloc(&b->arena, sizeof(*match->headers));
		match->nheaders = 1;
		match->headers->name = BYTES("x-tenant");
		match->headers->value = bytes_str(arena_printf(&b->arena, "tenant-%u", i));
	}
	a->route = r;
	a->hostnames = arena_alloc(&b->arena, sizeof(*a->hostnames));
	a->hostnames[0] = host_of(b, i);
	a->nhostnames = 1;
	b->m.listeners->nattach++;
}

static void
die(const char *what)
{
	(void)fprintf(stderr, "lookup: %s\n", what);
	exit(1);
}

static void
image_make(struct bench *b)
{
	struct blob_writer *w;
	char why[128] = "";
	uint64_t t = clock_mono(), pos = 0;
	enum hg_err err;
	int fd;

	if (build_image(&b->m, &w, &b->stats) != HG_OK)
		die("build_image");
	fd = blob_seal(w, "bench");
	b->build_ns = clock_mono() - t;
	blob_writer_free(w);
	if (image_open(fd, &b->image) != HG_OK)
		die("image_open");
	close(fd);
	t = clock_mono();
	while ((err = image_check(&b->image, &pos, 1000, why)) == HG_ERR_AGAIN)
		;
	b->check_ns = clock_mono() - t;
	if (err != HG_OK)
		die(why);
}

/* ---- lookups */

#define ROUNDS 4096u
enum target { FIRST, LAST, RANDOM, MISS_PATH, MISS_HOST, TARGETS };
static const char *const target_names[] = {"first", "last", "random", "no path", "no host"};

struct request {
	struct bytes host, path;
	struct field v[4];
	struct fields fields;
};

static void
request_make(struct bench *b, enum target target, uint32_t k, struct request *r)
{
	uint32_t i = target == FIRST ? 0 :
	    target == LAST           ? b->n - 1 :
				       (uint32_t)(k * 2654435761ull % b->n);

	r->host = target == MISS_HOST ? BYTES("nobody.example.org") : host_of(b, i);
	r->path = target == MISS_PATH ? BYTES("/other/v1/item-1") :
	    bytes_str(arena_printf(&b->arena, "%.*s/x", BYTES_ARG(path_of(b, i))));
	fields_init(&r->fields, r->v, 4);
	(void)fields_add(&r->fields, BYTES("Host"), r->host, FIELD_HOST);
	(void)fields_add(&r->fields, BYTES("Accept"), BYTES("*/*"), FIELD_ACCEPT);
	if (b->shape == HEADERS)
		(void)fields_add(&r->fields, BYTES("X-Tenant"),
		    bytes_str(arena_printf(&b->arena, "tenant-%u", i)), FIELD_OTHER);
}

static double
lookup_ns(struct bench *b, enum target target)
{
	struct request *v = mem_alloc(ROUNDS * sizeof(*v));
	struct route_query q = {.listener = IM_NONE, .method = BYTES("GET")};
	uint64_t best = UINT64_MAX;

	for (uint32_t i = 0; i < ROUNDS; i++)
		request_make(b, target, i, &v[i]);
	for (int run = 0; run < 5; run++) {
		uint64_t t = clock_mono();

		for (uint32_t i = 0; i < ROUNDS; i++) {
			struct route_hit hit;

			q.host = v[i].host;
			q.path = v[i].path;
			q.fields = &v[i].fields;
			if ((route_find(&b->image, &q, NULL, NULL, &hit) == HG_OK) !=
			    (target < MISS_PATH))
				die("wrong answer");
		}
		t = clock_mono() - t;
		best = HG_MIN(best, t);
	}
	mem_free(v);
	return (double)best / ROUNDS;
}

static void
run(enum shape shape, uint32_t n)
{
	struct bench b = {.shape = shape, .n = n};
	uint64_t best = UINT64_MAX;

	arena_init(&b.arena, 65536, 0);
	model_frame(&b);
	for (uint32_t i = 0; i < n; i++)
		model_route(&b, i);
	for (int i = 0; i < 3; i++) {
		if (i != 0)
			image_close(&b.image);
		image_make(&b);
		best = HG_MIN(best, b.build_ns);
	}
	printf("%-8s %7u %9.2f %9.2f %8.1f", shape_names[shape], n, (double)best / 1e6,
	    (double)b.check_ns / 1e6, (double)b.stats.bytes / (double)b.stats.attached);
	for (enum target t = FIRST; t < TARGETS; t++)
		printf(" %8.0f", lookup_ns(&b, t));
	printf("\n");
	image_close(&b.image);
	arena_release(&b.arena);
}

int
main(void)
{
	static const uint32_t sizes[] = {10, 100, 1000, 10000, 100000};

	printf("%-8s %7s %9s %9s %8s", "shape", "routes", "build ms", "check ms", "bytes/rt");
	for (enum target t = FIRST; t < TARGETS; t++)
		printf(" %8s", target_names[t]);
	printf("   (ns per lookup)\n");
	for (enum shape s = HOSTS; s <= HEADERS; s++)
		for (size_t i = 0; i < HG_ARRAY_LEN(sizes); i++)
			run(s, sizes[i]);
	return 0;
}
