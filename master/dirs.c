/*
 * dirs.c - the two folders of an instance. Both are locked, because two masters with different
 * runtime folders and one state folder would overwrite each other's memory. The lock is a file
 * inside that names the holder, and flock() rather than fcntl(), since it belongs to the open file
 * and so survives an exec in place (upgrade) and is not lost when some other descriptor of the file
 * is closed.
 *
 * A socket's name may hold 107 bytes; /proc/self/fd/N/name is always short enough. chdir() would do
 * as well, but it moves the meaning of every relative path of the caller.
 */
#include "master/dirs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "shm/ctl.h"

#define LOCK_FILE "lock"

/* mkdir -p: a person's first `headgate run` has no folders yet. */
static int
make_path(const char *path, unsigned mode)
{
	char buf[4096];
	size_t n = strlen(path);

	if (n == 0 || n >= sizeof(buf)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(buf, path, n + 1);
	for (char *p = buf + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(buf, 0755) != 0 && errno != EEXIST && errno != EROFS && errno != EACCES)
			return -1;
		*p = '/';
	}
	return mkdir(buf, mode) == 0 || errno == EEXIST ? 0 : -1;
}

static int
open_dir(const char *what, const char *path, unsigned mode)
{
	struct stat st;
	int fd;

	if (make_path(path, mode) != 0) {
		log_error("cannot make the %s folder %s: %s", what, path, strerror(errno));
		return -1;
	}
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		log_error("cannot open the %s folder %s: %s", what, path, strerror(errno));
		return -1;
	}
	/* A folder that others may write into is a folder in which they may replace the socket. */
	if (st.st_uid != geteuid() || (st.st_mode & 022) != 0) {
		log_error("the %s folder %s must belong to uid %u and be writable by nobody else",
		    what, path, (unsigned)geteuid());
		close(fd);
		return -1;
	}
	return fd;
}

static void
say_holder(const char *path, int fd)
{
	char pid[24];
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	while (n > 0 && (pid[n - 1] < '0' || pid[n - 1] > '9'))
		n--;
	pid[HG_MAX(n, 0)] = '\0';
	log_error("already running: pid %s holds %s", n > 0 ? pid : "?", path);
}

static int
lock_dir(int dir, const char *path)
{
	char pid[24];
	int n, fd = openat(dir, LOCK_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0) {
		log_error("cannot open %s/%s: %s", path, LOCK_FILE, strerror(errno));
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		say_holder(path, fd);
		close(fd);
		return -1;
	}
	n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
	if (ftruncate(fd, 0) != 0 || pwrite(fd, pid, (size_t)n, 0) != n)
		log_warn("cannot write %s/%s: %s", path, LOCK_FILE, strerror(errno));
	return fd;
}

int
dirs_open(struct dirs *d, const char *runtime, const char *state, unsigned runtime_mode)
{
	*d = (struct dirs){-1, -1, -1, -1};
	d->runtime = open_dir("runtime", runtime, runtime_mode);
	if (d->runtime < 0 || (d->lock_runtime = lock_dir(d->runtime, runtime)) < 0)
		return -1;
	d->state = open_dir("state", state, 0700);
	if (d->state < 0)
		return -1;
	/* One folder for both is fine: it is locked already. */
	if (strcmp(runtime, state) == 0)
		return 0;
	d->lock_state = lock_dir(d->state, state);
	return d->lock_state < 0 ? -1 : 0;
}

void
dirs_close(struct dirs *d)
{
	int *all[] = {&d->lock_runtime, &d->lock_state, &d->runtime, &d->state};

	if (d->lock_runtime >= 0) {
		(void)unlinkat(d->runtime, CTL_SOCKET, 0);
		if (ftruncate(d->lock_runtime, 0) != 0)
			log_debug("lock: %s", strerror(errno));
	}
	if (d->lock_state >= 0 && ftruncate(d->lock_state, 0) != 0)
		log_debug("lock: %s", strerror(errno));
	for (unsigned i = 0; i < HG_ARRAY_LEN(all); i++) {
		if (*all[i] >= 0)
			close(*all[i]);
		*all[i] = -1;
	}
}

int
dirs_put(int dir, const char *name, struct bytes text, unsigned mode)
{
	char tmp[64];
	int fd;

	(void)snprintf(tmp, sizeof(tmp), ".%s.tmp", name);
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0)
		return -1;
	if (write(fd, text.p, text.n) != (ssize_t)text.n) {
		close(fd);
		(void)unlinkat(dir, tmp, 0);
		return -1;
	}
	(void)fchmod(fd, mode); /* whatever the umask said */
	close(fd);
	return renameat(dir, tmp, dir, name);
}

int
dirs_listen(int dir, const char *name, unsigned mode)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int saved, fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -1;
	/* The lock is ours, so whatever lies there is a dead instance's. */
	(void)unlinkat(dir, name, 0);
	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%s", dir, name);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
	    fchmodat(dir, name, mode, 0) == 0 && listen(fd, 64) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}
