/*
 * service.c - which ports Services open (issue 6: NodePort, LoadBalancer). Written node ports come
 * first, oldest Service first; the others get a free number of the range, remembered with the ids
 * (ids.h), so it is the same after a restart. A written number beats one that was handed out: what
 * is served must follow from the files alone, and the numbers that were handed out do not stand in
 * them. Gateways are older than any Service, so their ports are theirs.
 *
 * A LoadBalancer gets node ports only where they are written: on a machine of one's own its port is
 * reached directly.
 */
#include "conf/resolve/service.h"

#include "base/mem.h"
#include "conf/kinds/k_core.h"
#include "conf/resolve/backend.h"
#include "conf/resolve/traffic.h"

static bool
is_type(const struct k_service *k, const char *type)
{
	return bytes_eq(k->type, bytes_str(type));
}

static bool
opens(const struct object *o)
{
	const struct k_service *k = o->spec;

	return k->ports.n != 0 && (is_type(k, "NodePort") || is_type(k, "LoadBalancer"));
}

static bool
in_range(int64_t port)
{
	return port >= NODEPORT_FIRST && port <= NODEPORT_LAST;
}

static void
fault(struct r_open *p, const char *reason, const char *message)
{
	p->reason = reason;
	p->message = message;
}

/* ---- numbers */
struct numbers {
	struct scope *sc;
	struct map written; /* (port, protocol) -> r_service */
};

static struct bytes
number_key(struct keybuf *kb, const struct r_open *p)
{
	return KEY(kb, bytes_of((const char *)&p->node_port, sizeof(p->node_port)),
	    p->k->protocol);
}

static struct bytes
port_key(struct scope *sc, const struct r_service *s, const struct r_open *p)
{
	const struct k_meta *m = &s->obj->meta;

	return bytes_str(arena_printf(sc->arena, "%.*s/%.*s %lld/%.*s", BYTES_ARG(m->ns),
	    BYTES_ARG(m->name), (long long)p->k->port.v, BYTES_ARG(p->k->protocol)));
}

static void
written(struct numbers *n, struct r_service *s, struct r_open *p)
{
	struct keybuf kb;
	const struct r_service *other;

	p->node_port = (uint16_t)p->k->node_port.v;
	if (!in_range(p->node_port)) {
		fault(p, "PortOutOfRange",
		    arena_printf(n->sc->arena,
			"nodePort %u is not in the range of node ports, %u to %u", p->node_port,
			NODEPORT_FIRST, NODEPORT_LAST));
		return;
	}
	other = map_get(&n->written, number_key(&kb, p));
	if (other != NULL) {
		fault(p, "PortConflict",
		    arena_printf(n->sc->arena, "nodePort %u belongs to Service %.*s/%.*s",
			p->node_port, BYTES_ARG(other->obj->meta.ns),
			BYTES_ARG(other->obj->meta.name)));
		return;
	}
	map_put(&n->written, arena_bytes(n->sc->arena, number_key(&kb, p)), s);
	/* A last good content has the number that was handed out as if it were written. */
	ids_reserve(n->sc->ids, CAT_ID_NODEPORT, p->node_port - (NODEPORT_FIRST - 1),
	    port_key(n->sc, s, p));
}

static void
handed_out(struct scope *sc, const struct r_service *s, struct r_open *p)
{
	uint32_t id = ids_get(sc->ids, CAT_ID_NODEPORT, port_key(sc, s, p));

	p->allocated = true;
	if (id == 0)
		fault(p, "PortsExhausted", "no node port is left");
	else
		p->node_port = (uint16_t)(id + NODEPORT_FIRST - 1);
}

static void
reserve_listeners(struct scope *sc, const struct r_listener *v, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (in_range(v[i].k->port.v))
			ids_reserve(sc->ids, CAT_ID_NODEPORT,
			    (uint32_t)v[i].k->port.v - (NODEPORT_FIRST - 1), BYTES_NONE);
}

static void
reserve_gateways(struct scope *sc)
{
	for (uint32_t i = 0; i < sc->ngateways; i++) {
		const struct r_gateway *gw = sc->gateways[i];

		reserve_listeners(sc, gw->own, gw->nown);
		for (size_t j = 0; j < gw->nsets; j++)
			reserve_listeners(sc, gw->sets[j]->own, gw->sets[j]->nown);
	}
}

static void
numbers_resolve(struct scope *sc, struct r_service **v, uint32_t n)
{
	struct numbers nr = {.sc = sc};

	map_init(&nr.written);
	reserve_gateways(sc);
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = 0; j < v[i]->nports; j++)
			if (v[i]->ports[j].reason == NULL && v[i]->ports[j].k->node_port.v != 0)
				written(&nr, v[i], &v[i]->ports[j]);
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t j = 0; j < v[i]->nports; j++)
			if (v[i]->ports[j].reason == NULL && v[i]->ports[j].node_port == 0 &&
			    is_type(v[i]->obj->spec, "NodePort"))
				handed_out(sc, v[i], &v[i]->ports[j]);
	map_release(&nr.written);
}

