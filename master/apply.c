/*
 * apply.c - what the reload machine's acts mean for sockets, memfds and processes. The store
 * decides, a message wakes: commit is one release store to the control page, and each worker reads
 * that word at the top of its turn; COMMIT only spares a sleeping worker the wait. At boot the same
 * acts make regions and processes first.
 *
 * Taking an address away: a filter drops new SYNs, one second later (handshakes under way are
 * through by then) workers accept until the queue is empty and close; then the master does.
 * shutdown() on a listener would reset what is queued.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/version.h"
#include "master/state.h"
#include "net/sock.h"
#include "shm/blob.h"

#define REMOVE_MS 1000

void
memfds_close(struct memfds *f)
{
	if (f->image >= 0)
		close(f->image);
	if (f->catalogue >= 0)
		close(f->catalogue);
	if (f->secrets >= 0)
		close(f->secrets);
	*f = (struct memfds){-1, -1, -1};
}

/* ---- compile, stage */

static int
compile(void *arg, uint64_t generation, char why[256])
{
	struct master *m = arg;

	if (m->ready)
		notify_reloading(&m->notify);
	if (attempt_start(m, generation) == 0)
		return 0;
	(void)snprintf(why, 256, "%s", strerror(errno));
	return -1;
}

/* A memfd that came from a process that parses: is it what it says, and can it change no more? */
static bool
blob_good(int fd, enum blob_kind kind, uint64_t generation)
{
	const int want = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
	struct blob_header h;
	struct stat st;

	if (fd < 0 || (fcntl(fd, F_GET_SEALS) & want) != want || fstat(fd, &st) != 0)
		return false;
	if (pread(fd, &h, sizeof(h), 0) != sizeof(h))
		return false;
	return h.magic == BLOB_MAGIC && h.kind == kind && h.build == version_build_id() &&
	    h.generation == generation && h.size == (uint64_t)st.st_size && h.size <= BLOB_MAX;
}

static unsigned
default_workers(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

	return (unsigned)HG_MAX(1, HG_MIN(n, SLOT_MAX));
}

/* The first generation: now the settings are known. */
static int
boot(struct master *m, const struct proto_result *r, char why[256])
{
	const struct proto_settings *s = &r->settings;

	m->result = *r;
	if (m->service && (s->user[0] || s->group[0]) && !priv_find(s->user, s->group, &m->user)) {
		(void)snprintf(why, 256, "user or group of headgate.conf does not exist");
		return -1;
	}
	m->nslots = s->workers ? HG_MIN(s->workers, (uint32_t)SLOT_MAX) : default_workers();
	m->reload.nslots = m->nslots;
	heartbeat_init(&m->heartbeat, r->heartbeat_ms);
	if (regions_make(&m->regions, m->nslots) != 0 || services_start(m) != 0 ||
	    workers_start(m) != 0) {
		(void)snprintf(why, 256, "cannot start the processes: %s", strerror(errno));
		return -1;
	}
	return 0;
}

static int
stage(void *arg, char why[256])
{
	struct master *m = arg;

	attempt_stop(m); /* it has said all it had to say; its memory goes now */
	if (!blob_good(m->next.image, BLOB_IMAGE, m->reload.generation) ||
	    !blob_good(m->next.catalogue, BLOB_CATALOGUE, m->reload.generation) ||
	    (m->next.secrets >= 0 &&
		!blob_good(m->next.secrets, BLOB_SECRETS, m->reload.generation))) {
		(void)snprintf(why, 256, "the compiler's image is not whole and sealed");
		return -1;
	}
	if (m->nslots == 0 && boot(m, &m->reload.record.result, why) != 0)
		return -1;
	if (sockets_fill(&m->sockets, m->nslots) != 0) {
		(void)snprintf(
		    why, 256, "cannot make the sockets of all workers: %s", strerror(errno));
		return -1;
	}
	return 0;
}

/* ---- votes */

static bool
live(void *arg, unsigned slot)
{
	return workers_live(arg, slot);
}

static void
offer(void *arg, unsigned slot, uint64_t generation)
{
	struct master *m = arg;

	workers_offer(m, slot, generation, &m->next);
}

