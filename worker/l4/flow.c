/*
 * flow.c - the life of a relayed connection. While its endpoint is being connected the client's
 * side is not read: what the client sends early waits in the kernel, so the next endpoint can be
 * tried without a byte of memory. Then buffers go from one chan's reading into the other's queue
 * without a copy; whoever has more than CHAN_HIGH queued stops the side that feeds it. Ends are
 * told per direction, after what came before them; a broken side breaks the other.
 *
 * One timer, lazily set again: whatever the phase waits for. A flow holds no generation. Rejected:
 * reading ahead while connecting (bytes to be kept for a second endpoint), and one record with the
 * HTTP connections (they are held to 512 bytes).
 */
#include "worker/l4/flow.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/hello.h"
#include "net/proxyproto.h"
#include "net/sock.h"
#include "net/tls.h"
#include "shm/route.h"
#include "worker/conn.h"
#include "worker/l4/l4.h"
#include "worker/secure.h"
#include "worker/upstream/uptls.h"

#define DROP_MS 2000 /* what is said to a side that has closed is read for so long */
#define STUCK_MS 15000 /* a client that is gone may have left bytes that the backend takes */

static const struct chan_events down_events, up_events;

static void connect_next(struct flow *, enum hg_err last);
static void begin_raw(struct flow *);

struct bytes
flow_sni(const struct flow *f)
{
	return f->sni ? bytes_of(f->sni, f->sni_len) : BYTES_NONE;
}

/* ---- the end */

static void
account(struct flow *f)
{
	struct l4_account a = {.protocol = f->tls ? "tls" : "tcp",
	    .client = &f->client,
	    .sni = flow_sni(f),
	    .tls_version = f->tls_version,
	    .tls_cipher = f->tls_cipher,
	    .conn = f->id,
	    .begun = f->begun,
	    .begun_real = f->begun_real,
	    .t_connect = f->t_connect,
	    .in = f->in,
	    .out = f->out,
	    .first = f->first,
	    .served = f->phase >= FLOW_RELAY,
	    .err = f->err,
	    .detail = f->err == HG_ERR_BACKEND_TLS ?
		tls_last_error(secure_env(f->w->secure)) :
		NULL};

	METRIC(f->w, l4_failed, !a.served);
	flow_tell(f);
	l4_account(f->w, &f->way, &a);
}

void
flow_tell(struct flow *f)
{
	l4_tell(f->w, &f->way, &f->told, f->in, f->out);
}

static void
forget(struct flow *f)
{
	struct worker *w = f->w;

	timer_stop(&f->timer);
	task_cancel(&f->handover);
	way_over(&f->way, w);
	mem_free(f->sni);
	if (f->in_ips)
		ipcount_sub(&w->ips, &f->client);
	if (f->admitted)
		w->slot->admitted[f->admitted_at].connections--;
	list_del(&f->link);
	w->nconns--;
	w->l4_extra--;
	atomic_store_explicit(&w->slot->connections, w->nconns, memory_order_relaxed);
	pool_put(&w->l4->flows, f);
	if (w->draining)
		worker_maybe_over(w);
}

void
flow_counted(struct flow *f)
{
	METRIC(f->w, connections_accepted, !f->counted);
	f->counted = true;
}

void
flow_end(struct flow *f, enum hg_err e)
{
	if (f->err == HG_OK)
		f->err = e;
	if (f->err == HG_OK) {
		chan_close(&f->down);
		if (f->has_up)
			chan_close(&f->up);
	} else {
		chan_abort(&f->down);
		if (f->has_up)
			chan_abort(&f->up);
	}
	flow_counted(f);
	METRIC(f->w, connections_closed, 1);
	account(f);
	forget(f);
}

static void
end_by(struct flow *f, enum flow_side who, enum hg_err e)
{
	if (f->first == FLOW_US)
		f->first = (uint8_t)who;
	flow_end(f, e);
}

/* RFC 6066 section 3: fatal unrecognized_name. What the client said is read first: closing over
 * unread bytes would reset the alert away. */
static void
unknown_name(struct flow *f)
{
	static const unsigned char alert[7] = {21, 3, 3, 0, 2, 2, 112};
	int fd = f->down.watch.fd;

	METRIC(f->w, tls_refused, 1);
	while (recv(fd, f->w->l4->peek, HELLO_MAX, MSG_DONTWAIT) > 0)
		;
	(void)!send(fd, alert, sizeof(alert), MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)shutdown(fd, SHUT_WR);
	chan_close(&f->down);
}

