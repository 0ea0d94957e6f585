/*
 * spawn.c - the birth of a child. It is executed from the descriptor of the binary that the master
 * opened when it started, so all processes of one tree are one build whatever a package manager
 * does meanwhile, and each has an address layout of its own: a crash tells an attacker nothing
 * about the next process.
 *
 * Between fork and exec only calls that need no heap. Everything the child may know comes in HELLO
 * over its channel, descriptor 3; the environment is empty, and no other descriptor survives.
 */
#include "master/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"
#include "master/state.h"

static const struct {
	const char *name;
	uint32_t rw, ro;
	bool root;
} roles[CHILD_KINDS] = {
#define R(kind, name, jail, rw, ro, root) {name, rw, ro, root},
	ROLE_TABLE(R)
#undef R
};

const char *
child_name(const struct child *c, char buf[32])
{
	if (c->kind == CHILD_WORKER)
		(void)snprintf(buf, 32, "%s %u", roles[c->kind].name, c->slot);
	else
		(void)snprintf(buf, 32, "%s", roles[c->kind].name);
	return buf;
}

enum child_kind
role_parse(const char *argv0, unsigned *slot)
{
	struct bytes rest = bytes_str(argv0), word;
	uint64_t n = 0;

	*slot = 0;
	if (!bytes_starts(rest, BYTES("headgate: ")))
		return CHILD_KINDS;
	rest.p += 10;
	rest.n -= 10;
	word = bytes_cut(&rest, ' ');
	if (rest.p && !parse_u64(rest, SLOT_MAX - 1, &n))
		return CHILD_KINDS;
	*slot = (unsigned)n;
	for (unsigned i = 0; i < CHILD_KINDS; i++)
		if (bytes_eq(word, bytes_str(roles[i].name)))
			return (enum child_kind)i;
	return CHILD_KINDS;
}

/* ---- the child's side of fork */

#ifdef HG_SAN
extern char **environ;
#endif

static _Noreturn void
become(int bin, int chan, char *title)
{
	char *const argv[] = {title, NULL};
#ifdef HG_SAN
	char **env = environ; /* ASAN_OPTIONS and friends */
#else
	char *env[] = {NULL};
#endif
	sigset_t all;

	/* Its own group: a terminal's ^C reaches the master alone, which then ends things in order.
	 */
	(void)setpgid(0, 0);
	sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	/* The binary is moved out of the way first: 3 may be it. */
	bin = fcntl(bin, F_DUPFD_CLOEXEC, PROTO_CHAN_FD + 1);
	if (bin < 0 ||
	    (chan == PROTO_CHAN_FD ? fcntl(chan, F_SETFD, 0) : dup2(chan, PROTO_CHAN_FD)) < 0)
		_exit(126);
	/* Everything behind 3 closes on exec, and the binary with it. */
	(void)syscall(SYS_close_range, PROTO_CHAN_FD + 1, bin - 1, 0);
	(void)syscall(SYS_close_range, bin + 1, ~0U, 0);
	(void)syscall(SYS_execveat, bin, "", argv, env, AT_EMPTY_PATH);
	_exit(127);
}

/* ---- HELLO */

/* Descriptors of the regions that this role may see; returns how many. */
static unsigned
regions_for(
    struct master *m, enum child_kind kind, unsigned slot, uint32_t *bits, int fds[PROTO_FD_COUNT])
{
	unsigned n = 0;

	*bits = 0;
	for (unsigned i = 0; i < PROTO_FD_COUNT; i++) {
		const struct region *r =
		    i == PROTO_FD_SLOT ? &m->regions.slots[slot] : &m->regions.shared[i];
		int fd = roles[kind].rw & (1u << i) ? r->rw :
		    roles[kind].ro & (1u << i)      ? r->ro :
						      -1;

		if (i == PROTO_FD_ACCESSLOG && (roles[kind].rw & (1u << i)))
			fd = m->logs.access;
		if (fd < 0)
			continue;
		*bits |= 1u << i;
		fds[n++] = fd;
	}
	return n;
}

