/*
 * health.c - asks endpoints whether they are well. A check is a timer, a connection of its own each
 * time (a kept one would not notice that nobody listens any more) and a verdict with thresholds.
 * HTTP goes through the same adapter as traffic, so a backend whose answers the guard would refuse
 * is not healthy. Verdicts are words on the board; workers read them at each pick.
 *
 * Checks of all endpoints begin spread over one interval at most, and a bounded number is under way
 * at once, so ten thousand endpoints do not make a burst.
 */
#include "helper/health.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/h1.h"

#define RANGES 16
#define ANSWER_MAX 4096 /* of a body that is searched for `receive` */
#define SPREAD_MS 1000u

struct params {
	char host[256], path[1100], method[20];
	char send[1024], receive[1024];
	uint32_t nsend, nreceive;
	struct im_statusrange expected[RANGES], retriable[RANGES];
	uint32_t nexpected, nretriable;
	uint32_t timeout_ms, interval_ms, jitter_ms;
	struct health_terms terms;
	uint8_t type;
};

struct flight;
struct check {
	struct check *next;
	struct list wait;
	struct health *h;
	struct timer timer;
	struct flight *flight;
	uint32_t id;
	bool seen;
	struct addr addr;
	char unix_path[108];
	char name[200]; /* for logs */
	struct health_state state;
	struct params p;
};

struct flight {
	struct check *check; /* NULL: it is over */
	struct health *h;
	struct timer timer;
	struct h1_up up;
	struct chan chan;
	struct msg req, resp;
	unsigned status;
	uint32_t nanswer;
	char answer[ANSWER_MAX];
};

static const struct h1_limits limits = {.request_line = 8192,
    .field = 16384,
    .header = 32768,
    .fields = 100,
    .trailer = 8192,
    .trailer_fields = 32,
    .leading_crlf = 2,
    .chunk_line = 256,
    .chunk_overhead = 16384,
    .informational = 16,
    .write_ms = 30000,
    .header_ms = 30000,
    .body_grace_ms = 30000};

/* ---- judging */

