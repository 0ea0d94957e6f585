/*
 * attempt.c - one try at one endpoint. The outcome of a failed try is one of four classes (retry.h)
 * and all decisions are taken there; here is only what must be undone and what happens next. The
 * timer has one meaning at a time: connect, then the first byte of the answer, then (where the
 * route limits an attempt) the whole of it. While a request body moves, the wait for the answer
 * starts again, so that a long upload is not taken for a slow backend.
 */
#include "worker/attempt.h"

#include "base/clock.h"
#include "http/fields.h"
#include "worker/call.h"
#include "worker/secure.h"
#include "worker/traffic.h"
#include "worker/tunnel.h"
#include "worker/upstream/uptls.h"

static void attempt_timer(struct timer *);
static void main_open(struct up *);
static void main_failed(struct up *, enum hg_err);
static const struct up_events main_up_events = {.open = main_open, .failed = main_failed};
static const struct stream_events main_events;

struct attempt *
attempt_new(struct exchange *x, const struct target *t, bool mirror)
{
	struct attempt *a = pool_get(&x->w->attempts);

	if (a == NULL)
		return NULL;
	memset(a, 0, offsetof(struct attempt, req));
	a->x = x;
	a->target = *t;
	a->mirror = mirror;
	a->cursor = -1;
	a->begun = loop_now(x->w->loop);
	list_init(&a->link);
	timer_init(&a->timer, attempt_timer);
	return a;
}

static struct slot_endpoint *
words(struct attempt *a)
{
	return &a->x->w->slot->endpoints[a->target.id < SLOT_IDS ? a->target.id : 0];
}

static int64_t
limit_of(const struct attempt *a, enum attempt_phase phase)
{
	const struct worker *w = a->x->w;

	if (phase == ATTEMPT_CONNECT)
		return a->x->connect_ms == IM_NONE      ? 0 :
		    a->x->connect_ms && !a->mirror ? (int64_t)a->x->connect_ms :
						     w->connect_ms;
	/* A stream of messages may take its time to answer; its client has a deadline for that. */
	return phase == ATTEMPT_ANSWER && (a->mirror || (!a->x->timeout_set && !a->x->grpc)) ?
	    w->response_ms :
	    0;
}

static void
arm(struct attempt *a, enum attempt_phase phase)
{
	struct loop *loop = a->x->w->loop;
	int64_t ms = limit_of(a, phase);
	uint64_t at = ms ? loop_now(loop) + (uint64_t)ms * MS_NS : 0;

	a->phase = phase;
	a->limited = false;
	if (!a->mirror && a->x->backend_ms) {
		uint64_t whole = a->begun + a->x->backend_ms * MS_NS;

		if (at == 0 || whole < at) {
			at = whole;
			a->limited = true;
		}
	}
	if (at)
		timer_set(loop, &a->timer, at);
	else
		timer_rest(&a->timer);
}

/* Backends' host names may be those of requests (Backend.tls without an SNI), after rewrites. */
static struct bytes
requested_host(const struct exchange *x, struct uri_host *room)
{
	if (x->work.authority.n == 0 || uri_host(x->work.authority, room) != HG_OK)
		return BYTES_NONE;
	return room->name[0] == '[' ? bytes_of(room->name + 1, room->len - 2u) :
				      bytes_of(room->name, room->len);
}

enum hg_err
attempt_secure(struct exchange *x, struct target *t)
{
	static const enum uptls_speak speak[] = {
	    [IM_UP_H2C] = UPTLS_H2, [IM_UP_WS] = UPTLS_H1, [IM_UP_UDP] = 0};
	const struct image *im = x->gen ? &x->gen->image : NULL;
	struct uri_host host;
	struct uptls_in in;

	t->secure = NULL;
	if (t->tls == 0)
		return HG_OK;
	if (im == NULL || t->tls > im->n_uptls)
		return HG_ERR_DRAINING;
	in = (struct uptls_in){.im = im, .secrets = x->gen->secrets, .tls = t->tls - 1,
	    .cert = im->gateways[im->listeners[x->hit.listener].gateway].cert,
	    .endpoint = t->host, .host = requested_host(x, &host),
	    .speak = t->proto <= IM_UP_UDP ? speak[t->proto] : UPTLS_OPEN};
	if (x->upgrade && in.speak == UPTLS_OPEN) /* few backends switch in HTTP/2 */
		in.speak = UPTLS_H1;
	t->secure = uptls_get(x->w->uptls, &in);
	if (t->secure)
		return HG_OK;
	x->detail = arena_dup(&x->arena, bytes_str(tls_last_error(secure_env(x->w->secure))));
	return HG_ERR_BACKEND_TLS;
}

