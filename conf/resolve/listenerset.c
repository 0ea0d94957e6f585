/*
 * listenerset.c - ListenerSets of our Gateways (reference/gateway-api.md 5.19, section 6). A set
 * whose parent is not ours gets no status. Sets take part in conflicts by age, then namespace/name.
 */
#include "base/mem.h"
#include "conf/resolve/conflict.h"

static int
by_age(const void *a, const void *b, void *arg)
{
	const struct r_set *const *x = a, *const *y = b;

	return object_cmp_age(arg, (*x)->obj, (*y)->obj);
}

static bool
allowed(const struct scope *sc, const struct r_gateway *gw, const struct r_set *s)
{
	const struct k_namespaces *n =
	    gw->k->allowed_listeners == NULL ? NULL : gw->k->allowed_listeners->namespaces;

	if (n == NULL)
		return false;
	switch (n->from) {
	case K_FROM_ALL:
		return true;
	case K_FROM_SAME:
		return bytes_eq(s->obj->meta.ns, gw->obj->meta.ns);
	case K_FROM_SELECTOR:
		return namespace_selected(sc, n->selector, s->obj->meta.ns);
	default:
		return false;
	}
}

static void
one(struct scope *sc, const struct object *o)
{
	const struct k_listenerset *k = o->spec;
	const struct object *parent;
	struct r_gateway *gw;
	struct r_set *s;

	if (k->parent == NULL || !bytes_eq(k->parent->group, BYTES(GROUP_GATEWAY)) ||
	    !bytes_eq(k->parent->kind, BYTES("Gateway")))
		return;
	parent = objects_find(sc->in.objects, KIND_GATEWAY,
	    k->parent->ns.n != 0 ? k->parent->ns : o->meta.ns, k->parent->name);
	gw = parent == NULL ? NULL : sc->slot[parent->index];
	if (gw == NULL)
		return;
	s = arena_zalloc(sc->arena, sizeof(*s));
	s->obj = o;
	s->k = k;
	s->gw = gw;
	sc->slot[o->index] = s;
	listener_resolve(sc, gw, s);
	s->allowed = allowed(sc, gw, s);
	if (s->allowed) {
		gw->sets = mem_grow(gw->sets, &gw->setcap, gw->nsets, sizeof(struct r_set *));
		gw->sets[gw->nsets++] = s;
	}
}

void
listenerset_resolve(struct scope *sc)
{
	for (const struct object *o = sc->in.objects->first[KIND_LISTENERSET]; o != NULL;
	     o = o->next)
		one(sc, o);
	for (uint32_t i = 0; i < sc->ngateways; i++) {
		struct r_gateway *gw = sc->gateways[i];
		struct r_set **kept;

		if (gw->nsets == 0)
			continue;
		qsort_r(gw->sets, gw->nsets, sizeof(struct r_set *), by_age, sc);
		kept = arena_alloc(sc->arena, gw->nsets * sizeof(struct r_set *));
		memcpy(kept, gw->sets, gw->nsets * sizeof(struct r_set *));
		mem_free(gw->sets);
		gw->sets = kept;
	}
}

/* At least one of its listeners is worth something. Asked after the conflicts inside the Gateway,
 * and again after those between Gateways. */
void
listenerset_accept(struct r_set *s)
{
	s->accepted = false;
	for (uint32_t i = 0; i < s->nown; i++)
		s->accepted = s->accepted || (s->own[i].accepted && !s->own[i].blocked);
}

static void
conditions(struct r_set *s)
{
	bool some = false;

	for (uint32_t i = 0; i < s->nown; i++)
		some = some || cond_true(&s->own[i].conds, COND_PROGRAMMED) ||
		    (s->own[i].unserved != NULL && s->own[i].accepted && !s->own[i].blocked);
	if (!s->allowed) {
		cond_set(&s->conds, COND_ACCEPTED, COND_FALSE, "NotAllowed",
		    "the Gateway's allowedListeners do not allow this ListenerSet");
		cond_set(&s->conds, COND_PROGRAMMED, COND_FALSE, "NotAllowed",
		    "the Gateway's allowedListeners do not allow this ListenerSet");
		return;
	}
	if (s->gw->refused != NULL)
		cond_set(&s->conds, COND_ACCEPTED, COND_FALSE, "ParentNotAccepted",
		    "the Gateway is not accepted");
	else if (!s->accepted)
		cond_set(&s->conds, COND_ACCEPTED, COND_FALSE, "ListenersNotValid",
		    "no listener is valid");
	else
		cond_set(&s->conds, COND_ACCEPTED, COND_TRUE, "Accepted", "accepted");
	if (!s->accepted || s->gw->refused != NULL)
		cond_set(&s->conds, COND_PROGRAMMED, COND_FALSE,
		    s->gw->refused != NULL ? "ParentNotProgrammed" : "ListenersNotValid",
		    "no listener is programmed");
	else if (!some && s->gw->naddrs == 0)
		cond_set(&s->conds, COND_PROGRAMMED, COND_FALSE, "ParentNotProgrammed",
		    "the Gateway has no address");
	else if (!some)
		cond_set(&s->conds, COND_PROGRAMMED, COND_FALSE, "PortUnavailable",
		    "no listener is programmed");
	else
		cond_set(&s->conds, COND_PROGRAMMED, COND_TRUE, "Programmed", "programmed");
}

void
listenerset_programmed(struct scope *sc)
{
	for (const struct object *o = sc->in.objects->first[KIND_LISTENERSET]; o != NULL;
	     o = o->next) {
		struct r_set *s = sc->slot[o->index];

		if (s == NULL)
			continue;
		for (uint32_t i = 0; i < s->nown; i++)
			listener_programmed(sc, &s->own[i]);
		conditions(s);
	}
}
