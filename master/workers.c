/*
 * workers.c - the slots and their processes. A slot outlives its workers: sockets, segment and
 * counters stay, so what is queued when a worker dies is answered by the next. A fresh worker gets
 * its sockets and the published generation; only when that is active is it one that serves, and may
 * be asked about the next.
 *
 * While the crash brake holds a slot back, the next live worker takes its sockets, or that share of
 * new connections would wait for up to half a minute; when the slot's own worker serves again, the
 * loan ends.
 */
#include <signal.h>
#include <sys/epoll.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/state.h"

#define ABORT_MS 500 /* for the report of SIGABRT; a stopped process does not even get it */

bool
workers_live(const struct master *m, unsigned slot)
{
	return m->slots[slot].child && m->slots[slot].serves;
}

/* ---- sockets */

static void
send_socket(struct child *to, struct listener *l, unsigned slot, uint64_t generation)
{
	struct proto_socket s = {
	    .key = l->key, .slot = slot, .listen = !sockets_listening(l, slot)};

	if (slot < l->nfds && l->fds[slot] >= 0)
		child_send(to, PROTO_SOCKET, generation, &s, &l->fds[slot], 1);
}

/* All that serve now; sockets of a generation under way come with its offer. */
void
workers_send_sockets(struct master *m, struct child *to, unsigned slot)
{
	LIST_FOREACH (it, &m->sockets.listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);

		if (!l->fresh && !l->leaving)
			send_socket(to, l, slot, m->reload.published);
	}
}

void
workers_offer(struct master *m, unsigned slot, uint64_t generation, const struct memfds *fds)
{
	struct child *c = m->slots[slot].child;
	int list[2] = {fds->image, fds->secrets};

	LIST_FOREACH (it, &m->sockets.listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);

		if (l->fresh && l->planned)
			send_socket(c, l, slot, generation);
	}
	child_send(c, PROTO_OFFER, generation, NULL, list, fds->secrets >= 0 ? 2 : 1);
}

/* ---- loans */

static void
lend(struct master *m, unsigned slot)
{
	struct slot *s = &m->slots[slot];

	if (s->lent_to != SLOT_MAX)
		return;
	for (unsigned i = 1; i < m->nslots; i++) {
		unsigned other = (slot + i) % m->nslots;

		if (!workers_live(m, other))
			continue;
		s->lent_to = other;
		log_info("worker %u takes the sockets of worker %u meanwhile", other, slot);
		workers_send_sockets(m, m->slots[other].child, slot);
		return;
	}
}

static void
end_loan(struct master *m, unsigned slot)
{
	struct slot *s = &m->slots[slot];
	struct child *c = s->lent_to < SLOT_MAX ? m->slots[s->lent_to].child : NULL;

	s->lent_to = SLOT_MAX;
	if (!c)
		return;
	LIST_FOREACH (it, &m->sockets.listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);
		struct proto_socket p = {.key = l->key, .slot = slot};

		if (!l->fresh && !l->leaving)
			child_send(c, PROTO_SOCKET_DROP, m->reload.published, &p, NULL, 0);
	}
}

/* A lender has died: what it had borrowed goes to another. */
static void
lend_again(struct master *m, unsigned dead)
{
	for (unsigned i = 0; i < m->nslots; i++) {
		if (m->slots[i].lent_to != dead)
			continue;
		m->slots[i].lent_to = SLOT_MAX;
		lend(m, i);
	}
}

/* ---- birth */

/* What the others have under way is read where a bound counts over all workers. */
static void
send_peers(struct master *m, struct child *to, unsigned slot)
{
	for (unsigned i = 0; i < m->nslots; i++) {
		struct proto_peer p = {.slot = i};

		if (i != slot)
			child_send(to, PROTO_PEER, 0, &p, &m->regions.slots[i].ro, 1);
	}
}

static int
start(struct master *m, unsigned slot)
{
	struct slot *s = &m->slots[slot];

	regions_clear_slot(&m->regions, slot);
	heartbeat_forget(&m->heartbeat, slot);
	s->serves = false;
	s->drained = false;
	s->child = child_spawn(m, CHILD_WORKER, slot);
	if (!s->child)
		return -1;
	if (m->logs.child) {
		struct proto_ring ring = {.slot = slot};

		child_send(m->logs.child, PROTO_RING, 0, &ring, &m->regions.slots[slot].rw, 1);
	}
	send_peers(m, s->child, slot);
	if (m->reload.published == 0) {
		/* At boot it has nothing to serve yet and votes at once. */
		s->serves = true;
		return 0;
	}
	workers_send_sockets(m, s->child, slot);
	workers_offer(m, slot, m->reload.published, &m->now);
	return 0;
}

static void
restart(struct timer *t)
{
	struct slot *s = HG_CONTAINER(t, struct slot, restart);
	struct master *m = s->master;
	unsigned slot = (unsigned)(s - m->slots);

	if (s->child || m->stopping != STOP_NO)
		return;
	if (start(m, slot) != 0)
		timer_in(m->loop, t, brake_death(&s->brake, 0) + 1000);
}

static void
abort_over(struct timer *t)
{
	struct slot *s = HG_CONTAINER(t, struct slot, abort);

	if (s->child)
		child_kill(s->child, SIGKILL);
}

