/*
 * test_bind_syntaxes.c - two syntaxes, one schema: every real manifest, written again as libconfig,
 * binds to the same content (hash) as its YAML; and a wrong value in it is found at its own line
 * and column there too.
 */
#include "tests/unit/conf/kinds_help.h"

static unsigned compared, mutated;

/* ---- libconfig text of a tree, one member a line */
static bool
plain_name(struct bytes key)
{
	for (size_t i = 0; i < key.n; i++) {
		char c = key.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (i > 0 && ((c >= '0' && c <= '9') || c == '-' || c == '_'))))
			return false;
	}
	return key.n > 0;
}

static bool
as_list(const struct node *map)
{
	for (const struct node *c = map->first; c; c = c->next)
		if (!plain_name(c->key))
			return true;
	return false;
}

static void
put_string(struct strbuf *out, struct bytes s)
{
	strbuf_addc(out, '"');
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '"' || s.p[i] == '\\')
			strbuf_printf(out, "\\%c", s.p[i]);
		else if (s.p[i] == '\n')
			strbuf_addz(out, "\\n");
		else if (s.p[i] == '\t')
			strbuf_addz(out, "\\t");
		else
			strbuf_addc(out, s.p[i]);
	}
	strbuf_addc(out, '"');
}

static void put_value(struct strbuf *, const struct node *, const struct node *wrong);

static void
put_map(struct strbuf *out, const struct node *n, const struct node *wrong)
{
	bool list = as_list(n);

	strbuf_addz(out, list ? "(\n" : "{\n");
	for (const struct node *c = n->first; c; c = c->next) {
		if (c->type == NODE_NULL)
			continue;
		if (list) {
			strbuf_addz(out, "{ key = ");
			put_string(out, c->key);
			strbuf_addz(out, "; value =\n");
		} else {
			strbuf_printf(out, "%.*s =\n", BYTES_ARG(c->key));
		}
		put_value(out, c, wrong);
		strbuf_addz(out, list ? "; }" : ";");
		/* a comma after the last item is not allowed */
		if (list) {
			const struct node *next = c->next;

			while (next && next->type == NODE_NULL)
				next = next->next;
			strbuf_addz(out, next ? "," : "");
		}
		strbuf_addc(out, '\n');
	}
	strbuf_addz(out, list ? ")" : "}");
}

static void
put_value(struct strbuf *out, const struct node *n, const struct node *wrong)
{
	if (n == wrong) {
		strbuf_addz(out, n->type == NODE_BOOL ? "1.5" : "true");
		return;
	}
	switch ((enum node_type)n->type) {
	case NODE_NULL:
		break;
	case NODE_BOOL:
		strbuf_addz(out, n->boolean ? "true" : "false");
		break;
	case NODE_INT:
		strbuf_printf(out, "%lld%s", (long long)n->integer, n->integer > INT32_MAX ? "L" :
		    "");
		break;
	case NODE_FLOAT:
		strbuf_printf(out, "%.17g", n->real);
		break;
	case NODE_STRING:
		put_string(out, n->text);
		break;
	case NODE_LIST:
		strbuf_addz(out, "(\n");
		for (const struct node *c = n->first; c; c = c->next) {
			put_value(out, c, wrong);
			strbuf_addz(out, c->next ? ",\n" : "\n");
		}
		strbuf_addc(out, ')');
		break;
	case NODE_MAP:
		put_map(out, n, wrong);
		break;
	}
}

static void
as_libconfig(const struct object *o, const struct node *wrong, struct bound *b)
{
	struct strbuf out = STRBUF_INIT;

	strbuf_addz(&out, "resources = (\n");
	put_value(&out, o->node, wrong);
	strbuf_addz(&out, ");\n");
	*b = (struct bound){0};
	arena_init(&b->arena, 65536, 0);
	diags_init(&b->diags, &b->arena);
	/* the text must live as long as what borrows from it */
	read_text(&b->arena, &b->diags, BYTES("t.conf"), arena_bytes(&b->arena, strbuf_bytes(&out)),
	    0,
	    BYTES_NONE, bound_take, b);
	strbuf_release(&out);
}

/* Each value begins a line of the text, so it is found in column 1; its path tells that it is
 * the right one. */
static void
wrong_values(const struct object *o, const struct kstruct *s, const struct node *map)
{
	for (const struct node *n = map->first; n; n = n->next) {
		const struct kfield *f = schema_field(s, n->key);
		const struct diag *d;
		struct bound b;

		if (!f || n->type == NODE_NULL || f->type == FT_IGNORED ||
		    f->type == FT_INT_OR_STRING)
			continue;
		as_libconfig(o, n, &b);
		assert_int_equal(b.diags.errors, 1);
		for (d = b.diags.first; d->severity != DIAG_ERROR; d = d->next)
			;
		assert_int_equal(d->code, CODE_WRONG_TYPE);
		assert_string_equal(node_where(&b.arena, n), arena_dup(&b.arena, d->field));
		assert_true(d->at.line > 0 && d->at.col == 1);
		bound_free(&b);
		mutated++;
		if (f->type == FT_STRUCT)
			wrong_values(o, f->sub, n);
		for (const struct node *c = n->first; f->type == FT_LIST && c; c = c->next)
			wrong_values(o, f->sub, c);
	}
}

static void
compare(const char *path)
{
	size_t n;
	char *text = read_file(path, &n);
	struct bound b, c;

	bound_read(&b, path, bytes_of(text, n));
	for (unsigned i = 0; i < b.n; i++) {
		if (!b.v[i])
			continue;
		node_prune_nulls(b.v[i]->node);
		as_libconfig(b.v[i], NULL, &c);
		for (const struct diag *d = c.diags.first; d; d = d->next)
			if (d->severity == DIAG_ERROR)
				fail_msg("%s: as libconfig: %u:%u %.*s", path, d->at.line,
				    d->at.col,
				    BYTES_ARG(d->message));
		assert_non_null(c.v[0]);
		assert_memory_equal(c.v[0]->hash, b.v[i]->hash, sizeof(b.v[i]->hash));
		bound_free(&c);
		compared++;
		if (!b.v[i]->kind->spec_at_root && i % 4 == 0)
			wrong_values(b.v[i], b.v[i]->kind->spec, node_get(b.v[i]->node, "spec"));
	}
	bound_free(&b);
	mem_free(text);
}

static void
test_both(void **state)
{
	static const char *const dirs[] = {"gateway-api/conformance/tests",
	    "gateway-api/conformance/base",
	    "envoy-gateway/e2e"};
	char dir[1024], path[1400];

	(void)state;
	for (size_t i = 0; i < HG_ARRAY_LEN(dirs); i++) {
		struct dirent **v;
		int n;

		if (!shared_path(dirs[i], dir))
			skip();
		n = scandir(dir, &v, NULL, alphasort);
		for (int k = 0; k < n; k++) {
			snprintf(path, sizeof(path), "%s/%s", dir, v[k]->d_name);
			if (strstr(path, ".yaml"))
				compare(path);
			free(v[k]);
		}
		free(v);
	}
	assert_true(compared > 400 && mutated > 500);
	fprintf(stderr, "%u objects are the same in both syntaxes, %u wrong values found\n",
	    compared,
	    mutated);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_both)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
