/*
 * portforward.c - `headgate port-forward service/NAME [LOCAL:]PORT…`: listens on loopback, and
 * gives each connection to an endpoint that the running instance takes for healthy, as kubectl's
 * verb does it through a cluster. One loop; whoever connects costs two channels.
 *
 * The view of the instance is taken again when its generation changes or its control socket is
 * another one; health is looked at for each connection. While there is no instance, the last view
 * serves: endpoints do not go away with the gateway.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/parse.h"
#include "cli/cli.h"
#include "cli/pipe.h"
#include "cli/verbs.h"
#include "net/sock.h"
#include "shm/ctl.h"

#define PORTS 16
#define AGAIN_MS 100
#define FILES_SPARE 32        /* descriptors for ourselves; a connection takes two */
#define BUFFERS (256ull << 20)
#define REUSE_NS (SEC_NS / 2) /* what was found serves other connections for so long */

struct forwarder;
struct listener {
	struct watch watch;
	struct port *port;
};
struct port {
	struct forwarder *f;
	struct reach_want want;
	struct reach reach;
	uint64_t found;           /* clock_mono; 0 = never */
	uint16_t local;
	struct listener listeners[2];
	unsigned nlisteners;
	bool starved;             /* it was said that no descriptor is left */
	unsigned turn;            /* whose turn it is among the endpoints */
};
struct forwarder {
	const struct opts *opts;
	struct view view;
	struct stat control;      /* of the instance that the view is of */
	struct loop *loop;
	struct bufs bufs;
	struct pipe_env env;
	struct watch signals;
	struct timer again;       /* no descriptor was left: asks once more */
	struct port ports[PORTS];
	unsigned nports;
	unsigned most;            /* connections at once */
};

/* ---- what the instance says */

static bool
control_stat(const struct forwarder *f, struct stat *st)
{
	char path[4096];

	return snprintf(path, sizeof(path), "%s/" CTL_SOCKET, f->opts->runtime_dir) <
	    (int)sizeof(path) &&
	    stat(path, st) == 0;
}

static bool
is_stale(const struct forwarder *f)
{
	struct stat now;

	if (f->view.control &&
	    atomic_load_explicit(&f->view.control->published, memory_order_acquire) !=
		f->view.generation)
		return true;
	return control_stat(f, &now) &&
	    (now.st_ino != f->control.st_ino || now.st_ctime != f->control.st_ctime);
}

static void
refresh(struct forwarder *f)
{
	struct view fresh;

	if (!is_stale(f))
		return;
	if (view_open(f->opts, &fresh) != 0) { /* it has said why */
		view_close(&fresh);
		return;
	}
	view_close(&f->view);
	f->view = fresh;
	(void)control_stat(f, &f->control);
	for (unsigned i = 0; i < f->nports; i++)
		f->ports[i].found = 0;
}

static bool
look(struct port *p)
{
	uint64_t now = clock_mono();

	refresh(p->f);
	if (p->found && now - p->found < REUSE_NS)
		return p->reach.n != 0;
	p->found = now;
	if (reach_find(&p->f->view, &p->want, &p->reach) != 0)
		return false;
	if (p->reach.n == 0)
		fprintf(stderr, "headgate: %.*s/%.*s: %s\n", BYTES_ARG(p->want.ns),
		    BYTES_ARG(p->want.name),
		    p->reach.known ? "no endpoint is healthy" : "there are no endpoints");
	return p->reach.n != 0;
}

/* ---- connections */

static void
on_failed(void *owner, const struct reach_place *last, int err)
{
	const struct port *p = owner;
	char addr[56];

	addr_print(&last->addr, addr);
	fprintf(stderr, "headgate: error forwarding port %u to %s: %s\n", p->local,
	    last->unix_path[0] ? last->unix_path : addr,
	    err ? strerror(err) : "the connection timed out");
}

