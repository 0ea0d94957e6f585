/*
 * route.c - the matcher: pure, read-only, no allocation.
 *
 * One pass over the path hashes every prefix that ends at a segment; all trees share these hashes,
 * so a host that has no match costs one probe for each depth that its tree knows. Order inside a
 * tree is Gateway API precedence: the exact path, then patterns in the order that build gave them,
 * then prefixes from the longest. A path's matches form groups of 64; each distinct key (the
 * method, a header, a query parameter) is looked at once and clears the bits of the matches it
 * refutes; the lowest bit left wins. So cost follows the number of distinct keys, not of routes.
 *
 * A miss goes on to the next shorter prefix and then to the next wider hostname (no shielding), but
 * never leaves the listener. Probes are bounded by their table's mask, so that a table without an
 * empty slot is slow and not endless; everything else was checked by image_check(). Rejected: a
 * trie (a cache miss a segment), sorting candidates at request time.
 */
#include "shm/route.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/uri.h"

#define VALUE_BYTES \
	8192u /* joined header, decoded parameter; longer ones equal no configured value */

enum result { MISS, HIT, LIMIT };

struct bound { /* a prefix of the path that ends at a segment; its index is its depth */
	uint32_t hash, len;
};

struct walk { /* one call; too big to be zeroed */
	const struct image *im;
	const struct route_query *q;
	const struct regex_set *set;
	const struct route_trace *trace;
	struct route_hit *hit;
	uint32_t nbounds; /* 0: the path can be no key */
	bool whole;       /* the last one is the whole path */
	/* The value looked at last: long chains of groups ask for the same one again. */
	bool hashed, too_long;
	uint8_t kind;
	uint32_t name_off, name_len, hash;
	struct bytes value;
	struct bound bounds[IM_PATH_MAX + 1];
	char buf[VALUE_BYTES];
};

static void
step(const struct walk *w, const char *what, struct bytes key, uint32_t item, bool won)
{
	const struct im_item *it = item == IM_NONE ? NULL : &w->im->items[item];

	w->trace->step(w->trace->arg, what, key, it ? it->rule : IM_NONE, it ? it->match : 0, won);
}

static uint32_t
text_hash(struct bytes b)
{
	return (uint32_t)hash_mix(hash_more(HASH_SEED, b.p, b.n));
}

/* ---- hostnames */

struct host_walk { /* exact, wildcards from the longest, none */
	const struct im_hosttab *table;
	struct bytes host, key;
	size_t from;
	unsigned depth; /* labels right of the next dot */
	bool begun, done;
};

static uint32_t
host_get(const struct image *im, const struct im_hosttab *t, struct bytes name)
{
	uint32_t hash = text_hash(name), at = hash & t->mask;

	for (uint32_t n = 0; n <= t->mask; n++, at = (at + 1) & t->mask) {
		const struct im_host *h = &im->hosts[t->first + at];

		if (h->value == IM_NONE)
			return IM_NONE;
		if (h->hash == hash && bytes_eq(image_text(im, h->name), name))
			return h->value;
	}
	return IM_NONE;
}

static uint32_t
host_begin(const struct image *im, struct host_walk *hw)
{
	hw->begun = true;
	if (hw->table->depths != 0)
		for (size_t i = 0; i < hw->host.n; i++)
			hw->depth += hw->host.p[i] == '.';
	/* Names with a leading dot are the table's way to write wildcards. */
	if (hw->host.n == 0 || hw->host.p[0] == '.')
		return IM_NONE;
	hw->key = hw->host;
	return host_get(im, hw->table, hw->host);
}

static uint32_t
host_next(const struct image *im, struct host_walk *hw)
{
	const struct im_hosttab *t = hw->table;
	uint32_t v;

	if (t->mask != IM_NONE && !hw->begun && (v = host_begin(im, hw)) != IM_NONE)
		return v;
	while (t->mask != IM_NONE && hw->depth != 0) {
		ptrdiff_t dot = bytes_chr(hw->host, '.', hw->from);
		unsigned depth = hw->depth--;

		if (dot < 0)
			break;
		hw->from = (size_t)dot + 1;
		if (dot == 0 || !(t->depths >> HG_MIN(depth, 63u) & 1))
			continue;
		hw->key = bytes_of(hw->host.p + dot, hw->host.n - (size_t)dot);
		if ((v = host_get(im, t, hw->key)) != IM_NONE)
			return v;
	}
	if (hw->done)
		return IM_NONE;
	hw->done = true;
	hw->key = BYTES_NONE;
	return t->any;
}

