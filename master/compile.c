/*
 * compile.c - the compiler role: a process that lives for one reload, is in the jail from its first
 * instruction, gets every byte it parses from the reader and every answer about sockets from the
 * master, and leaves two or three sealed memfds behind, or a reason. A crash, a leak or an endless
 * loop in here costs nobody anything: the note page tells the master which file it was in.
 *
 * The compile itself is conf/compile.h's compile_run(), handed in by main.c, so that tests can put
 * another in its place.
 */
#include "master/roles.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "conf/compile.h"
#include "conf/read/diag_print.h"
#include "conf/read/source.h"

#define START_MS 30000
#define BOUND_MS 30000
#define DEFAULT_ROOT "/etc/headgate"

struct compiler {
	struct imsg_chan master, reader;
	struct arena arena;
	struct proto_compile params;
	uint32_t seq;                  /* generation */
	struct proto_note *note;
	struct catalogue old;
	bool have_old;
	struct imsg in;
};

static int
send_out(struct compiler *c, uint32_t type, const void *payload, const int *fds, unsigned nfds)
{
	if (imsg_send(&c->master, type, c->seq, payload, proto_len(type, payload), fds, nfds) != 0)
		return -1;
	return imsg_flush(&c->master) == 1 ? 0 : -1;
}

static int
fail(struct compiler *c, const char *fmt, ...) HG_PRINTF(2, 3);
static int
fail(struct compiler *c, const char *fmt, ...)
{
	struct proto_text t = {{0}};
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(t.text, sizeof(t.text), fmt, ap);
	va_end(ap);
	return send_out(c, PROTO_FAILED, &t, NULL, 0) == 0 ? 0 : 1;
}

/* ---- sockets: the master binds, we ask */

static int
ask_bind(struct compiler *c, struct proto_bind *b, int32_t *err)
{
	const struct proto_bound *r = (const struct proto_bound *)(const void *)c->in.data;
	bool ok;

	if (send_out(c, PROTO_BIND, b, NULL, 0) != 0)
		return -1;
	if (imsg_wait(&c->master, &c->in, BOUND_MS) != 1)
		return -1;
	ok = c->in.type == PROTO_BOUND && proto_take(c->in.type, c->in.data, c->in.len) &&
	    r->n == b->n;
	if (ok)
		memcpy(err, r->err, b->n * sizeof(*err));
	imsg_close_fds(&c->in);
	return ok ? 0 : -1;
}

static int
bind_all(void *arg, const struct proto_sockkey *v, unsigned n, int32_t *err)
{
	struct proto_bind *b = mem_zalloc(sizeof(*b));
	unsigned at = 0;
	int rc = 0;

	do {
		b->n = HG_MIN(n - at, (unsigned)PROTO_BIND_MAX);
		b->more = at + b->n < n;
		memcpy(b->v, v + at, b->n * sizeof(*v));
		rc = ask_bind(arg, b, err + at);
		at += b->n;
	} while (rc == 0 && at < n);
	mem_free(b);
	return rc;
}

/* ---- input */

