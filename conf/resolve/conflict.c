/*
 * conflict.c - listeners that cannot both be (reference/gateway-api.md 5.3): within one object all
 * of the conflicting ones lose; between a Gateway and its ListenerSets, and between Gateways on a
 * shared socket (socket.c), the first in precedence keeps the place. Also OverlappingTLSConfig.
 *
 * What can share a TCP port is a class: HTTP, TLS (HTTPS and TLS listeners; the ClientHello
 * decides), raw TCP. A map of (port, transport) and of (port, class, hostname) keeps it linear.
 */
#include "conf/resolve/conflict.h"

uint8_t
conflict_class(uint8_t protocol)
{
	switch (protocol) {
	case IM_HTTP:
		return 1;
	case IM_HTTPS:
	case IM_TLS:
		return 2;
	case IM_RAW_TCP:
		return 3;
	default:
		return 4;
	}
}

void
conflict_set(struct r_listener *l, const char *reason, const char *message)
{
	l->conflicted = true;
	l->accepted = false;
	cond_set(&l->conds, COND_ACCEPTED, COND_FALSE, reason, message);
	cond_set(&l->conds, COND_PROGRAMMED, COND_FALSE, reason, message);
	cond_set(&l->conds, COND_CONFLICTED, COND_TRUE, reason, message);
}

static struct bytes
port_key(struct keybuf *kb, const struct r_listener *l)
{
	uint8_t udp = conflict_class(l->protocol) == 4;
	uint16_t port = (uint16_t)l->k->port.v;

	return KEY(
	    kb, bytes_of((const char *)&port, sizeof(port)), bytes_of((const char *)&udp, 1));
}

static struct bytes
host_key(struct keybuf *kb, const struct r_listener *l)
{
	uint16_t port = (uint16_t)l->k->port.v;

	return KEY(kb, bytes_of((const char *)&port, sizeof(port)), BYTES("host"), l->hostname);
}

/* Why l cannot stand beside what was seen, or NULL. First: the first listener seen on that port or
 * name. */
static const char *
clash(const struct map *seen, struct r_listener *l, struct r_listener **first)
{
	struct keybuf kb;
	struct r_listener *port = map_get(seen, port_key(&kb, l)), *host;
	uint8_t class = conflict_class(l->protocol);

	if (port == NULL)
		return NULL;
	*first = port;
	if (conflict_class(port->protocol) != class || class >= 3)
		return "ProtocolConflict";
	host = map_get(seen, host_key(&kb, l));
	if (host == NULL)
		return NULL;
	*first = host;
	return "HostnameConflict";
}

static void
see(struct scope *sc, struct map *seen, struct r_listener *l)
{
	struct keybuf kb;
	struct bytes key = port_key(&kb, l);

	if (map_get(seen, key) == NULL)
		map_put(seen, arena_bytes(sc->arena, key), l);
	key = host_key(&kb, l);
	if (conflict_class(l->protocol) < 3 && map_get(seen, key) == NULL)
		map_put(seen, arena_bytes(sc->arena, key), l);
}

static const char *
message(struct scope *sc, const struct r_listener *l, const struct r_listener *other, bool same)
{
	if (!same) /* what a sibling contains is not ours to tell */
		return arena_printf(sc->arena, "port %u with this %s is taken",
		    (unsigned)l->k->port.v,
		    l->hostname.p != NULL ? "hostname" : "protocol and hostname");
	return arena_printf(sc->arena, "conflicts with listener %.*s on port %u",
	    BYTES_ARG(other->k->name), (unsigned)l->k->port.v);
}

/* What one object wants of a port. */
struct port {
	uint8_t classes; /* bits */
	struct r_listener *first, *second;
};

static struct port *
port_of(struct scope *sc, struct map *ports, const struct r_listener *l)
{
	struct keybuf kb;
	struct bytes key = port_key(&kb, l);
	struct port *p = map_get(ports, key);

	if (p == NULL) {
		p = arena_zalloc(sc->arena, sizeof(*p));
		map_put(ports, arena_bytes(sc->arena, key), p);
	}
	return p;
}

static bool
takes_part(const struct r_listener *l)
{
	return l->protocol != 0 && !l->conflicted;
}

static void
both(struct scope *sc, struct r_listener *a, struct r_listener *b, const char *reason)
{
	conflict_set(a, reason, message(sc, a, b, true));
	conflict_set(b, reason, message(sc, b, a, true));
}

/* All listeners of one object against each other: whoever clashes loses, and so does the one it
 * clashed with. */
