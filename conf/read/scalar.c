/*
 * scalar.c - what a plain scalar is. The law is kubectl: sigs.k8s.io/yaml reads YAML with go-yaml
 * v2 (1.1: yes, no, on, off are booleans; 0777 is octal; underscores in numbers are dropped; dates
 * stay strings) and prints it as JSON, where 80.0 becomes 80, and the API server then reads
 * integers over 64 bits as floats. The first byte says which forms are possible, so that most
 * strings cost one look. A regular expression library was rejected for speed.
 */
#include "conf/read/scalar.h"

#include <errno.h>
#include <math.h>

#include "base/check.h"
#include "base/parse.h"

#define NUMBER_MAX 512 /* longer than any number that matters: then it is a string */

struct word {
	const char *text;
	enum node_type type;
	double real;
	bool boolean;
};

static const struct word words[] = {
	{"true", NODE_BOOL, 0, true}, {"True", NODE_BOOL, 0, true}, {"TRUE", NODE_BOOL, 0, true},
	{"false", NODE_BOOL, 0, false}, {"False", NODE_BOOL, 0, false},
	{"FALSE", NODE_BOOL, 0, false},
	{"y", NODE_BOOL, 0, true}, {"Y", NODE_BOOL, 0, true}, {"yes", NODE_BOOL, 0, true},
	{"Yes", NODE_BOOL, 0, true}, {"YES", NODE_BOOL, 0, true}, {"on", NODE_BOOL, 0, true},
	{"On", NODE_BOOL, 0, true}, {"ON", NODE_BOOL, 0, true}, {"n", NODE_BOOL, 0, false},
	{"N", NODE_BOOL, 0, false}, {"no", NODE_BOOL, 0, false}, {"No", NODE_BOOL, 0, false},
	{"NO", NODE_BOOL, 0, false}, {"off", NODE_BOOL, 0, false}, {"Off", NODE_BOOL, 0, false},
	{"OFF", NODE_BOOL, 0, false}, {"", NODE_NULL, 0, false}, {"~", NODE_NULL, 0, false},
	{"null", NODE_NULL, 0, false}, {"Null", NODE_NULL, 0, false}, {"NULL", NODE_NULL, 0, false},
	{".nan", NODE_FLOAT, NAN, false}, {".NaN", NODE_FLOAT, NAN, false},
	{".NAN", NODE_FLOAT, NAN, false}, {".inf", NODE_FLOAT, INFINITY, false},
	{".Inf", NODE_FLOAT, INFINITY, false}, {".INF", NODE_FLOAT, INFINITY, false},
	{"+.inf", NODE_FLOAT, INFINITY, false}, {"+.Inf", NODE_FLOAT, INFINITY, false},
	{"+.INF", NODE_FLOAT, INFINITY, false}, {"-.inf", NODE_FLOAT, -INFINITY, false},
	{"-.Inf", NODE_FLOAT, -INFINITY, false}, {"-.INF", NODE_FLOAT, -INFINITY, false},
};

static bool
word(struct node *n)
{
	if (n->text.n > 5)
		return false;
	for (size_t i = 0; i < HG_ARRAY_LEN(words); i++) {
		if (!bytes_eq(n->text, bytes_str(words[i].text)))
			continue;
		n->type = (uint8_t)words[i].type;
		n->boolean = words[i].boolean;
		n->real = words[i].real;
		return true;
	}
	return false;
}

static unsigned
digit(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : 99;
}

static void
set_real(struct node *n, double v)
{
	n->type = NODE_FLOAT;
	n->real = v;
	/* The bounds are exact doubles; 2^63 itself is out. */
	if (v >= -0x1p63 && v < 0x1p63 && v == floor(v)) {
		n->type = NODE_INT;
		n->integer = (int64_t)v;
	}
}

/* Sign, prefix (0x, 0o, 0b, or 0 for octal), digits. */
static bool
integer(struct node *n, struct bytes s)
{
	bool minus = s.n && s.p[0] == '-', big = false;
	size_t i = s.n && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0, start;
	unsigned base = 10;
	uint64_t v = 0;
	double real =
	    0; /* of a big one; not the nearest for decimals, which decimal() reads again */

	if (i + 1 < s.n && s.p[i] == '0') {
		char c = (char)(s.p[i + 1] | 0x20);

		base = c == 'x' ? 16 : c == 'b' ? 2 : 8;
		i += c == 'x' || c == 'b' || c == 'o' ? 2 : 1;
	}
	for (start = i; i < s.n; i++) {
		unsigned d = digit(s.p[i]);

		if (d >= base)
			return false;
		if (__builtin_mul_overflow(v, base, &v) || __builtin_add_overflow(v, d, &v))
			big = true;
		real = real * base + d;
	}
	if (i == start)
		return false;
	if (big || v > (uint64_t)INT64_MAX + minus) {
		n->type = NODE_FLOAT;
		n->real = minus ? -real : real;
	} else {
		n->type = NODE_INT;
		n->integer = minus ? (int64_t)(0 - v) : (int64_t)v;
	}
	return true;
}