bool
health_judge(struct health_state *s, struct health_terms t, enum health_result r)
{
	bool good = r == HEALTH_GOOD;
	unsigned need;

	if (s->verdict == (good ? BOARD_HEALTHY : BOARD_UNHEALTHY)) {
		s->row = 0;
		return false;
	}
	/* The first good one of a new endpoint is enough, and so is an answer that says no. */
	need = good ? (s->verdict == BOARD_UNKNOWN ? 1 : t.healthy) : t.unhealthy;
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

static bool
in_ranges(const struct im_statusrange *v, uint32_t n, unsigned status)
{
	for (uint32_t i = 0; i < n; i++)
		if (status >= v[i].first && status <= v[i].last)
			return true;
	return false;
}

enum health_result
health_status(const struct im_statusrange *expected, uint32_t n,
    const struct im_statusrange *retriable, uint32_t nretriable, unsigned status)
{
	if (n ? in_ranges(expected, n, status) : status == 200)
		return HEALTH_GOOD;
	return in_ranges(retriable, nretriable, status) ? HEALTH_FAIL : HEALTH_BAD;
}

static void
publish(struct check *c)
{
	struct board_endpoint *e = &c->h->board->endpoints[c->id];
	uint64_t was = atomic_load_explicit(&e->active, memory_order_relaxed);

	if (c->state.verdict == BOARD_HEALTHY && was == BOARD_UNHEALTHY)
		atomic_store_explicit(&e->healthy_since, clock_mono(), memory_order_relaxed);
	atomic_store_explicit(&e->active, c->state.verdict, memory_order_relaxed);
}

static void launch(struct check *);

/* One check is over, whatever came of it. */
static void
result(struct check *c, enum health_result r, const char *why)
{
	struct health *h = c->h;
	bool first = c->state.verdict == BOARD_UNKNOWN;

	c->flight = NULL;
	h->flight--;
	if (health_judge(&c->state, c->p.terms, r)) {
		if (r != HEALTH_GOOD)
			log_warn("endpoint %s is unhealthy: %s", c->name, why);
		else if (!first)
			log_info("endpoint %s is healthy", c->name);
		publish(c);
	}
	timer_in(h->loop, &c->timer, c->p.interval_ms);
	if (!list_empty(&h->waiting) && h->flight < HEALTH_FLIGHT) {
		struct check *next = LIST_ENTRY(h->waiting.next, struct check, wait);

		list_del(&next->wait);
		launch(next);
	}
}

/* ---- asking */

/* `closed` of the adapter frees HTTP ones. */
static void
land(struct flight *f, enum health_result r, const char *why)
{
	struct check *c = f->check;
	bool http = c && c->p.type == IM_HC_HTTP;

	if (c == NULL)
		return;
	f->check = NULL;
	timer_stop(&f->timer);
	if (http) {
		h1_up_close(&f->up);
	} else {
		chan_close(&f->chan);
		mem_free(f);
	}
	result(c, r, why);
}

static void
late(struct timer *t)
{
	land(HG_CONTAINER(t, struct flight, timer), HEALTH_FAIL, "no answer in time");
}

static bool
received(const struct flight *f, const struct params *p)
{
	return p->nreceive == 0 || memmem(f->answer, f->nanswer, p->receive, p->nreceive) != NULL;
}

static uint32_t
collect(struct flight *f, const char *p, uint32_t n)
{
	uint32_t take = HG_MIN(n, ANSWER_MAX - f->nanswer);

	memcpy(f->answer + f->nanswer, p, take);
	f->nanswer += take;
	return n;
}

static void
http_over(struct flight *f)
{
	const struct params *p = &f->check->p;
	enum health_result r =
	    health_status(p->expected, p->nexpected, p->retriable, p->nretriable, f->status);
	char why[64];

	(void)snprintf(why, sizeof(why), "status %u", f->status);
	if (r == HEALTH_GOOD && !received(f, p))
		land(f, HEALTH_BAD, "the answer does not contain what is expected");
	else
		land(f, r, why);
}

static void
http_head(struct stream *st, struct msg *m, unsigned flags)
{
	struct flight *f = st->owner;

	if (flags & STREAM_INFO)
		return;
	f->status = m->status;
	/* A body is only read where something is looked for in it. */
	if ((flags & STREAM_END) || f->check->p.nreceive == 0)
		http_over(f);
}

static void
http_body(struct stream *st, struct slice s)
{
	struct flight *f = st->owner;

	(void)collect(f, s.p, s.n);
	slice_drop(&s);
	if (f->nanswer == ANSWER_MAX || received(f, &f->check->p))
		http_over(f);
}

static void
http_end(struct stream *st, const struct fields *trailers)
{
	(void)trailers;
	http_over(st->owner);
}

static void
http_drained(struct stream *st)
{
	(void)st;
}

static void
http_reset(struct stream *st, enum hg_err e)
{
	land(st->owner, HEALTH_FAIL, err_text(e == HG_OK ? HG_ERR_BACKEND_RESET : e));
}

static const struct stream_events http_events = {.head = http_head,
    .body = http_body,
    .end = http_end,
    .drained = http_drained,
    .refuse = http_reset,
    .reset = http_reset};

static void
http_open(struct h1_up *u)
{
	struct flight *f = u->owner;
	const struct params *p;
	struct stream *st;

	if (f->check == NULL)
		return;
	p = &f->check->p;
	st = h1_up_open(u, &f->resp, &http_events, f);
	msg_init(&f->req, true);
	f->req.method = bytes_str(p->method);
	f->req.path = bytes_str(p->path);
	f->req.authority = bytes_str(p->host);
	f->req.minor = 1;
	f->req.framing = p->nsend ? MSG_LENGTH : MSG_NONE;
	f->req.length = p->nsend;
	(void)fields_add(&f->req.fields, field_name(FIELD_USER_AGENT),
	    BYTES("headgate-health-check"), FIELD_USER_AGENT);
	if (st->ops->send_head(st, &f->req, p->nsend ? 0 : STREAM_END) != HG_OK) {
		land(f, HEALTH_FAIL, "no memory");
		return;
	}
	if (p->nsend) {
		struct buf *b = buf_new(&f->h->bufs, p->nsend);

		if (b == NULL) {
			land(f, HEALTH_FAIL, "no memory");
			return;
		}
		memcpy(b->data, p->send, p->nsend);
		b->len = p->nsend;
		st->ops->send_body(st, (struct slice){b, b->data, b->len});
		st->ops->send_end(st, NULL);
	}
	st->ops->credit(st, 2 * ANSWER_MAX);
}

static void
http_failed(struct h1_up *u, enum hg_err e)
{
	land(u->owner, HEALTH_FAIL, err_text(e));
}

static void
http_idle(struct h1_up *u)
{
	h1_up_close(u);
}

static void
http_closed(struct h1_up *u)
{
	struct flight *f = u->owner;

	if (f->check)
		land(f, HEALTH_FAIL, "connection closed");
	msg_release(&f->resp);
	mem_free(f);
}

static const struct h1_up_events http_conn_events = {
    .open = http_open, .failed = http_failed, .idle = http_idle, .closed = http_closed};

static void
tcp_open(struct chan *c)
{
	struct flight *f = c->owner;
	const struct params *p = &f->check->p;

	if (p->nsend) {
		struct buf *b = buf_new(&f->h->bufs, p->nsend);

		if (b == NULL) {
			land(f, HEALTH_FAIL, "no memory");
			return;
		}
		memcpy(b->data, p->send, p->nsend);
		b->len = p->nsend;
		chan_send(c, (struct slice){b, b->data, b->len});
	}
	if (p->nreceive == 0)
		land(f, HEALTH_GOOD, "");
}

static uint32_t
tcp_data(struct chan *c, struct buf *b, uint32_t off, uint32_t n)
{
	struct flight *f = c->owner;

	(void)collect(f, b->data + off, n);
	if (received(f, &f->check->p))
		land(f, HEALTH_GOOD, "");
	else if (f->nanswer == ANSWER_MAX)
		land(f, HEALTH_FAIL, "the answer does not contain what is expected");
	return n;
}

static void
tcp_eof(struct chan *c)
{
	land(c->owner, HEALTH_FAIL, "connection closed");
}

static void
tcp_drained(struct chan *c)
{
	(void)c;
}

static void
tcp_error(struct chan *c, enum hg_err e)
{
	land(c->owner, HEALTH_FAIL, err_text(e));
}

static const struct chan_events tcp_events = {
    .open = tcp_open, .data = tcp_data, .eof = tcp_eof, .drained = tcp_drained, .error = tcp_error};

static void
launch(struct check *c)
{
	struct health *h = c->h;
	struct bytes path = c->unix_path[0] ? bytes_str(c->unix_path) : BYTES_NONE;
	struct flight *f;
	int r;

	if (h->flight >= HEALTH_FLIGHT) {
		list_append(&h->waiting, &c->wait);
		return;
	}
	f = mem_zalloc(sizeof(*f));
	f->check = c;
	f->h = h;
	timer_init(&f->timer, late);
	c->flight = f;
	h->flight++;
	if (c->p.type == IM_HC_HTTP)
		r = h1_up_connect(
		    &f->up, h->loop, &h->bufs, &c->addr, path, &limits, &http_conn_events, f);
	else
		r = chan_connect(&f->chan, h->loop, &h->bufs, &c->addr, path, &tcp_events, f);
	if (r != 0) {
		mem_free(f);
		result(c, HEALTH_FAIL, "cannot connect");
		return;
	}
	timer_in(h->loop, &f->timer, c->p.timeout_ms);
}

static void
due(struct timer *t)
{
	struct check *c = HG_CONTAINER(t, struct check, timer);

	if (c->flight == NULL && list_empty(&c->wait))
		launch(c);
}

/* ---- which endpoints */

static void
text(char *to, size_t cap, struct bytes b, const char *otherwise)
{
	if (b.n == 0)
		b = bytes_str(otherwise);
	b.n = HG_MIN(b.n, cap - 1);
	memcpy(to, b.p, b.n);
	to[b.n] = '\0';
}

static uint32_t
blob(char *to, size_t cap, struct bytes b)
{
	b.n = HG_MIN(b.n, cap);
	if (b.n)
		memcpy(to, b.p, b.n);
	return (uint32_t)b.n;
}

static uint32_t
ranges(const struct image *im, struct im_range r, struct im_statusrange *out)
{
	uint32_t n = HG_MIN(r.n, (uint32_t)RANGES);

	memcpy(out, im->statusranges + r.first, n * sizeof(*out));
	return n;
}

static void
fill(struct params *p, const struct image *im, const struct im_health *h,
    const struct im_endpoint *e)
{
	struct bytes host = image_text(im, h->host);
	char printed[56];

	memset(p, 0, sizeof(*p));
	if (host.n == 0)
		host = image_text(im, e->host);
	(void)addr_print(&e->addr, printed);
	text(p->host, sizeof(p->host), host, e->addr.family ? printed : "localhost");
	text(p->path, sizeof(p->path), image_text(im, h->path), "/");
	text(p->method, sizeof(p->method), image_text(im, h->method), "GET");
	p->nsend = blob(p->send, sizeof(p->send), image_text(im, h->send));
	p->nreceive = blob(p->receive, sizeof(p->receive), image_text(im, h->receive));
	p->nexpected = ranges(im, h->expected, p->expected);
	p->nretriable = ranges(im, h->retriable, p->retriable);
	p->timeout_ms = h->timeout_ms ? h->timeout_ms : 1000;
	p->interval_ms = h->interval_ms ? h->interval_ms : 3000;
	p->jitter_ms = h->jitter_ms;
	p->terms = (struct health_terms){.healthy = HG_MAX(h->healthy, (uint16_t)1),
	    .unhealthy = HG_MAX(h->unhealthy, (uint16_t)1)};
	p->type = h->type;
}

static struct check **
place(struct health *h, uint32_t id)
{
	struct check **at = &h->table[id % HEALTH_TABLE];

	while (*at && (*at)->id != id)
		at = &(*at)->next;
	return at;
}

static uint32_t
first_wait(struct health *h, const struct params *p)
{
	h->rng = hash_mix(h->rng + 0x9e3779b97f4a7c15ull);
	return (uint32_t)(h->rng %
	    (p->jitter_ms ? p->jitter_ms : HG_MIN(p->interval_ms, SPREAD_MS) / 2 + 1));
}

static void
want(struct health *h, const struct image *im, const struct im_cluster *cl,
    const struct im_endpoint *e, const struct im_health *how)
{
	struct check **at, *c;
	char printed[56];
	bool fresh;

	if (e->id == 0 || e->id >= SLOT_IDS)
		return;
	at = place(h, e->id);
	c = *at;
	if (c && c->seen)
		return;
	fresh = c == NULL;
	if (fresh) {
		c = *at = mem_zalloc(sizeof(*c));
		c->h = h;
		c->id = e->id;
		/* A helper before this one may have known more. */
		c->state.verdict = (uint8_t)(atomic_load(&h->board->endpoints[e->id].active) % 3);
		list_init(&c->wait);
		timer_init(&c->timer, due);
	}
	c->seen = true;
	/* One that flies ends with the words it began with, but for another kind of check. */
	if (c->flight == NULL || c->p.type == how->type)
		fill(&c->p, im, how, e);
	c->addr = e->addr;
	if (how->port)
		c->addr.port = how->port;
	text(c->unix_path, sizeof(c->unix_path), image_text(im, e->unix_path), "");
	(void)addr_print(&c->addr, printed);
	(void)snprintf(c->name, sizeof(c->name), "%s of %.*s",
	    c->unix_path[0] ? c->unix_path : printed,
	    (int)HG_MIN(image_text(im, cl->name).n, 100ul), image_text(im, cl->name).p);
	if (fresh)
		timer_in(h->loop, &c->timer, first_wait(h, &c->p));
}

static void
drop(struct check *c)
{
	struct flight *f = c->flight;

	if (f) {
		f->check = NULL;
		timer_stop(&f->timer);
		c->h->flight--;
		if (c->p.type == IM_HC_HTTP) {
			h1_up_close(&f->up);
		} else {
			chan_close(&f->chan);
			mem_free(f);
		}
	}
	atomic_store(&c->h->board->endpoints[c->id].active, BOARD_UNKNOWN);
	timer_stop(&c->timer);
	list_del(&c->wait);
	mem_free(c);
}

static void
sweep(struct health *h, bool all)
{
	for (unsigned i = 0; i < HEALTH_TABLE; i++)
		for (struct check **at = &h->table[i]; *at;) {
			struct check *c = *at;

			if (c->seen && !all) {
				c->seen = false;
				at = &c->next;
				continue;
			}
			*at = c->next;
			drop(c);
		}
}

void
health_adopt(struct health *h, const struct image *im)
{
	for (uint32_t r = 0; im->n_healths && r < im->n_rules; r++) {
		const struct im_rule *rule = &im->rules[r];
		uint32_t b = rule->policy == IM_NONE ? IM_NONE : im->policies[rule->policy].balance;
		uint32_t k = b == IM_NONE ? IM_NONE : im->balances[b].health;

		if (k == IM_NONE ||
		    (im->healths[k].type != IM_HC_HTTP && im->healths[k].type != IM_HC_TCP))
			continue;
		for (uint32_t i = 0; i < rule->backends.n; i++) {
			uint32_t c = im->backends[rule->backends.first + i].cluster;
			const struct im_cluster *cl = c == IM_NONE ? NULL : &im->clusters[c];

			for (uint32_t e = 0; cl && e < cl->endpoints.n; e++)
				want(h, im, cl, &im->endpoints[cl->endpoints.first + e],
				    &im->healths[k]);
		}
	}
	sweep(h, false);
}

void
health_init(struct health *h, struct loop *loop, struct board *board)
{
	memset(h, 0, sizeof(*h));
	h->loop = loop;
	h->board = board;
	h->rng = clock_mono();
	list_init(&h->waiting);
	HG_CHECK(bufs_init(&h->bufs, 64ull << 20) == 0);
}

void
health_release(struct health *h)
{
	sweep(h, true);
	loop_turn(h->loop, 0); /* `closed` of what was just closed */
	bufs_release(&h->bufs);
}
