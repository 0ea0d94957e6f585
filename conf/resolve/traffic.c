/*
 * traffic.c - BackendTrafficPolicy and ClientTrafficPolicy: targets, conflicts and statuses
 * (reference/policies.md 2, 3). Policies claim their targets in order of age; whoever finds a
 * target taken is Conflicted there and has no effect. The ancestor of a status entry is a Gateway
 * or ListenerSet, never a route.
 */
#include "conf/resolve/traffic.h"

#include "base/mem.h"
#include "conf/kinds/k_core.h"

/* ---- lists of words */
void
words_add(struct scope *sc, struct t_words *w, struct bytes b)
{
	w->v = arena_grow(sc->arena, w->v, &w->cap, w->n, sizeof(*w->v));
	w->v[w->n++] = b;
}

void
words_addf(struct scope *sc, struct t_words *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	words_add(sc, w, bytes_str(arena_vprintf(sc->arena, fmt, ap)));
	va_end(ap);
}

static int
by_text(const void *a, const void *b)
{
	return bytes_cmp(*(const struct bytes *)a, *(const struct bytes *)b);
}

const char *
words_join(struct scope *sc, struct t_words *w, const char *between)
{
	struct strbuf out = STRBUF_INIT;
	const char *text;

	if (w->n != 0)
		qsort(w->v, w->n, sizeof(*w->v), by_text);
	for (size_t i = 0; i < w->n && out.n < 30000; i++) {
		if (i != 0 && bytes_eq(w->v[i], w->v[i - 1]))
			continue;
		strbuf_printf(&out, "%s%.*s", i == 0 ? "" : between, BYTES_ARG(w->v[i]));
	}
	text = out.n == 0 ? "" : arena_dup(sc->arena, strbuf_bytes(&out));
	strbuf_release(&out);
	return text;
}

/* ---- targets */
static struct bytes
claim_key(struct keybuf *kb, enum kind_id kind, const struct object *o, struct bytes section)
{
	uint32_t id[2] = {(uint32_t)kind, o->index};

	return KEY(kb, bytes_of((const char *)id, sizeof(id)), section);
}

struct t_policy *
traffic_on(struct scope *sc, enum kind_id kind, const struct object *o, struct bytes section)
{
	struct keybuf kb;

	if (sc->traffic->n == 0)
		return NULL;
	return map_get(&sc->traffic->claims, claim_key(&kb, kind, o, section));
}

struct t_ancestor *
traffic_ancestor(struct scope *sc, struct t_policy *p, const struct k_parent_ref *ref, bool make)
{
	struct t_ancestor *a;

	for (size_t i = 0; i < p->nanc; i++) {
		const struct k_parent_ref *r = &p->anc[i].ref;

		if (bytes_eq(r->kind, ref->kind) && bytes_eq(r->ns, ref->ns) &&
		    bytes_eq(r->name, ref->name) && bytes_eq(r->section, ref->section))
			return &p->anc[i];
	}
	if (!make)
		return NULL;
	p->anc = arena_grow(sc->arena, p->anc, &p->cap, p->nanc, sizeof(*p->anc));
	a = &p->anc[p->nanc++];
	memset(a, 0, sizeof(*a));
	a->ref = *ref;
	return a;
}

struct k_parent_ref
traffic_ref(const struct object *o, struct bytes section)
{
	return (struct k_parent_ref){.group = BYTES(GROUP_GATEWAY),
	    .kind = bytes_str(o->kind->name), .ns = o->meta.ns, .name = o->meta.name,
	    .section = section};
}

/* The first Accepted of an ancestor stays. */
static void
said(struct t_ancestor *a, enum cond_status status, const char *reason, const char *message)
{
	if (cond_get(&a->conds, COND_ACCEPTED) == NULL)
		cond_set(&a->conds, COND_ACCEPTED, status, reason, message);
}

static bool
is_route(const struct object *o)
{
	enum kind_id k = o->kind->id;

	return k == KIND_HTTPROUTE || k == KIND_GRPCROUTE || k == KIND_TLSROUTE ||
	    k == KIND_TCPROUTE || k == KIND_UDPROUTE;
}

bool
traffic_rule_name(const struct object *o, uint32_t index, struct bytes *name)
{
#define OF(rules) \
	return index < (rules).n && (*name = (rules).v[index].name, true)
	if (kind_is(o, KIND_HTTPROUTE))
		OF(((const struct k_httproute *)o->spec)->rules);
	if (kind_is(o, KIND_GRPCROUTE))
		OF(((const struct k_grpcroute *)o->spec)->rules);
	OF(((const struct k_l4route *)o->spec)->rules);
#undef OF
}

