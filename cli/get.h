/*
 * get.h - choosing and printing objects, for `get` and `describe`.
 */
#ifndef CLI_GET_H
#define CLI_GET_H

#include "cli/view.h"

struct kind;
struct strbuf;

struct get_filter {
	const struct kind *kind; /* NULL with all_kinds: every kind that has a status */
	const char *ns, *name;   /* name NULL: all */
	bool all_kinds, all_ns;
};

/* From the verb's arguments; 0, or EX_USAGE_ after saying why. */
int get_filter_init(const struct opts *, struct view *, struct get_filter *);
int get_missing(const struct get_filter *); /* says that there is no such object; EX_FAILED */
bool get_select(const struct get_filter *, const struct view *, const struct cat_object *);
void get_print_json(const struct view *, const struct cat_object *, struct strbuf *);

#endif
