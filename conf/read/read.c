/*
 * read.c - one text to resources: checks that hold for every syntax (size, UTF-8, control
 * characters) before a library sees a byte, the choice of reader by file name, and Lists taken
 * apart. What makes an item of a List the same as a document of its own is that it loses its
 * parent: positions stay, paths start at the item.
 */
#include "conf/read/read.h"

#include <errno.h>

#include "base/check.h"
#include "conf/read/codes.h"
#include "shm/proto.h"

struct flatten {
	struct read_job *job;
	int (*resource)(void *arg, struct node *);
	void *arg;
	bool bad; /* some resource could not be handed over */
	uint32_t given;
};

static struct mark
mark_at(struct bytes text, size_t off)
{
	struct mark m = {1, 1, 2};
	size_t start = 0;
	unsigned col = 1;

	for (size_t i = 0; i < off; i++)
		if (text.p[i] == '\n') {
			m.line++;
			start = i + 1;
		}
	if (start == 0 && bytes_starts(text, BYTES("\xef\xbb\xbf")) && off >= 3)
		start = 3;
	for (size_t i = start; i < off && col < UINT16_MAX - 1; i++)
		col += (text.p[i] & 0xc0) != 0x80;
	m.col = (uint16_t)col;
	m.endcol = (uint16_t)(col + 1);
	return m;
}

/* C0 without tab and line ends, DEL, C1 without NEL, the two non-characters of the first plane. */
static bool
control(struct bytes t, size_t *at)
{
	for (size_t i = 0; i < t.n; i++) {
		unsigned char c = (unsigned char)t.p[i],
			      d = i + 1 < t.n ? (unsigned char)t.p[i + 1] : 0;

		if (c >= 0x20 && c < 0x7f)
			continue;
		*at = i;
		if (c < 0x20 && c != '\t' && c != '\n' && c != '\r')
			return true;
		if (c == 0x7f || (c == 0xc2 && d >= 0x80 && d < 0xa0 && d != 0x85))
			return true;
		if (c == 0xef && d == 0xbf && i + 2 < t.n && (unsigned char)t.p[i + 2] >= 0xbe)
			return true;
	}
	return false;
}

static bool
size_good(struct read_job *job)
{
	struct bytes file = job->proto.file, text = job->proto.text;

	if (text.n <= READ_FILE_MAX)
		return true;
	diag_file(job->diags, CODE_FILE_SIZE, file, (struct mark){0}, BYTES_NONE,
	    "file has %zu bytes, more than 16 MB", text.n);
	return false;
}

bool
read_good(struct read_job *job)
{
	struct bytes file = job->proto.file, text = job->proto.text;
	struct diag *d;
	size_t at;

	if (!bytes_utf8(text, &at)) {
		bool wide = text.n >= 2 &&
		    (memcmp(text.p, "\xff\xfe", 2) == 0 || memcmp(text.p, "\xfe\xff", 2) == 0);

		d = diag_file(job->diags, CODE_NOT_UTF8, file, mark_at(text, at), text,
		    "byte 0x%02x at offset %zu is not UTF-8", (unsigned char)text.p[at], at);
		if (wide)
			diag_help(job->diags, d, "the file is UTF-16; save it as UTF-8");
		return false;
	}
	if (control(text, &at)) {
		diag_file(job->diags, CODE_CONTROL_CHAR, file, mark_at(text, at), text,
		    "control character 0x%02x at offset %zu", (unsigned char)text.p[at], at);
		return false;
	}
	return true;
}

/* Line ends as \n, so that nothing after this has to think of \r. Lines and columns stay what they
 * are. */
static struct bytes
line_ends(struct arena *a, struct bytes text)
{
	char *p;
	size_t n = 0;

	if (text.n == 0 || memchr(text.p, '\r', text.n) == NULL)
		return text;
	p = arena_alloc(a, text.n);
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '\r' && i + 1 < text.n && text.p[i + 1] == '\n')
			continue;
		p[n++] = text.p[i] == '\r' ? '\n' : text.p[i];
	}
	return bytes_of(p, n);
}

