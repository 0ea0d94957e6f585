/*
 * reach.c - endpoints of a Service or Backend by name. What routes send to stands in the image,
 * with health and with the addresses of its DNS name. What no route names is in no image: then the
 * objects of its namespace are compiled again, out of the catalogue and with a TCPRoute that names
 * it, so that selectors, slices, ports and workloads mean here what they mean there. (A second
 * reading of EndpointSlices by hand was rejected: it would come to differ.) Nobody checks the
 * health of those, and a name is looked up here.
 */
#include "cli/reach.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "cli/cli.h"
#include "cli/live.h"
#include "conf/compile.h"
#include "conf/kinds/schema.h"

static const char *const kinds[] = {
    "Service", "EndpointSlice", "Endpoints", "Workload", "WorkloadEntry", "Backend"};

static void
add(struct reach *r, const struct addr *a, struct bytes unix_path)
{
	struct reach_place *p = &r->v[r->n];

	if (r->n == REACH_MAX)
		return;
	*p = (struct reach_place){.addr = *a};
	if (unix_path.n && unix_path.n < sizeof(p->unix_path))
		memcpy(p->unix_path, unix_path.p, unix_path.n);
	r->target = r->n == 0 || r->target == a->port ? a->port : 0;
	r->n++;
}

/* ---- in an image */

/* A name that nobody has looked up. */
static void
look_up(const struct image *im, const struct im_cluster *c, struct reach *r)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
	struct bytes name = image_text(im, c->dns_name);
	struct addr a;
	char text[256];

	if (name.n >= sizeof(text))
		return;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	if (getaddrinfo(text, NULL, &hints, &list) != 0)
		return;
	for (const struct addrinfo *i = list; i; i = i->ai_next)
		if (addr_from_sock(i->ai_addr, &a)) {
			a.port = c->port;
			r->known++;
			add(r, &a, BYTES_NONE);
		}
	freeaddrinfo(list);
}

static bool
is_wanted(const struct view *v, uint32_t cluster, const struct reach_want *w, uint16_t port)
{
	struct bytes name = image_text(&v->image, v->image.clusters[cluster].name);
	char full[600];
	size_t n = (size_t)snprintf(full, sizeof(full), w->backend ? "%.*s/%.*s" : "%.*s/%.*s:%u",
	    BYTES_ARG(w->ns), BYTES_ARG(w->name), port);

	if (n >= sizeof(full) || !bytes_starts(name, bytes_of(full, n)))
		return false;
	return name.n == n || (w->backend && name.p[n] == '(');
}

static void
collect(struct view *v, const struct reach_want *w, uint16_t port, struct reach *r, bool *any)
{
	bool *only = arena_zalloc(&v->arena, v->image.n_clusters + 1ul);
	uint32_t n, *list;

	for (uint32_t i = 0; i < v->image.n_clusters; i++)
		*any |= only[i] = is_wanted(v, i, w, port);
	list = live_clusters(v, only, &n);
	for (uint32_t i = 0; i < n; i++) {
		struct live_set set;
		struct live e;

		live_open(&set, v, list[i]);
		if (set.named && !v->online && (!w->backend || set.cluster->port == port))
			look_up(&v->image, set.cluster, r);
		while (live_next(&set, &e)) {
			if (w->backend && !e.unix_path.n && e.addr.port != port)
				continue;
			r->known++;
			if (live_usable(&e))
				add(r, &e.addr, e.unix_path);
		}
	}
}

/* ---- compiled for the purpose */

struct text_source {
	struct source source;
	struct bytes text;
};

static int
walk(struct source *s, unsigned root, int (*file)(void *, struct source_file *), void *arg)
{
	struct source_file f = {.path = BYTES("catalogue.yaml"),
	    .text = HG_CONTAINER(s, struct text_source, source)->text,
	    .role = PROTO_ROLE_FLAT};

	return root == 0 ? file(arg, &f) : 0;
}

static int
open_none(struct source *s, struct bytes path, struct arena *a, struct source_file *out)
{
	(void)s;
	(void)a;
	*out = (struct source_file){.path = path, .error = ENOENT};
	return 0;
}

