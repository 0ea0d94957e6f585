/*
 * backend.c - backendRefs (reference/gateway-api.md 5.1, 5.8, 5.14): kind, then grant, then
 * existence, then protocol. A Service port is resolved once and shared by all references to it.
 * Where TLS to the backend is asked for and cannot be made, that is an invalid backend: its share
 * of the traffic answers 500, never clear text instead.
 */
#include "conf/resolve/backend.h"

#include "base/mem.h"
#include "conf/kinds/k_core.h"
#include "conf/resolve/routekind.h"
#include "conf/resolve/uptls.h"

struct r_service_port {
	struct m_cluster *cluster; /* NULL: `missing` says why */
	const char *missing;
	struct bytes app;          /* appProtocol */
	bool affinity;
	const struct object *xbackend; /* which this stands for, or NULL */
	struct bytes name;         /* of the port */
	struct r_target *targets;  /* BackendTLSPolicies on the Service */
	struct r_policy *policy;   /* the one that applies, or NULL */
	struct r_gateway *seen[16]; /* ancestors that the policies have by this port */
	uint32_t nseen;
};

static const struct k_service_port *
find_port(const struct k_service *s, int64_t port, bool udp)
{
	for (uint32_t i = 0; i < s->ports.n; i++)
		if (s->ports.v[i].port.v == port &&
		    bytes_eq(s->ports.v[i].protocol, BYTES("UDP")) == udp)
			return &s->ports.v[i];
	return NULL;
}

struct m_cluster *
backend_cluster(struct scope *sc, const char *name, uint8_t proto)
{
	struct m_cluster *c = arena_zalloc(sc->arena, sizeof(*c));

	c->name = bytes_str(name);
	c->id = ids_get(sc->ids, CAT_ID_CLUSTER, c->name);
	c->dns_slot = IM_NONE;
	c->proto = proto;
	return c;
}

uint8_t
backend_proto(struct bytes app)
{
	if (bytes_eq(app, BYTES("ws")) || bytes_eq(app, BYTES("wss")))
		return IM_UP_WS;
	return bytes_eq(app, BYTES("h2c")) ? IM_UP_H2C : IM_UP_H1;
}

/* A Service's appProtocol without its prefix; absent: none that is known. */
static struct bytes
app_word(struct bytes app)
{
	struct bytes prefix = BYTES("kubernetes.io/");

	return bytes_starts(app, prefix) ? bytes_of(app.p + prefix.n, app.n - prefix.n) :
					   BYTES_NONE;
}

static struct r_service_port *
service_port(struct scope *sc, struct bytes ns, struct bytes name, uint16_t port, bool udp)
{
	struct keybuf kb;
	struct bytes key = KEY(&kb, ns, name, bytes_of((const char *)&port, sizeof(port)),
	    udp ? BYTES("u") : BYTES("t"));
	struct r_service_port *sp = map_get(&sc->services, key);
	const struct k_service_port *p;
	const struct object *o;
	const struct k_service *s;

	if (sp != NULL)
		return sp;
	sp = arena_zalloc(sc->arena, sizeof(*sp));
	map_put(&sc->services, arena_bytes(sc->arena, key), sp);
	o = objects_find(sc->in.objects, KIND_SERVICE, ns, name);
	if (o == NULL) {
		sp->missing = "does not exist";
		return sp;
	}
	s = o->spec;
	p = find_port(s, port, udp);
	if (p == NULL && (s->ports.n != 0 || !bytes_eq(s->type, BYTES("ExternalName")))) {
		sp->missing =
		    arena_printf(sc->arena, "has no port %u/%s", port, udp ? "UDP" : "TCP");
		return sp;
	}
	sp->affinity = bytes_eq(s->session_affinity, BYTES("ClientIP"));
	sp->app = p == NULL ? BYTES_NONE : p->app_protocol;
	sp->name = p == NULL ? BYTES_NONE : p->name;
	sp->targets = udp ? NULL : map_get(&sc->btls, KEY(&kb, ns, name, BYTES("s")));
	sp->policy = uptls_find(sp->targets, sp->name);
	sp->cluster = backend_cluster(sc,
	    arena_printf(sc->arena, "%.*s/%.*s:%u%s", BYTES_ARG(ns), BYTES_ARG(name), port,
		udp ? "/udp" : ""),
	    udp ? IM_UP_UDP : backend_proto(app_word(sp->app)));
	sp->cluster->tls = sp->policy == NULL ? NULL : uptls_policy(sc, sp->policy);
	endpoint_resolve(sc, o, p, port, sp->cluster);
	return sp;
}

