/*
 * priv.h - uids and capabilities. Master and role start only.
 */
#ifndef MASTER_PRIV_H
#define MASTER_PRIV_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct priv_user {
	uint32_t uid, gid;
};

/* Looks `user` and `group` up in the files' texts (name or number; group "" = the user's own). */
bool priv_lookup(struct bytes passwd, struct bytes group_file, const char *user, const char *group,
    struct priv_user *out);
/* The same in /etc: user "" means `headgate`, else `nobody`. False with a log line. */
bool priv_find(const char *user, const char *group, struct priv_user *out);
/* The master in service mode: only the five capabilities stay, also in the bounding set;
 * no_new_privs. -1 with errno. */
int priv_master(void);
/* A role: groups, gid, uid (unless !drop), no capability but `keep` (bits of 1 << CAP_*),
 * no_new_privs, not dumpable, nothing left to gain. -1 with errno. */
int priv_drop(bool drop, uint32_t uid, uint32_t gid, uint64_t keep);

#endif
