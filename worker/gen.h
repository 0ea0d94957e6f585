/*
 * gen.h - the generations that this worker maps: at most three. One serves (`live`), one may be on
 * offer, and an old one stays while exchanges between routing and response head have it pinned.
 * Exchanges past that point are asked to copy what they need when a new one goes live (`let_go`),
 * so a long download never holds an image.
 */
#ifndef WORKER_GEN_H
#define WORKER_GEN_H

#include "base/list.h"
#include "base/regex.h"
#include "shm/image.h"

#define GEN_MAX 3

struct gen_phase { /* of dividing a sum of weights; see upstream/pick.h */
	uint32_t pos, stride, unit; /* unit 0 with a stride: all are equal */
	uint32_t turn;              /* among the rest when some are out */
};
struct gen_id { /* stable id -> index */
	uint32_t id, index;
};

enum gen_state { GEN_FREE, GEN_CHECKING, GEN_READY, GEN_LIVE, GEN_OLD };
struct gen {
	struct image image;
	struct regex_set regexes;
	uint64_t id;
	uint8_t state;              /* enum gen_state */
	int fd, secrets;            /* descriptors; secrets may be -1 */
	uint64_t check_pos;
	uint32_t regex_pos;
	uint32_t nsockets;
	struct gen_id *sockets, *listeners; /* sorted by id */
	struct gen_phase *rules;    /* one a rule: which backend is next */
	struct gen_phase *clusters; /* one a cluster: which endpoint is next */
	struct list pins;           /* struct exchange.pin */
	char why[128];              /* of a refusal */
};

struct gens {
	struct gen slots[GEN_MAX];
	struct gen *live, *offer;
};

void gens_init(struct gens *);
void gens_release(struct gens *);
/* Takes both descriptors. HG_OK: gen_check() goes on with it. HG_ERR_AGAIN: three are in use. Else
 * refused, why[]. */
enum hg_err gens_offer(struct gens *, uint64_t id, int image_fd, int secrets_fd, char why[128]);
/* One slice of checking the offer and compiling its patterns. HG_ERR_AGAIN: more to do. HG_OK:
 * ready. */
enum hg_err gens_check(struct gens *, char why[128]);
void gens_abort(struct gens *);
/* The offer becomes live. Returns the one that was, or NULL; the caller walks its pins, then calls
 * gens_tidy(). */
struct gen *gens_adopt(struct gens *);
void gens_tidy(struct gens *);               /* unmaps old ones that nobody pins */
uint64_t gens_oldest(
    const struct gens *); /* smallest id that is still mapped and in use; 0 = none */
uint32_t gen_socket(const struct gen *, uint32_t id); /* index or IM_NONE */
uint32_t gen_listener(const struct gen *, uint32_t id);

#endif
