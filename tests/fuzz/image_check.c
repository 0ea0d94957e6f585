/*
 * image_check.c - whatever bytes an image has: if image_check() takes it, nothing that reads it
 * leaves a section.
 *
 * Byte 0 chooses one of a few real images. Then edits of 8 bytes: section, record (2), offset in
 * the record, what to do, value (3). Each section is copied into a block of its own, so that the
 * sanitizer sees an index that leaves its section, which inside one mapping it would not.
 */
#include "base/mem.h"
#include "base/regex.h"
#include "conf/build/build.h"
#include "shm/image.h"
#include "shm/route.h"
#include "tests/unit/conf/model_gen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

#define IMAGES 16

struct made { /* a real image, and requests for it */
	struct arena arena;
	struct image image;
	struct regex_set set;
	struct gen_request req[8];
	uint32_t nsockets;
	bool ready;
};

static struct made made[IMAGES];
static volatile uint64_t sink;

static void
made_fill(struct made *m, uint64_t seed)
{
	struct gen g = {&m->arena, seed};
	struct blob_writer *w;
	struct build_stats stats;
	struct model model;
	char msg[160];
	size_t at;
	int fd;

	arena_init(&m->arena, 65536, 0);
	gen_model(&g, &model);
	HG_CHECK(build_image(&model, &w, &stats) == HG_OK);
	fd = blob_seal(w, "fuzz");
	HG_CHECK(image_open(fd, &m->image) == HG_OK);
	blob_writer_free(w);
	close(fd);
	for (size_t i = 0; i < HG_ARRAY_LEN(m->req); i++)
		gen_request(&g, &model, &m->req[i]);
	m->set.n = m->image.n_regexes;
	m->set.v = arena_zalloc(&m->arena, (m->set.n + 1) * sizeof(*m->set.v));
	for (uint32_t i = 0; i < m->set.n; i++)
		m->set.v[i] = regex_new(image_text(&m->image, m->image.regexes[i]), msg, &at);
	m->nsockets = model.nsockets;
	m->ready = true;
}

static void
made_drop(struct made *m)
{
	for (uint32_t i = 0; i < m->set.n; i++)
		regex_free(m->set.v[i]);
	image_close(&m->image);
	arena_release(&m->arena);
	*m = (struct made){.ready = false};
}

/* ---- a copy, section by section */

static void *
section_copy(const struct blob *b, unsigned section)
{
	const struct blob_section *s = &b->head->sections[section];
	size_t size = (size_t)s->count * s->elem;
	void *p = mem_alloc(size);

	if (size != 0)
		memcpy(p, b->base + s->off, size);
	return p;
}

struct copy {
	struct blob_header head;
	char *section[IM_SECTION_COUNT];
	struct image image;
};

static void
copy_make(struct copy *c, const struct image *from)
{
	c->head = *from->blob.head;
	for (unsigned i = 0; i < IM_SECTION_COUNT; i++)
		c->section[i] = section_copy(&from->blob, i);
}

static void
copy_cut(struct copy *c, unsigned section, uint32_t count)
{
	struct blob_section *s = &c->head.sections[section];
	char *p;

	if (count >= s->count)
		return;
	p = mem_alloc((size_t)count * s->elem);
	memcpy(p, c->section[section], (size_t)count * s->elem);
	mem_free(c->section[section]);
	c->section[section] = p;
	s->count = count;
}

static void
copy_edit(struct copy *c, const uint8_t e[8])
{
	unsigned section = e[0] % IM_SECTION_COUNT;
	struct blob_section *s = &c->head.sections[section];
	uint32_t record = e[1] | (uint32_t)e[2] << 8,
		 value = e[5] | (uint32_t)e[6] << 8 | (uint32_t)e[7] << 16;
	static const uint32_t numbers[] = {IM_NONE, IM_DIRECT, 0x7fffffff, IM_NONE - 1};
	size_t at, have;

	if (e[4] == 7) {
		copy_cut(c, section, record);
		return;
	}
	if (s->count == 0)
		return;
	at = (size_t)(record % s->count) * s->elem + e[3] % s->elem;
	have = (size_t)s->count * s->elem - at;
	if (e[4] % 4 == 1)
		value = numbers[value % HG_ARRAY_LEN(numbers)];
	else if (e[4] % 4 == 2)
		value = c->head.sections[value % IM_SECTION_COUNT].count - (value >> 8) % 2;
	memcpy(
	    c->section[section] + at, &value, HG_MIN(have, e[4] & 4 ? (size_t)1 : sizeof(value)));
}

