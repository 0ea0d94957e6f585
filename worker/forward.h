/*
 * forward.h - what becomes of a message head on its way through: hop-by-hop fields go, Via and
 * X-Forwarded-* come, client copies of our own names (also spelled with "_") are dropped before
 * ours are written. RFC 9110 section 7.6.
 */
#ifndef WORKER_FORWARD_H
#define WORKER_FORWARD_H

#include "base/arena.h"
#include "http/msg.h"

#define FORWARD_ID_MAX 128 /* longest X-Request-Id that is kept from a client */

struct forward_env {
	struct arena *arena;
	struct bytes client_ip;  /* text; all texts live as long as the exchange */
	struct bytes port;       /* of the listener, text */
	struct bytes via;        /* "1.1 headgate" */
	struct bytes date;       /* IMF-fixdate */
	uint64_t random[2];      /* for a request id */
	bool tls;
	bool id_dropped, id_unmade; /* the client's request id goes; none is made */
	struct bytes xfcc;       /* X-Forwarded-Client-Cert; absent = none */
	struct bytes request_id; /* out; absent = none */
};

/* request_id: the client's, where it may be kept, else a new one, or none with id_unmade. Once;
 * later calls change nothing. */
enum hg_err forward_id(struct forward_env *, const struct msg *in);
/* Working copy of a request: texts shared with `in`. HG_ERR_NOMEM if there is no room for the
 * fields. Has a table of its own. */
enum hg_err forward_request(struct forward_env *, struct msg *in, struct msg *work);
/* The same without a table (msg.base): for heads that nobody edits, which are most. `in` must live
 * as long as `out`. */
enum hg_err forward_request_lean(struct forward_env *, struct msg *in, struct msg *work);
void forward_response_lean(struct bytes via_line, const struct msg *in, struct msg *out);
/* Whoever edits or reads lines of a working copy calls this first: it gets its table, if it has
 * none yet. */
enum hg_err forward_own(struct forward_env *, const struct msg *in, struct msg *work);
/* Leave out all lines with this id. */
void forward_drop(struct msg *work, enum field_id);
/* A copy of the working copy (a mirror's): lines that filters removed are left out. */
enum hg_err forward_copy(struct arena *, const struct msg *work, struct msg *out);
/* Response of a backend on its way to the client. */
enum hg_err forward_response(struct forward_env *, const struct msg *in, struct msg *out);
/* Informational response: fields that are not hop-by-hop, nothing added. */
enum hg_err forward_info(struct arena *, const struct msg *in, struct msg *out);
/* Trailers that may pass (RFC 9110 6.5.1): none that frames, routes or authenticates. In place. */
void forward_trailers(struct fields *);
/* Max-Forwards of OPTIONS (RFC 9110 7.6.2): true = answer here. Else it is counted down in `work`.
 */
bool forward_max(struct arena *, struct msg *work);

#endif
