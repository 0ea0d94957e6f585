/*
 * filter.h - HTTPRoute filters as one table of (request forward, response backward). A filter edits
 * the working copy, or fills `answer` and ends the request here. What it needs again for the
 * response is kept in the context, in the exchange's arena, so that an exchange can let go of its
 * generation at any time.
 */
#ifndef WORKER_FILTER_H
#define WORKER_FILTER_H

#include "base/arena.h"
#include "http/msg.h"
#include "shm/image.h"

#define FILTER_MIRRORS 8

enum filter_verdict { FILTER_NEXT, FILTER_ANSWER, FILTER_FAIL };

struct filter_edit { /* one header edit, texts in the arena */
	struct bytes name, value;
	uint8_t op, field;
};

struct filter_cors { /* decided on the request, written on the response */
	bool on, allowed, preflight, vary;
	struct bytes origin, methods, headers, expose, max_age; /* absent = not sent */
	bool credentials;
};

struct filter_ctx {
	const struct image *im;      /* while the generation is pinned */
	struct arena *arena;
	const struct msg *head;      /* as received */
	struct msg *req;             /* working copy */
	struct msg *answer;          /* for FILTER_ANSWER: status and fields */
	struct bytes host;           /* canonical, no port */
	uint16_t listener_port;
	bool tls;                    /* the listener's protocol */
	enum hg_err err;             /* for FILTER_FAIL */
	struct filter_cors cors;
	struct { /* clusters that get a copy, with chance num/den each */
		const struct im_mirror *v[FILTER_MIRRORS];
		unsigned n;
	} mirrors;
};

struct filter_ops {
	const char *name;
	enum filter_verdict (*request)(struct filter_ctx *, const struct im_filter *); /* or NULL */
	void (*response)(struct filter_ctx *, const struct im_filter *, struct msg *); /* or NULL */
};
extern const struct filter_ops filter_table[]; /* by enum im_filtertype */

/* CORS of a range alone, which looks before all else: a preflight ends before anything is done. */
enum filter_verdict filter_cors(struct filter_ctx *, struct im_range);
/* All others of a range, in order. */
enum filter_verdict filter_requests(struct filter_ctx *, struct im_range);
/* All of a range, last one first. */
void filter_responses(struct filter_ctx *, struct im_range, struct msg *);

/* The pieces, for the tables and their tests. */
enum filter_verdict headers_request(struct filter_ctx *, const struct im_filter *);
void headers_response(struct filter_ctx *, const struct im_filter *, struct msg *);
/* Edits of an answer that is sent at once: texts stay the image's. */
void headers_now(struct arena *, const struct image *, struct im_range, struct fields *);
/* Copies the response edits of a range (backwards, as they run) for use without an image. n in *n.
 */
struct filter_edit *headers_keep(
    struct filter_ctx *, const struct im_range *ranges, unsigned nranges, uint32_t *n);
/* The same of a range of edits, in its order. NULL: no memory. */
struct filter_edit *headers_edits(
    struct arena *, const struct image *, struct im_range, uint32_t *n);
/* In this order; `fields` gets room in the arena. false: there was none. */
bool headers_apply(struct arena *, struct fields *, const struct filter_edit *, uint32_t n);
enum filter_verdict redirect_request(struct filter_ctx *, const struct im_filter *);
enum filter_verdict rewrite_request(struct filter_ctx *, const struct im_filter *);
/* Path after a modifier; always begins with "/". In the arena or borrowed. */
struct bytes rewrite_path(
    struct arena *, uint8_t pathop, struct bytes path, struct bytes prefix, struct bytes with);
enum filter_verdict mirror_request(struct filter_ctx *, const struct im_filter *);
enum filter_verdict cors_request(struct filter_ctx *, const struct im_filter *);
void cors_response(struct filter_ctx *, struct msg *);
bool cors_origin_match(struct bytes pattern, struct bytes origin); /* both lower case */

/* Fields that frame a message or belong to one connection: no filter touches them. */
bool filter_protected(enum field_id);
/* Room for `more` lines: moves the table into the arena if need be. false: no memory. */
bool filter_room(struct arena *, struct fields *, unsigned more);

#endif
