/*
 * steps.c - the way of a request as rows of a table (exchange.h). Each row does one thing, in the
 * order of DESIGN section 6, and says what follows. `pick` to `send` run once an attempt;
 * everything before runs once a request.
 */
#include "base/clock.h"
#include "base/uri.h"
#include "http/fields.h"
#include "worker/attempt.h"
#include "worker/call.h"
#include "worker/client.h"
#include "worker/conn.h"
#include "worker/exchange.h"
#include "worker/secure.h"
#include "worker/protect/protect.h"
#include "worker/traffic.h"
#include "worker/tunnel.h"

/* ---- admit */

static struct bytes
port_text(struct exchange *x, unsigned port)
{
	struct worker *w = x->w;

	if (w->port != port || w->port_n == 0) {
		w->port = port;
		w->port_n = (uint8_t)snprintf(w->port_text, sizeof(w->port_text), "%u", port);
	}
	memcpy(x->port, w->port_text, sizeof(x->port));
	return bytes_of(x->port, w->port_n);
}

static void
fill_env(struct exchange *x)
{
	struct forward_env *e = &x->fenv;

	e->arena = &x->arena;
	e->client_ip = x->xff.n ? x->xff : exchange_ip(x);
	e->via = x->w->via[x->head.minor == 2];
	e->port = port_text(x, x->fctx.listener_port);
	e->random[0] = worker_random(x->w);
	e->random[1] = worker_random(x->w);
	e->tls = x->tls;
}

static bool
is(const struct exchange *x, const char *method)
{
	return bytes_eq(x->head.method, bytes_str(method));
}

static enum step_result
step_admit(struct exchange *x)
{
	struct msg *m = &x->head;
	char *room;

	/* A reverse proxy opens no tunnels, and TRACE would show a backend's view to the client. */
	if (is(x, "CONNECT") || is(x, "TRACE"))
		return exchange_refuse(x, HG_ERR_BAD_METHOD);
	if (x->w->gens.live && x->w->gens.live->image.n_clients) {
		enum step_result s = client_admit(x);

		if (s != STEP_NEXT)
			return s;
	}
	room = arena_alloc(&x->arena, m->path.n + 1);
	if (room == NULL)
		return exchange_refuse(x, HG_ERR_OVERLOAD);
	if ((x->keep_slashes ? uri_path_slashes : uri_path)(
		m->path, room, m->path.n + 1, &x->path) != HG_OK) {
		/* Two readers of this path may disagree: say no more to this peer. */
		x->close = true;
		return exchange_refuse(x, HG_ERR_BAD_REQUEST);
	}
	/* Connection can name any field; the fixed ones are dropped by id (forward.c). */
	if (fields_get(&m->fields, FIELD_CONNECTION))
		fields_hop_by_hop(&m->fields);
	if (x->w->body_bytes && m->framing == MSG_LENGTH && m->length > (uint64_t)x->w->body_bytes)
		return exchange_refuse(x, HG_ERR_BODY_TOO_LARGE);
	return STEP_NEXT;
}

/* ---- listen */

static void
note_tls(struct exchange *x)
{
	struct tls_info info;

	if (!x->conn->secure)
		return;
	x->tls = true;
	if (x->w->log_format == IM_LOG_OFF)
		return;
	tls_info(&x->conn->h1.chan, &info);
	x->tls_version = info.version;
	x->tls_cipher = info.cipher;
	x->tls_resumed = info.resumed;
	x->sni = info.sni ? arena_bytes(&x->arena, bytes_str(info.sni)) : BYTES_NONE;
}

static enum step_result
step_listen(struct exchange *x)
{
	struct gen *gen = x->w->gens.live;

	if (gen == NULL)
		return exchange_refuse(x, HG_ERR_OVERLOAD);
	x->socket = conn_socket(x->conn, gen);
	if (x->socket == IM_NONE) { /* the address went away with a reload */
		x->close = true;
		return exchange_refuse(x, HG_ERR_DRAINING);
	}
	x->listener_fixed = conn_listener(x->conn);
	note_tls(x);
	x->gen = gen;
	x->names.gen = gen->id;
	list_append(&gen->pins, &x->pin);
	return STEP_NEXT;
}

