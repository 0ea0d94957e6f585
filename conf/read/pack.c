/*
 * pack.c - node trees as bytes and back, in one pass each, children behind their parents. Numbers
 * are variable-length (seven bits a byte), positions are differences to the one before, so most
 * take one byte. Only what cannot be seen in the document is stored: decoded texts, floats, numbers
 * that are not written in plain digits. So the trees of a thousand routes that one program wrote
 * are a few distinct byte strings, and each is kept once.
 *
 * Rejected: a dump of the structs (ten times the size, and pointers or indices to check), and JSON
 * (no positions).
 */
#include "conf/read/pack.h"

#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"
#include "conf/read/read.h"

#define NODE_ROOM 160u /* bytes that a node takes at most, texts aside */
#define DEPTH_MAX (READ_DEPTH_MAX + 2)

/* The first byte of a node: its type, and */
#define P_TRUE 0x08u
#define P_MERGED 0x10u
#define P_KEY 0x20u
#define P_TEXT 0x40u
#define P_VALUE 0x80u /* a number that its text does not show */

/* ---- writing */

struct packer {
	struct strbuf *out;
	struct bytes text;
	uint32_t line; /* of the mark before */
	uint64_t pos;  /* behind the text before */
	bool failed;
};

static uint64_t
zigzag(int64_t v)
{
	return (uint64_t)v << 1 ^ (uint64_t)(v >> 63);
}

static int64_t
unzigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static char *
room(struct strbuf *b, size_t n)
{
	b->p = mem_grow(b->p, &b->cap, b->n + n + 1, 1);
	return b->p + b->n;
}

/* Into room that is there. */
static void
put(struct strbuf *b, uint64_t v)
{
	for (; v >= 0x80; v >>= 7)
		b->p[b->n++] = (char)(v | 0x80);
	b->p[b->n++] = (char)v;
}

static void
put_mark(struct packer *p, struct mark m)
{
	put(p->out, zigzag((int64_t)m.line - p->line));
	put(p->out, m.col);
	put(p->out, zigzag((int64_t)m.endcol - m.col));
	p->line = m.line;
}

static void
put_text(struct packer *p, struct bytes t)
{
	struct strbuf *b = p->out;
	uint64_t at;

	if (t.n != 0 && t.p >= p->text.p && t.p <= p->text.p + p->text.n &&
	    t.n <= (size_t)(p->text.p + p->text.n - t.p)) {
		at = (uint64_t)(t.p - p->text.p);
		put(b, zigzag((int64_t)at - (int64_t)p->pos) << 1);
		put(b, t.n);
		p->pos = at + t.n;
		return;
	}
	put(b, (uint64_t)t.n << 1 | 1);
	room(b, t.n + NODE_ROOM);
	if (t.n)
		memcpy(b->p + b->n, t.p, t.n);
	b->n += t.n;
}

static bool
shows_value(const struct node *n)
{
	uint64_t v;

	if (n->type == NODE_INT)
		return n->integer >= 0 && parse_u64(n->text, INT64_MAX, &v) &&
		    v == (uint64_t)n->integer;
	return n->type != NODE_FLOAT;
}

static void
put_node(struct packer *p, const struct node *n)
{
	struct strbuf *b = p->out;
	unsigned head = n->type;
	bool many = n->type == NODE_LIST || n->type == NODE_MAP;

	room(b, NODE_ROOM);
	p->failed = p->failed || n->type > NODE_MAP || (n->key.p == NULL && n->key_at.line != 0) ||
	    (!many && (n->n != 0 || n->text.p == NULL));
	head |= (n->boolean ? P_TRUE : 0) | (n->merged ? P_MERGED : 0) | (n->key.p ? P_KEY : 0) |
	    (n->text.p ? P_TEXT : 0) | (shows_value(n) ? 0 : P_VALUE);
	b->p[b->n++] = (char)head;
	if (head & P_KEY) {
		put_text(p, n->key);
		put_mark(p, n->key_at);
	}
	put_mark(p, n->at);
	if (head & P_TEXT)
		put_text(p, n->text);
	if (head & P_VALUE) {
		uint64_t v = (uint64_t)n->integer;

		if (n->type == NODE_FLOAT)
			memcpy(&v, &n->real, sizeof(v));
		put(b, v);
	}
	if (many)
		put(b, n->n);
	for (const struct node *c = n->first; c; c = c->next)
		put_node(p, c);
}

bool
pack_tree(const struct node *root, const struct pack_info *info, struct bytes text, uint32_t line,
    struct strbuf *out)
{
	struct packer p = {.out = out, .text = text, .line = line};
	size_t before = out->n;

	room(out, NODE_ROOM);
	put(out, info->documents);
	put(out, info->spent);
	put(out, root ? node_count(root) : 0);
	if (root) {
		put(out, zigzag((int64_t)root->doc->first_line - line));
		put(out, zigzag((int64_t)root->doc->last_line - line));
		put_node(&p, root);
	}
	if (p.failed)
		out->n = before;
	return !p.failed;
}

/* ---- reading */

