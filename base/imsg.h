/*
 * imsg.h - messages with descriptors between our own processes, over SOCK_SEQPACKET pairs: one
 * packet is one message. Sends never block: what does not go out now waits in the queue. The
 * receiver checks type and length before it looks inside; descriptors that nobody takes are closed.
 */
#ifndef BASE_IMSG_H
#define BASE_IMSG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMSG_MAX (32 * 1024) /* payload bytes */
#define IMSG_FDS 16

struct imsg {
	uint32_t type;
	uint32_t seq;   /* sender's choice: generation or request id */
	uint32_t len;   /* of data */
	uint32_t nfds;
	int fds[IMSG_FDS]; /* taken by setting to -1 */
	unsigned char data[IMSG_MAX] __attribute__((aligned(16)));
};

struct imsg_chan {
	int fd;
	struct imsg_out *head, *tail; /* waiting to go out */
	size_t queued;
};

int imsg_pair(int fds[2]);                       /* CLOEXEC, non-blocking; -1 with errno */
void imsg_init(struct imsg_chan *, int fd);
void imsg_release(struct imsg_chan *);           /* closes fd and waiting descriptors */
/* Queue and try to send. Descriptors are duplicated, the caller keeps its own. -1: channel is dead.
 */
int imsg_send(struct imsg_chan *, uint32_t type, uint32_t seq, const void *data, size_t len,
    const int *fds, unsigned nfds);
int imsg_flush(struct imsg_chan *);              /* 1 all out, 0 more waits, -1 dead */
/* 1 message in *m, 0 none now, -1 dead or ended. Blocking reads: imsg_wait. */
int imsg_recv(struct imsg_chan *, struct imsg *m);
int imsg_wait(struct imsg_chan *, struct imsg *m, int timeout_ms); /* 1, 0 timeout, -1 */
int imsg_take_fd(struct imsg *, unsigned i);     /* -1 if there is none */
void imsg_close_fds(struct imsg *);

#endif
