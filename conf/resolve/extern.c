/*
 * extern.c - the kind Backend: endpoints by address, name or socket file (reference/policies.md 9).
 * Names of one label and loopback addresses are good on a machine of one's own, though Envoy
 * Gateway refuses them in a cluster. A unix socket must lie under unix_roots where files have
 * roles; resolving the request's Host is refused.
 */
#include "conf/kinds/k_core.h"
#include "conf/kinds/k_traffic.h"
#include "conf/resolve/backend.h"
#include "conf/resolve/uptls.h"
#include "shm/image.h"

bool
extern_is(const struct k_backend_ref *b)
{
	return bytes_eq(b->kind, BYTES("Backend")) &&
	    kind_in_group(kind_by_id(KIND_BACKEND), b->group);
}

static struct m_cluster *
cluster(struct scope *sc, struct r_backend_kind *b, const char *name)
{
	struct m_cluster *c = backend_cluster(sc, name, backend_proto(b->app));

	b->clusters[b->nclusters++] = c;
	return c;
}

static bool
under_roots(const struct scope *sc, const struct object *o, struct bytes path)
{
	const k_strings *roots = &sc->in.conf->unix_roots;

	for (size_t i = 0; i + 3 <= path.n; i++)
		if (memcmp(path.p + i, "/..", 3) == 0 && (i + 3 == path.n || path.p[i + 3] == '/'))
			return false;
	if (o->node->doc == NULL || o->node->doc->role == PROTO_ROLE_FLAT)
		return true;
	for (uint32_t i = 0; i < roots->n; i++) {
		struct bytes r = roots->v[i];

		if (r.n > 1 && r.p[r.n - 1] == '/')
			r.n--;
		if (bytes_starts(path, r) && path.n > r.n &&
		    (path.p[r.n] == '/' || bytes_eq(r, BYTES("/"))))
			return true;
	}
	return false;
}

static const char *
endpoint(struct scope *sc, struct r_backend_kind *b, const struct k_be_endpoint *e,
    struct m_cluster *c)
{
	struct m_endpoint *to = &c->endpoints[c->nendpoints];
	char text[160];

	*to = (struct m_endpoint){.weight = 1, .host = e->hostname};
	if (e->ip != NULL) {
		if (!addr_parse_ip(e->ip->host, &to->addr))
			return arena_printf(sc->arena, "IP address %.*s is invalid",
			    BYTES_ARG(e->ip->host));
		if (e->ip->port.v == 0)
			return "port 0 cannot be connected to";
		to->addr.port = (uint16_t)e->ip->port.v;
		addr_print(&to->addr, text);
	} else {
		struct bytes path = e->unix_->path;

		if (path.n == 0 || path.n > 107 || path.p[0] != '/' ||
		    !image_plain_ok(path, 107, false))
			return arena_printf(sc->arena, "unix path %.*s is not an absolute path of "
			    "at most 107 bytes", BYTES_ARG(path));
		if (!under_roots(sc, b->obj, path))
			return arena_printf(sc->arena, "unix path %.*s is not under unix_roots",
			    BYTES_ARG(path));
		to->unix_path = path;
		snprintf(text, sizeof(text), "unix:%.*s", BYTES_ARG(path));
	}
	to->id = ids_get(sc->ids, CAT_ID_ENDPOINT,
	    bytes_str(arena_printf(sc->arena, "%.*s %s", BYTES_ARG(c->name), text)));
	c->nendpoints++;
	return NULL;
}

static const char *
name(struct scope *sc, struct r_backend_kind *b, const struct k_be_host *f, struct bytes hostname)
{
	struct bytes host = f->host;
	struct m_cluster *c;
	uint32_t slot;

	if (host.n > 1 && host.p[host.n - 1] == '.')
		host.n--;
	if (f->port.v == 0)
		return "port 0 cannot be connected to";
	slot = ids_get(sc->ids, CAT_ID_NAME, host);
	if (slot == 0)
		return "there are too many names";
	c = cluster(sc, b, arena_printf(sc->arena, "%.*s/%.*s(%.*s:%lld)",
	    BYTES_ARG(b->obj->meta.ns), BYTES_ARG(b->obj->meta.name), BYTES_ARG(host),
	    (long long)f->port.v));
	c->dns = host;
	c->dns_slot = slot;
	c->port = (uint16_t)f->port.v;
	endpoint_positions(sc, c, hostname);
	return NULL;
}

