/*
 * secrets.c - the file is a blob, but readers never map it: a mapping would have every key of the
 * generation in the address space of a process that talks to strangers. A few preads find one
 * record, whose bytes go into pages that are locked, undumpable and wiped after use. Rejected: an
 * agent process that signs (a context switch a handshake, and whoever owns the worker could ask it
 * all the same).
 */
#include "shm/secrets.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/version.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)

uint64_t
secrets_layout(void)
{
	return hash_mix(hash_more(HASH_SEED, "secrets", 7) ^ sizeof(struct secret_record));
}

struct blob_writer *
secrets_new(uint64_t generation)
{
	return blob_writer_new(BLOB_SECRETS, secrets_layout(), generation);
}

uint32_t
secrets_add(struct blob_writer *w, enum secret_kind kind, struct bytes der)
{
	struct secret_record r = {.kind = kind, .der = blob_put_text(w, der)};

	return blob_add(w, SECRETS_RECORD, &r, 1, sizeof(r));
}

static bool
read_at(int fd, void *to, size_t n, uint64_t at)
{
	char *p = to;

	while (n) {
		ssize_t r = pread(fd, p, n, (off_t)at);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		p += r;
		n -= (size_t)r;
		at += (uint64_t)r;
	}
	return true;
}

/* The two sections that there are: inside the file, and of the right element. */
static bool
head_ok(const struct blob_header *h)
{
	const struct blob_section *t = &h->sections[SECRETS_TEXT],
				  *r = &h->sections[SECRETS_RECORD];

	return h->magic == BLOB_MAGIC && h->kind == BLOB_SECRETS &&
	    h->build == version_build_id() && h->layout == secrets_layout() &&
	    h->nsections <= BLOB_SECTIONS && h->size <= BLOB_MAX && t->off <= h->size &&
	    t->count <= h->size - t->off && r->off <= h->size &&
	    (r->count == 0 || r->elem == sizeof(struct secret_record)) &&
	    r->count <= (h->size - r->off) / sizeof(struct secret_record);
}

static bool
head_read(int fd, struct blob_header *h)
{
	return read_at(fd, h, sizeof(*h), 0) && head_ok(h);
}

enum hg_err
secrets_check(int fd, uint64_t generation)
{
	int seals = fcntl(fd, F_GET_SEALS);
	struct blob_header h;

	if (seals < 0 || (seals & SEALS) != SEALS || !head_read(fd, &h) ||
	    h.generation != generation)
		return HG_ERR_INVALID;
	return lseek(fd, 0, SEEK_END) >= (off_t)h.size ? HG_OK : HG_ERR_INVALID;
}

bool
secret_read(int fd, uint32_t index, enum secret_kind kind, struct secret *out)
{
	struct blob_header h;
	struct secret_record r;
	const struct blob_section *t = &h.sections[SECRETS_TEXT],
				  *s = &h.sections[SECRETS_RECORD];
	void *p;

	*out = (struct secret){0};
	if (fd < 0 || !head_read(fd, &h) || index >= s->count ||
	    !read_at(fd, &r, sizeof(r), s->off + (uint64_t)index * sizeof(r)) ||
	    r.kind != (uint32_t)kind || r.der.len == 0 || r.der.len > SECRET_BYTES ||
	    r.der.off > t->count || r.der.len > t->count - r.der.off)
		return false;
	p = mmap(NULL, r.der.len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return false;
	(void)madvise(p, r.der.len, MADV_DONTDUMP);
	(void)mlock(p, r.der.len); /* a small limit must not stop TLS */
	*out = (struct secret){p, r.der.len, r.der.len};
	if (read_at(fd, p, r.der.len, t->off + r.der.off))
		return true;
	secret_free(out);
	return false;
}

void
secret_free(struct secret *s)
{
	if (!s->der)
		return;
	mem_wipe(s->der, s->room);
	(void)munmap(s->der, s->room);
	*s = (struct secret){0};
}
