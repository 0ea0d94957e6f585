/*
 * body.c - the queue behind a request body that several readers follow. Chunks are references to
 * receive buffers, kept until every cursor that still counts has passed; nothing is copied. A
 * cursor past its bound is cut instead of holding the others up: a mirror loses its copy, a retry
 * its chance, a collector refuses. Only attempts and collectors hold back credit, and a rewound
 * attempt does not take back credit that was given.
 */
#include "http/body.h"

#include "base/check.h"

struct body_chunk {
	struct body_chunk *next;
	struct slice s;
	uint64_t off;
};

void
body_init(struct body *b, struct pool *chunks)
{
	*b = (struct body){.chunks = chunks};
}

size_t
body_chunk_size(void)
{
	return sizeof(struct body_chunk);
}

static void
pop(struct body *b)
{
	struct body_chunk *c = b->first;

	b->first = c->next;
	if (b->first == NULL)
		b->last = NULL;
	b->begin = c->off + c->s.n;
	slice_drop(&c->s);
	pool_put(b->chunks, c);
}

void
body_release(struct body *b)
{
	while (b->first)
		pop(b);
	for (int i = 0; i < BODY_CURSORS; i++)
		b->cursors[i].kind = BODY_FREE;
}

/* Drops what no cursor needs any more. Without a cursor all stays: one may still come. */
static void
trim(struct body *b)
{
	uint64_t least = UINT64_MAX;

	for (int i = 0; i < BODY_CURSORS; i++)
		if (b->cursors[i].kind != BODY_FREE && !b->cursors[i].cut)
			least = HG_MIN(least, b->cursors[i].pos);
	if (least == UINT64_MAX)
		return;
	while (b->first && b->first->off + b->first->s.n <= least)
		pop(b);
}

/* Cuts who is too far behind. */
static void
check_bounds(struct body *b)
{
	for (int i = 0; i < BODY_CURSORS; i++) {
		if (b->cursors[i].kind <= BODY_ATTEMPT || b->cursors[i].cut)
			continue;
		if (b->end - b->cursors[i].pos > b->cursors[i].bound)
			b->cursors[i].cut = true;
	}
}

int
body_cursor(struct body *b, enum body_cursor_kind kind, uint64_t bound)
{
	for (int i = 0; i < BODY_CURSORS; i++) {
		if (b->cursors[i].kind != BODY_FREE)
			continue;
		b->cursors[i].kind = (uint8_t)kind;
		b->cursors[i].at = b->first;
		b->cursors[i].pos = b->begin;
		b->cursors[i].bound = bound;
		b->cursors[i].cut = kind >= BODY_REPLAY && b->begin > 0;
		check_bounds(b);
		return i;
	}
	return -1;
}

void
body_drop(struct body *b, int i)
{
	b->cursors[i].kind = BODY_FREE;
	trim(b);
}

bool
body_push(struct body *b, struct slice s)
{
	struct body_chunk *c;

	HG_CHECK(!b->ended);
	if (s.n == 0) {
		slice_drop(&s);
		return true;
	}
	c = pool_get(b->chunks);
	if (c == NULL) {
		slice_drop(&s);
		return false;
	}
	*c = (struct body_chunk){.s = s, .off = b->end};
	if (b->last)
		b->last->next = c;
	else
		b->first = c;
	b->last = c;
	b->end += s.n;
	for (int i = 0; i < BODY_CURSORS; i++)
		if (b->cursors[i].kind != BODY_FREE && b->cursors[i].at == NULL)
			b->cursors[i].at = c;
	check_bounds(b);
	trim(b);
	return true;
}

void
body_end(struct body *b, const struct fields *trailers)
{
	b->ended = true;
	b->trailers = trailers;
}

int
body_next(struct body *b, int i, struct slice *out)
{
	struct body_chunk *c = b->cursors[i].at;

	if (b->cursors[i].cut)
		return -2;
	if (b->cursors[i].kind == BODY_COLLECT && !b->ended)
		return 0;
	if (b->cursors[i].pos == b->end)
		return b->ended ? -1 : 0;
	*out = slice_of(c->s.buf, c->s.p, c->s.n);
	b->cursors[i].pos = c->off + c->s.n;
	b->cursors[i].at = c->next;
	trim(b);
	return 1;
}

uint64_t
body_credit(struct body *b)
{
	uint64_t least = UINT64_MAX, n;

	for (int i = 0; i < BODY_CURSORS; i++) {
		if (b->cursors[i].kind == BODY_ATTEMPT)
			least = HG_MIN(least, b->cursors[i].pos);
		else if (b->cursors[i].kind == BODY_COLLECT && !b->cursors[i].cut)
			least = HG_MIN(least, b->end);
	}
	if (least == UINT64_MAX || least <= b->credited)
		return 0;
	n = least - b->credited;
	b->credited = least;
	return n;
}

bool
body_can_replay(const struct body *b, int replay)
{
	return !b->cursors[replay].cut;
}

void
body_rewind(struct body *b, int attempt, int replay)
{
	HG_CHECK(body_can_replay(b, replay));
	b->cursors[attempt].pos = b->cursors[replay].pos;
	b->cursors[attempt].at = b->cursors[replay].at;
}
