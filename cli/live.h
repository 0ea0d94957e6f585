/*
 * live.h - endpoints as they are now: of a cluster of an image, or of the addresses that its name
 * has, with what the board and the workers' counters say of them.
 */
#ifndef CLI_LIVE_H
#define CLI_LIVE_H

#include "cli/view.h"

enum live_state {
	LIVE_READY,     /* nothing speaks against it, and nobody checks it */
	LIVE_HEALTHY,   /* its last check was good */
	LIVE_UNHEALTHY, /* its last checks were not */
	LIVE_EJECTED    /* taken out for a while by what requests met */
};
struct live {
	struct addr addr;
	struct bytes unix_path;   /* instead of addr */
	uint32_t id, weight;      /* id 0: nothing is known of it by itself */
	enum live_state state;
	uint64_t ejected_ms;      /* from now */
	uint64_t failing;         /* in a row, by passive checks */
	/* of all workers */
	uint64_t inflight, connections, requests, failures;
};
struct live_set {
	const struct view *view;
	const struct im_cluster *cluster;
	struct names_bank bank;   /* of a cluster with a DNS name */
	uint32_t n, next;         /* positions; the one that is looked at next */
	bool named;
};

void live_open(struct live_set *, const struct view *, uint32_t cluster);
/* The next endpoint, past positions where nobody is; false: that was all. */
bool live_next(struct live_set *, struct live *);
bool live_usable(const struct live *);
const char *live_name(enum live_state);
/* "by passive checks, 12.0s left"; "" if there is nothing to say. Returns out. */
const char *live_why(const struct live *, char out[96]);
/* "10.0.0.1:80", "unix:/run/x.sock" */
const char *live_address(const struct live *, char out[128]);
/* Clusters (those with only[i], or all if it is NULL) sorted by name, each name once: several
 * protocols of one backend are one. */
uint32_t *live_clusters(struct view *, const bool *only, uint32_t *n);
/* Is it of the Service (ns/name:port), or of the Backend (ns/name, ns/name(host:port)) of this
 * name? kind absent: either. */
bool live_is(const struct view *, uint32_t cluster, struct bytes kind, struct bytes ns,
    struct bytes name);

#endif