void
workers_slot_init(struct master *m, unsigned slot)
{
	struct slot *s = &m->slots[slot];

	s->master = m;
	s->lent_to = SLOT_MAX;
	timer_init(&s->restart, restart);
	timer_init(&s->abort, abort_over);
}

int
workers_start(struct master *m)
{
	for (unsigned i = 0; i < m->nslots; i++)
		if (!m->slots[i].child && start(m, i) != 0)
			return -1;
	return 0;
}

/* ---- messages */

static void
active(struct master *m, unsigned slot, uint64_t generation)
{
	struct slot *s = &m->slots[slot];

	if (generation != m->reload.published)
		return;
	s->serves = true;
	if (s->lent_to != SLOT_MAX)
		end_loan(m, slot);
	/* Slots that wait and found nobody to lend to. */
	for (unsigned i = 0; i < m->nslots; i++)
		if (!m->slots[i].child)
			lend(m, i);
	reload_active(&m->reload, slot, generation);
}

static void
socket_closed(struct master *m, unsigned slot, const struct proto_socket *p)
{
	struct listener *l = sockets_find_leaving(&m->sockets, &p->key);

	if (!l || p->slot != slot || !sockets_closed(l, slot))
		return;
	sockets_remove(l);
	apply_removed(m);
}

/* Generations travel as 32 bits; only those under way are meant. */
static uint64_t
generation_of(const struct master *m, uint32_t seq)
{
	if (seq == (uint32_t)m->reload.generation)
		return m->reload.generation;
	return seq == (uint32_t)m->reload.published ? m->reload.published : 0;
}

void
workers_message(struct child *c, struct imsg *in)
{
	struct master *m = c->master;
	struct slot *s = &m->slots[c->slot];
	uint64_t generation = generation_of(m, in->seq);
	const struct proto_text *text = (const struct proto_text *)(const void *)in->data;

	if (s->child != c)
		return;
	switch (in->type) {
	case PROTO_READY:
		reload_ready(&m->reload, c->slot, generation);
		break;
	case PROTO_REFUSED:
		if (generation && generation == m->reload.published) {
			log_error("worker %u refuses the generation that is served: %s", c->slot,
			    text->text);
			child_kill(c, SIGKILL);
			break;
		}
		reload_refused(&m->reload, c->slot, generation, text->text);
		break;
	case PROTO_ACTIVE:
		active(m, c->slot, generation);
		break;
	case PROTO_SOCKET_CLOSED:
		socket_closed(m, c->slot, (const struct proto_socket *)(const void *)in->data);
		break;
	case PROTO_DRAINED:
		s->drained = true;
		break;
	default:
		log_warn("worker %u sent %s", c->slot, proto_name(in->type));
	}
}

/* ---- death */

static void
close_its_leaving(struct master *m, unsigned slot)
{
	/* It held one share of each socket that leaves; its successor does not get it. */
	LIST_FOREACH_SAFE (it, tmp, &m->sockets.listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);

		if (!l->leaving || !sockets_closed(l, slot))
			continue;
		sockets_remove(l);
		apply_removed(m);
	}
}

void
workers_ended(struct child *c, int status)
{
	struct master *m = c->master;
	struct slot *s = &m->slots[c->slot];
	uint64_t adopting = atomic_load(&m->regions.segments[c->slot]->adopting);
	char end[64];
	uint32_t wait;

	if (s->child != c)
		return;
	s->child = NULL;
	s->serves = false;
	timer_stop(&s->abort);
	if (m->stopping != STOP_NO)
		return;
	wait = brake_death(&s->brake, clock_mono() - c->started);
	log_error("worker %u ended: %s; %s", c->slot, child_end_text(status, end),
	    wait ? "crash loop, the next one waits" : "replaced");
	close_its_leaving(m, c->slot);
	lend_again(m, c->slot);
	if (wait == 0)
		restart(&s->restart);
	if (!s->child) {
		timer_in(m->loop, &s->restart, HG_MAX(wait, 1000u));
		lend(m, c->slot);
	}
	/* Last: an abort of the offer may send messages to all. */
	reload_died(&m->reload, c->slot, adopting != 0 && adopting == m->reload.generation);
}

/* ---- heartbeat */

static bool
all_orderly(const struct master *m)
{
	return m->stopping == STOP_NO && m->nslots > 0;
}

void
workers_tick(struct master *m)
{
	bool live[SLOT_MAX], condemned[SLOT_MAX];
	uint64_t beats[SLOT_MAX];

	if (!all_orderly(m))
		return;
	for (unsigned i = 0; i < m->nslots; i++) {
		live[i] = m->slots[i].child != NULL;
		beats[i] =
		    atomic_load_explicit(&m->regions.segments[i]->heartbeat, memory_order_relaxed);
	}
	if (heartbeat_tick(&m->heartbeat, clock_mono(), m->nslots, live, beats, condemned) == 0)
		return;
	for (unsigned i = 0; i < m->nslots; i++) {
		if (!condemned[i] || m->slots[i].abort.deadline)
			continue;
		log_error("worker %u (pid %d) hangs: no heartbeat; it is replaced", i,
		    (int)m->slots[i].child->pid);
		child_kill(m->slots[i].child, SIGABRT);
		timer_in(m->loop, &m->slots[i].abort, ABORT_MS);
	}
}
