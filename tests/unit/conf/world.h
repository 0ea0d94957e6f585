/*
 * world.h - for the tests of resolve and compile: texts in memory through the whole of compile_run,
 * statuses read back from the sealed catalogue (as YAML, of which JSON is a part).
 */
#ifndef TESTS_UNIT_CONF_WORLD_H
#define TESTS_UNIT_CONF_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/mem.h"
#include "base/strbuf.h"
#include "conf/compile.h"
#include "shm/image.h"

#define WORLD_FILES 32
#define WORLD_NOW 1790000000 /* a fixed clock */

struct world {
	struct arena arena;
	struct proto_compile params;
	struct source source;
	struct compile_in in;
	struct compile_out out;
	enum hg_err err;
	const char *names[WORLD_FILES], *texts[WORLD_FILES];
	unsigned n;
	struct bytes conf;
	struct catalogue cat, old;
	int fd, image_fd, old_fd;
	/* bind answers: errno for this port, or for this address */
	uint16_t bad_port;
	int bad_errno;
	const char *bad_ip;
	unsigned bound;
};

static inline int
world_walk(struct source *s, unsigned root, int (*file)(void *, struct source_file *), void *arg)
{
	struct world *w = s->impl;

	(void)root;
	for (unsigned i = 0; i < w->n; i++) {
		struct source_file f = {
		    .path = bytes_str(w->names[i]), .text = bytes_str(w->texts[i])};

		if (w->texts[i] == NULL)
			continue;
		if (strcmp(w->texts[i], "<eacces>") == 0) {
			f.text = BYTES_NONE;
			f.error = EACCES;
		}
		if (file(arg, &f) != 0)
			return -1;
	}
	return 0;
}

static inline int
world_bind(void *arg, const struct proto_sockkey *v, unsigned n, int32_t *err)
{
	struct world *w = arg;
	struct addr ip;

	for (unsigned i = 0; i < n; i++) {
		err[i] = 0;
		if (w->bad_port != 0 && v[i].addr.port == w->bad_port)
			err[i] = w->bad_errno;
		if (w->bad_ip != NULL && addr_parse_ip(bytes_str(w->bad_ip), &ip) &&
		    addr_eq_ip(&ip, &v[i].addr))
			err[i] = w->bad_errno;
		w->bound += err[i] == 0;
	}
	return 0;
}

static inline void
world_init(struct world *w)
{
	memset(w, 0, sizeof(*w));
	w->fd = w->old_fd = w->image_fd = -1;
	w->params.flat = 1;
	w->params.nroots = 1;
	w->source.walk = world_walk;
	w->source.impl = w;
	w->in = (struct compile_in){.params = &w->params,
	    .source = &w->source,
	    .now = WORLD_NOW,
	    .bind = world_bind,
	    .bind_arg = w};
}

static inline void
world_file(struct world *w, const char *name, const char *text)
{
	assert_true(w->n < WORLD_FILES);
	w->names[w->n] = name;
	w->texts[w->n++] = text;
}

/* The next generation: what was the last catalogue becomes the old one. */
static inline void
world_compile(struct world *w)
{
	if (w->old_fd >= 0) {
		catalogue_close(&w->old);
		close(w->old_fd);
	}
	w->old = w->cat;
	w->old_fd = w->fd;
	w->fd = -1;
	if (w->image_fd >= 0)
		close(w->image_fd);
	w->image_fd = -1;
	if (w->old_fd >= 0)
		w->in.old = &w->old;
	if (w->params.generation != 0)
		arena_release(&w->arena);
	arena_init(&w->arena, 65536, 0);
	w->params.generation++;
	w->in.conf_file = BYTES("headgate.conf");
	w->in.conf_text = w->conf;
	w->err = compile_run(&w->arena, &w->in, &w->out);
	if (w->err != HG_OK)
		return;
	w->fd = blob_seal(w->out.catalogue, "catalogue");
	w->image_fd = blob_seal(w->out.image, "image");
	assert_true(w->fd >= 0 && w->image_fd >= 0);
	blob_writer_free(w->out.catalogue);
	blob_writer_free(w->out.image);
	blob_writer_free(w->out.secrets);
	assert_int_equal(catalogue_open(w->fd, false, &w->cat), HG_OK);
}

/* The image, checked as a worker checks it; the caller closes it. what: in a failure's message. */
static inline struct image
world_image(struct world *w, const char *what)
{
	struct image im;
	uint64_t pos = 0;
	char why[128] = "";

	assert_int_equal(image_open(w->image_fd, &im), HG_OK);
	if (image_check(&im, &pos, 1u << 30, why) != HG_OK)
		fail_msg("%s: %s", what, why);
	return im;
}

/* False, and a message with what came instead, unless a row's text is the expected one. */
static inline bool
world_text(const char *what, struct strbuf *got, const char *want)
{
	if (bytes_eq(strbuf_bytes(got), bytes_str(want)))
		return true;
	print_message("%s: got\n%.*s\n", what, BYTES_ARG(strbuf_bytes(got)));
	return false;
}

static inline void
world_release(struct world *w)
{
	if (w->fd >= 0) {
		catalogue_close(&w->cat);
		close(w->fd);
	}
	if (w->old_fd >= 0) {
		catalogue_close(&w->old);
		close(w->old_fd);
	}
	if (w->image_fd >= 0)
		close(w->image_fd);
	arena_release(&w->arena);
}

static inline const struct cat_object *
world_object(struct world *w, const char *kind, const char *ns, const char *name)
{
	const struct kind *k = NULL;

	for (unsigned i = 0; i < KIND_COUNT; i++)
		if (strcmp(kind_table[i].name, kind) == 0)
			k = &kind_table[i];
	assert_non_null(k);
	return catalogue_find(
	    &w->cat, bytes_str(k->group), bytes_str(kind), bytes_str(ns), bytes_str(name));
}

