/*
 * image.c - typed views of a generation image, and the check that lets the hot path test nothing.
 *
 * One checker a record type, in a table made from IM_SECTIONS: a new section does not link without
 * its own. A record is checked by itself (enum in range, indices inside their section, ranges,
 * texts); what a record says about a range of others (a host table's values, a predicate's values)
 * is checked in parts, one entry a step, so that slices stay small however large a table is.
 *
 * The check is about safety, not about meaning: an image that passes may route to the wrong
 * backend, but cannot make a reader leave its mapping, loop for ever, or write a malformed header
 * or path upstream. Links point forward only, so chains end; probes are bounded by their table's
 * mask in route.c. Rejected: testing indices at each use (a branch a field on the hot path, and one
 * of them is forgotten).
 */
#include "shm/image.h"

#include <stdio.h>

#include "base/check.h"
#include "base/err.h"
#include "base/hash.h"
#include "shm/board.h"
#include "shm/image_parts.h"
#include "shm/slot.h"

#define REGEX_BYTES 8192u
#define LIST_MAX 4096u      /* backends or filters of one rule, checked in one go */

uint64_t
image_layout(void)
{
	uint64_t h = HASH_SEED;

#define SEC(name, type, member) \
	h = hash_more(h, #name, sizeof(#name)); \
	h = hash_mix(h ^ sizeof(type));
	IM_SECTIONS(SEC)
#undef SEC
	return h;
}

enum hg_err
image_open(int fd, struct image *out)
{
	enum hg_err err;

	*out = (struct image){0};
	if ((err = blob_open(fd, BLOB_IMAGE, image_layout(), &out->blob)) != HG_OK)
		return err;
#define SEC(name, type, member) \
	out->member = blob_records(&out->blob, IM_##name, sizeof(type), &out->n_##member); \
	if (!out->member && IM_##name < out->blob.head->nsections && \
	    out->blob.head->sections[IM_##name].count != 0) \
		err = HG_ERR_INVALID;
	IM_SECTIONS(SEC)
#undef SEC
	if (err != HG_OK)
		image_close(out);
	return err;
}

void
image_close(struct image *im)
{
	blob_close(&im->blob);
	*im = (struct image){0};
}

const char *
image_cstr(const struct image *im, struct im_str s, char room[IMAGE_CSTR])
{
	struct bytes b = image_text(im, s);

	if (!b.p || b.n >= IMAGE_CSTR)
		return NULL;
	memcpy(room, b.p, b.n);
	room[b.n] = '\0';
	return room;
}

/* ---- small checks */

bool
image_plain_ok(struct bytes b, size_t max, bool solid)
{
	for (size_t i = 0; i < b.n && b.n <= max; i++) {
		unsigned char c = (unsigned char)b.p[i];

		if (c < 0x20 ? c != '\t' || solid : c == 0x7f || (solid && c == ' '))
			return false;
	}
	return b.n <= max;
}

bool
image_token_ok(struct bytes b)
{
	static const char other[] = "!#$%&'*+-.^_`|~";

	for (size_t i = 0; i < b.n && b.n <= FIELD_NAME_BYTES; i++) {
		char c = b.p[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    (c != '\0' && strchr(other, c))))
			return false;
	}
	return b.n != 0 && b.n <= FIELD_NAME_BYTES;
}

bool
image_path_ok(struct bytes b)
{
	return image_plain_ok(b, IM_PATH_MAX, true) && (b.n == 0 || b.p[0] == '/');
}

static bool
lower_ok(const struct image *im, struct im_str s)
{
	struct bytes b = image_text(im, s);

	for (size_t i = 0; i < b.n; i++)
		if (b.p[i] >= 'A' && b.p[i] <= 'Z')
			return false;
	return true;
}

static bool
path_ok(const struct image *im, struct im_str s)
{
	return text_ok(im, s, IM_PATH_MAX) && image_path_ok(image_text(im, s));
}

static bool
hosttab_ok(const struct image *im, const struct im_hosttab *t, uint32_t values)
{
	if (!index_ok(t->any, values))
		return false;
	if (t->mask == IM_NONE)
		return true;
	return (t->mask & (t->mask + 1)) == 0 && t->mask < im->n_hosts &&
	    t->first < im->n_hosts - t->mask;
}

static uint32_t
hosttab_size(const struct im_hosttab *t)
{
	return t->mask == IM_NONE ? 0 : t->mask + 1;
}

static bool
groupref_ok(const struct image *im, uint32_t ref)
{
	if (ref == IM_NONE)
		return true;
	if (ref & IM_DIRECT)
		return (ref & ~IM_DIRECT) < im->n_items;
	return ref & IM_VIA_SWITCH ? (ref & ~IM_VIA_SWITCH) < im->n_switches : ref < im->n_groups;
}

/* From switch i: to any group or item, to later switches. */
static bool
switchref_ok(const struct image *im, uint32_t ref, uint32_t i)
{
	if (!groupref_ok(im, ref))
		return false;
	return ref & IM_DIRECT || !(ref & IM_VIA_SWITCH) || (ref & ~IM_VIA_SWITCH) > i;
}

static bool
pathop_ok(const struct image *im, uint8_t op, struct im_str path, struct im_str prefix)
{
	if (op > IM_PATH_PREFIX || !path_ok(im, path) || !path_ok(im, prefix))
		return false;
	return (op == IM_PATH_KEEP || path.off != IM_NONE) &&
	    (op != IM_PATH_PREFIX || prefix.off != IM_NONE);
}

/* ---- one record each: NULL, or what is wrong */

#define CHECK(member) static const char *check_##member(const struct image *im, uint32_t i)

CHECK(settings)
{
	const struct im_settings *s = &im->settings[i];

	NEED(im->n_settings == 1, "more than one");
#define LIM(m, def, lo, hi, unit, doc) NEED(s->m >= (lo) && s->m <= (hi), #m);
	IM_LIMITS(LIM)
#undef LIM
	NEED(s->access_log <= IM_LOG_COMBINED, "access_log");
	NEED(plain_ok(im, s->server, NAME_BYTES, false), "server");
	NEED(plain_ok(im, s->via, NAME_BYTES, true), "via");
	return NULL;
}

CHECK(gateways)
{
	NEED(plain_ok(im, im->gateways[i].ns, NAME_BYTES, true), "ns");
	NEED(plain_ok(im, im->gateways[i].name, NAME_BYTES, true), "name");
	NEED(index_ok(im->gateways[i].cert, im->n_certs), "cert");
	return NULL;
}

CHECK(sockets)
{
	const struct im_socket *s = &im->sockets[i];

	NEED(hosttab_ok(im, &s->listeners, im->n_listeners), "listeners");
	NEED(s->addr.family == 4 || s->addr.family == 6, "addr");
	NEED(s->transport >= IM_TCP && s->transport <= IM_UDP, "transport");
	NEED(s->protocol >= IM_HTTP && s->protocol <= IM_RAW_UDP, "protocol");
	NEED(s->id < SLOT_IDS, "id");
	NEED(s->proxy <= IM_PROXY_OPTIONAL, "proxy");
	NEED(index_ok(s->client, im->n_clients), "client");
	NEED(index_ok(s->listener, im->n_listeners), "listener");
	return NULL;
}

CHECK(listeners)
{
	const struct im_listener *l = &im->listeners[i];

	NEED(hosttab_ok(im, &l->http, im->n_trees), "http");
	NEED(hosttab_ok(im, &l->grpc, im->n_trees), "grpc");
	NEED(hosttab_ok(im, &l->l4, im->n_rules), "l4");
	NEED(l->id < SLOT_IDS, "id");
	NEED(l->gateway < im->n_gateways, "gateway");
	NEED(plain_ok(im, l->name, NAME_BYTES, true), "name");
	NEED(plain_ok(im, l->hostname, NAME_BYTES, true), "hostname");
	NEED(l->protocol >= IM_HTTP && l->protocol <= IM_RAW_UDP, "protocol");
	NEED(index_ok(l->tls, im->n_tls), "tls");
	NEED(l->protocol != IM_HTTPS || l->tls != IM_NONE || l->flags & IM_L_BROKEN, "tls");
	NEED(index_ok(l->client, im->n_clients), "client");
	NEED(range_ok(l->sources, im->n_cidrs), "sources");
	return NULL;
}

CHECK(hosts)
{
	const struct im_host *h = &im->hosts[i];

	NEED(h->value == IM_NONE || (h->name.off != IM_NONE && h->name.len != 0), "name");
	NEED(plain_ok(im, h->name, NAME_BYTES, true), "name");
	return NULL;
}

CHECK(trees)
{
	const struct im_tree *t = &im->trees[i];

	NEED(t->mask == IM_NONE || ((t->mask & (t->mask + 1)) == 0 && t->mask < im->n_paths &&
	    t->first < im->n_paths - t->mask), "table");
	return NULL;
}

CHECK(paths)
{
	const struct im_path *p = &im->paths[i];

	if (p->path.off == IM_NONE)
		return NULL;
	NEED(text_ok(im, p->path, IM_PATH_MAX), "path");
	NEED(groupref_ok(im, p->exact) && groupref_ok(im, p->prefix), "group");
	NEED(range_ok(p->regexes, im->n_regexpaths), "regexes");
	return NULL;
}

CHECK(regexpaths)
{
	const struct im_regexpath *r = &im->regexpaths[i];

	NEED(r->regex < im->n_regexes, "regex");
	NEED(r->order != IM_NONE, "order");
	NEED(r->group != IM_NONE && groupref_ok(im, r->group), "group");
	return NULL;
}

CHECK(groups)
{
	const struct im_group *g = &im->groups[i];
	uint32_t n = (uint32_t)__builtin_popcountll(g->all);

	NEED(g->all != 0 && (g->all & (g->all + 1)) == 0, "bits");
	NEED(g->items < im->n_items && n <= im->n_items - g->items, "items");
	NEED(range_ok(g->preds, im->n_preds), "preds");
	NEED(g->next == IM_NONE || (g->next > i && g->next < im->n_groups), "next");
	return NULL;
}

static bool
key_ok(const struct image *im, uint8_t kind, uint8_t field, struct im_str name)
{
	if (kind < IM_P_METHOD || kind > IM_P_QUERY || field >= FIELD_COUNT)
		return false;
	if (kind != IM_P_METHOD && (name.off == IM_NONE || name.len == 0))
		return false;
	if (kind == IM_P_HEADER)
		return token_ok(im, name) && lower_ok(im, name) &&
		    field == field_id(image_text(im, name));
	return text_ok(im, name, FIELD_VALUE_BYTES);
}

CHECK(switches)
{
	const struct im_switch *s = &im->switches[i];

	NEED(key_ok(im, s->kind, s->field, s->name), "key");
	NEED((s->mask & (s->mask + 1)) == 0 && s->mask < im->n_cases &&
		s->first < im->n_cases - s->mask,
	    "table");
	NEED(switchref_ok(im, s->rest, i), "rest");
	return NULL;
}

CHECK(cases)
{
	NEED(groupref_ok(im, im->cases[i].group), "group");
	NEED(text_ok(im, im->cases[i].text, FIELD_VALUE_BYTES), "text");
	return NULL;
}

CHECK(preds)
{
	const struct im_pred *p = &im->preds[i];

	NEED(key_ok(im, p->kind, p->field, p->name), "key");
	NEED(range_ok(p->values, im->n_predvalues) && p->nexact <= p->values.n, "values");
	return NULL;
}

CHECK(predvalues)
{
	const struct im_predvalue *v = &im->predvalues[i];

	NEED(v->regex == IM_NONE ? v->text.off != IM_NONE : v->regex < im->n_regexes, "value");
	NEED(text_ok(im, v->text, FIELD_VALUE_BYTES), "text");
	return NULL;
}

CHECK(items)
{
	NEED(im->items[i].rule < im->n_rules, "rule");
	return NULL;
}

CHECK(routes)
{
	const struct im_route *r = &im->routes[i];

	NEED(r->kind >= IM_HTTPROUTE && r->kind <= IM_UDPROUTE, "kind");
	NEED(plain_ok(im, r->ns, NAME_BYTES, true) && plain_ok(im, r->name, NAME_BYTES, true),
	    "name");
	return NULL;
}

CHECK(rules)
{
	const struct im_rule *r = &im->rules[i];
	uint64_t weight = 0;

	NEED(r->id < SLOT_IDS, "id");
	NEED(r->route < im->n_routes, "route");
	NEED(range_ok(r->filters, im->n_filters) && r->filters.n <= LIST_MAX, "filters");
	NEED(range_ok(r->backends, im->n_backends) && r->backends.n <= LIST_MAX, "backends");
	for (uint32_t k = 0; k < r->backends.n; k++)
		weight += im->backends[r->backends.first + k].weight;
	NEED(weight == r->weight, "weight");
	NEED(index_ok(r->retry, im->n_retries), "retry");
	NEED(index_ok(r->persist, im->n_persists), "persist");
	NEED(index_ok(r->policy, im->n_policies), "policy");
	NEED(r->error < HG_ERR_COUNT, "error");
	return NULL;
}

CHECK(backends)
{
	const struct im_backend *b = &im->backends[i];

	NEED(b->error < HG_ERR_COUNT, "error");
	NEED(b->error == HG_OK ? b->cluster < im->n_clusters : index_ok(b->cluster, im->n_clusters),
	    "cluster");
	NEED(range_ok(b->filters, im->n_filters) && b->filters.n <= LIST_MAX, "filters");
	NEED(index_ok(b->persist, im->n_persists), "persist");
	NEED(b->fallback <= 1, "fallback");
	return NULL;
}

CHECK(clusters)
{
	const struct im_cluster *c = &im->clusters[i];

	NEED(c->id < SLOT_IDS, "id");
	NEED(plain_ok(im, c->name, 2 * NAME_BYTES, true), "name");
	NEED(range_ok(c->endpoints, im->n_endpoints), "endpoints");
	NEED(index_ok(c->dns, NAMES_SLOTS), "dns");
	NEED(c->dns == IM_NONE || (c->dns_name.off != IM_NONE && c->dns_name.len != 0), "dns_name");
	NEED(plain_ok(im, c->dns_name, 255, true), "dns_name");
	NEED(index_ok(c->tls, im->n_uptls), "tls");
	NEED(c->proto >= IM_UP_H1 && c->proto <= IM_UP_UDP, "proto");
	return NULL;
}

CHECK(endpoints)
{
	const struct im_endpoint *e = &im->endpoints[i];

	NEED(e->id < SLOT_IDS, "id");
	/* sun_path has 108 bytes with its NUL. */
	NEED(plain_ok(im, e->unix_path, 107, false), "unix_path");
	NEED(e->unix_path.off != IM_NONE ? e->unix_path.len != 0 :
	    e->addr.family == 4 || e->addr.family == 6 || e->addr.family == 0, "addr");
	NEED(plain_ok(im, e->host, 255, true), "host");
	return NULL;
}

CHECK(filters)
{
	const struct im_filter *f = &im->filters[i];
	const uint32_t n[] = {[IM_F_REQUEST_HEADERS] = im->n_edits,
	    [IM_F_RESPONSE_HEADERS] = im->n_edits,
	    [IM_F_REDIRECT] = im->n_redirects,
	    [IM_F_REWRITE] = im->n_rewrites,
	    [IM_F_MIRROR] = im->n_mirrors,
	    [IM_F_CORS] = im->n_cors};

	NEED(f->type >= IM_F_REQUEST_HEADERS && f->type <= IM_F_CORS, "type");
	NEED(range_ok(f->arg, n[f->type]), "arg");
	NEED(f->type <= IM_F_RESPONSE_HEADERS || f->arg.n == 1, "arg");
	return NULL;
}

CHECK(edits)
{
	const struct im_edit *e = &im->edits[i];

	NEED(e->op >= IM_SET && e->op <= IM_REMOVE_SUFFIX, "op");
	NEED(token_ok(im, e->name), "name");
	NEED(e->field == field_id(image_text(im, e->name)), "field");
	NEED(plain_ok(im, e->value, FIELD_VALUE_BYTES, false), "value");
	NEED(e->op == IM_REMOVE || e->op >= IM_REMOVE_PREFIX || e->value.off != IM_NONE, "value");
	return NULL;
}

CHECK(redirects)
{
	const struct im_redirect *r = &im->redirects[i];

	NEED(r->status >= 300 && r->status <= 399, "status");
	NEED(r->scheme <= 2, "scheme");
	NEED(plain_ok(im, r->host, 255, true), "host");
	NEED(pathop_ok(im, r->pathop, r->path, r->prefix), "path");
	return NULL;
}

CHECK(rewrites)
{
	const struct im_rewrite *r = &im->rewrites[i];

	NEED(plain_ok(im, r->host, 255, true), "host");
	NEED(pathop_ok(im, r->pathop, r->path, r->prefix), "path");
	return NULL;
}

CHECK(mirrors)
{
	const struct im_mirror *m = &im->mirrors[i];

	NEED(m->cluster < im->n_clusters, "cluster");
	NEED(m->den != 0 && m->num <= m->den, "share");
	return NULL;
}

CHECK(cors)
{
	const struct im_cors *c = &im->cors[i];

	NEED(range_ok(c->origins, im->n_strings), "origins");
	NEED(plain_ok(im, c->methods, FIELD_VALUE_BYTES, false), "methods");
	NEED(plain_ok(im, c->headers, FIELD_VALUE_BYTES, false), "headers");
	NEED(plain_ok(im, c->expose, FIELD_VALUE_BYTES, false), "expose");
	NEED(c->credentials <= 1, "credentials");
	return NULL;
}

CHECK(retries)
{
	NEED(im->retries[i].attempts <= 1000, "attempts");
	NEED(im->retries[i].full_jitter <= 1, "full_jitter");
	return NULL;
}

CHECK(persists)
{
	const struct im_persist *p = &im->persists[i];

	NEED(p->type >= IM_PERSIST_COOKIE && p->type <= IM_PERSIST_HEADER, "type");
	NEED(p->permanent <= 1, "permanent");
	NEED(token_ok(im, p->name), "name");
	NEED(plain_ok(im, p->path, IM_PATH_MAX, true), "path");
	return NULL;
}

CHECK(strings)
{
	NEED(im->strings[i].off != IM_NONE, "absent");
	NEED(plain_ok(im, im->strings[i], FIELD_VALUE_BYTES, false), "text");
	return NULL;
}

CHECK(regexes)
{
	NEED(im->regexes[i].off != IM_NONE && im->regexes[i].len != 0, "absent");
	NEED(text_ok(im, im->regexes[i], REGEX_BYTES), "text");
	return NULL;
}

/* Those of policies stand in image_policy.c. */
#define SEC(NAME, type, member) \
	CHECK(member) \
	{ \
		return image_check_##member(im, i); \
	}
IM_SECTIONS_POLICY(SEC)
IM_SECTIONS_TLS(SEC)
#undef SEC

/* ---- what a record says about others, entry by entry */

static const char *
table_part(const struct image *im, const struct im_hosttab *t, uint32_t k, uint32_t values)
{
	return index_ok(im->hosts[t->first + k].value, values) ? NULL : "table value";
}

static uint32_t
parts_sockets(const struct image *im, uint32_t i)
{
	return hosttab_size(&im->sockets[i].listeners);
}

static const char *
part_sockets(const struct image *im, uint32_t i, uint32_t k)
{
	return table_part(im, &im->sockets[i].listeners, k, im->n_listeners);
}

static uint32_t
parts_listeners(const struct image *im, uint32_t i)
{
	const struct im_listener *l = &im->listeners[i];

	return hosttab_size(&l->http) + hosttab_size(&l->grpc) + hosttab_size(&l->l4);
}

static const char *
part_listeners(const struct image *im, uint32_t i, uint32_t k)
{
	const struct im_listener *l = &im->listeners[i];
	const struct {
		const struct im_hosttab *t;
		uint32_t values;
	} tables[] = {{&l->http, im->n_trees}, {&l->grpc, im->n_trees}, {&l->l4, im->n_rules}};

	for (unsigned t = 0;; t++) {
		uint32_t n = hosttab_size(tables[t].t);

		if (k < n)
			return table_part(im, tables[t].t, k, tables[t].values);
		k -= n;
	}
}

static uint32_t
parts_switches(const struct image *im, uint32_t i)
{
	return im->switches[i].mask + 1;
}

static const char *
part_switches(const struct image *im, uint32_t i, uint32_t k)
{
	return switchref_ok(im, im->cases[im->switches[i].first + k].group, i) ? NULL :
										 "case points back";
}

static uint32_t
parts_preds(const struct image *im, uint32_t i)
{
	return im->preds[i].values.n;
}

static const char *
part_preds(const struct image *im, uint32_t i, uint32_t k)
{
	const struct im_pred *p = &im->preds[i];
	const struct im_predvalue *v = &im->predvalues[p->values.first + k];

	NEED((v->regex == IM_NONE) == (k < p->nexact), "pattern among values");
	NEED(k == 0 || k >= p->nexact || v[-1].hash <= v->hash, "values not sorted");
	return NULL;
}

struct checker {
	const char *name;
	const char *(*record)(const struct image *, uint32_t i);
	uint32_t (*parts)(const struct image *, uint32_t i);
	const char *(*part)(const struct image *, uint32_t i, uint32_t k);
};

static const struct checker checkers[IM_SECTION_COUNT] = {
#define SEC(NAME, type, member) [IM_##NAME] = {#member, check_##member, NULL, NULL},
	IM_SECTIONS(SEC)
#undef SEC
};

/* Those that say something about a range of others. */
static const struct {
	unsigned section;
	uint32_t (*parts)(const struct image *, uint32_t i);
	const char *(*part)(const struct image *, uint32_t i, uint32_t k);
} owners[] = {
    {IM_SOCKET, parts_sockets, part_sockets},
    {IM_LISTENER, parts_listeners, part_listeners},
    {IM_SWITCH, parts_switches, part_switches},
    {IM_PRED, parts_preds, part_preds},
};

static struct checker
checker_of(unsigned section)
{
	struct checker c = checkers[section];

	for (size_t i = 0; i < HG_ARRAY_LEN(owners); i++)
		if (owners[i].section == section) {
			c.parts = owners[i].parts;
			c.part = owners[i].part;
		}
	return c;
}

/* The place in the check: section, record and part, packed. A section has < 2^28 records
 * (BLOB_MAX). */
#define POS(section, i, k) ((uint64_t)(section) << 56 | (uint64_t)(i) << 28 | (k))
#define POS_MASK 0xfffffffu

static uint32_t
section_count(const struct image *im, unsigned section)
{
	return section < im->blob.head->nsections ? im->blob.head->sections[section].count : 0;
}

static enum hg_err
check_failed_at(const struct checker *c, uint32_t i, const char *bad, char why[128])
{
	(void)snprintf(why, 128, "%s[%u]: %s", c->name, i, bad);
	return HG_ERR_INVALID;
}

enum hg_err
image_check(const struct image *im, uint64_t *pos, uint32_t budget, char why[128])
{
	unsigned section = (unsigned)(*pos >> 56) ? (unsigned)(*pos >> 56) : 1;
	uint32_t i = (uint32_t)(*pos >> 28) & POS_MASK, k = (uint32_t)*pos & POS_MASK;

	budget = HG_MAX(budget, 2u); /* a record and a part: each call gets on */
	if (im->n_settings != 1)
		return check_failed_at(&checkers[IM_SETTINGS], 0, "not one record", why);
	for (; section < IM_SECTION_COUNT; section++, i = 0) {
		struct checker c = checker_of(section);

		for (; i < section_count(im, section); i++, k = 0) {
			const char *bad = NULL;
			uint32_t parts;

			*pos = POS(section, i, k);
			if (budget == 0)
				return HG_ERR_AGAIN;
			budget--;
			if (k == 0 && (bad = c.record(im, i)) != NULL)
				return check_failed_at(&c, i, bad, why);
			parts = c.parts ? c.parts(im, i) : 0;
			for (; k < parts && budget != 0 && !bad; k++, budget--)
				bad = c.part(im, i, k);
			if (bad)
				return check_failed_at(&c, i, bad, why);
			*pos = POS(section, i, k);
			if (k < parts)
				return HG_ERR_AGAIN;
		}
	}
	return HG_OK;
}
