/*
 * address.c - which addresses a Gateway listens on (reference/gateway-api.md 5.18,
 * gateway-api-1.7.md "Routability", DESIGN "Addresses"): those it asks for, one of its own from
 * `address_pool` (LoadBalancers too), else the node's `addresses`, else all. Pool
 * addresses are remembered, also for a while after their Gateway is gone, so that a Gateway that
 * comes back finds its own and a new one gets none that clients may still have in a cache.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "conf/resolve/service.h"

#define POOL_GONE_KEEP 1024

struct pool {
	struct cidr cidr;
	struct map taken, names; /* address -> anything; gateway -> cat_address + 1 */
	uint64_t next;
};

static struct bytes
addr_key(const struct addr *a)
{
	return bytes_of((const char *)a->ip, a->family == 4 ? 4 : 16);
}

static void
remember(struct scope *sc, struct bytes name, const struct addr *addr, uint32_t gone)
{
	sc->pool = mem_grow(sc->pool, &sc->poolcap, sc->npool, sizeof(*sc->pool));
	sc->pool[sc->npool] = (struct cat_address){.addr = *addr, .gone = gone};
	sc->poolnames =
	    mem_grow(sc->poolnames, &sc->poolnamecap, sc->npool, sizeof(*sc->poolnames));
	sc->poolnames[sc->npool++] = name;
}

static void
pool_take(struct scope *sc, struct pool *p, const struct addr *a)
{
	if (map_get(&p->taken, addr_key(a)) == NULL)
		map_put(&p->taken, arena_bytes(sc->arena, addr_key(a)), p);
}

/* Old assignments whose Gateway is still there keep their address; the others are only avoided. */
static void
pool_load(struct scope *sc, struct pool *p)
{
	const struct catalogue *old = sc->in.old;

	for (uint32_t i = 0; old != NULL && i < old->n_addresses; i++) {
		const struct cat_address *c = &old->addresses[i];

		if (!cidr_has(&p->cidr, &c->addr))
			continue;
		map_put(&p->names, blob_text(&old->blob, c->gateway), (void *)(uintptr_t)(i + 1));
		pool_take(sc, p, &c->addr);
	}
	for (uint32_t i = 0; i < sc->ngateways; i++) {
		const struct k_gateway *k = sc->gateways[i]->k;
		struct addr a;

		for (uint32_t j = 0; j < k->addresses.n; j++)
			if (k->addresses.v[j].value.p != NULL &&
			    addr_parse_ip(k->addresses.v[j].value, &a))
				pool_take(sc, p, &a);
	}
}

static bool
edge(const struct pool *p, uint64_t n)
{
	unsigned width = p->cidr.base.family == 4 ? 32 : 128;

	if (width - p->cidr.bits < 2)
		return false;
	return n == 0 || (width == 32 && n == (1ull << (width - p->cidr.bits)) - 1);
}

static bool
pool_fresh(struct scope *sc, struct pool *p, struct addr *out)
{
	for (;; p->next++) {
		if (!cidr_nth(&p->cidr, p->next, out))
			return false;
		if (!edge(p, p->next) && map_get(&p->taken, addr_key(out)) == NULL) {
			pool_take(sc, p, out);
			return true;
		}
	}
}

/* The pool is used up: forget Gateways that are gone, oldest catalogue rows first. */
static bool
pool_reuse(struct scope *sc, struct pool *p, struct addr *out)
{
	const struct catalogue *old = sc->in.old;

	for (uint32_t i = 0; old != NULL && i < old->n_addresses; i++) {
		const struct cat_address *c = &old->addresses[i];
		struct bytes name = blob_text(&old->blob, c->gateway);

		if (c->gone == 0 || map_get(&p->names, name) != (void *)(uintptr_t)(i + 1))
			continue;
		*out = c->addr;
		map_put(&p->names, name, p); /* not for itself any more */
		return true;
	}
	return false;
}

static bool
pool_get(
    struct scope *sc, struct pool *p, const struct r_gateway *gw, unsigned nth, struct addr *out)
{
	const struct object *o = gw->obj;
	struct bytes name = bytes_str(arena_printf(sc->arena, nth == 0 ? "%s%.*s/%.*s" :
		"%s%.*s/%.*s#%u", gw->service != NULL ? "Service " : "", BYTES_ARG(o->meta.ns),
	    BYTES_ARG(o->meta.name), nth));
	uintptr_t i = (uintptr_t)map_get(&p->names, name);

	if (i != 0 && i <= sc->in.old->n_addresses)
		*out = sc->in.old->addresses[i - 1].addr;
	else if (!pool_fresh(sc, p, out) && !pool_reuse(sc, p, out))
		return false;
	map_put(&p->names, name, p);
	remember(sc, name, out, 0);
	return true;
}