static bool
rule_named(const struct object *o, struct bytes name)
{
	struct bytes at;

	for (uint32_t i = 0; traffic_rule_name(o, i, &at); i++)
		if (bytes_eq(at, name))
			return true;
	return false;
}

static bool
section_exists(struct scope *sc, const struct object *o, struct bytes name)
{
	const struct r_listener *v;
	uint32_t n;

	if (is_route(o))
		return rule_named(o, name);
	if (kind_is(o, KIND_GATEWAY)) {
		const struct r_gateway *gw = sc->slot[o->index];

		v = gw->own, n = gw->nown;
	} else {
		const struct r_set *s = sc->slot[o->index];

		v = s->own, n = s->nown;
	}
	for (uint32_t i = 0; i < n; i++)
		if (bytes_eq(v[i].k->name, name))
			return true;
	return false;
}

/* "Gateway gw", "Listener ns/gw/l", "RouteRule r/rule"; CTP on a section: "section of gw". */
static const char *
target_name(struct scope *sc, const struct t_policy *p, const struct object *o,
    struct bytes section)
{
	if (section.n == 0)
		return arena_printf(sc->arena, "%s %.*s", o->kind->name,
		    BYTES_ARG(o->meta.name));
	if (kind_is(p->obj, KIND_CLIENTTRAFFICPOLICY))
		return arena_printf(sc->arena, "section of %.*s", BYTES_ARG(o->meta.name));
	if (is_route(o))
		return arena_printf(sc->arena, "RouteRule %.*s/%.*s", BYTES_ARG(o->meta.name),
		    BYTES_ARG(section));
	if (kind_is(o, KIND_LISTENERSET))
		return arena_printf(sc->arena, "Listener %.*s/%.*s", BYTES_ARG(o->meta.name),
		    BYTES_ARG(section));
	return arena_printf(sc->arena, "Listener %.*s/%.*s/%.*s", BYTES_ARG(o->meta.ns),
	    BYTES_ARG(o->meta.name), BYTES_ARG(section));
}

static void
say_on(struct scope *sc, struct t_policy *p, const struct object *o, struct bytes section,
    enum cond_status status, const char *reason, const char *message)
{
	struct k_parent_ref ref;

	if (!is_route(o)) {
		ref = traffic_ref(o, section);
		said(traffic_ancestor(sc, p, &ref, true), status, reason, message);
		return;
	}
	const struct r_route *r = sc->slot[o->index];

	for (uint32_t i = 0; i < r->nparents; i++) {
		const struct r_parent *rp = &r->parents[i];

		ref = traffic_ref(rp->set != NULL ? rp->set->obj : rp->gw->obj, rp->ref->section);
		said(traffic_ancestor(sc, p, &ref, true), status, reason, message);
	}
}

static void
claim(struct scope *sc, struct t_policy *p, const struct object *o, struct bytes section)
{
	enum kind_id kind = p->obj->kind->id;
	struct keybuf kb;
	struct bytes key = claim_key(&kb, kind, o, section);
	const struct t_policy *other = map_get(&sc->traffic->claims, key);

	if (section.n != 0 && !section_exists(sc, o, section)) {
		bool on_set = kind == KIND_CLIENTTRAFFICPOLICY && kind_is(o, KIND_LISTENERSET);
		const char *text = on_set ?
		    arena_printf(sc->arena,
			"ListenerSet %.*s/%.*s does not have a listener named \"%.*s\"",
			BYTES_ARG(o->meta.ns), BYTES_ARG(o->meta.name), BYTES_ARG(section)) :
		    arena_printf(sc->arena, "No section name %.*s found for %s %.*s/%.*s",
			BYTES_ARG(section), o->kind->name, BYTES_ARG(o->meta.ns),
			BYTES_ARG(o->meta.name));

		say_on(sc, p, o, section, COND_FALSE, "TargetNotFound", text);
	} else if (other == p) { /* named twice */
		return;
	} else if (other != NULL) {
		say_on(sc, p, o, section, COND_FALSE, "Conflicted",
		    arena_printf(sc->arena,
			"Unable to target %s, another %s has already attached to it",
			target_name(sc, p, o, section), p->obj->kind->name));
	} else {
		map_put(&sc->traffic->claims, arena_bytes(sc->arena, key), p);
		say_on(sc, p, o, section, COND_TRUE, "Accepted", "Policy has been accepted.");
	}
}