static inline int
world_take(void *arg, struct node *n)
{
	*(struct node **)arg = n;
	return 0;
}

static inline struct node *
world_parse(struct world *w, struct bytes text)
{
	struct node *n = NULL;
	struct diags d;

	if (text.p == NULL)
		return NULL;
	diags_init(&d, &w->arena);
	assert_int_equal(
	    read_text(&w->arena, &d, BYTES("status.json"), text, 0, BYTES_NONE, world_take, &n), 0);
	assert_non_null(n);
	return n;
}

/* "status/Reason" of a condition in a list, or "" if there is none; every condition must be
 * complete. */
static inline void
cond_in(const struct node *list, const char *type, char out[128])
{
	out[0] = '\0';
	assert_int_equal(list->type, NODE_LIST);
	assert_true(list->n >= 1 && list->n <= 8);
	for (const struct node *c = list->first; c != NULL; c = c->next) {
		assert_non_null(node_get(c, "type"));
		assert_non_null(node_get(c, "message"));
		assert_non_null(node_get(c, "lastTransitionTime"));
		assert_true(node_text(node_get(c, "reason")).n > 0);
		if (bytes_eq(node_text(node_get(c, "type")), bytes_str(type)))
			snprintf(out, 128, "%.*s/%.*s", BYTES_ARG(node_text(node_get(c, "status"))),
			    BYTES_ARG(node_text(node_get(c, "reason"))));
	}
}

/* where: "" the object's own, "l:NAME" a listener, "p:N" parents[N], "a:N" ancestors[N]. */
static inline const struct node *
conditions_at(const struct node *status, const char *where)
{
	const struct node *list = node_get(status,
	    where[0] == 'p'     ? "parents" :
		where[0] == 'a' ? "ancestors" :
		where[0] == 'l' ? "listeners" :
				  "conditions");
	const struct node *e = list == NULL ? NULL : list->first;

	if (where[0] == '\0')
		return list;
	for (int i = 0; e != NULL; e = e->next, i++)
		if (where[0] == 'l' ?
			bytes_eq(node_text(node_get(e, "name")), bytes_str(where + 2)) :
			i == where[2] - '0')
			return node_get(e, "conditions");
	return NULL;
}

/* "#attached", "#kinds" (joined), "#sets", "#addresses" instead of a condition's type. */
static inline void
fact(const struct node *status, const char *where, const char *type, char out[128])
{
	const struct node *list = node_get(status, "listeners"),
			  *e = list == NULL ? NULL : list->first;
	size_t n = 0;

	out[0] = '\0';
	if (strcmp(type, "#sets") == 0) {
		snprintf(out, 128, "%.*s",
		    BYTES_ARG(node_text(node_get(status, "attachedListenerSets"))));
		return;
	}
	if (strcmp(type, "#addresses") == 0) {
		list = node_get(status, "addresses");
		for (e = list->first; e != NULL; e = e->next)
			n += (size_t)snprintf(out + n, 128 - n, "%s%.*s", n == 0 ? "" : ",",
			    BYTES_ARG(node_text(node_get(e, "value"))));
		return;
	}
	while (e != NULL && !bytes_eq(node_text(node_get(e, "name")), bytes_str(where + 2)))
		e = e->next;
	if (e == NULL)
		return;
	if (strcmp(type, "#attached") == 0)
		snprintf(out, 128, "%.*s", BYTES_ARG(node_text(node_get(e, "attachedRoutes"))));
	for (const struct node *k = node_get(e, "supportedKinds")->first;
	     type[1] == 'k' && k != NULL; k = k->next)
		n += (size_t)snprintf(out + n, 128 - n, "%s%.*s", n == 0 ? "" : ",",
		    BYTES_ARG(node_text(node_get(k, "kind"))));
}

static inline const char *
world_cond(struct world *w, const char *kind, const char *ns, const char *name, const char *where,
    const char *type)
{
	static char text[128];
	const struct cat_object *o = world_object(w, kind, ns, name);
	const struct node *status, *list;

	if (o == NULL)
		return "no object";
	status = world_parse(w, blob_text(&w->cat.blob, o->status));
	list = status == NULL ? NULL : conditions_at(status, where);
	if (type[0] == '#')
		fact(status, where, type, text);
	else if (list == NULL)
		snprintf(text, sizeof(text), "no conditions");
	else
		cond_in(list, type, text);
	return text;
}

static inline void
world_dump(struct world *w)
{
	for (const struct diag *d = w->out.diags.first; d != NULL; d = d->next)
		print_message("# %.*s:%u:%u HG%04u %.*s\n", BYTES_ARG(d->file), d->at.line,
		    d->at.col, d->code, BYTES_ARG(d->message));
}

/* "KIND NS NAME WHERE TYPE WHAT", "-" for nothing; false (and a line about it) if it is otherwise.
 */
static inline bool
world_expect(struct world *w, const char *what, struct bytes line)
{
	char copy[256], *part[6], *at = copy;
	const char *got;

	assert_true(line.n < sizeof(copy));
	memcpy(copy, line.p, line.n);
	copy[line.n] = '\0';
	for (unsigned i = 0; i < 6; i++) {
		part[i] = at;
		if (i < 5) {
			at = strchr(at, ' ');
			assert_non_null(at);
			*at++ = '\0';
		}
	}
	got = world_cond(w, part[0], part[1][0] == '-' ? "" : part[1], part[2],
	    part[3][0] == '-' ? "" : part[3], part[4]);
	if (strcmp(got, part[5]) == 0)
		return true;
	print_message("%s: %.*s: got %s\n", what, BYTES_ARG(line), got);
	return false;
}

#endif
