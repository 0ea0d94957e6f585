/*
 * traffic_limit.c - rateLimit as records (reference/policies.md 6.1; DESIGN section 4). A bucket is
 * known by the policy that wrote its rule and by what the rule selects, without its numbers: a
 * changed limit, a reorder or another rule beside it moves nobody's bucket. Local rules are tried
 * from the strictest on, the one without selectors last.
 */
#include "conf/resolve/traffic.h"

#include "base/addr.h"
#include "base/strbuf.h"
#include "conf/resolve/rule.h"
#include "shm/image.h"

#define DAY 86400u
static const uint32_t seconds[] = {[K_UNIT_SECOND] = 1, [K_UNIT_MINUTE] = 60,
    [K_UNIT_HOUR] = 3600, [K_UNIT_DAY] = DAY, [K_UNIT_WEEK] = 7 * DAY, [K_UNIT_MONTH] = 30 * DAY,
    [K_UNIT_YEAR] = 365 * DAY};

static const char *
value_key(struct t_compile *c, struct m_limit *l, uint8_t kind, const struct k_limit_value *v)
{
	struct m_limitkey *k = &l->keys[l->nkeys++];

	*k = (struct m_limitkey){.kind = kind, .invert = v->invert.v, .value = v->value,
	    .name = kind == IM_LK_HEADER ? rule_lower(c->sc, v->name) : v->name};
	k->match = v->type == K_LIM_REGEX ? IM_LM_REGEX :
	    v->type == K_LIM_DISTINCT     ? IM_LM_DISTINCT :
					    IM_LM_EXACT;
	if (kind == IM_LK_HEADER && !image_token_ok(v->name))
		return arena_printf(c->sc->arena, "%.*s is not a field name", BYTES_ARG(v->name));
	if (k->match == IM_LM_DISTINCT && (v->value.p != NULL || v->invert.v))
		return "a Distinct match has neither value nor invert";
	if (k->match != IM_LM_DISTINCT && v->value.p == NULL)
		return "a match needs a value";
	if (k->match == IM_LM_DISTINCT)
		k->value = BYTES_NONE;
	return k->match == IM_LM_REGEX ? regex_refused(c->sc, v->value) : NULL;
}

static const char *
path_key(struct t_compile *c, struct m_limit *l, const struct k_limit_value *v)
{
	struct m_limitkey *k = NULL;

	for (uint32_t i = 0; i < l->nkeys; i++) /* the last path of several selectors counts */
		if (l->keys[i].kind >= IM_LK_PATH_EXACT && l->keys[i].kind <= IM_LK_PATH_REGEX)
			k = &l->keys[i];
	if (k == NULL)
		k = &l->keys[l->nkeys++];
	*k = (struct m_limitkey){.invert = v->invert.v, .value = v->value,
	    .match = v->type == K_LIP_REGEX ? IM_LM_REGEX : IM_LM_EXACT,
	    .kind = v->type == K_LIP_REGEX ? IM_LK_PATH_REGEX :
		v->type == K_LIP_EXACT     ? IM_LK_PATH_EXACT :
					     IM_LK_PATH_PREFIX};
	return v->type == K_LIP_REGEX ? regex_refused(c->sc, v->value) : NULL;
}

static const char *
cidr_key(struct t_compile *c, struct m_limit *l, const struct k_limit_value *v)
{
	struct m_limitkey *k = NULL;

	for (uint32_t i = 0; i < l->nkeys; i++)
		if (l->keys[i].kind == IM_LK_CIDR)
			k = &l->keys[i];
	if (k == NULL)
		k = &l->keys[l->nkeys++];
	*k = (struct m_limitkey){.kind = IM_LK_CIDR, .invert = v->invert.v, .value = v->value,
	    .match = v->type == K_LIM_DISTINCT ? IM_LM_DISTINCT : IM_LM_EXACT};
	if (!cidr_parse(v->value, &k->cidr))
		return arena_printf(c->sc->arena, "invalid CIDR %.*s", BYTES_ARG(v->value));
	return NULL;
}

