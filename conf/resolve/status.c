/*
 * status.c - printing statuses (reference/gateway-api.md section 6). Written by hand into one
 * buffer: a reload prints a hundred thousand of them, and the shape is fixed. lastTransitionTime is
 * kept from the last generation's catalogue as long as a condition's status stays. What other
 * controllers wrote into a manifest's status is carried through bit for bit (gateway-api-1.7.md,
 * "Foreign status"); our own parts of it are ignored.
 */
#include "conf/resolve/status.h"

#include "base/clock.h"
#include "base/json.h"
#include "conf/kinds/k_core.h"
#include "conf/resolve/backend.h"
#include "conf/resolve/feature.h"
#include "conf/resolve/routekind.h"
#include "conf/resolve/service.h"
#include "conf/resolve/traffic.h"

static const char *const STATUS_TEXT[] = {"False", "True", "Unknown"};

static const char *const CLASS_OWN[] = {
    COND_ACCEPTED, COND_SUPPORTED, COND_STALE, COND_NOT_SERVED, NULL};
static const char *const GATEWAY_OWN[] = {COND_ACCEPTED, COND_PROGRAMMED, COND_RESOLVED,
    COND_ADDRESSES, COND_INSECURE, COND_STALE, COND_NOT_SERVED, NULL};
static const char *const LISTENER_OWN[] = {COND_ACCEPTED, COND_PROGRAMMED, COND_RESOLVED,
    COND_CONFLICTED, COND_OVERLAPPING, COND_STALE, COND_NOT_SERVED, NULL};

static void
text(struct strbuf *out, struct bytes b)
{
	struct json j;

	json_init(&j, out, false);
	json_str(&j, b);
}

static void
member(struct strbuf *out, const char *key, struct bytes value)
{
	strbuf_addc(out, '"');
	strbuf_addz(out, key);
	strbuf_addz(out, "\":");
	text(out, value);
}

const char *
stale_why(const struct scope *sc, const struct object *o)
{
	return arena_printf(
	    sc->arena, "last good content is served: %.*s", BYTES_ARG(sc->meta[o->index].stale));
}

static int64_t
since(const struct status *st, struct bytes where, const struct cond *c)
{
	const struct catalogue *cat = st->sc->in.old;

	for (uint32_t i = 0; st->old != NULL && i < st->old->conditions.n; i++) {
		const struct cat_condition *o = &cat->conditions[st->old->conditions.first + i];

		if (bytes_eq(blob_text(&cat->blob, o->type), bytes_str(c->type)) &&
		    bytes_eq(blob_text(&cat->blob, o->where), where))
			return bytes_eq(blob_text(&cat->blob, o->status),
				   bytes_str(STATUS_TEXT[c->status])) ?
			    o->since :
			    st->sc->in.now;
	}
	return st->sc->in.now;
}

struct im_str
constant_put(struct constants *c, struct blob_writer *w, const char *text)
{
	size_t i = ((uintptr_t)text * 0x9e3779b97f4a7c15u) >> 58;

	if (c->v[i].text != text) {
		c->v[i].text = text;
		c->v[i].at = blob_put_text(w, bytes_str(text));
	}
	return c->v[i].at;
}

static struct im_str
where_put(struct status *st, struct bytes where)
{
	struct constants *c = st->constants;

	if (c->where.p == NULL || !bytes_eq(c->where, where)) {
		c->where = where;
		c->where_at = blob_put_text(st->w, where);
	}
	return c->where_at;
}

static void
condition(struct status *st, struct bytes where, const struct cond *c)
{
	int64_t at = since(st, where, c);
	struct cat_condition row = {.since = at};
	struct strbuf *out = &st->out;
	char time[21];

	clock_rfc3339(at, time);
	strbuf_addz(out, "{\"type\":\"");
	strbuf_addz(out, c->type);
	strbuf_addz(out, "\",\"status\":\"");
	strbuf_addz(out, STATUS_TEXT[c->status]);
	strbuf_addz(out, "\",\"reason\":\"");
	strbuf_addz(out, c->reason);
	strbuf_addz(out, "\",");
	member(out, "message", bytes_str(c->message));
	strbuf_printf(out, ",\"observedGeneration\":%lld,\"lastTransitionTime\":\"%s\"}",
	    (long long)st->generation, time);
	row.where = where_put(st, where);
	row.type = constant_put(st->constants, st->w, c->type);
	row.status = constant_put(st->constants, st->w, STATUS_TEXT[c->status]);
	blob_add(st->w, CAT_CONDITION, &row, 1, sizeof(row));
	st->nconds++;
}

