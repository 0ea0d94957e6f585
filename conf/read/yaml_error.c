/*
 * yaml_error.c - a YAML library's complaint, in words that help. The library names what its scanner
 * tripped over; people need what they typed. Two things are looked for in the text itself (tabs as
 * indentation, a colon without a space), because the library's position for them is often a line
 * off; the rest is a table of its messages. What is not in the table is passed on as it is: another
 * version of the library may say other things.
 */
#include "base/check.h"
#include "conf/read/codes.h"
#include "conf/read/yaml.h"

#define UNCLOSED "bracket is not closed" /* said at the bracket */

static const struct {
	const char *part;    /* of the library's message */
	const char *message; /* NULL: the library's own */
	const char *help;
} words[] = {
    {"invalid multiline plain key", "text where a key is expected",
	"write `key: value`; a space must follow the colon"},
    {"invalid nested block mapping on the same line", "second `: ` on one line",
	"put the value in quotes if it contains a colon and a space"},
    {"invalid indentation in mapping", "key does not line up with the keys above it",
	"all keys of one mapping start in the same column"},
    {"wrongly indented sequence item", "list item does not line up with the ones above it",
	"all `-` of one list stand in the same column"},
    {"wrong indendation in sequence", "list item does not line up with the ones above it",
	"all `-` of one list stand in the same column"},
    {"invalid scalar at the end of block sequence", "key where a list item (`-`) is expected",
	"indent the key to belong to the item above, or less to end the list"},
    {"did not find expected '-' indicator", "list item (`-`) expected", NULL},
    {"did not find expected key", "key expected",
	"check the indentation of this line and the one above"},
    {"could not find expected ':'", "`:` expected after the key", NULL},
    {"missing ':'", "`:` expected after the key", NULL},
    {"flow sequence without a closing bracket", UNCLOSED, NULL},
    {"in a flow sequence", UNCLOSED, NULL},
    {"in flow mode", UNCLOSED, NULL},
    {"missing comma in flow", "`,` or a closing bracket expected", NULL},
    {"without closing quote", "text in quotes does not end", "add the closing quote"},
    {"plain scalar cannot start with", NULL, "put the value in quotes"},
    {"invalid alias", "`*` starts an alias, but no name follows",
	"put the value in quotes if it starts with *"},
    {"block sequence entries not allowed", "list item (`-`) cannot start here",
	"a list starts on a line of its own below its key"},
    {"invalid block mapping key on same line", "key cannot start here", NULL},
    {"wrongly indented block scalar", "text block is not indented",
	"indent the text after | or > more than its key"},
    {"escape", NULL,
	"in double quotes a backslash starts an escape; use single quotes for a literal one"},
};

static struct bytes
line_at(struct bytes text, int line)
{
	size_t from = 0;
	ptrdiff_t end;

	for (; line > 1; line--) {
		ptrdiff_t nl = bytes_chr(text, '\n', from);

		if (nl < 0)
			return BYTES_NONE;
		from = (size_t)nl + 1;
	}
	end = bytes_chr(text, '\n', from);
	return bytes_of(text.p + from, (end < 0 ? text.n : (size_t)end) - from);
}

/* Column (1-based) of a tab in the line's leading white space, or 0. */
static uint16_t
leading_tab(struct bytes line)
{
	for (size_t i = 0; i < line.n && i < UINT16_MAX - 1; i++) {
		if (line.p[i] == '\t')
			return (uint16_t)(i + 1);
		if (line.p[i] != ' ')
			break;
	}
	return 0;
}

static struct diag *
tab(struct read_job *job, int line)
{
	for (int at = line; at <= line + 1; at++) {
		uint16_t col = leading_tab(line_at(job->proto.text, at));
		struct mark m = {(uint32_t)at, col, (uint16_t)(col + 1)};
		struct diag *d;

		if (col == 0)
			continue;
		d = diag_file(job->diags, CODE_TAB_INDENT, job->proto.file, m, job->proto.text,
		    "tab used as indentation");
		d->label = BYTES("tab");
		diag_help(job->diags, d, "YAML indents with spaces only; replace the tab");
		return d;
	}
	return NULL;
}

/* At the end of the text nothing is left to point at. */
static bool
at_end(struct bytes text, struct mark at)
{
	struct bytes line = line_at(text, (int)at.line);

	while (line.p && at.col > 1 && line.n) {
		line = bytes_of(line.p + 1, line.n - 1);
		at.col--;
	}
	return line.n == 0 && (line.p == NULL || line.p == text.p + text.n);
}

static struct diag *
in_words(struct read_job *job, const char *msg, struct mark at, struct mark open)
{
	const char *help = NULL;
	struct diag *d;

	for (size_t i = 0; i < HG_ARRAY_LEN(words); i++) {
		if (strstr(msg, words[i].part) == NULL)
			continue;
		msg = words[i].message ? words[i].message : msg;
		help = words[i].help;
		/* Marks of quoted scalars are inside the quotes. */
		if (strstr(words[i].part, "closing quote") && at.col > 1)
			at.endcol = at.col--;
		break;
	}
	if (open.line && (strcmp(msg, UNCLOSED) == 0 || at_end(job->proto.text, at))) {
		d = diag_file(
		    job->diags, CODE_SYNTAX, job->proto.file, open, job->proto.text, UNCLOSED);
		diag_help(job->diags, d, "at line %u, column %u it still is not", at.line, at.col);
		return d;
	}
	d = diag_file(job->diags, CODE_SYNTAX, job->proto.file, at, job->proto.text, "%s", msg);
	if (help)
		diag_help(job->diags, d, "%s", help);
	if (open.line)
		diag_help(job->diags, d, "the bracket at line %u, column %u is still open",
		    open.line, open.col);
	return d;
}

void
yaml_explain(
    struct read_job *job, const char *msg, int line, int column, struct mark open, uint32_t given)
{
	struct mark at = {(uint32_t)HG_MAX(line, 1), 1, 2};
	struct diag *d;

	at.col = (uint16_t)HG_MIN(HG_MAX(column, 1), UINT16_MAX - 1);
	at.endcol = (uint16_t)(at.col + 1);
	d = tab(job, (int)at.line);
	if (d == NULL)
		d = in_words(job, msg, at, open);
	d->effect = bytes_str(arena_printf(job->arena, "the rest of this file is not read%s",
	    given ? "; what stands before this document is" : ""));
}
