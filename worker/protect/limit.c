/*
 * limit.c - which rules a request meets, and what they say. A bucket's key is the rule's own base
 * (policy, route, listener and content without numbers, made by the compiler) and a keyed hash of
 * each distinct value, so neither an edit of a limit nor a reload nor a worker's end moves anybody,
 * and nobody can choose values that share a bucket.
 *
 * All workers charge the same table by compare-and-swap (shm/bucket.h); nothing is counted here.
 * Rejected: looking at all buckets before charging any (two workers would both look first), and
 * giving a charge back when a later rule refuses (a third request may have been refused meanwhile).
 */
#include "worker/protect/limit.h"

#include "base/clock.h"
#include "base/parse.h"

#define VALUE_MAX 16384
#define CHARGES 32 /* rules that one request can meet; beyond, they refuse */
#define CHARGE_MAX 1000000000000ull

struct matcher {
	const struct limit_in *in;
	uint64_t distinct;
	bool any_distinct;
	enum hg_err err;
};

static void
mix_value(struct matcher *m, struct bytes v, uint32_t number)
{
	uint64_t parts[3] = {m->distinct, hash_sip(&m->in->buckets->seed, v.p, v.n),
	    (uint64_t)number << 32 | (uint32_t)v.n};

	m->distinct = hash_sip(&m->in->buckets->seed, parts, sizeof(parts));
	m->any_distinct = true;
}

static bool
regex_says(struct matcher *m, uint32_t regex, struct bytes v)
{
	const struct regex_set *set = m->in->regexes;
	int r = -1;

	if (set && regex < set->n && set->v[regex])
		r = regex_match(set->v[regex], v);
	if (r < 0)
		m->err = HG_ERR_REGEX_LIMIT;
	return r == 1;
}

/* A header or a query parameter, absent allowed. */
static bool
value_matches(struct matcher *m, const struct im_limitkey *k, struct bytes v, uint32_t number)
{
	bool yes;

	if (k->match == IM_LM_DISTINCT) {
		if (v.p == NULL)
			return false;
		mix_value(m, v, number);
		return true;
	}
	if (v.p == NULL)
		yes = false;
	else if (k->match == IM_LM_REGEX)
		yes = regex_says(m, k->regex, v);
	else
		yes = bytes_eq(v, image_text(m->in->im, k->value));
	return yes != (k->invert != 0);
}

static struct bytes
header_value(struct matcher *m, const struct im_limitkey *k)
{
	const struct fields *f = &m->in->head->fields;
	const struct field *first = k->field ? fields_get(f, (enum field_id)k->field) :
					       fields_find(f, image_text(m->in->im, k->name));
	bool too_long = false;
	struct bytes all;
	char *room;

	if (first == NULL)
		return BYTES_NONE;
	if (fields_next(f, first) == NULL)
		return first->value;
	room = arena_alloc(m->in->arena, VALUE_MAX);
	if (room == NULL) {
		m->err = HG_ERR_NOMEM;
		return BYTES_NONE;
	}
	all = fields_joined(f, first->name, room, VALUE_MAX, &too_long);
	return too_long ? first->value : all;
}

static struct bytes
query_value(struct matcher *m, const struct im_limitkey *k)
{
	struct bytes q = m->in->head->query;
	char *room;

	if (q.n == 0)
		return BYTES_NONE;
	room = arena_alloc(m->in->arena, q.n);
	if (room == NULL) {
		m->err = HG_ERR_NOMEM;
		return BYTES_NONE;
	}
	return uri_query_get(q, image_text(m->in->im, k->name), room, q.n);
}

/* Path and query as one text. */
static struct bytes
path_query(struct matcher *m)
{
	struct bytes p = m->in->path, q = m->in->head->query;
	char *room;

	if (q.p == NULL)
		return p;
	room = arena_alloc(m->in->arena, p.n + 1 + q.n);
	if (room == NULL) {
		m->err = HG_ERR_NOMEM;
		return p;
	}
	memcpy(room, p.p, p.n);
	room[p.n] = '?';
	if (q.n)
		memcpy(room + p.n + 1, q.p, q.n);
	return bytes_of(room, p.n + 1 + q.n);
}

static bool
prefix_of(struct bytes prefix, struct bytes text)
{
	char end;

	if (prefix.n && prefix.p[prefix.n - 1] == '/')
		prefix.n--;
	if (text.n < prefix.n || (prefix.n && memcmp(text.p, prefix.p, prefix.n) != 0))
		return false;
	if (text.n == prefix.n)
		return true;
	end = text.p[prefix.n];
	return end == '/' || end == '?' || end == '#' || end == ';';
}

