/*
 * yaml.h - between yaml.c (events to tree) and its parts. conf/read only.
 */
#ifndef CONF_READ_YAML_H
#define CONF_READ_YAML_H

#include "base/hash.h"
#include "conf/read/read.h"

#define YAML_ANCHORS_MAX 1000

struct yaml_frame { /* an open list or map */
	struct node *node;
	bool have_key, merge; /* a key waits for its value; it is << */
	bool flow;
	int indent;           /* 0-based column where a block collection starts */
	struct bytes key;
	struct mark key_at;
	struct map index;     /* keys of a big map; unused while cap == 0 */
};
struct yaml_anchor {
	struct bytes name;
	struct node *node;
};
struct yaml { /* one file being read */
	struct read_job *job;
	struct doc *doc;      /* of the document being read */
	struct node *root;
	struct yaml_frame frames[READ_DEPTH_MAX];
	unsigned depth;
	uint32_t documents, nodes, aliased, given; /* given: documents handed over */
	uint32_t all, skipped; /* nodes of the whole file; events passed over */
	bool bad;             /* the document has an error: it is not handed over */
	bool skip;            /* nothing more of it is built */
	bool failed;          /* some document was bad */
	struct yaml_anchor *anchors;
	size_t nanchors, cap_anchors;
	struct mark last;     /* of the latest token, for values that have none */
	size_t last_pos;      /* where it ended in the text */
};

/* yaml_tree.c: the tree under construction. */
struct diag *yaml_bad(struct yaml *, unsigned code, struct mark, const char *fmt, ...)
    HG_PRINTF(4, 5);
struct node *yaml_node(
    struct yaml *, enum node_type, struct mark);   /* NULL: limit, document is skipped */
void yaml_attach(struct yaml *, struct node *);    /* key, item, value or root, whichever is due */
void yaml_push(struct yaml *, struct node *, bool flow, int indent);
void yaml_pop(struct yaml *);                      /* complete: attaches it */
void yaml_anchor(struct yaml *, struct bytes name, struct node *);
void yaml_alias(struct yaml *, struct bytes name, struct mark);
void yaml_reset(struct yaml *);                    /* after a document */

/* yaml_error.c: the library's complaint, in words that help. `open`: the innermost [ or { that is
 * not closed yet, or line 0; `given`: documents of this file that were handed over before. */
void yaml_explain(
    struct read_job *, const char *msg, int line, int column, struct mark open, uint32_t given);

/* yaml_text.c: the raw text of a scalar, without its quotes, folded and unescaped; quote is ', " or
 * 0 for a plain one. False: an escape is wrong. */
bool yaml_decode(struct arena *, struct bytes raw, char quote, struct bytes *text);

/* yaml_block.c: the text of a block scalar. `header`: from the end of the token before up to `raw`,
 * the lines after the header; parent: indentation of the collection it stands in, -1 at the top.
 * False: there is no header. */
bool yaml_block(
    struct arena *, struct bytes header, struct bytes raw, int parent, struct bytes *text);

#endif
