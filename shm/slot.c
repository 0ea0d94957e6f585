/*
 * slot.c - shared regions, and the log ring of a worker slot.
 *
 * A region is a memfd that is sealed against shrinking and growing before anybody else sees it: a
 * size that was checked once stays true, so no mapping can ever fault behind the end. Its mode is
 * 0400, so a descriptor opened again through /proc can only be read-only for a process that is not
 * root; who may not write gets such a descriptor, because a read-only *mapping* of a writable one
 * can be made writable.
 *
 * The ring has one producer and one consumer and no lock. The producer believes only its own head;
 * the consumer believes nothing: head, tail and record lengths are clamped, so a wild worker can
 * make its own log wrong and nothing else. Records do not wrap: what does not fit before the end is
 * padded, which keeps a record one piece for writev(). Rejected: a ring of fixed cells (lines
 * differ by 100 times) and a pipe (a full pipe blocks or tears lines).
 */
#include "shm/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3; older kernels answer EINVAL */
#endif
#define REGION_SEALS (F_SEAL_GROW | F_SEAL_SHRINK)

/* ---- regions */

int
region_create(const char *name, size_t size)
{
	int saved, fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)size) == 0 && fchmod(fd, 0400) == 0 &&
	    fcntl(fd, F_ADD_SEALS, REGION_SEALS | F_SEAL_SEAL) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int
region_reopen_ro(int fd)
{
	char path[32];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

void *
region_map(int fd, size_t size, int writable)
{
	struct stat st;
	void *p;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || fstat(fd, &st) != 0)
		return NULL;
	/* A size that could still change would be worth nothing. */
	if ((seals & REGION_SEALS) != REGION_SEALS || st.st_size < 0 ||
	    (uint64_t)st.st_size != size) {
		errno = EINVAL;
		return NULL;
	}
	p = mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ,
	    MAP_SHARED | MAP_NORESERVE, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

/* ---- log ring */

#define RING_MASK ((uint64_t)SLOT_RING - 1)

struct ring_head { /* of a record; data follows */
	uint32_t len, kind;
};

static inline uint64_t
record_size(uint64_t len)
{
	return (sizeof(struct ring_head) + len + 7) & ~7ull;
}

static void
head_put(struct slot_ring *r, uint64_t at, uint32_t len, uint32_t kind)
{
	struct ring_head h = {len, kind};

	memcpy(r->data + (at & RING_MASK), &h, sizeof(h));
}

char *
ring_reserve(struct slot_ring *r, size_t n)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed) & ~7ull;
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	uint64_t size, left = SLOT_RING - (head & RING_MASK);

	if (n > SLOT_RING / 4)
		return NULL;
	size = record_size(n);
	/* A tail that cannot be (the consumer's word is not ours) counts as a full ring. */
	if (head - tail > SLOT_RING)
		return NULL;
	if (left < size) {
		if (SLOT_RING - (head - tail) < left + size)
			return NULL;
		head_put(r, head, (uint32_t)(left - sizeof(struct ring_head)), SLOT_RING_PAD);
		head += left;
		atomic_store_explicit(&r->head, head, memory_order_release);
	} else if (SLOT_RING - (head - tail) < size) {
		return NULL;
	}
	return r->data + (head & RING_MASK) + sizeof(struct ring_head);
}

void
ring_commit(struct slot_ring *r, enum slot_ringkind kind, size_t len)
{
	uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed) & ~7ull;

	HG_CHECK(record_size(len) <= SLOT_RING - (head & RING_MASK));
	head_put(r, head, (uint32_t)len, kind);
	atomic_store_explicit(&r->head, head + record_size(len), memory_order_release);
}

int
ring_put(struct slot_ring *r, enum slot_ringkind kind, struct bytes line)
{
	char *to = ring_reserve(r, line.n);

	if (!to)
		return -1;
	if (line.n != 0)
		memcpy(to, line.p, line.n);
	ring_commit(r, kind, line.n);
	return 0;
}

int
ring_get(struct slot_ring *r, enum slot_ringkind *kind, struct bytes *line)
{
	for (;;) {
		uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed) & ~7ull;
		uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire) & ~7ull;
		uint64_t have = head - tail, left = SLOT_RING - (tail & RING_MASK);
		struct ring_head h;

		if (have == 0)
			return 0;
		memcpy(&h, r->data + (tail & RING_MASK), sizeof(h));
		/* The producer may be wild: what cannot be is skipped whole, up to its head. */
		if (have > SLOT_RING || h.len > SLOT_RING ||
		    record_size(h.len) > HG_MIN(have, left)) {
			atomic_store_explicit(&r->tail, head, memory_order_release);
			return 0;
		}
		if (h.kind != SLOT_RING_ACCESS && h.kind != SLOT_RING_LOG) {
			atomic_store_explicit(
			    &r->tail, tail + record_size(h.len), memory_order_release);
			continue;
		}
		*kind = h.kind;
		*line = bytes_of(r->data + (tail & RING_MASK) + sizeof(h), h.len);
		return 1;
	}
}

void
ring_done(struct slot_ring *r, struct bytes line)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed) & ~7ull;

	/* By the lent length, not by what lies in the ring now: that may have been changed
	 * meanwhile. */
	atomic_store_explicit(&r->tail, tail + record_size(line.n), memory_order_release);
}
