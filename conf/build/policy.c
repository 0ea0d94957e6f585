/*
 * policy.c - policies of the model as records. A policy is written when the first rule or listener
 * names it; parts that are equal, whoever wrote them, are one record.
 */
#include "base/field.h"
#include "base/mem.h"
#include "conf/build/parts.h"

static struct im_range
ranges(struct build *b, const struct im_statusrange *v, uint32_t n)
{
	return (struct im_range){SHARE(b, IM_STATUSRANGE, v, n), n};
}

static struct im_range
keys(struct build *b, const struct m_limitkey *v, uint32_t n)
{
	struct im_limitkey *k = mem_zalloc((n + 1) * sizeof(*k));
	struct im_range r = {0, n};

	for (uint32_t i = 0; i < n; i++) {
		struct im_str text = blob_put_text(b->w, v[i].value);

		k[i].kind = v[i].kind;
		k[i].match = v[i].match;
		k[i].invert = v[i].invert;
		k[i].name = blob_put_text(b->w, v[i].name);
		k[i].value = text;
		k[i].regex = k[i].cidr = IM_NONE;
		k[i].field = v[i].kind == IM_LK_HEADER ? (uint8_t)field_id(v[i].name) : 0;
		if (v[i].match == IM_LM_REGEX)
			k[i].regex = SHARE(b, IM_REGEX, &text, 1);
		if (v[i].kind == IM_LK_CIDR)
			k[i].cidr = SHARE(b, IM_CIDR, &v[i].cidr, 1);
	}
	r.first = SHARE(b, IM_LIMITKEY, k, n);
	mem_free(k);
	return r;
}

static struct im_range
limits(struct build *b, const struct m_policy *m)
{
	struct im_limit *v = mem_zalloc((m->nlimits + 1) * sizeof(*v));
	struct im_range r = {0, m->nlimits};

	for (uint32_t i = 0; i < m->nlimits; i++) {
		v[i] = m->limits[i].rec;
		v[i].keys = keys(b, m->limits[i].keys, m->limits[i].nkeys);
		v[i].response_header = blob_put_text(b->w, m->limits[i].response_header);
	}
	r.first = SHARE(b, IM_LIMIT, v, r.n);
	mem_free(v);
	return r;
}

static uint32_t
health(struct build *b, const struct m_health *m)
{
	struct im_health r;

	if (m == NULL)
		return IM_NONE;
	r = m->rec;
	r.host = blob_put_text(b->w, m->host);
	r.path = blob_put_text(b->w, m->path);
	r.method = blob_put_text(b->w, m->method);
	r.send = blob_put_text(b->w, m->send);
	r.receive = blob_put_text(b->w, m->receive);
	r.expected = ranges(b, m->expected, m->nexpected);
	r.retriable = ranges(b, m->retriable, m->nretriable);
	return SHARE(b, IM_HEALTH, &r, 1);
}

static uint32_t
balance(struct build *b, const struct m_balance *m)
{
	struct im_balance r;

	if (m == NULL)
		return IM_NONE;
	r = m->rec;
	r.hash_names = records_strings(b, m->hash_names, m->nhash_names);
	r.cookie_attrs = blob_put_text(b->w, m->cookie_attrs);
	r.health = health(b, m->health);
	return SHARE(b, IM_BALANCE, &r, 1);
}

static struct im_range
overrides(struct build *b, const struct m_policy *m)
{
	struct im_override *v = mem_zalloc((m->noverrides + 1) * sizeof(*v));
	struct im_range r = {0, m->noverrides};

	for (uint32_t i = 0; i < m->noverrides; i++) {
		const struct m_override *o = &m->overrides[i];

		v[i] = o->rec;
		v[i].statuses = ranges(b, o->statuses, o->nstatuses);
		v[i].headers = keys(b, o->headers, o->nheaders);
		v[i].edits = records_edits(b, o->edits, o->nedits);
		v[i].content_type = blob_put_text(b->w, o->content_type);
		v[i].body = blob_put_text(b->w, o->body);
		v[i].redirect = o->redirect == NULL ? IM_NONE : records_redirect(b, o->redirect);
	}
	r.first = SHARE(b, IM_OVERRIDE, v, r.n);
	mem_free(v);
	return r;
}

uint32_t
policy_record(struct build *b, struct m_policy *m)
{
	struct im_policy r;

	if (m == NULL || m->invalid)
		return IM_NONE;
	if (m->index != 0)
		return m->index - 1;
	r = m->rec;
	r.name = blob_put_text(b->w, m->name);
	r.limits = limits(b, m);
	r.overrides = overrides(b, m);
	r.upgrades = records_strings(b, m->upgrades, m->nupgrades);
	r.balance = balance(b, m->balance);
	m->index = 1 + SHARE(b, IM_POLICY, &r, 1);
	return m->index - 1;
}

uint32_t
client_record(struct build *b, struct m_client *m)
{
	struct im_client r;

	if (m == NULL)
		return IM_NONE;
	if (m->index != 0)
		return m->index - 1;
	r = m->rec;
	r.name = blob_put_text(b->w, m->name);
	r.cidrs = (struct im_range){SHARE(b, IM_CIDR, m->cidrs, m->ncidrs), m->ncidrs};
	r.early = records_edits(b, m->early, m->nearly);
	r.late = records_edits(b, m->late, m->nlate);
	r.upgrades = records_strings(b, m->upgrades, m->nupgrades);
	r.ip_header = blob_put_text(b->w, m->ip_header);
	r.http10_host = blob_put_text(b->w, m->http10_host);
	r.health_path = blob_put_text(b->w, m->health_path);
	m->index = 1 + SHARE(b, IM_CLIENT, &r, 1);
	return m->index - 1;
}
