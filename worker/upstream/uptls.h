/*
 * uptls.h - TLS towards backends: who is expected (names, CAs, SNI) and with what (client
 * certificate, versions, ALPN), as one counted object a worker has for each distinct content. Two
 * equal ones are one pointer, so a pool compares pointers. Contexts under them live over
 * generations, bounded; sessions are resumed (net/tls_sessions.c). Never a fall-back to clear text:
 * where there is no object, there is no connection. Needs an image and the descriptor of its
 * secrets, no generation, so that checks of health use it as well.
 */
#ifndef WORKER_UPTLS_H
#define WORKER_UPTLS_H

#include "net/tls.h"
#include "shm/image.h"

#define UPTLS_CONTEXTS 256 /* of a worker */
#define UPTLS_IDLE 512     /* objects that nothing uses, kept for the next request */

enum uptls_speak {  /* ALPN */
	UPTLS_OPEN, /* HTTP: the policy's offers, else h2 and http/1.1; the backend decides */
	UPTLS_H1,   /* http/1.1 (upgrades) */
	UPTLS_H2,   /* h2 (gRPC, appProtocol h2c): also if the backend says nothing */
	UPTLS_RAW   /* L4: the policy's offers, else none */
};
struct uptls_in {
	const struct image *im;
	int secrets;            /* descriptor */
	uint32_t tls;           /* im_uptls */
	uint32_t cert;          /* of the Gateway (im_gateway.cert), or IM_NONE */
	struct bytes endpoint;  /* the endpoint's own host name; absent = none */
	struct bytes host;      /* of the request, or the client's SNI; absent = none */
	enum uptls_speak speak;
};

struct uptls;
struct uptls_store;
struct uptls_store *uptls_store_new(struct tls_env *); /* borrowed */
void uptls_store_free(struct uptls_store *);           /* all references must be gone */

/* Borrowed until the next call; uptls_ref() to keep. NULL: BACKEND_TLS, tls_last_error() says why.
 */
struct uptls *uptls_get(struct uptls_store *, const struct uptls_in *);
struct uptls *uptls_ref(struct uptls *);
void uptls_unref(struct uptls *);

/* Right after chan_connect(): `open` comes when the handshake is done and the backend is who it
 * should be, else `error` with BACKEND_TLS. The address names the session. false: no memory, close
 * it. */
bool uptls_start(struct uptls *, struct chan *, const struct addr *, struct bytes unix_path);
/* After `open`: UPTLS_H2 or UPTLS_H1. */
enum uptls_speak uptls_spoken(const struct uptls *, const struct chan *);
/* What an address has spoken last, where it is the backend's choice. */
bool uptls_expects_h2(const struct uptls *, const struct addr *, struct bytes unix_path);
void uptls_learn(struct uptls *, const struct addr *, struct bytes unix_path, bool h2);
/* Why a connection failed (right after it did); a line in the log now and then. */
const char *uptls_failed(struct uptls *, uint64_t now, const char *where);

#endif
