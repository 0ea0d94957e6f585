/*
 * endpoint.c - a Service port's endpoints (reference/gateway-api.md section 4, 10): EndpointSlices,
 * else Endpoints, else the Workloads that the Service's selector picks, or a DNS name. What the
 * EndpointSlice controller and kube-proxy do in a cluster: ports match by name and protocol, only
 * ready endpoints, those that terminate but still serve if none is ready, each address once. Sorted
 * by address, so that order of files does not matter.
 */
#include "base/mem.h"
#include "conf/kinds/k_core.h"
#include "conf/resolve/backend.h"
#include "shm/board.h"

struct entry {
	struct entry *next;
	const struct object *obj;
};

/* Endpoints found so far: ready ones, and those that would do. */
struct found {
	struct scope *sc;
	struct m_endpoint *v[2];
	size_t n[2], cap[2];
	struct bytes dns;
	uint16_t dns_port;
};

static void
index_put(struct scope *sc, struct map *m, struct bytes key, const struct object *o)
{
	struct entry *e = arena_zalloc(sc->arena, sizeof(*e));

	e->obj = o;
	e->next = map_get(m, key);
	map_put(m, e->next != NULL ? key : arena_bytes(sc->arena, key), e);
}

void
endpoint_index(struct scope *sc)
{
	struct keybuf kb;
	struct bytes service;

	for (const struct object *o = sc->in.objects->first[KIND_ENDPOINTSLICE]; o != NULL;
	     o = o->next)
		if (map_pair(&o->meta.labels, BYTES("kubernetes.io/service-name"), &service) &&
		    service.n < 512)
			index_put(sc, &sc->slices, KEY(&kb, o->meta.ns, service), o);
	for (const struct object *o = sc->in.objects->first[KIND_WORKLOAD]; o != NULL; o = o->next)
		for (uint32_t i = 0; i < o->meta.labels.n; i++) {
			const struct k_pair *p = &o->meta.labels.v[i];

			if (p->key.n + p->value.n < 1024)
				index_put(
				    sc, &sc->workloads, KEY(&kb, o->meta.ns, p->key, p->value), o);
		}
}

static void
add(struct found *f, struct bytes address, int64_t port, uint32_t weight, unsigned grade)
{
	struct m_endpoint *e;
	struct addr a;

	if (port < 1 || port > 65535 || weight == 0)
		return;
	if (!addr_parse_ip(address, &a)) {
		if (address.n != 0 && (f->dns.p == NULL || bytes_cmp(address, f->dns) < 0)) {
			f->dns = address;
			f->dns_port = (uint16_t)port;
		}
		return;
	}
	a.port = (uint16_t)port;
	f->v[grade] =
	    arena_grow(f->sc->arena, f->v[grade], &f->cap[grade], f->n[grade], sizeof(*e));
	e = &f->v[grade][f->n[grade]++];
	*e = (struct m_endpoint){.addr = a, .weight = weight};
}

static bool
same_port(const struct k_slice_port *sp, const struct k_service_port *p)
{
	bool udp = p != NULL && bytes_eq(p->protocol, BYTES("UDP"));

	if (bytes_eq(sp->protocol, BYTES("UDP")) != udp)
		return false;
	return sp->name.n == (p == NULL ? 0 : p->name.n) &&
	    (sp->name.n == 0 || bytes_eq(sp->name, p->name));
}

static int64_t
target(const struct k_service_port *p, uint16_t ref_port)
{
	if (p == NULL)
		return ref_port;
	return p->target.set && p->target.s.p == NULL ? p->target.i : p->port.v;
}

static void
slice(struct found *f, const struct k_endpointslice *s, const struct k_service_port *p,
    uint16_t ref_port)
{
	int64_t port = 0;

	for (uint32_t i = 0; i < s->ports.n && port == 0; i++)
		if (same_port(&s->ports.v[i], p))
			port = s->ports.v[i].port.set ? s->ports.v[i].port.v : target(p, ref_port);
	for (uint32_t i = 0; port != 0 && i < s->endpoints.n; i++) {
		const struct k_slice_endpoint *e = &s->endpoints.v[i];
		const struct k_slice_conditions *c = e->conditions;
		bool ready = c == NULL || !c->ready.set || c->ready.v;
		bool leaving = c != NULL && c->serving.set && c->serving.v && c->terminating.set &&
		    c->terminating.v;

		/* Addresses of one endpoint are interchangeable: consumers use the first. */
		if (e->addresses.n != 0 && (ready || leaving))
			add(f, e->addresses.v[0], port, 1, ready ? 0 : 1);
	}
}

static void
endpoints(struct found *f, const struct k_endpoints *k, const struct k_service_port *p)
{
	for (uint32_t i = 0; i < k->subsets.n; i++) {
		const struct k_endpoint_subset *s = &k->subsets.v[i];

		for (uint32_t j = 0; j < s->ports.n; j++)
			for (uint32_t m = 0; same_port(&s->ports.v[j], p) && m < s->ready.n; m++)
				add(f, s->ready.v[m].ip, s->ports.v[j].port.v, 1, 0);
	}
}

static bool
labels_cover(const k_map *labels, const k_map *selector)
{
	struct bytes v;

	for (uint32_t i = 0; i < selector->n; i++)
		if (!map_pair(labels, selector->v[i].key, &v) || !bytes_eq(v, selector->v[i].value))
			return false;
	return true;
}

