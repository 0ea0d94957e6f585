/*
 * services.c - the logger, the helper and the state writer: processes beside the traffic. Each is
 * replaced when it dies, under the same brake as a worker; none of them can hold a reload or a
 * request up.
 *
 * Log files are opened here, since only the master may, and handed over; the logger never sees a
 * path. Standard output is opened anew through /proc, so that making it non-blocking does not
 * change the terminal or pipe for the shell that shares it; a socket (journal) cannot be opened so
 * and is used with MSG_DONTWAIT.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "master/state.h"

#define CATALOGUE_FILE "catalogue"
#define SECRETS_FILE "secrets"

/* ---- logs */

static int
open_stdout(void)
{
	int fd = open("/proc/self/fd/1", O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC);

	return fd >= 0 ? fd : fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
}

int
services_open_log(struct master *m)
{
	const struct proto_settings *s = &m->result.settings;
	bool to_stdout = s->access_log[0] == '\0' || strcmp(s->access_log, "stdout") == 0;
	int fd = -1;

	if (s->log_off || strcmp(s->access_log, "off") == 0)
		to_stdout = false;
	else if (to_stdout)
		fd = open_stdout();
	else
		fd = open(s->access_log,
		    O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0640);
	if (fd < 0 && !s->log_off && strcmp(s->access_log, "off") != 0)
		log_error("cannot open the access log %s: %s; lines are dropped",
		    to_stdout ? "stdout" : s->access_log, strerror(errno));
	if (m->logs.access >= 0)
		close(m->logs.access);
	m->logs.access = fd;
	return fd;
}

void
services_reopen(struct master *m)
{
	int fd = services_open_log(m);

	if (m->logs.child)
		child_send(m->logs.child, PROTO_REOPEN, 0, NULL, &fd, fd >= 0);
}

static int
start_logger(struct master *m)
{
	m->logs.child = child_spawn(m, CHILD_LOGGER, 0);
	if (!m->logs.child)
		return -1;
	for (unsigned i = 0; i < m->nslots; i++) {
		struct proto_ring ring = {.slot = i};

		child_send(m->logs.child, PROTO_RING, 0, &ring, &m->regions.slots[i].rw, 1);
	}
	return 0;
}

/* ---- helper */

static int
start_helper(struct master *m)
{
	m->helper = child_spawn(m, CHILD_HELPER, 0);
	if (!m->helper)
		return -1;
	if (m->reload.published)
		child_send(m->helper, PROTO_NAMES, m->reload.published, NULL, &m->now.image, 1);
	return 0;
}

/* ---- state */

static void
store_file(struct master *m, const char *name, int fd)
{
	struct proto_path p = {{0}};
	int fds[2] = {fd, m->dirs.state};

	if (fd < 0 || !m->writer)
		return;
	memcpy(p.path, name, strlen(name));
	child_send(m->writer, PROTO_STORE, m->reload.published, &p, fds, 2);
}

static void
store(struct master *m)
{
	static const struct proto_drain over = {UINT32_MAX};

	if (m->writer) {
		m->store_again =
		    true; /* the disk is slower than the reloads: the last one counts */
		return;
	}
	m->store_again = false;
	m->writer = child_spawn(m, CHILD_WRITER, 0);
	if (!m->writer)
		return;
	store_file(m, CATALOGUE_FILE, m->now.catalogue);
	store_file(m, SECRETS_FILE, m->now.secrets);
	child_send(m->writer, PROTO_DRAIN, 0, &over, NULL, 0);
}

void
services_adopt(struct master *m)
{
	if (m->helper)
		child_send(m->helper, PROTO_NAMES, m->reload.generation, NULL, &m->now.image, 1);
	store(m);
}

/* ---- all */

int
services_start(struct master *m)
{
	(void)services_open_log(m);
	return start_logger(m) == 0 && start_helper(m) == 0 ? 0 : -1;
}

void
services_message(struct child *c, struct imsg *in)
{
	const struct proto_text *t = (const struct proto_text *)(const void *)in->data;

	if (in->type == PROTO_STORED && t->text[0])
		log_error("cannot write the state folder: %s", t->text);
	else if (in->type == PROTO_DRAINED)
		c->expected = true;
}

static void
restart_logger(struct timer *t)
{
	struct master *m = HG_CONTAINER(t, struct master, logs.restart);

	if (m->stopping == STOP_NO && !m->logs.child && m->nslots)
		(void)start_logger(m);
}

static void
restart_helper(struct timer *t)
{
	struct master *m = HG_CONTAINER(t, struct master, helper_restart);

	if (m->stopping == STOP_NO && !m->helper && m->nslots)
		(void)start_helper(m);
}

void
services_ended(struct child *c, int status)
{
	struct master *m = c->master;
	uint64_t lived = clock_mono() - c->started;
	char end[64], name[32];

	if (c == m->writer) {
		m->writer = NULL;
		if (status != 0)
			log_error("the state writer ended: %s", child_end_text(status, end));
		if (m->store_again)
			store(m);
		return;
	}
	if (m->stopping == STOP_NO)
		log_error(
		    "%s ended: %s; replaced", child_name(c, name), child_end_text(status, end));
	if (c == m->logs.child) {
		m->logs.child = NULL;
		timer_in(m->loop, &m->logs.restart, brake_death(&m->logs.brake, lived));
	} else if (c == m->helper) {
		m->helper = NULL;
		timer_in(m->loop, &m->helper_restart, brake_death(&m->helper_brake, lived));
	}
}

void
services_init(struct master *m)
{
	timer_init(&m->logs.restart, restart_logger);
	timer_init(&m->helper_restart, restart_helper);
}
