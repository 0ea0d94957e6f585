/*
 * pack.h - a document's node tree as bytes that say where in the document everything stands: lines
 * relative to its first, texts by their offsets. Two documents that differ only in words of the
 * same length have the same packed tree, and a document that moves keeps it. What is unpacked is
 * untrusted (it may come from the disk): a packed tree that makes no sense is refused, and one that
 * is wrong can only misread its own document.
 */
#ifndef CONF_READ_PACK_H
#define CONF_READ_PACK_H

#include "base/strbuf.h"
#include "conf/read/node.h"

struct pack_info {
	uint32_t documents; /* 0: comments only; else 1 */
	uint32_t spent;     /* nodes that count against the file's bound */
};

/*
 * Appends to `out`. `text`: of the document, which begins in line `line` of the marks. A NULL root
 * is a document without content. False: it cannot be packed (out holds nothing new).
 */
bool pack_tree(const struct node *root, const struct pack_info *, struct bytes text, uint32_t line,
    struct strbuf *out);

/*
 * `doc`: first_line and last_line are filled; every node refers to it. *root NULL: no content.
 * `packed` must live as long as the nodes, as must `text`. False: refused, nothing is meant.
 */
bool pack_open(struct arena *, struct bytes packed, struct bytes text, uint32_t line,
    struct doc *doc, struct pack_info *, struct node **root);

#endif
