/*
 * retry.h - whether another attempt follows, and when. Gateway API v1.7: by itself only where the
 * backend did not process the request; statuses only where the route lists them; a time limit of
 * one attempt only because the route set it. Pure.
 */
#ifndef WORKER_RETRY_H
#define WORKER_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/field.h"
#include "shm/image.h"

enum retry_class {
	RETRY_NOT_PROCESSED, /* not connected, or refused before processing */
	RETRY_UNKNOWN,       /* sent, and then the connection broke or the answer was no HTTP */
	RETRY_TIMEOUT,       /* over the limit of one attempt (backendRequest) */
	RETRY_STATUS         /* an answer with a status */
};
struct retry_in {
	const struct im_retry *policy; /* NULL: the route has none */
	enum retry_class what;
	uint16_t status;        /* RETRY_STATUS */
	unsigned made;          /* attempts beyond the first so far */
	bool replayable;        /* the request body is still there from its first byte */
	bool reused, got_bytes; /* the connection came from the pool; a byte of the answer came */
	bool silent_made;       /* the one silent retry was made */
	bool fresh_endpoint;    /* the cluster has another endpoint to try */
	bool grpc;              /* the answer's grpc-status is one to retry */
	bool refused;           /* a bound on retries is reached */
};
enum retry_verdict { RETRY_NO, RETRY_SILENT, RETRY_AGAIN };

enum retry_verdict retry_decide(const struct retry_in *);
bool retry_status(const struct im_retry *, uint16_t status);
bool retry_grpc(const struct im_retry *, const struct fields *);
/* Milliseconds to wait before attempt `made` + 1 (made >= 1 is the first retry). */
uint64_t retry_wait(const struct im_retry *, unsigned made, enum retry_class, uint64_t random);

#endif
