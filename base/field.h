/*
 * field.h - one HTTP field line and the table of them that the guard makes and everything reads:
 * routing, filters, policies, logs. Names and values are borrowed from the message's buffer.
 * Known names have a small id, so that looking one up is one array access. Pure; any process.
 */
#ifndef BASE_FIELD_H
#define BASE_FIELD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

/* F(id, canonical name): names that headgate itself looks at or writes. */
#define FIELD_TABLE(F) \
	F(HOST, "Host") F(CONNECTION, "Connection") F(CONTENT_LENGTH, "Content-Length") \
	F(TRANSFER_ENCODING, "Transfer-Encoding") F(TE, "TE") F(TRAILER, "Trailer") \
	F(UPGRADE, "Upgrade") F(KEEP_ALIVE, "Keep-Alive") F(PROXY_CONNECTION, "Proxy-Connection") \
	F(EXPECT, "Expect") F(VIA, "Via") F(DATE, "Date") F(SERVER, "Server") \
	F(FORWARDED, "Forwarded") F(X_FORWARDED_FOR, "X-Forwarded-For") \
	F(X_FORWARDED_PROTO, "X-Forwarded-Proto") F(X_FORWARDED_HOST, "X-Forwarded-Host") \
	F(X_FORWARDED_PORT, "X-Forwarded-Port") F(X_REAL_IP, "X-Real-IP") \
	F(X_REQUEST_ID, "X-Request-Id") F(XFCC, "X-Forwarded-Client-Cert") \
	F(ORIGIN, "Origin") F(ACRM, "Access-Control-Request-Method") \
	F(ACRH, "Access-Control-Request-Headers") F(ACAO, "Access-Control-Allow-Origin") \
	F(ACAC, "Access-Control-Allow-Credentials") F(ACAM, "Access-Control-Allow-Methods") \
	F(ACAH, "Access-Control-Allow-Headers") F(ACEH, "Access-Control-Expose-Headers") \
	F(ACMA, "Access-Control-Max-Age") F(VARY, "Vary") F(COOKIE, "Cookie") \
	F(SET_COOKIE, "Set-Cookie") F(CONTENT_TYPE, "Content-Type") F(LOCATION, "Location") \
	F(USER_AGENT, "User-Agent") F(REFERER, "Referer") F(AUTHORIZATION, "Authorization") \
	F(RETRY_AFTER, "Retry-After") F(ACCEPT, "Accept") F(ACCEPT_ENCODING, "Accept-Encoding") \
	F(CONTENT_ENCODING, "Content-Encoding") F(CACHE_CONTROL, "Cache-Control") F(ETAG, "ETag") \
	F(GRPC_TIMEOUT, "grpc-timeout") F(GRPC_STATUS, "grpc-status") \
	F(GRPC_MESSAGE, "grpc-message") \
	F(TRACEPARENT, "traceparent") F(HTTP2_SETTINGS, "HTTP2-Settings") \
	F(PROXY_AUTHENTICATE, "Proxy-Authenticate") F(PROXY_AUTHORIZATION, "Proxy-Authorization") \
	F(EARLY_DATA, "Early-Data") F(ALT_SVC, "Alt-Svc") F(WWW_AUTHENTICATE, "WWW-Authenticate")

enum field_id {
	FIELD_OTHER, /* any name without an id */
#define F(id, name) FIELD_##id,
	FIELD_TABLE(F)
#undef F
	FIELD_COUNT
};

#define FIELD_GONE 0x01u /* removed: skip it (tables are never compacted) */
#define FIELD_HOP 0x02u  /* hop-by-hop, or named in Connection: never forwarded (RFC 9110 7.6.1) */

struct field {
	struct bytes name, value; /* value without outer white space */
	uint8_t id;               /* enum field_id */
	uint8_t flags;
};

_Static_assert(FIELD_COUNT <= 64, "sets of field ids are 64 bits");
#define FIELD_BIT(id) (1ull << (id))

/* All lines of one message. `v` has room for `cap`. The sets also tell of lines that are gone. */
struct fields {
	struct field *v;
	uint16_t n, cap;
	uint64_t seen, twice; /* sets of ids: at least one line has it; more than one has */
};

enum field_id field_id(struct bytes name); /* case-insensitive; FIELD_OTHER if unknown */
struct bytes field_name(enum field_id);
static inline void
fields_init(struct fields *t, struct field *v, uint16_t cap)
{
	*t = (struct fields){.v = v, .cap = cap};
}
/* Notes in the sets that a line with this id was appended. */
static inline void
fields_note(struct fields *t, enum field_id id)
{
	t->twice |= t->seen & FIELD_BIT(id);
	t->seen |= FIELD_BIT(id);
}
/* false: table is full. */
bool fields_add(struct fields *, struct bytes name, struct bytes value, enum field_id id);
struct field *fields_first(const struct fields *, enum field_id); /* fields_get's own */
/* First line that is not gone, or NULL. By id is O(1) when there is none. */
static inline struct field *
fields_get(const struct fields *t, enum field_id id)
{
	return t->seen & FIELD_BIT(id) ? fields_first(t, id) : NULL;
}
struct field *fields_find(const struct fields *, struct bytes name); /* known or not */
struct field *fields_next(
    const struct fields *, const struct field *after); /* same name, later line */
void fields_remove(struct fields *, struct bytes name);
/* Replace all lines of that name by one; false: full. */
bool fields_set(struct fields *, struct bytes name, struct bytes value);
/* Content-Type says gRPC: "application/grpc", also with "+proto" or parameters behind it, but not
 * grpc-web. */
bool fields_grpc(const struct fields *);
/* All values of `name` joined with ", " (RFC 9110 5.3) into out; a single line is borrowed, not
 * copied. Absent if there is none; *too_long if it does not fit. */
struct bytes fields_joined(
    const struct fields *, struct bytes name, char *out, size_t cap, bool *too_long);

#endif
