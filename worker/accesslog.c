/*
 * accesslog.c - access lines. Written by hand into the ring's own memory: a general JSON writer
 * costs more than the rest of a small request. Every text is escaped and cut to a bound, and the
 * bounds add up to less than the buffer, so a line is never broken off in the middle. Keys that
 * have nothing to say are left out. Times are seconds with microseconds, computed from integers.
 */
#include "worker/accesslog.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/json.h"

struct out {
	char *p;
	size_t n, cap;
};

static void
raw(struct out *o, const char *p, size_t n)
{
	if (n > o->cap - o->n)
		return;
	memcpy(o->p + o->n, p, n);
	o->n += n;
}
#define LIT(o, s) raw(o, s, sizeof(s) - 1)

static void
number(struct out *o, uint64_t v)
{
	char buf[20], *p = buf + sizeof(buf);

	do
		*--p = (char)('0' + v % 10);
	while (v /= 10);
	raw(o, p, (size_t)(buf + sizeof(buf) - p));
}

static void
digits(struct out *o, uint64_t v, unsigned width)
{
	char buf[20];

	for (unsigned i = width; i-- > 0; v /= 10)
		buf[i] = (char)('0' + v % 10);
	raw(o, buf, width);
}

static void
seconds(struct out *o, uint64_t ns)
{
	number(o, ns / SEC_NS);
	LIT(o, ".");
	digits(o, ns % SEC_NS / 1000, 6);
}

static bool
odd(const char *p) /* is one of these eight below 0x20, above 0x7f, a quote or a backslash? */
{
	const uint64_t ones = ~0ull / 255;
	uint64_t v;

	memcpy(&v, p, 8);
	return ((v - ones * 0x20) | ((v ^ ones * '"') - ones) | ((v ^ ones * '\\') - ones) | v) &
	    ones << 7;
}

/* Nothing to escape. A borrow may call a good byte odd, never the other way round. */
static bool
is_plain(struct bytes b)
{
	size_t i = 0;

	if (b.n >= 8) {
		for (; i + 8 <= b.n; i += 8)
			if (odd(b.p + i))
				return false;
		return i == b.n || !odd(b.p + b.n - 8);
	}
	for (; i < b.n; i++) {
		unsigned char c = (unsigned char)b.p[i];

		if (c < 0x20 || c >= 0x80 || c == '"' || c == '\\')
			return false;
	}
	return true;
}

static void
escaped(struct out *o, struct bytes b, size_t max)
{
	if (b.n <= HG_MIN(max, o->cap - o->n) && is_plain(b))
		raw(o, b.p, b.n);
	else
		o->n += json_escape(b, o->p + o->n, HG_MIN(max, o->cap - o->n));
}

/* Escaped text of at most `max` bytes of output; the closing quote always has room. */
static void
quoted(struct out *o, struct bytes b, size_t max)
{
	LIT(o, "\"");
	if (b.n)
		escaped(o, b, max);
	LIT(o, "\"");
}

#define KEY(o, k) LIT(o, ",\"" k "\":")
#define TEXT(o, k, b, max) do { if ((b).p) { KEY(o, k); quoted(o, b, max); } } while (0)
#define NUM(o, k, v) do { KEY(o, k); number(o, v); } while (0)
#define TIME(o, k, v) do { if (v) { KEY(o, k); seconds(o, v); } } while (0)

static void
pair(struct out *o, struct bytes ns, struct bytes name)
{
	LIT(o, "\"");
	escaped(o, ns, 256);
	LIT(o, "/");
	escaped(o, name, 256);
	LIT(o, "\"");
}

/* The same members in both kinds of lines. */
#define WHERE(o, a) \
	do { \
		NUM(o, "gen", (a)->gen); \
		if ((a)->gateway.p) { \
			KEY(o, "gateway"); \
			pair(o, (a)->gateway_ns, (a)->gateway); \
		} \
		TEXT(o, "listener", (a)->listener, 512); \
		if ((a)->has_route) { \
			KEY(o, "route"); \
			pair(o, (a)->route_ns, (a)->route); \
			NUM(o, "rule", (a)->rule); \
		} \
		NUM(o, "conn_id", (a)->conn); \
	} while (0)

static void
json_where(struct out *o, const struct access *a)
{
	WHERE(o, a);
	TEXT(o, "req_id", a->request_id, 160);
}

