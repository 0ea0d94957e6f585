/*
 * list.h - intrusive doubly linked list with a head of the same type.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>

#include "base/check.h"

struct list {
	struct list *next, *prev;
};

static inline void
list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool
list_empty(const struct list *l)
{
	return l->next == l;
}

static inline void
list_push(struct list *head, struct list *l) /* at the front */
{
	l->next = head->next;
	l->prev = head;
	head->next->prev = l;
	head->next = l;
}

static inline void
list_append(struct list *head, struct list *l)
{
	list_push(head->prev, l);
}

static inline void
list_del(struct list *l) /* leaves l alone in its own list, so a second call is harmless */
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

#define LIST_ENTRY(l, type, member) HG_CONTAINER(l, type, member)
#define LIST_FOREACH(it, head) \
	for (struct list *it = (head)->next; it != (head); it = it->next)
#define LIST_FOREACH_SAFE(it, tmp, head) \
	for (struct list *it = (head)->next, *tmp = it->next; it != (head); \
	     it = tmp, tmp = it->next)

#endif
