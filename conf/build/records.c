/*
 * records.c - routes, rules, backends, clusters, filters, settings: each model object becomes one
 * record, equal ones become the same. Records are cleared before they are filled, since share.c
 * compares bytes. A route is written when the first listener reaches it, so rules that no traffic
 * can reach cost nothing.
 */
#include "base/field.h"
#include "base/mem.h"
#include "conf/build/parts.h"
#include "shm/image.h"

void
records_settings(struct build *b)
{
	CLEARED(struct im_settings, s);

	s = b->m->settings;
	memset(s.pad, 0, sizeof(s.pad));
	s.server = blob_put_text(
	    b->w, image_plain_ok(b->m->server, 512, false) ? b->m->server : BYTES_NONE);
	s.via = blob_put_text(b->w, b->m->via);
	(void)blob_add(b->w, IM_SETTINGS, &s, 1, sizeof(s));
	for (uint32_t i = 0; i < b->m->ngateways; i++) {
		struct im_gateway g = {blob_put_text(b->w, b->m->gateways[i].ns),
		    blob_put_text(b->w, b->m->gateways[i].name),
		    tls_cert_record(b, b->m->gateways[i].cert)};

		(void)blob_add(b->w, IM_GATEWAY, &g, 1, sizeof(g));
	}
}

static struct im_range
endpoints_add(struct build *b, const struct m_cluster *c)
{
	struct im_endpoint *v = arena_zalloc(&b->tmp, (c->nendpoints + 1) * sizeof(*v));
	struct im_range r = {0, 0};

	for (uint32_t k = 0; k < c->nendpoints; k++) {
		const struct m_endpoint *e = &c->endpoints[k];
		uint32_t i = r.n;

		if (!image_plain_ok(
			e->unix_path, 107, false)) /* sun_path; cannot be connected to */
			continue;
		r.n++;
		v[i].addr = e->addr;
		v[i].id = e->id;
		v[i].weight = e->weight;
		v[i].unix_path = blob_put_text(b->w, e->unix_path);
		v[i].host = blob_put_text(b->w, e->host);
	}
	r.first = SHARE(b, IM_ENDPOINT, v, r.n);
	arena_reset(&b->tmp);
	return r;
}

void
records_clusters(struct build *b)
{
	for (uint32_t i = 0; i < b->m->nclusters; i++) {
		struct m_cluster *c = b->m->clusters[i];
		CLEARED(struct im_cluster, r);

		r.id = c->id;
		r.name = blob_put_text(b->w, c->name);
		r.endpoints = endpoints_add(b, c);
		r.dns = c->dns.p ? c->dns_slot : IM_NONE;
		r.dns_name = blob_put_text(b->w, c->dns);
		r.tls = tls_up_record(b, c->tls);
		r.port = c->port;
		r.proto = c->proto;
		c->index = blob_add(b->w, IM_CLUSTER, &r, 1, sizeof(r));
	}
}

/* ---- filters */

/* Schema and resolve let texts pass that must not reach a head: such a rule answers 500, the others
 * serve. */
static bool
odd_if(struct build *b, bool odd)
{
	b->odd |= odd;
	return odd;
}

static bool
filter_odd(const struct m_filter *f)
{
	for (uint32_t i = 0; f->type <= IM_F_RESPONSE_HEADERS && i < f->nedits; i++)
		if (!image_token_ok(f->edits[i].name) ||
		    !image_plain_ok(f->edits[i].value, IMAGE_VALUE_BYTES, false))
			return true;
	if (f->type == IM_F_REDIRECT)
		return !image_plain_ok(f->redirect.host, 255, true) ||
		    !image_path_ok(f->redirect.path) || !image_path_ok(f->redirect.prefix);
	if (f->type == IM_F_REWRITE)
		return !image_plain_ok(f->rewrite.host, 255, true) ||
		    !image_path_ok(f->rewrite.path) || !image_path_ok(f->rewrite.prefix);
	if (f->type != IM_F_CORS)
		return false;
	for (uint32_t i = 0; i < f->cors.norigins; i++)
		if (!image_plain_ok(f->cors.origins[i], IMAGE_VALUE_BYTES, false))
			return true;
	return !image_plain_ok(f->cors.methods, IMAGE_VALUE_BYTES, false) ||
	    !image_plain_ok(f->cors.headers, IMAGE_VALUE_BYTES, false) ||
	    !image_plain_ok(f->cors.expose, IMAGE_VALUE_BYTES, false);
}

