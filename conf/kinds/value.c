/*
 * value.c - single values of a schema field: texts (length in characters, pattern, allowed words),
 * numbers (whole floats are integers, as in JSON), settings with units, and what is said about
 * them. Here are also the reports that the rules of the kinds make (rule_at, old_at).
 */
#include "conf/kinds/value.h"

#include <stdarg.h>

#include "base/parse.h"
#include "base/strbuf.h"
#include "conf/kinds/pattern.h"

/* ---- reporting */
void
rule_at(struct vctx *c, const struct node *n, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = arena_vprintf(c->arena, fmt, ap);
	va_end(ap);
	diag_at(c->d, CODE_RULE, n, "%s", text);
}

void
rule_at_key(struct vctx *c, const struct node *n, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = arena_vprintf(c->arena, fmt, ap);
	va_end(ap);
	diag_at_key(c->d, CODE_RULE, n, "%s", text);
}

void
old_at(struct vctx *c, const struct node *n, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	text = arena_vprintf(c->arena, fmt, ap);
	va_end(ap);
	diag_at_key(c->d, CODE_OLD_SPELLING, n, "%s", text);
}

const struct node *
rule_child(const struct node *n, const char *name)
{
	const struct node *child = node_get(n, name);

	return child ? child : n;
}

static const char *
type_word(const struct node *n)
{
	static const char *const words[] = {"null", "a boolean", "a number", "a number", "a string",
	    "a list", "a map"};

	return words[n->type];
}

void
value_wrong_type(struct vctx *c, const struct node *n, const char *want)
{
	struct diag *d = diag_at(c->d, CODE_WRONG_TYPE, n, "must be %s, not %s", want,
	    type_word(n));

	if (n->type == NODE_STRING && want[2] == 'n')
		diag_help(c->d, d, "write it without quotes");
	else if (n->type < NODE_STRING && n->type != NODE_NULL && want[2] == 's')
		diag_help(c->d, d, "put it in quotes: \"%.*s\"", BYTES_ARG(n->text));
	else if (want[2] == 'l' && n->type != NODE_LIST)
		diag_help(c->d, d, "write it as an item of a list: begin with \"- \"");
}

static void
not_allowed(struct vctx *c, const struct kfield *f, const struct node *n, struct bytes value)
{
	struct strbuf list = STRBUF_INIT;
	const char *near;
	struct diag *d;
	unsigned count = 0;

	if (c->d->room[DIAG_ERROR] == 0) {
		diag_at(c->d, CODE_ENUM, n, "unsupported value");
		return;
	}
	for (; f->names[count]; count++)
		strbuf_printf(&list, "%s%s", count ? ", " : "", f->names[count]);
	d = diag_at(c->d, CODE_ENUM, n, "unsupported value \"%.*s\"", BYTES_ARG(value));
	near = diag_nearest(value, f->names, count);
	if (near)
		diag_help(c->d, d, "did you mean \"%s\"?", near);
	diag_help(c->d, d, "possible values: %s", list.p);
	strbuf_release(&list);
}

/* ---- single values */
static uint32_t
characters(struct bytes b)
{
	uint32_t n = 0;

	for (size_t i = 0; i < b.n; i++)
		n += ((unsigned char)b.p[i] & 0xc0) != 0x80;
	return n;
}

static bool
date_time(struct bytes b)
{
	static const char shape[] = "0000-00-00T00:00:00";
	size_t i;

	if (b.n < sizeof(shape))
		return false;
	for (i = 0; i < sizeof(shape) - 1; i++)
		if (shape[i] == '0' ? b.p[i] < '0' || b.p[i] > '9' : b.p[i] != shape[i])
			return false;
	if (b.p[i] == '.')
		for (i++; i < b.n && b.p[i] >= '0' && b.p[i] <= '9'; i++)
			;
	if (i + 1 == b.n)
		return b.p[i] == 'Z';
	return i + 6 == b.n && (b.p[i] == '+' || b.p[i] == '-') && b.p[i + 3] == ':';
}

/* Lengths, pattern, allowed values of one text. */
bool
value_text(struct vctx *c, const struct kfield *f, const struct node *n, struct bytes v)
{
	if (f->min_len || f->max_len) {
		uint32_t chars = v.n <= f->max_len && v.n >= f->min_len * 4 ? f->min_len :
		    characters(v);

		if (chars < f->min_len || (f->max_len && chars > f->max_len)) {
			if (chars < f->min_len && v.n == 0)
				diag_at(c->d, CODE_LENGTH, n, "must not be empty");
			else
				diag_at(c->d, CODE_LENGTH, n,
				    "has %u characters, but must have %s %u", chars,
				    chars < f->min_len ? "at least" : "at most",
				    chars < f->min_len ? f->min_len :
				    f->max_len);
			return false;
		}
	}
	if (f->pattern && !f->pattern->match(v)) {
		diag_at(c->d, CODE_FORMAT, n, "\"%.*s\" is not %s", (int)HG_MIN(v.n, 80u), v.p,
		    f->pattern->what);
		return false;
	}
	if ((f->flags & FF_DATE_TIME) && !date_time(v)) {
		diag_at(c->d, CODE_FORMAT, n,
		    "must be a date and time such as 2026-01-31T12:00:00Z");
		return false;
	}
	for (unsigned i = 0; f->names; i++) {
		if (!f->names[i]) {
			not_allowed(c, f, n, v);
			return false;
		}
		if (bytes_eq(v, bytes_str(f->names[i])))
			break;
	}
	return true;
}

