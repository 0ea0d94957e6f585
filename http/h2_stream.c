/*
 * h2_stream.c - one stream under the `stream` seam, the same for both roles. What the peer sends is
 * handed on against credit and held until then; the stream's window is returned only for what was
 * handed on, so that at most a window is held. What is to be sent waits in a queue that nghttp2
 * draws from as windows allow. The owner lets go (detach, reset) before or after nghttp2 does
 * (`gone`); the object is freed when both have, always from the loop.
 */
#include "base/check.h"
#include "http/h2_core.h"

#define SMALL_PIECE 1024 /* joined with what waits already */
#define CHUNK_SLICES ((BUF_QUEUE - 16) / sizeof(struct slice))

struct h2_chunk {
	struct h2_chunk *next;
	uint32_t at, n; /* slices [at, n) are filled */
	struct slice v[CHUNK_SLICES];
};
_Static_assert(sizeof(struct h2_chunk) <= BUF_QUEUE, "a record of slices fits the pool");

/* ---- queues */

static struct slice *
queue_last(const struct h2_queue *q)
{
	return q->last ? &q->last->v[q->last->n - 1] : NULL;
}

static bool
queue_add(struct h2_queue *q, struct bufs *bufs, struct slice s)
{
	if (q->last == NULL || q->last->n == CHUNK_SLICES) {
		struct h2_chunk *k = pool_get(&bufs->queues);

		if (k == NULL)
			return false;
		k->next = NULL;
		k->at = k->n = 0;
		if (q->last)
			q->last->next = k;
		else
			q->first = k;
		q->last = k;
	}
	q->last->v[q->last->n++] = s;
	q->n += s.n;
	return true;
}

/* Small pieces would each hold a receive buffer, and a record: they are copied together. */
bool
h2_queue_push(struct h2_queue *q, struct bufs *bufs, struct slice s)
{
	struct slice *last = queue_last(q);
	struct buf *b = last ? last->buf : NULL;

	if (s.n == 0) {
		slice_drop(&s);
		return true;
	}
	if (s.n <= SMALL_PIECE && b && b->refs == 1 && last->p + last->n == b->data + b->len &&
	    b->cap - b->len >= s.n) {
		memcpy(b->data + b->len, s.p, s.n);
		b->len += s.n;
		last->n += s.n;
		q->n += s.n;
		slice_drop(&s);
		return true;
	}
	if (s.n <= SMALL_PIECE && last) {
		b = buf_new(bufs, 1);
		if (b == NULL) {
			slice_drop(&s);
			return false;
		}
		memcpy(b->data, s.p, s.n);
		b->len = s.n;
		slice_drop(&s);
		s = (struct slice){b, b->data, b->len};
	}
	if (queue_add(q, bufs, s))
		return true;
	slice_drop(&s);
	return false;
}

struct slice
h2_queue_take(struct h2_queue *q, struct bufs *bufs, uint32_t most)
{
	struct h2_chunk *k = q->first;
	struct slice *s, out;

	if (k == NULL || most == 0)
		return (struct slice){NULL, NULL, 0};
	s = &k->v[k->at];
	if (s->n > most) {
		out = slice_of(s->buf, s->p, most);
		s->p += most;
		s->n -= most;
		q->n -= most;
		return out;
	}
	out = *s;
	q->n -= out.n;
	if (++k->at == k->n) {
		q->first = k->next;
		if (q->first == NULL)
			q->last = NULL;
		pool_put(&bufs->queues, k);
	}
	return out;
}

void
h2_queue_drop(struct h2_queue *q, struct bufs *bufs)
{
	while (q->first) {
		struct slice s = h2_queue_take(q, bufs, UINT32_MAX);

		slice_drop(&s);
	}
}

/* ---- life */

size_t
h2_stream_size(void)
{
	return sizeof(struct h2_stream);
}

static inline struct h2_stream *
of(const struct stream *st)
{
	return HG_CONTAINER(st, struct h2_stream, stream);
}

static uint64_t
now(const struct h2_stream *st)
{
	return loop_now(st->c->chan.loop);
}

struct h2_stream *
h2_stream_new(struct h2 *c, int32_t id)
{
	struct h2_stream *st = pool_get(c->env->streams);

	if (st == NULL)
		return NULL;
	memset(st, 0, sizeof(*st));
	st->stream.ops = &h2_stream_ops;
	st->c = c;
	st->id = id;
	st->born = now(st);
	list_append(&c->streams, &st->link);
	c->nstreams++;
	h2_nudges(c, 2);
	return st;
}

