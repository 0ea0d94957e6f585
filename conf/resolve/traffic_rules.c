/*
 * traffic_rules.c - which policy each rule has on each listener (reference/policies.md 2): rule
 * before route before listener before Gateway, the most specific one whole, or merged with the
 * closest of the listener's side. What was displaced is told to the policy that was.
 *
 * Only listeners and routes that some policy reaches cost anything. Effective policies are made
 * once for each (base, patch), so that a merge over a thousand routes is one.
 */
#include "conf/resolve/routekind.h"
#include "conf/resolve/service.h"
#include "conf/resolve/traffic.h"

#define BTP KIND_BACKENDTRAFFICPOLICY
#define CTP KIND_CLIENTTRAFFICPOLICY

struct side { /* what the listener's side has, closest first */
	bool closed;               /* before any of them, one that cannot be read */
	struct t_policy *v[3];
	struct k_parent_ref at[3]; /* ancestor entry of each */
	unsigned n;
};

static void
side_add(struct scope *sc, struct side *s, enum kind_id kind, const struct object *o,
    struct bytes section)
{
	struct t_policy *p = traffic_on(sc, kind, o, section);

	if (s->n == 0 && traffic_closed(sc, kind, o, section))
		s->closed = true;
	if (p == NULL)
		return;
	s->at[s->n] = traffic_ref(o, section);
	s->v[s->n++] = p;
}

/* A ListenerSet's listener has nothing of the Gateway's listeners. */
static struct side
side_of(struct scope *sc, enum kind_id kind, const struct r_listener *l)
{
	struct side s = {.n = 0, .closed = false};

	if (l->set != NULL) {
		side_add(sc, &s, kind, l->set->obj, l->k->name);
		side_add(sc, &s, kind, l->set->obj, BYTES(""));
	} else {
		side_add(sc, &s, kind, l->gw->obj, l->k->name);
	}
	side_add(sc, &s, kind, l->gw->obj, BYTES(""));
	return s;
}

/* The less specific ones of a listener's side are overridden there. */
static void
side_overrides(struct scope *sc, const struct r_listener *l, struct side *s)
{
	const struct object *o = l->set != NULL ? l->set->obj : l->gw->obj;

	for (unsigned i = 1; i < s->n; i++) {
		struct t_ancestor *a = traffic_ancestor(sc, s->v[i], &s->at[i], true);

		for (unsigned j = 0; j < i; j++)
			if (s->at[j].section.n == 0)
				words_addf(sc, &a->sets, "%.*s/%.*s", BYTES_ARG(o->meta.ns),
				    BYTES_ARG(o->meta.name));
			else
				words_addf(sc, l->set != NULL ? &a->set_listeners : &a->listeners,
				    "%.*s/%.*s/%.*s", BYTES_ARG(o->meta.ns),
				    BYTES_ARG(o->meta.name), BYTES_ARG(s->at[j].section));
	}
}

static struct m_policy *
merged(struct scope *sc, struct t_policy *base, struct t_policy *patch)
{
	const void *pair[2] = {base, patch};
	struct bytes key = bytes_of((const char *)pair, sizeof(pair));
	struct m_policy *m = map_get(&sc->traffic->merged, key);
	struct t_compile c = {.sc = sc, .patch = patch, .base = base, .errors = &patch->errors};
	const char *why;

	if (m != NULL)
		return m;
	m = arena_zalloc(sc->arena, sizeof(*m));
	map_put(&sc->traffic->merged, arena_bytes(sc->arena, key), m);
	c.m = m;
	if (patch->errors.n != 0 || base->errors.n != 0) {
		m->invalid = true;
		return m;
	}
	c.k = traffic_merge(sc, base, patch, &why);
	if (c.k != NULL) {
		traffic_compile(&c);
	} else {
		words_addf(sc, &patch->errors, "error merging policies: %s.", why);
		m->invalid = true;
	}
	return m;
}

static struct m_policy *
effective(struct scope *sc, const struct side *s, struct t_policy *own)
{
	if (own == NULL)
		return s->n == 0 ? NULL : s->v[0]->own;
	return own->merge && s->n != 0 ? merged(sc, s->v[0], own) : own->own;
}

