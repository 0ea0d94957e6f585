/*
 * image_policy.c - the checkers of policy records: enums in range, indices inside their section,
 * texts that may go into a head, and numbers that arithmetic of the workers relies on (an interval
 * that is not 0, a table size that is not 0, shares up to a million).
 */
#include "shm/image_parts.h"
#include "shm/slot.h"

#define CHECK(member) const char *image_check_##member(const struct image *im, uint32_t i)
#define MILLION 1000000u
#define TABLE_MAX 5000011u    /* Maglev, of the CRD */
#define BODY_BYTES (1u << 20) /* of answers and health checks */
#define YEAR_S 31536000u
#define TOKENS_MAX (1ull << 40)

CHECK(policies)
{
	const struct im_policy *p = &im->policies[i];

	NEED(plain_ok(im, p->name, 2 * NAME_BYTES, true), "name");
	NEED(range_ok(p->limits, im->n_limits) && p->limits.n <= 1024, "limits");
	NEED(range_ok(p->overrides, im->n_overrides), "overrides");
	NEED(index_ok(p->balance, im->n_balances), "balance");
	NEED(p->delay_ppm <= MILLION && p->abort_ppm <= MILLION, "ppm");
	NEED(p->abort_status == 0 || (p->abort_status >= 200 && p->abort_status <= 600),
	    "abort_status");
	NEED(p->abort_grpc <= 16 || p->abort_grpc == 255, "abort_grpc");
	NEED(range_ok(p->upgrades, im->n_strings) && p->only_upgrades <= 1, "upgrades");
	NEED(p->compression <= (IM_Z_GZIP | IM_Z_BROTLI | IM_Z_ZSTD), "compression");
	return NULL;
}

CHECK(limits)
{
	const struct im_limit *l = &im->limits[i];

	NEED(l->interval_ns != 0, "interval_ns");
	NEED(l->burst <= TOKENS_MAX && l->requests <= TOKENS_MAX, "burst");
	NEED(l->window_s != 0 && l->window_s <= YEAR_S, "window_s");
	NEED(range_ok(l->keys, im->n_limitkeys) && l->keys.n <= 4096, "keys");
	NEED(l->response_header.off == IM_NONE || token_ok(im, l->response_header),
	    "response_header");
	NEED(l->id < SLOT_IDS, "id");
	NEED(l->shadow <= 1 && l->headers <= 2 && l->global <= 1 && l->shared <= 1, "flags");
	return NULL;
}

CHECK(limitkeys)
{
	const struct im_limitkey *k = &im->limitkeys[i];

	NEED(k->kind >= IM_LK_HEADER && k->kind <= IM_LK_CIDR, "kind");
	NEED(k->match >= IM_LM_EXACT && k->match <= IM_LM_SUFFIX && k->invert <= 1, "match");
	NEED(index_ok(k->regex, im->n_regexes) && index_ok(k->cidr, im->n_cidrs), "index");
	NEED((k->match == IM_LM_REGEX) == (k->regex != IM_NONE), "regex");
	NEED((k->kind == IM_LK_CIDR) == (k->cidr != IM_NONE), "cidr");
	NEED(k->kind != IM_LK_HEADER || (token_ok(im, k->name) &&
	    k->field == field_id(image_text(im, k->name))), "name");
	NEED(k->kind != IM_LK_QUERY || (k->name.off != IM_NONE && k->name.len != 0), "name");
	NEED(k->field < FIELD_COUNT, "field");
	NEED(text_ok(im, k->name, FIELD_NAME_BYTES) && text_ok(im, k->value, FIELD_VALUE_BYTES),
	    "text");
	return NULL;
}

CHECK(balances)
{
	const struct im_balance *b = &im->balances[i];

	NEED(b->type <= IM_LB_HASH && b->hash <= IM_HASH_QUERY, "type");
	NEED(b->tcp_keepalive <= 1 && b->proxy_protocol <= 2, "flags");
	NEED((b->type == IM_LB_HASH) == (b->hash != 0), "hash");
	NEED(range_ok(b->hash_names, im->n_strings) && b->hash_names.n <= 64, "hash_names");
	NEED(b->hash < IM_HASH_HEADER || b->hash_names.n != 0, "hash_names");
	NEED(plain_ok(im, b->cookie_attrs, FIELD_VALUE_BYTES, false), "cookie_attrs");
	NEED(b->type != IM_LB_HASH || (b->table_size >= 2 && b->table_size <= TABLE_MAX),
	    "table_size");
	NEED(b->budget_percent <= 100 * 100 || b->budget_percent == IM_NONE, "budget_percent");
	NEED(index_ok(b->health, im->n_healths), "health");
	return NULL;
}