static bool
path_matches(struct matcher *m, const struct im_limitkey *k)
{
	struct bytes text = path_query(m), v = image_text(m->in->im, k->value);
	bool yes;

	if (k->kind == IM_LK_PATH_REGEX)
		yes = regex_says(m, k->regex, text);
	else if (k->kind == IM_LK_PATH_PREFIX)
		yes = prefix_of(v, text);
	else
		yes = bytes_eq(v, text);
	return yes != (k->invert != 0);
}

static bool
cidr_matches(struct matcher *m, const struct im_limitkey *k, uint32_t number)
{
	const struct addr *a = m->in->client;
	bool in = k->cidr < m->in->im->n_cidrs && cidr_has(&m->in->im->cidrs[k->cidr], a);

	if (in == (k->invert != 0))
		return false;
	if (k->match == IM_LM_DISTINCT)
		mix_value(m, bytes_of((const char *)a->ip, a->family == 4 ? 4 : 16), number);
	return true;
}

static bool
key_matches(struct matcher *m, const struct im_limitkey *k, uint32_t number)
{
	switch ((enum im_limitkeykind)k->kind) {
	case IM_LK_HEADER:
		return value_matches(m, k, header_value(m, k), number);
	case IM_LK_QUERY:
		return value_matches(m, k, query_value(m, k), number);
	case IM_LK_METHOD:
		return bytes_eq(m->in->head->method, image_text(m->in->im, k->value)) !=
		    (k->invert != 0);
	case IM_LK_PATH_EXACT:
	case IM_LK_PATH_PREFIX:
	case IM_LK_PATH_REGEX:
		return path_matches(m, k);
	case IM_LK_CIDR:
		return cidr_matches(m, k, number);
	}
	return false;
}

static bool
rule_matches(struct matcher *m, const struct im_limit *l)
{
	const struct im_limitkey *k = m->in->im->limitkeys + l->keys.first;

	m->distinct = 0;
	m->any_distinct = false;
	for (uint32_t i = 0; i < l->keys.n && m->err == HG_OK; i++) {
		bool yes = (m->in->head || k[i].kind == IM_LK_CIDR) && key_matches(m, &k[i], i);

		/* Methods that stand together are alternatives. */
		for (; k[i].kind == IM_LK_METHOD && i + 1 < l->keys.n &&
		     k[i + 1].kind == IM_LK_METHOD;
		     i++)
			yes |= m->in->head && key_matches(m, &k[i + 1], i + 1);
		if (!yes)
			return false;
	}
	return m->err == HG_OK;
}

/* ---- charging */

static void
charge(const struct matcher *m, const struct im_limit *l, struct limit_state *s,
    struct limit_charge *c)
{
	const struct limit_in *in = m->in;
	uint64_t key[5] = {l->base[0], l->base[1], l->shared ? 0 : in->route_key,
	    l->shared ? 0 : in->listener_key, m->any_distinct ? m->distinct : 0};
	struct bucket_verdict v = {.retry_ns = UINT64_MAX};

	*c = (struct limit_charge){.rate = {l->interval_ns, l->burst},
	    .requests = l->requests,
	    .window_s = l->window_s,
	    .response_cost = l->response_cost,
	    .response_header = arena_bytes(in->arena, image_text(in->im, l->response_header)),
	    .shadow = l->shadow,
	    .global = l->global,
	    .headers = l->headers};
	if (l->burst == 0) {
		c->refused = true;
		c->retry_ns = UINT64_MAX;
		return;
	}
	c->bucket = bucket_key(in->buckets, key, sizeof(key));
	v = bucket_take(in->buckets, c->bucket, c->rate, l->cost, in->now);
	s->evictions += v.evicted;
	c->refused = !v.ok;
	c->remaining = v.remaining;
	c->reset_ns = v.reset_ns;
	c->retry_ns = v.ok ? 0 : v.retry_ns;
}

/* One more bucket. false: it refuses. */
static bool
take_one(struct matcher *m, const struct im_limit *l, uint32_t number, struct limit_state *s)
{
	struct limit_charge *c;

	if (s->n == CHARGES)
		return false;
	c = &s->v[s->n++];
	charge(m, l, s, c);
	c->number = number;
	return !c->refused || c->shadow;
}

/* A rule that may be charged. HG_OK also where it does not match. */
static enum hg_err
try_rule(struct matcher *m, const struct im_limit *l, uint32_t number, struct limit_state *s,
    bool *matched)
{
	if (!rule_matches(m, l))
		return m->err;
	*matched = true;
	return take_one(m, l, number, s) ? HG_OK : HG_ERR_RATE_LIMITED;
}

