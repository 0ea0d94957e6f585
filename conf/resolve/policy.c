/*
 * policy.c - BackendTLSPolicy, XBackendTrafficPolicy, XTelemetryPolicy, XBackend: known, checked,
 * not served by this version. Each says so in its status; a backend that a BackendTLSPolicy names
 * answers 500 (backend.c), because sending in clear text what was meant to be encrypted would be
 * the worst answer.
 */
#include "conf/resolve/certificate.h"

#define UNSERVED "not served by this version"

void
policy_ancestor(struct scope *sc, struct r_policy *p, const struct object *o)
{
	struct k_object_ref *a;

	for (size_t i = 0; i < p->nancestors; i++)
		if (bytes_eq(p->ancestors[i].name, o->meta.name) &&
		    bytes_eq(p->ancestors[i].ns, o->meta.ns))
			return;
	if (p->nancestors == 16) /* of the CRD */
		return;
	p->ancestors = arena_grow(sc->arena, p->ancestors, &p->cap, p->nancestors, sizeof(*a));
	a = &p->ancestors[p->nancestors++];
	*a = (struct k_object_ref){.group = bytes_str(o->kind->group),
	    .kind = bytes_str(o->kind->name),
	    .ns = o->meta.ns,
	    .name = o->meta.name};
}

static struct r_policy *
begin(struct scope *sc, const struct object *o)
{
	struct r_policy *p = arena_zalloc(sc->arena, sizeof(*p));

	p->obj = o;
	sc->slot[o->index] = p;
	return p;
}

/* Into the Service's list by age; an older policy on the same port (or the whole) makes this one a
 * loser. */
static void
target(struct scope *sc, struct r_policy *p, const struct k_object_ref *ref)
{
	struct r_target *t = arena_zalloc(sc->arena, sizeof(*t)), *head, **at;
	struct keybuf kb;
	struct bytes key = KEY(&kb, p->obj->meta.ns, ref->name);

	*t = (struct r_target){NULL, p, ref->section};
	head = map_get(&sc->btls, key);
	if (head == NULL) {
		map_put(&sc->btls, arena_bytes(sc->arena, key), t);
		return;
	}
	for (at = &head; *at != NULL && object_cmp_age(sc, (*at)->policy->obj, p->obj) <= 0;
	     at = &(*at)->next)
		;
	t->next = *at;
	*at = t;
	map_put(&sc->btls, key, head);
}

static bool
same_section(const struct r_target *a, const struct r_target *b)
{
	return a->section.n == b->section.n &&
	    (a->section.n == 0 || bytes_eq(a->section, b->section));
}

void
policy_index(struct scope *sc)
{
	for (const struct object *o = sc->in.objects->first[KIND_BACKENDTLSPOLICY]; o != NULL;
	     o = o->next) {
		const struct k_backendtlspolicy *k = o->spec;
		struct r_policy *p = begin(sc, o);

		for (uint32_t i = 0; i < k->targets.n; i++)
			if (k->targets.v[i].group.n == 0 &&
			    bytes_eq(k->targets.v[i].kind, BYTES("Service")))
				target(sc, p, &k->targets.v[i]);
	}
	for (const struct object *o = sc->in.objects->first[KIND_BACKENDTLSPOLICY]; o != NULL;
	     o = o->next) {
		const struct k_backendtlspolicy *k = o->spec;
		struct keybuf kb;

		for (uint32_t i = 0; i < k->targets.n; i++) {
			const struct r_target *t =
			    map_get(&sc->btls, KEY(&kb, o->meta.ns, k->targets.v[i].name));

			for (; t != NULL; t = t->next)
				for (const struct r_target *u = t->next; u != NULL; u = u->next)
					if (same_section(t, u) && t->policy != u->policy)
						u->policy->loser = true;
		}
	}
}

static void
judge_tls(struct scope *sc, struct r_policy *p)
{
	const struct k_backendtlspolicy *k = p->obj->spec;
	const struct k_backend_validation *v = k->validation;
	struct faults f = {REF_OK, NULL};
	uint32_t good = 0;

	sc->quiet = p->obj->stale;
	for (uint32_t i = 0; v != NULL && i < v->cas.n; i++)
		good += ca_check(sc, KIND_BACKENDTLSPOLICY, p->obj->meta.ns, &v->cas.v[i], &f);
	sc->quiet = false;
	if (f.worst == REF_OK)
		cond_set(&p->conds, COND_RESOLVED, COND_TRUE, "ResolvedRefs",
		    "all references are resolved");
	else
		cond_set(&p->conds, COND_RESOLVED, COND_FALSE,
		    f.worst == REF_KIND ? "InvalidKind" : "InvalidCACertificateRef", f.text->p);
	if (p->loser)
		cond_set(&p->conds, COND_ACCEPTED, COND_FALSE, "Conflicted",
		    "an older policy has this target");
	else if (f.worst != REF_OK && good == 0)
		cond_set(&p->conds, COND_ACCEPTED, COND_FALSE, "NoValidCACertificate",
		    "no CA certificate can be used");
	else
		cond_set(&p->conds, COND_ACCEPTED, COND_FALSE, "Invalid",
		    "TLS to backends is " UNSERVED ": its targets answer 500");
}

static void
unserved(struct scope *sc, const struct object *o, const struct k_object_ref *v, uint32_t n)
{
	struct r_policy *p = begin(sc, o);

	p->ancestors = arena_zalloc(sc->arena, (n + 1) * sizeof(*p->ancestors));
	for (uint32_t i = 0; i < n && i < 16; i++) {
		p->ancestors[p->nancestors] = v[i];
		p->ancestors[p->nancestors++].ns = o->meta.ns;
	}
	if (n == 0)
		p->ancestors[p->nancestors++] =
		    (struct k_object_ref){.group = bytes_str(o->kind->group),
			.kind = bytes_str(o->kind->name),
			.ns = o->meta.ns,
			.name = o->meta.name};
	p->cap = n + 1;
	cond_set(&p->conds, COND_ACCEPTED, COND_FALSE, "Invalid",
	    arena_printf(sc->arena, "%s is " UNSERVED, o->kind->name));
}

void
policy_resolve(struct scope *sc)
{
	const struct objects *objs = sc->in.objects;

	for (const struct object *o = objs->first[KIND_BACKENDTLSPOLICY]; o != NULL; o = o->next)
		judge_tls(sc, sc->slot[o->index]);
	for (const struct object *o = objs->first[KIND_XBACKEND]; o != NULL; o = o->next)
		unserved(sc, o, NULL, 0);
	for (const struct object *o = objs->first[KIND_XBACKENDTRAFFICPOLICY]; o != NULL;
	     o = o->next) {
		const struct k_xbackendtrafficpolicy *k = o->spec;

		unserved(sc, o, k->targets.v, k->targets.n);
	}
	for (const struct object *o = objs->first[KIND_XTELEMETRYPOLICY]; o != NULL; o = o->next) {
		const struct k_xtelemetrypolicy *k = o->spec;

		unserved(sc, o, k->targets.v, k->targets.n);
	}
}
