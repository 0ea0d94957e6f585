/*
 * h1_write.h - heads and bodies of HTTP/1 into a chan's queue. A head is rendered into one pool
 * buffer; small bodies and chunk lines go behind it in the same buffer, so that an ordinary answer
 * is one slice and one send().
 */
#ifndef HTTP_H1_WRITE_H
#define HTTP_H1_WRITE_H

#include "http/h1.h"

enum h1_persist {
	H1_PERSIST_PLAIN,
	H1_PERSIST_CLOSE,
	H1_PERSIST_KEEP
}; /* Connection: nothing, close, keep-alive */

/* OK, NOMEM, HEADER_TOO_LARGE; nothing is queued on an error. Fields that are GONE or HOP are left
 * out, and so are those that this side owns: Host, Connection and its kin, framing. */
enum hg_err h1_write_request(struct chan *, struct h1_out *, const struct msg *, unsigned flags);
/* no_body: HEAD, 204, 304; http10: the client cannot read chunks. Adds Date if there is none. */
enum hg_err h1_write_response(struct chan *, struct h1_out *, const struct msg *, unsigned flags,
    bool no_body, bool http10, enum h1_persist);
enum hg_err h1_write_info(struct chan *, struct h1_out *, const struct msg *); /* 1xx, not 101 */
/* false: no memory, the connection is beyond repair. Bytes past a promised length are dropped. */
bool h1_write_body(struct chan *, struct h1_out *, struct slice);
bool h1_write_end(struct chan *, struct h1_out *, const struct fields *trailers);
void h1_write_done(struct h1_out *); /* gives the buffer back */
/* Text of the Date field; rendered once a second. */
struct bytes h1_write_date(uint64_t mono_now);

#endif