static int64_t
workload_port(const struct k_workload *w, const struct k_service_port *p, uint16_t ref_port)
{
	struct bytes text, name = BYTES_NONE;
	int64_t n = 0;

	if (p != NULL && p->target.set && p->target.s.p != NULL)
		name = p->target.s;
	else if (p != NULL && !p->target.set)
		name = p->name;
	if (name.n != 0 && map_pair(&w->ports, name, &text)) {
		for (size_t i = 0; i < text.n && n < 100000; i++)
			n = text.p[i] >= '0' && text.p[i] <= '9' ? n * 10 + (text.p[i] - '0') :
								   100000;
		return n;
	}
	if (p != NULL && p->target.set && p->target.s.p != NULL)
		return 0; /* a name that this workload does not have */
	return target(p, ref_port);
}

static void
workloads(struct found *f, struct bytes ns, const k_map *selector,
    const struct k_service_port *p, uint16_t ref_port)
{
	const struct k_pair *first = &selector->v[0];
	struct keybuf kb;
	const struct entry *e;

	if (first->key.n + first->value.n >= 1024)
		return;
	e = map_get(&f->sc->workloads, KEY(&kb, ns, first->key, first->value));
	for (; e != NULL; e = e->next) {
		const struct k_workload *w = e->obj->spec;
		uint32_t weight = w->weight.set ? (uint32_t)w->weight.v : 1;

		if (labels_cover(&e->obj->meta.labels, selector))
			add(f, w->address, workload_port(w, p, ref_port), weight, 0);
	}
}

static int
by_addr(const void *a, const void *b)
{
	const struct m_endpoint *x = a, *y = b;
	int c = addr_cmp(&x->addr, &y->addr);

	return c != 0 ? c : (x->weight > y->weight) - (x->weight < y->weight);
}

void
endpoint_positions(struct scope *sc, struct m_cluster *c, struct bytes host)
{
	c->nendpoints = NAMES_ADDRS;
	c->endpoints = arena_zalloc(sc->arena, NAMES_ADDRS * sizeof(*c->endpoints));
	for (uint32_t i = 0; i < NAMES_ADDRS; i++)
		c->endpoints[i] = (struct m_endpoint){.weight = 1, .host = host,
		    .id = ids_get(sc->ids, CAT_ID_ENDPOINT,
			bytes_str(arena_printf(sc->arena, "%.*s #%u", BYTES_ARG(c->name), i)))};
}

static void
finish(struct found *f, struct m_cluster *c)
{
	unsigned grade = f->n[0] != 0 ? 0 : 1;
	struct m_endpoint *v = f->v[grade];
	uint32_t n = 0;

	if (f->n[grade] != 0)
		qsort(v, f->n[grade], sizeof(*v), by_addr);
	for (size_t i = 0; i < f->n[grade]; i++) {
		char text[56];

		if (n != 0 && addr_eq(&v[n - 1].addr, &v[i].addr))
			continue;
		v[n] = v[i];
		addr_print(&v[n].addr, text);
		v[n].id = ids_get(f->sc->ids, CAT_ID_ENDPOINT,
		    bytes_str(arena_printf(f->sc->arena, "%.*s %s", BYTES_ARG(c->name), text)));
		n++;
	}
	c->endpoints = v;
	c->nendpoints = n;
	if (n == 0 && f->dns.p != NULL) {
		uint32_t id = ids_get(f->sc->ids, CAT_ID_NAME, f->dns);

		c->dns = f->dns;
		c->port = f->dns_port;
		c->dns_slot = id == 0 ? IM_NONE : id;
		if (id == 0)
			c->dns = BYTES_NONE;
		else
			endpoint_positions(f->sc, c, BYTES_NONE);
	}
}

void
endpoint_resolve(struct scope *sc, const struct object *o, const struct k_service_port *p,
    uint16_t ref_port, struct m_cluster *c)
{
	const struct k_service *s = o->spec;
	struct found f = {.sc = sc};
	struct keybuf kb;
	const struct entry *e = map_get(&sc->slices, KEY(&kb, o->meta.ns, o->meta.name));
	const struct object *legacy;

	if (bytes_eq(s->type, BYTES("ExternalName"))) {
		add(&f, s->external_name, target(p, ref_port), 1, 0);
	} else if (e != NULL) {
		for (; e != NULL; e = e->next)
			slice(&f, e->obj->spec, p, ref_port);
	} else {
		legacy = objects_find(sc->in.objects, KIND_ENDPOINTS, o->meta.ns, o->meta.name);
		if (legacy != NULL)
			endpoints(&f, legacy->spec, p);
		else if (s->selector.n != 0)
			workloads(&f, o->meta.ns, &s->selector, p, ref_port);
	}
	finish(&f, c);
}

void
endpoint_select(
    struct scope *sc, struct bytes ns, const k_map *labels, uint16_t port, struct m_cluster *c)
{
	struct found f = {.sc = sc};

	if (labels->n != 0)
		workloads(&f, ns, labels, NULL, port);
	finish(&f, c);
}

void
endpoint_name(struct scope *sc, struct bytes host, uint16_t port, struct m_cluster *c)
{
	struct found f = {.sc = sc};

	add(&f, host, port, 1, 0);
	finish(&f, c);
}
