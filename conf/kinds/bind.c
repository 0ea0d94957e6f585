/*
 * bind.c - node trees into bound structs by the schema tables: types, limits, patterns, list types, defaults, and
 * then the rules of the CRD. One binder for manifests, defaults, merged policies, headgate.conf and (without a
 * result) statuses, so that all of them are judged alike. It goes on after an error, to report everything in one
 * run; a struct's rules are checked only if its own fields are good, as an API server does.
 *
 * A field is looked up by walking the table from where the last one was found: manifests keep the order in which
 * people think, and so do the tables. A perfect hash per table was rejected: the walk is two compares on average.
 */
#include "conf/kinds/bind.h"

#include <stdarg.h>

#include "base/hash.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "conf/kinds/pattern.h"

#define QUADRATIC_MAX 48 /* list items compared with each other; longer lists use a map */

static void bind_value(struct vctx *, const struct kfield *, struct node *, void *slot);

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
	static const char *const words[] = {"null", "a boolean", "a number", "a number", "a string", "a list", "a map"};

	return words[n->type];
}

static void
wrong_type(struct vctx *c, const struct node *n, const char *want)
{
	struct diag *d = diag_at(c->d, CODE_WRONG_TYPE, n, "must be %s, not %s", want, type_word(n));

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
static bool
good_text(struct vctx *c, const struct kfield *f, const struct node *n, struct bytes v)
{
	if (f->min_len || f->max_len) {
		uint32_t chars = v.n <= f->max_len && v.n >= f->min_len * 4 ? f->min_len : characters(v);

		if (chars < f->min_len || (f->max_len && chars > f->max_len)) {
			if (chars < f->min_len && v.n == 0)
				diag_at(c->d, CODE_LENGTH, n, "must not be empty");
			else
				diag_at(c->d, CODE_LENGTH, n, "has %u characters, but must have %s %u", chars,
				    chars < f->min_len ? "at least" : "at most", chars < f->min_len ? f->min_len :
				    f->max_len);
			return false;
		}
	}
	if (f->pattern && !f->pattern->match(v)) {
		diag_at(c->d, CODE_FORMAT, n, "\"%.*s\" is not %s", (int)HG_MIN(v.n, 80u), v.p, f->pattern->what);
		return false;
	}
	if ((f->flags & FF_DATE_TIME) && !date_time(v)) {
		diag_at(c->d, CODE_FORMAT, n, "must be a date and time such as 2026-01-31T12:00:00Z");
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

static bool
good_int(struct vctx *c, const struct kfield *f, const struct node *n, int64_t *out)
{
	int64_t lo = f->has_min ? f->min : INT64_MIN, hi = f->has_max ? f->max : INT64_MAX;

	if (n->type == NODE_FLOAT && n->real == (double)(int64_t)n->real && n->real > -9e15 && n->real < 9e15) {
		*out = (int64_t)n->real;
	} else if (n->type == NODE_INT) {
		*out = n->integer;
	} else {
		wrong_type(c, n, n->type == NODE_FLOAT ? "a whole number" : "a number");
		return false;
	}
	if (f->int32) {
		lo = HG_MAX(lo, INT32_MIN);
		hi = HG_MIN(hi, INT32_MAX);
	}
	if (*out < lo || *out > hi) {
		if (f->has_min && hi < INT32_MAX)
			diag_at(c->d, CODE_RANGE, n, "%lld is out of range: must be between %lld and %lld",
			    (long long)*out, (long long)lo, (long long)hi);
		else
			diag_at(c->d, CODE_RANGE, n, "%lld is out of range: must be at %s %lld", (long long)*out,
			    *out < lo ? "least" : "most", (long long)(*out < lo ? lo : hi));
		return false;
	}
	if (f->names) {
		char text[24];
		int len = snprintf(text, sizeof(text), "%lld", (long long)*out);

		return good_text(c, &(struct kfield){.names = f->names}, n, bytes_of(text, (size_t)len));
	}
	return true;
}

static uint8_t
enum_value(const struct kfield *f, struct bytes v)
{
	for (unsigned i = 0; f->names[i]; i++)
		if (bytes_eq(v, bytes_str(f->names[i])))
			return f->values ? f->values[i] : (uint8_t)(i + 1);
	return 0;
}

static bool
is_string(struct vctx *c, const struct node *n)
{
	if (n->type == NODE_STRING)
		return true;
	wrong_type(c, n, "a string");
	return false;
}

static void
bind_limit(struct vctx *c, const struct kfield *f, const struct node *n, int64_t *out)
{
	uint64_t ms;
	int64_t v, milli;

	if (n->type == NODE_STRING && f->unit == UNIT_MS) {
		if (!parse_duration(n->text, &ms)) {
			diag_at(c->d, CODE_FORMAT, n, "\"%.*s\" is not %s", BYTES_ARG(n->text), pat_duration.what);
			return;
		}
		v = (int64_t)ms;
	} else if (n->type == NODE_STRING && f->unit == UNIT_BYTES) {
		if (!parse_quantity(n->text, &milli) || milli % 1000) {
			diag_at(c->d, CODE_FORMAT, n, "\"%.*s\" is not a size such as 8192, 64Ki or 1M",
			    BYTES_ARG(n->text));
			return;
		}
		v = milli / 1000;
	} else {
		if (good_int(c, f, n, &v) && out)
			*out = v;
		return;
	}
	if (v < f->min || v > f->max)
		diag_at(c->d, CODE_RANGE, n, "%lld is out of range: must be between %lld and %lld", (long long)v,
		    (long long)f->min, (long long)f->max);
	else if (out)
		*out = v;
}

static void
bind_int_or_string(struct vctx *c, const struct kfield *f, const struct node *n, struct k_int_or_string *out)
{
	int64_t v = 0;

	if (n->type == NODE_STRING) {
		if (good_text(c, f, n, n->text) && out)
			*out = (struct k_int_or_string){.s = n->text, .set = true};
	} else if (n->type == NODE_INT) {
		if (good_int(c, &(struct kfield){.has_min = f->has_min, .has_max = f->has_max, .min = f->min,
		    .max = f->max, .int32 = true}, n, &v) && out)
			*out = (struct k_int_or_string){.i = v, .set = true};
	} else {
		wrong_type(c, n, "a number or a string");
	}
}

/* ---- lists */
static bool
good_count(struct vctx *c, const struct kfield *f, const struct node *n, uint32_t count)
{
	const char *one = f->type == FT_MAP ? "entry" : f->type == FT_STRUCT ? "member" : "item";
	const char *many = f->type == FT_MAP ? "entries" : f->type == FT_STRUCT ? "members" : "items";

	if (count < f->min_items && (f->flags & FF_EXP_MIN_ITEMS))
		return true;
	if (count < f->min_items)
		diag_at(c->d, CODE_ITEMS, n, "must have at least %u %s", f->min_items,
		    f->min_items == 1 ? one : many);
	else if (f->max_items && count > f->max_items)
		diag_at(c->d, CODE_ITEMS, n, "has %u %s, but can have at most %u", count, many, f->max_items);
	else
		return true;
	return false;
}

static struct bytes
scalar_key_text(struct vctx *c, const struct node *n, const struct kfield *f)
{
	if (!n && f && f->def && f->type == FT_STRING)
		return bytes_of(f->def + 1, strlen(f->def) - 2);
	if (!n)
		return BYTES_NONE;
	if (n->type == NODE_INT)
		return bytes_str(arena_printf(c->arena, "%lld", (long long)n->integer));
	return n->text;
}

/* What tells one item from another; absent if its keys are not there (that is told elsewhere). */
static struct bytes
item_key(struct vctx *c, const struct kfield *f, const struct node *item)
{
	struct bytes rest = bytes_str(f->keys), key = BYTES_NONE;

	if (f->list == LIST_SET)
		return item->type >= NODE_LIST ? BYTES_NONE : scalar_key_text(c, item, NULL);
	while (rest.p) {
		struct bytes name = bytes_cut(&rest, ',');
		struct bytes part = scalar_key_text(c, node_getb(item, name), schema_field(f->sub, name));

		if (!part.p)
			return BYTES_NONE;
		key = key.p ? bytes_str(arena_printf(c->arena, "%.*s/%.*s", BYTES_ARG(key), BYTES_ARG(part))) : part;
	}
	return key;
}

static void
told_twice(struct vctx *c, const struct kfield *f, const struct node *item, struct bytes key,
    const struct node *first)
{
	const struct node *at = item;

	if (f->list == LIST_MAP && !strchr(f->keys, ','))
		at = rule_child(item, f->keys);
	diag_at(c->d, CODE_DUPLICATE_ITEM, at, "\"%.*s\" is there twice; the first one is in line %u", BYTES_ARG(key),
	    first->at.line);
}

static void
check_unique(struct vctx *c, const struct kfield *f, const struct node *list)
{
	struct bytes keys[QUADRATIC_MAX];
	const struct node *nodes[QUADRATIC_MAX];
	struct map m;
	uint32_t n = 0;

	if (f->list == LIST_ATOMIC || list->n < 2)
		return;
	if (list->n > QUADRATIC_MAX)
		map_init(&m);
	for (const struct node *item = list->first; item; item = item->next) {
		struct bytes key = item_key(c, f, item);
		const struct node *first = NULL;

		if (!key.p)
			continue;
		if (list->n > QUADRATIC_MAX) {
			first = map_get(&m, key);
			if (!first)
				map_put(&m, key, (void *)item);
		} else {
			for (uint32_t i = 0; i < n && !first; i++)
				first = bytes_eq(keys[i], key) ? nodes[i] : NULL;
			keys[n] = key;
			nodes[n++] = item;
		}
		if (first)
			told_twice(c, f, item, key, first);
	}
	if (list->n > QUADRATIC_MAX)
		map_release(&m);
}

static size_t
elem_size(const struct kfield *f)
{
	return f->type == FT_LIST ? f->sub->size : f->type == FT_INTS ? sizeof(struct k_int) : sizeof(struct bytes);
}

static void
bind_item(struct vctx *c, const struct kfield *f, struct node *item, void *to)
{
	int64_t v;

	if (f->type == FT_LIST) {
		if (item->type != NODE_MAP)
			wrong_type(c, item, "a map");
		else
			bind_fields(c, f->sub, item, to);
	} else if (f->type == FT_INTS) {
		if (good_int(c, f, item, &v) && to)
			*(struct k_int *)to = (struct k_int){v, true};
	} else if (is_string(c, item) && good_text(c, f, item, item->text) && to) {
		*(struct bytes *)to = item->text;
	}
}

struct slot_list { /* any K_LIST */
	void *v;
	uint32_t n;
};

static void
bind_list(struct vctx *c, const struct kfield *f, struct node *n, struct slot_list *out)
{
	size_t size = out ? elem_size(f) : 0;
	char *v = NULL;
	uint32_t i = 0;

	if (n->type != NODE_LIST) {
		wrong_type(c, n, "a list");
		return;
	}
	good_count(c, f, n, n->n);
	if (out) {
		v = n->n > 0 && size > 0 ? arena_zalloc(c->arena, size * n->n) : (void *)"";
		out->v = v;
		out->n = n->n;
	}
	for (struct node *item = n->first; item; item = item->next, i++)
		bind_item(c, f, item, v ? v + i * size : NULL);
	check_unique(c, f, n);
}

/* ---- maps */
void
bind_as_map(struct vctx *c, struct node *n)
{
	struct node *item = n->first;

	if (n->type != NODE_LIST || !n->doc || n->doc->syntax != DOC_LIBCONFIG)
		return;
	for (; item; item = item->next)
		if (item->type != NODE_MAP || item->n != 2 || !node_get(item, "key") || !node_get(item, "value") ||
		    node_get(item, "key")->type != NODE_STRING)
			return;
	item = n->first;
	*n = (struct node){.type = NODE_MAP, .at = n->at, .key_at = n->key_at, .key = n->key, .parent = n->parent,
	    .next = n->next, .doc = n->doc};
	while (item) {
		struct node *next = item->next, *key = node_get(item, "key"), *value = node_get(item, "value");

		value->key = key->text;
		value->key_at = key->at;
		if (node_getb(n, value->key))
			diag_at_key(c->d, CODE_DUPLICATE_KEY, value, "\"%.*s\" is there twice", BYTES_ARG(value->key));
		else
			node_append(n, value);
		item = next;
	}
}

static bool
good_base64(struct vctx *c, const struct node *n)
{
	size_t len = n->text.n / 4 * 3 + 3;
	unsigned char *tmp = arena_alloc(c->arena, len);

	/* an API server's decoder skips line ends */
	if (bytes_chr(n->text, '\n', 0) >= 0 || parse_base64(n->text, tmp, &len))
		return true;
	diag_at(c->d, CODE_FORMAT, n, "is not base64");
	return false;
}

static bool
map_value(struct vctx *c, const struct kfield *f, const struct node *n, struct bytes *out)
{
	int64_t v;

	if (f->flags & FF_INT_VALUES) {
		if (!good_int(c, f, n, &v))
			return false;
		*out = bytes_str(arena_printf(c->arena, "%lld", (long long)v));
		return true;
	}
	*out = n->text;
	return is_string(c, n) && good_text(c, f, n, n->text) && (!(f->flags & FF_BASE64) || good_base64(c, n));
}

static void
bind_map(struct vctx *c, const struct kfield *f, struct node *n, k_map *out)
{
	uint32_t i = 0, count = 0;
	struct k_pair *v;

	bind_as_map(c, n);
	if (n->type != NODE_MAP) {
		wrong_type(c, n, "a map");
		return;
	}
	for (struct node *m = n->first; m; m = m->next)
		count += m->type != NODE_NULL;
	good_count(c, f, n, count);
	v = count ? arena_zalloc(c->arena, sizeof(*v) * count) : (struct k_pair *)(void *)"";
	for (struct node *m = n->first; m; m = m->next) {
		if (m->type == NODE_NULL)
			continue;
		if (f->key_pattern && !f->key_pattern->match(m->key))
			diag_at_key(c->d, CODE_FORMAT, m, "key \"%.*s\" is not %s", BYTES_ARG(m->key),
			    f->key_pattern->what);
		v[i].key = m->key;
		v[i].node = m;
		map_value(c, f, m, &v[i++].value);
	}
	if (out) {
		out->v = v;
		out->n = count;
	}
}

bool
bind_string_map(struct vctx *c, struct node *n, k_map *out)
{
	uint32_t before = c->d->errors;

	bind_map(c, &(struct kfield){.type = FT_MAP}, n, out);
	return c->d->errors == before;
}

/* ---- structs */
static void
bind_struct(struct vctx *c, const struct kfield *f, struct node *n, void **slot)
{
	void *base = NULL;

	if (n->type != NODE_MAP) {
		wrong_type(c, n, "a map");
		return;
	}
	if (f->min_items) {
		uint32_t count = 0;

		for (struct node *m = n->first; m; m = m->next)
			count += m->type != NODE_NULL;
		good_count(c, f, n, count);
	}
	if (slot && f->sub->size)
		*slot = base = arena_zalloc(c->arena, f->sub->size);
	bind_fields(c, f->sub, n, base);
}

static void
bind_value(struct vctx *c, const struct kfield *f, struct node *n, void *slot)
{
	uint64_t ms;
	int64_t v;

	switch ((enum field_type)f->type) {
	case FT_STRING:
		if (is_string(c, n) && good_text(c, f, n, n->text) && slot)
			*(struct bytes *)slot = n->text;
		break;
	case FT_ENUM:
		if (is_string(c, n) && good_text(c, f, n, n->text) && slot)
			*(uint8_t *)slot = enum_value(f, n->text);
		break;
	case FT_DURATION:
		if (is_string(c, n) && good_text(c, f, n, n->text) && parse_duration(n->text, &ms) && slot)
			*(struct k_duration *)slot = (struct k_duration){ms, true};
		break;
	case FT_INT:
		if (good_int(c, f, n, &v) && slot)
			*(struct k_int *)slot = (struct k_int){v, true};
		break;
	case FT_BOOL:
		if (n->type != NODE_BOOL)
			wrong_type(c, n, "true or false");
		else if (slot)
			*(struct k_bool *)slot = (struct k_bool){n->boolean, true};
		break;
	case FT_STRUCT:
		bind_struct(c, f, n, slot);
		break;
	case FT_INLINE:
		if (n->type != NODE_MAP)
			wrong_type(c, n, "a group");
		else
			bind_fields(c, f->sub, n, slot);
		break;
	case FT_LIST:
	case FT_STRINGS:
	case FT_INTS:
		bind_list(c, f, n, slot);
		break;
	case FT_MAP:
		bind_map(c, f, n, slot);
		break;
	case FT_INT_OR_STRING:
		bind_int_or_string(c, f, n, slot);
		break;
	case FT_LIMIT:
		bind_limit(c, f, n, slot);
		break;
	case FT_ANY:
		if (slot)
			*(struct node **)slot = n;
		break;
	case FT_IGNORED:
		break;
	}
}

/* ---- defaults: the JSON text of the CRD for scalars, a bound constant for the rest */
static void
bind_default(const struct kfield *f, void *slot)
{
	struct bytes text = bytes_str(f->def);
	uint64_t ms;
	int64_t v = 0;

	if (text.n >= 2 && text.p[0] == '"')
		text = bytes_of(text.p + 1, text.n - 2);
	switch ((enum field_type)f->type) {
	case FT_STRING:
		*(struct bytes *)slot = text;
		break;
	case FT_ENUM:
		*(uint8_t *)slot = enum_value(f, text);
		break;
	case FT_INT:
		HG_CHECK(parse_i64(text, INT64_MIN, INT64_MAX, &v));
		((struct k_int *)slot)->v = v;
		break;
	case FT_LIMIT:
		HG_CHECK(parse_i64(text, INT64_MIN, INT64_MAX, &v));
		*(int64_t *)slot = v;
		break;
	case FT_DURATION:
		HG_CHECK(parse_duration(text, &ms));
		((struct k_duration *)slot)->ms = ms;
		break;
	case FT_STRUCT:
		HG_CHECK(f->prebuilt);
		*(const void **)slot = f->prebuilt;
		break;
	case FT_LIST:
		HG_CHECK(f->prebuilt);
		memcpy(slot, f->prebuilt, sizeof(k_map));
		break;
	default:
		HG_CHECK(!"a default for this type");
	}
}

/* ---- fields of one map */
static bool
named(const struct kfield *f, struct bytes key)
{
	const char *name = f->name;

	/* mostly decided by the first byte: a call would cost more */
	for (size_t i = 0; i < key.n; i++)
		if (name[i] != key.p[i])
			return false; /* also at the name's end: keys have no NUL */
	return name[key.n] == '\0';
}

static int
field_index(const struct kstruct *s, struct bytes key, unsigned from)
{
	if (key.n == 0)
		return -1;
	for (unsigned k = 0, i = from; k < s->n; k++, i = i + 1 < s->n ? i + 1 : 0)
		if (named(&s->fields[i], key))
			return (int)i;
	/* limits in milliseconds may be written without their unit: heartbeat = "2s" */
	for (unsigned i = 0; i < s->n && s->fields[0].type == FT_LIMIT; i++)
		if (s->fields[i].unit == UNIT_MS && strlen(s->fields[i].name) == key.n + 3 &&
		    memcmp(s->fields[i].name, key.p, key.n) == 0)
			return (int)i;
	return -1;
}

const struct kfield *
schema_field(const struct kstruct *s, struct bytes name)
{
	int i = field_index(s, name, 0);

	return i < 0 ? NULL : &s->fields[i];
}

/* Which field was meant: its index, or -1. */
static int
unknown_field(struct vctx *c, const struct kstruct *s, const struct node *n)
{
	const char *names[128], *near, *where;
	struct diag *d;

	for (unsigned i = 0; i < s->n && i < HG_ARRAY_LEN(names); i++)
		names[i] = s->fields[i].name;
	d = diag_at_key(c->d, CODE_UNKNOWN_FIELD, n, "unknown field \"%.*s\" in %s", (int)HG_MIN(n->key.n, 80u), n->key.p,
	    s->name);
	d->label = BYTES("unknown field");
	near = diag_nearest(n->key, names, HG_MIN(s->n, HG_ARRAY_LEN(names)));
	if (near) {
		diag_help(c->d, d, "did you mean \"%s\"?", near);
		return field_index(s, bytes_str(near), 0);
	}
	where = c->root ? schema_where(c->arena, c->root, n->key, s) : NULL;
	if (where)
		diag_help(c->d, d, "\"%.*s\" exists in %s%s", BYTES_ARG(n->key),
		    c->kind && !c->kind->spec_at_root && strcmp(where, c->root->name) ? "spec." : "", where);
	if (s->n > 0 && s->n <= 12) {
		struct strbuf list = STRBUF_INIT;

		for (unsigned i = 0; i < s->n; i++)
			strbuf_printf(&list, "%s%s", i ? ", " : "", s->fields[i].name);
		diag_help(c->d, d, "fields here: %s", list.p);
		strbuf_release(&list);
	}
	return -1;
}

static void
missing(struct vctx *c, const struct kfield *f, const struct node *map)
{
	struct diag *d = map->key.p ? diag_at_key(c->d, CODE_REQUIRED, map, "required field \"%s\" is missing", f->name) :
	    diag_at(c->d, CODE_REQUIRED, map, "required field \"%s\" is missing", f->name);

	diag_help(c->d, d, "%s: %s", f->name, f->doc);
}

void
bind_fields(struct vctx *c, const struct kstruct *s, struct node *map, void *base)
{
	uint32_t before = c->d->errors;
	uint64_t seen = 0, meant = 0;
	unsigned next = 0;

	HG_CHECK(s->n <= 64);
	if (s->upgrade)
		s->upgrade(c, map);
	if (base && s->size && !(s->flags & FF_NO_NODE))
		*(struct node **)base = map;
	for (struct node *n = map->first; n; n = n->next) {
		int i;

		if (n->type == NODE_NULL)
			continue;
		i = field_index(s, n->key, next);
		if (i < 0) {
			if (!(s->flags & FF_IGNORE_UNKNOWN) && (i = unknown_field(c, s, n)) >= 0)
				meant |= 1ull << i;
			continue;
		}
		next = (unsigned)i;
		seen |= 1ull << i;
		bind_value(c, &s->fields[i], n, base ? (char *)base + s->fields[i].off : NULL);
	}
	for (unsigned i = 0; i < s->n; i++) {
		const struct kfield *f = &s->fields[i];

		if (seen & 1ull << i)
			continue;
		if (f->def && base)
			bind_default(f, (char *)base + f->off);
		else if ((f->flags & FF_REQUIRED) && !(meant & 1ull << i))
			missing(c, f, map);
	}
	if (s->check && base && c->d->errors == before)
		s->check(c, base);
}

void *
struct_bind(struct arena *a, struct diags *d, const struct kstruct *s, struct node *n)
{
	struct vctx c = {.arena = a, .d = d, .root = s};
	uint32_t before = d->errors;
	void *base = NULL;

	bind_struct(&c, &(struct kfield){.type = FT_STRUCT, .sub = s}, n, &base);
	return d->errors == before ? base : NULL;
}

bool
struct_valid(struct arena *a, struct diags *d, const struct kstruct *s, struct node *n)
{
	struct vctx c = {.arena = a, .d = d, .root = s};
	uint32_t before = d->errors;

	bind_struct(&c, &(struct kfield){.type = FT_STRUCT, .sub = s}, n, NULL);
	return d->errors == before;
}
