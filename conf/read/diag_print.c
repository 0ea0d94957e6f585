/*
 * diag_print.c - how a diagnostic looks. The human form is a gutter of line numbers, the source
 * line, a caret line and what helps; a line longer than the window is cut around the caret.
 * Everything goes through clean(): text of manifests may hold escape sequences. JSON goes through
 * base/json, which escapes by itself.
 */
#include "conf/read/diag_print.h"

#include "base/check.h"
#include "base/hash.h"
#include "base/json.h"

#define WINDOW 120 /* columns of an excerpt */
#define TAB 4

enum paint { PLAIN, RED, YELLOW, BLUE, BOLD };

static void
paint(struct strbuf *out, bool colour, enum paint p)
{
	static const char *const codes[] = {
	    "\033[0m", "\033[1;31m", "\033[1;33m", "\033[1;34m", "\033[1m"};

	if (colour)
		strbuf_addz(out, codes[p]);
}

/* Length of the character at p that may be shown as it is, or 0. */
static size_t
shown(const char *p, size_t n)
{
	unsigned char c = (unsigned char)*p;
	size_t len = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;

	if (c < 0x20 || c == 0x7f || len > n || !bytes_utf8(bytes_of(p, len), NULL))
		return 0;
	if (c == 0xc2 && (unsigned char)p[1] < 0xa0)
		return 0;
	/* Marks that change the direction of text: U+202A-202E, U+2066-2069. */
	if (len == 3 && memcmp(p, "\xe2\x80", 2) == 0 && (unsigned char)p[2] >= 0xaa &&
	    (unsigned char)p[2] <= 0xae)
		return 0;
	if (len == 3 && memcmp(p, "\xe2\x81", 2) == 0 && (unsigned char)p[2] >= 0xa6 &&
	    (unsigned char)p[2] <= 0xa9)
		return 0;
	return len;
}

/* `indent` >= 0: line ends continue there; else they become blanks. */
static void
clean(struct strbuf *out, struct bytes b, int indent)
{
	for (size_t i = 0; i < b.n;) {
		size_t len = shown(b.p + i, b.n - i);

		if (len) {
			strbuf_add(out, bytes_of(b.p + i, len));
			i += len;
			continue;
		}
		if (b.p[i] == '\n' && indent >= 0) {
			strbuf_addc(out, '\n');
			strbuf_pad(out, ' ', (size_t)indent);
		} else {
			strbuf_addc(out, b.p[i] == '\n' || b.p[i] == '\t' ? ' ' : '?');
		}
		i++;
	}
}

static void
where(struct strbuf *out, const struct diag *d)
{
	clean(out, d->file.p ? d->file : BYTES("-"), -1);
	if (d->at.line)
		strbuf_printf(out, ":%u:%u", d->at.line, d->at.col ? d->at.col : 1);
}

/* The source line as shown; columns of the caret in it. */
struct view {
	struct strbuf text;
	unsigned from, to; /* 0-based, half open */
};

static unsigned
width_of(const char *p)
{
	return *p == '\t' ? TAB : (*p & 0xc0) != 0x80;
}

static void
view_line(struct view *v, const struct diag *d)
{
	struct bytes line = d->excerpt;
	unsigned col = 0, at = 0, start = 0, width = 0;
	unsigned from = d->at.col ? d->at.col - 1u : 0,
		 to = HG_MAX(d->at.endcol ? d->at.endcol - 1u : 0, from + 1);
	bool cut = false;

	for (size_t i = 0; i < line.n; i++) {
		if (col == from)
			at = width;
		width += width_of(line.p + i);
		col += (line.p[i] & 0xc0) != 0x80;
	}
	if (width > WINDOW && at > WINDOW / 2)
		start = at - WINDOW / 2;
	v->from = v->to = 0;
	col = width = 0;
	if (start)
		strbuf_addz(&v->text, "…");
	for (size_t i = 0; i < line.n && !cut;) {
		size_t len = shown(line.p + i, line.n - i);
		unsigned cells = line.p[i] == '\t' ? TAB : 1;

		if (col == from)
			v->from = (start ? width - HG_MIN(width, start) + 1 : width);
		if (width >= start) {
			cut = width - start >= WINDOW;
			if (cut)
				break;
			if (len)
				strbuf_add(&v->text, bytes_of(line.p + i, len));
			else
				strbuf_pad(&v->text, line.p[i] == '\t' ? ' ' : '?', cells);
		}
		i += len ? len : 1;
		width += cells;
		col++;
		if (col == to)
			v->to = (start ? width - HG_MIN(width, start) + 1 : width);
	}
	if (cut)
		strbuf_addz(&v->text, "…");
	if (from >= col && !cut)
		v->from =
		    width - start + (start != 0) + (from - col); /* past the end of the line */
	if (v->to <= v->from)
		v->to =
		    v->from + (cut ? WINDOW + (start != 0) - HG_MIN(v->from, (unsigned)WINDOW) : 1);
}

