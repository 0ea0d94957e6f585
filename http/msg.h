/*
 * msg.h - one message head, request or response, of either protocol version, and how its body is
 * framed. Texts are borrowed from the buffer `head` (one reference) or from the exchange's arena.
 * The as-received message is never modified: filters edit a copy (msg_copy), which shares the
 * texts.
 */
#ifndef HTTP_MSG_H
#define HTTP_MSG_H

#include "base/err.h"
#include "base/field.h"
#include "base/uri.h"
#include "net/buf.h"

#define MSG_FIELDS 128  /* field lines of a head; a higher limits.fields counts as this */
#define MSG_TRAILERS 32 /* of a trailer section, at least */

enum msg_framing { MSG_NONE, MSG_LENGTH, MSG_CHUNKED, MSG_CLOSE };

struct msg {
	struct bytes method, target; /* request, as received */
	struct bytes path,
	    query; /* request, working copy: what goes upstream (query absent or without '?') */
	struct bytes
	    authority;       /* Host or :authority as received; working copy: what goes upstream */
	struct bytes scheme; /* "http" / "https" where the client said it (absolute form, h2) */
	struct bytes protocol; /* with `upgrade`: one token, what is asked for or switched to */
	struct bytes reason;         /* response */
	uint16_t status;             /* response */
	uint8_t minor;               /* HTTP/1.x; 2 = HTTP/2 */
	uint8_t framing;             /* enum msg_framing */
	bool request, keep_alive;    /* keep_alive: the sender lets the connection live */
	/* upgrade: a request without a body asks for one other protocol (RFC 9110 7.8, RFC
	 * 8441), or a 101 names one. What can be read in two ways is not seen at all. */
	bool expect_continue, upgrade, te_trailers;
	bool head;                   /* response to HEAD: framing describes, no body comes */
	uint64_t length;             /* MSG_LENGTH */
	/* On its way out, beside `fields`: the lines of another table, without those in `skip` (a
	 * set of ids), and finished lines of text, each with its CRLF. So a head that nobody edits
	 * needs no table of its own. */
	const struct fields *base;
	uint64_t skip;
	struct bytes extra;
	struct buf *buf;             /* reference that keeps the texts alive, or NULL */
	struct buf *trailer_buf;     /* the same for the trailers' */
	struct uri_host
	    host; /* request: canonical form of `authority` as received; len 0 if there was none */
	struct fields fields;
	struct fields trailers; /* as received; lines that must not be trailers are FIELD_GONE */
	struct field store[MSG_FIELDS + MSG_TRAILERS]; /* trailers lie behind the fields */
};

void msg_init(struct msg *, bool request);
void msg_release(struct msg *); /* drops the references; the owner of the storage calls it */
void msg_copy(struct msg *dst,
    const struct msg *src); /* head without trailers; n fields only; takes a reference */
/* All lines that go out, one by one: start with {m}. false: that was all. Framing fields and what
 * else belongs to the connection are among those of `fields`; the caller leaves out what it must.
 */
struct msg_lines {
	const struct msg *m;
	const struct fields *t;
	uint32_t i;
	uint8_t part;
	struct bytes rest;
};
bool msg_lines_next(struct msg_lines *, struct field *out);
const char *msg_reason(uint16_t status);           /* RFC 9110 phrase, "" if unknown */

#endif