static bool
is_list(const struct node *n)
{
	struct bytes kind = node_text(node_get(n, "kind"));

	return kind.p && bytes_ends(kind, BYTES("List")) && node_get(n, "items") &&
	       node_get(n, "items")->type == NODE_LIST;
}

/* The child of this key, also if it is null. */
static struct node *
child(const struct node *map, const char *key)
{
	struct node *c = map->first;

	while (c && !bytes_eq(c->key, bytes_str(key)))
		c = c->next;
	return c;
}

/* Items of HTTPRouteList may leave kind and apiVersion to the list, as kubectl reads it. */
static void
inherit(struct read_job *job, const struct node *list, struct node *item)
{
	static const char *const keys[] = {"kind", "apiVersion"};
	const struct node *kind = node_get(list, "kind");

	if (kind->text.n <= 4 || item->type != NODE_MAP)
		return;
	for (size_t i = 0; i < HG_ARRAY_LEN(keys); i++) {
		const struct node *from = node_get(list, keys[i]);
		struct node *n = child(item, keys[i]);

		if (from == NULL || from->type != NODE_STRING || (n && n->type != NODE_NULL))
			continue;
		if (n == NULL) {
			n = node_copy(job->arena, from);
			node_append(item, n);
		}
		n->type = NODE_STRING;
		n->text = from->text;
		if (i == 0)
			n->text.n -= 4;
	}
}

static int
flatten(void *arg, struct node *root)
{
	struct flatten *f = arg;
	struct node *next;
	int stop = 0;

	if (root->type != NODE_MAP) {
		diag_at(f->job->diags, CODE_NOT_AN_OBJECT, root,
		    "resource is not a mapping of keys to values");
		f->bad = true;
		return 0;
	}
	if (!is_list(root)) {
		root->parent = root->next = NULL;
		root->key = BYTES_NONE;
		f->given++;
		return f->resource(f->arg, root);
	}
	for (struct node *n = node_get(root, "items")->first; n && stop == 0; n = next) {
		next = n->next;
		inherit(f->job, root, n);
		stop = flatten(f, n);
	}
	return stop;
}

/* `resources = ( … );` and nothing else. */
static int
conf_resources(struct read_job *job, struct flatten *f, struct node *root)
{
	struct node *next;
	int stop = 0;

	for (struct node *n = root->first; n; n = n->next) {
		struct diag *d;

		if (bytes_eq(n->key, BYTES("resources"))) {
			if (n->type == NODE_LIST)
				continue;
			d = diag_at(job->diags, CODE_NOT_RESOURCES, n, "resources is not a list");
		} else {
			d = diag_at_key(job->diags, CODE_NOT_RESOURCES, n,
			    "unexpected setting \"%.*s\"", (int)HG_MIN(n->key.n, (size_t)100),
			    n->key.p);
		}
		diag_help(job->diags, d, "write resources = ( { apiVersion = …; kind = …; }, … );");
		f->bad = true;
	}
	root = node_get(root, "resources");
	if (root == NULL || root->type != NODE_LIST)
		return 0;
	for (struct node *n = root->first; n && stop == 0; n = next) {
		next = n->next;
		stop = flatten(f, n);
	}
	return stop;
}

static int
read_libconfig(struct read_job *job, struct flatten *f, struct doccache *cache)
{
	uint32_t told = job->diags->errors + job->diags->warnings;
	struct doc *doc = arena_alloc(job->arena, sizeof(*doc));
	struct node *root;

	*doc = job->proto;
	root = cache ? reuse_libconfig(job, cache, doc) : NULL;
	if (root == NULL) {
		if (!read_good(job))
			return 1;
		root = libconfig_read(job, doc);
		if (root && cache && job->diags->errors + job->diags->warnings == told)
			reuse_remember(job, cache, root);
	}
	if (root && conf_resources(job, f, root) != 0)
		return -1;
	return root == NULL;
}

static int
read_yaml(struct read_job *job, struct doccache *cache)
{
	struct bytes text = job->proto.text;
	int result = REUSE_NOT;

	job->proto.text = line_ends(job->arena, text);
	if (cache)
		result = reuse_yaml(job, cache);
	if (result != REUSE_NOT)
		return result;
	job->proto.text = text;
	if (!read_good(job))
		return 1;
	job->proto.text = line_ends(job->arena, text);
	return yaml_read(job);
}

