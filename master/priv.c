/*
 * priv.c - who we are. The master keeps uid 0 with five capabilities for its whole life: it must
 * bind low ports after a reload, start workers of another uid after a crash and signal them. It
 * sets no_new_privs before its first exec, so nothing in its tree can ever gain more. Roles become
 * the service user; the state writer stays uid 0 without any capability, because the state folder
 * is root's and a writer that owns it needs no right to override.
 *
 * Users are looked up in /etc/passwd itself: getpwnam() would load NSS modules and whatever they
 * load into the one process that must stay small. A user from elsewhere can be given as a number.
 * Raw capset() is two structs; libcap was not worth a dependency.
 */
#include "master/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/parse.h"

#define BIT(cap) (1ull << (cap))
#define MASTER_CAPS \
	(BIT(CAP_NET_BIND_SERVICE) | BIT(CAP_SETUID) | BIT(CAP_SETGID) | BIT(CAP_KILL) | \
	    BIT(CAP_DAC_READ_SEARCH))
#define ACCOUNTS_MAX (256 * 1024)

/* ---- accounts */

/* The line `name:...:...` of a colon file; fields[0..n-1] are set. */
static bool
find_line(struct bytes text, struct bytes name, struct bytes *fields, unsigned n)
{
	while (text.p) {
		struct bytes line = bytes_cut(&text, '\n');
		unsigned i = 0;

		while (i < n && line.p)
			fields[i++] = bytes_cut(&line, ':');
		if (i == n && bytes_eq(fields[0], name))
			return true;
	}
	return false;
}

static bool
number(struct bytes text, uint32_t *out)
{
	uint64_t v;

	if (!parse_u64(text, UINT32_MAX - 1, &v))
		return false;
	*out = (uint32_t)v;
	return true;
}

bool
priv_lookup(struct bytes passwd, struct bytes group_file, const char *user, const char *group,
    struct priv_user *out)
{
	struct bytes f[4];
	struct priv_user u = {0, 0};

	if (find_line(passwd, bytes_str(user), f, 4)) {
		if (!number(f[2], &u.uid) || !number(f[3], &u.gid))
			return false;
	} else {
		if (!number(bytes_str(user), &u.uid))
			return false;
		u.gid = u.uid;
	}
	if (*group) {
		if (find_line(group_file, bytes_str(group), f, 3)) {
			if (!number(f[2], &u.gid))
				return false;
		} else if (!number(bytes_str(group), &u.gid)) {
			return false;
		}
	}
	*out = u;
	return true;
}

static struct bytes
slurp(const char *path)
{
	char *buf;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return BYTES_NONE;
	buf = mem_alloc(ACCOUNTS_MAX);
	n = read(fd, buf, ACCOUNTS_MAX);
	close(fd);
	return bytes_of(buf, n > 0 ? (size_t)n : 0);
}

bool
priv_find(const char *user, const char *group, struct priv_user *out)
{
	struct bytes passwd = slurp("/etc/passwd"), groups = slurp("/etc/group");
	bool ok;

	if (*user)
		ok = priv_lookup(passwd, groups, user, group, out);
	else
		ok = priv_lookup(passwd, groups, "headgate", group, out) ||
		    priv_lookup(passwd, groups, "nobody", group, out) ||
		    priv_lookup(passwd, groups, "65534", group, out);
	if (!ok)
		log_error("no such user or group: %s:%s", *user ? user : "headgate", group);
	if (ok && out->uid == 0) {
		log_error("user must not be root");
		ok = false;
	}
	mem_free((void *)(uintptr_t)passwd.p);
	mem_free((void *)(uintptr_t)groups.p);
	return ok;
}

/* ---- capabilities */

static int
cap_set(uint64_t keep)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {
	    {.effective = (uint32_t)keep, .permitted = (uint32_t)keep},
	    {.effective = (uint32_t)(keep >> 32), .permitted = (uint32_t)(keep >> 32)},
	};

	return (int)syscall(SYS_capset, &h, d);
}

/* What an exec could give: the bounding set. Needs SETPCAP; without it there is nothing to shrink
 * either. */
static void
bound(uint64_t keep)
{
	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (!(keep & BIT(cap)))
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

static uint64_t
cap_permitted(void)
{
	struct __user_cap_header_struct h = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct d[2] = {{0}};

	if (syscall(SYS_capget, &h, d) != 0)
		return 0;
	return d[0].permitted | (uint64_t)d[1].permitted << 32;
}

int
priv_master(void)
{
	bound(MASTER_CAPS);
	/* A container may have taken some away already. */
	if (cap_set(MASTER_CAPS & cap_permitted()) != 0)
		return -1;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

int
priv_drop(bool drop, uint32_t uid, uint32_t gid, uint64_t keep)
{
	keep &= cap_permitted();
	if (drop) {
		if (keep && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0)
			return -1;
		if (setgroups(0, NULL) != 0 || setresgid(gid, gid, gid) != 0 ||
		    setresuid(uid, uid, uid) != 0)
			return -1;
	}
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (cap_set(keep) != 0)
		return -1;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
#ifndef HG_SAN /* a leak checker attaches to its own process */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return -1;
#endif
	if (drop && (setuid(0) == 0 || getuid() != uid || geteuid() != uid)) {
		errno = EPERM;
		return -1;
	}
	return 0;
}
