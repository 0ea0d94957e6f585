/*
 * view.h - what the read verbs look at: catalogue and image of the running instance (descriptors
 * handed over by its control socket), or of a compile of files given with -f. The verbs do not know
 * which.
 */
#ifndef CLI_VIEW_H
#define CLI_VIEW_H

#include "base/arena.h"
#include "cli/opts.h"
#include "conf/read/node.h"
#include "shm/board.h"
#include "shm/catalogue.h"
#include "shm/image.h"
#include "shm/slot.h"

enum view_health { VIEW_OK, VIEW_WARN, VIEW_BAD };
#define VIEW_SEEN 256u
struct view_seen { /* a status text that was judged */
	struct im_str status;
	struct bytes why;
	enum view_health health;
	bool known;
};

struct view {
	struct arena arena;
	struct catalogue cat;
	struct image image;
	bool online;
	const struct control_page *control; /* online only, may be NULL */
	const struct board *board;
	const struct names *names;
	const struct slot_segment *slots[SLOT_MAX];
	uint32_t nslots;
	uint64_t generation;
	struct view_seen seen[VIEW_SEEN];
	struct liveroutes *routes;          /* liveroute.c's, made at first use */
};

int view_open(const struct opts *, struct view *); /* 0, or an exit status after saying why */
void view_close(struct view *);
/* Seals what a compile has made and opens it here. false: NULL, or it cannot be. */
bool view_take_image(struct view *, struct blob_writer *);
bool view_take_catalogue(struct view *, struct blob_writer *);

/* JSON text of the catalogue as nodes (in the view's arena). NULL if it is absent or broken. */
struct node *view_json(struct view *, struct bytes json);
/* status of the condition `type` in a list of conditions: "True", "False", "Unknown", or "-". */
struct bytes view_condition(const struct node *conditions, const char *type);
/* "12d", "3m", as kubectl prints ages. */
void view_age(int64_t since, char out[16]);
/* FILE:LINE:COL: error[HGnnnn]: text (did you mean …), as `check -o short` prints it. */
void view_print_diag(const struct view *, const struct cat_diag *);
/* Is anything of this object not as it should be? Conditions of all its parents, listeners,
 * ancestors. */
enum view_health view_health(struct view *, const struct cat_object *, struct bytes *why);

#endif
