/*
 * json.c - writing JSON, and reading one flat object of strings. One escaper serves the writer and
 * the access log's fixed buffers: it never cuts inside an escape or a character, and turns every
 * byte that is not UTF-8 into U+FFFD, so that a consumer's parser never breaks on what a client
 * sent. The reader is for the control socket in the master, where a JSON library would be a parser
 * at uid 0: it takes strings only, no nesting, no NUL, no repeated key, and decodes in place.
 */
#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

/* Escapes one unit at p into esc (room for 8): how many bytes were read; *w = how many written. */
static size_t
escape_one(const char *p, size_t n, char esc[8], size_t *w)
{
	static const char hex[] = "0123456789abcdef";
	unsigned char c = (unsigned char)*p;
	const char *two;
	size_t len = c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;

	*w = 2;
	esc[0] = '\\';
	if (c == '"' || c == '\\') {
		esc[1] = (char)c;
		return 1;
	}
	two = memchr("\bb\ff\nn\rr\tt", c, 10);
	if (c < 0x20 && two) {
		esc[1] = two[1];
		return 1;
	}
	if (c < 0x20 || c == 0x7f) {
		memcpy(esc + 1, "u00", 3);
		esc[4] = hex[c >> 4];
		esc[5] = hex[c & 15];
		*w = 6;
		return 1;
	}
	if (c >= 0x80 && len <= n && bytes_utf8(bytes_of(p, len), NULL)) {
		memcpy(esc, p, len);
		*w = len;
		return len;
	}
	memcpy(esc, "\xef\xbf\xbd", 3);
	*w = 3;
	return 1;
}

static inline bool
plain(char c)
{
	return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7f && c != '"' && c != '\\';
}

size_t
json_escape(struct bytes b, char *out, size_t cap)
{
	size_t o = 0, i = 0;

	while (i < b.n) {
		char esc[8];
		size_t w;

		if (plain(b.p[i])) {
			if (o >= cap)
				break;
			out[o++] = b.p[i++];
			continue;
		}
		i += escape_one(b.p + i, b.n - i, esc, &w);
		if (w > cap - o)
			break;
		memcpy(out + o, esc, w);
		o += w;
	}
	return o;
}

static void
put_string(struct strbuf *out, struct bytes b)
{
	size_t i = 0;

	strbuf_addc(out, '"');
	while (i < b.n) {
		size_t run = i, w;
		char esc[8];

		while (run < b.n && plain(b.p[run]))
			run++;
		strbuf_add(out, bytes_of(b.p + i, run - i));
		i = run;
		if (i == b.n)
			break;
		i += escape_one(b.p + i, b.n - i, esc, &w);
		strbuf_add(out, bytes_of(esc, w));
	}
	strbuf_addc(out, '"');
}

void
json_init(struct json *j, struct strbuf *out, bool pretty)
{
	*j = (struct json){.out = out, .pretty = pretty, .first = true};
}

static void
new_line(struct json *j)
{
	if (j->pretty && j->depth) {
		strbuf_addc(j->out, '\n');
		strbuf_pad(j->out, ' ', 2 * (size_t)j->depth);
	}
}

/* What stands before a key or an array's element. After a key, `first` is set and `depth` has the
 * mark that its value follows on the same line. */
#define AFTER_KEY 0x80000000u

static void
before(struct json *j)
{
	if (j->depth & AFTER_KEY) {
		j->depth &= ~AFTER_KEY;
		return;
	}
	if (!j->first)
		strbuf_addc(j->out, ',');
	j->first = false;
	new_line(j);
}

static void
json_open(struct json *j, char c)
{
	before(j);
	strbuf_addc(j->out, c);
	j->depth++;
	j->first = true;
}

void
json_object(struct json *j)
{
	json_open(j, '{');
}

void
json_array(struct json *j)
{
	json_open(j, '[');
}

void
json_end(struct json *j, char close)
{
	HG_CHECK(j->depth > 0 && !(j->depth & AFTER_KEY));
	j->depth--;
	if (!j->first && j->pretty) {
		strbuf_addc(j->out, '\n');
		strbuf_pad(j->out, ' ', 2 * (size_t)j->depth);
	}
	strbuf_addc(j->out, close);
	j->first = false;
}

void
json_keyb(struct json *j, struct bytes key)
{
	HG_CHECK(!(j->depth & AFTER_KEY));
	before(j);
	put_string(j->out, key);
	strbuf_addz(j->out, j->pretty ? ": " : ":");
	j->depth |= AFTER_KEY;
}

void
json_key(struct json *j, const char *key)
{
	json_keyb(j, bytes_str(key));
}

