/*
 * explain.c - `headgate explain`: a kind, one of its fields, a setting of headgate.conf or a code,
 * from the same tables that bind and check, so that what is explained is what is done. The layout
 * is kubectl's.
 */
#include "base/strbuf.h"
#include "conf/kinds/bind.h"
#include "conf/kinds/k_core.h"
#include "conf/kinds/table.h"

static const struct kfield meta_field = {.name = "metadata",
    .doc = "Name, namespace, labels, annotations.",
    .type = FT_STRUCT, .sub = &ks_meta, .flags = FF_REQUIRED};

static void
type_name(const struct kfield *f, struct strbuf *out)
{
	static const char *const names[] = {[FT_STRING] = "string",
	    [FT_INT] = "integer",
	    [FT_BOOL] = "boolean",
	    [FT_ENUM] = "string",
	    [FT_NUMBER] = "number",
	    [FT_DURATION] = "Duration",
	    [FT_STRINGS] = "[]string",
	    [FT_INTS] = "[]integer",
	    [FT_INT_OR_STRING] = "integer or string",
	    [FT_ANY] = "any",
	    [FT_IGNORED] = "any"};

	if (f->type == FT_STRUCT || f->type == FT_INLINE)
		strbuf_addz(out, f->sub->name);
	else if (f->type == FT_LIST)
		strbuf_printf(out, "[]%s", f->sub->name);
	else if (f->type == FT_MAP)
		strbuf_addz(out, f->flags & FF_INT_VALUES ? "map[string]integer" :
		    "map[string]string");
	else if (f->type == FT_LIMIT)
		strbuf_addz(out, f->unit == UNIT_MS ? "milliseconds or Duration" :
		    f->unit == UNIT_BYTES ?
		    "bytes or Quantity" : "integer");
	else
		strbuf_addz(out, names[f->type]);
}

static void
wrapped(struct strbuf *out, unsigned indent, const char *text)
{
	struct bytes rest = bytes_str(text);
	size_t col = 0;

	while (rest.p) {
		struct bytes word = bytes_cut(&rest, ' ');

		if (col && col + 1 + word.n > 80) {
			strbuf_addc(out, '\n');
			col = 0;
		}
		if (col == 0)
			strbuf_pad(out, ' ', indent);
		else
			strbuf_addc(out, ' ');
		strbuf_add(out, word);
		col += (col == 0 ? indent : 1) + word.n;
	}
	strbuf_addc(out, '\n');
}

static void
range(struct strbuf *out, const char *what, uint64_t lo, uint64_t hi)
{
	if (lo && hi)
		strbuf_printf(out, "    %s: %llu to %llu\n", what, (unsigned long long)lo,
		    (unsigned long long)hi);
	else if (lo || hi)
		strbuf_printf(out, "    %s: at %s %llu\n", what, lo ? "least" : "most",
		    (unsigned long long)(lo ? lo : hi));
}

static void
facts(const struct kfield *f, struct strbuf *out)
{
	if (f->flags & FF_EXPERIMENTAL)
		strbuf_addz(out, "    Channel: experimental\n");
	if (f->names) {
		strbuf_addz(out, "    Possible values: ");
		for (unsigned i = 0; f->names[i]; i++)
			strbuf_printf(out, "%s%s", i ? ", " : "", f->names[i]);
		strbuf_addc(out, '\n');
	}
	if (f->def)
		strbuf_printf(out, "    Default: %s\n", f->def);
	if (f->pattern)
		strbuf_printf(out, "    Form: %s\n", f->pattern->what);
	range(out, "Characters", f->min_len, f->max_len);
	range(out, f->type == FT_MAP || f->type == FT_STRUCT ? "Entries" : "Items", f->min_items,
	    f->max_items);
	if (f->has_max && f->max == INT64_MAX)
		strbuf_printf(out, "    Range: at least %lld\n", (long long)f->min);
	else if (f->has_max)
		strbuf_printf(out, "    Range: %lld to %lld\n", (long long)f->min,
		    (long long)f->max);
	else if (f->has_min)
		strbuf_printf(out, "    Range: at least %lld\n", (long long)f->min);
	if (f->list == LIST_SET)
		strbuf_addz(out, "    Items must differ\n");
	if (f->list == LIST_MAP)
		strbuf_printf(out, "    Items must differ in: %s\n", f->keys);
	if (f->flags & FF_IMMUTABLE)
		strbuf_addz(out, "    Cannot be changed\n");
	if (f->flags & FF_NOT_SERVED)
		strbuf_addz(out, "    Known, not served by this version\n");
}

