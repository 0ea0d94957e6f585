/*
 * read.h - one text to node trees. Compiler child and CLI only.
 */
#ifndef CONF_READ_READ_H
#define CONF_READ_READ_H

#include "conf/read/diag.h"
#include "conf/read/node.h"

/* Bounds of one file (reference: DESIGN section 2, "every read is bounded"). */
#define READ_FILE_MAX (16u << 20)     /* bytes */
#define READ_DEPTH_MAX 64
#define READ_SCALAR_MAX (1u << 20)    /* bytes */
#define READ_NODES_MAX 200000u        /* a YAML document */
#define READ_YAML_NODES_MAX 3000000u  /* a YAML file */
#define READ_DOCUMENTS_MAX 200000u    /* a YAML file */
#define READ_SKIP_MAX \
	1000000u /* events that are passed over after a bound, until the file is given up */
#define READ_ALIAS_MAX 10000u         /* nodes made by aliases and merges, a YAML document */
#define READ_CONF_NODES_MAX 1000000u  /* a libconfig file */
#define READ_CONF_MEMBERS_MAX \
	1000u /* of one libconfig group: the library's own search is quadratic */

/*
 * Parse one text into resources: YAML or JSON, libconfig if the file's name ends in ".conf". `text`
 * must live as long as the arena (nodes borrow from it). `resource` gets the root of each object, a
 * map with no parent; items of a List come one by one. Documents are handed over as they are read,
 * so those before a syntax error have been.
 *
 * 0: everything was read. 1: something was not (diags say what): objects that this file used to
 * define and that did not come now keep their last good content. -1: `resource` returned non-zero
 * and reading stopped.
 */
int read_text(struct arena *, struct diags *, struct bytes file, struct bytes text, uint8_t role,
    struct bytes ns, int (*resource)(void *arg, struct node *), void *arg);

struct doccache;
/* The same; documents that the cache knows are taken from it, and those without a diagnostic are
 * remembered. With NULL it is the same. */
int read_text_cached(struct arena *, struct diags *, struct bytes file, struct bytes text,
    uint8_t role, struct bytes ns, struct doccache *, int (*resource)(void *arg, struct node *),
    void *arg);

/* A whole libconfig text as one map (headgate.conf). NULL: it has errors. An empty text is an empty
 * map. */
struct node *read_conf(struct arena *, struct diags *, struct bytes file, struct bytes text);

/* What is wrong with a file as such: error of struct source_file (errno, or negative enum
 * proto_fileerr) as a diagnostic with its code. */
struct diag *read_file_error(struct diags *, struct bytes file, int error);
const char *read_file_why(int error); /* in words */

/* ---- inside conf/read: one caller, read.c */
struct read_job {
	struct arena *arena;
	struct diags *diags;
	struct doc proto;    /* file, text, role, ns of all documents */
	/* A document that is good. Non-zero stops. */
	int (*document)(void *arg, struct node *root);
	void *arg;
	/* of the file so far, at each document: how many, and nodes that count against its bound */
	uint32_t documents, spent;
};
/* UTF-8, no control characters; else told. */
bool read_good(struct read_job *);
int yaml_read(struct read_job *);                /* 0, 1, -1 as read_text */
struct node *libconfig_read(struct read_job *, struct doc *);
/* read_reuse.c: the whole file with the help of the cache. 0 or -1 as read_text; REUSE_NOT: nothing
 * was handed over, read it without. */
#define REUSE_NOT 2
int reuse_yaml(struct read_job *, struct doccache *);
/* NULL: not known. */
struct node *reuse_libconfig(struct read_job *, struct doccache *, struct doc *);
void reuse_remember(struct read_job *, struct doccache *, const struct node *root);

#endif
