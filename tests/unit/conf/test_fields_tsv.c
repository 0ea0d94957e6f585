/*
 * test_fields_tsv.c - the schema tables against ../shared/gateway-api/fields-v1.7.0.tsv, every
 * attribute of every field of every version in both channels, in both directions: the tables are
 * written out in the columns of that file, and the two sets of lines must be the same.
 */
#include "tests/unit/conf/kinds_help.h"

#include "base/hash.h"

#define COLUMNS 22

struct lines {
	struct arena arena;
	struct map map;        /* "channel kind version path" -> the attribute columns */
	struct bytes *keys;
	size_t n, cap;
};

static void
lines_add(struct lines *l, const char *key, const char *value)
{
	struct bytes k = arena_bytes(&l->arena, bytes_str(key));

	assert_null(map_put(&l->map, k, arena_dup(&l->arena, bytes_str(value))));
	l->keys = arena_grow(&l->arena, l->keys, &l->cap, l->n, sizeof(*l->keys));
	l->keys[l->n++] = k;
}

/* ---- the tables, written out */
struct out {
	struct lines *l;
	const char *prefix; /* "standard Gateway v1 " */
	bool standard;
};

struct row {
	const char *type, *format, *def, *pattern, *list, *keys;
	char names[512];
	char min[24], max[24], min_len[12], max_len[12], min_items[12], max_items[12],
	    min_props[12], max_props[12];
	bool required;
	int cel;
};

static void
number(char out[12], uint32_t v)
{
	if (v)
		snprintf(out, 12, "%u", v);
}

static void
emit(struct out *o, const char *path, const struct row *r)
{
	char key[1024], value[4096], cel[12] = "";

	snprintf(key, sizeof(key), "%s%s", o->prefix, path);
	number(cel, (uint32_t)r->cel);
	snprintf(value, sizeof(value), "%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s|%s",
	    r->type,
	    r->format ? r->format : "", r->required ? "yes" : "", r->def ? r->def : "", r->names,
	    r->min, r->max,
	    r->min_len, r->max_len, r->min_items, r->max_items, r->min_props, r->max_props,
	    r->pattern ? r->pattern : "", r->list ? r->list : "", r->keys ? r->keys : "", cel);
	lines_add(o->l, key, value);
}

static void
put_names(struct row *r, const struct kfield *f, bool standard)
{
	unsigned n = 0;

	while (f->names && f->names[n])
		n++;
	if (f->names && standard)
		n -= f->names_exp;
	for (unsigned i = 0; i < n; i++)
		snprintf(r->names + strlen(r->names), sizeof(r->names) - strlen(r->names), "%s%s",
		    i ? "|" : "",
		    f->names[i]);
}

static void
put_scalar(struct row *r, const struct kfield *f, bool standard)
{
	bool number_type = f->type == FT_INT || f->type == FT_INTS;

	r->type = number_type ? "integer" : f->type == FT_BOOL ? "boolean" : "string";
	if (number_type)
		r->format = f->int32 ? "int32" : f->flags & FF_INT64 ? "int64" : NULL;
	else if (f->flags & FF_DATE_TIME)
		r->format = "date-time";
	put_names(r, f, standard);
	if (f->has_min)
		snprintf(r->min, sizeof(r->min), "%lld", (long long)f->min);
	if (f->has_max)
		snprintf(r->max, sizeof(r->max), "%lld", (long long)f->max);
	number(r->min_len, f->min_len);
	number(r->max_len, f->max_len);
	if (f->pattern && !(standard && (f->flags & FF_EXP_PATTERN)))
		r->pattern = f->pattern->text;
}

static void emit_struct(struct out *, const struct kstruct *, const char *path);

static int
struct_cel(const struct kstruct *s, bool standard)
{
	return standard ? s->cel - s->cel_std : s->cel;
}

static void
emit_field(struct out *o, const struct kfield *f, const char *parent)
{
	struct row r = {.required = f->flags & FF_REQUIRED, .def = f->def,
	    .cel = f->cel - (o->standard ? f->cel_std : 0)};
	struct row item = {0};
	bool list = f->type == FT_LIST || f->type == FT_STRINGS || f->type == FT_INTS;
	char path[512], below[520];

	snprintf(path, sizeof(path), "%s.%s", parent, f->name);
	snprintf(below, sizeof(below), "%s%s", path, list ? "[]" : "{}");
	if (list) {
		r.type = "array";
		r.list = f->list == LIST_SET ? "set" : f->list == LIST_MAP ? "map" : "atomic";
		r.keys = f->keys;
		if (!(o->standard && (f->flags & FF_EXP_MIN_ITEMS)))
			number(r.min_items, f->min_items);
		number(r.max_items, f->max_items);
		emit(o, path, &r);
		if (f->type == FT_LIST) {
			item.type = "object";
			item.cel = struct_cel(f->sub, o->standard);
		} else {
			put_scalar(&item, f, o->standard);
		}
		emit(o, below, &item);
		if (f->type == FT_LIST)
			emit_struct(o, f->sub, below);
		return;
	}
	if (f->type == FT_STRUCT || f->type == FT_MAP) {
		r.type = "object";
		number(r.min_props, f->min_items);
		number(r.max_props, f->max_items);
		if (f->type == FT_STRUCT)
			r.cel += struct_cel(f->sub, o->standard);
		emit(o, path, &r);
		if (f->type == FT_STRUCT) {
			emit_struct(o, f->sub, path);
		} else {
			put_scalar(&item, f, o->standard);
			emit(o, below, &item);
		}
		return;
	}
	put_scalar(&r, f, o->standard);
	emit(o, path, &r);
}

