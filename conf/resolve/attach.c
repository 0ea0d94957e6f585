/*
 * attach.c - routes to listeners (reference/gateway-api.md 5.4): for each parentRef the relevant
 * listeners, of those the ones that allow the route's kind and namespace, of those the ones whose
 * hostname it meets. The reason of a refusal is that of the furthest step reached. A listener that
 * cannot serve yet still counts routes.
 */
#include "conf/read/codes.h"
#include "conf/resolve/backend.h"
#include "conf/resolve/route_grpc.h"
#include "conf/resolve/route_http.h"
#include "conf/resolve/route_l4.h"
#include "conf/resolve/routekind.h"
#include "conf/resolve/service.h"

/* What all five route kinds share, read from their bound structs. */
struct common {
	const struct k_parent_ref *parents;
	uint32_t nparents;
	const k_strings *hostnames; /* NULL: the kind has none */
	uint8_t scope;
};

static struct common
common(const struct object *o)
{
	if (kind_is(o, KIND_HTTPROUTE)) {
		const struct k_httproute *k = o->spec;

		return (struct common){
		    k->parents.v, k->parents.n, &k->hostnames, k->use_default_gateways};
	}
	if (kind_is(o, KIND_GRPCROUTE)) {
		const struct k_grpcroute *k = o->spec;

		return (struct common){
		    k->parents.v, k->parents.n, &k->hostnames, k->use_default_gateways};
	}
	const struct k_l4route *k = o->spec;

	return (struct common){k->parents.v, k->parents.n,
	    kind_is(o, KIND_TLSROUTE) ? &k->hostnames : NULL, k->use_default_gateways};
}

static bool
kind_allowed(const struct r_listener *l, uint8_t kind)
{
	for (unsigned i = 0; i < l->nkinds; i++)
		if (l->kinds[i] == kind)
			return true;
	return false;
}

static bool
ns_allowed(const struct scope *sc, const struct r_listener *l, struct bytes ns)
{
	const struct k_namespaces *n = l->k->allowed == NULL ? NULL : l->k->allowed->namespaces;

	switch (n == NULL ? K_FROM_SAME : n->from) {
	case K_FROM_ALL:
		return true;
	case K_FROM_SELECTOR:
		return namespace_selected(sc, n->selector, ns);
	case K_FROM_NONE:
		return false;
	default:
		return bytes_eq(ns, l->owner_ns);
	}
}

static uint32_t
hostnames_met(const struct r_listener *l, const k_strings *h, struct bytes *out)
{
	uint32_t n = 0;

	for (uint32_t i = 0; h != NULL && i < h->n; i++)
		if (hostname_meets(l->hostname, h->v[i])) {
			if (out != NULL)
				out[n] = h->v[i];
			n++;
		}
	return n;
}

static void
join(struct scope *sc, struct r_listener *l, struct r_route *r, const k_strings *h)
{
	struct m_attach *a;
	uint32_t n;

	if (l->last == r) /* through another parentRef already */
		return;
	l->last = r;
	l->attached++;
	if (r->m == NULL)
		return;
	n = hostnames_met(l, h, NULL);
	l->attach = arena_grow(sc->arena, l->attach, &l->cap, l->nattach, sizeof(*l->attach));
	a = &l->attach[l->nattach++];
	*a = (struct m_attach){.route = r->m, .nhostnames = n};
	if (h == NULL || n == h->n) {
		a->hostnames = h == NULL ? NULL : h->v;
	} else {
		a->hostnames = arena_alloc(sc->arena, n * sizeof(struct bytes));
		hostnames_met(l, h, a->hostnames);
	}
}

static const struct {
	const char *reason, *message;
} STEPS[] = {
	{"NoMatchingParent", "no listener has this sectionName and port"},
	{"NotAllowedByListeners", "no listener allows routes of this kind from this namespace"},
	{"NoMatchingListenerHostname", "no listener has a hostname that meets the route's"},
	{"Accepted", "accepted"},
};

static unsigned
step(const struct scope *sc, const struct r_listener *l, const struct r_route *r,
    const struct k_parent_ref *ref, const k_strings *h)
{
	if (ref->section.n != 0 && !bytes_eq(ref->section, l->k->name))
		return 0;
	if (ref->port.set && ref->port.v != l->k->port.v)
		return 0;
	if (!kind_allowed(l, r->kind) || !ns_allowed(sc, l, r->obj->meta.ns))
		return 1;
	if (h != NULL && h->n != 0 && hostnames_met(l, h, NULL) == 0)
		return 2;
	return 3;
}

