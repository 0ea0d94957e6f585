/*
 * compile.h - text to generation: read -> resolve -> (bind sockets) -> statuses -> build. The one
 * entry point, used by the compiler child and, without sockets, by `headgate check`, `get -f`,
 * `match -f`.
 */
#ifndef CONF_COMPILE_H
#define CONF_COMPILE_H

#include "conf/kinds/load.h"
#include "shm/catalogue.h"
#include "shm/image.h"
#include "shm/proto.h"

struct compile_in {
	const struct proto_compile *params;
	struct source *source;        /* roots in the order of params->roots */
	struct bytes conf_file, conf_text; /* text absent: defaults */
	/* of the last generation, or of the state folder; NULL = first start */
	const struct catalogue *old;
	int64_t now;                  /* unix seconds */
	/* Bind (without listening) these sockets; err[i] = 0 or errno. NULL: offline, all are taken
	 * to be fine. */
	int (*bind)(void *arg, const struct proto_sockkey *v, unsigned n, int32_t *err);
	void *bind_arg;
	struct proto_note *note;      /* may be NULL */
};
struct compile_out {
	/* sealed by the caller; secrets may be NULL */
	struct blob_writer *image, *catalogue, *secrets;
	struct diags diags;
	struct proto_result result;
	struct k_headgate *conf;
};

/* HG_OK also with errors in objects (out->result.errors). HG_ERR_INVALID: headgate.conf is wrong,
 * or a bound of the whole is passed: the generation is refused. */
enum hg_err compile_run(struct arena *, const struct compile_in *, struct compile_out *);

#endif
