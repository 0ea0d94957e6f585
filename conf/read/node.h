/*
 * node.h - the neutral tree that YAML, JSON and libconfig become: scalars, lists, maps, each with
 * file, line and column (1-based). Lives in the compile's arena. The schema (conf/kinds) is its
 * only reader.
 *
 * Map keys are unique (the readers refuse duplicates). YAML null is NODE_NULL and means absent.
 * Plain YAML scalars are typed as kubectl's reader does; `text` always holds the scalar as written.
 */
#ifndef CONF_READ_NODE_H
#define CONF_READ_NODE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/bytes.h"

enum node_type { NODE_NULL, NODE_BOOL, NODE_INT, NODE_FLOAT, NODE_STRING, NODE_LIST, NODE_MAP };

struct mark {
	uint32_t line;
	uint16_t col, endcol; /* endcol: one past the last column on that line */
};

/* One parsed document: where it came from, and its text for excerpts. */
struct doc {
	struct bytes file;   /* as shown to people */
	struct bytes text;   /* of the whole file; lives as long as the compile */
	uint32_t first_line, last_line;
	uint32_t index;      /* document in the file */
	uint8_t role;        /* enum proto_role */
	uint8_t syntax;      /* enum doc_syntax */
	struct bytes ns;     /* routes.d/<ns>, else absent */
	uint64_t origin;     /* hash of its content; 0 = not known (read without a cache) */
};
enum doc_syntax { DOC_YAML, DOC_LIBCONFIG };

struct node {
	uint8_t type;        /* enum node_type */
	bool boolean;
	bool merged;         /* YAML: a child that came by a merge key (<<) */
	uint32_t n;          /* children */
	struct mark at;      /* of the value */
	struct mark key_at;  /* of the key, for children of maps */
	struct bytes key;    /* absent for list items and roots */
	struct bytes text;   /* scalars: as written, decoded */
	int64_t integer;     /* NODE_INT */
	double real;         /* NODE_FLOAT */
	struct node *parent, *first, *last, *next;
	struct doc *doc;
};

struct node *node_new(struct arena *, enum node_type, struct doc *);
void node_append(struct node *parent, struct node *child);
struct node *node_get(const struct node *map, const char *key);        /* NULL if absent or null */
struct node *node_getb(const struct node *map, struct bytes key);
struct node *node_path(const struct node *map, const char *path); /* "metadata.name", "a[0].b" */
struct bytes node_text(const struct node *scalar);                     /* absent if NULL */
struct node *node_copy(struct arena *, const struct node *);           /* deep, marks kept */
/* The place in the parent is kept, everything else is that of `with`, its children too. */
void node_replace(struct node *old, const struct node *with);
uint32_t node_count(const struct node *); /* with everything below */
bool node_equal(const struct node *, const struct node *); /* content, map order ignored */
/* Kubernetes-style path from the root of the object: spec.rules[0].backendRefs[1].port */
const char *node_where(struct arena *, const struct node *);
/* Removes nulls (and map keys whose value is null), as an API server does. */
void node_prune_nulls(struct node *);

#endif
