/*
 * policy.c - BackendTLSPolicy: who has which target (the oldest; a port beats the whole Service),
 * and its conditions; what connections are made with is uptls.c's. XBackendTrafficPolicy,
 * XTelemetryPolicy: known, checked, not served by this version; each says so in its
 * status.
 */
#include "conf/kinds/k_core.h"
#include "conf/resolve/uptls.h"

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

/* Is there no such port? A UDP port cannot be reached by TLS. */
static bool
no_port(const struct object *o, struct bytes section, const char **why)
{
	const struct k_service *s = o->spec;

	*why = "there is no port of that name";
	for (uint32_t i = 0; i < s->ports.n; i++)
		if (bytes_eq(s->ports.v[i].name, section)) {
			*why = "a UDP port cannot be reached by TLS";
			return bytes_eq(s->ports.v[i].protocol, BYTES("UDP"));
		}
	return true;
}

/* Into the list of the Service (or Backend); settle() puts that in order. */
static void
target(struct scope *sc, struct r_policy *p, const struct k_object_ref *ref)
{
	struct r_target *t = arena_zalloc(sc->arena, sizeof(*t));
	bool service = ref->group.n == 0;
	const struct object *o = objects_find(
	    sc->in.objects, service ? KIND_SERVICE : KIND_BACKEND, p->obj->meta.ns, ref->name);
	struct keybuf kb;
	struct bytes key = KEY(&kb, p->obj->meta.ns, ref->name, service ? BYTES("s") : BYTES("b"));

	*t = (struct r_target){.next = map_get(&sc->btls, key), .policy = p,
	    .section = ref->section};
	if (o == NULL)
		p->absent = "there is no such object";
	t->absent = o == NULL ||
	    (service && ref->section.n != 0 && no_port(o, ref->section, &p->absent));
	p->ntargets++;
	p->nabsent += t->absent;
	map_put(&sc->btls, t->next != NULL ? key : arena_bytes(sc->arena, key), t);
}

static int
by_age(const void *a, const void *b, void *arg)
{
	const struct r_target *const *x = a, *const *y = b;
	int c = object_cmp_age(arg, (*x)->policy->obj, (*y)->policy->obj);

	return c != 0 ? c : bytes_cmp((*x)->section, (*y)->section);
}

static void
lose(struct r_target *t)
{
	t->loser = true;
	t->policy->nlost++;
	t->policy->loser = t->policy->nlost == t->policy->ntargets;
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
			lose(v[i]);
	}
	map_release(&seen);
	for (size_t i = n; i > 0; i--) {
		v[i - 1]->next = head;
		head = v[i - 1];
	}
	return head;
}

static bool
is_target(const struct k_object_ref *r)
{
	return r->group.n == 0 ? bytes_eq(r->kind, BYTES("Service")) :
				 bytes_eq(r->kind, BYTES("Backend")) &&
		kind_in_group(kind_by_id(KIND_BACKEND), r->group);
}

void
policy_index(struct scope *sc)
{
	for (const struct object *o = sc->in.objects->first[KIND_BACKENDTLSPOLICY]; o != NULL;
	     o = o->next) {
		const struct k_backendtlspolicy *k = o->spec;
		struct r_policy *p = begin(sc, o);

		for (uint32_t i = 0; i < k->targets.n; i++)
			if (is_target(&k->targets.v[i]))
				target(sc, p, &k->targets.v[i]);
			else
				p->ntargets++, p->nabsent++;
	}
	for (size_t i = 0; i < sc->btls.cap; i++)
		if (sc->btls.slots[i].value != NULL)
			sc->btls.slots[i].value = settle(sc, sc->btls.slots[i].value);
}

static void
judge_tls(struct scope *sc, struct r_policy *p)
{
	(void)uptls_policy(sc, p);
	if (p->refs.worst == REF_OK)
		cond_set(&p->conds, COND_RESOLVED, COND_TRUE, "ResolvedRefs",
		    "all references are resolved");
	else
		cond_set(&p->conds, COND_RESOLVED, COND_FALSE,
		    p->refs.worst == REF_KIND ? "InvalidKind" : "InvalidCACertificateRef",
		    p->refs.text->p);
	if (p->loser)
		cond_set(&p->conds, COND_ACCEPTED, COND_FALSE, "Conflicted",
		    "an older policy has this target");
	else if (p->nabsent == p->ntargets)
		cond_set(&p->conds, COND_ACCEPTED, COND_FALSE, "TargetNotFound",
		    p->absent != NULL ? p->absent : "only Services and Backends can be targets");
	else if (p->tls == NULL)
		cond_set(&p->conds, COND_ACCEPTED, COND_FALSE, p->reason, p->why);
	else
		cond_set(&p->conds, COND_ACCEPTED, COND_TRUE, "Accepted",
		    p->nlost != 0 ? "accepted, but an older policy has one of the targets" :
			    p->nabsent != 0 ? "accepted, but one of the targets is not there" :
					      "accepted");
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
