/*
 * canon.c - a bound struct as bytes that differ exactly when its content differs: fields by number,
 * defaults filled in, maps in any order the same. Written from the bound values and not from the
 * text, so that a comment, another order of keys or a default written out is no change
 * (metadata.generation stays).
 */
#include "base/hash.h"
#include "base/mem.h"
#include "conf/kinds/bind.h"

struct any_list {
	const void *v;
	uint32_t n;
};

static void
make_room(struct canon *out, size_t n)
{
	size_t cap = (out->cap + n) * 2;
	char *p = mem_alloc(cap);

	memcpy(p, out->p, out->n);
	canon_release(out);
	out->p = p;
	out->cap = cap;
	out->heap = true;
}

void
canon_release(struct canon *out)
{
	if (out->heap)
		mem_free(out->p);
	out->heap = false;
}

static inline void
put(struct canon *out, const void *p, size_t n)
{
	if (out->cap - out->n < n)
		make_room(out, n);
	if (n)
		memcpy(out->p + out->n, p, n);
	out->n += n;
}

static void
put_text(struct canon *out, struct bytes b)
{
	uint32_t n = (uint32_t)b.n;

	put(out, &n, sizeof(n));
	put(out, b.p, b.n);
}

/* Entries in any order give the same sum. */
static void
put_map(struct canon *out, const k_map *m)
{
	uint64_t a = 0, b = 0;

	for (uint32_t i = 0; i < m->n; i++) {
		char room[512];
		struct canon one = {.p = room, .cap = sizeof(room)};
		struct hash128 h;

		put_text(&one, m->v[i].key);
		put_text(&one, m->v[i].value);
		h = hash_content(one.p, one.n);
		a += h.a;
		b += h.b;
		canon_release(&one);
	}
	put(out, &a, sizeof(a));
	put(out, &b, sizeof(b));
}

static void
put_node(struct canon *out, const struct node *n)
{
	put(out, &n->type, sizeof(n->type));
	put_text(out, n->key);
	put_text(out, n->text);
	for (const struct node *c = n->first; c; c = c->next)
		put_node(out, c);
	put(out, ";", 1);
}

static void
put_list(struct canon *out, const struct kfield *f, const struct any_list *l)
{
	const char *at = l->v;

	put(out, &l->n, sizeof(l->n));
	for (uint32_t i = 0; i < l->n; i++) {
		if (f->type == FT_LIST) {
			schema_canon(f->sub, at, out);
			at += f->sub->size;
		} else if (f->type == FT_INTS) {
			put(out, &((const struct k_int *)(const void *)at)->v, sizeof(int64_t));
			at += sizeof(struct k_int);
		} else {
			put_text(out, *(const struct bytes *)(const void *)at);
			at += sizeof(struct bytes);
		}
	}
}

static bool
is_there(const struct kfield *f, const void *slot)
{
	switch ((enum field_type)f->type) {
	case FT_STRING:
		return ((const struct bytes *)slot)->p != NULL;
	case FT_INT:
		return ((const struct k_int *)slot)->set || f->def;
	case FT_BOOL:
		return ((const struct k_bool *)slot)->set || f->def;
	case FT_NUMBER:
		return ((const struct k_number *)slot)->set || f->def;
	case FT_ENUM:
		return *(const uint8_t *)slot != 0;
	case FT_DURATION:
		return ((const struct k_duration *)slot)->set || f->def;
	case FT_INT_OR_STRING:
		return ((const struct k_int_or_string *)slot)->set;
	case FT_STRUCT:
	case FT_ANY:
		return *(const void *const *)slot != NULL;
	case FT_LIST:
	case FT_STRINGS:
	case FT_INTS:
	case FT_MAP:
		return ((const struct any_list *)slot)->v != NULL;
	case FT_INLINE:
	case FT_LIMIT:
		return true;
	case FT_IGNORED:
		return false;
	}
	return false;
}

void
schema_canon(const struct kstruct *s, const void *base, struct canon *out)
{
	for (unsigned i = 0; i < s->n; i++) {
		const struct kfield *f = &s->fields[i];
		const void *slot = (const char *)base + f->off;
		uint8_t tag = (uint8_t)(i + 1);

		if (!is_there(f, slot))
			continue;
		put(out, &tag, 1);
		switch ((enum field_type)f->type) {
		case FT_STRING:
			put_text(out, *(const struct bytes *)slot);
			break;
		case FT_INT:
		case FT_LIMIT: /* k_int begins with its value */
		case FT_DURATION:
			put(out, slot, sizeof(int64_t));
			break;
		case FT_NUMBER:
			put(out, &((const struct k_number *)slot)->v, sizeof(double));
			break;
		case FT_BOOL:
		case FT_ENUM: /* k_bool begins with its value */
			put(out, slot, 1);
			break;
		case FT_INT_OR_STRING:
			put(out, &((const struct k_int_or_string *)slot)->i, sizeof(int64_t));
			put_text(out, ((const struct k_int_or_string *)slot)->s);
			break;
		case FT_STRUCT:
			schema_canon(f->sub, *(const void *const *)slot, out);
			break;
		case FT_INLINE:
			schema_canon(f->sub, base, out);
			break;
		case FT_ANY:
			put_node(out, *(struct node *const *)slot);
			break;
		case FT_MAP:
			put_map(out, slot);
			break;
		case FT_LIST:
		case FT_STRINGS:
		case FT_INTS:
			put_list(out, f, slot);
			break;
		case FT_IGNORED:
			break;
		}
	}
	put(out, &(uint8_t){0}, 1);
}
