/*
 * xbackend.c - XBackend (reference/gateway-api-1.7.md 1.7 and 4): a DNS name outside, or the
 * Workloads with its labels, with protocol, TLS and session persistence of its own. To a route it
 * is what a Backend is (backend.h), to people a policy with the Gateways as ancestors, so it is
 * both here, the policy first, since that is what a status is printed from.
 *
 * It serves its own namespace only: there is no grant for it.
 */
#include "conf/resolve/backend.h"
#include "conf/resolve/certificate.h"
#include "conf/resolve/uptls.h"

struct r_xbackend {
	struct r_policy policy; /* first */
	struct r_backend_kind kind;
};

struct r_backend_kind *
xbackend_kind(const struct scope *sc, const struct object *o)
{
	struct r_xbackend *x = o == NULL ? NULL : sc->slot[o->index];

	return x == NULL ? NULL : &x->kind;
}

void
xbackend_ancestor(struct scope *sc, const struct object *o, const struct object *gateway)
{
	struct r_xbackend *x = sc->slot[o->index];

	policy_ancestor(sc, &x->policy, gateway);
}

bool
xbackend_is(const struct k_backend_ref *b)
{
	return bytes_eq(b->kind, BYTES("XBackend")) &&
	    kind_in_group(kind_by_id(KIND_XBACKEND), b->group);
}

static uint8_t
proto_of(const struct k_xbackend *k)
{
	switch ((enum k_xbackend_proto)k->protocol) {
	case K_XB_H2C:
	case K_XB_HTTP2:
	case K_XB_GRPC:
		return IM_UP_H2C; /* with TLS, by ALPN */
	case K_XB_WSS:
		return IM_UP_WS;
	default:
		return IM_UP_H1;
	}
}

static struct m_cluster *
cluster(struct scope *sc, const struct object *o, const struct k_xbackend *k)
{
	uint16_t port = (uint16_t)k->port->number.v;
	struct m_cluster *c = backend_cluster(sc,
	    arena_printf(sc->arena, "%.*s/%.*s(XBackend:%u)", BYTES_ARG(o->meta.ns),
		BYTES_ARG(o->meta.name), port),
	    proto_of(k));

	if (k->type == K_XB_SELECTOR && k->selector != NULL)
		endpoint_select(sc, o->meta.ns, &k->selector->labels, port, c);
	else if (k->external != NULL)
		endpoint_name(sc, k->external->hostname, port, c);
	return c;
}

/* NULL or why it cannot be spoken. */
static const char *
secure(struct scope *sc, struct r_xbackend *x, const struct k_xbackend *k)
{
	struct r_policy *p = &x->policy;
	struct m_uptls *m;

	if (k->tls == NULL || k->tls->mode == K_XB_NONE)
		return NULL;
	x->kind.tls = true;
	m = uptls_validated(sc, p, k->tls->validation);
	if (m == NULL)
		return p->why;
	if (k->tls->certificate != NULL) {
		m->cert = certificate_get(
		    sc, KIND_XBACKEND, p->obj->meta.ns, k->tls->certificate, &p->refs);
		if (m->cert == NULL) {
			p->reason = "Invalid";
			return p->refs.text->p;
		}
	}
	x->kind.clusters[0]->tls = m;
	return NULL;
}

static void
one(struct scope *sc, const struct object *o)
{
	const struct k_xbackend *k = o->spec;
	struct r_xbackend *x = arena_zalloc(sc->arena, sizeof(*x));
	struct r_backend_kind *b = &x->kind;

	x->policy.obj = b->obj = o;
	sc->slot[o->index] = x;
	b->clusters = arena_zalloc(sc->arena, sizeof(struct m_cluster *));
	b->clusters[b->nclusters++] = cluster(sc, o, k);
	b->raw = k->protocol == K_XB_TCP;
	if (k->protocol == K_XB_WSS)
		b->app = BYTES("wss");
	sc->quiet = o->stale;
	b->persistence = k->persistence;
	b->refused = secure(sc, x, k);
	sc->quiet = false;
	if (b->refused == NULL)
		cond_set(&x->policy.conds, COND_ACCEPTED, COND_TRUE, "Accepted", "accepted");
	else
		cond_set(&x->policy.conds, COND_ACCEPTED, COND_FALSE,
		    x->policy.reason != NULL ? x->policy.reason : "Invalid", b->refused);
}

void
xbackend_resolve(struct scope *sc)
{
	for (const struct object *o = sc->in.objects->first[KIND_XBACKEND]; o != NULL; o = o->next)
		one(sc, o);
}
