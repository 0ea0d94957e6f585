/*
 * sock.h - sockets: listening (master), accepting (worker), options. Everything is CLOEXEC and
 * non-blocking.
 */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include <stdbool.h>

#include "base/addr.h"

/* The first socket of a port is bound without SO_REUSEPORT (so that nobody else's is joined) and
 * gets it afterwards; the others join it. -1 with errno. IPv6 is V6ONLY. TCP_NODELAY is set,
 * children inherit it. */
int sock_bind(const struct addr *, bool udp, bool first);
int sock_listen(int fd, int backlog);
/* The same with TCP_DEFER_ACCEPT (protocols in which the client speaks first). */
int sock_listen_deferred(int fd, int backlog);
void sock_defer(int fd, bool on); /* the option alone */
/* A filter that drops new SYNs, before a listener is taken away (accept until empty follows). */
int sock_refuse_new(int fd);
/* -1 with errno; EAGAIN when there is none. */
int sock_accept(int listener, struct addr *peer);
/* 0: the system's. */
void sock_keepalive(int fd, uint32_t probes, uint32_t idle_s, uint32_t interval_s);
bool sock_local(int fd, struct addr *out);
/* The address that this machine has for the world (4 or 6): that of its default route. Sends
 * nothing. Port 0. false: there is no such route, or only loopback. */
bool sock_outward(unsigned family, struct addr *out);
bool sock_peer(int fd, struct addr *out);
int sock_unix_listen(int dirfd, const char *name, unsigned mode);

#endif