static void
gutter(struct strbuf *out, const char *number, unsigned w, bool colour)
{
	paint(out, colour, BLUE);
	strbuf_pad(out, ' ', w - HG_MIN(w, strlen(number)));
	strbuf_printf(out, "%s |", number);
	paint(out, colour, PLAIN);
}

static void
excerpt(struct strbuf *out, const struct diag *d, unsigned w, bool colour)
{
	struct view v = {0};
	char number[16];

	view_line(&v, d);
	snprintf(number, sizeof(number), "%u", d->at.line);
	gutter(out, "", w, colour);
	strbuf_addc(out, '\n');
	gutter(out, number, w, colour);
	if (v.text.n)
		strbuf_printf(out, " %s", v.text.p);
	strbuf_addc(out, '\n');
	gutter(out, "", w, colour);
	strbuf_pad(out, ' ', v.from + 1);
	paint(out, colour, d->severity == DIAG_ERROR ? RED : YELLOW);
	strbuf_pad(out, '^', v.to - v.from);
	if (d->label.n) {
		strbuf_addc(out, ' ');
		clean(out, d->label, -1);
	}
	paint(out, colour, PLAIN);
	strbuf_addc(out, '\n');
	gutter(out, "", w, colour);
	strbuf_addc(out, '\n');
	strbuf_release(&v.text);
}

static void
note(struct strbuf *out, unsigned w, bool colour, const char *name, struct bytes text,
    struct bytes more)
{
	if (text.n == 0 && more.n == 0)
		return;
	strbuf_pad(out, ' ', w + 1);
	paint(out, colour, BLUE);
	strbuf_addc(out, '=');
	paint(out, colour, BOLD);
	strbuf_printf(out, " %s: ", name);
	paint(out, colour, PLAIN);
	clean(out, text, (int)(w + 5 + strlen(name)));
	if (more.n) {
		if (text.n)
			strbuf_addz(out, "  ");
		clean(out, more, -1);
	}
	strbuf_addc(out, '\n');
}

void
diag_print_human(struct strbuf *out, const struct diag *d, bool colour)
{
	bool error = d->severity == DIAG_ERROR;
	unsigned w = 2;
	char more[40];

	for (uint32_t l = d->at.line; l >= 100; l /= 10)
		w++;
	paint(out, colour, error ? RED : YELLOW);
	strbuf_printf(out, "%s[HG%04u]", error ? "error" : "warning", d->code);
	paint(out, colour, BOLD);
	strbuf_addz(out, ": ");
	clean(out, d->message, -1);
	paint(out, colour, PLAIN);
	strbuf_addc(out, '\n');
	strbuf_pad(out, ' ', w);
	paint(out, colour, BLUE);
	strbuf_addz(out, "-->");
	paint(out, colour, PLAIN);
	strbuf_addc(out, ' ');
	where(out, d);
	strbuf_addc(out, '\n');
	if (d->at.line && d->excerpt.p)
		excerpt(out, d, w, colour);
	for (unsigned i = 0; i < d->nhelp; i++)
		note(out, w, colour, "help", d->help[i], BYTES_NONE);
	note(out, w, colour, "object", d->object, d->field);
	note(out, w, colour, "effect", d->effect, BYTES_NONE);
	snprintf(more, sizeof(more), "headgate explain HG%04u", d->code);
	note(out, w, colour, "more", bytes_str(more), BYTES_NONE);
}

void
diag_print_short(struct strbuf *out, const struct diag *d)
{
	where(out, d);
	strbuf_printf(
	    out, ": %s[HG%04u]: ", d->severity == DIAG_ERROR ? "error" : "warning", d->code);
	clean(out, d->message, -1);
	if (d->nhelp && bytes_starts(d->help[0], BYTES("did you mean"))) {
		strbuf_addz(out, " (");
		clean(out, d->help[0], -1);
		strbuf_addc(out, ')');
	}
	strbuf_addc(out, '\n');
}

static void
json_member(struct json *j, const char *key, struct bytes value)
{
	json_key(j, key);
	if (value.p)
		json_str(j, value);
	else
		json_null(j);
}

