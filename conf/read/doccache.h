/*
 * doccache.h - what the catalogue remembers of documents, so that a reload parses only what
 * changed: the hash of each document's bytes, and the packed trees (pack.h) that the last
 * generation read from them. A document is looked up by its content alone; which file and role it
 * stands in is the caller's to know. Compiler child only.
 */
#ifndef CONF_READ_DOCCACHE_H
#define CONF_READ_DOCCACHE_H

#include "base/arena.h"
#include "base/hash.h"
#include "shm/catalogue.h"

struct doccache;

/* `old` (may be NULL) must live as long. One of another build is not used: that read differently,
 * perhaps. */
struct doccache *doccache_new(struct arena *, const struct catalogue *old);
void doccache_free(struct doccache *); /* its tables; the arena keeps the rest */
struct hash128 doccache_hash(struct bytes document, uint8_t syntax);
/* The packed tree, or absent. */
struct bytes doccache_find(struct doccache *, struct hash128, size_t size, uint32_t *token);
/* This generation has it: what was found... */
void doccache_keep(struct doccache *, struct hash128, size_t size, uint32_t token);
/* ... or what was read anew. Returns the cache's copy of the packed tree. */
struct bytes doccache_add(struct doccache *, struct hash128, size_t size, struct bytes packed);
/* Into the catalogue. */
void doccache_record(const struct doccache *, struct blob_writer *);
/* For the record and for tests. */
uint32_t doccache_kept(const struct doccache *), doccache_added(const struct doccache *);
/* Memory for one file's work, reset by its user. */
struct arena *doccache_scratch(struct doccache *);

#endif
