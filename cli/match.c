/*
 * match.c - `headgate match [METHOD] URL [-H 'name: value'] [--address IP]`: asks route_find(), the
 * worker's own matcher, on the image that is being served (or made of files with -f), and prints
 * what it looked at and why the others lost. A listener of connections (TLS by server name, TCP,
 * UDP) has one rule and no more to say; its URLs are tls://, tcp:// and udp://HOST:PORT, and
 * https:// finds a TLS listener as a client would.
 */
#include <stdio.h>

#include "base/field.h"
#include "base/mem.h"
#include "base/uri.h"
#include "cli/cli.h"
#include "cli/liveroute.h"
#include "cli/matchrule.h"
#include "cli/verbs.h"
#include "cli/view.h"
#include "shm/route.h"

#define MATCH_HEADERS (OPTS_LIST + 1)

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
	const struct scheme *scheme;
	uint16_t port;
	bool grpc;
};
static const struct scheme {
	const char *prefix;
	uint16_t port;     /* 0: must be given */
	uint8_t transport; /* enum im_transport */
	bool raw;          /* a connection, with nothing but a name */
} schemes[] = {{"http://", 80, IM_TCP, false}, {"https://", 443, IM_TCP, false},
    {"tls://", 443, IM_TCP, true}, {"tcp://", 0, IM_TCP, true}, {"udp://", 0, IM_UDP, true}};

static int
wrong(const char *what, const char *word)
{
	fprintf(stderr, "headgate: %s: %s\n", what, word);
	return EX_USAGE_;
}

static int
parse_url(struct match *m, const char *url)
{
	const char *rest = url;
	struct bytes b;

	m->scheme = &schemes[0];
	for (unsigned i = 0; i < HG_ARRAY_LEN(schemes); i++)
		if (bytes_starts(bytes_str(url), bytes_str(schemes[i].prefix))) {
			m->scheme = &schemes[i];
			rest = url + strlen(schemes[i].prefix);
			break;
		}
	b = bytes_str(arena_printf(&m->view->arena, "http://%s", rest));
	if (uri_target(BYTES("GET"), b, &m->target) != HG_OK || m->target.form != URI_ABSOLUTE)
		return wrong("not a URL that a request could name", url);
	if (uri_host(m->target.authority, &m->host) != HG_OK)
		return wrong("not a host", url);
	if (uri_path(m->target.path, m->path_buf, sizeof(m->path_buf), &m->path) != HG_OK)
		return wrong("not a path that a gateway would take (400)", url);
	m->port = m->host.port ? m->host.port : m->scheme->port;
	if (m->port == 0)
		return wrong("a port is needed", url);
	return 0;
}

static int
parse_headers(struct match *m)
{
	fields_init(&m->fields, m->store, MATCH_HEADERS);
	fields_add(&m->fields, BYTES("Host"), m->target.authority, FIELD_HOST);
	for (int i = 0; i < m->opts->headers.n; i++) {
		const char *line = m->opts->headers.v[i];
		struct bytes value = bytes_str(line), name = bytes_cut(&value, ':');

		if (!value.p || name.n == 0)
			return wrong("a header is 'NAME: VALUE', not", line);
		value = bytes_trim(value);
		if (field_id(name) == FIELD_HOST && uri_host(value, &m->host) != HG_OK)
			return wrong("not a host", line);
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
	    liveroute_kind(t->kind), BYTES_ARG(image_text(im, t->ns)),
	    BYTES_ARG(image_text(im, t->name)), r->index));
}

static void
trace_step(void *arg, const char *what, struct bytes key, uint32_t rule, uint16_t match, bool won)
{
	struct match *m = arg;

	if (rule == IM_NONE) {
		if (key.n == 0 && strcmp(what, "prefix") == 0)
			key = BYTES("/");
		printf("%-10s %s %.*s\n", "looked at", what, BYTES_ARG(key));
		return;
	}
	printf("%-10s %.*s match %u: %s%s%.*s\n", won ? "won" : "lost",
	    BYTES_ARG(rule_name(m, rule)), match, what, key.n ? " " : "", BYTES_ARG(key));
}

static void
print_listener(const struct image *im, uint32_t listener)
{
	const struct im_listener *l = &im->listeners[listener];
	const struct im_gateway *g = &im->gateways[l->gateway];

	printf("listener   %.*s/%.*s %.*s  hostname %.*s\n", BYTES_ARG(image_text(im, g->ns)),
	    BYTES_ARG(image_text(im, g->name)), BYTES_ARG(image_text(im, l->name)),
	    BYTES_ARG(l->hostname.off == IM_NONE ? BYTES("*") : image_text(im, l->hostname)));
}

