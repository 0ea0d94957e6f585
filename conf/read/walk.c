/*
 * walk.c - the walker. Each folder is opened once, judged by fstat on the open descriptor, listed,
 * sorted and gone through; files are opened relative to that descriptor, so nothing that is renamed
 * in between can lead elsewhere. What is wrong is one entry with an error, and the walk goes on.
 * nftw() was rejected (paths, not descriptors), and so was following links to folders (loops, and
 * every object twice). Links to files are common (mounted ConfigMaps) and stay allowed as long as
 * they end below their anchor; with ownership rules the target's own folders are judged too.
 */
#include "conf/read/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/bytes.h"
#include "base/check.h"
#include "base/mem.h"
#include "base/parse.h"

struct walk {
	const struct walk_root *root;
	struct walk_budget *budget;
	walk_file *file;
	void *arg;
	int anchor;         /* folder that nothing may leave; -1 none */
	size_t anchor_len;  /* of its path in `path`, with the '/' */
	uid_t uid;          /* of the role's folder */
	gid_t gid;
	uint8_t role;
	char ns[64];
	char path[WALK_PATH_MAX];
	size_t len;
	int stop;
};

struct names {
	char **v;
	size_t n, cap;
};

static void
emit(struct walk *w, int fd, int error, const struct stat *st)
{
	struct walk_entry e = {
	    .path = w->path,
	    .ns = w->ns,
	    .role = w->role,
	    .root = w->root->index,
	    .fd = fd,
	    .error = error,
	};

	if (w->stop)
		return;
	if (st) {
		e.size = (uint64_t)st->st_size;
		e.mtime_ns =
		    (uint64_t)st->st_mtim.tv_sec * 1000000000u + (uint64_t)st->st_mtim.tv_nsec;
	}
	w->stop = w->file(w->arg, &e);
}

/* Once, then the walk is over. */
static void
too_many(struct walk *w)
{
	if (!w->budget->full)
		emit(w, -1, PROTO_FILE_TOO_MANY, NULL);
	w->budget->full = true;
}

/* An ACL can let others write although the mode looks fine (its mask is shown as the group's bits).
 */
static bool
has_acl(int fd)
{
	return fgetxattr(fd, "system.posix_acl_access", NULL, 0) >= 0 ||
	       (errno != ENODATA && errno != ENOTSUP && errno != ENOSYS);
}

/* Writable by nobody but root and (uid, gid)? */
static bool
owned(int fd, const struct stat *st, uid_t uid, gid_t gid)
{
	if (st->st_uid != 0 && st->st_uid != uid)
		return false;
	if (st->st_mode & S_IWOTH)
		return false;
	if ((st->st_mode & S_IWGRP) == 0)
		return true;
	return (st->st_gid == 0 || st->st_gid == gid) && !has_acl(fd);
}

/* Judge an open file and hand it over. */
static void
take_file(struct walk *w, int fd)
{
	struct stat st;
	int error = 0;

	if (fstat(fd, &st) != 0)
		error = errno;
	else if (!S_ISREG(st.st_mode))
		error = PROTO_FILE_NOT_REGULAR;
	else if (st.st_size < 0 || (uint64_t)st.st_size > WALK_FILE_MAX)
		error = PROTO_FILE_TOO_BIG;
	else if (w->root->ownership && !owned(fd, &st, w->uid, w->gid))
		error = PROTO_FILE_WRITABLE;
	if (error) {
		emit(w, -1, error, NULL);
		return;
	}
	if (w->budget->files == WALK_FILES_MAX ||
	    (uint64_t)st.st_size > WALK_ALL_MAX - w->budget->bytes) {
		too_many(w);
		return;
	}
	w->budget->files++;
	w->budget->bytes += (uint64_t)st.st_size;
	emit(w, fd, 0, &st);
}

/* Every folder from `dir` up to the anchor, where ownership counts. Takes dir. */
static int
chain_error(struct walk *w, int dir)
{
	struct stat top, st;
	int error = fstat(w->anchor, &top) == 0 ? 0 : errno;

	for (unsigned i = 0; error == 0; i++) {
		int up;

		if (fstat(dir, &st) != 0)
			error = errno;
		else if (!owned(dir, &st, w->uid, w->gid))
			error = PROTO_FILE_WRITABLE;
		if (error || (st.st_dev == top.st_dev && st.st_ino == top.st_ino))
			break;
		up = i < PATH_MAX / 2 ? openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
		error = up < 0 ? PROTO_FILE_LINK : 0;
		if (up >= 0) {
			close(dir);
			dir = up;
		}
	}
	close(dir);
	return error;
}

