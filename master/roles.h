/*
 * roles.h - the roles that live in this folder, and how any role starts. The table with worker,
 * logger and helper is in main.c, the only file that sees them.
 */
#ifndef MASTER_ROLES_H
#define MASTER_ROLES_H

#include "base/err.h"
#include "master/child.h"
#include "shm/role.h"

struct arena;
struct compile_in;
struct compile_out;
typedef enum hg_err compile_fn(struct arena *, const struct compile_in *, struct compile_out *);

/* HELLO, regions, privileges, prepare(), jail, run(). The process's exit status. */
int role_start(const struct role *, enum child_kind, unsigned slot);

/* compile.c: never parses before it is in the jail. */
int compiler_run(struct role_env *, compile_fn *);
/* reader.c */
int reader_run(struct role_env *);
/* store.c */
int writer_run(struct role_env *);

/* The reader's other end: its files as a struct source (compile.c uses it). */
struct imsg_chan;
struct source *source_channel(struct arena *, struct imsg_chan *, const struct proto_compile *);

#endif
