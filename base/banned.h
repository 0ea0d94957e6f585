/*
 * banned.h - force-included into every file: calls that have no place here fail to compile.
 * setjmp and longjmp are left to the linter: CMocka's header needs the names.
 */
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets atoi atol atoll strtok
#pragma GCC poison gmtime localtime asctime ctime mktemp tmpnam
#pragma GCC poison sleep usleep nanosleep system popen

#endif