uint32_t
route_hosttab(const struct image *im, const struct im_hosttab *t, struct bytes host)
{
	struct host_walk hw = {.table = t, .host = host};

	return host_next(im, &hw);
}

uint32_t
route_listener(const struct image *im, uint32_t socket, struct bytes host)
{
	HG_CHECK(socket < im->n_sockets);
	return route_hosttab(im, &im->sockets[socket].listeners, host);
}

/* ---- predicates */

static void
value_load(struct walk *w, uint8_t kind, uint8_t field, struct im_str key)
{
	struct bytes name = image_text(w->im, key);

	if (w->kind == kind && w->name_off == key.off && w->name_len == key.len)
		return;
	w->kind = kind;
	w->name_off = key.off;
	w->name_len = key.len;
	w->hashed = w->too_long = false;
	w->value = BYTES_NONE;
	switch ((enum im_predkind)kind) {
	case IM_P_METHOD:
		w->value = w->q->method;
		break;
	case IM_P_HEADER:
		if (field == FIELD_OTHER || fields_get(w->q->fields, field))
			w->value =
			    fields_joined(w->q->fields, name, w->buf, sizeof(w->buf), &w->too_long);
		break;
	case IM_P_QUERY:
		if (w->q->query.p)
			w->value = uri_query_get(w->q->query, name, w->buf, sizeof(w->buf));
		break;
	}
}

static uint32_t
value_hash(struct walk *w)
{
	if (!w->hashed)
		w->hash = text_hash(w->value);
	w->hashed = true;
	return w->hash;
}

static uint64_t
exact_bits(struct walk *w, const struct im_predvalue *v, uint32_t n)
{
	uint32_t low = 0, high = n;

	if (n > 4) { /* few are cheaper to compare than to hash for */
		uint32_t hash = value_hash(w);

		while (low < high) {
			uint32_t mid = low + (high - low) / 2;

			if (v[mid].hash < hash)
				low = mid + 1;
			else
				high = mid;
		}
	}
	for (; low < n && (n <= 4 || v[low].hash == w->hash); low++)
		if (bytes_eq(image_text(w->im, v[low].text), w->value))
			return v[low].mask;
	return 0;
}

static int
pattern(const struct walk *w, uint32_t regex, struct bytes subject)
{
	if (!w->set || regex >= w->set->n || !w->set->v[regex])
		return -1; /* not compiled: fail closed */
	return regex_match(w->set->v[regex], subject);
}

/* Bits of `alive` that this predicate lets live. */
static enum result
pred_bits(struct walk *w, const struct im_pred *p, uint64_t alive, uint64_t *out)
{
	const struct im_predvalue *v = w->im->predvalues + p->values.first;
	uint64_t bits = 0;

	value_load(w, p->kind, p->field, p->name);
	if (w->value.p && !w->too_long)
		bits = exact_bits(w, v, p->nexact);
	for (uint32_t k = p->nexact; k < p->values.n && (w->value.p || w->too_long); k++) {
		int got = 0;

		if (v[k].mask & alive & ~bits)
			got = w->too_long ? -1 : pattern(w, v[k].regex, w->value);
		if (got < 0)
			return LIMIT;
		if (got > 0)
			bits |= v[k].mask;
	}
	*out = alive & (~p->involves | bits);
	return HIT;
}

static const char *const key_names[] = {[IM_P_METHOD] = "method", [IM_P_HEADER] = "header",
    [IM_P_QUERY] = "query"};

/* The group for the request's value of the switch's key. */
static uint32_t
switch_next(struct walk *w, const struct im_switch *s)
{
	uint32_t at, next = s->rest;

	value_load(w, s->kind, s->field, s->name);
	if (w->value.p && !w->too_long) {
		at = value_hash(w) & s->mask;
		for (uint32_t n = 0; n <= s->mask; n++, at = (at + 1) & s->mask) {
			const struct im_case *c = &w->im->cases[s->first + at];

			if (c->group == IM_NONE)
				break;
			if (c->hash == w->hash && bytes_eq(image_text(w->im, c->text), w->value)) {
				next = c->group;
				break;
			}
		}
	}
	if (w->trace)
		step(w, key_names[s->kind], image_text(w->im, s->name), IM_NONE, next != s->rest);
	return next;
}

