/*
 * libconfig_scan.c - our own reader of libconfig text: recursive descent over the whole grammar,
 * bounded in depth, with a mark for every name and value. It is as strict as the library and
 * stricter where the library is silently wrong: @include, integers that would wrap, leading zeros,
 * zero bytes. A mistake in a value is reported and reading goes on; a mistake in the grammar ends
 * it. Columns are counted along the way, never from the start of the line again, so that one line
 * of 16 MB costs what it should.
 */
#include <errno.h>
#include <stdarg.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/strbuf.h"
#include "conf/read/codes.h"
#include "conf/read/scan.h"

#define WALK_MAX 16 /* members of a group up to which a walk is quicker than a hash */
#define TOKEN_MAX 64

struct scan {
	struct read_job *job;
	struct doc *doc;
	struct bytes t;
	size_t pos;
	uint32_t line;
	unsigned col;
	unsigned depth;
	uint32_t nodes;
	bool bad, stop; /* some error; one that ends it */
};

static struct node *value(struct scan *, bool in_array);
static bool members(struct scan *, struct node *group, char end);

static struct mark
here(const struct scan *s)
{
	unsigned col = HG_MIN(s->col, (unsigned)UINT16_MAX - 1);

	return (struct mark){s->line, (uint16_t)col, (uint16_t)(col + 1)};
}

static struct diag *
fail(struct scan *s, unsigned code, struct mark at, const char *fmt, ...) HG_PRINTF(4, 5);

static struct diag *
fail(struct scan *s, unsigned code, struct mark at, const char *fmt, ...)
{
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	s->bad = true;
	return diag_file(
	    s->job->diags, (uint16_t)code, s->job->proto.file, at, s->job->proto.text, "%s", msg);
}

static void
syntax(struct scan *s, unsigned code, struct mark at, const char *msg, const char *help)
{
	struct diag *d;

	if (s->stop)
		return;
	s->stop = true;
	d = fail(s, code, at, "%s", msg);
	if (help)
		diag_help(s->job->diags, d, "%s", help);
	d->effect = BYTES("nothing of this file is read");
}

static int
peek(const struct scan *s, size_t ahead)
{
	return s->pos + ahead < s->t.n ? (unsigned char)s->t.p[s->pos + ahead] : -1;
}

static void
step(struct scan *s)
{
	if (s->t.p[s->pos] == '\n') {
		s->line++;
		s->col = 1;
	} else if ((s->t.p[s->pos] & 0xc0) != 0x80) {
		s->col++;
	}
	s->pos++;
}

static void
comment(struct scan *s)
{
	struct mark at = here(s);

	if (peek(s, 0) == '/' && peek(s, 1) == '*') {
		step(s);
		step(s);
		while (peek(s, 0) >= 0 && !(peek(s, 0) == '*' && peek(s, 1) == '/'))
			step(s);
		if (peek(s, 0) < 0) {
			syntax(s, CODE_SYNTAX, at, "comment does not end", "add */");
			return;
		}
		step(s);
		step(s);
		return;
	}
	while (peek(s, 0) >= 0 && peek(s, 0) != '\n')
		step(s);
}

/* Over blanks and comments; the next byte, or -1 at the end or after a syntax error. */
static int
next(struct scan *s)
{
	for (;;) {
		int c = s->stop ? -1 : peek(s, 0);

		if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f')
			step(s);
		else if (c == '#' || (c == '/' && (peek(s, 1) == '/' || peek(s, 1) == '*')))
			comment(s);
		else
			break;
	}
	if (!s->stop && peek(s, 0) == '@')
		syntax(s, CODE_INCLUDE, here(s), "@include is not allowed",
		    "put the settings into this file");
	return s->stop ? -1 : peek(s, 0);
}

static struct node *
make(struct scan *s, enum node_type type, struct mark at)
{
	struct node *n;

	if (++s->nodes > READ_CONF_NODES_MAX) {
		syntax(
		    s, CODE_LIMIT, at, "file has too many settings", "split it into several files");
		return NULL;
	}
	n = node_new(s->job->arena, type, s->doc);
	n->at = at;
	return n;
}