static int
receive(struct compiler *c, int chan)
{
	int fd;

	imsg_init(&c->master, chan);
	if (imsg_wait(&c->master, &c->in, START_MS) != 1 || c->in.type != PROTO_COMPILE ||
	    c->in.nfds < 2 || !proto_take(c->in.type, c->in.data, c->in.len))
		return -1;
	memcpy(&c->params, c->in.data, sizeof(c->params));
	c->seq = c->in.seq;
	imsg_init(&c->reader, imsg_take_fd(&c->in, 0));
	fd = imsg_take_fd(&c->in, 1);
	c->note = mmap(NULL, sizeof(*c->note), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (c->note == MAP_FAILED)
		return -1;
	fd = imsg_take_fd(&c->in, 2);
	if (fd >= 0) {
		/* It may come from the disk, and from another build: then first-seen times start
		 * anew. */
		c->have_old = catalogue_open(fd, true, &c->old) == HG_OK;
		if (!c->have_old)
			log_warn(
			    "the stored catalogue cannot be read; statuses start anew");
		close(fd);
	}
	imsg_close_fds(&c->in);
	return 0;
}

/* headgate.conf's text. 0, or -1 with a reason sent. */
static int
read_settings(struct compiler *c, struct source *s, struct compile_in *in)
{
	struct source_file f;
	const char *path = c->params.conf;

	if (!path[0])
		return 0;
	if (s->open(s, bytes_str(path), &c->arena, &f) != 0) {
		(void)fail(c, "the reader process has died");
		return -1;
	}
	if (f.error) {
		(void)fail(c, "%s: %s", path,
		    f.error > 0 ? strerror(f.error) : "not a regular file, or too large");
		return -1;
	}
	in->conf_file = bytes_str(path);
	in->conf_text = f.text;
	return 0;
}

/* Without -f the root stands in headgate.conf; the reader takes the first that we name and no
 * other. */
static int
find_root(struct compiler *c, const struct compile_in *in)
{
	struct bytes root = BYTES(DEFAULT_ROOT);
	struct k_headgate *conf;
	struct diags ignored;

	if (c->params.flat || c->params.nroots)
		return 0;
	diags_init(&ignored, &c->arena);
	conf = load_conf(&c->arena, &ignored, in->conf_file, in->conf_text);
	/* Its errors are reported by the compile, which reads it again. */
	if (conf && conf->resources.n)
		root = conf->resources;
	if (root.n >= sizeof(c->params.roots[0])) {
		(void)fail(c, "resources: the path is too long");
		return -1;
	}
	memcpy(c->params.roots[0], root.p, root.n);
	c->params.nroots = 1;
	return 0;
}

/* ---- output */

static void
copy(char *to, size_t cap, struct bytes from)
{
	(void)snprintf(to, cap, "%.*s", BYTES_ARG(from));
}

static void
say_diags(const struct compile_out *out)
{
	struct strbuf text = STRBUF_INIT;

	if (!out->diags.first)
		return;
	diag_print_list(
	    &text, out->diags.first, out->diags.errors + out->diags.warnings, DIAG_SHORT, false);
	if (write(STDERR_FILENO, text.p, text.n) < 0)
		log_debug("stderr: %s", strerror(errno));
	strbuf_release(&text);
}

static void
first_error(const struct diags *d, char *to, size_t cap)
{
	struct strbuf text = STRBUF_INIT;

	for (const struct diag *e = d->first; e; e = e->next) {
		if (e->severity != DIAG_ERROR)
			continue;
		diag_print_short(&text, e);
		while (text.n && text.p[text.n - 1] == '\n')
			text.p[--text.n] = '\0';
		break;
	}
	copy(to, cap, strbuf_bytes(&text));
	strbuf_release(&text);
}

static int
hand_over(struct compiler *c, struct compile_out *out)
{
	struct {
		struct blob_writer *w;
		const char *name;
	} blobs[] = {{out->image, "headgate-image"}, {out->catalogue, "headgate-catalogue"},
	    {out->secrets, "headgate-secrets"}};
	int fds[3];
	unsigned n = 0;

	for (unsigned i = 0; i < HG_ARRAY_LEN(blobs) && blobs[i].w; i++) {
		fds[n] = blob_seal(blobs[i].w, blobs[i].name);
		if (fds[n] < 0)
			return fail(c, "cannot write the generation: %s", strerror(errno));
		n++;
	}
	if (n < 2)
		return fail(c, "the compile made no image");
	if (out->conf && out->conf->settings) {
		out->result.heartbeat_ms = (uint32_t)out->conf->settings->heartbeat_ms;
		out->result.grace_ms = out->conf->settings->shutdown_grace_ms;
	}
	if (!out->result.summary[0])
		first_error(&out->diags, out->result.summary, sizeof(out->result.summary));
	return send_out(c, PROTO_RESULT, &out->result, fds, n) == 0 ? 0 : 1;
}

int
compiler_run(struct role_env *env, compile_fn *run)
{
	struct compiler *c = mem_zalloc(sizeof(*c));
	struct compile_in in = {.bind = bind_all, .bind_arg = c};
	struct compile_out out = {0};
	enum hg_err err;

	if (receive(c, env->chan) != 0) {
		log_error("nothing to compile");
		return 1;
	}
	arena_init(&c->arena, 64 * 1024, 0);
	in.params = &c->params;
	in.source = source_channel(&c->arena, &c->reader, &c->params);
	in.old = c->have_old ? &c->old : NULL;
	in.now = (int64_t)(clock_real() / SEC_NS);
	in.note = c->note;
	if (read_settings(c, in.source, &in) != 0 || find_root(c, &in) != 0)
		return 0;
	err = run(&c->arena, &in, &out);
	say_diags(&out);
	if (err == HG_OK)
		return hand_over(c, &out);
	first_error(&out.diags, out.result.summary, sizeof(out.result.summary));
	if (out.result.summary[0])
		return fail(c, "%s", out.result.summary);
	return fail(c, "the compiler could not go on: %s", /* most likely its reader is gone */
	    err_text(err));
}
