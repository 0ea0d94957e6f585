/*
 * infra.c - the objects of infra.h as JSON. A Gateway's Service is the honest answer to "what was
 * made for it": its addresses are those that are bound, its ports those of the listeners. Names and
 * label values over 63 characters are cut and get a hash (v1.7 allows Gateway names of 253).
 */
#include "conf/resolve/infra.h"

#include "base/clock.h"
#include "base/json.h"
#include "conf/resolve/status.h"

#define LABEL_GATEWAY "gateway.networking.k8s.io/gateway-name"

static struct bytes
label_cut(struct scope *sc, const char *prefix, struct bytes name)
{
	struct hash128 h = hash_content(name.p, name.n);

	if (strlen(prefix) + name.n <= 63)
		return bytes_str(arena_printf(sc->arena, "%s%.*s", prefix, BYTES_ARG(name)));
	return bytes_str(arena_printf(
	    sc->arena, "%s%.*s-%08x", prefix, (int)(54 - strlen(prefix)), name.p, (unsigned)h.a));
}

static struct infra *
begin(struct scope *sc, const char *group, const char *kind, struct bytes ns, struct bytes name)
{
	struct infra *in = arena_zalloc(sc->arena, sizeof(*in));
	const struct cat_object *old = NULL;
	struct keybuf kb;
	struct bytes key = KEY(&kb, bytes_str(group), bytes_str(kind), ns, name);
	struct hash128 h = hash_content(key.p, key.n);

	if (sc->in.old != NULL)
		old = catalogue_find(sc->in.old, bytes_str(group), bytes_str(kind), ns, name);
	in->group = group;
	in->kind = kind;
	in->ns = ns;
	in->name = name;
	in->created = old != NULL ? old->created : sc->in.now;
	in->generation = 1;
	in->uid = bytes_str(arena_printf(sc->arena, "%08x-%04x-8%03x-8%03x-%012llx",
	    (unsigned)(h.a >> 32), (unsigned)(h.a >> 16 & 0xffff), (unsigned)(h.a & 0xfff),
	    (unsigned)(h.b >> 52), (unsigned long long)(h.b & 0xffffffffffffull)));
	return in;
}

static void
metadata(struct json *j, const struct infra *in)
{
	char created[21];

	clock_rfc3339(in->created, created);
	json_key(j, "name");
	json_str(j, in->name);
	if (in->ns.n != 0) {
		json_key(j, "namespace");
		json_str(j, in->ns);
	}
	json_key(j, "uid");
	json_str(j, in->uid);
	json_key(j, "generation");
	json_int(j, in->generation);
	json_key(j, "creationTimestamp");
	json_strz(j, created);
}

static struct infra *
builtin_class(struct scope *sc, struct blob_writer *w, struct constants *constants)
{
	struct infra *in = begin(sc, GROUP_GATEWAY, "GatewayClass", BYTES_NONE, BYTES(CLASS_NAME));
	struct status st = {.sc = sc, .w = w, .constants = constants, .generation = in->generation};
	struct strbuf out = STRBUF_INIT;
	struct json j;

	if (sc->in.old != NULL)
		st.old = catalogue_find(sc->in.old, BYTES(GROUP_GATEWAY), BYTES("GatewayClass"),
		    BYTES_NONE, BYTES(CLASS_NAME));
	json_init(&j, &out, false);
	json_object(&j);
	json_key(&j, "apiVersion");
	json_strz(&j, GROUP_GATEWAY "/v1");
	json_key(&j, "kind");
	json_strz(&j, "GatewayClass");
	json_key(&j, "metadata");
	json_object(&j);
	metadata(&j, in);
	json_end(&j, '}');
	json_key(&j, "spec");
	json_object(&j);
	json_key(&j, "controllerName");
	json_strz(&j, CONTROLLER);
	json_end(&j, '}');
	json_end(&j, '}');
	in->json = arena_bytes(sc->arena, strbuf_bytes(&out));
	strbuf_release(&out);
	in->conditions.first = blob_count(w, CAT_CONDITION);
	status_class(&st, &sc->builtin);
	in->conditions.n = st.nconds;
	in->status = arena_bytes(sc->arena, strbuf_bytes(&st.out));
	strbuf_release(&st.out);
	in->flags = CAT_BUILTIN;
	return in;
}

