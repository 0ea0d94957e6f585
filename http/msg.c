/*
 * msg.c - message heads as values. A copy shares the texts (one more reference on the buffer) and
 * copies only the field lines that exist, so that an attempt or a mirror gets a head of its own for
 * the price of a memcpy.
 */
#include "http/msg.h"

#include "base/check.h"

void
msg_init(struct msg *m, bool request)
{
	memset(m, 0, offsetof(struct msg, host));
	m->request = request;
	m->host.len = m->host.port = 0;
	m->host.ip = false;
	m->host.name[0] = '\0';
	fields_init(&m->fields, m->store, MSG_FIELDS);
	m->trailers.v = NULL;
	m->trailers.n = m->trailers.cap = 0;
}

void
msg_release(struct msg *m)
{
	if (m->buf)
		buf_unref(m->buf);
	if (m->trailer_buf)
		buf_unref(m->trailer_buf);
	m->buf = m->trailer_buf = NULL;
}

void
msg_copy(struct msg *dst, const struct msg *src)
{
	memcpy(dst, src, offsetof(struct msg, host));
	dst->host.len = src->host.len;
	dst->host.port = src->host.port;
	dst->host.ip = src->host.ip;
	memcpy(dst->host.name, src->host.name, src->host.len + 1u);
	dst->fields = src->fields;
	dst->fields.v = dst->store;
	dst->fields.cap = MSG_FIELDS;
	memcpy(dst->store, src->fields.v, src->fields.n * sizeof(struct field));
	dst->trailers.v = NULL;
	dst->trailers.n = dst->trailers.cap = 0;
	dst->trailer_buf = NULL;
	if (dst->buf)
		buf_ref(dst->buf);
}

static bool
table_next(struct msg_lines *l, uint64_t skip, struct field *out)
{
	while (l->t && l->i < l->t->n) {
		const struct field *f = &l->t->v[l->i++];

		if ((f->flags & (FIELD_GONE | FIELD_HOP)) || (skip >> f->id & 1))
			continue;
		*out = *f;
		return true;
	}
	return false;
}

/* A line of `extra` is "name: value" CRLF, always: it is ours. */
static bool
text_next(struct msg_lines *l, struct field *out)
{
	ptrdiff_t colon = l->rest.n ? bytes_chr(l->rest, ':', 0) : -1, end;

	if (colon < 0)
		return false;
	end = bytes_chr(l->rest, '\r', (size_t)colon);
	HG_CHECK(end > colon + 1 && (size_t)end + 2 <= l->rest.n);
	*out = (struct field){.name = bytes_of(l->rest.p, (size_t)colon),
	    .value = bytes_of(l->rest.p + colon + 2, (size_t)(end - colon) - 2)};
	out->id = (uint8_t)field_id(out->name);
	l->rest = bytes_of(l->rest.p + end + 2, l->rest.n - (size_t)end - 2);
	return true;
}

bool
msg_lines_next(struct msg_lines *l, struct field *out)
{
	if (l->part == 0) {
		l->part = l->m->base ? 1 : 3;
		l->t = l->m->base ? l->m->base : &l->m->fields;
		l->rest = l->m->extra;
	}
	if (l->part == 1) {
		if (table_next(l, l->m->skip, out))
			return true;
		l->part = 2;
	}
	if (l->part == 2) {
		if (text_next(l, out))
			return true;
		l->part = 3;
		l->t = &l->m->fields;
		l->i = 0;
	}
	return table_next(l, 0, out);
}

static const struct {
	uint16_t status;
	const char *text;
} reasons[] = {
	{100, "Continue"}, {101, "Switching Protocols"}, {102, "Processing"}, {103, "Early Hints"},
	{200, "OK"}, {201, "Created"}, {202, "Accepted"}, {203, "Non-Authoritative Information"},
	{204, "No Content"}, {205, "Reset Content"}, {206, "Partial Content"},
	{207, "Multi-Status"},
	{300, "Multiple Choices"}, {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"},
	{304, "Not Modified"}, {307, "Temporary Redirect"}, {308, "Permanent Redirect"},
	{400, "Bad Request"}, {401, "Unauthorized"}, {402, "Payment Required"}, {403, "Forbidden"},
	{404, "Not Found"}, {405, "Method Not Allowed"}, {406, "Not Acceptable"},
	{407, "Proxy Authentication Required"}, {408, "Request Timeout"}, {409, "Conflict"},
	{410, "Gone"},
	{411, "Length Required"}, {412, "Precondition Failed"}, {413, "Content Too Large"},
	{414, "URI Too Long"}, {415, "Unsupported Media Type"}, {416, "Range Not Satisfiable"},
	{417, "Expectation Failed"}, {421, "Misdirected Request"}, {422, "Unprocessable Content"},
	{425, "Too Early"}, {426, "Upgrade Required"}, {428, "Precondition Required"},
	{429, "Too Many Requests"}, {431, "Request Header Fields Too Large"},
	{451, "Unavailable For Legal Reasons"}, {500, "Internal Server Error"},
	{501, "Not Implemented"},
	{502, "Bad Gateway"}, {503, "Service Unavailable"}, {504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"}, {511, "Network Authentication Required"},
};

const char *
msg_reason(uint16_t status)
{
	if (status == 200)
		return "OK";
	for (size_t i = 0; i < HG_ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "";
}
