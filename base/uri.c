/*
 * uri.c - request targets, hosts, paths and queries in one form. Each function is one scan with a
 * class table; what is canonical as sent is borrowed, which is nearly everything. Where readers
 * downstream disagree about a byte sequence (encoded slash, backslash, NUL or other controls,
 * "..;"), it is refused rather than guessed: a rule of the router and the backend behind it must
 * see the same path. Host names are narrower than RFC 3986's reg-name (letters, digits, "-", "_",
 * "."): percent escapes and sub-delimiters in a host have no user but attackers.
 * http_parser_parse_url was rejected: 16-bit offsets.
 */
#include "base/uri.h"

#include "base/addr.h"
#include "base/check.h"
#include "base/parse.h"

#define BAD HG_ERR_BAD_REQUEST

/* Classes of bytes in a target. */
enum {
	C_PATH = 1,       /* may stand in a path as it is */
	C_QUERY = 2,      /* may stand in a query */
	C_UNRESERVED = 4, /* needs no escape (RFC 3986 section 2.3) */
};

#define P C_PATH | C_QUERY
#define U P | C_UNRESERVED
static const uint8_t class[256] = {
	['a' ... 'z'] = U, ['A' ... 'Z'] = U, ['0' ... '9'] = U, ['-'] = U, ['_'] = U, ['.'] = U,
	['~'] = U, ['!'] = P, ['$'] = P, ['&'] = P, ['\''] = P, ['('] = P, [')'] = P, ['*'] = P,
	['+'] = P, [','] = P, [';'] = P, ['='] = P, [':'] = P, ['@'] = P, ['/'] = P,
	/* outside the grammar, but sent by real clients: passed on unchanged */
	['"'] = P, ['<'] = P, ['>'] = P, ['['] = P, [']'] = P, ['^'] = P, ['`'] = P, ['{'] = P,
	['|'] = P, ['}'] = P,
	['?'] = C_QUERY, ['\\'] = C_QUERY,
};
#undef P
#undef U

static inline bool
is(char c, unsigned what)
{
	return class[(unsigned char)c] & what;
}