enum hg_err
attempt_connect(struct attempt *a)
{
	struct worker *w = a->x->w;
	enum hg_err e = attempt_secure(a->x, &a->target);

	if (!a->mirror && !traffic_greet(a->x, &a->target))
		e = HG_ERR_OVERLOAD;
	if (e == HG_OK)
		e = upool_get(
		    &w->upool, &a->target, a->x->silent_made, &main_up_events, a, &a->up);
	if (a->target.secure)
		a->secure = uptls_ref(a->target.secure);
	a->reused = e == HG_OK;
	if (e != HG_OK && e != HG_ERR_AGAIN) {
		a->up = NULL;
		return e;
	}
	if (a->x->policy != IM_NONE)
		traffic_connection(a->x, a->up, e == HG_ERR_AGAIN);
	words(a)->inflight++;
	a->counted = true;
	if (e == HG_ERR_AGAIN)
		arm(a, ATTEMPT_CONNECT);
	return e;
}

enum hg_err
attempt_send(struct attempt *a)
{
	struct exchange *x = a->x;
	bool whole =
	    x->head.framing == MSG_NONE || (x->head.framing == MSG_LENGTH && x->head.length == 0);
	unsigned flags = whole ? STREAM_END : 0;
	enum hg_err e;

	a->st = upool_open(a->up, &a->resp, a->mirror ? &mirror_events : &main_events, a);
	if (a->st == NULL)
		return HG_ERR_OVERLOAD;
	if (x->upgrade && !a->mirror) {
		flags |= STREAM_UPGRADE;
		e = tunnel_ask(x, a->up->m != NULL);
		if (e != HG_OK)
			return e;
	}
	/* The working copy is not changed any more, and the adapter leaves out what filters
	 * removed. */
	e = a->st->ops->send_head(a->st, a->mirror ? &a->req : &x->work, flags);
	if (e != HG_OK)
		return e;
	a->sent = true;
	a->req_ended = whole;
	words(a)->requests++;
	a->st->ops->credit(a->st, a->x->window);
	arm(a, ATTEMPT_ANSWER);
	return HG_OK;
}

void
attempt_pump(struct attempt *a)
{
	struct exchange *x = a->x;
	bool moved = false;
	struct slice s;
	int got = 0;

	if (!a->sent || a->req_ended || a->cursor < 0)
		return;
	/* A mirror past its bound is over, also while its backend takes nothing. */
	if (a->mirror && x->body.cursors[a->cursor].cut) {
		mirror_over(a, true);
		return;
	}
	/* Where the connection has enough, drained() comes. */
	while (a->st->ops->backlog(a->st) <= CHAN_HIGH) {
		got = body_next(&x->body, a->cursor, &s);
		if (got != 1)
			break;
		a->st->ops->send_body(a->st, s);
		moved = true;
	}
	if (got == -2 && a->mirror) {
		mirror_over(a, true);
		return;
	}
	if (got == -1) {
		a->req_ended = true;
		a->st->ops->send_end(a->st, x->body.trailers);
		moved = true;
	}
	if (moved && a->phase == ATTEMPT_ANSWER && !a->head_seen && !a->limited)
		arm(a, ATTEMPT_ANSWER);
}

static void
free_attempt(struct attempt *a)
{
	struct exchange *x = a->x;

	timer_stop(&a->timer);
	if (a->counted)
		counts_lower(&words(a)->inflight);
	if (a->mirror && a->cursor >= 0)
		body_drop(&x->body, a->cursor);
	list_del(&a->link);
	if (a->secure)
		uptls_unref(a->secure);
	msg_release(&a->resp);
	if (x->attempt == a)
		x->attempt = NULL;
	pool_put(&x->w->attempts, a);
}

void
attempt_done(struct attempt *a)
{
	struct stream *st = a->st;

	if (st == NULL || !a->req_ended || !a->resp_ended) {
		attempt_cut(a);
		return;
	}
	if (!a->mirror)
		a->x->t_upstream = loop_now(a->x->w->loop) - a->begun;
	upool_done(a->up, st);
	free_attempt(a);
}

void
attempt_cut(struct attempt *a)
{
	struct up *up = a->up;

	if (!a->mirror)
		a->x->t_upstream = loop_now(a->x->w->loop) - a->begun;
	if (up)
		upool_close(up);
	free_attempt(a);
}

/* ---- outcome */

