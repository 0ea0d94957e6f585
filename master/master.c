/*
 * master.c - the supervisor's start and loop. It opens what only it may open, takes its first
 * reload like any other one
 * ("boot is the same transaction without an old generation") and from then on only reacts: signals,
 * messages of children, the control socket, timers. It parses nothing, reads no client byte and
 * allocates nothing that grows with the configuration, so its private memory stays the same at one
 * route and at a hundred thousand.
 */
#include "master/master.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"
#include "master/sig.h"
#include "master/state.h"
#include "shm/blob.h"

#define GRACE_MS 30000 /* until headgate.conf has said otherwise */
#define TICKETS_MS (8u * 3600 * 1000)

/* The one struct of this process. */
static struct master master;

const struct child_ops child_kinds[CHILD_KINDS] = {
	[CHILD_READER] = {attempt_message, attempt_ended},
	[CHILD_COMPILER] = {attempt_message, attempt_ended},
	[CHILD_WRITER] = {services_message, services_ended},
	[CHILD_WORKER] = {workers_message, workers_ended},
	[CHILD_LOGGER] = {services_message, services_ended},
	[CHILD_HELPER] = {services_message, services_ended},
};

/* ---- events */

static void
signalled(struct watch *w, uint32_t events)
{
	struct master *m = HG_CONTAINER(w, struct master, sigwatch);
	enum sig_intent intent;
	int signo;

	(void)events;
	while ((intent = sig_next(w->fd, &signo)) != SIG_NONE) {
		switch (intent) {
		case SIG_RELOAD:
			if (m->stopping == STOP_NO)
				(void)reload_request(&m->reload);
			break;
		case SIG_STOP:
		case SIG_QUIT:
			stop_begin(m, intent == SIG_QUIT);
			break;
		case SIG_REOPEN:
			services_reopen(m);
			break;
		case SIG_CHILD:
			child_reap(m);
			break;
		case SIG_NONE:
			break;
		}
	}
}

static void
tick(struct timer *t)
{
	struct master *m = HG_CONTAINER(t, struct master, tick);

	workers_tick(m);
	timer_in(m->loop, t, HEARTBEAT_TICK_MS);
}

static void
rotate_tickets(struct timer *t)
{
	struct master *m = HG_CONTAINER(t, struct master, tickets);

	if (m->regions.tickets)
		regions_rotate_tickets(&m->regions);
	timer_in(m->loop, t, TICKETS_MS);
}

static void
watchdog(struct timer *t)
{
	struct master *m = HG_CONTAINER(t, struct master, watchdog);

	notify_send(&m->notify, "WATCHDOG=1");
	timer_in(m->loop, t, m->notify.watchdog_ms);
}

/* ---- start */

/* Descriptors 0, 1 and 2 exist, so that no socket ever becomes "standard error". */
static int
standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static void
raise_limits(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}

static int
privileges(struct master *m)
{
	m->service = geteuid() == 0;
	if (m->service) {
		if (!priv_find("", "", &m->user))
			return -1;
		if (priv_master() == 0)
			return 0;
	} else {
		m->user = (struct priv_user){(uint32_t)geteuid(), (uint32_t)getegid()};
		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
			return 0;
	}
	log_error("cannot set privileges: %s", strerror(errno));
	return -1;
}

/* The catalogue of the last run; its header tells the last generation, so that numbers go on. */
static uint64_t
open_stored(struct master *m)
{
	struct blob_header h;

	m->stored =
	    openat(m->dirs.state, "catalogue", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (m->stored < 0)
		return 0;
	if (pread(m->stored, &h, sizeof(h), 0) == sizeof(h) && h.magic == BLOB_MAGIC &&
	    h.kind == BLOB_CATALOGUE && h.generation < UINT64_MAX / 2)
		return h.generation;
	log_warn("the stored catalogue is not one; it is ignored");
	close(m->stored);
	m->stored = -1;
	return 0;
}

static void
init(struct master *m, const struct master_opts *o)
{
	m->opts = o;
	m->bin = m->sigfd = m->stored = m->logs.access = m->control.fd = m->attempt.note_fd = -1;
	m->dirs = (struct dirs){-1, -1, -1, -1};
	m->grace_ms = GRACE_MS;
	m->started = clock_real();
	list_init(&m->children);
	list_init(&m->control.peers);
	regions_init(&m->regions);
	sockets_init(&m->sockets);
	heartbeat_init(&m->heartbeat, 0);
	apply_init(m);
	services_init(m);
	for (unsigned i = 0; i < SLOT_MAX; i++)
		workers_slot_init(m, i);
	timer_init(&m->tick, tick);
	timer_init(&m->tickets, rotate_tickets);
	timer_init(&m->watchdog, watchdog);
}

static int
prepare(struct master *m)
{
	const struct master_opts *o = m->opts;

	if (o->nfiles > PROTO_ROOTS) {
		log_error("at most %u paths after -f", PROTO_ROOTS);
		return -1;
	}
	if (standard_fds() != 0)
		return -1;
	m->bin = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	if (m->bin < 0) {
		log_error("cannot open my own binary: %s", strerror(errno));
		return -1;
	}
	raise_limits();
	umask(0077);
	if (dirs_open(&m->dirs, o->runtime_dir, o->state_dir, geteuid() == 0 ? 0755 : 0700) != 0)
		return -1;
	if (privileges(m) != 0)
		return -1;
	m->loop = loop_new();
	m->sigfd = sig_open();
	m->sigwatch = (struct watch){.fd = m->sigfd, .ready = signalled};
	if (!m->loop || m->sigfd < 0 || loop_watch(m->loop, &m->sigwatch, EPOLLIN) != 0) {
		log_error("cannot make the event loop: %s", strerror(errno));
		return -1;
	}
	loop_max_wait(m->loop, 60000);
	return control_open(m);
}

static void
release(struct master *m)
{
	if (m->loop)
		control_close(m);
	sockets_release(&m->sockets);
	attempt_stop(m);
	memfds_close(&m->now);
	memfds_close(&m->next);
	regions_release(&m->regions);
	dirs_close(&m->dirs);
	if (m->loop)
		loop_free(m->loop);
	if (m->sigfd >= 0)
		close(m->sigfd);
	if (m->stored >= 0)
		close(m->stored);
	if (m->logs.access >= 0)
		close(m->logs.access);
	if (m->bin >= 0)
		close(m->bin);
	notify_release(&m->notify);
}

int
master_run(const struct master_opts *o)
{
	struct master *m = &master;

	log_init("master");
	init(m, o);
	if (prepare(m) != 0) {
		release(m);
		return 1;
	}
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	notify_init(
	    &m->notify, getenv("NOTIFY_SOCKET"), getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));
	log_info("headgate %s (%s) starts, pid %d", version_text(), version_build(), (int)getpid());
	reload_init(&m->reload, &apply_ops, m, open_stored(m));
	timer_in(m->loop, &m->tick, HEARTBEAT_TICK_MS);
	timer_in(m->loop, &m->tickets, TICKETS_MS);
	if (m->notify.watchdog_ms)
		timer_in(m->loop, &m->watchdog, m->notify.watchdog_ms);
	(void)reload_request(&m->reload);
	loop_run(m->loop);
	log_info("stopped");
	release(m);
	return m->status;
}