static bool
ours(const struct scope *sc, const struct object *o)
{
	if (sc->slot[o->index] == NULL)
		return false;
	if (is_route(o))
		return ((const struct r_route *)sc->slot[o->index])->nparents != 0;
	if (kind_is(o, KIND_LISTENERSET)) {
		const struct r_set *s = sc->slot[o->index];

		return s->gw != NULL && s->allowed;
	}
	return true;
}

static const struct kind *
target_kind(struct bytes group, struct bytes kind)
{
	const struct kind *k = kind_by_name(group, kind);

	return bytes_eq(group, BYTES(GROUP_GATEWAY)) ? k : NULL;
}

static void
claim_ref(struct scope *sc, struct t_policy *p, const struct k_object_ref *ref)
{
	const struct kind *k = target_kind(ref->group, ref->kind);
	const struct object *o = k == NULL ? NULL :
		objects_find(sc->in.objects, k->id, p->obj->meta.ns, ref->name);

	if (o != NULL && ours(sc, o))
		claim(sc, p, o, ref->section);
}

static bool
selected(struct scope *sc, const struct t_policy *p, const struct k_target_selector *s,
    const struct object *o)
{
	struct k_selector sel = {.labels = s->labels};
	const struct k_target_ns *ns = s->namespaces;
	bool same = bytes_eq(o->meta.ns, p->obj->meta.ns);

	sel.exprs.v = s->exprs.v;
	sel.exprs.n = s->exprs.n;
	if (!same && (ns == NULL || ns->from == K_NSF_SAME))
		return false;
	if (ns != NULL && ns->from == K_NSF_SELECTOR &&
	    !namespace_selected(sc, ns->selector, o->meta.ns))
		return false;
	return selector_matches(&sel, &o->meta.labels, BYTES_NONE) &&
	    (same || grant_allows(sc, p->obj->kind->id, p->obj->meta.ns, bytes_str(o->kind->group),
		bytes_str(o->kind->name), o->meta.ns, o->meta.name));
}

static void
claim_selector(struct scope *sc, struct t_policy *p, const struct k_target_selector *s)
{
	const struct kind *k = target_kind(s->group, s->kind);

	for (const struct object *o = k == NULL ? NULL : sc->in.objects->first[k->id]; o != NULL;
	     o = o->next)
		if (ours(sc, o) && selected(sc, p, s, o))
			claim(sc, p, o, BYTES(""));
}

/* ---- policies that cannot be read and have no last good content: what they would have kept out
 * must not come in (DESIGN section 2). Their targets, where these can be read. */

static void
close_target(struct scope *sc, const struct load_bad *b, const struct object *o,
    struct bytes section)
{
	struct keybuf kb;

	map_put(&sc->traffic->closed,
	    arena_bytes(sc->arena, claim_key(&kb, b->kind->id, o, section)), sc);
	sc->traffic->nclosed++;
}

static void
close_ref(struct scope *sc, const struct load_bad *b, const struct node *ref)
{
	const struct kind *k =
	    target_kind(node_text(node_get(ref, "group")), node_text(node_get(ref, "kind")));
	struct bytes section = node_text(node_get(ref, "sectionName"));
	const struct object *o;

	if (k == NULL || (k->id != KIND_GATEWAY && k->id != KIND_LISTENERSET))
		return;
	o = objects_find(sc->in.objects, k->id, b->ns, node_text(node_get(ref, "name")));
	if (o == NULL || !ours(sc, o))
		return;
	close_target(sc, b, o, section.p ? section : BYTES(""));
}

/* As far as it can be read, and rather too wide: labels count, expressions do not. */
static bool
bad_selects(struct scope *sc, const struct load_bad *b, const struct node *sel,
    const struct object *o)
{
	const struct node *labels = node_get(sel, "matchLabels");
	struct bytes from = node_text(node_path(sel, "namespaces.from")), value;
	bool same = bytes_eq(o->meta.ns, b->ns);

	if (!same && (from.n == 0 || bytes_eq(from, BYTES("Same"))))
		return false;
	if (labels != NULL && labels->type != NODE_MAP)
		labels = NULL;
	for (const struct node *l = labels != NULL ? labels->first : NULL; l != NULL; l = l->next)
		if (!map_pair(&o->meta.labels, l->key, &value) || !bytes_eq(value, l->text))
			return false;
	return same || grant_allows(sc, b->kind->id, b->ns, bytes_str(o->kind->group),
	    bytes_str(o->kind->name), o->meta.ns, o->meta.name);
}

