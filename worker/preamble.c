/*
 * preamble.c - a PROXY header is looked at with MSG_PEEK until it is whole and then taken off the
 * socket to the byte: what follows may be a ClientHello that must be peeked at in its turn, or go
 * to another process's library untouched. Nothing is kept between two looks, so an attacker who
 * sends it byte by byte costs a system call each and no memory; the caller's timer ends that.
 */
#include "worker/preamble.h"

#include <errno.h>
#include <sys/socket.h>

enum preamble
preamble_read(int fd, enum im_proxy mode, struct proxyproto *out)
{
	char text[PROXYPROTO_MAX];
	ssize_t n = recv(fd, text, sizeof(text), MSG_PEEK | MSG_DONTWAIT);

	*out = (struct proxyproto){0};
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return PREAMBLE_MORE;
	if (n <= 0)
		return PREAMBLE_BAD;
	switch (proxyproto_parse(text, (size_t)n, out)) {
	case PROXYPROTO_MORE:
		return PREAMBLE_MORE;
	case PROXYPROTO_NONE:
		return mode == IM_PROXY_OPTIONAL ? PREAMBLE_NONE : PREAMBLE_BAD;
	case PROXYPROTO_BAD:
		return PREAMBLE_BAD;
	case PROXYPROTO_DONE:
		break;
	}
	if (recv(fd, text, out->bytes, MSG_DONTWAIT) != (ssize_t)out->bytes)
		return PREAMBLE_BAD;
	return PREAMBLE_DONE;
}