static void
ready(struct watch *w, uint32_t events)
{
	struct listener *l = HG_CONTAINER(w, struct listener, watch);
	struct port *p = l->port;
	struct addr peer;
	int fd;

	(void)events;
	/* Edge-triggered: until there is none. */
	errno = EMFILE;
	while (p->f->env.n < p->f->most && (fd = sock_accept(w->fd, &peer)) >= 0) {
		printf("Handling connection for %u\n", p->local);
		fflush(stdout);
		if (look(p))
			pipe_start(&p->f->env, fd, &p->reach, p->turn++, p);
		else
			close(fd);
		errno = EMFILE;
	}
	if (errno == EAGAIN)
		return;
	/* Edges tell of newcomers only: those who wait are asked for by the clock. */
	timer_in(p->f->loop, &p->f->again, AGAIN_MS);
	if (!p->starved)
		fprintf(stderr, "headgate: cannot accept on port %u: %s\n", p->local,
		    strerror(errno));
	p->starved = true;
}

static void
again(struct timer *t)
{
	struct forwarder *f = HG_CONTAINER(t, struct forwarder, again);

	for (unsigned i = 0; i < f->nports; i++) {
		f->ports[i].starved = false;
		for (unsigned k = 0; k < f->ports[i].nlisteners; k++)
			ready(&f->ports[i].listeners[k].watch, 0);
	}
}

/* ---- listening */

static bool
listen_on(struct port *p, const struct addr *a)
{
	struct listener *l = &p->listeners[p->nlisteners];
	struct addr own;
	int fd = sock_bind(a, false, true);

	if (fd < 0 || sock_listen(fd, 128) != 0 || !sock_local(fd, &own)) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	l->port = p;
	l->watch = (struct watch){.fd = fd, .ready = ready};
	if (loop_watch(p->f->loop, &l->watch, EPOLLIN) != 0) {
		close(fd);
		return false;
	}
	p->local = own.port;
	p->nlisteners++;
	return true;
}

static int
open_port(struct port *p, const struct addr *only)
{
	struct addr both[2] = {
	    {.family = 4, .ip = {127, 0, 0, 1}}, {.family = 6, .ip = {[15] = 1}}};
	const struct addr *v = only ? only : both;
	int err = 0;

	for (unsigned i = 0; i < (only ? 1 : 2); i++) {
		struct addr a = v[i];
		char text[56];

		a.port = p->local; /* a random one of the first is the second's too */
		if (!listen_on(p, &a)) {
			err = errno;
			continue;
		}
		a.port = p->local;
		addr_print(&a, text);
		printf("Forwarding from %s -> %u\n", text,
		    p->reach.target ? p->reach.target : p->reach.port);
	}
	fflush(stdout);
	if (p->nlisteners)
		return 0;
	fprintf(stderr, "headgate: unable to listen on port %u: %s\n", p->local, strerror(err));
	return EX_FAILED;
}

/* ---- the command line */

static int
usage(const char *why, const char *word)
{
	fprintf(stderr, "headgate: %s%s%s\n", why, word ? ": " : "", word ? word : "");
	fprintf(stderr,
	    "usage: headgate port-forward service/NAME|backend/NAME [LOCAL:]PORT… [-n NS] "
	    "[--address IP]\n");
	return EX_USAGE_;
}

static bool
parse_kind(const char *word, struct reach_want *w)
{
	static const struct {
		const char *name;
		bool backend;
	} kinds[] = {{"service", false}, {"services", false}, {"svc", false}, {"backend", true},
	    {"backends", true}};
	struct bytes name = bytes_str(word), kind = bytes_cut(&name, '/');

	for (unsigned i = 0; name.p && i < HG_ARRAY_LEN(kinds); i++)
		if (bytes_eq(kind, bytes_str(kinds[i].name))) {
			w->backend = kinds[i].backend;
			w->name = name;
			return parse_dns_subdomain(name);
		}
	return false;
}

/* PORT, LOCAL:PORT, :PORT */
static bool
parse_port(const char *word, struct port *p)
{
	struct bytes rest = bytes_str(word), first = bytes_cut(&rest, ':');
	uint64_t n = 0;

	p->want.port = rest.p ? rest : first;
	if (p->want.port.n == 0 || p->want.port.n > 63)
		return false;
	if (rest.p && first.n == 0)
		return true; /* any */
	if (first.n && parse_u64(first, UINT16_MAX, &n) && (n || rest.p)) {
		p->local = (uint16_t)n;
		return true;
	}
	return !rest.p; /* by name: the same number, once it is known */
}