static void
within(struct scope *sc, struct r_listener *v, uint32_t n)
{
	struct map ports, hosts;
	struct keybuf kb;

	map_init(&ports);
	map_init(&hosts);
	for (uint32_t i = 0; i < n; i++) {
		struct port *p = takes_part(&v[i]) ? port_of(sc, &ports, &v[i]) : NULL;

		if (p == NULL)
			continue;
		p->classes |= (uint8_t)(1u << conflict_class(v[i].protocol));
		if (p->first == NULL)
			p->first = &v[i];
		else if (p->second == NULL)
			p->second = &v[i];
	}
	for (uint32_t i = 0; i < n; i++) {
		struct r_listener *l = &v[i], *host;
		struct port *p;

		if (!takes_part(l) || (p = port_of(sc, &ports, l))->second == NULL)
			continue;
		host = map_get(&hosts, host_key(&kb, l));
		if ((p->classes & (p->classes - 1)) != 0 || conflict_class(l->protocol) >= 3) {
			struct r_listener *o = l == p->first ? p->second : p->first;

			conflict_set(l, "ProtocolConflict", message(sc, l, o, true));
		} else if (host != NULL) {
			both(sc, l, host, "HostnameConflict");
		} else {
			map_put(&hosts, arena_bytes(sc->arena, host_key(&kb, l)), l);
		}
	}
	map_release(&ports);
	map_release(&hosts);
}

/* Those that meet an object of higher precedence lose. */
static void
against(struct scope *sc, struct map *seen, struct r_listener *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct r_listener *first = NULL;
		const char *reason = takes_part(&v[i]) ? clash(seen, &v[i], &first) : NULL;

		if (reason != NULL)
			conflict_set(&v[i], reason, message(sc, &v[i], first, false));
	}
}

static void
see_all(struct scope *sc, struct map *seen, struct r_listener *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (takes_part(&v[i]) && v[i].accepted)
			see(sc, seen, &v[i]);
}

static void
overlap_set(struct scope *sc, struct map *names, struct r_listener *l)
{
	struct bytes h = l->hostname;
	uint16_t port = (uint16_t)l->k->port.v;
	struct keybuf kb;

	/* Its own wildcard parents, and "any": each step one label shorter. */
	for (;;) {
		struct bytes part = bytes_of((const char *)&port, sizeof(port));
		struct r_listener *other = map_get(names, KEY(&kb, part, h));

		if (other != NULL && other != l) {
			cond_set(&l->conds, COND_OVERLAPPING, COND_TRUE, "OverlappingHostnames",
			    "another listener of this port has an overlapping hostname");
			cond_set(&other->conds, COND_OVERLAPPING, COND_TRUE, "OverlappingHostnames",
			    "another listener of this port has an overlapping hostname");
		}
		if (h.n == 0)
			return;
		if (h.p[0] == '*' && h.n > 2)
			h = bytes_of(h.p + 2, h.n - 2);
		ptrdiff_t dot = bytes_chr(h, '.', 0);
		h = dot < 0 ? BYTES("") :
			      bytes_str(arena_printf(
				  sc->arena, "*%.*s", (int)(h.n - (size_t)dot), h.p + dot));
	}
}

/* Name -> listener over all TLS listeners, then each looks for what covers it. */
static void
overlaps(struct scope *sc, struct r_gateway *gw)
{
	struct map names;
	struct keybuf kb;

	map_init(&names);
	for (int round = 0; round < 2; round++)
		for (size_t s = 0; s <= gw->nsets; s++) {
			struct r_listener *v = s == 0 ? gw->own : gw->sets[s - 1]->own;
			uint32_t n = s == 0 ? gw->nown : gw->sets[s - 1]->nown;

			for (uint32_t i = 0; i < n; i++) {
				uint16_t port = (uint16_t)v[i].k->port.v;
				struct bytes key = KEY(&kb,
				    bytes_of((const char *)&port, sizeof(port)), v[i].hostname);

				if (!v[i].accepted || conflict_class(v[i].protocol) != 2)
					continue;
				if (round == 1)
					overlap_set(sc, &names, &v[i]);
				else if (map_get(&names, key) == NULL)
					map_put(&names, arena_bytes(sc->arena, key), &v[i]);
			}
		}
	map_release(&names);
}

void
listener_conflicts(struct scope *sc, struct r_gateway *gw)
{
	struct map seen;

	map_init(&seen);
	within(sc, gw->own, gw->nown);
	see_all(sc, &seen, gw->own, gw->nown);
	for (size_t i = 0; i < gw->nsets; i++) {
		struct r_set *set = gw->sets[i];

		against(sc, &seen, set->own, set->nown);
		within(sc, set->own, set->nown);
		see_all(sc, &seen, set->own, set->nown);
		listenerset_accept(set);
	}
	map_release(&seen);
	overlaps(sc, gw);
}
