/*
 * read_reuse.c - a file with the help of the last generation: its documents are found by their
 * lines, those whose content is known come from the cache, and only runs of others are parsed. Each
 * tree is packed and unpacked again before it is used, so what is read anew and what is taken from
 * the cache cannot differ.
 *
 * Nothing is handed over before the whole file is known to be good. Wherever something is unusual
 * (a diagnostic, directives, `...`, characters that some YAML takes for line ends, more than one
 * document between two separators) the file is read as if there were no cache: then every position,
 * message and bound is what it is without one, at the price of parsing that one file. Rejected:
 * mending the positions of diagnostics after the fact.
 */
#include "base/check.h"
#include "base/mem.h"
#include "conf/read/doccache.h"
#include "conf/read/pack.h"
#include "conf/read/read.h"

struct chunk { /* the bytes of one document, its separator included */
	struct bytes text;
	uint32_t line;   /* its first, 1-based */
	bool bare;       /* without a separator: the first of a file */
	bool known;      /* tree and info are there */
	struct hash128 hash;
	struct pack_info info;
	struct bytes packed; /* read anew, not yet in the cache */
	struct node *root;
	struct doc *doc;
};

struct reuse {
	struct read_job *job;
	struct doccache *cache;
	struct chunk *v;
	size_t n, cap;
	/* a run that is being parsed: the next chunk to be filled, and where it ends */
	size_t at, end;
	uint32_t first;          /* its first line */
	uint32_t documents, spent; /* so far, and nodes of them */
	struct read_job sub;
	struct diags diags;
	struct strbuf packed;
	bool failed;
};

static bool
separator(const char *p, const char *end, char c)
{
	if (end - p < 3 || p[0] != c || p[1] != c || p[2] != c)
		return false;
	return end - p == 3 || p[3] == ' ' || p[3] == '\t' || p[3] == '\n';
}

static struct chunk *
add(struct reuse *r, const char *p, uint32_t line)
{
	struct arena *a = doccache_scratch(r->cache);
	struct chunk *c;

	r->v = arena_grow(a, r->v, &r->cap, r->n, sizeof(*r->v));
	c = &r->v[r->n++];
	*c = (struct chunk){.text = {p, 0}, .line = line};
	return c;
}

/* False: there is something in it that needs the real reader. */
static bool
split(struct reuse *r)
{
	struct bytes all = r->job->proto.text;
	const char *p = all.p, *end = all.p + all.n, *next;
	struct chunk *c = NULL;

	for (uint32_t line = 1; p < end; p = next, line++) {
		next = memchr(p, '\n', (size_t)(end - p));
		next = next ? next + 1 : end;
		if (*p == '%' || (*p == '.' && separator(p, end, '.')))
			return false;
		if (c && !(*p == '-' && separator(p, end, '-')))
			continue;
		if (c)
			c->text.n = (size_t)(p - c->text.p);
		c = add(r, p, line);
		c->bare = !separator(p, end, '-');
	}
	if (c)
		c->text.n = (size_t)(end - c->text.p);
	return c && r->n <= READ_DOCUMENTS_MAX;
}

static bool
open_chunk(struct reuse *r, struct chunk *c, struct bytes packed)
{
	struct arena *a = r->job->arena;

	if (packed.p == NULL)
		return false;
	c->doc = arena_alloc(a, sizeof(*c->doc));
	*c->doc = r->job->proto;
	c->doc->origin = c->hash.a ? c->hash.a : 1;
	c->known = pack_open(a, packed, c->text, c->line, c->doc, &c->info, &c->root);
	return c->known;
}

static void
look_up(struct reuse *r, struct chunk *c)
{
	uint32_t token = 0;

	c->hash = doccache_hash(c->text, r->job->proto.syntax);
	if (open_chunk(r, c, doccache_find(r->cache, c->hash, c->text.n, &token)))
		doccache_keep(r->cache, c->hash, c->text.n, token);
}

/* ---- what is not known */

static void
fill(struct reuse *r, struct chunk *c, const struct node *root, const struct pack_info *info)
{
	strbuf_reset(&r->packed);
	if (!pack_tree(root, info, c->text, c->line - r->first + 1, &r->packed))
		r->failed = true;
	c->packed = arena_bytes(doccache_scratch(r->cache), strbuf_bytes(&r->packed));
}

/* Only what is known to be good as a whole: a document with an error may follow a good one in the
 * same chunk. */
static bool
remember(struct reuse *r, size_t at, size_t end)
{
	for (size_t i = at; i < end; i++) {
		struct chunk *c = &r->v[i];

		/* What cannot be opened again is a miss the next time too. */
		if (!open_chunk(
			r, c, doccache_add(r->cache, c->hash, c->text.n, c->packed)))
			return false;
	}
	return true;
}

static bool
blank(struct bytes text)
{
	bool comment = false;

	if (bytes_starts(text, BYTES("\xef\xbb\xbf")))
		text = bytes_of(text.p + 3, text.n - 3);
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];

		comment = c == '\n' ? false : comment || c == '#';
		if (!comment && c != '\n' && c != ' ' && c != '\t')
			return false;
	}
	return true;
}

