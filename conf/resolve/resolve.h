/*
 * resolve.h - Gateway API semantics: objects in, model and statuses out. Three steps, because
 * sockets are bound in between (DESIGN section 5): resolve_run takes every decision that needs no
 * socket, resolve_bound takes the bind answers and finishes the model, resolve_record writes
 * statuses and memory to the catalogue. Compiler child and CLI only; one thread. Everything lives
 * in the compile's arena.
 */
#ifndef CONF_RESOLVE_RESOLVE_H
#define CONF_RESOLVE_RESOLVE_H

#include "conf/kinds/load.h"
#include "conf/resolve/model.h"
#include "shm/catalogue.h"
#include "shm/proto.h"

/* Why an object is served from its last good content (stale.h). */
struct stale_note {
	const struct object *object;
	struct bytes why;
};

struct resolve_in {
	const struct objects *objects;
	const struct k_headgate *conf;   /* never NULL; its settings may be */
	const struct catalogue *old;     /* NULL: first start */
	struct diags *diags;             /* warnings are added */
	int64_t now;                     /* unix seconds */
	uint64_t generation;
	struct source *source;           /* for referenced files; NULL: none can be read */
	const struct addr *node;         /* two: IPv4, IPv6 of the machine; family 0: not known */
	bool offline;                    /* no bind answers will come */
	bool roles;                      /* files lie in role folders */
	const struct stale_note *stale;
	uint32_t nstale;
	const struct load_bad *bad;      /* what could not be taken, also where it is stale */
};
struct scope;
struct doccache;

struct scope *resolve_run(struct arena *, const struct resolve_in *);
/* Sockets to bind, in a stable order; valid as long as the arena. */
uint32_t resolve_sockets(const struct scope *, const struct proto_sockkey **out);
/* err[i] = 0 or errno for socket i; NULL: all are fine. The model is complete afterwards. */
struct model *resolve_bound(struct scope *, const int32_t *err);

struct resolve_info { /* what the catalogue says beside objects */
	uint32_t files;
	const struct diags *diags;
	uint64_t conf_hash[2];
	uint32_t compile_ms;
	const struct doccache *documents; /* may be NULL */
};
struct blob_writer *resolve_record(struct scope *, const struct resolve_info *);
/* Counts for the result record. */
void resolve_count(const struct scope *, struct proto_result *);
void resolve_free(struct scope *); /* index tables; the arena keeps the rest */

#endif
