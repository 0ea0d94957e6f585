/*
 * chunked.c - the chunked coding. Any cutting of the bytes gives the same payload and the same end;
 * what is accepted, http-parser takes too, with the same payload and the same number of bytes. (It
 * calls a Content-Length or Transfer-Encoding among the trailers an error of its own; those bodies
 * are not compared.)
 */
#include <http_parser.h>

#include "base/check.h"
#include "base/mem.h"
#include "http/h1_guard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static const struct h1_limits limits = {.request_line = 300,
    .field = 200,
    .header = 1000,
    .fields = 20,
    .trailer = 300,
    .trailer_fields = 5,
    .leading_crlf = 2,
    .chunk_line = 64,
    .chunk_overhead = 256};

struct seen {
	char body[8192];
	size_t body_n, used;
	enum hg_err e;
	bool framing_trailer, complete;
};

static struct field store[8];
static struct fields trailers;

/* As a connection does: what is not consumed comes again with `step` more bytes behind it. */
static void
run(const uint8_t *data, size_t n, size_t step, struct seen *s)
{
	struct h1_chunks c;
	size_t have = 0;

	memset(s, 0, offsetof(struct seen, e));
	memset(s->body, 0, sizeof(s->body));
	*s = (struct seen){.e = HG_ERR_AGAIN};
	h1_chunks_init(&c);
	fields_init(&trailers, store, 8);
	while (s->e == HG_ERR_AGAIN && have < n) {
		have = have + step < n ? have + step : n;
		do {
			uint32_t used = 0, off = 0, k = 0, left = (uint32_t)(have - s->used);
			char *p = mem_alloc(left);

			memcpy(p, data + s->used, left);
			s->e = h1_chunks_step(&c, p, left, &limits, &used, &off, &k, &trailers);
			if (s->e == HG_OK) {
				HG_CHECK(used > 0 && used <= left && off + k <= used);
				HG_CHECK(s->body_n + k <= sizeof(s->body));
				memcpy(s->body + s->body_n, p + off, k);
				s->body_n += k;
				s->used += used;
			}
			if (c.state == H1_CHUNK_DONE)
				s->framing_trailer = (trailers.seen &
				    (FIELD_BIT(FIELD_CONTENT_LENGTH) |
					FIELD_BIT(FIELD_TRANSFER_ENCODING))) != 0;
			mem_free(p);
		} while (s->e == HG_OK && c.state != H1_CHUNK_DONE);
	}
}

static int
on_body(http_parser *hp, const char *p, size_t n)
{
	struct seen *s = hp->data;

	memcpy(s->body + s->body_n, p, n);
	s->body_n += n;
	return 0;
}

static int
on_complete(http_parser *hp)
{
	((struct seen *)hp->data)->complete = true;
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char head[] =
	    "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
	static struct seen whole, parts, other;
	http_parser_settings set = {.on_body = on_body, .on_message_complete = on_complete};
	http_parser hp;

	if (n > sizeof(whole.body))
		return 0;
	run(data, n, n, &whole);
	run(data, n, n ? 1 + data[0] % 7 : 1, &parts);
	HG_CHECK(whole.e == parts.e && whole.body_n == parts.body_n);
	HG_CHECK(memcmp(whole.body, parts.body, whole.body_n) == 0);
	if (whole.e != HG_OK)
		return 0;
	HG_CHECK(whole.used == parts.used);
	if (whole.framing_trailer)
		return 0;
	other = (struct seen){.e = HG_OK};
	http_parser_init(&hp, HTTP_REQUEST);
	hp.data = &other;
	HG_CHECK(http_parser_execute(&hp, &set, head, sizeof(head) - 1) == sizeof(head) - 1);
	n = http_parser_execute(&hp, &set, (const char *)data, whole.used);
	if (HTTP_PARSER_ERRNO(&hp) == HPE_INVALID_CHUNK_SIZE && n < whole.used && data[n] == '\t')
		return 0;
	HG_CHECK(n == whole.used);
	HG_CHECK(HTTP_PARSER_ERRNO(&hp) == HPE_OK && other.complete);
	HG_CHECK(other.body_n == whole.body_n && memcmp(other.body, whole.body, whole.body_n) == 0);
	return 0;
}
