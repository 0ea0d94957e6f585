/*
 * walk_open.c - single files, and the one call to openat2 that the walker and they are built on: no
 * magic links, never a terminal, non-blocking. What is found is a regular file of bounded size.
 */
#include "conf/read/walk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"

int
walk_openat(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {
		.flags = flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
		.resolve = resolve | RESOLVE_NO_MAGICLINKS,
	};
	int fd;

	/* EAGAIN: something was renamed meanwhile and the kernel cannot tell if we are still
	 * beneath. */
	for (int i = 0; i < 8; i++) {
		fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd;
}

int
walk_link_error(int err)
{
	return err == EXDEV || err == ELOOP ? PROTO_FILE_LINK : err;
}

int
walk_open(const char *beneath, const char *path, uint64_t *size, uint64_t *mtime_ns, int *error)
{
	int dir = beneath ? open(beneath, O_PATH | O_DIRECTORY | O_CLOEXEC) : AT_FDCWD, fd = -1;
	struct stat st;

	*error = 0;
	if (dir == -1 ||
	    (fd = walk_openat(dir, path, O_RDONLY, beneath ? RESOLVE_BENEATH : 0)) < 0)
		*error = walk_link_error(errno);
	else if (fstat(fd, &st) != 0)
		*error = errno;
	else if (!S_ISREG(st.st_mode))
		*error = PROTO_FILE_NOT_REGULAR;
	else if (st.st_size < 0 || (uint64_t)st.st_size > WALK_FILE_MAX)
		*error = PROTO_FILE_TOO_BIG;
	if (dir >= 0)
		close(dir);
	if (*error) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	*size = (uint64_t)st.st_size;
	*mtime_ns = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
	return fd;
}

void
walk_open_beside(const char *root, const char *path, struct walk_entry *out)
{
	char folder[WALK_PATH_MAX];
	char *slash;

	*out = (struct walk_entry){.fd = -1, .error = ENAMETOOLONG};
	if ((size_t)snprintf(folder, sizeof(folder), "%s", root) >= sizeof(folder))
		return;
	out->fd = walk_open(folder, path, &out->size, &out->mtime_ns, &out->error);
	if (out->error != ENOTDIR)
		return;
	slash = strrchr(folder, '/');
	if (slash)
		slash[slash == folder] = '\0';
	out->fd = walk_open(
	    slash ? folder : ".", path, &out->size, &out->mtime_ns, &out->error);
}

int
walk_open_system_ca(uint64_t *size, uint64_t *mtime_ns, int *error)
{
	static const char *const bundles[] = {
	    "/etc/ssl/certs/ca-certificates.crt", /* Debian and its kin, Alpine */
	    "/etc/pki/tls/certs/ca-bundle.crt",   /* Fedora and its kin */
	    "/etc/ssl/ca-bundle.pem",             /* SUSE */
	    "/etc/ssl/cert.pem",
	};
	int fd = -1;

	for (unsigned i = 0; i < HG_ARRAY_LEN(bundles) && fd < 0; i++)
		fd = walk_open(NULL, bundles[i], size, mtime_ns, error);
	return fd;
}
