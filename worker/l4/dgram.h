/*
 * dgram.h - many datagrams in one system call, both ways: what they carry beside their bytes (the
 * address they came to, the size of their segments where the kernel joined several) and how it is
 * said again when they are sent on. One thread's buffers; knows nothing of sessions.
 */
#ifndef WORKER_DGRAM_H
#define WORKER_DGRAM_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "base/addr.h"

#define DGRAM_BATCH 32
#define DGRAM_BYTES 65536
#define DGRAM_STRIDE (DGRAM_BYTES + 512) /* not a power of two: heads in different cache sets */
#define DGRAM_OUT 64    /* small answers gathered over one turn */
#define DGRAM_SMALL 2048

struct dgram_local { /* where it came to, and goes out from */
	struct addr addr;  /* port 0; family 0: as the socket is bound */
	uint32_t scope;    /* interface, of link-local IPv6 */
};
struct dgram_control {
	char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))]
	    __attribute__((aligned(__alignof__(struct cmsghdr))));
};
struct dgrams {
	struct mmsghdr msg[DGRAM_BATCH];
	struct iovec iov[DGRAM_BATCH];
	struct sockaddr_storage from[DGRAM_BATCH];
	struct dgram_control control[DGRAM_BATCH];
	uint16_t segment[DGRAM_BATCH]; /* 0: a single one */
	char *data;
};
struct dgrams_out { /* gathered for one socket */
	int fd;
	unsigned n;
	struct mmsghdr msg[DGRAM_OUT];
	struct iovec iov[DGRAM_OUT];
	struct sockaddr_storage to[DGRAM_OUT];
	struct dgram_control control[DGRAM_OUT];
	char data[DGRAM_OUT][DGRAM_SMALL];
};

void dgram_init(struct dgrams *);
void dgram_release(struct dgrams *);
/* Options of a socket: joined receiving where the kernel has it; where to, on a wildcard. */
void dgram_options(int fd, bool joined, bool wildcard, bool v6);
/* Number read, 0 none, -1 errno. More may wait only if all DGRAM_BATCH came. */
int dgram_recv(struct dgrams *, int fd);
bool dgram_from(const struct dgrams *, int i, struct addr *);
struct dgram_local dgram_to(const struct dgrams *, int i);
static inline uint32_t
dgram_len(const struct dgrams *d, int i)
{
	return d->msg[i].msg_len;
}
static inline uint32_t
dgram_count(const struct dgrams *d, int i) /* datagrams that it stands for */
{
	return d->segment[i] ? (dgram_len(d, i) + d->segment[i] - 1) / d->segment[i] : 1;
}
/* Sends [from, to) of what was read on, by a connected socket. Number taken by the kernel; fewer:
 * errno says why the next one was not. */
int dgram_forward(struct dgrams *, int fd, int from, int to);
/* One of what was read, to a client. Gathers small ones: dgram_flush() sends. Number of datagrams
 * that could not go out. */
unsigned dgram_reply(struct dgrams *, int i, struct dgrams_out *, int fd, const struct addr *to,
    const struct dgram_local *);
unsigned dgram_flush(struct dgrams_out *); /* number that could not go out */

#endif