static bool
ours(const char *const *own, struct bytes type)
{
	for (; *own != NULL; own++)
		if (bytes_eq(type, bytes_str(*own)))
			return true;
	return false;
}

static bool
house(const struct cond *c)
{
	return strncmp(c->type, "headgate.dev/", 13) == 0;
}

/* Ours first; then foreign ones of the manifest; then, while there is room, those under
 * headgate.dev. */
void
status_conditions(struct status *st, struct bytes where, const struct conds *c,
    const struct node *foreign, const char *const *own)
{
	uint32_t n = 0;

	strbuf_addz(&st->out, "\"conditions\":[");
	for (uint32_t i = 0; i < c->n; i++)
		if (!house(&c->v[i])) {
			if (n++ != 0)
				strbuf_addc(&st->out, ',');
			condition(st, where, &c->v[i]);
		}
	for (const struct node *f = foreign == NULL || own == NULL ? NULL : foreign->first;
	     f != NULL; f = f->next) {
		if (n == COND_MAX || f->type != NODE_MAP ||
		    ours(own, node_text(node_get(f, "type"))))
			continue;
		if (n++ != 0)
			strbuf_addc(&st->out, ',');
		node_print_json(f, &st->out);
	}
	for (uint32_t i = 0; i < c->n && n < COND_MAX; i++)
		if (house(&c->v[i])) {
			if (n++ != 0)
				strbuf_addc(&st->out, ',');
			condition(st, where, &c->v[i]);
		}
	strbuf_addc(&st->out, ']');
}

void
status_stale(struct status *st, struct conds *c)
{
	if (st->obj != NULL && st->obj->stale && c->n < COND_MAX)
		cond_set(c, COND_STALE, COND_TRUE, "LastGoodContent", stale_why(st->sc, st->obj));
}

static const struct node *
manifest(const struct status *st, const char *key)
{
	return st->obj == NULL || st->obj->status == NULL ? NULL : node_get(st->obj->status, key);
}

void
status_class(struct status *st, const struct r_class *c)
{
	static const char features[] = "\"supportedFeatures\":["
#define F(name) "{\"name\":\"" #name "\"},"
	    FEATURE_TABLE(F)
#undef F
	    ;
	struct conds conds = c->conds;

	status_stale(st, &conds);
	if (st->sc->ids_lost != 0)
		cond_set(&conds, COND_IDS, COND_TRUE, "TooManyObjects",
		    arena_printf(st->sc->arena,
			"%u rules, endpoints or names share one set of counters",
			st->sc->ids_lost));
	strbuf_addc(&st->out, '{');
	status_conditions(st, BYTES(""), &conds, manifest(st, "conditions"), CLASS_OWN);
	strbuf_addc(&st->out, ',');
	strbuf_add(&st->out, bytes_of(features, sizeof(features) - 2)); /* without the last comma */
	strbuf_addz(&st->out, "]}");
}

static const struct node *
listener_foreign(const struct status *st, struct bytes name)
{
	const struct node *all = manifest(st, "listeners");

	for (const struct node *l = all == NULL ? NULL : all->first; l != NULL; l = l->next)
		if (l->type == NODE_MAP && bytes_eq(node_text(node_get(l, "name")), name))
			return node_get(l, "conditions");
	return NULL;
}

static void
listeners(struct status *st, const struct r_listener *v, uint32_t n)
{
	struct strbuf *out = &st->out;

	strbuf_addz(out, "\"listeners\":[");
	for (uint32_t i = 0; i < n; i++) {
		const struct r_listener *l = &v[i];
		struct bytes where =
		    bytes_str(arena_printf(st->sc->arena, "listeners/%.*s", BYTES_ARG(l->k->name)));

		strbuf_addz(out, i == 0 ? "{" : ",{");
		member(out, "name", l->k->name);
		strbuf_addz(out, ",\"supportedKinds\":[");
		for (unsigned k = 0; k < l->nkinds; k++)
			strbuf_printf(out, "%s{\"group\":\"" GROUP_GATEWAY "\",\"kind\":\"%s\"}",
			    k == 0 ? "" : ",", routekind_name(l->kinds[k]));
		strbuf_printf(out, "],\"attachedRoutes\":%u,", l->attached);
		status_conditions(
		    st, where, &l->conds, listener_foreign(st, l->k->name), LISTENER_OWN);
		strbuf_addc(out, '}');
	}
	strbuf_addc(out, ']');
}

