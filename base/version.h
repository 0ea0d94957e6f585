/*
 * version.h - which release and which build this binary is. Only images and peers of the same build
 * are understood (shm/blob.h), so the id is compared before anything else is looked at. Pure; any
 * process.
 */
#ifndef BASE_VERSION_H
#define BASE_VERSION_H

#include <stdint.h>

const char *version_text(void);      /* "0.1.0" */
const char *version_build(void);     /* commit or "release" */
uint64_t version_build_id(void);     /* a hash of both, never 0 */

#endif
