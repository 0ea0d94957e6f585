/*
 * reach.h - where a Service or a Backend can be reached from here, by what the running instance
 * knows.
 */
#ifndef CLI_REACH_H
#define CLI_REACH_H

#include "cli/view.h"

#define REACH_MAX 256

struct reach_want {
	bool backend;            /* a Backend, else a Service */
	struct bytes ns, name, port; /* port: a number, or the name of a Service's port */
};
struct reach_place {
	struct addr addr;
	char unix_path[108];     /* instead of addr; "" = none */
};
struct reach {
	uint16_t port;           /* as the Service has it */
	uint16_t target;         /* port of all endpoints, 0 = not the same one */
	uint32_t known;          /* endpoints, with those that are out */
	uint32_t n;              /* of those in v */
	struct reach_place v[REACH_MAX];
};
/* 0: out is filled, perhaps with n == 0. Else an exit status, after saying why on stderr. */
int reach_find(const struct view *, const struct reach_want *, struct reach *out);

#endif