struct im_range
records_strings(struct build *b, const struct bytes *v, uint32_t n)
{
	struct im_str *s = mem_alloc((n + 1) * sizeof(*s));
	struct im_range r = {0, n};

	for (uint32_t i = 0; i < n; i++)
		s[i] = blob_put_text(b->w, v[i]);
	r.first = SHARE(b, IM_STRING, s, n);
	mem_free(s);
	return r;
}

struct im_range
records_edits(struct build *b, const struct m_edit *e, uint32_t n)
{
	struct im_edit *v = mem_zalloc((n + 1) * sizeof(*v));
	struct im_range r = {0, n};

	for (uint32_t i = 0; i < n; i++) {
		v[i].op = e[i].op;
		v[i].field = (uint8_t)field_id(e[i].name);
		v[i].name = blob_put_text(b->w, e[i].name);
		v[i].value =
		    blob_put_text(b->w, e[i].op == IM_REMOVE ? BYTES_NONE : e[i].value);
	}
	r.first = SHARE(b, IM_EDIT, v, r.n);
	mem_free(v);
	return r;
}

uint32_t
records_redirect(struct build *b, const struct m_filter *f)
{
	CLEARED(struct im_redirect, r);

	r.host = blob_put_text(b->w, f->redirect.host);
	r.path = blob_put_text(b->w, f->redirect.path);
	r.prefix = blob_put_text(b->w, f->redirect.prefix);
	r.status = f->redirect.status;
	r.port = f->redirect.port;
	r.scheme = f->redirect.scheme;
	r.pathop = f->redirect.pathop;
	return SHARE(b, IM_REDIRECT, &r, 1);
}

static uint32_t
rewrite_add(struct build *b, const struct m_filter *f)
{
	CLEARED(struct im_rewrite, r);

	r.host = blob_put_text(b->w, f->rewrite.host);
	r.path = blob_put_text(b->w, f->rewrite.path);
	r.prefix = blob_put_text(b->w, f->rewrite.prefix);
	r.pathop = f->rewrite.pathop;
	return SHARE(b, IM_REWRITE, &r, 1);
}

static uint32_t
cors_add(struct build *b, const struct m_filter *f)
{
	CLEARED(struct im_cors, r);

	r.origins = records_strings(b, f->cors.origins, f->cors.norigins);
	r.methods = blob_put_text(b->w, f->cors.methods);
	r.headers = blob_put_text(b->w, f->cors.headers);
	r.expose = blob_put_text(b->w, f->cors.expose);
	r.max_age_s = f->cors.max_age_s;
	r.credentials = f->cors.credentials;
	return SHARE(b, IM_CORS, &r, 1);
}

static uint32_t
mirror_add(struct build *b, const struct m_filter *f)
{
	struct im_mirror r = {f->mirror.cluster->index, f->mirror.num, f->mirror.den};

	return SHARE(b, IM_MIRROR, &r, 1);
}

static struct im_range
filters_add(struct build *b, const struct m_filter *f, uint32_t n)
{
	struct im_filter *v;
	struct im_range r = {0, 0};

	if (n == 0)
		return r;
	v = mem_zalloc(n * sizeof(*v));
	for (uint32_t i = 0; i < n; i++, f++) {
		struct im_range arg = {0, 1};

		if (odd_if(b, filter_odd(f)))
			continue;

		switch ((enum im_filtertype)f->type) {
		case IM_F_REQUEST_HEADERS:
		case IM_F_RESPONSE_HEADERS:
			arg = records_edits(b, f->edits, f->nedits);
			break;
		case IM_F_REDIRECT:
			arg.first = records_redirect(b, f);
			break;
		case IM_F_REWRITE:
			arg.first = rewrite_add(b, f);
			break;
		case IM_F_MIRROR:
			if (!f->mirror
				 .cluster) /* a mirror that resolve found invalid mirrors nothing */
				continue;
			arg.first = mirror_add(b, f);
			break;
		case IM_F_CORS:
			arg.first = cors_add(b, f);
			break;
		default:
			b->err = HG_ERR_INVALID;
		}
		v[r.n].type = f->type;
		v[r.n++].arg = arg;
	}
	r.first = SHARE(b, IM_FILTER, v, r.n);
	mem_free(v);
	return r;
}

/* ---- rules */

static uint32_t
persist_add(struct build *b, const struct m_persist *p)
{
	CLEARED(struct im_persist, r);

	if (!p ||
	    odd_if(b, !image_token_ok(p->name) || !image_plain_ok(p->path, IM_PATH_MAX, true)))
		return IM_NONE;
	r.name = blob_put_text(b->w, p->name);
	r.path = blob_put_text(b->w, p->path);
	r.absolute_s = p->absolute_s;
	r.type = p->type;
	r.permanent = p->permanent;
	return SHARE(b, IM_PERSIST, &r, 1);
}

