/*
 * test_bind_mutations.c - "one wrong key or value in a real manifest is found at its own line and
 * column, always". Every real manifest of the Gateway API's conformance suite and of Envoy
 * Gateway's tests binds without an error (a list of judged exceptions); then every single key and
 * value in it that a schema knows is made wrong, one at a time, and the error must be reported
 * exactly there, and nothing much else.
 */
#include "tests/unit/conf/kinds_help.h"

static unsigned mutations, files, resources;

/* ---- real manifests */
struct exception {
	const char *file, *why;
};
static const struct exception exceptions[] = {
	{"gatewayclass-observed-generation-bump.yaml",
	    "{GATEWAY_CONTROLLER_NAME} is filled in by the suite"},
	{"accesslog-otel-default.yaml", "a template"},
	{"accesslog-otel-json.yaml", "a template"},
	{"listenerset-tls-termination.yaml", "to[].namespace does not exist: an API server drops "
	    "it, or refuses if strict"},
};

static const struct exception *
excepted(const char *path)
{
	for (size_t i = 0; i < HG_ARRAY_LEN(exceptions); i++)
		if (strstr(path, exceptions[i].file))
			return &exceptions[i];
	return NULL;
}

static void
each_file(const char *dir, void (*fn)(const char *path))
{
	struct dirent **v;
	int n = scandir(dir, &v, NULL, alphasort);

	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		char path[1400];
		struct stat st;

		snprintf(path, sizeof(path), "%s/%s", dir, v[i]->d_name);
		if (v[i]->d_name[0] != '.' && stat(path, &st) == 0) {
			if (S_ISDIR(st.st_mode))
				each_file(path, fn);
			else if (strstr(path, ".yaml"))
				fn(path);
		}
		free(v[i]);
	}
	free(v);
}

static void
binds(const char *path)
{
	size_t n;
	char *text = read_file(path, &n);
	struct bound b;

	bound_read(&b, path, bytes_of(text, n));
	files++;
	resources += b.n;
	if (excepted(path)) {
		if (b.diags.errors == 0)
			fail_msg("%s has no error any more", path);
	} else if (b.diags.errors) {
		fail_msg("%s:\n%s", path, b.text.p);
	}
	bound_free(&b);
	mem_free(text);
}

static void
test_real_manifests(void **state)
{
	char dir[1024];

	(void)state;
	if (!shared_path("gateway-api/conformance", dir))
		skip();
	each_file(dir, binds);
	if (shared_path("envoy-gateway/e2e", dir))
		each_file(dir, binds);
	assert_true(files > 150 && resources > 400);
	fprintf(stderr, "%u resources of %u files bind\n", resources, files);
}

/* ---- one thing wrong at a time */
struct target {
	struct bytes text; /* of the document */
	uint32_t first_line;
	const char *path;
};

/* Offset of line:col in the document; columns count characters. */
static size_t
offset_of(const struct target *t, uint32_t line, uint16_t col)
{
	size_t at = 0;

	for (uint32_t l = t->first_line; l < line; l++)
		at = (size_t)bytes_chr(t->text, '\n', at) + 1;
	for (uint16_t c = 1; c < col; at++)
		c = (uint16_t)(c + (((unsigned char)t->text.p[at + 1] & 0xc0) != 0x80));
	return at;
}

/* Replace the marked text; true if the mark covers one line of plain or quoted text. */
static void
mutate(const struct target *t, struct mark at, const char *with, unsigned code)
{
	size_t from = offset_of(t, at.line, at.col), to = offset_of(t, at.line, at.endcol);
	struct strbuf text = STRBUF_INIT;
	struct bound b;
	bool found = false;
	uint32_t line = at.line - t->first_line + 1;

	strbuf_add(&text, bytes_of(t->text.p, from));
	strbuf_addz(&text, with);
	strbuf_add(&text, bytes_of(t->text.p + to, t->text.n - to));
	bound_read(&b, "m.yaml", strbuf_bytes(&text));
	for (const struct diag *d = b.diags.first; d; d = d->next)
		found |= d->at.line == line && d->at.col == at.col && d->code == code;
	if (!found || b.diags.errors > 2)
		fail_msg("%s: at %u:%u, \"%.*s\" replaced by \"%.40s\": expected HG%04u there, "
		    "got\n%s", t->path, at.line,
		    at.col, (int)(to - from), t->text.p + from, with, code, b.text.p);
	mutations++;
	bound_free(&b);
	strbuf_release(&text);
}

