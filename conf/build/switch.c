/*
 * switch.c - many matches of one path that ask for different values of one key (tenants in a
 * header, versions in a parameter) -> a table of the values, so that a lookup costs one probe and
 * not a walk along the chain.
 *
 * Each case gets the matches of its value and those that do not ask for the key ("the rest"), in
 * precedence order; the rest alone serves all other values. Leaving out only what cannot match
 * keeps the order right. The rest is repeated in each case, so a switch is made only where that
 * adds at most twice the matches. Cases that are still long are split again by another key.
 * Rejected: always splitting (a rest in every case is quadratic).
 */
#include "base/field.h"
#include "base/mem.h"
#include "conf/build/parts.h"

#define SPLIT_MATCHES 64u /* one group: nothing to gain below */
#define SPLIT_VALUES 4u

struct split {
	struct build *b;
	const struct build_entry *e;
	uint32_t n;
	const struct build_cond *conds; /* exact ones of the key, by value, then match */
	size_t nconds;
	uint32_t values;
	uint32_t *rest;                 /* matches, ascending */
	uint32_t nrest;
};

static uint32_t split_of(
    struct build *, const struct build_entry *, uint32_t n, const struct build_skip *);

/* The key with the most exact values whose rest is small. */
static bool
split_choose(struct split *s, const struct build_cond *v, size_t n)
{
	s->values = 0;
	for (size_t from = 0, to; from < n; from = to) {
		uint32_t values = 0;
		size_t exact = 0;

		for (to = from; to < n && group_key_cmp(&v[from], &v[to]) == 0; to++) {
			if (v[to].regex)
				continue;
			exact++;
			values += to == from || group_value_cmp(&v[to - 1], &v[to]) != 0;
		}
		if (values < SPLIT_VALUES || values <= s->values ||
		    (uint64_t)(s->n - exact) * values > 2ull * s->n)
			continue;
		s->values = values;
		s->conds = v + from;
		s->nconds = exact; /* exact ones sort before patterns */
	}
	return s->values != 0;
}

static void
split_rest(struct split *s)
{
	unsigned char *asks = mem_zalloc(s->n);

	s->rest = mem_alloc(s->n * sizeof(*s->rest));
	for (size_t i = 0; i < s->nconds; i++)
		asks[s->conds[i].entry] = 1;
	for (uint32_t i = 0; i < s->n; i++)
		if (!asks[i])
			s->rest[s->nrest++] = i;
	mem_free(asks);
}

/* Matches of one value and the rest, merged in their order. */
static uint32_t
split_case(
    const struct split *s, const struct build_cond *v, size_t n, const struct build_skip *skip)
{
	struct build_entry *e = mem_alloc((n + s->nrest) * sizeof(*e));
	uint32_t count = 0, r = 0, ref;

	for (size_t i = 0; i < n || r < s->nrest;) {
		if (i < n && (r == s->nrest || v[i].entry < s->rest[r]))
			e[count++] = s->e[v[i++].entry];
		else
			e[count++] = s->e[s->rest[r++]];
	}
	ref = split_of(s->b, e, count, skip);
	mem_free(e);
	return ref;
}

static void
case_insert(struct build *b, const struct im_switch *sw, struct im_case c)
{
	uint32_t at = c.hash & sw->mask;
	struct im_case *to;

	while ((to = blob_at(b->w, IM_CASE, sw->first + at))->group != IM_NONE)
		at = (at + 1) & sw->mask;
	*to = c;
}

static uint32_t
switch_write(struct split *s, const struct build_skip *up)
{
	struct build *b = s->b;
	struct build_skip skip = {up, s->conds->name, s->conds->kind};
	/* Its place first: switches point to later ones. */
	uint32_t index = blob_add(b->w, IM_SWITCH, NULL, 1, sizeof(struct im_switch));
	uint32_t size = table_size(s->values);
	struct im_switch sw;

	memset(&sw, 0, sizeof(sw));
	sw.kind = skip.kind;
	sw.name =
	    sw.kind == IM_P_METHOD ? (struct im_str){IM_NONE, 0} : blob_put_text(b->w, skip.name);
	sw.field = sw.kind == IM_P_HEADER ? (uint8_t)field_id(skip.name) : 0;
	sw.mask = size - 1;
	sw.first = blob_add(b->w, IM_CASE, NULL, size, sizeof(struct im_case));
	for (uint32_t i = 0; i < size; i++)
		((struct im_case *)blob_at(b->w, IM_CASE, sw.first + i))->group = IM_NONE;
	for (size_t from = 0, to; from < s->nconds; from = to) {
		const struct build_cond *v = &s->conds[from];
		struct im_case c = {blob_put_text(b->w, v->value), v->hash, 0};

		for (to = from; to < s->nconds && group_value_cmp(v, &s->conds[to]) == 0;)
			to++;
		c.group = split_case(s, v, to - from, &skip);
		case_insert(b, &sw, c);
	}
	sw.rest = s->nrest ? split_case(s, NULL, 0, up) : IM_NONE;
	*(struct im_switch *)blob_at(b->w, IM_SWITCH, index) = sw;
	return index | IM_VIA_SWITCH;
}

static uint32_t
split_of(struct build *b, const struct build_entry *e, uint32_t n, const struct build_skip *skip)
{
	struct split s = {.b = b, .e = e, .n = n};
	struct build_cond *conds;
	size_t nconds;
	uint32_t ref;

	if (n <= SPLIT_MATCHES)
		return group_chain(b, e, n, skip);
	conds = group_conds(e, n, skip, &nconds);
	if (split_choose(&s, conds, nconds)) {
		split_rest(&s);
		ref = switch_write(&s, skip);
		mem_free(s.rest);
	} else {
		ref = group_chain(b, e, n, skip);
	}
	mem_free(conds);
	return ref;
}

uint32_t
group_of(struct build *b, const struct build_entry *e, uint32_t n)
{
	return split_of(b, e, n, NULL);
}
