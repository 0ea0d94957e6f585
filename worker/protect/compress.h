/*
 * compress.h - codings of answers on their way through (policies guide 6.6). Compressors come from
 * a pool; when none is left, answers go as they came.
 */
#ifndef WORKER_COMPRESS_H
#define WORKER_COMPRESS_H

#include "worker/exchange.h"

#define COMPRESSORS 256 /* of a worker at once */
#define BROTLIS 64      /* of them: about 1 MB each */

size_t compress_size(void); /* of one, for the pool */
/* Decides by request, policy and answer, and changes the head. true: the body goes through
 * compress_body() and compress_end(). */
bool compress_begin(struct exchange *, struct msg *m);
bool compress_body(struct exchange *, struct slice); /* takes the slice. false: no memory */
bool compress_end(struct exchange *);
void compress_release(struct exchange *);
/* Which of the offered codings (enum im_compression) the client likes best, among equals `first`;
 * 0: none. Pure. */
uint8_t compress_choice(const struct fields *, uint8_t offered, uint8_t first);
bool compress_type_ok(struct bytes content_type);

#endif