static bool
one_line(const struct target *t, const struct node *n)
{
	char c = t->text.p[offset_of(t, n->at.line, n->at.col)];

	return c != '|' && c != '>' && n->at.endcol > n->at.col &&
	    !memchr(n->text.p ? n->text.p : "", '\n', n->text.n);
}

static void
mutate_value(const struct target *t, const struct kfield *f, const struct node *n)
{
	char text[4200];

	if (n->type >= NODE_LIST || !one_line(t, n))
		return;
	mutate(t, n->at, "[]", CODE_WRONG_TYPE);
	if (n->type == NODE_STRING)
		mutate(t, n->at, "12", CODE_WRONG_TYPE);
	else
		mutate(t, n->at, "\"x\"", CODE_WRONG_TYPE);
	if (f->names && n->type == NODE_STRING)
		mutate(t, n->at, "Wr0ng", CODE_ENUM);
	if (n->type == NODE_INT && f->has_max) {
		snprintf(text, sizeof(text), "%lld", (long long)f->max + 1);
		mutate(t, n->at, text, CODE_RANGE);
	}
	if (n->type == NODE_STRING && f->max_len && f->max_len < 4100) {
		memset(text, 'a', f->max_len + 1);
		text[f->max_len + 1] = '\0';
		mutate(t, n->at, text, CODE_LENGTH);
	}
	if (n->type == NODE_STRING && f->pattern && !f->pattern->match(BYTES("\x01 -")))
		mutate(t, n->at, "\"\\x01 -\"", CODE_FORMAT);
}

static void mutate_struct(const struct target *, const struct kstruct *, const struct node *);

static void
mutate_field(const struct target *t, const struct kfield *f, const struct node *n)
{
	switch ((enum field_type)f->type) {
	case FT_STRUCT:
		mutate_struct(t, f->sub, n);
		break;
	case FT_LIST:
		for (const struct node *c = n->first; c; c = c->next)
			mutate_struct(t, f->sub, c);
		break;
	case FT_STRINGS:
	case FT_INTS:
		for (const struct node *c = n->first; c; c = c->next)
			mutate_value(t, f, c);
		break;
	case FT_MAP:
		for (const struct node *c = n->first; c; c = c->next)
			if (!(f->flags & FF_BASE64))
				mutate_value(t, f, c);
		break;
	case FT_IGNORED:
	case FT_ANY:
	case FT_INT_OR_STRING:
		break;
	default:
		mutate_value(t, f, n);
	}
}

static void
mutate_struct(const struct target *t, const struct kstruct *s, const struct node *map)
{
	for (const struct node *n = map->first; n; n = n->next) {
		const struct kfield *f = schema_field(s, n->key);
		char key[300];

		if (n->type == NODE_NULL)
			continue;
		if (!(s->flags & FF_IGNORE_UNKNOWN)) {
			assert_non_null(f);
			snprintf(key, sizeof(key), "%.*sZq", BYTES_ARG(n->key));
			mutate(t, n->key_at, key, CODE_UNKNOWN_FIELD);
		}
		if (f)
			mutate_field(t, f, n);
	}
}

static void
mutate_root(const struct target *t, const struct object *o)
{
	bool core = o->kind->spec_at_root || (o->kind->spec->flags & FF_IGNORE_UNKNOWN);
	struct bytes text;
	char with[300];

	for (const struct node *n = o->node->first; n; n = n->next) {
		bool type = bytes_eq(n->key, BYTES("apiVersion")) ||
		    bytes_eq(n->key, BYTES("kind"));

		if (n->type == NODE_NULL)
			continue;
		snprintf(with, sizeof(with), "%.*sZq", BYTES_ARG(n->key));
		if (type)
			mutate(t, n->key_at, with, CODE_NOT_AN_OBJECT);
		else if (!core)
			mutate(t, n->key_at, with, CODE_UNKNOWN_FIELD);
		if (type)
			mutate(t, n->at, "[a]", CODE_NOT_AN_OBJECT);
	}
	text = node_text(node_get(o->node, "kind"));
	snprintf(with, sizeof(with), "%.*sx", BYTES_ARG(text));
	mutate(t, node_get(o->node, "kind")->at, with, CODE_UNKNOWN_KIND);
	snprintf(with, sizeof(with), "%.*sx", BYTES_ARG(o->api_version));
	mutate(t, node_get(o->node, "apiVersion")->at, with, CODE_API_VERSION);
}

