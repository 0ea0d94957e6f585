/*
 * role.c - from exec to run(). A role comes up with one descriptor and no environment; HELLO tells
 * it the rest. The order is the point: regions are mapped and their descriptors closed while
 * nothing has been read yet, then uid and capabilities go, then libraries open what they want as
 * the unprivileged user, then the jail closes for good.
 *
 * Faults (SEGV, ABRT, the jail's SYS) stay deliverable so that they leave a report and a status
 * that the master can name; TERM ends, everything else is ignored: the master relays by message.
 */
#include "master/roles.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <linux/capability.h>

#include "base/log.h"
#include "master/jail.h"
#include "master/priv.h"
#include "master/regions.h"

#define HELLO_MS 10000
#define COMPILER_AS (3ull << 30)
#define COMPILER_CPU_S 25

static struct role_start { /* the one struct of a role before it runs */
	struct role_env env;
	struct bucket_table buckets;
	struct imsg in;
	char name[32];
} start;

static const struct {
	enum jail_profile jail;
	uint64_t caps;      /* kept */
	bool dies;          /* with the master, at once */
	uint32_t rw;
} profiles[CHILD_KINDS] = {
#define R(kind, name, jail, rw, ro, root) \
	[CHILD_##kind] = {jail, CHILD_##kind == CHILD_READER ? 1ull << CAP_DAC_READ_SEARCH : 0, \
	    CHILD_##kind != CHILD_WORKER && CHILD_##kind != CHILD_LOGGER && \
		CHILD_##kind != CHILD_WRITER, \
	    rw},
    ROLE_TABLE(R)
#undef R
};

static void
signals(void)
{
	static const int open[] = {
	    SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP, SIGTERM, SIGXCPU};
	sigset_t set;

	for (int s = 1; s < 32; s++)
		if (s != SIGKILL && s != SIGSTOP)
			signal(s, SIG_IGN);
	sigfillset(&set);
	for (unsigned i = 0; i < HG_ARRAY_LEN(open); i++) {
		signal(open[i], SIG_DFL);
		sigdelset(&set, open[i]);
	}
	sigprocmask(SIG_SETMASK, &set, NULL);
}

/* ---- HELLO */

static int
map_region(enum child_kind kind, unsigned i, int fd)
{
	struct role_env *e = &start.env;
	int writable = (profiles[kind].rw & (1u << i)) != 0;
	void *p = region_map(fd, region_size(i), writable);

	if (!p) {
		log_error("cannot map region %u: %s", i, strerror(errno));
		return -1;
	}
	/* Whoever reads our memory image must not find the traffic of others in it. */
	(void)madvise(p, region_size(i), MADV_DONTDUMP);
	switch ((enum proto_fd)i) {
	case PROTO_FD_CONTROL:
		e->control = p;
		break;
	case PROTO_FD_SLOT:
		e->slot = p;
		break;
	case PROTO_FD_BUCKETS:
		e->buckets = &start.buckets;
		return bucket_open(&start.buckets, p, region_size(i)) ? 0 : -1;
	case PROTO_FD_BOARD:
		e->board = p;
		break;
	case PROTO_FD_NAMES:
		e->names = p;
		break;
	case PROTO_FD_TICKETS:
		e->tickets = p;
		break;
	case PROTO_FD_ACCESSLOG:
	case PROTO_FD_COUNT:
		break;
	}
	return 0;
}

static int
hello(enum child_kind kind)
{
	struct imsg_chan c;
	struct imsg *m = &start.in;
	unsigned next = 0;

	imsg_init(&c, PROTO_CHAN_FD);
	if (imsg_wait(&c, m, HELLO_MS) != 1 || m->type != PROTO_HELLO ||
	    !proto_take(m->type, m->data, m->len)) {
		log_error("no HELLO from the master");
		return -1;
	}
	memcpy(&start.env.hello, m->data, sizeof(start.env.hello));
	for (unsigned i = 0; i < PROTO_FD_COUNT; i++) {
		if (!(start.env.hello.fds & (1u << i)))
			continue;
		if (next >= m->nfds)
			return -1;
		if (i == PROTO_FD_ACCESSLOG) {
			start.env.accesslog = imsg_take_fd(m, next++);
			continue;
		}
		if (map_region(kind, i, m->fds[next]) != 0)
			return -1;
		next++;
	}
	imsg_close_fds(m);
	return 0;
}

/* ---- what a role may use */

static void
limit(int what, uint64_t n)
{
	struct rlimit r = {n, n}, old;

	if (getrlimit(what, &old) == 0 && old.rlim_max < n)
		r.rlim_cur = r.rlim_max = old.rlim_max;
	(void)setrlimit(what, &r);
}

static void
limits(enum child_kind kind)
{
	limit(RLIMIT_CORE, 0); /* keys and requests would be in it */
	if (kind != CHILD_COMPILER)
		return;
#ifndef HG_SAN
	limit(RLIMIT_AS, COMPILER_AS);
#endif
	/* A file that keeps the compiler busy for ever is found by the note page after this. */
	limit(RLIMIT_CPU, COMPILER_CPU_S);
}

static int
confine(const struct role *role, enum child_kind kind)
{
	const struct proto_hello *h = &start.env.hello;

	limits(kind);
	if (priv_drop(h->drop != 0, h->uid, h->gid, profiles[kind].caps) != 0) {
		log_error("cannot drop privileges: %s", strerror(errno));
		return -1;
	}
	/* A change of uid clears it, so it is asked for afterwards. */
	if (profiles[kind].dies)
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (getppid() != (pid_t)h->parent) {
		log_error("the master is gone");
		return -1;
	}
	if (role->prepare)
		role->prepare();
	if (kind == CHILD_READER && !jail_read_only())
		log_debug("no Landlock here");
	if (jail_enter(profiles[kind].jail, start.name) != 0) {
		log_error("cannot enter the jail: %s", strerror(errno));
		return -1;
	}
	return 0;
}

int
role_start(const struct role *role, enum child_kind kind, unsigned slot)
{
	start.env.chan = PROTO_CHAN_FD;
	start.env.accesslog = -1;
	(void)snprintf(start.name, sizeof(start.name), kind == CHILD_WORKER ? "%s %u" : "%s",
	    role->name, slot);
	log_init(start.name);
	signals();
	(void)prctl(PR_SET_NAME, "headgate", 0, 0, 0);
	if (hello(kind) != 0)
		return 1;
	log_level((enum log_level)start.env.hello.log_level);
	if (confine(role, kind) != 0)
		return 1;
	return role->run(&start.env);
}
