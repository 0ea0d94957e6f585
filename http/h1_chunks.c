/*
 * h1_chunks.c - the chunked coding (RFC 9112 section 7.1), strictly: 1-16 digits, extensions by the
 * grammar and in bounds, CRLF exactly, and a bound on framing against payload over the whole body,
 * since a limit per chunk invites a million small chunks. A size line, the CRLF behind data and the
 * trailer section are each taken whole or not at all: they are short, so looking twice is cheaper
 * than one more state.
 */
#include "base/check.h"
#include "http/fields.h"
#include "http/h1_chars.h"
#include "http/h1_guard.h"

#define BAD HG_ERR_BAD_REQUEST

void
h1_chunks_init(struct h1_chunks *c)
{
	*c = (struct h1_chunks){.state = H1_CHUNK_SIZE};
}

static inline int
hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static uint32_t
blanks(const char *p, uint32_t i, uint32_t n)
{
	while (i < n && (p[i] == ' ' || p[i] == '\t'))
		i++;
	return i;
}

/* token; *i moves behind it. AGAIN when it runs to the end of the bytes. */
static enum hg_err
token(const char *p, uint32_t *i, uint32_t n)
{
	uint32_t from = *i;

	while (*i < n && h1_tchar[(unsigned char)p[*i]])
		++*i;
	if (*i == n)
		return HG_ERR_AGAIN;
	return *i == from ? BAD : HG_OK;
}

static enum hg_err
quoted(const char *p, uint32_t *i, uint32_t n)
{
	for (++*i; *i < n; ++*i) {
		unsigned char c = (unsigned char)p[*i];

		if (c == '"') {
			++*i;
			return HG_OK;
		}
		if (c == '\\') {
			if (++*i == n)
				break;
			c = (unsigned char)p[*i];
		}
		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return BAD;
	}
	return HG_ERR_AGAIN;
}

/* *( BWS ";" BWS name [ BWS "=" BWS value ] ) up to the CR. */
static enum hg_err
extensions(const char *p, uint32_t *i, uint32_t n)
{
	enum hg_err e;

	while (*i < n && p[*i] != '\r') {
		uint32_t k = blanks(p, *i, n);

		if (k == n)
			return HG_ERR_AGAIN;
		if (p[k] != ';')
			return BAD;
		*i = blanks(p, k + 1, n);
		e = token(p, i, n);
		if (e != HG_OK)
			return e;
		k = blanks(p, *i, n);
		if (k == n)
			return HG_ERR_AGAIN;
		if (p[k] != '=')
			continue;
		*i = blanks(p, k + 1, n);
		if (*i == n)
			return HG_ERR_AGAIN;
		e = p[*i] == '"' ? quoted(p, i, n) : token(p, i, n);
		if (e != HG_OK)
			return e;
	}
	return *i == n ? HG_ERR_AGAIN : HG_OK;
}

static enum hg_err
size_line(struct h1_chunks *c, const char *p, uint32_t n, uint32_t *used)
{
	uint64_t v = 0;
	uint32_t i = 0;
	enum hg_err e;

	for (; i < n && hex(p[i]) >= 0; i++) {
		if (i == 16)
			return BAD;
		v = v << 4 | (unsigned)hex(p[i]);
	}
	if (i == n)
		return HG_ERR_AGAIN;
	if (i == 0 || v > INT64_MAX || c->payload > INT64_MAX - v)
		return BAD;
	e = extensions(p, &i, n);
	if (e != HG_OK)
		return e;
	if (i + 1 == n)
		return HG_ERR_AGAIN;
	if (p[i + 1] != '\n')
		return BAD;
	*used = i + 2;
	c->left = v;
	c->state = v ? H1_CHUNK_DATA : H1_CHUNK_TRAILER;
	return HG_OK;
}

static enum hg_err
trailer_section(struct h1_chunks *c, const char *p, uint32_t n, const struct h1_limits *l,
    uint32_t *used, struct fields *t)
{
	enum hg_err e;

	t->n = 0;
	t->seen = t->twice = 0;
	e = h1_guard_fields(p, 0, n, l->trailer, l->field, l->trailer_fields, t, used);
	if (e != HG_OK)
		return e;
	for (uint32_t i = 0; i < t->n; i++)
		if (!fields_trailer_ok((enum field_id)t->v[i].id, t->v[i].name))
			t->v[i].flags |= FIELD_GONE;
	c->state = H1_CHUNK_DONE;
	return HG_OK;
}

enum hg_err
h1_chunks_step(struct h1_chunks *c, const char *p, uint32_t n, const struct h1_limits *l,
    uint32_t *used, uint32_t *data_off, uint32_t *data_n, struct fields *trailers)
{
	enum hg_err e;

	*data_off = *data_n = 0;
	switch (c->state) {
	case H1_CHUNK_SIZE:
		e = size_line(c, p, HG_MIN(n, l->chunk_line), used);
		if (e == HG_ERR_AGAIN && n >= l->chunk_line)
			return BAD;
		if (e != HG_OK)
			return e;
		break;
	case H1_CHUNK_DATA:
		if (n == 0)
			return HG_ERR_AGAIN;
		*used = *data_n = (uint32_t)HG_MIN(c->left, (uint64_t)n);
		c->left -= *used;
		c->payload += *used;
		if (c->left == 0)
			c->state = H1_CHUNK_DATA_END;
		return HG_OK;
	case H1_CHUNK_DATA_END:
		if ((n > 0 && p[0] != '\r') || (n > 1 && p[1] != '\n'))
			return BAD;
		if (n < 2)
			return HG_ERR_AGAIN;
		*used = 2;
		c->state = H1_CHUNK_SIZE;
		break;
	default:
		return trailer_section(c, p, n, l, used, trailers);
	}
	c->meta += *used;
	return c->meta > l->chunk_overhead + 2 * HG_MIN(c->payload, (uint64_t)INT64_MAX / 2) ?
	    BAD :
	    HG_OK;
}
