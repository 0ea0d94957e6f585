/*
 * master.h - the supervisor. It owns sockets, children, shared regions and the reload transaction,
 * and never parses configuration or touches a client's byte (DESIGN section 3). `headgate run`
 * calls master_run() and returns its result.
 */
#ifndef MASTER_MASTER_H
#define MASTER_MASTER_H

struct master_opts {
	const char *const *files;  /* -f: files and folders, flat mode. None: role folders under
	                              headgate.conf's `resources` */
	unsigned nfiles;           /* at most PROTO_ROOTS */
	const char *conf;          /* headgate.conf; "" or NULL: all defaults */
	const char *runtime_dir;   /* made if missing: control socket, lock, reload.json */
	const char *state_dir;     /* made if missing: the last catalogue */
};

/* Blocks until headgate has stopped. Exit status: 0 stopped as asked; 1 cannot run; 78
 * headgate.conf is wrong and there is nothing to serve. The caller has one thread and has opened
 * nothing that children might inherit. */
int master_run(const struct master_opts *);

#endif
