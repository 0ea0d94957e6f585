/*
 * matchrule.c - a rule of the image in words: its filters in the order in which they run, its times
 * and retries (the rule's own or its policy's: the build has decided that), what the effective
 * policy holds, and where requests go. Read from the image and not from the manifests: this is what
 * the workers do.
 */
#include "cli/matchrule.h"

#include <stdio.h>

#include "base/err.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "cli/live.h"
#include "cli/liveroute.h"

const char *
matchrule_source(struct view *v, const struct im_route *r)
{
	const struct cat_object *o = catalogue_find(&v->cat, BYTES("gateway.networking.k8s.io"),
	    bytes_str(liveroute_kind(r->kind)), image_text(&v->image, r->ns),
	    image_text(&v->image, r->name));

	return o ? arena_dup(&v->arena, blob_text(&v->cat.blob, o->source)) : "";
}

/* ---- filters */

static void
text(struct strbuf *b, const char *before, const struct image *im, struct im_str s)
{
	struct bytes t = image_text(im, s);

	if (t.n == 0)
		return;
	strbuf_addz(b, before);
	strbuf_add(b, t);
}

static void
edits(struct strbuf *b, const struct image *im, struct im_range r)
{
	static const char *const words[] = {
	    "", "set", "add", "remove", "add if absent", "remove prefix", "remove suffix"};

	for (uint32_t i = 0; i < r.n; i++) {
		const struct im_edit *e = &im->edits[r.first + i];

		strbuf_printf(b, "%s %s", i ? "," : "", e->op < HG_ARRAY_LEN(words) ?
			words[e->op] : "");
		text(b, " ", im, e->name);
		text(b, ": ", im, e->value);
	}
}

static void
redirect(struct strbuf *b, const struct image *im, const struct im_redirect *r)
{
	strbuf_printf(b, " %u", r->status);
	if (r->scheme)
		strbuf_printf(b, " scheme %s", r->scheme == 2 ? "https" : "http");
	text(b, " host ", im, r->host);
	if (r->port)
		strbuf_printf(b, " port %u", r->port);
	text(b, " prefix ", im, r->prefix);
	text(b, r->pathop == IM_PATH_PREFIX ? " becomes " : " path ", im, r->path);
}

static void
filter(struct strbuf *b, const struct image *im, const struct im_filter *f)
{
	static const char *const names[] = {"", "RequestHeaderModifier", "ResponseHeaderModifier",
	    "RequestRedirect", "URLRewrite", "RequestMirror", "CORS"};
	const struct im_rewrite *w;
	const struct im_mirror *m;

	strbuf_addz(b, f->type < HG_ARRAY_LEN(names) ? names[f->type] : "?");
	switch (f->type) {
	case IM_F_REQUEST_HEADERS:
	case IM_F_RESPONSE_HEADERS:
		edits(b, im, f->arg);
		break;
	case IM_F_REDIRECT:
		redirect(b, im, &im->redirects[f->arg.first]);
		break;
	case IM_F_REWRITE:
		w = &im->rewrites[f->arg.first];
		text(b, " host ", im, w->host);
		text(b, " prefix ", im, w->prefix);
		text(b, w->pathop == IM_PATH_PREFIX ? " becomes " : " path ", im, w->path);
		break;
	case IM_F_MIRROR:
		m = &im->mirrors[f->arg.first];
		text(b, " to ", im, im->clusters[m->cluster].name);
		if (m->num != m->den)
			strbuf_printf(b, ", %u of %u", m->num, m->den);
		break;
	case IM_F_CORS:
		text(b, " methods ", im, im->cors[f->arg.first].methods);
		break;
	default:
		break;
	}
}

static void
filters(const struct image *im, struct im_range r)
{
	for (uint32_t i = 0; i < r.n; i++) {
		struct strbuf b = STRBUF_INIT;

		filter(&b, im, &im->filters[r.first + i]);
		printf("filter     %.*s\n", BYTES_ARG(strbuf_bytes(&b)));
		strbuf_release(&b);
	}
}

/* ---- times, policy */

static void
duration(const char *what, uint32_t ms, bool *any)
{
	char t[40];

	if (ms == 0)
		return;
	parse_print_duration(ms == IM_NONE ? 0 : ms, t);
	printf("%s%s %s", *any ? ", " : "timeouts   ", what, ms == IM_NONE ? "none" : t);
	*any = true;
}