/* `path`, with its last part replaced by the text of the link there. False: no link, or it leaves
 * by itself. */
static bool
follow(int anchor, char path[WALK_PATH_MAX], int *error)
{
	char target[WALK_PATH_MAX], *slash = strrchr(path, '/');
	ssize_t n = readlinkat(anchor, path, target, sizeof(target) - 1);
	size_t dir = slash ? (size_t)(slash - path) + 1 : 0;

	if (n < 0) {
		*error = errno == EINVAL ? 0 : errno;
		return false;
	}
	*error = PROTO_FILE_LINK;
	if (n == 0 || target[0] == '/' || dir + (size_t)n >= WALK_PATH_MAX)
		return false;
	memcpy(path + dir, target, (size_t)n);
	path[dir + (size_t)n] = '\0';
	*error = 0;
	return true;
}

/* A link to a file, where the folders of the target must be judged as well: its links are followed
 * by hand. */
static int
open_owned_link(struct walk *w, const char *rel, int *error)
{
	char path[WALK_PATH_MAX], *slash;
	int dir, fd;

	snprintf(path, sizeof(path), "%s", rel);
	for (unsigned i = 0; i < 8 && follow(w->anchor, path, error); i++)
		;
	if (*error)
		return -1;
	slash = strrchr(path, '/');
	if (slash)
		*slash = '\0';
	dir = walk_openat(w->anchor, slash ? path : ".", O_RDONLY | O_DIRECTORY, RESOLVE_BENEATH);
	if (dir < 0) {
		*error = walk_link_error(errno);
		return -1;
	}
	fd = walk_openat(
	    dir, slash ? slash + 1 : path, O_RDONLY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	*error = fd < 0 ? walk_link_error(errno) : 0;
	if (fd < 0) {
		close(dir);
		return -1;
	}
	*error = chain_error(w, dir);
	return fd;
}

/* A file below the anchor, by way of links too. */
static void
take_below(struct walk *w, const char *rel)
{
	int error = 0, fd;

	if (w->root->ownership)
		fd = open_owned_link(w, rel, &error);
	else if ((fd = walk_openat(w->anchor, rel, O_RDONLY, RESOLVE_BENEATH)) < 0)
		error = walk_link_error(errno);
	if (error)
		emit(w, -1, error, NULL);
	else
		take_file(w, fd);
	if (fd >= 0)
		close(fd);
}

static void
visit_link(struct walk *w)
{
	const char *rel = w->path + w->anchor_len;
	int error = 0;
	struct stat st;

	if (fstatat(w->anchor, rel, &st, 0) != 0)
		error = walk_link_error(errno);
	else if (S_ISDIR(st.st_mode))
		error = PROTO_FILE_LINK;
	else if (!S_ISREG(st.st_mode))
		error = PROTO_FILE_NOT_REGULAR;
	if (error)
		emit(w, -1, error, NULL);
	else
		take_below(w, rel);
}

static bool
wanted(const char *name)
{
	static const char *const ends[] = {".yaml", ".yml", ".json", ".conf"};

	for (size_t i = 0; i < HG_ARRAY_LEN(ends); i++)
		if (bytes_ends(bytes_str(name), bytes_str(ends[i])))
			return true;
	return false;
}

/* Folders end in '/' in the list, which gives the byte order of whole paths. */
static int
compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
names_free(struct names *list)
{
	for (size_t i = 0; i < list->n; i++)
		mem_free(list->v[i]);
	mem_free(list->v);
}

/* Entries of a folder, with a mark behind: '/' folder, 1 link, 2 neither file nor folder; files
 * have none. */
static int
list_names(struct walk *w, int dir, struct names *out)
{
	int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), error = 0;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);
	struct dirent *e;

	if (d == NULL) {
		error = errno;
		if (copy >= 0)
			close(copy);
		return error;
	}
	while (errno = 0, (e = readdir(d)) != NULL) {
		char name[NAME_MAX + 2];
		struct stat st;

		if (w->budget->names++ >= WALK_NAMES_MAX) {
			error = PROTO_FILE_TOO_MANY;
			break;
		}
		if (e->d_name[0] == '.' || fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		if (!S_ISDIR(st.st_mode) && !wanted(e->d_name) && !S_ISLNK(st.st_mode))
			continue;
		snprintf(name, sizeof(name), "%s%s", e->d_name, S_ISDIR(st.st_mode) ? "/" :
		    S_ISLNK(st.st_mode) ? "\x01" : S_ISREG(st.st_mode) ? "" : "\x02");
		out->v = mem_grow(out->v, &out->cap, out->n, sizeof(*out->v));
		out->v[out->n++] = mem_dup(bytes_str(name));
	}
	if (error == 0)
		error = errno;
	closedir(d);
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), compare);
	return error;
}

