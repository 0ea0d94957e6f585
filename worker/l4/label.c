/*
 * label.c - one block of texts for each (listener, rule, cluster) of a generation, shared by
 * reference count. The table is direct-mapped: whoever collides is made anew, so there is nothing
 * to grow or to sweep. Rejected: copying at the moment that a generation is let go (a reload would
 * stop the loop for all connections at once) and pinning the image (DESIGN section 5: L4 pins
 * nothing).
 */
#include "worker/l4/label.h"

#include "base/hash.h"
#include "base/mem.h"

static void
put(struct bytes *to, char **at, struct bytes text)
{
	*to = bytes_of(*at, text.n);
	if (text.n)
		memcpy(*at, text.p, text.n);
	*at += text.n;
}

static struct label *
make(const struct gen *gen, uint32_t listener, uint32_t rule, uint32_t cluster)
{
	const struct image *im = &gen->image;
	const struct im_listener *l = &im->listeners[listener];
	const struct im_gateway *g = &im->gateways[l->gateway];
	const struct im_route *r = rule == IM_NONE ? NULL : &im->routes[im->rules[rule].route];
	struct bytes none = BYTES_NONE;
	struct bytes text[] = {image_text(im, g->ns), image_text(im, g->name),
	    image_text(im, l->name), r ? image_text(im, r->ns) : none,
	    r ? image_text(im, r->name) : none,
	    cluster == IM_NONE ? none : image_text(im, im->clusters[cluster].name)};
	struct label *v;
	size_t n = 0;
	char *at;

	for (unsigned i = 0; i < HG_ARRAY_LEN(text); i++)
		n += text[i].n;
	v = mem_zalloc(sizeof(*v) + n);
	v->refs = 1;
	v->gen = gen->id;
	v->listener = listener;
	v->rule = rule;
	v->cluster = cluster;
	v->rule_index = r ? im->rules[rule].index : 0;
	at = v->text;
	put(&v->gateway_ns, &at, text[0]);
	put(&v->gateway, &at, text[1]);
	put(&v->listener_name, &at, text[2]);
	if (r) {
		put(&v->route_ns, &at, text[3]);
		put(&v->route, &at, text[4]);
	}
	if (cluster != IM_NONE)
		put(&v->backend, &at, text[5]);
	return v;
}

struct label *
label_get(struct labels *t, const struct gen *gen, uint32_t listener, uint32_t rule,
    uint32_t cluster)
{
	uint64_t h = hash_mix((uint64_t)listener << 32 | rule) + hash_mix(cluster);
	struct label **at = &t->v[h % LABELS], *v = *at;

	if (v == NULL || v->gen != gen->id || v->listener != listener || v->rule != rule ||
	    v->cluster != cluster) {
		if (v)
			label_unref(v);
		*at = v = make(gen, listener, rule, cluster);
	}
	return label_ref(v);
}

struct label *
label_ref(struct label *v)
{
	v->refs++;
	return v;
}

void
label_unref(struct label *v)
{
	HG_CHECK(v->refs > 0);
	if (--v->refs == 0)
		mem_free(v);
}

void
labels_release(struct labels *t)
{
	for (unsigned i = 0; i < LABELS; i++) {
		if (t->v[i])
			label_unref(t->v[i]);
		t->v[i] = NULL;
	}
}
