/*
 * test_reuse.c - conf/read/read_reuse.c, doccache.c, pack.c: what comes from the cache is what
 * parsing gives, node by node with every mark, over all real manifests, their mutations and
 * documents that are strange; positions move with the document; what changed, or was told about, is
 * parsed; a cache that is wrong is no harm. The seed is printed; HG_SEED repeats a run.
 */
#include <time.h>

#include "base/version.h"
#include "conf/read/doccache.h"
#include "conf/read/pack.h"
#include "conf/read/source.h"
#include "tests/unit/conf/read_help.h"
#include "tests/unit/conf/world.h"

struct generation { /* a catalogue that holds nothing but documents */
	struct catalogue cat;
	int fd;
};

struct reading {
	struct arena arena;
	struct diags diags;
	struct strbuf dump; /* every field of every node, and the diagnostics */
	struct doccache *cache;
	uint32_t kept, added;
	int code;
};

static uint64_t state = 1;

static uint32_t
chance(uint32_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)((state * 0x2545f4914f6cdd1dull >> 33) % n);
}

static void
dump_mark(struct strbuf *out, struct mark m)
{
	strbuf_printf(out, " %u:%u-%u", m.line, m.col, m.endcol);
}

static void
dump_node(struct strbuf *out, const struct node *n)
{
	strbuf_printf(out, "(%u%s%s n%u", n->type, n->boolean ? " true" : "",
	    n->merged ? " merged" : "", n->n);
	dump_mark(out, n->at);
	dump_mark(out, n->key_at);
	if (n->key.p)
		strbuf_printf(out, " key <%.*s>", BYTES_ARG(n->key));
	if (n->text.p)
		strbuf_printf(out, " text <%.*s>", BYTES_ARG(n->text));
	if (n->type == NODE_INT)
		strbuf_printf(out, " %lld", (long long)n->integer);
	if (n->type == NODE_FLOAT)
		strbuf_printf(out, " %a", n->real);
	for (const struct node *c = n->first; c; c = c->next) {
		strbuf_addc(out, '\n');
		dump_node(out, c);
	}
	strbuf_addc(out, ')');
}

static int
take(void *arg, struct node *n)
{
	struct reading *r = arg;

	check_tree(n, NULL, 1);
	strbuf_printf(&r->dump, "doc %u %u-%u role %u ns %.*s file %.*s of %zu\n", n->doc->index,
	    n->doc->first_line, n->doc->last_line, n->doc->role, BYTES_ARG(n->doc->ns),
	    BYTES_ARG(n->doc->file), n->doc->text.n);
	dump_node(&r->dump, n);
	strbuf_addc(&r->dump, '\n');
	return 0;
}

/* cached: with a cache, from `old` if that is not NULL. */
static void
read_it(struct reading *r, const char *file, struct bytes text, bool cached,
    const struct generation *old)
{
	*r = (struct reading){.code = -2};
	arena_init(&r->arena, 65536, 0);
	diags_init(&r->diags, &r->arena);
	if (cached)
		r->cache = doccache_new(&r->arena, old ? &old->cat : NULL);
	r->code = read_text_cached(&r->arena, &r->diags, bytes_str(file), text, 3, BYTES("shop"),
	    r->cache, take, r);
	diag_print_list(&r->dump, r->diags.first, r->diags.errors + r->diags.warnings, DIAG_JSON,
	    false);
	if (cached) {
		r->kept = doccache_kept(r->cache);
		r->added = doccache_added(r->cache);
	}
}

static void
reading_free(struct reading *r)
{
	strbuf_release(&r->dump);
	doccache_free(r->cache);
	arena_release(&r->arena);
}

