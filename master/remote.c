/*
 * remote.c - the compiler's view of the reader: a struct source whose files come as descriptors
 * over a channel. One question is under way at a time, so nothing needs to be matched or queued; a
 * reader that dies or sends anything else makes the source dead, and the compile fails with that.
 */
#include "master/roles.h"

#include <errno.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/check.h"
#include "conf/read/source.h"

#define ANSWER_MS 60000

struct remote {
	struct source source;
	struct arena *arena;
	struct imsg_chan *chan;
	const struct proto_compile *params;
	uint32_t seq;
	bool busy, dead;
	struct imsg in;
};

static int
ask(struct remote *r, uint32_t type, struct bytes path)
{
	struct proto_path p = {0};

	HG_CHECK(!r->busy);
	if (r->dead || path.n >= sizeof(p.path))
		return -1;
	memcpy(p.path, path.p, path.n);
	r->seq++;
	if (imsg_send(r->chan, type, r->seq, &p, proto_len(type, &p), NULL, 0) == 0)
		return 0;
	r->dead = true;
	return -1;
}

/* The next answer: PROTO_FILE or PROTO_WALK_END, 0 when the reader is no more. */
static uint32_t
answer(struct remote *r)
{
	if (!r->dead && imsg_wait(r->chan, &r->in, ANSWER_MS) == 1) {
		if (proto_take(r->in.type, r->in.data, r->in.len) && r->in.seq == r->seq &&
		    (r->in.type == PROTO_FILE || r->in.type == PROTO_WALK_END))
			return r->in.type;
		imsg_close_fds(&r->in);
	}
	r->dead = true;
	return 0;
}

static void
take_file(struct remote *r, struct arena *a, struct source_file *out)
{
	const struct proto_file *f = (const struct proto_file *)(const void *)r->in.data;
	int fd = imsg_take_fd(&r->in, 0);

	*out = (struct source_file){.path = arena_bytes(a, bytes_str(f->path)),
	    .role = (uint8_t)f->role,
	    .ns = f->ns[0] ? arena_bytes(a, bytes_str(f->ns)) : BYTES_NONE,
	    .error = f->error,
	    .mtime_ns = f->mtime_ns};
	if (fd < 0 && out->error == 0)
		out->error = EIO;
	if (fd >= 0 && out->error == 0)
		out->error = source_text(a, fd, f->size, &out->text);
	if (fd >= 0)
		close(fd);
	imsg_close_fds(&r->in);
}

static int
walk(struct source *s, unsigned root, int (*file)(void *arg, struct source_file *), void *arg)
{
	struct remote *r = s->impl;
	uint32_t type;
	int rc = 0;

	HG_CHECK(root < r->params->nroots);
	if (ask(r, PROTO_WALK, bytes_str(r->params->roots[root])) != 0)
		return -1;
	r->busy = true;
	while ((type = answer(r)) == PROTO_FILE) {
		struct source_file f;

		take_file(r, r->arena, &f);
		/* After a stop the rest is read past: the channel stays in step. */
		if (rc == 0)
			rc = file(arg, &f);
	}
	r->busy = false;
	return type == PROTO_WALK_END ? rc : -1;
}

static int
open_one(struct source *s, struct bytes path, struct arena *a, struct source_file *out)
{
	struct remote *r = s->impl;

	*out = (struct source_file){.path = path, .error = EIO};
	if (ask(r, PROTO_OPEN, path) != 0 || answer(r) != PROTO_FILE)
		return -1;
	take_file(r, a, out);
	return 0;
}

/* No answer: an open that needs it fails. */
static int
allow(struct source *s, struct bytes folder)
{
	return ask(s->impl, PROTO_FILE_ROOT, folder);
}

struct source *
source_channel(struct arena *a, struct imsg_chan *chan, const struct proto_compile *params)
{
	struct remote *r = arena_zalloc(a, sizeof(*r));

	r->source = (struct source){
	    .walk = walk, .open = open_one, .allow = allow, .impl = r};
	r->arena = a;
	r->chan = chan;
	r->params = params;
	return &r->source;
}