static void
copy_views(struct copy *c)
{
	c->image.blob = (struct blob){.head = &c->head, .base = c->section[0], .size = 0,
	    .text = c->section[0], .ntext = c->head.sections[0].count};
#define SEC(name, type, member) \
	c->image.member = (const type *)(void *)c->section[IM_##name]; \
	c->image.n_##member = c->head.sections[IM_##name].count;
	IM_SECTIONS(SEC)
#undef SEC
}

/* ---- what a worker would look at */

static void
touch(const struct image *im, struct im_str s)
{
	struct bytes b = image_text(im, s);

	for (size_t i = 0; i < b.n; i++)
		sink += (unsigned char)b.p[i];
}

static void
touch_filters(const struct image *im, struct im_range r)
{
	for (uint32_t i = r.first; i < r.first + r.n; i++) {
		const struct im_filter *f = &im->filters[i];

		for (uint32_t k = f->arg.first; k < f->arg.first + f->arg.n; k++) {
			if (f->type <= IM_F_RESPONSE_HEADERS) {
				touch(im, im->edits[k].name);
				touch(im, im->edits[k].value);
			} else if (f->type == IM_F_REDIRECT) {
				touch(im, im->redirects[k].path);
				touch(im, im->redirects[k].prefix);
			} else if (f->type == IM_F_REWRITE) {
				touch(im, im->rewrites[k].path);
			} else if (f->type == IM_F_MIRROR) {
				sink +=
				    im->clusters[im->mirrors[k].cluster].id % im->mirrors[k].den;
			} else {
				const struct im_cors *c = &im->cors[k];

				for (uint32_t o = 0; o < c->origins.n; o++)
					touch(im, im->strings[c->origins.first + o]);
			}
		}
	}
}

static void
touch_rule(const struct image *im, uint32_t rule)
{
	const struct im_rule *r = &im->rules[rule];

	touch(im, im->routes[r->route].name);
	touch_filters(im, r->filters);
	for (uint32_t i = r->backends.first; i < r->backends.first + r->backends.n; i++) {
		const struct im_backend *b = &im->backends[i];
		const struct im_cluster *c = b->error ? NULL : &im->clusters[b->cluster];

		touch_filters(im, b->filters);
		for (uint32_t e = 0; c && e < c->endpoints.n; e++)
			touch(im, im->endpoints[c->endpoints.first + e].unix_path);
	}
	if (r->retry != IM_NONE)
		sink += im->retries[r->retry].codes[6];
	if (r->persist != IM_NONE)
		touch(im, im->persists[r->persist].name);
}

static void
on_step(void *arg, const char *what, struct bytes key, uint32_t rule, uint16_t match, bool won)
{
	(void)arg;
	(void)match;
	sink += strlen(what) + key.n + rule + won;
	for (size_t i = 0; i < key.n; i++)
		sink += (unsigned char)key.p[i];
}

static void
use(const struct made *m, const struct image *im)
{
	static const struct route_trace trace = {on_step, NULL};

	for (uint32_t s = 0; s < HG_MIN(im->n_sockets, m->nsockets); s++)
		for (size_t i = 0; i < HG_ARRAY_LEN(m->req); i++) {
			const struct gen_request *r = &m->req[i];
			struct route_query q = {.socket = s, .listener = IM_NONE, .host = r->host,
			    .path = r->path, .query = r->query, .method = r->method,
			    .fields = &r->fields, .grpc = r->grpc};
			struct route_hit hit;

			if (route_find(im, &q, &m->set, i & 1 ? &trace : NULL, &hit) == HG_OK)
				touch_rule(im, hit.rule);
		}
	for (uint32_t i = 0; i < im->n_rules; i++)
		touch_rule(im, i);
	for (uint32_t i = 0; i < im->n_listeners; i++)
		touch(im, im->gateways[im->listeners[i].gateway].name);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct made *m = &made[n ? data[0] % IMAGES : 0];
	struct copy c;
	uint64_t pos = 0;
	char why[128];
	enum hg_err err;

	/* The second half has a switch each. */
	for (uint64_t seed = (uint64_t)(m - made); !m->ready; seed += IMAGES) {
		made_fill(m, seed);
		if (m - made >= IMAGES / 2 && m->image.n_switches == 0)
			made_drop(m);
	}
	copy_make(&c, &m->image);
	for (size_t at = 1; at + 8 <= n; at += 8)
		copy_edit(&c, data + at);
	copy_views(&c);
	while ((err = image_check(&c.image, &pos, 64, why)) == HG_ERR_AGAIN)
		;
	HG_CHECK(err == HG_OK || err == HG_ERR_INVALID);
	HG_CHECK(n >= 9 || err == HG_OK);
	if (err == HG_OK)
		use(m, &c.image);
	for (unsigned i = 0; i < IM_SECTION_COUNT; i++)
		mem_free(c.section[i]);
	return 0;
}