void
h2_stream_free(struct h2_stream *st)
{
	struct h2 *c = st->c;

	h2_queue_drop(&st->in, c->env->bufs);
	h2_queue_drop(&st->out, c->env->bufs);
	if (st->trailers)
		buf_unref(st->trailers);
	list_del(&st->link);
	c->nstreams--;
	pool_put(c->env->streams, st);
	if (c->nstreams == 0) {
		c->quiet_since = loop_now(c->chan.loop);
		if (!c->dead && c->role->quiet)
			c->role->quiet(c);
	}
}

static void
later(struct h2_stream *st)
{
	st->pending = true;
	loop_defer(st->c->chan.loop, &st->c->more);
}

/* The owner is out of it. */
static void
let_go(struct h2_stream *st)
{
	struct h2 *c = st->c;
	uint32_t held = (uint32_t)st->in.n;

	if (!st->open)
		return;
	st->open = false;
	st->msg = NULL;
	st->collecting = st->waiting = false;
	c->nopen--;
	h2_queue_drop(&st->in, c->env->bufs);
	if (c->dead) {
		if (c->nopen == 0)
			loop_defer(c->chan.loop, &c->over);
		return;
	}
	st->gone |= st->id == 0; /* never sent: nghttp2 does not know it */
	if (held)
		h2_consume(st, held);
	if (st->said && !st->in_end && c->role->server)
		h2_submit_reset(st, H2_NO_ERROR); /* early answer: no more of the request */
	later(st);
}

void
h2_stream_reset(struct h2_stream *st, enum hg_err e)
{
	bool open = st->open;

	/* What waited for its turn until the connection took no more: nobody has looked at it. */
	if (!st->c->role->server && !st->begun && e == HG_ERR_BACKEND_RESET)
		e = HG_ERR_AGAIN;
	let_go(st);
	if (open)
		st->stream.ev->reset(&st->stream, e);
}

void
h2_stream_closed(struct h2_stream *st, uint32_t code)
{
	enum hg_err e = st->c->role->reset;

	st->gone = true;
	later(st);
	if (!st->open)
		return;
	/* Over in order: what is held is handed on, and the owner detaches. */
	if (code == H2_NO_ERROR && st->in_end && st->sent_end)
		return;
	if (!st->c->role->server) {
		if (code == H2_NO_ERROR && st->in_end)
			return; /* the answer is whole; of the request no more was wanted */
		if (code == H2_REFUSED_STREAM)
			e = HG_ERR_AGAIN; /* not processed */
	}
	h2_stream_reset(st, e);
}

void
h2_stream_refuse(struct h2_stream *st, enum hg_err e)
{
	if (!st->open)
		return;
	if (st->head_sent || !st->c->role->server) {
		h2_submit_reset(st, err_h2(e) ? err_h2(e) : H2_INTERNAL_ERROR);
		h2_stream_reset(st, e);
		return;
	}
	st->refused = true;
	st->waiting = false;
	st->stream.ev->refuse(&st->stream, e);
}

/* ---- input */

/* Waiting for body bytes that we would take. */
static void
wait_body(struct h2_stream *st, bool run)
{
	if (run == st->waiting)
		return;
	st->waiting = run;
	st->since = now(st) - st->since; /* shifted by the time in which nothing was wanted */
}

void
h2_stream_deliver(struct h2_stream *st)
{
	struct h2 *c = st->c;

	st->pending = false;
	while (st->open && !st->refused && st->credit && st->in.n && !st->end_told) {
		struct slice s = h2_queue_take(
		    &st->in, c->env->bufs, (uint32_t)HG_MIN(st->credit, (uint64_t)UINT32_MAX));

		st->credit -= s.n;
		h2_consume(st, s.n);
		st->stream.ev->body(&st->stream, s);
	}
	if (st->open && !st->refused && st->in_end && !st->end_told && st->in.n == 0) {
		struct fields *t = &st->msg->trailers;

		st->end_told = true;
		wait_body(st, false);
		st->stream.ev->end(&st->stream, t->n ? t : NULL);
	}
}

void
h2_stream_data(struct h2_stream *st, const char *p, uint32_t n)
{
	struct h2 *c = st->c;

	if (!st->open || st->refused || !st->head_seen) {
		h2_consume(st, n);
		return;
	}
	st->got += n;
	if (!h2_queue_push(&st->in, c->env->bufs, slice_of(c->feeding, p, n))) {
		h2_stream_refuse(st, HG_ERR_OVERLOAD);
		return;
	}
	h2_stream_deliver(st);
	if (st->open)
		wait_body(st, st->credit && !st->in_end);
}

