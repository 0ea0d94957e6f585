/*
 * tree.c - the paths of a set of routes -> one open-addressed table.
 *
 * Which routes share a hostname on a listener decides a tree completely, so the list of their ranks
 * is its cache key: a thousand listeners with the same routes have one tree. Inside, matches are
 * sorted by path and then by precedence, so that each run of equal paths is a group. Patterns have
 * one order over the whole tree; runs of equal patterns in that order share one evaluation.
 *
 * GRPCRoute: characters of the service come before characters of the method (5.13), so a match by
 * service alone outranks one by method alone, though the first is a prefix and the second a
 * pattern. Where a tree has patterns, its service prefixes become patterns too, and take part in
 * their order.
 */
#include "base/mem.h"
#include "base/regex.h"
#include "conf/build/parts.h"

struct node { /* one key of the table */
	struct bytes key;
	uint32_t hash, exact, prefix;
	struct im_range regexes;
};

struct run { /* equal patterns next to each other in the tree's order */
	struct bytes key;
	uint32_t hash;
	struct im_regexpath rec;
};

struct work { /* one tree */
	struct build *b;
	struct build_entry *paths, *patterns;
	struct node *nodes;
	struct run *runs;
	size_t npaths, npatterns, nnodes, nruns;
	size_t paths_cap, patterns_cap;
	struct im_tree tree;
};

static unsigned
depth_of(struct bytes key)
{
	unsigned d = 0;

	for (size_t i = 0; i < key.n; i++)
		d += key.p[i] == '/';
	return HG_MIN(d, 63u);
}

static uint32_t
key_hash(struct bytes key)
{
	uint64_t h = HASH_SEED;

	for (size_t i = 0; i < key.n; i++)
		h = hash_byte(h, (unsigned char)key.p[i]);
	return (uint32_t)hash_mix(h);
}

static int
key_cmp(uint32_t xh, struct bytes x, uint32_t yh, struct bytes y)
{
	return xh != yh ? (xh < yh ? -1 : 1) : bytes_cmp(x, y);
}

static int
prec_cmp(const void *a, const void *b)
{
	const struct build_entry *x = a, *y = b;

	if (x->prec != y->prec)
		return x->prec < y->prec ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

static int
path_cmp(const void *a, const void *b)
{
	const struct build_entry *x = a, *y = b;
	int c = key_cmp(x->hash, x->key, y->hash, y->key);

	if (c == 0)
		c = x->type - y->type;
	return c ? c : prec_cmp(a, b);
}

static int
run_cmp(const void *a, const void *b)
{
	const struct run *x = a, *y = b;
	int c = key_cmp(x->hash, x->key, y->hash, y->key);

	return c ? c : x->rec.order < y->rec.order ? -1 : 1;
}

static int
node_cmp(const void *a, const void *b)
{
	const struct node *x = a, *y = b;

	return key_cmp(x->hash, x->key, y->hash, y->key);
}

/* ---- collecting */

static uint64_t
precedence(const struct m_match *m, bool grpc)
{
	uint64_t headers = 0, query = 0;

	for (uint16_t i = 0; i < m->nheaders; i++)
		headers += group_counts(m->headers, i, true);
	for (uint16_t i = 0; i < m->nquery; i++)
		query += group_counts(m->query, i, false);
	if (grpc)
		return (uint64_t)(0xffff - m->service_chars) << 32 |
		    (uint64_t)(0xffff - m->method_chars) << 16 | (0xffff - headers);
	return (uint64_t)!m->method.p << 32 | (0xffff - headers) << 16 | (0xffff - query);
}

/* The whole segments of what every match of the pattern begins with. */
static struct bytes
pattern_key(struct work *w, struct bytes pattern)
{
	char *buf = arena_alloc(&w->b->tmp, pattern.n + 1);
	struct bytes lit = regex_literal_prefix(pattern, buf, pattern.n + 1);
	ptrdiff_t slash = lit.n && lit.p[0] == '/' ? bytes_rchr(lit, '/') : 0;

	return bytes_of(lit.p ? lit.p : "", slash > 0 && lit.n <= IM_PATH_MAX ? (size_t)slash : 0);
}

static void
entry_add(
    struct work *w, uint32_t rule, const struct m_match *m, uint32_t seq, bool grpc)
{
	struct build_entry e = {.key = m->path,
	    .seq = seq,
	    .prec = precedence(m, grpc),
	    .rule = rule,
	    .match = m,
	    .type = m->path_type};

	if (m->path_type == M_PATH_REGEX) {
		e.pattern = m->path;
		e.key = pattern_key(w, m->path);
	} else if (m->path.n == 0 || m->path.p[0] != '/' || m->path.n > IM_PATH_MAX) {
		w->b->err = HG_ERR_INVALID;
		return;
	} else if (m->path_type == M_PATH_PREFIX && e.key.p[e.key.n - 1] == '/') {
		e.key.n--;
	}
	e.hash = key_hash(e.key);
	if (m->path_type == M_PATH_REGEX) {
		w->patterns = mem_grow(w->patterns, &w->patterns_cap, w->npatterns, sizeof(e));
		w->patterns[w->npatterns++] = e;
	} else {
		w->paths = mem_grow(w->paths, &w->paths_cap, w->npaths, sizeof(e));
		w->paths[w->npaths++] = e;
	}
}

static const struct m_match match_all = {.path_type = M_PATH_PREFIX, .path = {"/", 1}};

static void
collect(struct work *w, const uint32_t *ranks, uint32_t n, bool grpc)
{
	uint32_t seq = 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct build_variant *v = &w->b->ranked[ranks[i]];
		const struct m_route *route = v->route;

		records_route(w->b, ranks[i]);
		for (uint32_t k = 0; k < route->nrules; k++) {
			const struct m_rule *rule = &route->rules[k];

			for (uint32_t j = 0; j < rule->nmatches; j++)
				entry_add(w, v->rules[k], &rule->matches[j], seq++, grpc);
			if (rule->nmatches == 0)
				entry_add(w, v->rules[k], &match_all, seq++, grpc);
		}
	}
}

