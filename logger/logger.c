/*
 * logger.c - the log writer: drains the workers' rings into whole batches. It has no list of
 * workers, only of rings; a ring outlives its worker, so what a dead one had finished is still
 * written, and the half record that it did not publish is never seen. All it reads is clamped by
 * ring_get(): a wild worker can spoil its own log and no more.
 *
 * Nobody wakes it: workers make no system call for a log line. It looks every 10 ms while lines
 * come and every 100 ms while none do. When a sink takes nothing, lines stay in the rings and the
 * workers drop and count: traffic never waits for a log. Rejected: an eventfd a worker (a system
 * call for each line at low rates, where it hurts most).
 */
#include "logger/logger.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/imsg.h"
#include "base/log.h"
#include "base/mem.h"
#include "logger/sink.h"

#define BUSY_MS 10
#define IDLE_MS 100
#define TURN_LINES 20000       /* then messages are looked at again */
#define ORPHAN_MS 6000         /* the master is gone: workers drain for 5 s */

struct logger {
	struct imsg_chan chan;
	struct imsg in;
	struct slot_ring *rings[SLOT_MAX];
	struct sink access, own;   /* own: what workers say about themselves, descriptor 2 */
	bool draining;
	uint64_t until;            /* clock_mono; 0 = no end in sight */
	uint64_t warned;
};

/* ---- rings */

static struct sink *
sink_of(struct logger *l, enum slot_ringkind kind)
{
	return kind == SLOT_RING_LOG ? &l->own : &l->access;
}

/* False: its sink is full. */
static bool
take_line(struct logger *l, enum slot_ringkind kind, struct bytes line)
{
	struct sink *s = sink_of(l, kind);

	if (line.n > SINK_BATCH) /* no honest line is so long */
		return true;
	if (!sink_fits(s, line.n) && (!sink_flush(s) || !sink_fits(s, line.n)))
		return false;
	sink_put(s, line);
	return true;
}

/* Lines taken from one ring, at most `most`. */
static unsigned
drain_ring(struct logger *l, struct slot_ring *r, unsigned most)
{
	enum slot_ringkind kind;
	struct bytes line;
	unsigned n = 0;

	while (n < most && ring_get(r, &kind, &line) == 1) {
		if (!take_line(l, kind, line))
			break;
		ring_done(r, line);
		n++;
	}
	return n;
}

static void
warn_blocked(struct logger *l)
{
	uint64_t now = clock_mono();

	if (!l->access.blocked || now - l->warned < 60 * SEC_NS)
		return;
	l->warned = now;
	log_warn(
	    "the access log takes no lines (%zu bytes wait); workers drop and count the rest",
	    l->access.n);
}

/* Lines written from all rings; *more: some ring may hold more. */
static unsigned
drain_all(struct logger *l, bool *more)
{
	unsigned total = 0;

	*more = false;
	for (unsigned i = 0; i < SLOT_MAX; i++) {
		unsigned n = l->rings[i] ? drain_ring(l, l->rings[i], TURN_LINES) : 0;

		total += n;
		*more |= n == TURN_LINES;
	}
	(void)sink_flush(&l->access);
	(void)sink_flush(&l->own);
	warn_blocked(l);
	return total;
}

/* ---- messages */

static void
take_ring(struct logger *l, uint32_t slot, int fd)
{
	struct slot_segment *s;

	if (slot >= SLOT_MAX || l->rings[slot])
		return; /* the segment outlives its workers: told once is enough */
	s = region_map(fd, sizeof(*s), 1);
	if (s)
		l->rings[slot] = &s->ring;
	else
		log_error("cannot map the ring of slot %u: %s", slot, strerror(errno));
}

static void
message(struct logger *l, struct imsg *m)
{
	const struct proto_ring *ring = (const struct proto_ring *)(const void *)m->data;
	const struct proto_drain *drain = (const struct proto_drain *)(const void *)m->data;

	switch (m->type) {
	case PROTO_RING:
		if (m->nfds == 1)
			take_ring(l, ring->slot, m->fds[0]);
		break;
	case PROTO_REOPEN:
		/* First to the old file: a rotated one ends with a whole line. */
		(void)sink_flush(&l->access);
		sink_replace(&l->access, imsg_take_fd(m, 0));
		break;
	case PROTO_DRAIN:
		l->draining = true;
		l->until = clock_mono() + HG_MIN(drain->grace_ms, 60000u) * MS_NS;
		break;
	default:
		log_warn("unexpected message %s", proto_name(m->type));
	}
}

/* False: the master is gone. */
static bool
messages(struct logger *l)
{
	int r;

	while ((r = imsg_recv(&l->chan, &l->in)) == 1) {
		if (proto_take(l->in.type, l->in.data, l->in.len))
			message(l, &l->in);
		imsg_close_fds(&l->in);
	}
	return r == 0;
}

/* ---- run */

static bool
nothing_left(const struct logger *l)
{
	return l->access.n == 0 && l->own.n == 0;
}

static int
loop(struct logger *l)
{
	struct pollfd p = {.fd = l->chan.fd, .events = POLLIN};
	bool orphan = false, more;
	int wait = BUSY_MS;

	for (;;) {
		unsigned n;

		if (!orphan && !messages(l)) {
			orphan = true;
			p.fd = -1;
			if (!l->until)
				l->until = clock_mono() + ORPHAN_MS * MS_NS;
		}
		n = drain_all(l, &more);
		if (l->draining && n == 0 && nothing_left(l))
			return 0;
		if (l->until && clock_mono() >= l->until)
			return 0;
		wait = more ? 0 : n ? BUSY_MS : HG_MIN(wait * 2, IDLE_MS);
		if (wait == 0 && (l->access.blocked || l->own.blocked))
			wait = BUSY_MS;
		if (poll(&p, 1, HG_MAX(wait, 0)) < 0 && errno != EINTR)
			return 1;
		wait = HG_MAX(wait, BUSY_MS);
	}
}

int
logger_run(struct role_env *env)
{
	struct logger *l = mem_zalloc(sizeof(*l));
	int rc;

	imsg_init(&l->chan, env->chan);
	sink_init(&l->access, env->accesslog, false);
	sink_init(&l->own, STDERR_FILENO, true);
	rc = loop(l);
	sink_release(&l->access);
	sink_release(&l->own);
	mem_free(l);
	return rc;
}