static void
addresses(struct status *st, const struct r_gateway *gw)
{
	char ip[46];
	bool first = true;

	strbuf_addz(&st->out, "\"addresses\":[");
	for (uint32_t i = 0; gw->accepted && i < gw->naddrs && i < 16; i++) {
		const struct r_address *a = &gw->addrs[i];

		const struct addr *shown = address_shown(st->sc, a);

		if (shown == NULL || a->elsewhere || (a->bound == 0 && a->absent != 0))
			continue; /* not in use */
		addr_print_ip(shown, ip);
		strbuf_printf(
		    &st->out, "%s{\"type\":\"IPAddress\",\"value\":\"%s\"}", first ? "" : ",", ip);
		first = false;
	}
	strbuf_addc(&st->out, ']');
}

static void
gateway(struct status *st, const struct r_gateway *gw)
{
	struct conds conds = gw->conds;

	status_stale(st, &conds);
	strbuf_addc(&st->out, '{');
	addresses(st, gw);
	strbuf_addc(&st->out, ',');
	status_conditions(st, BYTES(""), &conds, manifest(st, "conditions"), GATEWAY_OWN);
	strbuf_addc(&st->out, ',');
	listeners(st, gw->own, gw->nown);
	strbuf_printf(&st->out, ",\"attachedListenerSets\":%u}", gw->attached_sets);
}

static void
listenerset(struct status *st, const struct r_set *s)
{
	struct conds conds = s->conds;

	status_stale(st, &conds);
	strbuf_addc(&st->out, '{');
	status_conditions(st, BYTES(""), &conds, manifest(st, "conditions"), GATEWAY_OWN);
	strbuf_addc(&st->out, ',');
	listeners(st, s->own, s->nown);
	strbuf_addc(&st->out, '}');
}

void
status_ref(struct strbuf *out, const struct k_parent_ref *r)
{
	strbuf_addc(out, '{');
	member(out, "group", r->group);
	strbuf_addc(out, ',');
	member(out, "kind", r->kind);
	if (r->ns.n != 0) {
		strbuf_addc(out, ',');
		member(out, "namespace", r->ns);
	}
	strbuf_addc(out, ',');
	member(out, "name", r->name);
	if (r->section.n != 0) {
		strbuf_addc(out, ',');
		member(out, "sectionName", r->section);
	}
	if (r->port.set)
		strbuf_printf(out, ",\"port\":%lld", (long long)r->port.v);
	strbuf_addc(out, '}');
}

/* Entries of other controllers in the manifest's list, as long as the CRD has room. */
void
status_foreign(struct status *st, const char *list, uint32_t n, uint32_t max)
{
	const struct node *all = manifest(st, list);

	for (const struct node *e = all == NULL ? NULL : all->first; e != NULL && n < max;
	     e = e->next) {
		if (e->type != NODE_MAP ||
		    bytes_eq(node_text(node_get(e, "controllerName")), BYTES(CONTROLLER)))
			continue;
		if (n++ != 0)
			strbuf_addc(&st->out, ',');
		node_print_json(e, &st->out);
	}
}

static const char *const FAULT_REASON[] = {
    "ResolvedRefs", "UnsupportedProtocol", "BackendNotFound", "RefNotPermitted", "InvalidKind"};

static void
route(struct status *st, const struct r_route *r)
{
	strbuf_addz(&st->out, "{\"parents\":[");
	for (uint32_t i = 0; i < r->nparents; i++) {
		const struct r_parent *p = &r->parents[i];
		struct conds c = {.n = 0};
		struct bytes where =
		    bytes_str(arena_printf(st->sc->arena, "parents/%.*s/%.*s/%.*s/%.*s/%lld",
			BYTES_ARG(p->ref->kind), BYTES_ARG(p->ref->ns), BYTES_ARG(p->ref->name),
			BYTES_ARG(p->ref->section), (long long)p->ref->port.v));

		cond_set(
		    &c, COND_ACCEPTED, p->accepted ? COND_TRUE : COND_FALSE, p->reason, p->message);
		cond_set(&c, COND_RESOLVED, r->refs.worst == REF_OK ? COND_TRUE : COND_FALSE,
		    FAULT_REASON[r->refs.worst],
		    r->refs.worst == REF_OK ? "all references are resolved" : r->refs.text->p);
		if (r->partial != NULL)
			cond_set(&c, COND_PARTIAL, COND_TRUE, "UnsupportedValue", r->partial);
		if (r->unserved != NULL)
			cond_set(&c, COND_NOT_SERVED, COND_TRUE, "FieldNotServed", r->unserved);
		status_stale(st, &c);
		strbuf_addz(&st->out, i == 0 ? "{\"parentRef\":" : ",{\"parentRef\":");
		status_ref(&st->out, p->ref);
		strbuf_addz(&st->out, ",\"controllerName\":\"" CONTROLLER "\",");
		status_conditions(st, where, &c, NULL, NULL);
		strbuf_addc(&st->out, '}');
	}
	status_foreign(st, "parents", r->nparents, 32);
	strbuf_addz(&st->out, "]}");
}

