/*
 * infra.h - objects that headgate makes itself: the built-in GatewayClass, and for each Gateway a
 * Service that stands for its bound addresses and ports, with the labels and annotations of
 * spec.infrastructure (DESIGN "Metadata").
 */
#ifndef CONF_RESOLVE_INFRA_H
#define CONF_RESOLVE_INFRA_H

#include "conf/resolve/scope.h"

struct infra {
	const struct infra *next;
	const char *group, *kind;
	struct bytes ns, name, uid, json, status;
	int64_t created, generation;
	uint32_t flags; /* CAT_* */
	struct im_range conditions;
};

/* Conditions of the class are added to the writer. */
struct constants;
const struct infra *infra_list(struct scope *, struct blob_writer *, struct constants *);

#endif
