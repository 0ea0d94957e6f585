/*
 * way.c - admit and pick for L4. The same picker, breakers, buckets and board as for HTTP, so a
 * limit is one limit whoever asks; what is asked of a request's head (keys of headers, paths,
 * methods) says nothing about a connection, and a limit with such a key does not apply.
 *
 * A connection that its breaker does not let in is refused, never queued: the client's next try is
 * the queue, and a queue of silent connections would hold descriptors for nobody.
 */
#include "worker/l4/way.h"

#include "base/clock.h"
#include "base/hash.h"
#include "shm/route.h"
#include "worker/l4/l4.h"
#include "worker/protect/limit.h"
#include "worker/traffic.h"
#include "worker/upstream/breaker.h"
#include "worker/upstream/members.h"

uint32_t
way_route(const struct gen *gen, uint32_t listener, struct bytes sni)
{
	return route_hosttab(&gen->image, &gen->image.listeners[listener].l4, sni);
}

void
way_set(struct way *y, struct worker *w, const struct gen *gen, uint32_t listener, uint32_t rule)
{
	const struct image *im = &gen->image;
	uint32_t l = im->listeners[listener].id, r = rule == IM_NONE ? 0 : im->rules[rule].id;

	y->listener = l < SLOT_IDS ? l : 0;
	y->rule = r < SLOT_IDS ? r : 0;
	if (y->label)
		label_unref(y->label);
	y->label = label_get(&w->l4->labels, gen, listener, rule, IM_NONE);
	y->backend_cluster = IM_NONE;
}

/* ---- may it? */

/* A handful of networks (64 at most), asked once for a connection or a session. */
static bool
is_served(const struct image *im, const struct im_listener *l, const struct addr *client)
{
	for (uint32_t i = 0; i < l->sources.n; i++)
		if (cidr_has(&im->cidrs[l->sources.first + i], client))
			return true;
	return l->sources.n == 0;
}

static enum hg_err
rate(struct worker *w, const struct gen *gen, uint32_t listener, uint32_t rule,
    const struct addr *client)
{
	const struct image *im = &gen->image;
	const struct im_rule *r = &im->rules[rule];
	struct limit_in in = {.im = im,
	    .regexes = &gen->regexes,
	    .buckets = w->env->buckets,
	    .arena = &w->l4->scratch,
	    .client = client,
	    .route_key = im->routes[r->route].key,
	    .listener_key = im->listeners[listener].key,
	    .now = clock_mono()}; /* not the turn's: all workers write one table */
	struct limit_state s = {0};
	enum hg_err e = limit_take(&in, im->policies[r->policy].limits, &s);

	arena_reset(in.arena);
	return e;
}

enum hg_err
way_admit(struct way *y, struct worker *w, const struct gen *gen, uint32_t listener,
    uint32_t rule, const struct addr *client)
{
	const struct image *im = &gen->image;
	const struct im_rule *r = &im->rules[rule];
	const struct im_balance *b = image_balance(im, r->policy);
	struct slot_breaker *words = breaker_words(&w->counts, y->rule);
	enum hg_err e = HG_OK;

	if (!is_served(im, &im->listeners[listener], client))
		return HG_ERR_IP_DENIED;
	if (r->error != HG_OK)
		return (enum hg_err)r->error;
	if (b && b->max_connections != IM_NONE &&
	    COUNTS_SUM(&w->counts, breakers, y->rule, connections) >= b->max_connections)
		e = HG_ERR_CIRCUIT_OPEN;
	if (b && b->max_pending != IM_NONE &&
	    COUNTS_SUM(&w->counts, breakers, y->rule, pending) >= b->max_pending)
		e = HG_ERR_CIRCUIT_OPEN;
	if (e != HG_OK) {
		METRIC(w, circuit_open, 1);
		return e;
	}
	if (r->policy != IM_NONE && im->policies[r->policy].limits.n && w->env->buckets)
		e = rate(w, gen, listener, rule, client);
	if (e == HG_ERR_RATE_LIMITED)
		METRIC(w, rate_limited, 1);
	if (e != HG_OK)
		return e;
	y->charged = true;
	words->connections++;
	return HG_OK;
}

/* ---- which endpoint? */

