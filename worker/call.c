/*
 * call.c - gRPC calls. A client of gRPC reads statuses, not HTTP errors: whatever headgate answers
 * itself is HTTP 200 with grpc-status in its only head, by the table of base/err.h, and an answer
 * that breaks off ends with trailers while nothing promised more bytes. Two things stay HTTP: 421,
 * which tells a client to come again on another connection, and answers that are no errors. A
 * deadline is the client's wish and the route's bound at once, so the earlier of both counts, and a
 * backend is told what is left of it. Not taken from anybody: guessing a deadline where none came.
 */
#include "worker/call.h"

#include "base/clock.h"
#include "http/grpc.h"

#define MESSAGE_MAX 256
#define LINE "grpc-timeout: "

static void
remember(struct exchange *x, unsigned status)
{
	x->grpc_said = (uint8_t)(HG_MIN(status, 254u) + 1);
}

/* ---- the deadline */

void
call_begin(struct exchange *x)
{
	const struct field *f = fields_get(&x->head.fields, FIELD_GRPC_TIMEOUT);
	uint64_t ns;

	if (f == NULL || fields_next(&x->head.fields, f) || !grpc_timeout_parse(f->value, &ns))
		return;
	x->grpc_timeout = true;
	x->timeout_set = true;
	exchange_due(x, x->begun + HG_MIN(ns, UINT64_MAX - x->begun), false);
}

bool
call_forward(struct exchange *x)
{
	uint64_t now = loop_now(x->w->loop);
	char text[GRPC_TIMEOUT_TEXT], *p;
	struct msg *m = &x->work;
	struct bytes value;
	struct field *f;

	if (!x->grpc_timeout || x->deadline == 0)
		return true;
	value = grpc_timeout_write(x->deadline > now ? x->deadline - now : 1, text);
	if (m->base == NULL) {
		/* What a filter removed stays away. */
		f = fields_get(&m->fields, FIELD_GRPC_TIMEOUT);
		if (f)
			f->value = arena_bytes(&x->arena, value);
		return f == NULL || f->value.p != NULL;
	}
	if (x->grpc_extra == 0) { /* later ones are written over the first: adapters copy */
		p = arena_alloc(&x->arena, m->extra.n + sizeof(LINE) + sizeof(text) + 2);
		if (p == NULL)
			return false;
		memcpy(p, m->extra.p, m->extra.n);
		x->grpc_extra = (uint32_t)m->extra.n;
		x->grpc_room = p;
	}
	p = x->grpc_room + x->grpc_extra;
	memcpy(p, LINE, sizeof(LINE) - 1);
	p += sizeof(LINE) - 1;
	memcpy(p, value.p, value.n);
	p += value.n;
	memcpy(p, "\r\n", 2);
	m->extra = bytes_of(x->grpc_room, (size_t)(p + 2 - x->grpc_room));
	forward_drop(m, FIELD_GRPC_TIMEOUT);
	return true;
}

/* ---- answers */

static const char *
number(struct exchange *x, unsigned status)
{
	char *p = arena_printf(&x->arena, "%u", status);

	return p ? p : "2";
}

static struct bytes
message(struct exchange *x, struct bytes text)
{
	char *p = arena_alloc(&x->arena, MESSAGE_MAX);

	return p ? bytes_of(p, grpc_message(bytes_trim(text), p, MESSAGE_MAX)) : BYTES_NONE;
}

static void
put(struct exchange *x, struct fields *f, unsigned status, struct bytes text)
{
	struct bytes words = message(x, text);

	remember(x, status);
	(void)fields_set(f, field_name(FIELD_GRPC_STATUS), bytes_str(number(x, status)));
	if (words.n)
		(void)fields_set(f, field_name(FIELD_GRPC_MESSAGE), words);
}

bool
call_answer(struct exchange *x, struct msg *m, struct bytes *text)
{
	unsigned status = x->err != HG_OK ? err_grpc(x->err) : grpc_of_http(m->status);

	if (x->own_grpc)
		status = x->own_grpc - 1u;
	else if (m->status < 400 || x->err == HG_ERR_MISDIRECTED)
		return false;
	m->status = 200;
	(void)fields_set(
	    &m->fields, field_name(FIELD_CONTENT_TYPE), BYTES("application/grpc"));
	put(x, &m->fields, status, x->err != HG_OK ? bytes_str(err_text(x->err)) : *text);
	*text = BYTES_NONE;
	return true;
}

bool
call_break(struct exchange *x, enum hg_err e)
{
	struct field store[2];
	struct fields f;

	if (x->down == NULL || !x->head_sent || x->resp_ended || err_http(e) == 0 ||
	    x->answer.status != 200 || x->answer.framing == MSG_LENGTH || x->head.minor != 2)
		return false;
	fields_init(&f, store, 2);
	put(x, &f, err_grpc(e), bytes_str(err_text(e)));
	x->down->ops->send_end(x->down, &f);
	return true;
}

unsigned
call_note(struct exchange *x, unsigned http, const struct fields *f, bool last)
{
	int status = grpc_status_of(f);

	if (status >= 0) {
		remember(x, (unsigned)status);
		return http == 200 ? grpc_to_http((unsigned)status) : http;
	}
	return http == 200 && !last ? 0 : http;
}
