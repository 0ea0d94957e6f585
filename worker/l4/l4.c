/*
 * l4.c - the L4 part of a worker as the rest of it sees it. A socket of HTTPS listeners that has
 * TLS listeners too begins here, since only the hello tells them apart; pure HTTPS and HTTP sockets
 * never come here.
 */
#include "worker/l4/l4.h"

#include "base/clock.h"
#include "base/mem.h"
#include "worker/l4/flow.h"
#include "worker/l4/udp.h"

/* Every few seconds, while there is anybody: long connections are to be seen before they end. */
static void
tell(struct timer *t)
{
	struct l4 *l4 = HG_CONTAINER(t, struct l4, tell);

	LIST_FOREACH_SAFE(it, tmp, &l4->open) {
		struct flow *f = LIST_ENTRY(it, struct flow, link);

		flow_tell(f);
		flow_stuck(f);
	}
	udp_tell(l4->udp);
	pipes_trim(&l4->pipes);
	if (!list_empty(&l4->open) || udp_busy(l4->udp))
		timer_in(l4->w->loop, t, L4_TELL_MS);
}

void
l4_begin(struct worker *w)
{
	if (w->l4->tell.deadline == 0)
		timer_in(w->loop, &w->l4->tell, L4_TELL_MS);
}

struct l4 *
l4_new(struct worker *w)
{
	struct l4 *l4 = mem_zalloc(sizeof(*l4));

	HG_CHECK(pool_init(&l4->flows, sizeof(struct flow), w->conns.cap) == 0);
	l4->w = w;
	list_init(&l4->open);
	timer_init(&l4->tell, tell);
	arena_init(&l4->scratch, 4096, 1u << 20);
	return l4;
}

void
l4_free(struct l4 *l4)
{
	timer_stop(&l4->tell);
	udp_free(l4->udp);
	labels_release(&l4->labels);
	pipes_release(&l4->pipes);
	arena_release(&l4->scratch);
	pool_release(&l4->flows);
	mem_free(l4);
}

static bool
is_tls(const struct image *im, uint32_t listener)
{
	return listener != IM_NONE && im->listeners[listener].protocol == IM_TLS;
}

uint8_t
l4_protocol(const struct gen *gen, uint32_t socket)
{
	const struct image *im = &gen->image;
	const struct im_socket *s = &im->sockets[socket];
	const struct im_hosttab *t = &s->listeners;

	switch ((enum im_protocol)s->protocol) {
	case IM_RAW_TCP:
	case IM_RAW_UDP:
	case IM_TLS:
		return s->protocol;
	case IM_HTTPS:
		break;
	case IM_HTTP:
		return 0;
	}
	if (is_tls(im, t->any))
		return IM_TLS;
	for (uint32_t i = 0; t->mask != IM_NONE && i <= t->mask; i++)
		if (is_tls(im, im->hosts[t->first + i].value))
			return IM_TLS;
	return 0;
}

bool
l4_accept(struct worker *w, int fd, uint32_t socket_id, uint8_t protocol, const struct addr *peer)
{
	return flow_start(w, fd, socket_id, protocol == IM_TLS, peer);
}

void
l4_adopt(struct worker *w)
{
	const struct gen *gen = w->gens.live;
	struct way_rules *rules;
	uint64_t until;

	if (list_empty(&w->l4->open) && !udp_busy(w->l4->udp))
		return;
	until = loop_now(w->loop) + gen->image.settings->shutdown_grace_ms * MS_NS;
	rules = mem_alloc(sizeof(*rules)); /* 128 KB, once a reload */
	way_rules_of(gen, rules);
	LIST_FOREACH_SAFE(it, tmp, &w->l4->open)
		flow_check(LIST_ENTRY(it, struct flow, link), gen, rules, until);
	udp_adopt(w->l4->udp, gen, rules, until);
	mem_free(rules);
}

void
l4_drain(struct worker *w)
{
	udp_drain(w->l4->udp);
}

void
l4_close_all(struct worker *w)
{
	LIST_FOREACH_SAFE(it, tmp, &w->l4->open)
		flow_end(LIST_ENTRY(it, struct flow, link), HG_ERR_DRAINING);
	udp_close_all(w->l4->udp, HG_ERR_DRAINING);
}

bool
l4_busy(const struct worker *w)
{
	return udp_busy(w->l4->udp);
}
