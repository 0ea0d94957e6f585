/*
 * bind.h - inside conf/kinds: validation in progress, and what the tables' functions
 * (checks, v1.6 spellings) call. Compiler and CLI.
 */
#ifndef CONF_KINDS_BIND_H
#define CONF_KINDS_BIND_H

#include "conf/kinds/schema.h"
#include "conf/read/codes.h"

struct vctx {
	struct arena *arena;
	struct diags *d;
	const struct kind *kind;       /* NULL: headgate.conf, or a struct alone */
	const struct kstruct *root;    /* for "exists in …" */
	uint32_t depth;
};

/* A rule of the CRD is broken: HG0110 at the node's value, or at its key. */
void rule_at(struct vctx *, const struct node *, const char *fmt, ...) HG_PRINTF(3, 4);
void rule_at_key(struct vctx *, const struct node *, const char *fmt, ...) HG_PRINTF(3, 4);
/* A v1.6 spelling was taken: HG2101. */
void old_at(struct vctx *, const struct node *key, const char *fmt, ...) HG_PRINTF(3, 4);
/* The child `name` of a bound struct's node, or the node itself if the text has none: where to
 * point. */
const struct node *rule_child(const struct node *, const char *name);
/* An item of a bound K_LIST may be a defaulted one without a node: then `fallback`. */
static inline const struct node *
rule_node(const struct node *n, const struct node *fallback)
{
	return n ? n : fallback;
}

/* Bind the fields of `map` by the table into `base` (NULL: check only). */
void bind_fields(struct vctx *, const struct kstruct *, struct node *map, void *base);
/* libconfig writes a map as a list of { key, value }: turn that into a map node in place. */
void bind_as_map(struct vctx *, struct node *);
/* Labels and annotations of metadata and of spec.infrastructure. */
bool bind_string_map(struct vctx *, struct node *, k_map *out);

/* Change detection: everything the table knows, after defaults, as bytes. */
struct canon {
	char *p;      /* the caller's array at first, then the heap */
	size_t n, cap;
	bool heap;
};
void schema_canon(const struct kstruct *, const void *base, struct canon *out);
void canon_release(struct canon *);

/* Rules between objects; false: told, and the object cannot be taken. */
bool refs_good(const struct objects *, const struct object *, struct diags *);

/* Where a field of that name is in the kind: "spec.rules[].matches[]", or NULL. */
const char *schema_where(struct arena *, const struct kstruct *root, struct bytes name,
    const struct kstruct *not_in);
const struct kfield *schema_field(const struct kstruct *, struct bytes name);

#endif
