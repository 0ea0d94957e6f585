/*
 * preamble.h - the PROXY header that a connection may have to begin with (im_socket.proxy), before
 * TLS and before any protocol. Works on the bare descriptor, so that every kind of listener can.
 */
#ifndef WORKER_PREAMBLE_H
#define WORKER_PREAMBLE_H

#include "net/proxyproto.h"
#include "shm/image.h"

enum preamble {
	PREAMBLE_MORE, /* ask again when there is more to read; at its end: close */
	PREAMBLE_DONE, /* taken off the descriptor, *out is set */
	PREAMBLE_NONE, /* IM_PROXY_OPTIONAL: it begins with something else, nothing was taken */
	PREAMBLE_BAD   /* close */
};
/* One recv to look, one to take. Nothing behind the header is taken. */
enum preamble preamble_read(int fd, enum im_proxy, struct proxyproto *out);

#endif