/* "/pkg.Svc" -> "/pkg\.Svc(/.*)?": the same paths as the prefix. */
static struct bytes
prefix_pattern(struct work *w, struct bytes key)
{
	char *p = arena_alloc(&w->b->arena, key.n * 2 + 8);
	size_t n = 0;

	for (size_t i = 0; i < key.n; i++) {
		if (strchr("\\^$.[]|()?*+{}", key.p[i]))
			p[n++] = '\\';
		p[n++] = key.p[i];
	}
	memcpy(p + n, "(/.*)?", 6);
	return bytes_of(p, n + 6);
}

static void
grpc_prefixes(struct work *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->npaths; i++) {
		struct build_entry e = w->paths[i];

		if (e.type == M_PATH_EXACT || e.key.n == 0) {
			w->paths[kept++] = e;
			continue;
		}
		e.type = M_PATH_REGEX;
		e.pattern = prefix_pattern(w, e.key);
		e.key = pattern_key(w, e.pattern);
		e.hash = key_hash(e.key);
		w->patterns = mem_grow(w->patterns, &w->patterns_cap, w->npatterns, sizeof(e));
		w->patterns[w->npatterns++] = e;
	}
	w->npaths = kept;
}

/* ---- laying out */

static struct node *
node_new(struct work *w, struct bytes key, uint32_t hash)
{
	struct node *nd = &w->nodes[w->nnodes++];

	*nd = (struct node){key, hash, IM_NONE, IM_NONE, {0, 0}};
	return nd;
}

static void
paths_group(struct work *w)
{
	struct node *nd = NULL;

	if (w->npaths != 0)
		qsort(w->paths, w->npaths, sizeof(*w->paths), path_cmp);
	for (size_t from = 0, to; from < w->npaths; from = to) {
		const struct build_entry *e = &w->paths[from];
		uint32_t group;

		for (to = from + 1; to < w->npaths && w->paths[to].type == e->type &&
		    key_cmp(w->paths[to].hash, w->paths[to].key, e->hash, e->key) == 0;)
			to++;
		group = group_of(w->b, e, (uint32_t)(to - from));
		if (!nd || key_cmp(nd->hash, nd->key, e->hash, e->key) != 0)
			nd = node_new(w, e->key, e->hash);
		*(e->type == M_PATH_EXACT ? &nd->exact : &nd->prefix) = group;
		if (e->type == M_PATH_PREFIX)
			w->tree.prefix_depths |= 1ull << depth_of(e->key);
	}
}

