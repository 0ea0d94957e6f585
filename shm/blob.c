/*
 * blob.c - writing and opening the container of a generation's files.
 *
 * The writer keeps one growing array a section and lays them out once, at the seal: section sizes
 * are not known before, and the compiler child has memory to spare. Texts are stored once through a
 * keyed hash table of (offset, length), because names come from strangers. Rejected: writing into
 * the memfd while building (every growth would remap, and a half-written file would exist) and a
 * general allocator inside the file (nothing ever frees).
 *
 * The reader trusts nothing but its own build: seals first, so that no byte can change under the
 * checks, then the header, then each section's place. A file from disk has no seals; it is copied
 * into private memory and checked there, so that a later change of the file changes nothing.
 */
#include "shm/blob.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/hash.h"
#include "base/mem.h"
#include "base/version.h"

#define BLOB_ALIGN 16u
#define BLOB_SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL)

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3; older kernels answer EINVAL */
#endif

/* ---- reading */

static bool
header_ok(const struct blob_header *h, enum blob_kind kind, uint64_t layout, uint64_t size)
{
	if (h->magic != BLOB_MAGIC || h->kind != (uint32_t)kind || h->layout != layout)
		return false;
	/* What is stored outlives its build; the layout says whether it can be read. */
	if (h->size != size || (kind != BLOB_CATALOGUE && h->build != version_build_id()))
		return false;
	if (h->nsections == 0 || h->nsections > BLOB_SECTIONS || h->sections[0].elem != 1)
		return false;
	for (unsigned i = 0; i < h->nsections; i++) {
		const struct blob_section *s = &h->sections[i];

		if (s->off % BLOB_ALIGN != 0 || s->off < sizeof(*h) || s->off > size)
			return false;
		if (s->elem == 0 || (uint64_t)s->count * s->elem > size - s->off)
			return false;
	}
	return true;
}

static enum hg_err
blob_adopt(void *map, uint64_t size, enum blob_kind kind, uint64_t layout, struct blob *out)
{
	const struct blob_header *h = map;

	if (!header_ok(h, kind, layout, size)) {
		munmap(map, size);
		return HG_ERR_INVALID;
	}
	*out = (struct blob){.head = h,
	    .base = map,
	    .size = size,
	    .text = (char *)map + h->sections[0].off,
	    .ntext = h->sections[0].count};
	return HG_OK;
}

static enum hg_err
blob_size(int fd, uint64_t *size)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return HG_ERR_IO;
	if (!S_ISREG(st.st_mode) || st.st_size < (off_t)sizeof(struct blob_header) ||
	    (uint64_t)st.st_size > BLOB_MAX)
		return HG_ERR_INVALID;
	*size = (uint64_t)st.st_size;
	return HG_OK;
}

enum hg_err
blob_open(int fd, enum blob_kind kind, uint64_t layout, struct blob *out)
{
	uint64_t size;
	enum hg_err err;
	int seals = fcntl(fd, F_GET_SEALS);
	void *map;

	*out = (struct blob){0};
	if (seals < 0)
		return errno == EINVAL ? HG_ERR_INVALID : HG_ERR_IO;
	if ((seals & BLOB_SEALS) != BLOB_SEALS)
		return HG_ERR_INVALID;
	if ((err = blob_size(fd, &size)) != HG_OK)
		return err;
	map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return HG_ERR_IO;
	return blob_adopt(map, size, kind, layout, out);
}

enum hg_err
blob_open_file(int fd, enum blob_kind kind, uint64_t layout, struct blob *out)
{
	uint64_t size, got = 0;
	enum hg_err err = blob_size(fd, &size);
	char *map;

	*out = (struct blob){0};
	if (err != HG_OK)
		return err;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		return HG_ERR_IO;
	while (got < size) {
		ssize_t n = pread(fd, map + got, size - got, (off_t)got);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			munmap(map, size);
			return n < 0 ? HG_ERR_IO : HG_ERR_INVALID;
		}
		got += (uint64_t)n;
	}
	(void)mprotect(map, size, PROT_READ); /* a guard against ourselves only */
	return blob_adopt(map, size, kind, layout, out);
}

