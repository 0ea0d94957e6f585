/*
 * build.c - the order of the build: ranks of the routes, records, then listener by listener their
 * tables and trees. Linear but for sorts: no step looks at pairs of routes. Everything is written
 * into a blob_writer, where sections grow side by side, so indices are final as soon as they are
 * given out.
 */
#include "conf/build/build.h"

#include "base/mem.h"
#include "conf/build/parts.h"
#include "shm/image.h"

static bool
attached_ok(const struct build *b)
{
	for (uint32_t k = 0; k < b->m->nlisteners; k++) {
		const struct m_listener *l = &b->m->listeners[k];

		for (uint32_t i = 0; i < l->nattach; i++)
			if (l->attach[i].route < b->m->routes ||
			    l->attach[i].route >= b->m->routes + b->m->nroutes)
				return false;
	}
	return true;
}

/* Part of the key of a listener's buckets. */
static uint64_t
listener_key(const struct build *b, const struct m_listener *l)
{
	const struct m_gateway *gw = &b->m->gateways[l->gateway];
	uint64_t h = hash_more(HASH_SEED, gw->ns.p, gw->ns.n);

	h = hash_byte(hash_more(hash_byte(h, '/'), gw->name.p, gw->name.n), '/');
	return hash_mix(hash_more(h, l->name.p, l->name.n));
}

static void
listeners_write(struct build *b)
{
	for (uint32_t i = 0; i < b->m->nlisteners; i++) {
		struct m_listener *l = &b->m->listeners[i];
		struct im_listener r;

		memset(&r, 0, sizeof(r));
		hosts_listener(b, l, &r);
		r.id = l->id;
		r.gateway = l->gateway;
		r.name = blob_put_text(b->w, l->name);
		r.hostname = blob_put_text(b->w, l->hostname);
		r.port = l->port;
		r.protocol = l->protocol;
		r.flags = l->flags;
		r.tls = tls_record(b, l->tls);
		r.client = client_record(b, l->client);
		r.key = listener_key(b, l);
		r.sources.n = l->nsources;
		r.sources.first = SHARE(b, IM_CIDR, l->sources, l->nsources);
		l->index = blob_add(b->w, IM_LISTENER, &r, 1, sizeof(r));
	}
}

static void
sockets_write(struct build *b)
{
	for (uint32_t i = 0; i < b->m->nsockets; i++) {
		const struct m_socket *s = &b->m->sockets[i];
		struct build_name *names = mem_alloc((s->nlisteners + 1) * sizeof(*names));
		struct im_socket r;

		memset(&r, 0, sizeof(r));
		for (uint32_t k = 0; k < s->nlisteners; k++) {
			struct bytes host = s->listeners[k]->hostname;

			names[k].name = host.n ? host : BYTES_NONE;
			names[k].value = s->listeners[k]->index;
		}
		r.listeners = hosts_table(b, names, s->nlisteners);
		r.client = r.listener = IM_NONE;
		for (uint32_t k = 0; s->protocol == IM_HTTP && k < s->nlisteners; k++) {
			if (r.listener != IM_NONE && s->listeners[k]->client == NULL)
				continue;
			r.client = client_record(b, s->listeners[k]->client);
			r.listener = s->listeners[k]->index;
			if (r.client != IM_NONE)
				break;
		}
		r.addr = s->addr;
		r.id = s->id;
		r.transport = s->transport;
		r.protocol = s->protocol;
		r.proxy = s->proxy;
		(void)blob_add(b->w, IM_SOCKET, &r, 1, sizeof(r));
		mem_free(names);
	}
}

static void
stats_fill(struct build *b)
{
	b->stats->rules = blob_count(b->w, IM_RULE);
	b->stats->trees = blob_count(b->w, IM_TREE);
	b->stats->groups = blob_count(b->w, IM_GROUP);
	b->stats->items = blob_count(b->w, IM_ITEM);
	b->stats->bytes = blob_writer_size(b->w);
	if (b->stats->items >= IM_DIRECT || b->stats->groups >= IM_VIA_SWITCH ||
	    blob_count(b->w, IM_SWITCH) >= IM_VIA_SWITCH || b->stats->bytes > BLOB_MAX)
		b->err = HG_ERR_RANGE;
}

enum hg_err
build_all(const struct model *m, struct blob_writer **out, struct blob_writer **secrets,
    struct build_stats *stats)
{
	struct build b = {.m = m, .stats = stats};

	*out = *secrets = NULL;
	*stats = (struct build_stats){0};
	b.w = blob_writer_new(BLOB_IMAGE, image_layout(), m->generation);
	arena_init(&b.arena, 65536, 0);
	arena_init(&b.tmp, 65536, 0);
	share_init(&b.share);
	map_init(&b.hostnames);
	map_init(&b.trees);
	map_init(&b.tables);
	b.names = mem_grow(NULL, &b.names_cap, 0, sizeof(*b.names));
	b.names[b.nnames++] = BYTES_NONE;

	if (!attached_ok(&b))
		b.err = HG_ERR_INVALID;
	else
		rank_routes(&b);
	records_settings(&b);
	records_clusters(&b);
	if (b.err == HG_OK)
		listeners_write(&b);
	if (b.err == HG_OK)
		sockets_write(&b);
	stats_fill(&b);

	mem_free(b.names);
	map_release(&b.hostnames);
	map_release(&b.trees);
	map_release(&b.tables);
	share_release(&b.share);
	arena_release(&b.tmp);
	arena_release(&b.arena);
	if (b.err != HG_OK) {
		blob_writer_free(b.w);
		blob_writer_free(b.secrets);
	} else {
		*out = b.w;
		*secrets = b.secrets;
	}
	return b.err;
}

enum hg_err
build_image(const struct model *m, struct blob_writer **out, struct build_stats *stats)
{
	struct blob_writer *secrets;
	enum hg_err e = build_all(m, out, &secrets, stats);

	blob_writer_free(secrets);
	return e;
}