/* ---- route */

static void
note_listener(struct exchange *x, const struct image *im)
{
	const struct im_listener *l = &im->listeners[x->hit.listener];

	x->listener_id = l->id < SLOT_IDS ? l->id : 0;
	x->tls = l->protocol == IM_HTTPS;
	x->names.listener = image_text(im, l->name);
	x->names.gateway_ns = image_text(im, im->gateways[l->gateway].ns);
	x->names.gateway = image_text(im, im->gateways[l->gateway].name);
	x->fctx.listener_port = l->port;
}

static void
note_rule(struct exchange *x, const struct image *im)
{
	const struct im_rule *r = &im->rules[x->hit.rule];
	const struct im_route *route = &im->routes[r->route];

	x->rule_id = r->id < SLOT_IDS ? r->id : 0;
	x->names.route_ns = image_text(im, route->ns);
	x->names.route = image_text(im, route->name);
	x->names.rule = r->index;
	x->rule_filters = r->filters;
	x->policy = r->policy;
	x->timeout_set = r->request_ms || r->backend_ms;
	x->backend_ms = r->backend_ms == IM_NONE ? 0 : r->backend_ms;
	if (r->request_ms && r->request_ms != IM_NONE) {
		exchange_due(x, loop_now(x->w->loop) + r->request_ms * MS_NS, false);
	}
	x->has_retry = r->retry != IM_NONE;
	if (x->has_retry)
		x->retry = im->retries[r->retry];
	if (x->policy != IM_NONE)
		traffic_begin(x);
	if (x->grpc)
		call_begin(x);
}

static void
prepare_filters(struct exchange *x, const struct im_rule *r)
{
	x->fctx.im = &x->gen->image;
	x->fctx.arena = &x->arena;
	x->fctx.head = &x->head;
	x->fctx.req = &x->head; /* until the working copy is made */
	x->fctx.answer = &x->answer;
	x->fctx.host = bytes_of(x->head.host.name, x->head.host.len);
	x->fctx.tls = x->tls;
	x->shaped = r->error == HG_OK;
}

static enum step_result
step_route(struct exchange *x)
{
	const struct image *im = &x->gen->image;
	struct route_query q = {.socket = x->socket,
	    .listener = x->listener_fixed,
	    .host = bytes_of(x->head.host.name, x->head.host.len),
	    .path = x->path,
	    .query = x->head.query,
	    .method = x->head.method,
	    .fields = &x->head.fields,
	    .grpc = x->grpc};
	enum hg_err e;

	/* Asked of the server itself, not of a resource (RFC 9110 9.3.7): no route can match it. */
	if (bytes_eq(x->path, BYTES("*")))
		return exchange_answer(x, 200);
	e = route_find(im, &q, &x->gen->regexes, NULL, &x->hit);
	if (x->hit.listener != IM_NONE)
		note_listener(x, im);
	if (e != HG_OK) {
		x->hit.rule = IM_NONE;
		return exchange_refuse(x, e);
	}
	note_rule(x, im);
	prepare_filters(x, &im->rules[x->hit.rule]);
	return im->listeners[x->hit.listener].flags & IM_L_BROKEN ?
	    exchange_refuse(x, HG_ERR_BAD_RULE) :
	    STEP_NEXT;
}

/* ---- protect */

static enum step_result
step_protect(struct exchange *x)
{
	if (x->policy != IM_NONE)
		return protect_run(x);
	return x->rule_filters.n ? cors_run(x, x->rule_filters) : STEP_NEXT;
}

/* ---- shape */

static enum step_result
run_filters(struct exchange *x, struct im_range r)
{
	if (r.n == 0)
		return STEP_NEXT;
	if (forward_own(&x->fenv, &x->head, &x->work) != HG_OK)
		return exchange_refuse(x, HG_ERR_OVERLOAD);
	msg_init(&x->answer, false);
	switch (filter_requests(&x->fctx, r)) {
	case FILTER_NEXT:
		return STEP_NEXT;
	case FILTER_ANSWER:
		if (x->answer.status >= 300 && x->answer.status < 400)
			x->reason = "redirect";
		return exchange_own(x);
	case FILTER_FAIL:
		break;
	}
	return exchange_refuse(x, x->fctx.err == HG_ERR_NOMEM ? HG_ERR_OVERLOAD : x->fctx.err);
}