static void
pairs(struct json *j, const k_map *m)
{
	for (uint32_t i = 0; m != NULL && i < m->n; i++) {
		if (bytes_eq(m->v[i].key, BYTES(LABEL_GATEWAY)))
			continue;
		json_keyb(j, m->v[i].key);
		json_str(j, m->v[i].value);
	}
}

static void
service_meta(struct scope *sc, struct json *j, const struct infra *in, const struct r_gateway *gw)
{
	const struct k_infrastructure *infra = gw->k->infrastructure;

	json_key(j, "metadata");
	json_object(j);
	metadata(j, in);
	json_key(j, "labels");
	json_object(j);
	json_key(j, LABEL_GATEWAY);
	json_str(j, label_cut(sc, "", gw->obj->meta.name));
	pairs(j, infra == NULL ? NULL : &infra->labels);
	json_end(j, '}');
	if (infra != NULL && infra->annotations.n != 0) {
		json_key(j, "annotations");
		json_object(j);
		pairs(j, &infra->annotations);
		json_end(j, '}');
	}
	json_end(j, '}');
}

static bool
port_seen(const struct r_gateway *gw, uint32_t i)
{
	for (uint32_t k = 0; k < i; k++)
		if (gw->own[k].k->port.v == gw->own[i].k->port.v &&
		    (gw->own[k].protocol == IM_RAW_UDP) == (gw->own[i].protocol == IM_RAW_UDP))
			return true;
	return false;
}

static void
service_spec(struct json *j, const struct r_gateway *gw)
{
	json_key(j, "spec");
	json_object(j);
	json_key(j, "type");
	json_strz(j, "LoadBalancer");
	json_key(j, "ports");
	json_array(j);
	for (uint32_t i = 0; i < gw->nown; i++) {
		const struct r_listener *l = &gw->own[i];
		char name[24];

		if (port_seen(gw, i))
			continue;
		snprintf(name, sizeof(name), "%s-%u", l->protocol == IM_RAW_UDP ? "udp" : "tcp",
		    (unsigned)l->k->port.v);
		json_object(j);
		json_key(j, "name");
		json_strz(j, name);
		json_key(j, "protocol");
		json_strz(j, l->protocol == IM_RAW_UDP ? "UDP" : "TCP");
		json_key(j, "port");
		json_int(j, l->k->port.v);
		json_end(j, '}');
	}
	json_end(j, ']');
	json_end(j, '}');
}

static struct infra *
service(struct scope *sc, const struct r_gateway *gw)
{
	struct bytes name = label_cut(sc, "headgate-", gw->obj->meta.name);
	struct strbuf out = STRBUF_INIT;
	struct infra *in;
	struct json j;

	if (objects_find(sc->in.objects, KIND_SERVICE, gw->obj->meta.ns, name) != NULL)
		return NULL; /* somebody's own: theirs stays */
	in = begin(sc, "", "Service", gw->obj->meta.ns, name);
	json_init(&j, &out, false);
	json_object(&j);
	json_key(&j, "apiVersion");
	json_strz(&j, "v1");
	json_key(&j, "kind");
	json_strz(&j, "Service");
	service_meta(sc, &j, in, gw);
	service_spec(&j, gw);
	json_end(&j, '}');
	in->json = arena_bytes(sc->arena, strbuf_bytes(&out));
	strbuf_reset(&out);
	strbuf_addz(&out, "{\"loadBalancer\":{");
	address_ingress(sc, gw, &out);
	strbuf_addz(&out, "}}");
	in->status = arena_bytes(sc->arena, strbuf_bytes(&out));
	strbuf_release(&out);
	in->flags = CAT_OWN;
	return in;
}

const struct infra *
infra_list(struct scope *sc, struct blob_writer *w, struct constants *constants)
{
	struct infra *list = NULL;

	if (sc->nclasses != 0 && sc->classes[0] == &sc->builtin)
		list = builtin_class(sc, w, constants);
	for (uint32_t i = 0; i < sc->ngateways; i++) {
		struct infra *in = sc->gateways[i]->accepted && sc->gateways[i]->service == NULL ?
		    service(sc, sc->gateways[i]) :
		    NULL;

		if (in != NULL) {
			in->next = list;
			list = in;
		}
	}
	return list;
}
