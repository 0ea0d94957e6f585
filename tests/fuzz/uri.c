/*
 * uri.c - fuzzes request targets, hosts, paths and queries. First line: method; second line:
 * target; the rest: a host. Canonical forms must be stable: what comes out, put in again, comes out
 * the same.
 */
#include "base/uri.h"

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void
one_path(struct bytes in)
{
	static char out[65536], again[65536];
	struct bytes a, b;

	if (in.n > sizeof(out) || uri_path(in, out, in.n, &a) != HG_OK)
		return;
	HG_CHECK(a.n > 0 && a.n <= in.n && (a.p[0] == '/' || bytes_eq(a, BYTES("*"))));
	HG_CHECK(uri_path(a, again, a.n, &b) == HG_OK && b.p == a.p && b.n == a.n);
	for (size_t i = 0; i < a.n; i++)
		HG_CHECK(a.p[i] > 0x20 && a.p[i] < 0x7f && a.p[i] != '\\' && a.p[i] != '#');
	HG_CHECK(!bytes_ends(a, BYTES("/..")) && !bytes_ends(a, BYTES("/.")));
	HG_CHECK(memmem(a.p, a.n, "/../", 4) == NULL && memmem(a.p, a.n, "/./", 3) == NULL);
}

static void
one_host(struct bytes in)
{
	struct uri_host h, again;

	if (uri_host(in, &h) != HG_OK)
		return;
	HG_CHECK(h.len > 0 && h.len <= URI_HOST_MAX && strlen(h.name) == h.len);
	HG_CHECK(uri_host(bytes_of(h.name, h.len), &again) == HG_OK);
	HG_CHECK(again.port == 0 && again.ip == h.ip && strcmp(again.name, h.name) == 0);
}

static void
one_query(struct bytes query)
{
	struct bytes rest = query, name, value, res;
	static char out[65536];
	size_t seen = 0;

	while (uri_query_next(&rest, &name, &value)) {
		seen += name.n + value.n;
		if (uri_query_decode(name, out, sizeof(out), &res))
			HG_CHECK(res.n <= name.n);
		(void)uri_query_get(query, name, out, 16);
	}
	HG_CHECK(seen <= query.n);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct bytes rest = bytes_of((const char *)data, n), method, target;
	struct uri_target t;

	method = bytes_cut(&rest, '\n');
	target = bytes_cut(&rest, '\n');
	if (uri_target(method, target, &t) == HG_OK) {
		one_path(t.path);
		one_host(t.authority);
		HG_CHECK(t.form == URI_AUTHORITY || t.path.n > 0);
	}
	one_path(target);
	one_host(rest);
	one_query(rest);
	return 0;
}
