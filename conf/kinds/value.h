/*
 * value.h - inside conf/kinds: checking and reading single values for the binder. Each says what is
 * wrong and returns false, or fills in what it read.
 */
#ifndef CONF_KINDS_VALUE_H
#define CONF_KINDS_VALUE_H

#include "conf/kinds/bind.h"

/* `want` with its article: "a string". */
void value_wrong_type(struct vctx *, const struct node *, const char *want);
bool value_is_string(struct vctx *, const struct node *);
/* Lengths, pattern, allowed words of one text. */
bool value_text(struct vctx *, const struct kfield *, const struct node *, struct bytes);
bool value_int(struct vctx *, const struct kfield *, const struct node *, int64_t *out);
uint8_t value_enum(const struct kfield *, struct bytes);
void value_limit(struct vctx *, const struct kfield *, const struct node *, int64_t *out);
void value_int_or_string(struct vctx *, const struct kfield *, const struct node *,
    struct k_int_or_string *out);

#endif
