#include "stack.h"

int stack_push(struct stack *s, int n)
{
	if (s->count == STACK_SIZE)
		return -1;
	s->item[s->count++] = n;
	return 0;
}

int stack_pop(struct stack *s)
{
	return s->item[s->count];
}
