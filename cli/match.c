/*
 * match.c - `headgate match [METHOD] URL [-H 'name: value'] [--address IP]`: asks route_find(), the
 * worker's own matcher, on the image that is being served (or made of files with -f), and prints
 * what it looked at and why the others lost.
 */
#include <stdio.h>

#include "base/field.h"
#include "base/mem.h"
#include "base/uri.h"
#include "cli/cli.h"
#include "cli/matchrule.h"
#include "cli/verbs.h"
#include "cli/view.h"
#include "shm/route.h"

#define MATCH_HEADERS (OPTS_HEADERS + 1)

struct match {
	struct view *view;
	const struct opts *opts;
	struct uri_target target;
	struct uri_host host;
	struct bytes path;
	char path_buf[16384];
	struct field store[MATCH_HEADERS];
	struct fields fields;
	struct route_query query;
	struct regex_set set;
	uint16_t port;
	bool grpc;
};

static int
wrong(const char *what, const char *word)
{
	fprintf(stderr, "headgate: %s: %s\n", what, word);
	return EX_USAGE_;
}

static int
parse_url(struct match *m, const char *url)
{
	struct bytes b = bytes_str(url);
	bool https = bytes_starts(b, BYTES("https://"));

	if (!https && !bytes_starts(b, BYTES("http://")))
		b = bytes_str(arena_printf(&m->view->arena, "http://%s", url));
	if (uri_target(BYTES("GET"), b, &m->target) != HG_OK || m->target.form != URI_ABSOLUTE)
		return wrong("not a URL that a request could name", url);
	if (uri_host(m->target.authority, &m->host) != HG_OK)
		return wrong("not a host", url);
	if (uri_path(m->target.path, m->path_buf, sizeof(m->path_buf), &m->path) != HG_OK)
		return wrong("not a path that a gateway would take (400)", url);
	m->port = m->host.port ? m->host.port : https ? 443 : 80;
	return 0;
}

static int
parse_headers(struct match *m)
{
	fields_init(&m->fields, m->store, MATCH_HEADERS);
	fields_add(&m->fields, BYTES("Host"), m->target.authority, FIELD_HOST);
	for (int i = 0; i < m->opts->nheaders; i++) {
		struct bytes value = bytes_str(m->opts->headers[i]), name = bytes_cut(&value, ':');

		if (!value.p || name.n == 0)
			return wrong("a header is 'NAME: VALUE', not", m->opts->headers[i]);
		value = bytes_trim(value);
		if (field_id(name) == FIELD_HOST && uri_host(value, &m->host) != HG_OK)
			return wrong("not a host", m->opts->headers[i]);
		fields_add(&m->fields, name, value, field_id(name));
	}
	m->grpc = fields_grpc(&m->fields);
	return 0;
}

static void
compile_patterns(struct match *m)
{
	const struct image *im = &m->view->image;

	m->set.n = im->n_regexes;
	m->set.v = arena_zalloc(&m->view->arena, sizeof(*m->set.v) * (im->n_regexes + 1));
	for (uint32_t i = 0; i < im->n_regexes; i++) {
		char why[160];
		size_t at;

		m->set.v[i] = regex_new(image_text(im, im->regexes[i]), why, &at);
	}
}

static struct bytes
rule_name(const struct match *m, uint32_t rule)
{
	const struct image *im = &m->view->image;
	const struct im_rule *r = &im->rules[rule];
	const struct im_route *t = &im->routes[r->route];

	return bytes_str(arena_printf(&m->view->arena, "%s %.*s/%.*s rule %u",
	    t->kind == IM_GRPCROUTE ? "GRPCRoute" : "HTTPRoute", BYTES_ARG(image_text(im, t->ns)),
	    BYTES_ARG(image_text(im, t->name)), r->index));
}