static void
patterns_group(struct work *w)
{
	struct build *b = w->b;

	if (w->npatterns == 0)
		return;
	qsort(w->patterns, w->npatterns, sizeof(*w->patterns), prec_cmp);
	w->runs = arena_zalloc(&b->tmp, (w->npatterns + 1) * sizeof(*w->runs));
	for (size_t from = 0, to; from < w->npatterns; from = to) {
		const struct build_entry *e = &w->patterns[from];
		struct im_str text = blob_put_text(b->w, e->pattern);
		struct run *r = &w->runs[w->nruns];

		for (to = from + 1;
		     to < w->npatterns && bytes_eq(w->patterns[to].pattern, e->pattern);)
			to++;
		r->key = e->key;
		r->hash = e->hash;
		r->rec.regex = SHARE(b, IM_REGEX, &text, 1);
		r->rec.order = (uint32_t)w->nruns++;
		r->rec.group = group_of(b, e, (uint32_t)(to - from));
		w->tree.regex_depths |= 1ull << depth_of(e->key);
	}
}

/* Give each run to the node of its key; keys without a path of their own become nodes. */
static void
runs_place(struct work *w)
{
	size_t known = w->nnodes;

	if (w->nruns == 0)
		return;
	qsort(w->runs, w->nruns, sizeof(*w->runs), run_cmp);
	for (size_t from = 0, to; from < w->nruns; from = to) {
		struct node want = {.key = w->runs[from].key, .hash = w->runs[from].hash};
		struct node *nd = bsearch(&want, w->nodes, known, sizeof(want), node_cmp);

		if (!nd)
			nd = node_new(w, want.key, want.hash);
		nd->regexes.first = blob_count(w->b->w, IM_REGEXPATH);
		for (to = from; to < w->nruns &&
		     key_cmp(w->runs[to].hash, w->runs[to].key, want.hash, want.key) == 0;
		     to++)
			(void)blob_add(
			    w->b->w, IM_REGEXPATH, &w->runs[to].rec, 1, sizeof(w->runs[to].rec));
		nd->regexes.n = (uint32_t)(to - from);
	}
}

static void
table_write(struct work *w)
{
	struct blob_writer *out = w->b->w;
	uint32_t size = table_size((uint32_t)w->nnodes);

	w->tree.mask = w->nnodes ? size - 1 : IM_NONE;
	if (w->nnodes == 0)
		return;
	w->tree.first = blob_add(out, IM_PATH, NULL, size, sizeof(struct im_path));
	for (uint32_t i = 0; i < size; i++)
		((struct im_path *)blob_at(out, IM_PATH, w->tree.first + i))->path.off = IM_NONE;
	for (size_t i = 0; i < w->nnodes; i++) {
		const struct node *nd = &w->nodes[i];
		struct im_str text = blob_put_text(out, nd->key);
		uint32_t at = nd->hash & w->tree.mask;
		struct im_path *p;

		while ((p = blob_at(out, IM_PATH, w->tree.first + at))->path.off != IM_NONE)
			at = (at + 1) & w->tree.mask;
		*p = (struct im_path){nd->hash, nd->exact, nd->prefix, text, nd->regexes};
	}
	w->b->stats->paths += (uint32_t)w->nnodes;
}

static uint32_t
tree_build(struct build *b, const uint32_t *ranks, uint32_t n, bool grpc)
{
	struct work w = {.b = b};
	uint32_t index;

	collect(&w, ranks, n, grpc);
	if (grpc && w.npatterns != 0)
		grpc_prefixes(&w);
	w.nodes = arena_alloc(&b->tmp, (w.npaths + w.npatterns + 1) * sizeof(*w.nodes));
	paths_group(&w);
	patterns_group(&w);
	runs_place(&w);
	table_write(&w);
	index = blob_add(b->w, IM_TREE, &w.tree, 1, sizeof(w.tree));
	mem_free(w.paths);
	mem_free(w.patterns);
	arena_reset(&b->tmp);
	return index;
}

uint32_t
tree_of(struct build *b, const uint32_t *ranks, uint32_t n, bool grpc)
{
	struct bytes key = bytes_of((const char *)ranks, n * sizeof(*ranks));
	void *got = map_get(&b->trees, key);
	uint32_t index;

	if (got)
		return (uint32_t)((uintptr_t)got - 1);
	index = tree_build(b, ranks, n, grpc);
	(void)map_put(&b->trees, arena_bytes(&b->arena, key), (void *)((uintptr_t)index + 1));
	return index;
}