static void
mutate_object(const char *path, const struct object *o)
{
	const struct doc *doc = o->node->doc;
	struct target t = {.first_line = 1, .path = path};
	uint32_t line = doc->first_line;
	size_t from = 0, to;
	const struct node *spec = o->kind->spec_at_root ? o->node : node_get(o->node, "spec");
	ptrdiff_t slash = bytes_chr(o->api_version, '/', 0);
	struct bytes version = bytes_of(o->api_version.p + slash + 1,
	    o->api_version.n - (size_t)(slash + 1));

	for (uint32_t l = 1; l < line; l++)
		from = (size_t)bytes_chr(doc->text, '\n', from) + 1;
	to = from;
	for (uint32_t l = line; l <= doc->last_line && to < doc->text.n; l++) {
		ptrdiff_t end = bytes_chr(doc->text, '\n', to);

		to = end < 0 ? doc->text.n : (size_t)end + 1;
	}
	/* the mark of the next document is not ours */
	t.text = bytes_of(doc->text.p + from, to - from);
	t.first_line = line;
	mutate_root(&t, o);
	mutate_struct(&t, &ks_meta, node_get(o->node, "metadata"));
	if (spec)
		mutate_struct(&t, kind_spec(o->kind, version), spec);
}

/* ---- each required field taken away */
static unsigned removals;

static void remove_in(struct bound *, struct object *, const struct kstruct *, struct node *);

static void
without(struct bound *b, struct object *o, const struct kfield *f, struct node *map, struct node *n)
{
	uint8_t type = n->type;
	char want[200];
	struct bind_id id;
	const struct mark *at = map->key.p ? &map->key_at : &map->at;
	bool found = false;
	struct diags d;

	diags_init(&d, &b->arena);
	n->type = NODE_NULL;
	snprintf(want, sizeof(want), "required field \"%s\" is missing", f->name);
	assert_null(object_bind(&b->arena, &d, o->node, &id));
	n->type = type;
	for (const struct diag *x = d.first; x; x = x->next)
		found |= x->code == CODE_REQUIRED && x->at.line == at->line &&
		    x->at.col == at->col &&
		    bytes_eq(x->message, bytes_str(want));
	if (!found || d.errors != 1)
		fail_msg("%.*s: %s not missed at %u:%u", BYTES_ARG(o->source), f->name, at->line,
		    at->col);
	removals++;
}

static void
remove_in(struct bound *b, struct object *o, const struct kstruct *s, struct node *map)
{
	for (struct node *n = map->first; n; n = n->next) {
		const struct kfield *f = schema_field(s, n->key);

		if (!f || n->type == NODE_NULL)
			continue;
		if (f->flags & FF_REQUIRED)
			without(b, o, f, map, n);
		if (f->type == FT_STRUCT)
			remove_in(b, o, f->sub, n);
		else if (f->type == FT_LIST)
			for (struct node *c = n->first; c; c = c->next)
				remove_in(b, o, f->sub, c);
	}
}

static void
remove_in_file(const char *path)
{
	size_t n;
	char *text = read_file(path, &n);
	struct bound b;

	bound_read(&b, path, bytes_of(text, n));
	for (unsigned i = 0; i < b.n && !excepted(path); i++) {
		struct object *o = b.v[i];
		ptrdiff_t slash = o ? bytes_chr(o->api_version, '/', 0) : 0;

		if (!o)
			continue;
		remove_in(&b, o, &ks_meta, node_get(o->node, "metadata"));
		if (node_get(o->node, "spec"))
			remove_in(&b, o, kind_spec(o->kind, bytes_of(o->api_version.p + slash + 1,
			    o->api_version.n - (size_t)(slash + 1))), node_get(o->node, "spec"));
	}
	bound_free(&b);
	mem_free(text);
}

static void
test_removals(void **state)
{
	char dir[1024];

	(void)state;
	if (!shared_path("gateway-api/conformance", dir))
		skip();
	each_file(dir, remove_in_file);
	assert_true(removals > 1000);
	fprintf(stderr, "%u required fields missed where they are not\n", removals);
}

static void
mutate_file(const char *path)
{
	size_t n;
	char *text = read_file(path, &n);
	struct bound b;

	bound_read(&b, path, bytes_of(text, n));
	for (unsigned i = 0; i < b.n && !excepted(path); i++)
		if (b.v[i])
			mutate_object(path, b.v[i]);
	bound_free(&b);
	mem_free(text);
}

static void
test_mutations(void **state)
{
	char dir[1024];

	(void)state;
	if (!shared_path("gateway-api/conformance", dir))
		skip();
	each_file(dir, mutate_file);
	if (shared_path("envoy-gateway/e2e", dir))
		each_file(dir, mutate_file);
	assert_true(mutations > 10000);
	fprintf(stderr, "%u mutations found where they are\n", mutations);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_real_manifests),
	    cmocka_unit_test(test_mutations),
	    cmocka_unit_test(test_removals)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