static void
trace_lost(const struct walk *w, const struct im_group *g, const struct im_pred *p, uint64_t lost)
{
	for (; lost; lost &= lost - 1)
		step(w, key_names[p->kind], image_text(w->im, p->name),
		    g->items + (uint32_t)__builtin_ctzll(lost), false);
}

static enum result
item_won(struct walk *w, uint32_t item, struct bytes key)
{
	w->hit->rule = w->im->items[item].rule;
	w->hit->match = w->im->items[item].match;
	if (w->trace)
		step(w, "match", key, item, true);
	return HIT;
}

static enum result
group_find(struct walk *w, uint32_t ref, struct bytes key)
{
	while (ref != IM_NONE && !(ref & IM_DIRECT) && (ref & IM_VIA_SWITCH))
		ref = switch_next(w, &w->im->switches[ref & ~IM_VIA_SWITCH]);
	if (ref == IM_NONE)
		return MISS;
	if (ref & IM_DIRECT)
		return item_won(w, ref & ~IM_DIRECT, key);
	for (; ref != IM_NONE; ref = w->im->groups[ref].next) {
		const struct im_group *g = &w->im->groups[ref];
		uint64_t alive = g->all;

		for (uint32_t k = 0; k < g->preds.n && alive; k++) {
			const struct im_pred *p = &w->im->preds[g->preds.first + k];
			uint64_t left;

			if (!(p->involves & alive))
				continue;
			if (pred_bits(w, p, alive, &left) == LIMIT)
				return LIMIT;
			if (w->trace)
				trace_lost(w, g, p, alive & ~left);
			alive = left;
		}
		if (!alive)
			continue;
		for (uint64_t rest = alive & (alive - 1); w->trace && rest; rest &= rest - 1)
			step(w, "precedence", key, g->items + (uint32_t)__builtin_ctzll(rest),
			    false);
		return item_won(w, g->items + (uint32_t)__builtin_ctzll(alive), key);
	}
	return MISS;
}

/* ---- paths */

static void
path_hash(struct walk *w)
{
	struct bytes path = w->q->path;
	uint64_t h = HASH_SEED;
	size_t n = HG_MIN(path.n, (size_t)IM_PATH_MAX + 1);

	w->nbounds = 0;
	w->whole = path.n <= IM_PATH_MAX;
	if (path.n == 0 || path.p[0] != '/')
		return;
	for (size_t i = 0; i < n; i++) {
		if (path.p[i] == '/' && w->nbounds < IM_PATH_MAX)
			w->bounds[w->nbounds++] =
			    (struct bound){(uint32_t)hash_mix(h), (uint32_t)i};
		h = hash_byte(h, (unsigned char)path.p[i]);
	}
	if (w->whole)
		w->bounds[w->nbounds++] = (struct bound){(uint32_t)hash_mix(h), (uint32_t)path.n};
}

static const struct im_path *
path_get(const struct walk *w, const struct im_tree *t, struct bound b)
{
	struct bytes key = bytes_of(w->q->path.p, b.len);
	uint32_t at = b.hash & t->mask;

	for (uint32_t n = 0; n <= t->mask; n++, at = (at + 1) & t->mask) {
		const struct im_path *p = &w->im->paths[t->first + at];

		if (p->path.off == IM_NONE)
			return NULL;
		if (p->hash == b.hash && bytes_eq(image_text(w->im, p->path), key))
			return p;
	}
	return NULL;
}

static inline bool
depth_in(uint64_t depths, uint32_t depth)
{
	return depths >> HG_MIN(depth, 63u) & 1;
}

