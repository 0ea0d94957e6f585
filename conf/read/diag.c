/*
 * diag.c - collects what is wrong. A record borrows from the documents (excerpt, file) and from the
 * arena; what lies past the cap is only counted, so a file of a million mistakes costs no more
 * memory than one of a hundred. Object and field path come from the node: its root is the object,
 * its chain of parents is the path. Namespaces that are filled in later (folders, "default") are
 * the binder's to add: it extends the record.
 */
#include "conf/read/diag.h"

#include <stdarg.h>

#include "base/check.h"
#include "conf/read/codes.h"

void
diags_init(struct diags *ds, struct arena *a)
{
	*ds = (struct diags){.arena = a, .room = {DIAG_KEEP, DIAG_KEEP}};
}

static bool
is_warning(uint16_t code)
{
	/* 02xx: the object is valid and keeps what works of it; statuses say the rest */
	return (code >= 2000 && code < 3000) || (code >= 200 && code < 300);
}

/* Counted, linked if there is room. Sets *spare when the record is only a scratch one. */
static struct diag *
record(struct diags *ds, uint16_t code, bool *spare)
{
	uint8_t severity = is_warning(code) ? DIAG_WARNING : DIAG_ERROR;
	struct diag *d = &ds->spare;

	if (severity == DIAG_ERROR)
		ds->errors++;
	else
		ds->warnings++;
	*spare = ds->room[severity] == 0;
	if (*spare) {
		*d = (struct diag){0};
	} else {
		ds->room[severity]--;
		d = arena_zalloc(ds->arena, sizeof(*d));
		if (ds->last)
			ds->last->next = d;
		else
			ds->first = d;
		ds->last = d;
		ds->kept++;
	}
	d->code = code;
	d->severity = severity;
	return d;
}

/* The source line, without its end and without a byte order mark. */
static struct bytes
excerpt(struct bytes text, uint32_t line)
{
	size_t from = 0;
	ptrdiff_t end;

	if (text.p == NULL || line == 0)
		return BYTES_NONE;
	for (; line > 1; line--) {
		ptrdiff_t nl = bytes_chr(text, '\n', from);

		if (nl < 0)
			return BYTES_NONE;
		from = (size_t)nl + 1;
	}
	end = bytes_chr(text, '\n', from);
	text = bytes_of(text.p + from, (end < 0 ? text.n : (size_t)end) - from);
	if (from == 0 && bytes_starts(text, BYTES("\xef\xbb\xbf")))
		text = bytes_of(text.p + 3, text.n - 3);
	while (text.n && text.p[text.n - 1] == '\r')
		text.n--;
	return text;
}

static const struct node *
root_of(const struct node *n)
{
	while (n->parent)
		n = n->parent;
	return n;
}

struct bytes
diag_object(struct arena *a, struct bytes kind, struct bytes ns, struct bytes name)
{
	return bytes_str(arena_printf(a, "%.*s %.*s%s%.*s", BYTES_ARG(kind), BYTES_ARG(ns),
	    ns.n ? "/" : "", BYTES_ARG(name)));
}

static struct bytes
object_of(struct arena *a, const struct node *n)
{
	const struct node *root = root_of(n);
	struct bytes kind = node_text(node_get(root, "kind"));
	struct bytes name = node_text(node_path(root, "metadata.name"));
	struct bytes ns = node_text(node_path(root, "metadata.namespace"));

	if (kind.p == NULL || name.p == NULL)
		return BYTES_NONE;
	if (ns.p == NULL && n->doc)
		ns = n->doc->ns;
	return diag_object(a, kind, ns, name);
}

static struct diag *
at_node(struct diags *ds, uint16_t code, const struct node *n, struct mark at, const char *fmt,
    va_list ap)
{
	bool spare;
	struct diag *d = record(ds, code, &spare);

	if (spare)
		return d;
	d->at = at;
	d->message = bytes_str(arena_vprintf(ds->arena, fmt, ap));
	d->object = object_of(ds->arena, n);
	d->field = bytes_str(node_where(ds->arena, n));
	if (d->field.n == 0)
		d->field = BYTES_NONE;
	if (n->doc) {
		d->file = n->doc->file;
		d->excerpt = excerpt(n->doc->text, at.line);
	}
	return d;
}

struct diag *
diag_at(struct diags *ds, uint16_t code, const struct node *n, const char *fmt, ...)
{
	struct diag *d;
	va_list ap;

	va_start(ap, fmt);
	d = at_node(ds, code, n, n->at, fmt, ap);
	va_end(ap);
	return d;
}

struct diag *
diag_at_key(struct diags *ds, uint16_t code, const struct node *n, const char *fmt, ...)
{
	struct diag *d;
	va_list ap;

	va_start(ap, fmt);
	d = at_node(ds, code, n, n->key_at.line ? n->key_at : n->at, fmt, ap);
	va_end(ap);
	return d;
}

struct diag *
diag_file(struct diags *ds, uint16_t code, struct bytes file, struct mark at, struct bytes text,
    const char *fmt, ...)
{
	bool spare;
	struct diag *d = record(ds, code, &spare);
	va_list ap;

	if (spare)
		return d;
	va_start(ap, fmt);
	d->message = bytes_str(arena_vprintf(ds->arena, fmt, ap));
	va_end(ap);
	d->file = file;
	d->at = at;
	d->excerpt = excerpt(text, at.line);
	return d;
}

void
diag_help(struct diags *ds, struct diag *d, const char *fmt, ...)
{
	va_list ap;

	if (d == &ds->spare || d->nhelp == HG_ARRAY_LEN(d->help))
		return;
	va_start(ap, fmt);
	d->help[d->nhelp++] = bytes_str(arena_vprintf(ds->arena, fmt, ap));
	va_end(ap);
}

const char *
diag_nearest(struct bytes wrong, const char *const *names, unsigned n)
{
	uint32_t best = (uint32_t)HG_MAX(2u, wrong.n / 3) + 1;
	const char *found = NULL;

	if (wrong.n == 0 || wrong.n > 64)
		return NULL;
	for (unsigned i = 0; i < n; i++) {
		struct bytes name = bytes_str(names[i]);
		uint32_t d;

		if (name.n > 64)
			continue;
		d = bytes_eqi(wrong, name) ? 0 : bytes_distance(wrong, name);
		/* A word of which nothing is left is no suggestion ("ip" for "to"). */
		if (d < best && d < HG_MIN(wrong.n, name.n)) {
			best = d;
			found = names[i];
		}
	}
	return found;
}
