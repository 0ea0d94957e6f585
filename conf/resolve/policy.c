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

/* Into the Service's list; settle() puts that in order. */
static void
target(struct scope *sc, struct r_policy *p, const struct k_object_ref *ref)
{
	struct r_target *t = arena_zalloc(sc->arena, sizeof(*t));
	struct keybuf kb;
	struct bytes key = KEY(&kb, p->obj->meta.ns, ref->name);

	*t = (struct r_target){map_get(&sc->btls, key), p, ref->section};
	map_put(&sc->btls, t->next != NULL ? key : arena_bytes(sc->arena, key), t);
}

static int
by_age(const void *a, const void *b, void *arg)
{
	const struct r_target *const *x = a, *const *y = b;
	int c = object_cmp_age(arg, (*x)->policy->obj, (*y)->policy->obj);

	return c != 0 ? c : bytes_cmp((*x)->section, (*y)->section);
}

/* Oldest first; whoever finds its port (or the whole Service) taken is a loser. */
static struct r_target *
settle(struct scope *sc, struct r_target *list)
{
	struct r_target **v = NULL, *head = NULL;
	size_t n = 0, cap = 0;
	struct map seen;

	for (struct r_target *t = list; t != NULL; t = t->next) {
		v = arena_grow(sc->arena, v, &cap, n, sizeof(struct r_target *));
		v[n++] = t;
	}
	qsort_r(v, n, sizeof(struct r_target *), by_age, sc);
	map_init(&seen);
	for (size_t i = 0; i < n; i++) {
		struct bytes section = v[i]->section.n != 0 ? v[i]->section : BYTES("");
		const struct r_policy *first = map_get(&seen, section);

		if (first == NULL)
			map_put(&seen, section, v[i]->policy);
		else if (first != v[i]->policy)
			v[i]->policy->loser = true;
	}
	map_release(&seen);
	for (size_t i = n; i > 0; i--) {
		v[i - 1]->next = head;
		head = v[i - 1];
	}
	return head;
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
	for (size_t i = 0; i < sc->btls.cap; i++)
		if (sc->btls.slots[i].value != NULL)
			sc->btls.slots[i].value = settle(sc, sc->btls.slots[i].value);
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
		good += ca_get(sc, KIND_BACKENDTLSPOLICY, p->obj->meta.ns, &v->cas.v[i], &f, NULL);
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