static const char *
keys(struct t_compile *c, struct m_limit *l, const struct k_limit_rule *r)
{
	const char *why = NULL;
	size_t n = 1;

	for (uint32_t i = 0; i < r->selectors.n; i++)
		n += r->selectors.v[i].headers.n + r->selectors.v[i].query.n +
		    r->selectors.v[i].methods.n + 2;
	l->keys = arena_zalloc(c->sc->arena, n * sizeof(*l->keys));
	for (uint32_t i = 0; i < r->selectors.n; i++) {
		const struct k_limit_selector *s = &r->selectors.v[i];

		for (uint32_t j = 0; why == NULL && j < s->headers.n; j++)
			why = value_key(c, l, IM_LK_HEADER, &s->headers.v[j]);
		for (uint32_t j = 0; why == NULL && j < s->query.n; j++)
			why = value_key(c, l, IM_LK_QUERY, &s->query.v[j]);
		for (uint32_t j = 0; why == NULL && j < s->methods.n; j++)
			why = value_key(c, l, IM_LK_METHOD, &s->methods.v[j]);
		if (why == NULL && s->path != NULL)
			why = path_key(c, l, s->path);
		if (why == NULL && s->cidr != NULL)
			why = cidr_key(c, l, s->cidr);
	}
	return why;
}

static const char *
cost(struct t_compile *c, struct m_limit *l, const struct k_limit_cost *k, bool response)
{
	struct bytes ns, name;

	if (k == NULL)
		return NULL;
	if (k->from == K_COST_NUMBER) {
		uint64_t n = (uint64_t)HG_MAX(k->number.set ? k->number.v : response ? 0 : 1, 0);

		*(response ? &l->rec.response_cost : &l->rec.cost) = HG_MIN(n, 1ull << 40);
		return NULL;
	}
	ns = k->metadata != NULL ? k->metadata->ns : BYTES_NONE;
	name = k->metadata != NULL ? k->metadata->key : BYTES_NONE;
	if (response && bytes_eq(ns, BYTES("headgate.dev"))) {
		if (!image_token_ok(name))
			return arena_printf(c->sc->arena, "cost.response: %.*s is not a field name",
			    BYTES_ARG(name));
		l->response_header = rule_lower(c->sc, name);
	} else if (c->warn != NULL) {
		words_addf(c->sc, &c->warn->unserved,
		    "spec.rateLimit.*.cost.%s.metadata of %.*s%s",
		    response ? "response" : "request", BYTES_ARG(ns),
		    node_position(c->sc, k->node));
	}
	return NULL;
}

/* 128 bits over the policy and what the rule selects. */
static void
identity(struct t_compile *c, const struct t_policy *p, struct m_limit *l, uint32_t index)
{
	struct strbuf b = STRBUF_INIT;
	struct hash128 h;

	strbuf_printf(&b, "%.*s/%.*s %s", BYTES_ARG(p->obj->meta.ns), BYTES_ARG(p->obj->meta.name),
	    l->rec.global ? "global" : "local");
	for (uint32_t i = 0; i < l->nkeys; i++) {
		const struct m_limitkey *k = &l->keys[i];

		strbuf_printf(&b, "|%u %u %u %zu %.*s %zu %.*s", k->kind, k->match, k->invert,
		    k->name.n, BYTES_ARG(k->name), k->value.n, BYTES_ARG(k->value));
	}
	/* Rules that select the same (5 a second, 100 an hour) are told apart by their order. */
	for (unsigned nth = 0;; nth++) {
		bool taken = false;
		size_t len = b.n;

		strbuf_printf(&b, "|%u", nth);
		h = hash_content(b.p, b.n);
		for (uint32_t i = 0; i < index; i++)
			taken |= c->m->limits[i].rec.base[0] == h.a &&
			    c->m->limits[i].rec.base[1] == h.b;
		if (!taken)
			break;
		b.n = len;
	}
	l->rec.base[0] = h.a;
	l->rec.base[1] = h.b;
	l->rec.id = ids_get(c->sc->ids, CAT_ID_LIMIT,
	    bytes_str(arena_printf(c->sc->arena, "%.*s/%.*s %016llx", BYTES_ARG(p->obj->meta.ns),
	    BYTES_ARG(p->obj->meta.name), (unsigned long long)h.a)));
	strbuf_release(&b);
}

