/*
 * sig.c - signals arrive as reads of a signalfd, so that no code of ours ever runs in a handler.
 * All signals stay blocked over exec as well: a role that has not found its feet yet cannot be
 * ended by a stray USR2. The four that report a fault of our own code stay open, or the kernel
 * would kill without a core.
 */
#include "master/sig.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/check.h"

static const struct {
	int signo;
	enum sig_intent intent;
} table[] = {
#define S(signo, intent, text) {signo, intent},
	SIG_TABLE(S)
#undef S
};

enum sig_intent
sig_intent(int signo)
{
	for (unsigned i = 0; i < HG_ARRAY_LEN(table); i++)
		if (table[i].signo == signo)
			return table[i].intent;
	return SIG_NONE;
}

int
sig_open(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
	sigset_t all, watched;

	sigfillset(&all);
	for (unsigned i = 0; i < HG_ARRAY_LEN(faults); i++)
		sigdelset(&all, faults[i]);
	if (sigprocmask(SIG_SETMASK, &all, NULL) != 0)
		return -1;
	sigemptyset(&watched);
	for (unsigned i = 0; i < HG_ARRAY_LEN(table); i++) {
		if (table[i].intent == SIG_NONE) {
			signal(table[i].signo, SIG_IGN);
			continue;
		}
		/* A caller's nohup or a shell's "ignore in background" is not for us. */
		signal(table[i].signo, SIG_DFL);
		sigaddset(&watched, table[i].signo);
	}
	return signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
}

enum sig_intent
sig_next(int fd, int *signo)
{
	struct signalfd_siginfo si;
	ssize_t n;

	for (;;) {
		n = read(fd, &si, sizeof(si));
		if (n < 0 && errno == EINTR)
			continue;
		if (n != sizeof(si))
			return SIG_NONE;
		*signo = (int)si.ssi_signo;
		if (sig_intent(*signo) != SIG_NONE)
			return sig_intent(*signo);
	}
}
