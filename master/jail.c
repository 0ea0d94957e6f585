/*
 * jail.c - the seccomp filter of a role, written from one table of calls.
 *
 * Calls that are always fine for a role return at once: Linux caches those in a bitmap, so a
 * worker's epoll_wait and sendmsg never run the filter at all, and the order of the table costs
 * nothing. What libraries try and survive (opening a configuration file, an executable mapping) is
 * answered with an error; the rest traps, and the handler says which role called what before the
 * process dies. The list comes from strace over the test suite.
 *
 * Rejected: KILL as the default (nobody learns which call a new library version makes), ERRNO for
 * everything (a half-working process is worse than a replaced one), libseccomp (a dependency for a
 * table and forty lines).
 */
#include "master/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"

#define FOR(p) (1u << JAIL_##p)
#define ALL (FOR(COMPILER) | FOR(READER) | FOR(WRITER) | FOR(WORKER) | FOR(LOGGER) | FOR(HELPER))
#define FILES (FOR(READER) | FOR(WRITER))
#define NET (FOR(WORKER) | FOR(HELPER))
#define LOOPS (NET | FOR(LOGGER))

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#else
#error "master/jail.c: add this machine's AUDIT_ARCH and calls"
#endif

enum check {
	ALWAYS,
	NO_EXEC,    /* argument 2 without PROT_EXEC, else EPERM */
	SELF,       /* argument 0 is this process */
	EMPTY_PATH, /* newfstatat as fstat: AT_EMPTY_PATH, else EACCES */
	READ_ONLY,  /* openat without writing and creating, else EACCES */
	GET_ONLY,   /* prlimit64 without a new value, else EPERM */
	SOCKET,     /* IP and UNIX, else EAFNOSUPPORT */
	IOCTL,      /* FIONREAD, FIONBIO, TCGETS, else ENOTTY */
	PRCTL,      /* PR_SET_NAME, else EPERM */
	SOFT,       /* refused with EACCES: libraries try and survive */
	CHECKS
};

