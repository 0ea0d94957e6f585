/*
 * liveroute.c - one pass over rules and clusters, then a map by kind, namespace and name. Asking
 * each route's rules anew would cost routes times rules, and tables are made of a hundred thousand.
 */
#include "cli/liveroute.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/mem.h"
#include "cli/live.h"

struct liveroutes {
	struct map by_name;
	struct liveroute *v; /* by im_route index */
};
struct pair {
	uint32_t route, cluster;
};

const char *
liveroute_kind(uint8_t kind)
{
	static const char *const kinds[] = {
	    "", "HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"};

	return kind < HG_ARRAY_LEN(kinds) ? kinds[kind] : "";
}

static struct bytes
key_of(struct view *v, struct bytes kind, struct bytes ns, struct bytes name)
{
	return bytes_str(arena_printf(&v->arena, "%.*s %.*s/%.*s", BYTES_ARG(kind), BYTES_ARG(ns),
	    BYTES_ARG(name)));
}

static struct liveroute
count(const struct view *v, uint32_t cluster)
{
	struct liveroute sum = {0};
	struct live_set set;
	struct live e;

	live_open(&set, v, cluster);
	for (; live_next(&set, &e); sum.all++)
		sum.used += live_usable(&e);
	return sum;
}

static int
by_route(const void *a, const void *b)
{
	const struct pair *x = a, *y = b;

	if (x->route != y->route)
		return x->route < y->route ? -1 : 1;
	return x->cluster < y->cluster ? -1 : x->cluster > y->cluster;
}

static uint32_t
pairs_of(const struct image *im, struct pair *v)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < im->n_rules; i++)
		for (uint32_t k = 0; k < im->rules[i].backends.n; k++) {
			uint32_t c = im->backends[im->rules[i].backends.first + k].cluster;

			if (c != IM_NONE)
				v[n++] = (struct pair){im->rules[i].route, c};
		}
	qsort(v, n, sizeof(*v), by_route);
	return n;
}

static void
build(struct view *v)
{
	const struct image *im = &v->image;
	struct liveroutes *r = arena_zalloc(&v->arena, sizeof(*r));
	struct liveroute *of = arena_alloc(&v->arena, (im->n_clusters + 1) * sizeof(*of));
	size_t most = 0;
	struct pair *pairs;
	uint32_t n;

	for (uint32_t i = 0; i < im->n_clusters; i++)
		of[i] = count(v, i);
	for (uint32_t i = 0; i < im->n_rules; i++) /* backends may be shared by rules */
		most += im->rules[i].backends.n;
	pairs = mem_alloc((most + 1) * sizeof(*pairs));
	n = pairs_of(im, pairs);
	r->v = arena_zalloc(&v->arena, (im->n_routes + 1) * sizeof(*r->v));
	for (uint32_t i = 0; i < n; i++) {
		if (i && by_route(&pairs[i], &pairs[i - 1]) == 0)
			continue;
		r->v[pairs[i].route].used += of[pairs[i].cluster].used;
		r->v[pairs[i].route].all += of[pairs[i].cluster].all;
	}
	mem_free(pairs);
	map_init(&r->by_name);
	for (uint32_t i = 0; i < im->n_routes; i++) {
		const struct im_route *o = &im->routes[i];

		map_put(&r->by_name,
		    key_of(v, bytes_str(liveroute_kind(o->kind)), image_text(im, o->ns),
			image_text(im, o->name)),
		    &r->v[i]);
	}
	v->routes = r;
}

const struct liveroute *
liveroute_of(struct view *v, struct bytes kind, struct bytes ns, struct bytes name)
{
	if (v->routes == NULL)
		build(v);
	return map_get(&v->routes->by_name, key_of(v, kind, ns, name));
}

void
liveroute_release(struct view *v)
{
	if (v->routes)
		map_release(&v->routes->by_name);
	v->routes = NULL;
}
