/*
 * socket.c - gateway addresses times listener ports: which sockets there are, who shares them, and
 * what becomes of listeners once the master has tried to bind (DESIGN sections 3 and 5). Gateways
 * that meet on one address and port share the socket and hostnames decide; the older one keeps a
 * name that both want.
 *
 * "All addresses" and one of the node's own are two sockets: the kernel prefers the exact one, so
 * they are not a conflict. A socket that failed is left out of the image: the master retries, and
 * success is a reload.
 */
#include <errno.h>

#include "base/mem.h"
#include "conf/resolve/conflict.h"

static struct bytes
socket_key(struct keybuf *kb, const struct addr *a, uint16_t port, uint8_t transport)
{
	return KEY(kb, bytes_of((const char *)a->ip, a->family == 4 ? 4 : 16),
	    bytes_of((const char *)&port, sizeof(port)), bytes_of((const char *)&transport, 1));
}

static struct bytes
name_key(struct keybuf *kb, const struct r_socket *s, struct bytes hostname)
{
	return KEY(kb, bytes_of((const char *)&s, sizeof(s)), hostname);
}

static struct r_socket *
get(struct scope *sc, const struct addr *a, const struct r_listener *l)
{
	uint8_t transport = l->protocol == IM_RAW_UDP ? IM_UDP : IM_TCP;
	struct keybuf kb;
	struct bytes key = socket_key(&kb, a, (uint16_t)l->k->port.v, transport);
	struct r_socket *s = map_get(&sc->by_socket, key);

	if (s != NULL)
		return s;
	s = arena_zalloc(sc->arena, sizeof(*s));
	s->key.addr = *a;
	s->key.addr.port = (uint16_t)l->k->port.v;
	s->key.transport = transport;
	s->class = conflict_class(l->protocol);
	map_put(&sc->by_socket, arena_bytes(sc->arena, key), s);
	sc->sockets =
	    mem_grow(sc->sockets, &sc->socketcap, sc->nsockets, sizeof(struct r_socket *));
	sc->sockets[sc->nsockets++] = s;
	return s;
}

static const char *
clash(struct scope *sc, const struct r_listener *l)
{
	for (uint32_t i = 0; i < l->gw->naddrs; i++) {
		struct keybuf kb;
		uint8_t transport = l->protocol == IM_RAW_UDP ? IM_UDP : IM_TCP;
		const struct r_socket *s = map_get(&sc->by_socket,
		    socket_key(&kb, &l->gw->addrs[i].addr, (uint16_t)l->k->port.v, transport));

		if (s == NULL)
			continue;
		if (s->class != conflict_class(l->protocol) || s->class >= 3)
			return "ProtocolConflict";
		if (map_get(&sc->by_hostname, name_key(&kb, s, l->hostname)) != NULL)
			return "HostnameConflict";
	}
	return NULL;
}

static void
place(struct scope *sc, struct r_listener *l)
{
	const char *reason;

	if ((!l->accepted && !l->shadow) || l->conflicted || l->protocol == 0)
		return;
	reason = clash(sc, l);
	if (reason != NULL) {
		conflict_set(l, reason,
		    arena_printf(sc->arena, "port %u on this address%s is taken by %s",
			(unsigned)l->k->port.v,
			l->hostname.p != NULL ? " with this hostname" : "",
			l->gw->service == NULL ? "an older Gateway" :
						 "a Gateway or an older Service"));
		return;
	}
	for (uint32_t i = 0; i < l->gw->naddrs; i++) {
		struct r_socket *s = get(sc, &l->gw->addrs[i].addr, l);
		struct keybuf kb;

		map_put(&sc->by_hostname, arena_bytes(sc->arena, name_key(&kb, s, l->hostname)), l);
		if (s->n == s->cap) {
			s->listeners = arena_grow(
			    sc->arena, s->listeners, &s->cap, s->n, sizeof(struct r_listener *));
			s->addrs = arena_grow(
			    sc->arena, s->addrs, &s->acap, s->n, sizeof(struct r_address *));
		}
		s->listeners[s->n] = l;
		s->addrs[s->n++] = &l->gw->addrs[i];
		s->served += l->unserved == NULL && !l->blocked;
	}
}

static int
by_addr(const void *a, const void *b)
{
	const struct r_socket *const *x = a, *const *y = b;
	int c = addr_cmp(&(*x)->key.addr, &(*y)->key.addr);

	return c != 0 ? c : (int)(*x)->key.transport - (int)(*y)->key.transport;
}

static void
number(struct scope *sc, struct r_socket *s)
{
	char text[56];

	addr_print(&s->key.addr, text);
	s->key.id = ids_get(sc->ids, CAT_ID_SOCKET, bytes_str(arena_printf(sc->arena, "%s %s",
	    s->key.transport == IM_UDP ? "udp" : "tcp", text)));
}

void
socket_resolve(struct scope *sc)
{
	for (uint32_t i = 0; i < sc->ngateways; i++) {
		struct r_gateway *gw = sc->gateways[i];

		if (!gw->accepted)
			continue;
		for (uint32_t j = 0; j < gw->nown; j++)
			place(sc, &gw->own[j]);
		for (size_t j = 0; j < gw->nsets; j++) {
			for (uint32_t m = 0; m < gw->sets[j]->nown; m++)
				place(sc, &gw->sets[j]->own[m]);
			listenerset_accept(gw->sets[j]);
		}
	}
	if (sc->nsockets == 0)
		return;
	qsort(sc->sockets, sc->nsockets, sizeof(struct r_socket *), by_addr);
	sc->keys = arena_zalloc(sc->arena, sc->nsockets * sizeof(*sc->keys));
	sc->bind = arena_zalloc(sc->arena, sc->nsockets * sizeof(struct r_socket *));
	for (size_t i = 0; i < sc->nsockets; i++) {
		if (sc->sockets[i]->served == 0)
			continue;
		number(sc, sc->sockets[i]);
		sc->keys[sc->nbind] = sc->sockets[i]->key;
		sc->bind[sc->nbind++] = sc->sockets[i];
	}
}

static void
answer(struct r_socket *s, int error)
{
	bool absent = error == EADDRNOTAVAIL || error == EAFNOSUPPORT;

	s->error = error;
	for (size_t i = 0; i < s->n; i++) {
		struct r_listener *l = s->listeners[i];
		struct r_address *a = s->addrs[i];

		a->tried++;
		a->bound += error == 0;
		a->absent += absent;
		if (l->unserved != NULL || (l->blocked && !l->shadow))
			continue;
		l->nsockets++;
		l->nbound += error == 0;
		if (error != 0 && !absent)
			l->error = error;
	}
}

void
socket_bound(struct scope *sc, const int32_t *err)
{
	for (uint32_t i = 0; i < sc->nbind; i++) {
		struct r_socket *s = sc->bind[i];
		int error = err == NULL ? 0 : err[i];

		if (err == NULL &&
		    s->addrs[0]->elsewhere) /* offline nothing is bound, but that was seen */
			error = EADDRNOTAVAIL;
		answer(s, error);
	}
}