/* ---- the internal Gateways */
static struct bytes
port_name(struct scope *sc, const struct r_open *p, bool node)
{
	const struct k_service_port *k = p->k;
	const char *more = node ? "-node" : "";

	if (k->name.n != 0)
		return bytes_str(
		    arena_printf(sc->arena, "%.*s%s", BYTES_ARG(k->name), more));
	return bytes_str(arena_printf(sc->arena, "%lld%s", (long long)k->port.v, more));
}

static void
gateway_add(struct scope *sc, struct r_service *s, bool balancer)
{
	const struct k_service *k = s->obj->spec;
	struct k_gateway *spec = arena_zalloc(sc->arena, sizeof(*spec));
	struct r_gateway *gw = arena_zalloc(sc->arena, sizeof(*gw));
	struct k_listener *v = arena_zalloc(sc->arena, s->nports * sizeof(*v));
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->nports; i++) {
		struct r_open *p = &s->ports[i];

		if (p->reason != NULL || (!balancer && p->node_port == 0))
			continue;
		v[n] = (struct k_listener){.node = p->k->node,
		    .name = port_name(sc, p, !balancer),
		    .protocol = p->k->protocol,
		    .port = {.v = balancer ? p->k->port.v : p->node_port, .set = true}};
		p->listener[balancer] = n++;
	}
	if (n == 0)
		return;
	spec->listeners.v = v;
	spec->listeners.n = n;
	if (balancer && k->load_balancer_ip.n != 0) {
		spec->addresses.v = arena_zalloc(sc->arena, sizeof(*spec->addresses.v));
		spec->addresses.v[0].value = k->load_balancer_ip;
		spec->addresses.n = 1;
	}
	*gw = (struct r_gateway){.obj = s->obj, .k = spec, .index = -1, .service = s};
	s->gw[balancer] = sc->gateways[sc->ngateways++] = gw;
	listener_resolve(sc, gw, NULL);
}

static int
by_age(const void *a, const void *b, void *arg)
{
	const struct r_service *const *x = a, *const *y = b;

	return object_cmp_age(arg, (*x)->obj, (*y)->obj);
}

static struct r_service *
begin(struct scope *sc, const struct object *o)
{
	struct r_service *s = arena_zalloc(sc->arena, sizeof(*s));
	const struct k_service *k = o->spec;

	s->obj = o;
	s->sources = arena_zalloc(sc->arena, (k->source_ranges.n + 1) * sizeof(*s->sources));
	for (uint32_t i = 0; i < k->source_ranges.n; i++)
		HG_CHECK(cidr_parse(bytes_trim(k->source_ranges.v[i]), &s->sources[i]));
	s->nsources = k->source_ranges.n;
	s->nports = k->ports.n;
	s->ports = arena_zalloc(sc->arena, k->ports.n * sizeof(*s->ports));
	for (uint32_t i = 0; i < k->ports.n; i++) {
		s->ports[i] = (struct r_open){
		    .k = &k->ports.v[i], .listener = {UINT32_MAX, UINT32_MAX}};
		if (bytes_eq(k->ports.v[i].protocol, BYTES("SCTP")))
			fault(
			    &s->ports[i], "UnsupportedProtocol", "protocol SCTP is not supported");
	}
	sc->slot[o->index] = s;
	return s;
}

void
service_resolve(struct scope *sc)
{
	struct r_service **v;
	uint32_t n = 0;

	for (const struct object *o = sc->in.objects->first[KIND_SERVICE]; o != NULL; o = o->next)
		n += opens(o);
	if (n == 0)
		return;
	v = arena_zalloc(sc->arena, n * sizeof(*v));
	n = 0;
	for (const struct object *o = sc->in.objects->first[KIND_SERVICE]; o != NULL; o = o->next)
		if (opens(o))
			v[n++] = begin(sc, o);
	qsort_r(v, n, sizeof(*v), by_age, sc);
	numbers_resolve(sc, v, n);
	for (uint32_t i = 0; i < n; i++) {
		gateway_add(sc, v[i], false);
		if (is_type(v[i]->obj->spec, "LoadBalancer"))
			gateway_add(sc, v[i], true);
	}
}

/* ---- the internal routes */
uint32_t
service_routes(const struct scope *sc)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < sc->ngateways; i++)
		n += sc->gateways[i]->service != NULL ? sc->gateways[i]->nown : 0;
	return n;
}

struct m_policy *
service_affinity(struct scope *sc, struct m_policy *base)
{
	struct m_policy *m = arena_zalloc(sc->arena, sizeof(*m));
	struct m_balance *b = arena_zalloc(sc->arena, sizeof(*b));

	if (base != NULL) {
		*m = *base;
	} else {
		m->name = BYTES("sessionAffinity");
		m->rec.abort_grpc = 255;
		m->rec.request_buffer = IM_NONE;
	}
	if (base != NULL && base->balance != NULL)
		*b = *base->balance;
	else
		traffic_balance_init(b);
	b->rec.type = IM_LB_HASH;
	b->rec.hash = IM_HASH_SOURCE_IP;
	b->rec.table_size = 65537; /* the default of the policy */
	m->balance = b;
	return m;
}

