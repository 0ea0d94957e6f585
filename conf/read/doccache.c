/*
 * doccache.c - documents by the hash of their content. Rows refer to packed trees ("shapes"), which
 * are interned: files that a program wrote have many documents and few shapes. The old rows are
 * found through a table of row numbers that is made once a compile; the new ones are a list in the
 * order of reading, each document once.
 *
 * The hash is not proof against somebody who looks for collisions, and need not be: a shape holds
 * positions, the words come from the document at hand, so what such a person wins is that their own
 * document is misread. Rejected: comparing with the old text (it would have to be stored), and
 * file times (a checkout changes all of them, an editor may change none).
 */
#include "conf/read/doccache.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/version.h"

struct row {
	struct hash128 hash;
	uint32_t size, shape;
};

struct doccache {
	struct arena *arena;
	struct arena scratch;
	const struct catalogue *old; /* NULL: nothing is known */
	uint32_t *table;             /* 1 + old row, by hash */
	uint32_t mask;
	uint32_t *moved;             /* old shape -> 1 + new one */
	bool *used;                  /* old rows that are in `rows` */
	struct row *rows;
	size_t n, cap;
	struct bytes *shapes;
	size_t nshapes, cap_shapes;
	struct map index;            /* packed tree -> 1 + shape */
	uint32_t kept, added;
};

struct hash128
doccache_hash(struct bytes document, uint8_t syntax)
{
	struct hash128 h = hash_content(document.p, document.n);

	h.a ^= syntax;
	return h;
}

static void
load(struct doccache *c)
{
	uint32_t n = c->old->n_documents;

	for (c->mask = 63; c->mask / 2 < n; c->mask = c->mask * 2 + 1)
		;
	c->table = mem_zalloc(((size_t)c->mask + 1) * sizeof(*c->table));
	c->moved = mem_zalloc(((size_t)c->old->n_shapes + 1) * sizeof(*c->moved));
	c->used = mem_zalloc((size_t)n + 1);
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t *hash = c->old->documents[i].hash;
		uint32_t at = (uint32_t)hash[0] & c->mask;

		/* Of equal ones the first is enough, and a thousand would make the search long. */
		while (c->table[at] != 0 &&
		    memcmp(c->old->documents[c->table[at] - 1].hash, hash, 16) != 0)
			at = (at + 1) & c->mask;
		if (c->table[at] == 0)
			c->table[at] = i + 1;
	}
}

struct doccache *
doccache_new(struct arena *a, const struct catalogue *old)
{
	struct doccache *c = arena_zalloc(a, sizeof(*c));

	c->arena = a;
	arena_init(&c->scratch, 256 * 1024, 0);
	map_init(&c->index);
	if (old == NULL || old->blob.head->build != version_build_id())
		return c;
	c->old = old;
	load(c);
	return c;
}

void
doccache_free(struct doccache *c)
{
	if (c == NULL)
		return;
	map_release(&c->index);
	arena_release(&c->scratch);
	mem_free(c->table);
	mem_free(c->moved);
	mem_free(c->used);
	mem_free(c->rows);
	mem_free(c->shapes);
	c->table = c->moved = NULL;
	c->used = NULL;
	c->rows = NULL;
	c->shapes = NULL;
}

struct bytes
doccache_find(struct doccache *c, struct hash128 h, size_t size, uint32_t *token)
{
	if (c->old == NULL)
		return BYTES_NONE;
	for (uint32_t at = (uint32_t)h.a & c->mask; c->table[at] != 0; at = (at + 1) & c->mask) {
		const struct cat_document *d = &c->old->documents[c->table[at] - 1];

		if (d->hash[0] != h.a || d->hash[1] != h.b || d->size != size)
			continue;
		*token = c->table[at] - 1;
		return blob_text(&c->old->blob, c->old->shapes[d->shape].tree);
	}
	return BYTES_NONE;
}

static uint32_t
intern(struct doccache *c, struct bytes packed, bool copy)
{
	uint32_t i = (uint32_t)(uintptr_t)map_get(&c->index, packed);

	if (i != 0)
		return i - 1;
	if (copy)
		packed = arena_bytes(c->arena, packed);
	c->shapes = mem_grow(c->shapes, &c->cap_shapes, c->nshapes, sizeof(*c->shapes));
	c->shapes[c->nshapes++] = packed;
	map_put(&c->index, packed, (void *)(uintptr_t)c->nshapes);
	return (uint32_t)c->nshapes - 1;
}

static void
row(struct doccache *c, struct hash128 h, size_t size, uint32_t shape)
{
	c->rows = mem_grow(c->rows, &c->cap, c->n, sizeof(*c->rows));
	c->rows[c->n++] = (struct row){h, (uint32_t)size, shape};
}

void
doccache_keep(struct doccache *c, struct hash128 h, size_t size, uint32_t token)
{
	const struct cat_document *d = &c->old->documents[token];

	c->kept++;
	if (c->used[token])
		return;
	c->used[token] = true;
	if (c->moved[d->shape] == 0)
		c->moved[d->shape] =
		    intern(c, blob_text(&c->old->blob, c->old->shapes[d->shape].tree), false) + 1;
	row(c, h, size, c->moved[d->shape] - 1);
}

struct bytes
doccache_add(struct doccache *c, struct hash128 h, size_t size, struct bytes packed)
{
	uint32_t shape = intern(c, packed, true);

	c->added++;
	row(c, h, size, shape);
	return c->shapes[shape];
}

void
doccache_record(const struct doccache *c, struct blob_writer *w)
{
	for (size_t i = 0; i < c->nshapes; i++) {
		struct cat_shape s = {.tree = {0, (uint32_t)c->shapes[i].n}};

		s.tree.off = blob_add(w, CAT_TEXT, c->shapes[i].p, s.tree.len, 1);
		blob_add(w, CAT_SHAPE, &s, 1, sizeof(s));
	}
	for (size_t i = 0; i < c->n; i++) {
		const struct row *r = &c->rows[i];
		struct cat_document d = {
		    .hash = {r->hash.a, r->hash.b}, .size = r->size, .shape = r->shape};

		blob_add(w, CAT_DOCUMENT, &d, 1, sizeof(d));
	}
}

uint32_t
doccache_kept(const struct doccache *c)
{
	return c->kept;
}

uint32_t
doccache_added(const struct doccache *c)
{
	return c->added;
}

struct arena *
doccache_scratch(struct doccache *c)
{
	return &c->scratch;
}