static void
tell_workers(struct master *m, uint32_t type, uint64_t generation)
{
	for (unsigned i = 0; i < m->nslots; i++)
		if (m->slots[i].child)
			child_send(m->slots[i].child, type, generation, NULL, NULL, 0);
}

/* Sockets that came with the offer: nobody listens on them, and nobody must when the next
 * generation commits. */
static void
take_back(struct master *m)
{
	LIST_FOREACH (it, &m->sockets.listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);

		for (unsigned i = 0; l->fresh && l->planned && i < m->nslots; i++) {
			struct proto_socket p = {.key = l->key, .slot = i};

			if (m->slots[i].child)
				child_send(m->slots[i].child, PROTO_SOCKET_DROP,
				    m->reload.published, &p, NULL, 0);
		}
	}
}

static void
cancel(void *arg, uint64_t generation, bool offered)
{
	struct master *m = arg;

	attempt_stop(m);
	memfds_close(&m->next);
	if (offered) {
		tell_workers(m, PROTO_ABORT, generation);
		take_back(m);
	}
	sockets_abort(&m->sockets);
}

/* ---- commit */

static bool
late(void *arg, unsigned slot, uint64_t generation)
{
	struct master *m = arg;

	if (!m->slots[slot].child)
		return false;
	workers_offer(m, slot, generation, &m->next);
	return true;
}

/* What of headgate.conf does not need a restart. */
static void
take_settings(struct master *m)
{
	struct proto_settings old = m->result.settings;
	const struct proto_settings *s = &m->reload.record.result.settings;

	m->result = m->reload.record.result;
	if (m->result.grace_ms)
		m->grace_ms = m->result.grace_ms;
	if (m->reload.published == 0)
		return;
	if (strcmp(old.access_log, s->access_log) != 0 || old.log_off != s->log_off)
		services_reopen(m);
	if (old.workers != s->workers || strcmp(old.user, s->user) != 0 ||
	    strcmp(old.group, s->group) != 0)
		log_warn("workers, user and group of headgate.conf apply at the next start");
}

static void
commit(void *arg, uint64_t generation)
{
	struct master *m = arg;

	(void)sockets_commit(&m->sockets);
	atomic_store_explicit(&m->regions.control->published, generation, memory_order_release);
	tell_workers(m, PROTO_COMMIT, generation);
	memfds_close(&m->now);
	m->now = m->next;
	m->next = (struct memfds){-1, -1, -1};
	if (m->stored >= 0)
		close(m->stored);
	m->stored = -1;
	take_settings(m);
	services_adopt(m);
}

/* ---- old sockets */

static bool
any_leaving(const struct master *m)
{
	LIST_FOREACH (it, &m->sockets.listeners)
		if (LIST_ENTRY(it, struct listener, link)->leaving)
			return true;
	return false;
}

static bool
settle(void *arg)
{
	struct master *m = arg;
	bool any = false;

	LIST_FOREACH (it, &m->sockets.listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);

		if (!l->leaving)
			continue;
		any = true;
		for (unsigned i = 0; i < l->nfds; i++)
			if (l->fds[i] >= 0 && sock_refuse_new(l->fds[i]) != 0)
				log_debug("SO_ATTACH_FILTER: %s", strerror(errno));
	}
	if (any)
		timer_in(m->loop, &m->remove, REMOVE_MS);
	return any;
}

static void
drop_socket(struct master *m, struct listener *l)
{
	for (unsigned i = 0; i < m->nslots; i++) {
		struct proto_socket p = {.key = l->key, .slot = i};
		unsigned lent = m->slots[i].lent_to;

		if (m->slots[i].child) {
			sockets_wait(l, i);
			child_send(
			    m->slots[i].child, PROTO_SOCKET_DROP, m->reload.published, &p, NULL, 0);
		} else if (lent < SLOT_MAX && m->slots[lent].child) {
			child_send(m->slots[lent].child, PROTO_SOCKET_DROP, m->reload.published, &p,
			    NULL, 0);
		}
	}
	if (!sockets_waits(l))
		sockets_remove(l);
}

static void
remove_due(struct timer *t)
{
	struct master *m = HG_CONTAINER(t, struct master, remove);

	LIST_FOREACH_SAFE (it, tmp, &m->sockets.listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);

		if (l->leaving)
			drop_socket(m, l);
	}
	apply_removed(m);
}

