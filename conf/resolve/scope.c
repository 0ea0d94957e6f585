/*
 * scope.c - life and small helpers of one resolve; resolve_run is the list of its steps. Everything
 * that may be large is indexed by hash or walked in sorted order, so that 100,000 routes cost time
 * in proportion.
 */
#include "conf/resolve/scope.h"

#include "base/mem.h"
#include "conf/read/codes.h"
#include "conf/resolve/backend.h"
#include "conf/resolve/service.h"
#include "conf/resolve/traffic.h"

struct bytes
scope_key(struct keybuf *kb, unsigned n, const struct bytes *parts)
{
	size_t at = 0;

	for (unsigned i = 0; i < n; i++) {
		HG_CHECK(parts[i].n < sizeof(kb->text) - at - 1);
		if (parts[i].n != 0)
			memcpy(kb->text + at, parts[i].p, parts[i].n);
		at += parts[i].n;
		kb->text[at++] = '\0';
	}
	return bytes_of(kb->text, at);
}

bool
map_pair(const k_map *m, struct bytes key, struct bytes *value)
{
	for (uint32_t i = 0; i < m->n; i++)
		if (bytes_eq(m->v[i].key, key)) {
			*value = m->v[i].value;
			return true;
		}
	return false;
}

static bool
label(const k_map *labels, struct bytes ns_name, struct bytes key, struct bytes *value)
{
	if (ns_name.p != NULL && bytes_eq(key, BYTES("kubernetes.io/metadata.name"))) {
		*value = ns_name;
		return true;
	}
	return labels != NULL && map_pair(labels, key, value);
}

static bool
expr_matches(const struct k_selector_expr *e, const k_map *labels, struct bytes ns_name)
{
	struct bytes value;
	bool has = label(labels, ns_name, e->key, &value), in = false;

	for (uint32_t i = 0; has && i < e->values.n; i++)
		in = in || bytes_eq(value, e->values.v[i]);
	if (bytes_eq(e->op, BYTES("In")))
		return in;
	if (bytes_eq(e->op, BYTES("NotIn")))
		return !in;
	if (bytes_eq(e->op, BYTES("Exists")))
		return has;
	return bytes_eq(e->op, BYTES("DoesNotExist")) && !has;
}

bool
selector_matches(const struct k_selector *s, const k_map *labels, struct bytes ns_name)
{
	struct bytes value;

	if (s == NULL) /* absent selects nothing, empty selects all */
		return false;
	for (uint32_t i = 0; i < s->labels.n; i++)
		if (!label(labels, ns_name, s->labels.v[i].key, &value) ||
		    !bytes_eq(value, s->labels.v[i].value))
			return false;
	for (uint32_t i = 0; i < s->exprs.n; i++)
		if (!expr_matches(&s->exprs.v[i], labels, ns_name))
			return false;
	return true;
}

bool
namespace_selected(const struct scope *sc, const struct k_selector *s, struct bytes ns)
{
	const struct object *o = objects_find(sc->in.objects, KIND_NAMESPACE, BYTES_NONE, ns);

	return selector_matches(s, o == NULL ? NULL : &o->meta.labels, ns);
}

bool
kind_is(const struct object *o, enum kind_id id)
{
	return o->kind->id == id;
}

int
object_cmp_age(const struct scope *sc, const struct object *a, const struct object *b)
{
	int64_t ta = sc->meta[a->index].created, tb = sc->meta[b->index].created;
	int c;

	if (ta != tb)
		return ta < tb ? -1 : 1;
	c = bytes_cmp(a->meta.ns, b->meta.ns);
	return c != 0 ? c : bytes_cmp(a->meta.name, b->meta.name);
}

const char *
node_position(struct scope *sc, const struct node *n)
{
	if (sc->quiet || n == NULL || n->doc == NULL || n->at.line == 0)
		return "";
	return arena_printf(
	    sc->arena, " (%.*s:%u:%u)", BYTES_ARG(n->doc->file), n->at.line, n->at.col);
}