/* ---- time */

static uint64_t
sooner(uint64_t a, uint64_t b)
{
	return a == 0 ? b : b == 0 ? a : HG_MIN(a, b);
}

void
flow_arm(struct flow *f)
{
	const struct way_terms *t = &f->way.terms;
	uint64_t at = sooner(f->leave, f->oldest);

	if (f->phase == FLOW_SNIFF)
		at = f->handshake_ms == UINT64_MAX ? 0 : f->begun + f->handshake_ms * MS_NS;
	else if (f->phase == FLOW_HELD)
		at = f->leave;
	else if (f->phase == FLOW_CONNECT)
		at = t->connect_ms == UINT64_MAX ? 0 : f->moved + t->connect_ms * MS_NS;
	else if (f->idle_ms != UINT64_MAX)
		at = sooner(at, f->moved + f->idle_ms * MS_NS);
	if (at)
		timer_set(f->w->loop, &f->timer, at);
	else
		timer_rest(&f->timer);
}

static void
fire(struct timer *timer)
{
	struct flow *f = HG_CONTAINER(timer, struct flow, timer);
	uint64_t now = loop_now(f->w->loop);

	switch ((enum flow_phase)f->phase) {
	case FLOW_SNIFF:
		METRIC(f->w, timeouts, 1);
		flow_end(f, HG_ERR_REQUEST_TIMEOUT);
		return;
	case FLOW_CONNECT:
		METRIC(f->w, timeouts, 1);
		chan_close(&f->up);
		way_failed(&f->way, f->w);
		connect_next(f, HG_ERR_CONNECT_TIMEOUT);
		return;
	case FLOW_HELD:
		flow_end(f, HG_ERR_OVERLOAD);
		return;
	case FLOW_RELAY:
	case FLOW_LAST:
		break;
	}
	if (f->leave && now >= f->leave) {
		flow_end(f, (f->up_eof && f->up.write_failed) ||
			    (f->down_eof && f->down.write_failed) ? HG_OK : HG_ERR_DRAINING);
	} else if (f->oldest && now >= f->oldest) {
		flow_end(f, HG_ERR_TOO_OLD);
	} else if (f->idle_ms != UINT64_MAX && now >= f->moved + f->idle_ms * MS_NS) {
		METRIC(f->w, timeouts, 1);
		flow_end(f, HG_ERR_IDLE);
	} else {
		flow_arm(f);
	}
}

/* ---- connect */

/* Who it is, before anything else is said to the backend. */
static bool
greet(struct flow *f)
{
	char text[PROXYPROTO_WRITE];
	struct addr local = f->local;
	size_t n;

	if (local.family == 0)
		(void)sock_local(f->down.watch.fd, &local);
	n = proxyproto_write(text, f->way.terms.proxy, false, &f->client, &local);
	return chan_greet(&f->up, text, n);
}

/* Who the backend has to be. NULL: it cannot be known. */
static struct uptls *
expect(struct flow *f, const struct target *t)
{
	const struct gen *gen = f->w->gens.live;
	const struct im_listener *l =
	    &gen->image.listeners[gen_listener(gen, f->way.listener)];
	struct uptls_in in = {.im = &gen->image, .secrets = gen->secrets, .tls = t->tls - 1,
	    .cert = gen->image.gateways[l->gateway].cert, .endpoint = t->host,
	    .host = flow_sni(f), .speak = UPTLS_RAW};

	return uptls_get(f->w->uptls, &in);
}

/* The next endpoint, until one is on its way. `last`: why the one before failed. */
static void
connect_next(struct flow *f, enum hg_err last)
{
	struct worker *w = f->w;
	enum hg_err e;

	f->has_up = false;
	f->phase = FLOW_CONNECT;
	for (;;) {
		struct target t;

		e = way_pick(&f->way, w, flow_sni(f), &f->client, false, &t);
		if (e != HG_OK)
			break;
		f->moved = loop_now(w->loop);
		if (f->passthrough) /* the client's own TLS goes to the backend as it is */
			t.tls = 0;
		if (t.tls && (t.secure = expect(f, &t)) == NULL) {
			way_failed(&f->way, w);
			last = HG_ERR_BACKEND_TLS; /* never in clear text */
			break;
		}
		if (chan_connect(&f->up, w->loop, &w->bufs, &t.addr, t.unix_path, &up_events,
			f) == 0) {
			f->has_up = true;
			if ((!f->way.terms.proxy || greet(f)) &&
			    (!t.secure ||
				uptls_start(t.secure, &f->up, &t.addr, t.unix_path))) {
				flow_arm(f);
				return;
			}
			flow_end(f, HG_ERR_OVERLOAD);
			return;
		}
		way_failed(&f->way, w);
		last = errno == EMFILE || errno == ENFILE ? HG_ERR_OVERLOAD :
							    HG_ERR_CONNECT_FAILED;
		if (last == HG_ERR_OVERLOAD)
			break;
	}
	flow_end(f, last != HG_OK ? last : e);
}