void
apply_removed(struct master *m)
{
	if (!any_leaving(m))
		reload_settled(&m->reload);
}

static void
settle_now(void *arg)
{
	struct master *m = arg;

	timer_stop(&m->remove);
	LIST_FOREACH_SAFE (it, tmp, &m->sockets.listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);

		if (l->leaving)
			sockets_remove(l);
	}
}

/* ---- deadlines and the end */

static void
deadline_fired(struct timer *t)
{
	struct master *m = HG_CONTAINER(t, struct master, deadline);

	reload_deadline(&m->reload);
}

static void
deadline(void *arg, uint32_t ms)
{
	struct master *m = arg;

	if (ms)
		timer_in(m->loop, &m->deadline, ms);
	else
		timer_stop(&m->deadline);
}

static void
bind_retry(struct timer *t)
{
	struct master *m = HG_CONTAINER(t, struct master, bind_retry);

	if (m->stopping == STOP_NO && sockets_retry(&m->sockets, clock_mono())) {
		log_info("an address that was taken is free: reloading");
		(void)reload_request(&m->reload);
	}
	if (sockets_due(&m->sockets))
		timer_set(m->loop, t, sockets_due(&m->sockets));
}

static void
say_listening(const struct master *m)
{
	LIST_FOREACH (it, &m->sockets.listeners) {
		const struct listener *l = LIST_ENTRY(it, struct listener, link);
		char text[56];

		(void)addr_print(&l->key.addr, text);
		log_info("listening on %s", text);
	}
}

static void
first_done(struct master *m, const struct reload_record *r)
{
	if (!r->ok) {
		log_error("nothing to serve: %s", r->message);
		m->status = r->phase == RELOAD_COMPILING ? 78 : 1;
		stop_begin(m, false);
		return;
	}
	m->ready = true;
	say_listening(m);
	log_info("ready: %u workers, pid %d", m->nslots, (int)getpid());
}

static void
done(void *arg, const struct reload_record *r)
{
	struct master *m = arg;
	const struct proto_result *n = &r->result;

	attempt_stop(m);
	if (m->regions.control)
		atomic_fetch_add(
		    r->ok ? &m->regions.control->reloads : &m->regions.control->reloads_failed, 1);
	if (r->ok && n->errors == 0)
		log_info("generation %llu applied in %llu ms: %u objects, %u gateways, "
			 "%u listeners, %u routes",
		    (unsigned long long)r->generation, (unsigned long long)r->ms, n->objects,
		    n->gateways, n->listeners, n->routes);
	else if (r->ok)
		log_warn("generation %llu applied in %llu ms with %u errors, %u objects stale: %s",
		    (unsigned long long)r->generation, (unsigned long long)r->ms, n->errors,
		    n->stale, r->message);
	else if (m->ready)
		log_error("reload rejected while %s, generation %llu goes on: %s",
		    reload_state_name((enum reload_state)r->phase),
		    (unsigned long long)r->generation, r->message);
	record_write(m, r);
	control_reloaded(m, r);
	if (!m->ready && m->stopping == STOP_NO)
		first_done(m, r);
	if (m->ready && m->stopping == STOP_NO)
		notify_send(&m->notify, "READY=1\nSTATUS=generation %llu, %u gateways, %u routes%s",
		    (unsigned long long)r->generation, m->result.gateways, m->result.routes,
		    r->ok ? n->errors ? "; some objects have errors: headgate status" : "" :
		    "; last reload rejected: headgate status");
	if (sockets_due(&m->sockets))
		timer_set(m->loop, &m->bind_retry, sockets_due(&m->sockets));
}

const struct reload_ops apply_ops = {
	.compile = compile,
	.stage = stage,
	.live = live,
	.offer = offer,
	.late = late,
	.commit = commit,
	.cancel = cancel,
	.settle = settle,
	.settle_now = settle_now,
	.deadline = deadline,
	.done = done,
};

void
apply_init(struct master *m)
{
	timer_init(&m->deadline, deadline_fired);
	timer_init(&m->bind_retry, bind_retry);
	timer_init(&m->remove, remove_due);
	m->now = m->next = (struct memfds){-1, -1, -1};
}