bool
value_int(struct vctx *c, const struct kfield *f, const struct node *n, int64_t *out)
{
	int64_t lo = f->has_min ? f->min : INT64_MIN, hi = f->has_max ? f->max : INT64_MAX;

	if (n->type == NODE_FLOAT && n->real > -9e15 && n->real < 9e15 &&
	    n->real == (double)(int64_t)n->real) {
		*out = (int64_t)n->real;
	} else if (n->type == NODE_INT) {
		*out = n->integer;
	} else {
		value_wrong_type(c, n, n->type == NODE_FLOAT ? "a whole number" : "a number");
		return false;
	}
	if (f->int32) {
		lo = HG_MAX(lo, INT32_MIN);
		hi = HG_MIN(hi, INT32_MAX);
	}
	if (*out < lo || *out > hi) {
		if (f->has_min && hi < INT32_MAX)
			diag_at(c->d, CODE_RANGE, n,
			    "%lld is out of range: must be between %lld and %lld",
			    (long long)*out, (long long)lo, (long long)hi);
		else
			diag_at(c->d, CODE_RANGE, n, "%lld is out of range: must be at %s %lld",
			    (long long)*out,
			    *out < lo ? "least" : "most", (long long)(*out < lo ? lo : hi));
		return false;
	}
	if (f->names) {
		char text[24];
		int len = snprintf(text, sizeof(text), "%lld", (long long)*out);

		return value_text(c, &(struct kfield){.names = f->names}, n,
		    bytes_of(text, (size_t)len));
	}
	return true;
}

uint8_t
value_enum(const struct kfield *f, struct bytes v)
{
	for (unsigned i = 0; f->names[i]; i++)
		if (bytes_eq(v, bytes_str(f->names[i])))
			return f->values ? f->values[i] : (uint8_t)(i + 1);
	return 0;
}

bool
value_is_string(struct vctx *c, const struct node *n)
{
	if (n->type == NODE_STRING)
		return true;
	value_wrong_type(c, n, "a string");
	return false;
}

void
value_limit(struct vctx *c, const struct kfield *f, const struct node *n, int64_t *out)
{
	uint64_t ms;
	int64_t v, milli;

	if (n->type == NODE_STRING && f->unit == UNIT_MS) {
		if (!parse_duration(n->text, &ms)) {
			diag_at(c->d, CODE_FORMAT, n, "\"%.*s\" is not %s", BYTES_ARG(n->text),
			    pat_duration.what);
			return;
		}
		v = (int64_t)ms;
	} else if (n->type == NODE_STRING && f->unit == UNIT_BYTES) {
		if (!parse_quantity(n->text, &milli) || milli % 1000) {
			diag_at(c->d, CODE_FORMAT, n,
			    "\"%.*s\" is not a size such as 8192, 64Ki or 1M",
			    BYTES_ARG(n->text));
			return;
		}
		v = milli / 1000;
	} else {
		if (value_int(c, f, n, &v) && out)
			*out = v;
		return;
	}
	if (v < f->min || v > f->max)
		diag_at(c->d, CODE_RANGE, n, "%lld is out of range: must be between %lld and %lld",
		    (long long)v,
		    (long long)f->min, (long long)f->max);
	else if (out)
		*out = v;
}

void
value_int_or_string(struct vctx *c, const struct kfield *f, const struct node *n,
    struct k_int_or_string *out)
{
	int64_t v = 0;
	bool quantity = f->flags & FF_QUANTITY;

	if (quantity && n->type == NODE_STRING && !parse_quantity(n->text, &v)) {
		diag_at(c->d, CODE_FORMAT, n, "\"%.*s\" is not a quantity such as 8192 or 64Ki",
		    (int)HG_MIN(n->text.n, 80u), n->text.p);
	} else if (n->type == NODE_STRING) {
		if (value_text(c, f, n, n->text) && out)
			*out = (struct k_int_or_string){.s = n->text, .set = true};
	} else if (n->type == NODE_INT) {
		if (value_int(c, &(struct kfield){.has_min = f->has_min, .has_max = f->has_max,
		    .min = f->min,
		    .max = f->max, .int32 = !quantity}, n, &v) && out)
			*out = (struct k_int_or_string){.i = v, .set = true};
	} else {
		value_wrong_type(c, n, "a number or a string");
	}
}
