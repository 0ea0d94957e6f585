/*
 * sock.c - the few socket calls that have more than one line to them. Options are set on listeners
 * wherever children inherit them (TCP_NODELAY), so that an accepted connection costs accept4 and
 * nothing else. The first socket of a port is bound before SO_REUSEPORT is set: a second program
 * with the option cannot slip in unseen, and the kernel lets an already bound socket be joined once
 * the option is on. New connections are held off with a socket filter that drops SYNs: a listener's
 * filter is asked before a request socket exists.
 */
#include "net/sock.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/check.h"

static int
fail(int fd)
{
	int e = errno;

	close(fd);
	errno = e;
	return -1;
}

static int
option(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

int
sock_bind(const struct addr *a, bool udp, bool first)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sock(a, &ss);
	int fd;

	if (len == 0) {
		errno = EINVAL;
		return -1;
	}
	fd = socket(
	    ss.ss_family, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (a->family == 6 && option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) != 0)
		return fail(fd);
	if (!udp && (option(fd, SOL_SOCKET, SO_REUSEADDR, 1) != 0 ||
	    option(fd, IPPROTO_TCP, TCP_NODELAY, 1) != 0))
		return fail(fd);
	if (!first && option(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0)
		return fail(fd);
	if (bind(fd, (struct sockaddr *)&ss, len) != 0)
		return fail(fd);
	if (first && option(fd, SOL_SOCKET, SO_REUSEPORT, 1) != 0)
		return fail(fd);
	return fd;
}

int
sock_listen(int fd, int backlog)
{
	return listen(fd, backlog);
}

int
sock_listen_deferred(int fd, int backlog)
{
	/* Seconds until a silent connection is handed over after all. */
	if (option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1) != 0)
		return -1;
	return listen(fd, backlog);
}

void
sock_defer(int fd, bool on)
{
	(void)option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, on);
}

/* TCP: a segment without ACK, that is a SYN, is dropped; what finishes a handshake passes, and so
 * does all that comes to the connection made of it, which inherits the filter. UDP: everything is
 * dropped. Linux 6.18 asks for NET_ADMIN. */
int
sock_refuse_new(int fd)
{
	static struct sock_filter tcp[] = {BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
	    BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x10, 0, 1), BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	    BPF_STMT(BPF_RET | BPF_K, 0)};
	struct sock_fprog prog = {.len = 4, .filter = tcp};
	int type = 0;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_DGRAM)
		prog = (struct sock_fprog){.len = 1, .filter = tcp + 3};
	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog));
}

int
sock_accept(int listener, struct addr *peer)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	int fd;

	do
		fd = accept4(listener, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd < 0)
		return -1;
	if (peer && !addr_from_sock((struct sockaddr *)&ss, peer))
		*peer = (struct addr){0};
	return fd;
}

bool
sock_local(int fd, struct addr *out)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	return getsockname(fd, (struct sockaddr *)&ss, &len) == 0 &&
	    addr_from_sock((struct sockaddr *)&ss, out);
}

/* Addresses for documentation (RFC 5737, RFC 3849): nobody has them, so the default route it is. */
bool
sock_outward(unsigned family, struct addr *out)
{
	static const struct addr v4 = {.family = 4, .ip = {198, 51, 100, 1}, .port = 9};
	static const struct addr v6 = {
	    .family = 6, .ip = {0x20, 0x01, 0x0d, 0xb8, [15] = 1}, .port = 9};
	static const struct cidr loop4 = {.base = {.family = 4, .ip = {127}}, .bits = 8};
	static const struct cidr loop6 = {.base = {.family = 6, .ip = {[15] = 1}}, .bits = 128};
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sock(family == 4 ? &v4 : &v6, &ss);
	int fd = socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&ss, len) == 0 && sock_local(fd, out);

	if (fd >= 0)
		close(fd);
	if (!ok)
		return false;
	out->port = 0;
	return out->family == family && !cidr_has(family == 4 ? &loop4 : &loop6, out);
}

bool
sock_peer(int fd, struct addr *out)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	return getpeername(fd, (struct sockaddr *)&ss, &len) == 0 &&
	    addr_from_sock((struct sockaddr *)&ss, out);
}

/* The path goes through the descriptor of its folder: no race, and no limit of 108 bytes on the
 * folder's name. */
int
sock_unix_listen(int dirfd, const char *name, unsigned mode)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int n = snprintf(un.sun_path, sizeof(un.sun_path), "/proc/self/fd/%d/%s", dirfd, name), fd;

	if (n < 0 || (size_t)n >= sizeof(un.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	/* The mode of the socket file comes from the descriptor's, so it is never open wider, even
	 * for a moment. */
	if (fchmod(fd, mode) != 0 || (unlinkat(dirfd, name, 0) != 0 && errno != ENOENT) ||
	    bind(fd, (struct sockaddr *)&un, sizeof(un)) != 0 || listen(fd, 128) != 0)
		return fail(fd);
	return fd;
}

void
sock_keepalive(int fd, uint32_t probes, uint32_t idle_s, uint32_t interval_s)
{
	const struct {
		int level, name;
		uint32_t value;
	} v[] = {{SOL_SOCKET, SO_KEEPALIVE, 1}, {IPPROTO_TCP, TCP_KEEPCNT, probes},
	    {IPPROTO_TCP, TCP_KEEPIDLE, idle_s}, {IPPROTO_TCP, TCP_KEEPINTVL, interval_s}};

	/* A UNIX socket takes none of these, and that is no fault. */
	for (unsigned i = 0; i < HG_ARRAY_LEN(v); i++) {
		int on = (int)HG_MIN(v[i].value, 32767u);

		if (on)
			(void)setsockopt(fd, v[i].level, v[i].name, &on, sizeof(on));
	}
}