static void
write_objects(const struct view *v, const struct reach_want *w, uint16_t port, struct strbuf *out)
{
	const struct blob *b = &v->cat.blob;

	for (uint32_t i = 0; i < v->cat.n_objects; i++) {
		const struct cat_object *o = &v->cat.objects[i];

		if (o->flags & (CAT_GONE | CAT_OWN) || !bytes_eq(blob_text(b, o->ns), w->ns))
			continue;
		for (unsigned k = 0; k < HG_ARRAY_LEN(kinds); k++)
			if (bytes_eq(blob_text(b, o->kind), bytes_str(kinds[k]))) {
				strbuf_add(out, blob_text(b, o->json));
				strbuf_addz(out, "\n---\n");
			}
	}
	strbuf_printf(out,
	    "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: reach, "
	    "namespace: %.*s}, spec: {gatewayClassName: headgate, listeners: [{name: it, port: 1, "
	    "protocol: TCP}]}}\n---\n",
	    BYTES_ARG(w->ns));
	strbuf_printf(out,
	    "{apiVersion: gateway.networking.k8s.io/v1, kind: TCPRoute, metadata: {name: reach, "
	    "namespace: %.*s}, spec: {parentRefs: [{name: reach}], rules: [{backendRefs: [{group: "
	    "'%s', kind: %s, name: %.*s, port: %u}]}]}}\n",
	    BYTES_ARG(w->ns), w->backend ? "gateway.headgate.dev" : "",
	    w->backend ? "Backend" : "Service", BYTES_ARG(w->name), port);
}

static bool
compile_own(const struct view *v, const struct reach_want *w, uint16_t port, struct view *own)
{
	struct strbuf text = STRBUF_INIT;
	struct text_source s = {.source = {.walk = walk, .open = open_none}};
	struct proto_compile *params = arena_zalloc(&own->arena, sizeof(*params));
	struct compile_in in = {.params = params,
	    .source = &s.source,
	    .now = (int64_t)(clock_real() / SEC_NS)};
	struct compile_out out;
	bool ok;

	params->generation = 1;
	params->nroots = 1;
	params->flat = 1;
	write_objects(v, w, port, &text);
	s.text = strbuf_bytes(&text);
	ok = compile_run(&own->arena, &in, &out) == HG_OK && view_take_image(own, out.image);
	strbuf_release(&text);
	blob_writer_free(out.image);
	blob_writer_free(out.catalogue);
	blob_writer_free(out.secrets);
	return ok;
}

static void
collect_own(const struct view *v, const struct reach_want *w, uint16_t port, struct reach *r)
{
	struct view own = {0};
	bool any = false;

	arena_init(&own.arena, 65536, 0);
	if (compile_own(v, w, port, &own))
		collect(&own, w, port, r, &any);
	view_close(&own);
}

/* ---- */

static bool
port_of(const struct reach_want *w, const struct node *spec, uint16_t *port)
{
	const struct node *ports = spec ? node_get(spec, "ports") : NULL;
	uint64_t number = 0;

	if (parse_u64(w->port, UINT16_MAX, &number) && number == 0)
		return false;
	*port = (uint16_t)number;
	if (w->backend || !ports) /* ExternalName may have none */
		return number != 0;
	for (const struct node *p = ports->first; p; p = p->next) {
		struct bytes proto = node_text(node_get(p, "protocol"));
		const struct node *n = node_get(p, "port");

		if (!n || (number ? (uint64_t)n->integer != number :
				    !bytes_eq(node_text(node_get(p, "name")), w->port)))
			continue;
		*port = (uint16_t)n->integer;
		if (!proto.n || bytes_eq(proto, BYTES("TCP")))
			return true;
	}
	return false;
}

static const struct cat_object *
object(const struct view *v, const struct reach_want *w)
{
	static const char *const groups[] = {"gateway.headgate.dev", "gateway.envoyproxy.io"};
	const struct cat_object *o = NULL;

	if (!w->backend)
		o = catalogue_find(&v->cat, BYTES(""), BYTES("Service"), w->ns, w->name);
	for (unsigned i = 0; w->backend && !o && i < HG_ARRAY_LEN(groups); i++)
		o = catalogue_find(&v->cat, bytes_str(groups[i]), BYTES("Backend"), w->ns, w->name);
	return o && !(o->flags & CAT_GONE) ? o : NULL;
}

static int
find(struct view *v, const struct reach_want *w, struct reach *out)
{
	const struct cat_object *o = object(v, w);
	const char *kind = w->backend ? "Backend" : "Service";
	struct node *json;
	bool any = false;

	*out = (struct reach){0};
	if (!o) {
		fprintf(stderr, "headgate: there is no %s '%.*s' in namespace %.*s\n", kind,
		    BYTES_ARG(w->name), BYTES_ARG(w->ns));
		return EX_FAILED;
	}
	json = view_json(v, blob_text(&v->cat.blob, o->json));
	if (!json || !port_of(w, node_get(json, "spec"), &out->port)) {
		fprintf(stderr, "headgate: %s %.*s does not have a TCP port %.*s\n", kind,
		    BYTES_ARG(w->name), BYTES_ARG(w->port));
		return EX_FAILED;
	}
	collect(v, w, out->port, out, &any);
	if (!any)
		collect_own(v, w, out->port, out);
	return 0;
}

int
reach_find(const struct view *v, const struct reach_want *w, struct reach *out)
{
	struct view brief = *v; /* what it allocates goes at once: it may be asked for days */
	int rc;

	arena_init(&brief.arena, 65536, 0);
	rc = find(&brief, w, out);
	arena_release(&brief.arena);
	return rc;
}