static bool
can_replay(const struct exchange *x)
{
	if (x->cursor < 0) /* no body, or none was read yet */
		return true;
	return x->replay >= 0 && body_can_replay(&x->body, x->replay);
}

/* The endpoint's doing, unless the error is one of ours. */
static void
failed(struct attempt *a, enum hg_err e)
{
	words(a)->failures++;
	if (a->x->policy != IM_NONE && e != HG_ERR_QUEUE_FULL && e != HG_ERR_OVERLOAD)
		traffic_result(a->x, &a->target, 0);
}

enum step_result
attempt_over(struct exchange *x, enum retry_class what, enum hg_err e)
{
	struct attempt *a = x->attempt;
	struct retry_in in = {.policy = x->has_retry ? &x->retry : NULL,
	    .what = what,
	    .made = x->made,
	    .status = x->up_status,
	    .replayable = x->gen != NULL && !x->head_sent && can_replay(x),
	    .reused = a->reused || a->untouched,
	    .got_bytes = a->head_seen || (a->st && !a->untouched && upool_got_bytes(a->up)),
	    .silent_made = x->silent_made,
	    .grpc = what == RETRY_STATUS && retry_grpc(&x->retry, &a->resp.fields),
	    .refused = x->policy != IM_NONE && !traffic_may_retry(x),
	    /* A wrong certificate is said, not covered by another endpoint. */
	    .fresh_endpoint = x->gen && e != HG_ERR_BACKEND_TLS &&
		(x->gen->image.clusters[a->target.cluster].endpoints.n > 1 ||
		    x->gen->image.clusters[a->target.cluster].dns != IM_NONE)};
	enum retry_verdict v = retry_decide(&in);
	uint64_t wait = 0;

	if (what != RETRY_STATUS)
		failed(a, e);
	if (v == RETRY_NO)
		return exchange_refuse(x, e);
	attempt_cut(a);
	if (x->cursor >= 0)
		body_rewind(&x->body, x->cursor, x->replay);
	if (v == RETRY_SILENT) {
		x->silent_made = true;
		x->tried.n = 0;
	} else {
		pick_note(&x->tried, &x->target);
		x->made++;
		if (x->policy != IM_NONE)
			traffic_retries(x);
		wait = retry_wait(in.policy, x->made, what, worker_random(x->w));
	}
	METRIC(x->w, retries, 1);
	x->up_status = 0;
	x->grpc_said = 0;
	x->owed = 0;
	x->step = STEP_pick;
	if (wait == 0)
		return STEP_JUMP;
	timer_in(x->w->loop, &x->pause, wait);
	return STEP_WAIT;
}

/* From an event. */
static void
over(struct exchange *x, enum retry_class what, enum hg_err e)
{
	if (attempt_over(x, what, e) == STEP_JUMP)
		exchange_run(x);
}

static enum hg_err
shaking_over(struct attempt *a)
{
	METRIC(a->x->w, upstream_tls_failed, 1);
	a->x->detail = "the handshake took too long";
	return HG_ERR_BACKEND_TLS;
}

static void
attempt_timer(struct timer *t)
{
	struct attempt *a = HG_CONTAINER(t, struct attempt, timer);
	struct exchange *x = a->x;

	if (a->mirror) {
		mirror_over(a, true);
		return;
	}
	METRIC(x->w, timeouts, 1);
	if (a->limited)
		over(x, RETRY_TIMEOUT, HG_ERR_BACKEND_TIMEOUT);
	else if (a->phase == ATTEMPT_CONNECT && upool_shaking(a->up))
		over(x, RETRY_NOT_PROCESSED, shaking_over(a));
	else if (a->phase == ATTEMPT_CONNECT)
		over(x, RETRY_NOT_PROCESSED, HG_ERR_CONNECT_TIMEOUT);
	else
		over(x, RETRY_UNKNOWN, HG_ERR_BACKEND_TIMEOUT);
}

/* ---- the connection's events */

static void
main_open(struct up *u)
{
	struct attempt *a = u->owner;

	if (a->mirror) {
		mirror_open(a);
		return;
	}
	if (a->x->policy != IM_NONE)
		traffic_connected(a->x);
	a->x->t_connect = loop_now(a->x->w->loop) - a->begun;
	a->x->step = STEP_send;
	exchange_run(a->x);
}

/* Why, for the exchange's line in the log; the process' own says it now and then. */
static void
note_tls(struct attempt *a)
{
	struct exchange *x = a->x;
	const char *why;
	char where[56];

	if (a->secure == NULL)
		return;
	(void)addr_print(&a->target.addr, where);
	why = uptls_failed(a->secure, loop_now(x->w->loop), where);
	if (!a->mirror)
		x->detail = arena_dup(&x->arena, bytes_str(why));
}

