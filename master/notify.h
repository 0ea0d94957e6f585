/*
 * notify.h - sd_notify(3)'s protocol by hand: one datagram of KEY=VALUE lines to the socket named
 * in NOTIFY_SOCKET. Without that variable everything here is a no-op. Master only.
 */
#ifndef MASTER_NOTIFY_H
#define MASTER_NOTIFY_H

#include <stdint.h>

#include "base/check.h"

struct notify {
	int fd;                 /* -1: nobody listens */
	uint64_t watchdog_ms;   /* how often WATCHDOG=1 is due, 0 = never */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID (arguments, so that tests need no environment;
 * NULL = unset). */
void notify_init(
    struct notify *, const char *socket_path, const char *watchdog_usec, const char *watchdog_pid);
void notify_release(struct notify *);
/* "READY=1\nSTATUS=..."; never blocks, failures are ignored. */
void notify_send(const struct notify *, const char *fmt, ...) HG_PRINTF(2, 3);
void notify_reloading(const struct notify *); /* RELOADING=1 with MONOTONIC_USEC */

#endif
