/*
 * h1_guard.h - decides on the raw bytes, before any parser, what a message is: the rules of DESIGN
 * section 6 and reference/reliability.md section 6. One pass over a head makes the field table and
 * the framing. Ambiguity is always an error, never a guess. Pure; also used by the fuzz targets.
 */
#ifndef HTTP_H1_GUARD_H
#define HTTP_H1_GUARD_H

#include "base/clock.h"
#include "http/msg.h"

struct h1_limits {
	uint32_t request_line, field, header, fields, trailer, trailer_fields, leading_crlf;
	uint32_t chunk_line, chunk_overhead, informational,
	    requests_per_connection; /* the last two: 0 = no limit */
	uint64_t header_ms, idle_ms, write_ms, body_grace_ms, body_rate; /* body_rate 0 = off */
};

/* When a body is too slow that began at `since` and of which so many bytes have come. 0: never. */
static inline uint64_t
h1_limits_body_due(const struct h1_limits *l, uint64_t since, uint64_t bytes)
{
	if (l->body_rate == 0)
		return 0;
	return since + l->body_grace_ms * MS_NS +
	    (uint64_t)((double)bytes / (double)l->body_rate * (double)SEC_NS);
}

/* A head in p[0..n). *scan remembers what was looked at (0 at first; the bytes may have moved in
 * between). HG_OK: complete, *used = its length, msg is filled (msg_init is done here).
 * HG_ERR_AGAIN: more is needed. Else what to answer. Requests: BAD_REQUEST, BAD_VERSION,
 * BAD_CODING, BAD_EXPECT, URI_TOO_LONG, HEADER_TOO_LARGE. Responses: BACKEND_BAD. */
enum hg_err h1_guard_request(const char *p, uint32_t n, const struct h1_limits *, uint32_t *scan,
    struct msg *, uint32_t *used);
enum hg_err h1_guard_response(const char *p, uint32_t n, const struct h1_limits *, uint32_t *scan,
    bool head_request, struct msg *, uint32_t *used);
/* Field lines from p[off..n) up to and with the empty line, at most `max` bytes of them. OK, AGAIN,
 * BAD_REQUEST, HEADER_TOO_LARGE. */
enum hg_err h1_guard_fields(const char *p, uint32_t off, uint32_t n, uint32_t max,
    uint32_t max_line, uint32_t max_lines, struct fields *, uint32_t *used);

/* Chunked body: feed bytes, get payload ranges. */
enum h1_chunk_state {
	H1_CHUNK_SIZE,
	H1_CHUNK_DATA,
	H1_CHUNK_DATA_END,
	H1_CHUNK_TRAILER,
	H1_CHUNK_DONE
};
struct h1_chunks {
	uint8_t state;
	uint64_t left;                 /* of the current chunk's data */
	uint64_t meta, payload;        /* for the overhead bound */
};
void h1_chunks_init(struct h1_chunks *);
/* One step from p[0..n): HG_OK with *used > 0 consumed; if *data_n > 0, p[*data_off..) is payload
 * (never more than n, so in state DATA a caller short of credit passes less). HG_ERR_AGAIN: a line
 * is incomplete (nothing consumed). At H1_CHUNK_DONE the trailers (perhaps none) are in `trailers`,
 * borrowed from p; those that must not be trailers are FIELD_GONE. HG_ERR_BAD_REQUEST and
 * HG_ERR_HEADER_TOO_LARGE otherwise. */
enum hg_err h1_chunks_step(struct h1_chunks *, const char *p, uint32_t n, const struct h1_limits *,
    uint32_t *used, uint32_t *data_off, uint32_t *data_n, struct fields *trailers);

/* Second opinion: does http-parser (Debian's, non-strict) read the same method/status, framing and
 * length in the head p[0..n)? Where it is known to be wrong about a valid head, the answer is true.
 */
bool h1_parser_agrees(const char *p, uint32_t n, const struct msg *);

#endif