static inline int
hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the escape at p[0] = '%' stands for, or -1. */
static inline int
escape(const char *p, size_t n)
{
	int high, low;

	if (n < 3)
		return -1;
	high = hex_value(p[1]);
	low = hex_value(p[2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

static enum hg_err
check_query(struct bytes q)
{
	for (size_t i = 0; i < q.n; i++) {
		if (is(q.p[i], C_QUERY))
			continue;
		if (q.p[i] != '%' || escape(q.p + i, q.n - i) < 0)
			return BAD;
		i += 2;
	}
	return HG_OK;
}

/* Splits path[?query] and checks the bytes of both. */
static enum hg_err
split_path(struct bytes in, struct uri_target *out)
{
	size_t i = 0;

	out->query = BYTES_NONE;
	for (; i < in.n && in.p[i] != '?'; i++) {
		if (is(in.p[i], C_PATH))
			continue;
		if (in.p[i] != '%' || escape(in.p + i, in.n - i) < 0)
			return BAD;
		i += 2;
	}
	out->path = bytes_of(in.p, i);
	if (i == in.n)
		return HG_OK;
	out->query = bytes_of(in.p + i + 1, in.n - i - 1);
	return check_query(out->query);
}

static enum hg_err
absolute_form(struct bytes method, struct bytes target, struct uri_target *out)
{
	ptrdiff_t colon = bytes_chr(target, ':', 0);
	struct uri_host host;
	struct bytes rest;
	size_t i;

	if (colon < 0)
		return BAD;
	out->scheme = bytes_of(target.p, (size_t)colon);
	rest = bytes_of(target.p + colon, target.n - (size_t)colon);
	if ((!bytes_eqi(out->scheme, BYTES("http")) && !bytes_eqi(out->scheme, BYTES("https"))) ||
	    !bytes_starts(rest, BYTES("://")))
		return BAD;
	rest = bytes_of(rest.p + 3, rest.n - 3);
	for (i = 0; i < rest.n && rest.p[i] != '/' && rest.p[i] != '?'; i++)
		;
	out->form = URI_ABSOLUTE;
	out->authority = bytes_of(rest.p, i);
	if (uri_host(out->authority, &host) != HG_OK)
		return BAD;
	rest = bytes_of(rest.p + i, rest.n - i);
	if (split_path(rest, out) != HG_OK)
		return BAD;
	if (out->path.n == 0) {
		/* RFC 9112 section 3.2.4: the last proxy turns this one into "*". */
		bool star = bytes_eq(method, BYTES("OPTIONS")) && out->query.p == NULL;

		out->path = star ? BYTES("*") : BYTES("/");
	}
	return HG_OK;
}

static enum hg_err
authority_form(struct bytes target, struct uri_target *out)
{
	struct uri_host host;

	out->form = URI_AUTHORITY;
	out->authority = target;
	if (uri_host(target, &host) != HG_OK || host.port == 0)
		return BAD;
	return HG_OK;
}

enum hg_err
uri_target(struct bytes method, struct bytes target, struct uri_target *out)
{
	*out = (struct uri_target){0};
	if (target.n == 0)
		return BAD;
	if (method.n == 7 && bytes_eq(method, BYTES("CONNECT")))
		return authority_form(target, out);
	if (target.p[0] == '/') {
		out->form = URI_ORIGIN;
		return split_path(target, out);
	}
	if (target.p[0] == '*') {
		out->form = URI_ASTERISK;
		out->path = target;
		return target.n == 1 && bytes_eq(method, BYTES("OPTIONS")) ? HG_OK : BAD;
	}
	return absolute_form(method, target, out);
}

static enum hg_err
host_v6(struct bytes in, struct uri_host *out)
{
	char text[46];
	struct addr a;
	size_t n;

	/* Written back in RFC 5952 form, so that two spellings of one address are one host. */
	if (in.n < 4 || bytes_chr(in, ':', 0) < 0 ||
	    !addr_parse_ip(bytes_of(in.p + 1, in.n - 2), &a))
		return BAD;
	n = addr_print_ip(&a, text);
	if (a.family == 4) {
		memcpy(out->name, text, n);
	} else {
		out->name[0] = '[';
		memcpy(out->name + 1, text, n);
		out->name[++n] = ']';
		n++;
	}
	out->name[n] = '\0';
	out->len = (uint16_t)n;
	out->ip = true;
	return HG_OK;
}

/* What stands for a byte of a host name; 0: not in one. */
static const char host_lower[256] = {
#define A(c) [c] = c, [(c) - 0x20] = c
	A('a'), A('b'), A('c'), A('d'), A('e'), A('f'), A('g'), A('h'), A('i'), A('j'), A('k'),
	A('l'), A('m'), A('n'), A('o'), A('p'), A('q'), A('r'), A('s'), A('t'), A('u'), A('v'),
	A('w'), A('x'), A('y'), A('z'),
#undef A
	['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6',
	['7'] = '7', ['8'] = '8', ['9'] = '9', ['-'] = '-', ['_'] = '_', ['.'] = '.',
};

static enum hg_err
host_name(struct bytes in, struct uri_host *out)
{
	size_t label = 0, i; /* where the label begins */
	char letters = 0;
	struct addr a;

	if (in.n > 0 && in.p[in.n - 1] == '.')
		in.n--;
	if (in.n == 0 || in.n > 253)
		return BAD;
	for (i = 0; i < in.n; i++) {
		char c = host_lower[(unsigned char)in.p[i]];

		if (c == 0)
			return BAD;
		if (c == '.') {
			if (i == label || i - label > 63)
				return BAD;
			label = i + 1;
		}
		letters |= c;
		out->name[i] = c;
	}
	if (i == label || i - label > 63)
		return BAD;
	out->name[i] = '\0';
	out->len = (uint16_t)i;
	out->ip = !(letters & 0x40) && addr_parse_ip(bytes_of(out->name, i), &a);
	return HG_OK;
}

enum hg_err
uri_host(struct bytes in, struct uri_host *out)
{
	bool v6 = in.n > 0 && in.p[0] == '[';
	ptrdiff_t colon;
	struct bytes host = in;
	uint64_t port = 0;

	colon = v6 ? bytes_chr(in, ']', 0) + 1 : bytes_chr(in, ':', 0);
	if (v6 && colon == 0)
		return BAD;
	if (colon >= 0 && (size_t)colon < in.n) {
		struct bytes text = bytes_of(in.p + colon + 1, in.n - (size_t)colon - 1);

		if (in.p[colon] != ':')
			return BAD;
		/* RFC 3986 allows "host:" and means no port. */
		if (text.n > 0 && (text.n > 5 || !parse_u64(text, UINT16_MAX, &port) || port == 0))
			return BAD;
		host.n = (size_t)colon;
	}
	out->port = (uint16_t)port;
	return v6 ? host_v6(host, out) : host_name(host, out);
}

/* A '.' at i starts a segment: is that a dot segment, also one with a parameter? (Encoded dots
 * never get here, they are not canonical anyway.) */
static bool
dotted(struct bytes in, size_t i)
{
	size_t n = 1;

	if (i + n < in.n && in.p[i + n] == '.')
		n++;
	return i + n == in.n || in.p[i + n] == '/' || in.p[i + n] == ';';
}

/* true: the path is canonical as it stands. Anything odd says false, the slow way decides. */
static bool
canonical(struct bytes in)
{
	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i];

		if (c == '/') {
			if (i + 1 < in.n && in.p[i + 1] == '.' && dotted(in, i + 1))
				return false;
		} else if (!is(c, C_PATH)) {
			int v = c == '%' ? escape(in.p + i, in.n - i) : -1;

			if (v < 0x20 || v == 0x7f || is((char)v, C_UNRESERVED) || v == '/' ||
			    v == '\\' || in.p[i + 1] >= 'a' || in.p[i + 2] >= 'a')
				return false;
			i += 2;
		}
	}
	return true;
}

/* Copies with escapes in normal form; bytes that must not pass are an error. */
static enum hg_err
decode(struct bytes in, char *out, size_t *len, bool slashes)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t o = 0;

	for (size_t i = 0; i < in.n; i++) {
		char c = in.p[i];
		int v;

		if (is(c, C_PATH)) {
			out[o++] = c;
			continue;
		}
		v = c == '%' ? escape(in.p + i, in.n - i) : -1;
		if (v < 0x20 || v == 0x7f || ((v == '/' || v == '\\') && !slashes))
			return BAD;
		i += 2;
		if (is((char)v, C_UNRESERVED)) {
			out[o++] = (char)v;
			continue;
		}
		out[o++] = '%';
		out[o++] = hex[v >> 4];
		out[o++] = hex[v & 15];
	}
	*len = o;
	return HG_OK;
}

/* RFC 3986 section 5.2.4 in place. p[0] is '/'. */
static enum hg_err
remove_dots(char *p, size_t *len)
{
	size_t n = *len, o = 0, i = 0;

	while (i < n) {
		size_t end = i + 1, seg, body;

		while (end < n && p[end] != '/')
			end++;
		seg = end - i - 1; /* without its slash */
		body = seg;
		for (size_t k = 0; k < seg; k++)
			if (p[i + 1 + k] == ';') {
				body = k;
				break;
			}
		if (body == 0 || body > 2 || p[i + 1] != '.' || p[i + body] != '.') {
			memmove(p + o, p + i, seg + 1);
			o += seg + 1;
		} else if (body != seg) {
			return BAD; /* "..;x": a dot segment to some servers, a name to others */
		} else {
			if (seg == 2 && o > 0)
				while (p[--o] != '/')
					;
			if (end == n)
				p[o++] = '/';
		}
		i = end;
	}
	*len = o;
	return HG_OK;
}

static bool
encoded_slash(const char *p, size_t left)
{
	int v = left && p[0] == '%' ? escape(p, left) : -1;

	return v == '/' || v == '\\';
}

/* Is there a dot segment for whoever decodes slashes, as in "/a/..%2Fb"? */
static bool
hidden_dots(const char *p, size_t n)
{
	bool before = false, after;

	for (size_t i = 0; i <= n; before = after) {
		size_t end = i, body = 0;

		while (end < n && p[end] != '/' && !encoded_slash(p + end, n - end))
			end++;
		after = end < n && p[end] == '%';
		while (i + body < end && p[i + body] != ';')
			body++;
		if ((before || after) && (body == 1 || body == 2) && p[i] == '.' &&
		    p[i + body - 1] == '.')
			return true;
		i = end + (after ? 3 : 1);
	}
	return false;
}

static enum hg_err
path(struct bytes in, char *out, size_t cap, struct bytes *out_path, bool slashes)
{
	size_t n;

	if (in.n == 0)
		return BAD;
	if (in.p[0] != '/') {
		*out_path = in;
		return in.n == 1 && in.p[0] == '*' ? HG_OK : BAD;
	}
	if (canonical(in)) {
		*out_path = in;
		return HG_OK;
	}
	if (cap < in.n)
		return HG_ERR_URI_TOO_LONG;
	if (decode(in, out, &n, slashes) != HG_OK || (slashes && hidden_dots(out, n)) ||
	    remove_dots(out, &n) != HG_OK)
		return BAD;
	*out_path = bytes_of(out, n);
	return HG_OK;
}

enum hg_err
uri_path(struct bytes in, char *out, size_t cap, struct bytes *out_path)
{
	return path(in, out, cap, out_path, false);
}

enum hg_err
uri_path_slashes(struct bytes in, char *out, size_t cap, struct bytes *out_path)
{
	return path(in, out, cap, out_path, true);
}

bool
uri_query_next(struct bytes *rest, struct bytes *name, struct bytes *value)
{
	while (rest->p) {
		struct bytes pair = bytes_cut(rest, '&');

		if (pair.n == 0)
			continue;
		*name = bytes_cut(&pair, '=');
		*value = pair.p ? pair : bytes_of(name->p + name->n, 0);
		return true;
	}
	return false;
}

bool
uri_query_decode(struct bytes in, char *out, size_t cap, struct bytes *res)
{
	size_t o = 0;

	for (size_t i = 0; i < in.n; i++, o++) {
		int v = (unsigned char)in.p[i];

		if (v == '%') {
			v = escape(in.p + i, in.n - i);
			i += 2;
		} else if (v == '+') {
			v = ' ';
		}
		if (v < 0 || o >= cap)
			return false;
		out[o] = (char)v;
	}
	*res = bytes_of(out, o);
	return true;
}

/* Whether raw text, decoded, is `plain`. With a broken escape it is compared raw. */
static bool
decoded_eq(struct bytes raw, struct bytes plain)
{
	size_t o = 0;

	if (raw.n < plain.n)
		return false;
	for (size_t i = 0; i < raw.n; i++)
		if (raw.p[i] == '%' && escape(raw.p + i, raw.n - i) < 0)
			return bytes_eq(raw, plain);
	for (size_t i = 0; i < raw.n; i++, o++) {
		int v = (unsigned char)raw.p[i];

		if (v == '%') {
			v = escape(raw.p + i, raw.n - i);
			i += 2;
		} else if (v == '+') {
			v = ' ';
		}
		if (o >= plain.n || (char)v != plain.p[o])
			return false;
	}
	return o == plain.n;
}

struct bytes
uri_query_get(struct bytes query, struct bytes name, char *out, size_t cap)
{
	struct bytes n, v, res;

	while (uri_query_next(&query, &n, &v)) {
		if (!decoded_eq(n, name))
			continue;
		if (bytes_chr(v, '%', 0) < 0 && bytes_chr(v, '+', 0) < 0)
			return v;
		return uri_query_decode(v, out, cap, &res) ? res : v;
	}
	return BYTES_NONE;
}