void
json_str(struct json *j, struct bytes b)
{
	before(j);
	put_string(j->out, b);
}

void
json_strz(struct json *j, const char *z)
{
	json_str(j, bytes_str(z));
}

void
json_int(struct json *j, int64_t v)
{
	before(j);
	strbuf_printf(j->out, "%lld", (long long)v);
}

void
json_double(struct json *j, double v)
{
	char buf[40];

	before(j);
	if (!isfinite(v)) {
		strbuf_addz(j->out, "null"); /* JSON has no other word for it */
		return;
	}
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(buf, sizeof(buf), "%.*g", digits, v);
		if (strtod(buf, NULL) == v)
			break;
	}
	strbuf_addz(j->out, buf);
}

void
json_bool(struct json *j, bool v)
{
	before(j);
	strbuf_addz(j->out, v ? "true" : "false");
}

void
json_null(struct json *j)
{
	before(j);
	strbuf_addz(j->out, "null");
}

void
json_raw(struct json *j, struct bytes text)
{
	before(j);
	strbuf_add(j->out, text);
}

struct scan {
	char *p, *end;
};

static void
blanks(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\n' || *s->p == '\r'))
		s->p++;
}

static bool
take(struct scan *s, char c)
{
	blanks(s);
	if (s->p == s->end || *s->p != c)
		return false;
	s->p++;
	return true;
}

static bool
hex4(struct scan *s, uint32_t *v)
{
	*v = 0;
	if (s->end - s->p < 4)
		return false;
	for (int i = 0; i < 4; i++) {
		char c = *s->p++;
		char low = c | 0x20;

		if (c >= '0' && c <= '9')
			*v = *v << 4 | (uint32_t)(c - '0');
		else if (low >= 'a' && low <= 'f')
			*v = *v << 4 | (uint32_t)(low - 'a' + 10);
		else
			return false;
	}
	return true;
}

/* The rest of \uXXXX, a pair of them for what is beyond U+FFFF. Never longer than the text it
 * replaces. */
static bool
unicode(struct scan *s, char **out)
{
	uint32_t c, low;
	char *o = *out;

	if (!hex4(s, &c) || c == 0 || (c >= 0xdc00 && c <= 0xdfff))
		return false;
	if (c >= 0xd800 && c <= 0xdbff) {
		if (s->end - s->p < 6 || *s->p++ != '\\' || *s->p++ != 'u' || !hex4(s, &low) ||
		    low < 0xdc00 || low > 0xdfff)
			return false;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	if (c < 0x80) {
		*o++ = (char)c;
	} else if (c < 0x800) {
		*o++ = (char)(0xc0 | c >> 6);
		*o++ = (char)(0x80 | (c & 0x3f));
	} else {
		if (c < 0x10000) {
			*o++ = (char)(0xe0 | c >> 12);
		} else {
			*o++ = (char)(0xf0 | c >> 18);
			*o++ = (char)(0x80 | (c >> 12 & 0x3f));
		}
		*o++ = (char)(0x80 | (c >> 6 & 0x3f));
		*o++ = (char)(0x80 | (c & 0x3f));
	}
	*out = o;
	return true;
}

static bool
take_string(struct scan *s, struct bytes *res)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	char *start, *o;

	if (!take(s, '"'))
		return false;
	start = o = s->p;
	while (s->p < s->end) {
		char c = *s->p++;
		const char *at;

		if (c == '"') {
			*res = bytes_of(start, (size_t)(o - start));
			return bytes_utf8(*res, NULL);
		}
		if ((unsigned char)c < 0x20)
			return false;
		if (c != '\\') {
			*o++ = c;
			continue;
		}
		if (s->p == s->end)
			return false;
		c = *s->p++;
		if (c == 'u') {
			if (!unicode(s, &o))
				return false;
			continue;
		}
		at = c ? strchr(from, c) : NULL;
		if (at == NULL)
			return false;
		*o++ = to[at - from];
	}
	return false;
}

int
json_flat(char *text, size_t n, struct json_pair *out, unsigned cap)
{
	struct scan s = {text, text + n};
	unsigned count = 0;

	if (!take(&s, '{'))
		return -1;
	if (!take(&s, '}')) {
		do {
			struct json_pair pair;

			if (count == cap || !take_string(&s, &pair.key) || !take(&s, ':') ||
			    !take_string(&s, &pair.value))
				return -1;
			for (unsigned i = 0; i < count; i++)
				if (bytes_eq(out[i].key, pair.key))
					return -1;
			out[count++] = pair;
		} while (take(&s, ','));
		if (!take(&s, '}'))
			return -1;
	}
	blanks(&s);
	return s.p == s.end ? (int)count : -1;
}
