/*
 * conflict.h - what conflict.c and socket.c share: which protocols can share a port, and how a
 * loser looks.
 */
#ifndef CONF_RESOLVE_CONFLICT_H
#define CONF_RESOLVE_CONFLICT_H

#include "conf/resolve/scope.h"

uint8_t conflict_class(uint8_t protocol); /* 1 HTTP, 2 TLS, 3 TCP, 4 UDP */
void conflict_set(struct r_listener *, const char *reason, const char *message);
void listenerset_accept(struct r_set *);

#endif
