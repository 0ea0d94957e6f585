/*
 * regex.c - one scan of ours in front of PCRE2's interpreter. The scan refuses what RE2 does not
 * have (white list: unknown escapes and group kinds are errors, so a newer PCRE2 adds nothing), and
 * weighs the pattern: how many bytes one attempt may walk over without the engine counting a step.
 * PCRE2's match limit counts backtracking points only, so the limit of each pattern is
 * REGEX_MATCH_LIMIT lowered for heavy ones: limit times weight is bounded, and with it the time.
 * NO_AUTO_POSSESS is part of that: a possessive loop walks uncounted. Groups do not capture (nobody
 * asks what matched), which keeps frames small. JIT was rejected: W^X, and it ignores limits of
 * this kind.
 */
#include "base/regex.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/check.h"
#include "base/mem.h"

#define NEST_MAX 50
#define REPEAT_MAX 1000
#define WEIGHT_MAX 4096
#define COMPILED_MAX (64 * 1024)
#define BUDGET (2000 * 1000) /* steps times weight */
#define HEAP_KB 4096

struct regex {
	pcre2_code *code;
	uint32_t limit;
};

static struct {
	pcre2_general_context *general;
	pcre2_compile_context *compile;
	pcre2_match_context *match;
	pcre2_match_data *data;
} engine;

static void *
engine_alloc(size_t n, void *arg)
{
	(void)arg;
	return mem_alloc(n);
}

static void
engine_free(void *p, void *arg)
{
	(void)arg;
	mem_free(p);
}

static void
engine_init(void)
{
	if (engine.data)
		return;
	engine.general = pcre2_general_context_create(engine_alloc, engine_free, NULL);
	HG_CHECK(engine.general != NULL);
	engine.compile = pcre2_compile_context_create(engine.general);
	engine.match = pcre2_match_context_create(engine.general);
	engine.data = pcre2_match_data_create(1, engine.general);
	HG_CHECK(engine.compile && engine.match && engine.data);
	pcre2_set_newline(engine.compile, PCRE2_NEWLINE_LF);
	pcre2_set_parens_nest_limit(engine.compile, NEST_MAX);
	pcre2_set_max_pattern_length(engine.compile, REGEX_TEXT_MAX);
	pcre2_set_heap_limit(engine.match, HEAP_KB);
}

/* The scan's state. weight[d] is what was seen so far in the group at depth d. */
struct scan {
	struct bytes text;
	size_t i;
	unsigned depth;
	uint32_t weight[NEST_MAX + 1];
	uint32_t last; /* weight of the last atom, 0 = nothing to repeat */
	const char *why;
};

static bool
refuse(struct scan *s, const char *why)
{
	s->why = why;
	return false;
}

static inline char
peek(const struct scan *s, size_t ahead)
{
	return s->i + ahead < s->text.n ? s->text.p[s->i + ahead] : '\0';
}

static void
atom(struct scan *s, uint32_t weight)
{
	s->last = HG_MAX(weight, 1u);
	s->weight[s->depth] += s->last;
}

