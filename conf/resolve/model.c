/*
 * model.c - the model that conf/build lays out: gateways, listeners with a bound socket, their
 * attachments, and the clusters that routes still refer to. Orders are those of the sorted objects:
 * equal inputs give equal models.
 */
#include "base/version.h"
#include "conf/kinds/k_core.h"
#include "conf/resolve/service.h"

static struct bytes
listener_name(struct scope *sc, const struct r_listener *l)
{
	if (l->set == NULL)
		return l->k->name;
	return bytes_str(arena_printf(
	    sc->arena, "%.*s/%.*s", BYTES_ARG(l->set->obj->meta.name), BYTES_ARG(l->k->name)));
}

static uint32_t
listener_id(struct scope *sc, const struct r_listener *l)
{
	const struct object *gw = l->gw->obj;
	const char *name;

	if (l->set == NULL)
		name = arena_printf(sc->arena, "%s %.*s/%.*s %.*s", gw->kind->name,
		    BYTES_ARG(gw->meta.ns), BYTES_ARG(gw->meta.name), BYTES_ARG(l->k->name));
	else
		name = arena_printf(sc->arena, "ListenerSet %.*s/%.*s %.*s",
		    BYTES_ARG(l->set->obj->meta.ns), BYTES_ARG(l->set->obj->meta.name),
		    BYTES_ARG(l->k->name));
	return ids_get(sc->ids, CAT_ID_LISTENER, bytes_str(name));
}

static void
listener(struct scope *sc, struct r_listener *l)
{
	struct m_listener *m;

	bool broken = l->shadow && !l->conflicted;

	if (l->nbound == 0 || l->unserved != NULL || ((!l->accepted || l->blocked) && !broken))
		return;
	m = &sc->model.listeners[sc->model.nlisteners++];
	*m = (struct m_listener){.id = listener_id(sc, l), .gateway = (uint32_t)l->gw->index,
	    .name = listener_name(sc, l), .hostname = l->hostname, .port = (uint16_t)l->k->port.v,
	    .protocol = l->protocol, .attach = l->attach,
	    .nattach = broken && l->protocol == IM_TLS ? 0 : (uint32_t)l->nattach,
	    .tls = broken ? NULL : l->tls, .flags = broken || l->client_invalid ? IM_L_BROKEN : 0,
	    .client = l->client};
	if (l->gw->service != NULL) {
		m->sources = l->gw->service->sources;
		m->nsources = l->gw->service->nsources;
	}
	l->m = m;
}

static uint32_t
count_listeners(const struct scope *sc)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < sc->ngateways; i++) {
		n += sc->gateways[i]->nown;
		for (size_t j = 0; j < sc->gateways[i]->nsets; j++)
			n += sc->gateways[i]->sets[j]->nown;
	}
	return n;
}

static void
gateways(struct scope *sc)
{
	struct model *m = &sc->model;

	m->gateways = arena_zalloc(sc->arena, (sc->ngateways + 1) * sizeof(*m->gateways));
	m->listeners = arena_zalloc(sc->arena, (count_listeners(sc) + 1) * sizeof(*m->listeners));
	for (uint32_t i = 0; i < sc->ngateways; i++) {
		struct r_gateway *gw = sc->gateways[i];

		if (!gw->accepted)
			continue;
		gw->index = (int32_t)m->ngateways;
		m->gateways[m->ngateways++] =
		    (struct m_gateway){gw->obj->meta.ns, gw->obj->meta.name, gw->shown};
		for (uint32_t j = 0; j < gw->nown; j++)
			listener(sc, &gw->own[j]);
		for (size_t j = 0; j < gw->nsets; j++)
			for (uint32_t s = 0; s < gw->sets[j]->nown; s++)
				listener(sc, &gw->sets[j]->own[s]);
	}
}