/* Chunks up to `stop` have no content. */
static void
fill_empty(struct reuse *r, size_t stop)
{
	for (; r->at < stop; r->at++) {
		struct chunk *c = &r->v[r->at];
		struct pack_info info = {.documents = !(c->bare && blank(c->text))};

		/* An empty document is a node too. */
		info.spent = info.documents;
		r->spent += info.spent;
		r->documents += info.documents;
		fill(r, c, NULL, &info);
	}
}

static int
take_document(void *arg, struct node *root)
{
	struct reuse *r = arg;
	uint32_t line = root->doc->first_line + r->first - 1;
	struct pack_info info = {.documents = 1};
	size_t i = r->at;

	while (i + 1 < r->end && r->v[i + 1].line <= line)
		i++;
	if (r->at == r->end || r->diags.errors + r->diags.warnings != 0) {
		r->failed = true;
		return 1;
	}
	fill_empty(r, i);
	info.spent = r->sub.spent - r->spent;
	r->spent = r->sub.spent;
	r->documents++;
	fill(r, &r->v[i], root, &info);
	r->at = i + 1;
	return r->failed;
}

/* Line ends to some readers, and marks that may stand before a document. */
static bool
strange(struct bytes text, bool first)
{
	static const char *const list[] = {"\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xa9",
	    "\xef\xbb\xbf"};

	if (first && bytes_starts(text, BYTES("\xef\xbb\xbf")))
		text = bytes_of(text.p + 3, text.n - 3);
	for (size_t i = 0; i < HG_ARRAY_LEN(list); i++)
		if (memmem(text.p, text.n, list[i], strlen(list[i])))
			return true;
	return false;
}

/* Chunks from `at` up to `end` in one go: a parser for each would cost more than the parsing. */
static bool
parse_run(struct reuse *r, size_t at, size_t end)
{
	const char *p = r->v[at].text.p;
	struct bytes text = bytes_of(p, (size_t)(r->v[end - 1].text.p - p) + r->v[end - 1].text.n);

	diags_init(&r->diags, doccache_scratch(r->cache));
	r->sub = (struct read_job){.arena = doccache_scratch(r->cache),
	    .diags = &r->diags,
	    .proto = r->job->proto,
	    .document = take_document,
	    .arg = r};
	r->sub.proto.text = text;
	r->at = at;
	r->end = end;
	r->first = r->v[at].line;
	r->documents = r->spent = 0;
	if (strange(text, at == 0) || !read_good(&r->sub) || yaml_read(&r->sub) != 0 ||
	    r->failed || r->diags.errors + r->diags.warnings != 0)
		return false;
	fill_empty(r, end);
	return !r->failed && r->documents == r->sub.documents && remember(r, at, end);
}

static bool
read_all(struct reuse *r)
{
	uint64_t spent = 0;

	if (!split(r))
		return false;
	for (size_t i = 0; i < r->n; i++)
		look_up(r, &r->v[i]);
	for (size_t i = 0, end; i < r->n; i = end) {
		for (end = i; end < r->n && !r->v[end].known; end++)
			;
		if (end > i && !parse_run(r, i, end))
			return false;
		end += end == i;
	}
	for (size_t i = 0; i < r->n; i++)
		spent += r->v[i].info.spent;
	return spent <= READ_YAML_NODES_MAX;
}

int
reuse_yaml(struct read_job *job, struct doccache *cache)
{
	struct reuse r = {.job = job, .cache = cache};
	uint32_t documents = 0;
	int result = REUSE_NOT;

	if (read_all(&r)) {
		result = 0;
		for (size_t i = 0; i < r.n && result == 0; i++) {
			struct chunk *c = &r.v[i];

			c->doc->index = documents;
			documents += c->info.documents;
			if (c->root && job->document(job->arg, c->root) != 0)
				result = -1;
		}
	}
	strbuf_release(&r.packed);
	arena_reset(doccache_scratch(cache));
	return result;
}

/* ---- a libconfig file is one document */

struct node *
reuse_libconfig(struct read_job *job, struct doccache *cache, struct doc *doc)
{
	struct bytes text = job->proto.text;
	struct hash128 h = doccache_hash(text, job->proto.syntax);
	struct pack_info info;
	struct node *root;
	uint32_t token = 0;
	struct bytes packed = doccache_find(cache, h, text.n, &token);

	if (packed.p == NULL || !pack_open(job->arena, packed, text, 1, doc, &info, &root) ||
	    root == NULL)
		return NULL;
	doc->origin = h.a ? h.a : 1;
	doccache_keep(cache, h, text.n, token);
	return root;
}

void
reuse_remember(struct read_job *job, struct doccache *cache, const struct node *root)
{
	struct bytes text = job->proto.text;
	struct hash128 h = doccache_hash(text, job->proto.syntax);
	struct pack_info info = {.documents = 1};
	struct strbuf packed = STRBUF_INIT;

	if (pack_tree(root, &info, text, 1, &packed))
		doccache_add(cache, h, text.n, strbuf_bytes(&packed));
	root->doc->origin = h.a ? h.a : 1;
	strbuf_release(&packed);
}
