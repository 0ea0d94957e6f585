/*
 * sockets.h - the listening sockets: one SO_REUSEPORT socket per (address, transport, slot), made
 * when the address appears in a generation and kept until it has left (DESIGN section 3). Master
 * only.
 *
 * A compile plans: sockets_plan() starts it, sockets_bind() answers each address, sockets_fill()
 * completes the groups to all slots, and sockets_commit() or sockets_abort() ends it. Nothing is
 * listen()ed here: workers do that.
 */
#ifndef MASTER_SOCKETS_H
#define MASTER_SOCKETS_H

#include <stdbool.h>

#include "base/list.h"
#include "shm/proto.h"
#include "shm/slot.h"

struct listener {
	struct list link;
	struct proto_sockkey key;
	int *fds;               /* nfds of them, by slot; -1 = not made */
	unsigned nfds;
	bool planned;           /* named by the compile under way */
	bool fresh;             /* made for it: not served yet */
	bool leaving;           /* served no more; waiting to be closed */
	uint64_t waiting[SLOT_MAX / 64]; /* slots whose worker has not said SOCKET_CLOSED */
};

struct bind_failure {
	struct list link;
	struct proto_sockkey key;
	int error;
	uint32_t tries;
	bool planned;
	uint64_t next;          /* clock_mono of the next try */
};

struct sockets {
	struct list listeners, failures;
	unsigned nslots;
};

void sockets_init(struct sockets *);
void sockets_release(struct sockets *);       /* closes all */
void sockets_plan(struct sockets *);
int sockets_bind(struct sockets *, const struct proto_sockkey *, uint64_t now_ns); /* 0 or errno */
int sockets_fill(struct sockets *, unsigned nslots); /* 0, or -1 with errno */
void sockets_abort(struct sockets *);         /* closes what the plan made */
unsigned sockets_commit(struct sockets *);    /* marks what nobody planned as leaving; how many */
struct listener *sockets_find(struct sockets *, const struct proto_sockkey *); /* not leaving */
struct listener *sockets_find_leaving(struct sockets *, const struct proto_sockkey *);
void sockets_wait(struct listener *, unsigned slot);
bool sockets_closed(struct listener *, unsigned slot); /* true: that was the last one waited for */
bool sockets_waits(const struct listener *);
void sockets_remove(struct listener *);          /* closes and frees */
bool sockets_listening(
    const struct listener *, unsigned slot); /* some worker has called listen() */
/* When the next failed bind is due (0 = none), and trying all that are: true if one works now, so
 * that a reload would bring it up. The socket is kept for it. */
uint64_t sockets_due(const struct sockets *);
bool sockets_retry(struct sockets *, uint64_t now_ns);

#endif
