/*
 * exchange.c - life of an exchange and the runner of its steps. A step never calls the next one: it
 * says what is to happen and the runner goes on, so the stack is flat and a stopped exchange is
 * described by one number. Events of the streams arrive only from the loop, never out of a call of
 * ours (stream.h), so no step is interrupted by its own doing. Objects come from a list of
 * constructed ones: an arena keeps its first chunk, and the three heads (5 KB each, touched only as
 * far as they have fields) need no zeroing.
 */
#include "worker/exchange.h"

#include "base/clock.h"
#include "worker/attempt.h"
#include "worker/call.h"
#include "worker/client.h"
#include "worker/conn.h"
#include "worker/protect/compress.h"
#include "worker/traffic.h"
#include "worker/tunnel.h"

#define ARENA_FIRST 2048
#define ARENA_LIMIT (256 * 1024)

static void time_over(struct timer *);
static void pause_over(struct timer *);

struct exchange *
exchange_new(struct worker *w, struct conn *conn, struct stream *down)
{
	struct exchange *x;

	if (!list_empty(&w->free_exchanges)) {
		x = LIST_ENTRY(w->free_exchanges.next, struct exchange, link);
		list_del(&x->link);
	} else {
		x = pool_get(&w->exchanges);
		if (x == NULL)
			return NULL;
		arena_init(&x->arena, ARENA_FIRST, ARENA_LIMIT);
	}
	memset(x, 0, offsetof(struct exchange, arena));
	x->w = w;
	x->conn = conn;
	x->down = down;
	x->peer = conn->peer;
	x->conn_id = conn->id;
	x->begun = loop_now(w->loop);
	x->begun_real = clock_real();
	x->cursor = x->replay = -1;
	x->tried.n = 0;
	x->policy = IM_NONE;
	x->hit = (struct route_hit){IM_NONE, IM_NONE, 0};
	list_init(&x->pin);
	list_init(&x->waits);
	x->client = IM_NONE;
	x->window = EXCHANGE_WINDOW;
	list_init(&x->mirrors);
	timer_init(&x->timer, time_over);
	timer_init(&x->pause, pause_over);
	timer_init(&x->idle, traffic_idle_over);
	body_init(&x->body, &w->chunks);
	msg_init(&x->head, true);
	list_append(&w->open_exchanges, &x->link);
	atomic_store_explicit(&w->slot->exchanges, w->slot->exchanges + 1, memory_order_relaxed);
	return x;
}

struct bytes
exchange_ip(struct exchange *x)
{
	if (x->ip_n == 0)
		x->ip_n = (uint8_t)addr_print_ip(&x->peer, x->ip);
	return bytes_of(x->ip, x->ip_n);
}

static void
unpin(struct exchange *x)
{
	if (x->gen == NULL)
		return;
	list_del(&x->pin);
	if (x->gen->state == GEN_OLD)
		x->w->busy = true; /* the next turn tidies up */
	x->gen = NULL;
	x->fctx.im = NULL;
}

static void
release(struct exchange *x)
{
	struct worker *w = x->w;

	HG_CHECK(x->attempt == NULL && list_empty(&x->mirrors));
	unpin(x);
	timer_stop(&x->timer);
	timer_stop(&x->pause);
	body_release(&x->body);
	msg_release(&x->head);
	arena_reset(&x->arena);
	list_del(&x->link);
	list_push(&w->free_exchanges, &x->link);
	atomic_store_explicit(&w->slot->exchanges, w->slot->exchanges - 1, memory_order_relaxed);
	if (w->draining)
		worker_maybe_over(w);
}

void
exchange_free_pools(struct worker *w)
{
	while (!list_empty(&w->free_exchanges)) {
		struct exchange *x = LIST_ENTRY(w->free_exchanges.next, struct exchange, link);

		list_del(&x->link);
		arena_release(&x->arena);
		pool_put(&w->exchanges, x);
	}
}

/* The client's side has its answer, or is gone. Mirrors may still be at work. */
static void
retire(struct exchange *x)
{
	if (x->attempt)
		attempt_cut(x->attempt);
	finish_account(x);
	if (x->policy != IM_NONE)
		traffic_over(x);
	if (x->zip)
		compress_release(x);
	if (x->idle_ms)
		timer_stop(&x->idle);
	if (x->receive_ms)
		timer_stop(&x->receive);
	if (x->tunnel)
		tunnel_release(x);
	x->retired = true;
	timer_stop(&x->timer);
	timer_stop(&x->pause);
	if (x->conn)
		conn_idle(x->conn);
	x->conn = NULL;
	x->down = NULL;
	if (list_empty(&x->mirrors)) {
		release(x);
		return;
	}
	if (!x->req_ended)
		mirrors_cut(x); /* the rest of the body will never come; the last one frees x */
}

void
exchange_mirror_over(struct exchange *x)
{
	if (x->retired && list_empty(&x->mirrors))
		release(x);
}

void
exchange_run(struct exchange *x)
{
	enum step_result r;

	if (x->running)
		return;
	x->running = true;
	do {
		HG_CHECK(x->step < STEP_COUNT);
		r = step_table[x->step].run(x);
		if (r == STEP_NEXT)
			x->step++;
	} while (r == STEP_NEXT || r == STEP_JUMP);
	x->running = false;
	if (r == STEP_DONE)
		retire(x);
}

enum step_result
exchange_own(struct exchange *x)
{
	x->own = true;
	x->step = STEP_reply;
	return STEP_JUMP;
}

