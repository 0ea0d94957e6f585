/*
 * source.h - where files come from. The compiler child asks the reader process over a channel (it
 * cannot open anything itself); `headgate check -f` reads directly with the same rules. Both hand
 * over whole files, size-checked (file <= 16 MB, all <= 1 GB, <= 200,000 files, depth <= 16), names
 * that begin with a dot skipped, sorted by path so that order never matters. In flat mode the path
 * "-" is standard input.
 */
#ifndef CONF_READ_SOURCE_H
#define CONF_READ_SOURCE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "shm/proto.h"

struct source_file {
	struct bytes path;   /* as shown to people */
	struct bytes text;   /* absent if error is set */
	struct bytes ns;     /* routes.d/<ns> */
	uint8_t role;        /* enum proto_role */
	int error;           /* errno, or negative enum proto_fileerr */
	uint64_t mtime_ns;
};

/* A path that every source opens: the machine's own CA certificates, in whichever file they are. */
#define SOURCE_SYSTEM_CA "system:ca"

/* 0, or -1 when the source itself is dead. Calls `file` for each file under roots[i], then returns.
 */
struct source {
	int (*walk)(struct source *, unsigned root, int (*file)(void *arg, struct source_file *),
	    void *arg);
	/* One referenced file: relative to a path of -f, or to the folder of one. Where files have
	 * roles the path counts from the resource root and begins with the folder of a role
	 * (walk_open_role()), or it is absolute and lies in one of file_roots. */
	int (*open)(struct source *, struct bytes path, struct arena *, struct source_file *out);
	/* One of file_roots (headgate.conf), before the first walk. May be NULL. */
	int (*allow)(struct source *, struct bytes folder);
	void *impl;
};

#define SOURCE_FILE_ROOTS 64

/* Direct: paths are files or folders; flat (no roles) or a resource root with the role directories.
 * The same walker is used by the reader process, which passes descriptors on instead of text. */
struct source *source_direct(
    struct arena *, const char *const *paths, unsigned n, bool flat, bool ownership);

/* The whole text of an open regular file into the arena: what both sources do with a descriptor. 0,
 * errno, or negative enum proto_fileerr. The descriptor stays the caller's. */
int source_text(struct arena *, int fd, uint64_t size, struct bytes *out);

#endif