static void
take_terms(struct way *y, const struct worker *w, const struct im_balance *b, bool udp)
{
	struct way_terms *t = &y->terms;

	*t = (struct way_terms){.connect_ms = (uint64_t)w->connect_ms,
	    .idle_ms = udp ? WAY_UDP_IDLE_MS : WAY_IDLE_MS,
	    .max_ms = UINT64_MAX};
	if (b == NULL)
		return;
	t->connect_ms = way_ms(b->connect_ms, t->connect_ms);
	t->idle_ms = way_ms(b->idle_ms, t->idle_ms);
	t->max_ms = way_ms(b->connection_max_ms, t->max_ms);
	t->keepalive = b->tcp_keepalive;
	t->probes = b->keepalive_probes;
	t->keep_idle_s = b->keepalive_idle_s;
	t->keep_interval_s = b->keepalive_interval_s;
	t->proxy = b->proxy_protocol;
}

static struct pick_in
pick_for(struct worker *w, struct gen *gen, const struct im_balance *b, const struct addr *client)
{
	struct pick_in in = {.gen = gen,
	    .board = w->board,
	    .names = w->names,
	    .now = loop_now(w->loop),
	    .random = worker_random(w),
	    .balance = b,
	    .counts = &w->counts};

	if (b && b->type == IM_LB_HASH && b->hash == IM_HASH_SOURCE_IP) {
		in.hash = hash_mix(
		    hash_more(HASH_SEED, client->ip, client->family == 6 ? 16 : 4));
		in.hash_on = true;
	}
	return in;
}

/* Which of the rule's backends, by weight; a next attempt stays with it. */
static enum hg_err
choose_backend(struct way *y, struct worker *w, const struct pick_in *in, uint32_t listener,
    uint32_t rule)
{
	const struct gen *gen = in->gen;
	uint32_t b;

	if (y->attempts && y->label->gen == gen->id && y->backend_cluster != IM_NONE)
		return HG_OK;
	b = pick_backend(in, rule);
	if (b == IM_NONE)
		return HG_ERR_NO_BACKEND;
	if (gen->image.backends[b].error != HG_OK)
		return (enum hg_err)gen->image.backends[b].error;
	way_set(y, w, gen, listener, rule);
	y->backend_cluster = gen->image.backends[b].cluster;
	label_unref(y->label);
	y->label = label_get(&w->l4->labels, gen, listener, rule, y->backend_cluster);
	return HG_OK;
}

static void
raise_words(struct way *y, struct worker *w, const struct target *t, bool udp)
{
	struct slot_endpoint *e;

	y->endpoint = t->id < SLOT_IDS ? t->id : 0;
	e = &w->slot->endpoints[y->endpoint];
	e->inflight++;
	e->connections++;
	e->requests++;
	y->inflight = true;
	if (udp) /* there is nothing to wait for */
		return;
	breaker_words(&w->counts, y->rule)->pending++;
	y->pending = true;
}

static void
lower_words(struct way *y, struct worker *w)
{
	struct slot_endpoint *e = &w->slot->endpoints[y->endpoint];

	if (y->pending)
		counts_lower(&breaker_words(&w->counts, y->rule)->pending);
	if (y->inflight) {
		counts_lower(&e->inflight);
		counts_lower(&e->connections);
	}
	y->pending = y->inflight = false;
}

static uint32_t
recharge(struct way *y, struct worker *w, const struct gen *gen, uint32_t listener,
    struct bytes sni)
{
	uint32_t rule = way_route(gen, listener, sni);

	/* Another rule took over between two attempts: the connection counts there from now on. */
	if (rule != IM_NONE && y->charged && gen->image.rules[rule].id != y->rule) {
		counts_lower(&breaker_words(&w->counts, y->rule)->connections);
		way_set(y, w, gen, listener, rule);
		breaker_words(&w->counts, y->rule)->connections++;
	}
	return rule;
}

enum hg_err
way_pick(struct way *y, struct worker *w, struct bytes sni, const struct addr *client, bool udp,
    struct target *t)
{
	struct gen *gen = w->gens.live;
	uint32_t listener = gen_listener(gen, y->listener), rule;
	const struct im_balance *b;
	struct pick_in in;
	enum hg_err e;

