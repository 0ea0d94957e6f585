/*
 * body.h - one queue of reference-counted chunks with cursors, for a request body that several readers follow: the
 * attempt (blocking), a replay (from byte 0 while the bound holds), mirrors (never block; past their bound they are
 * cut and counted), a collector (waits for the end, or 413). Credit to the sender is what blocking cursors took.
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
	bool ended, failed;
	const struct fields *trailers;
	struct {
		uint8_t kind;
		bool cut;                  /* past its bound: reads no more */
		uint64_t pos, bound;       /* bound: bytes it may hold back */
	} cursors[BODY_CURSORS];
};

void body_init(struct body *, struct pool *chunks);
void body_release(struct body *);
size_t body_chunk_size(void);                      /* for the pool */
int body_cursor(struct body *, enum body_cursor_kind, uint64_t bound); /* index, starts at `begin`; -1 none free */
void body_drop(struct body *, int cursor);
/* Takes the slice's reference. false: no record left (503). */
bool body_push(struct body *, struct slice);
void body_end(struct body *, const struct fields *trailers);
/* Next piece for a cursor: a new reference in *out. 1 piece, 0 nothing now, -1 ended (all read), -2 cut. */
int body_next(struct body *, int cursor, struct slice *out);
/* Bytes that were released since the last call, i.e. credit to give to the sender. */
uint64_t body_credit(struct body *);
bool body_can_replay(const struct body *, int replay_cursor);
void body_rewind(struct body *, int attempt_cursor, int replay_cursor);

#endif
