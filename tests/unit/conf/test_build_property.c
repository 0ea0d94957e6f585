/*
 * test_build_property.c - image and matcher against a plain reading of the specification.
 *
 * The reference looks at every (route, rule, match) of the chosen listener, keeps those that match,
 * and takes the first by a comparator written from the text (gateway-api.md 5.3-5.6, 5.13; v1.7
 * "Route precedence"). It shares no code with conf/build or shm/route. HG_SEED and HG_CASES repeat
 * and lengthen a run.
 */
#include "tests/unit/base/unit.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/regex.h"
#include "conf/build/build.h"
#include "shm/image.h"
#include "shm/route.h"
#include "tests/unit/conf/model_gen.h"

/* ---- patterns, compiled once for all models */

struct compiled {
	char *text;
	struct regex *re;
};
static struct {
	struct compiled v[256];
	uint32_t n;
} cache;

static struct regex *
compiled(struct bytes text)
{
	char msg[160];
	size_t at;

	for (uint32_t i = 0; i < cache.n; i++)
		if (bytes_eq(bytes_str(cache.v[i].text), text))
			return cache.v[i].re;
	assert_true(cache.n < HG_ARRAY_LEN(cache.v));
	cache.v[cache.n].text = mem_dup(text);
	cache.v[cache.n].re = regex_new(text, msg, &at);
	assert_non_null(cache.v[cache.n].re);
	return cache.v[cache.n++].re;
}

static bool
whole_match(struct bytes pattern, struct bytes subject)
{
	int got = regex_match(compiled(pattern), subject);

	assert_true(got >= 0);
	return got == 1;
}

/* ---- the reference */

static bool
ref_host(struct bytes hostname, struct bytes host)
{
	if (hostname.n == 0)
		return true;
	if (hostname.p[0] != '*')
		return bytes_eq(hostname, host);
	return host.n > hostname.n - 1 &&
	    bytes_ends(host, bytes_of(hostname.p + 1, hostname.n - 1));
}

static bool
ref_path(const struct m_match *m, struct bytes path)
{
	struct bytes p = m->path;

	if (m->path_type == M_PATH_EXACT)
		return bytes_eq(p, path);
	if (m->path_type == M_PATH_REGEX)
		return whole_match(p, path);
	if (p.p[p.n - 1] == '/')
		p.n--;
	return bytes_starts(path, p) && (path.n == p.n || path.p[p.n] == '/');
}

static bool
ref_first(const struct m_value *v, uint16_t i, bool header)
{
	for (uint16_t k = 0; k < i; k++)
		if (header ? bytes_eqi(v[k].name, v[i].name) : bytes_eq(v[k].name, v[i].name))
			return false;
	return true;
}

static bool
ref_value(const struct m_value *want, struct bytes got)
{
	return want->regex ? whole_match(want->value, got) : bytes_eq(want->value, got);
}

static bool
ref_header(const struct m_value *want, const struct gen_request *r)
{
	char joined[256];
	size_t n = 0;
	bool any = false;

	for (uint16_t i = 0; i < r->fields.n; i++) {
		const struct field *f = &r->fields.v[i];

		if (!bytes_eqi(f->name, want->name))
			continue;
		n += (size_t)snprintf(joined + n, sizeof(joined) - n, "%s%.*s", any ? ", " : "",
		    BYTES_ARG(f->value));
		any = true;
	}
	return any && ref_value(want, bytes_of(joined, n));
}

static size_t
ref_decode(struct bytes in, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < in.n; i++) {
		if (in.p[i] == '+') {
			out[n++] = ' ';
		} else if (in.p[i] == '%') {
			unsigned x;

			assert_int_equal(sscanf(in.p + i + 1, "%2x", &x), 1);
			out[n++] = (char)x;
			i += 2;
		} else {
			out[n++] = in.p[i];
		}
	}
	return n;
}

static bool
ref_query(const struct m_value *want, struct bytes query)
{
	while (query.p) {
		char name[64], value[64];
		struct bytes part = bytes_cut(&query, '&'), left = bytes_cut(&part, '=');
		size_t n = ref_decode(left, name);

		if (bytes_eq(bytes_of(name, n), want->name))
			return ref_value(want, bytes_of(value, ref_decode(part, value)));
	}
	return false;
}

struct triple {
	const struct m_route *route;
	const struct m_rule *rule;
	const struct m_match *match;
	struct bytes hostname;
};

static bool
ref_matches(const struct triple *t, const struct gen_request *r)
{
	const struct m_match *m = t->match;

	if (!ref_host(t->hostname, r->host) || !ref_path(m, r->path))
		return false;
	if (m->method.p && !bytes_eq(m->method, r->method))
		return false;
	for (uint16_t i = 0; i < m->nheaders; i++)
		if (ref_first(m->headers, i, true) && !ref_header(&m->headers[i], r))
			return false;
	for (uint16_t i = 0; i < m->nquery; i++)
		if (ref_first(m->query, i, false) && !ref_query(&m->query[i], r->query))
			return false;
	return true;
}

