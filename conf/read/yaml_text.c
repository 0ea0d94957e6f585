/*
 * yaml_text.c - quoted and multi-line plain scalars, decoded from the source by us. libfyaml 0.7.12
 * gets them wrong: of '' twice in a row in a single-quoted text it makes three quotes, and the text
 * then ends in memory that is not its own (found by comparing with PyYAML over the CRDs of Gateway
 * API). Its marks are right, so the raw text between them is taken and folded as YAML 1.2
 * section 7.3 says. The library has already refused unknown escapes. The result is never longer
 * than the source, but for \L and \P (three bytes for two).
 */
#include "base/check.h"
#include "conf/read/yaml.h"

struct fold {
	const char *p, *end;
	char *out;
	size_t n, keep; /* written; blanks before `keep` are not trimmed */
};

static bool
at_break(const struct fold *f)
{
	return f->p < f->end && (*f->p == '\n' || *f->p == '\r');
}

static void
skip_break(struct fold *f)
{
	f->p += *f->p == '\r' && f->p + 1 < f->end && f->p[1] == '\n' ? 2 : 1;
}

static void
skip_blanks(struct fold *f)
{
	while (f->p < f->end && (*f->p == ' ' || *f->p == '\t'))
		f->p++;
}

/* Over line breaks and the blanks around them: their number. */
static unsigned
breaks(struct fold *f)
{
	unsigned n = 0;

	for (skip_blanks(f); at_break(f); skip_blanks(f), n++)
		skip_break(f);
	return n;
}

static void
fold_lines(struct fold *f)
{
	unsigned n;

	while (f->n > f->keep && (f->out[f->n - 1] == ' ' || f->out[f->n - 1] == '\t'))
		f->n--;
	n = breaks(f);
	if (n == 1)
		f->out[f->n++] = ' ';
	for (; n > 1; n--)
		f->out[f->n++] = '\n';
	f->keep = f->n;
}

static bool
code_point(struct fold *f, unsigned digits, uint32_t *v)
{
	*v = 0;
	if (f->end - f->p < (ptrdiff_t)digits)
		return false;
	for (; digits > 0; digits--, f->p++) {
		char c = *f->p;

		if (c >= '0' && c <= '9')
			*v = *v * 16 + (uint32_t)(c - '0');
		else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
			*v = *v * 16 + (uint32_t)((c | 0x20) - 'a') + 10;
		else
			return false;
	}
	return true;
}

static bool
put_utf8(struct fold *f, uint32_t v)
{
	char *o = f->out + f->n;

	if (v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
		return false;
	if (v < 0x80) {
		o[0] = (char)v;
		f->n += 1;
	} else if (v < 0x800) {
		o[0] = (char)(0xc0 | v >> 6);
		o[1] = (char)(0x80 | (v & 0x3f));
		f->n += 2;
	} else if (v < 0x10000) {
		o[0] = (char)(0xe0 | v >> 12);
		o[1] = (char)(0x80 | (v >> 6 & 0x3f));
		o[2] = (char)(0x80 | (v & 0x3f));
		f->n += 3;
	} else {
		o[0] = (char)(0xf0 | v >> 18);
		o[1] = (char)(0x80 | (v >> 12 & 0x3f));
		o[2] = (char)(0x80 | (v >> 6 & 0x3f));
		o[3] = (char)(0x80 | (v & 0x3f));
		f->n += 4;
	}
	return true;
}

/* \u, where JSON writes characters beyond the first plane as two halves. */
static bool
unicode(struct fold *f)
{
	uint32_t v, low;

	if (!code_point(f, 4, &v))
		return false;
	if (v >= 0xd800 && v < 0xdc00) {
		if (f->end - f->p < 6 || f->p[0] != '\\' || f->p[1] != 'u')
			return false;
		f->p += 2;
		if (!code_point(f, 4, &low) || low < 0xdc00 || low > 0xdfff)
			return false;
		v = 0x10000 + ((v - 0xd800) << 10) + (low - 0xdc00);
	}
	return put_utf8(f, v);
}

/* After the backslash. */
static bool
escape(struct fold *f)
{
	static const char from[] = "0abtnvfre \t\"/\\N_LP";
	static const uint16_t to[] = {
	    0, 7, 8, 9, 10, 11, 12, 13, 27, ' ', '\t', '"', '/', '\\', 0x85, 0xa0, 0x2028, 0x2029};
	const char *known;
	uint32_t v;
	char c;

	if (f->p == f->end)
		return false;
	if (at_break(f)) { /* joins the lines; blanks before it stay, empty lines after it count */
		f->keep = f->n;
		skip_break(f);
		for (unsigned n = breaks(f); n > 0; n--)
			f->out[f->n++] = '\n';
		f->keep = f->n;
		return true;
	}
	c = *f->p++;
	if (c == 'u')
		return unicode(f);
	if (c == 'x' || c == 'U')
		return code_point(f, c == 'x' ? 2 : 8, &v) && put_utf8(f, v);
	known = c ? strchr(from, c) : NULL;
	if (known == NULL || !put_utf8(f, to[known - from]))
		return false;
	f->keep = f->n;
	return true;
}

bool
yaml_decode(struct arena *a, struct bytes raw, char quote, struct bytes *text)
{
	struct fold f = {.p = raw.p, .end = raw.p + raw.n};
	bool good = true;

	f.out = arena_alloc(a, raw.n + raw.n / 2 + 4);
	while (f.p < f.end && good) {
		if (at_break(&f)) {
			fold_lines(&f);
		} else if (quote == '"' && *f.p == '\\') {
			f.p++;
			good = escape(&f);
		} else {
			if (quote == '\'' && *f.p == '\'' && f.p + 1 < f.end && f.p[1] == '\'')
				f.p++;
			f.out[f.n++] = *f.p++;
		}
	}
	*text = bytes_of(f.out, f.n);
	return good;
}
