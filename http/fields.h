/*
 * fields.h - what HTTP says about field lines, as pure functions on the table of base/field.h:
 * comma lists, hop-by-hop fields, fields that must not be trailers.
 */
#ifndef HTTP_FIELDS_H
#define HTTP_FIELDS_H

#include "base/field.h"

/* Next element of a comma list (RFC 9110 5.6.1), without blanks; empty ones are skipped, commas in
 * quoted strings do not separate. *rest starts as the value. false at the end. */
bool fields_list(struct bytes *rest, struct bytes *item);
/* Does any line of `id` list this token (case-insensitive, parameters cut off)? */
bool fields_has_token(const struct fields *, enum field_id id, struct bytes token);
/* Marks FIELD_HOP: Connection, Keep-Alive, Proxy-Connection, Upgrade, TE, HTTP2-Settings,
 * Proxy-Authenticate and Proxy-Authorization, and what Connection names (RFC 9110 7.6.1) - but
 * never Host, framing fields, or fields whose loss would change who is asking or what is asked
 * (Authorization, Cookie, Forwarded and X-Forwarded-*, ...). */
void fields_hop_by_hop(struct fields *);
/* TE says that the sender takes trailers. */
bool fields_te_trailers(const struct fields *);
/* May this field stand in a trailer section (RFC 9110 6.5.1)? */
bool fields_trailer_ok(enum field_id, struct bytes name);

#endif