/* "HTTPRoute shop/web" in parts. */
static void
json_object_of(struct json *j, struct bytes object)
{
	struct bytes rest = object, kind, ns;

	json_key(j, "object");
	if (object.p == NULL) {
		json_null(j);
		return;
	}
	kind = bytes_cut(&rest, ' ');
	ns = bytes_cut(&rest, '/');
	if (rest.p == NULL) {
		rest = ns;
		ns = BYTES_NONE;
	}
	json_object(j);
	json_member(j, "kind", kind);
	json_member(j, "namespace", ns);
	json_member(j, "name", rest);
	json_end(j, '}');
}

static void
json_diag(struct json *j, const struct diag *d)
{
	char text[40];

	json_object(j);
	snprintf(text, sizeof(text), "HG%04u", d->code);
	json_member(j, "code", bytes_str(text));
	json_member(j, "severity", d->severity == DIAG_ERROR ? BYTES("error") : BYTES("warning"));
	json_member(j, "message", d->message);
	json_key(j, "help");
	json_array(j);
	for (unsigned i = 0; i < d->nhelp; i++)
		json_str(j, d->help[i]);
	json_end(j, ']');
	json_member(j, "file", d->file);
	json_key(j, "line");
	json_int(j, d->at.line);
	json_key(j, "column");
	json_int(j, d->at.col);
	json_key(j, "endColumn");
	json_int(j, d->at.endcol);
	json_object_of(j, d->object);
	json_member(j, "fieldPath", d->field);
	json_member(j, "effect", d->effect);
	snprintf(text, sizeof(text), "headgate explain HG%04u", d->code);
	json_member(j, "docs", bytes_str(text));
	json_end(j, '}');
}

void
diag_print_list(struct strbuf *out, const struct diag *first, uint32_t total,
    enum diag_format format, bool colour)
{
	struct json j;
	uint32_t n = 0;

	if (format == DIAG_JSON) {
		json_init(&j, out, true);
		json_array(&j);
	}
	for (const struct diag *d = first; d; d = d->next, n++) {
		if (format == DIAG_JSON) {
			json_diag(&j, d);
		} else if (format == DIAG_SHORT) {
			diag_print_short(out, d);
		} else {
			diag_print_human(out, d, colour);
			strbuf_addc(out, '\n');
		}
	}
	if (format == DIAG_JSON) {
		json_end(&j, ']');
		strbuf_addc(out, '\n');
	} else if (total > n) {
		strbuf_printf(out, "… and %u more\n", total - n);
	}
}

void
diag_print_summary(struct strbuf *out, const struct diag *first, uint32_t errors, uint32_t warnings,
    const struct diag_totals *t)
{
	struct map files;

	map_init(&files);
	for (const struct diag *d = first; d; d = d->next)
		if (d->file.p)
			map_put(&files, d->file, (void *)d);
	if (errors)
		strbuf_printf(
		    out, "%u error%s%s", errors, errors == 1 ? "" : "s", warnings ? ", " : "");
	if (warnings)
		strbuf_printf(out, "%u warning%s", warnings, warnings == 1 ? "" : "s");
	if (errors + warnings == 0)
		strbuf_addz(out, "no errors");
	if (files.n)
		strbuf_printf(out, " in %zu file%s", files.n, files.n == 1 ? "" : "s");
	if (t && t->files)
		strbuf_printf(out, " (checked %u file%s, %u object%s in %u ms)", t->files,
		    t->files == 1 ? "" : "s", t->objects, t->objects == 1 ? "" : "s", t->ms);
	strbuf_addc(out, '\n');
	map_release(&files);
}

struct diag
diag_from_catalogue(const struct catalogue *cat, const struct cat_diag *from)
{
	const struct blob *b = &cat->blob;
	struct diag d = {
		.code = from->code,
		.severity = from->severity ? DIAG_ERROR : DIAG_WARNING,
		.file = blob_text(b, from->file),
		.message = blob_text(b, from->message),
		.label = blob_text(b, from->label),
		.excerpt = blob_text(b, from->excerpt),
		.object = blob_text(b, from->object),
		.field = blob_text(b, from->field),
		.effect = blob_text(b, from->effect),
	};

	d.at.line = from->line;
	d.at.col = (uint16_t)HG_MIN(from->col, (uint32_t)UINT16_MAX);
	d.at.endcol = (uint16_t)HG_MIN(from->endcol, (uint32_t)UINT16_MAX);
	d.nhelp = (uint8_t)HG_MIN(from->nhelp, (uint8_t)HG_ARRAY_LEN(d.help));
	for (unsigned i = 0; i < d.nhelp; i++)
		d.help[i] = blob_text(b, from->help[i]);
	return d;
}
