/*
 * secure.h - TLS of client connections: which listener a hello means, with which certificates, and
 * the contexts for that. A context is made at the first handshake that needs it and kept in a
 * bounded table by what it is made of, so that a reload that changes nothing of it costs nothing.
 */
#ifndef WORKER_SECURE_H
#define WORKER_SECURE_H

#include "net/tls.h"
#include "worker/gen.h"

#define SECURE_CONTEXTS 512 /* of a worker; about 60 KB each with a small chain */

struct secure;
struct secure *secure_new(struct tls_keys *); /* keys may be NULL: no tickets */
void secure_free(struct secure *);
struct tls_env *secure_env(struct secure *);

/* im_listener index for a name on a socket; IM_NONE: refuse. */
uint32_t secure_listener(const struct gen *, uint32_t socket, struct bytes sni);
/* Its context for that name, borrowed until the next call. NULL with a line in the log. */
struct tls_ctx *secure_context(
    struct secure *, const struct gen *, uint32_t listener, struct bytes sni);
/* Is what a connection was let in by at its handshake still what the listener asks for? */
bool secure_same(const struct gen *, uint32_t listener, uint64_t mark);
/* 64 bits that stand for a listener's TLS settings and validation. */
uint64_t secure_mark(const struct im_tls *);

#endif
