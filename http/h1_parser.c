/*
 * h1_parser.c - http-parser as the second opinion on heads that the guard has accepted. Debian's
 * build is non-strict and reads things that are no HTTP (reference/reliability.md section 6), so it
 * never decides; but whatever the guard accepts it must read the same way. The list of its known
 * mistakes about valid heads is below: a blank behind a framing value, methods it has never heard
 * of, targets that its URL machine does not take, names that begin like Transfer-Encoding. No
 * callbacks are set: the state that it stops in tells all that is compared.
 */
#include <http_parser.h>

#include "base/check.h"
#include "http/h1_guard.h"

static const http_parser_settings none;

/* It knows 34 methods, and these by their exact spelling. */
static bool
method_known(struct bytes method)
{
	static const struct bytes names[] = {
#define XX(num, name, string) {#string, sizeof(#string) - 1},
		HTTP_METHOD_MAP(XX)
#undef XX
	};

	for (size_t i = 0; i < HG_ARRAY_LEN(names); i++)
		if (bytes_eq(names[i], method))
			return true;
	return false;
}

/* A tab behind the value is white space (RFC 9110 5.6.3); http-parser calls the value broken. */
static bool
tab_behind(const struct fields *t, enum field_id id)
{
	const struct field *f = fields_get(t, id);

	if (f == NULL)
		return false;
	for (const char *p = f->value.p + f->value.n; *p != '\r'; p++)
		if (*p == '\t')
			return true;
	return false;
}

/* It notes "a Transfer-Encoding is there" when a name only begins so. */
static bool
longer_name(const struct fields *t)
{
	const struct bytes te = BYTES("transfer-encoding");

	for (uint32_t i = 0; i < t->n; i++)
		if (t->v[i].name.n > te.n && bytes_eqi(bytes_of(t->v[i].name.p, te.n), te))
			return true;
	return false;
}

/* Is its refusal one of the known mistakes? */
static bool
known_mistake(const http_parser *hp, const struct msg *m)
{
	switch (HTTP_PARSER_ERRNO(hp)) {
	case HPE_INVALID_METHOD:
		return m->request && !method_known(m->method);
	case HPE_INVALID_URL:
		return m->request && m->target.p[0] != '/';
	case HPE_INVALID_CONTENT_LENGTH:
		return tab_behind(&m->fields, FIELD_CONTENT_LENGTH);
	case HPE_INVALID_TRANSFER_ENCODING:
		return tab_behind(&m->fields, FIELD_TRANSFER_ENCODING) || longer_name(&m->fields);
	case HPE_UNEXPECTED_CONTENT_LENGTH:
		return longer_name(&m->fields);
	default:
		return false;
	}
}

static bool
same_framing(const http_parser *hp, const struct msg *m)
{
	/* Nothing has been taken out of the table yet. */
	bool chunked = m->fields.seen & FIELD_BIT(FIELD_TRANSFER_ENCODING);
	bool length = m->fields.seen & FIELD_BIT(FIELD_CONTENT_LENGTH);
	uint64_t n = m->length;

	if (chunked != ((hp->flags & F_CHUNKED) != 0) ||
	    length != ((hp->flags & F_CONTENTLENGTH) != 0))
		return chunked && tab_behind(&m->fields, FIELD_TRANSFER_ENCODING);
	/* 1xx and 204 have no body whatever the field says; the guard's length is 0 then. */
	return !length || m->framing != MSG_LENGTH || hp->content_length == n;
}

bool
h1_parser_agrees(const char *p, uint32_t n, const struct msg *m)
{
	http_parser hp;
	size_t read;

	http_parser_init(&hp, m->request ? HTTP_REQUEST : HTTP_RESPONSE);
	read = http_parser_execute(&hp, &none, p, n);
	if (HTTP_PARSER_ERRNO(&hp) != HPE_OK)
		return known_mistake(&hp, m);
	if (read != n || hp.http_major != 1 || hp.http_minor != m->minor)
		return false;
	if (!m->request)
		return hp.status_code == m->status && same_framing(&hp, m);
	return bytes_eq(bytes_str(http_method_str((enum http_method)hp.method)), m->method) &&
	    same_framing(&hp, m);
}
