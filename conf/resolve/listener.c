/*
 * listener.c - one listener on its own: protocol, route kinds, references
 * (reference/gateway-api.md 5.3). Conflicts between listeners are conflict.c, sockets are socket.c;
 * the conditions that need both are set at the end.
 */
#include <errno.h>

#include "base/pem.h"
#include "conf/resolve/certificate.h"
#include "conf/resolve/routekind.h"

static const struct protocol {
	const char *name;
	uint8_t protocol, kinds[2];
	const char *unserved;
} PROTOCOLS[] = {
    {"HTTP", IM_HTTP, {IM_HTTPROUTE, IM_GRPCROUTE}, NULL},
    {"HTTPS", IM_HTTPS, {IM_HTTPROUTE, IM_GRPCROUTE}, NULL},
    {"TLS", IM_TLS, {IM_TLSROUTE, 0}, NULL},
    {"TCP", IM_RAW_TCP, {IM_TCPROUTE, 0}, NULL},
    {"UDP", IM_RAW_UDP, {IM_UDPROUTE, 0}, NULL},
};

static bool
has_kind(const struct r_listener *l, uint8_t kind)
{
	for (unsigned i = 0; i < l->nkinds; i++)
		if (l->kinds[i] == kind)
			return true;
	return false;
}

static void
set_kinds(struct scope *sc, struct r_listener *l, const struct protocol *p)
{
	const struct k_allowed_routes *a = l->k->allowed;

	if (a == NULL || a->kinds.n == 0) {
		for (unsigned i = 0; i < HG_ARRAY_LEN(p->kinds) && p->kinds[i] != 0; i++)
			l->kinds[l->nkinds++] = p->kinds[i];
		return;
	}
	for (uint32_t i = 0; i < a->kinds.n; i++) {
		const struct k_route_kind *k = &a->kinds.v[i];
		uint8_t kind = routekind_parse(k->group, k->kind);

		if (kind == 0 || (kind != p->kinds[0] && kind != p->kinds[1])) {
			fault_add(sc, &l->refs, REF_OK, k->node,
			    "allowedRoutes.kinds[%u]: %.*s cannot attach to protocol %s", i,
			    BYTES_ARG(k->kind), p->name);
			if (l->refs_reason == NULL)
				l->refs_reason = "InvalidRouteKinds";
		} else if (!has_kind(l, kind)) {
			l->kinds[l->nkinds++] = kind;
		}
	}
}

static void
refuse(struct r_listener *l, const char *reason, const char *message)
{
	l->accepted = false;
	cond_set(&l->conds, COND_ACCEPTED, COND_FALSE, reason, message);
}

static const struct k_frontend_validation *
frontend(const struct r_listener *l)
{
	const struct k_gateway_tls *tls = l->gw->k->tls;
	const struct k_gateway_frontend *f = tls == NULL ? NULL : tls->frontend;

	if (f == NULL || l->protocol != IM_HTTPS)
		return NULL;
	for (uint32_t i = 0; i < f->ports.n; i++)
		if (f->ports.v[i].port.v == l->k->port.v)
			return f->ports.v[i].tls == NULL ? NULL : f->ports.v[i].tls->validation;
	return f->def == NULL ? NULL : f->def->validation;
}

static void
check_cas(struct scope *sc, struct r_listener *l)
{
	const struct k_frontend_validation *v = frontend(l);
	struct faults f = {REF_OK, l->refs.text};
	struct cas cas = {0};
	uint32_t good = 0;

	if (v == NULL)
		return;
	for (uint32_t i = 0; i < v->cas.n; i++)
		good += ca_get(sc, KIND_GATEWAY, l->gw->obj->meta.ns, &v->cas.v[i], &f, &cas);
	if (l->tls != NULL) {
		l->tls->cas = cas.v;
		l->tls->ncas = (uint32_t)cas.n;
		l->tls->client =
		    v->mode == K_INSECURE_FALLBACK ? IM_CA_REQUEST : IM_CA_REQUIRE;
	}
	l->refs.text = f.text;
	if (f.worst == REF_NOT_PERMITTED)
		l->refs_reason = "RefNotPermitted";
	else if (f.worst != REF_OK &&
	    (l->refs_reason == NULL || strcmp(l->refs_reason, "InvalidRouteKinds") == 0))
		l->refs_reason =
		    f.worst == REF_KIND ? "InvalidCACertificateKind" : "InvalidCACertificateRef";
	if (good == 0) { /* never without the validation that was asked for */
		l->blocked = true;
		refuse(l, "NoValidCACertificate",
		    "no CA certificate of spec.tls.frontend can be used");
	}
}

static void
check_tls(struct scope *sc, struct r_listener *l)
{
	const struct k_listener_tls *tls = l->k->tls;
	struct faults f = {REF_OK, l->refs.text};
	enum kind_id from = l->set == NULL ? KIND_GATEWAY : KIND_LISTENERSET;

	if (l->protocol != IM_HTTPS && l->protocol != IM_TLS)
		return;
	if (tls == NULL || (tls->mode != K_TLS_PASSTHROUGH && tls->certificates.n == 0)) {
		l->blocked = true;
		return;
	}
	if (tls->mode == K_TLS_PASSTHROUGH)
		return;
	l->tls = arena_zalloc(sc->arena, sizeof(*l->tls));
	*l->tls = (struct m_tls){.tickets = true};
	if (l->protocol == IM_HTTPS) /* what stands behind a TLSRoute is not known */
		l->tls->alpn = BYTES("\x02h2\x08http/1.1");
	l->tls->certs =
	    arena_alloc(sc->arena, (tls->certificates.n + 1) * sizeof(struct m_cert *));
	for (uint32_t i = 0; i < tls->certificates.n; i++) {
		struct m_cert *c =
		    certificate_get(sc, from, l->owner_ns, &tls->certificates.v[i], &f);

		if (c != NULL)
			l->tls->certs[l->tls->ncerts++] = c;
		else
			l->blocked = true;
	}
	l->refs.text = f.text;
	if (f.worst != REF_OK)
		l->refs_reason =
		    f.worst == REF_NOT_PERMITTED ? "RefNotPermitted" : "InvalidCertificateRef";
}

