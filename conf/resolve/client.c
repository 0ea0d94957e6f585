/*
 * client.c - a ClientTrafficPolicy's fields as a record (reference/policies.md 8). What is absent
 * has Envoy Gateway's default, so that manifests made for it behave alike. TLS settings are read by
 * certificate.c. A field in error breaks the listener: everything answers 500.
 */
#include "base/field.h"
#include "conf/resolve/rule.h"
#include "conf/resolve/traffic.h"
#include "shm/image.h"

struct ctx {
	struct scope *sc;
	struct t_policy *p;
	const struct k_clienttrafficpolicy *k;
	struct m_client *m;
};

#define BAD(c, ...) words_addf((c)->sc, &(c)->p->errors, __VA_ARGS__)

static void
unserved(struct ctx *c, const struct node *n, const char *path)
{
	words_addf(c->sc, &c->p->unserved, "%s%s", path, node_position(c->sc, n));
}

static void
address(struct ctx *c)
{
	const struct k_ip_detection *k = c->k->ip;
	struct im_client *r = &c->m->rec;

	r->xff_append = 1;
	if (k != NULL && k->xff != NULL) {
		const struct k_xff *x = k->xff;

		r->xff_append = !x->no_append.v;
		r->ipdetect = x->hops.set ? IM_IP_XFF_HOPS : IM_IP_XFF_CIDRS;
		r->hops = (uint32_t)HG_MIN(HG_MAX(x->hops.v, 0), 1000);
		c->m->cidrs = arena_zalloc(c->sc->arena, (x->cidrs.n + 1) * sizeof(struct cidr));
		for (uint32_t i = 0; i < x->cidrs.n; i++)
			if (cidr_parse(x->cidrs.v[i], &c->m->cidrs[c->m->ncidrs]))
				c->m->ncidrs++;
	} else if (k != NULL && k->header != NULL) {
		r->ipdetect = IM_IP_HEADER;
		r->ip_fail_closed = k->header->fail_closed.v;
		c->m->ip_header = k->header->name;
	}
	r->proxy_protocol = c->k->proxy != NULL || c->k->enable_proxy.v;
	r->proxy_optional = c->k->proxy != NULL && c->k->proxy->optional.v;
}

/* ---- early and late header fields */
static bool
name_good(struct ctx *c, struct bytes name)
{
	if (image_token_ok(name) && bytes_chr(name, '/', 0) < 0 && bytes_chr(name, ':', 0) < 0)
		return true;
	BAD(c, "Headers: header name %.*s cannot contain a '/' or ':'.", BYTES_ARG(name));
	return false;
}

static void
put(struct ctx *c, struct m_edit *v, uint32_t *n, uint8_t op, struct bytes name,
    struct bytes value)
{
	if (!name_good(c, name))
		return;
	if (!image_plain_ok(value, IMAGE_VALUE_BYTES, false))
		BAD(c, "Headers: value of %.*s is not possible.", BYTES_ARG(name));
	else
		v[(*n)++] = (struct m_edit){op, name, value};
}

static struct m_edit *
edits(struct ctx *c, const struct k_edits *k, const char *path, uint32_t *n)
{
	struct m_edit *v;

	if (k == NULL)
		return NULL;
	v = arena_alloc(c->sc->arena, (k->add.n + k->set.n + k->absent.n + k->remove.n +
	    k->remove_match.n + 1) * sizeof(*v));
	for (uint32_t i = 0; i < k->add.n; i++)
		put(c, v, n, IM_ADD, k->add.v[i].name, k->add.v[i].value);
	for (uint32_t i = 0; i < k->set.n; i++)
		put(c, v, n, IM_SET, k->set.v[i].name, k->set.v[i].value);
	for (uint32_t i = 0; i < k->absent.n; i++)
		put(c, v, n, IM_ADD_ABSENT, k->absent.v[i].name, k->absent.v[i].value);
	for (uint32_t i = 0; i < k->remove.n; i++)
		put(c, v, n, IM_REMOVE, k->remove.v[i], BYTES_NONE);
	for (uint32_t i = 0; i < k->remove_match.n; i++) {
		static const uint8_t ops[] = {0, IM_REMOVE, IM_REMOVE_PREFIX, IM_REMOVE_SUFFIX, 0};
		const struct k_match *m = &k->remove_match.v[i];

		if (ops[m->type] == 0)
			unserved(c, m->node, arena_printf(c->sc->arena,
			    "spec.headers.%s.removeOnMatch[%u]", path, i));
		else
			put(c, v, n, ops[m->type], m->value, BYTES_NONE);
	}
	return v;
}

