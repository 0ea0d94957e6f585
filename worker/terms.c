/*
 * terms.c - limits of a policy over those of the house: 0 in the record leaves the house's, "none"
 * is a time that nobody lives to see, so that the adapters need no special case. Rejected: a lookup
 * at each timer (the record of a generation that may have gone), and terms counted by reference
 * (every connection is walked at a commit anyway).
 */
#include "worker/terms.h"

#include "base/clock.h"
#include "base/mem.h"

#define NEVER_MS (10ull * 365 * 86400 * 1000)

static uint64_t
ms_of(uint32_t own, uint64_t house)
{
	return own == 0 ? house : own == IM_NONE ? NEVER_MS : own;
}

static void
fill(struct terms *t, const struct worker *w, const struct im_client *c)
{
	t->h1 = w->limits;
	t->h2 = w->h2;
	t->h2.limits = &t->h1;
	t->h2_limits = *w->h2.h2;
	t->h2.h2 = &t->h2_limits;
	t->handshake_ms = w->handshake_ms;
	t->max_ms = NEVER_MS;
	if (c == NULL)
		return;
	t->h1.idle_ms = ms_of(c->idle_ms, t->h1.idle_ms);
	t->h1.header_ms = ms_of(c->header_ms, t->h1.header_ms);
	/* A request that must be whole by then has its head by then. */
	t->h1.header_ms = HG_MIN(t->h1.header_ms, ms_of(c->request_ms, NEVER_MS));
	t->max_ms = ms_of(c->connection_max_ms, NEVER_MS);
	t->handshake_ms = ms_of(c->tls_handshake_ms, t->handshake_ms);
	t->h2_limits.streams = c->h2_streams ? c->h2_streams : t->h2_limits.streams;
	t->h2_limits.window = c->h2_window ? c->h2_window : t->h2_limits.window;
	t->h2_limits.conn_window =
	    c->h2_conn_window ? c->h2_conn_window : t->h2_limits.conn_window;
	if (c->max_requests)
		t->h1.requests_per_connection = c->max_requests;
}

void
terms_adopt(struct worker *w)
{
	const struct image *im = &w->gens.live->image;

	HG_CHECK(w->old_terms == NULL);
	w->old_terms = w->terms;
	w->terms = mem_zalloc((im->n_clients + 1ul) * sizeof(*w->terms));
	for (uint32_t i = 0; i <= im->n_clients; i++)
		fill(&w->terms[i], w, i ? &im->clients[i - 1] : NULL);
}

void
terms_tidy(struct worker *w)
{
	mem_free(w->old_terms);
	w->old_terms = NULL;
}

void
terms_release(struct worker *w)
{
	terms_tidy(w);
	mem_free(w->terms);
	w->terms = NULL;
}

const struct terms *
terms_of(const struct worker *w, uint32_t client)
{
	return &w->terms[client == IM_NONE ? 0 : client + 1];
}
