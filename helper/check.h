/*
 * check.h - one active health check: a connection, a question, an answer that says yes or no. HTTP
 * goes through the same adapters as traffic, so a backend whose answers the guard would refuse is
 * not healthy. Helper only.
 */
#ifndef HELPER_CHECK_H
#define HELPER_CHECK_H

#include "http/h1.h"
#include "http/h2.h"
#include "shm/image.h"
#include "worker/upstream/uptls.h"

enum health_result {
	HEALTH_GOOD,
	HEALTH_FAIL, /* no answer in time, not connected, a status that may be tried again */
	HEALTH_BAD   /* an answer that says no: unhealthy at once */
};
/* What an answer's status means. Pure. */
enum health_result health_status(const struct im_statusrange *expected, uint32_t n,
    const struct im_statusrange *retriable, uint32_t nretriable, unsigned status);
/* What a message of grpc.health.v1.HealthCheckResponse in its frame says; -1: it is none. Pure. */
int check_grpc_status(const unsigned char *p, size_t n);

#define CHECK_RANGES 16
struct check_terms { /* an im_health without its image; counted */
	unsigned refs;
	char host[256], path[1100], method[20];
	char send[1024], receive[1024];
	uint32_t nsend, nreceive;
	struct im_statusrange expected[CHECK_RANGES], retriable[CHECK_RANGES];
	uint32_t nexpected, nretriable;
	uint32_t timeout_ms, interval_ms, jitter_ms;
	uint16_t healthy, unhealthy, port; /* port: to be asked instead of the endpoint's; 0 = no */
	uint8_t type;                      /* enum im_healthtype */
	uint8_t proxy; /* PROXY version that says "nobody's connection"; 0 = none */
};
/* Of a balance that has a health record. */
struct check_terms *check_terms_new(const struct image *, const struct im_balance *);
struct check_terms *check_terms_ref(struct check_terms *);
void check_terms_unref(struct check_terms *); /* or NULL */

struct checker { /* what all checks share */
	struct loop *loop;
	struct bufs bufs;
	struct pool streams;
	struct h2_env h2;
	struct tls_env *tls;
	struct uptls_store *uptls;
};
void checker_init(struct checker *, struct loop *);
void checker_release(struct checker *); /* after a turn of the loop: `closed` of what was cut */

struct check_to { /* whom to ask */
	struct addr addr;
	const char *unix_path; /* "": none */
	const char *host;      /* used where the terms have none */
	struct uptls *secure;  /* or NULL */
	bool h2;
};
struct check_flight;
/* Asks. `done` comes once, from the loop; `why` is for people and borrowed. Terms and `secure` are
 * kept, texts only during the call. NULL: it cannot be connected to. */
struct check_flight *check_start(struct checker *, struct check_terms *, const struct check_to *,
    void (*done)(void *arg, enum health_result, const char *why), void *arg);
void check_cut(struct check_flight *); /* `done` will not come */

#endif
