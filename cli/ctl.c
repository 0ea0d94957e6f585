/*
 * ctl.c - connect, one packet out, one packet in. The socket is reached through a descriptor of its
 * folder, since a runtime folder's path may be longer than a socket address holds.
 */
#include "cli/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "cli/cli.h"

int
ctl_connect(const char *runtime_dir)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int dir = open(runtime_dir, O_PATH | O_DIRECTORY | O_CLOEXEC), fd = -1, err = 0;

	if (dir == -1) {
		err = errno;
	} else {
		snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dir, CTL_SOCKET);
		fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		if (fd == -1 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == -1)
			err = errno;
		close(dir);
	}
	if (!err)
		return fd;
	if (fd != -1)
		close(fd);
	fprintf(stderr, "headgate: %s at %s/%s: %s\n",
	    err == EACCES ? "no access to an instance" : "no running instance", runtime_dir,
	    CTL_SOCKET, strerror(err));
	return err == EACCES ? -EX_NOT_PERMITTED : -EX_UNREACHABLE;
}

static void
take_fds(struct msghdr *mh, struct ctl_answer *a)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		a->nfds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		HG_CHECK(a->nfds <= CTL_FDS);
		memcpy(a->fds, CMSG_DATA(c), a->nfds * sizeof(int));
	}
}

int
ctl_next(int fd, uint64_t timeout_ms, struct ctl_answer *a)
{
	union {
		char buf[CMSG_SPACE(CTL_FDS * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = {a->text, CTL_ANSWER_MAX};
	struct msghdr mh = {.msg_iov = &iov,
	    .msg_iovlen = 1,
	    .msg_control = &control,
	    .msg_controllen = sizeof(control)};
	struct pollfd p = {.fd = fd, .events = POLLIN};
	ssize_t n;

	a->nfds = 0;
	if (poll(&p, 1, timeout_ms > INT32_MAX ? INT32_MAX : (int)timeout_ms) <= 0) {
		fprintf(stderr, "headgate: the instance did not answer in time\n");
		return EX_UNHEALTHY;
	}
	n = recvmsg(fd, &mh, MSG_CMSG_CLOEXEC);
	if (n <= 0) {
		fprintf(stderr, "headgate: the instance closed the connection%s%s\n", n ? ": " : "",
		    n ? strerror(errno) : "");
		return EX_UNREACHABLE;
	}
	a->n = (size_t)n;
	a->text[n] = '\0';
	take_fds(&mh, a);
	return 0;
}

int
ctl_ask(int fd, const char *request, uint64_t timeout_ms, struct ctl_answer *a)
{
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) == -1) {
		fprintf(stderr, "headgate: the instance does not listen: %s\n", strerror(errno));
		return EX_UNREACHABLE;
	}
	return ctl_next(fd, timeout_ms, a);
}