/* Whose sessions may be resumed: this listener's. The build adds its settings. */
static void
identify(struct r_listener *l)
{
	const struct object *owner = l->set == NULL ? l->gw->obj : l->set->obj;
	struct bytes v[] = {bytes_str(owner->kind->name), owner->meta.ns, owner->meta.name,
	    l->k->name};

	pem_digest(l->tls->id, v, HG_ARRAY_LEN(v));
}

static void
one(struct scope *sc, struct r_listener *l)
{
	const struct protocol *p = NULL;

	for (unsigned i = 0; i < HG_ARRAY_LEN(PROTOCOLS); i++)
		if (bytes_eq(l->k->protocol, bytes_str(PROTOCOLS[i].name)))
			p = &PROTOCOLS[i];
	l->accepted = true;
	cond_set(&l->conds, COND_ACCEPTED, COND_TRUE, "Accepted", "accepted");
	if (p == NULL) {
		refuse(l, "UnsupportedProtocol",
		    arena_printf(
			sc->arena, "protocol %.*s is not supported", BYTES_ARG(l->k->protocol)));
		return;
	}
	l->protocol = p->protocol;
	l->unserved = p->unserved;
	set_kinds(sc, l, p);
	check_tls(sc, l);
	check_cas(sc, l);
	if (l->tls != NULL)
		identify(l);
	l->shadow = l->blocked && (l->protocol == IM_HTTPS || l->protocol == IM_TLS);
	if (l->k->filters != NULL && l->k->filters->requests.n != 0)
		refuse(l, "UnsupportedValue",
		    "filters.requests: listener filters are not served by this version");
}

void
listener_resolve(struct scope *sc, struct r_gateway *gw, struct r_set *set)
{
	uint32_t n = set == NULL ? gw->k->listeners.n : set->k->listeners.n;
	const struct k_listener *v = set == NULL ? gw->k->listeners.v : set->k->listeners.v;
	struct r_listener *out = arena_zalloc(sc->arena, (n + 1) * sizeof(*out));

	sc->quiet = set == NULL ? gw->obj->stale : set->obj->stale;
	for (uint32_t i = 0; i < n; i++) {
		struct r_listener *l = &out[i];

		l->k = &v[i];
		l->gw = gw;
		l->set = set;
		l->owner_ns = set == NULL ? gw->obj->meta.ns : set->obj->meta.ns;
		l->hostname = v[i].hostname.n != 0 ? v[i].hostname : BYTES_NONE;
		one(sc, l);
	}
	sc->quiet = false;
	if (set == NULL) {
		gw->own = out;
		gw->nown = n;
	} else {
		set->own = out;
		set->nown = n;
	}
}

static void
set_refs(struct r_listener *l)
{
	if (l->refs_reason == NULL)
		cond_set(&l->conds, COND_RESOLVED, COND_TRUE, "ResolvedRefs",
		    "all references are resolved");
	else
		cond_set(&l->conds, COND_RESOLVED, COND_FALSE, l->refs_reason, l->refs.text->p);
}

static const char *
bind_text(struct scope *sc, const struct r_listener *l)
{
	char text[160];

	return arena_printf(sc->arena, "port %u cannot be bound: %s", (unsigned)l->k->port.v,
	    strerror_r(l->error, text, sizeof(text)));
}

void
listener_programmed(struct scope *sc, struct r_listener *l)
{
	set_refs(l);
	if (l->conflicted) /* conflict.c and socket.c said it all */
		return;
	if (!l->accepted)
		cond_set(&l->conds, COND_PROGRAMMED, COND_FALSE, "Invalid",
		    "the listener is not accepted");
	else if (l->set != NULL && !l->set->allowed)
		cond_set(&l->conds, COND_PROGRAMMED, COND_FALSE, "Invalid",
		    "the ListenerSet is not allowed");
	else if (!l->gw->accepted)
		cond_set(&l->conds, COND_PROGRAMMED, COND_FALSE, "Invalid",
		    "the Gateway is not accepted");
	else if (l->blocked && l->refs_reason == NULL)
		cond_set(&l->conds, COND_PROGRAMMED, COND_FALSE, "InvalidTLSConfig",
		    "tls has no certificate");
	else if (l->blocked)
		cond_set(&l->conds, COND_PROGRAMMED, COND_FALSE, "Invalid", l->refs.text->p);
	else if (l->unserved != NULL)
		cond_set(&l->conds, COND_PROGRAMMED, COND_FALSE, "Pending", l->unserved);
	else if (l->error != 0)
		cond_set(
		    &l->conds, COND_PROGRAMMED, COND_FALSE, "PortUnavailable", bind_text(sc, l));
	else if (l->nbound == 0)
		cond_set(
		    &l->conds, COND_PROGRAMMED, COND_FALSE, "Invalid", "no address can be used");
	else
		cond_set(&l->conds, COND_PROGRAMMED, COND_TRUE, "Programmed", "programmed");
}
