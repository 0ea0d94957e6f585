/*
 * health.c - who is asked. An endpoint that is checked is a timer, what to ask, and a verdict with
 * thresholds; a check itself is check.c. Verdicts are words on the board; workers read them at each
 * pick. Checks of all endpoints begin spread over one interval at most, and a bounded number is
 * under way at once, so ten thousand endpoints do not make a burst.
 *
 * Clusters with a DNS name are kept as a list of their own, checked or not, since it is here that
 * the words of a position are cleared when another address takes it (shm/board.h).
 */
#include "helper/health.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"

#define SPREAD_MS 1000u

struct watched { /* an endpoint that is checked */
	struct watched *next;
	struct list wait;
	struct health *h;
	struct timer timer;
	struct check_flight *flight;
	struct check_terms *terms;
	uint32_t id;
	bool seen, h2;
	struct addr addr; /* with the port to ask */
	char unix_path[108];
	char *host, *name; /* Host of the request; for logs */
	struct uptls *secure;
	struct health_state state;
};

struct named { /* a cluster with a DNS name */
	struct list link;
	uint32_t slot, n;
	uint16_t port;
	bool h2;
	struct check_terms *terms;     /* NULL: not checked */
	struct uptls *secure;
	char *host, *name;
	struct addr have[NAMES_ADDRS]; /* family 0: nobody */
	uint32_t ids[NAMES_ADDRS];
};

/* ---- judging */

bool
health_judge(struct health_state *s, uint16_t healthy, uint16_t unhealthy, enum health_result r)
{
	bool good = r == HEALTH_GOOD;
	unsigned need;

	if (s->verdict == (good ? BOARD_HEALTHY : BOARD_UNHEALTHY)) {
		s->row = 0;
		return false;
	}
	/* The first good one of a new endpoint is enough, and so is an answer that says no. */
	need = good ? (s->verdict == BOARD_UNKNOWN ? 1 : healthy) : unhealthy;
	if (r == HEALTH_BAD)
		need = 1;
	if (s->row < UINT16_MAX)
		s->row++;
	if (s->row < need)
		return false;
	s->row = 0;
	s->verdict = good ? BOARD_HEALTHY : BOARD_UNHEALTHY;
	return true;
}

static void
publish(const struct watched *c)
{
	struct board_endpoint *e = &c->h->board->endpoints[c->id];
	uint64_t was = atomic_load_explicit(&e->active, memory_order_relaxed);

	if (c->state.verdict == BOARD_HEALTHY && was == BOARD_UNHEALTHY)
		atomic_store_explicit(&e->healthy_since, clock_mono(), memory_order_relaxed);
	atomic_store_explicit(&e->active, c->state.verdict, memory_order_relaxed);
}

/* ---- asking */

static void launch(struct watched *c);

static void
landed(void *arg, enum health_result r, const char *why)
{
	struct watched *c = arg;
	struct health *h = c->h;
	bool first = c->state.verdict == BOARD_UNKNOWN;

	c->flight = NULL;
	h->flight--;
	atomic_store_explicit(
	    &h->board->endpoints[c->id].checked_at, clock_mono(), memory_order_relaxed);
	if (health_judge(&c->state, c->terms->healthy, c->terms->unhealthy, r)) {
		if (r != HEALTH_GOOD)
			log_warn("endpoint %s is unhealthy: %s", c->name, why);
		else if (!first)
			log_info("endpoint %s is healthy", c->name);
		publish(c);
	}
	timer_in(h->checker.loop, &c->timer, c->terms->interval_ms);
	if (!list_empty(&h->waiting) && h->flight < HEALTH_FLIGHT) {
		struct watched *next = LIST_ENTRY(h->waiting.next, struct watched, wait);

		list_del(&next->wait);
		launch(next);
	}
}

static void
launch(struct watched *c)
{
	struct health *h = c->h;
	struct check_to to;

	if (h->flight >= HEALTH_FLIGHT) {
		list_append(&h->waiting, &c->wait);
		return;
	}
	to = (struct check_to){.addr = c->addr,
	    .unix_path = c->unix_path,
	    .host = c->host,
	    .secure = c->secure,
	    .h2 = c->h2};
	h->flight++;
	c->flight = check_start(&h->checker, c->terms, &to, landed, c);
	if (c->flight == NULL)
		landed(c, HEALTH_FAIL, "cannot connect");
}

