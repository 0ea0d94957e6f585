/*
 * jail.h - seccomp for every role: one table a role of what it may call. What libraries try and
 * survive (opening files, executable mappings) is answered with an error; anything else ends the
 * process with a line that names role and call. Also the limits that come with a role.
 */
#ifndef MASTER_JAIL_H
#define MASTER_JAIL_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stdint.h>

enum jail_profile {
	JAIL_COMPILER = 1,
	JAIL_READER,
	JAIL_WRITER,
	JAIL_WORKER,
	JAIL_LOGGER,
	JAIL_HELPER
};

#define JAIL_PROGRAM_MAX 640

/* Builds the filter; number of instructions. Pure, for tests. */
unsigned jail_program(enum jail_profile, uint32_t self_pid, struct sock_filter *out, unsigned cap);
/* Enters it; no_new_privs is set already. `role` is kept for the report. -1 with errno. */
int jail_enter(enum jail_profile, const char *role);
/* Forbids writing, making and executing files from here on by Landlock; best effort (old kernels
 * have none). */
bool jail_read_only(void);

#endif
