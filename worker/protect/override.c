/*
 * override.c - responseOverride. Entries are tried in order and the first one counts. A new body is
 * made in the exchange's arena from a format whose words the build has checked; what it does not
 * know stays as it is. Content-Encoding, ETag and the like go with the old body, which they
 * described.
 */
#include "worker/protect/override.h"

#include "base/clock.h"
#include "worker/protect/protect.h"

#define BODY_MAX 65536

static bool
status_in(const struct image *im, struct im_range r, unsigned status)
{
	for (uint32_t i = 0; i < r.n; i++) {
		const struct im_statusrange *s = &im->statusranges[r.first + i];

		if (status >= s->first && status <= s->last)
			return true;
	}
	return r.n == 0;
}

static bool
value_fits(const struct image *im, const struct regex_set *regexes, const struct im_limitkey *k,
    struct bytes v)
{
	struct bytes want = image_text(im, k->value);

	switch ((enum im_limitmatch)k->match) {
	case IM_LM_EXACT:
		return bytes_eq(v, want);
	case IM_LM_PREFIX:
		return v.n >= want.n && bytes_eq(bytes_of(v.p, want.n), want);
	case IM_LM_SUFFIX:
		return v.n >= want.n && bytes_eq(bytes_of(v.p + v.n - want.n, want.n), want);
	case IM_LM_REGEX:
		return k->regex < regexes->n && regex_match(regexes->v[k->regex], v) == 1;
	case IM_LM_DISTINCT:
		break;
	}
	return false;
}

static bool
headers_fit(const struct image *im, const struct regex_set *regexes, struct im_range r,
    const struct fields *f)
{
	for (uint32_t i = 0; i < r.n; i++) {
		const struct im_limitkey *k = &im->limitkeys[r.first + i];
		const struct field *line = fields_find(f, image_text(im, k->name));
		bool yes = line && value_fits(im, regexes, k, line->value);

		if (yes == (k->invert != 0))
			return false;
	}
	return true;
}

const struct im_override *
override_find(const struct image *im, const struct regex_set *regexes, struct im_range r,
    const struct msg *m, bool own)
{
	for (uint32_t i = 0; i < r.n; i++) {
		const struct im_override *o = &im->overrides[r.first + i];

		if (o->source != IM_SOURCE_ALL && (o->source == IM_SOURCE_LOCAL) != own)
			continue;
		if (status_in(im, o->statuses, m->status) &&
		    headers_fit(im, regexes, o->headers, &m->fields))
			return o;
	}
	return NULL;
}

/* ---- text */

static struct bytes
argument(struct bytes word, const char *name)
{
	size_t n = strlen(name);

	if (word.n < n + 2 || memcmp(word.p, name, n) != 0 || word.p[n] != '(' ||
	    word.p[word.n - 1] != ')')
		return BYTES_NONE;
	return bytes_of(word.p + n + 1, word.n - n - 2);
}

static struct bytes
field_value(const struct fields *f, struct bytes name)
{
	const struct field *line = fields_find(f, name);

	return line ? line->value : BYTES("-");
}

static struct bytes
request_value(struct exchange *x, struct bytes name)
{
	if (bytes_eqi(name, BYTES(":METHOD")))
		return x->head.method;
	if (bytes_eqi(name, BYTES(":PATH")))
		return x->head.target;
	if (bytes_eqi(name, BYTES(":AUTHORITY")))
		return x->head.authority;
	return field_value(&x->head.fields, name);
}