static uint32_t
retry_add(struct build *b, const struct m_retry *p)
{
	CLEARED(struct im_retry, r);

	if (!p)
		return IM_NONE;
	r.attempts = p->attempts;
	r.backoff_ms = p->backoff_ms;
	r.backoff_max_ms = p->backoff_max_ms;
	r.triggers = p->triggers;
	r.grpc = p->grpc;
	r.full_jitter = p->full_jitter;
	for (uint32_t i = 0; i < p->ncodes; i++) {
		unsigned bit = p->codes[i] - 400u;

		if (bit < sizeof(r.codes) * 8)
			r.codes[bit / 32] |= 1u << bit % 32;
	}
	return SHARE(b, IM_RETRY, &r, 1);
}

static struct im_range
backends_add(struct build *b, const struct m_rule *rule, uint32_t *weight)
{
	struct im_range r = {0, rule->nbackends};
	struct im_backend *v;
	uint64_t sum = 0;

	*weight = 0;
	if (r.n == 0)
		return r;
	v = mem_zalloc(r.n * sizeof(*v));
	for (uint32_t i = 0; i < r.n; i++) {
		const struct m_backend *from = &rule->backends[i];

		v[i].weight = from->weight;
		v[i].error =
		    (uint16_t)(from->cluster || from->error ? from->error : HG_ERR_NO_BACKEND);
		v[i].cluster = from->cluster ? from->cluster->index : IM_NONE;
		v[i].filters = filters_add(b, from->filters, from->nfilters);
		v[i].persist = persist_add(b, from->persist);
		v[i].fallback = from->fallback;
		sum += from->weight;
	}
	if (sum > UINT32_MAX)
		b->err = HG_ERR_RANGE;
	*weight = (uint32_t)sum;
	r.first = SHARE(b, IM_BACKEND, v, r.n);
	mem_free(v);
	return r;
}

/* What the rule says itself goes before its policy (reference/policies.md 12); a retry of its own
 * as a whole. */
static uint32_t
rule_add(struct build *b, const struct m_rule *rule, struct m_policy *policy, uint32_t route)
{
	CLEARED(struct im_rule, r);

	b->odd = false;
	r.id = rule->id;
	r.route = route;
	r.filters = filters_add(b, rule->filters, rule->nfilters);
	r.backends = backends_add(b, rule, &r.weight);
	r.request_ms = rule->request_ms;
	r.backend_ms = rule->backend_ms;
	r.retry = retry_add(b, rule->retry);
	r.persist = persist_add(b, rule->persist);
	r.policy = policy_record(b, policy);
	r.index = rule->index;
	if (policy && r.request_ms == 0)
		r.request_ms = policy->request_ms;
	if (policy && !rule->retry) {
		r.retry = retry_add(b, policy->retry);
		if (r.backend_ms == 0)
			r.backend_ms = policy->try_ms;
	}
	r.error = (uint16_t)(b->odd && !rule->error ? HG_ERR_BAD_RULE : rule->error);
	if (policy && policy->invalid && !r.error)
		r.error = HG_ERR_BAD_RULE;
	return blob_add(b->w, IM_RULE, &r, 1, sizeof(r));
}

static uint64_t
route_key(const struct m_route *route)
{
	uint64_t h = hash_byte(HASH_SEED, route->kind);

	h = hash_byte(hash_more(h, route->ns.p, route->ns.n), '/');
	return hash_mix(hash_more(h, route->name.p, route->name.n));
}

void
records_route(struct build *b, uint32_t rank)
{
	struct build_variant *v = &b->ranked[rank], *first = &b->ranked[v->route->index];
	const struct m_route *route = v->route;

	if (v->rules)
		return;
	if (first->image == IM_NONE) {
		CLEARED(struct im_route, r);

		r.ns = blob_put_text(b->w, route->ns);
		r.name = blob_put_text(b->w, route->name);
		r.kind = route->kind;
		r.key = route_key(route);
		first->image = blob_add(b->w, IM_ROUTE, &r, 1, sizeof(r));
	}
	v->rules = arena_alloc(&b->arena, (route->nrules + 1) * sizeof(*v->rules));
	for (uint32_t i = 0; i < route->nrules; i++)
		v->rules[i] = rule_add(b, &route->rules[i], v->policies ? v->policies[i] : NULL,
		    first->image);
}