static uint16_t
fault_code(enum ref_fault fault)
{
	switch (fault) {
	case REF_NOT_FOUND:
		return CODE_REF_NOT_FOUND;
	case REF_NOT_PERMITTED:
		return CODE_REF_NOT_PERMITTED;
	case REF_PROTOCOL:
		return CODE_NOT_SERVED;
	default:
		return CODE_REF_KIND;
	}
}

void
fault_add(struct scope *sc, struct faults *f, enum ref_fault fault, const struct node *node,
    const char *fmt, ...)
{
	const char *text;
	va_list ap;

	if (fault > f->worst)
		f->worst = fault;
	if (f->text == NULL) {
		f->text = mem_zalloc(sizeof(*f->text));
		sc->texts = mem_grow(sc->texts, &sc->textcap, sc->ntexts, sizeof(*sc->texts));
		sc->texts[sc->ntexts++] = f->text;
	} else {
		if (f->text->n > 4096) /* status messages are bounded */
			return;
		strbuf_addz(f->text, "; ");
	}
	va_start(ap, fmt);
	text = arena_vprintf(sc->arena, fmt, ap);
	va_end(ap);
	strbuf_addz(f->text, text);
	strbuf_addz(f->text, node_position(sc, node));
	if (node == NULL || sc->quiet)
		return;
	if (strncmp(text, "spec.", 5) == 0 && strstr(text, ": ") != NULL)
		text = strstr(text, ": ") + 2; /* a finding names its field itself */
	diag_at(sc->in.diags, fault_code(fault), node, "%s", text);
}

static struct map *
map_of(struct scope *sc, unsigned i)
{
	struct map *maps[] = {&sc->by_socket, &sc->by_hostname, &sc->grants, &sc->slices,
	    &sc->workloads, &sc->services, &sc->btls, &sc->regexes, &sc->files,
	    &sc->old_files};

	return i < HG_ARRAY_LEN(maps) ? maps[i] : NULL;
}

struct model *
resolve_bound(struct scope *sc, const int32_t *err)
{
	socket_bound(sc, err);
	gateway_programmed(sc);
	model_finish(sc);
	return &sc->model;
}

struct scope *
resolve_run(struct arena *a, const struct resolve_in *in)
{
	struct scope *sc = arena_zalloc(a, sizeof(*sc));

	sc->arena = a;
	sc->in = *in;
	for (unsigned i = 0; map_of(sc, i) != NULL; i++)
		map_init(map_of(sc, i));
	sc->ids = ids_new(in->old, in->generation);
	sc->meta = arena_zalloc(a, (in->objects->n + 1) * sizeof(*sc->meta));
	sc->slot = arena_zalloc(a, (in->objects->n + 1) * sizeof(*sc->slot));
	meta_resolve(sc);
	grant_index(sc);
	class_resolve(sc);
	gateway_resolve(sc);
	listenerset_resolve(sc);
	service_resolve(sc);
	for (uint32_t i = 0; i < sc->ngateways; i++)
		listener_conflicts(sc, sc->gateways[i]);
	address_resolve(sc);
	socket_resolve(sc);
	policy_index(sc);
	endpoint_index(sc);
	extern_resolve(sc);
	xbackend_resolve(sc);
	attach_resolve(sc);
	policy_resolve(sc);
	traffic_resolve(sc);
	unreachable_warn(sc);
	return sc;
}

uint32_t
resolve_sockets(const struct scope *sc, const struct proto_sockkey **out)
{
	*out = sc->keys;
	return sc->nbind;
}

void
resolve_free(struct scope *sc)
{
	for (unsigned i = 0; map_of(sc, i) != NULL; i++)
		map_release(map_of(sc, i));
	for (size_t i = 0; i < sc->ntexts; i++) {
		strbuf_release(sc->texts[i]);
		mem_free(sc->texts[i]);
	}
	mem_free(sc->texts);
	traffic_release(sc);
	mem_free(sc->sockets);
	mem_free(sc->pool);
	mem_free(sc->touched);
	mem_free(sc->poolnames);
	ids_free(sc->ids);
}
