/*
 * blob.h - the container of a generation's files (image, catalogue, secrets): a header, a table of
 * sections, arrays of fixed-size records and one text section. Position-independent: records refer
 * to each other by index and to text by offset and length, never by pointer.
 *
 * Written once with pwrite() by the compiler child, then sealed (WRITE|GROW|SHRINK|SEAL); readers
 * map it MAP_PRIVATE|PROT_READ. blob_open() checks seals, size, magic, kind, build and every
 * section bound; what the indices mean is checked by the format's own checker (image_check,
 * catalogue_check).
 */
#ifndef SHM_BLOB_H
#define SHM_BLOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

#define BLOB_MAGIC 0x31656c6264616568ull
#define BLOB_SECTIONS 64
#define BLOB_MAX (2ull << 30)
#define IM_NONE UINT32_MAX /* "no index" */

enum blob_kind { BLOB_IMAGE = 1, BLOB_CATALOGUE, BLOB_SECRETS };

struct im_str { /* in the text section; off == IM_NONE means absent */
	uint32_t off, len;
};

struct im_range { /* consecutive records of a section */
	uint32_t first, n;
};

struct blob_section {
	uint64_t off;   /* bytes from the start, 16-aligned */
	uint32_t count; /* records */
	uint32_t elem;  /* bytes a record */
};

struct blob_header {
	uint64_t magic;
	uint32_t kind;
	uint32_t nsections;
	uint64_t build;      /* version_build_id(): other builds are refused, except catalogues */
	uint64_t layout;     /* hash of the record sizes */
	uint64_t size;       /* of the whole file */
	uint64_t generation;
	struct blob_section sections[BLOB_SECTIONS];
};

struct blob { /* an open one, mapped read-only */
	const struct blob_header *head;
	const char *base;
	uint64_t size;
	const char *text;    /* section 0 is text, elem 1 */
	uint32_t ntext;
};

/* Reading. The descriptor stays the caller's. Any process. */
enum hg_err blob_open(int fd, enum blob_kind, uint64_t layout, struct blob *out);
/* The same without asking for seals, for catalogues stored on disk. */
enum hg_err blob_open_file(int fd, enum blob_kind, uint64_t layout, struct blob *out);
void blob_close(struct blob *);
const void *blob_records(const struct blob *, unsigned section, size_t elem, uint32_t *count);

static inline struct bytes
blob_text(const struct blob *b, struct im_str s)
{
	return s.off == IM_NONE ? BYTES_NONE : bytes_of(b->text + s.off, s.len);
}
static inline bool
blob_text_ok(const struct blob *b, struct im_str s) /* absent is fine */
{
	return s.off == IM_NONE || (s.off <= b->ntext && s.len <= b->ntext - s.off);
}

/* Writing. Compiler child and CLI only. */
struct blob_writer;
struct blob_writer *blob_writer_new(enum blob_kind, uint64_t layout, uint64_t generation);
void blob_writer_free(struct blob_writer *);
/* Append n records (rec NULL: zeroed ones); returns the index of the first. */
uint32_t blob_add(struct blob_writer *, unsigned section, const void *rec, uint32_t n, size_t elem);
uint32_t blob_count(const struct blob_writer *, unsigned section);
void *blob_at(struct blob_writer *, unsigned section, uint32_t index); /* until the next blob_add */
struct im_str blob_put_text(struct blob_writer *, struct bytes); /* equal texts are stored once */
uint64_t blob_writer_size(const struct blob_writer *); /* bytes that blob_seal() would write */
/* Write into a fresh sealed memfd named `name`. Descriptor, or -1 with errno. */
int blob_seal(struct blob_writer *, const char *name);

#endif
