/*
 * libconfig.c - libconfig text to the node tree; the only file that knows libconfig. Version 1.5
 * has no columns, opens any file for @include, wraps integers over 32 bits and takes 010 for ten,
 * all silently. So our own scanner (libconfig_scan.c) reads the text first and builds the tree with
 * marks; only what it accepts reaches the library, and the library is the second opinion: both must
 * agree on every name, type and value, or the file is refused. Taking values from the library alone
 * was rejected (no columns, wrapped numbers), and so was our scanner alone (what headgate reads and
 * what other tools of the library read must be the same).
 */
#include <libconfig.h>
#include <math.h>

#include "base/check.h"
#include "base/mem.h"
#include "conf/read/codes.h"
#include "conf/read/scan.h"

static bool
same_scalar(const struct node *n, const config_setting_t *s)
{
	const char *text;

	switch (config_setting_type(s)) {
	case CONFIG_TYPE_INT:
		return n->type == NODE_INT && n->integer == config_setting_get_int(s);
	case CONFIG_TYPE_INT64:
		return n->type == NODE_INT && n->integer == config_setting_get_int64(s);
	case CONFIG_TYPE_FLOAT:
		return n->type == NODE_FLOAT && fabs(n->real - config_setting_get_float(s)) <=
		    fabs(n->real) * 1e-15;
	case CONFIG_TYPE_BOOL:
		return n->type == NODE_BOOL && n->boolean == (config_setting_get_bool(s) != 0);
	case CONFIG_TYPE_STRING:
		text = config_setting_get_string(s);
		return n->type == NODE_STRING &&
		    bytes_eq(n->text, text ? bytes_str(text) : BYTES(""));
	default:
		return false;
	}
}

/* The first node on which the library is of another opinion, or NULL. */
static const struct node *
compare(const struct node *n, config_setting_t *s)
{
	bool group = config_setting_is_group(s);
	unsigned i = 0;

	if (n->type != NODE_MAP && n->type != NODE_LIST)
		return same_scalar(n, s) ? NULL : n;
	if (group != (n->type == NODE_MAP) || !config_setting_is_aggregate(s) ||
	    config_setting_length(s) != (int)n->n)
		return n;
	for (const struct node *c = n->first; c; c = c->next) {
		config_setting_t *cs = config_setting_get_elem(s, i++);
		const struct node *bad;

		if (cs == NULL || (group && !bytes_eq(c->key, bytes_str(config_setting_name(cs)))))
			return c;
		bad = compare(c, cs);
		if (bad)
			return bad;
	}
	return NULL;
}

static struct mark
line_mark(struct bytes text, int line)
{
	struct mark m = {(uint32_t)HG_MAX(line, 1), 1, 2};
	size_t from = 0;

	for (int i = 1; i < line; i++) {
		ptrdiff_t nl = bytes_chr(text, '\n', from);

		if (nl < 0)
			return m;
		from = (size_t)nl + 1;
	}
	while (from < text.n && (text.p[from] == ' ' || text.p[from] == '\t') && m.col < 1000) {
		from++;
		m.col++;
	}
	m.endcol = (uint16_t)(m.col + 1);
	return m;
}

static bool
agreed(struct read_job *job, const struct node *root)
{
	struct bytes file = job->proto.file, text = job->proto.text;
	const struct node *bad = NULL;
	bool good = false;
	config_t c;
	char *copy;

	if (bytes_starts(text, BYTES("\xef\xbb\xbf")))
		text = bytes_of(text.p + 3, text.n - 3);
	/* The library does not know a comment that ends with the file. */
	copy = mem_alloc(text.n + 2);
	if (text.n)
		memcpy(copy, text.p, text.n);
	memcpy(copy + text.n, "\n", 2);
	config_init(&c);
	config_set_include_dir(&c, "/dev/null"); /* should one slip through, it opens nothing */
	if (config_read_string(&c, copy) != CONFIG_TRUE) {
		struct diag *d = diag_file(job->diags, CODE_SYNTAX, file,
		    line_mark(text, config_error_line(&c)), job->proto.text, "%s",
		    config_error_text(&c) ? config_error_text(&c) : "syntax error");

		d->effect = BYTES("nothing of this file is read");
	} else {
		bad = compare(root, config_root_setting(&c));
		good = bad == NULL;
	}
	config_destroy(&c);
	mem_free(copy);
	if (bad)
		diag_at(
		    job->diags, CODE_READERS_DISAGREE, bad, "libconfig reads this in another way");
	return good;
}

struct node *
libconfig_read(struct read_job *job, struct doc *doc)
{
	struct node *root = scan_libconfig(job, doc);

	return root && agreed(job, root) ? root : NULL;
}