static bool
path_push(struct walk *w, const char *name)
{
	size_t n = strlen(name);

	if (w->len + n + 2 > sizeof(w->path))
		return false;
	memcpy(w->path + w->len, name, n + 1);
	w->len += n;
	return true;
}

static void
path_cut(struct walk *w, size_t len)
{
	w->len = len;
	w->path[len] = '\0';
}

/* A link whose own name is not wanted counts only if it leads to a folder: said, not silently
 * skipped. */
static bool
link_matters(int dir, const char *name)
{
	struct stat st;

	return wanted(name) || (fstatat(dir, name, &st, 0) == 0 && S_ISDIR(st.st_mode));
}

static void
visit_file(struct walk *w, int dir, const char *name, char kind)
{
	int fd;

	if (kind == '\x02') {
		emit(w, -1, PROTO_FILE_NOT_REGULAR, NULL);
	} else if (kind == '\x01') {
		if (link_matters(dir, name))
			visit_link(w);
	} else if ((fd = walk_openat(dir, name, O_RDONLY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)) <
	    0) {
		emit(w, -1, walk_link_error(errno), NULL);
	} else {
		take_file(w, fd);
		close(fd);
	}
}

static void visit_dir(struct walk *w, int dir, unsigned depth);

/* One entry of list_names(); w->path names its folder and ends in '/'. */
static void
visit(struct walk *w, int dir, char *name, unsigned depth)
{
	size_t n = strlen(name), len = w->len;
	char kind = name[n - 1];
	int fd;

	if (kind == '/' || kind == '\x01' || kind == '\x02')
		name[n - 1] = '\0';
	if (!path_push(w, name)) {
		emit(w, -1, ENAMETOOLONG, NULL);
		return;
	}
	if (kind != '/') {
		visit_file(w, dir, name, kind);
	} else if (depth == WALK_DEPTH_MAX) {
		emit(w, -1, PROTO_FILE_DEPTH, NULL);
	} else if ((fd = walk_openat(dir, name, O_RDONLY | O_DIRECTORY,
			RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS)) < 0) {
		emit(w, -1, walk_link_error(errno), NULL);
	} else {
		visit_dir(w, fd, depth + 1);
		close(fd);
	}
	path_cut(w, len);
}

/* w->path names the folder, without '/'. */
static void
visit_dir(struct walk *w, int dir, unsigned depth)
{
	struct names list = {0};
	struct stat st;
	int error = 0;

	if (w->root->ownership && (fstat(dir, &st) != 0 || !owned(dir, &st, w->uid, w->gid)))
		error = PROTO_FILE_WRITABLE;
	if (error == 0)
		error = list_names(w, dir, &list);
	if (error == PROTO_FILE_TOO_MANY)
		too_many(w);
	else if (error)
		emit(w, -1, error, NULL);
	if (path_push(w, "/"))
		for (size_t i = 0; i < list.n && error == 0 && !w->stop && !w->budget->full; i++)
			visit(w, dir, list.v[i], depth);
	names_free(&list);
}

/* What nothing below it may leave, and whose owner and group may write there. */
static bool
set_anchor(struct walk *w, int dir)
{
	struct stat st;

	if (fstat(dir, &st) != 0) {
		emit(w, -1, errno, NULL);
		return false;
	}
	w->uid = st.st_uid;
	w->gid = st.st_gid;
	w->anchor = dir;
	return true;
}

/* A role's folder (or, in flat mode, the path itself) as the anchor of what is below. */
static void
visit_anchor(struct walk *w, int dir)
{
	if (!set_anchor(w, dir))
		return;
	w->anchor_len = w->len + 1;
	visit_dir(w, dir, 1);
	w->anchor = -1;
}

