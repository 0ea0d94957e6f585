/*
 * nodes.c - packed node trees, which may come from a damaged disk: any bytes over any document.
 * What must hold: no crash, bounded memory, and what is taken is a whole tree whose texts lie in
 * the document or in the packed bytes. Input: a length byte, that much of document, the packed
 * tree. The whole as a document too: with a cache it must read as it does without.
 */
#include "base/check.h"
#include "base/hash.h"
#include "conf/read/doccache.h"
#include "conf/read/pack.h"
#include "conf/read/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static bool
within(struct bytes t, struct bytes all)
{
	return t.p >= all.p && t.p + t.n <= all.p + all.n;
}

static void
check(const struct node *n, const struct node *parent, struct bytes text, struct bytes packed)
{
	uint32_t children = 0;

	HG_CHECK(n->parent == parent && n->type <= NODE_MAP);
	HG_CHECK(n->at.line > 0 && n->at.col > 0 && n->at.endcol > n->at.col);
	HG_CHECK(n->text.p == NULL || within(n->text, text) || within(n->text, packed));
	HG_CHECK(n->key.p == NULL || within(n->key, text) || within(n->key, packed));
	for (const struct node *c = n->first; c; c = c->next, children++)
		check(c, n, text, packed);
	HG_CHECK(children == n->n);
}

static int
count(void *arg, struct node *n)
{
	uint64_t *h = arg;

	*h = hash_mix(*h ^ n->at.line ^ (uint64_t)n->n << 32 ^ (uint64_t)n->doc->index << 48);
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bytes text, packed;
	struct pack_info info;
	struct doc doc = {0};
	struct node *root;
	struct arena a;
	uint64_t h[2] = {1, 1};
	int code[2];
	uint32_t told[2];

	if (size == 0)
		return 0;
	text = bytes_of((const char *)data + 1, HG_MIN((size_t)data[0], size - 1));
	packed = bytes_of(text.p + text.n, size - 1 - text.n);
	arena_init(&a, 4096, 0);
	if (pack_open(&a, packed, text, 3, &doc, &info, &root) && root)
		check(root, NULL, text, packed);
	text = bytes_of((const char *)data, size);
	for (int i = 0; i < 2; i++) {
		struct doccache *c = i ? doccache_new(&a, NULL) : NULL;
		struct diags ds;

		diags_init(&ds, &a);
		code[i] = read_text_cached(
		    &a, &ds, BYTES("f.yaml"), text, 0, BYTES_NONE, c, count, &h[i]);
		told[i] = ds.errors << 16 | ds.warnings;
		doccache_free(c);
	}
	HG_CHECK(code[0] == code[1] && h[0] == h[1] && told[0] == told[1]);
	HG_CHECK(a.used < (64u << 20));
	arena_release(&a);
	return 0;
}