static struct bytes
word_value(struct exchange *x, struct bytes word, const struct msg *m)
{
	struct bytes arg;
	char *text;

	if (word.n == 0)
		return BYTES("%");
	if (bytes_eq(word, BYTES("RESPONSE_CODE"))) {
		text = arena_printf(&x->arena, "%u", m->status);
		return text ? bytes_str(text) : BYTES("");
	}
	if (bytes_eq(word, BYTES("PROTOCOL")))
		return x->head.minor == 2 ? BYTES("HTTP/2") :
		    x->head.minor         ? BYTES("HTTP/1.1") :
					    BYTES("HTTP/1.0");
	if (bytes_eq(word, BYTES("START_TIME"))) {
		text = arena_alloc(&x->arena, 24);
		if (text == NULL)
			return BYTES("");
		clock_rfc3339((int64_t)(x->begun_real / SEC_NS), text);
		return bytes_of(text, 20);
	}
	if (bytes_eq(word, BYTES("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT")))
		return exchange_ip(x);
	arg = argument(word, "REQ");
	if (arg.p)
		return request_value(x, arg);
	arg = argument(word, "RESP");
	return arg.p ? field_value(&m->fields, arg) : BYTES("-");
}

struct bytes
override_text(struct exchange *x, struct bytes format, const struct msg *m)
{
	char *out = arena_alloc(&x->arena, BODY_MAX);
	size_t n = 0;

	if (out == NULL)
		return BYTES_NONE;
	for (size_t i = 0; i < format.n && n < BODY_MAX;) {
		const char *end =
		    format.p[i] == '%' ? memchr(format.p + i + 1, '%', format.n - i - 1) : NULL;
		struct bytes v = bytes_of(format.p + i, 1);

		if (end) {
			v = word_value(
			    x, bytes_of(format.p + i + 1, (size_t)(end - format.p) - i - 1), m);
			i = (size_t)(end - format.p);
		}
		i++;
		v.n = HG_MIN(v.n, BODY_MAX - n);
		memcpy(out + n, v.p, v.n);
		n += v.n;
	}
	return bytes_of(out, n);
}

/* ---- applying */

static void
drop_description(struct fields *f)
{
	static const enum field_id ids[] = {FIELD_CONTENT_TYPE, FIELD_CONTENT_ENCODING, FIELD_ETAG};

	for (unsigned i = 0; i < HG_ARRAY_LEN(ids); i++)
		fields_remove(f, field_name(ids[i]));
	fields_remove(f, BYTES("Content-Range"));
	fields_remove(f, BYTES("Last-Modified"));
}

static bool
redirected(struct exchange *x, const struct im_override *o, struct msg *m, struct bytes *body)
{
	const struct im_filter f = {.type = IM_F_REDIRECT, .arg = {o->redirect, 1}};
	struct filter_ctx c = x->fctx;
	const struct field *to;
	struct msg *answer = arena_alloc(&x->arena, sizeof(*answer));

	if (answer == NULL)
		return false;
	msg_init(answer, false);
	c.answer = answer;
	if (redirect_request(&c, &f) != FILTER_ANSWER)
		return false;
	to = fields_get(&answer->fields, FIELD_LOCATION);
	drop_description(&m->fields);
	if (to)
		(void)fields_set(&m->fields, field_name(FIELD_LOCATION), to->value);
	m->status = answer->status;
	*body = BYTES("");
	return true;
}

bool
override_apply(struct exchange *x, struct msg *m, bool own, struct bytes *body)
{
	const struct im_policy *p = protect_policy(x);
	const struct image *im;
	const struct im_override *o;
	struct bytes format, type;

	if (p == NULL || p->overrides.n == 0)
		return false;
	im = &x->gen->image;
	o = override_find(im, &x->gen->regexes, p->overrides, m, own);
	if (o == NULL || !filter_room(&x->arena, &m->fields, o->edits.n + 2))
		return false;
	if (o->redirect != IM_NONE)
		return redirected(x, o, m, body);
	format = image_text(im, o->body);
	if (format.p) {
		*body = override_text(x, format, m);
		drop_description(&m->fields);
	}
	if (o->status)
		m->status = o->status;
	type = image_text(im, o->content_type);
	if (type.n || format.p)
		(void)fields_set(&m->fields, field_name(FIELD_CONTENT_TYPE),
		    type.n ? arena_bytes(&x->arena, type) : BYTES("text/plain"));
	headers_now(&x->arena, im, o->edits, &m->fields);
	return format.p != NULL && body->p != NULL;
}