	if (listener == IM_NONE)
		return HG_ERR_NO_LISTENER;
	rule = recharge(y, w, gen, listener, sni);
	if (rule == IM_NONE)
		return HG_ERR_NO_ROUTE;
	if (y->attempts >= PICK_TRIED)
		return HG_ERR_CONNECT_FAILED;
	b = image_balance(&gen->image, gen->image.rules[rule].policy);
	in = pick_for(w, gen, b, client);
	e = choose_backend(y, w, &in, listener, rule);
	if (e == HG_OK)
		e = pick_endpoint(&in, y->backend_cluster, &y->tried, t);
	if (e != HG_OK)
		return e;
	/* All that are usable were tried. */
	if (members_tried(&y->tried, t))
		return HG_ERR_CONNECT_FAILED;
	take_terms(y, w, b, udp);
	y->attempts++;
	y->to = t->addr;
	y->is_unix = t->unix_path.p != NULL;
	y->named = gen->image.clusters[y->backend_cluster].dns != IM_NONE;
	pick_note(&y->tried, t);
	raise_words(y, w, t, udp);
	return HG_OK;
}

/* ---- what came of it */

/* The endpoint's row of failures; 200 ends it, 0 makes it longer. */
static void
note(struct way *y, struct worker *w, unsigned status)
{
	struct gen *gen = w->gens.live;
	struct target t = {.addr = y->to, .id = y->endpoint, .cluster = y->backend_cluster};

	if (y->label && y->label->gen == gen->id && y->label->rule != IM_NONE)
		traffic_note(w, gen,
		    image_balance(&gen->image, gen->image.rules[y->label->rule].policy), &t,
		    status);
}

void
way_connected(struct way *y, struct worker *w)
{
	METRIC(w, upstream_connections, 1);
	if (y->pending)
		counts_lower(&breaker_words(&w->counts, y->rule)->pending);
	y->pending = false;
	note(y, w, 200);
}

void
way_failed(struct way *y, struct worker *w)
{
	METRIC(w, upstream_errors, 1);
	w->slot->endpoints[y->endpoint].failures++;
	note(y, w, 0);
	lower_words(y, w);
}

void
way_leave(struct way *y, struct worker *w)
{
	lower_words(y, w);
	y->attempts = 0;
	y->tried.n = 0;
}

void
way_over(struct way *y, struct worker *w)
{
	lower_words(y, w);
	if (y->charged)
		counts_lower(&breaker_words(&w->counts, y->rule)->connections);
	y->charged = false;
	if (y->label)
		label_unref(y->label);
	y->label = NULL;
}

/* ---- is it gone? */

void
way_rules_of(const struct gen *gen, struct way_rules *out)
{
	const struct image *im = &gen->image;

	memset(out, 0, sizeof(*out));
	for (uint32_t i = 0; i < im->n_rules; i++) {
		uint32_t id = im->rules[i].id < SLOT_IDS ? im->rules[i].id : 0;

		if (im->routes[im->rules[i].route].kind >= IM_TLSROUTE)
			out->bits[id / 64] |= 1ull << id % 64;
	}
}

static bool
has_endpoint(const struct image *im, uint32_t cluster, uint32_t id)
{
	struct im_range v;

	if (cluster == IM_NONE)
		return false;
	if (im->clusters[cluster].dns != IM_NONE)
		return true;
	v = im->clusters[cluster].endpoints;
	for (uint32_t i = 0; i < v.n; i++)
		if (im->endpoints[v.first + i].id == id)
			return true;
	return false;
}

bool
way_endpoint_gone(const struct way *y, const struct gen *gen)
{
	const struct image *im = &gen->image;
	uint32_t l = gen_listener(gen, y->listener),
		 rule = l == IM_NONE ? IM_NONE : way_route(gen, l, BYTES_NONE);

	if (rule == IM_NONE || im->rules[rule].id != y->rule || y->endpoint == 0)
		return false;
	for (uint32_t i = 0; i < im->rules[rule].backends.n; i++)
		if (has_endpoint(im, im->backends[im->rules[rule].backends.first + i].cluster,
			y->endpoint))
			return false;
	return true;
}

bool
way_gone(const struct way *y, const struct gen *gen, const struct way_rules *rules)
{
	if (y->listener && gen_listener(gen, y->listener) == IM_NONE)
		return true;
	/* Id 0 stands for many: nothing is known of it. */
	return y->rule && !(rules->bits[y->rule / 64] >> y->rule % 64 & 1);
}