void
blob_close(struct blob *b)
{
	if (b->base)
		munmap((void *)(uintptr_t)b->base, b->size);
	*b = (struct blob){0};
}

const void *
blob_records(const struct blob *b, unsigned section, size_t elem, uint32_t *count)
{
	const struct blob_section *s;

	*count = 0;
	if (section >= b->head->nsections)
		return NULL;
	s = &b->head->sections[section];
	if (s->elem != elem)
		return NULL;
	*count = s->count;
	return b->base + s->off;
}

/* ---- writing */

struct writer_section {
	char *p;
	size_t cap; /* bytes */
	uint32_t count;
	uint32_t elem;
};

struct text_slot {
	uint64_t hash; /* 0 = empty */
	struct im_str s;
};

struct blob_writer {
	struct blob_header head;
	struct writer_section sec[BLOB_SECTIONS];
	struct text_slot *texts;
	uint32_t ntexts, textmask;
	struct hash_key key;
};

struct blob_writer *
blob_writer_new(enum blob_kind kind, uint64_t layout, uint64_t generation)
{
	struct blob_writer *w = mem_zalloc(sizeof(*w));

	w->head.magic = BLOB_MAGIC;
	w->head.kind = (uint32_t)kind;
	w->head.build = version_build_id();
	w->head.layout = layout;
	w->head.generation = generation;
	w->sec[0].elem = 1;
	w->textmask = 1023;
	w->texts = mem_zalloc((w->textmask + 1) * sizeof(*w->texts));
	/* The key decides only where a text is looked for, never what is written: builds stay
	 * reproducible. */
	if (getrandom(&w->key, sizeof(w->key), GRND_NONBLOCK) != (ssize_t)sizeof(w->key))
		w->key = (struct hash_key){HASH_SEED, generation};
	return w;
}

void
blob_writer_free(struct blob_writer *w)
{
	if (!w)
		return;
	for (unsigned i = 0; i < BLOB_SECTIONS; i++)
		mem_free(w->sec[i].p);
	mem_free(w->texts);
	mem_free(w);
}

static char *
section_room(struct writer_section *s, uint32_t n, size_t elem)
{
	size_t at = (size_t)s->count * elem;

	HG_CHECK(n <= IM_NONE - 1 - s->count);
	s->p = mem_grow(s->p, &s->cap, at + (size_t)n * elem, 1);
	s->count += n;
	return s->p + at;
}

uint32_t
blob_add(struct blob_writer *w, unsigned section, const void *rec, uint32_t n, size_t elem)
{
	struct writer_section *s = &w->sec[section];
	uint32_t first = s->count;

	HG_CHECK(section < BLOB_SECTIONS && elem != 0 && (s->elem == 0 || s->elem == elem));
	s->elem = (uint32_t)elem;
	if (n != 0) {
		char *to = section_room(s, n, elem);

		if (rec)
			memcpy(to, rec, (size_t)n * elem);
		else
			memset(to, 0, (size_t)n * elem);
	}
	return first;
}

uint32_t
blob_count(const struct blob_writer *w, unsigned section)
{
	HG_CHECK(section < BLOB_SECTIONS);
	return w->sec[section].count;
}

void *
blob_at(struct blob_writer *w, unsigned section, uint32_t index)
{
	struct writer_section *s = &w->sec[section];

	HG_CHECK(section < BLOB_SECTIONS && index < s->count);
	return s->p + (size_t)index * s->elem;
}