static void
trace_step(void *arg, const char *what, struct bytes key, uint32_t rule, uint16_t match, bool won)
{
	struct match *m = arg;

	if (rule == IM_NONE) {
		printf("%-10s %s %.*s\n", "looked at", what, BYTES_ARG(key));
		return;
	}
	printf("%-10s %.*s match %u: %s%s%.*s\n", won ? "won" : "lost",
	    BYTES_ARG(rule_name(m, rule)), match, what, key.n ? " " : "", BYTES_ARG(key));
}

static int
one_socket(struct match *m, uint32_t socket)
{
	const struct image *im = &m->view->image;
	struct route_trace trace = {trace_step, m};
	struct route_hit hit;
	char addr[56];
	enum hg_err err;

	m->query = (struct route_query){.socket = socket, .listener = IM_NONE,
	    .host = bytes_of(m->host.name, m->host.len), .path = m->path, .query = m->target.query,
	    .method = bytes_str(m->opts->method), .fields = &m->fields, .grpc = m->grpc};
	hit.listener = IM_NONE;
	addr_print(&im->sockets[socket].addr, addr);
	printf("socket     %s\n", addr);
	err = route_find(im, &m->query, &m->set, &trace, &hit);
	if (hit.listener != IM_NONE) {
		const struct im_listener *l = &im->listeners[hit.listener];
		const struct im_gateway *g = &im->gateways[l->gateway];

		printf("listener   %.*s/%.*s %.*s  hostname %.*s\n",
		    BYTES_ARG(image_text(im, g->ns)), BYTES_ARG(image_text(im, g->name)),
		    BYTES_ARG(image_text(im, l->name)),
		    BYTES_ARG(
			l->hostname.off == IM_NONE ? BYTES("*") : image_text(im, l->hostname)));
	}
	if (err != HG_OK) {
		printf("answer     %u: %s\n", err_http(err), err_text(err));
		return EX_FAILED;
	}
	printf("route      %.*s match %u   %s\n", BYTES_ARG(rule_name(m, hit.rule)), hit.match,
	    matchrule_source(m->view, &im->routes[im->rules[hit.rule].route]));
	matchrule_print(m->view, hit.rule);
	return 0;
}

/* Sockets of that port; of that address if one was given (or the URL's host is one). */
static int
all_sockets(struct match *m)
{
	const struct image *im = &m->view->image;
	struct addr want;
	bool by_addr = addr_parse_ip(bytes_str(m->opts->address), &want);
	int rc = -1;

	if (m->opts->address && !by_addr)
		return wrong("not an address", m->opts->address);
	for (uint32_t i = 0; i < im->n_sockets; i++) {
		const struct im_socket *s = &im->sockets[i];
		int one;

		if (s->addr.port != m->port || s->transport != IM_TCP)
			continue;
		if (by_addr && !addr_is_any(&s->addr) && !addr_eq_ip(&s->addr, &want))
			continue;
		if (rc != -1)
			printf("\n");
		one = one_socket(m, i);
		rc = rc == 0 ? 0 : one;
	}
	if (rc == -1) {
		printf("nothing listens on port %u%s%s\n", m->port, by_addr ? " of " : "",
		    by_addr ? m->opts->address : "");
		rc = EX_FAILED;
	}
	return rc;
}

int
match_verb(struct opts *o)
{
	struct match *m;
	struct view v;
	int rc;

	if (o->nargs == 2)
		o->method = o->args[0];
	if (o->nargs < 1 || o->nargs > 2) {
		fprintf(stderr,
		    "usage: headgate match [METHOD] URL [-H 'NAME: VALUE'] [--address IP]\n");
		return EX_USAGE_;
	}
	rc = view_open(o, &v);
	m = mem_zalloc(sizeof(*m));
	m->view = &v;
	m->opts = o;
	if (rc == 0)
		rc = parse_url(m, o->args[o->nargs - 1]);
	if (rc == 0)
		rc = parse_headers(m);
	if (rc == 0) {
		compile_patterns(m);
		rc = all_sockets(m);
		for (uint32_t i = 0; i < m->set.n; i++)
			if (m->set.v[i])
				regex_free(m->set.v[i]);
	}
	mem_free(m);
	view_close(&v);
	return rc;
}