static void
emit_struct(struct out *o, const struct kstruct *s, const char *path)
{
	for (unsigned i = 0; i < s->n; i++)
		if (!o->standard || !(s->fields[i].flags & FF_EXPERIMENTAL))
			emit_field(o, &s->fields[i], path);
}

static void
emit_kind(struct lines *l, const struct kind *k, struct bytes version, bool standard)
{
	const struct kstruct *s = kind_spec(k, version);
	char prefix[128];
	struct out o = {l, prefix, standard};

	snprintf(prefix, sizeof(prefix), "%s %s %.*s ", standard ? "standard" : "experimental",
	    k->name,
	    BYTES_ARG(version));
	emit(&o, "spec", &(struct row){.type = "object", .required = true,
	    .cel = struct_cel(s, standard)});
	emit_struct(&o, s, "spec");
	if (!k->status_schema)
		return;
	emit(&o, "status", &(struct row){.type = "object", .def = k->status_def});
	emit_struct(&o, k->status_schema, "status");
}

/* ---- the file */
static void
read_tsv(struct lines *l, char *text)
{
	char *line = strchr(text, '\n') + 1; /* the first has the names */

	while (*line) {
		char *end = strchr(line, '\n'), *col[COLUMNS] = {0}, key[1024], value[4096];
		unsigned n = 0;

		*end = '\0';
		for (char *at = line; n < COLUMNS; n++) {
			char *tab = strchr(at, '\t');

			col[n] = at;
			if (!tab) {
				n++;
				break;
			}
			*tab = '\0';
			at = tab + 1;
		}
		assert_int_equal(n, COLUMNS);
		if (strcmp(col[12], "0") == 0) /* minLength 0 says nothing */
			col[12] = (char *)"";
		snprintf(key, sizeof(key), "%s %s %s %s", col[0], col[1], col[2], col[4]);
		value[0] = '\0';
		for (unsigned i = 5; i < COLUMNS; i++)
			snprintf(value + strlen(value), sizeof(value) - strlen(value), "%s%s",
			    i > 5 ? "|" : "", col[i]);
		lines_add(l, key, value);
		line = end + 1;
	}
}

/* Versions that the file has for a kind and channel; kinds of the file that headgate does not
 * serve. */
static void
emit_versions(struct lines *ours, const struct lines *file)
{
	static const char *const channels[] = {"standard", "experimental"};

	for (unsigned i = 0; i < KIND_COUNT; i++) {
		const struct kind *k = &kind_table[i];
		struct bytes rest = bytes_str(k->versions);

		while (rest.p) {
			struct bytes version = bytes_cut(&rest, ' ');

			for (unsigned c = 0; c < 2; c++) {
				char key[128];

				snprintf(key, sizeof(key), "%s %s %.*s spec", channels[c], k->name,
				    BYTES_ARG(version));
				if (map_get(&file->map, bytes_str(key)))
					emit_kind(ours, k, version, c == 0);
			}
		}
	}
}

static unsigned
compare(const struct lines *a, const struct lines *b, const char *a_name, const char *b_name,
    bool values)
{
	unsigned bad = 0;

	for (size_t i = 0; i < a->n; i++) {
		const char *x = map_get(&a->map, a->keys[i]), *y = map_get(&b->map, a->keys[i]);

		if (y && (!values || strcmp(x, y) == 0))
			continue;
		if (++bad <= 20)
			fprintf(stderr, "%.*s\n  %s: %s\n  %s: %s\n", BYTES_ARG(a->keys[i]), a_name,
			    x, b_name,
			    y ? y : "(not there)");
	}
	return bad;
}

static void
test_fields(void **state)
{
	struct lines file = {0}, ours = {0};
	char path[1024], *text;
	size_t n;

	(void)state;
	if (!shared_path("gateway-api/fields-v1.7.0.tsv", path))
		skip();
	text = read_file(path, &n);
	arena_init(&file.arena, 65536, 0);
	arena_init(&ours.arena, 65536, 0);
	map_init(&file.map);
	map_init(&ours.map);
	read_tsv(&file, text);
	assert_true(file.n > 2800);
	emit_versions(&ours, &file);
	assert_int_equal(compare(&file, &ours, "file ", "table", true), 0);
	assert_int_equal(compare(&ours, &file, "table", "file ", false), 0);
	assert_int_equal(file.n, ours.n);
	map_release(&file.map);
	map_release(&ours.map);
	arena_release(&file.arena);
	arena_release(&ours.arena);
	mem_free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_fields)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
