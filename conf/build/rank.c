/*
 * rank.c - the order of the routes, and their variants. A route that has other policies on one
 * listener than on another stands in the order once for each set of policies: trees are made of
 * places in this order, so listeners share a tree exactly where routes and policies are the same.
 */
#include "base/mem.h"
#include "conf/build/parts.h"

/* Alphabetical by "namespace/name" (5.6), which is not the order of the two one after the other. */
static int
full_name_cmp(const struct m_route *x, const struct m_route *y)
{
	const struct bytes xs[3] = {x->ns, BYTES("/"), x->name},
			   ys[3] = {y->ns, BYTES("/"), y->name};
	size_t xi = 0, yi = 0, xk = 0, yk = 0;

	for (;;) {
		while (xi < 3 && xk == xs[xi].n)
			xi++, xk = 0;
		while (yi < 3 && yk == ys[yi].n)
			yi++, yk = 0;
		if (xi == 3 || yi == 3)
			return (xi == 3 ? 0 : 1) - (yi == 3 ? 0 : 1);
		if (xs[xi].p[xk] != ys[yi].p[yk])
			return (unsigned char)xs[xi].p[xk] < (unsigned char)ys[yi].p[yk] ? -1 : 1;
		xk++;
		yk++;
	}
}

static int
route_cmp(const void *a, const void *b)
{
	const struct m_route *x = *(struct m_route *const *)a, *y = *(struct m_route *const *)b;
	int c;

	if (x->created != y->created)
		return x->created < y->created ? -1 : 1;
	if ((c = full_name_cmp(x, y)) != 0)
		return c;
	return x < y ? -1 : x > y;
}

struct variant {
	uint32_t rank, number; /* of the route; among all variants */
	struct m_attach *first;
	uint32_t place;
};
struct variants {
	struct map map; /* (route, policies) -> variant */
	struct variant **v;
	size_t n, cap;
};

static int
variant_cmp(const void *a, const void *b)
{
	const struct variant *x = *(struct variant *const *)a, *y = *(struct variant *const *)b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static struct bytes
key_of(struct build *b, const struct m_attach *a)
{
	size_t n = a->route->nrules * sizeof(*a->policies);
	char *key = arena_alloc(&b->tmp, n + sizeof(a->route));

	memcpy(key, &a->route, sizeof(a->route));
	memcpy(key + sizeof(a->route), a->policies, n);
	return bytes_of(key, n + sizeof(a->route));
}

static void
collect(struct build *b, struct variants *vs)
{
	for (uint32_t k = 0; k < b->m->nlisteners; k++) {
		struct m_listener *l = &b->m->listeners[k];

		for (uint32_t i = 0; i < l->nattach; i++) {
			struct m_attach *a = &l->attach[i];
			struct bytes key;

			if (a->policies == NULL)
				continue;
			key = key_of(b, a);
			if (map_get(&vs->map, key) == NULL) {
				struct variant *v = arena_alloc(&b->arena, sizeof(*v));

				*v = (struct variant){
				    a->route->index, (uint32_t)vs->n, a, 0};
				(void)map_put(&vs->map, arena_bytes(&b->arena, key), v);
				vs->v = mem_grow(vs->v, &vs->cap, vs->n, sizeof(struct variant *));
				vs->v[vs->n++] = v;
			}
			arena_reset(&b->tmp);
		}
	}
}

/* Each route, then its variants. */
static void
place(struct build *b, struct m_route **routes, struct variants *vs)
{
	size_t next = 0;

	for (uint32_t i = 0; i < b->m->nroutes; i++) {
		routes[i]->index = b->nranked;
		b->ranked[b->nranked++] = (struct build_variant){routes[i], NULL, IM_NONE, NULL};
		for (; next < vs->n && vs->v[next]->rank == i; next++) {
			vs->v[next]->place = b->nranked;
			b->ranked[b->nranked++] = (struct build_variant){
			    routes[i], vs->v[next]->first->policies, IM_NONE, NULL};
		}
	}
}

void
rank_routes(struct build *b)
{
	uint32_t n = b->m->nroutes;
	struct m_route **routes = arena_alloc(&b->arena, (n + 1) * sizeof(*routes));
	struct variants vs = {.n = 0};

	for (uint32_t i = 0; i < n; i++)
		routes[i] = &b->m->routes[i];
	qsort(routes, n, sizeof(*routes), route_cmp);
	for (uint32_t i = 0; i < n; i++)
		routes[i]->index = i;
	map_init(&vs.map);
	collect(b, &vs);
	if (vs.n != 0)
		qsort(vs.v, vs.n, sizeof(*vs.v), variant_cmp);
	b->ranked = arena_alloc(&b->arena, (n + vs.n + 1) * sizeof(*b->ranked));
	place(b, routes, &vs);
	for (uint32_t k = 0; k < b->m->nlisteners; k++)
		for (uint32_t i = 0; i < b->m->listeners[k].nattach; i++) {
			struct m_attach *a = &b->m->listeners[k].attach[i];
			const struct variant *v;

			a->rank = a->route->index;
			if (a->policies == NULL)
				continue;
			v = map_get(&vs.map, key_of(b, a));
			a->rank = v->place;
			arena_reset(&b->tmp);
		}
	map_release(&vs.map);
	mem_free(vs.v);
}
