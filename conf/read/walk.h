/*
 * walk.h - finds and opens the files below a root; interprets nothing. Used by the reader process,
 * which passes the descriptors on, and by source_direct(), which reads them. Needs: openat2, fstat,
 * fstatat, getdents64, readlinkat, fgetxattr (ACLs, only where ownership rules hold).
 *
 * A file is opened with openat2 beneath its anchor (the path given with -f, or the role's folder),
 * without magic links, non-blocking, never a terminal; it is regular and of bounded size when the
 * callback sees it. Folders that are links are not entered. Names that begin with a dot are
 * skipped; only *.yaml *.yml *.json *.conf count. Files come in byte order of their paths.
 */
#ifndef CONF_READ_WALK_H
#define CONF_READ_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "shm/proto.h"

#define WALK_FILE_MAX (16ull << 20)
#define WALK_ALL_MAX (1ull << 30)
#define WALK_FILES_MAX 200000u
#define WALK_NAMES_MAX 1000000u /* directory entries of all kinds */
#define WALK_DEPTH_MAX 16
#define WALK_PATH_MAX 4096      /* as in struct proto_file */

struct walk_entry {
	const char *path;   /* as shown to people: root as given, '/', rest */
	const char *ns;     /* routes.d/<ns>, else "" */
	uint8_t role;       /* enum proto_role */
	unsigned root;      /* index */
	int fd;             /* closed after the callback; -1 if error is set */
	int error;          /* 0; errno; or negative enum proto_fileerr */
	uint64_t size, mtime_ns;
};
/* Non-zero ends the walk and is returned. Entries with an error may be folders. */
typedef int walk_file(void *arg, const struct walk_entry *);

struct walk_budget { /* over all roots of one compile; zeroed by the caller */
	uint64_t bytes;
	uint32_t files, names;
	bool full;
};

struct walk_root {
	const char *path;
	unsigned index;
	bool flat;          /* no roles: a file (of any name) or a folder */
	bool ownership; /* files and folders writable by root and the role's owner or group only */
};

int walk_tree(const struct walk_root *, struct walk_budget *, walk_file *, void *arg);

/* One file, for references where files have no roles: `path` as given, absolute or relative to the
 * working folder. With `beneath` (a folder) it must lie below that. Descriptor, or -1 with *error
 * as in walk_entry. */
int walk_open(
    const char *beneath, const char *path, uint64_t *size, uint64_t *mtime_ns, int *error);
/* The same in a tree with roles: `path` counts from the resource root and begins with "infra.d/",
 * "security.d/" or "routes.d/NAMESPACE/"; it stays in that folder, links and all, and is held to
 * the same ownership as what is walked over. The caller closes out->fd. */
void walk_open_role(const struct walk_root *, const char *path, struct walk_entry *out);
/* `path` is absolute and lies below one of n folders (file_roots); with `ownership` nobody but root
 * and that folder's owner and group may be able to write the file or a folder between. */
void walk_open_listed(const char *const *folders, unsigned n, bool ownership, const char *path,
    struct walk_entry *out);
/* What lies behind `folder` in `path`, or NULL where it does not lie there. */
const char *walk_below(const char *folder, const char *path);
/* Where files have no roles: below `root`, or, where that is a file, below its folder. */
void walk_open_beside(const char *root, const char *path, struct walk_entry *out);
/* The machine's own CA certificates (SOURCE_SYSTEM_CA): the first bundle of a fixed table that is
 * there. Otherwise as walk_open(). */
int walk_open_system_ca(uint64_t *size, uint64_t *mtime_ns, int *error);

/* ---- inside conf/read */
/* openat2 with the flags that every open here has; errno. */
int walk_openat(int dir, const char *path, uint64_t flags, uint64_t resolve);
/* EXDEV and ELOOP as PROTO_FILE_LINK. */
int walk_link_error(int err);

#endif