static void
visit_role(struct walk *w, int dir, const char *name, enum proto_role role)
{
	size_t len = w->len;
	int fd;

	if (!path_push(w, name)) {
		emit(w, -1, ENAMETOOLONG, NULL);
		return;
	}
	w->role = (uint8_t)role;
	fd = walk_openat(dir, name, O_RDONLY | O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	if (fd >= 0) {
		visit_anchor(w, fd);
		close(fd);
	} else if (errno != ENOENT) {
		emit(w, -1, walk_link_error(errno), NULL);
	}
	path_cut(w, len);
}

/* routes.d: one folder a namespace, nothing else. */
static void
visit_namespaces(struct walk *w, int dir)
{
	struct names list = {0};
	size_t len = w->len;
	int error = list_names(w, dir, &list);

	if (error)
		emit(w, -1, error, NULL);
	for (size_t i = 0; i < list.n && error == 0 && !w->stop && !w->budget->full; i++) {
		char *name = list.v[i];
		size_t n = strlen(name);
		bool folder = name[n - 1] == '/';

		if (folder || name[n - 1] <= '\x02') /* the mark of list_names() */
			name[n - 1] = '\0';
		if (folder && parse_dns_label(bytes_str(name))) {
			snprintf(w->ns, sizeof(w->ns), "%s", name);
			visit_role(w, dir, name, PROTO_ROLE_ROUTES);
			w->ns[0] = '\0';
		} else if (path_push(w, name)) {
			w->role = PROTO_ROLE_ROUTES;
			emit(w, -1, PROTO_FILE_NAME, NULL);
		}
		path_cut(w, len);
	}
	names_free(&list);
}

/* The root and routes.d belong to root: whoever can write them could make a role's folder anew. */
static int
open_admin(struct walk *w, int dir, const char *name)
{
	/* The resource root is what the administrator says, links and all. */
	int fd = walk_openat(dir, name, O_RDONLY | O_DIRECTORY, dir == AT_FDCWD ? 0 :
	    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
	struct stat st;

	if (fd >= 0 && w->root->ownership && (fstat(fd, &st) != 0 || !owned(fd, &st, 0, 0))) {
		emit(w, -1, PROTO_FILE_WRITABLE, NULL);
		close(fd);
		return -2;
	}
	return fd;
}

/* YAML beside the role folders is said; *.conf is not (headgate.conf may live here). */
static void
strays(struct walk *w, int dir)
{
	struct names list = {0};
	size_t len = w->len;

	list_names(w, dir, &list);
	for (size_t i = 0; i < list.n && !w->stop; i++) {
		struct bytes name = bytes_str(list.v[i]);

		if (name.p[name.n - 1] == '/' || !wanted(name.p) ||
		    bytes_ends(name, BYTES(".conf")))
			continue;
		if (path_push(w, name.p))
			emit(w, -1, PROTO_FILE_NAME, NULL);
		path_cut(w, len);
	}
	names_free(&list);
}

static void
walk_roles(struct walk *w)
{
	int root = open_admin(w, AT_FDCWD, w->path), routes;
	size_t len;

	if (root < 0) {
		if (root == -1)
			emit(w, -1, walk_link_error(errno), NULL);
		return;
	}
	if (!path_push(w, "/")) {
		close(root);
		return;
	}
	len = w->len;
	strays(w, root);
	visit_role(w, root, "infra.d", PROTO_ROLE_INFRA);
	w->role = PROTO_ROLE_ROUTES;
	if (path_push(w, "routes.d")) {
		routes = open_admin(w, root, "routes.d");
		if (routes == -1 && errno != ENOENT)
			emit(w, -1, walk_link_error(errno), NULL);
		if (routes >= 0 && path_push(w, "/"))
			visit_namespaces(w, routes);
		if (routes >= 0)
			close(routes);
	}
	path_cut(w, len);
	visit_role(w, root, "security.d", PROTO_ROLE_SECURITY);
	close(root);
}

static void
walk_flat(struct walk *w)
{
	struct stat st;
	int fd;

	w->role = PROTO_ROLE_FLAT;
	/* What the user names may be a link to anywhere; what lies below may not. A pipe is not
	 * even opened. */
	if (stat(w->path, &st) != 0) {
		emit(w, -1, errno, NULL);
		return;
	}
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
		emit(w, -1, PROTO_FILE_NOT_REGULAR, NULL);
		return;
	}
	fd = open(w->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		emit(w, -1, errno, NULL);
		return;
	}
	if (S_ISDIR(st.st_mode))
		visit_anchor(w, fd);
	else
		take_file(w, fd);
	close(fd);
}

int
walk_tree(const struct walk_root *root, struct walk_budget *budget, walk_file *file, void *arg)
{
	struct walk *w = mem_zalloc(sizeof(*w));
	int stop;

	*w = (struct walk){.root = root, .budget = budget, .file = file, .arg = arg, .anchor = -1};
	w->len = strlen(root->path);
	if (w->len >= sizeof(w->path) - 1) {
		w->len = 0;
		emit(w, -1, ENAMETOOLONG, NULL);
	} else {
		memcpy(w->path, root->path, w->len + 1);
		while (w->len > 1 && w->path[w->len - 1] == '/')
			path_cut(w, w->len - 1);
		if (root->flat)
			walk_flat(w);
		else
			walk_roles(w);
	}
	stop = w->stop;
	mem_free(w);
	return stop;
}

/* ---- references, where files have roles */

static int
keep(void *arg, const struct walk_entry *e)
{
	struct walk_entry *out = arg;

	*out = (struct walk_entry){.path = "", .ns = "", .fd = -1, .error = e->error,
	    .size = e->size, .mtime_ns = e->mtime_ns};
	if (e->error == 0 && (out->fd = fcntl(e->fd, F_DUPFD_CLOEXEC, 0)) < 0)
		out->error = errno;
	return 0;
}

/* The first part of *path, which has more behind it. */
static bool
cut(const char **path, char part[64])
{
	const char *slash = strchr(*path, '/');
	size_t n = slash ? (size_t)(slash - *path) : 0;

	if (n == 0 || n >= 64)
		return false;
	memcpy(part, *path, n);
	part[n] = '\0';
	*path = slash + 1;
	return true;
}

/* The folder that a path from the resource root may not leave; *path goes on below it. -1 with
 * errno, or -2 where open_admin() has said why. */
static int
role_folder(struct walk *w, int root, const char **path)
{
	const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
	bool routes;
	char part[64];
	int dir, fd;

	errno = ENOENT;
	if (!cut(path, part))
		return -1;
	routes = strcmp(part, "routes.d") == 0;
	if (!routes && strcmp(part, "infra.d") != 0 && strcmp(part, "security.d") != 0)
		return -1;
	if (!routes)
		return walk_openat(root, part, O_RDONLY | O_DIRECTORY, resolve);
	if (!cut(path, part) || !parse_dns_label(bytes_str(part)))
		return -1;
	dir = open_admin(w, root, "routes.d");
	if (dir < 0)
		return dir;
	fd = walk_openat(dir, part, O_RDONLY | O_DIRECTORY, resolve);
	close(dir);
	return fd;
}

/* So that nobody learns what exists elsewhere; links within the folder may still have them. */
static bool
goes_up(const char *rel)
{
	for (const char *p = rel; (p = strstr(p, "..")) != NULL; p += 2)
		if ((p == rel || p[-1] == '/') && (p[2] == '/' || p[2] == '\0'))
			return true;
	return false;
}

static void
take_reference(struct walk *w, int dir, const char *rel)
{
	if (dir >= 0 && goes_up(rel)) {
		emit(w, -1, PROTO_FILE_LINK, NULL);
		close(dir);
		return;
	}
	if (dir == -1)
		emit(w, -1, walk_link_error(errno), NULL);
	if (dir < 0)
		return;
	if (set_anchor(w, dir))
		take_below(w, rel);
	close(dir);
}

void
walk_open_role(const struct walk_root *root, const char *path, struct walk_entry *out)
{
	struct walk_budget budget = {0};
	struct walk *w = mem_zalloc(sizeof(*w));
	int fd, folder;

	*w = (struct walk){.root = root, .budget = &budget, .file = keep, .arg = out, .anchor = -1};
	fd = open_admin(w, AT_FDCWD, root->path);
	if (fd >= 0) {
		folder = role_folder(w, fd, &path);
		take_reference(w, folder, path);
		close(fd);
	} else if (fd == -1) {
		emit(w, -1, walk_link_error(errno), NULL);
	}
	mem_free(w);
}

const char *
walk_below(const char *folder, const char *path)
{
	size_t n = strlen(folder);

	while (n > 0 && folder[n - 1] == '/')
		n--;
	if (strncmp(folder, path, n) != 0 || path[n] != '/' || path[n + 1] == '\0')
		return NULL;
	return path + n + 1;
}

void
walk_open_listed(const char *const *folders, unsigned n, bool ownership, const char *path,
    struct walk_entry *out)
{
	struct walk_root root = {.ownership = ownership};
	struct walk_budget budget = {0};
	struct walk *w = mem_zalloc(sizeof(*w));
	const char *rest = NULL;

	*w = (struct walk){.root = &root, .budget = &budget, .file = keep, .arg = out,
	    .anchor = -1};
	for (unsigned i = 0; i < n && rest == NULL; i++) {
		rest = walk_below(folders[i], path);
		if (rest != NULL)
			take_reference(w,
			    walk_openat(AT_FDCWD, folders[i], O_RDONLY | O_DIRECTORY, 0), rest);
	}
	if (rest == NULL)
		emit(w, -1, PROTO_FILE_LINK, NULL);
	mem_free(w);
}
