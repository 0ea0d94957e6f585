/*
 * sockets.c - the table of sockets. Mark and sweep over plans: a compile names its addresses, those
 * that exist are marked, new ones are bound at once (the answer becomes a condition of the
 * listener), and only the commit decides who stays. Membership of a reuseport group never changes
 * while its address lives, because a socket more or less would move other clients' UDP sessions and
 * lose queued connections.
 *
 * The first socket of a group answers whether the address can be had; the others are made once the
 * number of slots is known, which at boot is after the first compile. A bind that fails is tried
 * again after 1, 2, 4 ... 30 s; the socket that it wins is kept, unplanned, until the reload that
 * it triggers asks for it.
 */
#include "master/sockets.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "master/brake.h"
#include "net/sock.h"
#include "shm/spec.h"

void
sockets_init(struct sockets *s)
{
	list_init(&s->listeners);
	list_init(&s->failures);
	s->nslots = 0;
}

void
sockets_remove(struct listener *l)
{
	for (unsigned i = 0; i < l->nfds; i++)
		if (l->fds[i] >= 0)
			close(l->fds[i]);
	list_del(&l->link);
	mem_free(l->fds);
	mem_free(l);
}

void
sockets_release(struct sockets *s)
{
	LIST_FOREACH_SAFE (it, tmp, &s->listeners)
		sockets_remove(LIST_ENTRY(it, struct listener, link));
	LIST_FOREACH_SAFE (it, tmp, &s->failures) {
		list_del(it);
		mem_free(LIST_ENTRY(it, struct bind_failure, link));
	}
}

static bool
same(const struct proto_sockkey *a, const struct proto_sockkey *b)
{
	return a->transport == b->transport && addr_eq(&a->addr, &b->addr);
}

static struct listener *
find(struct sockets *s, const struct proto_sockkey *key, bool leaving)
{
	LIST_FOREACH (it, &s->listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);

		if (l->leaving == leaving && same(&l->key, key))
			return l;
	}
	return NULL;
}

struct listener *
sockets_find(struct sockets *s, const struct proto_sockkey *key)
{
	return find(s, key, false);
}

struct listener *
sockets_find_leaving(struct sockets *s, const struct proto_sockkey *key)
{
	return find(s, key, true);
}

bool
sockets_listening(const struct listener *l, unsigned slot)
{
	int on = 0;
	socklen_t len = sizeof(on);

	if (l->key.transport == IM_UDP)
		return true;
	return slot < l->nfds &&
	    getsockopt(l->fds[slot], SOL_SOCKET, SO_ACCEPTCONN, &on, &len) == 0 && on;
}

/* ---- binding */

static struct bind_failure *
failure(struct sockets *s, const struct proto_sockkey *key)
{
	LIST_FOREACH (it, &s->failures) {
		struct bind_failure *f = LIST_ENTRY(it, struct bind_failure, link);

		if (same(&f->key, key))
			return f;
	}
	return NULL;
}

static void
note_failure(struct sockets *s, const struct proto_sockkey *key, int error, uint64_t now)
{
	struct bind_failure *f = failure(s, key);

	if (!f) {
		f = mem_zalloc(sizeof(*f));
		f->key = *key;
		list_append(&s->failures, &f->link);
	}
	f->error = error;
	f->planned = true;
	/* A reload tries as well, but does not make the row of waits longer. */
	if (f->next > now)
		return;
	f->tries++;
	f->next = now + brake_backoff_ms(f->tries) * MS_NS;
}

static void
forget_failure(struct sockets *s, const struct proto_sockkey *key)
{
	struct bind_failure *f = failure(s, key);

	if (!f)
		return;
	list_del(&f->link);
	mem_free(f);
}

static void
widen(struct listener *l, unsigned n)
{
	if (n <= l->nfds)
		return;
	l->fds = mem_realloc(l->fds, n * sizeof(*l->fds));
	while (l->nfds < n)
		l->fds[l->nfds++] = -1;
}

/* Whether one of ours has "all addresses" where the other has one of them. */
static bool
overlaps(const struct sockets *s, const struct proto_sockkey *key)
{
	LIST_FOREACH (it, &s->listeners) {
		const struct proto_sockkey *k = &LIST_ENTRY(it, struct listener, link)->key;

		if (k->transport == key->transport && k->addr.port == key->addr.port &&
		    k->addr.family == key->addr.family &&
		    addr_is_any(&k->addr) != addr_is_any(&key->addr))
			return true;
	}
	return false;
}

