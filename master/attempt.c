/*
 * attempt.c - reader and compiler of one reload, as the master sees them. The two talk to each
 * other over a channel that the master makes and forgets; what comes here are questions about
 * sockets, and at the end a result or a reason.
 *
 * The compiler writes on a shared page which file it is reading. If it dies there, it is started
 * again with that file on the skip list of the same page, at most eight times: one file that
 * crashes a parser costs its own objects an update, not everybody the reload. A compiler that dies
 * anywhere else fails the reload.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "master/state.h"
#include "net/sock.h"

/* ---- start */

static int
make_note(struct attempt *a)
{
	a->note_fd = region_create("headgate-note", sizeof(struct proto_note));
	if (a->note_fd < 0)
		return -1;
	a->note = region_map(a->note_fd, sizeof(struct proto_note), 1);
	if (a->note)
		return 0;
	close(a->note_fd);
	a->note_fd = -1;
	return -1;
}

static void
fill_params(const struct master *m, uint64_t generation, struct proto_compile *p)
{
	const struct master_opts *o = m->opts;

	*p = (struct proto_compile){
	    .generation = generation, .flat = o->nfiles > 0, .service = m->service};
	for (unsigned i = 0; i < HG_ARRAY_LEN(p->node); i++)
		if (!sock_outward(i == 0 ? 4 : 6, &p->node[i]))
			p->node[i] = (struct addr){0};
	(void)snprintf(p->conf, sizeof(p->conf), "%s", o->conf ? o->conf : "");
	for (p->nroots = 0; p->nroots < o->nfiles; p->nroots++)
		(void)snprintf(p->roots[p->nroots], sizeof(p->roots[0]), "%s", o->files[p->nroots]);
}

static int
start_pair(struct master *m, uint64_t generation)
{
	struct attempt *a = &m->attempt;
	struct proto_compile *p;
	int pair[2], fds[3], old = m->now.catalogue >= 0 ? m->now.catalogue : m->stored;

	if (imsg_pair(pair) != 0)
		return -1;
	a->answered = false;
	a->reader = child_spawn(m, CHILD_READER, 0);
	a->compiler = a->reader ? child_spawn(m, CHILD_COMPILER, 0) : NULL;
	if (a->compiler) {
		p = mem_alloc(sizeof(*p));
		fill_params(m, generation, p);
		child_send(a->reader, PROTO_COMPILE, generation, p, &pair[0], 1);
		fds[0] = pair[1];
		fds[1] = a->note_fd;
		fds[2] = old;
		child_send(a->compiler, PROTO_COMPILE, generation, p, fds, old >= 0 ? 3 : 2);
		mem_free(p);
	}
	close(pair[0]);
	close(pair[1]);
	return a->compiler ? 0 : -1;
}

int
attempt_start(struct master *m, uint64_t generation)
{
	struct attempt *a = &m->attempt;

	attempt_stop(m);
	a->nskip = 0;
	if (make_note(a) != 0)
		return -1;
	sockets_plan(&m->sockets);
	return start_pair(m, generation);
}

static void
end_child(struct child **c)
{
	if (!*c)
		return;
	(*c)->expected = true;
	child_kill(*c, SIGKILL);
	*c = NULL; /* its end finds nobody waiting */
}

void
attempt_stop(struct master *m)
{
	struct attempt *a = &m->attempt;

	end_child(&a->compiler);
	end_child(&a->reader);
	if (a->note)
		(void)munmap(a->note, sizeof(*a->note));
	a->note = NULL;
	if (a->note_fd >= 0)
		close(a->note_fd);
	a->note_fd = -1;
}

/* ---- messages */

static void
bind_sockets(struct child *c, const struct proto_bind *b, uint32_t seq)
{
	struct master *m = c->master;
	struct proto_bound *r = mem_zalloc(sizeof(*r));
	uint64_t now = clock_mono();

	reload_binding(&m->reload);
	r->n = HG_MIN(b->n, (uint32_t)PROTO_BIND_MAX);
	for (unsigned i = 0; i < r->n; i++) {
		char text[56];

		r->err[i] = sockets_bind(&m->sockets, &b->v[i], now);
		if (r->err[i] == 0)
			continue;
		(void)addr_print(&b->v[i].addr, text);
		log_warn("cannot bind %s: %s", text, strerror(r->err[i]));
	}
	child_send(c, PROTO_BOUND, seq, r, NULL, 0);
	mem_free(r);
}

static void
take_result(struct master *m, struct imsg *in)
{
	const struct proto_result *r = (const struct proto_result *)(const void *)in->data;

	m->attempt.answered = true;
	memfds_close(&m->next);
	m->next.image = imsg_take_fd(in, 0);
	m->next.catalogue = imsg_take_fd(in, 1);
	m->next.secrets = imsg_take_fd(in, 2);
	reload_result(&m->reload, r);
}

void
attempt_message(struct child *c, struct imsg *in)
{
	struct master *m = c->master;

	/* Of an attempt that was given up, or a role that has nothing to say. */
	if (c != m->attempt.compiler || m->attempt.answered ||
	    in->seq != (uint32_t)m->reload.generation)
		return;
	if (in->type == PROTO_BIND) {
		bind_sockets(c, (const struct proto_bind *)(const void *)in->data, in->seq);
	} else if (in->type == PROTO_RESULT) {
		take_result(m, in);
	} else if (in->type == PROTO_FAILED) {
		m->attempt.answered = true;
		reload_failed(
		    &m->reload, ((const struct proto_text *)(const void *)in->data)->text);
	}
}

/* ---- ends */

/* The page is written by the process that died: a copy, and ended. */
static bool
skip_file(struct attempt *a, char file[4096])
{
	memcpy(file, a->note->file, 4096);
	file[4095] = '\0';
	if (!file[0] || a->nskip >= HG_ARRAY_LEN(a->note->skip))
		return false;
	/* Dying in a file that is skipped already: it is not the file. */
	for (unsigned i = 0; i < a->nskip; i++)
		if (strncmp(a->note->skip[i], file, 4096) == 0)
			return false;
	memcpy(a->note->skip[a->nskip++], file, 4096);
	a->note->nskip = a->nskip;
	memset(a->note->file, 0, sizeof(a->note->file));
	return true;
}

static void
compiler_died(struct master *m, int status)
{
	struct attempt *a = &m->attempt;
	char file[4096], end[64], why[512];

	child_end_text(status, end);
	if (a->note && skip_file(a, file)) {
		log_error(
		    "the compiler died reading %.1024s (%s); once more without it", file, end);
		end_child(&a->reader);
		sockets_plan(&m->sockets);
		if (start_pair(m, m->reload.generation) == 0)
			return;
	}
	(void)snprintf(why, sizeof(why), "the compiler died: %s", end);
	reload_failed(&m->reload, why);
}

void
attempt_ended(struct child *c, int status)
{
	struct attempt *a = &c->master->attempt;

	if (c == a->reader) {
		/* The compiler notices by itself and says so. */
		a->reader = NULL;
		return;
	}
	if (c != a->compiler)
		return;
	a->compiler = NULL;
	if (!a->answered)
		compiler_died(c->master, status);
}