static void
times(const struct image *im, const struct im_rule *r)
{
	bool any = false;

	duration("request", r->request_ms, &any);
	duration("each attempt", r->backend_ms, &any);
	if (any)
		printf("\n");
	if (r->retry != IM_NONE && im->retries[r->retry].attempts)
		printf("retries    up to %u\n", im->retries[r->retry].attempts);
	if (r->persist != IM_NONE)
		printf("session    by %s %.*s\n",
		    im->persists[r->persist].type == IM_PERSIST_COOKIE ? "cookie" : "header",
		    BYTES_ARG(image_text(im, im->persists[r->persist].name)));
}

static void
balance(struct strbuf *s, const struct image *im, const struct im_balance *b)
{
	static const char *const types[] = {
	    "", "RoundRobin", "Random", "LeastRequest", "ConsistentHash"};

	if (b->type && b->type < HG_ARRAY_LEN(types))
		strbuf_printf(s, ", %s", types[b->type]);
	if (b->max_connections != IM_NONE || b->max_pending != IM_NONE ||
	    b->max_parallel != IM_NONE)
		strbuf_addz(s, ", circuit breaker");
	if (b->health != IM_NONE) {
		const struct im_health *h = &im->healths[b->health];

		strbuf_addz(s, h->type != IM_HC_NONE ? ", active health checks" : "");
		strbuf_addz(s, h->passive ? ", passive health checks" : "");
	}
	if (b->proxy_protocol)
		strbuf_printf(s, ", PROXY protocol v%u to backends", b->proxy_protocol);
}

static void
policy(const struct image *im, const struct im_policy *p)
{
	struct strbuf s = STRBUF_INIT;

	for (uint32_t i = 0; i < p->limits.n; i++) {
		const struct im_limit *l = &im->limits[p->limits.first + i];

		strbuf_printf(&s, ", %llu requests in %llus%s", (unsigned long long)l->requests,
		    (unsigned long long)l->window_s, l->keys.n ? " by key" : "");
	}
	if (p->balance != IM_NONE)
		balance(&s, im, &im->balances[p->balance]);
	if (p->delay_ppm || p->abort_ppm)
		strbuf_addz(&s, ", faults");
	if (p->request_buffer != IM_NONE)
		strbuf_printf(&s, ", requests of up to %u bytes", p->request_buffer);
	if (p->compression)
		strbuf_addz(&s, ", compression");
	if (p->overrides.n)
		strbuf_addz(&s, ", answers overridden");
	printf("policy     %.*s%s%.*s\n", BYTES_ARG(image_text(im, p->name)), s.n ? ": " : "",
	    (int)(s.n ? s.n - 2 : 0), s.n ? s.p + 2 : "");
	strbuf_release(&s);
}

/* ---- backends */

static void
endpoints(struct view *v, uint32_t cluster)
{
	struct live_set set;
	struct live e;
	char addr[128], why[96];
	unsigned n = 0;

	live_open(&set, v, cluster);
	while (n < 8 && live_next(&set, &e)) {
		printf("%s%s", n++ ? ", " : ": ", live_address(&e, addr));
		if (v->online && e.state != LIVE_READY)
			printf(" %s", live_name(e.state));
		if (v->online && !live_usable(&e))
			printf(" (%s)", live_why(&e, why));
	}
	printf("%s\n", n == 8 && set.n > 8 ? ", …" : "");
}

static void
backends(struct view *v, const struct im_rule *r)
{
	const struct image *im = &v->image;

	for (uint32_t i = 0; i < r->backends.n; i++) {
		const struct im_backend *b = &im->backends[r->backends.first + i];
		double share = r->weight ? 100.0 * b->weight / r->weight : 0;
		uint32_t n;

		if (b->error != HG_OK || b->cluster == IM_NONE) {
			printf("backend    %5.1f%%  none: %s (%u)\n", share, err_text(b->error),
			    err_http(b->error));
			continue;
		}
		n = im->clusters[b->cluster].endpoints.n;
		printf("backend    %5.1f%%  %.*s, %u endpoint%s", share,
		    BYTES_ARG(image_text(im, im->clusters[b->cluster].name)), n,
		    n == 1 ? "" : "s");
		endpoints(v, b->cluster);
		filters(im, b->filters);
	}
	if (r->error != HG_OK)
		printf("answer     %u: %s\n", err_http(r->error), err_text(r->error));
}

void
matchrule_print(struct view *v, uint32_t rule)
{
	const struct image *im = &v->image;
	const struct im_rule *r = &im->rules[rule];

	filters(im, r->filters);
	times(im, r);
	if (r->policy != IM_NONE)
		policy(im, &im->policies[r->policy]);
	backends(v, r);
}
