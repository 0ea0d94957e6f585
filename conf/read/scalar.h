/*
 * scalar.h - types of plain YAML scalars as kubectl's reader sees them (YAML 1.1 as go-yaml v2
 * resolves it, then what JSON makes of it). Pure; conf/read only.
 */
#ifndef CONF_READ_SCALAR_H
#define CONF_READ_SCALAR_H

#include "conf/read/node.h"

enum scalar_tag { SCALAR_ANY, SCALAR_STR, SCALAR_INT, SCALAR_BOOL, SCALAR_FLOAT, SCALAR_NULL };

/* Sets type, boolean, integer, real of `n` from n->text. False: the text does not fit the tag.
 * Whole floats become integers (JSON has one kind of number, and 80.0 is printed as 80); infinities
 * and NaN stay NODE_FLOAT. */
bool scalar_resolve(struct node *n, enum scalar_tag);

/* The JSON key that a resolved scalar becomes; absent for null, which cannot be one. */
struct bytes scalar_key(struct arena *, const struct node *n);

#endif
