/*
 * field.c - the table of header lines. Ids make the common question ("is there an Expect?") one
 * array read, unknown names are found by comparing lengths first. Names are mapped to ids by a
 * 256-bucket table over length and three bytes, built at first use from the list in field.h: about
 * one comparison a name, and a new name stays one line there. A generated perfect hash was
 * rejected: it needs a generator in the build and saves nothing measurable. Lines are never moved,
 * so that an index or a pointer into the table stays good while filters remove and add.
 */
#include "base/field.h"

#include "base/check.h"

static const struct bytes names[FIELD_COUNT] = {
#define F(id, text) [FIELD_##id] = {text, sizeof(text) - 1},
	FIELD_TABLE(F)
#undef F
};

#define NAME_MAX_LEN 32

/* Names in lower case, and where a name may have either case: (text | fold) == lower. */
static struct {
	bool ready;
	uint8_t head[256], next[FIELD_COUNT], len[FIELD_COUNT];
	char lower[FIELD_COUNT][NAME_MAX_LEN], fold[FIELD_COUNT][NAME_MAX_LEN];
} ids;

/* Bit 5 folds ASCII case; that it also merges a few other bytes only costs a comparison. */
static inline unsigned
bucket(struct bytes b)
{
	unsigned a = (unsigned char)b.p[0] | 0x20, m = (unsigned char)b.p[b.n / 2] | 0x20,
		 z = (unsigned char)b.p[b.n - 1] | 0x20;

	return (unsigned)(b.n * 7 + a * 3 + m * 29 + z * 5) & 255;
}

static void
build(void)
{
	for (unsigned i = 1; i < FIELD_COUNT; i++) {
		unsigned b = bucket(names[i]);

		HG_CHECK(names[i].n <= NAME_MAX_LEN);
		ids.next[i] = ids.head[b];
		ids.head[b] = (uint8_t)i;
		ids.len[i] = (uint8_t)names[i].n;
		for (size_t k = 0; k < names[i].n; k++) {
			char c = names[i].p[k];

			ids.fold[i][k] =
			    (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ? 0x20 : 0;
			ids.lower[i][k] = c | ids.fold[i][k];
		}
	}
	ids.ready = true;
}

static inline bool
same8(const char *p, const char *fold, const char *lower)
{
	uint64_t x, f, l;

	memcpy(&x, p, 8);
	memcpy(&f, fold, 8);
	memcpy(&l, lower, 8);
	return (x | f) == l;
}

static inline bool
same4(const char *p, const char *fold, const char *lower)
{
	uint32_t x, f, l;

	memcpy(&x, p, 4);
	memcpy(&f, fold, 4);
	memcpy(&l, lower, 4);
	return (x | f) == l;
}

/* Is it this name? The last piece overlaps the one before. */
static inline bool
same(unsigned i, struct bytes name)
{
	const char *fold = ids.fold[i], *lower = ids.lower[i], *p = name.p;
	size_t n = name.n, k = 0;

	if (ids.len[i] != n)
		return false;
	if (n >= 8) {
		for (; k + 8 < n; k += 8)
			if (!same8(p + k, fold + k, lower + k))
				return false;
		return same8(p + n - 8, fold + n - 8, lower + n - 8);
	}
	if (n >= 4)
		return same4(p, fold, lower) && same4(p + n - 4, fold + n - 4, lower + n - 4);
	for (; k < n; k++)
		if ((p[k] | fold[k]) != lower[k])
			return false;
	return true;
}

enum field_id
field_id(struct bytes name)
{
	if (name.n == 0)
		return FIELD_OTHER;
	if (__builtin_expect(!ids.ready, 0))
		build();
	for (unsigned i = ids.head[bucket(name)]; i; i = ids.next[i])
		if (same(i, name))
			return (enum field_id)i;
	return FIELD_OTHER;
}

struct bytes
field_name(enum field_id id)
{
	return id > FIELD_OTHER && id < FIELD_COUNT ? names[id] : BYTES_NONE;
}

bool
fields_add(struct fields *t, struct bytes name, struct bytes value, enum field_id id)
{
	struct field *f;

	if (t->n >= t->cap)
		return false;
	f = &t->v[t->n++];
	f->name = name;
	f->value = value;
	f->id = (uint8_t)id;
	f->flags = 0;
	fields_note(t, id);
	return true;
}

/* First line from index i on that is not gone and has this id, and for FIELD_OTHER this name. */
static struct field *
scan(const struct fields *t, unsigned i, enum field_id id, struct bytes name)
{
	for (; i < t->n; i++) {
		struct field *f = &t->v[i];

		if (f->id != id || (f->flags & FIELD_GONE))
			continue;
		if (id != FIELD_OTHER || bytes_eqi(f->name, name))
			return f;
	}
	return NULL;
}

struct field *
fields_first(const struct fields *t, enum field_id id)
{
	return id == FIELD_OTHER ? NULL : scan(t, 0, id, BYTES_NONE);
}

struct field *
fields_find(const struct fields *t, struct bytes name)
{
	enum field_id id = field_id(name);

	return t->seen & FIELD_BIT(id) ? scan(t, 0, id, name) : NULL;
}

struct field *
fields_next(const struct fields *t, const struct field *after)
{
	if (!(t->twice & FIELD_BIT(after->id)))
		return NULL;
	return scan(t, (unsigned)(after - t->v) + 1, (enum field_id)after->id, after->name);
}

void
fields_remove(struct fields *t, struct bytes name)
{
	struct field *f = fields_find(t, name);

	for (; f; f = fields_next(t, f))
		f->flags |= FIELD_GONE;
}

bool
fields_set(struct fields *t, struct bytes name, struct bytes value)
{
	struct field *f = fields_find(t, name);

	if (f == NULL)
		return fields_add(t, name, value, field_id(name));
	f->value = value;
	for (f = fields_next(t, f); f; f = fields_next(t, f))
		f->flags |= FIELD_GONE;
	return true;
}

struct bytes
fields_joined(const struct fields *t, struct bytes name, char *out, size_t cap, bool *too_long)
{
	const struct field *f = fields_find(t, name), *more;
	size_t n = 0;

	*too_long = false;
	if (f == NULL)
		return BYTES_NONE;
	more = fields_next(t, f);
	if (more == NULL)
		return bytes_of(f->value.p ? f->value.p : "", f->value.n);
	for (; f; f = fields_next(t, f)) {
		size_t sep = n || f == more ? 2 : 0;

		if (f->value.n > cap || n + sep > cap - f->value.n) {
			*too_long = true;
			return BYTES_NONE;
		}
		if (sep)
			memcpy(out + n, ", ", 2);
		if (f->value.n)
			memcpy(out + n + sep, f->value.p, f->value.n);
		n += sep + f->value.n;
	}
	return bytes_of(out, n);
}

bool
fields_grpc(const struct fields *t)
{
	static const struct bytes type = {"application/grpc", 16};
	const struct field *f = fields_get(t, FIELD_CONTENT_TYPE);

	return f && f->value.n >= type.n && bytes_eqi(bytes_of(f->value.p, type.n), type) &&
	    (f->value.n == type.n || strchr("+; \t", f->value.p[type.n]) != NULL);
}
