/*
 * cond.c - a bounded set of conditions, one a type. Setting a type again replaces it in place, so
 * the order of first setting is the order in which people read them.
 */
#include "conf/resolve/cond.h"

#include <string.h>

void
cond_set(struct conds *c, const char *type, enum cond_status status, const char *reason,
    const char *message)
{
	struct cond *slot = NULL;

	for (uint32_t i = 0; i < c->n; i++)
		if (strcmp(c->v[i].type, type) == 0)
			slot = &c->v[i];
	if (slot == NULL) {
		HG_CHECK(c->n < COND_MAX);
		slot = &c->v[c->n++];
	}
	*slot = (struct cond){type, reason, message, (uint8_t)status};
}

const struct cond *
cond_get(const struct conds *c, const char *type)
{
	for (uint32_t i = 0; i < c->n; i++)
		if (strcmp(c->v[i].type, type) == 0)
			return &c->v[i];
	return NULL;
}

bool
cond_true(const struct conds *c, const char *type)
{
	const struct cond *f = cond_get(c, type);

	return f != NULL && f->status == COND_TRUE;
}