/* KEP-3726 ("h2c", "ws", "wss") against the route kind: NULL if it can be spoken. */
static const char *
app_fault(struct bytes app, uint8_t kind, bool tls)
{
	bool http = kind == IM_HTTPROUTE, grpc = kind == IM_GRPCROUTE;
	bool wss = bytes_eq(app, BYTES("wss"));

	if (wss && (http || grpc) && !tls)
		return "needs TLS to the backend";
	if ((wss || bytes_eq(app, BYTES("ws"))) && grpc)
		return "cannot carry gRPC";
	return NULL;
}

static void
touch(struct scope *sc, struct r_service_port *sp)
{
	for (size_t i = 0; i < sc->ntouched; i++)
		if (sc->touched[i] == sp)
			return;
	sc->touched =
	    mem_grow(sc->touched, &sc->touchedcap, sc->ntouched, sizeof(struct r_service_port *));
	sc->touched[sc->ntouched++] = sp;
}

static void
touch_extern(struct scope *sc, struct r_backend_kind *b)
{
	if (b->port == NULL) {
		b->port = arena_zalloc(sc->arena, sizeof(*b->port));
		b->port->targets = b->targets;
		if (kind_is(b->obj, KIND_XBACKEND))
			b->port->xbackend = b->obj;
	}
	touch(sc, b->port);
}

/* Everything about the reference itself; NULL after a fault. */
static struct r_service_port *
follow(struct scope *sc, struct r_route *r, const char *where, const struct k_backend_ref *b)
{
	struct bytes ns = b->ns.n != 0 ? b->ns : r->obj->meta.ns;
	struct r_service_port *sp;
	const char *why;

	if (b->group.n != 0 || (b->kind.n != 0 && !bytes_eq(b->kind, BYTES("Service")))) {
		fault_add(sc, &r->refs, REF_KIND, b->node,
		    "%s: %.*s%s%.*s cannot be a backend, only a Service or a Backend can", where,
		    BYTES_ARG(b->group), b->group.n != 0 ? "/" : "", BYTES_ARG(b->kind));
		return NULL;
	}
	if (!grant_allows(
		sc, r->obj->kind->id, r->obj->meta.ns, BYTES(""), BYTES("Service"), ns, b->name)) {
		fault_add(sc, &r->refs, REF_NOT_PERMITTED, b->node,
		    "%s: no ReferenceGrant in %.*s permits Service %.*s", where, BYTES_ARG(ns),
		    BYTES_ARG(b->name));
		return NULL;
	}
	sp = service_port(sc, ns, b->name, (uint16_t)b->port.v, r->kind == IM_UDPROUTE);
	if (sp->missing != NULL) {
		fault_add(sc, &r->refs, REF_NOT_FOUND, b->node, "%s: Service %.*s/%.*s %s", where,
		    BYTES_ARG(ns), BYTES_ARG(b->name), sp->missing);
		return NULL;
	}
	why = app_fault(app_word(sp->app), r->kind, sp->policy != NULL);
	if (why != NULL) {
		fault_add(sc, &r->refs, REF_PROTOCOL, b->node,
		    "%s: appProtocol %.*s of Service %.*s/%.*s: %s", where, BYTES_ARG(sp->app),
		    BYTES_ARG(ns), BYTES_ARG(b->name), why);
		return NULL;
	}
	return sp;
}

/* The same endpoints, with the same ids, spoken to in another way. */
static struct m_cluster *
cluster_as(struct scope *sc, struct m_cluster *c, uint8_t proto)
{
	struct keybuf kb;
	struct bytes key;
	struct m_cluster *as;

	if (c == NULL || c->proto == proto)
		return c;
	key = KEY(&kb, BYTES("as"), bytes_of((const char *)&c, sizeof(c)),
	    bytes_of((const char *)&proto, 1));
	if ((as = map_get(&sc->services, key)) != NULL)
		return as;
	as = arena_zalloc(sc->arena, sizeof(*as));
	*as = *c;
	as->proto = proto;
	map_put(&sc->services, arena_bytes(sc->arena, key), as);
	return as;
}