static void
json_request(struct out *o, const struct access *a)
{
	TEXT(o, "client_ip", a->client_ip, 48);
	NUM(o, "client_port", a->client_port);
	KEY(o, "proto");
	raw(o, a->minor == 2 ? "\"h2\"" : "\"h1\"", 4);
	if (a->tls_version) {
		TEXT(o, "tls_version", bytes_str(a->tls_version), 16);
		TEXT(o, "tls_cipher", bytes_str(a->tls_cipher), 64);
		TEXT(o, "tls_sni", a->sni, 256);
		if (a->tls_resumed)
			LIT(o, ",\"tls_resumed\":true");
	}
	TEXT(o, "method", a->method, 64);
	TEXT(o, "scheme", a->scheme, 8);
	TEXT(o, "host", a->host, 256);
	TEXT(o, "path", a->path, 2048);
	TEXT(o, "query", a->query, 1024);
	NUM(o, "req_bytes", a->req_bytes);
	NUM(o, "status", a->status);
	NUM(o, "resp_bytes", a->resp_bytes);
	TEXT(o, "user_agent", a->user_agent, 512);
	TEXT(o, "referer", a->referer, 512);
}

static void
json_begin(struct out *o, struct bytes second, uint64_t real_ns)
{
	LIT(o, "{\"ts\":\"");
	raw(o, second.p, second.n ? second.n - 1 : 0);
	LIT(o, ".");
	digits(o, real_ns % SEC_NS / 1000, 6);
	LIT(o, "Z\",\"v\":1");
}

size_t
accesslog_json(const struct access *a, char *out, size_t cap)
{
	struct out o = {out, 0, cap - 2};

	json_begin(&o, a->second, a->real_ns);
	json_where(&o, a);
	json_request(&o, a);
	KEY(&o, "t_total");
	seconds(&o, a->t_total);
	TIME(&o, "t_connect", a->t_connect);
	TIME(&o, "t_first_byte", a->t_first_byte);
	TIME(&o, "t_upstream", a->t_upstream);
	TEXT(&o, "backend", a->backend, 640);
	TEXT(&o, "endpoint", a->endpoint, 128);
	if (a->upstream_status)
		NUM(&o, "upstream_status", a->upstream_status);
	if (a->grpc)
		NUM(&o, "grpc_status", a->grpc - 1u);
	if (a->attempts) {
		NUM(&o, "attempts", a->attempts);
		if (a->reused)
			LIT(&o, ",\"reused\":true");
		else
			LIT(&o, ",\"reused\":false");
	}
	TEXT(&o, "reason", bytes_str(a->reason), 32);
	TEXT(&o, "error", bytes_str(a->error), 128);
	TEXT(&o, "closed_by", bytes_str(a->closed_by), 16);
	TEXT(&o, "detail", bytes_str(a->detail), 160);
	o.cap += 2;
	LIT(&o, "}\n");
	return o.n;
}

size_t
accesslog_l4_json(const struct access_l4 *a, char *out, size_t cap)
{
	struct out o = {out, 0, cap - 2};

	json_begin(&o, a->second, a->real_ns);
	WHERE(&o, a);
	TEXT(&o, "client_ip", a->client_ip, 48);
	NUM(&o, "client_port", a->client_port);
	TEXT(&o, "proto", bytes_str(a->protocol), 8);
	TEXT(&o, "tls_version", bytes_str(a->tls_version), 16);
	TEXT(&o, "tls_cipher", bytes_str(a->tls_cipher), 64);
	TEXT(&o, "tls_sni", a->sni, 256);
	NUM(&o, "bytes_in", a->in);
	NUM(&o, "bytes_out", a->out);
	if (a->packets_in || a->packets_out) {
		NUM(&o, "packets_in", a->packets_in);
		NUM(&o, "packets_out", a->packets_out);
	}
	KEY(&o, "t_total");
	seconds(&o, a->t_total);
	TIME(&o, "t_connect", a->t_connect);
	TEXT(&o, "backend", a->backend, 640);
	TEXT(&o, "endpoint", a->endpoint, 128);
	if (a->attempts)
		NUM(&o, "attempts", a->attempts);
	TEXT(&o, "closed_by", bytes_str(a->first), 16);
	TEXT(&o, "reason", bytes_str(a->reason), 32);
	TEXT(&o, "error", bytes_str(a->error), 128);
	TEXT(&o, "detail", bytes_str(a->detail), 160);
	o.cap += 2;
	LIT(&o, "}\n");
	return o.n;
}

