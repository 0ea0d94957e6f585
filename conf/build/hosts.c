/*
 * hosts.c - hostname tables: of a socket (to listeners) and of a listener (to trees, to L4 rules).
 *
 * A listener's attachments are flattened to (hostname, route) pairs of two small numbers and
 * sorted; each run of one hostname is a set of routes, which names its tree. Tables of equal
 * content are one table, so that listeners which carry the same routes add 100 bytes each.
 * Wildcards stand in the same table by their suffix; a bit for each number of labels saves the
 * probes that cannot hit.
 */
#include "base/mem.h"
#include "conf/build/parts.h"

uint32_t
hosts_intern(struct build *b, struct bytes hostname)
{
	void *got;

	if (!hostname.p || hostname.n == 0)
		return 0;
	if ((got = map_get(&b->hostnames, hostname)) != NULL)
		return (uint32_t)((uintptr_t)got - 1);
	b->names = mem_grow(b->names, &b->names_cap, b->nnames, sizeof(*b->names));
	b->names[b->nnames] = hostname;
	(void)map_put(&b->hostnames, hostname, (void *)(b->nnames + 1));
	return (uint32_t)b->nnames++;
}

static void
host_insert(struct build *b, struct im_hosttab *t, const struct build_name *n)
{
	struct bytes name = n->name;
	uint32_t hash, at;
	struct im_host *h;
	struct im_str text;

	if (name.n > 1 && name.p[0] == '*') {
		unsigned labels = 0;

		name = bytes_of(name.p + 1, name.n - 1);
		for (size_t i = 0; i < name.n; i++)
			labels += name.p[i] == '.';
		t->depths |= 1ull << HG_MIN(labels, 63u);
	}
	hash = (uint32_t)hash_mix(hash_more(HASH_SEED, name.p, name.n));
	text = blob_put_text(b->w, name);
	for (at = hash & t->mask; (h = blob_at(b->w, IM_HOST, t->first + at))->value != IM_NONE;
	    at = (at + 1) & t->mask)
		if (h->name.off == text.off && h->name.len == text.len)
			return; /* the first one stays */
	*h = (struct im_host){hash, n->value, text};
}

struct im_hosttab
hosts_table(struct build *b, const struct build_name *v, uint32_t n)
{
	struct im_hosttab t = {.mask = IM_NONE, .any = IM_NONE};
	uint32_t named = 0, size;

	for (uint32_t i = 0; i < n; i++) {
		if (v[i].name.p)
			named++;
		else if (t.any == IM_NONE)
			t.any = v[i].value;
	}
	if (named == 0)
		return t;
	size = table_size(named);
	t.mask = size - 1;
	t.first = blob_add(b->w, IM_HOST, NULL, size, sizeof(struct im_host));
	for (uint32_t i = 0; i < size; i++)
		*(struct im_host *)blob_at(b->w, IM_HOST, t.first + i) =
		    (struct im_host){0, IM_NONE, {IM_NONE, 0}};
	for (uint32_t i = 0; i < n; i++)
		if (v[i].name.p)
			host_insert(b, &t, &v[i]);
	b->stats->hosts += named;
	return t;
}

static int
pair_cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* (hostname id << 32 | rank) of all attachments of one family, sorted, each once. */
static uint64_t *
pairs_of(struct build *b, const struct m_listener *l, uint8_t kind, size_t *count)
{
	uint64_t *v = NULL;
	size_t n = 0, cap = 0, kept = 0;

	for (uint32_t i = 0; i < l->nattach; i++) {
		const struct m_attach *a = &l->attach[i];

		if (a->route->kind != kind)
			continue;
		for (uint32_t k = 0; k < HG_MAX(a->nhostnames, 1u); k++) {
			uint64_t host = a->nhostnames ? hosts_intern(b, a->hostnames[k]) : 0;

			v = mem_grow(v, &cap, n, sizeof(*v));
			v[n++] = host << 32 | a->rank;
		}
	}
	if (n != 0)
		qsort(v, n, sizeof(*v), pair_cmp);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || v[i] != v[kept - 1])
			v[kept++] = v[i];
	*count = kept;
	return v;
}

