/*
 * group.c - matches of one path -> a chain of groups of 64 with their predicates.
 *
 * Every distinct key (the method, a header, a query parameter) that some match of a group asks for
 * becomes one predicate, every distinct value of it one mask. The conditions of a group are sorted
 * once, so that equal keys and values stand together and the masks fall out in one pass. Predicates
 * of equal content are shared between groups: thousands of routes that ask for GET have one.
 */
#include "base/field.h"
#include "base/mem.h"
#include "conf/build/parts.h"

#define GROUP_MATCHES 64u

bool
group_counts(const struct m_value *v, uint16_t i, bool header)
{
	for (uint16_t k = 0; k < i; k++)
		if (header ? bytes_eqi(v[k].name, v[i].name) : bytes_eq(v[k].name, v[i].name))
			return false;
	return true;
}

int
group_key_cmp(const struct build_cond *x, const struct build_cond *y)
{
	return x->kind != y->kind ? x->kind - y->kind : bytes_cmp(x->name, y->name);
}

int
group_value_cmp(const struct build_cond *x, const struct build_cond *y)
{
	if (x->regex != y->regex)
		return x->regex - y->regex;
	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return bytes_cmp(x->value, y->value);
}

static int
cond_cmp(const void *a, const void *b)
{
	const struct build_cond *x = a, *y = b;
	int c = group_key_cmp(x, y);

	if (c == 0)
		c = group_value_cmp(x, y);
	return c ? c : x->entry < y->entry ? -1 : x->entry > y->entry;
}

static bool
cond_tested(const struct build_cond *c, const struct build_skip *skip)
{
	for (; skip && !c->regex; skip = skip->up)
		if (skip->kind == c->kind && bytes_eq(skip->name, c->name))
			return true;
	return false;
}

static size_t
cond_add(struct build_cond *out, size_t n, struct build_cond c, const struct build_skip *skip)
{
	if (cond_tested(&c, skip))
		return n;
	c.hash = (uint32_t)hash_mix(hash_more(HASH_SEED, c.value.p, c.value.n));
	out[n] = c;
	return n + 1;
}

static size_t
conds_of(
    const struct m_match *m, uint32_t entry, const struct build_skip *skip, struct build_cond *out)
{
	size_t n = 0;

	if (m->method.p)
		n = cond_add(out, n, (struct build_cond){.kind = IM_P_METHOD, .value = m->method,
		    .entry = entry}, skip);
	for (uint16_t i = 0; i < m->nheaders; i++)
		if (group_counts(m->headers, i, true))
			n = cond_add(out, n,
			    (struct build_cond){m->headers[i].name, m->headers[i].value, 0, entry,
				IM_P_HEADER, m->headers[i].regex},
			    skip);
	for (uint16_t i = 0; i < m->nquery; i++)
		if (group_counts(m->query, i, false))
			n = cond_add(out, n,
			    (struct build_cond){m->query[i].name, m->query[i].value, 0, entry,
				IM_P_QUERY, m->query[i].regex},
			    skip);
	return n;
}

struct build_cond *
group_conds(const struct build_entry *e, uint32_t n, const struct build_skip *skip, size_t *count)
{
	struct build_cond *v;
	size_t most = 1;

	for (uint32_t i = 0; i < n; i++)
		most += 1u + e[i].match->nheaders + e[i].match->nquery;
	v = mem_alloc(most * sizeof(*v));
	*count = 0;
	for (uint32_t i = 0; i < n; i++)
		*count += conds_of(e[i].match, i, skip, v + *count);
	qsort(v, *count, sizeof(*v), cond_cmp);
	return v;
}

static uint32_t
regex_add(struct build *b, struct bytes pattern)
{
	struct im_str s = blob_put_text(b->w, pattern);

	return SHARE(b, IM_REGEX, &s, 1);
}

/* One predicate from the conditions v[0..n) that share a key. */
static struct im_pred
pred_of(struct build *b, const struct build_cond *v, size_t n, struct im_predvalue *values)
{
	struct im_pred p;
	uint32_t k = 0;

	memset(&p, 0, sizeof(p));
	p.kind = v->kind;
	p.name =
	    v->kind == IM_P_METHOD ? (struct im_str){IM_NONE, 0} : blob_put_text(b->w, v->name);
	p.field = v->kind == IM_P_HEADER ? (uint8_t)field_id(v->name) : 0;
	for (size_t i = 0; i < n; i++) {
		p.involves |= 1ull << v[i].entry;
		if (i != 0 && group_value_cmp(&v[i - 1], &v[i]) == 0) {
			values[k - 1].mask |= 1ull << v[i].entry;
			continue;
		}
		memset(&values[k], 0, sizeof(values[k]));
		values[k].mask = 1ull << v[i].entry;
		values[k].text = blob_put_text(b->w, v[i].value);
		values[k].hash = v[i].hash;
		values[k].regex = v[i].regex ? regex_add(b, v[i].value) : IM_NONE;
		p.nexact += !v[i].regex;
		k++;
	}
	p.values = (struct im_range){SHARE(b, IM_PREDVALUE, values, k), k};
	return p;
}

static struct im_range
preds_add(struct build *b, const struct build_cond *conds, size_t n)
{
	struct im_predvalue *values = mem_alloc((n + 1) * sizeof(*values));
	struct im_pred *preds = mem_zalloc((n + 1) * sizeof(*preds));
	struct im_range r = {0, 0};

	for (size_t from = 0, to; from < n; from = to) {
		for (to = from + 1; to < n && group_key_cmp(&conds[from], &conds[to]) == 0;)
			to++;
		preds[r.n++] = pred_of(b, conds + from, to - from, values);
	}
	r.first = SHARE(b, IM_PRED, preds, r.n);
	mem_free(preds);
	mem_free(values);
	return r;
}

uint32_t
group_chain(struct build *b, const struct build_entry *e, uint32_t n, const struct build_skip *skip)
{
	uint32_t items = blob_count(b->w, IM_ITEM), first = blob_count(b->w, IM_GROUP);

	for (uint32_t i = 0; i < n; i++) {
		struct im_item it = {e[i].rule, e[i].match->index, 0};

		(void)blob_add(b->w, IM_ITEM, &it, 1, sizeof(it));
	}
	for (uint32_t at = 0; at < n; at += GROUP_MATCHES) {
		uint32_t k = HG_MIN(n - at, GROUP_MATCHES);
		struct im_group g;
		size_t nconds;
		struct build_cond *conds = group_conds(e + at, k, skip, &nconds);

		if (n == 1 && nconds == 0) {
			mem_free(conds);
			return items | IM_DIRECT;
		}
		memset(&g, 0, sizeof(g));
		g.all = k == 64 ? ~0ull : (1ull << k) - 1;
		g.items = items + at;
		g.preds = preds_add(b, conds, nconds);
		g.next = at + k < n ? blob_count(b->w, IM_GROUP) + 1 : IM_NONE;
		(void)blob_add(b->w, IM_GROUP, &g, 1, sizeof(g));
		mem_free(conds);
	}
	return first;
}
