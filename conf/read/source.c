/*
 * source.c - files read by the process itself: `headgate check -f`, `get -f`, tests. The walker
 * (walk.c) decides what counts as a file and who may have written it; here descriptors become text.
 * A file that shrinks or grows while it is read is taken as far as it goes, within the bound: the
 * next reload sees the rest.
 */
#include "conf/read/source.h"

#include <errno.h>

#include "base/check.h"
#include "base/mem.h"
#include "conf/read/walk.h"

struct direct {
	struct source source;
	struct arena *arena;
	const char *const *paths;
	unsigned n;
	bool flat, ownership;
	const char *listed[SOURCE_FILE_ROOTS];
	unsigned nlisted;
	struct walk_budget budget;
};
struct reading {
	struct direct *d;
	int (*file)(void *arg, struct source_file *);
	void *arg;
};

int
source_text(struct arena *a, int fd, uint64_t size, struct bytes *out)
{
	size_t n = 0, room = (size_t)HG_MIN(size, WALK_FILE_MAX);
	char *p = arena_alloc(a, room + 1);

	if (p == NULL)
		return ENOMEM;
	while (n < room) {
		ssize_t got = read(fd, p + n, room - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno;
		if (got == 0)
			break;
		n += (size_t)got;
	}
	p[n] = '\0';
	*out = bytes_of(p, n);
	return 0;
}

/* Standard input has no size beforehand. */
static int
stdin_text(struct arena *a, struct bytes *out)
{
	size_t n = 0, cap = 0;
	char *p = NULL;
	int error = 0;

	for (;;) {
		ssize_t got;

		p = mem_grow(p, &cap, n + 65536, 1);
		got = read(STDIN_FILENO, p + n, 65536);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			error = errno;
		if (got <= 0)
			break;
		n += (size_t)got;
		if (n > WALK_FILE_MAX) {
			error = PROTO_FILE_TOO_BIG;
			break;
		}
	}
	if (error == 0)
		*out = arena_bytes(a, bytes_of(p, n));
	mem_free(p);
	return error;
}

static int
take(void *arg, const struct walk_entry *e)
{
	struct reading *r = arg;
	struct arena *a = r->d->arena;
	struct source_file f = {
		.path = arena_bytes(a, bytes_str(e->path)),
		.ns = *e->ns ? arena_bytes(a, bytes_str(e->ns)) : BYTES_NONE,
		.role = e->role,
		.error = e->error,
		.mtime_ns = e->mtime_ns,
	};

	if (f.error == 0)
		f.error = source_text(a, e->fd, e->size, &f.text);
	return r->file(r->arg, &f);
}

static int
walk(struct source *s, unsigned root, int (*file)(void *arg, struct source_file *), void *arg)
{
	struct direct *d = s->impl;
	struct reading r = {d, file, arg};
	struct walk_root w = {
	    .flat = d->flat, .ownership = d->ownership && !d->flat, .index = root};

	if (root >= d->n)
		return -1;
	w.path = d->paths[root];
	if (d->flat && strcmp(w.path, "-") == 0) {
		struct source_file f = {.path = BYTES("-"), .role = PROTO_ROLE_FLAT};

		f.error = stdin_text(d->arena, &f.text);
		file(arg, &f);
		return 0;
	}
	if (root == 0)
		d->budget = (struct walk_budget){0};
	walk_tree(&w, &d->budget, take, &r);
	return 0;
}

static int
allow(struct source *s, struct bytes folder)
{
	struct direct *d = s->impl;

	if (d->nlisted == SOURCE_FILE_ROOTS)
		return -1;
	d->listed[d->nlisted++] = arena_dup(d->arena, folder);
	return 0;
}

static int
opened(int fd, uint64_t size, struct arena *a, struct source_file *out)
{
	if (fd < 0)
		return 0;
	out->error = source_text(a, fd, size, &out->text);
	close(fd);
	return 0;
}

static void
open_referenced(struct direct *d, const char *path, struct walk_entry *e)
{
	struct walk_root root = {.path = d->n ? d->paths[0] : "", .ownership = d->ownership};

	if (d->flat)
		for (unsigned i = 0; i < d->n && e->fd < 0; i++)
			walk_open_beside(d->paths[i], path, e);
	else if (path[0] == '/')
		walk_open_listed(d->listed, d->nlisted, d->ownership, path, e);
	else
		walk_open_role(&root, path, e);
}

static int
open_one(struct source *s, struct bytes path, struct arena *a, struct source_file *out)
{
	struct direct *d = s->impl;
	struct walk_entry e = {.fd = -1, .error = EACCES};

	*out = (struct source_file){.path = path, .role = PROTO_ROLE_FLAT};
	if (bytes_eq(path, BYTES(SOURCE_SYSTEM_CA)))
		e.fd = walk_open_system_ca(&e.size, &e.mtime_ns, &e.error);
	else
		open_referenced(d, arena_dup(a, path), &e);
	out->error = e.error;
	out->mtime_ns = e.mtime_ns;
	return opened(e.fd, e.size, a, out);
}

struct source *
source_direct(struct arena *a, const char *const *paths, unsigned n, bool flat, bool ownership)
{
	struct direct *d = arena_zalloc(a, sizeof(*d));

	*d = (struct direct){
	    .arena = a, .paths = paths, .n = n, .flat = flat, .ownership = ownership};
	d->source = (struct source){
	    .walk = walk, .open = open_one, .allow = allow, .impl = d};
	return &d->source;
}
