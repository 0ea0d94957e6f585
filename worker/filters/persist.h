/*
 * persist.h - session persistence: after the weighted choice of a backend, which of its endpoints.
 * The token that a client carries names an endpoint and the time of issue, with a keyed checksum:
 * it survives reloads (endpoint ids are stable), and a client can neither read an address from it
 * nor choose an endpoint with it.
 */
#ifndef WORKER_PERSIST_H
#define WORKER_PERSIST_H

#include "base/arena.h"
#include "base/hash.h"
#include "http/msg.h"
#include "shm/image.h"

#define PERSIST_TOKEN 48 /* characters */

struct persist_use { /* what one exchange needs of it; texts in the arena */
	bool on, cookie, permanent, secure;
	struct bytes name, path;
	uint32_t absolute_s;
	uint64_t scope;      /* rule: a token is good for the rule that issued it only */
	uint64_t tag;        /* endpoint that the request's token names, 0 = none or not valid */
	uint32_t issued;     /* of that token, unix seconds */
};

/* Reads the request's token. `rule_name`: what the rule is ("ns/name/index"), for the scope and the
 * generated name. */
void persist_read(struct persist_use *, struct arena *, const struct image *,
    const struct im_persist *, struct bytes rule_name, bool tls, const struct hash_key *,
    int64_t now_s, const struct msg *req);
/* Takes the session cookie (or header) out of the request before it goes on. */
void persist_strip(const struct persist_use *, struct arena *, struct msg *req);
/* Puts a token for the endpoint that served onto the response, if the client does not have it yet.
 */
void persist_write(const struct persist_use *, struct arena *, const struct hash_key *,
    int64_t now_s, uint64_t tag, struct msg *resp);

void persist_token(const struct hash_key *, uint64_t scope, uint64_t tag, uint32_t issued,
    char out[PERSIST_TOKEN + 1]);
bool persist_parse(
    const struct hash_key *, uint64_t scope, struct bytes token, uint64_t *tag, uint32_t *issued);

#endif
