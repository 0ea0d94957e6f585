/*
 * notify.c - tells systemd where we are. A connected datagram socket is opened once; an abstract
 * name starts with
 * '@'. libsystemd was rejected: a dependency and its initialisation for forty lines of a protocol
 * that is promised to stay. A full socket drops the message, for the master must not wait for
 * anybody.
 */
#include "master/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/parse.h"

static int
connect_to(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	int fd;

	if ((path[0] != '/' && path[0] != '@') || n < 2 || n >= sizeof(sa.sun_path))
		return -1;
	memcpy(sa.sun_path, path, n);
	if (path[0] == '@')
		sa.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (struct sockaddr *)&sa,
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void
notify_init(
    struct notify *n, const char *socket_path, const char *watchdog_usec, const char *watchdog_pid)
{
	uint64_t usec = 0, pid = 0;

	*n = (struct notify){.fd = -1};
	if (!socket_path || !*socket_path)
		return;
	n->fd = connect_to(socket_path);
	if (n->fd < 0) {
		log_warn("cannot reach NOTIFY_SOCKET %s: %s", socket_path, strerror(errno));
		return;
	}
	if (!watchdog_usec || !parse_u64(bytes_str(watchdog_usec), UINT64_MAX / 2, &usec) ||
	    usec == 0)
		return;
	if (watchdog_pid &&
	    (!parse_u64(bytes_str(watchdog_pid), INT32_MAX, &pid) || pid != (uint64_t)getpid()))
		return;
	n->watchdog_ms = HG_MAX(usec / 3000, 1u);
}

void
notify_release(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

void
notify_send(const struct notify *n, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;
	int len;

	if (n->fd < 0)
		return;
	va_start(ap, fmt);
	len = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (len > 0)
		(void)send(
		    n->fd, buf, HG_MIN((size_t)len, sizeof(buf) - 1), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void
notify_reloading(const struct notify *n)
{
	notify_send(n, "RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reloading",
	    (unsigned long long)(clock_mono() / 1000));
}