int
read_text_cached(struct arena *a, struct diags *diags, struct bytes file, struct bytes text,
    uint8_t role, struct bytes ns, struct doccache *cache,
    int (*resource)(void *arg, struct node *), void *arg)
{
	bool conf = bytes_ends(file, BYTES(".conf"));
	struct read_job job = {.arena = a, .diags = diags, .document = flatten};
	struct flatten f = {.job = &job, .resource = resource, .arg = arg};
	uint32_t errors = diags->errors;
	int result;

	job.arg = &f;
	job.proto = (struct doc){.file = file,
	    .text = text.p ? text : BYTES(""),
	    .role = role,
	    .ns = ns,
	    .syntax = conf ? DOC_LIBCONFIG : DOC_YAML};
	if (!size_good(&job))
		return 1;
	result = conf ? read_libconfig(&job, &f, cache) : read_yaml(&job, cache);
	if (result == 0 && f.given == 0 && diags->errors == errors)
		diag_file(diags, CODE_EMPTY_FILE, file, (struct mark){0}, BYTES_NONE,
		    "file defines nothing");
	return result == 0 && f.bad ? 1 : result;
}

int
read_text(struct arena *a, struct diags *diags, struct bytes file, struct bytes text, uint8_t role,
    struct bytes ns, int (*resource)(void *arg, struct node *), void *arg)
{
	return read_text_cached(a, diags, file, text, role, ns, NULL, resource, arg);
}

struct node *
read_conf(struct arena *a, struct diags *diags, struct bytes file, struct bytes text)
{
	struct read_job job = {.arena = a, .diags = diags};
	struct doc *doc = arena_alloc(a, sizeof(*doc));

	job.proto =
	    (struct doc){.file = file, .text = text.p ? text : BYTES(""), .syntax = DOC_LIBCONFIG};
	*doc = job.proto;
	return size_good(&job) && read_good(&job) ? libconfig_read(&job, doc) : NULL;
}

static const struct file_error {
	int error;
	uint16_t code;
	const char *text, *help;
} file_errors[] = {
    {PROTO_FILE_NOT_REGULAR, CODE_NOT_REGULAR, "not a regular file", NULL},
    {PROTO_FILE_TOO_BIG, CODE_FILE_SIZE, "file is larger than 16 MB", "split it"},
    {PROTO_FILE_LINK, CODE_LINK, "link leaves the tree or leads to a folder", NULL},
    {PROTO_FILE_WRITABLE, CODE_WRITABLE, "file or a folder above it can be written by others",
	"chown it to root or the role's owner, and chmod o-w,g-w"},
    {PROTO_FILE_TOO_MANY, CODE_TOO_MANY_FILES, "too many files, or too much text, in all", NULL},
    {PROTO_FILE_DEPTH, CODE_TOO_MANY_FILES, "folders are nested too deeply", NULL},
    {PROTO_FILE_NAME, CODE_FILE_PLACE, "not read: file or folder in the wrong place",
	"use infra.d, security.d or routes.d/<namespace>"},
    {ENOENT, CODE_PATTERN_EMPTY, "no such file or folder", NULL},
};

static const struct file_error *
file_error(int error)
{
	for (size_t i = 0; i < HG_ARRAY_LEN(file_errors); i++)
		if (file_errors[i].error == error)
			return &file_errors[i];
	return NULL;
}

const char *
read_file_why(int error)
{
	const struct file_error *e = file_error(error);

	return e != NULL ? e->text : strerror(error);
}

struct diag *
read_file_error(struct diags *diags, struct bytes file, int error)
{
	const struct file_error *e = file_error(error);
	struct diag *d;

	if (e == NULL)
		return diag_file(diags, CODE_UNREADABLE, file, (struct mark){0}, BYTES_NONE,
		    "cannot be read: %s", strerror(error));
	d = diag_file(diags, e->code, file, (struct mark){0}, BYTES_NONE, "%s", e->text);
	if (e->help)
		diag_help(diags, d, "%s", e->help);
	return d;
}
