/*
 * body.h - one queue of reference-counted chunks with cursors, for a request body that several
 * readers follow: the attempt (blocking), a replay (from byte 0 while the bound holds), mirrors
 * (never block; past their bound they are cut and counted), a collector (waits for the end, or
 * 413). Credit to the sender is what blocking cursors took.
 */
#ifndef HTTP_BODY_H
#define HTTP_BODY_H

#include "base/field.h"
#include "net/buf.h"

#define BODY_CURSORS 8
enum body_cursor_kind { BODY_FREE, BODY_ATTEMPT, BODY_REPLAY, BODY_MIRROR, BODY_COLLECT };

struct body_chunk;
struct body {
	struct body_chunk *first, *last;   /* from the worker's pool of chunk records */
	struct pool *chunks;
	uint64_t begin, end;               /* offsets of the first byte kept, and behind the last */
	uint64_t credited;                 /* offset up to which credit was given */
	bool ended, failed;                /* failed: the owner's note */
	const struct fields *trailers;
	struct {
		uint8_t kind;
		bool cut;                  /* past its bound: reads no more */
		struct body_chunk *at;     /* next to read; NULL: the one that comes next */
		uint64_t pos, bound;       /* bound: bytes it may hold back */
	} cursors[BODY_CURSORS];
};

void body_init(struct body *, struct pool *chunks);
void body_release(struct body *);
size_t body_chunk_size(void);                      /* for the pool */
/* Index; starts at `begin`. -1: none free. REPLAY and COLLECT must start before anything was
 * dropped: else born cut. ATTEMPT: bound unused. */
int body_cursor(struct body *, enum body_cursor_kind, uint64_t bound);
void body_drop(struct body *, int cursor);
/* Takes the slice's reference. false: no record left (503). */
bool body_push(struct body *, struct slice);
void body_end(struct body *, const struct fields *trailers);
/* Next piece for a cursor: a new reference in *out. 1 piece, 0 nothing now, -1 ended (all read), -2
 * cut. COLLECT has nothing before the end. REPLAY is not read, see body_rewind. */
int body_next(struct body *, int cursor, struct slice *out);
/* Bytes that the slowest blocking cursor (ATTEMPT, COLLECT) took since the last call: credit for
 * the sender. A collector takes all up to its bound. 0 while there is none: between two attempts
 * the sender waits. */
uint64_t body_credit(struct body *);
bool body_can_replay(const struct body *, int replay_cursor);
void body_rewind(struct body *, int attempt_cursor, int replay_cursor);

#endif
