/*
 * yaml.c - YAML and JSON by libfyaml's events, straight into the node tree; the only file that
 * knows libfyaml. Its document API was rejected: twice the memory, and aliases and duplicate keys
 * would be resolved before we can count or point at them. Scalars that need no decoding are
 * borrowed from the text. What it says of a syntax error is collected (never printed by it) and put
 * into words by yaml_error.c. UTF-8 and control characters are checked before (read.c): libfyaml
 * 0.7.12 turns bad bytes into nulls without a word. JSON is read as the YAML that it is; flow
 * indentation is not enforced, as go-yaml does not. The text of scalars is decoded by us
 * (yaml_text.c).
 */
#include "conf/read/yaml.h"

#include <libfyaml.h>
#include <math.h>

#include "base/check.h"
#include "conf/read/codes.h"
#include "conf/read/scalar.h"

#ifdef HG_SAN
/* libfyaml 0.7.12 forgets some memory after a syntax error. The processes that read YAML are
 * short-lived; only the leak checker of sanitizer builds minds. */
const char *__lsan_default_suppressions(void) __attribute__((visibility("default")));

const char *
__lsan_default_suppressions(void)
{
	return "leak:libfyaml\n";
}
#endif

static uint16_t
column(long c)
{
	return (uint16_t)(c < 0 ? 1 : HG_MIN(c + 1, (long)UINT16_MAX));
}

/* One past the last column of the line on which `pos` lies at column `col`. */
static uint16_t
line_end(struct bytes text, size_t pos, long col)
{
	while (pos < text.n && text.p[pos] != '\n' && text.p[pos] != '\r' && col < UINT16_MAX)
		if ((text.p[pos++] & 0xc0) != 0x80)
			col++;
	return column(col);
}

/* Block scalars are marked at the start of their first line; the text starts behind its
 * indentation. */
static uint16_t
text_start(struct bytes text, size_t pos, uint16_t col)
{
	while (pos < text.n && text.p[pos] == ' ' && col < UINT16_MAX - 1) {
		pos++;
		col++;
	}
	return col;
}

static struct mark
mark_of(struct yaml *y, struct fy_token *t)
{
	const struct fy_mark *start = t ? fy_token_start_mark(t) : NULL;
	const struct fy_mark *end = t ? fy_token_end_mark(t) : NULL;
	enum fy_scalar_style style;
	struct mark m;
	int quote, star;

	if (start == NULL)
		return y->last;
	/* Marks of quoted scalars are inside the quotes, those of aliases behind the star. */
	style = fy_token_scalar_style(t);
	quote = style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
	star = fy_token_get_type(t) == FYTT_ALIAS;
	m.line = (uint32_t)start->line + 1;
	m.col = column(start->column - quote - star);
	if (end && end->line == start->line)
		m.endcol = column(end->column + quote);
	else
		m.endcol = line_end(y->job->proto.text, start->input_pos, start->column);
	if (style == FYSS_LITERAL || style == FYSS_FOLDED)
		m.col = text_start(y->job->proto.text, start->input_pos, m.col);
	if (m.endcol <= m.col && m.col < UINT16_MAX)
		m.endcol = (uint16_t)(m.col + 1);
	y->last = m;
	y->last_pos = end ? end->input_pos : start->input_pos;
	y->doc->last_line = m.line;
	return m;
}

/* Borrowed where the library borrows from our text, else copied. */
static struct bytes
text_of(struct yaml *y, struct fy_token *t)
{
	struct bytes all = y->job->proto.text;
	size_t n = 0;
	const char *p = t ? fy_token_get_text(t, &n) : NULL;

	if (p == NULL || n == 0)
		return BYTES("");
	if (p >= all.p && p <= all.p + all.n && n <= (size_t)(all.p + all.n - p))
		return bytes_of(p, n);
	return arena_bytes(y->job->arena, bytes_of(p, n));
}

static size_t
end_pos(struct fy_token *t)
{
	const struct fy_mark *end = t ? fy_token_end_mark(t) : NULL;

	return end ? end->input_pos : 0;
}

/* The library's word is taken only for where a scalar is, not for what it says: see yaml_text.c.
 * `from`: where the token before it ended. */