/* The catalogue that a generation with these documents leaves. */
static void
remember(const struct doccache *c, struct generation *g)
{
	struct blob_writer *w = blob_writer_new(BLOB_CATALOGUE, catalogue_layout(), 1);
	struct cat_info info = {.generation = 1, .node = {IM_NONE, 0}};

	blob_put_text(w, BYTES(" "));
	blob_add(w, CAT_INFO, &info, 1, sizeof(info));
	doccache_record(c, w);
	g->fd = blob_seal(w, "test");
	assert_true(g->fd >= 0);
	assert_int_equal(catalogue_open(g->fd, false, &g->cat), HG_OK);
	blob_writer_free(w);
}

static void
generation_free(struct generation *g)
{
	catalogue_close(&g->cat);
	close(g->fd);
}

static void
equal(const struct reading *a, const struct reading *b, struct bytes text)
{
	size_t at = 0;

	if (a->code == b->code && bytes_eq(strbuf_bytes(&a->dump), strbuf_bytes(&b->dump)))
		return;
	while (a->dump.n > at && b->dump.n > at && a->dump.p[at] == b->dump.p[at])
		at++;
	at = at < 200 ? 0 : at - 200;
	print_message("---- text\n%.*s\n---- %d\n%.400s\n---- %d\n%.400s\n", BYTES_ARG(text),
	    a->code, a->dump.n ? a->dump.p + at : "", b->code, b->dump.n ? b->dump.p + at : "");
	fail();
}

/* Without a cache, with a cold one, with a warm one. Number of documents from the warm one. */
static uint32_t
three_ways(const char *file, struct bytes text)
{
	struct reading plain, cold, warm;
	struct generation g;
	uint32_t kept;

	read_it(&plain, file, text, false, NULL);
	read_it(&cold, file, text, true, NULL);
	equal(&plain, &cold, text);
	remember(cold.cache, &g);
	read_it(&warm, file, text, true, &g);
	equal(&plain, &warm, text);
	if (plain.diags.errors + plain.diags.warnings == 0 && warm.kept)
		assert_int_equal(warm.added, 0);
	kept = warm.kept;
	reading_free(&warm);
	generation_free(&g);
	reading_free(&cold);
	reading_free(&plain);
	return kept;
}

/* What is remembered of one text, used for another. */
static void
other_text(const char *file, struct bytes text, const struct generation *g)
{
	struct reading plain, warm;

	read_it(&plain, file, text, false, NULL);
	read_it(&warm, file, text, true, g);
	equal(&plain, &warm, text);
	reading_free(&warm);
	reading_free(&plain);
}

/* ---- texts */

static const char *const texts[] = {
	"a: 1\n",
	"a: 1",
	"---\na: 1\n---\nb: 2\n",
	"# comment\n\n---\na: 1\n---\n# nothing\n---\n---\nb: [x, {p: z}]\n---",
	"a: |\n  text\n\n\n---\nb: >-\n  folded\n  text\n---\nc: |+\n  keep\n\n\n---\nd:\n",
	"\xef\xbb\xbf" "a: 1\r\n---\r\nb: two\r\n",
	"a: &x {p: 1}\nb: *x\nc: {<<: *x, q: 0x10}\n---\nd: 1.5\ne: -3\nf: ~\ng: yes\n",
	"--- {a: 1}\n--- # said\nb: \"tab\\t\"\n---\tc: 1\n",
	"a: 'it''s'\n'k''': [1e3, .5, 0o7, 1_000, 9223372036854775807, 9223372036854775808]\n",
	"%YAML 1.1\n---\na: 1\n",
	"a: 1\n...\n---\nb: 1\n",
	"a: [1,\n---\nb: 2\n",
	"a: \"x\n---\ny\"\n",
	"a: x\n---\nb: 1\n b: 2\n---\nc: 1\n",
	"a: x\n--- y\nb: 1\n",
	"on: 1\n---\na: 1\n",
	"a: x\xc2\x85---\nb: 1\n",
	"a: x\n\xef\xbb\xbf---\nb: 1\n",
	"- a\n---\nb: 1\n",
	"",
	"---",
	"--- |\n x\n---\na: 1\n",
	"? a\n: b\n---\n? [x]\n: y\n",
	"kind: List\nitems:\n- kind: A\n  x: 1\n- {kind: B}\n---\nkind: BList\napiVersion: v1\n"
	"items: [{a: 1}, {kind: ~}]\n",
	"a: !!str 1\nb: !!int \"2\"\n---\nc: 1\n",
	"{\"a\": [1, 2, {\"b\": null}]}\n",
	"a:\n  - b\n  -\n  - c:\n---\n\n\n\na: 'x\n\n   y'\n---\n",
	"a: ab\ta\n---\na:\tb\n",
	"a: 1\n---\n\tb: 1\n",
	"a: 1\n--\n---\n---x\n",
};

