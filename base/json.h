/*
 * json.h - writing JSON text into a strbuf, and scanning one flat object of strings (the control
 * socket's requests). Everything else about JSON is done by libraries outside base.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/strbuf.h"

/* A writer that puts commas and, if asked, indents by two. */
struct json {
	struct strbuf *out;
	unsigned depth;
	bool pretty, first;
};

void json_init(struct json *, struct strbuf *out, bool pretty);
void json_object(struct json *);
void json_array(struct json *);
void json_end(struct json *, char close); /* '}' or ']' */
void json_key(struct json *, const char *);
void json_keyb(struct json *, struct bytes);
void json_str(struct json *, struct bytes); /* escapes; bytes that are not UTF-8 become U+FFFD */
void json_strz(struct json *, const char *);
void json_int(struct json *, int64_t);
void json_double(struct json *, double);
void json_bool(struct json *, bool);
void json_null(struct json *);
void json_raw(struct json *, struct bytes); /* a value that is JSON already */

/* Scan `{"k":"v",…}`: string values only, no nesting, at most `cap` pairs; keys and values are
 * decoded in place. Number of pairs, or -1. */
struct json_pair {
	struct bytes key, value;
};
int json_flat(char *text, size_t n, struct json_pair *out, unsigned cap);

/* Escape into a fixed buffer, for log lines on the hot path: returns bytes written, never more than
 * cap; cuts at cap (never inside an escape). */
size_t json_escape(struct bytes, char *out, size_t cap);

#endif