static void
close_selected(struct scope *sc, const struct load_bad *b, const struct node *sel)
{
	struct bytes group = node_text(node_get(sel, "group"));
	const struct kind *k = target_kind(
	    group.p != NULL ? group : BYTES(GROUP_GATEWAY), node_text(node_get(sel, "kind")));

	if (k == NULL || (k->id != KIND_GATEWAY && k->id != KIND_LISTENERSET))
		return;
	for (const struct object *o = sc->in.objects->first[k->id]; o != NULL; o = o->next)
		if (ours(sc, o) && bad_selects(sc, b, sel, o))
			close_target(sc, b, o, BYTES(""));
}

static const struct node *
items(const struct node *list)
{
	return list != NULL && list->type == NODE_LIST ? list->first : NULL;
}

static void
close_bad(struct scope *sc)
{
	for (const struct load_bad *b = sc->in.bad; b != NULL; b = b->next) {
		if (b->node == NULL || b->kind == NULL || b->kind->id != KIND_CLIENTTRAFFICPOLICY ||
		    objects_find(sc->in.objects, b->kind->id, b->ns, b->name) != NULL)
			continue;
		close_ref(sc, b, node_path(b->node, "spec.targetRef"));
		for (const struct node *r = items(node_path(b->node, "spec.targetRefs"));
		     r != NULL; r = r->next)
			close_ref(sc, b, r);
		for (const struct node *r = items(node_path(b->node, "spec.targetSelectors"));
		     r != NULL; r = r->next)
			close_selected(sc, b, r);
	}
}

bool
traffic_closed(struct scope *sc, enum kind_id kind, const struct object *o, struct bytes section)
{
	struct keybuf kb;

	return sc->traffic->nclosed != 0 &&
	    map_get(&sc->traffic->closed, claim_key(&kb, kind, o, section)) != NULL;
}

static int
by_age(const void *a, const void *b, void *arg)
{
	const struct t_policy *const *x = a, *const *y = b;

	return object_cmp_age(arg, (*x)->obj, (*y)->obj);
}

/* ---- what a policy says about itself */
static void
one_unserved(void *arg, const struct node *n, const char *path)
{
	void **a = arg;
	struct scope *sc = a[0];
	struct t_policy *p = a[1];

	words_addf(sc, &p->unserved, "spec.%s%s", path, node_position(sc, n));
}

static void
deprecated(struct scope *sc, struct t_policy *p, bool is, const char *old, const char *now)
{
	if (is)
		words_addf(sc, &p->deprecated, "spec.%s is deprecated, use spec.%s instead", old,
		    now);
}

/* Valid, but not served to the letter, or hardly what was meant. */
static void
client_adjusted(struct scope *sc, struct t_policy *p, const struct k_clienttrafficpolicy *k)
{
	const struct k_ct_connection *c = k->connection;
	const struct k_tls_session *s = k->tls != NULL ? k->tls->session : NULL;
	uint64_t n;

	if (c != NULL && c->buffer.set && quantity_of(&c->buffer, UINT32_MAX, &n) &&
	    (n < IM_WINDOW_LEAST || n > IM_WINDOW_MOST))
		words_addf(sc, &p->adjusted, "spec.connection.bufferLimit is served as %s%s",
		    n < IM_WINDOW_LEAST ? "1Ki, the least" : "1Mi, the most that there is",
		    node_position(sc, node_get(c->node, "bufferLimit")));
	if (s != NULL && s->resumption != NULL && s->resumption->stateful != NULL)
		words_addf(sc, &p->adjusted, "spec.tls.session.resumption.stateful is served with "
		    "tickets, which any worker can resume%s",
		    node_position(sc, node_get(s->resumption->node, "stateful")));
}

static void
backend_adjusted(struct scope *sc, struct t_policy *p, const struct k_backendtrafficpolicy *k)
{
	if (k->breaker != NULL && k->breaker->pending.set && k->breaker->pending.v == 0)
		words_addf(sc, &p->adjusted, "spec.circuitBreaker.maxPendingRequests 0 refuses "
		    "every request that finds no idle connection, so also the first one%s",
		    node_position(sc, node_get(k->breaker->node, "maxPendingRequests")));
}