static void
xfcc(struct ctx *c, const struct k_xfcc *k)
{
	static const uint8_t modes[] = {IM_XFCC_SANITIZE, IM_XFCC_SANITIZE, IM_XFCC_FORWARD,
	    IM_XFCC_APPEND, IM_XFCC_SET, IM_XFCC_ALWAYS};
	static const struct {
		const char *name;
		uint8_t bit;
	} details[] = {{"Subject", IM_XFCC_SUBJECT}, {"Cert", IM_XFCC_CERT},
	    {"Chain", IM_XFCC_CHAIN}, {"DNS", IM_XFCC_DNS}, {"URI", IM_XFCC_URI}};

	c->m->rec.xfcc = modes[k->mode];
	for (uint32_t i = 0; i < k->details.n; i++)
		for (unsigned j = 0; j < HG_ARRAY_LEN(details); j++)
			if (bytes_eq(k->details.v[i], bytes_str(details[j].name)))
				c->m->rec.xfcc_details |= details[j].bit;
}

static void
headers(struct ctx *c)
{
	static const uint8_t underscores[] = {IM_US_REJECT, IM_US_ALLOW, IM_US_REJECT, IM_US_DROP};
	static const uint8_t ids[] = {IM_RID_GENERATE, IM_RID_PRESERVE_OR_GENERATE,
	    IM_RID_PRESERVE, IM_RID_GENERATE, IM_RID_DISABLE};
	const struct k_ct_headers *k = c->k->headers;
	struct im_client *r = &c->m->rec;

	r->ratelimit_headers = 1;
	if (k == NULL)
		return;
	r->ratelimit_headers = !k->no_limits.v;
	r->underscores = underscores[k->underscores];
	r->request_id = k->request_id == 0 && k->preserve_id.v ? IM_RID_PRESERVE_OR_GENERATE :
								 ids[k->request_id];
	r->strip_dot = k->host != NULL && k->host->strip_dot.v;
	if (k->xfcc != NULL)
		xfcc(c, k->xfcc);
	c->m->early = edits(c, k->early, "earlyRequestHeaders", &c->m->nearly);
	c->m->late = edits(c, k->late, "lateResponseHeaders", &c->m->nlate);
}

static void
path(struct ctx *c)
{
	static const uint8_t slashes[] = {IM_SL_REDIRECT, IM_SL_KEEP, IM_SL_REJECT, IM_SL_UNESCAPE,
	    IM_SL_REDIRECT};
	const struct k_ct_path *k = c->k->path;

	c->m->rec.merge_slashes = k == NULL || !k->no_merge.v;
	c->m->rec.slashes = slashes[k == NULL ? 0 : k->slashes];
}

static void
http1(struct ctx *c)
{
	const struct k_ct_http1 *k = c->k->http1;

	if (k == NULL)
		return;
	c->m->rec.trailers = k->trailers.v;
	c->m->rec.http10 = k->http10 != NULL;
	c->m->upgrades = arena_alloc(c->sc->arena, (k->upgrades.n + 1) * sizeof(struct bytes));
	for (uint32_t i = 0; i < k->upgrades.n; i++) {
		if (k->upgrades.v[i].type == K_SM_EXACT &&
		    image_token_ok(k->upgrades.v[i].value))
			c->m->upgrades[c->m->nupgrades++] = k->upgrades.v[i].value;
		else
			unserved(c, k->upgrades.v[i].node, arena_printf(c->sc->arena,
			    "spec.http1.ignoredUpgradeTypes[%u]", i));
	}
	c->m->default_host = k->http10 != NULL && k->http10->default_host.v;
}

/* Bounds of what a client may have us hold for it, whatever is written. */
#define H2_STREAMS 10000u
#define H2_WINDOW (1u << 20)
#define H2_CONN_WINDOW (16u << 20)