static struct m_cluster *
cluster_for(struct scope *sc, const struct r_route *r, struct m_cluster *c)
{
	if (r->kind == IM_TLSROUTE || r->kind == IM_TCPROUTE)
		return cluster_as(sc, c, IM_UP_TCP);
	if (r->kind == IM_UDPROUTE)
		return cluster_as(sc, c, IM_UP_UDP);
	/* gRPC is HTTP/2, whatever an HTTPRoute speaks to the same port (5.13). */
	return r->kind == IM_GRPCROUTE && c && c->proto == IM_UP_H1 ? cluster_as(sc, c, IM_UP_H2C) :
								      c;
}

struct m_cluster *
backend_service(struct scope *sc, const struct object *o, const struct k_service_port *p)
{
	bool udp = bytes_eq(p->protocol, BYTES("UDP"));
	struct r_service_port *sp =
	    service_port(sc, o->meta.ns, o->meta.name, (uint16_t)p->port.v, udp);

	struct m_cluster *c = cluster_as(sc, sp->cluster, udp ? IM_UP_UDP : IM_UP_TCP), *raw;

	if (sp->missing != NULL || c->tls == NULL)
		return c;
	raw = arena_zalloc(sc->arena, sizeof(*raw));
	*raw = *c;
	raw->tls = NULL; /* BackendTLSPolicy speaks to gateways, not to a Service's clients */
	return raw;
}

static bool
is_unix(const struct r_backend_kind *be)
{
	for (uint32_t i = 0; i < be->nclusters; i++)
		for (uint32_t j = 0; j < be->clusters[i]->nendpoints; j++)
			if (be->clusters[i]->endpoints[j].unix_path.n != 0)
				return true;
	return false;
}

/* Why this kind of route cannot speak to it, or NULL. */
static const char *
extern_fault(struct scope *sc, const struct r_route *r, const struct r_backend_kind *be)
{
	const char *why;

	if (be->raw && (r->kind == IM_HTTPROUTE || r->kind == IM_GRPCROUTE))
		return "protocol TCP is for TCPRoutes and TLSRoutes";
	if (r->kind == IM_UDPROUTE && (be->tls || is_unix(be)))
		return "neither TLS nor a unix socket can be reached by UDP";
	why = app_fault(be->app, r->kind, be->tls);
	return why == NULL ? NULL :
			     arena_printf(
				 sc->arena, "appProtocol %.*s: %s", BYTES_ARG(be->app), why);
}

/* The same for the kinds Backend and XBackend. */
static void
follow_extern(struct scope *sc, struct r_route *r, const char *where,
    const struct k_backend_ref *b, struct r_backend *out)
{
	struct bytes ns = b->ns.n != 0 ? b->ns : r->obj->meta.ns;
	bool x = xbackend_is(b);
	const char *kind = x ? "XBackend" : "Backend", *why;
	const struct object *o =
	    objects_find(sc->in.objects, x ? KIND_XBACKEND : KIND_BACKEND, ns, b->name);
	struct r_backend_kind *be = x ? xbackend_kind(sc, o) :
	    o == NULL                 ? NULL :
					sc->slot[o->index];

	*out = (struct r_backend){.error = HG_ERR_NO_BACKEND, .fault = true};
	if (x ? !bytes_eq(ns, r->obj->meta.ns) :
		!grant_allows(
		    sc, r->obj->kind->id, r->obj->meta.ns, b->group, b->kind, ns, b->name)) {
		fault_add(sc, &r->refs, REF_NOT_PERMITTED, b->node,
		    x ? "%s: %.*s is another namespace, an XBackend (%.*s) serves its own only" :
			"%s: no ReferenceGrant in %.*s permits Backend %.*s",
		    where, BYTES_ARG(ns), BYTES_ARG(b->name));
		return;
	}
	if (be != NULL && (x || be->targets != NULL))
		touch_extern(sc, be);
	if (be == NULL || be->refused != NULL) {
		fault_add(sc, &r->refs, REF_NOT_FOUND, b->node, "%s: %s %.*s/%.*s %s%s",
		    where, kind, BYTES_ARG(ns), BYTES_ARG(b->name),
		    be == NULL ? "does not exist" : "is not accepted: ",
		    be == NULL ? "" : be->refused);
		return;
	}
	why = extern_fault(sc, r, be);
	if (why != NULL) {
		fault_add(sc, &r->refs, REF_PROTOCOL, b->node, "%s: %s %.*s/%.*s: %s", where, kind,
		    BYTES_ARG(ns), BYTES_ARG(b->name), why);
		return;
	}
	out->fault = false;
	if (be->barred)
		return;
	out->error = HG_OK;
	out->backend = be;
	out->persistence = be->persistence;
	out->cluster = cluster_for(sc, r, be->nclusters != 0 ? be->clusters[0] : NULL);
	if (out->cluster == NULL)
		out->error = HG_ERR_NO_ENDPOINT;
}

