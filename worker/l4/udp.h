/*
 * udp.h - UDP sessions: by client and local address, each with a connected socket to its endpoint,
 * in a bounded table. A datagram of a session comes to the worker that owns it, because the group
 * of a port's sockets never changes (DESIGN section 3).
 */
#ifndef WORKER_UDP_H
#define WORKER_UDP_H

#include "worker/l4/way.h"
#include "worker/listen.h"

#define UDP_SESSIONS 65536u /* of a worker; fewer where descriptors are short */

struct udp;
struct udp_port;

/* Serves a bound socket; fd stays the listener's. NULL: it cannot be watched. */
struct udp_port *udp_open(struct worker *, int fd, uint32_t socket_id);
void udp_close(struct udp_port *); /* ends its sessions */
void udp_free(struct udp *);       /* all ports must be closed; NULL is fine, as below */
void udp_adopt(struct udp *, const struct gen *, const struct way_rules *, uint64_t until);
void udp_drain(struct udp *);      /* reads no more of clients; answers still go out */
void udp_close_all(struct udp *, enum hg_err);
void udp_tell(struct udp *);       /* counters of bytes */
bool udp_busy(const struct udp *); /* there are sessions */

#endif
