/*
 * table.c - collects rows, then knows the widths. Widths are counted in UTF-8 characters.
 */
#include "cli/table.h"

struct table_row {
	struct table_row *next;
	unsigned n;
	struct bytes cells[TABLE_COLUMNS];
};

void
table_init(struct table *t, struct arena *a)
{
	*t = (struct table){.arena = a};
}

void
table_row(struct table *t)
{
	struct table_row *r = arena_zalloc(t->arena, sizeof(*r));

	if (t->last)
		t->last->next = r;
	else
		t->first = r;
	t->last = t->open = r;
}

static unsigned
width(struct bytes b)
{
	unsigned w = 0;

	for (size_t i = 0; i < b.n; i++)
		w += ((unsigned char)b.p[i] & 0xc0) != 0x80;
	return w;
}

void
table_cell(struct table *t, struct bytes b)
{
	struct table_row *r = t->open;

	HG_CHECK(r && r->n < TABLE_COLUMNS);
	r->cells[r->n] = b.n ? arena_bytes(t->arena, b) : BYTES("-");
	t->widths[r->n] = HG_MAX(t->widths[r->n], width(r->cells[r->n]));
	r->n++;
	t->columns = HG_MAX(t->columns, r->n);
}

void
table_cellf(struct table *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	table_cell(t, bytes_str(arena_vprintf(t->arena, fmt, ap)));
	va_end(ap);
}

void
table_print(const struct table *t, unsigned indent, FILE *out)
{
	for (const struct table_row *r = t->first; r; r = r->next) {
		fprintf(out, "%*s", (int)indent, "");
		for (unsigned i = 0; i < r->n; i++) {
			unsigned pad = i + 1 < r->n ? t->widths[i] - width(r->cells[i]) + 3 : 0;

			fprintf(out, "%.*s%*s", BYTES_ARG(r->cells[i]), (int)pad, "");
		}
		fputc('\n', out);
	}
}
