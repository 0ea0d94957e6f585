/*
 * dirs.h - runtime and state folders: made if missing, held by descriptor, flocked so that one
 * instance owns them. Files and sockets in them are reached through the descriptor, so a long path
 * is no problem. Master only.
 */
#ifndef MASTER_DIRS_H
#define MASTER_DIRS_H

#include "base/bytes.h"

struct dirs {
	int runtime, state;  /* O_DIRECTORY descriptors */
	int lock_runtime, lock_state;
};

/* 0, or -1 after a log line that says what is wrong ("already running: pid 123"). `runtime_mode`:
 * 0755 in service mode, where others may ask for status, else 0700. */
int dirs_open(struct dirs *, const char *runtime, const char *state, unsigned runtime_mode);
void dirs_close(struct dirs *); /* removes the sockets and the pid from the lock */
/* Replace a small file: tmp, rename. No fsync: runtime facts only. -1 with errno. */
int dirs_put(int dir, const char *name, struct bytes text, unsigned mode);
/* A listening SOCK_SEQPACKET socket in `dir`; a stale one is removed. -1 with errno. */
int dirs_listen(int dir, const char *name, unsigned mode);

#endif