static void
due(struct timer *t)
{
	struct watched *c = HG_CONTAINER(t, struct watched, timer);

	if (c->flight == NULL && list_empty(&c->wait))
		launch(c);
}

static uint32_t
first_wait(struct health *h, const struct check_terms *t)
{
	h->rng = hash_mix(h->rng + 0x9e3779b97f4a7c15ull);
	return (uint32_t)(h->rng %
	    (t->jitter_ms ? t->jitter_ms : HG_MIN(t->interval_ms, SPREAD_MS) / 2 + 1));
}

/* ---- which endpoints */

static char *
copy(struct bytes b, const char *otherwise)
{
	char *p;

	if (b.n == 0)
		b = bytes_str(otherwise);
	p = mem_alloc(b.n + 1);
	memcpy(p, b.p, b.n);
	p[b.n] = '\0';
	return p;
}

static struct watched **
place(struct health *h, uint32_t id)
{
	struct watched **at = &h->table[id % HEALTH_TABLE];

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

static void
cut(struct watched *c)
{
	if (c->flight) {
		check_cut(c->flight);
		c->flight = NULL;
		c->h->flight--;
	}
	timer_stop(&c->timer);
	list_del(&c->wait);
}

/* What to know of an endpoint; texts are copied. */
struct who {
	uint32_t id;
	struct addr addr;
	struct bytes unix_path, host, cluster;
	struct uptls *secure; /* or NULL */
	bool h2;
};

static void
name_it(struct watched *c, const struct who *w)
{
	char printed[56], line[320];

	(void)addr_print(&c->addr, printed);
	(void)snprintf(line, sizeof(line), "%s of %.*s", c->unix_path[0] ? c->unix_path : printed,
	    (int)HG_MIN(w->cluster.n, (size_t)200), w->cluster.p);
	mem_free(c->name);
	mem_free(c->host);
	c->name = copy(bytes_str(line), "");
	/* Without a name the address as it stands in a URI's authority. */
	c->host = copy(w->host, c->unix_path[0] ? "localhost" : printed);
}

static void
want(struct health *h, const struct who *w, struct check_terms *terms)
{
	struct watched **at, *c;
	bool fresh;

	if (w->id == 0 || w->id >= SLOT_IDS)
		return;
	at = place(h, w->id);
	c = *at;
	if (c && c->seen)
		return;
	fresh = c == NULL;
	if (fresh) {
		c = *at = mem_zalloc(sizeof(*c));
		c->h = h;
		c->id = w->id;
		/* A helper before this one may have known more. */
		c->state.verdict = (uint8_t)(atomic_load(&h->board->endpoints[w->id].active) % 3);
		list_init(&c->wait);
		timer_init(&c->timer, due);
	}
	c->seen = true;
	c->h2 = w->h2;
	if (w->secure)
		(void)uptls_ref(w->secure);
	if (c->secure)
		uptls_unref(c->secure);
	c->secure = w->secure;
	check_terms_unref(c->terms);
	c->terms = check_terms_ref(terms);
	c->addr = w->addr;
	if (terms->port)
		c->addr.port = terms->port;
	(void)snprintf(c->unix_path, sizeof(c->unix_path), "%.*s", (int)w->unix_path.n,
	    w->unix_path.n ? w->unix_path.p : "");
	name_it(c, w);
	if (fresh)
		timer_in(h->checker.loop, &c->timer, first_wait(h, terms));
}

static void
drop(struct watched **at)
{
	struct watched *c = *at;

	*at = c->next;
	cut(c);
	atomic_store(&c->h->board->endpoints[c->id].active, BOARD_UNKNOWN);
	check_terms_unref(c->terms);
	if (c->secure)
		uptls_unref(c->secure);
	mem_free(c->host);
	mem_free(c->name);
	mem_free(c);
}

static void
sweep(struct health *h, bool all)
{
	for (unsigned i = 0; i < HEALTH_TABLE; i++)
		for (struct watched **at = &h->table[i]; *at;)
			if ((*at)->seen && !all) {
				(*at)->seen = false;
				at = &(*at)->next;
			} else {
				drop(at);
			}
}

/* ---- names */

static void
forget_named(struct health *h)
{
	LIST_FOREACH_SAFE (it, tmp, &h->named) {
		struct named *n = LIST_ENTRY(it, struct named, link);

		list_del(&n->link);
		check_terms_unref(n->terms);
		if (n->secure)
			uptls_unref(n->secure);
		mem_free(n->host);
		mem_free(n->name);
		mem_free(n);
	}
}

static void
want_named(struct health *h, struct named *n, uint32_t k)
{
	struct who w = {.id = n->ids[k],
	    .addr = n->have[k],
	    .host = bytes_str(n->host),
	    .cluster = bytes_str(n->name),
	    .secure = n->secure,
	    .h2 = n->h2};

	w.addr.port = n->port;
	if (n->terms)
		want(h, &w, n->terms);
}

static void
addresses(const struct health *h, uint32_t slot, struct addr out[NAMES_ADDRS])
{
	struct names_bank bank;

	memset(out, 0, NAMES_ADDRS * sizeof(*out));
	if (h->names == NULL || !names_read(h->names, slot, &bank))
		return;
	for (uint32_t k = 0; k < bank.n; k++)
		if (bank.addrs[k].family == 4 || bank.addrs[k].family == 6)
			out[k] = bank.addrs[k];
}

/* Checks have no client certificate: keys are the workers' affair. Where one belongs to the
 * connection, connecting has to be enough. */
static bool
wants_certificate(const struct image *im, const struct im_cluster *c)
{
	bool gateway = false;

	if (c->tls == IM_NONE)
		return false;
	for (uint32_t i = 0; i < im->n_gateways; i++)
		gateway |= im->gateways[i].cert != IM_NONE;
	return gateway || im->uptls[c->tls].cert != IM_NONE;
}

static struct check_terms *
terms_for(const struct image *im, const struct im_cluster *c, struct check_terms *t)
{
	struct check_terms *tcp;

	if (!wants_certificate(im, c))
		return check_terms_ref(t);
	tcp = mem_alloc(sizeof(*tcp));
	*tcp = *t;
	tcp->refs = 1;
	tcp->type = IM_HC_TCP;
	tcp->nsend = tcp->nreceive = 0;
	return tcp;
}

/* TLS as the cluster wants it, or NULL; borrowed. false: it cannot be made, and nothing is asked in
 * clear text instead. */
static bool
secure_for(struct health *h, const struct image *im, const struct im_cluster *c,
    const struct check_terms *t, struct bytes host, struct uptls **out)
{
	struct uptls_in in = {.im = im,
	    .secrets = -1,
	    .tls = c->tls,
	    .cert = IM_NONE,
	    .endpoint = host,
	    .host = bytes_str(t->host),
	    .speak = t->type == IM_HC_GRPC || c->proto == IM_UP_H2C ? UPTLS_H2 : UPTLS_H1};

	*out = NULL;
	if (c->tls == IM_NONE || t->type == IM_HC_TCP)
		return true;
	*out = uptls_get(h->checker.uptls, &in);
	return *out != NULL;
}

static void
add_named(struct health *h, const struct image *im, const struct im_cluster *c,
    struct check_terms *terms)
{
	struct named *n = mem_zalloc(sizeof(*n));

	n->slot = c->dns;
	n->port = c->port;
	n->h2 = c->proto == IM_UP_H2C;
	n->n = HG_MIN(c->endpoints.n, (uint32_t)NAMES_ADDRS);
	n->terms = terms ? terms_for(im, c, terms) : NULL;
	n->name = copy(image_text(im, c->name), "");
	for (uint32_t k = 0; k < n->n; k++) {
		const struct im_endpoint *e = &im->endpoints[c->endpoints.first + k];
		struct bytes host = image_text(im, e->host);

		n->ids[k] = e->id;
		if (n->host == NULL)
			n->host = copy(host.n ? host : image_text(im, c->dns_name), "");
	}
	if (n->terms && n->host &&
	    !secure_for(h, im, c, n->terms, bytes_str(n->host), &n->secure)) {
		check_terms_unref(n->terms);
		n->terms = NULL;
	}
	if (n->secure)
		(void)uptls_ref(n->secure);
	list_append(&h->named, &n->link);
	addresses(h, n->slot, n->have);
	for (uint32_t k = 0; k < n->n; k++)
		if (n->have[k].family)
			want_named(h, n, k);
}

static void
moved(struct health *h, struct named *n)
{
	struct addr now[NAMES_ADDRS];

	addresses(h, n->slot, now);
	for (uint32_t k = 0; k < n->n; k++) {
		struct watched **at = place(h, n->ids[k]);

		if (addr_eq(&now[k], &n->have[k]))
			continue;
		n->have[k] = now[k];
		if (*at)
			drop(at);
		board_clear(h->board, n->ids[k], clock_mono());
		if (now[k].family == 0)
			continue;
		want_named(h, n, k);
		if (*(at = place(h, n->ids[k])))
			(*at)->seen = false; /* as after a sweep */
	}
}

void
health_moved(struct health *h, uint32_t slot)
{
	LIST_FOREACH (it, &h->named) {
		struct named *n = LIST_ENTRY(it, struct named, link);

		if (n->slot == slot)
			moved(h, n);
	}
}

/* ---- a generation */

static void
want_cluster(struct health *h, const struct image *im, const struct im_cluster *c,
    struct check_terms *rule)
{
	struct check_terms *terms = terms_for(im, c, rule);

	for (uint32_t k = 0; k < c->endpoints.n; k++) {
		const struct im_endpoint *e = &im->endpoints[c->endpoints.first + k];
		struct who w = {.id = e->id,
		    .addr = e->addr,
		    .unix_path = image_text(im, e->unix_path),
		    .host = image_text(im, e->host),
		    .cluster = image_text(im, c->name),
		    .h2 = c->proto == IM_UP_H2C};

		if (secure_for(h, im, c, terms, w.host, &w.secure))
			want(h, &w, terms);
	}
	check_terms_unref(terms);
}

/* Balance of a rule that checks, or IM_NONE. */
static uint32_t
checked_by(const struct image *im, const struct im_rule *rule)
{
	uint32_t b = rule->policy == IM_NONE ? IM_NONE : im->policies[rule->policy].balance;
	uint32_t k = b == IM_NONE ? IM_NONE : im->balances[b].health;

	return k == IM_NONE || im->healths[k].type == IM_HC_NONE ? IM_NONE : b;
}

/* `by`: terms of each balance, made when met; `of`: of each cluster, where rules that share both
 * need not ask again; one with a name has the first. */
static void
rules(struct health *h, const struct image *im, struct check_terms **by, struct check_terms **of)
{
	for (uint32_t r = 0; im->n_healths && r < im->n_rules; r++) {
		const struct im_rule *rule = &im->rules[r];
		uint32_t k = checked_by(im, rule);

		if (k == IM_NONE)
			continue;
		if (by[k] == NULL)
			by[k] = check_terms_new(im, &im->balances[k]);
		for (uint32_t i = 0; i < rule->backends.n; i++) {
			uint32_t c = im->backends[rule->backends.first + i].cluster;

			if (c == IM_NONE || of[c] == by[k])
				continue;
			if (im->clusters[c].dns == IM_NONE)
				want_cluster(h, im, &im->clusters[c], by[k]);
			else if (of[c])
				continue;
			of[c] = by[k];
		}
	}
}

void
health_adopt(struct health *h, const struct image *im)
{
	struct check_terms **by = mem_zalloc((im->n_balances + 1) * sizeof(struct check_terms *));
	struct check_terms **of = mem_zalloc((im->n_clusters + 1) * sizeof(struct check_terms *));

	forget_named(h);
	rules(h, im, by, of);
	for (uint32_t c = 0; c < im->n_clusters; c++)
		if (im->clusters[c].dns != IM_NONE)
			add_named(h, im, &im->clusters[c], of[c]);
	sweep(h, false);
	for (uint32_t k = 0; k < im->n_balances; k++)
		check_terms_unref(by[k]);
	mem_free(by);
	mem_free(of);
}

void
health_init(struct health *h, struct loop *loop, struct board *board, const struct names *names)
{
	memset(h, 0, sizeof(*h));
	checker_init(&h->checker, loop);
	h->board = board;
	h->names = names;
	h->rng = clock_mono();
	list_init(&h->waiting);
	list_init(&h->named);
}

void
health_release(struct health *h)
{
	forget_named(h);
	sweep(h, true);
	loop_turn(h->checker.loop, 0); /* `closed` of what was just closed */
	checker_release(&h->checker);
}