static void
up_open(struct chan *c)
{
	struct flow *f = c->owner;
	const struct way_terms *t = &f->way.terms;
	struct loop *loop = f->w->loop;

	f->phase = FLOW_RELAY;
	f->t_connect = loop_now(loop) - f->begun;
	f->moved = loop_now(loop);
	f->idle_ms = HG_MIN(f->idle_ms, t->idle_ms);
	f->max_ms = HG_MIN(f->max_ms, t->max_ms);
	if (f->max_ms != UINT64_MAX)
		f->oldest = f->moved + f->max_ms * MS_NS;
	way_connected(&f->way, f->w);
	METRIC(f->w, l4_connections, 1);
	if (t->keepalive)
		sock_keepalive(c->watch.fd, t->probes, t->keep_idle_s, t->keep_interval_s);
	f->down.drain_on_error = f->up.drain_on_error = true;
	f->down.drain_lost = f->up.drain_lost = true;
	flow_arm(f);
	chan_resume(&f->down);
}

/* ---- relay */

static uint32_t
forward(struct flow *f, struct tube *way, struct slice s)
{
	uint32_t n = s.n;

	f->moved = loop_now(f->w->loop);
	*way->bytes += n;
	chan_send(way->to, s);
	if (way->to->over_high && !way->to->write_failed && !way->to->closed)
		chan_pause(way->from);
	if (tube_pays(way->from, way->to, n))
		tube_on(way);
	return n;
}

static uint32_t
down_data(struct chan *c, struct buf *b, uint32_t off, uint32_t n)
{
	struct flow *f = c->owner;

	return forward(f, &f->inward, slice_of(b, b->data + off, n));
}

static uint32_t
up_data(struct chan *c, struct buf *b, uint32_t off, uint32_t n)
{
	struct flow *f = c->owner;

	return forward(f, &f->outward, slice_of(b, b->data + off, n));
}

static void
down_drained(struct chan *c)
{
	struct flow *f = c->owner;

	if (f->phase == FLOW_RELAY)
		tube_wake(&f->outward);
}

static void
up_drained(struct chan *c)
{
	struct flow *f = c->owner;

	if (f->phase == FLOW_RELAY)
		tube_wake(&f->inward);
}

/* One direction is over; in the last phase: this side has sent all. */
static void
ended(struct flow *f, enum flow_side who)
{
	struct chan *c = who == FLOW_CLIENT ? &f->down : &f->up,
		    *other = who == FLOW_CLIENT ? &f->up : &f->down;

	if (f->phase == FLOW_LAST) {
		chan_close(c);
		if (other->closed)
			flow_end(f, HG_OK);
		return;
	}
	if (f->first == FLOW_US)
		f->first = (uint8_t)who;
	f->moved = loop_now(f->w->loop);
	if (who == FLOW_CLIENT)
		f->down_eof = true;
	else
		f->up_eof = true;
	chan_shutdown(other);
	if (!f->down_eof || !f->up_eof) {
		/* It takes nothing any more: what the other still says is dropped, but not for
		 * ever. */
		if (c->write_failed) {
			f->leave = sooner(f->leave, f->moved + DROP_MS * MS_NS);
			flow_arm(f);
			tube_wake(who == FLOW_CLIENT ? &f->outward : &f->inward);
		}
		return;
	}
	f->phase = FLOW_LAST;
	chan_finish(&f->down);
	chan_finish(&f->up);
}

static void
down_ended(struct chan *c)
{
	struct flow *f = c->owner;

	if (f->phase < FLOW_RELAY) /* nobody to tell it to yet */
		end_by(f, FLOW_CLIENT, HG_ERR_CLIENT_CLOSED);
	else
		ended(f, FLOW_CLIENT);
}

static void
up_ended(struct chan *c)
{
	ended(c->owner, FLOW_BACKEND);
}