static struct bytes
scalar_text(struct yaml *y, struct fy_token *t, size_t from, struct mark at)
{
	struct bytes all = y->job->proto.text, text;
	enum fy_scalar_style style = fy_token_scalar_style(t);
	const struct fy_mark *start = t ? fy_token_start_mark(t) : NULL;
	const struct fy_mark *end = t ? fy_token_end_mark(t) : NULL;
	char quote = style == FYSS_SINGLE_QUOTED ? '\'' : style == FYSS_DOUBLE_QUOTED ? '"' : '\0';
	bool good;

	if (start == NULL || end == NULL)
		return BYTES("");
	if (start->input_pos > end->input_pos || end->input_pos > all.n) {
		yaml_bad(y, CODE_INTERNAL, at, "the YAML library's marks are wrong here");
		return BYTES("");
	}
	text = bytes_of(all.p + start->input_pos, end->input_pos - start->input_pos);
	if (style == FYSS_LITERAL || style == FYSS_FOLDED) {
		const struct yaml_frame *f = y->depth ? &y->frames[y->depth - 1] : NULL;

		from = HG_MIN(from, start->input_pos);
		good = yaml_block(y->job->arena, bytes_of(all.p + from, start->input_pos - from),
		    text, f ? f->indent : -1, &text);
		if (!good)
			yaml_bad(y, CODE_INTERNAL, at, "cannot find where this text block begins");
		return good ? text : BYTES("");
	}
	if (memchr(text.p, '\n', text.n) == NULL &&
	    (quote == '\0' || memchr(text.p, quote == '"' ? '\\' : quote, text.n) == NULL))
		return text;
	if (!yaml_decode(y->job->arena, text, quote, &text))
		yaml_bad(y, CODE_ESCAPE, at, "text has an escape that is not known");
	return text;
}

static bool
tag_of(struct yaml *y, struct fy_token *t, const char *const *allowed, unsigned n, unsigned *which)
{
	struct bytes tag, prefix = BYTES("tag:yaml.org,2002:");
	struct mark at;
	struct diag *d;

	*which = 0;
	if (t == NULL)
		return true;
	tag = text_of(y, t);
	for (unsigned i = 0; i < n && bytes_starts(tag, prefix); i++)
		if (bytes_eq(bytes_of(tag.p + prefix.n, tag.n - prefix.n), bytes_str(allowed[i]))) {
			*which = i + 1;
			return true;
		}
	at = mark_of(y, t);
	d = yaml_bad(y, CODE_TAG, at, "tag %.*s cannot be used here",
	    (int)HG_MIN(tag.n, (size_t)100), tag.p);
	diag_help(y->job->diags, d, "remove the tag; write text with quotes and the rest plain");
	return false;
}

static void
collection(struct yaml *y, enum node_type type, struct fy_token *anchor, struct fy_token *tag,
    struct fy_token *start)
{
	static const char *const names[] = {"seq", "map"};
	struct bytes text = y->job->proto.text;
	const struct fy_mark *m = start ? fy_token_start_mark(start) : NULL;
	struct node *n = yaml_node(y, type, mark_of(y, start));
	unsigned which;
	bool flow;

	if (n == NULL)
		return;
	tag_of(y, tag, type == NODE_LIST ? &names[0] : &names[1], 1, &which);
	if (anchor)
		yaml_anchor(y, text_of(y, anchor), n);
	flow = m && m->input_pos < text.n &&
	    (text.p[m->input_pos] == '{' || text.p[m->input_pos] == '[');
	yaml_push(y, n, flow, m ? m->column : 0);
}

static void
resolve(struct yaml *y, struct node *n, bool plain, unsigned tag)
{
	static const uint8_t tags[] = {
	    SCALAR_ANY, SCALAR_STR, SCALAR_INT, SCALAR_BOOL, SCALAR_FLOAT, SCALAR_NULL};

	if (tag == 0 && !plain)
		return;
	if (!scalar_resolve(n, (enum scalar_tag)tags[tag]))
		yaml_bad(y, CODE_TAG_MISMATCH, n->at, "\"%.*s\" does not fit its tag",
		    (int)HG_MIN(n->text.n, (size_t)100), n->text.p);
	else if (n->type == NODE_FLOAT && !isfinite(n->real))
		yaml_bad(y, CODE_NUMBER, n->at, "%.*s is not a number that an object can hold",
		    BYTES_ARG(n->text));
	/* Marks a merge key until yaml_attach has seen it. */
	n->merged = plain && tag == 0 && bytes_eq(n->text, BYTES("<<"));
}

static void
scalar(struct yaml *y, struct fy_event *e)
{
	static const char *const names[] = {"str", "int", "bool", "float", "null"};
	struct fy_token *t = e->scalar.value;
	size_t before =
	    HG_MAX(HG_MAX(y->last_pos, end_pos(e->scalar.anchor)), end_pos(e->scalar.tag));
	struct mark at = mark_of(y, t);
	struct node *n = yaml_node(y, NODE_STRING, at);
	unsigned tag;

	if (n == NULL)
		return;
	n->text = scalar_text(y, t, before, at);
	if (t == NULL)
		n->at =
		    (struct mark){at.line, at.endcol, (uint16_t)HG_MIN(at.endcol + 1, UINT16_MAX)};
	if (n->text.n > READ_SCALAR_MAX)
		yaml_bad(y, CODE_LIMIT, at, "value has %zu bytes, more than 1 MB", n->text.n);
	else if (memchr(n->text.p, '\0', n->text.n))
		yaml_bad(y, CODE_ESCAPE, at, "text holds a zero byte");
	if (tag_of(y, e->scalar.tag, names, HG_ARRAY_LEN(names), &tag))
		resolve(y, n, fy_token_scalar_style(t) == FYSS_PLAIN, tag);
	if (e->scalar.anchor)
		yaml_anchor(y, text_of(y, e->scalar.anchor), n);
	yaml_attach(y, n);
}

