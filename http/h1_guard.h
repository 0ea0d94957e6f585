/*
 * h1_guard.h - decides on the raw bytes, before any parser, what a message is: the rules of DESIGN section 6 and
 * reference/reliability.md section 6. One pass over a head makes the field table and the framing. Ambiguity is always
 * an error, never a guess. Pure; also used by the fuzz targets.
 */
#ifndef HTTP_H1_GUARD_H
#define HTTP_H1_GUARD_H

#include "http/h1.h"

/* A head in p[0..n). *scan remembers where the search for its end goes on (0 at first).
 * HG_OK: complete, *used = its length, msg is filled. HG_ERR_AGAIN: more is needed. Else what to answer. */
enum hg_err h1_guard_request(const char *p, uint32_t n, const struct h1_limits *, uint32_t *scan, struct msg *,
    uint32_t *used);
enum hg_err h1_guard_response(const char *p, uint32_t n, const struct h1_limits *, uint32_t *scan, bool head_request,
    struct msg *, uint32_t *used);

/* Chunked body: feed bytes, get payload ranges. */
enum h1_chunk_state { H1_CHUNK_SIZE, H1_CHUNK_DATA, H1_CHUNK_DATA_CR, H1_CHUNK_DATA_LF, H1_CHUNK_TRAILER, H1_CHUNK_DONE };
struct h1_chunks {
	uint8_t state;
	uint64_t left;                 /* of the current chunk's data */
	uint64_t meta, payload;        /* for the overhead bound */
};
void h1_chunks_init(struct h1_chunks *);
/* One step from p[0..n): HG_OK with *used > 0 consumed; if *data_n > 0, p[*data_off..) is payload. Returns
 * HG_ERR_AGAIN when a line is incomplete (nothing consumed). At H1_CHUNK_DONE trailers (may be empty) are in
 * `trailers`, borrowed from p. HG_ERR_BAD_REQUEST and limits otherwise. */
enum hg_err h1_chunks_step(struct h1_chunks *, const char *p, uint32_t n, const struct h1_limits *, uint32_t *used,
    uint32_t *data_off, uint32_t *data_n, struct fields *trailers);

/* Second opinion: does http-parser (Debian's, non-strict) read the same method/status, framing and length? */
bool h1_parser_agrees(const char *p, uint32_t n, const struct msg *);

#endif