static void
line_of(const struct kfield *f, struct strbuf *out)
{
	strbuf_printf(out, "  %s\t<", f->name);
	type_name(f, out);
	strbuf_printf(out, ">%s\n", f->flags & FF_REQUIRED ? " -required-" : "");
	wrapped(out, 4, f->doc);
	if (f->def && strlen(f->def) < 60)
		strbuf_printf(out, "    Default: %s\n", f->def);
	strbuf_addc(out, '\n');
}

static void
fields_of(const struct kstruct *s, struct strbuf *out)
{
	strbuf_addz(out, "FIELDS:\n");
	for (unsigned i = 0; i < s->n; i++)
		if (s->fields[i].type != FT_IGNORED)
			line_of(&s->fields[i], out);
	if (s->flags & FF_IGNORE_UNKNOWN)
		strbuf_addz(out, "  Further fields of a cluster's objects are let through and not "
		    "used.\n");
}

static void
explain_field(const struct kfield *f, struct strbuf *out)
{
	strbuf_printf(out, "FIELD:      %s <", f->name);
	type_name(f, out);
	strbuf_printf(out, ">%s\n\nDESCRIPTION:\n", f->flags & FF_REQUIRED ? " -required-" : "");
	wrapped(out, 4, f->doc);
	if (f->sub && f->sub->doc && strcmp(f->sub->doc, f->doc) != 0)
		wrapped(out, 4, f->sub->doc);
	facts(f, out);
	if (f->sub) {
		strbuf_addc(out, '\n');
		fields_of(f->sub, out);
	}
}

/* What a kind has at its root. */
static unsigned
root_of(const struct kind *k, struct kfield v[4])
{
	unsigned n = 0;

	v[n++] = meta_field;
	if (!k->spec_at_root)
		v[n++] = (struct kfield){.name = "spec", .doc = "What is wanted.",
		    .type = FT_STRUCT, .sub = k->spec,
		    .flags = (uint16_t)(k->spec->flags & FF_IGNORE_UNKNOWN ? 0 : FF_REQUIRED)};
	if (k->status_schema)
		v[n++] = (struct kfield){.name = "status", .doc = "What is: written by headgate.",
		    .type = FT_STRUCT,
		    .sub = k->status_schema};
	return n;
}

static void
explain_kind(const struct kind *k, struct strbuf *out)
{
	struct kfield v[4];
	unsigned n = root_of(k, v);

	strbuf_addz(out, "DESCRIPTION:\n");
	wrapped(out, 4, k->doc);
	strbuf_addz(out, "\nFIELDS:\n");
	for (unsigned i = 0; i < n; i++)
		line_of(&v[i], out);
	for (unsigned i = 0; k->spec_at_root && i < k->spec->n; i++)
		if (k->spec->fields[i].type != FT_IGNORED)
			line_of(&k->spec->fields[i], out);
}

static int
no_such_field(const struct kstruct *s, struct bytes name, struct strbuf *out)
{
	const char *names[64], *near;
	unsigned n = 0;

	for (; n < s->n && n < HG_ARRAY_LEN(names); n++)
		names[n] = s->fields[n].name;
	near = diag_nearest(name, names, n);
	strbuf_printf(out, "there is no field \"%.*s\" in %s", BYTES_ARG(name), s->name);
	if (near)
		strbuf_printf(out, "; did you mean \"%s\"?", near);
	strbuf_addc(out, '\n');
	return -1;
}