/* Told where a route's or rule's policy meets the listener's side. */
static void
tell_side(struct scope *sc, const struct r_listener *l, struct side *s, struct t_policy *own,
    const struct object *route, struct bytes rule)
{
	for (unsigned i = 0; i < s->n; i++) {
		struct t_ancestor *a = traffic_ancestor(sc, s->v[i], &s->at[i], true);
		bool merges = own->merge && i == 0;

		if (merges) /* the route, whichever of its rules it is */
			words_addf(sc, &a->merged, "%.*s/%.*s", BYTES_ARG(route->meta.ns),
			    BYTES_ARG(route->meta.name));
		else
			words_addf(sc, rule.n != 0 ? &a->rules : &a->routes, "%.*s/%.*s%s%.*s",
			    BYTES_ARG(route->meta.ns), BYTES_ARG(route->meta.name),
			    rule.n != 0 ? "/" : "", BYTES_ARG(rule));
	}
	if (own->merge && s->n != 0) {
		const struct object *o = l->set != NULL ? l->set->obj : l->gw->obj;
		struct k_parent_ref ref = traffic_ref(o, l->k->name);
		struct t_ancestor *a = traffic_ancestor(sc, own, &ref, true);

		if (cond_get(&a->conds, "Merged") == NULL)
			cond_set(&a->conds, "Merged", COND_TRUE, "Merged",
			    arena_printf(sc->arena, "Merged with policy %.*s/%.*s",
				BYTES_ARG(s->v[0]->obj->meta.ns),
				BYTES_ARG(s->v[0]->obj->meta.name)));
	}
}

/* What a policy says about the choice of an endpoint goes before the Service. */
static struct m_policy *
affine(struct scope *sc, struct m_policy *p)
{
	const void *pair[2] = {p, NULL};
	struct bytes key = bytes_of((const char *)pair, sizeof(pair));
	struct m_policy *m;

	if (p != NULL && (p->invalid || (p->balance != NULL && p->balance->rec.type != 0)))
		return p;
	m = map_get(&sc->traffic->merged, key);
	if (m == NULL) {
		m = service_affinity(sc, p);
		map_put(&sc->traffic->merged, arena_bytes(sc->arena, key), m);
	}
	return m;
}

/* The route's policy lost a rule to the rule's own one. */
static void
tell_route(struct scope *sc, struct t_policy *p, struct bytes rule)
{
	for (size_t i = 0; i < p->nanc; i++)
		words_add(sc, &p->anc[i].rules, rule);
}

/* Fields that speak of requests, where there are none. */
static void
http_only(struct scope *sc, struct t_policy *p, const struct object *o)
{
	const struct k_backendtrafficpolicy *k = p->obj->spec;
	const struct {
		const char *field;
		bool set;
	} v[] = {
		{"retry", k->retry != NULL},
		{"faultInjection", k->fault != NULL},
		{"responseOverride", k->overrides.n != 0},
		{"requestBuffer", k->buffer != NULL},
		{"httpUpgrade", k->upgrades.n != 0},
		{"http2", k->http2 != NULL},
		{"compression", k->compression.n != 0},
		{"compressor", k->compressor.n != 0},
		{"loadBalancer.consistentHash",
		    k->lb != NULL && k->lb->hash != NULL && k->lb->hash->type != K_HASH_IP},
	};

	for (unsigned i = 0; i < HG_ARRAY_LEN(v); i++)
		if (v[i].set)
			words_addf(sc, &p->http_only, "spec.%s has no effect on %s %.*s/%.*s",
			    v[i].field, o->kind->name, BYTES_ARG(o->meta.ns),
			    BYTES_ARG(o->meta.name));
}

