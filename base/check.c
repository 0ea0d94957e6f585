/*
 * check.c - the end of a process that found itself wrong. The report goes out with one write(2) and
 * no allocation, since the heap may be what is broken; abort() leaves a core and lets the master
 * see a signal rather than an exit code. assert() was not taken: NDEBUG would remove it where it
 * counts.
 */
#include "base/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void
check_failed(const char *expr, const char *file, int line)
{
	char buf[512];
	int n = snprintf(buf, sizeof(buf), "headgate[%d]: check failed: %s (%s:%d)\n",
	    (int)getpid(), expr, file, line);

	if (n > 0) {
		size_t len = HG_MIN((size_t)n, sizeof(buf) - 1);

		if (write(STDERR_FILENO, buf, len) < 0)
			abort(); /* nobody to tell; the signal must do */
	}
	abort();
}
