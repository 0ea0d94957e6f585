/*
 * listen.h - the listening sockets: one SO_REUSEPORT socket per (address, transport, slot), made when the address appears
 * in a generation and kept until it has left (DESIGN section 3). Master only.
 *
 * A compile plans: listen_plan() starts it, listen_bind() answers each address, listen_fill() completes the
 * groups to all slots, and listen_commit() or listen_abort() ends it. Nothing is listen()ed here: workers do that.
 */
#ifndef MASTER_LISTEN_H
#define MASTER_LISTEN_H

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

struct listen_set {
	struct list listeners, failures;
	unsigned nslots;
};

void listen_init(struct listen_set *);
void listen_release(struct listen_set *);       /* closes all */
void listen_plan(struct listen_set *);
int listen_bind(struct listen_set *, const struct proto_sockkey *, uint64_t now_ns); /* 0 or errno */
int listen_fill(struct listen_set *, unsigned nslots); /* 0, or -1 with errno */
void listen_abort(struct listen_set *);         /* closes what the plan made */
unsigned listen_commit(struct listen_set *);    /* marks what nobody planned as leaving; how many */
struct listener *listen_find(struct listen_set *, const struct proto_sockkey *); /* not leaving */
struct listener *listen_find_leaving(struct listen_set *, const struct proto_sockkey *);
void listen_wait(struct listener *, unsigned slot);
bool listen_closed(struct listener *, unsigned slot); /* true: that was the last one waited for */
bool listen_waits(const struct listener *);
void listen_remove(struct listener *);          /* closes and frees */
bool listen_listening(const struct listener *, unsigned slot); /* some worker has called listen() */
/* When the next failed bind is due (0 = none), and trying all that are: true if one works now, so that a reload
 * would bring it up. The socket is kept for it. */
uint64_t listen_due(const struct listen_set *);
bool listen_retry(struct listen_set *, uint64_t now_ns);

#endif
