/*
 * l4.h - connections that are relayed as bytes (TCP, TLS passed through or terminated) and UDP
 * sessions: what the rest of the worker calls.
 */
#ifndef WORKER_L4_H
#define WORKER_L4_H

#include "base/arena.h"
#include "net/hello.h"
#include "net/tube.h"
#include "worker/core.h"
#include "worker/l4/label.h"

struct udp;
struct l4 *l4_new(struct worker *);
void l4_free(struct l4 *);

/* What a socket's newcomers are: 0 not for L4; else enum im_protocol: IM_RAW_TCP, IM_RAW_UDP, or
 * IM_TLS where the hello decides (perhaps for an HTTPS listener of the same socket). */
uint8_t l4_protocol(const struct gen *, uint32_t socket);
/* Takes fd. false: no room (fd is closed by the caller). */
bool l4_accept(struct worker *, int fd, uint32_t socket_id, uint8_t protocol, const struct addr *);

void l4_adopt(struct worker *);     /* a generation went live: what is gone begins to leave */
void l4_drain(struct worker *);     /* the worker is leaving */
void l4_close_all(struct worker *); /* grace is over */
bool l4_busy(const struct worker *); /* UDP sessions; connections are in w->nconns */

/* ---- inside worker/l4 */
void l4_begin(struct worker *);     /* there is one more: counters are kept fresh */
#define L4_TELL_MS 2000
struct l4 {
	struct worker *w;
	struct timer tell;
	struct pool flows;
	struct list open;             /* struct flow */
	struct labels labels;
	struct pipes pipes;           /* for splice */
	struct arena scratch;         /* for one call; whoever used it resets it */
	struct udp *udp;              /* NULL until there is a UDP socket */
	unsigned char peek[HELLO_MAX], joined[HELLO_MAX]; /* of the hello that is looked at */
};
#endif
