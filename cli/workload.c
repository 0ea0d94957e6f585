/*
 * workload.c - `headgate workload add|drain|remove|list`: what a kubelet does for pods, for a
 * unit's ExecStartPost and ExecStop. A Workload is one file, `workload-NAME.yaml`, in the
 * namespace's folder or the one given with -f; the file is the state, so there is nothing to lose
 * and nothing to keep in step. It is checked before it is written, put in place by a rename, and
 * taken over by a reload that waits.
 *
 * An instance that does not run is no error: it reads the file when it starts, and units start in
 * any order. Neither are other people's errors.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "cli/cli.h"
#include "cli/ctl.h"
#include "cli/offline.h"
#include "cli/verbs.h"
#include "cli/view.h"
#include "conf/kinds/load.h"

#define FILE_MAX (1u << 16)

struct workload {
	struct arena arena;
	struct opts *o;
	const char *name, *ns;
	char file[300], temporary[320];
	int dir;
};

static int
usage(void)
{
	fprintf(stderr,
	    "usage: headgate workload add NAME [--address IP] [--port NAME=NUMBER]… "
	    "[-l KEY=VALUE]… [--weight N]\n"
	    "       headgate workload drain|remove NAME\n"
	    "       headgate workload list\n"
	    "flags: -n NS, -f FOLDER (of its file; else the namespace's folder in routes.d)\n");
	return EX_USAGE_;
}

static int
failed(const struct workload *w, const char *what)
{
	int e = errno;

	fprintf(stderr, "headgate: %s %s: %s\n", what, w->file, strerror(e));
	return e == EACCES || e == EPERM ? EX_NOT_PERMITTED : EX_FAILED;
}

/* ---- the folder and the file */
static int
open_folder(struct workload *w)
{
	const char *path = w->o->nfiles != 0 ? w->o->files[0] : NULL;

	if (path == NULL) {
		path = offline_root(w->o, &w->arena);
		if (path == NULL)
			return EX_FAILED;
		path = arena_printf(&w->arena, "%s/routes.d/%s", path, w->ns);
	}
	w->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (w->dir != -1)
		return 0;
	fprintf(stderr, "headgate: %s: %s\n", path, strerror(errno));
	return errno == EACCES ? EX_NOT_PERMITTED : EX_FAILED;
}

static int
write_all(int fd, struct bytes b)
{
	while (b.n != 0) {
		ssize_t n = write(fd, b.p, b.n);

		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		b = bytes_of(b.p + n, b.n - (size_t)n);
	}
	return 0;
}

