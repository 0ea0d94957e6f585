/*
 * upool.c - keep-alive connections to backends. The one used last is taken first: it is the one
 * least likely to have been closed meanwhile, and what is surplus grows old and goes. Idle ones
 * stand in one list by time, so a single timer sweeps them all. An idle connection that becomes
 * readable is closed by its adapter (surplus bytes are a poisoned response queue, never data).
 * Places are found by a keyed hash over their content, never by a name or an index of a generation:
 * a reload that changes nothing about an endpoint keeps its connections.
 */
#include "worker/upstream/upool.h"
#include "worker/upstream/upool_h2.h"

#include <errno.h>

#include "base/clock.h"
#include "base/mem.h"

#define TABLE_FIRST 256
#define OWN_SWEEP_MS 100

static void
gauges(struct upool *p)
{
	atomic_store_explicit(&p->slot->idle_upstream, p->nidle, memory_order_relaxed);
}

static uint64_t
kept_ns(const struct upool *p, bool greeted)
{
	return (greeted ? HG_MIN(p->idle_ms, UPOOL_GREETED_MS) : p->idle_ms) * MS_NS;
}

/* Closes the old ones. When the next one of those that stay is due; UINT64_MAX: there is none. */
static uint64_t
sweep_list(struct upool *p, struct list *l, uint64_t ns)
{
	while (!list_empty(l)) {
		struct up *u = LIST_ENTRY(l->next, struct up, lru);

		if (u->idle_since + ns > loop_now(p->loop))
			return u->idle_since + ns;
		upool_close(u);
	}
	return UINT64_MAX;
}

/* Those with a time of their own stand in no order: all are looked at, but not all the time. */
static uint64_t
sweep_own(struct upool *p)
{
	uint64_t now = loop_now(p->loop), next = UINT64_MAX;

	LIST_FOREACH_SAFE(it, tmp, &p->own) {
		struct up *u = LIST_ENTRY(it, struct up, lru);
		uint64_t due = u->idle_since + u->terms.idle_ms * MS_NS;

		if (due <= now)
			upool_close(u);
		else
			next = HG_MIN(next, due);
	}
	return next == UINT64_MAX ? next : HG_MAX(next, now + OWN_SWEEP_MS * MS_NS);
}

static void
sweep(struct timer *t)
{
	struct upool *p = HG_CONTAINER(t, struct upool, sweep);
	uint64_t a = sweep_list(p, &p->lru, kept_ns(p, false)),
		 b = sweep_list(p, &p->greeted, kept_ns(p, true)), c = sweep_own(p);

	a = HG_MIN(a, HG_MIN(b, c));
	if (a != UINT64_MAX)
		timer_set(p->loop, &p->sweep, a);
}

void
upool_init(struct upool *p, struct loop *loop, struct bufs *bufs, struct pool *ups,
    const struct h1_limits *limits, struct slot_segment *slot, const struct hash_key *seed)
{
	*p = (struct upool){
	    .loop = loop, .bufs = bufs, .ups = ups, .limits = limits, .slot = slot, .seed = *seed};
	p->mask = TABLE_FIRST - 1;
	p->table = mem_zalloc(TABLE_FIRST * sizeof(struct ubucket *));
	p->idle_ms = 30000;
	p->idle_per_endpoint = 256;
	p->conns_per_endpoint = 1024;
	list_init(&p->lru);
	list_init(&p->greeted);
	list_init(&p->own);
	list_init(&p->ending);
	list_init(&p->shared);
	timer_init(&p->sweep, sweep);
}

void
upool_close_idle(struct upool *p)
{
	while (!list_empty(&p->lru))
		upool_close(LIST_ENTRY(p->lru.next, struct up, lru));
	while (!list_empty(&p->greeted))
		upool_close(LIST_ENTRY(p->greeted.next, struct up, lru));
	while (!list_empty(&p->own))
		upool_close(LIST_ENTRY(p->own.next, struct up, lru));
	upool_h2_close_idle(p);
}

void
upool_close_ending(struct upool *p)
{
	while (!list_empty(&p->ending)) {
		struct up *u = LIST_ENTRY(p->ending.next, struct up, lru);

		list_del(&u->lru);
		upool_close(u);
	}
}

void
upool_release(struct upool *p)
{
	upool_close_idle(p);
	timer_stop(&p->sweep);
	HG_CHECK(p->nconns == 0 && p->nbuckets == 0);
	mem_free(p->table);
	p->table = NULL;
}

static void
grow(struct upool *p)
{
	uint32_t mask = p->mask * 2 + 1;
	struct ubucket **table = mem_zalloc((mask + 1ul) * sizeof(*table));

	for (uint32_t i = 0; i <= p->mask; i++)
		for (struct ubucket *b = p->table[i], *next; b; b = next) {
			next = b->next;
			b->next = table[b->hash & mask];
			table[b->hash & mask] = b;
		}
	mem_free(p->table);
	p->table = table;
	p->mask = mask;
}