static const char *
one(struct t_compile *c, const struct t_policy *p, const struct k_limit_rule *r, bool global)
{
	struct m_limit *l = &c->m->limits[c->m->nlimits];
	uint64_t n = (uint64_t)r->limit->requests.v, window = seconds[r->limit->unit];
	const char *why;

	memset(l, 0, sizeof(*l));
	l->rec.burst = l->rec.requests = n;
	l->rec.window_s = window;
	l->rec.interval_ns = n == 0 ? 1 : HG_MAX(window * 1000000000u / n, 1u);
	l->rec.cost = 1;
	l->rec.shadow = r->shadow.v;
	l->rec.headers = r->headers == K_LH_DRAFT ? 1 : r->headers == K_LH_OFF ? 2 : 0;
	l->rec.global = global;
	l->rec.shared = global && r->shared.v;
	why = keys(c, l, r);
	if (why == NULL && r->cost != NULL)
		why = cost(c, l, r->cost->request, false);
	if (why == NULL && r->cost != NULL)
		why = cost(c, l, r->cost->response, true);
	if (why == NULL) {
		identity(c, p, l, c->m->nlimits);
		c->m->nlimits++;
	}
	return why;
}

/* Tokens a second, compared without dividing; the default bucket last. */
static int
strictest(const void *a, const void *b)
{
	const struct m_limit *x = a, *y = b;
	unsigned __int128 l, r;

	if (x->rec.global != y->rec.global)
		return x->rec.global ? 1 : -1;
	if (x->rec.global)
		return 0;
	if ((x->nkeys == 0) != (y->nkeys == 0))
		return x->nkeys == 0 ? 1 : -1;
	l = (unsigned __int128)x->rec.requests * y->rec.window_s;
	r = (unsigned __int128)y->rec.requests * x->rec.window_s;
	return l < r ? -1 : l > r;
}

static bool
takes(const struct k_rate_limit *r, bool global)
{
	if (r == NULL || (r->type != 0 && (r->type == K_LT_GLOBAL) != global))
		return false;
	return (global ? r->global : r->local) != NULL;
}

static void
rules_of(struct t_compile *c, const struct t_policy *p, bool global)
{
	const struct k_backendtrafficpolicy *k = p->obj->spec;
	const struct k_limits *v;
	uint32_t defaults = 0;

	if (!takes(k->rate_limit, global))
		return;
	v = global ? k->rate_limit->global : k->rate_limit->local;
	for (uint32_t i = 0; i < v->rules.n; i++) {
		const char *why = NULL;

		if (!global && v->rules.v[i].selectors.n == 0 && ++defaults == 2)
			why = "local rateLimit can not have more than one rule without "
			      "clientSelectors";
		if (why == NULL)
			why = one(c, p, &v->rules.v[i], global);
		if (why != NULL) {
			words_addf(c->sc, c->errors, "RateLimit: %s.", why);
			return;
		}
	}
	if (global && c->warn != NULL && v->rules.n != 0)
		c->warn->per_node = true;
}

static uint32_t
count(const struct t_policy *p)
{
	const struct k_backendtrafficpolicy *k = p == NULL ? NULL : p->obj->spec;
	const struct k_rate_limit *r = k == NULL ? NULL : k->rate_limit;

	return r == NULL ? 0 :
	    (r->global == NULL ? 0 : r->global->rules.n) +
	    (r->local == NULL ? 0 : r->local->rules.n);
}

/* Both sets apply in a StrategicMerge; in a JSONMerge the patch's list takes the place. */
void
traffic_limits(struct t_compile *c)
{
	const struct k_backendtrafficpolicy *k = c->patch->obj->spec;
	bool strategic = bytes_eq(k->merge, BYTES("StrategicMerge"));
	uint32_t n = count(c->patch) + count(c->base);
	static const bool order[] = {false, true};

	if (k->rate_limit != NULL && k->rate_limit->type != 0 &&
	    !takes(k->rate_limit, k->rate_limit->type == K_LT_GLOBAL))
		words_addf(c->sc, c->errors, "RateLimit: %s configuration empty for rateLimit.",
		    k->rate_limit->type == K_LT_GLOBAL ? "global" : "local");
	if (n == 0)
		return;
	c->m->limits = arena_zalloc(c->sc->arena, n * sizeof(*c->m->limits));
	for (size_t i = 0; i < HG_ARRAY_LEN(order); i++) {
		if (c->base != NULL && (strategic || !takes(k->rate_limit, order[i])))
			rules_of(c, c->base, order[i]);
		rules_of(c, c->patch, order[i]);
	}
	qsort(c->m->limits, c->m->nlimits, sizeof(*c->m->limits), strictest);
}
