/*
 * liveroute.h - how many endpoints each route has, and how many of them are used: for tables, where
 * the question is asked for every route.
 */
#ifndef CLI_LIVEROUTE_H
#define CLI_LIVEROUTE_H

#include "cli/view.h"

struct liveroute {
	uint32_t used, all; /* an endpoint of two rules counts once */
};
/* NULL: the image has no such route. The first call looks at the whole image. */
const struct liveroute *liveroute_of(
    struct view *, struct bytes kind, struct bytes ns, struct bytes name);
void liveroute_release(struct view *); /* view_close() does */
const char *liveroute_kind(uint8_t kind); /* of im_route.kind; "" if there is none */

#endif