static void
say_hello(struct child *c)
{
	struct master *m = c->master;
	struct proto_hello h = {.slot = c->slot,
	    .nslots = m->nslots,
	    .uid = m->user.uid,
	    .gid = m->user.gid,
	    .drop = m->service && !roles[c->kind].root,
	    .log_level = LOG_INFO,
	    .parent = (uint32_t)getpid()};
	int fds[PROTO_FD_COUNT];
	unsigned n = regions_for(m, c->kind, c->slot, &h.fds, fds);

	child_send(c, PROTO_HELLO, 0, &h, fds, n);
}

/* ---- messages */

static void
channel_gone(struct child *c)
{
	if (c->closed)
		return;
	c->closed = true;
	loop_unwatch(c->master->loop, &c->watch);
	imsg_release(&c->chan);
}

/* Everything that has come. The handler may not free the child. */
void
child_read(struct child *c)
{
	struct master *m = c->master;
	char name[32];
	int r = 0;

	while (!c->closed && (r = imsg_recv(&c->chan, &m->in)) == 1) {
		if (proto_take(m->in.type, m->in.data, m->in.len)) {
			child_kinds[c->kind].message(c, &m->in);
		} else {
			log_error("%s sent message %u of %u bytes, which is none; it is replaced",
			    child_name(c, name), m->in.type, m->in.len);
			child_kill(c, SIGKILL);
			r = -1;
		}
		imsg_close_fds(&m->in);
		if (r < 0)
			break;
	}
	if (!c->closed && (r < 0 || imsg_flush(&c->chan) < 0))
		channel_gone(c);
}

static void
ready(struct watch *w, uint32_t events)
{
	(void)events;
	child_read(HG_CONTAINER(w, struct child, watch));
}

void
child_send(struct child *c, uint32_t type, uint64_t seq, const void *payload, const int *fds,
    unsigned nfds)
{
	char name[32];

	if (c->closed)
		return;
	if (imsg_send(&c->chan, type, (uint32_t)seq, payload,
		payload ? proto_len(type, payload) : 0, fds, nfds) == 0)
		return;
	/* A full queue or a torn channel: this process does not follow any more. */
	log_warn("%s does not take messages (%s); it is replaced", child_name(c, name),
	    proto_name(type));
	child_kill(c, SIGKILL);
	channel_gone(c);
}

void
child_kill(struct child *c, int signo)
{
	/* Not reaped yet, so the number is still this process's. */
	if (c->pid > 0)
		(void)kill(c->pid, signo);
}

struct child *
child_spawn(struct master *m, enum child_kind kind, unsigned slot)
{
	struct child *c = mem_zalloc(sizeof(*c));
	char title[64], name[32];
	int pair[2];

	c->master = m;
	c->kind = kind;
	c->slot = slot;
	c->watch.ready = ready;
	if (imsg_pair(pair) != 0) {
		log_error("cannot start %s: %s", child_name(c, name), strerror(errno));
		mem_free(c);
		return NULL;
	}
	(void)snprintf(title, sizeof(title), "headgate: %s", child_name(c, name));
	c->started = clock_mono();
	c->pid = fork();
	if (c->pid == 0)
		become(m->bin, pair[1], title);
	close(pair[1]);
	imsg_init(&c->chan, pair[0]);
	c->watch.fd = pair[0];
	if (c->pid < 0 || loop_watch(m->loop, &c->watch, EPOLLIN | EPOLLOUT) != 0) {
		log_error("cannot start %s: %s", name, strerror(errno));
		if (c->pid > 0)
			child_kill(c, SIGKILL); /* reaped as an unknown child */
		imsg_release(&c->chan);
		mem_free(c);
		return NULL;
	}
	list_append(&m->children, &c->link);
	say_hello(c);
	return c;
}