static int64_t
ref_count(const struct m_value *v, uint16_t n, bool header)
{
	int64_t c = 0;

	for (uint16_t i = 0; i < n; i++)
		c += ref_first(v, i, header);
	return c;
}

static int64_t
ref_prefix_chars(struct bytes path)
{
	return (int64_t)(path.n - (path.p[path.n - 1] == '/'));
}

/* Bigger is better, first difference decides. */
static void
ref_rank(const struct triple *t, int64_t v[12])
{
	const struct m_match *m = t->match;
	bool wild = t->hostname.n && t->hostname.p[0] == '*';

	memset(v, 0, 12 * sizeof(*v));
	v[0] = t->route->kind == IM_GRPCROUTE;
	v[1] = wild ? 0 : (int64_t)t->hostname.n;
	v[2] = (int64_t)t->hostname.n;
	v[3] = m->path_type == M_PATH_EXACT;
	if (t->route->kind == IM_GRPCROUTE) {
		v[4] = m->service_chars;
		v[5] = m->method_chars;
		v[6] = ref_count(m->headers, m->nheaders, true);
	} else {
		v[4] = m->path_type == M_PATH_REGEX;
		v[5] = m->path_type == M_PATH_PREFIX ? ref_prefix_chars(m->path) : 0;
		v[6] = m->method.p != NULL;
		v[7] = ref_count(m->headers, m->nheaders, true);
		v[8] = ref_count(m->query, m->nquery, false);
	}
	v[9] = -t->route->created;
}

static bool
ref_better(const struct triple *x, const struct triple *y)
{
	int64_t vx[12], vy[12];
	char nx[128], ny[128];
	int c;

	ref_rank(x, vx);
	ref_rank(y, vy);
	for (int i = 0; i < 12; i++)
		if (vx[i] != vy[i])
			return vx[i] > vy[i];
	snprintf(nx, sizeof(nx), "%.*s/%.*s", BYTES_ARG(x->route->ns), BYTES_ARG(x->route->name));
	snprintf(ny, sizeof(ny), "%.*s/%.*s", BYTES_ARG(y->route->ns), BYTES_ARG(y->route->name));
	if ((c = strcmp(nx, ny)) != 0)
		return c < 0;
	if (x->rule != y->rule)
		return x->rule->index < y->rule->index;
	return x->match->index < y->match->index;
}

static const struct m_listener *
ref_listener(const struct m_socket *s, struct bytes host)
{
	const struct m_listener *best = NULL;

	for (uint32_t i = 0; i < s->nlisteners; i++) {
		const struct m_listener *l = s->listeners[i];
		bool wild = l->hostname.n && l->hostname.p[0] == '*';

		if (!ref_host(l->hostname, host))
			continue;
		if (!best || (l->hostname.n && !wild) ||
		    (best->hostname.n < l->hostname.n &&
			(best->hostname.n == 0 || best->hostname.p[0] == '*')))
			best = l;
	}
	return best;
}

static bool
ref_find(const struct m_listener *l, const struct gen_request *r, struct triple *best)
{
	static const struct m_match all = {.path_type = M_PATH_PREFIX, .path = {"/", 1}};
	bool found = false;

	for (uint32_t i = 0; i < l->nattach; i++) {
		const struct m_attach *a = &l->attach[i];

		if (a->route->kind == IM_GRPCROUTE && !r->grpc)
			continue;
		for (uint32_t h = 0; h < HG_MAX(a->nhostnames, 1u); h++)
			for (uint32_t k = 0; k < a->route->nrules; k++)
				for (uint32_t j = 0; j < HG_MAX(a->route->rules[k].nmatches, 1u);
				     j++) {
					const struct m_rule *rule = &a->route->rules[k];
					struct triple t = {a->route, rule,
					    rule->nmatches ? &rule->matches[j] : &all,
					    a->nhostnames ? a->hostnames[h] : BYTES_NONE};

					if (ref_matches(&t, r) &&
					    (!found || ref_better(&t, best))) {
						*best = t;
						found = true;
					}
				}
	}
	return found;
}

/* ---- the comparison */

static uint64_t hits;

struct opened {
	struct image image;
	struct regex_set set;
	int fd;
};