static void
down_error(struct chan *c, enum hg_err e)
{
	struct flow *f = c->owner;

	if (f->phase == FLOW_LAST) { /* what it did not take is its own loss; the other goes on */
		ended(f, FLOW_CLIENT);
		return;
	}
	if (f->alert)
		unknown_name(f);
	else if (f->phase == FLOW_SNIFF && f->tls && !f->passthrough && f->err == HG_OK)
		f->err = HG_ERR_BAD_REQUEST; /* a handshake that failed */
	METRIC(f->w, client_resets, f->phase >= FLOW_RELAY);
	end_by(f, f->err == HG_OK || f->phase >= FLOW_RELAY ? FLOW_CLIENT : FLOW_US,
	    e == HG_ERR_NOMEM ? HG_ERR_OVERLOAD : HG_ERR_CLIENT_CLOSED);
}

static void
up_error(struct chan *c, enum hg_err e)
{
	struct flow *f = c->owner;

	if (f->phase == FLOW_CONNECT) {
		/* A wrong certificate is said, not covered by another endpoint. */
		METRIC(f->w, upstream_tls_failed, e == HG_ERR_BACKEND_TLS);
		chan_close(c);
		way_failed(&f->way, f->w);
		if (e == HG_ERR_BACKEND_TLS)
			flow_end(f, e);
		else
			connect_next(f, HG_ERR_CONNECT_FAILED);
		return;
	}
	if (f->phase == FLOW_LAST)
		ended(f, FLOW_BACKEND);
	else
		end_by(f, FLOW_BACKEND,
		    e == HG_ERR_NOMEM ? HG_ERR_OVERLOAD : HG_ERR_BACKEND_RESET);
}

/* ---- the beginning */

/* What the listener's policy says about its clients. false: one too many; it is held. */
static bool
client_terms(struct flow *f, const struct image *im, uint32_t listener)
{
	uint32_t client = im->listeners[listener].client, id = f->way.listener;
	const struct im_client *k = client == IM_NONE ? NULL : &im->clients[client];
	struct worker *w = f->w;

	if (k && k->max_connections &&
	    COUNTS_SUM(&w->counts, admitted, id, connections) >= k->max_connections) {
		METRIC(w, connections_rejected, 1);
		f->phase = FLOW_HELD;
		f->leave = loop_now(w->loop) + k->connection_delay_ms * MS_NS;
		flow_arm(f);
		return false;
	}
	f->admitted = true;
	f->admitted_at = id;
	w->slot->admitted[id].connections++;
	if (k == NULL)
		return true;
	f->idle_ms = way_ms(k->tcp_idle_ms, f->idle_ms);
	f->max_ms = way_ms(k->connection_max_ms, f->max_ms);
	if (k->tcp_keepalive)
		sock_keepalive(f->down.watch.fd, k->keepalive_probes, k->keepalive_idle_s,
		    k->keepalive_interval_s);
	return true;
}

static void
admit(struct flow *f)
{
	struct worker *w = f->w;
	const struct gen *gen = w->gens.live;
	uint32_t l = gen_listener(gen, f->way.listener),
		 rule = l == IM_NONE ? IM_NONE : way_route(gen, l, flow_sni(f));
	enum hg_err e = l == IM_NONE ? HG_ERR_NO_LISTENER :
	    rule == IM_NONE          ? HG_ERR_NO_ROUTE :
				       HG_OK;

	if (e == HG_OK && !client_terms(f, &gen->image, l))
		return;
	if (e == HG_OK)
		e = way_admit(&f->way, w, gen, l, rule, &f->client);
	if (e == HG_OK)
		connect_next(f, HG_OK);
	else
		flow_end(f, e);
}

/* The hello was passed by, or the handshake is done. */
static void
down_open(struct chan *c)
{
	struct flow *f = c->owner;
	struct tls_info info;

	chan_pause(c);
	if (!f->tls) { /* a PROXY header was all */
		begin_raw(f);
		return;
	}
	if (!f->passthrough) {
		tls_info(c, &info);
		f->tls_version = info.version;
		f->tls_cipher = info.cipher;
	}
	admit(f);
}

static void
hand_over(struct task *t)
{
	struct flow *f = HG_CONTAINER(t, struct flow, handover);
	struct worker *w = f->w;
	struct addr client = f->client;
	uint32_t socket = f->socket;
	bool proxied = f->proxied;
	int fd = chan_detach(&f->down);

	forget(f);
	if (!conn_start(w, fd, socket, &client, proxied)) {
		METRIC(w, connections_rejected, 1);
		close(fd);
	}
}

