/*
 * store.c - the writer role: copies a committed catalogue (and secrets) into the state folder as
 * opaque bytes, so that a reboot with a bad file still serves the last good content. A process of
 * its own, since the master must never wait for a disk: write to a new file, fsync, rename over the
 * old, fsync the folder. In service mode it stays uid 0 without a single capability, because the
 * folder is root's.
 */
#include "master/roles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define START_MS 30000

static int
copy(int from, int to)
{
	char buf[64 * 1024];
	off_t at = 0;
	ssize_t n;

	while ((n = pread(from, buf, sizeof(buf), at)) > 0) {
		for (ssize_t done = 0; done < n;) {
			ssize_t w = pwrite(to, buf + done, (size_t)(n - done), at + done);

			if (w <= 0)
				return -1;
			done += w;
		}
		at += n;
	}
	return n < 0 ? -1 : 0;
}

static int
put(int dir, const char *name, int from)
{
	char tmp[256];
	int fd;

	(void)snprintf(tmp, sizeof(tmp), ".%.200s.tmp", name);
	(void)unlinkat(dir, tmp, 0);
	fd = openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	if (copy(from, fd) != 0 || fsync(fd) != 0 || renameat(dir, tmp, dir, name) != 0) {
		int saved = errno;

		close(fd);
		(void)unlinkat(dir, tmp, 0);
		errno = saved;
		return -1;
	}
	close(fd);
	return fsync(dir);
}

/* One message a file: descriptor 0 is the content, 1 the folder, the path is the name in it. */
int
writer_run(struct role_env *env)
{
	struct imsg *m = mem_alloc(sizeof(*m));
	struct imsg_chan c;

	imsg_init(&c, env->chan);
	while (imsg_wait(&c, m, START_MS) == 1) {
		const char *name = ((struct proto_path *)(void *)m->data)->path;
		struct proto_text answer = {{0}};

		if (m->type == PROTO_DRAIN)
			break;
		if (m->type != PROTO_STORE || !proto_take(m->type, m->data, m->len) ||
		    m->nfds != 2 || strchr(name, '/'))
			return 1;
		if (put(m->fds[1], name, m->fds[0]) != 0)
			(void)snprintf(
			    answer.text, sizeof(answer.text), "%.200s: %s", name, strerror(errno));
		imsg_close_fds(m);
		if (imsg_send(&c, PROTO_STORED, m->seq, &answer, proto_len(PROTO_STORED, &answer),
			NULL, 0) != 0)
			return 1;
	}
	mem_free(m);
	return 0;
}