static bool
is_raw(uint8_t protocol)
{
	return protocol == IM_TLS || protocol == IM_RAW_TCP || protocol == IM_RAW_UDP;
}

/* What the port of a Service leads to has no route of its own. */
static void
print_raw_route(const struct match *m, uint32_t rule)
{
	const struct image *im = &m->view->image;
	const struct im_route *t = &im->routes[im->rules[rule].route];
	const char *source = matchrule_source(m->view, t);

	if (*source)
		printf("route      %.*s   %s\n", BYTES_ARG(rule_name(m, rule)), source);
	else
		printf("service    %.*s/%.*s\n", BYTES_ARG(image_text(im, t->ns)),
		    BYTES_ARG(image_text(im, t->name)));
	matchrule_print(m->view, rule);
}

/* A connection: its rule by the server name, as the worker asks it (worker/l4/way.h). */
static int
raw_listener(struct match *m, uint32_t listener)
{
	const struct image *im = &m->view->image;
	const struct im_listener *l = listener == IM_NONE ? NULL : &im->listeners[listener];
	uint32_t rule = IM_NONE;

	if (l == NULL) {
		printf("answer     closed: %s\n", err_text(HG_ERR_NO_LISTENER));
		return EX_FAILED;
	}
	print_listener(im, listener);
	if (l->flags & IM_L_BROKEN)
		printf("answer     closed: the listener is broken\n");
	else if (!is_raw(l->protocol))
		printf("answer     the listener speaks HTTP: ask for a URL\n");
	else if ((rule = route_hosttab(im, &l->l4, bytes_of(m->host.name, m->host.len))) == IM_NONE)
		printf("answer     closed: %s\n", err_text(HG_ERR_NO_ROUTE));
	else
		print_raw_route(m, rule);
	return rule == IM_NONE ? EX_FAILED : 0;
}

static int
one_socket(struct match *m, uint32_t socket)
{
	uint32_t first = route_listener(
	    &m->view->image, socket, bytes_of(m->host.name, m->host.len));
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
	if (m->scheme->raw || (first != IM_NONE && is_raw(im->listeners[first].protocol)))
		return raw_listener(m, first);
	err = route_find(im, &m->query, &m->set, &trace, &hit);
	if (hit.listener != IM_NONE)
		print_listener(im, hit.listener);
	if (err != HG_OK) {
		printf("answer     %u: %s\n", err_http(err), err_text(err));
		return EX_FAILED;
	}
	printf("route      %.*s match %u   %s\n", BYTES_ARG(rule_name(m, hit.rule)), hit.match,
	    matchrule_source(m->view, &im->routes[im->rules[hit.rule].route]));
	matchrule_print(m->view, hit.rule);
	return 0;
}

/* Sockets of that port; of that address if one was given, or the host of a connection is one. A
 * URL's may be the address of a machine in front of this one. */
static int
all_sockets(struct match *m)
{
	const struct image *im = &m->view->image;
	struct bytes name = bytes_of(m->host.name, m->host.len);
	struct addr want;
	bool by_addr = addr_parse_ip(bytes_str(m->opts->address), &want) ||
	    (!m->opts->address && m->scheme->raw &&
		addr_parse_ip(bytes_starts(name, BYTES("[")) ?
			bytes_of(name.p + 1, name.n - 2) : name, &want));
	char text[46];
	int rc = -1;

	if (m->opts->address && !by_addr)
		return wrong("not an address", m->opts->address);
	for (uint32_t i = 0; i < im->n_sockets; i++) {
		const struct im_socket *s = &im->sockets[i];
		int one;

		if (s->addr.port != m->port || s->transport != m->scheme->transport)
			continue;
		if (by_addr && !addr_is_any(&s->addr) && !addr_eq_ip(&s->addr, &want))
			continue;
		if (rc != -1)
			printf("\n");
		one = one_socket(m, i);
		rc = rc == 0 ? 0 : one;
	}
	if (rc == -1) {
		if (by_addr)
			addr_print_ip(&want, text);
		printf("nothing listens on %sport %u%s%s\n",
		    m->scheme->transport == IM_UDP ? "UDP " : "", m->port, by_addr ? " of " : "",
		    by_addr ? text : "");
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