void
backend_resolve(struct scope *sc, struct r_route *r, const char *where,
    const struct k_backend_ref *b, struct r_backend *out)
{
	struct r_service_port *sp;

	if (extern_is(b) || xbackend_is(b)) {
		follow_extern(sc, r, where, b, out);
		return;
	}
	sp = follow(sc, r, where, b);
	*out = (struct r_backend){.error = HG_ERR_NO_BACKEND, .fault = sp == NULL};
	if (sp == NULL)
		return;
	if (sp->targets != NULL)
		touch(sc, sp);
	if (sp->policy != NULL && sp->cluster->tls == NULL)
		return; /* its status says why */
	out->error = HG_OK;
	out->affinity = sp->affinity;
	sc->affinity |= sp->affinity;
	out->cluster = cluster_for(sc, r, sp->cluster);
}

static uint64_t
common_multiple(uint64_t a, uint64_t b)
{
	uint64_t x = a, y = b;

	while (y != 0) {
		uint64_t t = x % y;

		x = y;
		y = t;
	}
	return a / x * b;
}

void
backend_spread(struct scope *sc, struct m_rule *m, const struct r_backend_kind *const *of)
{
	uint64_t scale = 1, sum = 0;
	uint32_t n = 0;
	struct m_backend *v;

	for (uint32_t i = 0; i < m->nbackends; i++) {
		uint32_t k = of[i] == NULL ? 1 : HG_MAX(of[i]->nclusters, 1u);

		if (scale < 1000000)
			scale = common_multiple(scale, k);
		sum += m->backends[i].weight;
		n += k;
	}
	if (n == m->nbackends)
		return;
	if (sum != 0 && scale > UINT32_MAX / sum)
		scale = 1;
	v = arena_zalloc(sc->arena, n * sizeof(*v));
	n = 0;
	for (uint32_t i = 0; i < m->nbackends; i++) {
		const struct m_backend *b = &m->backends[i];
		uint32_t k = of[i] == NULL ? 1 : HG_MAX(of[i]->nclusters, 1u);

		for (uint32_t j = 0; j < k; j++) {
			uint64_t share = b->weight * scale / k;

			v[n] = *b;
			v[n].weight = (uint32_t)(share == 0 && b->weight != 0 ? 1 : share);
			if (of[i] != NULL && b->cluster != NULL)
				v[n].cluster =
				    cluster_as(sc, of[i]->clusters[j], b->cluster->proto);
			n++;
		}
	}
	m->backends = v;
	m->nbackends = n;
}

/* A policy has at most 16 ancestors, so more Gateways than that need not be told apart. */
static void
ancestor(struct scope *sc, struct r_service_port *sp, struct r_gateway *gw)
{
	for (uint32_t i = 0; i < sp->nseen; i++)
		if (sp->seen[i] == gw)
			return;
	if (sp->nseen == HG_ARRAY_LEN(sp->seen))
		return;
	sp->seen[sp->nseen++] = gw;
	if (sp->xbackend != NULL)
		xbackend_ancestor(sc, sp->xbackend, gw->obj);
	for (const struct r_target *t = sp->targets; t != NULL; t = t->next)
		if (t->absent || sp->name.p == NULL || t->section.n == 0 ||
		    bytes_eq(t->section, sp->name))
			policy_ancestor(sc, t->policy, gw->obj);
}

void
backend_policies(struct scope *sc, struct r_route *r)
{
	for (size_t i = 0; i < sc->ntouched; i++)
		for (uint32_t j = 0; j < r->nparents; j++)
			if (r->parents[j].accepted)
				ancestor(sc, sc->touched[i], r->parents[j].gw);
	sc->ntouched = 0;
}