static uint64_t
place_hash(const struct upool *p, const struct target *t, uint8_t proto)
{
	struct {
		const void *secure;
		struct addr addr;
		uint64_t proto;
	} v;
	uint64_t greeting = 0;

	if (t->greeting.n)
		greeting = hash_sip(&p->seed, t->greeting.p, t->greeting.n);
	if (t->unix_path.p)
		return hash_sip(&p->seed, t->unix_path.p, t->unix_path.n) ^ greeting;
	memset(&v, 0, sizeof(v));
	v.secure = t->secure;
	v.addr = t->addr;
	v.proto = proto;
	return hash_sip(&p->seed, &v, sizeof(v)) ^ greeting;
}

static bool
is_place(const struct ubucket *b, const struct target *t, uint8_t proto)
{
	return b->proto == proto && b->secure == t->secure &&
	    memcmp(&b->addr, &t->addr, sizeof(b->addr)) == 0 &&
	    bytes_eq(bytes_of(b->path, b->npath), t->unix_path) &&
	    bytes_eq(bytes_of(b->greeting, b->ngreeting), t->greeting);
}

static struct ubucket **
recent(struct upool *p, uint32_t id)
{
	return &p->recent[id % HG_ARRAY_LEN(p->recent)];
}

/* NULL with its hash: there is none. */
static struct ubucket *
find_place(struct upool *p, const struct target *t, uint8_t proto, uint64_t *h)
{
	struct ubucket *b = *recent(p, t->id);

	if (b && is_place(b, t, proto))
		return b;
	*h = place_hash(p, t, proto);
	for (b = p->table[*h & p->mask]; b; b = b->next)
		if (b->hash == *h && is_place(b, t, proto)) {
			*recent(p, t->id) = b;
			return b;
		}
	return NULL;
}

struct ubucket *
upool_place_find(struct upool *p, const struct target *t, uint8_t proto)
{
	uint64_t h;

	return find_place(p, t, proto, &h);
}

struct ubucket *
upool_place(struct upool *p, const struct target *t, uint8_t proto)
{
	uint64_t h;
	struct ubucket *b = find_place(p, t, proto, &h);

	if (b)
		return b;
	if (p->nbuckets > p->mask)
		grow(p);
	/* A new place is rare: it lives as long as there is a connection to it. */
	b = mem_zalloc(sizeof(*b));
	b->hash = h;
	b->addr = t->addr;
	b->proto = proto;
	b->secure = t->secure ? uptls_ref(t->secure) : NULL;
	if (t->unix_path.p) {
		b->path = mem_dup(t->unix_path);
		b->npath = t->unix_path.n;
	}
	if (t->greeting.n) {
		b->greeting = mem_dup(t->greeting);
		b->ngreeting = t->greeting.n;
	}
	list_init(&b->idle);
	list_init(&b->shared);
	b->next = p->table[h & p->mask];
	p->table[h & p->mask] = b;
	p->nbuckets++;
	return b;
}

void
upool_place_leave(struct upool *p, struct ubucket *b)
{
	struct ubucket **link = &p->table[b->hash & p->mask];

	if (b->nconns || !list_empty(&b->shared))
		return;
	while (*link != b)
		link = &(*link)->next;
	*link = b->next;
	for (size_t i = 0; i < HG_ARRAY_LEN(p->recent); i++)
		if (p->recent[i] == b)
			p->recent[i] = NULL;
	if (b->secure)
		uptls_unref(b->secure);
	mem_free(b->path);
	mem_free(b->greeting);
	mem_free(b);
	p->nbuckets--;
}

static void
leave_idle(struct up *u)
{
	if (!u->idle)
		return;
	u->idle = false;
	list_del(&u->link);
	list_del(&u->lru);
	u->bucket->nidle--;
	u->pool->nidle--;
	gauges(u->pool);
}

/* May it carry one more request? */
static bool
worn(const struct up *u, uint64_t now)
{
	const struct up_terms *t = &u->terms;

	return (t->max_requests && u->h1.s.requests >= t->max_requests) ||
	    (t->max_ms && now - u->born >= t->max_ms * MS_NS) ||
	    (t->idle_ms && u->idle && now - u->idle_since >= t->idle_ms * MS_NS);
}

/* ---- the adapter's events */

static bool chose_h2(const struct up *);
static void become_h2(struct up *);

static void
up_open(struct h1_up *h)
{
	struct up *u = h->owner;

	u->connected = true;
	if (chose_h2(u)) {
		become_h2(u);
		return;
	}
	if (u->ev)
		u->ev->open(u);
}

