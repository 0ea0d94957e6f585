/*
 * reply.c - answers. The one place where an error becomes bytes: status, a line of text for people,
 * and the fields that belong to it; and where a backend's head is made ours. Own answers pass the
 * rule's response filters like any other, so that a browser may read a 503 from across origins and
 * an operator's security headers are on every answer.
 */
#include "base/clock.h"
#include "worker/attempt.h"
#include "worker/call.h"
#include "worker/client.h"
#include "worker/exchange.h"
#include "worker/protect/compress.h"
#include "worker/protect/override.h"
#include "worker/protect/protect.h"
#include "worker/tunnel.h"

/* May anything change a backend's answer on its way? */
static bool
edits(const struct exchange *x)
{
	return x->backend_filters.n || x->rule_filters.n || x->fctx.cors.on || x->persist.on ||
	    x->policy != IM_NONE || x->client != IM_NONE || x->switched;
}

/* What goes out with every answer of a rule: its edits, CORS, the session. */
static void
backwards(struct exchange *x, const struct msg *resp, struct msg *m)
{
	if (x->shaped) {
		if (x->gen) {
			filter_responses(&x->fctx, x->backend_filters, m);
			filter_responses(&x->fctx, x->rule_filters, m);
		} else {
			(void)headers_apply(&x->arena, &m->fields, x->kept, x->nkept);
		}
	}
	cors_response(&x->fctx, m);
	if (x->policy != IM_NONE)
		protect_reply(x, resp, m);
	if (x->client != IM_NONE)
		client_late(x, m);
}

static void
own_fields(struct exchange *x, struct msg *m, struct bytes text)
{
	struct fields *f = &m->fields;
	struct bytes server = x->w->server;

	if (text.n)
		(void)fields_set(
		    f, field_name(FIELD_CONTENT_TYPE), BYTES("text/plain; charset=utf-8"));
	if (server.n)
		(void)fields_set(f, field_name(FIELD_SERVER), server);
	(void)fields_set(f, field_name(FIELD_DATE), worker_date(x->w));
	if (x->err == HG_ERR_OLD_VERSION)
		(void)fields_set(f, field_name(FIELD_UPGRADE), BYTES("HTTP/1.1"));
	if (x->err == HG_ERR_CIRCUIT_OPEN)
		(void)fields_set(f, BYTES("x-envoy-overloaded"), BYTES("true"));
	if (m->status == 503 || m->status == 429)
		(void)fields_set(f, field_name(FIELD_RETRY_AFTER), BYTES("1"));
}

static void
own_body(struct exchange *x, struct bytes text)
{
	/* Not in the arena, which may be gone before the bytes are. */
	struct buf *b = buf_new(&x->w->bufs, (uint32_t)text.n);

	if (b == NULL) {
		x->down->ops->reset(x->down, HG_ERR_NOMEM);
		x->down = NULL;
		return;
	}
	memcpy(b->data, text.p, text.n);
	b->len = (uint32_t)text.n;
	x->resp_bytes += text.n;
	x->down->ops->send_body(x->down, (struct slice){b, b->data, b->len});
	x->down->ops->send_end(x->down, NULL);
}

static void
own_id(struct exchange *x)
{
	x->fenv.arena = &x->arena;
	x->fenv.random[0] = worker_random(x->w);
	x->fenv.random[1] = worker_random(x->w);
	(void)forward_id(&x->fenv, &x->head);
}

void
reply_own(struct exchange *x)
{
	struct msg *m = &x->answer;
	struct bytes text = x->own_text;
	unsigned flags = 0;
	bool body, call;

	if (x->err != HG_OK) {
		char *line;

		msg_init(m, false);
		m->status = (uint16_t)err_http(x->err);
		line = arena_printf(&x->arena, "%u %s\n", m->status, err_text(x->err));
		if (line)
			text = bytes_str(line);
	}
	/* For the log: the request may have gone nowhere. */
	if (x->head_seen && x->fenv.request_id.p == NULL)
		own_id(x);
	m->head = x->head_seen && bytes_eq(x->head.method, BYTES("HEAD"));
	call = x->grpc && call_answer(x, m, &text);
	own_fields(x, m, text);
	backwards(x, NULL, m);
	if (x->policy != IM_NONE && !call)
		(void)override_apply(x, m, true, &text);
	m->framing = m->status == 204 || m->status == 304 ? MSG_NONE : MSG_LENGTH;
	m->length = text.n;
	body = text.n && !m->head && m->framing == MSG_LENGTH;
	if (!body)
		flags |= STREAM_END;
	if (x->close || x->w->draining)
		flags |= STREAM_CLOSE;
	METRIC(x->w, responses_own, 1);
	x->head_sent = x->resp_ended = true;
	if (x->down == NULL)
		return;
	if (x->down->ops->send_head(x->down, m, flags) != HG_OK) {
		x->down->ops->reset(x->down, HG_ERR_NOMEM);
		x->down = NULL;
		return;
	}
	if (!body)
		return;
	own_body(x, text);
}

enum hg_err
reply_backend(struct exchange *x, const struct msg *resp, bool end)
{
	struct msg *m = &x->answer;
	unsigned out = end ? STREAM_END : 0;
	struct bytes text = BYTES_NONE;
	enum hg_err e;

	if (edits(x)) {
		x->fenv.date = worker_date(x->w);
		x->fenv.via = x->w->via[resp->minor == 2];
		e = forward_response(&x->fenv, resp, m);
		if (e != HG_OK)
			return e;
		backwards(x, resp, m);
		persist_write(&x->persist, &x->arena, &x->w->seed,
		    (int64_t)(clock_real() / SEC_NS), pick_tag(&x->target), m);
		if (x->lb.set_cookie.n && filter_room(&x->arena, &m->fields, 1))
			(void)fields_add(&m->fields, field_name(FIELD_SET_COOKIE),
			    x->lb.set_cookie, FIELD_SET_COOKIE);
	} else {
		forward_response_lean(x->w->via_line[resp->minor == 2], resp, m);
	}
	if (x->switched) {
		out = STREAM_UPGRADE;
		if (tunnel_reply(x, m) != HG_OK)
			return HG_ERR_NOMEM;
	} else if (x->policy != IM_NONE && override_apply(x, m, false, &text)) {
		m->framing = MSG_LENGTH;
		m->length = text.n;
		out = text.n && !m->head ? 0 : STREAM_END;
	} else if (x->policy != IM_NONE && !end) {
		(void)compress_begin(x, m);
	}
	if (x->close || x->w->draining)
		out |= STREAM_CLOSE;
	e = x->down->ops->send_head(x->down, m, out);
	if (e != HG_OK)
		return e;
	x->head_sent = true;
	if (x->switched)
		return tunnel_begin(x) ? HG_OK : HG_ERR_NOMEM;
	if (out & STREAM_END)
		x->resp_ended = true;
	if (text.p && !x->resp_ended) {
		/* The backend's own body is not wanted: its attempt is cut at the end. */
		x->resp_ended = true;
		own_body(x, text);
	}
	return HG_OK;
}
