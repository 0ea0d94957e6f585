/*
 * logger.h - the logger role: drains the workers' rings to descriptors that the master opened.
 */
#ifndef LOGGER_LOGGER_H
#define LOGGER_LOGGER_H

#include "shm/role.h"

int logger_run(struct role_env *);

#endif