static uint32_t
window(struct ctx *c, const struct k_int_or_string *k, const char *name, uint32_t most)
{
	uint64_t n;

	if (!k->set)
		return 0;
	if (!quantity_of(k, INT32_MAX, &n) || n < 65535) {
		BAD(c, "HTTP2: %s is out of range, must be between 65535 and 2147483647.", name);
		return 0;
	}
	if (n > most)
		words_addf(c->sc, &c->p->notes, "spec.http2.%s is held to %u bytes", name, most);
	return (uint32_t)HG_MIN(n, (uint64_t)most);
}

static void
http2(struct ctx *c)
{
	const struct k_http2 *k = c->k->http2;
	struct im_client *r = &c->m->rec;

	if (k == NULL)
		return;
	r->h2_streams = (uint32_t)HG_MIN(HG_MAX(k->streams.v, 0), (int64_t)H2_STREAMS);
	r->h2_window = window(c, &k->stream_window, "initialStreamWindowSize", H2_WINDOW);
	r->h2_conn_window =
	    window(c, &k->connection_window, "initialConnectionWindowSize", H2_CONN_WINDOW);
}

static void
times(struct ctx *c)
{
	const struct k_ct_timeout *k = c->k->timeout;
	struct im_client *r = &c->m->rec;

	if (k != NULL && k->tcp != NULL) {
		r->tls_handshake_ms = duration_of(&k->tcp->handshake);
		r->tcp_idle_ms = duration_of(&k->tcp->idle);
	}
	if (k == NULL || k->http == NULL)
		return;
	r->request_ms = duration_of(&k->http->request);
	r->header_ms = duration_of(&k->http->headers);
	r->idle_ms = duration_of(&k->http->idle);
	r->stream_idle_ms = duration_of(&k->http->stream_idle);
}

static void
connection(struct ctx *c)
{
	const struct k_ct_connection *k = c->k->connection;
	const struct k_connection_limit *l = k == NULL ? NULL : k->limit;
	struct im_client *r = &c->m->rec;
	uint64_t n;

	r->buffer_bytes = IM_NONE;
	if (k != NULL && k->buffer.set) {
		if (quantity_of(&k->buffer, UINT32_MAX, &n))
			r->buffer_bytes = (uint32_t)HG_MIN(n, IM_NONE - 1);
		else
			BAD(c, "Connection: BufferLimit value %s is out of range, must be between "
			    "0 and 4294967295.", quantity_text(c->sc, &k->buffer));
	}
	if (l != NULL) {
		r->max_connections = (uint32_t)HG_MIN(l->value.v, IM_NONE - 1);
		r->connection_delay_ms = (uint32_t)HG_MIN(l->delay.ms, IM_NONE - 1);
		r->connection_max_ms = (uint32_t)HG_MIN(l->duration.ms, IM_NONE - 1);
		r->stream_max_ms = (uint32_t)HG_MIN(l->stream.ms, IM_NONE - 1);
		r->max_requests = (uint32_t)HG_MAX(l->requests.v, 0);
	}
	if (c->k->keepalive != NULL) {
		r->tcp_keepalive = 1;
		r->keepalive_probes =
		    (uint32_t)HG_MIN(HG_MAX(c->k->keepalive->probes.v, 0), 127);
		r->keepalive_idle_s = (uint32_t)HG_MIN(c->k->keepalive->idle.ms / 1000, 32767u);
		r->keepalive_interval_s =
		    (uint32_t)HG_MIN(c->k->keepalive->interval.ms / 1000, 32767u);
	}
}

void
client_compile(struct scope *sc, struct t_policy *p)
{
	const struct object *o = p->obj;
	struct ctx c = {sc, p, o->spec, arena_zalloc(sc->arena, sizeof(struct m_client))};

	c.m->name = bytes_str(arena_printf(
	    sc->arena, "%.*s/%.*s", BYTES_ARG(o->meta.ns), BYTES_ARG(o->meta.name)));
	address(&c);
	headers(&c);
	path(&c);
	http1(&c);
	http2(&c);
	times(&c);
	connection(&c);
	client_tls_compile(sc, p);
	if (c.k->health != NULL) {
		c.m->health_path = c.k->health->path;
		if (!image_plain_ok(c.m->health_path, IM_PATH_MAX, true))
			BAD(&c, "HealthCheck: path %.*s can never be asked for.",
			    BYTES_ARG(c.m->health_path));
	}
	if (c.k->scheme == 2)
		unserved(&c, node_get(c.k->node, "scheme"), "spec.scheme");
	if (p->errors.n == 0)
		p->client = c.m;
}