static void
document_start(struct yaml *y, struct fy_event *e)
{
	const struct fy_mark *m = fy_event_start_mark(e);

	y->doc = arena_alloc(y->job->arena, sizeof(*y->doc));
	*y->doc = y->job->proto;
	y->doc->index = y->documents++;
	if (m)
		y->last =
		    (struct mark){(uint32_t)m->line + 1, column(m->column), column(m->column + 1)};
	y->doc->first_line = y->doc->last_line = y->last.line;
}

/* 0, or the callback's wish to stop. */
static int
document_end(struct yaml *y)
{
	struct node *root = y->root;
	int stop = 0;

	if (!y->bad && root && root->type != NODE_NULL) {
		if (root->type != NODE_MAP) {
			yaml_bad(y, CODE_NOT_MAPPING, root->at,
			    "document is not a mapping of keys to values");
		} else {
			y->given++;
			y->job->documents = y->documents;
			y->job->spent = y->all;
			stop = y->job->document(y->job->arg, root);
		}
	}
	yaml_reset(y);
	return stop;
}

static int
event(struct yaml *y, struct fy_event *e)
{
	switch (e->type) {
	case FYET_DOCUMENT_START:
		document_start(y, e);
		return 0;
	case FYET_DOCUMENT_END:
		return document_end(y);
	case FYET_MAPPING_START:
		collection(y, NODE_MAP, e->mapping_start.anchor, e->mapping_start.tag,
		    e->mapping_start.mapping_start);
		return 0;
	case FYET_SEQUENCE_START:
		collection(y, NODE_LIST, e->sequence_start.anchor, e->sequence_start.tag,
		    e->sequence_start.sequence_start);
		return 0;
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		yaml_pop(y);
		return 0;
	case FYET_SCALAR:
		scalar(y, e);
		return 0;
	case FYET_ALIAS:
		yaml_alias(y, text_of(y, e->alias.anchor), mark_of(y, e->alias.anchor));
		return 0;
	default:
		return 0;
	}
}

static struct fy_parser *
parser_new(struct bytes text, struct fy_diag **diag)
{
	struct fy_diag_cfg dc;
	struct fy_parse_cfg pc = {.flags = FYPCF_JSON_NONE | FYPCF_SLOPPY_FLOW_INDENTATION};
	struct fy_parser *p;

	fy_diag_cfg_default(&dc);
	dc.fp = NULL; /* nothing goes to stderr */
	dc.colorize = false;
	*diag = fy_diag_create(&dc);
	HG_CHECK(*diag != NULL);
	fy_diag_set_collect_errors(*diag, true);
	pc.diag = *diag;
	p = fy_parser_create(&pc);
	HG_CHECK(p != NULL && fy_parser_set_string(p, text.p, text.n) == 0);
	return p;
}

static void
complain(struct yaml *y, struct fy_diag *diag)
{
	void *iter = NULL;
	const struct fy_diag_error *e = fy_diag_errors_iterate(diag, &iter);
	struct mark open = {0};

	for (unsigned i = 0; i < y->depth; i++)
		if (y->frames[i].flow)
			open = y->frames[i].node->at;
	y->failed = true;
	yaml_explain(y->job, e && e->msg ? e->msg : "cannot be read as YAML",
	    e ? e->line : (int)y->last.line, e ? e->column : (int)y->last.col, open, y->given);
}

/* Bounds of the file as a whole. */
static bool
give_up(struct yaml *y)
{
	struct diag *d;

	if (y->skip)
		y->skipped++;
	if (y->all <= READ_YAML_NODES_MAX && y->documents <= READ_DOCUMENTS_MAX &&
	    y->skipped <= READ_SKIP_MAX)
		return false;
	d = yaml_bad(y, CODE_LIMIT, y->last, "file holds too much");
	d->effect = BYTES("the rest of this file is not read");
	diag_help(y->job->diags, d, "split it into several files");
	return true;
}

int
yaml_read(struct read_job *job)
{
	struct yaml *y = arena_zalloc(job->arena, sizeof(*y));
	struct fy_diag *diag;
	struct fy_parser *p = parser_new(job->proto.text, &diag);
	struct fy_event *e;
	bool ended = false, full = false;
	int stop = 0;

	y->job = job;
	y->doc = &job->proto;
	y->last = (struct mark){1, 1, 2};
	while (stop == 0 && !full && (e = fy_parser_parse(p)) != NULL) {
		ended = e->type == FYET_STREAM_END;
		stop = event(y, e);
		fy_parser_event_free(p, e);
		full = give_up(y);
	}
	if (stop == 0 && !full && (!ended || fy_diag_got_error(diag)))
		complain(y, diag);
	job->documents = y->documents;
	job->spent = y->all;
	yaml_reset(y);
	fy_parser_destroy(p);
	fy_diag_destroy(diag);
	return stop ? -1 : y->failed;
}
