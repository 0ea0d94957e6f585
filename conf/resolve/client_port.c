/*
 * client_port.c - where a ClientTrafficPolicy cannot hold on one listener alone (reference/
 * policies.md 8): clear-text listeners of one socket share its connections, so a policy on one of
 * them would decide for the others; and a default host for HTTP/1.0 must be one. Such a listener
 * answers 500, and the policy is Invalid at that target; its other targets are not affected.
 * (Proposed and rejected: letting such a policy apply per request and leaving out what belongs to
 * connections. Half a policy is a surprise, and the manifests are made for this rule.)
 */
#include "conf/resolve/traffic.h"

#define NAMED 64 /* in a message */

static struct k_parent_ref
target(const struct r_listener *l)
{
	const struct object *o =
	    l->set != NULL && l->client_level != CLIENT_OF_GATEWAY ? l->set->obj : l->gw->obj;

	return traffic_ref(o, l->client_level == CLIENT_OF_SECTION ? l->k->name : BYTES(""));
}

void
client_fault(struct scope *sc, struct r_listener *l, const char *text)
{
	struct k_parent_ref ref = target(l);
	struct t_ancestor *a = traffic_ancestor(sc, l->client_of, &ref, true);

	cond_set(&a->conds, COND_ACCEPTED, COND_FALSE, "Invalid", text);
	l->client = NULL;
	l->client_invalid = true;
}

/* "ns/gateway/listener", "ns/gateway/ns/set/listener" */
static const char *
called(struct scope *sc, const struct r_listener *l)
{
	const struct k_meta *g = &l->gw->obj->meta, *s = l->set ? &l->set->obj->meta : NULL;

	if (s == NULL)
		return arena_printf(sc->arena, "%.*s/%.*s/%.*s", BYTES_ARG(g->ns),
		    BYTES_ARG(g->name), BYTES_ARG(l->k->name));
	return arena_printf(sc->arena, "%.*s/%.*s/%.*s/%.*s/%.*s", BYTES_ARG(g->ns),
	    BYTES_ARG(g->name), BYTES_ARG(s->ns), BYTES_ARG(s->name), BYTES_ARG(l->k->name));
}

/* Is the other one under the same target of the same policy? */
static bool
together(const struct r_listener *l, const struct r_listener *o)
{
	switch ((enum client_level)l->client_level) {
	case CLIENT_OF_GATEWAY:
		return l->gw == o->gw;
	case CLIENT_OF_SET:
		return l->set == o->set;
	case CLIENT_OF_SECTION:
		break;
	}
	return l == o;
}

/* NULL: nobody else's listener shares the socket. */
static const char *
others(struct scope *sc, const struct r_socket *s, const struct r_listener *l)
{
	struct t_words w = {0};

	for (size_t i = 0; i < s->n && w.n < NAMED; i++)
		if (s->listeners[i]->protocol == IM_HTTP && !together(l, s->listeners[i]))
			words_add(sc, &w, bytes_str(called(sc, s->listeners[i])));
	if (w.n == 0)
		return NULL;
	return arena_printf(sc->arena, "ClientTrafficPolicy is being applied to multiple http "
	    "(non https) listeners (%s) on the same port, which is not allowed.",
	    words_join(sc, &w, ", "));
}

static void
judge(struct scope *sc, const struct r_socket *s)
{
	const struct r_listener *last = NULL;
	const char *text = NULL;

	for (size_t i = 0; i < s->n; i++) {
		struct r_listener *l = s->listeners[i];

		if (l->protocol != IM_HTTP || l->client_of == NULL || l->client_invalid)
			continue;
		/* Neighbours mostly have the same target: one look for all of them. */
		if (last == NULL || last->client_of != l->client_of ||
		    last->client_level != l->client_level || !together(last, l))
			text = others(sc, s, l);
		last = l;
		if (text != NULL)
			client_fault(sc, l, text);
	}
}

void
client_ports(struct scope *sc)
{
	for (size_t i = 0; i < sc->nsockets; i++)
		if (sc->sockets[i]->key.transport == IM_TCP && sc->sockets[i]->n > 1)
			judge(sc, sc->sockets[i]);
}

/* ---- HTTP/1.0 */

static bool
concrete(struct bytes host)
{
	return host.n != 0 && host.p[0] != '*';
}

/* The only concrete host of its routes; *many: there are more. */
static struct bytes
route_host(const struct r_listener *l, bool *many)
{
	struct bytes found = BYTES_NONE;

	*many = false;
	for (size_t i = 0; i < l->nattach; i++)
		for (uint32_t k = 0; k < l->attach[i].nhostnames; k++) {
			struct bytes host = l->attach[i].hostnames[k];

			if (!concrete(host))
				continue;
			*many = *many || (found.n != 0 && !bytes_eq(found, host));
			found = host;
		}
	return found;
}

void
client_host(struct scope *sc, struct r_listener *l)
{
	struct bytes host = l->hostname;
	struct m_client *own;
	bool many = false;

	if (l->client == NULL || !l->client->default_host)
		return;
	if (!concrete(host))
		host = route_host(l, &many);
	if (many || host.n == 0) {
		client_fault(sc, l, many ?
			"HTTP1: cannot set http10 default host on listener with only wildcard "
			"hostnames and more than one possible default route." :
			"HTTP1: cannot set http10 default host on listener with only wildcard "
			"hostnames.");
		return;
	}
	own = arena_alloc(sc->arena, sizeof(*own));
	*own = *l->client;
	own->http10_host = host;
	l->client = own;
}
