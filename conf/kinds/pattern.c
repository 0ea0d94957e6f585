/*
 * pattern.c - the patterns of the CRDs, read by hand. A hundred thousand routes have millions of
 * texts to check; PCRE2 would take longer over them than everything else in the binder together,
 * and its `$` allows a final line end where Go's does not. Each reader does what its text says,
 * oddities included: the address type and the protocol are not anchored on both sides in the CRD,
 * so they are not here. tests/unit/conf/test_pattern.c holds every reader against PCRE2 on samples
 * and on random texts.
 */
#include "conf/kinds/pattern.h"

#include "base/parse.h"

enum {
	C_LOWER = 1, C_UPPER = 2, C_DIGIT = 4, C_DASH = 8, C_UNDER = 16, C_DOT = 32, C_TOKEN = 64,
	    C_PATH = 128,
	C_LD = C_LOWER | C_DIGIT, C_AN = C_LOWER | C_UPPER | C_DIGIT
};

#define BOTH (C_TOKEN | C_PATH)
static const uint8_t class_of[256] = {
	['a' ... 'z'] = C_LOWER, ['A' ... 'Z'] = C_UPPER, ['0' ... '9'] = C_DIGIT,
	['-'] = C_DASH | BOTH, ['_'] = C_UNDER | BOTH, ['.'] = C_DOT | BOTH,
	['~'] = BOTH, ['!'] = BOTH, ['$'] = BOTH, ['&'] = BOTH, ['\''] = BOTH, ['*'] = BOTH,
	    ['+'] = BOTH,
	['#'] = C_TOKEN, ['%'] = C_TOKEN, ['^'] = C_TOKEN, ['`'] = C_TOKEN, ['|'] = C_TOKEN,
	['/'] = C_PATH, ['('] = C_PATH, [')'] = C_PATH, [','] = C_PATH, [';'] = C_PATH,
	    ['='] = C_PATH,
	[':'] = C_PATH, ['@'] = C_PATH,
};

static inline bool
is(char c, unsigned classes)
{
	return (class_of[(unsigned char)c] & classes) != 0;
}

static bool
all(struct bytes b, unsigned classes)
{
	for (size_t i = 0; i < b.n; i++)
		if (!is(b.p[i], classes))
			return false;
	return true;
}

/* first, then any of `in`, not ending in one that is not in `last`. */
static bool
word(struct bytes b, unsigned first, unsigned in, unsigned last)
{
	return b.n > 0 && is(b.p[0], first) && is(b.p[b.n - 1], last) && all(b, in);
}

static bool
match_label(struct bytes b)
{
	return word(b, C_LD, C_LD | C_DASH, C_LD);
}

static bool
match_subdomain(struct bytes b)
{
	bool edge = true; /* a letter or digit must come next */

	for (size_t i = 0; i < b.n; i++) {
		if (is(b.p[i], C_LD)) {
			edge = false;
		} else if (b.p[i] == '.') {
			if (edge || b.p[i - 1] == '-')
				return false;
			edge = true;
		} else if (b.p[i] != '-' || edge) {
			return false;
		}
	}
	return !edge && b.p[b.n - 1] != '-';
}

static bool
match_group(struct bytes b)
{
	return b.n == 0 || match_subdomain(b);
}

static bool
match_kind(struct bytes b)
{
	return word(b, C_LOWER | C_UPPER, C_AN | C_DASH, C_AN);
}

static bool
match_hostname(struct bytes b)
{
	if (bytes_starts(b, BYTES("*.")))
		b = bytes_of(b.p + 2, b.n - 2);
	return match_subdomain(b);
}

static bool
match_header_name(struct bytes b)
{
	return b.n > 0 && all(b, C_AN | C_TOKEN);
}

static bool
match_header_value(struct bytes b)
{
	bool gap = true;

	for (size_t i = 0; i < b.n; i++) {
		bool visible = b.p[i] >= '!' && b.p[i] <= '~';

		if (!visible && (gap || (b.p[i] != ' ' && b.p[i] != '\t')))
			return false;
		gap = !visible;
	}
	return !gap;
}

static bool
match_duration(struct bytes b)
{
	uint64_t ms;

	return parse_duration(b, &ms);
}

static bool
path_chars(struct bytes b) /* PT_PATHCHARS */
{
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] != '%' && (b.p[i] == '@' || !is(b.p[i], C_AN | C_PATH)))
			return false;
	return b.n > 0;
}

static bool
match_controller(struct bytes b)
{
	ptrdiff_t slash = bytes_chr(b, '/', 0);

	return slash > 0 && match_subdomain(bytes_of(b.p, (size_t)slash)) &&
	    path_chars(bytes_of(b.p + slash + 1, b.n - (size_t)slash - 1));
}

static bool
contains(struct bytes b, const char *what)
{
	return b.n > 0 && memmem(b.p, b.n, what, strlen(what)) != NULL;
}

static bool
match_address_type(struct bytes b)
{
	if (bytes_starts(b, BYTES("Hostname")) || contains(b, "IPAddress") ||
	    contains(b, "NamedAddress"))
		return true;
	for (size_t i = 1; i < b.n; i++)
		if (b.p[i] == '/' && is(b.p[i - 1], C_LD) &&
		    path_chars(bytes_of(b.p + i + 1, b.n - i - 1)))
			return true;
	return false;
}

static bool
match_protocol(struct bytes b)
{
	ptrdiff_t slash = bytes_rchr(b, '/');

	if (slash < 0)
		return word(b, C_AN, C_AN | C_DASH, C_AN);
	return slash > 0 && is(b.p[slash - 1], C_LD) && (size_t)slash + 1 < b.n &&
	    all(bytes_of(b.p + slash + 1, b.n - (size_t)slash - 1), C_AN);
}