static struct im_hosttab
trees_table(struct build *b, const uint64_t *pairs, size_t n, bool grpc)
{
	uint32_t *ranks = mem_alloc((n + 1) * sizeof(*ranks));
	struct build_name *names = mem_alloc((n + 1) * sizeof(*names));
	uint32_t nnames = 0;
	struct im_hosttab t;

	for (size_t from = 0, to; from < n; from = to) {
		for (to = from; to < n && pairs[to] >> 32 == pairs[from] >> 32; to++)
			ranks[to - from] = (uint32_t)pairs[to];
		names[nnames].name = b->names[pairs[from] >> 32];
		names[nnames++].value = tree_of(b, ranks, (uint32_t)(to - from), grpc);
	}
	t = hosts_table(b, names, nnames);
	mem_free(names);
	mem_free(ranks);
	return t;
}

/* Rules that the pairs reach, each route once. */
static void
attached_count(struct build *b, const uint64_t *pairs, size_t n)
{
	unsigned char *seen = mem_zalloc(b->nranked / 8 + 1);

	for (size_t i = 0; i < n; i++) {
		uint32_t rank = (uint32_t)pairs[i];

		if (!(seen[rank / 8] >> rank % 8 & 1))
			b->stats->attached += b->ranked[rank].route->nrules;
		seen[rank / 8] = (unsigned char)(seen[rank / 8] | 1u << rank % 8);
	}
	mem_free(seen);
}

/* The first in precedence has the name; an L4 route is its first rule. */
static struct im_hosttab
rules_table(struct build *b, const uint64_t *pairs, size_t n)
{
	struct build_name *names = mem_alloc((n + 1) * sizeof(*names));
	uint32_t nnames = 0;
	struct im_hosttab t;

	for (size_t i = 0; i < n; i++) {
		uint32_t rank = (uint32_t)pairs[i];

		if ((i != 0 && pairs[i] >> 32 == pairs[i - 1] >> 32) ||
		    b->ranked[rank].route->nrules == 0)
			continue;
		records_route(b, rank);
		names[nnames].name = b->names[pairs[i] >> 32];
		names[nnames++].value = b->ranked[rank].rules[0];
	}
	t = hosts_table(b, names, nnames);
	mem_free(names);
	return t;
}

static struct im_hosttab
family_table(struct build *b, const struct m_listener *l, uint8_t kind)
{
	struct im_hosttab t = {.mask = IM_NONE, .any = IM_NONE}, *keep;
	size_t n;
	uint64_t *pairs = pairs_of(b, l, kind, &n);
	struct bytes key = bytes_of((const char *)pairs, n * sizeof(*pairs));

	if (n == 0) {
		mem_free(pairs);
		return t;
	}
	attached_count(b, pairs, n);
	if ((keep = map_get(&b->tables, key)) == NULL) {
		t = kind == IM_HTTPROUTE || kind == IM_GRPCROUTE ?
		    trees_table(b, pairs, n, kind == IM_GRPCROUTE) :
		    rules_table(b, pairs, n);
		keep = arena_alloc(&b->arena, sizeof(*keep));
		*keep = t;
		(void)map_put(&b->tables, arena_bytes(&b->arena, key), keep);
	}
	mem_free(pairs);
	return *keep;
}

void
hosts_listener(struct build *b, struct m_listener *l, struct im_listener *out)
{
	out->http = family_table(b, l, IM_HTTPROUTE);
	out->grpc = family_table(b, l, IM_GRPCROUTE);
	out->l4 = family_table(b, l,
	    l->protocol == IM_TLS         ? IM_TLSROUTE :
		l->protocol == IM_RAW_TCP ? IM_TCPROUTE :
					    IM_UDPROUTE);
}
