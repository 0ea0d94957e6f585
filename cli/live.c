/*
 * live.c - the image says which endpoints there are, the names region which addresses a name has,
 * the board which of them are out, the workers' segments what they have under way. All of it is
 * read as it stands, word by word: a screen may show a moment that never was, never a wrong
 * endpoint.
 */
#include "cli/live.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"

void
live_open(struct live_set *s, const struct view *v, uint32_t cluster)
{
	*s = (struct live_set){.view = v, .cluster = &v->image.clusters[cluster]};
	s->named = s->cluster->dns != IM_NONE;
	s->n = s->cluster->endpoints.n;
	if (s->named)
		s->n = v->names && names_read(v->names, s->cluster->dns, &s->bank) ? s->bank.n : 0;
}

static void
board_facts(const struct view *v, struct live *e)
{
	const struct board_endpoint *b;
	uint64_t until, now = clock_mono();

	if (v->board == NULL || e->id == 0 || e->id >= SLOT_IDS)
		return;
	b = &v->board->endpoints[e->id];
	until = atomic_load_explicit(&b->ejected_until, memory_order_relaxed);
	e->failing = atomic_load_explicit(&b->failures, memory_order_relaxed);
	switch (atomic_load_explicit(&b->active, memory_order_relaxed)) {
	case BOARD_HEALTHY:
		e->state = LIVE_HEALTHY;
		break;
	case BOARD_UNHEALTHY:
		e->state = LIVE_UNHEALTHY;
		break;
	default:
		break;
	}
	if (until > now && e->state != LIVE_UNHEALTHY) {
		e->state = LIVE_EJECTED;
		e->ejected_ms = (until - now) / MS_NS;
	}
}

static void
counts(const struct view *v, struct live *e)
{
	for (uint32_t s = 0; e->id && e->id < SLOT_IDS && s < v->nslots; s++) {
		const struct slot_endpoint *w;

		if (v->slots[s] == NULL)
			continue;
		w = &v->slots[s]->endpoints[e->id];
		e->inflight += w->inflight;
		e->connections += w->connections;
		e->requests += w->requests;
		e->failures += w->failures;
	}
}

/* false: nobody is at this position. */
static bool
at(const struct live_set *s, uint32_t i, struct live *out)
{
	const struct image *im = &s->view->image;
	const struct im_cluster *c = s->cluster;

	*out = (struct live){.weight = 1};
	if (i < c->endpoints.n) {
		const struct im_endpoint *e = &im->endpoints[c->endpoints.first + i];

		out->addr = e->addr;
		out->unix_path = image_text(im, e->unix_path);
		out->id = e->id;
		out->weight = e->weight;
	}
	if (s->named) {
		out->addr = s->bank.addrs[i];
		out->addr.port = c->port;
	}
	if (out->addr.family == 0 && out->unix_path.n == 0)
		return false;
	board_facts(s->view, out);
	counts(s->view, out);
	return true;
}

bool
live_next(struct live_set *s, struct live *out)
{
	while (s->next < s->n)
		if (at(s, s->next++, out))
			return true;
	return false;
}

bool
live_usable(const struct live *e)
{
	return e->state != LIVE_UNHEALTHY && e->state != LIVE_EJECTED;
}

const char *
live_name(enum live_state s)
{
	static const char *const names[] = {"ready", "healthy", "unhealthy", "ejected"};

	return names[s];
}

const char *
live_why(const struct live *e, char out[96])
{
	out[0] = '\0';
	if (e->state == LIVE_EJECTED)
		snprintf(out, 96, "by passive checks, %llu.%llus left",
		    (unsigned long long)e->ejected_ms / 1000,
		    (unsigned long long)e->ejected_ms % 1000 / 100);
	else if (e->state == LIVE_UNHEALTHY)
		snprintf(out, 96, "failed its health check");
	else if (e->failing)
		snprintf(out, 96, "%llu failures in a row", (unsigned long long)e->failing);
	return out;
}

const char *
live_address(const struct live *e, char out[128])
{
	if (e->unix_path.n)
		snprintf(out, 128, "unix:%.*s", BYTES_ARG(e->unix_path));
	else
		addr_print(&e->addr, out);
	return out;
}

static int
by_name(const void *a, const void *b, void *arg)
{
	const struct image *im = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int c = bytes_cmp(
	    image_text(im, im->clusters[x].name), image_text(im, im->clusters[y].name));

	return c ? c : x < y ? -1 : x > y;
}

uint32_t *
live_clusters(struct view *v, const bool *only, uint32_t *n)
{
	const struct image *im = &v->image;
	uint32_t *out = arena_alloc(&v->arena, (im->n_clusters + 1) * sizeof(*out)), all = 0;

	for (uint32_t i = 0; i < im->n_clusters; i++)
		if (only == NULL || only[i])
			out[all++] = i;
	qsort_r(out, all, sizeof(*out), by_name, (void *)(uintptr_t)im);
	*n = 0;
	for (uint32_t i = 0; i < all; i++)
		if (*n == 0 ||
		    !bytes_eq(image_text(im, im->clusters[out[i]].name),
			image_text(im, im->clusters[out[*n - 1]].name)))
			out[(*n)++] = out[i];
	return out;
}

bool
live_is(const struct view *v, uint32_t cluster, struct bytes kind, struct bytes ns,
    struct bytes name)
{
	struct bytes full = image_text(&v->image, v->image.clusters[cluster].name), own;
	bool service;

	own = bytes_cut(&full, '/');
	if (!bytes_eq(own, ns) || !full.p || !bytes_starts(full, name) ||
	    (full.n > name.n && full.p[name.n] != ':' && full.p[name.n] != '('))
		return false;
	service = full.n > name.n && full.p[name.n] == ':';
	return !kind.p || service == bytes_eq(kind, BYTES("Service"));
}