static bool
scan_escape(struct scan *s, bool in_class)
{
	char c = peek(s, 1);

	if (c == '\0')
		return refuse(s, "pattern ends in a backslash");
	if (c >= '1' && c <= '9')
		return refuse(s, "back-references are not supported");
	if (((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) &&
	    !strchr(in_class ? "dDwWsSpPafnrtvxQE" : "dDwWsSpPafnrtvxQEbBAz", c))
		return refuse(s, strchr("gkK", c) ? "back-references are not supported" :
						    "this escape is not supported");
	s->i += 2;
	if (c != 'Q') {
		if (!in_class && !strchr("EbBAz", c))
			atom(s, 1);
		return true;
	}
	for (; s->i < s->text.n && !(peek(s, 0) == '\\' && peek(s, 1) == 'E'); s->i++)
		if (!in_class)
			atom(s, 1);
	return true;
}

static bool
scan_class(struct scan *s)
{
	s->i++;
	if (peek(s, 0) == '^')
		s->i++;
	for (bool first = true; s->i < s->text.n; first = false) {
		char c = peek(s, 0);

		if (c == ']' && !first) {
			s->i++;
			atom(s, 1);
			return true;
		}
		if (c == '\\') {
			if (!scan_escape(s, true))
				return false;
		} else if (c == '[' && peek(s, 1) == ':') {
			ptrdiff_t end = bytes_chr(s->text, ':', s->i + 2);

			/* [[:<:]] and [[:>:]] are word boundaries in PCRE2 only. */
			if (peek(s, 2) == '<' || peek(s, 2) == '>')
				return refuse(s, "this class is not supported");
			s->i = end > 0 && (size_t)end + 1 < s->text.n && s->text.p[end + 1] == ']' ?
			    (size_t)end + 2 : s->i + 1;
		} else {
			s->i++;
		}
	}
	return refuse(s, "missing ]");
}

static bool
scan_open(struct scan *s)
{
	char c = peek(s, 2);

	if (peek(s, 1) == '*')
		return refuse(s, "verbs are not supported");
	if (s->depth == NEST_MAX)
		return refuse(s, "groups are nested too deeply");
	if (peek(s, 1) != '?') {
		s->i++;
	} else if (c == '=' || c == '!' || (c == '<' && (peek(s, 3) == '=' || peek(s, 3) == '!'))) {
		return refuse(s, "look-around is not supported");
	} else if (c == '<' || (c == 'P' && peek(s, 3) == '<')) {
		s->i += c == '<' ? 3 : 4;
		while (s->i < s->text.n && peek(s, 0) != '>')
			s->i++;
		s->i++;
	} else {
		/* (?flags) and (?flags:…); (?: has none. x, R, digits, >, |, #, C, ', & are not
		 * RE2's. */
		for (s->i += 2; strchr("imsU-", peek(s, 0)) && peek(s, 0); s->i++)
			;
		c = peek(s, 0);
		if (c != ':' && c != ')')
			return refuse(s, "this kind of group is not supported");
		s->i++;
		if (c == ')') {
			s->last = 0;
			return true;
		}
	}
	s->weight[++s->depth] = 0;
	s->last = 0;
	return true;
}

/* {n}, {n,} and {n,m}; anything else in braces is literal text. */
static bool
braces(const struct scan *s, uint32_t *min, uint32_t *max, size_t *len)
{
	size_t i = 1, digits;
	uint32_t v[2] = {0, 0};

	for (unsigned k = 0; k < 2; k++) {
		for (digits = 0; peek(s, i) >= '0' && peek(s, i) <= '9'; i++, digits++)
			v[k] = HG_MIN(v[k] * 10 + (uint32_t)(peek(s, i) - '0'), 100000u);
		if (k == 0 && digits == 0)
			return false;
		if (peek(s, i) == '}') {
			*min = v[0];
			*max = k == 0 ? v[0] : digits ? v[1] : v[0];
			*len = i + 1;
			return true;
		}
		if (k == 1 || peek(s, i) != ',')
			return false;
		i++;
	}
	return false;
}

static bool
scan_repeat(struct scan *s)
{
	uint32_t min = 1, max = 1, extra;
	size_t len = 1;

	if (peek(s, 0) == '{' && !braces(s, &min, &max, &len)) {
		s->i++;
		atom(s, 1);
		return true;
	}
	if (s->last == 0)
		return refuse(s, "nothing to repeat");
	if (min > REPEAT_MAX || max > REPEAT_MAX)
		return refuse(s, "repeat count is above 1000");
	max = HG_MAX(max, 1u);
	if (__builtin_mul_overflow(s->last, max - 1, &extra) || extra > WEIGHT_MAX)
		return refuse(s, "repeats are too large");
	s->weight[s->depth] += extra;
	s->i += len;
	if (peek(s, 0) == '+')
		return refuse(s, "possessive repeats are not supported");
	if (peek(s, 0) == '?')
		s->i++;
	s->last = 0;
	return true;
}

static bool
scan_one(struct scan *s)
{
	switch (peek(s, 0)) {
	case '\\':
		return scan_escape(s, false);
	case '[':
		return scan_class(s);
	case '(':
		return scan_open(s);
	case ')':
		s->i++;
		if (s->depth == 0)
			return refuse(s, "unmatched )");
		s->depth--;
		atom(s, s->weight[s->depth + 1] + 1);
		return true;
	case '*':
	case '+':
	case '?':
	case '{':
		return scan_repeat(s);
	case '|':
	case '^':
	case '$':
		s->last = 0;
		break;
	default:
		atom(s, 1);
	}
	s->i++;
	return true;
}

static bool
scan_text(struct scan *s)
{
	if (s->text.n > REGEX_TEXT_MAX)
		return refuse(s, "pattern is longer than 1024 bytes");
	if (s->text.n && memchr(s->text.p, '\0', s->text.n))
		return refuse(s, "pattern has a NUL byte");
	while (s->i < s->text.n) {
		size_t at = s->i;

		if (!scan_one(s)) {
			s->i = at;
			return false;
		}
		if (s->weight[s->depth] > WEIGHT_MAX) {
			s->i = at;
			return refuse(s, "repeats are too large");
		}
	}
	return s->depth == 0 || refuse(s, "missing )");
}

struct regex *
regex_new(struct bytes text, char msgbuf[160], size_t *at)
{
	const uint32_t options = PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NO_AUTO_POSSESS |
	    PCRE2_NO_AUTO_CAPTURE | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_UTF |
	    PCRE2_NEVER_BACKSLASH_C;
	struct scan s = {.text = text};
	PCRE2_SIZE offset = 0, size = 0;
	struct regex *r;
	pcre2_code *code;
	int err;

	engine_init();
	if (!scan_text(&s)) {
		*at = HG_MIN(s.i, text.n);
		snprintf(msgbuf, 160, "%s", s.why);
		return NULL;
	}
	code = pcre2_compile((PCRE2_SPTR)(text.n ? text.p : ""), text.n, options, &err, &offset,
	    engine.compile);
	if (code == NULL) {
		*at = HG_MIN(offset, text.n);
		if (pcre2_get_error_message(err, (PCRE2_UCHAR *)msgbuf, 160) < 0)
			snprintf(msgbuf, 160, "invalid pattern");
		return NULL;
	}
	if (pcre2_pattern_info(code, PCRE2_INFO_SIZE, &size) != 0 || size > COMPILED_MAX) {
		pcre2_code_free(code);
		*at = 0;
		snprintf(msgbuf, 160, "repeats are too large");
		return NULL;
	}
	r = mem_alloc(sizeof(*r));
	r->code = code;
	r->limit = HG_MIN((uint32_t)REGEX_MATCH_LIMIT, BUDGET / (s.weight[0] + 1));
	return r;
}

void
regex_free(struct regex *r)
{
	if (r == NULL)
		return;
	pcre2_code_free(r->code);
	mem_free(r);
}

int
regex_match(const struct regex *r, struct bytes subject)
{
	int n;

	if (subject.n > REGEX_SUBJECT_MAX)
		return -1;
	pcre2_set_match_limit(engine.match, r->limit);
	n = pcre2_match(r->code, (PCRE2_SPTR)(subject.n ? subject.p : ""), subject.n, 0, 0,
	    engine.data, engine.match);
	return n >= 0 ? 1 : n == PCRE2_ERROR_NOMATCH ? 0 : -1;
}

/* Whether `|` stands outside of all groups: then no text is common to all matches. */
static bool
alternates(struct bytes text)
{
	struct scan s = {.text = text};

	while (s.i < text.n) {
		if (s.depth == 0 && text.p[s.i] == '|')
			return true;
		if (!scan_one(&s))
			return true; /* not a pattern that we accept: promise nothing */
	}
	return false;
}

struct bytes
regex_literal_prefix(struct bytes text, char *out, size_t cap)
{
	size_t o = 0, i = 0;

	if (alternates(text))
		return bytes_of(out, 0);
	while (i < text.n && text.p[i] == '^')
		i++;
	while (i < text.n && o < cap) {
		char c = text.p[i];
		size_t len = 1;

		if (c == '\\' && i + 1 < text.n) {
			c = text.p[i + 1];
			/* After an empty \Q\E a repeat still means the character before it. */
			if ((c == 'Q' || c == 'E') && o > 0)
				o--;
			if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
			    (c >= 'A' && c <= 'Z'))
				break;
			len = 2;
		} else if (strchr(".[($|)*+?{\\^", c)) {
			break;
		}
		/* A repeat of the next character may make it optional. */
		if (i + len < text.n && strchr("*?{", text.p[i + len]))
			break;
		out[o++] = c;
		i += len;
	}
	return bytes_of(out, o);
}