/* C(call, profiles, check). First line of a call that fits its profile counts. */
#define CALLS(C) \
	C(read, ALL, ALWAYS) C(write, ALL, ALWAYS) C(readv, ALL, ALWAYS) C(writev, ALL, ALWAYS) \
	C(pread64, ALL, ALWAYS) C(pwrite64, ALL, ALWAYS) C(preadv, ALL, ALWAYS) \
	C(pwritev, ALL, ALWAYS) C(close, ALL, ALWAYS) C(close_range, ALL, ALWAYS) \
	C(lseek, ALL, ALWAYS) C(fstat, ALL, ALWAYS) C(recvmsg, ALL, ALWAYS) \
	C(sendmsg, ALL, ALWAYS) C(ppoll, ALL, ALWAYS) C(fcntl, ALL, ALWAYS) C(dup, ALL, ALWAYS) \
	C(dup3, ALL, ALWAYS) C(munmap, ALL, ALWAYS) C(mremap, ALL, ALWAYS) C(brk, ALL, ALWAYS) \
	C(madvise, ALL, ALWAYS) C(futex, ALL, ALWAYS) C(mmap, ALL, NO_EXEC) \
	C(mprotect, ALL, NO_EXEC) C(clock_gettime, ALL, ALWAYS) C(clock_getres, ALL, ALWAYS) \
	C(gettimeofday, ALL, ALWAYS) C(getrandom, ALL, ALWAYS) C(exit, ALL, ALWAYS) \
	C(exit_group, ALL, ALWAYS) C(rt_sigreturn, ALL, ALWAYS) C(rt_sigaction, ALL, ALWAYS) \
	C(rt_sigprocmask, ALL, ALWAYS) C(sigaltstack, ALL, ALWAYS) \
	C(restart_syscall, ALL, ALWAYS) C(getpid, ALL, ALWAYS) C(getppid, ALL, ALWAYS) \
	C(gettid, ALL, ALWAYS) C(getuid, ALL, ALWAYS) C(geteuid, ALL, ALWAYS) \
	C(getgid, ALL, ALWAYS) C(getegid, ALL, ALWAYS) C(tgkill, ALL, SELF) C(kill, ALL, SELF) \
	C(sched_yield, ALL, ALWAYS) C(sched_getaffinity, ALL, ALWAYS) C(getcpu, ALL, ALWAYS) \
	C(getrusage, ALL, ALWAYS) C(times, ALL, ALWAYS) C(uname, ALL, ALWAYS) \
	C(sysinfo, ALL, ALWAYS) C(prlimit64, ALL, GET_ONLY) C(set_robust_list, ALL, ALWAYS) \
	C(rseq, ALL, ALWAYS) C(membarrier, ALL, ALWAYS) C(mlock, ALL, ALWAYS) \
	C(munlock, ALL, ALWAYS) C(mlock2, ALL, ALWAYS) C(ioctl, ALL, IOCTL) C(prctl, ALL, PRCTL) \
	C(getsockopt, ALL, ALWAYS) C(sendto, ALL, ALWAYS) C(recvfrom, ALL, ALWAYS) \
	C(shutdown, ALL, ALWAYS) C(newfstatat, FILES, ALWAYS) C(newfstatat, ALL, EMPTY_PATH) \
	C(epoll_create1, LOOPS, ALWAYS) C(epoll_ctl, LOOPS, ALWAYS) \
	C(epoll_pwait, LOOPS, ALWAYS) C(epoll_pwait2, LOOPS, ALWAYS) C(eventfd2, LOOPS, ALWAYS) \
	C(timerfd_create, LOOPS, ALWAYS) C(timerfd_settime, LOOPS, ALWAYS) \
	C(timerfd_gettime, LOOPS, ALWAYS) C(socket, NET, SOCKET) C(connect, NET, ALWAYS) \
	C(bind, NET, ALWAYS) C(getsockname, NET, ALWAYS) C(getpeername, NET, ALWAYS) \
	C(setsockopt, NET, ALWAYS) C(sendmmsg, NET, ALWAYS) C(recvmmsg, NET, ALWAYS) \
	C(accept4, NET, ALWAYS) C(listen, NET, ALWAYS) C(splice, NET, ALWAYS) \
	C(tee, NET, ALWAYS) C(sendfile, NET, ALWAYS) C(pipe2, NET, ALWAYS) \
	C(memfd_create, FOR(COMPILER), ALWAYS) C(memfd_create, FOR(HELPER), ALWAYS) \
	C(ftruncate, FOR(COMPILER) | FOR(WRITER) | FOR(HELPER), ALWAYS) \
	C(openat, FOR(READER), READ_ONLY) C(openat2, FOR(READER), ALWAYS) \
	C(openat, FOR(WRITER), ALWAYS) C(statx, FILES, ALWAYS) \
	C(getdents64, FOR(READER), ALWAYS) C(readlinkat, FOR(READER), ALWAYS) \
	C(fstatfs, FILES, ALWAYS) C(fgetxattr, FOR(READER), ALWAYS) \
	C(getcwd, FOR(READER), ALWAYS) C(renameat, FOR(WRITER), ALWAYS) \
	C(renameat2, FOR(WRITER), ALWAYS) C(unlinkat, FOR(WRITER), ALWAYS) \
	C(fsync, FOR(WRITER), ALWAYS) C(fdatasync, FOR(WRITER), ALWAYS) \
	C(fchmod, FOR(WRITER) | FOR(COMPILER) | FOR(HELPER), ALWAYS) \
	C(sendfile, FOR(WRITER), ALWAYS) C(copy_file_range, FOR(WRITER), ALWAYS) \
	C(openat, ALL, SOFT) C(openat2, ALL, SOFT) C(statx, ALL, SOFT) C(faccessat, ALL, SOFT) \
	C(faccessat2, ALL, SOFT) C(readlinkat, ALL, SOFT) C(getcwd, ALL, SOFT) \
	C(statfs, ALL, SOFT) C(fstatfs, ALL, SOFT)

/* Old spellings that other machines do not have. */
#if defined(__x86_64__)
#define OLD_CALLS(C) \
	C(poll, ALL, ALWAYS) C(dup2, ALL, ALWAYS) C(epoll_wait, LOOPS, ALWAYS) \
	C(time, ALL, ALWAYS) C(arch_prctl, ALL, ALWAYS) C(getrlimit, ALL, ALWAYS) \
	C(open, ALL, SOFT) C(stat, ALL, SOFT) C(lstat, ALL, SOFT) C(access, ALL, SOFT) \
	C(readlink, ALL, SOFT) C(rename, FOR(WRITER), ALWAYS) C(unlink, FOR(WRITER), ALWAYS)
