/*
 * lbhash.c - one number of what a request brings. The hash is not keyed, because all workers, and
 * all nodes of a site, should send a client to the same endpoint; who can choose its header can
 * choose its backend anyway.
 */
#include "worker/upstream/lbhash.h"

#include "base/hash.h"

static void
mix(struct lbhash *h, struct bytes v)
{
	if (v.p == NULL)
		return;
	h->hash = hash_mix(hash_more(h->on ? h->hash : HASH_SEED, v.p, v.n));
	h->on = true;
}

static struct bytes
name_of(const struct image *im, const struct im_balance *b, uint32_t i)
{
	return image_text(im, im->strings[b->hash_names.first + i]);
}

/* The value of a cookie in the Cookie fields. */
static struct bytes
cookie(const struct msg *m, struct bytes name)
{
	const struct field *f = fields_get(&m->fields, FIELD_COOKIE);

	for (; f; f = fields_next(&m->fields, f)) {
		const char *p = f->value.p, *end = p + f->value.n;

		while (p < end) {
			const char *semi = memchr(p, ';', (size_t)(end - p)),
				   *e = semi ? semi : end;
			const char *eq;

			while (p < e && *p == ' ')
				p++;
			eq = memchr(p, '=', (size_t)(e - p));
			if (eq && bytes_eq(bytes_of(p, (size_t)(eq - p)), name)) {
				struct bytes v = bytes_of(eq + 1, (size_t)(e - eq - 1));

				if (v.n >= 2 && v.p[0] == '"' && v.p[v.n - 1] == '"')
					v = bytes_of(v.p + 1, v.n - 2);
				return v;
			}
			p = semi ? semi + 1 : end;
		}
	}
	return BYTES_NONE;
}

static void
make_cookie(struct lbhash *h, struct arena *a, const struct image *im, const struct im_balance *b,
    struct bytes name, const uint64_t random[2])
{
	struct bytes attrs = image_text(im, b->cookie_attrs);
	char *value = arena_printf(
	    a, "%016llx%016llx", (unsigned long long)random[0], (unsigned long long)random[1]);
	char age[32] = "", *line;

	if (value == NULL)
		return;
	if (b->cookie_ttl_s)
		(void)snprintf(age, sizeof(age), "; Max-Age=%u", b->cookie_ttl_s);
	line = arena_printf(a, "%.*s=\"%s\"%s%.*s; HttpOnly", BYTES_ARG(name), value, age,
	    (int)attrs.n, attrs.n ? attrs.p : "");
	if (line == NULL)
		return;
	h->set_cookie = bytes_str(line);
	mix(h, bytes_str(value));
}

void
lbhash_make(struct lbhash *h, struct arena *a, const struct image *im, const struct im_balance *b,
    const struct msg *m, const struct addr *client, const uint64_t random[2])
{
	*h = (struct lbhash){0};
	if (b->hash == IM_HASH_SOURCE_IP) {
		mix(h, bytes_of((const char *)client->ip, client->family == 4 ? 4 : 16));
		return;
	}
	for (uint32_t i = 0; i < b->hash_names.n; i++) {
		struct bytes name = name_of(im, b, i), v = BYTES_NONE;
		char *room;

		if (b->hash == IM_HASH_HEADER) {
			const struct field *f = fields_find(&m->fields, name);

			for (; f; f = fields_next(&m->fields, f))
				mix(h, f->value);
		} else if (b->hash == IM_HASH_QUERY && m->query.n) {
			room = arena_alloc(a, m->query.n);
			if (room)
				mix(h, uri_query_get(m->query, name, room, m->query.n));
		} else if (b->hash == IM_HASH_COOKIE) {
			v = cookie(m, name);
			mix(h, v.n ? v : BYTES_NONE);
			if (v.n == 0 && b->cookie_ttl_s != IM_NONE)
				make_cookie(h, a, im, b, name, random);
		}
	}
}