enum step_result
exchange_answer(struct exchange *x, uint16_t status)
{
	msg_init(&x->answer, false);
	x->answer.status = status;
	return exchange_own(x);
}

enum step_result
exchange_refuse(struct exchange *x, enum hg_err e)
{
	if (x->err == HG_OK)
		x->err = e;
	if (x->attempt)
		attempt_cut(x->attempt);
	if (x->policy != IM_NONE)
		traffic_unqueue(x);
	timer_stop(&x->pause);
	if (x->head_sent || err_http(e) == 0) {
		/* Too late for an answer: end it so that nobody takes it for whole. */
		if (!x->grpc || !call_break(x, e)) {
			if (x->down && !x->resp_ended)
				x->down->ops->reset(x->down, e);
			x->down = NULL;
		}
		x->resp_ended = x->req_ended = true;
		x->step = STEP_finish;
		return STEP_JUMP;
	}
	return exchange_own(x);
}

void
exchange_fail(struct exchange *x, enum hg_err e)
{
	(void)exchange_refuse(x, e);
	exchange_run(x);
}

void
exchange_lost(struct exchange *x, enum hg_err e)
{
	if (!x->resp_ended && x->err == HG_OK)
		x->err = e == HG_OK ? HG_ERR_CLIENT_CLOSED : e;
	x->down = NULL;
	retire(x);
}

static void
time_over(struct timer *t)
{
	struct exchange *x = HG_CONTAINER(t, struct exchange, timer);

	if (x->down == NULL)
		return;
	METRIC(x->w, timeouts, 1);
	exchange_fail(x, x->stream_due ? HG_ERR_REQUEST_TIMEOUT : HG_ERR_BACKEND_TIMEOUT);
}

void
exchange_due(struct exchange *x, uint64_t at, bool client)
{
	if (x->deadline && x->deadline <= at)
		return;
	x->deadline = at;
	x->stream_due = client;
	timer_set(x->w->loop, &x->timer, at);
}

static void
pause_over(struct timer *t)
{
	struct exchange *x = HG_CONTAINER(t, struct exchange, pause);

	if (x->queued)
		traffic_queue_over(x);
	else if (x->step == STEP_pick || x->step == STEP_protect)
		exchange_run(x);
	else
		relay_start(x); /* the backend does not say 100 */
}

/* ---- the client's events */

static void
down_head(struct stream *st, struct msg *m, unsigned flags)
{
	struct exchange *x = st->owner;

	HG_CHECK(m == &x->head);
	x->head_seen = true;
	x->grpc = fields_grpc(&m->fields);
	if (flags & STREAM_END) {
		x->req_ended = true;
		body_end(&x->body, NULL);
	}
	exchange_run(x);
}

static void
down_body(struct stream *st, struct slice s)
{
	struct exchange *x = st->owner;
	uint64_t limit = (uint64_t)x->w->body_bytes;

	x->req_bytes += s.n;
	if (limit && x->req_bytes > limit) {
		slice_drop(&s);
		x->close = true;
		exchange_fail(x, HG_ERR_BODY_TOO_LARGE);
		return;
	}
	if (!body_push(&x->body, s)) {
		x->close = true;
		exchange_fail(x, HG_ERR_OVERLOAD);
		return;
	}
	relay_request(x);
}

static void
down_end(struct stream *st, const struct fields *trailers)
{
	struct exchange *x = st->owner;

	x->req_ended = true;
	if (x->no_trailers)
		trailers = NULL;
	if (trailers)
		forward_trailers(&x->head.trailers);
	body_end(&x->body, trailers);
	relay_request(x);
}

static void
down_drained(struct stream *st)
{
	relay_drained(st->owner);
}

static void
down_refuse(struct stream *st, enum hg_err e)
{
	struct exchange *x = st->owner;

	METRIC(x->w, guard_rejected, 1);
	if (x->head.minor == 2) /* of what was read of its head */
		x->grpc = fields_grpc(&x->head.fields);
	x->req_ended = true; /* nothing more will come */
	x->close = true;
	exchange_fail(x, e);
}

static void
down_reset(struct stream *st, enum hg_err e)
{
	struct exchange *x = st->owner;

	if (e == HG_ERR_CLIENT_CLOSED)
		METRIC(x->w, client_resets, 1);
	exchange_lost(x, e);
}

const struct stream_events exchange_down_events = {
	.head = down_head,
	.body = down_body,
	.end = down_end,
	.drained = down_drained,
	.refuse = down_refuse,
	.reset = down_reset,
};

/* ---- letting go of a generation */

static struct bytes
keep(struct exchange *x, struct bytes b)
{
	return arena_bytes(&x->arena, b);
}

void
exchange_let_go(struct exchange *x)
{
	struct im_range ranges[2] = {x->backend_filters, x->rule_filters};

	if (x->gen == NULL)
		return;
	if (!x->head_sent && x->shaped)
		x->kept = headers_keep(&x->fctx, ranges, 2, &x->nkept);
	if (!x->head_sent && x->client != IM_NONE)
		client_keep(x);
	x->names.gateway_ns = keep(x, x->names.gateway_ns);
	x->names.gateway = keep(x, x->names.gateway);
	x->names.listener = keep(x, x->names.listener);
	x->names.route_ns = keep(x, x->names.route_ns);
	x->names.route = keep(x, x->names.route);
	x->names.cluster = keep(x, x->names.cluster);
	/* A further attempt would need the old endpoints: from here on the answer that comes is the
	 * answer. */
	x->has_retry = false;
	mirrors_begin(x);
	unpin(x);
}
