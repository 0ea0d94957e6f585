/*
 * bind.c - node trees into bound structs by the schema tables: types, limits, patterns, list types,
 * defaults, and then the rules of the CRD. One binder for manifests, defaults, merged policies,
 * headgate.conf and (without a result) statuses, so that all of them are judged alike. It goes on
 * after an error, to report everything in one run; a struct's rules are checked only if its own
 * fields are good, as an API server does.
 *
 * A field is looked up by walking the table from where the last one was found: manifests keep the
 * order in which people think, and so do the tables. A perfect hash per table was rejected: the
 * walk is two compares on average.
 */
#include "conf/kinds/value.h"

#include "base/hash.h"
#include "base/parse.h"
#include "base/strbuf.h"

#define QUADRATIC_MAX 48 /* list items compared with each other; longer lists use a map */

static void bind_value(struct vctx *, const struct kfield *, struct node *, void *slot);

/* ---- lists */
static bool
good_count(struct vctx *c, const struct kfield *f, const struct node *n, uint32_t count)
{
	const char *one = f->type == FT_MAP ? "entry" : f->type == FT_STRUCT ? "member" : "item";
	const char *many = f->type == FT_MAP ? "entries" : f->type == FT_STRUCT ? "members" :
	    "items";

	if (count < f->min_items && (f->flags & FF_EXP_MIN_ITEMS))
		return true;
	if (count < f->min_items)
		diag_at(c->d, CODE_ITEMS, n, "must have at least %u %s", f->min_items,
		    f->min_items == 1 ? one : many);
	else if (f->max_items && count > f->max_items)
		diag_at(c->d, CODE_ITEMS, n, "has %u %s, but can have at most %u", count, many,
		    f->max_items);
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
		struct bytes part = scalar_key_text(c, node_getb(item, name),
		    schema_field(f->sub, name));

		if (!part.p)
			return BYTES_NONE;
		key = key.p ? bytes_str(arena_printf(c->arena, "%.*s/%.*s", BYTES_ARG(key),
		    BYTES_ARG(part))) : part;
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
	diag_at(c->d, CODE_DUPLICATE_ITEM, at,
	    "\"%.*s\" is there twice; the first one is in line %u", BYTES_ARG(key),
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
	return f->type == FT_LIST ? f->sub->size : f->type == FT_INTS ? sizeof(struct k_int) :
	    sizeof(struct bytes);
}

static void
bind_item(struct vctx *c, const struct kfield *f, struct node *item, void *to)
{
	int64_t v;

	if (f->type == FT_LIST) {
		if (item->type != NODE_MAP)
			value_wrong_type(c, item, "a map");
		else
			bind_fields(c, f->sub, item, to);
	} else if (f->type == FT_INTS) {
		if (value_int(c, f, item, &v) && to)
			*(struct k_int *)to = (struct k_int){v, true};
	} else if (value_is_string(c, item) && value_text(c, f, item, item->text) && to) {
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
		value_wrong_type(c, n, "a list");
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
	struct map seen;

	if (n->type != NODE_LIST || !n->doc || n->doc->syntax != DOC_LIBCONFIG)
		return;
	for (; item; item = item->next)
		if (item->type != NODE_MAP || item->n != 2 || !node_get(item, "key") ||
		    !node_get(item, "value") ||
		    node_get(item, "key")->type != NODE_STRING)
			return;
	item = n->first;
	*n = (struct node){.type = NODE_MAP, .at = n->at, .key_at = n->key_at, .key = n->key,
	    .parent = n->parent, .next = n->next, .doc = n->doc};
	map_init(&seen);
	while (item) {
		struct node *next = item->next, *key = node_get(item, "key"),
		    *value = node_get(item, "value");

		value->key = key->text;
		value->key_at = key->at;
		if (map_put(&seen, value->key, value))
			diag_at_key(c->d, CODE_DUPLICATE_KEY, value, "\"%.*s\" is there twice",
			    BYTES_ARG(value->key));
		else
			node_append(n, value);
		item = next;
	}
	map_release(&seen);
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
		if (!value_int(c, f, n, &v))
			return false;
		*out = bytes_str(arena_printf(c->arena, "%lld", (long long)v));
		return true;
	}
	*out = n->text;
	return value_is_string(c, n) && value_text(c, f, n, n->text) &&
	    (!(f->flags & FF_BASE64) || good_base64(c, n));
}

static void
bind_map(struct vctx *c, const struct kfield *f, struct node *n, k_map *out)
{
	uint32_t i = 0, count = 0;
	struct k_pair *v;

	bind_as_map(c, n);
	if (n->type != NODE_MAP) {
		value_wrong_type(c, n, "a map");
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
			diag_at_key(c->d, CODE_FORMAT, m, "key \"%.*s\" is not %s",
			    BYTES_ARG(m->key),
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
		value_wrong_type(c, n, "a map");
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
{ /* long: one case a type */
	uint64_t ms;
	int64_t v;

	switch ((enum field_type)f->type) {
	case FT_STRING:
		if (value_is_string(c, n) && value_text(c, f, n, n->text) && slot)
			*(struct bytes *)slot = n->text;
		break;
	case FT_ENUM:
		if (value_is_string(c, n) && value_text(c, f, n, n->text) && slot)
			*(uint8_t *)slot = value_enum(f, n->text);
		break;
	case FT_DURATION:
		if (value_is_string(c, n) && value_text(c, f, n, n->text) &&
		    parse_duration(n->text, &ms) && slot)
			*(struct k_duration *)slot = (struct k_duration){ms, true};
		break;
	case FT_INT:
		if (value_int(c, f, n, &v) && slot)
			*(struct k_int *)slot = (struct k_int){v, true};
		break;
	case FT_BOOL:
		if (n->type != NODE_BOOL)
			value_wrong_type(c, n, "true or false");
		else if (slot)
			*(struct k_bool *)slot = (struct k_bool){n->boolean, true};
		break;
	case FT_NUMBER:
		if (n->type != NODE_INT && n->type != NODE_FLOAT)
			value_wrong_type(c, n, "a number");
		else if (slot)
			*(struct k_number *)slot = (struct k_number){
			    n->type == NODE_INT ? (double)n->integer : n->real, true};
		break;
	case FT_STRUCT:
		bind_struct(c, f, n, slot);
		break;
	case FT_INLINE:
		if (n->type != NODE_MAP)
			value_wrong_type(c, n, "a group");
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
		value_int_or_string(c, f, n, slot);
		break;
	case FT_LIMIT:
		value_limit(c, f, n, slot);
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
		*(uint8_t *)slot = value_enum(f, text);
		break;
	case FT_INT:
		HG_CHECK(parse_i64(text, INT64_MIN, INT64_MAX, &v));
		((struct k_int *)slot)->v = v;
		break;
	case FT_BOOL:
		((struct k_bool *)slot)->v = text.p[0] == 't';
		break;
	case FT_NUMBER: /* whole ones only */
		HG_CHECK(parse_i64(text, INT64_MIN, INT64_MAX, &v));
		((struct k_number *)slot)->v = (double)v;
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
	d = diag_at_key(c->d, CODE_UNKNOWN_FIELD, n, "unknown field \"%.*s\" in %s",
	    (int)HG_MIN(n->key.n, 80u), n->key.p, s->name);
	if (c->d->room[DIAG_ERROR] == 0) /* only counted: no suggestions for a million of them */
		return -1;
	d->label = BYTES("unknown field");
	near = diag_nearest(n->key, names, HG_MIN(s->n, HG_ARRAY_LEN(names)));
	if (near) {
		diag_help(c->d, d, "did you mean \"%s\"?", near);
		return field_index(s, bytes_str(near), 0);
	}
	where = c->root ? schema_where(c->arena, c->root, n->key, s) : NULL;
	if (where)
		diag_help(c->d, d, "\"%.*s\" exists in %s%s", BYTES_ARG(n->key),
		    c->kind && !c->kind->spec_at_root && strcmp(where, c->root->name) ? "spec." :
		    "", where);
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
	struct diag *d = map->key.p ? diag_at_key(c->d, CODE_REQUIRED, map,
	    "required field \"%s\" is missing", f->name) :
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
