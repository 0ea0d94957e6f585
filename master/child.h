/*
 * child.h - one process of the master's: birth (spawn.c), messages, end (reap.c). Which roles there
 * are is ROLE_TABLE; what the master does with their messages and deaths is in child_kinds[]
 * (master.c). Master only, but for the table.
 */
#ifndef MASTER_CHILD_H
#define MASTER_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/imsg.h"
#include "base/list.h"
#include "net/loop.h"
#include "shm/proto.h"

#define REGION(name) (1u << PROTO_FD_##name)

/* R(kind, name, jail profile, writable regions, read-only regions, keeps uid 0 (without
 * capabilities)) */
#define ROLE_TABLE(R) \
	R(READER, "reader", JAIL_READER, 0, 0, false) \
	R(COMPILER, "compiler", JAIL_COMPILER, 0, 0, false) \
	R(WRITER, "writer", JAIL_WRITER, 0, 0, true) \
	R(WORKER, "worker", JAIL_WORKER, REGION(SLOT) | REGION(BUCKETS) | REGION(BOARD), \
	    REGION(CONTROL) | REGION(NAMES) | REGION(TICKETS), false) \
	R(LOGGER, "logger", JAIL_LOGGER, REGION(ACCESSLOG), REGION(CONTROL), false) \
	R(HELPER, "helper", JAIL_HELPER, REGION(BOARD) | REGION(NAMES), REGION(CONTROL), false)

enum child_kind {
#define R(kind, name, jail, rw, ro, root) CHILD_##kind,
	ROLE_TABLE(R)
#undef R
	CHILD_KINDS
};

struct master;

struct child {
	struct list link;      /* master.children */
	struct master *master;
	enum child_kind kind;
	unsigned slot;         /* worker */
	pid_t pid;
	uint64_t started;      /* clock_mono */
	bool closed;           /* the channel is gone; the process may still run */
	bool expected;         /* its end is no accident: told to stop, or killed by us */
	struct imsg_chan chan;
	struct watch watch;
};

struct child_ops {
	/* A message, already checked against the table. Descriptors that are not taken are closed.
	 */
	void (*message)(struct child *, struct imsg *);
	/* It is gone (status as from waitpid), all its messages have been read. The child is freed
	 * afterwards. */
	void (*ended)(struct child *, int status);
};
extern const struct child_ops child_kinds[CHILD_KINDS];

const char *child_name(const struct child *, char buf[32]); /* "worker 3" */
/* NULL with a log line. HELLO is sent. */
struct child *child_spawn(struct master *, enum child_kind, unsigned slot);
/* A message; a dead channel is no error here, the end of the process follows. */
void child_send(struct child *, uint32_t type, uint64_t seq, const void *payload, const int *fds,
    unsigned nfds);
void child_kill(struct child *, int signo);
/* Reads and handles what has come. */
void child_read(struct child *);
/* Reap whatever has ended (SIGCHLD). */
void child_reap(struct master *);
/* "exit status 1", "killed by SIGSEGV", "killed by SIGSYS (jail)". */
const char *child_end_text(int status, char buf[64]);

/* The child's side: argv[0] is "headgate: worker 3". CHILD_KINDS if it is none. */
enum child_kind role_parse(const char *argv0, unsigned *slot);

#endif
