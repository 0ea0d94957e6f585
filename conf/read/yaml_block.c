/*
 * yaml_block.c - block scalars (| and >), decoded from the source by us, for the reason given in
 * yaml_text.c: where an indented line follows an empty one in a folded block, libfyaml 0.7.12
 * counts too many bytes and the text ends in memory that is not its own. YAML 1.2 section 8.1, in
 * the way in which libyaml (and go-yaml, so kubectl) chomps.
 */
#include "base/check.h"
#include "conf/read/yaml.h"

struct block {
	const char *p, *end;
	char *out;
	size_t n;
	size_t indent;     /* of the content; 0 until known */
	size_t waiting;    /* empty lines read and not yet written */
};

/* After `from`, over what may stand between a token and the header. Comments may hold a | of their
 * own. */
static bool
find_header(struct bytes *h)
{
	bool blank = true;

	for (size_t i = 0; i < h->n; i++) {
		char c = h->p[i];

		if (c == '|' || c == '>') {
			*h = bytes_of(h->p + i, h->n - i);
			return true;
		}
		if (c == '#' && blank)
			while (i + 1 < h->n && h->p[i + 1] != '\n')
				i++;
		blank = c == ' ' || c == '\t' || c == '\n';
	}
	return false;
}

/* Empty lines and the indentation of the next one. */
static void
skip_empty(struct block *b, size_t least)
{
	const char *p;
	size_t deepest = 0, spaces;

	for (;;) {
		spaces = 0;
		for (p = b->p; p < b->end && *p == ' ' && (b->indent == 0 || spaces < b->indent);
		     p++)
			spaces++;
		deepest = HG_MAX(deepest, spaces);
		if (p == b->end || *p != '\n')
			break;
		b->waiting++;
		b->p = p + 1;
	}
	if (b->indent == 0)
		b->indent = HG_MAX(HG_MAX(deepest, least), (size_t)1);
}

/* A line of content, if one is next: its text without indentation and line end. */
static bool
take_line(struct block *b, struct bytes *line, bool *ended)
{
	const char *p = b->p, *from;
	size_t spaces = 0;

	for (; p < b->end && *p == ' ' && spaces < b->indent; p++)
		spaces++;
	if (spaces < b->indent || p == b->end)
		return false;
	for (from = p; p < b->end && *p != '\n'; p++)
		;
	*line = bytes_of(from, (size_t)(p - from));
	*ended = p < b->end;
	b->p = *ended ? p + 1 : p;
	return true;
}

static void
put_breaks(struct block *b, size_t n)
{
	memset(b->out + b->n, '\n', n);
	b->n += n;
}

static void
content(struct block *b, bool folded, char chomp)
{
	bool open = false,
	     blank_before = false; /* a line end is due; the line before began with a blank */
	bool ended = false;
	struct bytes line;

	while (take_line(b, &line, &ended)) {
		bool blank = line.n && (line.p[0] == ' ' || line.p[0] == '\t');

		if (open && folded && !blank && !blank_before) {
			if (b->waiting == 0)
				b->out[b->n++] = ' ';
		} else if (open) {
			put_breaks(b, 1);
		}
		put_breaks(b, b->waiting);
		b->waiting = 0;
		memcpy(b->out + b->n, line.p, line.n);
		b->n += line.n;
		blank_before = blank;
		open = ended;
		skip_empty(b, 1);
	}
	if (chomp != '-' && open)
		put_breaks(b, 1);
	if (chomp == '+')
		put_breaks(b, b->waiting);
}

bool
yaml_block(struct arena *a, struct bytes header, struct bytes raw, int parent, struct bytes *text)
{
	struct block b = {.p = raw.p, .end = raw.p + raw.n};
	char chomp = '\0';
	size_t explicit = 0;

	if (!find_header(&header))
		return false;
	for (size_t i = 1; i < header.n && i < 3; i++) {
		char c = header.p[i];

		if (c == '-' || c == '+')
			chomp = c;
		else if (c >= '1' && c <= '9')
			explicit = (size_t)(c - '0');
		else
			break;
	}
	if (explicit)
		b.indent = explicit + (size_t)HG_MAX(parent, 0);
	b.out = arena_alloc(a, raw.n + 1);
	skip_empty(&b, (size_t)(parent + 1));
	content(&b, header.p[0] == '>', chomp);
	*text = bytes_of(b.out, b.n);
	return true;
}