static int
hex(int c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* After a backslash. Unknown escapes are a literal backslash, as the library has it. */
static void
escape(struct scan *s, struct strbuf *out)
{
	static const char from[] = "nrtf\\\"", to[] = "\n\r\t\f\\\"";
	struct mark at = here(s);
	const char *known;
	int c;

	step(s);
	c = peek(s, 0);
	known = c > 0 ? strchr(from, c) : NULL;
	if (known) {
		step(s);
		strbuf_addc(out, to[known - from]);
	} else if ((c == 'x' || c == 'X') && hex(peek(s, 1)) >= 0 && hex(peek(s, 2)) >= 0) {
		int v = hex(peek(s, 1)) * 16 + hex(peek(s, 2));

		step(s);
		step(s);
		step(s);
		if (v == 0)
			fail(s, CODE_ESCAPE, at, "text holds a zero byte");
		else
			strbuf_addc(out, (char)v);
	} else {
		strbuf_addc(out, '\\');
	}
}

static void
quoted(struct scan *s, struct strbuf *out)
{
	struct mark at = here(s);

	step(s);
	while (peek(s, 0) >= 0 && peek(s, 0) != '"') {
		size_t from = s->pos;

		if (peek(s, 0) == '\\') {
			escape(s, out);
			continue;
		}
		while (peek(s, 0) >= 0 && peek(s, 0) != '"' && peek(s, 0) != '\\')
			step(s);
		strbuf_add(out, bytes_of(s->t.p + from, s->pos - from));
	}
	if (peek(s, 0) < 0)
		syntax(s, CODE_SYNTAX, at, "text in quotes does not end", "add the closing quote");
	else
		step(s);
}

/* One or more adjacent strings, joined. */
static struct node *
string(struct scan *s)
{
	struct strbuf out = STRBUF_INIT;
	struct node *n = make(s, NODE_STRING, here(s));
	size_t bad;

	if (n == NULL)
		return NULL;
	do {
		quoted(s, &out);
		n->at.endcol = n->at.line == s->line ? here(s).col : n->at.endcol;
	} while (next(s) == '"');
	n->text = arena_bytes(s->job->arena, out.n ? strbuf_bytes(&out) : BYTES(""));
	strbuf_release(&out);
	if (n->text.n > READ_SCALAR_MAX)
		fail(s, CODE_LIMIT, n->at, "value has %zu bytes, more than 1 MB", n->text.n);
	else if (!bytes_utf8(n->text, &bad))
		fail(s, CODE_NOT_UTF8, n->at,
		    "escapes make byte 0x%02x at offset %zu, which is not UTF-8",
		    (unsigned char)n->text.p[bad], bad);
	return n;
}

static bool
word_char(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	    c == '_' || c == '-' || c == '*';
}

static struct bytes
word(struct scan *s, bool number)
{
	size_t from = s->pos;

	while (word_char(peek(s, 0)) || (number && (peek(s, 0) == '.' || peek(s, 0) == '+')))
		step(s);
	return bytes_of(s->t.p + from, s->pos - from);
}

/* [+-]?digits or 0x digits, with L or LL behind. False: it is no integer at all. */
static bool
integer(struct scan *s, struct node *n, struct bytes w)
{
	bool minus = w.p[0] == '-', is_hex, wide = false, big = false;
	struct diag *d = NULL;
	uint64_t v = 0;
	size_t i = w.p[0] == '-' || w.p[0] == '+';

	for (unsigned l = 0; l < 2 && w.n > i && w.p[w.n - 1] == 'L'; l++, wide = true)
		w.n--;
	is_hex = i == 0 && w.n > 2 && w.p[0] == '0' && (w.p[1] | 0x20) == 'x';
	if (is_hex)
		i = 2;
	if (i == w.n)
		return false;
	for (size_t k = i; k < w.n; k++) {
		int digit = hex((unsigned char)w.p[k]);

		if (digit < 0 || (!is_hex && digit > 9))
			return false;
		big = big || __builtin_mul_overflow(v, is_hex ? 16u : 10u, &v) ||
		    __builtin_add_overflow(v, (unsigned)digit, &v);
	}
	n->type = NODE_INT;
	n->integer = (int64_t)(minus ? 0 - v : v);
	if (big || v > (uint64_t)INT64_MAX + minus) {
		fail(s, CODE_INTEGER_SIZE, n->at, "%.*s does not fit in 64 bits", BYTES_ARG(w));
	} else if (!wide && (n->integer > INT32_MAX || n->integer < INT32_MIN)) {
		d = fail(s, CODE_INTEGER_SIZE, n->at, "%.*s does not fit in 32 bits", BYTES_ARG(w));
		diag_help(s->job->diags, d, "write %.*sL", BYTES_ARG(w));
	} else if (!is_hex && w.n - i > 1 && w.p[i] == '0') {
		d = fail(s, CODE_LEADING_ZERO, n->at, "%.*s has a leading zero", BYTES_ARG(w));
		diag_help(s->job->diags, d,
		    "write %lld, or 0x… for another base, or \"%.*s\" if it is text",
		    (long long)n->integer, BYTES_ARG(w));
	}
	return true;
}

static bool
real(struct node *n, struct bytes w)
{
	char text[TOKEN_MAX + 1], *end;
	bool digit = false;

	if (w.n > TOKEN_MAX)
		return false;
	for (size_t i = 0; i < w.n; i++) {
		if (w.p[i] >= '0' && w.p[i] <= '9')
			digit = true;
		else if (w.p[i] == '\0' || !strchr(".eE+-", w.p[i]))
			return false;
	}
	memcpy(text, w.p, w.n);
	text[w.n] = '\0';
	errno = 0;
	n->real = strtod(text, &end);
	n->type = NODE_FLOAT;
	return digit && *end == '\0' && errno == 0;
}

static struct node *
plain(struct scan *s)
{
	struct mark at = here(s);
	struct bytes w = word(s, true);
	struct node *n;

	at.endcol = here(s).col;
	if (w.n == 0) {
		at.endcol = (uint16_t)(at.col + 1);
		syntax(s, CODE_SYNTAX, at, "value expected", NULL);
		return NULL;
	}
	n = make(s, NODE_BOOL, at);
	if (n == NULL)
		return NULL;
	n->text = w;
	if (bytes_eqi(w, BYTES("true")) || bytes_eqi(w, BYTES("false")))
		n->boolean = w.n == 4;
	else if (!integer(s, n, w) && !real(n, w))
		syntax(s, CODE_SYNTAX, at, "value is no number, true or false",
		    "put text in double quotes");
	return n;
}

/* Something else where `end` could stand too. */
static void
unclosed(struct scan *s, const struct node *open, const char *msg)
{
	char help[80];

	snprintf(help, sizeof(help), "the bracket of line %u, column %u is still open",
	    open->at.line, open->at.col);
	syntax(s, CODE_SYNTAX, here(s), msg, help);
}

/* What a list or an array holds, up to its end. */
static bool
items(struct scan *s, struct node *list, char end)
{
	bool array = end == ']';

	if (next(s) == end)
		return true;
	for (;;) {
		struct node *n = value(s, array);

		if (n == NULL || s->stop)
			return false;
		node_append(list, n);
		if (array && n->type != list->first->type) {
			fail(s, CODE_SYNTAX, n->at, "values of an array [ … ] must be of one type");
			s->stop = true;
			return false;
		}
		if (next(s) == end)
			return true;
		if (next(s) != ',') {
			unclosed(s, list, array ? "`,` or `]` expected" : "`,` or `)` expected");
			return false;
		}
		step(s);
		if (next(s) == end) {
			syntax(s, CODE_SYNTAX, here(s), "value expected after `,`",
			    "remove the last comma");
			return false;
		}
	}
}

static struct node *
aggregate(struct scan *s, char open)
{
	struct node *n = make(s, open == '{' ? NODE_MAP : NODE_LIST, here(s));
	char end = open == '{' ? '}' : open == '(' ? ')' : ']';

	if (n == NULL)
		return NULL;
	if (s->depth == READ_DEPTH_MAX) {
		syntax(s, CODE_LIMIT, n->at, "settings are nested more than 64 deep", NULL);
		return NULL;
	}
	s->depth++;
	step(s);
	if (!(open == '{' ? members(s, n, end) : items(s, n, end)))
		return NULL;
	s->depth--;
	step(s);
	return n;
}

static struct node *
value(struct scan *s, bool in_array)
{
	int c = next(s);

	if (c == '"')
		return string(s);
	if (c == '{' || c == '(' || c == '[') {
		if (in_array) {
			syntax(s, CODE_SYNTAX, here(s), "an array [ … ] holds only single values",
			    "use a list ( … ) for groups and lists");
			return NULL;
		}
		return aggregate(s, (char)c);
	}
	if (c < 0) {
		syntax(s, CODE_SYNTAX, here(s), "value expected, but the file ends", NULL);
		return NULL;
	}
	return plain(s);
}

static struct node *
find(const struct node *group, const struct map *index, struct bytes key)
{
	if (index->cap)
		return map_get(index, key);
	return node_getb(group, key);
}

/* Appended to its group unless the name is there already. */
static void
add(struct scan *s, struct node *group, struct map *index, struct node *n)
{
	struct node *old = find(group, index, n->key);
	struct diag *d;

	if (old) {
		d = fail(s, CODE_DUPLICATE_KEY, n->key_at, "\"%.*s\" is given twice",
		    (int)HG_MIN(n->key.n, (size_t)100), n->key.p);
		diag_help(s->job->diags, d, "the first one is at line %u, column %u",
		    old->key_at.line, old->key_at.col);
		return;
	}
	node_append(group, n);
	if (index->cap) {
		map_put(index, n->key, n);
	} else if (group->n > WALK_MAX) {
		map_init(index);
		for (struct node *c = group->first; c; c = c->next)
			map_put(index, c->key, c);
	}
}

/* name = value, with ; or , behind. NULL: syntax error. */
static struct node *
member(struct scan *s)
{
	struct mark at = here(s);
	int c = peek(s, 0);
	struct bytes key;
	struct node *n;

	if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '*')) {
		syntax(s, CODE_SYNTAX, at, "name of a setting expected",
		    c == '"' ?
			"names are not quoted; for a name with . or / write { key = \"…\"; value "
			"= …; }" :
			NULL);
		return NULL;
	}
	key = word(s, false);
	at.endcol = here(s).col;
	c = next(s);
	if (c != '=' && c != ':') {
		syntax(s, CODE_SYNTAX, here(s), "`=` expected after the name",
		    c == '.' || c == '/' ?
			"for a name with . or / write { key = \"…\"; value = …; }" :
			NULL);
		return NULL;
	}
	step(s);
	n = value(s, false);
	if (n == NULL)
		return NULL;
	n->key = key;
	n->key_at = at;
	c = next(s);
	if (c == ';' || c == ',')
		step(s);
	return n;
}

static bool
members(struct scan *s, struct node *group, char end)
{
	struct map index = {0};
	int c;

	while ((c = next(s)) >= 0 && c != end) {
		struct node *n;

		if (end && (c == ')' || c == ']')) {
			unclosed(s, group, "`}` expected");
			break;
		}
		n = member(s);
		if (n == NULL || s->stop)
			break;
		add(s, group, &index, n);
		if (group->n > READ_CONF_MEMBERS_MAX)
			syntax(s, CODE_LIMIT, n->key_at, "group has too many members", NULL);
	}
	map_release(&index);
	if (!s->stop && c < 0 && end)
		syntax(s, CODE_SYNTAX, group->at, "`{` without its `}`", NULL);
	return !s->stop;
}

struct node *
scan_libconfig(struct read_job *job, struct doc *doc)
{
	struct scan s = {.job = job, .doc = doc, .t = job->proto.text, .line = 1, .col = 1};
	struct node *root;

	if (bytes_starts(s.t, BYTES("\xef\xbb\xbf")))
		s.pos = 3;
	root = make(&s, NODE_MAP, here(&s));
	members(&s, root, '\0');
	doc->first_line = 1;
	doc->last_line = s.line;
	return s.bad ? NULL : root;
}