/* Its connection is no more one of its place. */
static void
leave_place(struct up *u)
{
	struct upool *p = u->pool;
	struct ubucket *b = u->bucket;

	leave_idle(u);
	list_del(&u->lru);
	b->nconns--;
	p->nconns--;
	counts_lower(&p->slot->endpoints[u->endpoint].connections);
	if (u->breaker)
		counts_lower(&p->slot->breakers[u->breaker].connections);
	u->breaker = 0;
	u->bucket = NULL;
	p->freed = true;
	upool_place_leave(p, b);
}

static void
forget(struct up *u)
{
	leave_place(u);
	pool_put(u->pool->ups, u);
}

static bool
chose_h2(const struct up *u)
{
	const struct ubucket *b = u->bucket;
	struct slot_segment *slot = u->pool->slot;
	struct tls_info info;
	bool h2;

	if (b->secure == NULL)
		return false;
	tls_info(&u->h1.chan, &info);
	slot->metrics[METRIC_upstream_tls_handshakes]++;
	slot->metrics[METRIC_upstream_tls_resumed] += info.resumed;
	h2 = uptls_spoken(b->secure, &u->h1.chan) == UPTLS_H2;
	uptls_learn(b->secure, &b->addr, bytes_of(b->path, b->npath), h2);
	return h2;
}

static void
up_failed(struct h1_up *h, enum hg_err e)
{
	struct up *u = h->owner;
	const struct up_events *ev = u->ev;

	u->ev = NULL;
	u->pool->slot->metrics[METRIC_upstream_errors]++;
	u->pool->slot->metrics[METRIC_upstream_tls_failed] += e == HG_ERR_BACKEND_TLS;
	if (ev)
		ev->failed(u, e);
}

static void
become_h2(struct up *u)
{
	const struct up_events *ev = u->ev;

	if (ev != NULL && upool_h2_become(u)) {
		leave_place(u);
		h1_up_left(&u->h1);
		ev->open(u);
		return;
	}
	h1_up_close(&u->h1); /* nobody waits for it, or no memory */
	if (ev != NULL)
		up_failed(&u->h1, HG_ERR_NOMEM);
}

/* Which list it waits in, and until when. */
static struct list *
waits_in(struct upool *p, const struct up *u, uint64_t *due)
{
	bool greeted = u->bucket->greeting != NULL;

	*due = u->idle_since + kept_ns(p, greeted);
	if (greeted)
		return &p->greeted;
	if (u->terms.idle_ms == 0)
		return &p->lru;
	*due = u->idle_since + u->terms.idle_ms * MS_NS;
	return &p->own;
}

static void
up_idle(struct h1_up *h)
{
	struct up *u = h->owner;
	struct upool *p = u->pool;
	uint64_t due;

	u->owner = NULL;
	u->ev = NULL;
	p->freed = true;
	if (u->bucket->nidle >= p->idle_per_endpoint || p->idle_ms == 0 ||
	    worn(u, loop_now(p->loop))) {
		upool_close(u);
		return;
	}
	u->idle = true;
	u->idle_since = loop_now(p->loop);
	list_push(&u->bucket->idle, &u->link);
	list_append(waits_in(p, u, &due), &u->lru);
	u->bucket->nidle++;
	p->nidle++;
	gauges(p);
	if (p->nidle == 1 || due < p->sweep.deadline)
		timer_set(p->loop, &p->sweep, due);
}

static void
up_closed(struct h1_up *h)
{
	struct up *u = h->owner;

	u->pool->slot->metrics[METRIC_upstream_surplus] += h->s.surplus;
	forget(u);
}

static const struct h1_up_events up_h1_events = {
	.open = up_open, .failed = up_failed, .idle = up_idle, .closed = up_closed};

/* ---- */

/* May there be one more? The bound is the endpoint's: with a PROXY header its places are many, and
 * the idle ones of other clients make room. (A search from the oldest on, where the bound is met.)
 */
static bool
has_room(struct upool *p, const struct ubucket *b, const struct target *t)
{
	if (b->nconns >= p->conns_per_endpoint)
		return false;
	if (!t->greeting.n || t->id == 0 || t->id >= SLOT_IDS ||
	    p->slot->endpoints[t->id].connections < p->conns_per_endpoint)
		return true;
	LIST_FOREACH(it, &p->greeted) {
		struct up *u = LIST_ENTRY(it, struct up, lru);

		if (u->endpoint == t->id && u->bucket != b) {
			upool_close(u);
			return true;
		}
	}
	return false;
}

static bool
is_shared(const struct target *t)
{
	return t->secure ? uptls_expects_h2(t->secure, &t->addr, t->unix_path) :
			   t->proto == IM_UP_H2C;
}