static void
attach_parent(struct scope *sc, struct r_route *r, struct r_parent *p, const k_strings *h)
{
	struct r_listener *v = p->set != NULL ? p->set->own : p->gw->own;
	uint32_t n = p->set != NULL ? p->set->nown : p->gw->nown;
	unsigned best = 0;

	for (uint32_t i = 0; i < n; i++) {
		unsigned s = step(sc, &v[i], r, p->ref, h);

		best = HG_MAX(best, s);
		if (s == 3 && r->invalid == NULL)
			join(sc, &v[i], r, h);
	}
	p->accepted = best == 3 && r->invalid == NULL;
	p->reason = STEPS[best].reason;
	p->message = STEPS[best].message;
	if (best == 3 && r->invalid != NULL) {
		p->reason = "UnsupportedValue";
		p->message = r->invalid;
	} else if (best != 3) {
		p->message = arena_printf(sc->arena, "%s%s", p->message,
		    node_position(sc, p->ref->node));
	}
	if (best == 0 && p->ref->node != NULL && !sc->quiet)
		diag_at(sc->in.diags, CODE_PARENT_NOT_FOUND, p->ref->node, "%s",
		    STEPS[0].message);
}

static bool
find_parent(struct scope *sc, const struct object *o, const struct k_parent_ref *ref,
    struct r_parent *p)
{
	struct bytes ns = ref->ns.n != 0 ? ref->ns : o->meta.ns;
	enum kind_id kind =
	    bytes_eq(ref->kind, BYTES("ListenerSet")) ? KIND_LISTENERSET : KIND_GATEWAY;
	const struct object *owner;

	*p = (struct r_parent){.ref = ref};
	if (!bytes_eq(ref->group, BYTES(GROUP_GATEWAY)) ||
	    (kind == KIND_GATEWAY && !bytes_eq(ref->kind, BYTES("Gateway"))))
		return false;
	owner = objects_find(sc->in.objects, kind, ns, ref->name);
	if (owner == NULL && ref->node != NULL && !sc->quiet)
		diag_at(sc->in.diags, CODE_PARENT_NOT_FOUND, ref->node,
		    "%.*s %.*s/%.*s does not exist", BYTES_ARG(ref->kind), BYTES_ARG(ns),
		    BYTES_ARG(ref->name));
	if (owner == NULL || sc->slot[owner->index] == NULL)
		return false;
	if (kind == KIND_GATEWAY) {
		p->gw = sc->slot[owner->index];
	} else {
		p->set = sc->slot[owner->index];
		p->gw = p->set->gw;
	}
	return true;
}

/* [E] defaultScope: as if the route had named every default Gateway. */
static void
default_parents(struct scope *sc, struct r_route *r)
{
	for (uint32_t i = 0; i < sc->ngateways && r->nparents < 32; i++) {
		struct r_gateway *gw = sc->gateways[i];
		struct k_parent_ref *ref;
		bool named = gw->k->default_scope != K_SCOPE_ALL;

		for (uint32_t j = 0; j < r->nparents; j++)
			named = named || (r->parents[j].gw == gw && r->parents[j].set == NULL);
		if (named)
			continue;
		ref = arena_zalloc(sc->arena, sizeof(*ref));
		*ref = (struct k_parent_ref){.group = BYTES(GROUP_GATEWAY),
		    .kind = BYTES("Gateway"),
		    .ns = gw->obj->meta.ns,
		    .name = gw->obj->meta.name};
		r->parents[r->nparents++] = (struct r_parent){.ref = ref, .gw = gw};
	}
}

static void
one(struct scope *sc, const struct object *o, const struct routekind *kind)
{
	struct common c = common(o);
	struct r_route *r = &sc->routes[sc->nroutes++];
	bool some = false;

	sc->quiet = o->stale;
	r->obj = o;
	r->kind = kind->image;
	r->unserved = kind->unserved;
	sc->slot[o->index] = r;
	r->parents = arena_alloc(
	    sc->arena, (c.scope == K_SCOPE_ALL ? 32 : c.nparents) * sizeof(*r->parents) + 1);
	for (uint32_t i = 0; i < c.nparents; i++)
		r->nparents += find_parent(sc, o, &c.parents[i], &r->parents[r->nparents]);
	if (c.scope == K_SCOPE_ALL)
		default_parents(sc, r);
	if (r->kind == IM_HTTPROUTE)
		route_http_resolve(sc, r);
	else if (r->kind == IM_GRPCROUTE)
		route_grpc_resolve(sc, r);
	else
		route_l4_resolve(sc, r);
	for (uint32_t i = 0; i < r->nparents; i++) {
		attach_parent(sc, r, &r->parents[i], c.hostnames);
		some = some || r->parents[i].accepted;
	}
	if (!some && r->m != NULL) { /* its place goes to the next */
		sc->model.nroutes--;
		r->m = NULL;
	}
	backend_policies(sc, r);
	sc->quiet = false;
}

void
attach_resolve(struct scope *sc)
{
	uint32_t n = 0;

	for (unsigned k = 0; k < ROUTEKIND_COUNT; k++)
		n += sc->in.objects->count[routekind_table[k].kind];
	sc->routes = arena_zalloc(sc->arena, (n + 1) * sizeof(*sc->routes));
	sc->model.routes = arena_zalloc(
	    sc->arena, (n + service_routes(sc) + 1) * sizeof(*sc->model.routes));
	for (unsigned k = 0; k < ROUTEKIND_COUNT; k++)
		for (const struct object *o = sc->in.objects->first[routekind_table[k].kind];
		     o != NULL; o = o->next)
			one(sc, o, &routekind_table[k]);
	service_attach(sc);
}
