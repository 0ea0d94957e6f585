/*
 * client.c - what a ClientTrafficPolicy asks of a request before anything else reads it. The
 * listener is found here by the same function that routing uses. Early edits change the head that
 * was received, in a table of their own: routing, limits, logs and backends then see the same
 * request.
 */
#include "worker/client.h"

#include "base/clock.h"
#include "base/uri.h"
#include "http/fields.h"
#include "net/tls.h"
#include "worker/attempt.h"
#include "worker/clientip.h"
#include "worker/conn.h"
#include "worker/traffic.h"

/* ---- edits */

/* The received table has trailers behind it: edits get one of their own. */
static bool
early(struct exchange *x, const struct image *im, struct im_range r)
{
	struct fields *f = &x->head.fields;
	struct filter_edit *v;
	struct field *table;
	uint32_t n;

	if (r.n == 0)
		return true;
	table = arena_alloc(&x->arena, (f->n + r.n) * sizeof(*table));
	v = headers_edits(&x->arena, im, r, &n);
	if (table == NULL || v == NULL || f->n + r.n > UINT16_MAX)
		return false;
	memcpy(table, f->v, f->n * sizeof(*table));
	f->v = table;
	f->cap = (uint16_t)(f->n + r.n);
	return headers_apply(&x->arena, f, v, n);
}

void
client_keep(struct exchange *x)
{
	const struct image *im = &x->gen->image;

	x->late = headers_edits(&x->arena, im, im->clients[x->client].late, &x->nlate);
}

void
client_late(struct exchange *x, struct msg *answer)
{
	/* Before it was pinned, the live one is the one that was looked at, in this same turn. */
	const struct gen *gen = x->gen ? x->gen : x->names.gen == 0 ? x->w->gens.live : NULL;

	if (gen)
		headers_now(&x->arena, &gen->image, gen->image.clients[x->client].late,
		    &answer->fields);
	else if (x->late)
		(void)headers_apply(&x->arena, &answer->fields, x->late, x->nlate);
}

/* ---- the head */

/* false: refuse. */
static bool
underscores(struct exchange *x, const struct im_client *c)
{
	struct fields *f = &x->head.fields;

	if (c->underscores == IM_US_ALLOW)
		return true;
	for (unsigned i = 0; i < f->n; i++) {
		if (f->v[i].id != FIELD_OTHER ||
		    memchr(f->v[i].name.p, '_', f->v[i].name.n) == NULL)
			continue;
		if (c->underscores == IM_US_REJECT)
			return false;
		f->v[i].flags |= FIELD_GONE;
	}
	return true;
}

static int
escaped_slash(const char *p, size_t left)
{
	if (left < 3 || p[0] != '%')
		return 0;
	if (p[1] == '2' && (p[2] == 'F' || p[2] == 'f'))
		return '/';
	return p[1] == '5' && (p[2] == 'C' || p[2] == 'c') ? '/' : 0;
}

struct bytes
client_path(struct arena *a, const struct im_client *c, struct bytes path, bool *decoded)
{
	bool unescape = c->slashes == IM_SL_UNESCAPE || c->slashes == IM_SL_REDIRECT;
	char *out = arena_alloc(a, path.n + 1), *o = out;

	*decoded = false;
	if (out == NULL)
		return BYTES_NONE;
	for (size_t i = 0; i < path.n; i++) {
		char ch = path.p[i];

		if (unescape && escaped_slash(path.p + i, path.n - i)) {
			ch = '/';
			i += 2;
			*decoded = true;
		}
		if (c->merge_slashes && ch == '/' && o > out && o[-1] == '/')
			continue;
		*o++ = ch;
	}
	return bytes_of(out, (size_t)(o - out));
}

static enum step_result
paths(struct exchange *x, const struct image *im, const struct im_client *c)
{
	struct msg *m = &x->head;
	struct bytes health = image_text(im, c->health_path), p;
	bool decoded;

	if (health.n && bytes_eq(health, m->target))
		return exchange_answer(x, x->w->draining ? 503 : 200);
	if (m->path.n == 0 || m->path.p[0] != '/')
		return STEP_NEXT;
	p = client_path(&x->arena, c, m->path, &decoded);
	if (p.p == NULL)
		return exchange_refuse(x, HG_ERR_OVERLOAD);
	if (decoded && c->slashes == IM_SL_REDIRECT) {
		enum step_result s;
		char *to = arena_printf(&x->arena, "%.*s%s%.*s", BYTES_ARG(p),
		    m->query.p ? "?" : "", (int)m->query.n, m->query.p ? m->query.p : "");

		/* "//host" would lead to another site. */
		if (to == NULL || (p.n > 1 && p.p[1] == '/'))
			return exchange_refuse(x, HG_ERR_BAD_REQUEST);
		x->reason = "redirect";
		s = exchange_answer(x, 307);
		(void)fields_set(
		    &x->answer.fields, field_name(FIELD_LOCATION), bytes_str(to));
		return s;
	}
	m->path = p;
	return STEP_NEXT;
}