/* host of an origin: labels of letters, digits and '-', each at least one long */
static bool
origin_host(struct bytes b)
{
	bool edge = true;

	if (bytes_eq(b, BYTES("*")))
		return true;
	if (bytes_starts(b, BYTES("*.")))
		b = bytes_of(b.p + 2, b.n - 2);
	for (size_t i = 0; i < b.n; i++) {
		if (!(b.p[i] == '.' ? !edge : is(b.p[i], C_AN | C_DASH)))
			return false;
		edge = b.p[i] == '.';
	}
	return !edge;
}

static bool
match_origin(struct bytes b)
{
	ptrdiff_t colon;

	if (bytes_eq(b, BYTES("*")))
		return true;
	if (bytes_starts(b, BYTES("http://")))
		b = bytes_of(b.p + 7, b.n - 7);
	else if (bytes_starts(b, BYTES("https://")))
		b = bytes_of(b.p + 8, b.n - 8);
	else
		return false;
	colon = bytes_chr(b, ':', 0);
	if (colon >= 0) {
		struct bytes port = bytes_of(b.p + colon + 1, b.n - (size_t)colon - 1);

		if (port.n < 1 || port.n > 5 || !all(port, C_DIGIT))
			return false;
		b.n = (size_t)colon;
	}
	return origin_host(b);
}

static bool
match_path(struct bytes b)
{
	for (size_t i = 0; i < b.n; i++) {
		if (b.p[i] == '%') {
			uint64_t v;

			if (b.n - i < 3 || !parse_hex(bytes_of(b.p + i + 1, 2), 255, &v))
				return false;
			i += 2;
		} else if (!is(b.p[i], C_AN | C_PATH)) {
			return false;
		}
	}
	return b.n > 0;
}

static bool
match_uri(struct bytes b)
{
	for (size_t i = 0; i < b.n; i++) {
		if (b.p[i] == ':')
			return i > 0 && b.n - i >= 3 && b.p[i + 1] == '/' && b.p[i + 2] == '/';
		if (b.p[i] == '/' || b.p[i] == '?' || b.p[i] == '#')
			return false;
	}
	return false;
}

static bool
qualified(struct bytes b)
{
	return word(b, C_AN, C_AN | C_DASH | C_UNDER | C_DOT, C_AN);
}

static bool
match_label_value(struct bytes b)
{
	return b.n == 0 || qualified(b);
}

/* [domain/]name; a domain is needed if `must`, the name has at most `max` characters. */
static bool
prefixed(struct bytes b, bool must, size_t max)
{
	ptrdiff_t slash = bytes_chr(b, '/', 0);

	if (slash < 0 && must)
		return false;
	if (slash >= 0) {
		if (!match_subdomain(bytes_of(b.p, (size_t)slash)))
			return false;
		b = bytes_of(b.p + slash + 1, b.n - (size_t)slash - 1);
	}
	return b.n <= max && qualified(b);
}

static bool
match_well_known_ca(struct bytes b)
{
	return bytes_eq(b, BYTES("System")) || prefixed(b, true, 63);
}

static bool
match_condition_type(struct bytes b)
{
	return prefixed(b, false, SIZE_MAX);
}

static bool
match_meta_key(struct bytes b)
{
	return prefixed(b, false, 63);
}

static bool
match_attribute_key(struct bytes b)
{
	return b.n > 0 && all(b, C_LD | C_UNDER | C_DOT | C_DASH);
}

static bool
attribute_char(char c)
{
	return c == '/' || c == ':' || is(c, C_AN | C_UNDER | C_DOT | C_DASH);
}

static bool
match_attribute_name(struct bytes b)
{
	for (size_t i = 0; i < b.n; i++)
		if (!attribute_char(b.p[i]))
			return false;
	return b.n > 0;
}

static bool
match_span_name(struct bytes b)
{
	bool gap = true;

	for (size_t i = 0; i < b.n; i++) {
		bool good = attribute_char(b.p[i]);

		if (!good && (gap || b.p[i] != ' '))
			return false;
		gap = !good;
	}
	return !gap;
}

static bool
match_reason(struct bytes b)
{
	if (b.n == 0 || !is(b.p[0], C_LOWER | C_UPPER) || !is(b.p[b.n - 1], C_AN | C_UNDER))
		return false;
	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] != ',' && b.p[i] != ':' && !is(b.p[i], C_AN | C_UNDER))
			return false;
	return true;
}

static bool
match_grpc_method(struct bytes b)
{
	return b.n > 0 && is(b.p[0], C_LOWER | C_UPPER | C_UNDER) && all(b, C_AN | C_UNDER);
}

static bool
match_grpc_service(struct bytes b)
{
	if (b.n > 0 && b.p[0] == '.')
		b = bytes_of(b.p + 1, b.n - 1);
	while (b.p) {
		struct bytes part = bytes_cut(&b, '.');

		if (!match_grpc_method(part))
			return false;
	}
	return true;
}

static bool
match_data_key(struct bytes b)
{
	return b.n > 0 && all(b, C_AN | C_DASH | C_UNDER | C_DOT);
}

#define P(name, text, what) const struct pattern pat_##name = {text, what, match_##name};
PATTERN_TABLE(P)
#undef P

const struct pattern *const pattern_all[] = {
#define P(name, text, what) &pat_##name,
	PATTERN_TABLE(P)
#undef P
};
const unsigned pattern_count = HG_ARRAY_LEN(pattern_all);