#else
#define OLD_CALLS(C) C(getrlimit, ALL, ALWAYS)
#endif

/* Only for the report. */
#define NAMED(C) \
	C(execve, 0, SOFT) C(execveat, 0, SOFT) C(clone, 0, SOFT) C(clone3, 0, SOFT) \
	C(ptrace, 0, SOFT) C(mount, 0, SOFT) C(bpf, 0, SOFT) C(io_uring_setup, 0, SOFT) \
	C(setuid, 0, SOFT) C(chdir, 0, SOFT) C(mkdirat, 0, SOFT) C(linkat, 0, SOFT) \
	C(clock_nanosleep, 0, SOFT) C(accept, 0, SOFT) C(sched_setaffinity, 0, SOFT) \
	C(timer_create, 0, SOFT) C(inotify_init1, 0, SOFT)

static const struct call {
	uint32_t nr, profiles;
	const char *name;
	enum check check;
} calls[] = {
#define C(call, profiles, check) {SYS_##call, profiles, #call, check},
	CALLS(C) OLD_CALLS(C) NAMED(C)
#undef C
};

/* ---- the program */

#define ARG(n) \
	((uint32_t)(offsetof(struct seccomp_data, args) + \
	    8 * (n))) /* low half: little-endian machines */
#define LD(off) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (off))
#define RET(v) BPF_STMT(BPF_RET | BPF_K, (v))
#define IF(op, k, yes, no) BPF_JUMP(BPF_JMP | (op) | BPF_K, (k), (yes), (no))
#define ALLOW SECCOMP_RET_ALLOW
#define REFUSE(e) (SECCOMP_RET_ERRNO | ((e) & SECCOMP_RET_DATA))

struct program {
	struct sock_filter *out;
	unsigned n, cap;
};

static void
put(struct program *p, const struct sock_filter *body, unsigned n)
{
	HG_CHECK(p->n + n <= p->cap);
	memcpy(p->out + p->n, body, n * sizeof(*body));
	p->n += n;
}

#define PUT(p, ...) \
	do { \
		const struct sock_filter body_[] = {__VA_ARGS__}; \
		put((p), body_, HG_ARRAY_LEN(body_)); \
	} while (0)

/* What to do with a call whose number fits; every way through ends in RET. */
static void
put_check(struct program *p, enum check check, uint32_t self)
{
	switch (check) {
	case ALWAYS:
		PUT(p, RET(ALLOW));
		break;
	case NO_EXEC:
		PUT(p, LD(ARG(2)), IF(BPF_JSET, PROT_EXEC, 0, 1), RET(REFUSE(EPERM)), RET(ALLOW));
		break;
	case SELF:
		PUT(p, LD(ARG(0)), IF(BPF_JEQ, self, 0, 1), RET(ALLOW), RET(SECCOMP_RET_TRAP));
		break;
	case EMPTY_PATH:
		PUT(p, LD(ARG(3)), IF(BPF_JSET, AT_EMPTY_PATH, 0, 1), RET(ALLOW),
		    RET(REFUSE(EACCES)));
		break;
	case READ_ONLY:
		PUT(p, LD(ARG(2)), IF(BPF_JSET, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, 0, 1),
		    RET(REFUSE(EACCES)), RET(ALLOW));
		break;
	case GET_ONLY:
		PUT(p, LD(ARG(2)), IF(BPF_JEQ, 0, 0, 3), LD(ARG(2) + 4), IF(BPF_JEQ, 0, 0, 1),
		    RET(ALLOW), RET(REFUSE(EPERM)));
		break;
	case SOCKET:
		PUT(p, LD(ARG(0)), IF(BPF_JEQ, AF_INET, 3, 0), IF(BPF_JEQ, AF_INET6, 2, 0),
		    IF(BPF_JEQ, AF_UNIX, 1, 0), RET(REFUSE(EAFNOSUPPORT)), RET(ALLOW));
		break;
	case IOCTL:
		PUT(p, LD(ARG(1)), IF(BPF_JEQ, FIONREAD, 3, 0), IF(BPF_JEQ, FIONBIO, 2, 0),
		    IF(BPF_JEQ, TCGETS, 1, 0), RET(REFUSE(ENOTTY)), RET(ALLOW));
		break;
	case PRCTL:
		PUT(p, LD(ARG(0)), IF(BPF_JEQ, PR_SET_NAME, 0, 1), RET(ALLOW), RET(REFUSE(EPERM)));
		break;
	case SOFT:
	case CHECKS:
		PUT(p, RET(REFUSE(EACCES)));
		break;
	}
}

