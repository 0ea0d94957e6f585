/*
 * pick.h - which backendRef by weight, which endpoint of it by turn. Pure but for the phases in
 * struct gen.
 */
#ifndef WORKER_PICK_H
#define WORKER_PICK_H

#include "shm/board.h"
#include "worker/gen.h"
#include "worker/upstream/counts.h"

struct uptls;
struct target { /* one endpoint to talk to; the texts lie in the image */
	struct addr addr;
	struct bytes unix_path; /* instead of addr */
	uint32_t id;            /* endpoint id, 0 = other */
	uint32_t cluster;       /* index in the image */
	uint32_t tls;           /* 1 + im_uptls; 0 = clear text */
	struct bytes host;      /* the endpoint's own host name; absent = none */
	struct uptls *secure;   /* made of `tls` by whoever connects; borrowed */
	struct bytes greeting;  /* PROXY header that its connections begin with; borrowed too */
	uint8_t proto;          /* enum im_appproto */
};

struct pick_in {
	struct gen *gen;
	const struct board *board; /* NULL: all are usable */
	const struct names *names; /* NULL: no name has an address */
	uint64_t now;              /* clock_mono ns */
	uint64_t random;
	/* of the rule's policy */
	const struct im_balance *balance; /* NULL: by turn */
	const struct counts *counts;      /* NULL: nothing is under way */
	uint64_t hash;                    /* of what the request brings */
	bool hash_on;
};

#define PICK_TRIED 8
struct pick_tried { /* endpoints that an exchange has tried already */
	uint64_t tags[PICK_TRIED];
	unsigned n;
};

/* Exact division: in any `sum of weights / gcd` consecutive calls each gets exactly its share,
 * spread evenly. IM_NONE if all weights are 0. `weights(arg, i)` for i < n. */
uint32_t pick_weighted(struct gen_phase *, uint32_t n,
    uint32_t (*weight)(const void *arg, uint32_t i), const void *arg, uint64_t random);

/* im_backend index of a rule, or IM_NONE (no weight at all). */
uint32_t pick_backend(const struct pick_in *, uint32_t rule);
/* An endpoint that is usable and, where there is another, not in `tried` (NULL: none was). HG_OK,
 * or HG_ERR_NO_ENDPOINT. */
enum hg_err pick_endpoint(
    const struct pick_in *, uint32_t cluster, const struct pick_tried *, struct target *);
/* The endpoint with this tag, if it is usable, whatever its weight (session persistence). */
bool pick_tagged(const struct pick_in *, uint32_t cluster, uint64_t tag, struct target *);
/* What an endpoint is, across generations and restarts: its id, else its address. Never 0. */
uint64_t pick_tag(const struct target *);
void pick_note(struct pick_tried *, const struct target *);

#endif
