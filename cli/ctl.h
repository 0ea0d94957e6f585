/*
 * ctl.h - the client's end of the control socket (shm/ctl.h).
 */
#ifndef CLI_CTL_H
#define CLI_CTL_H

#include <stddef.h>
#include <stdint.h>

#include "shm/ctl.h"

struct ctl_answer {
	char text[CTL_ANSWER_MAX + 1]; /* JSON, NUL-terminated */
	size_t n;
	int fds[CTL_FDS];
	unsigned nfds;
};

/* Connect to the instance of a runtime folder. Descriptor, or minus an exit status after saying why
 * on stderr. */
int ctl_connect(const char *runtime_dir);
/* Send one request ({"verb":…} text) and read one answer. 0, or an exit status after saying why. */
int ctl_ask(int fd, const char *request, uint64_t timeout_ms, struct ctl_answer *);
int ctl_next(int fd, uint64_t timeout_ms, struct ctl_answer *); /* a further packet */

#endif