/* Names that begin with a dot are not read, and a rename is seen as a whole. */
static int
write_file(const struct workload *w, struct bytes text)
{
	int fd = openat(w->dir, w->temporary,
	    O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	bool bad = fd == -1 || write_all(fd, text) != 0 || fchmod(fd, 0644) != 0 || fsync(fd) != 0;

	if (fd != -1)
		bad = close(fd) != 0 || bad;
	if (bad || renameat(w->dir, w->temporary, w->dir, w->file) != 0) {
		int rc = failed(w, "cannot write");

		unlinkat(w->dir, w->temporary, 0);
		return rc;
	}
	fsync(w->dir);
	return 0;
}

static struct bytes
read_file(struct workload *w)
{
	int fd = openat(w->dir, w->file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char *text;
	ssize_t n;

	if (fd == -1) {
		failed(w, "cannot read");
		return BYTES_NONE;
	}
	text = arena_alloc(&w->arena, FILE_MAX);
	n = read(fd, text, FILE_MAX);
	close(fd);
	return bytes_of(text, n > 0 ? (size_t)n : 0);
}

/* ---- the object */
static int
take(void *arg, struct node *n)
{
	*(struct node **)arg = n;
	return 0;
}

/* Checked as the compiler will check it; NULL after the errors were printed. */
static struct node *
parse(struct workload *w, struct bytes text)
{
	struct bind_id id;
	struct node *n = NULL;
	struct diags d;
	bool good;

	diags_init(&d, &w->arena);
	good = read_text(&w->arena, &d, bytes_str(w->file), text, 0, BYTES_NONE, take, &n) == 0 &&
	    n != NULL && object_bind(&w->arena, &d, n, &id) != NULL;
	if (good && id.kind->id == KIND_WORKLOAD)
		return n;
	if (good)
		fprintf(stderr, "headgate: %s is not a Workload\n", w->file);
	offline_print(&d, DIAG_HUMAN, w->o->color);
	return NULL;
}

static bool
pairs(struct json *j, const struct opts_list *l, const char *what, bool numbers)
{
	json_object(j);
	for (int i = 0; i < l->n; i++) {
		struct bytes value = bytes_str(l->v[i]), key = bytes_cut(&value, '=');
		int64_t number;

		if (value.p == NULL || key.n == 0 ||
		    (numbers && !parse_i64(value, 1, 65535, &number))) {
			fprintf(stderr, "headgate: %s '%s'\n", what, l->v[i]);
			return false;
		}
		json_keyb(j, key);
		if (numbers)
			json_int(j, number);
		else
			json_str(j, value);
	}
	json_end(j, '}');
	return true;
}

static bool
compose(const struct workload *w, struct strbuf *out)
{
	const struct opts *o = w->o;
	struct json j;

	json_init(&j, out, true);
	json_object(&j);
	json_key(&j, "apiVersion");
	json_strz(&j, "gateway.headgate.dev/v1alpha1");
	json_key(&j, "kind");
	json_strz(&j, "Workload");
	json_key(&j, "metadata");
	json_object(&j);
	json_key(&j, "name");
	json_strz(&j, w->name);
	json_key(&j, "namespace");
	json_strz(&j, w->ns);
	json_key(&j, "labels");
	if (!pairs(&j, &o->labels, "a label is KEY=VALUE, not", false))
		return false;
	json_end(&j, '}');
	json_key(&j, "spec");
	json_object(&j);
	json_key(&j, "address");
	json_strz(&j, o->address != NULL ? o->address : "127.0.0.1");
	if (o->ports.n != 0) {
		json_key(&j, "ports");
		if (!pairs(&j, &o->ports, "a port is NAME=NUMBER, not", true))
			return false;
	}
	if (o->weight >= 0) {
		json_key(&j, "weight");
		json_int(&j, o->weight);
	}
	json_end(&j, '}');
	json_end(&j, '}');
	return true;
}

static int
put(struct workload *w, const struct node *n)
{
	struct strbuf yaml = STRBUF_INIT;
	int rc;

	node_print_yaml(n, 0, &yaml);
	rc = write_file(w, strbuf_bytes(&yaml));
	strbuf_release(&yaml);
	return rc;
}

/* ---- verbs */
static int
add(struct workload *w)
{
	struct strbuf json = STRBUF_INIT;
	struct node *n = compose(w, &json) ? parse(w, strbuf_bytes(&json)) : NULL;
	int rc = n == NULL ? EX_USAGE_ : put(w, n);

	strbuf_release(&json);
	return rc;
}

static int
drain(struct workload *w)
{
	struct bytes text = read_file(w);
	struct node *n = text.p == NULL ? NULL : parse(w, text), *spec, *weight;

	if (n == NULL)
		return EX_FAILED;
	spec = node_get(n, "spec");
	weight = node_get(spec, "weight");
	if (weight == NULL) {
		weight = node_new(&w->arena, NODE_INT, spec->doc);
		weight->key = BYTES("weight");
		node_append(spec, weight);
	}
	weight->type = NODE_INT;
	weight->integer = 0;
	weight->text = BYTES("0");
	return put(w, n);
}

static int
take_away(struct workload *w)
{
	if (unlinkat(w->dir, w->file, 0) == 0 || errno == ENOENT)
		return 0; /* gone is gone: ExecStop may run twice */
	return failed(w, "cannot remove");
}

static const struct action {
	const char *name, *done;
	int (*run)(struct workload *);
} actions[] = {
    {"add", "added", add},
    {"drain", "drained", drain},
    {"remove", "removed", take_away},
};

/* ---- what became of it */
static int
taken(const struct workload *w)
{
	struct opts o = *w->o;
	const struct cat_object *ob;
	struct view v;
	int rc;

	o.nfiles = 0;
	rc = view_open(&o, &v);
	if (rc == 0) {
		ob = catalogue_find(&v.cat, BYTES("gateway.headgate.dev"), BYTES("Workload"),
		    bytes_str(w->ns), bytes_str(w->name));
		if (ob == NULL || ob->flags & (CAT_GONE | CAT_STALE)) {
			fprintf(stderr, "headgate: %s is not taken over%s%.*s\n", w->file,
			    ob == NULL ? ": is its folder read by the instance?" : ": ",
			    BYTES_ARG(ob == NULL ? BYTES("") : blob_text(&v.cat.blob, ob->stale)));
			rc = EX_PARTIAL;
		}
	}
	view_close(&v);
	return rc;
}

static int
apply(const struct workload *w, const struct action *a)
{
	struct ctl_answer *answer;
	int fd = ctl_connect(w->o->runtime_dir), rc;

	if (fd == -EX_UNREACHABLE) {
		fprintf(stderr, "headgate: %s is read when an instance starts\n", w->file);
		return 0;
	}
	if (fd < 0)
		return -fd;
	answer = mem_alloc(sizeof(*answer));
	rc = ctl_ask(fd, "{\"verb\":\"reload\",\"wait\":\"1\"}", w->o->timeout_ms, answer);
	close(fd);
	if (rc == 0 && (strstr(answer->text, "\"result\":\"rejected\"") != NULL ||
			   strstr(answer->text, "\"error\":") != NULL)) {
		fprintf(stderr, "headgate: not applied: %s\n", answer->text);
		rc = EX_FAILED;
	}
	mem_free(answer);
	if (rc == 0 && a->run != take_away)
		rc = taken(w);
	if (rc == 0 && !w->o->quiet)
		printf("workload.gateway.headgate.dev/%s %s\n", w->name, a->done);
	return rc;
}

static int
act(struct opts *o, const struct action *a)
{
	struct workload w = {
	    .o = o, .name = o->args[1], .ns = o->ns ? o->ns : "default", .dir = -1};
	int rc = 0;

	if (strlen(w.name) > 253 || strchr(w.name, '/') != NULL) {
		fprintf(stderr, "headgate: not a name: %s\n", w.name);
		return EX_USAGE_;
	}
	snprintf(w.file, sizeof(w.file), "workload-%s.yaml", w.name);
	snprintf(w.temporary, sizeof(w.temporary), ".%s.%ld", w.file, (long)getpid());
	if (strlen(w.file) > 240) {
		fprintf(stderr, "headgate: too long for a file name: %s\n", w.name);
		return EX_USAGE_;
	}
	arena_init(&w.arena, 65536, 0);
	rc = open_folder(&w);
	if (rc == 0)
		rc = a->run(&w);
	if (rc == 0)
		rc = apply(&w, a);
	if (w.dir != -1)
		close(w.dir);
	arena_release(&w.arena);
	return rc;
}

int
workload_verb(struct opts *o)
{
	char *get[] = {(char[]){"workloads"}};

	if (o->nargs == 1 && strcmp(o->args[0], "list") == 0) {
		o->args = get;
		return get_verb(o);
	}
	for (unsigned i = 0; o->nargs == 2 && i < HG_ARRAY_LEN(actions); i++)
		if (strcmp(o->args[0], actions[i].name) == 0)
			return act(o, &actions[i]);
	return usage();
}