static void
route_add(struct scope *sc, struct r_listener *l, const struct r_open *p)
{
	const struct k_meta *o = &l->gw->obj->meta;
	const struct k_service *k = l->gw->obj->spec;
	struct m_route *m = &sc->model.routes[sc->model.nroutes++];
	struct m_rule *rule = arena_zalloc(sc->arena, sizeof(*rule));
	struct m_attach *a = arena_zalloc(sc->arena, sizeof(*a));

	*m = (struct m_route){.kind = l->protocol == IM_RAW_UDP ? IM_UDPROUTE : IM_TCPROUTE,
	    .ns = o->ns, .name = o->name, .created = sc->meta[l->gw->obj->index].created,
	    .rules = rule, .nrules = 1};
	rule->route = m;
	rule->id = ids_get(sc->ids, CAT_ID_RULE, bytes_str(arena_printf(sc->arena,
	    "Service %.*s/%.*s %.*s", BYTES_ARG(o->ns), BYTES_ARG(o->name),
	    BYTES_ARG(l->k->name))));
	rule->nbackends = 1;
	rule->backends = arena_zalloc(sc->arena, sizeof(*rule->backends));
	rule->backends[0] = (struct m_backend){
	    .weight = 1, .cluster = backend_service(sc, l->gw->obj, p->k)};
	a->route = m;
	if (bytes_eq(k->session_affinity, BYTES("ClientIP"))) {
		a->policies = arena_alloc(sc->arena, sizeof(struct m_policy *));
		a->policies[0] = service_affinity(sc, NULL);
	}
	l->attach = a;
	l->nattach = l->cap = 1;
	l->attached = 1;
}

void
service_attach(struct scope *sc)
{
	for (uint32_t i = 0; i < sc->ngateways; i++) {
		struct r_gateway *gw = sc->gateways[i];
		unsigned which = gw->service == NULL ? 0 : gw == gw->service->gw[1];

		for (uint32_t j = 0; gw->service != NULL && j < gw->service->nports; j++) {
			const struct r_open *p = &gw->service->ports[j];

			if (p->listener[which] != UINT32_MAX)
				route_add(sc, &gw->own[p->listener[which]], p);
		}
	}
}

/* ---- what is said */
static void
judge(struct scope *sc, const struct r_service *s, const struct r_open *p, const char **reason,
    const char **text)
{
	const char *why = p->reason, *message = p->message;

	for (unsigned i = 0; i < 2 && why == NULL; i++) {
		const struct r_gateway *gw = s->gw[i];
		const struct cond *c;

		if (p->listener[i] == UINT32_MAX)
			continue;
		c = cond_get(&gw->own[p->listener[i]].conds, COND_PROGRAMMED);
		if (gw->refused != NULL) {
			why = gw->refused;
			message = gw->why;
		} else if (gw->naddrs == 0) {
			why = "AddressNotAssigned";
			message = gw->unmet != NULL ? gw->unmet : "no address is left for it";
		} else if (gw->k->addresses.n != 0 && gw->addrs[0].absent != 0) {
			why = "AddressNotUsable";
			message = arena_printf(sc->arena,
			    "loadBalancerIP %.*s is not an address of this node",
			    BYTES_ARG(gw->k->addresses.v[0].value));
		} else if (c == NULL || c->status != COND_TRUE) {
			why = c == NULL ? "Pending" : c->reason;
			message = c == NULL ? "not opened" : c->message;
		}
	}
	if (why == NULL)
		return;
	*reason = *reason != NULL ? *reason : why;
	*text = arena_printf(sc->arena, "%s%sport %lld/%.*s: %s", *text, **text != '\0' ? "; " : "",
	    (long long)p->k->port.v, BYTES_ARG(p->k->protocol), message);
}

void
service_conditions(struct scope *sc, const struct r_service *s, struct conds *out)
{
	const char *reason = NULL, *text = "";

	for (uint32_t i = 0; i < s->nports && strlen(text) < 4096; i++)
		judge(sc, s, &s->ports[i], &reason, &text);
	if (reason == NULL)
		cond_set(out, COND_PROGRAMMED, COND_TRUE, "Programmed", "all ports are open");
	else
		cond_set(out, COND_PROGRAMMED, COND_FALSE, reason, text);
}

void
service_show(struct scope *sc, const struct object *o)
{
	const struct r_service *s = sc->slot[o->index];
	const struct node *list = node_path(o->node, "spec.ports");
	struct node *e = list == NULL ? NULL : list->first;

	for (uint32_t i = 0; s != NULL && i < s->nports && e != NULL; i++, e = e->next) {
		struct node *n = node_get(e, "nodePort");

		if (!s->ports[i].allocated || s->ports[i].node_port == 0 || e->type != NODE_MAP)
			continue;
		if (n == NULL) {
			n = node_new(sc->arena, NODE_INT, e->doc);
			n->key = BYTES("nodePort");
			node_append(e, n);
		}
		n->type = NODE_INT;
		n->integer = s->ports[i].node_port;
		n->text = bytes_str(arena_printf(sc->arena, "%u", s->ports[i].node_port));
	}
}
