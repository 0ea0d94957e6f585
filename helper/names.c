/*
 * names.c - keeps the names region fresh. A name that was answered is asked again when its TTL
 * ends; one that fails keeps its last good addresses for as long as it fails (a dead DNS server
 * must not take backends with it) and is asked after 1, 2, 4 ... 30 s. Only a name that never had
 * an address has none.
 *
 * A name's record lives until no question of it is under way, since the resolver calls back once
 * whatever happens; one that has left the configuration is only marked until then.
 */
#include "helper/names.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

#define NAME_BYTES 256

struct asked {
	struct list link, wait;
	struct asker *asker;
	struct timer timer;
	uint32_t slot, fails;
	bool flying, gone, seen;
	char name[NAME_BYTES];
};

/* ---- arithmetic */

uint64_t
asker_next_ms(const struct resolve_answer *a, uint32_t fails)
{
	if (a->ok && !a->none)
		return 1000ull * HG_MAX(NAMES_TTL_MIN_S, HG_MIN(a->ttl_s, NAMES_TTL_MAX_S));
	return 1000ull * (fails > 5 ? NAMES_RETRY_MAX_S : 1u << (HG_MAX(fails, 1u) - 1));
}

static bool
has(const struct addr *v, uint32_t n, const struct addr *a)
{
	for (uint32_t i = 0; i < n; i++)
		if (addr_eq(&v[i], a))
			return true;
	return false;
}

/* Who is there already keeps his position, whatever order an answer has. */
static void
place(struct names_bank *b, const struct addr *v, uint32_t n)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < b->n; i++)
		if (!has(v, n, &b->addrs[i]))
			b->addrs[i] = (struct addr){0};
	for (uint32_t i = 0; i < n; i++) {
		if (has(b->addrs, b->n, &v[i]))
			continue;
		while (at < b->n && b->addrs[at].family != 0)
			at++;
		b->addrs[at] = v[i];
		b->n = HG_MAX(b->n, at + 1);
	}
	while (b->n && b->addrs[b->n - 1].family == 0)
		b->n--;
}

void
asker_bank(struct names_bank *b, const struct resolve_answer *a, uint64_t now_ns)
{
	b->n = HG_MIN(b->n, (uint32_t)NAMES_ADDRS);
	if (a->ok && !a->none && a->n > 0) {
		b->status = 1;
		place(b, a->addrs, HG_MIN(a->n, (uint32_t)NAMES_ADDRS));
		b->expires_ns =
		    now_ns + HG_MAX(NAMES_TTL_MIN_S, HG_MIN(a->ttl_s, NAMES_TTL_MAX_S)) * SEC_NS;
		return;
	}
	b->status = b->n ? 2 : 3;
}

/* ---- asking */

static void answered(void *arg, const struct resolve_answer *);

static void
ask(struct asked *q)
{
	struct asker *k = q->asker;

	if (q->flying)
		return;
	if (k->flight >= NAMES_FLIGHT) {
		if (list_empty(&q->wait))
			list_append(&k->waiting, &q->wait);
		return;
	}
	list_del(&q->wait);
	q->flying = true;
	k->flight++;
	k->ops.query(k->ops.arg, q->name, answered, q);
}

static void
due(struct timer *t)
{
	ask(HG_CONTAINER(t, struct asked, timer));
}

static void
forget(struct asked *q)
{
	timer_stop(&q->timer);
	list_del(&q->wait);
	list_del(&q->link);
	mem_free(q);
}

static void
take_answer(struct asked *q, const struct resolve_answer *a)
{
	struct asker *k = q->asker;
	bool good = a->ok && !a->none && a->n > 0;
	struct names_bank bank = {0};

	/* Only we write: a torn read cannot happen, a slot never written is zero. */
	(void)names_read(k->region, q->slot, &bank);
	if (!good && q->fails == 0)
		log_warn("name %s: %s; %s", q->name, a->why ? a->why : "no addresses",
		    bank.n ? "the last good addresses stay" : "no address yet");
	q->fails = good ? 0 : q->fails + 1;
	asker_bank(&bank, a, clock_mono());
	names_write(k->region, q->slot, &bank);
	if (good && k->ops.moved)
		k->ops.moved(k->ops.arg, q->slot);
	timer_in(k->loop, &q->timer, asker_next_ms(a, q->fails));
}

static void
answered(void *arg, const struct resolve_answer *a)
{
	struct asked *q = arg;
	struct asker *k = q->asker;

	q->flying = false;
	k->flight--;
	if (q->gone)
		forget(q);
	else
		take_answer(q, a);
	if (!list_empty(&k->waiting) && k->flight < NAMES_FLIGHT)
		ask(LIST_ENTRY(k->waiting.next, struct asked, wait));
}

/* ---- which names */

static struct asked *
find(struct asker *k, uint32_t slot)
{
	LIST_FOREACH (it, &k->names) {
		struct asked *q = LIST_ENTRY(it, struct asked, link);

		if (!q->gone && q->slot == slot)
			return q;
	}
	return NULL;
}

static void
leave(struct asked *q)
{
	q->gone = true;
	if (!q->flying)
		forget(q);
}

static void
want(struct asker *k, uint32_t slot, struct bytes name)
{
	static const struct names_bank empty;
	struct asked *q = find(k, slot);

	if (q && !bytes_eq(bytes_str(q->name), name)) {
		/* The slot stands for another name now: its old addresses would send traffic
		 * astray. */
		names_write(k->region, slot, &empty);
		if (k->ops.moved)
			k->ops.moved(k->ops.arg, slot);
		leave(q);
		q = NULL;
	}
	if (!q) {
		q = mem_zalloc(sizeof(*q));
		q->asker = k;
		q->slot = slot;
		memcpy(q->name, name.p, name.n);
		list_init(&q->wait);
		timer_init(&q->timer, due);
		list_append(&k->names, &q->link);
		q->seen = true;
		ask(q);
	}
	q->seen = true;
}

void
asker_adopt(struct asker *k, const struct image *im)
{
	LIST_FOREACH (it, &k->names)
		LIST_ENTRY(it, struct asked, link)->seen = false;
	for (uint32_t i = 0; i < im->n_clusters; i++) {
		const struct im_cluster *c = &im->clusters[i];
		struct bytes name = image_text(im, c->dns_name);

		if (c->dns < NAMES_SLOTS && name.n > 0 && name.n < NAME_BYTES)
			want(k, c->dns, name);
	}
	LIST_FOREACH_SAFE (it, tmp, &k->names) {
		struct asked *q = LIST_ENTRY(it, struct asked, link);

		if (!q->seen && !q->gone)
			leave(q);
	}
}

void
asker_init(struct asker *k, struct loop *loop, struct names *region, struct names_ops ops)
{
	*k = (struct asker){.loop = loop, .region = region, .ops = ops};
	list_init(&k->names);
	list_init(&k->waiting);
}

void
asker_release(struct asker *k)
{
	/* The resolver is gone already: nothing calls back. */
	LIST_FOREACH_SAFE (it, tmp, &k->names)
		forget(LIST_ENTRY(it, struct asked, link));
}