static void
attach(struct scope *sc, const struct r_listener *l, struct side *s, struct m_attach *a)
{
	const struct object *o = objects_find(sc->in.objects, routekind_of(a->route->kind),
	    a->route->ns, a->route->name);
	struct t_policy *own = traffic_on(sc, BTP, o, BYTES(""));
	bool some = false;

	if (a->route->nrules == 0)
		return;
	a->policies = arena_zalloc(sc->arena, a->route->nrules * sizeof(struct m_policy *));
	if (own != NULL)
		tell_side(sc, l, s, own, o, BYTES_NONE);
	for (uint32_t i = 0; i < a->route->nrules; i++) {
		struct bytes name = BYTES_NONE;
		struct t_policy *rule = NULL;

		if (traffic_rule_name(o, a->route->rules[i].index, &name) && name.n != 0)
			rule = traffic_on(sc, BTP, o, name);
		if (rule != NULL)
			tell_side(sc, l, s, rule, o, name);
		if (rule != NULL && own != NULL)
			tell_route(sc, own, name);
		if (a->route->kind >= IM_TLSROUTE && (rule != NULL || own != NULL))
			http_only(sc, rule != NULL ? rule : own, o);
		a->policies[i] = effective(sc, s, rule != NULL ? rule : own);
		if (a->route->rules[i].affinity)
			a->policies[i] = affine(sc, a->policies[i]);
		some = some || a->policies[i] != NULL;
	}
	if (!some)
		a->policies = NULL;
}

/* CTP: one policy a listener; told to those that it takes the listener from. */
static void
client(struct scope *sc, struct r_listener *l)
{
	struct side s = side_of(sc, CTP, l);

	for (unsigned i = 1; i < s.n; i++) {
		struct t_ancestor *a = traffic_ancestor(sc, s.v[i], &s.at[i], true);

		words_add(sc, &a->listeners, l->k->name);
	}
	l->client_invalid = s.closed;
	if (s.n == 0 || s.closed)
		return;
	l->client = s.v[0]->client;
	l->client_of = s.v[0];
	l->client_invalid = s.v[0]->errors.n != 0;
	l->client_level = s.at[0].section.n != 0 ? CLIENT_OF_SECTION :
	    bytes_eq(s.at[0].kind, BYTES("Gateway")) ? CLIENT_OF_GATEWAY : CLIENT_OF_SET;
	client_host(sc, l);
	if (l->tls != NULL)
		client_tls(s.v[0], l->tls);
}

/* Routes that are not in the model (no listener takes them): only told. */
static void
tell_others(struct scope *sc)
{
	for (uint32_t i = 0; i < sc->nroutes; i++) {
		struct r_route *r = &sc->routes[i];
		struct t_policy *own = traffic_on(sc, BTP, r->obj, BYTES(""));

		if (own == NULL || r->m != NULL)
			continue;
		for (uint32_t j = 0; j < r->nparents; j++) {
			struct r_parent *p = &r->parents[j];
			struct r_listener *v = p->set != NULL ? p->set->own : p->gw->own;
			uint32_t n = p->set != NULL ? p->set->nown : p->gw->nown;

			for (uint32_t k = 0; p->accepted && k < n; k++) {
				struct side s = side_of(sc, BTP, &v[k]);

				if (p->ref->section.n == 0 ||
				    bytes_eq(p->ref->section, v[k].k->name))
					tell_side(sc, &v[k], &s, own, r->obj, BYTES_NONE);
			}
		}
	}
}

static void
listener(struct scope *sc, struct r_listener *l)
{
	struct side s = side_of(sc, BTP, l);

	if (l->gw->service != NULL) /* no policy can target it */
		return;
	side_overrides(sc, l, &s);
	for (size_t i = 0; i < l->nattach; i++)
		attach(sc, l, &s, &l->attach[i]);
	client(sc, l);
}

void
traffic_rules(struct scope *sc)
{
	for (uint32_t i = 0; i < sc->ngateways; i++) {
		struct r_gateway *gw = sc->gateways[i];

		for (uint32_t j = 0; j < gw->nown; j++)
			listener(sc, &gw->own[j]);
		for (size_t j = 0; j < gw->nsets; j++)
			for (uint32_t k = 0; k < gw->sets[j]->nown; k++)
				listener(sc, &gw->sets[j]->own[k]);
	}
	tell_others(sc);
}