static void
texts_grow(struct blob_writer *w)
{
	uint32_t mask = w->textmask * 2 + 1;
	struct text_slot *to = mem_zalloc(((size_t)mask + 1) * sizeof(*to));

	for (uint32_t i = 0; i <= w->textmask; i++) {
		uint32_t at = (uint32_t)w->texts[i].hash & mask;

		if (w->texts[i].hash == 0)
			continue;
		while (to[at].hash != 0)
			at = (at + 1) & mask;
		to[at] = w->texts[i];
	}
	mem_free(w->texts);
	w->texts = to;
	w->textmask = mask;
}

struct im_str
blob_put_text(struct blob_writer *w, struct bytes b)
{
	struct writer_section *s = &w->sec[0];
	uint64_t hash;
	uint32_t at;

	if (!b.p)
		return (struct im_str){IM_NONE, 0};
	if (b.n == 0)
		return (struct im_str){0, 0};
	HG_CHECK(b.n < IM_NONE);
	hash = hash_sip(&w->key, b.p, b.n) | 1;
	for (at = (uint32_t)hash & w->textmask; w->texts[at].hash != 0;
	     at = (at + 1) & w->textmask) {
		struct im_str t = w->texts[at].s;

		if (w->texts[at].hash == hash && bytes_eq(bytes_of(s->p + t.off, t.len), b))
			return t;
	}
	w->texts[at] = (struct text_slot){hash, {s->count, (uint32_t)b.n}};
	memcpy(section_room(s, (uint32_t)b.n, 1), b.p, b.n);
	hash = w->texts[at].s.off;
	if (++w->ntexts > w->textmask / 4 * 3)
		texts_grow(w);
	return (struct im_str){(uint32_t)hash, (uint32_t)b.n};
}

uint64_t
blob_writer_size(const struct blob_writer *w)
{
	uint64_t size = (sizeof(struct blob_header) + BLOB_ALIGN - 1) & ~(uint64_t)(BLOB_ALIGN - 1);

	for (unsigned i = 0; i < BLOB_SECTIONS; i++) {
		size += (uint64_t)w->sec[i].count * w->sec[i].elem;
		size = (size + BLOB_ALIGN - 1) & ~(uint64_t)(BLOB_ALIGN - 1);
	}
	return size;
}

static int
write_all(int fd, const void *p, size_t n, uint64_t off)
{
	const char *c = p;

	while (n != 0) {
		ssize_t put = pwrite(fd, c, n, (off_t)off);

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return -1;
		c += put;
		n -= (size_t)put;
		off += (uint64_t)put;
	}
	return 0;
}

static int
write_blob(struct blob_writer *w, int fd)
{
	struct blob_header *h = &w->head;
	uint64_t off = (sizeof(*h) + BLOB_ALIGN - 1) & ~(uint64_t)(BLOB_ALIGN - 1);

	h->nsections = 1;
	for (unsigned i = 0; i < BLOB_SECTIONS; i++) {
		const struct writer_section *s = &w->sec[i];

		/* A section without records keeps its place, so that a reader finds all of its
		 * sections. */
		h->sections[i] = (struct blob_section){off, s->count, s->elem ? s->elem : 1};
		if (s->elem != 0)
			h->nsections = i + 1;
		if (write_all(fd, s->p, (size_t)s->count * s->elem, off) != 0)
			return -1;
		off += (uint64_t)s->count * s->elem;
		off = (off + BLOB_ALIGN - 1) & ~(uint64_t)(BLOB_ALIGN - 1);
	}
	h->size = off;
	if (ftruncate(fd, (off_t)off) != 0)
		return -1;
	return write_all(fd, h, sizeof(*h), 0);
}

int
blob_seal(struct blob_writer *w, const char *name)
{
	int fd, saved;

	if (blob_writer_size(w) > BLOB_MAX) {
		errno = EFBIG;
		return -1;
	}
	fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -1;
	if (write_blob(w, fd) == 0 && fchmod(fd, 0400) == 0 &&
	    fcntl(fd, F_ADD_SEALS, BLOB_SEALS) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}