static int
parse(struct forwarder *f, const struct opts *o)
{
	struct reach_want w = {.ns = bytes_str(o->ns ? o->ns : "default")};

	if (o->nargs < 2)
		return usage("TYPE/NAME and a port are needed", NULL);
	if (o->nargs - 1 > PORTS)
		return usage("too many ports", NULL);
	if (!parse_kind(o->args[0], &w))
		return usage("not service/NAME or backend/NAME", o->args[0]);
	if (!parse_dns_subdomain(w.ns))
		return usage("not a namespace", o->ns);
	for (int i = 1; i < o->nargs; i++) {
		struct port *p = &f->ports[f->nports++];

		*p = (struct port){.f = f, .want = w};
		if (!parse_port(o->args[i], p))
			return usage("not a port", o->args[i]);
	}
	return 0;
}

/* ---- */

static void
on_signal(struct watch *w, uint32_t events)
{
	struct forwarder *f = HG_CONTAINER(w, struct forwarder, signals);

	(void)events;
	loop_stop(f->loop);
}

static int
prepare(struct forwarder *f)
{
	struct rlimit files;
	sigset_t set;

	f->most = 256;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
		f->most = (unsigned)HG_MIN(
			      HG_MAX(files.rlim_max, FILES_SPARE + 2ul), (rlim_t)1 << 20) / 2 -
		    FILES_SPARE / 2;
	}
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	f->loop = loop_new();
	if (!f->loop || bufs_init(&f->bufs, BUFFERS) != 0) {
		fprintf(stderr, "headgate: no memory for the loop\n");
		return EX_FAILED;
	}
	f->env = (struct pipe_env){.loop = f->loop, .bufs = &f->bufs, .failed = on_failed};
	list_init(&f->env.open);
	timer_init(&f->again, again);
	f->signals = (struct watch){signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), on_signal};
	return loop_watch(f->loop, &f->signals, EPOLLIN) == 0 ? 0 : EX_FAILED;
}

static int
open_ports(struct forwarder *f)
{
	struct addr only;

	if (f->opts->address && !addr_parse_ip(bytes_str(f->opts->address), &only))
		return usage("not an address", f->opts->address);
	for (unsigned i = 0; i < f->nports; i++) {
		struct port *p = &f->ports[i];
		int rc;

		if (!look(p))
			return EX_FAILED;
		if (p->local == 0 && strchr(f->opts->args[i + 1], ':') == NULL)
			p->local = p->reach.port;
		rc = open_port(p, f->opts->address ? &only : NULL);
		if (rc)
			return rc;
	}
	return 0;
}

static void
release(struct forwarder *f)
{
	for (unsigned i = 0; i < f->nports; i++)
		for (unsigned k = 0; k < f->ports[i].nlisteners; k++) {
			loop_unwatch(f->loop, &f->ports[i].listeners[k].watch);
			close(f->ports[i].listeners[k].watch.fd);
		}
	pipe_close_all(&f->env);
	timer_stop(&f->again);
	loop_unwatch(f->loop, &f->signals);
	close(f->signals.fd);
	bufs_release(&f->bufs);
	loop_free(f->loop);
}

int
portforward_verb(struct opts *o)
{
	struct forwarder *f = mem_zalloc(sizeof(*f));
	int rc = parse(f, o);

	f->opts = o;
	o->timeout_ms = HG_MIN(o->timeout_ms, 5000u); /* nobody is served meanwhile */
	if (rc == 0) {
		rc = view_open(o, &f->view);
		(void)control_stat(f, &f->control);
		if (rc == 0)
			rc = prepare(f);
		if (rc == 0) {
			rc = open_ports(f);
			if (rc == 0)
				loop_run(f->loop);
			release(f);
		}
		view_close(&f->view);
	}
	mem_free(f);
	return rc;
}
