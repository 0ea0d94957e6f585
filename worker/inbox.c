/*
 * inbox.c - what the master says. Each message is one row: its length is checked against the table
 * before its handler looks inside. An offer is only opened here; checking it goes on in slices, one
 * a turn, and its outcome is told then. The published word decides when a generation serves; the
 * COMMIT message merely wakes the loop. A message that does not fit the table is our own mistake or
 * a broken master: it is logged and dropped, since dying would cost requests.
 */
#include "worker/inbox.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/log.h"
#include "worker/conn.h"
#include "worker/exchange.h"
#include "worker/l4/l4.h"
#include "worker/listen.h"
#include "worker/settings.h"
#include "worker/terms.h"
#include "worker/traffic.h"

#define ORPHAN_MS 5000

static void
flush(struct worker *w, int r)
{
	if (r < 0)
		w->orphaned = true;
}

void
inbox_send(struct worker *w, uint32_t type, uint64_t seq, const void *data, size_t n)
{
	flush(w, imsg_send(&w->chan, type, (uint32_t)seq, data, n, NULL, 0));
}

static void
refuse_offer(struct worker *w, uint64_t id, const char *why)
{
	struct proto_text text = {0};

	(void)snprintf(text.text, sizeof(text.text), "%s", why);
	log_warn("generation %llu refused: %s", (unsigned long long)id, why);
	inbox_send(w, PROTO_REFUSED, id, &text, sizeof(text));
}

static void
on_socket(struct worker *w, struct imsg *m)
{
	listen_add(w, (const void *)m->data, m->seq, imsg_take_fd(m, 0));
}

static void
on_socket_drop(struct worker *w, struct imsg *m)
{
	listen_drop(w, (const void *)m->data);
}

static void
on_peer(struct worker *w, struct imsg *m)
{
	int fd = imsg_take_fd(m, 0);

	if (fd < 0 || counts_add(&w->counts, fd) != 0)
		log_error("another slot's segment cannot be mapped: errno %d", errno);
	if (fd >= 0)
		close(fd);
}

static void
on_offer(struct worker *w, struct imsg *m)
{
	int image = imsg_take_fd(m, 0), secrets = imsg_take_fd(m, 1);
	char why[128] = "";
	enum hg_err e;

	gens_tidy(&w->gens);
	e = gens_offer(&w->gens, m->seq, image, secrets, why);
	if (e == HG_ERR_AGAIN) {
		/* Three are mapped. What pins the oldest copies what it needs and goes on without
		 * it. */
		struct gen *oldest = NULL;

		for (unsigned i = 0; i < GEN_MAX; i++) {
			struct gen *g = &w->gens.slots[i];

			if (g->state == GEN_OLD && (oldest == NULL || g->id < oldest->id))
				oldest = g;
		}
		HG_CHECK(oldest != NULL);
		while (!list_empty(&oldest->pins))
			exchange_let_go(LIST_ENTRY(oldest->pins.next, struct exchange, pin));
		gens_tidy(&w->gens);
		e = gens_offer(&w->gens, m->seq, image, secrets, why);
	}
	if (e != HG_OK)
		refuse_offer(w, m->seq, why);
	w->busy = true;
}

static void
on_commit(struct worker *w, struct imsg *m)
{
	(void)w;
	(void)m; /* the word in the control page is looked at every turn */
}

static void
on_abort(struct worker *w, struct imsg *m)
{
	/* One that is starting looks at the served generation: that is not what was aborted. */
	if (w->gens.offer && (uint32_t)w->gens.offer->id == m->seq)
		gens_abort(&w->gens);
}

static void
on_drain(struct worker *w, struct imsg *m)
{
	const struct proto_drain *d = (const void *)m->data;

	worker_drain(w, d->grace_ms);
}

static const struct {
	size_t len;
	void (*run)(struct worker *, struct imsg *);
} handlers[PROTO_COUNT] = {
	[PROTO_SOCKET] = {sizeof(struct proto_socket), on_socket},
	[PROTO_SOCKET_DROP] = {sizeof(struct proto_socket), on_socket_drop},
	[PROTO_PEER] = {sizeof(struct proto_peer), on_peer},
	[PROTO_OFFER] = {0, on_offer},
	[PROTO_COMMIT] = {0, on_commit},
	[PROTO_ABORT] = {0, on_abort},
	[PROTO_DRAIN] = {sizeof(struct proto_drain), on_drain},
};

void
inbox_read(struct worker *w)
{
	struct imsg *m = &w->in;
	int r = 0;

	while (!w->orphaned && (r = imsg_recv(&w->chan, m)) == 1) {
		if (m->type < PROTO_COUNT && handlers[m->type].run &&
		    m->len == handlers[m->type].len)
			handlers[m->type].run(w, m);
		else
			log_error("message %u of %u bytes is not for a worker", m->type, m->len);
		imsg_close_fds(m);
	}
	if (r < 0)
		w->orphaned = true;
}

static void
chan_ready(struct watch *watch, uint32_t events)
{
	struct worker *w = HG_CONTAINER(watch, struct worker, chan_watch);

	if (events & EPOLLOUT)
		flush(w, imsg_flush(&w->chan));
	inbox_read(w);
}

void
inbox_start(struct worker *w)
{
	w->chan_watch = (struct watch){.fd = w->chan.fd, .ready = chan_ready};
	HG_CHECK(loop_watch(w->loop, &w->chan_watch, EPOLLIN | EPOLLOUT) == 0);
	inbox_read(w);
}

void
inbox_stop(struct worker *w)
{
	if (w->chan.fd >= 0)
		loop_unwatch(w->loop, &w->chan_watch);
	imsg_release(&w->chan);
}

static void
adopt(struct worker *w)
{
	struct gen *old = gens_adopt(&w->gens);

	settings_adopt(w, w->gens.live);
	terms_adopt(w);
	traffic_warm(w);
	METRIC(w, generations, 1);
	if (old) {
		/* Who has sent the response's head holds on to nothing any more. */
		LIST_FOREACH_SAFE(it, tmp, &old->pins) {
			struct exchange *x = LIST_ENTRY(it, struct exchange, pin);

			if (x->head_sent)
				exchange_let_go(x);
		}
		conn_take_over(w);
		l4_adopt(w);
	}
	terms_tidy(w);
	listen_adopt(w);
	listen_activate(w);
	atomic_store_explicit(&w->slot->active, w->gens.live->id, memory_order_release);
	inbox_send(w, PROTO_ACTIVE, w->gens.live->id, NULL, 0);
}

bool
inbox_turn(struct worker *w)
{
	struct gen *offer = w->gens.offer;
	uint64_t published = atomic_load_explicit(&w->control->published, memory_order_acquire);

	if (w->orphaned && !w->draining)
		worker_drain(w, ORPHAN_MS);
	if (offer && offer->state == GEN_CHECKING) {
		uint64_t id = offer->id;
		char why[128] = "";
		enum hg_err e = gens_check(&w->gens, why);

		if (e == HG_ERR_AGAIN)
			return true;
		if (e != HG_OK) {
			refuse_offer(w, id, why);
			return false;
		}
		atomic_store_explicit(&w->slot->ready, id, memory_order_release);
		inbox_send(w, PROTO_READY, id, NULL, 0);
	}
	if (w->gens.offer && w->gens.offer->state == GEN_READY && w->gens.offer->id == published)
		adopt(w);
	gens_tidy(&w->gens);
	atomic_store_explicit(&w->slot->oldest, gens_oldest(&w->gens), memory_order_release);
	return false;
}
