/*
 * hello.c - RFC 8446 sections 4.1.2, 5.1; RFC 6066 section 3; RFC 7301. Every length is checked
 * against what holds it, and whatever a length leaves over is an error: a ClientHello that two
 * parsers could read differently is refused here, before OpenSSL sees it. Records are joined first,
 * since a hello may be cut anywhere.
 */
#include "net/hello.h"

#include "base/addr.h"

struct in { /* what is left of a vector */
	const unsigned char *p;
	size_t n;
};

static bool
take(struct in *in, size_t n, struct in *out)
{
	if (n > in->n)
		return false;
	*out = (struct in){in->p, n};
	in->p += n;
	in->n -= n;
	return true;
}

static bool
number(struct in *in, unsigned bytes, size_t *out)
{
	struct in v;

	if (!take(in, bytes, &v))
		return false;
	*out = 0;
	for (unsigned i = 0; i < bytes; i++)
		*out = *out << 8 | v.p[i];
	return true;
}

/* A vector with its length in front. */
static bool
vector(struct in *in, unsigned bytes, struct in *out)
{
	size_t n;

	return number(in, bytes, &n) && take(in, n, out);
}

static bool
server_name(struct in ext, struct hello *h)
{
	struct in list, name;
	struct bytes b;
	struct addr a;
	size_t type;

	if (!vector(&ext, 2, &list) || ext.n || !number(&list, 1, &type) || type != 0 ||
	    !vector(&list, 2, &name) || list.n || name.n == 0 || name.n > HELLO_NAME_MAX ||
	    h->sni_len)
		return false;
	b = bytes_of((const char *)name.p, name.n);
	if (b.p[b.n - 1] == '.')
		b.n--;
	if (b.n == 0 || addr_parse_ip(b, &a)) /* RFC 6066: no addresses */
		return false;
	for (size_t i = 0; i < b.n; i++) {
		char c = b.p[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c | 0x20);
		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
			c == '_'))
			return false;
		h->sni[i] = c;
	}
	h->sni[b.n] = '\0';
	h->sni_len = (uint16_t)b.n;
	return true;
}

static bool
protocols(struct in ext, struct hello *h)
{
	struct in list, name;

	if (!vector(&ext, 2, &list) || ext.n || list.n == 0)
		return false;
	h->alpn = true;
	while (list.n) {
		if (!vector(&list, 1, &name) || name.n == 0)
			return false;
		h->h2 |= name.n == 2 && memcmp(name.p, "h2", 2) == 0;
		h->http11 |= name.n == 8 && memcmp(name.p, "http/1.1", 8) == 0;
	}
	return true;
}

static bool
versions(struct in ext, struct hello *h)
{
	struct in list;
	size_t v;

	if (!vector(&ext, 1, &list) || ext.n)
		return false;
	while (list.n) {
		if (!number(&list, 2, &v))
			return false;
		if (v >= 0x0301 && v <= 0x0304 && v > h->version)
			h->version = (uint16_t)v;
	}
	return true;
}

static bool
extensions(struct in all, struct hello *h)
{
	struct in ext;
	size_t type;
	bool seen_sni = false;

	while (all.n) {
		bool ok = true;

		if (!number(&all, 2, &type) || !vector(&all, 2, &ext))
			return false;
		if (type == 0) {
			ok = !seen_sni && server_name(ext, h);
			seen_sni = true;
		} else if (type == 16) {
			ok = !h->alpn && protocols(ext, h);
		} else if (type == 43) {
			ok = versions(ext, h);
		}
		if (!ok)
			return false;
	}
	return true;
}

static bool
client_hello(struct in body, struct hello *h)
{
	struct in skip, all;
	size_t version;

	if (!number(&body, 2, &version) || !take(&body, 32, &skip) || !vector(&body, 1, &skip) ||
	    skip.n > 32 || !vector(&body, 2, &skip) || skip.n < 2 || skip.n % 2 ||
	    !vector(&body, 1, &skip) || skip.n == 0)
		return false;
	h->version = (uint16_t)(version > 0x0303 ? 0x0303 : version);
	if (body.n == 0) /* no extensions: SSL 3 style */
		return true;
	return vector(&body, 2, &all) && body.n == 0 && extensions(all, h);
}

/* Join the records' payloads until a whole handshake message is there. */
static enum hg_err
join(struct in raw, unsigned char *scratch, struct in *msg)
{
	size_t have = 0, want = 4;

	while (have < want) {
		size_t type, version, len;
		struct in head, rec;

		if (!take(&raw, 5, &head))
			return raw.n && raw.p[0] != 22 ? HG_ERR_BAD_REQUEST : HG_ERR_AGAIN;
		if (!number(&head, 1, &type) || !number(&head, 2, &version) ||
		    !number(&head, 2, &len) || type != 22 || version >> 8 != 3 || len == 0 ||
		    len > 16384)
			return HG_ERR_BAD_REQUEST;
		if (have + len > HELLO_MAX)
			return HG_ERR_RANGE;
		if (!take(&raw, len, &rec)) { /* the part that is there may already show nonsense */
			if (have == 0 && raw.n && raw.p[0] != 1)
				return HG_ERR_BAD_REQUEST;
			return HG_ERR_AGAIN;
		}
		memcpy(scratch + have, rec.p, rec.n);
		have += rec.n;
		if (scratch[0] != 1)
			return HG_ERR_BAD_REQUEST;
		if (have >= 4)
			want =
			    4 + ((size_t)scratch[1] << 16 | (size_t)scratch[2] << 8 | scratch[3]);
		if (want > HELLO_MAX)
			return HG_ERR_RANGE;
	}
	*msg = (struct in){scratch + 4, want - 4};
	return have == want ? HG_OK : HG_ERR_BAD_REQUEST;
}

enum hg_err
hello_parse(const void *p, size_t n, unsigned char *scratch, struct hello *out)
{
	struct in msg;
	enum hg_err e = join((struct in){p, n}, scratch, &msg);

	*out = (struct hello){0};
	if (e != HG_OK)
		return e == HG_ERR_AGAIN && n >= HELLO_MAX ? HG_ERR_RANGE : e;
	return client_hello(msg, out) ? HG_OK : HG_ERR_BAD_REQUEST;
}