enum hg_err
limit_take(const struct limit_in *in, struct im_range limits, struct limit_state *s)
{
	const struct im_limit *all = in->im->limits + limits.first;
	struct matcher m = {.in = in};
	bool matched = false, ignored = false;
	uint32_t fallback = IM_NONE, i;
	enum hg_err e = HG_OK;

	s->v = arena_alloc(in->arena, HG_MIN(limits.n, (uint32_t)CHARGES) * sizeof(*s->v));
	if (s->v == NULL)
		return HG_ERR_NOMEM;
	for (i = 0; i < limits.n && !all[i].global && e == HG_OK; i++) {
		if (all[i].keys.n == 0)
			fallback = i;
		else
			e = try_rule(&m, &all[i], i, s, &matched);
	}
	if (e == HG_OK && !matched && fallback != IM_NONE)
		e = try_rule(&m, &all[fallback], fallback, s, &matched);
	/* Global ones are all counted, and one that is over is enough. */
	for (enum hg_err worst = e; i < limits.n && worst == HG_OK && all[i].global; i++) {
		enum hg_err one = try_rule(&m, &all[i], i, s, &ignored);

		if (one != HG_OK && one != HG_ERR_RATE_LIMITED)
			worst = one;
		e = one == HG_OK ? e : one;
	}
	return e;
}

/* ---- the answer */

static uint64_t
seconds(uint64_t ns)
{
	return ns / SEC_NS + (ns % SEC_NS != 0);
}

/* Of the bucket that refused, else of the one with least left. NULL: none that shows itself. */
static const struct limit_charge *
tightest(const struct limit_state *s, bool on)
{
	const struct limit_charge *best = NULL;

	for (uint32_t i = 0; i < s->n; i++) {
		const struct limit_charge *c = &s->v[i];

		if (c->headers == 2 || (c->headers == 0 && !on))
			continue;
		if (c->refused && !c->shadow)
			return c;
		if (best == NULL || c->remaining < best->remaining)
			best = c;
	}
	return best;
}

static void
number_field(struct arena *a, struct msg *m, const char *name, uint64_t n)
{
	char *text = arena_printf(a, "%llu", (unsigned long long)n);

	if (text)
		(void)fields_set(&m->fields, bytes_str(name), bytes_str(text));
}

static void
text_field(struct msg *m, const char *name, const char *text)
{
	if (text)
		(void)fields_set(&m->fields, bytes_str(name), bytes_str(text));
}

void
limit_fields(const struct limit_state *s, struct arena *a, bool on, struct msg *m)
{
	const struct limit_charge *c;
	uint64_t reset;

	for (uint32_t i = 0; i < s->n && m->status == 429; i++)
		if (s->v[i].refused && !s->v[i].shadow)
			number_field(a, m, "Retry-After",
			    s->v[i].retry_ns == UINT64_MAX ?
				HG_MAX(s->v[i].window_s, 1ull) :
				HG_MAX(seconds(s->v[i].retry_ns), 1ull));
	c = tightest(s, on);
	if (c == NULL)
		return;
	reset = c->rate.burst ? seconds(c->reset_ns) : c->window_s;
	if (c->global)
		text_field(m, "x-ratelimit-limit",
		    arena_printf(a, "%llu, %llu;w=%llu", (unsigned long long)c->requests,
			(unsigned long long)c->requests, (unsigned long long)c->window_s));
	else
		number_field(a, m, "x-ratelimit-limit", c->requests);
	number_field(a, m, "x-ratelimit-remaining", c->remaining);
	number_field(a, m, "x-ratelimit-reset", reset);
	/* draft-ietf-httpapi-ratelimit-headers: a policy is named by its place among the rules. */
	text_field(m, "RateLimit-Policy",
	    arena_printf(a, "\"r%u\";q=%llu;w=%llu", c->number, (unsigned long long)c->requests,
		(unsigned long long)c->window_s));
	text_field(m, "RateLimit",
	    arena_printf(a, "\"r%u\";r=%llu;t=%llu", c->number, (unsigned long long)c->remaining,
		(unsigned long long)reset));
}

void
limit_note(struct limit_state *s, const struct msg *resp)
{
	for (uint32_t i = 0; i < s->n; i++) {
		struct limit_charge *c = &s->v[i];
		const struct field *f =
		    c->response_header.p ? fields_find(&resp->fields, c->response_header) : NULL;

		if (f)
			(void)parse_u64(f->value, CHARGE_MAX, &c->response_cost);
	}
}

void
limit_settle(struct limit_state *s, const struct bucket_table *t, uint64_t now)
{
	if (s->settled || s->n == 0)
		return;
	s->settled = true;
	for (uint32_t i = 0; i < s->n; i++)
		if (s->v[i].response_cost && s->v[i].bucket && !s->v[i].refused)
			s->evictions += bucket_charge(
			    t, s->v[i].bucket, s->v[i].rate, s->v[i].response_cost, now);
}
