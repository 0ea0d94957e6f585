/*
 * traffic.c - breakers, passive health and timers of a policy, on an exchange. Words of the breaker
 * are raised and lowered here only, each with a flag in the exchange, so that every way out of an
 * exchange (answer, error, client gone) lowers what it raised.
 *
 * Who finds all connections of its rule taken waits in one list of the worker; whenever a
 * connection becomes free those in the list look again, in order. Rejected: a list a rule (a map on
 * the way of every request, for a case that is rare).
 */
#include "worker/traffic.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/proxyproto.h"
#include "net/sock.h"
#include "worker/attempt.h"
#include "worker/conn.h"
#include "worker/upstream/breaker.h"
#include "worker/upstream/outlier.h"

static struct slot_breaker *
words(struct exchange *x)
{
	return breaker_words(&x->w->counts, x->rule_id);
}

/* ---- time */

void
traffic_idle_over(struct timer *t)
{
	struct exchange *x = HG_CONTAINER(t, struct exchange, idle);
	uint64_t until = x->moved + x->idle_ms * MS_NS;

	if (x->down == NULL)
		return;
	if (until > loop_now(x->w->loop)) {
		timer_set(x->w->loop, t, until);
		return;
	}
	METRIC(x->w, timeouts, 1);
	exchange_fail(x, x->req_ended ? HG_ERR_BACKEND_TIMEOUT : HG_ERR_REQUEST_TIMEOUT);
}

void
traffic_begin(struct exchange *x)
{
	const struct im_balance *b = traffic_balance(x);
	struct loop *loop = x->w->loop;

	if (b == NULL)
		return;
	x->connect_ms = b->connect_ms;
	if (b->stream_max_ms && b->stream_max_ms != IM_NONE)
		exchange_due(x, loop_now(loop) + b->stream_max_ms * MS_NS, false);
	if (b->stream_idle_ms && b->stream_idle_ms != IM_NONE) {
		x->idle_ms = b->stream_idle_ms;
		traffic_moved(x);
		timer_in(loop, &x->idle, x->idle_ms);
	}
}

/* ---- picking */

struct pick_in
traffic_pick_in(struct exchange *x)
{
	struct worker *w = x->w;

	return (struct pick_in){.gen = x->gen,
	    .board = w->board,
	    .names = w->names,
	    .now = loop_now(w->loop),
	    .random = worker_random(w),
	    .balance = traffic_balance(x),
	    .counts = &w->counts,
	    .hash = x->lb.hash,
	    .hash_on = x->lb.on};
}

enum hg_err
traffic_admit(struct exchange *x)
{
	const struct im_balance *b = traffic_balance(x);
	uint64_t random[2];

	if (b == NULL || x->counted)
		return HG_OK;
	if (!breaker_request(&x->w->counts, b, x->rule_id))
		return HG_ERR_CIRCUIT_OPEN;
	x->counted = true;
	words(x)->active++;
	if (b->type != IM_LB_HASH)
		return HG_OK;
	random[0] = worker_random(x->w);
	random[1] = worker_random(x->w);
	lbhash_make(&x->lb, &x->arena, &x->gen->image, b, &x->head, &x->peer, random);
	return HG_OK;
}

uint64_t
traffic_replay(const struct exchange *x)
{
	const struct im_balance *b = traffic_balance(x);

	return b && b->buffer_bytes != IM_NONE ? b->buffer_bytes : x->w->replay_bytes;
}

/* ---- connections */

static void
pend(struct exchange *x)
{
	if (x->pending)
		return;
	x->pending = true;
	words(x)->pending++;
}

void
traffic_connected(struct exchange *x)
{
	if (!x->pending)
		return;
	x->pending = false;
	counts_lower(&words(x)->pending);
}

static void
has_waited(struct exchange *x)
{
	if (x->queued)
		timer_stop(&x->pause);
	x->queued = false;
}

/* Who speaks is the connection's peer (or whom its own PROXY header names), as at every other hop
 * of the protocol; whom a header field of one request names is for X-Forwarded-For to say. Our
 * address costs a system call, where a policy asks for it. */
bool
traffic_greet(struct exchange *x, struct target *t)
{
	const struct im_balance *b = traffic_balance(x);
	struct addr own = {0};
	char *text;

	if (x->greeting.n == 0) {
		if (b == NULL || b->proxy_protocol == 0)
			return true;
		text = arena_alloc(&x->arena, PROXYPROTO_WRITE);
		if (text == NULL)
			return false;
		(void)sock_local(x->conn->h1.chan.watch.fd, &own);
		x->greeting = bytes_of(text,
		    proxyproto_write(text, b->proxy_protocol, false, &x->conn->peer, &own));
	}
	t->greeting = x->greeting;
	return true;
}