/* A group with its first socket; NULL with errno. */
static struct listener *
make(struct sockets *s, const struct proto_sockkey *key)
{
	/* Beside a socket of our own that listens already, only SO_REUSEPORT from the start is let
	 * in. */
	int fd = sock_bind(&key->addr, key->transport == IM_UDP, !overlaps(s, key));
	struct listener *l;

	if (fd < 0)
		return NULL;
	l = mem_zalloc(sizeof(*l));
	l->key = *key;
	l->fresh = true;
	widen(l, 1);
	l->fds[0] = fd;
	list_append(&s->listeners, &l->link);
	return l;
}

void
sockets_plan(struct sockets *s)
{
	LIST_FOREACH (it, &s->listeners)
		LIST_ENTRY(it, struct listener, link)->planned = false;
	LIST_FOREACH (it, &s->failures)
		LIST_ENTRY(it, struct bind_failure, link)->planned = false;
}

int
sockets_bind(struct sockets *s, const struct proto_sockkey *key, uint64_t now_ns)
{
	struct listener *l = sockets_find(s, key);

	/* Port 0 would bind anywhere, and another place at each reload. */
	if (key->addr.port == 0 || (key->transport != IM_TCP && key->transport != IM_UDP))
		return EINVAL;
	if (!l)
		l = make(s, key);
	if (!l) {
		int e = errno;

		note_failure(s, key, e, now_ns);
		return e;
	}
	l->planned = true;
	l->key.id = key->id;
	forget_failure(s, key);
	return 0;
}

int
sockets_fill(struct sockets *s, unsigned nslots)
{
	s->nslots = nslots;
	LIST_FOREACH (it, &s->listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);

		if (l->leaving)
			continue;
		widen(l, nslots);
		for (unsigned i = 0; i < nslots; i++) {
			if (l->fds[i] < 0)
				l->fds[i] =
				    sock_bind(&l->key.addr, l->key.transport == IM_UDP, false);
			if (l->fds[i] < 0)
				return -1;
		}
	}
	return 0;
}

void
sockets_abort(struct sockets *s)
{
	LIST_FOREACH_SAFE (it, tmp, &s->listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);

		/* Nothing can be queued on it: nobody has called listen(). */
		if (l->fresh)
			sockets_remove(l);
	}
}

unsigned
sockets_commit(struct sockets *s)
{
	unsigned n = 0;

	LIST_FOREACH_SAFE (it, tmp, &s->listeners) {
		struct listener *l = LIST_ENTRY(it, struct listener, link);

		if (l->leaving)
			continue;
		if (!l->planned && l->fresh) { /* won by a retry, wanted no more */
			sockets_remove(l);
			continue;
		}
		l->fresh = false;
		if (!l->planned) {
			l->leaving = true;
			n++;
		}
	}
	LIST_FOREACH_SAFE (it, tmp, &s->failures) {
		struct bind_failure *f = LIST_ENTRY(it, struct bind_failure, link);

		if (!f->planned) {
			list_del(it);
			mem_free(f);
		}
	}
	return n;
}

/* ---- leaving */

void
sockets_wait(struct listener *l, unsigned slot)
{
	l->waiting[slot / 64] |= 1ull << (slot % 64);
}

bool
sockets_waits(const struct listener *l)
{
	for (unsigned i = 0; i < HG_ARRAY_LEN(l->waiting); i++)
		if (l->waiting[i])
			return true;
	return false;
}

bool
sockets_closed(struct listener *l, unsigned slot)
{
	uint64_t bit = 1ull << (slot % 64);

	if (!(l->waiting[slot / 64] & bit))
		return false;
	l->waiting[slot / 64] &= ~bit;
	return !sockets_waits(l);
}

/* ---- failed binds */

uint64_t
sockets_due(const struct sockets *s)
{
	uint64_t due = 0;

	LIST_FOREACH (it, &s->failures) {
		const struct bind_failure *f = LIST_ENTRY(it, struct bind_failure, link);

		if (due == 0 || f->next < due)
			due = f->next;
	}
	return due;
}

bool
sockets_retry(struct sockets *s, uint64_t now_ns)
{
	bool won = false;

	LIST_FOREACH_SAFE (it, tmp, &s->failures) {
		struct bind_failure *f = LIST_ENTRY(it, struct bind_failure, link);

		if (f->next > now_ns)
			continue;
		if (!make(s, &f->key)) {
			note_failure(s, &f->key, errno, now_ns);
			continue;
		}
		won = true;
		list_del(&f->link);
		mem_free(f);
	}
	return won;
}
