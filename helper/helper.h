/*
 * helper.h - the helper role: names (DNS) now; health checks, fetches and admin HTTP later. Carries
 * no client traffic.
 */
#ifndef HELPER_HELPER_H
#define HELPER_HELPER_H

#include "shm/role.h"

void helper_prepare(void);
int helper_run(struct role_env *);

#endif