enum hg_err
upool_get(struct upool *p, const struct target *t, bool fresh, const struct up_events *ev,
    void *owner, struct up **out)
{
	struct ubucket *b;
	struct up *u;

	if (t->tls && t->secure == NULL) /* never in clear text */
		return HG_ERR_BACKEND_TLS;
	if (is_shared(t))
		return upool_h2_get(p, t, ev, owner, out);
	b = upool_place(p, t, t->proto);
	while (!fresh && !list_empty(&b->idle)) {
		bool old;

		u = LIST_ENTRY(b->idle.next, struct up, link);
		old = worn(u, loop_now(p->loop));
		leave_idle(u);
		if (old || !h1_up_usable(&u->h1)) {
			h1_up_close(&u->h1);
			continue;
		}
		u->owner = owner;
		p->slot->metrics[METRIC_upstream_reused]++;
		*out = u;
		return HG_OK;
	}
	if (!has_room(p, b, t)) {
		upool_place_leave(p, b);
		return HG_ERR_QUEUE_FULL;
	}
	u = pool_get(p->ups);
	if (u == NULL) {
		upool_place_leave(p, b);
		return HG_ERR_OVERLOAD;
	}
	memset(u, 0, sizeof(*u));
	u->pool = p;
	u->bucket = b;
	u->ev = ev;
	u->owner = owner;
	u->endpoint = t->id < SLOT_IDS ? t->id : 0;
	u->born = loop_now(p->loop);
	list_init(&u->link);
	list_init(&u->lru);
	if (h1_up_connect(&u->h1, p->loop, p->bufs, &t->addr, t->unix_path, p->limits,
		&up_h1_events, u) != 0) {
		pool_put(p->ups, u);
		upool_place_leave(p, b);
		p->slot->metrics[METRIC_upstream_errors]++;
		return HG_ERR_CONNECT_FAILED;
	}
	b->nconns++;
	p->nconns++;
	p->slot->endpoints[u->endpoint].connections++;
	p->slot->metrics[METRIC_upstream_connections]++;
	if ((t->secure && !uptls_start(t->secure, &u->h1.chan, &t->addr, t->unix_path)) ||
	    (t->greeting.n && !chan_greet(&u->h1.chan, t->greeting.p, t->greeting.n))) {
		upool_close(u);
		return HG_ERR_NOMEM;
	}
	*out = u;
	return HG_ERR_AGAIN;
}

bool
upool_ready(struct upool *p, const struct target *t)
{
	const struct ubucket *b;

	if (is_shared(t))
		return upool_h2_ready(p, t, false);
	b = upool_place_find(p, t, t->proto);
	return b && b->nidle != 0;
}

bool
upool_coming(struct upool *p, const struct target *t)
{
	return is_shared(t) && upool_h2_ready(p, t, true);
}

void
upool_charge(struct up *u, uint32_t rule)
{
	if (u->breaker || rule == 0 || rule >= SLOT_IDS)
		return;
	if (u->m) {
		upool_h2_charge(u, rule);
		return;
	}
	u->breaker = rule;
	u->pool->slot->breakers[rule].connections++;
}

static bool
make_room(struct list *l, uint32_t rule)
{
	LIST_FOREACH(it, l) {
		struct up *u = LIST_ENTRY(it, struct up, lru);

		if (u->breaker == rule) {
			upool_close(u);
			return true;
		}
	}
	return false;
}

bool
upool_make_room(struct upool *p, uint32_t rule)
{
	return make_room(&p->lru, rule) || make_room(&p->own, rule) ||
	    make_room(&p->greeted, rule) || upool_h2_make_room(p, rule);
}

void
upool_terms(struct up *u, const struct up_terms *t)
{
	u->terms = *t;
	if (u->m)
		upool_h2_terms(u);
}

int
upool_fd(const struct up *u)
{
	return u->m ? upool_h2_fd(u) : u->h1.chan.watch.fd;
}

void
upool_close(struct up *u)
{
	u->ev = NULL;
	if (u->m) {
		upool_h2_close(u);
		return;
	}
	leave_idle(u);
	h1_up_close(&u->h1); /* `closed` frees it */
}

struct stream *
upool_open(struct up *u, struct msg *storage, const struct stream_events *ev, void *owner)
{
	return u->m ? upool_h2_open(u, storage, ev, owner) : h1_up_open(&u->h1, storage, ev, owner);
}

void
upool_done(struct up *u, struct stream *st)
{
	bool shared = u->m != NULL;

	st->ops->detach(st); /* may offer the connection to the pool at once */
	if (shared)
		upool_h2_done(u);
	else if (u->h1.s.ending)
		list_append(&u->pool->ending, &u->lru);
}

bool
upool_shaking(const struct up *u)
{
	return u->m ? upool_h2_shaking(u) :
		      u->h1.chan.handshaking && !u->h1.chan.connecting;
}

bool
upool_got_bytes(const struct up *u)
{
	return u->m || h1_up_got_bytes(&u->h1);
}