static size_t
digits(struct bytes s, size_t i)
{
	while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
		i++;
	return i;
}

/* [-+]? ( .d+ | d+ (.d*)? ) ([eE] [-+]? d+)? */
static bool
decimal(struct node *n, struct bytes s)
{
	char copy[NUMBER_MAX + 1];
	size_t i = s.n && (s.p[0] == '-' || s.p[0] == '+') ? 1 : 0, from = i;
	double v;

	i = digits(s, i);
	if (i < s.n && s.p[i] == '.') {
		size_t after = digits(s, i + 1);

		if (i == from && after == i + 1)
			return false;
		i = after;
	} else if (i == from) {
		return false;
	}
	if (i < s.n && (s.p[i] | 0x20) == 'e') {
		size_t exp =
		    i + 1 < s.n && (s.p[i + 1] == '-' || s.p[i + 1] == '+') ? i + 2 : i + 1;

		i = digits(s, exp);
		if (i == exp)
			return false;
	}
	if (i != s.n)
		return false;
	memcpy(copy, s.p, s.n);
	copy[s.n] = '\0';
	v = strtod(copy, NULL);
	if (isinf(v)) /* out of range: go-yaml leaves it a string */
		return false;
	set_real(n, v);
	return true;
}

static void
resolve_plain(struct node *n)
{
	struct bytes s = n->text;
	char plain[NUMBER_MAX + 1];
	size_t k = 0;
	char c = s.n ? s.p[0] : '\0';

	n->type = NODE_STRING;
	if (c == '\0' || strchr("yYnNtTfFoO~.+-", c)) {
		if (word(n))
			return;
	}
	if (c == '.') {
		if (s.n <= NUMBER_MAX)
			decimal(n, s);
		return;
	}
	if (!((c >= '0' && c <= '9') || c == '+' || c == '-') || s.n > NUMBER_MAX)
		return;
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] != '_')
			plain[k++] = s.p[i];
	if (!integer(n, bytes_of(plain, k))) {
		decimal(n, bytes_of(plain, k));
	} else if (n->type == NODE_FLOAT && decimal(n, bytes_of(plain, k))) {
		n->type = NODE_FLOAT;
	}
}

bool
scalar_resolve(struct node *n, enum scalar_tag tag)
{
	static const uint8_t wanted[] = {
		[SCALAR_INT] = NODE_INT, [SCALAR_BOOL] = NODE_BOOL, [SCALAR_NULL] = NODE_NULL,
		[SCALAR_FLOAT] = NODE_FLOAT, [SCALAR_STR] = NODE_STRING,
	};

	n->type = NODE_STRING;
	if (tag == SCALAR_STR)
		return true;
	resolve_plain(n);
	if (tag == SCALAR_ANY || n->type == wanted[tag])
		return true;
	return tag == SCALAR_FLOAT && n->type == NODE_INT;
}

/* The shortest text that reads back as v, in the style of Go's 'g'. */
static struct bytes
print_real(struct arena *a, double v)
{
	bool fixed = v == 0 || (fabs(v) >= 1e-4 && fabs(v) < 1e21);
	char text[64];

	if (isnan(v))
		return BYTES(".nan");
	if (isinf(v))
		return v > 0 ? BYTES(".inf") : BYTES("-.inf");
	for (int digits_after = 0; digits_after < 25; digits_after++) {
		snprintf(text, sizeof(text), fixed ? "%.*f" : "%.*e", digits_after, v);
		if (strtod(text, NULL) == v)
			break;
	}
	return arena_bytes(a, bytes_str(text));
}

struct bytes
scalar_key(struct arena *a, const struct node *n)
{
	switch ((enum node_type)n->type) {
	case NODE_STRING:
		return n->text;
	case NODE_INT:
		return bytes_str(arena_printf(a, "%lld", (long long)n->integer));
	case NODE_BOOL:
		return n->boolean ? BYTES("true") : BYTES("false");
	case NODE_FLOAT:
		return print_real(a, n->real);
	default:
		return BYTES_NONE;
	}
}