static void
look(struct scope *sc, struct t_policy *p)
{
	void *arg[] = {sc, p};

	sc->quiet = p->obj->stale;
	schema_unserved(sc->arena, p->obj->kind->spec, node_get(p->obj->node, "spec"),
	    one_unserved, arg);
	deprecated(sc, p, p->targets->ref != NULL, "targetRef", "targetRefs");
	if (kind_is(p->obj, KIND_BACKENDTRAFFICPOLICY)) {
		const struct k_backendtrafficpolicy *k = p->obj->spec;
		struct t_compile c = {.sc = sc, .patch = p, .k = k, .errors = &p->errors,
		    .warn = p};

		deprecated(sc, p, k->compression.v != NULL, "compression", "compressor");
		p->merge = k->merge.n != 0;
		p->own = arena_zalloc(sc->arena, sizeof(*p->own));
		c.m = p->own;
		traffic_compile(&c);
		backend_adjusted(sc, p, k);
	} else {
		const struct k_clienttrafficpolicy *k = p->obj->spec;

		deprecated(sc, p, k->enable_proxy.set, "enableProxyProtocol", "proxyProtocol");
		deprecated(sc, p, k->tls && k->tls->client && k->tls->client->optional.set,
		    "tls.clientValidation.optional", "tls.clientValidation.mode");
		deprecated(sc, p, k->headers && k->headers->preserve_id.set,
		    "headers.preserveXRequestID", "headers.requestID");
		client_compile(sc, p);
		client_adjusted(sc, p, k);
	}
	sc->quiet = false;
}

static void
begin(struct scope *sc, enum kind_id kind)
{
	struct traffic *t = sc->traffic;

	for (const struct object *o = sc->in.objects->first[kind]; o != NULL; o = o->next) {
		struct t_policy *p = arena_zalloc(sc->arena, sizeof(*p));

		p->obj = o;
		if (kind == KIND_BACKENDTRAFFICPOLICY)
			p->targets = &((const struct k_backendtrafficpolicy *)o->spec)->targets;
		else
			p->targets = &((const struct k_clienttrafficpolicy *)o->spec)->targets;
		sc->slot[o->index] = p;
		t->all = arena_grow(sc->arena, t->all, &t->cap, t->n, sizeof(struct t_policy *));
		t->all[t->n++] = p;
	}
}

static void
invalid(struct scope *sc, struct t_policy *p)
{
	const char *text = words_join(sc, &p->errors, "\n");

	for (size_t i = 0; i < p->nanc; i++)
		if (cond_true(&p->anc[i].conds, COND_ACCEPTED))
			cond_set(&p->anc[i].conds, COND_ACCEPTED, COND_FALSE, "Invalid", text);
}

void
traffic_resolve(struct scope *sc)
{
	struct traffic *t = arena_zalloc(sc->arena, sizeof(*t));

	sc->traffic = t;
	map_init(&t->claims);
	map_init(&t->merged);
	map_init(&t->closed);
	close_bad(sc);
	begin(sc, KIND_BACKENDTRAFFICPOLICY);
	begin(sc, KIND_CLIENTTRAFFICPOLICY);
	if (t->n + t->nclosed == 0 && !sc->affinity)
		return;
	if (t->n != 0)
		qsort_r(t->all, t->n, sizeof(struct t_policy *), by_age, sc);
	for (size_t i = 0; i < t->n; i++) {
		struct t_policy *p = t->all[i];

		if (p->targets->ref != NULL)
			claim_ref(sc, p, p->targets->ref);
		for (uint32_t j = 0; j < p->targets->refs.n; j++)
			claim_ref(sc, p, &p->targets->refs.v[j]);
		for (uint32_t j = 0; j < p->targets->selectors.n; j++)
			claim_selector(sc, p, &p->targets->selectors.v[j]);
		look(sc, p);
	}
	traffic_rules(sc);
	client_ports(sc);
	proxy_resolve(sc);
	for (size_t i = 0; i < t->n; i++)
		if (t->all[i]->errors.n != 0)
			invalid(sc, t->all[i]);
}

void
traffic_release(struct scope *sc)
{
	if (sc->traffic == NULL)
		return;
	map_release(&sc->traffic->claims);
	map_release(&sc->traffic->merged);
	map_release(&sc->traffic->closed);
}