static void
sockets(struct scope *sc)
{
	struct model *m = &sc->model;

	m->sockets = arena_zalloc(sc->arena, (sc->nbind + 1) * sizeof(*m->sockets));
	for (uint32_t i = 0; i < sc->nbind; i++) {
		const struct r_socket *s = sc->bind[i];
		struct m_socket *to = &m->sockets[m->nsockets];

		if (s->error != 0)
			continue;
		*to = (struct m_socket){
		    .id = s->key.id, .addr = s->key.addr, .transport = s->key.transport,
		    .proxy = s->proxy};
		to->listeners = arena_alloc(sc->arena, (s->n + 1) * sizeof(struct m_listener *));
		for (size_t j = 0; j < s->n; j++)
			if (s->listeners[j]->m != NULL) {
				/* HTTPS where TLS shares it. */
				to->protocol = to->protocol == IM_HTTPS ?
				    IM_HTTPS :
				    s->listeners[j]->protocol;
				to->listeners[to->nlisteners++] = s->listeners[j]->m;
			}
		m->nsockets += to->nlisteners != 0;
	}
}

static void
cluster(struct scope *sc, struct m_cluster *c, size_t *cap)
{
	size_t n = sc->model.nclusters;

	if (c == NULL || c->index != 0)
		return;
	c->index = 1; /* seen; build numbers them anew */
	sc->model.clusters =
	    arena_grow(sc->arena, sc->model.clusters, cap, n, sizeof(struct m_cluster *));
	sc->model.clusters[sc->model.nclusters++] = c;
}

static void
filter_clusters(struct scope *sc, const struct m_filter *v, uint32_t n, size_t *cap)
{
	for (uint32_t i = 0; i < n; i++)
		if (v[i].type == IM_F_MIRROR)
			cluster(sc, v[i].mirror.cluster, cap);
}

static void
clusters(struct scope *sc)
{
	size_t cap = 0;

	for (uint32_t i = 0; i < sc->model.nroutes; i++)
		for (uint32_t j = 0; j < sc->model.routes[i].nrules; j++) {
			const struct m_rule *r = &sc->model.routes[i].rules[j];

			filter_clusters(sc, r->filters, r->nfilters, &cap);
			for (uint32_t b = 0; b < r->nbackends; b++) {
				cluster(sc, r->backends[b].cluster, &cap);
				filter_clusters(
				    sc, r->backends[b].filters, r->backends[b].nfilters, &cap);
			}
		}
	for (uint32_t i = 0; i < sc->model.nclusters; i++)
		sc->model.clusters[i]->index = i;
}

void
model_finish(struct scope *sc)
{
	struct model *m = &sc->model;
	const struct k_headgate *conf = sc->in.conf;

	m->arena = sc->arena;
	m->generation = sc->in.generation;
	if (conf->settings != NULL)
		m->settings = *conf->settings;
	m->via = BYTES("headgate");
	gateways(sc);
	sockets(sc);
	clusters(sc);
	sc->ids_lost = ids_lost(sc->ids);
}

void
resolve_count(const struct scope *sc, struct proto_result *r)
{
	const struct model *m = &sc->model;

	r->objects = sc->in.objects->n;
	r->gateways = 0;
	for (uint32_t i = 0; i < sc->ngateways; i++)
		r->gateways += sc->gateways[i]->index >= 0 && sc->gateways[i]->service == NULL;
	r->listeners = m->nlisteners;
	r->routes = m->nroutes - service_routes(sc);
	r->rules = 0;
	r->stale = 0;
	for (uint32_t i = 0; i < m->nroutes; i++)
		r->rules += m->routes[i].nrules;
	for (uint32_t i = 0; i < sc->in.objects->n; i++)
		r->stale += sc->in.objects->all[i]->stale;
	if (m->settings.heartbeat_ms > 0)
		r->heartbeat_ms = (uint32_t)m->settings.heartbeat_ms;
	r->grace_ms = m->settings.shutdown_grace_ms;
}