/* Patterns under all literal prefixes of the path, merged by `order`. */
static __attribute__((noinline)) enum result
regex_find(struct walk *w, const struct im_tree *t)
{
	struct im_range list[IM_PATH_MAX + 1]; /* what is left under each prefix */
	uint32_t nlists = 0;

	for (uint32_t d = 0; d < w->nbounds; d++) {
		const struct im_path *p =
		    depth_in(t->regex_depths, d) ? path_get(w, t, w->bounds[d]) : NULL;

		if (p && p->regexes.n != 0)
			list[nlists++] = p->regexes;
	}
	for (;;) {
		const struct im_regexpath *best = NULL;
		uint32_t from = 0;
		enum result r;
		int got;

		for (uint32_t k = 0; k < nlists; k++) {
			const struct im_regexpath *x = &w->im->regexpaths[list[k].first];

			if (list[k].n != 0 && (!best || x->order < best->order)) {
				best = x;
				from = k;
			}
		}
		if (!best)
			return MISS;
		list[from].first++;
		list[from].n--;
		if ((got = pattern(w, best->regex, w->q->path)) < 0)
			return LIMIT;
		if (w->trace)
			step(w, "regex", image_text(w->im, w->im->regexes[best->regex]), IM_NONE,
			    got > 0);
		if (got > 0 && (r = group_find(w, best->group, w->q->path)) != MISS)
			return r;
	}
}

static enum result
tree_find(struct walk *w, const struct im_tree *t)
{
	enum result r;

	if (t->mask == IM_NONE || w->nbounds == 0)
		return MISS;
	if (w->whole) {
		const struct im_path *p = path_get(w, t, w->bounds[w->nbounds - 1]);

		if (w->trace)
			step(w, "exact", w->q->path, IM_NONE, p && p->exact != IM_NONE);
		if (p && (r = group_find(w, p->exact, w->q->path)) != MISS)
			return r;
	}
	if (t->regex_depths != 0 && (r = regex_find(w, t)) != MISS)
		return r;
	for (uint32_t d = w->nbounds; d-- > 0;) {
		struct bytes key = bytes_of(w->q->path.p, w->bounds[d].len);
		const struct im_path *p;

		if (!depth_in(t->prefix_depths, d) || !(p = path_get(w, t, w->bounds[d])))
			continue;
		if (w->trace)
			step(w, "prefix", key, IM_NONE, p->prefix != IM_NONE);
		if ((r = group_find(w, p->prefix, key)) != MISS)
			return r;
	}
	return MISS;
}

static enum result
family_find(struct walk *w, const struct im_hosttab *t)
{
	struct host_walk hw = {.table = t, .host = w->q->host};
	enum result r = MISS;
	uint32_t tree;

	while (r == MISS && (tree = host_next(w->im, &hw)) != IM_NONE) {
		if (w->trace)
			step(w, "hostname", hw.key.p ? hw.key : BYTES("*"), IM_NONE, true);
		r = tree_find(w, &w->im->trees[tree]);
	}
	return r;
}

static enum hg_err
listener_find(const struct image *im, const struct route_query *q, uint32_t *listener)
{
	uint32_t best = route_listener(im, q->socket, q->host);

	*listener = q->listener == IM_NONE ? best : q->listener;
	if (best == IM_NONE)
		return HG_ERR_NO_LISTENER;
	return best == *listener ? HG_OK : HG_ERR_MISDIRECTED;
}

enum hg_err
route_find(const struct image *im, const struct route_query *q, const struct regex_set *set,
    const struct route_trace *trace, struct route_hit *hit)
{
	const struct im_listener *l;
	struct walk w; /* the big arrays are only touched as far as they are used */
	enum hg_err err;
	enum result r;

	*hit = (struct route_hit){IM_NONE, IM_NONE, 0};
	if ((err = listener_find(im, q, &hit->listener)) != HG_OK)
		return err;
	l = &im->listeners[hit->listener];
	if (l->flags & IM_L_BROKEN)
		return HG_ERR_BAD_RULE;
	w.im = im;
	w.q = q;
	w.set = set;
	w.trace = trace;
	w.hit = hit;
	w.kind = 0;
	path_hash(&w);
	if (trace)
		step(&w, "listener", image_text(im, l->name), IM_NONE, true);
	r = q->grpc ? family_find(&w, &l->grpc) : MISS;
	if (r == MISS)
		r = family_find(&w, &l->http);
	return r == HIT ? HG_OK : r == LIMIT ? HG_ERR_REGEX_LIMIT : HG_ERR_NO_ROUTE;
}
