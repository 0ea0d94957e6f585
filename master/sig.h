/*
 * sig.h - signals as intents: one table, one signalfd, no handler. Master only.
 */
#ifndef MASTER_SIG_H
#define MASTER_SIG_H

enum sig_intent { SIG_NONE, SIG_RELOAD, SIG_STOP, SIG_QUIT, SIG_REOPEN, SIG_CHILD };

/* SIGNAL, intent, what it means to people. SIG_NONE: ignored. */
#define SIG_TABLE(S) \
	S(SIGUSR2, SIG_RELOAD, "reload") \
	S(SIGHUP, SIG_RELOAD, "reload") \
	S(SIGTERM, SIG_STOP, "stop, finish what is in flight up to the grace; twice: at once") \
	S(SIGINT, SIG_STOP, "the same") \
	S(SIGQUIT, SIG_QUIT, "stop, finish what is in flight without a deadline") \
	S(SIGUSR1, SIG_REOPEN, "reopen logs") \
	S(SIGCHLD, SIG_CHILD, "a child ended") \
	S(SIGPIPE, SIG_NONE, "") \
	S(SIGTTIN, SIG_NONE, "") \
	S(SIGTTOU, SIG_NONE, "") \
	S(SIGWINCH, SIG_NONE, "")

enum sig_intent sig_intent(int signo);
/* Blocks everything that can be blocked and opens the signalfd (non-blocking, CLOEXEC). -1 with
 * errno. */
int sig_open(void);
/* The next intent, SIG_NONE when there is none left. *signo for the log. */
enum sig_intent sig_next(int fd, int *signo);

#endif