/* ---- who asks */

/* What a backend is told of the way: what the client's side said, and who said it. */
static void
chain(struct exchange *x, const struct im_client *c, struct bytes peer)
{
	struct fields *f = &x->head.fields;
	char room[4096];
	bool too_long = false;
	struct bytes old =
	    fields_joined(f, field_name(FIELD_X_FORWARDED_FOR), room, sizeof(room), &too_long);
	char *text;

	if (old.n == 0 || too_long)
		return;
	text = c->xff_append ?
	    arena_printf(&x->arena, "%.*s, %.*s", BYTES_ARG(old), BYTES_ARG(peer)) :
	    arena_dup(&x->arena, old);
	if (text)
		x->xff = bytes_str(text);
}

#define XFCC_MAX 16384 /* of one element, with certificate and chain */

_Static_assert((int)IM_XFCC_SUBJECT == (int)TLS_PEER_SUBJECT &&
	(int)IM_XFCC_URI == (int)TLS_PEER_URI && (int)IM_XFCC_CERT == (int)TLS_PEER_CERT &&
	(int)IM_XFCC_CHAIN == (int)TLS_PEER_CHAIN && (int)IM_XFCC_DNS == (int)TLS_PEER_DNS,
    "one set of bits");

/* What backends are told of the client's certificate. */
static bool
xfcc(struct exchange *x, const struct im_client *c)
{
	bool keep = c->xfcc == IM_XFCC_FORWARD || c->xfcc == IM_XFCC_APPEND;
	char room[8192], *text;
	struct bytes old = BYTES_NONE;
	bool too_long = false;
	size_t n = 0, own = 0;

	if (c->xfcc == IM_XFCC_SANITIZE)
		return true;
	if (c->xfcc != IM_XFCC_SET)
		old = fields_joined(
		    &x->head.fields, field_name(FIELD_XFCC), room, sizeof(room), &too_long);
	text = arena_alloc(&x->arena, old.n + 2 + XFCC_MAX);
	if (text == NULL || too_long)
		return false;
	if (x->conn->secure)
		own = tls_peer_text(&x->conn->h1.chan, c->xfcc_details, text + old.n + 2, XFCC_MAX);
	if (own == 0 && keep)
		return true; /* nobody stands behind the client's word */
	if (old.n)
		memcpy(text, old.p, n = old.n);
	if (own && (c->xfcc == IM_XFCC_APPEND || c->xfcc == IM_XFCC_SET)) {
		if (n)
			memcpy(text + n, ", ", 2), n += 2;
		memmove(text + n, text + old.n + 2, own);
		n += own;
	}
	x->fenv.xfcc = bytes_of(text, n);
	return true;
}

static bool
detect(struct exchange *x, const struct image *im, const struct im_client *c)
{
	char peer[46];
	struct addr found;

	if (c->ipdetect == IM_IP_PEER)
		return true;
	if (!clientip_detect(im, c, &x->head.fields, &x->peer, &found))
		return false;
	if (c->ipdetect != IM_IP_HEADER &&
	    (c->ipdetect == IM_IP_XFF_HOPS || !addr_eq_ip(&found, &x->peer)))
		chain(x, c, bytes_of(peer, addr_print_ip(&x->peer, peer)));
	x->peer = found;
	x->ip_n = 0;
	return true;
}

/* ---- the connection and time */

/* Until its last byte has gone on, or the answer has begun. */
static void
receive_over(struct timer *t)
{
	struct exchange *x = HG_CONTAINER(t, struct exchange, receive);

	if (x->down == NULL || x->head_sent || (x->attempt && x->attempt->req_ended))
		return;
	METRIC(x->w, timeouts, 1);
	exchange_fail(x, x->req_ended ? HG_ERR_BACKEND_TIMEOUT : HG_ERR_REQUEST_TIMEOUT);
}

static void
times(struct exchange *x, const struct im_client *c)
{
	struct loop *loop = x->w->loop;

	if (c->request_ms && c->request_ms != IM_NONE) {
		x->receive_ms = c->request_ms;
		timer_init(&x->receive, receive_over);
		timer_set(loop, &x->receive, x->begun + c->request_ms * MS_NS);
	}
	if (c->stream_max_ms && c->stream_max_ms != IM_NONE)
		exchange_due(x, x->begun + c->stream_max_ms * MS_NS, true);
	if (c->stream_idle_ms && c->stream_idle_ms != IM_NONE) {
		x->idle_ms = c->stream_idle_ms;
		traffic_moved(x);
		timer_in(loop, &x->idle, x->idle_ms);
	}
}