void
h2_stream_end(struct h2_stream *st)
{
	st->in_end = true;
	if (st->open && st->head_seen)
		h2_stream_deliver(st);
}

/* ---- ops */

/* Path and query as one text; they mostly lie so already. */
static bool
whole_path(struct h2_stream *st, const struct msg *m, struct bytes *out, struct buf **tmp)
{
	size_t n = m->path.n + m->query.n + 1;
	struct buf *b;

	*out = m->path;
	if (m->query.p == NULL)
		return true;
	*out = bytes_of(m->path.p, n);
	if (m->query.p == m->path.p + m->path.n + 1 && m->path.p[m->path.n] == '?')
		return true;
	b = *tmp = buf_new(st->c->env->bufs, (uint32_t)HG_MIN(n, (size_t)UINT32_MAX));
	if (b == NULL)
		return false;
	memcpy(b->data, m->path.p, m->path.n);
	b->data[m->path.n] = '?';
	memcpy(b->data + m->path.n + 1, m->query.p, m->query.n);
	*out = bytes_of(b->data, n);
	return true;
}

#define LINES(a) ((const struct bytes(*)[2])(a))

static enum hg_err
send_head(struct stream *stream, const struct msg *m, unsigned flags)
{
	struct h2_stream *st = of(stream);
	struct bytes lines[H2_LINES][2];
	struct h2_scratch scratch = {.now = now(st),
	    .secure = st->c->chan.ops->secure,
	    .connect = m->request && (flags & STREAM_UPGRADE)};
	bool info = flags & STREAM_INFO, ok;
	bool body = !(flags & STREAM_END) || (flags & STREAM_UPGRADE);
	struct buf *path = NULL;
	size_t n;

	if (st->c->dead || st->gone || !st->open || st->head_sent)
		return HG_OK;
	if (scratch.connect && !st->c->settings_got) {
		st->held = m;
		return HG_OK;
	}
	if (scratch.connect && !h2_peer_connects(st->c))
		return HG_ERR_BACKEND_UPGRADE;
	st->connect = scratch.connect;
	if (m->request && !whole_path(st, m, &scratch.path, &path))
		return HG_ERR_NOMEM;
	n = h2_head_write(m, &scratch, info, lines);
	if (n == 0) {
		if (path)
			buf_unref(path);
		return HG_ERR_HEADER_TOO_LARGE;
	}
	if (info) {
		if (m->status == 100 && !st->expects_100)
			return HG_OK;
		st->expects_100 &= m->status != 100;
		return h2_submit_info(st, LINES(lines), n) ? HG_OK : HG_ERR_NOMEM;
	}
	if (m->request) {
		st->head_method = bytes_eq(m->method, BYTES("HEAD"));
	} else {
		st->no_body = st->head_method || m->status == 204 || m->status == 304;
		body &= !st->no_body;
	}
	st->length = m->framing == MSG_LENGTH && body;
	st->left = m->length;
	ok = h2_submit_head(st, LINES(lines), n, body);
	if (path)
		buf_unref(path);
	if (!ok)
		return HG_ERR_NOMEM;
	st->head_sent = true;
	st->expects_100 = false;
	st->sent_end = st->out_end = !body;
	return HG_OK;
}

void
h2_stream_settings(struct h2 *c)
{
	LIST_FOREACH_SAFE(it, tmp, &c->streams) {
		struct h2_stream *st = LIST_ENTRY(it, struct h2_stream, link);
		const struct msg *m = st->held;
		enum hg_err e;

		st->held = NULL;
		if (m == NULL || !st->open)
			continue;
		e = send_head(&st->stream, m, STREAM_UPGRADE);
		if (e != HG_OK)
			h2_stream_reset(st, e);
		if (c->dead)
			return;
	}
}

static void
broken(struct h2_stream *st)
{
	h2_submit_reset(st, H2_INTERNAL_ERROR);
	h2_queue_drop(&st->out, st->c->env->bufs);
	st->out_end = true;
}

static void
send_body(struct stream *stream, struct slice s)
{
	struct h2_stream *st = of(stream);
	uint32_t n = s.n;

	if (st->c->dead || st->gone || !st->open || !st->head_sent || st->out_end || st->no_body) {
		slice_drop(&s);
		return;
	}
	if (st->length && n > st->left) {
		slice_drop(&s);
		broken(st);
		return;
	}
	st->left -= st->length ? n : 0;
	if (!h2_queue_push(&st->out, st->c->env->bufs, s)) {
		broken(st);
		return;
	}
	st->over_high |= st->out.n > CHAN_HIGH;
	h2_resume(st);
}