static void
main_failed(struct up *u, enum hg_err e)
{
	struct attempt *a = u->owner;

	a->up = NULL; /* its adapter closes it */
	u->owner = NULL;
	if (e == HG_ERR_BACKEND_TLS)
		note_tls(a);
	if (a->mirror) {
		mirror_over(a, true);
		return;
	}
	/* Another protocol than expected: nothing was sent. */
	a->untouched = e == HG_ERR_AGAIN;
	over(a->x, a->untouched && !a->x->silent_made ? RETRY_UNKNOWN : RETRY_NOT_PROCESSED,
	    e == HG_ERR_CONNECT_TIMEOUT || e == HG_ERR_BACKEND_TLS ? e : HG_ERR_CONNECT_FAILED);
}

/* ---- the stream's events */

static void
informational(struct exchange *x, const struct msg *m)
{
	struct msg *out = &x->answer;

	if (x->down == NULL)
		return;
	if (forward_info(&x->arena, m, out) == HG_OK)
		(void)x->down->ops->send_head(x->down, out, STREAM_INFO);
	METRIC(x->w, responses_1xx, 1);
	if (m->status == 100)
		relay_start(x);
}

/* A call's outcome is its status, which mostly comes last. */
static void
note_result(struct attempt *a, const struct fields *f, bool last)
{
	struct exchange *x = a->x;
	unsigned status = x->grpc ? call_note(x, a->resp.status, f, last) : a->resp.status;

	if (x->policy != IM_NONE && status)
		traffic_result(x, &a->target, status);
}

static void
main_head(struct stream *st, struct msg *m, unsigned flags)
{
	struct attempt *a = st->owner;
	struct exchange *x = a->x;

	if (fields_get(&m->fields, FIELD_CONNECTION))
		fields_hop_by_hop(&m->fields);
	if (flags & STREAM_INFO) {
		informational(x, m);
		return;
	}
	a->head_seen = true;
	a->resp_ended = flags & STREAM_END;
	x->t_first = loop_now(x->w->loop) - a->begun;
	x->up_status = m->status;
	x->reused = a->reused;
	arm(a, ATTEMPT_BODY);
	note_result(a, &m->fields, a->resp_ended);
	if (x->upgrade) {
		enum hg_err e = tunnel_answer(x, m, flags);

		if (e != HG_OK) {
			failed(a, e);
			exchange_fail(x, e);
			return;
		}
	}
	if (x->has_retry && x->made < x->retry.attempts &&
	    (retry_status(&x->retry, m->status) || retry_grpc(&x->retry, &m->fields)) && x->gen &&
	    can_replay(x) && (x->policy == IM_NONE || traffic_may_retry(x))) {
		over(x, RETRY_STATUS, HG_ERR_BACKEND_BAD);
		return;
	}
	if (x->replay >= 0)
		body_drop(&x->body, x->replay);
	x->replay = -1;
	x->step = STEP_reply;
	exchange_run(x);
}

static void
main_body(struct stream *st, struct slice s)
{
	struct attempt *a = st->owner;

	relay_response_body(a->x, s);
}

static void
main_end(struct stream *st, const struct fields *trailers)
{
	struct attempt *a = st->owner;

	a->resp_ended = true;
	if (a->x->grpc && a->x->grpc_said == 0)
		note_result(a, trailers, true);
	relay_response_end(a->x, trailers);
	exchange_run(a->x);
}

static void
main_drained(struct stream *st)
{
	struct attempt *a = st->owner;
	struct exchange *x = a->x;

	attempt_pump(a);
	relay_credit(x);
}

static void
main_reset(struct stream *st, enum hg_err e)
{
	struct attempt *a = st->owner;
	struct exchange *x = a->x;

	if (x->head_sent) {
		failed(a, HG_ERR_BACKEND_RESET);
		exchange_fail(x, e == HG_OK ? HG_ERR_BACKEND_RESET : e);
		return;
	}
	/* HTTP/2: the backend did not look at it. Once more costs nothing, whatever the method. */
	a->untouched = e == HG_ERR_AGAIN;
	over(x, a->untouched && x->silent_made ? RETRY_NOT_PROCESSED : RETRY_UNKNOWN,
	    err_http(e) ? e : HG_ERR_BACKEND_RESET);
}

static const struct stream_events main_events = {
	.head = main_head,
	.body = main_body,
	.end = main_end,
	.drained = main_drained,
	.refuse = main_reset,
	.reset = main_reset,
};