/* Is this its last request? */
static void
connection(struct exchange *x, const struct im_client *c)
{
	bool many = c->max_requests && conn_requests(x->conn) >= c->max_requests;
	bool old = c->connection_max_ms && c->connection_max_ms != IM_NONE &&
	    conn_age(x->conn) >= c->connection_max_ms;

	if (!many && !old)
		return;
	x->close = true;
	conn_last(x->conn);
}

/* ---- HTTP/1 */

static bool
ignored(const struct image *im, const struct im_client *c, struct bytes value)
{
	struct bytes token;

	while (fields_list(&value, &token))
		for (uint32_t i = 0; i < c->upgrades.n; i++)
			if (bytes_eqi(token, image_text(im, im->strings[c->upgrades.first + i])))
				return true;
	return false;
}

static void
upgrades(struct exchange *x, const struct image *im, const struct im_client *c)
{
	struct field *f = fields_find(&x->head.fields, field_name(FIELD_UPGRADE));

	if (f && c->upgrades.n && ignored(im, c, f->value))
		fields_remove(&x->head.fields, f->name);
}

/* HTTP/1.0 comes without a Host. */
static bool
default_host(struct exchange *x, const struct image *im, const struct im_client *c)
{
	struct bytes name = image_text(im, c->http10_host);

	if (x->head.host.len || name.n == 0)
		return true;
	name = arena_bytes(&x->arena, name);
	x->head.authority = name;
	return name.p && uri_host(name, &x->head.host) == HG_OK;
}

/* "a.com.:80" is "a.com:80", also to backends. */
static void
strip_dot(struct exchange *x)
{
	struct bytes a = x->head.authority;
	ptrdiff_t colon = a.n && a.p[0] != '[' ? bytes_rchr(a, ':') : -1;
	size_t host = colon < 0 ? a.n : (size_t)colon;
	char *text;

	if (host < 2 || a.p[host - 1] != '.')
		return;
	text = arena_printf(&x->arena, "%.*s%.*s", (int)(host - 1), a.p, (int)(a.n - host),
	    a.p + host);
	if (text)
		x->head.authority = bytes_str(text);
}

/* Whose policy? By the connection where nothing else says it. */
static uint32_t
whose(const struct exchange *x, const struct image *im, uint32_t socket)
{
	uint32_t l = conn_listener(x->conn); /* by the handshake, where there was one */

	if (l == IM_NONE && x->head.host.len == 0 && x->conn->client != IM_NONE)
		return x->conn->client;
	if (l == IM_NONE)
		l = route_listener(im, socket, bytes_of(x->head.host.name, x->head.host.len));
	return l == IM_NONE ? IM_NONE : im->listeners[l].client;
}

enum step_result
client_admit(struct exchange *x)
{
	const struct gen *gen = x->w->gens.live;
	const struct image *im = &gen->image;
	uint32_t socket = conn_socket(x->conn, gen);
	const struct im_client *c;

	if (socket == IM_NONE)
		return STEP_NEXT;
	x->client = whose(x, im, socket);
	if (x->client == IM_NONE)
		return STEP_NEXT;
	c = &im->clients[x->client];
	connection(x, c);
	if (x->head.minor == 0 && !x->conn->is_h2 && !c->http10) {
		x->close = true;
		return exchange_refuse(x, HG_ERR_OLD_VERSION);
	}
	if (!default_host(x, im, c))
		return exchange_refuse(x, HG_ERR_BAD_REQUEST);
	if (c->strip_dot)
		strip_dot(x);
	if (!underscores(x, c)) {
		x->close = true;
		return exchange_refuse(x, HG_ERR_BAD_REQUEST);
	}
	if (!detect(x, im, c))
		return exchange_refuse(x, HG_ERR_FORBIDDEN);
	if (!xfcc(x, c))
		return exchange_refuse(x, HG_ERR_HEADER_TOO_LARGE);
	times(x, c);
	x->fenv.id_dropped =
	    c->request_id == IM_RID_GENERATE || c->request_id == IM_RID_DISABLE;
	x->fenv.id_unmade = c->request_id == IM_RID_PRESERVE || c->request_id == IM_RID_DISABLE;
	x->keep_slashes = c->slashes == IM_SL_KEEP;
	x->no_trailers = !c->trailers && !x->conn->is_h2;
	if (c->buffer_bytes != IM_NONE)
		x->window = HG_MIN(HG_MAX(c->buffer_bytes, IM_WINDOW_LEAST), IM_WINDOW_MOST);
	upgrades(x, im, c);
	if (!early(x, im, c->early))
		return exchange_refuse(x, HG_ERR_OVERLOAD);
	return paths(x, im, c);
}
