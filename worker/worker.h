/*
 * worker.h - the worker role: everything about traffic. Only master/main.c includes this from
 * outside.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include "shm/role.h"

void worker_prepare(void);
int worker_run(struct role_env *);

#endif
