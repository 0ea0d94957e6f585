/*
 * label.h - the names that the log line of an L4 connection or session prints. They are copied out
 * of the image once for all that share them, so that nothing long-lived pins a generation and a
 * new connection copies no text.
 */
#ifndef WORKER_LABEL_H
#define WORKER_LABEL_H

#include "worker/gen.h"

#define LABELS 256 /* kept for the next that asks; those in use live as long as they are used */

struct label {
	uint32_t refs;
	uint32_t listener, rule, cluster; /* indices in generation `gen`; IM_NONE: none */
	uint64_t gen;
	struct bytes gateway_ns, gateway, listener_name, route_ns, route, backend;
	uint16_t rule_index;
	char text[];
};
struct labels {
	struct label *v[LABELS];
};

/* A reference. */
struct label *label_get(
    struct labels *, const struct gen *, uint32_t listener, uint32_t rule, uint32_t cluster);
struct label *label_ref(struct label *);
void label_unref(struct label *);
void labels_release(struct labels *);

#endif
