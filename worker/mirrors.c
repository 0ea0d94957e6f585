/*
 * mirrors.c - copies of a request that nobody waits for. A mirror is an attempt with a cursor that
 * never blocks: if its backend is slower than the client's body and the bound is passed, the copy
 * is cut and counted. Its answer is read and dropped. A mirror may outlive the client's side; it
 * then keeps the exchange's memory, never a connection.
 */
#include "worker/attempt.h"

static void
begin(struct exchange *x, const struct im_mirror *m)
{
	struct worker *w = x->w;
	struct pick_in in = {.gen = x->gen,
	    .board = w->board,
	    .names = w->names,
	    .now = loop_now(w->loop),
	    .random = worker_random(w)};
	struct target t;
	struct attempt *a;
	enum hg_err e;

	if (m->den == 0 || worker_random(w) % m->den >= m->num)
		return;
	if (m->cluster >= x->gen->image.n_clusters ||
	    pick_endpoint(&in, m->cluster, NULL, &t) != HG_OK) {
		METRIC(w, mirrors_dropped, 1);
		return;
	}
	t.unix_path = arena_bytes(&x->arena, t.unix_path);
	a = attempt_new(x, &t, true);
	if (a == NULL) {
		METRIC(w, mirrors_dropped, 1);
		return;
	}
	METRIC(w, mirrors, 1);
	list_append(&x->mirrors, &a->link);
	msg_init(&a->resp, false);
	if (forward_copy(&x->arena, &x->work, &a->req) != HG_OK) {
		mirror_over(a, true);
		return;
	}
	/* The copy must not ask for a 100 that nobody would wait for. */
	forward_drop(&a->req, FIELD_EXPECT);
	if (x->head.framing != MSG_NONE) {
		a->cursor = body_cursor(&x->body, BODY_MIRROR, w->mirror_bytes);
		if (a->cursor < 0) {
			mirror_over(a, true);
			return;
		}
	}
	e = attempt_connect(a);
	if (e == HG_OK)
		mirror_open(a);
	else if (e != HG_ERR_AGAIN)
		mirror_over(a, true);
}

void
mirrors_begin(struct exchange *x)
{
	if (x->gen == NULL)
		return;
	while (x->mirrors_begun < x->fctx.mirrors.n)
		begin(x, x->fctx.mirrors.v[x->mirrors_begun++]);
}

void
mirror_open(struct attempt *a)
{
	if (attempt_send(a) != HG_OK) {
		mirror_over(a, true);
		return;
	}
	attempt_pump(a);
}

void
mirror_over(struct attempt *a, bool cut)
{
	struct exchange *x = a->x;

	if (cut) {
		METRIC(x->w, mirrors_dropped, 1);
		attempt_cut(a);
	} else {
		attempt_done(a);
	}
	exchange_mirror_over(x);
}

void
mirrors_pump(struct exchange *x)
{
	LIST_FOREACH_SAFE(it, tmp, &x->mirrors)
		attempt_pump(LIST_ENTRY(it, struct attempt, link));
}

void
mirrors_cut(struct exchange *x)
{
	bool last = list_empty(&x->mirrors);

	while (!last) {
		struct attempt *a = LIST_ENTRY(x->mirrors.next, struct attempt, link);

		last = x->mirrors.next == x->mirrors.prev;
		mirror_over(a, true); /* the last one may free x */
	}
}

static void
mirror_head(struct stream *st, struct msg *m, unsigned flags)
{
	struct attempt *a = st->owner;

	(void)m;
	if (flags & STREAM_INFO)
		return;
	a->head_seen = true;
	if (flags & STREAM_END) {
		a->resp_ended = true;
		mirror_over(a, false);
	}
}

static void
mirror_body(struct stream *st, struct slice s)
{
	uint32_t n = s.n;

	slice_drop(&s);
	st->ops->credit(st, n);
}

static void
mirror_end(struct stream *st, const struct fields *trailers)
{
	struct attempt *a = st->owner;

	(void)trailers;
	a->resp_ended = true;
	mirror_over(a, false);
}

static void
mirror_drained(struct stream *st)
{
	attempt_pump(st->owner);
}

static void
mirror_reset(struct stream *st, enum hg_err e)
{
	(void)e;
	mirror_over(st->owner, true);
}

const struct stream_events mirror_events = {
	.head = mirror_head,
	.body = mirror_body,
	.end = mirror_end,
	.drained = mirror_drained,
	.refuse = mirror_reset,
	.reset = mirror_reset,
};
