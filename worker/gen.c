/*
 * gen.c - adopting images. An offer is opened, checked and its patterns are compiled in slices of a
 * fraction of a millisecond, so that the loop keeps turning; only then the worker says READY. Which
 * backend and which endpoint come next is kept here, per generation, as 16 bytes a rule and a
 * cluster: a reload starts these sequences anew at a random phase, which no sum can notice.
 * Rejected: reference counts inside the image (it is sealed), and copying what an exchange needs at
 * its start (most exchanges never see a second generation).
 */
#include "worker/gen.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"

#define CHECK_RECORDS 20000 /* a slice: about 200 us */
#define CHECK_REGEXES 16

void
gens_init(struct gens *g)
{
	*g = (struct gens){0};
	for (unsigned i = 0; i < GEN_MAX; i++) {
		g->slots[i].fd = g->slots[i].secrets = -1;
		list_init(&g->slots[i].pins);
	}
}

static void
free_gen(struct gen *gen)
{
	HG_CHECK(list_empty(&gen->pins));
	for (uint32_t i = 0; i < gen->regexes.n; i++)
		regex_free(gen->regexes.v[i]);
	mem_free(gen->regexes.v);
	mem_free(gen->sockets);
	mem_free(gen->listeners);
	mem_free(gen->rules);
	mem_free(gen->clusters);
	image_close(&gen->image);
	if (gen->fd >= 0)
		close(gen->fd);
	if (gen->secrets >= 0)
		close(gen->secrets);
	*gen = (struct gen){.fd = -1, .secrets = -1};
	list_init(&gen->pins);
}

void
gens_release(struct gens *g)
{
	for (unsigned i = 0; i < GEN_MAX; i++)
		if (g->slots[i].state != GEN_FREE)
			free_gen(&g->slots[i]);
	g->live = g->offer = NULL;
}

enum hg_err
gens_offer(struct gens *g, uint64_t id, int image_fd, int secrets_fd, char why[128])
{
	struct gen *gen = NULL;
	enum hg_err e;

	gens_abort(g);
	for (unsigned i = 0; i < GEN_MAX && gen == NULL; i++)
		if (g->slots[i].state == GEN_FREE)
			gen = &g->slots[i];
	if (gen == NULL)
		return HG_ERR_AGAIN;
	gen->fd = image_fd;
	gen->secrets = secrets_fd;
	e = image_fd < 0 ? HG_ERR_INVALID : image_open(image_fd, &gen->image);
	if (e == HG_OK && gen->image.blob.head->generation != id)
		e = HG_ERR_INVALID;
	if (e != HG_OK) {
		(void)snprintf(why, 128, "image cannot be opened: %s", err_text(e));
		gen->image = (struct image){0};
		free_gen(gen);
		return HG_ERR_INVALID;
	}
	gen->id = id;
	gen->state = GEN_CHECKING;
	g->offer = gen;
	return HG_OK;
}

static int
by_id(const void *a, const void *b)
{
	const struct gen_id *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static void
index_ids(struct gen *gen)
{
	const struct image *im = &gen->image;

	gen->nsockets = im->n_sockets;
	gen->sockets = mem_zalloc((im->n_sockets + 1) * sizeof(*gen->sockets));
	for (uint32_t i = 0; i < im->n_sockets; i++)
		gen->sockets[i] = (struct gen_id){im->sockets[i].id, i};
	qsort(gen->sockets, gen->nsockets, sizeof(*gen->sockets), by_id);
	gen->listeners = mem_zalloc((im->n_listeners + 1ul) * sizeof(*gen->listeners));
	for (uint32_t i = 0; i < im->n_listeners; i++)
		gen->listeners[i] = (struct gen_id){im->listeners[i].id, i};
	qsort(gen->listeners, im->n_listeners, sizeof(*gen->listeners), by_id);
	gen->rules = mem_zalloc((im->n_rules + 1ul) * sizeof(*gen->rules));
	gen->clusters = mem_zalloc((im->n_clusters + 1ul) * sizeof(*gen->clusters));
}

static enum hg_err
compile_regexes(struct gen *gen, char why[128])
{
	const struct image *im = &gen->image;

	if (gen->regexes.v == NULL) {
		gen->regexes.v = mem_zalloc((im->n_regexes + 1ul) * sizeof(*gen->regexes.v));
		gen->regexes.n = im->n_regexes;
	}
	for (unsigned i = 0; i < CHECK_REGEXES && gen->regex_pos < im->n_regexes;
	     i++, gen->regex_pos++) {
		struct bytes text = image_text(im, im->regexes[gen->regex_pos]);
		char msg[160];
		size_t at;

		gen->regexes.v[gen->regex_pos] = regex_new(text, msg, &at);
		if (gen->regexes.v[gen->regex_pos] == NULL) {
			(void)snprintf(why, 128, "pattern %u: %.100s", gen->regex_pos, msg);
			return HG_ERR_INVALID;
		}
	}
	return gen->regex_pos < im->n_regexes ? HG_ERR_AGAIN : HG_OK;
}

enum hg_err
gens_check(struct gens *g, char why[128])
{
	struct gen *gen = g->offer;
	enum hg_err e;

	if (gen == NULL || gen->state != GEN_CHECKING)
		return HG_OK;
	if (gen->sockets == NULL) {
		e = image_check(&gen->image, &gen->check_pos, CHECK_RECORDS, gen->why);
		if (e == HG_OK && gen->image.n_settings != 1)
			e = HG_ERR_INVALID;
		if (e == HG_OK) {
			index_ids(gen);
			e = HG_ERR_AGAIN;
		}
	} else {
		e = compile_regexes(gen, gen->why);
	}
	if (e == HG_OK) {
		gen->state = GEN_READY;
	} else if (e != HG_ERR_AGAIN) {
		(void)snprintf(why, 128, "%s", gen->why[0] ? gen->why : err_text(e));
		gens_abort(g);
	}
	return e;
}

void
gens_abort(struct gens *g)
{
	if (g->offer)
		free_gen(g->offer);
	g->offer = NULL;
}

struct gen *
gens_adopt(struct gens *g)
{
	struct gen *old = g->live;

	HG_CHECK(g->offer && g->offer->state == GEN_READY);
	if (old)
		old->state = GEN_OLD;
	g->live = g->offer;
	g->live->state = GEN_LIVE;
	g->offer = NULL;
	return old;
}

void
gens_tidy(struct gens *g)
{
	for (unsigned i = 0; i < GEN_MAX; i++)
		if (g->slots[i].state == GEN_OLD && list_empty(&g->slots[i].pins))
			free_gen(&g->slots[i]);
}

uint64_t
gens_oldest(const struct gens *g)
{
	uint64_t oldest = g->live ? g->live->id : 0;

	for (unsigned i = 0; i < GEN_MAX; i++)
		if (g->slots[i].state == GEN_OLD)
			oldest = HG_MIN(oldest, g->slots[i].id);
	return oldest;
}

static uint32_t
find(const struct gen_id *v, uint32_t n, uint32_t id)
{
	struct gen_id key = {id, 0};
	const struct gen_id *found = n ? bsearch(&key, v, n, sizeof(key), by_id) : NULL;

	return found ? found->index : IM_NONE;
}

uint32_t
gen_socket(const struct gen *gen, uint32_t id)
{
	return find(gen->sockets, gen->nsockets, id);
}

uint32_t
gen_listener(const struct gen *gen, uint32_t id)
{
	return find(gen->listeners, gen->image.n_listeners, id);
}