static void
test_texts(void **s)
{
	(void)s;
	for (size_t i = 0; i < HG_ARRAY_LEN(texts); i++)
		three_ways("t.yaml", bytes_str(texts[i]));
	assert_int_equal(three_ways("t.yaml", bytes_str(texts[2])), 2);
	assert_int_equal(three_ways("t.yaml", bytes_str(texts[3])), 6);
	assert_int_equal(three_ways("t.yaml", bytes_str(texts[6])), 2);
	assert_int_equal(three_ways("t.yaml", bytes_str(texts[11])), 0);
}

static void
test_libconfig(void **s)
{
	(void)s;
	assert_int_equal(three_ways("t.conf", BYTES("resources = ( { kind = \"A\"; n = 5; big = "
						    "5000000000L; f = 1.5; on = true; l = [1, 2];"
						    " }, { kind = \"B\"; } );\n")), 1);
	assert_int_equal(three_ways("t.conf", BYTES("# \xc3\xa9\nresources = ( { k = \"a\" \"b\\n\""
						    "; m = { a = -7; }; } );")), 1);
	three_ways("t.conf", BYTES("resources = ( { a = 1; a = 2; } );"));
	three_ways("t.conf", BYTES("other = 1;"));
	three_ways("t.conf", BYTES(""));
}

/* ---- real manifests and mutations of them */

struct walk_all {
	uint32_t files, kept, mutations;
};

static struct bytes
mutate(struct arena *a, struct bytes t)
{
	static const char *const bits[] = {"---\n", "\n---\n", "...\n", "\n", " ", "\t", "#", ": ",
	    "- ", "[", "}", "\"", "'", "|", ">\n", "&a ", "*a", "%", "\r\n", "\xef\xbb\xbf",
	    "\xe2\x80\xa8", "a", "--- ", "\n--- x: 1\n", "<<: ", "~", "\n\n"};
	char *p = arena_alloc(a, t.n + 512);
	size_t n = t.n;

	memcpy(p, t.p, n);
	for (uint32_t k = chance(3) + 1; k > 0 && n > 0; k--) {
		size_t at = chance((uint32_t)n), len = chance(20) + 1;
		const char *bit = bits[chance(HG_ARRAY_LEN(bits))];

		len = HG_MIN(len, n - at);
		if (chance(3) == 0) { /* something goes */
			memmove(p + at, p + at + len, n - at - len);
			n -= len;
			continue;
		}
		if (chance(2) == 0) /* where documents begin and end, more happens */
			while (at > 0 && p[at - 1] != '\n')
				at--;
		memmove(p + at + strlen(bit), p + at, n - at);
		memcpy(p + at, bit, strlen(bit));
		n += strlen(bit);
	}
	return bytes_of(p, n);
}

/* The documents backwards, so that each has other neighbours. */
static struct bytes
reversed(struct arena *a, struct bytes t)
{
	char *p = arena_alloc(a, 2 * t.n + 16);
	size_t n = 0, end = t.n;

	while (end > 0) {
		size_t at = end - 1;

		while (at > 0 && !(t.p[at - 1] == '\n' && t.n - at >= 3 &&
				     memcmp(t.p + at, "---", 3) == 0))
			at--;
		if (n && (t.n - at < 3 || memcmp(t.p + at, "---", 3) != 0)) {
			memcpy(p + n, "---\n", 4);
			n += 4;
		}
		memcpy(p + n, t.p + at, end - at);
		n += end - at;
		if (p[n - 1] != '\n' && at > 0)
			p[n++] = '\n';
		end = at;
	}
	return bytes_of(p, n);
}