static const struct chan_events down_events = {
	.open = down_open,
	.data = down_data,
	.eof = down_ended,
	.drained = down_drained,
	.error = down_error,
};
static const struct chan_events up_events = {
	.open = up_open,
	.data = up_data,
	.eof = up_ended,
	.drained = up_drained,
	.error = up_error,
};

static struct flow *
new_flow(struct worker *w, uint32_t socket, const struct addr *peer, uint8_t proxy)
{
	/* A load balancer is not a client: its connections count for whom they carry. */
	bool in_ips = proxy != IM_PROXY_REQUIRED;
	struct flow *f;

	/* Two descriptors each. */
	if (w->nconns + w->l4_extra + 1 >= w->conn_cap ||
	    (in_ips && !ipcount_add(&w->ips, peer, w->ip_limit)))
		return NULL;
	f = pool_get(&w->l4->flows);
	if (f == NULL) {
		if (in_ips)
			ipcount_sub(&w->ips, peer);
		return NULL;
	}
	memset(f, 0, sizeof(*f));
	f->w = w;
	f->client = *peer;
	f->in_ips = in_ips;
	f->proxy = proxy;
	f->socket = socket;
	f->id = (uint32_t)++w->next_conn;
	f->begun = f->moved = loop_now(w->loop);
	f->begun_real = clock_real();
	f->handshake_ms = w->handshake_ms;
	f->idle_ms = f->max_ms = UINT64_MAX;
	timer_init(&f->timer, fire);
	task_init(&f->handover, hand_over);
	tube_init(&f->inward, &f->down, &f->up, &w->l4->pipes, &f->in, &f->moved);
	tube_init(&f->outward, &f->up, &f->down, &w->l4->pipes, &f->out, &f->moved);
	list_append(&w->l4->open, &f->link);
	w->nconns++;
	w->l4_extra++;
	l4_begin(w);
	atomic_store_explicit(&w->slot->connections, w->nconns, memory_order_relaxed);
	return f;
}

/* Plain TCP: the socket's only listener, its only route. */
static void
begin_raw(struct flow *f)
{
	const struct gen *gen = f->w->gens.live;
	uint32_t s = gen_socket(gen, f->socket),
		 l = s == IM_NONE ? IM_NONE : gen->image.sockets[s].listeners.any;

	if (l == IM_NONE) {
		flow_end(f, HG_ERR_NO_LISTENER);
		return;
	}
	way_set(&f->way, f->w, gen, l, way_route(gen, l, BYTES_NONE));
	admit(f);
}

bool
flow_start(struct worker *w, int fd, uint32_t socket, bool tls, const struct addr *peer)
{
	uint32_t s = gen_socket(w->gens.live, socket);
	uint8_t proxy = s == IM_NONE ? IM_PROXY_OFF : w->gens.live->image.sockets[s].proxy;
	struct flow *f = new_flow(w, socket, peer, proxy);

	if (f == NULL)
		return false;
	chan_init(&f->down, w->loop, &w->bufs, fd, &down_events, f);
	f->tls = tls;
	if (!tls)
		flow_counted(f);
	if (tls || proxy != IM_PROXY_OFF) {
		chan_first(&f->down, &flow_look);
		chan_start(&f->down, false);
		flow_arm(f);
		return true;
	}
	chan_pause(&f->down);
	chan_start(&f->down, false);
	begin_raw(f);
	return true;
}

/* ---- now and then */

/* Its connection is over both ways. The socket's error may be gone: a failed write takes it. */
static bool
was_reset(const struct chan *c)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	return c->hangup && !c->closed &&
	    getsockopt(c->watch.fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
	    info.tcpi_state == TCP_CLOSE;
}

void
flow_stuck(struct flow *f)
{
	if (f->phase < FLOW_RELAY || loop_now(f->w->loop) - f->moved < STUCK_MS * MS_NS)
		return;
	if (was_reset(&f->down))
		end_by(f, FLOW_CLIENT, HG_ERR_CLIENT_CLOSED);
}

/* ---- after a commit */

void
flow_check(
    struct flow *f, const struct gen *gen, const struct way_rules *rules, uint64_t until)
{
	if (f->way.label == NULL || f->phase == FLOW_HELD)
		return;
	if (way_gone(&f->way, gen, rules)) {
		if (!f->leaving)
			f->leave = sooner(f->leave, until);
		f->leaving = true;
	} else if (f->leaving) {
		f->leaving = false;
		f->leave = 0;
	}
	if (f->phase >= FLOW_RELAY)
		flow_arm(f);
}
