/*
 * h2.c - the session glue: all that knows nghttp2. Input is fed in whole frame headers (a header
 * that is cut stays in the chan), because 1.52 counts calls, not frames, against CONTINUATION
 * floods. Output is pulled once a turn: frames are gathered in pool buffers, payload goes out as
 * references behind its frame header, and nothing more is pulled while the kernel has enough.
 * Nothing is read then either, so what the peer makes us say is bounded by what it reads.
 *
 * nghttp2 1.52 drops invalid fields silently, does not bound field sections and counts neither
 * resets that it is provoked to send nor cheap frames: the callbacks here do (RFC 9113 section
 * 10.5). Once the session is to end nothing is fed any more.
 */
#include <nghttp2/nghttp2.h>

#include "base/check.h"
#include "base/clock.h"
#include "http/h2_core.h"
#include "http/h2_mem.h"

#define SMALL_PIECE 1024 /* payload up to this is copied into the frames */
#define FRAME_HEAD 9u
#define SOON_MS 1000 /* the roles' timers look after an end */

const struct h2_limits h2_defaults = {.streams = 100,
    .window = 65536,
    .conn_window = 1 << 20,
    .table = 4096,
    .continuations = 8,
    .glitches = 100,
    .glitch_rate = 10};

static inline nghttp2_session *
session(const struct h2 *c)
{
	return c->session;
}

/* ---- output */

void
h2_kick(struct h2 *c)
{
	if (!c->dead)
		loop_defer(c->chan.loop, &c->write);
}

static void
write_task(struct task *t)
{
	struct h2 *c = HG_CONTAINER(t, struct h2, write);
	ssize_t n = 0;

	if (c->dead || c->ending)
		return;
	while (!c->chan.over_high) {
		const uint8_t *p;

		n = nghttp2_session_mem_send(session(c), &p);
		if (n <= 0)
			break;
		if (!h2_gather(c, p, (uint32_t)n)) {
			n = NGHTTP2_ERR_NOMEM;
			break;
		}
	}
	h2_gather_end(c);
	if (n < 0) {
		h2_die(c, HG_ERR_NOMEM);
		return;
	}
	if (!nghttp2_session_want_read(session(c)) &&
	    !nghttp2_session_want_write(session(c)))
		h2_finish(c);
}