static const char *
endpoints(struct scope *sc, struct r_backend_kind *b, const struct k_backend *k)
{
	struct m_cluster *c = NULL;
	const char *why = NULL;

	b->clusters = arena_alloc(sc->arena,
	    (k->endpoints.n + 1) * sizeof(struct m_cluster *));
	for (uint32_t i = 0; i < k->endpoints.n && why == NULL; i++) {
		const struct k_be_endpoint *e = &k->endpoints.v[i];

		if (e->fqdn != NULL) {
			why = name(sc, b, e->fqdn, e->hostname);
			continue;
		}
		if (c == NULL) {
			c = cluster(sc, b, arena_printf(sc->arena, "%.*s/%.*s",
			    BYTES_ARG(b->obj->meta.ns), BYTES_ARG(b->obj->meta.name)));
			c->endpoints =
			    arena_zalloc(sc->arena, k->endpoints.n * sizeof(*c->endpoints));
		}
		why = endpoint(sc, b, e, c);
	}
	return why;
}

struct unserved {
	struct scope *sc;
	const char *text;
};

static void
one_unserved(void *arg, const struct node *n, const char *path)
{
	struct unserved *u = arg;

	u->text = arena_printf(u->sc->arena, "%s%sspec.%s%s", u->text, u->text[0] ? ", " : "",
	    path, node_position(u->sc, n));
}

static int64_t
port_of(const struct k_be_endpoint *e)
{
	return e->fqdn != NULL ? e->fqdn->port.v : e->ip != NULL ? e->ip->port.v : 0;
}

/* Of all endpoints, as a policy's sectionName has it. */
static struct bytes
port_text(struct scope *sc, const struct k_backend *k, bool *several)
{
	int64_t port = k->endpoints.n != 0 ? port_of(&k->endpoints.v[0]) : 0;

	*several = false;
	for (uint32_t i = 1; i < k->endpoints.n; i++)
		*several = *several || port_of(&k->endpoints.v[i]) != port;
	return bytes_str(arena_printf(sc->arena, "%lld", (long long)port));
}

/* Its own TLS, and what a policy says of it. NULL or why it cannot be spoken. */
static const char *
secure(struct scope *sc, struct r_backend_kind *b)
{
	const struct k_backend *k = b->obj->spec;
	struct keybuf kb;
	struct bytes port;
	struct r_policy *p;
	struct m_uptls *m;
	const char *why;
	bool several;

	port = port_text(sc, k, &several);
	b->targets =
	    map_get(&sc->btls, KEY(&kb, b->obj->meta.ns, b->obj->meta.name, BYTES("b")));
	for (const struct r_target *t = b->targets; t != NULL && several; t = t->next)
		if (t->section.n != 0)
			return "a BackendTLSPolicy names one port, and there are several";
	p = uptls_find(b->targets, port);
	b->tls = k->tls != NULL || p != NULL;
	if (!b->tls)
		return NULL;
	b->barred = p != NULL && uptls_policy(sc, p) == NULL; /* its status says why */
	if (b->barred)
		return NULL;
	m = uptls_backend(sc, b->obj, k->tls, p, &why);
	for (uint32_t i = 0; i < b->nclusters; i++)
		b->clusters[i]->tls = m;
	return why;
}

static void
judge(struct scope *sc, struct r_backend_kind *b)
{
	const struct k_backend *k = b->obj->spec;
	struct unserved u = {sc, ""};

	b->fallback = k->fallback.v;
	for (uint32_t i = 0; i < k->protocols.n; i++) {
		struct bytes word = k->protocols.v[i];
		size_t group = (size_t)(bytes_rchr(word, '/') + 1);

		b->app = bytes_of(word.p + group, word.n - group);
	}
	if (k->type == K_BACKEND_DYNAMIC)
		b->refused = "type DynamicResolver is not served by this version";
	else if ((b->refused = endpoints(sc, b, k)) == NULL)
		b->refused = secure(sc, b);
	if (b->refused != NULL)
		cond_set(&b->conds, COND_ACCEPTED, COND_FALSE, "Invalid",
		    arena_printf(sc->arena, "The Backend was not accepted: %s", b->refused));
	else
		cond_set(&b->conds, COND_ACCEPTED, COND_TRUE, "Accepted",
		    "The Backend was accepted");
	sc->quiet = b->obj->stale;
	schema_unserved(sc->arena, b->obj->kind->spec, node_get(b->obj->node, "spec"),
	    one_unserved, &u);
	sc->quiet = false;
	if (u.text[0] != '\0')
		cond_set(&b->conds, "Warning", COND_TRUE, "UnsupportedField",
		    arena_printf(sc->arena, "not served by this version: %s", u.text));
}

void
extern_resolve(struct scope *sc)
{
	for (const struct object *o = sc->in.objects->first[KIND_BACKEND]; o != NULL;
	     o = o->next) {
		struct r_backend_kind *b = arena_zalloc(sc->arena, sizeof(*b));

		b->obj = o;
		sc->slot[o->index] = b;
		judge(sc, b);
	}
}