/* OPTIONS with Max-Forwards: 0 is ours to answer. */
static bool
options_here(struct exchange *x)
{
	return forward_own(&x->fenv, &x->head, &x->work) == HG_OK &&
	    forward_max(&x->arena, &x->work);
}

static enum step_result
step_shape(struct exchange *x)
{
	const struct im_rule *r = &x->gen->image.rules[x->hit.rule];
	enum step_result s;
	enum hg_err e;

	if (r->error != HG_OK)
		return exchange_refuse(x, (enum hg_err)r->error);
	s = tunnel_admit(x);
	if (s != STEP_NEXT)
		return s;
	fill_env(x);
	e = forward_request_lean(&x->fenv, &x->head, &x->work);
	if (e != HG_OK)
		return exchange_refuse(x, HG_ERR_OVERLOAD);
	x->work.path = x->path;
	x->fctx.req = &x->work;
	if (!x->head.expect_continue)
		forward_drop(&x->work, FIELD_EXPECT);
	/* Whoever compresses for the client does not want it compressed. */
	if (x->policy != IM_NONE && x->gen->image.policies[x->policy].compression & IM_Z_SERVED)
		forward_drop(&x->work, FIELD_ACCEPT_ENCODING);
	if (is(x, "OPTIONS") && options_here(x))
		return exchange_answer(x, 200);
	s = run_filters(x, r->filters);
	if (s == STEP_NEXT)
		mirrors_begin(x);
	return s;
}

/* ---- pick */

static void
session(struct exchange *x, uint32_t which)
{
	char *name;

	if (which == IM_NONE)
		return;
	name = arena_printf(&x->arena, "%.*s/%.*s/%u", BYTES_ARG(x->names.route_ns),
	    BYTES_ARG(x->names.route), x->names.rule);
	if (name == NULL)
		return;
	persist_read(&x->persist, &x->arena, &x->gen->image, &x->gen->image.persists[which],
	    bytes_str(name), x->tls, &x->w->seed, (int64_t)(clock_real() / SEC_NS), &x->head);
	if (forward_own(&x->fenv, &x->head, &x->work) == HG_OK)
		persist_strip(&x->persist, &x->arena, &x->work);
}

/* A session of the rule outranks the weights, also where they are 0 by now. IM_NONE: there is none.
 */
static uint32_t
session_backend(struct exchange *x, const struct pick_in *in, const struct im_rule *r)
{
	const struct image *im = &x->gen->image;

	session(x, r->persist);
	for (uint32_t i = 0; x->persist.tag && i < r->backends.n; i++) {
		const struct im_backend *b = &im->backends[r->backends.first + i];

		if (b->error == HG_OK && b->persist == IM_NONE &&
		    pick_tagged(in, b->cluster, x->persist.tag, &x->target))
			return r->backends.first + i;
	}
	return IM_NONE;
}

static enum step_result
pick_once(struct exchange *x, const struct pick_in *in)
{
	const struct image *im = &x->gen->image;
	const struct im_rule *r = &im->rules[x->hit.rule];
	const struct im_backend *b;
	enum step_result s;

	x->backend = session_backend(x, in, r);
	if (x->backend == IM_NONE)
		x->backend = pick_backend(in, x->hit.rule);
	if (x->backend == IM_NONE)
		return exchange_refuse(x, HG_ERR_NO_BACKEND);
	b = &im->backends[x->backend];
	if (b->error != HG_OK)
		return exchange_refuse(x, (enum hg_err)b->error);
	x->picked = true;
	x->names.cluster = image_text(im, im->clusters[b->cluster].name);
	x->backend_filters = b->filters;
	s = b->filters.n ? cors_run(x, b->filters) : STEP_NEXT;
	if (s == STEP_NEXT)
		s = run_filters(x, b->filters);
	if (s != STEP_NEXT)
		return s;
	mirrors_begin(x);
	session(x, b->persist);
	return STEP_NEXT;
}