static void
other_texts(const char *file, struct bytes text)
{
	struct generation g;
	struct reading cold;
	struct arena a;

	arena_init(&a, 65536, 0);
	read_it(&cold, file, text, true, NULL);
	remember(cold.cache, &g);
	other_text(file, reversed(&a, text), &g);
	for (int i = 0; i < 3; i++)
		other_text(file, mutate(&a, text), &g);
	for (int i = 0; i < 3; i++)
		other_text(file, mutate(&a, reversed(&a, text)), &g);
	generation_free(&g);
	reading_free(&cold);
	arena_release(&a);
}

static int
manifest(void *arg, struct source_file *f)
{
	struct walk_all *w = arg;
	char path[4096];

	assert_int_equal(f->error, 0);
	snprintf(path, sizeof(path), "%.*s", BYTES_ARG(f->path));
	w->files++;
	w->kept += three_ways(path, f->text);
	if (f->text.n < 60000 && !bytes_ends(f->path, BYTES(".conf")))
		other_texts(path, f->text);
	for (int i = 0; i < 4 && f->text.n < 60000; i++) {
		struct arena a;

		arena_init(&a, 65536, 0);
		three_ways(path, mutate(&a, f->text));
		w->mutations++;
		arena_release(&a);
	}
	return 0;
}

static void
test_manifests(void **s)
{
	static const char *const roots[] = {"../shared/gateway-api", "../shared/envoy-gateway",
	    "../shared/ingress-annotations", "../shared/ingress2gateway", "examples"};
	struct walk_all w = {0};

	(void)s;
	for (size_t i = 0; i < HG_ARRAY_LEN(roots); i++) {
		struct source *src;
		struct arena a;

		if (access(roots[i], R_OK) != 0)
			continue;
		arena_init(&a, 65536, 0);
		src = source_direct(&a, &roots[i], 1, true, false);
		assert_int_equal(src->walk(src, 0, manifest, &w), 0);
		arena_release(&a);
	}
	for (int round = 0; round < 40; round++)
		for (size_t i = 0; i < HG_ARRAY_LEN(texts); i++) {
			struct arena a;

			arena_init(&a, 65536, 0);
			three_ways("t.yaml", mutate(&a, bytes_str(texts[i])));
			other_texts("t.yaml", bytes_str(texts[i]));
			other_texts("t.yaml", mutate(&a, bytes_str(texts[i])));
			arena_release(&a);
		}
	print_message("%u files, %u documents from the cache, %u mutations\n", w.files, w.kept,
	    w.mutations);
	assert_true(w.kept > 0);
}

/* ---- what changed */

static void
test_changes(void **s)
{
	static const char before[] = "a: 1\n---\nb: {x: y}\n---\nc: [1]\n";
	struct reading r;
	struct generation g;

	(void)s;
	read_it(&r, "t.yaml", BYTES(before), true, NULL);
	assert_int_equal(r.added, 3);
	remember(r.cache, &g);
	reading_free(&r);
	/* one changed, one moved to another line and another file */
	read_it(&r, "u.yaml", BYTES("# more\n# lines\n---\nb: {x: z}\n---\nc: [1]\n"), true, &g);
	assert_int_equal(r.kept, 1);
	assert_int_equal(r.added, 2);
	assert_non_null(strstr(r.dump.p, "text <z>"));
	assert_null(strstr(r.dump.p, "text <y>"));
	assert_non_null(strstr(r.dump.p, "(5 n1 6:4-5 6:1-2 key <c>"));
	reading_free(&r);
	/* the same text in another syntax is another document */
	read_it(&r, "u.conf", BYTES(before), true, &g);
	assert_int_equal(r.kept, 0);
	reading_free(&r);
	generation_free(&g);
}

