/*
 * stop.c - the orderly end: no new connections (SYNs are dropped for a moment so that handshakes
 * under way get through), workers accept what is queued and finish what is in flight up to the
 * grace, the logger writes the last lines, and only then does the master go. A second TERM ends at
 * once. Requests for reloads are refused from the first moment.
 */
#include <errno.h>
#include <signal.h>

#include "base/log.h"
#include "master/state.h"
#include "net/sock.h"

#define SETTLE_MS 100   /* handshakes that had begun */
#define OVERTIME_MS 2000 /* after the grace, for a worker to end by itself */
#define LOGS_MS 3000

static void
kill_kind(struct master *m, enum child_kind kind)
{
	LIST_FOREACH (it, &m->children) {
		struct child *c = LIST_ENTRY(it, struct child, link);

		if (c->kind == kind) {
			c->expected = true;
			child_kill(c, SIGKILL);
		}
	}
}

static bool
any_of(const struct master *m, enum child_kind kind)
{
	LIST_FOREACH (it, &m->children)
		if (LIST_ENTRY(it, struct child, link)->kind == kind)
			return true;
	return false;
}

static void
drain_workers(struct master *m)
{
	struct proto_drain d = {m->grace_ms};

	m->stopping = STOP_DRAIN;
	if (m->regions.control)
		atomic_store(&m->regions.control->draining, 1);
	for (unsigned i = 0; i < m->nslots; i++)
		if (m->slots[i].child)
			child_send(m->slots[i].child, PROTO_DRAIN, 0, &d, NULL, 0);
	/* Workers hold their own; with the last of those the port is free. */
	sockets_release(&m->sockets);
	sockets_init(&m->sockets);
	if (m->grace_ms != UINT32_MAX)
		timer_in(m->loop, &m->stop, (uint64_t)m->grace_ms + OVERTIME_MS);
	stop_child_ended(m);
}

static void
end_services(struct master *m)
{
	static const struct proto_drain d = {LOGS_MS};

	m->stopping = STOP_LOGS;
	kill_kind(m, CHILD_HELPER);
	if (m->logs.child)
		child_send(m->logs.child, PROTO_DRAIN, 0, &d, NULL, 0);
	timer_in(m->loop, &m->stop, LOGS_MS);
}

static void
timer_fired(struct timer *t)
{
	struct master *m = HG_CONTAINER(t, struct master, stop);

	switch (m->stopping) {
	case STOP_WAIT:
		drain_workers(m);
		break;
	case STOP_DRAIN:
		log_warn("the grace is over: what is still in flight is cut");
		kill_kind(m, CHILD_WORKER);
		break;
	case STOP_LOGS:
		kill_kind(m, CHILD_LOGGER);
		kill_kind(m, CHILD_WRITER);
		break;
	case STOP_NO:
	case STOP_DONE:
		break;
	}
}

void
stop_child_ended(struct master *m)
{
	if (m->stopping == STOP_DRAIN && !any_of(m, CHILD_WORKER))
		end_services(m);
	if (m->stopping == STOP_LOGS && list_empty(&m->children)) {
		m->stopping = STOP_DONE;
		loop_stop(m->loop);
	}
}

void
stop_begin(struct master *m, bool forever)
{
	if (m->stopping != STOP_NO) {
		log_warn("stopping at once");
		m->grace_ms = 0;
		if (m->stopping == STOP_WAIT)
			drain_workers(m);
		kill_kind(m, CHILD_WORKER);
		return;
	}
	m->stopping = STOP_WAIT;
	if (forever)
		m->grace_ms = UINT32_MAX;
	log_info("stopping%s", forever ? ", without a deadline" : "");
	notify_send(&m->notify, "STOPPING=1\nSTATUS=stopping");
	timer_init(&m->stop, timer_fired);
	timer_in(m->loop, &m->stop, m->nslots ? SETTLE_MS : 1);
	reload_stop(&m->reload);
	LIST_FOREACH (it, &m->sockets.listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);

		for (unsigned i = 0; i < l->nfds; i++)
			if (l->fds[i] >= 0 && sock_refuse_new(l->fds[i]) != 0)
				log_debug("SO_ATTACH_FILTER: %s", strerror(errno));
	}
	attempt_stop(m);
}