enum step_result
traffic_connect(struct exchange *x)
{
	const struct im_balance *b = traffic_balance(x);
	struct worker *w = x->w;
	enum breaker_verdict v;

	if (b == NULL || !traffic_greet(x, &x->target) ||
	    attempt_secure(x, &x->target) != HG_OK || /* the attempt says so */
	    upool_ready(&w->upool, &x->target)) {
		has_waited(x);
		return STEP_NEXT;
	}
	v = breaker_connect(&w->counts, b, x->rule_id, x->pending);
	if (v == BREAKER_WAIT &&
	    (upool_coming(&w->upool, &x->target) || upool_make_room(&w->upool, x->rule_id)))
		v = BREAKER_GO;
	if (v == BREAKER_OPEN) {
		METRIC(w, circuit_open, 1);
		return exchange_refuse(x, HG_ERR_CIRCUIT_OPEN);
	}
	pend(x);
	if (v == BREAKER_GO) {
		has_waited(x);
		return STEP_NEXT;
	}
	list_append(&w->waiting, &x->waits);
	if (!x->queued) { /* once, however often it looks */
		x->queued = true;
		timer_in(w->loop, &x->pause, x->connect_ms ? x->connect_ms : w->connect_ms);
	}
	x->step = STEP_pick;
	return STEP_WAIT;
}

void
traffic_queue_over(struct exchange *x)
{
	traffic_unqueue(x);
	METRIC(x->w, circuit_open, 1);
	exchange_fail(x, HG_ERR_CIRCUIT_OPEN);
}

void
traffic_unqueue(struct exchange *x)
{
	list_del(&x->waits);
	x->queued = false;
	traffic_connected(x);
}

void
traffic_wake(struct worker *w)
{
	struct list now;

	w->upool.freed = false;
	if (list_empty(&w->waiting))
		return;
	list_init(&now);
	while (!list_empty(&w->waiting)) {
		struct list *it = w->waiting.next;

		list_del(it);
		list_append(&now, it);
	}
	while (!list_empty(&now)) {
		struct exchange *x = LIST_ENTRY(now.next, struct exchange, waits);

		list_del(&x->waits);
		exchange_run(x);
	}
}

void
traffic_connection(struct exchange *x, struct up *u, bool fresh)
{
	const struct im_balance *b = traffic_balance(x);
	struct up_terms terms;

	if (b == NULL)
		return;
	if (!fresh)
		traffic_connected(x);
	else
		upool_charge(u, x->rule_id);
	if (fresh && b->tcp_keepalive)
		sock_keepalive(upool_fd(u), b->keepalive_probes, b->keepalive_idle_s,
		    b->keepalive_interval_s);
	terms = (struct up_terms){.max_requests = b->max_requests == IM_NONE ? 0 : b->max_requests,
	    .idle_ms = b->idle_ms == IM_NONE ? UPOOL_FOREVER_MS : b->idle_ms,
	    .max_ms = b->connection_max_ms == IM_NONE ? 0 : b->connection_max_ms};
	upool_terms(u, &terms);
}

/* ---- retries, health */

bool
traffic_may_retry(struct exchange *x)
{
	const struct im_balance *b = traffic_balance(x);

	return b == NULL || x->retrying || breaker_retry(&x->w->counts, b, x->rule_id);
}

void
traffic_retries(struct exchange *x)
{
	if (x->retrying || traffic_balance(x) == NULL)
		return;
	x->retrying = true;
	words(x)->retries++;
}

void
traffic_note(struct worker *w, struct gen *gen, const struct im_balance *b, const struct target *t,
    unsigned status)
{
	struct pick_in in = {
	    .gen = gen, .names = w->names, .now = loop_now(w->loop), .balance = b};
	char name[56];
	uint32_t ms;

	if (w->board == NULL || !outlier_note(w->board, &in, t, status, &ms))
		return;
	METRIC(w, ejections, 1);
	(void)addr_print(&t->addr, name);
	log_warn("endpoint %s of %.*s is taken out for %u ms", name,
	    BYTES_ARG(image_text(&gen->image, gen->image.clusters[t->cluster].name)), ms);
}

void
traffic_result(struct exchange *x, const struct target *t, unsigned status)
{
	const struct im_balance *b = traffic_balance(x);

	if (b)
		traffic_note(x->w, x->gen, b, t, status);
}

void
traffic_over(struct exchange *x)
{
	traffic_unqueue(x);
	if (x->counted)
		counts_lower(&words(x)->active);
	if (x->retrying)
		counts_lower(&words(x)->retries);
	x->counted = x->retrying = false;
}

/* ---- slow start */

void
traffic_warm(struct worker *w)
{
	const struct image *im = &w->gens.live->image;
	uint64_t now = clock_mono();

	for (uint32_t r = 0; w->board && im->n_balances && r < im->n_rules; r++) {
		const struct im_rule *rule = &im->rules[r];
		const struct im_balance *b = image_balance(im, rule->policy);

		if (b == NULL || b->slow_start_ms == 0)
			continue;
		for (uint32_t i = 0; i < rule->backends.n; i++) {
			uint32_t c = im->backends[rule->backends.first + i].cluster;
			const struct im_range none = {0, 0},
					      v = c == IM_NONE ? none : im->clusters[c].endpoints;

			for (uint32_t k = 0; k < v.n; k++) {
				uint32_t id = im->endpoints[v.first + k].id;
				uint64_t never = 0;

				if (id && id < SLOT_IDS)
					(void)atomic_compare_exchange_strong(
					    &w->board->endpoints[id].healthy_since, &never, now);
			}
		}
	}
}