/* A document with a warning is read anew each time, and warns each time. */
static void
test_warnings(void **s)
{
	struct reading r;
	struct generation g;

	(void)s;
	read_it(&r, "t.yaml", BYTES("a: 1\n---\non: 1\n"), true, NULL);
	assert_int_equal(r.diags.warnings, 1);
	remember(r.cache, &g);
	reading_free(&r);
	read_it(&r, "t.yaml", BYTES("---\non: 1\n"), true, &g);
	assert_int_equal(r.diags.warnings, 1);
	assert_int_equal(r.kept, 0);
	reading_free(&r);
	generation_free(&g);
}

static void
test_other_build(void **s)
{
	struct reading r;
	struct generation g;
	struct blob_header head;

	(void)s;
	read_it(&r, "t.yaml", BYTES("a: 1\n"), true, NULL);
	remember(r.cache, &g);
	reading_free(&r);
	head = *g.cat.blob.head;
	head.build ^= 1;
	g.cat.blob.head = &head;
	read_it(&r, "t.yaml", BYTES("a: 1\n"), true, &g);
	assert_int_equal(r.kept, 0);
	assert_int_equal(r.added, 1);
	reading_free(&r);
	generation_free(&g);
}

/* Any packed bytes: refused, or a tree that is whole. */
static void
test_wild(void **s)
{
	struct reading r;
	struct generation g;
	struct bytes text = bytes_str(texts[6]);

	(void)s;
	read_it(&r, "t.yaml", text, true, NULL);
	remember(r.cache, &g);
	reading_free(&r);
	for (int i = 0; i < 20000; i++) {
		struct bytes tree =
		    blob_text(&g.cat.blob, g.cat.shapes[chance(g.cat.n_shapes)].tree);
		struct pack_info info;
		struct doc doc = {0};
		struct node *root;
		struct arena a;
		char *p;

		arena_init(&a, 4096, 0);
		p = arena_dup(&a, tree);
		for (uint32_t k = chance(3) + 1; k > 0; k--)
			p[chance((uint32_t)tree.n)] = (char)chance(256);
		if (chance(4) == 0)
			tree.n = chance((uint32_t)tree.n);
		if (pack_open(&a, bytes_of(p, tree.n), text, 7, &doc, &info, &root) && root) {
			assert_int_equal(root->type, NODE_MAP);
			assert_ptr_equal(root->doc, &doc);
		}
		arena_release(&a);
	}
	generation_free(&g);
}

/* ---- the whole compile */

#define GW \
	"apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: edge, " \
	"namespace: infra}\nspec: {gatewayClassName: headgate, listeners: [{name: http, " \
	"port: 80, protocol: HTTP}]}\n"
#define ROUTE(name, backend) \
	"---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: " name \
	", namespace: infra}\nspec:\n  parentRefs: [{name: edge}]\n  rules: [{backendRefs: " \
	"[{name: " backend ", port: 80}]}]\n"

static struct bytes
json_of(struct world *w, const char *name)
{
	return blob_text(&w->cat.blob, world_object(w, "HTTPRoute", "infra", name)->json);
}

/* A warning of resolve in a document that did not change points to where it stands now; an object
 * whose document did not change is printed from the old catalogue, one that did is not. */