static void
policy(struct status *st, const struct r_policy *p)
{
	struct conds c = p->conds;

	status_stale(st, &c);
	strbuf_addz(&st->out, "{\"ancestors\":[");
	for (size_t i = 0; i < p->nancestors; i++) {
		const struct k_object_ref *a = &p->ancestors[i];
		struct k_parent_ref ref = {.group = a->group,
		    .kind = a->kind,
		    .ns = a->ns,
		    .name = a->name,
		    .section = a->section};
		struct bytes where = bytes_str(
		    arena_printf(st->sc->arena, "ancestors/%.*s/%.*s/%.*s/%.*s", BYTES_ARG(a->kind),
			BYTES_ARG(a->ns), BYTES_ARG(a->name), BYTES_ARG(a->section)));

		strbuf_addz(&st->out, i == 0 ? "{\"ancestorRef\":" : ",{\"ancestorRef\":");
		status_ref(&st->out, &ref);
		strbuf_addz(&st->out, ",\"controllerName\":\"" CONTROLLER "\",");
		status_conditions(st, where, &c, NULL, NULL);
		strbuf_addc(&st->out, '}');
	}
	status_foreign(st, "ancestors", (uint32_t)p->nancestors, 16);
	strbuf_addz(&st->out, "]}");
}

static void
service(struct status *st)
{
	const struct k_service *k = st->obj->spec;
	const struct r_service *s = st->sc->slot[st->obj->index];
	struct conds c = {.n = 0};
	const char *why = NULL;

	if (s != NULL)
		service_conditions(st->sc, s, &c);
	if (s != NULL && bytes_eq(k->external_traffic_policy, BYTES("Local")))
		why = "spec.externalTrafficPolicy: Local is read as Cluster, endpoints of other "
		      "machines are used too";
	if (k->external_ips.n != 0)
		why = arena_printf(st->sc->arena, "%s%sspec.externalIPs is not served",
		    why != NULL ? why : "", why != NULL ? "; " : "");
	if (why != NULL)
		cond_set(&c, COND_NOT_SERVED, COND_TRUE, "FieldNotServed", why);
	status_stale(st, &c);
	strbuf_addz(&st->out, "{\"loadBalancer\":{");
	if (s != NULL && s->gw[1] != NULL)
		address_ingress(st->sc, s->gw[1], &st->out);
	strbuf_addc(&st->out, '}');
	if (c.n != 0) {
		strbuf_addc(&st->out, ',');
		status_conditions(st, BYTES(""), &c, NULL, NULL);
	}
	strbuf_addc(&st->out, '}');
}

static void
backend(struct status *st, const struct r_backend_kind *b)
{
	struct conds c = b->conds;

	status_stale(st, &c);
	strbuf_addc(&st->out, '{');
	status_conditions(st, BYTES(""), &c, manifest(st, "conditions"), CLASS_OWN);
	strbuf_addc(&st->out, '}');
}

/* Not ours to judge: what the manifest says stays. */
static bool
other(struct status *st)
{
	if (st->obj->status == NULL || !st->obj->kind->status)
		return false;
	node_print_json(st->obj->status, &st->out);
	return true;
}

bool
status_print(struct status *st)
{
	const void *slot = st->sc->slot[st->obj->index];

	if (st->obj->kind->id == KIND_SERVICE) {
		service(st);
		return true;
	}
	if (slot == NULL)
		return other(st);
	switch (st->obj->kind->id) {
	case KIND_GATEWAYCLASS:
		status_class(st, slot);
		return true;
	case KIND_GATEWAY:
		gateway(st, slot);
		return true;
	case KIND_LISTENERSET:
		listenerset(st, slot);
		return true;
	case KIND_HTTPROUTE:
	case KIND_GRPCROUTE:
	case KIND_TLSROUTE:
	case KIND_TCPROUTE:
	case KIND_UDPROUTE:
		route(st, slot);
		return true;
	case KIND_BACKENDTRAFFICPOLICY:
	case KIND_CLIENTTRAFFICPOLICY:
		traffic_status(st, st->sc->slot[st->obj->index]);
		return true;
	case KIND_BACKEND:
		backend(st, slot);
		return true;
	default:
		policy(st, slot);
		return true;
	}
}