CHECK(healths)
{
	const struct im_health *h = &im->healths[i];

	NEED(h->type <= IM_HC_GRPC, "type");
	NEED(plain_ok(im, h->host, 255, true) && plain_ok(im, h->path, IM_PATH_MAX, true), "text");
	NEED(h->type != IM_HC_HTTP || (h->path.off != IM_NONE && h->path.len != 0 &&
	    image_path_ok(image_text(im, h->path)) && token_ok(im, h->method)), "path");
	NEED(text_ok(im, h->send, BODY_BYTES) && text_ok(im, h->receive, BODY_BYTES), "payload");
	NEED(range_ok(h->expected, im->n_statusranges), "expected");
	NEED(range_ok(h->retriable, im->n_statusranges), "retriable");
	NEED(h->type == IM_HC_NONE || (h->timeout_ms != 0 && h->interval_ms != 0 &&
	    h->unhealthy != 0 && h->healthy != 0), "times");
	NEED(h->panic_percent <= 100, "panic_percent");
	NEED(h->passive <= 1 && h->split_local <= 1 && h->always_one <= 1, "flags");
	NEED(!h->passive || h->eject_interval_ms != 0, "eject_interval_ms");
	NEED(h->failure_percent <= 100 && h->eject_max_percent <= 100, "percent");
	return NULL;
}

CHECK(overrides)
{
	const struct im_override *o = &im->overrides[i];

	NEED(range_ok(o->statuses, im->n_statusranges), "statuses");
	NEED(range_ok(o->headers, im->n_limitkeys), "headers");
	NEED(range_ok(o->edits, im->n_edits), "edits");
	NEED(plain_ok(im, o->content_type, FIELD_VALUE_BYTES, false), "content_type");
	NEED(text_ok(im, o->body, BODY_BYTES), "body");
	NEED(index_ok(o->redirect, im->n_redirects), "redirect");
	NEED(o->status == 0 || (o->status >= 200 && o->status <= 599), "status");
	NEED(o->source <= IM_SOURCE_BACKEND, "source");
	return NULL;
}

CHECK(statusranges)
{
	NEED(im->statusranges[i].first >= 100 && im->statusranges[i].last <= 999, "bounds");
	return NULL;
}

CHECK(clients)
{
	const struct im_client *c = &im->clients[i];

	NEED(plain_ok(im, c->name, NAME_BYTES, true), "name");
	NEED(range_ok(c->cidrs, im->n_cidrs), "cidrs");
	NEED(range_ok(c->early, im->n_edits) && range_ok(c->late, im->n_edits), "edits");
	NEED(range_ok(c->upgrades, im->n_strings), "upgrades");
	NEED(c->ip_header.off == IM_NONE || token_ok(im, c->ip_header), "ip_header");
	NEED(c->ipdetect != IM_IP_HEADER || c->ip_header.off != IM_NONE, "ip_header");
	NEED(plain_ok(im, c->http10_host, 255, true), "http10_host");
	NEED(plain_ok(im, c->health_path, IM_PATH_MAX, true), "health_path");
	NEED(c->ipdetect <= IM_IP_HEADER && c->underscores <= IM_US_DROP &&
	    c->slashes <= IM_SL_REDIRECT && c->request_id <= IM_RID_DISABLE, "enum");
	NEED(c->merge_slashes <= 1 && c->proxy_protocol <= 1 && c->proxy_optional <= 1 &&
	    c->tcp_keepalive <= 1 && c->xff_append <= 1 && c->http10 <= 1 && c->trailers <= 1 &&
	    c->ratelimit_headers <= 1 && c->ip_fail_closed <= 1 && c->strip_dot <= 1, "flags");
	NEED(c->xfcc <= IM_XFCC_ALWAYS && c->xfcc_details < 32, "xfcc");
	return NULL;
}

CHECK(cidrs)
{
	const struct cidr *c = &im->cidrs[i];

	NEED(c->base.family == 4 || c->base.family == 6, "family");
	NEED(c->bits <= (c->base.family == 4 ? 32 : 128), "bits");
	return NULL;
}