/* Quotes, backslashes and what is not printable as \xhh, as nginx's and Apache's readers expect it.
 */
static void
hexed(struct out *o, struct bytes b, size_t max)
{
	static const char hex[] = "0123456789abcdef";

	if (b.n == 0)
		LIT(o, "-");
	for (size_t i = 0; i < HG_MIN(b.n, max); i++) {
		unsigned char c = (unsigned char)b.p[i];
		char esc[4] = {'\\', 'x', hex[c >> 4], hex[c & 15]};

		if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
			raw(o, esc, 4);
		else
			raw(o, (const char *)&c, 1);
	}
}

static void
combined_begin(struct out *o, struct bytes client_ip, struct bytes second)
{
	static const char months[12][4] = {
	    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	const char *t = second.p;
	unsigned month =
	    second.n == 20 ? (unsigned)(t[5] - '0') * 10 + (unsigned)(t[6] - '0') - 1 : 0;

	hexed(o, client_ip, 64);
	LIT(o, " - - [");
	if (second.n == 20 && month < 12) { /* 24/Nov/2026:08:02:30 +0000 */
		raw(o, t + 8, 2);
		LIT(o, "/");
		raw(o, months[month], 3);
		LIT(o, "/");
		raw(o, t, 4);
		LIT(o, ":");
		raw(o, t + 11, 8);
	}
	LIT(o, " +0000] \"");
}

size_t
accesslog_combined(const struct access *a, char *out, size_t cap)
{
	struct out o = {out, 0, cap - 2};

	combined_begin(&o, a->client_ip, a->second);
	hexed(&o, a->method, 64);
	LIT(&o, " ");
	hexed(&o, a->target, 900);
	LIT(&o, " HTTP/");
	raw(&o, a->minor == 2 ? "2.0" : a->minor ? "1.1" : "1.0", 3);
	LIT(&o, "\" ");
	digits(&o, a->status, 3);
	LIT(&o, " ");
	number(&o, a->resp_bytes);
	LIT(&o, " \"");
	hexed(&o, a->referer, 400);
	LIT(&o, "\" \"");
	hexed(&o, a->user_agent, 400);
	LIT(&o, "\"");
	o.cap += 2;
	LIT(&o, "\n");
	return o.n;
}

bool
accesslog_write(const struct access *a, enum im_log format, struct slot_ring *ring)
{
	char *p;

	if (format == IM_LOG_OFF)
		return true;
	p = ring_reserve(ring, ACCESS_LINE);
	if (p == NULL)
		return false;
	ring_commit(ring, SLOT_RING_ACCESS,
	    format == IM_LOG_COMBINED ? accesslog_combined(a, p, ACCESS_LINE) :
					accesslog_json(a, p, ACCESS_LINE));
	return true;
}

/* What readers of that format know how to take: the listener stands for the target, 200 for a
 * connection that was served and 000 for one that was not. */
static size_t
l4_combined(const struct access_l4 *a, char *out, size_t cap)
{
	struct out o = {out, 0, cap - 2};

	combined_begin(&o, a->client_ip, a->second);
	hexed(&o, bytes_str(a->protocol), 8);
	LIT(&o, " ");
	hexed(&o, a->sni.n ? a->sni : a->listener, 512);
	LIT(&o, " -\" ");
	if (a->t_connect || a->packets_in)
		LIT(&o, "200 ");
	else
		LIT(&o, "000 ");
	number(&o, a->out);
	LIT(&o, " \"-\" \"-\"");
	o.cap += 2;
	LIT(&o, "\n");
	return o.n;
}

bool
accesslog_l4(const struct access_l4 *a, enum im_log format, struct slot_ring *ring)
{
	char *p;

	if (format == IM_LOG_OFF)
		return true;
	p = ring_reserve(ring, ACCESS_LINE);
	if (p == NULL)
		return false;
	ring_commit(ring, SLOT_RING_ACCESS,
	    format == IM_LOG_COMBINED ? l4_combined(a, p, ACCESS_LINE) :
					accesslog_l4_json(a, p, ACCESS_LINE));
	return true;
}
