/*
 * uri.h - host, path and query in one canonical form (RFC 3986, RFC 9110 section 4.2, RFC 9112
 * section 3.2). It is computed once for a request and used for routing, policies, rewriting, logs
 * and the upstream request; compiler, worker and `headgate match` share this code. Pure; any
 * process.
 */
#ifndef BASE_URI_H
#define BASE_URI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define URI_HOST_MAX 255

enum uri_form { URI_ORIGIN, URI_ABSOLUTE, URI_AUTHORITY, URI_ASTERISK };

struct uri_target {
	enum uri_form form;
	struct bytes scheme;    /* absolute form only; http or https */
	struct bytes authority; /* absolute and authority form: host[:port] as sent */
	struct bytes
	    path; /* as sent; "/" where absolute form has none; "*" for asterisk form, and
	           * for OPTIONS in absolute form without path and query (RFC 9112 3.2.4) */
	struct bytes query;     /* without '?'; absent if there is none */
};

/* Splits a request target by form. CONNECT takes authority form and only it, OPTIONS alone may use
 * "*". HG_ERR_BAD_REQUEST for anything RFC 9112 3.2 does not allow (fragment, user info, bytes
 * outside VCHAR, bad percent escapes, empty or malformed host, CONNECT without a port). Borrowed
 * parts. */
enum hg_err uri_target(struct bytes method, struct bytes target, struct uri_target *out);

struct uri_host {
	char name[URI_HOST_MAX +
	    1]; /* lower case, no port, one trailing dot stripped; IPv6 in brackets */
	uint16_t len;
	uint16_t port; /* 0 = none given */
	bool ip;       /* an IPv4 or IPv6 literal */
};

/* uri-host [":" port] as in Host and :authority. Empty and malformed values are HG_ERR_BAD_REQUEST.
 * Narrower than RFC 3986: letters, digits, "-", "_" in labels of 1-63; no escapes, no
 * sub-delimiters, no IPvFuture. IPv6 comes out in RFC 5952 form, ::ffff:a.b.c.d as IPv4. "host:" is
 * the same as "host". */
enum hg_err uri_host(struct bytes authority, struct uri_host *out);

/* Canonical path into out (cap >= in.n): percent escapes of unreserved bytes decoded, the others in
 * upper case, dot segments removed, never above the root. HG_ERR_BAD_REQUEST: an encoded control
 * (%00-%1F, %7F), slash or backslash, a raw backslash, a dot segment with a parameter ("/..;x").
 * Empty segments ("//") are kept; "*" stays. If the path is canonical as sent (the common case, one
 * scan) *out_path borrows `in` and nothing is copied. */
enum hg_err uri_path(struct bytes in, char *out, size_t cap, struct bytes *out_path);
/* The same, but an encoded slash or backslash stays as it is, encoded. A segment that is a dot
 * segment to whoever decodes it ("..%2F") is HG_ERR_BAD_REQUEST. */
enum hg_err uri_path_slashes(struct bytes in, char *out, size_t cap, struct bytes *out_path);

/* Iterate name=value pairs of a raw query: *rest starts as the query. Parts are raw, borrowed. */
bool uri_query_next(struct bytes *rest, struct bytes *name, struct bytes *value);
/* Percent-decode, '+' = space; false if it does not fit or an escape is broken (then compare raw).
 */
bool uri_query_decode(struct bytes in, char *out, size_t cap, struct bytes *res);
/* First value of `name` (already decoded, case-sensitive), decoded into out. Absent if there is
 * none. */
struct bytes uri_query_get(struct bytes query, struct bytes name, char *out, size_t cap);

#endif
