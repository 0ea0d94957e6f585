/*
 * table.h - rows of text in aligned columns, as kubectl prints them: three blanks between, nothing
 * behind the last.
 */
#ifndef CLI_TABLE_H
#define CLI_TABLE_H

#include <stdio.h>

#include "base/arena.h"
#include "base/bytes.h"

#define TABLE_COLUMNS 16

struct table_row;
struct table {
	struct arena *arena;
	struct table_row *first, *last, *open;
	unsigned columns, widths[TABLE_COLUMNS];
};

void table_init(struct table *, struct arena *);
void table_row(struct table *);                           /* begin one */
void table_cell(struct table *, struct bytes);            /* copies; absent and empty become "-" */
void table_cellf(struct table *, const char *fmt, ...) HG_PRINTF(2, 3);
void table_print(const struct table *, unsigned indent, FILE *);

#endif