unsigned
jail_program(enum jail_profile profile, uint32_t self_pid, struct sock_filter *out, unsigned cap)
{
	struct program p = {out, 0, cap};

	PUT(&p, LD(offsetof(struct seccomp_data, arch)), IF(BPF_JEQ, ARCH, 1, 0),
	    RET(SECCOMP_RET_KILL_PROCESS), LD(offsetof(struct seccomp_data, nr)));
	for (unsigned i = 0; i < HG_ARRAY_LEN(calls); i++) {
		unsigned at = p.n;

		if (!(calls[i].profiles & (1u << profile)))
			continue;
		PUT(&p, IF(BPF_JEQ, calls[i].nr, 0, 0));
		put_check(&p, calls[i].check, self_pid);
		out[at].jf = (uint8_t)(p.n - at - 1);
	}
	/* Also every x32 number: none is in the table. */
	PUT(&p, RET(SECCOMP_RET_TRAP));
	return p.n;
}

/* ---- the report of a violation */

static struct {
	const char *role;
} jail;

static const char *
call_name(unsigned nr)
{
	for (unsigned i = 0; i < HG_ARRAY_LEN(calls); i++)
		if (calls[i].nr == nr)
			return calls[i].name;
	return "?";
}

static void
trapped(int signo, siginfo_t *si, void *context)
{
	char buf[160];
	int n = snprintf(buf, sizeof(buf),
	    "headgate[%d]: %s: jail: system call %d (%s) is not allowed here\n", (int)getpid(),
	    jail.role, si->si_syscall, call_name((unsigned)si->si_syscall));
	sigset_t open;

	(void)context;
	if (n > 0 && write(STDERR_FILENO, buf, HG_MIN((size_t)n, sizeof(buf) - 1)) < 0)
		n = 0; /* nobody to tell; the signal must do */
	signal(signo, SIG_DFL);
	sigemptyset(&open);
	sigaddset(&open, signo);
	sigprocmask(SIG_UNBLOCK, &open, NULL);
	raise(signo);
	_exit(127);
}

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW (1UL << 2)
#endif

int
jail_enter(enum jail_profile profile, const char *role)
{
	struct sock_filter body[JAIL_PROGRAM_MAX];
	struct sock_fprog prog = {.filter = body};
	struct sigaction sa = {.sa_sigaction = trapped, .sa_flags = SA_SIGINFO};

	jail.role = role;
	if (sigaction(SIGSYS, &sa, NULL) != 0)
		return -1;
#ifdef HG_SAN
	/* Sanitizers open /proc, fork a tracer and map at will: a sanitizer build has no filter. */
	(void)profile;
	(void)prog;
	return 0;
#else
	prog.len =
	    (unsigned short)jail_program(profile, (uint32_t)getpid(), body, JAIL_PROGRAM_MAX);
	/* Without SPEC_ALLOW kernels before 5.16 slow every branch of a filtered process down. */
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, &prog) ==
	    0)
		return 0;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0);
#endif
}

/* ---- Landlock */

bool
jail_read_only(void)
{
	/* The rights of the first Landlock, minus the two that read. */
	struct landlock_ruleset_attr attr = {.handled_access_fs = (1ull << 13) - 1};
	struct landlock_path_beneath_attr root = {
	    .allowed_access = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR};
	int fd = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	bool ok;

	if (fd < 0)
		return false;
	root.parent_fd = open("/", O_PATH | O_CLOEXEC);
	ok = root.parent_fd >= 0 &&
	    syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &root, 0) == 0 &&
	    syscall(SYS_landlock_restrict_self, fd, 0) == 0;
	if (root.parent_fd >= 0)
		close(root.parent_fd);
	close(fd);
	return ok;
}
