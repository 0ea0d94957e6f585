/*
 * listen.h - the slot's listening sockets. They are made and kept by the master; this process
 * accepts on them from the moment that its generation has them to the moment that the master says
 * drop.
 */
#ifndef WORKER_LISTEN_H
#define WORKER_LISTEN_H

#include "worker/core.h"

struct listener {
	struct list link;
	struct watch watch;
	struct worker *w;
	struct proto_socket what;
	uint64_t since;         /* generation from which on it serves */
	bool on;                /* registered with the loop */
	bool pending;           /* more may wait to be accepted */
	bool later;             /* no descriptor: asked again when the loop turns by itself */
	uint8_t l4;             /* of the live generation: l4_protocol() */
	bool mute;              /* its clients would not understand an answer in clear text */
	bool deferred;          /* accept() comes with the client's first bytes */
	struct udp_port *udp;   /* IM_UDP, once it serves */
};

void listen_add(
    struct worker *, const struct proto_socket *, uint64_t since, int fd); /* takes fd */
void listen_drop(
    struct worker *, const struct proto_socket *); /* accepts until empty, closes, reports */
/* Sockets whose time has come listen and are registered. */
void listen_activate(struct worker *);
/* A generation went live: what its sockets carry. Then listen_activate(). */
void listen_adopt(struct worker *);
/* Accepts that were left over from the last turn; true if some still are. */
bool listen_more(struct worker *);
void listen_stop(
    struct worker *); /* drain: what waits is accepted once more, then all are closed */
void listen_release(struct worker *);

#endif
