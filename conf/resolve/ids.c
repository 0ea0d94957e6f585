/*
 * ids.c - the id map. One open-addressed table for all kinds, keyed by 128 bits of hash over kind
 * and name (a collision would only merge two counters), and a bitmap of taken numbers for each
 * kind.
 *
 * Ids are handed out lowest first in the order of the sorted objects, so that equal inputs give
 * equal images whatever the order of files. Rejected: ids from a running number (a million would be
 * gone after ten reloads of 100,000 renamed routes), and ids that are a hash (the regions are
 * arrays).
 */
#include "conf/resolve/ids.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "shm/board.h"
#include "shm/slot.h"

struct ids_row {
	uint64_t key[2];
	struct bytes name;
	uint64_t gone;
	uint32_t id;
	uint8_t kind; /* 0 = empty */
	bool used;    /* in this generation */
};

struct ids {
	struct ids_row *rows;
	size_t n, cap; /* cap: a power of two */
	uint64_t *taken[IDS_KINDS];
	uint32_t next[IDS_KINDS], have[IDS_KINDS], lost; /* have: rows */
	uint64_t generation;
};

static uint32_t
limit(unsigned kind)
{
	if (kind == CAT_ID_NODEPORT)
		return NODEPORT_LAST - NODEPORT_FIRST + 2;
	return kind == CAT_ID_NAME ? NAMES_SLOTS : SLOT_IDS;
}

static struct ids_row *
find(struct ids *ids, const uint64_t key[2], uint8_t kind)
{
	size_t i = key[0] & (ids->cap - 1);

	while (ids->rows[i].kind != 0) {
		struct ids_row *r = &ids->rows[i];

		if (r->kind == kind && r->key[0] == key[0] && r->key[1] == key[1])
			return r;
		i = (i + 1) & (ids->cap - 1);
	}
	return &ids->rows[i];
}

static void
grow(struct ids *ids, size_t want)
{
	struct ids_row *old = ids->rows;
	size_t oldcap = ids->cap;

	if (ids->cap != 0 && want * 4 < ids->cap * 3)
		return;
	ids->cap = oldcap == 0 ? 256 : oldcap;
	while (want * 4 >= ids->cap * 3)
		ids->cap *= 2;
	ids->rows = mem_zalloc(ids->cap * sizeof(*ids->rows));
	for (size_t i = 0; i < oldcap; i++)
		if (old[i].kind != 0)
			*find(ids, old[i].key, old[i].kind) = old[i];
	mem_free(old);
}

static bool
take(struct ids *ids, unsigned kind, uint32_t id)
{
	uint64_t bit = 1ull << (id % 64);

	if (id >= limit(kind))
		return false;
	if (ids->taken[kind] == NULL)
		ids->taken[kind] = mem_zalloc(SLOT_IDS / 8);
	if (ids->taken[kind][id / 64] & bit)
		return false;
	ids->taken[kind][id / 64] |= bit;
	return true;
}

/* A catalogue from disk may say anything: rows that make no sense are dropped. */
static void
load(struct ids *ids, const struct catalogue *old)
{
	grow(ids, old->n_ids);
	for (uint32_t i = 0; i < old->n_ids; i++) {
		const struct cat_id *c = &old->ids[i];
		struct ids_row *r;

		if (c->kind == 0 || c->kind >= IDS_KINDS || c->id == 0)
			continue;
		if (c->gone != 0 && ids->generation - c->gone >= IDS_KEEP)
			continue;
		r = find(ids, c->key, c->kind);
		if (r->kind != 0 || !take(ids, c->kind, c->id))
			continue;
		*r = (struct ids_row){{c->key[0], c->key[1]}, blob_text(&old->blob, c->name),
		    c->gone, c->id, c->kind, false};
		ids->n++;
		ids->have[c->kind]++;
	}
}

struct ids *
ids_new(const struct catalogue *old, uint64_t generation)
{
	struct ids *ids = mem_zalloc(sizeof(*ids));

	ids->generation = generation;
	for (unsigned k = 0; k < IDS_KINDS; k++)
		ids->next[k] = 1;
	grow(ids, 1);
	if (old != NULL)
		load(ids, old);
	return ids;
}

void
ids_free(struct ids *ids)
{
	for (unsigned k = 0; k < IDS_KINDS; k++)
		mem_free(ids->taken[k]);
	mem_free(ids->rows);
	mem_free(ids);
}

uint32_t
ids_get(struct ids *ids, enum cat_idkind kind, struct bytes name)
{
	struct hash128 h = hash_content(name.p, name.n);
	uint64_t key[2] = {h.a, h.b};
	struct ids_row *r;
	uint32_t *next = &ids->next[kind];

	grow(ids, ids->n + 1);
	r = find(ids, key, (uint8_t)kind);
	if (r->kind != 0 && r->id != 0) {
		r->used = true;
		r->gone = 0;
		r->name = name;
		return r->id;
	}
	while (*next < limit(kind) && !take(ids, kind, *next))
		++*next;
	if (*next >= limit(kind)) {
		ids->lost += kind != CAT_ID_NODEPORT;
		return 0;
	}
	ids->n += r->kind == 0;
	ids->have[kind] += r->kind == 0;
	*r = (struct ids_row){{key[0], key[1]}, name, 0, (*next)++, (uint8_t)kind, true};
	return r->id;
}

void
ids_reserve(struct ids *ids, enum cat_idkind kind, uint32_t id, struct bytes owner)
{
	struct hash128 h = hash_content(owner.p != NULL ? owner.p : "", owner.n);

	if (take(ids, kind, id) || ids->have[kind] == 0)
		return;
	for (size_t i = 0; i < ids->cap; i++) {
		struct ids_row *r = &ids->rows[i];

		if (r->kind != kind || r->id != id)
			continue;
		if (r->key[0] == h.a && r->key[1] == h.b) {
			r->used = true;
			r->gone = 0;
			r->name = owner;
		} else {
			r->id = 0; /* its key stays, for its next number */
		}
	}
}

uint32_t
ids_lost(const struct ids *ids)
{
	return ids->lost;
}

void
ids_record(const struct ids *ids, struct blob_writer *w)
{
	for (size_t i = 0; i < ids->cap; i++) {
		const struct ids_row *r = &ids->rows[i];
		struct cat_id c = {.id = r->id, .kind = r->kind, .key = {r->key[0], r->key[1]}};

		if (r->kind == 0 || r->id == 0)
			continue;
		c.gone = r->used ? 0 : r->gone != 0 ? r->gone : ids->generation;
		/* Hardly ever equal to another text. */
		c.name = (struct im_str){r->name.p ? 0 : IM_NONE, (uint32_t)r->name.n};
		if (r->name.n != 0)
			c.name.off = blob_add(w, CAT_TEXT, r->name.p, c.name.len, 1);
		blob_add(w, CAT_ID, &c, 1, sizeof(c));
	}
}
