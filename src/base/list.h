#ifndef BASE_LIST_H
#define BASE_LIST_H

/*
 * A doubly linked list whose links live in the members. A head is a link that
 * points at itself when empty. Nobody is freed here. One thread at a time.
 */

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

/* The struct of type `type` whose member `member` is the link `l`. */
#define list_entry(l, type, member) ((type *)(void *)((char *)(l)-offsetof(type, member)))

/* Walk from first to last; the body may remove `it` only with list_each_safe. */
#define list_each(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
#define list_each_safe(it, head)                                                                   \
	for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                  \
	     it = it##_next, it##_next = it->next)

/* Make l an empty head, or a link that is in no list. */
static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Is there exactly one? */
static inline bool list_single(const struct list *l)
{
	return !list_empty(l) && l->next->next == l;
}

/* Add l, in no list, at the end of head's list. */
static inline void list_append(struct list *head, struct list *l)
{
	l->prev = head->prev;
	l->next = head;
	head->prev->next = l;
	head->prev = l;
}

/* Take l out of its list; harmless when it is in none (and was initialised). */
static inline void list_remove(struct list *l)
{
	l->prev->next = l->next;
	l->next->prev = l->prev;
	list_init(l);
}

/* Move all members of from to the end of to; from is empty afterwards. */
static inline void list_splice(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#endif