static void
test_compile(void **s)
{
	struct world w;
	uint32_t line;

	(void)s;
	world_init(&w);
	world_file(&w, "a.yaml", GW ROUTE("one", "none") ROUTE("two", "none"));
	world_compile(&w);
	assert_int_equal(w.err, HG_OK);
	assert_int_equal(w.cat.n_documents, 3);
	assert_int_equal(w.cat.n_diags, 2);
	line = w.cat.diags[0].line;
	assert_true(world_object(&w, "HTTPRoute", "infra", "one")->origin != 0);
	w.texts[0] = "# one\n# two\n---\n" GW ROUTE("one", "none") ROUTE("two", "other");
	world_compile(&w);
	assert_int_equal(w.cat.n_diags, 2);
	assert_int_equal(w.cat.diags[0].line, line + 3);
	assert_non_null(strstr(w.cat.blob.text + w.cat.diags[0].excerpt.off, "name: none"));
	assert_true(bytes_eq(blob_text(&w.cat.blob,
				 world_object(&w, "HTTPRoute", "infra", "one")->source),
	    BYTES("a.yaml:9")));
	assert_non_null(memmem(json_of(&w, "one").p, json_of(&w, "one").n, "none", 4));
	assert_non_null(memmem(json_of(&w, "two").p, json_of(&w, "two").n, "other", 5));
	assert_non_null(
	    memmem(json_of(&w, "two").p, json_of(&w, "two").n, "\"generation\":2", 14));
	/* The old text says what the old document said; this one comes from another. */
	w.texts[0] = "# one\n# two\n---\n" GW ROUTE("one", "\"none\"") ROUTE("two", "other");
	world_compile(&w);
	assert_non_null(memmem(json_of(&w, "one").p, json_of(&w, "one").n, "none", 4));
	assert_int_equal(world_object(&w, "HTTPRoute", "infra", "one")->generation, 1);
	world_release(&w);
}

/* With and without an old catalogue the same files give the same image and the same rows. */
static void
test_same_image(void **s)
{
	struct world w, fresh;
	struct stat a, b;
	char *x, *y;

	(void)s;
	world_init(&w);
	world_file(&w, "a.yaml", GW ROUTE("one", "web") ROUTE("two", "web"));
	world_file(&w, "b.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: "
				 "infra}\nspec: {ports: [{port: 80}]}\n---\napiVersion: v1\nkind: "
				 "Secret\nmetadata: {name: s, namespace: infra}\nstringData: "
				 "{a: hidden}\n");
	world_compile(&w);
	world_compile(&w);
	world_init(&fresh);
	fresh.params.generation = w.params.generation - 1;
	arena_init(&fresh.arena, 65536, 0);
	for (unsigned i = 0; i < w.n; i++)
		world_file(&fresh, w.names[i], w.texts[i]);
	world_compile(&fresh);
	assert_int_equal(fstat(w.image_fd, &a), 0);
	assert_int_equal(fstat(fresh.image_fd, &b), 0);
	assert_int_equal(a.st_size, b.st_size);
	x = mem_alloc((size_t)a.st_size);
	y = mem_alloc((size_t)a.st_size);
	assert_int_equal(pread(w.image_fd, x, (size_t)a.st_size, 0), a.st_size);
	assert_int_equal(pread(fresh.image_fd, y, (size_t)a.st_size, 0), a.st_size);
	assert_memory_equal(x, y, (size_t)a.st_size);
	assert_int_equal(w.cat.n_objects, fresh.cat.n_objects);
	for (uint32_t i = 0; i < w.cat.n_objects; i++) {
		const struct cat_object *p = &w.cat.objects[i], *q = &fresh.cat.objects[i];

		assert_true(bytes_eq(blob_text(&w.cat.blob, p->json),
		    blob_text(&fresh.cat.blob, q->json)));
		assert_true(bytes_eq(blob_text(&w.cat.blob, p->good),
		    blob_text(&fresh.cat.blob, q->good)));
		assert_true(bytes_eq(blob_text(&w.cat.blob, p->status),
		    blob_text(&fresh.cat.blob, q->status)));
	}
	mem_free(x);
	mem_free(y);
	world_release(&w);
	world_release(&fresh);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_libconfig), cmocka_unit_test(test_manifests),
	    cmocka_unit_test(test_changes), cmocka_unit_test(test_warnings),
	    cmocka_unit_test(test_other_build), cmocka_unit_test(test_wild),
	    cmocka_unit_test(test_compile), cmocka_unit_test(test_same_image)};
	const char *seed = getenv("HG_SEED");

	state = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
	state |= 1;
	print_message("HG_SEED=%llu\n", (unsigned long long)state);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