static ssize_t
read_source(nghttp2_session *s, int32_t id, uint8_t *buf, size_t cap, uint32_t *flags,
    nghttp2_data_source *source, void *arg)
{
	struct h2_stream *st = source->ptr;
	size_t n = HG_MIN((size_t)st->out.n, cap);

	(void)s, (void)id, (void)buf, (void)arg;
	if (n == 0 && !st->out_end) {
		st->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (n == st->out.n && st->out_end) {
		struct bytes lines[MSG_TRAILERS][2];
		size_t k = st->trailers ? h2_text_lines(bytes_of(st->trailers->data,
						      st->trailers->len),
						      lines, 0, MSG_TRAILERS) :
					  0;

		*flags |= NGHTTP2_DATA_FLAG_EOF;
		st->sent_end = true;
		if (k && h2_submit_trailers(st, (const struct bytes(*)[2])lines, k))
			*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
	}
	return (ssize_t)n;
}

static int
send_source(nghttp2_session *s, nghttp2_frame *frame, const uint8_t *head, size_t n,
    nghttp2_data_source *source, void *arg)
{
	struct h2_stream *st = source->ptr;
	struct h2 *c = arg;
	size_t left = n;

	(void)s, (void)frame;
	if (!h2_gather(c, head, FRAME_HEAD))
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	while (left) {
		struct slice piece = h2_queue_take(&st->out, c->env->bufs, (uint32_t)left);

		HG_CHECK(piece.n > 0);
		left -= piece.n;
		if (piece.n <= SMALL_PIECE) {
			bool ok = h2_gather(c, piece.p, piece.n);

			slice_drop(&piece);
			if (!ok)
				return NGHTTP2_ERR_CALLBACK_FAILURE;
		} else {
			h2_gather_over(c);
			chan_send(&c->chan, piece);
		}
	}
	h2_stream_moved(st);
	return 0;
}

/* ---- what the roles and the streams ask for */

static void
to_nv(nghttp2_nv *nv, const struct bytes lines[][2], size_t n)
{
	for (size_t i = 0; i < n; i++) {
		nv[i].name = (uint8_t *)(uintptr_t)lines[i][0].p;
		nv[i].namelen = lines[i][0].n;
		nv[i].value = (uint8_t *)(uintptr_t)lines[i][1].p;
		nv[i].valuelen = lines[i][1].n;
		nv[i].flags =
		    h2_head_once(lines[i][0]) ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE;
	}
}

bool
h2_submit_head(struct h2_stream *st, const struct bytes lines[][2], size_t n, bool body)
{
	struct h2 *c = st->c;
	nghttp2_data_provider data = {.source.ptr = st, .read_callback = read_source};
	nghttp2_nv nv[H2_LINES];
	int32_t r;

	to_nv(nv, lines, n);
	if (c->role->server)
		r = nghttp2_submit_response(session(c), st->id, nv, n, body ? &data : NULL);
	else
		r = nghttp2_submit_request(session(c), NULL, nv, n, body ? &data : NULL, st);
	if (r < 0)
		return false;
	if (!c->role->server)
		st->id = r;
	st->moved = loop_now(c->chan.loop);
	h2_kick(c);
	return true;
}

bool
h2_submit_info(struct h2_stream *st, const struct bytes lines[][2], size_t n)
{
	nghttp2_nv nv[H2_LINES];

	to_nv(nv, lines, n);
	h2_kick(st->c);
	return nghttp2_submit_headers(
		   session(st->c), NGHTTP2_FLAG_NONE, st->id, NULL, nv, n, NULL) == 0;
}

bool
h2_submit_trailers(struct h2_stream *st, const struct bytes lines[][2], size_t n)
{
	nghttp2_nv nv[H2_LINES];

	to_nv(nv, lines, n);
	return nghttp2_submit_trailer(session(st->c), st->id, nv, n) == 0;
}

void
h2_submit_reset(struct h2_stream *st, uint32_t code)
{
	if (st->c->dead || st->gone || st->id == 0)
		return;
	(void)nghttp2_submit_rst_stream(session(st->c), NGHTTP2_FLAG_NONE, st->id, code);
	h2_kick(st->c);
}

void
h2_resume(struct h2_stream *st)
{
	if (!st->deferred || st->c->dead)
		return;
	st->deferred = false;
	st->moved = loop_now(st->c->chan.loop);
	(void)nghttp2_session_resume_data(session(st->c), st->id);
	h2_kick(st->c);
}

void
h2_consume(struct h2_stream *st, uint32_t n)
{
	if (st->gone || st->c->dead)
		return;
	(void)nghttp2_session_consume_stream(session(st->c), st->id, n);
	h2_kick(st->c);
}

void
h2_notice(struct h2 *c)
{
	(void)nghttp2_submit_shutdown_notice(session(c));
	h2_kick(c);
}

void
h2_goaway(struct h2 *c)
{
	c->goaway_sent = true;
	(void)nghttp2_submit_goaway(session(c), NGHTTP2_FLAG_NONE,
	    nghttp2_session_get_last_proc_stream_id(session(c)), NGHTTP2_NO_ERROR, NULL, 0);
	h2_kick(c);
}

void
h2_end(struct h2 *c, uint32_t code)
{
	if (c->dead || c->ending)
		return;
	c->short_of = true; /* nothing is fed any more */
	c->quiet_since = loop_now(c->chan.loop);
	timer_in(c->chan.loop, &c->timer, SOON_MS);
	(void)nghttp2_session_terminate_session(session(c), code);
	h2_kick(c);
}

uint32_t
h2_peer_streams(const struct h2 *c)
{
	return nghttp2_session_get_remote_settings(
	    session(c), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool
h2_peer_connects(const struct h2 *c)
{
	return nghttp2_session_get_remote_settings(
		   session(c), NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

/* ---- input */

/*
 * DATA or HEADERS of a stream that both sides have ended, or the peer has reset, or that was passed
 * over (RFC 9113 sections 5.1 and 5.1.1): nghttp2 overlooks them. What we have reset may still have
 * frames on their way; which streams those are is not kept, all below the last one may be.
 */
static bool
is_over(struct h2 *c, uint8_t type, int32_t id)
{
	int32_t last = nghttp2_session_get_last_proc_stream_id(session(c));

	if (!c->role->server || (type != NGHTTP2_DATA && type != NGHTTP2_HEADERS) ||
	    id % 2 == 0 || id > last || nghttp2_session_find_stream(session(c), id))
		return false;
	if (id <= c->last_reset) {
		h2_glitch(c, 1);
		return false;
	}
	c->verdict = type == NGHTTP2_HEADERS && c->opened < (uint32_t)last / 2 + 1 ?
	    H2_PROTOCOL_ERROR :
	    H2_STREAM_CLOSED;
	return true;
}

/* How many of the n bytes may be fed without cutting a frame's header. What a reset means for the
 * frames behind it shows once it was fed, and so does what a new stream means for lower ones. */
static uint32_t
whole_headers(struct h2 *c, const char *p, uint32_t n)
{
	uint32_t off = HG_MIN(n, c->payload_left);
	int32_t top = 0; /* highest stream that began here */
	uint8_t type = 0;

	c->payload_left -= off;
	while (n - off >= FRAME_HEAD && type != NGHTTP2_RST_STREAM) {
		const unsigned char *h = (const unsigned char *)p + off;
		uint32_t len = (uint32_t)h[0] << 16 | (uint32_t)h[1] << 8 | h[2], k;
		int32_t id = (h[5] & 127) << 24 | h[6] << 16 | h[7] << 8 | h[8];

		if (h[3] <= NGHTTP2_HEADERS && id < top)
			break;
		type = h[3];
		if (type > NGHTTP2_CONTINUATION) /* unknown: nghttp2 says nothing of these */
			h2_glitch(c, 1);
		if (is_over(c, type, id))
			break;
		if (type == NGHTTP2_HEADERS)
			top = id;
		off += FRAME_HEAD;
		k = HG_MIN(len, n - off);
		off += k;
		c->payload_left = len - k;
	}
	return off;
}

/* false: the connection ends, or is gone. */
static bool
feed(struct h2 *c, struct buf *b, uint32_t off, uint32_t n)
{
	ssize_t r;

	c->feeding = b;
	r = nghttp2_session_mem_recv(session(c), (const uint8_t *)b->data + off, n);
	c->feeding = NULL;
	if (c->dead)
		return false;
	if (r >= 0)
		return !c->short_of;
	if (!c->calm && r == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
		h2_end(c, H2_PROTOCOL_ERROR);
	} else if (!c->calm && r == NGHTTP2_ERR_NOMEM) {
		h2_end(c, H2_INTERNAL_ERROR);
	} else { /* a bound of nghttp2's */
		h2_enough(c);
		h2_end(c, H2_CALM);
	}
	return false;
}

uint32_t
h2_data(struct chan *ch, struct buf *b, uint32_t off, uint32_t n)
{
	struct h2 *c = HG_CONTAINER(ch, struct h2, chan);
	uint32_t used = 0, k;

	if (c->ending || c->short_of)
		return n; /* read and dropped */
	if (ch->over_high) {
		chan_pause(ch);
		return 0;
	}
	while ((k = whole_headers(c, b->data + off + used, n - used)) > 0) {
		if (!feed(c, b, off + used, k))
			return c->dead ? 0 : n;
		used += k;
	}
	if (c->calm || c->verdict)
		h2_end(c, c->calm ? H2_CALM : c->verdict);
	h2_kick(c);
	return used;
}

static struct h2_stream *
stream_of(nghttp2_session *s, int32_t id)
{
	return nghttp2_session_get_stream_user_data(s, id);
}

static int
refuse_stream(nghttp2_session *s, int32_t id, uint32_t code)
{
	(void)nghttp2_submit_rst_stream(s, NGHTTP2_FLAG_NONE, id, code);
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int
on_begin_frame(nghttp2_session *s, const nghttp2_frame_hd *hd, void *arg)
{
	struct h2 *c = arg;

	if (c->dead || c->calm)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	switch (hd->type) {
	case NGHTTP2_DATA:
		if (hd->length == 0 && !(hd->flags & NGHTTP2_FLAG_END_STREAM))
			h2_glitch(c, 1);
		break;
	case NGHTTP2_SETTINGS:
		if (!(hd->flags & NGHTTP2_FLAG_ACK))
			h2_glitch(c, 1);
		break;
	case NGHTTP2_HEADERS:
		c->block_since = hd->flags & NGHTTP2_FLAG_END_HEADERS ? 0 : loop_now(c->chan.loop);
		break;
	case NGHTTP2_CONTINUATION:
		if (hd->flags & NGHTTP2_FLAG_END_HEADERS)
			c->block_since = 0;
		break;
	case NGHTTP2_WINDOW_UPDATE:
	case NGHTTP2_GOAWAY:
		break;
	case NGHTTP2_PING:
		h2_nudge(c);
		break;
	case NGHTTP2_RST_STREAM:
		if (h2_rapid(c, stream_of(s, hd->stream_id)))
			h2_glitch(c, 1);
		break;
	default: /* PRIORITY, unknown ones */
		h2_glitch(c, 1);
		break;
	}
	return c->calm ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int
on_begin_headers(nghttp2_session *s, const nghttp2_frame *f, void *arg)
{
	struct h2 *c = arg;
	struct h2_stream *st = stream_of(s, f->hd.stream_id);

	if (c->dead || c->calm)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	if (c->role->server && f->headers.cat == NGHTTP2_HCAT_REQUEST) {
		st = h2_stream_new(c, f->hd.stream_id);
		if (st == NULL || !c->role->begin(st)) {
			if (st)
				h2_stream_free(st);
			return refuse_stream(s, f->hd.stream_id, NGHTTP2_REFUSED_STREAM);
		}
		(void)nghttp2_session_set_stream_user_data(s, f->hd.stream_id, st);
	}
	if (st && !h2_head_start(st))
		return refuse_stream(s, f->hd.stream_id, NGHTTP2_REFUSED_STREAM);
	return 0;
}

static int
on_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t nname,
    const uint8_t *value, size_t nvalue, uint8_t flags, void *arg)
{
	struct h2_stream *st = stream_of(s, f->hd.stream_id);
	struct h2 *c = arg;

	(void)flags;
	if (c->dead)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	if (st == NULL || !st->collecting)
		return 0;
	if (h2_head_field(st, bytes_of((const char *)name, nname),
		bytes_of((const char *)value, nvalue)) == 0)
		return 0;
	st->collecting = false;
	if (st->too_large)
		h2_glitch(c, 10); /* a bomb, not a long cookie */
	return refuse_stream(s, f->hd.stream_id,
	    st->too_large ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
}

static int
on_invalid_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t nname,
    const uint8_t *value, size_t nvalue, uint8_t flags, void *arg)
{
	(void)s, (void)f, (void)name, (void)nname, (void)value, (void)nvalue, (void)flags,
	    (void)arg;
	return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static void
headers_done(struct h2_stream *st, bool end)
{
	if (st == NULL || !st->collecting)
		return;
	st->collecting = false;
	if (st->trailing) {
		enum hg_err e = h2_head_trailers(st);

		/* A tunnel has only DATA (RFC 9113 section 8.5). */
		if (e != HG_OK || st->tunnel || (st->open && st->msg->upgrade))
			h2_submit_reset(st, H2_PROTOCOL_ERROR);
		else if (end)
			h2_stream_end(st);
		return;
	}
	st->c->role->head(st, end);
}

static int
on_frame(nghttp2_session *s, const nghttp2_frame *f, void *arg)
{
	struct h2 *c = arg;
	bool end = f->hd.flags & NGHTTP2_FLAG_END_STREAM;
	struct h2_stream *st = f->hd.stream_id ? stream_of(s, f->hd.stream_id) : NULL;

	if (c->dead)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	switch (f->hd.type) {
	case NGHTTP2_HEADERS:
		headers_done(st, end);
		break;
	case NGHTTP2_DATA:
		if (end && st)
			h2_stream_end(st);
		break;
	case NGHTTP2_WINDOW_UPDATE:
		if (f->window_update.window_size_increment < 1024)
			h2_nudge(c);
		break;
	case NGHTTP2_SETTINGS:
		if (f->hd.flags & NGHTTP2_FLAG_ACK || c->settings_got)
			break;
		c->settings_got = true;
		h2_stream_settings(c);
		break;
	case NGHTTP2_GOAWAY:
		c->goaway_got = true;
		if (c->role->quiet)
			c->role->quiet(c);
		break;
	}
	return c->dead ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int
on_invalid_frame(nghttp2_session *s, const nghttp2_frame *f, int code, void *arg)
{
	(void)s, (void)f, (void)code;
	h2_glitch(arg, 1);
	return 0;
}

static int
on_sent(nghttp2_session *s, const nghttp2_frame *f, void *arg)
{
	struct h2 *c = arg;
	struct h2_stream *st;

	if (f->hd.type == NGHTTP2_HEADERS && !c->role->server &&
	    (st = stream_of(s, f->hd.stream_id)))
		st->begun = true;
	if ((f->hd.type == NGHTTP2_HEADERS || f->hd.type == NGHTTP2_DATA) &&
	    (f->hd.flags & NGHTTP2_FLAG_END_STREAM) && (st = stream_of(s, f->hd.stream_id))) {
		st->said = true;
		if (!st->in_end && !st->open && c->role->server)
			h2_submit_reset(st, H2_NO_ERROR); /* early answer: no more of the request */
		else if (!st->in_end && !st->open)
			h2_submit_reset(st, H2_CANCEL); /* a tunnel's last bytes are out */
	}
	if (f->hd.type == NGHTTP2_DATA && f->hd.length)
		h2_nudges(c, 3);
	if (f->hd.type == NGHTTP2_GOAWAY && f->goaway.error_code != H2_NO_ERROR && !c->calm &&
	    c->role->fault)
		c->role->fault(c);
	if (f->hd.type != NGHTTP2_RST_STREAM)
		return 0;
	c->last_reset = HG_MAX(c->last_reset, f->hd.stream_id);
	switch (f->rst_stream.error_code) {
	case NGHTTP2_NO_ERROR:
	case NGHTTP2_INTERNAL_ERROR:
	case NGHTTP2_CANCEL:
		break; /* our side's doing */
	default:
		h2_glitch(c, 1);
		if (c->calm)
			h2_end(c, NGHTTP2_ENHANCE_YOUR_CALM);
	}
	return 0;
}

static int
on_data(
    nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *arg)
{
	struct h2 *c = arg;
	struct h2_stream *st = stream_of(s, id);

	(void)flags;
	if (c->dead)
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	(void)nghttp2_session_consume_connection(s, n);
	if (st)
		h2_stream_data(st, (const char *)p, (uint32_t)n);
	else
		(void)nghttp2_session_consume_stream(s, id, n);
	return c->dead ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int
on_close(nghttp2_session *s, int32_t id, uint32_t code, void *arg)
{
	struct h2_stream *st = stream_of(s, id);

	(void)arg;
	if (st == NULL)
		return 0;
	(void)nghttp2_session_set_stream_user_data(s, id, NULL);
	h2_stream_closed(st, code);
	return 0;
}

/* ---- life */

static nghttp2_session_callbacks *
callbacks(void)
{
	nghttp2_session_callbacks *cb;

	if (nghttp2_session_callbacks_new(&cb) != 0)
		return NULL;
	nghttp2_session_callbacks_set_on_begin_frame_callback(cb, on_begin_frame);
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_invalid_header_callback(cb, on_invalid_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(cb, on_invalid_frame);
	nghttp2_session_callbacks_set_on_frame_send_callback(cb, on_sent);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	nghttp2_session_callbacks_set_send_data_callback(cb, send_source);
	return cb;
}

static nghttp2_mem memory = {
    NULL, h2_mem_get, h2_mem_put, h2_mem_get_zero, h2_mem_resize};

static nghttp2_option *
options(const struct h2_limits *l)
{
	nghttp2_option *o;

	if (nghttp2_option_new(&o) != 0)
		return NULL;
	nghttp2_option_set_no_auto_window_update(o, 1);
	nghttp2_option_set_no_closed_streams(o, 1);
	nghttp2_option_set_max_outbound_ack(o, 1000);
	nghttp2_option_set_max_continuations(o, l->continuations);
	nghttp2_option_set_max_deflate_dynamic_table_size(o, l->table);
	nghttp2_option_set_peer_max_concurrent_streams(o, 100);
	return o;
}

static bool
say_settings(struct h2 *c)
{
	const struct h2_limits *l = c->env->h2;
	nghttp2_settings_entry in[] = {
	    {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, l->streams},
	    {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, l->window},
	    {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, c->env->limits->header},
	    {NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, l->table},
	    {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
	};

	if (c->role->server)
		in[HG_ARRAY_LEN(in) - 1] = (nghttp2_settings_entry){
		    NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
	return nghttp2_submit_settings(
		   session(c), NGHTTP2_FLAG_NONE, in, HG_ARRAY_LEN(in)) == 0 &&
	    nghttp2_session_set_local_window_size(
		session(c), NGHTTP2_FLAG_NONE, 0, (int32_t)l->conn_window) == 0;
}

static void
closed_task(struct task *t)
{
	struct h2 *c = HG_CONTAINER(t, struct h2, over);

	task_cancel(&c->more);
	nghttp2_session_del(session(c));
	c->session = NULL;
	LIST_FOREACH_SAFE(it, tmp, &c->streams)
		h2_stream_free(LIST_ENTRY(it, struct h2_stream, link));
	c->role->closed(c);
}

static void
more_task(struct task *t)
{
	struct h2 *c = HG_CONTAINER(t, struct h2, more);

	LIST_FOREACH_SAFE(it, tmp, &c->streams) {
		struct h2_stream *st = LIST_ENTRY(it, struct h2_stream, link);

		if (st->pending)
			h2_stream_deliver(st);
		if (st->gone && !st->open)
			h2_stream_free(st);
	}
}

bool
h2_init(struct h2 *c, const struct h2_env *env, const struct h2_role *role)
{
	nghttp2_session_callbacks *cb = callbacks();
	nghttp2_option *o = options(env->h2);
	nghttp2_session *s = NULL;
	int r = NGHTTP2_ERR_NOMEM;

	memset((char *)c + sizeof(c->chan), 0, sizeof(*c) - sizeof(c->chan));
	c->env = env;
	c->role = role;
	list_init(&c->streams);
	task_init(&c->write, write_task);
	task_init(&c->more, more_task);
	task_init(&c->over, closed_task);
	if (cb && o)
		r = role->server ? nghttp2_session_server_new3(&s, cb, c, o, &memory) :
				   nghttp2_session_client_new3(&s, cb, c, o, &memory);
	nghttp2_session_callbacks_del(cb);
	nghttp2_option_del(o);
	if (r != 0)
		return false;
	c->session = s;
	c->glitch_left = (float)env->h2->glitches;
	c->glitch_at = c->quiet_since = loop_now(env->loop);
	c->payload_left = role->server ? H2_PREFACE_LEN : 0;
	if (!say_settings(c)) {
		nghttp2_session_del(s);
		return false;
	}
	h2_kick(c);
	return true;
}

/* Owners hear of it, but for answers that are whole and only wait for credit. */
static void
cut_streams(struct h2 *c, enum hg_err e)
{
	LIST_FOREACH_SAFE(it, tmp, &c->streams) {
		struct h2_stream *st = LIST_ENTRY(it, struct h2_stream, link);

		if (c->role->server || !st->in_end || !st->head_seen)
			h2_stream_reset(st, e);
	}
}

void
h2_finish(struct h2 *c)
{
	if (c->dead || c->ending)
		return;
	c->ending = true;
	c->quiet_since = loop_now(c->chan.loop);
	timer_in(c->chan.loop, &c->timer, SOON_MS);
	cut_streams(c, c->role->reset);
	if (!c->dead)
		chan_linger(&c->chan);
}

void
h2_die(struct h2 *c, enum hg_err e)
{
	if (c->dead)
		return;
	c->dead = true;
	chan_close(&c->chan);
	timer_stop(&c->timer);
	task_cancel(&c->write);
	task_cancel(&c->more);
	if (c->gather)
		buf_unref(c->gather);
	if (c->head)
		buf_unref(c->head);
	c->gather = c->head = NULL;
	if (e == HG_OK) {
		LIST_FOREACH(it, &c->streams)
			LIST_ENTRY(it, struct h2_stream, link)->open = false;
		c->nopen = 0;
	} else {
		cut_streams(c, e);
	}
	/* Not from here: a callback of the session may be on the stack. */
	if (c->nopen == 0)
		loop_defer(c->chan.loop, &c->over);
}
