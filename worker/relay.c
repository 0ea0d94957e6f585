/*
 * relay.c - bodies on their way through, both by credit: the client may send as much more as the
 * blocking reader took, the backend as much more as the client's connection accepted. Slices are
 * handed on by reference, a piece at a time and at once, so a server-sent event leaves in the turn
 * in which it came.
 */
#include "net/chan.h"
#include "worker/attempt.h"
#include "worker/exchange.h"
#include "worker/protect/compress.h"
#include "worker/traffic.h"

void
relay_start(struct exchange *x)
{
	if (x->credited || x->req_ended || x->down == NULL)
		return;
	x->credited = true;
	x->down->ops->credit(x->down, x->window);
}

void
relay_credit(struct exchange *x)
{
	uint64_t n = body_credit(&x->body);

	if (n && x->down && !x->req_ended)
		x->down->ops->credit(x->down, n);
}

void
relay_request(struct exchange *x)
{
	traffic_moved(x);
	if (x->attempt)
		attempt_pump(x->attempt);
	mirrors_pump(x);
	relay_credit(x);
	if (x->collector && x->step == STEP_protect)
		exchange_run(x);
}

/* Gives the backend the credit it is owed, if the client keeps up. */
static void
pay(struct exchange *x)
{
	struct attempt *a = x->attempt;
	uint64_t n = x->owed;

	if (n == 0 || a == NULL || a->st == NULL || a->resp_ended)
		return;
	if (x->down && x->down->ops->backlog(x->down) > CHAN_HIGH)
		return; /* drained() comes */
	x->owed = 0;
	a->st->ops->credit(a->st, n);
}

void
relay_response_body(struct exchange *x, struct slice s)
{
	uint32_t n = s.n;

	if (x->down == NULL || x->resp_ended) {
		slice_drop(&s);
		return;
	}
	traffic_moved(x);
	x->owed += n;
	if (x->zip) {
		if (!compress_body(x, s)) {
			exchange_fail(x, HG_ERR_OVERLOAD);
			return;
		}
	} else {
		x->resp_bytes += n;
		x->down->ops->send_body(x->down, s);
	}
	pay(x);
}

void
relay_response_end(struct exchange *x, const struct fields *trailers)
{
	if (x->zip && x->down && !x->resp_ended && !compress_end(x)) {
		x->down->ops->reset(x->down, HG_ERR_OVERLOAD);
		x->down = NULL;
	}
	if (x->down && !x->resp_ended)
		x->down->ops->send_end(x->down, x->no_trailers ? NULL : trailers);
	x->resp_ended = true;
}

void
relay_drained(struct exchange *x)
{
	pay(x);
}
