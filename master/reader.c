/*
 * reader.c - the one process of a reload that may open files (CAP_DAC_READ_SEARCH in service mode),
 * and it has no parser: it walks, checks and hands descriptors to the compiler, which cannot open
 * anything. conf/read/walk.c is the walker; the command line reads through the same one.
 *
 * What it opens: headgate.conf as the master named it; trees that the master named; and, where the
 * resource root stands in headgate.conf, the first root that the compiler asks for and no other.
 * File roots are taken before that only. At that moment the compiler has read nothing but
 * headgate.conf, which only root can write, so no manifest can widen what is read.
 */
#include "master/roles.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/read/source.h"
#include "conf/read/walk.h"

#define START_MS 30000
#define IDLE_MS 120000 /* a compile is long over by then */

struct reader {
	struct imsg_chan out;          /* to the compiler */
	struct proto_compile params;
	struct walk_budget budget;
	char *listed[SOURCE_FILE_ROOTS];
	unsigned nlisted;
	bool walked;                   /* once: file roots are known */
	uint32_t seq;                  /* of the request being answered */
	struct imsg in;
};

/* Sends and waits until it is out: descriptors of 200,000 files must not pile up in a queue. */
static int
send_all(struct reader *r, uint32_t type, const void *payload, int fd)
{
	if (imsg_send(&r->out, type, r->seq, payload, payload ? proto_len(type, payload) : 0, &fd,
		fd >= 0) != 0)
		return -1;
	for (;;) {
		struct pollfd p = {.fd = r->out.fd, .events = POLLOUT};
		int done = imsg_flush(&r->out);

		if (done != 0)
			return done < 0 ? -1 : 0;
		if (poll(&p, 1, IDLE_MS) <= 0)
			return -1;
	}
}

static int
send_entry(void *arg, const struct walk_entry *e)
{
	struct proto_file f = {.role = e->role,
	    .error = e->error,
	    .size = e->size,
	    .mtime_ns = e->mtime_ns,
	    .root = e->root};

	(void)snprintf(f.ns, sizeof(f.ns), "%s", e->ns);
	(void)snprintf(f.path, sizeof(f.path), "%s", e->path);
	return send_all(arg, PROTO_FILE, &f, e->error ? -1 : e->fd);
}

/* Index of a root that may be walked, or -1. */
static int
root_of(struct reader *r, const char *path)
{
	struct proto_compile *p = &r->params;

	for (unsigned i = 0; i < p->nroots; i++)
		if (strcmp(p->roots[i], path) == 0)
			return (int)i;
	if (p->nroots == 0 && strlen(path) < sizeof(p->roots[0])) {
		memcpy(p->roots[0], path, strlen(path) + 1);
		p->nroots = 1;
		return 0;
	}
	return -1;
}

static int
walk(struct reader *r, const char *path)
{
	int i = root_of(r, path);
	struct walk_root root;

	r->walked = true;
	if (i < 0) {
		log_error("the compiler asked for %s, which is no root of this instance", path);
		return -1;
	}
	root = (struct walk_root){.path = r->params.roots[i],
	    .index = (unsigned)i,
	    .flat = r->params.flat != 0,
	    .ownership = r->params.service != 0 && !r->params.flat};
	if (walk_tree(&root, &r->budget, send_entry, r) != 0)
		return -1;
	return send_all(r, PROTO_WALK_END, NULL, -1);
}

static int
file_root(struct reader *r, const char *path)
{
	if (r->walked || r->nlisted == SOURCE_FILE_ROOTS || path[0] != '/')
		return -1;
	r->listed[r->nlisted++] = mem_dup(bytes_str(path));
	return 0;
}

static int
open_referenced(struct reader *r, const char *path, struct proto_file *f)
{
	struct walk_root root = {.path = r->params.roots[0], .ownership = r->params.service != 0};
	struct walk_entry e = {.fd = -1, .error = EACCES};

	if (r->params.flat) {
		for (unsigned i = 0; i < r->params.nroots && e.fd < 0; i++)
			walk_open_beside(r->params.roots[i], path, &e);
	} else if (path[0] == '/') {
		walk_open_listed(
		    (const char *const *)r->listed, r->nlisted, root.ownership, path, &e);
	} else if (r->params.nroots > 0) {
		walk_open_role(&root, path, &e);
	}
	f->error = e.error;
	f->size = e.size;
	f->mtime_ns = e.mtime_ns;
	return e.fd;
}

static int
open_beneath(struct reader *r, const char *path, struct proto_file *f)
{
	if (strcmp(path, SOURCE_SYSTEM_CA) == 0)
		return walk_open_system_ca(&f->size, &f->mtime_ns, &f->error);
	if (r->params.conf[0] && strcmp(path, r->params.conf) == 0)
		return walk_open(NULL, path, &f->size, &f->mtime_ns, &f->error);
	return open_referenced(r, path, f);
}

static int
open_one(struct reader *r, const char *path)
{
	struct proto_file f = {0};
	int rc, fd;

	(void)snprintf(f.path, sizeof(f.path), "%s", path);
	fd = open_beneath(r, path, &f);
	if (fd >= 0)
		f.error = 0;
	rc = send_all(r, PROTO_FILE, &f, fd);
	if (fd >= 0)
		close(fd);
	return rc;
}

static int
serve(struct reader *r)
{
	while (imsg_wait(&r->out, &r->in, IDLE_MS) == 1) {
		const char *path = ((struct proto_path *)(void *)r->in.data)->path;
		int rc = -1;

		r->seq = r->in.seq;
		if (proto_take(r->in.type, r->in.data, r->in.len)) {
			if (r->in.type == PROTO_WALK)
				rc = walk(r, path);
			else if (r->in.type == PROTO_OPEN)
				rc = open_one(r, path);
			else if (r->in.type == PROTO_FILE_ROOT)
				rc = file_root(r, path);
		}
		imsg_close_fds(&r->in);
		if (rc != 0)
			return 1;
	}
	return 0; /* the compiler has ended */
}

int
reader_run(struct role_env *env)
{
	struct reader *r = mem_zalloc(sizeof(*r));
	struct imsg_chan master;
	int rc = 1;

	imsg_init(&master, env->chan);
	if (imsg_wait(&master, &r->in, START_MS) == 1 && r->in.type == PROTO_COMPILE &&
	    proto_take(r->in.type, r->in.data, r->in.len) && r->in.nfds == 1) {
		memcpy(&r->params, r->in.data, sizeof(r->params));
		r->params.nroots = HG_MIN(r->params.nroots, (uint32_t)PROTO_ROOTS);
		imsg_init(&r->out, imsg_take_fd(&r->in, 0));
		rc = serve(r);
		imsg_release(&r->out);
	}
	for (unsigned i = 0; i < r->nlisted; i++)
		mem_free(r->listed[i]);
	mem_free(r);
	return rc;
}