/* Only the offline verbs may open a socket; the compiler child is jailed and asks the master. */
static bool
local(const struct scope *sc, const struct addr *a)
{
	struct sockaddr_storage ss;
	struct addr probe = *a;
	int fd, r;

	if (!sc->in.offline)
		return true;
	probe.port = 0;
	fd = socket(a->family == 4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return true;
	r = bind(fd, (struct sockaddr *)&ss, addr_to_sock(&probe, &ss));
	r = r == 0 ? 0 : errno;
	close(fd);
	return r != EADDRNOTAVAIL;
}

static void
add(const struct scope *sc, struct r_gateway *gw, const struct addr *a, bool implied, bool is_asked)
{
	struct r_address *r;

	for (uint32_t i = 0; i < gw->naddrs; i++)
		if (addr_eq_ip(&gw->addrs[i].addr, a))
			return;
	r = &gw->addrs[gw->naddrs++];
	*r = (struct r_address){
	    .addr = *a, .implied = implied, .elsewhere = is_asked && !local(sc, a)};
}

static void
node_addresses(struct scope *sc, struct r_gateway *gw)
{
	const struct k_headgate *conf = sc->in.conf;
	struct addr a;

	for (uint32_t i = 0; i < conf->addresses.n; i++)
		if (addr_parse_ip(conf->addresses.v[i], &a))
			add(sc, gw, &a, false, false);
	if (conf->addresses.n != 0)
		return;
	a = (struct addr){.family = 4};
	add(sc, gw, &a, true, false);
	a.family = 6;
	add(sc, gw, &a, true, false);
}

static void
assign(struct scope *sc, struct pool *p, struct r_gateway *gw, unsigned nth)
{
	struct addr a;

	if (p == NULL)
		node_addresses(sc, gw);
	else if (pool_get(sc, p, gw, nth, &a))
		add(sc, gw, &a, false, false);
	else
		gw->unmet = "address_pool has no address left";
}

static void
asked(struct scope *sc, struct pool *p, struct r_gateway *gw, uint32_t i, unsigned *nth)
{
	const struct k_gateway_address *k = &gw->k->addresses.v[i];
	struct addr a;

	if (k->type.n != 0 && !bytes_eq(k->type, BYTES("IPAddress"))) {
		if (gw->refused == NULL) {
			gw->refused = "UnsupportedAddress";
			gw->why = arena_printf(sc->arena,
			    "spec.addresses[%u].type %.*s is not supported, only "
			    "IPAddress is",
			    i, BYTES_ARG(k->type));
		}
	} else if (k->routability.n != 0) {
		gw->unmet =
		    arena_printf(sc->arena, "spec.addresses[%u].routability %.*s cannot be met", i,
			BYTES_ARG(k->routability));
	} else if (k->value.n == 0) {
		assign(sc, p, gw, (*nth)++);
	} else if (addr_parse_ip(k->value, &a)) {
		add(sc, gw, &a, false, true);
	} else if (gw->refused == NULL) {
		gw->refused = "UnsupportedAddress";
		gw->why = arena_printf(sc->arena,
		    "spec.addresses[%u].value %.*s is not an IP address", i, BYTES_ARG(k->value));
	}
}

/* Node ports are open on the node, whatever the pool; so are load balancers where `addresses` says
 * which those are (issue 6: loadBalancerIP or the node's addresses). */
static bool
is_node(const struct scope *sc, const struct r_gateway *gw)
{
	return gw->service != NULL &&
	    (gw == gw->service->gw[0] || sc->in.conf->addresses.n != 0);
}

static void
one(struct scope *sc, struct pool *p, struct r_gateway *gw)
{
	unsigned nth = 0;
	bool some = false;

	gw->addrs = arena_zalloc(sc->arena,
	    (gw->k->addresses.n + sc->in.conf->addresses.n + 2) * sizeof(*gw->addrs));
	for (uint32_t i = 0; i < gw->k->addresses.n; i++)
		asked(sc, p, gw, i, &nth);
	if (gw->k->addresses.n == 0)
		assign(sc, is_node(sc, gw) ? NULL : p, gw, 0);
	for (uint32_t i = 0; i < gw->nown; i++)
		some = some || gw->own[i].accepted;
	for (size_t i = 0; i < gw->nsets; i++)
		some = some || gw->sets[i]->accepted;
	gw->accepted = gw->refused == NULL && (some || gw->nown == 0);
}

static void
forgotten(struct scope *sc, struct pool *p)
{
	const struct catalogue *old = sc->in.old;
	unsigned kept = 0;

	for (uint32_t i = 0; old != NULL && i < old->n_addresses; i++) {
		const struct cat_address *c = &old->addresses[i];
		struct bytes name = blob_text(&old->blob, c->gateway);

		if (map_get(&p->names, name) == (void *)(uintptr_t)(i + 1) &&
		    kept++ < POOL_GONE_KEEP)
			remember(sc, name, &c->addr,
			    c->gone != 0 ? c->gone : (uint32_t)sc->in.generation);
	}
}

void
address_resolve(struct scope *sc)
{
	struct pool pool = {.next = 0};
	bool on =
	    sc->in.conf->address_pool.n != 0 && cidr_parse(sc->in.conf->address_pool, &pool.cidr);

	map_init(&pool.taken);
	map_init(&pool.names);
	if (on)
		pool_load(sc, &pool);
	for (uint32_t i = 0; i < sc->ngateways; i++)
		one(sc, on ? &pool : NULL, sc->gateways[i]);
	if (on)
		forgotten(sc, &pool);
	map_release(&pool.taken);
	map_release(&pool.names);
}

/* A machine that has one family only does not get the wildcard of the other beside it. */
const struct addr *
address_shown(const struct scope *sc, const struct r_address *a)
{
	const struct addr *node = sc->in.node;

	if (!a->implied || node == NULL || (node[0].family == 0 && node[1].family == 0))
		return &a->addr;
	node += a->addr.family == 6;
	return node->family != 0 ? node : NULL;
}

void
address_ingress(const struct scope *sc, const struct r_gateway *gw, struct strbuf *out)
{
	bool first = true;
	char ip[46];

	for (uint32_t i = 0; i < gw->naddrs; i++) {
		const struct addr *a = address_shown(sc, &gw->addrs[i]);

		if (a == NULL || gw->addrs[i].bound == 0)
			continue;
		addr_print_ip(a, ip);
		strbuf_printf(out, "%s{\"ip\":\"%s\"}", first ? "\"ingress\":[" : ",", ip);
		first = false;
	}
	strbuf_addz(out, first ? "" : "]");
}
