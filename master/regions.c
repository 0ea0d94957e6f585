/*
 * regions.c - makes the regions of DESIGN section 4. They are sparse: a segment has room for a
 * million ids and costs what was touched. That matters when a slot is cleared for its next worker:
 * reading a hole through a mapping would allocate it, so the pages that exist are asked from the
 * kernel (SEEK_DATA) and only those are looked at.
 */
#include "master/regions.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/tls.h"
#include "shm/bucket.h"

static const struct {
	enum proto_fd fd;
	const char *name;
} shared[] = {
	{PROTO_FD_CONTROL, "headgate-control"},
	{PROTO_FD_BUCKETS, "headgate-buckets"},
	{PROTO_FD_BOARD, "headgate-board"},
	{PROTO_FD_NAMES, "headgate-names"},
	{PROTO_FD_TICKETS, "headgate-tickets"},
};

size_t
region_size(enum proto_fd fd)
{
	switch (fd) {
	case PROTO_FD_CONTROL:
		return sizeof(struct control_page);
	case PROTO_FD_SLOT:
		return sizeof(struct slot_segment);
	case PROTO_FD_BUCKETS:
		return bucket_size(REGION_BUCKETS);
	case PROTO_FD_BOARD:
		return sizeof(struct board);
	case PROTO_FD_NAMES:
		return sizeof(struct names);
	case PROTO_FD_TICKETS:
		return sizeof(struct tls_keys);
	case PROTO_FD_ACCESSLOG:
	case PROTO_FD_COUNT:
		break;
	}
	return 0;
}

void
regions_init(struct regions *r)
{
	*r = (struct regions){0};
	for (unsigned i = 0; i < PROTO_FD_COUNT; i++)
		r->shared[i] = (struct region){-1, -1};
	for (unsigned i = 0; i < SLOT_MAX; i++)
		r->slots[i] = (struct region){-1, -1};
}

static int
make(struct region *r, const char *name, enum proto_fd kind)
{
	r->rw = region_create(name, region_size(kind));
	r->ro = r->rw < 0 ? -1 : region_reopen_ro(r->rw);
	if (r->ro >= 0)
		return 0;
	log_error("cannot make the shared region %s of %zu bytes: %s", name, region_size(kind),
	    strerror(errno));
	return -1;
}

static void *
map(const struct region *r, enum proto_fd kind)
{
	void *p = region_map(r->rw, region_size(kind), 1);

	if (!p)
		log_error("cannot map a shared region of %zu bytes: %s", region_size(kind),
		    strerror(errno));
	return p;
}

int
regions_make(struct regions *r, unsigned nslots)
{
	void *buckets;

	HG_CHECK(nslots > 0 && nslots <= SLOT_MAX);
	for (unsigned i = 0; i < HG_ARRAY_LEN(shared); i++)
		if (make(&r->shared[shared[i].fd], shared[i].name, shared[i].fd) != 0)
			return -1;
	r->control = map(&r->shared[PROTO_FD_CONTROL], PROTO_FD_CONTROL);
	buckets = map(&r->shared[PROTO_FD_BUCKETS], PROTO_FD_BUCKETS);
	if (!r->control || !buckets)
		return -1;
	r->tickets = map(&r->shared[PROTO_FD_TICKETS], PROTO_FD_TICKETS);
	if (!r->tickets)
		return -1;
	(void)madvise(r->tickets, sizeof(*r->tickets), MADV_DONTDUMP);
	for (unsigned i = 0; i < TLS_KEYS; i++)
		regions_rotate_tickets(r);
	bucket_init(buckets);
	(void)munmap(buckets, region_size(PROTO_FD_BUCKETS));
	for (r->nslots = 0; r->nslots < nslots; r->nslots++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "headgate-slot%u", r->nslots);
		if (make(&r->slots[r->nslots], name, PROTO_FD_SLOT) != 0)
			return -1;
		r->segments[r->nslots] = map(&r->slots[r->nslots], PROTO_FD_SLOT);
		if (!r->segments[r->nslots])
			return -1;
	}
	atomic_store(&r->control->nslots, nslots);
	atomic_store(&r->control->started, clock_real());
	return 0;
}

void
regions_rotate_tickets(struct regions *r)
{
	struct tls_keys *k = r->tickets;
	unsigned char fresh[sizeof(k->key[0])];
	uint64_t seq = atomic_load_explicit(&k->seq, memory_order_relaxed);

	if (getrandom(fresh, sizeof(fresh), 0) != (ssize_t)sizeof(fresh)) {
		log_error("no random bytes for a ticket key: the old one stays");
		return;
	}
	atomic_store_explicit(&k->seq, seq + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	memmove(&k->key[1], &k->key[0], sizeof(k->key) - sizeof(k->key[0]));
	memcpy(&k->key[0], fresh, sizeof(fresh));
	atomic_store_explicit(&k->seq, seq + 2, memory_order_release);
	mem_wipe(fresh, sizeof(fresh));
}

static void
close_region(struct region *r)
{
	if (r->rw >= 0)
		close(r->rw);
	if (r->ro >= 0)
		close(r->ro);
	*r = (struct region){-1, -1};
}

void
regions_release(struct regions *r)
{
	if (r->control)
		(void)munmap(r->control, sizeof(*r->control));
	if (r->tickets)
		(void)munmap(r->tickets, sizeof(*r->tickets));
	for (unsigned i = 0; i < PROTO_FD_COUNT; i++)
		close_region(&r->shared[i]);
	for (unsigned i = 0; i < SLOT_MAX; i++) {
		if (r->segments[i])
			(void)munmap(r->segments[i], sizeof(*r->segments[i]));
		close_region(&r->slots[i]);
	}
	regions_init(r);
}

void
regions_clear_slot(struct regions *r, unsigned slot)
{
	struct slot_segment *s = r->segments[slot];
	const off_t first = offsetof(struct slot_segment, endpoints);
	int fd = r->slots[slot].rw;

	atomic_store(&s->ready, 0);
	atomic_store(&s->active, 0);
	atomic_store(&s->oldest, 0);
	atomic_store(&s->adopting, 0);
	atomic_store(&s->pid, 0);
	atomic_store(&s->connections, 0);
	atomic_store(&s->exchanges, 0);
	atomic_store(&s->idle_upstream, 0);
	atomic_store(&s->tunnels, 0);
	for (off_t at = lseek(fd, first, SEEK_DATA); at >= first;) {
		off_t end = lseek(fd, at, SEEK_HOLE);
		size_t i = (size_t)(at - first) / sizeof(s->endpoints[0]);

		for (; i < SLOT_IDS && (off_t)(i * sizeof(s->endpoints[0])) + first < end; i++) {
			/* A word that is 0 is not written: the page may be clean. */
			if (s->endpoints[i].inflight)
				s->endpoints[i].inflight = 0;
			if (s->endpoints[i].connections)
				s->endpoints[i].connections = 0;
		}
		at = end < 0 ? -1 : lseek(fd, end, SEEK_DATA);
	}
	/* All of these are in-flight words: the pages go as a whole. */
	(void)madvise(s->breakers, sizeof(s->breakers), MADV_REMOVE);
	(void)madvise(s->admitted, sizeof(s->admitted), MADV_REMOVE);
}