/* Trailers as text: their fields are the owner's and may be gone before their turn comes. */
static void
keep_trailers(struct h2_stream *st, const struct fields *t)
{
	struct buf *b = buf_new(st->c->env->bufs, 1);

	for (uint32_t i = 0; b && i < t->n; i++) {
		const struct field *f = &t->v[i];

		if (f->flags & (FIELD_GONE | FIELD_HOP))
			continue;
		if (b->cap - b->len < f->name.n + f->value.n + 4) {
			struct buf *more = b->cap > BUF_SMALL ?
				  NULL :
				  buf_new(st->c->env->bufs, BUF_SMALL + 1);

			if (more == NULL)
				break; /* the bound on trailers is below this */
			memcpy(more->data, b->data, b->len);
			more->len = b->len;
			buf_unref(b);
			b = more;
		}
		memcpy(b->data + b->len, f->name.p, f->name.n);
		b->len += (uint32_t)f->name.n;
		memcpy(b->data + b->len, ": ", 2);
		memcpy(b->data + b->len + 2, f->value.n ? f->value.p : "", f->value.n);
		b->len += (uint32_t)f->value.n + 2;
		memcpy(b->data + b->len, "\r\n", 2);
		b->len += 2;
	}
	st->trailers = b;
}

size_t
h2_text_lines(struct bytes text, struct bytes lines[][2], size_t n, size_t cap)
{
	while (text.n && n < cap) {
		const char *colon = memchr(text.p, ':', text.n);
		const char *end = memchr(text.p, '\r', text.n);

		HG_CHECK(colon && end && colon < end);
		lines[n][0] = bytes_of(text.p, (size_t)(colon - text.p));
		lines[n++][1] = bytes_of(colon + 2, (size_t)(end - colon - 2));
		text = bytes_of(end + 2, text.n - (size_t)(end + 2 - text.p));
	}
	return n;
}

static void
send_end(struct stream *stream, const struct fields *trailers)
{
	struct h2_stream *st = of(stream);

	if (st->c->dead || st->gone || !st->open || !st->head_sent || st->out_end)
		return;
	if (st->length && st->left) {
		broken(st);
		return;
	}
	if (trailers && trailers->n)
		keep_trailers(st, trailers);
	st->out_end = true;
	h2_resume(st);
}

static uint64_t
backlog(const struct stream *stream)
{
	return of(stream)->out.n;
}

void
h2_stream_moved(struct h2_stream *st)
{
	st->moved = now(st);
	if (!st->over_high || st->out.n > CHAN_LOW)
		return;
	st->over_high = false;
	if (st->open && st->stream.ev->drained)
		st->stream.ev->drained(&st->stream);
}

static void
credit(struct stream *stream, uint64_t n)
{
	struct h2_stream *st = of(stream);

	if (!st->open || st->end_told)
		return;
	st->credit += n;
	if (st->expects_100 && !st->head_sent && !st->gone && !st->c->dead) {
		struct bytes line[1][2] = {{BYTES(":status"), BYTES("100")}};

		(void)h2_submit_info(st, LINES(line), 1);
	}
	st->expects_100 = false;
	if (st->in.n || st->in_end)
		later(st);
	else if (st->head_seen)
		wait_body(st, true);
}

static void
reset(struct stream *stream, enum hg_err e)
{
	struct h2_stream *st = of(stream);

	if (!st->open)
		return;
	h2_submit_reset(st, err_h2(e) ? err_h2(e) : H2_INTERNAL_ERROR);
	let_go(st);
}

static void
tunnel(struct stream *stream)
{
	struct h2_stream *st = of(stream);

	st->tunnel = true;
	st->end_told = false;
	st->credit = 0;
}

static void
detach(struct stream *stream)
{
	struct h2_stream *st = of(stream);

	bool server = st->c->role->server;

	if (!st->open)
		return;
	/* What a tunnel has still to say to a backend goes out before its stream is cut. */
	if (!st->head_sent || !st->out_end ||
	    (!server && !st->in_end && (!st->tunnel || st->said)))
		h2_submit_reset(st, server ? H2_INTERNAL_ERROR : H2_CANCEL);
	let_go(st);
}

const struct stream_ops h2_stream_ops = {
	.send_head = send_head,
	.send_body = send_body,
	.send_end = send_end,
	.backlog = backlog,
	.credit = credit,
	.reset = reset,
	.tunnel = tunnel,
	.detach = detach,
};
