/*
 * role.h - how a child of the master starts. master/main.c receives HELLO on descriptor 3, calls
 * the role's prepare() (everything a library wants to open), drops privileges, enters the jail and
 * calls run(), whose result is the exit status. Descriptors of regions come already mapped where
 * `map` is set.
 */
#ifndef SHM_ROLE_H
#define SHM_ROLE_H

#include "shm/board.h"
#include "shm/bucket.h"
#include "shm/proto.h"
#include "shm/slot.h"

struct role_env {
	int chan;                        /* PROTO_CHAN_FD, non-blocking SEQPACKET */
	struct proto_hello hello;
	struct control_page *control;    /* read-only */
	struct slot_segment *slot;       /* this worker's; NULL for other roles */
	struct bucket_table *buckets;
	struct board *board;
	struct names *names;             /* writable for the helper only */
	void *tickets;                   /* workers: struct tls_keys (net/tls.h), read-only */
	int accesslog;                   /* logger: descriptor of the access log, or -1 */
};

struct role {
	const char *name;                /* argv[0] is "headgate: NAME" or "headgate: NAME SLOT" */
	void (*prepare)(void);           /* may be NULL */
	int (*run)(struct role_env *);
};

#endif
