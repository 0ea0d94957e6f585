/*
 * status.h - the statuses of all objects in the exact Kubernetes shape, and the rows that remember
 * transitions.
 */
#ifndef CONF_RESOLVE_STATUS_H
#define CONF_RESOLVE_STATUS_H

#include "conf/resolve/scope.h"

/* Constants that every row needs, put once: by address of the string. */
struct constants {
	struct {
		const char *text;
		struct im_str at;
	} v[64];
	struct bytes where; /* the last one, borrowed */
	struct im_str where_at;
};
struct im_str constant_put(struct constants *, struct blob_writer *, const char *);

/* One object's status being printed: lastTransitionTime needs the old conditions, and leaves new
 * ones. */
struct status {
	struct scope *sc;
	struct blob_writer *w;
	struct constants *constants;
	const struct object *obj;      /* NULL: the built-in class */
	const struct cat_object *old;  /* or NULL */
	int64_t generation;
	struct strbuf out;
	uint32_t nconds;               /* rows added for this object */
};

/* Prints into st->out; false: the object's kind has no status (nothing is printed). */
bool status_print(struct status *);
void status_class(struct status *, const struct r_class *);
/* Pieces, for the printers. */
void status_conditions(struct status *, struct bytes where, const struct conds *,
    const struct node *foreign, const char *const *own);
void status_stale(struct status *, struct conds *);
void status_ref(struct strbuf *, const struct k_parent_ref *);
/* Entries of other controllers in the manifest's list, after n of ours. */
void status_foreign(struct status *, const char *list, uint32_t n, uint32_t max);
const char *stale_why(const struct scope *, const struct object *);

#endif
