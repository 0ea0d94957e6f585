/*
 * proxy.c - which sockets begin with a PROXY header. It stands before TLS and before any host name,
 * so it cannot be a listener's own affair: if one listener of a socket asks for it, the socket has
 * it, and it may only be left out if nobody insists. The policy that said it is told for which
 * other listeners it decided, or that it was overruled. (Refusing such ports as a conflict was
 * rejected: behind one load balancer all of a port's connections do begin with it, and one policy
 * on the Gateway is how people say so.)
 */
#include "conf/resolve/traffic.h"

static const struct m_client *
asks(const struct r_listener *l)
{
	return l->client != NULL && l->client->rec.proxy_protocol ? l->client : NULL;
}

static const char *
called(struct scope *sc, const struct r_listener *l)
{
	const struct object *o = l->set != NULL ? l->set->obj : l->gw->obj;

	return arena_printf(sc->arena, "%.*s/%.*s/%.*s", BYTES_ARG(o->meta.ns),
	    BYTES_ARG(o->meta.name), BYTES_ARG(l->k->name));
}

/* What p says decides for those without a word of their own, or is overruled. */
static void
tell(struct scope *sc, const struct r_socket *s, const struct r_listener *l)
{
	struct t_words others = {0}, strict = {0};
	struct t_policy *p = l->client_of;

	for (size_t i = 0; i < s->n; i++) {
		const struct r_listener *o = s->listeners[i];

		if (asks(o) == NULL && o != l)
			words_add(sc, &others, bytes_str(called(sc, o)));
		else if (o != l && !asks(o)->rec.proxy_optional)
			words_add(sc, &strict, bytes_str(called(sc, o)));
	}
	if (others.n != 0)
		words_addf(sc, &p->notes,
		    "spec.proxyProtocol holds for the whole port %u: also for %s", s->key.addr.port,
		    words_join(sc, &others, " "));
	if (strict.n != 0 && asks(l)->rec.proxy_optional)
		words_addf(sc, &p->notes,
		    "spec.proxyProtocol.optional has no effect on port %u: %s insists on it",
		    s->key.addr.port, words_join(sc, &strict, " "));
}

void
proxy_resolve(struct scope *sc)
{
	for (size_t i = 0; i < sc->nsockets; i++) {
		struct r_socket *s = sc->sockets[i];

		for (size_t k = 0; k < s->n && s->key.transport == IM_TCP; k++) {
			const struct m_client *c = asks(s->listeners[k]);

			if (c == NULL)
				continue;
			if (s->proxy != IM_PROXY_REQUIRED)
				s->proxy = c->rec.proxy_optional ? IM_PROXY_OPTIONAL :
								   IM_PROXY_REQUIRED;
			tell(sc, s, s->listeners[k]);
		}
	}
}
