/*
 * load.h - text to objects: walk a source, read YAML and libconfig, bind, apply the role rules,
 * find duplicates. Bad input is a diagnostic and never stops the rest.
 */
#ifndef CONF_KINDS_LOAD_H
#define CONF_KINDS_LOAD_H

#include "conf/kinds/k_core.h"
#include "conf/kinds/schema.h"
#include "conf/read/read.h"
#include "conf/read/source.h"

/* What could not be taken: the object keeps its last good content if there is one. */
struct load_bad {
	struct load_bad *next;
	const struct kind *kind; /* NULL: whole file, `file` says which */
	struct bytes ns, name, file, why; /* why: "web.yaml:14:5: unknown field …", first error */
	const struct node *node; /* of one resource: as it was read */
};

struct load {
	struct objects objects;
	struct load_bad *bad;
	uint32_t files, documents;
	/* every file seen, so that "does its file still exist" can be asked */
	struct bytes *file_names;
	uint32_t nfiles;
};
struct doccache;

/* All roots of a source. `before_file` (may be NULL) is called with each path first (the compiler's
 * note page); returning non-zero skips the file: its objects keep their last good content. */
int load_objects(struct arena *, struct diags *, struct source *, unsigned nroots, bool flat,
    int (*before_file)(void *arg, struct bytes path), void *arg, struct load *out);
/* The same with what is remembered of documents (may be NULL). */
int load_objects_cached(struct arena *, struct diags *, struct source *, unsigned nroots, bool flat,
    int (*before_file)(void *arg, struct bytes path), void *arg, struct doccache *,
    struct load *out);

/* headgate.conf. NULL text: all defaults. Returns NULL if it has errors (then the generation is
 * refused). */
struct k_headgate *load_conf(struct arena *, struct diags *, struct bytes file, struct bytes text);

struct strbuf;
/* Last good texts: the canonical JSON of an object and back. */
struct object *object_from_json(struct arena *, struct bytes json, struct bytes source);
void object_to_json(const struct object *, struct strbuf *out); /* with secrets: never for people */

/* May a kind be defined in the folder of that role (enum proto_role)? Kinds of later versions by
 * their name too. */
bool role_allows(uint8_t role, struct bytes kind);

#endif
