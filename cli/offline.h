/*
 * offline.h - the daemon's compile over files, in the CLI's own process, binding nothing.
 */
#ifndef CLI_OFFLINE_H
#define CLI_OFFLINE_H

#include "cli/opts.h"
#include "conf/compile.h"
#include "conf/read/diag_print.h"

struct offline {
	struct compile_out out;
	struct arena arena;
	struct proto_compile *params;
};

/* Of -f PATH…, positional paths, or the resource root of headgate.conf. 0, or an exit status after
 * saying why; also 0 with errors in objects (out.diags). Memory: `keep` (for texts that outlive),
 * released by offline_release. */
int offline_compile(const struct opts *, struct arena *keep, struct offline *);
/* The resource root of headgate.conf, or NULL after saying why. */
const char *offline_root(const struct opts *, struct arena *);
/* People read stderr; editors and programs (short, json) read stdout. */
void offline_print(const struct diags *, enum diag_format, bool color);
void offline_release(struct offline *);

#endif
