/*
 * conn.h - a client's connection: its adapter, where it came in, and the exchange that runs on it.
 * It holds no generation, only its socket's id, which each exchange looks up anew.
 */
#ifndef WORKER_CONN_H
#define WORKER_CONN_H

#include "worker/core.h"

struct exchange;
struct conn {
	union { /* both begin with the chan; which one, the first bytes decide */
		struct {
			struct h1_down h1;
			struct exchange *x;
		};
		struct h2_down h2; /* its exchanges are many */
	};
	struct worker *w;
	struct list link;
	struct addr peer;
	bool is_h2 : 1, secure : 1; /* secure: TLS */
	bool counted : 1;       /* in worker.ips */
	bool admitted : 1;      /* counted at `listener` */
	uint8_t proxy;          /* enum im_proxy: how it was let in */
	uint32_t born;          /* conn_age() */
	uint32_t client;        /* im_client in `seen`, or IM_NONE */
	uint32_t id;
	uint32_t socket;        /* im_socket.id */
	uint32_t index;         /* of it in generation `seen` */
	uint32_t seen;          /* low half of a generation, as good as the whole: at most 3 live */
	uint32_t listener; /* im_listener.id: TLS: that the hello chose; clear text: the first */
	uint32_t listener_index; /* of it in `seen` */
	uint64_t tls;           /* secure_mark() of the handshake's settings */
};
/* 10,000 of them lie idle at small cost (DESIGN section 11). */
_Static_assert(sizeof(struct conn) <= 512, "an idle connection costs at most 512 bytes");

/* Takes fd. false: no room (fd is closed by the caller). begun: a PROXY header was taken off it,
 * and `peer` is who that says. */
bool conn_start(struct worker *, int fd, uint32_t socket, const struct addr *peer, bool begun);
/* Index of its socket in the generation. IM_NONE if it is gone, or if what the connection was let
 * in by is no longer what is asked for: another protocol, another listener, other validation. */
uint32_t conn_socket(struct conn *, const struct gen *);
/* Index of the listener that the handshake chose, IM_NONE in clear text. After conn_socket(). */
uint32_t conn_listener(const struct conn *);
/* Milliseconds since it was accepted, to a sixteenth of a second. */
uint64_t conn_age(const struct conn *);
/* Its exchange is over. */
void conn_idle(struct conn *);
/* Requests that began on it. */
uint64_t conn_requests(const struct conn *);
/* No more after this one (h2: GOAWAY; h1 closes with the answer). */
void conn_last(struct conn *);
void conn_drain_all(struct worker *);
/* After a commit: those that the live generation does not serve are drained, the others live by its
 * terms. */
void conn_take_over(struct worker *);
void conn_close_all(struct worker *);

#endif
