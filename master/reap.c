/*
 * reap.c - the end of a child. SIGCHLD says only that somebody ended; each is waited for until none
 * is left. What a child had sent before it died is read first, since the kernel keeps it: a
 * compiler's result that arrives with its exit is a result.
 */
#include "master/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/mem.h"
#include "master/state.h"

static const char *
signal_name(int signo)
{
	static const struct {
		int signo;
		const char *name;
	} names[] = {
		{SIGSYS, "SIGSYS (jail)"}, {SIGSEGV, "SIGSEGV"}, {SIGABRT, "SIGABRT"},
		{SIGKILL, "SIGKILL"},
		{SIGBUS, "SIGBUS"}, {SIGFPE, "SIGFPE"}, {SIGILL, "SIGILL"}, {SIGTERM, "SIGTERM"},
		{SIGXCPU, "SIGXCPU (too much CPU time)"}, {SIGTRAP, "SIGTRAP"},
	};

	for (unsigned i = 0; i < HG_ARRAY_LEN(names); i++)
		if (names[i].signo == signo)
			return names[i].name;
	return NULL;
}

const char *
child_end_text(int status, char buf[64])
{
	if (WIFSIGNALED(status)) {
		const char *name = signal_name(WTERMSIG(status));

		if (name)
			(void)snprintf(buf, 64, "killed by %s", name);
		else
			(void)snprintf(buf, 64, "killed by signal %d", WTERMSIG(status));
	} else {
		(void)snprintf(buf, 64, "exit status %d", WEXITSTATUS(status));
	}
	return buf;
}

static struct child *
find(struct master *m, pid_t pid)
{
	LIST_FOREACH (it, &m->children) {
		struct child *c = LIST_ENTRY(it, struct child, link);

		if (c->pid == pid)
			return c;
	}
	return NULL;
}

static void
bury(struct child *c, int status)
{
	c->pid = 0;
	child_read(c);
	if (!c->closed) {
		loop_unwatch(c->master->loop, &c->watch);
		imsg_release(&c->chan);
		c->closed = true;
	}
	list_del(&c->link);
	child_kinds[c->kind].ended(c, status);
	mem_free(c);
}

void
child_reap(struct master *m)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = find(m, pid);

		if (c)
			bury(c, status);
		else
			log_warn("an unknown child %d ended", (int)pid);
	}
	stop_child_ended(m);
}