static void
image_make(const struct model *m, struct opened *o)
{
	struct blob_writer *w;
	struct build_stats stats;
	char why[128] = "";
	uint64_t pos = 0;
	enum hg_err err;

	assert_int_equal(build_image(m, &w, &stats), HG_OK);
	o->fd = blob_seal(w, "test");
	assert_true(o->fd >= 0);
	blob_writer_free(w);
	assert_int_equal(image_open(o->fd, &o->image), HG_OK);
	while ((err = image_check(&o->image, &pos, 7, why)) == HG_ERR_AGAIN)
		;
	if (err != HG_OK)
		print_error("image_check: %s\n", why);
	assert_int_equal(err, HG_OK);
	o->set.n = o->image.n_regexes;
	o->set.v = mem_zalloc((o->set.n + 1) * sizeof(*o->set.v));
	for (uint32_t i = 0; i < o->set.n; i++)
		o->set.v[i] = compiled(image_text(&o->image, o->image.regexes[i]));
}

static void
image_drop(struct opened *o)
{
	mem_free(o->set.v);
	image_close(&o->image);
	close(o->fd);
}

static void
print_match(const char *what, const struct m_route *r, const struct m_rule *rule, uint32_t match)
{
	static const struct m_match all = {.path_type = M_PATH_PREFIX, .path = {"/", 1}};
	const struct m_match *m = rule->nmatches ? &rule->matches[match] : &all;

	print_error("%s: rule %u match %u: path %u \"%.*s\" method %.*s, %u headers, %u queries, ",
	    what, rule->id, match, m->path_type, BYTES_ARG(m->path), BYTES_ARG(m->method),
	    m->nheaders, m->nquery);
	print_error("created %lld, %.*s/%.*s\n", (long long)r->created, BYTES_ARG(r->ns),
	    BYTES_ARG(r->name));
}

static void
print_rule(const char *what, const struct model *m, uint32_t id, uint32_t match)
{
	for (uint32_t i = 0; i < m->nroutes; i++)
		for (uint32_t k = 0; k < m->routes[i].nrules; k++)
			if (m->routes[i].rules[k].id == id)
				print_match(what, &m->routes[i], &m->routes[i].rules[k], match);
}

static void
print_case(const struct gen_request *r)
{
	print_error("%s %.*s host=%.*s query=%.*s\n", r->grpc ? "grpc" : "http", BYTES_ARG(r->path),
	    BYTES_ARG(r->host), BYTES_ARG(r->query));
}

static bool
case_ok(const struct model *m, const struct opened *o, const struct gen_request *r, uint32_t socket)
{
	struct route_query q = {.socket = socket,
	    .listener = IM_NONE,
	    .host = r->host,
	    .path = r->path,
	    .query = r->query,
	    .method = r->method,
	    .fields = &r->fields,
	    .grpc = r->grpc};
	const struct m_listener *l = ref_listener(&m->sockets[socket], r->host);
	struct route_hit hit;
	struct triple want;
	enum hg_err err = route_find(&o->image, &q, &o->set, NULL, &hit);

	if (!l)
		return err == HG_ERR_NO_LISTENER && hit.listener == IM_NONE;
	if (hit.listener >= o->image.n_listeners || o->image.listeners[hit.listener].id != l->id)
		return false;
	if (!ref_find(l, r, &want))
		return err == HG_ERR_NO_ROUTE;
	hits++;
	if (err != HG_OK || o->image.rules[hit.rule].id != want.rule->id ||
	    hit.match != want.match->index) {
		print_error("got %s\n", err_name(err));
		print_rule("want", m, want.rule->id, want.match->index);
		if (err == HG_OK)
			print_rule("got", m, o->image.rules[hit.rule].id, hit.match);
		return false;
	}
	return true;
}

static uint64_t
setting(const char *name, uint64_t otherwise)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 0) : otherwise;
}

static void
same_as_reference(void **state)
{
	uint64_t seed = setting("HG_SEED", clock_real()), cases = setting("HG_CASES", 100000);
	uint64_t done = 0;

	(void)state;
	for (uint64_t round = 0; done < cases; round++) {
		struct arena arena;
		struct gen g = {&arena, seed + round};
		struct opened o;
		struct model m;

		arena_init(&arena, 65536, 0);
		gen_model(&g, &m);
		image_make(&m, &o);
		for (int i = 0; i < 50; i++, done++) {
			uint32_t socket = gen_n(&g, m.nsockets);
			struct gen_request r;

			gen_request(&g, &m, &r);
			if (!case_ok(&m, &o, &r, socket)) {
				print_case(&r);
				fail_msg("HG_SEED=%llu, request %d",
				    (unsigned long long)(seed + round), i);
			}
		}
		image_drop(&o);
		arena_release(&arena);
	}
	print_message("seed %llu: %llu cases, %llu hits\n", (unsigned long long)seed,
	    (unsigned long long)done, (unsigned long long)hits);
	for (uint32_t i = 0; i < cache.n; i++) {
		regex_free(cache.v[i].re);
		mem_free(cache.v[i].text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(same_as_reference)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