struct unpacker {
	const unsigned char *p, *end;
	struct bytes text;
	struct node *nodes; /* room for `left` more */
	uint32_t left;
	uint32_t line;
	uint64_t pos;
	unsigned depth;
	struct doc *doc;
	bool failed;
};

static uint64_t
get_long(struct unpacker *u)
{
	uint64_t v = 0;

	for (unsigned shift = 0; u->p < u->end && shift < 64; shift += 7) {
		unsigned char c = *u->p++;

		v |= (uint64_t)(c & 0x7f) << shift;
		if (c < 0x80)
			return v;
	}
	u->failed = true;
	return 0;
}

static inline uint64_t
get(struct unpacker *u)
{
	return u->p < u->end && *u->p < 0x80 ? *u->p++ : get_long(u);
}

static inline struct mark
get_mark(struct unpacker *u)
{
	struct mark m;
	uint64_t col;

	m.line = u->line += (uint32_t)unzigzag(get(u));
	col = get(u);
	m.col = (uint16_t)col;
	m.endcol = (uint16_t)(col + (uint64_t)unzigzag(get(u)));
	/* What prints a caret counts on it. */
	if (m.line == 0 || m.col == 0 || m.endcol <= m.col)
		u->failed = true;
	return m;
}

static inline struct bytes
get_text(struct unpacker *u)
{
	uint64_t v = get(u), n, at;

	if (v & 1) {
		n = v >> 1;
		if (n > (size_t)(u->end - u->p)) {
			u->failed = true;
			return BYTES_NONE;
		}
		u->p += n;
		return bytes_of((const char *)u->p - n, n);
	}
	at = u->pos + (uint64_t)unzigzag(v >> 1);
	n = get(u);
	if (at > u->text.n || n > u->text.n - at) {
		u->failed = true;
		return BYTES_NONE;
	}
	u->pos = at + n;
	return bytes_of(u->text.p + at, n);
}

static void
get_value(struct unpacker *u, struct node *n, bool stored)
{
	uint64_t v = 0;

	if (stored) {
		v = get(u);
		if (n->type == NODE_FLOAT)
			memcpy(&n->real, &v, sizeof(v));
		else
			n->integer = (int64_t)v;
		return;
	}
	if (n->type == NODE_FLOAT || !parse_u64(n->text, INT64_MAX, &v))
		u->failed = true;
	n->integer = (int64_t)v;
}

static struct node *
get_node(struct unpacker *u, struct node *parent)
{
	unsigned head, type;
	struct node *n;
	uint64_t children;

	if (u->left == 0 || u->p == u->end || u->depth == DEPTH_MAX) {
		u->failed = true;
		return NULL;
	}
	head = *u->p++;
	type = head & 7;
	u->left--;
	n = u->nodes++;
	*n = (struct node){.type = (uint8_t)type, .boolean = (head & P_TRUE) != 0,
	    .merged = (head & P_MERGED) != 0, .parent = parent, .doc = u->doc};
	if (head & P_KEY) {
		n->key = get_text(u);
		n->key_at = get_mark(u);
	}
	n->at = get_mark(u);
	if (head & P_TEXT)
		n->text = get_text(u);
	if (type == NODE_INT || type == NODE_FLOAT || (head & P_VALUE))
		get_value(u, n, (head & P_VALUE) != 0);
	if (type > NODE_MAP || (type < NODE_LIST && !(head & P_TEXT)) ||
	    (parent && parent->type == NODE_MAP && n->key.p == NULL))
		u->failed = true;
	if (type != NODE_LIST && type != NODE_MAP)
		return n;
	children = get(u);
	u->depth++;
	for (; children > 0 && !u->failed; children--) {
		struct node *c = get_node(u, n);

		if (c)
			node_append(n, c);
	}
	u->depth--;
	return n;
}

bool
pack_open(struct arena *a, struct bytes packed, struct bytes text, uint32_t line, struct doc *doc,
    struct pack_info *info, struct node **root)
{
	struct unpacker u = {.p = (const unsigned char *)packed.p, .text = text, .line = line,
	    .doc = doc};
	uint64_t documents, spent, nodes;

	*root = NULL;
	u.end = u.p + packed.n;
	documents = get(&u);
	spent = get(&u);
	nodes = get(&u);
	/* A node takes four bytes and more, so a wild number cannot ask for much. */
	if (u.failed || documents > 1 || spent > READ_YAML_NODES_MAX ||
	    nodes > (size_t)(u.end - u.p) / 4 || (nodes && !documents))
		return false;
	*info = (struct pack_info){(uint32_t)documents, (uint32_t)spent};
	if (nodes == 0)
		return u.p == u.end;
	doc->first_line = line + (uint32_t)unzigzag(get(&u));
	doc->last_line = line + (uint32_t)unzigzag(get(&u));
	u.nodes = arena_alloc(a, nodes * sizeof(*u.nodes));
	u.left = (uint32_t)nodes;
	*root = get_node(&u, NULL);
	if (u.failed || u.left || u.p != u.end || (*root)->type != NODE_MAP || (*root)->key.p) {
		*root = NULL;
		return false;
	}
	return true;
}