/* The rest of the path below a struct. */
static int
descend(const struct kstruct *s, struct bytes rest, struct strbuf *out)
{
	const struct kfield *f = NULL;

	while (rest.p) {
		struct bytes name = bytes_cut(&rest, '.');
		ptrdiff_t bracket = bytes_chr(name, '[', 0);

		if (bracket >= 0)
			name.n = (size_t)bracket;
		if (!s) {
			strbuf_printf(out, "\"%s\" has no fields\n", f ? f->name : "it");
			return -1;
		}
		f = schema_field(s, name);
		if (!f)
			return no_such_field(s, name, out);
		s = f->sub;
	}
	explain_field(f, out);
	return 0;
}

static int
explain_path(const struct kind *k, struct bytes rest, struct strbuf *out)
{
	struct bytes after = rest, name = bytes_cut(&after, '.');
	struct kfield v[4];
	unsigned n = root_of(k, v);

	for (unsigned i = 0; i < n; i++) {
		if (!bytes_eq(name, bytes_str(v[i].name)))
			continue;
		if (after.p)
			return descend(v[i].sub, after, out);
		explain_field(&v[i], out);
		return 0;
	}
	return descend(k->spec, rest, out); /* "spec." may be left out */
}

static int
explain_code(unsigned code, struct strbuf *out)
{
	strbuf_printf(out, "HG%04u: %s\n\n", code, code_title(code));
	wrapped(out, 0, code_explanation(code));
	return 0;
}

static int
no_such_kind(struct bytes noun, struct strbuf *out)
{
	const char *names[KIND_COUNT * 2], *near;
	unsigned n = 0;

	for (unsigned i = 0; i < KIND_COUNT; i++) {
		names[n++] = kind_table[i].name;
		names[n++] = kind_table[i].plural;
	}
	near = diag_nearest(noun, names, n);
	strbuf_printf(out, "there is no kind \"%.*s\"", BYTES_ARG(noun));
	if (near)
		strbuf_printf(out, "; did you mean \"%s\"?", near);
	strbuf_addc(out, '\n');
	return -1;
}

int
schema_explain(struct bytes path, struct strbuf *out)
{
	static const char conf[] = "headgate.conf";
	struct bytes rest = path, noun = bytes_cut(&rest, '.');
	char text[16];
	const struct kind *k;
	struct strbuf body = STRBUF_INIT;
	unsigned code;
	int rc = 0;

	snprintf(text, sizeof(text), "%.*s", (int)HG_MIN(path.n, 15u), path.p);
	if (path.n < sizeof(text) && (code = code_parse(text)) && code_title(code))
		return explain_code(code, out);
	if (bytes_starts(path, BYTES(conf)) && (path.n == sizeof(conf) - 1 ||
	    path.p[sizeof(conf) - 1] == '.')) {
		strbuf_printf(out, "FILE:       %s\n\n", conf);
		if (path.n > sizeof(conf) - 1)
			return descend(&ks_headgate, bytes_of(path.p + sizeof(conf),
			    path.n - sizeof(conf)), out);
		strbuf_addz(out, "DESCRIPTION:\n");
		wrapped(out, 4, ks_headgate.doc);
		strbuf_addc(out, '\n');
		fields_of(&ks_headgate, out);
		return 0;
	}
	k = kind_by_noun(noun);
	if (!k)
		return no_such_kind(noun, out);
	if (!rest.p || rest.n == 0)
		explain_kind(k, &body);
	else
		rc = explain_path(k, rest, &body);
	if (rc == 0) {
		if (k->group[0])
			strbuf_printf(out, "GROUP:      %s\n", k->group);
		strbuf_printf(out, "KIND:       %s\nVERSION:    %.*s\n\n", k->name,
		    (int)strcspn(k->versions, " "),
		    k->versions);
	}
	strbuf_add(out, strbuf_bytes(&body));
	strbuf_release(&body);
	return rc;
}