static enum step_result
step_pick(struct exchange *x)
{
	struct pick_in in;
	enum hg_err e = HG_OK;
	uint32_t cluster;

	if (x->gen == NULL) /* let go while it waited for another try */
		return exchange_refuse(x, HG_ERR_DRAINING);
	if (x->policy != IM_NONE && (e = traffic_admit(x)) != HG_OK) {
		METRIC(x->w, circuit_open, 1);
		return exchange_refuse(x, e);
	}
	in = traffic_pick_in(x);
	if (!x->picked) {
		enum step_result s = pick_once(x, &in);

		if (s != STEP_NEXT)
			return s;
	}
	cluster = x->gen->image.backends[x->backend].cluster;
	if (x->persist.tag && x->made == 0 && pick_tagged(&in, cluster, x->persist.tag, &x->target))
		e = HG_OK;
	else
		e = pick_endpoint(&in, cluster, &x->tried, &x->target);
	if (e != HG_OK)
		return exchange_refuse(x, e);
	if (x->target.unix_path.p)
		x->target.unix_path = arena_bytes(&x->arena, x->target.unix_path);
	return STEP_NEXT;
}

/* ---- connect */

static enum step_result
step_connect(struct exchange *x)
{
	enum hg_err e;

	if (x->policy != IM_NONE) {
		enum step_result s = traffic_connect(x);

		if (s != STEP_NEXT)
			return s;
	}
	x->attempt = attempt_new(x, &x->target, false);
	if (x->attempt == NULL)
		return exchange_refuse(x, HG_ERR_OVERLOAD);
	e = attempt_connect(x->attempt);
	if (e == HG_OK)
		return STEP_NEXT;
	if (e == HG_ERR_AGAIN)
		return STEP_WAIT;
	return attempt_over(x, RETRY_NOT_PROCESSED, e);
}

/* ---- send */

static enum step_result
step_send(struct exchange *x)
{
	struct attempt *a = x->attempt;
	enum hg_err e;

	if (x->head.framing != MSG_NONE && x->cursor < 0) {
		x->replay = body_cursor(&x->body, BODY_REPLAY, traffic_replay(x));
		x->cursor = body_cursor(&x->body, BODY_ATTEMPT, 0);
		if (x->collector) {
			body_drop(&x->body, x->collector - 1);
			x->collector = 0;
		}
	}
	a->cursor = x->cursor;
	e = x->grpc && !call_forward(x) ? HG_ERR_NOMEM : attempt_send(a);
	if (e != HG_OK)
		return exchange_refuse(x,
		    e == HG_ERR_HEADER_TOO_LARGE || e == HG_ERR_BACKEND_UPGRADE ? e :
										  HG_ERR_OVERLOAD);
	if (x->head.expect_continue && !x->credited)
		timer_in(x->w->loop, &x->pause, EXCHANGE_EXPECT_MS);
	else
		relay_start(x);
	attempt_pump(a);
	return STEP_WAIT;
}

/* ---- reply */

static enum step_result
step_reply(struct exchange *x)
{
	struct attempt *a = x->attempt;

	if (x->own) {
		reply_own(x);
		return STEP_NEXT;
	}
	if (reply_backend(x, &a->resp, a->resp_ended) != HG_OK)
		return exchange_refuse(x, HG_ERR_BACKEND_BAD);
	return STEP_NEXT;
}

/* ---- finish */

static enum step_result
step_finish(struct exchange *x)
{
	struct stream *down = x->down;

	if (!x->resp_ended)
		return STEP_WAIT;
	if (x->attempt)
		attempt_done(x->attempt);
	if (x->conn)
		conn_idle(x->conn);
	x->conn = NULL;
	x->down = NULL;
	/* What the client still sends is read and dropped by the adapter, if it is little. */
	if (down)
		down->ops->detach(down);
	return STEP_DONE;
}

#define S(name, doc) [STEP_##name] = {#name, doc, step_##name},
const struct step step_table[STEP_COUNT] = {STEP_TABLE(S)};
#undef S
